"""Registered tables over HTTP: by admins, for everybody the layer is for; and when the table goes away."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import httpx2
import mapbox_vector_tile
import pytest

from api.app import create_app
from api.settings import ApiSettings
from gis.squares import tile_at
from tests.api.city import EAST, LAT, WEST
from tests.api.conftest import City, client_of
from tests.layers.registered_tables import TABLES, ask_sql, run_sql
from tests.layers.registered_tables import WEST as SHOPS_WEST

ROUTE = "/api/v1/registered-layers"
SHOP = {"table": "gis.shop", "id": "my_shop", "title": "商铺", "access": "public"}


@pytest.fixture
def shop(own_city: City) -> City:
    run_sql(own_city.url, TABLES.replace("CREATE SCHEMA gis;", ""))
    return own_city


async def registered(client: httpx2.AsyncClient, city: City, **said: Any) -> httpx2.Response:
    return await client.post(ROUTE, json={**SHOP, **said}, headers=city.headers("admin"))


async def tile(client: httpx2.AsyncClient, address: str) -> httpx2.Response:
    return await client.get(address, headers={"Accept-Encoding": "gzip"})


def drawn(answer: httpx2.Response) -> dict[str, int]:
    body = gzip.decompress(answer.content) if answer.content[:2] == b"\x1f\x8b" else answer.content
    return {name: len(part["features"]) for name, part in mapbox_vector_tile.decode(body).items()}


async def test_an_admin_looks_registers_and_forgets(own_city_client: httpx2.AsyncClient, shop: City) -> None:
    looked = await registered(own_city_client, shop, dry_run=True)
    assert looked.status_code == 200
    assert (looked.json()["table"], looked.json()["srid"]) == ("gis.shop", 4490)
    assert (await own_city_client.get("/api/v1/layers/my_shop")).status_code == 404
    made = await registered(own_city_client, shop, fields=["name", "select", "中文列名"])
    assert made.status_code == 201
    layer = (await own_city_client.get("/api/v1/layers/my_shop")).json()
    assert layer == made.json()["layer"]
    assert (layer["kind"], layer["version"], layer["feature_count"]) == ("registered", 1, 100)
    assert [f["name"] for f in layer["fields"]] == ["id", "name", "select", "中文列名"]
    items = await own_city_client.get("/ogc/collections/my_shop/items?select=s7")
    (item,) = items.json()["features"]
    assert item["properties"] == {"id": 7, "name": "第7家", "select": "s7", "中文列名": "值7"}
    assert "numberMatched" not in (await own_city_client.get("/ogc/collections/my_shop/items")).json()
    gone = await own_city_client.delete(f"{ROUTE}/my_shop", headers=shop.headers("admin"))
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await own_city_client.get("/api/v1/layers/my_shop")).status_code == 404
    assert ask_sql(shop.url, "SELECT count(*) FROM gis.shop") == 100


@pytest.mark.parametrize(
    ("said", "status", "field"),
    [
        ({"table": "nonsense"}, 400, "table"),
        ({"table": "onemap.account"}, 400, "table"),
        ({"table": "gis.nothing"}, 404, None),
        ({"id": "building"}, 409, None),
        ({"id": "No Id"}, 422, "id"),
        ({"key": "name; DROP TABLE gis.shop"}, 400, "key"),
        ({"geometry": 'geom" FROM gis.shop; --'}, 400, "geometry"),
        ({"fields": ["nothing"]}, 400, "fields"),
        ({"srid": 3857}, 400, "srid"),
        ({"type": "Polygon"}, 400, "type"),
        ({"zone": "'; DROP TABLE gis.shop; --"}, 400, "zone"),
        ({"sensitive": {"name": "secret"}}, 422, "sensitive.name"),
        ({"time_field": "name"}, 422, "time_field"),
        ({"sensitive": {"id": "personal"}}, 422, "key"),
        ({"nonsense": 1}, 422, "nonsense"),
        ({"table": "gis.shop\x00"}, 400, "table"),
    ],
)
async def test_what_cannot_be_registered_is_named(
    own_city_client: httpx2.AsyncClient, shop: City, said: dict[str, Any], status: int, field: str | None
) -> None:
    answer = await registered(own_city_client, shop, **said)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("field") == field
    assert ask_sql(shop.url, "SELECT count(*) FROM gis.shop") == 100


async def test_refreshing_and_checking(own_city_client: httpx2.AsyncClient, shop: City) -> None:
    admin = shop.headers("admin")
    await registered(own_city_client, shop)
    assert (await own_city_client.get(f"{ROUTE}/my_shop", headers=admin)).json() == {
        "is_ok": True,
        "findings": [],
    }
    run_sql(shop.url, "DROP INDEX gis.shop_geom_idx", "DELETE FROM gis.shop WHERE id > 9")
    again = await own_city_client.post(f"{ROUTE}/my_shop/refresh", headers=admin)
    assert (again.json()["layer"]["version"], again.json()["layer"]["feature_count"]) == (2, 10)
    assert again.json()["findings"][0]["sql"].startswith("CREATE INDEX CONCURRENTLY")
    run_sql(shop.url, "ALTER TABLE gis.shop DROP phone")
    wrong = (await own_city_client.get(f"{ROUTE}/my_shop", headers=admin)).json()
    assert (wrong["is_ok"], wrong["findings"][0]["kind"]) == (False, "fault")
    assert (await own_city_client.get("/readyz")).json()["layers_unavailable"] == 1
    for layer, status in (("building", 409), ("nothing", 404)):
        answer = await own_city_client.post(f"{ROUTE}/{layer}/refresh", headers=admin)
        assert answer.status_code == status


async def test_nothing_is_imported_into_it_rolled_back_or_asked_as_of_before(
    own_city_client: httpx2.AsyncClient, shop: City
) -> None:
    admin = shop.headers("admin")
    await registered(own_city_client, shop)
    await own_city_client.post(f"{ROUTE}/my_shop/refresh", headers=admin)
    back = await own_city_client.post("/api/v1/layers/my_shop/rollback", json={"version": 1}, headers=admin)
    assert back.status_code == 409
    assert (await own_city_client.get("/api/v1/layers/my_shop/versions")).json() == {"versions": []}
    for address in (
        "/ogc/collections/my_shop/items?version=1",
        "/ogc/collections/my_shop/items?datetime=2020-01-01",
        "/tiles/my_shop/14/13489/6644.mvt?version=1",
        "/api/v1/layers/my_shop/compare?from=1&to=2",
    ):
        answer = await own_city_client.get(address)
        assert answer.status_code == 404, address
        assert "不保留历史版本" in answer.json()["detail"]
    for action in ("withdraw", "restore"):
        answer = await own_city_client.post(f"/api/v1/layers/my_shop/{action}", headers=admin)
        assert answer.status_code == 200


async def test_a_table_that_is_gone_takes_down_its_own_layer_only(
    own_city_client: httpx2.AsyncClient, own_city: City
) -> None:
    z, x, y = tile_at(WEST, LAT, 14)
    run_sql(own_city.url, "ALTER TABLE gis.plaza RENAME TO away")
    for address in (
        "/ogc/collections/plaza/items",
        "/ogc/collections/plaza/items/R1",
        f"/tiles/plaza/{z}/{x}/{y}.mvt",
        f"/api/v1/layers/plaza/nearest?lon={WEST}&lat={LAT}",
        f"/api/v1/identify?lon={WEST}&lat={LAT}&layers=plaza",
    ):
        answer = await own_city_client.get(address)
        assert (answer.status_code, answer.json()["layers"]) == (503, ["plaza"]), address
        assert "“广场”" in answer.json()["detail"]
        assert "gis" not in answer.text
    here = (await own_city_client.get(f"/api/v1/identify?lon={WEST}&lat={LAT}&radius_m=100")).json()
    assert here["unavailable"] == ["plaza"]
    assert {"building", "component"} <= {layer["layer"] for layer in here["layers"]}
    found = (await own_city_client.get("/api/v1/search?q=B1")).json()
    assert (found["unavailable"], [hit["id"] for hit in found["results"]]) == (["plaza"], ["B1"])
    together = await tile(own_city_client, f"/tiles/plaza,component/{z}/{x}/{y}.mvt")
    assert set(drawn(together)) == {"component"}
    assert together.headers["x-onemap-unavailable"] == "plaza"
    assert together.headers["cache-control"] == "no-store"
    everything = await tile(own_city_client, f"/ogc/tiles/WebMercatorQuad/{z}/{y}/{x}")
    assert "building" in drawn(everything)
    ready = await own_city_client.get("/readyz")
    assert (ready.status_code, ready.json()["layers_unavailable"]) == (200, 1)
    run_sql(own_city.url, "ALTER TABLE gis.away RENAME TO plaza")
    assert (await own_city_client.get("/ogc/collections/plaza/items")).status_code == 200


async def test_a_table_nobody_watches_is_asked_about_again_soon(
    own_city_client: httpx2.AsyncClient, shop: City
) -> None:
    await registered(own_city_client, shop)
    told = (await own_city_client.get("/tiles/my_shop.json")).json()
    assert told["bounds"] == pytest.approx([-180, -85.0511, 180, 85.0511], abs=1e-4)
    assert told["center"][:2] == pytest.approx([116.4845, 31.7245])
    z, x, y = tile_at(SHOPS_WEST, 31.72, 14)
    address = told["tiles"][0].format(z=z, x=x, y=y)
    first = await tile(own_city_client, address)
    assert first.headers["cache-control"] == "public, max-age=30"
    items = "/ogc/collections/my_shop/items"
    etag = (await own_city_client.get(items)).headers["etag"]
    assert (await own_city_client.get(items, headers={"If-None-Match": etag})).status_code == 200


async def test_a_followed_table_changes_the_map_in_every_process(shop: City) -> None:
    async def version(client: httpx2.AsyncClient, at_least: int) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                layer: dict[str, Any] = (await client.get("/api/v1/layers/my_shop")).json()
                if layer.get("version", 0) >= at_least:
                    return layer
                await asyncio.sleep(0.02)

    apps = [create_app(ApiSettings(), shop.url) for _ in range(2)]
    async with (
        apps[0].router.lifespan_context(apps[0]),
        apps[1].router.lifespan_context(apps[1]),
        client_of(apps[0]) as one,
        client_of(apps[1]) as other,
    ):
        made = await registered(one, shop, follow=True)
        assert made.json()["follows"] is True
        await version(other, 1)
        told = (await one.get("/tiles/my_shop.json")).json()
        z, x, y = tile_at(SHOPS_WEST, 31.72, 14)
        first = await tile(one, told["tiles"][0].format(z=z, x=x, y=y))
        assert first.headers["cache-control"] == "public, max-age=0, must-revalidate"
        items = "/ogc/collections/my_shop/items"
        etag = (await one.get(items)).headers["etag"]
        assert (await one.get(items, headers={"If-None-Match": etag})).status_code == 304
        run_sql(shop.url, "DELETE FROM gis.shop WHERE id >= 5")
        for client in (one, other):
            assert (await version(client, 2))["version"] == 2
        again = (await one.get("/tiles/my_shop.json")).json()
        assert again["tiles"] != told["tiles"]
        fresh = await tile(one, again["tiles"][0].format(z=z, x=x, y=y))
        assert drawn(fresh) == {"my_shop": 5}
        assert (await one.get(items, headers={"If-None-Match": etag})).status_code == 200
        run_sql(shop.url, "TRUNCATE gis.shop")
        await version(other, 3)
        await version(one, 3)
        empty = await tile(one, f"/tiles/my_shop/{z}/{x}/{y}.mvt")
        assert empty.status_code == 204


async def test_people_see_of_it_what_is_theirs(city_client: httpx2.AsyncClient, city: City) -> None:
    for person, keys in ((None, ["R1", "R2"]), ("jinan", ["R1"]), ("admin", ["R1", "R2"])):
        answer = await city_client.get("/ogc/collections/plaza/items", headers=city.headers(person))
        assert [feature["id"] for feature in answer.json()["features"]] == keys
        for feature in answer.json()["features"]:
            assert "secret" not in feature["properties"]
            assert feature["geometry"]["coordinates"][0] == pytest.approx(
                WEST if feature["id"] == "R1" else EAST
            )
