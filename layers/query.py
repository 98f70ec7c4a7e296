"""Rows of a layer as features: a page of them, one by key, how many, how many of each value.

The spatial questions (`identify`, `nearest`, `within`) are in `layers.spatial`, looking up by words in
`layers.search`; all are offered here. Everything takes a `Scope` and gives nothing beyond it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import ColumnElement, FromClause, func, select

from layers.access import Scope
from layers.cql2 import FilterExpression
from layers.cql2_sql import condition
from layers.db import Database
from layers.errors import BadRequest, NotFound
from layers.features import Feature, ValueCount, count_values, feature_columns, make_feature
from layers.filters import Filter, box_condition, check_number, field_conditions
from layers.model import BoundingBox
from layers.relation_state import no_longer_unique, reading
from layers.rows import comes_after_key, has_key, order_of, require_field, rows
from layers.search import SearchHit, search
from layers.spatial import Identified, Within, identify, nearest, within

__all__ = [
    "Feature",
    "FeatureQuery",
    "Identified",
    "Page",
    "SearchHit",
    "ValueCount",
    "Within",
    "count",
    "feature",
    "features",
    "identify",
    "nearest",
    "search",
    "statistics",
    "within",
]

MAX_LIMIT = 10_000
"""Most features of one page."""
MAX_VALUES = 1_000
"""Most different values that `statistics` lists, the most frequent first."""


@dataclass(frozen=True)
class FeatureQuery:
    """Which features, and how many at a time.

    `bbox` in EPSG:4490; `filters` are (field, value) pairs that all hold, a date's value may be an
    interval; `after` is the `next` of the page before; `fields` None: all that may leave. `with_count`: count
    what matches even where that means looking at every row. `where`: a CQL2 filter that holds, too.
    """

    bbox: BoundingBox | None = None
    filters: tuple[Filter, ...] = ()
    limit: int = 100
    after: str | None = None
    fields: tuple[str, ...] | None = field(default=None)
    with_count: bool = False
    where: FilterExpression | None = None


class Page(NamedTuple):
    """Features in the order of their ids; `next` None on the last page; `matched` None if not counted."""

    features: list[Feature]
    next: str | None
    matched: int | None


async def features(db: Database, scope: Scope, query: FeatureQuery) -> Page:
    """A page of features. Raises `BadRequest` for a field, value, cursor or limit that cannot be."""
    check_number("limit", query.limit, 0, MAX_LIMIT)
    table = rows(scope).subquery("scoped")
    conditions = conditions_of(scope, table, query)
    fields = query.fields if query.fields is not None else scope.fields
    statement = select(*feature_columns(scope, table, fields)).where(*conditions)
    if query.after is not None:
        statement = statement.where(_comes_after(scope, table, query.after))
    statement = statement.order_by(order_of(scope, table)).limit(query.limit + 1)
    async with reading(db, scope) as connection:
        found = (await connection.execute(statement)).all()
        matched: int | None = None
        if not conditions and _is_counted(scope):
            matched = scope.layer.feature_count
        elif query.with_count:
            counted = select(func.count()).select_from(table).where(*conditions)
            matched = int(await connection.scalar(counted) or 0)
    page = [make_feature(row, fields) for row in found[: query.limit]]
    more = len(found) > query.limit and page
    return Page(page, _cursor(scope, page[-1]) if more else None, matched)


def conditions_of(scope: Scope, table: FromClause, query: FeatureQuery) -> list[ColumnElement[bool]]:
    """What a row of `table` (of `rows(scope)`) must meet to be among those that `query` chooses."""
    conditions = field_conditions(scope, table, query.filters)
    if query.bbox is not None:
        conditions.append(box_condition(scope, table, query.bbox))
    if query.where is not None:
        conditions.append(condition(scope, table, query.where))
    return conditions


async def feature(db: Database, scope: Scope, key: str) -> Feature:
    """The feature with business key `key`; raises `NotFound` also for one outside the scope."""
    table = rows(scope).subquery("scoped")
    statement = select(*feature_columns(scope, table, scope.fields)).where(has_key(scope, table, key))
    async with reading(db, scope) as connection:
        found = (await connection.execute(statement.limit(2))).all()
    if len(found) > 1:
        raise no_longer_unique(scope.layer, key)
    if not found:
        raise NotFound(
            f"图层“{scope.layer.title.zh}”中没有“{key[:80]}”",
            f"layer {scope.layer.id!r} has no feature {key[:80]!r}",
            layer=scope.layer.id,
            key=key[:200],
        )
    return make_feature(found[0], scope.fields)


async def count(db: Database, scope: Scope, filters: Sequence[Filter] = ()) -> int:
    """How many rows match all `filters`."""
    if not filters and _is_counted(scope):
        return scope.layer.feature_count
    table = rows(scope).subquery("scoped")
    statement = select(func.count()).select_from(table).where(*field_conditions(scope, table, filters))
    async with reading(db, scope) as connection:
        return int(await connection.scalar(statement) or 0)


async def statistics(
    db: Database, scope: Scope, count_by: str, filters: Sequence[Filter] = ()
) -> list[ValueCount]:
    """How many rows have each value of the field `count_by`, most frequent first, at most `MAX_VALUES`."""
    require_field(scope, count_by)
    table = rows(scope).subquery("scoped")
    conditions = field_conditions(scope, table, filters)
    async with reading(db, scope) as connection:
        return await count_values(connection, scope, table, count_by, conditions, MAX_VALUES)


def _is_counted(scope: Scope) -> bool:
    """Whether the catalogue knows how many rows the scope holds; of a registered layer it knew once."""
    return scope.districts is None and scope.is_current and scope.layer.relation is None


def _cursor(scope: Scope, last: Feature) -> str:
    """What the next page begins after."""
    place = str(last.fid) if scope.layer.relation is None else last.key
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _comes_after(scope: Scope, table: FromClause, cursor: str) -> ColumnElement[bool]:
    """Rows after the page that ended with `cursor`; raises `BadRequest` for one that is not ours."""
    condition: ColumnElement[bool] | None = None
    try:
        place = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        if scope.layer.relation is not None:
            condition = comes_after_key(scope, table, place)
        elif 0 <= int(place) < 2**63:
            condition = table.c._fid > int(place)
    except (ValueError, binascii.Error):
        pass
    if condition is not None:
        return condition
    raise BadRequest(
        f"分页游标有误：{cursor[:80]!r}",
        f"the cursor {cursor[:80]!r} is not one of ours",
        field="after",
        value=cursor,
        expected="the `next` of the page before",
    )
