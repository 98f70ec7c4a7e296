"""Syncs: imports that a timetable begins; made, looked at, asked for, paused and forgotten.

Everything here is for publishers; one who is limited to districts knows of their own syncs only. The worker
carries them out, never this process.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.answers import Json, text
from api.context import Context, ContextDep
from api.imports import Options
from api.session import PublisherDep
from api.sync_documents import SyncDocument, SyncRunsDocument, SyncsDocument
from layers import sync_runs, sync_settle, syncs
from layers.access import Viewer, may_change_own
from layers.sync_runs import SyncRun
from layers.sync_source import SyncKind
from layers.syncs import MOST_PERCENT, Draft, Policy, Sync
from layers.timetable import timetable

router = APIRouter(tags=["imports"], prefix="/api/v1/syncs")

Name = Annotated[str, Path(description="同步名称 Name of the sync", max_length=100)]
Percent = Annotated[
    float | None, Field(ge=0, le=100, description="占图层行数的百分比；null 为不限 null: any")
]
Words = Annotated[
    str, Field(max_length=200, description="every 15 min、daily 02:30 或 cron", examples=["30 2 * * *"])
]
Title = Annotated[str, Field(max_length=200)]


class SourceBody(BaseModel):
    """Where the rows come from; which of these, is the kind's."""

    model_config = ConfigDict(extra="forbid", title="SyncSource")

    path: Annotated[str | None, Field(max_length=1000, description="同步文件夹中的路径 In the folder")] = None
    newest: Annotated[bool, Field(description="只取最新的文件 Of several the one changed last")] = False
    table: Annotated[str | None, Field(max_length=130, description="模式.表名 Schema.table")] = None
    key: Annotated[str | None, Field(max_length=63)] = None
    geometry: Annotated[str | None, Field(max_length=63)] = None
    srid: Annotated[int | None, Field(ge=1, le=999_999)] = None
    layer: Annotated[str | None, Field(max_length=48, description="登记的图层 Registered layer")] = None


class NewSync(BaseModel):
    """A sync; it acts with the rights of whoever makes it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=48, examples=["buildings"])]
    title: Title = ""
    kind: SyncKind = "files"
    source: SourceBody
    options: Options = Options()
    timetable: Words
    policy: Policy = "publish"
    most_removed: Percent = MOST_PERCENT
    most_changed: Percent = MOST_PERCENT


class ChangedSync(BaseModel):
    """What of a sync is to be otherwise; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    source: SourceBody | None = None
    options: Options | None = None
    timetable: Words | None = None
    policy: Policy | None = None
    most_removed: Percent = None
    most_changed: Percent = None
    is_paused: bool | None = None


class Asked(BaseModel):
    """How it is to run now."""

    model_config = ConfigDict(extra="forbid")

    again: Annotated[bool, Field(description="未变化也重新读取 Also if its source is unchanged")] = False


@router.get("", response_model=SyncsDocument)
async def list_syncs(context: ContextDep, viewer: PublisherDep) -> Json:
    """The syncs the caller may know of, each with its last run and its next moments (publishers)."""
    found = await syncs.list_syncs(context.database, viewer)
    news = await _News.of(context)
    return Json({"syncs": [_document(one, viewer, news) for one in found]})


@router.post("", response_model=SyncDocument, status_code=201)
async def make_sync(wanted: NewSync, context: ContextDep, viewer: PublisherDep) -> Json:
    """Has a file, folder, table or registered layer imported by a timetable (publishers; tables: admins)."""
    draft = Draft(
        wanted.name,
        wanted.kind,
        _source(wanted.source),
        wanted.timetable,
        wanted.title,
        wanted.options.model_dump(exclude_defaults=True),
        wanted.policy,
        wanted.most_removed,
        wanted.most_changed,
    )
    folder = context.settings.sync_folder
    made = await syncs.add_sync(context.database, draft, viewer, folder=folder, now=_now())
    return await _told(context, viewer, made, status_code=201)


@router.get("/{name}", response_model=SyncDocument)
async def get_sync(name: Name, context: ContextDep, viewer: PublisherDep) -> Json:
    """One sync (publishers)."""
    return await _told(context, viewer, await syncs.get_sync(context.database, name, viewer))


