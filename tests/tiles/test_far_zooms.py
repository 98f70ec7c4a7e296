"""Far zooms of a crowded layer: light, with nothing lost in silence, and never across districts."""

from __future__ import annotations

import gzip
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from sqlalchemy import func, select

from gis.matrix_sets import CGCS2000_QUAD, MATRIX_SETS
from gis.squares import Tile, bounds_3857, tile_at, tiles_over
from layers import generalise
from layers.access import ANONYMOUS, SYSTEM, Scope, Viewer, scope_for
from layers.catalogue import Catalogue, get_layer, register
from layers.db import Database
from layers.finish import finish_what_waits
from layers.model import BoundingBox, Layer
from layers.publish import Batch
from layers.rows import generalised_rows, rows
from tests.tiles.awkward import mixed_layer, mixture
from tests.tiles.town import (
    DISTRICTS,
    MIDDLE,
    pipe_layer,
    pipes,
    plot_layer,
    plots,
    put,
    shop_layer,
    shops,
)
from tiles.cache import EncodedTile
from tiles.server import TileServer, select_scopes
from tiles.square import square_in

WEST = Viewer("w", roles=frozenset({"viewer"}), districts=DISTRICTS[:1], is_logged_in=True)


@pytest.fixture(autouse=True)
def _crowded_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred rows are a crowd here, so that the tests stay quick."""
    monkeypatch.setattr(generalise, "TILE_FEATURES", 100)
    monkeypatch.setattr(generalise, "TILE_VERTICES", 2_000)
    monkeypatch.setattr(generalise, "TILE_LINES", 40)
    monkeypatch.setattr(generalise, "CELLS", 16)
    monkeypatch.setattr(generalise, "POINT_CELLS", 16)


def features(tile: EncodedTile, layer_id: str) -> list[dict[str, Any]]:
    decoded = mapbox_vector_tile.decode(
        gzip.decompress(tile.body_gzip), default_options={"y_coord_down": True}
    )
    return list(decoded.get(layer_id, {}).get("features", []))


def stood_for(tile: EncodedTile, layer_id: str) -> int:
    """Rows that the tile's features say they stand for."""
    return sum(f["properties"].get("_count", 1) for f in features(tile, layer_id))


async def count_of(database: Database, scope: Scope) -> int:
    source = rows(scope).subquery()
    async with database.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(source)) or 0)


def estate(count: int, seed: int = 4) -> Batch:
    """Small square areas, five to twenty metres wide, in rows without gaps."""
    chance = np.random.default_rng(seed)
    side = 0.0002
    across = int(np.ceil(np.sqrt(count)))
    column, row = np.arange(count) % across, np.arange(count) // across
    west, south = MIDDLE + (column - across / 2) * side, 31.73 + row * side
    width = chance.uniform(0.3, 0.95, count) * side
    areas = shapely.multipolygons(shapely.box(west, south, west + width, south + width)[:, None])
    return Batch(
        list(shapely.to_wkb(areas)),
        {"地块%名称": [f"地块{n}" for n in range(count)], '面"积': [float(n) for n in range(count)]},
    )


async def test_a_layer_that_fits_in_its_tiles_has_no_copy(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(90))
    assert layer.generalised is None


async def test_the_copy_reaches_from_the_layers_first_zoom_to_the_last_crowded_one(
    database: Database,
) -> None:
    layer = await put(database, shop_layer(min_zoom=9), shops(400))
    assert layer.generalised is not None
    first, last = layer.generalised
    scope = scope_for(SYSTEM, layer)
    assert first == 9
    counts = {z: await largest(database, scope, z) for z in (last, last + 1)}
    assert counts[last] > 100 >= counts[last + 1]


async def largest(database: Database, scope: Scope, z: int) -> int:
    """Rows in the fullest tile of a zoom."""
    source = rows(scope).subquery()
    async with database.connect() as connection:
        found = await connection.execute(select(func.ST_X(source.c._geom), func.ST_Y(source.c._geom)))
        tiles = [tile_at(lon, lat, z) for lon, lat in found]
    return max(tiles.count(tile) for tile in set(tiles))


async def test_points_are_thinned_with_their_count(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(900))
    scope = scope_for(ANONYMOUS, layer)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for z in (0, 8, 12):
            tile = await server.tile([scope], tile_at(MIDDLE, 31.74, z))
            drawn = features(tile, "shop")
            assert len(drawn) <= 16 * 16 * 2 + 8
            assert stood_for(tile, "shop") == len(drawn) + tile.merged["shop"]
            assert not tile.left_out
        world = await server.tile([scope], Tile(0, 0, 0))
        assert stood_for(world, "shop") == 900
        assert "manager" not in world.merged


async def test_a_limited_viewer_sees_and_counts_its_district_only(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(900))
    own = scope_for(WEST, layer)
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile([own], Tile(5, *tile_at(MIDDLE, 31.74, 5)[1:]))
    assert stood_for(tile, "shop") == await count_of(database, own)
    assert {f["id"] for f in features(tile, "shop")} <= await fids(database, own)


