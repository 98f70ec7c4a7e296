"""The plan's lines and cells as geometry on the ground, edge for edge the same on both sides.

Every line of the plan carries one list of vertices: its crossings, and points between them close
enough to follow the bend. A cell's ring is made of slices of those lists, so neighbours share their
vertices exactly; unions of cells keep them all.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from sample_data.frame import Floats, Frame, Ints
from sample_data.plan import CM, Line, Plan

Geometries = NDArray[np.object_]

CHORD_M = 45.0
"""Longest straight piece of a bent line: stays within 0.3 m of the curve."""


class Outlines:
    """Geometry (EPSG:4548 metres) of a plan's lines and cells; `cells` are Polygons in the plan's order."""

    def __init__(self, plan: Plan) -> None:
        self._stations = [_stations(line) for line in plan.lines]
        u, v = self._plan_points(plan.lines)
        self._first = np.concatenate([[0], np.cumsum([len(s) for s in self._stations])])
        self._ground = _to_ground_once(plan.frame, u, v)
        self.cells: Geometries = np.array([self._cell(plan, n) for n in range(len(plan.cells))], dtype=object)

    def line(self, number: int) -> shapely.LineString:
        """Line `number` on the ground, from its low to its high end."""
        return shapely.LineString(self._ground[self._first[number] : self._first[number + 1]])

    def _plan_points(self, lines: list[Line]) -> tuple[Ints, Ints]:
        along = np.concatenate(self._stations)
        sizes = [len(s) for s in self._stations]
        at = np.repeat([line.at for line in lines], sizes)
        is_vertical = np.repeat([line.is_vertical for line in lines], sizes)
        return np.where(is_vertical, at, along), np.where(is_vertical, along, at)

    def _slice(self, line: int, low: int, high: int) -> Floats:
        """Ground vertices of `line` from plan position `low` to `high` (cm), both included."""
        stations = self._stations[line]
        first, last = np.searchsorted(stations, [low, high])
        assert (stations[first], stations[last]) == (low, high), "a cell's corner is no stop of its side"
        start = self._first[line]
        return np.asarray(self._ground[start + first : start + last + 1])

    def _cell(self, plan: Plan, number: int) -> shapely.Polygon:
        cell = plan.cells[number]
        r, sides = cell.rectangle, cell.sides
        ring = np.concatenate(
            [
                self._slice(sides.bottom, r.u0, r.u1)[:-1],
                self._slice(sides.right, r.v0, r.v1)[:-1],
                self._slice(sides.top, r.u0, r.u1)[:0:-1],
                self._slice(sides.left, r.v0, r.v1)[:0:-1],
            ]
        )
        return shapely.Polygon(ring)


def union_by(cells: Geometries, groups: Ints) -> Geometries:
    """One geometry per group number 0..n: the union of its cells, all vertices kept."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(int(groups.max()) + 2))
    return np.array(
        [shapely.coverage_union_all(cells[order[a:b]]) for a, b in pairwise(starts)],
        dtype=object,
    )


def _stations(line: Line) -> Ints:
    """Plan positions (cm) of the line's vertices: its stops, and whole-cm points between distant ones."""
    stops = np.array(sorted(line.stops), dtype=np.int64)
    parts = np.maximum(1, np.ceil(np.diff(stops) / (CHORD_M * CM)).astype(np.int64))
    pieces = [
        low + (high - low) * np.arange(n) // n for low, high, n in zip(stops, stops[1:], parts, strict=False)
    ]
    return np.concatenate([*pieces, stops[-1:]])


def _to_ground_once(frame: Frame, u: Ints, v: Ints) -> Floats:
    """Ground points of plan points, each different plan point computed once (so equal ones stay equal)."""
    pairs, inverse = np.unique(np.stack([u, v], axis=1), axis=0, return_inverse=True)
    x, y = frame.to_ground(pairs[:, 0] / CM, pairs[:, 1] / CM)
    return np.stack([x, y], axis=1)[inverse.ravel()]
