"""Tile matrix sets that an operator describes: squares of any scales and origin, in any registered CRS.

Coordinates are east first here, whatever the CRS itself declares; `document` follows the CRS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import floor, isfinite, log2
from typing import Any

from pyproj import Transformer
from pyproj.exceptions import ProjError

from gis.crs import CGCS2000, domain, read_crs
from gis.errors import NoSuchSquare
from gis.matrix_sets import MATRIX_SETS, PIXEL_M, WEB_MERCATOR_QUAD, MatrixSet
from gis.squares import HALF_WORLD_M, MAX_ZOOM

Box = tuple[float, float, float, float]
"""West, south, east, north."""

_EDGE_POINTS = 21
"""Points along each edge of a box that is brought to another CRS, as its edges bend there."""
_SLACK = 0.01
"""Share of a box added on each side for what bends between those points."""
HAIR_DEGREES = 0.001
"""About 100 m, added too: an edge of a shape is straight in the CRS drawn in and in degrees, which are not
the same line. Between two vertices 80 km apart they differ by that much, at 10 km by two metres."""


@dataclass(frozen=True)
class Level:
    """One tile matrix: `side` of a square and `corner` (west, north) in the units of the CRS."""

    side: float
    tile_pixels: int
    corner: tuple[float, float]
    columns: int
    rows: int


@dataclass(frozen=True)
class OwnMatrixSet:
    """A tile matrix set from a file. `levels` by number, coarsest first.

    `frame` is the EPSG code drawn in: 4490 for all degrees that agree with it. `mark` names the content,
    so that nothing drawn before a change of the file is taken for what is drawn after it.
    """

    id: str
    title: str
    crs: str
    frame: int
    axes: tuple[str, str]
    is_north_first: bool
    levels: Mapping[int, Level]
    metres_per_unit: float
    mark: str
    uri: str | None = None
    written: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Members of the file that are handed on as they are."""

    @property
    def title_zh(self) -> str:
        """The title, in whatever language the file has it."""
        return self.title

    title_en = title_zh

    def zoom(self, z: int) -> int:
        """The zoom of the Web Mercator quad whose squares are nearest in size to those of level `z`."""
        side_m = self.levels[z].side * self.metres_per_unit
        return min(max(round(log2(2.0 * HALF_WORLD_M / side_m)), 0), MAX_ZOOM)

    def levels_from(self, first_zoom: int, last_zoom: int) -> list[int]:
        """The levels that are no coarser than a zoom of the Web Mercator quad; at least the finest.

        `last_zoom` does not limit them: whoever describes a level wants it.
        """
        return [z for z in self.levels if self.zoom(z) >= first_zoom] or [max(self.levels)]

    def bounds(self, z: int, column: int, row: int) -> Box:
        """West, south, east, north of a square in the units of the CRS. Raises `NoSuchSquare` outside."""
        level = self.levels.get(z)
        if level is None or not (0 <= column < level.columns and 0 <= row < level.rows):
            levels = f"{min(self.levels)}–{max(self.levels)}"
            raise NoSuchSquare(
                f"{self.id} 中没有瓦片 {z}/{row}/{column}（级别 {levels}）",
                f"{self.id} has no tile {z}/{row}/{column} (levels {levels})",
                z=z,
                row=row,
                column=column,
            )
        west, north = level.corner[0] + column * level.side, level.corner[1] - row * level.side
        return west, north - level.side, west + level.side, north

    def box(self, bounds: Box) -> Box:
        """The box in the units of the CRS round a box in degrees, as far as the CRS reaches."""
        return bounds if self.frame == 4490 else box_in(self.frame, bounds)

    def limits(self, bounds: Box, z: int) -> tuple[int, int, int, int] | None:
        """First and last column, first and last row of level `z` that touch a box in the units of the CRS.

        None if none does.
        """
        level = self.levels[z]
        west, south, east, north = bounds
        first_column = floor((west - level.corner[0]) / level.side)
        last_column = floor((east - level.corner[0]) / level.side)
        first_row = floor((level.corner[1] - north) / level.side)
        last_row = floor((level.corner[1] - south) / level.side)
        if last_column < 0 or last_row < 0 or first_column >= level.columns or first_row >= level.rows:
            return None
        return (
            max(first_column, 0),
            min(last_column, level.columns - 1),
            max(first_row, 0),
            min(last_row, level.rows - 1),
        )

    def document(self, title: str) -> dict[str, Any]:
        """The set as OGC 17-083r4 §7.1 writes it in JSON."""
        told: dict[str, Any] = {
            "id": self.id,
            "title": title,
            "crs": self.crs,
            "orderedAxes": list(self.axes),
            **self.written,
            "tileMatrices": [self._matrix(z) for z in self.levels],
        }
        if self.uri is not None:
            told["uri"] = self.uri
        return told

    def _matrix(self, z: int) -> dict[str, Any]:
        level = self.levels[z]
        cell = level.side / level.tile_pixels
        west, north = level.corner
        return {
            "id": str(z),
            "scaleDenominator": cell * self.metres_per_unit / PIXEL_M,
            "cellSize": cell,
            "cornerOfOrigin": "topLeft",
            "pointOfOrigin": [north, west] if self.is_north_first else [west, north],
            "tileWidth": level.tile_pixels,
            "tileHeight": level.tile_pixels,
            "matrixWidth": level.columns,
            "matrixHeight": level.rows,
        }


