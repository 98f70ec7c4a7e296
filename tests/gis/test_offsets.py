"""GCJ-02 and BD-09 against published golden numbers and against themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.crs import FRAMES, Frame, from_cgcs2000, is_place, to_cgcs2000

WGS = (116.5078, 31.7529)
GOLDEN: dict[Frame, tuple[float, float]] = {
    "cgcs2000": WGS,
    "wgs84": WGS,
    "gcj02": (116.51292314174971, 31.750867161172366),
    "bd09": (116.51932395670158, 31.757190143629288),
}

in_china = st.tuples(st.floats(74, 136), st.floats(2, 54))


@pytest.mark.parametrize("frame", FRAMES)
def test_the_golden_place_of_luan_comes_out_to_the_last_digits(frame: Frame) -> None:
    lon, lat = from_cgcs2000(*WGS, frame)
    assert (float(lon), float(lat)) == pytest.approx(GOLDEN[frame], abs=1e-13)


@pytest.mark.parametrize("frame", FRAMES)
def test_the_golden_place_comes_back(frame: Frame) -> None:
    lon, lat = to_cgcs2000(*GOLDEN[frame], frame)
    assert (float(lon), float(lat)) == pytest.approx(WGS, abs=1e-11)


@given(in_china, st.sampled_from(FRAMES))
def test_there_and_back_is_within_a_billionth_of_a_degree(place: tuple[float, float], frame: Frame) -> None:
    lon, lat = to_cgcs2000(*from_cgcs2000(*place, frame), frame)
    assert abs(float(lon) - place[0]) < 1e-9
    assert abs(float(lat) - place[1]) < 1e-9


def test_many_places_answer_as_each_alone() -> None:
    random = np.random.default_rng(7)
    lon, lat = random.uniform(115, 117.5, 500), random.uniform(31, 32.7, 500)
    together = to_cgcs2000(lon, lat, "bd09")
    alone = np.array([to_cgcs2000(x, y, "bd09") for x, y in zip(lon, lat, strict=True)])
    assert np.allclose(np.column_stack(together), alone, rtol=0, atol=1e-12)


def test_gcj02_is_not_shifted_abroad() -> None:
    lon, lat = from_cgcs2000(9.5, 47.1, "gcj02")
    assert (float(lon), float(lat)) == (9.5, 47.1)
    lon, lat = to_cgcs2000(9.5, 47.1, "gcj02")
    assert (float(lon), float(lat)) == (9.5, 47.1)


def test_what_is_no_place_becomes_nan_and_leaves_its_neighbours_alone() -> None:
    lon = np.array([116.5, np.nan, np.inf, 400.0, 116.5, 116.5])
    lat = np.array([31.7, 31.7, 31.7, 31.7, -91.0, np.nan])
    for frame in FRAMES:
        x, y = to_cgcs2000(lon, lat, frame)
        assert np.isnan(x).tolist() == np.isnan(y).tolist() == [False, True, True, True, True, True]
    assert is_place(lon, lat).tolist() == [True, False, False, False, False, False]


def test_nothing_in_nothing_out() -> None:
    lon, lat = to_cgcs2000([], [], "gcj02")
    assert lon.shape == lat.shape == (0,)
