"""What the styles refer to: symbols (`sprite`) and letters (`glyphs`), for everybody, from this service."""

from __future__ import annotations

import gzip
import hashlib
import re
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from api.answers import Json, is_known
from api.context import ContextDep
from layers.errors import BadRequest, NotFound
from themes.glyphs import IN_A_RANGE, LAST_RANGE, weight_of
from themes.raster_style import Scheme
from themes.sprites import RATIOS, sheet

router = APIRouter(tags=["styles"])

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SHEETS: dict[str, tuple[Scheme, int]] = {
    f"{scheme}{'' if ratio == 1 else f'@{ratio}x'}": (scheme, ratio) for scheme in SCHEMES for ratio in RATIOS
}
"""`light`, `light@2x`, …: the names under which a client finds the sheets from a style's `sprite`."""
KEEP = "public, max-age=3600"
"""Not for longer: another version of the service may draw them otherwise."""


@router.get("/sprites/{name}.json", response_model=dict[str, dict[str, object]])
async def get_sprite_index(
    request: Request,
    name: Annotated[str, Path(description="light、dark，或加 @2x  …, or with @2x", examples=["light@2x"])],
) -> Response:
    """Where each symbol of the styles stands in the picture of the same name (MapLibre sprite)."""
    return _kept(request, Json(sheet(*_sheet(name)).index))


@router.get("/sprites/{name}.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def get_sprite(
    request: Request,
    name: Annotated[str, Path(description="light、dark，或加 @2x  …, or with @2x", examples=["light@2x"])],
) -> Response:
    """The symbols of the styles in one picture."""
    return _kept(request, Response(sheet(*_sheet(name)).png, media_type="image/png"))


@router.get(
    "/fonts/{fontstack}/{letters}.pbf",
    response_class=Response,
    responses={200: {"content": {"application/x-protobuf": {}}}},
)
async def get_glyphs(
    request: Request,
    fontstack: Annotated[str, Path(max_length=300, description="字体名，只取其字重  Only its weight counts")],
    letters: Annotated[str, Path(max_length=20, description="码位范围  Code points", examples=["0-255"])],
    context: ContextDep,
) -> Response:
    """256 letters as distance fields (MapLibre glyphs), made from a sans font of the machine that serves."""
    start = _start(letters)
    if not context.letters.fonts:
        raise NotFound(
            "本机没有可用的字体", "this machine has no font to make letters from", fontstack=fontstack[:60]
        )
    found = await context.letters.range(weight_of(fontstack), start)
    headers = {"ETag": found.etag, "Cache-Control": KEEP, "Vary": "Accept-Encoding"}
    if is_known(request, found.etag):
        return Response(status_code=304, headers=headers)
    body = found.body_gzip
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return Response(body, media_type="application/x-protobuf", headers=headers)


def _sheet(name: str) -> tuple[Scheme, int]:
    if name not in SHEETS:
        shown = name[:60]
        raise NotFound(f"没有符号图“{shown}”", f"there is no sprite {shown!r}", expected=", ".join(SHEETS))
    return SHEETS[name]


def _start(letters: str) -> int:
    """The first code point of a range such as `0-255`."""
    named = re.fullmatch(r"(\d{1,7})-(\d{1,7})", letters, re.ASCII)
    if named is not None:
        start, end = int(named[1]), int(named[2])
        if start % IN_A_RANGE == 0 and end == start + IN_A_RANGE - 1 and start <= LAST_RANGE:
            return start
    raise BadRequest(
        f"字形范围“{letters}”不对",
        f"{letters!r} is no range of glyphs",
        field="letters",
        value=letters,
        expected="0-255, 256-511, …",
    )


def _kept(request: Request, answer: Response) -> Response:
    etag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": KEEP}
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer
