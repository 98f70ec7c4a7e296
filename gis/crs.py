"""Coordinate reference systems: read from what files say, and brought to CGCS2000 (EPSG:4490).

The only door to pyproj, together with `gis.measures`. Coordinates are longitude first (easting first)
in every array, whatever order the CRS itself declares.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import TransformerGroup

from gis.errors import UnknownCrs
from gis.gauss import Guess, gauss_epsg, guess_gauss
from gis.offsets import FRAMES, INVERSE_ERROR_M, Frame, from_cgcs2000, is_place, to_cgcs2000

__all__ = [
    "CGCS2000",
    "CRS",
    "FRAMES",
    "Frame",
    "Guess",
    "Route",
    "describe",
    "from_cgcs2000",
    "guess_gauss",
    "is_place",
    "read_crs",
    "reproject",
    "route",
    "route_in_frame",
    "to_cgcs2000",
]

CGCS2000 = CRS.from_epsg(4490)
_WGS84 = CRS.from_epsg(4326)
_WORLD = (-180.0, -90.0, 180.0, 90.0)
_BEYOND_USE = 6.0
"""Degrees beyond its area of use in which a projected system is still good to a centimetre: transverse
Mercator is exact to more than 30° from its meridian."""
_LEGACY = re.compile(r"beijing|xian|北京|西安", re.I)

_LEGACY_DATUM_ERROR_M = 130.0
"""Beijing 1954 and Xian 1980 differ from CGCS2000 by up to about this much in plane, and the parameters
that would remove it are not public (own knowledge of the published sheet shifts; not from a standard)."""
_ALIGNED_ERROR_M = 1.0
"""WGS 84 and its like against CGCS2000: centimetres to decimetres; EPSG states 1 m."""

_CGCS2000_NAMES = re.compile(
    r"cgcs[ _-]?2000|china[ _]*2000|china[ _]*geodetic|2000国家大地|国家2000|大地2000", re.I
)
_CGCS2000_AXIS, _CGCS2000_FLATTENING = 6378137.0, 298.257222101


@dataclass(frozen=True)
class Route:
    """How coordinates come from one CRS to another, to be written on the layer they become.

    `error_m` is the stated error in metres, None if nobody states one.
    """

    zh: str
    en: str
    error_m: float | None


def read_crs(text_or_epsg: str | int) -> CRS:
    """The CRS that a number, a code, WKT (also an ESRI .prj) or a PROJ string names.

    A CRS of the EPSG registry is returned as the registry has it, so equal ones compare equal; Chinese
    zones are recognised in the spellings of ArcGIS, SuperMap, MapGIS and GDAL. Compound CRS lose their
    height.
    Raises `UnknownCrs` for text that names none, and for local (engineering) systems.

    >>> read_crs(4548).to_epsg(), read_crs("EPSG:4527").to_epsg(), read_crs("CGCS2000").to_epsg()
    (4548, 4527, 4490)
    """
    try:
        found = CRS.from_user_input(_cleaned(text_or_epsg))
    except (CRSError, UnicodeError) as error:
        raise _unknown(text_or_epsg) from error
    if found.is_compound:
        found = found.sub_crs_list[0]
    if not (found.is_geographic or found.is_projected):
        raise _unknown(text_or_epsg)
    try:
        known = _registered(found)
        _transformer(known.to_wkt(), CGCS2000.to_wkt())
    except ProjError as error:  # well-formed text with a projection nobody can compute
        raise _unknown(text_or_epsg) from error
    return known


def domain(code: int) -> tuple[float, float, float, float] | None:
    """Where coordinates of an EPSG code are to be expected: west, south, east, north in degrees.

    The world for geographic systems and those meant for it; else the registry's area of use and 6° round it,
    as a city at the edge of a zone keeps to one zone. None for a code the registry does not have, and for
    an area across 180°.

    >>> domain(4527), domain(3857), domain(999_999)
    ((109.5, 16.6, 124.5, 55.88), (-180.0, -85.06, 180.0, 85.06), None)
    """
    try:
        crs = CRS.from_epsg(code)
    except CRSError:
        return None
    if crs.is_geographic:
        return _WORLD
    area = crs.area_of_use
    if area is None or area.west > area.east:
        return None
    if area.east - area.west >= 359.0:
        return area.west, area.south, area.east, area.north
    west, south, east, north = _WORLD
    return (
        max(area.west - _BEYOND_USE, west),
        max(area.south - _BEYOND_USE, south),
        min(area.east + _BEYOND_USE, east),
        min(area.north + _BEYOND_USE, north),
    )


def describe(crs: CRS) -> str:
    """The CRS in one line: its EPSG code where it has one, and its name."""
    code = crs.to_epsg()
    return f"EPSG:{code} {crs.name}" if code is not None else crs.name


def reproject(geometries: NDArray[np.object_], source: CRS, target: CRS = CGCS2000) -> NDArray[np.object_]:
    """The geometries of `source` in `target`, easting (longitude) first on both sides; heights stay.

    `geometries`: array of shapely geometries and None, any length; None stays None, empty stays empty. A
    geometry with a coordinate that cannot be transformed (NaN, infinite, beyond the projection) becomes
    None: compare with the input to count those. The input is not changed.
    """
    given = np.asarray(geometries, dtype=object)
    if given.size == 0 or source == target:
        return given.copy()
    moved = np.empty(given.shape, dtype=object)
    high = shapely.has_z(given)
    flat = ~high & ~shapely.is_missing(given)
    transformer = _transformer(source.to_wkt(), target.to_wkt())
    moved[flat] = _transformed(given[flat], transformer, include_z=False)
    moved[high] = _transformed(given[high], transformer, include_z=True)
    return moved


def reproject_points(
    coordinates: NDArray[np.float64], source: CRS, target: CRS = CGCS2000
) -> NDArray[np.float64]:
    """(n, 2) coordinates of `source` in `target`, easting (longitude) first on both sides.

    What cannot be transformed is infinite then. The input is not changed.
    """
    if not len(coordinates) or source == target:
        return coordinates.copy()
    transformer = _transformer(source.to_wkt(), target.to_wkt())
    return np.column_stack(transformer.transform(coordinates[:, 0], coordinates[:, 1]))


@lru_cache(maxsize=64)
def route(source: CRS, target: CRS = CGCS2000) -> Route:
    """What `reproject` does between the two, and the error it leaves."""
    if source.geodetic_crs is not None and _datum(source) == _datum(target):
        return Route("同一基准，仅换算投影", "same datum, projection arithmetic only", 0.001)
    if _LEGACY.search(_datum(source)):
        return Route(
            f"{_datum(source)} 至 CGCS2000 无公开参数，未做基准转换，"
            f"偏差可达约 {_LEGACY_DATUM_ERROR_M:.0f} m",
            f"no public parameters from {_datum(source)} to CGCS2000: the datum shift is left out, places"
            f" may be off by about {_LEGACY_DATUM_ERROR_M:.0f} m",
            _LEGACY_DATUM_ERROR_M,
        )
    transformer = _transformer(source.to_wkt(), target.to_wkt())
    if transformer.accuracy >= 0 and not _goes_by_wgs84(source, target):
        return Route("PROJ 转换", transformer.description, float(transformer.accuracy))
    if _is_aligned(source):
        return Route("按与 CGCS2000 一致处理", "taken as the same as CGCS2000", _ALIGNED_ERROR_M)
    error_m = _error_to_wgs84_m(source) if _goes_by_wgs84(source, target) else None
    if error_m is not None:
        return Route(
            f"{_datum(source)} 经 WGS 84 转换，WGS 84 按与 CGCS2000 一致处理",
            f"{_datum(source)} by way of WGS 84, which is taken as the same as CGCS2000",
            error_m + _ALIGNED_ERROR_M,
        )
    return Route("基准转换未知，未改正", "datum shift unknown and left out", None)


def route_in_frame(source: CRS, frame: Frame | None) -> Route:
    """As `route` to CGCS2000, with the map offset taken away that `frame` names; the errors add up."""
    by = route(source)
    if frame not in ("gcj02", "bd09"):
        return by
    name = "GCJ-02" if frame == "gcj02" else "BD-09"
    return Route(
        f"{by.zh}；按公开公式去除 {name} 偏移（反算误差小于 {INVERSE_ERROR_M:g} m，原图精度未知）",
        f"{by.en}; the offset of {name} is taken away by the published formula (undone to"
        f" {INVERSE_ERROR_M:g} m; how good the map itself is, is not known)",
        None if by.error_m is None else by.error_m + INVERSE_ERROR_M,
    )


@lru_cache(maxsize=64)
def _transformer(source_wkt: str, target_wkt: str) -> Transformer:
    source, target = CRS.from_wkt(source_wkt), CRS.from_wkt(target_wkt)
    if _goes_by_wgs84(source, target):
        target = _WGS84
    return Transformer.from_crs(source, target, always_xy=True)


def _goes_by_wgs84(source: CRS, target: CRS) -> bool:
    """True for a foreign datum on its way to CGCS2000: EPSG knows its shift to WGS 84 and none to CGCS2000.

    Left to itself PROJ would leave the shift out: 106 m in the Netherlands. The legacy Chinese datums stay
    out of it: their published parameters hold in single oil fields only (EPSG 15918–15921).
    """
    if target != CGCS2000 or _is_aligned(source) or _LEGACY.search(_datum(source)):
        return False
    return _error_to_wgs84_m(source) is not None


@lru_cache(maxsize=64)
def _error_to_wgs84_m(source: CRS) -> float | None:
    """The error in metres that EPSG states for the best available way to WGS 84; None if it knows none."""
    with warnings.catch_warnings():
        # a grid that is not installed would be better still; what is used is what is stated here
        warnings.simplefilter("ignore")
        ways = TransformerGroup(source, _WGS84, always_xy=True).transformers
    return float(ways[0].accuracy) if ways and ways[0].accuracy >= 0 else None


def _transformed(
    geometries: NDArray[np.object_], transformer: Transformer, *, include_z: bool
) -> NDArray[np.object_]:
    """The geometries transformed; None where a coordinate went to infinity."""
    coordinates, owner = shapely.get_coordinates(geometries, include_z=include_z, return_index=True)
    x, y = transformer.transform(coordinates[:, 0], coordinates[:, 1])
    coordinates[:, 0], coordinates[:, 1] = x, y
    lost = np.unique(owner[~(np.isfinite(coordinates[:, 0]) & np.isfinite(coordinates[:, 1]))])
    # set_coordinates writes into the array it is given, never into the (immutable) geometries
    moved = shapely.set_coordinates(geometries.copy(), coordinates)
    moved[lost] = None
    return moved


def _cleaned(text_or_epsg: str | int) -> str | int:
    """What pyproj understands: bare numbers become EPSG codes, byte-order marks and ends go."""
    if isinstance(text_or_epsg, int):
        return text_or_epsg
    text = text_or_epsg.strip().strip("\ufeff\x00").strip()
    if text.isdecimal() and len(text) <= 6:
        return int(text)
    if re.fullmatch(r"cgcs[ _-]?2000", text, re.I):
        return 4490
    if re.fullmatch(r"wgs[ _-]?84", text, re.I):
        return 4326
    return text


def _registered(crs: CRS) -> CRS:
    """The same CRS as the EPSG registry has it, if it is there; the CRS itself otherwise."""
    for code in (crs.to_epsg(), _cgcs2000_epsg(crs)):
        if code is None:
            continue
        known = CRS.from_epsg(code)
        if _same_arithmetic(crs, known):
            return known
    return crs


def _cgcs2000_epsg(crs: CRS) -> int | None:
    """The EPSG code of a CRS that calls itself CGCS2000 in words the registry does not know."""
    named = " ".join((crs.name, _datum(crs), crs.geodetic_crs.name if crs.geodetic_crs else ""))
    ellipsoid = crs.ellipsoid
    if not _CGCS2000_NAMES.search(named) or ellipsoid is None:
        return None
    if (
        abs(ellipsoid.semi_major_metre - _CGCS2000_AXIS) > 1e-3
        or abs(ellipsoid.inverse_flattening - _CGCS2000_FLATTENING) > 1e-6
    ):
        return None
    if crs.is_geographic:
        return 4490
    return _zone_epsg(crs)


def _zone_epsg(crs: CRS) -> int | None:
    """The CGCS2000 zone whose central meridian and false easting a transverse Mercator CRS has."""
    operation = crs.coordinate_operation
    if operation is None:
        return None
    values = {parameter.name.lower(): parameter.value for parameter in operation.params}
    if not {"longitude of natural origin", "false easting"} <= values.keys():
        return None
    meridian = float(values["longitude of natural origin"])
    zone, rest = divmod(float(values["false easting"]) - 500_000.0, 1_000_000.0)
    if rest:
        return None
    if zone == 0:
        return gauss_epsg(round(meridian / 3), degrees=3, prefixed=False)
    return gauss_epsg(int(zone), degrees=6 if zone <= 23 else 3, prefixed=True)


def _same_arithmetic(one: CRS, other: CRS) -> bool:
    """True if both give the same numbers for places round the middle of `other`'s area, within 0.1 mm."""
    area = other.area_of_use
    geodetic = one.geodetic_crs
    if area is None or geodetic is None or other.geodetic_crs is None:
        return False
    if one.is_geographic != other.is_geographic or one.prime_meridian != other.prime_meridian:
        return False
    lon = np.linspace(area.west, area.east, 3)
    lat = np.linspace(area.south, area.north, 3)
    a = Transformer.from_crs(geodetic, one, always_xy=True).transform(lon, lat)
    b = Transformer.from_crs(other.geodetic_crs, other, always_xy=True).transform(lon, lat)
    return bool(np.allclose(a, b, rtol=0, atol=1e-9 if one.is_geographic else 1e-4))


def _datum(crs: CRS) -> str:
    return crs.datum.name if crs.datum is not None else ""


def _is_aligned(crs: CRS) -> bool:
    """True for datums that follow the ITRF closely enough for a map: WGS 84, ITRF."""
    return bool(re.search(r"WGS ?84|World Geodetic System 1984|ITRF|CGCS|China 2000", _datum(crs), re.I))


def _unknown(text: str | int) -> UnknownCrs:
    shown = str(text).strip()
    shown = shown if len(shown) <= 80 else shown[:77] + "…"
    return UnknownCrs(
        f"无法识别坐标系“{shown}”",
        f"cannot read the coordinate reference system {shown!r}",
        value=shown,
        expected="EPSG:n, WKT, .prj, PROJ",
    )
