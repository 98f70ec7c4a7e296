"""The application as a server process sees it: settings from the environment, then the API.

One of the two places that read the environment (the other is the command line); with several
workers each process comes through here.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from types import FrameType

from api.app import create_app, end_streams
from api.services.hosts import HostRules
from api.settings import ApiSettings
from gis.errors import BadMatrixSet
from gis.matrix_set_files import read_matrix_sets
from gis.own_matrix_sets import MatrixSets
from importers.local_systems import read_systems
from layers.errors import BadRequest, Unavailable
from onemap.collecting import loading
from onemap.settings import Settings, read_settings

Handler = Callable[[int, FrameType | None], object]


def create() -> Callable[..., Awaitable[None]]:
    """The ASGI application for one worker process; `ONEMAP_DATABASE_URL` must be set by then."""
    settings = read_settings()
    if settings.database_url is None:
        raise Unavailable(
            "未指定数据库", "no database is named: set ONEMAP_DATABASE_URL or run `onemap serve`"
        )
    with loading():
        app = create_app(api_settings(settings), settings.database_url)
    _before_exit(partial(end_streams, app))
    return app


def _before_exit(end: Callable[[], None]) -> None:
    """Calls `end` when the process is told to stop, before the server hears of it.

    The server waits for every answer to end before it stops, and an event stream does not end by itself. It
    has set its own signal handlers by now; ours run before them.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, partial(_end_first, end, before))


def _end_first(end: Callable[[], None], before: Handler, number: int, frame: FrameType | None) -> None:
    end()
    before(number, frame)


def api_settings(settings: Settings) -> ApiSettings:
    """Those settings that HTTP needs, as the API takes them."""
    return ApiSettings(
        web_root=settings.web_root if settings.web_root.is_dir() else None,
        public_url=settings.public_url,
        cors_origins=settings.cors_origins,
        secure_cookies=settings.secure_cookies,
        uploads=settings.uploads,
        client_seconds_a_minute=settings.client_seconds or None,
        archives=settings.archives,
        tile_store=None if settings.database_url is None else settings.tile_store(settings.database_url),
        tile_store_bytes=settings.tiles_on_disk_mb * 2**20,
        rasters=settings.rasters,
        review=settings.review == "other",
        sync_folder=settings.sync_folder,
        font_folders=settings.font_folders,
        matrix_sets=matrix_sets_of(settings),
        local_systems=read_systems(settings.local_systems_file),
        service_hosts=HostRules.read(settings.service_hosts),
    )


def matrix_sets_of(settings: Settings) -> MatrixSets:
    """The tile matrix sets there are; raises `BadRequest` for a file or folder that is none."""
    folder = settings.matrix_set_folder
    if settings.matrix_sets is not None and not folder.is_dir():
        raise BadRequest(
            f"没有文件夹 {folder}",
            f"there is no folder {folder}",
            field="ONEMAP_MATRIX_SETS",
            value=str(folder),
            expected="a folder of tile matrix sets (*.json)",
        )
    try:
        return read_matrix_sets(folder)
    except BadMatrixSet as error:
        said = {name: str(fact) for name, fact in error.facts.items()}
        raise BadRequest(
            error.zh,
            error.en,
            field=said["field"],
            value=said["value"],
            expected=said["expected"],
            file=said["file"],
        ) from error
