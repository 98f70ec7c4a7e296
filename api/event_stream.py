"""Events as they happen (server-sent events, WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Header
from starlette.responses import Response, StreamingResponse

from api.context import Context, ContextDep
from api.events import event_document
from api.session import AccountDep
from grid.events import Event, events_since, may_see
from grid.feed import Lagged, Listening
from layers.access import Viewer
from layers.errors import BadRequest

router = APIRouter(tags=["events"], prefix="/api/v1")

HEARTBEAT_S = 15.0
"""A comment this often keeps proxies from closing a quiet stream, and finds out who has gone."""
LONGEST_S = 900.0
"""Then the stream ends and the client comes back by itself, so that its login is looked at again."""
RETRY_MS = 3_000


@router.get(
    "/events/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_events(
    context: ContextDep,
    viewer: AccountDep,
    last: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            description="最后收到的编号，补发其后的变化 What came last; later ones follow",
        ),
    ] = None,
) -> Response:
    """Each new or changed event the caller may see, as `event: event` with the event as JSON.

    Ids are `<event id>:<revision>`. Some events may come twice; the higher revision is the newer.
    """
    seen = read_event_id(last) if last else None
    # Listening begins before the missed ones are read, so nothing falls between.
    listening = context.feed.listen()
    missed = await events_since(context.database, viewer, *seen) if seen is not None else []
    return StreamingResponse(
        _messages(context, viewer, listening, missed),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _messages(
    context: Context, viewer: Viewer, listening: Listening, missed: list[Event]
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_S
    yield f"retry: {RETRY_MS}\n\n".encode()
    for event in missed:
        yield event_message(context, viewer, event)
    while loop.time() < end:
        try:
            event = await asyncio.wait_for(listening.next(), HEARTBEAT_S)
        except TimeoutError:
            yield b": still here\n\n"
            continue
        except Lagged:
            # The client comes back with the id it has, and is told what it missed from the database.
            return
        if may_see(viewer, event):
            yield event_message(context, viewer, event)


def event_message(context: Context, viewer: Viewer, event: Event) -> bytes:
    """The event as a message of a stream."""
    told = orjson.dumps(event_document(event, context.locator.now, viewer))
    return b"id: %d:%d\nevent: event\ndata: %b\n\n" % (event.id, event.revision, told)


def read_event_id(text: str) -> tuple[int, int]:
    """Id and revision of the event that came last; raises `BadRequest`."""
    event_id, _, revision = text.partition(":")
    if not all(part.isascii() and part.isdecimal() and len(part) <= 18 for part in (event_id, revision)):
        raise BadRequest(
            "Last-Event-ID 不是本服务发出的编号",
            "Last-Event-ID is not an id of ours",
            field="Last-Event-ID",
            value=text,
            expected="<event id>:<revision>",
        )
    return int(event_id), int(revision)
