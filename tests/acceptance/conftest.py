"""The whole way: the sample city made, imported by the command line, served by two real processes."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import httpx2
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from layers.accounts import Department, create_account, load_departments, make_key
from layers.db import Database
from sample_data.make import make_city

ROOT = Path(__file__).parents[2]
SCALE = 0.004
READY_WITHIN_S = 180


class Town(NamedTuple):
    """A small city's files, and a database that holds them, with a dispatcher's key."""

    files: Path
    database_url: str
    key: str


@pytest.fixture(scope="session")
def town(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The sample city at a small scale in a database of its own; tests that share it only add events."""
    files = tmp_path_factory.mktemp("town")
    make_city(files, scale=SCALE)
    with own_database(server_url, template_database) as url:
        done = onemap("import", str(files), database_url=url)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Town(files, url, asyncio.run(_people(url)))


@pytest.fixture(scope="session")
def served(town: Town) -> Iterator[str]:
    """Address of the town served by two worker processes."""
    with serving(town.database_url, workers=2) as (url, _):
        yield url


@contextmanager
def own_database(server_url: str, template: str) -> Iterator[str]:
    """A clone of `template`, dropped at the end."""
    name = f"onemap_town_{secrets.token_hex(6)}"
    conninfo = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def environment(database_url: str, **more: str) -> Mapping[str, str]:
    """Of a process of the product that works on `database_url`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEMAP_")}
    own = {"ONEMAP_DATABASE_URL": database_url, "ONEMAP_TILES_ON_DISK_MB": "0", "LANG": "C.UTF-8"}
    return {**clean, **own, **more}


def onemap(*arguments: str, database_url: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "onemap", *arguments],
        cwd=ROOT, env=environment(database_url), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@contextmanager
def serving(
    database_url: str, workers: int = 1, **more: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real server on a free port; its process group is gone at the end, however it fares.

    `more`: of its environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "onemap", "serve"],
        cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=environment(database_url, ONEMAP_PORT=str(port), ONEMAP_WORKERS=str(workers), **more),
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process)
        yield url, process
    finally:
        with suppress(ProcessLookupError):  # a test may have killed it
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + READY_WITHIN_S
    while monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            if httpx2.get(f"{url}/readyz", timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            sleep(0.1)
    raise AssertionError(f"the server was not ready within {READY_WITHIN_S} s")


async def _people(url: str) -> str:
    async with Database(url) as database:
        await load_departments(database, [Department("CG01", "市城市管理局")])
        await create_account(database, "desk", roles=("dispatcher",), department="CG01")
        return await make_key(database, "desk")
