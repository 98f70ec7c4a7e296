"""The service for tests: in the same process over ASGI, or as a real server on a loopback port.

`client` and `service_url` serve an empty database of the test's own; `city_client` and `city_service_url`
the one of `tests/api/city.py`, which all tests share and none changes; `own_city_client` a copy of it to
change. `service` serves a copy of the eight grids of `tests/grid/city.py`, `shared` one that tests
share. (`server_url` is the database server's, in `tests/conftest.py`.)
"""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql
from sqlalchemy import make_url

from api.app import create_app
from api.settings import ApiSettings
from tests.api.city import build_city
from tests.api.grid_service import peopled, service, shared, shared_url
from tests.grid.conftest import grid_city_template

ROOT = Path(__file__).parents[2]

__all__ = ["grid_city_template", "peopled", "service", "shared", "shared_url"]
"""Fixtures of other modules, offered to the tests of this folder."""


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[FastAPI]:
    """The application over an empty database of the test's own, started."""
    app = create_app(ApiSettings(), database_url)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of `app`."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
def service_url(database_url: str) -> Iterator[str]:
    """Address of a real server over an empty database."""
    with served(database_url) as url:
        yield url


class City(NamedTuple):
    """A database with the city in it, and the key of each of its people."""

    url: str
    keys: dict[str, str]

    def headers(self, person: str | None) -> dict[str, str]:
        """Of a request by `person`; None is anonymous."""
        return {} if person is None else {"Authorization": f"Bearer {self.keys[person]}"}


@pytest.fixture(scope="session")
def city_template(server_url: str, template_database: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Name of a database with the city, nobody connected: to clone from."""
    with cloned(server_url, template_database) as (name, url):
        yield name, asyncio.run(build_city(url))


@pytest.fixture(scope="session")
def city(server_url: str, city_template: tuple[str, dict[str, str]]) -> Iterator[City]:
    """The city in a database that all tests read and none changes."""
    name, keys = city_template
    with cloned(server_url, name) as (_, url):
        yield City(url, keys)


@pytest.fixture
async def city_client(city: City) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the service over the city; anonymous until a test gives it a header. For reading."""
    async with serving(city.url) as client:
        yield client


@pytest.fixture
def own_city(server_url: str, city_template: tuple[str, dict[str, str]]) -> Iterator[City]:
    """The city in a database of this test's own, to change."""
    name, keys = city_template
    with cloned(server_url, name) as (_, url):
        yield City(url, keys)


@pytest.fixture
async def own_city_client(own_city: City) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the service over a city of this test's own."""
    async with serving(own_city.url) as client:
        yield client


@pytest.fixture(scope="session")
def city_service_url(city: City) -> Iterator[str]:
    """Address of a real server over the city. For reading."""
    with served(city.url) as url:
        yield url


def client_of(app: FastAPI) -> httpx2.AsyncClient:
    """A client of `app` over ASGI."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://city.test")


@asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application in this process, started."""
    app = create_app(ApiSettings(), database_url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


@contextmanager
def served(database_url: str) -> Iterator[str]:
    """Address of a real server on a free loopback port, in a process of its own."""
    command = [sys.executable, "-m", "tests.api.serve", database_url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port, "the server did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def cloned(server_url: str, template: str) -> Iterator[tuple[str, str]]:
    """Name and address of a new database like `template`."""
    name = f"onemap_test_{secrets.token_hex(6)}"
    conninfo = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield name, make_url(server_url).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(drop.format(sql.Identifier(name)))
