"""Where is this: rows by code, by name, by address, across layers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import Json, text
from api.as_of import AsOfDep
from api.context import ContextDep
from api.documents import SearchDocument
from api.identify import LayerIds
from api.layers import scopes_of
from api.session import ViewerDep
from layers import query
from layers.relation_state import answered_by_those_who_can

router = APIRouter(tags=["queries"], prefix="/api/v1")


@router.get("/search", response_model=SearchDocument)
async def search(
    context: ContextDep,
    viewer: ViewerDep,
    q: Annotated[str, Query(max_length=100, description="编码、名称或地址 A code, a name or an address")],
    as_of: AsOfDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    layers: LayerIds = None,
) -> Json:
    """Rows that equal, begin with or contain `q`, the best first."""
    scopes = await scopes_of(context, viewer, layers, as_of)
    hits, unavailable = await answered_by_those_who_can(
        scopes, lambda able: query.search(context.database, able, q, limit)
    )
    return Json(
        {
            "results": [
                {
                    "layer": hit.layer.id,
                    "layer_title": text(hit.layer.title),
                    "id": hit.key,
                    "title": hit.title,
                    "subtitle": hit.subtitle,
                    "lon": hit.lon,
                    "lat": hit.lat,
                    "bounds": None if hit.bounds is None else list(hit.bounds),
                }
                for hit in hits
            ],
            "unavailable": unavailable,
        }
    )
