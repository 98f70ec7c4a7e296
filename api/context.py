"""What a request needs from the process: the open rooms, who is asking, in which language.

Handlers take these as dependencies; plain ASGI endpoints call `context_of` and `language_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, cast

from fastapi import Depends, Request
from starlette.types import Scope as AsgiScope

from api.letters import Letters
from api.open_archives import OpenArchives
from api.services.gateway import Gateway
from api.settings import ApiSettings
from api.tile_selection import Selections
from api.turns import Turns
from api.viewers import Viewers
from grid.feed import EventFeed
from grid.locate import Locator
from layers.catalogue import Catalogue
from layers.db import Database
from layers.moments import Moments
from layers.notices import Notices
from tiles.raster import RasterServer
from tiles.server import TileServer

Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Context:
    """Everything that is opened once per process, for as long as it serves."""

    settings: ApiSettings
    database: Database
    notices: Notices
    catalogue: Catalogue
    moments: Moments
    viewers: Viewers
    tiles: TileServer
    rasters: RasterServer
    selections: Selections
    locator: Locator
    feed: EventFeed
    archives: OpenArchives
    turns: Turns
    letters: Letters
    services: Gateway


def context_of(scope: AsgiScope) -> Context:
    """The context of the application that serves `scope`."""
    return cast(Context, scope["app"].state.context)


def language_of(scope: AsgiScope) -> Language:
    """`zh` or `en`, whichever `Accept-Language` prefers; `zh` where it names neither (RFC 9110 §12.5.4)."""
    header = next((value for name, value in scope["headers"] if name == b"accept-language"), b"")
    best: Language = "zh"
    best_weight = 0.0
    for part in header.decode("latin-1").split(",")[:20]:
        tag, _, rest = part.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        weight = _weight(rest)
        if primary in ("zh", "en") and weight > best_weight:
            best, best_weight = cast(Language, primary), weight
    return best


def base_url(request: Request) -> str:
    """The address the caller reached us under, without a slash at its end: the start of every link."""
    public_url = context_of(request.scope).settings.public_url
    return (public_url or str(request.base_url)).rstrip("/")


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


async def _context(request: Request) -> Context:
    return context_of(request.scope)


async def _language(request: Request) -> Language:
    return language_of(request.scope)


ContextDep = Annotated[Context, Depends(_context)]
LanguageDep = Annotated[Language, Depends(_language)]
