"""Whatever comes, the check answers: nasty shapes and values through every known layer, in any batches."""

from __future__ import annotations

import json
import struct
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.check import Checker, CheckOptions, Places, Rows, Surroundings, check
from importers.check.mend import Mender
from layers.mendings import MENDINGS, MendOptions
from layers.model import Field
from tests.importers.check.specimens import KNOWN, TODAY, area, at, box, line, places, point

HOUSE = box(0, 0, 10, 10)
with np.errstate(invalid="ignore"):
    NOT_A_NUMBER = shapely.from_wkb(
        HOUSE.wkb.replace(struct.pack("<d", at(10, 0)[0]), struct.pack("<d", float("nan")))
    )
SHAPES: list[Any] = [
    None,
    point(0, 0),
    point(100, 50),
    shapely.Point(),
    shapely.Point(float("nan"), 31.7),
    shapely.Point(181, 91),
    shapely.Point(1e300, -1e300),
    shapely.MultiPoint([at(0, 0), at(5, 5)]),
    line((0, 0), (30, 0)),
    line((30, 0), (0, 0)),
    line((0, 0), (0, 0)),
    line((0, 0), (50, 0), (0, 0.01)),
    shapely.LineString(),
    shapely.LineString([at(0, 0), (float("inf"), 31.7)]),
    shapely.MultiLineString([line((0, 0), (9, 0)), line((20, 0), (30, 0))]),
    shapely.LinearRing([at(0, 0), at(9, 0), at(9, 9)]),
    HOUSE,
    box(0, 0, 10, 10).reverse(),
    box(5, 0, 15, 10),
    box(0, 0, 100, 100),
    box(99.5, 0, 200, 100),
    box(0, 0, 200, 100).difference(box(50, 50, 60, 60)),
    area((0, 0), (10, 10), (10, 0), (0, 10)),
    area((0, 0), (10, 0), (5, 0)),
    NOT_A_NUMBER,
    shapely.MultiPolygon([HOUSE, box(5, 5, 15, 15)]),
    shapely.MultiPolygon([HOUSE, box(20, 0, 30, 10)]),
    shapely.GeometryCollection([HOUSE, point(0, 0)]),
    shapely.GeometryCollection(),
    shapely.force_3d(HOUSE, 40.0),
    shapely.box(-180, -90, 180, 90),
    shapely.box(-1e9, -1e9, 1e9, 1e9),
]
HOME = "341502001001"
TEXTS = [
    *("", " ", "a", "b", "c1", "341502", HOME, f"{HOME}001", f"{HOME[:-1]}1001", "34150200100101"),
    *("3415020101000001", "34150201001000001", "34150200000000001", "99999999999999999"),
    *("JS", "PS", "给水", "0", "1", "DN300", "400X300", "三通", "盖堵", "NULL", "\x00", "锟斤拷", "１２"),
    *("=1+1", "air", "so2,pm25", "91350100M000100Y43", "x" * 2000, "😀", "\u200b"),
]
NUMBERS = [None, 0.0, -1.0, 3.0, 38.5, 40.0, 1e308, -1e308, float("inf"), 5e-324]
VALUES: dict[str, list[Any]] = {
    "text": [None, *TEXTS],
    "integer": [None, 0, -1, 3, 2**62, -(2**62), 2026],
    "number": NUMBERS,
    "boolean": [None, True, False],
    "date": [None, date(1, 1, 1), date(2020, 1, 1), date(9999, 12, 31)],
    "datetime": [None, datetime(2020, 1, 1, tzinfo=UTC)],
}
AROUND = Surroundings(
    {
        "district": places(["341502", "341503"], [box(-500, -500, 100, 500), box(100, -500, 500, 500)]),
        "street": places(["341502001"], [box(-500, -500, 500, 500)]),
        "community": places([HOME], [box(0, 0, 200, 100)]),
        "unit_grid": places([f"{HOME}001", f"{HOME}002"], [box(0, 0, 100, 100), box(100, 0, 200, 100)]),
        "building": places(["b1"], [box(90, 10, 110, 20)]),
        "pipe_node": places(
            *(["a", "b"], [point(0, 0), point(30, 0)]),
            feature=["三通", None],
            appendage=[None, " "],
            pipe_class=["JS", None],
            ground_elevation_m=[40.0, None],
        ),
        "pipe_line": places(["l"], [line((0, 0), (30, 0))], start_node=["a"], end_node=[None]),
    }
)
EMPTY = Surroundings({name: Places.of(np.empty(0, object), np.empty(0, object)) for name in AROUND})


def column(data: st.DataObject, field: Field | None, size: int) -> list[Any]:
    assert field is not None
    pool = VALUES[field.type] + ([*field.codes] if field.codes and field.type == "text" else [])
    return data.draw(st.lists(st.sampled_from(pool), min_size=size, max_size=size))


@pytest.mark.parametrize("layer_id", KNOWN)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_every_layer_answers_whatever_comes(layer_id: str, data: st.DataObject) -> None:
    layer = KNOWN[layer_id]
    shapes = data.draw(st.lists(st.sampled_from(SHAPES), max_size=8))
    fields = data.draw(st.lists(st.sampled_from(layer.field_names), unique=True))
    rows = Rows.of(layer, shapes, {name: column(data, layer.field(name), len(shapes)) for name in fields})
    around = data.draw(st.sampled_from([AROUND, EMPTY, Surroundings()]))
    options = CheckOptions(today=TODAY, partial=data.draw(st.booleans()), cap=data.draw(st.integers(0, 5)))
    whole = check(layer, rows, around, options)
    json.dumps(whole.to_json(), allow_nan=False)
    whole.text("zh")
    size = data.draw(st.integers(1, 4))
    checker = Checker(layer, around, options)
    for start in range(0, len(rows), size):
        checker.feed(rows.part(start, min(start + size, len(rows))))
    parts = checker.finish()
    assert parts.tallies == whole.tallies
    assert parts.findings == whole.findings
    late = checker.late_errors
    assert set(late.tolist()) <= set(rows.numbers.tolist())
    mender = Mender(layer, MendOptions(frozenset(MENDINGS)), around)
    assert len(mender.tile(mender.mend(rows))) == len(rows)
