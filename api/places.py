"""Places as callers name them: a point in one of four frames, a GeoJSON geometry; checked, then CGCS2000."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import shapely
from fastapi import Depends, Query
from numpy.typing import NDArray
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from gis.crs import Frame, to_cgcs2000
from layers.errors import BadRequest, TooMuch

MAX_VERTICES = 10_000
"""Of a geometry that comes in with a question."""

Shape = Literal["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"]
DEPTH: dict[str, int] = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
"""How many arrays stand round a position of each type (RFC 7946 §3.1)."""


@dataclass(frozen=True)
class Place:
    """A point in degrees, CGCS2000 (EPSG:4490)."""

    lon: float
    lat: float


async def place(
    lon: Annotated[float, Query(description="经度（度） Longitude in degrees", examples=[116.5])],
    lat: Annotated[float, Query(description="纬度（度） Latitude in degrees", examples=[31.74])],
    crs: Annotated[Frame, Query(description="坐标类型 Frame of lon and lat")] = "cgcs2000",
) -> Place:
    """The point that `lon`, `lat` and `crs` name. Raises `BadRequest` for one that is not on Earth."""
    check_position("lon", "lat", lon, lat)
    east, north = to_cgcs2000(lon, lat, crs)
    return Place(float(east), float(north))


PlaceDep = Annotated[Place, Depends(place)]


def check_position(lon_field: str, lat_field: str, lon: float, lat: float) -> None:
    """Raises `BadRequest` unless the two are finite degrees within ±180 and ±90."""
    if math.isfinite(lat) and math.isfinite(lon) and abs(lat) > 90 and abs(lon) <= 90 and abs(lat) <= 180:
        raise _out_of_range(lat_field, lat, "-90..90", "；经纬度可能写反了", "; lon and lat may be swapped")
    if not (math.isfinite(lon) and abs(lon) <= 180):
        raise _out_of_range(lon_field, lon, "-180..180")
    if not (math.isfinite(lat) and abs(lat) <= 90):
        raise _out_of_range(lat_field, lat, "-90..90")


def geometry_of(
    given: object, *, field: str = "geometry", frame: Frame = "cgcs2000", allowed: Sequence[Shape]
) -> BaseGeometry:
    """The GeoJSON geometry `given` (or a Feature's), as a shape in CGCS2000, longitude first, flat.

    Raises `BadRequest` naming the member that is wrong (`geometry.coordinates[0][3]`), `TooMuch` above
    `MAX_VERTICES`. A self-crossing area is refused with the place of the crossing: which side is inside
    would be a guess.
    """
    if isinstance(given, dict) and given.get("type") == "Feature":
        given, field = given.get("geometry"), f"{field}.geometry"
    if not isinstance(given, dict):
        raise _wrong(field, given, "GeoJSON 几何对象", "a GeoJSON geometry object")
    kind = given.get("type")
    if not isinstance(kind, str) or kind not in allowed:
        raise _wrong(f"{field}.type", kind, " / ".join(allowed), " or ".join(allowed))
    counted = _Positions()
    coordinates = counted.read(given.get("coordinates"), DEPTH[kind], f"{field}.coordinates")
    try:
        drawn = shape({"type": kind, "coordinates": coordinates})
    except (ValueError, IndexError, TypeError) as error:
        raise _wrong(
            f"{field}.coordinates", "…", f"合法的 {kind} 坐标", f"coordinates of a {kind}"
        ) from error
    _check_rings(kind, coordinates, f"{field}.coordinates")
    if drawn.is_empty:
        raise _wrong(f"{field}.coordinates", "[]", "非空坐标", "coordinates that are not empty")
    if not drawn.is_valid:
        reason = shapely.is_valid_reason(drawn)
        raise _wrong(f"{field}.coordinates", reason, "不自相交的面", "an area that does not cross itself")
    if frame == "cgcs2000":
        return drawn

    def moved(positions: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(to_cgcs2000(positions[:, 0], positions[:, 1], frame))

    return shapely.transform(drawn, moved)


class _Positions:
    """Reads nested coordinate arrays, counting positions as it goes."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, given: object, depth: int, field: str) -> Any:
        if not isinstance(given, list):
            raise _wrong(field, given, "数组", "an array")
        if depth == 0:
            return self._position(given, field)
        return [self.read(inner, depth - 1, f"{field}[{n}]") for n, inner in enumerate(given)]

    def _position(self, given: list[object], field: str) -> tuple[float, float]:
        self._count += 1
        if self._count > MAX_VERTICES:
            raise TooMuch(
                f"几何图形的顶点超过 {MAX_VERTICES} 个",
                f"the geometry has more than {MAX_VERTICES} vertices",
                limit=MAX_VERTICES,
            )
        if not 2 <= len(given) <= 4:
            raise _wrong(field, given, "[经度, 纬度]", "[longitude, latitude]")
        for number in given[:2]:
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise _wrong(field, given, "[经度, 纬度]，两个数字", "[longitude, latitude], two numbers")
        try:
            lon, lat = float(given[0]), float(given[1])  # type: ignore[arg-type]  # checked just above
        except OverflowError:
            lon, lat = math.inf, math.inf
        check_position(f"{field}[0]", f"{field}[1]", lon, lat)
        return lon, lat


def _check_rings(kind: str, coordinates: Any, field: str) -> None:
    """RFC 7946 §3.1.6: a ring has four or more positions, the last equal to the first."""
    if kind not in ("Polygon", "MultiPolygon"):
        return
    parts = [coordinates] if kind == "Polygon" else coordinates
    for p, rings in enumerate(parts):
        for r, ring in enumerate(rings):
            if len(ring) < 4 or ring[0] != ring[-1]:
                at = f"{field}[{r}]" if kind == "Polygon" else f"{field}[{p}][{r}]"
                raise _wrong(at, "…", "首尾相同、至少四点的环", "a closed ring of at least four positions")


def _out_of_range(field: str, value: float, expected: str, zh: str = "", en: str = "") -> BadRequest:
    return BadRequest(
        f"“{field}”超出范围 {expected}{zh}",
        f"{field!r} is out of range {expected}{en}",
        field=field,
        value=value,
        expected=expected + en,
    )


def _wrong(field: str, value: object, zh: str, en: str) -> BadRequest:
    shown = "…" if isinstance(value, (list, dict)) else value
    return BadRequest(
        f"“{field}”应为{zh}", f"{field!r} should be {en}", field=field, value=shown, expected=en
    )
