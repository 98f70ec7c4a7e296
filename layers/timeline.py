"""At which moments layers changed: what a time bar shows, and what can be asked for with `datetime`.

Of a layer of rows these are the moments its versions were published; of a raster layer the dates its
pictures were taken, as `datetime` chooses among those. What is read where it is has no earlier states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any, Literal, NamedTuple

from sqlalchemy import Select, func, select

from layers import schema
from layers.access import Scope
from layers.db import Database
from layers.filters import DAY_ZONE, check_number
from layers.model import Layer
from layers.rasters import by_date, first_day

MAX_MOMENTS = 10_000

HistoryKind = Literal["versions", "pictures", "none"]


class History(NamedTuple):
    """What a layer keeps of its past: `since` is the first moment it can be shown at, `states` how many.

    `none`: it can be shown as it is only, and `since` is None; so it is for a layer that holds nothing yet.
    """

    layer: Layer
    kind: HistoryKind
    since: datetime | None
    states: int


class Moment(NamedTuple):
    """A state of a layer that begins at `at`; `taken` is the date as said of a picture, else None.

    `added`, `changed` and `removed` are rows, of the whole layer; of a picture they are None.
    """

    at: datetime
    layer: Layer
    version: int
    taken: str | None = None
    added: int | None = None
    changed: int | None = None
    removed: int | None = None


class Timeline(NamedTuple):
    """`moments` newest first; `left_out`: older ones that `limit` kept back."""

    histories: list[History]
    moments: list[Moment]
    left_out: int


async def timeline(
    db: Database,
    scopes: Sequence[Scope],
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 1_000,
) -> Timeline:
    """The moments from `start` to `end` (both included; None: open) at which the layers of `scopes` changed.

    Histories are told of every layer, whatever the span. Raises `BadRequest` for a limit out of range.
    """
    check_number("limit", limit, 1, MAX_MOMENTS)
    with_versions = {scope.layer.id: scope.layer for scope in scopes if _kind(scope.layer) == "versions"}
    kept: dict[str, tuple[datetime, int]] = {}
    found: list[Moment] = []
    count = 0
    if with_versions:
        numbered = _numbered(list(with_versions)).subquery("numbered")
        since = numbered.c.since
        of_each = select(numbered.c.layer_id, func.min(since), func.count()).group_by(numbered.c.layer_id)
        asked = [] if start is None else [since >= start]
        asked += [] if end is None else [since <= end]
        newest = select(numbered, func.count().over()).where(*asked)
        newest = newest.order_by(since.desc(), numbered.c.layer_id, numbered.c.number.desc()).limit(limit)
        async with db.connect() as connection:
            for name, first, number in await connection.execute(of_each):
                kept[name] = (first, number)
            for name, version, at, *changes, count in await connection.execute(newest):  # noqa: B007
                found.append(Moment(at, with_versions[name], version, None, *changes))
    pictures = [
        moment
        for scope in scopes
        for moment in _pictures(scope.layer)
        if (start is None or moment.at >= start) and (end is None or moment.at <= end)
    ]
    newest_first = sorted([*found, *pictures], key=lambda one: (one.at, one.version), reverse=True)
    left_out = max(count + len(pictures) - limit, 0)
    return Timeline([_history(scope.layer, kept) for scope in scopes], newest_first[:limit], left_out)


def _kind(layer: Layer) -> HistoryKind:
    if layer.kind == "rows":
        return "versions"
    return "pictures" if layer.kind == "raster" else "none"


def _history(layer: Layer, kept: Mapping[str, tuple[datetime, int]]) -> History:
    kind = _kind(layer)
    if kind == "pictures":
        dates = [moment.at for moment in _pictures(layer)]
        return History(layer, kind, min(dates, default=None), len(dates))
    since, states = kept.get(layer.id, (None, 0))
    return History(layer, kind, since, states)


def _pictures(layer: Layer) -> list[Moment]:
    """Of a raster layer: `datetime` finds a picture from the first day of its date on."""
    if _kind(layer) != "pictures":
        return []
    return [
        Moment(datetime.combine(first_day(one.taken), time(), DAY_ZONE), layer, one.version, one.taken)
        for one in by_date(layer)
    ]


def _numbered(layer_ids: Sequence[str]) -> Select[Any]:
    """The versions of the layers, each with the moment since which it stands."""
    table = schema.layer_version
    # Versions of old may bear a time before that of the version before them (see `layers.moments`).
    since = func.max(table.c.published_at).over(partition_by=table.c.layer_id, order_by=table.c.number)
    return select(
        *(table.c.layer_id, table.c.number, since.label("since")),
        *(table.c.added, table.c.changed, table.c.removed),
    ).where(table.c.layer_id.in_(layer_ids))
