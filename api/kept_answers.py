"""The shortcut of a kept tile: an anonymous caller's answer, with nothing of the application entered.

What an address asks for is read once, and the two messages of an answer are made once for each kept tile.
Each request still proves, in this order, that it is as simple as that, that the layers stand as they stood
when the address was read, and that the tile is in memory and right for their versions.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import NamedTuple, cast

from starlette.types import Scope as AsgiScope

from api.tile_address import read_address
from api.tile_answer import TileAnswer, accepts_gzip, accepts_tile, tile_answer
from api.tile_selection import Chosen, Selections
from gis.own_matrix_sets import MatrixSets
from layers.access import ANONYMOUS
from layers.errors import OneMapError
from tiles.server import TileServer, lasting_name
from tiles.square import Square

ADDRESSES = 16_384
"""Addresses remembered; all are forgotten together where there are more."""

_LOOKED_AT = frozenset(
    {b"accept", b"accept-encoding", b"if-none-match", b"authorization", b"cookie", b"origin", b"x-request-id"}
)
logger = logging.getLogger("onemap.requests")


class _Asked(NamedTuple):
    """`key` names what decides an answer beside the tile: who may keep it, and for how long.

    `revision`: of the layers, when it was read. `name`: of the tile, where that stays the same.
    """

    revision: int
    chosen: Chosen
    square: Square
    key: tuple[bool, bool, int | None]
    name: Hashable | None


class KeptAnswers:
    """Answers of kept tiles by address. One per process."""

    def __init__(self, selections: Selections, tiles: TileServer, matrix_sets: MatrixSets) -> None:
        self._selections = selections
        self._tiles = tiles
        self._matrix_sets = matrix_sets
        self._read_already: dict[tuple[str, bytes], _Asked] = {}

    def answer(self, scope: AsgiScope) -> TileAnswer | None:
        """The answer, not to be changed; None for whatever is not simple: it goes its way by the doorway."""
        path, query = scope["path"], scope["query_string"]
        if not path.startswith("/tiles/") or scope["method"] != "GET" or logger.isEnabledFor(logging.INFO):
            return None
        accepts = known = b""
        for name, value in scope["headers"]:
            if name in _LOOKED_AT:
                if name == b"accept-encoding":
                    accepts = value
                elif name == b"if-none-match":
                    known = value
                elif name != b"accept" or not accepts_tile(value):
                    return None
        asked = self._read_already.get((path, query))
        if asked is None or asked.revision != self._selections.revision:
            asked = self._read(path, query)
            if asked is None:
                return None
        tile = self._tiles.kept(asked.chosen.selection, asked.square, asked.name)
        if tile is None:
            return None
        # What is usual, and not so small that making it again costs less than keeping it.
        is_usual = not known and not tile.is_empty and accepts_gzip(accepts)
        made = tile.answers.get(asked.key) if is_usual else None
        if made is not None:
            return cast(TileAnswer, made)
        is_public, is_current, lasts_s = asked.key
        answer = tile_answer(
            scope["headers"], tile, is_public=is_public, is_current=is_current, was_kept=True, lasts_s=lasts_s
        )
        if is_usual:
            tile.answers[asked.key] = answer
        return answer

    def _read(self, path: str, query: bytes) -> _Asked | None:
        """What the address asks for, where that is known without asking the database."""
        if b"filter" in query:
            return None
        try:
            read = read_address(path, query, self._matrix_sets)
        except OneMapError:
            return None
        if read.said:
            return None
        chosen = self._selections.kept(ANONYMOUS, read.layers or "", read.as_of)
        if chosen is None or read.token not in (None, chosen.token):
            return None  # another token may be of a later version than this process knows
        is_current = read.token is not None and chosen.selection.is_versioned
        key = (chosen.is_public, is_current, chosen.selection.lasts_s)
        name = lasting_name(chosen.selection, read.square)
        asked = _Asked(self._selections.revision, chosen, read.square, key, name)
        if len(self._read_already) >= ADDRESSES:
            self._read_already.clear()
        self._read_already[path, query] = asked
        return asked
