"""One delivery carried out: staged, checked, and published in one transaction, or nothing at all.

What is to be published later is staged, checked and compared in the same way, and kept instead.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from gis.crs import CGCS2000, route_in_frame
from importers.again import Fingerprint, unchanged
from importers.check.among import Among
from importers.check.inspection import Inspection
from importers.check.model import CITY_MARGIN
from importers.check.report import CheckReport
from importers.errors import EmptyFile
from importers.geometry import Target
from importers.keys import SeenKeys
from importers.options import ImportOptions, Progress, Step
from importers.pipes import LINE, NODE, Nodes, lines_between, published_nodes
from importers.planning import Delivery, Part
from importers.prepare import Counted, Plan, batches
from importers.removal import read_marked, without_removed
from importers.report import ImportReport, State
from importers.source import Found
from layers.brought import Compared
from layers.catalogue import register
from layers.db import Database
from layers.errors import OneMapError
from layers.import_runs import RunEnd, begin_run, end_run
from layers.model import BoundingBox, Difference, Layer, Version
from layers.origins import origin_json
from layers.publish import Batch, Staged, discard, publish, stage
from layers.staged_runs import compare_stage

_T = TypeVar("_T")


class _RowsRefused(Exception):
    """Ends the staging of a delivery of which rows were refused and nobody allowed that."""


@dataclass
class _Work:
    """One part of a delivery on its way."""

    part: Part
    counted: Counted = field(default_factory=Counted)
    run_id: uuid.UUID | None = None
    seconds: float = 0.0
    gone: list[str] = field(default_factory=list)
    """Keys of the rows that say they are gone."""


@dataclass
class _Outcome:
    """What became of one layer of the delivery."""

    works: list[_Work]
    layer: Layer
    is_new: bool
    inspection: Inspection | None = None
    finishing: asyncio.Task[CheckReport] | None = None
    """The end of the check, which goes on in a thread while the rows are completed in the database."""
    check: CheckReport | None = None
    stopped_by: tuple[str, ...] = ()
    staged: Staged | None = None
    difference: Difference | None = None
    version: int | None = None
    state: State = "refused"


async def deliver_layers(
    db: Database,
    delivery: Delivery,
    layers: dict[str, Layer],
    options: ImportOptions,
    progress: Progress,
    among: Among | None,
    kept: list[Compared] | None = None,
) -> list[ImportReport]:
    """Stages and publishes the layers of `delivery`; one report per part, in the order of the parts.

    `among`: what the rows are checked among on their way; None for no check. With `kept` the stages are
    compared and added to it instead of being published, and the run is the caller's to record. Raises a
    `BadFile` or another error of ours if a file turns out to be unreadable half way; nothing is published
    then.
    """
    works = {id(part): _Work(part) for part in delivery.parts}
    if kept is not None or options.dry_run:
        return await _deliver(db, delivery, works, layers, options, progress, among, kept, None)
    made_of = Fingerprint(delivery, layers, options)
    try:
        if any(layer.version for part in delivery.parts if (layer := layers.get(part.layer.id)) is not None):
            same = await unchanged(db, delivery, await made_of.told())
            if same is not None:
                return [await _nothing_new(db, same, options, progress)]
        return await _deliver(db, delivery, works, layers, options, progress, among, None, made_of)
    finally:
        await made_of.ended()


async def _deliver(
    db: Database,
    delivery: Delivery,
    works: dict[int, _Work],
    layers: dict[str, Layer],
    options: ImportOptions,
    progress: Progress,
    among: Among | None,
    kept: list[Compared] | None,
    made_of: Fingerprint | None,
) -> list[ImportReport]:
    """As `deliver_layers`; `made_of`: what the delivery is by its bytes, kept with what is published."""
    if kept is None:
        for work in works.values():
            work.run_id = await begin_run(
                db, file_name=work.part.source.title, layer_id=work.part.layer.id, by=options.by
            )
    outcomes: list[_Outcome] = []
    try:
        nodes = Nodes()
        for layer_id, parts in delivery.by_layer().items():
            own = [works[id(part)] for part in parts]
            outcome = _Outcome(own, _widest([p.layer for p in parts]), is_new=layer_id not in layers)
            outcomes.append(outcome)
            if among is not None:
                lines = [part for part in delivery.parts if part.layer.id == LINE]
                outcome.inspection = await among.inspection(db, outcome.layer, lines)
            if any(part.needs_nodes for part in parts) and not len(nodes):
                nodes = await published_nodes(db, layers[NODE])
            outcome.staged = await _staged(db, outcome, nodes, layers, options, progress, made_of)
            if among is not None and outcome.inspection is not None:
                among.add(outcome.inspection)
            if layer_id == NODE and outcome.staged is None and not len(nodes):
                break
        await _finish(db, outcomes, options, progress, kept, made_of)
    except BaseException as error:
        await _abandon(db, outcomes, works.values(), error)
        raise
    reports = []
    for outcome in outcomes:
        for work in outcome.works:
            reports.append(_report(work, outcome))
            await _close_run(db, work, reports[-1])
    for work in works.values():
        if all(work not in outcome.works for outcome in outcomes) and work.run_id is not None:
            await end_run(db, work.run_id, "cancelled")
    return reports


async def _nothing_new(
    db: Database, report: ImportReport, options: ImportOptions, progress: Progress
) -> ImportReport:
    """Records a delivery that is byte for byte what made the version that stands."""
    run_id = await begin_run(db, file_name=report.file, layer_id=report.layer_id, by=options.by)
    report = replace(report, run_id=str(run_id))
    await end_run(db, run_id, "unchanged", report.to_json())
    progress(Step(report.file, "done", report.read, report.read))
    return report


async def _staged(
    db: Database,
    outcome: _Outcome,
    nodes: Nodes,
    layers: dict[str, Layer],
    options: ImportOptions,
    progress: Progress,
    made_of: Fingerprint | None,
) -> Staged | None:
    """The stage of one layer; None if rows were refused or errors found that nobody allowed to be."""
    stream = _stream(outcome, nodes, layers, options, progress, made_of)
    staged: Staged | None = None
    try:
        staged = await stage(db, outcome.layer, stream)
    except _RowsRefused:
        pass
    finally:
        if outcome.finishing is not None:
            # a thread cannot be interrupted; nothing may be let go of before it has ended
            await asyncio.wait({outcome.finishing})
    if outcome.finishing is not None:
        outcome.check = outcome.finishing.result()
    gone = tuple(key for work in outcome.works for key in work.gone)
    if outcome.inspection is not None and not options.allow_refused:
        outcome.stopped_by = tuple(outcome.inspection.late)
    if staged is None:
        return None
    if outcome.stopped_by or (staged.count == 0 and not gone):
        await discard(db, staged)
        return None
    return replace(staged, removes=gone)


async def _stream(
    outcome: _Outcome,
    nodes: Nodes,
    layers: dict[str, Layer],
    options: ImportOptions,
    progress: Progress,
    made_of: Fingerprint | None,
) -> AsyncIterator[Batch]:
    """The batches of all parts of a layer, prepared in a thread one ahead of the copying."""
    seen = SeenKeys()
    for work in outcome.works:
        begun = time.monotonic()
        plan = plan_of(work.part, outcome.layer, nodes, layers, options, outcome.inspection, work.gone)
        source, counted = plan.source, work.counted
        if len(outcome.works) > 1:
            plan = plan._replace(file=source.title)
        async for batch in _ahead(batches(plan, counted, seen)):
            if plan.layer.id == NODE:
                nodes.add_batch(batch)
            work.seconds = time.monotonic() - begun
            progress(Step(source.title, "reading", counted.read, source.count))
            if not counted.refused or options.allow_refused:
                yield batch
        if counted.read == 0 and not work.gone:
            raise EmptyFile(source.title, "没有数据行", "it holds no rows", found="0 rows", expected="rows")
        work.seconds = time.monotonic() - begun
        progress(Step(source.title, "reading", counted.read, counted.read))
    if made_of is not None:
        made_of.begin()
    if outcome.inspection is not None:
        rows = sum(work.counted.read for work in outcome.works)
        progress(Step(source.title, "checking", rows, rows))
        files = "、".join(work.part.source.title for work in outcome.works)
        outcome.finishing = asyncio.create_task(asyncio.to_thread(outcome.inspection.finish, files))
    if not options.allow_refused and any(work.counted.refused for work in outcome.works):
        raise _RowsRefused


def plan_of(
    part: Part,
    layer: Layer,
    nodes: Nodes,
    layers: dict[str, Layer],
    options: ImportOptions,
    inspection: Inspection | None,
    gone: list[str],
) -> Plan:
    """What is to be done to the rows of a part; raises `MissingPart` for lines whose points are nowhere.

    `gone` hears the keys of rows that are marked as removed.
    """
    source = part.source
    if part.needs_nodes:
        origin = Found("", "端点取自管点", "ends taken from the pipe points")
        source = lines_between(source, part.matching, nodes, origin)
    assert source.crs is not None
    crs = source.crs
    if options.removes is not None:
        marked = read_marked(options.removes)
        source = without_removed(source, layer, part.matching, marked, gone)
    city = None if options.anywhere else _city(layer, layers)
    frame = None if part.needs_nodes else options.of(source.title).frame
    target = Target(crs, layer.geometry_type, frame, city)
    return Plan(source, layer, part.matching, target, inspection)


def _city(layer: Layer, layers: dict[str, Layer]) -> BoundingBox | None:
    """Where rows of a known layer may lie: round the published districts; None if there are none yet."""
    district = layers.get("district")
    if not layer.known or layer.id == "district" or district is None or district.bounds is None:
        return None
    west, south, east, north = district.bounds
    return BoundingBox(west - CITY_MARGIN, south - CITY_MARGIN, east + CITY_MARGIN, north + CITY_MARGIN)


async def _ahead(items: Iterator[_T]) -> AsyncIterator[_T]:
    """The items of a plain iterator, the next one being made in a thread while the last is used."""
    end = object()

    def following() -> _T | object:
        return next(items, end)

    coming = asyncio.create_task(asyncio.to_thread(following))
    try:
        while True:
            # Shielded: who is cancelled here must still know when the thread has ended.
            item = await asyncio.shield(coming)
            if item is end:
                return
            coming = asyncio.create_task(asyncio.to_thread(following))
            yield item  # type: ignore[misc]  # not `end`: an item of the iterator
    finally:
        # a thread cannot be interrupted; the iterator may be closed only after it
        await asyncio.gather(coming, return_exceptions=True)
        close = getattr(items, "close", None)
        if close is not None:
            close()


async def _finish(
    db: Database,
    outcomes: list[_Outcome],
    options: ImportOptions,
    progress: Progress,
    kept: list[Compared] | None,
    made_of: Fingerprint | None,
) -> None:
    """Publishes the stages, or compares them only, or lets them go because rows were refused."""
    stages = [o.staged for o in outcomes if o.staged is not None]
    if len(stages) < len(outcomes):
        for staged in stages:
            await discard(db, staged)
        return
    file = outcomes[0].works[0].part.source.title
    total = sum(s.count for s in stages)
    if options.dry_run or kept is not None:
        progress(Step(file, "comparing", 0, total))
        await _compare(db, outcomes, options, kept)
        return
    progress(Step(file, "publishing", 0, total))
    for outcome in outcomes:
        outcome.layer = await register(db, outcome.layer)
    told = None if made_of is None else await made_of.told()
    versions = await publish(
        db,
        stages,
        by=options.by,
        note=options.note,
        report=_record(outcomes) | {"fingerprint": told},
        partial=options.partial,
        within=options.within,
    )
    made = {version.layer_id: version for version in versions}
    for outcome in outcomes:
        _conclude(outcome, made.get(outcome.layer.id))
    progress(Step(file, "done", total, total))


async def _compare(
    db: Database, outcomes: list[_Outcome], options: ImportOptions, kept: list[Compared] | None
) -> None:
    """Compares the stages with what stands; keeps them in `kept`, or lets them go."""
    compared = []
    for outcome in outcomes:
        assert outcome.staged is not None
        compared.append(
            await compare_stage(db, outcome.staged, partial=options.partial, report={}, within=options.within)
        )
        outcome.difference = compared[-1].difference
        outcome.state = "dry_run" if kept is None else "staged"
    for one in compared:
        if kept is None:
            await discard(db, one.staged)
        else:
            kept.append(replace(one, report=_record(outcomes)))


def _record(outcomes: list[_Outcome]) -> dict[str, Any]:
    """What is kept with the versions that come of the delivery."""
    drafts = [_report(work, outcome) for outcome in outcomes for work in outcome.works]
    return drafts[0].to_json() | {
        "parts": [draft.to_json() for draft in drafts],
        "origins": {outcome.layer.id: _origins(outcome, outcomes) for outcome in outcomes},
    }


def _origins(outcome: _Outcome, outcomes: Sequence[_Outcome]) -> list[dict[str, Any]]:
    """How the coordinates of a layer's rows came to be; lines between points have those of the points."""
    takes_ends = any(work.part.needs_nodes for work in outcome.works)
    points = [one for one in outcomes if takes_ends and one.layer.id == NODE]
    found = [_report(work, one).origin for one in points or [outcome] for work in one.works]
    return [origin_json(origin) for origin in dict.fromkeys(found) if origin is not None]


