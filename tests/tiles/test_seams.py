"""What crosses the border of two squares is the same on both sides, and nothing stops there."""

from __future__ import annotations

from random import Random
from zlib import crc32

import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from gis.own_matrix_sets import AnyMatrixSet
from gis.squares import Tile, tile_at
from layers import generalise
from layers.access import ANONYMOUS, SYSTEM, scope_for
from layers.catalogue import Catalogue
from layers.db import Database
from layers.model import Layer
from tests.tiles.exact import BESIDE_UNITS, EXTENT, GRIDS, MARGIN, Place
from tests.tiles.read_back import AREA, LINE, POINT, Drawn, read_back
from tests.tiles.test_exact import SEED, exact_rows, sets, told
from tests.tiles.town import pipe_layer, pipes, plot_layer, plots, put, shop_layer, shops
from tiles.server import TileServer, select_scopes
from tiles.square import Square, square_in

__all__ = ["sets"]  # a fixture

LAYERS = (
    "unit_grid",
    "road",
    "building",
    "component",
    "pipe_line",
    "pipe",
    "plot",
    "knot",
    "mixed",
    "in_4527",
)
PAIRS = 5
STRIP = MARGIN - 2
"""Units on each side of a border within which both squares must show the same."""


@pytest.mark.parametrize("name", LAYERS)
async def test_neighbours_agree_on_what_crosses_their_border(
    city_url: str, sets: dict[str, AnyMatrixSet], name: str
) -> None:
    async with Database(city_url) as database, Catalogue(database) as catalogue:
        layer = await catalogue.layer(name)
        server = TileServer(database, catalogue)
        assert await shared_by_neighbours(city_url, server, layer, sets) > (0 if name == "road" else 20)


@pytest.mark.parametrize("kind", ["points", "lines", "areas"])
async def test_neighbours_agree_where_a_lighter_copy_is_drawn(
    database: Database,
    database_url: str,
    sets: dict[str, AnyMatrixSet],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for limit, value in (("TILE_FEATURES", 60), ("TILE_VERTICES", 900), ("TILE_LINES", 60), ("CELLS", 32)):
        monkeypatch.setattr(generalise, limit, value)
    specimens = {
        "points": (shop_layer(), shops(600)),
        "lines": (pipe_layer(), pipes(400)),
        "areas": (plot_layer(), plots(500)),
    }
    layer = await put(database, *specimens[kind])
    assert layer.generalised is not None
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        assert await shared_by_neighbours(database_url, server, layer, sets) > 20


async def test_an_id_is_the_same_in_every_square_zoom_and_version(database: Database) -> None:
    first = await put(database, shop_layer(), shops(80))
    seen: dict[str, set[int]] = {}
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        second = await put(database, shop_layer(), shops(60))
        for layer, version in ((second, None), (second, first.version)):
            scope = scope_for(ANONYMOUS, layer, version=version)
            for middle in [tile_at(116.5, 31.74, z) for z in range(9, 19)]:
                for east, south in ((0, 0), (1, 0), (0, 1), (-1, 0)):
                    tile = await server.tile([scope], Tile(middle.z, middle.x + east, middle.y + south))
                    for shop in read_back(tile.identity()).get("shop", []):
                        seen.setdefault(str(shop.attributes["code"]), set()).add(shop.id or 0)
    assert len(seen) > 50
    assert all(len(ids) == 1 for ids in seen.values())
    assert len(set.union(*seen.values())) == len(seen)


async def shared_by_neighbours(
    url: str, server: TileServer, layer: Layer, sets: dict[str, AnyMatrixSet]
) -> int:
    """How many features two neighbours were found to share, in random pairs of all matrix sets."""
    chance = Random(SEED + crc32(layer.id.encode()))
    selection = select_scopes([scope_for(SYSTEM, layer)])
    shared = 0
    for grid in GRIDS.values():
        exact = exact_rows(url, layer, grid.srid)
        zooms = [zoom for zoom in grid.levels if zoom >= layer.min_zoom]
        for place in exact.places(grid, zooms, PAIRS, chance):
            east, south = chance.choice([(1, 0), (0, 1)])
            other = place.neighbour(east, south)
            one, two = [
                read_back((await server.drawn(selection, square_of(sets[grid.id], p))).identity())
                for p in (place, other)
            ]
            with told(f"TILES_SEED={SEED}: {layer.id}, {place} and {other}"):
                shared += assert_same(one.get(layer.id, []), two.get(layer.id, []), east, south)
    return shared


def assert_same(one: list[Drawn], two: list[Drawn], east: int, south: int) -> int:
    """Compares the strip along the border, drawn by both; the number of features in it."""
    strip = shapely.box(
        EXTENT - STRIP if east else -STRIP,
        EXTENT - STRIP if south else -STRIP,
        EXTENT + STRIP,
        EXTENT + STRIP,
    )
    first = in_strip(one, strip, (0, 0))
    second = in_strip(two, strip, (east * EXTENT, south * EXTENT))
    inner = strip.buffer(-2, join_style="mitre")
    nothing = shapely.GeometryCollection()
    for fid in first.keys() | second.keys():
        a, b = first.get(fid, nothing), second.get(fid, nothing)
        if "Polygon" in a.geom_type + b.geom_type:
            # A strip less wide than that may be lost to the rounding of where the margin cuts it.
            different = a.symmetric_difference(b).intersection(inner)
            assert different.buffer(-BESIDE_UNITS / 2).is_empty, f"{fid} differs at {different}"
            continue
        for this, that in ((a, b), (b, a)):
            alone = this.intersection(inner).difference(that.buffer(BESIDE_UNITS))
            assert alone.length <= 1.0, f"{fid} is on one side only: {alone}"
            assert alone.is_empty or "Line" in this.geom_type, f"{fid} is on one side only: {alone}"
    return len(first.keys() & second.keys())


def in_strip(drawn: list[Drawn], strip: BaseGeometry, moved: tuple[int, int]) -> dict[int, BaseGeometry]:
    shapes = {d.id or 0: shapely.transform(d.shape, lambda places: places + np.array(moved)) for d in drawn}
    kinds = {d.id or 0: d.kind for d in drawn}
    dimension = {POINT: 0, LINE: 1, AREA: 2}
    cut = {fid: shape.intersection(strip) for fid, shape in shapes.items() if shape.intersects(strip)}
    # What only touches the strip's side is cut to less than it was.
    return {
        fid: shape
        for fid, shape in cut.items()
        if shapely.get_dimensions(shape) == dimension[kinds[fid]] and shape.geom_type != "GeometryCollection"
    }


def square_of(matrix_set: AnyMatrixSet, place: Place) -> Square:
    return square_in(matrix_set, place.z, place.column, place.row)
