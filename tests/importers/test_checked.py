"""The quality check within imports: what it refuses, stops, mends and says, beside what reading does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely

from importers.check.plane import vertices_of
from importers.options import ImportOptions
from importers.report import ImportReport
from importers.run import import_files
from layers.db import Database
from tests.importers.check.specimens import at, box
from tests.importers.check.test_run import geojson, table
from tests.importers.published import left_behind, rows_of

HOME = "341502001001"


async def run(db: Database, *paths: Path, **options: Any) -> list[ImportReport]:
    return await import_files(db, paths, ImportOptions(**options))


def grids(folder: Path, *boxes: shapely.Geometry) -> Path:
    codes = [f"{HOME}{number:03}" for number, _ in enumerate(boxes, start=1)]
    return geojson(folder / "单元网格.geojson", list(boxes), 单元网格标识码=codes)


async def test_grids_that_overlap_stop_the_delivery_unless_somebody_allows_it(
    database: Database, tmp_path: Path
) -> None:
    file = grids(tmp_path, box(0, 0, 100, 100), box(90, 0, 200, 100))
    (report,) = await run(database, file)
    assert (report.state, report.refused, report.stopped_by) == ("refused", 0, ("TOP-01",))
    assert report.check is not None
    (finding,) = [f for f in report.check.findings if f.rule == "TOP-01"]
    assert (finding.row, finding.key) == (2, f"{HOME}002")
    assert "TOP-01" in report.text("en")
    assert await left_behind(database) == []
    (report,) = await run(database, file, allow_refused=True)
    assert (report.state, report.stopped_by) == ("published", ())
    assert report.check is not None
    assert report.check.found("TOP-01") == 1, "allowed, and still told"


async def test_grids_are_fitted_to_each_other_where_that_is_chosen(
    database: Database, tmp_path: Path
) -> None:
    file = grids(tmp_path, box(0, 0, 100.04, 100), box(100, 0, 200, 100))
    (refused,) = await run(database, file)
    assert refused.stopped_by == ("TOP-01",)
    (report,) = await run(database, file, mend=("tile=0.1m",))
    assert report.state == "published"
    assert report.check is not None
    assert report.check.mended is not None
    assert report.check.mended.counts["tile"] >= 1
    shapes = [shapely.geometry.shape(row.geometry) for row in (await rows_of(database, "unit_grid")).values()]
    assert shapely.area(shapely.intersection(*shapes)) == 0


async def test_a_part_that_is_replaced_is_not_looked_at_among_what_it_replaces(
    database: Database, tmp_path: Path
) -> None:
    other = f"{HOME[:9]}002"
    codes = [f"{HOME}001", f"{HOME}002", f"{other}001"]
    standing = [box(0, 0, 100, 100), box(100, 0, 200, 100), box(200, 0, 300, 100)]
    file = geojson(tmp_path / "单元网格.geojson", standing, 单元网格标识码=codes)
    assert (await run(database, file))[0].state == "published"
    divided = {"单元网格标识码": [f"{HOME}003", f"{HOME}004"]}
    file = geojson(tmp_path / "单元网格.geojson", [box(0, 0, 50, 100), box(50, 0, 200, 100)], **divided)
    (report,) = await run(database, file, within=(HOME,), dry_run=True)
    assert (report.state, report.stopped_by) == ("dry_run", ())
    file = geojson(tmp_path / "单元网格.geojson", [box(0, 0, 50, 100), box(50, 0, 220, 100)], **divided)
    (report,) = await run(database, file, within=(HOME,), dry_run=True)
    assert report.stopped_by == ("TOP-01",), "the neighbour's grid stands"


async def test_a_shape_that_was_mended_is_told_with_reason_and_place_and_kept_as_it_was(
    database: Database, tmp_path: Path
) -> None:
    bow_tie = shapely.Polygon([at(0, 0), at(10, 10), at(10, 0), at(0, 10)])
    file = geojson(tmp_path / "房屋.geojson", [bow_tie, box(20, 0, 30, 10)], 房屋编号=["b1", "b2"])
    (report,) = await run(database, file)
    assert (report.state, report.kept) == ("published", 2)
    assert report.check is not None
    (finding,) = [f for f in report.check.findings if f.rule == "GEO-14"]
    assert (finding.row, finding.key, finding.value) == (1, "b1", "Self-intersection")
    assert finding.geometry is not None
    assert shapely.from_wkb(finding.geometry).equals_exact(shapely.Point(at(5, 5)), 1e-7)
    assert report.check.mended is not None
    assert report.check.mended.counts == {"valid": 1}
    (original,) = report.check.mended.originals["valid"]
    assert original.wkb is not None
    assert shapely.from_wkb(original.wkb).equals_exact(shapely.MultiPolygon([bow_tie]), 1e-9)
    assert {c.rule: c.rows for c in report.counts}["geometry.mended"] == 1
    (refused,) = await run(database, file, mend=("none",))
    assert refused.check is not None
    assert (refused.state, refused.refused, refused.check.found("GEO-05")) == ("refused", 1, 1)


async def test_ends_of_pipes_are_moved_onto_their_nodes_where_that_is_chosen(
    database: Database, tmp_path: Path
) -> None:
    points = geojson(
        tmp_path / "管点.geojson",
        [shapely.Point(at(0, 0)), shapely.Point(at(30, 0))],
        物探点号=["a", "b"],
        管线大类=["JS", "JS"],
        特征=["盖堵", "盖堵"],
    )
    lines = geojson(
        tmp_path / "管线.geojson",
        [shapely.LineString([at(0, 0), at(29.9, 0)])],
        起点点号=["a"],
        终点点号=["b"],
        管线大类=["JS"],
    )
    assert (await run(database, points))[0].state == "published"
    (refused,) = await run(database, lines)
    assert refused.check is not None
    assert (refused.state, refused.check.found("PIP-02")) == ("refused", 1)
    (report,) = await run(database, lines, mend=("snap=0.2m",))
    assert report.state == "published", report.text("en")
    assert report.check is not None
    assert report.check.mended is not None
    assert report.check.mended.counts["snap"] == 1
    (row,) = (await rows_of(database, "pipe_line")).values()
    end = shapely.geometry.shape(row.geometry).geoms[0].coords[-1]
    np.testing.assert_allclose(end, at(30, 0), atol=1e-9)


async def test_a_row_is_refused_once_and_a_repeated_key_stops_nothing_twice(
    database: Database, tmp_path: Path
) -> None:
    lon, lat = at(0, 0)
    file = table(
        tmp_path / "城市部件.csv",
        "部件标识码,部件名称,经度,纬度,初始日期,变更日期",
        f"34150201037000001,路灯,{lon},{lat},20200101,",
        f"34150201037000001,路灯,{lon},{lat + 0.001},20200101,",
        f",路灯,{lon},{lat + 0.002},20200101,20190101",
        f"34150201037000004,路灯,{lon},{lat + 0.003},20200101,20190101",
    )
    (report,) = await run(database, file, allow_refused=True)
    assert (report.state, report.read, report.kept, report.refused) == ("published", 4, 1, 3)
    assert report.check is not None
    assert report.check.rows == 4
    assert [report.check.found(rule) for rule in ("ATT-03", "ATT-04", "TIM-02")] == [2, 1, 2]
    counts = {c.rule: c.rows for c in report.counts if c.severity == "refused"}
    assert counts == {"key.repeated": 1, "value.required": 1, "check.error": 1}


async def test_what_comes_together_is_looked_at_together_also_on_trial(
    database: Database, tmp_path: Path
) -> None:
    community = geojson(tmp_path / "社区.geojson", [box(0, 0, 200, 100)], 社区代码=[HOME], 社区名称=["迎宾"])
    good = grids(tmp_path, box(0, 0, 100, 100), box(100, 0, 200, 100))
    reports = await run(database, community, good, dry_run=True)
    assert [(r.layer_id, r.state) for r in reports] == [("community", "dry_run"), ("unit_grid", "dry_run")]
    beyond = grids(tmp_path, box(0, 0, 100, 100), box(100, 0, 300, 100))
    (_, report) = await run(database, community, beyond, dry_run=True)
    assert report.is_refused
    assert report.check is not None
    assert report.check.found("TOP-03") == 1


def test_vertices_are_told_apart_line_by_line_and_ring_by_ring() -> None:
    holed = shapely.Polygon(box(0, 0, 9, 9).exterior, [box(1, 1, 2, 2).exterior, box(3, 3, 4, 4).exterior])
    shapes = [
        *(None, shapely.Point(), shapely.Point(1, 2, 3), shapely.MultiPoint([(0, 0), (1, 1)]), holed),
        *(shapely.LineString([(0, 0), (1, 1)]), shapely.MultiPolygon([box(20, 0, 30, 9), holed])),
        shapely.GeometryCollection([shapely.Point(1, 1), shapely.MultiPolygon([box(5, 5, 6, 6)])]),
    ]
    geometry = np.array(shapes, dtype=object)
    found = vertices_of(geometry)
    np.testing.assert_array_equal(found.xy, shapely.get_coordinates(geometry))
    assert np.bincount(found.row).tolist() == [0, 0, 1, 2, 15, 2, 20, 6]
    assert found.closed[found.line[found.row == 6]].all()
    assert np.unique(found.line[found.row == 6]).size == 4
