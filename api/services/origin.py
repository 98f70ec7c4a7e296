"""Asking another system: guarded, bounded, and with nothing of our caller in the question.

Nothing but what is written here is sent: no cookie, no credential, no address of whoever asks us. Redirects
are followed within the same host only, each judged like the first address.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import logging
import socket
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import httpcore2
import httpx2

from api.errors import OriginFailed, OriginTimedOut
from api.services.hosts import HostRules, host_and_port
from api.services.offers import with_query
from layers.services import Secret

CONNECT_S = 5.0
READ_S = 15.0
TOTAL_S = 20.0
MAX_REDIRECTS = 3
MAX_BYTES = 8 * 2**20
"""A tile of 512 pixels weighs 0.5 MB at most, a page of features some MB."""
MAX_CAPABILITIES_BYTES = 32 * 2**20
"""GetCapabilities of a server with thousands of layers."""
USER_AGENT = "OneMap"
_KEPT_HEADERS = frozenset({"content-type", "cache-control", "age", "expires", "date"})


class OriginAnswer(NamedTuple):
    """What came: `media_type` without parameters, in lower case; only harmless headers."""

    status: int
    media_type: str
    headers: dict[str, str]
    body: bytes


class OriginClient:
    """Asks other systems. One per process; `close` it at the end."""

    def __init__(self, rules: HostRules) -> None:
        for library in ("httpx2", "httpcore2"):
            # They would write whole addresses, tokens included, where an operator asks for more to be logged.
            logging.getLogger(library).setLevel(logging.WARNING)
        self._rules = rules
        transport = _GuardedTransport(rules)
        self._client = httpx2.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(READ_S, connect=CONNECT_S, pool=TOTAL_S),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(
        self,
        url: str,
        secrets: Sequence[Secret] = (),
        *,
        accept: str = "*/*",
        most_bytes: int = MAX_BYTES,
        total_s: float = TOTAL_S,
    ) -> OriginAnswer:
        """What is at `url`, whatever its status but redirects.

        Raises `BadRequest` or `HostRefused` for an address that is not asked, `OriginTimedOut`,
        `OriginFailed` where there is no whole answer or it is larger than `most_bytes`.
        """
        try:
            async with asyncio.timeout(total_s):
                return await self._follow(url, secrets, accept, most_bytes)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise OriginTimedOut(
                "对方服务没有及时应答", "the service of the other system did not answer in time"
            ) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, httpcore2.ProtocolError, zlib.error) as error:
            raise OriginFailed(
                "无法从对方服务得到应答", "the service of the other system cannot be reached"
            ) from error

    async def _follow(
        self, url: str, secrets: Sequence[Secret], accept: str, most_bytes: int
    ) -> OriginAnswer:
        for _ in range(MAX_REDIRECTS + 1):
            self._rules.judge_url(url)
            answer, location = await self._once(url, secrets, accept, most_bytes)
            if location is None:
                return answer
            url = _next_url(url, location)
        raise OriginFailed("对方服务重定向过多", "the service of the other system redirects without end")

    async def _once(
        self, url: str, secrets: Sequence[Secret], accept: str, most_bytes: int
    ) -> tuple[OriginAnswer, str | None]:
        headers = {"User-Agent": USER_AGENT, "Accept": accept, "Accept-Encoding": "gzip"}
        headers.update(_said_in_headers(secrets))
        async with self._client.stream("GET", with_query_secrets(url, secrets), headers=headers) as response:
            kept = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
            media_type = kept.get("content-type", "").partition(";")[0].strip().lower()
            if response.status_code in (301, 302, 303, 307, 308):
                location = response.headers.get("location", "")
                return OriginAnswer(response.status_code, media_type, kept, b""), location
            body = await _bounded(response, most_bytes)
            return OriginAnswer(response.status_code, media_type, kept, body), None


def with_query_secrets(url: str, secrets: Iterable[Secret]) -> str:
    """The address with those secrets that stand in its query, each once."""
    said = {one.name: one.value for one in secrets if one.place == "query"}
    return with_query(url, said) if said else url


def _said_in_headers(secrets: Iterable[Secret]) -> dict[str, str]:
    headers = {}
    for one in secrets:
        if one.place == "header":
            headers[one.name] = one.value
        elif one.place == "basic":
            told = base64.b64encode(f"{one.name}:{one.value}".encode()).decode()
            headers["Authorization"] = f"Basic {told}"
    return headers


def _next_url(url: str, location: str) -> str:
    """Where a redirect leads; raises `OriginFailed` unless it is the same host (by http or https)."""
    target = urljoin(url, location)
    before, after = urlsplit(url), urlsplit(target)
    try:
        here, there = host_and_port(before), host_and_port(after)
    except ValueError as error:
        raise OriginFailed("对方服务的重定向有误", "the other system redirects to no address") from error
    is_upgrade = (before.scheme, after.scheme) == ("http", "https") and (here[1], there[1]) == (80, 443)
    same_way = after.scheme == before.scheme and here[1] == there[1]
    if here[0] != there[0] or not (same_way or is_upgrade) or after.username is not None:
        raise OriginFailed(
            "对方服务重定向到其他主机，已停止",
            "the service of the other system redirects to another host, which is not followed",
        )
    return target


async def _bounded(response: httpx2.Response, most_bytes: int) -> bytes:
    """The body, unpacked by ourselves so that a small one cannot become a huge one."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip"):
        raise OriginFailed("对方服务的内容编码无法读取", "the other system packs its answers strangely")
    unpack = zlib.decompressobj(wbits=31) if coding.endswith("gzip") else None
    pieces: list[bytes] = []
    taken = 0
    async for piece in response.aiter_raw():
        whole = piece if unpack is None else unpack.decompress(piece, most_bytes - taken + 1)
        pieces.append(whole)
        taken += len(whole)
        if taken > most_bytes:
            raise OriginFailed(
                "对方服务的应答过大",
                "the answer of the other system is too large",
                limit_bytes=most_bytes,
            )
    return b"".join(pieces)


class _GuardedTransport(httpx2.AsyncHTTPTransport):
    """Connects only to addresses that the rules allow."""

    def __init__(self, rules: HostRules) -> None:
        super().__init__(trust_env=False)
        context = httpx2.create_ssl_context(trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=64,
            max_keepalive_connections=32,
            keepalive_expiry=30.0,
            network_backend=_GuardedNetwork(rules),
        )


class _GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Looks a name up once, judges every address it has, and connects to one that may be connected to.

    TLS is held against the name all the same, as it is begun above this.
    """

    def __init__(self, rules: HostRules) -> None:
        self._rules = rules
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failed: Exception | None = None
        async for address in self._allowed(host, port):
            try:
                return await self._network.connect_tcp(address, port, timeout=timeout)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore2.ConnectError("no address")

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.ConnectError("services are not asked through sockets of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)

    async def _allowed(self, host: str, port: int) -> AsyncIterator[str]:
        """At most two addresses of `host`; raises `HostRefused` where any of all it has must not be asked:
        a name that leads inside and outside is not one to be trusted."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("the name is not known") from error
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
        for address in addresses:
            self._rules.judge_address(host, ipaddress.ip_address(address), port)
        for address in addresses[:2]:
            yield address
