"""`version` and `datetime`: every way to rows answers as the map stood, and says which version that was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx2
import mapbox_vector_tile
import pytest
import shapely

from gis.squares import tile_at
from layers.catalogue import get_layer, versions
from layers.db import Database
from layers.publish import publish, stage, withdraw
from tests.api.city import EAST, JINAN, LAT, OTHER_DISTRICT, WEST
from tests.api.conftest import City, serving
from tests.layers.specimens import batch

PLACE = f"lon={WEST}&lat={LAT}"
AREA = {
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[116.4, 31.6], [116.6, 31.6], [116.6, 31.9], [116.4, 31.9], [116.4, 31.6]]],
    }
}
ZOOM = 16
OLD, NEW = "西站", "西站改名"


class Past(NamedTuple):
    """A city whose stations were published twice: the second time A1 bears a new name and A2 is gone."""

    client: httpx2.AsyncClient
    city: City
    since: list[datetime]

    async def get(self, address: str, person: str | None = None) -> httpx2.Response:
        return await self.client.get(address, headers=self.city.headers(person))


@pytest.fixture
async def past(own_city: City) -> AsyncIterator[Past]:
    async with Database(own_city.url) as db:
        layer = await get_layer(db, "station")
        [first] = await versions(db, "station")
        again = batch({"code": "A1", "name": NEW, "kind": "air", "district_code": JINAN},
                      places=[shapely.Point(WEST, LAT)])  # fmt: skip
        [second] = await publish(db, await stage(db, layer, [again]), by="li")
    async with serving(own_city.url) as client:
        yield Past(client, own_city, [first.published_at, second.published_at])


def at(moment: datetime) -> str:
    return f"datetime={quote(moment.isoformat())}"


def square(lon: float) -> str:
    tile = tile_at(lon, LAT, ZOOM)
    return f"{tile.z}/{tile.x}/{tile.y}"


WAYS = {
    "items": "/ogc/collections/station/items?",
    "item": "/ogc/collections/station/items/A1?",
    "identify": f"/api/v1/identify?{PLACE}&layers=station&",
    "nearest": f"/api/v1/layers/station/nearest?{PLACE}&",
    "within": "/api/v1/layers/station/within?",
    "search": "/api/v1/search?q=A1&layers=station&",
    "xyz": f"/tiles/station/{square(WEST)}.mvt?",
    "ogc": "/ogc/collections/station/tiles/WebMercatorQuad/"
    + "{0}/{2}/{1}?".format(*square(WEST).split("/")),
}


async def asked(past: Past, way: str, query: str, person: str | None = None) -> tuple[httpx2.Response, str]:
    address = WAYS[way] + query
    if way == "within":
        answer = await past.client.post(address, json=AREA, headers=past.city.headers(person))
    else:
        answer = await past.get(address, person)
    if way in ("xyz", "ogc") and answer.status_code == 200:
        return answer, str(mapbox_vector_tile.decode(answer.content))
    return answer, answer.text


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_answers_as_the_map_stood(past: Past, way: str) -> None:
    first, second = past.since
    for query, name, version in (
        ("", NEW, 2),
        ("version=2", NEW, 2),
        ("version=1", OLD, 1),
        (at(first), OLD, 1),
        (at(second - timedelta(microseconds=1)), OLD, 1),
        (at(second), NEW, 2),
        ("datetime=2026-01-01/..", NEW, 2),
        (f"datetime=../{quote(first.isoformat())}", OLD, 1),
        ("datetime=2999-12-31", NEW, 2),
    ):
        answer, text = await asked(past, way, query)
        assert answer.status_code == 200, (query, answer.text)
        assert name in text, query
        assert (NEW in text) == (name == NEW), query
        if way in ("items", "item", "nearest", "within"):
            assert answer.json()["version"] == version, query


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_refuses_what_cannot_be_asked(past: Past, way: str) -> None:
    early = at(past.since[0] - timedelta(seconds=1))
    for query, status, field in (
        (early, 404, "datetime"),
        ("datetime=yesterday", 400, "datetime"),
        ("datetime=", 400, "datetime"),
        (f"version=1&{at(past.since[0])}", 400, "datetime"),
        ("version=3", 404, None),
        ("version=0", 400, "version"),
    ):
        answer, _ = await asked(past, way, query)
        assert answer.status_code == status, (query, answer.text)
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json().get("field") == field, (query, answer.text)
    answer, _ = await asked(past, way, early)
    assert answer.json()["first_published_at"] == past.since[0].isoformat()


async def test_several_layers_are_asked_as_of_a_moment_not_of_a_version(past: Past) -> None:
    layers = "building,station"
    tile = f"/tiles/{layers}/{square(EAST)}.mvt"
    drawn = mapbox_vector_tile.decode((await past.get(f"{tile}?{at(past.since[0])}")).content)
    assert [len(drawn[name]["features"]) for name in ("building", "station")] == [1, 1]
    assert set(mapbox_vector_tile.decode((await past.get(tile)).content)) == {"building"}
    whole = tile_at(EAST, LAT, ZOOM)
    address = f"/ogc/tiles/WebMercatorQuad/{whole.z}/{whole.y}/{whole.x}?{at(past.since[0])}"
    assert "station" in mapbox_vector_tile.decode((await past.get(address)).content)
    for address in (
        f"{tile}?version=1",
        f"/tiles/{layers}.json?version=1",
        f"/api/v1/identify?{PLACE}&layers={layers}&version=1",
        f"/api/v1/identify?{PLACE}&version=1",
        "/api/v1/search?q=A1&version=1",
    ):
        refused = await past.get(address)
        assert (refused.status_code, refused.json()["field"]) == (400, "version"), address


async def test_what_did_not_stand_yet_is_left_out_unless_it_was_named(past: Past) -> None:
    early = at(past.since[0] - timedelta(days=1))
    assert (await past.get(f"/api/v1/identify?{PLACE}&{early}")).json()["layers"] == []
    assert (await past.get(f"/api/v1/search?q=A1&{early}")).json()["results"] == []
    assert (await past.get(f"/api/v1/identify?{PLACE}&layers=station&{early}")).status_code == 404


async def test_the_past_is_shown_by_the_rights_of_today(past: Past) -> None:
    for query in ("version=1", at(past.since[0])):
        for way in ("items", "search", "within"):
            _, seen = await asked(past, way, query, "jinan")
            assert OTHER_DISTRICT not in seen, (way, query)
        _, whole = await asked(past, "items", query)
        assert OTHER_DISTRICT in whole
    async with Database(past.city.url) as db:
        await withdraw(db, "station", by="li")
    async with serving(past.city.url) as client:
        for query in ("version=1", at(past.since[0])):
            assert (await client.get(WAYS["items"] + query)).status_code == 404
            by = past.city.headers("publisher")
            assert (await client.get(WAYS["items"] + query, headers=by)).status_code == 200


async def test_tags_tell_versions_apart_and_pinned_tiles_may_be_kept(past: Past) -> None:
    tags = set()
    for query in ("version=1", "version=2", at(past.since[0])):
        answer = await past.get(WAYS["items"] + query)
        assert answer.headers["cache-control"] == "private, no-cache"
        tags.add(answer.headers["etag"])
        known = {"If-None-Match": answer.headers["etag"]}
        assert (await past.client.get(WAYS["items"] + query, headers=known)).status_code == 304
    assert len(tags) == 3
    for query in ("version=1", at(past.since[0])):
        told = (await past.get(f"/tiles/station.json?{query}")).json()
        address = told["tiles"][0].format(**dict(zip("zxy", square(WEST).split("/"), strict=True)))
        pinned = await past.get(address)
        assert OLD in str(mapbox_vector_tile.decode(pinned.content))
        assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await past.get(address)).headers["x-onemap-cache"] == "hit"
        loose = await past.get(WAYS["xyz"] + query)
        assert loose.headers["cache-control"] == "public, max-age=0, must-revalidate"
        assert loose.headers["etag"] == pinned.headers["etag"]
        assert told["bounds"][2] >= EAST, "where A2 stood then"
    stale = told["tiles"][0].replace("datetime=", "x=")
    assert (await past.get(stale.format(z=0, x=0, y=0))).status_code == 400


async def test_an_item_that_is_gone_is_found_in_its_time(past: Past) -> None:
    address = "/ogc/collections/station/items/A2"
    assert (await past.get(address)).status_code == 404
    found: Any = (await past.get(f"{address}?{at(past.since[0])}")).json()
    assert (found["id"], found["version"]) == ("A2", 1)
    assert (await past.get("/ogc/collections/station/items?count=true&version=1")).json()[
        "numberMatched"
    ] == 2


async def test_two_versions_are_compared_in_both_directions_page_by_page(past: Past) -> None:
    told = {}
    for way in ("from=1&to=2", "from=2&to=1"):
        found = (await past.get(f"/api/v1/layers/station/compare?{way}")).json()
        told[way] = [found[kind]["count"] for kind in ("added", "changed", "removed")]
    assert told == {"from=1&to=2": [0, 1, 1], "from=2&to=1": [1, 1, 0]}
    [back] = (await past.get("/api/v1/layers/station/compare?from=2&to=1&kind=added")).json()["rows"]
    assert (back["key"], back["before"]) == ("A2", None)
    first = await past.get("/api/v1/layers/station/compare?from=1&to=2&kind=changed&limit=1")
    assert [row["key"] for row in first.json()["rows"]] == ["A1"]
    rest = await past.get("/api/v1/layers/station/compare?from=1&to=2&kind=changed&limit=1&after=A1")
    assert (rest.json()["rows"], rest.json()["next"]) == ([], None)
