"""What becomes of the runs of syncs: which is due, who carries it out, how it ended, what then.

    running ──▶ published, unchanged, refreshed, refused, failed, discarded
       │  ▲
       │  └──▶ postponed           the source is being written; the same run goes on later
       └─────▶ waiting ──▶ published, unchanged, discarded, failed      for a person

A run of files or of a table is an import like any other (`layers.import_runs`) once its source was looked at.
Moments that were missed, because no worker was there, are one run. PostgreSQL decides between several
workers. The present is given to every function.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, and_, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.db import Database
from layers.errors import Conflict
from layers.import_runs import Run, create_run_in
from layers.jobs import put
from layers.model import Text
from layers.stage import announce_life, is_alive
from layers.staged_runs import drop_stages
from layers.syncs import Sync, sync_of, write_sync
from layers.timetable import timetable

SyncState = Literal[
    "running",
    "waiting",
    "published",
    "unchanged",
    "refreshed",
    "postponed",
    "refused",
    "failed",
    "discarded",
]
SyncEnd = Literal["published", "unchanged", "refreshed", "refused", "failed", "discarded"]

RETRIES = 3
"""How often a run that failed is tried again before its next moment; one whose rows were refused is not: the
same file would be refused again."""
RETRY_AFTER = timedelta(minutes=5)
RETRY_GROWTH = 3
"""5, 15 and 45 minutes: a share that is being restarted, a lock that is held, an outage of an hour."""
LOOK_AGAIN = timedelta(seconds=30)
"""After which a source that is being written is looked at again."""
MOST_POSTPONED = timedelta(hours=1)
"""A source that is written to for longer has failed."""
LATE_AFTER = timedelta(minutes=5)
"""A worker asks every two seconds what is due; it may read something large before it comes to it."""
KEPT_RUNS = 200
"""Runs that are remembered of each sync."""

_sync, _run = schema.sync, schema.sync_run


@dataclass(frozen=True)
class SyncRun:
    """One run. `sentence`: why it ended so, where that needs words; `made`: versions with their numbers."""

    id: int
    sync: str
    state: SyncState
    started_at: datetime
    ended_at: datetime | None
    asked_by: str | None
    worker: int | None
    import_id: uuid.UUID | None
    read: Mapping[str, Any]
    sentence: Mapping[str, str]
    made: Sequence[Mapping[str, Any]]


class Due(NamedTuple):
    """A run that this process is to carry out. `again`: whether or not its source is unchanged."""

    sync: Sync
    run: SyncRun
    again: bool


class SyncCounts(NamedTuple):
    """How the syncs stand. `failing_since`: the oldest failure; `overdue`: nobody carries them out."""

    syncs: int
    paused: int
    failing: int
    overdue: int
    waiting: int
    failing_since: datetime | None


async def claim_due(db: Database, now: datetime) -> Due | None:
    """Takes one sync that is due or asked for, and not running, for this process; None if there is none.

    Its next moment is the first one after `now`, however many were missed.
    """
    await announce_life(db)
    running = exists().where(_run.c.sync == _sync.c.name, _run.c.state == "running")
    is_due = or_(_sync.c.asked_by.is_not(None), ~_sync.c.is_paused & (_sync.c.next_at <= now))
    wanted = select(_sync).where(is_due, ~running).order_by(_sync.c.next_at).limit(1)
    async with db.begin() as connection:
        found = await connection.execute(wanted.with_for_update(skip_locked=True))
        row = found.mappings().one_or_none()
        if row is None:
            return None
        sync = sync_of(row)
        values = {"asked_by": None, "again": False, "next_at": timetable(sync.timetable).next(now)}
        claimed = await write_sync(connection, sync.name, values)
        assert claimed is not None
        return Due(claimed, await _begun(connection, sync, now, db.process), sync.again)


async def attach(
    db: Database, due: Due, uploads: Sequence[uuid.UUID], *, files: str, options: Mapping[str, Any],
    read: Mapping[str, Any],
) -> Run:  # fmt: skip
    """Makes the import of a claimed run, and queues it; what an earlier run left waiting is discarded.

    Raises `Conflict` if the run is this process's no longer.
    """
    async with db.begin() as connection:
        await _lock(connection, due.run.id, db.process)
        await _supersede(connection, due)
        run = await create_run_in(
            connection, uploads, file_name=files, options=options, by=due.sync.owner, sync=due.sync.name
        )
        values = {"import_id": run.id, "worker": None, "read": dict(read)}
        await connection.execute(update(_run).where(_run.c.id == due.run.id).values(values))
        await put(connection, run.id)
    return run


async def postpone(db: Database, due: Due, read: Mapping[str, Any], now: datetime, why: Text) -> None:
    """Leaves a claimed run for a little later, with what was read. Raises `Conflict` as `attach`."""
    async with db.begin() as connection:
        await _lock(connection, due.run.id, db.process)
        values = {"state": "postponed", "worker": None, "read": dict(read), "sentence": why._asdict()}
        await connection.execute(update(_run).where(_run.c.id == due.run.id).values(values))
        sooner = {"next_at": min(due.sync.next_at, now + LOOK_AGAIN), "again": due.again}
        if due.sync.is_paused:  # asked for by a person: the timetable would not come back to it
            sooner["asked_by"] = due.run.asked_by
        await write_sync(connection, due.sync.name, sooner)


async def conclude(
    db: Database,
    due: Due,
    end: SyncEnd,
    now: datetime,
    *,
    sentence: Text | None = None,
    seen: Mapping[str, Any] | None = None,
    made: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Ends a claimed run that became no import. Raises `Conflict` as `attach`."""
    async with db.begin() as connection:
        run = await _lock(connection, due.run.id, db.process)
        await end_in(connection, run, end, now, sentence=sentence, seen=seen, made=made)


