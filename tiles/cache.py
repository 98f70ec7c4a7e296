"""Drawn tiles, kept: a bounded number of bytes in memory, the least lately used ones leave first.

A tile that several ask for at once is drawn once.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

DEFAULT_CAPACITY_BYTES = 256 * 2**20
ENTRY_BYTES = 700
"""What an entry takes beside its body: key, tag, place in the order (666 with 50,000 tiles)."""
ANSWER_BYTES = 1_300
"""What the answer made of a tile takes beside its body (1,230 with 50,000 tiles)."""
COMPRESSION_LEVEL = 4
"""Two thirds of the time of level 5 for 2 % more bytes (measured on tiles of buildings, pipes, points)."""
FAR_COMPRESSION_LEVEL = 6
"""Far out, where tiles are few and everybody begins: 3 % fewer bytes for twice the time."""


@dataclass(frozen=True, slots=True)
class EncodedTile:
    """A tile as it travels.

    `body_gzip` is empty for an empty tile. `etag` (without quotes) comes from the content. `left_out` and
    `merged`: how many rows of a layer are not drawn in the square, and are drawn as part of another; only
    layers with some. `versions`: of the layers of its selection, in their order, that it is right for.
    `unavailable`: layers that are missing because their table is; such a tile is not kept.
    """

    body_gzip: bytes
    etag: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    merged: Mapping[str, int] = field(default_factory=dict)
    versions: tuple[int, ...] = field(default=(), compare=False)
    from_disk: bool = field(default=False, compare=False)
    """It was not drawn by this process (`tiles.store`)."""
    unavailable: tuple[str, ...] = ()
    answers: dict[Hashable, object] = field(default_factory=dict, compare=False, repr=False)
    """What those who answer with it have made of it, to be used again; nothing that depends on versions."""

    @property
    def is_empty(self) -> bool:
        return not self.body_gzip

    @property
    def size(self) -> int:
        """Bytes it takes in memory, about."""
        return len(self.body_gzip) + ENTRY_BYTES + (ANSWER_BYTES if self.body_gzip else 0)

    @property
    def is_passing(self) -> bool:
        """True if it lacks a layer that may be there the next time."""
        return bool(self.unavailable)

    def identity(self) -> bytes:
        """The tile uncompressed, for the rare client that does not take gzip."""
        return gzip.decompress(self.body_gzip) if self.body_gzip else b""


_Flight = tuple[Hashable, tuple[int, ...]]
NOTHING_HERE = EncodedTile(b"", "empty")


def encode(
    content: bytes, left_out: Mapping[str, int], merged: Mapping[str, int], level: int = COMPRESSION_LEVEL
) -> EncodedTile:
    """`content` (the layers' parts joined) compressed, with a tag that two equal tiles share."""
    if not content and not left_out:
        return NOTHING_HERE
    tag = hashlib.blake2b(content, digest_size=12).hexdigest() if content else NOTHING_HERE.etag
    # mtime 0: the same content gives the same bytes, in every process.
    body = gzip.compress(content, level, mtime=0) if content else b""
    return EncodedTile(body, tag, left_out, merged)


class Kept(Protocol):
    """Something that says how many bytes it takes, of which versions it is, and whether it is not to stay."""

    @property
    def size(self) -> int: ...

    @property
    def versions(self) -> tuple[int, ...]: ...

    @property
    def is_passing(self) -> bool: ...


T = TypeVar("T", bound=Kept)


class TileCache(Generic[T]):
    """Tiles by key, at most `capacity_bytes` of them."""

    def __init__(self, capacity_bytes: int = DEFAULT_CAPACITY_BYTES) -> None:
        self.capacity_bytes = capacity_bytes
        self.size_bytes = 0
        self._tiles: OrderedDict[Hashable, T] = OrderedDict()
        self._drawing: dict[_Flight, _Drawing] = {}

    def __repr__(self) -> str:
        return f"TileCache({len(self._tiles)} tiles, {self.size_bytes} of {self.capacity_bytes} bytes)"

    def __len__(self) -> int:
        return len(self._tiles)

    def get(self, key: Hashable) -> T | None:
        """The kept tile, which becomes the latest used one."""
        tiles = self._tiles
        found = tiles.get(key)
        if found is not None:
            tiles.move_to_end(key)
        return found

    def put(self, key: Hashable, tile: T) -> None:
        """Keeps `tile`; others leave until everything fits. One above the capacity is not kept."""
        self._forget(key)
        if tile.size > self.capacity_bytes or tile.is_passing:
            return
        self._tiles[key] = tile
        self.size_bytes += tile.size
        while self.size_bytes > self.capacity_bytes:
            _, oldest = self._tiles.popitem(last=False)
            self.size_bytes -= oldest.size

    async def get_or_draw(
        self,
        key: Hashable,
        draw: Callable[[], Awaitable[T]],
        versions: tuple[int, ...] = (),
    ) -> T:
        """The tile kept for `versions`, or the one `draw` makes; of those who wait at once, one draws.

        Who stops waiting does not disturb the others; when nobody waits any more the drawing is cancelled.
        An error reaches everyone who waited and is not kept.
        """
        found = self.get(key)
        if found is not None and found.versions == versions:
            return found
        flight = (key, versions)
        drawing = self._drawing.get(flight)
        if drawing is None:
            drawing = _Drawing(asyncio.ensure_future(self._draw(flight, draw)))
            self._drawing[flight] = drawing
        drawing.waiting += 1
        try:
            return await asyncio.shield(drawing.task)
        finally:
            drawing.waiting -= 1
            if drawing.waiting == 0 and not drawing.task.done():
                if self._drawing.get(flight) is drawing:
                    del self._drawing[flight]
                drawing.task.cancel()

    async def _draw(self, flight: _Flight, draw: Callable[[], Awaitable[T]]) -> T:
        this = asyncio.current_task()
        try:
            tile = await draw()
            self.put(flight[0], tile)
            return tile
        finally:
            standing = self._drawing.get(flight)
            if standing is not None and standing.task is this:
                del self._drawing[flight]

    def _forget(self, key: Hashable) -> None:
        tile = self._tiles.pop(key, None)
        if tile is not None:
            self.size_bytes -= tile.size


@dataclass(slots=True)
class _Drawing:
    task: asyncio.Future[Any]
    waiting: int = 0
