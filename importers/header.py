"""Column names of a table as a person wrote them, made usable: trimmed, each there and each once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from importers.errors import BadTable
from importers.source import Note
from layers.description import MAX_FIELDS

MAX_NAME = 400
"""Characters of a column's name; what is longer is a paragraph, not a name."""
_HIDDEN = frozenset(("Cc", "Cf"))
"""Unicode's categories of control and format characters: nothing of them is seen, some turn text round."""
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def column_names(titles: Sequence[str], file: str) -> tuple[list[str], tuple[Note, ...]]:
    """The names of a table's columns from its header row.

    White space at the ends, line breaks and what cannot be seen go; a column without a title is called by
    its number. Raises `BadTable` if two columns have one name, if there are too many or one is too long, or
    if the row holds numbers and so is no header.
    """
    check_names(titles, file)
    written = [" ".join(unicodedata.normalize("NFC", title).replace("\0", "").split()) for title in titles]
    names = [visible(name) for name in written]
    notes = _cleaned(titles, written, names)
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
        return names, notes
    listed = ", ".join(str(i + 1) for i in nameless[:10])
    return names, (
        *notes,
        Note(
            "header.nameless",
            f"第 {listed} 列没有列名，按序号命名",
            f"columns {listed} have no name and are called by their number",
            len(nameless),
        ),
    )


def header_again(first: int, times: int) -> Note:
    """The note of rows that repeat the header, as files put together have them; `first` is one of them."""
    return Note(
        "row.header",
        f"数据中间重复的表头已略过（第 {first} 行）",
        f"the header standing among the data again was passed over (row {first})",
        times,
    )


def visible(name: str) -> str:
    """`name` without the characters that cannot be seen."""
    return "".join(c for c in name if unicodedata.category(c) not in _HIDDEN)


def unseen_characters(names: Sequence[str]) -> Note:
    """The note of names, shown without them, that held characters that cannot be seen."""
    return Note(
        "header.control",
        f"列名中看不见的控制字符已去掉：{'、'.join(names[:10])}",
        f"characters that cannot be seen were taken out of column names: {', '.join(names[:10])}",
        len(names),
    )


def check_names(titles: Sequence[str], file: str) -> None:
    """Raises `BadTable` for more columns than a layer has fields, or a name as long as a paragraph."""
    if len(titles) > MAX_FIELDS:
        raise BadTable(
            file,
            f"有 {len(titles)} 列，最多 {MAX_FIELDS} 列；请只保留需要的列",
            f"it has {len(titles)} columns and {MAX_FIELDS} at most can be read; leave out the others",
            found=f"{len(titles)} columns",
            expected=f"at most {MAX_FIELDS}",
        )
    long = next((i for i, title in enumerate(titles) if len(title) > MAX_NAME), None)
    if long is not None:
        size, shown = len(titles[long]), titles[long][:20]
        raise BadTable(
            file,
            f"第 {long + 1} 列的列名有 {size} 个字符（“{shown}…”），最多 {MAX_NAME} 个",
            f"the name of column {long + 1} has {size} characters ({shown!r}…); {MAX_NAME} at most",
            found=f"{size} characters",
            expected=f"at most {MAX_NAME}",
        )


def _cleaned(titles: Sequence[str], written: Sequence[str], names: Sequence[str]) -> tuple[Note, ...]:
    """What was taken out of the names."""
    notes = []
    if titles and titles[0].startswith("\ufeff"):
        notes.append(
            Note(
                "header.mark", "第一个列名前多余的字节顺序标记已去掉", "a second byte order mark was dropped"
            )
        )
    hidden = [
        n
        for i, (w, n) in enumerate(zip(written, names, strict=True))
        if n != (w.removeprefix("\ufeff") if i == 0 else w)
    ]
    if hidden:
        notes.append(unseen_characters(hidden))
    return tuple(notes)
