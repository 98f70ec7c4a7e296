"""City-local coordinate systems: by 4 parameters to a known plane, by 7 to CGCS2000, and both from points.

Four parameters turn, scale and shift one plane onto another, x and y being the two axes in the order the
parameters name them (Chinese survey software has x north):

    x' = dx + k (x cos α − y sin α)        y' = dy + k (x sin α + y cos α)

which is the similarity transformation of EPSG (method 9621) with α = −θ. Seven parameters (Bursa-Wolf) do the
same to geocentric coordinates of another datum; the sign of the rotations is that of the position vector
(EPSG 9606) or of the coordinate frame (EPSG 9607). IOGP 373-7-2 has the worked numbers that tests hold.

Parameters of Chinese cities are confidential: a `LocalSystem` never shows them, neither by `repr` nor in an
error. Arrays are float64 of any length, easting or longitude first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer

from gis.crs import CGCS2000, Route, describe, route
from gis.errors import BadPlace

SECOND = np.pi / 180.0 / 3600.0
"""Radians in a second of arc."""
_STEPS = 3
"""Each gains four digits; the first is off by millimetres."""
Axis = Literal["east", "north"]
Convention = Literal["position_vector", "coordinate_frame"]
CONVENTIONS: tuple[Convention, ...] = ("position_vector", "coordinate_frame")

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Plane:
    """Four parameters: metres along the axes, seconds of arc, and the ratio k (1 for none).

    `x_is`: what the first axis of the parameters is, on both sides.
    """

    dx_m: float
    dy_m: float
    rotation_s: float
    scale: float
    x_is: Axis

    def forward(self, east: ArrayLike, north: ArrayLike) -> tuple[Floats, Floats]:
        """Easting and northing of the local plane in the target plane."""
        return self._apply(east, north, self._matrix())

    def inverse(self, east: ArrayLike, north: ArrayLike) -> tuple[Floats, Floats]:
        """Easting and northing of the target plane in the local one."""
        x, y = self._ordered(east, north)
        cos, sin = self._matrix()
        norm = cos * cos + sin * sin
        x, y = x - self.dx_m, y - self.dy_m
        return self._ordered((cos * x + sin * y) / norm, (cos * y - sin * x) / norm)

    def _apply(self, east: ArrayLike, north: ArrayLike, matrix: tuple[float, float]) -> tuple[Floats, Floats]:
        x, y = self._ordered(east, north)
        cos, sin = matrix
        return self._ordered(self.dx_m + cos * x - sin * y, self.dy_m + sin * x + cos * y)

    def _ordered(self, first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
        """Easting and northing as x and y, and back."""
        one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
        return (one, other) if self.x_is == "east" else (other, one)

    def _matrix(self) -> tuple[float, float]:
        """k cos α and k sin α."""
        angle = self.rotation_s * SECOND
        return self.scale * float(np.cos(angle)), self.scale * float(np.sin(angle))


@dataclass(frozen=True, repr=False)
class Datum:
    """Seven parameters from a datum to CGCS2000: metres, seconds of arc, parts per million."""

    dx_m: float
    dy_m: float
    dz_m: float
    rx_s: float
    ry_s: float
    rz_s: float
    scale_ppm: float
    convention: Convention

    def forward(self, xyz: ArrayLike) -> Floats:
        """Geocentric metres (n, 3) of the datum as those of CGCS2000."""
        matrix, shift = self._parts()
        return np.asarray(np.asarray(xyz, np.float64) @ matrix.T + shift)

    def inverse(self, xyz: ArrayLike) -> Floats:
        """Geocentric metres (n, 3) of CGCS2000 as those of the datum; exact to rounding."""
        matrix, shift = self._parts()
        return np.asarray(np.linalg.solve(matrix, (np.asarray(xyz, np.float64) - shift).T).T)

    def _parts(self) -> tuple[Floats, Floats]:
        sign = SECOND if self.convention == "position_vector" else -SECOND
        rx, ry, rz = self.rx_s * sign, self.ry_s * sign, self.rz_s * sign
        turn = np.array([[1.0, -rz, ry], [rz, 1.0, -rx], [-ry, rx, 1.0]])
        return (1.0 + self.scale_ppm * 1e-6) * turn, np.array([self.dx_m, self.dy_m, self.dz_m])


@dataclass(frozen=True, repr=False)
class LocalSystem:
    """A local system by its name; `by` are its parameters.

    `crs`: for a `Plane` the projected system it leads to, for a `Datum` the system (geographic or projected)
    that its coordinates are in. `error_m`: what its makers state, None if nobody does. `is_secret`: the
    parameters are for nobody's eyes.
    """

    name: str
    crs: CRS
    by: Plane | Datum
    error_m: float | None = None
    is_secret: bool = True
    title: str = field(default="")

    def __repr__(self) -> str:
        return f"LocalSystem({self.name!r}, {type(self.by).__name__} of {describe(self.crs)!r}, <hidden>)"

    @property
    def target(self) -> CRS:
        """The system that `forward` gives coordinates in."""
        return self.crs if isinstance(self.by, Plane) else CGCS2000

    def forward(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Coordinates of the local system, easting (longitude) first, in `target`.

        NaN where a coordinate is not finite or beyond the projection. Heights are not known and taken as 0 on
        the ellipsoid: some millimetres in plane per 100 m of height at most.
        """
        if isinstance(self.by, Plane):
            return self.by.forward(x, y)
        lon, lat = _to_degrees(self.crs, x, y)
        return _degrees(self.by.forward(_geocentric(lon, lat, self.crs)), CGCS2000)

    def inverse(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Coordinates of `target` in the local system."""
        if isinstance(self.by, Plane):
            return self.by.inverse(x, y)
        wanted = (np.asarray(x, np.float64), np.asarray(y, np.float64))
        lon, lat = wanted
        for _ in range(_STEPS):
            # both sides are taken on their ellipsoids, so one way is not quite the other's inverse
            old = _degrees(self.by.inverse(_geocentric(lon, lat, CGCS2000)), self.crs)
            found = _degrees(self.by.forward(_geocentric(*old, self.crs)), CGCS2000)
            lon, lat = lon + wanted[0] - found[0], lat + wanted[1] - found[1]
        return _from_degrees(self.crs, *old)

    def placed(self, geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        """The geometries of the local system in `target`, heights dropped; None stays None."""
        flat = shapely.force_2d(np.asarray(geometries, dtype=object))
        return np.asarray(
            shapely.transform(flat, lambda c: np.column_stack(self.forward(c[:, 0], c[:, 1]))), dtype=object
        )

    def route(self) -> Route:
        """What is done to its coordinates, without the numbers, and the error it leaves."""
        if isinstance(self.by, Plane):
            rest = route(self.crs)
            zh, en = (
                f"四参数平面转换至 {describe(self.crs)}，再{rest.zh}",
                f"four parameters to {describe(self.crs)}",
            )
            left = rest.error_m
        else:
            zh, en = "七参数（布尔莎）转换至 CGCS2000", "seven parameters (Bursa-Wolf) to CGCS2000"
            left = 0.0
        error = None if self.error_m is None or left is None else self.error_m + left
        return Route(zh, en, error)


# ---------------------------------------------------------------- between degrees and the earth's centre


def _to_degrees(crs: CRS, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    east, north = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if crs.is_geographic:
        return east, north
    lon, lat = _projection(crs.to_wkt()).transform(east, north)
    return _finite(lon, lat)


def _from_degrees(crs: CRS, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    if crs.is_geographic:
        return lon, lat
    east, north = _projection(crs.to_wkt()).transform(lon, lat, direction="INVERSE")
    return _finite(east, north)


def _finite(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    one, other = np.asarray(x, np.float64), np.asarray(y, np.float64)
    lost = ~(np.isfinite(one) & np.isfinite(other))
    return np.where(lost, np.nan, one), np.where(lost, np.nan, other)


@lru_cache(maxsize=16)
def _projection(wkt: str) -> Transformer:
    crs = CRS.from_wkt(wkt)
    return Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)


def _geocentric(lon: Floats, lat: Floats, crs: CRS, height: Floats | float = 0.0) -> Floats:
    """Metres from the earth's centre (n, 3) on the ellipsoid of `crs`."""
    lon, lat = np.broadcast_arrays(lon, lat)
    x, y, z = _cart(*_ellipsoid(crs)).transform(lon, lat, np.broadcast_to(height, lon.shape))
    return np.column_stack([np.ravel(x), np.ravel(y), np.ravel(z)])


def _degrees(xyz: Floats, crs: CRS) -> tuple[Floats, Floats]:
    lon, lat, _ = _cart(*_ellipsoid(crs)).transform(xyz[:, 0], xyz[:, 1], xyz[:, 2], direction="INVERSE")
    return _finite(lon, lat)


def _ellipsoid(crs: CRS) -> tuple[float, float]:
    assert crs.ellipsoid is not None
    return float(crs.ellipsoid.semi_major_metre), float(crs.ellipsoid.inverse_flattening)


@lru_cache(maxsize=16)
def _cart(axis_m: float, flattening: float) -> Transformer:
    return Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad"
        f" +step +proj=cart +a={axis_m!r} +rf={flattening!r}"
    )


