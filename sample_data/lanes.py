"""The graph a utility's lane makes of the road net, and the way through it to a source or an outfall.

A utility keeps to one side of every road, so its lines meet where the lanes of two roads cross: one
node per crossing and utility. Coordinates are plan metres.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sample_data.frame import Floats, Ints
from sample_data.plan import CM, Line, Plan
from sample_data.roads import RANK, junctions
from sample_data.utilities import Utility

Flags = NDArray[np.bool_]
MAP_EDGE_INSET_M = 1.5
"""How far before the city limit a lane stops."""


@dataclass
class Graph:
    """Nodes (`u`, `v`) and edges (`a`, `b` with the number and rank of their road)."""

    u: Floats
    v: Floats
    a: Ints
    b: Ints
    road: Ints
    rank: Ints
    is_bridge: Flags
    at_limit: Flags
    """Per node: the lane stops here because the map does."""

    @property
    def length(self) -> Floats:
        return np.hypot(self.u[self.a] - self.u[self.b], self.v[self.a] - self.v[self.b])

    def without(self, edges: Flags) -> Graph:
        """The same nodes, less the marked edges."""
        keep = ~edges
        return Graph(
            self.u, self.v, self.a[keep], self.b[keep], self.road[keep], self.rank[keep],
            self.is_bridge[keep], self.at_limit,
        )  # fmt: skip

    def with_edge(self, node: int, u: float, v: float, like: int) -> tuple[Graph, int]:
        """One more edge from `node` to a new node at (`u`, `v`), in the road of edge `like`."""
        new = len(self.u)
        graph = Graph(
            np.append(self.u, u), np.append(self.v, v), np.append(self.a, node), np.append(self.b, new),
            np.append(self.road, self.road[like]), np.append(self.rank, self.rank[like]),
            np.append(self.is_bridge, False), np.append(self.at_limit, False),
        )  # fmt: skip
        return graph, new


@dataclass(frozen=True)
class Tree:
    """Shortest ways to the roots. `parent` and `edge` are -1 at roots and at nodes out of reach."""

    parent: Ints
    edge: Ints
    distance: Floats
    """inf where out of reach."""

    def upstream_first(self) -> Ints:
        """Reached nodes, every node before its parent."""
        order = np.argsort(-self.distance, kind="stable")
        return np.asarray(order[np.isfinite(self.distance[order])])


def lane_graph(plan: Plan, utility: Utility) -> Graph:
    """The graph of `utility` over all roads of `plan`."""
    lane = {r.number: r.at / CM + utility.lane * r.half_width_m for r in plan.roads()}
    along: dict[int, set[float]] = {r.number: set() for r in plan.roads()}
    for vertical, horizontal in junctions(plan):
        along[vertical.number].add(lane[horizontal.number])
        along[horizontal.number].add(lane[vertical.number])
    met = _meetings(plan)
    nodes: dict[tuple[int, int], int] = {}
    limits: set[int] = set()
    rows: list[tuple[int, int, int, int, bool]] = []
    for road in plan.roads():
        stops = sorted(along[road.number])
        low, high = _limit_ends(road, met[road.number])
        chain = [*([low] if low is not None else []), *stops, *([high] if high is not None else [])]
        keys = [_key(road, lane[road.number], s) for s in chain]
        numbers = [nodes.setdefault(key, len(nodes)) for key in keys]
        if low is not None:
            limits.add(numbers[0])
        if high is not None:
            limits.add(numbers[-1])
        for a, b, sa, sb in zip(numbers, numbers[1:], chain, chain[1:], strict=False):
            rows.append((a, b, road.number, RANK[road.kind], not road.is_vertical and sa < 0 < sb))
    keys_array = np.array(list(nodes), dtype=np.float64) / CM
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    at_limit = np.zeros(len(nodes), dtype=bool)
    at_limit[sorted(limits)] = True
    return Graph(
        u=keys_array[:, 0],
        v=keys_array[:, 1],
        a=table[:, 0],
        b=table[:, 1],
        road=table[:, 2],
        rank=table[:, 3],
        is_bridge=table[:, 4].astype(bool),
        at_limit=at_limit,
    )


def shortest_tree(graph: Graph, roots: list[int], weight: Floats) -> Tree:
    """Dijkstra from `roots` over edge `weight`s; ties are broken by node number."""
    count = len(graph.u)
    neighbours: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for e, (a, b) in enumerate(zip(graph.a.tolist(), graph.b.tolist(), strict=True)):
        neighbours[a].append((b, e))
        neighbours[b].append((a, e))
    cost = weight.tolist()
    distance = [float("inf")] * count
    parent, edge = [-1] * count, [-1] * count
    queue: list[tuple[float, int]] = []
    for root in roots:
        distance[root] = 0.0
        heapq.heappush(queue, (0.0, root))
    while queue:
        d, n = heapq.heappop(queue)
        if d > distance[n]:
            continue
        for m, e in neighbours[n]:
            if d + cost[e] < distance[m]:
                distance[m], parent[m], edge[m] = d + cost[e], n, e
                heapq.heappush(queue, (distance[m], m))
    return Tree(np.array(parent), np.array(edge), np.array(distance))


def _key(road: Line, lane: float, along: float) -> tuple[int, int]:
    u, v = (lane, along) if road.is_vertical else (along, lane)
    return round(u * CM), round(v * CM)


def _meetings(plan: Plan) -> dict[int, list[int]]:
    """Where each road meets others: positions along it, cm."""
    met: dict[int, list[int]] = {r.number: [] for r in plan.roads()}
    for vertical, horizontal in junctions(plan):
        met[vertical.number].append(horizontal.at)
        met[horizontal.number].append(vertical.at)
    return met


def _limit_ends(road: Line, met: list[int]) -> tuple[float | None, float | None]:
    """Plan positions where the road's lane starts or stops at the city limit; None where it meets a road."""
    low = None if road.low in met else road.low / CM + MAP_EDGE_INSET_M
    high = None if road.high in met else road.high / CM - MAP_EDGE_INSET_M
    return low, high
