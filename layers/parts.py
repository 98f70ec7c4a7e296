"""Parts of a layer: the districts, streets, communities or grids that a delivery replaces, and no more.

A part is named by its administrative code; a row lies in it if its own code begins with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, Text, cast, func, or_, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.errors import BadData, BadRequest, Conflict
from layers.fill import PLACES
from layers.model import Layer
from layers.tables import past_table, rows_table

MAX_NAMED = 10
"""How many keys an error names."""
DIGITS = tuple(sorted(place.digits for place in PLACES))
"""Of the codes of a district, street, community and unit grid (GB/T 30428.1)."""


def in_part(layer: Layer, table: Any, codes: Sequence[str]) -> ColumnElement[bool]:
    """Whether a row of `table` lies in one of the parts `codes`; false for a row that does not say where.

    A code is looked for in the field of its own level, then in finer ones. Raises `BadRequest` for a code
    that is none, or a layer without a field to tell.
    """
    return func.coalesce(or_(*(_told_by(layer, table, code) for code in codes)), False)


def _told_by(layer: Layer, table: Any, code: str) -> ColumnElement[bool]:
    if len(code) not in DIGITS or not (code.isascii() and code.isdigit()):
        expected = f"a code of {', '.join(map(str, DIGITS))} digits"
        raise BadRequest(
            f"“{code[:40]}”不是区划或网格代码，应为 {'、'.join(map(str, DIGITS))} 位数字",
            f"{code[:40]!r} is no code of a district, street, community or grid",
            field="within",
            value=code,
            expected=expected,
        )
    fields = []
    for place in reversed(PLACES):
        if place.digits >= len(code):
            if place.layer_id == layer.id and layer.key is not None:
                fields.append(layer.key)
            elif place.field in layer.field_names:
                fields.append(place.field)
    if layer.district_field is not None and layer.district_field not in fields:
        fields.append(layer.district_field)
    if not fields or (len(code) > DIGITS[0] and fields == [layer.district_field] and layer.known):
        raise BadRequest(
            f"图层“{layer.title.zh}”没有字段能说明行是否位于“{code}”",
            f"layer {layer.id!r} has no field that tells whether a row lies in {code}",
            field="within",
            value=code,
            expected="a layer with a field of such codes; or a partial delivery",
        )
    told: ColumnElement[Any] = func.coalesce(*(table.c[name] for name in fields))
    return told.startswith(code, autoescape=True)


async def refuse_outside_part(
    connection: AsyncConnection, layer: Layer, stage: Table, codes: Sequence[str]
) -> None:
    """Raises `BadData`, naming the rows, if some of the delivery lie outside the parts."""
    outside = select(stage.c._key).where(~in_part(layer, stage, codes))
    count, keys = await _first(connection, outside.order_by(stage.c._row))
    if count:
        raise BadData(
            f"图层“{layer.title.zh}”有 {count} 行不在 {'、'.join(codes)} 之内：{'、'.join(keys)}",
            f"layer {layer.id!r}: {count} rows are not in {', '.join(codes)}: {', '.join(keys)}",
            layer=layer.id,
            within=list(codes),
            count=count,
            keys=keys,
        )


async def refuse_elsewhere(
    connection: AsyncConnection, layer: Layer, stage: Table, codes: Sequence[str], removes: Sequence[str]
) -> None:
    """Raises `BadData`, naming them, if rows that the delivery changes or removes stand in other parts."""
    rows = rows_table(layer)
    named = or_(
        rows.c._key.in_(select(stage.c._key)), rows.c._key == func.any(cast(list(removes), ARRAY(Text)))
    )
    elsewhere = select(rows.c._key).where(named, ~in_part(layer, rows, codes))
    count, keys = await _first(connection, elsewhere.order_by(rows.c._key))
    if count:
        raise BadData(
            f"图层“{layer.title.zh}”有 {count} 行现位于 {'、'.join(codes)} 之外，不能由本次数据移入："
            f"{'、'.join(keys)}",
            f"layer {layer.id!r}: {count} rows stand outside {', '.join(codes)} now and are not this "
            f"delivery's to move: {', '.join(keys)}",
            layer=layer.id,
            within=list(codes),
            count=count,
            keys=keys,
        )


async def refuse_moved(connection: AsyncConnection, layer: Layer, codes: Sequence[str], seen: int) -> None:
    """Raises `Conflict`, with what moved, if a row of the parts has changed since version `seen`."""
    rows, past = rows_table(layer), past_table(layer)
    moved = union_all(
        select(rows.c._key.label("key"), rows.c._from.label("version")).where(
            rows.c._from > seen, in_part(layer, rows, codes)
        ),
        select(past.c._key, past.c._to).where(past.c._to > seen, in_part(layer, past, codes)),
    ).subquery("moved")
    found = await connection.execute(
        select(moved.c.key, func.max(moved.c.version)).group_by(moved.c.key).order_by(moved.c.key)
    )
    pairs = found.all()
    if not pairs:
        return
    keys = [key for key, _ in pairs[:MAX_NAMED]]
    versions = sorted({version for _, version in pairs})
    raise Conflict(
        f"图层“{layer.title.zh}”在 {'、'.join(codes)} 内自版本 {seen} 起已有 {len(pairs)} 行改变："
        f"{'、'.join(keys)}；请重新比较后再发布",
        f"layer {layer.id!r}: {len(pairs)} rows in {', '.join(codes)} changed since version {seen}: "
        f"{', '.join(keys)}; compare again",
        layer=layer.id,
        version=layer.version,
        seen=seen,
        moved=len(pairs),
        keys=keys,
        versions=versions,
    )


async def _first(connection: AsyncConnection, statement: Select[Any]) -> tuple[int, list[str]]:
    """How many rows `statement` gives, and the first keys."""
    counted = await connection.scalar(select(func.count()).select_from(statement.order_by(None).subquery()))
    if not counted:
        return 0, []
    return int(counted), list(await connection.scalars(statement.limit(MAX_NAMED)))
