"""Where buildings stand on their sites: rows of houses, slabs, towers, halls, and shops along the street.

Everything is laid out in the plan, in metres, for all cells at once. A lot keeps its distance from its
neighbours by its own pitch, and from roads and walls by the site's margins, so nothing overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from sample_data.frame import Floats, Ints
from sample_data.land_use import USES, Sites, Use

Role = Literal[
    "old", "village", "slab", "tower", "shop", "mall", "office", "school", "hospital", "plant", "pavilion"
]
ROLES: tuple[Role, ...] = (
    "old", "village", "slab", "tower", "shop", "mall", "office", "school", "hospital", "plant", "pavilion",
)  # fmt: skip
OLD_PITCH_M = (10.9, 11.8)
VILLAGE_PITCH_M = (12.6, 14.0)
HOUSE_GAP_M = 1.9
RING_DEPTH_M = 14.0
"""What a row of street-front shops takes of its site, yard behind it included."""
BEHIND_RING_M = 40.0
SCHOOL_BUILT_SHARE = 0.62
"""The part of a school's site, from the west, that is built on; the rest is its sports ground."""
_RINGED: tuple[Use, ...] = ("slab", "mall", "village")


@dataclass(frozen=True)
class Lots:
    """Buildings-to-be: cell, middle (`u`, `v`), size east–west and north–south in metres, role
    (position in ROLES), side of the cell it fronts (0 left, 1 right, 2 bottom, 3 top; -1 none).
    """

    cell: Ints
    u: Floats
    v: Floats
    wide: Floats
    deep: Floats
    role: Ints
    front: Ints

    def take(self, keep: Ints) -> Lots:
        """The lots at the positions `keep`."""
        return Lots(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


def lay_out(sites: Sites, target: int, rng: np.random.Generator) -> Lots:
    """`target` lots: everything but houses first, then houses as close as that needs, thinned to fit."""
    ring = [_ring(sites, side, rng) for side in range(4)]
    inner = _behind_ring(sites)
    parts = [*ring, *_large(sites, inner, rng)]
    rest = target - sum(len(p.cell) for p in parts)
    scale = _house_scale(sites, inner, rest)
    parts += [_houses(sites, inner, "old", OLD_PITCH_M, scale, rng)]
    parts += [_houses(sites, inner, "village", VILLAGE_PITCH_M, scale, rng)]
    lots = Lots(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Lots)})
    return lots.take(_thinned(lots, target, rng))


def _thinned(lots: Lots, target: int, rng: np.random.Generator) -> Ints:
    """Positions of `target` lots in cell order; houses go first when there are too many."""
    count = len(lots.cell)
    is_house = np.isin(lots.role, [ROLES.index("old"), ROLES.index("village")])
    urge = rng.random(count) + np.where(is_house, 1.0, 0.0)
    keep = np.argsort(urge, kind="stable")[: min(target, count)]
    keep = np.sort(keep)
    order = np.lexsort((lots.u[keep], -np.round(lots.v[keep]), lots.cell[keep]))
    return np.asarray(keep[order])


def _cells_of(sites: Sites, *uses: Use) -> Ints:
    return np.flatnonzero(np.isin(sites.use, [USES.index(use) for use in uses]))


def _ragged(nx: Ints, ny: Ints) -> tuple[Ints, Ints, Ints]:
    """(row of the input, i, j) for every place of an nx × ny array per row."""
    size = nx * ny
    owner = np.repeat(np.arange(len(size)), size)
    k = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    return owner, k % nx[owner], k // nx[owner]


# ---------------------------------------------------------------- shops along the street


