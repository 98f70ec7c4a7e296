"""Does anything occur twice: keys (ATT-03), shapes (GEO-08)? Needs the whole layer, 40 bytes a row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from importers.check.attributes import blank
from importers.check.ledger import Said
from importers.check.model import Floats, Positions, Rule
from importers.check.portion import Portion
from importers.check.work import Work
from layers.model import Layer, Text


def _has_key(layer: Layer) -> bool:
    return layer.key is not None


SAME_KEY = Rule("ATT-03", "error", "accuracy", Text("标识重复", "key not unique"), applies=_has_key)
SAME_SHAPE = Rule("GEO-08", "warning", "accuracy", Text("几何重复", "duplicate geometry"))
RULES = (SAME_KEY, SAME_SHAPE)

_NAMED = 5
"""How many of the other rows a sentence names."""


class Register:
    """All rows of the layer by number, key and place: the roster of checks that speak at the end.

    Rows with errors are only marked while their batch is at hand; afterwards their findings tell.
    """

    def __init__(self) -> None:
        self._numbers: list[NDArray[np.int64]] = []
        self._files: list[str] = []
        self._keys: list[pa.Array] = []
        self._anchors: list[Floats] = []
        self.errors: list[int] = []
        self._joined: tuple[NDArray[np.int64], pa.ChunkedArray, Floats] | None = None

    def feed(self, portion: Portion) -> None:
        self._numbers.append(portion.rows.numbers)
        self._files.append(portion.rows.file)
        key = portion.layer.key
        column = portion.rows.columns.get(key) if key is not None else None
        self._keys.append(pa.nulls(len(portion), pa.string()) if column is None else column.cast(pa.string()))
        self._anchors.append(portion.anchors)

    @property
    def numbers(self) -> NDArray[np.int64]:
        return self._all()[0]

    @property
    def keys(self) -> pa.ChunkedArray:
        return self._all()[1]

    @property
    def anchors(self) -> Floats:
        """(n, 2) where each row is, roughly; NaN for nowhere."""
        return self._all()[2]

    def number(self, position: int) -> int:
        return int(self.numbers[position])

    def key(self, position: int) -> str | None:
        found: str | None = self.keys[position].as_py()
        return found

    def file(self, position: int) -> str:
        ends = np.cumsum([len(numbers) for numbers in self._numbers])
        return self._files[int(np.searchsorted(ends, position, side="right"))]

    def place(self, position: int) -> shapely.Geometry | None:
        x, y = self.anchors[position]
        return shapely.Point(x, y) if np.isfinite(x) and np.isfinite(y) else None

    def mark(self, positions: Positions) -> None:
        self.errors.extend(positions.tolist())

    def _all(self) -> tuple[NDArray[np.int64], pa.ChunkedArray, Floats]:
        if self._joined is None:
            self._joined = (
                np.concatenate([np.empty(0, np.int64), *self._numbers]),
                pa.chunked_array(self._keys, pa.string()),
                np.concatenate([np.empty((0, 2)), *self._anchors]),
            )
        return self._joined


class Repeats:
    """Keys and shapes that occur more than once."""

    def __init__(self, work: Work, register: Register) -> None:
        self._work = work
        self._register = register
        self._shapes: list[NDArray[np.uint64]] = []
        self._with_key = 0

    def feed(self, portion: Portion) -> None:
        if self._work.layer.key is not None:
            self._with_key += int((~blank(portion, self._work.layer.key)).sum())
        if self._work.ledger.asks(SAME_SHAPE):
            self._shapes.append(portion.signatures)

    def finish(self) -> None:
        self._say_keys()
        self._say_shapes()

    def _say_keys(self) -> None:
        ledger, register, key = self._work.ledger, self._register, self._work.layer.key
        if not ledger.asks(SAME_KEY) or key is None:
            return
        ledger.checked(SAME_KEY, self._with_key)
        encoded = register.keys.combine_chunks().dictionary_encode()
        index = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(encoded.dictionary), ""), False)
        nothing = np.append(np.asarray(empty.to_numpy(zero_copy_only=False), dtype=bool), True)
        others = _Groups(np.where(nothing[index], -1, index))

        def said(position: int) -> Said:
            value, named, count = (
                register.key(position),
                self._others(others.rest(position)),
                others.size(position),
            )
            return Said(
                f"标识“{value}”出现 {count} 次，另见第 {named} 行",
                f"the key {value!r} occurs {count} times, also in rows {named}",
                value,
                key,
            )

        ledger.found(SAME_KEY, register, others.repeated, said)

    def _say_shapes(self) -> None:
        ledger, register = self._work.ledger, self._register
        if not ledger.asks(SAME_SHAPE):
            return
        signatures = np.concatenate([np.empty(0, np.uint64), *self._shapes])
        ledger.checked(SAME_SHAPE, int((signatures != 0).sum()))
        _, index = np.unique(signatures, return_inverse=True)
        others = _Groups(np.where(signatures == 0, -1, index))

        def said(position: int) -> Said:
            named, count = self._others(others.rest(position)), others.size(position)
            return Said(
                f"与第 {named} 行的几何完全相同（共 {count} 行）",
                f"the same geometry as in rows {named} ({count} rows in all)",
                count,
            )

        ledger.found(SAME_SHAPE, register, others.repeated, said)

    def _others(self, positions: Positions) -> str:
        numbers = self._register.numbers[positions[:_NAMED]].tolist()
        return ", ".join(map(str, numbers)) + (" …" if len(positions) > _NAMED else "")


class _Groups:
    """Rows that share a label; -1 belongs to nobody."""

    def __init__(self, labels: NDArray[np.int64]) -> None:
        self._labels = labels
        counts = np.bincount(labels[labels >= 0], minlength=1)
        self._counts = np.where(labels >= 0, counts[labels], 0)
        self.repeated: Positions = np.flatnonzero(self._counts > 1)
        """Every row of a group of two or more, in order."""
        inner = np.argsort(labels[self.repeated], kind="stable")
        self._sorted = self.repeated[inner]
        self._sorted_labels = labels[self._sorted]

    def size(self, position: int) -> int:
        return int(self._counts[position])

    def rest(self, position: int) -> Positions:
        """The other rows of the row's group, in order."""
        label = self._labels[position]
        start, stop = np.searchsorted(self._sorted_labels, [label, label + 1])
        group: Positions = self._sorted[start:stop]
        return np.asarray(group[group != position])
