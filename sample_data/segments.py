"""What each pipe segment is: material, section, levels at both ends, ducts, age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sample_data.frame import Floats, Ints
from sample_data.plan import Plan
from sample_data.points import PipeNodes
from sample_data.skeleton import Skeleton
from sample_data.utilities import Texts, materials

LEAD_MM = {"hydrant": 100, "inlet": 200}
NONE = -1
"""Stands for "no value" in columns of whole numbers."""


@dataclass(frozen=True)
class PipeLines:
    """Columns of the line table; `start` and `end` are positions in the point table of all networks.

    `cable_count`, `hole_total` and `hole_used` are -1 where they do not apply.
    """

    start: Ints
    end: Ints
    pipe_class: Texts
    pipe_subclass: Texts
    material: Texts
    section: Texts
    start_depth_m: Floats
    end_depth_m: Floats
    start_elevation_m: Floats
    end_elevation_m: Floats
    flow: Texts
    pressure: Texts
    voltage: Texts
    burial: Texts
    cable_count: Ints
    hole_total: Ints
    hole_used: Ints
    built: Texts
    owner: Texts
    road: Texts
    state: Texts


def describe_segments(
    plan: Plan, s: Skeleton, points: PipeNodes, first: int, rng: np.random.Generator
) -> PipeLines:
    """The line table of one network, whose points begin at `first` in the table of all."""
    utility, count = s.network.utility, len(s.a)
    along_flow = rng.random(count) < 0.86
    start, end = np.where(along_flow, s.a, s.b), np.where(along_flow, s.b, s.a)
    road = s.network.graph.road[s.edge]
    rank = s.network.graph.rank[s.edge]
    names = np.array([line.name for line in plan.lines])
    size = np.where(s.is_lateral, _lead_size(s), s.network.diameter_mm[s.edge])
    built = _built(points, s)
    year = built.astype("U4").astype(np.int64)
    chance = rng.random(s.network.graph.road.max() + 1 if count else 1)[road]
    holes, used, section = _ducts(s, rank, rng)
    on_bridge = (s.role[s.a] == "bridge") | (s.role[s.b] == "bridge")
    return PipeLines(
        start=start + first,
        end=end + first,
        pipe_class=np.full(count, utility.pipe_class),
        pipe_subclass=np.full(count, utility.subclass),
        material=materials(utility, size, year, chance).astype("U8"),
        section=np.where(size > 0, size.astype("U12"), section),
        start_depth_m=points.depth_m[start],
        end_depth_m=points.depth_m[end],
        start_elevation_m=np.round(points.ground_m[start] - points.depth_m[start], 3),
        end_elevation_m=np.round(points.ground_m[end] - points.depth_m[end], 3),
        flow=np.where(along_flow, "0", "1") if utility.has_diameter else np.full(count, ""),
        pressure=_pressures(utility.prefix, rank, size),
        voltage=np.where(rank <= 1, "10kV", "0.4kV") if utility.prefix == "DL" else np.full(count, ""),
        burial=np.where(on_bridge, "上架", "直埋" if utility.has_diameter else "管块"),
        cable_count=used if not utility.has_diameter else np.full(count, NONE),
        hole_total=holes,
        hole_used=used,
        built=built,
        owner=np.full(count, utility.owner),
        road=names[road],
        state=np.where(rng.random(count) < 0.006, "废弃", "在用"),
    )


def _lead_size(s: Skeleton) -> Ints:
    """Diameter of leads to hydrants and from inlets, mm."""
    hydrant = s.role[s.b] == "hydrant"
    return np.where(hydrant, LEAD_MM["hydrant"], LEAD_MM["inlet"]).astype(np.int64)


def _built(points: PipeNodes, s: Skeleton) -> Texts:
    """A segment is as old as the newer of its points: the street was dug up for it."""
    return np.where(points.built[s.a] > points.built[s.b], points.built[s.a], points.built[s.b])


def _ducts(s: Skeleton, rank: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Texts]:
    """Ducts in all, ducts in use, and the bank's section as width X height in mm; pipes have none."""
    count = len(s.a)
    if s.network.utility.has_diameter:
        nothing = np.full(count, NONE, dtype=np.int64)
        return nothing, nothing.copy(), np.full(count, "", dtype="U12")
    columns = np.array([6, 4, 3, 2])[rank]
    rows = np.array([3, 3, 2, 2])[rank]
    street = rng.random(s.network.graph.road.max() + 1)[s.network.graph.road[s.edge]]
    total = columns * rows
    used = np.maximum(1, np.round(total * (0.35 + 0.5 * street))).astype(np.int64)
    section = np.char.add(np.char.add((columns * 150).astype(str), "X"), (rows * 150).astype(str))
    return total.astype(np.int64), used, section.astype("U12")


def _pressures(prefix: str, rank: Ints, size: Ints) -> Texts:
    """Pressure class: gas by GB 50028 grades, water in MPa; others have none."""
    if prefix == "RQ":
        return np.where(rank <= 1, "中压A", np.where((rank == 2) | (size >= 160), "中压B", "低压"))
    if prefix == "JS":
        return np.where(size >= 300, "0.40MPa", "0.30MPa")
    if prefix == "RL":
        return np.full(len(rank), "1.6MPa")
    return np.full(len(rank), "")
