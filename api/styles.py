"""MapLibre styles of the themes, with what the caller may see and nothing from another host."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.answers import Json, is_known, kept_by, unchanged
from api.context import ContextDep, base_url
from api.session import ViewerDep
from layers.access import scopes_for
from layers.errors import NotFound
from themes.catalogue import known_themes, themes_of
from themes.raster_style import Scheme
from themes.style import build_style
from tiles.server import MAX_LAYERS

router = APIRouter(tags=["styles"])

ALL = "all"
"""The style of every theme together."""


@router.get("/styles/{theme}.json", response_model=dict[str, object])
async def get_style(
    request: Request,
    theme: Annotated[str, Path(description="专题标识，或 all  Theme id, or all", examples=["pipe"])],
    context: ContextDep,
    viewer: ViewerDep,
    scheme: Annotated[Scheme, Query(description="明亮或暗色 Light or dark")] = "light",
) -> Response:
    """The style of one theme (or `all`): sources, symbols and letters are this service's own addresses."""
    if theme != ALL and theme not in (known.id for known in known_themes()):
        shown = theme[:60]
        raise NotFound(f"没有专题“{shown}”", f"there is no theme {shown!r}", theme=shown)
    layers = {scope.layer.id: scope.layer for scope in scopes_for(viewer, context.catalogue.layers())}
    shown_themes = [found for found in themes_of(layers.values()) if theme in (ALL, found.id)]
    root = base_url(request)

    def tiles_url(ids: Sequence[str]) -> str:
        return f"{root}/tiles/{','.join(ids)}.json"

    parts = {"sprite": f"{root}/sprites/{scheme}"}
    if context.letters.fonts:
        parts["glyphs"] = f"{root}/fonts/{{fontstack}}/{{range}}.pbf"
    answer = Json(
        {**build_style(shown_themes, layers, scheme, tiles_url, MAX_LAYERS, f"{root}/services"), **parts}
    )
    etag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    if is_known(request, etag):
        return unchanged(etag)
    answer.headers.update(kept_by(etag))
    return answer
