"""Matrix sets of the operator's own over HTTP; and Tianditu's numbering of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import mapbox_vector_tile
import morecantile
import pytest

from api.app import create_app
from api.settings import ApiSettings
from gis.matrix_set_files import read_matrix_sets
from gis.matrix_sets import CGCS2000_QUAD, MATRIX_SETS
from gis.own_matrix_sets import MatrixSets
from layers.errors import BadRequest
from onemap.server import matrix_sets_of
from onemap.settings import Settings
from tests.api.city import LAT
from tests.api.conftest import City, client_of
from tests.api.test_ogc_tiles import ITEM, SCHEME, get, linked
from tests.gis.own_sets import degrees_set, gauss_set, written

LON = 116.49
"""Of the building B1."""


@pytest.fixture
def sets(tmp_path: Path) -> MatrixSets:
    return read_matrix_sets(written(tmp_path / "sets", gauss_set(), degrees_set()))


@pytest.fixture
async def client(city: City, sets: MatrixSets) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(ApiSettings(matrix_sets=sets), city.url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


async def test_own_sets_are_listed_after_those_built_in(client: httpx2.AsyncClient) -> None:
    told = (await get(client, "/ogc/tileMatrixSets"))["tileMatrixSets"]
    assert [one["id"] for one in told] == [*MATRIX_SETS, "CityDegrees", "CityGauss"]
    described = await get(client, linked(told[-1], SCHEME))
    assert morecantile.TileMatrixSet.model_validate(described).id == "CityGauss"
    assert described["title"] == "城市高斯三度带"


@pytest.mark.parametrize("name", ["CityGauss", "CityDegrees"])
@pytest.mark.parametrize("root", ["/ogc", "/ogc/collections/building"])
async def test_a_tile_set_leads_to_its_tiles(
    client: httpx2.AsyncClient, sets: MatrixSets, root: str, name: str
) -> None:
    told = await get(client, f"{root}/tiles/{name}")
    own = sets.by_id[name]
    for limits in told["tileMatrixSetLimits"]:
        z = int(limits["tileMatrix"])
        here = own.limits(own.box((LON, LAT, LON, LAT)), z)
        assert here is not None
        assert limits["minTileCol"] <= here[0] <= limits["maxTileCol"]
        assert limits["minTileRow"] <= here[2] <= limits["maxTileRow"]
    place = {"tileMatrix": z, "tileRow": here[2], "tileCol": here[0]}
    answer = await client.get(linked(told, ITEM).format(**place))
    assert answer.status_code == 200
    assert mapbox_vector_tile.decode(answer.content)["building"]["features"]


@pytest.mark.parametrize("path", ["CityGauss/10/0/0", "CityGauss/0/9/0", "CityDegrees/0/0/0", "Own/1/0/0"])
async def test_there_is_nothing_outside_a_set(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(f"/ogc/tiles/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_service_without_them_has_none(city_client: httpx2.AsyncClient) -> None:
    assert (await city_client.get("/ogc/tiles/CityGauss/0/0/0")).status_code == 404


@pytest.mark.parametrize("level", [1, 2, 10, 18])
def test_level_n_of_tianditu_is_level_n_minus_1_of_cgcs2000quad(level: int) -> None:
    """Tianditu's set c: 2^n columns over 360 degrees from 180° W, rows of the same height from 90° N."""
    degrees = 360.0 / 2**level
    column, row = int((LON + 180.0) // degrees), int((90.0 - LAT) // degrees)
    west, south, east, north = CGCS2000_QUAD.bounds(level - 1, column, row)
    assert west <= LON < east
    assert south < LAT <= north
    assert CGCS2000_QUAD.size(level - 1) == (2**level, 2 ** (level - 1))


async def test_the_address_in_the_docs_is_the_same_square_by_both_numbers(city: City, tmp_path: Path) -> None:
    """A file that numbers the squares of CGCS2000Quad from 1 serves Tianditu's own addresses."""
    told = {**CGCS2000_QUAD.document("天地图 c"), "id": "TiandituC"}
    told["tileMatrices"] = [{**m, "id": str(int(m["id"]) + 1)} for m in told["tileMatrices"][:18]]
    sets = read_matrix_sets(written(tmp_path / "sets", told))
    app = create_app(ApiSettings(matrix_sets=sets), city.url)
    column, _, row, _ = CGCS2000_QUAD.limits((LON, LAT, LON, LAT), 14)
    async with app.router.lifespan_context(app), client_of(app) as client:
        ours = await client.get(f"/ogc/tiles/CGCS2000Quad/14/{row}/{column}")
        theirs = await client.get(f"/ogc/tiles/TiandituC/15/{row}/{column}")
    assert ours.status_code == theirs.status_code == 200
    decoded = [mapbox_vector_tile.decode(answer.content) for answer in (ours, theirs)]
    assert decoded[0] == decoded[1]


def test_a_wrong_file_stops_the_start_with_its_name(tmp_path: Path) -> None:
    folder = written(tmp_path / "matrix_sets", gauss_set(crs="EPSG:1"))
    with pytest.raises(BadRequest) as refused:
        matrix_sets_of(Settings(home=tmp_path))
    assert (refused.value.facts["file"], refused.value.facts["field"]) == ("CityGauss.json", "crs")
    (folder / "CityGauss.json").unlink()
    assert list(matrix_sets_of(Settings(home=tmp_path)).by_id) == list(MATRIX_SETS)
    with pytest.raises(BadRequest):
        matrix_sets_of(Settings(matrix_sets=tmp_path / "nowhere"))
