"""Function layers over HTTP: what is said in the address, who may, and what is not asked of them."""

from __future__ import annotations

import gzip

import httpx2
import mapbox_vector_tile
import pytest

from gis.squares import tile_at
from layers import db as database_module
from layers.db import Database
from tests.api.conftest import City
from tests.layers.functions import FUNCTIONS, registered_function
from tests.layers.registered_tables import SOUTH, TABLES, WEST, run_sql

PLACE = "/".join(map(str, tile_at(WEST + 0.0045, SOUTH + 0.0045, 13)))


@pytest.fixture
async def shops(own_city: City) -> City:
    run_sql(own_city.url, TABLES.replace("CREATE SCHEMA gis;", ""), FUNCTIONS)
    async with Database(own_city.url) as db:
        await registered_function(
            db, "open_shops", key="id", geometry_type="Point", allowed={"least_floors": "0..9"}
        )
        await registered_function(db, "Where 在%哪", id="here", srid=3857, access="login")
    return own_city


def ids(answer: httpx2.Response) -> set[int]:
    assert answer.status_code == 200, answer.text
    body = gzip.decompress(answer.content) if answer.content[:2] == b"\x1f\x8b" else answer.content
    (part,) = mapbox_vector_tile.decode(body).values()
    return {feature.get("id", 0) for feature in part["features"]}


async def test_arguments_in_the_address_choose_what_is_drawn(
    own_city_client: httpx2.AsyncClient, shops: City
) -> None:
    client = own_city_client
    everything = await client.get(f"/tiles/open_shops/{PLACE}.mvt")
    assert len(ids(everything)) > 50
    assert everything.headers["cache-control"] == "public, max-age=30"
    z, x, y = PLACE.split("/")
    for address in (
        f"/tiles/open_shops/{PLACE}.mvt",
        f"/ogc/collections/open_shops/tiles/WebMercatorQuad/{z}/{y}/{x}",
    ):
        for cached in ("miss", "hit"):
            one = await client.get(f"{address}?kind=s7&least_floors=1")
            assert ids(one) == {7}
            if address.startswith("/tiles"):
                assert one.headers["x-onemap-cache"] == cached


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("least_floors=10", "least_floors"),
        ("least_floors=x", "least_floors"),
        ("least_floors=1&least_floors=2", "least_floors"),
        ("floors=1", "floors"),
        ("bounds=1", "bounds"),
        ("filter=floors%3D1", "filter"),
    ],
)
async def test_what_may_not_be_said_is_told_by_name(
    own_city_client: httpx2.AsyncClient, shops: City, query: str, field: str
) -> None:
    for path in (f"/tiles/open_shops/{PLACE}.mvt", "/tiles/open_shops.json"):
        refused = await own_city_client.get(f"{path}?{query}")
        assert (refused.status_code, refused.json()["field"]) == (400, field), refused.text


async def test_other_layers_still_refuse_what_nobody_knows(
    own_city_client: httpx2.AsyncClient, shops: City
) -> None:
    for path in (f"/tiles/district/{PLACE}.mvt", "/tiles/district.json"):
        refused = await own_city_client.get(f"{path}?least_floors=1")
        assert (refused.status_code, refused.json()["field"]) == (400, "least_floors")


