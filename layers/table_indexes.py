"""Whether a table's own indexes serve what is asked of it, and the sentences that make those missing.

The planner is asked: it alone knows whether an index serves through a view, in each partition, for an
expression.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, Select, column, func, literal_column, select, table
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import NullType

from layers.model import Layer, Text
from layers.registration import Finding
from layers.relation import field_value, relation_of, relation_rows
from layers.table_facts import TableFacts, quoted
from layers.table_geometry import Place, explained
from layers.tables import beginning, search_expression, text_search_fields

FEW_ROWS = 20_000
"""Rows that search reads whole in some milliseconds: no index of its own is asked for."""

_PLAIN = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
"""How SQL is written for people: nothing is doubled as for the driver."""


async def index_remarks(
    connection: AsyncConnection, facts: TableFacts, place: Place, layer: Layer
) -> list[Finding]:
    """Warnings about missing indexes, with the sentences to run; none of foreign tables."""
    if facts.kind == "foreign table":
        return []
    async with _without_reading_whole_tables(connection):
        found = await _spatial(connection, facts, place)
        if facts.kind != "view" and layer.feature_count > FEW_ROWS:
            found += await _for_search(connection, facts, layer)
    return found


async def _spatial(connection: AsyncConnection, facts: TableFacts, place: Place) -> list[Finding]:
    if await _is_placed_by_index(connection, facts, place.column, place.extent):
        return []
    if facts.kind == "view":
        return [
            Finding(
                "warning",
                Text(
                    f"没有空间索引可用于视图 {facts.title} 的 {place.column}，数据多时会慢；"
                    "请在其下的表上建索引，并在视图中原样给出该列",
                    f"no spatial index serves {place.column} of the view {facts.title}, which is slow with"
                    " many rows: index the table below and give its column as it is",
                ),
            )
        ]
    create = _create(facts, f"USING gist ({quoted(place.column)})")
    return [
        Finding(
            "warning",
            Text(
                f"{facts.title} 的 {place.column} 没有空间索引，请执行：{create}",
                f"{place.column} of {facts.title} has no spatial index; run: {create}",
            ),
            create,
        )
    ]


async def _for_search(connection: AsyncConnection, facts: TableFacts, layer: Layer) -> list[Finding]:
    """What search by words and by beginnings lacks."""
    names = text_search_fields(layer)
    if not names:
        return []
    relation = relation_of(layer)
    read = relation_rows(layer, names).subquery("read")
    own: Any = SimpleNamespace(c={f.name: field_value(relation, f) for f in layer.fields})
    missing = []
    if not await _has_index_for(connection, search_expression(names, read).contains("图"), read):
        missing.append(_create(facts, f"USING gin ({_written(search_expression(names, own))} gin_trgm_ops)"))
    for name in names:
        if not await _has_index_for(connection, beginning(read.c[name]).startswith("图"), read):
            missing.append(_create(facts, f"({_written(beginning(own.c[name]))} text_pattern_ops)"))
    if not missing:
        return []
    sentences = "\n".join(missing)
    return [
        Finding(
            "warning",
            Text(
                f"搜索要读全部 {layer.feature_count:,} 行；建立以下索引后会快：\n{sentences}",
                f"search reads all {layer.feature_count:,} rows; these indexes make it fast:\n{sentences}",
            ),
            sentences,
        )
    ]


async def _is_placed_by_index(
    connection: AsyncConnection, facts: TableFacts, geometry: str, extent: Sequence[float]
) -> bool:
    """Whether an index serves a small box, in every part of the table."""
    source = table(facts.name, column(geometry, NullType()), schema=facts.schema)
    middle = [(extent[n] + extent[n + 2]) / 2 for n in (0, 1)]
    box = func.ST_MakeEnvelope(*middle, *(v + 1e-6 for v in middle), type_=NullType())
    nodes = await _plan(
        connection, select(literal_column("1")).select_from(source).where(source.c[geometry].op("&&")(box))
    )
    by_index = [node for node in nodes if "&&" in str(node.get("Index Cond", ""))]
    read_whole = [node for node in nodes if "&&" in str(node.get("Filter", "")) and "Index Cond" not in node]
    return bool(by_index) and not read_whole


async def _has_index_for(connection: AsyncConnection, condition: ColumnElement[bool], read: Any) -> bool:
    nodes = await _plan(connection, select(literal_column("1")).select_from(read).where(condition))
    scans = [node for node in nodes if "Relation Name" in node or "Index Name" in node]
    return bool(scans) and not any(node["Node Type"] == "Seq Scan" for node in scans)


async def _plan(connection: AsyncConnection, statement: Select[Any]) -> list[dict[str, Any]]:
    return _nodes(await explained(connection, statement))


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(inner for child in plan.get("Plans", ()) for inner in _nodes(child))]


@asynccontextmanager
async def _without_reading_whole_tables(connection: AsyncConnection) -> AsyncIterator[None]:
    """The planner takes an index wherever there is one, however small the table."""
    await connection.execute(select(func.set_config("enable_seqscan", "off", True)))
    yield
    await connection.execute(select(func.set_config("enable_seqscan", "on", True)))


def _create(facts: TableFacts, what: str) -> str:
    # An index of a partitioned table cannot be made concurrently.
    how = "" if facts.kind == "partitioned table" else " CONCURRENTLY"
    return f"CREATE INDEX{how} ON {quoted(facts.schema, facts.name)} {what};"


def _written(expression: ColumnElement[Any]) -> str:
    return f"({expression.compile(dialect=_PLAIN)})"
