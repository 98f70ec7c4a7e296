"""One step in the life of an event, by somebody who may take it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from grid.dispatch import due_at, find_rule
from grid.event_model import Act, Event, check_text, wrong
from grid.event_rows import component_owner, read_event
from grid.sight import covers, require_login, visible
from grid.states import Edge, edge, may_take
from layers import schema
from layers.access import Viewer
from layers.db import Database
from layers.errors import Conflict, NotAllowed
from layers.notices import EVENT_CHANNEL, notify

MAX_NOTE = 1_000


async def act(db: Database, viewer: Viewer, event_id: int, wanted: Act) -> Event:
    """Takes one step with an event, and tells everybody.

    Raises `NotFound` for an event the viewer may not see, `NotAllowed` without the role or department or
    outside the viewer's districts, `Conflict` if the event changed since `wanted.revision` or its state
    forbids the action, `BadRequest` for a missing reason or an unknown department.
    """
    require_login(viewer)
    table = schema.event
    async with db.begin() as connection:
        if 0 < event_id < 2**63:
            await connection.execute(select(table.c.id).where(table.c.id == event_id).with_for_update())
        event = await read_event(connection, event_id, visible(viewer))
        way = _way(viewer, event, wanted)
        now = datetime.now(UTC)
        changes = await _changes(connection, event, way, wanted, now)
        await connection.execute(
            update(table)
            .where(table.c.id == event_id)
            .values(**changes, state=way.after, updated_at=now, revision=event.revision + 1)
        )
        await connection.execute(
            insert(schema.event_step).values(
                event_id=event_id,
                action=way.action,
                from_state=way.before,
                to_state=way.after,
                by=viewer.name,
                department_code=changes.get("department_code", event.department_code),
                note=wanted.note.strip(),
                at=now,
            )
        )
        await notify(connection, EVENT_CHANNEL, event_id, event.revision + 1)
        return await read_event(connection, event_id, true())


def _way(viewer: Viewer, event: Event, wanted: Act) -> Edge:
    """The step that is wanted, if it may be taken."""
    if wanted.revision != event.revision:
        raise Conflict(
            f"事件已被更新到第 {event.revision} 版，请刷新后再试",
            f"the event has changed meanwhile (revision {event.revision}); look again",
            revision=event.revision,
            state=event.state,
        )
    way = edge(wanted.action, event.state)
    if way is None:
        raise Conflict(
            f"事件处于“{event.state}”状态，不能执行“{wanted.action}”",
            f"an event that is {event.state} cannot be taken by {wanted.action!r}",
            state=event.state,
            action=wanted.action,
        )
    ours = viewer.department is not None and viewer.department == event.department_code
    if not may_take(viewer, way, event.department_code) or not (ours or covers(viewer, event)):
        raise NotAllowed(
            "您的角色、部门或辖区不能执行此操作",
            "your roles, department or districts do not permit this",
            action=wanted.action,
            roles=sorted(way.roles),
        )
    check_text("note", wanted.note, MAX_NOTE)
    if way.needs_note and not wanted.note.strip():
        raise wrong("note", "", "请说明原因", "a reason")
    return way


async def _changes(
    connection: AsyncConnection, event: Event, way: Edge, wanted: Act, now: datetime
) -> Mapping[str, Any]:
    """What a step changes besides the state. Rework keeps the time limit: the clock is not set back."""
    if way.action == "return" and way.after == "filed":
        return {"department_code": None, "due_at": None, "rule_id": None}
    if way.action != "dispatch":
        return {}
    owner = await component_owner(connection, event.component_code)
    grid, department = event.grid_code, wanted.department
    rule = await find_rule(connection, event.class_code, owner, grid, department_code=department)
    if department is None and rule is None:
        raise wrong("department", "", "没有适用的派遣规则，请指定部门", "a department, as no rule names one")
    chosen = department or (rule.department_code if rule else "")
    known = schema.department.c.code
    if await connection.scalar(select(known).where(known == chosen.replace("\x00", ""))) is None:
        raise wrong("department", chosen, "部门代码不存在", "the code of a department")
    return {
        "department_code": chosen,
        "rule_id": rule.id if rule else None,
        "due_at": due_at(rule, now) or event.due_at,
    }
