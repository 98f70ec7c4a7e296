"""How many rows of each class the clusters of a lighter copy stand for (`layers.generalise`).

Counted from the rows up, zoom by zoom, so that they are exact; told of a cluster are its most frequent
classes, and together what is left.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

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


class Clusters(NamedTuple):
    """The clusters of a zoom: a temporary table of their `members` by class, and what is `told` of each."""

    members: Table
    told: Subquery


def class_of_rows(layer: Layer) -> ColumnElement[Any]:
    """What a row says its class is, as text; null for a layer without classes."""
    field = class_field(layer)
    return cast(null(), Text) if field is None else cast(rows_table(layer).c[field.name], Text)


def of_rows(source: FromClause, classes: Sequence[str]) -> Subquery:
    """The rows of `source`, each by itself: `_class` is its place in `classes` (null: none), `rows` is 1."""
    listed = _listed(classes)
    # Not a bigint: the sum of those is a numeric, which is several times slower.
    one: ColumnElement[int] = literal_column("1", Integer)
    columns = (source.c._fid, source.c._shape, source.c._district, listed.c.place.label("_class"))
    joined = source.outerjoin(listed, listed.c.value == source.c._class)
    return select(*columns, one.label("rows")).select_from(joined).subquery("parts")


def of_clusters(source: FromClause, clusters: Clusters) -> Subquery:
    """The clusters of the zoom before, `source`, a row for each of their classes, as `of_rows`."""
    members = clusters.members
    columns = (source.c._fid, source.c._shape, source.c._district, members.c["class"].label("_class"))
    joined = source.join(members, members.c.fid == source.c._fid)
    return select(*columns, members.c.rows).select_from(joined).subquery("parts")


def _listed(classes: Sequence[str]) -> Values:
    listed = values(column("value", Text), column("place", Integer), name="classes")
    return listed.data([(value, place) for place, value in enumerate(classes)])


async def keep_members(connection: AsyncConnection, found: Select[Any], classes: Sequence[str]) -> Clusters:
    """Clusters from `fid`, `class` and `rows`, until the transaction ends or they are forgotten."""
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
    return Clusters(kept, _told(kept, classes))


async def forget_members(connection: AsyncConnection, clusters: Clusters | None) -> None:
    """Drops what `keep_members` made."""
    if clusters is not None:
        await connection.execute(DropTable(clusters.members))


def _told(members: FromClause, classes: Sequence[str]) -> Subquery:
    """By cluster: `_fid`, `_count`, `_left_out` (none of a point) and `_classes`, names and numbers as JSON,
    null where it is one row by itself."""
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
    several = ranked.c.all > 1
    counts = func.jsonb_object_agg(name, number, type_=JSONB).filter(several)
    return (
        select(
            ranked.c.fid.label("_fid"),
            func.min(ranked.c.all).label("_count"),
            literal_column("0", BigInteger).label("_left_out"),
            counts.label("_classes"),
        )
        .select_from(joined)
        .where(ranked.c.rank <= TOLD_OF_A_CLUSTER + 1)
        .group_by(ranked.c.fid)
        .subquery("told")
    )


def nothing_told() -> ColumnElement[Any]:
    """Of a shape that is no cluster."""
    return cast(null(), JSONB)
