"""How many rows of each class the clusters of a lighter copy stand for (`layers.generalise`).

Counted from the rows up, zoom by zoom, so that they are exact; told of a cluster are its most frequent
classes, and together what is left.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    MetaData,
    Select,
    Subquery,
    Table,
    Text,
    Values,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    values,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable, DropTable

from layers.classes import COUNT_OF, COUNT_OF_OTHERS, class_field
from layers.model import Layer
from layers.tables import rows_table

MOST_CLASSES = 64
"""The most frequent of a layer; each is one name in a tile."""
LONGEST_CLASS = 40
"""Characters; longer values are texts and no classes."""
TOLD_OF_A_CLUSTER = 4


async def classes_of(connection: AsyncConnection, layer: Layer) -> tuple[str, ...]:
    """The values by which the layer's clusters are counted, the most frequent first.

    Empty without such a field, and where fewer than half of the rows that say something there say one of
    these: it then holds names or numbers and no classes.
    """
    field = class_field(layer)
    if field is None:
        return ()
    rows = rows_table(layer)
    value = cast(rows.c[field.name], Text)
    counts = (
        select(value.label("value"), func.count().label("rows"))
        .where(rows.c._geom_3857.is_not(None))
        .group_by(value)
        .subquery("counts")
    )
    is_said = counts.c.value != ""
    is_class = is_said & (func.char_length(counts.c.value) <= LONGEST_CLASS)
    total = select(func.sum(counts.c.rows)).where(is_said).scalar_subquery()
    found = await connection.execute(
        select(counts.c.value, counts.c.rows, total)
        .where(is_class)
        .order_by(counts.c.rows.desc(), counts.c.value)
        .limit(MOST_CLASSES)
    )
    listed = found.all()
    if not listed or 2 * sum(int(row[1]) for row in listed) < int(listed[0][2]):
        return ()
    return tuple(row[0] for row in listed)


def members_of_rows(layer: Layer, classes: Sequence[str]) -> Subquery:
    """Each row by itself: `fid`, `class` (its place in `classes`; null: none of them), `rows`."""
    field = class_field(layer)
    assert field is not None
    rows = rows_table(layer)
    listed = _listed(classes)
    joined = rows.outerjoin(listed, listed.c.value == cast(rows.c[field.name], Text))
    # Not a bigint: the sum of those is a numeric, which is several times slower.
    one: ColumnElement[int] = literal_column("1", Integer)
    members = select(rows.c._fid.label("fid"), listed.c.place.label("class"), one.label("rows"))
    return members.select_from(joined).subquery("members")


def _listed(classes: Sequence[str]) -> Values:
    listed = values(column("value", Text), column("place", Integer), name="classes")
    return listed.data([(value, place) for place, value in enumerate(classes)])


async def keep_members(connection: AsyncConnection, found: Select[Any]) -> Table:
    """`fid`, `class` and `rows` of a zoom's clusters, until the transaction ends or they are dropped."""
    kept = Table(
        f"onemap_{secrets.token_hex(6)}",
        MetaData(),
        Column("fid", BigInteger),
        Column("class", Integer),
        Column("rows", Integer),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    await connection.execute(CreateTable(kept))
    await connection.execute(insert(kept).from_select(["fid", "class", "rows"], found))
    await connection.exec_driver_sql(f"ANALYZE {kept.name}")
    return kept


async def forget_members(connection: AsyncConnection, kept: FromClause) -> None:
    """Drops what `keep_members` made; harmless for anything else."""
    if isinstance(kept, Table):
        await connection.execute(DropTable(kept))


def told_of(members: FromClause, classes: Sequence[str]) -> Subquery:
    """By `fid` of a cluster of several rows, what its feature tells: `classes`, names and numbers as JSON."""
    fid, of_class, rows = members.c.fid, members.c["class"], members.c.rows
    # The order of `classes` is that of the layer's most frequent; nulls, who are none of them, come last.
    order = (of_class.is_(None), rows.desc(), of_class)
    ranked = select(
        members,
        func.row_number().over(partition_by=fid, order_by=order).label("rank"),
        func.sum(rows).over(partition_by=fid).label("all"),
        func.sum(rows).over(partition_by=fid, order_by=order, rows=(None, 0)).label("so_far"),
    ).subquery("ranked")
    is_named = ranked.c["class"].is_not(None) & (ranked.c.rank <= TOLD_OF_A_CLUSTER)
    # The first that has no room for a name of its own stands for all after it too.
    left = ranked.c.all - ranked.c.so_far + ranked.c.rows
    listed = _listed(classes)
    joined = ranked.outerjoin(listed, listed.c.place == ranked.c["class"])
    name = case((is_named, literal(COUNT_OF).concat(listed.c.value)), else_=literal(COUNT_OF_OTHERS))
    number = case((is_named, ranked.c.rows), else_=left)
    return (
        select(ranked.c.fid, func.jsonb_object_agg(name, number, type_=JSONB).label("classes"))
        .select_from(joined)
        .where(ranked.c.rank <= TOLD_OF_A_CLUSTER + 1, ranked.c.all > 1)
        .group_by(ranked.c.fid)
        .subquery("told")
    )


def nothing_told() -> ColumnElement[Any]:
    """Of a shape that is no cluster."""
    return cast(null(), JSONB)
