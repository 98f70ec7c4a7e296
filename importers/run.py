"""The importer's entrance: files in, published layer versions and honest reports out.

`import_files` publishes at once; `stage_files` reads, checks and compares in the same way and leaves the
publishing to a person who has looked at it.

The rule of all or nothing. A file that is wrong as a whole raises a `BadFile`; when it is found out while
opening, nothing of the call has been written. A row that cannot be part of its layer is refused; unless
`allow_refused` is set, any refused row stops its delivery: every row is still checked, all refusals are
reported, nothing is published, and files that come after are not begun. With `allow_refused` the rows that
are right are published without the others, unless none is left. Mended rows (made valid, trimmed,
reformatted) stop nothing and are counted. What is published of one delivery is published in one
transaction; killing the process at any moment leaves the version that stood.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from importers.by_code import located
from importers.check.among import Among, asked
from importers.deliver import deliver_layers
from importers.deliver_raster import by_command_line, deliver_raster, on_top_of
from importers.errors import BadFile, EmptyFile
from importers.opening import opened
from importers.options import ImportOptions, Progress, Step, silent
from importers.planning import Delivery, plan
from importers.prepare import Counted
from importers.readings import ReadingColumns, read_readings
from importers.report import ImportReport, State
from importers.source import Found, Source
from layers.access import SYSTEM, scope_for
from layers.catalogue import known_layers, list_layers
from layers.db import Database
from layers.errors import OneMapError
from layers.import_runs import begin_run, end_run
from layers.mendings import ALWAYS, parse_mendings
from layers.model import Layer, Text
from layers.points import keys
from layers.publish import discard, sweep_stages
from layers.readings import Reading, add
from layers.staged_runs import Compared

READINGS = Text("监测数据", "Readings")


async def import_files(
    db: Database,
    paths: Sequence[Path],
    options: ImportOptions | None = None,
    progress: Progress | None = None,
    rasters: Path | None = None,
) -> list[ImportReport]:
    """Imports files and folders; one report per table, in the order in which they were delivered.

    Folders are expanded; layers that others take codes from come first, readings last. GeoTIFFs become files
    in the folder `rasters`. Raises a `BadFile` for a file that is wrong as a whole (`facts["published"]`
    names what was published before it, if anything), `BadRequest` for options that cannot be. Reports whose
    state is `refused` mean that nothing of that delivery was published.
    """
    return await _carried_out(db, paths, options or ImportOptions(), progress or silent, None, rasters)


class StagedImport(NamedTuple):
    """What came of files that are to be published later: no `layers` if any report is refused."""

    reports: list[ImportReport]
    layers: list[Compared]


async def stage_files(
    db: Database, paths: Sequence[Path], options: ImportOptions, progress: Progress
) -> StagedImport:
    """As `import_files`, up to the comparison: every delivery is staged by this process, none published.

    A delivery does not see those before it: codes come from the layers that are published. Raises as
    `import_files` does, and a `BadFile` for readings, which have no versions to compare.
    """
    kept: list[Compared] = []
    try:
        reports = await _carried_out(db, paths, options, progress, kept)
    except BaseException:
        for one in kept:
            await discard(db, one.staged)
        raise
    if any(report.is_refused for report in reports):
        for one in kept:
            await discard(db, one.staged)
        kept.clear()
    return StagedImport(reports, kept)


async def _carried_out(
    db: Database,
    paths: Sequence[Path],
    options: ImportOptions,
    progress: Progress,
    kept: list[Compared] | None,
    rasters: Path | None = None,
) -> list[ImportReport]:
    loop = asyncio.get_running_loop()

    def tell(step: Step) -> None:
        loop.call_soon_threadsafe(progress, step)

    def passed_over(path: Path) -> None:
        tell(Step(str(path), "passed_over", 0, None))

    mending = parse_mendings([*ALWAYS, *options.mend])
    await sweep_stages(db)
    layers = {layer.id: layer for layer in await list_layers(db)} or {la.id: la for la in known_layers()}
    for path in paths:
        progress(Step(path.name, "opening", 0, None))
    opening = opened([Path(p) for p in paths], options, passed_over)
    sources = await asyncio.to_thread(opening.__enter__)
    try:
        sources = [await located(db, source, layers, options) for source in sources]
        deliveries = await asyncio.to_thread(plan, sources, layers, options)
        lasting = options.dry_run or kept is not None
        among = (
            Among(layers, asked(options), mending, lasting, within=options.within) if options.check else None
        )
        return await _all(db, deliveries, layers, options, progress, among, kept, rasters)
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)


async def _all(
    db: Database,
    deliveries: Sequence[Delivery],
    layers: dict[str, Layer],
    options: ImportOptions,
    progress: Progress,
    among: Among | None,
    kept: list[Compared] | None,
    rasters: Path | None,
) -> list[ImportReport]:
    reports: list[ImportReport] = []
    for delivery in deliveries:
        try:
            if delivery.kind == "readings":
                if kept is not None:
                    raise _not_staged(delivery.readings[0][0])
                made = [
                    await _store_readings(db, source, columns, layers, options, progress)
                    for source, columns in delivery.readings
                ]
            elif delivery.raster is not None:
                if kept is not None:
                    raise by_command_line(delivery.raster.source)
                part = on_top_of(delivery.raster, layers)
                made = [await deliver_raster(db, part, rasters, options, progress)]
            else:
                made = await deliver_layers(db, delivery, layers, options, progress, among, kept)
        except BadFile as error:
            error.facts["published"] = [r.layer_id for r in reports if r.state == "published"]
            raise
        reports += made
        if any(report.is_refused for report in made):
            break
        if not options.dry_run and kept is None:
            layers = {layer.id: layer for layer in await list_layers(db)}
            if among is not None:
                among.forget()
    return reports


def _not_staged(source: Source) -> BadFile:
    return BadFile(
        source.title,
        "这是监测数据，没有版本可比较；请以 POST /api/v1/readings 发送，或用命令行 onemap import 导入",
        "these are readings, which have no versions to compare; send them with POST /api/v1/readings, or "
        "bring the file with `onemap import`",
        found="readings",
        expected="rows of a layer",
    )


class _ReadingsStopped(Exception):
    """Ends the storing of readings of which nothing is to be kept."""


async def _store_readings(
    db: Database,
    source: Source,
    columns: ReadingColumns,
    layers: dict[str, Layer],
    options: ImportOptions,
    progress: Progress,
) -> ImportReport:
    """Stores one table of readings, all or nothing by the same rule as rows of layers."""
    begun = time.monotonic()
    codes = await _station_codes(db, layers.get("station"))
    counted = Counted()
    run_id = await begin_run(db, file_name=source.title, layer_id="reading", by=options.by)
    state: State = "stored"
    try:
        added = await add(
            db, _stopping(read_readings(source, columns, codes, counted), counted, options, progress, source)
        )
        counted.tally.count("reading.repeated", added.repeated)
    except _ReadingsStopped:
        state = "dry_run" if not counted.refused or options.allow_refused else "refused"
    except BaseException as error:
        fault = {"zh": error.zh, "en": error.en} if isinstance(error, OneMapError) else {}
        await end_run(db, run_id, "failed", {"fault": fault})
        raise
    report = _readings_report(source, columns, counted, state, time.monotonic() - begun, str(run_id))
    ended = {"stored": "published", "refused": "refused"}.get(state, "cancelled")
    await end_run(db, run_id, ended, report.to_json())  # type: ignore[arg-type]
    return report


async def _station_codes(db: Database, stations: Layer | None) -> set[str]:
    if stations is None or stations.version == 0:
        return set()
    return await keys(db, scope_for(SYSTEM, stations))


def _stopping(
    readings: Iterable[Reading], counted: Counted, options: ImportOptions, progress: Progress, source: Source
) -> Iterator[Reading]:
    """The readings; at the end stops the transaction if they must not be stored."""
    for number, reading in enumerate(readings, start=1):
        if number % 20_000 == 0:
            progress(Step(source.title, "reading", number, None))
        yield reading
    if counted.read == 0:
        raise EmptyFile(source.title, "没有数据行", "it holds no rows", found="0 rows", expected="rows")
    if options.dry_run or counted.kept == 0 or (counted.refused and not options.allow_refused):
        raise _ReadingsStopped
    progress(Step(source.title, "done", counted.kept, counted.kept))


def _readings_report(
    source: Source, columns: ReadingColumns, counted: Counted, state: State, seconds: float, run_id: str
) -> ImportReport:
    form = ("长表", "long form") if columns.kind is not None else ("宽表", "wide form")
    matched = {"station_code": columns.station, "observed_at": columns.time}
    matched |= {m.indicator.code: m.column for m in columns.measured}
    for name, column in (("indicator", columns.kind), ("value", columns.value), ("unit", columns.unit)):
        if column is not None:
            matched[name] = column
    return ImportReport(
        file=source.title,
        layer_id="reading",
        layer_title=READINGS,
        state=state,
        read=counted.read,
        kept=counted.kept,
        refused=counted.refused,
        counts=tuple(counted.tally.listed()),
        findings=tuple(f for found in counted.tally.findings.values() for f in found),
        details=counted.tally.details,
        recognised=Found(
            "reading", f"站点、时间与监测值列（{form[0]}）", f"station, time and values ({form[1]})"
        ),
        matched=matched,
        unmapped=tuple(n for n in source.schema.names if n not in columns.used),
        encoding=source.encoding,
        crs=None,
        route=None,
        difference=None,
        version=None,
        seconds=seconds,
        row_word=source.row_word,
        run_id=run_id,
    )
