"""What a row in the stage still lacks: administrative and grid codes from its place, its key, its hash.

Pure but for one look at which base layers are published; the work is one set-based statement.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    Uuid,
    case,
    cast,
    func,
    lateral,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.catalogue import find_layer
from layers.model import FieldType, Layer
from layers.tables import rows_table


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


async def filled(connection: AsyncConnection, layer: Layer, raw: Table) -> Select[Any]:
    """A select of `raw` (`_row`, `_geom`, the fields) in which null place codes are filled.

    A code comes from a finer code of the same row where there is one, otherwise from the polygon of the
    published base layer that covers the row's point on surface; on a shared edge the smallest code.
    """
    wanted = [p for p in PLACES if p.field in layer.field_names and p.layer_id != layer.id]
    if not wanted:
        return select(raw)
    found: dict[str, ColumnElement[Any]] = {}
    source: FromClause = raw
    point = func.ST_PointOnSurface(raw.c._geom)
    for place in wanted:
        finer = [found[p.field] for p in PLACES if p.digits > place.digits and p.field in found]
        own = next((p for p in PLACES if p.layer_id == layer.id and p.digits > place.digits), None)
        if own is not None and layer.key is not None:
            finer.append(raw.c[layer.key])
        known = func.coalesce(raw.c[place.field], *(_beginning(code, place.digits) for code in finer))
        base = await find_layer(connection, place.layer_id)
        if base is None or base.version == 0 or base.key is None:
            found[place.field] = known
            continue
        area = rows_table(base)
        covering = lateral(
            select(area.c[base.key].label("code"))
            .where(known.is_(None), func.ST_Covers(area.c._geom, point))
            .order_by(area.c[base.key])
            .limit(1)
        )
        source = source.outerjoin(covering, true())
        found[place.field] = func.coalesce(known, covering.c.code)
    columns = [raw.c._row, raw.c._geom] + [
        found[n].label(n) if n in found else raw.c[n] for n in layer.field_names
    ]
    return select(*columns).select_from(source)


def key_and_hash(layer: Layer, whole: FromClause) -> tuple[ColumnElement[str], ColumnElement[Any]]:
    """The columns `_key` and `_hash` over a select that has `_row`, `_geom` and the fields.

    The hash covers geometry and attributes by name and skips nulls, so a field added to the description
    later changes no hash. The key is the key field's text; without one, the hash and the row's ordinal
    among equal rows.
    """
    parts: list[ColumnElement[Any]] = []
    for f in sorted(layer.fields, key=lambda f: f.name):
        column = whole.c[f.name]
        stated = func.concat(literal(f"{f.name}="), *_measured(column, f.type))
        parts.append(case((column.is_not(None), stated)))
    content = func.array_to_string(array([*parts, cast(whole.c._geom, Text)]), "\x1f")
    digest = cast(func.md5(content), Uuid)
    if layer.key is not None:
        return cast(whole.c[layer.key], Text), digest
    ordinal = func.row_number().over(partition_by=digest, order_by=whole.c._row)
    return func.concat(cast(digest, Text), "-", ordinal), digest


def _measured(column: ColumnElement[Any], kind: FieldType) -> list[ColumnElement[Any]]:
    """A value as text that no other row of values can imitate: texts go with their length."""
    return [func.length(column), literal_column("':'"), column] if kind == "text" else [column]


def _beginning(code: ColumnElement[Any], digits: int) -> ColumnElement[Any]:
    """The first `digits` of a well-formed street, community or grid code; null for anything else."""
    return case((code.regexp_match(r"^(\d{9}|\d{12}|\d{15})$"), func.left(code, digits)))
