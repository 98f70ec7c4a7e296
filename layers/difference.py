"""What a delivery would change: stage and current rows paired by key, and the boxes round the changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    FromClause,
    MetaData,
    Select,
    Table,
    Text,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from layers.model import BoundingBox, Difference

CELLS = 8
"""Changes are boxed by a grid of 8 × 8 over their extent: at most 64 boxes, kept with the version."""
ONE_BOX_FROM = 100_000
"""So many changes are everywhere; one box says it as well and takes a fifth of the time."""


def paired(
    stage: FromClause,
    rows: FromClause,
    *,
    partial: bool,
    part: ColumnElement[bool] | None = None,
    removes: Sequence[str] = (),
) -> CompoundSelect[Any] | Select[Any]:
    """One row per difference: `kind` (added, changed, removed), `_row` of the stage, `_fid` of the row.

    Rows that the delivery does not mention are removed; with `part` only those that meet it, with `partial`
    none. The keys `removes` are removed in any case, unless the delivery brings them.
    """
    kind = case(
        (rows.c._key.is_(None), literal_column("'added'")),
        (stage.c._key.is_(None), literal_column("'removed'")),
        else_=literal_column("'changed'"),
    )
    joined = stage.join(rows, stage.c._key == rows.c._key, isouter=True, full=not partial)
    differing = (
        select(kind.label("kind"), stage.c._row, rows.c._fid)
        .select_from(joined)
        .where(stage.c._hash.is_distinct_from(rows.c._hash))
    )
    if partial and removes:
        gone = select(literal_column("'removed'"), cast(null(), BigInteger), rows.c._fid).where(
            _is_named(rows, removes), ~exists().where(stage.c._key == rows.c._key)
        )
        return union_all(differing, gone)
    if part is not None and not partial:
        may_go = or_(part, _is_named(rows, removes)) if removes else part
        return differing.where(or_(stage.c._key.is_not(None), may_go))
    return differing


def _is_named(rows: FromClause, keys: Sequence[str]) -> ColumnElement[bool]:
    return rows.c._key == func.any(cast(list(keys), ARRAY(Text)))


def changes_table(name: str) -> Table:
    """The shape of the temporary table that holds `paired` while it is applied."""
    return Table(
        name,
        MetaData(),
        Column("kind", Text),
        Column("_row", BigInteger),
        Column("_fid", BigInteger),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


async def find_changes(
    connection: AsyncConnection,
    stage: FromClause,
    rows: FromClause,
    *,
    partial: bool,
    name: str,
    part: ColumnElement[bool] | None = None,
    removes: Sequence[str] = (),
) -> Table:
    """Fills a temporary table called `name` with the differences; it goes with the transaction."""
    changes = changes_table(name)
    await connection.execute(CreateTable(changes))
    differences = paired(stage, rows, partial=partial, part=part, removes=removes)
    await connection.execute(insert(changes).from_select(["kind", "_row", "_fid"], differences))
    await connection.exec_driver_sql(f"ANALYZE {name}")
    return changes


async def measure(connection: AsyncConnection, changes: Table, stage: Table, rows: Table) -> Difference:
    """Counts and boxes of `changes`, before they are applied."""
    counted = await connection.execute(select(changes.c.kind, func.count()).group_by(changes.c.kind))
    counts = {kind: int(count) for kind, count in counted}
    staged = int(await connection.scalar(select(func.count()).select_from(stage)) or 0)
    added, changed, removed = (counts.get(k, 0) for k in ("added", "changed", "removed"))
    cells = CELLS if added + changed + removed < ONE_BOX_FROM else 1
    boxes = await _boxes(connection, changes, stage, rows, cells) if counts else ()
    return Difference(added, changed, removed, staged - added - changed, boxes)


async def _boxes(
    connection: AsyncConnection, changes: Table, stage: Table, rows: Table, cells: int
) -> tuple[BoundingBox, ...]:
    """The changed geometry's old and new bounds, gathered by the cell their centre lies in."""
    new = select(stage.c._geom.label("geom")).join(changes, changes.c._row == stage.c._row)
    old = select(rows.c._geom.label("geom")).join(changes, changes.c._fid == rows.c._fid)
    moved = union_all(new, old).subquery("moved")
    bounds = [f(moved.c.geom) for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)]
    corners = select(*(b.label(n) for b, n in zip(bounds, "wsen", strict=True))).where(
        moved.c.geom.is_not(None)
    )
    each = corners.cte("each")
    corner = [func.min(each.c.w), func.min(each.c.s), func.max(each.c.e), func.max(each.c.n)]
    if cells == 1:
        row = (await connection.execute(select(*corner))).one()
        return () if row[0] is None else (BoundingBox(*row),)
    whole = select(
        func.min(each.c.w).label("w"),
        func.min(each.c.s).label("s"),
        func.nullif(func.max(each.c.e) - func.min(each.c.w), 0).label("width"),
        func.nullif(func.max(each.c.n) - func.min(each.c.s), 0).label("height"),
    ).subquery("whole")

    def cell(low: Any, high: Any, start: Any, size: Any) -> Any:
        share = ((low + high) / 2 - start) / size * cells
        return func.coalesce(func.least(func.floor(share), cells - 1), 0)

    found = await connection.execute(
        select(*corner)
        .select_from(each.join(whole, literal(True)))
        .group_by(
            cell(each.c.w, each.c.e, whole.c.w, whole.c.width),
            cell(each.c.s, each.c.n, whole.c.s, whole.c.height),
        )
    )
    return tuple(sorted(BoundingBox(*row) for row in found))
