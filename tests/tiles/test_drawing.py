"""What a tile holds is what PostGIS holds in that square: features, attributes, edges, limits."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import mapbox_vector_tile
import pytest
from sqlalchemy import func, select

from gis.squares import Tile, bounds_3857, tile_at
from layers.access import ANONYMOUS, SYSTEM, Scope, Viewer, scope_for
from layers.catalogue import Catalogue
from layers.db import Database
from layers.model import Field, Text
from layers.publish import Batch
from layers.rows import rows
from tests.tiles.town import (
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
from tiles.server import TileServer
from tiles.statement import compose

Features = dict[int, dict[str, Any]]


def decode(tile: EncodedTile) -> dict[str, Features]:
    """Attributes by feature id, by layer."""
    if tile.is_empty:
        return {}
    decoded = mapbox_vector_tile.decode(gzip.decompress(tile.body_gzip))
    return {name: {f["id"]: f["properties"] for f in part["features"]} for name, part in decoded.items()}


async def in_square(database: Database, scope: Scope, tile: Tile, margin_units: int = 64) -> set[int]:
    """Ids of the features that PostGIS finds in the tile's square widened by a margin."""
    west, south, east, north = bounds_3857(tile)
    source = rows(scope).subquery()
    margin = (east - west) * margin_units / 4096
    square = func.ST_Expand(func.ST_MakeEnvelope(west, south, east, north, 3857), margin)
    statement = select(source.c._fid).where(
        source.c._geom_3857.op("&&")(square), func.ST_Intersects(source.c._geom_3857, square)
    )
    async with database.connect() as connection:
        return set((await connection.execute(statement)).scalars())


