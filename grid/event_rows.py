"""Events read from the database: one, a page, their steps and photos; only what the viewer may see."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from grid.event_model import Event, PhotoNote, Step
from grid.photos import Photo
from grid.sight import require_login, visible
from grid.states import STATES, State
from layers import schema
from layers.access import SYSTEM, Viewer, scope_for
from layers.catalogue import find_layer
from layers.db import Database
from layers.errors import BadRequest, NotFound
from layers.model import BoundingBox
from layers.rows import rows

MAX_EVENTS = 200
"""Of one page."""
MAX_REPLAY = 500
"""Events told again to a listener that was away; beyond it, the newest."""
REPLAY_MARGIN = timedelta(seconds=60)
"""A step may become visible later than one with a later time, by no more than a transaction may last."""

COMPONENT_LAYER = "component"
OWNER_FIELDS = ("owner_code", "authority_code")
"""The first that is filled says whose a component is."""


@dataclass(frozen=True)
class EventQuery:
    """Which events, newest first; all conditions hold. The prefixes are beginnings of codes."""

    states: tuple[State, ...] = ()
    class_prefix: str = ""
    grid_prefix: str = ""
    bbox: BoundingBox | None = None
    since: datetime | None = None
    limit: int = 50
    after: str | None = None


class EventPage(NamedTuple):
    """Events newest first; `next` is None on the last page."""

    events: list[Event]
    next: str | None


async def list_events(db: Database, viewer: Viewer, query: EventQuery) -> EventPage:
    """A page of the events the viewer may see. Raises `LoginNeeded`, `BadRequest`."""
    require_login(viewer)
    if not 1 <= query.limit <= MAX_EVENTS:
        raise _bad("limit", query.limit, f"1…{MAX_EVENTS}")
    table = schema.event
    condition = and_(visible(viewer), *_conditions(query))
    if query.after is not None:
        condition = and_(
            condition, tuple_(table.c.reported_at, table.c.id) < tuple_(*_read_cursor(query.after))
        )
    order = (table.c.reported_at.desc(), table.c.id.desc())
    async with db.connect() as connection:
        found = await read_events(connection, condition, order, query.limit + 1)
    page = found[: query.limit]
    return EventPage(page, _cursor(page[-1]) if len(found) > query.limit else None)


async def get_event(db: Database, viewer: Viewer, event_id: int) -> Event:
    """One event; raises `NotFound` also for one the viewer may not see, `LoginNeeded`."""
    require_login(viewer)
    async with db.connect() as connection:
        return await read_event(connection, event_id, visible(viewer))


async def event_steps(db: Database, viewer: Viewer, event_id: int) -> list[Step]:
    """The whole history of an event, oldest first; raises as `get_event`."""
    await get_event(db, viewer, event_id)
    table, department = schema.event_step, schema.department
    statement = (
        select(
            table.c.action,
            table.c.from_state,
            table.c.to_state,
            table.c.by,
            table.c.department_code,
            department.c.name,
            table.c.note,
            table.c.at,
        )
        .outerjoin(department, department.c.code == table.c.department_code)
        .where(table.c.event_id == event_id)
        .order_by(table.c.id)
    )
    async with db.connect() as connection:
        return [Step(*row) for row in await connection.execute(statement)]


async def event_photo(db: Database, viewer: Viewer, event_id: int, number: int) -> Photo:
    """One photo of an event; raises `NotFound`, and as `get_event`."""
    await get_event(db, viewer, event_id)
    table = schema.event_photo
    statement = select(table.c.media_type, table.c.content).where(
        table.c.event_id == event_id, table.c.number == number
    )
    async with db.connect() as connection:
        row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound(
            f"事件 {event_id} 没有第 {number} 张照片",
            f"event {event_id} has no photo {number}",
            event=event_id,
            photo=number,
        )
    return Photo(row[0], bytes(row[1]))


async def events_since(db: Database, viewer: Viewer, event_id: int, revision: int) -> list[Event]:
    """The events that changed after event `event_id` came to `revision`, oldest change first.

    Some may be told twice, none is left out (but for the oldest above `MAX_REPLAY`). An id or revision that
    never was gives the newest.
    """
    require_login(viewer)
    event, step = schema.event, schema.event_step
    at = (
        select(step.c.at)
        .where(step.c.event_id == event_id)
        .order_by(step.c.id)
        .offset(max(revision, 1) - 1)
        .limit(1)
    )
    async with db.connect() as connection:
        moment = await connection.scalar(at)
        condition = visible(viewer)
        if moment is not None:
            condition = and_(condition, event.c.updated_at >= moment - REPLAY_MARGIN)
        newest = (event.c.updated_at.desc(), event.c.id.desc())
        found = await read_events(connection, condition, newest, MAX_REPLAY)
    return [e for e in reversed(found) if (e.id, e.revision) != (event_id, revision)]


async def read_event(connection: AsyncConnection, event_id: int, condition: ColumnElement[bool]) -> Event:
    """The event if `condition` holds for it, in this transaction; raises `NotFound`."""
    known = schema.event.c.id == event_id
    # Beyond the range of the column there is nothing, and asking would be an error.
    found = await read_events(connection, and_(known, condition), (), 1) if 0 < event_id < 2**63 else []
    if not found:
        raise NotFound(f"没有事件 {event_id}", f"there is no event {event_id}", event=event_id)
    return found[0]


async def read_events(
    connection: AsyncConnection,
    condition: ColumnElement[bool],
    order: Sequence[ColumnElement[Any]],
    limit: int,
) -> list[Event]:
    """Events for which `condition` holds, whole, as this transaction sees them."""
    table, department = schema.event, schema.department
    statement = (
        select(table, department.c.name.label("department_name"), department.c.name_en)
        .outerjoin(department, department.c.code == table.c.department_code)
        .where(condition)
        .order_by(*order)
        .limit(limit)
    )
    found = list((await connection.execute(statement)).mappings())
    photos = await _photo_notes(connection, [row["id"] for row in found])
    names = await _component_names(connection, {row["component_code"] for row in found} - {None})
    return [_event(row, photos, names) for row in found]


def _event(
    row: Mapping[Any, Any], photos: Mapping[int, list[PhotoNote]], names: Mapping[str, str | None]
) -> Event:
    component = row["component_code"]
    return Event(
        id=row["id"],
        case_number=row["case_number"],
        class_code=row["class_code"],
        state=row["state"],
        description=row["description"],
        address=row["address"],
        lon=row["longitude"],
        lat=row["latitude"],
        grid_code=row["grid_code"],
        grid_distance_m=row["grid_distance_m"],
        district_code=row["district_code"],
        street_code=row["street_code"],
        community_code=row["community_code"],
        component_code=component,
        component_name=(names.get(component) or component) if component else None,
        component_distance_m=row["component_distance_m"],
        department_code=row["department_code"],
        department_name=row["department_name"],
        department_name_en=row["name_en"],
        due_at=row["due_at"],
        reporter=row["reporter"],
        reported_at=row["reported_at"],
        updated_at=row["updated_at"],
        revision=row["revision"],
        photos=tuple(photos.get(row["id"], ())),
    )


async def _photo_notes(connection: AsyncConnection, event_ids: Sequence[int]) -> dict[int, list[PhotoNote]]:
    notes: dict[int, list[PhotoNote]] = {}
    if not event_ids:
        return notes
    table = schema.event_photo
    statement = select(table.c.event_id, table.c.number, table.c.media_type)
    found = await connection.execute(
        statement.where(table.c.event_id.in_(event_ids)).order_by(table.c.event_id, table.c.number)
    )
    for event_id, number, media_type in found:
        notes.setdefault(event_id, []).append(PhotoNote(number, media_type))
    return notes


async def component_owner(connection: AsyncConnection, key: str | None) -> str | None:
    """Who owns a component (else which authority has charge of it), as the map stands."""
    layer = await find_layer(connection, COMPONENT_LAYER) if key is not None else None
    if layer is None:
        return None
    table = rows(scope_for(SYSTEM, layer), fields=OWNER_FIELDS).subquery("scoped")
    found = await connection.execute(select(*(table.c[f] for f in OWNER_FIELDS)).where(table.c._key == key))
    row = found.one_or_none()
    return next((str(code) for code in row if code), None) if row is not None else None


async def _component_names(connection: AsyncConnection, keys: set[str]) -> dict[str, str | None]:
    """Names of components by code; a component that has left the map keeps its code only."""
    if not keys:
        return {}
    layer = await find_layer(connection, COMPONENT_LAYER)
    if layer is None or layer.field("name") is None:
        return {}
    table = rows(scope_for(SYSTEM, layer), fields=("name",)).subquery("scoped")
    found = await connection.execute(select(table.c._key, table.c.name).where(table.c._key.in_(sorted(keys))))
    return {str(key): name for key, name in found}


def _conditions(query: EventQuery) -> list[ColumnElement[bool]]:
    table = schema.event
    conditions: list[ColumnElement[bool]] = []
    if query.states:
        for state in query.states:
            if state not in STATES:
                raise _bad("state", state, ", ".join(STATES))
        conditions.append(table.c.state.in_(query.states))
    for field, prefix, column in (
        ("class", query.class_prefix, table.c.class_code),
        ("grid", query.grid_prefix, table.c.grid_code),
    ):
        if not (prefix.isascii() and (prefix.isalnum() or not prefix) and len(prefix) <= 20):
            raise _bad(field, prefix, "the beginning of a code")
        if prefix:
            conditions.append(func.starts_with(column, prefix))
    if query.bbox is not None:
        conditions.append(table.c.longitude.between(query.bbox.west, query.bbox.east))
        conditions.append(table.c.latitude.between(query.bbox.south, query.bbox.north))
    if query.since is not None:
        if query.since.tzinfo is None:
            raise _bad("since", query.since.isoformat(), "a time with its zone")
        conditions.append(table.c.reported_at >= query.since)
    return conditions


def _cursor(event: Event) -> str:
    text = json.dumps([event.reported_at.isoformat(), event.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[datetime, int]:
    try:
        moment, event_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        found = datetime.fromisoformat(moment), int(event_id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise _bad("after", text, "the `next` of the page before") from error
    if found[0].tzinfo is None or not 0 <= found[1] < 2**63:
        raise _bad("after", text, "the `next` of the page before")
    return found


def _bad(field: str, value: object, expected: str) -> BadRequest:
    return BadRequest(
        f"“{field}”的值不对，应为：{expected}",
        f"{field} is not right; expected {expected}",
        field=field,
        value=value,
        expected=expected,
    )
