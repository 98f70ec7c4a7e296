"""Tile arithmetic of the Web Mercator quad (XYZ scheme, EPSG:3857, OGC WebMercatorQuad).

Row 0 is the north. CGCS2000 longitude and latitude are taken as WGS-84 here (they agree for display).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gis.errors import NoSuchSquare

MAX_ZOOM = 24
"""Beyond it a 4096-unit tile resolves less than a tenth of a millimetre."""
HALF_WORLD_M = math.pi * 6378137.0
"""Metres from the middle to the edge of the Web Mercator square (EPSG:3857, spherical radius 6378137 m)."""
MAX_LATITUDE = math.degrees(math.atan(math.sinh(math.pi)))
"""85.0511…°: where the square ends."""


class _Tile(NamedTuple):
    z: int
    x: int
    y: int


class Tile(_Tile):
    """A square of the quad: zoom, column from the west, row from the north.

    Raises `NoSuchSquare` for a zoom outside 0–24 or a column or row outside the zoom's matrix.

    >>> Tile(14, 13490, 6642)
    Tile(z=14, x=13490, y=6642)
    """

    __slots__ = ()

    def __new__(cls, z: int, x: int, y: int) -> Tile:
        if not 0 <= z <= MAX_ZOOM or not (0 <= x < 1 << z and 0 <= y < 1 << z):
            raise NoSuchSquare(
                f"瓦片 {z}/{x}/{y} 超出范围（级别 0–{MAX_ZOOM}）",
                f"there is no tile {z}/{x}/{y} (zoom 0 to {MAX_ZOOM})",
                z=z,
                x=x,
                y=y,
            )
        return super().__new__(cls, z, x, y)


def bounds_3857(tile: Tile) -> tuple[float, float, float, float]:
    """West, south, east, north of the tile in metres, EPSG:3857."""
    size = 2.0 * HALF_WORLD_M / (1 << tile.z)
    west = -HALF_WORLD_M + tile.x * size
    north = HALF_WORLD_M - tile.y * size
    return west, north - size, west + size, north


def bounds_4490(tile: Tile) -> tuple[float, float, float, float]:
    """West, south, east, north of the tile in degrees, EPSG:4490."""
    count = 1 << tile.z
    return (
        tile.x / count * 360.0 - 180.0,
        _latitude((tile.y + 1) / count),
        (tile.x + 1) / count * 360.0 - 180.0,
        _latitude(tile.y / count),
    )


def degrees_of(bounds_3857: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees (EPSG:4490) of a box in metres of EPSG:3857.

    >>> [round(v, 6) for v in degrees_of((0.0, 0.0, HALF_WORLD_M, HALF_WORLD_M))]
    [0.0, 0.0, 180.0, 85.051129]
    """
    west, south, east, north = (v / HALF_WORLD_M for v in bounds_3857)
    low, high = (math.degrees(math.atan(math.sinh(v * math.pi))) for v in (south, north))
    return west * 180.0, low, east * 180.0, high


def tile_at(lon: float, lat: float, z: int) -> Tile:
    """The tile that holds the place; a place on an edge belongs to the tile east or south of it.

    Latitudes beyond ±85.0511° are in the outermost row.
    """
    count = 1 << z
    column = int((lon + 180.0) / 360.0 * count)
    row = int(_down(lat) * count)
    return Tile(z, min(max(column, 0), count - 1), min(max(row, 0), count - 1))


def tiles_over(bounds: tuple[float, float, float, float], z: int) -> Iterator[Tile]:
    """The tiles of zoom `z` that touch a box (west, south, east, north in EPSG:4490), northern row first."""
    west, south, east, north = bounds
    first, last = tile_at(west, north, z), tile_at(east, south, z)
    for y in range(first.y, last.y + 1):
        for x in range(first.x, last.x + 1):
            yield Tile(z, x, y)


def count_over(bounds: tuple[float, float, float, float], z: int) -> int:
    """How many tiles `tiles_over` gives."""
    west, south, east, north = bounds
    first, last = tile_at(west, north, z), tile_at(east, south, z)
    return (last.x - first.x + 1) * (last.y - first.y + 1)


