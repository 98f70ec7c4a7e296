"""Squares at an address with places in it: XYZ, TMS, and vector tiles described by TileJSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from api.errors import OriginFailed
from api.services.offers import Look, Offer, box
from layers.model import ServiceKind, ServiceSource, Text

_PLACES = re.compile(r"\{(-y|[a-zA-Z]+(?::[a-z0-9,-]+)?)\}")
_KNOWN = frozenset({"z", "x", "y", "-y", "s", "q", "r", "ratio"})
_VECTOR = re.compile(r"\.(mvt|pbf|vector\.pbf)(\?|$)", re.IGNORECASE)


def is_template(url: str) -> bool:
    """Whether the address has places for zoom, column and row (or for a quadkey)."""
    found = {place.lower() for place in _PLACES.findall(url)}
    return ({"z", "x"} <= found and bool({"y", "-y"} & found)) or "q" in found


def read_template(url: str, kind: ServiceKind | None = None) -> Look:
    """What a template offers: one layer. Raises `OriginFailed` for a place that nobody knows."""
    for place in _PLACES.findall(_plain(url)):
        if place.lower().partition(":")[0] not in _KNOWN:
            raise OriginFailed(
                f"地址模板中的 {{{place}}} 无法识别",
                f"the place {{{place}}} of the template is not known",
                expected="{z} {x} {y} {-y} {s} {q}",
            )
    is_vector = kind == "mvt" or (kind is None and _VECTOR.search(url) is not None)
    found: ServiceKind = "mvt" if is_vector else "xyz"
    source = ServiceSource(found, _plain(url), format="", is_from_south="{-y}" in url)
    title = re.sub(r"^https?://[^/]*/?|[{?].*$", "", url).strip("/").rpartition("/")[2] or "XYZ"
    words = Text("地址中有 {z}、{x}、{y}", "the address has {z}, {x} and {y} in it")
    return Look(found, words, title, "", (Offer(title, title, source=source, max_zoom=18),))


def _plain(url: str) -> str:
    """The template with one subdomain chosen, as all hold the same, and without the mark of double density.

    >>> _plain("https://{s}.a/{z}/{x}/{y}{r}.png"), _plain("https://t{s}.b/{z}"), _plain("https://t{0-7}.b/")
    ('https://a.a/{z}/{x}/{y}.png', 'https://t0.b/{z}', 'https://t0.b/')
    """
    chosen = re.sub(r"\{([a-z0-9])-[a-z0-9]\}", r"\1", url).replace("t{s}", "t0").replace("{s}", "a")
    return chosen.replace("{r}", "").replace("{ratio}", "1")


def read_tilejson(told: Mapping[str, Any], url: str) -> Look:
    """What a TileJSON (2 or 3) describes: one layer of pictures or vector tiles. Raises `OriginFailed`."""
    tiles = told.get("tiles")
    if not isinstance(tiles, list) or not tiles or not isinstance(tiles[0], str):
        raise OriginFailed("TileJSON 没有 tiles", "the TileJSON says no tiles")
    template = urljoin(url, tiles[0])
    if not is_template(template):
        raise OriginFailed("TileJSON 的 tiles 不是地址模板", "the tiles of the TileJSON are no template")
    inner = told.get("vector_layers")
    parts = tuple(
        str(part["id"])
        for part in (inner if isinstance(inner, list) else [])
        if isinstance(part, dict) and isinstance(part.get("id"), str)
    )
    is_vector = bool(parts) or told.get("format") in ("pbf", "mvt") or bool(_VECTOR.search(template))
    kind: ServiceKind = "mvt" if is_vector else "xyz"
    sides = told.get("bounds")
    bounds = box(*sides) if isinstance(sides, list) and len(sides) == 4 else None
    source = ServiceSource(
        kind,
        _plain(template),
        parts=parts[:200],
        is_from_south=told.get("scheme") == "tms",
        attribution=plain_text(str(told.get("attribution") or "")),
    )
    title = str(told.get("name") or "") or "TileJSON"
    least, most = (_zoom(told.get(name), default) for name, default in (("minzoom", 0), ("maxzoom", 22)))
    offer = Offer(title, title, str(told.get("description") or "")[:500], bounds, source=source,
                  min_zoom=min(least, most), max_zoom=most)  # fmt: skip
    words = Text("应答是 TileJSON", "it answers with a TileJSON")
    return Look(kind, words, title, str(told.get("tilejson") or ""), (offer,))


def square_url(source: ServiceSource, z: int, x: int, y: int) -> str:
    """The address of one square of the Web Mercator quad, row 0 in the north."""
    row = (1 << z) - 1 - y if source.is_from_south and "{-y}" not in source.url else y
    said = {"z": z, "x": x, "y": row, "-y": (1 << z) - 1 - y, "q": quadkey(z, x, y)}
    return _PLACES.sub(lambda place: str(said.get(place[1].lower(), "")), source.url)


def quadkey(z: int, x: int, y: int) -> str:
    """The square's quadkey.

    >>> quadkey(3, 3, 5)
    '213'
    """
    return "".join(str((x >> bit & 1) + 2 * (y >> bit & 1)) for bit in range(z - 1, -1, -1))


def plain_text(html: str) -> str:
    """What of a credit in HTML a person reads; tags of strangers do not reach our page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html)).strip()[:200]


def _zoom(value: Any, default: int) -> int:
    return min(max(value, 0), 22) if isinstance(value, int) and not isinstance(value, bool) else default
