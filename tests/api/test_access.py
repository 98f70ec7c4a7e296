"""Every way to rows, walked by people of every kind: nobody gets a row or a field that is not theirs.

A route that is in none of the lists below fails a test: whoever adds one says here what it gives. The
live stream of events is walked in `test_event_stream.py`.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping

import httpx2
import mapbox_vector_tile
import pytest

from gis.squares import tile_at
from tests.api.city import (
    CITY,
    EAST,
    HIDDEN,
    INTERNAL,
    LAT,
    OTHER_DISTRICT,
    PERSONAL,
    RESTRICTED,
    UNLIMITABLE,
    WEST,
)
from tests.api.conftest import City

WORDS = {OTHER_DISTRICT, INTERNAL, PERSONAL, HIDDEN, RESTRICTED, UNLIMITABLE}

MAY_SEE: Mapping[str | None, set[str]] = {
    None: {OTHER_DISTRICT},
    "viewer": {OTHER_DISTRICT, INTERNAL, UNLIMITABLE},
    "jinan": {INTERNAL},
    "inspector": {INTERNAL},
    "warden": {OTHER_DISTRICT, INTERNAL, UNLIMITABLE, PERSONAL},
    "dispatcher": {OTHER_DISTRICT, INTERNAL, UNLIMITABLE, PERSONAL, RESTRICTED},
    "publisher": WORDS,
    "admin": WORDS,
}
"""Which of the telling words each person may meet, and does meet somewhere."""

LIMITED = ("jinan", "inspector")

ALL_AREA = {
    "type": "Polygon",
    "coordinates": [[[116.4, 31.6], [116.6, 31.6], [116.6, 31.9], [116.4, 31.9], [116.4, 31.6]]],
}

GIVES_ROWS = {
    "GET /ogc/collections/{layer_id}/items",
    "GET /ogc/collections/{layer_id}/items/{key}",
    "GET /api/v1/identify",
    "GET /api/v1/search",
    "GET /api/v1/layers/{layer_id}/nearest",
    "POST /api/v1/layers/{layer_id}/within",
    "GET /api/v1/layers/{layer_id}/export",
    "GET /api/v1/grid/locate",
    "POST /api/v1/grid/locate",
    "GET /api/v1/stations/latest",
    "GET /api/v1/stations/{code}/readings",
    "GET /api/v1/events",
    "GET /api/v1/events/{event_id}",
    "GET /api/v1/events/{event_id}/photos/{number}",
    "GET /tiles/{layers}/{z}/{x}/{y}.mvt",
    "GET /ogc/collections/{layer}/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}",
    "GET /ogc/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}",
}
"""Walked here."""

GIVES_NO_ROWS = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /about",
    "POST /api/v1/login",
    "POST /api/v1/logout",
    "GET /api/v1/departments",
    "GET /api/v1/event-classes",
    "POST /api/v1/events",
    "POST /api/v1/events/{event_id}/actions",
    "GET /api/v1/me",
    "GET /api/v1/layers",
    "GET /api/v1/layers/{layer_id}",
    "GET /api/v1/layers/{layer_id}/versions",
    "GET /api/v1/layers/{layer_id}/squares",
    "GET /api/v1/moments",
    "GET /api/v1/themes",
    "POST /api/v1/layers/{layer_id}/rollback",
    "POST /api/v1/layers/{layer_id}/withdraw",
    "POST /api/v1/layers/{layer_id}/restore",
    "GET /styles/{theme}.json",
    "GET /sprites/{name}.json",
    "GET /sprites/{name}.png",
    "GET /fonts/{fontstack}/{letters}.pbf",
    "GET /tiles/{layers}.json",
    "GET /archives",
    "GET /archives/{name}",
    "GET /archives/{name}/tiles.json",
    "GET /archives/{name}/{z}/{x}/{y}.mvt",
    "GET /ogc/",
    "GET /ogc/api",
    "GET /ogc/conformance",
    "GET /ogc/crs/{system}",
    "GET /ogc/collections",
    "GET /ogc/collections/{layer_id}",
    "GET /ogc/collections/{layer_id}/queryables",
    "GET /ogc/collections/{layer_id}/schema",
    "GET /ogc/collections/{layer_id}/tiles",
    "GET /ogc/collections/{layer_id}/tiles/{tileMatrixSetId}",
    "GET /ogc/tiles",
    "GET /ogc/tiles/{tileMatrixSetId}",
    "GET /ogc/tileMatrixSets",
    "GET /ogc/tileMatrixSets/{tileMatrixSetId}",
}

LIVE = {"GET /api/v1/events/stream", "GET /api/v1/changes"}
"""Endless answers; `test_event_stream.py` and `test_changes.py` hold that they tell each listener only what
is theirs."""

COMPARES = {"GET /api/v1/layers/{layer_id}/compare", "GET /api/v1/compare"}
"""Gives rows where versions differ, and their numbers; `test_imports.py` and `test_timeline.py` hold that
they give each only what is theirs."""

GIVES_PIXELS = {
    "GET /tiles/{layer}/{z}/{x}/{y}.{format}",
    "GET /ogc/collections/{layer}/map/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}",
    "GET /ogc/collections/{layer_id}/map/tiles",
    "GET /ogc/collections/{layer_id}/map/tiles/{tileMatrixSetId}",
    "GET /api/v1/layers/{layer_id}/value",
}
"""Of raster layers; `test_rasters.py` holds that they are closed to who may not see the layer."""

FOR_PUBLISHERS = {
    "POST /api/v1/uploads",
    "GET /api/v1/uploads/{upload_id}",
    "PATCH /api/v1/uploads/{upload_id}",
    "POST /api/v1/imports",
    "GET /api/v1/imports",
    "GET /api/v1/imports/{import_id}",
    "GET /api/v1/imports/{import_id}/stream",
    "GET /api/v1/imports/{import_id}/look",
    "POST /api/v1/imports/{import_id}/look",
    "POST /api/v1/imports/{import_id}/read",
    "GET /api/v1/imports/{import_id}/difference",
    "GET /api/v1/imports/{import_id}/findings",
    "GET /api/v1/imports/{import_id}/findings.geojson",
    "GET /api/v1/imports/{import_id}/report.xlsx",
    "POST /api/v1/imports/{import_id}/compare",
    "POST /api/v1/imports/{import_id}/publish",
    "POST /api/v1/imports/{import_id}/cancel",
    "POST /api/v1/readings",
    "GET /api/v1/reviews",
    "POST /api/v1/imports/{import_id}/submit",
    "POST /api/v1/imports/{import_id}/send-back",
    "GET /api/v1/syncs",
    "POST /api/v1/syncs",
    "GET /api/v1/syncs/{name}",
    "PATCH /api/v1/syncs/{name}",
    "DELETE /api/v1/syncs/{name}",
    "POST /api/v1/syncs/{name}/run",
    "GET /api/v1/syncs/{name}/runs",
}
"""Refused to everybody else; what a publisher meets there is in `test_imports.py`, `test_syncs.py` and
`test_readings.py`."""

GIVES_OF_SERVICES = {
    "GET /api/v1/services",
    "GET /api/v1/services/{layer_id}",
    "GET /services/{layer_id}/{z}/{x}/{y}",
    "GET /services/{layer_id}/legend",
    "GET /services/{layer_id}/items",
    "GET /services/{layer_id}/wms",
}
"""Of other systems' services; `test_services.py` holds that they are closed to who may not see the layer."""

