"""A real PostGIS for every test: a template migrated once per run, cloned per test.

`ONEMAP_TEST_DATABASE_URL` names a server whose user may create databases; without it the run starts
a private cluster of its own in a temporary folder and removes it at the end.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from layers.catalogue import register_known
from layers.db import Database
from layers.migrations import upgrade


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """Address of a server on which databases may be made."""
    given = os.environ.get("ONEMAP_TEST_DATABASE_URL")
    if given:
        yield given
        return
    from onemap.cluster import throwaway_cluster

    with throwaway_cluster(f"test-{worker_id}") as url:
        yield url


@pytest.fixture(scope="session")
def template_database(server_url: str) -> Iterator[str]:
    """Name of a migrated database with the known layers, nobody connected: to clone from."""
    name = f"onemap_template_{secrets.token_hex(6)}"
    _execute(server_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        asyncio.run(_prepare(_at(server_url, name)))
        yield name
    finally:
        _execute(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """Address of a database of this test's own, cloned from the template."""
    with cloned(server_url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(server_url: str, template_database: str) -> Iterator[str]:
    """Address of a database that the tests of one module share; for tests that only read."""
    with cloned(server_url, template_database) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open `Database` on this test's own database."""
    async with Database(database_url) as database:
        yield database


@contextmanager
def cloned(server_url: str, template: str) -> Iterator[str]:
    """Address of a clone of the database `template`, dropped at the end."""
    name = f"onemap_test_{secrets.token_hex(6)}"
    _execute(
        server_url,
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(template)
        ),
    )
    try:
        yield _at(server_url, name)
    finally:
        _execute(server_url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


async def _prepare(url: str) -> None:
    await upgrade(url)
    async with Database(url) as database:
        await register_known(database)


def _at(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _execute(url: str, statement: sql.Composed) -> None:
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement)
