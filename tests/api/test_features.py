"""OGC API – Features: what standard clients ask, and what they get."""

from __future__ import annotations

import re

import httpx2
import orjson
import pyogrio.raw
import pytest

from api.ogc_parameters import CRS84, CRS_LIST, STORAGE_CRS
from tests.api.city import OTHER_DISTRICT, PERSONAL
from tests.api.conftest import City

BUILDINGS = "/ogc/collections/building/items"


async def get(client: httpx2.AsyncClient, address: str) -> dict:  # type: ignore[type-arg]
    answer = await client.get(address)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_every_link_of_the_root_leads_somewhere(city_client: httpx2.AsyncClient) -> None:
    for root in ("/ogc", "/ogc/"):
        for link in (await get(city_client, root))["links"]:
            assert (await city_client.get(link["href"])).status_code == 200, link


async def test_a_collection_says_where_and_how_it_is(city_client: httpx2.AsyncClient) -> None:
    told = await get(city_client, "/ogc/collections/building")
    assert told["itemType"] == "feature"
    assert told["storageCrs"] == STORAGE_CRS
    assert told["crs"][0] == CRS84
    assert told["extent"]["spatial"]["bbox"][0] == pytest.approx([116.4895, 31.7395, 116.5105, 31.7405])
    for link in told["links"]:
        if "/tiles/" not in link["href"]:
            assert (await city_client.get(link["href"])).status_code == 200, link


async def test_titles_follow_the_language_asked_for(city_client: httpx2.AsyncClient) -> None:
    answer = await city_client.get("/ogc/collections/building", headers={"Accept-Language": "en"})
    assert answer.json()["title"] == "Buildings"
    assert "Accept-Language" in answer.headers["vary"]


async def test_items_are_geojson(city_client: httpx2.AsyncClient) -> None:
    answer = await city_client.get(BUILDINGS)
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["content-crs"] == f"<{CRS84}>"
    told = answer.json()
    assert (told["type"], told["numberReturned"], told["numberMatched"]) == ("FeatureCollection", 2, 2)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["timeStamp"])
    feature = told["features"][0]
    assert (feature["type"], feature["id"], feature["properties"]["floors_total"]) == ("Feature", "B1", 6)
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert feature["geometry"]["coordinates"][0][0][0][0] == pytest.approx(116.49, abs=0.001)
    assert PERSONAL not in answer.text


async def test_next_links_lead_through_all_items_once(city_client: httpx2.AsyncClient) -> None:
    address, keys = f"{BUILDINGS}?limit=1&crs={CRS84}", []
    for _ in range(5):
        told = await get(city_client, address)
        keys += [feature["id"] for feature in told["features"]]
        onward = [link["href"] for link in told["links"] if link["rel"] == "next"]
        if not onward:
            break
        assert "crs=" in onward[0]
        address = onward[0]
    assert keys == ["B1", "B2"]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("bbox=116.48,31.73,116.50,31.75", ["B1"]),
        ("bbox=116.48,31.73,0,116.50,31.75,100", ["B1"]),
        ("bbox=31.73,116.48,31.75,116.50&bbox-crs=" + STORAGE_CRS, ["B1"]),
        ("bbox=116.505,0,-170,80", ["B2"]),
        ("bbox=0,0,1,1", []),
        ("floors_total=18", ["B2"]),
        ("floors_total=18&name=甲楼", []),
        ("name=甲楼", ["B1"]),
        ("datetime=2026-01-01/..", ["B1", "B2"]),
        ("limit=99999999", ["B1", "B2"]),
        ("version=1", ["B1", "B2"]),
        ("f=json", ["B1", "B2"]),
    ],
)
async def test_items_can_be_chosen(city_client: httpx2.AsyncClient, query: str, keys: list[str]) -> None:
    answer = await city_client.get(f"{BUILDINGS}?{query}")
    assert [feature["id"] for feature in answer.json()["features"]] == keys


