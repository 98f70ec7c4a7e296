"""The way of a tile, plain ASGI from the socket to memory and back.

It stands before the routes, so that a kept tile costs microseconds: no models are made, no dependencies
worked out, the database is not asked.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache

import orjson
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from api.context import Context, context_of
from api.session import viewer_of_request
from api.tile_address import MEDIA_TYPE, is_tile_address, read_address
from api.tile_selection import Chosen
from tiles.cache import EncodedTile
from tiles.square import Square

VARY = b"Accept-Encoding, Authorization, Cookie"
FOR_EVER = b"public, max-age=31536000, immutable"
ASK_AGAIN = b"public, max-age=0, must-revalidate"
ASK_AGAIN_PRIVATE = b"private, no-cache"
"""What a private answer may be kept for: a browser may change hands, so it asks every time."""
METHODS = "GET, HEAD, OPTIONS"
CLIENT_LEFT = 499
"""Counted, never sent: nobody is there to receive it."""


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
            await _answer_other_method(scope, send)
            return
        asked = read_address(scope["path"], scope["query_string"])
        scope["state"]["route"] = asked.route
        context = context_of(scope)
        viewer = await viewer_of_request(scope)
        if asked.layers is None:
            chosen = context.selections.choose_all(viewer)
        else:
            chosen = await context.selections.choose(viewer, asked.layers, asked.version)
        tile = context.tiles.kept(chosen.selection, asked.square)
        was_kept = tile is not None
        if tile is None:
            tile = await _drawn_unless_client_leaves(context, chosen, asked.square, receive)
        if tile is None:
            await send({"type": "http.response.start", "status": CLIENT_LEFT, "headers": []})
            return
        await answer_tile(
            scope, send, tile, chosen, is_current=asked.token == chosen.token, was_kept=was_kept
        )


async def answer_tile(
    scope: AsgiScope, send: Send, tile: EncodedTile, chosen: Chosen, *, is_current: bool, was_kept: bool
) -> None:
    """Sends the tile, 204 for an empty one, 304 for one the client has.

    `is_current`: the address names exactly what was drawn, so that it never has to be asked for again.
    """
    cache_control = ASK_AGAIN_PRIVATE
    if chosen.is_public:
        cache_control = FOR_EVER if is_current else ASK_AGAIN
    accepts = known = b""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            accepts = value
        elif name == b"if-none-match":
            known = value
    zipped = accepts_gzip(accepts)
    # Two codings of one tile are two representations, so their strong tags differ (RFC 9110 §8.8.3.3).
    etag = f'"{tile.etag}"'.encode() if zipped else f'"{tile.etag}.i"'.encode()
    headers = [
        (b"etag", etag),
        (b"cache-control", cache_control),
        (b"vary", VARY),
        (b"x-onemap-cache", b"hit" if was_kept else b"miss"),
    ]
    if chosen.is_public:
        headers.append((b"access-control-allow-origin", b"*"))
        headers.append((b"access-control-expose-headers", b"ETag, X-OneMap-Left-Out, X-OneMap-Cache"))
    if tile.left_out:
        headers.append((b"x-onemap-left-out", orjson.dumps(tile.left_out)))
    status, body = 200, b""
    if tile.is_empty:
        status = 204
    elif known and knows(known, tile.etag):
        status = 304
    else:
        body = tile.body_gzip if zipped else tile.identity()
        headers.append((b"content-type", MEDIA_TYPE.encode()))
        headers.append((b"content-length", str(len(body)).encode()))
        if zipped:
            headers.append((b"content-encoding", b"gzip"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


@lru_cache(maxsize=256)
def accepts_gzip(header: bytes) -> bool:
    """Whether `Accept-Encoding` allows gzip (RFC 9110 §12.5.3); without the header: no.

    >>> accepts_gzip(b"br, gzip;q=0.5"), accepts_gzip(b"gzip;q=0, *"), accepts_gzip(b"*")
    (True, False, True)
    """
    weights: dict[bytes, float] = {}
    for part in header.lower().split(b",")[:50]:
        coding, _, parameters = part.partition(b";")
        name, _, value = parameters.strip().partition(b"=")
        try:
            weights[coding.strip()] = float(value) if name.strip() == b"q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get(b"gzip", weights.get(b"x-gzip", weights.get(b"*", 0.0))) > 0


def knows(if_none_match: bytes, etag: str) -> bool:
    """Whether `If-None-Match` names the tile, in either coding; compared weakly (RFC 9110 §13.1.2).

    >>> knows(b'W/"a", "b"', "b"), knows(b"*", "b"), knows(b'"bb"', "b"), knows(b'"b.i"', "b")
    (True, True, False, True)
    """
    if if_none_match.strip() == b"*":
        return True
    tag = etag.encode()
    named = (each.strip().removeprefix(b"W/") for each in if_none_match.split(b",")[:100])
    return any(each in (b'"' + tag + b'"', b'"' + tag + b'.i"') for each in named)


async def _drawn_unless_client_leaves(
    context: Context, chosen: Chosen, square: Square, receive: Receive
) -> EncodedTile | None:
    """The tile drawn; None if the client goes away first, as one who drags the map does."""
    drawing = asyncio.ensure_future(context.tiles.drawn(chosen.selection, square))
    leaving = asyncio.ensure_future(_until_client_leaves(receive))
    try:
        await asyncio.wait((drawing, leaving), return_when=asyncio.FIRST_COMPLETED)
        return drawing.result() if drawing.done() else None
    finally:
        drawing.cancel()
        leaving.cancel()


async def _until_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer_other_method(scope: AsgiScope, send: Send) -> None:
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