async def fids(database: Database, scope: Scope) -> set[int]:
    source = rows(scope, fields=[]).subquery()
    async with database.connect() as connection:
        return set((await connection.execute(select(source.c._fid))).scalars())


async def test_one_of_a_crowd_has_neither_key_nor_name(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(900))
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile(
            [scope_for(ANONYMOUS, layer)], tile_at(MIDDLE, 31.74, 12)
        )
    drawn = [f["properties"] for f in features(tile, "shop")]
    assert not any("code" in each or "name" in each for each in drawn)
    assert all("is_open" in each for each in drawn)


async def test_each_district_has_its_share_of_the_lines_there_is_room_for(database: Database) -> None:
    layer = await put(database, pipe_layer(importance_field="diameter_mm"), pipes(400))
    everyone, own = scope_for(SYSTEM, layer), scope_for(WEST, layer)
    west, there = await count_of(database, own), await count_of(database, everyone)
    assert there == 400
    kept = [select(func.count()).select_from(generalised_rows(s, 4).subquery()) for s in (own, everyone)]
    async with database.connect() as connection:
        of_the_west, of_all = [await connection.scalar(statement) for statement in kept]
    # Each nearer zoom had its share first, so that it may be off by the one that rounding up adds.
    assert abs((of_the_west or 0) - 40 * west / 400) <= 2
    assert 40 <= (of_all or 0) <= 41


async def test_few_rows_with_much_to_tell_are_a_crowd_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generalise, "SAMPLED_EACH", 1)
    talkative = shops(90)
    talkative.columns["name"] = [f"{n:03d}" * 60 for n in range(90)]
    layer = await put(database, shop_layer(tile_kb=22), talkative)
    assert layer.generalised is not None
    brief = await put(database, shop_layer(id="brief", tile_kb=22), shops(90))
    assert brief.generalised is None


async def test_a_stranger_tells_only_how_many_far_out(database: Database) -> None:
    layer = await put(database, plot_layer(), estate(900))
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile(
            [scope_for(ANONYMOUS, layer)], tile_at(MIDDLE, 31.732, 12)
        )
    told = {name for f in features(tile, "plot") for name in f["properties"]}
    assert told == {"_count"}


async def test_a_layer_that_is_to_begin_farther_out_waits_there_for_its_copy(database: Database) -> None:
    await put(database, shop_layer(min_zoom=12), shops(900))
    waiting = await register(database, shop_layer(min_zoom=9))
    assert (waiting.generalised or (0, 0))[0] == 12
    assert waiting.unfinished == ("copy",)
    square = tile_at(MIDDLE, 31.74, 10)
    async with Catalogue(database) as catalogue:
        before = await TileServer(database, catalogue).tile([scope_for(ANONYMOUS, waiting)], square)
    assert before.is_empty
    assert await finish_what_waits(database) == 1
    finished = await get_layer(database, "shop")
    heavier = await register(database, shop_layer(min_zoom=9, tile_kb=200))
    assert heavier.unfinished == ("copy",)
    assert (finished.generalised or (0, 0))[0] == 9
    async with Catalogue(database) as catalogue:
        after = await TileServer(database, catalogue).tile([scope_for(ANONYMOUS, finished)], square)
    assert stood_for(after, "shop") == 900


async def test_small_areas_become_squares_of_the_same_area(database: Database) -> None:
    layer = await put(database, plot_layer(), estate(900))
    scope = scope_for(ANONYMOUS, layer)
    source = rows(scope).subquery()
    async with database.connect() as connection:
        exact = float(await connection.scalar(select(func.sum(func.ST_Area(source.c._geom_3857)))) or 0)
    assert layer.generalised is not None
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        z = 12
        drawn_area = 0.0
        stood = 0
        bounds = layer.bounds
        assert bounds is not None
        for tile in tiles_over(bounds, z):
            encoded = await server.tile([scope], tile)
            west, _, east, _ = bounds_3857(tile)
            unit = (east - west) / 4096
            for feature in features(encoded, "plot") if not encoded.is_empty else []:
                shape = shapely.geometry.shape(feature["geometry"])
                if not shapely.box(0, 0, 4096, 4096).contains(shape.centroid):
                    continue  # the neighbour's, in the margin
                drawn_area += shape.area * unit * unit
                stood += feature["properties"].get("_count", 1)
    assert stood == 900
    assert drawn_area == pytest.approx(exact, rel=0.15)


async def test_areas_large_enough_are_drawn_one_by_one(database: Database) -> None:
    layer = await put(database, plot_layer(), estate(900))
    assert layer.generalised is not None
    z = layer.generalised[1]
    scope = scope_for(ANONYMOUS, layer)
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile([scope], tile_at(MIDDLE, 31.732, z))
    one_by_one = [f for f in features(tile, "plot") if "_count" not in f["properties"]]
    assert len(one_by_one) > 20


