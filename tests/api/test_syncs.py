"""Syncs over HTTP: made, looked at, run, paused and forgotten; failures are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.app import create_app
from api.settings import ApiSettings
from api.sync_documents import SyncDocument, SyncRunsDocument, SyncsDocument
from importers.syncing import Places, sync_once
from importers.worker import read_run
from layers.db import Database
from layers.import_runs import waiting_runs
from tests.api.conftest import City, client_of

FIRST = "id,name,lon,lat\na,甲,116.5,31.7\nb,乙,116.6,31.7\n"


class Desk:
    """A client of a service that may sync from a folder, and its worker."""

    def __init__(self, client: httpx2.AsyncClient, database: Database, city: City, root: Path) -> None:
        self.client, self.database, self.city = client, database, city
        self.places = Places(root / "uploads", root / "sync")

    async def ask(self, method: str, address: str = "", body: object = None, who: str = "publisher") -> Any:
        headers = self.city.headers(who)
        return await self.client.request(method, f"/api/v1/syncs{address}", json=body, headers=headers)

    async def make(self, **said: Any) -> Any:
        wanted = {"name": "nightly", "source": {"path": "t.csv"}, "timetable": "daily 02:30", **said}
        return await self.ask("POST", "", wanted)

    async def work(self) -> None:
        """What the worker does now, until nothing is left."""
        now = datetime.now(UTC) + timedelta(hours=1)  # a file that was just written has stood still by then
        await sync_once(self.database, self.places, now)
        for run_id in await waiting_runs(self.database):
            await read_run(self.database, self.places.uploads, run_id)
        await sync_once(self.database, self.places, now)

    async def one(self) -> dict[str, Any]:
        answer = await self.ask("GET", "/nightly")
        SyncDocument.model_validate(answer.json())
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
async def desk(own_city: City, tmp_path: Path) -> AsyncIterator[Desk]:
    for name in ("uploads", "sync"):
        (tmp_path / name).mkdir()
    settings = replace(ApiSettings(), uploads=tmp_path / "uploads", sync_folder=tmp_path / "sync")
    app = create_app(settings, own_city.url)
    async with (
        app.router.lifespan_context(app),
        client_of(app) as client,
        Database(own_city.url) as database,
    ):
        yield Desk(client, database, own_city, tmp_path)


async def test_a_sync_is_made_run_told_and_forgotten(desk: Desk) -> None:
    made = await desk.make(title="夜间更新")
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["sentence"]["zh"], len(told["next"]), told["most_removed"]) == ("每天 02:30", 3, 20.0)
    assert not told["next_is_retry"]
    assert told["next"][0].endswith("18:30:00Z") or "18:30" in told["next"][0]
    assert (await desk.make()).status_code == 409
    assert desk.places.folder is not None
    (desk.places.folder / "t.csv").write_text(FIRST)
    asked = await desk.ask("POST", "/nightly/run")
    assert (asked.status_code, asked.json()["is_asked_for"]) == (202, True)
    await desk.work()
    told = await desk.one()
    assert told["last"]["state"] == "published", told["last"]
    assert told["last"]["made"] == [{"layer": "t", "version": 1, "added": 2, "changed": 0, "removed": 0}]
    assert told["last"]["asked_by"] == "publisher"
    run = await desk.client.get(
        f"/api/v1/imports/{told['last']['import_id']}", headers=desk.city.headers("publisher")
    )
    assert (run.json()["sync"], run.json()["state"]) == ("nightly", "published")
    runs = await desk.ask("GET", "/nightly/runs")
    SyncRunsDocument.model_validate(runs.json())
    assert len(runs.json()["runs"]) == 1
    listed = await desk.ask("GET")
    SyncsDocument.model_validate(listed.json())
    assert [one["title"] for one in listed.json()["syncs"]] == ["夜间更新"]
    assert (await desk.ask("DELETE", "/nightly")).status_code == 204
    assert (await desk.ask("GET", "/nightly")).status_code == 404


async def test_a_failure_is_told_in_the_list_and_counted(desk: Desk) -> None:
    await desk.make()
    await desk.ask("POST", "/nightly/run")
    await desk.work()
    told = await desk.one()
    assert (told["failures"], told["last"]["state"]) == (1, "failed")
    assert "t.csv" in told["last"]["sentence"]["en"]
    assert (bool(told["failing_since"]), told["next_is_retry"]) == (True, True)
    figures = (await desk.client.get("/metrics")).text
    assert "onemap_syncs_failing 1" in figures
    assert "onemap_syncs_overdue 0" in figures
    assert (await desk.client.get("/readyz")).status_code == 200, "it can serve all the same"


async def test_what_waits_for_a_person_is_named_and_published_as_any_import(desk: Desk) -> None:
    assert desk.places.folder is not None
    (desk.places.folder / "t.csv").write_text(FIRST)
    await desk.make(policy="review", options={"layer_id": "t", "title": "试"})
    await desk.ask("POST", "/nightly/run")
    await desk.work()
    waiting = (await desk.one())["waiting"]
    assert waiting
    address = f"/api/v1/imports/{waiting}/publish"
    published = await desk.client.post(
        address, json={"versions": {"t": 0}}, headers=desk.city.headers("publisher")
    )
    assert published.json()["state"] == "published"
    await desk.work()
    assert (await desk.one())["waiting"] is None


async def test_a_sync_is_changed_and_paused_by_its_owner_or_an_admin(desk: Desk) -> None:
    await desk.make()
    assert (await desk.ask("PATCH", "/nightly", {"is_paused": True})).json()["next"] == []
    changed = await desk.ask(
        "PATCH", "/nightly", {"timetable": "every 15 min", "most_removed": None, "is_paused": False}, "admin"
    )
    told = changed.json()
    assert (told["sentence"]["en"], told["most_removed"], told["most_changed"]) == (
        "every 15 minutes",
        None,
        20.0,
    )
    assert len(told["next"]) == 3
    other = (
        await desk.ask(
            "POST", "", {"name": "theirs", "source": {"path": "x.csv"}, "timetable": "every 1 h"}, "admin"
        )
    ).json()
    assert other["may_change"]
    assert not (await desk.ask("GET", "/theirs")).json()["may_change"]
    for method, address, body in (
        ("PATCH", "/theirs", {"is_paused": True}),
        ("DELETE", "/theirs", None),
        ("POST", "/theirs/run", None),
    ):
        assert (await desk.ask(method, address, body)).status_code == 403


WRONG = [
    ({"timetable": "soon"}, "timetable"),
    ({"source": {"path": "../x"}}, "source.path"),
    ({"source": {"table": "gis.shop"}}, "source.table"),
    ({"name": "Nightly!"}, "name"),
    ({"source": {"path": "a_*.csv", "newest": True}}, "options.layer_id"),
]


@pytest.mark.parametrize(("said", "field"), WRONG, ids=[field for _, field in WRONG])
async def test_what_is_wrong_is_named(desk: Desk, said: dict[str, Any], field: str) -> None:
    refused = await desk.make(**said)
    assert (refused.status_code, refused.json()["field"]) == (400, field), refused.text


async def test_a_table_is_for_admins(desk: Desk) -> None:
    body = {"kind": "table", "source": {"table": "gis.shop"}, "options": {"layer_id": "shop"}}
    assert (await desk.make(**body)).status_code == 403
