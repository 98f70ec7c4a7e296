"""A WMS of our own over the one that is behind: what other systems' map clients ask us, within narrow bounds.

The capabilities are written here, for the one layer, so that nothing of the other system's can be in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from api.services.offers import PICTURE_FORMATS, crs_code, is_geographic
from api.services.wms import map_url
from gis.squares import HALF_WORLD_M
from layers.errors import BadRequest
from layers.model import BoundingBox, Layer, ServiceSource

MOST_SIDE_PX = 2048
TAKEN = frozenset(
    {"SERVICE", "VERSION", "REQUEST", "LAYERS", "LAYER", "STYLES", "STYLE", "CRS", "SRS", "BBOX", "WIDTH"}
    | {"HEIGHT", "FORMAT", "TRANSPARENT", "BGCOLOR", "EXCEPTIONS", "SLD_VERSION", "DPI", "MAP_RESOLUTION"}
    | {"FORMAT_OPTIONS", "UPDATESEQUENCE"}
)
"""Parameters that may be said; those of them that are not WMS's own (QGIS says DPI) are not passed on."""
SYSTEMS = ("EPSG:3857", "EPSG:4326", "EPSG:4490", "CRS:84")
FORMATS = tuple(one for one in PICTURE_FORMATS if one in ("image/png", "image/jpeg"))


class AskedMap(NamedTuple):
    """A GetMap that may be passed on: its address there."""

    url: str


def said_to_wms(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The parameters by their names in capitals. Raises `BadRequest` for one that is not taken, or twice."""
    said: dict[str, str] = {}
    for name, value in pairs:
        known = name.upper()
        if known not in TAKEN or known in said:
            raise _wrong(name[:100], value, "each parameter of WMS once")
        said[known] = value
    if said.get("SERVICE", "WMS").upper() != "WMS":
        raise _wrong("SERVICE", said["SERVICE"], "WMS")
    return said


def read_get_map(said: dict[str, str], layer: Layer, source: ServiceSource) -> AskedMap:
    """Where the picture is that a GetMap asks for: of the registered layer alone. Raises `BadRequest`."""
    version = said.get("VERSION", "1.3.0")
    if version not in ("1.3.0", "1.1.1"):
        raise _wrong("VERSION", version, "1.3.0, 1.1.1")
    if said.get("LAYERS") != layer.id:
        raise _wrong("LAYERS", said.get("LAYERS", ""), layer.id)
    if said.get("STYLES", ""):
        raise _wrong("STYLES", said["STYLES"], "nothing: the registered style is drawn")
    form = said.get("FORMAT", "image/png").partition(";")[0].strip().lower()
    if form not in FORMATS:
        raise _wrong("FORMAT", form, ", ".join(FORMATS))
    name = "CRS" if version == "1.3.0" else "SRS"
    crs = said.get(name, "")
    if crs not in SYSTEMS:
        raise _wrong(name, crs, ", ".join(SYSTEMS))
    width, height = _pixels(said, "WIDTH"), _pixels(said, "HEIGHT")
    sides = _sides(said)
    if version == "1.3.0" and crs in ("EPSG:4326", "EPSG:4490"):
        sides = (sides[1], sides[0], sides[3], sides[2])
    if not (sides[0] < sides[2] and sides[1] < sides[3]):
        raise _wrong("BBOX", said["BBOX"], "west below east, south below north")
    there = _system_there(crs, source)
    return AskedMap(map_url(replace(source, crs=there, format=form), sides, width, height))


def _system_there(crs: str, source: ServiceSource) -> str:
    """The same system as the other service writes it; degrees are one system here. Raises `BadRequest`."""
    for one in (source.crs, *source.systems):
        if is_geographic(crs) == is_geographic(one):
            return one
    raise _wrong("CRS", crs, ", ".join(_offered(source)))


def _offered(source: ServiceSource) -> list[str]:
    """Those of our systems that the other service can be asked in."""
    kinds = {is_geographic(one) for one in (source.crs, *source.systems)}
    return [one for one in SYSTEMS if is_geographic(one) in kinds]


def _pixels(said: dict[str, str], name: str) -> int:
    text = said.get(name, "")
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_SIDE_PX:
        raise _wrong(name, text, f"a whole number from 1 to {MOST_SIDE_PX}")
    return int(text)


def _sides(said: dict[str, str]) -> tuple[float, float, float, float]:
    text = said.get("BBOX", "")
    try:
        numbers = [float(part) for part in text.split(",", 5)]
    except ValueError:
        numbers = []
    if len(numbers) != 4 or not all(math.isfinite(n) and abs(n) <= 3 * HALF_WORLD_M for n in numbers):
        raise _wrong("BBOX", text, "four numbers")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def capabilities(layer: Layer, source: ServiceSource, address: str, version: str) -> str:
    """The capabilities document of the layer, at `address`: WMS 1.3.0 (06-042 §7.2) or 1.1.1."""
    box = layer.bounds or BoundingBox(-180.0, -85.0, 180.0, 85.0)
    newer = version != "1.1.1"
    systems = _offered(source)
    if not newer:
        systems = [one for one in systems if crs_code(one) != "84"]
    tag = "CRS" if newer else "SRS"
    crs = "".join(f"<{tag}>{one}</{tag}>" for one in systems)
    online = f'<OnlineResource xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href={quoteattr(address)}/>'
    get = f"<DCPType><HTTP><Get>{online}</Get></HTTP></DCPType>"
    formats = "".join(f"<Format>{one}</Format>" for one in FORMATS)
    own_type = "text/xml" if newer else "application/vnd.ogc.wms_xml"
    credit = (
        f"<Attribution><Title>{escape(source.attribution)}</Title></Attribution>"
        if source.attribution
        else ""
    )
    root, ends = (
        ("WMS_Capabilities", ' xmlns="http://www.opengis.net/wms"') if newer else ("WMT_MS_Capabilities", "")
    )
    service = "WMS" if newer else "OGC:WMS"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} version="{version}"{ends}>'
        f"<Service><Name>{service}</Name><Title>{escape(layer.title.zh)}</Title>{online}"
        + (f"<MaxWidth>{MOST_SIDE_PX}</MaxWidth><MaxHeight>{MOST_SIDE_PX}</MaxHeight>" if newer else "")
        + "</Service><Capability><Request>"
        f"<GetCapabilities><Format>{own_type}</Format>{get}</GetCapabilities>"
        f"<GetMap>{formats}{get}</GetMap></Request><Exception><Format>XML</Format></Exception>"
        f"<Layer><Name>{layer.id}</Name><Title>{escape(layer.title.zh)}</Title>"
        f"<Abstract>{escape(layer.description.zh)}</Abstract>{crs}{_extent(box, newer)}{credit}</Layer>"
        f"</Capability></{root}>"
    )


def _extent(box: BoundingBox, newer: bool) -> str:
    if not newer:
        west, south, east, north = box
        return f'<LatLonBoundingBox minx="{west}" miny="{south}" maxx="{east}" maxy="{north}"/>'
    names = ("westBoundLongitude", "eastBoundLongitude", "southBoundLatitude", "northBoundLatitude")
    sides = (box.west, box.east, box.south, box.north)
    inner = "".join(f"<{name}>{side}</{name}>" for name, side in zip(names, sides, strict=True))
    return f"<EX_GeographicBoundingBox>{inner}</EX_GeographicBoundingBox>"


def _wrong(field: str, value: str, expected: str) -> BadRequest:
    return BadRequest(
        f"WMS 参数 {field} 的值不对", f"the WMS parameter {field} is not right",
        field=field, value=value, expected=expected,
    )  # fmt: skip
