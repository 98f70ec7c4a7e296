"""What monitoring stations measured: taken in in bulk, the newest kept at hand, series as averages.

Readings belong to rows of the layer `station`; whoever hands them out asks for stations that its viewer's
scope holds. Values are in the indicator's own unit; times are UTC.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from psycopg import sql as driver_sql
from sqlalchemy import func, select

from layers import schema
from layers.db import Database, driver, identifier
from layers.errors import BadData, BadRequest
from layers.notices import READING_CHANNEL, notify

DAY_ZONE = "Asia/Shanghai"
"""A day of averages is a day in China."""
MAX_POINTS = 20_000
"""Most points of one series: two years of hours."""

_STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


class Reading(NamedTuple):
    """One measured value. `observed_at` has a zone."""

    station_code: str
    indicator: str
    observed_at: datetime
    value: float


class Added(NamedTuple):
    """Rows read, rows that were new or whose value changed, and rows given twice (the last one counts)."""

    read: int
    written: int
    repeated: int


class Point(NamedTuple):
    """The average of the readings in the step that begins `at`."""

    at: datetime
    value: float


async def add(db: Database, readings: Iterable[Reading]) -> Added:
    """Adds readings, all or none; one for the same station, indicator and time replaces what stands.

    Raises `BadData` naming the row for an empty code, a time without a zone or a value that is no number.
    """
    async with db.begin(timeout_ms=0) as connection:
        cursor = (await driver(connection)).cursor()
        await cursor.execute(_MAKE_ARRIVAL)
        read = 0
        async with cursor.copy(_COPY_ARRIVAL) as copy:
            for reading in readings:
                read += 1
                _check(reading, read)
                await copy.write_row((*reading, read))
        await cursor.execute("ANALYZE onemap_readings")
        await cursor.execute(_DROP_REPEATED)
        repeated = cursor.rowcount
        await cursor.execute(_UPSERT.format(_table("reading")))
        written = cursor.rowcount
        await cursor.execute(_UPSERT_LATEST.format(_table("reading_latest")))
        await cursor.execute("DROP TABLE onemap_readings")
        if written:
            await notify(connection, READING_CHANNEL, "station", written)
    return Added(read, written, repeated)


async def latest(db: Database, codes: Sequence[str] | None = None) -> list[Reading]:
    """The newest reading of each indicator of the stations `codes` (None: all), by station and indicator."""
    table = schema.reading_latest
    statement = select(table.c.station_code, table.c.indicator, table.c.observed_at, table.c.value)
    if codes is not None:
        statement = statement.where(table.c.station_code == func.any(list(codes)))
    async with db.connect() as connection:
        found = await connection.execute(statement.order_by(table.c.station_code, table.c.indicator))
        return [Reading(*row) for row in found]


async def series(
    db: Database,
    code: str,
    indicator: str,
    start: datetime,
    end: datetime,
    step: Literal["hour", "day"] = "hour",
) -> list[Point]:
    """Averages per `step` from `start` (included) to `end` (not included), oldest first, gaps left out.

    Raises `BadRequest` for times without a zone, an empty span, or one of more than `MAX_POINTS` steps.
    """
    for name, moment in (("start", start), ("end", end)):
        if moment.tzinfo is None:
            raise _bad(name, moment.isoformat(), "a time with its zone")
    if step not in _STEPS:
        raise _bad("step", step, "hour or day")
    if not timedelta(0) < end - start <= MAX_POINTS * _STEPS[step]:
        raise _bad("end", end.isoformat(), f"after start, by at most {MAX_POINTS} steps of a {step}")
    table = schema.reading
    at = func.date_trunc(step, table.c.observed_at, DAY_ZONE).label("at")
    statement = (
        select(at, func.avg(table.c.value))
        .where(
            table.c.station_code == code.replace("\x00", ""),
            table.c.indicator == indicator.replace("\x00", ""),
            table.c.observed_at >= start,
            table.c.observed_at < end,
        )
        .group_by(at)
        .order_by(at)
    )
    async with db.connect() as connection:
        return [Point(*row) for row in await connection.execute(statement)]


def _check(reading: Reading, number: int) -> None:
    code, indicator, observed_at, value = reading
    if not code or not indicator:
        problem = "an empty station code or indicator"
    elif observed_at.tzinfo is None:
        problem = f"a time without a zone: {observed_at.isoformat()}"
    elif not math.isfinite(value):
        problem = f"no number: {value}"
    else:
        return
    raise BadData(
        f"第 {number} 条读数有误（站点 {code!r}，指标 {indicator!r}，值 {value}）",
        f"reading {number} has {problem}",
        row=number,
        station=code,
        indicator=indicator,
    )


def _table(name: str) -> driver_sql.Identifier:
    return identifier(schema.SCHEMA, name)


def _bad(field: str, value: str, expected: str) -> BadRequest:
    return BadRequest(
        f"{field} 的值有误：{value}，应为 {expected}",
        f"{field} is {value}, expected {expected}",
        field=field,
        value=value,
        expected=expected,
    )


_MAKE_ARRIVAL = """
CREATE TEMPORARY TABLE onemap_readings (
    station_code text, indicator text, observed_at timestamptz, value double precision, number bigint
) ON COMMIT DROP
"""

_COPY_ARRIVAL = "COPY onemap_readings (station_code, indicator, observed_at, value, number) FROM STDIN"

_DROP_REPEATED = """
DELETE FROM onemap_readings USING (
    SELECT number, lead(number) OVER (
        PARTITION BY station_code, indicator, observed_at ORDER BY number
    ) IS NOT NULL AS replaced FROM onemap_readings
) AS ordered WHERE onemap_readings.number = ordered.number AND ordered.replaced
"""

# In one order everywhere, so that two deliveries of the same stations wait for each other, not for ever.
_UPSERT = driver_sql.SQL("""
INSERT INTO {} AS standing (station_code, indicator, observed_at, value)
SELECT station_code, indicator, observed_at, value FROM onemap_readings ORDER BY 1, 2, 3
ON CONFLICT (station_code, indicator, observed_at) DO UPDATE SET value = excluded.value
WHERE standing.value <> excluded.value
""")

_UPSERT_LATEST = driver_sql.SQL("""
INSERT INTO {} AS standing (station_code, indicator, observed_at, value)
SELECT DISTINCT ON (station_code, indicator) station_code, indicator, observed_at, value
FROM onemap_readings ORDER BY 1, 2, 3 DESC
ON CONFLICT (station_code, indicator) DO UPDATE
SET observed_at = excluded.observed_at, value = excluded.value
WHERE standing.observed_at <= excluded.observed_at
""")