def squares_of_boxes(
    boxes_4490: NDArray[np.float64], z: int, *, reach: float, at_most: int
) -> NDArray[np.int64] | None:
    """The squares of zoom `z` whose reach meets any of the boxes; None if they are more than `at_most`.

    `boxes_4490`: (n, 4) west, south, east, north in degrees; rows with NaN meet nothing. `reach`: how far a
    square draws beyond its sides, as a share of its side. Squares as `row << z | column`, ascending, each
    once.
    """
    boxes = boxes_4490[~np.isnan(boxes_4490).any(axis=1)]
    count = 1 << z
    latitude = np.radians(np.clip(boxes[:, [3, 1]], -MAX_LATITUDE, MAX_LATITUDE))
    down = (1.0 - np.arcsinh(np.tan(latitude)) / math.pi) / 2.0 * count
    across = (boxes[:, [0, 2]] + 180.0) / 360.0 * count
    spread = np.array([-reach, reach])
    columns = np.clip(np.floor(across + spread), 0, count - 1).astype(np.int64)
    rows = np.clip(np.floor(down + spread), 0, count - 1).astype(np.int64)
    spans = np.unique(np.column_stack([columns, rows]), axis=0)
    width, height = spans[:, 1] - spans[:, 0] + 1, spans[:, 3] - spans[:, 2] + 1
    sizes = width * height
    if int(sizes.sum()) > 8 * at_most:
        return None
    span = np.repeat(np.arange(len(spans)), sizes)
    place = np.arange(len(span)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    column = spans[span, 0] + place % width[span]
    row = spans[span, 2] + place // width[span]
    found = np.unique(row << z | column)
    return None if len(found) > at_most else found


def tiles_between(
    changed: Sequence[NDArray[np.int64] | None], z: int, *, at_most: int
) -> list[tuple[int, int, int]] | None:
    """Squares of zoom `z` as `squares_of_boxes` gives them, joined: zoom, column, row, each once.

    None if one of `changed` is None, or if they are more than `at_most`.
    """
    known = [squares for squares in changed if squares is not None]
    if len(known) < len(changed):
        return None
    joined = np.unique(np.concatenate([np.empty(0, np.int64), *known]))
    if len(joined) > at_most:
        return None
    columns, rows = joined & ((1 << z) - 1), joined >> z
    return [(z, x, y) for x, y in zip(columns.tolist(), rows.tolist(), strict=True)]


def share_of_side(length_m: float, z: int) -> float:
    """Metres of EPSG:3857 as a part of the side of a square of zoom `z`.

    >>> round(share_of_side(40.0, 18), 3)
    0.262
    """
    return length_m * (1 << z) / (2.0 * HALF_WORLD_M)


def parent(tile: Tile) -> Tile | None:
    """The tile one zoom out that holds this one; None for 0/0/0."""
    return Tile(tile.z - 1, tile.x >> 1, tile.y >> 1) if tile.z else None


def children(tile: Tile) -> tuple[Tile, Tile, Tile, Tile]:
    """The four tiles one zoom in, from the north-west, row by row."""
    z, x, y = tile.z + 1, tile.x << 1, tile.y << 1
    return Tile(z, x, y), Tile(z, x + 1, y), Tile(z, x, y + 1), Tile(z, x + 1, y + 1)


def metres_per_pixel(z: int, tile_pixels: int = 256) -> float:
    """Metres of EPSG:3857 (stretched by 1/cos of the latitude) per pixel."""
    return 2.0 * HALF_WORLD_M / ((1 << z) * tile_pixels)


def _down(lat: float) -> float:
    """Share of the square from the north edge down to a latitude."""
    radians = math.radians(min(max(lat, -MAX_LATITUDE), MAX_LATITUDE))
    return (1.0 - math.asinh(math.tan(radians)) / math.pi) / 2.0


def _latitude(down: float) -> float:
    return math.degrees(math.atan(math.sinh(math.pi * (1.0 - 2.0 * down))))
