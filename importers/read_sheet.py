"""Excel workbooks (.xlsx, .xlsm): each sheet with a header is a table, read in a stream.

Values are what Excel last computed; a row with a formula that was never computed is refused. Merged cells
below the header are filled with their one value, counted; rows keep the numbers the sheet shows.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import openpyxl
import pyarrow as pa
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException

from importers.archive import MAX_RATIO, MAX_UNPACKED, SMALL
from importers.coerce import EXCEL_DIGITS
from importers.errors import BadTable, EmptyFile, NotWhatItSays, Truncated, UnsafeArchive
from importers.header import column_names
from importers.options import ImportOptions
from importers.source import CHUNK_ROWS, Chunk, Note, Source, Trouble

HEADER_WITHIN = 20
"""The header is looked for in the first rows; titles and notes stand above it in printed tables."""

Cell = str | int | float | bool | dt.datetime | dt.date | dt.time | None
_MERGE = re.compile(rb'<mergeCell ref="([A-Z]+\d+:[A-Z]+\d+)"')
_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})
_TAIL = 1 << 16


class _Merged(NamedTuple):
    """A merged block, 1-based, both ends included."""

    left: int
    top: int
    right: int
    bottom: int


class _Sheet(NamedTuple):
    """One sheet as found: where its header is, its columns, its merged blocks, whether it has formulas."""

    name: str
    header_row: int
    names: list[str]
    notes: tuple[Note, ...]
    merged: tuple[_Merged, ...]
    has_formulas: bool


def sheet_sources(path: Path, file: str, options: ImportOptions) -> list[Source]:
    """The sheets of a workbook that hold a table; raises a `BadFile` naming what is wrong.

    Blank sheets are passed over; a workbook of blank sheets raises `EmptyFile`.
    """
    _guard(path, file)
    try:
        members = _members(path)
    except (InvalidFileException, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise NotWhatItSays(
            file,
            "不是 Excel 工作簿（.xlsx）",
            "this is no Excel workbook (.xlsx)",
            found=type(error).__name__,
            expected="an .xlsx workbook",
        ) from error
    names = list(members)
    if options.table is not None and options.table not in names:
        raise BadTable(
            file,
            f"没有工作表“{options.table}”，有：{'、'.join(names)}",
            f"there is no sheet {options.table!r}; there are {', '.join(names)}",
            found=", ".join(names),
            expected=options.table,
        )
    wanted = names if options.table is None else [options.table]
    found = [
        _source(path, file, sheet)
        for name in wanted
        if (sheet := _look(path, file, name, members.get(name))) is not None
    ]
    if not found:
        raise EmptyFile(
            file, "工作簿里没有数据", "the workbook holds no rows", found="blank sheets", expected="a table"
        )
    return found


def _source(path: Path, file: str, sheet: _Sheet) -> Source:
    first = next(_read(path, sheet, 200), None)
    schema = (
        pa.schema([(n, a.type) for n, a in first.columns.items()]) if first is not None else pa.schema([])
    )
    return Source(
        path=path,
        file=file,
        name=sheet.name,
        format="XLSX",
        schema=schema,
        read=partial(_read, path, sheet),
        row_word="row",
        notes=sheet.notes,
    )


def _guard(path: Path, file: str) -> None:
    """Refuses a package that is cut short, is no workbook, or would burst."""
    try:
        with zipfile.ZipFile(path) as package:
            total = sum(member.file_size for member in package.infolist())
            packed = path.stat().st_size
            if total > MAX_UNPACKED or (total > SMALL and total > MAX_RATIO * packed):
                raise UnsafeArchive(
                    file,
                    f"工作簿会展开成 {total} 字节，疑似压缩炸弹",
                    f"the workbook would unpack to {total} bytes; it looks like a zip bomb",
                    found=f"{total} bytes from {packed}",
                    expected=f"at most {MAX_RATIO} times the packed size",
                )
            if "xl/workbook.xml" not in package.namelist():
                raise NotWhatItSays(
                    file,
                    "不是 Excel 工作簿（压缩包里没有 xl/workbook.xml）",
                    "this is no Excel workbook (no xl/workbook.xml in it)",
                    found=", ".join(package.namelist()[:5]),
                    expected="an .xlsx workbook",
                )
    except zipfile.BadZipFile as error:
        head = path.read_bytes()[:8]
        if head.startswith(b"PK"):
            raise Truncated(
                file,
                "工作簿不完整或已损坏",
                "the workbook is cut short or damaged",
                found=str(error),
                expected="a whole .xlsx",
            ) from error
        is_old = head.startswith(b"\xd0\xcf\x11\xe0")
        raise NotWhatItSays(
            file,
            "是旧版 Excel（.xls）或加密的工作簿，请另存为不加密的 .xlsx"
            if is_old
            else "不是 Excel 工作簿（.xlsx）",
            "this is an old (.xls) or encrypted workbook; save it as .xlsx without a password"
            if is_old
            else "this is no Excel workbook (.xlsx)",
            found=head.hex(),
            expected="an .xlsx workbook",
        ) from error


def _members(path: Path) -> dict[str, str]:
    """Sheet name → its XML inside the package."""
    workbook = openpyxl.load_workbook(path, read_only=True)
    try:
        return {sheet.title: str(getattr(sheet, "_worksheet_path", "")) for sheet in workbook.worksheets}
    finally:
        workbook.close()


def _look(path: Path, file: str, name: str, member: str | None) -> _Sheet | None:
    """Where the table of a sheet is; None for a blank sheet."""
    rows: list[tuple[int, Sequence[Cell]]] = []
    for number, row in _rows(path, name, computed=True):
        if any(cell not in (None, "") for cell in row):
            rows.append((number, row))
        if len(rows) >= HEADER_WITHIN:
            break
    if not rows:
        return None
    at = _header_position([row for _, row in rows])
    number, header = rows[at]
    width = max((i + 1 for i, cell in enumerate(header) if cell not in (None, "")), default=0)
    widest = max(
        (i + 1 for _, row in rows[at:] for i, cell in enumerate(row) if cell not in (None, "")), default=width
    )
    titles = ["" if i >= len(header) or header[i] is None else str(header[i]) for i in range(widest)]
    names, notes = column_names(titles, f"{file} [{name}]")
    if at:
        notes += (
            Note("header.titles", "列名上方的标题行已略过", "rows above the header were passed over", at),
        )
    merged, has_formulas = _features(path, member)
    below = tuple(m for m in merged if m.bottom > number and m.left <= widest)
    return _Sheet(name, number, names, notes, below, has_formulas)


def _header_position(rows: list[Sequence[Cell]]) -> int:
    """The first of the rows that has most of the table's columns, all of them short texts."""

    def filled(row: Sequence[Cell]) -> int:
        return sum(1 for cell in row if cell not in (None, ""))

    def texts(row: Sequence[Cell]) -> int:
        return sum(1 for cell in row if isinstance(cell, str) and 0 < len(cell.strip()) <= 60)

    usual = sorted(filled(row) for row in rows)[len(rows) // 2]
    for position, row in enumerate(rows):
        if texts(row) >= max(2, 0.6 * usual) and texts(row) >= 0.8 * filled(row):
            return position
    return 0


def _features(path: Path, member: str | None) -> tuple[list[_Merged], bool]:
    """Merged blocks and whether any cell holds a formula, from the sheet's XML, read once in a stream."""
    if not member:
        return [], False
    has_formulas = False
    tail = b""
    found: list[_Merged] = []
    with zipfile.ZipFile(path) as package, package.open(member.lstrip("/")) as content:
        while block := content.read(1 << 20):
            text = tail + block
            has_formulas = has_formulas or b"<f>" in text or b"<f " in text
            cut = text.rfind(b"<")
            tail = text[cut:] if len(text) - cut < _TAIL else b""
            for ref in _MERGE.findall(text[: cut if tail else len(text)]):
                left, top, right, bottom = range_boundaries(ref.decode())
                found.append(_Merged(left or 1, top or 1, right or 1, bottom or 1))
    return found, has_formulas


def _rows(path: Path, name: str, *, computed: bool) -> Iterator[tuple[int, Sequence[Cell]]]:
    """The rows of a sheet with their numbers: computed values, or the formulas as text."""
    with warnings.catch_warnings():
        # openpyxl warns of styles and extensions it does not keep; only values are read here
        warnings.simplefilter("ignore")
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=computed)
        try:
            sheet = workbook[name]
            sheet.reset_dimensions()
            for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                yield number, cast("Sequence[Cell]", row)
        finally:
            workbook.close()


