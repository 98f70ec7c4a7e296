"""Weight: the heaviest tile at each zoom, and what the page's first view asks for, against their budgets.

Nothing is kept while it is measured. Down to zoom 14 every tile over the city is drawn; beyond, those into
which the heaviest of the zoom before divide, for each layer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmarks.report import Ratio
from gis.squares import Tile, children, tiles_over
from layers.access import SYSTEM, Scope, scope_for
from layers.catalogue import Catalogue, list_layers
from layers.db import Database
from layers.model import BoundingBox
from tiles.cache import EncodedTile, TileCache
from tiles.server import TileServer

BUDGET_KB = 500.0
"""Raw, of a tile with the city's three largest layers together (its components, buildings and pipes)."""
TOGETHER = ("component", "building", "pipe_line")
EVERY_TILE_TO = 14
LAST_ZOOM = 18
FOLLOWED = 6
"""Heaviest tiles of each layer whose parts are looked at in the next zoom."""
AT_ONCE = 4


class Weight(NamedTuple):
    """The heaviest tile of a zoom: raw, and as it travels; rows left out of it and merged in it."""

    zoom: int
    raw_bytes: int
    gzip_bytes: int
    tile: Tile
    left_out: int
    merged: int


def run(url: str) -> list[Ratio]:
    """Over the city in the database at `url`: for each layer, and the largest together, the heaviest tile."""
    found = asyncio.run(weigh(url))
    return [
        Ratio(
            f"heaviest tile, {name}",
            "budget",
            worst.raw_bytes / 1000,
            BUDGET_KB,
            "kB",
            False,
            1,
            " ".join(f"z{each.zoom} {each.raw_bytes / 1000:.0f}" for each in weights if each.raw_bytes),
        )
        for name, weights in found.items()
        if (worst := max(weights, key=lambda each: each.raw_bytes)).raw_bytes
    ]


async def weigh(url: str) -> dict[str, list[Weight]]:
    """The heaviest tile at each zoom by layer id, and of `TOGETHER` under their names joined by `+`."""
    async with Database(url) as database, Catalogue(database) as catalogue:
        layers = [
            each for each in await list_layers(database) if each.kind == "rows" and each.bounds is not None
        ]
        if not layers:
            return {}
        server = TileServer(database, catalogue, cache=TileCache(0))
        scopes = [scope_for(SYSTEM, layer) for layer in layers]
        groups: dict[str, tuple[str, ...]] = {layer.id: (layer.id,) for layer in layers}
        if set(TOGETHER) <= set(groups):
            groups["+".join(TOGETHER)] = TOGETHER
        found: dict[str, list[Weight]] = {name: [] for name in groups}
        tiles: set[Tile] = set()
        for zoom in range(LAST_ZOOM + 1):
            if zoom <= EVERY_TILE_TO:
                tiles = {tile for layer in layers for tile in tiles_over(_bounds(layer.bounds), zoom)}
            drawn = await _draw(server, scopes, sorted(tiles))
            followed: set[Tile] = set()
            for name, members in groups.items():
                heaviest = sorted(
                    (_together(zoom, tile, [drawn[tile, member] for member in members]) for tile in tiles),
                    key=lambda weight: -weight.raw_bytes,
                )[:FOLLOWED]
                found[name].append(heaviest[0])
                followed.update(weight.tile for weight in heaviest)
            tiles = {child for tile in followed for child in children(tile)}
        return found


def _bounds(bounds: BoundingBox | None) -> BoundingBox:
    assert bounds is not None
    return bounds


async def _draw(
    server: TileServer, scopes: Sequence[Scope], tiles: Iterable[Tile]
) -> dict[tuple[Tile, str], EncodedTile]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(scope: Scope, tile: Tile) -> tuple[tuple[Tile, str], EncodedTile]:
        async with gate:
            return (tile, scope.layer.id), await server.tile([scope], tile)

    return dict(await asyncio.gather(*(one(scope, tile) for tile in tiles for scope in scopes)))


def _together(zoom: int, tile: Tile, drawn: Sequence[EncodedTile]) -> Weight:
    """A tile of several layers is their parts one after the other."""
    return Weight(
        zoom,
        sum(len(each.identity()) for each in drawn),
        sum(len(each.body_gzip) for each in drawn),
        tile,
        sum(sum(each.left_out.values()) for each in drawn),
        sum(sum(each.merged.values()) for each in drawn),
    )
