"""Whatever is sent to whichever route, the answer is a result or a problem document, never a 500.

The routes and their parameters are read from the API definition, so a new route is tried without asking.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote
from zlib import crc32

import httpx2
import pytest

from tests.api.conftest import City

WORST = ["", "NaN", "1e999", "-1", "9" * 25, "\x00", "' OR 1=1 --", "../../etc/passwd", "💥"]
"""Tried on every parameter."""
BAD = [
    *(" ", "abc", "Infinity", "-Infinity", "0", "1.5", "true", "null", "[]", "{}", "9" * 5000, "0x10"),
    *("1_000", "١٢", '"; DROP TABLE onemap.layer; --', "%s", "%(id)s", ":id", "{0}", "a\x00b"),
    *("\r\nX-Evil: 1", "\ufeff", "\ufffe", "甲" * 300, "a,b,,c", ",", "\\", "..", "116.5,31.7", "/", "//"),
    "building\n",
]
"""A third of these is tried on each parameter, another third on the next."""
RAW = ["%", "%zz", "%ff%fe", "%ED%A0%80", "%C0%AF", "a=b&a=c", "&&&", "=", "+"]
"""Query strings and path parts that no well-behaved client writes."""

BAD_JSON: list[Any] = [
    *(None, "", "x", "\x00", "\ud800", -1, 0, 1.5, 1e308, 10**30, True, [], {}, [[]], [None], {"type": 7}),
    *(
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": "x"},
        "9" * 5000,
        {"\x00": "\ud800"},
        float("nan"),
    ),
    {"type": "Polygon", "coordinates": [[[0, 0], [1e999, 1], [1, 0], [0, 0]]]},
    {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 0]]] * 3},
    {"type": "Polygon", "coordinates": [[[0, 0]] * 20_000]},
    [[0, 0]] * 10,
]
BAD_BODIES: list[bytes] = [
    *(b"", b"{", b"null", b"[]", b'"x"', b"1", b"NaN", b"\xff\xfe", b"\x00", b"<xml/>", b"a=1&b=2", b"{}{}"),
    *(b"[" * 100_000, b'{"a":' * 50_000, b'{"lon":' + b"9" * 10_000 + b"}", b'{"a":1,"a":2}'),
    b"\xef\xbb\xbf{}",
]
FORM_PARTS: list[bytes] = [
    *(b"", b"nonsense", b"Content-Disposition: form-data\r\n\r\nx", b"\xff\xfe\x00"),
    b'Content-Disposition: form-data; name="lon"\r\n\r\n\xff\xfe',
    b'Content-Disposition: form-data; name="photos"; filename="a.png"\r\n\r\nno picture',
    b'Content-Disposition: form-data; name="photos"; filename="../../a\x00.png"\r\n\r\n',
    b'Content-Disposition: form-data; name="\r\nlat"\r\n\r\n1',
]
CONTENT_TYPES = ["application/json", "text/plain", "application/xml", "multipart/form-data", "", "x/\xff"]

GOOD: dict[str, str] = {
    **{"layer_id": "building", "layers": "building", "theme": "all", "key": "B1", "lon": "116.49"},
    **{"lat": "31.74", "q": "甲", "event_id": "1", "number": "1", "code": "1", "indicator": "pm2_5"},
    **{"layer": "building", "z": "14", "x": "13493", "y": "6682", "tileMatrixSetId": "WebMercatorQuad"},
    **{"tileMatrix": "14", "tileRow": "6682", "tileCol": "13493", "format": "png"},
    **dict.fromkeys(("upload_id", "import_id"), "00000000-0000-4000-8000-000000000000"),
    **{"fontstack": "Sans Regular", "letters": "0-255"},
    **{"name": "town.pmtiles", "kind": "added", "from": "1", "to": "1"},
    **{"system": "gcj02"},
    **{"since": "0", "start": "2026-01-01", "end": "2026-01-02", "step": "hour"},
}
"""A value for each parameter, so that one bad one is tried among good ones."""

ENDLESS = {"/api/v1/events/stream", "/api/v1/changes"}


async def operations(client: httpx2.AsyncClient) -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """(path, method, operation, whole definition) of every route."""
    whole = (await client.get("/ogc/api")).json()
    return [
        (path, method, operation, whole)
        for path, methods in whole["paths"].items()
        for method, operation in methods.items()
        if path not in ENDLESS
    ]


def addresses(path: str, operation: dict[str, Any]) -> Iterator[str]:
    """The address with one bad value at a time: in its path, in its query, in the whole query."""
    parameters = operation.get("parameters", [])
    turn = crc32(path.encode())
    in_path = [p["name"] for p in parameters if p["in"] == "path"]
    in_query = [p["name"] for p in parameters if p["in"] == "query"]
    needed = {
        p["name"]: GOOD[p["name"]]
        for p in parameters
        if p["in"] == "query" and (p.get("required") or p["name"] == "layers")
    }
    good = {name: GOOD[name] for name in in_path}
    plain = path.format_map(good)
    for number, name in enumerate(in_path):
        for bad in (*(quote(text, safe="") for text in _bad(turn + number)), *RAW):
            yield path.format_map({**good, name: bad}) + _query(needed)
    for number, name in enumerate((*in_query, "nobody_declared_this")):
        for bad in _bad(turn + number):
            yield plain + _query({**needed, name: bad})
    for raw in RAW:
        yield f"{plain}?{raw}"


def _bad(turn: int) -> list[str]:
    return WORST + BAD[turn % 3 :: 3]


def _query(values: dict[str, str]) -> str:
    return (
        "?" + "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in values.items())
        if values
        else ""
    )


def bodies(operation: dict[str, Any], whole: dict[str, Any]) -> Iterator[tuple[bytes, str]]:
    """Bodies that are wrong as a whole, or in one member, with their content type."""
    for body in BAD_BODIES:
        yield body, "application/json"
    for content_type in CONTENT_TYPES:
        yield b"{}", content_type
    for part in FORM_PARTS:
        yield b"--edge\r\n" + part + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"
    members = _members(operation, whole)
    for name in members:
        for bad in BAD_JSON:
            yield json.dumps({**members, name: bad}).encode(), "application/json"
    yield json.dumps({**members, "nobody_declared_this": 1}).encode(), "application/json"


def _members(operation: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """A good value for each member of the JSON body, as its schema gives it."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return {name: _good(name, told) for name, told in schema.get("properties", {}).items()}


