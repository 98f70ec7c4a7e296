"""Guessing the zone of coordinates without a .prj, with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from gis.crs import guess_gauss
from gis.gauss import gauss_epsg

NORTH = np.array([3514558.0, 3515000.0, 3513000.0])
EAST = np.array([453365.0, 454000.0, 460000.0])


@pytest.mark.parametrize(
    ("east", "epsg", "certain"),
    [(EAST, 4548, False), (EAST + 39e6, 4527, True), (EAST + 20e6, 4498, True), (EAST + 38e6, 4526, True)],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_the_zone_is_seen_in_the_numbers(east: np.ndarray, epsg: int, certain: bool, swapped: bool) -> None:
    guess = guess_gauss(NORTH, east) if swapped else guess_gauss(east, NORTH)
    assert guess is not None
    assert (guess.epsg, guess.swapped, guess.certain) == (epsg, swapped, certain)
    assert f"EPSG:{epsg}" in guess.evidence_zh
    assert f"EPSG:{epsg}" in guess.evidence_en


def test_without_prefix_the_city_decides_the_meridian() -> None:
    guess = guess_gauss(EAST, NORTH, home=(119.6, 31.7))
    assert guess is not None
    assert guess.epsg == 4549


def test_rows_that_are_not_numbers_do_not_spoil_the_guess() -> None:
    guess = guess_gauss(np.append(EAST, [np.nan, np.inf]), np.append(NORTH, [1.0, 2.0]))
    assert guess is not None
    assert guess.epsg == 4548


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([np.nan], [np.nan]),
        ([116.5, 116.6], [31.7, 31.8]),
        ([12968000.0], [3734000.0]),
        ([0.0], [0.0]),
        ([39453365.0, 20453365.0], [3514558.0, 3514558.0]),
    ],
)
def test_degrees_mercator_nothing_and_mixed_zones_are_no_zone(x: list[float], y: list[float]) -> None:
    assert guess_gauss(x, y) is None


def test_zones_that_do_not_exist_have_no_number() -> None:
    assert gauss_epsg(24, degrees=3, prefixed=True) is None
    assert gauss_epsg(24, degrees=6, prefixed=True) is None
    assert gauss_epsg(45, degrees=3, prefixed=False) == 4554
