"""From scopes to the one statement that draws them: text prepared once, values bound for each square.

The text depends on the layers, their fields, the form of their limits and the band of zooms, never on the
square, so that each connection of the drawing pool parses and plans it once.

Far out a layer is drawn from its lighter copy, if it has one; else from its rows, where areas too small to
be seen are left out and counted, and of crowds a share is drawn (`tiles.thinning`); from zoom 14 on
whatever a tile's units can show is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Double,
    FromClause,
    Integer,
    LargeBinary,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.types import NullType

from gis.own_matrix_sets import domain_of
from layers.access import Scope
from layers.classes import counted_class
from layers.cql2 import FilterExpression
from layers.cql2_sql import condition, filter_fields
from layers.db import for_driver
from layers.function_arguments import Given
from layers.model import Field, Layer, SquareArgument
from layers.rows import called_rows, generalised_rows, meets_box_of, rows
from layers.tile_fields import far_fields, tile_fields
from tiles import thinning
from tiles.square import EXTENT, MARGIN, STORED, Frame, Square
from tiles.thinning import Thinned, is_among, is_unmeasured, thinned_at

EXACT_FROM_ZOOM = 14
MAX_FILTERED_FAR = 20_000
"""Rows of a filtered layer in one tile below that zoom, where no lighter copy serves; others are counted."""
SPECK_UNITS = 2.0
"""An area less wide and less high than this is a speck: a quarter of a pixel where a tile shows 512."""

Band = Literal["exact", "without specks"] | Thinned | int
"""How a layer is drawn at some zooms; a number: from the copy for this zoom."""

_EXTENT: ColumnElement[int] = literal_column(str(EXTENT))

_REACH_4490 = ("tile_lon_west", "tile_lat_south", "tile_lon_east", "tile_lat_north")
_REACH = ("tile_reach_west", "tile_reach_south", "tile_reach_east", "tile_reach_north")

GEOMETRY_COLUMNS: Mapping[Frame, str] = {3857: "_geom_3857", 4490: "_geom"}


@dataclass(frozen=True)
class DrawStatement:
    """What draws some scopes in any square of one band and frame.

    Each of `layer_ids` has three columns in the one row: its part of the tile, how many of its rows lie in
    the square and are not drawn, and how many are drawn as part of another.
    """

    layer_ids: tuple[str, ...]
    text: str
    values: Mapping[str, object]

    def parameters(self, square: Square) -> dict[str, object]:
        """Every value the text has a place for."""
        west, south, east, north = square.bounds
        return {
            **self.values,
            "tile_west": west,
            "tile_south": south,
            "tile_east": east,
            "tile_north": north,
            "tile_margin": square.margin,
            "tile_speck": square.unit * SPECK_UNITS,
            "tile_z": square.zoom,
            "tile_x": square.x,
            "tile_y": square.y,
            **dict(zip(_REACH, square.reach_3857, strict=True)),
            **dict(zip(_REACH_4490, square.reach_4490, strict=True)),
        }


def band_of(scope: Scope, zoom: int, *, is_filtered: bool = False) -> Band | None:
    """How the scope is drawn at a zoom of the Web Mercator quad; None if it is not drawn there.

    A filter is about rows, and the lighter copy has several in one: filtered, it is drawn from its rows.
    """
    layer = scope.layer
    if zoom < layer.min_zoom:
        return None
    # The copy is made of the rows as they stand now; an older version is drawn from its rows.
    if layer.generalised is not None and scope.is_current and not is_filtered:
        first, last = layer.generalised
        if zoom < first:
            return None  # the description was changed to begin here, and the copy is still to be made
        if zoom <= last:
            return zoom
    if zoom >= EXACT_FROM_ZOOM:
        return "exact"
    thinned = None if is_filtered or layer.function is not None else thinned_at(layer, zoom)
    return "without specks" if thinned is None else thinned


def compose(
    shown: Sequence[tuple[Scope, Band]],
    frame: Frame,
    where: FilterExpression | None = None,
    given: Given = (),
    margins: Sequence[int] | None = None,
) -> DrawStatement:
    """The statement for one or more scopes, whose layers differ, each in its band.

    `where`: of one scope. `given`: what is said to the function of one. `margins`: units drawn beyond each
    side, of each scope; `MARGIN` for all if none are said.
    """
    wide = margins or [MARGIN] * len(shown)
    parts = [
        _part(scope, band, frame, where, given, margin).subquery(f"part_{n}")
        for n, ((scope, band), margin) in enumerate(zip(shown, wide, strict=True))
    ]
    columns = [column for part in parts for column in (part.c.tile, part.c.left_out, part.c.merged)]
    joined: FromClause = parts[0]
    for part in parts[1:]:
        joined = joined.join(part, true())
    text, values = for_driver(select(*columns).select_from(joined))
    return DrawStatement(
        tuple(scope.layer.id for scope, _ in shown),
        text,
        {name: value for name, value in values.items() if not name.startswith("tile_")},
    )


def _part(
    scope: Scope, band: Band, frame: Frame, where: FilterExpression | None, given: Given, margin: int
) -> Select[Any]:
    """One row: the layer's part of the tile (no bytes if nothing was drawn), rows left out, rows merged."""
    is_far = isinstance(band, int)
    fields = far_fields(scope) if is_far else tile_fields(scope)
    drawn = _drawn(scope, fields, band, frame, where, given, margin)
    # The record that becomes the features' attributes; a level of its own, as what is counted beside it
    # must not be in it. Names of our own begin with an underscore, which no field's does.
    names = ["_fid", *(["_key"] if scope.layer.key is None and not is_far else []), *(f.name for f in fields)]
    if _has_areas(scope.layer) and not is_far:
        names.append("_label")
    attributes: list[ColumnElement[Any]] = [drawn.c[name] for name in names]
    if is_far:
        attributes.append(func.nullif(drawn.c._count, literal_column("1")).label("_count"))
        if counted_class(scope) is not None:
            attributes.append(drawn.c._classes)  # each name in it becomes an attribute of its own
    record = select(drawn.c._drawn.label("_geom"), *attributes).correlate(drawn).lateral("_feature")
    tile = func.ST_AsMVT(
        literal_column("_feature"),
        scope.layer.id,
        _EXTENT,
        literal_column("'_geom'"),
        literal_column("'_fid'"),
        type_=LargeBinary(),
    )
    columns = [tile.label("tile"), *_counts(drawn, band, frame, margin)]
    return select(*columns).select_from(drawn.join(record, true()))