async def test_matches_are_counted_where_it_is_cheap_or_asked_for(city_client: httpx2.AsyncClient) -> None:
    assert "numberMatched" not in await get(city_client, f"{BUILDINGS}?floors_total=18")
    assert (await get(city_client, f"{BUILDINGS}?floors_total=18&count=true"))["numberMatched"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("owner_phone=1", "owner_phone"),
        ("floors_total=six", "floors_total"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("bbox=1,2,3", "bbox"),
        ("bbox=116.5,31.7,116.4", "bbox"),
        ("bbox-crs=EPSG:4490", "bbox-crs"),
        ("crs=http://example.com", "crs"),
        ("datetime=yesterday", "datetime"),
        ("after=nonsense", "after"),
        ("version=0", "version"),
        ("count=perhaps", "count"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(
    city_client: httpx2.AsyncClient, query: str, field: str
) -> None:
    answer = await city_client.get(f"{BUILDINGS}?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_a_version_that_never_was_is_not_found(city_client: httpx2.AsyncClient) -> None:
    assert (await city_client.get(f"{BUILDINGS}?version=2")).status_code == 404


@pytest.mark.parametrize("crs", CRS_LIST)
async def test_items_come_in_the_system_asked_for(city_client: httpx2.AsyncClient, crs: str) -> None:
    answer = await city_client.get("/ogc/collections/component/items", params={"crs": crs, "limit": 1})
    assert answer.headers["content-crs"] == f"<{crs}>"
    x, y = answer.json()["features"][0]["geometry"]["coordinates"]
    expected = {CRS84: (116.49, 31.74), CRS_LIST[3]: (12967607.48, 3729229.77)}.get(crs, (31.74, 116.49))
    assert (x, y) == pytest.approx(expected, abs=0.01)


async def test_one_item_has_a_version_and_a_validator(city_client: httpx2.AsyncClient) -> None:
    answer = await city_client.get(f"{BUILDINGS}/B1")
    told = answer.json()
    assert (told["id"], told["version"]) == ("B1", 1)
    assert {link["rel"] for link in told["links"]} == {"self", "collection"}
    again = await city_client.get(f"{BUILDINGS}/B1", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("key", ["", "B9", "B1/x", "%00", "b1", "' OR 1=1 --", "x" * 5000, "%ff%fe"])
async def test_an_item_that_is_not_there_is_not_found(city_client: httpx2.AsyncClient, key: str) -> None:
    assert (await city_client.get(f"{BUILDINGS}/{key}")).status_code == 404


async def test_the_validator_of_one_viewer_does_not_serve_another(
    city_client: httpx2.AsyncClient, city: City
) -> None:
    mine = await city_client.get(BUILDINGS, headers=city.headers("jinan"))
    theirs = await city_client.get(BUILDINGS, headers={"If-None-Match": mine.headers["etag"]})
    assert theirs.status_code == 200
    assert "Authorization" in theirs.headers["vary"]


async def test_queryables_are_the_fields_that_can_be_asked_by(city_client: httpx2.AsyncClient) -> None:
    told = await get(city_client, "/ogc/collections/building/queryables")
    assert told["properties"]["floors_total"]["type"] == "integer"
    assert told["properties"]["geometry"]["format"] == "geometry-multipolygon"
    assert "owner_phone" not in told["properties"]
    schema = await get(city_client, "/ogc/collections/building/schema")
    assert schema["properties"]["code"]["x-ogc-role"] == "id"


async def test_the_definition_names_every_route(city_client: httpx2.AsyncClient) -> None:
    answer = await city_client.get("/ogc/api")
    assert answer.headers["content-type"].startswith("application/vnd.oai.openapi+json")
    told = orjson.loads(answer.content)
    assert told["openapi"].startswith("3.")
    assert "/ogc/collections/{layer_id}/items" in told["paths"]


async def test_a_large_answer_is_compressed(city_client: httpx2.AsyncClient) -> None:
    answer = await city_client.get("/ogc/api", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"


def test_gdal_lists_and_reads_the_collections(city_service_url: str) -> None:
    source = f"OAPIF:{city_service_url}/ogc"
    names = {str(name) for name, _ in pyogrio.list_layers(source)}
    assert {"building", "component", "unit_grid", "district"} <= names
    meta, _, geometries, values = pyogrio.raw.read(source, layer="building")
    rows = dict(zip(meta["fields"], values, strict=True))
    assert list(rows["name"]) == ["甲楼", f"乙楼 {OTHER_DISTRICT}"]
    assert len(geometries) == 2


def test_gdal_finds_the_places_where_they_are(city_service_url: str) -> None:
    source = f"OAPIF:{city_service_url}/ogc"
    assert pyogrio.read_info(source, layer="component")["features"] == 2
    bounds = pyogrio.raw.read(source, layer="component", bbox=(116.48, 31.73, 116.50, 31.75))
    assert len(bounds[2]) == 1
    _, boxes = pyogrio.read_bounds(source, layer="component")
    assert boxes[:, 0] == pytest.approx([116.49, 31.74, 116.49, 31.74], abs=1e-6)


def test_gdal_follows_the_next_links(city_service_url: str) -> None:
    source = f"OAPIF:{city_service_url}/ogc"
    read = pyogrio.raw.read(source, layer="building", PAGE_SIZE="1")
    assert len(read[2]) == 2
