"""Kill -9 of the database, or of one of its backends, at any point of an import.

What was published stays whole, the worker takes the run up again by itself, and no stage is left for good.
The moments are made by locks that the test holds: nothing here hopes to be quick or slow enough.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from importers.run import import_files
from importers.worker import read_run
from layers.access import Viewer
from layers.brought import stages_of
from layers.catalogue import get_layer
from layers.db import Database, wait_until_ready
from layers.errors import Unavailable
from layers.import_runs import Run, get_run
from layers.staged_runs import publish_run, queue_run
from layers.uploads import append, start_upload
from onemap import worker
from onemap.cluster import Cluster
from onemap.settings import read_settings
from tests.conftest import _at, _execute, _prepare
from tests.importers.published import left_behind, rows_of
from tests.importers.specimens import shapefile, text

pytestmark = pytest.mark.slow

LI = Viewer("li", roles=frozenset({"publisher"}), is_logged_in=True)
HEAD = "标识码,部件名称,类别编码,lon,lat\n"
FIRST = HEAD + "3415020101000001,井盖,0101,116.5,31.74\n3415020101000002,井盖,0101,116.501,31.74\n"
SECOND = HEAD + "3415020101000001,污水井盖,0101,116.5,31.74\n3415020101000003,井盖,0101,116.502,31.74\n"
BEFORE, AFTER = {"…01": "井盖", "…02": "井盖"}, {"…01": "污水井盖", "…03": "井盖"}

OTHER = "id,name,lon,lat\n1,甲,116.5,31.74\n2,乙,116.51,31.74\n"
"""A layer that is not there yet."""
STAGING = "LOCK TABLE onemap_rows.unit_grid IN ACCESS EXCLUSIVE MODE"
"""Components get the code of the grid they lie in when they are staged."""
COMPARING = "LOCK TABLE onemap_rows.component IN ACCESS EXCLUSIVE MODE"
PUBLISHING = "LOCK TABLE onemap.layer_version IN SHARE ROW EXCLUSIVE MODE"
"""The version is written when the rows have been moved."""
FINISHING = "SELECT pg_advisory_lock(7302502, hashtext('t'))"
"""A large first version gets its indexes after it is published (`layers.finish`)."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostGIS of this module's own, to be killed. What it says it has committed is on its way to disk."""
    folder = Path(tempfile.mkdtemp(prefix="onemap-killed-", dir="/tmp"))
    folder.chmod(0o755)
    cluster = Cluster(folder / "home", {"fsync": "off", "shared_buffers": "64MB"})
    try:
        cluster.ensure_running(until_exit_of=os.getpid())
        _execute(cluster.url, sql.SQL("CREATE DATABASE template_city"))
        asyncio.run(_prepare(_at(cluster.url, "template_city")))
        asyncio.run(_publish_first(_at(cluster.url, "template_city"), folder))
        yield cluster
    finally:
        with suppress(Unavailable):
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _publish_first(url: str, folder: Path) -> None:
    """Grids, and two components: the version that must stand."""
    async with Database(url) as database:
        reports = await import_files(database, [shapefile(folder), text(folder, "部件.csv", FIRST)])
        assert [report.state for report in reports] == ["published", "published"]


@pytest.fixture
def url(cluster: Cluster) -> str:
    name = f"city_{secrets.token_hex(4)}"
    _execute(cluster.url, sql.SQL("CREATE DATABASE {} TEMPLATE template_city").format(sql.Identifier(name)))
    return _at(cluster.url, name)


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onemap.worker.PAUSE_S", 0.1)
    monkeypatch.setattr("importers.worker.TEND_S", 0.5)
    monkeypatch.setattr("importers.worker.BEAT_S", 0.1)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url) as database:
        yield database


# ---------------------------------------------------------------- reading and comparing


@pytest.mark.parametrize("killed", ["postmaster", "backend"])
@pytest.mark.parametrize("moment", [STAGING, COMPARING], ids=["staging", "comparing"])
async def test_a_run_whose_database_dies_is_read_again(
    cluster: Cluster, url: str, database: Database, uploads: Path, moment: str, killed: str
) -> None:
    run = await sent(database, uploads)
    async with working(url, uploads):
        with held(url, moment):
            waiting = await blocked(url)
            kill(cluster, waiting if killed == "backend" else None)
        await up_again(cluster, url)
        assert await components(database) == (1, BEFORE)
        await until_staged(database, run, attempts=2)
    await publish(database, run)
    assert await components(database) == (2, AFTER)
    assert not await left_behind(database)


# ---------------------------------------------------------------- publishing


@pytest.mark.parametrize("killed", ["postmaster", "backend"])
async def test_a_publication_whose_database_dies_half_way_has_not_been(
    cluster: Cluster, url: str, database: Database, uploads: Path, killed: str
) -> None:
    run = await sent(database, uploads)
    async with working(url, uploads):
        await until_staged(database, run, attempts=1)
        with held(url, PUBLISHING):
            publishing = asyncio.create_task(publish(database, run))
            waiting = await blocked(url)
            kill(cluster, waiting if killed == "backend" else None)
            with pytest.raises(Unavailable):
                await publishing
        await up_again(cluster, url)
        assert await components(database) == (1, BEFORE)
        await until_staged(database, run, attempts=2)  # a crash empties the stages: they are read again
    await publish(database, run)
    assert await components(database) == (2, AFTER)
    assert not await left_behind(database)


