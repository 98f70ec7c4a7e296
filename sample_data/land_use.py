"""What stands on each block: old town, villages in the city, estates, shops, schools, works, parks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sample_data.frame import Floats, Ints
from sample_data.names import estate_names
from sample_data.plan import CM, Line, Plan
from sample_data.roads import RANK

Use = Literal[
    "old", "village", "slab", "tower", "mall", "office", "school", "hospital", "plant", "park", "river"
]
USES: tuple[Use, ...] = (
    "old", "village", "slab", "tower", "mall", "office", "school", "hospital", "plant", "park", "river",
)  # fmt: skip

_MIX = np.array(
    [
        # old village slab tower mall office school hospital plant park
        [0.40, 0.06, 0.23, 0.06, 0.09, 0.04, 0.04, 0.02, 0.00, 0.06],
        [0.20, 0.28, 0.25, 0.08, 0.04, 0.03, 0.04, 0.02, 0.01, 0.05],
        [0.03, 0.42, 0.20, 0.11, 0.03, 0.03, 0.04, 0.01, 0.09, 0.04],
    ]
)
"""Shares of the blocks in the heart, around it, and outside. Invented."""
SETBACK_M = {
    "express": 9.0,
    "trunk": 6.5,
    "secondary": 5.0,
    "branch": 3.5,
    "wall": 1.7,
    "limit": 2.5,
    "river": 2.0,
}
"""From a line's edge (a road's red line, a wall) to the nearest building."""
_INSTITUTIONS = {
    "school": ("实验小学", "中学", "小学", "第二中学", "幼儿园", "职业学校"),
    "hospital": ("人民医院", "中医院", "社区卫生服务中心"),
    "office": ("政务服务中心", "商务楼", "机关大院", "科技大厦"),
    "mall": ("商业广场", "购物中心", "百货", "农贸市场", "建材市场"),
    "plant": ("机械厂", "纺织厂", "食品厂", "物流园", "电子产业园"),
    "park": ("公园", "游园", "广场"),
}


@dataclass(frozen=True)
class Blocks:
    """Per block: its use (position in USES), name, and gate: the road it is entered from (-1: none),
    the plan position along that road in metres, and the side (1 east or north of it, 0 else).
    """

    use: Ints
    name: list[str]
    gate_road: Ints
    gate_at: Floats
    gate_side: Ints


@dataclass(frozen=True)
class Sites:
    """Per cell: what may be built on, plan metres u0, u1, v0, v1, and the road on each side (-1: none)."""

    inner: Floats
    side_road: Ints
    use: Ints
    block: Ints


def use_number(use: Use) -> int:
    """Position of `use` in USES."""
    return USES.index(use)


def assign(plan: Plan, rng: np.random.Generator) -> tuple[Blocks, Sites]:
    """Give every block its use, name and gate, and every cell its building site."""
    cells = plan.cell_array()
    block = cells[:, 9]
    count = int(block.max()) + 1
    river = np.bincount(block, weights=cells[:, 10], minlength=count) > 0
    use = _uses(plan, block, count, rng)
    use[river] = use_number("river")
    road, at, side = _gates(plan, count)
    names = _names(use, road, plan.lines, rng)
    return Blocks(use, names, road, at, side), _sites(plan, use[block], block)


def _uses(plan: Plan, block: Ints, count: int, rng: np.random.Generator) -> Ints:
    """A use for each block, drawn from the mix of its zone; the block nearest the heart is a park."""
    cells = plan.cell_array()
    size = np.bincount(block, minlength=count)
    u = np.bincount(block, (cells[:, 0] + cells[:, 1]) / 2 / CM, count) / size
    v = np.bincount(block, (cells[:, 2] + cells[:, 3]) / 2 / CM, count) / size
    heart = (0.16 * plan.frame.width, 0.5 * plan.frame.north)
    far = np.hypot((u - heart[0]) / plan.frame.width, (v - heart[1]) / plan.frame.north)
    zone = np.digitize(far, [0.22, 0.42])
    draw = _even_draw(zone, rng)
    use = (draw[:, None] > np.cumsum(_MIX, axis=1)[zone]).sum(axis=1).clip(0, _MIX.shape[1] - 1)
    land = np.bincount(block, weights=1 - cells[:, 10], minlength=count) > 0
    nearest = np.argsort(np.where(land, far, np.inf), kind="stable")
    for position, wanted in enumerate(
        ("old", "park", "mall", "school", "slab", "old", "tower", "office", "hospital")
    ):
        if position < land.sum() - 1:
            use[nearest[position]] = USES.index(wanted)
    return np.asarray(use, dtype=np.int64)


def _even_draw(zone: Ints, rng: np.random.Generator) -> Floats:
    """Numbers in [0, 1), in each zone spread evenly, so that even a few blocks get the zone's mix."""
    draw = np.empty(len(zone))
    for z in np.unique(zone):
        members = np.flatnonzero(zone == z)
        draw[members] = (rng.permutation(len(members)) + rng.random()) / len(members)
    return draw


def _gates(plan: Plan, count: int) -> tuple[Ints, Floats, Ints]:
    """The widest road on each block's border and the middle of a cell's side on it."""
    road = np.full(count, -1, dtype=np.int64)
    at, side = np.zeros(count), np.zeros(count, dtype=np.int64)
    best = np.full(count, 9)
    for cell in plan.cells:
        r = cell.rectangle
        middles = ((r.v0 + r.v1) / 2, (r.v0 + r.v1) / 2, (r.u0 + r.u1) / 2, (r.u0 + r.u1) / 2)
        for k, number in enumerate(cell.sides):
            line = plan.lines[number]
            rank = RANK.get(line.kind, 9) if not cell.is_river else 9
            if rank < best[cell.block]:
                best[cell.block] = rank
                road[cell.block], at[cell.block], side[cell.block] = number, middles[k] / CM, 1 - k % 2
    return road, at, side


def _names(use: Ints, road: Ints, lines: list[Line], rng: np.random.Generator) -> list[str]:
    """Estates get invented names, institutions that of their road and what they are, houses none."""
    estates = iter(estate_names(rng, int(np.isin(use, [USES.index("slab"), USES.index("tower")]).sum())))
    names = []
    for number, at in zip(use.tolist(), road.tolist(), strict=True):
        kind = USES[number]
        if kind in ("slab", "tower"):
            names.append(next(estates))
        elif kind in _INSTITUTIONS:
            stem = lines[at].name.rstrip("路街巷道大") if at >= 0 else "城中"
            names.append(stem + str(rng.choice(_INSTITUTIONS[kind])))
        else:
            names.append("")
    return names


def _sites(plan: Plan, use: Ints, block: Ints) -> Sites:
    """Cells shrunk by half their roads and the setback from them."""
    cells = plan.cell_array()
    margin = np.array([line.half_width_m + SETBACK_M[line.kind] for line in plan.lines])
    is_road = np.array([line.is_road for line in plan.lines])
    sides = cells[:, 4:8]
    inner = cells[:, :4] / CM + margin[sides] * np.array([1.0, -1.0, 1.0, -1.0])
    return Sites(inner, np.where(is_road[sides], sides, -1), use, block)
