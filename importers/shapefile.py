"""What a Shapefile's own bytes say: its parts, its length, its text encoding, its reference system.

ESRI Shapefile Technical Description (July 1998) for the 100-byte header; dBASE III for the .dbf header.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from importers.encoding import find_encoding, is_valid, known_encoding
from importers.errors import BadEncoding, EmptyFile, MissingPart, NotWhatItSays, Truncated
from importers.source import Found, Note

_SHP_MAGIC = 9994
_HEADER = 100
_RECORD_HEAD = 8
_LANGUAGE_DRIVERS = {0x4D: "gb18030", 0x7A: "gb18030", 0x4F: "big5", 0x78: "big5"}
"""dBASE language driver ids that name a Chinese code page (936 and 950; byte 29 of the header)."""
_BLOCK = 4 * 1024 * 1024
_OTHER_KINDS = {
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"PK\3\4": "ZIP",
    b"%PDF": "PDF", b"SQLi": "SQLite", b"AC10": "DWG",
}  # fmt: skip


class Parts(NamedTuple):
    """The files of one Shapefile, whatever the case of their suffixes; those that may be missing are None."""

    shp: Path
    shx: Path
    dbf: Path
    prj: Path | None
    cpg: Path | None


class DbfHeader(NamedTuple):
    records: int
    header_bytes: int
    record_bytes: int
    language_driver: int
    names: bytes
    """The field descriptors, from which the column names are read."""


def parts(shp: Path, file: str) -> Parts:
    """The files that belong to `shp`; raises `MissingPart` without .shx or .dbf.

    A .shp that is something else raises `NotWhatItSays` first: its parts would be looked for in vain.
    """
    _check_kind(shp, _head(shp, 4, file), file)
    siblings = {
        sibling.suffix.lower(): sibling
        for sibling in sorted(shp.parent.iterdir())
        if sibling.stem.lower() == shp.stem.lower()
    }
    siblings[".shp"] = shp
    for suffix, zh, en in (
        (".dbf", "属性表", "the attribute table"),
        (".shx", "索引文件", "the index of the geometries"),
    ):
        if suffix not in siblings:
            raise MissingPart(
                file,
                f"缺少同名的 {suffix} 文件（{zh}），请把 .shp、.shx、.dbf 一起提供",
                f"the {suffix} file of the same name ({en}) is missing; bring .shp, .shx and .dbf together",
                found="、".join(sorted(s for s in siblings if s in (".shp", ".shx", ".dbf", ".prj", ".cpg"))),
                expected=f"{shp.stem}{suffix}",
            )
    return Parts(shp, siblings[".shx"], siblings[".dbf"], siblings.get(".prj"), siblings.get(".cpg"))


def check_whole(files: Parts, file: str) -> DbfHeader:
    """The .dbf's header, once .shp, .shx and .dbf are as long as their headers say and agree with each other.

    Raises `EmptyFile`, `NotWhatItSays` or `Truncated`, naming the part.
    """
    for part in (files.shp, files.shx):
        head = _head(part, _HEADER, file)
        _check_kind(part, head, file)
        _check_length(part, struct.unpack(">i", head[24:28])[0] * 2, file)
    dbf = read_dbf_header(files.dbf, file)
    _check_length(files.dbf, dbf.header_bytes + dbf.records * dbf.record_bytes, file)
    shapes = (struct.unpack(">i", _head(files.shx, _HEADER, file)[24:28])[0] * 2 - _HEADER) // 8
    if shapes != dbf.records:
        raise Truncated(
            file,
            f"图形 {shapes} 个而属性 {dbf.records} 行，.shp 与 .dbf 不是一套",
            f"{shapes} shapes but {dbf.records} rows of attributes: .shp and .dbf do not belong together",
            found=f"{shapes} shapes, {dbf.records} rows",
            expected="the same number of both",
        )
    _check_index(files, shapes, file)
    return dbf


def _check_kind(part: Path, head: bytes, file: str) -> None:
    if struct.unpack(">i", head[:4])[0] == _SHP_MAGIC:
        return
    other = next((name for magic, name in _OTHER_KINDS.items() if head.startswith(magic)), None)
    raise NotWhatItSays(
        file,
        f"{part.name} 不是 Shapefile（文件头不符{f'，像是 {other}' if other else ''}）",
        f"{part.name} is not part of a Shapefile (wrong file code{f', like {other}' if other else ''})",
        found=other or head[:4].hex(),
        expected="0000270a",
    )


def _check_index(files: Parts, shapes: int, file: str) -> None:
    """Raises `Truncated` if the .shx points behind the end of the .shp."""
    entries = np.fromfile(files.shx, ">i4", 2 * shapes, offset=_HEADER).reshape(-1, 2).astype(np.int64) * 2
    size = files.shp.stat().st_size
    is_blank = ~entries.any(axis=1)  # a shape that is not there
    inside = (entries[:, 0] >= _HEADER) & (entries.sum(axis=1) + _RECORD_HEAD <= size)
    beyond = np.flatnonzero(~(inside | is_blank))
    if not len(beyond):
        return
    row, (at, length) = int(beyond[0]) + 1, entries[beyond[0]]
    raise Truncated(
        file,
        f"{files.shx.name} 的第 {row} 个图形指向 {files.shp.name} 之外"
        f"（{at} + {length} 字节，共 {size} 字节），两者不是一套",
        f"shape {row} of {files.shx.name} points outside {files.shp.name} ({at} + {length} bytes of {size}):"
        " they do not belong together",
        found=f"{at} + {length} bytes",
        expected=f"within {size} bytes",
        row=row,
    )


def deleted_rows(dbf: Path, header: DbfHeader) -> int:
    """How many rows are marked as deleted (`*`): readers pass over them."""
    marks = np.memmap(dbf, np.uint8, "r", header.header_bytes, (header.records, header.record_bytes))[:, 0]
    return int(np.count_nonzero(marks == ord("*")))


def read_dbf_header(dbf: Path, file: str) -> DbfHeader:
    """The header of a dBASE file; raises `EmptyFile` or `Truncated`."""
    head = _head(dbf, 32, file)
    records, header_bytes, record_bytes = struct.unpack("<IHH", head[4:12])
    if header_bytes < 33 or record_bytes < 1:
        raise NotWhatItSays(
            file,
            f"{dbf.name} 不是 dBASE 表（文件头不符）",
            f"{dbf.name} is not a dBASE table (wrong header)",
            found=head[:12].hex(),
            expected="a dBASE III header",
        )
    with dbf.open("rb") as content:
        content.seek(32)
        names = content.read(header_bytes - 32)
    return DbfHeader(records, header_bytes, record_bytes, head[29], names)


def dbf_encoding(files: Parts, header: DbfHeader, file: str) -> tuple[Found, tuple[Note, ...]]:
    """The encoding of the attribute table, with what was noticed on the way.

    A .cpg is believed if the bytes agree with it. Otherwise the bytes decide; the language driver id only
    settles what the bytes leave open. Raises `BadEncoding` when rows disagree.
    """
    said, declared = _cpg_encoding(files.cpg)
    if declared is not None and is_valid(declared, text_blocks(files.dbf, header)):
        return Found(declared, f".cpg 文件声明为 {declared}", f"the .cpg file says {declared}"), ()
    try:
        found = find_encoding(
            file, lambda: text_blocks(files.dbf, header), lambda: _records(files.dbf, header)
        )
    except BadEncoding:
        by_driver = _LANGUAGE_DRIVERS.get(header.language_driver)
        if by_driver is None or not is_valid(by_driver, text_blocks(files.dbf, header)):
            raise
        found = Found(
            by_driver,
            f"dBASE 语言标志 0x{header.language_driver:02X}",
            f"dBASE language driver 0x{header.language_driver:02X}",
        )
    if said and declared is None:
        zh, en = f".cpg 写的“{said}”不是已知编码", f"the .cpg says {said!r}, which is no encoding"
        note = Note(
            "encoding_not_as_declared", f"{zh}，按字节判断为 {found.value}", f"{en}; read as {found.value}"
        )
        return found, (note,)
    if declared in (None, found.value):
        return found, ()
    return found, (
        Note(
            "encoding_not_as_declared",
            f".cpg 声明 {declared}，但字节不符，改按 {found.value} 读取",
            f"the .cpg says {declared}, but the bytes do not fit; read as {found.value}",
        ),
    )


def _cpg_encoding(cpg: Path | None) -> tuple[str, str | None]:
    """What the .cpg says, and the encoding that is."""
    if cpg is None:
        return "", None
    said = cpg.read_bytes()[:64].decode("ascii", errors="ignore").strip()
    return said, known_encoding(said)


def text_blocks(dbf: Path, header: DbfHeader) -> Iterator[bytes]:
    """The names, then the rows, whole rows to a block so that no character is cut."""
    yield header.names.replace(b"\0", b" ")
    rows = max(1, _BLOCK // header.record_bytes)
    with dbf.open("rb") as content:
        content.seek(header.header_bytes)
        left = header.records
        while left > 0:
            block = content.read(min(rows, left) * header.record_bytes)
            if not block:
                return
            left -= rows
            yield block


def _records(dbf: Path, header: DbfHeader) -> Iterator[tuple[int, bytes]]:
    number = 0
    blocks = text_blocks(dbf, header)
    yield 0, next(blocks)
    for block in blocks:
        for start in range(0, len(block), header.record_bytes):
            number += 1
            yield number, block[start : start + header.record_bytes]


def _head(part: Path, count: int, file: str) -> bytes:
    with part.open("rb") as content:
        head = content.read(count)
    if not head:
        raise EmptyFile(
            file, f"{part.name} 是空文件", f"{part.name} is empty", found="0 bytes", expected="a Shapefile"
        )
    if len(head) < count:
        raise Truncated(
            file,
            f"{part.name} 只有 {len(head)} 字节，连文件头都不全",
            f"{part.name} has {len(head)} bytes, less than its header",
            found=f"{len(head)} bytes",
            expected=f"at least {count} bytes",
        )
    return head


def _check_length(part: Path, expected: int, file: str) -> None:
    size = part.stat().st_size
    if size < expected:
        raise Truncated(
            file,
            f"{part.name} 不完整：文件头写明 {expected} 字节，实际 {size} 字节",
            f"{part.name} is cut short: its header says {expected} bytes and it has {size}",
            found=f"{size} bytes",
            expected=f"{expected} bytes",
        )
