"""Tables for people, as an Excel workbook of any length, written row by row. No text becomes a formula."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

SHEET_ROWS = 1_000_000
"""Lines of one sheet; Excel takes 1,048,576. What is longer goes on in another sheet."""
_MOST_CHARACTERS = 32_767
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class TableBook:
    """A workbook that grows at its end: a sheet, its rows, the next sheet."""

    def __init__(self) -> None:
        self._book = Workbook(write_only=True)
        self._sheet: WriteOnlyWorksheet | None = None
        self._title = ""
        self._heads: Sequence[str] = ()
        self._lines = 0
        self._parts = 0

    def begin(self, title: str, heads: Sequence[str]) -> None:
        """Begins a sheet with the names of its columns."""
        self._title, self._heads, self._parts = title, heads, 0
        self._continue()

    def add(self, values: Sequence[object]) -> None:
        """Adds a row: numbers as numbers, nothing as an empty cell, all else as text."""
        if self._lines == SHEET_ROWS:
            self._continue()
        sheet = self._sheet
        assert sheet is not None, "a sheet is begun first"
        sheet.append([_cell(sheet, value) for value in values])
        self._lines += 1

    def save(self, target: Path) -> None:
        """Writes the workbook; nothing may be added afterwards."""
        self._book.save(target)

    def _continue(self) -> None:
        self._parts += 1
        title = self._title if self._parts == 1 else f"{self._title} {self._parts}"
        self._sheet = self._book.create_sheet(title)
        self._sheet.append(list(self._heads))
        self._lines = 1


def _cell(sheet: WriteOnlyWorksheet, value: object) -> object:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    cell = WriteOnlyCell(sheet, _ILLEGAL.sub("�", str(value))[:_MOST_CHARACTERS])
    cell.data_type = "s"
    return cell
