"""Syncs: begun by the clock, read by the worker, published by themselves or left for a person."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from importers.run import import_files
from importers.syncing import Places, sync_once
from importers.worker import read_run
from layers.access import SYSTEM, Viewer
from layers.accounts import create_account, set_active, viewer_named
from layers.catalogue import get_layer, versions
from layers.db import Database
from layers.errors import BadRequest, Conflict, NotAllowed, NotFound
from layers.import_runs import get_run, list_runs, waiting_runs
from layers.publish import roll_back
from layers.staged_runs import discard_run, publish_run
from layers.sync_runs import SyncRun, claim_due, list_sync_runs
from layers.syncs import (
    Draft,
    Sync,
    add_sync,
    ask_for_run,
    change_sync,
    get_sync,
    list_syncs,
    pause_sync,
    remove_sync,
)
from tests.importers.published import left_behind, rows_of, state_of
from tests.importers.specimens import text
from tests.layers.registered_tables import SOUTH, TABLES, WEST, in_system, registered, run_sql

BEGIN = datetime(2026, 11, 21, 12, 1, tzinfo=UTC)
"""A minute after eight in the evening, in the city."""
HOUR = timedelta(hours=1)
HEAD = "id,name,lon,lat\n"


def rows(names: str, at: float = 116.5) -> str:
    """A table of one row for each letter."""
    return HEAD + "".join(f"{n},名{n},{at + i * 0.001:.3f},31.7\n" for i, n in enumerate(names))


FIRST = rows("abcdefghij")


class Desk:
    """A folder that is synced from, and a worker whose clock is ours."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.places = Places(folder / "uploads", folder / "sync")
        for one in (folder / "uploads", folder / "sync"):
            one.mkdir()
        self.now = BEGIN

    @property
    def folder(self) -> Path:
        assert self.places.folder is not None
        return self.places.folder

    def put(self, content: str, name: str = "t.csv", *, age: timedelta = HOUR) -> Path:
        """Writes a file that was last changed so long ago."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        self.touch(path, age)
        return path

    def touch(self, path: Path, age: timedelta) -> None:
        at = (self.now - age).timestamp()
        os.utime(path, (at, at))

    async def add(self, viewer: Viewer = SYSTEM, **said: Any) -> Sync:
        draft = replace(Draft("nightly", "files", {"path": "t.csv"}, "every 1 h"), **said)
        return await add_sync(self.database, draft, viewer, folder=self.folder, now=self.now, by=None)

    async def tick(self, later: timedelta = timedelta()) -> SyncRun | None:
        """What a worker does at a moment: begins what is due, reads what is queued, settles it."""
        self.now += later
        await sync_once(self.database, self.places, self.now)
        for run_id in await waiting_runs(self.database):
            await read_run(self.database, self.places.uploads, run_id)
        await sync_once(self.database, self.places, self.now)
        return await self.last()

    async def last(self, name: str = "nightly") -> SyncRun | None:
        found = await list_sync_runs(self.database, name, limit=1)
        return found[0] if found else None

    async def ran(self, later: timedelta = HOUR) -> SyncRun:
        run = await self.tick(later)
        assert run is not None
        return run

    async def keys(self) -> set[str]:
        return set(await rows_of(self.database, "t"))

    async def count(self) -> int:
        return len(await list_sync_runs(self.database, "nightly", limit=100))


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path)


def numbers(run: SyncRun) -> list[Mapping[str, Any]]:
    return list(run.made)


async def test_a_file_becomes_versions_by_the_clock(desk: Desk) -> None:
    desk.put(FIRST)
    sync = await desk.add()
    assert sync.next_at == datetime(2026, 11, 21, 13, 0, tzinfo=UTC)
    assert await desk.tick() is None, "its first moment has not come"
    first = await desk.ran()
    assert (first.state, numbers(first)) == (
        "published",
        [{"layer": "t", "version": 1, "added": 10, "changed": 0, "removed": 0}],
    )
    desk.put(rows("abcdefghijk"))
    second = await desk.ran()
    assert numbers(second) == [{"layer": "t", "version": 2, "added": 1, "changed": 0, "removed": 0}]
    newest = (await versions(desk.database, "t"))[0]
    assert (newest.published_by, newest.note) == ("system", "定时同步 nightly / sync nightly")
    assert not await left_behind(desk.database)
    assert list(desk.places.uploads.iterdir()) == [], "what was copied is removed when it is published"


async def test_moments_that_were_missed_are_one_run(desk: Desk) -> None:
    desk.put(FIRST)
    await desk.add()
    await desk.ran(timedelta(days=3))
    assert await desk.count() == 1
    assert (await get_sync(desk.database, "nightly")).next_at == datetime(2026, 11, 24, 13, 0, tzinfo=UTC)


async def test_a_file_that_is_unchanged_is_not_read(desk: Desk) -> None:
    path = desk.put(FIRST)
    await desk.add()
    await desk.ran()
    assert (await desk.ran()).state == "unchanged"
    desk.touch(path, HOUR / 2)
    assert (await desk.ran()).state == "unchanged", "told by its bytes where it was only written again"
    assert len(await list_runs(desk.database)) == 1, "no import was made of it"
    assert (await state_of(desk.database))["t"][0] == 1


async def test_what_a_person_rolled_back_does_not_come_again_by_itself(desk: Desk) -> None:
    desk.put(FIRST)
    await desk.add()
    await desk.ran()
    desk.put(rows("abcdefghijk"))
    await desk.ran()
    await roll_back(desk.database, "t", 1, by="li")
    assert (await desk.ran()).state == "unchanged"
    assert "k" not in await desk.keys()
    await ask_for_run(desk.database, "nightly", SYSTEM, again=True, by="li")
    asked = await desk.ran(timedelta(seconds=2))
    assert (asked.state, asked.asked_by) == ("published", "li")
    assert "k" in await desk.keys()


@pytest.mark.parametrize(
    "content", ["", HEAD, rows("a"), "id,name,lon,lat\na,甲,"], ids=["empty", "head", "one", "cut"]
)
async def test_an_empty_or_half_written_file_never_wipes_a_layer(desk: Desk, content: str) -> None:
    desk.put(FIRST)
    await desk.add()
    await desk.ran()
    desk.put(content)
    bad = await desk.ran()
    assert bad.state in ("failed", "refused", "waiting"), bad
    assert len(await desk.keys()) == 10
    assert bad.sentence["zh"]


async def test_a_change_beyond_its_bounds_waits_for_a_person(desk: Desk) -> None:
    desk.put(FIRST)
    await desk.add()
    await desk.ran()
    desk.put(rows("abcdefg"))
    waits = await desk.ran()
    assert (waits.state, "10 行中的 3 行（30.0%）" in waits.sentence["zh"]) == ("waiting", True)
    assert len(await desk.keys()) == 10
    assert (await desk.ran()).state == "unchanged", "the same file is not staged twice"
    assert waits.import_id is not None
    await publish_run(desk.database, waits.import_id, SYSTEM, seen={"t": 1})
    await desk.tick()
    [after] = [run for run in await list_sync_runs(desk.database, "nightly") if run.id == waits.id]
    assert (after.state, [one["removed"] for one in after.made]) == ("published", [3])


async def test_newer_content_takes_the_place_of_what_waits(desk: Desk) -> None:
    desk.put(FIRST)
    await desk.add(policy="review")
    first = await desk.ran()
    assert first.state == "waiting"
    desk.put(rows("abc"))
    second = await desk.ran()
    assert (second.state, second.import_id != first.import_id) == ("waiting", True)
    assert first.import_id is not None
    assert (await get_run(desk.database, first.import_id)).state == "discarded"
    assert (await list_sync_runs(desk.database, "nightly"))[1].state == "discarded"


async def test_what_a_person_sends_back_is_not_offered_again(desk: Desk) -> None:
    desk.put(FIRST)
    await desk.add(policy="review")
    run = await desk.ran()
    assert run.import_id is not None
    await discard_run(desk.database, run.import_id)
    assert (await desk.ran()).state == "unchanged"
    assert (await list_sync_runs(desk.database, "nightly"))[1].state == "discarded"


async def test_a_file_that_is_being_written_is_left_for_the_next_time(desk: Desk) -> None:
    desk.put(FIRST, age=-HOUR + timedelta(seconds=5))
    await desk.add()
    written = await desk.ran()
    assert written.state == "postponed", "it was changed a few seconds ago"
    grown = desk.put(FIRST + rows("xyz")[len(HEAD) :], age=-timedelta(seconds=29))
    assert (await desk.ran(timedelta(seconds=31))).state == "postponed"
    desk.touch(grown, timedelta(minutes=2))
    done = await desk.ran(timedelta(seconds=31))
    assert (done.state, done.id, len(await desk.keys())) == ("published", written.id, 13)


async def test_a_file_whose_clock_goes_fast_is_read_once_it_stands_still(desk: Desk) -> None:
    desk.put(FIRST, age=-10 * HOUR)
    await desk.add()
    assert (await desk.ran()).state == "postponed"
    assert (await desk.ran(timedelta(seconds=31))).state == "published"


async def test_a_file_that_is_written_to_for_hours_has_failed(desk: Desk) -> None:
    await desk.add()
    for minute in range(0, 140, 7):
        desk.put(FIRST + f"k{minute},名,116.6,31.7\n", age=-HOUR)
        run = await desk.tick(timedelta(minutes=7))
    assert run is not None
    states = [one.state for one in await list_sync_runs(desk.database, "nightly")]
    assert "failed" in states
    assert set(states) <= {"failed", "postponed"}


async def test_a_failure_is_told_tried_again_with_growing_pauses_and_stays_on_the_timetable(
    desk: Desk,
) -> None:
    await desk.add(timetable="daily 02:30")
    run = await desk.tick(timedelta(hours=7))
    assert run is not None
    assert (run.state, run.sentence["zh"]) == ("failed", "同步文件夹中没有“t.csv”")
    began = desk.now
    pauses = []
    for _ in range(3):
        sync = await get_sync(desk.database, "nightly")
        pauses.append((sync.next_at - desk.now).total_seconds() / 60)
        await desk.tick(sync.next_at - desk.now)
    assert pauses == [5, 15, 45]
    failing = await get_sync(desk.database, "nightly")
    assert (failing.failures, failing.failing_since) == (4, began)
    assert failing.next_at == datetime(2026, 11, 22, 18, 30, tzinfo=UTC), "its next moment"
    desk.put(FIRST)
    assert (await desk.ran(timedelta(days=1))).state == "published"
    assert not (await get_sync(desk.database, "nightly")).is_failing


async def test_a_file_with_errors_is_refused_once_and_not_read_again_while_it_is_the_same(desk: Desk) -> None:
    path = desk.put(FIRST + "z,名,,\n")
    await desk.add()
    refused = await desk.ran()
    assert (refused.state, "1 行被拒绝" in refused.sentence["zh"]) == ("refused", True)
    again = await desk.ran()
    assert (again.state, again.sentence["zh"].startswith("文件未变")) == ("refused", True)
    assert len(await list_runs(desk.database)) == 1
    assert (await get_sync(desk.database, "nightly")).failures == 2
    path.write_text(FIRST)
    desk.touch(path, timedelta())
    assert (await desk.ran()).state == "published"


async def test_a_folder_a_pattern_and_the_newest_of_several(desk: Desk) -> None:
    desk.put(rows("abc"), "in/one.csv")
    desk.put("notes", "in/readme.md")
    desk.put(rows("x"), "in/two.csv.part")
    await desk.add(source={"path": "in"})
    assert [m["layer"] for m in numbers(await desk.ran())] == ["one"]
    desk.put(rows("abcd"), "in/parcel_20261101.csv", age=9 * HOUR)
    desk.put(rows("abcde"), "in/parcel_20261121.csv")
    newest = {"path": "in/parcel_*.csv", "newest": True}
    with pytest.raises(BadRequest) as refused:
        await desk.add(name="parcel", source=newest)
    assert refused.value.facts["field"] == "options.layer_id"
    await desk.add(name="parcel", source=newest, options={"layer_id": "parcel"})
    await desk.ran()
    assert len(await rows_of(desk.database, "parcel")) == 5


BAD_PATHS = ["", "/etc/passwd", "../t.csv", "a/../../t.csv", "*/t.csv", "a\x00b"]


@pytest.mark.parametrize("path", BAD_PATHS)
async def test_a_path_outside_the_folder_is_refused(desk: Desk, path: str) -> None:
    with pytest.raises(BadRequest):
        await desk.add(source={"path": path})


async def test_a_link_that_leads_out_of_the_folder_is_not_read(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text(FIRST)
    (desk.folder / "t.csv").symlink_to(tmp_path / "secret.csv")
    (desk.folder / "out").symlink_to(tmp_path)
    await desk.add()
    await desk.add(name="by_folder", source={"path": "out/secret.csv"})
    assert (await desk.ran()).state == "failed"
    other = await desk.last("by_folder")
    assert other is not None
    assert (other.state, "以外" in other.sentence["zh"]) == ("failed", True)
    assert await list_runs(desk.database) == []


async def test_without_a_folder_nothing_is_synced_from_files(desk: Desk) -> None:
    draft = Draft("nightly", "files", {"path": "t.csv"}, "every 1 h")
    with pytest.raises(BadRequest) as refused:
        await add_sync(desk.database, draft, SYSTEM, folder=None, now=BEGIN)
    assert "ONEMAP_SYNC_FOLDER" in refused.value.en


async def test_two_workers_carry_out_one_run(desk: Desk, database_url: str) -> None:
    desk.put(FIRST)
    await desk.add()
    now = desk.now + HOUR
    async with Database(database_url) as other, Database(database_url) as third:
        claimed = await asyncio.gather(*(claim_due(db, now) for db in (desk.database, other, third)))
        assert sum(due is not None for due in claimed) == 1
        assert await claim_due(other, now + HOUR) is None, "it runs; the next moment waits for its end"


async def test_two_workers_publish_once(desk: Desk, database_url: str) -> None:
    desk.put(FIRST)
    await desk.add()
    desk.now += HOUR
    async with Database(database_url) as other:
        workers = (desk.database, other)
        for _ in range(2):
            await asyncio.gather(*(sync_once(db, desk.places, desk.now) for db in workers))
            for run_id in await waiting_runs(desk.database):
                await asyncio.gather(*(read_run(db, desk.places.uploads, run_id) for db in workers))
        await asyncio.gather(*(sync_once(db, desk.places, desk.now) for db in workers))
    assert len(await list_runs(desk.database)) == 1
    assert [v.number for v in await versions(desk.database, "t")] == [1]
    assert [run.state for run in await list_sync_runs(desk.database, "nightly")] == ["published"]


async def test_it_publishes_with_the_rights_that_its_owner_has_now(desk: Desk) -> None:
    await create_account(desk.database, "li", roles=["publisher"], districts=["341502"])
    li = await viewer_named(desk.database, "li")
    desk.put(FIRST)
    await desk.add(viewer=li)
    run = await desk.ran()
    assert (run.state, "辖区" in run.sentence["zh"]) == ("waiting", True)
    await create_account(desk.database, "wang", roles=["publisher"])
    wang = await viewer_named(desk.database, "wang")
    desk.put(rows("abc"), "w.csv")
    await desk.add(viewer=wang, name="wangs", source={"path": "w.csv"})
    await set_active(desk.database, "wang", False)
    await desk.ran()
    last = await desk.last("wangs")
    assert last is not None
    assert (last.state, "停用" in last.sentence["zh"]) == ("waiting", True)


async def test_a_sync_is_changed_paused_and_removed_by_its_owner_or_an_admin(desk: Desk) -> None:
    for name in ("li", "wang"):
        await create_account(desk.database, name, roles=["publisher"])
    li, wang = [await viewer_named(desk.database, name) for name in ("li", "wang")]
    desk.put(FIRST)
    await desk.add(viewer=li)
    with pytest.raises(Conflict):
        await desk.add(viewer=wang)
    for refused in (
        pause_sync(desk.database, "nightly", wang, paused=True, now=desk.now),
        change_sync(desk.database, "nightly", {"policy": "review"}, wang, folder=desk.folder, now=desk.now),
        ask_for_run(desk.database, "nightly", wang),
        remove_sync(desk.database, "nightly", wang),
    ):
        with pytest.raises(NotAllowed):
            await refused
    await pause_sync(desk.database, "nightly", li, paused=True, now=desk.now)
    assert await desk.tick(5 * HOUR) is None
    await ask_for_run(desk.database, "nightly", li)
    assert (await desk.ran(timedelta(seconds=2))).state == "published", "asked for, it runs though paused"
    resumed = await pause_sync(desk.database, "nightly", li, paused=False, now=desk.now)
    assert resumed.next_at > desk.now, "moments of the pause are not made up for"
    changed = await change_sync(
        desk.database, "nightly", {"timetable": "daily 02:30"}, SYSTEM, folder=desk.folder, now=desk.now
    )
    assert changed.next_at == datetime(2026, 11, 21, 18, 30, tzinfo=UTC)
    limited = Viewer("zhao", roles=frozenset({"publisher"}), districts=("341502",), is_logged_in=True)
    assert await list_syncs(desk.database, limited) == []
    with pytest.raises(NotFound):
        await get_sync(desk.database, "nightly", limited)
    await remove_sync(desk.database, "nightly", SYSTEM)
    assert await desk.last() is None
    assert len(await desk.keys()) == 10, "what it imported stays"


async def test_tables_are_for_admins(desk: Desk) -> None:
    await create_account(desk.database, "li", roles=["publisher"])
    li = await viewer_named(desk.database, "li")
    with pytest.raises(NotAllowed):
        await desk.add(viewer=li, kind="table", source={"table": "gis.shop"}, options={"layer_id": "shop"})


async def admin_of(desk: Desk) -> Viewer:
    await create_account(desk.database, "root", roles=["admin"])
    return await viewer_named(desk.database, "root")


async def test_a_table_is_copied_into_versions_of_a_layer(desk: Desk, database_url: str) -> None:
    run_sql(database_url, TABLES, in_system("plot", 4527))
    root = await admin_of(desk)
    await desk.add(viewer=root, kind="table", source={"table": "gis.shop"}, options={"layer_id": "shop"})
    first = await desk.ran()
    assert numbers(first)[0]["added"] == 100, (first.sentence, first.state)
    shop = await get_layer(desk.database, "shop")
    kinds = {field.name: field.type for field in shop.fields}
    assert (kinds["district"], kinds["is_open"], kinds["opened"]) == ("text", "boolean", "date")
    row = (await rows_of(desk.database, "shop"))["7"]
    assert (row.values["name"], row.values["district"], row.values["is_open"]) == ("第7家", "341503", False)
    assert row.geometry["coordinates"] == pytest.approx([WEST + 0.007, SOUTH])
    assert (await desk.ran()).state == "unchanged"
    run_sql(database_url, "UPDATE gis.shop SET name = '新店' WHERE id = 7; DELETE FROM gis.shop WHERE id = 8")
    second = await desk.ran()
    told = numbers(second)[0]
    assert (told["version"], told["added"], told["changed"], told["removed"]) == (2, 0, 1, 1)
    assert (await rows_of(desk.database, "shop", version=1))["7"].values["name"] == "第7家"
    run_sql(database_url, "TRUNCATE gis.shop")
    assert (await desk.ran()).state == "failed"
    assert (await state_of(desk.database))["shop"][2] == 99
    plot = {"source": {"table": "gis.plot"}, "options": {"layer_id": "plot"}}
    await desk.add(viewer=root, name="plot", kind="table", **plot)
    await desk.ran()
    found = (await rows_of(desk.database, "plot"))["7"]
    assert found.geometry["coordinates"] == pytest.approx([WEST + 0.007, SOUTH], abs=1e-8)
    [origin] = (await get_layer(desk.database, "plot")).origins
    assert "4527" in origin.system


async def test_a_registered_layer_is_refreshed(desk: Desk, database_url: str) -> None:
    run_sql(database_url, TABLES)
    await registered(desk.database, "shop")
    root = await admin_of(desk)
    with pytest.raises(BadRequest):
        await desk.add(viewer=root, kind="refresh", source={"layer": "component"})
    await desk.add(viewer=root, kind="refresh", source={"layer": "shop"})
    run_sql(database_url, "DELETE FROM gis.shop WHERE id > 49")
    run = await desk.ran()
    assert (run.state, numbers(run)) == ("refreshed", [{"layer": "shop", "version": 2}])
    assert (await get_layer(desk.database, "shop")).feature_count == 50
    run_sql(database_url, "DROP TABLE gis.shop")
    assert (await desk.ran()).state == "failed"


async def test_readings_that_would_replace_many_others_wait_for_a_person(desk: Desk) -> None:
    stations = "站点编码,站点名称,站点类型,经度,纬度\nS1,一号站,空气,116.5,31.74\n"
    await import_files(desk.database, [text(desk.places.uploads.parent, "监测站点.csv", stations)])
    head = "站点编码,监测时间,PM2.5(μg/m³)\n"
    name = "监测数据.csv"
    await desk.add(source={"path": name})
    desk.put(head + "S1,2026-01-01 08:00,35\nS1,2026-01-01 09:00,36\n", name)
    assert (await desk.ran()).state == "published"
    desk.put(head + "S1,2026-01-01 08:00,0\nS1,2026-01-01 09:00,0\n", name)
    waits = await desk.ran()
    assert (waits.state, "替换 2 个已有的监测值" in waits.sentence["zh"]) == ("waiting", True)
    desk.put(head + "S1,2026-01-01 09:00,36\nS1,2026-01-01 10:00,37\n", name)
    assert (await desk.ran()).state == "published"
