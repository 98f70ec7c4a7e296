"""What is found out about a table by itself, what must be said, and what is refused."""

from __future__ import annotations

import secrets

import pytest
from sqlalchemy import make_url

from layers.access import ANONYMOUS, scope_for
from layers.catalogue import get_layer, list_layers, register
from layers.db import Database
from layers.errors import BadData, BadRequest, Conflict, NotAllowed, NotFound, OneMapError
from layers.publish import roll_back, stage
from layers.query import search
from layers.registered import check_registered, look, refresh, unregister
from layers.registration import Finding, Registration
from tests.layers.registered_tables import (
    TABLES,
    ask_sql,
    found,
    in_system,
    registered,
    run_sql,
    wanted,
)
from tests.layers.specimens import batch, shop_layer


@pytest.fixture
def tables(database_url: str) -> str:
    """The address of a database with the schema `gis`."""
    run_sql(database_url, TABLES)
    return database_url


def told(findings: tuple[Finding, ...] | list[Finding], kind: str) -> str:
    return "\n".join(f.sentence.en for f in findings if f.kind == kind)


async def test_a_plain_table_needs_nothing_said(database: Database, tables: str) -> None:
    layer, findings = await found(database, "shop")
    assert (layer.kind, layer.status, layer.version) == ("registered", "published", 1)
    assert (layer.key, layer.geometry_type, layer.feature_count) == ("id", "Point", 100)
    assert layer.relation is not None
    assert layer.relation.srid == 4490
    assert layer.bounds == pytest.approx((116.48, 31.72, 116.489, 31.729))
    assert {f.name: f.type for f in layer.fields} == {
        "id": "integer", "name": "text", "select": "text", "中文列名": "text", "floors": "integer",
        "rent": "number", "is_open": "boolean", "opened": "date", "checked": "datetime", "district": "text",
        "phone": "text",
    }  # fmt: skip
    assert layer.field("name").title.zh == "名称"  # type: ignore[union-attr]
    assert findings == ()
    assert layer.access == "public"
    assert layer in await list_layers(database)


async def test_looking_registers_nothing(database: Database, tables: str) -> None:
    looked = await look(database, wanted("shop"))
    assert looked.layer.feature_count == 100
    with pytest.raises(NotFound):
        await get_layer(database, "shop")


@pytest.mark.parametrize("srid", [3857, 4326, 4527, 4548, 32650, 2437])
async def test_any_system_is_served(database: Database, tables: str, srid: int) -> None:
    run_sql(tables, in_system("moved", srid))
    layer = await registered(database, "moved")
    assert layer.bounds == pytest.approx((116.48, 31.72, 116.489, 31.729), abs=2e-3)


async def test_types_become_fields_or_are_left_out_with_a_word(database: Database, tables: str) -> None:
    run_sql(
        tables,
        """CREATE TYPE gis.state AS ENUM ('新建', '完好', '破损');
           CREATE DOMAIN gis.code AS varchar(12) NOT NULL;
           CREATE TABLE gis.odd (
               uid uuid PRIMARY KEY, state gis.state, code gis.code, whole numeric(12, 0), money numeric,
               padded char(6), seen timestamp, at time, tags text[], facts jsonb, image bytea, span int4range,
               twice integer GENERATED ALWAYS AS (1 + 1) STORED, _hash text, "Code" text,
               geom geometry(Polygon, 4490))""",
    )
    layer, findings = await found(database, "odd")
    assert {f.name: f.type for f in layer.fields} == {
        "uid": "text", "state": "text", "code": "text", "whole": "integer", "money": "number",
        "padded": "text", "seen": "text", "at": "text", "twice": "integer",
    }  # fmt: skip
    assert set(layer.field("state").codes or ()) == {"新建", "完好", "破损"}  # type: ignore[union-attr]
    assert layer.field("code").max_length == 12  # type: ignore[union-attr]
    left_out = told(findings, "left out")
    for name in ("tags", "facts", "image", "span", "_hash", "Code"):
        assert f"column {name} is left out" in left_out
    assert "--zone" in told(findings, "warning")
    named = await look(
        database, wanted("odd", fields=("tags", "facts", "seen"), zone="Asia/Shanghai", id="odd_2")
    )
    kinds = {f.name: f.type for f in named.layer.fields}
    assert kinds == {"uid": "text", "tags": "text", "facts": "text", "seen": "datetime"}
    assert [f.name for f in named.layer.fields if f.in_tiles] == ["seen"]
    with pytest.raises(BadRequest, match="no field type for bytea"):
        await look(database, wanted("odd", fields=("image",)))
    with pytest.raises(BadRequest, match="a geometry is no field"):
        await look(database, wanted("odd", fields=("geom",)))
    with pytest.raises(BadRequest, match="no time zone 'Mars'"):
        await look(database, wanted("odd", zone="Mars"))


