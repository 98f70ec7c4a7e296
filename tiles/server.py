"""Tiles for scopes: kept ones at once, others drawn by the database."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from inspect import getsource

from gis.matrix_sets import WEB_MERCATOR_QUAD
from gis.squares import Tile
from layers import generalise, rows
from layers import tile_fields as travelling
from layers.access import Scope
from layers.catalogue import Catalogue
from layers.classes import counted_class
from layers.cql2 import FilterExpression
from layers.cql2_sql import condition, filter_fields
from layers.db import Database
from layers.errors import BadRequest, RelationChanged, TooMuch
from layers.function_arguments import Given, read_arguments, refuse_said
from layers.model import Layer
from layers.relation_state import blaming, refused_to_read_ours
from layers.schema import OWN_PREFIX
from layers.tile_fields import tile_fields
from tiles import statement as drawing
from tiles import thinning
from tiles.cache import COMPRESSION_LEVEL, FAR_COMPRESSION_LEVEL, NOTHING_HERE, EncodedTile, TileCache, encode
from tiles.square import Frame, Square, margin_units, mercator_square
from tiles.statement import Band, DrawStatement, band_of, compose
from tiles.store import Stamp, TileStore

MAX_LAYERS = 16
"""Layers in one tile; a style needs about ten, and each costs the database a scan."""
MAX_LAYERS_OF_ALL = 64
"""Layers in a tile of everything the viewer may see."""
MAX_STATEMENTS = 2048
"""Composed statements kept (a few kB each)."""
COMPRESS_ASIDE_BYTES = 64 * 1024
"""From here on compressing takes milliseconds and is done in a thread, so that other answers go on."""

UNWATCHED_LASTS_S = 30
"""How long a tile is kept of a registered table that nobody watches, here and again at the client's."""