@router.patch("/{name}", response_model=SyncDocument)
async def change_sync(name: Name, wanted: ChangedSync, context: ContextDep, viewer: PublisherDep) -> Json:
    """Changes a sync, pauses it or lets it go on (its owner and admins)."""
    said = wanted.model_fields_set - {"is_paused", "source", "options"}
    changes: dict[str, Any] = {field: getattr(wanted, field) for field in said}
    for field in ("title", "timetable", "policy"):
        if changes.get(field, "") is None:
            del changes[field]
    if wanted.source is not None:
        changes["source"] = _source(wanted.source)
    if wanted.options is not None:
        changes["options"] = wanted.options.model_dump(exclude_defaults=True)
    found = await syncs.get_sync(context.database, name, viewer)
    if changes:
        found = await syncs.change_sync(
            context.database, name, changes, viewer, folder=context.settings.sync_folder, now=_now()
        )
    if wanted.is_paused is not None:
        found = await syncs.pause_sync(context.database, name, viewer, paused=wanted.is_paused, now=_now())
    return await _told(context, viewer, found)


@router.delete("/{name}", status_code=204, response_class=Response)
async def forget_sync(name: Name, context: ContextDep, viewer: PublisherDep) -> Response:
    """Forgets a sync; what it imported stays (its owner and admins)."""
    await syncs.remove_sync(context.database, name, viewer)
    return Response(status_code=204)


@router.post("/{name}/run", response_model=SyncDocument, status_code=202)
async def run_sync(
    name: Name, context: ContextDep, viewer: PublisherDep, wanted: Asked | None = None
) -> Json:
    """Has the worker run it now, paused or not (its owner and admins)."""
    again = wanted is not None and wanted.again
    found = await syncs.ask_for_run(context.database, name, viewer, again=again)
    return await _told(context, viewer, found, status_code=202)


@router.get("/{name}/runs", response_model=SyncRunsDocument)
async def list_runs(
    name: Name,
    context: ContextDep,
    viewer: PublisherDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Json:
    """The latest runs of a sync, newest first (publishers)."""
    await syncs.get_sync(context.database, name, viewer)
    found = await sync_runs.list_sync_runs(context.database, name, limit=limit)
    return Json({"runs": [_run(run) for run in found]})


_MOMENT = timedelta(microseconds=1)


class _News(NamedTuple):
    """What happened to the syncs, by their names."""

    latest: Mapping[str, SyncRun]
    waiting: Mapping[str, UUID]
    late: Set[str]

    @classmethod
    async def of(cls, context: Context) -> _News:
        return cls(
            await sync_runs.latest_runs(context.database),
            await sync_settle.imports_waiting(context.database),
            await sync_runs.late_syncs(context.database, _now()),
        )


async def _told(context: Context, viewer: Viewer, found: Sync, status_code: int = 200) -> Json:
    return Json(_document(found, viewer, await _News.of(context)), status_code=status_code)


def _now() -> datetime:
    return datetime.now(UTC)


def _source(body: SourceBody) -> Mapping[str, Any]:
    return body.model_dump(exclude_defaults=True)


def _document(one: Sync, viewer: Viewer, news: _News) -> Mapping[str, Any]:
    last, waiting = news.latest.get(one.name), news.waiting.get(one.name)
    table = timetable(one.timetable)
    following = [] if one.is_paused else [one.next_at, *table.following(one.next_at, 2)]
    return {
        "name": one.name,
        "title": one.title,
        "kind": one.kind,
        "source": one.source,
        "options": one.options,
        "timetable": one.timetable,
        "sentence": text(table.sentence),
        "next": following,
        "next_is_retry": not one.is_paused and table.next(one.next_at - _MOMENT) != one.next_at,
        "policy": one.policy,
        "most_removed": one.most_removed,
        "most_changed": one.most_changed,
        "owner": one.owner,
        "is_paused": one.is_paused,
        "is_asked_for": one.asked_by is not None,
        "failures": one.failures,
        "failing_since": one.failing_since,
        "is_late": one.name in news.late,
        "waiting": None if waiting is None else str(waiting),
        "last": None if last is None else _run(last),
        "may_change": may_change_own(viewer, one.owner),
    }


def _run(run: SyncRun) -> Mapping[str, Any]:
    return {
        "id": run.id,
        "state": run.state,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "asked_by": run.asked_by,
        "import_id": None if run.import_id is None else str(run.import_id),
        "sentence": run.sentence or None,
        "made": [
            {**made, **{name: made.get(name) for name in ("added", "changed", "removed")}}
            for made in run.made
        ],
    }
