"""Links between answers, as OGC APIs write them (17-069r4 §7.2, RFC 8288)."""

from __future__ import annotations

from starlette.datastructures import URL
from starlette.requests import Request

from api.context import base_url

JSON = "application/json"
GEOJSON = "application/geo+json"
SCHEMA_JSON = "application/schema+json"


def link(href: str | URL, rel: str, media_type: str = JSON, title: str | None = None) -> dict[str, str]:
    """One member of a `links` array."""
    told = {"href": str(href), "rel": rel, "type": media_type}
    return told if title is None else {**told, "title": title}


def own_url(request: Request) -> URL:
    """The address of the request as the caller sees it, with its query."""
    url = URL(base_url(request) + request.url.path)
    return url.replace(query=request.url.query) if request.url.query else url
