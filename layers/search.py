"""Where is this: rows by code or by words, across layers, the best first.

Three looks, each by an index: equal, beginning with, containing. The last is taken only while the first
two leave room. Chinese queries of one or two characters work like longer ones (see
`tables.search_expression`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.access import Scope
from layers.db import Database
from layers.errors import BadRequest
from layers.filters import check_number
from layers.model import BoundingBox, Layer
from layers.relation_state import reading
from layers.rows import order_of, rows
from layers.tables import PREFIX_LENGTH, beginning, search_expression, text_search_fields

MAX_RESULTS = 100
MAX_LENGTH = PREFIX_LENGTH
"""Longest query, in characters: what the index on beginnings can tell."""

_INDEXED = re.compile(r"[a-zA-Z0-9]{3}|[^\W_a-zA-Z0-9]")
"""What has a trigram in `tables.search_expression`: three letters or digits, or one character elsewhere."""

# The planner hopes to meet enough rows by reading the table from its start, and reads all of it when two
# common words never stand together. The bitmap of the words is a few milliseconds in any case.
_ONLY_BITMAPS = select(
    func.set_config("enable_seqscan", "off", True), func.set_config("enable_indexscan", "off", True)
)

_EQUAL, _BEGINS, _CONTAINS = 0, 1, 2


class SearchHit(NamedTuple):
    """A row that was found. `lon`, `lat` lie on it (EPSG:4490); both None, as `bounds`, without a place.

    `rank` 0: equal to the query, 1: begins with it, 2: contains it.
    """

    layer: Layer
    key: str
    fid: int
    title: str
    subtitle: str
    lon: float | None
    lat: float | None
    bounds: BoundingBox | None
    rank: int
    matched: str
    """The searched value that earned the rank: a shorter one is the closer match."""


async def search(db: Database, scopes: Sequence[Scope], text: str, limit: int = 20) -> list[SearchHit]:
    """Rows whose searched fields equal, begin with or contain `text`, best first, at most `limit`.

    Words divided by spaces must all be contained. Letters count as equal in either case. Empty text finds
    nothing. Raises `BadRequest` for a text above `MAX_LENGTH`.
    """
    check_number("limit", limit, 1, MAX_RESULTS)
    wanted = " ".join(text.replace("\x00", " ").split())
    if len(wanted) > MAX_LENGTH:
        raise BadRequest(
            f"搜索词过长，最多 {MAX_LENGTH} 个字符",
            f"the query is longer than {MAX_LENGTH} characters",
            field="q",
            value=text,
            expected=f"at most {MAX_LENGTH} characters",
        )
    if not wanted:
        return []
    hits: dict[tuple[str, str], SearchHit] = {}
    async with reading(db, *scopes) as connection:
        for scope in scopes:
            for hit in await _run(connection, scope, _beginning(scope, wanted, limit), wanted):
                hits.setdefault((scope.layer.id, hit.key), hit)
        await connection.execute(_ONLY_BITMAPS)
        for scope in scopes:
            if len(hits) < limit:
                for hit in await _run(connection, scope, _containing(scope, wanted, limit), wanted):
                    hits.setdefault((scope.layer.id, hit.key), hit)
    best = sorted(hits.values(), key=lambda h: (h.rank, len(h.matched), h.key))
    return best[:limit]


def _searched(scope: Scope) -> list[str]:
    return [name for name in text_search_fields(scope.layer) if name in scope.fields]


def _beginning(scope: Scope, text: str, limit: int) -> Select[Any] | None:
    """Ids of rows in which a searched field equals or begins with `text`, the equal ones first."""
    table = rows(scope).subquery("scoped")
    spellings = list(dict.fromkeys((text, text.upper(), text.lower())))
    looks = []
    for name in _searched(scope):
        column = beginning(table.c[name])
        equal = select(order_of(scope, table)).where(column.in_(spellings)).limit(limit)
        begins = (
            select(order_of(scope, table))
            .where(or_(*(column.startswith(s, autoescape=True) for s in spellings)))
            .limit(limit)
        )
        looks += [equal, begins]
    if not looks:
        return None
    return select(union_all(*(select(look.subquery()) for look in looks)).subquery("found"))


def _containing(scope: Scope, text: str, limit: int) -> Select[Any] | None:
    """Ids of rows whose searched fields together contain every word of `text`.

    None if no word can be looked up: one or two Latin letters or digits are found at the beginning only,
    as the index knows no shorter piece of them and half the city contains a "1".
    """
    names = _searched(scope)
    if not names or not any(_INDEXED.search(word) for word in text.split()):
        return None
    table = rows(scope).subquery("scoped")
    return select(order_of(scope, table)).where(_contains_all(scope, table, names, text)).limit(limit)


def _contains_all(scope: Scope, table: FromClause, names: Sequence[str], text: str) -> ColumnElement[bool]:
    if tuple(names) == text_search_fields(scope.layer):
        searched = search_expression(tuple(names), table)
        return and_(*(searched.contains(_spread(word), autoescape=True) for word in text.split()))
    # Some searched field is hidden from this viewer: the index holds it, so it must not be used.
    return and_(
        *(or_(*(table.c[n].icontains(word, autoescape=True) for n in names)) for word in text.split())
    )


def _spread(word: str) -> str:
    """`word` as `tables.search_expression` stores it; being contained is kept by it."""
    return re.sub(r"([^ -~])", r" \1 ", word.lower())


async def _run(
    connection: AsyncConnection, scope: Scope, chosen: Select[Any] | None, text: str
) -> list[SearchHit]:
    if chosen is None:
        return []
    table = rows(scope).subquery("scoped")
    geometry = table.c._geom
    point = func.ST_PointOnSurface(geometry)
    places = [func.ST_X(point), func.ST_Y(point)]
    places += [f(geometry) for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)]
    named = scope.layer.name_field if scope.layer.name_field in scope.fields else None
    shown = list(dict.fromkeys([*([named] if named else []), *_searched(scope)]))
    statement = select(table.c._key, table.c._fid, *places, *(table.c[n] for n in shown)).where(
        order_of(scope, table).in_(chosen)
    )
    found = await connection.execute(statement)
    return [_hit(scope.layer, tuple(row), shown, text) for row in found]


def _hit(layer: Layer, row: tuple[Any, ...], shown: Sequence[str], text: str) -> SearchHit:
    key, fid, lon, lat, *bounds = row[:8]
    values = [str(v) for v in row[8:] if v is not None and v != ""]
    rank, matched = _rank(values, text.lower())
    title = values[0] if values else key
    subtitle = " · ".join(dict.fromkeys(v for v in values[1:] if v != title))
    box = None if lon is None else BoundingBox(*bounds)
    return SearchHit(layer, key, fid, title, subtitle, lon, lat, box, rank, matched)


def _rank(values: Sequence[str], wanted: str) -> tuple[int, str]:
    """The best rank of any of `values` and the value that has it; `wanted` in lower case."""
    ranked = []
    for value in values:
        folded = value.lower()
        if wanted == folded:
            ranked.append((_EQUAL, value))
        elif folded.startswith(wanted):
            ranked.append((_BEGINS, value))
        elif any(word in folded for word in wanted.split()):
            ranked.append((_CONTAINS, value))
    return min(ranked, key=lambda r: (r[0], len(r[1])), default=(_CONTAINS, ""))
