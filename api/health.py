"""Whether the service lives, whether it can serve, what it counts, and what it is."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from api.answers import Json
from api.context import ContextDep
from api.counters import gauge
from api.documents import Document
from api.session import ViewerDep
from layers.access import scopes_for
from layers.catalogue import list_layers
from layers.db import Database
from layers.errors import OneMapError
from layers.relation_state import find_faults
from layers.sync_runs import count_syncs

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
    """Figures of this process, and of all syncs, for Prometheus."""
    cache = context.tiles.cache
    lines = (
        *request.app.state.counters.lines(),
        *gauge("onemap_tile_cache_tiles", "Tiles kept in memory.", len(cache)),
        *gauge("onemap_tile_cache_bytes", "Memory the kept tiles take.", cache.size_bytes),
        *gauge("onemap_tile_cache_capacity_bytes", "Memory they may take.", cache.capacity_bytes),
        *await _sync_lines(context.database),
        *context.services.calls.lines(),
    )
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


async def _sync_lines(database: Database) -> Iterable[str]:
    """How the syncs stand, the same from every process; nothing while the database is away."""
    now = datetime.now(UTC)
    try:
        counts = await count_syncs(database, now)
    except OneMapError:
        return ()
    since = counts.failing_since
    lasts_s = 0.0 if since is None else (now - since).total_seconds()
    return (
        *gauge("onemap_syncs", "Imports by a timetable.", counts.syncs),
        *gauge("onemap_syncs_paused", "Those that are paused.", counts.paused),
        *gauge("onemap_syncs_failing", "Those whose last run failed or was refused.", counts.failing),
        *gauge("onemap_syncs_failing_seconds", "How long the oldest failure lasts.", lasts_s),
        *gauge("onemap_syncs_overdue", "Those that nobody carries out: no worker runs.", counts.overdue),
        *gauge("onemap_syncs_waiting", "Their imports that wait for a person.", counts.waiting),
    )


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
