"""What a row looks like when it leaves: the columns to select and the `Feature` made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.access import Scope
from layers.model import Text
from layers.rows import require_field

COORDINATE_DIGITS = 9
"""Decimals of a degree in GeoJSON: 0.1 mm, so that nothing measured is lost."""


@dataclass(frozen=True)
class Feature:
    """A row on its way out.

    `key` is the business key, `fid` the stable number used in tiles. `geometry` is GeoJSON text as made
    by PostGIS (EPSG:4490, longitude first), None for a row without a place. `distance_m` is set where a
    distance was asked for: metres on the CGCS2000 ellipsoid, 0 inside a polygon.
    """

    key: str
    fid: int
    properties: dict[str, object]
    geometry: str | None
    distance_m: float | None = None


@dataclass(frozen=True)
class ValueCount:
    """How many rows have `value`; `title` from the field's code list, None without one."""

    value: object
    title: Text | None
    count: int


def feature_columns(scope: Scope, table: FromClause, fields: Sequence[str]) -> list[ColumnElement[Any]]:
    """Key, id, GeoJSON, then `fields`: in this order `make_feature` reads them."""
    for name in fields:
        require_field(scope, name)
    # Options 0: without the old-style "crs" member that PostGIS adds for anything but 4326.
    geometry = func.ST_AsGeoJSON(table.c._geom, COORDINATE_DIGITS, 0)
    return [table.c._key, table.c._fid, geometry.label("_geojson"), *(table.c[name] for name in fields)]


def make_feature(row: Sequence[Any], fields: Sequence[str], distance_m: float | None = None) -> Feature:
    """The feature in a row selected with `feature_columns(…, fields)`."""
    return Feature(row[0], row[1], dict(zip(fields, row[3:], strict=False)), row[2], distance_m)


async def count_values(
    connection: AsyncConnection,
    scope: Scope,
    table: FromClause,
    count_by: str,
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
) -> list[ValueCount]:
    """Rows of `table` that meet `conditions`, counted by the field `count_by`, most frequent first."""
    number = func.count().label("number")
    column = table.c[count_by]
    statement = select(column, number).where(*conditions).group_by(column)
    found = await connection.execute(statement.order_by(number.desc(), column).limit(limit))
    field = scope.layer.field(count_by)
    codes = (field.codes if field is not None else None) or {}
    return [ValueCount(value, codes.get(str(value)), int(n)) for value, n in found]
