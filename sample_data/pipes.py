"""The pipe survey of the whole city: every utility's networks in one point table and one line table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from sample_data.network import lay
from sample_data.plan import Plan
from sample_data.points import PipeNodes, describe_points
from sample_data.segments import PipeLines, describe_segments
from sample_data.skeleton import break_up, sort_points, spacing_factor, with_laterals
from sample_data.utilities import UTILITIES

LATERAL_SHARE = 0.20
"""Part of all segments that are leads: from rain inlets to manholes, from mains to hydrants."""

Table = TypeVar("Table", PipeNodes, PipeLines)


@dataclass(frozen=True)
class Pipes:
    """All networks: points and lines."""

    nodes: PipeNodes
    lines: PipeLines


def make_pipes(plan: Plan, target: int, rng: np.random.Generator) -> Pipes:
    """Networks of all utilities with `target` segments in all (as near as the streets allow)."""
    networks = [n for n in (lay(plan, utility) for utility in UTILITIES) if len(n.a)]
    factor = spacing_factor(networks, target - round(target * LATERAL_SHARE))
    skeletons = [break_up(network, factor) for network in networks]
    missing = target - sum(len(s.a) for s in skeletons)
    nodes: list[PipeNodes] = []
    lines: list[PipeLines] = []
    width = len(str(max(target // 5, 1000)))
    for skeleton in with_laterals(plan, skeletons, max(missing, 0), rng):
        sort_points(skeleton)
        points = describe_points(plan, skeleton, width, rng)
        lines.append(describe_segments(plan, skeleton, points, sum(len(n.code) for n in nodes), rng))
        nodes.append(points)
    return Pipes(_stack(PipeNodes, nodes), _stack(PipeLines, lines))


def _stack(kind: type[Table], parts: list[Table]) -> Table:
    """The tables of several networks as one."""
    return kind(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(kind)})
