"""Tiles of the rows that meet a filter: exactly those, at every zoom, and never kept on disk."""

from __future__ import annotations

import gzip
from pathlib import Path

import mapbox_vector_tile
import pytest

from gis.matrix_set_files import read_matrix_set
from gis.squares import Tile, tile_at
from layers import generalise
from layers.access import ANONYMOUS, SYSTEM, scope_for
from layers.catalogue import Catalogue
from layers.cql2 import read_filter
from layers.db import Database
from layers.errors import BadRequest
from layers.query import FeatureQuery, features
from tests.gis.own_sets import gauss_set, written
from tests.layers.registered_tables import SOUTH, TABLES, WEST, in_system, registered, run_sql
from tests.tiles.test_fresh import TOWN
from tests.tiles.test_keeping import Watched
from tests.tiles.town import MIDDLE, pipe_layer, pipes, put, shop_layer, shops
from tiles import statement
from tiles.cache import EncodedTile
from tiles.server import TileServer, filtered, select_scopes
from tiles.square import mercator_square, square_in
from tiles.store import TileStore


def ids(tile: EncodedTile, layer_id: str = "shop") -> set[int]:
    if tile.is_empty:
        return set()
    decoded = mapbox_vector_tile.decode(gzip.decompress(tile.body_gzip))
    return {f["id"] for f in decoded[layer_id]["features"]}


@pytest.mark.parametrize(
    "text",
    [
        "floors > 20",
        "note LIKE '不进%' AND floors IN (1, 2, 3)",
        "is_open AND T_AFTER(opened, DATE('2020-03-01'))",
        f"S_INTERSECTS(geometry, BBOX({MIDDLE}, 31, 117, 32))",
        "name = 'nobody'",
    ],
)
async def test_a_tile_holds_the_rows_that_meet_the_filter(
    database: Database, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(generalise, "TILE_FEATURES", 100)
    layer = await put(database, shop_layer(), shops(300))
    assert layer.generalised is not None, "far out, the layer has a lighter copy"
    scope, where = scope_for(ANONYMOUS, layer), read_filter(text)
    page = await features(database, scope, FeatureQuery(limit=1000, where=where))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for zoom in (0, 5, 10):
            square = mercator_square(tile_at(116.5, 31.74, zoom))
            tile = await server.drawn(filtered(select_scopes([scope]), where), square)
            assert (ids(tile), tile.left_out, tile.merged) == ({f.fid for f in page.features}, {}, {})


async def test_far_out_what_is_too_much_is_left_out_and_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement, "MAX_FILTERED_FAR", 10)
    layer = await put(database, shop_layer(), shops(60))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        selection = filtered(select_scopes([scope_for(SYSTEM, layer)]), read_filter("rent >= 5"))
        far = await server.drawn(selection, mercator_square(Tile(0, 0, 0)))
        assert (len(ids(far)), far.left_out) == (10, {"shop": 35})


async def test_filters_are_told_apart_and_kept_in_memory_only(database_url: str, tmp_path: Path) -> None:
    async with (
        Watched(database_url) as database,
        Catalogue(database) as catalogue,
        TileStore(tmp_path / "tiles.sqlite") as store,
    ):
        layer = await put(database, shop_layer(), shops(60))
        await catalogue.refresh()
        whole = select_scopes([scope_for(ANONYMOUS, layer)])
        square = mercator_square(Tile(0, 0, 0))
        server = TileServer(database, catalogue, store=store)
        drawn = {}
        for text in ("floors = 1", "floors = 2", "floors = 1"):
            selection = filtered(whole, read_filter(text))
            drawn[text] = await server.drawn(selection, square)
        assert database.drawings == 2
        assert drawn["floors = 1"].etag != drawn["floors = 2"].etag
        assert len(ids(await server.drawn(whole, square))) == 60
        await store.flush()
        restarted = TileServer(database, catalogue, store=store)
        again = await restarted.drawn(filtered(whole, read_filter("floors = 1")), square)
        assert not again.from_disk
        assert (await restarted.drawn(whole, square)).from_disk


async def test_a_filter_is_for_one_layer_and_for_fields_one_may_see(database: Database) -> None:
    shop = scope_for(ANONYMOUS, await put(database, shop_layer(), shops(5)))
    pipe = scope_for(SYSTEM, await put(database, pipe_layer(), pipes(5)))
    with pytest.raises(BadRequest) as refused:
        filtered(select_scopes([shop, pipe]), read_filter("code = 'x'"))
    assert (refused.value.facts["field"], refused.value.facts["expected"]) == ("filter", "one layer")
    for hidden in ("phone", "no_such"):
        with pytest.raises(BadRequest) as refused:
            filtered(select_scopes([shop]), read_filter(f"{hidden} = 'x'"))
        assert refused.value.facts["field"] == hidden


@pytest.mark.parametrize("name", ["shop", "zone39"])
async def test_a_registered_table_is_drawn_filtered(database: Database, database_url: str, name: str) -> None:
    run_sql(database_url, TABLES, in_system("zone39", 4527))
    scope = scope_for(SYSTEM, await registered(database, name))
    box = f"BBOX({WEST + 0.0015}, {SOUTH + 0.0015}, {WEST + 0.0045}, {SOUTH + 0.0035})"
    selection = filtered(select_scopes([scope]), read_filter(f"S_INTERSECTS(geometry, {box})"))
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).drawn(selection, mercator_square(Tile(0, 0, 0)))
    assert ids(tile, name) == {22, 23, 24, 32, 33, 34}


async def test_squares_of_ones_own_hold_what_the_filter_chooses(database: Database, tmp_path: Path) -> None:
    own_set = read_matrix_set(written(tmp_path / "sets", gauss_set()) / "CityGauss.json")
    limits = own_set.limits(own_set.box(TOWN), 2)
    assert limits is not None
    scope, where = scope_for(SYSTEM, await put(database, shop_layer(), shops(60))), read_filter("floors > 20")
    page = await features(database, scope, FeatureQuery(limit=1000, where=where))
    selection, found = filtered(select_scopes([scope]), where), set()
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for column in range(limits[0], limits[1] + 1):
            for row in range(limits[2], limits[3] + 1):
                found |= ids(await server.drawn(selection, square_in(own_set, 2, column, row)))
    assert found == {f.fid for f in page.features}