async def test_the_greatest_lines_are_drawn_and_the_others_counted(database: Database) -> None:
    layer = await put(database, pipe_layer(importance_field="diameter_mm"), pipes(400))
    scope = scope_for(SYSTEM, layer)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        world = await server.tile([scope], Tile(4, *tile_at(MIDDLE, 31.74, 4)[1:]))
        near = await server.tile([scope], tile_at(MIDDLE, 31.74, 11))
    assert len(features(world, "pipe")) + world.left_out["pipe"] == 400
    drawn = [f["properties"]["diameter_mm"] for f in features(near, "pipe")]
    assert len(drawn) <= 4 * 2 * 40
    assert min(drawn) > 300, "the thinnest are the ones left out"


@pytest.mark.parametrize("kind", ["points", "lines", "areas", "mixed"])
async def test_rows_drawn_and_rows_left_out_are_the_rows_there_are(database: Database, kind: str) -> None:
    """In squares that hold the whole layer, at every zoom of its copy and in every matrix set."""
    specimens = {
        "points": (shop_layer(), shops(900)),
        "lines": (pipe_layer(importance_field="diameter_mm"), pipes(600)),
        "areas": (plot_layer(), plots(700)),
        "mixed": (mixed_layer(), mixture(400)),
    }
    layer = await put(database, *specimens[kind])
    assert layer.generalised is not None
    selection = select_scopes([scope_for(SYSTEM, layer)])
    rows_there = await count_of(database, scope_for(SYSTEM, layer))
    looked_at = 0
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for matrix_set in MATRIX_SETS.values():
            for z in range(layer.generalised[1] + 1):
                assert layer.bounds is not None
                first, last, top, bottom = matrix_set.limits(matrix_set.box(layer.bounds), z)
                if (first, top) != (last, bottom):
                    continue
                tile = await server.drawn(selection, square_in(matrix_set, z, first, top))
                told = stood_for(tile, layer.id) + tile.left_out.get(layer.id, 0)
                assert told == rows_there, (matrix_set.id, z)
                looked_at += 1
    assert looked_at > 10


async def test_what_a_line_too_small_to_see_would_have_told_is_told(database: Database) -> None:
    """The greatest line of a tile tells how many were left out there, and may itself be too small."""
    short = [[(116.5, 31.74), (116.5 + 1e-7, 31.74)]]
    long = [[(116.5, 31.74 + n * 1e-4), (116.51, 31.74 + n * 1e-4)] for n in range(300)]
    lines = shapely.multilinestrings([short, *([line] for line in long)])
    columns = {
        "code": [f"L{n}" for n in range(301)],
        "diameter_mm": [9000, *range(300)],
        "district_code": ["341502"] * 301,
    }
    batch = Batch(list(shapely.to_wkb(lines)), columns)
    layer = await put(database, pipe_layer(importance_field="diameter_mm"), batch)
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile([scope_for(SYSTEM, layer)], Tile(0, 0, 0))
        near = tile_at(116.505, 31.74, 9)
        nearer = await TileServer(database, catalogue).tile([scope_for(SYSTEM, layer)], near)
    for one in (tile, nearer):
        assert stood_for(one, "pipe") + one.left_out["pipe"] == 301


async def test_exact_zooms_and_older_versions_are_drawn_from_the_rows(database: Database) -> None:
    first = await put(database, shop_layer(), shops(900))
    second = await put(database, shop_layer(), shops(120, seed=8))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        then = await server.tile([scope_for(ANONYMOUS, second, version=1)], Tile(0, 0, 0))
        now = await server.tile([scope_for(ANONYMOUS, second)], Tile(0, 0, 0))
    assert (first.version, len(features(then, "shop")), then.merged) == (1, 900, {})
    assert stood_for(now, "shop") == 120
    assert now.merged


async def test_the_copy_follows_a_version_that_needs_none(database: Database) -> None:
    await put(database, shop_layer(), shops(900))
    layer = await put(database, shop_layer(), shops(50, seed=8))
    assert layer.generalised is None
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile([scope_for(ANONYMOUS, layer)], Tile(0, 0, 0))
    assert len(features(tile, "shop")) == 50


async def test_squares_in_degrees_are_drawn_from_the_copy_too(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(900))
    scope = scope_for(ANONYMOUS, layer)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        selection = select_scopes([scope])
        for z in (0, 4, 9):
            column, _, row, _ = CGCS2000_QUAD.limits(BoundingBox(MIDDLE, 31.74, MIDDLE, 31.74), z)
            tile = await server.drawn(selection, square_in(CGCS2000_QUAD, z, column, row))
            assert tile.merged["shop"] > 100
            assert stood_for(tile, "shop") == len(features(tile, "shop")) + tile.merged["shop"]


async def test_no_tile_of_a_dense_layer_is_heavy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    layer: Layer = await put(database, shop_layer(), shops(30_000))
    assert layer.generalised is not None
    scope = scope_for(ANONYMOUS, layer)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for z in range(9, 17):
            tile = await server.tile([scope], tile_at(MIDDLE, 31.74, z))
            assert len(tile.identity()) < 900_000, z
