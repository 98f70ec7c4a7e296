"""Features, vector tiles and squares in degrees of other systems, over HTTP, from servers on loopback."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx2
import mapbox_vector_tile
import numpy as np
import pytest
from rio_tiler.utils import render

from gis.squares import Tile, bounds_3857, bounds_4490, degrees_of, tile_at
from tests.api.conftest import City, served
from tests.api.services.origin_server import Asked, Said, Teller, origin, wms
from tests.api.services.test_kinds import TIANDITU_C, WFS_200, point, wmts_document
from tests.api.services.test_services import registered
from tiles.mosaic import decoded

WELLS = [point(116.41 + n * 0.001, 31.61 + n * 0.001) for n in range(150)]
"""On a line from south-west to north-east."""


def within(box: tuple[float, float, float, float]) -> list[dict[str, Any]]:
    west, south, east, north = box
    return [
        one
        for one in WELLS
        for lon, lat in [one["geometry"]["coordinates"]]  # type: ignore[index]
        if west <= lon <= east and south <= lat <= north
    ]


def collection(features: list[dict[str, Any]], **more: Any) -> Said:
    body = json.dumps({"type": "FeatureCollection", "features": features, **more}).encode()
    return Said(body, "application/geo+json")


def latitude_first_wfs(asked: Asked) -> Said:
    """Answers boxes of urn:…:4326 only, south first, and 40 features at a time."""
    if asked.query.get("request") != "GetFeature":
        return Said(WFS_200.encode(), "text/xml")
    *sides, system = asked.query["bbox"].split(",")
    if system != "urn:ogc:def:crs:EPSG::4326":
        return Said(b"<ows:ExceptionReport/>", "text/xml", 400)
    south, west, north, east = map(float, sides)
    found = within((west, south, east, north))
    start = int(asked.query.get("startindex", 0))
    most = min(int(asked.query["count"]), 40)
    return collection(found[start : start + most], numberMatched=len(found))


def paged_ogc(asked: Asked) -> Said:
    """An OGC API whose pages hold 40 features and lead on by links to a host nobody else knows."""
    if asked.path == "/ogc":
        links = [
            {"rel": "data", "href": "http://inner.host/ogc/collections"},
            {"rel": "conformance", "href": "/c"},
        ]
        return Said(json.dumps({"title": "T", "links": links}).encode(), "application/json")
    if asked.path == "/ogc/collections":
        items = {"rel": "items", "href": "http://inner.host/ogc/collections/wells/items"}
        extent = {"spatial": {"bbox": [[116.4, 31.6, 116.6, 31.9]]}}
        one = {"id": "wells", "title": "井", "links": [items], "extent": extent}
        return Said(json.dumps({"collections": [one], "links": []}).encode(), "application/json")
    west, south, east, north = map(float, asked.query["bbox"].split(","))
    found = within((west, south, east, north))
    start = int(asked.query.get("offset", 0))
    page = found[start : start + 40]
    links = []
    if start + 40 < len(found):
        onward = f"http://inner.host{asked.path}?bbox={asked.query['bbox']}&offset={start + 40}"
        links.append({"rel": "next", "href": onward})
    return collection(page, links=links)


@pytest.mark.parametrize(("tell", "way"), [(latitude_first_wfs, "/wfs"), (paged_ogc, "/ogc")])
async def test_features_come_from_all_pages_longitude_first_and_are_drawn(
    client: httpx2.AsyncClient, own_city: City, tell: Teller, way: str
) -> None:
    with origin(tell) as theirs:
        made = await registered(client, own_city, f"{theirs.url}{way}")
        assert made.status_code == 201, made.text
        whole = await client.get("/services/theirs/items?limit=1000")
        assert whole.headers["content-type"] == "application/geo+json"
        assert (whole.json()["numberReturned"], whole.json()["left_out"]) == (150, 0)
        assert whole.json()["features"][0]["geometry"]["coordinates"] == [116.41, 31.61]
        assert "inner.host" not in whole.text
        some = await client.get("/services/theirs/items?limit=100")
        assert some.json()["numberReturned"] == 100
        assert some.json()["left_out"] == (50 if way == "/wfs" else None)
        assert some.headers["x-onemap-left-out"] == ("50" if way == "/wfs" else "some")
        box = await client.get("/services/theirs/items?bbox=116.4095,31.6,116.4125,31.7")
        assert box.json()["numberReturned"] == 3
        tile = tile_at(116.45, 31.65, 13)
        drawn = await client.get(f"/services/theirs/{tile.z}/{tile.x}/{tile.y}")
        assert drawn.headers["content-type"] == "application/vnd.mapbox-vector-tile"
        layer = mapbox_vector_tile.decode(drawn.content)["theirs"]
        inside = within(bounds_4490(tile))
        assert len(inside) <= len(layer["features"]) <= len(inside) + 6
        assert layer["features"][0]["properties"] == {"name": "井"}
        empty = await client.get("/services/theirs/13/0/0")
        assert empty.status_code == 204
        for wrong in ("limit=0", "limit=5001", "bbox=1,2", "bbox=a,b,c,d", "limti=3"):
            assert (await client.get(f"/services/theirs/items?{wrong}")).status_code == 400
        told = (await client.get("/tiles/theirs.json")).json()
        assert told["vector_layers"] == [{"id": "theirs", "fields": {}}]
        assert (await client.get("/ogc/collections/theirs/tiles")).status_code == 400


async def test_a_drawn_feature_is_where_it_is(client: httpx2.AsyncClient, own_city: City) -> None:
    with origin(paged_ogc) as theirs:
        await registered(client, own_city, f"{theirs.url}/ogc")
        tile = tile_at(116.45, 31.65, 15)
        body = (await client.get(f"/services/theirs/{tile.z}/{tile.x}/{tile.y}")).content
        west, south, east, north = bounds_3857(tile)
        found = []
        for feature in mapbox_vector_tile.decode(body)["theirs"]["features"]:
            x, y = feature["geometry"]["coordinates"]
            metres = (west + x / 4096 * (east - west), south + y / 4096 * (north - south))
            found.append(degrees_of((*metres, *metres))[:2])
        for lon, lat in (one["geometry"]["coordinates"] for one in within(bounds_4490(tile))):  # type: ignore[index]
            assert min(abs(lon - x) + abs(lat - y) for x, y in found) < 5e-6


async def test_one_map_itself_is_a_service_of_features_and_of_vector_tiles(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    with served(own_city.url) as url:
        made = await registered(client, own_city, f"{url}/ogc/", layer="building", id="their_items")
        assert made.status_code == 201, made.text
        items = (await client.get("/services/their_items/items")).json()
        assert {one["id"] for one in items["features"]} == {"B1", "B2"}
        made = await registered(client, own_city, f"{url}/tiles/building.json", id="their_tiles")
        assert made.status_code == 201, made.text
        z, x, y = tile_at(116.49, 31.74, 14)
        ours = await client.get(f"/tiles/building/{z}/{x}/{y}.mvt")
        theirs = await client.get(f"/services/their_tiles/{z}/{x}/{y}")
        assert theirs.content == ours.content
        style = (await client.get("/styles/all.json")).json()
        own = [one for one in style["layers"] if "metadata" in one]
        drawn = [one for one in own if one["metadata"]["onemap:layer"] == "their_tiles"]
        assert {one["source-layer"] for one in drawn} == {"building"}


async def test_a_vector_tile_is_passed_on_unpacked_and_nothing_else_is(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    tile = mapbox_vector_tile.encode(
        {"name": "road", "features": [{"geometry": "POINT(1 1)", "properties": {}}]}
    )
    answers = {
        "1": Said(gzip.compress(tile), "application/x-protobuf"),
        "2": Said(gzip.compress(tile), "application/x-protobuf", headers={"Content-Encoding": "gzip"}),
        "3": Said(tile, "application/vnd.mapbox-vector-tile"),
        "4": Said(b"", status=204),
        "5": Said(b"<html>inner.host</html>", "text/html"),
        "6": Said(b"<html>inner.host</html>", "application/x-protobuf"),
        "7": Said(b"\x1f\x8bbroken", "application/x-protobuf"),
    }
    with origin(lambda asked: answers[asked.path.split("/")[2]]) as theirs:
        url = f"{theirs.url}/{{z}}/{{x}}/{{y}}.pbf"
        assert (await registered(client, own_city, url)).json()["field"] == "parts"
        made = await registered(client, own_city, url, parts=["road"])
        assert made.status_code == 201, made.text
        for x in range(1, 8):
            answer = await client.get(f"/services/theirs/3/{x}/2")
            if x <= 3:
                assert answer.content == tile
            else:
                assert answer.status_code == (204 if x == 4 else 502), x
                assert "inner.host" not in answer.text


def striped(asked: Asked) -> Said:
    """Tianditu's set `c`: squares whose rows are as bright as they are far north within 31–32° N."""
    if asked.query.get("request") != "GetTile":
        return Said(wmts_document(TIANDITU_C, ["c"]), "text/xml")
    side = 180.0 / 2 ** (int(asked.query["tilematrix"]) - 1)
    top = 90.0 - int(asked.query["tilerow"]) * side
    latitudes = top - (np.arange(256) + 0.5) / 256 * side
    grey = np.clip((latitudes - 31.0) * 255.0, 0, 255).astype(np.uint8)
    rows = np.repeat(grey[:, None], 256, axis=1)
    return Said(bytes(render(np.stack([rows] * 3), np.full((256, 256), 255, np.uint8), "PNG")))


