"""What every request passes first: a request id, the log, the counters, the size limit, and the safety net.

Plain ASGI, so that the tile path pays a few microseconds for it and not more.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from api.problems import problem, status_of
from layers.errors import TooMuch

logger = logging.getLogger("onemap.requests")

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
"""A request id that comes from a proxy is kept when it looks like one."""

Observer = Callable[[str, str, int, float], None]
"""Told (route, method, status, seconds) after every answer."""


class Doorway:
    """Gives each request an id, answers every error that nobody answered, and tells the log and `observe`.

    `scope["state"]["request_id"]` is the id; `scope["state"]["route"]` may be set by a plain ASGI endpoint
    to say under which name it is counted.
    """

    def __init__(self, app: ASGIApp, *, observe: Observer) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        method = scope["method"]
        started = time.perf_counter()
        status = 0

        async def send_known(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_known)
        except Exception as error:
            if status:
                logger.exception("broke off after the answer began", extra={"request_id": request_id})
                status = 500
                raise
            if status_of(error) == 500:
                logger.exception(
                    "unexpected error in %s %s",
                    method,
                    scope["path"],
                    extra={"request_id": request_id},
                )
            await problem(error, scope)(scope, receive, send_known)
        finally:
            elapsed = time.perf_counter() - started
            self._observe(_route(scope), method, status, elapsed)
            if logger.isEnabledFor(logging.INFO):
                logger.info(
                    "%s %s %d %.1f ms",
                    method,
                    scope["path"],
                    status,
                    elapsed * 1000,
                    extra={"request_id": request_id, "status": status, "elapsed_s": elapsed},
                )


class HeadAsGet:
    """Answers HEAD as GET without the body (RFC 9110 §9.3.2), so that no route has to say so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # A copy: the server compares body and length by the method in its own.
        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, send_headers)
        finally:
            if "route" in inner:
                scope["route"] = inner["route"]


class BodyLimit:
    """Refuses a request body above `limit_bytes`, by its declared length or, sent in chunks, as it comes."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or int(declared) > self._limit:
            raise self._too_large()
        taken = 0

        async def receive_limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise self._too_large()
            return message

        await self._app(scope, receive_limited, send)

    def _too_large(self) -> TooMuch:
        return TooMuch(
            f"请求体超过 {self._limit} 字节的上限",
            f"the request body is larger than the limit of {self._limit} bytes",
            limit_bytes=self._limit,
        )


def _request_id(scope: AsgiScope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _route(scope: AsgiScope) -> str:
    named = scope["state"].get("route")
    if named is not None:
        return str(named)
    route = scope.get("route")
    return str(route.path_format) if route is not None and hasattr(route, "path_format") else "(none)"
