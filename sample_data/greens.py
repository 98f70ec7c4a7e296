"""Water and green: the river with its banks, parks with their ponds, the green along the river."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from sample_data.frame import Floats, Frame
from sample_data.land_use import Blocks, Sites, use_number
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


def surfaces(plan: Plan, blocks: Blocks, sites: Sites, rng: np.random.Generator) -> tuple[Surfaces, Surfaces]:
    """Water areas and green areas; they do not overlap."""
    frame = plan.frame
    v = np.linspace(0.0, frame.north, max(2, round(frame.north / STEP_M)))
    half = frame.half_water(v)
    water: list[shapely.Geometry] = [_band(frame, v, -half, half)]
    water_names = ["淠河"]
    green: list[shapely.Geometry] = []
    green_names, green_kinds = [], []
    inner = frame.bank_m - ROAD_WIDTH_M["secondary"] / 2
    for side, name in ((-1, "淠河西岸滨河绿带"), (1, "淠河东岸滨河绿带")):
        edge = np.full(len(v), side * inner)
        green.append(_band(frame, v, *sorted((side * (half + 1.0), edge), key=lambda e: float(e[0]))))
        green_names.append(name)
        green_kinds.append("防护绿地")
    for park in np.flatnonzero(blocks.use == use_number("park")):
        lawns, ponds = zip(*(_park(frame, box, rng) for box in sites.inner[sites.block == park]), strict=True)
        green.append(shapely.union_all(lawns))
        green_names.append(blocks.name[park])
        green_kinds.append("公园绿地")
        for pond in ponds:
            if pond is not None:
                water.append(pond)
                water_names.append(f"{blocks.name[park]}水面")
    return (
        Surfaces(_codes("SY", water), water_names, ["河流"] + ["坑塘"] * (len(water) - 1), _array(water)),
        Surfaces(_codes("LD", green), green_names, green_kinds, _array(green)),
    )


def _codes(prefix: str, polygons: list[shapely.Geometry]) -> list[str]:
    return [f"{prefix}{n:04d}" for n in range(1, len(polygons) + 1)]


def _array(polygons: list[shapely.Geometry]) -> Geometries:
    return np.array(polygons, dtype=object)


def _band(frame: Frame, v: Floats, west: Floats, east: Floats) -> shapely.Polygon:
    """The area between two lines along the river, given by their `u` at each `v`."""
    x, y = frame.to_ground(np.concatenate([east, west[::-1]]), np.concatenate([v, v[::-1]]))
    return shapely.Polygon(np.stack([x, y], axis=1))


def _park(
    frame: Frame, box: Floats, rng: np.random.Generator
) -> tuple[shapely.Polygon, shapely.Polygon | None]:
    """A park over a building site, and its pond (a hole in the green) where there is room and luck."""
    u0, u1, v0, v1 = box
    corners = 0.18 * min(u1 - u0, v1 - v0)
    ground = _oval(
        frame, (u0 + u1) / 2, (v0 + v1) / 2, (u1 - u0) / 2, (v1 - v0) / 2, 1.0 - corners / 100, rng
    )
    if min(u1 - u0, v1 - v0) < 50 or rng.random() > 0.5:
        return ground, None
    centre_u, centre_v = u0 + (u1 - u0) * rng.uniform(0.4, 0.6), v0 + (v1 - v0) * rng.uniform(0.4, 0.6)
    pond = _oval(frame, centre_u, centre_v, (u1 - u0) * 0.24, (v1 - v0) * 0.2, 0.0, rng)
    return shapely.Polygon(ground.exterior, [pond.exterior]), pond


def _oval(
    frame: Frame, u: float, v: float, half_u: float, half_v: float, square: float, rng: np.random.Generator
) -> shapely.Polygon:
    """A closed curve round (`u`, `v`): near a rectangle of the given halves for `square` 1, wavy for 0."""
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    power = 2.0 + 10.0 * max(square, 0.0)
    radius = (np.abs(np.cos(angle)) ** power + np.abs(np.sin(angle)) ** power) ** (-1.0 / power)
    wave = 1.0 - (0.10 * (1 + np.sin(3 * angle + rng.uniform(0, 6.28))) if square <= 0 else 0.0)
    x, y = frame.to_ground(
        u + half_u * radius * wave * np.cos(angle), v + half_v * radius * wave * np.sin(angle)
    )
    return shapely.Polygon(np.stack([x, y], axis=1))
