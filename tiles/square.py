"""The square that is drawn: where it stands in its matrix set, and its bounds in the frame drawn in."""

from __future__ import annotations

from typing import Literal, NamedTuple

from gis.squares import Tile, bounds_3857

EXTENT = 4096
"""Units along a tile's side (the customary one of the Mapbox Vector Tile specification 2.1, §4.1)."""
MARGIN = 64
"""Units drawn beyond each side, so that lines and outlines are not cut: 8 pixels of a tile of 512."""

Frame = Literal[3857, 4490]
"""EPSG code of the stored geometry a square is cut from."""


class Square(NamedTuple):
    """`bounds` are west, south, east, north in the units of `frame`, without the margin."""

    matrix_set: str
    z: int
    x: int
    y: int
    frame: Frame
    bounds: tuple[float, float, float, float]

    @property
    def place(self) -> tuple[str, int, int, int]:
        """What names the square, whatever is drawn in it."""
        return self.matrix_set, self.z, self.x, self.y

    @property
    def margin(self) -> float:
        """Width of the strip drawn beyond each side, in the units of the frame."""
        return (self.bounds[2] - self.bounds[0]) * MARGIN / EXTENT

    @property
    def unit(self) -> float:
        """One of the 4096 steps along a side, in the units of the frame."""
        return (self.bounds[2] - self.bounds[0]) / EXTENT


WEB_MERCATOR_QUAD = "WebMercatorQuad"


def mercator_square(tile: Tile) -> Square:
    """The square of a tile in the Web Mercator quad."""
    return Square(WEB_MERCATOR_QUAD, *tile, 3857, bounds_3857(tile))
