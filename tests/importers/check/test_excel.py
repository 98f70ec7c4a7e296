"""The report as a workbook and on the map."""

from __future__ import annotations

import io
import json

import pytest
from openpyxl import Workbook, load_workbook

from importers.check import CheckOptions, CheckReport
from importers.check.excel import write_workbook
from importers.check.mend import Mender
from importers.check.on_the_map import findings_geojson
from importers.check.report import Language
from layers.mendings import MendOptions
from layers.model import Field, Text
from tests.importers.check.specimens import TODAY, area, box, plain, point, report, rows

NAME = Field("name", Text("名称", "Name"), max_length=8)
LAYER = plain("MultiPolygon", NAME)
SHAPES = [None, area((0, 0), (10, 10), (10, 0), (0, 10)), box(0, 0, 9, 9), point(0, 0)]


def found(cap: int = 1000) -> CheckReport:
    options = CheckOptions(cap=cap, today=TODAY)
    return report(LAYER, SHAPES, options=options, name=["=HYPERLINK(1)", "a\x0bb", " 门", "x" * 9])


def written(*reports: CheckReport, language: Language = "zh") -> Workbook:
    target = io.BytesIO()
    write_workbook(target, reports, language)
    target.seek(0)
    return load_workbook(target)


def cells(book: Workbook, sheet: str) -> list[list[object]]:
    return [list(row) for row in book[sheet].iter_rows(values_only=True)]


def test_a_sheet_for_each_rule_that_is_broken() -> None:
    book = written(found())
    assert book.sheetnames[:3] == ["概要", "评分", "规则"]
    assert {name[:6] for name in book.sheetnames[3:]} >= {"GEO-01", "GEO-04", "GEO-05", "ATT-05", "ATT-07"}
    rows_ = cells(book, "GEO-05 几何无效")
    assert rows_[2][:4] == ["GEO-05", "错误", 2, "c2"]
    assert rows_[2][7] == pytest.approx(116.5, abs=0.001)


def test_the_score_stands_with_its_formula() -> None:
    report_ = found()
    rows_ = cells(written(report_), "评分")
    assert "Σ(w·p)" in str(rows_[0][0])
    assert rows_[-1][1] == pytest.approx(report_.score.total, abs=0.01)
    assert rows_[-1][2] == report_.score.formula


def test_no_text_of_a_file_becomes_a_formula() -> None:
    book = written(found())
    values = [(c.data_type, c.value) for s in book for row in s.iter_rows() for c in row]
    assert not [v for kind, v in values if kind == "f"]
    assert ("s", "=HYPERLINK(1)") in values


def test_totals_are_exact_where_findings_are_capped() -> None:
    book = written(report(LAYER, [None] * 9, options=CheckOptions(cap=2, today=TODAY)), language="en")
    rows_ = cells(book, "GEO-01 no geometry")
    assert rows_[1][0] == "2 of 9"
    assert len(rows_) == 5


def test_several_layers_stand_in_one_workbook() -> None:
    book = written(found(), report(LAYER, [None], name=["b"]), language="en")
    assert {"Summary", "1-Score", "2-Score", "1-Rules", "2-Rules"} <= set(book.sheetnames)
    assert cells(book, "Summary")[2][0] == "Things (things)"


def test_what_was_mended_stands_there_as_it_was() -> None:
    mender = Mender(LAYER, MendOptions(frozenset({"text", "valid"})))
    after = mender.mend(rows(LAYER, SHAPES[1:2], name=[" 门"]))
    from dataclasses import replace

    from importers.check import check

    book = written(replace(check(LAYER, after), mended=mender.report))
    listed = cells(book, "修整前")
    assert [row[0] for row in listed[1:]] == ["text", "valid"]
    assert listed[1][4] == " 门"
    assert str(listed[2][4]).startswith("POLYGON")


def test_findings_lie_on_the_map() -> None:
    data = findings_geojson([found()])
    json.dumps(data, allow_nan=False)
    by_rule = {f["properties"]["rule"]: f for f in data["features"]}
    assert by_rule["GEO-05"]["geometry"]["type"] == "Point"
    assert by_rule["GEO-05"]["properties"]["severity"] == "error"
    assert data["without_place"] >= 1, "a row without geometry has no place"
    assert len({f["id"] for f in data["features"]}) == len(data["features"])
