"""kill -9 at any moment: nothing acknowledged is lost, nothing half-done is seen."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import httpx2
import psycopg
import pytest

from layers.accounts import create_account, make_key
from layers.db import Database
from tests.acceptance.conftest import ROOT, Town, environment, onemap, own_database, serving

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("after_s", [1.2, 1.8, 2.4, 3.0])
def test_an_import_killed_outright_leaves_the_layer_as_it_was_and_can_be_run_again(
    server_url: str, template_database: str, town: Town, after_s: float
) -> None:
    with own_database(server_url, template_database) as url:
        file = town.files / "城市部件.csv"
        process = subprocess.Popen(
            [sys.executable, "-m", "onemap", "import", str(file)],
            cwd=ROOT, env=environment(url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        sleep(after_s)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        version, rows = _state(url)
        expected = len(file.read_text("utf-8-sig").splitlines()) - 1
        assert (version, rows) in ((0, 0), (1, expected))
        done = onemap("import", str(file), database_url=url)
        assert done.returncode == 0, done.stdout + done.stderr
        assert _state(url) == (1, expected)


def test_a_server_killed_while_events_are_posted_loses_none_it_acknowledged(town: Town) -> None:
    acknowledged: list[int] = []

    def post(url: str, worker: int) -> None:
        for number in range(200):
            name = f"{worker}-{number}"
            headers = {"Authorization": f"Bearer {town.key}", "Idempotency-Key": f"kill-{name}"}
            report = {"class_code": "06010", "lon": 116.5, "lat": 31.74, "description": name}
            try:
                answer = httpx2.post(f"{url}/api/v1/events", json=report, headers=headers, timeout=10)
            except httpx2.TransportError:
                return
            if answer.status_code == 201:
                acknowledged.append(answer.json()["id"])

    with serving(town.database_url) as (url, process):
        threads = [threading.Thread(target=post, args=(url, worker)) for worker in range(4)]
        for thread in threads:
            thread.start()
        sleep(2)
        os.killpg(process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert acknowledged
    with psycopg.connect(town.database_url) as connection:
        kept = {row[0] for row in connection.execute("SELECT id FROM onemap.event").fetchall()}
        halves = connection.execute(
            "SELECT count(*) FROM onemap.event e WHERE NOT EXISTS"
            " (SELECT 1 FROM onemap.event_step s WHERE s.event_id = e.id AND s.to_state = e.state)"
        ).fetchone()
    assert set(acknowledged) <= kept
    assert halves == (0,)


HEAD = "标识码,部件名称,类别编码,lon,lat\n"
PIECE = 64 * 1024


def test_a_server_killed_while_a_file_is_sent_and_while_its_worker_reads_it_goes_on_where_it_was(
    server_url: str, template_database: str, tmp_path: Path
) -> None:
    rows = [f"34150201010{n:05d},井盖,0101,{116.4 + n * 1e-5:.5f},31.74\n" for n in range(5000)]
    whole = (HEAD + "".join(rows)).encode()
    with own_database(server_url, template_database) as url:
        headers = {"Authorization": f"Bearer {asyncio.run(_publisher(url))}"}
        with serving(url, ONEMAP_HOME=str(tmp_path)) as (served, process):
            body = {"name": "部件.csv", "size": len(whole)}
            upload = httpx2.post(f"{served}/api/v1/uploads", json=body, headers=headers).json()["id"]
            _send(served, upload, headers, 0, iter([whole[:PIECE]]))
            arrived = tmp_path / "uploads" / upload
            with pytest.raises(httpx2.TransportError):
                _send(
                    served, upload, headers, PIECE, _until_killed(process, arrived, whole[PIECE : 2 * PIECE])
                )
        with serving(url, ONEMAP_HOME=str(tmp_path)) as (served, process):
            asked = httpx2.head(f"{served}/api/v1/uploads/{upload}", headers=headers)
            offset = int(asked.headers["Upload-Offset"])
            assert PIECE < offset < len(whole)
            _send(served, upload, headers, offset, iter([whole[offset:]]))
            begun = {"uploads": [upload], "options": {"layer_id": "component"}}
            run = httpx2.post(f"{served}/api/v1/imports", json=begun, headers=headers).json()["id"]
            with psycopg.connect(url) as holder:  # the worker gets as far as comparing and no further
                holder.execute("LOCK TABLE onemap_rows.component IN ACCESS EXCLUSIVE MODE")
                _wait(lambda: _blocked(url))
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        assert _state(url) == (0, 0)
        with serving(url, ONEMAP_HOME=str(tmp_path)) as (served, _):
            address = f"{served}/api/v1/imports/{run}"
            _wait(lambda: httpx2.get(address, headers=headers).json()["state"] == "staged")
            seen = {"versions": {"component": 0}}
            answer = httpx2.post(f"{address}/publish", json=seen, headers=headers, timeout=60)
            assert answer.json()["state"] == "published", answer.text
            items = httpx2.get(f"{served}/ogc/collections/component/items?limit=1").json()
        assert items["numberMatched"] == len(rows)
        assert _state(url) == (1, len(rows))


def _send(served: str, upload: str, headers: dict[str, str], offset: int, pieces: Iterator[bytes]) -> None:
    """Sends `pieces` to an upload from `offset` on."""
    answer = httpx2.patch(
        f"{served}/api/v1/uploads/{upload}", content=pieces, timeout=30,
        headers={**headers, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"},
    )  # fmt: skip
    assert answer.status_code in (200, 204), answer.text


def _until_killed(process: subprocess.Popen[bytes], arrived: Path, piece: bytes) -> Iterator[bytes]:
    """Half of `piece`, and when some of it is on disk the end of the server; then the rest, to nobody."""
    before = arrived.stat().st_size
    yield piece[: len(piece) // 2]
    _wait(lambda: arrived.stat().st_size > before)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while True:
        yield piece[len(piece) // 2 :]


def _wait(happens: Callable[[], bool]) -> None:
    deadline = monotonic() + 60
    while not happens():
        assert monotonic() < deadline, "it did not happen within a minute"
        sleep(0.05)


def _blocked(url: str) -> bool:
    """Whether a process of ours waits for a lock."""
    statement = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'onemap' AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchone() != (0,)


async def _publisher(url: str) -> str:
    async with Database(url) as database:
        await create_account(database, "li", roles=("publisher",))
        return await make_key(database, "li")


def _state(url: str) -> tuple[int, int]:
    with psycopg.connect(url) as connection:
        version = connection.execute("SELECT version FROM onemap.layer WHERE id = 'component'").fetchone()
        rows = connection.execute("SELECT count(*) FROM onemap_rows.component").fetchone()
    assert version is not None
    assert rows is not None
    return int(version[0]), int(rows[0])
