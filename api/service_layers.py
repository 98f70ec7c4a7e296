"""Services of other systems: looked at, registered, changed, checked, forgotten; how often they were called.

Registering is for admins, as with tables: whoever registers a service decides what this one asks for, and
with which token.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.answers import Json, text
from api.context import Context, ContextDep, base_url
from api.errors import OriginFailed
from api.layers import LayerId, layer_called, layer_document
from api.service_documents import (
    CallsDocument,
    LookBody,
    LookDocument,
    MadeServiceDocument,
    NewServiceBody,
    RemoteServiceDocument,
    SecretBody,
    ServiceChangeBody,
    ServiceCheckDocument,
    ServicesDocument,
)
from api.services.gateway import Gateway
from api.services.look import kind_title, look
from api.services.offers import Look, Offer
from api.services.registering import ServiceRegistration, address_of, find_layer
from api.session import AdminDep, ViewerDep
from gis.squares import Tile, tile_at
from layers import service_calls, services
from layers.access import Viewer, scope_for, scopes_for
from layers.db import Database
from layers.errors import BadRequest
from layers.model import BoundingBox, Layer, Text
from layers.service_calls import CallCount
from layers.services import Secret, ServiceChange, ServiceState, service_of

router = APIRouter(tags=["services"], prefix="/api/v1/services")

MOST_DAYS = 400
TRIED_ZOOM = 14


@router.post("/look", response_model=LookDocument)
async def look_at_service(wanted: LookBody, context: ContextDep, viewer: AdminDep) -> Json:
    """Which kind of service an address leads to, by what evidence, and the layers it offers (admins)."""
    asked = address_of(wanted.url, _secrets(wanted.secrets))
    found = await look(context.services.client, asked, wanted.kind)
    return Json(look_document(found, asked.url, asked.secrets))


@router.post("", response_model=MadeServiceDocument, status_code=201)
async def register_service(
    request: Request, wanted: NewServiceBody, context: ContextDep, viewer: AdminDep
) -> Json:
    """Makes a layer of another system's service a layer of ours (admins)."""
    layer, asked, _ = await find_layer(context.services.client, _registration(wanted))
    made = await services.register_service(context.database, layer, asked.secrets, by=viewer.name)
    await context.catalogue.refresh()
    return await _made(request, context, viewer, made, status=201)


@router.get("", response_model=ServicesDocument)
async def list_services(request: Request, context: ContextDep, viewer: ViewerDep) -> Json:
    """The services whose layers the caller may see, and whether each answers."""
    states = await services.states(context.database)
    found = [scope.layer for scope in scopes_for(viewer, context.catalogue.layers())]
    root = base_url(request)
    return Json(
        {
            "services": [
                await _document(context, root, viewer, layer, states.get(layer.id))
                for layer in found
                if layer.service is not None
            ]
        }
    )


@router.get("/{layer_id}", response_model=RemoteServiceDocument)
async def get_service(request: Request, layer_id: LayerId, context: ContextDep, viewer: ViewerDep) -> Json:
    """One service; where it is and what it is called there, for admins."""
    layer = await layer_called(context, layer_id)
    scope_for(viewer, layer)
    service_of(layer)
    states = await services.states(context.database)
    return Json(await _document(context, base_url(request), viewer, layer, states.get(layer.id)))


@router.patch("/{layer_id}", response_model=MadeServiceDocument)
async def change_service(
    request: Request, layer_id: LayerId, wanted: ServiceChangeBody, context: ContextDep, viewer: AdminDep
) -> Json:
    """Says a service's layer anew: titles, theme, access, tokens, … (admins)."""
    layer = await layer_called(context, layer_id)
    title = None
    if wanted.title is not None or wanted.title_en is not None:
        chinese = wanted.title or layer.title.zh
        title = Text(chinese, wanted.title_en or (wanted.title or layer.title.en))
    secrets = None
    if wanted.secrets is not None:
        secrets = address_of("", _secrets(wanted.secrets)).secrets
    change = ServiceChange(
        title=title,
        theme=wanted.theme,
        owner=wanted.owner,
        access=wanted.access,
        description=None if wanted.description is None else Text(wanted.description, wanted.description),
        min_zoom=wanted.min_zoom,
        max_zoom=wanted.max_zoom,
        attribution=wanted.attribution,
        secrets=secrets,
    )
    made = await services.change_service(context.database, layer.id, change, by=viewer.name)
    context.services.forget(layer.id)
    await context.catalogue.refresh()
    return await _made(request, context, viewer, made)


@router.delete("/{layer_id}", status_code=204, response_class=Response)
async def forget_service(layer_id: LayerId, context: ContextDep, viewer: AdminDep) -> Response:
    """Forgets the layer, its tokens and its counts; the other system hears nothing of it (admins)."""
    layer = await layer_called(context, layer_id)
    await services.forget_service(context.database, layer.id, by=viewer.name)
    context.services.forget(layer.id)
    await context.catalogue.refresh()
    return Response(status_code=204)


@router.post("/{layer_id}/check", response_model=ServiceCheckDocument)
async def check_service(layer_id: LayerId, context: ContextDep, viewer: AdminDep) -> Json:
    """Asks the service for one square or page now, past everything that is kept (admins)."""
    layer = await layer_called(context, layer_id)
    service_of(layer)
    return Json(await check_document(context.services, context.database, layer))


