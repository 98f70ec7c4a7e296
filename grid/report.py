"""A report becomes a case, once, with somebody to answer for it.

It is written, filed and dispatched in one transaction: whoever was told of a case number finds all of it
after a crash, and whoever was not may send again under the same key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import and_, insert, select, true
from sqlalchemy.dialects.postgresql import insert as insert_or_not
from sqlalchemy.ext.asyncio import AsyncConnection

from grid.classes import ReportedClass, read_class
from grid.dispatch import Rule, due_at, find_rule
from grid.event_model import Event, Report, check_text, wrong
from grid.event_rows import COMPONENT_LAYER, OWNER_FIELDS, read_event
from grid.locate import Gridded, Locator
from grid.numbers import day_in_china, next_case_number
from layers import schema
from layers.access import SYSTEM, Viewer, require, scope_for
from layers.catalogue import get_layer
from layers.db import Database
from layers.errors import Conflict, NotFound
from layers.notices import EVENT_CHANNEL, notify
from layers.query import nearest

COMPONENT_RADIUS_M = 50.0
"""How far the component that is meant may be from where the inspector stands."""
MAX_OUTSIDE_M = 2_000.0
"""A report farther than this from every grid is taken for a mistake of the place and refused, with a word."""
MAX_DESCRIPTION = 2_000
MAX_ADDRESS = 256
"""Characters; 事发位置 C256, GB/T 47678.5-2026 Table 3."""
SYSTEM_NAME = "system"
"""Who files and dispatches by rule."""


class Reported(NamedTuple):
    """The case, and whether this very call made it (else it stood already under the same key)."""

    event: Event
    is_new: bool


@dataclass(frozen=True)
class _Finding:
    """Where a report is and what it concerns."""

    grid_code: str | None
    grid_distance_m: float
    district_code: str | None
    street_code: str | None
    community_code: str | None
    component: _Component | None


class _Component(NamedTuple):
    code: str
    owner_code: str | None
    distance_m: float


async def report(db: Database, locator: Locator, viewer: Viewer, given: Report) -> Reported:
    """Records a report once per reporter and key, and dispatches it by the rule table.

    Raises `LoginNeeded`/`NotAllowed` without the role of an inspector or dispatcher, `BadRequest` for what
    cannot be (a class that is no code, a place more than 2 km from every grid), `Conflict` if the key was
    used for another report. An event of no known class, or for which no rule speaks, waits as `reported`.
    """
    require(viewer, "inspector", "dispatcher")
    kind = read_class(given.class_code)
    _check(given)
    standing = await _standing(db, viewer, given)
    if standing is not None:
        return standing
    finding = await _find(db, locator.now, kind, given)
    now = datetime.now(UTC)
    async with db.begin() as connection:
        rule = await _rule_for(connection, kind, finding)
        # Reports of one district stand in line from here to the commit: nothing that can wait is done here.
        number = await next_case_number(connection, finding.district_code, day_in_china(now))
        event_id = await _insert(connection, viewer, given, kind, finding, rule, number, now)
        if event_id is not None:
            await _write_photos(connection, event_id, given)
            await _write_first_steps(connection, event_id, viewer, rule, now)
            await notify(connection, EVENT_CHANNEL, event_id, 1 if rule is None else 3)
    standing = await _standing(db, viewer, given)
    assert standing is not None, "a report that was written, or met its key taken, is there"
    return standing._replace(is_new=event_id is not None)


async def _standing(db: Database, viewer: Viewer, given: Report) -> Reported | None:
    """The case this reporter made under this key, None if there is none; `Conflict` if it is another."""
    table = schema.event
    mine = and_(table.c.reporter == viewer.name, table.c.idempotency_key == given.key)
    async with db.connect() as connection:
        row = (await connection.execute(select(table.c.id, table.c.request_hash).where(mine))).one_or_none()
        if row is None:
            return None
        if bytes(row[1]) != given.content_hash:
            raise Conflict(
                "同一 Idempotency-Key 已用于另一条上报",
                "this Idempotency-Key was used for another report",
                key=given.key,
                event=row[0],
            )
        return Reported(await read_event(connection, row[0], true()), is_new=False)


async def _find(db: Database, gridded: Gridded, kind: ReportedClass, given: Report) -> _Finding:
    located = gridded.locate(given.lon, given.lat)
    grid, distance = located.grid, 0.0
    if grid is None and located.nearest is not None:
        grid, distance = located.nearest
        if distance > MAX_OUTSIDE_M:
            raise wrong(
                "lon",
                f"{given.lon}, {given.lat}",
                f"位置距最近的网格 {grid.code} 有 {distance:.0f} m，超出 {MAX_OUTSIDE_M:.0f} m",
                f"a place within {MAX_OUTSIDE_M:.0f} m of a grid (the nearest, {grid.code}, is"
                f" {distance:.0f} m away)",
            )
    community, street, district = gridded.above(grid.code) if grid is not None else (None, None, None)
    return _Finding(
        grid.code if grid else None,
        distance,
        district.code if district else None,
        street.code if street else None,
        community.code if community else None,
        await _nearest_component(db, kind, given),
    )


async def _nearest_component(db: Database, kind: ReportedClass, given: Report) -> _Component | None:
    """The nearest component of the class within `COMPONENT_RADIUS_M`, in whichever edition it is coded."""
    if not kind.component_codes:
        return None
    try:
        layer = await get_layer(db, COMPONENT_LAYER)
    except NotFound:
        return None
    if layer.status != "published":
        return None
    scope = scope_for(SYSTEM, layer)
    found = [
        feature
        for code in kind.component_codes
        for feature in await nearest(
            db, scope, given.lon, given.lat, 1, COMPONENT_RADIUS_M, [("class_code", code)]
        )
    ]
    if not found:
        return None
    best = min(found, key=lambda feature: (feature.distance_m or 0.0, feature.key))
    owner = next((str(code) for name in OWNER_FIELDS if (code := best.properties.get(name))), None)
    return _Component(best.key, owner, round(best.distance_m or 0.0, 2))


async def _rule_for(connection: AsyncConnection, kind: ReportedClass, finding: _Finding) -> Rule | None:
    if not kind.known:
        return None
    owner = finding.component.owner_code if finding.component else None
    return await find_rule(connection, kind.code, owner, finding.grid_code)


async def _insert(
    connection: AsyncConnection,
    viewer: Viewer,
    given: Report,
    kind: ReportedClass,
    finding: _Finding,
    rule: Rule | None,
    number: str,
    now: datetime,
) -> int | None:
    """The new event's id; None if the reporter's key is taken."""
    component = finding.component
    statement = (
        insert_or_not(schema.event)
        .values(
            case_number=number,
            idempotency_key=given.key,
            reporter=viewer.name,
            request_hash=given.content_hash,
            class_code=kind.code,
            description=given.description,
            address=given.address,
            longitude=given.lon,
            latitude=given.lat,
            grid_code=finding.grid_code,
            grid_distance_m=finding.grid_distance_m,
            district_code=finding.district_code,
            street_code=finding.street_code,
            community_code=finding.community_code,
            component_code=component.code if component else None,
            component_distance_m=component.distance_m if component else None,
            department_code=rule.department_code if rule else None,
            rule_id=rule.id if rule else None,
            state="dispatched" if rule else "reported",
            due_at=due_at(rule, now),
            reported_at=now,
            updated_at=now,
            revision=3 if rule else 1,
        )
        .on_conflict_do_nothing(index_elements=["reporter", "idempotency_key"])
        .returning(schema.event.c.id)
    )
    event_id: int | None = (await connection.execute(statement)).scalar_one_or_none()
    return event_id


async def _write_photos(connection: AsyncConnection, event_id: int, given: Report) -> None:
    if given.photos:
        await connection.execute(
            insert(schema.event_photo),
            [
                {
                    "event_id": event_id,
                    "number": number,
                    "media_type": photo.media_type,
                    "sha256": photo.sha256,
                    "content": photo.content,
                }
                for number, photo in enumerate(given.photos, start=1)
            ],
        )


async def _write_first_steps(
    connection: AsyncConnection, event_id: int, viewer: Viewer, rule: Rule | None, now: datetime
) -> None:
    """The report, and where a rule speaks the filing and dispatching by the system."""
    steps: list[tuple[str, str | None, str, str, str | None]] = [
        ("report", None, "reported", viewer.name, None)
    ]
    if rule is not None:
        steps.append(("file", "reported", "filed", SYSTEM_NAME, None))
        steps.append(("dispatch", "filed", "dispatched", SYSTEM_NAME, rule.department_code))
    names = ("action", "from_state", "to_state", "by", "department_code")
    await connection.execute(
        insert(schema.event_step),
        [{"event_id": event_id, "at": now, **dict(zip(names, step, strict=True))} for step in steps],
    )


def _check(given: Report) -> None:
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", given.key):
        raise wrong(
            "Idempotency-Key",
            given.key,
            "Idempotency-Key 应为 1 至 200 个可见 ASCII 字符",
            "1 to 200 visible ASCII characters",
        )
    check_text("description", given.description, MAX_DESCRIPTION)
    check_text("address", given.address, MAX_ADDRESS)
