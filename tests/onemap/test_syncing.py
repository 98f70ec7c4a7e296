"""Syncs at the command line."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from importers.syncing import Places, sync_once
from layers.db import Database
from layers.errors import BadRequest, NotFound
from layers.sync_runs import SyncState
from onemap.__main__ import app
from onemap.settings import Settings, read_settings
from onemap.syncing import STATES


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    folder = {"ONEMAP_SYNC_FOLDER": str(tmp_path), "ONEMAP_HOME": str(tmp_path / "home")}
    return read_settings({"ONEMAP_DATABASE_URL": database_url, "ONEMAP_LANGUAGE": "en", **folder})


def said(settings: Settings, *words: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["sync", *words], obj=settings, env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.output


def worked(settings: Settings) -> None:
    """What a worker does at this moment."""

    async def once() -> None:
        settings.uploads.mkdir(parents=True, exist_ok=True)
        async with Database(settings.database_url or "") as db:
            await sync_once(db, Places(settings.uploads, settings.sync_folder), datetime.now(UTC))

    asyncio.run(once())


def test_a_sync_is_added_shown_run_paused_and_removed(settings: Settings) -> None:
    added = said(
        settings, "add", "parts", "parts.csv", "--as", "parts", "--at", "daily 02:30", "--mend", "none"
    )
    assert "at 02:30 every day" in added or "每天 02:30" in added
    assert added.count("02:30") == 4, "in words, and the next three moments"
    said(settings, "list")
    said(settings, "run", "parts")
    worked(settings)
    assert "failed" in said(settings, "list", exit_code=3) or "失败" in said(settings, "list", exit_code=3)
    shown = said(settings, "show", "parts")
    assert "mend: ['none']" in shown
    assert "parts.csv" in shown.splitlines()[-1], "why it failed"
    said(settings, "pause", "parts")
    said(settings, "resume", "parts")
    said(settings, "remove", "parts")
    with pytest.raises(NotFound):
        said(settings, "show", "parts")


def test_what_is_no_sync_is_refused(settings: Settings) -> None:
    with pytest.raises(BadRequest):
        said(settings, "add", "parts", "../parts.csv")
    with pytest.raises(BadRequest):
        said(settings, "add", "parts", "parts.csv", "--at", "soon")
    with pytest.raises(BadRequest):
        said(settings, "add", "Parts", "parts.csv")
    said(settings, "add", "parts", exit_code=2)
    said(settings, "add", "parts", "a.csv", "--refresh", "b", exit_code=2)


def test_every_state_has_its_words() -> None:
    assert set(STATES) == set(get_args(SyncState))
