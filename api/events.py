"""Events over HTTP: report one, look at them, take a step."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import Response

from api.answers import VARY, Json, text
from api.context import ContextDep
from api.grid_documents import (
    DepartmentsDocument,
    EventClassDocument,
    EventDocument,
    EventsDocument,
    WholeEventDocument,
    schema_of,
)
from api.locate import named
from api.ogc_parameters import parse_bbox
from api.places import check_position
from api.session import AccountDep
from gis import codes
from gis.crs import Frame, to_cgcs2000
from grid import events
from grid.classes import ReportedClass, read_class
from grid.events import Act, Event, EventQuery, Report, Step
from grid.locate import Gridded, Named
from grid.photos import MAX_PHOTO_BYTES, MAX_PHOTOS, accept
from grid.states import STATES, Action, State
from layers.access import Viewer
from layers.accounts import list_departments
from layers.errors import BadRequest, TooMuch

router = APIRouter(tags=["events"], prefix="/api/v1")

PRIVATE = {"Cache-Control": "no-store", "Vary": VARY}
MAX_FORM_FILES = 50
"""Above the limit of photos, so that ten of them get a sentence about photos, not about forms."""

EventId = Annotated[int, Path(description="事件编号 Event id")]


class PhotoBody(BaseModel):
    """A photo in base64. Its type is taken from its content, whatever `media_type` says."""

    model_config = ConfigDict(extra="forbid")

    media_type: Annotated[str, Field(max_length=100)] = ""
    data: Annotated[str, Field(max_length=MAX_PHOTO_BYTES * 4 // 3 + 4, description="base64")]


class ReportBody(BaseModel):
    """A report."""

    model_config = ConfigDict(extra="forbid", title="Report")

    class_code: Annotated[str, Field(description="事件类别代码 Class code", examples=["06010"])]
    lon: Annotated[float, Field(description="经度（度） Longitude", examples=[116.5])]
    lat: Annotated[float, Field(description="纬度（度） Latitude", examples=[31.74])]
    crs: Frame = "cgcs2000"
    description: str = ""
    address: str = ""
    photos: list[PhotoBody] = Field(default_factory=list)


class ActionBody(BaseModel):
    """A step to take with an event that was seen at `revision`."""

    model_config = ConfigDict(extra="forbid", title="Action")

    action: Action
    revision: Annotated[int, Field(ge=1, le=2**31 - 1, description="看到的修订号 The revision that was seen")]
    note: str = ""
    department: Annotated[str | None, Field(max_length=64, description="派遣至 Dispatch to")] = None


FORM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["class_code", "lon", "lat"],
    "properties": {
        **{name: {"type": "string"} for name in ("class_code", "crs", "description", "address")},
        **{name: {"type": "number"} for name in ("lon", "lat")},
        "photos": {"type": "array", "items": {"type": "string", "format": "binary"}},
    },
}


@router.post(
    "/events",
    response_model=EventDocument,
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema_of(ReportBody)},
                "multipart/form-data": {"schema": FORM_SCHEMA},
            },
        }
    },
)
async def report_event(
    request: Request,
    context: ContextDep,
    viewer: AccountDep,
    key: Annotated[
        str,
        Header(alias="Idempotency-Key", description="同一上报始终用同一个值 The same for the same report"),
    ],
) -> Response:
    """Records a report once for each key, finds its grid and component, and dispatches it by rule.

    Sent again under the same key it answers 200 with the same event; another report under that key is
    refused with 409.
    """
    body, pictures = await _read_report(request)
    check_position("lon", "lat", body.lon, body.lat)
    lon, lat = to_cgcs2000(body.lon, body.lat, body.crs)
    photos = await asyncio.to_thread(accept, pictures)
    given = Report(key, body.class_code, float(lon), float(lat), body.description, body.address, photos)
    made = await events.report(context.database, context.locator, viewer, given)
    return Json(
        event_document(made.event, context.locator.now, viewer),
        status_code=201 if made.is_new else 200,
        headers={**PRIVATE, "Location": f"/api/v1/events/{made.event.id}"},
    )


@router.get("/events", response_model=EventsDocument)
async def list_events(
    context: ContextDep,
    viewer: AccountDep,
    state: Annotated[
        str | None, Query(max_length=200, description="状态，逗号分隔 States, separated by commas")
    ] = None,
    class_: Annotated[
        str, Query(alias="class", max_length=5, description="类别代码或其前几位 A class or its beginning")
    ] = "",
    grid: Annotated[str, Query(max_length=15, description="网格代码或其前几位 A grid or its beginning")] = "",
    bbox: Annotated[
        str | None, Query(max_length=200, description="西,南,东,北 west,south,east,north")
    ] = None,
    since: Annotated[datetime | None, Query(description="上报时间不早于 Reported at or after")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[
        str | None, Query(max_length=200, description="上一页的 next `next` of the page before")
    ] = None,
) -> Json:
    """The events the caller may see, newest first."""
    query = EventQuery(
        _states(state), class_, grid, parse_bbox(bbox) if bbox is not None else None, since, limit, after
    )
    page = await events.list_events(context.database, viewer, query)
    gridded = context.locator.now
    return Json(
        {
            "events": [event_document(event, gridded, viewer) for event in page.events],
            "next": page.next,
        },
        headers=PRIVATE,
    )


@router.get("/events/{event_id}", response_model=WholeEventDocument)
async def get_event(event_id: EventId, context: ContextDep, viewer: AccountDep) -> Json:
    """One event with its whole history."""
    event = await events.get_event(context.database, viewer, event_id)
    steps = await events.event_steps(context.database, viewer, event_id)
    told = event_document(event, context.locator.now, viewer)
    return Json({**told, "steps": [_step_document(step) for step in steps]}, headers=PRIVATE)


@router.post("/events/{event_id}/actions", response_model=EventDocument)
async def take_action(event_id: EventId, wanted: ActionBody, context: ContextDep, viewer: AccountDep) -> Json:
    """Takes a step: file, reject, dispatch, handle, return, check or close."""
    act = Act(wanted.action, wanted.revision, wanted.note, wanted.department)
    event = await events.act(context.database, viewer, event_id, act)
    return Json(event_document(event, context.locator.now, viewer), headers=PRIVATE)


@router.get("/events/{event_id}/photos/{number}", response_class=Response)
async def get_photo(
    event_id: EventId,
    number: Annotated[int, Path(ge=1, le=MAX_PHOTOS)],
    context: ContextDep,
    viewer: AccountDep,
) -> Response:
    """A photo as it was sent."""
    photo = await events.event_photo(context.database, viewer, event_id, number)
    return Response(
        photo.content,
        media_type=photo.media_type,
        headers={
            "Cache-Control": "private, max-age=86400, immutable",
            "Vary": VARY,
            # A picture that is also something else to a browser stays a picture.
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


@router.get("/event-classes", response_model=list[EventClassDocument])
async def list_event_classes() -> Response:
    """What can be reported: GB/T 47678.5-2026, components out of order and matters."""
    return Response(
        _event_classes(), media_type="application/json", headers={"Cache-Control": "public, max-age=3600"}
    )


@router.get("/departments", response_model=DepartmentsDocument)
async def get_departments(context: ContextDep, _: AccountDep) -> Json:
    """The units events are dispatched to."""
    found = await list_departments(context.database)
    return Json({"departments": [department._asdict() for department in found]}, headers=PRIVATE)


# ---------------------------------------------------------------- as they travel


def event_document(
    event: Event, gridded: Gridded, viewer: Viewer, now: datetime | None = None
) -> dict[str, object]:
    """An event as it travels to `viewer`, with the names of places as they stand."""
    return {
        "id": event.id,
        "case_number": event.case_number,
        "class": _class_document(_class(event.class_code)),
        "state": event.state,
        "description": event.description,
        "address": event.address,
        "lon": event.lon,
        "lat": event.lat,
        "grid": named(gridded.grid(event.grid_code)) if event.grid_code else None,
        "grid_distance_m": event.grid_distance_m,
        "community": _place(gridded, event.community_code),
        "street": _place(gridded, event.street_code),
        "district": _place(gridded, event.district_code),
        "component": {
            "code": event.component_code,
            "name": event.component_name,
            "distance_m": event.component_distance_m,
        }
        if event.component_code
        else None,
        "department": {
            "code": event.department_code,
            "name": event.department_name,
            "name_en": event.department_name_en,
        }
        if event.department_code
        else None,
        "due_at": event.due_at,
        "overdue": event.is_overdue(now or datetime.now(UTC)),
        "reporter": event.reporter,
        "reported_at": event.reported_at,
        "updated_at": event.updated_at,
        "revision": event.revision,
        "photos": [
            {
                "number": photo.number,
                "media_type": photo.media_type,
                "url": f"/api/v1/events/{event.id}/photos/{photo.number}",
            }
            for photo in event.photos
        ],
        "actions": events.actions_on(viewer, event),
    }


def _place(gridded: Gridded, code: str | None) -> dict[str, object] | None:
    return named(gridded.place(code)) if code else None


def _step_document(step: Step) -> dict[str, object]:
    department = (
        Named(step.department_code, step.department_name or step.department_code)
        if step.department_code
        else None
    )
    return {
        "action": step.action,
        "from_state": step.from_state,
        "to_state": step.to_state,
        "by": step.by,
        "department": named(department),
        "note": step.note,
        "at": step.at,
    }


def _class_document(found: ReportedClass) -> dict[str, object]:
    return {
        "code": found.code,
        "title": text((found.title, found.title_en)),
        "kind": found.kind,
        "major": {"code": found.major, "title": text((found.major_title, found.major_title_en))},
    }


_class = lru_cache(maxsize=1024)(read_class)


@lru_cache(maxsize=1)
def _event_classes() -> bytes:
    return orjson.dumps([_class_document(_class(each.code)) for each in codes.event_classes("2026")])


# ---------------------------------------------------------------- as they come in


async def _read_report(request: Request) -> tuple[ReportBody, list[bytes]]:
    """The report and the pictures of a JSON or multipart body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = await request.body()
        return await asyncio.to_thread(_read_json, body)
    if kind == "multipart/form-data":
        return await _read_form(request)
    raise BadRequest(
        "请求体应为 application/json 或 multipart/form-data",
        "the body should be application/json or multipart/form-data",
        field="Content-Type",
        value=kind,
        expected="application/json, multipart/form-data",
    )


