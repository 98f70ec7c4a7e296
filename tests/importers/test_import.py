"""From a file to a version: all or nothing, again and again, with an honest report."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import shapely

from importers import deliver
from importers.errors import BadFile, EmptyFile
from importers.options import ImportOptions, Step
from importers.report import ImportReport
from importers.run import import_files
from layers.db import Database
from layers.model import Layer
from layers.publish import Batch, roll_back
from layers.stage import Staged, stage
from tests.importers.published import layer_of, left_behind, rows_of, runs_of, state_of
from tests.importers.specimens import GRIDS, features, points, shapefile, squares, text, vector

GRID = "341502001001001"


async def run(db: Database, *paths: Path, **options: Any) -> list[ImportReport]:
    return await import_files(db, paths, ImportOptions(**options))


async def run_one(db: Database, *paths: Path, **options: Any) -> ImportReport:
    (report,) = await run(db, *paths, **options)
    return report


def shops(*rows: tuple[str, str], lon: float = 116.5) -> str:
    return features(*(({"id": key, "名称": name}, shapely.Point(lon, 31.74)) for key, name in rows))


async def test_a_gbk_shapefile_in_gauss_coordinates_becomes_a_published_layer(
    database: Database, tmp_path: Path
) -> None:
    report = await run_one(database, shapefile(tmp_path))
    assert (report.state, report.version, report.layer_id) == ("published", 1, "unit_grid")
    assert (report.read, report.kept, report.refused) == (3, 3, 0)
    rows = await rows_of(database, "unit_grid")
    row = rows[GRID]
    assert row.values["name"] == "中市街道一网格"
    assert row.values["area_m2"] == pytest.approx(10_000, rel=0.001)
    assert row.values["district_code"] == "341502"
    assert row.values["street_code"] == "341502001"
    assert row.values["community_code"] == "341502001001"
    lon, lat = row.geometry["coordinates"][0][0][0]
    assert (lon, lat) == pytest.approx((116.525, 31.732), abs=0.01)


async def test_the_layer_remembers_how_its_coordinates_came_to_be(database: Database, tmp_path: Path) -> None:
    await run_one(database, shapefile(tmp_path))
    (origin,) = (await layer_of(database, "unit_grid")).origins
    assert origin.system.startswith("EPSG:4527")
    assert (origin.is_assumed, origin.evidence.zh) == (False, "单元网格.prj 声明")
    assert origin.error_m == pytest.approx(0.001)
    assert origin.file == "单元网格.shp"
    assert await runs_of(database) == [("单元网格.shp", "unit_grid", "published")]


async def test_the_same_bytes_again_are_not_read_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shapefile(tmp_path)
    first = await run_one(database, path)
    copied: list[object] = []

    async def counted(*given: Any, **named: Any) -> Staged:
        copied.append(given)
        return await stage(*given, **named)

    monkeypatch.setattr(deliver, "stage", counted)
    again = await run_one(database, path)
    assert (again.state, again.version, again.read, copied) == ("unchanged", 1, 3, [])
    assert [count.rule for count in again.counts] == [*(count.rule for count in first.counts), "file.same"]
    assert (await runs_of(database))[-1] == ("单元网格.shp", "unit_grid", "unchanged")
    # Whatever may bring other rows is read: another option, another base layer, a file beside it.
    assert (await run_one(database, path, check=False)).state == "unchanged"
    assert len(copied) == 1
    await run_one(database, text(tmp_path, "商铺.geojson", shops(("a", "甲"))))
    assert (await run_one(database, path)).state == "unchanged"
    assert len(copied) == 3
    path.with_suffix(".cpg").write_text("GBK")
    assert (await run_one(database, path)).state == "unchanged"
    assert len(copied) == 4


async def test_a_file_that_is_written_over_while_its_rows_are_read_is_read_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = text(tmp_path, "商铺.geojson", shops(("a", "甲")))

    async def overtaken(db: Database, layer: Layer, batches: AsyncIterator[Batch]) -> Staged:
        async def read() -> AsyncIterator[Batch]:
            async for batch in batches:
                text(tmp_path, "商铺.geojson", shops(("a", "乙乙")))
                yield batch

        return await stage(db, layer, read())

    monkeypatch.setattr(deliver, "stage", overtaken)
    await run_one(database, path, layer_id="shop")
    monkeypatch.undo()
    again = await run_one(database, path, layer_id="shop")
    assert (again.state, again.version) == ("published", 2), "what stands came of the older bytes"


async def test_what_was_rolled_back_since_is_read_again(database: Database, tmp_path: Path) -> None:
    one = text(tmp_path, "商铺.geojson", shops(("a", "甲")))
    await run_one(database, one, layer_id="shop")
    text(tmp_path, "商铺.geojson", shops(("a", "乙")))
    assert (await run_one(database, one, layer_id="shop")).version == 2
    await roll_back(database, "shop", 1, by="li")
    again = await run_one(database, one, layer_id="shop")
    assert (again.state, again.version) == ("published", 4)


async def test_the_same_file_again_makes_no_version(database: Database, tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    await run_one(database, path)
    again = await run_one(database, path)
    assert (again.state, again.version) == ("unchanged", 1)
    assert again.difference is not None
    assert again.difference.unchanged == 3


async def test_a_changed_file_is_a_difference(database: Database, tmp_path: Path) -> None:
    await run_one(database, text(tmp_path, "店.geojson", shops(("a", "甲"), ("b", "乙"), ("c", "丙"))))
    report = await run_one(
        database, text(tmp_path, "店.geojson", shops(("a", "甲"), ("b", "乙二"), ("d", "丁")))
    )
    assert report.difference is not None
    assert report.difference[:4] == (1, 1, 1, 1)
    assert set(await rows_of(database, report.layer_id)) == {"a", "b", "d"}
    assert set(await rows_of(database, report.layer_id, version=1)) == {"a", "b", "c"}


async def test_a_partial_delivery_leaves_the_rows_it_does_not_name(
    database: Database, tmp_path: Path
) -> None:
    first = await run_one(database, text(tmp_path, "店.geojson", shops(("a", "甲"), ("b", "乙"))))
    await run_one(database, text(tmp_path, "店.geojson", shops(("c", "丙"))), partial=True)
    assert set(await rows_of(database, first.layer_id)) == {"a", "b", "c"}


async def test_a_dry_run_says_the_difference_and_changes_nothing(database: Database, tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    before = await state_of(database)
    report = await run_one(database, path, dry_run=True)
    assert report.state == "dry_run"
    assert report.difference is not None
    assert report.difference.added == 3
    own = await run_one(database, text(tmp_path, "店.geojson", shops(("a", "甲"))), dry_run=True)
    assert own.difference is not None
    assert own.difference.added == 1
    assert await state_of(database) == before
    assert not await left_behind(database)


async def test_one_refused_row_stops_everything_and_all_refusals_are_named(
    database: Database, tmp_path: Path
) -> None:
    shapes = [*squares(3), *squares(2, south=3_513_000.0)]
    codes = [*GRIDS["网格编码"], GRID, None]
    path = vector(
        tmp_path / "单元网格.gpkg",
        shapes,
        {"网格编码": codes, "网格名称": ["a", "b", "c", "d", "e"]},
        crs="EPSG:4527",
    )
    before = await state_of(database)
    report = await run_one(database, path)
    assert report.is_refused
    assert (report.read, report.kept, report.refused) == (5, 3, 2)
    assert {(f.rule, f.row, f.key) for f in report.findings} == {
        ("key.repeated", 4, GRID),
        ("value.required", 5, None),
    }
    assert await state_of(database) == before
    assert not await left_behind(database)
    assert (await runs_of(database))[0][2] == "refused"


async def test_refused_rows_may_be_left_out_if_somebody_says_so(database: Database, tmp_path: Path) -> None:
    content = features(
        ({"id": "a"}, points()[0]), ({"id": "b"}, None), ({"id": "c"}, {"type": "Point", "coordinates": []})
    )
    path = text(tmp_path, "t.geojson", content)
    assert (await run_one(database, path)).is_refused
    report = await run_one(database, path, allow_refused=True)
    assert (report.state, report.kept, report.refused) == ("published", 1, 2)
    assert set(await rows_of(database, "t")) == {"a"}


async def test_a_file_of_refused_rows_only_never_empties_a_layer(database: Database, tmp_path: Path) -> None:
    await run_one(database, text(tmp_path, "t.geojson", shops(("a", "甲"))))
    path = text(tmp_path, "t.geojson", features(({"id": "a", "名称": "甲"}, None)))
    report = await run_one(database, path, allow_refused=True)
    assert report.is_refused
    assert set(await rows_of(database, "t")) == {"a"}


async def test_a_table_with_no_rows_never_empties_a_layer(database: Database, tmp_path: Path) -> None:
    await run_one(database, text(tmp_path, "t.csv", "id,lon,lat\n1,116.5,31.7\n"))
    with pytest.raises(EmptyFile):
        await run_one(database, text(tmp_path, "t.csv", "id,lon,lat\n"))
    assert set(await rows_of(database, "t")) == {"1"}


async def test_several_files_of_one_layer_are_one_version(database: Database, tmp_path: Path) -> None:
    header = "ObjID,ObjName,ObjState,DeptName1,经度,纬度\n"
    first = text(tmp_path, "部件_井盖.csv", header + "3415020101000001,井盖,完好,水务,116.5,31.74\n", "gbk")
    second = text(tmp_path, "部件_路灯.csv", header + "3415020101000002,路灯,完好,路灯所,116.51,31.74\n")
    reports = await run(database, first, second)
    assert [(r.layer_id, r.state, r.version, r.kept) for r in reports] == [
        ("component", "published", 1, 1),
        ("component", "published", 1, 1),
    ]
    assert len(await rows_of(database, "component")) == 2


async def test_a_key_that_repeats_in_another_file_of_the_delivery_is_refused(
    database: Database, tmp_path: Path
) -> None:
    row = "ObjID,ObjName,ObjState,DeptName1,经度,纬度\n3415020101000001,井盖,完好,水务,116.5,31.74\n"
    reports = await run(database, text(tmp_path, "部件一.csv", row), text(tmp_path, "部件二.csv", row))
    assert [r.refused for r in reports] == [0, 1]
    assert all(r.is_refused for r in reports)
    assert "部件一.csv" in reports[1].findings[0].zh


async def test_codes_come_from_the_place_where_the_file_has_none(database: Database, tmp_path: Path) -> None:
    await run(database, shapefile(tmp_path))
    inside = (await rows_of(database, "unit_grid"))[GRID].geometry["coordinates"][0][0]
    lon, lat = (sum(c[i] for c in inside[:4]) / 4 for i in (0, 1))
    content = f"站点编码,站点名称,站点类型,经度,纬度\nS1,一号站,空气,{lon},{lat}\n"
    component = f"ObjID,ObjName,ObjState,DeptName1,经度,纬度\n3415020101000001,井盖,完好,水务,{lon},{lat}\n"
    await run(database, text(tmp_path, "监测站点.csv", content), text(tmp_path, "部件.csv", component))
    row = (await rows_of(database, "component"))["3415020101000001"].values
    assert row["grid_code"] == GRID
    assert row["class_code"] == "0101"
    assert row["community_code"] == "341502001001"


async def test_a_stranger_s_file_is_a_layer_like_any_other_and_may_grow_columns(
    database: Database, tmp_path: Path
) -> None:
    path = text(tmp_path, "店.geojson", shops(("a", "甲")))
    report = await run_one(database, path, title="商铺")
    layer = await layer_of(database, report.layer_id)
    assert (layer.title.zh, layer.theme, layer.key, layer.known) == ("商铺", "other", "id", False)
    more = features(({"id": "a", "名称": "甲", "电话": "0564-1"}, points()[0]))
    await run_one(database, text(tmp_path, "店.geojson", more))
    row = (await rows_of(database, report.layer_id))["a"].values
    assert row["电话"] == "0564-1"
    assert (await layer_of(database, report.layer_id)).title.zh == "商铺"


async def test_a_file_without_a_key_tells_rows_apart_by_their_content(
    database: Database, tmp_path: Path
) -> None:
    path = text(tmp_path, "t.csv", "名称,lon,lat\n甲,116.5,31.7\n甲,116.5,31.7\n乙,116.5,31.7\n")
    assert (await run_one(database, path)).kept == 3
    report = await run_one(database, text(tmp_path, "t.csv", "名称,lon,lat\n乙,116.5,31.7\n甲,116.5,31.7\n"))
    assert report.difference is not None
    assert report.difference[:4] == (0, 0, 1, 2)


async def test_rows_far_from_the_published_districts_are_refused_unless_somebody_says_so(
    database: Database, tmp_path: Path
) -> None:
    county = shapely.box(116.3, 31.5, 116.7, 31.9)
    districts = features(({"code": "341502", "name": "金安区"}, county))
    await run(database, text(tmp_path, "区县.geojson", districts), layer_id="district")
    rows = "站点编码,站点名称,站点类型,经度,纬度\nS1,a,空气,116.5,31.7\nS2,b,空气,-74.0,40.7\n"
    path = text(tmp_path, "监测站点.csv", rows)
    report = await run_one(database, path)
    assert [(f.rule, f.row, f.key) for f in report.findings] == [("geometry.elsewhere", 3, "S2")]
    assert (await run_one(database, path, anywhere=True)).state == "published"


async def test_a_fault_in_one_file_leaves_all_the_others_unbegun(database: Database, tmp_path: Path) -> None:
    before = await state_of(database)
    good, bad = shapefile(tmp_path), text(tmp_path, "a.geojson", "<html>")
    with pytest.raises(BadFile):
        await run(database, good, bad)
    assert await state_of(database) == before
    assert not await runs_of(database)


async def test_a_fault_found_half_way_leaves_nothing_and_is_recorded(
    database: Database, tmp_path: Path
) -> None:
    path = vector(tmp_path / "b.gpkg", points(3000), {"名称": ["甲乙丙丁" * 20] * 3000})
    good = text(tmp_path, "a.geojson", shops(("a", "甲")))
    # the file changes under the reader: rows that were there when it was looked at are gone
    calls = 0

    def damage(step: Step) -> None:
        nonlocal calls
        calls += 1
        if step.stage == "publishing":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])

    with pytest.raises(BadFile) as fault:
        await import_files(database, [good, path], ImportOptions(), damage)
    assert fault.value.facts["published"] == ["a"]
    assert calls
    assert not await left_behind(database)
    assert [run[2] for run in await runs_of(database)] == ["published", "failed"]
    assert "b" not in await state_of(database)


async def test_a_cancelled_import_leaves_nothing(database: Database, tmp_path: Path) -> None:
    path = text(tmp_path, "t.csv", "id,lon,lat\n" + "".join(f"{i},116.5,31.7\n" for i in range(60_000)))
    begun = asyncio.Event()
    task = asyncio.create_task(
        import_files(database, [path], progress=lambda s: begun.set() if s.stage == "reading" else None)
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await left_behind(database)
    assert [run[2] for run in await runs_of(database)] == ["cancelled"]
    assert "t" not in await state_of(database)


async def test_progress_tells_stages_in_order_and_rows_up_to_the_whole(
    database: Database, tmp_path: Path
) -> None:
    steps: list[Step] = []
    await import_files(database, [shapefile(tmp_path)], progress=steps.append)
    stages = list(dict.fromkeys(step.stage for step in steps))
    assert stages == ["opening", "reading", "checking", "publishing", "done"]
    assert [step.total for step in steps if step.stage == "reading"][-1] == 3
    assert steps[-1].done == 3


async def test_a_report_is_json_and_reads_in_both_languages(database: Database, tmp_path: Path) -> None:
    path = text(tmp_path, "店.geojson", shops((" a", "甲"), ("b", "乙"), ("b", "丙")))
    report = await run_one(database, path, layer_id="shops")
    told = json.loads(json.dumps(report.to_json(), ensure_ascii=False))
    assert (told["state"], told["read"], told["refused"], told["layer"]) == ("published", 3, 0, "shops")
    assert told["provenance"]["crs"]["value"].startswith("EPSG:4326")
    assert "读取 3，保留 3，拒绝 0" in report.text("zh")
    assert "read 3, kept 3, refused 0" in report.text("en")
