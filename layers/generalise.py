"""The lighter copy of a layer: what its far zooms are drawn from, made when a version is published.

Only a layer too dense for a tile has one, only for the zooms at which it is too dense, each made from the
next one in. Nothing vanishes without a number: what is drawn says how many rows it stands for, and how
many nearby nothing stands for.

- Points: one of those in a cell of 11 pixels, with their count, also by class (`layers.class_counts`); which
  one is left to chance, but always the same, so that of each kind as many are seen as there are in
  proportion.
- Areas: the largest of a tile one by one, down to 4 pixels, their corners on a grid of half a pixel, so
  that neighbours still meet; the others of a cell together become one square of the same area.
- Lines: simplified by half a pixel, their corners on that grid; where there are too many in a tile, the
  greatest by `Layer.importance_field`, then by length, of each district in proportion to what it has there.

Rows of different districts are never drawn as one, so that a viewer of one district sees exactly its own.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    FromClause,
    Index,
    Integer,
    MetaData,
    Select,
    SmallInteger,
    Table,
    Text,
    any_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, CreateTable

from gis.squares import HALF_WORLD_M
from layers.class_counts import (
    Clusters,
    class_of_rows,
    classes_of,
    forget_members,
    keep_members,
    nothing_told,
    of_clusters,
    of_rows,
)
from layers.db import Database
from layers.errors import OneMapError
from layers.model import Layer, Version
from layers.schema import ROWS_SCHEMA
from layers.tables import SRID, far_table, rows_table
from layers.tile_fields import fields_of_tiles
from layers.touched import MOST_ROWS, Boxes

TILE_FEATURES = 8_000
TILE_VERTICES = 80_000
"""With fewer of both, and where it would be lighter than `Layer.tile_kb`, a tile is drawn from the rows
themselves. What it would weigh comes from what the fields that travel hold (measured: 46 bytes a
component, 59 a building, 52 a pipe)."""
FEATURE_BYTES = 14
"""Of a feature without attributes and vertices: its id, its type, lengths."""
VERTEX_BYTES = 3
VALUE_BYTES = 4
"""Of a value beside its text: how it is kept in the tile's list of values."""
SAMPLED_EACH = 97
"""Every so manieth row is looked at to know how long its values are and how seldom the same."""
NEAREST_ZOOM = 16
"""The last zoom that may have a copy: its tiles are 500 m wide here."""

TILE_PIXELS = 512
CELLS = 64
"""Cells along a tile's side for small areas: 4,096 to a tile at most, of 8 pixels."""
POINT_CELLS = 48
"""The same for points, of 11 pixels."""
SMALL_PIXELS = 4.0
SNAP_PIXELS = 0.5
TILE_AREAS = 2_000
TILE_LINES = 4_000

MEMORY_MB = 128

SHUFFLE, UNSHUFFLE = (literal_column(str(n), BigInteger) for n in (40503, 30599))
"""Each undoes the other modulo 2^16; the first is Knuth's (The Art of Computer Programming, 6.4)."""
_LOW: ColumnElement[int] = literal_column("65535", BigInteger)

_log = logging.getLogger(__name__)

_Dimension = Literal[0, 1, 2]
_DIMENSIONS: dict[str, tuple[_Dimension, ...]] = {
    "Point": (0,),
    "MultiLineString": (1,),
    "MultiPolygon": (2,),
    "Geometry": (0, 1, 2),
}
_COLUMNS = ("_z", "_fid", "_count", "_left_out", "_district", "_weight", "_shape", "_classes")


class Copy(NamedTuple):
    """What stands of a copy: the first and last zoom it serves, and the classes its clusters tell."""

    first: int
    last: int
    classes: tuple[str, ...] = ()


def copy_state(copy: Copy | None) -> dict[str, Any]:
    """The columns of the layer that say so."""
    zooms, classes = (None, ()) if copy is None else ([copy.first, copy.last], copy.classes)
    return {"generalised": zooms, "classes": list(classes)}


