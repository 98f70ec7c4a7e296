"""Which keys came before, over files of any length, in 16 bytes per row.

Keys are remembered by 64-bit hashes (Python's own, keyed per process): among a million keys two different
ones share a hash with a chance of 3 in 100 million, so a repetition that is found is one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROW_BITS = 40


class Seen(NamedTuple):
    """Where a key was seen first. `file` is empty for the file that is being read."""

    row: int
    file: str


class SeenKeys:
    """Keys with the row each was first seen in; sorted runs that double in size, merged as they grow."""

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._files: list[str] = []

    def begin(self, file: str) -> None:
        """The rows from here on are of `file`."""
        self._files.append(file)

    def repeated(self, keys: list[str | None], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each key a number for `where` if it came before, 0 for a new key and for None.

        The new ones are remembered. `rows` count from 1.
        """
        places = rows + (max(len(self._files) - 1, 0) << _ROW_BITS)
        hashes = np.fromiter((0 if key is None else hash(key) for key in keys), np.int64, len(keys))
        present = np.array([key is not None for key in keys], dtype=bool)
        first = np.zeros(len(keys), dtype=np.int64)
        for run_hashes, run_places in self._runs:
            at = np.minimum(np.searchsorted(run_hashes, hashes), len(run_hashes) - 1)
            hit = present & (run_hashes[at] == hashes) & (first == 0)
            first[hit] = run_places[at[hit]]
        order = np.flatnonzero(present & (first == 0))
        distinct, position, inverse = np.unique(hashes[order], return_index=True, return_inverse=True)
        earliest = places[order[position]]
        again = places[order] != earliest[inverse]
        first[order[again]] = earliest[inverse[again]]
        self._remember(distinct, earliest)
        return first

    def where(self, number: int) -> Seen:
        """The row and file behind a number that `repeated` gave."""
        row, part = number & ((1 << _ROW_BITS) - 1), number >> _ROW_BITS
        return Seen(row, self._files[part] if part < len(self._files) - 1 else "")

    def _remember(self, hashes: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        if not len(hashes):
            return
        while self._runs and len(self._runs[-1][0]) <= 2 * len(hashes):
            more, their_places = self._runs.pop()
            hashes, places = np.concatenate([hashes, more]), np.concatenate([places, their_places])
            order = np.argsort(hashes, kind="stable")
            hashes, places = hashes[order], places[order]
        self._runs.append((hashes, places))
