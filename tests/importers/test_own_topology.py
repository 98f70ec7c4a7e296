"""Topology asked of a layer of one's own: overlaps and gaps of areas, ends of lines that nearly meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import shapely

from importers.options import ImportOptions
from importers.report import ImportReport
from importers.run import import_files
from layers.db import Database
from layers.errors import BadRequest
from onemap.importing import asked_topology
from tests.importers.published import layer_of
from tests.importers.specimens import squares, vector

WEST, SOUTH = 39_455_000.0, 3_512_000.0


async def brought(database: Database, path: Path, **options: Any) -> ImportReport:
    [report] = await import_files(database, [path], ImportOptions(**options))
    return report


def plots(folder: Path, shapes: list[shapely.Geometry], name: str = "规划地块") -> Path:
    fields = {"地块号": [f"D{n}" for n in range(len(shapes))]}
    return vector(folder / f"{name}.gpkg", shapes, fields, crs="EPSG:4527")


def found(report: ImportReport, rule: str) -> list[str]:
    assert report.check is not None
    return [finding.zh for finding in report.check.findings if finding.rule == rule]


async def test_overlaps_and_holes_between_plots_are_found_where_somebody_asks(
    database: Database, tmp_path: Path
) -> None:
    ring = [shapely.box(WEST + x, SOUTH + y, WEST + x + 100, SOUTH + y + 100) for x, y in _AROUND]
    lapping = shapely.box(WEST + 290, SOUTH, WEST + 400, SOUTH + 100)
    path = plots(tmp_path, [*ring, lapping])
    silent = await brought(database, path, dry_run=True)
    assert not found(silent, "TOP-01")
    report = await brought(database, path, dry_run=True, topology={"overlaps": "error", "gaps": "warning"})
    assert report.state == "refused"
    [said] = found(report, "TOP-01")
    assert "1000" in said or "999" in said
    [gap] = found(report, "TOP-02")
    assert "缝隙" in gap
    warned = await brought(database, path, topology={"overlaps": "warning"})
    assert warned.state == "published"
    assert (await layer_of(database, warned.layer_id)).topology == {"overlaps": "warning"}


async def test_what_was_asked_once_is_asked_of_the_next_delivery_too(
    database: Database, tmp_path: Path
) -> None:
    await brought(database, plots(tmp_path, list(squares(2))), topology={"overlaps": "error"})
    one = squares(1)[0]
    path = plots(tmp_path, [one, shapely.transform(one, lambda c: c + 50)])
    report = await brought(database, path, dry_run=True)
    assert len(found(report, "TOP-01")) == 1


async def test_an_end_that_nearly_meets_another_line_dangles_and_a_dead_end_does_not(
    database: Database, tmp_path: Path
) -> None:
    def line(*places: tuple[float, float]) -> shapely.LineString:
        return shapely.LineString([(WEST + x, SOUTH + y) for x, y in places])

    roads = [
        line((0, 0), (100, 0)),
        line((50, 50), (50, 0.8)),  # 0.8 m short of the first
        line((100, 0), (200, 0)),  # meets its end
        line((20, -60), (20, 0)),  # meets it in its course
    ]
    path = vector(tmp_path / "巷道.gpkg", roads, {"名称": list("甲乙丙丁")}, crs="EPSG:4527")
    report = await brought(database, path, dry_run=True, topology={"ends": "warning"})
    [said] = found(report, "TOP-11")
    assert "0.800 m" in said
    assert report.check is not None
    [finding] = [one for one in report.check.findings if one.rule == "TOP-11"]
    assert finding.row == 2


async def test_what_cannot_be_asked_of_a_layer_is_refused_by_name(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as refused:
        await brought(database, plots(tmp_path, list(squares(2))), topology={"ends": "error"})
    assert (refused.value.facts["field"], refused.value.facts["expected"]) == ("topology", "overlaps, gaps")


def test_topology_is_said_in_words_on_the_command_line() -> None:
    assert asked_topology(["overlaps", "gaps=warning"]) == {"overlaps": "error", "gaps": "warning"}
    for wrong in ("overlap", "overlaps=grave", "", "="):
        with pytest.raises(BadRequest):
            asked_topology([wrong])


_AROUND = [(x, y) for x in (0, 100, 200) for y in (0, 100, 200) if (x, y) != (100, 100)]
