"""How a tile is answered: status, tag, coding, and for how long it may be kept."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import orjson
from starlette.types import Message

from api.tile_address import MEDIA_TYPE
from tiles.cache import EncodedTile

VARY = b"Accept-Encoding, Authorization, Cookie"
FOR_EVER = b"public, max-age=31536000, immutable"
ASK_AGAIN = b"public, max-age=0, must-revalidate"
ASK_AGAIN_PRIVATE = b"private, no-cache"
"""What a private answer may be kept for: a browser may change hands, so it asks every time."""

UNTIL_MENDED = b"no-store"
"""A tile without layers whose table is gone."""
EXPOSED = b"ETag, X-OneMap-Left-Out, X-OneMap-Merged, X-OneMap-Unavailable, X-OneMap-Cache"

Headers = Iterable[tuple[bytes, bytes]]


class TileAnswer(NamedTuple):
    """The two messages of an answer; both are the server's to send as they are."""

    start: Message
    body: Message


def tile_answer(
    asked: Headers,
    tile: EncodedTile,
    *,
    is_public: bool,
    is_current: bool,
    was_kept: bool,
    lasts_s: int | None = None,
) -> TileAnswer:
    """200 with the tile, 204 for an empty one, 304 for one the client has. `asked`: the request's headers.

    `is_public`: anybody gets the same. `is_current`: the address names exactly what was drawn, so that it
    never has to be asked for again. `lasts_s`: how long it is right, if nobody tells of changes.
    """
    accepts = known = b""
    for name, value in asked:
        if name == b"accept-encoding":
            accepts = value
        elif name == b"if-none-match":
            known = value
    zipped = accepts_gzip(accepts)
    # Two codings of one tile are two representations, so their strong tags differ (RFC 9110 §8.8.3.3).
    etag = f'"{tile.etag}"' if zipped else f'"{tile.etag}.i"'
    headers = [
        (b"etag", etag.encode()),
        (b"vary", VARY),
        (b"x-onemap-cache", b"hit" if was_kept else b"disk" if tile.from_disk else b"miss"),
    ]
    if is_public:
        headers += (
            (b"cache-control", _may_be_kept(tile, lasts_s, is_current=is_current)),
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", EXPOSED),
        )
    else:
        headers.append((b"cache-control", ASK_AGAIN_PRIVATE))
    if tile.unavailable:
        headers.append((b"x-onemap-unavailable", ",".join(tile.unavailable).encode()))
    if tile.left_out:
        headers.append((b"x-onemap-left-out", orjson.dumps(tile.left_out)))
    if tile.merged:
        headers.append((b"x-onemap-merged", orjson.dumps(tile.merged)))
    status, body = 200, b""
    if tile.is_empty:
        status = 204
    elif known and knows(known, tile.etag):
        status = 304
    else:
        body = tile.body_gzip if zipped else tile.identity()
        headers += (
            (b"content-type", _MEDIA_TYPE),
            (b"content-length", str(len(body)).encode()),
            *_GZIP[: 1 if zipped else 0],
        )
    return TileAnswer(
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


def _may_be_kept(tile: EncodedTile, lasts_s: int | None, *, is_current: bool) -> bytes:
    """`Cache-Control` of a tile that anybody may have."""
    if tile.unavailable:
        return UNTIL_MENDED
    if lasts_s is not None:
        return b"public, max-age=%d" % lasts_s
    return FOR_EVER if is_current else ASK_AGAIN


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


@lru_cache(maxsize=256)
def accepts_tile(header: bytes) -> bool:
    """Whether `Accept` allows a Mapbox Vector Tile (RFC 9110 §12.5.1), under any name it goes by.

    >>> accepts_tile(b"*/*"), accepts_tile(b"application/vnd.maplibre-vector-tile")
    (True, False)
    >>> accepts_tile(b"application/vnd.maplibre-vector-tile, application/*;q=0.5"), accepts_tile(b"*/*;q=0")
    (True, False)
    """
    weights: dict[bytes, float] = {}
    for part in header.lower().split(b",")[:50]:
        kind, *parameters = (piece.strip() for piece in part.split(b";"))
        weight = next((each[2:] for each in parameters if each.startswith(b"q=")), b"1")
        try:
            weights[kind] = float(weight)
        except ValueError:
            weights[kind] = 0.0
    named = [weights[name] for name in _NAMES if name in weights]
    if named:
        return max(named) > 0
    return weights.get(b"application/*", weights.get(b"*/*", 0.0)) > 0


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


_MEDIA_TYPE = MEDIA_TYPE.encode()
_NAMES = (_MEDIA_TYPE, b"application/x-protobuf", b"application/octet-stream")
_GZIP = ((b"content-encoding", b"gzip"),)
