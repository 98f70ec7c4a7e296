"""The life of an event, as a table."""

from __future__ import annotations

import pytest

from grid.states import ACTIONS, EDGES, STATES, Action, State, actions_for, edge, may_take
from layers.access import Viewer

DISPATCHER = Viewer("wang", roles=frozenset({"dispatcher"}), is_logged_in=True)
INSPECTOR = Viewer("li", roles=frozenset({"inspector"}), is_logged_in=True)
WATER = Viewer("zhao", roles=frozenset({"viewer"}), department="SW01", is_logged_in=True)
ADMIN = Viewer("root", roles=frozenset({"admin"}), is_logged_in=True)


def test_the_straight_way_leads_from_report_to_closed() -> None:
    state: State = "reported"
    way: tuple[Action, ...] = ("file", "dispatch", "handle", "check", "close")
    for action in way:
        found = edge(action, state)
        assert found is not None
        state = found.after
    assert state == "closed"


def test_every_state_is_reached_and_only_the_ends_have_no_way_out() -> None:
    assert {e.after for e in EDGES} | {"reported"} == set(STATES)
    assert set(STATES) - {e.before for e in EDGES} == {"closed", "rejected"}
    assert len({(e.action, e.before) for e in EDGES}) == len(EDGES)
    assert {e.action for e in EDGES} == set(ACTIONS)


@pytest.mark.parametrize(
    ("viewer", "state", "allowed"),
    [
        (DISPATCHER, "reported", ("file", "reject")),
        (DISPATCHER, "dispatched", ("dispatch",)),
        (DISPATCHER, "handled", ("return", "check")),
        (INSPECTOR, "handled", ("return", "check")),
        (INSPECTOR, "reported", ()),
        (WATER, "dispatched", ("handle", "return")),
        (WATER, "filed", ()),
        (ADMIN, "dispatched", ("dispatch", "handle", "return")),
        (ADMIN, "closed", ()),
    ],
)
def test_actions_belong_to_their_people(viewer: Viewer, state: State, allowed: tuple[Action, ...]) -> None:
    assert actions_for(viewer, state, "SW01") == allowed


def test_another_department_may_not_handle() -> None:
    way = edge("handle", "dispatched")
    assert way is not None
    assert may_take(WATER, way, "SW01")
    assert not may_take(WATER, way, "PS01")
    assert not may_take(WATER, way, None)
    assert not may_take(Viewer("x", is_logged_in=True), way, None)
