"""A tile of an operator's own matrix set holds what PostGIS' transformation puts into its square."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import numpy as np
import pytest
import shapely
from pyproj import Transformer
from shapely.geometry import shape
from sqlalchemy import func, select

from gis.matrix_set_files import read_matrix_set
from gis.own_matrix_sets import OwnMatrixSet
from layers import generalise
from layers.access import SYSTEM, Scope, scope_for
from layers.catalogue import Catalogue
from layers.db import Database
from layers.publish import Batch
from layers.rows import rows
from tests.gis.own_sets import degrees_set, gauss_set, written
from tests.layers.registered_tables import SOUTH, WEST, registered
from tests.pictures import CENTRE, EASTING, NORTHING, decoded, eastings, heights_of, write_tif
from tests.tiles.test_fresh import TOWN, some, told
from tests.tiles.test_rasters import served
from tests.tiles.test_registered_tables import direct, open_to, shapes, tables
from tests.tiles.town import pipe_layer, pipes, plot_layer, plots, put, shop_layer, shops
from tiles.cache import EncodedTile
from tiles.raster_draw import draw
from tiles.raster_look import read_look
from tiles.server import TileServer, select_scopes
from tiles.square import EXTENT, MARGIN, Square, square_in

__all__ = ["tables"]  # a fixture

SPECIMENS = {
    "shop": (shop_layer, shops),
    "pipe": (pipe_layer, pipes),
    "plot": (plot_layer, plots),
}


@pytest.fixture(params=["CityGauss", "CityDegrees"])
def own_set(request: pytest.FixtureRequest, tmp_path: Path) -> OwnMatrixSet:
    folder = written(tmp_path / "sets", gauss_set(), degrees_set())
    return read_matrix_set(folder / f"{request.param}.json")


def over_the_town(own_set: OwnMatrixSet, z: int) -> Iterator[Square]:
    limits = own_set.limits(own_set.box(TOWN), z)
    assert limits is not None
    for column in range(limits[0], limits[1] + 1):
        for row in range(limits[2], limits[3] + 1):
            yield square_in(own_set, z, column, row)


async def transformed(database: Database, scope: Scope, square: Square) -> dict[int, tuple[Any, Any]]:
    """Each row of the layer in the square's frame, whole, and in the square's units: by PostGIS, of all rows
    there are. None in units where the square and its margin hold nothing to draw of it."""
    source = rows(scope).subquery()
    moved = func.ST_Transform(source.c._geom, square.frame)
    box = func.Box2D(func.ST_MakeEnvelope(*square.bounds, square.frame))
    in_units = func.ST_AsBinary(func.ST_AsMVTGeom(moved, box, EXTENT, MARGIN, True))
    statement = select(source.c._fid, func.ST_AsBinary(moved), in_units)
    async with database.connect() as connection:
        found = (await connection.execute(statement)).all()
    return {
        fid: (shapely.from_wkb(bytes(whole)), None if cut is None else shapely.from_wkb(bytes(cut)))
        for fid, whole, cut in found
    }


def drawn_in(tile: EncodedTile, name: str) -> dict[int, Any]:
    """Shapes of the tile's features in the square's units, y downwards."""
    if tile.is_empty:
        return {}
    decoded = mapbox_vector_tile.decode(tile.identity(), default_options={"y_coord_down": True})
    return {f["id"]: shape(f["geometry"]) for f in decoded.get(name, {"features": []})["features"]}


def placed(in_units: Any, square: Square) -> Any:
    """A shape in the square's units in those of its frame."""
    corner = np.array([square.bounds[0], square.bounds[3]])
    steps = np.array([square.unit, -square.unit])
    return shapely.transform(in_units, lambda place: corner + place * steps)


@pytest.mark.parametrize("name", SPECIMENS)
async def test_a_tile_is_what_postgis_transforms(
    database: Database, own_set: OwnMatrixSet, name: str
) -> None:
    make_layer, make_rows = SPECIMENS[name]
    layer = await put(database, make_layer(), make_rows(200))
    scope = scope_for(SYSTEM, layer)
    seen = 0
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        exact = [z for z in own_set.levels if own_set.zoom(z) >= 14][:2]
        for z in (min(own_set.levels), *exact):
            for square in list(over_the_town(own_set, z))[:12]:
                tile = await server.drawn(select_scopes([scope]), square)
                expected = await transformed(database, scope, square)
                found = drawn_in(tile, name)
                for fid, in_units in found.items():
                    whole, cut = expected[fid]
                    assert shapely.equals(in_units.normalize(), cut.normalize()), (square, fid)
                    assert whole.buffer(1.5 * square.unit).covers(placed(in_units, square)), (square, fid)
                missing = {fid for fid, (_, cut) in expected.items() if cut is not None} - set(found)
                assert len(missing) <= tile.left_out.get(name, 0), square
                seen += len(found)
    assert seen > 150


async def test_northing_first_is_drawn_easting_first(database: Database, tmp_path: Path) -> None:
    own_set = read_matrix_set(written(tmp_path, gauss_set()) / "CityGauss.json")
    one = Batch([shapely.Point(116.5, 31.75).wkb], {k: [v[1]] for k, v in shops(2).columns.items()})
    layer = await put(database, shop_layer(), one)
    async with database.connect() as connection:
        place = func.ST_Transform(func.ST_SetSRID(func.ST_MakePoint(116.5, 31.75), 4490), 4547)
        east, north = (await connection.execute(select(func.ST_X(place), func.ST_Y(place)))).one()
    limits = own_set.limits((east, north, east, north), 9)
    assert limits is not None
    square = square_in(own_set, 9, limits[0], limits[2])
    async with Catalogue(database) as catalogue:
        tile = await TileServer(database, catalogue).drawn(select_scopes([scope_for(SYSTEM, layer)]), square)
    [point] = [placed(shop, square) for shop in drawn_in(tile, "shop").values()]
    assert (point.x, point.y) == pytest.approx((east, north), abs=square.unit)
    assert 700_000 < point.x < 800_000, "more than two degrees east of the meridian 114°"
    assert 3_500_000 < point.y < 3_600_000


