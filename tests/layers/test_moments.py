"""As of a moment: which version stood then, and what may be seen of it by the rights of today."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import shapely
from sqlalchemy import text

from layers import query
from layers.access import ANONYMOUS, SYSTEM, Viewer
from layers.catalogue import get_layer, register, versions
from layers.db import Database
from layers.errors import BadRequest, LoginNeeded, NotFound
from layers.model import Layer
from layers.moments import AsOf, Moments, read_moment
from layers.publish import publish, roll_back, stage, withdraw
from tests.layers.specimens import batch, shop_layer

TICK = timedelta(microseconds=1)


@pytest.fixture
async def history(database: Database) -> tuple[Layer, list[datetime]]:
    """A layer with the rows a; a, b; b; and when each of its versions was published."""
    layer = await register(database, shop_layer())
    for rows in ([{"code": "a"}], [{"code": "a"}, {"code": "b"}], [{"code": "b", "name": "乙"}]):
        await publish(database, await stage(database, layer, [batch(*rows)]), by="li")
    found = await versions(database, layer.id)
    return await get_layer(database, layer.id), [v.published_at for v in reversed(found)]


async def keys(database: Database, layer: Layer, as_of: AsOf, viewer: Viewer = SYSTEM) -> list[str]:
    scope = await Moments(database).scope(viewer, layer, as_of)
    return [f.key for f in (await query.features(database, scope, query.FeatureQuery())).features]


async def test_a_version_stands_from_its_publication_until_the_next(
    database: Database, history: tuple[Layer, list[datetime]]
) -> None:
    layer, since = history
    moments = Moments(database)
    for number, at in enumerate(since, start=1):
        assert await moments.version_at(layer, at) == number
        if number > 1:
            assert await moments.version_at(layer, at - TICK) == number - 1
    assert await moments.version_at(layer, since[-1] + timedelta(days=999)) == 3
    assert await keys(database, layer, AsOf(moment=since[1])) == ["a", "b"]
    assert await keys(database, layer, AsOf(moment=since[2])) == ["b"]
    assert await keys(database, layer, AsOf(version=1)) == ["a"]


async def test_before_the_first_version_there_was_nothing_and_it_says_since_when(
    database: Database, history: tuple[Layer, list[datetime]]
) -> None:
    layer, since = history
    with pytest.raises(NotFound) as refused:
        await keys(database, layer, AsOf(moment=since[0] - TICK))
    assert refused.value.facts["first_published_at"] == since[0].isoformat()
    assert await Moments(database).scopes(SYSTEM, [layer], AsOf(moment=since[0] - TICK)) == []
    empty = await register(database, shop_layer(id="empty"))
    with pytest.raises(NotFound, match="never published"):
        await Moments(database).version_at(empty, since[0])


async def test_a_new_version_is_noticed(database: Database, history: tuple[Layer, list[datetime]]) -> None:
    layer, since = history
    moments = Moments(database)
    assert await moments.version_at(layer, since[1]) == 2
    later = since[-1] + timedelta(days=1)
    assert await moments.version_at(layer, later) == 3
    await roll_back(database, layer.id, 1, by="li")
    layer = await get_layer(database, layer.id)
    assert await moments.version_at(layer, later) == 4
    assert await moments.version_at(layer, since[-1]) == 3


async def test_the_rights_of_today_hold_at_every_moment(
    database: Database, history: tuple[Layer, list[datetime]]
) -> None:
    layer, since = history
    fields = tuple(f for f in layer.fields if f.name != "name")
    closed = await register(database, shop_layer(access="public", fields=fields, name_field=None,
                                                 search_fields=("code",)))  # fmt: skip
    scope = await Moments(database).scope(ANONYMOUS, closed, AsOf(moment=since[1]))
    assert "name" not in scope.fields
    assert "owner_phone" not in scope.fields
    await withdraw(database, layer.id, by="li")
    with pytest.raises(NotFound, match="there is no layer"):
        await keys(database, await get_layer(database, layer.id), AsOf(moment=since[0]), ANONYMOUS)
    behind = shop_layer(id="behind", access="login")
    with pytest.raises((NotFound, LoginNeeded)):
        # Not when it was published first: that is for those who may know of the layer.
        await keys(database, behind, AsOf(moment=since[0]), ANONYMOUS)


async def test_a_district_sees_of_the_past_what_was_in_it(database: Database) -> None:
    layer = await register(database, shop_layer())
    for west, east in (("341502", "341503"), ("341503", "341503")):
        rows = batch({"code": "a", "district_code": west}, {"code": "b", "district_code": east})
        await publish(database, await stage(database, layer, [rows]), by="li")
    layer = await get_layer(database, layer.id)
    viewer = Viewer("jinan", districts=("341502",), is_logged_in=True)
    assert await keys(database, layer, AsOf(version=1), viewer) == ["a"]
    assert await keys(database, layer, AsOf(version=2), viewer) == []


async def test_times_of_publication_never_run_backwards(database: Database) -> None:
    layer = await register(database, shop_layer())
    stages = [await stage(database, layer, [batch({"code": f"k{n}"})]) for n in range(6)]
    await asyncio.gather(*(publish(database, s, by="li", partial=True) for s in stages))
    times = [v.published_at for v in reversed(await versions(database, layer.id))]
    assert times == sorted(set(times))


async def test_versions_of_old_with_times_out_of_order_still_have_their_turn(
    database: Database, history: tuple[Layer, list[datetime]]
) -> None:
    layer, since = history
    async with database.begin() as connection:
        await connection.execute(
            text("UPDATE onemap.layer_version SET published_at = :at WHERE number = 2"),
            {"at": since[0] - timedelta(hours=1)},
        )
    assert await Moments(database).version_at(layer, since[0]) == 2


async def test_the_box_of_an_old_version_holds_rows_that_have_moved_since(database: Database) -> None:
    layer = await register(database, shop_layer())
    for lon in (100.0, 110.0, 116.0):
        there = batch({"code": "a"}, places=[shapely.Point(lon, 31.0)])
        await publish(database, await stage(database, layer, [there]), by="li")
    layer = await get_layer(database, layer.id)
    boxes = [await Moments(database).bounds_at(layer, n) for n in (1, 2, 3)]
    assert [(box.west, box.east) for box in boxes if box] == [(100, 116), (110, 116), (116, 116)]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-03-01T00:00:00Z", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T08:00:00+08:00", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T08:00:00 08:00", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-02-28", datetime(2026, 2, 28, 16, tzinfo=UTC) - TICK),
        ("2020-01-01/2026-03-01T00:00:00Z", datetime(2026, 3, 1, tzinfo=UTC)),
        ("../2026-03-01T00:00:00Z", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01/..", None),
        ("2026-03-01/", None),
    ],
)
def test_a_moment_is_an_instant_the_end_of_a_day_or_of_an_interval(
    given: str, meant: datetime | None
) -> None:
    assert read_moment(given) == meant


@pytest.mark.parametrize(
    "given", ["", "yesterday", "2026-02-30", "../..", "/", "2026-02-02/2026-02-01", "2026-02-02T10:00:00",
              "2026-01-01/2026-01-02/2026-01-03", "9999-12-31T23:59:59.9999999999Z/x"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(given: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_moment(given)
    assert refused.value.facts["field"] == "datetime"
