"""The rows of a table or view of the user's own, to be copied: as they stand at one moment, in their own CRS.

The table is looked at as if it were to be registered (`layers.registered`), so what cannot be given is left
out in the same way and said in the same words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import column, func, select, table

from layers.db import Database
from layers.model import Layer, Text
from layers.registered import look
from layers.registration import Registration, named_table
from layers.relation import field_value, key_type_of, relation_of

ROWS_AT_ONCE = 5_000


async def look_at_table(db: Database, source: Mapping[str, Any], layer_id: str) -> Layer:
    """What the table of a sync's source is: its fields, and in `relation` its key and geometry.

    Raises `NotFound`, `NotAllowed`, `BadRequest` or `BadData` as registering it would.
    """
    schema, name = named_table(str(source["table"]))
    wanted = Registration(
        schema=schema,
        table=name,
        id=layer_id,
        title=Text(name, name),
        key=source.get("key"),
        geometry=source.get("geometry"),
        srid=source.get("srid"),
    )
    return (await look(db, wanted)).layer


async def table_rows(db: Database, layer: Layer) -> AsyncIterator[Sequence[Sequence[Any]]]:
    """All rows, by their key, some thousand at a time: the key, the fields in their order, then WKB.

    One statement, so all rows are of one moment. The key comes among the fields if it is one.
    """
    relation = relation_of(layer)
    key = column(relation.key, key_type_of(relation))
    shape = func.ST_AsBinary(column(relation.geometry))
    statement = (
        select(key, *(field_value(relation, field) for field in layer.fields), shape)
        .select_from(table(relation.name, schema=relation.schema))
        .order_by(key)
    )
    async with db.begin(timeout_ms=0) as connection:
        found = await connection.stream(statement.execution_options(yield_per=ROWS_AT_ONCE))
        async for rows in found.partitions():
            yield rows
