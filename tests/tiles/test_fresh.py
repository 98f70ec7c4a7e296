"""A published version is seen at once where it changed something; everything else stays as it was drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import mapbox_vector_tile
import numpy as np
import pytest

from gis.matrix_sets import CGCS2000_QUAD, WEB_MERCATOR_QUAD, MatrixSet
from gis.squares import squares_of_boxes, tile_at, tiles_over
from layers import generalise, touched
from layers.access import ANONYMOUS, SYSTEM, Viewer, scope_for
from layers.catalogue import Catalogue, register
from layers.cql2 import read_filter
from layers.db import Database
from layers.model import Layer
from layers.publish import Batch, roll_back
from layers.touched import Touched, touched_squares
from tests.tiles.test_keeping import Watched
from tests.tiles.town import (
    DISTRICTS,
    EAST,
    NORTH,
    SOUTH,
    WEST,
    pipe_layer,
    pipes,
    plot_layer,
    plots,
    put,
    shop_layer,
    shops,
)
from tiles.cache import EncodedTile
from tiles.server import TileServer, filtered, select_scopes
from tiles.square import EXTENT, MARGIN, Square, square_in

TOWN = (WEST - 0.002, SOUTH - 0.002, EAST + 0.002, NORTH + 0.002)
EASTERN = Viewer("e", roles=frozenset({"viewer"}), districts=DISTRICTS[1:], is_logged_in=True)


def squares_of_the_town(matrix_set: MatrixSet, zooms: range) -> Iterator[Square]:
    for z in zooms:
        if matrix_set is WEB_MERCATOR_QUAD:
            for tile in tiles_over(TOWN, z):
                yield square_in(matrix_set, *tile)
        else:
            side = 360.0 / (1 << z)
            for x in range(int((TOWN[0] + 180) / side), int((TOWN[2] + 180) / side) + 1):
                for y in range(int((90 - TOWN[3]) / side), int((90 - TOWN[1]) / side) + 1):
                    yield square_in(matrix_set, z, x, y)


def some(batch: Batch, chosen: list[int]) -> Batch:
    return Batch(
        [batch.wkb[n] for n in chosen], {k: [v[n] for n in chosen] for k, v in batch.columns.items()}
    )


def told(tile: EncodedTile) -> object:
    """What a tile says, in whatever order."""
    layers = mapbox_vector_tile.decode(tile.identity()) if tile.body_gzip else {}
    return (
        {
            name: sorted(
                (repr(sorted(f["properties"].items())), f["id"], repr(f["geometry"])) for f in la["features"]
            )
            for name, la in layers.items()
        },
        tile.left_out,
        tile.merged,
    )


async def test_only_squares_near_a_change_are_drawn_again(database_url: str) -> None:
    async with Watched(database_url) as database, Catalogue(database) as catalogue:
        layer = await put(database, shop_layer(), shops(300))
        await catalogue.refresh()
        server = TileServer(database, catalogue)
        squares = [square_in(WEB_MERCATOR_QUAD, *tile) for tile in tiles_over(TOWN, 16)]
        for square in squares:
            await server.drawn(select_scopes([scope_for(ANONYMOUS, layer)]), square)
        before = database.drawings
        moved = shops(300, seed=9)
        layer = await put(database, shop_layer(), some(moved, [4]), partial=True)
        await catalogue.refresh()
        selection = select_scopes([scope_for(ANONYMOUS, layer)])
        lost = [square for square in squares if server.kept(selection, square) is None]
        assert 1 <= len(lost) <= 8, "the square it left, the one it came to, and those that reach so far"
        assert len(squares) > 40
        for square in lost:
            await server.drawn(selection, square)
        assert database.drawings == before + len(lost)


@pytest.mark.parametrize("matrix_set", [WEB_MERCATOR_QUAD, CGCS2000_QUAD], ids=lambda m: m.id)
async def test_what_is_kept_is_what_would_be_drawn(
    database_url: str, matrix_set: MatrixSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generalise, "TILE_FEATURES", 60)
    monkeypatch.setattr(generalise, "TILE_VERTICES", 900)
    monkeypatch.setattr(generalise, "TILE_LINES", 25)
    monkeypatch.setattr(generalise, "CELLS", 16)
    monkeypatch.setattr(generalise, "POINT_CELLS", 16)
    chance = random.Random(7)
    layers: dict[str, Layer] = {}
    makers = {"shop": (shop_layer(), shops), "pipe": (pipe_layer(), pipes), "plot": (plot_layer(), plots)}
    async with Database(database_url) as database, Catalogue(database) as catalogue:
        for name, (described, make) in makers.items():
            layers[name] = await put(database, described, make(260))
        await catalogue.refresh()
        assert all(layer.generalised for layer in layers.values()), "far zooms are drawn from copies here"
        server = TileServer(database, catalogue)
        squares = list(squares_of_the_town(matrix_set, range(9, 16)))
        kept_on = 0
        for turn in range(8):
            name = ("shop", "pipe", "plot", "shop", "shop", "shop", "shop", "plot")[turn]
            described, make = makers[name]
            for viewer in (SYSTEM, EASTERN):
                selection = select_scopes(
                    [scope_for(viewer, la) for la in layers.values() if viewer is SYSTEM or la.id != "plot"]
                )
                for square in squares:
                    if server.kept(selection, square) is None:
                        await server.drawn(selection, square)
            if turn == 3:
                await roll_back(database, "shop", 1, by="test")
            elif turn > 3:
                same, field = make(260), ("note", "name", "district_code", "说明")[turn - 4]
                same.columns[field] = [DISTRICTS[1] if field == "district_code" else "另一个"] * 260
                await put(database, described, some(same, chance.sample(range(260), 5)), partial=True)
            else:
                changed = some(make(260, seed=50 + turn), chance.sample(range(260), 2))
                await put(database, described, changed, partial=True)
            await catalogue.refresh()
            layers = {i: await catalogue.layer(i) for i in layers}
            fresh = TileServer(database, catalogue)
            for viewer in (SYSTEM, EASTERN):
                selection = select_scopes(
                    [scope_for(viewer, la) for la in layers.values() if viewer is SYSTEM or la.id != "plot"]
                )
                for square in squares:
                    tile = server.kept(selection, square)
                    if tile is not None:
                        kept_on += 1
                        assert told(tile) == told(await fresh.drawn(selection, square)), square
        assert kept_on > len(squares), "most tiles outlive a small change"


async def test_a_change_of_what_no_tile_shows_leaves_all_tiles_as_they_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generalise, "TILE_FEATURES", 60)
    monkeypatch.setattr(generalise, "POINT_CELLS", 16)
    first = await put(database, shop_layer(), shops(260))
    assert first.generalised is not None
    far = range(first.generalised[0], first.generalised[1] + 1)
    for version, field in ((2, "note"), (3, "name")):
        batch = shops(260)
        batch.columns["note"] = ["另一个"] * 260
        batch.columns["name"] = ["另一家" if field == "name" else name for name in batch.columns["name"]]
        assert (await put(database, shop_layer(), batch)).version == version
    async with Catalogue(database) as catalogue:
        unseen, named = catalogue.changes.between("shop", 1, 3) or ()
    assert all(squares is not None and len(squares) == 0 for squares in unseen.squares)
    counts = [-1 if squares is None else len(squares) for squares in named.squares]
    assert all((counts[z] == 0) == (z in far) for z in range(19)), "far out a name is not told"


async def test_what_is_filtered_turns_on_fields_that_no_tile_shows(database: Database) -> None:
    await put(database, shop_layer(), shops(50))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        square = square_in(WEB_MERCATOR_QUAD, 0, 0, 0)
        where = read_filter("note = '另一个'")
        for expected in (0, 50):
            scope = scope_for(ANONYMOUS, await catalogue.layer("shop"))
            tile = await server.drawn(filtered(select_scopes([scope]), where), square)
            drawn = mapbox_vector_tile.decode(tile.identity()) if tile.body_gzip else {}
            assert len(drawn.get("shop", {}).get("features", [])) == expected
            batch = shops(50)
            batch.columns["note"] = ["另一个"] * 50
            await put(database, shop_layer(), batch)
            await catalogue.refresh()


async def test_versions_before_a_field_came_into_tiles_count_as_changed_everywhere(
    database: Database,
) -> None:
    await put(database, shop_layer(), shops(50))
    batch = shops(50)
    batch.columns["note"] = ["另一个"] * 50
    async with Catalogue(database) as first:
        await put(database, shop_layer(), batch)
        await first.refresh()
        assert first.changes.between("shop", 1, 2) is not None
        fields = tuple(replace(f, in_tiles=f.in_tiles or f.name == "note") for f in shop_layer().fields)
        await register(database, shop_layer(fields=fields))
        await first.refresh()
        async with Catalogue(database) as second:
            for catalogue in (first, second):
                assert catalogue.changes.between("shop", 1, 2) is None


async def test_a_process_that_starts_later_knows_what_changed(database: Database) -> None:
    await put(database, shop_layer(), shops(50))
    async with Catalogue(database) as first:
        layer = await put(database, shop_layer(), some(shops(50, seed=8), [1]), partial=True)
        await first.refresh()
        async with Catalogue(database) as second:
            for catalogue in (first, second):
                (change,) = catalogue.changes.between("shop", 1, 2) or ()
                assert change.squares[16] is not None
        assert first.changes.between("shop", 2, 3) is None, "nobody knows what is to come"
    assert layer.version == 2


async def test_many_changes_are_everywhere(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(touched, "MOST_ROWS", 10)
    await put(database, shop_layer(), shops(50))
    await put(database, shop_layer(), shops(50, seed=8))
    async with Catalogue(database) as catalogue:
        assert catalogue.changes.between("shop", 1, 2) is None


def test_the_squares_of_a_version_outlive_the_database() -> None:
    change = touched_squares(np.array([[116.5, 31.7, 116.51, 31.71]]), {9: None})
    assert change is not None
    again = Touched.from_bytes(change.to_bytes())
    for one, other in zip(change.squares, again.squares, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.tolist() == other.tolist()
    assert again.squares[9] is None
    tile = tile_at(116.505, 31.705, 16)
    assert again.meets(16, tile.x, tile.y, tile.x, tile.y)
    assert again.meets(20, tile.x << 4, tile.y << 4, tile.x << 4, tile.y << 4)
    assert not again.meets(16, tile.x + 40, tile.y, tile.x + 40, tile.y)
    assert again.meets(9, 0, 0, 0, 0), "all of that zoom changed"


def test_a_square_is_touched_by_what_lies_in_its_margin() -> None:
    assert MARGIN / EXTENT <= touched.REACH
    tile = tile_at(116.5, 31.7, 14)
    west = tile.x / 2**14 * 360 - 180
    spot = np.array([[west - 1e-6, 31.7, west - 1e-6, 31.7]])
    found = squares_of_boxes(spot, 14, reach=MARGIN / EXTENT, at_most=10)
    assert found is not None
    assert found.tolist() == [tile.y << 14 | tile.x - 1, tile.y << 14 | tile.x]
    nowhere = squares_of_boxes(np.full((1, 4), np.nan), 14, reach=0.0, at_most=10)
    assert nowhere is not None
    assert len(nowhere) == 0
    assert squares_of_boxes(np.array([[116.0, 31.0, 117.0, 32.0]]), 14, reach=0.0, at_most=10) is None
