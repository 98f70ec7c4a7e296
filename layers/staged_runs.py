"""What an import run has staged: kept beyond its process, compared, looked at, published or discarded.

Whatever changes a run and its stages does so in one transaction, so a kill at any moment leaves both as
they were before or both as they are after.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.access import Viewer, require_change
from layers.brought import Brought, Compared, brought_by, stages_of
from layers.catalogue import find_layer, get_layer, register
from layers.db import Database
from layers.errors import Conflict, NotFound
from layers.finish import after_publication
from layers.import_runs import OPEN, Run, RunEnd, create_run, lock_run, move, write, wrong_state
from layers.jobs import put
from layers.model import Difference, Layer, Version
from layers.parts import refuse_outside_part
from layers.publish import compare, moved_on, publish_in
from layers.reviews import approved, read_again, review_rules, review_rules_in, submission_note
from layers.schema import STAGE_SCHEMA
from layers.stage import KEPT, Staged, drop_stage, is_alive, keep_stage, stage_table
from layers.staged_rasters import StagedRaster, compare_raster, publish_rasters_in
from layers.staged_readings import READINGS, ComparedReadings, compare_readings, publish_readings_in

MAX_ATTEMPTS = 3
"""A run over which so many workers died is not tried again."""


def within_of(run: Run) -> tuple[str, ...]:
    """Codes of the parts that the run replaces (`layers.parts`); empty: the whole of its layers."""
    return tuple(run.options.get("within", ()))


def stage_of(run: Run, layer_id: str | None) -> Compared:
    """The stage of one layer of the run; None: the only one. Raises `Conflict` or `NotFound`."""
    if run.state != "staged":
        raise wrong_state(run, "compared")
    found = [one for one in stages_of(run) if layer_id in (None, one.staged.layer.id)]
    if len(found) != 1:
        named = ", ".join(one.staged.layer.id for one in stages_of(run))
        raise NotFound(
            f"该导入的图层为 {named}，请指明其中之一",
            f"name one of this import's layers: {named}",
            layer=layer_id,
            expected=named,
        )
    return found[0]


def readings_of(run: Run, layer_id: str | None) -> ComparedReadings | None:
    """The staged readings of the run, if `layer_id` names them, or is None and there is nothing else."""
    brought = brought_by(run)
    if layer_id != READINGS and (layer_id is not None or brought.rows):
        return None
    if run.state == "staged" and brought.readings is None and layer_id == READINGS:
        raise NotFound("该导入不含监测数据", "this import holds no readings", layer=layer_id)
    return brought.readings


async def queue_run(
    db: Database,
    uploads: Sequence[uuid.UUID],
    *,
    file_name: str,
    options: Mapping[str, Any],
    by: str,
    look_first: bool = False,
) -> Run:
    """Records files that have arrived as a run, and queues it for a worker."""
    run = await create_run(db, uploads, file_name=file_name, options=options, by=by, look_first=look_first)
    async with db.begin() as connection:
        # Should this process die before: `revive` queues every run that waits.
        await put(connection, run.id)
    return run


async def queue_again(
    db: Database, run_id: uuid.UUID, options: Mapping[str, Any], *, look_first: bool, by: str
) -> Run:
    """Queues a run that was looked at, staged or refused, to be read or looked at as `by` says.

    What it had staged is dropped. Raises `Conflict` in any other state, and for a run whose files are gone
    (those of a refused one are kept for some days only).
    """
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
        if run.state not in ("looked", "staged", "refused"):
            raise wrong_state(run, "uploaded")
        await _check_uploads(connection, run)
        await _drop(connection, run)
        queued = await move(
            connection,
            run_id,
            "uploaded",
            layer_id=options.get("layer_id"),
            options=dict(options),
            look_first=look_first,
            stages=[],
            report={},
            step="",
            rows_done=0,
            rows_total=None,
            attempts=0,
            ended_at=None,
            reviews=read_again(run, by),
        )
        await put(connection, run_id)
    return queued


async def keep_look(db: Database, run_id: uuid.UUID, look: Mapping[str, Any]) -> Run:
    """Keeps what this process saw in the files of its run, which is `looked` then, for a person to decide.

    Raises `Conflict` if the run is this process's no longer.
    """
    table = schema.import_look
    made = insert(table).values(run_id=run_id, look=dict(look))
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
        if run.state != "reading" or run.worker != db.process:
            raise wrong_state(run, "looked")
        await connection.execute(
            made.on_conflict_do_update(index_elements=[table.c.run_id], set_={"look": made.excluded.look})
        )
        return await move(connection, run_id, "looked", step="looked", worker=None)


async def get_look(db: Database, run_id: uuid.UUID) -> Mapping[str, Any] | None:
    """What was last seen in the files of the run; None if nobody looked."""
    table = schema.import_look
    async with db.connect() as connection:
        found: Mapping[str, Any] | None = await connection.scalar(
            select(table.c.look).where(table.c.run_id == run_id)
        )
    return found


async def compare_stage(
    db: Database,
    staged: Staged,
    *,
    partial: bool,
    report: Mapping[str, Any],
    within: Sequence[str] = (),
) -> Compared:
    """Compares a stage with what stands; a layer that is not registered yet has nothing to compare with."""
    try:
        # The version first: should it move during the comparison, publishing will refuse.
        base = (await get_layer(db, staged.layer.id)).version
    except NotFound:
        if within:
            stage = stage_table(staged.layer, staged.table, as_rows=staged.as_rows)
            async with db.begin(timeout_ms=0) as connection:
                await refuse_outside_part(connection, staged.layer, stage, within)
        return Compared(staged, 0, Difference(staged.count, 0, 0, 0), report)
    return Compared(staged, base, await compare(db, staged, partial=partial, within=within), report)


async def keep(db: Database, run_id: uuid.UUID, brought: Brought, report: Mapping[str, Any]) -> Run:
    """Hands the stages of this process over to its run, which is `staged` then, or `unchanged`.

    Raises `Conflict` if the run is this process's no longer.
    """
    async with db.begin(timeout_ms=0) as connection:
        run = await lock_run(connection, run_id)
        if run.state != "reading" or run.worker != db.process:
            raise wrong_state(run, "staged")
        stages = [one.to_json() for one in await _kept(connection, brought)]
        if brought.is_unchanged:
            await _drop(connection, replace(run, stages=tuple(stages)))
            return await move(connection, run_id, "unchanged", report=_concluded(report, brought, []))
        return await move(
            connection,
            run_id,
            "staged",
            layer_id=stages[0]["layer"],
            stages=stages,
            report=dict(report),
            step="compared",
            worker=None,
        )


async def compare_again(db: Database, run_id: uuid.UUID) -> Run:
    """Compares the stages with the versions that stand now. Raises `Conflict` for a run without stages."""
    run = await _staged_run(db, run_id, "compared")
    partial, within = bool(run.options.get("partial")), within_of(run)
    brought = brought_by(run)
    fresh: list[dict[str, Any]] = []
    for one in brought.rows:
        again = await compare_stage(db, one.staged, partial=partial, report=one.report, within=within)
        fresh.append(again.to_json())
    fresh += [(await compare_raster(db, one)).to_json() for one in brought.rasters]
    if brought.readings is not None:
        fresh.append((await compare_readings(db, brought.readings.table)).to_json())
    async with db.begin() as connection:
        if (await lock_run(connection, run_id)).state != "staged":
            raise wrong_state(run, "compared")
        return await write(connection, run_id, stages=fresh)


async def publish_run(
    db: Database,
    run_id: uuid.UUID,
    viewer: Viewer,
    *,
    seen: Mapping[str, int],
    note: str = "",
    rasters: Path | None = None,
    review: bool = False,
) -> Run:
    """Publishes all stages of the run, or none: each the next version of its layer; readings are written.

    `seen`: the version of each layer with which the publisher saw it compared, 0 for readings. Raises
    `Conflict` if that is not what the run was compared with or a layer (or the part of it that the run
    replaces, or the readings that stand) has moved on since, `NotAllowed` if the viewer may not change a
    layer, or a row outside their districts would change. `rasters`: the folder of the files of rasters.
    `review`: another person than who imported is demanded for every layer (`layers.reviews`); for single ones
    it may be anyway. What was said when it was submitted is the versions' note then.
    """
    run = await _staged_run(db, run_id, "published")
    # before anything is made ready for it: who may not publish registers no layer
    approved(run, await review_rules(db, everywhere=review), viewer, note)
    districts: tuple[str, ...] = ()
    for one in stages_of(run):
        layer = one.staged.layer
        districts = require_change(viewer, await _standing_or_new(db, layer))
        if seen.get(layer.id) != one.base_version:
            raise moved_on(replace(layer, version=one.base_version), seen.get(layer.id))
        await _make_room(db, one)
    brought = brought_by(run)
    for raster in brought.rasters:
        require_change(viewer, await _standing_or_new(db, raster.layer))
        if not raster.is_empty:
            await register(db, raster.layer)
    if brought.readings is not None and seen.get(READINGS) != 0:
        raise _not_seen()
    async with db.begin(timeout_ms=0) as connection:
        run = await lock_run(connection, run_id)
        if run.state != "staged":
            raise wrong_state(run, "published")
        brought = brought_by(run)
        steps = approved(run, await review_rules_in(connection, everywhere=review), viewer, note)
        note = submission_note(run) or note
        came = {"import": str(run.id), "imported_by": run.started_by, "sync": run.sync, "reviews": steps}
        made = await publish_in(
            connection,
            [(one.staged, {**one.report, **came}) for one in brought.rows],
            by=viewer.name,
            note=note,
            partial=bool(run.options.get("partial")),
            within=within_of(run),
            seen=seen,
            districts=districts,
        )
        pictures = await publish_rasters_in(
            connection,
            [replace(one, report={**one.report, **came}) for one in brought.rasters],
            rasters,
            viewer,
            seen=seen,
            note=note,
        )
        # After the layers: stations may have come with their readings.
        if brought.readings is not None:
            await publish_readings_in(connection, brought.readings, viewer)
        report = _concluded(run.report, brought, [*made, *pictures])
        end: RunEnd = "published" if made or pictures or report["stored"] else "unchanged"
        run = await move(connection, run_id, end, stages=[], report=report, reviews=steps)
    await after_publication(db, made)
    return run


async def discard_run(db: Database, run_id: uuid.UUID) -> Run:
    """Drops what the run has staged; nothing of it was published. Raises `Conflict` if it has no stages."""
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
        if run.state != "staged":
            raise wrong_state(run, "discarded")
        return await drop_stages(connection, run_id)


async def drop_stages(connection: AsyncConnection, run_id: uuid.UUID) -> Run:
    """As `discard_run`, in the transaction of `connection`; a run that has no stages stays as it is."""
    run = await lock_run(connection, run_id)
    if run.state != "staged":
        return run
    await _drop(connection, run)
    return await move(connection, run_id, "discarded", stages=[])


async def revive(db: Database, *, with_stages: bool = False) -> int:
    """Queues again the runs whose worker died or whose job was lost; returns how many were in trouble.

    A run that cannot be read again (no uploads, or tried `MAX_ATTEMPTS` times) fails. `with_stages`: also
    those whose stages a crash of the database emptied; and stages that belong to no run are dropped.
    """
    table = schema.import_run
    async with db.connect() as connection:
        statement = select(table.c.id).where(table.c.state.in_(OPEN - {"looked"}))
        run_ids = list(await connection.scalars(statement.order_by(table.c.started_at)))
    troubled = 0
    for run_id in run_ids:
        async with db.begin() as connection:
            troubled += await _revived(
                connection, await lock_run(connection, run_id), db.process, with_stages
            )
    if with_stages:
        await _drop_orphans(db)
    return troubled


async def give_back(db: Database, run_id: uuid.UUID) -> None:
    """Queues again a run that this process was reading and cannot finish, because it is told to stop."""
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
        if run.state == "reading" and run.worker == db.process:
            await move(connection, run_id, "uploaded", worker=None, attempts=run.attempts - 1)
            await put(connection, run_id)


async def _revived(connection: AsyncConnection, run: Run, process: int, with_stages: bool) -> bool:
    if run.state == "uploaded":
        await put(connection, run.id)
        return False
    if run.state == "staged":
        if not with_stages or await _is_whole(connection, run):
            return False
        await _drop(connection, run)
    elif run.state != "reading" or run.worker == process or await _has_worker(connection, run):
        return False
    if run.cancel_asked:
        await move(connection, run.id, "cancelled")
    elif not run.uploads or run.attempts >= MAX_ATTEMPTS:
        fault = {
            "zh": f"处理该导入的进程意外终止（第 {run.attempts or 1} 次）",
            "en": f"the process that read this import died (attempt {run.attempts or 1})",
        }
        await move(connection, run.id, "failed", stages=[], report={**run.report, "fault": fault})
    else:
        await move(connection, run.id, "uploaded", stages=[], worker=None)
        await put(connection, run.id)
    return True


async def _has_worker(connection: AsyncConnection, run: Run) -> bool:
    return run.worker is not None and await is_alive(connection, run.worker)


async def _is_whole(connection: AsyncConnection, run: Run) -> bool:
    """Whether every stage of the run has its rows: an unlogged table is empty after a crash."""
    for told in run.stages:
        if "table" not in told:
            continue
        name = f'{STAGE_SCHEMA}."{told["table"]}"'
        if await connection.scalar(select(func.to_regclass(name))) is None:
            return False
        if await connection.scalar(text(f"SELECT count(*) FROM {name}")) != told["count"]:  # noqa: S608
            return False
    return True


async def _check_uploads(connection: AsyncConnection, run: Run) -> None:
    table = schema.upload
    there = await connection.scalar(select(func.count()).where(table.c.id.in_(run.uploads)))
    if not run.uploads or there != len(set(run.uploads)):
        raise Conflict(
            "该导入的文件已被清理，请重新上传",
            "the files of this import are gone; send them again",
            run=str(run.id),
        )


async def _drop_orphans(db: Database) -> None:
    names = text(
        "SELECT tablename FROM pg_tables WHERE schemaname = :schema AND starts_with(tablename, :kept)"
    )
    async with db.begin() as connection:
        # First the tables, then the runs: a stage that is handed over meanwhile is not among the tables.
        found = list(await connection.scalars(names, {"schema": STAGE_SCHEMA, "kept": KEPT}))
        stages = await connection.scalars(
            select(schema.import_run.c.stages).where(schema.import_run.c.state == "staged")
        )
        owned = {told.get("table") for run in stages for told in run}
        for name in set(found) - owned:
            await drop_stage(connection, name)


async def _staged_run(db: Database, run_id: uuid.UUID, wanted: str) -> Run:
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
    if run.state != "staged":
        raise wrong_state(run, wanted)
    return run


async def _standing_or_new(db: Database, layer: Layer) -> Layer:
    """The layer as it stands, whoever's it is said to be by the delivery; a new one as it is described."""
    async with db.connect() as connection:
        return await find_layer(connection, layer.id) or layer


