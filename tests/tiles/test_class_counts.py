"""Clusters far out: how many rows of which class they stand for, exactly, and to whom that is told."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import replace
from typing import Any

import mapbox_vector_tile
import pytest
from sqlalchemy import text

from api.tilejson import archive_layers
from gis.squares import Tile, tiles_over
from layers import class_counts, generalise
from layers.access import ANONYMOUS, SYSTEM, Scope, Viewer, scope_for
from layers.catalogue import Catalogue, get_layer, register
from layers.classes import class_field, class_title, titles_of_classes
from layers.db import Database
from layers.description import known_layers
from layers.finish import finish_what_waits
from layers.model import Field, Layer, Text
from layers.publish import Batch
from tests.tiles.town import DISTRICTS, put, shop_layer, shops
from tiles.cache import EncodedTile
from tiles.server import TileServer

WEST = Viewer("w", roles=frozenset({"viewer"}), districts=DISTRICTS[:1], is_logged_in=True)
KINDS = ["餐馆", "0402", "a'b\"c", None, "", "书店", "药店", "药店", "餐馆", "花店", "鞋店"]


@pytest.fixture(autouse=True)
def _crowded_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred rows are a crowd here, so that the tests stay quick."""
    monkeypatch.setattr(generalise, "TILE_FEATURES", 100)
    monkeypatch.setattr(generalise, "POINT_CELLS", 8)


def kinds_layer(**changes: Any) -> Layer:
    layer = shop_layer(class_field="kind", **changes)
    return replace(layer, fields=(*layer.fields, Field("kind", Text("业态", "Trade"))))


def kinds(count: int, seed: int = 1) -> Batch:
    batch = shops(count, seed)
    batch.columns["kind"] = [KINDS[n * n % len(KINDS)] for n in range(count)]
    return batch


def features(tile: EncodedTile, layer_id: str = "shop") -> list[dict[str, Any]]:
    decoded = mapbox_vector_tile.decode(gzip.decompress(tile.body_gzip))
    return list(decoded.get(layer_id, {}).get("features", []))


async def drawn(database: Database, scope: Scope, *tiles: Tile) -> list[dict[str, Any]]:
    """Attributes of the features of some tiles, each feature once though two tiles show it."""
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        found = [each for tile in tiles for each in features(await server.tile([scope], tile))]
    return list({each["id"]: each["properties"] for each in found}.values())


async def rows_by_kind(database: Database, where: str = "true") -> Counter[str]:
    async with database.connect() as connection:
        sql = f"SELECT coalesce(kind, ''), count(*) FROM onemap_rows.shop WHERE {where} GROUP BY 1"
        return Counter({kind: int(count) for kind, count in await connection.execute(text(sql))})


def told(properties: dict[str, Any]) -> dict[str, int]:
    return {n: v for n, v in properties.items() if n.startswith("_count_") or n == "_other"}


async def test_the_classes_of_a_cluster_add_up_to_its_rows_and_those_of_a_zoom_to_all_rows(
    database: Database,
) -> None:
    layer = await put(database, kinds_layer(), kinds(900))
    assert layer.generalised is not None
    assert layer.bounds is not None
    for zoom in range(layer.generalised[0], layer.generalised[1] + 1):
        points = await drawn(database, scope_for(ANONYMOUS, layer), *tiles_over(layer.bounds, zoom))
        clusters = [each for each in points if "_count" in each]
        assert all(sum(told(each).values()) == each["_count"] for each in clusters), zoom
        assert not any(told(each) for each in points if "_count" not in each)
        assert sum(each.get("_count", 1) for each in points) == 900, zoom
        assert all(len(told(each)) <= class_counts.TOLD_OF_A_CLUSTER + 1 for each in clusters)


async def test_a_class_that_every_cluster_has_room_for_is_counted_exactly_at_every_zoom(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_counts, "TOLD_OF_A_CLUSTER", 50)
    layer = await put(database, kinds_layer(), kinds(900))
    assert layer.generalised is not None
    exact = await rows_by_kind(database)
    first, last = layer.generalised
    async with database.connect() as connection:
        for zoom in range(first, last + 1):
            sql = (
                "SELECT name, sum(rows::int) FROM (SELECT _classes, _fid, _count FROM onemap_rows.shop__far "
                "WHERE _z = :z AND _count > 1) AS far, jsonb_each_text(_classes) AS told(name, rows) "
                "GROUP BY 1 UNION ALL "
                "SELECT '_count_' || coalesce(kind, ''), count(*) FROM onemap_rows.shop__far "
                "JOIN onemap_rows.shop USING (_fid) WHERE _z = :z AND _count = 1 GROUP BY 1"
            )
            counted: Counter[str] = Counter()
            for name, rows in await connection.execute(text(sql), {"z": zoom}):
                counted["" if name == "_other" else name.removeprefix("_count_")] += int(rows)
            assert counted == exact, zoom


