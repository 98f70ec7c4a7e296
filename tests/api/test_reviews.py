"""Review before release: who imported does not publish, where another person is demanded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from api.app import create_app
from api.documents import ImportDocument, ImportsDocument, VersionsDocument
from api.settings import ApiSettings
from importers.syncing import Places, sync_once
from importers.worker import read_run
from layers.access import SYSTEM
from layers.accounts import create_account, make_key
from layers.catalogue import set_access
from layers.db import Database
from layers.import_runs import waiting_runs
from layers.reviews import demand_review
from layers.syncs import Draft, add_sync
from onemap.__main__ import app as command_line
from onemap.settings import read_settings
from tests.api.conftest import City, client_of
from tests.api.test_imports import FIRST, SECOND, Desk

REVIEWER = "reviewer"


async def people(database: Database, city: City) -> dict[str, str]:
    """The headers of a second publisher."""
    await create_account(database, REVIEWER, roles=["publisher"])
    return {"Authorization": f"Bearer {await make_key(database, REVIEWER)}"}


@pytest.fixture
async def desk(own_city: City, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk of a service where everything is reviewed."""
    app = create_app(replace(ApiSettings(), uploads=tmp_path, review=True), own_city.url)
    async with (
        app.router.lifespan_context(app),
        client_of(app) as client,
        Database(own_city.url) as database,
    ):
        yield Desk(client, database, tmp_path, own_city)


async def submit(desk: Desk, run: dict[str, Any], note: str = "2026 年普查") -> Any:
    return await desk.post(f"/api/v1/imports/{run['id']}/submit", {"note": note})


async def test_another_person_publishes_and_the_version_says_who_did_what(desk: Desk) -> None:
    reviewer = await people(desk.database, desk.city)
    run = await desk.staged(FIRST)
    assert run["review"] == {"is_demanded": True, "is_submitted": False, "may_approve": False, "steps": []}
    assert (await desk.publish(run)).status_code == 403
    early = await desk.publish(run, reviewer)
    assert (early.status_code, "提交审核" in early.json()["detail"]) == (409, True)
    assert (await submit(desk, run)).json()["review"]["is_submitted"]
    assert (await submit(desk, run)).status_code == 409, "once"
    own = await desk.publish(run)
    assert (own.status_code, "参与" in own.json()["detail"]) == (403, True)
    waiting = await desk.client.get("/api/v1/reviews", headers=reviewer)
    ImportsDocument.model_validate(waiting.json())
    [listed] = waiting.json()["imports"]
    assert (listed["id"], listed["review"]["may_approve"]) == (run["id"], True)
    done = await desk.publish(run, reviewer)
    assert done.json()["state"] == "published", done.text
    ImportDocument.model_validate(done.json())
    assert [step["action"] for step in done.json()["review"]["steps"]] == ["submitted", "approved"]
    found = await desk.client.get("/api/v1/layers/t/versions", headers=desk.headers)
    VersionsDocument.model_validate(found.json())
    [version] = found.json()["versions"]
    assert (version["published_by"], version["imported_by"]) == (REVIEWER, "publisher")
    assert [(s["action"], s["by"]) for s in version["reviews"]] == [
        ("submitted", "publisher"), ("approved", REVIEWER),
    ]  # fmt: skip
    assert version["note"] == "2026 年普查"
    assert (await desk.client.get("/api/v1/reviews", headers=reviewer)).json()["imports"] == []


async def test_what_a_stranger_may_read_of_a_version_names_nobody(desk: Desk) -> None:
    reviewer = await people(desk.database, desk.city)
    run = await desk.staged(FIRST)
    await submit(desk, run, "")
    assert (await desk.publish(run, reviewer)).status_code == 200
    await set_access(desk.database, "t", "public")
    async with asyncio.timeout(20):
        while (await desk.client.get("/api/v1/layers/t/versions")).status_code != 200:
            await asyncio.sleep(0.02)  # until the service heard of it
    told = await desk.client.get("/api/v1/layers/t/versions")
    [version] = told.json()["versions"]
    assert (version["imported_by"], [s["action"] for s in version["reviews"]]) == (
        None,
        ["submitted", "approved"],
    )
    assert REVIEWER not in told.text


