"""What is seen in a file before it is read: layer, text, place, columns, a picture; and what is in doubt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from importers.look import look_at_files
from importers.options import ImportOptions, silent
from importers.picture import MOST_BYTES, MOST_FEATURES
from importers.run import import_files
from importers.sampling import ROWS, sampled
from importers.whereabouts import whereabouts
from layers.db import Database
from layers.model import BoundingBox
from tests.importers.specimens import GRIDS, packed, parts_of, shapefile, source, squares, text, vector

CITY = BoundingBox(115.5, 31.0, 117.0, 32.5)


async def look(database: Database, path: Path, **options: Any) -> dict[str, Any]:
    return await look_at_files(database, [path], ImportOptions(**options), silent)


async def table(database: Database, path: Path, **options: Any) -> dict[str, Any]:
    """The only table seen in a file."""
    (only,) = (await look(database, path, **options))["tables"]
    assert isinstance(only, dict)
    return only


def rules(seen: dict[str, Any]) -> list[str]:
    return [trouble["rule"] for trouble in seen["troubles"]]


async def test_a_shapefile_of_grids_is_recognised_with_its_evidence(
    database: Database, tmp_path: Path
) -> None:
    seen = await table(database, shapefile(tmp_path))
    assert (seen["format"], seen["rows"], seen["geometry"]) == ("ESRI Shapefile", 3, "Polygon")
    assert (seen["layer"]["id"], seen["layer"]["is_new"]) == ("unit_grid", False)
    assert 0.5 <= seen["layer"]["certainty"] <= 1
    assert (seen["encoding"]["name"], seen["encoding"]["certain"]) == ("gb18030", True)
    assert "GB2312" in seen["encoding"]["evidence"]["zh"]
    assert (seen["crs"]["epsg"], seen["crs"]["certain"], seen["crs"]["error_m"]) == (4527, True, 0.001)
    assert "投影" in seen["crs"]["carried"]["zh"]
    assert seen["troubles"] == []
    columns = {column["name"]: column for column in seen["columns"]}
    assert columns["网格编码"]["field"] == "code"
    assert columns["网格编码"]["samples"] == GRIDS["网格编码"]
    assert columns["网格名称"]["evidence"]["zh"]
    [key] = [field for field in seen["fields"] if field["is_key"]]
    assert (key["name"], key["required"], key["lacking"]) == ("code", True, False)


async def test_the_picture_lies_where_the_rows_do(database: Database, tmp_path: Path) -> None:
    seen = await table(database, shapefile(tmp_path))
    features = seen["preview"]["features"]
    assert [feature["properties"]["row"] for feature in features] == [1, 2, 3]
    west, south, east, north = seen["bounds"]
    assert 116 < west < east < 117
    assert 31 < south < north < 32
    drawn = shapely.union_all([shapely.geometry.shape(feature["geometry"]) for feature in features])
    assert drawn.bounds == pytest.approx((west, south, east, north), abs=1e-6)


async def test_columns_are_said_otherwise_and_missing_fields_are_named(
    database: Database, tmp_path: Path
) -> None:
    path = shapefile(tmp_path, "甲", fields={"a": GRIDS["网格编码"], "b": GRIDS["网格名称"]})
    seen = await table(database, path, layer_id="unit_grid")
    assert (rules(seen), seen["lacking"]) == (["fields"], ["code"])
    assert seen["crs"]["epsg"] == 4527, "what can be told is told all the same"
    seen = await table(database, path, layer_id="unit_grid", columns={"a": "code", "b": ""})
    assert (rules(seen), seen["lacking"]) == ([], [])
    assert [column["field"] for column in seen["columns"]] == ["code", None]
    assert seen["columns"][0]["evidence"]["zh"] == "由导入者指定"
    seen = await table(database, path, layer_id="unit_grid", columns={"a": "no_such_field"})
    assert "columns" in rules(seen)


async def test_a_strangers_file_is_a_new_layer_of_its_own(database: Database, tmp_path: Path) -> None:
    seen = await table(
        database, vector(tmp_path / "trees.gpkg", squares(), {"kind": ["a", "b", "c"]}, crs="EPSG:4527")
    )
    assert seen["layer"] | {"evidence": None} == {
        "id": "trees",
        "title": {"zh": "trees", "en": "trees"},
        "geometry_type": "MultiPolygon",
        "is_new": True,
        "version": 0,
        "evidence": None,
        "certainty": None,
    }
    assert [(field["name"], field["is_key"]) for field in seen["fields"]] == [("fid", True), ("kind", False)]


async def test_plane_coordinates_without_zone_come_with_choices_and_the_likeliest_is_drawn(
    database: Database, tmp_path: Path
) -> None:
    path = text(tmp_path, "点.csv", "编号,横坐标,纵坐标\n1,455000,3512000\n2,455100,3512100\n")
    seen = await table(database, path)
    assert rules(seen) == ["place"]
    crs = seen["crs"]
    assert (crs["value"], crs["certain"]) == ("EPSG:4548", False)
    offered = {one["crs"]: one for one in crs["candidates"]}
    assert {"EPSG:4548", "EPSG:4547", "EPSG:4549", "EPSG:2384", "EPSG:2436"} <= set(offered)
    assert seen["preview"]["features"][0]["geometry"]["coordinates"][0] == pytest.approx(116.525, abs=0.01)
    said = await table(database, path, crs="EPSG:4547")
    assert (rules(said), said["crs"]["certain"]) == ([], True)
    assert said["bounds"][0] == pytest.approx(113.525, abs=0.01), "a wrong choice shows on the map"


async def test_exchanged_axes_are_offered_the_right_way_round(database: Database, tmp_path: Path) -> None:
    seen = await table(database, text(tmp_path, "t.csv", "id,lon,lat\na,31.74,116.5\nb,31.75,116.6\n"))
    assert rules(seen) == ["place"]
    assert seen["crs"]["candidates"][0]["swapped"]
    assert seen["preview"]["features"][0]["geometry"]["coordinates"] == [116.5, 31.74]


async def test_a_table_without_coordinate_columns_lets_a_person_choose_them(
    database: Database, tmp_path: Path
) -> None:
    path = text(tmp_path, "t.csv", "id,a,b\nx,116.5,31.7\ny,116.6,31.8\n")
    seen = await table(database, path)
    assert (rules(seen), seen["preview"], seen["crs"]) == (["place"], None, None)
    seen = await table(database, path, columns={"a": "@x", "b": "@y"})
    assert rules(seen) == []
    assert [column["field"] for column in seen["columns"]] == ["id", "@x", "@y"]
    assert len(seen["preview"]["features"]) == 2


async def test_an_encoding_that_cannot_be_told_is_a_doubt_and_not_the_end(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    lines = [f"{n},中山路,116.5,31.7\n".encode("gbk" if n % 2 else "utf-8") for n in range(20)]
    path.write_bytes(b"id,name,lon,lat\n" + b"".join(lines))
    seen = await table(database, path)
    assert (rules(seen), seen["encoding"]["certain"]) == (["encoding"], False)
    assert "utf-8" in seen["encoding"]["candidates"]
    assert "混用" in seen["troubles"][0]["zh"]


async def test_tables_of_one_file_are_told_apart_and_one_may_be_left_out(
    database: Database, tmp_path: Path
) -> None:
    path = vector(tmp_path / "both.gpkg", squares(), GRIDS, crs="EPSG:4527", layer="单元网格")
    vector(path, squares(), {"kind": ["a", "b", "c"]}, crs="EPSG:4527", layer="trees", append=True)
    said = {"both.gpkg [trees]": {"skip": True}, "both.gpkg [单元网格]": {"columns": {"网格名称": ""}}}
    tables = (await look(database, path, tables=said))["tables"]
    assert [(seen["table"], seen["left_out"]) for seen in tables] == [
        ("both.gpkg [单元网格]", False),
        ("both.gpkg [trees]", True),
    ]
    reports = await import_files(database, [path], ImportOptions(tables=said))
    assert [report.layer_id for report in reports] == ["unit_grid"]
    assert reports[0].unmapped == ("网格名称",)


async def test_readings_are_seen_with_the_stations_that_are_not_there(
    database: Database, tmp_path: Path
) -> None:
    path = text(tmp_path, "空气.csv", "站点编码,监测时间,PM2.5,SO2\nA1,2025-01-01 00:00,35,10\n")
    seen = await table(database, path)
    assert (seen["kind"], rules(seen)) == ("readings", ["reading.no_station"])
    assert (seen["readings"]["stations"], seen["readings"]["strange"]) == (0, ["A1"])
    assert [column["field"] for column in seen["columns"]] == ["station_code", "observed_at", "pm2_5", "so2"]


async def test_a_city_local_system_keeps_its_name(database: Database, tmp_path: Path) -> None:
    systems = tmp_path / "local_systems.toml"
    shift = "dx_m = 400000\ndy_m = 3500000\nrotation_s = 0\nscale = 1\n"
    systems.write_text(f'["某市"]\nto = "EPSG:4548"\nx_is = "east"\n{shift}')
    path = text(tmp_path, "点.csv", "编号,x,y\n1,55000,12000\n2,55100,12100\n")
    seen = await table(database, path, crs="local:某市", systems=systems)
    assert (rules(seen), seen["crs"]["value"]) == ([], "local:某市")
    assert seen["preview"]["features"][0]["geometry"]["coordinates"][0] == pytest.approx(116.525, abs=0.01)


async def test_a_packed_shapefile_is_looked_at_in_its_archive(database: Database, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    path = packed(tmp_path / "数据.zip", {**parts_of(shapefile(inside)), "说明.pdf": b"%PDF"})
    seen = await look(database, path)
    assert seen["tables"][0]["layer"]["id"] == "unit_grid"
    assert seen["passed_over"] == ["说明.pdf"]


def test_a_large_table_is_sampled_evenly(tmp_path: Path) -> None:
    lines = "".join(f"{n},116.5,31.7\n" for n in range(30_000))
    sample = sampled(source(text(tmp_path, "t.csv", "id,lon,lat\n" + lines)))
    assert ROWS / 2 < len(sample) <= ROWS
    assert sample.count == 30_000
    rows = np.concatenate([chunk.rows for chunk in sample.chunks])
    assert len(np.unique(np.diff(rows))) == 1
    assert rows[-1] > 29_000


async def test_the_picture_stays_small_whatever_comes(database: Database, tmp_path: Path) -> None:
    rings = [shapely.Point(116.5 + n / 1000, 31.7).buffer(0.01, quad_segs=2_000) for n in range(900)]
    path = vector(tmp_path / "rings.fgb", rings, {"n": list(range(900))})
    seen = await table(database, path)
    features = seen["preview"]["features"]
    assert 100 < len(features) <= MOST_FEATURES
    assert sum(len(shapely.to_geojson(shapely.geometry.shape(f["geometry"]))) for f in features) <= MOST_BYTES


def test_places_are_ordered_by_their_distance_from_the_city() -> None:
    found = whereabouts(np.array([455000.0, 455100.0]), np.array([3512000.0, 3512100.0]), CITY)
    assert [(one.crs, one.away_km) for one in found[:2]] == [("EPSG:4548", 0.0), ("EPSG:2384", 0.0)]
    away = {one.crs: one.away_km for one in found}
    assert 150 < (away["EPSG:4547"] or 0) < 300
    prefixed = whereabouts(np.array([39_455_000.0]), np.array([3_512_000.0]), CITY)
    assert [one.crs for one in prefixed] == ["EPSG:4527", "EPSG:2363", "EPSG:2415"]
    exchanged = whereabouts(np.array([3_512_000.0]), np.array([39_455_000.0]), CITY)
    assert all(one.swapped for one in exchanged)
    assert whereabouts(np.empty(0), np.empty(0), CITY) == []


def test_degrees_may_be_those_of_web_maps() -> None:
    found = whereabouts(np.array([116.5]), np.array([31.7]), CITY)
    assert [(one.frame, one.swapped) for one in found] == [(None, False), ("gcj02", False), ("bd09", False)]
    assert found[1].longitude != found[0].longitude


async def test_rows_placed_by_a_code_are_seen_where_it_lies(database: Database, tmp_path: Path) -> None:
    await import_files(database, [text(tmp_path, "t.csv", "id,lon,lat\na,116.5,31.7\nb,116.6,31.8\n")])
    path = text(tmp_path, "户数.csv", "代码,户数\nb,5\na,6\nz,7\n")
    seen = await table(database, path, columns={"代码": "@code"})
    assert (rules(seen), seen["columns"][0]["field"]) == ([], "@code")
    assert [one["geometry"]["coordinates"] for one in seen["preview"]["features"]] == [
        [116.6, 31.8],
        [116.5, 31.7],
    ]
    assert rules(await table(database, path, columns={"户数": "@code"})) == ["place", "place"]


async def test_city_local_systems_are_named_and_never_described(database: Database, tmp_path: Path) -> None:
    systems = tmp_path / "local_systems.toml"
    shift = "dx_m = 412345\ndy_m = 3500000\nrotation_s = 0\nscale = 1\n"
    systems.write_text(f'["某市"]\ntitle = "某市独立"\nto = "EPSG:4548"\nx_is = "east"\n{shift}')
    path = text(tmp_path, "点.csv", "编号,x,y\n1,55000,12000\n2,55100,12100\n")
    told = await look(database, path, systems=systems)
    assert told["local_systems"] == [{"name": "某市", "title": "某市独立"}]
    assert "412345" not in str(told)
    assert told["tables"][0]["crs"] is not None, "the place is in doubt, and a system can be chosen"
    systems.write_text("broken")
    assert (await look(database, path, systems=systems))["local_systems"] == []


async def test_each_file_has_an_encoding_of_its_own(database: Database, tmp_path: Path) -> None:
    head = "编号,名称,lon,lat\n"
    gbk, utf = tmp_path / "甲.csv", tmp_path / "乙.csv"
    gbk.write_bytes(f"{head}1,中山路,116.5,31.7\n".encode("gbk"))
    utf.write_bytes(f"{head}2,皖西路,116.5,31.7\n".encode())
    said = {"甲.csv": {"encoding": "gb18030"}, "乙.csv": {"encoding": "utf-8"}}
    told = await look_at_files(database, [gbk, utf], ImportOptions(tables=said), lambda step: None)
    assert [seen["encoding"]["name"] for seen in told["tables"]] == ["gb18030", "utf-8"]
    assert [seen["columns"][1]["samples"] for seen in told["tables"]] == [["中山路"], ["皖西路"]]
    wrong = await import_files(database, [gbk, utf], ImportOptions(encoding="utf-8", dry_run=True))
    garbled = [{count.rule for count in report.counts} & {"text.replaced"} for report in wrong]
    assert garbled == [{"text.replaced"}, set()], "said for both, and wrong for one of them"
    reports = await import_files(database, [gbk, utf], ImportOptions(tables=said, layer_id="roads_named"))
    assert [report.state for report in reports] == ["published", "published"]