async def test_a_key_is_found_or_asked_for(database: Database, tables: str) -> None:
    run_sql(
        tables,
        "CREATE VIEW gis.shop_view AS SELECT * FROM gis.shop",
        "CREATE TABLE gis.coded AS SELECT name AS code, geom FROM gis.shop",
        "ALTER TABLE gis.coded ALTER code SET NOT NULL, ADD UNIQUE (code)",
        "CREATE TABLE gis.keyless AS SELECT floors, nullif(id, 3) AS gap, id, geom FROM gis.shop",
        "CREATE TABLE gis.pair (a integer, b integer, geom geometry(Point, 4490), PRIMARY KEY (a, b))",
    )
    assert (await look(database, wanted("coded"))).layer.key == "code"
    with pytest.raises(BadRequest, match="no primary key") as none:
        await look(database, wanted("shop_view"))
    assert none.value.facts["expected"].startswith("one of id, name")
    with pytest.raises(BadRequest, match=r"several columns \(a, b\)"):
        await look(database, wanted("pair"))
    view = await look(database, wanted("shop_view", key="id"))
    assert "no unique index keeps it so" in told(view.findings, "warning")
    with pytest.raises(BadRequest, match="cannot be the key: 0 rows without it, repeated: 0 × 20"):
        await look(database, wanted("keyless", key="floors"))
    with pytest.raises(BadRequest, match="cannot be the key: 1 rows without it"):
        await look(database, wanted("keyless", key="gap"))
    with pytest.raises(BadRequest, match="is boolean, it cannot be the key"):
        await look(database, wanted("shop", key="is_open"))
    with pytest.raises(BadRequest, match=r"column nothing of gis\.shop does not exist"):
        await look(database, wanted("shop", key="nothing"))


async def test_an_untyped_column_is_known_by_its_rows(database: Database, tables: str) -> None:
    run_sql(tables, in_system("untyped", 4527, column="geometry"))
    layer, findings = await found(database, "untyped")
    assert layer.relation is not None
    assert (layer.relation.srid, layer.geometry_type) == (4527, "Point")
    assert "taken as EPSG:4527; of 100 rows looked at: 100 × POINT SRID 4527" in told(findings, "found")
    with pytest.raises(BadRequest, match="is not 4490: of 100 rows"):
        await look(database, wanted("untyped", id="again", srid=4490))
    with pytest.raises(BadRequest, match="is not Polygon"):
        await look(database, wanted("untyped", id="again", geometry_type="Polygon"))
    run_sql(
        tables,
        "INSERT INTO gis.untyped SELECT id + 100, name, district, ST_Buffer(geom, 5) FROM gis.untyped",
    )
    assert (await look(database, wanted("untyped", id="again"))).layer.geometry_type == "Geometry"
    run_sql(tables, "UPDATE gis.untyped SET geom = ST_SetSRID(geom, 4548) WHERE id = 7")
    with pytest.raises(BadRequest, match="does not say its coordinate system: of 200 rows"):
        await look(database, wanted("untyped", id="again"))


async def test_rows_without_a_system_are_asked_about_with_a_guess(database: Database, tables: str) -> None:
    run_sql(
        tables,
        """CREATE TABLE gis.bare (id integer PRIMARY KEY, geom geometry(Point));
           INSERT INTO gis.bare SELECT id, ST_SetSRID(ST_Transform(geom, 4527), 0) FROM gis.shop""",
    )
    with pytest.raises(BadRequest, match=r"100 × POINT SRID 0.*--srid.*look like 4527") as asked:
        await look(database, wanted("bare"))
    assert "4527" in asked.value.zh
    layer = await registered(database, "bare", srid=4527)
    assert layer.bounds == pytest.approx((116.48, 31.72, 116.489, 31.729), abs=1e-6)
    with pytest.raises(BadRequest, match="cannot transform between SRID 999998"):
        await look(database, wanted("bare", srid=999_998))


