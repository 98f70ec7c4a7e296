"""Shapes: one specimen that breaks each rule, one that does not."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from importers.check import CheckOptions
from layers.model import BoundingBox
from tests.importers.check.specimens import (
    area,
    at,
    box,
    broken,
    line,
    offenders,
    places,
    plain,
    point,
    report,
)

BOW_TIE = area((0, 0), (10, 10), (10, 0), (0, 10))
HOUSE = box(0, 0, 10, 10)
CORNER = struct.pack("<d", at(10, 0)[0])
with np.errstate(invalid="ignore"):
    NOT_A_NUMBER = shapely.from_wkb(HOUSE.wkb.replace(CORNER, struct.pack("<d", float("nan"))))

BROKEN: list[tuple[str, str, BaseGeometry | None]] = [
    ("GEO-01", "MultiPolygon", None),
    ("GEO-02", "MultiPolygon", shapely.Polygon()),
    ("GEO-03", "Point", shapely.Point(np.nan, 31.7)),
    ("GEO-03", "MultiLineString", shapely.LineString([at(0, 0), (np.inf, 31.7)])),
    ("GEO-03", "MultiPolygon", NOT_A_NUMBER),
    ("GEO-04", "MultiPolygon", point(0, 0)),
    ("GEO-04", "Point", shapely.MultiPoint([at(0, 0), at(5, 0)])),
    ("GEO-04", "MultiPolygon", shapely.GeometryCollection([HOUSE, point(0, 0)])),
    ("GEO-05", "MultiPolygon", BOW_TIE),
    ("GEO-06", "Point", shapely.Point(453365.9, 3514558.3)),
    ("GEO-09", "MultiPolygon", area((0, 0), (10, 0), (10, 0), (10, 10), (0, 10))),
    ("GEO-09", "MultiLineString", line((0, 0), (0, 0), (10, 0))),
    ("GEO-10", "MultiPolygon", area((0, 0), (10, 0), (10, 5), (40, 5.1), (10, 5.2), (10, 10), (0, 10))),
    ("GEO-10", "MultiPolygon", area((40, 5.1), (10, 5.2), (10, 10), (0, 10), (0, 0), (10, 0), (10, 5))),
    ("GEO-10", "MultiLineString", line((0, 0), (50, 0), (20, 0.1))),
    ("GEO-11", "MultiPolygon", box(0, 0, 0.9, 0.9)),
    ("GEO-12", "MultiLineString", line((0, 0), (0.04, 0))),
]

WHOLE: list[tuple[str, BaseGeometry]] = [
    ("MultiPolygon", HOUSE),
    ("MultiPolygon", shapely.MultiPolygon([HOUSE, box(20, 0, 30, 10)])),
    ("MultiPolygon", HOUSE.difference(box(4, 4, 6, 6))),
    ("MultiPolygon", shapely.GeometryCollection([HOUSE, box(20, 0, 30, 10)])),
    ("MultiPolygon", area((0, 0), (100, 0), (100, 10))),
    ("MultiLineString", line((0, 0), (10, 0), (10, 10), (0, 10), (0, 0))),
    ("MultiLineString", shapely.MultiLineString([line((0, 0), (9, 0)), line((0, 5), (9, 5))])),
    ("Point", point(0, 0)),
    ("Point", shapely.MultiPoint([at(0, 0)])),
    ("Geometry", shapely.GeometryCollection([HOUSE, point(0, 0)])),
    ("MultiPolygon", shapely.force_3d(HOUSE, 12.5)),
]


@pytest.mark.parametrize(("rule", "kind", "shape"), BROKEN)
def test_a_shape_with_one_fault_breaks_one_rule(rule: str, kind: str, shape: BaseGeometry | None) -> None:
    found = report(plain(kind), [shape])
    assert broken(found) == {rule}
    assert offenders(found, rule) == [1]


@pytest.mark.parametrize(("kind", "shape"), WHOLE)
def test_a_whole_shape_breaks_none(kind: str, shape: BaseGeometry) -> None:
    assert broken(report(plain(kind), [shape])) == set()


def test_an_invalid_shape_is_told_with_reason_and_place() -> None:
    (finding,) = report(plain(), [BOW_TIE]).findings
    assert "多边形自相交" in finding.zh
    assert "self-intersection" in finding.en
    assert finding.geometry is not None
    assert shapely.from_wkb(finding.geometry).equals_exact(point(5, 5), 1e-7)


def test_a_spike_is_shown_at_its_tip() -> None:
    (finding,) = report(plain("MultiLineString"), [line((0, 0), (50, 0), (20, 0.1))]).findings
    assert finding.geometry is not None
    assert shapely.from_wkb(finding.geometry).equals_exact(point(50, 0), 1e-9)


def test_a_shape_of_very_many_vertices_is_named() -> None:
    circle = point(0, 0).buffer(0.001, quad_segs=300)
    options = CheckOptions(most_vertices=1_000)
    assert broken(report(plain(), [circle, HOUSE], options=options)) == {"GEO-13"}


def test_a_place_outside_the_districts_is_outside_the_city() -> None:
    districts = {"district": places(["341502"], [box(0, 0, 10_000, 10_000)])}
    found = report(
        plain("Point"), [point(5_000, 5_000), point(11_000, 0), point(13_000, 0)], around=districts
    )
    assert offenders(found, "GEO-07") == [3], "two kilometres of margin"


def test_the_city_may_be_given() -> None:
    options = CheckOptions(bounds=BoundingBox(115, 30, 116, 31))
    assert broken(report(plain("Point"), [point(0, 0)], options=options)) == {"GEO-07"}


def test_without_a_city_nothing_is_outside() -> None:
    found = report(plain("Point"), [point(0, 0)])
    assert found.tally("GEO-07").checked == 0


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("Point", point(1, 1), point(1, 1)),
        ("MultiPolygon", HOUSE, box(0, 0, 10, 10).reverse()),
        ("MultiPolygon", HOUSE, area((10, 10), (0, 10), (0, 0), (10, 0))),
        ("MultiPolygon", HOUSE, shapely.MultiPolygon([HOUSE])),
        ("MultiLineString", line((0, 0), (5, 5), (9, 0)), line((9, 0), (5, 5), (0, 0))),
    ],
)
def test_the_same_shape_twice_is_a_duplicate(kind: str, first: BaseGeometry, second: BaseGeometry) -> None:
    found = report(plain(kind), [first, second])
    assert broken(found) == {"GEO-08"} or kind == "MultiPolygon"
    assert offenders(found, "GEO-08") == [1, 2]
    assert "第 2 行" in next(f for f in found.findings if f.rule == "GEO-08").zh


def test_a_shape_a_millimetre_off_is_no_duplicate() -> None:
    assert offenders(report(plain("Point"), [point(0, 0), point(0, 0.001)]), "GEO-08") == []


def test_rows_without_a_place_are_no_duplicates_of_each_other() -> None:
    assert offenders(report(plain("Point"), [None, None]), "GEO-08") == []