FOR_ADMINS = {
    "POST /api/v1/services/look",
    "POST /api/v1/services",
    "PATCH /api/v1/services/{layer_id}",
    "DELETE /api/v1/services/{layer_id}",
    "POST /api/v1/services/{layer_id}/check",
    "GET /api/v1/services/{layer_id}/calls",
    "POST /api/v1/registered-layers",
    "GET /api/v1/registered-layers/{layer_id}",
    "POST /api/v1/registered-layers/{layer_id}/refresh",
    "DELETE /api/v1/registered-layers/{layer_id}",
}
"""Refused to everybody else; what an admin meets there is in `test_registered_layers.py`."""

OPEN_TO_ALL = {
    "POST /api/v1/login",
    "POST /api/v1/logout",
    "POST /api/v1/layers/{layer_id}/within",
    "POST /api/v1/grid/locate",
}
"""POST routes that change no data."""

WHOLE_BODIES: Mapping[str, object] = {"POST /api/v1/layers/{layer_id}/rollback": {"version": 1}}


SOME_ID = "00000000-0000-4000-8000-000000000000"

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


async def operations(client: httpx2.AsyncClient) -> set[str]:
    paths = (await client.get("/ogc/api")).json()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


async def everything(client: httpx2.AsyncClient, headers: dict[str, str]) -> dict[str, str]:
    """All the text each way to rows gives for every layer."""
    told: dict[str, list[str]] = {}
    few = asyncio.Semaphore(4)

    async def ask(way: str, address: str, body: object = None) -> None:
        method = "GET" if body is None else "POST"
        async with few:
            answer = await client.request(method, address, headers=headers, json=body)
        # 400: to count by a field that is hidden is refused
        assert answer.status_code in (200, 400, 401, 403, 404), (address, answer.text)
        if answer.status_code == 200:
            told.setdefault(way, []).append(answer.text)

    asked = []
    for layer, rows in CITY.items():
        items = f"/ogc/collections/{layer}/items"
        asked.append(ask("items", f"{items}?count=true"))
        asked += [
            ask(form, f"/api/v1/layers/{layer}/export?format={form}&headers=names")
            for form in ("geojson", "csv")
        ]
        asked += [ask("item", f"{items}/{fields['code']}") for _, fields in rows]
        asked += [
            ask("nearest", f"/api/v1/layers/{layer}/nearest?lon={lon}&lat={LAT}") for lon in (WEST, EAST)
        ]
        asked += [
            ask("within", f"/api/v1/layers/{layer}/within", {"geometry": ALL_AREA, "count_by": field})
            for field in (None, "name", "owner_phone", "manager_phone", "manager")
            if field is None or any(field in fields for _, fields in rows)
        ]
    for lon in (WEST, EAST):
        asked.append(ask("identify", f"/api/v1/identify?lon={lon}&lat={LAT}&radius_m=1000"))
        asked.append(ask("locate", f"/api/v1/grid/locate?lon={lon}&lat={LAT}"))
    asked.append(ask("stations", "/api/v1/stations/latest"))
    for word in (OTHER_DISTRICT, "-row", "138000", "B2"):
        asked.append(ask("search", f"/api/v1/search?q={word}&limit=100"))
    await asyncio.gather(*asked)
    return {way: "\n".join(texts) for way, texts in told.items()}


