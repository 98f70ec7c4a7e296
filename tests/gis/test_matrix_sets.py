"""Matrix sets agree with morecantile's where it has them, and with their own arithmetic elsewhere."""

from __future__ import annotations

import json
import random

import morecantile
import pytest

from gis.errors import NoSuchSquare
from gis.matrix_sets import CGCS2000_QUAD, MATRIX_SETS, WEB_MERCATOR_QUAD, WORLD_CRS84_QUAD, MatrixSet
from gis.squares import Tile, bounds_3857, tiles_over


@pytest.mark.parametrize("ours", [WEB_MERCATOR_QUAD, WORLD_CRS84_QUAD], ids=lambda s: s.id)
def test_squares_lie_where_morecantile_puts_them(ours: MatrixSet) -> None:
    theirs = morecantile.tms.get(ours.id)
    chance = random.Random(1)
    for _ in range(200):
        z = chance.randint(0, 22)
        columns, rows = ours.size(z)
        column, row = chance.randrange(columns), chance.randrange(rows)
        assert ours.bounds(z, column, row) == pytest.approx(
            tuple(theirs.xy_bounds(column, row, z)), abs=1e-6, rel=1e-12
        )


@pytest.mark.parametrize("ours", list(MATRIX_SETS.values()), ids=lambda s: s.id)
def test_the_document_is_one_morecantile_reads(ours: MatrixSet) -> None:
    document = ours.document("标题")
    read = morecantile.TileMatrixSet.model_validate_json(json.dumps(document))
    z, column, row = 13, 12, 34
    assert ours.bounds(z, column, row) == pytest.approx(tuple(read.xy_bounds(column, row, z)), rel=1e-9)
    assert read.matrix(0).matrixWidth == ours.columns
    known = morecantile.tms.get("WorldCRS84Quad" if ours.stored == 4490 else "WebMercatorQuad")
    assert read.matrix(7).scaleDenominator == pytest.approx(known.matrix(7).scaleDenominator, rel=1e-6)


def test_cgcs2000_names_its_axes_in_the_order_of_its_crs() -> None:
    document = CGCS2000_QUAD.document("")
    assert document["orderedAxes"] == ["Lat", "Lon"]
    assert document["tileMatrices"][0]["pointOfOrigin"] == [90.0, -180.0]
    assert document["tileMatrices"][0]["cellSize"] == 0.703125


def test_the_mercator_quad_is_the_xyz_scheme() -> None:
    assert WEB_MERCATOR_QUAD.bounds(14, 13490, 6642) == pytest.approx(bounds_3857(Tile(14, 13490, 6642)))


@pytest.mark.parametrize("place", [(-1, 0, 0), (25, 0, 0), (0, 2, 0), (0, 0, 1), (3, -1, 0), (3, 0, 8)])
def test_there_is_nothing_outside_the_matrix(place: tuple[int, int, int]) -> None:
    with pytest.raises(NoSuchSquare):
        WORLD_CRS84_QUAD.bounds(*place)


def test_limits_hold_the_squares_that_touch_a_box() -> None:
    west, south, east, north = 116.4, 31.6, 116.6, 31.8
    first_column, last_column, first_row, last_row = CGCS2000_QUAD.limits((west, south, east, north), 12)
    inside = [
        (column, row)
        for column in range(first_column - 1, last_column + 2)
        for row in range(first_row - 1, last_row + 2)
        if (b := CGCS2000_QUAD.bounds(12, column, row))[0] <= east
        and b[2] > west and b[1] < north and b[3] >= south
    ]  # fmt: skip
    assert len(inside) == (last_column - first_column + 1) * (last_row - first_row + 1)
    assert CGCS2000_QUAD.limits((-180, -90, 180, 90), 2) == (0, 7, 0, 3)


def test_mercator_limits_are_the_tiles_over_a_box() -> None:
    bounds = (116.4, 31.6, 116.6, 31.8)
    first_column, last_column, first_row, last_row = WEB_MERCATOR_QUAD.limits(
        WEB_MERCATOR_QUAD.box(bounds), 13
    )
    tiles = list(tiles_over(bounds, 13))
    assert (tiles[0].x, tiles[-1].x, tiles[0].y, tiles[-1].y) == (
        first_column,
        last_column,
        first_row,
        last_row,
    )
