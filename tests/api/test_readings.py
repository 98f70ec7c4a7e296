"""Readings that a monitoring system sends: all or none, the wrong one named, units converted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from api.grid_documents import StoredReadingsDocument
from api.readings import MAX_READINGS
from layers.accounts import create_account, make_key
from layers.db import Database
from layers.readings import latest
from tests.api.city import JINAN
from tests.api.conftest import City, serving

AT = "2026-03-01T08:00:00+08:00"


def reading(**changes: Any) -> dict[str, Any]:
    return {"station": "A1", "indicator": "no2", "value": 12.5, "observed_at": AT, **changes}


class Sender:
    """A monitoring system with the key of an account."""

    def __init__(self, client: httpx2.AsyncClient, database: Database, city: City) -> None:
        self.client, self.database = client, database
        self.headers = city.headers("publisher")

    async def send(self, *readings: dict[str, Any]) -> httpx2.Response:
        return await self.client.post("/api/v1/readings", json={"readings": readings}, headers=self.headers)

    async def stored(self, indicator: str = "no2") -> dict[str, float]:
        found = await latest(self.database)
        return {r.station_code: r.value for r in found if r.indicator == indicator}

    async def become(self, **who: Any) -> None:
        await create_account(self.database, "box", **who)
        self.headers = {"Authorization": f"Bearer {await make_key(self.database, 'box')}"}


@pytest.fixture
async def sender(own_city: City) -> AsyncIterator[Sender]:
    async with serving(own_city.url) as client, Database(own_city.url) as database:
        yield Sender(client, database, own_city)


async def test_what_is_sent_is_stored_once_and_shown(sender: Sender) -> None:
    batch = [reading(), reading(station="A2", value=8), reading(value=13.5)]
    answer = await sender.send(*batch)
    StoredReadingsDocument.model_validate(answer.json())
    assert answer.json() == {"read": 3, "written": 2, "repeated": 1}
    assert await sender.stored() == {"A1": 13.5, "A2": 8.0}
    again = await sender.send(*batch)
    assert again.json() == {"read": 3, "written": 0, "repeated": 1}
    told = (await sender.client.get("/api/v1/stations/latest")).json()["stations"]
    values = {v["indicator"]: v["value"] for v in told[0]["values"]}
    assert values["no2"] == 13.5


@pytest.mark.parametrize(
    ("indicator", "unit", "value", "code", "kept"),
    [
        ("pm10", "mg/m³", 0.07, "pm10", 70.0),
        ("CO", "ug/m3", 900.0, "co", 0.9),
        ("二氧化氮", None, 20.0, "no2", 20.0),
        ("water_level", "cm", 250.0, "water_level", 2.5),
        ("ph", None, 7.1, "ph", 7.1),
    ],
)
async def test_units_come_to_those_of_the_indicator(
    sender: Sender, indicator: str, unit: str | None, value: float, code: str, kept: float
) -> None:
    answer = await sender.send(reading(indicator=indicator, unit=unit, value=value))
    assert answer.status_code == 200, answer.text
    assert await sender.stored(code) == {"A1": pytest.approx(kept)}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"station": "Z9"}, "readings.1.station"),
        ({"indicator": "happiness"}, "readings.1.indicator"),
        ({"unit": "kg"}, "readings.1.unit"),
        ({"indicator": "ph", "unit": "mg/L"}, "readings.1.unit"),
        ({"observed_at": "2026-03-01T08:00:00"}, "readings.1.observed_at"),
        ({"observed_at": "yesterday"}, "readings.1.observed_at"),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, "readings.1.observed_at"),
        ({"observed_at": (datetime.now(UTC) + timedelta(days=2)).isoformat()}, "readings.1.observed_at"),
        ({"value": "12"}, "readings.1.value"),
        ({"value": None}, "readings.1.value"),
        ({"value": True}, "readings.1.value"),
        ({"colour": "red"}, "readings.1.colour"),
    ],
)
async def test_one_wrong_row_is_named_and_nothing_is_stored(
    sender: Sender, changes: dict[str, Any], field: str
) -> None:
    answer = await sender.send(reading(), reading(**{"station": "A2", **changes}))
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["field"] == field, answer.text
    assert await sender.stored() == {}


async def test_a_call_has_a_size(sender: Sender) -> None:
    assert (await sender.send()).status_code == 422
    many = [reading(observed_at=f"2026-01-01T00:00:00.{n:06}Z") for n in range(MAX_READINGS)]
    assert (await sender.send(*many)).json()["written"] == MAX_READINGS
    assert (await sender.send(*many, reading())).status_code == 422


async def test_a_district_or_a_department_sends_for_its_own_stations(sender: Sender) -> None:
    await sender.become(roles=("publisher",), department="ZJ01")
    assert (await sender.send(reading())).status_code == 403
    async with sender.database.begin() as connection:
        await connection.exec_driver_sql(
            f"UPDATE onemap.account SET department = NULL, districts = '{{{JINAN}}}' WHERE name = 'box'"
        )
    sender.headers = {"Authorization": f"Bearer {await make_key(sender.database, 'box')}"}
    assert (await sender.send(reading())).status_code == 200
    refused = await sender.send(reading(station="A2"))
    assert (refused.status_code, refused.json()["field"]) == (400, "readings.0.station")


@pytest.mark.parametrize(
    ("person", "status"), [(None, 401), ("viewer", 403), ("dispatcher", 403), ("admin", 200)]
)
async def test_readings_are_taken_from_publishers_only(
    own_city: City, person: str | None, status: int
) -> None:
    async with serving(own_city.url) as client:
        answer = await client.post(
            "/api/v1/readings", json={"readings": [reading()]}, headers=own_city.headers(person)
        )
    assert answer.status_code == status