async def _make_room(db: Database, one: Compared) -> None:
    """Registers a layer that is new, or the fields that the delivery adds to one that stands."""
    async with db.connect() as connection:
        standing = await find_layer(connection, one.staged.layer.id)
    if standing is None or set(one.staged.layer.field_names) - set(standing.field_names):
        if standing is not None and standing.version != one.base_version:
            raise moved_on(standing, one.base_version)
        await register(db, one.staged.layer)


async def _kept(
    connection: AsyncConnection, brought: Brought
) -> list[Compared | ComparedReadings | StagedRaster]:
    """What was brought, under names that no process owns."""
    kept: list[Compared | ComparedReadings | StagedRaster] = [
        replace(one, staged=replace(one.staged, table=await keep_stage(connection, one.staged.table)))
        for one in brought.rows
    ]
    kept += brought.rasters
    if brought.readings is not None:
        table = await keep_stage(connection, brought.readings.table)
        kept.append(replace(brought.readings, table=table))
    return kept


async def _drop(connection: AsyncConnection, run: Run) -> None:
    for told in run.stages:
        if "table" in told:
            await drop_stage(connection, told["table"])


def _not_seen() -> Conflict:
    return Conflict(
        "该导入含监测数据，发布时 versions 中应有 reading: 0",
        "this import holds readings: `versions` has to name them, as reading: 0",
        layer=READINGS,
        expected='{"reading": 0}',
    )


def _concluded(report: Mapping[str, Any], brought: Brought, made: Sequence[Version]) -> dict[str, Any]:
    """The run's report with what became of each layer, and `stored`: what was written of readings."""
    numbers = {version.layer_id: version.number for version in made}
    standing = {one.staged.layer.id: one.base_version for one in brought.rows}
    standing |= {one.layer.id: one.base_version for one in brought.rasters}
    readings = brought.readings
    stored = None if readings is None or readings.is_empty else readings.stored_json()
    told = []
    for one in report.get("reports", []):
        if one["layer"] == READINGS:
            told.append({**one, "state": "unchanged" if stored is None else "stored"})
            continue
        state = "published" if one["layer"] in numbers else "unchanged"
        version = numbers.get(one["layer"], standing.get(one["layer"]))
        told.append({**one, "state": state, "version": version})
    return {**report, "reports": told, "versions": numbers, "stored": stored}
