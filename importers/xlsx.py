"""The cells of an Excel workbook (ECMA-376), streamed: rows of Python values.

openpyxl builds objects for every cell, and a pipe survey of 300,000 rows takes it minutes. Here expat's
events are turned into values as they come; number formats and serial dates are still openpyxl's knowledge.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from xml.parsers import expat

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

BLOCK = 256 * 1024
_TAIL = 1 << 16
_MERGE = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*?\bref="([A-Z]+\d+:[A-Z]+\d+)"')


class Uncomputed:
    """The value of a cell whose formula was never computed."""

    def __repr__(self) -> str:
        return "UNCOMPUTED"


UNCOMPUTED: Final = Uncomputed()
Cell = str | int | float | bool | dt.datetime | dt.date | dt.time | Uncomputed | None
Block = tuple[int, int, int, int]
"""Left, top, right, bottom of merged cells, 1-based, both ends included."""


class NotAWorkbook(Exception):
    """The package is no workbook that can be read."""


class AsksForMore(NotAWorkbook):
    """A part declares entities: reading it would unfold them, or fetch other files."""


class Workbook:
    """A workbook's sheets by name. Reads the shared texts once; sheets are streamed as often as asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with zipfile.ZipFile(path) as package:
            members = set(package.namelist())
            if "xl/workbook.xml" not in members:
                raise NotAWorkbook("no xl/workbook.xml in it")
            names, self._hidden, self._epoch = _sheets(package)
            self.has_macros = "xl/vbaProject.bin" in members
            targets = _targets(package)
            self._members = {
                name: targets[relation]
                for name, relation in names.items()
                if targets.get(relation) in members
            }
            self._texts = _texts(package) if "xl/sharedStrings.xml" in members else []
            self._dates = _date_styles(package) if "xl/styles.xml" in members else []

    @property
    def names(self) -> list[str]:
        return list(self._members)

    def is_hidden(self, name: str) -> bool:
        """Whether a person who opens the workbook does not see the sheet."""
        return name in self._hidden

    def rows(self, name: str) -> Iterator[tuple[int, list[Cell]]]:
        """The rows of a sheet that have cells, each with its number; cells that are not there are None."""
        reader = _Reader(self._texts, self._dates, self._epoch)
        with zipfile.ZipFile(self._path) as package, package.open(self._members[name]) as content:
            while True:
                block = content.read(BLOCK)
                reader.feed(block)
                yield from reader.taken()
                if not block:
                    return

    def merged(self, name: str) -> list[Block]:
        """The merged cells of a sheet; they stand at its end, so this reads it through once."""
        found: list[Block] = []
        tail = b""
        with zipfile.ZipFile(self._path) as package, package.open(self._members[name]) as content:
            while block := content.read(1 << 20):
                text = tail + block
                cut = text.rfind(b"<")
                tail = text[cut:] if 0 <= len(text) - cut < _TAIL else b""
                for reference in _MERGE.findall(text[: cut if tail else len(text)]):
                    left, top, right, bottom = range_boundaries(reference.decode())
                    found.append((left or 1, top or 1, right or 1, bottom or 1))
        return found


def _parser(
    start: Callable[..., None], end: Callable[..., None], text: Callable[[str], None]
) -> expat.XMLParserType:
    """A parser that refuses document types: no entity of a stranger's is ever expanded."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text

    def refuse(*_: object) -> None:
        raise AsksForMore("a document type (DOCTYPE) in its XML")

    parser.StartDoctypeDeclHandler = refuse
    return parser


def _parse(content: bytes, start: Callable[[str, dict[str, str]], None]) -> None:
    """Calls `start` with the local name and attributes of each element of a small part."""
    try:
        _parser(lambda tag, attributes: start(_local(tag), attributes), lambda _: None, lambda _: None).Parse(
            content, True
        )
    except expat.ExpatError as error:
        raise NotAWorkbook(str(error)) from error


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


def _sheets(package: zipfile.ZipFile) -> tuple[dict[str, str], set[str], dt.datetime]:
    """Sheet name → relation id, in the workbook's order; the hidden ones; the day serial dates count from."""
    names: dict[str, str] = {}
    hidden: set[str] = set()
    epoch = CALENDAR_WINDOWS_1900

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal epoch
        if tag == "sheet":
            relation = next((v for k, v in attributes.items() if _local(k) == "id" and ":" in k), "")
            name = attributes.get("name", "")
            names[name] = relation
            if attributes.get("state", "visible") != "visible":
                hidden.add(name)
        elif tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            epoch = CALENDAR_MAC_1904

    _parse(package.read("xl/workbook.xml"), start)
    return names, hidden, epoch


def _targets(package: zipfile.ZipFile) -> dict[str, str]:
    """Relation id → member of the package."""
    targets: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship":
            target = attributes.get("Target", "")
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            targets[attributes.get("Id", "")] = path

    try:
        _parse(package.read("xl/_rels/workbook.xml.rels"), start)
    except KeyError as error:
        raise NotAWorkbook("no xl/_rels/workbook.xml.rels in it") from error
    return targets


