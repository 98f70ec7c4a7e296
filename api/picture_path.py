"""The way of a picture of a raster layer, plain ASGI like a vector tile's: rights, memory or a thread."""

from __future__ import annotations

import hashlib

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from api.context import context_of
from api.picture_address import MEDIA_TYPES, is_picture_address, read_picture_address
from api.session import viewer_of_request
from api.tile_answer import ASK_AGAIN, ASK_AGAIN_PRIVATE, FOR_EVER, knows
from api.tile_path import CLIENT_LEFT, answer_other_method, unless_client_leaves
from api.turns import client_name
from layers.access import ANONYMOUS, Scope, scope_for
from layers.errors import NotAllowed, NotFound
from layers.model import Layer, RasterFile
from layers.rasters import raster_scope
from tiles.raster import Picture
from tiles.raster_look import Format, read_look

VARY = b"Authorization, Cookie"


class PicturePath:
    """Answers pictures of raster layers; whatever else passes on to `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_picture_address(scope["path"]):
            await self._app(scope, receive, send)
            return
        scope["state"]["route"] = "(picture)"
        if scope["method"] not in ("GET", "HEAD"):
            await answer_other_method(scope, send)
            return
        context = context_of(scope)
        asked = read_picture_address(scope["path"], scope["query_string"], context.settings.matrix_sets)
        scope["state"]["route"] = asked.route
        viewer = await viewer_of_request(scope)
        layer = await context.catalogue.layer(asked.layer)
        seen, raster = raster_scope(viewer, layer, version=asked.version, moment=asked.moment)
        look = read_look(raster, asked.look)
        picture = context.rasters.kept(seen, raster, look, asked.square, asked.form)
        was_kept = picture is not None
        if picture is None:
            async with context.turns.turn(client_name(scope, viewer)):
                drawing = context.rasters.drawn(seen, raster, look, asked.square, asked.form)
                picture = await unless_client_leaves(drawing, receive)
        if picture is None:
            await send({"type": "http.response.start", "status": CLIENT_LEFT, "headers": []})
            return
        start, body = _answer(
            scope,
            picture,
            asked.form,
            is_public=is_public(layer, seen),
            is_current=asked.token == raster_token(raster),
            was_kept=was_kept,
        )
        await send(start)
        await send({"type": "http.response.body", "body": b""} if scope["method"] == "HEAD" else body)


def raster_token(raster: RasterFile) -> str:
    """What names one state of a raster layer in an address: its version and file."""
    digest = hashlib.blake2b(raster.name.encode(), digest_size=5).hexdigest()
    return f"{raster.version}-{digest}"


def is_public(layer: Layer, seen: Scope) -> bool:
    """Whether an anonymous caller gets the same."""
    try:
        return scope_for(ANONYMOUS, layer, version=seen.version).cache_key == seen.cache_key
    except (NotAllowed, NotFound):
        return False


def _answer(
    asked: AsgiScope,
    picture: Picture,
    form: Format,
    *,
    is_public: bool,
    is_current: bool,
    was_kept: bool,
) -> tuple[Message, Message]:
    """200 with the picture, all transparent where nothing is; 304 for one the client has.

    Not 204: map clients take a picture without a body for a broken one.
    """
    headers = [
        (b"etag", f'"{picture.etag}"'.encode()),
        (b"vary", VARY),
        (b"x-onemap-cache", b"hit" if was_kept else b"disk" if picture.from_disk else b"miss"),
    ]
    if is_public:
        headers += (
            (b"cache-control", FOR_EVER if is_current else ASK_AGAIN),
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", b"ETag, X-OneMap-Cache"),
        )
    else:
        headers.append((b"cache-control", ASK_AGAIN_PRIVATE))
    known = next((value for name, value in asked["headers"] if name == b"if-none-match"), b"")
    status, body = 200, b""
    if known and knows(known, picture.etag):
        status = 304
    else:
        body = picture.body
        headers += (
            (b"content-type", MEDIA_TYPES[form].encode()),
            (b"content-length", str(len(body)).encode()),
        )
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}
