"""Excel workbooks (.xlsx, .xlsm): each sheet with a header is a table, read in a stream.

Values are what Excel last computed; a row with a formula that was never computed is refused. Merged cells
below the header are filled with their one value, counted; rows keep the numbers the sheet shows.
"""

from __future__ import annotations

import datetime as dt
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa

from importers.archive import DAMAGE, MAX_RATIO, MAX_UNPACKED, SMALL, is_damage
from importers.coerce import EXCEL_DIGITS
from importers.errors import (
    BadTable,
    EmptyFile,
    Locked,
    NotWhatItSays,
    Truncated,
    UnsafeArchive,
    UnsafeFile,
)
from importers.header import column_names, header_again
from importers.options import ImportOptions
from importers.source import CHUNK_ROWS, Chunk, Note, Source, Trouble
from importers.xlsx import UNCOMPUTED, AsksForMore, Block, Cell, NotAWorkbook, Workbook

HEADER_WITHIN = 20
"""The header is looked for in the first rows; titles and notes stand above it in printed tables."""

_LOCKED = "EncryptedPackage".encode("utf-16-le")
"""The stream of an OLE container that holds an encrypted workbook (MS-OFFCRYPTO §2.3.4)."""
_OLE_HEAD = 1024**2
"""Bytes in which its directory is looked for."""
_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})


class _Sheet(NamedTuple):
    """One sheet as found: where its header is, as it stands and as columns, its merged blocks."""

    book: Workbook
    name: str
    header_row: int
    header: list[Cell]
    names: list[str]
    notes: tuple[Note, ...]
    merged: tuple[Block, ...]


def sheet_sources(path: Path, file: str, options: ImportOptions) -> list[Source]:
    """The sheets of a workbook that hold a table; raises a `BadFile` naming what is wrong.

    Blank sheets are passed over; a workbook of blank sheets raises `EmptyFile`.
    """
    _guard(path, file)
    with _spoken(file):
        book = Workbook(path)
    names = book.names
    if options.table is not None and options.table not in names:
        raise BadTable(
            file,
            f"没有工作表“{options.table}”，有：{'、'.join(names)}",
            f"there is no sheet {options.table!r}; there are {', '.join(names)}",
            found=", ".join(names),
            expected=options.table,
        )
    wanted = names if options.table is None else [options.table]
    found = [_source(path, file, sheet) for name in wanted if (sheet := _look(book, file, name)) is not None]
    if not found:
        raise EmptyFile(
            file, "工作簿里没有数据", "the workbook holds no rows", found="blank sheets", expected="a table"
        )
    return found


