"""One utility's network as engineers would lay it: sources, flow, diameters, levels; still by street edge.

Pressure networks flow outward from a source and keep their loops; sewers are forests that fall to an
outfall at the river, each edge that is not on the way begins in a head manhole of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sample_data.frame import Floats, Frame, Ints
from sample_data.lanes import Flags, Graph, Tree, lane_graph, shortest_tree
from sample_data.plan import CM, Plan
from sample_data.utilities import HEAT, RAIN, Utility, diameters, least_slope

RANK_WEIGHT = np.array([0.5, 0.6, 0.8, 1.0])
"""Pipes rather follow wide roads: what a metre of each rank counts."""
LEAST_FALL_M = 0.004
"""Between two manholes however near: what three decimals still show."""
HEAD_GAP_M = 14.0
"""How far from the next crossing a sewer's head manhole stands."""


@dataclass
class Network:
    """Edges oriented along the flow, from `a` to `b`, with what is decided per edge and per node.

    `level` is the invert of sewers at each node (metres, NaN for pressure networks); `outfalls` are the
    nodes where water leaves, `plants` those with the works before it, `sources` where it comes from.
    """

    utility: Utility
    graph: Graph
    a: Ints
    b: Ints
    diameter_mm: Ints
    level: Floats
    sources: list[int]
    outfalls: list[int]
    plants: list[int]


def lay(plan: Plan, utility: Utility) -> Network:
    """The network of `utility` in all roads of `plan`; edges nothing can reach are left out."""
    graph = lane_graph(plan, utility)
    if utility.is_gravity:
        return _lay_sewer(plan, utility, graph)
    if utility is HEAT:
        graph = graph.without(~_heated(plan, graph))
    source = _source(plan.frame, utility, graph)
    tree = shortest_tree(graph, [source], graph.length * RANK_WEIGHT[graph.rank])
    graph = graph.without(~np.isfinite(tree.distance[graph.a]))
    tree = shortest_tree(graph, [source], graph.length * RANK_WEIGHT[graph.rank])
    forward = tree.distance[graph.a] <= tree.distance[graph.b]
    a, b = np.where(forward, graph.a, graph.b), np.where(forward, graph.b, graph.a)
    load = _loads(graph, tree)
    size = _outward(graph, tree, diameters(utility, load, graph.rank)) if utility.has_diameter else load * 0
    level = np.full(len(graph.u), np.nan)
    return Network(utility, graph, a, b, size.astype(np.int64), level, [source], [], [])


def _source(frame: Frame, utility: Utility, graph: Graph) -> int:
    """The node where the network is fed: at the city limit, in another quarter for each utility."""
    corner = {"JS": (0.2, 0.0), "RQ": (0.9, 0.9), "DL": (0.9, 0.1), "TX": (0.55, 0.5), "RL": (1.0, 0.3)}
    x, y = corner[utility.prefix]
    far = np.hypot(graph.u - (frame.west + x * frame.width), graph.v - y * frame.north)
    used = np.zeros(len(graph.u), dtype=bool)
    used[graph.a], used[graph.b] = True, True
    rank = np.full(len(graph.u), 9)
    np.minimum.at(rank, graph.a, graph.rank)
    np.minimum.at(rank, graph.b, graph.rank)
    return int(np.argmin(np.where(used, far + 150.0 * rank, np.inf)))


def _heated(plan: Plan, graph: Graph) -> Flags:
    """Edges with district heating: one main east of the river, to the works in the east."""
    mains = [r for r in plan.roads() if not r.is_vertical and r.kind in ("express", "trunk")]
    if not mains:
        mains = [r for r in plan.roads() if not r.is_vertical][:1]
    wanted = plan.frame.north * CM * 0.35
    main = min(mains, key=lambda r: (abs(r.at - wanted), r.number)).number if mains else -1
    east = np.minimum(graph.u[graph.a], graph.u[graph.b]) > plan.frame.bank_m
    return np.asarray((graph.road == main) & east)


def _loads(graph: Graph, tree: Tree) -> Floats:
    """Metres of network behind each edge, away from the root; for edges off the tree their own length."""
    length = graph.length
    behind = np.zeros(len(graph.u))
    off_tree = np.ones(len(length), dtype=bool)
    off_tree[tree.edge[tree.edge >= 0]] = False
    far_end = np.where(tree.distance[graph.a] > tree.distance[graph.b], graph.a, graph.b)
    np.add.at(behind, far_end[off_tree], length[off_tree])
    load = length.copy()
    for n in tree.upstream_first().tolist():
        e = tree.edge[n]
        if e >= 0:
            load[e] = behind[n] + length[e]
            behind[tree.parent[n]] += load[e]
    return load


def _outward(graph: Graph, tree: Tree, size: Ints) -> Ints:
    """`size` widened where a pipe further out would be wider than the one that feeds it."""
    widest = np.zeros(len(graph.u), dtype=np.int64)
    size = size.copy()
    off_tree = np.ones(len(size), dtype=bool)
    off_tree[tree.edge[tree.edge >= 0]] = False
    for n in tree.upstream_first().tolist():
        e = tree.edge[n]
        if e >= 0:
            size[e] = max(size[e], widest[n])
            widest[tree.parent[n]] = max(widest[tree.parent[n]], size[e])
    near = np.where(tree.distance[graph.a] > tree.distance[graph.b], graph.b, graph.a)
    feeding = np.array([size[e] if e >= 0 else 10_000 for e in tree.edge[near]], dtype=np.int64)
    return np.where(off_tree, np.minimum(size, feeding), size)


# ---------------------------------------------------------------- sewers


