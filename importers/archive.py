"""What is in a packed file, unpacked where it can do no harm.

A .zip or .gz is unpacked into a temporary folder that is removed at the end. Nothing is trusted: member
names that lead outside refuse the whole archive, sizes are counted while writing, and text in member
names that are not marked UTF-8 is read as GBK where it is (Windows tools in China write it so).
"""

from __future__ import annotations

import errno
import gzip
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from importers.errors import EmptyFile, Locked, NotWhatItSays, Truncated, UnsafeArchive

MAX_MEMBERS = 10_000
MAX_UNPACKED = 16 * 1024**3
"""Bytes one archive may unpack to: several times the largest layer of a city of ten million."""
MAX_RATIO = 400
"""Unpacked to packed. The .dbf of a sparse table reaches 100; deflate's limit, which bombs use, is 1032."""
SMALL = 64 * 1024**2
"""Below this no ratio is suspicious."""
BLOCK = 1024 * 1024
PACKED = (".zip", ".gz")
_MAGIC = {".zip": b"PK", ".gz": b"\x1f\x8b"}
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that change the direction of the text behind them (Unicode UAX #9)."""
DAMAGE = (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, IndexError, struct.error, OSError)
"""What `zipfile` raises for a directory that is broken: names that are no UTF-8, versions and methods nobody
knows, offsets before the file (an OSError, see `is_damage`)."""


@contextmanager
def unpacked(path: Path) -> Iterator[list[tuple[Path, str]]]:
    """The files to read, each with the name a person knows it by: `path` itself, or what is packed in it.

    Raises `UnsafeArchive` or `Locked` and writes nothing that stays, `Truncated` when the archive is damaged,
    `NotWhatItSays` when it is none, `EmptyFile` when nothing is in it.
    """
    if path.suffix.lower() not in PACKED:
        yield [(path, path.name)]
        return
    _check_packed(path)
    with tempfile.TemporaryDirectory(prefix="onemap-import-") as folder:
        into = Path(folder)
        if path.suffix.lower() == ".gz":
            target = into / path.name[: -len(".gz")]
            with gzip.open(path) as packed:
                _copy(packed, target, path, path.stat().st_size)
            yield [(target, path.name)]
        else:
            yield [(member, f"{path.name}/{member.relative_to(into)}") for member in _unzip(path, into)]


def _check_packed(path: Path) -> None:
    """Raises `NotWhatItSays` for a file that only is called so."""
    suffix = path.suffix.lower()
    with path.open("rb") as content:
        head = content.read(len(_MAGIC[suffix]))
    if head != _MAGIC[suffix][: len(head)]:
        raise NotWhatItSays(
            path.name,
            f"不是 {suffix} 压缩包（文件头不符），请核对文件",
            f"this is no {suffix} archive, whatever its name says (wrong file code)",
            found=head.hex(),
            expected=_MAGIC[suffix].hex(),
        )


def _unzip(path: Path, into: Path) -> list[Path]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _is_litter(m.filename)]
            names = [_member_name(m, path) for m in members]
            _check(members, path)
            _check_names(members, names, path)
            packed = path.stat().st_size
            written: list[Path] = []
            total = 0
            for member, name in zip(members, names, strict=True):
                target = into / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as content:
                    total += _copy(content, target, path, packed, total)
                written.append(target)
    except DAMAGE as error:
        if not is_damage(error):
            raise
        raise Truncated(
            path.name,
            "压缩包已损坏或不完整，请重新打包后上传",
            "the archive is damaged or cut short; pack it again",
            found=f"{path.stat().st_size} bytes, {_cause(error)}",
            expected="a whole .zip",
        ) from error
    if not written:
        raise EmptyFile(
            path.name, "压缩包里没有文件", "the archive holds no file", found="0 files", expected="data"
        )
    return written


