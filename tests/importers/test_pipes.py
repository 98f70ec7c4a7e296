"""Pipe surveys: a point table and a line table, one delivery, one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from importers.errors import MissingPart
from importers.options import ImportOptions
from importers.report import ImportReport
from importers.run import import_files
from layers.db import Database
from tests.importers.published import rows_of, state_of
from tests.importers.specimens import text, workbook

POINTS = ("物探点号", "管线大类", "X", "Y", "地面高程", "特征", "附属物", "所在道路")
LINES = (
    "起点点号",
    "终点点号",
    "管线大类",
    "材质",
    "管径断面",
    "起点埋深",
    "终点埋深",
    "埋设方式",
    "建设日期",
)
NODES = [
    ("JS1", "JS", 3512793.83, 39452467.18, 41.564, None, "阀门", "人民路"),
    ("JS2", "JS", 3512819.00, 39452473.47, 41.589, "直线点", None, "人民路"),
    ("JS3", "JS", 3512850.00, 39452480.00, 41.600, "三通", None, "人民路"),
]
SEGMENTS = [
    ("JS1", "JS2", "JS", "球墨铸铁", "300", 1.0, 0.8, "直埋", "2001-09-30"),
    ("JS2", "JS3", "JS", "球墨铸铁", "400X300", 0.8, 0.9, "直埋", "2001.9"),
]


async def run(db: Database, *paths: Path, **options: Any) -> list[ImportReport]:
    return await import_files(db, paths, ImportOptions(**options))


def survey(folder: Path, nodes: Any = NODES, segments: Any = SEGMENTS) -> list[Path]:
    return [
        workbook(folder / "管线表.xlsx", {"管线表": [LINES, *segments]}),
        workbook(folder / "管点表.xlsx", {"管点表": [POINTS, *nodes]}),
    ]


async def test_two_tables_become_points_and_lines_between_them(database: Database, tmp_path: Path) -> None:
    nodes, lines = await run(database, *survey(tmp_path))
    assert [(r.layer_id, r.state, r.version, r.kept) for r in (nodes, lines)] == [
        ("pipe_node", "published", 1, 3),
        ("pipe_line", "published", 1, 2),
    ]
    points, segments = await rows_of(database, "pipe_node"), await rows_of(database, "pipe_line")
    first = segments["JS1-JS2"]
    assert first.geometry["coordinates"][0] == [
        points["JS1"].geometry["coordinates"],
        points["JS2"].geometry["coordinates"],
    ]
    assert first.values["length_m"] == pytest.approx(25.94, abs=0.02)
    assert (first.values["diameter_mm"], first.values["burial"]) == (300.0, "ZM")
    assert segments["JS2-JS3"].values["diameter_mm"] is None
    assert str(segments["JS2-JS3"].values["built_date"]).startswith("2001-09-01")
    lon, lat = points["JS1"].geometry["coordinates"]
    assert (lon, lat) == pytest.approx((116.498, 31.737), abs=0.002)


async def test_one_workbook_may_hold_both_tables(database: Database, tmp_path: Path) -> None:
    path = workbook(tmp_path / "给水.xlsx", {"管点": [POINTS, *NODES], "管线": [LINES, *SEGMENTS]})
    assert [r.layer_id for r in await run(database, path)] == ["pipe_node", "pipe_line"]
    assert len(await rows_of(database, "pipe_line")) == 2


async def test_several_sheets_of_points_are_one_network(database: Database, tmp_path: Path) -> None:
    sheets = {
        "管点JS": [POINTS, *NODES[:1]],
        "管点YS": [POINTS, *NODES[1:]],
        "管线JS": [LINES, *SEGMENTS],
    }
    reports = await run(database, workbook(tmp_path / "普查.xlsx", sheets))
    assert [(r.layer_id, r.kept) for r in reports] == [("pipe_node", 1), ("pipe_node", 2), ("pipe_line", 2)]
    assert len(await rows_of(database, "pipe_node")) == 3


async def test_a_line_whose_end_is_no_point_is_refused_by_row_and_stops_both_tables(
    database: Database, tmp_path: Path
) -> None:
    wrong = [
        *SEGMENTS,
        ("JS2", "JS9", "JS", "PE", "100", 1, 1, "直埋", None),
        ("JS1", "JS1", *SEGMENTS[0][2:]),
    ]
    before = await state_of(database)
    nodes, lines = await run(database, *survey(tmp_path, segments=wrong))
    assert nodes.is_refused
    assert lines.is_refused
    assert [(f.rule, f.row) for f in lines.findings] == [("pipe.no_node", 4), ("pipe.same_ends", 5)]
    assert "终点“JS9”" in lines.findings[0].zh
    assert await state_of(database) == before


async def test_points_that_are_refused_leave_their_lines_without_ends(
    database: Database, tmp_path: Path
) -> None:
    nodes = [*NODES[:2], ("JS3", "JS", None, None, 1.0, "三通", None, None)]
    refused = await run(database, *survey(tmp_path, nodes=nodes))
    assert [r.refused for r in refused] == [1, 1]
    kept = await run(database, *survey(tmp_path, nodes=nodes), allow_refused=True)
    assert [(r.state, r.kept) for r in kept] == [("published", 2), ("published", 1)]


async def test_lines_alone_take_their_ends_from_the_published_points(
    database: Database, tmp_path: Path
) -> None:
    lines, points = survey(tmp_path)
    with pytest.raises(MissingPart, match="point table"):
        await run(database, lines)
    await run(database, points)
    (report,) = await run(database, lines)
    assert (report.layer_id, report.state, report.kept) == ("pipe_line", "published", 2)


async def test_a_line_table_with_geometry_of_its_own_needs_no_points(
    database: Database, tmp_path: Path
) -> None:
    content = (
        "管段编码|起点点号|终点点号|材质|管径断面|WKT\n"
        "L1|a|b|PE|DN200|LINESTRING (116.5 31.74, 116.501 31.74)\n"
    )
    (report,) = await run(database, text(tmp_path, "管线.csv", content))
    assert report.state == "published"
    assert (await rows_of(database, "pipe_line"))["L1"].values["diameter_mm"] == 200.0


async def test_the_same_survey_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    await run(database, *survey(tmp_path))
    assert [r.state for r in await run(database, *survey(tmp_path))] == ["unchanged", "unchanged"]
