"""Files in a city-local system: named in the operator's file, or with their parameters beside the import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from gis.crs import read_crs, reproject
from gis.local_systems import Datum, LocalSystem, Plane
from importers.local_systems import local_system, read_systems
from importers.options import ImportOptions
from importers.place import placed
from importers.run import import_files
from importers.source import CHUNK_ROWS, Source
from layers.db import Database
from layers.errors import BadRequest
from tests.importers.published import layer_of
from tests.importers.specimens import sources, text, vector

PLANE = Plane(3_500_000.0, 450_000.0, -120.5, 0.99998, "north")
SYSTEMS = """
["滁州2000"]
title = "滁州市独立坐标系"
to = "EPSG:4548"
x_is = "north"
dx_m = 3500000.0
dy_m = 450000.0
rotation_s = -120.5
scale = 0.99998
error_m = 0.03

["旧系"]
from = "EPSG:2436"
convention = "position_vector"
dx_m = -15.2
dy_m = 110.4
dz_m = 60.7
rx_s = 1.2
ry_s = -2.3
rz_s = 3.4
scale_ppm = -4.5
secret = false
"""
SECRET = ("120.5", "0.99998", "3500000", "450000")


@pytest.fixture
def systems(tmp_path: Path) -> Path:
    return text(tmp_path, "local_systems.toml", SYSTEMS)


def found(path: Path, systems: Path, **options: Any) -> Source:
    (source,) = sources(path)
    return placed(source, ImportOptions(systems=systems, **options))


def lon_lat(source: Source) -> Any:
    (chunk,) = source.read(CHUNK_ROWS)
    assert chunk.geometry is not None
    assert source.crs is not None
    return shapely.get_coordinates(reproject(chunk.geometry, source.crs))


def wanted() -> Any:
    """Where (1000 E, 2000 N) of the city's plane is."""
    east, north = PLANE.forward(1000.0, 2000.0)
    return shapely.get_coordinates(reproject(np.array([shapely.Point(east, north)]), read_crs(4548)))


def test_a_named_system_is_taken_from_the_file_and_said_by_name(tmp_path: Path, systems: Path) -> None:
    path = text(tmp_path, "a.csv", "id,东坐标,北坐标\n1,1000,2000\n")
    source = found(path, systems, crs="local:滁州2000")
    assert lon_lat(source) == pytest.approx(wanted(), abs=1e-10)
    assert source.crs == read_crs(4548)
    assert source.crs_found is not None
    assert source.crs_found.value == "local:滁州2000"
    assert "滁州市独立坐标系" in source.crs_found.zh
    assert source.route is not None
    assert source.route.error_m == pytest.approx(0.031)


def test_the_northing_first_is_turned_where_only_that_lands(tmp_path: Path, systems: Path) -> None:
    near = "to=EPSG:4548;x_is=north;dx_m=10;dy_m=20;rotation_s=0;scale=1"
    turned = found(text(tmp_path, "a.csv", "id,x,y\n1,3512000,455000\n"), systems, local=near)
    assert turned.notes[-1].rule == "place.swapped"
    told = found(text(tmp_path, "b.csv", "id,x,y\n1,2000,1000\n"), systems, local="滁州2000", swapped=True)
    assert lon_lat(told) == pytest.approx(wanted(), abs=1e-10)


def test_parameters_may_stand_beside_the_import(tmp_path: Path) -> None:
    path = vector(tmp_path / "a.shp", [shapely.Point(1000, 2000)], {"id": ["1"]}, crs=None)
    said = "to=EPSG:4548 x_is=north dx_m=3500000 dy_m=450000 rotation_s=-120.5 scale=0.99998"
    (source,) = sources(path)
    assert lon_lat(placed(source, ImportOptions(local=said))) == pytest.approx(wanted(), abs=1e-10)


def test_seven_parameters_lead_from_an_old_datum(tmp_path: Path, systems: Path) -> None:
    path = text(tmp_path, "a.csv", "id,东坐标,北坐标\n1,455000,3512000\n")
    truth = LocalSystem(
        "", read_crs(2436), Datum(-15.2, 110.4, 60.7, 1.2, -2.3, 3.4, -4.5, "position_vector")
    )
    lon, lat = truth.forward([455_000.0], [3_512_000.0])
    ((x, y),) = lon_lat(found(path, systems, crs="local:旧系"))
    assert (x, y) == pytest.approx((lon[0], lat[0]), abs=1e-10)


def test_a_name_nobody_keeps_is_refused_with_those_that_are(systems: Path) -> None:
    with pytest.raises(BadRequest, match="滁州2000"):
        local_system(ImportOptions(crs="local:合肥", systems=systems))
    assert local_system(ImportOptions(crs="EPSG:4548", systems=systems)) is None


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("rotation_s = -120.5", ""), "rotation_s"),
        (("x_is = \"north\"", "x_is = \"up\""), "x_is"),
        (("scale = 0.99998", "scale = -20.0"), "scale"),
        (("dx_m = 3500000.0", "dx_m = \"3500000,0\""), "dx_m"),
        (("EPSG:4548", "EPSG:4490"), "to"),
        (("EPSG:4548", "nowhere"), "to"),
        (("position_vector", "bursa"), "convention"),
        (("error_m = 0.03", "eror_m = 0.03"), "eror_m"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_named_by_its_key_and_never_by_its_value(
    tmp_path: Path, change: tuple[str, str], key: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        read_systems(text(tmp_path, "a.toml", SYSTEMS.replace(*change, 1)))
    assert key in str(caught.value)
    assert not any(number in f"{caught.value.zh} {caught.value.en} {caught.value.facts}" for number in SECRET)


def test_a_file_that_is_no_toml_says_the_line_and_nothing_of_its_content(tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as caught:
        read_systems(text(tmp_path, "a.toml", SYSTEMS + "dx_m 3500000.0\n"))
    assert "line" in str(caught.value)
    assert not any(number in str(caught.value) for number in SECRET)


def test_no_file_is_no_systems(tmp_path: Path) -> None:
    assert read_systems(tmp_path / "none.toml") == {}


async def test_the_report_and_the_version_name_the_system_and_never_its_parameters(
    database: Database, tmp_path: Path, systems: Path
) -> None:
    path = text(tmp_path, "点.csv", "id,东坐标,北坐标\n1,1000,2000\n2,1100,2000\n")
    options = ImportOptions(crs="local:滁州2000", systems=systems, layer_id="marks")
    (report,) = await import_files(database, [path], options)
    assert report.state == "published"
    (origin,) = (await layer_of(database, "marks")).origins
    assert (origin.system, origin.error_m) == ("local:滁州2000", pytest.approx(0.031))
    shown = (
        json.dumps(report.to_json(), ensure_ascii=False)
        + report.text("zh")
        + report.text("en")
        + repr(options)
    )
    assert "local:滁州2000" in shown
    assert not any(number in shown for number in SECRET)
