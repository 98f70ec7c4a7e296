"""How often the services of other systems were called through ours: by layer, day and account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from layers import schema
from layers.db import Database
from layers.rasters import CHINA_OFFSET_HOURS


class CallKey(NamedTuple):
    """`caller` is an account's name; empty for who is not logged in."""

    layer_id: str
    day: date
    caller: str


class CallCount(NamedTuple):
    """`kept`: how many of the calls were answered from memory; `bytes`: sent to callers."""

    calls: int = 0
    kept: int = 0
    errors: int = 0
    bytes: int = 0

    def plus(self, other: CallCount) -> CallCount:
        return CallCount(*(a + b for a, b in zip(self, other, strict=True)))


def day_in_china(instant: datetime) -> date:
    """The day in China of an instant.

    >>> day_in_china(datetime(2026, 3, 1, 20, tzinfo=UTC))
    datetime.date(2026, 3, 2)
    """
    return (instant.astimezone(UTC) + timedelta(hours=CHINA_OFFSET_HOURS)).date()


async def add_calls(db: Database, counts: Mapping[CallKey, CallCount]) -> None:
    """Adds to what was counted, in one statement; calls of layers that are gone are left out."""
    if not counts:
        return
    table = schema.service_call
    async with db.begin() as connection:
        wanted = {key.layer_id for key in counts}
        standing = select(schema.service.c.layer_id).where(schema.service.c.layer_id.in_(wanted))
        known = set((await connection.execute(standing.with_for_update(key_share=True))).scalars())
        rows = [
            {**key._asdict(), **count._asdict()}
            for key, count in sorted(counts.items())
            if key.layer_id in known
        ]
        if not rows:
            return
        statement = insert(table)
        added = {name: table.c[name] + statement.excluded[name] for name in CallCount._fields}
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["layer_id", "day", "caller"], set_=added), rows
        )


async def calls_of(db: Database, layer_id: str, first: date, last: date) -> list[tuple[date, str, CallCount]]:
    """What was counted of a layer from day `first` to `last`, newest day first, then by caller."""
    table = schema.service_call
    statement = (
        select(table)
        .where(table.c.layer_id == layer_id, table.c.day.between(first, last))
        .order_by(table.c.day.desc(), table.c.caller)
    )
    async with db.connect() as connection:
        found = await connection.execute(statement)
        return [(row.day, row.caller, CallCount(row.calls, row.kept, row.errors, row.bytes)) for row in found]
