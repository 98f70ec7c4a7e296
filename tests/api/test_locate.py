"""Locating over HTTP: one point in words, a hundred thousand in codes, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from sqlalchemy import text

from api.grid_documents import LocatedDocument, LocatedManyDocument
from gis.crs import FRAMES, Frame, from_cgcs2000
from gis.measures import distance_m
from tests.api.grid_service import Service
from tests.grid.city import COMMUNITY, OTHER_COMMUNITY, SIZE, SOUTH, WEST, grid_rows, middle, put

ONE = "/api/v1/grid/locate"


async def test_a_point_is_told_with_its_names(shared: Service) -> None:
    lon, lat = middle(1, 0)
    told = (await shared.get(ONE, lon=lon, lat=lat)).json()
    LocatedDocument.model_validate(told)
    assert told == {
        "found": True,
        "lon": lon,
        "lat": lat,
        "grid": {"code": f"{COMMUNITY}003", "name": "网格003"},
        "community": {"code": COMMUNITY, "name": "迎宾社区"},
        "street": {"code": "341502001", "name": "中市街道"},
        "district": {"code": "341502", "name": "金安区"},
        "nearest": None,
        "version": 1,
    }


@pytest.mark.parametrize("frame", FRAMES)
async def test_the_same_place_in_four_kinds_of_coordinates_is_the_same_grid(
    shared: Service, frame: Frame
) -> None:
    lon, lat = middle(2, 1)
    x, y = from_cgcs2000(lon, lat, frame)
    told = (await shared.get(ONE, lon=float(x), lat=float(y), crs=frame)).json()
    assert told["grid"]["code"] == f"{OTHER_COMMUNITY}006"
    assert float(distance_m(told["lon"], told["lat"], lon, lat)) < 0.001
    many = await shared.post(ONE, json={"crs": frame, "points": [[float(x), float(y)]]})
    assert many.json()["codes"] == [f"{OTHER_COMMUNITY}006"]


async def test_a_point_outside_says_so_and_names_the_nearest(shared: Service) -> None:
    _, lat = middle(0, 0)
    told = (await shared.get(ONE, lon=WEST - SIZE, lat=lat)).json()
    LocatedDocument.model_validate(told)
    assert (told["found"], told["grid"], told["district"]) == (False, None, None)
    assert told["nearest"]["code"] == f"{COMMUNITY}001"
    assert told["nearest"]["distance_m"] == pytest.approx(94.8, abs=0.2)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"lat": 31.7}, "lon"),
        ({"lon": "x", "lat": 31.7}, "lon"),
        ({"lon": "nan", "lat": 31.7}, "lon"),
        ({"lon": "inf", "lat": 31.7}, "lon"),
        ({"lon": 500, "lat": 31.7}, "lon"),
        ({"lon": 31.7, "lat": 116.5}, "lat"),
        ({"lon": 116.5, "lat": 31.7, "crs": "mars"}, "crs"),
    ],
)
async def test_a_point_that_is_none_is_refused_by_field(
    shared: Service, query: dict[str, object], field: str
) -> None:
    answer = await shared.get(ONE, **query)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_ten_thousand_points_are_in_the_grids_postgis_finds(shared: Service) -> None:
    random = np.random.default_rng(1)
    points = random.uniform((WEST - SIZE, SOUTH - SIZE), (WEST + 5 * SIZE, SOUTH + 3 * SIZE), (10_000, 2))
    grids, shapes = grid_rows()
    async with shared.database.begin() as connection:
        await connection.execute(text("CREATE TEMP TABLE cell (code text, geom geometry(Polygon, 4490))"))
        for grid, shape in zip(grids, shapes, strict=True):
            await connection.execute(
                text("INSERT INTO cell VALUES (:code, ST_GeomFromText(:shape, 4490))"),
                {"code": grid["code"], "shape": shapely.to_wkt(shape, rounding_precision=-1)},
            )
        found = await connection.execute(
            text(
                "SELECT min(cell.code) FROM unnest(CAST(:x AS float8[]), CAST(:y AS float8[]))"
                " WITH ORDINALITY AS p(x, y, n)"
                " LEFT JOIN cell ON ST_Intersects(cell.geom, ST_Point(p.x, p.y, 4490))"
                " GROUP BY p.n ORDER BY p.n"
            ),
            {"x": points[:, 0].tolist(), "y": points[:, 1].tolist()},
        )
        theirs = [row[0] for row in found]
    told = (await shared.post(ONE, json={"points": points.tolist()})).json()
    LocatedManyDocument.model_validate(told)
    assert told["codes"] == theirs
    assert (told["count"], told["outside"]) == (10_000, theirs.count(None))


async def test_a_hundred_thousand_points_are_answered_at_once(shared: Service) -> None:
    lon, lat = middle(0, 0)
    body = json.dumps({"points": [[lon, lat]] * 100_000})
    answer = await shared.post(ONE, content=body)
    assert set(answer.json()["codes"]) == {f"{COMMUNITY}001"}
    more = await shared.post(ONE, json={"points": [[lon, lat]] * 100_001})
    assert (more.status_code, more.json()["limit"]) == (413, 100_000)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "body"),
        ("{", "body"),
        ("[]", "body"),
        ('{"points": [[116.5, NaN]]}', "body"),
        ("{}", "points"),
        ('{"points": {}}', "points"),
        ('{"points": [[116.5, 31.7], [116.5]]}', "points[1]"),
        ('{"points": [[116.5, 31.7, 5]]}', "points[0]"),
        ('{"points": [null]}', "points[0]"),
        ('{"points": ["116.5,31.7"]}', "points[0]"),
        ('{"points": [["116.5", 31.7]]}', "points[0][0]"),
        ('{"points": [[116.5, null]]}', "points[0][1]"),
        ('{"points": [[true, 31.7]]}', "points[0][0]"),
        ('{"points": [[1e999, 31.7]]}', "points[0][0]"),
        ('{"points": [[31.7, 116.5]]}', "points[0][1]"),
        ('{"points": [[116.5, 31.7]], "crs": "mars"}', "crs"),
        ('{"points": [[116.5, 31.7]], "crs": null}', "crs"),
        ('{"points": [], "frame": "gcj02"}', "frame"),
    ],
)
async def test_many_points_are_refused_by_the_one_that_is_wrong(
    shared: Service, body: str, field: str
) -> None:
    answer = await shared.post(ONE, content=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] in (field, "body" if "1e999" in body else field)


async def test_no_points_are_no_mistake(shared: Service) -> None:
    assert (await shared.post(ONE, json={"points": []})).json() == {
        "version": 1,
        "count": 0,
        "outside": 0,
        "codes": [],
    }


async def test_a_new_version_of_the_grids_is_answered_from_without_a_restart(service: Service) -> None:
    lon, lat = middle(0, 0)
    grids, shapes = grid_rows()
    shapes[0], shapes[1] = shapes[1], shapes[0]
    await put(service.database, "unit_grid", grids, shapes)
    await service.context.locator.wait_for_version(2)
    told = (await service.get(ONE, lon=lon, lat=lat)).json()
    assert (told["version"], told["grid"]["code"]) == (2, f"{COMMUNITY}002")


async def test_a_viewer_of_one_district_is_not_told_of_the_grids_of_another(shared: Service) -> None:
    lon, lat = middle(3, 0)
    told = (await shared.get(ONE, "west", lon=lon, lat=lat)).json()
    assert (told["found"], told["nearest"]["code"]) == (False, f"{COMMUNITY}003")
    many = await shared.post(ONE, "west", json={"points": [[lon, lat], list(middle(0, 0))]})
    assert many.json()["codes"] == [None, f"{COMMUNITY}001"]
