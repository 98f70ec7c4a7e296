"""ArcGIS REST: MapServer, ImageServer and FeatureServer, told by `?f=json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from api.errors import OriginFailed
from api.services.offers import Look, Offer, bounded, box_in, is_geographic, is_mercator, with_query
from api.services.templates import plain_text
from layers.model import BoundingBox, ServiceKind, ServiceLevel, ServiceSource, Text

SERVERS = ("mapserver", "imageserver", "featureserver")
MAX_LEVELS = 40


def server_of(url: str) -> str | None:
    """`mapserver`, `imageserver` or `featureserver` if the address is of one."""
    parts = [part.lower() for part in urlsplit(url).path.split("/")]
    return next((server for server in SERVERS if server in parts), None)


def description_url(url: str) -> str:
    """Where the server says what it is."""
    return with_query(_root(url), {"f": "json"})


def _root(url: str) -> str:
    """The address of the server itself, without a layer's number or an operation."""
    parts = urlsplit(url)
    pieces = parts.path.rstrip("/").split("/")
    end = next((n for n, piece in enumerate(pieces) if piece.lower() in SERVERS), len(pieces) - 1)
    return urlunsplit(parts._replace(path="/".join(pieces[: end + 1]), query="", fragment=""))


def read_arcgis(told: Mapping[str, Any], url: str) -> Look:
    """What a server offers: its map as a whole, its layers as pictures and, where it lets, as features."""
    error = told.get("error")
    if isinstance(error, dict):
        is_closed = error.get("code") in (401, 403, 498, 499)
        raise OriginFailed(
            "ArcGIS 服务要求令牌（token）" if is_closed else "ArcGIS 服务报告出错",
            "the ArcGIS server wants a token" if is_closed else "the ArcGIS server reports an error",
        )
    server, root = server_of(url), _root(url)
    if server is None or not {"layers", "fullExtent", "extent", "serviceDataType"} & set(told):
        raise OriginFailed("这不是 ArcGIS 服务的说明", "this is no description of an ArcGIS server")
    crs = _crs(told.get("spatialReference")) or _crs(_member(told, "fullExtent").get("spatialReference"))
    bounds = _extent(told.get("fullExtent") or told.get("extent") or {}, crs)
    credit = plain_text(str(told.get("copyrightText") or ""))
    title = str(told.get("mapName") or told.get("name") or "") or root.rstrip("/").split("/")[-2]
    offers: list[Offer] = []
    if server == "mapserver":
        offers.append(_whole_map(told, root, title, crs, bounds, credit))
    if server == "imageserver":
        source = ServiceSource("arcgis_image", root, format="png32", attribution=credit)
        offers.append(Offer("", title, bounds=bounds, crs=(crs,), source=source))
    features = server == "featureserver" or "query" in str(told.get("capabilities") or "").lower()
    for layer in told.get("layers") or ():
        if isinstance(layer, dict) and isinstance(layer.get("id"), int):
            offers += _of_layer(layer, server, root, bounds, credit, features)
    found, left_out = bounded(offers)
    words = Text(f"地址为 {server}，应答为 ArcGIS 的说明", f"it is a {server} and answers as ArcGIS does")
    kind: ServiceKind = "arcgis_features" if server == "featureserver" else "arcgis_map"
    if server == "imageserver":
        kind = "arcgis_image"
    return Look(kind, words, title, str(told.get("currentVersion") or ""), found, left_out)


def _whole_map(
    told: Mapping[str, Any], root: str, title: str, crs: str, bounds: BoundingBox | None, credit: str
) -> Offer:
    """The map as one layer: its kept squares where they lie along ours, else drawn for each."""
    levels = _levels(told.get("tileInfo") or {}) if told.get("singleFusedMapCache") else ()
    own = _crs(_member(told, "tileInfo").get("spatialReference")) or crs
    if levels and (is_mercator(own) or is_geographic(own)):
        source = ServiceSource("arcgis_tiles", root, crs=own, levels=levels, attribution=credit)
    else:
        source = ServiceSource("arcgis_map", root, format="png32", attribution=credit)
    return Offer("", title, str(told.get("serviceDescription") or "")[:500], bounds, (crs,), source=source)


