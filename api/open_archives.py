"""Tile archives that are being read, kept open from one request to the next."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from gis.squares import Tile
from layers.errors import BadData
from tiles.archive import Archive, Contents

KEPT_OPEN = 16


class ArchiveFile(NamedTuple):
    """A file as it stands: another one under the same name is another archive."""

    path: Path
    modified_ns: int
    size: int

    @property
    def etag(self) -> str:
        return f"{self.modified_ns:x}-{self.size:x}"


class OpenArchives:
    """The archives opened lately; each is read by one thread at a time. One per process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: OrderedDict[ArchiveFile, Archive] = OrderedDict()

    def tile(self, file: ArchiveFile, tile: Tile) -> bytes | None:
        """The gzip-compressed tile, None where there is none; waits for the disk. Raises `BadData`."""
        with self._lock:
            return self._archive(file).tile(tile)

    def contents(self, file: ArchiveFile) -> Contents:
        """What the archive holds; waits for the disk. Raises `BadData` for one that cannot be read."""
        with self._lock:
            return self._archive(file).contents

    def close(self) -> None:
        """Closes them all."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _archive(self, file: ArchiveFile) -> Archive:
        found = self._open.get(file)
        if found is None:
            try:
                found = self._open[file] = Archive(file.path)
            except (OSError, ValueError, KeyError, sqlite3.Error) as error:
                raise BadData(
                    f"“{file.path.name}”不是可读取的矢量瓦片包",
                    f"{file.path.name!r} is no archive of vector tiles that can be read: {error}",
                    file=file.path.name,
                ) from error
            if len(self._open) > KEPT_OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(file)
        return found
