"""From the commit of a change to the new tile, served by a process that had no part in it.

Two server processes over one database. A building is renamed by a partial delivery, written by neither; a
client listens to the stream of the second, as a page does, and asks it for the tile when it hears. The moment
of the commit is that of PostgreSQL's notice on a connection of its own, as notices leave with the commit.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from statistics import median
from typing import Any, NamedTuple

import httpx2
import shapely

from benchmarks.service import serving
from gis.squares import tile_at
from layers.access import SYSTEM, scope_for
from layers.catalogue import get_layer
from layers.db import Database
from layers.model import Layer
from layers.notices import LAYER_CHANNEL
from layers.publish import Batch, publish, stage
from layers.query import FeatureQuery, features

LAYER = "building"
CHANGES = 40
ZOOMS = (14, 16)


class Building(NamedTuple):
    """One row: its values, its shape, and a place in it."""

    values: dict[str, Any]
    wkb: bytes
    lon: float
    lat: float


class Fresh(NamedTuple):
    """Milliseconds from the commit, of each change: until the stream told of it, and until the tile came."""

    zoom: int
    heard_ms: list[float]
    tile_ms: list[float]


def run(url: str) -> list[Fresh]:
    """Over the city in the database at `url`; empty where it holds no buildings."""
    return asyncio.run(_run(url))


def told(measured: list[Fresh]) -> list[tuple[str, float, float, int]]:
    """What was measured: in words, median and worst milliseconds, number of changes."""
    return [
        (f"z{one.zoom}: {what}", median(times), max(times), len(times))
        for one in measured
        for what, times in (
            ("commit → told on the stream of the other process", one.heard_ms),
            ("commit → new tile from the other process", one.tile_ms),
        )
    ]


async def _run(url: str) -> list[Fresh]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(url))
        layer = await get_layer(database, LAYER)
        if layer.version == 0:
            return []
        _, port = (stack.enter_context(serving("app", url)).port for _ in range(2))
        building = await _one_building(database, layer)
        return [await _measure(database, f"http://127.0.0.1:{port}", building, zoom) for zoom in ZOOMS]


async def _one_building(database: Database, layer: Layer) -> Building:
    page = await features(database, scope_for(SYSTEM, layer), FeatureQuery(limit=1))
    (found,) = page.features
    assert found.geometry is not None
    shape = shapely.from_geojson(found.geometry)
    assert shape is not None
    inside = shape.representative_point()
    return Building(dict(found.properties), shape.wkb, inside.x, inside.y)


async def _measure(database: Database, url: str, building: Building, zoom: int) -> Fresh:
    z, x, y = tile_at(building.lon, building.lat, zoom)
    measured = Fresh(zoom, [], [])
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=30))
        listening = await stack.enter_async_context(database.listening())
        await listening.execute(f"LISTEN {LAYER_CHANNEL}".encode())
        notices = listening.notifies()
        stream = await stack.enter_async_context(client.stream("GET", "/api/v1/changes"))
        lines = stream.aiter_lines()
        while not (await anext(lines)).startswith("retry"):
            pass
        token = (await client.get(f"/tiles/{LAYER}.json")).json()["tiles"][0].partition("?v=")[2]
        digest = token.partition("-")[2]
        known = (await client.get(f"/tiles/{LAYER}/{z}/{x}/{y}.mvt?v={token}")).headers["etag"]
        for number in range(CHANGES):
            committed = asyncio.create_task(_committed(notices))
            heard = asyncio.create_task(_heard(lines))
            published = asyncio.create_task(_rename(database, building, f"{zoom}-{number}"))
            version, heard_at = await heard
            tile = await client.get(f"/tiles/{LAYER}/{z}/{x}/{y}.mvt?v={version}-{digest}")
            tile_at_s = time.perf_counter()
            assert tile.headers["etag"] != known, "an older tile"
            known = tile.headers["etag"]
            measured.heard_ms.append((heard_at - await committed) * 1000)
            measured.tile_ms.append((tile_at_s - await committed) * 1000)
            await published
    return measured


async def _rename(database: Database, building: Building, name: str) -> None:
    layer = await get_layer(database, LAYER)
    values = {field: [value] for field, value in building.values.items()}
    staged = await stage(database, layer, [Batch([building.wkb], {**values, "name": [name]})])
    await publish(database, staged, by="bench", partial=True)


async def _committed(notices: Any) -> float:
    async for notice in notices:
        if notice.payload.startswith(f"{LAYER}:"):
            return time.perf_counter()
    raise AssertionError("the connection ended")


async def _heard(lines: AsyncIterator[str]) -> tuple[int, float]:
    async for line in lines:
        if line.startswith("data: ") and json.loads(line[6:]).get("layer") == LAYER:
            return int(json.loads(line[6:])["version"]), time.perf_counter()
    raise AssertionError("the stream ended")
