"""From a run's staged import to a version, or to a person: may it be published, and what came of it.

A run is settled under the lock of its row, so that of several workers one does it; killed at any moment it
leaves the version that stood or the next one, and is settled by whoever looks next.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.access import Viewer
from layers.brought import Brought, brought_by
from layers.db import Database
from layers.errors import Conflict, NotAllowed, NotFound, OneMapError, Unavailable
from layers.import_runs import Run, get_run
from layers.model import Text
from layers.reviews import is_submitted, review_rules, submit
from layers.staged_readings import READINGS, ComparedReadings
from layers.staged_runs import compare_again, discard_run, publish_run
from layers.sync_runs import SyncEnd, SyncRun, end_in, run_of
from layers.syncs import Sync, acting_viewer, get_sync
from layers.uploads import remove_uploads

_log = logging.getLogger(__name__)
_run, _import = schema.sync_run, schema.import_run

ENDS: Mapping[str, SyncEnd] = {
    "published": "published",
    "unchanged": "unchanged",
    "refused": "refused",
    "failed": "failed",
    "cancelled": "discarded",
    "discarded": "discarded",
}
"""How a run of a sync ended whose import ended so."""
_MOVED_ON = 3
"""How often an import is compared anew because somebody else published meanwhile."""


class _NotToBePublished(Exception):
    """What was staged cannot become a version; it is discarded."""

    def __init__(self, sentence: Text) -> None:
        super().__init__(sentence.en)
        self.sentence = sentence


async def settle(
    db: Database, now: datetime, *, uploads: Path, rasters: Path | None = None, review: bool = False
) -> int:
    """Goes on with every run whose import is staged or has ended; how many there were.

    `uploads`, `rasters`: the folders of what was sent for import and of rasters' files. `review`: another
    person is demanded for every layer (`layers.reviews`); what a sync brought is submitted to one then.
    """
    ready = or_(
        (_run.c.state == "running") & _import.c.state.not_in(("uploaded", "reading")),
        (_run.c.state == "waiting") & _import.c.state.in_(ENDS),
    )
    async with db.connect() as connection:
        found = await connection.scalars(
            select(_run.c.id).join(_import, _import.c.id == _run.c.import_id).where(ready).order_by(_run.c.id)
        )
        run_ids = list(found)
    for run_id in run_ids:
        await _settle(db, run_id, now, uploads, rasters, review)
    return len(run_ids)


def why_a_person(sync: Sync, brought: Brought, standing: Mapping[str, int]) -> Text | None:
    """Why somebody has to look before what the sync brought is published; None: it may be published.

    `standing`: how many rows each layer has. A layer's first version is within any bounds.
    """
    if sync.policy == "review":
        return Text("该同步总是先审核后发布", "this sync never publishes without a person")
    why = _why_for_readings(sync, brought.readings)
    if why is not None:
        return why
    for one in brought.rows:
        rows = standing.get(one.staged.layer.id, 0)
        for bound, number, zh, en in (
            (sync.most_removed, one.difference.removed, "删除", "remove"),
            (sync.most_changed, one.difference.changed, "变更", "change"),
        ):
            if one.is_new or bound is None or not number or number <= rows * bound / 100:
                continue
            share = 100 * number / max(rows, 1)
            return Text(
                f"将{zh}图层“{one.staged.layer.title.zh}”{rows} 行中的 {number} 行（{share:.1f}%），"
                f"超过允许的 {bound:g}%",
                f"it would {en} {number} of {rows} rows of layer {one.staged.layer.id!r} ({share:.1f} %),"
                f" more than the {bound:g} % that are allowed",
            )
    return None


def _why_for_readings(sync: Sync, readings: ComparedReadings | None) -> Text | None:
    """The same for readings, which have no versions to go back to."""
    if readings is None or sync.most_changed is None:
        return None
    share = 100 * readings.changed / max(readings.count, 1)
    if share <= sync.most_changed:
        return None
    return Text(
        f"将替换 {readings.changed} 个已有的监测值（占 {share:.1f}%），超过允许的 {sync.most_changed:g}%",
        f"it would replace {readings.changed} readings that stand ({share:.1f} % of what it brings),"
        f" more than the {sync.most_changed:g} % that are allowed",
    )


async def _settle(
    db: Database, run_id: int, now: datetime, uploads: Path, rasters: Path | None, review: bool
) -> None:
    statement = select(_run).where(_run.c.id == run_id, _run.c.state.in_(("running", "waiting")))
    async with db.begin(timeout_ms=0) as connection:
        found = await connection.execute(statement.with_for_update(skip_locked=True))
        row = found.mappings().one_or_none()
        if row is None or row["import_id"] is None:
            return
        run = run_of(row)
        sync = await get_sync(db, run.sync)
        imported = await get_run(db, row["import_id"])
        wait: Text | None = None
        if imported.state == "staged":
            try:
                imported, wait = await _published(db, sync, imported, rasters, review)
            except _NotToBePublished as error:
                await end_in(connection, run, "failed", now, sentence=error.sentence)
                _log.warning("sync %s failed: %s", run.sync, error.sentence.en)
                return
        if wait is not None:
            await end_in(connection, run, "waiting", now, sentence=wait, seen=_seen(run, "good"))
            _log.warning("sync %s waits for a person: %s", run.sync, wait.en)
            return
        if imported.state not in ENDS:
            return
        await _end(connection, run, imported, now)
    if imported.state in ("published", "unchanged"):
        await remove_uploads(db, uploads, imported.uploads)


async def _published(
    db: Database, sync: Sync, imported: Run, rasters: Path | None, review: bool
) -> tuple[Run, Text | None]:
    """Publishes what is staged if it may be; the import afterwards, and why a person has to look."""
    if (await review_rules(db, everywhere=review)).hold_for(imported):
        why = why_a_person(sync, brought_by(imported), await _standing(db, imported))
        why = why or Text("按规定须由他人审核后发布", "another person has to approve it")
        if not is_submitted(imported):
            imported = await submit(db, imported.id, by=sync.owner, note=_note(sync))
        return imported, why
    for _ in range(_MOVED_ON):
        why = why_a_person(sync, brought_by(imported), await _standing(db, imported))
        if why is not None:
            return imported, why
        try:
            viewer = await acting_viewer(db, sync)
            return await _publish(db, sync, imported, viewer, rasters), None
        except Conflict:
            again = await get_run(db, imported.id)
            if again.state != "staged":
                return again, None
            imported = await compare_again(db, imported.id)
        except (NotAllowed, NotFound) as error:
            return imported, Text(f"未能自动发布：{error.zh}", f"not published by itself: {error.en}")
        except Unavailable:
            raise
        except OneMapError as error:
            # the same rows would fail again: what is left of them would only stand in the way
            await discard_run(db, imported.id)
            raise _NotToBePublished(
                Text(f"发布时出错：{error.zh}", f"publishing failed: {error.en}")
            ) from error
    why = Text("图层在此期间一再变化，请人工发布", "the layer kept changing meanwhile; publish it yourself")
    return imported, why


async def _publish(db: Database, sync: Sync, imported: Run, viewer: Viewer, rasters: Path | None) -> Run:
    brought = brought_by(imported)
    seen = {one.staged.layer.id: one.base_version for one in brought.rows}
    seen |= {one.layer.id: one.base_version for one in brought.rasters}
    if brought.readings is not None:
        seen[READINGS] = 0
    return await publish_run(db, imported.id, viewer, seen=seen, note=_note(sync), rasters=rasters)


def _note(sync: Sync) -> str:
    """What versions say that come of the sync."""
    return f"定时同步 {sync.title or sync.name} / sync {sync.name}"


async def _end(connection: AsyncConnection, run: SyncRun, imported: Run, now: datetime) -> None:
    end = ENDS[imported.state]
    sentence = _because(imported) if end in ("refused", "failed") else None
    made = await _made(connection, imported.report.get("versions", {}))
    seen = None if end == "failed" else _seen(run, "good")
    if end == "refused":
        assert sentence is not None
        seen = _seen(run, "refused") | {"sentence": sentence._asdict(), "import": str(imported.id)}
    await end_in(connection, run, end, now, sentence=sentence, seen=seen, made=made)
    if sentence is not None:
        _log.warning("sync %s %s: %s", run.sync, end, sentence.en)


def _seen(run: SyncRun, result: str) -> dict[str, Any]:
    return {**run.read, "result": result}


def _because(imported: Run) -> Text:
    """Why an import was refused or failed, in one sentence."""
    fault = imported.report.get("fault")
    if fault is not None:
        return Text(fault["zh"], fault["en"])
    told = [one for one in imported.report.get("reports", []) if one.get("state") == "refused"]
    rows = sum(one.get("refused", 0) for one in told)
    rules = sorted({rule for one in told for rule in one.get("stopped_by", [])})
    named = (f"（{'、'.join(rules)}）", f" ({', '.join(rules)})") if rules else ("", "")
    return Text(
        f"质检未通过：{rows} 行被拒绝{named[0]}，详见导入报告",
        f"the check did not pass: {rows} rows were refused{named[1]}; see the import's report",
    )


async def _standing(db: Database, imported: Run) -> dict[str, int]:
    """How many rows the layers of the import have now."""
    ids = [one.staged.layer.id for one in brought_by(imported).rows]
    table = schema.layer
    async with db.connect() as connection:
        found = await connection.execute(select(table.c.id, table.c.feature_count).where(table.c.id.in_(ids)))
        return {row.id: row.feature_count for row in found}


async def _made(connection: AsyncConnection, versions: Mapping[str, int]) -> Sequence[Mapping[str, Any]]:
    """The versions with their numbers of rows."""
    table = schema.layer_version
    if not versions:
        return []
    found = await connection.execute(
        select(table).where(tuple_(table.c.layer_id, table.c.number).in_(list(versions.items())))
    )
    return [
        {
            "layer": row["layer_id"],
            "version": row["number"],
            **{name: row[name] for name in ("added", "changed", "removed")},
        }
        for row in found.mappings()
    ]


async def imports_waiting(db: Database) -> dict[str, uuid.UUID]:
    """The imports of syncs that wait for a person, by the name of the sync."""
    statement = select(_run.c.sync, _run.c.import_id).where(
        _run.c.state == "waiting", _run.c.import_id.is_not(None)
    )
    async with db.connect() as connection:
        return {row.sync: row.import_id for row in await connection.execute(statement)}
