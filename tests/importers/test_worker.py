"""Runs read by a worker: staged, refused, cancelled, given back; and what a worker leaves that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text as sql

from importers.run import import_files
from importers.worker import read_run, work_on_imports
from layers.access import Viewer
from layers.brought import stages_of
from layers.db import Database
from layers.errors import BadRequest, Conflict, NotAllowed, NotFound, TooMuch
from layers.import_runs import Run, ask_to_cancel, create_run, get_run
from layers.stage import is_alive
from layers.staged_runs import (
    MAX_ATTEMPTS,
    compare_again,
    discard_run,
    get_look,
    publish_run,
    queue_again,
    revive,
)
from layers.uploads import append, checked_name, get_upload, start_upload, sweep_uploads
from tests.importers.published import left_behind, rows_of, state_of
from tests.importers.specimens import text

LI = Viewer("li", roles=frozenset({"publisher"}), is_logged_in=True)
HEAD = "id,name,lon,lat\n"
FIRST = HEAD + "a,甲,116.5,31.7\nb,乙,116.6,31.7\n"
SECOND = HEAD + "a,甲二,116.5,31.7\nc,丙,116.7,31.7\n"


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def sent(database: Database, folder: Path, content: str, name: str = "t.csv", **options: object) -> Run:
    """A run over one file that has been sent."""
    whole = content.encode()
    upload = await start_upload(database, folder, name=name, size=len(whole), by="li")
    assert await append(folder, upload, 0, pieces(whole)) == len(whole)
    return await create_run(database, [upload.id], file_name=name, options=options, by="li")


async def read(database: Database, folder: Path, content: str, **options: Any) -> Run:
    run = await sent(database, folder, content, **options)
    await read_run(database, folder, run.id)
    return await get_run(database, run.id)


def seen(run: Run) -> Mapping[str, int]:
    return {one.staged.layer.id: one.base_version for one in stages_of(run)}


async def test_a_run_is_staged_compared_and_published_by_a_person(database: Database, tmp_path: Path) -> None:
    first = await read(database, tmp_path, FIRST)
    assert (first.state, first.layer_id) == ("staged", "t")
    assert "t" not in await state_of(database)
    await publish_run(database, first.id, LI, seen={"t": 0})
    second = await read(database, tmp_path, SECOND)
    assert [one.difference[:4] for one in stages_of(second)] == [(1, 1, 1, 0)]
    assert set(await rows_of(database, "t")) == {"a", "b"}
    published = await publish_run(database, second.id, LI, seen=seen(second))
    assert (published.state, published.report["versions"]) == ("published", {"t": 2})
    assert set(await rows_of(database, "t")) == {"a", "c"}
    assert published.report["reports"][0]["version"] == 2
    assert not await left_behind(database)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []


async def test_what_is_there_already_ends_unchanged(database: Database, tmp_path: Path) -> None:
    await import_files(database, [text(tmp_path, "t.csv", FIRST)])
    run = await read(database, tmp_path, FIRST)
    assert run.state == "unchanged"
    assert not await left_behind(database)


async def test_refused_rows_and_unreadable_files_end_a_run_with_their_reason(
    database: Database, tmp_path: Path
) -> None:
    refused = await read(database, tmp_path, FIRST + "c,丙,,\n")
    assert (refused.state, refused.report["reports"][0]["refused"]) == ("refused", 1)
    page = await read(database, tmp_path, "<html></html>")
    assert (page.state, page.report["fault"]["found"]) == ("refused", "HTML")
    strange = await read(database, tmp_path, FIRST, no_such_option=1)
    assert strange.state == "refused"
    assert not await left_behind(database)


async def test_publishing_what_was_compared_with_another_version_is_refused(
    database: Database, tmp_path: Path
) -> None:
    await import_files(database, [text(tmp_path, "t.csv", FIRST)])
    one, two = [await read(database, tmp_path, SECOND, partial=True) for _ in range(2)]
    await publish_run(database, one.id, LI, seen={"t": 1})
    for version in (1, 2):
        with pytest.raises(Conflict):
            await publish_run(database, two.id, LI, seen={"t": version})
    again = await compare_again(database, two.id)
    assert (seen(again), stages_of(again)[0].difference.is_empty) == ({"t": 2}, True)
    assert (await publish_run(database, two.id, LI, seen={"t": 2})).state == "unchanged"


async def test_of_two_publishers_at_once_one_is_told_to_look_again(
    database: Database, tmp_path: Path
) -> None:
    await import_files(database, [text(tmp_path, "t.csv", FIRST)])
    runs = [
        await read(database, tmp_path, HEAD + f"{key},丁,116.8,31.7\n", partial=True) for key in ("d", "e")
    ]
    done = await asyncio.gather(
        *(publish_run(database, run.id, LI, seen={"t": 1}) for run in runs), return_exceptions=True
    )
    [lost] = [run for run, end in zip(runs, done, strict=True) if isinstance(end, Conflict)]
    await compare_again(database, lost.id)
    await publish_run(database, lost.id, LI, seen={"t": 2})
    assert set(await rows_of(database, "t")) == {"a", "b", "d", "e"}


async def test_nobody_publishes_outside_their_districts(database: Database, tmp_path: Path) -> None:
    content = "标识码,部件名称,类别编码,lon,lat,district_code\n3415020101000001,井盖,0101,116.5,31.7,341502\n"
    east = content + "3415030101000001,井盖,0101,116.6,31.7,341503\n"
    limited = Viewer("li", roles=frozenset({"publisher"}), districts=("341502",), is_logged_in=True)
    both = await read(database, tmp_path, east, layer_id="component")
    assert both.state == "staged", both.report
    with pytest.raises(NotAllowed) as refused:
        await publish_run(database, both.id, limited, seen={"component": 0})
    assert refused.value.facts["count"] == 1
    await publish_run(database, both.id, LI, seen={"component": 0})
    removing = await read(database, tmp_path, content, layer_id="component")
    with pytest.raises(NotAllowed):
        await publish_run(database, removing.id, limited, seen={"component": 1})
    changed = content.replace("0101,116.5", "0101,116.51")
    own = await read(database, tmp_path, changed, layer_id="component", partial=True)
    assert (await publish_run(database, own.id, limited, seen={"component": 1})).state == "published"
    free = await read(database, tmp_path, FIRST)
    with pytest.raises(NotAllowed):
        await publish_run(database, free.id, limited, seen={"t": 0})


async def test_a_discarded_run_leaves_nothing(database: Database, tmp_path: Path) -> None:
    run = await read(database, tmp_path, FIRST)
    assert (await discard_run(database, run.id)).state == "discarded"
    assert not await left_behind(database)
    with pytest.raises(Conflict):
        await publish_run(database, run.id, LI, seen={"t": 0})


async def test_fields_that_a_delivery_adds_are_compared_and_published(
    database: Database, tmp_path: Path
) -> None:
    await import_files(database, [text(tmp_path, "t.csv", FIRST)])
    run = await read(database, tmp_path, "id,name,lon,lat,note\na,甲,116.5,31.7,新\nb,乙,116.6,31.7,\n")
    assert stages_of(run)[0].difference.added == 0
    await publish_run(database, run.id, LI, seen={"t": 1})
    assert (await rows_of(database, "t"))["a"].values["note"] == "新"


MANY = HEAD + "".join(f"{i},名{i},{116.5 + i * 1e-6:.6f},31.7\n" for i in range(300_000))


async def test_a_worker_tells_how_far_it_is_and_stops_when_asked(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importers.worker.BEAT_S", 0.02)
    run = await sent(database, tmp_path, MANY)
    reading = asyncio.create_task(read_run(database, tmp_path, run.id))
    async with asyncio.timeout(60):
        while not (await get_run(database, run.id)).rows_done:
            await asyncio.sleep(0.01)
        await ask_to_cancel(database, run.id)
        await reading
    ended = await get_run(database, run.id)
    assert ended.state == "cancelled"
    assert ended.rows_done
    assert not await left_behind(database)


async def test_a_worker_that_is_told_to_stop_gives_its_run_back(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importers.worker.BEAT_S", 0.02)
    run = await sent(database, tmp_path, MANY)
    working = asyncio.create_task(work_on_imports(database, tmp_path))
    async with asyncio.timeout(60):
        while not (await get_run(database, run.id)).rows_done:
            await asyncio.sleep(0.01)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    waiting = await get_run(database, run.id)
    assert (waiting.state, waiting.attempts) == ("uploaded", 0)
    working = asyncio.create_task(work_on_imports(database, tmp_path))
    async with asyncio.timeout(60):
        while (await get_run(database, run.id)).state != "staged":
            await asyncio.sleep(0.05)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


KILLED = """
import asyncio, os, signal, sys, uuid
from pathlib import Path
import importers.worker
from layers.db import Database

