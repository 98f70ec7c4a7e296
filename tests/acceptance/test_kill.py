"""kill -9 at any moment: nothing acknowledged is lost, nothing half-done is seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from time import sleep

import httpx
import psycopg
import pytest

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
                answer = httpx.post(f"{url}/api/v1/events", json=report, headers=headers, timeout=10)
            except httpx.TransportError:
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


def _state(url: str) -> tuple[int, int]:
    with psycopg.connect(url) as connection:
        version = connection.execute("SELECT version FROM onemap.layer WHERE id = 'component'").fetchone()
        rows = connection.execute("SELECT count(*) FROM onemap_rows.component").fetchone()
    assert version is not None
    assert rows is not None
    return int(version[0]), int(rows[0])
