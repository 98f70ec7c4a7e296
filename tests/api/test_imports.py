"""A file's whole way over HTTP: sent in pieces, read by the worker, looked at, published or let go."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.app import create_app
from api.documents import (
    ChangedRowsDocument,
    ComparedDocument,
    ImportDocument,
    ImportsDocument,
    UploadDocument,
)
from api.look_documents import LookDocument
from api.settings import ApiSettings
from importers.worker import read_run, work_on_imports
from layers.access import Role
from layers.accounts import create_account, make_key
from layers.db import Database
from tests.api.city import JINAN, YUAN
from tests.api.conftest import City, client_of

GEODATABASE = Path(__file__).parents[1] / "importers" / "files" / "geodatabase.zip"
HEAD = "id,name,lon,lat\n"
FIRST = HEAD + "a,甲,116.5,31.7\nb,乙,116.6,31.7\n"
SECOND = HEAD + "a,甲二,116.5,31.7\nc,丙,116.7,31.7\n"


class Desk:
    """A publisher at work: a client of the service, the worker's database and folder."""

    def __init__(self, client: httpx2.AsyncClient, database: Database, folder: Path, city: City) -> None:
        self.client, self.database, self.folder, self.city = client, database, folder, city
        self.headers = city.headers("publisher")

    async def send(self, content: str | bytes, name: str = "t.csv") -> str:
        whole = content.encode() if isinstance(content, str) else content
        begun = await self.post("/api/v1/uploads", {"name": name, "size": len(whole)})
        assert begun.status_code == 201, begun.text
        address = f"/api/v1/uploads/{begun.json()['id']}"
        headers = {**self.headers, "Upload-Offset": "0"}
        answer = await self.client.patch(address, content=whole, headers=headers)
        assert answer.json()["is_complete"], answer.text
        return str(begun.json()["id"])

    async def begin(self, content: str, **options: Any) -> str:
        upload = await self.send(content)
        answer = await self.post("/api/v1/imports", {"uploads": [upload], "options": options})
        assert (answer.status_code, answer.json()["state"]) == (202, "uploaded"), answer.text
        return str(answer.json()["id"])

    async def staged(self, content: str, **options: Any) -> dict[str, Any]:
        run = await self.begin(content, **options)
        await read_run(self.database, self.folder, uuid.UUID(run))
        return await self.get(run)

    async def get(self, run: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1/imports/{run}", headers=self.headers)
        found: dict[str, Any] = answer.json()
        ImportDocument.model_validate(found)
        return found

    async def post(self, address: str, body: object = None, who: dict[str, str] | None = None) -> Any:
        return await self.client.post(address, json=body, headers=who or self.headers)

    async def publish(self, run: dict[str, Any], who: dict[str, str] | None = None) -> Any:
        versions = {told["layer"]: told["version"] for told in run["layers"]}
        return await self.post(f"/api/v1/imports/{run['id']}/publish", {"versions": versions}, who)

    async def rows(self, run: dict[str, Any], kind: str, **more: Any) -> Any:
        answer = await self.client.get(
            f"/api/v1/imports/{run['id']}/difference", params={"kind": kind, **more}, headers=self.headers
        )
        ChangedRowsDocument.model_validate(answer.json())
        return answer.json()


@asynccontextmanager
async def desk_of(city: City, folder: Path) -> AsyncIterator[Desk]:
    app = create_app(replace(ApiSettings(), uploads=folder), city.url)
    async with (
        app.router.lifespan_context(app),
        client_of(app) as client,
        Database(city.url) as database,
    ):
        yield Desk(client, database, folder, city)


@pytest.fixture
async def desk(own_city: City, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_of(own_city, tmp_path) as desk:
        yield desk


async def test_a_file_is_sent_read_looked_at_and_published(desk: Desk) -> None:
    first = await desk.staged(FIRST)
    assert (first["state"], first["layers"][0]["added"]) == ("staged", 2)
    assert [row["key"] for row in (await desk.rows(first, "added"))["rows"]] == ["a", "b"]
    assert (await desk.publish(first)).json()["versions"] == {"t": 1}
    second = await desk.staged(SECOND)
    told = second["layers"][0]
    assert [told[n] for n in ("version", "added", "changed", "removed", "unchanged")] == [1, 1, 1, 1, 0]
    [added] = (await desk.rows(second, "added"))["rows"]
    assert (added["key"], added["before"]) == ("c", None)
    assert added["after"]["geometry"]["coordinates"] == [116.7, 31.7]
    [changed] = (await desk.rows(second, "changed"))["rows"]
    assert [changed[side]["properties"]["name"] for side in ("before", "after")] == ["甲", "甲二"]
    [removed] = (await desk.rows(second, "removed"))["rows"]
    assert (removed["key"], removed["after"]) == ("b", None)
    published = await desk.publish(second)
    assert (published.json()["state"], published.json()["versions"]) == ("published", {"t": 2})
    items = await desk.client.get("/ogc/collections/t/items", headers=desk.headers)
    assert {feature["id"] for feature in items.json()["features"]} == {"a", "c"}
    assert (await desk.publish(second)).status_code == 409


async def test_a_zipped_geodatabase_is_looked_at_and_published_table_by_table(desk: Desk) -> None:
    upload = await desk.send(GEODATABASE.read_bytes(), "普查库（二期）.zip")
    asked = await desk.post("/api/v1/imports", {"uploads": [upload], "look_first": True})
    run = asked.json()["id"]
    await read_run(desk.database, desk.folder, uuid.UUID(run))
    look = (await desk.client.get(f"/api/v1/imports/{run}/look", headers=desk.headers)).json()
    LookDocument.model_validate(look)
    tables = {table["table"]: table for table in look["tables"]}
    covers = tables["普查库（二期）.zip/普查库.gdb [JG_2]"]
    assert covers["layer"]["title"]["zh"] == "井盖（二期）"
    assert {f["name"]: f["title"]["zh"] for f in covers["fields"]}["LB"] == "类别"
    assert any("巡查记录" in note["zh"] for note in covers["notes"])
    left_out = {name: {"skip": True} for name in tables if "地块" not in name and "JG_2" not in name}
    await desk.post(f"/api/v1/imports/{run}/read", {"options": {"tables": left_out}})
    await read_run(desk.database, desk.folder, uuid.UUID(run))
    staged = await desk.get(run)
    assert sorted(one["title"]["zh"] for one in staged["layers"]) == ["井盖（二期）", "用地地块"]
    versions = (await desk.publish(staged)).json()["versions"]
    assert set(versions.values()) == {1}
    [covers_id] = [one["layer"] for one in staged["layers"] if one["title"]["zh"] == "井盖（二期）"]
    told = (await desk.client.get(f"/api/v1/layers/{covers_id}", headers=desk.headers)).json()
    codes = {field["name"]: field["codes"] for field in told["fields"]}
    assert {code: title["zh"] for code, title in codes["ZT"].items()} == {"A": "完好", "B": "破损"}


async def test_pages_of_the_difference_follow_one_another(desk: Desk) -> None:
    run = await desk.staged(HEAD + "".join(f"k{n},名,116.5,31.7\n" for n in range(5)))
    keys, after = [], None
    while True:
        page = await desk.rows(run, "added", limit=2, **({"after": after} if after else {}))
        keys += [row["key"] for row in page["rows"]]
        after = page["next"]
        if after is None:
            break
    assert keys == [f"k{n}" for n in range(5)]


async def test_who_is_told_of_a_publication_finds_the_version_in_every_service(desk: Desk) -> None:
    await desk.publish(await desk.staged(FIRST))
    deaf = create_app(ApiSettings(), desk.city.url)
    async with deaf.router.lifespan_context(deaf), client_of(deaf) as client:
        deaf.state.context.catalogue._follower.cancel()  # as if the notice of the layer came late
        other = Desk(client, desk.database, desk.folder, desk.city)
        run = await desk.staged(SECOND)
        assert (await other.get(run["id"]))["state"] == "staged"
        await desk.publish(run)
        assert (await other.get(run["id"]))["versions"] == {"t": 2}
        layers = (await client.get("/api/v1/layers", headers=other.headers)).json()["layers"]
        assert {layer["id"]: layer["version"] for layer in layers}["t"] == 2


async def test_two_publishers_at_once_cannot_lose_each_others_work(desk: Desk) -> None:
    await desk.publish(await desk.staged(FIRST))
    runs = [await desk.staged(HEAD + f"{key},丁,116.8,31.7\n", partial=True) for key in ("d", "e")]
    answers = await asyncio.gather(*(desk.publish(run) for run in runs))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [late] = [run for run, answer in zip(runs, answers, strict=True) if answer.status_code == 409]
    again = (await desk.post(f"/api/v1/imports/{late['id']}/compare")).json()
    assert again["layers"][0]["version"] == 2
    assert (await desk.publish(late)).status_code == 409
    assert (await desk.publish(again)).json()["versions"] == {"t": 3}
    items = await desk.client.get("/ogc/collections/t/items", headers=desk.headers)
    assert {feature["id"] for feature in items.json()["features"]} == {"a", "b", "d", "e"}


PARTS = "标识码,部件名称,类别编码,lon,lat,district_code,变更类型\n"
LON = {JINAN: "116.495", YUAN: "116.51"}


def component(district: str, number: int, change: str = "新增") -> str:
    return f"{district}0101{number:06},井盖,0101,{LON[district]},31.74,{district},{change}\n"


async def standing(desk: Desk) -> set[str]:
    items = await desk.client.get("/ogc/collections/component/items?limit=100", headers=desk.headers)
    return {f"{key[:6]}-{int(key[10:])}" for key in (f["id"] for f in items.json()["features"])}


async def test_publishers_of_two_districts_at_once_both_leave_their_work(desk: Desk) -> None:
    runs = [
        await desk.staged(
            PARTS + component(code, 7) + component(code, 8), layer_id="component", within=[code]
        )
        for code in (JINAN, YUAN)
    ]
    told = [run["layers"][0] for run in runs]
    assert [(t["version"], t["added"], t["removed"]) for t in told] == [(1, 2, 1), (1, 2, 1)]
    removed = [(await desk.rows(run, "removed"))["rows"] for run in runs]
    assert [[row["key"][:6] for row in rows] for rows in removed] == [[JINAN], [YUAN]]
    answers = await asyncio.gather(*(desk.publish(run) for run in runs))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(answer.json()["versions"]["component"] for answer in answers) == [2, 3]
    assert await standing(desk) == {f"{code}-{n}" for code in (JINAN, YUAN) for n in (7, 8)}


async def test_the_second_of_two_publishers_of_one_district_is_told_what_moved(desk: Desk) -> None:
    runs = [
        await desk.staged(PARTS + component(JINAN, n), layer_id="component", within=[JINAN]) for n in (7, 8)
    ]
    answers = await asyncio.gather(*(desk.publish(run) for run in runs))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [(late, problem)] = [(r, a.json()) for r, a in zip(runs, answers, strict=True) if a.status_code == 409]
    assert (problem["versions"], problem["moved"], problem["seen"]) == ([2], 2, 1)
    again = (await desk.post(f"/api/v1/imports/{late['id']}/compare")).json()
    assert [again["layers"][0][n] for n in ("version", "added", "removed")] == [2, 1, 1]
    assert (await desk.publish(again)).status_code == 200
    assert len(await standing(desk)) == 2, "the last one replaced the district, knowingly"


async def test_rows_outside_the_part_are_refused_by_name(desk: Desk) -> None:
    run = await desk.staged(
        PARTS + component(JINAN, 7) + component(YUAN, 8), layer_id="component", within=[JINAN]
    )
    assert run["state"] == "refused"
    assert f"{YUAN}0101000008" in run["fault"]["zh"]
    wrong = await desk.post(
        "/api/v1/imports", {"uploads": [str(uuid.uuid4())], "options": {"within": ["金安区"]}}
    )
    assert wrong.status_code == 422


async def test_a_delivery_of_changes_says_which_rows_are_gone(desk: Desk) -> None:
    changes = PARTS + component(JINAN, 7) + component(YUAN, 1, "删除") + component(YUAN, 9, "删除")
    run = await desk.staged(changes, layer_id="component", partial=True, removes="变更类型=删除,注销")
    told = run["layers"][0]
    assert [told[n] for n in ("rows", "added", "changed", "removed")] == [1, 1, 0, 1]
    counts = {counted["rule"]: counted["rows"] for counted in run["reports"][0]["rules"]}
    assert counts["row.removed"] == 2
    assert (await desk.publish(run)).json()["state"] == "published"
    assert await standing(desk) == {f"{JINAN}-1", f"{JINAN}-7"}
    only = PARTS + component(JINAN, 7, "注销")
    run = await desk.staged(only, layer_id="component", partial=True, removes="变更类型=删除,注销")
    assert (await desk.publish(run)).json()["state"] == "published"
    assert await standing(desk) == {f"{JINAN}-1"}
    for told in ("没有此列=删除", "变更类型", "="):
        run = await desk.staged(changes, layer_id="component", partial=True, removes=told)
        assert (run["state"], run["layers"]) == ("refused", []), told


async def test_an_upload_goes_on_where_it_broke_off(desk: Desk) -> None:
    begun = await desk.post("/api/v1/uploads", {"name": "单元网格.zip", "size": 6})
    UploadDocument.model_validate(begun.json())
    address = f"/api/v1/uploads/{begun.json()['id']}"

    async def send(offset: int, content: bytes) -> httpx2.Response:
        headers = {**desk.headers, "Upload-Offset": str(offset)}
        return await desk.client.patch(address, content=content, headers=headers)

    assert (await send(0, b"abc")).headers["Upload-Offset"] == "3"
    head = await desk.client.head(address, headers=desk.headers)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"], head.content) == ("3", "6", b"")
    wrong = await send(0, b"abc")
    assert (wrong.status_code, wrong.json()["offset"]) == (409, 3)
    assert (await send(3, b"defg")).status_code == 413
    early = await desk.post("/api/v1/imports", {"uploads": [begun.json()["id"]]})
    assert (early.status_code, early.json()["offset"]) == (409, 3)
    assert (await send(3, b"def")).json()["is_complete"]
    other = await desk.client.get(address, headers=desk.city.headers("admin"))
    assert other.status_code == 200


async def test_names_that_are_paths_are_refused(desk: Desk) -> None:
    for name in ("../a.shp", "/etc/passwd", "a\\b", ".hidden", "a\x00b"):
        answer = await desk.post("/api/v1/uploads", {"name": name, "size": 1})
        assert answer.status_code == 400, name
    assert list(desk.folder.iterdir()) == []


async def test_cancelling_ends_what_waits_and_discards_what_is_staged(desk: Desk) -> None:
    waiting = await desk.begin(FIRST)
    assert (await desk.post(f"/api/v1/imports/{waiting}/cancel")).json()["state"] == "cancelled"
    staged = await desk.staged(FIRST)
    assert (await desk.post(f"/api/v1/imports/{staged['id']}/cancel")).json()["state"] == "discarded"
    assert (await desk.post(f"/api/v1/imports/{staged['id']}/cancel")).status_code == 409


async def test_a_refused_file_says_why(desk: Desk) -> None:
    run = await desk.staged("<html></html>")
    assert (run["state"], run["fault"]["found"]) == ("refused", "HTML")
    answer = await desk.client.get(f"/api/v1/imports/{run['id']}/difference?kind=added", headers=desk.headers)
    assert answer.status_code == 409


async def limited_publisher(desk: Desk) -> dict[str, str]:
    roles: tuple[Role, ...] = ("publisher",)
    await create_account(desk.database, "west", password=None, title="", roles=roles, districts=(JINAN,))
    return {"Authorization": f"Bearer {await make_key(desk.database, 'west')}"}


async def test_a_publisher_of_one_district_sees_own_imports_and_publishes_there_only(desk: Desk) -> None:
    theirs = await desk.staged(FIRST)
    west = await limited_publisher(desk)
    for address in (theirs["id"], f"{theirs['id']}/difference?kind=added", f"{theirs['id']}/stream"):
        assert (await desk.client.get(f"/api/v1/imports/{address}", headers=west)).status_code == 404
    assert (await desk.publish(theirs, west)).status_code == 404
    assert (await desk.client.get("/api/v1/imports", headers=west)).json()["imports"] == []
    desk.headers = west
    code, name = "标识码,部件名称,类别编码,lon,lat,district_code\n", ",井盖,0101,116.4"
    row = f"{code}3415020101000001{name}95,31.74,341502\n"
    whole = await desk.staged(row, layer_id="component", anywhere=True)
    assert whole["layers"][0]["removed"] == 1, "the row of the other district"
    assert (await desk.rows(whole, "removed"))["rows"] == [], "which is not theirs to see"
    assert (await desk.publish(whole)).status_code == 403
    part = await desk.staged(row, layer_id="component", anywhere=True, partial=True)
    assert (await desk.publish(part)).json()["state"] == "published"


async def test_a_departments_publisher_publishes_its_own_layers_and_those_of_nobody(desk: Desk) -> None:
    await create_account(desk.database, "planner", roles=("publisher",), department="GH01")
    desk.headers = {"Authorization": f"Bearer {await make_key(desk.database, 'planner')}"}
    theirs = await desk.staged(PARTS + component(JINAN, 7), layer_id="component", partial=True)
    refused = await desk.publish(theirs)
    assert (refused.status_code, refused.json()["owner"], refused.json()["department"]) == (
        403,
        "CG01",
        "GH01",
    )
    assert (await desk.publish(await desk.staged(FIRST))).status_code == 200


async def test_imports_are_listed_newest_first(desk: Desk) -> None:
    made = [await desk.begin(FIRST) for _ in range(3)]
    page = (await desk.client.get("/api/v1/imports?limit=2", headers=desk.headers)).json()
    ImportsDocument.model_validate(page)
    assert [run["id"] for run in page["imports"]] == made[:0:-1]
    rest = await desk.client.get(f"/api/v1/imports?after={page['next']}", headers=desk.headers)
    assert [run["id"] for run in rest.json()["imports"]] == made[:1]


async def test_the_stream_follows_an_import_that_a_worker_reads_to_its_end(desk: Desk) -> None:
    run = await desk.begin(FIRST)
    working = asyncio.create_task(work_on_imports(desk.database, desk.folder))

    async def publish_when_staged() -> None:
        while (told := await desk.get(run))["state"] != "staged":
            await asyncio.sleep(0.05)
        await desk.publish(told)

    async with asyncio.timeout(60):
        publishing = asyncio.create_task(publish_when_staged())
        answer = await desk.client.get(f"/api/v1/imports/{run}/stream", headers=desk.headers)
        await publishing
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    told = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    states = [one["state"] for one in told]
    assert states[-1] == "published"
    assert "staged" in states
    assert [one["revision"] for one in told] == sorted({one["revision"] for one in told})


async def test_a_service_without_a_folder_takes_no_files(city_client: httpx2.AsyncClient, city: City) -> None:
    answer = await city_client.post(
        "/api/v1/uploads", json={"name": "a.csv", "size": 1}, headers=city.headers("publisher")
    )
    assert answer.status_code == 404


async def test_two_versions_are_compared_as_far_as_one_may_see(desk: Desk) -> None:
    whole = "标识码,部件名称,类别编码,lon,lat,district_code\n"
    west = "3415020101000001,井盖,0101,116.495,31.74,341502\n"
    east = "3415030101000001,井盖二,0101,116.51,31.74,341503\n"
    run = await desk.staged(whole + west + east, layer_id="component", anywhere=True)
    assert (await desk.publish(run)).json()["versions"] == {"component": 2}
    address = "/api/v1/layers/component/compare?from=1&to=2"
    told = {}
    for person in ("publisher", "jinan"):
        answer = await desk.client.get(f"{address}&kind=changed", headers=desk.city.headers(person))
        ComparedDocument.model_validate(answer.json())
        told[person] = answer.json()
    assert [told["publisher"][k]["count"] for k in ("added", "changed", "removed")] == [0, 2, 0]
    assert told["publisher"]["changed"]["box"][::2] == [116.49, 116.51]
    assert [row["key"] for row in told["jinan"]["rows"]] == ["3415020101000001"]
    row = told["jinan"]["rows"][0]
    assert [row[side]["properties"]["name"] for side in ("before", "after")] == ["上水井盖", "井盖"]
    back = await desk.client.get("/api/v1/layers/component/compare?from=2&to=2", headers=desk.headers)
    assert back.json()["changed"] == {"count": 0, "box": None}
    assert (await desk.client.get(address.replace("=2", "=3"), headers=desk.headers)).status_code == 404


async def test_a_file_is_looked_at_looked_at_again_and_read(desk: Desk) -> None:
    upload = await desk.send("编号,lon,lat\n1,31.74,116.5\n2,31.75,116.6\n", "points.csv")
    begun = (await desk.post("/api/v1/imports", {"uploads": [upload], "look_first": True})).json()
    address = f"/api/v1/imports/{begun['id']}"
    assert (await desk.client.get(f"{address}/look", headers=desk.headers)).status_code == 404
    assert (await desk.post(f"{address}/read", {})).status_code == 409, "nobody has looked yet"

    async def worked() -> dict[str, Any]:
        await read_run(desk.database, desk.folder, uuid.UUID(begun["id"]))
        told = await desk.get(begun["id"])
        ImportDocument.model_validate(told)
        return told

    async def seen() -> dict[str, Any]:
        answer = await desk.client.get(f"{address}/look", headers=desk.headers)
        LookDocument.model_validate(answer.json())
        [table] = answer.json()["tables"]
        assert isinstance(table, dict)
        return table

    assert (await worked())["state"] == "looked"
    assert (await seen())["crs"]["certain"] is False
    said = {"swapped": True, "tables": {"points.csv": {"title": "管点"}}}
    again = await desk.post(f"{address}/look", {"options": said})
    assert (again.status_code, again.json()["options"]) == (202, said)
    assert (await worked())["state"] == "looked"
    table = await seen()
    assert (table["crs"]["certain"], table["layer"]["title"]["zh"]) == (True, "管点")
    unknown = await desk.post(f"{address}/read", {"options": {"no_such": 1}})
    assert unknown.status_code in (400, 422)
    assert (await desk.post(f"{address}/read", {"options": said})).status_code == 202
    assert (await worked())["state"] == "staged"
    assert (await seen())["table"] == "points.csv", "what was seen stays, to come back to"
    assert (await desk.post(f"{address}/cancel")).json()["state"] == "discarded"
    assert (await desk.post(f"{address}/look", {})).status_code == 409
