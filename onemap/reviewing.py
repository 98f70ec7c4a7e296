"""Review before release at the command line, as the operator."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from rich.table import Table

from layers import reviews
from layers.access import SYSTEM
from layers.brought import brought_by
from layers.db import Database
from layers.import_runs import Run, get_run
from layers.reviews import ReviewRules
from layers.staged_readings import READINGS
from layers.staged_runs import publish_run
from onemap.administration import OPERATOR, heads, with_database
from onemap.settings import Settings
from onemap.terminal import out, say

REVIEWER = replace(SYSTEM, name=OPERATOR)


def print_waiting(settings: Settings) -> None:
    """A table of the imports that wait, and which layers demand another person."""

    async def ask(db: Database) -> tuple[list[Run], ReviewRules]:
        rules = await reviews.review_rules(db, everywhere=settings.review == "other")
        return await reviews.submitted_runs(db), rules

    runs, rules = with_database(settings, ask)
    table = Table()
    # The id is what `approve` is told: it is shown whole however narrow the terminal is.
    table.add_column(say("导入", "import"), no_wrap=True, min_width=len(str(UUID(int=0))))
    for head in heads(("文件", "files"), ("图层", "layers"), ("提交人", "by"), ("说明", "note")):
        table.add_column(head, overflow="fold")
    for run in runs:
        layers = ", ".join(told["layer"] for told in run.stages)
        table.add_row(str(run.id), run.file_name, layers, run.reviews[-1]["by"], reviews.submission_note(run))
    out.print(table)
    named = say("所有图层", "all layers") if rules.everywhere else ", ".join(sorted(rules.layers))
    out.print(
        say(f"须由他人审核：{named or '无'}", f"another person is demanded for: {named or 'none'}"),
        markup=False,
    )


def approve(settings: Settings, import_id: UUID, note: str) -> None:
    """Publishes a submitted import. Raises as `layers.staged_runs.publish_run`."""

    async def publish(db: Database) -> Run:
        run = await get_run(db, import_id)
        brought = brought_by(run)
        seen = {one.staged.layer.id: one.base_version for one in brought.rows}
        seen |= {one.layer.id: one.base_version for one in brought.rasters}
        if brought.readings is not None:
            seen[READINGS] = 0
        return await publish_run(
            db, import_id, REVIEWER, seen=seen, note=note, rasters=settings.rasters,
            review=settings.review == "other",
        )  # fmt: skip

    run = with_database(settings, publish)
    versions = ", ".join(f"{layer} → {number}" for layer, number in run.report["versions"].items())
    out.print(say(f"已发布：{versions}", f"published: {versions}"), markup=False)


def send_back(settings: Settings, import_id: UUID, reason: str) -> None:
    """Gives a submitted import back. Raises `NotFound`, `Conflict`, `BadRequest`."""
    with_database(settings, lambda db: reviews.send_back(db, import_id, by=OPERATOR, reason=reason))
    out.print(say("已退回", "sent back"))


def demand(settings: Settings, layer_id: str, *, demanded: bool) -> None:
    """Demands another person for a layer, or no longer. Raises `NotFound`."""
    with_database(settings, lambda db: reviews.demand_review(db, layer_id, demanded=demanded))
    out.print(
        say(
            f"{layer_id} 须由导入人以外的人审核发布",
            f"{layer_id} is published by another person than imports",
        )
        if demanded
        else say(f"{layer_id} 不再要求他人审核", f"{layer_id} is published by whoever may"),
        markup=False,
    )
