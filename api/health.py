"""Whether the service lives, whether it can serve, what it counts, and what it is."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from api.answers import Json
from api.context import ContextDep
from layers.catalogue import list_layers
from layers.errors import OneMapError

router = APIRouter(tags=["service"])


@router.get("/healthz")
async def is_alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def is_ready(context: ContextDep) -> Response:
    """The database answers too; 503 where it does not."""
    try:
        layers = await list_layers(context.database)
    except OneMapError:
        return Json({"status": "unavailable", "database": "unavailable"}, status_code=503)
    return Json(
        {"status": "ok", "database": "ok", "layers": sum(layer.status == "published" for layer in layers)}
    )


@router.get("/metrics", response_class=PlainTextResponse)
async def count_up(request: Request) -> Response:
    """Figures of this process for Prometheus."""
    lines = request.app.state.counters.lines()
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")
