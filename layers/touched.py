"""Which squares of the map a version changed: what was drawn elsewhere is still right.

Counted in squares of the Web Mercator quad, for each zoom, from the bounds of the geometry before and after;
where a zoom is drawn from a lighter copy (`layers.generalise`), from what changed in the copy. Kept with the
version, so that every process, also one that starts later, knows what it may go on serving.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, FromClause, Table, delete, false, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gis.squares import share_of_side, squares_of_boxes
from layers import schema

FINEST_ZOOM = 18
"""Squares further in are told by the one of this zoom they lie in: some 130 m wide here."""
REACH = 1 / 32
"""How far beyond its sides a square may draw, as a share of its side; `tiles.square` draws half as far."""
MOST_ROWS = 50_000
"""So many changed rows are everywhere: every square counts as changed."""
MOST_SQUARES = 50_000
"""The same, of one zoom: 400 kB in memory."""
REMEMBERED = 32
"""Versions of a layer whose squares a process knows; against an older one everything counts as changed."""

Boxes = NDArray[np.float64]
"""(n, 4) west, south, east, north in degrees, EPSG:4490."""


@dataclass(frozen=True)
class Touched:
    """The changed squares for each zoom from 0 to `FINEST_ZOOM`, `row << zoom | column` ascending.

    None for a zoom: all of it changed.
    """

    squares: tuple[NDArray[np.int64] | None, ...]

    def meets(self, z: int, first_column: int, first_row: int, last_column: int, last_row: int) -> bool:
        """Whether one of the squares from the first to the last column and row of zoom `z` changed."""
        beyond = z - FINEST_ZOOM
        if beyond > 0:
            z = FINEST_ZOOM
            first_column, last_column = first_column >> beyond, last_column >> beyond
            first_row, last_row = first_row >> beyond, last_row >> beyond
        changed = self.squares[z]
        if changed is None:
            return True
        for row in range(first_row, last_row + 1):
            start, end = np.searchsorted(changed, (row << z | first_column, (row << z | last_column) + 1))
            if start < end:
                return True
        return False

    def to_bytes(self) -> bytes:
        """As kept in the database."""
        parts = []
        for squares in self.squares:
            parts.append(np.int32(-1 if squares is None else len(squares)).tobytes())
            if squares is not None:
                parts.append(np.diff(squares, prepend=0).astype("<i8").tobytes())
        return zlib.compress(b"".join(parts), 6)

    @classmethod
    def from_bytes(cls, kept: bytes) -> Touched:
        """What `to_bytes` made."""
        content, place = zlib.decompress(kept), 0
        zooms: list[NDArray[np.int64] | None] = []
        while place < len(content):
            count = int(np.frombuffer(content, "<i4", 1, place)[0])
            place += 4
            if count < 0:
                zooms.append(None)
                continue
            zooms.append(np.cumsum(np.frombuffer(content, "<i8", count, place), dtype=np.int64))
            place += 8 * count
        return cls(tuple(zooms))


def touched_squares(
    rows: Boxes | None, copies: Mapping[int, Boxes | None], drawn_reach_m: float = 0.0
) -> Touched | None:
    """The squares that changed rows lie in or reach into; at the zooms of `copies`, what changed in those.

    None, of the rows or of the copies of a zoom: so many that everything counts. None comes back where
    every zoom is like that.
    """
    if rows is None:
        return None
    zooms = [_squares(copies.get(z, rows), z, drawn_reach_m) for z in range(FINEST_ZOOM + 1)]
    return None if all(squares is None for squares in zooms) else Touched(tuple(zooms))


def _squares(boxes: Boxes | None, z: int, drawn_reach_m: float) -> NDArray[np.int64] | None:
    if boxes is None:
        return None
    # Twice as far as it is drawn, as REACH is: squares of other matrix sets are not quite of this size.
    reach = max(REACH, 2.0 * share_of_side(drawn_reach_m, z))
    return squares_of_boxes(boxes, z, reach=reach, at_most=MOST_SQUARES)


async def changed_boxes(
    connection: AsyncConnection, changes: Table, stage: FromClause, rows: FromClause, fields: Sequence[str]
) -> Boxes | None:
    """The bounds of the changed rows as they are and as they are to be, before `changes` are applied.

    Of rows that come, go, move or change one of `fields`; others look the same. None if there are more than
    `MOST_ROWS`.
    """
    moves = stage.c._geom.is_distinct_from(rows.c._geom)
    seen = or_(changes.c.kind != "changed", moves, _says_else(stage, rows, fields))
    paired = changes.outerjoin(stage, changes.c._row == stage.c._row).outerjoin(
        rows, changes.c._fid == rows.c._fid
    )
    pairs = select(stage.c._geom.label("new"), rows.c._geom.label("old")).select_from(paired).where(seen)
    found = pairs.limit(MOST_ROWS + 1).subquery("pairs")
    bounds = [func.Box2D(found.c.new), func.Box2D(found.c.old)]
    sides = [f(box) for box in bounds for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)]
    table = np.array(
        [tuple(row) for row in await connection.execute(select(*sides))], dtype=np.float64
    ).reshape(-1, 8)
    if len(table) > MOST_ROWS:
        return None
    both: Boxes = np.concatenate([table[:, :4], table[:, 4:]])
    placed: Boxes = both[~np.isnan(both[:, 0])]
    return placed


async def retold(
    connection: AsyncConnection, changes: Table, stage: FromClause, rows: FromClause, fields: Sequence[str]
) -> Sequence[int] | None:
    """The ids of rows that stay and change one of `fields`; None if there are more than `MOST_ROWS`."""
    joined = changes.join(stage, changes.c._row == stage.c._row).join(rows, changes.c._fid == rows.c._fid)
    says_else = _says_else(stage, rows, fields)
    found = select(changes.c._fid).select_from(joined).where(says_else).limit(MOST_ROWS + 1)
    fids = (await connection.scalars(found)).all()
    return None if len(fids) > MOST_ROWS else fids


def _says_else(stage: FromClause, rows: FromClause, fields: Sequence[str]) -> ColumnElement[bool]:
    return or_(false(), *(stage.c[name].is_distinct_from(rows.c[name]) for name in fields))


async def forget_touched(connection: AsyncConnection, layer_id: str) -> None:
    """From now on every version so far changed everything: what decides how rows look became another."""
    table = schema.layer_touched
    await connection.execute(delete(table).where(table.c.layer_id == layer_id))


async def keep_touched(
    connection: AsyncConnection, layer_id: str, number: int, touched: Touched | None
) -> None:
    """Writes down what version `number` changed; nothing where everything did."""
    if touched is not None:
        await connection.execute(
            insert(schema.layer_touched).values(layer_id=layer_id, number=number, squares=touched.to_bytes())
        )


async def read_touched(
    connection: AsyncConnection, after: Mapping[str, int]
) -> dict[str, dict[int, Touched]]:
    """What the versions after the given one of each layer changed, by layer and number.

    A version that is missing changed everything.
    """
    table = schema.layer_touched
    wanted = [
        (table.c.layer_id == layer_id) & (table.c.number > number) for layer_id, number in after.items()
    ]
    found: dict[str, dict[int, Touched]] = {layer_id: {} for layer_id in after}
    if wanted:
        for row in await connection.execute(select(table).where(or_(*wanted))):
            found[row.layer_id][row.number] = Touched.from_bytes(row.squares)
    return found


class Changes:
    """What the latest versions of the layers changed, as one process knows it."""

    def __init__(self) -> None:
        self._touched: dict[str, dict[int, Touched]] = {}

    def learn(self, layer_id: str, touched: Mapping[int, Touched], version: int) -> None:
        """Adds what versions changed, and forgets what is long ago."""
        known = {**self._touched.get(layer_id, {}), **touched}
        self._touched[layer_id] = {n: t for n, t in known.items() if n > version - REMEMBERED}

    def forget(self, layer_id: str) -> None:
        """A layer that is gone, or whose versions begin anew."""
        self._touched.pop(layer_id, None)

    def between(self, layer_id: str, before: int, after: int) -> Sequence[Touched] | None:
        """What every version after `before`, up to and with `after`, changed; None: everything, or unknown.

        Backwards (`after` is the older one) it is the same.
        """
        first, last = min(before, after), max(before, after)
        known = self._touched.get(layer_id, {})
        if last - first > REMEMBERED or any(n not in known for n in range(first + 1, last + 1)):
            return None
        return [known[n] for n in range(first + 1, last + 1)]
