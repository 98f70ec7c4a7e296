"""Alive, ready, counted, described; and what every answer has in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from starlette.types import ASGIApp

from api.app import create_app
from api.settings import ApiSettings
from api.web_page import WebPage


async def test_the_service_is_alive_and_ready(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {
        "status": "ok",
        "database": "ok",
        "layers": 0,
        "layers_unavailable": 0,
    }


async def test_requests_are_counted_by_route_and_status(client: httpx2.AsyncClient) -> None:
    await client.get("/healthz")
    await client.get("/no/such/place")
    figures = (await client.get("/metrics")).text
    assert 'onemap_requests_total{route="/healthz",method="GET",status="200"} 1' in figures
    assert 'onemap_requests_total{route="(none)",method="GET",status="404"} 1' in figures


async def test_every_answer_carries_its_request_id(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz")).headers["x-request-id"]
    kept = await client.get("/none", headers={"X-Request-Id": "from-the-proxy"})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "from-the-proxy"
    odd = await client.get("/healthz", headers={"X-Request-Id": "a b"})
    assert odd.headers["x-request-id"] != "a b"


async def test_head_is_get_without_a_body(client: httpx2.AsyncClient) -> None:
    answer = await client.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len((await client.get("/healthz")).content))


def test_head_is_answered_by_a_real_server_too(city_service_url: str) -> None:
    for address in ("/healthz", "/none", "/tiles/building.json", "/tiles/building/x.mvt"):
        head, whole = (httpx2.request(method, city_service_url + address) for method in ("HEAD", "GET"))
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-length"] == str(len(whole.content)) or whole.is_error


async def test_an_unknown_query_parameter_is_refused_by_name(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/healthz?colour=red")
    assert (answer.status_code, answer.json()["field"]) == (400, "colour")


async def test_a_wrong_method_is_told_the_right_one(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/healthz")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused(database_url: str, chunked: bool) -> None:
    app = create_app(ApiSettings(body_limit_bytes=1000), database_url)

    async def chunks():  # type: ignore[no-untyped-def]
        for _ in range(100):
            yield b"x" * 100

    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://city.test") as client,
    ):
        answer = await client.post(
            "/api/v1/login",
            content=chunks() if chunked else b"x" * 10_000,
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code == 413
    assert answer.json()["limit_bytes"] == 1000


@pytest.fixture
def web_root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("not yours")
    root = tmp_path / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "m").mkdir()
    (root / "index.html").write_text("<!doctype html><title>一张图</title>" + " " * 2000)
    (root / "m" / "index.html").write_text("<!doctype html><title>巡查</title>")
    (root / "assets" / "index-B1aXz_9-.js").write_text("export {}")
    (root / "leak.txt").symlink_to(tmp_path / "secret.txt")
    return root


async def page(root: Path, path: str, **headers: str) -> httpx2.Response:
    app = create_app(ApiSettings(web_root=root), "postgresql:///none")
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://city.test") as client:
        return await client.get(path, headers=headers)


async def test_the_page_is_served_with_a_policy_that_keeps_it_at_home(web_root: Path) -> None:
    answer = await page(web_root, "/")
    assert "一张图" in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "worker-src 'self' blob:" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-encoding"] == "gzip"
    again = await page(web_root, "/", **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_who_takes_brotli_gets_the_form_that_stands_beside_the_file(web_root: Path) -> None:
    (web_root / "index.html.br").write_bytes(b"as brotli")
    app = create_app(ApiSettings(web_root=web_root), "postgresql:///none")
    for taken, encoding in (("gzip, deflate, br", "br"), ("gzip", "gzip"), ("deflate", None)):
        async with asked(app, "/", taken) as answer:
            assert answer.headers.get("content-encoding") == encoding
            assert (b"".join([part async for part in answer.aiter_raw()]) == b"as brotli") is (
                encoding == "br"
            )
    async with asked(app, "/index.html.br", "br") as answer:
        assert answer.status_code == 404


@asynccontextmanager
async def asked(app: ASGIApp, path: str, taken: str) -> AsyncIterator[httpx2.Response]:
    """An answer as it travels."""
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://city.test")
    async with client, client.stream("GET", path, headers={"Accept-Encoding": taken}) as answer:
        yield answer


async def test_a_hashed_asset_may_be_kept_for_ever(web_root: Path) -> None:
    answer = await page(web_root, "/assets/index-B1aXz_9-.js")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")


async def test_each_page_answers_for_its_own_views(web_root: Path) -> None:
    assert "巡查" in (await page(web_root, "/m/")).text
    assert "巡查" in (await page(web_root, "/m")).text
    assert "巡查" in (await page(web_root, "/m/tasks/7")).text
    assert "一张图" in (await page(web_root, "/screen/")).text


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/assets/..%2f..%2fsecret.txt",
            "/assets/%5c..%5csecret.txt",
        ),
        *("/leak.txt", "/%00", "/assets", "/m/x.js", "/api/v1/none", "/ogc/none", "/tiles/none"),
    ],
)
async def test_nothing_outside_the_page_is_served(web_root: Path, path: str) -> None:
    answer = await page(web_root, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_page_that_was_not_built_is_no_error(tmp_path: Path) -> None:
    assert "0 files" in repr(WebPage(tmp_path / "none"))
    assert "0 files" in repr(WebPage(None))
