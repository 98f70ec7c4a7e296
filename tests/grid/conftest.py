"""A small city in a database, made once and cloned for each test."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from psycopg import sql

from layers.db import Database
from tests.conftest import _at, _execute
from tests.grid.city import put_city


@pytest.fixture(scope="session")
def city_template(server_url: str, template_database: str) -> Iterator[str]:
    """Name of a database that holds the small city, nobody connected."""
    name = f"onemap_city_{secrets.token_hex(6)}"
    _execute(server_url, _copy(name, template_database))
    try:
        asyncio.run(_fill(_at(server_url, name)))
        yield name
    finally:
        _execute(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def city_url(server_url: str, city_template: str) -> Iterator[str]:
    """Address of this test's own copy of the small city."""
    name = f"onemap_test_{secrets.token_hex(6)}"
    _execute(server_url, _copy(name, city_template))
    try:
        yield _at(server_url, name)
    finally:
        _execute(server_url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def city(city_url: str) -> AsyncIterator[Database]:
    """An open `Database` on this test's own small city."""
    async with Database(city_url) as database:
        yield database


async def _fill(url: str) -> None:
    async with Database(url) as database:
        await put_city(database)


def _copy(name: str, template: str) -> sql.Composed:
    return sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
        sql.Identifier(name), sql.Identifier(template)
    )
