"""A small HTTP client that asks as fast as it can over a few connections and remembers every wait."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from statistics import quantiles
from time import perf_counter
from typing import cast

import uvloop


@dataclass
class Load:
    """What came back. `waits_s` are the single requests' times, in order of arrival."""

    elapsed_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    cache: Counter[str] = field(default_factory=Counter)
    body_bytes: int = 0

    @property
    def per_second(self) -> float:
        return len(self.waits_s) / self.elapsed_s

    def percentile_ms(self, hundredth: int) -> float:
        return quantiles(self.waits_s, n=100)[hundredth - 1] * 1000

    def told(self) -> str:
        """The waits in a line."""
        p50, p95, p99 = (self.percentile_ms(hundredth) for hundredth in (50, 95, 99))
        return f"p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f} ms"


def ask(port: int, paths: Sequence[str], *, connections: int, rounds: int = 1) -> Load:
    """Asks for `paths`, `rounds` times, over `connections` kept open; each connection takes the next path."""
    return uvloop.run(asked_by(port, paths, connections=connections, rounds=rounds))


async def asked_by(port: int, paths: Sequence[str], *, connections: int, rounds: int = 1) -> Load:
    """`ask`, in an event loop that runs already."""
    wanted = [
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n".encode("ascii")
        for path in paths
    ]
    return await _ask(port, wanted * rounds, connections)


def fetch(port: int, paths: Sequence[str]) -> dict[str, bytes]:
    """The bodies as they travel (gzip), by path; without those that are empty."""
    connection = HTTPConnection("127.0.0.1", port)
    found = {}
    for path in paths:
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        if body := connection.getresponse().read():
            found[path] = body
    connection.close()
    return found


async def _ask(port: int, wanted: list[bytes], connections: int) -> Load:
    load, queue = Load(), iter(wanted)
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: _Connection(queue, load), "127.0.0.1", port)
        for _ in range(connections)
    ]
    started = perf_counter()
    for _, connection in opened:
        connection.next()
    await asyncio.gather(*(connection.finished for _, connection in opened))
    load.elapsed_s = perf_counter() - started
    for transport, _ in opened:
        transport.close()
    return load


class _Connection(asyncio.Protocol):
    """One connection: the next request leaves when the answer to the last one is whole."""

    def __init__(self, queue: object, load: Load) -> None:
        self._queue = queue
        self._load = load
        self._missing = -1
        self._head = b""
        self._is_chunked = False
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(error or ConnectionError("the server closed the connection"))

    def next(self) -> None:
        request = next(self._queue, None)  # type: ignore[call-overload]
        if request is None:
            self.finished.set_result(None)
            return
        self._sent = perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._is_chunked:
            self._chunks(data)
            return
        if self._missing < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data, self._head = self._head[:end].lower(), self._head[end + 4 :], b""
            self._load.statuses[int(head[9:12])] += 1
            self._load.cache[_header(head, b"x-onemap-cache").decode()] += 1
            if _header(head, b"transfer-encoding") == b"chunked":
                self._is_chunked = True
                self._chunks(data)
                return
            self._missing = int(_header(head, b"content-length") or 0)
            self._load.body_bytes += self._missing
        self._missing -= len(data)
        if self._missing <= 0:
            self._missing = -1
            self._answered()

    def _chunks(self, data: bytes) -> None:
        """What comes in chunks (RFC 9112 §7.1), without trailers; `_head` holds what is not read yet."""
        self._head += data
        while (end := self._head.find(b"\r\n")) >= 0:
            size = int(self._head[:end].partition(b";")[0], 16)
            if len(self._head) < end + size + 4:
                return
            self._head = self._head[end + size + 4 :]
            self._load.body_bytes += size
            if size == 0:
                self._is_chunked = False
                self._answered()
                return

    def _answered(self) -> None:
        self._load.waits_s.append(perf_counter() - self._sent)
        self.next()


def _header(head: bytes, name: bytes) -> bytes:
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    start = at + len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else None].strip()
