"""The event stream: live, replayed after an absence, limited to what the listener may see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from api import event_stream
from api.app import end_streams
from api.context import Context
from tests.api.grid_service import Service
from tests.grid.city import middle

STREAM = "/api/v1/events/stream"


@asynccontextmanager
async def listening(service: Service, who: str, last: str | None = None) -> AsyncIterator[asyncio.Queue[str]]:
    """The stream's messages, as they come; ends by hanging up, as a browser does."""
    messages: asyncio.Queue[str] = asyncio.Queue()
    gone = asyncio.Event()
    headers = [(b"host", b"city.test"), (b"authorization", f"Bearer {service.keys[who]}".encode())]
    if last is not None:
        headers.append((b"last-event-id", last.encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": STREAM,
        "raw_path": STREAM.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("city.test", 80),
        "app": service.app,
    }
    asked = False

    async def receive() -> dict[str, object]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            messages.put_nowait(str(message["status"]))
        else:
            body = message.get("body", b"")
            assert isinstance(body, bytes)
            messages.put_nowait(body.decode() if message.get("more_body") else "(end)")

    task = asyncio.create_task(service.app(scope, receive, send))  # type: ignore[arg-type]
    try:
        assert await next_of(messages) == "200"
        assert (await next_of(messages)).startswith("retry:")
        yield messages
    finally:
        gone.set()
        async with asyncio.timeout(5):
            await task


async def next_of(messages: asyncio.Queue[str]) -> str:
    async with asyncio.timeout(5):
        return await messages.get()


def event_in(message: str) -> tuple[str, dict[str, object]]:
    """Id and event of a message."""
    lines = dict(line.split(": ", 1) for line in message.strip().splitlines())
    assert lines["event"] == "event"
    return lines["id"], json.loads(lines["data"])


async def test_an_event_appears_on_the_stream_as_it_is_told_elsewhere(shared: Service) -> None:
    async with listening(shared, "wang") as messages:
        made = (await shared.report()).json()
        number, event = event_in(await next_of(messages))
        assert number == f"{made['id']}:3"
        assert event == {**made, "actions": ["dispatch"]}


async def test_each_listener_hears_what_they_may_see(shared: Service) -> None:
    async with listening(shared, "east") as east, listening(shared, "west") as west:
        await shared.report(key="w")
        lon, lat = middle(3, 0)
        made = (await shared.report(key="e", lon=lon, lat=lat)).json()
        assert event_in(await next_of(east))[1]["id"] == made["id"]
        assert event_in(await next_of(west))[1]["id"] != made["id"]
        assert east.empty()
        assert west.empty()


async def test_who_was_away_is_told_what_was_missed(service: Service) -> None:
    first = (await service.report(key="a")).json()
    second = (await service.report(key="b")).json()
    async with listening(service, "wang", f"{first['id']}:{first['revision']}") as messages:
        assert event_in(await next_of(messages))[1]["id"] == second["id"]
        third = (await service.report(key="c")).json()
        assert event_in(await next_of(messages))[1]["id"] == third["id"]


async def test_a_quiet_stream_shows_that_it_lives_and_ends_when_it_is_old(
    shared: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(event_stream, "LONGEST_S", 0.2)
    async with listening(shared, "wang") as messages:
        assert (await next_of(messages)).startswith(":")
        while (message := await next_of(messages)).startswith(":"):
            pass
        assert message == "(end)"


async def test_a_listener_that_does_not_keep_up_is_sent_away_to_come_back(shared: Service) -> None:
    context = shared.app.state.context
    assert isinstance(context, Context)
    async with listening(shared, "wang") as messages:
        for listener in list(context.feed._listeners):
            listener.put(None)
        assert await next_of(messages) == "(end)"


async def test_streams_end_when_the_service_is_told_to_stop(shared: Service) -> None:
    async with listening(shared, "wang") as messages:
        end_streams(shared.app)
        assert await next_of(messages) == "(end)"
    async with listening(shared, "wang") as late:
        assert await next_of(late) == "(end)"


async def test_the_stream_is_for_people_who_logged_in_and_ids_are_ours(shared: Service) -> None:
    assert (await shared.client.get(STREAM)).status_code == 401
    for wrong in ("x", "1", "1:x", "1:2:3", "-1:2"):
        headers = {**shared.headers("li"), "Last-Event-ID": wrong}
        answer = await shared.client.get(STREAM, headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (400, "Last-Event-ID")