async def generalise(connection: AsyncConnection, layer: Layer) -> Copy | None:
    """Makes the copy of the rows as they stand now; None for no copy."""
    far = far_table(layer)
    await connection.execute(CreateTable(far, if_not_exists=True))
    await connection.execute(delete(far))
    last = await _densest(connection, layer)
    if last is None:
        return None
    # Millions of rows are sorted here; with less memory it would be done on disk.
    await connection.exec_driver_sql(f"SET LOCAL work_mem = '{MEMORY_MB}MB'")
    source = _rows(layer)
    classes: tuple[str, ...] = ()
    if 0 in _DIMENSIONS[layer.geometry_type]:
        classes = await classes_of(connection, layer)
    clusters: Clusters | None = None
    for z in range(last, layer.min_zoom - 1, -1):
        for dimension in _DIMENSIONS[layer.geometry_type]:
            nearer = _of_dimension(source, layer, dimension)
            if classes and dimension == 0:
                parts = of_rows(nearer, classes) if clusters is None else of_clusters(nearer, clusters)
                before, clusters = clusters, await keep_members(connection, _members(parts, z), classes)
                await forget_members(connection, before)
            for chosen in _RULES[dimension](nearer, z, clusters):
                # In the order of the map, as the rows themselves.
                by_place = chosen.order_by(literal_column(str(_COLUMNS.index("_shape") + 1)))
                await connection.execute(insert(far).from_select(_COLUMNS, by_place))
        source = select(*(far.c[name] for name in _COLUMNS[1:])).where(far.c._z == z).subquery("nearer")
        await connection.execute(CreateIndex(_index(layer, z), if_not_exists=True))
    await connection.exec_driver_sql(f'ANALYZE {far.schema}."{far.name}"')
    return Copy(layer.min_zoom, last, classes)


async def copy_before(connection: AsyncConnection, layer: Layer) -> Table | None:
    """The copy as it stands, kept in a temporary table for `changed_copies`; None where there is none."""
    if layer.generalised is None:
        return None
    far = far_table(layer)
    before = Table(
        f"onemap_{secrets.token_hex(6)}",
        MetaData(),
        *(Column(column.name, column.type) for column in far.c),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    await connection.execute(CreateTable(before))
    await connection.execute(insert(before).from_select([c.name for c in far.c], select(far)))
    return before


async def changed_copies(
    connection: AsyncConnection,
    layer: Layer,
    before: Table | None,
    copy: Copy | None,
    carried: Sequence[int] | None,
) -> dict[int, Boxes | None]:
    """For each zoom of the copy, the bounds of what changed in it, before and after.

    `before` comes from `copy_before`, `copy` from `generalise`, `carried` from `retold`: a copy
    carries the attributes of a row that may lie elsewhere. A zoom that had no copy before, or has none
    now, is drawn from other rows throughout: None, as where too much changed.
    """
    had = _range(layer.generalised if before is not None else None)
    has = _range(None if copy is None else (copy.first, copy.last))
    found: dict[int, Boxes | None] = dict.fromkeys(had ^ has)
    if before is None or not had & has:
        return found
    if carried is None:
        return dict.fromkeys(had | has)
    far = far_table(layer)
    columns = ("_z", "_fid", "_count", "_left_out", "_classes", "_shape")
    old, new = (select(*(t.c[n] for n in columns)) for t in (before, far))
    these = far.c._fid == any_(literal(list(carried), ARRAY(BigInteger)))
    retold = select(*(far.c[n] for n in columns)).where(these)
    different = union_all(
        select(old.except_all(new).subquery()), select(new.except_all(old).subquery()), retold
    ).subquery("different")
    degrees = func.ST_Transform(func.ST_Envelope(different.c._shape), SRID)
    corners = [f(degrees) for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)]
    rows = (await connection.execute(select(different.c._z, *corners).limit(MOST_ROWS * len(has) + 1))).all()
    if len(rows) > MOST_ROWS * len(has):
        return dict.fromkeys(had | has)
    table = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, 5)
    return found | {z: table[table[:, 0] == z, 1:] for z in had & has}


def _range(zooms: tuple[int, int] | None) -> frozenset[int]:
    return frozenset() if zooms is None else frozenset(range(zooms[0], zooms[1] + 1))


async def tidy(db: Database, made: Sequence[Version]) -> None:
    """Frees what the copies held before the versions `made`; for after the publication's transaction.

    A publication stands whether this succeeds or not: what stays behind only slows tiles down a little.
    """
    tables = [f"{version.layer_id}__far" for version in made if version.number > 1]
    if not tables:
        return
    try:
        await db.vacuum(ROWS_SCHEMA, tables)
    except OneMapError as error:
        _log.warning("%s could not be tidied: %s", ", ".join(tables), error.en)