def _of_layer(
    layer: Mapping[str, Any],
    server: str,
    root: str,
    bounds: BoundingBox | None,
    credit: str,
    features: bool,
) -> list[Offer]:
    number, title = str(layer["id"]), str(layer.get("name") or layer["id"])
    if layer.get("subLayerIds"):
        features = False
    offers = []
    if server == "mapserver":
        source = ServiceSource("arcgis_map", root, number, format="png32", attribution=credit)
        offers.append(Offer(number, title, bounds=bounds, source=source))
    if features and layer.get("type", "Feature Layer") == "Feature Layer":
        of_rows = ServiceSource("arcgis_features", f"{root}/{number}", number, attribution=credit)
        offers.append(Offer(f"{number}/query", title, bounds=bounds, source=of_rows, min_zoom=12))
    return offers


def _levels(info: Mapping[str, Any]) -> tuple[ServiceLevel, ...]:
    """The levels of a map's kept squares; none where they are not told as they should be."""
    try:
        left, top = float(info["origin"]["x"]), float(info["origin"]["y"])
        wide, high = int(info["cols"]), int(info["rows"])
        lods = [(str(int(one["level"])), float(one["resolution"])) for one in info["lods"]][:MAX_LEVELS]
    except (KeyError, TypeError, ValueError):
        return ()
    if not (1 <= wide <= 4096 and 1 <= high <= 4096):
        return ()
    most = 1 << 30  # the server says where squares begin and not where they end
    return tuple(
        ServiceLevel(name, size, left, top, wide, high, most, most) for name, size in lods if size > 0
    )


def _member(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(name)
    return found if isinstance(found, dict) else {}


def _crs(told: Any) -> str:
    if not isinstance(told, dict):
        return ""
    code = told.get("latestWkid") or told.get("wkid")
    return f"EPSG:{code}" if isinstance(code, int) else ""


def _extent(told: Any, crs: str) -> BoundingBox | None:
    if not isinstance(told, dict):
        return None
    system = _crs(told.get("spatialReference")) or crs
    return box_in(system, told.get("xmin"), told.get("ymin"), told.get("xmax"), told.get("ymax"))


def export_url(source: ServiceSource, bounds: tuple[float, float, float, float], size: int) -> str:
    """The address of a picture of `bounds` (metres of EPSG:3857)."""
    said = {
        "bbox": ",".join(format(side, ".4f") for side in bounds),
        "bboxSR": "3857",
        "imageSR": "3857",
        "size": f"{size},{size}",
        "format": source.format,
        "f": "image",
    }
    if source.kind == "arcgis_image":
        return with_query(f"{source.url}/exportImage", said)
    more = {"transparent": "true", "dpi": "96", **({"layers": f"show:{source.name}"} if source.name else {})}
    return with_query(f"{source.url}/export", {**said, **more})


def square_url(source: ServiceSource, level: str, column: int, row: int) -> str:
    """The address of one of the map's kept squares; `blankTile=false`: 404 where there is none."""
    return f"{source.url}/tile/{level}/{row}/{column}?blankTile=false"


def query_url(source: ServiceSource, bounds: BoundingBox, limit: int, offset: int) -> str:
    """The address of features that meet a box, as GeoJSON in degrees."""
    return with_query(
        f"{source.url}/query",
        {
            "where": "1=1",
            "geometry": ",".join(format(side, ".9f") for side in bounds),
            "geometryType": "esriGeometryEnvelope",
            "inSR": "4326",
            "spatialRel": "esriSpatialRelIntersects",
            "outFields": "*",
            "outSR": "4326",
            "returnGeometry": "true",
            "resultRecordCount": str(limit),
            "resultOffset": str(offset),
            "f": "geojson",
        },
    )
