"""Nobody keeps the others waiting: work is done in turns, and its seconds are counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import httpx2
import pytest

from api.app import create_app
from api.settings import ApiSettings
from api.turns import REMEMBERED, Turns
from gis.squares import tile_at
from layers.catalogue import get_layer
from layers.db import Database
from layers.errors import TooMuch, Unavailable
from layers.publish import Batch, publish, stage
from tests.api.city import EAST, LAT, WEST, box
from tests.api.conftest import City, client_of
from tests.layers.functions import registered_function
from tests.layers.registered_tables import run_sql


class Work:
    """Pieces of work of clients, each held until it is let go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self.may_end = asyncio.Event()

    async def do(self, client: str) -> None:
        async with self.turns.turn(client):
            self.begun.append(client)
            await self.may_end.wait()


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_a_client_has_a_few_pieces_at_once_and_others_do_not_wait_for_it() -> None:
    work = Work(Turns(at_once=2))
    tasks = [asyncio.create_task(work.do("greedy")) for _ in range(10)]
    await settled(lambda: work.turns.waiting == 8)
    tasks.append(asyncio.create_task(work.do("modest")))
    await settled(lambda: "modest" in work.begun)
    assert work.begun == ["greedy", "greedy", "modest"]
    work.may_end.set()
    await asyncio.gather(*tasks)
    assert work.begun.count("greedy") == 10
    assert work.turns.waiting == 0


async def test_who_comes_beyond_what_may_wait_is_told_to_come_back() -> None:
    work = Work(Turns(at_once=1, waiting=2))
    tasks = [asyncio.create_task(work.do("greedy")) for _ in range(3)]
    await settled(lambda: work.turns.waiting == 2)
    with pytest.raises(Unavailable) as refused:
        await work.do("greedy")
    assert refused.value.facts["retry_after_s"] >= 1
    work.may_end.set()
    await asyncio.gather(*tasks)


async def test_all_together_wait_within_a_bound() -> None:
    work = Work(Turns(at_once=1, waiting=5, waiting_altogether=3))
    tasks = [asyncio.create_task(work.do(f"{n % 3}")) for n in range(6)]
    await settled(lambda: work.turns.waiting == 3)
    with pytest.raises(Unavailable):
        await work.do("0")
    work.may_end.set()
    await asyncio.gather(*tasks)


async def test_who_leaves_while_waiting_gives_the_turn_on() -> None:
    work = Work(Turns(at_once=1))
    first, leaving, last = (asyncio.create_task(work.do("one")) for _ in range(3))
    await settled(lambda: work.turns.waiting == 2)
    work.may_end.set()
    first.cancel()
    leaving.cancel()  # perhaps just as it was given the turn
    await asyncio.gather(first, leaving, return_exceptions=True)
    await last
    assert work.turns.waiting == 0
    async with work.turns.turn("one"):
        pass


async def test_seconds_of_work_are_counted_and_come_back_with_time() -> None:
    now = 0.0
    turns = Turns(seconds_a_minute=6.0, clock=lambda: now)
    async with turns.turn("slow"):
        now += 40.0
    with pytest.raises(TooMuch) as refused:
        async with turns.turn("slow"):
            pass
    wait_s = refused.value.facts["retry_after_s"]
    async with turns.turn("another"):
        pass
    now += wait_s
    async with turns.turn("slow"):
        pass


async def test_clients_unheard_of_for_long_are_forgotten() -> None:
    turns = Turns(seconds_a_minute=1.0)
    for n in range(REMEMBERED + 10):
        async with turns.turn(str(n)):
            pass
    assert len(turns._clients) == REMEMBERED


async def test_a_client_whose_seconds_are_used_up_is_told_over_http(city: City) -> None:
    app = create_app(ApiSettings(client_seconds_a_minute=1e-9), city.url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        address = f"/api/v1/identify?lon={WEST}&lat={LAT}"
        assert (await client.get(address)).status_code == 200
        for again in (address, f"/tiles/building/{'/'.join(map(str, tile_at(WEST, LAT, 15)))}.mvt"):
            refused = await client.get(again)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
        assert (await client.get(address, headers=city.headers("viewer"))).status_code == 200
        assert (await client.get("/healthz")).status_code == 200


@pytest.fixture
async def attacked(own_city: City) -> City:
    """The city with an earlier version of its buildings, and a function that takes its time."""
    run_sql(
        own_city.url,
        """CREATE FUNCTION gis.sleepy(n integer) RETURNS TABLE (said integer, geom geometry)
           LANGUAGE sql STABLE AS 'SELECT n, ST_Point(116.5, 31.7, 4490) FROM pg_sleep(0.05)'""",
    )
    async with Database(own_city.url) as db:
        await registered_function(db, "sleepy")
        layer = await get_layer(db, "building")
        area = box(EAST - 0.0005, EAST + 0.0005, LAT - 0.0006, LAT + 0.0004)
        row = {"code": ["B2"], "name": ["乙楼"], "floors_total": [19], "district_code": ["341503"]}
        await publish(db, await stage(db, layer, [Batch([area.wkb], row)]), by="test", partial=True)
    return own_city


async def test_a_hostile_client_does_not_stop_the_others(attacked: City) -> None:
    """Random squares, every layer together, earlier versions far out, a slow function, filters without an
    index: as much at once as fits."""
    city = attacked
    chance = random.Random(5)
    everything = "building,component,district,street,community,unit_grid,station"
    area = "POLYGON((116.4 31.6,116.6 31.6,116.6 31.9,116.4 31.9,116.4 31.6))"
    app = create_app(ApiSettings(), city.url)
    async with app.router.lifespan_context(app), client_of(app) as hostile, client_of(app) as visitor:
        hostile.headers.update(city.headers("viewer"))

        async def attack(n: int) -> httpx2.Response:
            z = chance.randrange(8, 22)
            x, y = chance.randrange(1 << z), chance.randrange(1 << z)
            match n % 5:
                case 0:
                    return await hostile.get(f"/tiles/{everything}/{z}/{x}/{y}.mvt")
                case 3:
                    return await hostile.get(f"/tiles/building/9/{x % 512}/{y % 512}.mvt?version=1&v={n}")
                case 4:
                    return await hostile.get(f"/tiles/sleepy/{z}/{x}/{y}.mvt?n={n}")
                case 1:
                    lon, lat = chance.uniform(116, 117), chance.uniform(31, 32)
                    return await hostile.get(f"/api/v1/layers/building/nearest?lon={lon}&lat={lat}&limit=100")
                case _:
                    return await hostile.get(f"/ogc/collections/building/items?limit=1000&name={area}{n}")

        attacks = [asyncio.create_task(attack(n)) for n in range(300)]
        await asyncio.sleep(0)
        answers = []
        while not all(task.done() for task in attacks):
            tile = tile_at(chance.choice((EAST, WEST)), LAT, chance.randrange(14, 18))
            answers.append(await visitor.get(f"/tiles/building/{'/'.join(map(str, tile))}.mvt"))
            # A kept tile is answered without a pause: in one process the attackers must have theirs.
            await asyncio.wait(attacks, timeout=0.02)
        assert answers
        assert {answer.status_code for answer in answers} <= {200, 204}
        refused = [task.result() for task in attacks if task.result().status_code >= 400]
        assert refused, "it was held back"
        assert {answer.status_code for answer in refused} <= {429, 503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
