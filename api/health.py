"""Whether the service lives, whether it can serve, what it counts, and what it is."""

from __future__ import annotations

import platform
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from api.answers import Json
from api.context import ContextDep
from api.counters import gauge
from api.documents import Document
from api.session import ViewerDep
from layers.access import scopes_for
from layers.catalogue import list_layers
from layers.errors import OneMapError
from layers.relation_state import find_faults

router = APIRouter(tags=["service"])


class ServiceDocument(Document):
    name: str
    version: str


class SettingsDocument(Document):
    public_url: str | None
    cors_origins: list[str]
    secure_cookies: bool
    body_limit_bytes: int
    has_page: bool
    fonts: list[str]


class StandingDocument(Document):
    id: str
    version: int
    published_at: datetime | None


class AboutDocument(Document):
    service: ServiceDocument
    software: dict[str, str]
    settings: SettingsDocument
    layers: list[StandingDocument]


@router.get("/healthz")
async def is_alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def is_ready(context: ContextDep) -> Response:
    """The database answers too; 503 where it does not.

    `layers_unavailable`: how many registered layers cannot be served, as their table is gone or was changed.
    """
    try:
        layers = await list_layers(context.database)
        faults = await find_faults(context.database, layers)
    except OneMapError:
        return Json({"status": "unavailable", "database": "unavailable"}, status_code=503)
    return Json(
        {
            "status": "ok",
            "database": "ok",
            "layers": sum(layer.status == "published" for layer in layers),
            "layers_unavailable": len(faults),
        }
    )


@router.get("/metrics", response_class=PlainTextResponse)
async def count_up(request: Request, context: ContextDep) -> Response:
    """Figures of this process for Prometheus."""
    cache = context.tiles.cache
    lines = (
        *request.app.state.counters.lines(),
        *gauge("onemap_tile_cache_tiles", "Tiles kept in memory.", len(cache)),
        *gauge("onemap_tile_cache_bytes", "Memory the kept tiles take.", cache.size_bytes),
        *gauge("onemap_tile_cache_capacity_bytes", "Memory they may take.", cache.capacity_bytes),
    )
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


@router.get("/about", response_model=AboutDocument)
async def describe(context: ContextDep, viewer: ViewerDep) -> Response:
    """Versions, settings without secrets, and the layers the caller may see."""
    settings = context.settings
    return Json(
        {
            "service": {"name": "onemap", "version": settings.version},
            "software": {"python": platform.python_version(), **await context.database.software()},
            "settings": {
                "public_url": settings.public_url,
                "cors_origins": list(settings.cors_origins),
                "secure_cookies": settings.secure_cookies,
                "body_limit_bytes": settings.body_limit_bytes,
                "has_page": settings.web_root is not None,
                "fonts": list(context.letters.fonts),
            },
            "layers": [
                {
                    "id": scope.layer.id,
                    "version": scope.layer.version,
                    "published_at": scope.layer.published_at,
                }
                for scope in scopes_for(viewer, context.catalogue.layers())
            ],
        }
    )
