"""The check reports of an import, kept beside its run in the database for whoever asks over HTTP."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import Iterator, Sequence

import shapely

from importers.check.excel import write_workbook
from importers.check.report import CheckReport
from importers.report import ImportReport
from layers.db import Database
from layers.import_findings import KeptFinding, keep_findings


async def keep_check(db: Database, run_id: uuid.UUID, reports: Sequence[ImportReport]) -> None:
    """Keeps findings and workbook of an import's reports; nothing for an import without a check."""
    checks = [report.check for report in reports if report.check is not None]
    if not checks:
        return
    findings, workbook = await asyncio.to_thread(_told, checks)
    await keep_findings(db, run_id, findings, workbook)


def _told(checks: Sequence[CheckReport]) -> tuple[list[KeptFinding], bytes]:
    file = io.BytesIO()
    write_workbook(file, checks)
    return [finding for check in checks for finding in _kept(check)], file.getvalue()


def _kept(check: CheckReport) -> Iterator[KeptFinding]:
    severities = {tally.rule.id: tally.rule.severity for tally in check.tallies}
    for found in check.findings:
        shape = None if found.geometry is None else shapely.to_geojson(shapely.from_wkb(found.geometry))
        yield KeptFinding(
            layer=check.layer_id,
            rule=found.rule,
            severity=severities[found.rule],
            file=found.file or check.file,
            row=found.row,
            key=found.key,
            field=found.field,
            value=found.value,
            zh=found.zh,
            en=found.en,
            geometry=shape,
        )
