"""Numbers and dates: believable by themselves, among each other, against the drawing."""

from __future__ import annotations

from datetime import date

import pytest
from shapely.geometry.base import BaseGeometry

from tests.importers.check.specimens import KNOWN, box, broken, line, point, report

HOUSE = box(0, 0, 10, 10)
PIPE = line((0, 0), (30, 0))
SHAPES: dict[str, BaseGeometry] = {"MultiPolygon": HOUSE, "MultiLineString": PIPE, "Point": point(0, 0)}
GRID = {"code": "341502001001001"}
LAMP = {"code": "34150201037000001", "name": "路灯"}
LINE = {"start_node": "a", "end_node": "b"}


def rules(layer: str, values: dict[str, object], shape: BaseGeometry | None = None) -> set[str]:
    """What a row with these values breaks beyond what it breaks without them."""
    known = KNOWN[layer]
    place = shape or SHAPES[known.geometry_type]
    plain = {f.name: ["x"] for f in known.fields if f.required and not f.codes}
    return broken(report(known, [place], **{**plain, **{n: [v] for n, v in values.items()}}))


@pytest.mark.parametrize(
    ("rule", "layer", "values"),
    [
        ("RNG-01", "building", {"floors_total": -1}),
        ("RNG-01", "building", {"height_m": 9_000.0}),
        ("RNG-01", "building", {"built_year": 2028}),
        ("RNG-01", "green_area", {"code": "g", "area_m2": float("inf")}),
        ("RNG-02", "building", {"built_year": 1850}),
        ("RNG-02", "building", {"height_m": 0.0}),
        ("RNG-01", "pipe_line", {**LINE, "diameter_mm": -5.0}),
        ("RNG-02", "pipe_line", {**LINE, "start_depth_m": 25.0}),
        ("RNG-03", "building", {"floors_total": 7, "floors_above": 6, "floors_below": 2}),
        ("RNG-04", "building", {"height_m": 60.0, "floors_above": 6}),
        ("RNG-05", "building", {"footprint_area_m2": 120.0}),
        ("RNG-05", "unit_grid", {**GRID, "area_m2": 1_000.0}),
        ("RNG-06", "pipe_line", {**LINE, "length_m": 33.0}),
        ("RNG-07", "pipe_line", {**LINE, "hole_total": 4, "hole_used": 5}),
        ("RNG-08", "pipe_line", {**LINE, "section": "DN300", "diameter_mm": 400.0}),
        ("TIM-01", "station", {"kind": "air", "established_date": date(2026, 7, 2)}),
        ("TIM-03", "station", {"kind": "air", "established_date": date(1899, 12, 30)}),
        ("TIM-02", "component", {**LAMP, "initial_date": date(2020, 5, 2), "change_date": date(2020, 5, 1)}),
    ],
)
def test_an_unbelievable_value_breaks_one_rule(rule: str, layer: str, values: dict[str, object]) -> None:
    assert rules(layer, values) - {"TOP-06"} == {rule}


@pytest.mark.parametrize(
    ("layer", "values"),
    [
        ("building", {"floors_total": 8, "floors_above": 6, "floors_below": 2, "height_m": 19.5}),
        ("building", {"height_m": 15.0, "floors_above": 1}),
        ("building", {"footprint_area_m2": 101.0, "built_year": 2026}),
        ("pipe_line", {**LINE, "length_m": 30.2, "section": "300", "diameter_mm": 300.0}),
        ("pipe_line", {**LINE, "section": "400X300", "diameter_mm": 391.0, "hole_total": 4, "hole_used": 4}),
        ("pipe_line", {**LINE, "start_depth_m": -6.0 + 6.5, "end_elevation_m": 40.0}),
        ("station", {"kind": "air", "established_date": date(2026, 7, 1)}),
        ("component", {**LAMP, "initial_date": date(2020, 5, 1), "change_date": date(2020, 5, 1)}),
        ("component", {**LAMP, "initial_date": date(2020, 5, 1), "change_date": None}),
    ],
)
def test_a_believable_value_breaks_none(layer: str, values: dict[str, object]) -> None:
    assert rules(layer, values) == set()
