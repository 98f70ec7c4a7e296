"""Geodesic measures against the ellipsoid's own numbers and against the plane."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gis.crs import CGCS2000, read_crs, reproject
from gis.measures import ELLIPSOID, area_m2, distance_m, length_m

SQUARE = shapely.box(116.50, 31.74, 116.51, 31.75)


def test_a_degree_of_latitude_has_the_length_of_the_ellipsoid() -> None:
    assert float(distance_m(116.5, 0, 116.5, 1)) == pytest.approx(110574.3886, abs=0.001)


def test_area_agrees_with_the_plane_on_the_central_meridian() -> None:
    small = shapely.box(116.999, 31.74, 117.001, 31.742)
    (plane,) = reproject(np.array([small]), CGCS2000, read_crs(4548))
    assert area_m2([small])[0] == pytest.approx(plane.area, rel=1e-6)


def test_the_whole_ellipsoid_in_two_halves_has_the_area_of_cgcs2000() -> None:
    north = shapely.Polygon([(0, 0), (90, 0), (180, 0), (-90, 0)])
    assert area_m2([north])[0] * 2 == pytest.approx(5.1006562172e14, rel=1e-9)


@given(st.floats(73, 135), st.floats(4, 53), st.floats(5, 100), st.floats(5, 100))
def test_the_quick_way_for_small_polygons_agrees_with_geodesics(
    lon: float, lat: float, east: float, north: float
) -> None:
    small = shapely.box(lon, lat, lon + east / 111320, lat + north / 111320)
    shell = shapely.get_coordinates(small)
    exact, _ = ELLIPSOID.polygon_area_perimeter(shell[:, 0], shell[:, 1])
    assert area_m2([small])[0] == pytest.approx(abs(exact), rel=2e-6)


def test_holes_are_taken_off_whichever_way_rings_turn() -> None:
    hole = shapely.box(116.502, 31.742, 116.504, 31.744)
    holed = SQUARE.difference(hole)
    wanted = area_m2([SQUARE])[0] - area_m2([hole])[0]
    assert area_m2([holed, holed.reverse()]) == pytest.approx([wanted, wanted])


def test_parts_add_up_and_nothing_measures_nothing() -> None:
    other = shapely.box(116.6, 31.7, 116.61, 31.71)
    both = shapely.MultiPolygon([SQUARE, other])
    line = shapely.LineString([(116.5, 31.7), (116.51, 31.7), (116.51, 31.71)])
    areas = area_m2([both, None, shapely.Point(1, 2), line, shapely.Polygon()])
    assert areas[0] == pytest.approx(area_m2([SQUARE, other]).sum())
    assert areas[1:].tolist() == [0, 0, 0, 0]
    lengths = length_m([line, shapely.MultiLineString([line, line]), None, shapely.Point(1, 2)])
    assert lengths[1] == pytest.approx(2 * lengths[0])
    assert lengths[0] == pytest.approx(
        float(distance_m(116.5, 31.7, 116.51, 31.7) + distance_m(116.51, 31.7, 116.51, 31.71))
    )
    assert lengths[2:].tolist() == [0, 0]
    assert length_m([SQUARE])[0] == pytest.approx(length_m([SQUARE.exterior])[0])
    assert area_m2([]).size == length_m([]).size == 0


def test_a_distance_to_nowhere_is_nan_alone() -> None:
    found = distance_m([116.5, np.nan, 116.5], 31.7, 116.6, [31.7, 31.7, np.inf])
    assert np.isnan(found).tolist() == [False, True, True]


@given(st.floats(73, 135), st.floats(4, 53), st.floats(73, 135), st.floats(4, 53))
def test_distance_is_the_same_both_ways(a: float, b: float, c: float, d: float) -> None:
    assert float(distance_m(a, b, c, d)) == pytest.approx(float(distance_m(c, d, a, b)), abs=1e-6)
