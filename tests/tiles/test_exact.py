"""Every tile, feature by feature, is what the stored geometry is in that square, in every system and set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from random import Random
from zlib import crc32

import numpy as np
import pytest
import shapely

from gis.matrix_set_files import read_matrix_set
from gis.matrix_sets import MATRIX_SETS
from gis.own_matrix_sets import AnyMatrixSet
from gis.squares import tile_at
from layers.access import SYSTEM, scope_for
from layers.catalogue import Catalogue
from layers.db import Database
from layers.model import Layer
from layers.publish import Batch
from tests.gis.own_sets import gauss_set, written
from tests.tiles.conftest import TABLES
from tests.tiles.exact import GRIDS, HALF, MARGIN, Exact, Grid, Place, assert_exact
from tests.tiles.read_back import read_back
from tests.tiles.town import pipe_layer, pipes, put
from tiles.server import TileServer, select_scopes
from tiles.square import square_in

SEED = int(os.environ.get("TILES_SEED", "20261121"))
"""Of the places looked at; a failure names it."""
PLACES = 8
"""Squares looked at of each layer in each matrix set."""
CITY = (
    "district", "street", "community", "unit_grid", "road", "water_area", "green_area", "building", "address",
    "component", "pipe_node", "pipe_line", "station",
)  # fmt: skip
TOWN = ("shop", "pipe", "plot", "knot", "mixed")
REGISTERED = tuple(f"in_{srid}" for srid in TABLES)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, AnyMatrixSet]:
    folder = written(tmp_path_factory.mktemp("sets"), gauss_set())
    return {**MATRIX_SETS, "CityGauss": read_matrix_set(folder / "CityGauss.json")}


def exact_rows(url: str, layer: Layer, srid: int) -> Exact:
    """The rows of a layer, with the attributes that ought to travel: the key, and those marked for it."""
    if layer.relation is not None:
        geometry = f"ST_SetSRID(geom, {TABLES[0]})" if layer.id == "in_0" else "geom"
        fields = ", id, name, size::float8, made, is_old, seen"
        return Exact(url, f"gis.{layer.id}", "id", geometry, srid, fields)
    names = [f.name for f in layer.fields if f.in_tiles or f.name == layer.key]
    if layer.id == "plot":  # which marks none and has no key
        names = ["_key", "地块%名称", '面"积']
    fields = "".join(', "{}"'.format(name.replace('"', '""')) for name in names)
    return Exact(url, f"onemap_rows.{layer.id}", "_fid", "_geom", srid, fields)


@pytest.mark.parametrize("name", [*CITY, *TOWN, *REGISTERED])
async def test_a_tile_is_the_exact_rows_of_its_square(
    city_url: str, sets: dict[str, AnyMatrixSet], name: str
) -> None:
    chance = Random(SEED + crc32(name.encode()))
    async with Database(city_url) as database, Catalogue(database) as catalogue:
        layer = await catalogue.layer(name)
        assert layer.generalised is None
        server, selection = TileServer(database, catalogue), select_scopes([scope_for(SYSTEM, layer)])
        for grid in GRIDS.values():
            exact = exact_rows(city_url, layer, grid.srid)
            seen = 0
            for place in places(exact, grid, layer, chance):
                square = square_in(sets[grid.id], place.z, place.column, place.row)
                tile = await server.drawn(selection, square)
                drawn = read_back(tile.identity()).get(name, [])
                with told(f"TILES_SEED={SEED}: {name}, {place}"):
                    left_out, margin = tile.left_out.get(name, 0), MARGIN
                    if name == "road":  # 36 m wide on each side at the widest, on the ground
                        margin = max(MARGIN, min(1024, ceil(36.0 * 2**square.zoom / (2 * HALF) * 4096)))
                    assert_exact(drawn, left_out, exact, place, chance, seen_from=2.0, margin=margin)
                seen += len(drawn)
            assert seen


@contextmanager
def told(where: str) -> Iterator[None]:
    """Adds to what fails inside where that was, and how to look there again."""
    try:
        yield
    except AssertionError as error:
        error.add_note(where)
        raise


def places(exact: Exact, grid: Grid, layer: Layer, chance: Random) -> Iterator[Place]:
    zooms = [zoom for zoom in grid.levels if zoom >= layer.min_zoom]
    return exact.places(grid, zooms, PLACES, chance)


async def test_a_line_there_and_back_again_is_drawn(database: Database) -> None:
    """PostGIS 3.3 makes nothing of it, whether the way back is the same to the digit or to the unit."""
    ways = [[(0, 0), (9, 0), (0, 0)], [(0, 1), (9, 5), (0.001, 1)], [(0, 3), (5, 4), (9, 3.0005), (0, 3.001)]]
    lines = [shapely.MultiLineString([[(116.5 + x / 1e3, 31.74 + y / 1e3) for x, y in way]]) for way in ways]
    attributes = {name: values[:3] for name, values in pipes(3).columns.items()}
    layer = await put(database, pipe_layer(), Batch([line.wkb for line in lines], attributes))
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile(
            [scope_for(SYSTEM, layer)], tile_at(116.5, 31.742, 10)
        )
    drawn = read_back(tile.identity())["pipe"]
    assert len(drawn) == 3
    for feature in drawn:
        width = int(np.ptp(feature.places[:, 0]))
        assert width == pytest.approx(0.009 / 360 * 4096 * 2**10, abs=2)
