"""What the product promises, over HTTP, on the sample city, with two worker processes."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import mapbox_vector_tile
import numpy as np
import psycopg
import pyogrio
import pytest

from gis.crs import Frame, from_cgcs2000
from gis.measures import distance_m
from gis.squares import Tile, bounds_3857
from tests.acceptance.conftest import Town, onemap

pytestmark = pytest.mark.slow

LAYERS = {
    "district", "street", "community", "road", "water_area", "green_area", "address", "unit_grid",
    "component", "building", "station",
}  # fmt: skip


def test_every_public_layer_is_a_collection(served: str) -> None:
    found = httpx2.get(f"{served}/ogc/collections").json()["collections"]
    assert {collection["id"] for collection in found} >= LAYERS


def test_a_tile_in_the_middle_of_the_city_holds_the_buildings_postgis_finds_there(
    served: str, town: Town
) -> None:
    tile = _tile_at(116.5, 31.74, 14)
    answer = httpx2.get(f"{served}/tiles/building/{tile.z}/{tile.x}/{tile.y}.mvt")
    drawn = {f["id"] for f in mapbox_vector_tile.decode(answer.content)["building"]["features"]}
    west, south, east, north = bounds_3857(tile)
    with psycopg.connect(town.database_url) as connection:
        inside = connection.execute(
            "SELECT _fid FROM onemap_rows.building"
            " WHERE ST_Intersects(_geom_3857, ST_MakeEnvelope(%s, %s, %s, %s, 3857))",
            [west, south, east, north],
        ).fetchall()
    assert {fid for (fid,) in inside} <= drawn
    assert len(inside) > 50


def test_items_in_a_box_are_geojson(served: str) -> None:
    answer = httpx2.get(f"{served}/ogc/collections/building/items?bbox=116.499,31.739,116.501,31.741&limit=5")
    assert answer.headers["content-type"].startswith("application/geo+json")
    assert 0 < answer.json()["numberReturned"] <= 5


@pytest.mark.parametrize("frame", ["cgcs2000", "wgs84", "gcj02", "bd09"])
def test_ten_thousand_random_points_get_the_grid_that_postgis_gives(
    served: str, town: Town, frame: Frame
) -> None:
    lon, lat = _random_points(town, 10_000)
    asked = from_cgcs2000(lon, lat, frame)
    body = {"crs": frame, "points": np.column_stack(asked).tolist()}
    codes = httpx2.post(f"{served}/api/v1/grid/locate", json=body, timeout=60).json()["codes"]
    expected = _by_postgis(town, lon, lat)
    differing = [n for n in range(len(lon)) if codes[n] != expected[n]]
    if frame in ("cgcs2000", "wgs84"):
        assert not differing
    else:
        # the offsets are undone to well below a metre: only points that close to a border may differ
        assert all(_metres_to_border(town, lon[n], lat[n]) < 1.0 for n in differing)
        assert len(differing) < 20


def test_a_point_outside_names_the_nearest_grid_and_its_distance(served: str, town: Town) -> None:
    answer = httpx2.get(f"{served}/api/v1/grid/locate?lon=116.6&lat=31.74").json()
    assert not answer["found"]
    with psycopg.connect(town.database_url) as connection:
        nearest = connection.execute(
            "SELECT min(ST_Distance(_geom::geography, ST_Point(116.6, 31.74, 4490)::geography))"
            " FROM onemap_rows.unit_grid"
        ).fetchone()
    assert nearest is not None
    assert answer["nearest"]["distance_m"] == pytest.approx(nearest[0], rel=0.002)


def test_an_event_posted_twice_with_one_key_exists_once_and_is_on_the_stream(served: str, town: Town) -> None:
    headers = {"Authorization": f"Bearer {town.key}", "Idempotency-Key": "acceptance-1"}
    report = {"class_code": "06010", "lon": 116.5, "lat": 31.74, "description": "路口堆放垃圾"}
    with httpx2.stream(
        "GET", f"{served}/api/v1/events/stream", headers={"Authorization": f"Bearer {town.key}"}, timeout=20
    ) as stream:
        lines = stream.iter_lines()
        first = httpx2.post(f"{served}/api/v1/events", json=report, headers=headers)
        second = httpx2.post(f"{served}/api/v1/events", json=report, headers=headers)
        seen = next(json.loads(line[5:]) for line in lines if line.startswith("data:"))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"] == seen["id"]
    events = httpx2.get(f"{served}/api/v1/events?limit=100", headers=headers).json()["events"]
    assert [e["id"] for e in events].count(first.json()["id"]) == 1


def test_gdal_lists_the_collections_reads_one_and_opens_a_tile(served: str, tmp_path: Path) -> None:
    listed = {name for name, _ in pyogrio.list_layers(f"OAPIF:{served}/ogc")}
    assert listed >= LAYERS
    meta, _, geometry, _ = pyogrio.raw.read(f"OAPIF:{served}/ogc", layer="community")
    assert len(geometry) > 0
    assert "name" in meta["fields"]
    tile = _tile_at(116.5, 31.74, 14)
    file = tmp_path / "tile.mvt"
    file.write_bytes(httpx2.get(f"{served}/tiles/building/{tile.z}/{tile.x}/{tile.y}.mvt").content)
    assert pyogrio.read_info(f"MVT:{file}", layer="building")["features"] > 50


def test_a_new_grid_version_reaches_every_worker_without_a_restart(
    served: str, town: Town, tmp_path: Path
) -> None:
    before = httpx2.get(f"{served}/api/v1/grid/locate?lon=116.5&lat=31.74").json()
    files = tmp_path / "again"
    files.mkdir()
    for part in town.files.glob("单元网格.*"):
        (files / part.name).write_bytes(part.read_bytes())
    dbf = files / "单元网格.dbf"
    old, new = "网格".encode("gbk"), "方格".encode("gbk")
    assert old in dbf.read_bytes()
    dbf.write_bytes(dbf.read_bytes().replace(old, new))
    done = onemap("import", str(files / "单元网格.shp"), database_url=town.database_url)
    assert done.returncode == 0, done.stdout + done.stderr
    # enough fresh connections that both processes answer some of them
    answers = [
        httpx2.get(f"{served}/api/v1/grid/locate?lon=116.5&lat=31.74", headers={"Connection": "close"}).json()
        for _ in _until_all_new(served, before["version"])
    ]
    assert {answer["version"] for answer in answers} == {before["version"] + 1}
    assert all("方格" in answer["grid"]["name"] for answer in answers)


def _until_all_new(served: str, old_version: int) -> range:
    """Waits until twenty fresh connections in a row see a newer version, for five seconds at most."""
    for _ in range(50):
        versions = {
            httpx2.get(f"{served}/api/v1/grid/locate?lon=116.5&lat=31.74").json()["version"]
            for _ in range(20)
        }
        if old_version not in versions:
            break
    return range(20)


def _tile_at(lon: float, lat: float, z: int) -> Tile:
    column = int((lon + 180) / 360 * 2**z)
    row = int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**z)
    return Tile(z, column, row)


def _random_points(town: Town, count: int) -> tuple[np.ndarray, np.ndarray]:
    with psycopg.connect(town.database_url) as connection:
        extent = connection.execute(
            "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)"
            " FROM (SELECT ST_Extent(_geom) AS e FROM onemap_rows.unit_grid) AS x"
        ).fetchone()
    assert extent is not None
    generator = np.random.default_rng(7)
    return generator.uniform(extent[0], extent[2], count), generator.uniform(extent[1], extent[3], count)


def _by_postgis(town: Town, lon: np.ndarray, lat: np.ndarray) -> list[str | None]:
    with psycopg.connect(town.database_url) as connection:
        rows = connection.execute(
            "SELECT (SELECT min(g.code) FROM onemap_rows.unit_grid g"
            "   WHERE ST_Intersects(g._geom, ST_SetSRID(ST_MakePoint(p.lon, p.lat), 4490)))"
            " FROM unnest(%s::float8[], %s::float8[]) WITH ORDINALITY AS p (lon, lat, n) ORDER BY p.n",
            [lon.tolist(), lat.tolist()],
        ).fetchall()
    return [code for (code,) in rows]


def _metres_to_border(town: Town, lon: float, lat: float) -> float:
    with psycopg.connect(town.database_url) as connection:
        found = connection.execute(
            "SELECT ST_X(p), ST_Y(p) FROM (SELECT ST_ClosestPoint(ST_Boundary(_geom), here) AS p"
            " FROM onemap_rows.unit_grid, ST_SetSRID(ST_MakePoint(%s, %s), 4490) AS here"
            " ORDER BY ST_Boundary(_geom) <-> here LIMIT 1) AS nearest",
            [lon, lat],
        ).fetchone()
    assert found is not None
    return float(distance_m(lon, lat, found[0], found[1]))
