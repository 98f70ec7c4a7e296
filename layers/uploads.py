"""Files on their way in: sent piece by piece, kept on disk until an import has read them.

A file's bytes stand under `<folder>/<id>`, never under a name that somebody sent; how many have arrived
is the size of that file, so nothing else has to be kept in step with it. Several processes of one machine
share the folder.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import unicodedata
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import RowMapping, delete, func, insert, select

from layers import schema
from layers.access import Viewer
from layers.db import Database
from layers.errors import BadRequest, Conflict, NotFound, TooMuch
from layers.import_runs import OPEN

MAX_SIZE = 20 * 2**30
"""Bytes of the largest file that may be sent: a city's buildings as Shapefile take 2 GB, an image 10."""
LEFT_FREE = 2**30
"""Bytes that must stay free on the disk when a file has arrived."""
KEPT = timedelta(days=7)
"""How long a file is kept that no open import needs."""
MAX_NAME_BYTES = 200
COPIED_AT_ONCE = 2**20
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the text behind them round, so that a suffix reads as another (Unicode UAX #9)."""
_NO_LETTERS = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of what nobody can type or read in a name."""

_table = schema.upload


@dataclass(frozen=True)
class Upload:
    """A file that is sent: its name as the sender calls it, its size, and how much has arrived."""

    id: uuid.UUID
    name: str
    size: int
    offset: int
    started_by: str
    started_at: datetime

    @property
    def is_complete(self) -> bool:
        return self.offset == self.size


async def start_upload(db: Database, folder: Path, *, name: str, size: int, by: str) -> Upload:
    """Makes room for a file. Raises `BadRequest` for a name that is none, `TooMuch` for a size too large."""
    name = checked_name(name)
    if not 0 < size <= MAX_SIZE:
        raise TooMuch(
            f"文件大小 {size} 字节超出范围（1 至 {MAX_SIZE}）",
            f"a file of {size} bytes cannot be sent: 1 to {MAX_SIZE}",
            limit_bytes=MAX_SIZE,
            size=size,
        )
    free = await asyncio.to_thread(_free_bytes, folder)
    if size + LEFT_FREE > free:
        raise TooMuch(
            f"服务器磁盘空间不足：需要 {size} 字节，可用 {max(free - LEFT_FREE, 0)} 字节",
            f"the disk has no room for {size} bytes: {max(free - LEFT_FREE, 0)} are left",
            limit_bytes=max(free - LEFT_FREE, 0),
            size=size,
        )
    made = insert(_table).values(id=uuid.uuid4(), name=name, size=size, started_by=by).returning(_table)
    async with db.begin() as connection:
        row = (await connection.execute(made)).mappings().one()
        (folder / str(row["id"])).touch(mode=0o600)
    return _upload(folder, row)


async def get_upload(db: Database, folder: Path, upload_id: uuid.UUID, viewer: Viewer) -> Upload:
    """The file that `viewer` sends; raises `NotFound`, also for somebody else's."""
    async with db.connect() as connection:
        found = await connection.execute(select(_table).where(_table.c.id == upload_id))
        row = found.mappings().one_or_none()
    path = folder / str(upload_id)
    if row is None or not (row["started_by"] == viewer.name or viewer.has("admin")) or not path.exists():
        raise NotFound(f"没有上传 {upload_id}", f"there is no upload {upload_id}", upload=str(upload_id))
    return _upload(folder, row)


async def append(folder: Path, upload: Upload, offset: int, pieces: AsyncIterator[bytes]) -> int:
    """Adds `pieces` from byte `offset` on; how many bytes have arrived then.

    What has arrived stays when the sender breaks off. Raises `Conflict` if `offset` is not where the file
    ends or somebody else sends to it, `TooMuch` for bytes beyond its size.
    """
    with _held(folder, upload) as file:
        arrived = file.seek(0, os.SEEK_END)
        if offset != arrived:
            raise Conflict(
                f"应从字节 {arrived} 处续传，而不是 {offset}",
                f"the file goes on at byte {arrived}, not {offset}",
                upload=str(upload.id),
                offset=arrived,
            )
        async for piece in pieces:
            if arrived + len(piece) > upload.size:
                raise TooMuch(
                    f"内容超过所声明的 {upload.size} 字节",
                    f"more came than the {upload.size} bytes that were announced",
                    limit_bytes=upload.size,
                )
            await asyncio.to_thread(file.write, piece)
            arrived += len(piece)
        await asyncio.to_thread(os.fsync, file.fileno())
    return arrived


async def named_files(db: Database, folder: Path, upload_ids: Sequence[uuid.UUID], into: Path) -> list[Path]:
    """The files under their own names in the empty folder `into`, in the order of `upload_ids`.

    Raises `NotFound` for one that is gone, `Conflict` for two of one name.
    """
    async with db.connect() as connection:
        found = await connection.execute(select(_table).where(_table.c.id.in_(upload_ids)))
        uploads = {row["id"]: _upload(folder, row) for row in found.mappings()}
    paths = []
    for upload_id in upload_ids:
        upload = uploads.get(upload_id)
        source = folder / str(upload_id)
        if upload is None or not source.exists():
            raise NotFound(f"没有上传 {upload_id}", f"there is no upload {upload_id}", upload=str(upload_id))
        path = into / upload.name
        if path.exists():
            raise Conflict(
                f"有两个文件都叫“{upload.name}”", f"two files are called {upload.name!r}", file=upload.name
            )
        os.link(source, path)
        paths.append(path)
    return paths


async def sweep_uploads(db: Database, folder: Path) -> int:
    """Removes what was begun longer than `KEPT` ago and no open import needs; how many files went."""
    runs = schema.import_run
    needed = select(func.unnest(runs.c.uploads)).where(runs.c.state.in_(OPEN))
    old = _table.c.started_at < func.now() - KEPT
    async with db.begin() as connection:
        gone = await connection.scalars(
            delete(_table).where(old, _table.c.id.not_in(needed)).returning(_table.c.id)
        )
        names = [str(upload_id) for upload_id in gone]
    for name in names:
        (folder / name).unlink(missing_ok=True)
    return len(names)


async def keep_file(db: Database, folder: Path, name: str, source: Path, *, by: str) -> tuple[uuid.UUID, str]:
    """Takes a file of this machine in as if it had been sent, under `name`; its number and SHA-256.

    Its bytes are copied, so that it may be written to afterwards. Raises as `start_upload`.
    """
    size = (await asyncio.to_thread(source.stat)).st_size
    upload = await start_upload(db, folder, name=name, size=size, by=by)
    return upload.id, await asyncio.to_thread(_copied, source, folder / str(upload.id))


async def remove_uploads(db: Database, folder: Path, upload_ids: Sequence[uuid.UUID]) -> None:
    """Removes files that nobody needs any more; harmless for those that are gone."""
    async with db.begin() as connection:
        await connection.execute(delete(_table).where(_table.c.id.in_(upload_ids)))
    for upload_id in upload_ids:
        (folder / str(upload_id)).unlink(missing_ok=True)


def checked_name(name: str) -> str:
    """`name` as a file may be called here; raises `BadRequest` for a path or what is no name."""
    plain = unicodedata.normalize("NFC", name).strip()
    bad = any(unicodedata.category(c) in _NO_LETTERS or c in _TURNS or c in '/\\:*?"<>|' for c in plain)
    if bad or not plain or plain.startswith(".") or len(plain.encode()) > MAX_NAME_BYTES:
        raise BadRequest(
            "文件名不合规则：不能是路径，不能含控制字符，不能以点开头，最长 200 字节",
            "that is no file name: no path, no control characters, no dot in front, 200 bytes at most",
            field="name",
            value=name,
            expected="a file name of at most 200 bytes",
        )
    return plain


@contextmanager
def _held(folder: Path, upload: Upload) -> Iterator[BinaryIO]:
    """The file, open to append, and nobody else's meanwhile."""
    with (folder / str(upload.id)).open("ab", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                "该文件正在由另一个请求上传",
                "another request sends to this file just now",
                upload=str(upload.id),
            ) from error
        yield file


def _copied(source: Path, target: Path) -> str:
    """Copies the bytes; their SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("r+b") as writing:
        while piece := reading.read(COPIED_AT_ONCE):
            digest.update(piece)
            writing.write(piece)
    return digest.hexdigest()


def _free_bytes(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free


def _upload(folder: Path, row: RowMapping) -> Upload:
    path = folder / str(row["id"])
    return Upload(
        row["id"],
        row["name"],
        row["size"],
        path.stat().st_size if path.exists() else 0,
        row["started_by"],
        row["started_at"],
    )
