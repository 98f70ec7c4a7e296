"""Which addresses of other systems may be asked: nobody reaches into our own house by registering a service.

A name is looked up once, and the very address that was judged is the one connected to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from api.errors import HostRefused
from layers.errors import BadRequest

SETTING = "ONEMAP_SERVICE_HOSTS"
MAX_URL = 2000
USUAL_PORTS = frozenset({80, 443})
LEAST_HIGH_PORT = 1024
NEVER_HTTP = frozenset(
    {1433, 1521, 2049, 2375, 2379, 3306, 3389, 5432, 5433, 5900, 6379, 6443, 9042, 9092, 9200, 9300, 10250}
    | {11211, 27017, 27018}
)
"""Ports of databases, caches, remote desktops and the like (IANA): nobody's map is there."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?")
_LOOKS_NUMERIC = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+))*\.?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Rule(NamedTuple):
    """One thing the operator allows: `network`, or a host `name` (`*.suffix` for all below); `port` None: any
    sane one."""

    name: str
    network: Network | None
    port: int | None


@dataclass(frozen=True)
class HostRules:
    """What the operator allows beyond the public internet."""

    rules: tuple[Rule, ...] = ()

    @staticmethod
    def read(entries: Sequence[str]) -> HostRules:
        """From the setting's entries: `gis.city.local`, `*.city.local:8080`, `10.1.0.0/16`, `[fd00::1]:8080`.

        Raises `BadRequest` naming the setting and the entry.
        """
        return HostRules(tuple(_rule(entry) for entry in entries))

    def judge_url(self, url: str) -> SplitResult:
        """The parts of an address that may be asked, as far as it says itself where it leads.

        Raises `BadRequest` for what is no http(s) address, `HostRefused` for a port or literal address.
        """
        parts = _parts(url)
        host, port = host_and_port(parts)
        literal = _literal(host)
        if literal is None and (not _NAME.fullmatch(host) or _LOOKS_NUMERIC.fullmatch(host)):
            raise _wrong(url, f"主机名“{host[:60]}”有误", f"{host[:60]!r} is no host name")
        if literal is not None:
            self.judge_address(host, literal, port)
        elif not self._port_is_open(host, None, port):
            raise _refused(host, port, f"端口 {port} 未放行", f"port {port} is not open to services")
        return parts

    def judge_address(self, host: str, address: Address, port: int) -> None:
        """Raises `HostRefused` unless `address`, where `host` was found to be, may be connected to."""
        plain = _unwrapped(address)
        if not self._port_is_open(host, plain, port):
            raise _refused(host, port, f"端口 {port} 未放行", f"port {port} is not open to services")
        if _is_public(plain) or self._has_network(plain, port):
            return
        if _is_special(plain):
            if plain.is_loopback and self._has_name(host, port) and host.lower() == "localhost":
                return
            raise _refused(
                host, port, "该地址属于本机、链路本地或保留地址", "that address is this machine's or reserved"
            )
        if self._has_name(host, port):
            return
        raise _refused(host, port, "该地址属于内部网络", "that address is of a private network")

    def _port_is_open(self, host: str, address: Address | None, port: int) -> bool:
        named = any(
            rule.port == port
            and (_matches(rule.name, host) or (address is not None and _holds(rule.network, address)))
            for rule in self.rules
        )
        if named or port in USUAL_PORTS:
            return True
        if address is None and any(rule.network is not None and rule.port == port for rule in self.rules):
            return True  # decided once the address is known
        return port >= LEAST_HIGH_PORT and port not in NEVER_HTTP

    def _has_network(self, address: Address, port: int) -> bool:
        return any(_holds(rule.network, address) and rule.port in (None, port) for rule in self.rules)

    def _has_name(self, host: str, port: int) -> bool:
        return any(_matches(rule.name, host) and rule.port in (None, port) for rule in self.rules)


NO_RULES = HostRules()
"""The public internet and nothing else."""


def host_and_port(parts: SplitResult) -> tuple[str, int]:
    """Where an address leads: host (IPv6 without brackets) and port."""
    return (parts.hostname or ""), parts.port or (443 if parts.scheme == "https" else 80)


def _parts(url: str) -> SplitResult:
    if len(url) > MAX_URL:
        raise _wrong(url, "地址过长", "the address is too long")
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise _wrong(url, "地址含有不允许的字符", "the address holds characters that no address has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _wrong(url, "地址有误", "this is no address") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise _wrong(url, "只支持 http 与 https 地址", "only http and https addresses can be asked")
    if "%" in (parts.hostname or ""):
        raise _wrong(url, "主机名有误", "this is no host name")
    return parts


def _rule(entry: str) -> Rule:
    text = entry.strip()
    host, port = text, None
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?", text)
    plain = re.fullmatch(r"([^:]+):(\d{1,5})", text)
    if bracketed:
        host, port = bracketed[1], int(bracketed[2]) if bracketed[2] else None
    elif plain:
        host, port = plain[1], int(plain[2])
    if port is not None and not 1 <= port <= 65_535:
        raise _bad_rule(entry)
    try:
        return Rule("", ipaddress.ip_network(host), port)
    except ValueError:
        pass
    suffix = host.removeprefix("*.")
    if not _NAME.fullmatch(suffix) or _LOOKS_NUMERIC.fullmatch(suffix):
        raise _bad_rule(entry)
    return Rule(host.lower().rstrip("."), None, port)


def _bad_rule(entry: str) -> BadRequest:
    return BadRequest(
        f"{SETTING} 中的“{entry[:80]}”有误",
        f"{entry[:80]!r} in {SETTING} is no host",
        field=SETTING,
        value=entry,
        expected="host, *.suffix, an address or a network (10.1.0.0/16), each with :port where wanted",
    )


def _matches(rule: str, host: str) -> bool:
    name = host.lower().rstrip(".")
    if rule.startswith("*."):
        return name.endswith(rule[1:])
    return bool(rule) and name == rule


def _holds(network: Network | None, address: Address) -> bool:
    return network is not None and network.version == address.version and address in network


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address within an IPv6 one (mapped, compatible, 6to4, Teredo, NAT64), else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, long out of use
        return ipaddress.IPv4Address(int(address))
    return address


def _is_public(address: Address) -> bool:
    return address.is_global and not _is_special(address)


def _is_special(address: Address) -> bool:
    """Never somebody's map: this machine, the link, groups of machines, and what is reserved."""
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or (address.is_reserved and isinstance(address, ipaddress.IPv4Address))
        or address in ipaddress.ip_network("0.0.0.0/8" if address.version == 4 else "::/128")
    )


def _wrong(url: str, zh: str, en: str) -> BadRequest:
    return BadRequest(
        zh, en, field="url", value=_without_secrets(url), expected="http://host/path or https://host/path"
    )


def _without_secrets(url: str) -> str:
    """What of an address may be said back: neither its query nor a name and password."""
    return re.sub(r"//[^/@]*@", "//", url.split("?", 1)[0])[:200]


def _refused(host: str, port: int, zh: str, en: str) -> HostRefused:
    return HostRefused(
        f"不能访问 {host[:100]}:{port}：{zh}；需要时请管理员在 {SETTING} 中放行",
        f"{host[:100]}:{port} is not asked: {en}; where it is wanted, the operator allows it in {SETTING}",
        field="url",
        value=f"{host[:100]}:{port}",
        expected=f"a public address, or one allowed by {SETTING}",
    )
