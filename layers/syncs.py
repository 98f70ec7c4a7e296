"""Syncs (定时同步): imports that a timetable begins, from a source that is said once.

Here is what a sync is and who may change it; what becomes of its runs is in `layers.sync_runs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.access import SYSTEM, Viewer, require, require_change, require_own
from layers.accounts import viewer_named
from layers.catalogue import find_layer
from layers.db import Database
from layers.errors import BadRequest, Conflict, NotFound
from layers.model import LAYER_ID
from layers.sync_source import SyncKind, checked_source
from layers.timetable import timetable

Policy = Literal["publish", "review"]
"""`publish`: at once, where the check found no errors and the change is within bounds; `review`: never
without a person."""
MOST_PERCENT = 20.0
"""How much of a layer a sync may remove or change by itself unless its owner says otherwise."""

_table = schema.sync


@dataclass(frozen=True)
class Draft:
    """What a person says of a sync. `most_removed`, `most_changed`: percent of the layer's rows; None: any.

    `options` are those of an import (`importers.options`), `source` as `layers.sync_source` takes it.
    """

    name: str
    kind: SyncKind
    source: Mapping[str, Any]
    timetable: str
    title: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    policy: Policy = "publish"
    most_removed: float | None = MOST_PERCENT
    most_changed: float | None = MOST_PERCENT


@dataclass(frozen=True)
class Sync(Draft):
    """A sync as it stands. `failures`: runs in a row that ended badly, since `failing_since`.

    `seen`: what was read last and what came of it, so that the same is not read again. `as_operator`: made on
    the command line, which has no account.
    """

    owner: str = ""
    as_operator: bool = False
    is_paused: bool = False
    next_at: datetime = datetime.min
    asked_by: str | None = None
    again: bool = False
    failures: int = 0
    failing_since: datetime | None = None
    seen: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = datetime.min

    @property
    def is_failing(self) -> bool:
        return self.failures > 0


async def add_sync(
    db: Database, wanted: Draft, viewer: Viewer, *, folder: Path | None, now: datetime, by: str | None = None
) -> Sync:
    """Keeps a sync on behalf of `viewer`, whose rights it has; its first run is at its next moment.

    `by`: how the owner is called where it is the operator, who has no account. `folder`: where files may come
    from. Raises `BadRequest`, `NotAllowed` (tables are for admins), `Conflict` if the name is taken.
    """
    draft = await _checked(db, wanted, viewer, folder)
    made = insert(_table).values(
        **_values(draft),
        name=draft.name,
        owner=by or viewer.name,
        as_operator=viewer is SYSTEM,
        next_at=timetable(draft.timetable).next(now),
    )
    async with db.begin() as connection:
        # one at a time: of two that come at once the second is told that the name is taken
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("onemap.sync"))))
        if await connection.scalar(select(_table.c.name).where(_table.c.name == draft.name)) is not None:
            raise Conflict(f"已有定时同步“{draft.name}”", f"there is a sync {draft.name!r}", sync=draft.name)
        row = (await connection.execute(made.returning(_table))).mappings().one()
    return sync_of(row)


async def change_sync(
    db: Database, name: str, changes: Mapping[str, Any], viewer: Viewer, *, folder: Path | None, now: datetime
) -> Sync:
    """Changes what `Draft` says of a sync, but for its name and kind. Raises as `add_sync`, and `NotFound`.

    Another source or other options are read at the next run, even if the source says the same as before.
    """
    standing = await get_sync(db, name, viewer)
    require_own(viewer, standing.owner)
    draft = Draft(**{f: getattr(standing, f) for f in Draft.__dataclass_fields__})
    draft = await _checked(db, replace(draft, **changes), viewer, folder)
    values = _values(draft)
    if (dict(draft.source), dict(draft.options)) != (dict(standing.source), dict(standing.options)):
        values["seen"] = {}
    if draft.timetable != standing.timetable:
        values["next_at"] = timetable(draft.timetable).next(now)
    return await _write(db, name, values)


async def pause_sync(db: Database, name: str, viewer: Viewer, *, paused: bool, now: datetime) -> Sync:
    """Stops the timetable, or lets it go on from its next moment. Raises `NotFound`, `NotAllowed`."""
    standing = await get_sync(db, name, viewer)
    require_own(viewer, standing.owner)
    values: dict[str, Any] = {"is_paused": paused}
    if standing.is_paused and not paused:
        values["next_at"] = timetable(standing.timetable).next(now)
    return await _write(db, name, values)


async def ask_for_run(
    db: Database, name: str, viewer: Viewer, *, again: bool = False, by: str | None = None
) -> Sync:
    """Has the worker run the sync now, paused or not; `again`: also if its source is unchanged.

    Raises `NotFound`, `NotAllowed`. One that is running already runs once more afterwards.
    """
    standing = await get_sync(db, name, viewer)
    require_own(viewer, standing.owner)
    return await _write(db, name, {"asked_by": by or viewer.name, "again": again or standing.again})


async def remove_sync(db: Database, name: str, viewer: Viewer) -> None:
    """Forgets the sync and its runs; what it imported stays. Raises `NotFound`, `NotAllowed`."""
    require_own(viewer, (await get_sync(db, name, viewer)).owner)
    async with db.begin() as connection:
        await connection.execute(delete(_table).where(_table.c.name == name))


async def get_sync(db: Database, name: str, viewer: Viewer | None = None) -> Sync:
    """The sync called `name`; raises `NotFound`, also for one that `viewer` may not know of."""
    async with db.connect() as connection:
        found = await connection.execute(select(_table).where(_table.c.name == name))
        row = found.mappings().one_or_none()
    if row is None or (viewer is not None and not may_see(viewer, sync_of(row))):
        raise no_such_sync(name)
    return sync_of(row)


async def list_syncs(db: Database, viewer: Viewer) -> list[Sync]:
    """The syncs that `viewer`, a publisher, may know of, by name."""
    async with db.connect() as connection:
        rows = (await connection.execute(select(_table).order_by(_table.c.name))).mappings().all()
    return [sync for sync in map(sync_of, rows) if may_see(viewer, sync)]


def may_see(viewer: Viewer, sync: Sync) -> bool:
    """Whether `viewer`, a publisher, may know of the sync: with districts, only of their own (as imports)."""
    return sync.owner == viewer.name or viewer.has("admin") or not viewer.districts


async def acting_viewer(db: Database, sync: Sync) -> Viewer:
    """With whose rights the sync publishes now. Raises `NotFound` where the account is closed or gone."""
    return SYSTEM if sync.as_operator else await viewer_named(db, sync.owner)


def no_such_sync(name: str) -> NotFound:
    """The refusal of a name that no sync has."""
    shown = name[:60]
    return NotFound(f"没有定时同步“{shown}”", f"there is no sync {shown!r}", sync=shown)


def sync_of(row: RowMapping) -> Sync:
    """A `Sync` from a row of `onemap.sync`."""
    return Sync(**{name: row[name] for name in Sync.__dataclass_fields__})


async def _checked(db: Database, wanted: Draft, viewer: Viewer, folder: Path | None) -> Draft:
    if not LAYER_ID.fullmatch(wanted.name):
        expected = "a-z, 0-9 and _, beginning with a letter, 48 at most"
        raise _bad("name", wanted.name, expected, "小写字母、数字和下划线，以字母开头，至多 48 个")
    timetable(wanted.timetable)
    for name in ("most_removed", "most_changed"):
        percent = getattr(wanted, name)
        if percent is not None and not 0 <= percent <= 100:
            raise _bad(name, percent, "percent, 0 to 100, or null for any", "0 至 100 的百分比，null 为不限")
    source = checked_source(wanted.kind, wanted.source, folder)
    # whoever has a table copied or read decides what of the database is shown
    require(viewer, "publisher" if wanted.kind == "files" else "admin")
    layer_id = source["layer"] if wanted.kind == "refresh" else wanted.options.get("layer_id")
    if layer_id is None and (wanted.kind == "table" or source.get("newest")):
        expected = "the layer: the name of what comes does not tell it"
        raise _bad("options.layer_id", "", expected, "目标图层的标识（来源的名称不能说明是哪个图层）")
    await _require_layer(db, wanted.kind, layer_id, viewer)
    return replace(wanted, source=source, title=wanted.title.strip()[:200])


async def _require_layer(db: Database, kind: SyncKind, layer_id: str | None, viewer: Viewer) -> None:
    if layer_id is None:
        return
    async with db.connect() as connection:
        layer = await find_layer(connection, layer_id)
    if layer is not None:
        require_change(viewer, layer)
    is_registered = layer is not None and layer.is_read_where_it_is
    if kind == "refresh" and not is_registered:
        expected = "a layer that is registered: `onemap layers register`"
        raise _bad("source.layer", layer_id, expected, "已登记的图层")
    if kind != "refresh" and is_registered:
        expected = "a layer whose rows are kept here; this one is registered"
        raise _bad("options.layer_id", layer_id, expected, "内容存于本平台的图层；该图层是登记的")


def _values(draft: Draft) -> dict[str, Any]:
    """The columns of what a person says, but for the name."""
    return {
        "title": draft.title,
        "kind": draft.kind,
        "source": dict(draft.source),
        "options": dict(draft.options),
        "timetable": " ".join(draft.timetable.split()),
        "policy": draft.policy,
        "most_removed": draft.most_removed,
        "most_changed": draft.most_changed,
    }


async def _write(db: Database, name: str, values: Mapping[str, Any]) -> Sync:
    async with db.begin() as connection:
        row = await write_sync(connection, name, values)
    if row is None:
        raise no_such_sync(name)
    return row


async def write_sync(connection: AsyncConnection, name: str, values: Mapping[str, Any]) -> Sync | None:
    """Writes `values` into the columns of the sync; None if it was removed meanwhile."""
    statement = update(_table).where(_table.c.name == name).values(**values).returning(_table)
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else sync_of(row)


def _bad(field: str, value: object, expected: str, expected_zh: str) -> BadRequest:
    return BadRequest(
        f"定时同步有误：{field} 为“{value}”，应为{expected_zh}",
        f"the sync is wrong: {field} is {value!r}, expected {expected}",
        field=field,
        value=value,
        expected=expected,
    )
