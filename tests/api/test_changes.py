"""Who looks at the map sees what changes, and only the tiles that changed are drawn again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import httpx2
import mapbox_vector_tile
import pytest

from gis.squares import Tile, tile_at
from layers import publish as publishing
from layers import readings, record
from layers.catalogue import get_layer
from layers.db import Database
from layers.publish import Batch, publish, stage
from layers.readings import Reading
from tests.api.city import EAST, LAT, WEST, box
from tests.api.conftest import City, served

LAYERS = ("building", "district")


@pytest.fixture
def moved(own_city: City) -> Batch:
    """The eastern building, a little further south."""
    area = box(EAST - 0.0005, EAST + 0.0005, LAT - 0.0006, LAT + 0.0004)
    values = {"code": "B2", "name": "乙楼（改）", "floors_total": 19, "district_code": "341503"}
    return Batch([area.wkb], {name: [value] for name, value in values.items()})


@asynccontextmanager
async def watching(url: str, headers: dict[str, str]) -> AsyncIterator[asyncio.Queue[tuple[str, object]]]:
    """The messages of the stream at `url`, as (event, data), from when it stands."""
    messages: asyncio.Queue[tuple[str, object]] = asyncio.Queue()
    stands = asyncio.Event()

    async def read() -> None:
        async with (
            httpx2.AsyncClient(timeout=20) as client,
            client.stream("GET", f"{url}/api/v1/changes", headers=headers) as answer,
        ):
            assert answer.status_code == 200
            event = ""
            async for line in answer.aiter_lines():
                if line.startswith("retry:"):
                    stands.set()
                elif line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: "):
                    messages.put_nowait((event, json.loads(line[6:])))

    task = asyncio.create_task(read())
    try:
        async with asyncio.timeout(20):
            await stands.wait()
        yield messages
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def next_of(messages: asyncio.Queue[tuple[str, object]]) -> tuple[str, object]:
    async with asyncio.timeout(10):
        return await messages.get()


async def tile(client: httpx2.AsyncClient, url: str, token: str, place: Tile) -> httpx2.Response:
    z, x, y = place
    return await client.get(f"{url}/tiles/{','.join(LAYERS)}/{z}/{x}/{y}.mvt?v={token}")


async def token_of(client: httpx2.AsyncClient, url: str) -> str:
    told = (await client.get(f"{url}/tiles/{','.join(LAYERS)}.json")).json()
    return str(told["tiles"][0].partition("?v=")[2])


async def test_a_version_reaches_two_servers_and_draws_only_its_own_squares_again(
    own_city: City, moved: Batch
) -> None:
    here, there = tile_at(EAST, LAT, 16), tile_at(WEST, LAT, 16)
    async with AsyncExitStack() as stack:
        urls = [stack.enter_context(served(own_city.url)) for _ in range(2)]
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=20))
        database = await stack.enter_async_context(Database(own_city.url))
        old = [await token_of(client, url) for url in urls]
        assert old[0] == old[1]
        for url in urls:
            for place in (here, there):
                assert (await tile(client, url, old[0], place)).headers["x-onemap-cache"] == "miss"
        listeners = [await stack.enter_async_context(watching(url, {})) for url in urls]
        layer = await get_layer(database, "building")
        await publish(database, await stage(database, layer, [moved]), by="test", partial=True)
        for url, messages in zip(urls, listeners, strict=True):
            told = await next_of(messages)
            assert told == ("layer", {"layer": "building", "version": 2, "status": "published"})
            new = await token_of(client, url)
            assert new != old[0]
            far, near = await tile(client, url, new, there), await tile(client, url, new, here)
            assert far.headers["x-onemap-cache"] == "hit", "nothing changed there"
            assert near.headers["x-onemap-cache"] == "miss"
            drawn = mapbox_vector_tile.decode(near.content)["building"]["features"]
            assert [f["properties"]["name"] for f in drawn] == ["乙楼（改）"]
            changed = (await client.get(f"{url}/api/v1/layers/building/squares?since=1&min_zoom=16")).json()
            assert [16, here.x, here.y] in changed["squares"]
            assert [16, there.x, there.y] not in changed["squares"]
            assert changed["everywhere"] == []


async def test_a_version_heard_of_elsewhere_is_never_answered_with_an_older_tile(
    own_city: City, moved: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser hears of it from one server and asks another, whose own notice is late."""
    here = tile_at(EAST, LAT, 16)
    async with AsyncExitStack() as stack:
        one, late = (stack.enter_context(served(own_city.url)) for _ in range(2))
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=20))
        database = await stack.enter_async_context(Database(own_city.url))
        before = await token_of(client, late)
        await tile(client, late, before, here)

        async def nobody_hears(*_: object) -> None: ...

        # The publication tells nobody: what a server knows it has from being asked.
        monkeypatch.setattr(record, "notify", nobody_hears)
        layer = await get_layer(database, "building")
        await publish(database, await stage(database, layer, [moved]), by="test", partial=True)
        versions, _, digest = before.partition("-")
        numbers = versions.split(".")
        numbers[0] = "2"
        answer = await tile(client, late, f"{'.'.join(numbers)}-{digest}", here)
        assert answer.headers["x-onemap-cache"] == "miss"
        drawn = mapbox_vector_tile.decode(answer.content)["building"]["features"]
        assert [f["properties"]["name"] for f in drawn] == ["乙楼（改）"]
        assert (await tile(client, one, before, here)).status_code == 200


async def test_withdrawals_readings_and_hidden_layers_are_told_to_whom_they_concern(own_city: City) -> None:
    async with AsyncExitStack() as stack:
        url = stack.enter_context(served(own_city.url))
        database = await stack.enter_async_context(Database(own_city.url))
        anybody = await stack.enter_async_context(watching(url, {}))
        publisher = await stack.enter_async_context(watching(url, own_city.headers("publisher")))
        await publishing.withdraw(database, "pipe_line", by="test")
        await publishing.withdraw(database, "building", by="test")
        assert await next_of(publisher) == (
            "layer",
            {"layer": "pipe_line", "version": 1, "status": "withdrawn"},
        )
        assert (await next_of(publisher))[1] == {"layer": "building", "version": 1, "status": "withdrawn"}
        assert (await next_of(anybody))[1] == {"layer": "building", "version": 1, "status": "gone"}, (
            "of the pipes, which need a login, nothing is told"
        )
        await readings.add(database, [Reading("A1", "pm2_5", datetime(2026, 3, 1, tzinfo=UTC), 40.0)])
        assert await next_of(anybody) == ("readings", {})


async def test_who_is_limited_is_not_told_where_others_rows_changed(
    own_city: City, own_city_client: httpx2.AsyncClient, moved: Batch
) -> None:
    async with Database(own_city.url) as database:
        layer = await get_layer(database, "building")
        await publish(database, await stage(database, layer, [moved]), by="test", partial=True)
    address = "/api/v1/layers/building/squares?since=1&max_zoom=2"
    by = own_city.headers("publisher")
    wrong = await own_city_client.get("/api/v1/layers/building/squares?since=9", headers=by)
    assert wrong.status_code == 400
    everyone = (await own_city_client.get(address, headers=by)).json()
    assert everyone == {
        "layer": "building",
        "since": 1,
        "version": 2,
        "everywhere": [],
        "squares": [[0, 0, 0], [1, 1, 0], [2, 3, 1]],
    }
    limited = (await own_city_client.get(address, headers=own_city.headers("jinan"))).json()
    assert limited["squares"] == []
    assert limited["everywhere"] == [0, 1, 2]
