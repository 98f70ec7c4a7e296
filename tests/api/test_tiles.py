"""Tiles over HTTP: what is sent, to whom, for how long it may be kept, and what a hostile address gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import mapbox_vector_tile
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from api.tile_address import read_address
from api.tile_answer import accepts_gzip, knows
from gis.squares import tile_at
from layers.accounts import create_account, make_key
from layers.catalogue import Catalogue, set_access
from layers.db import Database
from layers.errors import BadRequest, NotFound
from layers.model import Layer
from layers.publish import withdraw
from tests.tiles.town import pipe_layer, pipes, plot_layer, plots, put, shop_layer, shops

HERE = "{}/{}/{}".format(*tile_at(116.5, 31.74, 12))
MVT = "application/vnd.mapbox-vector-tile"


@dataclass
class Town:
    """The service over a database with three layers."""

    client: httpx2.AsyncClient
    database: Database
    catalogue: Catalogue

    async def get(self, path: str, key: str | None = None, **headers: str) -> httpx2.Response:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            told["Authorization"] = f"Bearer {key}"
        return await self.client.get(path, headers=told)

    async def until(self, path: str, status: int, key: str | None = None) -> None:
        """Waits until the service has heard of a change and answers with `status`."""
        for _ in range(500):
            if (await self.get(path, key)).status_code == status:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{path} is not answered with {status}")

    async def key(self, name: str, *roles: str, districts: tuple[str, ...] = ()) -> str:
        """A key of a new account."""
        await create_account(self.database, name, roles=roles or ("viewer",), districts=districts)
        return await make_key(self.database, name, "test", 1)

    async def publish(self, layer: Layer, *batches: object) -> Layer:
        """Publishes and waits until the service has heard of it."""
        published = await put(self.database, layer, *batches)  # type: ignore[arg-type]
        for _ in range(500):
            known = await self.catalogue.layer(layer.id)
            if known.version == published.version:
                return published
            await asyncio.sleep(0.01)
        raise AssertionError("the service did not hear of the new version")


@pytest.fixture
async def town(app: FastAPI, client: httpx2.AsyncClient) -> AsyncIterator[Town]:
    context = app.state.context
    town = Town(client, context.database, context.catalogue)
    await town.publish(shop_layer(), shops(60))
    await town.publish(pipe_layer(), pipes(60))
    await town.publish(plot_layer(), plots(60))
    return town


def layers_of(answer: httpx2.Response) -> dict[str, list[dict[str, object]]]:
    decoded = mapbox_vector_tile.decode(answer.content)
    return {name: [f["properties"] for f in part["features"]] for name, part in decoded.items()}


async def test_a_tile_is_sent_compressed_with_its_tag(town: Town) -> None:
    answer = await town.get(f"/tiles/shop/{HERE}.mvt")
    assert (answer.status_code, answer.headers["content-type"]) == (200, MVT)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["etag"].startswith('"')
    assert len(layers_of(answer)["shop"]) > 10
    assert answer.headers["x-onemap-cache"] == "miss"
    assert (await town.get(f"/tiles/shop/{HERE}.mvt")).headers["x-onemap-cache"] == "hit"


async def test_kept_tiles_are_counted_too(town: Town) -> None:
    for _ in range(3):
        await town.get(f"/tiles/shop/{HERE}.mvt")
    figures = (await town.get("/metrics")).text
    route = "/tiles/{layers}/{z}/{x}/{y}.mvt"
    assert f'onemap_requests_total{{route="{route}",method="GET",status="200"}} 3' in figures


async def test_a_kept_tile_is_not_for_a_credential_that_does_not_hold(town: Town) -> None:
    for _ in range(2):
        assert (await town.get(f"/tiles/shop/{HERE}.mvt")).status_code == 200
    assert (await town.get(f"/tiles/shop/{HERE}.mvt", "wrong")).status_code == 401
    assert (await town.get(f"/tiles/shop/{HERE}.mvt", Cookie="onemap_session=wrong")).status_code == 401


async def test_what_one_caller_is_told_does_not_reach_the_next(town: Town) -> None:
    path = f"/tiles/shop/{HERE}.mvt"
    await town.get(path)
    kept = await town.get(path)
    assert kept.headers["x-onemap-cache"] == "hit"
    assert "x-request-id" not in kept.headers
    marked = await town.get(path, x_request_id="from-a-proxy")
    assert marked.headers["x-request-id"] == "from-a-proxy"
    plain = await town.get(path, accept_encoding="identity")
    assert "content-encoding" not in plain.headers
    again = await town.get(path)
    assert (again.headers, again.content) == (kept.headers, kept.content)


async def test_layers_named_together_come_in_one_tile(town: Town) -> None:
    assert set(layers_of(await town.get(f"/tiles/shop,plot/{HERE}.mvt"))) == {"shop", "plot"}
    assert set(layers_of(await town.get(f"/tiles/shop%2Cplot/{HERE}.mvt"))) == {"shop", "plot"}


async def test_a_client_without_gzip_gets_the_same_tile_plain(town: Town) -> None:
    zipped = await town.get(f"/tiles/plot/{HERE}.mvt")
    plain = await town.get(f"/tiles/plot/{HERE}.mvt", Accept_Encoding="gzip;q=0, br")
    assert "content-encoding" not in plain.headers
    assert plain.content == zipped.content, "the client decompressed the first"
    assert plain.headers["etag"] != zipped.headers["etag"], "two representations"
    assert plain.headers["vary"] == zipped.headers["vary"] == "Accept-Encoding, Authorization, Cookie"


async def test_a_known_tile_is_not_sent_again(town: Town) -> None:
    etag = (await town.get(f"/tiles/shop/{HERE}.mvt")).headers["etag"]
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = await town.get(f"/tiles/shop/{HERE}.mvt", If_None_Match=known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        assert "content-type" not in answer.headers
    for unknown in ('"other"', etag.replace('"', ""), ""):
        assert (await town.get(f"/tiles/shop/{HERE}.mvt", If_None_Match=unknown)).status_code == 200


async def test_kept_tiles_answer_every_coding_method_and_range_alike(town: Town) -> None:
    """One kept body, in whichever form it is asked for; the first round draws it, the second finds it."""
    address = f"/tiles/plot/{HERE}.mvt"
    for was in ("miss", "hit"):
        zipped = await town.get(address)
        assert zipped.headers["x-onemap-cache"] == was
        plain = await town.get(address, Accept_Encoding="identity")
        assert (
            int(plain.headers["content-length"]) == len(plain.content) > int(zipped.headers["content-length"])
        )
        for coding, whole in (("gzip", zipped), ("identity", plain)):
            head = await town.client.head(address, headers={"Accept-Encoding": coding})
            assert (head.status_code, head.content) == (200, b"")
            for name in ("etag", "content-length", "vary", "cache-control"):
                assert head.headers[name] == whole.headers[name], (coding, name)
            assert head.headers.get("content-encoding") == whole.headers.get("content-encoding")
            # Parts of a tile are of no use: the whole one comes (RFC 9110 §14.2).
            part = await town.get(address, Accept_Encoding=coding, Range="bytes=0-9")
            assert (part.status_code, part.content) == (200, whole.content)
            assert "accept-ranges" not in part.headers
            known = await town.get(address, Accept_Encoding=coding, If_None_Match=whole.headers["etag"])
            assert (known.status_code, known.content) == (304, b"")
            assert known.headers["etag"] == whole.headers["etag"]
            assert "content-encoding" not in known.headers
            unchanged = await town.client.head(
                address, headers={"Accept-Encoding": coding, "If-None-Match": whole.headers["etag"]}
            )
            assert unchanged.status_code == 304


async def test_who_takes_no_such_tile_is_told_so(town: Town) -> None:
    address = f"/tiles/shop/{HERE}.mvt"
    for _ in range(2):
        for accept in (
            "*/*",
            "application/*;q=0.1",
            MVT,
            "application/x-protobuf",
            f"text/html, {MVT};q=0.2",
        ):
            assert (await town.get(address, Accept=accept)).status_code == 200, accept
        for accept in ("application/vnd.maplibre-vector-tile", "image/png", f"{MVT};q=0, */*"):
            refused = await town.get(address, Accept=accept)
            assert (refused.status_code, refused.json()["status"]) == (406, 406), accept


async def test_a_new_version_has_a_new_tag(town: Town) -> None:
    before = await town.get(f"/tiles/shop/{HERE}.mvt")
    await town.publish(shop_layer(), shops(61))
    after = await town.get(f"/tiles/shop/{HERE}.mvt", If_None_Match=before.headers["etag"])
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]


async def test_an_empty_square_has_no_content(town: Town) -> None:
    answer = await town.get("/tiles/shop/14/0/0.mvt")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "cache-control" in answer.headers


async def test_head_is_the_same_without_the_body(town: Town) -> None:
    whole = await town.get(f"/tiles/shop/{HERE}.mvt")
    head = await town.client.head(f"/tiles/shop/{HERE}.mvt")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "content-encoding", "vary"):
        assert head.headers[name] == whole.headers[name]


async def test_other_methods_are_told_the_right_ones(town: Town) -> None:
    answer = await town.client.post(f"/tiles/shop/{HERE}.mvt")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.headers["content-type"] == "application/problem+json"
    options = await town.client.options(f"/tiles/shop/{HERE}.mvt", headers={"Origin": "https://other.test"})
    assert (options.status_code, options.headers["access-control-allow-origin"]) == (204, "*")


async def test_a_public_tile_may_be_read_by_any_page_and_a_private_one_not(town: Town) -> None:
    key = await town.key("li")
    public = await town.get(f"/tiles/shop/{HERE}.mvt", Origin="https://other.test")
    assert public.headers["access-control-allow-origin"] == "*"
    private = await town.get(f"/tiles/pipe/{HERE}.mvt", key, Origin="https://other.test")
    assert private.status_code == 200
    assert "access-control-allow-origin" not in private.headers


async def test_a_tile_named_with_its_version_may_be_kept_for_ever(town: Town) -> None:
    [url] = (await town.get("/tiles/shop.json")).json()["tiles"]
    path = url.replace("{z}/{x}/{y}", HERE)
    assert "immutable" in (await town.get(path)).headers["cache-control"]
    assert (await town.get(f"/tiles/shop/{HERE}.mvt")).headers["cache-control"] == (
        "public, max-age=0, must-revalidate"
    )
    await town.publish(shop_layer(), shops(61))
    stale = await town.get(path)
    assert stale.headers["cache-control"] == "public, max-age=0, must-revalidate"
    assert len(layers_of(stale)["shop"]) == len(layers_of(await town.get(f"/tiles/shop/{HERE}.mvt"))["shop"])


async def test_what_not_everybody_sees_is_kept_by_nobody(town: Town) -> None:
    everyone = await town.get(f"/tiles/plot/{HERE}.mvt")
    key = await town.key("wang")
    same = await town.get(f"/tiles/plot/{HERE}.mvt", key)
    assert same.headers["cache-control"] == everyone.headers["cache-control"], "nothing is hidden in plots"
    more = await town.get(f"/tiles/shop/{HERE}.mvt", key)
    assert more.headers["cache-control"] == "private, no-cache"
    assert "经理" in more.content.decode("utf-8", "replace")
    [url] = (await town.get("/tiles/shop.json", key)).json()["tiles"]
    own = await town.get(url.replace("{z}/{x}/{y}", HERE), key)
    assert own.headers["cache-control"] == "private, no-cache"


async def test_a_closed_layer_asks_for_a_login_and_a_withdrawn_one_is_not_there(town: Town) -> None:
    closed = await town.get(f"/tiles/pipe/{HERE}.mvt")
    assert (closed.status_code, closed.headers["content-type"]) == (401, "application/problem+json")
    assert (await town.get(f"/tiles/shop,pipe/{HERE}.mvt")).status_code == 401
    assert (await town.get(f"/tiles/pipe/{HERE}.mvt", "wrong")).status_code == 401
    key = await town.key("zhao")
    await set_access(town.database, "pipe", "restricted")
    await town.until(f"/tiles/pipe/{HERE}.mvt", 403, key)
    await withdraw(town.database, "plot", by="test")
    await town.until(f"/tiles/plot/{HERE}.mvt", 404)
    assert (await town.get("/tiles/plot.json")).status_code == 404


async def test_a_viewer_of_one_district_gets_its_shops_only(town: Town) -> None:
    key = await town.key("chen", districts=("341502",))
    whole = layers_of(await town.get(f"/tiles/shop/{HERE}.mvt"))["shop"]
    own = layers_of(await town.get(f"/tiles/shop/{HERE}.mvt", key))["shop"]
    assert 0 < len(own) < len(whole)
    assert {shop["code"] for shop in own} < {shop["code"] for shop in whole}
    again = layers_of(await town.get(f"/tiles/shop/{HERE}.mvt"))["shop"]
    assert len(again) == len(whole), "the limited tile is not given to others"


async def test_what_was_left_out_is_said(town: Town) -> None:
    z, x, y = tile_at(116.5, 31.74, 10)
    answer = await town.get(f"/tiles/plot/{z}/{x}/{y}.mvt")
    left_out = json.loads(answer.headers["x-onemap-left-out"])
    assert left_out == {"plot": 60 - len(layers_of(answer)["plot"])}


async def test_an_older_version_can_be_asked_for(town: Town) -> None:
    await town.publish(shop_layer(), shops(10))
    assert len(layers_of(await town.get("/tiles/shop/0/0/0.mvt"))["shop"]) == 10
    assert len(layers_of(await town.get("/tiles/shop/0/0/0.mvt?version=1"))["shop"]) == 60
    assert (await town.get("/tiles/shop/0/0/0.mvt?version=3")).status_code == 404
    assert (await town.get("/tiles/shop,plot/0/0/0.mvt?version=1")).status_code == 400
    [url] = (await town.get("/tiles/shop.json?version=1")).json()["tiles"]
    assert len(layers_of(await town.get(url.replace("{z}/{x}/{y}", "0/0/0")))["shop"]) == 60


async def test_tilejson_describes_the_layers(town: Town) -> None:
    told = (await town.get("/tiles/shop,plot.json", Accept_Language="en")).json()
    assert told["tilejson"] == "3.0.0"
    assert told["name"] == "Shops + Plots"
    assert (told["minzoom"], told["maxzoom"]) == (0, 18)
    west, south, east, north = told["bounds"]
    assert (west < told["center"][0] < east, south < told["center"][1] < north) == (True, True)
    shop, plot = told["vector_layers"]
    assert (shop["id"], plot["id"]) == ("shop", "plot")
    assert shop["fields"]["rent"] == "Rent"
    assert "manager" not in shop["fields"]
    assert list(plot["fields"]) == ["地块%名称", '面"积']
    assert plot["fields"]['面"积'] == "面积 (m2)"
    assert (await town.get("/tiles/none.json")).status_code == 404
    assert (await town.get("/tiles/shop.json?version=9")).status_code == 404


WRONG_ADDRESSES = [
    ("none/0/0/0.mvt", 404),
    ("shop/0/0/1.mvt", 404),
    ("shop/3/8/0.mvt", 404),
    ("shop/25/0/0.mvt", 404),
    ("shop/99999999999999999999/0/0.mvt", 404),
    ("shop/-1/0/0.mvt", 404),
    ("shop/1/0.5/0.mvt", 404),
    ("shop/01/0/0.mvt", 404),
    ("shop/0/0/0.mvt.mvt", 404),
    ("shop/0/0/0x.mvt", 404),
    ("shop/٣/0/0.mvt", 404),
    ("shop//0/0/0.mvt", 404),
    ("/0/0/0.mvt", 404),
    (",/0/0/0.mvt", 404),
    ("shop,/0/0/0.mvt", 404),
    ("shop,shop/0/0/0.mvt", 400),
    ("SHOP/0/0/0.mvt", 404),
    ("商铺/0/0/0.mvt", 404),
    ("%00/0/0/0.mvt", 404),
    ("%FF%FE/0/0/0.mvt", 404),
    ("shop%27%3B--/0/0/0.mvt", 404),
    ("..%2fshop/0/0/0.mvt", 404),
    (",".join(f"l{n}" for n in range(17)) + "/0/0/0.mvt", 413),
    ("shop/0/0/0.mvt?colour=red", 400),
    ("shop/0/0/0.mvt?version=-1", 400),
    ("shop/0/0/0.mvt?version=abc", 400),
    ("shop/0/0/0.mvt?v=%FF%00", 200),
    ("shop/0/0/0.mvt?v=", 200),
    ("shop/0/0/0.mvt?" + "&".join(f"a{n}=1" for n in range(50)), 400),
    (",.json", 404),
    ("shop,shop.json", 400),
    (",".join(f"l{n}" for n in range(17)) + ".json", 413),
]


async def test_a_wrong_address_is_a_problem_document(town: Town) -> None:
    for address, status in WRONG_ADDRESSES:
        answer = await town.get(f"/tiles/{address}")
        assert answer.status_code == status, address
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status


@given(st.text(max_size=40), st.binary(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_address_is_read_or_refused(path: str, query: bytes) -> None:
    for address in (path, f"/tiles/{path}.mvt", f"/tiles/shop/1/{path}/1.mvt"):
        try:
            asked = read_address(address, query)
        except (NotFound, BadRequest):
            continue
        assert asked.square.z <= 24


@given(st.binary(max_size=60))
def test_any_header_is_read(value: bytes) -> None:
    assert accepts_gzip(value) in (True, False)
    assert knows(value, "tag") in (True, False)


def test_encodings_are_weighed() -> None:
    assert accepts_gzip(b"gzip, deflate, br, zstd")
    assert accepts_gzip(b"*")
    assert accepts_gzip(b"identity, GZIP;q=0.1")
    assert not accepts_gzip(b"")
    assert not accepts_gzip(b"br")
    assert not accepts_gzip(b"*, gzip;q=0")
    assert not accepts_gzip(b"gzip; q=none")
