"""Geometries made what a layer stores, and those that cannot be, each by its own rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from gis.crs import CGCS2000, read_crs
from importers.geometry import Prepared, Target, prepare
from layers.model import BoundingBox, GeometryType

SQUARE = shapely.box(116.5, 31.7, 116.51, 31.71)
BOW_TIE = shapely.Polygon([(116.5, 31.7), (116.51, 31.71), (116.51, 31.7), (116.5, 31.71)])


def prepared(*shapes: object, into: GeometryType = "MultiPolygon", **target: Any) -> Prepared:
    given = np.empty(len(shapes), dtype=object)
    given[:] = shapes
    return prepare(given, Target(target.pop("crs", CGCS2000), into, **target))


def refused(found: Prepared) -> dict[str, list[int]]:
    return {rule: np.flatnonzero(mask).tolist() for rule, mask in found.refused.items()}


def test_single_shapes_become_multi_and_nothing_else_changes() -> None:
    found = prepared(SQUARE, shapely.MultiPolygon([SQUARE]))
    assert [s.geom_type for s in found.shapes] == ["MultiPolygon", "MultiPolygon"]
    assert found.shapes[0].equals(SQUARE)
    assert not found.refused
    assert not found.mended


def test_an_invalid_ring_is_made_valid_and_counted_with_its_reason() -> None:
    found = prepared(SQUARE, BOW_TIE)
    assert found.shapes[1].is_valid
    assert found.shapes[1].geom_type == "MultiPolygon"
    assert [(rule, reason, np.flatnonzero(rows).tolist()) for rule, reason, rows in found.mended] == [
        ("geometry.mended", "Self-intersection", [1])
    ]


def test_heights_are_dropped_and_counted() -> None:
    found = prepared(shapely.Point(116.5, 31.7, 41.5), shapely.Point(116.5, 31.7), into="Point")
    assert not shapely.has_z(found.shapes).any()
    assert [(rule, np.flatnonzero(rows).tolist()) for rule, _, rows in found.mended] == [
        ("geometry.height", [0])
    ]


def test_each_impossible_geometry_is_refused_by_its_own_rule() -> None:
    found = prepared(
        None,
        shapely.Point(),
        shapely.Point(np.nan, 31.7),
        shapely.Point(np.inf, 31.7),
        shapely.Point(190, 31.7),
        shapely.Point(116.5, 90),
        shapely.Point(0, 0),
        SQUARE,
        shapely.MultiPoint([(116.5, 31.7), (116.6, 31.7)]),
        shapely.Point(116.5, 31.7),
        into="Point",
    )
    assert refused(found) == {
        "geometry.missing": [0],
        "geometry.empty": [1],
        "geometry.not_finite": [2, 3],
        "geometry.off_earth": [4, 5],
        "geometry.zero": [6],
        "geometry.type": [7, 8],
    }
    assert [s is None for s in found.shapes] == [True] * 9 + [False]


def test_a_polygon_that_collapses_cannot_be_mended() -> None:
    flat = shapely.Polygon([(116.5, 31.7), (116.51, 31.7), (116.5, 31.7), (116.5, 31.7)])
    assert refused(prepared(flat)) == {"geometry.unmendable": [0]}


def test_a_collection_of_one_kind_is_taken_and_a_mixture_is_not() -> None:
    same = shapely.GeometryCollection([SQUARE, shapely.box(116.6, 31.7, 116.61, 31.71)])
    mixed = shapely.GeometryCollection([SQUARE, shapely.Point(116.5, 31.7)])
    found = prepared(same, mixed)
    assert found.shapes[0].geom_type == "MultiPolygon"
    assert refused(found) == {"geometry.type": [1]}


def test_a_single_multipoint_is_its_point() -> None:
    found = prepared(shapely.MultiPoint([(116.5, 31.7)]), into="Point")
    assert found.shapes[0].equals(shapely.Point(116.5, 31.7))


def test_plane_coordinates_arrive_as_degrees_longitude_first() -> None:
    found = prepared(shapely.Point(39_452_641.0, 3_512_822.0), into="Point", crs=read_crs(4527))
    assert found.shapes[0].x == pytest.approx(116.5, abs=1e-3)
    assert found.shapes[0].y == pytest.approx(31.74, abs=1e-2)


def test_coordinates_beyond_the_projection_are_refused() -> None:
    found = prepared(shapely.Point(1e12, 1e12), into="Point", crs=read_crs(4527))
    assert set(refused(found)) <= {"geometry.beyond_crs", "geometry.off_earth"}
    assert found.shapes[0] is None


def test_rows_far_from_the_city_are_refused_only_where_a_city_is_known() -> None:
    city = BoundingBox(116.3, 31.5, 116.7, 31.9)
    away = shapely.Point(-74.0, 40.7)
    assert refused(prepared(shapely.Point(116.5, 31.7), away, into="Point", city=city)) == {
        "geometry.elsewhere": [1]
    }
    assert not refused(prepared(away, into="Point"))


def test_a_mixed_layer_keeps_every_type_as_it_came() -> None:
    shapes = (SQUARE, shapely.Point(116.5, 31.7), shapely.LineString([(116.5, 31.7), (116.6, 31.7)]))
    found = prepared(*shapes, into="Geometry")
    assert [s.geom_type for s in found.shapes] == ["Polygon", "Point", "LineString"]


def test_no_rows_give_no_rows() -> None:
    assert len(prepared(into="Point").shapes) == 0