async def test_it_is_sent_back_with_a_reason_and_submitted_again(desk: Desk) -> None:
    reviewer = await people(desk.database, desk.city)
    run = await desk.staged(FIRST)
    await submit(desk, run)
    address = f"/api/v1/imports/{run['id']}/send-back"
    assert (await desk.post(address, {"reason": " "}, reviewer)).status_code == 400
    back = await desk.post(address, {"reason": "缺少乙区"}, reviewer)
    assert (back.json()["state"], back.json()["review"]["is_submitted"]) == ("staged", False)
    assert back.json()["review"]["steps"][-1]["note"] == "缺少乙区"
    assert (await desk.publish(run, reviewer)).status_code == 409
    await submit(desk, run)
    assert (await desk.publish(run, reviewer)).json()["state"] == "published"


async def test_who_has_an_import_read_otherwise_takes_part_in_it(desk: Desk) -> None:
    reviewer = await people(desk.database, desk.city)
    run = await desk.staged(FIRST)
    await submit(desk, run)
    read = await desk.post(f"/api/v1/imports/{run['id']}/read", {"options": {"title": "别名"}}, reviewer)
    assert read.status_code == 202
    await read_run(desk.database, desk.folder, UUID(run["id"]))
    again = await desk.get(run["id"])
    assert (again["state"], again["review"]["is_submitted"]) == ("staged", False)
    await submit(desk, again)
    assert (await desk.publish(again, reviewer)).status_code == 403
    assert (await desk.publish(again, desk.city.headers("admin"))).json()["state"] == "published"


async def test_an_admin_does_not_approve_their_own_import_either(desk: Desk) -> None:
    desk.headers = desk.city.headers("admin")
    run = await desk.staged(FIRST)
    await submit(desk, run)
    assert (await desk.publish(run)).status_code == 403


async def test_one_layer_may_demand_it_alone(own_city: City, tmp_path: Path) -> None:
    app = create_app(replace(ApiSettings(), uploads=tmp_path), own_city.url)
    async with (
        app.router.lifespan_context(app),
        client_of(app) as client,
        Database(own_city.url) as database,
    ):
        desk = Desk(client, database, tmp_path, own_city)
        first = await desk.staged(FIRST)
        assert not first["review"]["is_demanded"]
        assert (await desk.publish(first)).json()["state"] == "published"
        await demand_review(database, "t", demanded=True)
        second = await desk.staged(SECOND)
        assert second["review"]["is_demanded"]
        assert (await desk.publish(second)).status_code == 403
        await demand_review(database, "t", demanded=False)
        assert (await desk.publish(second)).json()["state"] == "published"


async def test_what_a_sync_brings_is_submitted_and_never_published_by_itself(desk: Desk) -> None:
    reviewer = await people(desk.database, desk.city)
    (desk.folder / "sync").mkdir()
    (desk.folder / "sync" / "t.csv").write_text(FIRST)
    now = datetime.now(UTC) + timedelta(hours=1)
    draft = Draft("nightly", "files", {"path": "t.csv"}, "every 1 min")
    await add_sync(desk.database, draft, SYSTEM, folder=desk.folder / "sync", now=now)
    places, later = Places(desk.folder, desk.folder / "sync", review=True), now + timedelta(minutes=2)
    await sync_once(desk.database, places, later)
    for run_id in await waiting_runs(desk.database):
        await read_run(desk.database, desk.folder, run_id)
    await sync_once(desk.database, places, later)
    [waiting] = (await desk.client.get("/api/v1/reviews", headers=reviewer)).json()["imports"]
    assert waiting["sync"] == "nightly"
    done = await desk.publish(await desk.get(waiting["id"]), reviewer)
    assert done.json()["state"] == "published"


async def test_the_operator_approves_and_sends_back_on_the_command_line(desk: Desk) -> None:
    run = await desk.staged(FIRST)
    await submit(desk, run)
    settings = read_settings({"ONEMAP_DATABASE_URL": desk.city.url, "ONEMAP_REVIEW": "other"})

    async def said(*words: str) -> str:
        result = await asyncio.to_thread(
            CliRunner().invoke, command_line, ["review", *words], obj=settings, env={"COLUMNS": "220"}
        )
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    assert run["id"] in await said("list")
    await said("send-back", run["id"], "--reason", "再查")
    assert run["id"] not in await said("list")
    await submit(desk, run)
    assert "t → 1" in await said("approve", run["id"])
    await said("demand", "t")
    assert (await desk.staged(SECOND))["review"]["is_demanded"]
    await said("demand", "t", "--off")
