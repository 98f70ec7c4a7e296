"""Workbooks written by the generator are read by others as they were meant."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import openpyxl

from sample_data.sheet import write_sheet


def test_texts_numbers_and_empty_cells_come_back(tmp_path: Path) -> None:
    path = tmp_path / "管点表.xlsx"
    columns = [np.array(["甲<&>", "", "JS0001"]), np.array([1.5, np.nan, -2.25]), np.array([7, -1, 0])]
    write_sheet(path, "管点表", ["名称", "高程", "数"], columns)
    with closing(openpyxl.load_workbook(path)) as book:
        assert book.sheetnames == ["管点表"]
        rows = list(book.worksheets[0].iter_rows(values_only=True))
    assert rows == [("名称", "高程", "数"), ("甲<&>", 1.5, 7), (None, None, None), ("JS0001", -2.25, 0)]


def test_more_than_26_columns_have_two_letters(tmp_path: Path) -> None:
    path = tmp_path / "wide.xlsx"
    write_sheet(path, "s", [f"c{n}" for n in range(30)], [np.array([n]) for n in range(30)])
    with closing(openpyxl.load_workbook(path)) as book:
        assert book.worksheets[0]["AD2"].value == 29
