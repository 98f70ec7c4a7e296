"""What the quality check found in an import's files, kept beside its run: page by page, and as a workbook.

The findings are written by whoever read the files, once; reading them again replaces them.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, insert, select

from layers import schema
from layers.db import Database
from layers.filters import check_number

Severity = Literal["error", "warning", "info"]
MAX_LIMIT = 1_000
"""Most findings of one page."""
MOST_PLACES = 20_000
"""Most findings of one map."""
KEPT = timedelta(days=90)
"""How long findings are kept after their import has ended."""
_AT_ONCE = 5_000

_table = schema.import_finding
_workbooks = schema.import_workbook


class KeptFinding(NamedTuple):
    """A rule broken at one place. `row` as a person counts it in `file`, None where no row is to blame.

    `geometry`: GeoJSON text, EPSG:4490, longitude first; None for a finding without a place.
    """

    layer: str
    rule: str
    severity: Severity
    file: str
    row: int | None
    key: str | None
    field: str | None
    value: str | None
    zh: str
    en: str
    geometry: str | None


@dataclass(frozen=True)
class FindingsPage:
    """Some findings with their numbers; `kept`: how many there are of the kind that was asked for."""

    findings: tuple[tuple[int, KeptFinding], ...]
    kept: int


async def keep_findings(
    db: Database, run_id: uuid.UUID, findings: Sequence[KeptFinding], workbook: bytes | None
) -> None:
    """Puts `findings` and the report as a workbook in the place of those the run has."""
    rows = [
        {"run_id": run_id, "number": number, **_storable(finding)}
        for number, finding in enumerate(findings, start=1)
    ]
    async with db.begin(timeout_ms=0) as connection:
        await connection.execute(delete(_table).where(_table.c.run_id == run_id))
        await connection.execute(delete(_workbooks).where(_workbooks.c.run_id == run_id))
        for start in range(0, len(rows), _AT_ONCE):
            await connection.execute(insert(_table), rows[start : start + _AT_ONCE])
        if workbook is not None:
            await connection.execute(insert(_workbooks).values(run_id=run_id, content=workbook))


async def findings_of(
    db: Database,
    run_id: uuid.UUID,
    *,
    layer: str | None = None,
    rule: str | None = None,
    severity: Severity | None = None,
    limit: int = 100,
    after: int = 0,
) -> FindingsPage:
    """Findings in the order of layer, rule and row, from the one after number `after`; at most `limit`."""
    check_number("limit", limit, 1, MAX_LIMIT)
    return await _page(db, _wanted(run_id, layer, rule, severity), _table.c.number > after, limit)


async def placed_findings(
    db: Database,
    run_id: uuid.UUID,
    *,
    layer: str | None = None,
    rule: str | None = None,
    severity: Severity | None = None,
    limit: int = 5_000,
) -> FindingsPage:
    """The first findings that have a place; `kept` counts those without one too."""
    check_number("limit", limit, 1, MOST_PLACES)
    return await _page(db, _wanted(run_id, layer, rule, severity), _table.c.geometry.is_not(None), limit)


async def workbook_of(db: Database, run_id: uuid.UUID) -> bytes | None:
    """The report of the run as a workbook; None if it has none."""
    async with db.connect() as connection:
        found: bytes | None = await connection.scalar(
            select(_workbooks.c.content).where(_workbooks.c.run_id == run_id)
        )
    return found


async def sweep_findings(db: Database) -> int:
    """Removes what was found in imports that ended longer than `KEPT` ago; how many findings went."""
    runs = schema.import_run
    old = select(runs.c.id).where(runs.c.ended_at < func.now() - KEPT)
    async with db.begin(timeout_ms=0) as connection:
        gone = await connection.execute(delete(_table).where(_table.c.run_id.in_(old)))
        await connection.execute(delete(_workbooks).where(_workbooks.c.run_id.in_(old)))
    return int(gone.rowcount)


def _wanted(
    run_id: uuid.UUID, layer: str | None, rule: str | None, severity: Severity | None
) -> ColumnElement[bool]:
    said = {_table.c.layer: layer, _table.c.rule: rule, _table.c.severity: severity}
    return and_(
        _table.c.run_id == run_id, *(c == _plain(value) for c, value in said.items() if value is not None)
    )


async def _page(
    db: Database, wanted: ColumnElement[bool], here: ColumnElement[bool], limit: int
) -> FindingsPage:
    columns = [_table.c[name] for name in KeptFinding._fields]
    statement = select(_table.c.number, *columns).where(wanted, here).order_by(_table.c.number).limit(limit)
    async with db.connect() as connection:
        kept = await connection.scalar(select(func.count()).select_from(_table).where(wanted))
        found = (await connection.execute(statement)).all()
    return FindingsPage(tuple((row[0], KeptFinding(*row[1:])) for row in found), int(kept or 0))


def _storable(finding: KeptFinding) -> dict[str, Any]:
    return {
        name: _plain(value) if isinstance(value, str) else value for name, value in finding._asdict().items()
    }


def _plain(text: str) -> str:
    """Without what PostgreSQL cannot hold in a text: NUL and lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
