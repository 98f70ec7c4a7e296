"""City-local systems: the worked numbers of IOGP 373-7-2, there and back, and parameters from points."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from gis.crs import CGCS2000, read_crs
from gis.errors import BadPlace
from gis.local_systems import Datum, LocalSystem, Plane, fit_datum, fit_plane

SIMILARITY = Plane(-129.549, -208.185, -1.56504, 1.00000155, "east")
"""EPSG method 9621 with θ = +1.56504″."""
SHIFT = Plane(3_500_000.0, 450_000.0, -120.5, 0.99998, "north")
CITY = LocalSystem("滁州2000", read_crs(4548), SHIFT, error_m=0.03)
BURSA = Datum(-15.2, 110.4, 60.7, 1.2, -2.3, 3.4, -4.5, "position_vector")
OLD = LocalSystem("旧系", read_crs(2436), BURSA, error_m=0.5)
"""Beijing 1954, 3° zone by central meridian 117° E."""


def test_four_parameters_give_the_worked_numbers() -> None:
    east, north = SIMILARITY.forward(300_000.0, 4_500_000.0)
    # the guidance prints k to eight decimals, which is 2 cm in a northing of 4,500 km
    assert float(east) == pytest.approx(299_905.060, abs=0.002)
    assert float(north) == pytest.approx(4_499_796.515, abs=0.002)


@pytest.mark.parametrize("sign", [1, -1])
def test_seven_parameters_give_the_worked_numbers_in_both_conventions(sign: int) -> None:
    convention = "position_vector" if sign == 1 else "coordinate_frame"
    by = Datum(0.0, 0.0, 4.5, 0.0, 0.0, sign * 0.554, 0.219, convention)  # type: ignore[arg-type]
    ((x, y, z),) = by.forward([[3_657_660.66, 255_768.55, 5_201_382.11]])
    assert (x, y, z) == pytest.approx((3_657_660.78, 255_778.43, 5_201_387.75), abs=0.006)


def test_seven_parameters_agree_with_proj() -> None:
    pipeline = Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=krass"
        " +step +proj=helmert +x=-15.2 +y=110.4 +z=60.7 +rx=1.2 +ry=-2.3 +rz=3.4 +s=-4.5"
        " +convention=position_vector +step +inv +proj=cart +ellps=GRS80"
        " +step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    system = LocalSystem("旧系", read_crs(4214), BURSA)
    lon, lat = system.forward([116.5, 117.3], [31.7, 32.1])
    theirs = pipeline.transform([116.5, 117.3], [31.7, 32.1], [0.0, 0.0])
    assert lon == pytest.approx(theirs[0], abs=1e-11)
    assert lat == pytest.approx(theirs[1], abs=1e-11)


def test_what_x_means_is_part_of_the_parameters() -> None:
    north_first = Plane(10.0, 20.0, 3600.0, 1.0, "north")
    east_first = Plane(20.0, 10.0, -3600.0, 1.0, "east")
    one, other = north_first.forward(100.0, 200.0), east_first.forward(100.0, 200.0)
    assert [float(v) for v in one] == pytest.approx([float(v) for v in other])


@given(st.floats(-50_000, 50_000), st.floats(-50_000, 50_000))
def test_there_and_back_by_four_parameters_is_the_same_place(east: float, north: float) -> None:
    back = CITY.inverse(*CITY.forward(east, north))
    assert [float(v) for v in back] == pytest.approx([east, north], abs=1e-6)


@given(st.floats(430_000, 570_000), st.floats(3_400_000, 3_600_000))
def test_there_and_back_by_seven_parameters_is_the_same_place(east: float, north: float) -> None:
    lon, lat = OLD.forward([east], [north])
    back = OLD.inverse(lon, lat)
    assert (float(back[0][0]), float(back[1][0])) == pytest.approx((east, north), abs=1e-6)


def test_geometries_are_placed_none_and_empty_as_they_are() -> None:
    shapes = np.array([shapely.Point(0, 0, 9), None, shapely.Point()], dtype=object)
    first, missing, empty = CITY.placed(shapes)
    assert (round(first.x, 3), round(first.y, 3), first.has_z) == (450_000.0, 3_500_000.0, False)
    assert missing is None
    assert empty.is_empty
    assert (CITY.target, OLD.target) == (read_crs(4548), CGCS2000)


def test_nan_stays_where_it_is() -> None:
    lon, _ = OLD.forward([500_000.0, np.nan], [3_500_000.0, 3_500_000.0])
    assert np.isfinite(lon).tolist() == [True, False]


def test_a_system_never_shows_its_parameters() -> None:
    for system in (CITY, OLD):
        shown = f"{system!r} {system} {system.by!r} {system.route()}"
        assert not any(number in shown for number in ("120.5", "0.99998", "110.4", "3500000", "-4.5"))


def test_the_way_and_its_error_are_said() -> None:
    assert CITY.route().error_m == pytest.approx(0.031)
    assert "EPSG:4548" in CITY.route().zh
    assert LocalSystem("无误差", read_crs(4548), SIMILARITY).route().error_m is None


@pytest.mark.parametrize("x_is", ["north", "east"])
def test_four_parameters_are_found_again_from_points(x_is: str) -> None:
    truth = Plane(3_500_123.4, 449_876.5, -845.2, 1.00002, x_is)  # type: ignore[arg-type]
    local = np.array([[0, 0], [10_000, 500], [300, 12_000], [9_000, 9_500]], dtype=float)
    target = np.column_stack(truth.forward(local[:, 0], local[:, 1]))
    found, left = fit_plane(local, target, x_is=x_is)  # type: ignore[arg-type]
    assert (found.dx_m, found.dy_m) == pytest.approx((truth.dx_m, truth.dy_m), abs=1e-5)
    assert found.rotation_s == pytest.approx(truth.rotation_s, abs=1e-5)
    assert found.scale == pytest.approx(truth.scale, abs=1e-10)
    assert np.abs(left).max() < 1e-6


def test_a_bad_control_point_stands_out_in_what_is_left() -> None:
    local = np.array([[0, 0], [10_000, 0], [10_000, 10_000], [0, 10_000], [5_000, 5_000]], dtype=float)
    target = np.column_stack(SIMILARITY.forward(local[:, 0], local[:, 1]))
    target[4] += (0.5, 0.0)
    _, left = fit_plane(local, target)
    assert int(np.hypot(*left.T).argmax()) == 4


@pytest.mark.parametrize("convention", ["position_vector", "coordinate_frame"])
def test_seven_parameters_found_from_points_bring_them_back(convention: str) -> None:
    rng = np.random.default_rng(1)
    source = np.column_stack([rng.uniform(440_000, 560_000, 12), rng.uniform(3_450_000, 3_560_000, 12)])
    target = np.column_stack(OLD.forward(source[:, 0], source[:, 1]))
    found, left = fit_datum(source, target, read_crs(2436), convention=convention)  # type: ignore[arg-type]
    assert np.abs(left).max() < 0.05
    again = LocalSystem("x", read_crs(2436), found)
    lon, lat = again.forward([500_000.0], [3_500_000.0])
    wanted = OLD.forward([500_000.0], [3_500_000.0])
    assert abs(lon[0] - wanted[0][0]) * 95_000 < 0.05
    assert abs(lat[0] - wanted[1][0]) * 111_000 < 0.05


@pytest.mark.parametrize(
    "points", [[], [[1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]], [[1.0, float("nan")], [2.0, 3.0]]]
)
def test_too_few_points_are_refused(points: list[list[float]]) -> None:
    with pytest.raises(BadPlace):
        fit_plane(points, points)
