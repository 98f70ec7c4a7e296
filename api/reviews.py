"""Review before release: staged imports that were submitted, sent back with a reason, or approved.

Approving is publishing (`POST /api/v1/imports/{import_id}/publish`), by another person than who imported.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.answers import Json
from api.context import ContextDep
from api.documents import ImportDocument, ImportsDocument
from api.import_answers import import_document, rules_of, told
from api.imports import ImportId
from api.session import PublisherDep
from layers import reviews
from layers.import_runs import get_run, may_see
from layers.reviews import MOST_CHARACTERS

router = APIRouter(tags=["imports"], prefix="/api/v1")


class Submission(BaseModel):
    """What the reviewer should know; it becomes the versions' note."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=MOST_CHARACTERS, description="说明 What for")] = ""


class SentBack(BaseModel):
    """Why it is not approved."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=MOST_CHARACTERS, description="退回的原因 Why")]


@router.get("/reviews", response_model=ImportsDocument)
async def list_reviews(context: ContextDep, viewer: PublisherDep) -> Json:
    """The imports that wait for a reviewer, the oldest first, at most 50 (publishers)."""
    rules = await rules_of(context)
    runs = [run for run in await reviews.submitted_runs(context.database) if may_see(viewer, run)]
    return Json({"imports": [import_document(run, viewer, rules, whole=False) for run in runs], "next": None})


@router.post("/imports/{import_id}/submit", response_model=ImportDocument)
async def submit_import(
    import_id: ImportId, wanted: Submission, context: ContextDep, viewer: PublisherDep
) -> Json:
    """Submits a staged import to a reviewer (publishers)."""
    await get_run(context.database, import_id, viewer)
    run = await reviews.submit(context.database, import_id, by=viewer.name, note=wanted.note)
    return await told(context, viewer, run)


@router.post("/imports/{import_id}/send-back", response_model=ImportDocument)
async def send_back_import(
    import_id: ImportId, wanted: SentBack, context: ContextDep, viewer: PublisherDep
) -> Json:
    """Gives a submitted import back to who imported it, with a reason; it stays staged (publishers)."""
    await get_run(context.database, import_id, viewer)
    run = await reviews.send_back(context.database, import_id, by=viewer.name, reason=wanted.reason)
    return await told(context, viewer, run)