def _texts(package: zipfile.ZipFile) -> list[str]:
    """The shared texts; of a text in several styles the pieces, of a reading aid (phonetic) nothing."""
    texts: list[str] = []
    pieces: list[str] = []
    taking = False
    aside = 0

    def start(tag: str, _: dict[str, str]) -> None:
        nonlocal taking, aside
        name = _local(tag)
        if name == "rPh":
            aside += 1
        taking = name == "t" and not aside

    def end(tag: str) -> None:
        nonlocal taking, aside
        name = _local(tag)
        if name == "si":
            texts.append("".join(pieces))
            pieces.clear()
        elif name == "rPh":
            aside -= 1
        taking = False

    def text(data: str) -> None:
        if taking:
            pieces.append(data)

    parser = _parser(start, end, text)
    with package.open("xl/sharedStrings.xml") as content:
        _feed(parser, content.read)
    return texts


def _feed(parser: expat.XMLParserType, read: Callable[[int], bytes]) -> None:
    try:
        while block := read(BLOCK):
            parser.Parse(block, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise NotAWorkbook(str(error)) from error


def _date_styles(package: zipfile.ZipFile) -> list[bool]:
    """For each cell style whether its number format shows a date or time."""
    formats = dict(BUILTIN_FORMATS)
    styles: list[bool] = []
    inside = False

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if tag == "numFmt":
            formats[int(attributes.get("numFmtId", 0))] = attributes.get("formatCode", "")
        elif tag in ("cellXfs", "cellStyleXfs", "dxfs"):
            inside = tag == "cellXfs"
        elif tag == "xf" and inside:
            styles.append(bool(is_date_format(formats.get(int(attributes.get("numFmtId", 0))))))

    _parse(package.read("xl/styles.xml"), start)
    return styles


class _Reader:
    """Turns a sheet's events into rows."""

    def __init__(self, texts: list[str], dates: list[bool], epoch: dt.datetime) -> None:
        self._texts = texts
        self._dates = dates
        self._epoch = epoch
        self._parser = _parser(self._start, self._end, self._text)
        self._rows: list[tuple[int, list[Cell]]] = []
        self._number = 0
        self._row: list[Cell] = []
        self._letters: dict[str, int] = {}
        self._column = 0
        self._kind: str | None = None
        self._style: str | None = None
        self._pieces: list[str] = []
        self._taking = False
        self._has_formula = False

    def feed(self, block: bytes) -> None:
        """Parses a block; an empty one ends the sheet."""
        try:
            self._parser.Parse(block, not block)
        except expat.ExpatError as error:
            raise NotAWorkbook(str(error)) from error

    def taken(self) -> list[tuple[int, list[Cell]]]:
        """The rows that are whole by now."""
        rows, self._rows = self._rows, []
        return rows

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("v", "t"):
            self._taking = True
        elif tag == "c":
            reference = attributes.get("r")
            if reference is None:
                self._column += 1
            else:
                letters = reference.rstrip("0123456789")
                column = self._letters.get(letters)
                self._column = column if column is not None else self._learned(letters)
            self._kind = attributes.get("t")
            self._style = attributes.get("s")
        elif tag == "f":
            self._has_formula = True
        elif tag == "row":
            number = attributes.get("r")
            self._number = int(number) if number is not None else self._number + 1
            self._row = []
            self._column = 0
        elif ":" in tag:
            self._start(_local(tag), attributes)

    def _end(self, tag: str) -> None:
        if tag in ("v", "t"):
            self._taking = False
        elif tag == "c":
            if self._pieces or self._has_formula:
                value = self._value()
                row, missing = self._row, self._column - len(self._row) - 1
                if missing > 0:
                    row.extend([None] * missing)
                row.append(value)
                self._pieces = []
                self._has_formula = False
        elif tag == "row":
            if self._row:
                self._rows.append((self._number, self._row))
        elif ":" in tag:
            self._end(_local(tag))

    def _text(self, data: str) -> None:
        if self._taking:
            self._pieces.append(data)

    def _learned(self, letters: str) -> int:
        column = 0
        for letter in letters:
            column = column * 26 + ord(letter) - 64
        self._letters[letters] = column
        return column

    def _value(self) -> Cell:
        if not self._pieces:
            return UNCOMPUTED
        text = self._pieces[0] if len(self._pieces) == 1 else "".join(self._pieces)
        kind = self._kind
        if kind == "s":
            return self._texts[int(text)]
        if kind is None or kind == "n":
            return self._numeric(text)
        if kind == "b":
            return text.strip() == "1"
        if kind == "d":
            return dt.datetime.fromisoformat(text)
        return text

    def _numeric(self, text: str) -> Cell:
        value: int | float = int(text) if text.lstrip("-").isdigit() else float(text)
        if self._style is not None:
            style = int(self._style)
            if style < len(self._dates) and self._dates[style]:
                return _moment(value, self._epoch)
        return value


def _moment(value: float, epoch: dt.datetime) -> Cell:
    """The date a serial number shows; the number itself where there is no such date."""
    try:
        found: dt.datetime | dt.time | dt.timedelta | None = from_excel(value, epoch)
    except (OverflowError, ValueError):
        return value
    return value if found is None or isinstance(found, dt.timedelta) else found
