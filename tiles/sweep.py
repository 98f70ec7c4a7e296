"""Every tile of an area, from far to near: to have them on disk before they are asked for, or in one file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from gis.squares import Tile, children, count_over, tiles_over
from layers.errors import TooMuch
from layers.model import BoundingBox
from tiles.cache import EncodedTile
from tiles.server import Selection, TileServer
from tiles.square import mercator_square

AT_ONCE = 4
"""Tiles drawn together; the database has few cores to spare for what nobody waits for."""
MOST_TILES = 5_000_000


class Swept(NamedTuple):
    """Tiles looked at, those with something in them, and their bytes as they travel."""

    looked_at: int
    filled: int
    size_bytes: int


async def sweep(
    server: TileServer,
    selection: Selection,
    bounds: BoundingBox,
    zooms: range,
    take: Callable[[Tile, EncodedTile], None],
    progress: Callable[[int, int], None],
) -> Swept:
    """Draws, or finds kept, each tile of `zooms` that touches `bounds`; those with content go to `take`.

    Where a tile holds no row at all, the tiles it is made of are passed over. `progress` hears of tiles done
    and their number at most. Raises `TooMuch` above `MOST_TILES`.
    """
    total = sum(count_over(bounds, z) for z in zooms)
    if total > MOST_TILES:
        raise TooMuch(
            f"共 {total:,} 个瓦片，最多 {MOST_TILES:,} 个；请缩小范围或级别",
            f"these are {total:,} tiles, at most {MOST_TILES:,}; choose less area or fewer zooms",
            number=total,
            limit=MOST_TILES,
        )
    everywhere_drawn = max((scope.layer.min_zoom for scope in selection.scopes), default=0)
    gate = asyncio.Semaphore(AT_ONCE)
    done = filled = size = 0
    below: set[Tile] | None = None
    """Tiles of the next zoom that may hold something; None: all."""

    async def one(tile: Tile) -> bool:
        nonlocal done, filled, size
        async with gate:
            square = mercator_square(tile)
            drawn = server.kept(selection, square) or await server.drawn(selection, square)
        done += 1
        progress(done, total)
        if not drawn.is_empty:
            filled += 1
            size += len(drawn.body_gzip)
            take(tile, drawn)
        return not drawn.is_empty or bool(drawn.left_out) or tile.z < everywhere_drawn

    for z in zooms:
        tiles = [tile for tile in tiles_over(bounds, z) if below is None or tile in below]
        done += count_over(bounds, z) - len(tiles)
        below = set()
        for some in _batches(tiles):
            found = await asyncio.gather(*(one(tile) for tile in some))
            for tile, has_rows in zip(some, found, strict=True):
                if has_rows:
                    below.update(children(tile))
    progress(total, total)
    return Swept(done, filled, size)


def _batches(tiles: Iterable[Tile], size: int = 256) -> Iterable[list[Tile]]:
    batch: list[Tile] = []
    for tile in tiles:
        batch.append(tile)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