@pytest.mark.parametrize("person", MAY_SEE, ids=str)
async def test_nobody_meets_a_word_that_is_not_for_them(
    city_client: httpx2.AsyncClient, city: City, person: str | None
) -> None:
    told = await everything(city_client, city.headers(person))
    assert set(told) == {
        *("items", "item", "nearest", "within", "identify", "search", "locate", "stations"),
        *("geojson", "csv"),
    }
    for way, text in told.items():
        assert not {word for word in WORDS - MAY_SEE[person] if word in text}, way
    met = {word for word in WORDS if any(word in text for text in told.values())}
    assert met == MAY_SEE[person], "the walk goes past every word"
    if OTHER_DISTRICT in MAY_SEE[person]:
        assert all(OTHER_DISTRICT in text for text in told.values())


@pytest.mark.parametrize("person", LIMITED)
async def test_counts_are_of_the_rows_one_may_see(
    city_client: httpx2.AsyncClient, city: City, person: str
) -> None:
    headers = city.headers(person)
    items = await city_client.get("/ogc/collections/building/items?count=true", headers=headers)
    assert (items.json()["numberMatched"], items.json()["numberReturned"]) == (1, 1)
    plain = await city_client.get("/ogc/collections/building/items", headers=headers)
    assert "numberMatched" not in plain.json()
    within = await city_client.post(
        "/api/v1/layers/building/within",
        headers=headers,
        json={"geometry": ALL_AREA, "count_by": "district_code"},
    )
    assert within.json()["count"] == 1
    assert [c["value"] for c in within.json()["counts"]] == ["341502"]
    layer = await city_client.get("/api/v1/layers/building", headers=headers)
    assert layer.json()["feature_count"] is None


