"""What each survey point is: a valve, a manhole, a tee, with its ground and depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sample_data.frame import Floats, Ints
from sample_data.plan import Plan
from sample_data.skeleton import Skeleton
from sample_data.utilities import Texts

EMPTY = ""


@dataclass(frozen=True)
class PipeNodes:
    """Columns of the point table; x is easting, y northing (EPSG:4548); exactly one of `feature` and
    `appendage` is filled. `depth_m` is the depth of the pipe there, `well_m` that of a manhole's floor.
    """

    code: Texts
    pipe_class: Texts
    pipe_subclass: Texts
    feature: Texts
    appendage: Texts
    x: Floats
    y: Floats
    ground_m: Floats
    depth_m: Floats
    well_m: Floats
    owner: Texts
    built: Texts
    road: Texts
    state: Texts


def describe_points(plan: Plan, s: Skeleton, width: int, rng: np.random.Generator) -> PipeNodes:
    """The point table of one network; numbers have `width` digits behind the network's prefix."""
    utility = s.network.utility
    count = len(s.u)
    degree = np.bincount(np.concatenate([s.a, s.b]), minlength=count)
    appendage = _appendages(s, degree, rng)
    feature = np.where(appendage == EMPTY, _features(s, degree), EMPTY)
    x, y = plan.frame.to_ground(s.u, s.v)
    ground = np.round(plan.frame.ground_elevation(s.u, s.v) + rng.normal(0, 0.015, count), 3)
    depth = np.round(_depths(s, ground, rng), 3)
    has_well = np.char.endswith(appendage, "井") | np.char.endswith(appendage, "孔")
    sump = 0.0 if utility.is_gravity else 0.35
    names = np.array([line.name for line in plan.lines])
    return PipeNodes(
        code=np.char.add(utility.prefix, np.char.zfill(np.arange(1, count + 1).astype(str), width)),
        pipe_class=np.full(count, utility.pipe_class),
        pipe_subclass=np.full(count, utility.subclass),
        feature=feature,
        appendage=appendage,
        x=x,
        y=y,
        ground_m=ground,
        depth_m=depth,
        well_m=np.where(has_well, np.round(depth + sump, 2), np.nan),
        owner=np.full(count, utility.owner),
        built=built_dates(plan, s)[s.road],
        road=names[s.road],
        state=np.full(count, "在用"),
    )


def built_dates(plan: Plan, s: Skeleton) -> Texts:
    """ISO date each road's pipe of this network was built: one date per road, older near the heart."""
    rng = np.random.default_rng([len(plan.lines), sum(map(ord, s.network.utility.prefix))])
    middle_u = np.array([line.at if line.is_vertical else (line.low + line.high) / 2 for line in plan.lines])
    far = np.abs(middle_u / 100) / max(-plan.frame.west, plan.frame.east)
    year = np.clip(np.round(1991 + 17 * far + rng.gamma(2.2, 4.0, len(far))), 1985, 2024).astype(np.int64)
    month = rng.integers(1, 13, len(far))
    return np.array([f"{y}-{m:02d}-30" if m != 2 else f"{y}-02-28" for y, m in zip(year, month, strict=True)])


def _depths(s: Skeleton, ground: Floats, rng: np.random.Generator) -> Floats:
    """Depth of the pipe at each point: ground less invert, or the usual cover with a little scatter."""
    if s.network.utility.is_gravity:
        return np.asarray(np.where(np.isnan(s.level), 0.0, ground - s.level))
    scatter = np.clip(rng.normal(0, 0.07, len(s.u)), -0.18, 0.25)
    return np.asarray(np.where(s.role == "bridge", 0.40, s.network.utility.cover_m + scatter))


def _features(s: Skeleton, degree: Ints) -> Texts:
    """特征 by the number of lines that meet (CJJ 61-2017 appendix F); outfalls and loose ends by role."""
    by_degree = np.array(["", "盖堵", "直线点", "三通", "四通", "多通"])[np.minimum(degree, 5)]
    by_degree = np.where((degree == 2) & (s.role == "crossing"), "弯头", by_degree)
    by_degree = np.where((s.role == "limit") & (degree == 1), "预留口", by_degree)
    return np.where(s.role == "outfall", "出水口", by_degree)


def _appendages(s: Skeleton, degree: Ints, rng: np.random.Generator) -> Texts:
    """附属物 of each point, '' where it has none."""
    prefix = s.network.utility.prefix
    chance = rng.random(len(s.u))
    empty = np.full(len(s.u), EMPTY, dtype="U8")
    along, crossing = s.role == "along", s.role == "crossing"
    if prefix == "JS":
        valve = _next_to_crossings(s) & (chance < 0.62)
        kinds = np.where(valve, "阀门井", np.where(along & (chance > 0.965), "水表井", empty))
        kinds = np.where(along & ~valve & (chance > 0.94) & (chance <= 0.965), "排气阀", kinds)
        kinds = np.where(s.role == "hydrant", "消防栓", kinds)
        return np.where(s.role == "source", "泵站", kinds)
    if prefix in ("YS", "WS"):
        well, inspect = ("雨水井" if prefix == "YS" else "污水井"), "检修井"
        kinds = np.where(crossing & (chance < 0.06), inspect, well)
        kinds = np.where(s.role == "inlet", "雨水箅", kinds)
        kinds = np.where(s.role == "plant", "污水处理场", kinds)
        return np.where(s.role == "outfall", EMPTY, kinds)
    if prefix == "RQ":
        valve = _next_to_crossings(s) & (chance < 0.35)
        kinds = np.where(valve, "阀门井", np.where(along & (chance > 0.95), "凝水缸", empty))
        return np.where(s.role == "source", "调压站", kinds)
    if prefix == "RL":
        return np.where(
            crossing | (along & (chance < 0.3)), "检修井", np.where(s.role == "source", "热源", empty)
        )
    big = crossing | (s.role == "source")
    box = "变压箱" if prefix == "DL" else "接线箱"
    kinds = np.where(big | (along & (chance < 0.25)), "人孔", np.where(along & (chance < 0.8), "手孔", empty))
    return np.where(along & (chance > 0.975), box, kinds)


def _next_to_crossings(s: Skeleton) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Points of mains that are joined to a crossing: where valves stand."""
    near = np.zeros(len(s.u), dtype=bool)
    near[s.b[(s.role[s.a] == "crossing") & (s.role[s.b] == "along")]] = True
    near[s.a[(s.role[s.b] == "crossing") & (s.role[s.a] == "along")]] = True
    return near