# ---------------------------------------------------------------- parameters from control points


class PlaneFit(NamedTuple):
    """Estimated parameters, and what is left at each point in metres: (n, 2) east and north."""

    by: Plane
    residuals_m: Floats


class DatumFit(NamedTuple):
    """Estimated parameters, and what is left at each point in metres: (n, 3) geocentric."""

    by: Datum
    residuals_m: Floats


def fit_plane(local: ArrayLike, target: ArrayLike, *, x_is: Axis = "north") -> PlaneFit:
    """The four parameters that bring `local` (n, 2) nearest to `target` (n, 2) by least squares.

    Easting first, metres. Raises `BadPlace` for fewer than two points that lie apart. With two points nothing
    is left over, and nothing is checked.
    """
    here, there = _pairs(local, target, 2)
    swap = slice(None) if x_is == "east" else slice(None, None, -1)
    if len(here) < 2:
        raise _too_few("两个不重合的控制点", "two control points that lie apart", len(here))
    a = here[:, swap] - here[:, swap].mean(axis=0)
    b = there[:, swap] - there[:, swap].mean(axis=0)
    spread = float((a * a).sum())
    if spread <= 0:
        raise _too_few("两个不重合的控制点", "two control points that lie apart", len(here))
    cos = float((a * b).sum()) / spread
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    middle = here[:, swap].mean(axis=0)
    dx, dy = there[:, swap].mean(axis=0) - (
        cos * middle[0] - sin * middle[1],
        sin * middle[0] + cos * middle[1],
    )
    by = Plane(float(dx), float(dy), float(np.arctan2(sin, cos)) / SECOND, float(np.hypot(cos, sin)), x_is)
    found = np.column_stack(by.forward(here[:, 0], here[:, 1]))
    return PlaneFit(by, found - there)


