"""Tiles in one file: what was drawn comes back, from PMTiles and MBTiles, by us and by others."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path

import mapbox_vector_tile
import pyogrio
import pytest

from api.tilejson import archive_layers
from gis.squares import Tile, tile_at, tiles_over
from layers.access import ANONYMOUS, scope_for
from layers.catalogue import Catalogue
from layers.db import Database
from layers.errors import BadRequest, Conflict, TooMuch
from layers.model import BoundingBox
from tests.tiles.read_back import Drawn, read_back
from tests.tiles.test_keeping import Watched
from tests.tiles.town import (
    EAST,
    NORTH,
    SOUTH,
    WEST,
    pipe_layer,
    pipes,
    plot_layer,
    plots,
    put,
    shop_layer,
    shops,
)
from tiles.archive import Archive, ArchiveWriter, Contents
from tiles.cache import EncodedTile
from tiles.server import TileServer, select_scopes
from tiles.store import TileStore
from tiles.sweep import sweep

TOWN = BoundingBox(WEST, SOUTH, EAST, NORTH)
CONTENTS = Contents("城 town", TOWN, 3, 5, [{"id": "shop", "fields": {"name": "名称"}}], "© 一张图")
FORMATS = pytest.mark.parametrize("kind", ["pmtiles", "mbtiles"])


@FORMATS
def test_what_is_written_is_read_again(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"town.{kind}"
    tiles = {Tile(z, x, y): gzip.compress(f"{z}/{x}/{y}".encode()) for z, x, y in ((3, 6, 3), (5, 26, 13))}
    with ArchiveWriter(file) as writer:
        for tile, body in tiles.items():
            writer.add(tile, body)
        assert not file.exists(), "half an archive is none"
        writer.finish(CONTENTS)
    archive = Archive(file)
    assert {tile: archive.tile(tile) for tile in tiles} == tiles
    assert archive.tile(Tile(3, 6, 4)) is None
    assert archive.tile(Tile(9, 0, 0)) is None
    told = archive.contents
    assert (told.name, told.attribution, told.min_zoom, told.max_zoom) == ("城 town", "© 一张图", 3, 5)
    assert told.bounds == pytest.approx(TOWN)
    assert told.vector_layers == CONTENTS.vector_layers
    archive.close()
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@FORMATS
def test_many_tiles_have_directories_below_the_root(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"many.{kind}"
    places = [Tile(8, x, y) for x in range(150) for y in range(150)]
    with ArchiveWriter(file) as writer:
        for tile in places:
            writer.add(tile, gzip.compress(repr(tile).encode(), 1))
        writer.finish(CONTENTS)
    archive = Archive(file)
    for tile in places[::997]:
        assert gzip.decompress(archive.tile(tile) or b"") == repr(tile).encode()
    archive.close()


def test_nothing_is_left_of_an_archive_that_was_stopped(tmp_path: Path) -> None:
    file = tmp_path / "town.pmtiles"
    with ArchiveWriter(file) as writer:
        writer.add(Tile(0, 0, 0), b"x")
    with ArchiveWriter(file) as writer, pytest.raises(BadRequest, match="nothing to draw"):
        writer.finish(CONTENTS)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_stands_and_an_unknown_format_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "town.pmtiles"
    file.write_bytes(b"")
    with pytest.raises(Conflict, match="exists"):
        ArchiveWriter(file)
    with pytest.raises(BadRequest, match="no tile archive"):
        ArchiveWriter(tmp_path / "town.zip")


@FORMATS
async def test_an_exported_town_is_what_the_server_draws_and_what_gdal_reads(
    database: Database, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / f"town.{kind}"
    layers = [await put(database, shop_layer(), shops(120)), await put(database, plot_layer(), plots(40))]
    zooms = range(10, 15)
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        selection = select_scopes([scope_for(ANONYMOUS, layer) for layer in layers])
        steps: list[tuple[int, int]] = []
        with ArchiveWriter(file) as writer:
            swept = await sweep(
                server,
                selection,
                TOWN,
                zooms,
                lambda tile, drawn: writer.add(tile, drawn.body_gzip),
                lambda done, total: steps.append((done, total)),
            )
            vector_layers = [{"id": i, "fields": {"code": "编码"}} for i in ("shop", "plot")]
            writer.finish(Contents("town", TOWN, 10, 14, vector_layers))
        assert (
            swept.looked_at
            == steps[-1][0]
            == steps[-1][1]
            == len([tile for z in zooms for tile in tiles_over(TOWN, z)])
        )
        archive = Archive(file)
        for z in zooms:
            for tile in tiles_over(TOWN, z):
                drawn = await server.tile(selection.scopes, tile)
                assert archive.tile(tile) == (drawn.body_gzip or None)
        archive.close()
    codes = {str(row[0]) for row in pyogrio.list_layers(file)}
    assert codes == {"shop", "plot"}
    drawn_codes = set(pyogrio.raw.read(file, layer="shop", columns=["code"])[3][0])
    assert drawn_codes == {f"S{n:05d}" for n in range(120)}


@FORMATS
async def test_gdal_counts_and_types_what_the_tiles_of_each_zoom_hold(
    database: Database, tmp_path: Path, kind: str
) -> None:
    """Whole features (`CLIP=NO`): one each time a square or its margin has it."""
    file = tmp_path / f"town.{kind}"
    layers = [
        await put(database, shop_layer(), shops(150)),
        await put(database, pipe_layer(access="public"), pipes(120)),
        await put(database, plot_layer(), plots(120)),
    ]
    zooms = range(9, 16)
    drawn: dict[tuple[str, int], list[Drawn]] = {}

    def take(tile: Tile, encoded: EncodedTile) -> None:
        writer.add(tile, encoded.body_gzip)
        for name, features in read_back(encoded.identity()).items():
            drawn.setdefault((name, tile.z), []).extend(features)

    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        selection = select_scopes([scope_for(ANONYMOUS, layer) for layer in layers])
        with ArchiveWriter(file) as writer:
            await sweep(server, selection, TOWN, zooms, take, lambda done, total: None)
            described = archive_layers(selection.scopes, zooms, "zh")
            writer.finish(Contents("town", TOWN, zooms[0], zooms[-1], described))
    for (name, z), features in drawn.items():
        meta, _, shapes, columns = pyogrio.raw.read(file, layer=name, ZOOM_LEVEL=z, CLIP="NO")
        assert len(shapes) == len(features), (name, z)
        found = dict(zip(meta["fields"].tolist(), columns, strict=True))
        for field in {field for feature in features for field in feature.attributes}:
            expected = [f.attributes[field] for f in features if field in f.attributes]
            # "Number" is all that the formats know.
            expected = [float(v) if type(v) is int else v for v in expected]
            values = [v for v in found[field].tolist() if v is not None and v == v]
            # pyogrio gives yes and no as numbers where some are missing.
            assert meta["ogr_subtypes"][list(found).index(field)] == (
                "OFSTBoolean" if type(expected[0]) is bool else "OFSTNone"
            )
            assert sorted(values) == sorted(expected), (name, z, field)
    assert len(drawn) == 3 * len(zooms)


@pytest.mark.parametrize("z", [9, 12, 15, 18])
async def test_gdal_opens_one_tile_and_finds_what_is_in_it(
    database: Database, tmp_path: Path, z: int
) -> None:
    layer = await put(database, shop_layer(), shops(150))
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).tile(
            [scope_for(ANONYMOUS, layer)], tile_at(116.4999, 31.74, z)
        )
    file = tmp_path / "tile.mvt"
    file.write_bytes(tile.identity())
    features = read_back(tile.identity())["shop"]
    meta, _, shapes, columns = pyogrio.raw.read(f"MVT:{file}", layer="shop", CLIP="NO")
    found = dict(zip(meta["fields"].tolist(), (column.tolist() for column in columns), strict=True))
    assert found["mvt_id"] == [feature.id for feature in features]
    assert found["code"] == [feature.attributes["code"] for feature in features]
    assert found["rent"] == [feature.attributes["rent"] for feature in features]
    assert len(shapes) == len(features) > 10


async def test_a_sweep_that_was_stopped_goes_on_where_it_was(database_url: str, tmp_path: Path) -> None:
    class Enough(Exception): ...

    async with Watched(database_url) as database, Catalogue(database) as catalogue:
        layer = await put(database, shop_layer(), shops(60))
        await catalogue.refresh()
        selection = select_scopes([scope_for(ANONYMOUS, layer)])

        def stop(done: int, total: int) -> None:
            if done == 5:
                raise Enough

        async with TileStore(tmp_path / "tiles.sqlite") as store:
            server = TileServer(database, catalogue, store=store)
            with pytest.raises(Enough):
                await sweep(server, selection, TOWN, range(12, 15), lambda t, d: None, stop)
        first = database.drawings
        async with TileStore(tmp_path / "tiles.sqlite") as store:
            server = TileServer(database, catalogue, store=store)
            taken: list[EncodedTile] = []
            swept = await sweep(
                server, selection, TOWN, range(12, 15), lambda t, d: taken.append(d), lambda d, t: None
            )
        assert first >= 5
        assert swept.filled == len(taken)
        assert sum(tile.from_disk for tile in taken) >= 4
        assert database.drawings <= swept.looked_at + 4


async def test_too_many_tiles_are_refused_before_the_first(database: Database) -> None:
    layer = await put(database, shop_layer(), shops(1))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        selection = select_scopes([scope_for(ANONYMOUS, layer)])
        world = BoundingBox(-180, -85, 180, 85)
        with pytest.raises(TooMuch):
            await sweep(server, selection, world, range(12, 13), lambda t, d: None, lambda d, t: None)


def test_an_mbtiles_file_has_what_the_specification_asks_for(tmp_path: Path) -> None:
    file = tmp_path / "town.mbtiles"
    with ArchiveWriter(file) as writer:
        writer.add(Tile(3, 6, 3), gzip.compress(mapbox_vector_tile.encode([])))
        writer.finish(CONTENTS)
    with sqlite3.connect(file) as connection:
        told = dict(connection.execute("SELECT name, value FROM metadata"))
        rows = connection.execute("SELECT zoom_level, tile_column, tile_row FROM tiles").fetchall()
    assert rows == [(3, 6, 4)], "rows count from the south"
    assert told["format"] == "pbf"
    assert json.loads(told["json"])["vector_layers"] == CONTENTS.vector_layers
    assert (told["minzoom"], told["maxzoom"]) == ("3", "5")
