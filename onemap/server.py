"""The application as a server process sees it: settings from the environment, then the API.

One of the two places that read the environment (the other is the command line); with several
workers each process comes through here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from api.app import create_app
from api.settings import ApiSettings
from layers.errors import Unavailable
from onemap.settings import Settings, read_settings


def create() -> Callable[..., Awaitable[None]]:
    """The ASGI application for one worker process; `ONEMAP_DATABASE_URL` must be set by then."""
    settings = read_settings()
    if settings.database_url is None:
        raise Unavailable(
            "未指定数据库", "no database is named: set ONEMAP_DATABASE_URL or run `onemap serve`"
        )
    return create_app(api_settings(settings), settings.database_url)


def api_settings(settings: Settings) -> ApiSettings:
    """Those settings that HTTP needs, as the API takes them."""
    return ApiSettings(
        web_root=settings.web_root if settings.web_root.is_dir() else None,
        public_url=settings.public_url,
        cors_origins=settings.cors_origins,
        secure_cookies=settings.secure_cookies,
    )
