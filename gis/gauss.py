"""Which Gauss-Krüger zone of China plane coordinates without a .prj are in, and the evidence.

The EPSG numbers of the CGCS2000 zones follow from the zone number (EPSG registry):
3° zones 25–45: prefixed 4513–4533, by central meridian 4534–4554; 6° zones 13–23: prefixed 4491–4501,
by central meridian 4502–4512. Eastings have a false easting of 500 km, and the zone number
× 1,000 km where prefixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LUAN = (116.50, 31.74)
"""Longitude and latitude of Lu'an's urban core: the home when nobody names another."""

_AGREEING = 0.98
"""Share of the points that must speak for one zone."""
_NORTHING = (300_000.0, 6_000_000.0)
"""Metres from the equator that China's land and islands span (3° to 54° N)."""
_EASTING = (100_000.0, 900_000.0)
"""Metres of easting without prefix: 500 km ± the half width of a 6° zone, with room to spare."""
_METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Guess:
    """The zone that coordinates seem to be in.

    `epsg` is a CGCS2000 zone. `swapped`: the first column holds northings (as survey tables have it),
    so easting and northing must change places. `certain`: a zone prefix names the central meridian;
    without one it is taken from the home city. The datum (CGCS2000, Xian 1980, Beijing 1954) cannot be seen
    in numbers; the evidence says so.
    """

    epsg: int
    swapped: bool
    certain: bool
    evidence_zh: str
    evidence_en: str


def gauss_epsg(zone: int, *, degrees: int, prefixed: bool) -> int | None:
    """The EPSG code of a CGCS2000 Gauss-Krüger zone; None where no such zone exists.

    >>> gauss_epsg(39, degrees=3, prefixed=True), gauss_epsg(39, degrees=3, prefixed=False)
    (4527, 4548)
    """
    if degrees == 3 and 25 <= zone <= 45:
        return (4513 if prefixed else 4534) + zone - 25
    if degrees == 6 and 13 <= zone <= 23:
        return (4491 if prefixed else 4502) + zone - 13
    return None


def on_older_datums(epsg: int) -> tuple[int, ...]:
    """The zone of a CGCS2000 Gauss-Krüger code on Xian 1980, then on Beijing 1954; () for others.

    Xian 1980: 3° 2349–2369 prefixed, 2370–2390 by meridian; 6° 2327–2337, 2338–2348. Beijing 1954: 3°
    2401–2421, 2422–2442; 6° 21413–21423, 21453–21463 (EPSG registry).

    >>> on_older_datums(4527), on_older_datums(4508)
    ((2363, 2415), (2344, 21459))
    """
    for first, count, xian, beijing in (
        (4513, 21, 2349, 2401),
        (4534, 21, 2370, 2422),
        (4491, 11, 2327, 21413),
        (4502, 11, 2338, 21453),
    ):
        if first <= epsg < first + count:
            return (xian + epsg - first, beijing + epsg - first)
    return ()


def central_meridian(zone: int, *, degrees: int) -> int:
    """Degrees east of a zone's middle: 3·n, or 6·n − 3."""
    return zone * 3 if degrees == 3 else zone * 6 - 3


def guess_gauss(x: ArrayLike, y: ArrayLike, *, home: tuple[float, float] = LUAN) -> Guess | None:
    """The zone of plane coordinates in metres; None if they look like no Gauss-Krüger zone of China.

    `x`, `y`: the two columns as they stand in the file, any length; rows that are not finite are left out.
    `home`: longitude and latitude of the city, used only when no zone prefix is there.
    """
    first, second = _finite(x, y)
    if first.size == 0:
        return None
    for swapped, east, north in ((False, first, second), (True, second, first)):
        if _share((north >= _NORTHING[0]) & (north <= _NORTHING[1])) < _AGREEING:
            continue
        found = _with_prefix(east, swapped) or _without_prefix(east, north, swapped, home)
        if found is not None:
            return found
    return None


def _finite(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(x, np.float64).ravel(), np.asarray(y, np.float64).ravel()
    real = np.isfinite(first) & np.isfinite(second)
    return first[real], second[real]


def _share(holds: NDArray[np.bool_]) -> float:
    return float(np.mean(holds))


def _with_prefix(east: NDArray[np.float64], swapped: bool) -> Guess | None:
    zones = np.floor(east / 1_000_000.0)
    rest = east - zones * 1_000_000.0
    zone = int(np.median(zones))
    here = (zones == zone) & (rest >= _EASTING[0]) & (rest <= _EASTING[1])
    degrees = 6 if zone <= 23 else 3
    epsg = gauss_epsg(zone, degrees=degrees, prefixed=True)
    if epsg is None or _share(here) < _AGREEING:
        return None
    middle = central_meridian(zone, degrees=degrees)
    low, high = float(east.min()), float(east.max())
    return Guess(
        epsg,
        swapped,
        True,
        f"{_order_zh(swapped)}，横坐标 {low:.0f}–{high:.0f} m 带带号 {zone}，即 CGCS2000 {degrees} 度带"
        f"、中央子午线 {middle}°E（EPSG:{epsg}）；基准从数值上无法分辨，按 CGCS2000 处理",
        f"{_order_en(swapped)}; eastings {low:.0f}–{high:.0f} m carry zone number {zone}: CGCS2000"
        f" {degrees}-degree zone, central meridian {middle}°E (EPSG:{epsg}); the datum cannot be seen in the"
        " numbers and is taken as CGCS2000",
    )


def _without_prefix(
    east: NDArray[np.float64], north: NDArray[np.float64], swapped: bool, home: tuple[float, float]
) -> Guess | None:
    if _share((east >= _EASTING[0]) & (east <= _EASTING[1])) < _AGREEING:
        return None
    latitude = np.radians(float(np.median(north)) / _METRES_PER_DEGREE)
    offset = (float(np.median(east)) - 500_000.0) / (_METRES_PER_DEGREE * float(np.cos(latitude)))
    zone = int(np.clip(round((home[0] - offset) / 3.0), 25, 45))
    epsg = gauss_epsg(zone, degrees=3, prefixed=False)
    if epsg is None:
        return None
    middle = central_meridian(zone, degrees=3)
    low, high = float(east.min()), float(east.max())
    return Guess(
        epsg,
        swapped,
        False,
        f"{_order_zh(swapped)}，横坐标 {low:.0f}–{high:.0f} m 不带带号；按城市位置（{home[0]:.2f}°E）"
        f"取中央子午线 {middle}°E（EPSG:{epsg}），请核对；基准从数值上无法分辨，按 CGCS2000 处理",
        f"{_order_en(swapped)}; eastings {low:.0f}–{high:.0f} m carry no zone number; central"
        f" meridian {middle}°E (EPSG:{epsg}) is taken from where the city is ({home[0]:.2f}°E), please check;"
        " the datum cannot be seen in the numbers and is taken as CGCS2000",
    )


def _order_zh(swapped: bool) -> str:
    return "第一列为纵坐标（北）、第二列为横坐标（东）" if swapped else "第一列为横坐标（东）"


def _order_en(swapped: bool) -> str:
    return (
        "the first column holds northings, the second eastings"
        if swapped
        else "the first column holds eastings"
    )