def _read_json(body: bytes) -> tuple[ReportBody, list[bytes]]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestValidationError(
            [{"type": "json_invalid", "loc": ("body",), "msg": "invalid JSON", "input": {}}]
        ) from error
    report = _validated(given, strict=True)
    if len(report.photos) > MAX_PHOTOS:
        raise TooMuch(f"照片不能超过 {MAX_PHOTOS} 张", f"no more than {MAX_PHOTOS} photos", limit=MAX_PHOTOS)
    return report, [_decoded(number, photo.data) for number, photo in enumerate(report.photos)]


async def _read_form(request: Request) -> tuple[ReportBody, list[bytes]]:
    fields: dict[str, Any] = {}
    pictures: list[bytes] = []
    async with request.form(max_files=MAX_FORM_FILES, max_fields=20) as form:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields[name] = value
            elif name == "photos":
                # A byte more than allowed is enough to be refused for.
                pictures.append(await value.read(MAX_PHOTO_BYTES + 1))
            else:
                raise BadRequest(
                    f"文件应放在“photos”中，而不是“{name[:60]}”",
                    f"files belong in 'photos', not in {name[:60]!r}",
                    field=name,
                    value="(file)",
                    expected="photos",
                )
    if "photos" in fields:
        raise BadRequest(
            "“photos”应为文件", "'photos' should be files", field="photos", value="(text)", expected="files"
        )
    return _validated(fields, strict=False), pictures


def _validated(given: object, *, strict: bool) -> ReportBody:
    """The report in `given`; a form's values are text, JSON's must be of their type."""
    try:
        return ReportBody.model_validate(given, strict=strict)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from error


def _decoded(number: int, data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(
            f"第 {number + 1} 张照片不是合法的 base64",
            f"photo {number + 1} is not valid base64",
            field=f"photos[{number}].data",
            value=data[:20],
            expected="base64",
        ) from error


def _states(listed: str | None) -> tuple[State, ...]:
    if listed is None:
        return ()
    wanted = dict.fromkeys(part.strip() for part in listed.split(","))
    for name in wanted:
        if name not in STATES:
            raise BadRequest(
                f"没有“{name}”状态",
                f"there is no state {name!r}",
                field="state",
                value=name,
                expected=", ".join(STATES),
            )
    return tuple(state for state in STATES if state in wanted)
