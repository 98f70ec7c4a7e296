"""Pictures of raster layers: kept ones at once, others drawn in a few threads, and no more than fit.

Those that many ask for are kept on disk too, as vector tiles are, for all processes and the next start; of
what only one may ask (a stretch of values, a sun of one's own) there is no end, and it stays in memory.
The event loop never opens a file. Who finds too many waiting is told to come again, so that a flood of
expensive pictures cannot take the threads or the memory from everybody else.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from inspect import getsource
from pathlib import Path
from threading import Lock
from typing import TypeVar

from layers.access import Scope
from layers.errors import Unavailable
from layers.model import RasterFile
from tiles import raster_draw, raster_look, relief
from tiles.cache import ENTRY_BYTES, EncodedTile, TileCache
from tiles.raster_draw import BandValue, draw, nothing, values_at
from tiles.raster_look import Format, Look, common_looks
from tiles.square import Square
from tiles.store import Stamp, TileStore

CAPACITY_BYTES = 128 * 2**20
MOST_WAITING = 64
"""Pictures drawn or waiting at once: about what four open maps ask for when they are dragged."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it travels. `etag` (without quotes) comes from the content."""

    body: bytes
    etag: str
    is_empty: bool
    versions: tuple[int, ...] = ()
    """None: its key names the file, which never changes."""
    is_passing: bool = False
    from_disk: bool = False

    @property
    def size(self) -> int:
        """Bytes it takes in memory, about. Empty pictures share one body."""
        return ENTRY_BYTES + (0 if self.is_empty else len(self.body))


class RasterServer:
    """Draws and keeps pictures of the files in one folder. One per process; `close` it at the end.

    `folder` None: there are no files, and every picture is `Unavailable`.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        threads: int | None = None,
        most_waiting: int = MOST_WAITING,
        store: TileStore | None = None,
    ) -> None:
        self._folder = folder
        self._store = store
        self._threads = ThreadPoolExecutor(threads or min(4, os.cpu_count() or 1), "raster")
        self._most = most_waiting
        self._busy = 0
        self._counting = Lock()
        self.cache: TileCache[Picture] = TileCache(CAPACITY_BYTES)

    def __repr__(self) -> str:
        return f"RasterServer({self._busy} of {self._most} waiting, {self.cache!r})"

    def close(self) -> None:
        """Takes no more work and drops what waits; what is being drawn ends."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def kept(
        self, scope: Scope, raster: RasterFile, look: Look, square: Square, form: Format
    ) -> Picture | None:
        """The picture if it is in memory."""
        return self.cache.get(_key(scope, raster, look, square, form))

    async def drawn(
        self, scope: Scope, raster: RasterFile, look: Look, square: Square, form: Format
    ) -> Picture:
        """The picture, drawn now unless it is in memory, on disk or being drawn. Raises `Unavailable`."""

        async def make() -> Picture:
            stored = await self._stored(scope, raster, look, square, form)
            if stored is not None:
                return stored
            body = await self._aside(lambda: draw(self._path(raster), raster, look, square, form))
            content = nothing(look.size, form) if body is None else body
            tag = hashlib.blake2b(content, digest_size=12).hexdigest()
            picture = Picture(content, tag, body is None)
            self._store_it(picture, scope, raster, look, square, form)
            return picture

        return await self.cache.get_or_draw(_key(scope, raster, look, square, form), make)

    async def _stored(
        self, scope: Scope, raster: RasterFile, look: Look, square: Square, form: Format
    ) -> Picture | None:
        if self._store is None or look not in common_looks(raster):
            return None
        found = await self._store.find(_disk_key(scope, raster, look, form), square.place)
        if found is None:
            return None
        body = nothing(look.size, form) if found.is_empty else found.body_gzip
        return Picture(body, found.etag, found.is_empty, from_disk=True)

    def _store_it(
        self, picture: Picture, scope: Scope, raster: RasterFile, look: Look, square: Square, form: Format
    ) -> None:
        if self._store is None or look not in common_looks(raster):
            return
        layer = scope.layer
        assert layer.published_at is not None
        # A picture is compressed already and lies in the store as it travels; one of nothing takes no room.
        kept = EncodedTile(b"" if picture.is_empty else picture.body, picture.etag)
        stamps = {Stamp.of(layer.id, layer.version, layer.published_at)}
        self._store.keep(_disk_key(scope, raster, look, form), square.place, kept, stamps)

    async def values(self, scope: Scope, raster: RasterFile, lon: float, lat: float) -> list[BandValue]:
        """What each band says of a place (EPSG:4490). `scope` is the right to ask. Raises `Unavailable`."""
        assert scope.layer.kind == "raster"
        return await self._aside(lambda: values_at(self._path(raster), raster, lon, lat))

    async def _aside(self, work: Callable[[], _T]) -> _T:
        """What `work` gives, in one of the threads; raises `Unavailable` if too many wait already."""
        if self._busy >= self._most:
            raise Unavailable(
                "绘图请求过多，请稍后重试",
                "too many pictures are being drawn; try again in a moment",
                waiting=self._busy,
            )
        with self._counting:
            self._busy += 1
        future = self._threads.submit(work)
        # Counted until the thread is done with it, also where nobody waits for it any more.
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, _: object) -> None:
        with self._counting:
            self._busy -= 1

    def _path(self, raster: RasterFile) -> Path:
        if self._folder is None:
            raise Unavailable("未设置栅格文件夹", "no folder of rasters is set")
        return self._folder / raster.name


def _key(scope: Scope, raster: RasterFile, look: Look, square: Square, form: Format) -> Hashable:
    return scope.cache_key, raster.name, look, form, *square.place


def _disk_key(scope: Scope, raster: RasterFile, look: Look, form: Format) -> str:
    """Names what is drawn, and the code that draws: what an upgrade draws otherwise is drawn anew."""
    return f"{_drawing_code()} {scope.cache_key} {raster.name} {raster.size_bytes} {look.key} {form}"


@cache
def _drawing_code() -> str:
    told = hashlib.blake2b(digest_size=8)
    for module in (raster_draw, raster_look, relief):
        told.update(getsource(module).encode())
    return told.hexdigest()
