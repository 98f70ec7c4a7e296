"""The square that is drawn: where it stands in its matrix set, and its bounds in the frame drawn in."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from gis.matrix_sets import WEB_MERCATOR_QUAD
from gis.own_matrix_sets import AnyMatrixSet, degrees_round
from gis.squares import HALF_WORLD_M, MAX_ZOOM, Tile, degrees_of, share_of_side

EXTENT = 4096
"""Units along a tile's side (the customary one of the Mapbox Vector Tile specification 2.1, §4.1)."""
MARGIN = 64
"""Units drawn beyond each side, so that lines and outlines are not cut: 8 pixels of a tile of 512."""

MOST_MARGIN = 1024
"""The same for layers drawn far beyond their shapes: a quarter of a side."""

Frame = int
"""EPSG code a square is drawn in: 3857 and 4490 are stored, to others what is stored is transformed."""
STORED: tuple[Frame, ...] = (3857, 4490)


def margin_units(drawn_reach_m: float, zoom: int) -> int:
    """Units drawn beyond each side for a layer that is drawn so far beyond its shapes (`Layer`)."""
    return max(MARGIN, min(MOST_MARGIN, ceil(share_of_side(drawn_reach_m, zoom) * EXTENT)))


class Square(NamedTuple):
    """`bounds` are west, south, east, north in the units of `frame`, without the margin.

    `zoom` is the zoom of the Web Mercator quad at the same scale, in which layers say what they show.
    `degrees`: where the square is in a frame that is not stored, a box in degrees (EPSG:4490) that holds all
    of it and its margin, larger rather than smaller.
    """

    matrix_set: str
    z: int
    x: int
    y: int
    frame: Frame
    bounds: tuple[float, float, float, float]
    zoom: int
    degrees: tuple[float, float, float, float] | None = None

    @property
    def place(self) -> tuple[str, int, int, int]:
        """What names the square, whatever is drawn in it."""
        return self.matrix_set, self.z, self.x, self.y

    @property
    def margin(self) -> float:
        """Width of the strip drawn beyond each side, in the units of the frame."""
        return (self.bounds[2] - self.bounds[0]) * MARGIN / EXTENT

    @property
    def reach_3857(self) -> tuple[float, float, float, float]:
        """The square with its margin in metres of EPSG:3857, whatever its frame."""
        if self.degrees is not None:
            return WEB_MERCATOR_QUAD.box(self.degrees)
        west, south, east, north = self.bounds
        wide = west - self.margin, south - self.margin, east + self.margin, north + self.margin
        return wide if self.frame == 3857 else WEB_MERCATOR_QUAD.box(wide)

    @property
    def reach_4490(self) -> tuple[float, float, float, float]:
        """The square with its margin in degrees of EPSG:4490, whatever its frame; never beyond the earth."""
        if self.degrees is not None:
            return self.degrees
        west, south, east, north = self.bounds
        wide = west - self.margin, south - self.margin, east + self.margin, north + self.margin
        if self.frame == 3857:
            wide = degrees_of(wide)
        return max(wide[0], -180.0), max(wide[1], -90.0), min(wide[2], 180.0), min(wide[3], 90.0)

    @property
    def cells(self) -> tuple[int, int, int, int, int]:
        """A zoom of the Web Mercator quad, and the first column and row, last column and row of its squares
        that this one draws from: itself, or in another matrix set those its reach meets."""
        if self.matrix_set == WEB_MERCATOR_QUAD.id:
            return self.z, self.x, self.y, self.x, self.y
        west, south, east, north = self.reach_3857
        z = min(self.zoom, MAX_ZOOM)
        count = 1 << z
        columns = [(x / HALF_WORLD_M + 1.0) / 2.0 * count for x in (west, east)]
        rows = [(1.0 - y / HALF_WORLD_M) / 2.0 * count for y in (north, south)]
        low_x, high_x = (min(max(int(c), 0), count - 1) for c in columns)
        low_y, high_y = (min(max(int(r), 0), count - 1) for r in rows)
        return z, low_x, low_y, high_x, high_y

    @property
    def unit(self) -> float:
        """One of the 4096 steps along a side, in the units of the frame."""
        return (self.bounds[2] - self.bounds[0]) / EXTENT


def square_in(matrix_set: AnyMatrixSet, z: int, column: int, row: int) -> Square:
    """The square at a column and row of a zoom. Raises `NoSuchSquare` outside the matrix."""
    bounds = matrix_set.bounds(z, column, row)
    name = f"{matrix_set.id}#{matrix_set.mark}" if matrix_set.mark else matrix_set.id
    square = Square(name, z, column, row, matrix_set.frame, bounds, matrix_set.zoom(z))
    if square.frame in STORED:
        return square
    west, south, east, north = bounds
    margin = square.margin
    wide = west - margin, south - margin, east + margin, north + margin
    return square._replace(degrees=degrees_round(square.frame, wide))


def mercator_square(tile: Tile) -> Square:
    """The square of a tile in the Web Mercator quad."""
    return square_in(WEB_MERCATOR_QUAD, *tile)
