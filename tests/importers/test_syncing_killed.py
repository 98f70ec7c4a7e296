"""Syncs in processes of their own: killed at any moment, or two at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from importers.syncing import sync_once
from layers.access import SYSTEM
from layers.catalogue import versions
from layers.db import Database
from layers.import_runs import list_runs
from layers.stage import is_alive
from layers.staged_runs import revive
from layers.sync_runs import break_off_dead, claim_due, list_sync_runs
from layers.syncs import ask_for_run, get_sync
from tests.importers.published import left_behind, state_of
from tests.importers.test_syncing import BEGIN, FIRST, HOUR, Desk, rows

KILLED = """
import asyncio, os, signal, sys
from datetime import datetime
from pathlib import Path
import importers.syncing, importers.worker, layers.staged_runs, layers.sync_settle
from layers.db import Database
from layers.import_runs import waiting_runs

point, root, now = sys.argv[2], Path(sys.argv[3]), datetime.fromisoformat(sys.argv[4])
places = importers.syncing.Places(root / "uploads", root / "sync")

def dying(module, name, first):
    does = getattr(module, name)
    async def die(*given, **said):
        if first:
            await does(*given, **said)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(module, name, die)

match point:
    case "claimed": dying(importers.syncing, "carry_out", False)
    case "copied": dying(importers.syncing, "keep_file", True)
    case "queued": dying(importers.syncing.sync_runs, "attach", True)
    case "reading": dying(importers.worker, "stage_files", False)
    case "staged": dying(importers.worker, "keep", True)
    case "in the transaction": dying(layers.staged_runs, "publish_in", True)
    case "published": dying(layers.sync_settle, "publish_run", True)
    case "told": dying(layers.sync_settle, "end_in", True)

async def main():
    async with Database(sys.argv[1]) as db:
        await importers.syncing.sync_once(db, places, now)
        for run_id in await waiting_runs(db):
            await importers.worker.read_run(db, places.uploads, run_id)
        await importers.syncing.sync_once(db, places, now)

asyncio.run(main())
"""

POINTS = ["claimed", "copied", "queued", "reading", "staged", "in the transaction", "published", "told"]


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path)


async def nobody_is_left(database: Database) -> None:
    """Until the database has noticed that the killed process is gone."""
    async with asyncio.timeout(20):
        while True:
            workers = [run.worker for run in await list_sync_runs(database, "nightly")]
            workers += [run.worker for run in await list_runs(database)]
            async with database.connect() as connection:
                alive = [await is_alive(connection, worker) for worker in workers if worker is not None]
            if not any(alive):
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_at_any_moment_leaves_a_whole_version_and_the_sync_goes_on(
    desk: Desk, database_url: str, tmp_path: Path, point: str
) -> None:
    desk.put(FIRST)
    await desk.add()
    assert (await desk.ran()).state == "published"
    before = await state_of(desk.database)
    desk.put(rows("abcdefghijk"))
    desk.now += HOUR
    command = (sys.executable, "-c", KILLED, database_url, point, str(tmp_path), desk.now.isoformat())
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == -signal.SIGKILL
    await nobody_is_left(desk.database)

    after = await state_of(desk.database)
    assert after["t"] == ((2, "published", 11) if point in ("published", "told") else before["t"])
    await revive(desk.database, with_stages=True)
    await desk.tick()
    await desk.tick(HOUR)
    assert [version.number for version in await versions(desk.database, "t")] == [2, 1]
    assert (await state_of(desk.database))["t"] == (2, "published", 11)
    states = [run.state for run in await list_sync_runs(desk.database, "nightly")]
    assert set(states) <= {"published", "unchanged", "failed"}, states
    assert states.count("published") == 2, states
    assert not (await get_sync(desk.database, "nightly")).is_failing
    assert not await left_behind(desk.database)


async def test_two_worker_processes_carry_out_one_run(desk: Desk, database_url: str, tmp_path: Path) -> None:
    path = desk.put(FIRST)
    ago = time.time() - HOUR.total_seconds()
    os.utime(path, (ago, ago))
    await desk.add(timetable="monthly 1 02:30")
    settings = {
        "ONEMAP_DATABASE_URL": database_url,
        "ONEMAP_HOME": str(tmp_path),
        "ONEMAP_SYNC_FOLDER": str(desk.folder),
    }
    command = (sys.executable, "-m", "onemap", "worker")
    workers = [
        await asyncio.create_subprocess_exec(*command, env={**os.environ, **settings}) for _ in range(2)
    ]
    try:
        for names in ("abcdefghijk", "abcdefghijkl", "abcdefghijklm"):
            path.write_text(rows(names))
            os.utime(path, (ago, ago))
            await ask_for_run(desk.database, "nightly", SYSTEM, by="li")
            async with asyncio.timeout(90):
                while (await state_of(desk.database)).get("t", (0, "", 0))[2] != len(names):
                    await asyncio.sleep(0.05)
                while (last := await desk.last()) is None or last.state == "running":
                    await asyncio.sleep(0.05)
    finally:
        for worker in workers:
            worker.terminate()
        await asyncio.gather(*(worker.wait() for worker in workers))
    runs = await list_sync_runs(desk.database, "nightly")
    assert [run.state for run in runs] == ["published"] * 3
    assert [version.number for version in await versions(desk.database, "t")] == [3, 2, 1]


async def test_a_worker_that_is_told_to_stop_leaves_its_run_to_the_next(desk: Desk) -> None:
    path = desk.put(FIRST)
    os.truncate(path, 100 * 2**20)  # takes a while to be copied
    desk.touch(path, HOUR)
    await desk.add()
    working = asyncio.create_task(sync_once(desk.database, desk.places, desk.now + HOUR))
    async with asyncio.timeout(20):
        while not list(desk.places.uploads.iterdir()):
            await asyncio.sleep(0.001)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    last = await desk.last()
    assert last is not None
    assert (last.state, last.worker) == ("postponed", None)
    desk.put(FIRST)
    assert (await desk.ran(HOUR + timedelta(minutes=1))).state == "published"
    assert len(await list_sync_runs(desk.database, "nightly")) == 1


async def test_a_run_whose_worker_lives_is_left_alone(desk: Desk, database_url: str) -> None:
    desk.put(FIRST)
    await desk.add()
    now = BEGIN + HOUR
    async with Database(database_url) as other:
        assert await claim_due(other, now) is not None
        assert await break_off_dead(desk.database, now) == 0
        assert await sync_once(desk.database, desk.places, now) == 0
    async with asyncio.timeout(20):
        while not await break_off_dead(desk.database, now):
            await asyncio.sleep(0.02)
    last = await desk.last()
    assert last is not None
    assert (last.state, "意外终止" in last.sentence["zh"]) == ("failed", True)
    assert (await get_sync(desk.database, "nightly")).next_at > datetime(2026, 11, 21, tzinfo=UTC)
