"""The history of the schema, held equal to the tables in `layers.schema`."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from layers.db import Database
from layers.errors import Unfit
from layers.migrations import upgrade
from layers.schema import SCHEMA, metadata


def _differences(connection: Connection) -> list[Any]:
    def ours(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name == SCHEMA
        return not (kind == "table" and name == "alembic_version")

    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": ours,
            "compare_server_default": True,
            "version_table_schema": SCHEMA,
        },
    )
    return list(compare_metadata(context, metadata))


def _constraints(connection: Connection, schema: str) -> set[tuple[str, str]]:
    found = connection.execute(
        text(
            "SELECT conname, pg_get_constraintdef(c.oid) FROM pg_constraint c "
            "JOIN pg_namespace n ON n.oid = c.connamespace WHERE nspname = :schema AND contype IN ('c', 'u')"
        ),
        {"schema": schema},
    )
    return {(row[0], row[1]) for row in found}


async def test_the_migrations_lead_to_the_tables_of_the_schema(database: Database) -> None:
    async with database.begin() as connection:
        assert await connection.run_sync(_differences) == []


async def test_the_migrations_make_the_constraints_of_the_schema(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("CREATE SCHEMA described"))
        await connection.execution_options(schema_translate_map={SCHEMA: "described"})
        await connection.run_sync(metadata.create_all)
        migrated = await connection.run_sync(_constraints, SCHEMA)
        assert migrated == await connection.run_sync(_constraints, "described")
        assert migrated


async def test_two_processes_may_start_at_once(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for schema in ("onemap", "onemap_rows", "onemap_stage"):
            connection.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]
    await asyncio.gather(*(upgrade(database_url) for _ in range(3)))
    with psycopg.connect(database_url) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM onemap.layer")
    assert count == 0


async def test_a_server_without_postgis_is_named(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layers.migrations.EXTENSIONS", ("postgis", "no_such_extension"))
    with pytest.raises(Unfit, match="no_such_extension") as refused:
        await upgrade(database_url)
    assert refused.value.facts["extension"] == "no_such_extension"
    monkeypatch.setattr("layers.migrations.MIN_POSTGIS", (99, 0))
    monkeypatch.setattr("layers.migrations.EXTENSIONS", ("postgis",))
    with pytest.raises(Unfit, match="too old"):
        await upgrade(database_url)
