"""What no route can break: errors nobody expected, a database that goes away, pages of other sites."""

from __future__ import annotations

import inspect
import logging

import httpx2
import psycopg
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import make_url
from starlette.types import Receive, Scope, Send

from api.app import ROUTERS, create_app
from api.doorway import Doorway
from api.settings import ApiSettings
from tests.api.conftest import City, client_of

OTHER_SITE = "https://other.test"


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("password=hunter2")


async def test_an_error_nobody_expected_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    counted = []
    doorway = Doorway(broken, observe=lambda *figures: counted.append(figures))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(doorway), base_url="http://city.test"
    ) as client:
        with caplog.at_level(logging.ERROR):
            answer = await client.get("/x", headers={"X-Request-Id": "look-for-me"})
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert answer.json()["request_id"] == "look-for-me"
    [record] = caplog.records
    assert record.__dict__["request_id"] == "look-for-me"
    assert "hunter2" in caplog.text
    assert [(route, method, status) for route, method, status, _ in counted] == [("(none)", "GET", 500)]


async def test_a_database_that_went_away_is_a_503_that_says_when_to_come_back(
    own_city: City, server_url: str
) -> None:
    app = create_app(ApiSettings(), own_city.url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        assert (await client.get("/readyz")).status_code == 200
        name = make_url(own_city.url).database
        conninfo = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "unavailable")
        items = await client.get("/ogc/collections/building/items")
        assert items.status_code == 503
        assert int(items.headers["retry-after"]) > 0
        assert (await client.get("/healthz")).status_code == 200


async def test_a_page_of_a_site_we_name_may_read_answers_and_errors(city: City) -> None:
    app = create_app(ApiSettings(cors_origins=(OTHER_SITE,)), city.url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        for address in ("/api/v1/layers", "/api/v1/layers/nowhere", "/tiles/building/14/0/0.mvt"):
            answer = await client.get(address, headers={"Origin": OTHER_SITE})
            assert answer.headers["access-control-allow-origin"] == OTHER_SITE, address
            assert "access-control-allow-credentials" not in answer.headers
        stranger = await client.get("/api/v1/layers", headers={"Origin": "https://evil.test"})
        assert "access-control-allow-origin" not in stranger.headers
        asked = await client.options(
            "/api/v1/events",
            headers={
                "Origin": OTHER_SITE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,idempotency-key",
            },
        )
        assert asked.status_code == 200


async def test_no_other_site_is_let_in_by_itself(city_client: httpx2.AsyncClient) -> None:
    answer = await city_client.get("/api/v1/layers", headers={"Origin": OTHER_SITE})
    assert "access-control-allow-origin" not in answer.headers


async def test_every_answer_keeps_to_its_declared_type(city_client: httpx2.AsyncClient) -> None:
    for address in ("/api/v1/layers", "/nowhere", "/metrics"):
        answer = await city_client.get(address)
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


async def test_links_begin_with_the_public_address(city: City) -> None:
    app = create_app(ApiSettings(public_url="https://map.city.test/one"), city.url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        told = (await client.get("/ogc/collections/building/items?limit=1")).json()
        assert all(link["href"].startswith("https://map.city.test/one/ogc/") for link in told["links"])
        style = (await client.get("/styles/base.json")).json()
        assert style["sources"]["base"]["url"].startswith("https://map.city.test/one/tiles/")


def test_nothing_on_the_way_of_a_request_is_handed_to_a_thread() -> None:
    """FastAPI runs plain functions in threads: slow for so little work, and two might then make one thing."""
    waiting = [
        route.dependant for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)
    ]
    assert len(waiting) > 30
    while waiting:
        dependant = waiting.pop()
        assert inspect.iscoroutinefunction(dependant.call), dependant.call
        waiting += dependant.dependencies
