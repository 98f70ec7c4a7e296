"""Does each component stand in exactly one unit grid, the one it names? (TOP-07 … TOP-09)"""

from __future__ import annotations

import numpy as np

from importers.check.ledger import Said
from importers.check.model import Positions, Rule
from importers.check.portion import Portion
from importers.check.surroundings import Places
from importers.check.work import Work
from layers.model import Layer, Text

_SOURCE = "GB/T 30428.1-2013; GB/T 47678.5-2026 表2"


def _is_component(layer: Layer) -> bool:
    return layer.id == "component"


NOWHERE = Rule(
    "TOP-07",
    "warning",
    "consistency",
    Text("部件不在任何单元网格内", "component in no unit grid"),
    _SOURCE,
    _is_component,
    needs=("unit_grid",),
    topology="grid",
)
SEVERAL = Rule(
    "TOP-08",
    "warning",
    "consistency",
    Text("部件落在多个单元网格", "component in several unit grids"),
    _SOURCE,
    _is_component,
    needs=("unit_grid",),
    topology="grid",
)
OTHER = Rule(
    "TOP-09",
    "error",
    "consistency",
    Text("所在单元网格与位置不符", "component names another grid"),
    _SOURCE,
    _is_component,
    needs=("unit_grid",),
    topology="grid",
)
RULES = (NOWHERE, SEVERAL, OTHER)


def check_components(portion: Portion, work: Work) -> None:
    """Points against the published grids; the accuracy of a place is allowed for at borders."""
    ledger = work.ledger
    if not ledger.asks(NOWHERE, SEVERAL, OTHER):
        return
    grids = work.surroundings["unit_grid"]
    for rule in (NOWHERE, SEVERAL):
        ledger.checked(rule, int(portion.valid.sum()))
    point, grid = grids.tree.query(portion.sound, predicate="intersects")
    counts = np.bincount(point, minlength=len(portion))
    lowest = np.full(len(portion), len(grids), dtype=np.intp)
    np.minimum.at(lowest, point, grid)
    ledger.found(
        NOWHERE,
        portion,
        portion.valid & (counts == 0),
        lambda _: Said("不在任何单元网格内", "it stands in no unit grid"),
    )
    ledger.found(
        SEVERAL,
        portion,
        counts > 1,
        lambda p: Said(
            f"落在 {counts[p]} 个单元网格的界线或重叠处，归入 {grids.codes[lowest[p]]}",
            f"it stands on the border or overlap of {counts[p]} grids; it goes to {grids.codes[lowest[p]]}",
            str(grids.codes[lowest[p]]),
        ),
    )
    if ledger.asks(OTHER) and portion.has("grid_code"):
        _check_stated(portion, work, grids, lowest)


def _check_stated(portion: Portion, work: Work, grids: Places, lowest: Positions) -> None:
    texts = portion.texts("grid_code")
    stated = grids.positions(texts.all)
    asked = (
        portion.valid & texts.given & ~texts.rows(np.array([v == "" for v in texts.values.to_pylist()], bool))
    )
    unknown = asked & (stated < 0)
    differ = asked & (stated >= 0) & (stated != lowest)
    differ[differ] = ~grids.reach(stated[differ], portion.geometry[differ], work.options.position_m)
    work.ledger.checked(OTHER, int(asked.sum()))

    def said(position: int) -> Said:
        value = texts.at(position)
        if unknown[position]:
            return Said(f"没有单元网格 {value}", f"there is no unit grid {value}", value, "grid_code")
        here = str(grids.codes[lowest[position]]) if lowest[position] < len(grids) else None
        zh, en = (f"位于 {here}", f"stands in {here}") if here else ("不在任何网格内", "stands in no grid")
        return Said(
            f"所在单元网格为 {value}，但{zh}", f"it names the grid {value}, but {en}", value, "grid_code"
        )

    work.ledger.found(OTHER, portion, unknown | differ, said)
