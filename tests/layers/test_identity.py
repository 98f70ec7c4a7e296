"""Whatever is delivered: difference, publication and rollback undo one another, and rows keep their ids.

Random sequences of deliveries (whole, partial, of one district, with rows said to be gone; rows added,
changed in their fields or their place only, removed, and their keys used again) against a plain model.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from itertools import permutations
from typing import NamedTuple

import shapely
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from layers.access import SYSTEM, scope_for
from layers.catalogue import get_layer, register
from layers.compare import differing, differing_rows
from layers.db import Database
from layers.errors import Conflict
from layers.model import Layer, Version
from layers.publish import compare, publish, roll_back, stage
from layers.rows import rows
from layers.staged_rows import ChangeKind, staged_changes
from tests.layers.specimens import batch, shop_layer

DISTRICTS = ("341502", "341503")
KINDS: tuple[ChangeKind, ...] = ("added", "changed", "removed")


class Row(NamedTuple):
    """What a row of the model says: its name, its place (None: nowhere) and its district."""

    name: str | None
    east: int | None
    district: str | None


State = dict[str, Row]


class Delivery(NamedTuple):
    """Rows by key, and what becomes of those that are not named."""

    rows: State
    partial: bool
    within: str | None
    removes: tuple[str, ...]


ROW = st.builds(
    Row,
    st.sampled_from(["甲", "乙", "", None]),
    st.sampled_from([0, 1, None]),
    st.sampled_from([*DISTRICTS, None]),
)
KEY = st.sampled_from("abcdef")
DELIVERY = st.builds(
    Delivery,
    st.dictionaries(KEY, ROW, min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from([None, *DISTRICTS]),
    st.lists(KEY, max_size=2).map(tuple),
)


def fitted(delivery: Delivery, standing: State) -> Delivery:
    """The delivery with only such rows and removals as may come within its district."""
    if delivery.within is None:
        return delivery
    ours = {key: row._replace(district=delivery.within) for key, row in delivery.rows.items()}
    mine = {k for k in "abcdef" if k not in standing or standing[k].district == delivery.within}
    removes = tuple(key for key in delivery.removes if key in mine)
    return delivery._replace(rows={k: r for k, r in ours.items() if k in mine}, removes=removes)


def after(standing: State, delivery: Delivery) -> State:
    """What stands after the delivery, by the model."""

    def stays(key: str) -> bool:
        if key in delivery.removes:
            return False
        if delivery.partial:
            return True
        return delivery.within is not None and standing[key].district != delivery.within

    return {key: row for key, row in standing.items() if stays(key)} | delivery.rows


def changed_keys(old: State, new: State) -> dict[ChangeKind, list[str]]:
    """The keys that differ, by kind, in order."""
    return {
        "added": sorted(new.keys() - old.keys()),
        "changed": sorted(k for k in old.keys() & new.keys() if old[k] != new[k]),
        "removed": sorted(old.keys() - new.keys()),
    }


async def read(database: Database, layer: Layer, version: int | None = None) -> tuple[State, dict[str, int]]:
    """The rows of a version, and their ids."""
    scoped = rows(scope_for(SYSTEM, layer, version=version)).subquery()
    columns = (scoped.c._key, scoped.c.name, scoped.c._geom.ST_X(), scoped.c.district_code, scoped.c._fid)
    async with database.connect() as connection:
        found = (await connection.execute(select(*columns))).all()
    state = {key: Row(name, None if x is None else round(x - 116), code) for key, name, x, code, _ in found}
    return state, {row[0]: row[4] for row in found}


async def deliver(database: Database, layer: Layer, delivery: Delivery, standing: State) -> Version | None:
    """Publishes the delivery, after its announced difference was held against the model."""
    places = [None if r.east is None else shapely.Point(116 + r.east, 31) for r in delivery.rows.values()]
    told = ({"code": k, "name": r.name, "district_code": r.district} for k, r in delivery.rows.items())
    staged = await stage(database, layer, [batch(*told, places=list(places))] if delivery.rows else [])
    staged = replace(staged, removes=delivery.removes)
    within = () if delivery.within is None else (delivery.within,)
    expected = changed_keys(standing, after(standing, delivery))
    difference = await compare(database, staged, partial=delivery.partial, within=within)
    assert difference[:3] == tuple(len(expected[kind]) for kind in KINDS)
    scope = scope_for(SYSTEM, layer)
    for kind in KINDS:
        told_rows = await staged_changes(
            database, staged, scope, kind, partial=delivery.partial, within=within
        )
        assert [row.key for row in told_rows] == expected[kind]
    made = await publish(database, staged, by="li", partial=delivery.partial, within=within)
    assert bool(made) == any(expected.values())
    return made[0] if made else None


async def hold_compared(database: Database, layer: Layer, states: dict[int, State], a: int, b: int) -> None:
    """Two versions compared, in this direction, say what the model says."""
    expected = changed_keys(states[a], states[b])
    old, new = (scope_for(SYSTEM, layer, version=number) for number in (a, b))
    numbers = await differing(database, old, new)
    for kind in KINDS:
        assert numbers[kind].number == len(expected[kind])
        found = await differing_rows(database, old, new, kind)
        assert [row.key for row in found] == expected[kind]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DELIVERY, min_size=2, max_size=5), st.data())
async def test_difference_publication_and_rollback_are_the_identity(
    database: Database, deliveries: list[Delivery], data: st.DataObject
) -> None:
    layer = await register(database, shop_layer(id=f"shop_{secrets.token_hex(4)}", search_fields=()))
    states: dict[int, State] = {}
    ids: dict[str, int] = {}
    standing: State = {}

    async def hold() -> None:
        state, found = await read(database, layer)
        assert state == standing
        assert layer.feature_count == len(standing)
        for key, fid in found.items():
            assert ids.setdefault(key, fid) == fid, "the same key is the same row, always"
        assert len(set(ids.values())) == len(ids)

    for one in deliveries:
        delivery = fitted(one, standing)
        event(f"partial={delivery.partial} within={delivery.within is not None}")
        if await deliver(database, layer, delivery, standing) is None:
            continue
        standing = after(standing, delivery)
        layer = await get_layer(database, layer.id)
        states[layer.version] = dict(standing)
        await hold()
    if not states:
        return
    numbers = sorted(states)
    assert numbers == list(range(1, len(numbers) + 1))
    target = data.draw(st.sampled_from(numbers), label="rolled back to")
    last = numbers[-1]
    for number in (target, last):
        # There and back again: whatever lies between is undone, and done again.
        if states[number] == standing:
            try:
                await roll_back(database, layer.id, number, by="li")
                raise AssertionError("nothing was to roll back")
            except Conflict:
                continue
        version = await roll_back(database, layer.id, number, by="li")
        expected = changed_keys(standing, states[number])
        assert (version.added, version.changed, version.removed) == tuple(len(expected[k]) for k in KINDS)
        standing = dict(states[number])
        layer = await get_layer(database, layer.id)
        states[layer.version] = dict(standing)
        await hold()
    for number, state in states.items():
        assert (await read(database, layer, number))[0] == state, "every version is still as it was"
    for a, b in permutations(states, 2):
        await hold_compared(database, layer, states, a, b)
