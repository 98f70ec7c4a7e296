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
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.db import Database, driver, identifier
from layers.errors import BadData, BadRequest
from layers.notices import READING_CHANNEL, notify

STATION_LAYER = "station"
"""The layer whose rows the readings belong to, by its keys."""
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


class Merged(NamedTuple):
    """Readings that were not there before, and such as took the place of another value."""

    added: int
    changed: int


class Point(NamedTuple):
    """The average of the readings in the step that begins `at`."""

    at: datetime
    value: float


async def add(db: Database, readings: Iterable[Reading]) -> Added:
    """Adds readings, all or none; one for the same station, indicator and time replaces what stands.

    Raises `BadData` naming the row for an empty code, a time without a zone or a value that is no number.
    """
    async with db.begin(timeout_ms=0) as connection:
        await (await driver(connection)).execute(_MAKE_ARRIVAL)
        read = await copy_arrived(connection, _ARRIVAL, readings)
        [repeated] = await drop_repeated(connection, _ARRIVAL)
        merged = await merge(connection, _ARRIVAL)
        await (await driver(connection)).execute(_DROP_ARRIVAL)
    return Added(read, sum(merged), repeated)


async def copy_arrived(
    connection: AsyncConnection, table: driver_sql.Identifier, readings: Iterable[Reading]
) -> int:
    """Copies readings into `table`, which has the `ARRIVED` columns; how many there were. Raises as `add`."""
    cursor = (await driver(connection)).cursor()
    read = 0
    async with cursor.copy(_COPY.format(table)) as copy:
        for reading in readings:
            read += 1
            _check(reading, read)
            await copy.write_row((*reading, read))
    await cursor.execute(driver_sql.SQL("ANALYZE {}").format(table))
    return read


async def drop_repeated(
    connection: AsyncConnection, table: driver_sql.Identifier, ends: Sequence[int] = ()
) -> list[int]:
    """Drops readings that a later one of the same station, indicator and time replaces; how many.

    `ends`: the numbers of the last reading of each part that came, ascending; a count for each part then.
    """
    cursor = (await driver(connection)).cursor()
    await cursor.execute(_DROP_REPEATED.format(table), {"starts": [1, *(end + 1 for end in ends[:-1])]})
    counts = dict(await cursor.fetchall())
    return [counts.get(part, 0) for part in range(1, max(len(ends), 1) + 1)]


async def merge(connection: AsyncConnection, table: driver_sql.Identifier) -> Merged:
    """Makes the readings in `table`, each of another time, the ones that stand; tells it when committed."""
    cursor = (await driver(connection)).cursor()
    await cursor.execute(_UPSERT.format(_table("reading"), table))
    row = await cursor.fetchone()
    assert row is not None
    merged = Merged(*row)
    await cursor.execute(_UPSERT_LATEST.format(_table("reading_latest"), table))
    if sum(merged):
        await notify(connection, READING_CHANNEL, STATION_LAYER, sum(merged))
    return merged


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


ARRIVED = "station_code text, indicator text, observed_at timestamptz, value double precision, number bigint"
"""The columns of readings on their way in; `number` is their order, from 1."""

_ARRIVAL = identifier("onemap_readings")
_MAKE_ARRIVAL = driver_sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(
    _ARRIVAL, driver_sql.SQL(ARRIVED)
)
_DROP_ARRIVAL = driver_sql.SQL("DROP TABLE {}").format(_ARRIVAL)

_COPY = driver_sql.SQL("COPY {} (station_code, indicator, observed_at, value, number) FROM STDIN")

_DROP_REPEATED = driver_sql.SQL("""
WITH gone AS (
    DELETE FROM {0} AS arrived USING (
        SELECT number, lead(number) OVER (
            PARTITION BY station_code, indicator, observed_at ORDER BY number
        ) IS NOT NULL AS replaced FROM {0}
    ) AS ordered WHERE arrived.number = ordered.number AND ordered.replaced RETURNING arrived.number
)
SELECT width_bucket(number, %(starts)s::bigint[]), count(*) FROM gone GROUP BY 1
""")

# In one order everywhere, so that two deliveries of the same stations wait for each other, not for ever.
_UPSERT = driver_sql.SQL("""
WITH written AS (
    INSERT INTO {} AS standing (station_code, indicator, observed_at, value)
    SELECT station_code, indicator, observed_at, value FROM {} ORDER BY 1, 2, 3
    ON CONFLICT (station_code, indicator, observed_at) DO UPDATE SET value = excluded.value
    WHERE standing.value <> excluded.value
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM written
""")
"""A row that was inserted has no transaction that locked or changed it (`xmax`)."""

_UPSERT_LATEST = driver_sql.SQL("""
INSERT INTO {} AS standing (station_code, indicator, observed_at, value)
SELECT DISTINCT ON (station_code, indicator) station_code, indicator, observed_at, value
FROM {} ORDER BY 1, 2, 3 DESC
ON CONFLICT (station_code, indicator) DO UPDATE
SET observed_at = excluded.observed_at, value = excluded.value
WHERE standing.observed_at <= excluded.observed_at
""")
