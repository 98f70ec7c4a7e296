"""Serving: the address is free, the database is up and migrated, then the server until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from api.services.hosts import HostRules
from layers.catalogue import register_known
from layers.db import Database, wait_until_ready
from layers.errors import Conflict
from layers.migrations import upgrade
from onemap import worker
from onemap.cluster import Cluster
from onemap.server import matrix_sets_of
from onemap.settings import Settings
from onemap.terminal import step


@contextmanager
def database(settings: Settings, *, stays: bool = False) -> Iterator[str]:
    """Address of the database, up and migrated: the user's own, or the private one.

    A private server that this call started is stopped at the end, unless it `stays`.
    """
    if settings.database_url is not None:
        asyncio.run(migrate(settings.database_url))
        yield settings.database_url
        return
    cluster = Cluster(settings.home)
    with step("启动私有 PostGIS", "starting the private PostGIS"):
        started = cluster.ensure_running(until_exit_of=None if stays else os.getpid())
    try:
        asyncio.run(migrate(cluster.url))
        yield cluster.url
    finally:
        if started and not stays:
            cluster.stop()


def run(settings: Settings, url: str) -> None:
    """Serves until SIGINT or SIGTERM, a worker beside it. Raises `Conflict` when the port is taken."""
    require_free_port(settings)
    matrix_sets_of(settings)  # what is wrong is said once, before any process starts
    HostRules.read(settings.service_hosts)
    # the processes started here read their settings from the environment, like any other of ours
    os.environ["ONEMAP_DATABASE_URL"] = url
    os.environ["ONEMAP_HOME"] = str(settings.home)
    with worker.beside():
        _serve(settings)


def _serve(settings: Settings) -> None:
    uvicorn.run(
        "onemap.server:create",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        # open event streams would hold the process for ever
        timeout_graceful_shutdown=3,
    )


def require_free_port(settings: Settings) -> None:
    """Raises `Conflict` naming the port where somebody already listens on it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise Conflict(
                f"端口 {settings.host}:{settings.port} 不可用（{error.strerror}）；请用 ONEMAP_PORT 换一个",
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror});"
                " choose another port with ONEMAP_PORT",
                port=settings.port,
            ) from error


async def migrate(url: str) -> None:
    """Waits for the database, brings its schema to this version, registers the known layers."""
    await wait_until_ready(url)
    await upgrade(url)
    async with Database(url) as opened:
        await register_known(opened)
