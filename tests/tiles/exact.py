"""What a tile ought to hold, from the stored geometry: by PostGIS' transformation and shapely alone.

Nothing here is taken from the code that draws: squares are counted out anew, rows are read from their
tables, shapes are cut and compared in the units of a square, x eastwards, y downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from math import floor, pi
from random import Random
from typing import Any

import numpy as np
import psycopg
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry
from sqlalchemy import make_url

from tests.gis.own_sets import GAUSS_CORNER, gauss_set
from tests.tiles.read_back import AREA, LINE, POINT, Drawn, faults

EXTENT, MARGIN = 4096, 64
NEAR_UNITS = 1.0
"""How far, along each axis, a drawn vertex may be from the exact shape: it is a vertex of that rounded to
units (half a unit), or a place where two edges so moved cross, rounded again."""
CUT_UNITS = 2.0
"""The same where the far side of the margin, never seen, cuts a shape of which tiny steps were taken out."""
BESIDE_UNITS = 1.5
"""How wide a strip between the exact outline and the drawn one may be: about the diagonal of a unit."""
SHAPES = 60
HAIR_UNITS = 1e-4
"""Between PostGIS' arithmetic and ours; a hundredth of a millimetre at zoom 18 is 4e-4."""

KINDS = {"Point": POINT, "LineString": LINE, "Polygon": AREA}


@dataclass(frozen=True)
class Place:
    """A square of a matrix set, counted from the set's definition. `bounds` in the units of `srid`."""

    set_id: str
    srid: int
    z: int
    column: int
    row: int
    bounds: tuple[float, float, float, float]

    @property
    def unit(self) -> float:
        return (self.bounds[2] - self.bounds[0]) / EXTENT

    def reach(self, units: float = MARGIN) -> tuple[float, float, float, float]:
        """The square widened by so many units on each side, in the units of `srid`."""
        west, south, east, north = self.bounds
        wide = units * self.unit
        return west - wide, south - wide, east + wide, north + wide

    def in_units(self, shapes: NDArray[Any]) -> NDArray[Any]:
        corner, step = np.array([self.bounds[0], self.bounds[3]]), np.array([self.unit, -self.unit])
        moved: NDArray[Any] = shapely.transform(shapes, lambda places: (places - corner) / step)
        return moved

    def neighbour(self, columns: int, rows: int) -> Place:
        west, south, east, north = self.bounds
        side = east - west
        moved = (west + columns * side, south - rows * side, east + columns * side, north - rows * side)
        return Place(self.set_id, self.srid, self.z, self.column + columns, self.row + rows, moved)


@dataclass(frozen=True)
class Grid:
    """A matrix set as its definition has it: `side(z)` of a square, and the corner in the north-west.

    `levels`: zoom of the Web Mercator quad of about the same scale, and the level of the set.
    """

    id: str
    srid: int
    corner: tuple[float, float]
    side: Callable[[int], float]
    levels: Mapping[int, int]

    def place(self, x: float, y: float, level: int) -> Place:
        side = self.side(level)
        column, row = floor((x - self.corner[0]) / side), floor((self.corner[1] - y) / side)
        west, north = self.corner[0] + column * side, self.corner[1] - row * side
        return Place(self.id, self.srid, level, column, row, (west, north - side, west + side, north))


HALF = pi * 6378137.0
_GAUSS = [matrix["cellSize"] * 512 for matrix in gauss_set()["tileMatrices"]]
_ZOOMS = range(9, 19)
GRIDS: Mapping[str, Grid] = {
    grid.id: grid
    for grid in (
        Grid("WebMercatorQuad", 3857, (-HALF, HALF), lambda z: 2 * HALF / 2**z, {z: z for z in _ZOOMS}),
        *(
            Grid(name, 4490, (-180.0, 90.0), lambda z: 180 / 2**z, {z: z - 1 for z in _ZOOMS})
            for name in ("WorldCRS84Quad", "CGCS2000Quad")
        ),
        Grid(
            "CityGauss",
            4547,
            (GAUSS_CORNER[1], GAUSS_CORNER[0]),
            lambda z: _GAUSS[z],
            {round(float(np.log2(2 * HALF / side))): level for level, side in enumerate(_GAUSS)},
        ),
    )
}


