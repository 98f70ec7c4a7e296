"""Some rows of a table that stand for all of it: spread evenly, held in memory, found in a few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importers.source import Chunk, Source

ROWS = 2_000
"""Rows kept of a table that has more; never fewer than half of it."""
LONGEST_S = 4.0
"""Then the rest of a large file is not looked at."""
_CHUNK_ROWS = 5_000


@dataclass(frozen=True)
class Sample:
    """`source` gives the sampled rows, as often as asked; `count`: rows of the table, None: not all seen."""

    source: Source
    count: int | None
    chunks: tuple[Chunk, ...]

    def __len__(self) -> int:
        return sum(len(chunk) for chunk in self.chunks)

    def values(self, column: str, most: int, characters: int) -> list[str]:
        """The first distinct values of a column as text, cut to `characters`; at most `most`."""
        found: dict[str, None] = {}
        for chunk in self.chunks:
            array = chunk.columns.get(column)
            if array is None:
                continue
            for value in pc.unique(array).to_pylist():
                text = "" if value is None else " ".join(str(value).split())
                if text:
                    found.setdefault(text if len(text) <= characters else text[: characters - 1] + "…")
                if len(found) == most:
                    return list(found)
        return list(found)


def sampled(source: Source) -> Sample:
    """`source` cut down to rows evenly spread over it, or over what can be read of it in `LONGEST_S`."""
    begun = time.monotonic()
    kept: list[tuple[Chunk, np.ndarray[tuple[int], np.dtype[np.int64]]]] = []
    stride, seen, whole = 1, 0, True
    chunks = source.read(_CHUNK_ROWS)
    try:
        for chunk in chunks:
            positions = np.arange(seen, seen + len(chunk), dtype=np.int64)
            seen += len(chunk) + len(chunk.troubles)
            kept.append(_thinned(chunk, positions, stride))
            while sum(len(positions) for _, positions in kept) > ROWS:
                stride *= 2
                kept = [_thinned(chunk, positions, stride) for chunk, positions in kept]
            if time.monotonic() - begun > LONGEST_S:
                whole = False
                break
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    found = tuple(chunk for chunk, _ in kept if len(chunk) or chunk.troubles)

    def read(rows: int) -> Iterator[Chunk]:
        return iter(found)

    return Sample(replace(source, read=read), seen if whole else None, found)


def _thinned(
    chunk: Chunk, positions: np.ndarray[tuple[int], np.dtype[np.int64]], stride: int
) -> tuple[Chunk, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Those rows of a chunk whose place in the file, `positions`, is a multiple of `stride`."""
    keep = positions % stride == 0
    if keep.all():
        return chunk, positions
    mask = pa.array(keep)
    columns = {name: array.filter(mask) for name, array in chunk.columns.items()}
    geometry = None if chunk.geometry is None else chunk.geometry[keep]
    return replace(chunk, rows=chunk.rows[keep], columns=columns, shapes=geometry, plain=None), positions[
        keep
    ]
