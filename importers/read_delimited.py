"""Delimited text (.csv, .tsv, .txt, also packed by gzip): every column read as text, in a stream.

Types are the business of matching; here only encoding, delimiter, header and the shape of rows.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from importers.arrow import plain
from importers.encoding import find_encoding, said_encoding, with_byte_order_mark
from importers.errors import BadEncoding, BadTable, EmptyFile, Unreadable
from importers.header import column_names, header_again
from importers.masks import mask_of, nulls
from importers.options import ImportOptions
from importers.source import Chunk, Found, Note, Source, Trouble

DELIMITERS = (",", "\t", ";", "|", "，")
MOST_LINES = 200
"""Line ends in one cell; more are not an address or a note but the rest of the file."""
_BYTES_PER_ROW = 256
"""A guess that turns rows per chunk into the block size the reader wants."""
_BLOCK = 4 * 1024 * 1024
_HEAD = 256 * 1024


class _Shape(NamedTuple):
    """How the text is cut into cells; `titles` are the header's cells as written."""

    encoding: str
    delimiter: str
    names: list[str]
    titles: list[str]


def delimited_source(path: Path, file: str, options: ImportOptions) -> Source:
    """The one table of a delimited text file; raises a `BadFile` that names what is wrong with it."""
    if path.stat().st_size == 0:
        raise EmptyFile(file, "是空文件", "the file is empty", found="0 bytes", expected="a table")
    found = _encoding(path, file, options)
    head = _head(path, found.value)
    delimiter = _delimiter(head)
    titles = next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
    if len(titles) < 2:
        raise BadTable(
            file,
            "第一行只有一列，看不出是表格（分隔符应为逗号、制表符、分号或竖线）",
            "the first row has one column only; a table with comma, tab, semicolon or bar is expected",
            found=head.splitlines()[0][:80] if head.strip() else "a blank line",
            expected="two columns or more",
        )
    names, notes = column_names(titles, file)
    shape = _Shape(found.value, delimiter, names, titles)
    return Source(
        path=path,
        file=file,
        name=path.name.split(".")[0],
        format="CSV",
        schema=pa.schema([(name, pa.string()) for name in names]),
        read=partial(_read, path, file, shape),
        encoding=found,
        row_word="line",
        notes=notes,
    )


def _encoding(path: Path, file: str, options: ImportOptions) -> Found:
    with path.open("rb") as content:
        marked = with_byte_order_mark(content.read(4))
    if options.encoding is not None:
        return said_encoding(options.encoding, file)
    if marked is None:
        _refuse_unmarked_utf16(path, file)
    return marked or find_encoding(file, lambda: _blocks(path), lambda: _lines(path))


def _refuse_unmarked_utf16(path: Path, file: str) -> None:
    """Raises `BadEncoding` for text of two bytes a character that does not say so: many bytes are 0."""
    with path.open("rb") as content:
        head = content.read(4096)
    if len(head) < 8 or max(head[0::2].count(0), head[1::2].count(0)) * 4 < len(head):
        return
    raise BadEncoding(
        file,
        "文字像是没有字节顺序标记的 UTF-16；请另存为 UTF-8 后再导入",
        "its text looks like UTF-16 without a byte order mark; save it as UTF-8",
        found="a zero in every second byte",
        expected="UTF-8, GBK, or UTF-16 with its mark",
    )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as content:
        while block := content.read(_BLOCK):
            yield block


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as content:
        yield from enumerate(content, start=1)


def _head(path: Path, encoding: str) -> str:
    with path.open("rb") as content:
        text = content.read(_HEAD).decode(encoding, errors="replace")
    # of the mark in front only one is meant; another is a fault, which `column_names` tells
    return (text if encoding == "utf-8-sig" else text.removeprefix("\ufeff")).replace("\0", "")


def _delimiter(head: str) -> str:
    """The delimiter that occurs most in the first line, outside quotes; a comma if none does."""
    first = head.split("\n", 1)[0]
    outside = "".join(first.split('"')[::2])
    best = max(DELIMITERS, key=outside.count)
    return best if outside.count(best) else ","


