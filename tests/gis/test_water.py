"""Surface water classes by the worst item."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis.tables import surface_water
from gis.water import class_of_item, water_class


def test_the_worst_item_makes_the_class() -> None:
    found = water_class({"nh3_n": 0.1, "codmn": 1.0, "tp": 0.25, "ph": 7.2})
    assert found is not None
    assert (found.level.zh, found.each) == ("Ⅳ类", {"nh3_n": 1, "codmn": 1, "tp": 4, "ph": 1})
    assert found.exceeding == (("tp", pytest.approx(0.25)),)


def test_oxygen_counts_downward() -> None:
    assert [water_class({"dissolved_oxygen": v}).level.number for v in (8, 6, 5.5, 3, 2, 1.9)] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]


def test_equal_limits_give_the_better_class() -> None:
    assert water_class({"cod": 15}).level.number == 1
    assert water_class({"lead": 0.05}).level.number == 3


def test_a_lake_is_judged_by_its_own_phosphorus() -> None:
    assert water_class({"tp": 0.1}).level.number == 2
    assert water_class({"tp": 0.1}, body="lake").level.number == 4


def test_acid_water_is_worse_than_v() -> None:
    found = water_class({"ph": 5.9, "nh3_n": 3.0, "codmn": 12})
    assert found.level.number == 6
    assert found.exceeding == (("nh3_n", pytest.approx(2.0)), ("ph", None), ("codmn", pytest.approx(1.0)))


def test_what_does_not_count_makes_no_class() -> None:
    assert water_class({"tn": 9.0, "coliform": 1e6, "water_temperature": 20}) is None
    assert water_class({"nh3_n": float("nan"), "tp": None, "cod": -1}) is None


@given(st.sampled_from(surface_water.RIVER), st.floats(0, 100), st.floats(0, 100))
def test_more_of_it_is_never_a_better_class(limits: surface_water.Limits, one: float, other: float) -> None:
    low, high = sorted((one, other))
    classes = class_of_item(limits, low), class_of_item(limits, high)
    assert classes[0] >= classes[1] if limits.falling else classes[0] <= classes[1]


def test_the_table_has_the_items_that_count_and_never_better_limits_for_worse_classes() -> None:
    assert len(surface_water.RIVER) + 1 == 21
    for limits in (*surface_water.RIVER, surface_water.LAKE_PHOSPHORUS, *surface_water.NOT_COUNTED):
        assert list(limits.classes) == sorted(limits.classes, reverse=limits.falling)
