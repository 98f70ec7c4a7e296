"""Codes of the standards: what is well formed, what it says, and that the tables are whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gis import codes
from gis.errors import InvalidCode


@pytest.mark.parametrize(("edition", "count"), [("2026", 153), ("2013", 121)])
def test_the_component_table_has_the_published_number_of_classes(edition: codes.Edition, count: int) -> None:
    classes = codes.component_classes(edition)
    assert len({each.code for each in classes}) == len(classes) == count
    assert {len(each.code) for each in classes} == {5 if edition == "2026" else 4}
    assert all(each.title and each.title_en and each.major == each.code[:2] for each in classes)


def test_the_component_table_2026_has_the_published_majors() -> None:
    majors = [each.major for each in codes.component_classes("2026")]
    assert [majors.count(major) for major in ("01", "02", "03", "04", "05")] == [76, 44, 16, 14, 3]


def test_the_event_table_2026_is_components_and_matters() -> None:
    classes = codes.event_classes("2026")
    assert len({each.code for each in classes}) == len(classes) == 250
    assert sum(each.kind == "component" for each in classes) == 153
    matters = [each.major for each in classes if each.kind == "event"]
    assert [matters.count(major) for major in ("06", "07", "08", "09", "10")] == [51, 7, 16, 21, 2]
    assert codes.event_class("01001").title == "供水井盖异常"
    assert codes.event_class("06010").title_en == "Exposed rubbish"


def test_the_older_tables_are_readable() -> None:
    assert codes.component_class("0118", "2007").title == "路灯"
    assert codes.event_class("0102", "2007").title == "暴露垃圾"
    assert codes.component_class("0101").title == "上水井盖"
    assert codes.component_class("0137").title == "路灯"
    assert codes.event_class("0110").title == "暴露垃圾"
    assert len(codes.event_classes("2013")) == 38 + 7 + 12 + 10 + 8 + 2


@pytest.mark.parametrize(
    ("old", "kind", "new"),
    [
        ("0101", "component", "01001"),
        ("0137", "component", "01037"),
        ("0116", "component", None),
        ("0504", "component", None),
        ("0506", "component", "01069"),
        ("0509", "component", "05009"),
        ("0110", "event", "06010"),
        ("0131", "event", None),
        ("0406", "event", "09006"),
        ("0407", "event", None),
        ("0501", "event", None),
        ("0508", "event", "10002"),
        ("0602", "event", "09013"),
    ],
)
def test_the_crosswalk_leads_from_2013_to_2026(old: str, kind: codes.Kind, new: str | None) -> None:
    assert codes.crosswalk_2013_to_2026(old, kind) == new


def test_the_crosswalk_never_leads_outside_the_new_table_and_back_again() -> None:
    for old in codes.component_classes("2013"):
        new = codes.crosswalk_2013_to_2026(old.code)
        if new is not None:
            codes.component_class(new, "2026")
            assert codes.crosswalk_2026_to_2013(new) == old.code
    for event in codes.event_classes("2013"):
        moved = codes.crosswalk_2013_to_2026(event.code, "event")
        assert moved is None or codes.event_class(moved).kind == "event"


def test_a_grid_code_falls_into_its_places() -> None:
    grid = codes.parse_grid_code("341502001003017")
    assert (grid.district, grid.street, grid.community) == ("341502", "341502001", "341502001003")
    assert grid.sequence == "017"


def test_a_legacy_grid_code_is_padded_and_full_width_digits_are_plain() -> None:
    assert str(codes.parse_grid_code("34150200100317")) == "341502001003017"
    assert str(codes.parse_grid_code(" ３４１５０２００１００３０１７ ")) == "341502001003017"


@pytest.mark.parametrize(
    "text", ["", "341502", "3415020010030171", "34150200100301x!", "041502001003017", "网格", "3" * 500]
)
def test_a_wrong_grid_code_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidCode) as refused:
        codes.parse_grid_code(text)
    assert len(str(refused.value)) < 300
    assert "网格" in refused.value.zh


def test_component_and_event_codes_say_their_edition() -> None:
    old, new = codes.parse_component_code("3415020101000001"), codes.parse_component_code("34150201001000001")
    assert (old.edition, old.class_code, old.serial) == ("2013", "0101", "000001")
    assert (new.edition, new.class_code, new.serial) == ("2026", "01001", "000001")
    assert codes.parse_event_code("3415020110").edition == "2013"
    assert codes.parse_event_code("34150206010").class_code == "06010"
    for wrong in ("341502010100001", "341502010010000012", "34150201010000ab"):
        with pytest.raises(InvalidCode):
            codes.parse_component_code(wrong)
        with pytest.raises(InvalidCode):
            codes.parse_event_code(wrong)


@given(st.sampled_from(codes.streets()), st.integers(1, 399), st.integers(1, 999))
def test_a_grid_code_made_is_a_grid_code_read(street: codes.Line, community: int, sequence: int) -> None:
    made = codes.grid_code(f"{street.code}{community:03d}", sequence)
    assert codes.parse_grid_code(str(made)) == made
    assert int(made.sequence) == sequence
    assert made.street == street.code


@given(
    st.sampled_from(codes.component_classes("2026") + codes.component_classes("2013")), st.integers(1, 999999)
)
def test_a_component_code_made_is_a_component_code_read(kind: codes.ComponentClass, serial: int) -> None:
    made = codes.component_code("341502", kind.code, serial)
    assert codes.class_of_component(str(made)) == kind.code
    assert made.edition == kind.edition


def test_unknown_classes_are_refused() -> None:
    for code in ("99999", "01016", "", "x"):
        with pytest.raises(InvalidCode):
            codes.component_class(code)
        with pytest.raises(InvalidCode):
            codes.event_class(code)


def test_pipe_classes_have_the_colours_of_the_standard() -> None:
    colours = {each.code: each.rgb for each in codes.pipe_classes()}
    assert colours["JS"] == (0, 255, 255)
    assert colours["PS"] == (76, 57, 38)
    assert [each.number for each in codes.pipe_classes()] == list(range(1, 9))
    assert len(codes.pipe_subclasses()) == 8 + 3 + 3 + 2 + 5 + 4 + 10 + 2
    assert [each.code for each in codes.pipe_subclasses("PS")] == ["YS", "WS", "HS"]
    assert all(re.fullmatch("[A-Z]{2}", each.code) for each in codes.pipe_subclasses())


@pytest.mark.parametrize(
    ("mpa", "title"),
    [(0.0, "低压"), (0.01, "低压"), (0.2, "中压B"), (0.4, "中压A"), (4.0, "高压A"), (4.1, None), (-1, None)],
)
def test_gas_pressure_has_its_class(mpa: float, title: str | None) -> None:
    found = codes.gas_pressure_class(mpa)
    assert (found.zh if found else None) == title
    assert codes.gas_pressure_class(float("nan")) is None


def test_luan_has_its_districts_and_streets() -> None:
    assert [each.code for each in codes.districts()][:2] == ["341502", "341503"]
    assert len(codes.streets()) == 23 + 23 + 6 + 32 + 22 + 23 + 17
    assert {each.code: each.zh for each in codes.streets("341502")}["341502003"] == "三里桥街道"
    assert all(codes.parse_place_code(each.code) == each.code for each in codes.streets())