async def _densest(connection: AsyncConnection, layer: Layer) -> int | None:
    """The last zoom, from the layer's first on, at which some tile holds too much; None if there is none."""
    rows = rows_table(layer)
    shape, side = rows.c._geom_3857, _side(NEAREST_ZOOM)
    x, y = _middle(shape)
    fine = (
        select(
            func.floor(x / side, type_=Double()).label("x"),
            func.floor(y / side, type_=Double()).label("y"),
            func.count().label("features"),
            func.sum(func.ST_NPoints(shape)).label("vertices"),
        )
        .where(shape.is_not(None))
        .group_by(literal_column("1"), literal_column("2"))
        .cte("fine")
    )
    zooms = func.generate_series(layer.min_zoom, NEAREST_ZOOM).table_valued("z").render_derived(name="zooms")
    apart: ColumnElement[float] = func.power(
        literal_column("2.0", Double), NEAREST_ZOOM - zooms.c.z, type_=Double()
    )
    tiles = (
        select(
            zooms.c.z,
            func.sum(fine.c.features).label("features"),
            func.sum(fine.c.vertices).label("vertices"),
        )
        .select_from(fine.join(zooms, literal(True)))
        .group_by(zooms.c.z, func.floor(fine.c.x / apart), func.floor(fine.c.y / apart))
        .subquery("tiles")
    )
    weight = tiles.c.features * await _feature_bytes(connection, layer) + tiles.c.vertices * VERTEX_BYTES
    is_heavy = weight > layer.tile_kb * 1000
    crowded = (tiles.c.features > TILE_FEATURES) | (tiles.c.vertices > TILE_VERTICES) | is_heavy
    found = await connection.scalar(select(func.max(tiles.c.z)).where(crowded))
    return None if found is None else int(found)


async def _feature_bytes(connection: AsyncConnection, layer: Layer) -> float:
    """What a row weighs in a tile without its vertices: a reference each field, and new values."""
    rows = rows_table(layer)
    fields = fields_of_tiles(layer)
    if not fields:
        return FEATURE_BYTES
    columns = []
    for field in fields:
        column = rows.c[field.name]
        length = func.octet_length(cast(column, Text))
        columns += [func.count(column), func.count(func.distinct(column)), func.coalesce(func.avg(length), 0)]
    sampled = rows.c._fid % literal_column(str(SAMPLED_EACH)) == 0
    total, *found = (await connection.execute(select(func.count(), *columns).where(sampled))).one()
    weight = float(FEATURE_BYTES)
    for filled, different, length_bytes in zip(found[0::3], found[1::3], found[2::3], strict=True):
        new = different * (float(length_bytes) + VALUE_BYTES)
        weight += (2 * filled + new) / max(total, 1)
    return weight


def _rows(layer: Layer) -> FromClause:
    """The rows in the shape of the copy, each standing for itself."""
    rows = rows_table(layer)
    district = layer.district_field
    weight = layer.importance_field
    return (
        select(
            rows.c._fid,
            literal_column("1", BigInteger).label("_count"),
            literal_column("0", BigInteger).label("_left_out"),
            (cast(null(), Text) if district is None else rows.c[district]).label("_district"),
            cast(null() if weight is None else rows.c[weight], Double).label("_weight"),
            rows.c._geom_3857.label("_shape"),
            nothing_told().label("_classes"),
            class_of_rows(layer).label("_class"),
        )
        .where(rows.c._geom_3857.is_not(None))
        .subquery("nearer")
    )


def _of_dimension(source: FromClause, layer: Layer, dimension: _Dimension) -> FromClause:
    if layer.geometry_type != "Geometry":
        return source
    return select(source).where(func.ST_Dimension(source.c._shape) == dimension).subquery("nearer")


