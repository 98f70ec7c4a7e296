"""Pictures on disk: another process and a later one need not draw them again; odd looks stay out."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gis.matrix_sets import WEB_MERCATOR_QUAD
from layers.access import ANONYMOUS, Scope, scope_for
from layers.model import Layer, RasterFile, Text
from tests.pictures import eastings, write_tif
from tests.tiles.test_rasters import served, square_over
from tiles.raster import Picture, RasterServer
from tiles.raster_look import common_looks, read_look
from tiles.store import Stamp, TileStore

AT = datetime(2026, 1, 1, tzinfo=UTC)
HERE = square_over(WEB_MERCATOR_QUAD, 14)
ELSEWHERE = square_over(WEB_MERCATOR_QUAD, 14, 117.9, 33.9)


@pytest.fixture
def heights(tmp_path: Path) -> tuple[Path, RasterFile]:
    path, raster = served(tmp_path, write_tif(tmp_path / "ramp.tif", eastings()), "elevation")
    return path.parent, raster


def open_to_all(raster: RasterFile, version: int = 1) -> Scope:
    layer = Layer(
        "dem", Text("", ""), "base", "Geometry", (), kind="raster", access="public", status="published",
        version=version, published_at=AT, rasters=(raster,),
    )  # fmt: skip
    return scope_for(ANONYMOUS, layer)


async def picture(folder: Path, raster: RasterFile, store: TileStore, **said: str) -> Picture:
    """As a process that has just started gives it."""
    with closing(RasterServer(folder, store=store)) as server:
        return await server.drawn(open_to_all(raster), raster, read_look(raster, said), HERE, "png")


async def test_another_process_and_a_later_one_find_the_picture(
    heights: tuple[Path, RasterFile], tmp_path: Path
) -> None:
    folder, raster = heights
    file = tmp_path / "tiles.sqlite"
    async with TileStore(file) as store, TileStore(file) as beside:
        drawn = await picture(folder, raster, store)
        await store.flush()
        found = await picture(folder, raster, beside)
    async with TileStore(file) as later:
        await later.settle({Stamp.of("dem", 1, AT)})
        again = await picture(folder / "gone", raster, later)
    assert (drawn.from_disk, found.from_disk, again.from_disk) == (False, True, True)
    assert drawn.body == found.body == again.body
    assert drawn.etag == found.etag == again.etag


async def test_an_empty_picture_takes_no_room_and_is_the_same(
    heights: tuple[Path, RasterFile], tmp_path: Path
) -> None:
    folder, raster = heights
    async with TileStore(tmp_path / "tiles.sqlite") as store:
        empty = []
        for _ in range(2):
            with closing(RasterServer(folder, store=store)) as server:
                look = read_look(raster, {})
                empty.append(await server.drawn(open_to_all(raster), raster, look, ELSEWHERE, "png"))
            await store.flush()
    assert [one.from_disk for one in empty] == [False, True]
    assert empty[0].is_empty
    assert (empty[0].body, empty[0].etag) == (empty[1].body, empty[1].etag)


async def test_each_look_form_version_and_file_is_kept_apart(
    heights: tuple[Path, RasterFile], tmp_path: Path
) -> None:
    folder, raster = heights
    async with TileStore(tmp_path / "tiles.sqlite") as store:
        await picture(folder, raster, store)
        await store.flush()
        for other in ({"render": "hillshade"}, {"size": "512"}, {"render": "terrarium"}):
            assert not (await picture(folder, raster, store, **other)).from_disk
        with closing(RasterServer(folder, store=store)) as server:
            look = read_look(raster, {})
            assert not (await server.drawn(open_to_all(raster), raster, look, HERE, "webp")).from_disk
            later = open_to_all(raster, version=2)
            assert not (await server.drawn(later, raster, look, HERE, "png")).from_disk


async def test_what_only_one_may_ask_never_fills_the_disk(
    heights: tuple[Path, RasterFile], tmp_path: Path
) -> None:
    folder, raster = heights
    odd = {"render": "hillshade", "azimuth": "301.5"}
    assert read_look(raster, odd) not in common_looks(raster)
    assert read_look(raster, {"render": "hillshade", "size": "512"}) in common_looks(raster)
    async with TileStore(tmp_path / "tiles.sqlite") as store:
        for said in (odd, {"rescale": "1,2"}):
            for _ in range(2):
                assert not (await picture(folder, raster, store, **said)).from_disk
                await store.flush()


async def test_pictures_of_another_database_are_not_taken(
    heights: tuple[Path, RasterFile], tmp_path: Path
) -> None:
    folder, raster = heights
    file = tmp_path / "tiles.sqlite"
    async with TileStore(file) as store:
        await picture(folder, raster, store)
    async with TileStore(file) as other:
        await other.settle({Stamp.of("dem", 1, datetime(2025, 1, 1, tzinfo=UTC))})
        assert not (await picture(folder, raster, other)).from_disk