async def test_many_points_are_located_in_the_grids_one_may_see(
    city_client: httpx2.AsyncClient, city: City
) -> None:
    points = {"points": [[WEST, LAT], [EAST, LAT]]}
    for person, outside in ((None, 0), ("viewer", 0), ("jinan", 1)):
        answer = await city_client.post("/api/v1/grid/locate", json=points, headers=city.headers(person))
        assert answer.json()["outside"] == outside


async def test_readings_are_of_the_stations_one_may_see(city_client: httpx2.AsyncClient, city: City) -> None:
    for person, status in ((None, 200), ("viewer", 200), ("jinan", 404)):
        address = "/api/v1/stations/A2/readings?indicator=pm2_5"
        answer = await city_client.get(address, headers=city.headers(person))
        assert answer.status_code == status


async def test_events_are_seen_by_those_they_concern(
    own_city_client: httpx2.AsyncClient, own_city: City
) -> None:
    """One event in each district, reported by the admin, with a photo."""
    ids = []
    for key, lon in (("one-report-west", WEST), ("one-report-east", EAST)):
        made = await own_city_client.post(
            "/api/v1/events",
            headers={**own_city.headers("admin"), "Idempotency-Key": key},
            json={
                "class_code": "06010",
                "lon": lon,
                "lat": LAT,
                "description": OTHER_DISTRICT if lon == EAST else "",
                "photos": [{"data": PNG}],
            },
        )
        assert made.status_code == 201, made.text
        ids.append(made.json()["id"])
    for person, sees in ((None, []), ("jinan", ids[:1]), ("inspector", ids[:1]), ("dispatcher", ids)):
        headers = own_city.headers(person)
        listed = await own_city_client.get("/api/v1/events", headers=headers)
        if person is None:
            assert listed.status_code == 401
        else:
            assert sorted(event["id"] for event in listed.json()["events"]) == sees
            assert (OTHER_DISTRICT in listed.text) == (ids[1] in sees)
        for event_id in ids:
            for address in (f"/api/v1/events/{event_id}", f"/api/v1/events/{event_id}/photos/1"):
                answer = await own_city_client.get(address, headers=headers)
                expected = 200 if event_id in sees else 401 if person is None else 404
                assert answer.status_code == expected, (person, address)
            step = {"action": "reject", "revision": 1}
            acted = await own_city_client.post(
                f"/api/v1/events/{event_id}/actions", headers=headers, json=step
            )
            if event_id not in sees:
                assert acted.status_code in (401, 404)


@pytest.mark.parametrize("person", MAY_SEE, ids=str)
async def test_tiles_hold_only_the_rows_one_may_see(
    city_client: httpx2.AsyncClient, city: City, person: str | None
) -> None:
    z, x, y = tile_at(EAST, LAT, 14)
    ways = [f"/ogc/tiles/WebMercatorQuad/{z}/{y}/{x}"]
    for layer in CITY:
        ways += [
            f"/tiles/{layer}/{z}/{x}/{y}.mvt",
            f"/ogc/collections/{layer}/tiles/WebMercatorQuad/{z}/{y}/{x}",
        ]
    seen = ""
    for way in ways:
        answer = await city_client.get(way, headers=city.headers(person))
        assert answer.status_code in (200, 204, 401, 403, 404), way
        if answer.status_code != 200:
            continue
        body = gzip.decompress(answer.content) if answer.content[:2] == b"\x1f\x8b" else answer.content
        seen += body.decode("utf-8", "replace")
        assert (OTHER_DISTRICT in seen) <= (OTHER_DISTRICT in MAY_SEE[person]), way
        for drawn in mapbox_vector_tile.decode(body).values():
            for feature in drawn["features"]:
                assert not {"owner_name", "owner_phone", "manager_phone"} & set(feature["properties"])
    assert not {word for word in WORDS - MAY_SEE[person] if word in seen}
    assert (OTHER_DISTRICT in seen) == (OTHER_DISTRICT in MAY_SEE[person])


