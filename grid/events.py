"""Everything about events that other rooms may use: report one, take a step, look at them.

Reporting is in `grid.report`, steps in `grid.act`, reading in `grid.event_rows`, who may see what in
`grid.sight`, the states in `grid.states`.
"""

from __future__ import annotations

from grid.act import act
from grid.event_model import Act, Event, PhotoNote, Report, Step
from grid.event_rows import (
    EventPage,
    EventQuery,
    event_photo,
    event_steps,
    events_since,
    get_event,
    list_events,
)
from grid.report import Reported, report
from grid.sight import actions_on, may_see

__all__ = [
    "Act",
    "Event",
    "EventPage",
    "EventQuery",
    "PhotoNote",
    "Report",
    "Reported",
    "Step",
    "act",
    "actions_on",
    "event_photo",
    "event_steps",
    "events_since",
    "get_event",
    "list_events",
    "may_see",
    "report",
]
