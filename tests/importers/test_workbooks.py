"""Excel workbooks as offices keep them: titles above the header, merged cells, formulas, several sheets."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from importers.errors import BadTable, EmptyFile, NotWhatItSays, Truncated, UnsafeArchive
from importers.options import ImportOptions
from importers.place import placed
from tests.importers.specimens import column, packed, source, sources, whole, workbook

HEADER = ("物探点号", "X", "Y", "所在道路", "建设日期")
ROWS = (
    ("JS1", 3512345.1, 39456789.2, "人民路", dt.datetime(2020, 1, 2)),
    ("JS2", 3512346.1, 39456790.2, None, dt.datetime(2021, 3, 4)),
    ("JS3", 3512347.1, 39456791.2, "皖西路", None),
)


def test_the_header_is_found_below_titles_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    path = workbook(tmp_path / "管点.xlsx", {"JS": [("六安市给水管点成果表",), (), HEADER, *ROWS]}, ["A1:E1"])
    found = source(path)
    assert found.schema.names == list(HEADER)
    assert whole(found).rows.tolist() == [4, 5, 6]
    assert "header.titles" in [note.rule for note in found.notes]


def test_shapes_in_a_sheet_are_read_from_a_column_of_wkt(tmp_path: Path) -> None:
    rows = [("名称", "图形"), ("甲", "POLYGON ((116 31, 116.1 31, 116.1 31.1, 116 31))"), ("乙", "")]
    found = placed(source(workbook(tmp_path / "地块.xlsx", {"地块": rows})), ImportOptions())
    shapes = whole(found).geometry
    assert shapes is not None
    assert (shapes[0].geom_type, shapes[1]) == ("Polygon", None)


def test_merged_cells_are_filled_with_their_one_value_and_counted(tmp_path: Path) -> None:
    path = workbook(tmp_path / "管点.xlsx", {"JS": [HEADER, *ROWS]}, ["D2:D3"])
    chunk = whole(source(path))
    assert chunk.columns["所在道路"].to_pylist() == ["人民路", "人民路", "皖西路"]
    assert [(note.rule, note.times) for note in chunk.mended] == [("cell.merged", 1)]


def test_a_formula_without_a_saved_result_refuses_its_row(tmp_path: Path) -> None:
    """openpyxl writes formulas without results, as other tools that do not calculate do."""
    path = workbook(tmp_path / "t.xlsx", {"s": [("编号", "长度"), ("a", "=1+1"), ("b", 2)]})
    chunk = whole(source(path))
    assert chunk.columns["编号"].to_pylist() == ["b"]
    assert [(t.rule, t.row) for t in chunk.troubles] == [("cell.formula", 2)]


def test_a_formula_s_saved_result_is_its_value(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"s": [("编号", "长度"), ("a", "=1+1"), ("b", 2)]})
    with zipfile.ZipFile(path) as book:
        members = {name: book.read(name) for name in book.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = members[sheet].replace(b"<f>1+1</f><v></v>", b"<f>1+1</f><v>7</v>")
    members[sheet] = members[sheet].replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>7</v>")
    assert b"<v>7</v>" in members[sheet]
    found = source(packed(path, members))
    assert column(found, "长度") == [7, 2]
    assert not whole(found).troubles


def test_cells_that_show_an_error_are_empty_and_counted(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"s": [("编号", "长度"), ("a", "#N/A"), ("b", "#REF!"), ("c", 1)]})
    chunk = whole(source(path))
    assert chunk.columns["长度"].to_pylist() == [None, None, 1]
    assert [(note.rule, note.times) for note in chunk.mended] == [("cell.error", 2)]


def test_blank_sheets_are_passed_over_and_each_other_sheet_is_a_table(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"点": [HEADER, *ROWS], "空": [], "线": [("a", "b"), (1, 2)]})
    assert [found.name for found in sources(path)] == ["点", "线"]
    assert source(path, table="线").schema.names == ["a", "b"]
    with pytest.raises(BadTable, match="点, 空, 线"):
        sources(path, table="面")


def test_a_column_of_several_types_becomes_text_that_a_person_would_write(tmp_path: Path) -> None:
    cells = ["x", 12, 12.0, 1.5, True, dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 2, 8, 30), None]
    path = workbook(tmp_path / "t.xlsx", {"s": [("n", "值"), *((i, cell) for i, cell in enumerate(cells))]})
    assert column(source(path), "值") == [
        "x", "12", "12", "1.5", "True", "2024-01-02", "2024-01-02 08:30:00", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, NotWhatItSays),
        (b"PK\x03\x04" + b"\0" * 600, Truncated),
        (b"code,name\n1,2\n", NotWhatItSays),
        (b"", EmptyFile),
    ],
)
def test_what_is_no_workbook_is_told_by_its_kind(
    tmp_path: Path, content: bytes, fault: type[Exception]
) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(content)
    with pytest.raises(fault):
        sources(path)


def test_an_archive_that_is_no_workbook_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(NotWhatItSays, match=r"workbook\.xml"):
        sources(packed(tmp_path / "t.xlsx", {"readme.txt": b"x"}))


def test_a_workbook_that_would_burst_is_not_opened(tmp_path: Path) -> None:
    path = packed(tmp_path / "t.xlsx", {"xl/workbook.xml": b"<x/>", "xl/media.bin": b"\0" * 90_000_000})
    with pytest.raises(UnsafeArchive):
        sources(path)


def test_a_workbook_of_blank_sheets_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile):
        sources(workbook(tmp_path / "t.xlsx", {"a": [], "b": [(None, "")]}))