class Exact:
    """All rows of one relation in one system: id → exact shape and the values of its fields."""

    def __init__(self, url: str, relation: str, fid: str, geometry: str, srid: int, fields: str) -> None:
        with psycopg.connect(_conninfo(url)) as connection:
            statement = (
                f"SELECT {fid}, ST_AsBinary(ST_Transform({geometry}, {srid})) {fields}"
                f" FROM {relation} WHERE {geometry} IS NOT NULL ORDER BY {fid}"
            )
            cursor = connection.execute(statement.encode())
            names = [column.name for column in cursor.description or ()][2:]
            rows = cursor.fetchall()
        self.ids = np.array([row[0] for row in rows], dtype=np.int64)
        shapes = shapely.from_wkb([bytes(row[1]) for row in rows])
        # What is valid where it is stored may touch itself once transformed, by the last digit of a number.
        self.shapes = np.where(
            shapely.is_valid(shapes), shapes, shapely.make_valid(shapes, method="structure")
        )
        self.values: dict[int, dict[str, Any]] = {
            row[0]: dict(zip(names, row[2:], strict=True)) for row in rows
        }

    @cached_property
    def tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.shapes)

    def near(self, place: Place, margin: int) -> dict[int, BaseGeometry]:
        """Rows whose box meets the square and a little more than its margin: whole shapes, in its units."""
        found = np.sort(self.tree.query(shapely.box(*place.reach(margin + 8))))
        shapes = place.in_units(self.shapes[found])
        return dict(zip(self.ids[found].tolist(), shapes, strict=True))

    def places(self, grid: Grid, zooms: Sequence[int], count: int, chance: Random) -> Iterator[Place]:
        """Squares at some zooms, at or beside vertices of the rows."""
        for _ in range(count):
            corners = shapely.get_coordinates(self.shapes[chance.randrange(len(self.shapes))])
            x, y = corners[chance.randrange(len(corners))]
            zoom = chance.choice(zooms)
            aside = grid.side(grid.levels[zoom])
            x, y = (v + chance.choice((0.0, chance.uniform(-0.6, 0.6))) * aside for v in (x, y))
            yield grid.place(x, y, grid.levels[zoom])


def box_in_units(units: float) -> BaseGeometry:
    """The square widened by so many units."""
    return shapely.box(-units, -units, EXTENT + units, EXTENT + units)


def travelling(value: object) -> object:
    """A value as a tile holds it: dates and moments as ISO text, a moment in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value


def assert_exact(
    drawn: Sequence[Drawn],
    left_out: int,
    exact: Exact,
    place: Place,
    chance: Random,
    *,
    seen_from: float,
    margin: int = MARGIN,
) -> None:
    """`drawn` and the number `left_out` are what the rows of `exact` are in the square of `place`.

    Of a row that touches the square with its margin by less than a unit, rounding decides whether it is
    drawn. A row may be left out, and is counted then, if it is nowhere as wide as `seen_from` units. Where
    more are drawn than `SHAPES`, the shapes of some are compared.
    """
    there = exact.near(place, margin)
    ids = [feature.id for feature in drawn]
    assert None not in ids
    assert len(set(ids)) == len(ids), "an id twice"
    inside, beyond = box_in_units(margin - HAIR_UNITS), box_in_units(margin + HAIR_UNITS)
    for feature in drawn:
        assert feature.id is not None
        wrong = list(faults(feature))
        assert not wrong, (feature.id, wrong)
        whole = there[feature.id]
        assert feature.kind == KINDS[whole.geom_type.removeprefix("Multi")], feature.id
        assert np.abs(feature.places - EXTENT // 2).max() <= EXTENT // 2 + margin, feature.id
        _assert_attributes(feature, whole, exact.values[feature.id])
    for feature in drawn if len(drawn) <= SHAPES else chance.sample(list(drawn), SHAPES):
        _assert_same_place(feature, there[feature.id or 0], margin)
    sure = {fid for fid, whole in there.items() if whole.intersects(inside)}
    missing = sure - set(ids)
    perhaps = {fid for fid, whole in there.items() if whole.intersects(beyond)} - set(ids)
    assert len(missing) <= left_out <= len(perhaps), (missing, left_out, perhaps)
    for fid in missing:
        seen = there[fid].intersection(box_in_units(margin - NEAR_UNITS))
        assert seen.is_empty or _is_too_small(seen, seen_from), (fid, left_out, seen.wkt)


def _assert_attributes(feature: Drawn, whole: BaseGeometry, values: Mapping[str, object]) -> None:
    """The values that are there, of their types; the one square with the middle of an area's box names it."""
    wanted = {name: travelling(value) for name, value in values.items() if value is not None}
    west, north, east, south = whole.bounds
    middle = shapely.Point((west + east) / 2, (north + south) / 2)
    if feature.kind == AREA and middle.distance(box_in_units(0).boundary) < HAIR_UNITS:
        wanted |= {name: value for name, value in feature.attributes.items() if name == "_label"}
    elif middle.within(box_in_units(0)) and (feature.kind == AREA or "_label" in feature.attributes):
        wanted["_label"] = True
    assert feature.attributes == wanted, feature.id
    differing = [n for n, v in wanted.items() if type(feature.attributes[n]) is not type(v)]
    assert not differing, (feature.id, differing)


