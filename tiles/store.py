"""Drawn tiles and pictures on disk: they survive a restart, and the processes of a machine share them.

One SQLite file in WAL mode, read and written by one thread of each process, so that the event loop never
waits for the disk. A tile is kept with the versions it was drawn for, as in memory; whether it still is right
is `tiles.server`'s to judge. Tiles of other databases are never taken for this one's: the file remembers when
the versions it knows were published, and is emptied where they were not (`settle`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from time import time
from typing import NamedTuple, TypeVar

from tiles.cache import EncodedTile

DEFAULT_CAPACITY_BYTES = 2 * 2**30
FLUSH_AFTER_S = 0.2
"""Tiles drawn within it are written together."""
MOST_WAITING = 2_000
"""Tiles waiting to be written; beyond, they are drawn again some day instead."""
USED_AGAIN_AFTER_S = 3_600
"""A tile's last use is written down at most this often."""
SHARE_FREED = 0.1

_log = logging.getLogger(__name__)
T = TypeVar("T")
Place = tuple[str, int, int, int]
"""Matrix set, zoom, column, row."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tile (
    selection BLOB NOT NULL, matrix_set TEXT NOT NULL,
    z INTEGER NOT NULL, x INTEGER NOT NULL, y INTEGER NOT NULL,
    versions TEXT NOT NULL, etag TEXT NOT NULL, counts TEXT NOT NULL, body BLOB NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (selection, z, x, y, matrix_set)
);
CREATE INDEX IF NOT EXISTS tile_used ON tile (used);
CREATE TABLE IF NOT EXISTS stamp (
    layer TEXT NOT NULL, version INTEGER NOT NULL, published TEXT NOT NULL, PRIMARY KEY (layer, version)
);
"""


class Stamp(NamedTuple):
    """When a version of a layer was published, as ISO text: together they name one state of one database."""

    layer: str
    version: int
    published: str

    @classmethod
    def of(cls, layer: str, version: int, published_at: datetime) -> Stamp:
        """The stamp of a version that was published at a moment."""
        return cls(layer, version, published_at.astimezone(UTC).isoformat())


class TileStore:
    """Tiles in a file, at most about `capacity_bytes` of them. Open with `async with`.

    A file that cannot be read is begun anew; a disk that is full or gone costs tiles, never an answer.
    """

    def __init__(self, file: Path, capacity_bytes: int = DEFAULT_CAPACITY_BYTES) -> None:
        self.file = file
        self.capacity_bytes = capacity_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tile-store")
        self._connection: sqlite3.Connection | None = None
        self._waiting: dict[tuple[bytes, Place], EncodedTile] = {}
        self._stamps: set[Stamp] = set()
        self._new_stamps: set[Stamp] = set()
        self._writing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"TileStore({self.file})"

    async def __aenter__(self) -> TileStore:
        await self._run(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writing is not None:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        await self._run(self._write_waiting)
        await self._run(self._close)
        self._thread.shutdown()

    async def settle(self, stamps: set[Stamp]) -> None:
        """Empties the file unless every version it knows is one of `stamps`: it was another database's."""
        await self._run(partial(self._settle, stamps))

    async def find(self, key: str, place: Place) -> EncodedTile | None:
        """The tile kept for a selection's key and a square, for whatever versions; None if there is none."""
        digest = _digest(key)
        waiting = self._waiting.get((digest, place))
        return waiting or await self._run(partial(self._find, digest, place))

    def keep(self, key: str, place: Place, tile: EncodedTile, stamps: set[Stamp]) -> None:
        """Writes the tile soon. `stamps`: of the versions it was drawn for."""
        if len(self._waiting) >= MOST_WAITING:
            return
        self._waiting[_digest(key), place] = tile
        self._new_stamps |= stamps - self._stamps
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_soon(), name="tile-store")

    async def flush(self) -> None:
        """Writes what waits, now."""
        await self._run(self._write_waiting)

    async def _write_soon(self) -> None:
        await asyncio.sleep(FLUSH_AFTER_S)
        await self._run(self._write_waiting)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # ---------------------------------------------------------------- in the thread

    def _open(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            _log.warning("%s cannot be read (%s) and is begun anew", self.file, error)
            for suffix in ("", "-wal", "-shm"):
                self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)
            self._connect()

    def _connect(self) -> None:
        # Tiles of every scope are in it, so nobody else on the machine may read it.
        os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self.file, timeout=5.0, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            connection.execute("SELECT count(*) FROM stamp").fetchone()
        except sqlite3.DatabaseError:
            connection.close()
            raise
        self._connection = connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _settle(self, stamps: set[Stamp]) -> None:
        assert self._connection is not None
        with self._forgiven("settled"):
            known = {Stamp(*row) for row in self._connection.execute("SELECT * FROM stamp")}
            if known <= stamps:
                self._stamps = known
                return
            _log.info("%s holds tiles of another database and is emptied", self.file)
            self._connection.executescript("BEGIN; DELETE FROM tile; DELETE FROM stamp; COMMIT; VACUUM")

    def _find(self, digest: bytes, place: Place) -> EncodedTile | None:
        if self._connection is None:
            return None
        matrix_set, z, x, y = place
        row = None
        with self._forgiven("read"):
            row = self._connection.execute(
                "SELECT rowid, versions, etag, counts, body, used FROM tile"
                " WHERE selection = ? AND z = ? AND x = ? AND y = ? AND matrix_set = ?",
                (digest, z, x, y, matrix_set),
            ).fetchone()
        if row is None:
            return None
        number, versions, etag, counts, body, used = row
        now = int(time())
        if now - used > USED_AGAIN_AFTER_S:
            with self._forgiven("written"):
                self._connection.execute("UPDATE tile SET used = ? WHERE rowid = ?", (now, number))
        left_out, merged = json.loads(counts)
        return EncodedTile(body, etag, left_out, merged, tuple(json.loads(versions)))

    def _write_waiting(self) -> None:
        if self._connection is None or not self._waiting:
            return
        waiting, stamps = dict(self._waiting), set(self._new_stamps)
        now = int(time())
        with self._forgiven("written"):
            rows = [
                (digest, *place, json.dumps(tile.versions), tile.etag, _counts(tile), tile.body_gzip, now)
                for (digest, place), tile in waiting.items()
            ]
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT OR REPLACE INTO stamp VALUES (?, ?, ?)", stamps)
                self._connection.executemany(
                    "INSERT OR REPLACE INTO tile VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._stamps |= stamps
            self._new_stamps -= stamps
            self._make_room()
        for key, tile in waiting.items():
            if self._waiting.get(key) is tile:
                del self._waiting[key]

    def _make_room(self) -> None:
        """The least lately used tiles leave until the file's used pages fit."""
        assert self._connection is not None
        while self._size() > self.capacity_bytes:
            (count,) = self._connection.execute("SELECT count(*) FROM tile").fetchone()
            gone = max(int(count * SHARE_FREED), 1)
            deleted = self._connection.execute(
                "DELETE FROM tile WHERE rowid IN (SELECT rowid FROM tile ORDER BY used LIMIT ?)", (gone,)
            )
            if deleted.rowcount == 0:
                return

    def _size(self) -> int:
        assert self._connection is not None
        page, pages, free = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return int(page * (pages - free))

    @contextlib.contextmanager
    def _forgiven(self, done: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            _log.warning("%s could not be %s: %s", self.file, done, error)


def _digest(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=16).digest()


def _counts(tile: EncodedTile) -> str:
    both: tuple[Mapping[str, int], Mapping[str, int]] = (dict(tile.left_out), dict(tile.merged))
    return json.dumps(both)