async def end_in(
    connection: AsyncConnection,
    run: SyncRun,
    end: SyncEnd | Literal["waiting"],
    now: datetime,
    *,
    sentence: Text | None = None,
    seen: Mapping[str, Any] | None = None,
    made: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Writes how a locked run ended, or that it waits for a person, and what that means for its sync.

    `seen`: what the sync remembers of its source; None: what it did before.
    """
    values: dict[str, Any] = {
        "state": end,
        "worker": None,
        "ended_at": None if end == "waiting" else now,
        "sentence": {} if sentence is None else sentence._asdict(),
        "made": [dict(one) for one in made],
    }
    await connection.execute(update(_run).where(_run.c.id == run.id).values(values))
    found = await connection.execute(select(_sync).where(_sync.c.name == run.sync).with_for_update())
    row = found.mappings().one_or_none()
    if row is None:
        return
    await write_sync(connection, run.sync, _afterwards(sync_of(row), end, now, seen))
    await _forget_old(connection, run.sync)


def _afterwards(sync: Sync, end: str, now: datetime, seen: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns of the sync after a run that ended so."""
    values: dict[str, Any] = {} if seen is None else {"seen": dict(seen)}
    if end not in ("refused", "failed"):
        return values | {"failures": 0, "failing_since": None}
    failures = sync.failures + 1
    values |= {"failures": failures, "failing_since": sync.failing_since or now}
    if end == "failed" and failures <= RETRIES:
        retry = now + RETRY_AFTER * RETRY_GROWTH ** (failures - 1)
        values["next_at"] = min(sync.next_at, retry)
    return values


async def break_off_dead(db: Database, now: datetime) -> int:
    """Ends the runs whose process died before they became imports, as failed; how many there were.

    Also those that this process left, when the database went away: it carries out one after another, and none
    while it asks this.
    """
    claimed = select(_run).where(_run.c.state == "running", _run.c.worker.is_not(None))
    gone = 0
    async with db.begin() as connection:
        found = await connection.execute(claimed.with_for_update(skip_locked=True))
        for run in map(run_of, found.mappings().all()):
            assert run.worker is not None
            if run.worker != db.process and await is_alive(connection, run.worker):
                continue
            why = Text("执行同步的进程意外终止", "the process that carried it out died")
            await end_in(connection, run, "failed", now, sentence=why)
            gone += 1
    return gone


async def list_sync_runs(db: Database, name: str, *, limit: int = 50) -> list[SyncRun]:
    """The latest runs of a sync, the newest first."""
    statement = select(_run).where(_run.c.sync == name).order_by(_run.c.id.desc()).limit(limit)
    async with db.connect() as connection:
        return [run_of(row) for row in (await connection.execute(statement)).mappings()]


async def latest_runs(db: Database) -> dict[str, SyncRun]:
    """The latest run of each sync that had one, by its name."""
    newest = select(func.max(_run.c.id)).group_by(_run.c.sync)
    statement = select(_run).where(_run.c.id.in_(newest))
    async with db.connect() as connection:
        return {row["sync"]: run_of(row) for row in (await connection.execute(statement)).mappings()}


async def count_syncs(db: Database, now: datetime) -> SyncCounts:
    """How the syncs stand, for who watches the service."""
    failing = _sync.c.failures > 0
    counted = select(
        func.count(),
        func.count().filter(_sync.c.is_paused),
        func.count().filter(failing),
        func.count().filter(_is_late(now)),
        func.min(_sync.c.failing_since).filter(failing),
    ).select_from(_sync)
    waits = select(func.count()).select_from(_run).where(_run.c.state == "waiting")
    async with db.connect() as connection:
        syncs, paused, bad, overdue, since = (await connection.execute(counted)).one()
        waiting = await connection.scalar(waits)
    return SyncCounts(syncs, paused, bad, overdue, waiting or 0, since)


async def late_syncs(db: Database, now: datetime) -> set[str]:
    """The names of the syncs that should have begun and that nobody carries out: no worker runs."""
    async with db.connect() as connection:
        return set(await connection.scalars(select(_sync.c.name).where(_is_late(now))))


def _is_late(now: datetime) -> ColumnElement[bool]:
    running = exists().where(_run.c.sync == _sync.c.name, _run.c.state == "running")
    return and_(~_sync.c.is_paused, _sync.c.next_at < now - LATE_AFTER, ~running)


def run_of(row: RowMapping) -> SyncRun:
    """A `SyncRun` from a row of `onemap.sync_run`."""
    return SyncRun(**{name: row[name] for name in SyncRun.__dataclass_fields__})


async def _begun(connection: AsyncConnection, sync: Sync, now: datetime, process: int) -> SyncRun:
    """The run that is running from now on: a new one, or the one that was postponed."""
    last = select(_run).where(_run.c.sync == sync.name).order_by(_run.c.id.desc()).limit(1)
    before = (await connection.execute(last)).mappings().one_or_none()
    values = {"state": "running", "worker": process}
    if before is not None and before["state"] == "postponed":
        if sync.asked_by is not None:
            values["asked_by"] = sync.asked_by
        again = update(_run).where(_run.c.id == before["id"]).values(values)
        return run_of((await connection.execute(again.returning(_run))).mappings().one())
    new = insert(_run).values(sync=sync.name, started_at=now, asked_by=sync.asked_by, **values)
    return run_of((await connection.execute(new.returning(_run))).mappings().one())


async def _lock(connection: AsyncConnection, run_id: int, process: int) -> SyncRun:
    found = await connection.execute(select(_run).where(_run.c.id == run_id).with_for_update())
    row = found.mappings().one_or_none()
    if row is None or row["state"] != "running" or row["worker"] != process:
        raise Conflict(
            "该次同步已由其他进程接手或已被移除",
            "this run of a sync was taken over by another process, or removed",
            run=run_id,
        )
    return run_of(row)


async def _supersede(connection: AsyncConnection, due: Due) -> None:
    """Discards what earlier runs of the sync left waiting for a person: the source says otherwise now."""
    waiting = select(_run).where(_run.c.sync == due.sync.name, _run.c.state == "waiting").with_for_update()
    why = Text(
        "数据源已有更新的内容，被后一次同步取代", "the source has newer content; a later run took its place"
    )
    for run in map(run_of, (await connection.execute(waiting)).mappings().all()):
        if run.import_id is not None:
            await drop_stages(connection, run.import_id)
        values = {"state": "discarded", "ended_at": due.run.started_at, "sentence": why._asdict()}
        await connection.execute(update(_run).where(_run.c.id == run.id).values(values))


async def _forget_old(connection: AsyncConnection, name: str) -> None:
    newest = select(_run.c.id).where(_run.c.sync == name).order_by(_run.c.id.desc())
    eldest = await connection.scalar(newest.offset(KEPT_RUNS).limit(1))
    if eldest is not None:
        old = _run.delete().where(_run.c.sync == name, _run.c.id <= eldest, _run.c.ended_at.is_not(None))
        await connection.execute(old)