importers.worker.BEAT_S = 0.01
point = sys.argv[4]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

async def main() -> None:
    if point == "keep":
        keep = importers.worker.keep
        async def kept_and_dead(*given):
            await keep(*given)
            die()
        importers.worker.keep = kept_and_dead
    elif point == "named_files":
        importers.worker.named_files = die
    else:
        stage, times = point.split(":")
        heard = importers.worker._Place.__call__
        left = int(times)
        def call(self, step):
            nonlocal left
            if step.stage == stage:
                left -= 1
                if left == 0:
                    die()
            heard(self, step)
        importers.worker._Place.__call__ = call
    async with Database(sys.argv[1]) as db:
        await importers.worker.read_run(db, Path(sys.argv[2]), uuid.UUID(sys.argv[3]))

asyncio.run(main())
"""


async def killed(database_url: str, folder: Path, run: Run, point: str) -> None:
    command = (sys.executable, "-c", KILLED, database_url, str(folder), str(run.id), point)
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == -signal.SIGKILL
    async with Database(database_url) as database, asyncio.timeout(20):
        # The database notices a moment later, on a busy machine, that nobody is there any more.
        while (await get_run(database, run.id)).state == "reading" and await has_worker(database, run.id):
            await asyncio.sleep(0.02)


async def has_worker(database: Database, run_id: uuid.UUID) -> bool:
    """Whether the process that reads the run shows its sign of life."""
    process = (await get_run(database, run_id)).worker
    async with database.connect() as connection:
        return process is not None and await is_alive(connection, process)


POINTS = ["named_files", "opening:1", "reading:1", "reading:2", "comparing:1", "keep"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_worker_leaves_its_run_to_the_next(
    database: Database, database_url: str, tmp_path: Path, point: str
) -> None:
    await import_files(database, [text(tmp_path, "t.csv", FIRST)])
    before = await state_of(database)
    run = await sent(database, tmp_path, SECOND)
    await killed(database_url, tmp_path, run, point)
    assert await state_of(database) == before
    left = await get_run(database, run.id)
    assert left.state == ("staged" if point == "keep" else "reading")
    assert await revive(database, with_stages=True) == (point != "keep")
    if point != "keep":
        assert (await get_run(database, run.id)).state == "uploaded"
        await read_run(database, tmp_path, run.id)
    ready = await get_run(database, run.id)
    assert ready.state == "staged"
    assert (await publish_run(database, run.id, LI, seen={"t": 1})).report["versions"] == {"t": 2}
    await import_files(database, [text(tmp_path, "u.csv", FIRST)])
    assert not await left_behind(database)


async def test_a_run_that_kills_every_worker_fails(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    run = await sent(database, tmp_path, FIRST)
    for _ in range(MAX_ATTEMPTS):
        assert (await get_run(database, run.id)).state == "uploaded"
        await killed(database_url, tmp_path, run, "opening:1")
        await revive(database)
    ended = await get_run(database, run.id)
    assert (ended.state, str(MAX_ATTEMPTS) in ended.report["fault"]["en"]) == ("failed", True)


async def test_a_run_of_a_living_process_is_left_alone(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    run = await sent(database, tmp_path, FIRST)
    async with Database(database_url) as other:
        from layers.import_runs import claim

        assert await claim(other, run.id)
        assert await revive(database) == 0
    assert await revive(database) == 1


async def test_a_stage_that_a_crash_of_the_database_emptied_is_read_again(
    database: Database, tmp_path: Path
) -> None:
    run = await read(database, tmp_path, FIRST)
    async with database.begin() as connection:
        await connection.execute(sql(f"TRUNCATE onemap_stage.{run.stages[0]['table']}"))
    with pytest.raises(Conflict):
        await publish_run(database, run.id, LI, seen={"t": 0})
    assert await revive(database, with_stages=True) == 1
    await read_run(database, tmp_path, run.id)
    assert (await publish_run(database, run.id, LI, seen={"t": 0})).state == "published"


async def test_a_stage_that_belongs_to_no_run_goes(database: Database, tmp_path: Path) -> None:
    async with database.begin() as connection:
        await connection.execute(sql("CREATE TABLE onemap_stage.kept_of_nobody (a int)"))
    run = await read(database, tmp_path, FIRST)
    await revive(database, with_stages=True)
    assert await left_behind(database) == [run.stages[0]["table"]]


async def test_an_upload_goes_on_where_it_broke_off(database: Database, tmp_path: Path) -> None:
    upload = await start_upload(database, tmp_path, name="单元网格.zip", size=6, by="li")

    async def broken() -> AsyncIterator[bytes]:
        yield b"abc"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await append(tmp_path, upload, 0, broken())
    upload = await get_upload(database, tmp_path, upload.id, LI)
    assert (upload.offset, upload.is_complete) == (3, False)
    with pytest.raises(Conflict) as refused:
        await append(tmp_path, upload, 0, pieces(b"abc"))
    assert refused.value.facts["offset"] == 3
    with pytest.raises(TooMuch):
        await append(tmp_path, upload, 3, pieces(b"defg"))
    assert await append(tmp_path, upload, 3, pieces(b"d", b"ef")) == 6
    assert (tmp_path / str(upload.id)).read_bytes() == b"abcdef"
    with pytest.raises(NotFound):
        await get_upload(database, tmp_path, upload.id, Viewer("wang", roles=frozenset({"publisher"})))


async def test_two_senders_at_once_do_not_mix(database: Database, tmp_path: Path) -> None:
    upload = await start_upload(database, tmp_path, name="a.csv", size=4, by="li")

    async def meanwhile() -> AsyncIterator[bytes]:
        with pytest.raises(Conflict):
            await append(tmp_path, upload, 0, pieces(b"xx"))
        yield b"abcd"

    assert await append(tmp_path, upload, 0, meanwhile()) == 4


BAD_NAMES = [
    "a\u202evsc.exe",
    "",
    " ",
    "..",
    ".hidden",
    "a/b.shp",
    "a\\b.shp",
    "C:x.shp",
    "a\x00b",
    "a\nb",
    "\ud800",
    "长" * 70,
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        checked_name(name)


async def test_old_uploads_go_unless_an_open_run_needs_them(database: Database, tmp_path: Path) -> None:
    waiting = await sent(database, tmp_path, FIRST)
    idle = await start_upload(database, tmp_path, name="b.csv", size=4, by="li")
    new = await start_upload(database, tmp_path, name="c.csv", size=4, by="li")
    async with database.begin() as connection:
        statement = sql("UPDATE onemap.upload SET started_at = now() - interval '8 days' WHERE id <> :new")
        await connection.execute(statement, {"new": new.id})
    assert await sweep_uploads(database, tmp_path) == 1
    left = set(os.listdir(tmp_path))
    assert left == {str(waiting.uploads[0]), str(new.id)}
    assert str(idle.id) not in left


async def looked_at(database: Database, folder: Path, content: str) -> Run:
    run = await sent(database, folder, content)
    async with database.begin() as connection:
        await connection.execute(sql("UPDATE onemap.import_run SET look_first = true"))
    await read_run(database, folder, run.id)
    return await get_run(database, run.id)


async def test_a_run_is_looked_at_first_and_read_as_a_person_then_says(
    database: Database, tmp_path: Path
) -> None:
    run = await looked_at(database, tmp_path, "id,name,a,b\nx,甲,116.5,31.7\n")
    assert (run.state, run.stages) == ("looked", ())
    look = await get_look(database, run.id)
    assert look is not None
    assert [trouble["rule"] for trouble in look["tables"][0]["troubles"]] == ["place"]
    assert not await left_behind(database)
    options = {"columns": {"a": "@x", "b": "@y"}}
    queued = await queue_again(database, run.id, options, look_first=False, by="li")
    assert (queued.state, queued.look_first, queued.options) == ("uploaded", False, options)
    await read_run(database, tmp_path, run.id)
    staged = await get_run(database, run.id)
    assert (staged.state, staged.layer_id) == ("staged", "t")
    await queue_again(database, run.id, {**options, "layer_id": "other"}, look_first=True, by="li")
    assert not await left_behind(database), "what was staged is dropped"
    await read_run(database, tmp_path, run.id)
    assert (await get_run(database, run.id)).state == "looked"


async def test_a_refused_run_is_read_again_with_refused_rows_left_out(
    database: Database, tmp_path: Path
) -> None:
    run = await read(database, tmp_path, FIRST + "c,丙,,\n")
    assert (run.state, run.is_open) == ("refused", False)
    queued = await queue_again(database, run.id, {"allow_refused": True}, look_first=False, by="li")
    assert (queued.is_open, queued.ended_at, queued.report) == (True, None, {})
    await read_run(database, tmp_path, run.id)
    assert (await get_run(database, run.id)).state == "staged"


async def test_a_look_whose_worker_died_is_taken_again(database: Database, tmp_path: Path) -> None:
    run = await sent(database, tmp_path, FIRST)
    async with database.begin() as connection:
        await connection.execute(
            sql("UPDATE onemap.import_run SET look_first = true, state = 'reading', worker = 1, attempts = 1")
        )
    assert await revive(database) == 1
    await read_run(database, tmp_path, run.id)
    assert (await get_run(database, run.id)).state == "looked"
    assert await revive(database) == 0, "one that waits for a person is in no trouble"
