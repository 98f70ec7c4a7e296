"""WMTS 1.0.0 (OGC 07-057r7), by query and by address, in the squares the service has."""

from __future__ import annotations

from urllib.parse import quote

from api.errors import OriginFailed
from api.services.offers import (
    Look,
    Offer,
    best_format,
    bounded,
    box,
    box_in,
    endpoint,
    is_geographic,
    is_mercator,
    with_query,
    without_query,
)
from api.services.xml import Element
from gis.matrix_sets import METRES_PER_DEGREE
from gis.squares import HALF_WORLD_M
from layers.model import BoundingBox, ServiceLevel, ServiceSource, Text

PIXEL_M = 0.00028
"""The pixel of a scale denominator (07-057r7 §6.1)."""
SCREEN_PIXEL_M = 0.0254 / 96
MAX_LEVELS = 40
_OURS = ("service", "request", "version", "layer", "style", "tilematrixset", "tilematrix", "tilerow")
_MORE = ("tilecol", "format")


def capabilities_url(url: str) -> str:
    """Where the service says what it offers."""
    if url.lower().partition("?")[0].endswith(".xml"):
        return url
    asked = without_query(url, *_OURS, *_MORE)
    return with_query(asked, {"SERVICE": "WMTS", "REQUEST": "GetCapabilities", "VERSION": "1.0.0"})


def read_wmts(root: Element, url: str) -> Look:
    """What a capabilities document offers. Raises `OriginFailed` for a document that is none of a WMTS."""
    contents = root.first("Contents")
    if root.name != "Capabilities" or contents is None:
        raise OriginFailed("这不是 WMTS 的能力文档", "this is no capabilities document of a WMTS")
    sets = {one.said("Identifier"): one for one in contents.all("TileMatrixSet")}
    credit = root.said("ServiceProvider", "ProviderName")
    base = _query_address(root, url)
    offers = [_offer(layer, sets, base, url, credit) for layer in contents.all("Layer")]
    found, left_out = bounded(offers)
    title = root.said("ServiceIdentification", "Title")
    evidence = Text("GetCapabilities 应答为 WMTS 1.0.0", "it answers GetCapabilities as a WMTS 1.0.0")
    return Look("wmts", evidence, title, "1.0.0", found, left_out)


def _query_address(root: Element, url: str) -> str:
    """Where squares are asked for by query; empty if only by address."""
    metadata = root.first("OperationsMetadata")
    for operation in metadata.all("Operation") if metadata else ():
        if operation.attributes.get("name") != "GetTile":
            continue
        for get in operation.below("Get"):
            ways = [value.text.upper() for value in get.below("Value")]
            if not ways or "KVP" in ways:
                asked = endpoint(get.attributes.get("href", ""), url)
                return without_query(asked, *_OURS, *_MORE)
    if metadata is None and not url.lower().partition("?")[0].endswith(".xml"):
        return without_query(url, *_OURS, *_MORE)
    return ""


def _offer(layer: Element, sets: dict[str, Element], base: str, url: str, credit: str) -> Offer:
    name = layer.said("Identifier")
    title = layer.said("Title") or name
    templates = {
        one.attributes.get("format", ""): one.attributes.get("template", "")
        for one in layer.all("ResourceURL")
        if one.attributes.get("resourceType", "tile") == "tile"
    }
    formats = tuple(dict.fromkeys((*(one.text for one in layer.all("Format")), *templates)))
    styles = tuple(one.said("Identifier") for one in layer.all("Style"))
    default = next((s for s in layer.all("Style") if s.attributes.get("isDefault") == "true"), None)
    style = default.said("Identifier") if default else (styles[0] if styles else "default")
    form = best_format(formats)
    linked = [link.said("TileMatrixSet") for link in layer.all("TileMatrixSetLink")]
    known = {one: sets[one] for one in linked if one in sets}
    chosen = _choose(known)
    bounds = _bounds(layer)
    source: ServiceSource | None = None
    problem: Text | None = None
    systems = tuple(one.said("SupportedCRS") for one in known.values())
    if form is None:
        problem = Text("没有可显示的图片格式", "there is no picture format that can be shown")
    elif chosen is None:
        problem = Text(
            f"没有 EPSG:3857、4490 或 4326 的瓦片矩阵集，只有 {'、'.join(systems[:5]) or '无'}",
            f"no matrix set is in EPSG:3857, 4490 or 4326, only {', '.join(systems[:5]) or 'none'}",
        )
    else:
        matrix_set, levels, crs = chosen
        template = templates.get(form, "")
        address = template if template and not base else base
        if address:
            source = ServiceSource(
                "wmts", _filled(address, name, style, matrix_set), name, "1.0.0", style, form, crs,
                matrix_set, levels, attribution=credit[:200],
            )  # fmt: skip
        else:
            problem = Text("没有取瓦片的地址", "it says no address for squares")
    return Offer(name, title, layer.said("Abstract")[:500], bounds, systems, formats, styles, source, problem)


