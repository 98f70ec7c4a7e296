"""Layers that are a SQL function of the user's own: registered, looked at again, checked, forgotten.

A function decides for itself what it returns, so only the operator registers one, at the command line. It
must be STABLE or IMMUTABLE, and is called in a read-only transaction with a time limit; what a caller says
to it is bound as values of the arguments' own types.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.catalogue import lock_layer, read_layer
from layers.db import Database
from layers.description import check
from layers.errors import BadRequest, Conflict, OneMapError
from layers.function_arguments import OWN_TYPES, with_limits
from layers.function_facts import FunctionFacts, InputFacts, function_facts
from layers.model import Argument, FunctionSource, GeometryType, Layer, Origin, Relation, SquareArgument, Text
from layers.notices import LAYER_CHANNEL, notify
from layers.registered import layer_state, refuse_taken
from layers.registration import Finding, FunctionRegistration, Registered, Registration
from layers.relation_state import find_faults
from layers.table_fields import choose_fields, key_type_in, readable_column
from layers.table_geometry import extent_of, geometry_column, origin_in, said_type_of, stated_type_of
from layers.table_measure import require_zone

__all__ = ["check_function", "forget_function", "look_at_function", "refresh_function", "register_function"]

MAX_ARGUMENTS = 16
MOST_ROWS_AT_MOST = 100_000
SAID_IN_ADDRESSES = frozenset(
    {"v", "f", "version", "datetime", "filter", "filter-lang", "filter-crs", "collections", "format"}
)
"""Query parameters of tiles that mean something already."""
_SQUARE: dict[SquareArgument, tuple[str, ...]] = {
    "z": ("int2", "int4", "int8"),
    "x": ("int2", "int4", "int8"),
    "y": ("int2", "int4", "int8"),
    "bounds": ("geometry",),
}
_log = logging.getLogger(__name__)


async def look_at_function(db: Database, wanted: FunctionRegistration) -> Registered:
    """What registering would make, and what was found out; nothing is written, nor is it called."""
    async with db.begin() as connection:
        return await _look(connection, wanted)


async def register_function(db: Database, wanted: FunctionRegistration, *, by: str) -> Registered:
    """Makes the function a layer that is seen at once by whom its access level lets.

    Raises `NotFound` (no such function), `NotAllowed` (no right to call it), `BadRequest` or `BadData`
    (naming what must be said or cannot be), `Conflict` (the id is taken).
    """
    async with db.begin() as connection:
        await refuse_taken(connection, wanted.rows.id)
        found = await _look(connection, wanted)
        layer = found.layer
        state = {**layer_state(layer), "version": 1}
        await connection.execute(
            insert(schema.layer).values(id=layer.id, access=layer.access, status="published", **state)
        )
        await notify(connection, LAYER_CHANNEL, layer.id, 1)
        registered = await read_layer(connection, layer.id)
    _log.info("layer %s is function %s now, registered by %s", layer.id, wanted.rows.table, by)
    return Registered(registered, found.findings)


async def refresh_function(db: Database, layer_id: str) -> Registered:
    """Looks at the function again, its arguments and what it returns; the version counts up.

    Raises `NotFound`, `Conflict` for a layer that is no function, and as `register_function`.
    """
    async with db.begin() as connection:
        before = await lock_layer(connection, layer_id)
        found = await _look(connection, _as_registered(before))
        number = before.version + 1
        await connection.execute(
            update(schema.layer)
            .where(schema.layer.c.id == layer_id)
            .values({**layer_state(found.layer), "version": number})
        )
        await notify(connection, LAYER_CHANNEL, layer_id, number)
        return Registered(await read_layer(connection, layer_id), found.findings)


async def forget_function(db: Database, layer_id: str, *, by: str) -> None:
    """Forgets the layer; the function stays. Raises `NotFound`, `Conflict` if the layer is none."""
    async with db.begin() as connection:
        layer = await lock_layer(connection, layer_id)
        _function_of(layer)
        await connection.execute(delete(schema.layer).where(schema.layer.c.id == layer_id))
        await notify(connection, LAYER_CHANNEL, layer_id, layer.version + 1)
    _log.info("layer %s is no longer registered, by %s", layer_id, by)


async def check_function(db: Database, layer: Layer) -> list[Finding]:
    """What is wrong with the function of a layer now, the faults first; nothing is written."""
    faults = await find_faults(db, [layer])
    if faults:
        return [Finding("fault", faults[layer.id].sentence)]
    try:
        found = await look_at_function(db, _as_registered(layer))
    except OneMapError as error:
        return [Finding("fault", Text(error.zh, error.en), error.facts.get("sql"))]
    return [finding for finding in found.findings if finding.kind != "left out"]


async def _look(connection: AsyncConnection, wanted: FunctionRegistration) -> Registered:
    said = wanted.rows
    _refuse_unmeant(wanted)
    facts = await function_facts(connection, said.schema, said.table)
    findings: list[Finding] = []
    square, arguments = _arguments(facts, wanted, findings)
    relation, kind, origin = await _relation(connection, facts, said)
    chosen = choose_fields(facts.columns, said, relation.key)
    names = [name for name in dict.fromkeys((relation.key, *chosen.reads)) if name]
    types = {name: c.type for name in names if (c := facts.columns.column(name)) is not None}
    relation = replace(relation, reads=chosen.reads, types={**relation.types, **types})
    comment = (facts.columns.comment or "").strip()
    layer = Layer(
        id=said.id,
        title=said.title,
        theme=said.theme,
        geometry_type=kind,
        fields=chosen.fields,
        key=relation.key or None,
        name_field=said.name_field,
        district_field=said.district_field,
        time_field=said.time_field,
        owner=said.owner,
        access=said.access,
        description=said.description if any(said.description) else Text(comment, comment),
        min_zoom=said.min_zoom or 0,
        kind="function",
        function=FunctionSource(relation, facts.signature, arguments, square, wanted.most_rows),
        origins=(origin,),
    )
    check(layer)
    await require_zone(connection, said.zone)
    if not square:
        findings.append(
            Finding(
                "warning",
                Text(
                    "函数没有 z、x、y 或 bounds 参数，每个瓦片都要算出全部的行",
                    "it takes neither z, x, y nor bounds: for every tile it makes all its rows",
                ),
            )
        )
    if facts.is_definer:
        findings.append(
            Finding(
                "warning",
                Text("函数以其所有者的权限执行", "it runs with its owner's rights (SECURITY DEFINER)"),
            )
        )
    return Registered(layer, (*findings, *chosen.findings))


def _arguments(
    facts: FunctionFacts, wanted: FunctionRegistration, findings: list[Finding]
) -> tuple[tuple[SquareArgument, ...], tuple[Argument, ...]]:
    """Which arguments tell the square, and which the caller may say; `findings` hears of those left out."""
    square: list[SquareArgument] = []
    arguments: list[Argument] = []
    for one in facts.inputs:
        role = next((name for name, types in _SQUARE.items() if one.name == name and one.base in types), None)
        if role is not None:
            square.append(role)
            continue
        problem = _argument_problem(one)
        if problem is not None and not one.has_default:
            raise BadRequest(
                f"函数 {facts.title} 的参数 {one.name}（{one.type}）无法由请求给出：{problem.zh}",
                f"argument {one.name} ({one.type}) of function {facts.title} cannot be said: {problem.en}",
                field=one.name,
                value=one.type,
                expected=f"a type of {', '.join(OWN_TYPES)}, or a default",
            )
        if problem is not None:
            findings.append(
                Finding(
                    "left out",
                    Text(
                        f"参数 {one.name} 只取默认值：{problem.zh}",
                        f"argument {one.name} keeps its default: {problem.en}",
                    ),
                )
            )
            continue
        argument = Argument(one.name, OWN_TYPES[one.base].type, one.base, not one.has_default)
        if one.name in wanted.allowed:
            argument = with_limits(argument, wanted.allowed[one.name])
        arguments.append(argument)
    names = [argument.name for argument in arguments]
    for name in wanted.allowed:
        if name not in names:
            raise BadRequest(
                f"函数 {facts.title} 没有可给出的参数 {name}",
                f"function {facts.title} has no argument {name!r} to be said",
                field="allow",
                value=name,
                expected=", ".join(names) or "no arguments",
            )
    if len(arguments) > MAX_ARGUMENTS:
        raise BadRequest(
            f"函数 {facts.title} 的参数多于 {MAX_ARGUMENTS} 个",
            f"function {facts.title} has more than {MAX_ARGUMENTS} arguments",
            field="function",
            value=len(arguments),
            expected=f"at most {MAX_ARGUMENTS}",
        )
    return tuple(square), tuple(arguments)


def _argument_problem(one: InputFacts) -> Text | None:
    if one.base not in OWN_TYPES:
        return Text("没有这种类型的参数", "there are no values of that type in an address")
    if one.name in SAID_IN_ADDRESSES:
        return Text("该名称在瓦片地址中另有含义", "its name means something else in a tile's address")
    return None


async def _relation(
    connection: AsyncConnection, facts: FunctionFacts, said: Registration
) -> tuple[Relation, GeometryType, Origin]:
    """What comes out of the function, still without fields; the kind of shapes; where they come from."""
    found = geometry_column(facts.columns, said.geometry)
    stated = found.srid or None
    srid = stated or said.srid
    if srid is None or said.srid not in (None, srid):
        raise BadRequest(
            f"请用 --srid 指定函数 {facts.title} 返回的 {found.name} 的坐标系"
            + (f"，其类型说明为 {stated}" if stated else ""),
            f"say with --srid in which system {found.name} of function {facts.title} is"
            + (f"; its type says {stated}" if stated else ""),
            field="srid",
            value=said.srid or "",
            expected="the EPSG code of its coordinates",
        )
    kind = stated_type_of(found) or said_type_of(said.geometry_type) or "Geometry"
    served, extent = await extent_of(connection, srid)
    key = "" if said.key is None else said.key
    key_type = key_type_in(facts.columns, readable_column(facts.columns, key, "key")) if key else "integer"
    relation = Relation(
        schema=facts.columns.schema,
        name=facts.columns.name,
        key=key,
        key_type=key_type,
        is_unique=False,
        geometry=found.name,
        srid=srid,
        is_unstated=stated is None,
        domain=served,
        extent=extent,
        reads={},
        types={found.name: found.whole_type},
        zone=said.zone,
    )
    words = Text("函数的返回类型说明", "the function's result type says so")
    evidence = words if stated else Text("登记时指定", "said when it was registered")
    return relation, kind, origin_in(srid, evidence, is_assumed=False)


def _refuse_unmeant(wanted: FunctionRegistration) -> None:
    """Raises `BadRequest` for what is said of tables only, and for too many rows."""
    said = wanted.rows
    if said.follow or said.search_fields:
        name = "follow" if said.follow else "search"
        raise BadRequest(
            f"--{name} 只用于数据表", f"--{name} is for tables", field=name, value="", expected="a table"
        )
    if not 1 <= wanted.most_rows <= MOST_ROWS_AT_MOST:
        raise BadRequest(
            f"每个瓦片的行数应为 1 至 {MOST_ROWS_AT_MOST:,}",
            f"rows of a tile are 1 to {MOST_ROWS_AT_MOST:,}",
            field="most_rows",
            value=wanted.most_rows,
            expected=f"1 to {MOST_ROWS_AT_MOST}",
        )


def _function_of(layer: Layer) -> FunctionSource:
    if layer.function is None:
        raise Conflict(
            f"图层“{layer.title.zh}”不是函数图层", f"layer {layer.id!r} is not a function", layer=layer.id
        )
    return layer.function


def _as_registered(layer: Layer) -> FunctionRegistration:
    """What was said when the layer was registered."""
    function = _function_of(layer)
    relation = function.relation
    rows = Registration(
        schema=relation.schema,
        table=relation.name,
        id=layer.id,
        title=layer.title,
        key=relation.key or None,
        geometry=relation.geometry,
        srid=relation.srid if relation.is_unstated else None,
        geometry_type=layer.geometry_type,
        fields=layer.field_names,
        sensitive={f.name: f.sensitivity for f in layer.fields},
        name_field=layer.name_field,
        district_field=layer.district_field,
        time_field=layer.time_field,
        zone=relation.zone,
        access=layer.access,
        theme=layer.theme,
        owner=layer.owner,
        description=layer.description,
        min_zoom=layer.min_zoom,
    )
    allowed = {a.name: limits for a in function.arguments if (limits := _limits(a))}
    return FunctionRegistration(rows, allowed, function.most_rows)


def _limits(argument: Argument) -> str:
    if argument.choices:
        return ",".join(argument.choices)
    return "" if argument.least is None else f"{argument.least}..{argument.most}"
