"""Features, identify, nearest, within, search: on scoped rows."""

from __future__ import annotations

import json
import random

import pyproj
import pytest
import shapely

from layers import query
from layers.access import ANONYMOUS, SYSTEM, Scope, Viewer, scope_for
from layers.catalogue import get_layer, register
from layers.db import Database
from layers.errors import BadRequest, NotFound
from layers.model import BoundingBox, Layer
from layers.publish import Batch, publish, stage
from tests.layers.specimens import HERE, batch, shop_layer

GEOD = pyproj.Geod(a=6378137.0, rf=298.257222101)
SHOPS = batch(
    {"code": "S001", "name": "老城面馆", "kind": "1", "floors": 2, "district_code": "341502"},
    {"code": "S002", "name": "新城书店", "kind": "2", "floors": 1, "district_code": "341502"},
    {"code": "S010", "name": "面", "kind": "1", "district_code": "341503", "owner_phone": "13800000000"},
)


async def published(database: Database, *batches: Batch, layer: Layer | None = None) -> Layer:
    registered = await register(database, layer or shop_layer())
    await publish(database, await stage(database, registered, batches), by="test")
    return await get_layer(database, registered.id)


@pytest.fixture
async def shops(database: Database) -> Scope:
    return scope_for(SYSTEM, await published(database, SHOPS))


async def test_pages_follow_each_other_without_gap_or_repetition(database: Database, shops: Scope) -> None:
    first = await query.features(database, shops, query.FeatureQuery(limit=2))
    second = await query.features(database, shops, query.FeatureQuery(limit=2, after=first.next))
    assert [f.key for f in (*first.features, *second.features)] == ["S001", "S002", "S010"]
    assert (first.matched, second.next) == (3, None)


async def test_a_feature_carries_geojson_longitude_first(database: Database, shops: Scope) -> None:
    found = await query.feature(database, shops, "S002")
    assert json.loads(found.geometry or "") == {"type": "Point", "coordinates": [116.501, 31.74]}
    assert found.properties["name"] == "新城书店"
    with pytest.raises(NotFound):
        await query.feature(database, shops, "nobody")


async def test_filters_are_typed_and_name_what_is_wrong(database: Database, shops: Scope) -> None:
    page = await query.features(database, shops, query.FeatureQuery(filters=(("floors", "2"),)))
    assert [f.key for f in page.features] == ["S001"]
    with pytest.raises(BadRequest) as wrong:
        await query.features(database, shops, query.FeatureQuery(filters=(("floors", "two"),)))
    assert wrong.value.facts["field"] == "floors"
    with pytest.raises(BadRequest):
        await query.features(database, shops, query.FeatureQuery(filters=(("' OR 1=1 --", "x"),)))
    hostile = query.FeatureQuery(filters=(("name", "' OR '1'='1"),))
    assert (await query.features(database, shops, hostile)).features == []


async def test_a_box_holds_what_lies_on_its_edge(database: Database, shops: Scope) -> None:
    box = BoundingBox(116.4, 31.7, 116.501, 31.8)
    page = await query.features(database, shops, query.FeatureQuery(bbox=box))
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
    database: Database, shops: Scope, text: str, keys: list[str]
) -> None:
    assert [h.key for h in await query.search(database, [shops], text)] == keys


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


async def test_counting_in_an_area_gives_values_with_titles(database: Database, shops: Scope) -> None:
    area = shapely.box(116.49, 31.73, 116.503, 31.75)
    found = await query.within(database, shops, area, count_by="kind", limit=1)
    assert (found.count, len(found.features)) == (3, 1)
    assert [(c.value, c.title.zh if c.title else None, c.count) for c in found.counts] == [
        ("1", "餐饮", 2),
        ("2", "书店", 1),
    ]
    with pytest.raises(BadRequest):
        await query.within(database, shops, shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))


async def test_a_viewer_of_one_district_sees_its_rows_only_everywhere(
    database: Database, shops: Scope
) -> None:
    viewer = Viewer("li", districts=("341502",), is_logged_in=True, roles=frozenset({"viewer"}))
    scope = scope_for(viewer, shops.layer)
    page = await query.features(database, scope, query.FeatureQuery(with_count=True))
    assert ([f.key for f in page.features], page.matched) == (["S001", "S002"], 2)
    with pytest.raises(NotFound):
        await query.feature(database, scope, "S010")
    assert await query.count(database, scope) == 2
    assert sum(c.count for c in await query.statistics(database, scope, "kind")) == 2
    assert [h.key for h in await query.search(database, [scope], "面")] == ["S001"]
    assert len(await query.nearest(database, scope, *HERE, 10)) == 2
    [here] = await query.identify(database, [scope], *HERE, 1000.0)
    assert {f.key for f in here.features} == {"S001", "S002"}
    area = shapely.box(116.4, 31.7, 116.6, 31.8)
    assert (await query.within(database, scope, area)).count == 2


async def test_hidden_fields_neither_leave_nor_answer_questions(database: Database, shops: Scope) -> None:
    scope = scope_for(ANONYMOUS, shops.layer)
    page = await query.features(database, scope, query.FeatureQuery())
    assert all("owner_phone" not in f.properties for f in page.features)
    for hidden in ("owner_phone", "manager"):
        with pytest.raises(BadRequest):
            await query.features(database, scope, query.FeatureQuery(filters=((hidden, "1"),)))
        with pytest.raises(BadRequest):
            await query.statistics(database, scope, hidden)
        with pytest.raises(BadRequest):
            await query.within(database, scope, shapely.box(116, 31, 117, 32), count_by=hidden)
        with pytest.raises(BadRequest):
            await query.nearest(database, scope, *HERE, filters=((hidden, "1"),))
        with pytest.raises(BadRequest):
            await query.features(database, scope, query.FeatureQuery(fields=(hidden,)))
