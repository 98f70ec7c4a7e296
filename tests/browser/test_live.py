"""The open page follows what is published, and asks again for nothing else."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import mapbox_vector_tile
import pytest
import shapely
from playwright.sync_api import Response

from layers.catalogue import get_layer
from layers.db import Database
from layers.publish import Batch, publish, stage
from tests.browser.conftest import STILL_WITHIN_MS, Town, Visit

pytestmark = pytest.mark.browser

NEW_NAME = "改名后的楼"


async def rename(town: Town, name: str) -> int:
    """Publishes the town's building under another name; the layer's new version."""
    async with Database(town.database_url) as database:
        layer = await get_layer(database, "building")
        items = f"{town.url}/ogc/collections/building/items/{town.building}"
        found = httpx2.get(items, timeout=30).json()
        values = {k: [v] for k, v in found["properties"].items() if layer.field(k) is not None}
        batch = Batch([shapely.from_geojson(str(found["geometry"]).replace("'", '"')).wkb], values)
        batch.columns["name"] = [name]
        (version,) = await publish(
            database, await stage(database, layer, [batch]), by="test", note="renamed", partial=True
        )
        return version.number


def test_a_published_change_is_fetched_where_it_is_and_nowhere_else(
    visit: Callable[..., Visit], town: Town
) -> None:
    visitor = visit()
    page = visitor.open_at_building(16.3)
    tiles: list[Response] = []
    page.on("response", lambda got: ".mvt" in got.url and "building" in got.url and tiles.append(got))
    visitor.wait_until_still()
    with (
        page.expect_response(lambda got: ".mvt" in got.url, timeout=STILL_WITHIN_MS),
        ThreadPoolExecutor(1) as aside,  # an event loop runs in this thread already
    ):
        version = aside.submit(asyncio.run, rename(town, NEW_NAME)).result()
    visitor.wait_until_still()
    told = httpx2.get(f"{town.url}/api/v1/layers/building/squares?since={version - 1}").json()
    changed = {tuple(square) for square in told["squares"]}
    asked = [_square(got.url) for got in tiles]
    assert asked, "the tile with the building"
    assert set(asked) <= changed
    names = {feature["properties"].get("name") for got in tiles for feature in _buildings(got)}
    assert NEW_NAME in names


def _square(url: str) -> tuple[int, ...]:
    found = re.search(r"/(\d+)/(\d+)/(\d+)\.mvt", url)
    assert found is not None, url
    return tuple(map(int, found.groups()))


def _buildings(got: Response) -> list[dict[str, dict[str, object]]]:
    body = got.body()
    content = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    return list(mapbox_vector_tile.decode(content).get("building", {}).get("features", []))
