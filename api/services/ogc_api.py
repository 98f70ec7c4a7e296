"""OGC API: a landing page, its collections, and of each its features (17-069r4) and tiles (20-057)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from api.services.offers import Look, Offer, at_asked_host, bounded, box, with_query
from api.services.templates import plain_text
from layers.model import BoundingBox, ServiceSource, Text

MIN_ZOOM = 12
_REL = "http://www.opengis.net/def/rel/ogc/1.0/"
WORDS = Text("应答为 OGC API 的首页或集合", "it answers as a landing page or collection of an OGC API does")


def is_ogc_api(told: Any) -> bool:
    """Whether a JSON answer is a landing page, a list of collections, or one."""
    if not isinstance(told, dict) or not isinstance(told.get("links"), list):
        return False
    if isinstance(told.get("collections"), list):
        return True
    return _linked(told, "items") is not None or _linked(told, "data", "conformance") is not None


def collections_url(told: Mapping[str, Any], url: str) -> str | None:
    """Where the collections are listed, of a landing page; None for what is a list, or one, already."""
    if isinstance(told.get("collections"), list) or _linked(told, "items", "tilesets-vector") is not None:
        return None
    href = _linked(told, "data", f"{_REL}data")
    if href is not None:
        return at_asked_host(urljoin(url, href), url)
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/collections", query=""))


def read_collections(told: Mapping[str, Any], url: str) -> Look:
    """What a list of collections, or one collection, offers: features, vector tiles and maps of each."""
    listed = told.get("collections")
    collections = listed if isinstance(listed, list) else [told]
    offers: list[Offer] = []
    for one in collections:
        if isinstance(one, dict) and isinstance(one.get("id"), str):
            offers += _offers(one, url)
    found, left_out = bounded(offers)
    title = str(told.get("title") or "")
    return Look("ogc_features", WORDS, title, "1.0", found, left_out)


def _offers(told: Mapping[str, Any], url: str) -> list[Offer]:
    name = str(told["id"])
    title = str(told.get("title") or name)
    abstract = str(told.get("description") or "")[:500]
    bounds = _bounds(told)
    credit = plain_text(str(told.get("attribution") or ""))
    crs = tuple(str(one) for one in told.get("crs") or () if isinstance(one, str))[:20]
    offers = []
    items = _linked(told, "items")
    if items is not None:
        source = ServiceSource(
            "ogc_features", _plain(at_asked_host(urljoin(url, items), url)), name, attribution=credit
        )
        offers.append(Offer(name, title, abstract, bounds, crs, source=source, min_zoom=MIN_ZOOM))
    for rel, kind, ending in (("tilesets-vector", "mvt", "tiles"), ("tilesets-map", "xyz", "map/tiles")):
        href = _linked(told, f"{_REL}{rel}", rel)
        if href is None:
            continue
        base = _plain(at_asked_host(urljoin(url, href), url))
        template = f"{base.rstrip('/')}/WebMercatorQuad/{{z}}/{{y}}/{{x}}"
        tiles = ServiceSource(
            "mvt" if kind == "mvt" else "xyz", template, name, parts=(name,) if kind == "mvt" else (),
            attribution=credit,
        )  # fmt: skip
        offers.append(Offer(f"{name}/{ending}", title, abstract, bounds, crs, source=tiles, max_zoom=18))
    return offers


def _plain(url: str) -> str:
    """An address without its query: the form is asked for by `Accept`."""
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


def _linked(told: Mapping[str, Any], *rels: str) -> str | None:
    """Where the first link of one of `rels` leads, JSON before other forms."""
    links: Sequence[Any] = told.get("links") or ()
    found = [
        link
        for link in links
        if isinstance(link, dict) and link.get("rel") in rels and isinstance(link.get("href"), str)
    ]
    found.sort(key=lambda link: "json" not in str(link.get("type") or "json"))
    return str(found[0]["href"]) if found else None


def _bounds(told: Mapping[str, Any]) -> BoundingBox | None:
    extent = told.get("extent")
    spatial = extent.get("spatial") if isinstance(extent, dict) else None
    boxes = spatial.get("bbox") if isinstance(spatial, dict) else None
    if not isinstance(boxes, list) or not boxes or not isinstance(boxes[0], list):
        return None
    sides = boxes[0]
    if len(sides) == 6:
        sides = [*sides[:2], *sides[3:5]]
    return box(*sides) if len(sides) == 4 else None


def page_url(source: ServiceSource, bounds: BoundingBox, limit: int) -> str:
    """The address of features that meet a box, in CRS84."""
    return with_query(
        quote(source.url, safe="%/:?&=~+!$,;'()*@"),
        {"bbox": ",".join(format(side, ".9f") for side in bounds), "limit": str(limit)},
    )


def next_url(told: Mapping[str, Any], url: str) -> str | None:
    """Where the next page is; None after the last, and for one that leads back."""
    href = _linked(told, "next")
    if href is None:
        return None
    following = at_asked_host(urljoin(url, href), url)
    return None if following == url else following
