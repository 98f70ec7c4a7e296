"""Tile archives (PMTiles, MBTiles) that the operator offers: whole, in ranges, tile by tile.

What lies in that folder is for anybody: an archive holds no rights of its own.
"""

from __future__ import annotations

import asyncio
import gzip
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.responses import FileResponse, Response

from api.answers import Json
from api.context import Context, ContextDep, base_url
from api.open_archives import ArchiveFile
from api.tile_address import MEDIA_TYPE
from api.tile_answer import accepts_gzip, knows
from gis.errors import NoSuchSquare
from gis.squares import Tile
from layers.errors import BadData, NotFound
from tiles.archive import format_of

router = APIRouter(tags=["tiles"], prefix="/archives")

MEDIA_TYPES = {"pmtiles": "application/vnd.pmtiles", "mbtiles": "application/vnd.mapbox-vector-tile-archive"}
KEPT_FOR = "public, max-age=300"

ArchiveName = Annotated[str, InPath(max_length=200, description="文件名 The file's name")]
Number = Annotated[int, InPath(ge=0)]
T = TypeVar("T")


@router.get("", response_model=dict[str, list[dict[str, object]]])
async def list_archives(request: Request, context: ContextDep) -> Json:
    """The archives there are, each with its addresses; one that cannot be read says so in `fault`."""
    told = []
    for file in await _aside(partial(_files, context)):
        one: dict[str, Any] = {"name": file.path.name, "size_bytes": file.size}
        one["href"] = f"{base_url(request)}/archives/{file.path.name}"
        try:
            contents = await _aside(partial(context.archives.contents, file))
            one |= {"title": contents.name, "bounds": list(contents.bounds)}
            one |= {"minzoom": contents.min_zoom, "maxzoom": contents.max_zoom}
            one["tilejson"] = f"{one['href']}/tiles.json"
        except BadData as error:
            one["fault"] = {"zh": error.zh, "en": error.en}
        told.append(one)
    return Json({"archives": told})


@router.get("/{name}", response_class=FileResponse)
async def get_archive(name: ArchiveName, context: ContextDep) -> Response:
    """An archive as a file, whole or in the ranges that are asked for (RFC 9110 §14)."""
    file = await _aside(partial(_file, context, name))
    kind = format_of(file.path)
    assert kind is not None
    headers = {"ETag": f'"{file.etag}"', "Access-Control-Allow-Origin": "*", "Cache-Control": KEPT_FOR}
    return FileResponse(file.path, media_type=MEDIA_TYPES[kind], headers=headers)


@router.get("/{name}/tiles.json", response_model=dict[str, object])
async def get_archive_tilejson(request: Request, name: ArchiveName, context: ContextDep) -> Json:
    """TileJSON 3.0.0 of an archive."""
    file = await _aside(partial(_file, context, name))
    contents = await _aside(partial(context.archives.contents, file))
    told = {
        "tilejson": "3.0.0",
        "name": contents.name,
        "scheme": "xyz",
        "tiles": [f"{base_url(request)}/archives/{name}/{{z}}/{{x}}/{{y}}.mvt?v={file.etag}"],
        "bounds": list(contents.bounds),
        "center": [*contents.center, contents.min_zoom],
        "minzoom": contents.min_zoom,
        "maxzoom": contents.max_zoom,
        "attribution": contents.attribution,
        "vector_layers": list(contents.vector_layers),
    }
    return Json(told, headers={"Access-Control-Allow-Origin": "*"})


@router.get("/{name}/{z}/{x}/{y}.mvt", response_class=Response)
async def get_archive_tile(
    request: Request, name: ArchiveName, z: Number, x: Number, y: Number, context: ContextDep, v: str = ""
) -> Response:
    """A tile of an archive; 204 where it holds none. `v`: what the TileJSON says, so that it may be kept."""
    file = await _aside(partial(_file, context, name))
    try:
        place = Tile(z, x, y)
    except NoSuchSquare as error:
        raise NotFound(error.zh, error.en, **error.facts) from error
    etag = f"{file.etag}-{z}-{x}-{y}"
    kept = "public, max-age=31536000, immutable" if v == file.etag else KEPT_FOR
    headers = {
        "ETag": f'"{etag}"',
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": kept,
        "Vary": "Accept-Encoding",
    }
    if knows(request.headers.get("if-none-match", "").encode(), etag):
        return Response(status_code=304, headers=headers)
    body = await _aside(partial(context.archives.tile, file, place))
    if body is None:
        return Response(status_code=204, headers=headers)
    if accepts_gzip(request.headers.get("accept-encoding", "").encode()):
        return Response(body, media_type=MEDIA_TYPE, headers={**headers, "Content-Encoding": "gzip"})
    return Response(gzip.decompress(body), media_type=MEDIA_TYPE, headers=headers)


def _files(context: Context) -> list[ArchiveFile]:
    """The archives in the folder, by name; no other files, none in folders below."""
    folder = context.settings.archives
    if folder is None or not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir()):
        if format_of(path) is not None and not path.name.startswith(".") and path.is_file():
            told = path.stat()
            found.append(ArchiveFile(path, told.st_mtime_ns, told.st_size))
    return found


def _file(context: Context, name: str) -> ArchiveFile:
    # Chosen from those that are there, so that no name can lead out of the folder.
    for file in _files(context):
        if file.path.name == name:
            return file
    raise NotFound(f"没有瓦片包“{name[:60]}”", f"there is no tile archive {name[:60]!r}", archive=name[:60])


async def _aside(work: partial[T]) -> T:
    return await asyncio.to_thread(work)
