"""Events over HTTP: reporting once, looking, acting, photos, and what is refused."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx2
import pytest

from api.grid_documents import EventDocument, EventsDocument, WholeEventDocument
from gis.crs import from_cgcs2000
from tests.api.grid_service import Service
from tests.grid.city import COMMUNITY, SIZE, SOUTH, WEST, middle
from tests.grid.test_reports_parts import JPEG, PNG

EVENTS = "/api/v1/events"


def in_base64(content: bytes) -> dict[str, str]:
    return {"media_type": "image/jpeg", "data": base64.b64encode(content).decode()}


async def test_a_report_is_answered_with_the_whole_event(shared: Service) -> None:
    answer = await shared.report(description="路边垃圾", address="梅山南路", photos=[in_base64(PNG)])
    told = answer.json()
    EventDocument.model_validate(told)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{EVENTS}/{told['id']}")
    assert (told["state"], told["reporter"], told["revision"]) == ("dispatched", "li", 3)
    assert told["class"] == {
        "code": "06010",
        "title": {"zh": "暴露垃圾", "en": "Exposed rubbish"},
        "kind": "event",
        "major": {"code": "06", "title": {"zh": "市容环境", "en": "Townscape and environment"}},
    }
    assert told["grid"] == {"code": f"{COMMUNITY}001", "name": "网格001"}
    assert [told[level]["name"] for level in ("community", "street", "district")] == [
        "迎宾社区",
        "中市街道",
        "金安区",
    ]
    assert told["department"] == {"code": "HW01", "name": "环境卫生管理处", "name_en": "Sanitation Office"}
    assert told["photos"] == [
        {"number": 1, "media_type": "image/png", "url": f"{EVENTS}/{told['id']}/photos/1"}
    ]
    assert (told["overdue"], told["component"], told["actions"]) == (False, None, [])
    assert told["due_at"] > told["reported_at"]


async def test_a_component_out_of_order_names_the_component(shared: Service) -> None:
    told = (await shared.report(class_code="01001")).json()
    EventDocument.model_validate(told)
    assert told["component"]["code"] == "3415020101000001"
    assert told["component"]["distance_m"] == pytest.approx(9.5, abs=0.3)
    assert told["department"]["code"] == "SW01"


async def test_a_phone_may_send_twice_and_the_city_sees_one(service: Service) -> None:
    first = await service.report(key="k1", photos=[in_base64(JPEG)])
    again = await service.report(key="k1", photos=[in_base64(JPEG)])
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = await service.report(key="k1", description="另一件事")
    assert (other.status_code, other.json()["event"]) == (409, first.json()["id"])
    assert len((await service.get(EVENTS, "li")).json()["events"]) == 1


async def test_ten_parallel_reports_with_one_key_are_one_event(shared: Service) -> None:
    answers = await asyncio.gather(*(shared.report(key="ten-at-once") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_form_with_files_is_the_same_report(shared: Service) -> None:
    lon, lat = from_cgcs2000(*middle(1, 1), "gcj02")
    form = {
        "class_code": "06010",
        "lon": str(lon),
        "lat": str(lat),
        "crs": "gcj02",
        "description": "照片两张",
    }
    files = [("photos", ("a.jpg", JPEG, "image/jpeg")), ("photos", ("b.gif", PNG, "image/gif"))]
    answer = await shared.post(EVENTS, "li", data=form, files=files, headers={"Idempotency-Key": "a-form"})
    told = answer.json()
    assert answer.status_code == 201
    assert told["grid"]["code"] == f"{COMMUNITY}004"
    assert (told["lon"], told["lat"]) == pytest.approx(middle(1, 1), abs=1e-9)
    assert [photo["media_type"] for photo in told["photos"]] == ["image/jpeg", "image/png"]


async def test_a_photo_comes_back_as_a_picture_and_nothing_else(shared: Service) -> None:
    told = (await shared.report(photos=[in_base64(JPEG)])).json()
    answer = await shared.get(told["photos"][0]["url"], "wang")
    assert (answer.content, answer.headers["content-type"]) == (JPEG, "image/jpeg")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "private" in answer.headers["cache-control"]
    assert (await shared.get(told["photos"][0]["url"])).status_code == 401
    assert (await shared.get(told["photos"][0]["url"], "east")).status_code == 404
    assert (await shared.get(f"{EVENTS}/{told['id']}/photos/2", "li")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"class_code": "nonsense"}, 400, "class_code"),
        ({"class_code": 6010}, 422, "class_code"),
        ({"class_code": None}, 422, "class_code"),
        ({"lon": "116.5"}, 422, "lon"),
        ({"lon": 1e300}, 400, "lon"),
        ({"lat": 200}, 400, "lat"),
        ({"lon": WEST - 1}, 400, "lon"),
        ({"crs": "mars"}, 422, "crs"),
        ({"colour": "red"}, 422, "colour"),
        ({"description": ["x"]}, 422, "description"),
        ({"description": "长" * 2001}, 400, "description"),
        ({"description": "a\x00b"}, 400, "description"),
        ({"address": "长" * 257}, 400, "address"),
        ({"photos": "x"}, 422, "photos"),
        ({"photos": [{"data": "???"}]}, 400, "photos[0].data"),
        ({"photos": [{"data": "R0lGODlh"}]}, 400, "photos[0]"),
        ({"photos": [in_base64(JPEG + bytes([n])) for n in range(10)]}, 413, None),
        ({"photos": [in_base64(JPEG.ljust(5 * 2**20 + 1, b"x"))]}, 413, "photos[0]"),
    ],
)
async def test_a_report_is_refused_by_the_member_that_is_wrong(
    shared: Service, changes: dict[str, Any], status: int, field: str | None
) -> None:
    newest = (await shared.get(EVENTS, "li", limit=1)).json()
    answer = await shared.report(**changes)
    assert (answer.status_code, answer.json().get("field")) == (status, field)
    assert (await shared.get(EVENTS, "li", limit=1)).json() == newest


async def test_bodies_that_are_no_report_are_refused(shared: Service) -> None:
    async def send(**request: Any) -> httpx2.Response:
        headers = {"Idempotency-Key": "k", **request.pop("headers", {})}
        return await shared.post(EVENTS, "li", headers=headers, **request)

    as_json = {"Content-Type": "application/json"}
    assert (await send(content=b"{", headers=as_json)).status_code == 400
    assert (await send(content=b"[]", headers=as_json)).status_code == 422
    assert (await send(content=b'{"lon": NaN}', headers=as_json)).status_code == 400
    assert (await send(content=b"class_code=06010")).status_code == 400
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await send(content=b"--x\r\nnonsense", headers=broken)).status_code in (400, 422)
    assert (await send(content=b"", headers={"Content-Type": "multipart/form-data"})).status_code == 400
    form = {"class_code": "06010", "lon": "nan", "lat": "31.7"}
    assert (await send(data=form, files=[("photos", ("a", JPEG))])).json()["field"] == "lon"
    assert (await send(data=form, files=[("other", ("a", JPEG))])).json()["field"] == "other"
    assert (await send(data=form | {"photos": "x"}, files=[("photos", ("a", JPEG))])).status_code == 400


async def test_without_a_key_or_a_login_or_a_role_nothing_is_recorded(shared: Service) -> None:
    lon, lat = middle(0, 0)
    body = {"class_code": "06010", "lon": lon, "lat": lat}
    newest = (await shared.get(EVENTS, "root", limit=1)).json()
    no_key = await shared.post(EVENTS, "li", json=body)
    assert (no_key.status_code, no_key.json()["field"]) == (400, "Idempotency-Key")
    assert (await shared.report(key="x" * 201)).status_code == 400
    assert (await shared.report(None)).status_code == 401
    assert (await shared.report("sun")).status_code == 403
    assert (await shared.get(EVENTS, "root", limit=1)).json() == newest


async def test_an_event_lives_its_life_and_shows_its_history(shared: Service) -> None:
    event = (await shared.report()).json()
    for who, action, note in (
        ("sun", "handle", "已清运"),
        ("li", "check", ""),
        ("wang", "close", ""),
    ):
        seen = (await shared.get(f"{EVENTS}/{event['id']}", who)).json()
        assert action in seen["actions"]
        wanted = {"action": action, "note": note, "revision": seen["revision"]}
        answer = await shared.post(f"{EVENTS}/{event['id']}/actions", who, json=wanted)
        assert answer.status_code == 200
        EventDocument.model_validate(answer.json())
    whole = (await shared.get(f"{EVENTS}/{event['id']}", "li")).json()
    WholeEventDocument.model_validate(whole)
    assert (whole["state"], whole["actions"]) == ("closed", [])
    assert [(s["action"], s["by"]) for s in whole["steps"]] == [
        ("report", "li"),
        ("file", "system"),
        ("dispatch", "system"),
        ("handle", "sun"),
        ("check", "li"),
        ("close", "wang"),
    ]
    assert whole["steps"][2]["department"] == {"code": "HW01", "name": "环境卫生管理处"}


@pytest.mark.parametrize(
    ("who", "wanted", "status"),
    [
        (None, {"action": "dispatch", "revision": 3}, 401),
        ("li", {"action": "dispatch", "revision": 3}, 403),
        ("east", {"action": "dispatch", "revision": 3}, 404),
        ("wang", {"action": "dispatch", "revision": 2}, 409),
        ("wang", {"action": "close", "revision": 3}, 409),
        ("wang", {"action": "dispatch", "revision": 3, "department": "NO99"}, 400),
        ("wang", {"action": "dispatch", "revision": 3, "department": "a\x00"}, 400),
        ("sun", {"action": "return", "revision": 3}, 400),
        ("sun", {"action": "handle", "revision": 3, "note": "长" * 1001}, 400),
        ("sun", {"action": "explode", "revision": 3}, 422),
        ("sun", {"action": "handle"}, 422),
        ("sun", {"action": "handle", "revision": 10**12}, 422),
        ("wang", {"action": "dispatch", "revision": 3, "department": "CG01"}, 200),
    ],
)
async def test_an_action_is_taken_or_refused(
    shared: Service, who: str | None, wanted: dict[str, object], status: int
) -> None:
    event = (await shared.report()).json()
    answer = await shared.post(f"{EVENTS}/{event['id']}/actions", who, json=wanted)
    assert answer.status_code == status


async def test_events_are_listed_by_page_and_filter(service: Service) -> None:
    for n in range(5):
        await service.report(key=f"k{n}")
    lon, lat = middle(3, 0)
    await service.report(key="east", lon=lon, lat=lat)
    page = (await service.get(EVENTS, "li", limit=4)).json()
    EventsDocument.model_validate(page)
    rest = (await service.get(EVENTS, "li", limit=4, after=page["next"])).json()
    assert len({e["id"] for e in page["events"] + rest["events"]}) == 6
    assert rest["next"] is None
    for query, count in (
        ({"state": "dispatched,filed"}, 6),
        ({"state": "closed"}, 0),
        ({"class": "06"}, 6),
        ({"class": "01"}, 0),
        ({"grid": COMMUNITY}, 5),
        ({"bbox": f"{lon - SIZE},{SOUTH},{lon + SIZE},{SOUTH + SIZE}"}, 1),
        ({"since": "2999-01-01T00:00:00Z"}, 0),
    ):
        assert len((await service.get(EVENTS, "li", **query)).json()["events"]) == count
    assert len((await service.get(EVENTS, "east")).json()["events"]) == 1
    assert (await service.get(EVENTS)).status_code == 401
    for query in (
        {"state": "nonsense"},
        {"limit": 0},
        {"after": "x"},
        {"bbox": "1,2"},
        {"since": "yesterday"},
        {"since": "2026-03-01T00:00:00"},
        {"class": "%"},
        {"colour": "red"},
    ):
        assert (await service.get(EVENTS, "li", **query)).status_code == 400, query


async def test_events_that_are_not_there_are_not_found(shared: Service) -> None:
    for event_id, status in (("999", 404), ("0", 404), ("-1", 404), (str(2**80), 404), ("x", 400)):
        assert (await shared.get(f"{EVENTS}/{event_id}", "li")).status_code == status, event_id


async def test_the_classes_and_departments_can_be_chosen_from(shared: Service) -> None:
    classes = (await shared.get("/api/v1/event-classes")).json()
    assert len(classes) == 250
    assert {each["kind"] for each in classes} == {"component", "event"}
    assert (await shared.get("/api/v1/departments")).status_code == 401
    told = (await shared.get("/api/v1/departments", "wang")).json()
    assert [each["code"] for each in told["departments"]] == ["CG01", "HW01", "SW01"]