async def test_an_empty_table_must_be_described(database: Database, tables: str) -> None:
    run_sql(tables, "CREATE TABLE gis.new (id integer PRIMARY KEY, geom geometry)")
    with pytest.raises(BadRequest, match="no row has a geometry"):
        await look(database, wanted("new"))
    with pytest.raises(BadRequest, match="say its shapes with --type"):
        await look(database, wanted("new", srid=4527))
    layer = await registered(database, "new", srid=4527, geometry_type="Polygon")
    assert (layer.geometry_type, layer.feature_count, layer.bounds) == ("MultiPolygon", 0, None)
    with pytest.raises(BadRequest, match="no geometry type 'Circle'"):
        await look(database, wanted("new", id="other", srid=4527, geometry_type="Circle"))


async def test_one_geometry_column_is_named_of_several(database: Database, tables: str) -> None:
    run_sql(
        tables,
        "ALTER TABLE gis.shop ADD plot geometry(Polygon, 4490)",
        "CREATE TABLE gis.words (id integer PRIMARY KEY)",
        "CREATE TABLE gis.round (id integer PRIMARY KEY, geog geography)",
    )
    with pytest.raises(BadRequest, match=r"several geometry columns \(geom, plot\)"):
        await look(database, wanted("shop"))
    assert (await look(database, wanted("shop", geometry="plot"))).layer.geometry_type == "MultiPolygon"
    with pytest.raises(BadRequest, match="no geometry column 'nothing', only geom, plot"):
        await look(database, wanted("shop", geometry="nothing"))
    with pytest.raises(BadRequest, match="has no geometry column"):
        await look(database, wanted("words"))
    with pytest.raises(BadRequest, match="cast a geography column"):
        await look(database, wanted("round"))


async def test_a_partitioned_table_is_one_layer(database: Database, tables: str) -> None:
    run_sql(
        tables,
        """CREATE TABLE gis.parts (id integer, opened date, geom geometry(Point, 4490),
                                     PRIMARY KEY (id, opened))
           PARTITION BY RANGE (opened);
           CREATE TABLE gis.parts_a PARTITION OF gis.parts FOR VALUES FROM ('2020-01-01') TO ('2020-03-01');
           CREATE TABLE gis.parts_b PARTITION OF gis.parts FOR VALUES FROM ('2020-03-01') TO ('2021-01-01');
           INSERT INTO gis.parts SELECT id, opened, geom FROM gis.shop;
           CREATE INDEX ON gis.parts_a USING gist (geom)""",
    )
    layer, findings = await found(database, "parts", key="id")
    assert layer.feature_count == 100
    missing = [f for f in findings if f.sql]
    assert [f.sql for f in missing] == ['CREATE INDEX ON "gis"."parts" USING gist ("geom");']
    run_sql(tables, missing[0].sql or "")
    assert not [f for f in (await refresh(database, "parts")).findings if f.sql]


async def test_a_missing_index_is_a_warning_with_the_sentence_to_run(database: Database, tables: str) -> None:
    run_sql(tables, "DROP INDEX gis.shop_geom_idx", 'ALTER TABLE gis.shop RENAME TO "商 铺"')
    said = Registration("gis", "商 铺", "shop", wanted("shop").title)
    warning = next(f for f in (await look(database, said)).findings if f.kind == "warning")
    assert warning.sql == 'CREATE INDEX CONCURRENTLY ON "gis"."商 铺" USING gist ("geom");'
    run_sql(tables, warning.sql)
    assert (await look(database, said)).findings == ()


async def test_a_view_uses_the_index_below_it_or_says_so(database: Database, tables: str) -> None:
    run_sql(
        tables,
        "CREATE VIEW gis.through AS SELECT id, name, geom FROM gis.shop WHERE floors > 1",
        """CREATE VIEW gis.made AS
           SELECT id, ST_Buffer(geom, 0.001)::geometry(Polygon, 4490) AS geom FROM gis.shop""",
        "CREATE MATERIALIZED VIEW gis.kept AS SELECT id, name, geom FROM gis.shop",
    )
    through = await look(database, wanted("through", key="id"))
    assert "spatial index" not in told(through.findings, "warning")
    assert "no spatial index serves geom of the view" in told(
        (await look(database, wanted("made", key="id"))).findings, "warning"
    )
    kept = await look(database, wanted("kept", key="id"))
    assert [f.sql for f in kept.findings if f.sql] == [
        'CREATE INDEX CONCURRENTLY ON "gis"."kept" USING gist ("geom");'
    ]


