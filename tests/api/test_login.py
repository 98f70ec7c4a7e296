"""Sessions and keys: who is believed, and who is not."""

from __future__ import annotations

import json

import httpx2
import pytest

from api.errors import COOKIE
from api.viewers import KEPT_AT_MOST, Viewers
from layers.access import ANONYMOUS
from tests.api.city import PASSWORD
from tests.api.conftest import City

LOGIN = {"name": "viewer", "password": PASSWORD}


async def test_a_person_logs_in_is_known_and_logs_out(own_city_client: httpx2.AsyncClient) -> None:
    assert (await own_city_client.get("/api/v1/me")).json()["name"] == "anonymous"
    answer = await own_city_client.post("/api/v1/login", json=LOGIN)
    assert answer.json()["account"]["name"] == "viewer"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert (await own_city_client.get("/api/v1/me")).json()["roles"] == ["viewer"]
    assert (await own_city_client.post("/api/v1/logout")).status_code == 204
    assert (await own_city_client.get("/api/v1/me")).json()["name"] == "anonymous"


async def test_a_session_that_was_ended_is_refused_and_its_cookie_taken_back(
    own_city_client: httpx2.AsyncClient,
) -> None:
    token = (await own_city_client.post("/api/v1/login", json=LOGIN)).json()["token"]
    await own_city_client.post("/api/v1/logout")
    own_city_client.cookies.set(COOKIE, token)
    answer = await own_city_client.get("/api/v1/layers")
    assert answer.status_code == 401
    assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_a_token_serves_as_well_as_the_cookie(own_city_client: httpx2.AsyncClient) -> None:
    token = (await own_city_client.post("/api/v1/login", json=LOGIN)).json()["token"]
    own_city_client.cookies.clear()
    me = await own_city_client.get("/api/v1/me", headers={"Authorization": f"bearer {token}"})
    assert me.json()["name"] == "viewer"


async def test_a_key_serves_a_system(city_client: httpx2.AsyncClient, city: City) -> None:
    me = await city_client.get("/api/v1/me", headers=city.headers("warden"))
    assert (me.json()["name"], me.json()["department"]) == ("warden", "ZJ01")


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer ", "Bearer", "Basic dmlld2VyOng=", "\u00e9", "Bearer \u00ff\u00fe"]
)
async def test_a_credential_that_does_not_hold_is_never_taken_for_anonymous(
    city_client: httpx2.AsyncClient, header: str
) -> None:
    answer = await city_client.get("/api/v1/layers", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


@pytest.mark.parametrize("cookie", ["nonsense", "", '"', "a" * 5000])
async def test_an_odd_cookie_breaks_nothing(city_client: httpx2.AsyncClient, cookie: str) -> None:
    answer = await city_client.get("/api/v1/layers", headers={"Cookie": f"{COOKIE}={cookie}; other=1"})
    assert answer.status_code in (200, 401)


async def test_a_wrong_password_and_a_wrong_name_look_alike(own_city_client: httpx2.AsyncClient) -> None:
    wrong = await own_city_client.post("/api/v1/login", json={**LOGIN, "password": "nonsense"})
    unknown = await own_city_client.post("/api/v1/login", json={**LOGIN, "name": "nobody"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["detail"] == unknown.json()["detail"]


async def test_trying_passwords_is_slowed_down(own_city_client: httpx2.AsyncClient) -> None:
    answers = [
        await own_city_client.post("/api/v1/login", json={**LOGIN, "password": "x"}) for _ in range(11)
    ]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "x",
        None,
        {"name": "viewer"},
        {"name": 7, "password": PASSWORD},
        {"name": "viewer", "password": None},
        {"name": "", "password": "x"},
        {"name": "v" * 10_000, "password": "x"},
        {"name": "viewer", "password": "x" * 100_000},
        {"name": "viewer", "password": "x", "role": "admin"},
        {"name": {"$ne": ""}, "password": {"$ne": ""}},
    ],
)
async def test_a_login_of_the_wrong_shape_is_refused(city_client: httpx2.AsyncClient, body: object) -> None:
    answer = await city_client.post("/api/v1/login", json=body)
    assert answer.status_code == 422
    assert "xxxxx" not in answer.text


@pytest.mark.parametrize("name", ["viewer' OR '1'='1", "viewer\x00", "😀", "\ud800"])
async def test_a_strange_name_is_only_a_wrong_one(own_city_client: httpx2.AsyncClient, name: str) -> None:
    body = json.dumps({"name": name, "password": "\ud800"})
    answer = await own_city_client.post(
        "/api/v1/login", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (401, 422)


HEADERS_OF_PAGES: list[tuple[dict[str, str], int]] = [
    ({}, 200),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Origin": "http://city.test"}, 200),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Origin": "https://evil.test"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}, 403),
]


async def test_a_page_of_another_site_cannot_log_anybody_in(own_city_client: httpx2.AsyncClient) -> None:
    for headers, status in HEADERS_OF_PAGES:
        answer = await own_city_client.post("/api/v1/login", json=LOGIN, headers=headers)
        assert answer.status_code == status, headers


async def test_a_page_of_another_site_cannot_use_the_cookie_to_change_anything(
    own_city_client: httpx2.AsyncClient,
) -> None:
    await own_city_client.post("/api/v1/login", json=LOGIN)
    answer = await own_city_client.post(
        "/api/v1/layers/building/withdraw",
        headers={"Sec-Fetch-Site": "cross-site", "Accept-Language": "en"},
    )
    assert answer.status_code == 403
    assert "another site" in answer.json()["detail"]


def test_credentials_kept_in_memory_are_bounded() -> None:
    viewers = Viewers()
    for number in range(KEPT_AT_MOST + 5):
        viewers.keep(str(number), ANONYMOUS)
    assert viewers.get("4") is None
    assert viewers.get("5") is ANONYMOUS
    viewers.forget("5")
    assert viewers.get("5") is None