AnyMatrixSet = MatrixSet | OwnMatrixSet


@dataclass(frozen=True, eq=False)
class MatrixSets:
    """The tile matrix sets of a service by id; one such collection is never equal to another."""

    by_id: Mapping[str, AnyMatrixSet]


BUILT_IN = MatrixSets(MATRIX_SETS)


def box_in(frame: int, degrees: Box) -> Box:
    """The box in the units of the EPSG code `frame` round a box in degrees (EPSG:4490).

    As far as coordinates of the code are to be expected: beyond, the nearest place that is.
    """
    if frame == 3857:
        return WEB_MERCATOR_QUAD.box(degrees)
    found = _round(frame, _held(degrees, domain_of(frame)), is_back=False)
    assert found is not None, "every place of the domain has coordinates"
    return found


def degrees_round(frame: int, bounds: Box) -> Box:
    """A box in degrees (EPSG:4490) that holds all that lies in a box of the EPSG code `frame`.

    Larger than that by a hundredth and `HAIR_DEGREES`; the whole domain of the code where its box has no
    simple shape in degrees.
    """
    found = _round(frame, _held(bounds, _domain_box(frame)), is_back=True)
    west, south, east, north = domain_of(frame) if found is None else found
    aside, up = (east - west) * _SLACK + HAIR_DEGREES, (north - south) * _SLACK + HAIR_DEGREES
    return max(west - aside, -180.0), max(south - up, -90.0), min(east + aside, 180.0), min(north + up, 90.0)


def domain_of(frame: int) -> Box:
    """Where coordinates of an EPSG code are to be expected, in degrees; only for those files may name."""
    found = domain(frame)
    assert found is not None, frame
    return found


@lru_cache(maxsize=64)
def _domain_box(frame: int) -> Box:
    found = _round(frame, domain_of(frame), is_back=False)
    assert found is not None, frame
    return found


def has_domain(frame: int) -> bool:
    """Whether the places an EPSG code is meant for are known and have finite coordinates in it."""
    bounds = domain(frame)
    return bounds is not None and _round(frame, bounds, is_back=False) is not None


def is_in_domain(frame: int, bounds: Box) -> bool:
    """Whether a box in the units of the code meets the places the code is meant for."""
    west, south, east, north = _domain_box(frame)
    return bounds[0] < east and bounds[2] > west and bounds[1] < north and bounds[3] > south


def _held(box: Box, within: Box) -> Box:
    west, south, east, north = within
    return (
        min(max(box[0], west), east),
        min(max(box[1], south), north),
        min(max(box[2], west), east),
        min(max(box[3], south), north),
    )


def _round(frame: int, box: Box, *, is_back: bool) -> Box | None:
    """The box round the transformed one, from degrees or back; None if it is not one finite box."""
    try:
        found = _transformer(frame, is_back).transform_bounds(*box, densify_pts=_EDGE_POINTS)
    except ProjError:
        return None
    west, south, east, north = (float(v) for v in found)
    if not all(map(isfinite, (west, south, east, north))) or west > east or south > north:
        return None
    return west, south, east, north


@lru_cache(maxsize=64)
def _transformer(frame: int, is_back: bool) -> Transformer:
    crs = read_crs(frame)
    source, target = (crs, CGCS2000) if is_back else (CGCS2000, crs)
    return Transformer.from_crs(source, target, always_xy=True)
