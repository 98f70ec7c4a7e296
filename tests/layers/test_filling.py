"""Codes filled from place, keys and hashes made in the stage."""

from __future__ import annotations

import shapely
from sqlalchemy import select

from layers.access import SYSTEM, scope_for
from layers.catalogue import get_layer, register
from layers.db import Database
from layers.model import Field, Layer, Text
from layers.publish import publish, stage
from layers.rows import rows
from tests.layers.specimens import batch, shop_layer

CODES = ("grid_code", "community_code", "street_code", "district_code")


def area_layer(layer_id: str) -> Layer:
    fields = ("code", "name", "street_code", "district_code")
    return shop_layer(
        id=layer_id,
        geometry_type="MultiPolygon",
        fields=tuple(Field(n, Text(n, n)) for n in fields),
        time_field=None,
    )


def placed_layer() -> Layer:
    return shop_layer(fields=tuple(Field(n, Text(n, n)) for n in ("code", "name", *CODES)), time_field=None)


def square(west: float, east: float) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([shapely.box(west, 31, east, 32)])


async def put(database: Database, layer: Layer, *given: object) -> Layer:
    registered = await register(database, layer)
    await publish(database, await stage(database, registered, given), by="test")  # type: ignore[arg-type]
    return await get_layer(database, layer.id)


async def codes_of(database: Database, layer: Layer) -> dict[str, tuple[object, ...]]:
    scoped = rows(scope_for(SYSTEM, layer)).subquery()
    names = [n for n in CODES if n in layer.field_names]
    async with database.connect() as connection:
        found = await connection.execute(select(scoped.c._key, *(scoped.c[n] for n in names)))
        return {row[0]: tuple(row[1:]) for row in found}


async def test_codes_come_from_the_row_then_from_finer_codes_then_from_place(database: Database) -> None:
    grids = batch(
        {"code": "341502001002003"}, {"code": "341502001002004"}, places=[square(116, 117), square(117, 118)]
    )
    await put(database, area_layer("unit_grid"), grids)
    await put(
        database, area_layer("district"), batch({"code": "341503", "name": "远"}, places=[square(118, 119)])
    )
    points = batch(
        {"code": "inside"},
        {"code": "edge"},
        {"code": "said", "street_code": "341502009"},
        {"code": "far"},
        {"code": "nowhere"},
        places=[shapely.Point(x, 31.5) for x in (116.5, 117, 117.5, 118.5, 100)],
    )
    layer = await put(database, placed_layer(), points)
    first = ("341502001002003", "341502001002", "341502001", "341502")
    assert await codes_of(database, layer) == {
        "inside": first,
        "edge": first,
        "said": ("341502001002004", "341502001002", "341502009", "341502"),
        "far": (None, None, None, "341503"),
        "nowhere": (None, None, None, None),
    }


async def test_a_base_layer_takes_its_coarser_codes_from_its_own_key(database: Database) -> None:
    layer = await put(
        database,
        area_layer("community"),
        batch({"code": "341502001002"}, {"code": "odd"}, places=[square(116, 117)] * 2),
    )
    assert await codes_of(database, layer) == {"341502001002": ("341502001", "341502"), "odd": (None, None)}


async def test_rows_without_a_key_field_keep_their_identity_by_content(database: Database) -> None:
    layer = shop_layer(key=None)
    given = batch({"name": "甲"}, {"name": "甲"}, {"name": "乙"}, places=[shapely.Point(116, 31)] * 3)
    layer = await put(database, layer, given)
    assert layer.feature_count == 3
    fewer = batch({"name": "乙"}, {"name": "甲"}, places=[shapely.Point(116, 31)] * 2)
    [version] = await publish(database, await stage(database, layer, [fewer]), by="test")
    assert (version.added, version.changed, version.removed) == (0, 0, 1)


async def test_a_field_added_to_the_description_changes_no_row(database: Database) -> None:
    layer = await put(database, shop_layer(), batch({"code": "a", "name": "甲"}))
    wider = shop_layer(fields=(Field("早", Text("早", "early")), *layer.fields))
    assert (await register(database, wider)).version == 1
    staged = await stage(database, await get_layer(database, "shop"), [batch({"code": "a", "name": "甲"})])
    assert await publish(database, staged, by="test") == []


async def test_text_cannot_imitate_another_field(database: Database) -> None:
    layer = shop_layer(key=None)
    rows_ = [{"kind": "1", "name": "x"}, {"kind": "1\x1fname=1:x"}, {"name": "x\x1fkind=1:1"}]
    layer = await put(database, layer, batch(*rows_, places=[shapely.Point(116, 31)] * 3))
    scoped = rows(scope_for(SYSTEM, layer)).subquery()
    async with database.connect() as connection:
        keys = [row[0] for row in await connection.execute(select(scoped.c._key))]
    assert all(key.endswith("-1") for key in keys)
