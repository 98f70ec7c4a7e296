"""The application: what is opened for a process, and in which order a request passes.

A kept tile for an anonymous caller is answered at once. Everything else:
[CORS] → Doorway (id, log, errors) → HEAD → size limit → tile path → picture path → gzip → routes → the page
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from time import perf_counter
from typing import Any, ClassVar

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from api import (
    archives as archive_routes,
)
from api import (
    changes,
    compare,
    event_stream,
    events,
    export,
    features,
    findings,
    health,
    identify,
    imports,
    layers,
    locate,
    login,
    ogc,
    ogc_map_tiles,
    ogc_tiles,
    raster_values,
    readings,
    registered_layers,
    reviews,
    search,
    service_layers,
    service_squares,
    stations,
    style_parts,
    styles,
    syncs,
    tilejson,
    timeline,
    uploads,
)
from api.context import Context
from api.counters import Counters
from api.documents import ProblemDocument
from api.doorway import BodyLimit, Doorway, HeadAsGet
from api.kept_answers import KeptAnswers
from api.letters import Letters
from api.open_archives import OpenArchives
from api.parameters import refuse_unknown
from api.picture_path import PicturePath
from api.problems import problem
from api.services.gateway import Gateway
from api.session import TURN
from api.settings import ApiSettings
from api.tile_address import XYZ_ROUTE
from api.tile_operations import TILE_OPERATIONS
from api.tile_path import TilePath
from api.tile_selection import Selections
from api.turns import Turns
from api.viewers import Viewers
from api.web_page import WebPage
from grid.feed import EventFeed
from grid.locate import Locator
from layers.catalogue import Catalogue, published_versions
from layers.db import Database
from layers.follow import Follower
from layers.moments import Moments
from layers.notices import Notices
from themes.glyphs import Lettering, find_faces
from tiles.raster import RasterServer
from tiles.server import TileServer
from tiles.store import Stamp, TileStore

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    login.router,
    layers.router,
    registered_layers.router,
    service_layers.router,
    service_squares.router,
    compare.router,
    timeline.router,
    changes.router,
    uploads.router,
    imports.router,
    reviews.router,
    syncs.router,
    findings.router,
    identify.router,
    search.router,
    locate.router,
    event_stream.router,
    export.router,
    events.router,
    stations.router,
    readings.router,
    styles.router,
    style_parts.router,
    tilejson.router,
    archive_routes.router,
    raster_values.router,
    ogc.router,
    ogc_tiles.router,
    ogc_map_tiles.router,
    features.router,
)
"""One router for each subject. Their paths are whole, so that each file shows its addresses."""

ASK_FOR_ROWS = (
    layers.router,
    compare.router,
    timeline.router,
    identify.router,
    search.router,
    locate.router,
    stations.router,
    ogc.router,
    features.router,
)
"""Their requests take turns; the others cost little, or last long without working."""

GZIP_FROM_BYTES = 1024

PROBLEM: dict[str, Any] = {
    "description": "Problem (RFC 9457)",
    "content": {"application/problem+json": {"schema": ProblemDocument.model_json_schema()}},
}


def create_app(settings: ApiSettings, database_url: str) -> FastAPI:
    """The application over the database at `database_url`, which is opened when it starts to serve."""
    counters = Counters()
    app = _Application(
        title="One Map 一张图",
        version=settings.version,
        description="城市一张图：图层、矢量瓦片、空间查询、网格与事件。 A whole city on one map.",
        openapi_url=None,
        docs_url=None,  # FastAPI's pages load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(settings, database_url),
        dependencies=[Depends(refuse_unknown)],
        responses={"4XX": PROBLEM},
        generate_unique_id_function=lambda route: route.name,
        middleware=_middleware(settings, counters),
        exception_handlers={HTTPException: _answer, RequestValidationError: _answer},
    )
    app.state.counters = app.counters = counters
    for router in ROUTERS:
        app.include_router(router, dependencies=[TURN] if router in ASK_FOR_ROWS else [])
    app.router.default = WebPage(settings.web_root)
    return app


class _Application(FastAPI):
    counters: Counters
    kept: KeptAnswers | None = None
    """Once it serves."""

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.kept is not None:
            started = perf_counter()
            answer = self.kept.answer(scope)
            if answer is not None:
                await send(answer.start)
                await send(answer.body)
                self.counters.observe(XYZ_ROUTE, "GET", answer.start["status"], perf_counter() - started)
                return
        await super().__call__(scope, receive, send)

    _definitions: ClassVar[dict[str, dict[str, Any]]] = {}

    def openapi(self) -> dict[str, Any]:
        """The routes', and the tile addresses, which are answered before the routes.

        Made once for a process, as it takes 0.1 s and every application has the same routes.
        """
        document = self._definitions.get(self.version)
        if document is None:
            document = super().openapi()
            document["paths"].update(TILE_OPERATIONS)
            self._definitions[self.version] = document
        return document


def end_streams(app: FastAPI) -> None:
    """Ends the answers that would not end by themselves; for a process that is about to stop.

    May be called from a signal handler, and before the application has started.
    """
    context: Context | None = getattr(app.state, "context", None)
    if context is not None:
        context.feed.end()


def _middleware(settings: ApiSettings, counters: Counters) -> list[Middleware]:
    """Outermost first."""
    chain = [
        Middleware(Doorway, observe=counters.observe),
        Middleware(HeadAsGet),
        Middleware(BodyLimit, limit_bytes=settings.body_limit_bytes),
        Middleware(TilePath),
        Middleware(PicturePath),
        Middleware(GZipMiddleware, minimum_size=GZIP_FROM_BYTES, compresslevel=4),
    ]
    if not settings.cors_origins:
        return chain
    # Outside the doorway, so that a page of another site may read our errors too. Without cookies:
    # such a page comes with a token.
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-None-Match",
            "Last-Event-ID",
            "Upload-Offset",
        ],
        expose_headers=["Content-Crs", "ETag", "Location", "Retry-After", "X-Request-Id"],
    )
    return [cors, *chain]


def _lifespan(
    settings: ApiSettings, database_url: str
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        async with (
            AsyncExitStack() as stack,
            Database(database_url) as database,
            Notices(database) as notices,
            Catalogue(database, notices) as catalogue,
            Follower(database, notices),
            Locator(database, notices) as locator,
            EventFeed(database, notices) as feed,
            Gateway(database, settings.service_hosts).opened() as services,
        ):
            store = None
            if settings.tile_store is not None:
                file = TileStore(settings.tile_store, settings.tile_store_bytes)
                store = await stack.enter_async_context(file)
                await store.settle({Stamp.of(*one) for one in await published_versions(database)})
            archives = OpenArchives()
            stack.callback(archives.close)
            rasters = stack.enter_context(closing(RasterServer(settings.rasters, store=store)))
            lettering = stack.enter_context(Lettering(find_faces(settings.font_folders)))
            app.openapi()  # the first question with parameters should not wait for it
            moments = Moments(database)
            app.state.context = Context(
                settings,
                database,
                notices,
                catalogue,
                moments,
                Viewers(),
                TileServer(database, catalogue, store=store),
                rasters,
                Selections(catalogue, moments),
                locator,
                feed,
                archives,
                Turns(seconds_a_minute=settings.client_seconds_a_minute),
                Letters(lettering),
                services,
            )
            assert isinstance(app, _Application)
            context: Context = app.state.context
            app.kept = KeptAnswers(context.selections, context.tiles, settings.matrix_sets)
            yield

    return opened


async def _answer(request: Request, error: Exception) -> Response:
    return problem(error, request.scope)