def _read(path: Path, file: str, shape: _Shape, rows: int) -> Iterator[Chunk]:
    """The records in chunks of about `rows`. Numbers count records, the header being the first."""
    skipped: list[Trouble] = []
    unclosed: list[int] = []

    def skip(row: Any) -> str:
        expected, actual = int(row.expected_columns), int(row.actual_columns)
        if not (row.text or "").strip():
            skipped.append(Trouble(int(row.number), "row.blank", "", ""))
        else:
            if (row.text or "").count('"') % 2:
                unclosed.append(int(row.number))
            skipped.append(
                Trouble(
                    int(row.number),
                    "row.columns",
                    f"有 {actual} 列，列名有 {expected} 个",
                    f"{actual} columns where the header has {expected}",
                )
            )
        return "skip"

    with path.open("rb") as raw:
        try:
            reader = _opened(raw, shape, rows, skip)
            following = 2
            while (batch := next(reader, None)) is not None:
                if unclosed:
                    raise _open_quote(file, unclosed[0])
                numbers = _numbers(following, batch.num_rows, skipped)
                if batch.num_rows:
                    following = int(numbers[-1]) + 1
                _check_quotes(batch, numbers, path, file)
                before = [t for t in skipped if t.row < following]
                skipped[:] = [t for t in skipped if t.row >= following]
                yield _chunk(batch, shape, numbers, before)
            if unclosed:
                raise _open_quote(file, unclosed[0])
            if skipped:
                yield Chunk(np.empty(0, np.int64), {}, None, tuple(skipped))
        except (pa.ArrowException, UnicodeDecodeError) as error:
            cause = " ".join(str(error).split())[:200]
            raise Unreadable(
                file,
                f"表格无法读取，可能有未闭合的引号（{cause}）",
                f"the table cannot be read; a quote may be left open ({cause})",
                found=cause,
                expected="a delimited table",
            ) from error


def _check_quotes(batch: pa.RecordBatch, numbers: NDArray[np.int64], path: Path, file: str) -> None:
    """Raises `Unreadable` for a cell that swallowed the lines after it because its quote is left open."""
    for array in batch.columns:
        several = pc.fill_null(pc.match_substring(array, "\n"), False)
        if not pc.any(several).as_py():
            continue
        lines = pc.count_substring(array.filter(several), "\n")
        odd = sum(block.count(b'"') for block in _blocks(path)) % 2 == 1
        if odd or pc.max(lines).as_py() > MOST_LINES:
            row = int(numbers[several.to_numpy(zero_copy_only=False)][-1])
            raise _open_quote(file, row)


def _open_quote(file: str, row: int) -> Unreadable:
    return Unreadable(
        file,
        f"第 {row} 行有引号没有闭合，后面的行被并入了一个单元格",
        f"row {row}: a quote is left open and the lines after it run into one cell",
        found="an open quote",
        expected="a closing quote",
        row=row,
    )


def _numbers(first: int, count: int, skipped: list[Trouble]) -> NDArray[np.int64]:
    """The numbers of the next `count` records; the reader may be ahead, so `skipped` reaches further."""
    numbers = np.arange(first, first + count + len(skipped), dtype=np.int64)
    return numbers[~np.isin(numbers, [t.row for t in skipped])][:count]


def _opened(raw: io.BufferedReader, shape: _Shape, rows: int, skip: Any) -> Any:
    content: Any = raw
    if shape.encoding not in ("utf-8", "utf-8-sig"):
        content = codecs.EncodedFile(raw, "utf-8", shape.encoding, errors="replace")
    return pyarrow.csv.open_csv(
        content,
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False,  # only so are rows numbered
            block_size=max(rows * _BYTES_PER_ROW, 64 * 1024),
            column_names=shape.names,
            skip_rows_after_names=1,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=shape.delimiter,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=skip,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in shape.names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            check_utf8=False,
        ),
    )


def _chunk(batch: pa.RecordBatch, shape: _Shape, numbers: NDArray[np.int64], skipped: list[Trouble]) -> Chunk:
    """The rows of a batch that are data: blank ones, and the header standing there again, are passed over."""
    # bytes that are no UTF-8, where somebody says that the file is UTF-8, are told like any unreadable text
    columns = dict(zip(shape.names, map(plain, batch.columns), strict=True))
    blank, again = np.ones(batch.num_rows, dtype=bool), np.ones(batch.num_rows, dtype=bool)
    for array, title in zip(columns.values(), shape.titles, strict=True):
        if blank.any():
            blank &= nulls(array)
        if again.any():
            again &= mask_of(pc.equal(array, title)) if title else nulls(array)
    keep = ~(blank | again)
    if not keep.all():
        columns = {name: array.filter(pa.array(keep)) for name, array in columns.items()}
    empty = int(blank.sum()) + sum(1 for t in skipped if t.rule == "row.blank")
    mended = []
    if empty:
        mended.append(Note("row.blank", "空行已略过", "blank rows were passed over", empty))
    if again.any():
        mended.append(header_again(int(numbers[again][0]), int(again.sum())))
    troubles = tuple(t for t in skipped if t.rule != "row.blank")
    return Chunk(numbers[keep], columns, None, troubles, tuple(mended))
