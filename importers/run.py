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
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from importers.by_code import located
from importers.check.among import Among, asked
from importers.deliver import deliver_layers
from importers.deliver_raster import deliver_raster, on_top_of, stage_raster
from importers.deliver_readings import deliver_readings
from importers.errors import BadFile
from importers.opening import opened
from importers.options import ImportOptions, Progress, Step, silent
from importers.planning import Delivery, plan
from importers.report import ImportReport
from layers.brought import Brought, RasterPlace
from layers.catalogue import known_layers, list_layers
from layers.db import Database
from layers.mendings import ALWAYS, parse_mendings
from layers.model import Layer
from layers.publish import sweep_stages


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
    """What came of files that are to be published later: nothing `brought` if any report is refused."""

    reports: list[ImportReport]
    brought: Brought


async def stage_files(
    db: Database,
    paths: Sequence[Path],
    options: ImportOptions,
    progress: Progress,
    files: RasterPlace | None = None,
) -> StagedImport:
    """As `import_files`, up to the comparison: every delivery is staged by this process, none published.

    A delivery does not see those before it: codes come from the layers that are published; readings alone see
    the stations that come with them. Rasters become files at `files`; without it they are refused. Raises as
    `import_files` does.
    """
    brought = Brought(files=files)
    try:
        reports = await _carried_out(db, paths, options, progress, brought)
    except BaseException:
        await brought.drop(db)
        raise
    if any(report.is_refused for report in reports):
        await brought.drop(db)
    return StagedImport(reports, brought)


async def _carried_out(
    db: Database,
    paths: Sequence[Path],
    options: ImportOptions,
    progress: Progress,
    brought: Brought | None,
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
        lasting = options.dry_run or brought is not None
        among = (
            Among(layers, asked(options), mending, lasting, within=options.within) if options.check else None
        )
        return await _all(db, deliveries, layers, options, progress, among, brought, rasters)
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)


async def _all(
    db: Database,
    deliveries: Sequence[Delivery],
    layers: dict[str, Layer],
    options: ImportOptions,
    progress: Progress,
    among: Among | None,
    brought: Brought | None,
    rasters: Path | None,
) -> list[ImportReport]:
    reports: list[ImportReport] = []
    for delivery in deliveries:
        try:
            if delivery.kind == "readings":
                made = await deliver_readings(db, delivery, layers, options, progress, brought)
            elif delivery.raster is not None:
                part = on_top_of(delivery.raster, layers)
                if brought is not None:
                    made = [await stage_raster(db, part, brought, progress)]
                    layers = {**layers, part.layer.id: part.layer}
                else:
                    made = [await deliver_raster(db, part, rasters, options, progress)]
            else:
                kept = None if brought is None else brought.rows
                made = await deliver_layers(db, delivery, layers, options, progress, among, kept)
        except BadFile as error:
            error.facts["published"] = [r.layer_id for r in reports if r.state == "published"]
            raise
        reports += made
        if any(report.is_refused for report in made):
            break
        if not options.dry_run and brought is None:
            layers = {layer.id: layer for layer in await list_layers(db)}
            if among is not None:
                among.forget()
    return reports