def _source(path: Path, file: str, sheet: _Sheet) -> Source:
    first = next(_read(file, sheet, 200), None)
    schema = (
        pa.schema([(n, a.type) for n, a in first.columns.items()]) if first is not None else pa.schema([])
    )
    return Source(
        path=path,
        file=file,
        name=sheet.name,
        format="XLSX",
        schema=schema,
        read=partial(_read, file, sheet),
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
    except DAMAGE as error:
        if not is_damage(error):
            raise
        with path.open("rb") as content:
            head = content.read(_OLE_HEAD)
        if head.startswith(b"PK"):
            raise Truncated(
                file,
                "工作簿不完整或已损坏",
                "the workbook is cut short or damaged",
                found=str(error),
                expected="a whole .xlsx",
            ) from error
        raise _no_package(head, file) from error


def _no_package(head: bytes, file: str) -> Locked | NotWhatItSays:
    """What a workbook is that is no .zip at all."""
    if _LOCKED in head:
        return Locked(
            file,
            "工作簿有打开密码，请去掉密码后另存再导入",
            "the workbook is locked with a password; save it without one",
            found="an encrypted workbook",
            expected="an .xlsx without a password",
        )
    is_old = head.startswith(b"\xd0\xcf\x11\xe0")
    return NotWhatItSays(
        file,
        "是旧版 Excel（.xls），请用 Excel 另存为 .xlsx" if is_old else "不是 Excel 工作簿（.xlsx）",
        "this is an old workbook (.xls); save it as .xlsx" if is_old else "this is no Excel workbook (.xlsx)",
        found=head[:8].hex(),
        expected="an .xlsx workbook",
    )


@contextmanager
def _spoken(file: str) -> Iterator[None]:
    """Whatever is wrong inside the package as `NotWhatItSays`."""
    try:
        yield
    except AsksForMore as error:
        raise UnsafeFile(
            file,
            "工作簿里声明了文档类型（DOCTYPE），会让读取者展开实体或读取别的文件，拒绝读取",
            "it declares a document type (DOCTYPE): reading it would unfold entities or fetch other files",
            found="DOCTYPE",
            expected="a workbook as Excel writes it",
        ) from error
    except (NotAWorkbook, zlib.error, EOFError, ValueError, *DAMAGE) as error:
        if not is_damage(error):
            raise
        raise NotWhatItSays(
            file,
            f"工作簿内容有误，无法读取（{error}）；请用 Excel 打开后另存",
            f"the workbook's content is broken ({error}); open it in Excel and save it anew",
            found=str(error)[:200],
            expected="an .xlsx workbook",
        ) from error


def _look(book: Workbook, file: str, name: str) -> _Sheet | None:
    """Where the table of a sheet is; None for a blank sheet."""
    rows: list[tuple[int, Sequence[Cell]]] = []
    with _spoken(file):
        for number, row in book.rows(name):
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
    with _spoken(file):
        below = tuple(m for m in book.merged(name) if m[3] > number and m[0] <= widest)
    whole = [*header[:widest], *[None] * (widest - len(header))]
    return _Sheet(book, name, number, whole, names, notes + _oddities(book, name), below)


def _oddities(book: Workbook, name: str) -> tuple[Note, ...]:
    """What somebody who looks at the workbook would not see, or might fear."""
    notes = []
    if book.is_hidden(name):
        notes.append(Note("sheet.hidden", f"工作表“{name}”是隐藏的", f"the sheet {name!r} is hidden"))
    if book.has_macros:
        notes.append(
            Note("workbook.macros", "工作簿带有宏，没有运行", "the workbook has macros; none was run")
        )
    return tuple(notes)


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


def _read(file: str, sheet: _Sheet, rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The rows below the header, blank ones passed over."""
    width = len(sheet.names)
    filling = _Filling(sheet.merged)
    pile = _Pile(sheet.header)
    last = sheet.header_row
    with _spoken(file):
        for number, row in sheet.book.rows(sheet.name):
            if number <= sheet.header_row:
                continue
            pile.count("row.blank", number - last - 1)
            last = number
            cells = [*row[:width], *[None] * (width - len(row))]
            pile.count("cell.merged", filling.fill(number, cells))
            pile.add(number, cells, sheet.names)
            if len(pile.rows) >= rows:
                yield pile.chunk(sheet.names)
                pile = _Pile(sheet.header)
    if not pile.is_blank:
        yield pile.chunk(sheet.names)


class _Pile:
    """Rows that become a chunk, and what was done to them."""

    def __init__(self, header: list[Cell]) -> None:
        self._header = header
        self._headers: list[int] = []
        self.rows: list[list[Cell]] = []
        self.numbers: list[int] = []
        self.counts: dict[str, int] = {}
        self.troubles: list[Trouble] = []

    @property
    def is_blank(self) -> bool:
        return not (self.rows or self.counts or self.troubles or self._headers)

    def count(self, rule: str, times: int) -> None:
        if times:
            self.counts[rule] = self.counts.get(rule, 0) + times

    def add(self, number: int, cells: list[Cell], names: list[str]) -> None:
        """Takes a row; passes over a blank one or the header again, refuses a formula without a result."""
        self.count("cell.error", _clear_errors(cells))
        if UNCOMPUTED in cells:
            self.troubles.append(_formula_trouble(number, names[cells.index(UNCOMPUTED)]))
        elif all(cell is None or cell == "" for cell in cells):
            self.count("row.blank", 1)
        elif cells == self._header:
            self._headers.append(number)
        else:
            self.rows.append(cells)
            self.numbers.append(number)

    def chunk(self, names: list[str]) -> Chunk:
        columns = {name: _array([row[i] for row in self.rows]) for i, name in enumerate(names)}
        mended = tuple(Note(rule, *_SAID[rule], times) for rule, times in self.counts.items())
        if self._headers:
            mended += (header_again(self._headers[0], len(self._headers)),)
        return Chunk(np.array(self.numbers, dtype=np.int64), columns, None, tuple(self.troubles), mended)


class _Filling:
    """Gives the cells of merged blocks the value of their top left cell."""

    def __init__(self, merged: Sequence[Block]) -> None:
        self._blocks = sorted(merged, key=lambda block: block[1], reverse=True)
        self._values: dict[Block, Cell] = {}

    def fill(self, number: int, cells: list[Cell]) -> int:
        """Fills `cells` of row `number` in place; how many were filled."""
        filled = 0
        while self._blocks and self._blocks[-1][1] <= number:
            block = self._blocks.pop()
            if block[1] == number:
                self._values[block] = cells[block[0] - 1] if block[0] <= len(cells) else None
        if not self._values:
            return 0
        for block in [b for b in self._values if b[3] < number]:
            del self._values[block]
        for (left, _, right, _), value in self._values.items():
            for column in range(left, min(right, len(cells)) + 1):
                if cells[column - 1] is None and value is not None:
                    cells[column - 1] = value
                    filled += 1
        return filled


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
