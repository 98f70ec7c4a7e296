"""Answers as bytes: JSON by orjson, whole numbers and UTF-8 as they are."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from layers.access import Scope
from layers.query import Feature

VARY = "Cookie, Authorization, Accept-Language"
"""What answers about rows depend on besides the address."""


class Json(Response):
    """A JSON answer; `content` is anything orjson writes (NaN becomes null)."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)


class GeoJson(Json):
    """A GeoJSON answer (RFC 7946)."""

    media_type = "application/geo+json"


def as_geojson(feature: Feature) -> dict[str, object]:
    """A feature as GeoJSON; the geometry is PostGIS's own text, not read again."""
    told: dict[str, object] = {
        "type": "Feature",
        "id": feature.key,
        "geometry": None if feature.geometry is None else orjson.Fragment(feature.geometry),
        "properties": feature.properties,
    }
    if feature.distance_m is not None:
        told["distance_m"] = round(feature.distance_m, 3)
    return told


def version_etag(request: Request, *scopes: Scope) -> str:
    """A weak validator of the answer about `scopes` at this URL; it changes with version and rights.

    With a registered table that nobody watches among them it is another one each time: any answer may differ.
    """
    relations = [scope.layer.relation for scope in scopes if scope.layer.relation is not None]
    if not all(relation.follows for relation in relations):
        return f'W/"{secrets.token_hex(16)}"'
    told = "|".join((str(request.url), *(scope.cache_key for scope in scopes)))
    return f'W/"{hashlib.sha256(told.encode()).hexdigest()[:32]}"'


def is_known(request: Request, etag: str) -> bool:
    """Whether the caller has this already (`If-None-Match`, compared weakly, RFC 9110 §13.1.2)."""
    return etag.removeprefix("W/") in request.headers.get("if-none-match", "")


def unchanged(etag: str) -> Response:
    """304: what the caller has still holds."""
    return Response(status_code=304, headers=kept_by(etag))


def kept_by(etag: str) -> dict[str, str]:
    """Headers of an answer that may be kept but must be asked about each time, by one viewer only."""
    return {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Vary": "Cookie, Authorization, Accept-Language",
    }


def text(title: tuple[str, str]) -> Mapping[str, str]:
    """A `layers.model.Text` as it travels: `{"zh": …, "en": …}`."""
    return {"zh": title[0], "en": title[1]}
