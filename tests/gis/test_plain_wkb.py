"""Plain shapes as arrays say the same as shapely does of them one by one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gis.plain_wkb import plain_shapes

NUMBERS = st.floats(-1e7, 1e7, allow_nan=False)
PAIRS = st.tuples(NUMBERS, NUMBERS)
RINGS = st.lists(PAIRS, min_size=3, max_size=6).map(lambda points: [*points, points[0]])
SHAPES = {
    "Point": PAIRS.map(shapely.Point),
    "LineString": st.lists(PAIRS, min_size=2, max_size=5).map(shapely.LineString),
    "Polygon": RINGS.map(shapely.Polygon),
}
with np.errstate(invalid="ignore"):
    NOT_A_NUMBER = shapely.LineString([(0, 0), (1, np.nan)])
OTHERS = st.sampled_from(
    [
        None,
        shapely.Point(),
        shapely.Point(1, 2, 3),
        shapely.box(0, 0, 9, 9).difference(shapely.box(1, 1, 2, 2)),
        shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)]),
        shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]]),
        shapely.GeometryCollection([shapely.Point(1, 2)]),
        NOT_A_NUMBER,
        shapely.Point(1, np.inf),
    ]
)


def collected(shape: shapely.Geometry) -> shapely.Geometry:
    return getattr(shapely, f"Multi{shape.geom_type}")([shape])


def column(shapes: list[shapely.Geometry | None], **how: object) -> pa.Array:
    return pa.array(shapely.to_wkb(np.array(shapes, dtype=object), **how).tolist(), pa.binary())


@pytest.mark.parametrize("kind", SHAPES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_plain_comes_back_byte_for_byte_and_everything_else_is_left_alone(
    kind: str, data: st.DataObject
) -> None:
    plain = data.draw(st.lists(st.tuples(SHAPES[kind], st.booleans()), min_size=1, max_size=9))
    there = [collected(shape) if multi else shape for shape, multi in plain]
    others = data.draw(st.lists(OTHERS, max_size=len(plain) - 1))
    mixed = data.draw(st.permutations([(shape, True) for shape in there] + [(o, False) for o in others]))
    found = plain_shapes(column([None, *(shape for shape, _ in mixed)]).slice(1))
    assert found is not None
    rows, shapes = found
    assert rows.tolist() == [is_plain for _, is_plain in mixed]
    parts = [part for shape, is_plain in mixed if is_plain for part in shapely.get_parts(shape)]
    assert shapes.kind == kind
    assert shapes.wkb(multi=False).to_pylist() == shapely.to_wkb(parts).tolist()
    assert shapes.wkb(multi=True).to_pylist() == [shapely.to_wkb(collected(part)) for part in parts]


def test_a_column_without_a_plain_shape_is_left_alone() -> None:
    empty = [None, shapely.Polygon(), shapely.box(0, 0, 9, 9).difference(shapely.box(1, 1, 2, 2))]
    for shapes in ([], [None], empty):
        assert plain_shapes(column(shapes)) is None


def test_bytes_of_the_other_order_cut_short_or_of_a_ring_left_open_are_left_alone() -> None:
    box = shapely.box(0, 0, 1, 1)
    whole = shapely.to_wkb(box)
    left_open = whole[:-16] + np.array([7.0, 7.0]).tobytes()
    given_bytes = [whole, shapely.to_wkb(box, byte_order=0), whole[:-1], whole[:7], b"", b"\1", left_open]
    found = plain_shapes(pa.array(given_bytes, pa.binary()))
    assert found is not None
    assert found[0].tolist() == [True] + [False] * 6


def test_only_some_shapes_and_any_of_their_points_are_told_by_shape() -> None:
    lines = [shapely.LineString([(0, 0), (1, 1)]), shapely.LineString([(5, 5), (6, 6), (7, 7)])]
    found = plain_shapes(column(lines))
    assert found is not None
    _, shapes = found
    assert shapes.any_of(shapes.coordinates[:, 0] == 6).tolist() == [False, True]
    assert shapes.only(np.array([False, True])).wkb(multi=False).to_pylist() == [shapely.to_wkb(lines[1])]
