"""Do the lines of a layer of one's own meet where they nearly do? (TOP-11)

Asked where somebody asks for it (`topology`, rule `ends`). An end that lies on no other line and has one
within `NEAR_M` was probably meant to meet it; an end far from all others is a dead end and no fault.
"""

from __future__ import annotations

import numpy as np
import shapely

from importers.check.ledger import Said
from importers.check.model import Floats, Geometries, Positions, Rule
from importers.check.plane import scale
from importers.check.portion import Portion
from importers.check.repeats import Register
from importers.check.work import Work
from layers.model import Layer, Text

NEAR_M = 2.0
"""An undershoot of a drawing at 1:2000, and what a hand-held receiver is off by."""
ON_M = 0.001
"""What counts as lying on the other line."""


def _is_own_lines(layer: Layer) -> bool:
    return not layer.known and layer.geometry_type == "MultiLineString"


DANGLING = Rule(
    "TOP-11",
    "error",
    "consistency",
    Text("线端悬挂", "dangling end"),
    applies=_is_own_lines,
    topology="ends",
)
RULES = (DANGLING,)


class OwnLines:
    """The ends of all lines, and how near the next line is."""

    def __init__(self, work: Work, register: Register) -> None:
        self._work = work
        self._register = register
        self._lines: list[Geometries] = []
        self._owners: list[Positions] = []
        self._rows = 0

    @staticmethod
    def asked(work: Work) -> bool:
        return work.ledger.asks(DANGLING)

    def feed(self, portion: Portion) -> None:
        parts, owners = shapely.get_parts(portion.geometry, return_index=True)
        kept = (shapely.get_type_id(parts) == int(shapely.GeometryType.LINESTRING)) & ~shapely.is_empty(parts)
        self._lines.append(parts[kept])
        self._owners.append(owners[kept] + self._rows)
        self._rows += len(portion)

    def finish(self) -> None:
        lines = np.concatenate([np.empty(0, dtype=object), *self._lines])
        owners = np.concatenate([np.empty(0, dtype=np.intp), *self._owners])
        self._work.ledger.checked(DANGLING, self._rows)
        if not len(lines):
            return
        plane = _in_metres(lines)
        open_ones = np.flatnonzero(~shapely.is_closed(plane))
        ends = np.concatenate([shapely.get_point(plane[open_ones], at) for at in (0, -1)])
        places = np.concatenate([shapely.get_point(lines[open_ones], at) for at in (0, -1)])
        of_line = np.concatenate([open_ones, open_ones])
        away = _to_the_next(ends, of_line, plane)
        wrong = np.flatnonzero((away > ON_M) & (away <= NEAR_M))
        wrong = wrong[np.argsort(owners[of_line[wrong]], kind="stable")]

        def said(ordinal: int) -> Said:
            position = int(wrong[ordinal])
            return Said(
                f"线端悬挂：距最近的线 {away[position]:.3f} m，未相接",
                f"an end that meets no other line and is {away[position]:.3f} m from the next",
                f"{away[position]:.3f}",
                geometry=places[position],
            )

        self._work.ledger.found_each(DANGLING, self._register, owners[of_line[wrong]], said)


def _in_metres(lines: Geometries) -> Geometries:
    """The lines on a plane of metres round their middle: lengths of some metres are right there."""
    _, south, _, north = shapely.total_bounds(lines)
    east_m, north_m = scale((south + north) / 2)
    factors = np.array([float(east_m), float(north_m)])
    return np.asarray(shapely.transform(lines, lambda c: c * factors), dtype=object)


def _to_the_next(ends: Geometries, of_line: Positions, lines: Geometries) -> Floats:
    """How far each end is from the nearest line that is not its own; infinite beyond `NEAR_M`."""
    tree = shapely.STRtree(lines)
    end, line = tree.query(ends, predicate="dwithin", distance=NEAR_M)
    others = line != of_line[end]
    end, line = end[others], line[others]
    away = np.full(len(ends), np.inf)
    np.minimum.at(away, end, shapely.distance(ends[end], lines[line]))
    return away
