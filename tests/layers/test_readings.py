"""Readings of monitoring stations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from layers import readings
from layers.db import Database
from layers.errors import BadData, BadRequest
from layers.readings import Reading

NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)  # 12:00 in China


def hours(code: str, values: list[float], start: datetime = NOON) -> list[Reading]:
    return [Reading(code, "pm2_5", start + timedelta(hours=n), v) for n, v in enumerate(values)]


async def test_adding_the_same_readings_again_writes_nothing(database: Database) -> None:
    given = hours("A1", [10, 20, 30])
    assert await readings.add(database, given) == (3, 3, 0)
    assert await readings.add(database, given) == (3, 0, 0)
    assert await readings.add(database, [*given, given[0]._replace(value=11)]) == (4, 1, 1)


async def test_the_latest_reading_is_not_replaced_by_a_late_one(database: Database) -> None:
    await readings.add(database, hours("A1", [10, 20]) + hours("B2", [5]))
    await readings.add(database, hours("A1", [99], NOON - timedelta(days=1)))
    assert [(r.station_code, r.value) for r in await readings.latest(database)] == [("A1", 20), ("B2", 5)]
    assert [r.station_code for r in await readings.latest(database, ["B2", "none"])] == ["B2"]


async def test_a_day_of_averages_is_a_day_in_china(database: Database) -> None:
    evening = datetime(2026, 3, 1, 15, tzinfo=UTC)  # 23:00 in China; the next hour is the next day there
    await readings.add(database, hours("A1", [10, 20, 40], evening))
    found = await readings.series(
        database, "A1", "pm2_5", NOON - timedelta(days=1), NOON + timedelta(days=2), "day"
    )
    assert [p.value for p in found] == [10, 30]
    assert found[1].at == datetime(2026, 3, 1, 16, tzinfo=UTC)


async def test_a_series_ends_before_its_end_and_has_bounds(database: Database) -> None:
    await readings.add(database, hours("A1", [10, 20, 30]))
    found = await readings.series(database, "A1", "pm2_5", NOON, NOON + timedelta(hours=2))
    assert [p.value for p in found] == [10, 20]
    for start, end in ((NOON, NOON), (NOON, NOON + timedelta(days=9999)), (NOON.replace(tzinfo=None), NOON)):
        with pytest.raises(BadRequest):
            await readings.series(database, "A1", "pm2_5", start, end)


@pytest.mark.parametrize(
    "wrong",
    [
        Reading("", "pm2_5", NOON, 1.0),
        Reading("A1", "pm2_5", NOON.replace(tzinfo=None), 1.0),
        Reading("A1", "pm2_5", NOON, float("nan")),
    ],
)
async def test_one_impossible_reading_refuses_the_whole_delivery(database: Database, wrong: Reading) -> None:
    with pytest.raises(BadData) as refused:
        await readings.add(database, [*hours("A1", [1.0]), wrong])
    assert refused.value.facts["row"] == 2
    assert await readings.latest(database) == []
