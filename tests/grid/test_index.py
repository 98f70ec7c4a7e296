"""Every point in exactly one cell, by the written rule, in bulk and alone."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from gis.measures import distance_m
from grid.index import GridIndex
from layers.db import Database
from tests.grid.specimens import SOUTH, WEST, bent_cells, brute_force

CODES, CELLS = bent_cells()
INDEX = GridIndex(CODES, CELLS)
LEFT, RIGHT = shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)


def random_points(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.uniform(WEST - 0.001, WEST + 0.013, count), random.uniform(
        SOUTH - 0.001, SOUTH + 0.01, count
    )


def test_random_points_are_where_brute_force_finds_them() -> None:
    lon, lat = random_points(20_000)
    found = INDEX.locate(lon, lat)
    assert (found == brute_force(CODES, CELLS, lon, lat)).all()
    assert 0.3 < (found >= 0).mean() < 1


def test_one_point_alone_gets_the_answer_it_gets_among_many() -> None:
    lon, lat = random_points(3000, seed=2)
    alone = [INDEX.locate_one(x, y) for x, y in zip(lon.tolist(), lat.tolist(), strict=True)]
    assert alone == INDEX.locate(lon, lat).tolist()


def test_every_corner_belongs_to_the_smallest_code_that_touches_it() -> None:
    lon, lat = shapely.get_coordinates(CELLS).T
    found = INDEX.locate(lon, lat)
    assert (found >= 0).all()
    assert (found == brute_force(CODES, CELLS, lon, lat)).all()
    assert [INDEX.locate_one(x, y) for x, y in zip(lon[:500], lat[:500], strict=True)] == found[:500].tolist()


def test_a_point_on_a_shared_edge_goes_to_one_cell_whatever_the_order_or_direction_of_drawing() -> None:
    y = np.linspace(0, 1, 11)
    for cells, codes in (
        ([LEFT, RIGHT], ["A", "B"]),
        ([LEFT.reverse(), RIGHT], ["A", "B"]),
        ([RIGHT, LEFT], ["B", "A"]),
        ([shapely.Polygon([(1, 1), (0, 1), (0, 0), (1, 0)]), RIGHT.reverse()], ["A", "B"]),
    ):
        index = GridIndex(codes, cells)
        assert {codes[p] for p in index.locate(np.ones(11), y)} == {"A"}
        assert codes[index.locate_one(1.0, 0.5)] == "A"


def test_the_outermost_edge_belongs_to_the_grid() -> None:
    index = GridIndex(["A", "B"], [LEFT, RIGHT])
    assert index.locate([0, 2, 2, 0, 1], [0, 0, 1, 1, 1]).tolist() == [0, 1, 1, 0, 0]
    assert index.locate([2.0000001, -1e-9], [0.5, 0.5]).tolist() == [-1, -1]


def test_a_hole_is_outside_and_its_island_is_its_own_cell() -> None:
    ring = shapely.box(0, 0, 10, 10).difference(shapely.box(3, 3, 7, 7))
    island = shapely.box(4, 4, 6, 6)
    index = GridIndex(["A", "B"], [ring, island])
    assert index.locate([1, 3.5, 5, 3, 4], [1, 3.5, 5, 5, 5]).tolist() == [0, -1, 1, 0, 1]


def test_a_cell_of_two_parts_is_one_cell() -> None:
    index = GridIndex(["A"], [shapely.MultiPolygon([LEFT, shapely.box(5, 5, 6, 6)])])
    assert index.locate([0.5, 5.5, 3], [0.5, 5.5, 3]).tolist() == [0, 0, -1]


def test_where_cells_overlap_the_smaller_code_has_the_ground() -> None:
    wide = shapely.box(-5, -5, 5, 5)
    assert GridIndex(["A", "B"], [wide, LEFT]).locate_one(0.5, 0.5) == 0
    assert GridIndex(["B", "A"], [wide, LEFT]).locate_one(0.5, 0.5) == 1
    assert GridIndex(["B", "A"], [wide, LEFT]).locate([0.5, -2], [0.5, -2]).tolist() == [1, 0]


def test_no_place_is_in_no_cell() -> None:
    nowhere = [np.nan, np.inf, -np.inf, 1e308, 116.48]
    assert INDEX.locate(nowhere, [31.72, 31.72, 31.72, 31.72, np.nan]).tolist() == [-1] * 5
    assert [INDEX.locate_one(x, 31.72) for x in nowhere[:4]] == [-1] * 4
    assert INDEX.locate([], []).shape == (0,)
    assert INDEX.locate(WEST + 0.005, [[SOUTH + 0.004], [0.0]]).shape == (2, 1)


def test_a_grid_without_cells_and_cells_without_ground_hold_nothing() -> None:
    for index in (GridIndex([], []), GridIndex(["A", "B"], [None, shapely.Polygon()])):
        assert index.locate([0.5], [0.5]).tolist() == [-1]
        assert index.locate_one(0.5, 0.5) == -1
        positions, distance = index.nearest([0.5], [0.5])
        assert positions.tolist() == [-1]
        assert np.isnan(distance).all()
    assert GridIndex(["A", "B"], [None, LEFT]).locate([0.5], [0.5]).tolist() == [1]


def test_what_is_no_polygon_or_has_no_code_is_refused() -> None:
    with pytest.raises(ValueError, match="polygon"):
        GridIndex(["A"], [shapely.Point(1, 2)])
    with pytest.raises(ValueError, match="2 codes"):
        GridIndex(["A", "B"], [LEFT])


def test_the_nearest_cell_is_the_one_a_tape_measure_finds() -> None:
    random = np.random.default_rng(3)
    lon = np.concatenate([random.uniform(WEST - 0.02, WEST + 0.03, 60), [117.5, 0.0]])
    lat = np.concatenate([random.uniform(SOUTH - 0.02, SOUTH + 0.03, 60), [30.0, 0.0]])
    positions, distance = INDEX.nearest(lon, lat)
    edges = shapely.segmentize(shapely.boundary(CELLS), 0.00002)
    vertices, owner = shapely.get_coordinates(edges, return_index=True)
    for point in range(len(lon)):
        if INDEX.locate_one(lon[point], lat[point]) >= 0:
            assert distance[point] == 0
            continue
        tape = distance_m(lon[point], lat[point], vertices[:, 0], vertices[:, 1])
        assert distance[point] == pytest.approx(tape.min(), rel=0.02, abs=0.5)
        assert positions[point] in set(owner[tape <= tape.min() * 1.02 + 0.5])


def test_nearest_of_no_place_is_nothing() -> None:
    positions, distance = INDEX.nearest([np.nan, WEST + 0.005], [31.7, SOUTH + 0.004])
    assert positions[0] == -1
    assert np.isnan(distance[0])
    assert (positions[1] >= 0, distance[1]) == (True, 0.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_any_tiling_gives_every_inner_point_exactly_one_cell(seed: int, columns: int, rows: int) -> None:
    codes, cells = bent_cells(columns, rows)
    shuffled = np.random.default_rng(seed).permutation(len(cells))
    codes, cells = [codes[i] for i in shuffled], cells[shuffled]
    inside = shapely.union_all(cells)
    points = np.random.default_rng(seed).uniform(*np.reshape(inside.bounds, (2, 2)), (200, 2))
    points = points[shapely.contains_properly(shapely.buffer(inside, -1e-9), shapely.points(points))]
    found = GridIndex(codes, cells).locate(points[:, 0], points[:, 1])
    assert (found >= 0).all()
    assert (found == brute_force(codes, cells, points[:, 0], points[:, 1])).all()


async def test_ten_thousand_points_are_in_the_cells_postgis_finds(database: Database) -> None:
    lon, lat = random_points(10_000, seed=5)
    lon[:500], lat[:500] = shapely.get_coordinates(CELLS)[:500].T
    async with database.begin() as connection:
        await connection.execute(text("CREATE TEMP TABLE cell (code text, geom geometry(Polygon, 4490))"))
        await connection.execute(
            text(
                "INSERT INTO cell SELECT c, ST_GeomFromWKB(g, 4490) "
                " FROM unnest(CAST(:codes AS text[]), CAST(:shapes AS bytea[])) AS t(c, g)"
            ),
            {"codes": CODES, "shapes": shapely.to_wkb(CELLS).tolist()},
        )
        found = await connection.execute(
            text(
                "SELECT min(cell.code) FROM unnest(CAST(:lon AS float8[]), CAST(:lat AS float8[]))"
                " WITH ORDINALITY AS p(x, y, n)"
                " LEFT JOIN cell ON ST_Intersects(cell.geom, ST_Point(p.x, p.y, 4490))"
                " GROUP BY p.n ORDER BY p.n"
            ),
            {"lon": lon.tolist(), "lat": lat.tolist()},
        )
        theirs = [row[0] for row in found]
    ours = [CODES[p] if p >= 0 else None for p in INDEX.locate(lon, lat)]
    assert ours == theirs