@pytest.mark.parametrize(
    "name",
    [
        "onemap.account",
        "onemap_rows.building",
        "pg_catalog.pg_authid",
        "information_schema.tables",
        "pg_toast.x",
    ],
)
async def test_what_is_ours_or_the_systems_is_not_registered(
    database: Database, tables: str, name: str
) -> None:
    schema, table = name.split(".")
    with pytest.raises(BadRequest, match="cannot be registered"):
        await look(database, Registration(schema, table, "leak", wanted("shop").title))


async def test_a_view_over_our_tables_is_not_registered(database: Database, tables: str) -> None:
    run_sql(
        tables,
        """CREATE VIEW gis.people AS SELECT id, name, password_hash FROM onemap.account;
           CREATE VIEW gis.leak AS SELECT p.*, s.geom FROM gis.people p JOIN gis.shop s USING (id)""",
    )
    with pytest.raises(BadRequest, match=r"it reads onemap\.account"):
        await look(database, wanted("leak", key="id"))


async def test_a_table_that_is_not_there_is_named_with_its_like(database: Database, tables: str) -> None:
    with pytest.raises(NotFound, match=r"no table or view gis.Shop .*; is it gis.shop\?"):
        await look(database, wanted("Shop"))
    with pytest.raises(NotFound, match=r"no table or view gis\.nothing"):
        await look(database, wanted("nothing"))


