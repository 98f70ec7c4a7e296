"""Nobody reaches into our own house by registering a service: every way in that is known is tried."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from api.errors import HostRefused, OriginFailed, OriginTimedOut
from api.services.hosts import NO_RULES, HostRules
from api.services.origin import OriginClient
from layers.errors import BadRequest
from layers.services import Secret
from tests.api.services.origin_server import RED, Asked, Said, origin

REFUSED_BY_FORM = [
    "http://127.0.0.1/",
    "http://127.8.9.1:8080/",
    "http://[::1]/",
    "http://[::]/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fe80::1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://224.0.0.1/",
    "http://[ff02::1]/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://[fd00::1]/",
    "http://[64:ff9b::a01:203]/",
    "http://8.8.8.8:22/",
    "http://8.8.8.8:5432/",
    "http://8.8.8.8:6379/",
    "http://maps.example.com:25/",
]
NO_ADDRESSES = [
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://0x7f.0.0.1/",
    "http://0x7f000001/",
    "http://127.1/",
    "file:///etc/passwd",
    "ftp://maps.example.com/",
    "gopher://maps.example.com/",
    "unix:///run/postgresql",
    "//maps.example.com/",
    "http://",
    "http:///x",
    "http://maps.example.com\\@127.0.0.1/",
    "http://maps.example.com:0/",
    "http://maps.example.com:99999/",
    "http://maps.example.com/\r\nX-Evil: 1",
    "http://maps.example.com/ x",
    "http://[fe80::1%25eth0]/",
    "http://ex%61mple.com/",
    "http://" + "a" * 3000,
    "http://ⓔxample.com/",
]


@pytest.mark.parametrize("url", REFUSED_BY_FORM)
def test_an_inner_or_reserved_address_is_refused_and_the_setting_named(url: str) -> None:
    with pytest.raises(HostRefused) as refused:
        NO_RULES.judge_url(url)
    assert "ONEMAP_SERVICE_HOSTS" in refused.value.en
    assert "ONEMAP_SERVICE_HOSTS" in refused.value.zh


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        NO_RULES.judge_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://t0.tianditu.gov.cn/img_w",
        "http://8.8.8.8/",
        "http://a.example:8090/",
        "http://[2400:3200::1]/",
    ],
)
def test_a_public_address_may_be_asked(url: str) -> None:
    NO_RULES.judge_url(url)


@pytest.mark.parametrize(
    ("rule", "host", "address", "port", "is_open"),
    [
        ("gis.city.local", "gis.city.local", "10.1.2.3", 80, True),
        ("gis.city.local", "GIS.city.local.", "10.1.2.3", 8080, True),
        ("gis.city.local", "evil.gis.city.local", "10.1.2.3", 80, False),
        ("gis.city.local", "gis.city.local", "127.0.0.1", 80, False),
        ("gis.city.local", "gis.city.local", "169.254.169.254", 80, False),
        ("gis.city.local:8080", "gis.city.local", "10.1.2.3", 80, False),
        ("gis.city.local:8080", "gis.city.local", "10.1.2.3", 8080, True),
        ("gis.city.local:81", "gis.city.local", "10.1.2.3", 81, True),
        ("*.plan.local", "a.plan.local", "192.168.0.9", 443, True),
        ("*.plan.local", "plan.local", "192.168.0.9", 443, False),
        ("*.plan.local", "aplan.local", "192.168.0.9", 443, False),
        ("10.20.0.0/16", "anything.example", "10.20.3.4", 80, True),
        ("10.20.0.0/16", "anything.example", "10.21.3.4", 80, False),
        ("10.20.0.0/16:8080", "anything.example", "10.20.3.4", 80, False),
        ("10.20.0.0/16", "anything.example", "::ffff:10.20.3.4", 80, True),
        ("127.0.0.1:7777", "127.0.0.1", "127.0.0.1", 7777, True),
        ("127.0.0.1:7777", "127.0.0.1", "127.0.0.1", 7778, False),
        ("127.0.0.1:5432", "127.0.0.1", "127.0.0.1", 5432, True),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", 5432, False),
        ("[fd00::1]:8080", "fd00::1", "fd00::1", 8080, True),
        ("[fd00::1]:8080", "fd00::2", "fd00::2", 8080, False),
        ("fd00::/8", "x.example", "fd00::2", 80, True),
        ("localhost", "localhost", "127.0.0.1", 8000, True),
        ("localhost", "other", "127.0.0.1", 8000, False),
    ],
)
def test_a_rule_opens_what_it_says_and_no_more(
    rule: str, host: str, address: str, port: int, is_open: bool
) -> None:
    rules = HostRules.read([rule])
    if is_open:
        rules.judge_address(host, ipaddress.ip_address(address), port)
    else:
        with pytest.raises(HostRefused):
            rules.judge_address(host, ipaddress.ip_address(address), port)


@pytest.mark.parametrize(
    "entry", ["", "*", "a b", "10.0.0.0/99", "host:0", "host:99999", "http://host/", "1.2.3", "*.*"]
)
def test_a_wrong_entry_is_told_by_the_settings_name(entry: str) -> None:
    with pytest.raises(BadRequest) as wrong:
        HostRules.read([entry])
    assert wrong.value.facts["field"] == "ONEMAP_SERVICE_HOSTS"


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Every name leads to `addresses`, as a hostile name server would have it; the names asked for."""
    import asyncio

    asked: list[str] = []

    async def told(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (families[ipaddress.ip_address(one).version], socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", told)
    return asked


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("::1",), ("::ffff:127.0.0.1",), ("10.0.0.1",), ("93.184.216.34", "127.0.0.1")],
)
async def test_a_name_that_leads_into_the_house_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    client = OriginClient(NO_RULES)
    with origin(lambda asked: Said(RED)) as theirs:
        asked = resolving(monkeypatch, *addresses)
        with pytest.raises(HostRefused):
            await client.ask(f"http://innocent.example:{theirs.port}/")
        assert asked == ["innocent.example"]
        assert theirs.asked == []
    await client.close()


