"""OGC API Tiles: links that lead somewhere, squares in degrees, GDAL as a client."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import mapbox_vector_tile
import morecantile
import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import shapely
from shapely.geometry import shape

from gis.matrix_sets import CGCS2000_QUAD, MATRIX_SETS
from gis.squares import Tile, bounds_3857, tile_at
from tests.api.city import LAT, OTHER_DISTRICT, PERSONAL
from tests.api.conftest import City

MVT = "application/vnd.mapbox-vector-tile"
ITEM, SCHEME = "item", "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme"


async def get(client: httpx2.AsyncClient, address: str) -> dict[str, Any]:
    answer = await client.get(address)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def linked(document: dict[str, Any], rel: str) -> str:
    return next(str(link["href"]) for link in document["links"] if link["rel"] == rel)


async def test_matrix_sets_are_listed_and_described(city_client: httpx2.AsyncClient) -> None:
    told = await get(city_client, "/ogc/tileMatrixSets")
    assert [one["id"] for one in told["tileMatrixSets"]] == list(MATRIX_SETS)
    for one in told["tileMatrixSets"]:
        described = await get(city_client, linked(one, SCHEME))
        assert morecantile.TileMatrixSet.model_validate(described).id == one["id"]
    assert (await city_client.get("/ogc/tileMatrixSets/None")).status_code == 404


@pytest.mark.parametrize("root", ["/ogc", "/ogc/collections/building"])
async def test_every_tile_set_leads_to_its_tiles(city_client: httpx2.AsyncClient, root: str) -> None:
    sets = (await get(city_client, f"{root}/tiles"))["tilesets"]
    assert len(sets) == len(MATRIX_SETS)
    for one in sets:
        told = await get(city_client, linked(one, "self"))
        assert (told["dataType"], told["crs"]) == ("vector", one["crs"])
        limits = told["tileMatrixSetLimits"][-1]
        place = {"tileMatrix": limits["tileMatrix"], "tileRow": limits["minTileRow"]}
        answer = await city_client.get(linked(told, ITEM).format(**place, tileCol=limits["minTileCol"]))
        assert (answer.status_code, answer.headers.get("content-type", MVT)) in ((200, MVT), (204, MVT))
        # Among all layers is a table of the operator's own, whose changes nobody tells us of.
        kept = "max-age=30" if root == "/ogc" else "immutable"
        assert kept in answer.headers["cache-control"]


async def test_a_square_in_degrees_holds_what_lies_in_it(city_client: httpx2.AsyncClient) -> None:
    z = 13
    column, _, row, _ = CGCS2000_QUAD.limits((116.49, LAT, 116.49, LAT), z)
    west, south, east, north = CGCS2000_QUAD.bounds(z, column, row)
    unit = (east - west) / 4096
    items = await get(city_client, "/ogc/collections/building/items/B1")
    square = shapely.box(west, south, east, north).buffer(unit * 64, join_style="mitre")
    exact = shape(items["geometry"]).intersection(square)
    for name in ("CGCS2000Quad", "WorldCRS84Quad"):
        answer = await city_client.get(f"/ogc/collections/building/tiles/{name}/{z}/{row}/{column}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, MVT)
        decoded = mapbox_vector_tile.decode(answer.content, default_options={"y_coord_down": True})
        [feature] = decoded["building"]["features"]
        drawn = shapely.transform(
            shape(feature["geometry"]), lambda units: np.array([west, north]) + units * [unit, -unit]
        )
        assert shapely.hausdorff_distance(drawn, exact) < unit


async def test_everything_in_one_tile_is_what_the_caller_may_see(
    city_client: httpx2.AsyncClient, city: City
) -> None:
    z, column, row = tile_at(116.49, LAT, 14)
    address = f"/ogc/tiles/WebMercatorQuad/{z}/{row}/{column}"
    nobody = mapbox_vector_tile.decode((await city_client.get(address)).content)
    everything = await city_client.get(address, headers=city.headers("admin"))
    admin = mapbox_vector_tile.decode(everything.content)
    assert set(nobody) < set(admin)
    assert PERSONAL not in json.dumps(nobody)
    chosen = await city_client.get(f"{address}?collections=building&f=mvt")
    assert set(mapbox_vector_tile.decode(chosen.content)) == {"building"}


async def test_a_limited_viewer_gets_limited_tiles(city_client: httpx2.AsyncClient, city: City) -> None:
    answer = await city_client.get("/ogc/tiles/CGCS2000Quad/9/165/843", headers=city.headers("jinan"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-cache"
    assert OTHER_DISTRICT.encode() not in answer.content


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/ogc/tiles/None/0/0/0", 404),
        ("/ogc/tiles/CGCS2000Quad/0/0/2", 404),
        ("/ogc/tiles/CGCS2000Quad/0/1/0", 404),
        ("/ogc/tiles/CGCS2000Quad/x/0/0", 404),
        ("/ogc/tiles/CGCS2000Quad/0/0/0?f=png", 400),
        ("/ogc/tiles/CGCS2000Quad/0/0/0?colour=red", 400),
        ("/ogc/tiles/CGCS2000Quad/0/0/0?collections=none", 404),
        ("/ogc/collections/none/tiles/CGCS2000Quad/0/0/0", 404),
        ("/ogc/collections/none/tiles", 404),
        ("/ogc/collections/pipe_line/tiles/CGCS2000Quad/0/0/0", 401),
        ("/ogc/collections/building/tiles/None", 404),
        ("/ogc/tiles/None", 404),
    ],
)
async def test_a_wrong_tile_is_a_problem_document(
    city_client: httpx2.AsyncClient, address: str, status: int
) -> None:
    answer = await city_client.get(address)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_api_definition_names_the_tiles(city_client: httpx2.AsyncClient) -> None:
    paths = (await get(city_client, "/ogc/api"))["paths"]
    assert {
        "/tiles/{layers}/{z}/{x}/{y}.mvt",
        "/ogc/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}",
    } <= set(paths)


def test_gdal_reads_one_tile(city_service_url: str) -> None:
    z, x, y = tile_at(116.49, LAT, 14)
    address = f"MVT:{city_service_url}/tiles/building,street/{z}/{x}/{y}.mvt"
    assert set(pyogrio.list_layers(address)[:, 0]) == {"building", "street"}
    meta, _, geometries, fields = pyogrio.raw.read(address, layer="building")
    assert (meta["crs"], len(geometries)) == ("EPSG:3857", 1)
    assert list(fields[list(meta["fields"]).index("code")]) == ["B1"]
    west, south, east, north = bounds_3857(Tile(z, x, y))
    assert shapely.from_wkb(geometries[0]).centroid.within(shapely.box(west, south, east, north))


@pytest.mark.parametrize("matrix_set", ["WorldCRS84Quad", "CGCS2000Quad"])
def test_gdal_reads_a_collection_by_its_tiles(city_service_url: str, matrix_set: str) -> None:
    # Not in metres: GDAL 3.12 compares the collection's extent in degrees with the matrices as they are.
    meta, _, geometries, fields = pyogrio.raw.read(
        f"OGCAPI:{city_service_url}/ogc/collections/building",
        layer="Zoom level 13",
        API="TILES",
        TILEMATRIXSET=matrix_set,
    )
    assert set(fields[list(meta["fields"]).index("code")]) == {"B1", "B2"}
    bounds = shapely.total_bounds(shapely.from_wkb(geometries))
    assert bounds == pytest.approx([116.4895, 31.7395, 116.5105, 31.7405], abs=1e-5)
