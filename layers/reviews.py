"""Review before release (审核发布): who imported does not publish, where the operator demands another person.

It is demanded of every layer (`ONEMAP_REVIEW`) or of single ones. An import that is staged is submitted, and
approved, which publishes it, or sent back with a reason; who did what, when and why stays with the import,
and with the versions that come of it. Who changes how an import is read takes part in it as who began it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.access import Viewer, require_other
from layers.catalogue import lock_layer
from layers.db import Database
from layers.errors import BadRequest, Conflict
from layers.import_runs import Run, lock_run, run_from_row, write, wrong_state

Action = Literal["read", "submitted", "sent_back", "approved"]
MOST_CHARACTERS = 1000


class ReviewRules(NamedTuple):
    """Of which layers another person is demanded: of all (`everywhere`), or of `layers`."""

    everywhere: bool
    layers: frozenset[str]

    def hold_for(self, run: Run) -> bool:
        """Whether what the run has staged may be published by another person only."""
        return self.everywhere or any(told["layer"] in self.layers for told in run.stages)


async def review_rules(db: Database, *, everywhere: bool) -> ReviewRules:
    """The rules as they stand."""
    async with db.connect() as connection:
        return await review_rules_in(connection, everywhere=everywhere)


async def review_rules_in(connection: AsyncConnection, *, everywhere: bool) -> ReviewRules:
    """As `review_rules`, as the transaction of `connection` sees them."""
    table = schema.layer
    found = await connection.scalars(select(table.c.id).where(table.c.needs_review))
    return ReviewRules(everywhere, frozenset(found))


async def demand_review(db: Database, layer_id: str, *, demanded: bool) -> None:
    """Demands another person for what is imported into a layer, or no longer. Raises `NotFound`."""
    async with db.begin() as connection:
        await lock_layer(connection, layer_id)
        table = schema.layer
        await connection.execute(update(table).where(table.c.id == layer_id).values(needs_review=demanded))


def is_submitted(run: Run) -> bool:
    """Whether the run waits for a reviewer."""
    return run.state == "staged" and bool(run.reviews) and run.reviews[-1]["action"] == "submitted"


def makers_of(run: Run) -> frozenset[str]:
    """Who took part in the import: began it, had it read otherwise, submitted it."""
    steps = (step["by"] for step in run.reviews if step["action"] in ("read", "submitted"))
    return frozenset((run.started_by, *steps))


async def submit(db: Database, run_id: uuid.UUID, *, by: str, note: str = "") -> Run:
    """Hands a staged run to a reviewer. Raises `Conflict` in any other state, or if it was submitted."""
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
        if run.state != "staged" or is_submitted(run):
            raise wrong_state(run, "submitted")
        return await write(connection, run_id, reviews=_with(run, "submitted", by, note))


async def send_back(db: Database, run_id: uuid.UUID, *, by: str, reason: str) -> Run:
    """Gives a submitted run back to who imported it; it stays staged. Raises `Conflict`, `BadRequest`."""
    if not reason.strip():
        raise BadRequest(
            "请说明退回的原因", "say why it is sent back", field="reason", value=reason, expected="a reason"
        )
    async with db.begin() as connection:
        run = await lock_run(connection, run_id)
        if not is_submitted(run):
            raise wrong_state(run, "sent back")
        return await write(connection, run_id, reviews=_with(run, "sent_back", by, reason))


def approved(run: Run, rules: ReviewRules, viewer: Viewer, note: str) -> Sequence[Mapping[str, Any]]:
    """The steps of a locked run that `viewer` publishes. Raises `Conflict` or `NotAllowed` if not.

    Where no other person is demanded, they may; what was submitted is approved by whoever publishes it.
    """
    if rules.hold_for(run):
        require_other(viewer, makers_of(run))
        if not is_submitted(run):
            raise Conflict(
                "该导入须先提交审核，再由他人发布",
                "this import has to be submitted first, and published by another person then",
                run=str(run.id),
            )
    return _with(run, "approved", viewer.name, note) if is_submitted(run) else run.reviews


def read_again(run: Run, by: str) -> Sequence[Mapping[str, Any]]:
    """The steps of a run that `by` has read otherwise: what was submitted is so no more."""
    if by == run.started_by and not is_submitted(run):
        return run.reviews
    return _with(run, "read", by, "")


def submission_note(run: Run) -> str:
    """What was said when the run was submitted."""
    notes = [str(step["note"]) for step in run.reviews if step["action"] == "submitted"]
    return notes[-1] if notes else ""


async def submitted_runs(db: Database, *, limit: int = 50) -> list[Run]:
    """The runs that wait for a reviewer, the oldest first."""
    table = schema.import_run
    last = table.c.reviews[-1]["action"].astext
    statement = select(table).where(table.c.state == "staged", last == "submitted")
    async with db.connect() as connection:
        found = await connection.execute(statement.order_by(table.c.started_at).limit(limit))
        return [run_from_row(row) for row in found.mappings()]


def _with(run: Run, action: Action, by: str, note: str) -> list[Mapping[str, Any]]:
    step = {
        "action": action,
        "by": by,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": note.strip()[:MOST_CHARACTERS],
    }
    return [*run.reviews, step]