def _good(name: str, told: dict[str, Any]) -> Any:
    ring = [[116.4, 31.7], [116.6, 31.7], [116.6, 31.8], [116.4, 31.7]]
    by_name = {"geometry": {"type": "Polygon", "coordinates": [ring]}, "crs": "cgcs2000", "action": "file"}
    by_name |= {"lon": 116.49, "lat": 31.74, "class_code": "06010", "points": [[116.49, 31.74]]}
    by_type = {"integer": 1, "number": 1.0, "string": "x", "array": [], "object": {}, "boolean": True}
    return told.get("default", by_name.get(name, by_type.get(told.get("type", ""))))


def check(answer: httpx2.Response, sent: object) -> None:
    assert answer.status_code < 500, (sent, answer.text[:500])
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", sent
        told = answer.json()
        assert told["status"] == answer.status_code
        assert told["detail"]
        for secret in ("psycopg", "sqlalchemy", "Traceback", "SELECT ", "onemap_rows"):
            assert secret not in answer.text, sent


@pytest.mark.parametrize(("person", "every"), [("admin", 1), (None, 7)])
async def test_no_address_breaks_the_service(
    own_city_client: httpx2.AsyncClient, own_city: City, person: str | None, every: int
) -> None:
    headers = own_city.headers(person)
    for path, method, operation, _ in await operations(own_city_client):
        for address in islice(addresses(path, operation), 0, None, every):
            body = {"content": b"{}"} if method != "get" else {}
            answer = await own_city_client.request(method, address, headers=headers, **body)  # type: ignore[arg-type]
            check(answer, (method, address[:300]))


@pytest.mark.parametrize("person", [None, "admin"], ids=str)
async def test_no_body_breaks_the_service(
    own_city_client: httpx2.AsyncClient, own_city: City, person: str | None
) -> None:
    for path, method, operation, whole in await operations(own_city_client):
        if method == "get":
            continue
        for body, content_type in bodies(operation, whole):
            headers = {
                **own_city.headers(person),
                "Content-Type": content_type,
                "Idempotency-Key": "0123456789abcdef",
            }
            encoded = {name: value.encode("latin-1") for name, value in headers.items()}
            address = path.format_map(GOOD)
            answer = await own_city_client.request(method, address, headers=encoded, content=body)
            check(answer, (method, path, body[:300], content_type))


@pytest.mark.parametrize(
    "header",
    [
        "Accept-Language",
        "Accept",
        "If-None-Match",
        "Cookie",
        "Authorization",
        "X-Request-Id",
        "Origin",
        "Range",
    ],
)
async def test_no_header_breaks_the_service(city_client: httpx2.AsyncClient, header: str) -> None:
    for value in (b"", b"\xff\xfe", b"a" * 10_000, b";;;===,,,", b'"', b"*", b"q=1;q=2;q=zz", b"bytes=0-"):
        for address in ("/api/v1/layers", "/ogc/collections/building/items", "/styles/all.json", "/"):
            answer = await city_client.get(address, headers={header: value})
            check(answer, (header, value[:50], address))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST", "OPTIONS", "TRACE", "BREW"])
async def test_an_odd_method_is_answered_with_a_problem(city_client: httpx2.AsyncClient, method: str) -> None:
    for address in ("/healthz", "/api/v1/layers", "/ogc/collections/building/items", "/nowhere", "/"):
        answer = await city_client.request(method, address)
        assert answer.status_code in (404, 405)
        check(answer, (method, address))
