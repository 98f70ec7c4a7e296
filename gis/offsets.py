"""The map offsets of Chinese web maps: GCJ-02 (高德, 腾讯) and BD-09 (百度) against CGCS2000.

Forward formulas are exact as published; the inverses iterate them until nothing moves (below 1e-11
degree, about a micrometre), because no closed inverse exists. Degrees, longitude first, float64, arrays of
any (broadcastable) shape. A row that is no place (NaN, infinite, |lon| > 180, |lat| > 90) comes out as NaN
in both; `is_place` tells which.

CGCS2000 and WGS-84 differ by centimetres to decimetres: for display they are the same here, for
survey they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Frame = Literal["cgcs2000", "wgs84", "gcj02", "bd09"]
FRAMES: tuple[Frame, ...] = ("cgcs2000", "wgs84", "gcj02", "bd09")

Degrees = NDArray[np.float64]
Pair = tuple[Degrees, Degrees]

# Constants of the published transform (wandergis/coordtransform, googollee/eviltransform); Krasovsky
# ellipsoid, origin 105°E 35°N.
_A = 6378245.0
_EE = 0.00669342162296594323
_BOX = (72.004, 0.8293, 137.8347, 55.8271)
"""West, south, east, north: outside it GCJ-02 is not shifted."""
_BD_PI = np.pi * 3000.0 / 180.0
INVERSE_ERROR_M = 0.0002
"""How far a place shifted and brought back may lie from where it was: 1e-9 degrees, which a test holds. What
the maps themselves are off by is stated by nobody."""
_STEADY_DEG = 1e-12
_MOST_STEPS = 40


def is_place(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
    """True where both are finite, |lon| ≤ 180 and |lat| ≤ 90."""
    x, y = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.abs(x) <= 180.0) & (np.abs(y) <= 90.0))


def to_cgcs2000(lon: ArrayLike, lat: ArrayLike, frame: Frame) -> Pair:
    """Longitude and latitude of `frame` as CGCS2000.

    Within some 600 m of the rim of the GCJ-02 box (far outside Lu'an) the published transform jumps,
    and a point there comes back only to within that jump.

    >>> lon, lat = to_cgcs2000(116.51292314174971, 31.750867161172366, "gcj02")
    >>> round(float(lon), 9), round(float(lat), 9)
    (116.5078, 31.7529)
    """
    x, y = _checked(lon, lat)
    if frame == "bd09":
        x, y = _undo(_bd_shift, x, y)
    if frame in ("gcj02", "bd09"):
        shifted = _inside_box(x, y)
        gx, gy = _undo(_gcj_shift, x, y)
        x, y = np.where(shifted, gx, x), np.where(shifted, gy, y)
    return _as_pair(x, y)


def from_cgcs2000(lon: ArrayLike, lat: ArrayLike, frame: Frame) -> Pair:
    """CGCS2000 longitude and latitude as `frame`.

    >>> lon, lat = from_cgcs2000(116.5078, 31.7529, "gcj02")
    >>> float(lon), float(lat)
    (116.51292314174971, 31.750867161172366)
    """
    x, y = _checked(lon, lat)
    if frame in ("gcj02", "bd09"):
        dx, dy = _gcj_shift(x, y)
        shifted = _inside_box(x, y)
        x, y = np.where(shifted, x + dx, x), np.where(shifted, y + dy, y)
    if frame == "bd09":
        dx, dy = _bd_shift(x, y)
        x, y = x + dx, y + dy
    return _as_pair(x, y)


def _checked(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Both as float64 of one shape, NaN in both where there is no place."""
    x, y = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    real = is_place(x, y)
    return np.where(real, x, np.nan), np.where(real, y, np.nan)


def _as_pair(x: Degrees, y: Degrees) -> Pair:
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


def _inside_box(x: Degrees, y: Degrees) -> NDArray[np.bool_]:
    west, south, east, north = _BOX
    return np.asarray((x >= west) & (x <= east) & (y >= south) & (y <= north))


def _gcj_shift(lon: Degrees, lat: Degrees) -> Pair:
    """Degrees to add to CGCS2000 for GCJ-02, as if everywhere were inside the box."""
    x, y = lon - 105.0, lat - 35.0
    root, sin = np.sqrt(np.abs(x)), np.sin
    waves = (20.0 * sin(6.0 * x * np.pi) + 20.0 * sin(2.0 * x * np.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves
    north += (20.0 * sin(y * np.pi) + 40.0 * sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * np.pi) + 320.0 * sin(y * np.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves
    east += (20.0 * sin(x * np.pi) + 40.0 * sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * np.pi) + 300.0 * sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    radians = lat / 180.0 * np.pi
    magic = 1.0 - _EE * sin(radians) ** 2
    root_magic = np.sqrt(magic)
    dlat = (north * 180.0) / ((_A * (1.0 - _EE)) / (magic * root_magic) * np.pi)
    dlon = (east * 180.0) / (_A / root_magic * np.cos(radians) * np.pi)
    return dlon, dlat


def _bd_shift(lon: Degrees, lat: Degrees) -> Pair:
    """Degrees to add to GCJ-02 for BD-09."""
    z = np.sqrt(lon * lon + lat * lat) + 0.00002 * np.sin(lat * _BD_PI)
    theta = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BD_PI)
    return z * np.cos(theta) + 0.0065 - lon, z * np.sin(theta) + 0.006 - lat


def _undo(shift: Callable[[Degrees, Degrees], Pair], lon: Degrees, lat: Degrees) -> Pair:
    """The place whose shifted place is (lon, lat): fixed point, each step gains more than two digits."""
    x, y = lon.copy(), lat.copy()
    for _ in range(_MOST_STEPS):
        dx, dy = shift(x, y)
        nx, ny = lon - dx, lat - dy
        moved = np.abs(nx - x) + np.abs(ny - y)
        x, y = nx, ny
        if not np.any(moved > _STEADY_DEG):
            break
    return x, y