@pytest.mark.parametrize("way", ["items?owner_phone={0}", "items?manager_phone={0}", "items?nothing={0}"])
async def test_a_hidden_field_cannot_be_asked_by(
    city_client: httpx2.AsyncClient, city: City, way: str
) -> None:
    """Filtering by it would tell its values; it is refused in the same words as one that is not there."""
    for layer in ("building", "unit_grid"):
        address = f"/ogc/collections/{layer}/{way.format(PERSONAL)}"
        answer = await city_client.get(address, headers=city.headers("viewer"))
        assert answer.status_code == 400
        assert PERSONAL not in answer.json()["expected"]
        assert "phone" not in answer.json()["expected"]


async def test_a_hidden_field_is_not_searched(city_client: httpx2.AsyncClient, city: City) -> None:
    answer = await city_client.get("/api/v1/search?q=13800000000", headers=city.headers("viewer"))
    assert answer.json()["results"] == []


async def test_a_row_of_another_district_looks_like_none(city_client: httpx2.AsyncClient, city: City) -> None:
    hidden = await city_client.get("/ogc/collections/building/items/B2", headers=city.headers("jinan"))
    absent = await city_client.get("/ogc/collections/building/items/B9", headers=city.headers("jinan"))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["detail"] == absent.json()["detail"].replace("B9", "B2")


async def test_every_route_is_in_one_of_the_lists(city_client: httpx2.AsyncClient) -> None:
    listed = GIVES_ROWS | GIVES_NO_ROWS | LIVE | COMPARES | GIVES_PIXELS | GIVES_OF_SERVICES
    listed |= FOR_PUBLISHERS | FOR_ADMINS
    assert not await operations(city_client) - listed


async def test_nothing_is_written_without_a_login(city_client: httpx2.AsyncClient) -> None:
    writing = {
        operation for operation in await operations(city_client) if not operation.startswith("GET ")
    } - OPEN_TO_ALL
    assert writing
    for operation in writing:
        method, path = operation.split(" ")
        address = path.format_map(
            {"layer_id": "building", "event_id": "1", "upload_id": SOME_ID, "import_id": SOME_ID, "name": "a"}
        )
        for body in (WHOLE_BODIES.get(operation, {}), {"nonsense": 1}):
            answer = await city_client.request(
                method, address, json=body, headers={"Idempotency-Key": "0123456789abcdef"}
            )
            assert answer.status_code == 401, operation


@pytest.mark.parametrize("person", ["viewer", "jinan", "inspector", "warden", "dispatcher"])
async def test_only_publishers_import(city_client: httpx2.AsyncClient, city: City, person: str) -> None:
    for operation in FOR_PUBLISHERS:
        method, path = operation.split(" ")
        address = path.format_map({"upload_id": SOME_ID, "import_id": SOME_ID, "name": "nightly"})
        answer = await city_client.request(method, address, json={}, headers=city.headers(person))
        assert answer.status_code == 403, operation


@pytest.mark.parametrize("person", ["viewer", "jinan", "inspector", "warden", "dispatcher", "publisher"])
async def test_only_admins_register_tables(city_client: httpx2.AsyncClient, city: City, person: str) -> None:
    for operation in FOR_ADMINS:
        method, path = operation.split(" ")
        address = path.format_map({"layer_id": "plaza"})
        answer = await city_client.request(method, address, json={}, headers=city.headers(person))
        assert answer.status_code == 403, operation


@pytest.mark.parametrize("person", ["viewer", "jinan", "inspector", "warden", "dispatcher"])
async def test_only_publishers_change_layers(
    city_client: httpx2.AsyncClient, city: City, person: str
) -> None:
    for action in ("rollback", "withdraw", "restore"):
        answer = await city_client.post(
            f"/api/v1/layers/building/{action}", json={"version": 1}, headers=city.headers(person)
        )
        assert answer.status_code == 403
