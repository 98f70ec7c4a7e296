"""Do buildings overlap (BLD-01, BLD-02), does a grid's border cut through one (TOP-10)?"""

from __future__ import annotations

import numpy as np
import shapely

from importers.check.ledger import Said
from importers.check.model import Floats, Geometries, Positions, Rule
from importers.check.overlaps import Shapes, overlaps, say_overlaps
from importers.check.plane import roughly_m2
from importers.check.portion import Portion
from importers.check.repeats import Register
from importers.check.work import Work
from layers.model import Layer, Text


def _is_building(layer: Layer) -> bool:
    return layer.id == "building"


def _is_building_or_grid(layer: Layer) -> bool:
    return layer.id in ("building", "unit_grid")


OVERLAP = Rule(
    "BLD-01",
    "error",
    "consistency",
    Text("房屋重叠", "buildings overlap"),
    "JGJ/T 496-2022",
    _is_building,
    topology="overlaps",
)
SLIGHT = Rule(
    "BLD-02",
    "warning",
    "consistency",
    Text("房屋轻微重叠", "buildings overlap slightly"),
    "JGJ/T 496-2022",
    _is_building,
    topology="overlaps",
)
CUT = Rule(
    "TOP-10",
    "warning",
    "consistency",
    Text("网格界线切割房屋", "a grid's border cuts a building"),
    "GB/T 30428.1-2013",
    _is_building_or_grid,
    topology="cuts",
)
RULES = (OVERLAP, SLIGHT, CUT)

MOST_OF_IT = 0.1
"""Sharing more than this part of the smaller, two buildings cannot both be right."""


class Buildings:
    """Overlaps of buildings, over the whole layer."""

    def __init__(self, work: Work, register: Register) -> None:
        self._work = work
        self._register = register
        self._shapes = Shapes()

    @staticmethod
    def asked(work: Work) -> bool:
        return work.ledger.asks(OVERLAP, SLIGHT)

    def feed(self, portion: Portion) -> None:
        self._shapes.feed(portion)

    def finish(self) -> None:
        work, shapes = self._work, self._shapes
        for rule in (OVERLAP, SLIGHT):
            work.ledger.checked(rule, len(shapes))
        standing = work.surroundings.get(work.layer.id)
        if work.options.partial and standing is not None:
            shapes.add_standing(standing, self._register.keys)
        found = overlaps(shapes, work.options)
        much = found.share > MOST_OF_IT
        say_overlaps(work.ledger, OVERLAP, self._register, shapes, found, much)
        say_overlaps(work.ledger, SLIGHT, self._register, shapes, found, ~much)


def check_cut(portion: Portion, work: Work) -> None:
    """Buildings that lie in more than one of the published grids."""
    if work.layer.id != "building" or not work.ledger.asks(CUT):
        return
    grids = work.surroundings.get("unit_grid")
    if grids is None:
        work.ledger.skip(CUT, Text("未检查：缺少图层 unit_grid", "not asked: there is no layer unit_grid"))
        return
    work.ledger.checked(CUT, int(portion.valid.sum()))
    building, grid, area = cut_by(portion.sound, grids.geometry, grids.tree, work.options.cut_m2)
    rows, first, times = np.unique(building, return_index=True, return_counts=True)

    def said(ordinal: int) -> Said:
        here = slice(first[ordinal], first[ordinal] + times[ordinal])
        parts = ", ".join(f"{grids.codes[g]} {a:.1f} m²" for g, a in zip(grid[here], area[here], strict=True))
        return Said(f"被网格界线切割：{parts}", f"cut by the border of grids: {parts}", int(times[ordinal]))

    work.ledger.found_each(CUT, portion, rows, said)


def cut_by(
    buildings: Geometries, grids: Geometries, grid_tree: shapely.STRtree, least_m2: float
) -> tuple[Positions, Positions, Floats]:
    """Building, grid and area of every piece larger than `least_m2` of buildings that fall into several.

    Ordered by building, then by grid. A building that overlaps a second grid by less is not cut.
    """
    building, grid = grid_tree.query(buildings, predicate="intersects")
    several = np.bincount(building, minlength=len(buildings))[building] > 1
    building, grid = building[several], grid[several]
    area = roughly_m2(np.asarray(shapely.intersection(buildings[building], grids[grid]), dtype=object))
    large = area > least_m2
    building, grid, area = building[large], grid[large], area[large]
    several = np.bincount(building, minlength=len(buildings))[building] > 1
    order = np.lexsort((grid[several], building[several]))
    return building[several][order], grid[several][order], area[several][order]
