"""Raster layers over HTTP: pictures, TileJSON, values, listings; rights, caching and limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.settings import ApiSettings
from gis.matrix_sets import MATRIX_SETS
from importers.options import ImportOptions
from importers.run import import_files
from layers.accounts import create_account, make_key
from layers.catalogue import set_access
from layers.db import Database
from tests.api.conftest import client_of
from tests.pictures import CENTRE, decoded, eastings, heights_of, write_tif
from tests.tiles.test_rasters import square_over

Z, X, Y = square_over(MATRIX_SETS["WebMercatorQuad"], 14)[1:4]
OLD, NEW = (200, 30, 40), (20, 90, 160)


def picture_of(colour: tuple[int, int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.tile(np.array(colour, dtype=np.uint8)[:, None, None], (1, 300, 300))


@pytest.fixture
async def app(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """A service with an image of two dates, open to all, and a DEM for people who log in."""
    files = [
        write_tif(tmp_path / "image_2024.tif", picture_of(OLD)),
        write_tif(tmp_path / "image_2026.tif", picture_of(NEW)),
        write_tif(tmp_path / "dem.tif", eastings()),
    ]
    await import_files(database, files, ImportOptions(), rasters=tmp_path / "rasters")
    await set_access(database, "image", "public")
    await create_account(database, "reader", password="long enough 1", roles=("viewer",))
    app = create_app(ApiSettings(rasters=tmp_path / "rasters"), database_url)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def reader(client: httpx2.AsyncClient, database: Database) -> httpx2.AsyncClient:
    """The client, logged in."""
    client.headers["Authorization"] = f"Bearer {await make_key(database, 'reader')}"
    return client


def middle(answer: httpx2.Response) -> tuple[int, ...]:
    assert answer.status_code == 200, answer.text
    picture = decoded(answer.content)
    return tuple(int(v) for v in picture[:3, picture.shape[1] // 2, picture.shape[2] // 2])


def colours_of(answer: httpx2.Response) -> set[tuple[int, ...]]:
    """The colours of what is not transparent."""
    assert answer.status_code == 200, answer.text
    picture = decoded(answer.content)
    return {tuple(colour) for colour in picture[:3, picture[3] == 255].T.tolist()}


async def until_known(app: FastAPI, layer_id: str, version: int) -> None:
    """Waits for the notice of a publication to reach the service."""
    for _ in range(500):
        layer = app.state.context.catalogue.known(layer_id)
        if layer is not None and layer.version == version:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{layer_id} did not become version {version}")


async def test_a_picture_is_the_newest_unless_a_date_or_version_is_asked_for(
    client: httpx2.AsyncClient,
) -> None:
    url = f"/tiles/image/{Z}/{X}/{Y}.png"
    assert middle(await client.get(url)) == NEW
    assert middle(await client.get(url, params={"datetime": "2025-03-01"})) == OLD
    assert middle(await client.get(url, params={"version": "1"})) == OLD
    early = await client.get(url, params={"datetime": "2019"})
    assert early.status_code == 404
    assert "2024" in early.json()["expected"]


async def test_png_and_webp_show_the_same(client: httpx2.AsyncClient) -> None:
    png = await client.get(f"/tiles/image/{Z}/{X}/{Y}.png")
    webp = await client.get(f"/tiles/image/{Z}/{X}/{Y}.webp?size=512")
    assert (png.headers["content-type"], webp.headers["content-type"]) == ("image/png", "image/webp")
    assert "content-encoding" not in png.headers
    assert decoded(webp.content).shape == (4, 512, 512)
    assert np.abs(np.array(middle(webp)) - np.array(NEW)).max() < 6


@pytest.mark.parametrize("name", MATRIX_SETS)
async def test_pictures_are_there_in_every_matrix_set(client: httpx2.AsyncClient, name: str) -> None:
    square = square_over(MATRIX_SETS[name], 12)
    path = f"/ogc/collections/image/map/tiles/{name}/12/{square.y}/{square.x}"
    assert NEW in colours_of(await client.get(path))
    told = (await client.get(f"/ogc/collections/image/map/tiles/{name}")).json()
    assert told["dataType"] == "map"
    limits = next(one for one in told["tileMatrixSetLimits"] if one["tileMatrix"] == "12")
    assert limits["minTileRow"] <= square.y <= limits["maxTileRow"]
    templates = {link["type"]: link["href"] for link in told["links"] if link.get("templated")}
    assert set(templates) == {"image/png", "image/webp"}
    filled = templates["image/png"].format(tileMatrix=12, tileRow=square.y, tileCol=square.x)
    assert NEW in colours_of(await client.get(filled))


async def test_outside_the_raster_a_picture_is_transparent(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/tiles/image/14/0/0.png")
    assert answer.status_code == 200
    assert (decoded(answer.content)[3] == 0).all()


async def test_a_public_picture_named_by_its_state_is_kept_for_ever(client: httpx2.AsyncClient) -> None:
    (url,) = (await client.get("/tiles/image.json")).json()["tiles"]
    first = await client.get(url.format(z=Z, x=X, y=Y))
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert first.headers["x-onemap-cache"] == "miss"
    again = await client.get(url.format(z=Z, x=X, y=Y), headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["x-onemap-cache"]) == (304, b"", "hit")
    other = await client.get(f"/tiles/image/{Z}/{X}/{Y}.png?colormap=magma&bands=1")
    assert other.headers["x-onemap-cache"] == "miss"
    assert other.headers["cache-control"] == "public, max-age=0, must-revalidate"


async def test_a_layer_for_people_who_log_in_is_closed_to_others_in_every_form(
    client: httpx2.AsyncClient,
) -> None:
    for path in (
        f"/tiles/dem/{Z}/{X}/{Y}.png",
        f"/tiles/dem/{Z}/{X}/{Y}.webp?render=terrarium",
        f"/ogc/collections/dem/map/tiles/WebMercatorQuad/{Z}/{Y}/{X}",
        "/ogc/collections/dem/map/tiles",
        "/ogc/collections/dem/map/tiles/WebMercatorQuad",
        "/tiles/dem.json",
        "/api/v1/layers/dem",
        f"/api/v1/layers/dem/value?lon={CENTRE[0]}&lat={CENTRE[1]}",
    ):
        assert (await client.get(path)).status_code == 401, path
    listed = (await client.get("/api/v1/layers")).json()["layers"]
    assert [layer["id"] for layer in listed if layer["kind"] == "raster"] == ["image"]
    assert "dem" not in (await client.get("/styles/all.json")).text


async def test_a_kept_picture_is_not_given_to_who_may_not_see_it(
    reader: httpx2.AsyncClient, database: Database
) -> None:
    url = f"/tiles/dem/{Z}/{X}/{Y}.png"
    seen = await reader.get(url)
    assert (seen.status_code, seen.headers["cache-control"]) == (200, "private, no-cache")
    del reader.headers["Authorization"]
    assert (await reader.get(url)).status_code == 401


async def test_heights_come_as_terrain_and_as_a_number(reader: httpx2.AsyncClient) -> None:
    answer = await reader.get(f"/tiles/dem/{Z}/{X}/{Y}.png?render=terrarium")
    heights = heights_of(decoded(answer.content))
    assert 0 <= heights.min() <= heights.max() <= 3000
    value = await reader.get(f"/api/v1/layers/dem/value?lon={CENTRE[0]}&lat={CENTRE[1]}")
    told = value.json()
    assert told["meaning"] == "elevation"
    assert told["values"] == [{"band": "1", "value": pytest.approx(1500, abs=10)}]
    outside = (await reader.get("/api/v1/layers/dem/value?lon=100&lat=20")).json()
    assert outside["values"] == [{"band": "1", "value": None}]


async def test_the_catalogue_says_what_a_raster_layer_holds(client: httpx2.AsyncClient) -> None:
    told = (await client.get("/api/v1/layers/image")).json()
    assert (told["kind"], told["fields"], told["version"]) == ("raster", [], 2)
    assert [one["taken"] for one in told["rasters"]] == ["2026", "2024"]
    assert [band["title"] for band in told["rasters"][0]["bands"]] == ["red", "green", "blue"]
    assert told["bounds"][0] == pytest.approx(116.493, abs=0.002)
    tilejson = (await client.get("/tiles/image.json?datetime=2024&size=512&format=webp")).json()
    assert tilejson["tiles"][0].partition("?")[0].endswith("/tiles/image/{z}/{x}/{y}.webp")
    assert "version=1" in tilejson["tiles"][0]
    assert tilejson["minzoom"] < tilejson["maxzoom"] <= 15
    assert "vector_layers" not in tilejson


async def test_what_asks_for_rows_leaves_rasters_out_or_says_why_not(client: httpx2.AsyncClient) -> None:
    here = f"lon={CENTRE[0]}&lat={CENTRE[1]}"
    assert (await client.get(f"/api/v1/identify?{here}")).json()["layers"] == []
    assert (await client.get("/api/v1/search?q=image")).status_code == 200
    for path in (
        f"/api/v1/identify?{here}&layers=image",
        "/ogc/collections/image/items",
        f"/tiles/image/{Z}/{X}/{Y}.mvt",
        f"/ogc/collections/image/tiles/WebMercatorQuad/{Z}/{Y}/{X}",
    ):
        answer = await client.get(path)
        assert answer.status_code == 400, path
        assert "/tiles/image/" in answer.json()["detail"]
    collection = (await client.get("/ogc/collections/image")).json()
    assert "itemType" not in collection
    assert any(link["rel"].endswith("tilesets-map") for link in collection["links"])
    assert (await client.get("/ogc/collections")).status_code == 200


async def test_a_layer_of_rows_has_no_pictures(
    client: httpx2.AsyncClient, app: FastAPI, database: Database
) -> None:
    from tests.tiles.town import put, shop_layer, shops

    await put(database, shop_layer(), shops(3))
    await until_known(app, "shop", 1)
    answer = await client.get(f"/tiles/shop/{Z}/{X}/{Y}.png")
    assert answer.status_code == 400
    assert ".mvt" in answer.json()["detail"]
    assert (await client.get("/tiles/shop.json?render=ndvi")).status_code == 400


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        (f"/tiles/image/{Z}/{X}/{Y}.png?render=b1/b2", 400, "render"),
        (f"/tiles/image/{Z}/{X}/{Y}.png?colour=1", 400, "colour"),
        (f"/tiles/image/{Z}/{X}/{Y}.png?version=0", 400, "version"),
        (f"/tiles/image/{Z}/{X}/{Y}.png?datetime=soon", 400, "datetime"),
        (f"/tiles/image/{Z}/{X}/{Y}.png?size=100000", 400, "size"),
        (f"/tiles/image/{Z}/{X}/{Y}.png?version=9", 404, "version"),
        ("/tiles/image/30/0/0.png", 404, None),
        ("/tiles/image/1/2/0.png", 404, None),
        ("/tiles/image/a/b/c.png", 404, None),
        ("/tiles/../1/0/0.png", 404, None),
        ("/tiles/unknown/1/0/0.png", 404, None),
        ("/tiles/image,dem/1/0/0.png", 404, None),
        ("/ogc/collections/image/map/tiles/Moon/1/0/0", 404, "tileMatrixSetId"),
        ("/ogc/collections/image/map/tiles/WebMercatorQuad/1/0/0?f=jpeg", 400, "f"),
        ("/api/v1/layers/image/value?lon=500&lat=0", 400, "lon"),
    ],
)
async def test_what_cannot_be_is_a_problem_that_names_the_parameter(
    client: httpx2.AsyncClient, path: str, status: int, field: str | None
) -> None:
    answer = await client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    if field is not None:
        assert field in (answer.json().get("field", ""), *answer.json())


async def test_other_methods_are_answered_as_for_a_vector_tile(client: httpx2.AsyncClient) -> None:
    url = f"/tiles/image/{Z}/{X}/{Y}.png"
    head = await client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 100
    assert (await client.post(url)).status_code == 405
    assert (await client.options(url)).status_code == 204


async def test_too_many_pictures_at_once_are_told_to_come_again(
    app: FastAPI, client: httpx2.AsyncClient
) -> None:
    app.state.context.rasters._most = 2
    urls = [f"/tiles/image/{Z + 2}/{4 * X + n}/{4 * Y}.png" for n in range(8)]
    answers = await asyncio.gather(*(client.get(url) for url in urls))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) >= 2
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == len(urls) - statuses.count(200) >= 1
    assert all(answer.headers["retry-after"] for answer in refused)
    assert (await client.get(urls[-1])).status_code == 200


async def test_one_picture_asked_for_by_many_is_drawn_once(app: FastAPI, client: httpx2.AsyncClient) -> None:
    app.state.context.rasters._most = 1
    url = f"/tiles/image/{Z}/{X}/{Y}.png"
    answers = await asyncio.gather(*(client.get(url) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert len({answer.headers["etag"] for answer in answers}) == 1


async def test_a_file_that_is_gone_is_said_to_the_operator_and_to_nobody_else(
    client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    for file in (tmp_path / "rasters").rglob("*.tif"):
        file.unlink()
    answer = await client.get(f"/tiles/image/{Z}/{X}/{Y}.png")
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


async def test_a_new_state_is_shown_as_soon_as_it_is_published(
    client: httpx2.AsyncClient, app: FastAPI, database: Database, tmp_path: Path
) -> None:
    url = f"/tiles/image/{Z}/{X}/{Y}.png"
    assert middle(await client.get(url)) == NEW
    newer = write_tif(tmp_path / "image_2026-10.tif", picture_of((1, 2, 3)))
    await import_files(database, [newer], ImportOptions(), rasters=tmp_path / "rasters")
    await until_known(app, "image", 3)
    assert middle(await client.get(url)) == (1, 2, 3)
