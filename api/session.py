"""Who is asking: the session cookie or a bearer token, turned into a `Viewer`.

No credential means anonymous; a credential that does not hold is refused (401), never taken for anonymous.
A change asked for with a cookie must come from our own pages: the cookie is SameSite=Strict, and the
request must say so too (Sec-Fetch-Site, or Origin from older browsers).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookies import CookieError, SimpleCookie
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.types import Scope as AsgiScope

from api.context import Context, context_of
from api.errors import COOKIE, SessionExpired
from api.turns import client_name
from layers.access import ANONYMOUS, Viewer, require
from layers.accounts import viewer_of
from layers.errors import LoginNeeded, NotAllowed

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Credential(NamedTuple):
    """What a request carries to say who it is."""

    secret: str
    is_cookie: bool


async def viewer_of_request(scope: AsgiScope) -> Viewer:
    """The viewer behind an ASGI request.

    Raises `SessionExpired` for a credential that does not hold, `NotAllowed` for a change that a cookie
    asks for from a page of another site.
    """
    credential = credential_of(scope)
    if credential is None:
        return ANONYMOUS
    context = context_of(scope)
    if credential.is_cookie and scope["method"] not in SAFE_METHODS:
        require_own_page(scope, context)
    viewer = context.viewers.get(credential.secret)
    if viewer is None:
        viewer = await viewer_of(context.database, credential.secret)
        if viewer is None:
            raise SessionExpired("登录已失效，请重新登录", "the login has expired; please log in again")
        context.viewers.keep(credential.secret, viewer)
    return viewer


def credential_of(scope: AsgiScope) -> Credential | None:
    """`Authorization: Bearer` if there is one, else the cookie. Another scheme than Bearer is refused."""
    cookie: str | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, secret = value.decode("latin-1").strip().partition(" ")
            if scheme.lower() != "bearer" or not secret.strip():
                raise SessionExpired(
                    "Authorization 应为 Bearer 令牌", "Authorization should be a Bearer token"
                )
            return Credential(secret.strip(), is_cookie=False)
        if name == b"cookie" and cookie is None:
            cookie = _cookie(value.decode("latin-1"))
    return None if cookie is None else Credential(cookie, is_cookie=True)


def require_own_page(scope: AsgiScope, context: Context) -> None:
    """Raises `NotAllowed` if a browser says that a page of another site asks.

    A client that says neither is no browser, and no other site can send our cookie through it.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site in ("same-origin", "none") or (site is None and origin is None):
        return
    known = {headers.get(b"host"), urlsplit(context.settings.public_url or "").netloc}
    if origin is not None and (urlsplit(origin).netloc or None) in known:
        return
    raise NotAllowed(
        "该请求来自其他网站，已拒绝", "the request comes from a page of another site and was refused"
    )


def _cookie(header: str) -> str | None:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return morsel.value or None if morsel is not None else None


async def _viewer(request: Request) -> Viewer:
    return await viewer_of_request(request.scope)


ViewerDep = Annotated[Viewer, Depends(_viewer)]


async def _publisher(viewer: ViewerDep) -> Viewer:
    require(viewer, "publisher")
    return viewer


PublisherDep = Annotated[Viewer, Depends(_publisher)]
"""A viewer who may publish; anybody else is refused before the body is looked at."""


async def _admin(viewer: ViewerDep) -> Viewer:
    require(viewer, "admin")
    return viewer


AdminDep = Annotated[Viewer, Depends(_admin)]
"""A viewer who may change what the service reads; anybody else is refused before the body is looked at."""


async def _account(viewer: ViewerDep) -> Viewer:
    if not viewer.is_logged_in:
        raise LoginNeeded("请先登录", "please log in first")
    return viewer


async def _turn(request: Request, viewer: ViewerDep) -> AsyncIterator[None]:
    """Holds the work of a request until it is the client's turn (`api.turns`)."""
    async with context_of(request.scope).turns.turn(client_name(request.scope, viewer)):
        yield


TURN = Depends(_turn)
"""For routes that ask the database for rows."""

AccountDep = Annotated[Viewer, Depends(_account)]
"""The viewer, who has logged in: said before the body is looked at (nobody makes us read one without)."""
