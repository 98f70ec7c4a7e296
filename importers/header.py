"""Column names of a table as a person wrote them, made usable: trimmed, each there and each once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from importers.errors import BadTable
from importers.source import Note

_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def column_names(titles: Sequence[str], file: str) -> tuple[list[str], tuple[Note, ...]]:
    """The names of a table's columns from its header row.

    White space at the ends and line breaks inside go; a column without a title is called by its number.
    Raises `BadTable` if two columns have one name, or if the row holds numbers and so is no header.
    """
    names = [" ".join(unicodedata.normalize("NFC", title).replace("\0", "").split()) for title in titles]
    filled = [name for name in names if name]
    if not filled:
        raise BadTable(
            file,
            "第一行是空的，应为列名",
            "the first row is blank; column names are expected",
            found="a blank row",
            expected="column names",
        )
    if sum(1 for name in filled if _NUMBER.fullmatch(name)) > len(filled) / 2:
        raise BadTable(
            file,
            f"第一行像数据而不是列名（{'、'.join(filled[:4])}），请补上列名",
            f"the first row looks like data, not like column names ({', '.join(filled[:4])}); add a header",
            found=", ".join(filled[:6]),
            expected="column names",
        )
    folded = [name.casefold() for name in filled]
    twice = next((name for name, fold in zip(filled, folded, strict=True) if folded.count(fold) > 1), None)
    if twice is not None:
        raise BadTable(
            file,
            f"列名“{twice}”出现了两次，请改名后再导入",
            f"the column {twice!r} is there twice; rename one",
            found=twice,
            expected="each column name once",
        )
    nameless = [i for i, name in enumerate(names) if not name]
    for i in nameless:
        names[i] = f"column_{i + 1}"
    if not nameless:
        return names, ()
    listed = ", ".join(str(i + 1) for i in nameless[:10])
    return names, (
        Note(
            "header.nameless",
            f"第 {listed} 列没有列名，按序号命名",
            f"columns {listed} have no name and are called by their number",
            len(nameless),
        ),
    )
