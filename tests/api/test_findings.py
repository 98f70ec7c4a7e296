"""What the quality check finds in a file that was sent: in the import, page by page, on the map, in Excel."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from api.findings import FindingsDocument, PlacedFindingsDocument
from tests.api.conftest import City
from tests.api.test_imports import Desk, desk_of, limited_publisher

HEAD = "id,name,lon,lat\n"
DIRTY = (
    HEAD
    + "a, 甲 ,116.5,31.7\n"
    + "b,锟斤拷,116.6,31.7\n"
    + "c,丙,0,0\n"
    + "d,丁,116.5,31.7\n"
    + "e,戊,116.7,31.7\n"
)
"""A text to tidy, one that is garbled, no place, a place given twice."""


@pytest.fixture
async def desk(own_city: City, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_of(own_city, tmp_path) as desk:
        yield desk


async def found(desk: Desk, run: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = await desk.client.get(f"/api/v1/imports/{run['id']}/findings", params=more, headers=desk.headers)
    assert answer.status_code == 200, answer.text
    FindingsDocument.model_validate(answer.json())
    document: dict[str, Any] = answer.json()
    return document


async def test_errors_refuse_a_file_and_each_is_told_with_its_rule_row_and_place(desk: Desk) -> None:
    run = await desk.staged(DIRTY)
    assert run["state"] == "refused"
    [report] = run["reports"]
    check = report["check"]
    assert (check["publishable"], check["totals"]["error"], check["rows"]) == (False, 1, 5)
    assert [d["dimension"] for d in check["score"]["dimensions"]][:2] == ["normativity", "completeness"]
    assert check["score"]["total"] < 100
    assert "=" in check["score"]["formula"]
    assert check["mended"]["counts"] == [
        {"mending": "trim", "title": check["mended"]["counts"][0]["title"], "rows": 1}
    ]
    errors = (await found(desk, run, severity="error"))["findings"]
    assert [(f["rule"]["id"], f["row"], f["key"]) for f in errors] == [
        ("GEO-16", 4, "c"),
    ]
    [garbled] = (await found(desk, run, rule="ATT-08"))["findings"]
    assert (garbled["severity"], garbled["row"], garbled["key"]) == ("warning", 3, "b")
    assert garbled["geometry"] == {"type": "Point", "coordinates": [116.6, 31.7]}
    assert garbled["rule"]["title"] == {"zh": "疑似乱码", "en": "garbled text"}
    by_rule = {rule["rule"]: rule for rule in report["rules"]}
    assert (by_rule["geometry.zero"]["rows"], by_rule["geometry.zero"]["check"]) == (1, "GEO-16")
    assert (report["read"], report["kept"], report["refused"]) == (5, 4, 1)


async def test_pages_of_findings_follow_one_another_and_count_what_there_is(desk: Desk) -> None:
    run = await desk.staged(HEAD + "".join(f"k{n}, 名 ,116.5,31.{n}\n" for n in range(5)))
    assert run["state"] == "staged"
    rows, after = [], "0"
    while True:
        page = await found(desk, run, rule="ATT-07", limit=2, after=after)
        assert (page["found"], page["left_out"]) == (5, 0)
        rows += [finding["row"] for finding in page["findings"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert rows == [2, 3, 4, 5, 6]
    assert (await found(desk, run, rule="XXX-99"))["findings"] == []


async def test_findings_on_the_map_are_bounded_and_say_how_many_are_not_there(desk: Desk) -> None:
    run = await desk.staged(DIRTY)
    address = f"/api/v1/imports/{run['id']}/findings.geojson"
    answer = await desk.client.get(address, params={"limit": 1, "rule": "GEO-08"}, headers=desk.headers)
    assert answer.headers["content-type"].startswith("application/geo+json")
    PlacedFindingsDocument.model_validate(answer.json())
    told = answer.json()
    assert (len(told["features"]), told["found"], told["left_out"]) == (1, 2, 1)
    assert told["features"][0]["properties"]["rule"]["id"] == "GEO-08"


async def test_the_report_is_a_workbook_that_excel_reads(desk: Desk) -> None:
    run = await desk.staged(DIRTY)
    answer = await desk.client.get(f"/api/v1/imports/{run['id']}/report.xlsx", headers=desk.headers)
    assert answer.headers["content-disposition"].startswith("attachment")
    book = openpyxl.load_workbook(io.BytesIO(answer.content), read_only=True)
    assert {"概要", "评分", "规则", "修整前"} <= set(book.sheetnames)
    before = list(book["修整前"].iter_rows(values_only=True))
    assert " 甲 " in before[1]


async def test_an_import_may_do_without_the_check_and_then_has_no_report(desk: Desk) -> None:
    run = await desk.staged(HEAD + "b,锟斤拷,116.6,31.7\n", check=False)
    assert (run["state"], run["reports"][0]["check"]) == ("staged", None)
    answer = await desk.client.get(f"/api/v1/imports/{run['id']}/report.xlsx", headers=desk.headers)
    assert answer.status_code == 404
    assert (await found(desk, run)) == {"findings": [], "found": 0, "left_out": 0, "next": None}


async def test_what_is_put_right_is_a_choice_of_words_that_are_known(desk: Desk) -> None:
    upload = await desk.send(DIRTY)
    for words in (["snaps"], ["snap=11m"], ["snap=-1"], ["valid=1m"], ["tile=1km"], [""]):
        body = {"uploads": [upload], "options": {"mend": words}}
        answer = await desk.post("/api/v1/imports", body)
        assert answer.status_code == 400, words
        assert "snap=0.05m" in answer.json()["expected"]
        assert answer.json()["value"] == words[0]
    answer = await desk.post("/api/v1/imports", {"uploads": [upload], "options": {"mend": ["snap"] * 31}})
    assert answer.status_code == 422
    tidy = HEAD + "a, 甲 ,116.5,31.7\n"
    assert (await desk.staged(tidy))["state"] == "staged"
    refused = await desk.staged(tidy, mend=["none"])
    assert refused["state"] == "refused"
    assert [rule["rule"] for rule in refused["reports"][0]["rules"] if rule["severity"] == "refused"] == [
        "mend.not_chosen"
    ]


async def test_findings_are_only_for_who_may_know_of_the_import(desk: Desk) -> None:
    run = await desk.staged(DIRTY)
    other = await limited_publisher(desk)
    for part in ("findings", "findings.geojson", "report.xlsx"):
        address = f"/api/v1/imports/{run['id']}/{part}"
        assert (await desk.client.get(address, headers=other)).status_code == 404
        assert (await desk.client.get(address)).status_code == 401
        wrong = await desk.client.get(address, params={"severity": "grave", "limit": 0}, headers=desk.headers)
        assert wrong.status_code == 400
