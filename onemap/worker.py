"""The worker process: reads what was sent for import, beside the server or on its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from importers.worker import work_on_imports
from layers.db import Database
from layers.errors import OneMapError
from onemap.settings import Settings

STOP_S = 20.0
"""How long a worker may take to give back what it reads."""
PAUSE_S = 2.0
"""Before a worker that ended is started again."""

_log = logging.getLogger(__name__)


def run(settings: Settings, url: str, *, parent: int | None = None) -> None:
    """Reads imports until SIGINT or SIGTERM; `parent`: the process that started this one, until it is gone.

    Its number is told and not looked up: it may be gone before this one has loaded.
    """
    settings.uploads.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_work(settings, url, parent))


async def _work(settings: Settings, url: str, parent: int | None) -> None:
    loop = asyncio.get_running_loop()
    working = asyncio.current_task()
    assert working is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, working.cancel)
    watching = asyncio.create_task(_watch(parent, working)) if parent is not None else None
    try:
        while True:
            try:
                async with Database(url) as database:
                    await work_on_imports(
                        database,
                        settings.uploads,
                        settings.local_systems_file,
                        settings.rasters,
                        settings.sync_folder,
                        settings.review == "other",
                    )
            except OneMapError as error:
                _log.warning("the worker pauses: %s", error.en)
            await asyncio.sleep(PAUSE_S)
    finally:
        if watching is not None:
            watching.cancel()


async def _watch(parent: int, working: asyncio.Task[None]) -> None:
    """Cancels `working` when the parent process is gone, however it went."""
    while os.getppid() == parent:  # noqa: ASYNC110  # the system has no event for it
        await asyncio.sleep(1)
    working.cancel()


@contextmanager
def beside() -> Iterator[None]:
    """A worker process beside this one, started again whenever it ends; gone at the end.

    Its settings are those of the environment.
    """
    stopping = threading.Event()
    keeper = threading.Thread(target=_keep, args=(stopping,), name="worker keeper")
    keeper.start()
    try:
        yield
    finally:
        stopping.set()
        keeper.join()


def _keep(stopping: threading.Event) -> None:
    command = [sys.executable, "-m", "onemap", "worker", "--parent", str(os.getpid())]
    while not stopping.is_set():
        # a session of its own: Ctrl-C at the terminal is for the server, which then stops the worker
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None and not stopping.wait(0.5):
            pass
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        else:
            _log.warning("the worker ended with code %s; starting it again", process.returncode)
            stopping.wait(PAUSE_S)
