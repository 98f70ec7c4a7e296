"""Pipe segments put onto their nodes: turned round, their ends moved."""

from __future__ import annotations

import numpy as np
import shapely

from importers.check.model import Geometries, Positions
from importers.check.pipe_lines import at_nodes
from importers.check.portion import Portion
from importers.check.surroundings import Places


def turned(portion: Portion, nodes: Places, within_m: float) -> Positions:
    """Rows drawn from their end node to their start node."""
    start, end = at_nodes(portion, nodes)
    wrong = (start.apart_m > within_m) & (end.apart_m > within_m)
    right = (start.other_apart_m <= within_m) & (end.other_apart_m <= within_m)
    return np.flatnonzero(wrong & right)


def snapped(portion: Portion, nodes: Places, within_m: float) -> tuple[Positions, Geometries]:
    """Rows with an end off its node by no more than `within_m`, and their shapes with it moved there."""
    vertices = portion.vertices
    rows, first = np.unique(vertices.row, return_index=True)
    last = np.append(first[1:], len(vertices.xy)) - 1
    xy = vertices.xy.copy()
    moved = np.zeros(len(portion), dtype=bool)
    for end, vertex in zip(at_nodes(portion, nodes), (first, last), strict=True):
        place = nodes.xy[end.node[rows]] if len(nodes) else np.empty((len(rows), 2))
        apart = end.apart_m[rows]
        near = (end.node[rows] >= 0) & (apart > 0) & (apart <= within_m)
        xy[vertex[near]] = place[near]
        moved[rows[near]] = True
    positions = np.flatnonzero(moved)
    chosen = moved[vertices.row]
    flat = np.asarray(shapely.force_2d(portion.geometry[positions]), dtype=object)
    return positions, np.asarray(shapely.set_coordinates(flat, xy[chosen]), dtype=object)
