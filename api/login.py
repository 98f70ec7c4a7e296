"""Logging in and out, and who is logged in. Systems use keys, which `onemap token NAME` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.answers import Json
from api.context import Context, ContextDep
from api.documents import AccountDocument, LoginDocument
from api.errors import COOKIE
from api.session import ViewerDep, credential_of, require_own_page
from layers.access import Viewer
from layers.accounts import SESSION_HOURS, log_in, log_out
from layers.errors import LoginNeeded

router = APIRouter(tags=["people"], prefix="/api/v1")

NOT_KEPT = {"Cache-Control": "no-store"}


class Login(BaseModel):
    """An account's name and password."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


@router.post("/login", response_model=LoginDocument)
async def open_session(login: Login, request: Request, context: ContextDep) -> Response:
    """Starts a session: a token for programs, and the same as a cookie for pages."""
    require_own_page(request.scope, context)
    client = request.client.host if request.client is not None else ""
    secret, viewer = await log_in(context.database, login.name, login.password, client)
    answer = Json({"token": secret, "account": account_document(viewer)}, headers=NOT_KEPT)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=SESSION_HOURS * 3600,
        path="/",
        secure=context.settings.secure_cookies,
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/logout", status_code=204)
async def close_session(request: Request, context: ContextDep) -> Response:
    """Ends the session the request carries; nothing to end is no error."""
    try:
        credential = credential_of(request.scope)
    except LoginNeeded:
        credential = None
    if credential is not None:
        if credential.is_cookie:
            require_own_page(request.scope, context)
        context.viewers.forget(credential.secret)
        await log_out(context.database, credential.secret)
    answer = Response(status_code=204, headers=NOT_KEPT)
    take_cookie_back(answer, context)
    return answer


@router.get("/me", response_model=AccountDocument)
async def get_account(viewer: ViewerDep) -> Response:
    """Who the caller is; `anonymous` without a login."""
    return Json(account_document(viewer), headers=NOT_KEPT)


def account_document(viewer: Viewer) -> Mapping[str, object]:
    """A viewer as it travels."""
    return {
        "name": viewer.name,
        "title": viewer.title,
        "roles": sorted(viewer.roles),
        "department": viewer.department,
        "districts": list(viewer.districts),
        "is_logged_in": viewer.is_logged_in,
    }


def take_cookie_back(answer: Response, context: Context) -> None:
    """Makes the browser forget the session cookie."""
    answer.delete_cookie(
        COOKIE, path="/", secure=context.settings.secure_cookies, httponly=True, samesite="strict"
    )