def _points(source: FromClause, z: int, clusters: Clusters | None) -> list[Select[Any]]:
    """One row of each cell, standing for all of them; `clusters`: which these are, where classes are told."""
    snap = _side(z) / TILE_PIXELS * SNAP_PIXELS
    classes: ColumnElement[Any] = nothing_told()
    if clusters is not None:
        cells, classes = clusters.told, clusters.told.c._classes
    else:
        cells = (
            select(
                _unshuffled(func.min(_shuffled(source.c._fid))).label("_fid"),
                func.sum(source.c._count).label("_count"),
                func.sum(source.c._left_out).label("_left_out"),
            )
            .group_by(*_cell(source, z))
            .subquery("cells")
        )
    first = source.alias("first")
    columns = (cells.c._fid, cells.c._count, cells.c._left_out)
    joined = cells.join(first, first.c._fid == cells.c._fid)
    snapped = func.ST_SnapToGrid(first.c._shape, snap)
    return [
        select(_zoom(z), *columns, first.c._district, first.c._weight, snapped, classes).select_from(joined)
    ]


def _cell(source: FromClause, z: int) -> tuple[ColumnElement[Any], ...]:
    """What the points of one cluster have in common."""
    cell = _side(z) / POINT_CELLS
    x, y = _middle(source.c._shape)
    return func.floor(x / cell), func.floor(y / cell), source.c._district


def _members(parts: FromClause, z: int) -> Select[Any]:
    """How many rows of each class the clusters at `z` stand for, from those of the zoom before."""
    column, row, district = _cell(parts, z)
    grouped = (
        select(
            column.label("column"),
            row.label("row"),
            district.label("district"),
            parts.c._class,
            cast(func.sum(parts.c.rows), Integer).label("rows"),
            func.min(_shuffled(parts.c._fid)).label("first"),
        )
        .group_by(column, row, district, parts.c._class)
        .subquery("grouped")
    )
    cluster = (grouped.c.column, grouped.c.row, grouped.c.district)
    fid = _unshuffled(func.min(grouped.c.first).over(partition_by=cluster))
    return select(fid, grouped.c._class, grouped.c.rows)


def _shuffled(fid: ColumnElement[int]) -> ColumnElement[int]:
    """Numbers in an order that says nothing of the rows; each is that of one row only (below 2^56)."""
    low = (fid.op("&")(_LOW) * SHUFFLE).op("&")(_LOW)
    return low.op("<<")(literal_column("40")) + fid.op(">>")(literal_column("16"))


def _unshuffled(number: ColumnElement[int]) -> ColumnElement[int]:
    low = (number.op(">>")(literal_column("40")) * UNSHUFFLE).op("&")(_LOW)
    high = number.op("&")(literal_column(str((1 << 40) - 1), BigInteger))
    return high.op("<<")(literal_column("16")) + low


def _areas(source: FromClause, z: int, clusters: Clusters | None) -> list[Select[Any]]:
    """The largest areas of each tile, each by itself; the others of a cell as one square of their area."""
    shape = source.c._shape
    x, y = _middle(shape)
    side, cell = _side(z), _side(z) / CELLS
    pixel = side / TILE_PIXELS
    width, height = func.ST_XMax(shape) - func.ST_XMin(shape), func.ST_YMax(shape) - func.ST_YMin(shape)
    area = func.greatest(func.ST_Area(shape, type_=Double()), literal_column("1e-6", Double))
    tile = (func.floor(x / side), func.floor(y / side))
    ranked = select(
        source,
        area.label("area"),
        x.label("x"),
        y.label("y"),
        func.greatest(width, height).label("length"),
        func.row_number().over(partition_by=tile, order_by=(area.desc(), source.c._fid)).label("rank"),
    ).subquery("ranked")
    is_small = or_(ranked.c.length < pixel * SMALL_PIXELS, ranked.c.rank > TILE_AREAS)
    snapped = func.ST_SnapToGrid(ranked.c._shape, pixel * SNAP_PIXELS)
    # What is long and thin may vanish on the grid; it keeps its own shape.
    kept = case((func.coalesce(func.ST_IsEmpty(snapped), True), ranked.c._shape), else_=snapped)
    columns = (ranked.c._count, ranked.c._left_out, ranked.c._district, ranked.c._weight)
    large = select(_zoom(z), ranked.c._fid, *columns, kept, nothing_told()).where(~is_small)
    total = func.sum(ranked.c.area)
    cells = (
        select(
            func.min(ranked.c._fid).label("_fid"),
            func.sum(ranked.c._count).label("_count"),
            func.sum(ranked.c._left_out).label("_left_out"),
            ranked.c._district,
            func.max(ranked.c._weight).label("_weight"),
            (func.sqrt(total, type_=Double()) * literal_column("0.5", Double)).label("half"),
            _on_grid(func.sum(ranked.c.area * ranked.c.x) / total, pixel * SNAP_PIXELS).label("x"),
            _on_grid(func.sum(ranked.c.area * ranked.c.y) / total, pixel * SNAP_PIXELS).label("y"),
        )
        .where(is_small)
        .group_by(func.floor(ranked.c.x / cell), func.floor(ranked.c.y / cell), ranked.c._district)
        .subquery("cells")
    )
    half = cells.c.half
    square = func.ST_MakeEnvelope(
        cells.c.x - half, cells.c.y - half, cells.c.x + half, cells.c.y + half, literal_column("3857")
    )
    columns = (cells.c._count, cells.c._left_out, cells.c._district, cells.c._weight)
    return [large, select(_zoom(z), cells.c._fid, *columns, square, nothing_told())]


