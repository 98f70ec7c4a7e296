"""What a row in the stage still lacks: administrative and grid codes from its place, its key, its hash.

All of it set-based: a million rows are a handful of statements.
"""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    MetaData,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from layers.catalogue import find_layer
from layers.model import Field, Layer
from layers.tables import SRID, rows_table


class Place(NamedTuple):
    """A field that says where a row is, the base layer whose code it holds, and the code's length."""

    field: str
    layer_id: str
    digits: int


PLACES = (
    Place("grid_code", "unit_grid", 15),
    Place("community_code", "community", 12),
    Place("street_code", "street", 9),
    Place("district_code", "district", 6),
)
"""Finest first. A code begins with the codes it lies in (GB/T 30428.1 unit grid: 6 + 3 + 3 + 3 digits)."""

_BASE_LAYERS = frozenset(place.layer_id for place in PLACES)


async def filled(connection: AsyncConnection, layer: Layer, raw: Table) -> Select[Any]:
    """A select of `raw` (`_row`, `_geom`, the fields) in which null place codes are filled.

    A code comes from a finer code of the same row where there is one, otherwise from the polygon of the
    published base layer that covers the row's point on surface; on a shared edge the smallest code.
    """
    wanted = [place for place in PLACES if place.field in layer.field_names]
    source: FromClause = raw
    codes: dict[str, ColumnElement[Any]] = {}
    finer: list[ColumnElement[Any]] = []
    if layer.key is not None and layer.id in _BASE_LAYERS:
        finer.append(raw.c[layer.key])
    for place in wanted:
        given: ColumnElement[Any] = raw.c[place.field]
        known = func.coalesce(given, *(_beginning(code, place.digits) for code in finer))
        base = await find_layer(connection, place.layer_id)
        if base is not None and base.id != layer.id and base.version > 0 and base.key is not None:
            missing = select(raw.c._row, func.ST_PointOnSurface(raw.c._geom)).select_from(source)
            found = await _located(connection, base, missing.where(known.is_(None), raw.c._geom.is_not(None)))
            source = source.outerjoin(found, found.c._row == raw.c._row)
            known = func.coalesce(known, found.c.code)
            given = func.coalesce(given, found.c.code)
        codes[place.field] = known
        finer.append(given)
    columns = [codes[n].label(n) if n in codes else raw.c[n] for n in layer.field_names]
    whole = select(raw.c._row, raw.c._geom, *columns).select_from(source)
    # OFFSET 0 keeps PostgreSQL from copying the expressions to wherever a column is named.
    return whole.offset(literal_column("0"))


async def _located(connection: AsyncConnection, base: Layer, points: Select[Any]) -> Table:
    """A temporary table (`_row`, `code`) of the `points` (row, point) that a polygon of `base` covers.

    Driven from the polygons, through an index on the points: PostGIS prepares a polygon once for all its
    points, which is four times faster than looking up the polygon of each point (2.7 against 12 µs).
    """
    suffix = secrets.token_hex(6)
    arrived = Table(
        f"onemap_points_{suffix}",
        MetaData(),
        Column("_row", BigInteger),
        Column("point", Geometry("POINT", srid=SRID, spatial_index=False)),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    found = Table(
        f"onemap_found_{suffix}",
        MetaData(),
        Column("_row", BigInteger, primary_key=True, autoincrement=False),
        Column("code", Text),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    for table in (arrived, found):
        await connection.execute(CreateTable(table))
    await connection.execute(insert(arrived).from_select(["_row", "point"], points))
    await connection.exec_driver_sql(f"CREATE INDEX ON {arrived.name} USING gist (point)")
    await connection.exec_driver_sql(f"ANALYZE {arrived.name}")
    rows = rows_table(base)
    key = rows.c[base.key or "_key"]
    # A CTE of its own has no index, so the plan must start from it.
    areas = select(key.label("code"), rows.c._geom).cte("areas").prefix_with("MATERIALIZED")
    covered = areas.join(arrived, func.ST_Covers(areas.c._geom, arrived.c.point))
    await connection.execute(
        insert(found).from_select(
            ["_row", "code"],
            select(arrived.c._row, func.min(areas.c.code)).select_from(covered).group_by(arrived.c._row),
        )
    )
    await connection.exec_driver_sql(f"ANALYZE {found.name}")
    return found


def key_and_hash(layer: Layer, whole: FromClause) -> tuple[ColumnElement[str], ColumnElement[Any]]:
    """The columns `_key` and `_hash` over a select that has `_row`, `_geom` and the fields.

    The hash covers geometry and attributes by name and skips nulls, so a field added to the description
    later changes no hash. The key is the key field's text; without one, the hash and the row's ordinal
    among equal rows.
    """
    # `||` of a null is null, and array_to_string leaves nulls out.
    parts = [_stated(f, whole.c[f.name]) for f in sorted(layer.fields, key=lambda f: f.name)]
    content = func.array_to_string(array([*parts, cast(whole.c._geom, Text)]), "\x1f")
    digest = cast(func.md5(content), Uuid)
    if layer.key is not None:
        return cast(whole.c[layer.key], Text), digest
    ordinal = func.row_number().over(partition_by=digest, order_by=whole.c._row)
    return func.concat(cast(digest, Text), "-", ordinal), digest


def _stated(field: Field, column: ColumnElement[Any]) -> ColumnElement[str]:
    """`name=value` as text that no other values can imitate: texts go with their length."""
    name = literal(f"{field.name}=", Text)
    if field.type == "text":
        return name.concat(cast(func.length(column), Text)).concat(literal_column("':'")).concat(column)
    return name.concat(cast(column, Text))


def _beginning(code: ColumnElement[Any], digits: int) -> ColumnElement[Any]:
    """The first `digits` of a well-formed code that is as long or longer; null for anything else."""
    lengths = [place.digits for place in PLACES if place.digits >= digits]
    # Lengths apart from the pattern: counting in it costs five times the rest.
    well_formed = and_(func.length(code).in_(lengths), code.regexp_match("^[0-9]+$"))
    return case((well_formed, func.left(code, digits)))
