"""Layers of other systems' services over HTTP, with real servers on loopback as those systems."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2

from api.services.wms import read_wms
from api.services.xml import read_xml
from tests.api.conftest import City
from tests.api.services.origin_server import LEGEND, RED, Asked, Said, origin, wms
from tests.layers.registered_tables import ask_sql
from tiles.mosaic import decoded

ROUTE = "/api/v1/services"
TOKEN = "Top-secret-token-7"


async def registered(client: httpx2.AsyncClient, city: City, url: str, **said: Any) -> httpx2.Response:
    body = {"url": url, "id": "theirs", "title": "别家", "access": "public", **said}
    return await client.post(ROUTE, json=body, headers=city.headers("admin"))


async def test_a_wms_is_looked_at_registered_drawn_and_forgotten(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    admin = own_city.headers("admin")
    with origin(wms()) as theirs:
        url = f"{theirs.url}/wms?map=/a.map"
        looked = await client.post(f"{ROUTE}/look", json={"url": url}, headers=admin)
        assert looked.status_code == 200, looked.text
        told = looked.json()
        assert (told["kind"], told["protocol"], told["title"]) == ("wms", "1.3.0", "地下管线服务")
        assert [layer["name"] for layer in told["layers"]] == ["pipes", "wells"]
        assert told["layers"][0]["bounds"] == [116.4, 31.6, 116.6, 31.9]
        made = await registered(client, own_city, url, layer="pipes", title=None)
        assert made.status_code == 201, made.text
        assert made.json()["layer"]["title"] == {"zh": "管线", "en": "管线"}
        assert made.json()["service"]["attribution"] == "市规划局"
        drawn = await client.get("/services/theirs/14/13493/6682")
        assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/png")
        assert drawn.content == RED
        asked = theirs.asked[-1]
        assert asked.path == "/wms"
        assert asked.query["map"] == "/a.map"
        assert asked.query["layers"] == "pipes"
        assert asked.query["crs"] == "EPSG:3857"
        west, south, east, north = map(float, asked.query["bbox"].split(","))
        assert west < 12967000 < east
        assert round(east - west, 6) == round(north - south, 6) == 2445.984905
        assert (await client.get("/services/theirs/legend?v=1")).content == LEGEND
        gone = await client.delete(f"{ROUTE}/theirs", headers=admin)
        assert gone.status_code == 204
        assert (await client.get("/services/theirs/14/13493/6682")).status_code == 404


async def test_a_degrees_only_wms_is_asked_latitude_first_and_redrawn(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    with origin(wms(crs="")) as theirs:
        made = await registered(client, own_city, f"{theirs.url}/wms", layer="pipes")
        assert made.status_code == 201, made.text
        drawn = await client.get("/services/theirs/14/13493/6682")
        assert drawn.status_code == 200
        asked = theirs.asked[-1]
        assert asked.query["crs"] == "EPSG:4490"
        south, west, north, east = map(float, asked.query["bbox"].split(","))
        assert 116 < west < east < 117
        assert 31 < south < north < 32


async def test_tokens_are_added_kept_secret_and_not_those_of_the_caller(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    admin = own_city.headers("admin")
    with origin(lambda asked: Said(RED)) as theirs:
        url = f"http://user:pa55word@127.0.0.1:{theirs.port}/t/{{z}}/{{x}}/{{y}}.png?tk={TOKEN}"
        secrets = [{"place": "header", "name": "X-Key", "value": "header-secret"}]
        made = await registered(client, own_city, url, secrets=secrets)
        assert made.status_code == 201, made.text
        headers = {**own_city.headers("viewer"), "Cookie": "other=1", "X-Forwarded-For": "10.9.9.9"}
        drawn = await client.get("/services/theirs/3/5/2", headers=headers)
        assert drawn.content == RED
        asked = theirs.asked[-1]
        assert (asked.path, asked.query["tk"]) == ("/t/3/5/2.png", TOKEN)
        assert asked.headers["x-key"] == "header-secret"
        assert asked.headers["authorization"] == "Basic dXNlcjpwYTU1d29yZA=="
        assert not {"cookie", "x-forwarded-for", "referer", "origin", "via"} & set(asked.headers)
        told = [made.text, (await client.get("/about")).text, (await client.get("/metrics")).text]
        told.append((await client.get(f"{ROUTE}/theirs", headers=admin)).text)
        told.append((await client.get("/api/v1/layers/theirs", headers=admin)).text)
        told.append((await client.get("/styles/all.json", headers=admin)).text)
        told.append(str(drawn.headers))
        for secret in (TOKEN, "pa55word", "header-secret"):
            assert not [text for text in told if secret in text]
        described = "SELECT count(*) FROM onemap.layer WHERE description::text ~ 'Top-secret|pa55word'"
        assert ask_sql(own_city.url, described) == 0
        everybody = (await client.get(ROUTE)).json()["services"][0]
        assert (everybody["url"], everybody["secrets"], everybody["name"]) == (None, None, None)
        assert "127.0.0.1" not in (await client.get("/styles/all.json")).text


async def test_nothing_of_the_origin_is_in_an_answer(client: httpx2.AsyncClient, own_city: City) -> None:
    with origin(lambda asked: Said(RED, headers={"Location": "http://inner/", "X-Backend": "b7"})) as theirs:
        await registered(client, own_city, f"{theirs.url}/{{z}}/{{x}}/{{y}}")
        drawn = await client.get("/services/theirs/3/5/2")
        assert drawn.content == RED
        assert not {"location", "set-cookie", "server", "x-backend"} & set(drawn.headers)


NO_PICTURES = [
    Said(b"<html>inner.host says no</html>", "text/html"),
    Said(b"<ServiceExceptionReport>inner.host</ServiceExceptionReport>", "text/xml"),
    Said(b"<html>inner.host</html>", "image/png"),
    Said(RED, "text/html"),
    Said(b"\x89PNG\r\n\x1a\nbroken", "application/json"),
    Said(b"inner.host broke", "text/plain", 500),
    Said(b"inner.host", "text/plain", 403),
    Said(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "image/svg+xml"),
]


async def test_what_is_no_picture_is_a_problem_without_the_origins_words(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    with origin(lambda asked: NO_PICTURES[0]) as theirs:
        for n, said in enumerate(NO_PICTURES):
            theirs.tell = lambda asked, said=said: said  # type: ignore[misc]
            await registered(client, own_city, f"{theirs.url}/{{z}}/{{x}}/{{y}}", id=f"theirs{n}")
            drawn = await client.get(f"/services/theirs{n}/3/5/2")
            assert drawn.status_code == 502, said
            assert "inner.host" not in drawn.text
            assert drawn.headers["content-type"] == "application/problem+json"
            assert drawn.json()["layer"] == f"theirs{n}"


async def test_where_the_origin_has_nothing_the_picture_is_clear(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    with origin(lambda asked: Said(b"no", "text/plain", 404)) as theirs:
        await registered(client, own_city, f"{theirs.url}/{{z}}/{{x}}/{{y}}")
        drawn = await client.get("/services/theirs/3/5/2")
        assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/png")
        assert not decoded(drawn.content)[3].any()


async def test_a_slow_or_popular_square_is_asked_for_once(client: httpx2.AsyncClient, own_city: City) -> None:
    with origin(lambda asked: Said(RED)) as theirs:
        await registered(client, own_city, f"{theirs.url}/{{z}}/{{x}}/{{y}}")
        answers = await asyncio.gather(*(client.get("/services/theirs/3/5/2") for _ in range(20)))
        assert {answer.content for answer in answers} == {RED}
        assert len(theirs.asked) == 1
        again = await client.get("/services/theirs/3/5/2")
        assert again.headers["x-onemap-cache"] == "hit"
        known = await client.get("/services/theirs/3/5/2", headers={"If-None-Match": again.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
        assert len(theirs.asked) == 1


async def test_what_the_origin_does_not_want_kept_is_not_kept(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    words = ["no-store", "private", "max-age=0"]
    with origin(lambda asked: Said(RED, headers={"Cache-Control": words[int(asked.path[3])]})) as theirs:
        await registered(client, own_city, f"{theirs.url}/{{z}}/{{x}}/{{y}}")
        for x in range(len(words)):
            for _ in range(2):
                assert (await client.get(f"/services/theirs/3/{x}/2")).status_code == 200
        assert len(theirs.asked) == 2 * len(words)


async def test_a_service_that_is_down_is_left_alone_for_a_while_and_says_so(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    with origin(lambda asked: Said(b"", "text/plain", 500)) as theirs:
        await registered(client, own_city, f"{theirs.url}/{{z}}/{{x}}/{{y}}")
        for x in range(6):
            assert (await client.get(f"/services/theirs/3/{x}/2")).status_code == 502
        assert len(theirs.asked) == 3
        (state,) = (await client.get(ROUTE)).json()["services"]
        assert state["is_up"] is False
        assert "500" in state["problem"]["en"]
        theirs.tell = lambda asked: Said(RED)
        checked = await client.post(f"{ROUTE}/theirs/check", headers=own_city.headers("admin"))
        assert checked.json()["is_ok"] is True
        (state,) = (await client.get(ROUTE)).json()["services"]
        assert state["is_up"] is True


async def test_calls_are_counted_by_account_and_day(client: httpx2.AsyncClient, own_city: City) -> None:
    def tell(asked: Asked) -> Said:
        return Said(RED) if asked.path == "/3/5/2" else Said(b"", "text/plain", 500)

    with origin(tell) as theirs:
        await registered(client, own_city, f"{theirs.url}/{{z}}/{{x}}/{{y}}")
        for person in (None, None, "viewer"):
            await client.get("/services/theirs/3/5/2", headers=own_city.headers(person))
        await client.get("/services/theirs/3/1/1")
        told = await client.get(f"{ROUTE}/theirs/calls", headers=own_city.headers("admin"))
        rows = {row["caller"]: row for row in told.json()["calls"]}
        assert (rows[""]["calls"], rows[""]["kept"], rows[""]["errors"]) == (3, 1, 1)
        assert rows[""]["bytes"] == 2 * len(RED)
        assert (rows["viewer"]["calls"], rows["viewer"]["kept"]) == (1, 1)
        assert told.json()["total"]["calls"] == 4
        metrics = (await client.get("/metrics")).text
        assert 'onemap_service_calls_total{layer="theirs"} 4' in metrics
        await client.get("/services/theirs/3/5/2")
        again = await client.get(f"{ROUTE}/theirs/calls", headers=own_city.headers("admin"))
        assert again.json()["total"]["calls"] == 5


WHO_SEES: dict[str, dict[str | None, int]] = {
    "public": {None: 200, "viewer": 200, "jinan": 200, "admin": 200},
    "login": {None: 401, "viewer": 200, "jinan": 403, "admin": 200},
    "restricted": {None: 401, "viewer": 403, "dispatcher": 200, "publisher": 200, "admin": 200},
}


async def test_whoever_may_not_see_the_layer_gets_nothing_of_it(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    with origin(wms()) as theirs:
        for access in WHO_SEES:
            url = f"{theirs.url}/wms"
            await registered(client, own_city, url, id=access, layer="pipes", access=access, owner="CG01")
        for access, statuses in WHO_SEES.items():
            for person, status in statuses.items():
                headers = own_city.headers(person)
                for way in (f"/services/{access}/3/5/2", f"/services/{access}/legend", f"{ROUTE}/{access}"):
                    assert (await client.get(way, headers=headers)).status_code == status, (person, way)
                listed = (await client.get(ROUTE, headers=headers)).json()["services"]
                assert (access in [one["id"] for one in listed]) == (status == 200)
                style = (await client.get("/styles/all.json", headers=headers)).json()
                assert (f"service:{access}" in style["sources"]) == (status == 200)
            private = await client.get(f"/services/{access}/3/5/2", headers=own_city.headers("admin"))
            expected = "public, max-age=300" if access == "public" else "private, no-cache"
            assert private.headers["cache-control"] == expected


async def test_a_change_is_drawn_anew_and_may_replace_tokens(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    admin = own_city.headers("admin")
    with origin(lambda asked: Said(RED)) as theirs:
        await registered(client, own_city, f"{theirs.url}/{{z}}/{{x}}/{{y}}?token=old")
        await client.get("/services/theirs/3/5/2")
        said = {
            "title": "新名", "access": "login", "attribution": "某局",
            "secrets": [{"place": "query", "name": "token", "value": "new"}],
        }  # fmt: skip
        changed = await client.patch(f"{ROUTE}/theirs", json=said, headers=admin)
        assert changed.status_code == 200, changed.text
        assert changed.json()["layer"]["title"] == {"zh": "新名", "en": "新名"}
        assert changed.json()["layer"]["version"] == 2
        assert (await client.get("/services/theirs/3/5/2")).status_code == 401
        await client.get("/services/theirs/3/5/2", headers=admin)
        assert [asked.query["token"] for asked in theirs.asked] == ["old", "new"]
        kept = await client.patch(f"{ROUTE}/theirs", json={"theme": "other"}, headers=admin)
        assert kept.json()["service"]["secrets"] == ["token"]


WRONG: list[tuple[dict[str, Any], int, str | None]] = [
    ({"url": "ftp://127.0.0.1/x"}, 400, "url"),
    ({"url": "x"}, 400, "url"),
    ({"layer": "nothing"}, 404, "layer"),
    ({"layer": None}, 400, "layer"),
    ({"id": "building"}, 409, None),
    ({"id": "No Id"}, 422, "id"),
    ({"style": "none"}, 400, "style"),
    ({"format": "image/tiff"}, 400, "format"),
    ({"kind": "gopher"}, 400, "kind"),
    ({"kind": "wmts"}, 502, None),
    ({"min_zoom": 40}, 422, "min_zoom"),
    ({"secrets": [{"place": "header", "name": "Host", "value": TOKEN}]}, 400, "secrets"),
    ({"secrets": [{"place": "header", "name": "A\r\nB", "value": TOKEN}]}, 400, "secrets"),
    ({"secrets": [{"place": "nowhere", "name": "A", "value": TOKEN}]}, 422, "secrets.0.place"),
    ({"secrets": [{"place": "query", "name": "a", "value": TOKEN * 300}]}, 422, "secrets.0.value"),
]


async def test_a_wrong_registration_is_refused_by_its_field_and_nothing_is_written(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    with origin(wms()) as theirs:
        for said, status, field in WRONG:
            whole = {"url": f"{theirs.url}/wms", "layer": "pipes", **said}
            answer = await registered(client, own_city, **whole)
            assert answer.status_code == status, (said, answer.text)
            assert answer.json().get("field") == field, said
            assert TOKEN not in answer.text
    assert ask_sql(own_city.url, "SELECT count(*) FROM onemap.service") == 0


async def test_other_ways_to_rows_leave_services_out(client: httpx2.AsyncClient, own_city: City) -> None:
    admin = own_city.headers("admin")
    with origin(lambda asked: Said(RED)) as theirs:
        await registered(client, own_city, f"{theirs.url}/{{z}}/{{x}}/{{y}}")
        for way, status in (
            ("/ogc/collections/theirs/items", 400),
            ("/tiles/theirs/3/5/2.mvt", 400),
            ("/tiles/theirs/3/5/2.png", 400),
            ("/api/v1/identify?lon=116.49&lat=31.74&radius_m=1000", 200),
            ("/api/v1/search?q=别家", 200),
            ("/ogc/collections/theirs", 200),
            ("/ogc/collections", 200),
            ("/tiles/theirs.json", 200),
            ("/api/v1/layers/theirs/versions", 200),
            ("/api/v1/layers/theirs?", 200),
        ):
            answer = await client.get(way, headers=admin)
            assert answer.status_code == status, (way, answer.text)
            assert "127.0.0.1" not in answer.text
        for layer in ("building", "nothing"):
            answer = await client.get(f"/services/{layer}/3/5/2", headers=admin)
            assert answer.status_code in (404, 409)
        rolled = await client.post("/api/v1/layers/theirs/rollback", json={"version": 1}, headers=admin)
        assert rolled.status_code == 409


async def test_other_systems_get_a_wms_of_ours_that_hides_the_one_behind(
    client: httpx2.AsyncClient, own_city: City
) -> None:
    with origin(wms()) as theirs:
        await registered(client, own_city, f"{theirs.url}/wms?map=/a.map&token={TOKEN}", layer="pipes")
        way = "/services/theirs/wms"
        for version in ("1.3.0", "1.1.1"):
            told = await client.get(f"{way}?service=WMS&request=GetCapabilities&version={version}")
            assert told.headers["content-type"].startswith("text/xml")
            for word in (TOKEN, "127.0.0.1", "inner.host", "pipes", "/a.map"):
                assert word not in told.text
            look = read_wms(read_xml(told.content), "http://city.test/services/theirs/wms")
            assert [offer.name for offer in look.offers] == ["theirs"]
            assert look.offers[0].bounds == (116.4, 31.6, 116.6, 31.9)
        said = {
            "SERVICE": "WMS", "VERSION": "1.3.0", "REQUEST": "GetMap", "LAYERS": "theirs", "STYLES": "",
            "CRS": "EPSG:4490", "BBOX": "31.6,116.4,31.9,116.6", "WIDTH": "300", "HEIGHT": "400",
            "FORMAT": "image/png", "DPI": "96",
        }  # fmt: skip
        drawn = await client.get(way, params=said)
        assert (drawn.status_code, drawn.content) == (200, RED)
        asked = theirs.asked[-1].query
        assert (asked["layers"], asked["token"], asked["map"]) == ("pipes", TOKEN, "/a.map")
        assert (asked["crs"], asked["bbox"]) == ("EPSG:4490", "31.6,116.4,31.9,116.6")
        assert "dpi" not in asked
        legend = await client.get(way, params={"REQUEST": "GetLegendGraphic", "LAYER": "theirs"})
        assert legend.content == LEGEND
        before = len(theirs.asked)
        for name, value in (
            ("LAYERS", "wells"), ("LAYERS", "theirs,wells"), ("LAYERS", "pipes"), ("STYLES", "dark"),
            ("CRS", "EPSG:4527"), ("BBOX", "1,2,3"), ("BBOX", "31.9,116.4,31.6,116.6"), ("BBOX", "NaN,1,2,3"),
            ("WIDTH", "100000"), ("FORMAT", "text/html"), ("FORMAT", "image/svg+xml"), ("VERSION", "9"),
            ("REQUEST", "GetFeatureInfo"), ("REQUEST", "DescribeLayer"), ("SLD", "http://127.0.0.1/"),
            ("SLD_BODY", "<x/>"), ("map", "/etc/passwd"), ("TOKEN", "mine"), ("CQL_FILTER", "1=1"),
        ):  # fmt: skip
            wrong = await client.get(way, params={**said, name: value})
            assert wrong.status_code == 400, (name, value)
        assert len(theirs.asked) == before
