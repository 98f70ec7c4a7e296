"""Two versions of a layer side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import Json
from api.context import ContextDep
from api.documents import ComparedDocument
from api.imports import side_document
from api.layers import LayerId, scope_of
from api.session import ViewerDep
from layers.compare import differing, differing_rows
from layers.moments import AsOf
from layers.staged_rows import MAX_LIMIT, ChangeKind

router = APIRouter(tags=["layers"], prefix="/api/v1")


@router.get("/layers/{layer_id}/compare", response_model=ComparedDocument)
async def compare_versions(
    layer_id: LayerId,
    context: ContextDep,
    viewer: ViewerDep,
    earlier: Annotated[int, Query(alias="from", ge=1, le=2**31 - 1, description="版本 Version")],
    later: Annotated[int, Query(alias="to", ge=1, le=2**31 - 1, description="版本 Version")],
    kind: Annotated[ChangeKind | None, Query(description="列出此类的行 List rows of this kind")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    after: Annotated[str | None, Query(max_length=1000, description="上一页的 next The page before")] = None,
) -> Json:
    """What of the rows one may see differs between two versions: how many, where, and with `kind` which."""
    old = await scope_of(context, viewer, layer_id, AsOf(earlier))
    new = await scope_of(context, viewer, layer_id, AsOf(later))
    told = await differing(context.database, old, new)
    found = (
        []
        if kind is None
        else await differing_rows(context.database, old, new, kind, limit=limit, after=after)
    )
    return Json(
        {
            "layer": old.layer.id,
            "earlier": earlier,
            "later": later,
            **{k: {"count": one.number, "box": one.box and list(one.box)} for k, one in told.items()},
            "rows": [
                {"key": row.key, "before": side_document(row.before), "after": side_document(row.after)}
                for row in found
            ],
            "next": found[-1].key if len(found) == limit else None,
        }
    )
