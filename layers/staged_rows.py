"""The rows a staged import would add, change or remove, a page at a time, for a person to look at.

Rows that stand are read through the viewer's scope: one who is limited to districts sees of what stands
only what is theirs. Fields that the scope keeps back are left out on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, FromClause, Select, Text, cast, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from layers.access import Scope
from layers.db import Database
from layers.features import COORDINATE_DIGITS
from layers.filters import check_number
from layers.model import Layer
from layers.parts import in_part
from layers.rows import rows
from layers.stage import Staged, stage_table
from layers.tables import rows_table

ChangeKind = Literal["added", "changed", "removed"]
MAX_LIMIT = 1_000
"""Most rows of one page."""


@dataclass(frozen=True)
class Side:
    """A row as it is before or after; `geometry`: GeoJSON text, EPSG:4490, None for a row without a place."""

    properties: dict[str, object]
    geometry: str | None


@dataclass(frozen=True)
class ChangedRow:
    """One row that differs: `before` None where it comes or may not be seen, `after` where it goes."""

    key: str
    before: Side | None
    after: Side | None


async def staged_changes(
    db: Database,
    staged: Staged,
    scope: Scope | None,
    kind: ChangeKind,
    *,
    partial: bool,
    within: Sequence[str] = (),
    limit: int = 100,
    after: str | None = None,
) -> list[ChangedRow]:
    """Rows of one kind in the order of their keys, from the one after the key `after`; at most `limit`.

    `partial` and `within` as in `layers.publish.compare`. `scope`: of the layer as it stands; None where
    it does not stand yet.
    """
    check_number("limit", limit, 1, MAX_LIMIT)
    hidden = set() if scope is None else set(scope.layer.field_names) - set(scope.fields)
    new = [name for name in staged.layer.field_names if name not in hidden]
    old = [] if scope is None else [name for name in new if scope.layer.field(name) is not None]
    if kind != "added" and scope is None:
        return []
    statement, key = _statement(staged, scope, kind, new, old)
    if kind == "removed" and scope is not None and (partial or within):
        statement = statement.where(_may_go(staged, scope.layer, partial=partial, within=within))
    if after is not None:
        statement = statement.where(key > after.replace("\x00", ""))
    async with db.connect() as connection:
        found = (await connection.execute(statement.order_by(key).limit(limit))).all()
    return [_changed_row(row, kind, new, old) for row in found]


def _statement(
    staged: Staged, scope: Scope | None, kind: ChangeKind, new: Sequence[str], old: Sequence[str]
) -> tuple[Select[Any], ColumnElement[Any]]:
    """Key, then the old row's id, shape and fields, then the new row's shape and fields."""
    stage = stage_table(staged.layer, staged.table, as_rows=staged.as_rows)
    if scope is None:
        return select(stage.c._key, *side_columns(stage, new)), stage.c._key
    standing = rows_table(scope.layer)
    seen = rows(scope, fields=old).subquery("seen")
    if kind == "added":
        joined = stage.outerjoin(standing, standing.c._key == stage.c._key)
        statement = select(stage.c._key, *side_columns(stage, new)).select_from(joined)
        return statement.where(standing.c._key.is_(None)), stage.c._key
    if kind == "removed":
        gone = seen.join(standing, standing.c._fid == seen.c._fid).outerjoin(
            stage, stage.c._key == seen.c._key
        )
        statement = select(seen.c._key, seen.c._fid, *side_columns(seen, old)).select_from(gone)
        return statement.where(stage.c._key.is_(None)), seen.c._key
    both = stage.join(standing, standing.c._key == stage.c._key).outerjoin(
        seen, seen.c._fid == standing.c._fid
    )
    statement = select(
        stage.c._key, seen.c._fid, *side_columns(seen, old), *side_columns(stage, new)
    ).select_from(both)
    return statement.where(stage.c._hash != standing.c._hash), stage.c._key


def _may_go(staged: Staged, layer: Layer, *, partial: bool, within: Sequence[str]) -> ColumnElement[bool]:
    """Which rows a delivery that is not whole removes by not naming them, or by saying that they are gone."""
    standing = rows_table(layer)
    may_go = standing.c._key == func.any(cast(list(staged.removes), ARRAY(Text)))
    return may_go if partial or not within else or_(may_go, in_part(layer, standing, within))


def side_columns(table: FromClause, names: Sequence[str]) -> list[ColumnElement[Any]]:
    """The shape and the fields of one side; in this order `read_side` reads them."""
    shape = func.ST_AsGeoJSON(table.c._geom, COORDINATE_DIGITS, 0)
    return [shape.label(None), *(table.c[name].label(None) for name in names)]


def _changed_row(row: Sequence[Any], kind: ChangeKind, new: Sequence[str], old: Sequence[str]) -> ChangedRow:
    if kind == "added":
        return ChangedRow(row[0], None, read_side(row[1:], new))
    before = None if row[1] is None else read_side(row[2:], old)
    if kind == "removed":
        return ChangedRow(row[0], before, None)
    return ChangedRow(row[0], before, read_side(row[3 + len(old) :], new))


def read_side(values: Sequence[Any], names: Sequence[str]) -> Side:
    """One side of a row selected with `side_columns(…, names)`."""
    return Side(dict(zip(names, values[1:], strict=False)), values[0])