def _counts(drawn: Subquery, band: Band, frame: Frame, margin: int) -> list[ColumnElement[Any]]:
    """Rows left out and rows merged into others."""
    is_drawn = drawn.c._drawn.is_not(None)
    is_here: ColumnElement[bool] = func.ST_Intersects(drawn.c._stored, _reach(frame, margin), type_=Boolean())
    if isinstance(band, Thinned):
        # Of hundreds of thousands; by their boxes, which are a few more.
        is_here = drawn.c._stored.op("&&", is_comparison=True)(_reach(frame, margin))
    lost = and_(~is_drawn, is_here)
    if not isinstance(band, int):
        return [func.count().filter(lost).label("left_out"), literal_column("0").label("merged")]
    # A row that is not drawn takes with it those it would have told of.
    too_small = func.sum(drawn.c._count + drawn.c._left_out).filter(lost)
    crowded_out = func.sum(drawn.c._left_out).filter(is_drawn)
    merged = func.sum(drawn.c._count - 1).filter(is_drawn)
    left_out = func.coalesce(too_small, 0) + func.coalesce(crowded_out, 0)
    return [
        cast(left_out, BigInteger).label("left_out"),
        cast(func.coalesce(merged, 0), BigInteger).label("merged"),
    ]


def _drawn(
    scope: Scope,
    fields: Sequence[Field],
    band: Band,
    frame: Frame,
    where: FilterExpression | None,
    given: Given,
    margin: int,
) -> Subquery:
    """The rows in reach of the square: shape in the tile's units (null: too small to show), attributes."""
    names = [f.name for f in fields]
    in_reach: ColumnElement[bool]
    counts: list[ColumnElement[Any]] = []
    if isinstance(band, int):
        source = generalised_rows(scope, band, fields=names).subquery("source")
        in_reach = source.c._geom_3857.op("&&", is_comparison=True)(_reach_3857(margin))
    elif scope.layer.function is not None:
        source, in_reach = _of_the_users_function(scope, names, given), true()
    elif scope.layer.relation is not None:
        source, in_reach = _of_the_users_table(scope, names, where), true()
    else:
        asked = names if where is None else [*names, *filter_fields(scope, where)]
        source = rows(scope, fields=asked).subquery("source")
        if frame in STORED:
            in_reach = source.c[GEOMETRY_COLUMNS[frame]].op("&&", is_comparison=True)(_reach(frame, margin))
        else:
            in_reach = source.c._geom.op("&&", is_comparison=True)(_reach_4490(margin))
        if where is not None:
            in_reach = and_(in_reach, condition(scope, source, where))
    if frame not in STORED:
        source = _moved(source, in_reach, frame)
        in_reach = source.c._moved.op("&&", is_comparison=True)(_reach(frame, margin))
    stored = source.c[GEOMETRY_COLUMNS.get(frame, "_moved")]
    if isinstance(band, int):
        counts = [source.c._count, source.c._left_out, source.c._classes]
    shape = _in_units(scope.layer, stored, frame, margin)
    if (band == "without specks" or isinstance(band, Thinned)) and _has_areas(scope.layer):
        shape = case((_is_speck(stored), None), else_=shape)
    if band == "without specks" and where is not None:
        number = func.row_number().over(order_by=source.c._fid)
        shape = case((number <= literal_column(str(MAX_FILTERED_FAR)), shape))
    if not isinstance(band, int) and is_unmeasured(scope):
        shape = case((_is_within_bounds(source, band), shape))
    if scope.layer.function is not None:
        shape = case((source.c._number <= literal_column(str(scope.layer.function.most_rows)), shape))
    return (
        select(
            shape.label("_drawn"),
            stored.label("_stored"),
            source.c._fid,
            source.c._key,
            *counts,
            _is_labelled_here(stored).label("_label"),
            *(_travelling(source.c[f.name], f).label(f.name) for f in fields),
        )
        .where(in_reach)
        # A fence: without it the planner would pull this level up and cut every shape twice, once for the
        # tile and once for the count.
        .offset(literal_column("0"))
        .subquery("drawn")
    )


