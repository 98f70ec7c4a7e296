"""Imports of files that were sent: begun, followed, looked at row by row, published or let go.

Everything here is for publishers; one who is limited to districts knows of their own imports only. The
files are read by the worker, never in this process.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from api.answers import Json
from api.context import Context, ContextDep
from api.documents import ChangedRowsDocument, ImportDocument, ImportsDocument
from api.import_answers import import_document, rules_of, told
from api.look_documents import LookDocument
from api.session import PublisherDep
from api.uploads import folder_of
from gis.crs import Frame
from layers import import_runs, staged_runs
from layers.access import Scope, Viewer, scope_for
from layers.errors import Conflict, NotFound
from layers.import_runs import Run
from layers.mendings import parse_mendings
from layers.model import FindingSeverity, RasterMeaning
from layers.notices import IMPORT_CHANNEL, Missed, Subscription
from layers.rasters import TAKEN
from layers.readings import STATION_LAYER
from layers.reviews import ReviewRules
from layers.staged_readings import READINGS, staged_reading_changes
from layers.staged_rows import MAX_LIMIT, ChangeKind, Side, staged_changes
from layers.uploads import get_upload

router = APIRouter(tags=["imports"], prefix="/api/v1")

HEARTBEAT_S = 15.0
LONGEST_S = 900.0
"""Then the stream ends and the client comes back by itself, so that its login is looked at again."""

ImportId = Annotated[uuid.UUID, InPath(description="导入编号 Import id")]
Code = Annotated[str, Field(max_length=200)]


def _known_mendings(words: list[str]) -> list[str]:
    """The words, each a mending there is; raises `BadRequest` otherwise."""
    parse_mendings(words)
    return words


class TableOptions(BaseModel):
    """What is said of one table; everything may be left out."""

    model_config = ConfigDict(extra="forbid")

    layer_id: Annotated[
        str | None, Field(max_length=48, description="图层标识 The layer the rows are for")
    ] = None
    crs: Annotated[
        str | None, Field(max_length=4000, description="EPSG:n、WKT、PROJ，或 local:地方坐标系名")
    ] = None
    local: Annotated[
        str | None, Field(max_length=1000, description="地方坐标系的名称或参数 A city-local system")
    ] = None
    frame: Frame | None = None
    encoding: Annotated[str | None, Field(max_length=40, description="文字编码 Of the text")] = None
    columns: Annotated[
        dict[Code, Code],
        Field(max_length=1000, description="列 → 字段或 @x、@y、@wkt、@code；空文本为不要 Column → field"),
    ] = {}
    swapped: Annotated[bool | None, Field(description="坐标轴互换 Axes are exchanged")] = None
    title: Annotated[str | None, Field(max_length=200, description="新图层名称 Of a new layer")] = None
    topology: Annotated[
        dict[Literal["overlaps", "gaps", "ends"], FindingSeverity],
        Field(
            max_length=3,
            description="自有图层的拓扑要求 Topology asked of a layer of its own: rule → severity",
        ),
    ] = {}
    date: Annotated[
        str | None,
        Field(pattern=f"^(?:{TAKEN.pattern})$", description="影像日期 When a raster was taken: 2024-05"),
    ] = None
    meaning: Annotated[RasterMeaning | None, Field(description="像素内容 What its pixels are")] = None


class OneTableOptions(TableOptions):
    """What is said of one table of several."""

    skip: Annotated[bool, Field(description="不导入此表 Leave this table out")] = False


class Options(TableOptions):
    """What is said rather than found out; everything may be left out."""

    model_config = ConfigDict(extra="forbid", title="ImportOptions")

    table: Annotated[str | None, Field(max_length=200, description="图层或工作表 Layer or sheet")] = None
    anywhere: Annotated[bool, Field(description="允许远离本市 Rows may lie far outside")] = False
    allow_refused: Annotated[bool, Field(description="舍弃被拒绝的行 Leave out refused rows")] = False
    partial: Annotated[bool, Field(description="增量：未提及的行保留 Rows not named stay")] = False
    check: Annotated[bool, Field(description="质检；有错误则拒绝 Quality check; errors refuse")] = True
    mend: Annotated[
        list[Annotated[str, Field(max_length=100)]],
        Field(max_length=30, description="允许的修整，如 snap=0.05m、none May be put right"),
        AfterValidator(_known_mendings),
    ] = []
    within: Annotated[
        list[Annotated[str, Field(pattern=r"^(\d{6}|\d{9}|\d{12}|\d{15})$")]],
        Field(max_length=1000, description="只替换这些区划或网格内的行 Codes of the parts it replaces"),
    ] = []
    removes: Annotated[
        str | None, Field(max_length=400, description="列=值：该行已注销 column=value of rows that are gone")
    ] = None
    tables: Annotated[
        dict[Code, OneTableOptions],
        Field(max_length=200, description="表 → 仅对该表的选项 Table → what is said of it alone"),
    ] = {}


class NewImport(BaseModel):
    """Files that were sent, to be read together."""

    model_config = ConfigDict(extra="forbid")

    uploads: Annotated[list[uuid.UUID], Field(min_length=1, max_length=100)]
    options: Options = Options()
    look_first: Annotated[bool, Field(description="先看一眼，等人确认 Only look, and wait for a person")] = (
        False
    )


class Again(BaseModel):
    """How an import that waits is to be looked at or read."""

    model_config = ConfigDict(extra="forbid")

    options: Options = Options()


class Publication(BaseModel):
    """What is published: the version of each layer that the person saw it compared with."""

    model_config = ConfigDict(extra="forbid")

    versions: Annotated[
        dict[Code, Annotated[int, Field(ge=0, le=2**31 - 1)]],
        Field(max_length=100, description="图层 → 比较时的版本 Layer → version it was compared with"),
    ]
    note: Annotated[str, Field(max_length=1000, description="说明 What for")] = ""


@router.post("/imports", response_model=ImportDocument, status_code=202)
async def begin_import(wanted: NewImport, context: ContextDep, viewer: PublisherDep) -> Json:
    """Queues files that were sent for the worker, which reads, checks and compares them (publishers).

    With `look_first` the worker only opens and samples them; the import then waits, `looked`.
    """
    folder = folder_of(context)
    files = [await get_upload(context.database, folder, i, viewer) for i in dict.fromkeys(wanted.uploads)]
    for file in files:
        if not file.is_complete:
            raise Conflict(
                f"“{file.name}”尚未传完：{file.offset} / {file.size} 字节",
                f"{file.name!r} has not arrived whole: {file.offset} of {file.size} bytes",
                upload=str(file.id),
                offset=file.offset,
            )
    run = await staged_runs.queue_run(
        context.database,
        [file.id for file in files],
        file_name=", ".join(file.name for file in files)[:1000],
        options=wanted.options.model_dump(exclude_defaults=True),
        by=viewer.name,
        look_first=wanted.look_first,
    )
    return await told(context, viewer, run, status_code=202)


@router.get("/imports", response_model=ImportsDocument)
async def list_imports(
    context: ContextDep,
    viewer: PublisherDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[uuid.UUID | None, Query(description="上一页的 next From the page before")] = None,
) -> Json:
    """The imports the caller may know of, newest first, without their reports (publishers)."""
    limited = viewer.districts and not viewer.has("admin")
    runs = await import_runs.list_runs(
        context.database, limit=limit, after=after, by=viewer.name if limited else None
    )
    rules = await rules_of(context)
    return Json(
        {
            "imports": [import_document(run, viewer, rules, whole=False) for run in runs],
            "next": str(runs[-1].id) if len(runs) == limit else None,
        }
    )


@router.get("/imports/{import_id}", response_model=ImportDocument)
async def get_import(import_id: ImportId, context: ContextDep, viewer: PublisherDep) -> Json:
    """One import: its state, how far it is, its report, and what publishing it would do (publishers)."""
    run = await import_runs.get_run(context.database, import_id, viewer)
    await _know_what_it_published(context, run)
    return await told(context, viewer, run)


@router.get(
    "/imports/{import_id}/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_import(import_id: ImportId, context: ContextDep, viewer: PublisherDep) -> Response:
    """The import as `event: import` now and at every change, until it has ended (publishers)."""
    # Listening begins before the run is read, so no change falls between.
    news = context.notices.subscribe(IMPORT_CHANNEL)
    run = await import_runs.get_run(context.database, import_id, viewer)
    return StreamingResponse(
        _messages(context, viewer, run, news),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/imports/{import_id}/difference", response_model=ChangedRowsDocument)
async def get_difference(
    import_id: ImportId,
    context: ContextDep,
    viewer: PublisherDep,
    kind: Annotated[ChangeKind, Query(description="新增、变更或删除")],
    layer: Annotated[
        str | None, Query(max_length=48, description="导入含多个图层时 Where it has several")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    after: Annotated[
        str | None, Query(max_length=1000, description="上一页的 next From the page before")
    ] = None,
) -> Json:
    """Rows a staged import would add, change or remove, with geometry before and after (publishers)."""
    run = await import_runs.get_run(context.database, import_id, viewer)
    readings = staged_runs.readings_of(run, layer)
    if readings is not None:
        stations = await _scope(context, viewer, STATION_LAYER)
        found = await staged_reading_changes(
            context.database, readings.table, stations, kind, limit=limit, after=after
        )
        named = READINGS
    else:
        stage = staged_runs.stage_of(run, layer)
        named = stage.staged.layer.id
        found = await staged_changes(
            context.database,
            stage.staged,
            await _scope(context, viewer, named),
            kind,
            partial=bool(run.options.get("partial")),
            within=staged_runs.within_of(run),
            limit=limit,
            after=after,
        )
    rows = [
        {"key": row.key, "before": side_document(row.before), "after": side_document(row.after)}
        for row in found
    ]
    following = found[-1].key if len(found) == limit else None
    return Json({"layer": named, "kind": kind, "rows": rows, "next": following})


@router.get("/imports/{import_id}/look", response_model=LookDocument)
async def get_look(import_id: ImportId, context: ContextDep, viewer: PublisherDep) -> Json:
    """What was seen in the files: layer, encoding, CRS, columns and a few rows, per table (publishers)."""
    run = await import_runs.get_run(context.database, import_id, viewer)
    look = await staged_runs.get_look(context.database, import_id)
    if look is None:
        raise NotFound(
            "该导入尚未预览过",
            "nobody has looked at this import's files yet",
            run=str(run.id),
            state=run.state,
        )
    return Json(look)


@router.post("/imports/{import_id}/look", response_model=ImportDocument, status_code=202)
async def look_again(import_id: ImportId, wanted: Again, context: ContextDep, viewer: PublisherDep) -> Json:
    """Queues an import that was looked at, staged or refused to be looked at, otherwise (publishers)."""
    return await _queue_again(import_id, wanted, context, viewer, look_first=True)


@router.post("/imports/{import_id}/read", response_model=ImportDocument, status_code=202)
async def read_import(import_id: ImportId, wanted: Again, context: ContextDep, viewer: PublisherDep) -> Json:
    """Queues an import that was looked at, staged or refused to be read, checked and compared (publishers).

    What it had staged is dropped. 409 in any other state, and where the files are gone.
    """
    return await _queue_again(import_id, wanted, context, viewer, look_first=False)


@router.post("/imports/{import_id}/compare", response_model=ImportDocument)
async def compare_import(import_id: ImportId, context: ContextDep, viewer: PublisherDep) -> Json:
    """Compares a staged import again, with the versions that stand now (publishers)."""
    await import_runs.get_run(context.database, import_id, viewer)
    return await told(context, viewer, await staged_runs.compare_again(context.database, import_id))


@router.post("/imports/{import_id}/publish", response_model=ImportDocument)
async def publish_import(
    import_id: ImportId, wanted: Publication, context: ContextDep, viewer: PublisherDep
) -> Json:
    """Publishes a staged import, all its layers or none (publishers; with districts, within them only).

    409 where a layer has moved on from the version it was compared with: compare again and look again. Where
    another person is demanded, 403 for who imported it and 409 before it was submitted.
    """
    await import_runs.get_run(context.database, import_id, viewer)
    run = await staged_runs.publish_run(
        context.database,
        import_id,
        viewer,
        seen=wanted.versions,
        note=wanted.note,
        rasters=context.settings.rasters,
        review=context.settings.review,
    )
    await context.catalogue.refresh()
    return await told(context, viewer, run)


@router.post("/imports/{import_id}/cancel", response_model=ImportDocument)
async def cancel_import(import_id: ImportId, context: ContextDep, viewer: PublisherDep) -> Json:
    """Stops an import that waits, is looked at or read; discards one that is staged (publishers)."""
    run = await import_runs.get_run(context.database, import_id, viewer)
    if run.state == "staged":
        return await told(context, viewer, await staged_runs.discard_run(context.database, import_id))
    return await told(context, viewer, await import_runs.ask_to_cancel(context.database, import_id))


async def _queue_again(
    import_id: uuid.UUID, wanted: Again, context: Context, viewer: Viewer, *, look_first: bool
) -> Json:
    await import_runs.get_run(context.database, import_id, viewer)
    run = await staged_runs.queue_again(
        context.database,
        import_id,
        wanted.options.model_dump(exclude_defaults=True),
        look_first=look_first,
        by=viewer.name,
    )
    return await told(context, viewer, run, status_code=202)


async def _messages(context: Context, viewer: Viewer, run: Run, news: Subscription) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_S
    await _know_what_it_published(context, run)
    rules = await rules_of(context)
    yield _message(run, viewer, rules)
    while run.is_open and loop.time() < end:
        try:
            notice = await asyncio.wait_for(anext(news), HEARTBEAT_S)
        except TimeoutError:
            yield b": still here\n\n"
            continue
        if isinstance(notice, Missed) or (notice.subject == str(run.id) and notice.number > run.revision):
            run = await import_runs.get_run(context.database, run.id, viewer)
            await _know_what_it_published(context, run)
            yield _message(run, viewer, rules)


async def _know_what_it_published(context: Context, run: Run) -> None:
    """Whoever is told that a version stands finds it here: notices of imports may overtake others."""
    for layer_id, version in run.report.get("versions", {}).items():
        known = context.catalogue.known(layer_id)
        if known is None or known.version < version:
            await context.catalogue.refresh()
            return


def _message(run: Run, viewer: Viewer, rules: ReviewRules) -> bytes:
    document = orjson.dumps(import_document(run, viewer, rules))
    return b"id: %d\nevent: import\ndata: %b\n\n" % (run.revision, document)


async def _scope(context: Context, viewer: Viewer, layer_id: str) -> Scope | None:
    """What the viewer may see of the layer as it stands; None where it does not stand yet."""
    try:
        layer = await context.catalogue.layer(layer_id)
    except NotFound:
        return None
    return scope_for(viewer, layer)


def side_document(side: Side | None) -> Mapping[str, Any] | None:
    """One side of a changed row as it travels."""
    if side is None:
        return None
    geometry = None if side.geometry is None else orjson.Fragment(side.geometry)
    return {"geometry": geometry, "properties": side.properties}
