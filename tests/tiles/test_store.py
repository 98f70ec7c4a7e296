"""Tiles on disk: after a restart and in another process they need not be drawn again, and are never wrong."""

from __future__ import annotations

import os
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gis.squares import Tile
from layers.access import ANONYMOUS, scope_for
from layers.catalogue import Catalogue, published_versions
from layers.db import Database
from tests.tiles.test_keeping import Watched
from tests.tiles.town import put, shop_layer, shops
from tiles.cache import NOTHING_HERE, EncodedTile, encode
from tiles.server import TileServer
from tiles.store import Stamp, TileStore

PLACE = ("WebMercatorQuad", 3, 6, 3)
ONE, OTHER = (Stamp.of("shop", n, datetime(2026, 1, n, tzinfo=UTC)) for n in (1, 2))


async def test_another_process_and_one_that_starts_later_need_not_draw(
    database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "deep" / "tiles.sqlite"
    async with Watched(database_url) as database, Catalogue(database) as catalogue:
        layer = await put(database, shop_layer(), shops(40))
        await catalogue.refresh()
        scope = scope_for(ANONYMOUS, layer)
        async with TileStore(file) as store, TileStore(file) as beside:
            drawn = await TileServer(database, catalogue, store=store).tile([scope], Tile(0, 0, 0))
            await store.flush()
            found = await TileServer(database, catalogue, store=beside).tile([scope], Tile(0, 0, 0))
        async with TileStore(file) as later:
            await later.settle({Stamp.of(*one) for one in await published_versions(database)})
            again = await TileServer(database, catalogue, store=later).tile([scope], Tile(0, 0, 0))
        assert database.drawings == 1
    assert drawn == found == again
    assert (drawn.from_disk, found.from_disk, again.from_disk) == (False, True, True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it holds rows that not everybody may see"


async def test_a_tile_on_disk_that_a_version_changed_is_drawn_again(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        Watched(database_url) as database,
        Catalogue(database) as catalogue,
        TileStore(tmp_path / "tiles.sqlite") as store,
    ):
        layer = await put(database, shop_layer(), shops(40))
        await TileServer(database, catalogue, store=store).tile([scope_for(ANONYMOUS, layer)], Tile(0, 0, 0))
        layer = await put(database, shop_layer(), shops(41))
        await catalogue.refresh()
        fresh = await TileServer(database, catalogue, store=store).tile(
            [scope_for(ANONYMOUS, layer)], Tile(0, 0, 0)
        )
        far = await TileServer(database, catalogue, store=store).tile(
            [scope_for(ANONYMOUS, layer)], Tile(1, 0, 0)
        )
        assert database.drawings == 3
        assert not fresh.from_disk
        assert far == NOTHING_HERE
        await store.flush()
        layer = await put(database, shop_layer(), shops(42))
        await catalogue.refresh()
        still = await TileServer(database, catalogue, store=store).tile(
            [scope_for(ANONYMOUS, layer)], Tile(1, 0, 0)
        )
        assert still.from_disk, "nothing changed in that half of the world"
        assert database.drawings == 3


async def test_what_was_kept_comes_back_whole(tmp_path: Path) -> None:
    tile = encode(b"\x1a\x02hi" * 100, {"shop": 2}, {"shop": 7})
    async with TileStore(tmp_path / "tiles.sqlite") as store:
        store.keep("a", PLACE, tile, {ONE})
        assert await store.find("a", PLACE) == tile, "before it is written, too"
        await store.flush()
        found = await store.find("a", PLACE)
        assert found == tile
        assert await store.find("b", PLACE) is None
        assert await store.find("a", ("WebMercatorQuad", 3, 6, 4)) is None


async def test_tiles_of_another_database_are_never_taken_for_this_ones(tmp_path: Path) -> None:
    file = tmp_path / "tiles.sqlite"
    async with TileStore(file) as store:
        store.keep("a", PLACE, encode(b"x", {}, {}), {ONE})
    async with TileStore(file) as store:
        await store.settle({ONE, OTHER})
        assert await store.find("a", PLACE) is not None, "the same database, a version later"
        await store.settle({OTHER})
        assert await store.find("a", PLACE) is None, "restored from a copy in which that version is not"


async def test_the_file_stays_within_its_bytes_and_the_least_used_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter(range(10**9, 2 * 10**9, 10_000))
    monkeypatch.setattr("tiles.store.time", lambda: next(moments))
    file = tmp_path / "tiles.sqlite"
    async with TileStore(file, capacity_bytes=2 * 2**20) as store:
        for n in range(60):
            store.keep("a", ("m", 20, n, 0), EncodedTile(os.urandom(60_000), str(n)), set())
            await store.flush()
            assert await store.find("a", ("m", 20, 0, 0)) is not None, "it is used all the time"
        assert await store.find("a", ("m", 20, 1, 0)) is None
        assert await store.find("a", ("m", 20, 59, 0)) is not None
    assert file.stat().st_size < 3 * 2**20


async def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "tiles.sqlite"
    file.write_bytes(b"not a database at all, and long enough to be looked at" * 100)
    async with TileStore(file) as store:
        store.keep("a", PLACE, encode(b"x", {}, {}), set())
        await store.flush()
        assert await store.find("a", PLACE) is not None


async def test_a_disk_that_fails_costs_tiles_and_no_answer(database: Database, tmp_path: Path) -> None:
    layer = await put(database, shop_layer(), shops(5))
    async with Catalogue(database) as catalogue, TileStore(tmp_path / "tiles.sqlite") as store:
        with sqlite3.connect(store.file) as other:
            other.execute("DROP TABLE tile")
        tile = await TileServer(database, catalogue, store=store).tile(
            [scope_for(ANONYMOUS, layer)], Tile(0, 0, 0)
        )
        assert not tile.is_empty
        await store.flush()
