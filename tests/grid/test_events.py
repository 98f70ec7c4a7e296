"""A report becomes one case; the case lives its life; each sees what they may."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from grid.event_model import Act, Event, Report
from grid.events import (
    EventQuery,
    act,
    actions_on,
    event_photo,
    event_steps,
    events_since,
    get_event,
    list_events,
    may_see,
    report,
)
from grid.feed import EventFeed
from grid.locate import Locator
from grid.numbers import day_in_china
from grid.photos import accept
from layers import schema
from layers.access import ANONYMOUS, Role, Viewer
from layers.db import Database
from layers.errors import BadRequest, Conflict, LoginNeeded, NotAllowed, NotFound
from layers.model import BoundingBox
from layers.notices import Notices
from tests.grid.city import COMMUNITY, OTHER_COMMUNITY, SIZE, SOUTH, WEST, middle
from tests.grid.test_reports_parts import JPEG, PNG


def person(name: str, *roles: Role, department: str | None = None, districts: tuple[str, ...] = ()) -> Viewer:
    return Viewer(name, name, frozenset(roles or ("viewer",)), department, districts, is_logged_in=True)


LI = person("li", "inspector")
WANG = person("wang", "dispatcher")
WATER = person("zhao", department="SW01")
SANITATION = person("sun", department="HW01")
ADMIN = person("root", "admin")
WEST_ONLY = person("west", "inspector", "dispatcher", districts=("341502",))
EAST_ONLY = person("east", "inspector", "dispatcher", districts=("341503",))


def rubbish(key: str = "k1", column: int = 0, row: int = 0, **more: object) -> Report:
    lon, lat = middle(column, row)
    return Report(key, "06010", lon, lat, **more)  # type: ignore[arg-type]


async def make(city: Database, viewer: Viewer, given: Report) -> Event:
    async with Locator(city) as locator:
        made, is_new = await report(city, locator, viewer, given)
        assert is_new
        return made


async def test_a_report_is_located_filed_and_dispatched_at_once(city: Database) -> None:
    before = datetime.now(UTC)
    event = await make(city, LI, rubbish(description="路边垃圾", address="梅山南路"))
    assert (event.state, event.revision, event.reporter) == ("dispatched", 3, "li")
    assert (event.grid_code, event.grid_distance_m) == (f"{COMMUNITY}001", 0)
    assert (event.district_code, event.street_code, event.community_code) == (
        "341502",
        COMMUNITY[:9],
        COMMUNITY,
    )
    assert (event.department_code, event.department_name) == ("HW01", "环境卫生管理处")
    assert event.due_at is not None
    assert timedelta(hours=24) <= event.due_at - before < timedelta(hours=24, seconds=60)
    assert event.case_number == f"341502{day_in_china(before):%Y%m%d}00001"
    assert (event.description, event.address) == ("路边垃圾", "梅山南路")
    steps = await event_steps(city, LI, event.id)
    assert [(s.action, s.from_state, s.to_state, s.by, s.department_code) for s in steps] == [
        ("report", None, "reported", "li", None),
        ("file", "reported", "filed", "system", None),
        ("dispatch", "filed", "dispatched", "system", "HW01"),
    ]


async def test_the_grid_decides_between_rules_of_one_class(city: Database) -> None:
    assert (await make(city, LI, rubbish(column=3))).department_code == "CG01"


async def test_the_nearest_component_of_the_class_is_found_in_either_edition_and_its_owner_decides(
    city: Database,
) -> None:
    lon, lat = middle(0, 0)
    event = await make(city, LI, Report("k", "01001", lon, lat))
    assert (event.component_code, event.component_name) == ("3415020101000001", "上水井盖")
    assert event.component_distance_m == pytest.approx(9.5, abs=0.3)
    assert event.department_code == "SW01"
    old_code = await make(city, LI, Report("k2", "0101", lon + 0.0004, lat))
    assert old_code.class_code == "01001"
    assert (old_code.component_code, old_code.department_code) == ("34150201001000002", "CG01")
    assert old_code.due_at is None


async def test_a_component_beyond_fifty_metres_is_not_meant(city: Database) -> None:
    lon, lat = middle(0, 0)
    assert (await make(city, LI, Report("k", "01037", lon, lat))).component_code is None


async def test_a_class_of_nobodys_table_waits_for_a_dispatcher(city: Database) -> None:
    event = await make(city, LI, Report("k", "01999", *middle(0, 0)))
    assert (event.state, event.revision, event.department_code) == ("reported", 1, None)
    assert [s.action for s in await event_steps(city, LI, event.id)] == ["report"]


async def test_a_report_with_no_rule_for_it_waits(city: Database) -> None:
    assert (await make(city, LI, Report("k", "07001", *middle(0, 0)))).state == "reported"


async def test_a_report_just_outside_is_kept_with_the_nearest_grid_and_its_distance(city: Database) -> None:
    _, lat = middle(0, 0)
    event = await make(city, LI, Report("k", "06010", WEST - SIZE, lat))
    assert event.grid_code == f"{COMMUNITY}001"
    assert event.grid_distance_m == pytest.approx(94.8, abs=0.2)
    assert event.department_code == "HW01"


async def test_a_report_far_outside_is_refused_with_the_distance(city: Database) -> None:
    async with Locator(city) as locator:
        with pytest.raises(BadRequest, match=r"\d+ m away"):
            await report(city, locator, LI, Report("k", "06010", WEST - 0.05, SOUTH))
        assert (await list_events(city, ADMIN, EventQuery())).events == []


async def test_without_any_grid_a_report_is_still_taken(database: Database) -> None:
    event = await make(database, LI, rubbish())
    assert (event.state, event.grid_code, event.district_code) == ("reported", None, None)
    assert event.case_number.startswith("000000")


async def test_sending_the_same_report_again_gives_the_same_case(city: Database) -> None:
    async with Locator(city) as locator:
        first = await report(city, locator, LI, rubbish(photos=accept([JPEG])))
        again = await report(city, locator, LI, rubbish(photos=accept([JPEG])))
        assert (first.is_new, again.is_new) == (True, False)
        assert again.event == first.event
        by_another = await report(city, locator, WANG, rubbish())
        assert by_another.is_new
        for other in (
            rubbish(description="另一条"),
            rubbish(photos=accept([PNG])),
            rubbish(column=1),
        ):
            with pytest.raises(Conflict):
                await report(city, locator, LI, other)


async def test_ten_at_once_with_one_key_make_one_case(city: Database) -> None:
    async with Locator(city) as locator:
        made = await asyncio.gather(*(report(city, locator, LI, rubbish("same")) for _ in range(10)))
    assert len({m.event.id for m in made}) == 1
    assert sum(m.is_new for m in made) == 1
    async with city.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(schema.event)) == 1
        assert await connection.scalar(select(func.count()).select_from(schema.event_step)) == 3


async def test_ten_at_once_with_different_keys_get_ten_numbers_without_a_gap(city: Database) -> None:
    async with Locator(city) as locator:
        made = await asyncio.gather(*(report(city, locator, LI, rubbish(f"k{n}")) for n in range(10)))
    assert sorted(int(m.event.case_number[-5:]) for m in made) == list(range(1, 11))


async def test_photos_are_kept_once_each_and_given_back(city: Database) -> None:
    event = await make(city, LI, rubbish(photos=accept([JPEG, PNG, JPEG])))
    assert [(p.number, p.media_type) for p in event.photos] == [(1, "image/jpeg"), (2, "image/png")]
    photo = await event_photo(city, LI, event.id, 2)
    assert (photo.media_type, photo.content) == ("image/png", PNG)
    for viewer, number in ((LI, 3), (EAST_ONLY, 1)):
        with pytest.raises(NotFound):
            await event_photo(city, viewer, event.id, number)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"key": ""}, "Idempotency-Key"),
        ({"key": "有空格 "}, "Idempotency-Key"),
        ({"key": "k" * 201}, "Idempotency-Key"),
        ({"class_code": "nonsense"}, "class_code"),
        ({"description": "长" * 2001}, "description"),
        ({"description": "a\x00b"}, "description"),
        ({"address": "\ud800"}, "address"),
    ],
)
async def test_a_report_that_cannot_be_is_refused_by_the_member_that_is_wrong(
    city: Database, change: dict[str, str], field: str
) -> None:
    lon, lat = middle(0, 0)
    members = {"key": "k", "class_code": "06010", "lon": lon, "lat": lat, **change}
    async with Locator(city) as locator:
        with pytest.raises(BadRequest) as refused:
            await report(city, locator, LI, Report(**members))  # type: ignore[arg-type]
    assert refused.value.facts["field"] == field


async def test_only_inspectors_and_dispatchers_report(city: Database) -> None:
    async with Locator(city) as locator:
        with pytest.raises(LoginNeeded):
            await report(city, locator, ANONYMOUS, rubbish())
        with pytest.raises(NotAllowed):
            await report(city, locator, person("guest"), rubbish())


async def test_the_whole_life_of_an_event_stands_in_its_history(city: Database) -> None:
    event = await make(city, LI, rubbish())
    for viewer, action, note, state in (
        (SANITATION, "handle", "已清运", "handled"),
        (LI, "return", "还有残留", "dispatched"),
        (SANITATION, "handle", "已再次清运", "handled"),
        (LI, "check", "", "checked"),
        (WANG, "close", "", "closed"),
    ):
        event = await act(city, viewer, event.id, Act(action, event.revision, note))
        assert event.state == state
    steps = await event_steps(city, LI, event.id)
    assert [s.to_state for s in steps] == [
        *("reported", "filed", "dispatched", "handled", "dispatched", "handled", "checked", "closed")
    ]
    assert [s.from_state for s in steps][1:] == [s.to_state for s in steps][:-1]
    assert [s.by for s in steps] == ["li", "system", "system", "sun", "li", "sun", "li", "wang"]
    assert steps[3].note == "已清运"
    assert event.revision == len(steps) == 8


async def test_a_department_gives_back_what_is_not_its_own_and_it_goes_to_another(city: Database) -> None:
    event = await make(city, LI, rubbish())
    event = await act(city, SANITATION, event.id, Act("return", event.revision, "不属我处"))
    assert (event.state, event.department_code, event.due_at) == ("filed", None, None)
    event = await act(city, WANG, event.id, Act("dispatch", event.revision, department="CG01"))
    assert (event.state, event.department_code) == ("dispatched", "CG01")
    event = await act(city, WANG, event.id, Act("dispatch", event.revision))
    assert (event.department_code, event.due_at is not None) == ("HW01", True)


async def test_a_waiting_report_is_filed_or_rejected_by_the_desk(city: Database) -> None:
    event = await make(city, LI, Report("k", "07001", *middle(0, 0)))
    event = await act(city, WANG, event.id, Act("file", event.revision))
    with pytest.raises(BadRequest) as refused:
        await act(city, WANG, event.id, Act("dispatch", event.revision))
    assert refused.value.facts["field"] == "department"
    with pytest.raises(BadRequest):
        await act(city, WANG, event.id, Act("dispatch", event.revision, department="NO99"))
    with pytest.raises(BadRequest) as refused:
        await act(city, WANG, event.id, Act("reject", event.revision, "  "))
    assert refused.value.facts["field"] == "note"
    event = await act(city, WANG, event.id, Act("reject", event.revision, "重复上报"))
    assert (event.state, actions_on(ADMIN, event)) == ("rejected", ())


async def test_who_looked_too_long_ago_is_told_and_nothing_changes(city: Database) -> None:
    event = await make(city, LI, rubbish())
    await act(city, SANITATION, event.id, Act("handle", event.revision))
    with pytest.raises(Conflict) as refused:
        await act(city, SANITATION, event.id, Act("handle", event.revision))
    assert refused.value.facts == {"revision": 4, "state": "handled"}
    with pytest.raises(Conflict):
        await act(city, WANG, event.id, Act("close", 4))
    assert len(await event_steps(city, LI, event.id)) == 4


async def test_two_who_act_at_once_cannot_both_win(city: Database) -> None:
    event = await make(city, LI, rubbish())
    wanted = Act("handle", event.revision)
    done = await asyncio.gather(
        *(act(city, SANITATION, event.id, wanted) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(d, Event) for d in done) == 1
    assert sum(isinstance(d, Conflict) for d in done) == 4


async def test_roles_departments_and_districts_hold(city: Database) -> None:
    event = await make(city, LI, rubbish())
    for viewer, action in ((LI, "handle"), (WATER, "handle"), (WANG, "handle"), (LI, "dispatch")):
        with pytest.raises(NotAllowed):
            await act(city, viewer, event.id, Act(action, event.revision))
    with pytest.raises(NotFound):
        await act(city, EAST_ONLY, event.id, Act("dispatch", event.revision))
    with pytest.raises(LoginNeeded):
        await act(city, ANONYMOUS, event.id, Act("dispatch", event.revision))
    for unknown in (10**6, 0, -1, 2**70):
        with pytest.raises(NotFound):
            await act(city, ADMIN, unknown, Act("dispatch", 1))
    assert actions_on(SANITATION, event) == ("handle", "return")
    assert actions_on(WEST_ONLY, event) == ("dispatch",)
    assert actions_on(EAST_ONLY, event) == ()


async def test_events_are_seen_within_districts_by_their_reporter_and_by_their_department(
    city: Database,
) -> None:
    west = await make(city, LI, rubbish("w", 0))
    east = await make(city, WEST_ONLY, rubbish("e", 3))
    street = person("street", districts=(OTHER_COMMUNITY[:9],))
    community = person("community", districts=(COMMUNITY,))
    limited = person("limited", department="HW01", districts=("341503",))
    for viewer, seen in (
        (ADMIN, {west.id, east.id}),
        (LI, {west.id, east.id}),
        (WEST_ONLY, {west.id, east.id}),
        (EAST_ONLY, {east.id}),
        (street, {east.id}),
        (community, {west.id}),
        (limited, {west.id, east.id}),
    ):
        page = await list_events(city, viewer, EventQuery())
        assert {e.id for e in page.events} == seen, viewer.name
        for event in (west, east):
            assert may_see(viewer, event) == (event.id in seen)
    with pytest.raises(NotFound):
        await get_event(city, EAST_ONLY, west.id)
    with pytest.raises(LoginNeeded):
        await list_events(city, ANONYMOUS, EventQuery())
    assert not may_see(ANONYMOUS, west)


async def test_pages_hold_every_event_once_newest_first(city: Database) -> None:
    async with Locator(city) as locator:
        for n in range(7):
            await report(city, locator, LI, rubbish(f"k{n}"))
    found: list[int] = []
    after: str | None = None
    while True:
        page = await list_events(city, LI, EventQuery(limit=3, after=after))
        found += [e.id for e in page.events]
        after = page.next
        if after is None:
            break
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 7


async def test_events_are_found_by_state_class_grid_box_and_time(city: Database) -> None:
    west = await make(city, LI, rubbish("w", 0))
    east = await make(city, LI, Report("e", "0137", *middle(3, 1)))
    lon, lat = middle(3, 1)
    for query, ids in (
        (EventQuery(states=("dispatched",)), {west.id, east.id}),
        (EventQuery(states=("closed", "rejected")), set()),
        (EventQuery(class_prefix="01"), {east.id}),
        (EventQuery(grid_prefix=COMMUNITY), {west.id}),
        (EventQuery(bbox=BoundingBox(lon - 0.0001, lat - 0.0001, lon + 0.0001, lat + 0.0001)), {east.id}),
        (EventQuery(since=east.reported_at), {east.id}),
        (EventQuery(since=datetime.now(UTC)), set()),
    ):
        assert {e.id for e in (await list_events(city, LI, query)).events} == ids, query
    for bad in (
        EventQuery(limit=0),
        EventQuery(limit=10_000),
        EventQuery(after="???"),
        EventQuery(after="W10"),
        EventQuery(states=("nonsense",)),  # type: ignore[arg-type]
        EventQuery(class_prefix="%"),
        EventQuery(since=datetime(2026, 3, 1)),
    ):
        with pytest.raises(BadRequest):
            await list_events(city, LI, bad)


async def test_an_event_is_overdue_until_it_is_handled(city: Database) -> None:
    event = await make(city, LI, rubbish())
    assert not event.is_overdue(datetime.now(UTC))
    late = datetime.now(UTC) + timedelta(hours=25)
    assert event.is_overdue(late)
    handled = await act(city, SANITATION, event.id, Act("handle", event.revision))
    assert not handled.is_overdue(late)


async def test_a_listener_hears_each_change_and_one_who_was_away_hears_what_was_missed(
    city: Database,
) -> None:
    async with Notices(city) as notices, EventFeed(city, notices) as feed:
        listening = feed.listen()
        first = await make(city, LI, rubbish("a"))
        handled = await act(city, SANITATION, first.id, Act("handle", first.revision))
        async with asyncio.timeout(5):
            assert await listening.next() in (first, handled)
            heard = await listening.next()
        assert heard == handled
    second = await make(city, LI, rubbish("b", 3))
    missed = await events_since(city, LI, handled.id, handled.revision)
    assert [e.id for e in missed] == [second.id]
    assert await events_since(city, WEST_ONLY, handled.id, handled.revision) == []
    assert [e.id for e in await events_since(city, LI, 10**9, 7)] == [first.id, second.id]


async def test_an_old_change_is_not_told_again(city: Database) -> None:
    first = await make(city, LI, rubbish("a"))
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    async with city.begin() as connection:
        await connection.execute(update(schema.event).values(updated_at=long_ago))
    second = await make(city, LI, rubbish("b"))
    third = await make(city, LI, rubbish("c"))
    missed = await events_since(city, LI, second.id, second.revision)
    assert first.id not in {e.id for e in missed}
    assert third.id in {e.id for e in missed}
