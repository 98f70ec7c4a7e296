"""Plain shapes in well-known binary as arrays of coordinates, and back: no object for each shape.

Most of what cities deliver is flat and of one part: points, lines, areas of one ring. Their coordinates lie
in the bytes at places that can be told for a whole column at once, so that a column is reprojected and made
of its layer's type several times faster than through an object for each shape (OGC 06-103r4, clause 8).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Kind = Literal["Point", "LineString", "Polygon"]

_LITTLE_ENDIAN = 1
_CODES: dict[Kind, tuple[int, int]] = {"Point": (1, 4), "LineString": (2, 5), "Polygon": (3, 6)}
"""Type codes of a shape alone, and of a collection of such."""
_HEADS: dict[Kind, int] = {"Point": 5, "LineString": 9, "Polygon": 13}
"""Bytes before the coordinates of a shape alone: order, type, number of rings, number of points."""
_COLLECTED = 9
"""Bytes that stand before the only part of a collection."""
_FEWEST: dict[Kind, int] = {"Point": 1, "LineString": 2, "Polygon": 4}
_PAIR = 16
"""Bytes of a coordinate pair."""


class PlainShapes(NamedTuple):
    """n flat shapes of one kind, each of one part, none of them empty.

    `coordinates`: (m, 2) float64, finite, shape after shape; `counts`: (n,) int64, points of each shape.
    Areas have one ring, which is closed.
    """

    kind: Kind
    coordinates: NDArray[np.float64]
    counts: NDArray[np.int64]

    def any_of(self, points: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) whether any point of each shape is one of `points`, (m,)."""
        if not len(self.counts):
            return np.zeros(0, dtype=bool)
        return np.logical_or.reduceat(points, self._starts())

    def only(self, shapes: NDArray[np.bool_]) -> PlainShapes:
        """Those of `shapes`, (n,) bool, in the same order."""
        if shapes.all():
            return self
        return PlainShapes(self.kind, self.coordinates[np.repeat(shapes, self.counts)], self.counts[shapes])

    def wkb(self, *, multi: bool) -> pa.Array:
        """The n shapes as Arrow binary, little-endian; `multi`: each as a collection of one."""
        head = self._head(multi=multi)
        counted = self.kind != "Point"
        heads = np.broadcast_to(head, (len(self.counts), len(head))).copy()
        if counted:
            heads[:, -4:] = self.counts.astype("<u4").view(np.uint8).reshape(-1, 4)
        ends = np.cumsum(len(head) + self.counts * _PAIR)
        made = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
        within = _spans(ends - self.counts * _PAIR, ends, len(made))
        made[within] = np.ascontiguousarray(self.coordinates, dtype="<f8").view(np.uint8).reshape(-1)
        made[~within] = heads.reshape(-1)
        offsets = np.concatenate([[0], ends]).astype(np.int32)
        return pa.BinaryArray.from_buffers(
            pa.binary(), len(self.counts), [None, pa.py_buffer(offsets), pa.py_buffer(made)]
        )

    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum(self.counts) - self.counts

    def _head(self, *, multi: bool) -> NDArray[np.uint8]:
        """What stands before the coordinates, the number of points left at nought."""
        alone, collected = _CODES[self.kind]
        order = bytes([_LITTLE_ENDIAN])
        told = order + alone.to_bytes(4, "little")
        if self.kind == "Polygon":
            told += (1).to_bytes(4, "little")
        if self.kind != "Point":
            told += bytes(4)
        if multi:
            told = order + collected.to_bytes(4, "little") + (1).to_bytes(4, "little") + told
        return np.frombuffer(told, np.uint8)


def plain_shapes(given: pa.Array) -> tuple[NDArray[np.bool_], PlainShapes] | None:
    """Which of `given` (Arrow binary, WKB) are plain shapes of the kind that most often comes, and those.

    None if none is. All others are left to who can read every shape: null, empty, with heights, of several
    parts or rings, of the other byte order, with coordinates that are no numbers, with a ring left open.
    """
    if len(given) == 0 or given.null_count == len(given):
        return None
    data, starts, lengths = _bytes(given)
    if (lengths < 0).any():  # GDAL gives such a column of a damaged FlatGeobuf
        return None
    there = lengths >= _HEADS["Point"]
    if given.null_count:
        there &= given.is_valid().to_numpy(zero_copy_only=False)
    codes = np.where(there & (_byte(data, starts) == _LITTLE_ENDIAN), _uint32(data, starts + 1), 0)
    kind = max(_CODES, key=lambda k: int(np.isin(codes, _CODES[k]).sum()))
    alone, collected = _CODES[kind]
    # One part in a collection: its own head follows.
    parts = (codes == collected) & (lengths >= _HEADS[kind] + _COLLECTED)
    parts &= (_uint32(data, starts + 5) == 1) & (_byte(data, starts + 9) == _LITTLE_ENDIAN)
    parts &= _uint32(data, starts + 10) == alone
    own = starts + np.where(parts, _COLLECTED, 0)
    plain = parts | ((codes == alone) & (lengths >= _HEADS[kind]))
    counts = np.ones(len(given), dtype=np.int64)
    if kind == "Polygon":
        plain &= _uint32(data, own + 5) == 1
    if kind != "Point":
        counts = np.where(plain, _uint32(data, own + _HEADS[kind] - 4), 0)
    first = own + _HEADS[kind]
    plain &= (counts >= _FEWEST[kind]) & (first + counts * _PAIR == starts + lengths)
    if not plain.any():
        return None
    return _whole(kind, data, plain, first, counts)


def _whole(
    kind: Kind,
    data: NDArray[np.uint8],
    plain: NDArray[np.bool_],
    first: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], PlainShapes] | None:
    """The coordinates of the `plain` rows, without those that are no numbers or leave a ring open."""
    counts, first = counts[plain], first[plain]
    within = _spans(first, first + counts * _PAIR, len(data))
    coordinates = data[within].view("<f8").astype(np.float64, copy=False).reshape(-1, 2)
    found = PlainShapes(kind, coordinates, counts)
    sound = ~found.any_of(np.isfinite(coordinates).sum(axis=1) < 2)
    if kind == "Polygon":
        ends = np.cumsum(counts)
        sound &= (coordinates[ends - counts] == coordinates[ends - 1]).all(axis=1)
    if not sound.any():
        return None
    plain[np.flatnonzero(plain)[~sound]] = False
    return plain, found.only(sound)


def _bytes(given: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """All bytes one after the other, and where each value begins and how long it is."""
    width = np.int64 if pa.types.is_large_binary(given.type) else np.int32
    _, ends, data = given.buffers()
    offsets = np.frombuffer(ends, width)[given.offset : given.offset + len(given) + 1].astype(np.int64)
    said = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return said[: int(offsets[-1])], offsets[:-1], np.diff(offsets)


def _byte(data: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The bytes at `at`; beyond the end, any."""
    return data[np.minimum(at, len(data) - 1)] if len(data) else np.zeros(len(at), np.uint8)


def _uint32(data: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.zeros(len(at), dtype=np.int64)
    for place in range(4):
        found |= _byte(data, at + place).astype(np.int64) << (8 * place)
    return found


def _spans(starts: NDArray[np.int64], ends: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """(size,) True from each start to its end; the spans are in order, with something between them."""
    steps = np.zeros(size + 1, dtype=np.int8)
    steps[starts] = 1
    steps[ends] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)
