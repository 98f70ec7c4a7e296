"""Codes: form, tables of both editions, place."""

from __future__ import annotations

import pytest

from gis.codes import component_classes
from importers.check import CheckReport, Places
from importers.check.codes import fits_credit_code, is_extension, unknown_indicators
from tests.importers.check.specimens import KNOWN, box, broken, offenders, places, point, report

WEST, EAST = box(-1000, -1000, 0, 1000), box(0, -1000, 1000, 1000)
DISTRICTS = {"district": places(["341502", "341503"], [WEST, EAST])}


def component(
    *codes: str, x_m: float = -50, around: dict[str, Places] | None = None, **columns: list[object]
) -> CheckReport:
    shapes = [point(x_m, n) for n in range(len(codes))]
    names = ["部件"] * len(codes)
    return report(KNOWN["component"], shapes, around=around, code=list(codes), name=names, **columns)


@pytest.mark.parametrize(
    ("rule", "layer", "values"),
    [
        ("COD-01", "component", {"code": "341502010370001"}),
        ("COD-01", "component", {"code": "34150201037A00001"}),
        ("COD-01", "component", {"grid_code": "341502001001"}),
        ("COD-01", "building", {"real_estate_unit_code": "341502001001GB00001X00010001"}),
        ("COD-01", "station", {"district_code": "34150"}),
        ("COD-02", "component", {"code": "3415020160000001"}),
        ("COD-02", "component", {"code": "34150201078000001"}),
        ("COD-04", "component", {"class_code": "01001"}),
        ("COD-07", "component", {"district_code": "341502", "street_code": "341503001"}),
        ("COD-07", "component", {"community_code": "341502001001", "grid_code": "341502001002001"}),
        ("COD-06", "station", {"district_code": "341599"}),
        ("COD-09", "pipe_node", {"pipe_class": "JS", "pipe_subclass": "YS"}),
        ("COD-10", "component", {"authority_code": "91350100M000100Y44"}),
        ("COD-12", "station", {"indicators": "so2,radon"}),
    ],
)
def test_a_wrong_code_breaks_one_rule(rule: str, layer: str, values: dict[str, str]) -> None:
    assert broken(one(layer, values)) == {rule}


@pytest.mark.parametrize(
    ("layer", "values"),
    [
        ("component", {"code": "3415020137000001", "class_code": "0137"}),
        ("component", {"code": "34150201037000001", "class_code": "0137"}),
        ("component", {"code": "3415020508000001", "class_code": "01071"}),
        ("component", {"grid_code": "341502001001001", "community_code": "341502001001"}),
        ("component", {"authority_code": "91350100M000100Y43", "owner_code": "CG01"}),
        ("component", {"district_code": "341502", "street_code": "341502001"}),
        ("building", {"real_estate_unit_code": "341502001001GB00001F00010001"}),
        ("pipe_node", {"pipe_class": "DL", "pipe_subclass": "XH"}),
        ("pipe_node", {"pipe_class": "JS", "pipe_subclass": "JH"}),
        ("station", {"indicators": "PM2.5、臭氧；leq so2"}),
    ],
)
def test_a_right_code_breaks_none(layer: str, values: dict[str, str]) -> None:
    assert broken(one(layer, values)) == set()


def one(layer: str, values: dict[str, str]) -> CheckReport:
    known = KNOWN[layer]
    plain: dict[str, str] = {
        "component": {"code": "34150201037000001", "name": "路灯"},
        "station": {"code": "s1", "name": "站", "kind": "air"},
        "pipe_node": {"code": "n1", "feature": "弯头"},
    }.get(layer, {"code": "b1"})
    shape = box(0, 0, 10, 10) if known.geometry_type == "MultiPolygon" else point(0, 0)
    return report(known, [shape], **{n: [v] for n, v in {**plain, **values}.items()})


@pytest.mark.parametrize("edition", ["2013", "2026"])
def test_every_class_of_both_editions_is_known(edition: str) -> None:
    codes = [f"341502{c.code}000001" for c in component_classes(edition)]  # type: ignore[arg-type]
    found = component(*codes)
    assert (found.found("COD-01"), found.found("COD-02"), found.found("COD-03")) == (0, 0, 0)


def test_extensions_and_classes_of_2007_are_hints() -> None:
    found = component("3415020199000001", "34150201080000001", "3415020601000001", "3415022101000001")
    assert found.found("COD-02") == 0
    assert offenders(found, "COD-03") == [1, 2, 3, 4]
    assert not is_extension("0179")


def test_ids_of_both_editions_in_one_layer_are_a_hint() -> None:
    assert component("3415020137000001", "34150201037000001").found("COD-11") == 1
    assert component("3415020137000001", "3415020137000002").found("COD-11") == 0


def test_an_id_begins_with_the_district_it_lies_in() -> None:
    found = component("34150201037000001", "34150301037000001", around=DISTRICTS)
    assert offenders(found, "COD-05") == [2]
    assert "341502" in next(f for f in found.findings if f.rule == "COD-05").zh


def test_on_the_border_an_id_may_name_either_district() -> None:
    assert component("34150301037000001", x_m=-0.5, around=DISTRICTS).found("COD-05") == 0
    assert component("34150301037000001", x_m=-1.5, around=DISTRICTS).found("COD-05") == 1


def test_without_districts_the_stated_one_is_compared() -> None:
    found = component("34150201037000001", "34150301037000001", district_code=["341502", "341502"])
    assert offenders(found, "COD-05") == [2]


def test_a_parcel_begins_with_the_district_of_its_house() -> None:
    houses = [box(10, 0, 20, 10), box(-20, 0, -10, 10)]
    parcels = ["341503001001GB00001F00010001"] * 2
    found = report(KNOWN["building"], houses, around=DISTRICTS, real_estate_unit_code=parcels)
    assert offenders(found, "COD-05") == [2]


def test_a_stated_district_is_the_one_the_row_lies_in() -> None:
    found = component(
        *("34150201037000001", "34150201037000002"), around=DISTRICTS, district_code=["341502", "341503"]
    )
    assert offenders(found, "COD-08") == [2]


def test_a_house_across_the_border_may_state_either_district() -> None:
    found = report(KNOWN["building"], [box(-8, 0, 2, 10)], around=DISTRICTS, district_code=["341503"])
    assert found.found("COD-08") == 0


def test_codes_are_those_of_the_published_layer_where_there_is_one() -> None:
    found = component("34150201037000001", around=DISTRICTS, district_code=["341525"])
    assert found.found("COD-06") == 1, "in the national table, but not published"


@pytest.mark.parametrize("code", ["", "91350100M000100Y4", "91350100M000100I43", "９1350100M000100Y43"])
def test_what_is_no_credit_code_does_not_fit(code: str) -> None:
    assert not fits_credit_code(code)


def test_indicators_are_split_at_any_usual_mark() -> None:
    assert unknown_indicators("so2|氡、PH ; ") == ["氡"]
