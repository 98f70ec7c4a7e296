"""What changes on the map while somebody looks at it: layers, readings, events, in one stream.

One stream and not one for each subject, because a browser keeps six connections to a service for all its
pages together, and each page that waits holds one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse

from api.answers import Json
from api.context import Context, ContextDep
from api.documents import SquaresDocument
from api.event_stream import HEARTBEAT_S, LONGEST_S, RETRY_MS, event_message, read_event_id
from api.layers import LayerId, scope_of
from api.session import ViewerDep
from gis.squares import tiles_between
from grid.events import Event, events_since, may_see
from grid.feed import Lagged, Listening
from layers.access import Viewer, scope_for
from layers.catalogue import Catalogue
from layers.errors import BadRequest, NotAllowed, NotFound
from layers.notices import READING_CHANNEL, Missed, Notice, Subscription
from layers.touched import FINEST_ZOOM

router = APIRouter(tags=["layers"], prefix="/api/v1")

MOST_SQUARES = 20_000
"""A zoom with more changed squares than this is told as changed everywhere."""
MOST_WAITING = 1_000
"""Messages kept for a client that does not read; then its stream ends, and it comes back and looks."""


@router.get(
    "/changes",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_changes(
    context: ContextDep,
    viewer: ViewerDep,
    last: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            description="最后收到的案卷编号 The id of the event that came last; later ones follow",
        ),
    ] = None,
) -> Response:
    """Each change the caller may see, as it happens.

    `event: layer` with `{layer, version, status}`: published, rolled back, withdrawn (`gone`) or described
    anew; its tiles are as new from then on. `event: readings`: stations have newer values. `event: event`,
    for people logged in: as on `/api/v1/events/stream`.
    """
    seen = read_event_id(last) if last and viewer.is_logged_in else None
    # Listening begins before the missed ones are read, so nothing falls between.
    sources = _Sources(context)
    missed = await events_since(context.database, viewer, *seen) if seen is not None else []
    return StreamingResponse(
        _messages(context, viewer, sources, missed),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/layers/{layer_id}/squares", response_model=SquaresDocument)
async def changed_squares(
    layer_id: LayerId,
    context: ContextDep,
    viewer: ViewerDep,
    since: Annotated[int, Query(ge=0, le=2**31 - 1, description="已有的版本 The version one has")],
    min_zoom: Annotated[int, Query(ge=0, le=FINEST_ZOOM)] = 0,
    max_zoom: Annotated[int, Query(ge=0, le=FINEST_ZOOM)] = FINEST_ZOOM,
) -> Json:
    """The tiles (Web Mercator quad) that differ between an earlier version and the current one.

    For whoever keeps tiles: all others are still right. `everywhere` are zooms of which every tile counts
    as changed. Beyond zoom 18 a tile is told by the one of zoom 18 it lies in.
    """
    scope = await scope_of(context, viewer, layer_id)
    layer = scope.layer
    if since > layer.version:
        raise BadRequest(
            f"图层“{layer.title.zh}”现为版本 {layer.version}",
            f"layer {layer.id!r} is at version {layer.version}",
            field="since",
            value=since,
            expected=f"0 to {layer.version}",
        )
    changes = context.catalogue.changes.between(layer.id, since, layer.version)
    zooms = range(min_zoom, max_zoom + 1)
    everywhere: list[int] = []
    squares: list[tuple[int, int, int]] = []
    for z in zooms:
        # Where rows that one may not see have changed is not told either.
        found = None
        if changes is not None and scope.districts is None:
            found = tiles_between([change.squares[z] for change in changes], z, at_most=MOST_SQUARES)
        if found is None:
            everywhere.append(z)
        else:
            squares += found
    return Json(
        {
            "layer": layer.id,
            "since": since,
            "version": layer.version,
            "everywhere": everywhere,
            "squares": squares,
        }
    )


class _Sources:
    """What a stream listens to, from the moment it was asked for."""

    def __init__(self, context: Context) -> None:
        # Not the notices themselves: whoever hears of a version must then get its tiles.
        self.layers = context.catalogue.subscribe()
        self.readings = context.notices.subscribe(READING_CHANNEL)
        self.events = context.feed.listen()


async def _messages(
    context: Context, viewer: Viewer, sources: _Sources, missed: list[Event]
) -> AsyncIterator[bytes]:
    """Messages of all sources as they come, until one of them has lost some or the stream is old."""
    ready: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)
    pumps = [
        asyncio.create_task(_ended(ready, pump))
        for pump in (
            _layers(context.catalogue, viewer, sources.layers, ready),
            _readings(sources.readings, ready),
            _events(context, viewer, sources.events, ready),
        )
    ]
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_S
    try:
        yield f"retry: {RETRY_MS}\n\n".encode()
        for event in missed:
            yield event_message(context, viewer, event)
        while loop.time() < end:
            try:
                message = await asyncio.wait_for(ready.get(), HEARTBEAT_S)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if message is None:
                return
            yield message
    finally:
        for pump in pumps:
            pump.cancel()


async def _ended(ready: asyncio.Queue[bytes | None], pump: Any) -> None:
    """Runs a pump; when it stops by itself, or the client reads too slowly, the stream ends."""
    with contextlib.suppress(asyncio.QueueFull, Lagged):
        await pump
    while ready.full():
        ready.get_nowait()
    ready.put_nowait(None)


async def _layers(
    catalogue: Catalogue, viewer: Viewer, news: Subscription, ready: asyncio.Queue[bytes | None]
) -> None:
    visible = {layer.id for layer in catalogue.layers() if _may_see(viewer, catalogue, layer.id)}
    async for notice in news:
        if isinstance(notice, Missed):
            return
        layer = catalogue.known(notice.subject)
        if layer is not None and _may_see(viewer, catalogue, layer.id):
            visible.add(layer.id)
            told = {"layer": layer.id, "version": layer.version, "status": layer.status}
        elif notice.subject in visible:
            visible.discard(notice.subject)
            told = {"layer": notice.subject, "version": notice.number, "status": "gone"}
        else:
            continue
        ready.put_nowait(b"event: layer\ndata: %b\n\n" % orjson.dumps(told))


def _may_see(viewer: Viewer, catalogue: Catalogue, layer_id: str) -> bool:
    layer = catalogue.known(layer_id)
    try:
        return layer is not None and scope_for(viewer, layer) is not None
    except (NotFound, NotAllowed):
        return False


async def _readings(news: Subscription, ready: asyncio.Queue[bytes | None]) -> None:
    async for notice in news:
        if isinstance(notice, Notice):
            ready.put_nowait(b"event: readings\ndata: {}\n\n")


async def _events(
    context: Context, viewer: Viewer, listening: Listening, ready: asyncio.Queue[bytes | None]
) -> None:
    while True:
        event = await listening.next()
        if viewer.is_logged_in and may_see(viewer, event):
            ready.put_nowait(event_message(context, viewer, event))
