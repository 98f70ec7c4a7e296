"""Shapes out of WKB and WKT, a whole column at once; what is no shape and what has arcs told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from importers.masks import Mask
from importers.source import Geometries
from layers.model import Text

CURVED = Text("是曲线（圆弧），请转为折线后再导入", "a curve (arcs); turn it into straight pieces first")
BODY = Text(
    "是三维体（multipatch、TIN 或多面体），请先转为平面轮廓（ArcGIS：Multipatch Footprint）",
    "a body in space (multipatch, TIN, polyhedral surface); make its footprint first",
)
UNREAD = Text(
    "图形无法解析（点数不足、环未闭合或已损坏）",
    "the geometry cannot be read (too few points, a ring not closed, or damaged)",
)


_BODIES = (15, 16, 17)
"""PolyhedralSurface, TIN and Triangle (OGC 06-103r4, table 7), which GEOS does not know."""
_NO_FLAGS = 0x1FFFFFFF
"""Without the bits by which older writers of WKB mark heights and measures; ISO adds thousands."""


class Read(NamedTuple):
    """`shapes`: None where nothing was given or nothing could be read. `unread`: given and no shape.

    `curved`: a shape with arcs, which GEOS 3.13 reads and nothing here can use; its shape is None too.
    """

    shapes: Geometries
    unread: Mask
    curved: Mask


def why_unread(wkb: bytes, *, is_curve: bool) -> Text:
    """Why nothing was made of a shape."""
    if is_curve:
        return CURVED
    order: Literal["little", "big"] = "little" if wkb[:1] == b"\1" else "big"
    kind = (int.from_bytes(wkb[1:5], order) & _NO_FLAGS) % 1000
    return BODY if kind in _BODIES else UNREAD


def from_wkb(given: NDArray[np.object_]) -> Read:
    """(n,) bytes or None as shapes."""
    return _read(given, shapely.from_wkb)


def from_wkt(given: NDArray[np.object_]) -> Read:
    """(n,) texts or None as shapes."""
    return _read(given, shapely.from_wkt)


def _read(given: NDArray[np.object_], parse: Callable[..., Any]) -> Read:
    there = np.array([one is not None for one in given], dtype=bool)
    try:
        with np.errstate(invalid="ignore"):  # of a NaN among the coordinates, which is for others to judge
            shapes = np.asarray(parse(given, on_invalid="ignore"), dtype=object)
        curved = np.zeros(len(given), dtype=bool)
    except NotImplementedError:  # shapely 2.1 on an arc; it does not say in which row
        shapes, curved = _one_by_one(given, parse)
    return Read(shapes, there & shapely.is_missing(shapes) & ~curved, curved)


def _one_by_one(given: NDArray[np.object_], parse: Callable[..., Any]) -> tuple[Geometries, Mask]:
    shapes, curved = np.full(len(given), None, dtype=object), np.zeros(len(given), dtype=bool)
    for position, one in enumerate(given):
        try:
            shapes[position] = parse(one, on_invalid="ignore")
        except NotImplementedError:
            curved[position] = True
    return shapes, curved