@router.get("/{layer_id}/calls", response_model=CallsDocument)
async def count_calls(
    layer_id: LayerId,
    context: ContextDep,
    viewer: AdminDep,
    first: Annotated[date | None, Query(alias="from", description="首日 First day, in China")] = None,
    last: Annotated[date | None, Query(alias="to", description="末日 Last day, in China")] = None,
) -> Json:
    """How often the service was called through this one, by day and account: 30 days unless said (admins)."""
    layer = await layer_called(context, layer_id)
    service_of(layer)
    to = last or service_calls.day_in_china(datetime.now(UTC))
    since = first or to - timedelta(days=min(29, (to - date.min).days))
    if since > to or (to - since).days > MOST_DAYS:
        raise BadRequest(
            f"日期范围应为 1 至 {MOST_DAYS} 天",
            f"from and to span 1 to {MOST_DAYS} days",
            field="from",
            value=since.isoformat(),
            expected=f"a day up to {to.isoformat()}",
        )
    await context.services.calls.flush()
    rows = await service_calls.calls_of(context.database, layer.id, since, to)
    total = CallCount()
    for _, _, told in rows:
        total = total.plus(told)
    return Json(
        {
            "layer": layer.id,
            "first": since,
            "last": to,
            "total": total._asdict(),
            "calls": [{"day": day, "caller": caller, **told._asdict()} for day, caller, told in rows],
        }
    )


async def check_document(gateway: Gateway, database: Database, layer: Layer) -> Mapping[str, Any]:
    """Whether the service answers, what is wrong if not, and how long it took; the state is written down."""
    gateway.forget(layer.id)
    begun = time.perf_counter()
    problem: Text | None = None
    try:
        await gateway.square(layer, _tried(layer))
    except OriginFailed as error:
        problem = Text(error.zh, error.en)
    elapsed_ms = round((time.perf_counter() - begun) * 1000)
    await services.note_state(database, layer.id, problem)
    return {
        "is_ok": problem is None,
        "problem": None if problem is None else text(problem),
        "elapsed_ms": elapsed_ms,
    }


def _tried(layer: Layer) -> Tile:
    west, south, east, north = layer.bounds or BoundingBox(116.0, 31.0, 117.0, 32.0)
    zoom = min(max(TRIED_ZOOM, layer.min_zoom), layer.max_zoom)
    return tile_at((west + east) / 2, (south + north) / 2, zoom)


def look_document(found: Look, url: str, secrets: Sequence[Secret]) -> Mapping[str, Any]:
    """A look as it travels, secrets by their names only."""
    return {
        "kind": found.kind,
        "kind_title": text(kind_title(found.kind)),
        "evidence": text(found.evidence),
        "title": found.title,
        "protocol": found.protocol,
        "url": url,
        "secrets": [one.name for one in secrets],
        "layers": [_offer(offer) for offer in found.offers],
        "left_out": found.left_out,
    }


def _offer(offer: Offer) -> Mapping[str, Any]:
    source = offer.source
    return {
        "name": offer.name,
        "title": offer.title,
        "abstract": offer.abstract,
        "form": None if source is None else source.form,
        "kind": None if source is None else source.kind,
        "bounds": None if offer.bounds is None else list(offer.bounds),
        "crs": list(offer.crs),
        "formats": list(offer.formats),
        "styles": list(offer.styles),
        "min_zoom": offer.min_zoom,
        "max_zoom": offer.max_zoom,
        "parts": [] if source is None else list(source.parts),
        "problem": None if offer.problem is None else text(offer.problem),
    }


def _registration(wanted: NewServiceBody) -> ServiceRegistration:
    title = None if wanted.title is None else Text(wanted.title, wanted.title_en or wanted.title)
    description = None if wanted.description is None else Text(wanted.description, wanted.description)
    return ServiceRegistration(
        url=wanted.url,
        id=wanted.id,
        kind=wanted.kind,
        layer=wanted.layer,
        style=wanted.style,
        format=wanted.format,
        parts=tuple(wanted.parts),
        title=title,
        theme=wanted.theme,
        owner=wanted.owner,
        access=wanted.access,
        description=description,
        bounds=None if wanted.bounds is None else BoundingBox(*wanted.bounds),
        min_zoom=wanted.min_zoom,
        max_zoom=wanted.max_zoom,
        attribution=wanted.attribution,
        secrets=_secrets(wanted.secrets),
    )


def _secrets(said: Sequence[SecretBody]) -> tuple[Secret, ...]:
    return tuple(Secret(one.place, one.name, one.value) for one in said)


async def _made(
    request: Request, context: Context, viewer: Viewer, layer: Layer, *, status: int = 200
) -> Json:
    document = {
        "layer": layer_document(scope_for(viewer, layer)),
        "service": await _document(context, base_url(request), viewer, layer, None),
    }
    return Json(document, status_code=status)


async def _document(
    context: Context, root: str, viewer: Viewer, layer: Layer, state: ServiceState | None
) -> Mapping[str, Any]:
    """A service as it travels; where it is only for admins, its secrets by name."""
    source = service_of(layer)
    state = state or ServiceState(None, None, None)
    is_admin = viewer.has("admin")
    own = f"{root}/services/{layer.id}"
    secrets = await services.secrets_of(context.database, layer.id) if is_admin else ()
    return {
        "id": layer.id,
        "title": text(layer.title),
        "kind": source.kind,
        "kind_title": text(kind_title(source.kind)),
        "form": source.form,
        "is_up": state.is_up,
        "since": state.since,
        "problem": None if state.problem is None else text(state.problem),
        "attribution": source.attribution,
        "tiles": f"{own}/{{z}}/{{x}}/{{y}}",
        "items": f"{own}/items" if source.form == "features" else None,
        "legend": f"{own}/legend" if source.legend else None,
        "version": layer.version,
        "url": source.url if is_admin else None,
        "name": source.name if is_admin else None,
        "secrets": [one.name for one in secrets] if is_admin else None,
    }
