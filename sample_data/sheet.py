"""Large tables as .xlsx, quickly and with the same bytes each time: one sheet, shared strings, no styles.

A general library writes cell by cell; a survey of 300,000 segments has seven million cells.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from sample_data.frame import Floats, Ints
from sample_data.utilities import Texts

Column = Texts | Floats | Ints
"""Texts ('' is an empty cell), floats (NaN is an empty cell) or whole numbers (negative is empty)."""

_ROWS_AT_ONCE = 20_000
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def write_sheet(
    path: Path, sheet: str, titles: Sequence[str], columns: Sequence[Column], places: int = 3
) -> None:
    """Write `columns` under `titles` to the sheet named `sheet`; floats with at most `places` decimals."""
    strings, numbered = _shared([np.array(titles, dtype=str), *columns])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as package:
        for name, content in _frame(sheet).items():
            _put(package, name, content)
        _put(package, "xl/sharedStrings.xml", _strings_xml(strings))
        with package.open(_info("xl/worksheets/sheet1.xml"), "w", force_zip64=True) as out:
            out.write(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            heads = [f't="s"><v>{n}</v>' for n in numbered[0].tolist()]
            out.write(_rows(1, [[head] for head in heads]).encode())
            count = len(columns[0]) if columns else 0
            for first in range(0, count, _ROWS_AT_ONCE):
                part = slice(first, first + _ROWS_AT_ONCE)
                cells = [_cells(c[part], n[part] if n is not None else None, places)
                         for c, n in zip(columns, numbered[1:], strict=True)]  # fmt: skip
                out.write(_rows(first + 2, cells).encode())
            out.write(b"</sheetData></worksheet>")


def _shared(columns: Sequence[Column]) -> tuple[list[str], list[Ints]]:
    """All different texts, and for each text column the positions of its texts among them."""
    texts = [c for c in columns if c.dtype.kind == "U"]
    strings, inverse = np.unique(np.concatenate(texts), return_inverse=True)
    ends = np.cumsum([len(t) for t in texts])
    split = iter(np.split(inverse, ends[:-1]))
    nothing = np.empty(0, dtype=np.int64)
    return strings.tolist(), [next(split) if c.dtype.kind == "U" else nothing for c in columns]


def _cells(column: Column, strings: Ints | None, places: int) -> list[str]:
    """What follows `<c r="…" ` in each cell."""
    if column.dtype.kind == "U":
        assert strings is not None
        return [
            f't="s"><v>{n}</v>' if text else ">"
            for text, n in zip(column.tolist(), strings.tolist(), strict=True)
        ]
    if column.dtype.kind == "f":
        return [f"><v>{v:.{places}f}</v>" if v == v else ">" for v in column.tolist()]
    return [f"><v>{v}</v>" if v >= 0 else ">" for v in column.tolist()]


def _rows(first: int, columns: list[list[str]]) -> str:
    """Rows of cells, numbered from `first`."""
    letters = [_letter(k) for k in range(len(columns))]
    cells = "".join(f'<c r="{letter}%(r)d" %%s</c>' for letter in letters)
    rows = []
    for number, values in enumerate(zip(*columns, strict=True), first):
        rows.append((f'<row r="%(r)d">{cells}</row>' % {"r": number}) % values)
    return "".join(rows)


def _letter(position: int) -> str:
    """Column letters: 0 is A, 26 is AA."""
    first, second = divmod(position, 26)
    return (chr(64 + first) if first else "") + chr(65 + second)


def _strings_xml(strings: list[str]) -> str:
    items = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    return f'{_HEAD}<sst xmlns="{_MAIN}" uniqueCount="{len(strings)}">{items}</sst>'


def _frame(sheet: str) -> dict[str, str]:
    """The parts of the package that do not depend on the table."""
    kinds = (
        ("/xl/workbook.xml", "sheet.main"),
        ("/xl/worksheets/sheet1.xml", "worksheet"),
        ("/xl/sharedStrings.xml", "sharedStrings"),
    )
    overrides = "".join(
        f'<Override PartName="{part}" ContentType="{_TYPE}.{kind}+xml"/>' for part, kind in kinds
    )
    return {
        "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f"{overrides}</Types>",
        "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        f'<sheet name="{escape(sheet)}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>'
        "</Relationships>",
    }


def _info(name: str) -> zipfile.ZipInfo:
    """An entry without the time of writing, so that equal tables give equal files."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _put(package: zipfile.ZipFile, name: str, content: str) -> None:
    package.writestr(_info(name), content.encode())
