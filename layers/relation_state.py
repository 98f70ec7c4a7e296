"""Whether the table behind a registered layer still is what was registered; who asks while it is not is told.

Somebody else's table may be dropped, altered or closed to us at any moment. Whatever reads rows does so
inside `reading` (or `blaming`): if it fails and a registered table is the reason, the error names the layer,
so that everything else can be answered without it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import psycopg
import sqlalchemy
from sqlalchemy import func, literal_column, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.access import Scope
from layers.db import Database
from layers.errors import Conflict, OneMapError, RelationChanged, Unavailable
from layers.model import Layer, Relation, Text
from layers.relation import relation_of

TOUCH_TIMEOUT_MS = 2_000
"""How long a table may take to give one row before it counts as unreachable."""

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)

_THE_TABLES = (
    psycopg.errors.ProgrammingError,  # no such table, column, function or schema; no right; wrong type
    psycopg.errors.NotSupportedError,  # "cached plan must not change result type"
    psycopg.errors.InternalError,  # a transformation that fails
    psycopg.errors.OperationalError,  # another database behind a foreign table does not answer
)

_THE_FUNCTIONS = (
    psycopg.errors.ProgrammingError,  # it is gone, its arguments are others, or it raised an error
    psycopg.errors.NotSupportedError,
    psycopg.errors.InternalError,
)
"""Of a layer drawn by itself, that calls a function: the function's doing."""

_FUNCTIONS_STANDING = text("""
    SELECT asked.id, p.provolatile <> 'v' AND p.proretset AS is_safe,
           has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE') AS may_call
    FROM unnest(CAST(:ids AS text[]), CAST(:schemas AS text[]), CAST(:names AS text[]),
                CAST(:signatures AS text[])) AS asked (id, schema, name, signature)
    JOIN pg_namespace n ON n.nspname = asked.schema
    JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = asked.name
         AND pg_get_function_identity_arguments(p.oid) = asked.signature
""")
_STANDING = text("""
    SELECT asked.id, c.relkind, c.oid,
           has_schema_privilege(n.oid, 'USAGE') AS may_enter,
           a.attname AS name,
           CASE WHEN a.attname = asked.geometry THEN format_type(a.atttypid, a.atttypmod)
                ELSE format_type(a.atttypid, NULL) END AS type,
           has_column_privilege(c.oid, a.attnum, 'SELECT') AS may_read
    FROM unnest(CAST(:ids AS text[]), CAST(:schemas AS text[]), CAST(:names AS text[]),
                CAST(:geometries AS text[])) AS asked (id, schema, name, geometry)
    JOIN pg_namespace n ON n.nspname = asked.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
         AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
""")


class Fault(NamedTuple):
    """Why a registered layer cannot be read, for its operator: names of tables and columns are in it."""

    layer_id: str
    sentence: Text


@asynccontextmanager
async def reading(db: Database, *scopes: Scope) -> AsyncIterator[AsyncConnection]:
    """A connection as `Database.connect` gives, for asking the rows of `scopes`.

    Raises `RelationChanged` where that fails because of a registered layer's table.
    """
    async with blaming(db, [scope.layer for scope in scopes]), db.connect() as connection:
        yield connection


@asynccontextmanager
async def blaming(db: Database, layers: Sequence[Layer]) -> AsyncIterator[None]:
    """Turns a failure into `RelationChanged` if the table of one of `layers` is the reason for it."""
    try:
        yield
    except (psycopg.Error, sqlalchemy.exc.DBAPIError, Unavailable) as error:
        cause = _driver_error(error)
        functions = [layer for layer in layers if layer.function is not None]
        if functions and isinstance(cause, _THE_FUNCTIONS):
            _log.warning("the function of layer %s failed: %s", functions[0].id, cause)
            raise _failed(functions) from error
        registered = [layer for layer in layers if layer.relation is not None]
        if not registered or not isinstance(cause, _THE_TABLES):
            raise
        faults = await find_faults(db, registered, touch=True)
        if not faults:
            raise
        raise _changed([layer for layer in registered if layer.id in faults]) from error


async def answered_by_those_who_can(
    scopes: Sequence[Scope], ask: Callable[[list[Scope]], Awaitable[Answer]]
) -> tuple[Answer, list[str]]:
    """What `ask` answers for `scopes` without the layers whose table is gone, and the ids of those.

    Raises `RelationChanged` if none is left.
    """
    left, out = list(scopes), list[str]()
    while True:
        try:
            return await ask(left), out
        except RelationChanged as error:
            out += error.layer_ids
            left = [scope for scope in left if scope.layer.id not in error.layer_ids]
            if not left:
                raise


async def find_faults(db: Database, layers: Sequence[Layer], *, touch: bool = False) -> Mapping[str, Fault]:
    """Those of the registered `layers` that cannot be read as they were registered, by id.

    `touch`: also asks each for a row, as a foreign table may stand and its server not.
    """
    faults = await _faults_of_functions(db, [layer for layer in layers if layer.function is not None])
    registered = [layer for layer in layers if layer.relation is not None]
    if not registered:
        return faults
    relations = [relation_of(layer) for layer in registered]
    asked = {
        "ids": [layer.id for layer in registered],
        "schemas": [relation.schema for relation in relations],
        "names": [relation.name for relation in relations],
        "geometries": [relation.geometry for relation in relations],
    }
    async with db.connect() as connection:
        found = [dict(row) for row in (await connection.execute(_STANDING, asked)).mappings()]
    for layer, relation in zip(registered, relations, strict=True):
        sentence = _difference(relation, [row for row in found if row["id"] == layer.id])
        if sentence is None and touch:
            sentence = await _untouchable(db, relation)
        if sentence is not None:
            faults[layer.id] = Fault(layer.id, sentence)
    return faults


