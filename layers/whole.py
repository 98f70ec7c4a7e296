"""All rows of a layer in one go, for those who look at a delivery among what is published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select

from layers.access import Scope
from layers.db import Database
from layers.relation_state import reading
from layers.rows import rows


class WholeLayer(NamedTuple):
    """Rows column by column: keys, WKB (EPSG:4490, longitude first; None without a place), fields."""

    keys: list[str]
    wkb: list[bytes | None]
    columns: dict[str, list[Any]]


async def whole_layer(db: Database, scope: Scope, fields: Sequence[str] = ()) -> WholeLayer:
    """The scoped rows with some of their fields; raises `BadRequest` for a field the scope hides."""
    relation = rows(scope, fields=fields).subquery("whole")
    statement = select(relation.c._key, func.ST_AsBinary(relation.c._geom), *(relation.c[f] for f in fields))
    async with reading(db, scope) as connection:
        found = (await connection.execute(statement)).all()
    return WholeLayer(
        [row[0] for row in found],
        [None if row[1] is None else bytes(row[1]) for row in found],
        {name: [row[n] for row in found] for n, name in enumerate(fields, start=2)},
    )