def fit_datum(
    source: ArrayLike,
    target: ArrayLike,
    crs: CRS,
    *,
    convention: Convention = "position_vector",
    heights: tuple[ArrayLike, ArrayLike] = (0.0, 0.0),
) -> DatumFit:
    """The seven parameters that bring `source` (n, 2) nearest to `target` (n, 2) by least squares.

    `source`: coordinates in `crs`; `target`: CGCS2000 longitude and latitude. `heights`: above each ellipsoid
    in metres, taken as 0 where not known. Raises `BadPlace` for fewer than three points.
    """
    here, there = _pairs(source, target, 2)
    if len(here) < 3:
        raise _too_few("三个控制点", "three control points", len(here))
    lon, lat = _to_degrees(crs, here[:, 0], here[:, 1])
    old = _geocentric(lon, lat, crs, np.asarray(heights[0], np.float64))
    new = _geocentric(there[:, 0], there[:, 1], CGCS2000, np.asarray(heights[1], np.float64))
    middle = old.mean(axis=0)
    x, y, z = (old - middle).T
    one, zero = np.ones(len(old)), np.zeros(len(old))
    rows = np.stack(
        [
            np.column_stack([one, zero, zero, x, zero, z, -y]),
            np.column_stack([zero, one, zero, y, -z, zero, x]),
            np.column_stack([zero, zero, one, z, y, -x, zero]),
        ],
        axis=1,
    ).reshape(-1, 7)
    # x, y and z of a city differ by some 10 km in 6,000: without equal columns the rank could not be seen
    size = np.linalg.norm(rows, axis=0)
    solved, _, rank, _ = np.linalg.lstsq(rows / size, (new - middle).ravel(), rcond=1e-10)
    if rank < 7:
        raise _too_few(
            "三个不在一条直线上的控制点", "three control points that are not in one line", len(here)
        )
    solved = solved / size
    scale = solved[3]
    turn = solved[4:] / scale
    matrix = scale * np.array([[1, -turn[2], turn[1]], [turn[2], 1, -turn[0]], [-turn[1], turn[0], 1]])
    shift = solved[:3] + middle - matrix @ middle
    sign = 1.0 if convention == "position_vector" else -1.0
    rx, ry, rz = (float(v) * sign / SECOND for v in turn)
    by = Datum(
        float(shift[0]), float(shift[1]), float(shift[2]), rx, ry, rz, float(scale - 1) * 1e6, convention
    )
    return DatumFit(by, by.forward(old) - new)


def _pairs(one: ArrayLike, other: ArrayLike, width: int) -> tuple[Floats, Floats]:
    """Both as (n, width) of finite numbers; raises `BadPlace`."""
    here = np.asarray(one, np.float64).reshape(-1, width)
    there = np.asarray(other, np.float64).reshape(-1, width)
    if len(here) != len(there) or not (np.isfinite(here).all() and np.isfinite(there).all()):
        raise BadPlace(
            "控制点的坐标须成对，且都是数字",
            "control points need coordinates on both sides, all of them numbers",
            found=f"{len(here)} and {len(there)} points",
            expected="pairs of numbers",
        )
    return here, there


def _too_few(zh: str, en: str, count: int) -> BadPlace:
    return BadPlace(
        f"至少需要{zh}，现有 {count} 个", f"at least {en} are needed, there are {count}", found=count
    )
