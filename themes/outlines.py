"""Drawings as outlines: from an SVG path to lines, and how far each pixel is from their ink.

Lines are arrays (n, 2) of x and y in the units of the drawing, without curves. What is computed here needs
no drawing library and is exact, so that one drawing gives a picture of any size, soft at its edges, and the
distance fields that maps colour and outline as they draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from fontTools.pens.basePen import decomposeQuadraticSegment
from fontTools.pens.recordingPen import RecordingPen
from fontTools.svgLib.path.parser import parse_path
from numpy.typing import NDArray

Line = NDArray[np.float64]
"""Points (n, 2) of a line; a closed one ends where it began."""

TOLERANCE = 0.02
"""How far a straight piece may be from the curve it stands for, in the units of an SVG drawing of 24."""


def lines_of_path(path: str) -> tuple[Line, ...]:
    """The lines of an SVG path (`d`), y downward as there; none for an empty one."""
    pen = RecordingPen()
    parse_path(path, pen)
    return lines_of_strokes(pen.value, TOLERANCE)


def lines_of_strokes(strokes: Iterable[tuple[str, tuple[Any, ...]]], tolerance: float) -> tuple[Line, ...]:
    """The lines of what a fontTools pen recorded, curves within `tolerance`; a single point is no line."""
    lines: list[Line] = []
    pieces: list[NDArray[np.float64]] = []
    for verb, points in strokes:
        if verb == "moveTo":
            pieces = [np.asarray(points, dtype=np.float64)]
        elif verb in ("closePath", "endPath"):
            line = np.concatenate(pieces)
            if verb == "closePath":
                line = np.concatenate([line, line[:1]])
            if len(line) > 1:
                lines.append(line)
        elif verb == "qCurveTo":
            if points[-1] is None:  # a contour without a single point on the curve
                middle = (np.asarray(points[0]) + np.asarray(points[-2])) / 2
                pieces, points = [middle[None]], (*points[:-1], tuple(middle))
            for piece in decomposeQuadraticSegment(points):
                pieces.append(_curve(tolerance, pieces[-1][-1], *piece))
        elif verb == "curveTo":
            pieces.append(_curve(tolerance, pieces[-1][-1], *points))
        else:
            pieces.append(np.asarray(points, dtype=np.float64))
    return tuple(lines)


def depth_of_fill(lines: Sequence[Line], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """How deep each point of `at` (m, 2) lies in what the closed `lines` enclose; negative outside.

    Enclosed is what they wind round (SVG's `nonzero`). -inf everywhere for no lines.
    """
    far = _distance(lines, at)
    (start_x, start_y), (end_x, end_y) = _segments(lines)
    x, y = at.astype(np.float32).T[..., None]
    is_below, ends_below = start_y <= y, end_y <= y
    side = (end_x - start_x) * (y - start_y) - (end_y - start_y) * (x - start_x)
    up = np.count_nonzero(is_below & ~ends_below & (side > 0), axis=1)
    down = np.count_nonzero(~is_below & ends_below & (side < 0), axis=1)
    return np.where(up != down, far, -far)


def depth_of_stroke(lines: Sequence[Line], width: float, at: NDArray[np.float64]) -> NDArray[np.float32]:
    """How deep each point of `at` (m, 2) lies in `lines` drawn `width` wide with round ends and corners."""
    return width / 2 - _distance(lines, at)


def pixel_centres(width: int, height: int) -> NDArray[np.float64]:
    """The middles (height × width, 2) of the pixels of a picture, row by row from its top left."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1)


def _curve(tolerance: float, *points: Any) -> NDArray[np.float64]:
    """Points along a quadratic or cubic Bézier curve, without its start.

    Pieces by the bound on a curve's distance from its chords (Wang 1984): n (n - 1) / 8 of its largest
    second difference, for degree n, divided by the square of their number.
    """
    control = np.asarray(points, dtype=np.float64)
    degree = len(control) - 1
    bend = np.hypot(*np.diff(control, 2, axis=0).T).max()
    count = max(int(np.ceil(np.sqrt(degree * (degree - 1) / 8 * bend / tolerance))), 1)
    along = (np.arange(1, count + 1) / count)[:, None]
    level: list[NDArray[np.float64]] = [np.broadcast_to(control[0], (count, 2)), *control[1:, None]]
    while len(level) > 1:
        level = [a + (b - a) * along for a, b in pairwise(level)]
    return level[0]


def _segments(lines: Sequence[Line]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Starts and ends (2, n) of the straight pieces."""
    # Half the memory moved, and a millionth of a drawing is near enough.
    none = np.empty((0, 2), dtype=np.float32)
    start = np.concatenate([none, *(line[:-1] for line in lines)], dtype=np.float32)
    end = np.concatenate([none, *(line[1:] for line in lines)], dtype=np.float32)
    return np.ascontiguousarray(start.T), np.ascontiguousarray(end.T)


def _distance(lines: Sequence[Line], at: NDArray[np.float64]) -> NDArray[np.float32]:
    (start_x, start_y), (end_x, end_y) = _segments(lines)
    if not len(start_x):
        return np.full(len(at), np.inf, dtype=np.float32)
    edge_x, edge_y = end_x - start_x, end_y - start_y
    length2 = np.maximum(edge_x * edge_x + edge_y * edge_y, np.float32(1e-12))
    x, y = at.astype(np.float32).T[..., None]
    x, y = x - start_x, y - start_y
    along = np.clip((x * edge_x + y * edge_y) / length2, 0, 1)
    x -= along * edge_x
    y -= along * edge_y
    nearest: NDArray[np.float32] = np.sqrt((x * x + y * y).min(axis=1))
    return nearest
