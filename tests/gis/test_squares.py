"""Tile arithmetic against morecantile, and against itself."""

from __future__ import annotations

import morecantile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.errors import NoSuchSquare
from gis.squares import (
    Tile,
    bounds_3857,
    bounds_4490,
    children,
    count_over,
    metres_per_pixel,
    parent,
    tile_at,
    tiles_over,
)

QUAD = morecantile.tms.get("WebMercatorQuad")
tiles = st.integers(0, 20).flatmap(
    lambda z: st.builds(Tile, st.just(z), st.integers(0, (1 << z) - 1), st.integers(0, (1 << z) - 1))
)


@given(tiles)
def test_bounds_are_those_of_the_standard_quad(tile: Tile) -> None:
    theirs = QUAD.xy_bounds(morecantile.Tile(tile.x, tile.y, tile.z))
    assert bounds_3857(tile) == pytest.approx(tuple(theirs), abs=1e-6)
    degrees = QUAD.bounds(morecantile.Tile(tile.x, tile.y, tile.z))
    assert bounds_4490(tile) == pytest.approx(tuple(degrees), abs=1e-9)


@given(st.floats(-179.9, 179.9), st.floats(-85, 85), st.integers(0, 22))
def test_a_place_lies_within_its_tile(lon: float, lat: float, z: int) -> None:
    west, south, east, north = bounds_4490(tile_at(lon, lat, z))
    assert west - 1e-9 <= lon <= east + 1e-9
    assert south - 1e-9 <= lat <= north + 1e-9


@given(tiles)
def test_a_tile_is_the_parent_of_its_children(tile: Tile) -> None:
    assert {parent(child) for child in children(tile)} == {tile}


def test_the_world_has_no_parent() -> None:
    assert parent(Tile(0, 0, 0)) is None


@pytest.mark.parametrize("address", [(-1, 0, 0), (25, 0, 0), (3, 8, 0), (3, 0, -1), (0, 0, 1)])
def test_a_tile_outside_its_matrix_is_refused(address: tuple[int, int, int]) -> None:
    with pytest.raises(NoSuchSquare):
        Tile(*address)


def test_tiles_over_a_box_cover_it_once() -> None:
    box = (116.40, 31.68, 116.60, 31.80)
    found = list(tiles_over(box, 14))
    assert len(set(found)) == len(found) == count_over(box, 14)
    assert {tile_at(116.40, 31.68, 14), tile_at(116.60, 31.80, 14), tile_at(116.5, 31.74, 14)} <= set(found)
    assert count_over((-180, -90, 180, 90), 3) == 64


def test_luan_is_where_it_should_be_and_pixels_have_their_size() -> None:
    x, y, z = QUAD.tile(116.5, 31.74, 14)
    assert tile_at(116.5, 31.74, 14) == Tile(z, x, y) == (14, 13494, 6667)
    assert metres_per_pixel(0) == pytest.approx(156543.03392804097)
