"""Geometry made fit for a layer: mended, of one type, flat. Arrays of shapely geometries and None."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

LayerType = Literal["Point", "MultiLineString", "MultiPolygon", "Geometry"]

_RING = int(shapely.GeometryType.LINEARRING)
_FIRST_COLLECTED = int(shapely.GeometryType.MULTIPOINT)
_DIMENSION = {"Point": 0, "MultiLineString": 1, "MultiPolygon": 2}
_PLAIN = {
    "Point": shapely.GeometryType.POINT,
    "MultiLineString": shapely.GeometryType.LINESTRING,
    "MultiPolygon": shapely.GeometryType.POLYGON,
}
_STORED = {
    "Point": shapely.GeometryType.POINT,
    "MultiLineString": shapely.GeometryType.MULTILINESTRING,
    "MultiPolygon": shapely.GeometryType.MULTIPOLYGON,
}


class Mending(NamedTuple):
    """Why a geometry was mended: GEOS's word for it as `code`, and a sentence in both languages."""

    code: str
    zh: str
    en: str


FAULTS = {
    "Self-intersection": "多边形自相交",
    "Ring Self-intersection": "环自相交",
    "Hole lies outside shell": "孔洞在外环之外",
    "Holes are nested": "孔洞嵌套",
    "Nested shells": "外环嵌套",
    "Nested holes": "孔洞嵌套",
    "Duplicate Rings": "环重复",
    "Interior is disconnected": "内部不连通",
    "Too few points in geometry component": "点数不足",
    "Invalid Coordinate": "坐标无效",
}
"""GEOS's words for what is wrong with a geometry, in Chinese."""


def mend(geometries: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """The geometries made valid, and for each the `Mending` (None where nothing was done).

    A mended geometry keeps the dimension it had: a polygon that falls into areas and loose lines keeps the
    areas. One that cannot be mended (not-a-number coordinates, an area that collapses to nothing) becomes
    None, with its `Mending`. None and empty come back as they are, without a reason.
    """
    given = np.asarray(geometries, dtype=object)
    mended = given.copy()
    reasons = np.full(given.shape, None, dtype=object)
    broken = np.flatnonzero(~shapely.is_valid(given) & ~shapely.is_missing(given))
    for position in broken:
        reasons[position] = _mending(given[position])
        mended[position] = _mended(given[position])
    return mended, reasons


def to_multi(geometries: NDArray[np.object_], geometry_type: LayerType) -> NDArray[np.object_]:
    """The geometries as the layer stores them: lines and polygons as their multi type, single points plain.

    A geometry that cannot be of that type without losing something (another dimension, two points, empty)
    becomes None: compare with the input to count those. A collection keeps its members if all fit.
    """
    given = np.asarray(geometries, dtype=object)
    cast = np.full(given.shape, None, dtype=object)
    full = ~shapely.is_missing(given) & ~shapely.is_empty(given)
    if geometry_type == "Geometry":
        cast[full] = given[full]
        return cast
    plain = full & (shapely.get_type_id(given) == _PLAIN[geometry_type])
    kept = full & (shapely.get_type_id(given) == _STORED[geometry_type])
    cast[kept] = given[kept]
    if plain.any() and not (plain & kept).any():
        make = shapely.multipolygons if geometry_type == "MultiPolygon" else shapely.multilinestrings
        cast[plain] = make(given[plain], indices=np.arange(plain.sum()))
    for position in np.flatnonzero(full & ~plain & ~kept):
        cast[position] = _as_multi(given[position], _DIMENSION[geometry_type])
    return cast


def drop_z(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """The geometries without heights and measures."""
    flat: NDArray[np.object_] = np.asarray(shapely.force_2d(geometries), dtype=object)
    return flat


def _mending(geometry: shapely.Geometry) -> Mending:
    said = str(shapely.is_valid_reason(geometry)).partition("[")[0].strip()
    return Mending(said, f"已修复：{FAULTS.get(said, said)}", f"mended: {said.lower()}")


def _mended(geometry: shapely.Geometry) -> shapely.Geometry | None:
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        return None
    valid = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    dimension = shapely.get_dimensions(geometry)
    parts = shapely.get_parts(shapely.get_parts(np.array([valid], dtype=object)))
    kept = parts[(shapely.get_dimensions(parts) == dimension) & ~shapely.is_empty(parts)]
    if len(kept) == 0:
        return None
    return kept[0] if len(kept) == 1 else _collected(kept, int(dimension))


def _as_multi(geometry: shapely.Geometry, dimension: int) -> shapely.Geometry | None:
    parts = _simple_parts(geometry)
    if (shapely.get_dimensions(parts) != dimension).any():
        return None
    if dimension == 0:
        return parts[0] if len(parts) == 1 else None
    return _collected(parts, dimension)


def _simple_parts(geometry: shapely.Geometry) -> NDArray[np.object_]:
    """The points, lines and polygons of a geometry, however deeply collected; rings as lines."""
    parts = np.array([geometry], dtype=object)
    while (shapely.get_type_id(parts) >= _FIRST_COLLECTED).any():
        parts = shapely.get_parts(parts)
    for position in np.flatnonzero(shapely.get_type_id(parts) == _RING):
        parts[position] = shapely.LineString(parts[position].coords)
    return np.asarray(parts[~shapely.is_empty(parts)], dtype=object)


def _collected(parts: NDArray[np.object_], dimension: int) -> shapely.Geometry:
    return shapely.MultiPolygon(list(parts)) if dimension == 2 else shapely.MultiLineString(list(parts))
