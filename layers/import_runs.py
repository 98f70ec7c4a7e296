"""The life of an import, in the database: what came in, who reads it, how far it is, how it ended.

    uploaded ──▶ reading ──▶ looked ──▶ uploaded, cancelled
        │  ◀──────  │
        │           ├──▶ staged ──▶ published, unchanged, discarded, failed
        │  ◀────────┼─────  │
        │           ├──▶ refused ──▶ uploaded
        │           ├──▶ published, unchanged
        └───────────┴──▶ failed, cancelled

A run with `look_first` is opened only, and waits in `looked` until a person has said how it is to be read;
then, and when a person wants a staged or refused one read otherwise, it is `uploaded` again. The arrows back
are also taken when a worker died over a run, or a crash of the database emptied its stages.
A run that the command line carries out starts in `reading` and never waits in `looked` or `staged`.
Every change counts up `revision` and tells `notices.IMPORT_CHANNEL`. Rows are staged and published by
`layers.staged_runs`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.access import Viewer
from layers.db import Database
from layers.errors import Conflict, NotFound
from layers.notices import IMPORT_CHANNEL, notify
from layers.stage import announce_life

RunState = Literal[
    "uploaded",
    "reading",
    "looked",
    "staged",
    "published",
    "unchanged",
    "refused",
    "failed",
    "cancelled",
    "discarded",
]
RunEnd = Literal["published", "unchanged", "refused", "failed", "cancelled"]

FOLLOWS: Mapping[RunState, frozenset[RunState]] = {
    "uploaded": frozenset({"reading", "failed", "cancelled"}),
    "reading": frozenset(
        {"uploaded", "looked", "staged", "published", "unchanged", "refused", "failed", "cancelled"}
    ),
    "looked": frozenset({"uploaded", "cancelled"}),
    "staged": frozenset({"uploaded", "published", "unchanged", "discarded", "failed"}),
    "refused": frozenset({"uploaded"}),
}
"""Which states may come after which."""

OPEN: frozenset[RunState] = frozenset({"uploaded", "reading", "looked", "staged"})
"""The others are ends; only one that was refused may be read again, with other options."""

_table = schema.import_run


@dataclass(frozen=True)
class Run:
    """One import as it stands. `report`: `reports` (one per table), `fault` (zh, en) where it failed."""

    id: uuid.UUID
    state: RunState
    file_name: str
    layer_id: str | None
    uploads: tuple[uuid.UUID, ...]
    options: Mapping[str, Any]
    step: str
    rows_done: int
    rows_total: int | None
    stages: tuple[Mapping[str, Any], ...]
    report: Mapping[str, Any]
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    cancel_asked: bool
    worker: int | None
    attempts: int
    revision: int
    look_first: bool
    sync: str | None
    reviews: tuple[Mapping[str, Any], ...]

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


async def begin_run(db: Database, *, file_name: str, layer_id: str | None, by: str) -> uuid.UUID:
    """Records that this process reads an import; its id."""
    run_id = uuid.uuid4()
    await announce_life(db)
    async with db.begin() as connection:
        await connection.execute(
            insert(_table).values(
                id=run_id,
                file_name=file_name,
                layer_id=layer_id,
                state="reading",
                started_by=by,
                worker=db.process,
            )
        )
    return run_id


async def end_run(
    db: Database, run_id: uuid.UUID, state: RunEnd, report: Mapping[str, Any] | None = None
) -> None:
    """Records how an import ended. Raises `Conflict` if it has ended, or another process reads it now."""
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
        if run.worker != db.process:
            raise wrong_state(run, state)
        await move(connection, run_id, state, report=dict(report or {}))


async def create_run(
    db: Database,
    uploads: Sequence[uuid.UUID],
    *,
    file_name: str,
    options: Mapping[str, Any],
    by: str,
    look_first: bool = False,
) -> Run:
    """Records files that wait to be read, or with `look_first` to be looked at."""
    async with db.begin() as connection:
        return await create_run_in(
            connection, uploads, file_name=file_name, options=options, by=by, look_first=look_first
        )


async def create_run_in(
    connection: AsyncConnection,
    uploads: Sequence[uuid.UUID],
    *,
    file_name: str,
    options: Mapping[str, Any],
    by: str,
    look_first: bool = False,
    sync: str | None = None,
) -> Run:
    """As `create_run`, in the transaction of `connection`; `sync`: the name of what began it."""
    made = insert(_table).values(
        id=uuid.uuid4(),
        file_name=file_name,
        layer_id=options.get("layer_id"),
        state="uploaded",
        uploads=list(uploads),
        options=dict(options),
        started_by=by,
        look_first=look_first,
        sync=sync,
    )
    row = (await connection.execute(made.returning(_table))).mappings().one()
    await notify(connection, IMPORT_CHANNEL, row["id"], row["revision"])
    return run_from_row(row)


def may_see(viewer: Viewer, run: Run) -> bool:
    """Whether `viewer`, a publisher, may know of the run: with districts, only of their own."""
    return run.started_by == viewer.name or viewer.has("admin") or not viewer.districts


async def get_run(db: Database, run_id: uuid.UUID, viewer: Viewer | None = None) -> Run:
    """The run; raises `NotFound`, also for one that `viewer` may not know of."""
    async with db.connect() as connection:
        row = (await connection.execute(select(_table).where(_table.c.id == run_id))).mappings().one_or_none()
    if row is None or (viewer is not None and not may_see(viewer, run_from_row(row))):
        raise _no_such(run_id)
    return run_from_row(row)


async def list_runs(
    db: Database, *, limit: int = 50, after: uuid.UUID | None = None, by: str | None = None
) -> list[Run]:
    """The newest imports first, from the one after the run `after`; of the account `by` only, if given."""
    statement = select(_table).order_by(_table.c.started_at.desc(), _table.c.id.desc()).limit(limit)
    if by is not None:
        statement = statement.where(_table.c.started_by == by)
    if after is not None:
        mark = select(_table.c.started_at, _table.c.id).where(_table.c.id == after).subquery()
        place = tuple_(_table.c.started_at, _table.c.id)
        statement = statement.join(mark, place < tuple_(mark.c.started_at, mark.c.id))
    async with db.connect() as connection:
        return [run_from_row(row) for row in (await connection.execute(statement)).mappings()]


async def claim(db: Database, run_id: uuid.UUID) -> Run | None:
    """Takes a waiting run for this process; None if it waits no longer (taken, cancelled, gone)."""
    await announce_life(db)
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
        if run.state != "uploaded":
            return None
        return await move(
            connection,
            run_id,
            "reading",
            worker=db.process,
            attempts=run.attempts + 1,
            beat_at=func.now(),
            step="opening",
            rows_done=0,
            rows_total=None,
        )


async def beat(db: Database, run_id: uuid.UUID, *, step: str, done: int, total: int | None) -> bool:
    """The worker lives and is so far; False if it should stop: cancelled, or no longer its run."""
    await announce_life(db)
    moved = (
        (_table.c.step != step) | (_table.c.rows_done != done) | _table.c.rows_total.is_distinct_from(total)
    )
    revision = _table.c.revision + func.coalesce(moved, False).cast(_table.c.revision.type)
    statement = (
        update(_table)
        .where(_table.c.id == run_id, _table.c.state == "reading", _table.c.worker == db.process)
        .values(beat_at=func.now(), step=step, rows_done=done, rows_total=total, revision=revision)
        .returning(_table.c.cancel_asked, _table.c.revision)
    )
    async with db.begin() as connection:
        row = (await connection.execute(statement)).one_or_none()
        if row is None:
            return False
        await notify(connection, IMPORT_CHANNEL, run_id, row.revision)
        return not row.cancel_asked


async def ask_to_cancel(db: Database, run_id: uuid.UUID) -> Run:
    """Ends a run that waits at once; asks the worker of one that is being read. `Conflict` for any other."""
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
        if run.state in ("uploaded", "looked"):
            return await move(connection, run_id, "cancelled")
        if run.state != "reading":
            raise wrong_state(run, "cancelled")
        return await write(connection, run_id, cancel_asked=True)


async def waiting_runs(db: Database) -> list[uuid.UUID]:
    """The runs that wait to be read, the oldest first."""
    statement = select(_table.c.id).where(_table.c.state == "uploaded").order_by(_table.c.started_at)
    async with db.connect() as connection:
        return list(await connection.scalars(statement))


async def lock_run(connection: AsyncConnection, run_id: uuid.UUID) -> Run:
    """The newest state of the run, locked to the end of the transaction; raises `NotFound`."""
    statement = select(_table).where(_table.c.id == run_id).with_for_update()
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise _no_such(run_id)
    return run_from_row(row)


async def move(connection: AsyncConnection, run_id: uuid.UUID, to: RunState, **values: Any) -> Run:
    """Brings the run to the state `to` with `values` for its columns.

    Raises `NotFound`, or `Conflict` where that state may not follow the one it is in.
    """
    run = await lock_run(connection, run_id)
    if to not in FOLLOWS.get(run.state, frozenset()):
        raise wrong_state(run, to)
    if to not in OPEN:
        values |= {"ended_at": func.now(), "worker": None, "cancel_asked": False}
    return await write(connection, run_id, state=to, **values)


async def write(connection: AsyncConnection, run_id: uuid.UUID, **values: Any) -> Run:
    """Writes `values` into the columns of a locked run, and tells."""
    statement = update(_table).where(_table.c.id == run_id)
    changed = statement.values(**values, revision=_table.c.revision + 1).returning(_table)
    row = (await connection.execute(changed)).mappings().one()
    await notify(connection, IMPORT_CHANNEL, run_id, row["revision"])
    return run_from_row(row)


def wrong_state(run: Run, wanted: str) -> Conflict:
    """The refusal of what the state of `run` forbids."""
    return Conflict(
        f"该导入的状态为 {run.state}，不能改为 {wanted}",
        f"this import is {run.state}, it cannot become {wanted}",
        run=str(run.id),
        state=run.state,
    )


def run_from_row(row: RowMapping) -> Run:
    """A `Run` from a row of `onemap.import_run`."""
    return Run(
        id=row["id"],
        state=row["state"],
        file_name=row["file_name"],
        layer_id=row["layer_id"],
        uploads=tuple(row["uploads"]),
        options=row["options"],
        step=row["step"],
        rows_done=row["rows_done"],
        rows_total=row["rows_total"],
        stages=tuple(row["stages"]),
        report=row["report"],
        started_by=row["started_by"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        cancel_asked=row["cancel_asked"],
        worker=row["worker"],
        attempts=row["attempts"],
        revision=row["revision"],
        look_first=row["look_first"],
        sync=row["sync"],
        reviews=tuple(row["reviews"]),
    )


def _no_such(run_id: uuid.UUID) -> NotFound:
    return NotFound(f"没有导入 {run_id}", f"there is no import {run_id}", run=str(run_id))