def _conclude(outcome: _Outcome, version: Version | None) -> None:
    assert outcome.staged is not None
    count = outcome.staged.count
    if version is None:
        outcome.state, outcome.version = "unchanged", outcome.layer.version
        outcome.difference = Difference(0, 0, 0, count)
        return
    outcome.state, outcome.version = "published", version.number
    unchanged = count - version.added - version.changed
    outcome.difference = Difference(version.added, version.changed, version.removed, unchanged, version.boxes)


def _widest(layers: Sequence[Layer]) -> Layer:
    """The description with the most fields; parts of one own layer may each have added some."""
    return max(layers, key=lambda layer: len(layer.fields))


def _report(work: _Work, outcome: _Outcome) -> ImportReport:
    part, counted = work.part, work.counted
    source = part.source
    crs_found = source.crs_found
    if part.needs_nodes:
        crs_found = Found("EPSG:4490", "端点取自管点", "ends taken from the pipe points")
    crs = CGCS2000 if part.needs_nodes else source.crs
    return ImportReport(
        file=source.title,
        layer_id=outcome.layer.id,
        layer_title=outcome.layer.title,
        state=outcome.state,
        read=counted.read,
        kept=counted.kept,
        refused=counted.refused,
        counts=tuple(counted.tally.listed()),
        findings=tuple(f for found in counted.tally.findings.values() for f in found),
        details=counted.tally.details,
        recognised=part.recognised,
        matched=part.matching.by_field,
        unmapped=part.matching.unmapped,
        encoding=source.encoding,
        crs=crs_found,
        route=None if crs is None else source.route or route_in_frame(crs, source.frame),
        crs_assumed=source.crs_assumed,
        difference=outcome.difference,
        version=outcome.version,
        seconds=work.seconds,
        row_word=source.row_word,
        run_id=None if work.run_id is None else str(work.run_id),
        is_new_layer=outcome.is_new,
        check=outcome.check if work is outcome.works[0] else None,
        stopped_by=outcome.stopped_by,
    )


async def _close_run(db: Database, work: _Work, report: ImportReport) -> None:
    ends: dict[State, RunEnd] = {
        "published": "published",
        "stored": "published",
        "unchanged": "unchanged",
        "refused": "refused",
        "dry_run": "cancelled",
        "staged": "cancelled",
    }
    if work.run_id is not None:
        await end_run(db, work.run_id, ends[report.state], report.to_json())


async def _abandon(
    db: Database, outcomes: Sequence[_Outcome], works: Iterable[_Work], error: BaseException
) -> None:
    """Lets go of what was staged and records why; never hides `error`."""
    cancelled = isinstance(error, (asyncio.CancelledError, KeyboardInterrupt))
    fault = (
        {"zh": error.zh, "en": error.en} if isinstance(error, OneMapError) else {"en": type(error).__name__}
    )
    try:
        for outcome in outcomes:
            if outcome.staged is not None:
                await discard(db, outcome.staged)
        for work in works:
            if work.run_id is not None:
                await end_run(db, work.run_id, "cancelled" if cancelled else "failed", {"fault": fault})
    except OneMapError:
        # the database is away: the run stays `running`, its stage is swept later
        return
