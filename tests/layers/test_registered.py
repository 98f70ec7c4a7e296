"""A registered table is asked as any layer is, by its own indexes; and it may go away at any moment."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import shapely
from sqlalchemy import Select, func, select

from layers.access import ANONYMOUS, SYSTEM, Scope, Viewer, scope_for
from layers.db import Database
from layers.errors import BadRequest, Conflict, NotFound, RelationChanged
from layers.filters import box_condition
from layers.model import BoundingBox, Layer
from layers.moments import AsOf, Moments
from layers.query import (
    Feature,
    FeatureQuery,
    count,
    feature,
    features,
    identify,
    nearest,
    search,
    statistics,
    within,
)
from layers.registered import refresh
from layers.relation_state import answered_by_those_who_can, find_faults
from layers.rows import has_key, nearest_first, order_of, rows
from layers.table_geometry import explained
from tests.layers.registered_tables import SOUTH, TABLES, WEST, in_system, registered, run_sql
from tests.layers.specimens import batch, shop_layer
from tests.tiles.town import put

SYSTEMS = {"shop": 4490, "wgs84": 4326, "mercator": 3857, "zone39": 4527, "zone50": 32650}
A_BOX = BoundingBox(WEST + 0.0015, SOUTH + 0.0015, WEST + 0.0045, SOUTH + 0.0035)
IN_THE_BOX = ["22", "23", "24", "32", "33", "34"]


@pytest.fixture
def tables(database_url: str) -> str:
    others = [in_system(name, srid) for name, srid in SYSTEMS.items() if name != "shop"]
    run_sql(database_url, TABLES, *others)
    return database_url


def open_to(layer: Layer, viewer: Viewer = ANONYMOUS) -> Scope:
    return scope_for(viewer, layer)


def keys(found: list[Feature]) -> list[str]:
    return [one.key for one in found]


@pytest.mark.parametrize("table", SYSTEMS)
async def test_every_question_is_answered_in_every_system(
    database: Database, tables: str, table: str
) -> None:
    scope = open_to(await registered(database, table, search_fields=("name",)))
    page = await features(database, scope, FeatureQuery(bbox=A_BOX, limit=4, with_count=True))
    assert (keys(page.features), page.matched) == (IN_THE_BOX[:4], 6)
    rest = await features(database, scope, FeatureQuery(bbox=A_BOX, after=page.next))
    assert keys(rest.features) == IN_THE_BOX[4:]
    one = await feature(database, scope, "23")
    place = shapely.from_geojson(one.geometry or "")
    assert (place.x, place.y) == pytest.approx((WEST + 0.003, SOUTH + 0.002), abs=1e-8)
    assert keys(await nearest(database, scope, WEST + 0.0031, SOUTH + 0.002, 3)) == ["23", "24", "22"]
    (here,) = await identify(database, [scope], WEST + 0.003, SOUTH + 0.002, 5)
    assert keys(here.features) == ["23"]
    inside = await within(database, scope, shapely.box(*A_BOX), count_by="district")
    assert (inside.count, [c.value for c in inside.counts]) == (6, ["341502"])
    assert keys(inside.features) == IN_THE_BOX
    assert {hit.key for hit in await search(database, [scope], "第2")} == {
        "2",
        *(str(n) for n in range(20, 30)),
    }
    assert {hit.key for hit in await search(database, [scope], "99家")} == {"99"}
    assert await count(database, scope) == 100
    assert [c.count for c in await statistics(database, scope, "district")] == [50, 50]
    nothing = await features(database, scope, FeatureQuery(bbox=BoundingBox(-80.0, -40.0, -70.0, -30.0)))
    assert nothing.features == []
    assert len(await nearest(database, scope, -75.0, -35.0, 2)) == 2


async def test_fields_are_asked_by_their_types(database: Database, tables: str) -> None:
    scope = open_to(await registered(database, "shop"))

    async def found(*filters: tuple[str, object]) -> list[str]:
        return keys((await features(database, scope, FeatureQuery(filters=filters))).features)

    assert await found(("select", "s7")) == ["7"]
    assert await found(("中文列名", "值8")) == ["8"]
    assert await found(("rent", "0.33")) == ["1"]
    assert await found(("floors", "4"), ("is_open", "true")) == [str(n) for n in range(4, 100, 10)]
    assert await found(("opened", "2020-01-03")) == ["2"]
    assert (await feature(database, scope, "2")).properties["opened"] == date(2020, 1, 3)
    with pytest.raises(BadRequest):
        await found(("geom", "x"))


async def test_keys_of_every_type_name_and_order_rows(database: Database, tables: str) -> None:
    run_sql(
        tables,
        """CREATE TABLE gis.keys AS
           SELECT id AS a, id - 50 AS b, md5(id::text)::uuid AS c, 'k' || lpad(id::text, 3, '0') AS d,
                  ('k' || lpad(id::text, 3, '0'))::char(8) AS e, id + 0.5 AS f, geom FROM gis.shop;
           ALTER TABLE gis.keys ADD UNIQUE (a), ADD UNIQUE (b), ADD UNIQUE (c), ADD UNIQUE (d),
                                ADD UNIQUE (e), ADD UNIQUE (f)""",
    )
    for column in "abcdef":
        layer = await registered(database, "keys", key=column, id=f"by_{column}")
        scope, met, after = open_to(layer), list[str](), None
        for _ in range(10):
            page = await features(database, scope, FeatureQuery(limit=10, after=after))
            met += keys(page.features)
            after = page.next
        assert after is None
        assert len(set(met)) == 100
        assert (await feature(database, scope, met[7])).key == met[7]
        for wrong in ("no such key", "\x00", "9" * 30, "", "1e400"):
            with pytest.raises(NotFound):
                await feature(database, scope, wrong)
        with pytest.raises(BadRequest):
            await features(database, scope, FeatureQuery(after="not ours!"))
        plan = await plan_of(database, lambda table, s=scope, k=met[7]: has_key(s, table, k), scope)
        assert "Index Cond" in plan, column


async def plan_of(database: Database, condition: Any, scope: Scope) -> str:
    table = rows(scope).subquery("scoped")
    return await plan_text(database, select(table.c._key).where(condition(table)))


async def plan_text(database: Database, statement: Select[Any]) -> str:
    async with database.begin() as connection:
        await connection.execute(select(func.set_config("enable_seqscan", "off", True)))
        return str(await explained(connection, statement))


@pytest.mark.parametrize("table", SYSTEMS)
async def test_boxes_distances_and_order_use_the_tables_own_indexes(
    database: Database, tables: str, table: str
) -> None:
    scope = open_to(await registered(database, table))
    plan = await plan_of(database, lambda t: box_condition(scope, t, A_BOX), scope)
    assert f"'Index Name': '{table}_geom_idx'" in plan
    assert "&&" in plan
    read = rows(scope).subquery("scoped")
    place = func.ST_SetSRID(func.ST_MakePoint(WEST, SOUTH), 4490)
    nearest_few = select(read.c._key).order_by(nearest_first(scope, read, place)).limit(3)
    assert f"'Index Name': '{table}_geom_idx', 'Relation Name': '{table}'" in await plan_text(
        database, nearest_few
    )
    a_page = select(read.c._key).where(order_of(scope, read) > 7).order_by(order_of(scope, read)).limit(3)
    assert f"{table}_pkey" in await plan_text(database, a_page)


async def test_partitions_are_read_by_their_indexes(database: Database, tables: str) -> None:
    run_sql(
        tables,
        """CREATE TABLE gis.parts (id integer, opened date, geom geometry(Point, 4490))
           PARTITION BY RANGE (opened);
           CREATE TABLE gis.old PARTITION OF gis.parts FOR VALUES FROM ('2020-01-01') TO ('2020-03-01');
           CREATE TABLE gis.new PARTITION OF gis.parts FOR VALUES FROM ('2020-03-01') TO ('2021-01-01');
           CREATE INDEX ON gis.parts USING gist (geom);
           INSERT INTO gis.parts SELECT id, opened, geom FROM gis.shop""",
    )
    scope = open_to(await registered(database, "parts", key="id"))
    page = await features(database, scope, FeatureQuery(bbox=A_BOX))
    assert keys(page.features) == IN_THE_BOX
    plan = await plan_of(database, lambda t: box_condition(scope, t, A_BOX), scope)
    assert "old_geom_idx" in plan
    assert "new_geom_idx" in plan


async def test_rights_hold_for_registered_rows(database: Database, tables: str) -> None:
    layer = await registered(
        database,
        "shop",
        fields=("name", "district", "phone", "rent"),
        sensitive={"phone": "personal", "rent": "internal"},
        district_field="district",
        search_fields=("name", "phone"),
        access="login",
        owner="CG01",
    )
    clerk = Viewer("clerk", is_logged_in=True, districts=("341503",))
    scope = open_to(layer, clerk)
    page = await features(database, scope, FeatureQuery(limit=1000, with_count=True))
    assert (len(page.features), page.matched) == (50, 50)
    assert set(page.features[0].properties) == {"id", "name", "district", "rent"}
    assert await search(database, [scope], "1390") == []
    with pytest.raises(NotFound):
        await feature(database, scope, "0")
    with pytest.raises(BadRequest):
        await features(database, scope, FeatureQuery(filters=(("phone", "1390"),)))
    with pytest.raises(BadRequest):
        await features(database, open_to(layer, SYSTEM), FeatureQuery(filters=(("select", "s1"),)))


async def test_codes_that_are_numbers_limit_by_district_too(database: Database, tables: str) -> None:
    run_sql(
        tables, "CREATE VIEW gis.numbered AS SELECT id, district::integer AS district, geom FROM gis.shop"
    )
    layer = await registered(database, "numbered", key="id", district_field="district", access="login")
    clerk = Viewer("clerk", is_logged_in=True, districts=("341503",))
    assert await count(database, open_to(layer, clerk)) == 50


async def test_a_registered_layer_has_no_past(database: Database, tables: str) -> None:
    layer = (await refresh(database, (await registered(database, "shop")).id)).layer
    assert scope_for(ANONYMOUS, layer, version=2).is_current
    for version in (1, 3):
        with pytest.raises(NotFound):
            scope_for(ANONYMOUS, layer, version=version)
    moments = Moments(database)
    assert layer.published_at is not None
    assert (await moments.scope(ANONYMOUS, layer, AsOf(moment=layer.published_at))).version == 2
    with pytest.raises(NotFound, match="keeps no earlier versions"):
        await moments.scope(ANONYMOUS, layer, AsOf(moment=layer.published_at.replace(year=2020)))


async def test_curves_heights_and_odd_values_are_given_flat(database: Database, tables: str) -> None:
    run_sql(
        tables,
        """CREATE TABLE gis.odd (id integer PRIMARY KEY, since date, until timestamptz,
                                 geom geometry(GeometryZ));
           INSERT INTO gis.odd VALUES
           (1, '2020-01-01', 'infinity',
            'SRID=4490;CIRCULARSTRING Z (116 31 5, 116.01 31.01 5, 116.02 31 5)'),
           (2, '-infinity', NULL, 'SRID=4490;POINT Z (116 31 7)'),
           (3, '0044-03-15 BC', '2020-01-01', 'SRID=4490;TIN Z (((0 0 0, 0 0 1, 0 1 0, 0 0 0)))'),
           (4, NULL, NULL, 'SRID=4490;LINESTRING Z EMPTY')""",
    )
    scope = open_to(await registered(database, "odd", srid=4490))
    found = (await features(database, scope, FeatureQuery())).features
    assert [f.properties["since"] for f in found] == [date(2020, 1, 1), None, None, None]
    kinds = [None if f.geometry is None else shapely.from_geojson(f.geometry) for f in found]
    assert [k if k is None else (k.geom_type, k.has_z) for k in kinds] == [
        ("LineString", False), ("Point", False), None, None,
    ]  # fmt: skip


async def test_a_row_that_cannot_be_placed_does_not_fail_the_rest(database: Database, tables: str) -> None:
    scope = open_to(await registered(database, "zone39"))
    run_sql(
        tables,
        """UPDATE gis.zone39 SET geom = ST_SetSRID('POINT(0 0)'::geometry, 4527) WHERE id = 22;
           UPDATE gis.zone39 SET geom = ST_SetSRID(ST_MakePoint('NaN', 3500000), 4527) WHERE id = 23""",
    )
    found = (await features(database, scope, FeatureQuery(limit=1000))).features
    assert [f.key for f in found if f.geometry is None] == ["22", "23"]
    page = await features(database, scope, FeatureQuery(bbox=A_BOX))
    assert keys(page.features) == ["24", "32", "33", "34"]


async def test_a_table_that_is_gone_is_named_and_the_others_answer(database: Database, tables: str) -> None:
    lost = await registered(database, "shop", search_fields=("name",))
    kept = await registered(database, "zone39")
    ours = await put(database, shop_layer(id="ours"), batch({"code": "1", "name": "a", "district_code": "1"}))
    run_sql(tables, "ALTER TABLE gis.shop RENAME TO shop_away")
    scopes = [open_to(layer) for layer in (lost, kept, ours)]
    with pytest.raises(RelationChanged, match="registered table of layer 'shop' is gone") as gone:
        await features(database, scopes[0], FeatureQuery())
    assert gone.value.layer_ids == ("shop",)
    assert "gis." not in gone.value.en + gone.value.zh
    found, out = await answered_by_those_who_can(
        scopes, lambda able: identify(database, able, WEST, SOUTH, 5)
    )
    assert ([here.layer.id for here in found], out) == (["zone39"], ["shop"])
    with pytest.raises(RelationChanged):
        await answered_by_those_who_can(scopes[:1], lambda able: search(database, able, "第1"))
    assert list(await find_faults(database, [lost, kept, ours])) == ["shop"]
    run_sql(tables, "ALTER TABLE gis.shop_away RENAME TO shop")
    assert await count(database, scopes[0]) == 100
    assert await find_faults(database, [lost, kept, ours]) == {}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE gis.shop DROP name",
        "ALTER TABLE gis.shop RENAME geom TO shape",
        "ALTER TABLE gis.shop ALTER geom TYPE geometry(Point, 3857) USING ST_Transform(geom, 3857)",
        "ALTER SCHEMA gis RENAME TO elsewhere",
    ],
)
async def test_a_change_of_the_table_is_a_fault(database: Database, tables: str, change: str) -> None:
    layer = await registered(database, "shop")
    run_sql(tables, change)
    assert list(await find_faults(database, [layer])) == ["shop"]
    if "TYPE" not in change:
        with pytest.raises(RelationChanged):
            await features(database, open_to(layer), FeatureQuery())
    else:  # in a system that is not the layer's, rows have no place rather than a wrong one
        assert {f.geometry for f in (await features(database, open_to(layer), FeatureQuery())).features} == {
            None
        }


async def test_a_table_of_other_types_is_read_again_after_a_refresh(database: Database, tables: str) -> None:
    layer = await registered(database, "shop", fields=("name", "floors"))
    for _ in range(8):  # more often than it takes for a connection to keep the plan
        await features(database, open_to(layer), FeatureQuery(limit=1))
    run_sql(
        tables, "ALTER TABLE gis.shop ALTER floors TYPE bigint, ALTER name TYPE text, ALTER id TYPE bigint"
    )
    with pytest.raises(RelationChanged):
        await features(database, open_to(layer), FeatureQuery(limit=1))
    layer = (await refresh(database, "shop")).layer
    for _ in range(8):
        page = await features(database, open_to(layer), FeatureQuery(limit=1))
        assert page.features[0].properties == {"id": 0, "name": "第0家", "floors": 0}


async def test_a_key_that_repeats_later_is_no_answer(database: Database, tables: str) -> None:
    run_sql(tables, "CREATE TABLE gis.loose AS SELECT id, geom FROM gis.shop")
    scope = open_to(await registered(database, "loose", key="id"))
    run_sql(tables, "INSERT INTO gis.loose SELECT id, geom FROM gis.shop WHERE id = 5")
    with pytest.raises(Conflict, match="several rows"):
        await feature(database, scope, "5")


async def test_another_databases_table_comes_in_by_a_foreign_table(database: Database, tables: str) -> None:
    name, socket = database.url.database, database.url.query.get("host")
    run_sql(
        tables,
        f"""CREATE EXTENSION postgres_fdw;
            CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw
            OPTIONS (dbname '{name}', host '{socket or database.url.host}',
                     port '{database.url.port or 5432}', extensions 'postgis');
            CREATE USER MAPPING FOR CURRENT_USER SERVER away OPTIONS (user '{database.url.username}');
            CREATE FOREIGN TABLE gis.far (id integer, name text, geom geometry(Point, 4527))
            SERVER away OPTIONS (schema_name 'gis', table_name 'zone39')""",
    )
    with pytest.raises(BadRequest, match="no primary key"):
        await registered(database, "far")
    scope = open_to(await registered(database, "far", key="id"))
    page = await features(database, scope, FeatureQuery(bbox=A_BOX))
    assert keys(page.features) == IN_THE_BOX
    run_sql(tables, "ALTER SERVER away OPTIONS (SET dbname 'nowhere_at_all')")
    with pytest.raises(RelationChanged, match="'far'"):
        await features(database, scope, FeatureQuery())
