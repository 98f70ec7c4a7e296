"""Tiles are kept, drawn once for many, and never take more memory than they may."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gis.squares import Tile, tile_at
from layers.access import ANONYMOUS, SYSTEM, scope_for
from layers.catalogue import Catalogue
from layers.db import Database
from layers.errors import BadRequest, TimedOut, TooMuch
from tests.tiles.town import put, shop_layer, shops
from tiles.cache import NOTHING_HERE, EncodedTile, TileCache, encode
from tiles.server import MAX_LAYERS, TileServer, select_scopes


class Watched(Database):
    """A database that counts its drawings and can be held up."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.drawings = 0
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def draw(
        self, statement: str, parameters: Mapping[str, object], *, prepare: bool = True
    ) -> Sequence[tuple[Any, ...]]:
        self.drawings += 1
        await self.may_go.wait()
        return await super().draw(statement, parameters, prepare=prepare)


def tile_of(size: int) -> EncodedTile:
    return EncodedTile(b"x" * size, "tag")


async def test_a_drawn_tile_is_kept(database_url: str) -> None:
    async with Watched(database_url) as database, Catalogue(database) as catalogue:
        scope = scope_for(ANONYMOUS, await put(database, shop_layer(), shops(5)))
        server = TileServer(database, catalogue)
        first = await server.tile([scope], Tile(0, 0, 0))
        assert await server.tile([scope], Tile(0, 0, 0)) is first
        assert database.drawings == 1


async def test_a_new_version_other_rows_and_other_fields_are_other_tiles(database_url: str) -> None:
    async with Watched(database_url) as database, Catalogue(database) as catalogue:
        layer = await put(database, shop_layer(), shops(5))
        server = TileServer(database, catalogue)
        first = await server.tile([scope_for(ANONYMOUS, layer)], Tile(0, 0, 0))
        layer = await put(database, shop_layer(), shops(6))
        second = await server.tile([scope_for(ANONYMOUS, layer)], Tile(0, 0, 0))
        assert second.etag != first.etag
        assert (await server.tile([scope_for(SYSTEM, layer)], Tile(0, 0, 0))).etag != second.etag
        shorter = replace(layer, fields=tuple(f for f in layer.fields if f.name != "rent"))
        assert (await server.tile([scope_for(ANONYMOUS, shorter)], Tile(0, 0, 0))).etag != second.etag
        assert database.drawings == 4


async def test_the_same_content_has_the_same_tag_in_every_process(database_url: str) -> None:
    async with Database(database_url) as database, Catalogue(database) as catalogue:
        scope = scope_for(ANONYMOUS, await put(database, shop_layer(), shops(50)))
        one, other = [await TileServer(database, catalogue).tile([scope], Tile(0, 0, 0)) for _ in range(2)]
        assert one == other
        assert one is not other


async def test_many_who_ask_at_once_are_served_by_one_drawing(database_url: str) -> None:
    async with Watched(database_url) as database, Catalogue(database) as catalogue:
        scope = scope_for(ANONYMOUS, await put(database, shop_layer(), shops(5)))
        server = TileServer(database, catalogue)
        tiles = await asyncio.gather(*(server.tile([scope], Tile(0, 0, 0)) for _ in range(20)))
        assert database.drawings == 1
        assert all(tile is tiles[0] for tile in tiles)


async def test_the_first_to_ask_may_leave_without_harm_to_the_others(database_url: str) -> None:
    async with Watched(database_url) as database, Catalogue(database) as catalogue:
        scope = scope_for(ANONYMOUS, await put(database, shop_layer(), shops(5)))
        server = TileServer(database, catalogue)
        database.may_go.clear()
        first, second = (asyncio.create_task(server.tile([scope], Tile(0, 0, 0))) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        database.may_go.set()
        assert not (await second).is_empty
        assert first.cancelled()
        assert database.drawings == 1


async def test_a_drawing_nobody_waits_for_is_cancelled(database_url: str) -> None:
    async with Watched(database_url) as database, Catalogue(database) as catalogue:
        scope = scope_for(ANONYMOUS, await put(database, shop_layer(), shops(5)))
        server = TileServer(database, catalogue)
        database.may_go.clear()
        only = asyncio.create_task(server.tile([scope], Tile(0, 0, 0)))
        await asyncio.sleep(0)
        only.cancel()
        with pytest.raises(asyncio.CancelledError):
            await only
        database.may_go.set()
        await asyncio.sleep(0)
        assert len(server.cache) == 0
        assert not (await server.tile([scope], Tile(0, 0, 0))).is_empty


async def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    cache, calls = TileCache(), 0

    async def fail() -> EncodedTile:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        raise TimedOut("慢", "slow")

    results = await asyncio.gather(*(cache.get_or_draw("k", fail) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, TimedOut) for result in results)
    assert calls == 1
    with pytest.raises(TimedOut):
        await cache.get_or_draw("k", fail)
    assert calls == 2


def test_the_cache_stays_within_its_bytes_and_drops_the_least_used() -> None:
    cache = TileCache(capacity_bytes=10 * tile_of(1000).size)
    for n in range(10):
        cache.put(n, tile_of(1000))
    assert cache.get(0) is not None
    cache.put("new", tile_of(1000))
    assert cache.get(0) is not None, "it was used lately"
    assert cache.get(1) is None
    assert cache.size_bytes <= cache.capacity_bytes
    cache.put("new", tile_of(2000))
    cache.put("huge", tile_of(10**6))
    assert cache.get("huge") is None
    assert cache.size_bytes == sum(t.size for k in range(10) if (t := cache.get(k))) + tile_of(2000).size


def test_empty_tiles_take_little() -> None:
    cache = TileCache(capacity_bytes=2**20)
    for n in range(1000):
        cache.put(n, NOTHING_HERE)
    assert len(cache) == 1000


def test_compressed_and_plain_are_the_same_tile() -> None:
    tile = encode(b"\x1a\x02hi" * 100, {"shop": 2}, {})
    assert tile.identity() == gzip.decompress(tile.body_gzip) == b"\x1a\x02hi" * 100
    assert tile == encode(b"\x1a\x02hi" * 100, {"shop": 2}, {})
    assert encode(b"", {}, {}) is NOTHING_HERE
    assert encode(b"", {"shop": 1}, {}).is_empty


async def test_a_square_without_anything_is_empty(database: Database) -> None:
    scope = scope_for(ANONYMOUS, await put(database, shop_layer(), shops(5)))
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile([scope], tile_at(0.0, 0.0, 9))
    assert tile.is_empty
    assert tile == NOTHING_HERE


def test_a_selection_has_a_limit_and_names_each_layer_once() -> None:
    scopes = [
        scope_for(SYSTEM, replace(shop_layer(id=f"shop{n}"), status="published", version=1))
        for n in range(MAX_LAYERS + 1)
    ]
    with pytest.raises(TooMuch):
        select_scopes(scopes)
    with pytest.raises(BadRequest):
        select_scopes([scopes[0], scopes[0]])
    with pytest.raises(BadRequest):
        select_scopes([])
