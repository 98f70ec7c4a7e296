"""The catalogue, described and kept fresh."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text

from layers.catalogue import (
    Catalogue,
    get_layer,
    known_layers,
    list_layers,
    register,
    register_known,
    set_access,
)
from layers.db import Database
from layers.errors import BadData, Conflict, NotFound, Unavailable
from layers.model import Field, Text
from layers.notices import EVENT_CHANNEL, LAYER_CHANNEL, Missed, Notice, Notices, notify
from layers.publish import publish, stage, withdraw
from tests.layers.specimens import batch, shop_layer


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def test_the_known_layers_are_registered_once(database: Database) -> None:
    before = await list_layers(database)
    assert [layer.id for layer in before] == [layer.id for layer in known_layers()]
    await register_known(database)
    assert await list_layers(database) == before


async def test_a_new_field_becomes_a_column_and_a_new_title_is_kept(database: Database) -> None:
    layer = await register(database, shop_layer())
    await publish(database, await stage(database, layer, [batch({"code": "a"})]), by="test")
    hostile = Field('a"b; DROP TABLE %s (:x) 名', Text("怪", "odd"), type="datetime")
    wider = shop_layer(fields=(*layer.fields, hostile), title=Text("店", "Store"), search_fields=("name",))
    assert (await register(database, wider)).version == 1
    again = await get_layer(database, "shop")
    assert (again.title.en, again.fields[-1]) == ("Store", hostile)
    await publish(database, await stage(database, again, [batch({"code": "b"})]), by="test")


async def test_a_field_cannot_change_its_type_nor_a_layer_its_geometry(database: Database) -> None:
    layer = await register(database, shop_layer())
    texts = tuple(Field(f.name, f.title) for f in layer.fields)
    with pytest.raises(Conflict) as refused:
        await register(database, shop_layer(fields=texts, time_field=None))
    assert refused.value.facts["field"] == "floors"
    with pytest.raises(Conflict):
        await register(database, shop_layer(geometry_type="MultiPolygon"))
    with pytest.raises(BadData):
        await register(database, shop_layer(id="Robert'); DROP TABLE"))
    with pytest.raises(NotFound):
        await get_layer(database, "nothing")


async def test_two_processes_may_register_at_once(database: Database) -> None:
    layers = [shop_layer(id=f"shop_{n}") for n in range(3)]
    await asyncio.gather(*(register(database, layer) for layer in layers * 2))
    assert {layer.id for layer in layers} <= {layer.id for layer in await list_layers(database)}


async def test_another_process_hears_of_a_version_and_of_a_withdrawal(
    database: Database, database_url: str
) -> None:
    layer = await register(database, shop_layer())
    async with Database(database_url) as other, Catalogue(other) as catalogue:
        assert (await catalogue.layer("shop")).version == 0
        seen = {known.id: known for known in catalogue.layers()}
        await publish(database, await stage(database, layer, [batch({"code": "a"})]), by="test")
        await until(lambda: {k.id: k for k in catalogue.layers()}["shop"].version == 1)
        assert seen["shop"].version == 0
        await withdraw(database, "shop", by="test")
        await until(lambda: {k.id: k for k in catalogue.layers()}["shop"].status == "withdrawn")
        with pytest.raises(NotFound):
            await catalogue.layer("nothing")


async def notify_and_fail(database: Database) -> None:
    async with database.begin() as connection:
        await notify(connection, EVENT_CHANNEL, 1, 1)
        raise RuntimeError


async def test_notices_reach_their_channel_only_and_after_the_commit(database: Database) -> None:
    async with Notices(database) as notices:
        layers, events = notices.subscribe(LAYER_CHANNEL), notices.subscribe(EVENT_CHANNEL)
        with pytest.raises(RuntimeError):
            await notify_and_fail(database)
        async with database.begin() as connection:
            await notify(connection, EVENT_CHANNEL, 7, 2)
            await notify(connection, LAYER_CHANNEL, "shop", 3)
        assert await anext(events) == Notice(EVENT_CHANNEL, "7", 2)
        assert await anext(layers) == Notice(LAYER_CHANNEL, "shop", 3)


async def test_after_a_broken_connection_subscribers_are_told_to_compare(database: Database) -> None:
    async with Notices(database) as notices:
        events = notices.subscribe(EVENT_CHANNEL)
        async with database.begin() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'onemap-listen' AND datname = current_database()"
                )
            )
        async with asyncio.timeout(10):
            assert await anext(events) == Missed(EVENT_CHANNEL)
        async with database.begin() as connection:
            await notify(connection, EVENT_CHANNEL, 1, 1)
        assert await anext(events) == Notice(EVENT_CHANNEL, "1", 1)


async def test_listening_to_a_database_that_is_away_fails_at_once() -> None:
    async with Database("postgresql://nobody@127.0.0.1:1/none") as away:
        with pytest.raises(Unavailable):
            async with Notices(away):
                pass


async def test_a_reader_too_slow_gets_one_missed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layers.notices.MAX_WAITING", 2)
    subscription = Notices(database).subscribe(EVENT_CHANNEL)
    for number in range(3):
        subscription.put(Notice(EVENT_CHANNEL, "1", number))
    assert await anext(subscription) == Missed(EVENT_CHANNEL)


async def test_who_may_see_a_layer_is_the_operators_to_decide_and_outlives_a_new_description(
    database: Database,
) -> None:
    layer = await get_layer(database, "pipe_line")
    assert layer.access == "login"
    await set_access(database, "pipe_line", "public")
    await register(database, replace(layer, title=Text("管线段", "Pipe segments")))
    await register_known(database)
    assert (await get_layer(database, "pipe_line")).access == "public"
