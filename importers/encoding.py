"""Which encoding a text is in, told from its bytes.

UTF-8 proves itself: text with non-ASCII bytes that decodes strictly is UTF-8. What does not is judged by
records (lines, dBASE rows): GB18030 (the superset of GBK and GB2312) if they decode and most double bytes
lie in GB2312's area, else Windows-1252 if the high bytes stand alone among ASCII as accents do. Records of
both kinds in one file are refused: whichever were chosen, some names would come out wrong.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from importers.errors import BadEncoding
from importers.source import Found

SAMPLE = 20_000
"""Records with non-ASCII bytes that are judged one by one."""
COMMON_SHARE = 0.6
"""Share of double-byte characters that lie in GB2312 (both bytes A1…FE) in ordinary Chinese text; the rest
are GBK's rare characters. Accented Latin text read as GBK has almost none."""

CUT_SHARE = 0.02
"""Share of characters that fields of fixed length may have cut."""

Blocks = Callable[[], Iterator[bytes]]
Records = Callable[[], Iterable[tuple[int, bytes]]]
"""Numbered records as a person counts them."""

_HIGH = re.compile(rb"[\x80-\xff]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_DOUBLE = re.compile(rb"[\x81-\xfe][\x40-\xfe]")
_COMMON = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")


class _Votes(NamedTuple):
    """Record numbers by what they can only be."""

    utf8: list[int]
    other: list[int]
    other_bytes: bytes


def find_encoding(file: str, blocks: Blocks, records: Records) -> Found:
    """The encoding of a text given as `blocks` (all bytes, in order) and as `records`.

    Raises `BadEncoding` where records disagree or nothing fits.
    """
    state = _as_utf8(blocks())
    if state == "ascii":
        return Found("utf-8", "全部为 ASCII 字符", "all of it is ASCII")
    if state == "utf-8":
        return Found("utf-8", "全部字节符合 UTF-8", "all bytes are valid UTF-8")
    votes = _vote(records())
    if votes.utf8 and votes.other:
        raise _mixed(file, votes)
    return _legacy(file, votes)


def with_byte_order_mark(head: bytes) -> Found | None:
    """The encoding that a byte order mark at the start of `head` states."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return Found(name, "文件开头有字节顺序标记（BOM）", "the file begins with a byte order mark")
    return None


def known_encoding(name: str) -> str | None:
    """Python's name for an encoding as people and .cpg files write it (`936`, `ANSI 936`, `UTF8`), or None.

    GB2312 and GBK are read as GB18030, which holds both.
    """
    text = name.strip().lower().removeprefix("ansi").removeprefix("oem").strip(" _-")
    if text in {"936", "cp936", "gbk", "gb2312", "gb18030", "ms936", "windows-936", "54936"}:
        return "gb18030"
    if text.isdigit() and text != "65001":
        text = f"cp{text}"
    elif text == "65001":
        text = "utf-8"
    text = re.sub(r"^iso[-_ ]?8859[-_ ]?(\d+)$", r"iso8859-\1", text.replace("88591", "8859-1"))
    try:
        return codecs.lookup(text).name
    except LookupError:
        return None


def said_encoding(name: str, file: str) -> Found:
    """The encoding that the importer says `file` is in; raises `BadEncoding` for a name nobody knows."""
    encoding = known_encoding(name)
    if encoding is None:
        raise BadEncoding(
            file,
            f"没有名为“{name}”的编码",
            f"there is no encoding {name!r}",
            found=name,
            expected="gbk, utf-8, …",
        )
    return Found(encoding, "由导入者指定", "said by the importer")


def is_valid(encoding: str, blocks: Iterable[bytes]) -> bool:
    """True if all the bytes decode strictly."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in blocks:
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _as_utf8(blocks: Iterable[bytes]) -> str:
    """`ascii`, `utf-8` or `other`."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_ascii = True
    try:
        for block in blocks:
            is_ascii = is_ascii and block.isascii()
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "other"
    return "ascii" if is_ascii else "utf-8"


def _vote(records: Iterable[tuple[int, bytes]]) -> _Votes:
    votes = _Votes([], [], b"")
    kept: list[bytes] = []
    for number, record in records:
        if not _HIGH.search(record):
            continue
        text = record.decode("utf-8", errors="replace")
        broken, han = text.count("\ufffd"), len(_HAN.findall(text))
        # one GBK name can be valid UTF-8 by accident, two Chinese characters in a row hardly can;
        # and a field of fixed length may cut a UTF-8 character at its end
        if han >= 2 and han >= 3 * broken:
            votes.utf8.append(number)
        elif broken:
            votes.other.append(number)
            kept.append(record)
        if len(votes.utf8) + len(votes.other) >= SAMPLE:
            break
    return votes._replace(other_bytes=b"\n".join(kept))


def _legacy(file: str, votes: _Votes) -> Found:
    if votes.utf8:
        return Found(
            "utf-8",
            "除个别在字段末尾被截断的字符外，全部字节符合 UTF-8",
            "all bytes are valid UTF-8 but for characters cut at the end of a field",
        )
    double = _DOUBLE.findall(votes.other_bytes)
    common = sum(1 for pair in double if _COMMON.fullmatch(pair))
    share = common / len(double) if double else 0.0
    if share >= COMMON_SHARE and _broken_share(votes.other_bytes) < CUT_SHARE:
        return Found(
            "gb18030",
            f"不是 UTF-8；双字节字符的 {share:.0%} 落在 GB2312 区内",
            f"not UTF-8; {share:.0%} of the double-byte characters lie in GB2312's area",
        )
    if share < 1 - COMMON_SHARE and is_valid("cp1252", [votes.other_bytes]):
        return Found(
            "cp1252",
            "不是 UTF-8，也不像中文；高位字节单个出现，按西欧字符（Windows-1252）读取",
            "not UTF-8 and not Chinese: high bytes stand alone, read as Western (Windows-1252)",
        )
    row = votes.other[0] if votes.other else 1
    raise BadEncoding(
        file,
        f"无法判断文字编码（例如第 {row} 行），请用 encoding 指定",
        f"the text's encoding cannot be told (row {row}); say it by `encoding`",
        found="neither UTF-8, GB18030 nor Windows-1252",
        expected="one encoding, or the option encoding",
        row=row,
    )


def _broken_share(raw: bytes) -> float:
    """Share of the non-ASCII characters that are no GB18030."""
    text = raw.decode("gb18030", errors="replace")
    high = len(text) - len(text.encode("ascii", errors="ignore"))
    return text.count("\ufffd") / high if high else 0.0


def _mixed(file: str, votes: _Votes) -> BadEncoding:
    utf8, other = votes.utf8, votes.other
    return BadEncoding(
        file,
        f"文字混用了编码：第 {utf8[0]} 行是 UTF-8，第 {other[0]} 行不是"
        f"（共 {len(utf8)} 行与 {len(other)} 行）；请统一后再导入，或用 encoding 指定",
        f"encodings are mixed: row {utf8[0]} is UTF-8, row {other[0]} is not"
        f" ({len(utf8)} and {len(other)} rows); make them one, or say which by `encoding`",
        found=f"{len(utf8)} records in UTF-8, {len(other)} in another encoding",
        expected="one encoding",
        rows={"utf-8": utf8[:20], "other": other[:20]},
    )
