"""A page open on one server process sees what happens in another: a partial delivery, a reading, an event.

Nothing here is timed (`onemap bench --only fresh` is); each wait is only as long as a slow machine needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx2
import mapbox_vector_tile
import pytest
from playwright.sync_api import Response, expect

from gis.squares import tile_at
from tests.api.conftest import served
from tests.browser.conftest import PASSWORD, STILL_WITHIN_MS, Town, Visit
from tests.browser.test_live import rename

pytestmark = pytest.mark.browser

NAME = "另一进程改名的楼"
SEEN = "另一进程收到的上报"


@pytest.fixture(scope="module")
def other(town: Town) -> Iterator[str]:
    """Address of a second server process over the town's database."""
    with served(town.database_url) as url:
        yield url


def client_of(url: str, name: str) -> httpx2.Client:
    """Somebody logged in at the server `url`."""
    answer = httpx2.post(f"{url}/api/v1/login", json={"name": name, "password": PASSWORD}).raise_for_status()
    return httpx2.Client(
        base_url=url, timeout=30, headers={"Authorization": f"Bearer {answer.json()['token']}"}
    )


def names_in(content: bytes) -> set[object]:
    features = mapbox_vector_tile.decode(content).get("building", {}).get("features", [])
    return {feature["properties"].get("name") for feature in features}


def test_a_partial_delivery_is_in_the_tiles_of_every_process_and_page(
    visit: Callable[..., Visit], town: Town, other: str
) -> None:
    z, x, y = tile_at(town.lon, town.lat, 16)
    address = f"/tiles/building/{z}/{x}/{y}.mvt"
    for url in (town.url, other):
        assert NAME not in names_in(httpx2.get(url + address).content)
    visitor = visit()
    page = visitor.open_at_building(16.3)
    with (
        page.expect_response(
            lambda got: ".mvt" in got.url and NAME in names_in(got.body()), timeout=STILL_WITHIN_MS
        ),
        ThreadPoolExecutor(1) as aside,  # an event loop runs in this thread already
    ):
        version = aside.submit(asyncio.run, rename(town, NAME)).result()
    for url in (town.url, other):
        # Whoever heard of the version names it, and is never answered with an older tile.
        told = httpx2.get(f"{url}/tiles/building.json").json()["tiles"][0]
        assert f"?v={version}-" in told
        assert NAME in names_in(httpx2.get(f"{url}{address}?{told.partition('?')[2]}").content)


def test_a_reading_and_an_event_of_another_process_reach_the_open_page(
    visit: Callable[..., Visit], town: Town, other: str
) -> None:
    desk = visit()
    desk.log_in("desk")
    page = desk.open()
    page.get_by_role("button", name="事件").click()
    expect(page.get_by_text("实时事件已连接").first).to_be_attached()
    station = next(
        s for s in httpx2.get(f"{other}/api/v1/stations/latest").json()["stations"] if s["kind"] == "air"
    )

    def has_reading(got: Response) -> bool:
        if not got.url.endswith("/stations/latest"):
            return False
        values = next(s["values"] for s in got.json()["stations"] if s["code"] == station["code"])
        return any((v["indicator"], v["value"]) == ("pm2_5", 123.0) for v in values)

    with client_of(other, "office") as office, page.expect_response(has_reading, timeout=STILL_WITHIN_MS):
        reading = {"station": station["code"], "indicator": "pm2_5", "value": 123.0}
        sent = office.post(
            "/api/v1/readings", json={"readings": [{**reading, "observed_at": datetime.now(UTC).isoformat()}]}
        )
        assert sent.is_success, sent.text
    with client_of(other, "walker") as walker:
        classes = walker.get("/api/v1/event-classes").json()
        event = {"lon": town.lon, "lat": town.lat, "crs": "cgcs2000", "description": SEEN, "address": ""}
        code = next(c["code"] for c in classes if c["kind"] == "event" and len(c["code"]) > 2)
        made = walker.post(
            "/api/v1/events", json={**event, "class_code": code}, headers={"Idempotency-Key": "two-workers-1"}
        )
        assert made.status_code == 201, made.text
    expect(page.locator(".events-pane li").filter(has_text=SEEN)).to_be_visible(timeout=STILL_WITHIN_MS)
