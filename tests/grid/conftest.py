"""A small city in a database, made once and cloned for each test."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from psycopg import sql

from layers.db import Database
from tests.conftest import _at, _execute
from tests.grid.city import put_city


@contextmanager
def cloned(server_url: str, template: str) -> Iterator[tuple[str, str]]:
    """Name and address of a copy of a database nobody is connected to; dropped at the end."""
    name = f"onemap_grid_{secrets.token_hex(6)}"
    _execute(
        server_url,
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(template)
        ),
    )
    try:
        yield name, _at(server_url, name)
    finally:
        _execute(server_url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def grid_city_template(server_url: str, template_database: str) -> Iterator[str]:
    """Name of a database that holds the small city: to clone from."""
    with cloned(server_url, template_database) as (name, url):
        asyncio.run(_fill(url))
        yield name


@pytest.fixture
async def city(server_url: str, grid_city_template: str) -> AsyncIterator[Database]:
    """An open `Database` on this test's own small city."""
    with cloned(server_url, grid_city_template) as (_, url):
        async with Database(url) as database:
            yield database


async def _fill(url: str) -> None:
    async with Database(url) as database:
        await put_city(database)
