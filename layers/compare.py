"""Two versions of a layer side by side: how many rows differ, where, and which, as one viewer may see them.

Rows are paired by business key and compared by what the scopes let out, so a change of a hidden field is
no difference. The earlier side may be None: the layer did not stand yet, and every row of the later is added.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, case, false, func, literal_column, or_, select

from layers.access import Scope
from layers.db import Database
from layers.filters import check_number
from layers.model import BoundingBox
from layers.rows import rows, rows_apart
from layers.staged_rows import MAX_LIMIT, ChangedRow, ChangeKind, read_side, side_columns


class Differing(NamedTuple):
    """How many rows differ, and the box round their old and new places (None without a place)."""

    number: int
    box: BoundingBox | None


async def differing(db: Database, earlier: Scope | None, later: Scope) -> Mapping[ChangeKind, Differing]:
    """Rows of `later` against those of `earlier`, of the same layer, by kind; a kind without any is there."""
    old, new = _sides(earlier, later)
    low = [func.min(func.least(f(old.c._geom), f(new.c._geom))) for f in (func.ST_XMin, func.ST_YMin)]
    high = [func.max(func.greatest(f(old.c._geom), f(new.c._geom))) for f in (func.ST_XMax, func.ST_YMax)]
    kind = _kind(old, new)
    statement = (
        select(kind, func.count(), *low, *high)
        .select_from(old.join(new, old.c._key == new.c._key, full=True))
        .where(_differ(old, new, later.fields if earlier is None else earlier.fields))
        .group_by(kind)
    )
    told: dict[ChangeKind, Differing] = {k: Differing(0, None) for k in ("added", "changed", "removed")}
    async with db.connect() as connection:
        for name, count, *corners in await connection.execute(statement):
            told[name] = Differing(count, None if corners[0] is None else BoundingBox(*corners))
    return told


async def differing_rows(
    db: Database,
    earlier: Scope | None,
    later: Scope,
    kind: ChangeKind,
    *,
    limit: int = 100,
    after: str | None = None,
) -> list[ChangedRow]:
    """Rows of one kind in the order of their keys, from the one after the key `after`; at most `limit`."""
    check_number("limit", limit, 1, MAX_LIMIT)
    statement, key = _rows(earlier, later, kind)
    if after is not None:
        statement = statement.where(key > after.replace("\x00", ""))
    async with db.connect() as connection:
        found = (await connection.execute(statement.order_by(key).limit(limit))).all()
    names = later.fields if earlier is None else earlier.fields
    return [_changed_row(row, names, kind) for row in found]


async def each_differing_row(
    db: Database, earlier: Scope, later: Scope, kind: ChangeKind
) -> AsyncIterator[ChangedRow]:
    """Every row of one kind in the order of their keys, streamed; for reports of any size."""
    statement, key = _rows(earlier, later, kind)
    async with db.begin(timeout_ms=0) as connection, connection.stream(statement.order_by(key)) as found:
        async for row in found:
            yield _changed_row(row, earlier.fields, kind)


def _sides(earlier: Scope | None, later: Scope) -> tuple[FromClause, FromClause]:
    """What may differ of either version."""
    if earlier is None:
        whole = rows(later)
        return whole.where(false()).subquery("old"), whole.subquery("new")
    old, new = rows_apart(earlier, later)
    return old.subquery("old"), new.subquery("new")


def _rows(earlier: Scope | None, later: Scope, kind: ChangeKind) -> tuple[Select[Any], ColumnElement[Any]]:
    """Key, then the sides before and after; and the key's expression."""
    old, new = _sides(earlier, later)
    key = func.coalesce(old.c._key, new.c._key)
    names = later.fields if earlier is None else earlier.fields
    statement = (
        select(key, *side_columns(old, names), *side_columns(new, names))
        .select_from(old.join(new, old.c._key == new.c._key, full=True))
        .where(_differ(old, new, names), _kind(old, new) == kind)
    )
    return statement, key


def _changed_row(row: Sequence[Any], names: Sequence[str], kind: ChangeKind) -> ChangedRow:
    middle = 2 + len(names)
    return ChangedRow(
        row[0],
        None if kind == "added" else read_side(row[1:middle], names),
        None if kind == "removed" else read_side(row[middle:], names),
    )


def _kind(old: FromClause, new: FromClause) -> ColumnElement[Any]:
    return case(
        (old.c._key.is_(None), literal_column("'added'")),
        (new.c._key.is_(None), literal_column("'removed'")),
        else_=literal_column("'changed'"),
    )


def _differ(old: FromClause, new: FromClause, names: Sequence[str]) -> ColumnElement[bool]:
    # As bytes: PostGIS's own equality is that of the places, not of the vertices.
    shapes = func.ST_AsBinary(old.c._geom).is_distinct_from(func.ST_AsBinary(new.c._geom))
    return or_(
        old.c._key.is_distinct_from(new.c._key),
        shapes,
        *(old.c[name].is_distinct_from(new.c[name]) for name in names),
    )