def _lay_sewer(plan: Plan, utility: Utility, graph: Graph) -> Network:
    frame = plan.frame
    graph = graph.without(graph.is_bridge)
    add_outfalls = _rain_outfalls if utility is RAIN else _sewage_outfalls
    graph, outfalls, plants = add_outfalls(plan, graph)
    tree = shortest_tree(graph, outfalls, graph.length * RANK_WEIGHT[graph.rank])
    graph = graph.without(~np.isfinite(tree.distance[graph.a]))
    tree = shortest_tree(graph, outfalls, graph.length * RANK_WEIGHT[graph.rank])
    graph, tree = _give_heads(graph, tree)
    size = _outward(graph, tree, diameters(utility, _loads(graph, tree), graph.rank))
    level = _inverts(frame, utility, graph, tree, size)
    is_up = tree.distance[graph.a] > tree.distance[graph.b]
    a, b = np.where(is_up, graph.a, graph.b), np.where(is_up, graph.b, graph.a)
    return Network(utility, graph, a, b, size, level, [], outfalls, plants)


def _bank_nodes(plan: Plan, graph: Graph, side: int) -> Ints:
    """Nodes in the riverside road on the west (-1) or east (1) bank, from south to north."""
    bank = {r.number for r in plan.roads() if r.is_vertical and r.at == round(side * plan.frame.bank_m * CM)}
    edges = np.isin(graph.road, list(bank))
    nodes = np.unique(np.concatenate([graph.a[edges], graph.b[edges]]))
    return nodes[np.argsort(graph.v[nodes], kind="stable")]


def _rain_outfalls(plan: Plan, graph: Graph) -> tuple[Graph, list[int], list[int]]:
    """An outfall wherever a road of some width reaches the riverside road, and at its northern end."""
    outfalls: list[int] = []
    start = graph
    for side in (-1, 1):
        nodes = _bank_nodes(plan, start, side)
        for node in nodes.tolist():
            here = np.flatnonzero((start.a == node) | (start.b == node))
            across = here[start.v[start.a[here]] == start.v[start.b[here]]]
            if node == nodes[-1] or (len(across) and start.rank[across].min() <= 2):
                v = float(start.v[node])
                water = float(plan.frame.half_water(np.array([v]))[0])
                graph, new = graph.with_edge(node, side * (water - 0.5), v, int(here[0]))
                outfalls.append(new)
    return graph, outfalls, []


def _sewage_outfalls(plan: Plan, graph: Graph) -> tuple[Graph, list[int], list[int]]:
    """On each bank a works at the northern (lower) end of the riverside road, and its outfall."""
    outfalls: list[int] = []
    plants: list[int] = []
    start = graph
    for side in (-1, 1):
        node = int(_bank_nodes(plan, start, side)[-1])
        like = int(np.flatnonzero((start.a == node) | (start.b == node))[0])
        v = float(start.v[node]) - 0.5
        water = float(plan.frame.half_water(np.array([v]))[0])
        graph, plant = graph.with_edge(node, side * (water + 8.0), v, like)
        graph, outfall = graph.with_edge(plant, side * (water - 0.5), v, like)
        plants.append(plant)
        outfalls.append(outfall)
    return graph, outfalls, plants


def _give_heads(graph: Graph, tree: Tree) -> tuple[Graph, Tree]:
    """Cut the edges off the tree loose from their upper end: they begin in a head manhole near it."""
    on_tree = np.zeros(len(graph.a), dtype=bool)
    on_tree[tree.edge[tree.edge >= 0]] = True
    length = graph.length
    keep = on_tree | (length > 2.5 * HEAD_GAP_M)
    loose = np.flatnonzero(~on_tree & keep)
    a, b = graph.a.copy(), graph.b.copy()
    upper = np.where(tree.distance[a[loose]] > tree.distance[b[loose]], a[loose], b[loose])
    lower = a[loose] + b[loose] - upper
    share = HEAD_GAP_M / length[loose]
    heads = len(graph.u) + np.arange(len(loose))
    u = graph.u[upper] + (graph.u[lower] - graph.u[upper]) * share
    v = graph.v[upper] + (graph.v[lower] - graph.v[upper]) * share
    a[loose], b[loose] = heads, lower
    whole = Graph(
        np.concatenate([graph.u, u]), np.concatenate([graph.v, v]), a, b, graph.road, graph.rank,
        graph.is_bridge, np.concatenate([graph.at_limit, np.zeros(len(loose), dtype=bool)]),
    ).without(~keep)  # fmt: skip
    renumbered = np.cumsum(keep) - 1
    edge = np.concatenate([np.where(tree.edge >= 0, renumbered[tree.edge], -1), renumbered[loose]])
    parent = np.concatenate([tree.parent, lower])
    beyond = tree.distance[lower] + (1 - share) * length[loose] * RANK_WEIGHT[graph.rank[loose]]
    return whole, Tree(parent, edge, np.concatenate([tree.distance, beyond]))


def _inverts(frame: Frame, utility: Utility, graph: Graph, tree: Tree, size: Ints) -> Floats:
    """Invert level of each node: as high as its cover and every pipe that falls into it allow."""
    ground = frame.ground_elevation(graph.u, graph.v)
    level = ground - utility.cover_m
    fall = np.maximum(least_slope(size) * graph.length, LEAST_FALL_M)
    for n in tree.upstream_first().tolist():
        e = tree.edge[n]
        if e >= 0:
            p = tree.parent[n]
            level[p] = min(level[p], level[n] - fall[e])
    return np.asarray(np.where(np.isfinite(tree.distance), level, np.nan))
