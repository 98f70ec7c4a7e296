"""Which version of a layer stood at a moment: a version number or a date becomes a scope.

As of a moment means as the map stood then: the last version published by that time. Who may see what is
decided by the rights of today (`layers.access`): a layer that is withdrawn now is hidden at every moment,
and a field that is closed now is closed in every version.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from sqlalchemy import select

from layers import schema
from layers.access import Scope, Viewer, keeps_no_history, scope_for
from layers.db import Database
from layers.errors import NotAllowed, NotFound
from layers.filters import read_interval
from layers.model import BoundingBox, Layer

KEPT_LAYERS = 1_000
"""Histories kept in a process; one of a thousand versions takes some 100 kB."""


class AsOf(NamedTuple):
    """The version asked for: by number, or as of a moment (with a zone); with neither, the current one."""

    version: int | None = None
    moment: datetime | None = None


NOW = AsOf()


class _History(NamedTuple):
    """The versions of a layer, oldest first: since when each stands, and what changed in it."""

    layer_version: int
    numbers: tuple[int, ...]
    since: tuple[datetime, ...]
    boxes: tuple[tuple[BoundingBox, ...], ...]


def read_moment(text: str, field: str = "datetime") -> datetime | None:
    """The moment that a `datetime` parameter means (RFC 3339); None: now.

    A date means its end, in China. An interval means its end too, an open end now: the map has one state
    at a time. Raises `BadRequest`, which names `field`.

    >>> read_moment("2026-03-01").isoformat(), read_moment("2026-03-01/..")
    ('2026-03-01T23:59:59.999999+08:00', None)
    """
    return read_interval(text, field)[1]


class Moments:
    """When the versions of layers were published, asked of the database once for each. One per process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: OrderedDict[str, _History] = OrderedDict()

    async def scope(self, viewer: Viewer, layer: Layer, as_of: AsOf = NOW) -> Scope:
        """What `viewer` may see of `layer` as it stood; raises as `layers.access.scope_for` does.

        Raises `NotFound`, with the time of the first version, for a moment before it.
        """
        if as_of.moment is None:
            return scope_for(viewer, layer, version=as_of.version)
        # The rights first: when a layer was published is told to those only who may know of it.
        scope_for(viewer, layer)
        return scope_for(viewer, layer, version=await self.version_at(layer, as_of.moment))

    async def scopes(self, viewer: Viewer, layers: Sequence[Layer], as_of: AsOf = NOW) -> list[Scope]:
        """The scopes of those `layers` that `viewer` may see and that stood then; the others are left out."""
        found = []
        for layer in layers:
            try:
                found.append(await self.scope(viewer, layer, as_of))
            except (NotFound, NotAllowed):
                continue
        return found

    async def version_at(self, layer: Layer, moment: datetime) -> int:
        """The number of the version that stood at `moment`; raises `NotFound` before the first."""
        if layer.published_at is not None and layer.published_at <= moment:
            return layer.version
        if layer.is_read_where_it_is:
            raise keeps_no_history(layer)
        history = await self._history(layer)
        position = bisect_right(history.since, moment)
        if position == 0:
            raise _not_yet(layer, moment, history.since[0] if history.since else None)
        return history.numbers[position - 1]

    async def bounds_at(self, layer: Layer, version: int) -> BoundingBox | None:
        """A box that holds the layer's rows in `version`: that of now, and of all that changed since."""
        if version == layer.version:
            return layer.reach
        history = await self._history(layer)
        pairs = zip(history.numbers, history.boxes, strict=True)
        boxes = [box for number, changed in pairs if number > version for box in changed]
        if layer.bounds is not None:
            boxes.append(layer.bounds)
        if not boxes:
            return None
        wests, souths, easts, norths = zip(*boxes, strict=True)
        return BoundingBox(min(wests), min(souths), max(easts), max(norths))

    async def _history(self, layer: Layer) -> _History:
        kept = self._kept.get(layer.id)
        if kept is None or kept.layer_version < layer.version:
            kept = self._kept[layer.id] = await self._read(layer)
        self._kept.move_to_end(layer.id)
        if len(self._kept) > KEPT_LAYERS:
            self._kept.popitem(last=False)
        return kept

    async def _read(self, layer: Layer) -> _History:
        table = schema.layer_version
        statement = (
            select(table.c.number, table.c.published_at, table.c.boxes)
            .where(table.c.layer_id == layer.id, table.c.number <= layer.version)
            .order_by(table.c.number)
        )
        async with self._db.connect() as connection:
            found = (await connection.execute(statement)).all()
        # Versions of old may bear the time at which their transaction began, before that of another.
        since = tuple(accumulate((row[1] for row in found), max))
        boxes = tuple(tuple(BoundingBox(*box) for box in row[2]) for row in found)
        return _History(layer.version, tuple(row[0] for row in found), since, boxes)


def _not_yet(layer: Layer, moment: datetime, first: datetime | None) -> NotFound:
    told = moment.isoformat(timespec="seconds")
    if first is None:
        return NotFound(
            f"图层“{layer.title.zh}”尚未发布", f"layer {layer.id!r} was never published", layer=layer.id
        )
    return NotFound(
        f"图层“{layer.title.zh}”在 {told} 尚未发布，首个版本发布于 {first.isoformat()}",
        f"layer {layer.id!r} was not published yet at {told}; its first version is of {first.isoformat()}",
        layer=layer.id,
        field="datetime",
        value=moment.isoformat(),
        first_published_at=first.isoformat(),
    )