async def test_what_reaches_beyond_the_zone_is_cut(database: Database, tmp_path: Path) -> None:
    """Transverse Mercator has no coordinates a quarter of the earth away; the statement must not fail."""
    own_set = read_matrix_set(written(tmp_path, gauss_set()) / "CityGauss.json")
    line = shapely.MultiLineString([[(116.5, 31.75), (116.501, 31.75), (-66.0, 0.0), (170.0, -80.0)]])
    attributes = {k: v[:1] for k, v in pipes(2).columns.items()}
    layer = await put(database, pipe_layer(), Batch([line.wkb], attributes))
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        drawn = [
            await server.drawn(select_scopes([scope_for(SYSTEM, layer)]), square)
            for square in over_the_town(own_set, 4)
        ]
    assert any(not tile.is_empty for tile in drawn)


async def test_what_is_kept_is_what_would_be_drawn(
    database: Database, own_set: OwnMatrixSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, value in (
        ("TILE_FEATURES", 60),
        ("TILE_VERTICES", 900),
        ("TILE_LINES", 25),
        ("CELLS", 16),
        ("POINT_CELLS", 16),
    ):
        monkeypatch.setattr(generalise, limit, value)
    squares = [square for z in list(own_set.levels)[:7] for square in over_the_town(own_set, z)]
    async with Catalogue(database) as catalogue:
        for name, (make_layer, make_rows) in SPECIMENS.items():
            await put(database, make_layer(), make_rows(200))
            await catalogue.refresh()
            layer = await catalogue.layer(name)
            assert layer.generalised, "far levels are drawn from copies here"
            server = TileServer(database, catalogue)
            for square in squares:
                await server.drawn(select_scopes([scope_for(SYSTEM, layer)]), square)
            layer = await put(database, make_layer(), some(make_rows(200, seed=77), [5]), partial=True)
            await catalogue.refresh()
            selection = select_scopes([scope_for(SYSTEM, layer)])
            fresh = TileServer(database, catalogue)
            kept = 0
            for square in squares:
                tile = server.kept(selection, square)
                if tile is not None:
                    kept += 1
                    assert told(tile) == told(await fresh.drawn(selection, square)), square
            assert kept > len(squares) / 2, "most tiles outlive a small change"


@pytest.mark.parametrize("table", ["shop", "zone38", "plot"])
async def test_a_registered_table_is_drawn_from_its_own_system(
    database: Database, tables: str, own_set: OwnMatrixSet, table: str
) -> None:
    scope = open_to(await registered(database, table))
    seen = 0
    async with Catalogue(database) as catalogue:
        server = TileServer(database, catalogue)
        for z in [z for z in own_set.levels if own_set.zoom(z) >= 14][:2]:
            box = own_set.box((WEST, SOUTH, WEST + 0.01, SOUTH + 0.01))
            limits = own_set.limits(box, z)
            assert limits is not None
            for column in range(limits[0], limits[1] + 1):
                square = square_in(own_set, z, column, limits[3])
                tile = await server.drawn(select_scopes([scope]), square)
                drawn = shapes(tile.identity() if not tile.is_empty else b"")
                expected = shapes(direct(tables, table, square))
                assert drawn.keys() == expected.keys(), square
                seen += len(drawn)
    assert seen


@pytest.mark.parametrize("z", [3, 5, 7])
def test_a_pixel_of_a_picture_shows_what_is_on_its_ground(
    tmp_path: Path, own_set: OwnMatrixSet, z: int
) -> None:
    path, raster = served(tmp_path, write_tif(tmp_path / "ramp.tif", eastings()), "elevation")
    limits = own_set.limits(own_set.box((*CENTRE, *CENTRE)), z)
    assert limits is not None
    square = square_in(own_set, z, limits[0], limits[2])
    body = draw(path, raster, read_look(raster, {"render": "terrarium"}), square, "png")
    assert body is not None
    heights = heights_of(decoded(body))
    west, south, east, north = square.bounds
    x = west + (np.arange(256) + 0.5) * (east - west) / 256
    y = north - (np.arange(256) + 0.5) * (north - south) / 256
    to_file = Transformer.from_crs(square.frame, 4548, always_xy=True)
    easting, northing = to_file.transform(*np.meshgrid(x, y))
    pixel_m = abs(easting[0, 1] - easting[0, 0])
    inside = (easting > EASTING + 30 + pixel_m) & (easting < EASTING + 2970 - pixel_m)
    inside &= (northing < NORTHING - 30 - pixel_m) & (northing > NORTHING - 2970 + pixel_m)
    assert inside.any()
    assert np.abs((heights - (easting - EASTING))[inside]).max() < pixel_m / 10 + 0.02


def test_a_changed_file_names_other_tiles(tmp_path: Path) -> None:
    before = read_matrix_set(written(tmp_path, gauss_set()) / "CityGauss.json")
    after = read_matrix_set(written(tmp_path, gauss_set(title="别的")) / "CityGauss.json")
    assert square_in(before, 3, 0, 0).place != square_in(after, 3, 0, 0).place
    assert (MARGIN, EXTENT) == (64, 4096)
