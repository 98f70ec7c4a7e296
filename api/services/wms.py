"""WMS 1.1.1 (OGC 01-068r3) and 1.3.0 (06-042): what a service offers, and a picture of one square."""

from __future__ import annotations

from typing import NamedTuple

from api.errors import OriginFailed
from api.services.offers import (
    Look,
    Offer,
    at_asked_host,
    best_format,
    bounded,
    box,
    crs_code,
    endpoint,
    is_geographic,
    is_mercator,
    with_query,
    without_query,
)
from api.services.xml import Element
from layers.model import BoundingBox, ServiceSource, Text

ROOTS = ("WMS_Capabilities", "WMT_MS_Capabilities")
_OURS = ("service", "request", "version", "layers", "styles", "bbox", "width", "height", "crs", "srs")


def capabilities_url(url: str, version: str = "1.3.0") -> str:
    """Where the service says what it offers."""
    return with_query(
        without_query(url, *_OURS), {"SERVICE": "WMS", "REQUEST": "GetCapabilities", "VERSION": version}
    )


def read_wms(root: Element, url: str) -> Look:
    """What a capabilities document offers, one offer for each layer with a name. Raises `OriginFailed`."""
    capability = root.first("Capability")
    if root.name not in ROOTS or capability is None:
        raise OriginFailed("这不是 WMS 的能力文档", "this is no capabilities document of a WMS")
    version = "1.1.1" if root.attributes.get("version", "").startswith("1.1") else "1.3.0"
    get_map = capability.first("Request", "GetMap")
    formats = tuple(one.text for one in get_map.all("Format")) if get_map else ()
    href = get_map.first("DCPType", "HTTP", "Get", "OnlineResource") if get_map else None
    base = without_query(endpoint(href.attributes.get("href", "") if href else "", url), *_OURS)
    base = without_query(base, "format", "transparent", "exceptions")
    offers: list[Offer] = []
    for layer in capability.all("Layer"):
        _collect(layer, _Inherited((), None, (), ""), base, url, version, formats, offers)
    found, left_out = bounded(offers)
    evidence = Text(f"GetCapabilities 应答为 WMS {version}", f"it answers GetCapabilities as a WMS {version}")
    return Look("wms", evidence, root.said("Service", "Title"), version, found, left_out)


class _Inherited(NamedTuple):
    """What a layer has from those it stands in (06-042 §7.2.4.8)."""

    crs: tuple[str, ...]
    bounds: BoundingBox | None
    styles: tuple[str, ...]
    credit: str


def _collect(
    layer: Element,
    above: _Inherited,
    base: str,
    asked: str,
    version: str,
    formats: tuple[str, ...],
    offers: list[Offer],
) -> None:
    own = [one.text for name in ("CRS", "SRS") for one in layer.all(name)]
    crs = tuple(dict.fromkeys((*above.crs, *(code for text in own for code in text.split()))))
    bounds = _bounds(layer) or above.bounds
    styles = tuple(dict.fromkeys((*above.styles, *(one.said("Name") for one in layer.all("Style")))))
    credit = layer.said("Attribution", "Title") or above.credit
    name = layer.said("Name")
    if name:
        form, system = best_format(formats), _system(crs)
        source, problem = None, None
        if form is None:
            problem = Text("没有可显示的图片格式", "there is no picture format that can be shown")
        elif system is None:
            problem = Text(
                f"不提供 EPSG:3857、4490 或 4326，只有 {'、'.join(crs[:5]) or '未说明的坐标系'}",
                f"none of EPSG:3857, 4490, 4326 is offered, only {', '.join(crs[:5]) or 'nothing said'}",
            )
        else:
            source = ServiceSource(
                "wms", base, name, version, "", form, system,
                legend=_legend(layer, base, asked, name, version), attribution=credit,
                systems=tuple(one for one in crs if is_geographic(one) or is_mercator(one)),
            )  # fmt: skip
        title, abstract = layer.said("Title") or name, layer.said("Abstract")
        offers.append(Offer(name, title, abstract[:500], bounds, crs[:50], formats, styles, source, problem))
    for inner in layer.all("Layer"):
        _collect(inner, _Inherited(crs, bounds, styles, credit), base, asked, version, formats, offers)


def _bounds(layer: Element) -> BoundingBox | None:
    geographic = layer.first("EX_GeographicBoundingBox")
    if geographic is not None:
        sides = ("westBoundLongitude", "southBoundLatitude", "eastBoundLongitude", "northBoundLatitude")
        return box(*(geographic.said(side) for side in sides))
    older = layer.first("LatLonBoundingBox")
    if older is not None:
        return box(*(older.attributes.get(side) for side in ("minx", "miny", "maxx", "maxy")))
    return None


def _system(crs: tuple[str, ...]) -> str | None:
    """The system to ask in: Web Mercator, else degrees, longitude first where that can be had."""
    for wanted in ("3857", "900913", "102100", "CRS84", "84", "4490", "4326"):
        found = next((one for one in crs if crs_code(one) == wanted), None)
        if found is not None:
            return found
    return None


def _legend(layer: Element, base: str, asked: str, name: str, version: str) -> str:
    """Where the legend is; empty where the service says of none."""
    href = layer.first("Style", "LegendURL", "OnlineResource")
    told = href.attributes.get("href", "") if href else ""
    if not told:
        return ""
    if "getlegendgraphic" not in told.lower():
        return at_asked_host(told, asked)
    said = {"SERVICE": "WMS", "REQUEST": "GetLegendGraphic", "VERSION": version, "LAYER": name}
    # 1.1.1 of SLD 1.1 (05-078r4) is what servers of WMS 1.3.0 ask for
    return with_query(base, {**said, "FORMAT": "image/png", "SLD_VERSION": "1.1.0"})


def map_url(source: ServiceSource, bounds: tuple[float, float, float, float], width: int, height: int) -> str:
    """The address of a picture of `bounds` (west, south, east, north in the source's own system).

    In 1.3.0 the axes are in the order of the system's definition: EPSG:4326 and 4490 begin with latitude
    (06-042 §6.7.3.2), CRS:84 and EPSG:3857 do not.
    """
    west, south, east, north = bounds
    is_newer = source.protocol != "1.1.1"
    code = crs_code(source.crs)
    latitude_first = is_newer and is_geographic(source.crs) and code not in ("CRS84", "84")
    sides = (south, west, north, east) if latitude_first else (west, south, east, north)
    return with_query(
        source.url,
        {
            "SERVICE": "WMS",
            "VERSION": source.protocol,
            "REQUEST": "GetMap",
            "LAYERS": source.name,
            "STYLES": source.style,
            "CRS" if is_newer else "SRS": source.crs,
            "BBOX": ",".join(_number(side) for side in sides),
            "WIDTH": str(width),
            "HEIGHT": str(height),
            "FORMAT": source.format,
            "TRANSPARENT": "FALSE" if "jp" in source.format else "TRUE",
        },
    )


def is_drawable(source: ServiceSource) -> bool:
    return is_mercator(source.crs) or is_geographic(source.crs)


def _number(value: float) -> str:
    return format(value, ".10f").rstrip("0").rstrip(".")