def _filled(address: str, name: str, style: str, matrix_set: str) -> str:
    """A template of addresses with what does not change from square to square."""
    said = {"{layer}": name, "{style}": style, "{tilematrixset}": matrix_set}
    for place, value in said.items():
        at = address.lower().find(place)
        while at >= 0:
            address = address[:at] + quote(value, safe="") + address[at + len(place) :]
            at = address.lower().find(place)
    return address


def _choose(sets: dict[str, Element]) -> tuple[str, tuple[ServiceLevel, ...], str] | None:
    """The matrix set to draw from, Web Mercator before degrees: its name, levels and system."""
    for is_wanted in (is_mercator, is_geographic):
        for name, told in sets.items():
            crs = told.said("SupportedCRS")
            levels = _levels(told, is_geographic(crs)) if is_wanted(crs) else ()
            if levels:
                return name, levels, crs
    return None


def _levels(matrix_set: Element, geographic: bool) -> tuple[ServiceLevel, ...]:
    found = [_level(matrix, geographic) for matrix in matrix_set.all("TileMatrix")[:MAX_LEVELS]]
    levels = [level for level in found if level is not None]
    return tuple(level._replace(resolution=_meant(level, geographic)) for level in levels)


def _meant(level: ServiceLevel, geographic: bool) -> float:
    """The resolution of a level; Tianditu writes its scales for screens of 96 dots an inch, not for 0.28 mm.

    Its level 1 says 2.958293554545656E8 where the standard's pixel makes 2.795411320143589E8 of it. Seen by
    squares that would reach 5.8 % beyond the world.
    """
    world = 360.0 if geographic else 2.0 * HALF_WORLD_M
    reach = level.resolution * level.width_px * level.columns / world
    at_corner = abs(level.left + world / 2) < world * 1e-6
    is_of_screens = at_corner and abs(reach / (PIXEL_M / SCREEN_PIXEL_M) - 1.0) < 1e-3
    return level.resolution * SCREEN_PIXEL_M / PIXEL_M if is_of_screens else level.resolution


def _level(matrix: Element, geographic: bool) -> ServiceLevel | None:
    """One level; None where its numbers are none."""
    try:
        metres = METRES_PER_DEGREE if geographic else 1.0
        resolution = float(matrix.said("ScaleDenominator")) * PIXEL_M / metres
        first, second = (float(part) for part in matrix.said("TopLeftCorner").split())
        sizes = [
            int(matrix.said(name)) for name in ("TileWidth", "TileHeight", "MatrixWidth", "MatrixHeight")
        ]
    except ValueError:
        return None
    if resolution <= 0 or min(sizes) < 1 or max(sizes[:2]) > 4096:
        return None
    left, top = _corner(first, second, geographic)
    return ServiceLevel(matrix.said("Identifier"), resolution, left, top, *sizes)


def _corner(first: float, second: float, geographic: bool) -> tuple[float, float]:
    """Left and top of the top left corner, whose order servers get wrong both ways.

    In degrees of EPSG:4326 and 4490 latitude comes first; a first number beyond ±90 can only be a longitude.
    In Web Mercator x comes first; but Tianditu's set `w` says `20037508 -20037508`, y first.
    """
    if geographic:
        return (first, second) if abs(first) > 90.0 else (second, first)
    if abs(first - HALF_WORLD_M) < 1.0 and abs(second + HALF_WORLD_M) < 1.0:
        return second, first
    return first, second


def _bounds(layer: Element) -> BoundingBox | None:
    told = layer.first("WGS84BoundingBox")
    crs = "CRS84"
    if told is None:
        told = layer.first("BoundingBox")
        crs = told.attributes.get("crs", "") if told else ""
    if told is None:
        return None
    low, high = told.said("LowerCorner").split(), told.said("UpperCorner").split()
    if len(low) != 2 or len(high) != 2:
        return None
    return box(*low, *high) if crs == "CRS84" else box_in(crs, *low, *high)


def square_url(source: ServiceSource, level: str, column: int, row: int) -> str:
    """The address of one square of the service's own."""
    said = {"{tilematrix}": quote(level, safe=":"), "{tilecol}": str(column), "{tilerow}": str(row)}
    if "{tilematrix}" in source.url.lower():
        address = source.url
        for place, value in said.items():
            at = address.lower().find(place)
            if at >= 0:
                address = address[:at] + value + address[at + len(place) :]
        return address
    return with_query(
        source.url,
        {
            "SERVICE": "WMTS",
            "REQUEST": "GetTile",
            "VERSION": source.protocol,
            "LAYER": source.name,
            "STYLE": source.style,
            "TILEMATRIXSET": source.matrix_set,
            "TILEMATRIX": level,
            "TILEROW": str(row),
            "TILECOL": str(column),
            "FORMAT": source.format,
        },
    )
