"""Tile matrix sets (OGC 17-083r4): how squares of every zoom lie over the Earth, in Mercator and in degrees.

Rows count from the north, columns from the west, zoom 0 is the coarsest. Degrees are CGCS2000 or WGS-84
alike (they agree for display).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import asinh, pi, radians, tan
from typing import Any, Literal

from gis.errors import NoSuchSquare
from gis.squares import HALF_WORLD_M, MAX_LATITUDE, MAX_ZOOM

METRES_PER_DEGREE = 2.0 * pi * 6378137.0 / 360.0
"""At the equator of the ellipsoid's radius: what OGC 17-083r4 §6.1.1 takes for a scale in degrees."""
PIXEL_M = 0.00028
"""The standard pixel of OGC scale denominators (17-083r4 §6.1.1)."""
TILE_PIXELS = 256

_OGC_SETS = "http://www.opengis.net/def/tilematrixset/OGC/1.0"
_OGC_CRS = "http://www.opengis.net/def/crs"


@dataclass(frozen=True)
class MatrixSet:
    """`side` and `corner` (west, north) are in the units of the CRS, of a square of zoom 0 and of the whole.

    `stored` is the EPSG code of the stored geometry that its squares are cut from. `axes` are the axes of
    the CRS in its own order, which only `document` follows; everything else is east first.
    """

    id: str
    title_zh: str
    title_en: str
    crs: str
    axes: tuple[str, str]
    stored: Literal[3857, 4490]
    columns: int
    rows: int
    side: float
    corner: tuple[float, float]
    metres_per_unit: float
    zooms_ahead: int = 0
    """How many zooms of the Web Mercator quad its zoom 0 is further in: layers' zooms are given in that."""
    uri: str | None = None

    def size(self, z: int) -> tuple[int, int]:
        """Columns and rows of zoom `z`."""
        return self.columns << z, self.rows << z

    def bounds(self, z: int, column: int, row: int) -> tuple[float, float, float, float]:
        """West, south, east, north of a square in the units of the CRS. Raises `NoSuchSquare` outside."""
        if not 0 <= z <= MAX_ZOOM or not (0 <= column < self.columns << z and 0 <= row < self.rows << z):
            raise NoSuchSquare(
                f"{self.id} 中没有瓦片 {z}/{row}/{column}（级别 0–{MAX_ZOOM}）",
                f"{self.id} has no tile {z}/{row}/{column} (zoom 0 to {MAX_ZOOM})",
                z=z,
                row=row,
                column=column,
            )
        side = self.side / (1 << z)
        west, north = self.corner[0] + column * side, self.corner[1] - row * side
        return west, north - side, west + side, north

    def zoom(self, z: int) -> int:
        """The zoom of the Web Mercator quad at the same scale."""
        return z + self.zooms_ahead

    def levels_from(self, first_zoom: int, last_zoom: int) -> list[int]:
        """The zooms of the set from one of the Web Mercator quad to another; at least one."""
        first = max(first_zoom - self.zooms_ahead, 0)
        return list(range(first, max(first, last_zoom - self.zooms_ahead) + 1))

    @property
    def frame(self) -> int:
        """The EPSG code that its squares are drawn in."""
        return self.stored

    @property
    def mark(self) -> str:
        """Nothing: what is built in has its content by its id."""
        return ""

    def box(self, bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box in degrees (west, south, east, north) in the units of the CRS, as far as the set reaches."""
        if self.stored == 4490:
            return bounds
        west, south, east, north = bounds
        return west * METRES_PER_DEGREE, _northing(south), east * METRES_PER_DEGREE, _northing(north)

    def limits(self, bounds: tuple[float, float, float, float], z: int) -> tuple[int, int, int, int]:
        """First and last column, first and last row of zoom `z` that touch a box in the units of the CRS."""
        side = self.side / (1 << z)
        west, south, east, north = bounds
        columns, rows = self.size(z)

        def held(number: float, count: int) -> int:
            return min(max(int(number // 1), 0), count - 1)

        return (
            held((west - self.corner[0]) / side, columns),
            held((east - self.corner[0]) / side, columns),
            held((self.corner[1] - north) / side, rows),
            held((self.corner[1] - south) / side, rows),
        )

    def document(self, title: str) -> dict[str, Any]:
        """The set as OGC 17-083r4 §7.1 writes it in JSON."""
        told: dict[str, Any] = {
            "id": self.id,
            "title": title,
            "crs": self.crs,
            "orderedAxes": list(self.axes),
            "tileMatrices": [self._matrix(z) for z in range(MAX_ZOOM + 1)],
        }
        if self.uri is not None:
            told["uri"] = self.uri
        return told

    def _matrix(self, z: int) -> dict[str, Any]:
        columns, rows = self.size(z)
        cell = self.side / (1 << z) / TILE_PIXELS
        west, north = self.corner
        return {
            "id": str(z),
            "scaleDenominator": cell * self.metres_per_unit / PIXEL_M,
            "cellSize": cell,
            "cornerOfOrigin": "topLeft",
            "pointOfOrigin": [north, west] if self.axes[0] == "Lat" else [west, north],
            "tileWidth": TILE_PIXELS,
            "tileHeight": TILE_PIXELS,
            "matrixWidth": columns,
            "matrixHeight": rows,
        }


def _northing(lat: float) -> float:
    """Metres of EPSG:3857 north of the equator."""
    return asinh(tan(radians(min(max(lat, -MAX_LATITUDE), MAX_LATITUDE)))) / pi * HALF_WORLD_M


WEB_MERCATOR_QUAD = MatrixSet(
    id="WebMercatorQuad",
    title_zh="Web 墨卡托（EPSG:3857）",
    title_en="Web Mercator (EPSG:3857)",
    crs=f"{_OGC_CRS}/EPSG/0/3857",
    axes=("X", "Y"),
    stored=3857,
    columns=1,
    rows=1,
    side=2.0 * HALF_WORLD_M,
    corner=(-HALF_WORLD_M, HALF_WORLD_M),
    metres_per_unit=1.0,
    uri=f"{_OGC_SETS}/WebMercatorQuad",
)
WORLD_CRS84_QUAD = MatrixSet(
    id="WorldCRS84Quad",
    title_zh="经纬度直投（WGS-84，经度在前）",
    title_en="Longitude and latitude (WGS 84)",
    crs=f"{_OGC_CRS}/OGC/1.3/CRS84",
    axes=("Lon", "Lat"),
    stored=4490,
    columns=2,
    rows=1,
    side=180.0,
    corner=(-180.0, 90.0),
    metres_per_unit=METRES_PER_DEGREE,
    zooms_ahead=1,
    uri=f"{_OGC_SETS}/WorldCRS84Quad",
)
CGCS2000_QUAD = MatrixSet(
    id="CGCS2000Quad",
    title_zh="经纬度直投（CGCS2000，EPSG:4490）；天地图 c 矩阵集的第 n 级即此处第 n-1 级",
    title_en="Longitude and latitude (CGCS2000, EPSG:4490); level n of Tianditu's set c is level n-1 here",
    crs=f"{_OGC_CRS}/EPSG/0/4490",
    axes=("Lat", "Lon"),
    stored=4490,
    columns=2,
    rows=1,
    side=180.0,
    corner=(-180.0, 90.0),
    metres_per_unit=METRES_PER_DEGREE,
    zooms_ahead=1,
)

MATRIX_SETS: Mapping[str, MatrixSet] = {
    one.id: one for one in (WEB_MERCATOR_QUAD, WORLD_CRS84_QUAD, CGCS2000_QUAD)
}
