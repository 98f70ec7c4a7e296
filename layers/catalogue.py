"""Which layers there are, and at which version each stands.

`Catalogue` keeps them in the process and follows notices, so that a request does not ask the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.classes import class_field
from layers.db import Database
from layers.description import check, from_json, known_layers, to_json
from layers.errors import Conflict, NotFound, OneMapError
from layers.model import LAYER_ID, AccessLevel, BoundingBox, Layer, Version
from layers.notices import LAYER_CHANNEL, Notice, Notices, Subscription, notify
from layers.origins import origins_of
from layers.raster_json import raster_from_json
from layers.tables import ensure_indexes, ensure_tables
from layers.tile_fields import looks_otherwise
from layers.touched import REMEMBERED, Changes, forget_touched, read_touched

__all__ = [
    "Catalogue",
    "get_layer",
    "known_layers",
    "list_layers",
    "lock_layer",
    "register",
    "register_known",
    "versions",
]

_log = logging.getLogger(__name__)


async def list_layers(db: Database) -> list[Layer]:
    """Every layer, by id, whatever its status; who may see them is for `layers.access`."""
    async with db.connect() as connection:
        found = await connection.execute(select(schema.layer).order_by(schema.layer.c.id))
        return [_layer(row) for row in found.mappings()]


async def get_layer(db: Database, layer_id: str) -> Layer:
    """The layer called `layer_id`; raises `NotFound`."""
    async with db.connect() as connection:
        return await read_layer(connection, layer_id)


async def standing_version(db: Database, layer_id: str) -> Version | None:
    """The newest version of a layer; None for one that has none or is not known."""
    table = schema.layer_version
    async with db.connect() as connection:
        found = await connection.execute(
            select(table).where(table.c.layer_id == layer_id).order_by(table.c.number.desc()).limit(1)
        )
        row = found.mappings().one_or_none()
    return None if row is None else version_of(row)


async def versions(db: Database, layer_id: str) -> list[Version]:
    """The published versions of a layer, newest first; raises `NotFound` for an unknown layer."""
    table = schema.layer_version
    async with db.connect() as connection:
        await read_layer(connection, layer_id)
        found = await connection.execute(
            select(table).where(table.c.layer_id == layer_id).order_by(table.c.number.desc())
        )
        return [version_of(row) for row in found.mappings()]


async def published_versions(db: Database) -> list[tuple[str, int, datetime]]:
    """Layer, number and moment of every version there is."""
    table = schema.layer_version
    async with db.connect() as connection:
        found = await connection.execute(select(table.c.layer_id, table.c.number, table.c.published_at))
        return [(row.layer_id, row.number, row.published_at) for row in found]


async def register(db: Database, layer: Layer) -> Layer:
    """Makes the layer's tables and describes it in the catalogue; returns it with its state.

    Registering again updates the description and adds columns for new fields; who may see the layer stays
    as it stands, because that is the operator's to decide (`set_access`). Raises `BadData` for an impossible
    description, `Conflict` if a published field or the geometry type would change its type.
    """
    check(layer)
    async with db.connect() as reading:
        # Without a lock first: a service that starts must not wait for somebody's publication.
        standing = await find_layer(reading, layer.id)
    if standing is not None and _says_the_same(standing, layer):
        return standing
    async with db.begin(timeout_ms=0) as connection:
        # One at a time: CREATE TABLE IF NOT EXISTS of two sessions at once may collide in the catalogue.
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("onemap.register"))))
        standing = await find_layer(connection, layer.id, for_update=True)
        if standing is not None:
            refuse_registered(standing)
            _refuse_changed_types(standing, layer)
            if _says_the_same(standing, layer):
                return standing
        described: dict[str, Any] = {
            "description": to_json(layer), "theme": layer.theme, "owner": layer.owner,
        }  # fmt: skip
        if standing is not None and standing.version > 0 and _needs_another_copy(standing, layer):
            described["unfinished"] = sorted({*standing.unfinished, "copy"})
        if standing is not None and looks_otherwise(standing, layer):
            await forget_touched(connection, layer.id)
        await connection.execute(
            insert(schema.layer)
            .values(id=layer.id, access=layer.access, **described)
            .on_conflict_do_update(index_elements=["id"], set_=described)
        )
        if layer.has_rows:
            await ensure_tables(connection, layer)
            if standing is not None and standing.version > 0:
                await ensure_indexes(connection, layer)
        registered = await read_layer(connection, layer.id)
        await notify(connection, LAYER_CHANNEL, layer.id, registered.version)
        return registered


def _needs_another_copy(standing: Layer, layer: Layer) -> bool:
    """Whether the lighter copy was made for other zooms or classes: whoever finishes layers makes it anew."""
    if layer.kind != "rows":
        return False
    fields = [class_field(each) for each in (layer, standing)]
    of_other_classes = standing.generalised is not None and len({f and f.name for f in fields}) > 1
    begins_farther_out = layer.min_zoom < standing.min_zoom
    return begins_farther_out or of_other_classes or layer.tile_kb != standing.tile_kb


async def register_known(db: Database) -> list[Layer]:
    """Registers every layer described in `layers/known`."""
    return [await register(db, layer) for layer in known_layers()]


async def find_layer(connection: AsyncConnection, layer_id: str, *, for_update: bool = False) -> Layer | None:
    """The layer, or None; `for_update` locks its row to the end of the transaction."""
    if not LAYER_ID.fullmatch(layer_id):
        return None
    statement = select(schema.layer).where(schema.layer.c.id == layer_id)
    if for_update:
        statement = statement.with_for_update()
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else _layer(row)


async def read_layer(connection: AsyncConnection, layer_id: str) -> Layer:
    """The layer as this transaction sees it; raises `NotFound`."""
    layer = await find_layer(connection, layer_id)
    if layer is None:
        raise _no_such(layer_id)
    return layer


async def lock_layer(connection: AsyncConnection, layer_id: str) -> Layer:
    """The newest state of the layer, its row locked to the end of the transaction; raises `NotFound`."""
    layer = await find_layer(connection, layer_id, for_update=True)
    if layer is None:
        raise _no_such(layer_id)
    return layer


async def set_status(connection: AsyncConnection, layer: Layer, status: str) -> None:
    """Writes the status of a locked layer and tells the other processes."""
    await connection.execute(update(schema.layer).where(schema.layer.c.id == layer.id).values(status=status))
    await notify(connection, LAYER_CHANNEL, layer.id, layer.version)


async def set_access(db: Database, layer_id: str, access: AccessLevel) -> None:
    """Decides who may see a layer, whatever its description proposes. Raises `NotFound`."""
    async with db.begin() as connection:
        layer = await lock_layer(connection, layer_id)
        await connection.execute(
            update(schema.layer).where(schema.layer.c.id == layer_id).values(access=access)
        )
        await notify(connection, LAYER_CHANNEL, layer.id, layer.version)


def refuse_registered(layer: Layer) -> None:
    """Raises `Conflict` for a layer whose rows are not ours to change, compare or roll back."""
    if layer.is_read_where_it_is:
        raise Conflict(
            f"图层“{layer.title.zh}”是登记的数据表、函数或服务，其内容在原处修改；不能导入、发布或回退",
            f"layer {layer.id!r} is a registered table, function or service: its rows are changed where"
            " they are; nothing is imported into it, published or rolled back",
            layer=layer.id,
        )


def version_of(row: RowMapping | Mapping[str, Any]) -> Version:
    """A `Version` from a row of `onemap.layer_version`."""
    return Version(
        layer_id=row["layer_id"],
        number=row["number"],
        published_at=row["published_at"],
        published_by=row["published_by"],
        added=row["added"],
        changed=row["changed"],
        removed=row["removed"],
        note=row["note"],
        boxes=tuple(BoundingBox(*box) for box in row["boxes"]),
        report=row["report"],
        origins=origins_of(row["origins"]),
    )


ASK_AGAIN_S = 0.05


class Catalogue:
    """The layers of one database, kept in the process and fresh by notices.

    Open it with `async with`; one per process. Without `notices` it opens its own connection to listen.
    """

    def __init__(self, db: Database, notices: Notices | None = None) -> None:
        self._db = db
        self._given = notices
        self._layers: dict[str, Layer] = {}
        self.changes = Changes()
        """What the latest versions of the layers changed."""
        self.revision = 0
        """Another number whenever a layer is known otherwise than before."""
        self._subscribers: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._asked: dict[str, float] = {}
        self._stack = contextlib.AsyncExitStack()
        self._follower: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Catalogue({len(self._layers)} layers)"

    async def __aenter__(self) -> Catalogue:
        notices = self._given
        if notices is None:
            notices = await self._stack.enter_async_context(Notices(self._db))
        news = notices.subscribe(LAYER_CHANNEL)
        await self.refresh()
        self._follower = asyncio.create_task(self._follow(news), name="catalogue")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
        await self._stack.aclose()

    async def layer(self, layer_id: str) -> Layer:
        """The layer called `layer_id`; one not known yet is looked for in the database. `NotFound`."""
        found = self._layers.get(layer_id)
        if found is None:
            found = self._layers[layer_id] = await get_layer(self._db, layer_id)
            self.revision += 1
        return found

    def known(self, layer_id: str) -> Layer | None:
        """The layer as this process knows it, without asking the database."""
        return self._layers.get(layer_id)

    def layers(self) -> tuple[Layer, ...]:
        """Every layer, by id, whatever its status."""
        return tuple(self._layers[i] for i in sorted(self._layers))

    def subscribe(self) -> Subscription:
        """News of layers from now on, each told once this process knows it; drop it to end it."""
        subscription = Subscription(LAYER_CHANNEL)
        self._subscribers.add(subscription)
        return subscription

    async def caught_up(self, layer_id: str, version: int) -> None:
        """Waits until this process knows at least `version` of the layer, if that version stands.

        For those who heard of it from another process. The database is asked at most once in `ASK_AGAIN_S`,
        as the number may come from anybody.
        """
        known = self._layers.get(layer_id)
        if known is None or known.version >= version:
            return
        now = asyncio.get_running_loop().time()
        if now - self._asked.get(layer_id, -ASK_AGAIN_S) >= ASK_AGAIN_S:
            self._asked[layer_id] = now
            await self._read_again(layer_id)

    async def refresh(self) -> None:
        """Reads every layer again."""
        layers = await list_layers(self._db)
        for layer in layers:
            self._forget_if_it_looks_otherwise(layer)
        await self._learn_changes(layers)
        self._layers = {layer.id: layer for layer in layers}
        self.revision += 1

    async def _follow(self, news: Subscription) -> None:
        async for item in news:
            try:
                if isinstance(item, Notice):
                    await self._read_again(item.subject)
                else:
                    await self.refresh()
                for subscriber in list(self._subscribers):
                    subscriber.put(item)
            except OneMapError as error:
                # Away: the listening connection has gone too and brings a `Missed` when it is back.
                # Unreadable: a newer process described it; the layer stays as it was known.
                _log.warning("the catalogue could not be refreshed: %s", error.en)

    async def _read_again(self, layer_id: str) -> None:
        try:
            layer = await get_layer(self._db, layer_id)
        except NotFound:
            self._layers.pop(layer_id, None)
            self.revision += 1
            self.changes.forget(layer_id)
            return
        self._forget_if_it_looks_otherwise(layer)
        await self._learn_changes([layer])
        self._layers[layer_id] = layer
        self.revision += 1

    def _forget_if_it_looks_otherwise(self, layer: Layer) -> None:
        known = self._layers.get(layer.id)
        if known is not None and looks_otherwise(known, layer):
            self.changes.forget(layer.id)

    async def _learn_changes(self, layers: Sequence[Layer]) -> None:
        """What changed since the versions this process knows; before it knows the new versions."""
        after: dict[str, int] = {}
        for layer in layers:
            known = self._layers.get(layer.id)
            least = max(layer.version - REMEMBERED, 0)
            after[layer.id] = least if known is None else max(known.version, least)
        async with self._db.connect() as connection:
            touched = await read_touched(connection, after)
        for layer in layers:
            self.changes.learn(layer.id, touched[layer.id], layer.version)


def _layer(row: RowMapping) -> Layer:
    described = from_json(row["description"], where=f"onemap.layer {row['id']}")
    bounds, zooms = row["bounds"], row["generalised"]
    return replace(
        described,
        access=row["access"],
        status=row["status"],
        version=row["version"],
        published_at=row["published_at"],
        feature_count=row["feature_count"],
        bounds=None if bounds is None else BoundingBox(*bounds),
        generalised=None if zooms is None else (zooms[0], zooms[1]),
        classes=tuple(row["classes"]),
        origins=origins_of(row["origins"]),
        unfinished=tuple(row["unfinished"]),
        rasters=tuple(raster_from_json(told) for told in row["rasters"]),
    )


def _says_the_same(standing: Layer, wanted: Layer) -> bool:
    return to_json(standing) == to_json(replace(wanted, access=standing.access))


def _refuse_changed_types(standing: Layer, wanted: Layer) -> None:
    if standing.kind != wanted.kind:
        words = {
            "raster": ("栅格", "a raster layer"),
            "rows": ("要素", "a layer of rows"),
            "service": ("服务", "a layer of a service"),
        }
        is_zh, is_en = words.get(standing.kind, (standing.kind, standing.kind))
        not_zh, not_en = words.get(wanted.kind, (wanted.kind, wanted.kind))
        raise Conflict(
            f"图层 {wanted.id} 是{is_zh}图层，不能改为{not_zh}图层；请另给图层标识",
            f"layer {wanted.id!r} is {is_en}, it cannot become {not_en}; choose another layer id",
            layer=wanted.id,
        )
    if standing.geometry_type != wanted.geometry_type:
        raise Conflict(
            f"图层 {wanted.id} 的几何类型已是 {standing.geometry_type}，不能改为 {wanted.geometry_type}",
            f"layer {wanted.id!r} holds {standing.geometry_type}, it cannot become {wanted.geometry_type}",
            layer=wanted.id,
        )
    for field in wanted.fields:
        before = standing.field(field.name)
        if before is not None and before.type != field.type:
            raise Conflict(
                f"图层 {wanted.id} 的字段 {field.name} 类型已是 {before.type}，不能改为 {field.type}",
                f"layer {wanted.id!r}: field {field.name!r} is {before.type}, it cannot become {field.type}",
                layer=wanted.id,
                field=field.name,
            )


def _no_such(layer_id: str) -> NotFound:
    return NotFound(f"没有图层“{layer_id}”", f"there is no layer {layer_id!r}", layer=layer_id)