async def test_what_was_published_when_the_database_dies_stays_published(
    cluster: Cluster, url: str, database: Database, uploads: Path
) -> None:
    run = await sent(database, uploads)
    await read_run(database, uploads, run.id)
    await publish(database, run)
    kill(cluster, None)
    await up_again(cluster, url)
    assert (await get_run(database, run.id)).state == "published"
    assert await components(database) == (2, AFTER)
    assert not await left_behind(database)


async def test_a_first_publication_whose_database_dies_half_way_has_not_been(
    cluster: Cluster, url: str, database: Database, uploads: Path
) -> None:
    run = await sent(database, uploads, "t.csv", OTHER)
    async with working(url, uploads):
        await until_staged(database, run, attempts=1)
        with held(url, PUBLISHING):
            publishing = asyncio.create_task(publish(database, run))
            await blocked(url)
            kill(cluster, None)
            with pytest.raises(Unavailable):
                await publishing
        await up_again(cluster, url)
        assert (await get_layer(database, "t")).version == 0
        # rows that are to stand as they are staged outlast a crash: nothing need be read again
        assert (await get_run(database, run.id)).state == "staged"
    await publish(database, run)
    assert set(await rows_of(database, "t")) == {"1", "2"}
    assert not await left_behind(database)


async def test_a_first_version_whose_database_dies_is_whole_and_what_it_lacks_is_made_later(
    cluster: Cluster, url: str, database: Database, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layers.finish.LATER_FROM", 0)
    run = await sent(database, uploads, "t.csv", OTHER)
    await read_run(database, uploads, run.id)
    with held(url, FINISHING):
        publishing = asyncio.create_task(publish(database, run))
        await blocked(url)
        kill(cluster, None)
        await asyncio.gather(publishing, return_exceptions=True)
    await up_again(cluster, url)
    assert (await get_run(database, run.id)).state == "published"
    assert set(await rows_of(database, "t")) == {"1", "2"}
    assert (await get_layer(database, "t")).unfinished
    async with working(url, uploads), asyncio.timeout(60):
        while (await get_layer(database, "t")).unfinished:
            await asyncio.sleep(0.05)
    assert set(await rows_of(database, "t")) == {"1", "2"}
    assert not await left_behind(database)


# ---------------------------------------------------------------- how


async def sent(database: Database, folder: Path, name: str = "部件.csv", content: str = SECOND) -> Run:
    """A run over one file, queued."""

    async def pieces() -> AsyncIterator[bytes]:
        yield content.encode()

    upload = await start_upload(database, folder, name=name, size=len(content.encode()), by="li")
    await append(folder, upload, 0, pieces())
    return await queue_run(database, [upload.id], file_name=name, options={}, by="li")


@asynccontextmanager
async def working(url: str, uploads: Path) -> AsyncIterator[None]:
    """A worker as its process runs it."""
    settings = read_settings({"ONEMAP_DATABASE_URL": url, "ONEMAP_HOME": str(uploads.parent)})
    assert settings.uploads == uploads
    task = asyncio.create_task(worker._work(settings, url, None))
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def held(url: str, lock: str) -> Iterator[None]:
    """Holds `lock` until the end, or until its backend is gone like all others."""
    connection = psycopg.connect(url)
    connection.execute(lock)
    try:
        yield
    finally:
        connection.close()


async def blocked(url: str) -> int:
    """Waits until something of ours waits for a lock; the process number of its backend."""
    statement = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'onemap' AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(30):
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            while (row := await (await connection.execute(statement)).fetchone()) is None:
                await asyncio.sleep(0.02)
    return int(row[0])


def kill(cluster: Cluster, backend: int | None) -> None:
    """Kills one backend, upon which the server restarts by itself; or the server."""
    process = backend or int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(process, signal.SIGKILL)


async def up_again(cluster: Cluster, url: str) -> None:
    """Starts the server if it is gone, and waits until it has recovered."""
    async with asyncio.timeout(40):
        while True:
            with suppress(Unavailable, psycopg.OperationalError):
                await asyncio.to_thread(cluster.ensure_running, until_exit_of=os.getpid())
                await wait_until_ready(url)
                return
            await asyncio.sleep(0.1)


async def until_staged(database: Database, run: Run, attempts: int) -> None:
    async with asyncio.timeout(60):
        while (found := await get_run(database, run.id)).state != "staged" or found.attempts < attempts:
            assert found.state in ("uploaded", "reading", "staged"), found
            await asyncio.sleep(0.05)


async def publish(database: Database, run: Run) -> Run:
    seen = {one.staged.layer.id: one.base_version for one in stages_of(await get_run(database, run.id))}
    return await publish_run(database, run.id, LI, seen=seen)


async def components(database: Database) -> tuple[int, dict[str, Any]]:
    """The published version and the names by the end of their codes; all of a version or nothing."""
    rows = await rows_of(database, "component")
    return (await get_layer(database, "component")).version, {
        f"…{key[-2:]}": row.values["name"] for key, row in rows.items()
    }