def _in_units(layer: Layer, stored: ColumnElement[Any], frame: Frame, margin: int) -> ColumnElement[Any]:
    """The shape in the tile's units, cut at the margin; null where nothing is left of it."""

    def cut(shape: ColumnElement[Any]) -> ColumnElement[Any]:
        beyond: ColumnElement[int] = literal_column(str(margin))
        return func.ST_AsMVTGeom(shape, _box(frame), _EXTENT, beyond, true(), type_=NullType())

    if layer.geometry_type not in ("MultiLineString", "Geometry"):
        return cut(stored)
    # There and back again: of a line of which three vertices are left, the last where the first is, PostGIS
    # (3.3) leaves nothing, however long it is. It looks like the way to its far end.
    start = func.ST_StartPoint(func.ST_GeometryN(stored, literal_column("1")), type_=NullType())
    way = func.ST_LongestLine(start, stored, type_=NullType())
    one: ColumnElement[int] = literal_column("1")
    is_way = and_(
        func.ST_Dimension(stored) == one,
        func.ST_NumGeometries(stored) == one,
        func.ST_Length(way, type_=Double()) > _place("speck"),
        func.ST_HausdorffDistance(way, stored, type_=Double()) < _place("speck"),
    )
    return func.coalesce(cut(stored), case((is_way, cut(way))), type_=NullType())


def _is_within_bounds(source: Subquery, band: Band) -> ColumnElement[bool]:
    """Whether a row is drawn: one of the share, where only a share is, and not beyond the most."""
    most: ColumnElement[int] = literal_column(str(thinning.MOST_AT_ALL))
    if not isinstance(band, Thinned):
        return func.row_number().over() <= most
    chosen = is_among(band, source.c._fid)
    # Without an order: rows come as they lie, nothing is sorted or kept.
    return and_(chosen, func.count().filter(chosen).over(rows=(None, 0)) <= most)


def _of_the_users_table(scope: Scope, names: Sequence[str], where: FilterExpression | None) -> Subquery:
    """The rows of a registered layer in reach, chosen by the table's own index.

    A fence as below: their shapes are transformed here, once, and looked at several times above.
    """
    asked = names if where is None else [*names, *filter_fields(scope, where)]
    read = rows(scope, fields=asked).subquery("read")
    in_reach = meets_box_of(scope, read, _reach_4490())
    if where is not None:
        in_reach = and_(in_reach, condition(scope, read, where))
    return select(read).where(in_reach).offset(literal_column("0")).subquery("source")


def _of_the_users_function(scope: Scope, names: Sequence[str], given: Given) -> Subquery:
    """The rows of a function layer in reach, numbered in the order they came; fenced as those of a table."""
    square: dict[SquareArgument, ColumnElement[Any]] = {"bounds": _reach_4490()}
    for name in ("z", "x", "y"):
        square[name] = bindparam(f"tile_{name}", type_=Integer())
    called = called_rows(scope, given, square, fields=names).subquery("read")
    in_reach = called.c._geom.op("&&", is_comparison=True)(_reach_4490())
    number = func.row_number().over().label("_number")
    return select(called, number).where(in_reach).offset(literal_column("0")).subquery("source")


