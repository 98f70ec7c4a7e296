"""Files of readings over HTTP: looked at, staged, compared with what stands, written in one go, or let go."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.look_documents import LookDocument
from importers.worker import read_run
from layers.accounts import create_account, make_key
from layers.readings import Reading, add, latest
from tests.api.city import JINAN
from tests.api.conftest import City
from tests.api.test_imports import Desk, desk_of
from tests.importers.published import left_behind

HEAD = "站点编码,监测时间,PM2.5(μg/m³),CO(μg/m³)\n"
EIGHT = datetime(2026, 3, 1, 0, tzinfo=UTC)
TABLE = HEAD + "A1,2026-03-01 08:00,35,800\nA2,2026-03-01 08:00,20,\nA1,2026-03-01 09:00,36,\n"


@pytest.fixture
async def desk(own_city: City, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_of(own_city, tmp_path) as desk:
        yield desk


async def stored(desk: Desk) -> dict[tuple[str, str], float]:
    """The newest value of each station and indicator that the file is about."""
    found = await latest(desk.database, ["A1", "A2"])
    return {(r.station_code, r.indicator): r.value for r in found if r.observed_at >= EIGHT}


async def test_readings_are_compared_shown_and_written_when_a_person_says_so(desk: Desk) -> None:
    await add(desk.database, [Reading("A1", "pm2_5", EIGHT, 30.0), Reading("A2", "pm2_5", EIGHT, 20.0)])
    run = await desk.staged(TABLE)
    assert run["state"] == "staged", run
    [told] = run["layers"]
    assert (told["layer"], told["kind"], told["rows"], told["version"]) == ("reading", "readings", 4, 0)
    assert [told[n] for n in ("added", "changed", "removed", "unchanged")] == [2, 1, 0, 1]
    assert (told["readings"]["stations"], told["readings"]["first"]) == (2, "2026-03-01T00:00:00+00:00")
    spans = {
        one["indicator"]: (one["count"], one["low"], one["high"]) for one in told["readings"]["indicators"]
    }
    assert spans == {"pm2_5": (3, 20.0, 36.0), "co": (1, 0.8, 0.8)}
    assert await stored(desk) == {("A1", "pm2_5"): 30.0, ("A2", "pm2_5"): 20.0}, (
        "nothing before it is published"
    )
    [changed] = (await desk.rows(run, "changed"))["rows"]
    assert (changed["before"]["properties"]["value"], changed["after"]["properties"]["value"]) == (30.0, 35.0)
    assert changed["after"]["geometry"]["type"] == "Point"
    pages = await desk.rows(run, "added", limit=1)
    assert len(pages["rows"]) == 1
    rest = (await desk.rows(run, "added", after=pages["next"]))["rows"]
    assert {row["key"] for row in (*pages["rows"], *rest)} == {
        "A1/co/2026-03-01T00:00:00.000000Z",
        "A1/pm2_5/2026-03-01T01:00:00.000000Z",
    }
    assert (await desk.rows(run, "removed"))["rows"] == []
    done = (await desk.publish(run)).json()
    assert (done["state"], done["versions"], done["stored"]["added"], done["stored"]["changed"]) == (
        "published",
        {},
        2,
        1,
    )
    assert await stored(desk) == {("A1", "pm2_5"): 36.0, ("A1", "co"): 0.8, ("A2", "pm2_5"): 20.0}
    assert not await left_behind(desk.database)
    assert (await desk.staged(TABLE))["state"] == "unchanged"
    assert not await left_behind(desk.database)


async def test_readings_that_came_meanwhile_are_compared_again_first(desk: Desk) -> None:
    run = await desk.staged(TABLE)
    await add(desk.database, [Reading("A1", "pm2_5", EIGHT, 31.0)])
    refused = await desk.publish(run)
    assert (refused.status_code, "重新比较" in refused.json()["detail"]) == (409, True)
    assert await stored(desk) == {("A1", "pm2_5"): 31.0}
    again = (await desk.post(f"/api/v1/imports/{run['id']}/compare")).json()
    assert [again["layers"][0][n] for n in ("added", "changed")] == [3, 1]
    assert (await desk.publish(again)).json()["state"] == "published"
    nothing_said = await desk.staged(TABLE.replace("36", "37"))
    answer = await desk.post(f"/api/v1/imports/{nothing_said['id']}/publish", {"versions": {}})
    assert answer.status_code == 409


async def test_of_two_who_publish_the_same_readings_at_once_one_looks_again(desk: Desk) -> None:
    runs = [await desk.staged(TABLE.replace("35", value)) for value in ("41", "42")]
    answers = await asyncio.gather(*(desk.publish(run) for run in runs))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_unknown_stations_are_named_and_may_be_left_out(desk: Desk) -> None:
    content = TABLE + "Z8,2026-03-01 08:00,1,\nZ9,2026-03-01 08:00,1,2\n"
    run = await desk.staged(content)
    assert run["state"] == "refused"
    [rule] = [one for one in run["reports"][0]["rules"] if one["rule"] == "reading.no_station"]
    assert rule["details"] == {"Z8": 1, "Z9": 1}
    assert not await left_behind(desk.database)
    again = await desk.post(f"/api/v1/imports/{run['id']}/read", {"options": {"allow_refused": True}})
    assert again.status_code == 202
    await read_run(desk.database, desk.folder, uuid.UUID(run["id"]))
    staged = await desk.get(run["id"])
    assert (staged["state"], staged["layers"][0]["rows"]) == ("staged", 4)
    cancelled = (await desk.post(f"/api/v1/imports/{run['id']}/cancel")).json()
    assert cancelled["state"] == "discarded"
    assert not await left_behind(desk.database)
    assert await stored(desk) == {}


async def test_who_may_not_send_readings_of_a_station_may_not_publish_them(desk: Desk) -> None:
    await create_account(desk.database, "local", roles=("publisher",), districts=(JINAN,))
    theirs = {"Authorization": f"Bearer {await make_key(desk.database, 'local')}"}
    await create_account(desk.database, "other", roles=("publisher",), department="CG01")
    foreign = {"Authorization": f"Bearer {await make_key(desk.database, 'other')}"}
    desk.headers = theirs
    both = await desk.staged(TABLE)
    answer = await desk.publish(both)
    assert (answer.status_code, answer.json()["stations"]) == (403, ["A2"])
    own = await desk.staged(HEAD + "A1,2026-03-01 08:00,35,\n")
    assert (await desk.publish(own, foreign)).status_code in (403, 404)
    assert (await desk.publish(own)).status_code == 200
    assert await stored(desk) == {("A1", "pm2_5"): 35.0}


async def test_stations_and_their_readings_come_in_one_import(desk: Desk) -> None:
    stations = "站点编码,站点名称,站点类型,经度,纬度\nB1,新站,空气,116.49,31.74\n"
    readings = HEAD + "B1,2026-03-01 08:00,35,\nA1,2026-03-01 08:00,20,\n"
    uploads = [await desk.send(stations, "监测站点.csv"), await desk.send(readings, "监测数据.csv")]
    begun = await desk.post("/api/v1/imports", {"uploads": uploads, "options": {"partial": True}})
    await read_run(desk.database, desk.folder, uuid.UUID(begun.json()["id"]))
    run = await desk.get(begun.json()["id"])
    assert [(one["layer"], one["added"]) for one in run["layers"]] == [("station", 1), ("reading", 2)], run
    done = (await desk.publish(run)).json()
    assert (done["state"], done["stored"]["added"]) == ("published", 2)
    assert [r.value for r in await latest(desk.database, ["B1"])] == [35.0]


async def test_columns_of_readings_are_said_where_their_names_do_not_tell(desk: Desk) -> None:
    content = "点位,何时,细颗粒物读数,备注\nA1,2026-03-01 08:00,35,x\nA9,2026-03-01 08:00,36,y\n"
    columns: dict[str, Any] = {"点位": "station_code", "何时": "observed_at"}
    upload = await desk.send(content, "表.csv")
    looked = await desk.post(
        "/api/v1/imports",
        {"uploads": [upload], "options": {"layer_id": "reading", "columns": columns}, "look_first": True},
    )
    run = looked.json()["id"]
    await read_run(desk.database, desk.folder, uuid.UUID(run))
    seen = await look(desk, run)
    assert (seen["kind"], seen["lacking"]) == ("readings", ["indicator", "value"])
    assert [one["rule"] for one in seen["troubles"] if one["stops"]] == ["fields"]
    columns["细颗粒物读数"] = "pm2_5"
    await desk.post(f"/api/v1/imports/{run}/look", {"options": {"layer_id": "reading", "columns": columns}})
    await read_run(desk.database, desk.folder, uuid.UUID(run))
    seen = await look(desk, run)
    assert seen["lacking"] == []
    assert (seen["readings"]["stations"], seen["readings"]["strange"]) == (1, ["A9"])
    assert [one["field"] for one in seen["columns"]] == ["station_code", "observed_at", "pm2_5", None]
    [place] = seen["preview"]["features"]
    assert place["geometry"]["coordinates"] == pytest.approx([116.49, 31.74], abs=0.02)
    refused = await desk.staged(content, layer_id="reading")
    assert (refused["state"], "站点编码" in refused["fault"]["zh"]) == ("refused", True)


async def look(desk: Desk, run: str) -> Any:
    answer = await desk.client.get(f"/api/v1/imports/{run}/look", headers=desk.headers)
    LookDocument.model_validate(answer.json())
    return answer.json()["tables"][0]
