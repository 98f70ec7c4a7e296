"""The real tiles that everybody is asked for: the same for the same city, and kept in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import zip_longest
from typing import NamedTuple

import psycopg
from psycopg import sql

from gis.squares import Tile, tile_at

ZOOMS = tuple(range(10, 19))
SQUARES = 500
SEED = 202611
ROWS = 4_000
"""Rows of a layer looked at, in an order that the seed decides: where there are many, many are chosen."""
NEAR_FROM, FAR_TO = 14, 12
"""Near tiles are drawn from the rows as they are; far ones may be drawn from the lighter copy."""


class Square(NamedTuple):
    """One layer in one tile."""

    layer: str
    tile: Tile

    @property
    def place(self) -> str:
        return f"{self.layer}/{self.tile.z}/{self.tile.x}/{self.tile.y}"

    @property
    def path(self) -> str:
        """Its address at One Map."""
        return f"/tiles/{self.place}.mvt"

    @property
    def is_near(self) -> bool:
        return self.tile.z >= NEAR_FROM

    @property
    def is_far(self) -> bool:
        return self.tile.z <= FAR_TO


def tile_list(url: str, layers: Sequence[str]) -> list[Square]:
    """`SQUARES` different squares of `ZOOMS`, fewer in a small city; each holds a row of its layer.

    Layers and zooms take turns, so that the far zooms, of which there are few squares, all come.
    """
    with psycopg.connect(url) as connection:
        chosen = [_of_layer(connection, layer, z) for z in ZOOMS for layer in layers]
    turns = (square for turn in zip_longest(*chosen) for square in turn if square is not None)
    found = [square for square, _ in zip(turns, range(SQUARES), strict=False)]
    return sorted(found, key=lambda square: blake2b(f"{SEED} {square.place}".encode()).digest())


def beside(squares: Sequence[Square]) -> list[Square]:
    """Squares some 30 km from the city, of every layer and zoom of the list: for opening connections."""
    kinds = dict.fromkeys((square.layer, square.tile.z) for square in squares)
    some = {kind: next(s for s in squares if (s.layer, s.tile.z) == kind) for kind in kinds}
    return [
        Square(layer, Tile(z, square.tile.x + (1 << (z - 9)) + n, square.tile.y))
        for n in range(8)
        for (layer, z), square in some.items()
    ]


def told(squares: Sequence[Square]) -> str:
    """The list in a line: how many of each zoom, and a digest by which two reports are of the same."""
    zooms = Counter(square.tile.z for square in squares)
    counts = ", ".join(f"z{z} {zooms[z]}" for z in sorted(zooms))
    digest = blake2b("\n".join(s.place for s in squares).encode(), digest_size=4).hexdigest()
    return f"{len(squares)} tiles ({counts}), list {digest}"


def _of_layer(connection: psycopg.Connection[tuple[float, float]], layer: str, z: int) -> Iterator[Square]:
    places = connection.execute(
        sql.SQL(
            "SELECT ST_X(p), ST_Y(p) FROM (SELECT ST_PointOnSurface(_geom) AS p FROM (SELECT _geom FROM {}"
            " WHERE _geom IS NOT NULL ORDER BY md5(_key || {}) LIMIT {}) AS chosen) AS points"
        ).format(sql.Identifier("onemap_rows", layer), sql.Literal(f" {SEED} {z}"), sql.Literal(ROWS))
    ).fetchall()
    return iter(dict.fromkeys(Square(layer, tile_at(lon, lat, z)) for lon, lat in places))
