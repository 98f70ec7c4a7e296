"""The roads of a plan: their names, and the stretches between crossings along which things stand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sample_data.frame import Floats, Ints
from sample_data.names import EAST_WEST_ROADS, NORTH_SOUTH_ROADS, RIVERSIDE_ROADS, branch_names
from sample_data.plan import CM, Line, Plan

RANK = {"express": 0, "trunk": 1, "secondary": 2, "branch": 3}
WORDS = {"express": "快速路", "trunk": "主干路", "secondary": "次干路", "branch": "支路"}
LANES = {"express": 8, "trunk": 6, "secondary": 4, "branch": 2}


def name_roads(plan: Plan, rng: np.random.Generator) -> None:
    """Give every road of `plan` its name: the city's own for the main ones, nearest the heart first."""
    roads = plan.roads()
    taken: set[str] = set()
    bank = round(plan.frame.bank_m * CM)
    for road in roads:
        if road.is_vertical and abs(road.at) == bank:
            road.name = RIVERSIDE_ROADS[int(road.at > 0)]
    for is_vertical, pool in ((False, EAST_WEST_ROADS), (True, NORTH_SOUTH_ROADS)):
        heart = 0.0 if is_vertical else plan.frame.north * CM / 2
        wide = [r for r in roads if r.is_vertical == is_vertical and RANK[r.kind] < 3 and not r.name]
        wide.sort(key=lambda r: (RANK[r.kind], abs(r.at - heart), r.number))
        for road, name in zip(wide, pool, strict=False):
            road.name = name
    taken.update(road.name for road in roads)
    rest = sorted((r for r in roads if not r.name), key=lambda r: (RANK[r.kind], r.number))
    for road, name in zip(rest, branch_names(rng, len(rest), taken), strict=True):
        road.name = name


def junctions(plan: Plan) -> list[tuple[Line, Line]]:
    """(north–south road, east–west road) wherever two roads meet, in the order of the roads."""
    verticals = [r for r in plan.roads() if r.is_vertical]
    horizontals = [r for r in plan.roads() if not r.is_vertical]
    at = np.array([h.at for h in horizontals], dtype=np.int64)
    low = np.array([h.low for h in horizontals], dtype=np.int64)
    high = np.array([h.high for h in horizontals], dtype=np.int64)
    met: list[tuple[Line, Line]] = []
    for v in verticals:
        hits = (at >= v.low) & (at <= v.high) & (low <= v.at) & (high >= v.at)
        met.extend((v, horizontals[k]) for k in np.flatnonzero(hits))
    return met


@dataclass(frozen=True)
class Stretches:
    """Pieces of road between crossings, in plan metres; one row per piece, shorter ones left out.

    `at` is the middle line's position across, `low`..`high` its extent along, clear of the crossings.
    """

    road: Ints
    is_vertical: np.ndarray[tuple[int], np.dtype[np.bool_]]
    at: Floats
    low: Floats
    high: Floats
    half_width: Floats
    rank: Ints
    is_bridge: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @property
    def length(self) -> Floats:
        return self.high - self.low


def stretches(plan: Plan) -> Stretches:
    """The stretches of all roads at least 12 m long, in the order of the roads."""
    ends: dict[int, list[tuple[float, float]]] = {road.number: [] for road in plan.roads()}
    for v, h in junctions(plan):
        ends[v.number].append((h.at / CM, h.half_width_m))
        ends[h.number].append((v.at / CM, v.half_width_m))
    rows: list[tuple[int, bool, float, float, float, float, int, bool]] = []
    for road in plan.roads():
        stops = sorted({*ends[road.number], (road.low / CM, 0.0), (road.high / CM, 0.0)})
        for (a, wide_a), (b, wide_b) in pairwise(stops):
            low, high = a + wide_a + 3.0, b - wide_b - 3.0
            if high - low < 12.0:
                continue
            bridge = not road.is_vertical and low < 0 < high
            rows.append(
                (
                    road.number,
                    road.is_vertical,
                    road.at / CM,
                    low,
                    high,
                    road.half_width_m,
                    RANK[road.kind],
                    bridge,
                )
            )
    columns = [np.array(c) for c in zip(*rows, strict=True)]
    return Stretches(*columns)
