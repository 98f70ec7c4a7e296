"""Mending and casting over specimens named for their trouble."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from gis.shapes import drop_z, mend, to_multi

BOW_TIE = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
FLAT = shapely.Polygon([(0, 0), (1, 1), (2, 2)])
SPIKE = shapely.Polygon([(0, 0), (2, 0), (2, 2), (2, 5), (2, 2), (0, 2)])
GOOD = shapely.box(0, 0, 1, 1)


def one(geometry: shapely.Geometry | None) -> np.ndarray:
    array = np.empty(1, dtype=object)
    array[0] = geometry
    return array


def test_a_bow_tie_becomes_its_two_triangles_and_says_why() -> None:
    mended, reasons = mend(one(BOW_TIE))
    assert shapely.is_valid(mended[0])
    assert mended[0].area == pytest.approx(2.0)
    assert reasons[0].code == "Self-intersection"
    assert "自相交" in reasons[0].zh


def test_a_spike_is_cut_and_only_the_area_stays() -> None:
    mended, reasons = mend(one(SPIKE))
    assert (mended[0].geom_type, mended[0].area) == ("Polygon", 4.0)
    assert reasons[0] is not None


def test_an_area_without_area_and_coordinates_without_numbers_are_lost_with_a_reason() -> None:
    with np.errstate(invalid="ignore"):
        nowhere = shapely.from_wkt("LINESTRING (0 0, NaN 1, 2 2)")
    for specimen in (FLAT, nowhere):
        mended, reasons = mend(one(specimen))
        assert mended[0] is None
        assert reasons[0] is not None


def test_what_is_well_stays_as_it_is_without_a_reason() -> None:
    given = np.array([GOOD, None, shapely.Polygon(), shapely.Point(1, 2)], dtype=object)
    mended, reasons = mend(given)
    assert mended[0] is GOOD
    assert mended[1] is None
    assert reasons.tolist() == [None] * 4
    assert mend(np.array([], dtype=object))[0].size == 0


@pytest.mark.parametrize(
    ("geometry", "target", "result"),
    [
        (GOOD, "MultiPolygon", "MultiPolygon"),
        (shapely.LineString([(0, 0), (1, 1)]), "MultiLineString", "MultiLineString"),
        (shapely.LinearRing([(0, 0), (1, 1), (1, 0)]), "MultiLineString", "MultiLineString"),
        (shapely.Point(1, 2), "Point", "Point"),
        (shapely.MultiPoint([(1, 2)]), "Point", "Point"),
        (shapely.MultiPoint([(1, 2), (3, 4)]), "Point", None),
        (GOOD, "Point", None),
        (shapely.Point(1, 2), "MultiPolygon", None),
        (shapely.GeometryCollection([GOOD, shapely.MultiPolygon([GOOD])]), "MultiPolygon", "MultiPolygon"),
        (shapely.GeometryCollection([GOOD, shapely.Point(1, 2)]), "MultiPolygon", None),
        (shapely.Polygon(), "MultiPolygon", None),
        (None, "MultiPolygon", None),
        (shapely.Point(1, 2), "Geometry", "Point"),
    ],
)
def test_a_geometry_becomes_the_layers_type_or_nothing(
    geometry: shapely.Geometry | None, target: str, result: str | None
) -> None:
    (cast,) = to_multi(one(geometry), target)
    assert (cast.geom_type if cast is not None else None) == result


def test_many_are_cast_as_each_alone() -> None:
    line = shapely.LineString([(0, 0), (1, 1)])
    mixed = np.array([GOOD, None, shapely.MultiPolygon([GOOD]), line, GOOD, shapely.Polygon()], dtype=object)
    cast = to_multi(mixed, "MultiPolygon")
    assert [each.geom_type if each is not None else None for each in cast] == [
        "MultiPolygon",
        None,
        "MultiPolygon",
        None,
        "MultiPolygon",
        None,
    ]
    assert to_multi(np.array([], dtype=object), "MultiPolygon").size == 0


def test_heights_are_dropped_but_places_stay() -> None:
    (flat,) = drop_z(one(shapely.LineString([(0, 0, 5), (1, 1, 6)])))
    assert flat.equals(shapely.LineString([(0, 0), (1, 1)]))
    assert not flat.has_z
