"""The plan and its outlines: counts met, cells that tile, whatever the seed and the size."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from sample_data.admin import administer
from sample_data.check import Untidy, verify, verify_coverage
from sample_data.outlines import Outlines
from sample_data.plan import Plan, apportion, make_plan
from sample_data.roads import junctions, name_roads


def plan_of(scale: float, seed: int = 1) -> Plan:
    return make_plan(scale, round(12_000 * scale), np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [0.001, 0.005, 0.02, 0.2])
def test_any_city_tiles_at_every_rank_and_has_its_grids(scale: float, seed: int) -> None:
    plan = plan_of(scale, seed)
    outlines = Outlines(plan)
    verify(outlines, administer(plan, outlines, np.random.default_rng(seed)))
    assert len(plan.cells) == pytest.approx(12_000 * scale, abs=3)
    assert shapely.area(outlines.cells).sum() == pytest.approx(120e6 * scale, rel=0.01)


def test_a_gap_and_an_overlap_are_found() -> None:
    squares = np.array([shapely.box(x, 0, x + 1, 1) for x in (0, 1, 2)], dtype=object)
    verify_coverage("squares", squares)
    with pytest.raises(Untidy, match="overlap"):
        verify_coverage("squares", np.append(squares, [shapely.box(2.5, 0, 3.5, 1)]))
    ring = np.array([shapely.box(0, 0, 3, 3) - shapely.box(1, 1, 2, 2)], dtype=object)
    with pytest.raises(Untidy, match="gap"):
        verify_coverage("ring", ring)


def test_roads_have_names_and_end_on_other_roads_or_at_the_limit() -> None:
    plan = plan_of(0.02)
    name_roads(plan, np.random.default_rng(1))
    names = [road.name for road in plan.roads()]
    assert all(names)
    assert {"淠河西路", "淠河东路", "解放路"} <= set(names)
    ends = {(v.number, h.at) for v, h in junctions(plan)} | {(h.number, v.at) for v, h in junctions(plan)}
    limits = [line for line in plan.lines if line.kind == "limit"]
    for road in plan.roads():
        for end in (road.low, road.high):
            at_limit = any(
                line.is_vertical != road.is_vertical and line.at == end and line.low <= road.at <= line.high
                for line in limits
            )
            assert at_limit or (road.number, end) in ends, road


def test_the_river_parts_the_districts() -> None:
    plan = plan_of(0.02)
    outlines = Outlines(plan)
    admin = administer(plan, outlines, np.random.default_rng(1))
    for cell, code in zip(plan.cells, admin.grid_codes, strict=True):
        assert code.startswith("341502" if cell.rectangle.u1 > 0 else "341503")


def test_apportioned_numbers_add_up_and_keep_the_least() -> None:
    counts = apportion(np.array([1.0, 1.0, 98.0]), 10, least=1)
    assert counts.tolist() == [1, 1, 8]
    assert apportion(np.array([1.0, 1.0]), 1, least=1).tolist() == [1, 1]
    assert apportion(np.ones(7), 100).sum() == 100