async def test_a_viewer_of_one_district_counts_its_own_rows_only(database: Database) -> None:
    layer = await put(database, kinds_layer(), kinds(900))
    points = await drawn(database, scope_for(WEST, layer), Tile(0, 0, 0))
    own = await rows_by_kind(database, f"district_code = '{DISTRICTS[0]}'")
    assert sum(sum(told(each).values()) or 1 for each in points) == own.total()


async def test_classes_of_a_field_that_is_not_open_are_told_to_those_who_may_see_it_only(
    database: Database,
) -> None:
    layer = kinds_layer()
    internal = tuple(replace(f, sensitivity="internal") if f.name == "kind" else f for f in layer.fields)
    layer = await put(database, replace(layer, fields=internal), kinds(900))
    for viewer, is_told in ((ANONYMOUS, False), (SYSTEM, True)):
        points = await drawn(database, scope_for(viewer, layer), Tile(0, 0, 0))
        assert any(told(each) for each in points) is is_told
        assert bool(titles_of_classes(scope_for(viewer, layer))) is is_told


async def test_a_change_of_class_alone_makes_the_squares_new_in_which_it_is_told(database: Database) -> None:
    await put(database, kinds_layer(), kinds(900))
    changed = kinds(900)
    changed.columns["kind"][3] = "金店"
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        before = await server.tile([scope_for(ANONYMOUS, await catalogue.layer("shop"))], Tile(0, 0, 0))
        layer = await put(database, kinds_layer(), changed)
        await catalogue.caught_up("shop", layer.version)
        after = await server.tile([scope_for(ANONYMOUS, layer)], Tile(0, 0, 0))
    assert before.body_gzip != after.body_gzip


async def test_a_field_of_names_is_no_class(database: Database) -> None:
    layer = await put(database, shop_layer(class_field="name"), shops(900))
    assert layer.generalised is not None
    assert layer.classes == ()
    points = await drawn(database, scope_for(SYSTEM, layer), Tile(0, 0, 0))
    assert not any(told(each) for each in points)


async def test_only_frequent_classes_have_a_name_of_their_own(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_counts, "MOST_CLASSES", 3)
    layer = await put(database, kinds_layer(), kinds(900))
    assert len(layer.classes) == 3
    points = await drawn(database, scope_for(SYSTEM, layer), Tile(0, 0, 0))
    names = {name for each in points for name in told(each)}
    assert names <= {*(f"_count_{value}" for value in layer.classes), "_other"}
    assert sum(sum(told(each).values()) or 1 for each in points) == 900


async def test_another_class_field_makes_the_copy_anew_and_until_then_no_class_is_told(
    database: Database,
) -> None:
    await put(database, kinds_layer(), kinds(900))
    waiting = await register(database, replace(kinds_layer(), class_field="note"))
    assert waiting.unfinished == ("copy",)
    points = await drawn(database, scope_for(SYSTEM, waiting), Tile(0, 0, 0))
    assert points
    assert not any(told(each) for each in points)
    await finish_what_waits(database)
    layer = await get_layer(database, "shop")
    assert layer.classes == ("不进瓦片",)
    points = await drawn(database, scope_for(SYSTEM, layer), Tile(0, 0, 0))
    assert {name for each in points for name in told(each)} == {"_count_不进瓦片"}


async def test_other_programs_are_told_the_names_of_the_counts(database: Database) -> None:
    layer = await put(database, kinds_layer(), kinds(900))
    (described,) = archive_layers([scope_for(SYSTEM, layer)], range(3), "zh")
    points = await drawn(database, scope_for(SYSTEM, layer), Tile(0, 0, 0))
    assert {name for each in points for name in told(each)} <= set(described["fields"])


def test_a_strangers_class_is_the_field_that_is_called_so() -> None:
    names = ("编号", "名称", "设施类型", "kind")
    fields = tuple(Field(name, Text(name, name)) for name in names)
    stranger = Layer("lamps", Text("灯", "Lamps"), "other", "Point", fields, key="编号", name_field="名称")
    found = class_field(stranger)
    assert found is not None
    assert found.name == "设施类型"
    assert class_field(replace(stranger, fields=fields[:2])) is None


def test_component_classes_are_called_by_the_standards_table() -> None:
    component = next(layer for layer in known_layers() if layer.id == "component")
    field = class_field(component)
    assert field is not None
    assert class_title(field, "0137").zh == "路灯"
    assert class_title(field, "9999") == Text("9999", "9999")
