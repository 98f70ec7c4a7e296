"""Places as callers name them: what is taken, and what is refused by which name."""

from __future__ import annotations

from typing import Any

import pytest

from api.places import MAX_VERTICES, geometry_of, place
from layers.errors import BadRequest, TooMuch

SQUARE = {"type": "Polygon", "coordinates": [[[116, 31], [117, 31], [117, 32], [116, 32], [116, 31]]]}


def polygon(given: Any) -> Any:
    return geometry_of(given, allowed=("Polygon", "MultiPolygon"))


def test_a_polygon_becomes_a_shape() -> None:
    assert polygon(SQUARE).bounds == (116, 31, 117, 32)


def test_a_feature_stands_for_its_geometry() -> None:
    assert polygon({"type": "Feature", "properties": {}, "geometry": SQUARE}).area == 1


def test_heights_are_left_out() -> None:
    ring = [[*position, 12.5] for position in SQUARE["coordinates"][0]]  # type: ignore[index]
    assert not polygon({"type": "Polygon", "coordinates": [ring]}).has_z


def test_an_offset_frame_moves_the_geometry() -> None:
    moved = geometry_of(SQUARE, frame="gcj02", allowed=("Polygon",))
    assert 0.001 < abs(moved.bounds[0] - 116) < 0.01


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (None, "geometry"),
        ([], "geometry"),
        ("POLYGON((0 0,1 1,1 0,0 0))", "geometry"),
        ({}, "geometry.type"),
        ({"type": ["Polygon"]}, "geometry.type"),
        ({"type": "Point", "coordinates": [116, 31]}, "geometry.type"),
        ({"type": "GeometryCollection", "geometries": []}, "geometry.type"),
        ({"type": "Polygon"}, "geometry.coordinates"),
        ({"type": "Polygon", "coordinates": {}}, "geometry.coordinates"),
        ({"type": "Polygon", "coordinates": []}, "geometry.coordinates"),
        ({"type": "Polygon", "coordinates": [[116, 31]]}, "geometry.coordinates[0][0]"),
        ({"type": "Polygon", "coordinates": [[[116]]]}, "geometry.coordinates[0][0]"),
        ({"type": "Polygon", "coordinates": [[["a", "b"]]]}, "geometry.coordinates[0][0]"),
        ({"type": "Polygon", "coordinates": [[[True, False]]]}, "geometry.coordinates[0][0]"),
        ({"type": "Polygon", "coordinates": [[[None, 31]]]}, "geometry.coordinates[0][0]"),
        ({"type": "Polygon", "coordinates": [[[116, float("nan")]]]}, "geometry.coordinates[0][0][1]"),
        ({"type": "Polygon", "coordinates": [[[10**400, 31]]]}, "geometry.coordinates[0][0][0]"),
        ({"type": "Polygon", "coordinates": [[[200, 31]]]}, "geometry.coordinates[0][0][0]"),
        ({"type": "Polygon", "coordinates": [[[116, 31], [117, 31], [116, 31]]]}, "geometry.coordinates[0]"),
        (
            {"type": "Polygon", "coordinates": [[[116, 31], [117, 31], [117, 32], [116, 32]]]},
            "geometry.coordinates[0]",
        ),
        (
            {"type": "Polygon", "coordinates": [[[116, 31], [117, 32], [117, 31], [116, 32], [116, 31]]]},
            "geometry.coordinates",
        ),
    ],
)
def test_a_bad_geometry_is_refused_by_the_name_of_its_member(given: Any, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        polygon(given)
    assert caught.value.facts["field"] == field


def test_a_geometry_of_too_many_vertices_is_refused() -> None:
    with pytest.raises(TooMuch):
        geometry_of(
            {"type": "MultiPoint", "coordinates": [[116, 31]] * (MAX_VERTICES + 1)}, allowed=("MultiPoint",)
        )


async def test_swapped_longitude_and_latitude_are_said_to_be() -> None:
    with pytest.raises(BadRequest, match="swapped"):
        await place(31.74, 116.5)


@pytest.mark.parametrize(
    ("lon", "lat", "field"), [(181, 0, "lon"), (float("inf"), 0, "lon"), (0, float("nan"), "lat")]
)
async def test_a_point_off_the_earth_is_refused(lon: float, lat: float, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await place(lon, lat)
    assert caught.value.facts["field"] == field