def _moved(source: Subquery, in_reach: ColumnElement[bool], frame: Frame) -> Subquery:
    """The rows in reach with their shapes transformed from EPSG:4490, once (a fence, as below).

    What reaches beyond the places the system is meant for is cut first: the transformation would fail there.
    """
    corners: list[ColumnElement[float]] = [literal_column(repr(float(degree))) for degree in domain_of(frame)]
    domain = func.ST_MakeEnvelope(*corners, literal_column("4490"), type_=NullType())
    geom = source.c._geom
    inside = case(
        (geom.op("@", is_comparison=True)(domain), geom),
        else_=func.ST_ClipByBox2D(geom, func.Box2D(domain), type_=NullType()),
    )
    moved = func.ST_Transform(inside, literal_column(str(frame)), type_=NullType())
    fenced = select(*source.c, moved.label("_moved")).where(in_reach).offset(literal_column("0"))
    return fenced.subquery("moved")


def _has_areas(layer: Layer) -> bool:
    return layer.geometry_type in ("MultiPolygon", "Geometry")


def _is_labelled_here(stored: ColumnElement[Any]) -> ColumnElement[Any]:
    """True in the one square that holds the middle of the shape's box, null (not sent) in its neighbours.

    An area cut by squares has a piece in each, and a map that named every piece would name it many times.
    """
    x = (func.ST_XMin(stored) + func.ST_XMax(stored)) / literal_column("2")
    y = (func.ST_YMin(stored) + func.ST_YMax(stored)) / literal_column("2")
    is_inside = and_(x >= _place("west"), x < _place("east"), y >= _place("south"), y < _place("north"))
    return case((is_inside, true()))


def _is_speck(stored: ColumnElement[Any]) -> ColumnElement[bool]:
    limit = _place("speck")
    return and_(
        func.ST_Dimension(stored) == literal_column("2"),
        func.ST_XMax(stored) - func.ST_XMin(stored) < limit,
        func.ST_YMax(stored) - func.ST_YMin(stored) < limit,
    )


def _travelling(column: ColumnElement[Any], field: Field) -> ColumnElement[Any]:
    """The value as a tile can hold it: a moment as RFC 3339 text in UTC, a date as ISO text."""
    if field.type == "datetime":
        utc = func.timezone(literal_column("'UTC'"), column, type_=DateTime())
        return func.to_char(utc, literal_column("""'YYYY-MM-DD"T"HH24:MI:SS"Z"'"""))
    if field.type == "date":
        return func.to_char(column, literal_column("'YYYY-MM-DD'"))
    return column


def _box(frame: Frame) -> ScalarSelect[Any]:
    """The square. A subquery of its own, so that it is made once for a tile and not once for a row."""
    return select(func.Box2D(_square(frame), type_=NullType())).scalar_subquery()


def _reach(frame: Frame, margin: int) -> ScalarSelect[Any]:
    """The square with its margin: the same for choosing rows as for cutting them."""
    width: ColumnElement[float] = _place("margin")
    if margin != MARGIN:
        width = width * literal_column(repr(margin / MARGIN))
    return select(func.ST_Expand(_square(frame), width, type_=NullType())).scalar_subquery()


def _reach_3857(margin: int) -> ScalarSelect[Any]:
    """The square with its margin for the lighter copy, which is kept in EPSG:3857 only."""
    return _widened(_REACH, "3857", margin)


def _reach_4490(margin: int = MARGIN) -> ScalarSelect[Any]:
    """The square with its margin for tables in any system."""
    return _widened(_REACH_4490, "4490", margin)


def _widened(names: Sequence[str], srid: str, margin: int) -> ScalarSelect[Any]:
    """The box of the square with the usual margin, wider if the margin is."""
    corners = [_place(name.removeprefix("tile_")) for name in names]
    box = func.ST_MakeEnvelope(*corners, literal_column(srid), type_=NullType())
    if margin != MARGIN:
        more = (corners[2] - corners[0]) * literal_column(repr((margin - MARGIN) / EXTENT))
        box = func.ST_Expand(box, more, type_=NullType())
    return select(box).scalar_subquery()


def _square(frame: Frame) -> ColumnElement[Any]:
    corners = [_place(side) for side in ("west", "south", "east", "north")]
    return func.ST_MakeEnvelope(*corners, literal_column(str(frame)), type_=NullType())


def _place(name: str) -> ColumnElement[float]:
    """The place of a value that differs from square to square; always a float, as a statement is prepared
    anew for other types."""
    return bindparam(f"tile_{name}", type_=Double())