async def test_a_missing_right_is_said_with_the_grant(tables: str) -> None:
    user = f"onemap_reader_{secrets.token_hex(4)}"
    may_make_roles = ask_sql(tables, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if not may_make_roles:
        pytest.skip("the tests' own user may not make another")
    run_sql(
        tables,
        f"CREATE ROLE {user} LOGIN",
        f"GRANT USAGE, CREATE ON SCHEMA onemap TO {user}; GRANT ALL ON onemap.layer TO {user}",
    )
    try:
        url = make_url(tables).set(username=user).render_as_string(hide_password=False)
        async with Database(url) as reader:
            with pytest.raises(NotAllowed, match="GRANT USAGE ON SCHEMA"):
                await look(reader, wanted("shop"))
            run_sql(tables, f"GRANT USAGE ON SCHEMA gis TO {user}")
            with pytest.raises(NotAllowed, match="GRANT SELECT ON"):
                await look(reader, wanted("shop"))
            run_sql(tables, f"GRANT SELECT (id, name, geom) ON gis.shop TO {user}")
            layer, findings = await found(reader, "shop")
            assert layer.field_names == ("id", "name")
            assert "column phone is left out: there is no right to read it" in told(findings, "left out")
            with pytest.raises(BadRequest, match=r"column phone of gis\.shop may not be read"):
                await look(reader, wanted("shop", id="again", fields=("phone",)))
            await unregister(reader, "shop", by="test")
            with pytest.raises(NotAllowed, match="may not make a trigger"):
                await found(reader, "shop", follow=True)
    except OneMapError as error:  # pragma: no cover - a reader needs whatever the server lets nobody have
        raise AssertionError(error.en) from error
    finally:
        run_sql(tables, f"DROP OWNED BY {user}", f"DROP ROLE {user}")


async def test_rows_that_cannot_be_placed_are_counted(database: Database, tables: str) -> None:
    run_sql(
        tables,
        in_system("spread", 4527),
        """UPDATE gis.spread SET geom = ST_SetSRID('POINT(0 0)'::geometry, 4527) WHERE id = 1;
           UPDATE gis.spread SET geom = ST_SetSRID(ST_MakePoint('NaN', 1), 4527) WHERE id = 2;
           UPDATE gis.spread SET geom = NULL WHERE id = 3""",
    )
    layer, findings = await found(database, "spread")
    assert layer.feature_count == 100
    assert "2 rows have a geometry that cannot be used" in told(findings, "warning")
    assert layer.bounds == pytest.approx((116.48, 31.72, 116.489, 31.729), abs=1e-6)


async def test_a_crowded_table_is_not_drawn_from_afar(database: Database, tables: str) -> None:
    run_sql(
        tables,
        """CREATE TABLE gis.many (id integer PRIMARY KEY, geom geometry(Point, 4490));
           INSERT INTO gis.many
           SELECT n, ST_SetSRID(ST_MakePoint(116 + n % 300 * 0.003, 31 + n / 300 * 0.003), 4490)
           FROM generate_series(1, 60000) n""",
    )
    assert (await look(database, wanted("many"))).layer.min_zoom == 10
    assert (await look(database, wanted("many", min_zoom=3))).layer.min_zoom == 3


async def test_an_id_is_taken_once(database: Database, tables: str) -> None:
    await registered(database, "shop")
    for layer_id in ("shop", "building"):
        with pytest.raises(Conflict, match="there is a layer"):
            await found(database, "shop", id=layer_id)
    with pytest.raises(BadData):
        await found(database, "shop", id="Not An Id")
    with pytest.raises(Conflict, match="is a registered table"):
        await register(database, shop_layer())


async def test_nothing_is_imported_into_a_registered_layer_or_rolled_back(
    database: Database, tables: str
) -> None:
    layer = await registered(database, "shop")
    with pytest.raises(Conflict, match="is a registered table"):
        await stage(database, layer, [batch({"id": 1})])
    with pytest.raises(Conflict, match="is a registered table"):
        await roll_back(database, "shop", 1, by="test")
    assert ask_sql(tables, "SELECT count(*) FROM gis.shop") == 100


async def test_unregistering_leaves_the_table(database: Database, tables: str) -> None:
    await registered(database, "shop", follow=True)
    assert ask_sql(tables, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'onemap%'") == 1
    await unregister(database, "shop", by="test")
    with pytest.raises(NotFound):
        await get_layer(database, "shop")
    assert ask_sql(tables, "SELECT count(*) FROM gis.shop") == 100
    assert ask_sql(tables, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'onemap%'") == 0
    with pytest.raises(Conflict, match="is not a registered table"):
        await unregister(database, "building", by="test")


async def test_refreshing_looks_again(database: Database, tables: str) -> None:
    before = await registered(database, "shop", fields=("name", "phone"), sensitive={"phone": "personal"})
    run_sql(tables, "DELETE FROM gis.shop WHERE id >= 50", "ALTER TABLE gis.shop ADD later text")
    after = (await refresh(database, "shop")).layer
    assert (after.feature_count, after.version) == (50, 2)
    assert after.fields == before.fields
    assert after.relation == before.relation


async def test_checking_says_what_is_wrong(database: Database, tables: str) -> None:
    run_sql(tables, "CREATE VIEW gis.seen AS SELECT id, name, geom FROM gis.shop")
    await registered(database, "shop")
    await registered(database, "seen", key="id")
    assert await check_registered(database, "shop") == []
    run_sql(tables, "ALTER TABLE gis.shop ALTER floors TYPE text")
    assert await faults_of(database, "shop") == ["column floors of gis.shop was smallint and is text now"]
    run_sql(tables, "ALTER TABLE gis.shop DROP floors")
    assert await faults_of(database, "shop") == ["gis.shop has no column floors"]
    run_sql(
        tables,
        "CREATE OR REPLACE VIEW gis.seen AS SELECT id / 2 AS id, name, geom FROM gis.shop",
    )
    (repeated,) = await faults_of(database, "seen")
    assert "repeated: 0 × 2" in repeated
    run_sql(tables, "DROP TABLE gis.shop CASCADE")
    assert await faults_of(database, "shop") == ["gis.shop does not exist"]
    with pytest.raises(NotFound):
        await refresh(database, "shop")
    await unregister(database, "shop", by="test")


async def faults_of(database: Database, layer_id: str) -> list[str]:
    return [f.sentence.en for f in await check_registered(database, layer_id) if f.kind == "fault"]


async def test_search_of_a_large_table_asks_for_its_indexes(database: Database, tables: str) -> None:
    run_sql(
        tables,
        """CREATE TABLE gis.many (id integer PRIMARY KEY, name varchar(40), "中文%列" text,
                                  geom geometry(Point, 4490));
           INSERT INTO gis.many SELECT n, '第' || n || '家', '值' || n, NULL FROM generate_series(1, 30000) n;
           CREATE INDEX ON gis.many USING gist (geom); ANALYZE gis.many""",
    )
    said = wanted("many", search_fields=("name", "中文%列"))
    (warning,) = (await look(database, said)).findings
    assert warning.sql is not None
    assert warning.sql.count("CREATE INDEX CONCURRENTLY") == 3
    run_sql(tables, *warning.sql.split("\n"))
    assert (await look(database, said)).findings == ()
    layer = await registered(database, "many", search_fields=("name", "中文%列"), id="later")
    hits = await search(database, [scope_for(ANONYMOUS, layer)], "值2999")
    assert hits[0].key == "2999"
    assert len(hits) == 11
