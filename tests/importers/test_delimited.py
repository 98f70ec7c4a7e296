"""Tables as text: encodings, delimiters, headers, rows that do not fit."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from importers.errors import BadEncoding, BadTable, EmptyFile, NotWhatItSays, Truncated, Unreadable
from importers.opening import opened
from importers.options import ImportOptions
from tests.importers.specimens import column, source, text, whole

TABLE = (
    "部件标识码,部件名称,经度,纬度\n"
    "3415020101000001,上水井盖,116.5,31.74\n"
    "3415020101000002,路灯,116.51,31.75\n"
)


@pytest.mark.parametrize(
    ("encoding", "value"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("gbk", "gb18030"),
        ("gb18030", "gb18030"),
        ("utf-16", "utf-16"),
    ],
)
def test_chinese_tables_are_read_in_the_encoding_their_bytes_show(
    tmp_path: Path, encoding: str, value: str
) -> None:
    found = source(text(tmp_path, "部件.csv", TABLE, encoding))
    assert found.encoding is not None
    assert found.encoding.value == value
    assert found.schema.names == ["部件标识码", "部件名称", "经度", "纬度"]
    assert column(found, "部件名称") == ["上水井盖", "路灯"]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_the_one_the_header_uses(tmp_path: Path, delimiter: str) -> None:
    found = source(text(tmp_path, "t.csv", TABLE.replace(",", delimiter)))
    assert len(found.schema.names) == 4


def test_rows_in_two_encodings_are_refused_with_their_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_bytes("code,name\n1,六安市金安区\n".encode() + "2,中市街道办事处\n".encode("gbk"))
    with pytest.raises(BadEncoding) as refused:
        source(path)
    assert refused.value.facts["rows"] == {"utf-8": [2], "other": [3]}


def test_a_row_with_too_few_or_too_many_columns_is_trouble_by_its_number(tmp_path: Path) -> None:
    found = source(text(tmp_path, "t.csv", "a,b\n1,2\n3\n4,5\n6,7,8\n9,10\n"))
    chunk = whole(found)
    assert chunk.rows.tolist() == [2, 4, 6]
    assert [(t.rule, t.row) for t in chunk.troubles] == [("row.columns", 3), ("row.columns", 5)]


def test_numbers_stay_right_over_many_chunks_with_bad_and_blank_rows(tmp_path: Path) -> None:
    lines = ["n,name"]
    for number in range(2, 6000):
        blank, short = number % 977 == 0, number % 701 == 0
        lines.append("" if blank else f"{number}" if short else f"{number},名称{number}")
    found = source(text(tmp_path, "t.csv", "\n".join(lines) + "\n", "gbk"))
    chunks = list(found.read(100))
    assert len(chunks) > 1
    for chunk in chunks:
        if len(chunk):
            assert chunk.columns["n"].to_pylist() == [str(n) for n in chunk.rows.tolist()]
    assert sum(len(chunk.troubles) for chunk in chunks) == len(range(701, 6000, 701))
    blank = sum(note.times for chunk in chunks for note in chunk.mended)
    assert blank == len(range(977, 6000, 977))


def test_quoted_cells_may_hold_delimiters_and_line_ends(tmp_path: Path) -> None:
    found = source(text(tmp_path, "t.csv", 'a,b\n1,"甲,乙\n丙"\n2,"say ""no"""\n'))
    assert column(found, "b") == ["甲,乙\n丙", 'say "no"']


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("code,name,code\n1,a,2\n", "there twice"),
        ("1,2,3\n4,5,6\n", "looks like data"),
        ("just one column\nx\n", "one column"),
        (",,\n1,2,3\n", "blank"),
    ],
)
def test_a_header_that_is_none_is_refused_with_what_is_wrong(
    tmp_path: Path, content: str, sentence: str
) -> None:
    with pytest.raises(BadTable, match=sentence):
        source(text(tmp_path, "t.csv", content))


def test_a_column_without_a_name_is_called_by_its_number(tmp_path: Path) -> None:
    found = source(text(tmp_path, "t.csv", "a,,c\n1,2,3\n"))
    assert found.schema.names == ["a", "column_2", "c"]
    assert [note.rule for note in found.notes] == ["header.nameless"]


@pytest.mark.parametrize("rest", [3, 1_000, 100_000])
def test_a_quote_left_open_is_said_and_not_swallowed(tmp_path: Path, rest: int) -> None:
    found = source(text(tmp_path, "t.csv", 'a,b\n1,"open\n2,x\n' + "3,y\n" * rest))
    with pytest.raises(Unreadable, match="quote"):
        list(found.read(1000))


def test_an_inch_mark_is_no_open_quote(tmp_path: Path) -> None:
    assert column(source(text(tmp_path, "t.csv", 'a,b\n1,5" pipe\n2,x\n')), "b") == ['5" pipe', "x"]


def test_a_gzipped_table_is_read_and_a_cut_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "部件.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode("gbk")))
    with opened([path], ImportOptions()) as (found,):
        assert column(found, "部件名称") == ["上水井盖", "路灯"]
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(Truncated), opened([path], ImportOptions()):
        pass


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"", EmptyFile), (b"<!DOCTYPE html><html><body>login</body></html>", NotWhatItSays)],
)
def test_an_empty_file_and_a_web_page_are_told_from_a_table(
    tmp_path: Path, content: bytes, fault: type[Exception]
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(fault):
        source(path)
