"""Which keys came before, over a file of any length, in 16 bytes per row.

Keys are remembered by 64-bit hashes (Python's own, keyed per process): among a million keys two different
ones share a hash with a chance of 3 in 100 million, so a repetition that is found is one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class SeenKeys:
    """Keys with the row each was first seen in; sorted runs that double in size, merged as they grow."""

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    def repeated(self, keys: list[str | None], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each key the row it was first seen in, 0 for a new key and for None; remembers the new ones."""
        hashes = np.fromiter((0 if key is None else hash(key) for key in keys), np.int64, len(keys))
        present = np.array([key is not None for key in keys], dtype=bool)
        first = np.zeros(len(keys), dtype=np.int64)
        for run_hashes, run_rows in self._runs:
            at = np.minimum(np.searchsorted(run_hashes, hashes), len(run_hashes) - 1)
            hit = present & (run_hashes[at] == hashes) & (first == 0)
            first[hit] = run_rows[at[hit]]
        order = np.flatnonzero(present & (first == 0))
        distinct, position, inverse = np.unique(hashes[order], return_index=True, return_inverse=True)
        earliest = rows[order[position]]
        again = rows[order] != earliest[inverse]
        first[order[again]] = earliest[inverse[again]]
        self._remember(distinct, earliest)
        return first

    def _remember(self, hashes: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        if not len(hashes):
            return
        while self._runs and len(self._runs[-1][0]) <= 2 * len(hashes):
            more, their_rows = self._runs.pop()
            hashes, rows = np.concatenate([hashes, more]), np.concatenate([rows, their_rows])
            order = np.argsort(hashes, kind="stable")
            hashes, rows = hashes[order], rows[order]
        self._runs.append((hashes, rows))
