"""Features, identify, nearest, within, search: on scoped rows."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date

import pyproj
import pytest
import shapely

from layers import query
from layers.access import ANONYMOUS, SYSTEM, Scope, Viewer, scope_for
from layers.catalogue import get_layer, register
from layers.db import Database
from layers.errors import BadRequest, NotFound
from layers.model import BoundingBox, Field, Layer, Text
from layers.publish import Batch, publish, stage
from tests.layers.specimens import HERE, batch, shop_layer

GEOD = pyproj.Geod(a=6378137.0, rf=298.257222101)
SHOPS = batch(
    {
        "code": "S001",
        "name": "老城面馆",
        "kind": "1",
        "floors": 2,
        "district_code": "341502",
        "opened": date(2026, 2, 28),
    },
    {
        "code": "S002",
        "name": "新城书店",
        "kind": "2",
        "floors": 1,
        "district_code": "341502",
        "opened": date(2026, 3, 1),
    },
    {"code": "S010", "name": "面", "kind": "1", "district_code": "341503", "owner_phone": "13800000000"},
)


async def published(database: Database, *batches: Batch, layer: Layer | None = None) -> Layer:
    registered = await register(database, layer or shop_layer())
    await publish(database, await stage(database, registered, batches), by="test")
    return await get_layer(database, registered.id)


@pytest.fixture(scope="module")
def shops_url(module_database_url: str) -> str:
    async def prepare() -> None:
        async with Database(module_database_url) as database:
            await published(database, SHOPS)

    asyncio.run(prepare())
    return module_database_url


@pytest.fixture
async def town(shops_url: str) -> AsyncIterator[Database]:
    """An open database with the layer `shop`, shared: tests only read it."""
    async with Database(shops_url) as database:
        yield database


@pytest.fixture
async def shops(town: Database) -> Scope:
    return scope_for(SYSTEM, await get_layer(town, "shop"))


async def test_pages_follow_each_other_without_gap_or_repetition(town: Database, shops: Scope) -> None:
    first = await query.features(town, shops, query.FeatureQuery(limit=2))
    second = await query.features(town, shops, query.FeatureQuery(limit=2, after=first.next))
    assert [f.key for f in (*first.features, *second.features)] == ["S001", "S002", "S010"]
    assert (first.matched, second.next) == (3, None)


async def test_a_feature_carries_geojson_longitude_first(town: Database, shops: Scope) -> None:
    found = await query.feature(town, shops, "S002")
    assert json.loads(found.geometry or "") == {"type": "Point", "coordinates": [116.501, 31.74]}
    assert found.properties["name"] == "新城书店"
    with pytest.raises(NotFound):
        await query.feature(town, shops, "nobody")


async def test_filters_are_typed_and_name_what_is_wrong(town: Database, shops: Scope) -> None:
    page = await query.features(town, shops, query.FeatureQuery(filters=(("floors", "2"),)))
    assert [f.key for f in page.features] == ["S001"]
    with pytest.raises(BadRequest) as wrong:
        await query.features(town, shops, query.FeatureQuery(filters=(("floors", "two"),)))
    assert wrong.value.facts["field"] == "floors"
    with pytest.raises(BadRequest):
        await query.features(town, shops, query.FeatureQuery(filters=(("' OR 1=1 --", "x"),)))
    hostile = query.FeatureQuery(filters=(("name", "' OR '1'='1"),))
    assert (await query.features(town, shops, hostile)).features == []


async def test_a_box_holds_what_lies_on_its_edge(town: Database, shops: Scope) -> None:
    box = BoundingBox(116.4, 31.7, 116.501, 31.8)
    page = await query.features(town, shops, query.FeatureQuery(bbox=box))
    assert [f.key for f in page.features] == ["S001", "S002"]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("S0", ["S001", "S002", "S010"]),
        ("s001", ["S001"]),
        ("面", ["S010", "S001"]),
        ("书店", ["S002"]),
        ("新城 书", ["S002"]),
        ("城", ["S001", "S002"]),
        ("%", []),
        ("  ", []),
    ],
)
async def test_search_finds_by_code_and_by_few_characters(
    town: Database, shops: Scope, text: str, keys: list[str]
) -> None:
    assert [h.key for h in await query.search(town, [shops], text)] == keys


async def test_nearest_agrees_with_measuring_every_row(database: Database) -> None:
    chance = random.Random(7)
    places = [(116 + chance.random() * 0.5, 60 + chance.random() * 0.5) for _ in range(400)]
    rows = [{"code": str(n), "district_code": "341502"} for n in range(len(places))]
    given = batch(*rows, places=[shapely.Point(p) for p in places])
    scope = scope_for(SYSTEM, await published(database, given))
    for _ in range(20):
        lon, lat = 116 + chance.random() * 0.5, 60 + chance.random() * 0.5
        metres = [GEOD.inv(lon, lat, *p)[2] for p in places]
        expected = sorted(range(len(places)), key=metres.__getitem__)[:7]
        found = await query.nearest(database, scope, lon, lat, 7)
        assert [int(f.key) for f in found] == expected
        assert found[-1].distance_m == pytest.approx(metres[expected[-1]], abs=1e-3)
        bounded = await query.nearest(database, scope, lon, lat, 7, metres[expected[2]] + 0.01)
        assert [int(f.key) for f in bounded] == expected[:3]


async def test_identify_puts_the_polygon_that_holds_the_place_first(database: Database) -> None:
    layer = shop_layer(geometry_type="MultiPolygon")
    lon, lat = HERE
    shapes = [shapely.MultiPolygon([shapely.box(lon - d, lat - d, lon + d, lat + d)]) for d in (0.01, 0.001)]
    beside = shapely.MultiPolygon([shapely.box(lon + 0.00105, lat - 0.001, lon + 0.002, lat + 0.001)])
    rows = [{"code": code} for code in ("large", "small", "beside")]
    scope = scope_for(SYSTEM, await published(database, batch(*rows, places=[*shapes, beside]), layer=layer))
    [found] = await query.identify(database, [scope], lon, lat, 150.0)
    assert [f.key for f in found.features] == ["small", "large", "beside"]
    assert found.features[0].distance_m == 0
    assert found.features[2].distance_m == pytest.approx(GEOD.inv(lon, lat, lon + 0.00105, lat)[2], abs=0.01)


async def test_counting_in_an_area_gives_values_with_titles(town: Database, shops: Scope) -> None:
    area = shapely.box(116.49, 31.73, 116.503, 31.75)
    found = await query.within(town, shops, area, count_by="kind", limit=1)
    assert (found.count, len(found.features)) == (3, 1)
    assert [(c.value, c.title.zh if c.title else None, c.count) for c in found.counts] == [
        ("1", "餐饮", 2),
        ("2", "书店", 1),
    ]
    with pytest.raises(BadRequest):
        await query.within(town, shops, shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))


async def test_a_viewer_of_one_district_sees_its_rows_only_everywhere(town: Database, shops: Scope) -> None:
    viewer = Viewer("li", districts=("341502",), is_logged_in=True, roles=frozenset({"viewer"}))
    scope = scope_for(viewer, shops.layer)
    page = await query.features(town, scope, query.FeatureQuery(with_count=True))
    assert ([f.key for f in page.features], page.matched) == (["S001", "S002"], 2)
    with pytest.raises(NotFound):
        await query.feature(town, scope, "S010")
    assert await query.count(town, scope) == 2
    assert sum(c.count for c in await query.statistics(town, scope, "kind")) == 2
    assert [h.key for h in await query.search(town, [scope], "面")] == ["S001"]
    assert len(await query.nearest(town, scope, *HERE, 10)) == 2
    [here] = await query.identify(town, [scope], *HERE, 1000.0)
    assert {f.key for f in here.features} == {"S001", "S002"}
    area = shapely.box(116.4, 31.7, 116.6, 31.8)
    assert (await query.within(town, scope, area)).count == 2


async def test_hidden_fields_neither_leave_nor_answer_questions(town: Database, shops: Scope) -> None:
    scope = scope_for(ANONYMOUS, shops.layer)
    page = await query.features(town, scope, query.FeatureQuery())
    assert all("owner_phone" not in f.properties for f in page.features)
    for hidden in ("owner_phone", "manager"):
        with pytest.raises(BadRequest):
            await query.features(town, scope, query.FeatureQuery(filters=((hidden, "1"),)))
        with pytest.raises(BadRequest):
            await query.statistics(town, scope, hidden)
        with pytest.raises(BadRequest):
            await query.within(town, scope, shapely.box(116, 31, 117, 32), count_by=hidden)
        with pytest.raises(BadRequest):
            await query.nearest(town, scope, *HERE, filters=((hidden, "1"),))
        with pytest.raises(BadRequest):
            await query.features(town, scope, query.FeatureQuery(fields=(hidden,)))


@pytest.mark.parametrize(
    ("moment", "keys"),
    [
        ("2026-02-28", ["S001"]),
        ("2026-02-28T10:00:00Z/..", ["S001", "S002"]),
        ("../2026-02-28", ["S001"]),
        ("2026-03-01/2026-03-31", ["S002"]),
        ("2020-01-01/2020-02-01", []),
    ],
)
async def test_a_date_or_an_interval_of_dates_selects_by_a_field(
    town: Database, shops: Scope, moment: str, keys: list[str]
) -> None:
    page = await query.features(town, shops, query.FeatureQuery(filters=(("opened", moment),)))
    assert [f.key for f in page.features] == keys


@pytest.mark.parametrize(
    "wrong",
    [
        {"filters": (("opened", "yesterday/.."),)},
        {"filters": (("opened", "2026-02-30"),)},
        {"filters": (("opened", "../.."),)},
        {"filters": (("opened", "2026-02-02/2026-02-01"),)},
        {"filters": (("opened", "2026-02-02T10:00:00/.."),)},
        {"after": "!"},
        {"after": "LTE"},
        {"limit": -1},
        {"limit": 10**9},
        {"bbox": BoundingBox(0, 10, 1, 5)},
        {"bbox": BoundingBox(0, float("nan"), 1, 5)},
        {"bbox": BoundingBox(0, 0, 200, 5)},
        {"filters": (("floors", "9" * 30),)},
        {"filters": (("opened", "2026-13-01"),)},
        {"filters": (("name", "a\x00"),)},
    ],
)
async def test_an_impossible_question_is_refused_by_name(
    town: Database, shops: Scope, wrong: dict[str, object]
) -> None:
    with pytest.raises(BadRequest) as refused:
        await query.features(town, shops, query.FeatureQuery(**wrong))  # type: ignore[arg-type]
    assert refused.value.facts["field"]
    assert refused.value.facts["expected"]


@pytest.mark.parametrize(("lon", "lat"), [(200, 0), (0, 91), (float("nan"), 0), (0, float("inf"))])
async def test_an_absurd_place_is_refused(town: Database, shops: Scope, lon: float, lat: float) -> None:
    with pytest.raises(BadRequest):
        await query.identify(town, [shops], lon, lat)
    with pytest.raises(BadRequest):
        await query.nearest(town, shops, lon, lat)


@pytest.mark.parametrize(("lon", "lat"), [(180, 0), (-180, 90), (0, -90), (179.9999, 89.99)])
async def test_the_ends_of_the_earth_are_asked_without_error(
    town: Database, shops: Scope, lon: float, lat: float
) -> None:
    assert await query.identify(town, [shops], lon, lat, 10_000) == []
    assert len(await query.nearest(town, shops, lon, lat, 2)) == 2


async def test_a_box_across_the_date_line_has_two_sides(town: Database, shops: Scope) -> None:
    around = BoundingBox(170, 31, -170, 32)
    assert (await query.features(town, shops, query.FeatureQuery(bbox=around))).features == []
    long_way = BoundingBox(116.4, 31, 116.3, 32)
    assert len((await query.features(town, shops, query.FeatureQuery(bbox=long_way))).features) == 3


async def test_search_does_not_look_into_hidden_fields(town: Database, shops: Scope) -> None:
    layer = replace(shops.layer, search_fields=("code", "owner_phone"))
    assert [h.key for h in await query.search(town, [scope_for(SYSTEM, layer)], "1380000")] == ["S010"]
    for text in ("13800000000", "1380000", "800000"):
        assert await query.search(town, [scope_for(ANONYMOUS, layer)], text) == []


async def test_search_says_where_to_fly(town: Database, shops: Scope) -> None:
    [hit] = await query.search(town, [shops], "s002")
    assert (hit.title, hit.subtitle, hit.rank) == ("新城书店", "S002", 0)
    assert (hit.lon, hit.lat, hit.bounds) == (116.501, 31.74, (116.501, 31.74, 116.501, 31.74))
    with pytest.raises(BadRequest):
        await query.search(town, [shops], "长" * 101)


async def test_a_row_without_a_place_is_listed_but_is_nowhere(database: Database) -> None:
    scope = scope_for(SYSTEM, await published(database, batch({"code": "a", "name": "无处"}, places=[None])))
    [found] = (await query.features(database, scope, query.FeatureQuery())).features
    assert found.geometry is None
    assert await query.nearest(database, scope, *HERE) == []
    assert await query.identify(database, [scope], *HERE, 10_000) == []
    [hit] = await query.search(database, [scope], "无处")
    assert (hit.lon, hit.bounds) == (None, None)


async def test_an_older_version_answers_as_it_did_then(database: Database) -> None:
    layer = await published(database, SHOPS)
    await publish(database, await stage(database, layer, [batch({"code": "S001", "name": "茶馆"})]), by="li")
    then = scope_for(SYSTEM, await get_layer(database, "shop"), version=1)
    assert await query.count(database, then) == 3
    assert [h.title for h in await query.search(database, [then], "面馆")] == ["老城面馆"]
    assert [f.key for f in await query.nearest(database, then, *HERE, 2)] == ["S001", "S002"]
    assert {c.value: c.count for c in await query.statistics(database, then, "kind")} == {"1": 2, "2": 1}


async def test_a_hostile_field_name_is_only_a_name(database: Database) -> None:
    name = "a\"'; DROP TABLE onemap.layer; -- %(x)s :y 名"
    layer = shop_layer(
        fields=(Field("code", Text("", "")), Field(name, Text("", ""))),
        search_fields=("code", name),
        name_field=name,
        district_field=name,
        time_field=None,
    )
    layer = await published(database, batch({"code": "a", name: "3415%_x"}), layer=layer)
    viewer = Viewer("li", districts=("3415%",), is_logged_in=True)
    scope = scope_for(viewer, layer)
    [found] = (
        await query.features(database, scope, query.FeatureQuery(filters=((name, "3415%_x"),)))
    ).features
    assert found.properties[name] == "3415%_x"
    assert [h.key for h in await query.search(database, [scope], "415%_x")] == ["a"]
    assert (await query.statistics(database, scope, name))[0].count == 1
    assert await query.count(database, scope_for(replace(viewer, districts=("_415",)), layer)) == 0
