"""Where the survey's points are: street edges of a network broken into segments, and leads beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sample_data.frame import Floats, Ints
from sample_data.network import Network
from sample_data.plan import CM, Plan
from sample_data.utilities import RAIN, WATER, Texts

HYDRANT_EVERY = 3
"""A hydrant at every third point of a water main: about 120 m apart (GB 50974)."""
HYDRANT_AT = 0.74
KERB = 0.62
"""Where hydrants and the kerb are, as parts of half the road's width."""


@dataclass
class Skeleton:
    """The points and segments of one network before they are described.

    Per point: plan `u`, `v`, its `level` (sewers; NaN otherwise), `road`, and what it is (`role`).
    Per segment: points `a` → `b` along the flow, and the edge of the network it belongs to.
    """

    network: Network
    u: Floats
    v: Floats
    level: Floats
    road: Ints
    role: Texts
    a: Ints
    b: Ints
    edge: Ints
    is_lateral: NDArray[np.bool_]


def _spans(network: Network, factor: float) -> Ints:
    """Into how many segments each edge is broken."""
    spacing = network.utility.spacing_m * factor
    return np.maximum(1, np.round(network.graph.length / spacing)).astype(np.int64)


def spacing_factor(networks: list[Network], target: int) -> float:
    """The factor on all spacings at which the edges make about `target` segments."""
    low, high = 0.02, 50.0
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        low, high = (
            (middle, high) if sum(int(_spans(n, middle).sum()) for n in networks) > target else (low, middle)
        )
    return high


def break_up(network: Network, factor: float) -> Skeleton:
    """Survey points along the edges of `network`, and the segments between them."""
    graph = network.graph
    spans = _spans(network, factor)
    used = np.unique(np.concatenate([network.a, network.b]))
    local = np.full(len(graph.u), -1, dtype=np.int64)
    local[used] = np.arange(len(used))
    edge = np.repeat(np.arange(len(spans)), spans)
    k = np.arange(len(edge)) - np.repeat(np.cumsum(spans) - spans, spans)
    inner = k > 0
    number = len(used) + np.cumsum(inner) - 1
    a = np.where(inner, number, local[network.a[edge]])
    last = k == spans[edge] - 1
    b = np.where(last, local[network.b[edge]], np.roll(a, -1))
    e, t = edge[inner], (k / spans[edge])[inner]
    pa, pb = network.a[e], network.b[e]

    def mix(values: Floats) -> Floats:
        return np.concatenate([values[used], values[pa] + (values[pb] - values[pa]) * t])

    road = np.full(len(graph.u), np.iinfo(np.int64).max)
    np.minimum.at(road, network.a, graph.road)
    np.minimum.at(road, network.b, graph.road)
    role = np.full(len(graph.u), "crossing", dtype="U8")
    role[graph.at_limit] = "limit"
    role[network.outfalls], role[network.plants], role[network.sources] = "outfall", "plant", "source"
    return Skeleton(
        network, mix(graph.u), mix(graph.v), mix(network.level),
        np.concatenate([road[used], graph.road[e]]),
        np.concatenate([role[used], np.where(graph.is_bridge[e], "bridge", "along")]),
        a, b, edge, np.zeros(len(edge), dtype=bool),
    )  # fmt: skip


# ---------------------------------------------------------------- laterals


def with_laterals(
    plan: Plan, skeletons: list[Skeleton], count: int, rng: np.random.Generator
) -> list[Skeleton]:
    """`count` leads spread over hydrants and rain inlets, as far as there are places for them."""
    by_utility = {s.network.utility.prefix: s for s in skeletons}
    water, rain = by_utility.get(WATER.prefix), by_utility.get(RAIN.prefix)
    if rain is None or water is None or not count:
        return skeletons
    hydrants = np.flatnonzero(water.role == "along")[1::HYDRANT_EVERY][: count // 3]
    manholes = np.flatnonzero(rain.role == "along")
    places = np.stack([np.repeat(manholes, 2), np.tile([-1, 1], len(manholes))], axis=1)
    rest = min(count - len(hydrants), len(places))
    chosen = np.sort(rng.permutation(len(places))[:rest])
    inlets = places[chosen]
    water = _add_leads(plan, water, hydrants, np.ones(len(hydrants), dtype=np.int64), HYDRANT_AT, "hydrant")
    rain = _add_leads(plan, rain, inlets[:, 0], inlets[:, 1], KERB, "inlet")
    replaced = {WATER.prefix: water, RAIN.prefix: rain}
    return [replaced.get(s.network.utility.prefix, s) for s in skeletons]


def _add_leads(plan: Plan, s: Skeleton, points: Ints, side: Ints, share: float, role: str) -> Skeleton:
    """A point beside each of `points`, across the road to `side`, and the segment that joins them."""
    vertical = np.array([line.is_vertical for line in plan.lines])[s.road[points]]
    at = np.array([line.at for line in plan.lines])[s.road[points]] / CM
    half = np.array([line.half_width_m for line in plan.lines])[s.road[points]]
    kerb = at + side * half * share
    new = len(s.u) + np.arange(len(points))
    u, v = np.where(vertical, kerb, s.u[points]), np.where(vertical, s.v[points], kerb)
    to_main = role == "inlet"
    a, b = (new, points) if to_main else (points, new)
    shallow = plan.frame.ground_elevation(u, v) - 0.75
    level = np.maximum(s.level[points] + 0.25, shallow) if to_main else np.full(len(points), np.nan)
    edge_of = np.zeros(len(s.u), dtype=np.int64)
    edge_of[s.a], edge_of[s.b] = s.edge, s.edge
    join = np.concatenate
    return Skeleton(
        s.network, join([s.u, u]), join([s.v, v]), join([s.level, level]), join([s.road, s.road[points]]),
        join([s.role, np.full(len(points), role, dtype="U8")]), join([s.a, a]), join([s.b, b]),
        join([s.edge, edge_of[points]]), join([s.is_lateral, np.ones(len(points), dtype=bool)]),
    )  # fmt: skip


def sort_points(s: Skeleton) -> None:
    """Renumber the points of `s` in place: street by street, along each."""
    order = np.lexsort((s.v + s.u, s.road))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    s.u, s.v, s.level, s.road, s.role = s.u[order], s.v[order], s.level[order], s.road[order], s.role[order]
    s.a, s.b = rank[s.a], rank[s.b]
