"""An import as it travels: its state, what publishing it would do, and who has to agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.answers import Json
from api.context import Context
from api.raster_documents import raster_document
from layers.access import Viewer
from layers.import_runs import Run
from layers.raster_json import raster_from_json
from layers.reviews import ReviewRules, is_submitted, makers_of, review_rules


async def rules_of(context: Context) -> ReviewRules:
    """Of which layers another person is demanded than who imported."""
    return await review_rules(context.database, everywhere=context.settings.review)


async def told(context: Context, viewer: Viewer, run: Run, *, status_code: int = 200) -> Json:
    """The answer that tells `viewer` of the import."""
    document = import_document(run, viewer, await rules_of(context))
    return Json(document, status_code=status_code)


def import_document(run: Run, viewer: Viewer, rules: ReviewRules, *, whole: bool = True) -> Mapping[str, Any]:
    """An import as it travels; not `whole`: without its reports."""
    return {
        "id": str(run.id),
        "state": run.state,
        "files": run.file_name,
        "options": run.options,
        "look_first": run.look_first,
        "step": run.step,
        "rows_done": run.rows_done,
        "rows_total": run.rows_total,
        "cancel_asked": run.cancel_asked,
        "started_by": run.started_by,
        "sync": run.sync,
        "review": {
            "is_demanded": rules.hold_for(run),
            "is_submitted": is_submitted(run),
            "may_approve": viewer.name not in makers_of(run),
            "steps": run.reviews,
        },
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "revision": run.revision,
        "layers": [
            {
                "layer": told["layer"],
                "kind": told.get("kind", "rows"),
                "title": told["title"],
                "rows": told["count"],
                "version": told["base_version"],
                "added": told["difference"][0],
                "changed": told["difference"][1],
                "removed": told["difference"][2],
                "unchanged": told["difference"][3],
                "boxes": told["difference"][4],
                "readings": told.get("readings"),
                "raster": _raster_document(told),
            }
            for told in run.stages
        ],
        "versions": run.report.get("versions", {}),
        "stored": run.report.get("stored"),
        "fault": run.report.get("fault"),
        "reports": run.report.get("reports", []) if whole else [],
    }


def _raster_document(told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if told.get("kind") != "raster":
        return None
    raster = raster_from_json(told["raster"])
    return {**raster_document(raster), "replaces": told["replaces"], "size_bytes": raster.size_bytes}
