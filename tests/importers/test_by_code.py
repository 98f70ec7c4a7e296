"""Rows placed by the codes of a published layer, where somebody says which column holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from importers.errors import BadTable, NoGeometry
from importers.options import ImportOptions
from importers.report import ImportReport
from importers.run import import_files
from layers.db import Database
from tests.importers.published import layer_of, rows_of
from tests.importers.specimens import shapefile, text

CODES = ("341502001001001", "341502001001002")


async def run(db: Database, path: Path, **options: Any) -> ImportReport:
    (report,) = await import_files(db, [path], ImportOptions(**options))
    return report


def table(folder: Path, *rows: str) -> Path:
    return text(folder, "checks.csv", "\n".join(("网格,得分", *rows)))


async def test_rows_get_the_geometry_their_code_names_and_the_version_says_so(
    database: Database, tmp_path: Path
) -> None:
    await run(database, shapefile(tmp_path))
    path = table(tmp_path, f"{CODES[1]},95", f"{CODES[0]},80")
    report = await run(database, path, columns={"网格": "@code"})
    assert (report.state, report.kept) == ("published", 2)
    grids = await rows_of(database, "unit_grid")
    placed = {row.values["得分"]: row.geometry for row in (await rows_of(database, "checks")).values()}
    assert placed == {95: grids[CODES[1]].geometry, 80: grids[CODES[0]].geometry}
    (origin,) = (await layer_of(database, "checks")).origins
    assert "单元网格" in origin.evidence.zh
    assert origin.error_m == pytest.approx(0.001), "that of the layer the geometry is from"


async def test_a_code_that_is_not_there_is_refused_by_row(database: Database, tmp_path: Path) -> None:
    await run(database, shapefile(tmp_path))
    path = table(tmp_path, f"{CODES[0]},80", "341502001001099,70", ",60")
    report = await run(database, path, columns={"网格": "@code"})
    assert report.state == "refused"
    assert [(f.rule, f.row) for f in report.findings] == [("place.no_code", 3), ("place.no_code", 4)]


async def test_nothing_is_placed_by_code_unless_somebody_says_so(database: Database, tmp_path: Path) -> None:
    await run(database, shapefile(tmp_path))
    with pytest.raises(NoGeometry, match="by-code"):
        await run(database, table(tmp_path, f"{CODES[0]},80"))


async def test_codes_of_no_layer_and_columns_that_are_not_there_are_refused(
    database: Database, tmp_path: Path
) -> None:
    with pytest.raises(NoGeometry, match="no published layer"):
        await run(database, table(tmp_path, f"{CODES[0]},80"), columns={"网格": "@code"})
    with pytest.raises(BadTable):
        await run(database, table(tmp_path, f"{CODES[0]},80"), columns={"社区": "@code"})


async def test_components_without_coordinates_get_a_point_inside_their_grid(
    database: Database, tmp_path: Path
) -> None:
    await run(database, shapefile(tmp_path))
    path = text(tmp_path, "c.csv", f"部件标识码,部件名称,网格\n3415020101000001,井盖,{CODES[0]}\n")
    report = await run(database, path, columns={"网格": "@code"}, layer_id="component")
    assert (report.state, report.kept) == ("published", 1)
    (row,) = (await rows_of(database, "component")).values()
    assert row.geometry["type"] == "Point"
