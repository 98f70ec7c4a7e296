"""A layer as a file to take away: GeoJSON or CSV, whole or what a filter chooses, as of any moment.

The rows are written to a temporary file first, so that a slow reader holds no connection to the database and
a fault on the way is an error, not half a file. GeoPackage and Shapefile need GDAL, which is the importers'
(`onemap layers export`).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import IO, Annotated, Literal
from urllib.parse import quote
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from api.answers import VARY
from api.as_of import AsOfDep
from api.context import ContextDep
from api.filter_parameter import AskedFilterDep, filter_of
from api.layers import LayerId, scope_of
from api.ogc_parameters import parse_bbox
from api.output_systems import PLAIN, AnswerIn, said_of
from api.parameters import FILTERS, FiltersDep
from api.session import ViewerDep
from layers.errors import TooMuch
from layers.export import Headers, csv_text, each_batch, geojson
from layers.query import FeatureQuery

router = APIRouter(tags=["layers"], prefix="/api/v1")

MOST_BYTES = 4 * 2**30
AT_ONCE = 2
"""Exports that one process writes at once; others wait for their turn."""
_BLOCK = 256 * 1024
_TYPES = {"geojson": "application/geo+json", "csv": "text/csv; charset=utf-8"}
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
"""A semaphore belongs to the loop in which somebody first waited for it."""


@router.get(
    "/layers/{layer_id}/export",
    response_class=StreamingResponse,
    openapi_extra=dict(FILTERS),
    responses={200: {"content": {"application/geo+json": {}, "text/csv": {}}}},
)
async def export_layer(
    layer_id: LayerId,
    context: ContextDep,
    viewer: ViewerDep,
    filters: FiltersDep,
    asked: AskedFilterDep,
    as_of: AsOfDep,
    out: AnswerIn,
    format: Annotated[Literal["geojson", "csv"], Query(description="文件格式 Of the file")] = "geojson",
    headers: Annotated[
        Headers, Query(description="CSV 列名用标题还是字段名 Columns called by titles or names")
    ] = "titles",
    bbox: Annotated[str | None, Query(description="西,南,东,北 west,south,east,north, in degrees")] = None,
) -> Response:
    """Every row of a layer that one may see and that is chosen, with the fields one may have, as a file."""
    scope = await scope_of(context, viewer, layer_id, as_of)
    query = FeatureQuery(
        bbox=None if bbox is None else parse_bbox(bbox), filters=filters, where=filter_of(*asked)
    )
    address, system = out
    batches = each_batch(context.database, scope, query)
    written = (
        geojson(batches, scope.layer.title.zh, None if system is PLAIN else system)
        if format == "geojson"
        else csv_text(batches, scope, system, headers)
    )
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)):
        file = await _spooled(written)
    name = f"{scope.layer.title.zh}_v{scope.version}.{format}"
    plain = f"{scope.layer.id}_v{scope.version}.{format}"
    return StreamingResponse(
        _sent(file),
        media_type=_TYPES[format],
        headers={
            "Cache-Control": "private, no-store",
            "Vary": VARY,
            **said_of(address, system),
            "Content-Length": str(file.tell()),
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}",
            "X-OneMap-Version": str(scope.version),
        },
    )


async def _spooled(parts: AsyncGenerator[bytes]) -> IO[bytes]:
    """The parts in a temporary file, at its end; raises `TooMuch` beyond `MOST_BYTES`."""
    file = tempfile.TemporaryFile(prefix="onemap-export-")  # noqa: SIM115 - closed by who sends it
    try:
        async with aclosing(parts):
            async for part in parts:
                await asyncio.to_thread(file.write, part)
                if file.tell() > MOST_BYTES:
                    raise _too_much()
    except BaseException:
        file.close()
        raise
    return file


def _too_much() -> TooMuch:
    return TooMuch(
        "导出超过 4 GB，请加条件分批导出，或由管理员用 onemap layers export",
        "the export is larger than 4 GB; choose a part, or ask the operator for `onemap layers export`",
        limit_bytes=MOST_BYTES,
    )


async def _sent(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block
