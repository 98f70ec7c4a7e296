"""Readings on their way: read, checked, and written in one transaction, or staged for a person to publish.

All or nothing, by the same rule as rows of layers: any refused value stops the delivery, unless
`allow_refused` leaves it out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from importers.errors import EmptyFile
from importers.options import ImportOptions, Progress, Step
from importers.planning import Delivery
from importers.prepare import Counted
from importers.readings import ReadingColumns, read_readings
from importers.report import ImportReport, State
from importers.source import Found, Source
from layers.access import SYSTEM, scope_for
from layers.brought import Brought
from layers.db import Database
from layers.errors import OneMapError
from layers.import_runs import begin_run, end_run
from layers.model import Difference, Layer, Text
from layers.points import keys
from layers.readings import STATION_LAYER, Reading, add
from layers.stage import drop_stage
from layers.staged_readings import READINGS, compare_readings, stage_readings, station_keys_staged

TITLE = Text("监测数据", "Readings")


async def deliver_readings(
    db: Database,
    delivery: Delivery,
    layers: dict[str, Layer],
    options: ImportOptions,
    progress: Progress,
    brought: Brought | None,
) -> list[ImportReport]:
    """Stores the tables of readings of `delivery`, one after another; one report each.

    With `brought` they are staged and compared together and added to it instead of being stored, and the
    stations that it holds count as there. Raises a `BadFile` for a table that is wrong as a whole.
    """
    codes = await _station_codes(db, layers.get(STATION_LAYER), brought)
    works = [_Work(source, columns, codes, options, progress) for source, columns in delivery.readings]
    if brought is not None:
        return await _staged(db, works, brought)
    return [await _stored(db, work) for work in works]


class _Stopped(Exception):
    """Ends the storing of readings of which nothing is to be kept."""


class _Work:
    """One table of readings, and what became of its rows."""

    def __init__(
        self,
        source: Source,
        columns: ReadingColumns,
        stations: set[str],
        options: ImportOptions,
        progress: Progress,
    ) -> None:
        self.source, self.columns, self.stations = source, columns, stations
        self.options, self.progress = options, progress
        self.counted = Counted()
        self.begun = time.monotonic()

    def readings(self) -> Iterator[Reading]:
        """Its readings, once; raises `EmptyFile` at the end if there are no rows."""
        found = read_readings(self.source, self.columns, self.stations, self.counted)
        for number, reading in enumerate(found, start=1):
            if number % 20_000 == 0:
                self.progress(Step(self.source.title, "reading", number, None))
            yield reading
        if self.counted.read == 0:
            raise EmptyFile(
                self.source.title, "没有数据行", "it holds no rows", found="0 rows", expected="rows"
            )

    @property
    def is_refused(self) -> bool:
        """True if its refused values, or that it has no others, forbid storing it."""
        return self.counted.kept == 0 or bool(self.counted.refused and not self.options.allow_refused)

    def report(self, state: State, run_id: str | None, difference: Difference | None = None) -> ImportReport:
        source, columns, tally = self.source, self.columns, self.counted.tally
        form = ("长表", "long form") if columns.kind is not None else ("宽表", "wide form")
        return ImportReport(
            file=source.title,
            layer_id=READINGS,
            layer_title=TITLE,
            state=state,
            read=self.counted.read,
            kept=self.counted.kept,
            refused=self.counted.refused,
            counts=tuple(tally.listed()),
            findings=tuple(f for found in tally.findings.values() for f in found),
            details=tally.details,
            recognised=Found(
                READINGS, f"站点、时间与监测值列（{form[0]}）", f"station, time and values ({form[1]})"
            ),
            matched=columns.matched,
            unmapped=tuple(n for n in source.schema.names if n not in columns.used),
            encoding=source.encoding,
            crs=None,
            route=None,
            difference=difference,
            version=None,
            seconds=time.monotonic() - self.begun,
            row_word=source.row_word,
            run_id=run_id,
        )


async def _stored(db: Database, work: _Work) -> ImportReport:
    """Stores one table at once, and records the run."""
    run_id = await begin_run(db, file_name=work.source.title, layer_id=READINGS, by=work.options.by)
    work.begun = time.monotonic()
    state: State = "stored"
    try:
        added = await add(db, _stopping([work]))
        work.counted.tally.count("reading.repeated", added.repeated)
        work.progress(Step(work.source.title, "done", work.counted.kept, work.counted.kept))
    except _Stopped:
        state = "refused" if work.is_refused else "dry_run"
    except BaseException as error:
        fault = {"zh": error.zh, "en": error.en} if isinstance(error, OneMapError) else {}
        await end_run(db, run_id, "failed", {"fault": fault})
        raise
    report = work.report(state, str(run_id))
    ended = {"stored": "published", "refused": "refused"}.get(state, "cancelled")
    await end_run(db, run_id, ended, report.to_json())  # type: ignore[arg-type]
    return report


async def _staged(db: Database, works: list[_Work], brought: Brought) -> list[ImportReport]:
    """Stages and compares all tables together, so that of two values for one time the last counts."""
    ends: list[int] = []
    try:
        staged = await stage_readings(db, _stopping(works, ends), ends)
    except _Stopped:
        return [work.report("refused" if work.is_refused else "staged", None) for work in works]
    for work, repeated in zip(works, staged.repeated, strict=True):
        work.counted.tally.count("reading.repeated", repeated)
    try:
        works[-1].progress(Step(works[-1].source.title, "comparing", staged.count, staged.count))
        brought.readings = await compare_readings(db, staged.table)
    except BaseException:
        async with db.begin() as connection:
            await drop_stage(connection, staged.table)
        raise
    return [work.report("staged", None) for work in works]


def _stopping(works: list[_Work], ends: list[int] | None = None) -> Iterator[Reading]:
    """The readings of all tables; stops the transaction at the end if they must not be kept.

    Every table is read to its end, so that every refusal is told. `ends` gets the number of each one's last.
    """
    number = 0
    for work in works:
        for reading in work.readings():
            number += 1
            yield reading
        if ends is not None:
            ends.append(number)
    if any(work.is_refused or work.options.dry_run for work in works):
        raise _Stopped


async def _station_codes(db: Database, stations: Layer | None, brought: Brought | None) -> set[str]:
    """The codes of the stations that are published, or wait with the readings to be."""
    codes: set[str] = set()
    if stations is not None and stations.version > 0:
        codes = await keys(db, scope_for(SYSTEM, stations))
    staged = None if brought is None else brought.stage_of(STATION_LAYER)
    return codes if staged is None else codes | await station_keys_staged(db, staged.table)
