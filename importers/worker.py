"""Work that outlasts a request: queued runs are read, checked, compared and left staged for a person.

A run that is to be looked at first is only opened and sampled, and left for a person to say how to read it.

One worker reads one run at a time. It says every half second how far it is and hears whether it should
stop; when it dies, `layers.staged_runs.revive` queues its run again, in whichever worker looks first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from importers.check.keep import keep_check
from importers.look import look_at_files
from importers.opening import is_sidecar
from importers.options import ImportOptions, Step
from importers.run import StagedImport, stage_files
from importers.syncing import Places, keep_syncing
from layers.brought import RasterPlace
from layers.db import Database
from layers.errors import BadData, BadRequest, Conflict, OneMapError, Unavailable
from layers.finish import finish_what_waits
from layers.import_findings import keep_findings, sweep_findings
from layers.import_runs import Run, RunEnd, beat, claim, end_run
from layers.jobs import work
from layers.raster_files import sweep_raster_files
from layers.stage import announce_life
from layers.staged_runs import give_back, keep, keep_look, revive
from layers.uploads import named_files, sweep_uploads

BEAT_S = 0.5
"""How often a run says how far it is, and hears whether it should stop."""
TEND_S = 10.0
"""How often runs of dead workers are looked for."""
SWEEP_S = 3600.0
"""How often old uploads are removed."""

_log = logging.getLogger(__name__)


async def work_on_imports(
    db: Database,
    uploads: Path,
    systems: Path | None = None,
    rasters: Path | None = None,
    sync_folder: Path | None = None,
    review: bool = False,
) -> None:
    """Reads queued runs and begins those of syncs, until cancelled; `uploads`: folder of what was sent.

    `systems`: the operator's file of city-local systems, read anew for each run. `rasters`: the folder of
    the files of rasters; None: they are refused. `sync_folder`: where syncs may take files from.
    `review`: these publish nothing without another person (`layers.reviews`).
    """
    await revive(db, with_stages=True)

    async def read(run_id: uuid.UUID) -> None:
        await read_run(db, uploads, run_id, systems, rasters)

    tending = asyncio.create_task(_tend(db, uploads, rasters), name="tending")
    places = Places(uploads, sync_folder, rasters, review)
    syncing = asyncio.create_task(keep_syncing(db, places), name="syncing")
    try:
        await work(db, read)
    finally:
        for task in (tending, syncing):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def read_run(
    db: Database,
    uploads: Path,
    run_id: uuid.UUID,
    systems: Path | None = None,
    rasters: Path | None = None,
) -> None:
    """Brings one waiting run to `looked`, `staged` or an end; does nothing if it waits no longer.

    Cancelled from outside (the worker is told to stop), it gives the run back to the queue.
    """
    run = await claim(db, run_id)
    if run is None:
        return
    place = _Place()
    files = None if rasters is None else RasterPlace(rasters, run_id)
    reading = asyncio.create_task(_read(db, uploads, run, systems, files, place), name=f"import {run_id}")
    try:
        while not reading.done():
            await asyncio.wait({reading}, timeout=BEAT_S)
            step = place.step
            if not reading.done() and not await beat(
                db, run_id, step=step.stage, done=step.done, total=step.total
            ):
                reading.cancel()
                await asyncio.wait({reading})
        await _conclude(db, run, reading)
    except asyncio.CancelledError:
        await _stopped(reading)
        await give_back(db, run_id)
        raise
    except Unavailable as error:
        # The run stays `reading` under a number that this process has no more (see `Database.announce`);
        # whoever tends next queues it again.
        await _stopped(reading)
        _log.warning("import %s broke off: %s", run_id, error.en)
    except Conflict as error:
        _log.warning("import %s was taken from this worker, which seemed dead: %s", run_id, error.en)


class _Place:
    """Where a run is: the last step it told."""

    def __init__(self) -> None:
        self.step = Step("", "opening", 0, None)

    def __call__(self, step: Step) -> None:
        if step.stage != "passed_over":
            self.step = step


async def _read(
    db: Database,
    uploads: Path,
    run: Run,
    systems: Path | None,
    files: RasterPlace | None,
    place: _Place,
) -> StagedImport | dict[str, Any]:
    """What came of the files: staged layers, or what was seen of a run that is to be looked at first."""
    options = replace(_options(run), systems=systems)
    # Beside the uploads, so that a file gets its name by a link and not by a copy.
    with tempfile.TemporaryDirectory(prefix="reading-", dir=uploads) as folder:
        sent = await named_files(db, uploads, run.uploads, Path(folder))
        wanted = [file for file in sent if not is_sidecar(file)] or sent
        if run.look_first:
            return await look_at_files(db, wanted, options, place)
        await keep_findings(db, run.id, (), None)  # those of an earlier reading
        return await stage_files(db, wanted, options, place, files)


def _options(run: Run) -> ImportOptions:
    try:
        return ImportOptions(**dict(run.options), by=run.started_by)
    except TypeError as error:
        raise BadRequest(
            "导入选项有误",
            "the import's options are not ones that this version knows",
            field="options",
            value=", ".join(run.options),
            expected=", ".join(ImportOptions.__dataclass_fields__),
        ) from error


async def _conclude(db: Database, run: Run, reading: asyncio.Task[StagedImport | dict[str, Any]]) -> None:
    """Writes down what came of the reading."""
    if reading.cancelled():
        await end_run(db, run.id, "cancelled")
        return
    error = reading.exception()
    if error is not None:
        await _fail(db, run, error)
        return
    staged = reading.result()
    if isinstance(staged, dict):
        await keep_look(db, run.id, staged)
        return
    report = {"reports": [report.to_json() for report in staged.reports]}
    await keep_check(db, run.id, staged.reports)
    if not staged.brought:
        await end_run(db, run.id, "refused", report)
        return
    try:
        await keep(db, run.id, staged.brought, report)
    except BaseException:
        await staged.brought.drop(db)
        raise


async def _fail(db: Database, run: Run, error: BaseException) -> None:
    """Ends a run of which nothing came: `refused` for what is the file's fault, `failed` for all else."""
    if isinstance(error, Unavailable):
        raise error
    end: RunEnd = "refused" if isinstance(error, (BadData, BadRequest)) else "failed"
    fault: dict[str, Any]
    if isinstance(error, OneMapError):
        fault = {"zh": error.zh, "en": error.en}
        fault |= {k: str(error.facts[k]) for k in ("file", "found", "expected") if k in error.facts}
    else:
        _log.error("import %s failed", run.id, exc_info=error)
        fault = {
            "zh": "导入时出错，已记录；请将导入编号告知管理员",
            "en": "something went wrong while importing and was logged; tell the operator the import's id",
        }
    await end_run(db, run.id, end, {"fault": fault})


async def _stopped(reading: asyncio.Task[StagedImport | dict[str, Any]]) -> None:
    reading.cancel()
    await asyncio.wait({reading})
    if not reading.cancelled():
        reading.exception()  # looked at, so that nobody complains that it was not


async def _tend(db: Database, uploads: Path, rasters: Path | None) -> None:
    """Queues again what dead workers left, and removes old uploads."""
    loop = asyncio.get_running_loop()
    swept, life = -SWEEP_S, db.process
    while True:
        try:
            if loop.time() - swept >= SWEEP_S:
                await sweep_uploads(db, uploads)
                await sweep_findings(db)
                swept = loop.time()
            await asyncio.sleep(TEND_S)
            # A database that was away may have crashed, and that empties what was staged.
            again = await announce_life(db)
            await revive(db, with_stages=again != life)
            life = again
            await finish_what_waits(db)
            if rasters is not None:
                await sweep_raster_files(db, rasters)
        except OneMapError as error:
            _log.warning("imports could not be looked after: %s", error.en)
            await asyncio.sleep(TEND_S)
