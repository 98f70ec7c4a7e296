"""Syncs carried out: when one is due its source is looked at, and what is new becomes an ordinary import.

Any number of workers may do this at once; PostgreSQL decides who does what (`layers.sync_runs`). A file is
copied before it is read, as its owner writes to it when they like; while its size or its moment of change
moves, it is left for a little later.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from importers.archive import PACKED
from importers.opening import READERS, SIDECARS
from importers.table_file import write_table
from layers import registered, sync_runs
from layers.db import Database
from layers.errors import BadData, Conflict, OneMapError, Unavailable
from layers.model import Text
from layers.registration import named_table
from layers.sync_runs import LOOK_AGAIN, MOST_POSTPONED, Due, claim_due, conclude, postpone
from layers.sync_settle import settle
from layers.sync_source import FOLDER_SETTING, Stamp, files_now, stamp_of
from layers.table_copy import look_at_table
from layers.uploads import keep_file, remove_uploads

TICK_S = 2.0
"""How often it is asked what is due."""
MOST_FILES = 100
"""Files of one import."""

_log = logging.getLogger(__name__)


class Places(NamedTuple):
    """The folders of a worker: what was sent for import, what may be synced from, files of rasters."""

    uploads: Path
    folder: Path | None = None
    rasters: Path | None = None
    review: bool = False
    """Nothing is published without another person than who imported."""


async def keep_syncing(db: Database, places: Places) -> None:
    """Carries out what is due, again and again, until cancelled."""
    while True:
        try:
            await sync_once(db, places, datetime.now(UTC))
        except OneMapError as error:
            _log.warning("syncs could not be looked after: %s", error.en)
        except Exception:
            # whatever it is, it may concern one sync; all others go on
            _log.exception("syncs could not be looked after")
        await asyncio.sleep(TICK_S)


async def sync_once(db: Database, places: Places, now: datetime) -> int:
    """Settles what was read, then begins every sync that is due at `now`; how many were begun."""
    await sync_runs.break_off_dead(db, now)
    await settle(db, now, uploads=places.uploads, rasters=places.rasters, review=places.review)
    begun = 0
    while (due := await claim_due(db, now)) is not None:
        await carry_out(db, places, due, now)
        begun += 1
    return begun


async def carry_out(db: Database, places: Places, due: Due, now: datetime) -> None:
    """Looks at the source of a claimed run, and makes it an import, ends it, or leaves it for later."""
    try:
        if due.sync.kind == "refresh":
            await _refresh(db, due, now)
        elif due.sync.kind == "table":
            await _table(db, places, due, now)
        else:
            await _files(db, places, due, now)
    except asyncio.CancelledError:
        why = Text("导入进程被停止，由下一个进程接着做", "the worker was stopped; the next one goes on")
        await postpone(db, due, due.run.read, now, why)
        raise
    except Unavailable:
        raise
    except Conflict as error:
        _log.warning("sync %s: %s", due.sync.name, error.en)
    except OneMapError as error:
        await _failed(db, due, now, Text(error.zh, error.en))
    except OSError as error:
        because = error.strerror or type(error).__name__
        await _failed(db, due, now, Text(f"文件无法读取：{because}", f"a file cannot be read: {because}"))
    except Exception:
        _log.exception("sync %s failed", due.sync.name)
        why = Text(
            "同步时出错，已记录；请告知管理员", "something went wrong and was logged; tell the operator"
        )
        await _failed(db, due, now, why)


async def _failed(db: Database, due: Due, now: datetime, sentence: Text) -> None:
    _log.warning("sync %s failed: %s", due.sync.name, sentence.en)
    await conclude(db, due, "failed", now, sentence=sentence)


async def _refresh(db: Database, due: Due, now: datetime) -> None:
    layer_id = due.sync.source["layer"]
    found = await registered.refresh(db, layer_id)
    await conclude(db, due, "refreshed", now, made=[{"layer": layer_id, "version": found.layer.version}])


async def _table(db: Database, places: Places, due: Due, now: datetime) -> None:
    """Copies a table into a file, which is imported if it is another than the last time."""
    source, seen = due.sync.source, due.sync.seen
    layer = await look_at_table(db, source, due.sync.options["layer_id"])
    with tempfile.TemporaryDirectory(prefix="table-", dir=places.uploads) as folder:
        name = f"{named_table(source['table'])[1].replace('/', '_')}.parquet"
        copy = Path(folder) / "copy.parquet"
        rows, digest = await write_table(db, layer, copy)
        if not rows:
            raise BadData(f"表 {source['table']} 没有行", f"the table {source['table']} holds no rows")
        if not due.again and seen.get("digest") == digest:
            await _same(db, due, now, seen)
            return
        upload_id, _ = await keep_file(db, places.uploads, name, copy, by=due.sync.owner)
    try:
        read = {"digest": digest, "files": [name], "rows": rows}
        await sync_runs.attach(db, due, [upload_id], files=name, options=due.sync.options, read=read)
    except BaseException:
        await remove_uploads(db, places.uploads, [upload_id])
        raise


@dataclass(frozen=True)
class _Looked:
    """The files that the source means now, and their stamps as JSON values."""

    files: Sequence[Path]
    stamps: list[list[Any]]


async def _files(db: Database, places: Places, due: Due, now: datetime) -> None:
    if places.folder is None:
        raise BadData(f"未设置同步文件夹 {FOLDER_SETTING}", f"{FOLDER_SETTING} is not set")
    looked = await asyncio.to_thread(_look, places.folder, due.sync.source)
    seen = due.sync.seen
    if not due.again and seen.get("stamps") == looked.stamps:
        await _same(db, due, now, seen)
        return
    if not _is_quiet(looked, due.run.read, now):
        await _later(db, due, looked, now)
        return
    uploads, digest = await _copied(db, places.uploads, looked, due.sync.owner)
    try:
        after = await asyncio.to_thread(_look, places.folder, due.sync.source)
        read = {"stamps": looked.stamps, "digest": digest, "files": [file.name for file in looked.files]}
        if after.stamps != looked.stamps:
            await _later(db, due, after, now)
        elif not due.again and seen.get("digest") == digest:
            await _same(db, due, now, {**seen, "stamps": looked.stamps})
        else:
            names = ", ".join(file.name for file in looked.files)[:1000]
            await sync_runs.attach(db, due, uploads, files=names, options=due.sync.options, read=read)
            return
    except BaseException:
        await remove_uploads(db, places.uploads, uploads)
        raise
    await remove_uploads(db, places.uploads, uploads)


async def _same(db: Database, due: Due, now: datetime, seen: Mapping[str, Any]) -> None:
    """Ends a run whose source is as it was: unchanged, or refused as before."""
    if seen.get("result") != "refused":
        await conclude(db, due, "unchanged", now, seen=seen)
        return
    before = seen["sentence"]
    why = Text(f"文件未变，上次的结论仍在：{before['zh']}", f"the same file as before: {before['en']}")
    await conclude(db, due, "refused", now, sentence=why, seen=seen)


async def _later(db: Database, due: Due, looked: _Looked, now: datetime) -> None:
    """Leaves a source that is being written; after `MOST_POSTPONED` it has failed."""
    since = due.run.read.get("since", now.isoformat())
    if now - datetime.fromisoformat(since) > MOST_POSTPONED:
        hours = MOST_POSTPONED.total_seconds() / 3600
        why = Text(f"文件已持续写入超过 {hours:g} 小时", f"a file has been written to for {hours:g} hours")
        await _failed(db, due, now, why)
        return
    why = Text("文件正在写入，稍后再读", "a file is being written; it is read a little later")
    read = {"stamps": looked.stamps, "at": now.isoformat(), "since": since}
    await postpone(db, due, read, now, why)


def _is_quiet(looked: _Looked, before: Mapping[str, Any], now: datetime) -> bool:
    """Whether nobody writes to the files: all were last changed some time ago, by the clock of whoever keeps
    them, or they are as they were some time ago, by ours.
    """
    newest = max(stamp[2] for stamp in looked.stamps)
    if datetime.fromtimestamp(newest / 1e9, UTC) <= now - LOOK_AGAIN:
        return True
    at = before.get("at")
    was_there = at is not None and datetime.fromisoformat(at) <= now - LOOK_AGAIN
    return was_there and before.get("stamps") == looked.stamps


def _look(folder: Path, source: Mapping[str, Any]) -> _Looked:
    files = _with_sidecars(files_now(folder, source))
    main = [file for file in files if file.suffix.lower() in (*READERS, *PACKED)]
    if not main:
        raise BadData(
            f"“{source['path']}”中没有可导入的文件",
            f"there is nothing in {source['path']!r} that can be imported",
            file=source["path"],
        )
    if len(files) > MOST_FILES:
        raise BadData(
            f"“{source['path']}”有 {len(files)} 个文件，一次至多 {MOST_FILES} 个",
            f"{source['path']!r} are {len(files)} files; {MOST_FILES} at once at most",
            file=source["path"],
        )
    stamps = [stamp_of(file, folder) for file in files]
    _refuse_empty(stamps)
    return _Looked(files, [list(stamp) for stamp in stamps])


def _refuse_empty(stamps: Iterable[Stamp]) -> None:
    for stamp in stamps:
        if not stamp.size and Path(stamp.name).suffix.lower() not in SIDECARS:
            raise BadData(f"“{stamp.name}”是空文件", f"{stamp.name!r} is empty", file=stamp.name)


def _with_sidecars(files: Sequence[Path]) -> list[Path]:
    """The files that can be read, and beside each what belongs to it; empty companions are left out."""
    found = [f for f in files if f.suffix.lower() in (*READERS, *PACKED, *SIDECARS)]
    stems = {(f.parent, f.stem.casefold()) for f in found}
    for parent in {file.parent for file in found}:
        for file in parent.iterdir():
            belongs = (parent, file.stem.casefold()) in stems and file.suffix.lower() in SIDECARS
            if belongs and file not in found and file.is_file() and not file.is_symlink():
                found.append(file)
    return sorted(f for f in found if f.stat().st_size or f.suffix.lower() not in SIDECARS)


async def _copied(db: Database, uploads: Path, looked: _Looked, by: str) -> tuple[list[uuid.UUID], str]:
    """The files as uploads, and one digest of all their names and bytes."""
    kept: list[uuid.UUID] = []
    whole = hashlib.sha256()
    try:
        for file in looked.files:
            upload_id, digest = await keep_file(db, uploads, file.name, file, by=by)
            kept.append(upload_id)
            whole.update(f"{file.name}\x00{digest}\n".encode())
    except BaseException:
        await remove_uploads(db, uploads, kept)
        raise
    return kept, whole.hexdigest()
