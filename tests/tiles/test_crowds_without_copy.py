"""Earlier versions and tables of the user's own, of which no lighter copy serves: bounded and counted."""

from __future__ import annotations

import mapbox_vector_tile
import pytest

from gis.squares import Tile, tile_at, tiles_over
from layers import generalise
from layers.access import ANONYMOUS, scope_for
from layers.catalogue import Catalogue, get_layer
from layers.db import Database
from tests.layers.registered_tables import TABLES, registered, run_sql
from tests.tiles.test_far_zooms import estate
from tests.tiles.town import MIDDLE, plot_layer, put, shop_layer, shops
from tiles import thinning
from tiles.cache import EncodedTile
from tiles.server import TileServer, select_scopes
from tiles.square import mercator_square

MANY = 3_000


@pytest.fixture(autouse=True)
def _a_few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of rows are a crowd here, so that the tests stay quick."""
    monkeypatch.setattr(thinning, "MOST_ON_AVERAGE", 200)
    monkeypatch.setattr(thinning, "MOST_AT_ALL", 400)
    monkeypatch.setattr(generalise, "TILE_FEATURES", 100)


def ids(tile: EncodedTile) -> set[int]:
    if tile.is_empty:
        return set()
    (part,) = mapbox_vector_tile.decode(tile.identity()).values()
    return {feature["id"] for feature in part["features"]}


async def drawn(server: TileServer, layer_id: str, at: Tile, version: int | None = None) -> EncodedTile:
    layer = await server._catalogue.layer(layer_id)
    selection = select_scopes([scope_for(ANONYMOUS, layer, version=version)])
    return await server.drawn(selection, mercator_square(at))


async def test_an_earlier_version_is_drawn_in_part_and_the_rest_is_counted(database: Database) -> None:
    await put(database, shop_layer(), shops(MANY))
    layer = await put(database, shop_layer(), shops(MANY + 100, seed=9))
    assert layer.version == 2
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        around = tile_at(MIDDLE, 31.73, 6)
        before = await drawn(server, layer.id, around, version=1)
        assert 100 < len(ids(before)) < 320, "about as many as are drawn on average"
        assert len(ids(before)) + before.left_out[layer.id] == MANY
        nearer = {i for t in tiles_over(layer.bounds, 13) for i in ids(await drawn(server, layer.id, t, 1))}
        assert ids(before) <= nearer, "what is seen far out is there further in"
        again = TileServer(database, catalogue)
        assert (await drawn(again, layer.id, around, version=1)).etag == before.etag


async def test_a_registered_table_drawn_too_early_is_bounded(database: Database, database_url: str) -> None:
    run_sql(
        database_url,
        TABLES,
        f"""CREATE TABLE gis.crowd (id integer PRIMARY KEY, geom geometry(Point, 4490));
            INSERT INTO gis.crowd SELECT n, ST_SetSRID(ST_MakePoint(116.5 + random() * 0.001, 31.7), 4490)
            FROM generate_series(1, {MANY}) n;
            INSERT INTO gis.crowd VALUES (0, ST_SetSRID(ST_MakePoint(120, 35), 4490));
            CREATE INDEX ON gis.crowd USING gist (geom); ANALYZE gis.crowd""",
    )
    layer = await registered(database, "crowd", min_zoom=0)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for z in (0, 5, 9, 13, 15):
            tile = await drawn(server, layer.id, tile_at(116.5005, 31.7, z))
            assert 0 < len(ids(tile)) <= thinning.MOST_AT_ALL, z
            assert len(ids(tile)) + tile.left_out[layer.id] >= MANY * 0.4, z
        whole = await drawn(server, layer.id, tile_at(116.5005, 31.7, 0))
        assert len(ids(whole)) + whole.left_out[layer.id] == MANY + 1


async def test_what_crosses_a_border_is_drawn_on_both_sides_of_it(database: Database) -> None:
    layer = await put(database, plot_layer(), estate(MANY))
    await put(database, plot_layer(), estate(MANY - 1))
    layer = await get_layer(database, layer.id)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        assert layer.bounds is not None
        share = thinning.thinned_at(layer, 12)
        assert share is not None
        seen: dict[int, int] = {}
        for tile in tiles_over(layer.bounds, 12):
            for number in ids(await drawn(server, layer.id, tile, version=1)):
                seen[number] = seen.get(number, 0) + 1
        chosen = await _chosen(database, list(seen), share.share)
        assert all(chosen), "by their ids and nothing else"


async def _chosen(database: Database, numbers: list[int], share: float) -> list[bool]:
    async with database.connect() as connection:
        found = await connection.exec_driver_sql(
            "SELECT (hashint8(n) & 2147483647) < %(least)s FROM unnest(%(ids)s::bigint[]) n",
            {"least": int(share * 2**31), "ids": numbers},
        )
        return [bool(row[0]) for row in found]


async def test_current_rows_are_drawn_as_ever(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(90))
    assert not thinning.is_unmeasured(scope_for(ANONYMOUS, layer))
    async with Catalogue(database) as catalogue:
        tile = await drawn(TileServer(database, catalogue), layer.id, tile_at(MIDDLE, 31.73, 8))
        assert len(ids(tile)) + tile.left_out.get(layer.id, 0) == 90
