"""The life of an import in the database, and the queue it waits in."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from layers.access import Viewer
from layers.db import Database
from layers.errors import Conflict, NotFound
from layers.import_runs import (
    FOLLOWS,
    OPEN,
    Run,
    RunState,
    ask_to_cancel,
    beat,
    begin_run,
    claim,
    create_run,
    end_run,
    get_run,
    list_runs,
    move,
    waiting_runs,
)
from layers.jobs import put, work
from layers.notices import IMPORT_CHANNEL, Notice, Notices
from layers.staged_runs import get_look, keep_look, queue_again


async def waiting(database: Database, by: str = "li") -> Run:
    return await create_run(database, [uuid.uuid4()], file_name="a.shp", options={"layer_id": "road"}, by=by)


async def test_a_run_is_taken_by_one_worker_only(database: Database, database_url: str) -> None:
    run = await waiting(database)
    assert await waiting_runs(database) == [run.id]
    async with Database(database_url) as other:
        taken = await asyncio.gather(*(claim(db, run.id) for db in (database, other)))
    [mine] = [found for found in taken if found is not None]
    assert (mine.state, mine.attempts) == ("reading", 1)
    assert await waiting_runs(database) == []


async def test_every_way_through_the_states_is_one_that_is_drawn(database: Database) -> None:
    ends: list[RunState] = ["published", "unchanged", "refused", "failed", "cancelled", "discarded"]
    for end in ends:
        run = await waiting(database)
        await claim(database, run.id)
        async with database.begin() as connection:
            if end not in FOLLOWS["reading"]:
                await move(connection, run.id, "staged")
            ended = await move(connection, run.id, end)
        assert (ended.state, ended.is_open, ended.worker) == (end, False, None)
        assert ended.ended_at is not None
        for after in {*OPEN, *ends} - FOLLOWS.get(end, frozenset()):
            with pytest.raises(Conflict):
                async with database.begin() as connection:
                    await move(connection, run.id, after)


async def test_a_worker_hears_with_its_beat_that_it_should_stop(database: Database) -> None:
    run = await waiting(database)
    await claim(database, run.id)
    assert await beat(database, run.id, step="reading", done=10, total=20)
    seen = await get_run(database, run.id)
    assert (seen.step, seen.rows_done, seen.rows_total) == ("reading", 10, 20)
    await ask_to_cancel(database, run.id)
    assert not await beat(database, run.id, step="reading", done=11, total=20)
    await end_run(database, run.id, "cancelled")
    assert not await beat(database, run.id, step="reading", done=12, total=20)
    with pytest.raises(Conflict):
        await ask_to_cancel(database, run.id)


async def test_a_waiting_run_is_cancelled_at_once(database: Database) -> None:
    run = await waiting(database)
    assert (await ask_to_cancel(database, run.id)).state == "cancelled"
    assert await claim(database, run.id) is None


async def test_changes_of_a_run_are_told(database: Database) -> None:
    async with Notices(database) as notices:
        news = notices.subscribe(IMPORT_CHANNEL)
        run = await waiting(database)
        await claim(database, run.id)
        told = [await asyncio.wait_for(anext(news), 10) for _ in range(2)]
    assert told == [Notice(IMPORT_CHANNEL, str(run.id), n) for n in (1, 2)]


async def test_runs_are_listed_newest_first_page_by_page(database: Database) -> None:
    made = [(await waiting(database, by)).id for by in ("li", "wang", "li")]
    first = await list_runs(database, limit=2)
    assert [run.id for run in first] == made[:0:-1]
    assert [run.id for run in await list_runs(database, after=first[-1].id)] == made[:1]
    assert [run.id for run in await list_runs(database, by="wang")] == made[1:2]


async def test_a_publisher_of_a_district_knows_of_their_own_runs_only(database: Database) -> None:
    run = await waiting(database, "li")
    limited = {"roles": frozenset({"publisher"}), "districts": ("341502",), "is_logged_in": True}
    assert await get_run(database, run.id, Viewer("li", **limited))  # type: ignore[arg-type]
    assert await get_run(database, run.id, Viewer("wang", roles=frozenset({"publisher"})))
    with pytest.raises(NotFound):
        await get_run(database, run.id, Viewer("wang", **limited))  # type: ignore[arg-type]


async def test_a_queued_run_comes_out_once_even_if_put_twice(database: Database) -> None:
    first, second = uuid.uuid4(), uuid.uuid4()
    read: list[uuid.UUID] = []

    async def take(run_id: uuid.UUID) -> None:
        read.append(run_id)
        if run_id == second:
            done.set()

    done = asyncio.Event()
    async with database.begin() as connection:
        await put(connection, first)
        await put(connection, first)
    async with database.begin() as connection:
        await put(connection, first)
        await put(connection, second)
    working = asyncio.create_task(work(database, take))
    await asyncio.wait_for(done.wait(), 20)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert read == [first, second]


async def test_a_job_is_queued_only_if_its_transaction_commits(database: Database) -> None:
    class Undone(Exception):
        pass

    async def put_and_fail() -> None:
        async with database.begin() as connection:
            await put(connection, uuid.uuid4())
            raise Undone

    kept = uuid.uuid4()
    with pytest.raises(Undone):
        await put_and_fail()
    read: asyncio.Queue[uuid.UUID] = asyncio.Queue()
    working = asyncio.create_task(work(database, read.put))
    async with database.begin() as connection:
        await put(connection, kept)
    assert await asyncio.wait_for(read.get(), 20) == kept
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_a_run_of_the_command_line_is_read_at_once(database: Database) -> None:
    run_id = await begin_run(database, file_name="a.shp", layer_id="road", by="li")
    assert (await get_run(database, run_id)).state == "reading"
    await end_run(database, run_id, "published", {"read": 1})
    assert (await get_run(database, run_id)).report == {"read": 1}


async def test_what_was_seen_is_kept_and_the_run_waits_to_be_read_otherwise(database: Database) -> None:
    run = await create_run(database, [], file_name="a.shp", options={}, by="li", look_first=True)
    await claim(database, run.id)
    assert await get_look(database, run.id) is None
    looked = await keep_look(database, run.id, {"tables": [1]})
    assert (looked.state, looked.is_open, looked.worker) == ("looked", True, None)
    assert await get_look(database, run.id) == {"tables": [1]}
    with pytest.raises(Conflict, match="gone"):
        await queue_again(database, run.id, {}, look_first=False, by="li")
    assert (await ask_to_cancel(database, run.id)).state == "cancelled"


async def test_a_look_of_a_process_that_lost_its_run_is_not_kept(
    database: Database, database_url: str
) -> None:
    run = await waiting(database)
    async with Database(database_url) as other:
        await claim(other, run.id)
    with pytest.raises(Conflict):
        await keep_look(database, run.id, {})
    assert await get_look(database, run.id) is None
