"""Tables that are followed: whoever writes, to whatever part of them, the layer's version counts up."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from layers.catalogue import get_layer, lock_layer
from layers.db import Database
from layers.errors import BadRequest
from layers.follow import Follower
from layers.notices import Notices
from layers.registered import check_registered, refresh, unregister
from tests.layers.registered_tables import TABLES, ask_sql, registered, run_sql

PARTS = """
    CREATE TABLE gis.parts (id integer, opened date, geom geometry(Point, 4490)) PARTITION BY RANGE (opened);
    CREATE INDEX ON gis.parts USING gist (geom);
    CREATE TABLE gis.old PARTITION OF gis.parts FOR VALUES FROM ('2020-01-01') TO ('2020-03-01');
    INSERT INTO gis.parts SELECT id, opened, geom FROM gis.shop WHERE opened < '2020-03-01'
"""
NEW_PART = "CREATE TABLE gis.new PARTITION OF gis.parts FOR VALUES FROM ('2020-03-01') TO ('2021-01-01')"


@pytest.fixture
def tables(database_url: str) -> str:
    run_sql(database_url, TABLES, PARTS)
    return database_url


async def counted(database: Database, layer_id: str, version: int) -> None:
    async with asyncio.timeout(10):
        while (await get_layer(database, layer_id)).version < version:
            await asyncio.sleep(0.02)


async def test_each_change_counts_once_however_many_listen(database: Database, tables: str) -> None:
    await registered(database, "shop", follow=True)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            notices = await stack.enter_async_context(Notices(database))
            await stack.enter_async_context(Follower(database, notices))
        begun = (await get_layer(database, "shop")).version
        for number, change in enumerate(
            (
                "UPDATE gis.shop SET name = 'x' WHERE id < 50",
                "INSERT INTO gis.shop (id, geom) SELECT id + 200, geom FROM gis.shop",
                "DELETE FROM gis.shop WHERE id > 100",
                "TRUNCATE gis.shop",
            ),
            start=1,
        ):
            run_sql(tables, change)
            await counted(database, "shop", begun + number)
            assert (await get_layer(database, "shop")).version == begun + number


async def test_changes_one_after_another_count_together(database: Database, tables: str) -> None:
    await registered(database, "shop", follow=True)
    async with Notices(database) as notices, Follower(database, notices):
        begun = (await get_layer(database, "shop")).version
        for n in range(40):
            await asyncio.to_thread(run_sql, tables, f"UPDATE gis.shop SET name = '{n}' WHERE id = 1")
        await counted(database, "shop", begun + 1)
        async with asyncio.timeout(10):
            while (last := (await get_layer(database, "shop")).version) < begun + 2:
                await asyncio.sleep(0.02)
        assert last - begun < 20


async def test_what_changed_while_nobody_listened_counts_at_the_start(
    database: Database, tables: str
) -> None:
    await registered(database, "shop", follow=True)
    run_sql(tables, "DELETE FROM gis.shop WHERE id > 3")
    async with Notices(database) as notices, Follower(database, notices):
        assert (await get_layer(database, "shop")).version == 2


async def test_partitions_are_followed_also_those_made_later(database: Database, tables: str) -> None:
    await registered(database, "parts", key="id", follow=True)
    assert ask_sql(tables, "SELECT count(*) FROM pg_trigger WHERE tgname = 'onemap_tell_parts'") == 2
    async with Notices(database) as notices, Follower(database, notices):
        begun = (await get_layer(database, "parts")).version
        run_sql(tables, "DELETE FROM gis.old WHERE id = 1")
        await counted(database, "parts", begun + 1)
        run_sql(tables, NEW_PART)
        (warning,) = [f for f in await check_registered(database, "parts") if "trigger" in f.sentence.en]
        assert "gis.new" in warning.sentence.en
        refreshed = (await refresh(database, "parts")).layer.version
        run_sql(
            tables, "INSERT INTO gis.new SELECT id, opened, geom FROM gis.shop WHERE opened >= '2020-03-01'"
        )
        await counted(database, "parts", refreshed + 1)
    await unregister(database, "parts", by="test")
    assert ask_sql(tables, "SELECT count(*) FROM pg_trigger WHERE tgname = 'onemap_tell_parts'") == 0


async def test_a_view_cannot_be_followed(database: Database, tables: str) -> None:
    run_sql(tables, "CREATE VIEW gis.seen AS SELECT * FROM gis.shop")
    with pytest.raises(BadRequest, match=r"is a view: no trigger can tell.*onemap layers refresh seen"):
        await registered(database, "seen", key="id", follow=True)


async def test_writers_do_not_wait_for_the_map(database: Database, tables: str) -> None:
    """A change goes through while the layer's record is locked by somebody else."""
    await registered(database, "shop", follow=True)
    async with database.begin() as connection:
        await lock_layer(connection, "shop")
        await asyncio.to_thread(
            run_sql, tables, "SET statement_timeout = '5s'; UPDATE gis.shop SET name = 'x'"
        )
    assert ask_sql(tables, "SELECT count(*) FROM gis.shop WHERE name = 'x'") == 100