async def test_squares_in_degrees_are_redrawn_so_that_every_row_is_at_its_latitude(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    with origin(striped) as theirs:
        made = await registered(client, own_city, f"{theirs.url}/img_c/wmts?tk=secret")
        assert made.status_code == 201, made.text
        tile = Tile(8, 210, 104)
        drawn = decoded((await client.get(f"/services/theirs/{tile.z}/{tile.x}/{tile.y}")).content)
        assert all(asked.query["tk"] == "secret" for asked in theirs.asked)
        west, south, east, north = bounds_3857(tile)
        middles = [north - (n + 0.5) / 256 * (north - south) for n in range(256)]
        latitudes = np.array([degrees_of((west, y, east, y))[1] for y in middles])
        expected = np.clip((latitudes - 31.0) * 255.0, 0, 255)
        assert (drawn[3] == 255).all()
        assert np.abs(drawn[0] - expected[:, None]).max() <= 1.5


async def test_a_degrees_only_wms_shows_each_row_at_its_latitude(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    capabilities = wms(crs="")

    def tell(asked: Asked) -> Said:
        if asked.query.get("request") != "GetMap":
            return capabilities(asked)
        south, _, north, _ = map(float, asked.query["bbox"].split(","))
        height = int(asked.query["height"])
        grey = np.clip((north - (np.arange(height) + 0.5) / height * (north - south) - 31.0) * 255.0, 0, 255)
        rows = np.repeat(grey.astype(np.uint8)[:, None], 256, axis=1)
        alpha = np.full((height, 256), 255, np.uint8)
        return Said(bytes(render(np.stack([rows] * 3), alpha, "PNG")))

    with origin(tell) as theirs:
        await registered(client, own_city, f"{theirs.url}/wms", layer="pipes")
        drawn = decoded((await client.get("/services/theirs/8/210/104")).content)
        west, south, east, north = bounds_3857(Tile(8, 210, 104))
        for row in (0, 17, 128, 255):
            y = north - (row + 0.5) / 256 * (north - south)
            latitude = degrees_of((west, y, east, y))[1]
            assert abs(drawn[0, row, 100] - min(max((latitude - 31.0) * 255.0, 0), 255)) <= 1.5
