"""Versions as differences: stage, compare, publish, roll back."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import shapely
from sqlalchemy import select, text

from layers.access import SYSTEM, scope_for
from layers.catalogue import get_layer, register, versions
from layers.db import Database
from layers.errors import BadData, Conflict, NotFound, OneMapError
from layers.model import Field, Layer, Origin, Text
from layers.origins import origin_json
from layers.publish import (
    Batch,
    compare,
    discard,
    publish,
    restore,
    roll_back,
    stage,
    sweep_stages,
    withdraw,
)
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


async def test_a_row_keeps_its_number_while_its_content_changes(database: Database) -> None:
    layer = await register(database, shop_layer())
    layer = await put(database, layer, batch({"code": "a", "name": "甲"}, {"code": "b"}))
    before = await numbers(database, layer)
    layer = await put(database, layer, batch({"code": "a", "name": "甲二"}))
    assert await numbers(database, layer) == {"a": before["a"]}
    await roll_back(database, layer.id, 1, by="li")
    assert await numbers(database, await get_layer(database, layer.id)) == before


async def test_a_key_that_comes_back_has_its_number_again(database: Database) -> None:
    layer = await register(database, shop_layer())
    layer = await put(database, layer, batch({"code": "a"}, {"code": "b"}))
    before = await numbers(database, layer)
    for _ in range(2):
        layer = await put(database, layer, batch({"code": "c"}))
        layer = await put(database, layer, batch({"code": "b", "name": "乙"}, {"code": "a"}))
        assert await numbers(database, layer) == before


async def numbers(database: Database, layer: Layer) -> dict[str, int]:
    scoped = rows(scope_for(SYSTEM, layer)).subquery()
    async with database.connect() as connection:
        return dict((await connection.execute(select(scoped.c._key, scoped.c._fid))).all())  # type: ignore[arg-type]


async def test_a_partial_delivery_removes_nothing(database: Database) -> None:
    layer = await register(database, shop_layer())
    layer = await put(database, layer, batch({"code": "a"}, {"code": "b"}))
    staged = await stage(database, layer, [batch({"code": "c"})])
    assert (await compare(database, staged, partial=True))[:4] == (1, 0, 0, 0)
    await publish(database, staged, by="li", partial=True)
    assert [r[0] for r in await content(database, await get_layer(database, layer.id))] == ["a", "b", "c"]


async def test_boxes_cover_the_old_and_the_new_place_and_nothing_between(database: Database) -> None:
    layer = await register(database, shop_layer())
    layer = await put(database, layer, batch({"code": "a"}, {"code": "b"}, places=places(116.0, 116.5)))
    staged = await stage(database, layer, [batch({"code": "a"}, {"code": "b"}, places=places(117.0, 116.5))])
    difference = await compare(database, staged)
    assert [box.west for box in difference.boxes] == [116.0, 117.0]
    assert all(box.west == box.east for box in difference.boxes)


SURVEYED = Origin(
    "EPSG:4527 …", Text("a.prj 声明", "stated by a.prj"), False, Text("换算", "arithmetic"), 0.001, "a.shp"
)


def places(*longitudes: float) -> list[shapely.Point]:
    return [shapely.Point(lon, 31.0) for lon in longitudes]


async def test_layers_delivered_together_come_out_together_or_not_at_all(database: Database) -> None:
    one, two = [await register(database, shop_layer(id=name)) for name in ("one", "two")]
    good, gone = [await stage(database, layer, [batch({"code": "a"})]) for layer in (one, two)]
    await discard(database, gone)
    with pytest.raises(Conflict):
        await publish(database, [good, gone], by="li")
    assert (await get_layer(database, "one")).version == 0
    again = await stage(database, two, [batch({"code": "a"})])
    report = {"origins": {"two": [origin_json(SURVEYED)]}}
    made = await publish(database, [again, good], by="li", report=report)
    assert [(v.layer_id, v.number) for v in made] == [("one", 1), ("two", 1)]
    assert (await get_layer(database, "two")).origins == (SURVEYED,)
    assert [v.origins for v in made] == [(), (SURVEYED,)]


async def test_a_version_keeps_how_all_its_rows_came_to_be_and_rolling_back_brings_it_back(
    database: Database,
) -> None:
    layer = await register(database, shop_layer())

    async def deliver(code: str, origin: Origin, *, partial: bool) -> None:
        staged = await stage(database, layer, [batch({"code": code})])
        report = {"origins": {layer.id: [origin_json(origin)]}}
        await publish(database, staged, by="li", partial=partial, report=report)

    digitised = replace(SURVEYED, system="EPSG:4490 (gcj02)", is_assumed=True, error_m=None)
    await deliver("a", SURVEYED, partial=False)
    await deliver("b", digitised, partial=True)
    await deliver("c", replace(SURVEYED, file="第二批.shp"), partial=True)
    await deliver("d", digitised, partial=False)
    await roll_back(database, layer.id, 2, by="li")
    found = {v.number: [(o.system, o.file) for o in v.origins] for v in await versions(database, layer.id)}
    mine, later = (SURVEYED.system, "a.shp"), (SURVEYED.system, "第二批.shp")
    theirs = (digitised.system, "a.shp")
    assert found == {1: [mine], 2: [mine, theirs], 3: [theirs, later], 4: [theirs], 5: [mine, theirs]}
    assert len((await get_layer(database, layer.id)).origins) == 2


async def test_two_publishers_at_once_both_leave_their_work(database: Database) -> None:
    layer = await register(database, shop_layer())
    stages = [await stage(database, layer, [batch({"code": f"k{n}"})]) for n in range(4)]
    made = await asyncio.gather(*(publish(database, s, by="li", partial=True) for s in stages))
    assert sorted(v.number for [v] in made) == [1, 2, 3, 4]
    layer = await get_layer(database, layer.id)
    assert [r[0] for r in await content(database, layer)] == ["k0", "k1", "k2", "k3"]
    assert layer.feature_count == 4


async def test_a_publication_killed_midway_leaves_the_version_before(database: Database) -> None:
    layer = await register(database, shop_layer())
    layer = await put(database, layer, batch({"code": "a", "name": "甲"}))
    before = await content(database, layer)
    staged = await stage(database, layer, [batch({"code": "b"})])
    async with database.begin() as blocker:
        # The publisher does everything but its last step, which waits for this lock, and is killed there.
        await blocker.execute(text("LOCK TABLE onemap.layer_version IN ACCESS EXCLUSIVE MODE"))
        publishing = asyncio.create_task(publish(database, staged, by="li"))
        await kill_the_one_that_waits(database)
        with pytest.raises(OneMapError):
            await publishing
    layer = await get_layer(database, layer.id)
    assert (layer.version, await content(database, layer)) == (1, before)
    [version] = await publish(database, staged, by="li")
    assert version.number == 2


async def kill_the_one_that_waits(database: Database) -> None:
    terminate = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(20):
        killed = 0
        while not killed:
            await asyncio.sleep(0.01)
            async with database.begin() as connection:
                killed = await connection.scalar(terminate) or 0


async def test_a_stage_emptied_by_a_crash_is_not_taken_for_an_empty_delivery(database: Database) -> None:
    layer = await register(database, shop_layer())
    layer = await put(database, layer, batch({"code": "a"}))
    staged = await stage(database, layer, [batch({"code": "b"})])
    async with database.begin() as connection:
        await connection.execute(text(f"TRUNCATE onemap_stage.{staged.table}"))
    with pytest.raises(Conflict):
        await publish(database, staged, by="li")


async def test_only_the_stages_of_dead_processes_are_swept(database: Database, database_url: str) -> None:
    layer = await register(database, shop_layer())
    living = await stage(database, layer, [batch({"code": "a"})])
    async with Database(database_url) as other:
        await stage(other, layer, [batch({"code": "b"})])
        assert await sweep_stages(database) == 0
    assert await sweep_stages(database) == 1
    await publish(database, living, by="li")


async def test_a_process_that_lost_its_sign_of_life_gives_it_again(
    database: Database, database_url: str
) -> None:
    layer = await register(database, shop_layer())
    await discard(database, await stage(database, layer, [batch({"code": "a"})]))
    async with Database(database_url) as other:
        async with other.begin() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE application_name = 'onemap-life' AND datname = current_database()"
                )
            )
        staged = await stage(database, layer, [batch({"code": "a"})])
        assert await sweep_stages(other) == 0
    await publish(database, staged, by="li")


async def test_a_failed_delivery_leaves_no_stage(database: Database) -> None:
    layer = await register(database, shop_layer())
    with pytest.raises(BadData):
        await stage(database, layer, [batch({"code": "a"}), batch({"code": "a"})])
    async with database.connect() as connection:
        left = await connection.scalar(
            text("SELECT count(*) FROM pg_tables WHERE schemaname = 'onemap_stage'")
        )
    assert left == 0


FAULTY: list[tuple[Batch, str]] = [
    (batch({"code": "a"}, {"code": "b"}, {"code": "a"}), "a"),
    (batch({"code": "a"}, {"code": None}), "no value"),
    (batch({"code": ""}), "no value"),
    (batch({"code": 1}), "row 1"),
    (batch({"code": "a\x00b"}), "NUL"),
    (batch({"code": "a", "floors": "2"}), "floors"),
    (batch({"code": "a", "floors": 2**63}), "64 bits"),
    (batch({"code": "a", "floors": True}), "integer"),
    (batch({"code": "a", "opened": datetime(2026, 1, 1, tzinfo=UTC)}), "date"),
    (batch({"code": "a", "nothing": 1}), "nothing"),
    (batch({"code": "a"}, places=[shapely.Point(500000, 3500000)]), "500000"),
    (batch({"code": "a"}, places=[shapely.Point(116, 90)]), "90"),
    (batch({"code": "a"}, places=[shapely.LineString([(116, 31), (117, 32)])]), "geometry"),
    (Batch([b"\x01\x01"], {"code": ["a"]}), "geometry"),
    (batch({"code": "a"}, places=[shapely.Point()]), "EMPTY"),
    (batch({"code": "\ud800"}), "Unicode"),
    (batch({"code": "长" * 401}), "401 characters"),
]


@pytest.mark.parametrize(("faulty", "named"), FAULTY)
async def test_what_cannot_be_stored_is_refused_and_named(
    database: Database, faulty: Batch, named: str
) -> None:
    layer = await register(database, shop_layer())
    with pytest.raises(BadData, match=named):
        await stage(database, layer, [batch({"code": "first"}), faulty] if "row" not in named else [faulty])


async def test_a_layer_of_any_geometry_takes_points_lines_and_polygons(database: Database) -> None:
    layer = await register(database, shop_layer(geometry_type="Geometry"))
    shapes = [*places(116.0), shapely.LineString([(116, 31), (117, 32)]), shapely.box(116, 31, 117, 32)]
    shapes.append(shapely.GeometryCollection(shapes))
    rows_ = [{"code": str(n)} for n in range(len(shapes))]
    assert (await put(database, layer, batch(*rows_, places=list(shapes)))).feature_count == 4


async def test_a_long_text_may_stand_in_a_searched_field(database: Database) -> None:
    layer = await register(database, shop_layer())
    layer = await put(database, layer, batch({"code": "a", "name": "很长" * 5000}))
    assert layer.version == 1


async def test_values_of_every_type_come_back_as_they_went_in(database: Database) -> None:
    values: dict[str, object] = {
        "text": "a\tb\n\\N\\ \"q\" 'x' 井𠮷\r",
        "integer": -(2**63),
        "number": 0.1 + 0.2,
        "boolean": False,
        "date": date(2026, 2, 28),
        "datetime": datetime(2026, 1, 1, 8, 30, 0, 123456, tzinfo=UTC),
    }
    fields = tuple(Field(kind, Text(kind, kind), type=kind) for kind in values)  # type: ignore[arg-type]
    layer = shop_layer(
        fields=fields, key="text", name_field=None, search_fields=(), district_field=None, time_field=None
    )
    layer = await register(database, layer)
    nowhere = Batch([None], {name: [value] for name, value in values.items()})
    await publish(database, await stage(database, layer, [nowhere]), by="li")
    layer = await get_layer(database, layer.id)
    assert layer.bounds is None
    scoped = rows(scope_for(SYSTEM, layer)).subquery()
    async with database.connect() as connection:
        row = (await connection.execute(select(*(scoped.c[name] for name in values)))).one()
    assert dict(zip(values, row, strict=True)) == values


async def test_rolling_back_to_what_stands_or_to_nothing_is_refused(database: Database) -> None:
    layer = await register(database, shop_layer())
    await put(database, layer, batch({"code": "a"}))
    with pytest.raises(Conflict):
        await roll_back(database, layer.id, 1, by="li")
    for number in (0, 2):
        with pytest.raises(NotFound):
            await roll_back(database, layer.id, number, by="li")


async def test_a_withdrawn_layer_comes_back_only_by_being_restored(database: Database) -> None:
    layer = await register(database, shop_layer())
    with pytest.raises(Conflict):
        await withdraw(database, layer.id, by="li")
    await put(database, layer, batch({"code": "a"}))
    await withdraw(database, layer.id, by="li")
    assert (await put(database, layer, batch({"code": "b"}))).status == "withdrawn"
    await restore(database, layer.id, by="li")
    with pytest.raises(Conflict):
        await restore(database, layer.id, by="li")


async def test_the_stored_web_mercator_is_the_formula_of_web_mercator(database: Database) -> None:
    layer = await put(database, await register(database, shop_layer()), batch({"code": "a"}))
    scoped = rows(scope_for(SYSTEM, layer)).subquery()
    async with database.connect() as connection:
        x, y = (
            await connection.execute(select(scoped.c._geom_3857.ST_X(), scoped.c._geom_3857.ST_Y()))
        ).one()
    lon, lat = math.radians(116.5), math.radians(31.74)
    assert x == pytest.approx(6378137 * lon, abs=1e-3)
    assert y == pytest.approx(6378137 * math.asinh(math.tan(lat)), abs=1e-3)