async def test_the_tilejson_and_the_list_tell_what_may_be_said(
    own_city_client: httpx2.AsyncClient, shops: City
) -> None:
    client = own_city_client
    told = (await client.get("/tiles/open_shops.json?kind=s7")).json()
    assert [(p["name"], p["type"], p["required"]) for p in told["parameters"]] == [
        ("least_floors", "integer", False),
        ("kind", "text", False),
    ]
    assert (told["parameters"][0]["least"], told["parameters"][0]["most"]) == ("0", "9")
    (url,) = told["tiles"]
    path = httpx2.URL(url.replace("{z}/{x}/{y}", PLACE)).raw_path.decode()
    assert ids(await client.get(path)) == {7}
    layer = (await client.get("/api/v1/layers/open_shops")).json()
    assert (layer["kind"], layer["feature_count"]) == ("function", None)
    assert layer["parameters"] == told["parameters"]
    admin = shops.headers("admin")
    needed = (await client.get("/tiles/here.json", headers=admin)).json()
    assert needed["tiles"][0].endswith("&%E9%AB%98%E4%BA%8E={高于}")
    missing = await client.get(f"/tiles/here/{PLACE}.mvt", headers=admin)
    assert (missing.status_code, missing.json()["field"]) == (400, "高于")
    there = await client.get(f"/tiles/here/{PLACE}.mvt?高于=2026-01-01", headers=admin)
    assert there.status_code == 200


async def test_rights_hold_for_tiles_and_tilejson(own_city_client: httpx2.AsyncClient, shops: City) -> None:
    for path in (f"/tiles/here/{PLACE}.mvt?高于=2026-01-01", "/tiles/here.json"):
        assert (await own_city_client.get(path)).status_code == 401
    assert "here" not in {
        layer["id"] for layer in (await own_city_client.get("/api/v1/layers")).json()["layers"]
    }


async def test_one_that_takes_too_long_is_cancelled_and_the_caller_told_to_come_back(
    own_city_client: httpx2.AsyncClient, shops: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "DRAW_TIMEOUT_MS", 200)
    async with Database(shops.url) as db:
        await registered_function(db, "waits")
    refused = await own_city_client.get(f"/tiles/waits/{PLACE}.mvt", headers={"Accept-Language": "en"})
    assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (503, True)
    assert "too long" in refused.json()["detail"]
    district = await own_city_client.get(f"/tiles/district/{PLACE}.mvt")
    assert district.status_code in (200, 204), "others go on"


async def test_no_rows_are_asked_of_it_and_no_style_draws_one_that_must_be_told(
    own_city_client: httpx2.AsyncClient, shops: City
) -> None:
    client, admin = own_city_client, shops.headers("admin")
    items = await client.get("/ogc/collections/open_shops/items")
    assert items.status_code == 400
    assert "/tiles/open_shops/" in items.json()["detail"]
    collection = (await client.get("/ogc/collections/open_shops")).json()
    assert {link["rel"].rpartition("/")[2] for link in collection["links"]} == {
        "self", "tilesets-vector", "alternate",
    }  # fmt: skip
    style = (await client.get("/styles/all.json", headers=admin)).json()
    assert "function:open_shops" in style["sources"]
    assert "function:here" not in style["sources"]
    everything = await client.get(
        "/ogc/tiles/WebMercatorQuad/" + "/".join(PLACE.split("/")[i] for i in (0, 2, 1))
    )
    assert everything.status_code in (200, 204)
    identified = await client.get(f"/api/v1/identify?lon={WEST}&lat={SOUTH}")
    assert identified.status_code == 200


async def test_only_the_command_line_registers_and_forgets(
    own_city_client: httpx2.AsyncClient, shops: City
) -> None:
    route, admin = "/api/v1/registered-layers", shops.headers("admin")
    made = await own_city_client.post(
        route, json={"table": "gis.all_shops", "id": "another", "title": "a"}, headers=admin
    )
    assert made.status_code == 404
    for answer in (
        await own_city_client.delete(f"{route}/open_shops", headers=admin),
        await own_city_client.post(f"{route}/open_shops/refresh", headers=admin),
        await own_city_client.get(f"{route}/open_shops", headers=admin),
    ):
        assert answer.status_code == 409
    rolled = await own_city_client.post(
        "/api/v1/layers/open_shops/rollback", json={"version": 1}, headers=admin
    )
    assert rolled.status_code == 409
    earlier = await own_city_client.get(f"/tiles/open_shops/{PLACE}.mvt?datetime=2001-01-01")
    assert earlier.status_code == 404