def _read(path: Path, sheet: _Sheet, rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The rows below the header, blank ones passed over."""
    formulas = _rows(path, sheet.name, computed=False) if sheet.has_formulas else None
    width = len(sheet.names)
    filling = _Filling(sheet.merged)
    kept: list[list[Cell]] = []
    numbers: list[int] = []
    counts: dict[str, int] = {}
    troubles: list[Trouble] = []
    for number, row in _rows(path, sheet.name, computed=True):
        written = next(formulas)[1] if formulas is not None else ()
        if number <= sheet.header_row:
            continue
        cells = [*row[:width], *[None] * (width - len(row))]
        filled = filling.fill(number, cells)
        for rule, times in (("cell.merged", filled), ("cell.error", _clear_errors(cells))):
            if times:
                counts[rule] = counts.get(rule, 0) + times
        formula = _uncomputed(cells, written)
        if formula is not None:
            troubles.append(_formula_trouble(number, sheet.names[formula]))
            continue
        if all(cell in (None, "") for cell in cells):
            counts["row.blank"] = counts.get("row.blank", 0) + 1
            continue
        kept.append(cells)
        numbers.append(number)
        if len(kept) >= rows:
            yield _chunk(sheet, kept, numbers, counts, troubles)
            kept, numbers, counts, troubles = [], [], {}, []
    if kept or counts or troubles:
        yield _chunk(sheet, kept, numbers, counts, troubles)


class _Filling:
    """Gives the cells of merged blocks the value of their top left cell."""

    def __init__(self, merged: Sequence[_Merged]) -> None:
        self._blocks = sorted(merged, key=lambda m: m.top)
        self._values: dict[_Merged, Cell] = {}

    def fill(self, number: int, cells: list[Cell]) -> int:
        """Fills `cells` of row `number` in place; how many were filled."""
        filled = 0
        while self._blocks and self._blocks[0].top <= number:
            block = self._blocks.pop(0)
            self._values[block] = cells[block.left - 1] if block.left <= len(cells) else None
        for block in [b for b in self._values if b.bottom < number]:
            del self._values[block]
        for block, value in self._values.items():
            for column in range(block.left, min(block.right, len(cells)) + 1):
                if cells[column - 1] is None and value is not None:
                    cells[column - 1] = value
                    filled += 1
        return filled


def _uncomputed(cells: list[Cell], written: Sequence[Cell]) -> int | None:
    """The first cell with a formula whose value the workbook does not keep."""
    for position, (cell, text) in enumerate(zip(cells, written, strict=False)):
        if cell is None and isinstance(text, str) and text.startswith("="):
            return position
    return None


def _formula_trouble(row: int, column: str) -> Trouble:
    return Trouble(
        row,
        "cell.formula",
        f"“{column}”是公式但没有保存计算结果，请在 Excel 中打开并保存一次",
        f"{column!r} is a formula without a saved result; open and save the workbook in Excel once",
    )


def _clear_errors(cells: list[Cell]) -> int:
    """Empties the cells that show an error of Excel's (#N/A, …); how many there were."""
    wrong = [i for i, cell in enumerate(cells) if isinstance(cell, str) and cell in _ERRORS]
    for i in wrong:
        cells[i] = None
    return len(wrong)


_SAID = {
    "cell.merged": ("合并单元格已按左上角的值填满", "merged cells were filled with their one value"),
    "cell.error": ("公式出错的单元格按空值处理", "cells that show a formula's error were taken as empty"),
    "row.blank": ("空行已略过", "blank rows were passed over"),
}


def _chunk(
    sheet: _Sheet,
    rows: list[list[Cell]],
    numbers: list[int],
    counts: dict[str, int],
    troubles: list[Trouble],
) -> Chunk:
    columns = {name: _array([row[i] for row in rows]) for i, name in enumerate(sheet.names)}
    mended = tuple(Note(rule, *_SAID[rule], times) for rule, times in counts.items())
    return Chunk(np.array(numbers, dtype=np.int64), columns, None, tuple(troubles), mended)


def _array(values: list[Cell]) -> pa.Array:
    """A column of cells as one plain type, or as text where they are of several."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str}:
        return pa.array(values, pa.string())
    if kinds <= {bool}:
        return pa.array(values, pa.bool_())
    if kinds <= {int, float}:
        is_whole = kinds == {int} and all(v is None or abs(cast(int, v)) < EXCEL_DIGITS for v in values)
        return pa.array(values, pa.int64() if is_whole else pa.float64())
    if kinds <= {dt.datetime}:
        return pa.array(values, pa.timestamp("us"))
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Cell) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat(sep=" ") if isinstance(value, dt.datetime) else value.isoformat()
    return str(value)
