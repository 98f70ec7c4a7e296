"""What a look at another system's service finds: the layers it offers, each as it would be asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit, urlunsplit

from gis.squares import MAX_LATITUDE, degrees_of
from layers.model import BoundingBox, ServiceKind, ServiceSource, Text

MAX_OFFERS = 2_000
"""Layers that are told of one service; more are counted."""
WEB_MERCATOR = frozenset({"3857", "900913", "102100", "102113", "3785"})
GEOGRAPHIC = frozenset({"4490", "4326", "CRS84", "84"})
"""Codes whose degrees are taken as CGCS2000's."""
PICTURE_FORMATS = ("image/png", "image/webp", "image/jpeg", "image/jpg", "image/gif", "image/png8")
"""What pictures are asked in, the best first: with transparency before without."""


@dataclass(frozen=True)
class Offer:
    """One layer of another system. `source` None: it cannot be shown, and `problem` says why.

    `bounds` in degrees, EPSG:4490, longitude first; None where nobody says.
    """

    name: str
    title: str
    abstract: str = ""
    bounds: BoundingBox | None = None
    crs: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    source: ServiceSource | None = None
    problem: Text | None = None
    min_zoom: int = 0
    max_zoom: int = 22


@dataclass(frozen=True)
class Look:
    """A service as it was found. `left_out`: layers beyond `MAX_OFFERS`."""

    kind: ServiceKind
    evidence: Text
    title: str
    protocol: str
    offers: tuple[Offer, ...]
    left_out: int = 0


def bounded(offers: list[Offer]) -> tuple[tuple[Offer, ...], int]:
    """The first offers, and how many are beyond."""
    return tuple(offers[:MAX_OFFERS]), max(len(offers) - MAX_OFFERS, 0)


def crs_code(text: str) -> str:
    """The code in any way of writing a system: `EPSG:3857`, `urn:ogc:def:crs:EPSG::4490`, an OGC URI.

    >>> crs_code("urn:ogc:def:crs:EPSG::4490"), crs_code("http://www.opengis.net/def/crs/OGC/1.3/CRS84")
    ('4490', 'CRS84')
    """
    return text.strip().rstrip("/").replace("/", ":").rpartition(":")[2].upper()


def is_mercator(crs: str) -> bool:
    return crs_code(crs) in WEB_MERCATOR


def is_geographic(crs: str) -> bool:
    return crs_code(crs) in GEOGRAPHIC


def box(west: Any, south: Any, east: Any, north: Any) -> BoundingBox | None:
    """A box in degrees, held within the world; None for what is none."""
    try:
        w, s, e, n = (float(value) for value in (west, south, east, north))
    except (TypeError, ValueError):
        return None
    if not all(map(math.isfinite, (w, s, e, n))) or w > e or s > n:
        return None
    w, e = max(w, -180.0), min(e, 180.0)
    s, n = max(s, -90.0), min(n, 90.0)
    return BoundingBox(w, s, e, n) if w <= e and s <= n else None


def box_in(crs: str, west: Any, south: Any, east: Any, north: Any) -> BoundingBox | None:
    """As `box`, of numbers in Web Mercator or in degrees; None for other systems."""
    if is_geographic(crs):
        return box(west, south, east, north)
    if not is_mercator(crs):
        return None
    try:
        return box(*degrees_of((float(west), float(south), float(east), float(north))))
    except (TypeError, ValueError, OverflowError):
        return None


def mercator_part(bounds: BoundingBox) -> BoundingBox:
    """What of a box lies within Web Mercator's latitudes."""
    south, north = max(bounds.south, -MAX_LATITUDE), min(bounds.north, MAX_LATITUDE)
    return BoundingBox(bounds.west, min(south, north), bounds.east, max(south, north))


def best_format(formats: tuple[str, ...]) -> str | None:
    """The picture format to ask for; None if none can be shown."""
    plain = {one.partition(";")[0].strip().lower(): one for one in reversed(formats)}
    return next((plain[wanted] for wanted in PICTURE_FORMATS if wanted in plain), None)


def with_query(url: str, said: Mapping[str, str]) -> str:
    """`url` with these query parameters in place of its own of the same names, whatever their case."""
    parts = urlsplit(without_query(url, *said))
    pieces = [piece for piece in (parts.query, urlencode(said)) if piece]
    return urlunsplit(parts._replace(query="&".join(pieces)))


def without_query(url: str, *names: str) -> str:
    """`url` without the query parameters called `names`, whatever their case; the others as they are written.

    >>> without_query("http://a/b?Service=WMS&map=/x.map&z={z}#part", "service")
    'http://a/b?map=/x.map&z={z}'
    """
    parts = urlsplit(url)
    gone = {name.lower() for name in names}
    kept = [piece for piece in parts.query.split("&") if piece and _name_of(piece).lower() not in gone]
    return urlunsplit(parts._replace(query="&".join(kept), fragment=""))


def query_of(url: str) -> list[tuple[str, str]]:
    """Names and values of the query, decoded, in their order."""
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def _name_of(piece: str) -> str:
    return unquote_plus(piece.partition("=")[0])


def at_asked_host(href: str, asked: str) -> str:
    """What a service says of itself, at the host where it was asked.

    Behind a proxy it often names a host that only it knows; and its word must not lead us elsewhere.
    """
    told, known = urlsplit(href), urlsplit(asked)
    return urlunsplit((known.scheme, known.netloc, told.path or known.path, told.query, ""))


def endpoint(href: str, asked: str) -> str:
    """Where a service that takes questions by query is asked: what it says itself where that is the host that
    was asked, else where it was asked, as a proxy may have changed the path too."""
    told, known = urlsplit(href), urlsplit(asked)
    if not href or told.hostname != known.hostname:
        return asked
    own = dict(query_of(asked))
    moved = at_asked_host(href, asked)
    return with_query(moved, own) if told.path == known.path and own else moved
