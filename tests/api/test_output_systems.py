"""Coordinates leave in the systems a city works in: zones, web maps' offsets, its own; honestly headed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx2
import numpy as np
import pytest

from api.app import create_app
from api.settings import ApiSettings
from gis.crs import Frame, from_cgcs2000, read_crs
from gis.local_systems import LocalSystem, Plane
from tests.api.conftest import City, client_of

ITEMS = "/ogc/collections/component/items"
ZONE = "http://www.opengis.net/def/crs/EPSG/0/4548"
OWN = "http://city.test/ogc/crs/"
OPEN = LocalSystem("开放", read_crs(4548), Plane(3_500_000.0, 400_000.0, 0.0, 1.0, "north"), 0.05, False)
SECRET = LocalSystem("保密", read_crs(4548), Plane(3_400_123.4, 412_345.6, 7.0, 1.0, "north"), None)


@pytest.fixture
async def client(city: City) -> AsyncIterator[httpx2.AsyncClient]:
    systems = {system.name: system for system in (OPEN, SECRET)}
    app = create_app(replace(ApiSettings(), local_systems=systems), city.url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


async def first(
    client: httpx2.AsyncClient, crs: str | None, headers: dict[str, str] | None = None
) -> tuple[httpx2.Response, list[float]]:
    asked = {"limit": "1"} if crs is None else {"limit": "1", "crs": crs}
    answer = await client.get(ITEMS, params=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer, answer.json()["features"][0]["geometry"]["coordinates"]


async def test_items_come_in_the_zone_the_layer_lies_in_northing_first(client: httpx2.AsyncClient) -> None:
    _, (lon, lat) = await first(client, None)
    answer, (north, east) = await first(client, ZONE)
    assert answer.headers["content-crs"] == f"<{ZONE}>"
    assert float(answer.headers["x-onemap-crs-error-m"]) == 0.001
    assert (lon, lat) == pytest.approx((116.49, 31.74), abs=0.01)
    assert (north, east) == pytest.approx((3_513_000, 451_700), abs=1_500)


@pytest.mark.parametrize("frame", ["gcj02", "bd09"])
async def test_items_come_as_web_maps_show_them(client: httpx2.AsyncClient, frame: Frame) -> None:
    _, place = await first(client, None)
    answer, shifted = await first(client, OWN + frame)
    assert answer.headers["content-crs"] == f"<{OWN}{frame}>"
    expected = from_cgcs2000(np.array(place[:1]), np.array(place[1:]), frame)
    assert shifted == pytest.approx([float(expected[0][0]), float(expected[1][0])], abs=1e-9)
    told = (await client.get(OWN + frame)).json()
    assert (told["name"], told["error_m"]) == (frame, 0.0002)


async def test_a_collection_lists_what_may_be_asked_for_and_no_more(client: httpx2.AsyncClient) -> None:
    told = (await client.get("/ogc/collections/component")).json()["crs"]
    assert {ZONE, f"{OWN}gcj02", f"{OWN}bd09"} <= set(told)
    for address in told:
        await first(client, address)
    elsewhere = "http://www.opengis.net/def/crs/EPSG/0/4534"  # a zone in the far west
    refused = await client.get(ITEMS, params={"crs": elsewhere})
    assert (refused.status_code, refused.json()["field"]) == (400, "crs")


async def test_a_local_system_is_for_those_who_may_have_it_and_never_shows_its_parameters(
    client: httpx2.AsyncClient, city: City
) -> None:
    may: dict[str | None, set[str]] = {
        None: set(),
        "viewer": {"开放"},
        "inspector": {"开放"},
        "publisher": {"开放", "保密"},
    }
    for person, names in may.items():
        headers = city.headers(person)
        listed = (await client.get("/ogc/collections/component", headers=headers)).json()["crs"]
        for name in ("开放", "保密"):
            address = f"{OWN}local/{quote(name)}"
            assert (address in listed) == (name in names)
            asked = await client.get(ITEMS, params={"crs": address, "limit": 1}, headers=headers)
            told = await client.get(address, headers=headers)
            near = await client.get(
                f"/api/v1/identify?lon=116.49&lat=31.74&radius_m=100&out_crs=local:{name}", headers=headers
            )
            expected = (200, 200, 200) if name in names else (400, 404, 400)
            assert (asked.status_code, told.status_code, near.status_code) == expected
            for answer in (asked, told, near):
                assert not any(number in answer.text for number in ("3400123", "412345", "dx_m", "rotation"))


async def test_coordinates_of_a_local_system_are_those_its_parameters_make(
    client: httpx2.AsyncClient, city: City
) -> None:
    answer, (east, north) = await first(client, f"{OWN}local/{quote('开放')}", city.headers("viewer"))
    assert float(answer.headers["x-onemap-crs-error-m"]) == 0.051
    _, (of_zone_north, of_zone_east) = await first(client, ZONE)
    assert (east, north) == pytest.approx((of_zone_east - 400_000, of_zone_north - 3_500_000), abs=0.001)


async def test_a_box_may_be_said_in_the_same_systems(client: httpx2.AsyncClient) -> None:
    answer, (north, east) = await first(client, ZONE)
    key = answer.json()["features"][0]["id"]
    box = f"{north - 1},{east - 1},{north + 1},{east + 1}"
    found = await client.get(ITEMS, params={"bbox": box, "bbox-crs": ZONE})
    assert [feature["id"] for feature in found.json()["features"]] == [key]
    _, (lon, lat) = await first(client, f"{OWN}gcj02")
    box = f"{lon - 1e-6},{lat - 1e-6},{lon + 1e-6},{lat + 1e-6}"
    found = await client.get(ITEMS, params={"bbox": box, "bbox-crs": f"{OWN}gcj02"})
    assert [feature["id"] for feature in found.json()["features"]] == [key]
    wrong = await client.get(ITEMS, params={"bbox": "9,9,1,1", "bbox-crs": ZONE})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "bbox")


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/identify?lon=116.49&lat=31.74&radius_m=100&layers=component",
        "/api/v1/layers/component/nearest?lon=116.49&lat=31.74&limit=1",
    ],
)
async def test_what_is_here_comes_easting_first_in_a_system_named_in_short(
    client: httpx2.AsyncClient, address: str
) -> None:
    def place(answer: httpx2.Response) -> Any:
        told = answer.json()
        features = told["layers"][0]["features"] if "layers" in told else told["features"]
        return features[0]["geometry"]["coordinates"]

    plain = await client.get(address)
    zone = await client.get(f"{address}&out_crs=EPSG:4548")
    assert zone.headers["content-crs"] == f"<{ZONE}>"
    assert place(zone) == pytest.approx([451_700, 3_513_000], abs=1_500)
    shifted = await client.get(f"{address}&out_crs=gcj02")
    assert 0.004 < place(shifted)[0] - place(plain)[0] < 0.006
    refused = await client.get(f"{address}&out_crs=mars")
    assert (refused.status_code, refused.json()["field"]) == (400, "out_crs")
