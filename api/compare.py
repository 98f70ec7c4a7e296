"""Two states of the map side by side: versions of one layer, or several layers at two dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.answers import Json
from api.as_of import DATETIME_DESCRIPTION
from api.context import Context, ContextDep
from api.documents import ComparedDocument
from api.imports import side_document
from api.layers import LayerId, layer_called, scope_of
from api.session import ViewerDep
from api.timeline_documents import ComparedLayersDocument
from layers.access import Scope, Viewer
from layers.compare import Differing, differing, differing_rows
from layers.errors import NotFound, TooMuch
from layers.moments import NOW, AsOf, read_moment
from layers.staged_rows import MAX_LIMIT, ChangeKind

router = APIRouter(tags=["layers"], prefix="/api/v1")

MAX_LAYERS = 32
"""Layers of one summary."""


@router.get("/layers/{layer_id}/compare", response_model=ComparedDocument)
async def compare_versions(
    layer_id: LayerId,
    context: ContextDep,
    viewer: ViewerDep,
    earlier: Annotated[
        int,
        Query(
            alias="from", ge=0, le=2**31 - 1, description="版本，0 为发布之前 Version; 0: before the first"
        ),
    ],
    later: Annotated[int, Query(alias="to", ge=1, le=2**31 - 1, description="版本 Version")],
    kind: Annotated[ChangeKind | None, Query(description="列出此类的行 List rows of this kind")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    after: Annotated[str | None, Query(max_length=1000, description="上一页的 next The page before")] = None,
) -> Json:
    """What of the rows one may see differs between two versions: how many, where, and with `kind` which."""
    new = await scope_of(context, viewer, layer_id, AsOf(later))
    old = None if earlier == 0 else await scope_of(context, viewer, layer_id, AsOf(earlier))
    told = await differing(context.database, old, new)
    found = (
        []
        if kind is None
        else await differing_rows(context.database, old, new, kind, limit=limit, after=after)
    )
    return Json(
        {
            **_numbers(new.layer.id, earlier, later, told),
            "rows": [
                {"key": row.key, "before": side_document(row.before), "after": side_document(row.after)}
                for row in found
            ],
            "next": found[-1].key if len(found) == limit else None,
        }
    )


@router.get("/compare", response_model=ComparedLayersDocument)
async def compare_dates(
    context: ContextDep,
    viewer: ViewerDep,
    layers: Annotated[str, Query(max_length=4000, description="图层，逗号分隔 Layers, separated by commas")],
    earlier: Annotated[str, Query(alias="from", max_length=100, description=DATETIME_DESCRIPTION)],
    later: Annotated[str | None, Query(alias="to", max_length=100, description=DATETIME_DESCRIPTION)] = None,
) -> Json:
    """How many rows of each layer differ between two dates, and where; without `to`, between then and now.

    Version 0 means that the layer did not stand yet. The rows themselves: `/layers/{layer_id}/compare`.
    """
    names = list(dict.fromkeys(name.strip() for name in layers.split(",")))
    if len(names) > MAX_LAYERS:
        raise TooMuch(
            f"一次最多比较 {MAX_LAYERS} 个图层",
            f"at most {MAX_LAYERS} layers are compared at once",
            limit=MAX_LAYERS,
        )
    before = AsOf(moment=read_moment(earlier, "from"))
    after = NOW if later is None else AsOf(moment=read_moment(later, "to"))
    compared = []
    for name in names:
        old = await _stood(context, viewer, name, before)
        new = await _stood(context, viewer, name, after)
        compared.append(await _compared(context, name, old, new))
    return Json({"layers": compared})


async def _stood(context: Context, viewer: Viewer, layer_id: str, as_of: AsOf) -> Scope | None:
    """The layer as it stood, None before its first version; raises for one that is not for the viewer."""
    await scope_of(context, viewer, layer_id)
    layer = await layer_called(context, layer_id)
    try:
        return await context.moments.scope(viewer, layer, as_of)
    except NotFound as refused:
        if "first_published_at" in refused.facts:
            return None
        raise


async def _compared(
    context: Context, layer_id: str, old: Scope | None, new: Scope | None
) -> Mapping[str, Any]:
    earlier, later = (0 if scope is None else scope.version for scope in (old, new))
    told: Mapping[ChangeKind, Differing]
    if new is not None:
        told = await differing(context.database, old, new)
    elif old is not None:
        there = await differing(context.database, None, old)
        told = {**there, "removed": there["added"], "added": Differing(0, None)}
    else:
        told = dict.fromkeys(("added", "changed", "removed"), Differing(0, None))
    return _numbers(layer_id, earlier, later, told)


def _numbers(
    layer_id: str, earlier: int, later: int, told: Mapping[ChangeKind, Differing]
) -> Mapping[str, Any]:
    numbers: dict[str, Any] = {
        kind: {"count": one.number, "box": one.box and list(one.box)} for kind, one in told.items()
    }
    return {"layer": layer_id, "earlier": earlier, "later": later, **numbers}
