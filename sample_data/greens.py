"""Water and green: the river with its banks, parks with their ponds, the grounds of estates and schools."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from sample_data.frame import Floats, Frame
from sample_data.land_use import Blocks, Sites, use_number
from sample_data.lots import ROLES, SCHOOL_BUILT_SHARE, Lots
from sample_data.outlines import Geometries
from sample_data.plan import ROAD_WIDTH_M, Plan

STEP_M = 12.0
"""Spacing of the vertices of a river bank."""


@dataclass(frozen=True)
class Surfaces:
    """Named areas (EPSG:4548): parallel lists."""

    codes: list[str]
    names: list[str]
    kinds: list[str]
    polygons: Geometries


def surfaces(
    plan: Plan, blocks: Blocks, sites: Sites, lots: Lots, rng: np.random.Generator
) -> tuple[Surfaces, Surfaces]:
    """Water areas and green areas; they do not overlap, and leave buildings out."""
    river, banks = _river(plan.frame)
    parks, ponds = _parks(plan.frame, blocks, sites, lots, rng)
    return (
        _named("SY", [("淠河", "河流", river), *ponds]),
        _named("LD", [*banks, *parks, *_grounds(plan.frame, blocks, sites, lots, rng)]),
    )


Named = tuple[str, str, shapely.Geometry]
"""Name, kind, area."""


def _named(prefix: str, areas: list[Named]) -> Surfaces:
    return Surfaces(
        codes=[f"{prefix}{n:04d}" for n in range(1, len(areas) + 1)],
        names=[name for name, *_ in areas],
        kinds=[kind for _, kind, _ in areas],
        polygons=shapely.orient_polygons(np.array([area for *_, area in areas], dtype=object)),
    )


# ---------------------------------------------------------------- river


def _river(frame: Frame) -> tuple[shapely.Polygon, list[Named]]:
    """The water, and the green between it and the riverside roads."""
    v = np.linspace(0.0, frame.north, max(2, round(frame.north / STEP_M)))
    half = frame.half_water(v)
    road = np.full(len(v), frame.bank_m - ROAD_WIDTH_M["secondary"] / 2)
    banks: list[Named] = [
        ("淠河西岸滨河绿带", "防护绿地", _band(frame, v, -road, -half - 1.0)),
        ("淠河东岸滨河绿带", "防护绿地", _band(frame, v, half + 1.0, road)),
    ]
    return _band(frame, v, -half, half), banks


def _band(frame: Frame, v: Floats, west: Floats, east: Floats) -> shapely.Polygon:
    """The area between two lines along the river, given by their `u` at each `v`."""
    x, y = frame.to_ground(np.concatenate([east, west[::-1]]), np.concatenate([v, v[::-1]]))
    return shapely.Polygon(np.stack([x, y], axis=1))


# ---------------------------------------------------------------- parks


def _parks(
    frame: Frame, blocks: Blocks, sites: Sites, lots: Lots, rng: np.random.Generator
) -> tuple[list[Named], list[Named]]:
    """A park over each block of that use, and the ponds in them (holes in the green)."""
    parks: list[Named] = []
    ponds: list[Named] = []
    for block in np.flatnonzero(blocks.use == use_number("park")):
        cells = np.flatnonzero(sites.block == block)
        low, high = sites.inner[cells].min(axis=0), sites.inner[cells].max(axis=0)
        box = np.array([low[0], high[1], low[2], high[3]])
        lawn = _oval(frame, box, 0.7, rng)
        pavilions = lots.take(np.flatnonzero(np.isin(lots.cell, cells)))
        pond = _pond(frame, box, pavilions, rng)
        if pond is not None:
            lawn = shapely.Polygon(lawn.exterior, [pond.exterior])
            ponds.append((f"{blocks.name[block]}水面", "坑塘", pond))
        parks.append((blocks.name[block], "公园绿地", lawn))
    return parks, ponds


def _pond(frame: Frame, box: Floats, pavilions: Lots, rng: np.random.Generator) -> shapely.Polygon | None:
    """A pond in the park `box` clear of its pavilions; None in small parks and where no place is found."""
    wide, deep = box[1] - box[0], box[3] - box[2]
    if min(wide, deep) < 55:
        return None
    for _ in range(8):
        u, v = box[0] + wide * rng.uniform(0.36, 0.64), box[2] + deep * rng.uniform(0.36, 0.64)
        half_u, half_v = min(wide * 0.27, 90.0), min(deep * 0.24, 90.0)
        clear = (np.abs(pavilions.u - u) > half_u + 9) | (np.abs(pavilions.v - v) > half_v + 9)
        if clear.all():
            return _oval(frame, np.array([u - half_u, u + half_u, v - half_v, v + half_v]), 0.0, rng)
    return None


# ---------------------------------------------------------------- grounds of estates and schools

_LAWNS = {"slab": 5.0, "tower": 11.0, "office": 8.0, "hospital": 8.0}
"""Depth in metres of the lawn on the south side of a building, by role."""
LAWN_GAP_M = 1.8


def _grounds(frame: Frame, blocks: Blocks, sites: Sites, lots: Lots, rng: np.random.Generator) -> list[Named]:
    """附属绿地: per estate or institution its lawns as one area, per school a sports ground."""
    depth = np.array([_LAWNS.get(role, 0.0) for role in ROLES])[lots.role]
    south = lots.v - lots.deep / 2 - LAWN_GAP_M
    fits = (depth > 0) & (south - depth > sites.inner[lots.cell, 2])
    boxes = np.stack([lots.u - lots.wide * 0.46, lots.u + lots.wide * 0.46, south - depth, south], axis=1)
    by_block: dict[int, list[shapely.Polygon]] = {}
    for n in np.flatnonzero(fits).tolist():
        by_block.setdefault(int(sites.block[lots.cell[n]]), []).append(_quad(frame, boxes[n]))
    grounds: list[Named] = [
        (f"{blocks.name[b]}绿地", "附属绿地", shapely.MultiPolygon(by_block[b])) for b in sorted(by_block)
    ]
    for cell in np.flatnonzero(sites.use == use_number("school")).tolist():
        u0, u1, v0, v1 = sites.inner[cell]
        left, half = u0 + (u1 - u0) * (SCHOOL_BUILT_SHARE + 0.04), min((v1 - v0) / 2 - 3, 48.0)
        if u1 - left > 18 and half > 14:
            box = np.array([left, u1 - 2, (v0 + v1) / 2 - half, (v0 + v1) / 2 + half])
            name = f"{blocks.name[sites.block[cell]]}运动场"
            grounds.append((name, "附属绿地", _oval(frame, box, 0.25, rng)))
    return grounds


def _quad(frame: Frame, box: Floats) -> shapely.Polygon:
    """A rectangle of the plan (u0, u1, v0, v1) on the ground."""
    x, y = frame.to_ground(box[[0, 1, 1, 0]], box[[2, 2, 3, 3]])
    return shapely.Polygon(np.stack([x, y], axis=1))


def _oval(frame: Frame, box: Floats, square: float, rng: np.random.Generator) -> shapely.Polygon:
    """A closed curve within a box of the plan: near its outline for `square` 1, wavy for 0."""
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    power = 2.0 + 10.0 * square
    radius = (np.abs(np.cos(angle)) ** power + np.abs(np.sin(angle)) ** power) ** (-1.0 / power)
    if square == 0:
        radius = radius * (1.0 - 0.10 * (1 + np.sin(3 * angle + rng.uniform(0, 6.28))))
    x, y = frame.to_ground(
        (box[0] + box[1]) / 2 + (box[1] - box[0]) / 2 * radius * np.cos(angle),
        (box[2] + box[3]) / 2 + (box[3] - box[2]) / 2 * radius * np.sin(angle),
    )
    return shapely.Polygon(np.stack([x, y], axis=1))
