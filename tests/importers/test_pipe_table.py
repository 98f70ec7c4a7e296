"""One combined pipe survey table: each row a point and its connection to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from importers.options import ImportOptions
from importers.report import ImportReport
from importers.run import import_files
from layers.db import Database
from tests.importers.published import rows_of
from tests.importers.specimens import text, workbook

HEADER = (
    "物探点号", "连接点号", "特征", "附属物", "X(m)", "Y(m)", "地面高程(m)", "管顶高程(m)", "埋深(m)",
    "管径或断面", "材质", "埋设方式",
)  # fmt: skip
ROWS: list[tuple[Any, ...]] = [
    ("JS9", "JS10", None, "阀门", 3512793.83, 39452467.18, 41.564, 40.56, 1.0, "300", "铸铁", "直埋"),
    ("JS10", "JS9", "三通", None, 3512819.0, 39452473.47, 41.589, 40.79, 0.8, "300", "铸铁", "直埋"),
    (None, "JS11", None, None, None, None, None, 40.69, 0.9, "200", "PE", "直埋"),
    ("JS11", "JS10", "出地", None, 3512850.0, 39452480.0, 41.6, 40.6, 1.0, "200", "PVC", "直埋"),
    ("JS12", None, "预留口", None, 3512860.0, 39452490.0, 41.7, None, None, None, None, None),
]


async def run(db: Database, *paths: Path, **options: Any) -> list[ImportReport]:
    return await import_files(db, paths, ImportOptions(**options))


def sheet(folder: Path, rows: Any = ROWS, header: Any = HEADER) -> Path:
    return workbook(folder / "给水成果表.xlsx", {"JS": [header, *rows]})


def as_text(folder: Path, rows: Any = ROWS) -> Path:
    lines = [",".join("" if v is None else str(v) for v in row) for row in (HEADER, *rows)]
    return text(folder, "给水成果表.csv", "\r\n".join(lines), "gbk")


def noted(report: ImportReport) -> dict[str, int]:
    return {count.rule: count.rows for count in report.counts}


@pytest.mark.parametrize("kind", [sheet, as_text])
async def test_a_combined_table_gives_points_and_each_line_once_with_both_depths(
    database: Database, tmp_path: Path, kind: Any
) -> None:
    nodes, lines = await run(database, kind(tmp_path))
    assert [(r.layer_id, r.state, r.kept, r.refused) for r in (nodes, lines)] == [
        ("pipe_node", "published", 4, 0),
        ("pipe_line", "published", 2, 0),
    ]
    points, segments = await rows_of(database, "pipe_node"), await rows_of(database, "pipe_line")
    assert set(points) == {"JS9", "JS10", "JS11", "JS12"}
    assert points["JS9"].values["appendage"] == "阀门"
    assert points["JS10"].values["feature"] == "三通"
    assert points["JS9"].values["ground_elevation_m"] == 41.564
    assert set(segments) == {"JS9-JS10", "JS10-JS11"}, "in the order people count, whatever the rows' order"
    first = segments["JS9-JS10"]
    assert (first.values["start_depth_m"], first.values["end_depth_m"]) == (1.0, 0.8)
    assert (first.values["start_elevation_m"], first.values["end_elevation_m"]) == (40.56, 40.79)
    assert (first.values["material"], first.values["diameter_mm"], first.values["burial"]) == (
        "铸铁",
        300.0,
        "ZM",
    )
    assert first.values["length_m"] == pytest.approx(25.94, abs=0.02)
    assert first.geometry["coordinates"][0] == [
        points["JS9"].geometry["coordinates"],
        points["JS10"].geometry["coordinates"],
    ]
    assert noted(lines) == noted(lines) | {"pipe.both_ways": 2, "pipe.ends_differ": 1}
    assert noted(nodes)["pipe.carried"] == 1


async def test_the_rows_in_another_order_are_the_same_network(database: Database, tmp_path: Path) -> None:
    whole = [ROWS[0], ROWS[1], (*ROWS[1][:1], *ROWS[2][1:4], *ROWS[1][4:7], *ROWS[2][7:]), *ROWS[3:]]
    await run(database, sheet(tmp_path, whole))
    again = await run(database, sheet(tmp_path, list(reversed(whole))))
    assert (await rows_of(database, "pipe_line")).keys() == {"JS9-JS10", "JS10-JS11"}
    assert [r.difference.added if r.difference else 0 for r in again] == [0, 0]


async def test_a_line_only_one_end_lists_keeps_its_direction_and_lacks_the_other_depth(
    database: Database, tmp_path: Path
) -> None:
    rows = [ROWS[3], (*ROWS[1][:1], None, *ROWS[1][2:])]
    await run(database, sheet(tmp_path, rows))
    (line,) = (await rows_of(database, "pipe_line")).values()
    assert (line.values["start_node"], line.values["end_node"]) == ("JS11", "JS10")
    assert (line.values["start_depth_m"], line.values["end_depth_m"]) == (1.0, None)


async def test_start_and_end_columns_with_the_start_s_place_are_combined_too(
    database: Database, tmp_path: Path
) -> None:
    header = ("起点点号", "终点点号", "X", "Y", "特征", "起点埋深", "终点埋深", "管径")
    rows = [
        ("WS1", "WS2", 3512793.83, 39452467.18, "检修井", 1.5, 1.7, "DN400"),
        ("WS2", "WS3", 3512819.0, 39452473.47, "检修井", 1.7, 1.9, "DN400"),
        ("WS3", None, 3512850.0, 39452480.0, "出水口", None, None, None),
    ]
    nodes, lines = await run(database, sheet(tmp_path, rows, header))
    assert (nodes.kept, lines.kept) == (3, 2)
    segments = await rows_of(database, "pipe_line")
    assert (segments["WS1-WS2"].values["end_depth_m"], segments["WS2-WS3"].values["diameter_mm"]) == (
        1.7,
        400.0,
    )


async def test_several_connections_in_one_cell_are_several_lines(database: Database, tmp_path: Path) -> None:
    rows = [
        (*ROWS[1][:1], "JS9、JS11", *ROWS[1][2:]),
        (*ROWS[0][:1], None, *ROWS[0][2:]),
        (*ROWS[3][:1], None, *ROWS[3][2:]),
    ]
    await run(database, sheet(tmp_path, rows))
    assert set(await rows_of(database, "pipe_line")) == {"JS10-JS9", "JS10-JS11"}


async def test_one_number_at_two_places_is_refused_by_row(database: Database, tmp_path: Path) -> None:
    elsewhere = (*ROWS[1][:4], 3512999.0, *ROWS[1][5:])
    nodes, _ = await run(database, sheet(tmp_path, [*ROWS, elsewhere]))
    assert [(f.rule, f.row, f.key) for f in nodes.findings] == [("key.repeated", 7, "JS10")]


async def test_a_connection_to_a_point_that_is_not_there_is_refused_by_row(
    database: Database, tmp_path: Path
) -> None:
    nodes, lines = await run(database, sheet(tmp_path, [*ROWS[:4], ("JS12", "JS99", *ROWS[4][2:])]))
    assert (nodes.state, lines.state) == ("refused", "refused")
    assert [(f.rule, f.row) for f in lines.findings] == [("pipe.no_node", 6)]


async def test_a_table_said_to_be_points_gives_points_only(database: Database, tmp_path: Path) -> None:
    (report,) = await run(database, sheet(tmp_path), layer_id="pipe_node")
    assert (report.layer_id, report.kept) == ("pipe_node", 4)


async def test_other_tables_with_a_start_and_an_end_stay_one_table(
    database: Database, tmp_path: Path
) -> None:
    path = text(
        tmp_path, "bus.csv", "线路,起点,终点,经度,纬度\n1,东站,西站,116.5,31.7\n2,西站,东站,116.6,31.8\n"
    )
    (report,) = await run(database, path)
    assert report.layer_id == "bus"