async def _faults_of_functions(db: Database, layers: Sequence[Layer]) -> dict[str, Fault]:
    """Those of the function `layers` whose function is gone, closed or not as it was registered."""
    functions = {layer.id: layer.function for layer in layers if layer.function is not None}
    if not functions:
        return {}
    asked = {
        "ids": list(functions),
        "schemas": [function.relation.schema for function in functions.values()],
        "names": [function.relation.name for function in functions.values()],
        "signatures": [function.signature for function in functions.values()],
    }
    async with db.connect() as connection:
        found = {row["id"]: row for row in (await connection.execute(_FUNCTIONS_STANDING, asked)).mappings()}
    faults = {}
    for layer_id, function in functions.items():
        title = f"{function.relation.title}({function.signature})"
        row = found.get(layer_id)
        if row is None:
            sentence = Text(f"函数 {title} 不存在", f"function {title} does not exist")
        elif not row["is_safe"]:
            sentence = Text(f"函数 {title} 已不是只读的", f"function {title} is VOLATILE now")
        elif not row["may_call"]:
            sentence = Text(f"无权调用函数 {title}", f"there is no right to call function {title}")
        else:
            continue
        faults[layer_id] = Fault(layer_id, sentence)
    return faults


def no_longer_unique(layer: Layer, key: str) -> Conflict:
    """The refusal to answer by a key that several rows have, though it was unique when registered."""
    return Conflict(
        f"图层“{layer.title.zh}”中有多行的键为“{key[:80]}”，无法确定是哪一行；请联系管理员",
        f"several rows of layer {layer.id!r} have the key {key[:80]!r}; tell the operator",
        layer=layer.id,
        key=key[:200],
    )


def _difference(relation: Relation, columns: Sequence[Mapping[str, Any]]) -> Text | None:
    """How the table differs from what was registered; None if it does not."""
    if not columns:
        return Text(f"{relation.title} 不存在", f"{relation.title} does not exist")
    if not columns[0]["may_enter"]:
        return Text(
            f"无权使用模式 {relation.schema}", f"there is no right to use the schema {relation.schema}"
        )
    standing = {column["name"]: column for column in columns}
    for name, kind in relation.types.items():
        now = standing.get(name)
        if now is None:
            return Text(f"{relation.title} 没有列 {name}", f"{relation.title} has no column {name}")
        if now["type"] != kind:
            return Text(
                f"{relation.title} 的列 {name} 由 {kind} 变为 {now['type']}",
                f"column {name} of {relation.title} was {kind} and is {now['type']} now",
            )
        if not now["may_read"]:
            return Text(
                f"无权读取 {relation.title} 的列 {name}",
                f"there is no right to read column {name} of {relation.title}",
            )
    return None


async def _untouchable(db: Database, relation: Relation) -> Text | None:
    touched = select(func.count()).select_from(
        select(literal_column("1"))
        .select_from(table(relation.name, schema=relation.schema))
        .limit(1)
        .subquery()
    )
    try:
        async with db.begin(timeout_ms=TOUCH_TIMEOUT_MS) as connection:
            await connection.execute(touched)
    except (psycopg.Error, sqlalchemy.exc.DBAPIError, OneMapError):
        return Text(f"{relation.title} 无法读取", f"{relation.title} cannot be read")
    return None


def _driver_error(error: BaseException) -> BaseException | None:
    """The driver's error in or behind one of SQLAlchemy's or ours."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, psycopg.Error):
        found = found.orig if isinstance(found, sqlalchemy.exc.DBAPIError) else found.__cause__
    return found


def refused_to_read_ours(layer: Layer, tables: Sequence[str]) -> RelationChanged:
    """What is raised where a layer's function has read tables of ours: no rights hold there."""
    _log.warning("the function of layer %s reads %s: its tiles are refused", layer.id, ", ".join(tables))
    return RelationChanged(
        f"图层“{layer.title.zh}”的函数读取了 onemap 自己的表，权限在那里不起作用，请联系管理员",
        f"the function of layer {layer.id!r} reads tables of onemap's own, where rights would not reach;"
        " tell the operator",
        layer_ids=[layer.id],
    )


def _failed(layers: Sequence[Layer]) -> RelationChanged:
    titles = "、".join(f"“{layer.title.zh}”" for layer in layers)
    ids = ", ".join(repr(layer.id) for layer in layers)
    return RelationChanged(
        f"图层{titles}的函数不存在、已改变或执行出错，请联系管理员",
        f"the function of layer {ids} is gone, was changed or failed; tell the operator",
        layer_ids=[layer.id for layer in layers],
    )


def _changed(layers: Sequence[Layer]) -> RelationChanged:
    titles = "、".join(f"“{layer.title.zh}”" for layer in layers)
    ids = ", ".join(repr(layer.id) for layer in layers)
    return RelationChanged(
        f"图层{titles}所登记的数据表不存在或已改变，请联系管理员",
        f"the registered table of layer {ids} is gone or was changed; tell the operator",
        layer_ids=[layer.id for layer in layers],
    )