def some_tiles(count: int, seed: int) -> list[Tile]:
    chance = random.Random(seed)
    return [
        tile_at(chance.uniform(WEST, EAST), chance.uniform(SOUTH, NORTH), chance.randint(10, 19))
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", ["points", "lines", "areas"])
async def test_a_tile_holds_every_feature_of_its_square_or_counts_it(database: Database, kind: str) -> None:
    specimens = {
        "points": (shop_layer(), shops(400)),
        "lines": (pipe_layer(), pipes(300)),
        "areas": (plot_layer(), plots(300)),
    }
    layer, batch = specimens[kind]
    layer = await put(database, layer, batch)
    scope = scope_for(SYSTEM, layer)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        seen = 0
        for tile in [Tile(0, 0, 0), *some_tiles(40, seed=5)]:
            drawn = await server.tile([scope], tile)
            expected = await in_square(database, scope, tile)
            found = set(decode(drawn).get(layer.id, {}))
            # Within half a unit of the margin's edge, rounding to units decides.
            assert found <= await in_square(database, scope, tile, 65)
            assert len(expected - found) == drawn.left_out.get(layer.id, 0)
            if kind == "points":
                assert found >= await in_square(database, scope, tile, 63)
            seen += len(found)
        assert seen > 500


async def test_layers_drawn_together_are_those_drawn_alone(database: Database) -> None:
    layers = [
        await put(database, shop_layer(), shops(200)),
        await put(database, pipe_layer(), pipes(200)),
        await put(database, plot_layer(), plots(200)),
    ]
    scopes = [scope_for(SYSTEM, layer) for layer in layers]
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for tile in some_tiles(6, seed=9):
            together = await server.tile(scopes, tile)
            alone = [await server.tile([scope], tile) for scope in scopes]
            assert decode(together) == {k: v for one in alone for k, v in decode(one).items()}
            assert together.left_out == {k: v for one in alone for k, v in one.left_out.items()}


async def test_attributes_travel_typed(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(30))
    scope = scope_for(ANONYMOUS, layer)
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile([scope], Tile(0, 0, 0))
    drawn = {shop["code"]: shop for shop in decode(tile)["shop"].values()}
    assert len(drawn) == 30
    assert drawn["S00001"] == {
        "code": "S00001",
        "name": "第1家 & <店>",
        "floors": -2,
        "rent": pytest.approx(1 / 3),
        "is_open": False,
        "opened": "2020-01-02",
        "checked": "2026-01-02T03:05:05Z",
    }
    assert "name" not in drawn["S00007"], "a null is no attribute"


async def test_a_field_may_bear_a_name_that_the_statement_uses(database: Database) -> None:
    names = ("feature", "drawn", "stored", "source", "tile", "left_out")
    fields = (Field("code", Text("编码", "Code")), *(Field(n, Text(n, n), in_tiles=True) for n in names))
    plain = shop_layer(fields=fields, name_field=None, district_field=None)
    codes = shops(3).columns["code"]
    values = {"code": codes, **{name: [f"{name} {n}" for n in range(3)] for name in names}}
    layer = await put(database, plain, Batch(shops(3).wkb, values))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        tile = await server.tile([scope_for(ANONYMOUS, layer)], Tile(0, 0, 0))
    drawn = decode(tile)["shop"]
    assert sorted(feature["feature"] for feature in drawn.values()) == values["feature"]
    assert all(set(names) < set(feature) for feature in drawn.values())


async def test_an_area_is_to_be_named_in_one_of_its_squares(database: Database) -> None:
    layer = await put(database, plot_layer(), plots(120))
    scope = scope_for(SYSTEM, layer)
    west_north, east_south = tile_at(WEST, NORTH, 15), tile_at(EAST, SOUTH, 15)
    squares = [
        Tile(15, x, y)
        for x in range(west_north.x - 1, east_south.x + 2)
        for y in range(west_north.y - 1, east_south.y + 2)
    ]
    pieces: Counter[int] = Counter()
    named: Counter[int] = Counter()
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for square in squares:
            for fid, attributes in decode(await server.tile([scope], square)).get("plot", {}).items():
                pieces[fid] += 1
                named[fid] += attributes.get("_label", False)
    assert max(pieces.values()) > 1
    assert max(named.values()) == 1
    # The middle of a box may lie outside its shape; such an area is named nowhere.
    assert sum(named.values()) > 0.9 * len(pieces)


async def test_hidden_fields_are_never_in_a_tile(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(5))
    people = {
        "anonymous": (ANONYMOUS, set()),
        "viewer": (Viewer("v", roles=frozenset({"viewer"}), is_logged_in=True), {"manager"}),
        "dispatcher": (Viewer("d", roles=frozenset({"dispatcher"}), is_logged_in=True), {"manager", "phone"}),
    }
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for viewer, allowed in people.values():
            tile = await server.tile([scope_for(viewer, layer)], Tile(0, 0, 0))
            shown = {name for shop in decode(tile)["shop"].values() for name in shop}
            assert shown & {"manager", "phone"} == allowed
            content = gzip.decompress(tile.body_gzip)
            assert (b"139000" in content) == ("phone" in allowed)


async def test_a_district_limits_what_is_drawn(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(100))
    west = Viewer("w", roles=frozenset({"viewer"}), districts=("341502",), is_logged_in=True)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        everyone = await server.tile([scope_for(SYSTEM, layer)], Tile(0, 0, 0))
        limited = await server.tile([scope_for(west, layer)], Tile(0, 0, 0))
    expected = await in_square(database, scope_for(west, layer), Tile(0, 0, 0))
    assert set(decode(limited)["shop"]) == expected
    assert 0 < len(expected) < len(decode(everyone)["shop"])


async def test_an_older_version_is_drawn_as_it_was(database: Database) -> None:
    first = await put(database, shop_layer(), shops(40))
    second = await put(database, shop_layer(), shops(25, seed=7))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        now = decode(await server.tile([scope_for(ANONYMOUS, second)], Tile(0, 0, 0)))["shop"]
        then = decode(await server.tile([scope_for(ANONYMOUS, second, version=1)], Tile(0, 0, 0)))["shop"]
    assert (first.version, second.version) == (1, 2)
    assert (len(then), len(now)) == (40, 25)
    assert set(now) < set(then), "a feature keeps its id"


async def test_a_strangers_layer_gives_its_name_key_and_short_fields(database: Database) -> None:
    layer = await put(database, plot_layer(), plots(12))
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile(
            [scope_for(ANONYMOUS, layer)], tile_at(116.5, 31.74, 12)
        )
    drawn = list(decode(tile)["plot"].values())
    assert {name for plot in drawn for name in plot} == {"_key", "_label", "地块%名称", '面"积'}


async def test_a_layer_is_not_drawn_below_its_least_zoom(database: Database) -> None:
    near = await put(database, shop_layer(min_zoom=12), shops(20))
    far = await put(database, plot_layer(), plots(20))
    scopes = [scope_for(ANONYMOUS, near), scope_for(ANONYMOUS, far)]
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        assert set(decode(await server.tile(scopes, tile_at(116.5, 31.74, 11)))) == {"plot"}
        assert set(decode(await server.tile(scopes, tile_at(116.5, 31.74, 12)))) == {"plot", "shop"}
        assert (await server.tile(scopes[:1], Tile(11, 0, 0))).is_empty


async def test_a_statement_is_the_same_for_every_square_and_version(database: Database) -> None:
    layer = await put(database, plot_layer(), plots(5))
    scope = scope_for(ANONYMOUS, layer)
    later = scope_for(ANONYMOUS, replace(layer, version=9))
    text = compose([(scope, "exact")], 3857).text
    assert compose([(later, "exact")], 3857).text == text
    assert "116." not in text