async def test_a_name_is_looked_up_once_and_that_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second look-up could be answered otherwise (DNS rebinding): there is none."""
    client = OriginClient(HostRules.read(["127.0.0.1"]))
    with origin(lambda asked: Said(RED)) as theirs:
        asked = resolving(monkeypatch, "127.0.0.1")
        answer = await client.ask(f"http://maps.example:{theirs.port}/a")
        assert answer.body == RED
        assert asked == ["maps.example"]
        assert theirs.asked[0].headers["host"] == f"maps.example:{theirs.port}"
    await client.close()


async def test_redirects_stay_with_the_host_and_are_judged() -> None:
    with origin(lambda asked: Said(RED)) as inner, origin(lambda asked: Said()) as theirs:
        client = OriginClient(HostRules.read([f"127.0.0.1:{theirs.port}", f"localhost:{theirs.port}"]))
        secret = Secret("header", "X-Key", "secret")
        targets = [
            inner.url,
            f"http://localhost:{theirs.port}/",
            f"http://[::1]:{theirs.port}/",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            f"https://127.0.0.1:{theirs.port}/",
            f"http://user@127.0.0.1:{theirs.port}/",
            "//127.0.0.1/x",
            "http://127.0.0.1:99999/",
        ]
        for target in targets:
            theirs.tell = lambda asked, to=target: Said(status=302, headers={"Location": to})  # type: ignore[misc]
            with pytest.raises((OriginFailed, BadRequest)):
                await client.ask(f"{theirs.url}/", [secret])
        assert inner.asked == []

        def within(asked: Asked) -> Said:
            return Said(RED) if asked.path == "/there" else Said(status=302, headers={"Location": "/there"})

        theirs.tell = within
        assert (await client.ask(f"{theirs.url}/", [secret])).body == RED
        theirs.tell = lambda asked: Said(status=301, headers={"Location": "/again"})
        with pytest.raises(OriginFailed):
            await client.ask(f"{theirs.url}/")
        await client.close()


async def test_an_answer_is_bounded_in_bytes_packed_or_not() -> None:
    import gzip

    client = OriginClient(HostRules.read(["127.0.0.1"]))
    packed = gzip.compress(b"0" * 5_000_000)
    bodies = [
        Said(b"0" * 2_000_000, "text/plain"),
        Said(packed, "text/plain", headers={"Content-Encoding": "gzip"}),
        Said(b"x", "text/plain", headers={"Content-Encoding": "br"}),
        Said(b"no gzip", "text/plain", headers={"Content-Encoding": "gzip"}),
    ]
    with origin(lambda asked: bodies[int(asked.path[1:])]) as theirs:
        for n in range(len(bodies)):
            with pytest.raises(OriginFailed):
                await client.ask(f"{theirs.url}/{n}", most_bytes=1_000_000)
        whole = await client.ask(f"{theirs.url}/1", most_bytes=5_000_000)
        assert len(whole.body) == 5_000_000
    await client.close()


async def test_an_origin_that_does_not_answer_is_not_waited_for() -> None:
    import threading

    held = threading.Event()

    def tell(asked: Asked) -> Said:
        held.wait(10)
        return Said(RED)

    client = OriginClient(HostRules.read(["127.0.0.1"]))
    with origin(tell) as theirs:
        with pytest.raises(OriginTimedOut):
            await client.ask(theirs.url, total_s=0.2)
        held.set()
    with pytest.raises(OriginFailed):
        await client.ask(theirs.url)
    await client.close()
