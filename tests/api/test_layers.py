"""Layers, themes and styles as a viewer sees them; what a publisher may do."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from layers.accounts import create_account, make_key
from layers.db import Database
from tests.api.city import CITY, JINAN
from tests.api.conftest import City

PUBLIC = {"building", "community", "component", "district", "plaza", "station", "street", "unit_grid"}


async def test_a_layer_says_what_it_holds(city_client: httpx2.AsyncClient) -> None:
    told = (await city_client.get("/api/v1/layers/building")).json()
    assert told["title"] == {"zh": "房屋", "en": "Buildings"}
    assert (told["version"], told["feature_count"], told["status"]) == (1, 2, "published")
    assert told["bounds"] == pytest.approx([116.4895, 31.7395, 116.5105, 31.7405])
    assert "floors_total" in [field["name"] for field in told["fields"]]


async def test_a_layer_its_version_and_its_collection_say_how_coordinates_came_to_be(
    city_client: httpx2.AsyncClient,
) -> None:
    layer = (await city_client.get("/api/v1/layers/building")).json()
    (version,) = (await city_client.get("/api/v1/layers/building/versions")).json()["versions"]
    collection = (await city_client.get("/ogc/collections/building")).json()
    (origin,) = layer["origins"]
    assert version["origins"] == collection["origins"] == [origin]
    assert origin["system"].startswith("EPSG:4527")
    assert (origin["is_assumed"], origin["error_m"], origin["file"]) == (False, 0.001, "房屋.shp")
    assert origin["transform"]["zh"] == "同一基准，仅换算投影"
    assert (await city_client.get("/api/v1/layers/community")).json()["origins"] == []


@pytest.mark.parametrize(
    ("person", "visible"),
    [
        (None, PUBLIC),
        ("jinan", PUBLIC | {"pipe_line"}),
        ("viewer", PUBLIC | {"pipe_line", "depot"}),
        ("dispatcher", PUBLIC | {"pipe_line", "depot", "secret_site"}),
        ("publisher", set(CITY)),
    ],
)
async def test_everyone_sees_the_layers_open_to_them(
    city_client: httpx2.AsyncClient, city: City, person: str | None, visible: set[str]
) -> None:
    answer = await city_client.get("/api/v1/layers", headers=city.headers(person))
    assert {layer["id"] for layer in answer.json()["layers"] if layer["version"]} == visible


async def test_a_layer_that_was_withdrawn_is_not_there(city_client: httpx2.AsyncClient) -> None:
    assert (await city_client.get("/api/v1/layers/old_site")).status_code == 404


async def test_a_layer_behind_a_login_asks_for_one(city_client: httpx2.AsyncClient, city: City) -> None:
    answer = await city_client.get("/api/v1/layers/pipe_line")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    refused = await city_client.get("/api/v1/layers/secret_site", headers=city.headers("viewer"))
    assert refused.status_code == 403


async def test_themes_hold_the_layers_in_their_order(city_client: httpx2.AsyncClient, city: City) -> None:
    themes = (await city_client.get("/api/v1/themes", headers=city.headers("viewer"))).json()["themes"]
    held = {theme["id"]: theme["layers"] for theme in themes}
    assert held["base"] == ["district", "street", "community"]
    assert held["pipe"] == ["pipe_line"]
    assert held["other"] == ["depot", "plaza"]


async def test_a_layer_can_be_withdrawn_restored_and_rolled_back(
    own_city_client: httpx2.AsyncClient, own_city: City
) -> None:
    by = own_city.headers("publisher")
    gone = await own_city_client.post("/api/v1/layers/building/withdraw", headers=by)
    assert gone.json()["status"] == "withdrawn"
    assert (await own_city_client.get("/ogc/collections/building/items")).status_code == 404
    again = await own_city_client.post("/api/v1/layers/building/withdraw", headers=by)
    assert again.status_code == 409
    back = await own_city_client.post("/api/v1/layers/building/restore", headers=by)
    assert back.json()["status"] == "published"
    same = await own_city_client.post("/api/v1/layers/building/rollback", headers=by, json={"version": 1})
    assert same.status_code == 409
    none = await own_city_client.post("/api/v1/layers/building/rollback", headers=by, json={"version": 9})
    assert none.status_code == 404


@pytest.mark.parametrize(
    ("who", "statuses"),
    [
        ({"department": "ZJ01"}, (200, 200, 409)),
        ({"department": "CG01"}, (403, 403, 403)),
        ({"districts": (JINAN,)}, (403, 403, 409)),
        ({"department": "ZJ01", "districts": (JINAN,)}, (403, 403, 409)),
    ],
)
async def test_a_layer_is_withdrawn_and_rolled_back_by_those_it_belongs_to(
    own_city_client: httpx2.AsyncClient, own_city: City, who: dict[str, Any], statuses: tuple[int, ...]
) -> None:
    async with Database(own_city.url) as db:
        await create_account(db, "li", roles=("publisher",), **who)
        headers = {"Authorization": f"Bearer {await make_key(db, 'li')}"}
    answers = [
        await own_city_client.post(f"/api/v1/layers/building/{verb}", headers=headers, json=body)
        for verb, body in (("withdraw", None), ("restore", None), ("rollback", {"version": 1}))
    ]
    assert tuple(answer.status_code for answer in answers) == statuses


async def test_versions_are_told_and_who_published_them_to_accounts(
    city_client: httpx2.AsyncClient, city: City
) -> None:
    for person, publisher in ((None, None), ("viewer", "test")):
        answer = await city_client.get("/api/v1/layers/building/versions", headers=city.headers(person))
        told = answer.json()["versions"]
        assert [(v["number"], v["added"], v["published_by"]) for v in told] == [(1, 2, publisher)]


@pytest.mark.parametrize("theme", ["all", "base", "grid", "pipe", "building", "ecology", "other"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_style_asks_nobody_else_for_anything(
    city_client: httpx2.AsyncClient, city: City, theme: str, scheme: str
) -> None:
    answer = await city_client.get(f"/styles/{theme}.json?scheme={scheme}", headers=city.headers("admin"))
    style = answer.json()
    assert style["version"] == 8
    assert '"@' not in answer.text
    assert "http" not in re.sub("http://city.test/(tiles|sprites|fonts)/", "", answer.text)
    for layer in style["layers"][1:]:
        assert layer["source"] in style["sources"]
        assert layer["source-layer"] in style["sources"][layer["source"]]["url"]
    ids = [layer["id"] for layer in style["layers"]]
    assert len(ids) == len(set(ids))


async def test_a_style_holds_only_what_the_viewer_may_see(
    city_client: httpx2.AsyncClient, city: City
) -> None:
    style = (await city_client.get("/styles/all.json")).json()
    drawn = {layer.get("source-layer") for layer in style["layers"]} - {None}
    assert drawn == PUBLIC
    mine = (await city_client.get("/styles/all.json", headers=city.headers("viewer"))).json()
    assert {"pipe_line", "depot"} <= {layer.get("source-layer") for layer in mine["layers"]}


async def test_a_style_is_kept_until_it_changes(city_client: httpx2.AsyncClient) -> None:
    first = await city_client.get("/styles/all.json")
    again = await city_client.get("/styles/all.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    dark = await city_client.get("/styles/all.json?scheme=dark")
    assert dark.headers["etag"] != first.headers["etag"]


async def test_an_unknown_theme_is_not_found(city_client: httpx2.AsyncClient) -> None:
    assert (await city_client.get("/styles/nowhere.json")).status_code == 404
