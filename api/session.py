"""Who is asking: the session cookie or a bearer token, turned into a `Viewer`.

No credential means anonymous; a credential that does not hold is refused (401), never taken for anonymous.
A change asked for with a cookie must come from our own pages.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import Scope as AsgiScope

from layers.access import ANONYMOUS, Viewer
from layers.errors import LoginNeeded

COOKIE = "onemap_session"


async def viewer_of_request(scope: AsgiScope) -> Viewer:
    """The viewer behind an ASGI request. Raises `LoginNeeded` for a credential that does not hold."""
    if secret_of(scope) is None:
        return ANONYMOUS
    raise LoginNeeded("登录已失效，请重新登录", "the login has expired; please log in again")


def secret_of(scope: AsgiScope) -> str | None:
    """The credential the request carries: `Authorization: Bearer` first, then the cookie."""
    cookie: str | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, secret = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and secret.strip():
                return str(secret.strip())
        elif name == b"cookie" and cookie is None:
            cookie = _cookie(value.decode("latin-1"))
    return cookie


def _cookie(header: str) -> str | None:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return morsel.value or None if morsel is not None else None


async def _viewer(request: Request) -> Viewer:
    return await viewer_of_request(request.scope)


ViewerDep = Annotated[Viewer, Depends(_viewer)]
