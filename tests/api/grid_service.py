"""The service over the eight grids of `tests/grid/city.py`, with a key for each of its people."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.context import Context
from api.settings import ApiSettings
from layers.access import Role
from layers.accounts import create_account, make_key
from layers.db import Database
from tests.grid.city import middle
from tests.grid.conftest import cloned

PEOPLE: dict[str, tuple[tuple[Role, ...], str | None, tuple[str, ...]]] = {
    "li": (("inspector",), None, ()),
    "wang": (("dispatcher",), None, ()),
    "sun": (("viewer",), "HW01", ()),
    "west": (("inspector",), None, ("341502",)),
    "east": (("inspector", "dispatcher"), None, ("341503",)),
    "root": (("admin",), None, ()),
}
"""Name: roles, department, districts."""


@dataclass
class Service:
    """A client of the application, and the application."""

    client: httpx2.AsyncClient
    app: FastAPI
    keys: dict[str, str]

    @property
    def context(self) -> Context:
        context = self.app.state.context
        assert isinstance(context, Context)
        return context

    @property
    def database(self) -> Database:
        return self.context.database

    async def get(self, path: str, who: str | None = None, **query: object) -> httpx2.Response:
        return await self.client.get(path, params=query, headers=self.headers(who))

    async def post(self, path: str, who: str | None = None, **request: object) -> httpx2.Response:
        more: dict[str, str] = request.pop("headers", {})  # type: ignore[assignment]
        return await self.client.post(path, headers={**self.headers(who), **more}, **request)  # type: ignore[arg-type]

    async def report(
        self, who: str | None = "li", key: str | None = None, **changes: object
    ) -> httpx2.Response:
        """Reports rubbish in the middle of the first grid, but for `changes`; `key` None: a new one."""
        lon, lat = middle(0, 0)
        body = {"class_code": "06010", "lon": lon, "lat": lat, **changes}
        return await self.post(
            "/api/v1/events", who, json=body, headers={"Idempotency-Key": key or secrets.token_hex(8)}
        )

    def headers(self, who: str | None) -> dict[str, str]:
        return {} if who is None else {"Authorization": f"Bearer {self.keys[who]}"}


@pytest.fixture(scope="session")
def peopled(server_url: str, grid_city_template: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Name of a database with the eight grids and the people, and the key of each: to clone from."""
    with cloned(server_url, grid_city_template) as (name, url):
        yield name, asyncio.run(_make_people(url))


@pytest.fixture
async def service(server_url: str, peopled: tuple[str, dict[str, str]]) -> AsyncIterator[Service]:
    """The service over a copy of the eight grids of this test's own."""
    name, keys = peopled
    with cloned(server_url, name) as (_, url):
        async with _serving(url, keys) as service:
            yield service


@pytest.fixture(scope="session")
def shared_url(server_url: str, peopled: tuple[str, dict[str, str]]) -> Iterator[str]:
    """Address of a copy of the eight grids for all tests that do not mind what others reported."""
    with cloned(server_url, peopled[0]) as (_, url):
        yield url


@pytest.fixture
async def shared(shared_url: str, peopled: tuple[str, dict[str, str]]) -> AsyncIterator[Service]:
    """The service over eight grids that other tests share; reports get keys of their own."""
    async with _serving(shared_url, peopled[1]) as service:
        yield service


@asynccontextmanager
async def _serving(url: str, keys: dict[str, str]) -> AsyncIterator[Service]:
    app = create_app(ApiSettings(), url)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://city.test") as client,
    ):
        yield Service(client, app, keys)


async def _make_people(url: str) -> dict[str, str]:
    keys = {}
    async with Database(url) as database:
        for name, (roles, department, districts) in PEOPLE.items():
            await create_account(database, name, roles=roles, department=department, districts=districts)
            keys[name] = await make_key(database, name, "test", 1)
    return keys
