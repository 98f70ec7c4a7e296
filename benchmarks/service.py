"""A server in a process of its own, as `onemap serve` runs it, with the built page
or without, or one that answers a constant: the floor.

    python -m benchmarks.service app DATABASE_URL
    python -m benchmarks.service page DATABASE_URL
    python -m benchmarks.service constant SIZES

The first line it prints is its port.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

from api.app import create_app
from api.settings import ApiSettings
from api.tile_answer import EXPOSED, VARY
from onemap.collecting import loading

PAGE = Path(__file__).parents[1] / "web" / "dist"
"""The built page, if it was built."""

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Service(NamedTuple):
    """A running server. `cpu_s`: what its process and its children's have computed so far, all threads."""

    port: int
    pid: int

    def cpu_s(self) -> float:
        return sum(_ticks_of_family(self.pid)) / 100.0  # of 10 ms, as everywhere on Linux


def _ticks_of_family(pid: int) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if pid in (int(process.name), int(fields[1])):
                yield int(fields[11]) + int(fields[12])


@contextmanager
def serving(kind: str, argument: str) -> Iterator[Service]:
    """A server of this module in a process of its own, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.service", kind, argument]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port, "the server did not start"
            yield Service(int(port), process.pid)
        finally:
            process.terminate()


def constant(sizes: Mapping[str, int]) -> Callable[..., Awaitable[None]]:
    """An application that answers each address with as many bytes as `sizes` says, and a kept tile's headers.

    Of the same sizes, because a large body goes in several pieces and a small one at once.
    """
    answers = {address.encode(): _messages(size) for address, size in sizes.items()}

    async def answer(scope: MutableMapping[str, Any], receive: object, send: Send) -> None:
        start, body = answers[scope["raw_path"]]
        await send(start)
        await send(body)

    return answer


def _sizes(file: Path) -> dict[str, int]:
    sizes: dict[str, int] = json.loads(file.read_text())
    return sizes


def _messages(size: int) -> tuple[Message, Message]:
    start: Message = {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"etag", b'"000000000000000000000000"'),
            (b"cache-control", b"public, max-age=0, must-revalidate"),
            (b"vary", VARY),
            (b"x-onemap-cache", b"none"),
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", EXPOSED),
            (b"content-type", b"application/vnd.mapbox-vector-tile"),
            (b"content-encoding", b"gzip"),
            (b"content-length", str(size).encode()),
        ],
    }
    return start, {"type": "http.response.body", "body": b"x" * size}


async def main(kind: str, argument: str) -> None:
    with loading():
        config = _config(kind, argument)
    await _serve(config)


def _config(kind: str, argument: str) -> uvicorn.Config:
    is_constant = kind == "constant"
    settings = ApiSettings(web_root=PAGE if kind == "page" else None)
    return uvicorn.Config(
        constant(_sizes(Path(argument))) if is_constant else create_app(settings, argument),
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off" if is_constant else "on",
        log_level="warning",
        access_log=False,
        server_header=False,
    )


async def _serve(config: uvicorn.Config) -> None:
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started and not running.done():  # noqa: ASYNC110 — uvicorn has no event for it
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await running


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(*sys.argv[1:3]))
