"""`filter` over HTTP: on items, on tiles in every form of address, and through TileJSON."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import httpx2
import mapbox_vector_tile
import pyogrio.raw
import pytest

from api.filter_parameter import CONFORMS_TO
from api.ogc_parameters import STORAGE_CRS
from gis.squares import tile_at

ITEMS = "/ogc/collections/building/items"
PLACE = tile_at(116.49, 31.74, 14)
TILE = f"/tiles/building/{PLACE.z}/{PLACE.x}/{PLACE.y}.mvt"
OGC_TILE = f"/ogc/collections/building/tiles/WebMercatorQuad/{PLACE.z}/{PLACE.y}/{PLACE.x}"
OF_ALL = f"/ogc/tiles/WebMercatorQuad/{PLACE.z}/{PLACE.y}/{PLACE.x}"


async def test_what_is_kept_is_declared(city_client: httpx2.AsyncClient) -> None:
    told = (await city_client.get("/ogc/conformance")).json()["conformsTo"]
    assert set(CONFORMS_TO) <= set(told)


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"filter": "floors_total > 6"}, ["B2"]),
        ({"filter": "floors_total > 6", "filter-lang": "cql2-text"}, ["B2"]),
        ({"filter": "CASEI(name) LIKE '甲%'"}, ["B1"]),
        ({"filter": "floors_total > 6", "name": "甲楼"}, []),
        ({"filter": "floors_total > 1", "bbox": "116.48,31.73,116.50,31.75"}, ["B1"]),
        ({"filter": "S_INTERSECTS(geometry, POINT(116.49 31.74))"}, ["B1"]),
        ({"filter": "S_INTERSECTS(geometry, POINT(31.74 116.49))", "filter-crs": STORAGE_CRS}, ["B1"]),
        (
            {
                "filter": json.dumps({"op": ">", "args": [{"property": "floors_total"}, 6]}),
                "filter-lang": "cql2-json",
            },
            ["B2"],
        ),
    ],
)
async def test_items_are_chosen(
    city_client: httpx2.AsyncClient, given: dict[str, str], keys: list[str]
) -> None:
    answer = await city_client.get(ITEMS, params=given)
    assert answer.status_code == 200, answer.text
    assert [feature["id"] for feature in answer.json()["features"]] == keys


async def test_next_links_keep_the_filter(city_client: httpx2.AsyncClient) -> None:
    text = quote("name LIKE '%楼%' AND floors_total >= 6")
    address, keys = f"{ITEMS}?limit=1&filter={text}", []
    for _ in range(4):
        told = (await city_client.get(address)).json()
        keys += [feature["id"] for feature in told["features"]]
        onward = [link["href"] for link in told["links"] if link["rel"] == "next"]
        if not onward:
            break
        assert "filter=" in onward[0]
        address = onward[0]
    assert keys == ["B1", "B2"]


WRONG = [
    ({"filter": "colour = 'red'"}, "colour"),
    ({"filter": "owner_phone = '1'"}, "owner_phone"),
    ({"filter": "floors_total = 'six'"}, "filter"),
    ({"filter": "floors_total ="}, "filter"),
    ({"filter": "(" * 200}, "filter"),
    ({"filter": "a = " + "-" * 8000 + "1"}, "filter"),
    ({"filter": "name = '" + "x" * 9000 + "'"}, "filter"),
    ({"filter": "{", "filter-lang": "cql2-json"}, "filter"),
    ({"filter": "floors_total = 6", "filter-lang": "sql"}, "filter-lang"),
    ({"filter": "floors_total = 6", "filter-crs": "EPSG:1"}, "filter-crs"),
    ({"filter-lang": "cql2-text"}, "filter-lang"),
]


@pytest.mark.parametrize("path", [ITEMS, TILE, OGC_TILE, "/tiles/building.json"])
@pytest.mark.parametrize(("given", "field"), WRONG)
async def test_a_wrong_filter_is_refused_by_name(
    city_client: httpx2.AsyncClient, path: str, given: dict[str, str], field: str
) -> None:
    answer = await city_client.get(path, params=given)
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


@pytest.mark.parametrize("path", [TILE, OGC_TILE])
async def test_tiles_hold_what_the_filter_chooses(city_client: httpx2.AsyncClient, path: str) -> None:
    for _ in range(2):
        drawn = {}
        for text in ("floors_total > 6", "floors_total <= 6", "floors_total > 99"):
            answer = await city_client.get(path, params={"filter": text})
            decoded = mapbox_vector_tile.decode(answer.content) if answer.content else {}
            names = [f["properties"]["code"] for p in decoded.values() for f in p["features"]]
            drawn[text] = (answer.status_code, names)
        assert [status for status, _ in drawn.values()] == [204, 200, 204]
        assert drawn["floors_total <= 6"][1] == ["B1"]


async def test_a_filter_on_tiles_of_several_layers_is_refused(city_client: httpx2.AsyncClient) -> None:
    several = TILE.replace("building", "building,component")
    both = f"{OF_ALL}?collections=building,component&"
    for path in (f"{several}?", f"{OF_ALL}?", both, "/tiles/building,component.json?"):
        answer = await city_client.get(f"{path}filter=TRUE")
        assert (answer.status_code, answer.json()["field"]) == (400, "filter"), path
    one = await city_client.get(OF_ALL, params={"collections": "building", "filter": "floors_total > 99"})
    assert one.status_code == 204


async def test_tilejson_hands_the_filter_to_its_tiles(city_client: httpx2.AsyncClient) -> None:
    given = {"filter": "name LIKE '%楼%' AND floors_total > 99", "filter-lang": "cql2-text"}
    told = (await city_client.get("/tiles/building.json", params=given)).json()
    whole = (await city_client.get("/tiles/building.json")).json()
    address = told["tiles"][0]
    assert urlencode(given) in address
    assert httpx2.URL(address).params["v"] != httpx2.URL(whole["tiles"][0]).params["v"]
    place = address.replace("{z}", str(PLACE.z)).replace("{x}", str(PLACE.x)).replace("{y}", str(PLACE.y))
    tile = await city_client.get(place)
    assert tile.status_code == 204
    assert "immutable" in tile.headers["cache-control"]


def test_gdal_sends_its_conditions_and_gets_the_rows(city_service_url: str) -> None:
    source = f"OAPIF:{city_service_url}/ogc"
    read = pyogrio.raw.read(source, layer="building", where="floors_total > 6", PAGE_SIZE="1")
    assert len(read[2]) == 1
