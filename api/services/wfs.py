"""WFS 1.1.0 (OGC 04-094) and 2.0 (09-025r2), whose features are taken as GeoJSON."""

from __future__ import annotations

from api.errors import OriginFailed
from api.services.offers import Look, Offer, bounded, box, endpoint, with_query, without_query
from api.services.xml import Element
from layers.model import BoundingBox, ServiceSource, Text

MIN_ZOOM = 12
"""Below it a square holds more features than anybody draws one by one."""
SYSTEMS = (
    ("urn:ogc:def:crs:OGC:1.3:CRS84", False),
    ("EPSG:4326", False),
    ("urn:ogc:def:crs:EPSG::4326", True),
    ("EPSG:4490", False),
    ("urn:ogc:def:crs:EPSG::4490", True),
)
"""How a box in degrees may be asked for: the system's name, and whether latitude comes first. Servers differ;
which way one takes is found out by asking (`api.services.settling`)."""
_OURS = ("service", "request", "version", "typename", "typenames", "bbox", "srsname", "outputformat")
_MORE = ("count", "maxfeatures", "startindex")


def capabilities_url(url: str) -> str:
    """Where the service says what it offers."""
    asked = without_query(url, *_OURS, *_MORE)
    return with_query(
        asked, {"SERVICE": "WFS", "REQUEST": "GetCapabilities", "ACCEPTVERSIONS": "2.0.0,1.1.0"}
    )


def read_wfs(root: Element, url: str) -> Look:
    """What a capabilities document offers. Raises `OriginFailed` for a document that is none of a WFS."""
    types = root.first("FeatureTypeList")
    if root.name != "WFS_Capabilities" or types is None:
        raise OriginFailed("这不是 WFS 的能力文档", "this is no capabilities document of a WFS")
    version = root.attributes.get("version", "2.0.0")
    if not version.startswith(("2.", "1.1")):
        raise OriginFailed(
            "WFS 版本应为 1.1.0 或 2.0", "the WFS is neither 1.1.0 nor 2.0", value=version[:10]
        )
    operation = _get_feature(root)
    formats = _formats(operation)
    form = next((one for one in formats if "json" in one.lower() and "jsonp" not in one.lower()), None)
    get = next(operation.below("Get"), None) if operation is not None else None
    base = endpoint(get.attributes.get("href", "") if get is not None else "", url)
    base = without_query(base, *_OURS, *_MORE)
    offers = [_offer(one, base, version, form, formats) for one in types.all("FeatureType")]
    found, left_out = bounded(offers)
    evidence = Text(f"GetCapabilities 应答为 WFS {version}", f"it answers GetCapabilities as a WFS {version}")
    title = root.said("ServiceIdentification", "Title")
    return Look("wfs", evidence, title, version, found, left_out)


def _get_feature(root: Element) -> Element | None:
    metadata = root.first("OperationsMetadata")
    operations = metadata.all("Operation") if metadata is not None else []
    return next((one for one in operations if one.attributes.get("name") == "GetFeature"), None)


def _formats(operation: Element | None) -> tuple[str, ...]:
    parameters = operation.all("Parameter") if operation is not None else []
    said = next((one for one in parameters if one.attributes.get("name") == "outputFormat"), None)
    return () if said is None else tuple(value.text for value in said.below("Value"))


def _offer(told: Element, base: str, version: str, form: str | None, formats: tuple[str, ...]) -> Offer:
    name = told.said("Name")
    systems = tuple(
        one.text for kind in ("DefaultCRS", "DefaultSRS", "OtherCRS", "OtherSRS") for one in told.all(kind)
    )
    extent = told.first("WGS84BoundingBox")
    bounds: BoundingBox | None = None
    if extent is not None:
        sides = (*extent.said("LowerCorner").split(), *extent.said("UpperCorner").split())
        bounds = box(*sides) if len(sides) == 4 else None
    source, problem = None, None
    own = tuple(one.text for one in told.below("Format")) or formats
    mine = next((one for one in own if "json" in one.lower()), form)
    if mine is None:
        problem = Text("不能输出 GeoJSON", "it does not give GeoJSON")
    else:
        source = ServiceSource("wfs", base, name, version, format=mine, crs=SYSTEMS[0][0])
    title, abstract = told.said("Title") or name, told.said("Abstract")[:500]
    return Offer(name, title, abstract, bounds, systems[:50], own, (), source, problem, min_zoom=MIN_ZOOM)


def page_url(source: ServiceSource, bounds: BoundingBox, limit: int, offset: int) -> str:
    """The address of features that meet a box, as GeoJSON in degrees."""
    west, south, east, north = (format(side, ".9f") for side in bounds)
    sides = (south, west, north, east) if source.is_latitude_first else (west, south, east, north)
    is_newer = source.protocol.startswith("2")
    said = {
        "SERVICE": "WFS",
        "VERSION": source.protocol,
        "REQUEST": "GetFeature",
        "TYPENAMES" if is_newer else "TYPENAME": source.name,
        "OUTPUTFORMAT": source.format,
        "SRSNAME": source.crs,
        "BBOX": ",".join((*sides, source.crs)),
        "COUNT" if is_newer else "MAXFEATURES": str(limit),
    }
    if offset:
        said["STARTINDEX"] = str(offset)
    return with_query(source.url, said)
