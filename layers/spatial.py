"""What is here, what is nearest, what lies in this area: spatial questions on scoped rows.

Distances are metres on the CGCS2000 ellipsoid; the index on degrees only chooses the candidates, by a box
that surely holds every answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import shapely
from geoalchemy2 import Geography
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, FromClause, LargeBinary, case, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.access import Scope
from layers.db import Database
from layers.errors import BadRequest
from layers.features import Feature, ValueCount, count_values, feature_columns, make_feature
from layers.filters import Filter, around, check_number, check_place, field_conditions
from layers.model import Layer
from layers.relation_state import reading
from layers.rows import candidates, meets_box_of, nearest_first, order_of, require_field, rows
from layers.tables import SRID

MAX_RADIUS_M = 10_000.0
"""Farthest that `identify` looks."""
MAX_DISTANCE_M = 20_100_000.0
"""Half-way round the earth: nothing is farther."""
MAX_COUNT = 1_000
MAX_VERTICES = 100_000
"""Most vertices of an area that is asked about."""
MAX_VALUES = 1_000


class Identified(NamedTuple):
    """What one layer has at a place, nearest first."""

    layer: Layer
    features: list[Feature]


@dataclass(frozen=True)
class Within:
    """What lies in an area: how many rows, how many of each value, and the first of them."""

    count: int
    counts: list[ValueCount]
    features: list[Feature]


async def identify(
    db: Database, scopes: Sequence[Scope], lon: float, lat: float, radius_m: float = 10.0, limit: int = 10
) -> list[Identified]:
    """What lies within `radius_m` metres of a place (EPSG:4490), by layer in the order of `scopes`.

    Polygons that hold the place come first with distance 0, the smallest first; then by distance.
    Layers with nothing there are left out. Raises `BadRequest` for an impossible place or radius.
    """
    check_place(lon, lat)
    check_number("radius_m", radius_m, 0, MAX_RADIUS_M)
    check_number("limit", limit, 1, MAX_COUNT)
    found = []
    async with reading(db, *scopes) as connection:
        for scope in scopes:
            table = rows(scope).subquery("scoped")
            near = await _near(connection, scope, table, lon, lat, radius_m, limit, [])
            if near:
                found.append(Identified(scope.layer, near))
    return found


async def nearest(
    db: Database,
    scope: Scope,
    lon: float,
    lat: float,
    count: int = 5,
    max_distance_m: float | None = None,
    filters: Sequence[Filter] = (),
) -> list[Feature]:
    """The `count` features nearest to a place (EPSG:4490), nearest first, none beyond `max_distance_m`.

    Exact: nearest in degrees is not nearest in metres, so the `count` nearest in degrees only tell how
    far to look; everything within that many metres is then measured.
    """
    check_place(lon, lat)
    check_number("limit", count, 1, MAX_COUNT)
    if max_distance_m is not None:
        check_number("max_distance_m", max_distance_m, 0, MAX_DISTANCE_M)
    table = rows(scope).subquery("scoped")
    conditions = field_conditions(scope, table, filters)
    async with reading(db, scope) as connection:
        reach = await _reach(connection, scope, table, lon, lat, count, max_distance_m, conditions)
        return await _near(connection, scope, table, lon, lat, reach, count, conditions)


async def within(
    db: Database,
    scope: Scope,
    geometry: BaseGeometry,
    count_by: str | None = None,
    limit: int = 100,
    filters: Sequence[Filter] = (),
    relation: Literal["within", "intersects"] = "within",
) -> Within:
    """What lies in the polygon `geometry` (EPSG:4490, its edge included), counted by a field if wanted.

    `relation` "intersects" takes also what only reaches into it. Raises `BadRequest` for anything but a
    valid polygon of at most `MAX_VERTICES` vertices, or a field the scope does not let out.
    """
    _check_area(geometry)
    check_number("limit", limit, 0, MAX_COUNT)
    if count_by is not None:
        require_field(scope, count_by)
    table = rows(scope).subquery("scoped")
    area = func.ST_GeomFromWKB(literal(shapely.to_wkb(geometry), LargeBinary), SRID)
    lies = func.ST_CoveredBy if relation == "within" else func.ST_Intersects
    conditions = [
        *field_conditions(scope, table, filters),
        *candidates(scope, table, area),
        lies(table.c._geom, area),
    ]
    async with reading(db, scope) as connection:
        counts: list[ValueCount] = []
        if count_by is not None:
            counts = await count_values(connection, scope, table, count_by, conditions, MAX_VALUES)
        if count_by is not None and len(counts) < MAX_VALUES:
            total = sum(c.count for c in counts)
        else:
            counted = select(func.count()).select_from(table).where(*conditions)
            total = int(await connection.scalar(counted) or 0)
        statement = select(*feature_columns(scope, table, scope.fields)).where(*conditions)
        first = await connection.execute(statement.order_by(order_of(scope, table)).limit(limit))
        return Within(total, counts, [make_feature(row, scope.fields) for row in first])


async def _reach(
    connection: AsyncConnection,
    scope: Scope,
    table: FromClause,
    lon: float,
    lat: float,
    count: int,
    max_distance_m: float | None,
    conditions: Sequence[ColumnElement[bool]],
) -> float:
    """A distance in metres within which the `count` nearest surely lie, `max_distance_m` at most."""
    place = _place(lon, lat)
    statement = select(table.c._geom).where(table.c._geom.is_not(None), *conditions)
    if max_distance_m is not None:
        statement = statement.where(_meets(scope, table, around(lon, lat, max_distance_m)))
    near = statement.order_by(nearest_first(scope, table, place)).limit(count).subquery("near")
    farthest = select(func.max(_distance_m(near, place)), func.count())
    metres, found = (await connection.execute(farthest)).one()
    limit = MAX_DISTANCE_M if max_distance_m is None else max_distance_m
    if found < count:
        return limit
    # A hair more, as the distance is computed again in another plan.
    return min(limit, float(metres) * (1 + 1e-9) + 1e-6)


async def _near(
    connection: AsyncConnection,
    scope: Scope,
    table: FromClause,
    lon: float,
    lat: float,
    radius_m: float,
    limit: int,
    conditions: Sequence[ColumnElement[bool]],
) -> list[Feature]:
    place = _place(lon, lat)
    distance = _distance_m(table, place)
    columns = [*feature_columns(scope, table, scope.fields), distance.label("_distance")]
    statement = (
        select(*columns)
        .where(_meets(scope, table, around(lon, lat, radius_m)), distance <= radius_m, *conditions)
        .order_by(columns[-1], func.ST_Area(table.c._geom), table.c._fid)
        .limit(limit)
    )
    found = await connection.execute(statement)
    return [make_feature(row, scope.fields, float(row[-1])) for row in found]


def _place(lon: float, lat: float) -> Any:
    return func.ST_SetSRID(func.ST_MakePoint(lon, lat), SRID)


def _meets(scope: Scope, table: FromClause, box: tuple[float, float, float, float]) -> ColumnElement[bool]:
    return meets_box_of(scope, table, func.ST_MakeEnvelope(*box, SRID))


def _distance_m(table: FromClause, place: Any) -> ColumnElement[Any]:
    """Metres on the ellipsoid of EPSG:4490; 0 where the geometry as drawn in degrees meets the place."""
    apart = func.ST_Distance(cast(table.c._geom, _GEOGRAPHY), cast(place, _GEOGRAPHY))
    return case((func.ST_Intersects(table.c._geom, place), 0.0), else_=apart)


_GEOGRAPHY = Geography(srid=SRID)


def _check_area(geometry: BaseGeometry) -> None:
    expected = f"a valid Polygon or MultiPolygon of at most {MAX_VERTICES} vertices"
    problem = None
    if geometry.geom_type not in ("Polygon", "MultiPolygon") or geometry.is_empty:
        problem = geometry.geom_type
    elif shapely.get_num_coordinates(geometry) > MAX_VERTICES:
        problem = f"{shapely.get_num_coordinates(geometry)} vertices"
    elif not shapely.is_valid(geometry):
        problem = shapely.is_valid_reason(geometry)
    if problem is not None:
        raise BadRequest(
            f"查询范围有误：{problem}",
            f"the area is {problem}, expected {expected}",
            field="geometry",
            value=problem,
            expected=expected,
        )
    west, south, east, north = geometry.bounds
    check_place(west, south)
    check_place(east, north)
