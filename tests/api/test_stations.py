"""Stations: the newest readings with what they mean, series, and whose eyes they are for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import shapely

from api.grid_documents import SeriesDocument, StationsDocument
from api.stations import index_of
from layers import readings
from layers.readings import Reading
from tests.api.grid_service import Service
from tests.grid.city import middle, put

LATEST = "/api/v1/stations/latest"
NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)
AIR = {"pm2_5": 90.0, "pm10": 60.0, "so2": 8.0, "no2": 30.0, "co": 0.7, "o3": 110.0}


@pytest.fixture
async def stations(service: Service) -> Service:
    """An air station in the west, a river station in the east, a rain gauge that never measured."""
    rows = [
        {"code": "A1", "name": "市监测站", "kind": "air", "district_code": "341502"},
        {"code": "W1", "name": "淠河断面", "kind": "surface_water", "district_code": "341503"},
        {"code": "R1", "name": "雨量站", "kind": "rain_gauge", "district_code": "341502"},
    ]
    places = [shapely.Point(*middle(column, 0)) for column in (0, 3, 1)]
    layer = await put(service.database, "station", rows, places)
    for _ in range(500):
        if (await service.context.catalogue.layer("station")).version == layer:
            break
        await service.context.catalogue.refresh()
    given = [Reading("A1", name, NOON, value) for name, value in AIR.items()]
    given += [Reading("A1", "pm2_5", NOON - timedelta(hours=n), 10.0 * n) for n in range(1, 30)]
    given += [Reading("W1", "nh3_n", NOON, 1.8), Reading("W1", "ph", NOON, 7.1)]
    await readings.add(service.database, given)
    return service


async def test_the_newest_readings_come_with_their_index(stations: Service) -> None:
    told = (await stations.get(LATEST)).json()
    StationsDocument.model_validate(told)
    air, rain, river = sorted(told["stations"], key=lambda station: station["code"])
    assert air["name"] == "市监测站"
    assert (air["lon"], air["lat"]) == pytest.approx(middle(0, 0))
    assert {value["indicator"]: value["value"] for value in air["values"]} == AIR
    assert {value["unit"] for value in air["values"]} == {"µg/m³", "mg/m³"}
    assert air["index"] == {
        "kind": "aqi",
        "value": 128,
        "level": {"zh": "轻度污染", "en": "Lightly polluted"},
        "color": "#ff7e00",
        "primary": ["pm2_5"],
    }
    assert river["index"]["value"] == "Ⅴ"
    assert river["index"]["primary"] == ["nh3_n"]
    assert (rain["values"], rain["index"]) == ([], None)


async def test_a_viewer_of_one_district_sees_its_stations(stations: Service) -> None:
    told = (await stations.get(LATEST, "east")).json()
    assert [station["code"] for station in told["stations"]] == ["W1"]
    assert (await stations.get("/api/v1/stations/A1/readings", "east", indicator="pm2_5")).status_code == 404


async def test_without_stations_there_are_none(service: Service) -> None:
    assert (await service.get(LATEST)).json() == {"stations": []}
    assert (await service.get("/api/v1/stations/A1/readings", indicator="pm2_5")).status_code == 404


async def test_a_series_has_its_unit_and_a_day_without_asking(stations: Service) -> None:
    told = (await stations.get("/api/v1/stations/A1/readings", indicator="pm2_5")).json()
    SeriesDocument.model_validate(told)
    assert told["unit"] == "µg/m³"
    assert len(told["points"]) == 24
    assert told["points"][-1] == ["2026-03-10T04:00:00+00:00", 90.0]
    days = (await stations.get("/api/v1/stations/A1/readings", indicator="pm2_5", step="day")).json()
    assert len(days["points"]) == 2
    some = await stations.get(
        "/api/v1/stations/A1/readings",
        indicator="pm2_5",
        start="2026-03-10T02:00:00Z",
        end="2026-03-10T04:00:00Z",
    )
    assert [value for _, value in some.json()["points"]] == [20.0, 10.0]
    none = (await stations.get("/api/v1/stations/A1/readings", indicator="unheard")).json()
    assert (none["points"], none["unit"]) == ([], "")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"indicator": "pm2_5", "start": "yesterday"},
        {"indicator": "pm2_5", "start": "2026-03-10T00:00:00", "end": "2026-03-11T00:00:00Z"},
        {"indicator": "pm2_5", "start": "2026-03-11T00:00:00Z", "end": "2026-03-10T00:00:00Z"},
        {"indicator": "pm2_5", "start": "1026-03-11T00:00:00Z", "end": "2026-03-10T00:00:00Z"},
        {"indicator": "pm2_5", "step": "second"},
    ],
)
async def test_a_series_that_cannot_be_is_refused(stations: Service, query: dict[str, str]) -> None:
    answer = await stations.get("/api/v1/stations/A1/readings", **query)
    assert answer.status_code == 400
    assert answer.json()["field"]


def test_an_old_reading_makes_no_index_with_new_ones() -> None:
    now = [Reading("A1", name, NOON, value) for name, value in AIR.items() if name != "pm2_5"]
    old = Reading("A1", "pm2_5", NOON - timedelta(hours=5), 300.0)
    assert index_of("air", [*now, old]) is None
    assert index_of("noise", now) is None
    assert index_of("air", []) is None
