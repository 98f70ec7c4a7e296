"""The record of imports: what came in when, by whom, and how it ended. Nothing is decided by it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import func, insert, select, update

from layers import schema
from layers.db import Database

RunEnd = Literal["published", "unchanged", "refused", "failed", "cancelled"]

_table = schema.import_run


async def begin_run(db: Database, *, file_name: str, layer_id: str | None, by: str) -> uuid.UUID:
    """Records that an import has begun; its id."""
    run_id = uuid.uuid4()
    async with db.begin() as connection:
        await connection.execute(
            insert(_table).values(
                id=run_id, file_name=file_name, layer_id=layer_id, state="running", started_by=by
            )
        )
    return run_id


async def end_run(
    db: Database, run_id: uuid.UUID, state: RunEnd, report: Mapping[str, Any] | None = None
) -> None:
    """Records how an import ended."""
    async with db.begin() as connection:
        await connection.execute(
            update(_table)
            .where(_table.c.id == run_id)
            .values(state=state, ended_at=func.now(), report=dict(report or {}))
        )


async def list_runs(db: Database, *, limit: int = 50) -> list[dict[str, Any]]:
    """The newest imports first: id, layer_id, file_name, state, started_at, ended_at, started_by, report."""
    async with db.connect() as connection:
        found = await connection.execute(select(_table).order_by(_table.c.started_at.desc()).limit(limit))
        return [dict(row) for row in found.mappings()]
