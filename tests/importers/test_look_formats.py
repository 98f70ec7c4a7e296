"""What is seen in the less usual kinds of file before they are read: drawings, GeoParquet, pipe tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from importers.look import look_at_files
from importers.options import ImportOptions, silent
from layers.db import Database
from tests.importers.specimens import points, text
from tests.importers.test_drawings import E0, N0, drawing
from tests.importers.test_geoparquet import WKB, geoparquet
from tests.importers.test_pipe_table import sheet


async def seen(database: Database, path: Path, **options: Any) -> list[dict[str, Any]]:
    told = await look_at_files(database, [path], ImportOptions(**options), silent)
    tables: list[dict[str, Any]] = told["tables"]
    return tables


async def test_a_drawing_is_seen_table_by_table(database: Database, tmp_path: Path) -> None:
    def draw(space: Any, _: Any) -> None:
        space.add_point((E0, N0))
        space.add_line((E0, N0), (E0 + 9, N0))

    found = await seen(database, drawing(tmp_path / "地形.dxf", draw))
    assert [(t["format"], t["geometry"], t["crs"]["epsg"]) for t in found] == [
        ("DXF", "Point", 4527),
        ("DXF", "LineString", 4527),
    ]
    assert "cad_layer" in [column["name"] for column in found[0]["columns"]]


async def test_a_geoparquet_is_seen_with_its_reference_system(database: Database, tmp_path: Path) -> None:
    (table,) = await seen(database, geoparquet(tmp_path / "a.parquet", points(), geo=WKB))
    assert (table["format"], table["rows"], table["crs"]["epsg"]) == ("Parquet", 3, 4326)


async def test_a_combined_pipe_table_is_seen_as_its_points_and_its_lines(
    database: Database, tmp_path: Path
) -> None:
    found = await seen(database, sheet(tmp_path))
    assert [table["layer"]["id"] for table in found] == ["pipe_node", "pipe_line"]
    matched = {column["name"]: column["field"] for column in found[1]["columns"]}
    assert (matched["物探点号"], matched["连接点号"]) == ("start_node", "end_node")
    assert (matched["埋深(m)"], matched["对端埋深(m)"]) == ("start_depth_m", "end_depth_m")


async def test_a_local_system_is_seen_by_its_name_with_its_error(database: Database, tmp_path: Path) -> None:
    text(
        tmp_path,
        "local.toml",
        '["城"]\nto = "EPSG:4548"\nx_is = "north"\ndx_m = 3500000.0\ndy_m = 450000.0\n'
        "rotation_s = 0.0\nscale = 1.0\nerror_m = 0.05\n",
    )
    path = text(tmp_path, "a.csv", "id,东坐标,北坐标\n1,1000,2000\n")
    (table,) = await seen(database, path, crs="local:城", systems=tmp_path / "local.toml")
    assert "地方坐标系" in table["crs"]["evidence"]["zh"]
    assert table["crs"]["error_m"] == pytest.approx(0.051)
    assert "四参数" in table["crs"]["carried"]["zh"]
