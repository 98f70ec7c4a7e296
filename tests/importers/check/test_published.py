"""The surroundings come from the published layers."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry.base import BaseGeometry

from gis.shapes import to_multi
from importers.check import CheckOptions, check
from importers.check.published import surroundings_of, wanted_around
from layers.catalogue import get_layer
from layers.db import Database
from layers.publish import Batch, publish, stage, withdraw
from tests.importers.check.specimens import (
    KNOWN,
    TODAY,
    box,
    broken,
    line,
    offenders,
    plain,
    point,
    rows,
)

HOME = "341502001001"


async def put(db: Database, layer_id: str, shapes: list[BaseGeometry], **columns: list[object]) -> None:
    layer = await get_layer(db, layer_id)
    stored = to_multi(np.array(shapes, dtype=object), layer.geometry_type)
    staged = await stage(db, layer, [Batch([s.wkb for s in stored], columns)])
    await publish(db, staged, by="test", report={})


def test_each_layer_asks_for_what_stands_around_it() -> None:
    assert wanted_around(KNOWN["pipe_line"]) == ("district", "pipe_node")
    assert set(wanted_around(KNOWN["component"])) == {"district", "street", "community", "unit_grid"}
    assert "unit_grid" not in wanted_around(KNOWN["unit_grid"])
    assert "unit_grid" in wanted_around(KNOWN["unit_grid"], partial=True)
    assert wanted_around(plain()) == ("district",)
    assert wanted_around(KNOWN["district"]) == ()


async def test_a_city_without_anything_published_has_no_surroundings(database: Database) -> None:
    assert dict(await surroundings_of(database, KNOWN["component"])) == {}


async def test_components_are_looked_at_among_published_grids(database: Database) -> None:
    await put(
        *(database, "unit_grid", [box(0, 0, 100, 100), box(100, 0, 200, 100)]),
        code=[f"{HOME}001", f"{HOME}002"],
    )
    layer = KNOWN["component"]
    around = await surroundings_of(database, layer)
    assert list(around) == ["unit_grid"]
    assert around["unit_grid"].codes.tolist() == [f"{HOME}001", f"{HOME}002"]
    lamps = rows(
        *(layer, [point(50, 50), point(50, 500)]),
        code=["34150201037000001", "34150201037000002"],
        name=["路灯", "路灯"],
        grid_code=[f"{HOME}002", None],
    )
    found = check(layer, lamps, around, CheckOptions(today=TODAY))
    assert offenders(found, "TOP-09") == [1]
    assert offenders(found, "TOP-07") == [2]


async def test_pipes_are_looked_at_among_published_nodes(database: Database) -> None:
    await put(
        *(database, "pipe_node", [point(0, 0), point(30, 0)]),
        code=["a", "b"],
        pipe_class=["JS", "JS"],
        feature=["盖堵", "盖堵"],
        ground_elevation_m=[40.0, None],
    )
    layer = KNOWN["pipe_line"]
    around = await surroundings_of(database, layer)
    values: dict[str, list[object]] = {
        "start_node": ["a"],
        "end_node": ["b"],
        "pipe_class": ["JS"],
        "start_depth_m": [1.0],
        "start_elevation_m": [38.0],
    }
    found = check(layer, rows(layer, [line((0, 0), (30, 0.5))], **values), around, CheckOptions(today=TODAY))
    assert broken(found) == {"PIP-02", "PIP-07"}


async def test_a_withdrawn_layer_is_not_around(database: Database) -> None:
    await put(database, "district", [box(0, 0, 100, 100)], code=["341502"], name=["金安区"])
    assert list(await surroundings_of(database, plain())) == ["district"]
    await withdraw(database, "district", by="test")
    assert list(await surroundings_of(database, plain())) == []


@pytest.mark.parametrize("partial", [False, True])
async def test_standing_rows_are_around_for_a_partial_delivery_only(
    database: Database, partial: bool
) -> None:
    await put(database, "building", [box(0, 0, 10, 10)], code=["b1"])
    layer = KNOWN["building"]
    around = await surroundings_of(database, layer, partial=partial)
    options = CheckOptions(partial=partial, today=TODAY)
    found = check(layer, rows(layer, [box(5, 0, 15, 10)], code=["b2"]), around, options)
    assert broken(found) == ({"BLD-01"} if partial else set())
