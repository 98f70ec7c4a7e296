"""A number by which equal shapes are told among a million, without comparing them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from importers.check.model import Floats
from importers.check.plane import Vertices


def signatures(vertices: Vertices, rows: int) -> NDArray[np.uint64]:
    """64 bits per row that are equal for equal sets of vertices, wherever a ring starts, whichever way
    a line runs and in whatever order parts come; 0 is never a signature."""
    mixed = _mixed(vertices.xy)
    # a ring repeats its first vertex at its end: which one that is must not matter
    ends = np.append(np.diff(vertices.line) != 0, True) if len(mixed) else np.empty(0, bool)
    mixed[ends & vertices.closed[vertices.line]] = 0
    return _summed(mixed, vertices, rows) | np.uint64(1)


def _mixed(xy: Floats) -> NDArray[np.uint64]:
    """A well spread 64-bit number per vertex (the finaliser of splitmix64)."""
    bits = np.ascontiguousarray(xy + 0.0).view(np.uint64)  # + 0.0 makes -0.0 plain 0.0
    with np.errstate(over="ignore"):
        value = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15) + bits[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
        value ^= value >> np.uint64(30)
        value *= np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(27)
        value *= np.uint64(0x94D049BB133111EB)
        value ^= value >> np.uint64(31)
    return np.asarray(value, dtype=np.uint64)


def _summed(mixed: NDArray[np.uint64], vertices: Vertices, rows: int) -> NDArray[np.uint64]:
    total = np.zeros(rows, dtype=np.uint64)
    if len(mixed):
        row = vertices.row
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        total[row[starts]] = np.add.reduceat(mixed, starts)
    return total
