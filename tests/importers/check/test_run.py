"""Files in, reports out, through the importer's own readers; nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shapely
from sqlalchemy import text

from importers.check import CheckOptions, CheckReport
from importers.check.run import check_files
from importers.errors import EmptyFile, NotWhatItSays
from importers.options import ImportOptions
from layers.db import Database
from layers.mendings import parse_mendings
from tests.importers.check.real_data import DATA
from tests.importers.check.specimens import TODAY, at, box, broken, offenders

HOME = "341502001001"
CHECK = CheckOptions(today=TODAY)


def geojson(path: Path, shapes: list[shapely.Geometry | None], **columns: list[object]) -> Path:
    features = [
        {
            "type": "Feature",
            "geometry": None if shape is None else shapely.geometry.mapping(shape),
            "properties": {name: values[n] for name, values in columns.items()},
        }
        for n, shape in enumerate(shapes)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


async def looked(db: Database, *paths: Path, mend: str | None = None, **options: object) -> list[CheckReport]:
    mending = parse_mendings([mend]) if mend is not None else None
    return await check_files(db, paths, ImportOptions(**options), CHECK, mending)  # type: ignore[arg-type]


async def test_components_of_a_table_are_looked_at_with_their_own_row_numbers(
    database: Database, tmp_path: Path
) -> None:
    lon, lat = at(0, 0)
    file = table(
        tmp_path / "城市部件.csv",
        "部件标识码,部件名称,经度,纬度,状态,初始日期,变更日期",
        f"34150201037000001,路灯,{lon},{lat},完好,20200101,20200202",
        f"34150201037000002, 路灯 ,{lon},{lat + 0.001},坏了,20200101,20190101",
        f"34150201037000002,路灯,{lon},{lat + 0.002},完好,很久以前,",
        f"341502010370000,路灯,{lon},{lat + 0.003},完好,20200101,",
    )
    (report,) = await looked(database, file)
    assert (report.layer_id, report.rows) == ("component", 4)
    assert offenders(report, "ATT-07") == [3]
    assert offenders(report, "ATT-06") == [3]
    assert offenders(report, "TIM-02") == [3]
    assert offenders(report, "ATT-03") == [3, 4]
    assert offenders(report, "ATT-10") == [4]
    assert offenders(report, "COD-01") == [5]
    unread = next(f for f in report.findings if f.rule == "ATT-10")
    assert (unread.field, unread.value) == ("initial_date", "很久以前")


async def test_invalid_shapes_are_told_although_an_import_would_mend_them(
    database: Database, tmp_path: Path
) -> None:
    bow_tie = shapely.Polygon([at(0, 0), at(10, 10), at(10, 0), at(0, 10)])
    file = geojson(tmp_path / "房屋.geojson", [bow_tie, None], 房屋编号=["b1", "b2"])
    (report,) = await looked(database, file)
    assert {"GEO-05", "GEO-01"} <= broken(report)
    (mended,) = await looked(database, file, mend="valid")
    assert "GEO-05" not in broken(mended)
    assert mended.mended is not None
    assert mended.mended.counts == {"valid": 1}


async def test_points_and_lines_of_a_survey_are_looked_at_together(
    database: Database, tmp_path: Path
) -> None:
    xs = {
        "a": (3514558.0, 453365.0),
        "b": (3514558.0, 453395.0),
        "c": (3514598.0, 453395.0),
        "d": (3514500.0, 453300.0),
    }
    features = {"a": "盖堵", "b": "三通", "c": "盖堵", "d": "弯头"}
    points = table(
        tmp_path / "管点表.csv",
        "物探点号,管线大类,特征,X,Y,地面高程",
        *(f"{n},JS,{features[n]},{x},{y},40" for n, (x, y) in xs.items()),
    )
    lines = table(
        tmp_path / "管线表.csv",
        "起点点号,终点点号,管线大类,起点埋深,起点高程",
        "a,b,JS,1.5,38.5",
        "b,c,JS,1.5,38.0",
        "c,x,JS,1.5,38.5",
    )
    nodes, pipes = await looked(database, points, lines, crs="EPSG:4548")
    assert (nodes.layer_id, pipes.layer_id) == ("pipe_node", "pipe_line")
    assert offenders(nodes, "PIP-21") == [5]
    assert offenders(nodes, "PIP-22") == [3, 4], "b has two segments, c a third that leads nowhere"
    assert offenders(pipes, "PIP-01") == [4]
    assert offenders(pipes, "PIP-07") == [3]
    assert pipes.rows == 3


async def test_grids_are_looked_at_in_the_communities_that_come_with_them(
    database: Database, tmp_path: Path
) -> None:
    community = geojson(tmp_path / "社区.geojson", [box(0, 0, 200, 100)], 社区代码=[HOME], 社区名称=["迎宾"])
    grid = geojson(
        tmp_path / "单元网格.geojson",
        [box(0, 0, 100, 100), box(100.02, 0, 200, 100)],
        单元网格标识码=["34150200100101", f"{HOME}002"],
    )
    communities, grids = await looked(database, grid, community)
    assert broken(communities) == set()
    assert broken(grids) == {"TOP-02"}
    assert grids.found("ATT-11") >= 1, "the 14-digit code was rewritten on reading"
    _, tiled = await looked(database, grid, community, mend="tile")
    assert broken(tiled) == set()


async def test_a_layer_in_two_files_is_looked_at_as_one(database: Database, tmp_path: Path) -> None:
    west = geojson(tmp_path / "房屋_西.geojson", [box(0, 0, 10, 10)], 房屋编号=["b1"])
    east = geojson(tmp_path / "房屋_东.geojson", [box(5, 0, 15, 10)], 房屋编号=["b1"])
    (report,) = await looked(database, west, east)
    assert {"ATT-03", "BLD-01"} <= broken(report)
    same = [f for f in report.findings if f.rule == "ATT-03"]
    assert {Path(f.file).name.split()[0] for f in same} == {"房屋_西.geojson", "房屋_东.geojson"}


async def test_nothing_is_written(database: Database, tmp_path: Path) -> None:
    await looked(database, geojson(tmp_path / "房屋.geojson", [box(0, 0, 10, 10)], 房屋编号=["b1"]))
    async with database.connect() as connection:
        stages = await connection.scalar(
            text("SELECT count(*) FROM pg_tables WHERE schemaname = 'onemap_stage'")
        )
        runs = await connection.scalar(text("SELECT count(*) FROM onemap.import_run"))
        versions = await connection.scalar(text("SELECT count(*) FROM onemap.layer_version"))
    assert (stages, runs, versions) == (0, 0, 0)


async def test_a_file_that_is_wrong_as_a_whole_is_refused(database: Database, tmp_path: Path) -> None:
    page = tmp_path / "房屋.geojson"
    page.write_text("<!DOCTYPE html><html></html>", encoding="utf-8")
    with pytest.raises(NotWhatItSays):
        await looked(database, page)
    with pytest.raises(EmptyFile):
        await looked(database, geojson(tmp_path / "空.geojson", []))


async def test_lines_that_a_reader_cannot_give_are_lost_rows(database: Database, tmp_path: Path) -> None:
    lon, lat = at(0, 0)
    file = table(
        tmp_path / "监测站点.csv",
        "站点编码,站点名称,站点类型,经度,纬度",
        f"s1,一,环境空气,{lon},{lat}",
        f"s2,二,环境空气,east,{lat}",
    )
    (report,) = await looked(database, file)
    assert offenders(report, "ACC-01") == [3]
    assert report.rows == 2


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no third-party data in {DATA}")
async def test_real_files_have_the_faults_their_publisher_states(database: Database) -> None:
    stated: dict[str, tuple[int, dict[str, int]]] = {
        "1_admin/echarts_counties_luan.geojson": (7, {"GEO-05": 4}),
        "7_polygons/dc_storm-sewer-system.geojson": (363, {"GEO-05": 2}),
        "7_polygons/dc_ward-2012.geojson": (8, {}),
        "7_polygons/nyct2010_15b/nyct2010.shp": (2166, {}),
        "3_components/dc_litter-cans.geojson": (5265, {}),
        "4_pipes/ky4_water/ky4_pipes.geojson": (1156, {}),
    }
    reports = await looked(database, *(DATA / name for name in stated))
    by_file = {report.file: report for report in reports}
    for name, (rows, expected) in stated.items():
        report = next(r for file, r in by_file.items() if file.startswith(Path(name).name))
        errors = {t.rule.id: t.found for t in report.tallies if t.found and t.rule.severity == "error"}
        assert (report.rows, errors) == (rows, expected), name


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no third-party data in {DATA}")
async def test_counties_of_a_topojson_file_have_their_invalid_and_their_empty_one(database: Database) -> None:
    reports = await looked(database, DATA / "7_polygons/us_counties_10m.topojson")
    counties = next(r for r in reports if r.rows > 3000)
    assert (counties.rows, counties.found("GEO-05")) == (3231, 22)
    assert counties.found("GEO-01") + counties.found("GEO-02") == 1


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no third-party data in {DATA}")
async def test_the_buildings_of_a_large_city_are_all_valid(database: Database) -> None:
    (report,) = await looked(database, DATA / "2_osm/nyc_osm_buildings.fgb.zip")
    assert (report.rows, report.found("GEO-05"), report.is_clean) == (102_034, 0, True)
    assert report.seconds < 60
