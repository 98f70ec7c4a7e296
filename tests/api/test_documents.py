"""What the API definition promises is what comes."""

from __future__ import annotations

import httpx2
import pytest
from pydantic import BaseModel

from api import documents, health
from tests.api.conftest import City

PLACE = "lon=116.49&lat=31.74"

PROMISED: list[tuple[str, type[BaseModel]]] = [
    ("/about", health.AboutDocument),
    ("/api/v1/me", documents.AccountDocument),
    ("/api/v1/layers", documents.LayersDocument),
    ("/api/v1/layers/unit_grid", documents.LayerDocument),
    ("/api/v1/layers/unit_grid/versions", documents.VersionsDocument),
    ("/api/v1/themes", documents.ThemesDocument),
    (f"/api/v1/identify?{PLACE}&radius_m=100", documents.IdentifyDocument),
    (f"/api/v1/layers/building/nearest?{PLACE}", documents.NearFeaturesDocument),
    ("/api/v1/search?q=B", documents.SearchDocument),
    ("/ogc/", documents.LandingPageDocument),
    ("/ogc/conformance", documents.ConformanceDocument),
    ("/ogc/collections", documents.CollectionsDocument),
    ("/ogc/collections/road", documents.CollectionDocument),
    ("/ogc/collections/building/items", documents.FeaturesDocument),
    ("/ogc/collections/building/items/B1", documents.FeatureDocument),
]


@pytest.mark.parametrize(("address", "model"), PROMISED)
async def test_an_answer_is_what_its_document_says(
    city_client: httpx2.AsyncClient, city: City, address: str, model: type[BaseModel]
) -> None:
    answer = await city_client.get(address, headers=city.headers("admin"))
    assert answer.status_code == 200, answer.text
    model.model_validate_json(answer.content)


async def test_counts_are_what_their_document_says(city_client: httpx2.AsyncClient) -> None:
    ring = [[116.4, 31.7], [116.6, 31.7], [116.6, 31.8], [116.4, 31.8], [116.4, 31.7]]
    area = {"geometry": {"type": "Polygon", "coordinates": [ring]}, "count_by": "district_code"}
    answer = await city_client.post("/api/v1/layers/building/within", json=area)
    told = documents.WithinDocument.model_validate_json(answer.content)
    assert (told.count, len(told.counts), len(told.features)) == (2, 2, 2)


async def test_a_problem_is_what_its_document_says(city_client: httpx2.AsyncClient) -> None:
    answer = await city_client.get("/api/v1/layers/nowhere")
    documents.ProblemDocument.model_validate_json(answer.content)


async def test_every_route_is_told_by_a_sentence_and_a_name_of_its_own(
    city_client: httpx2.AsyncClient,
) -> None:
    paths = (await city_client.get("/ogc/api")).json()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert sorted(names) == sorted(set(names))
    for operation in operations:
        assert operation.get("description"), operation["operationId"]
        assert "4XX" in operation["responses"]
        assert "422" not in operation["responses"]


async def test_about_holds_versions_and_no_secret(city_client: httpx2.AsyncClient, city: City) -> None:
    answer = await city_client.get("/about")
    told = answer.json()
    assert {"python", "postgresql", "postgis", "geos", "proj"} <= set(told["software"])
    assert "pipe_line" not in [layer["id"] for layer in told["layers"]]
    assert "postgresql://" not in answer.text
    assert city.url.rpartition("/")[2].partition("?")[0] not in answer.text