def _lines(source: FromClause, z: int, clusters: Clusters | None) -> list[Select[Any]]:
    """The greatest lines of each tile, simplified; the first of them tells how many were left out."""
    side = _side(z)
    shape = source.c._shape
    x, y = _middle(shape)
    tile = (func.floor(x / side), func.floor(y / side), source.c._district)
    importance = (source.c._weight.desc().nulls_last(), func.ST_Length(shape).desc(), source.c._fid)
    ranked = select(
        source,
        func.row_number().over(partition_by=tile, order_by=importance).label("rank"),
        func.count().over(partition_by=tile).label("members"),
        func.count().over(partition_by=tile[:2]).label("everyone"),
        func.sum(source.c._left_out).over(partition_by=tile).label("before"),
    ).subquery("ranked")
    # At least one, so that what a district lacks is told somewhere.
    share: ColumnElement[float] = func.ceil(TILE_LINES * ranked.c.members / (ranked.c.everyone * 1.0))
    room = case((ranked.c.everyone <= TILE_LINES, ranked.c.members), else_=cast(share, BigInteger))
    left_out = case((ranked.c.rank == 1, ranked.c.before + ranked.c.members - room), else_=0)
    snap = side / TILE_PIXELS * SNAP_PIXELS
    simpler = func.ST_Simplify(ranked.c._shape, snap, True)
    snapped = func.ST_SnapToGrid(simpler, snap)
    # What is shorter than the grid is wide vanishes on it; it keeps its own shape.
    drawn = case((func.coalesce(func.ST_IsEmpty(snapped), True), simpler), else_=snapped)
    columns = (left_out, ranked.c._district, ranked.c._weight, drawn, nothing_told())
    kept = ranked.c.rank <= room
    return [select(_zoom(z), ranked.c._fid, ranked.c._count, *columns).where(kept)]


_RULES = {0: _points, 1: _lines, 2: _areas}


def _index(layer: Layer, z: int) -> Index:
    far = far_table(layer)
    return Index(
        f"{layer.id}__far_{z}",
        far.c._shape,
        postgresql_using="gist",
        postgresql_where=far.c._z == literal_column(str(z)),
        _table=far,
    )


def _middle(shape: ColumnElement[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Of the box round a shape, metres of EPSG:3857."""
    half = literal_column("0.5", Double)
    x: ColumnElement[Any] = func.ST_XMin(shape, type_=Double()) + func.ST_XMax(shape, type_=Double())
    y: ColumnElement[Any] = func.ST_YMin(shape, type_=Double()) + func.ST_YMax(shape, type_=Double())
    return x * half, y * half


def _on_grid(metres: ColumnElement[Any], step: float) -> ColumnElement[float]:
    """The nearest multiple of `step`."""
    snapped: ColumnElement[float] = func.round(metres / step, type_=Double()) * step
    return snapped


def _side(z: int) -> float:
    """Metres of EPSG:3857 along a tile. Cells and tiles count from 0/0, which is a corner at every zoom."""
    return 2.0 * HALF_WORLD_M / (1 << z)


def _zoom(z: int) -> ColumnElement[int]:
    return literal_column(str(z), SmallInteger)
