"""Versions as differences: stage, compare, publish, roll back."""

from __future__ import annotations

from sqlalchemy import select

from layers.access import SYSTEM, scope_for
from layers.catalogue import get_layer, register, versions
from layers.db import Database
from layers.model import Layer
from layers.publish import Batch, compare, publish, roll_back, stage
from layers.rows import rows
from tests.layers.specimens import batch, shop_layer

Row = tuple[str, str | None, str | None]


async def put(database: Database, layer: Layer, *batches: Batch, partial: bool = False) -> Layer:
    staged = await stage(database, layer, batches)
    await publish(database, staged, by="test", report={}, partial=partial)
    return await get_layer(database, layer.id)


async def content(database: Database, layer: Layer, version: int | None = None) -> list[Row]:
    scoped = rows(scope_for(SYSTEM, layer, version=version)).subquery()
    async with database.connect() as connection:
        found = await connection.execute(
            select(scoped.c._key, scoped.c.name, scoped.c._geom.ST_AsText()).order_by(scoped.c._key)
        )
        return [tuple(row) for row in found]


async def test_a_second_delivery_becomes_a_version_of_what_it_changes(database: Database) -> None:
    layer = await register(database, shop_layer())
    first = batch({"code": "a", "name": "甲"}, {"code": "b", "name": "乙"}, {"code": "c", "name": "丙"})
    layer = await put(database, layer, first)
    assert (layer.version, layer.feature_count, layer.status) == (1, 3, "published")
    assert layer.bounds == (116.5, 31.74, 116.502, 31.74)
    second = batch({"code": "a", "name": "甲"}, {"code": "b", "name": "乙二"}, {"code": "d", "name": "丁"})
    staged = await stage(database, layer, [second])
    difference = await compare(database, staged)
    assert difference[:4] == (1, 1, 1, 1)
    [version] = await publish(database, staged, by="li", note="九月", report={"read": 3})
    assert (version.number, version.added, version.changed, version.removed) == (2, 1, 1, 1)
    layer = await get_layer(database, layer.id)
    assert [r[:2] for r in await content(database, layer)] == [("a", "甲"), ("b", "乙二"), ("d", "丁")]
    assert [r[:2] for r in await content(database, layer, 1)] == [("a", "甲"), ("b", "乙"), ("c", "丙")]
    assert [v.number for v in await versions(database, layer.id)] == [2, 1]


async def test_the_same_delivery_again_makes_no_version(database: Database) -> None:
    layer = await register(database, shop_layer())
    layer = await put(database, layer, batch({"code": "a"}))
    assert await publish(database, await stage(database, layer, [batch({"code": "a"})]), by="x") == []
    assert (await get_layer(database, layer.id)).version == 1


async def test_rolling_back_brings_back_the_rows_as_a_new_version(database: Database) -> None:
    layer = await register(database, shop_layer())
    layer = await put(database, layer, batch({"code": "a", "name": "甲"}, {"code": "b", "name": "乙"}))
    before = await content(database, layer)
    layer = await put(database, layer, batch({"code": "c", "name": "丙"}, {"code": "b", "name": "乙二"}))
    version = await roll_back(database, layer.id, 1, by="li")
    assert version.number == 3
    assert await content(database, await get_layer(database, layer.id)) == before
