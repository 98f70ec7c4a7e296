"""Tiles ahead of time: drawn onto the disk, or into one file, with progress, and stopped at any moment."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from api.tilejson import archive_layers, tilejson
from gis.squares import MAX_ZOOM
from layers.access import ANONYMOUS, SYSTEM, Viewer, scope_for, scopes_for
from layers.catalogue import Catalogue, published_versions
from layers.db import Database
from layers.errors import BadRequest
from layers.model import BoundingBox
from onemap import serve
from onemap.settings import Settings
from onemap.terminal import Bars, language, out, say
from themes.catalogue import themes_of
from themes.style import build_style
from tiles.archive import ArchiveWriter, Contents
from tiles.server import MAX_LAYERS, MAX_LAYERS_OF_ALL, Selection, TileServer, select_scopes
from tiles.store import Stamp, TileStore
from tiles.sweep import sweep


class _Open(NamedTuple):
    catalogue: Catalogue
    server: TileServer
    store: TileStore | None


def seed(settings: Settings, groups: Sequence[str], zooms: str, bounds: str | None) -> None:
    """Draws what visitors of the page ask for, or each of `groups` (layer ids with commas), onto the disk.

    Begun again after it was stopped, it goes on where it was. Raises `BadRequest` where tiles are not kept
    on disk.
    """
    chosen, area = _zooms(zooms), _bounds(bounds)
    with serve.database(settings) as url:
        if settings.tile_store(url) is None:
            raise BadRequest(
                "瓦片不保存到磁盘（ONEMAP_TILES_ON_DISK_MB 为 0）",
                "tiles are not kept on disk (ONEMAP_TILES_ON_DISK_MB is 0)",
                field="ONEMAP_TILES_ON_DISK_MB",
                value=0,
                expected="some room",
            )
        asyncio.run(_seed(settings, url, groups, chosen, area))


async def _seed(
    settings: Settings, url: str, groups: Sequence[str], zooms: range, area: BoundingBox | None
) -> None:
    async with _opened(settings, url) as opened:
        wanted = [group.split(",") for group in groups] or _groups_of_the_page(opened.catalogue)
        with Bars() as bars:
            for ids in wanted:
                selection = await _selection(opened.catalogue, ANONYMOUS, ids)
                title = ",".join(ids)
                swept = await sweep(
                    opened.server,
                    selection,
                    area or _extent(selection),
                    zooms,
                    lambda tile, drawn: None,
                    lambda done, total, title=title: bars(title, done, total),  # type: ignore[misc]
                )
                if opened.store is not None:
                    await opened.store.flush()
                out.print(
                    f"{title}: {swept.filled:,} {say('个瓦片', 'tiles')}, {swept.size_bytes / 2**20:.1f} MB",
                    markup=False,
                )


def export(
    settings: Settings, file: Path, layers: str | None, zooms: str, bounds: str | None, *, everything: bool
) -> None:
    """Writes one archive of what anybody may see, or with `everything` of what the operator may see."""
    chosen, area = _zooms(zooms), _bounds(bounds)
    with ArchiveWriter(file) as writer, serve.database(settings) as url:
        viewer = SYSTEM if everything else ANONYMOUS
        asyncio.run(_export(settings, url, writer, viewer, layers, chosen, area))
        out.print(f"{file}: {writer.count:,} {say('个瓦片', 'tiles')}", markup=False)


async def _export(
    settings: Settings,
    url: str,
    writer: ArchiveWriter,
    viewer: Viewer,
    layers: str | None,
    zooms: range,
    area: BoundingBox | None,
) -> None:
    async with _opened(settings, url) as opened:
        if layers is None:
            published = [la for la in opened.catalogue.layers() if la.status == "published" and la.has_rows]
            selection = select_scopes(scopes_for(viewer, published), limit=MAX_LAYERS_OF_ALL)
        else:
            selection = await _selection(opened.catalogue, viewer, layers.split(","))
        bounds = area or _extent(selection)
        with Bars() as bars:
            await sweep(
                opened.server,
                selection,
                bounds,
                zooms,
                lambda tile, drawn: writer.add(tile, drawn.body_gzip),
                lambda done, total: bars(writer.file.name, done, total),
            )
        told = tilejson(selection.scopes, "", language(), [bounds])
        described = archive_layers(selection.scopes, zooms, language())
        contents = Contents(told["name"], bounds, zooms.start, zooms.stop - 1, described, told["attribution"])
        await asyncio.to_thread(writer.finish, contents)


@asynccontextmanager
async def _opened(settings: Settings, url: str) -> AsyncIterator[_Open]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(url))
        catalogue = await stack.enter_async_context(Catalogue(database))
        file = settings.tile_store(url)
        store = None
        if file is not None:
            room = settings.tiles_on_disk_mb * 2**20
            store = await stack.enter_async_context(TileStore(file, room))
            await store.settle({Stamp.of(*one) for one in await published_versions(database)})
        yield _Open(catalogue, TileServer(database, catalogue, store=store), store)


def _groups_of_the_page(catalogue: Catalogue) -> list[list[str]]:
    """The layers that the page asks for together, for somebody who is not logged in."""
    visible = [scope.layer for scope in scopes_for(ANONYMOUS, catalogue.layers())]
    layers = {layer.id: layer for layer in visible if layer.has_rows}
    groups: list[list[str]] = []

    def take(ids: Sequence[str]) -> str:
        groups.append(list(ids))
        return ""

    build_style(themes_of(layers.values()), layers, "light", take, MAX_LAYERS)
    return groups


async def _selection(catalogue: Catalogue, viewer: Viewer, ids: Sequence[str]) -> Selection:
    return select_scopes([scope_for(viewer, await catalogue.layer(layer_id)) for layer_id in ids])


def _extent(selection: Selection) -> BoundingBox:
    boxes = [scope.layer.bounds for scope in selection.scopes if scope.layer.bounds is not None]
    if not boxes:
        raise BadRequest(
            "所选图层还没有数据",
            "these layers hold nothing yet",
            field="layers",
            value=", ".join(scope.layer.id for scope in selection.scopes),
            expected="published layers",
        )
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return BoundingBox(min(wests), min(souths), max(easts), max(norths))


def _zooms(text: str) -> range:
    found = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", text)
    first = int(found[1]) if found else 0
    last = int(found[2] or found[1]) if found else -1
    if not 0 <= first <= last <= MAX_ZOOM:
        raise BadRequest(
            f"级别“{text}”有误",
            f"{text!r} is no range of zooms",
            field="zooms",
            value=text,
            expected=f"from-to within 0 to {MAX_ZOOM}, such as 8-14",
        )
    return range(first, last + 1)


def _bounds(text: str | None) -> BoundingBox | None:
    if text is None:
        return None
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        west = south = east = north = float("nan")
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise BadRequest(
            f"范围“{text}”有误",
            f"{text!r} are no bounds",
            field="bounds",
            value=text,
            expected="west,south,east,north in degrees",
        )
    return BoundingBox(west, south, east, north)
