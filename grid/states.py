"""The life of an event: which action leads from which state to which, and who may take it.

reported ─file→ filed ─dispatch→ dispatched ─handle→ handled ─check→ checked ─close→ closed

reported, filed ─reject→ rejected
dispatched ─dispatch→ dispatched    to another department
dispatched ─return→ filed           by the department: not ours
handled ─return→ dispatched         rework
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from layers.access import Role, Viewer

State = Literal["reported", "filed", "dispatched", "handled", "checked", "closed", "rejected"]
STATES: tuple[State, ...] = (
    "reported",
    "filed",
    "dispatched",
    "handled",
    "checked",
    "closed",
    "rejected",
)
Action = Literal["file", "reject", "dispatch", "handle", "return", "check", "close"]
ACTIONS: tuple[Action, ...] = ("file", "reject", "dispatch", "handle", "return", "check", "close")

WAITING: frozenset[State] = frozenset({"reported", "filed", "dispatched"})
"""Not handled yet: only these can be overdue."""


@dataclass(frozen=True)
class Edge:
    """One way through the life of an event.

    `roles` may take it anywhere in their districts; `by_department`: so may everybody of the department it
    is dispatched to. `needs_note`: a reason is asked for. Admins may take every edge.
    """

    action: Action
    before: State
    after: State
    roles: frozenset[Role]
    by_department: bool = False
    needs_note: bool = False


_DESK: frozenset[Role] = frozenset({"dispatcher"})
_FIELD: frozenset[Role] = frozenset({"dispatcher", "inspector"})
_NONE: frozenset[Role] = frozenset()

EDGES = (
    Edge("file", "reported", "filed", _DESK),
    Edge("reject", "reported", "rejected", _DESK, needs_note=True),
    Edge("reject", "filed", "rejected", _DESK, needs_note=True),
    Edge("dispatch", "filed", "dispatched", _DESK),
    Edge("dispatch", "dispatched", "dispatched", _DESK),
    Edge("handle", "dispatched", "handled", _NONE, by_department=True),
    Edge("return", "dispatched", "filed", _NONE, by_department=True, needs_note=True),
    Edge("return", "handled", "dispatched", _FIELD, needs_note=True),
    Edge("check", "handled", "checked", _FIELD),
    Edge("close", "checked", "closed", _DESK),
)


def edge(action: Action, state: State) -> Edge | None:
    """The way that `action` leads from `state`; None if it leads nowhere."""
    return next((e for e in EDGES if e.action == action and e.before == state), None)


def may_take(viewer: Viewer, way: Edge, department: str | None) -> bool:
    """True if the viewer's roles or department allow the way; districts are judged elsewhere."""
    if viewer.has("admin", *way.roles):
        return True
    mine = viewer.department is not None and viewer.department == department
    return way.by_department and viewer.is_logged_in and mine


def actions_for(viewer: Viewer, state: State, department: str | None) -> tuple[Action, ...]:
    """What the viewer may do with an event in `state`, in the order of `ACTIONS`."""
    ways = (edge(action, state) for action in ACTIONS)
    return tuple(way.action for way in ways if way is not None and may_take(viewer, way, department))
