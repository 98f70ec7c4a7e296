"""The air quality index against the break points of HJ 633."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.air import air_level, aqi, iaqi
from gis.tables import air_quality

CLEAN = {"pm2_5": 10.0, "pm10": 20.0, "so2": 5.0, "no2": 12.0, "co": 0.5, "o3": 60.0}


@pytest.mark.parametrize("averaging", ["hour", "day"])
@pytest.mark.parametrize(
    ("on", "table"),
    [(date(2026, 2, 28), air_quality.POINTS_2012), (date(2026, 3, 1), air_quality.POINTS_2026)],
)
def test_every_break_point_gives_exactly_its_index(averaging: str, on: date, table: dict) -> None:
    for (pollutant, kind), points in table.items():
        if kind != averaging:
            continue
        for concentration, index in zip(points, air_quality.IAQI, strict=False):
            assert iaqi(pollutant, concentration, averaging=kind, on=on) == index


@pytest.mark.parametrize(
    ("pollutant", "concentration", "averaging", "index"),
    [
        ("pm2_5", 46.5, "day", 72),
        ("pm2_5", 48.5, "day", 76),
        ("pm2_5", 700, "day", 500),
        ("so2", 2000, "hour", 200),
        ("o3", 900, "day", 300),
        ("co", 2.04, "day", 50),
        ("co", 2.06, "day", 53),
        ("pm10", 121, "hour", 101),
    ],
)
def test_between_points_the_index_is_rounded_up(
    pollutant: str, concentration: float, averaging: str, index: int
) -> None:
    assert iaqi(pollutant, concentration, averaging=averaging, on=date(2026, 6, 1)) == index


def test_the_edition_follows_the_day_measured() -> None:
    assert iaqi("pm2_5", 75, averaging="day", on=date(2025, 12, 31)) == 100
    assert iaqi("pm2_5", 75, averaging="day", on=date(2026, 12, 31)) == 114


def test_the_worst_pollutant_makes_the_index_and_is_named_above_fifty() -> None:
    found = aqi(CLEAN | {"pm10": 86.0})
    assert (found.value, found.primary) == (76, ("pm10",))
    assert found.level is not None
    assert found.level.zh == "良"
    assert aqi(CLEAN).primary == ()


def test_two_pollutants_that_tie_are_both_named() -> None:
    assert aqi(CLEAN | {"pm2_5": 60, "pm10": 120}).primary == ("pm2_5", "pm10")


def test_with_a_pollutant_missing_only_a_bad_index_is_published() -> None:
    assert aqi(CLEAN | {"o3": None}).value is None
    assert aqi(CLEAN | {"o3": float("nan"), "pm2_5": 90.0}).value == 128
    assert aqi(CLEAN | {"o3": -1}).missing == ("o3",)
    assert aqi({}).value is None


@given(st.floats(0, 2000), st.floats(0, 2000))
def test_more_dust_is_never_a_better_index(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert iaqi("pm2_5", low) <= iaqi("pm2_5", high)


@pytest.mark.parametrize(
    ("index", "number"), [(0, 1), (50, 1), (51, 2), (200, 4), (201, 5), (301, 6), (500, 6)]
)
def test_levels_begin_where_the_standard_says(index: int, number: int) -> None:
    assert air_level(index).number == number