def _check(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuses what the directory alone gives away: locked members, too many, too much."""
    locked = next((m for m in members if m.flag_bits & 0x1), None)
    if locked is not None:
        raise Locked(
            path.name,
            f"压缩包加密了（{locked.filename}），请去掉密码后再导入",
            f"the archive is locked with a password ({locked.filename}); pack it without one",
            found="an encrypted member",
            expected="an archive without a password",
        )
    claimed = sum(m.file_size for m in members)
    if len(members) > MAX_MEMBERS:
        raise UnsafeArchive(
            path.name,
            f"压缩包里有 {len(members)} 个文件，上限为 {MAX_MEMBERS}",
            f"the archive holds {len(members)} files; at most {MAX_MEMBERS} are read",
            found=f"{len(members)} files",
            expected=f"at most {MAX_MEMBERS}",
        )
    _check_size(claimed, path.stat().st_size, path)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if claimed > free:
        raise UnsafeArchive(
            path.name,
            f"解压需要 {claimed} 字节，磁盘只剩 {free} 字节",
            f"unpacking needs {claimed} bytes and the disk has {free} left",
            found=f"{claimed} bytes",
            expected=f"at most {free} bytes",
        )


def _check_names(members: list[zipfile.ZipInfo], names: list[str], path: Path) -> None:
    """Refuses links to elsewhere, and members that would write over each other."""
    link = next((n for m, n in zip(members, names, strict=True) if stat.S_ISLNK(m.external_attr >> 16)), None)
    if link is not None:
        raise UnsafeArchive(
            path.name,
            f"压缩包里的“{link}”是符号链接而不是文件，整包拒绝",
            f"{link!r} in the archive is a symbolic link, not a file; the whole archive is refused",
            found="a symbolic link",
            expected="files",
        )
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise UnsafeArchive(
            path.name,
            f"压缩包里有两个“{twice}”，无法判断哪个算数；请重新打包",
            f"{twice!r} is in the archive more than once and nobody can tell which counts; pack it again",
            found=f"{twice} {names.count(twice)} times",
            expected="each name once",
        )


def _check_size(unpacked_bytes: int, packed_bytes: int, path: Path) -> None:
    too_dense = unpacked_bytes > SMALL and unpacked_bytes > MAX_RATIO * max(packed_bytes, 1)
    if unpacked_bytes > MAX_UNPACKED or too_dense:
        raise UnsafeArchive(
            path.name,
            f"压缩包会展开成 {unpacked_bytes} 字节（压缩前后比超过 {MAX_RATIO} 倍或超过上限），疑似压缩炸弹",
            f"the archive would unpack to {unpacked_bytes} bytes, more than {MAX_RATIO} times its size or the"
            " limit; it looks like a zip bomb",
            found=f"{unpacked_bytes} bytes from {packed_bytes}",
            expected=f"at most {MAX_UNPACKED} bytes and {MAX_RATIO} times the packed size",
        )


def _copy(content: IO[bytes] | gzip.GzipFile, target: Path, path: Path, packed: int, before: int = 0) -> int:
    """Writes `content` to `target`, counting; the sizes in the directory may lie."""
    written = 0
    try:
        with target.open("wb") as out:
            while block := content.read(BLOCK):
                written += len(block)
                _check_size(before + written, packed, path)
                out.write(block)
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise Truncated(
            path.name,
            "压缩内容已损坏或不完整，请重新打包后上传",
            "the packed content is damaged or cut short; pack it again",
            found=f"{_cause(error)} after {written} bytes",
            expected="whole packed content",
        ) from error
    return written


def _member_name(member: zipfile.ZipInfo, path: Path) -> str:
    """The member's path with its text put right; raises `UnsafeArchive` if it leads outside."""
    name = member.filename
    if not member.flag_bits & 0x800:
        name = _legacy_name(name)
    name = name.replace("\\", "/")
    pure = PurePosixPath(name)
    has_drive = len(name) > 1 and name[1] == ":"
    if _TURNS.search(name):
        shown = _TURNS.sub("�", name)
        raise UnsafeArchive(
            path.name,
            f"压缩包里的文件名“{shown}”含有反转显示方向的字符（�），会让人看错后缀，整包拒绝",
            f"a name in the archive holds a character (�) that turns the text round, so that people misread"
            f" its suffix: {shown!r}; the whole archive is refused",
            found=shown,
            expected="names that read as they are",
        )
    if pure.is_absolute() or ".." in pure.parts or has_drive or "\0" in name:
        raise UnsafeArchive(
            path.name,
            f"压缩包里有指向外部的路径“{name}”，整包拒绝",
            f"a path in the archive leads outside: {name!r}; the whole archive is refused",
            found=name,
            expected="paths inside the archive",
        )
    return name


def _legacy_name(name: str) -> str:
    """`zipfile` reads unmarked names as cp437; what was written is nearly always UTF-8 or GBK."""
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return name


def _is_litter(name: str) -> bool:
    """Files that operating systems leave in archives."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return any(p == "__MACOSX" or p in (".DS_Store", "Thumbs.db", "desktop.ini") for p in parts)


def is_damage(error: BaseException) -> bool:
    """False for an error of the machine (no room on the disk) among those of a broken archive."""
    return not isinstance(error, OSError) or error.errno == errno.EINVAL


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
