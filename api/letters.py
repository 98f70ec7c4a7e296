"""Ranges of letters, each made once for a process and kept: one at a time, in a thread."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from typing import NamedTuple

from themes.glyphs import Lettering, Weight


class Range(NamedTuple):
    """256 letters as they travel."""

    body_gzip: bytes
    etag: str


class Letters:
    """The ranges of `lettering`. All that were asked for are kept: tens of MB if somebody wants each."""

    def __init__(self, lettering: Lettering) -> None:
        self._lettering = lettering
        self._kept: dict[tuple[Weight, int], Range] = {}
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Letters({self._lettering!r}, {len(self._kept)} kept)"

    @property
    def fonts(self) -> tuple[str, ...]:
        """File names of the fonts that letters are made from, the best first; empty: none can be made."""
        return tuple(face.file.name for face in self._lettering.faces)

    async def range(self, weight: Weight, start: int) -> Range:
        """Code points `start` to `start` + 255. ValueError unless `start` begins a range."""
        key = weight, start
        async with self._turn:
            if key not in self._kept:
                self._kept[key] = await asyncio.to_thread(self._made, weight, start)
        return self._kept[key]

    def _made(self, weight: Weight, start: int) -> Range:
        content = self._lettering.glyphs(weight, start)
        tag = hashlib.sha256(content).hexdigest()[:32]
        return Range(gzip.compress(content, 6, mtime=0), f'"{tag}"')