def _assert_same_place(feature: Drawn, whole: BaseGeometry, margin: int) -> None:
    places = feature.places
    is_cut = (np.abs(places - EXTENT / 2) == EXTENT / 2 + margin).any(axis=1)
    near = np.where(is_cut, CUT_UNITS, NEAR_UNITS) + HAIR_UNITS
    x, y = places[:, 0], places[:, 1]
    is_near = shapely.intersects(shapely.box(x - near, y - near, x + near, y + near), whole)
    assert is_near.all(), (feature.id, places[~is_near], whole.distance(shapely.points(places[~is_near])))
    inside = whole.intersection(box_in_units(margin - NEAR_UNITS))
    if inside.is_empty:
        return
    if feature.kind == POINT:
        assert shapely.distance(feature.shape, shapely.get_parts(inside)).max() <= NEAR_UNITS, feature.id
    elif feature.kind == LINE:
        parts = shapely.get_parts(whole)
        parts = [part for part in parts if not _is_within(part, 1.0) and not _comes_back(part, of=len(parts))]
        excused = shapely.union_all([feature.shape, *(spur for part in parts for spur in _spurs(part))])
        undrawn = shapely.MultiLineString(parts).intersection(inside.envelope)
        undrawn = undrawn.difference(excused.buffer(BESIDE_UNITS, quad_segs=2))
        assert undrawn.is_empty, (feature.id, undrawn.wkt, feature.shape.wkt, whole.wkt)
    else:
        different = feature.shape.intersection(box_in_units(margin - NEAR_UNITS)).symmetric_difference(inside)
        wide = different.buffer(-BESIDE_UNITS / 2, join_style="mitre")
        assert wide.is_empty, (feature.id, wide)


def _is_too_small(cut: BaseGeometry, units: float) -> bool:
    """An area nowhere as wide as `units`, or lines each within so many; a point never is."""
    kind = cut.geom_type.removeprefix("Multi")
    if kind == "Polygon":
        return bool(cut.buffer(-units / 2).is_empty)
    parts = shapely.get_parts(cut)
    return kind == "LineString" and all(_is_within(p, units) or _comes_back(p, of=len(parts)) for p in parts)


def _is_within(shape: BaseGeometry, units: float) -> bool:
    west, south, east, north = shape.bounds
    return bool(max(east - west, north - south) <= units + HAIR_UNITS)


def _comes_back(line: BaseGeometry, of: int) -> bool:
    """One of several lines that ends where it begins: PostGIS 3.3 drops it if three vertices are left."""
    ends = shapely.get_coordinates(line)[[0, -1]]
    return of > 1 and bool(np.all(np.abs(ends[0] - ends[1]) <= 1.0 + HAIR_UNITS))


def _spurs(line: BaseGeometry) -> Iterator[BaseGeometry]:
    """Where a line turns on the spot and goes back to where it was: PostGIS 3.3 leaves that out."""
    turns: list[NDArray[np.float64]] = []
    for place in shapely.get_coordinates(line):
        if not turns or np.abs(place - turns[-1]).max() > 0.5:
            turns.append(place)
    for before, turn, after in zip(turns, turns[1:], turns[2:], strict=False):
        if np.abs(before - after).max() <= 1.0 + HAIR_UNITS and len(turns) > 3:
            yield shapely.LineString([before, turn, after])


def _conninfo(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