def _has_ring(sites: Sites) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Per cell and side: is there a row of shops. Not where it would leave too little for what is behind."""
    ringed = np.isin(sites.use, [USES.index(u) for u in _RINGED])
    ring = ringed[:, None] & (sites.side_road >= 0)
    for low in (0, 2):
        room = sites.inner[:, low + 1] - sites.inner[:, low]
        too_narrow = room - RING_DEPTH_M * ring[:, low : low + 2].sum(axis=1) < BEHIND_RING_M
        ring[too_narrow, low : low + 2] = False
    return ring


def _behind_ring(sites: Sites) -> Floats:
    """The sites less the strips that shops take."""
    return np.asarray(sites.inner + _has_ring(sites) * RING_DEPTH_M * np.array([1.0, -1.0, 1.0, -1.0]))


def _ring(sites: Sites, side: int, rng: np.random.Generator) -> Lots:
    """Shops along one side of the cells that have them; those along v stay clear of the corners."""
    cells = np.flatnonzero(_has_ring(sites)[:, side])
    box = sites.inner[cells].copy()
    if side < 2:
        taken = _has_ring(sites)[cells]
        box[:, 2] += np.where(taken[:, 2], RING_DEPTH_M, 0.0)
        box[:, 3] -= np.where(taken[:, 3], RING_DEPTH_M, 0.0)
    low, high = (box[:, 2], box[:, 3]) if side < 2 else (box[:, 0], box[:, 1])
    count = np.maximum(np.floor((high - low) / rng.uniform(10.5, 15.0, len(cells))), 0).astype(np.int64)
    owner, i, _ = _ragged(count, np.ones_like(count))
    pitch = (high - low)[owner] / count[owner]
    along = low[owner] + (i + 0.5) * pitch
    deep = rng.uniform(8.5, 11.0, len(cells))[owner]
    wide = pitch - 0.6
    edge = box[owner, side] + np.where(side % 2 == 0, deep / 2, -deep / 2)
    keep = rng.random(len(owner)) > 0.06
    vertical = side < 2
    lots = Lots(
        cells[owner],
        edge if vertical else along,
        along if vertical else edge,
        deep if vertical else wide,
        wide if vertical else deep,
        np.full(len(owner), ROLES.index("shop"), dtype=np.int64),
        np.full(len(owner), side, dtype=np.int64),
    )
    return lots.take(np.flatnonzero(keep))


# ---------------------------------------------------------------- houses


def _house_counts(box: Floats, pitch: tuple[float, float], scale: float) -> tuple[Ints, Ints]:
    nx = np.floor((box[:, 1] - box[:, 0]) / (pitch[0] * scale)).astype(np.int64)
    ny = np.floor((box[:, 3] - box[:, 2]) / (pitch[1] * scale)).astype(np.int64)
    return np.maximum(nx, 0), np.maximum(ny, 0)


def _house_scale(sites: Sites, inner: Floats, wanted: int) -> float:
    """The factor on house pitches at which at least `wanted` houses find room."""
    pairs = [(_cells_of(sites, "old"), OLD_PITCH_M), (_cells_of(sites, "village"), VILLAGE_PITCH_M)]
    low, high = 0.55, 1.5
    for _ in range(30):
        middle = (low + high) / 2
        room = 0
        for cells, pitch in pairs:
            nx, ny = _house_counts(inner[cells], pitch, middle)
            room += int((nx * ny).sum())
        low, high = (middle, high) if room >= wanted * 1.02 else (low, middle)
    return low


def _houses(
    sites: Sites, inner: Floats, use: Use, pitch: tuple[float, float], scale: float, rng: np.random.Generator
) -> Lots:
    """Rows of small houses; those on the edge of a cell front the road there."""
    cells = _cells_of(sites, use)
    box = inner[cells]
    nx, ny = _house_counts(box, pitch, scale)
    owner, i, j = _ragged(nx, ny)
    step_u = ((box[:, 1] - box[:, 0]) / np.maximum(nx, 1))[owner]
    step_v = ((box[:, 3] - box[:, 2]) / np.maximum(ny, 1))[owner]
    count = len(owner)
    gap = HOUSE_GAP_M * scale
    wide = (np.minimum(step_u, 15.0 * scale) - gap) * rng.uniform(0.82, 1.0, count)
    deep = (np.minimum(step_v, 15.0 * scale) - gap) * rng.uniform(0.78, 1.0, count)
    spare_u, spare_v = (step_u - gap - wide) / 2, (step_v - gap - deep) / 2
    fronts = np.stack([i == 0, i == nx[owner] - 1, j == 0, j == ny[owner] - 1], axis=1)
    fronts &= sites.side_road[cells[owner]] >= 0
    return Lots(
        cells[owner],
        box[owner, 0] + (i + 0.5) * step_u + rng.uniform(-0.8, 0.8, count) * spare_u,
        box[owner, 2] + (j + 0.5) * step_v + rng.uniform(-0.8, 0.8, count) * spare_v,
        wide,
        deep,
        np.full(count, ROLES.index(use), dtype=np.int64),
        np.where(fronts.any(axis=1), fronts.argmax(axis=1), -1),
    )


# ---------------------------------------------------------------- large buildings


@dataclass(frozen=True)
class _Pattern:
    """How large buildings fill a site: pitch in metres, gaps, and bounds of their size."""

    use: Use
    role: Role
    pitch: tuple[float, float]
    gap: tuple[float, float]
    most: tuple[float, float]
    least: tuple[float, float]
    fill: tuple[float, float] = (0.8, 1.0)
    keep: float = 1.0
    part: tuple[float, float] = (1.0, 1.0)
    """The share of the site, from its south-west corner, that is built on."""


_PATTERNS = (
    _Pattern("slab", "slab", (50.0, 22.0), (6.0, 9.0), (64.0, 13.0), (17.0, 9.0), (0.90, 1.0)),
    _Pattern("tower", "tower", (44.0, 42.0), (15.0, 20.0), (32.0, 19.0), (20.0, 14.0)),
    _Pattern("mall", "mall", (46.0, 40.0), (9.0, 9.0), (48.0, 40.0), (14.0, 12.0), (0.7, 1.0)),
    _Pattern("office", "office", (56.0, 38.0), (12.0, 17.0), (58.0, 20.0), (18.0, 13.0)),
    _Pattern(
        "school",
        "school",
        (70.0, 30.0),
        (10.0, 16.0),
        (56.0, 14.0),
        (18.0, 11.0),
        part=(SCHOOL_BUILT_SHARE, 1.0),
    ),
    _Pattern("hospital", "hospital", (60.0, 36.0), (12.0, 16.0), (54.0, 22.0), (20.0, 14.0)),
    _Pattern("plant", "plant", (44.0, 30.0), (8.0, 8.0), (60.0, 28.0), (16.0, 12.0), (0.85, 1.0)),
    _Pattern("park", "pavilion", (70.0, 70.0), (30.0, 30.0), (9.0, 8.0), (5.0, 5.0), keep=0.5),
)


def _large(sites: Sites, inner: Floats, rng: np.random.Generator) -> list[Lots]:
    """The large buildings of every use."""
    return [_fill(sites, inner, pattern, rng) for pattern in _PATTERNS]


def _fill(sites: Sites, inner: Floats, pattern: _Pattern, rng: np.random.Generator) -> Lots:
    cells = _cells_of(sites, pattern.use)
    box = inner[cells]
    wide = (box[:, 1] - box[:, 0]) * pattern.part[0]
    deep = (box[:, 3] - box[:, 2]) * pattern.part[1]
    nx = np.maximum(1, np.round(wide / pattern.pitch[0])).astype(np.int64)
    ny = np.maximum(1, np.floor(deep / pattern.pitch[1])).astype(np.int64)
    owner, i, j = _ragged(nx, ny)
    step_u, step_v = (wide / nx)[owner], (deep / ny)[owner]
    by_cell = rng.uniform(*pattern.fill, (2, len(cells)))[:, owner]
    w = np.minimum(step_u - pattern.gap[0], pattern.most[0]) * by_cell[0]
    d = np.minimum(step_v - pattern.gap[1], pattern.most[1]) * by_cell[1]
    fits = (w >= pattern.least[0]) & (d >= pattern.least[1]) & (rng.random(len(owner)) <= pattern.keep)
    lots = Lots(
        cells[owner],
        box[owner, 0] + (i + 0.5) * step_u,
        box[owner, 2] + (j + 0.5) * step_v,
        w,
        d,
        np.full(len(owner), ROLES.index(pattern.role), dtype=np.int64),
        np.full(len(owner), -1, dtype=np.int64),
    )
    return lots.take(np.flatnonzero(fits))
