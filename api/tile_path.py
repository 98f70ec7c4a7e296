"""The way of a tile, plain ASGI from the socket to memory and back.

It stands before the routes: no models are made, no dependencies worked out. A kept tile for an anonymous
caller does not even come here (`api.kept_answers`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from api.context import Context, context_of
from api.session import viewer_of_request
from api.tile_address import MEDIA_TYPE, is_tile_address, read_address
from api.tile_answer import accepts_tile, tile_answer
from api.tile_selection import Chosen, addressed, narrowed
from api.turns import client_name
from layers.moments import NOW

METHODS = "GET, HEAD, OPTIONS"
CLIENT_LEFT = 499
"""Counted, never sent: nobody is there to receive it."""

T = TypeVar("T")


class TilePath:
    """Answers tiles; whatever else passes on to `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_tile_address(scope["path"]):
            await self._app(scope, receive, send)
            return
        scope["state"]["route"] = "(tile)"
        if scope["method"] not in ("GET", "HEAD"):
            await answer_other_method(scope, send)
            return
        if not all(accepts_tile(value) for name, value in scope["headers"] if name == b"accept"):
            raise HTTPException(406, detail=f"a tile is {MEDIA_TYPE}")
        context = context_of(scope)
        asked = read_address(scope["path"], scope["query_string"], context.settings.matrix_sets)
        scope["state"]["route"] = asked.route
        viewer = await viewer_of_request(scope)
        if asked.layers is None:
            chosen = await context.selections.choose_all(viewer, asked.as_of)
        else:
            chosen = await context.selections.choose(viewer, asked.layers, asked.as_of)
            if asked.as_of == NOW and await _was_behind(context, asked.token, chosen):
                chosen = await context.selections.choose(viewer, asked.layers, asked.as_of)
        chosen = narrowed(addressed(chosen, asked.said), asked.where)
        tile = context.tiles.kept(chosen.selection, asked.square)
        was_kept = tile is not None
        if tile is None:
            async with context.turns.turn(client_name(scope, viewer)):
                drawing = context.tiles.drawn(chosen.selection, asked.square)
                tile = await unless_client_leaves(drawing, receive)
        if tile is None:
            await send({"type": "http.response.start", "status": CLIENT_LEFT, "headers": []})
            return
        start, body = tile_answer(
            scope["headers"],
            tile,
            is_public=chosen.is_public,
            is_current=asked.token == chosen.token and chosen.selection.is_versioned,
            was_kept=was_kept,
            lasts_s=chosen.selection.lasts_s,
        )
        await send(start)
        await send({"type": "http.response.body", "body": b""} if scope["method"] == "HEAD" else body)


async def _was_behind(context: Context, token: str | None, chosen: Chosen) -> bool:
    """Whether the caller knew of a later version, from another process; this one knows it then, too."""
    if token is None or token == chosen.token:
        return False
    versions = token.partition("-")[0].split(".")
    if len(versions) != len(chosen.layers) or not all(v.isdecimal() and len(v) < 10 for v in versions):
        return False
    was_behind = False
    for layer, version in zip(chosen.layers, map(int, versions), strict=True):
        if version > layer.version:
            await context.catalogue.caught_up(layer.id, version)
            was_behind = True
    return was_behind


async def unless_client_leaves(drawing: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """What is drawn; None if the client goes away first, as one who drags the map does."""
    drawn = asyncio.ensure_future(drawing)
    leaving = asyncio.ensure_future(_until_client_leaves(receive))
    try:
        await asyncio.wait((drawn, leaving), return_when=asyncio.FIRST_COMPLETED)
        return drawn.result() if drawn.done() else None
    finally:
        drawn.cancel()
        leaving.cancel()


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer_other_method(scope: AsgiScope, send: Send) -> None:
    """What a tile says to OPTIONS; any other method is refused."""
    if scope["method"] != "OPTIONS":
        raise HTTPException(405, headers={"Allow": METHODS})
    headers = [
        (b"allow", METHODS.encode()),
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", b"If-None-Match"),
        (b"access-control-max-age", b"86400"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
