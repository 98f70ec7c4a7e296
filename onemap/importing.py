"""`onemap import`: files in, reports out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from importers.options import ImportOptions
from importers.report import ImportReport
from importers.run import import_files
from layers.db import Database
from onemap import serve
from onemap.settings import Settings
from onemap.terminal import Bars, language, out


def run(settings: Settings, paths: Sequence[Path], options: Mapping[str, Any], report: Path | None) -> bool:
    """Imports `paths`; False if anything was refused. Prints and writes the reports."""
    with serve.database(settings) as url:
        said = ImportOptions(**options, systems=settings.local_systems_file)
        reports = asyncio.run(_import(url, paths, said, settings.rasters))
    for one in reports:
        out.print(one.text(language()), markup=False)
    if report is not None:
        report.write_text(json.dumps([one.to_json() for one in reports], ensure_ascii=False, indent=1))
    return not any(one.is_refused for one in reports)


async def _import(
    url: str, paths: Sequence[Path], options: ImportOptions, rasters: Path
) -> list[ImportReport]:
    async with Database(url) as database:
        with Bars() as bars:
            return await import_files(database, paths, options, bars.importing, rasters)
