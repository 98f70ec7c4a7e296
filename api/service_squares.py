"""Layers of other systems' services, drawn: squares and legends, for whoever may see the layer.

The other system sees us and not our caller; our caller sees us and not the other system.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.answers import is_known
from api.context import Context, ContextDep, base_url
from api.errors import OriginFailed
from api.layers import LayerId, layer_called
from api.ogc_parameters import CRS84, parse_bbox
from api.parameters import ARGUMENTS, FiltersDep
from api.picture_path import is_public
from api.service_documents import ServiceItemsDocument
from api.services.facade import capabilities, read_get_map, said_to_wms
from api.services.gateway import Kept
from api.session import ViewerDep
from gis.squares import Tile
from layers.access import Scope, Viewer, scope_for
from layers.errors import BadRequest, NotFound, Unavailable
from layers.model import BoundingBox
from layers.service_calls import CallCount
from layers.services import service_of

router = APIRouter(tags=["services"], prefix="/services/{layer_id}")

BROWSERS_KEEP_S = 300
DEFAULT_ITEMS, MAX_ITEMS = 100, 5000
WORLD = BoundingBox(-180.0, -90.0, 180.0, 90.0)
ASK_AGAIN_PRIVATE = "private, no-cache"

VersionParameter = Annotated[str | None, Query(max_length=40, description="版本 Version, for caches")]
_Number = Annotated[int, Path(ge=0, le=2**31 - 1)]


@router.get(
    "/{z}/{x}/{y}",
    response_class=Response,
    responses={200: {"content": {"image/png": {}, "application/vnd.mapbox-vector-tile": {}}}},
)
async def get_square(
    request: Request,
    layer_id: LayerId,
    z: _Number,
    x: _Number,
    y: _Number,
    context: ContextDep,
    viewer: ViewerDep,
    v: VersionParameter = None,
) -> Response:
    """One square of the Web Mercator quad, as the other system draws it: a picture, or a vector tile.

    502 or 504 where the other system fails; 204 for a vector tile with nothing in it.
    """
    scope = await service_scope(context, viewer, layer_id)
    tile = Tile(z, x, y)
    try:
        found = await context.services.square(scope.layer, tile)
    except (OriginFailed, Unavailable):
        _count_failure(context, scope, viewer)
        raise
    return answered(request, context, scope, viewer, found)


@router.get("/legend", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def get_legend(
    request: Request,
    layer_id: LayerId,
    context: ContextDep,
    viewer: ViewerDep,
    v: VersionParameter = None,
) -> Response:
    """The picture that explains the colours of a layer, where the other system has one."""
    scope = await service_scope(context, viewer, layer_id)
    if not service_of(scope.layer).legend:
        raise NotFound(
            f"图层“{scope.layer.title.zh}”没有图例",
            f"layer {scope.layer.id!r} has no legend",
            layer=scope.layer.id,
        )
    try:
        found = await context.services.legend(scope.layer)
    except (OriginFailed, Unavailable):
        _count_failure(context, scope, viewer)
        raise
    return answered(request, context, scope, viewer, found)


@router.get("/items", response_class=Response, response_model=ServiceItemsDocument)
async def get_service_items(
    request: Request,
    layer_id: LayerId,
    context: ContextDep,
    viewer: ViewerDep,
    bbox: Annotated[str | None, Query(description="西,南,东,北 west,south,east,north")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = DEFAULT_ITEMS,
) -> Response:
    """Features of a service (WFS, OGC API, ArcGIS) that meet a box, as GeoJSON, longitude first.

    `left_out`: how many more there are, null where the other system does not say.
    """
    scope = await service_scope(context, viewer, layer_id)
    box = BoundingBox(*parse_bbox(bbox, CRS84)) if bbox is not None else scope.layer.bounds or WORLD
    try:
        found = await context.services.items(scope.layer, box, limit)
    except (OriginFailed, Unavailable):
        _count_failure(context, scope, viewer)
        raise
    return answered(request, context, scope, viewer, found)


@router.get(
    "/wms",
    response_class=Response,
    openapi_extra=dict(ARGUMENTS),
    responses={200: {"content": {"image/png": {}, "text/xml": {}}}},
)
async def get_wms(
    request: Request, layer_id: LayerId, context: ContextDep, viewer: ViewerDep, said: FiltersDep
) -> Response:
    """A WMS 1.3.0 or 1.1.1 of the layer of a WMS, for other systems.

    GetCapabilities (in our own words), GetMap and GetLegendGraphic, of its one layer, by our id.
    """
    scope = await service_scope(context, viewer, layer_id)
    layer = scope.layer
    source = service_of(layer)
    if source.kind != "wms":
        raise NotFound(
            f"图层“{layer.title.zh}”的服务不是 WMS",
            f"the service of layer {layer.id!r} is no WMS",
            layer=layer.id,
        )
    asked = said_to_wms(said)
    match asked.get("REQUEST", "").lower():
        case "getcapabilities":
            version = "1.1.1" if asked.get("VERSION", "").startswith("1.1") else "1.3.0"
            address = f"{base_url(request)}/services/{layer.id}/wms?"
            return Response(capabilities(layer, source, address, version), media_type="text/xml")
        case "getmap":
            url = read_get_map(asked, layer, source).url
        case "getlegendgraphic" if source.legend:
            return await get_legend(request, layer_id, context, viewer)
        case other:
            raise BadRequest(
                "不支持该 WMS 请求",
                "this request of WMS is not taken",
                field="REQUEST",
                value=other,
                expected="GetCapabilities, GetMap" + (", GetLegendGraphic" if source.legend else ""),
            )
    try:
        found = await context.services.picture(layer, url)
    except (OriginFailed, Unavailable):
        _count_failure(context, scope, viewer)
        raise
    return answered(request, context, scope, viewer, found)


async def service_scope(context: Context, viewer: Viewer, layer_id: str) -> Scope:
    """What `viewer` may see of the layer of a service; raises as `scope_for`, `Conflict` for another kind."""
    layer = await layer_called(context, layer_id)
    scope = scope_for(viewer, layer)
    service_of(layer)
    return scope


def answered(request: Request, context: Context, scope: Scope, viewer: Viewer, found: Kept) -> Response:
    """The answer with what was found, counted for the caller; 304 for what the caller has."""
    etag = f'"{found.etag}"'
    headers = {
        "ETag": etag,
        "Vary": "Authorization, Cookie",
        "X-OneMap-Cache": "hit" if found.was_kept else "miss",
    }
    if is_public(scope.layer, scope):
        lasts_s = min(found.lasts_s, BROWSERS_KEEP_S)
        headers["Cache-Control"] = f"public, max-age={lasts_s}"
        headers["Access-Control-Allow-Origin"] = "*"
    else:
        headers["Cache-Control"] = ASK_AGAIN_PRIVATE
    if found.left_out != 0:
        headers["X-OneMap-Left-Out"] = "some" if found.left_out is None else str(found.left_out)
    if found.body and is_known(request, etag):
        answer = Response(status_code=304, headers=headers)
    elif not found.body:
        answer = Response(status_code=204, headers=headers)
    else:
        answer = Response(found.body, media_type=found.media_type, headers=headers)
    sent = len(answer.body)
    context.services.calls.count(scope.layer.id, _caller(viewer), CallCount(1, int(found.was_kept), 0, sent))
    return answer


def _count_failure(context: Context, scope: Scope, viewer: Viewer) -> None:
    context.services.calls.count(scope.layer.id, _caller(viewer), CallCount(1, 0, 1, 0))


def _caller(viewer: Viewer) -> str:
    return viewer.name if viewer.is_logged_in else ""
