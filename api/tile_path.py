"""`/tiles/{layer[,layer]}/{z}/{x}/{y}.mvt`: the way of a tile, plain ASGI from socket to memory and back.

It stands before the routes, so that a kept tile costs microseconds: no models are made, no dependencies
worked out, the database is not asked.
"""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

import orjson
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from api.context import Context, context_of
from api.session import viewer_of_request
from api.tile_selection import Chosen
from gis.errors import NoSuchSquare
from gis.squares import Tile
from layers.errors import BadRequest, NotFound
from tiles.cache import EncodedTile
from tiles.square import Square, mercator_square

PREFIX = "/tiles/"
ROUTE = "/tiles/{layers}/{z}/{x}/{y}.mvt"
ADDRESS = re.compile(r"/tiles/([^/]+)/(0|[1-9][0-9]?)/(0|[1-9][0-9]{0,8})/(0|[1-9][0-9]{0,8})\.mvt")
VERSION = re.compile(r"[1-9][0-9]{0,8}")

MEDIA_TYPE = b"application/vnd.mapbox-vector-tile"
VARY = b"Accept-Encoding, Authorization, Cookie"
FOR_EVER = b"public, max-age=31536000, immutable"
ASK_AGAIN = b"public, max-age=0, must-revalidate"
ASK_AGAIN_PRIVATE = b"private, no-cache"
"""What a private answer may be kept for: a browser may change hands, so it asks every time."""
METHODS = "GET, HEAD, OPTIONS"
CLIENT_LEFT = 499
"""Counted, never sent: nobody is there to receive it."""


class TileRequest(NamedTuple):
    """What the address asks for."""

    layers: str
    square: Square
    version: int | None
    token: str | None


class TilePath:
    """Answers tiles; whatever else passes on to `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(PREFIX) or not path.endswith(".mvt"):
            await self._app(scope, receive, send)
            return
        scope["state"]["route"] = ROUTE
        if scope["method"] not in ("GET", "HEAD"):
            await _answer_other_method(scope, send)
            return
        asked = read_request(path, scope["query_string"])
        context = context_of(scope)
        viewer = await viewer_of_request(scope)
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


def read_request(path: str, query: bytes) -> TileRequest:
    """What `path` and `query` ask for. Raises `NotFound` outside the matrix, `BadRequest` for the query."""
    found = ADDRESS.fullmatch(path)
    if found is None:
        raise NotFound(
            "瓦片地址应为 /tiles/{图层}/{z}/{x}/{y}.mvt，z、x、y 为整数",
            "a tile's address is /tiles/{layers}/{z}/{x}/{y}.mvt with whole numbers",
            expected=ROUTE,
        )
    layers, z, x, y = found.groups()
    try:
        tile = Tile(int(z), int(x), int(y))
    except NoSuchSquare as error:
        raise NotFound(error.zh, error.en, **error.facts) from error
    version, token = read_query(query) if query else (None, None)
    return TileRequest(layers, mercator_square(tile), version, token)


def read_query(query: bytes) -> tuple[int | None, str | None]:
    """`version` and `v`; raises `BadRequest` for a version that is no number and for any other name."""
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    for name in given.keys() - {"version", "v"}:
        raise BadRequest(
            f"未知的查询参数“{name[:100]}”",
            f"unknown query parameter {name[:100]!r}",
            field=name[:100],
            value=given[name],
            expected="v, version",
        )
    version = given.get("version")
    if version is None:
        return None, given.get("v")
    if not VERSION.fullmatch(version):
        raise BadRequest(
            "“version”应为正整数",
            "'version' should be a positive whole number",
            field="version",
            value=version,
            expected="a positive whole number",
        )
    return int(version), given.get("v")


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
        headers.append((b"content-type", MEDIA_TYPE))
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
