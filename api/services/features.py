"""Features of services in a box, page by page as the other system gives them, as GeoJSON in our order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from api.errors import OriginFailed
from api.services import arcgis, ogc_api, wfs
from layers.model import BoundingBox, ServiceSource

MOST_IN_A_PAGE = 1000
MOST_PAGES = 10
ACCEPT = "application/geo+json, application/json;q=0.9"


class FeaturePage(NamedTuple):
    """`matched`: how many there are altogether, None where the other system does not say; `following`: where
    more are, None if there are no more."""

    features: list[dict[str, Any]]
    matched: int | None
    following: str | None
    dropped: int


def first_url(source: ServiceSource, bounds: BoundingBox, limit: int) -> str:
    """The address of the first page of features that meet a box."""
    return _url(source, bounds, min(limit, MOST_IN_A_PAGE), 0)


def _url(source: ServiceSource, bounds: BoundingBox, limit: int, offset: int) -> str:
    match source.kind:
        case "wfs":
            return wfs.page_url(source, bounds, limit, offset)
        case "arcgis_features":
            return arcgis.query_url(source, bounds, limit, offset)
        case _:
            return ogc_api.page_url(source, bounds, limit)


def read_page(
    source: ServiceSource, body: bytes, url: str, bounds: BoundingBox, limit: int, taken: int
) -> FeaturePage:
    """The features of an answer; `taken`: those before it, of at most `limit` that are wanted.

    Raises `OriginFailed` for what is no collection of GeoJSON features. A feature whose shape is none is
    dropped and counted.
    """
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    if isinstance(told, dict) and isinstance(told.get("error"), dict):
        raise OriginFailed("对方服务报告出错", "the other system reports an error")
    if not isinstance(told, dict) or not isinstance(told.get("features"), list):
        raise OriginFailed("对方服务没有给出 GeoJSON 要素", "the other system gave no GeoJSON features")
    kept = [
        feature
        for one in told["features"]
        if isinstance(one, dict) and (feature := _feature(one)) is not None
    ]
    found = len(told["features"])
    matched = next(
        (told[name] for name in ("numberMatched", "totalFeatures") if isinstance(told.get(name), int)), None
    )
    following: str | None = None
    if source.kind == "ogc_features":
        following = ogc_api.next_url(told, url)
    elif found and _has_more(source, told, found, taken, matched, min(limit, MOST_IN_A_PAGE)):
        offset = taken + found
        following = _url(source, bounds, min(limit - offset, MOST_IN_A_PAGE) if offset < limit else 1, offset)
    return FeaturePage(kept, matched, following, found - len(kept))


def _has_more(
    source: ServiceSource, told: Mapping[str, Any], found: int, taken: int, matched: int | None, asked: int
) -> bool:
    if source.kind == "arcgis_features":
        inner = told.get("properties")
        return bool(
            told.get("exceededTransferLimit")
            or (isinstance(inner, dict) and inner.get("exceededTransferLimit"))
        )
    return taken + found < matched if matched is not None else found >= asked


def _feature(told: Mapping[str, Any]) -> dict[str, Any] | None:
    """A feature with nothing but what GeoJSON says of one; None for a shape that is none."""
    geometry = told.get("geometry")
    if geometry is not None and not _is_shape(geometry):
        return None
    properties = told.get("properties")
    feature: dict[str, Any] = {"type": "Feature"}
    if isinstance(told.get("id"), str | int):
        feature["id"] = told["id"]
    feature["geometry"] = None if geometry is None else _plain(geometry)
    feature["properties"] = properties if isinstance(properties, dict) else {}
    return feature


_DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}


def _is_shape(geometry: Any) -> bool:
    if not isinstance(geometry, dict):
        return False
    if geometry.get("type") == "GeometryCollection":
        inner = geometry.get("geometries")
        return isinstance(inner, list) and all(
            isinstance(one, dict) and one.get("type") in _DEPTH and _is_shape(one) for one in inner
        )
    depth = _DEPTH.get(str(geometry.get("type")))
    return depth is not None and _are_places(geometry.get("coordinates"), depth)


def _are_places(value: Any, depth: int) -> bool:
    """Lists of positions, `depth` deep, every number finite and within the world."""
    if not isinstance(value, list):
        return False
    if depth:
        return all(_are_places(one, depth - 1) for one in value)
    if len(value) < 2 or not all(isinstance(one, int | float) for one in value[:2]):
        return False
    x, y = value[:2]
    return math.isfinite(x) and math.isfinite(y) and abs(x) <= 180 and abs(y) <= 90


def _plain(geometry: Mapping[str, Any]) -> dict[str, Any]:
    if geometry["type"] == "GeometryCollection":
        return {"type": "GeometryCollection", "geometries": [_plain(one) for one in geometry["geometries"]]}
    return {"type": geometry["type"], "coordinates": geometry["coordinates"]}


def first_place(geometry: Any) -> tuple[float, float] | None:
    """The first position of a shape; None if it has none."""
    value = geometry.get("coordinates") if isinstance(geometry, dict) else None
    while isinstance(value, list) and value and isinstance(value[0], list):
        value = value[0]
    return (float(value[0]), float(value[1])) if isinstance(value, list) and len(value) >= 2 else None