_StatementKey = tuple[str, Frame, tuple[Band | None, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Selection:
    """Scopes to be drawn together, in order.

    `key` names them without the versions of those that are current, `versions` are those of all.
    `is_versioned`: whatever changes their rows makes a version. `lasts_s`: how long what was drawn may be
    kept though nobody tells of changes; None: as long as the versions stand. `where`: a filter, of one scope.
    `given`: what is said to a function, of one scope too.
    """

    scopes: tuple[Scope, ...]
    key: str
    versions: tuple[int, ...]
    is_versioned: bool = True
    lasts_s: int | None = None
    where: FilterExpression | None = None
    given: Given = ()


def select_scopes(scopes: Sequence[Scope], *, limit: int = MAX_LAYERS) -> Selection:
    """`scopes` as a selection.

    Raises `TooMuch` above `limit`, `BadRequest` for none, one twice, or a function layer beside others.
    """
    ids = [scope.layer.id for scope in scopes]
    if len(ids) > limit:
        raise TooMuch(
            f"一次最多请求 {limit} 个图层，收到 {len(ids)} 个",
            f"at most {limit} layers in one tile, {len(ids)} were asked for",
            limit=limit,
            number=len(ids),
        )
    if not ids or len(set(ids)) < len(ids):
        raise BadRequest(
            "图层不能为空，也不能重复",
            "name at least one layer, and each layer once",
            field="layers",
            value=",".join(ids),
            expected="layer ids, each once",
        )
    functions = [scope.layer.id for scope in scopes if scope.layer.function is not None]
    if functions and len(scopes) > 1:
        # It may take long, or fail, and what is said in the address is said to one.
        raise BadRequest(
            f"函数图层须单独请求：{functions[0]}",
            f"a function layer is asked for by itself: {functions[0]!r}",
            field="layers",
            value=",".join(ids),
            expected=functions[0],
        )
    relations = [scope.layer.relation for scope in scopes if scope.layer.relation is not None]
    is_watched = not functions and all(relation.follows for relation in relations)
    return Selection(
        tuple(scopes),
        ";".join(map(_key, scopes)),
        tuple(scope.version for scope in scopes),
        is_versioned=not (relations or functions),
        lasts_s=None if is_watched else UNWATCHED_LASTS_S,
    )


def called(selection: Selection, said: Sequence[tuple[str, str]]) -> Selection:
    """The selection with `said` (names and texts of an address) to its function.

    Raises `BadRequest` where it has none and something is said, and as `read_arguments`.
    """
    functions = [scope.layer for scope in selection.scopes if scope.layer.function is not None]
    if not functions:
        refuse_said(said)
        return selection
    (layer,) = functions
    given = read_arguments(layer, said)
    return replace(selection, key=f"{selection.key}({given!r})", given=given) if given else selection


def filtered(selection: Selection, where: FilterExpression) -> Selection:
    """The rows of `selection` that meet `where`. Raises `BadRequest` for several layers, or one that lacks
    what the filter names."""
    if len(selection.scopes) != 1:
        raise BadRequest(
            "filter 只能用于单个图层",
            "a filter is for one layer at a time",
            field="filter",
            value=",".join(scope.layer.id for scope in selection.scopes),
            expected="one layer",
        )
    (scope,) = selection.scopes
    if scope.layer.function is not None:
        raise BadRequest(
            f"函数图层用参数选择，不能用 filter：{scope.layer.id}",
            f"a function layer is chosen from by its arguments, not by a filter: {scope.layer.id!r}",
            field="filter",
            value=scope.layer.id,
            expected="a layer with rows",
        )
    source = rows.rows(scope, fields=filter_fields(scope, where)).subquery("source")
    condition(scope, source, where)
    return replace(selection, key=f"{selection.key}?{where.key}", where=where)


@cache
def _drawing_code() -> str:
    """Names the code that draws: after an upgrade that draws otherwise, tiles on disk are drawn anew."""
    sources = (drawing, thinning, generalise, rows, travelling)
    told = blake2b(digest_size=8)
    for module in sources:
        told.update(getsource(module).encode())
    return told.hexdigest()


def stamps_of(selection: Selection) -> set[Stamp]:
    """What names the state of the database that the current versions of a selection stand in."""
    return {
        Stamp.of(scope.layer.id, scope.version, scope.layer.published_at)
        for scope in selection.scopes
        if scope.is_current and scope.layer.published_at is not None
    }


def _key(scope: Scope) -> str:
    """What decides how a scope is drawn. Fields and zooms too: a description can change without a version.

    The current version is no part of it: most squares look the same in the next one.
    """
    layer = scope.layer
    fields = ",".join(f.name for f in tile_fields(scope))
    version = "" if scope.is_current else f"@{scope.version}"
    read = layer.relation or layer.function
    table = "" if read is None else f"{zlib.crc32(repr(read).encode()):08x}"
    counted = counted_class(scope)
    classes = "" if counted is None else f"#{counted.name}"
    looks = f"{layer.min_zoom}~{layer.drawn_reach_m:g}{layer.generalised or ''}"
    return f"{layer.id}{version}{scope.allowed}({fields}){looks}{classes}{table}"


class TileServer:
    """Draws and keeps tiles of one database. One per process."""

    def __init__(
        self,
        db: Database,
        catalogue: Catalogue,
        *,
        cache: TileCache[EncodedTile] | None = None,
        store: TileStore | None = None,
    ) -> None:
        self._db = db
        self._catalogue = catalogue
        self._store = store
        self.cache: TileCache[EncodedTile] = cache or TileCache()
        self._statements: OrderedDict[_StatementKey, DrawStatement] = OrderedDict()

    def __repr__(self) -> str:
        return f"TileServer({self.cache!r})"

    async def tile(self, scopes: Sequence[Scope], tile: Tile) -> EncodedTile:
        """The tile of the Web Mercator quad with `scopes` drawn in it, kept or drawn."""
        selection, square = select_scopes(scopes), mercator_square(tile)
        return self.kept(selection, square) or await self.drawn(selection, square)

    def kept(self, selection: Selection, square: Square, name: Hashable | None = None) -> EncodedTile | None:
        """The tile if it is in memory and right for the selection's versions.

        One drawn for earlier versions still is where none of those that followed changed its square.
        `name`: by `lasting_name`, for who asks for the same again and again.
        """
        key = name or _name(selection, square)
        tile = self.cache.get(key)
        if tile is None or tile.versions == selection.versions:
            return tile
        if not self._stayed(tile.versions, selection, square):
            return None
        renewed = replace(tile, versions=selection.versions)
        self.cache.put(key, renewed)
        return renewed

    async def drawn(self, selection: Selection, square: Square) -> EncodedTile:
        """The tile, drawn now unless it is kept or being drawn. Raises `TimedOut`, `Unavailable`."""
        return await self.cache.get_or_draw(
            _name(selection, square), lambda: self._obtain(selection, square), selection.versions
        )

    async def _obtain(self, selection: Selection, square: Square) -> EncodedTile:
        """The tile from disk if it is there and right, else drawn.

        What is drawn from a registered table is not kept on disk: it may change while no process listens.
        Nor is what is filtered: there are as many filters as requests.
        """
        if self._store is None or not selection.is_versioned or selection.where is not None:
            return await self._draw(selection, square)
        key = f"{_drawing_code()} {selection.key}"
        found = await self._store.find(key, square.place)
        if found is not None and self._stayed(found.versions, selection, square):
            return replace(found, versions=selection.versions, from_disk=True)
        tile = await self._draw(selection, square)
        self._store.keep(key, square.place, tile, stamps_of(selection))
        return tile

    def _stayed(self, versions: tuple[int, ...], selection: Selection, square: Square) -> bool:
        """Whether the square looks in the selection's versions as it does in `versions`.

        What is filtered may turn on a field that is not drawn, and far out on rows that have no copy.
        """
        if selection.where is not None:
            return versions == selection.versions
        for scope, before in zip(selection.scopes, versions, strict=True):
            if before != scope.version:
                changes = self._catalogue.changes.between(scope.layer.id, before, scope.version)
                if changes is None or any(change.meets(*square.cells) for change in changes):
                    return False
        return True

    async def _draw(self, selection: Selection, square: Square) -> EncodedTile:
        # Whatever is published while it is drawn may be in the tile already; it is then drawn once too often.
        return replace(await self._drawn_of_those_there(selection, square), versions=selection.versions)

    async def _drawn_of_those_there(self, selection: Selection, square: Square) -> EncodedTile:
        """The tile without the layers whose table is gone; raises `RelationChanged` if all are."""
        try:
            async with blaming(self._db, [scope.layer for scope in selection.scopes]):
                return await self._drawn_now(selection, square)
        except RelationChanged as error:
            left = [scope for scope in selection.scopes if scope.layer.id not in error.layer_ids]
            if not left:
                raise
            rest = select_scopes(left, limit=MAX_LAYERS_OF_ALL)
            tile = await self._drawn_of_those_there(rest, square)
            return replace(tile, unavailable=(*error.layer_ids, *tile.unavailable), answers={})

    async def _drawn_now(self, selection: Selection, square: Square) -> EncodedTile:
        statement = self._statement(selection, square)
        if statement is None:
            return NOTHING_HERE
        layer, parameters = selection.scopes[0].layer, statement.parameters(square)
        if layer.function is not None:
            (row,), read = await self._db.draw_by_others(statement.text, parameters, OWN_PREFIX)
            if read:
                raise refused_to_read_ours(layer, read)
        else:
            # A filter comes once or a few times; prepared, it would push out what is drawn all day.
            prepare = selection.where is None
            (row,) = await self._db.draw(statement.text, parameters, prepare=prepare)
        content = b"".join(row[0::3])
        left_out = _counted(statement, row[1::3])
        merged = _counted(statement, row[2::3])
        level = COMPRESSION_LEVEL if square.zoom >= drawing.EXACT_FROM_ZOOM else FAR_COMPRESSION_LEVEL
        if len(content) < COMPRESS_ASIDE_BYTES:
            return encode(content, left_out, merged, level)
        return await asyncio.to_thread(encode, content, left_out, merged, level)

    def _statement(self, selection: Selection, square: Square) -> DrawStatement | None:
        """What draws the selection at this zoom; None if none of its layers is drawn there."""
        is_filtered = selection.where is not None
        bands = tuple(band_of(scope, square.zoom, is_filtered=is_filtered) for scope in selection.scopes)
        pairs = zip(selection.scopes, bands, strict=True)
        shown = [(scope, band) for scope, band in pairs if band is not None]
        margins = tuple(margin_units(scope.layer.drawn_reach_m, square.zoom) for scope, _ in shown)
        key = (selection.key, square.frame, bands, margins)
        if key in self._statements:
            return self._statements[key]
        if not shown:
            return None
        functions = [scope.layer for scope in selection.scopes if scope.layer.function is not None]
        for layer in functions:
            refuse_elsewhere(layer, square)
        statement = compose(shown, square.frame, selection.where, selection.given, margins)
        if is_filtered or functions:
            return statement
        self._statements[key] = statement
        if len(self._statements) > MAX_STATEMENTS:
            self._statements.popitem(last=False)
        return statement


def refuse_elsewhere(layer: Layer, square: Square) -> None:
    """Raises `BadRequest` for a function that takes columns and rows of the Web Mercator quad and a square of
    another matrix set."""
    assert layer.function is not None
    if {"x", "y"} & set(layer.function.square) and square.matrix_set != WEB_MERCATOR_QUAD.id:
        raise BadRequest(
            f"图层“{layer.title.zh}”的函数按 x、y 取瓦片，只能用 {WEB_MERCATOR_QUAD.id}",
            f"the function of layer {layer.id!r} takes x and y, which are those of {WEB_MERCATOR_QUAD.id}",
            field="tileMatrixSetId",
            value=square.matrix_set,
            expected=WEB_MERCATOR_QUAD.id,
        )


def lasting_name(selection: Selection, square: Square) -> Hashable | None:
    """What `TileServer.kept` may be told again for the same selection; None where it changes by the clock."""
    return _name(selection, square) if selection.lasts_s is None else None


def _name(selection: Selection, square: Square) -> Hashable:
    """What a kept tile is called: another name in each period, if nobody tells of changes."""
    period = 0 if selection.lasts_s is None else int(time.monotonic() // selection.lasts_s)
    return selection.key, period, *square.place


def _counted(statement: DrawStatement, numbers: Sequence[int]) -> dict[str, int]:
    return {i: n for i, n in zip(statement.layer_ids, numbers, strict=True) if n}
