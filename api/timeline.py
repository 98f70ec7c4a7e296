"""At which moments the map changed: what a time bar shows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import Json
from api.context import ContextDep
from api.identify import LayerIds
from api.layers import scopes_of
from api.session import ViewerDep
from api.timeline_documents import TimelineDocument
from layers.access import scopes_for
from layers.filters import read_interval
from layers.timeline import MAX_MOMENTS, timeline

router = APIRouter(tags=["layers"], prefix="/api/v1")

End = Annotated[
    str | None, Query(max_length=100, description="时刻或日期（北京时间） An instant or a date in China")
]


@router.get("/moments", response_model=TimelineDocument)
async def list_moments(
    context: ContextDep,
    viewer: ViewerDep,
    layers: LayerIds = None,
    start: End = None,
    end: End = None,
    limit: Annotated[int, Query(ge=1, le=MAX_MOMENTS)] = 1_000,
) -> Json:
    """The moments at which layers changed, newest first, and since when each can be shown with `datetime`.

    Pictures of a raster layer count from the first day of their date. A date in `end` means its end.
    """
    if layers is None:
        scopes = scopes_for(viewer, context.catalogue.layers())
    else:
        scopes = await scopes_of(context, viewer, layers)
    told = await timeline(
        context.database,
        scopes,
        start=None if start is None else read_interval(start, "start")[0],
        end=None if end is None else read_interval(end, "end")[1],
        limit=limit,
    )
    return Json(
        {
            "layers": [
                {"layer": one.layer.id, "history": one.kind, "since": one.since, "states": one.states}
                for one in told.histories
            ],
            "moments": [
                {
                    "at": one.at,
                    "layer": one.layer.id,
                    "version": one.version,
                    "taken": one.taken,
                    "added": one.added,
                    "changed": one.changed,
                    "removed": one.removed,
                }
                for one in told.moments
            ],
            "left_out": told.left_out,
        }
    )
