"""Which events a viewer may see and act on. The one place that decides it.

Seen by: everybody logged in, within their districts; the reporter; the department in charge; admins.
Acted on by: those whose role or department allows the action (`grid.states`), within their districts.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, or_, true

from grid.event_model import Event
from grid.states import Action, actions_for
from layers import schema
from layers.access import Viewer
from layers.errors import LoginNeeded

_COLUMNS = {6: "district_code", 9: "street_code", 12: "community_code"}
"""A district of a viewer has as many digits as the column it limits."""


def require_login(viewer: Viewer) -> None:
    """Raises `LoginNeeded` for anonymous: events name people and places."""
    if not viewer.is_logged_in:
        raise LoginNeeded("查看事件需要登录", "events are shown after logging in only")


def covers(viewer: Viewer, event: Event) -> bool:
    """True if the event lies in the viewer's districts; a viewer without districts has the whole city."""
    if not viewer.districts or viewer.has("admin"):
        return True
    return any(getattr(event, _COLUMNS[len(code)]) == code for code in viewer.districts)


def may_see(viewer: Viewer, event: Event) -> bool:
    """True if the viewer may see the event; the same answer as `visible` gives in the database."""
    if not viewer.is_logged_in:
        return False
    own = event.reporter == viewer.name
    ours = viewer.department is not None and event.department_code == viewer.department
    return own or ours or covers(viewer, event)


def visible(viewer: Viewer) -> ColumnElement[bool]:
    """The condition on `onemap.event` that holds for what the viewer may see."""
    if not viewer.is_logged_in:
        return false()
    if not viewer.districts or viewer.has("admin"):
        return true()
    table = schema.event
    conditions: list[ColumnElement[bool]] = [table.c.reporter == viewer.name]
    if viewer.department is not None:
        conditions.append(table.c.department_code == viewer.department)
    for digits, column in _COLUMNS.items():
        codes = [code for code in viewer.districts if len(code) == digits]
        if codes:
            conditions.append(table.c[column].in_(codes))
    return or_(*conditions)


def actions_on(viewer: Viewer, event: Event) -> tuple[Action, ...]:
    """What the viewer may do with the event now."""
    mine = viewer.department is not None and viewer.department == event.department_code
    if not may_see(viewer, event) or not (mine or covers(viewer, event)):
        return ()
    return actions_for(viewer, event.state, event.department_code)
