"""Pictures of rasters: each pixel shows what the file has where the pixel lies, in every matrix set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyproj import Transformer

from gis.matrix_sets import MATRIX_SETS, MatrixSet
from importers.deliver_raster import plan_raster
from importers.options import ImportOptions
from importers.raster_cog import ranges, write_cog
from importers.read_raster import raster_sources
from layers.errors import BadRequest
from layers.model import BoundingBox, RasterBand, RasterFile
from tests.pictures import CENTRE, EASTING, NORTHING, decoded, eastings, heights_of, northings, write_tif
from tiles.raster_draw import draw, values_at
from tiles.raster_look import EXPRESSIONS, read_look
from tiles.square import Square, square_in

ALL_SETS = list(MATRIX_SETS.values())


def served(tmp_path: Path, tif: Path, meaning: str | None = None) -> tuple[Path, RasterFile]:
    """The file as it is served from, and what the catalogue says of it."""
    options = ImportOptions(meaning=meaning)  # type: ignore[arg-type]
    part = plan_raster(raster_sources(tif, tif.name, options)[0], {}, options, None)
    pixels, crs = part.source.pixels, part.source.crs
    assert pixels is not None
    assert crs is not None
    target = tmp_path / "cog" / tif.name
    write_cog(tif, tif.name, target, pixels, crs, part.meaning.value)  # type: ignore[arg-type]
    said: Any = part.meaning.value
    bands = ranges(target, pixels)
    grid = (pixels.width, pixels.height, 10.0)
    return target, RasterFile(1, tif.name, "2024", said, *grid, "", bands, part.bounds, 0)


def square_over(matrix_set: MatrixSet, z: int, lon: float = CENTRE[0], lat: float = CENTRE[1]) -> Square:
    """The square of a zoom that holds a place."""
    west, south, east, north = matrix_set.box((lon, lat, lon, lat))
    column, _, row, _ = matrix_set.limits((west, south, east, north), z)
    return square_in(matrix_set, z, column, row)


def ground_of(square: Square, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Easting and northing (EPSG:4548) of the middle of each pixel of a square."""
    west, south, east, north = square.bounds
    x = west + (np.arange(size) + 0.5) * (east - west) / size
    y = north - (np.arange(size) + 0.5) * (north - south) / size
    grid_x, grid_y = np.meshgrid(x, y)
    return Transformer.from_crs(square.frame, 4548, always_xy=True).transform(grid_x, grid_y)


@pytest.mark.parametrize("matrix_set", ALL_SETS, ids=lambda s: s.id)
@pytest.mark.parametrize("z", [10, 12, 14, 16, 18])
@pytest.mark.parametrize("direction", ["east", "south"])
def test_a_pixel_shows_what_is_on_its_ground(
    tmp_path: Path, matrix_set: MatrixSet, z: int, direction: str
) -> None:
    ramp = eastings() if direction == "east" else northings()
    path, raster = served(tmp_path, write_tif(tmp_path / "ramp.tif", ramp), "elevation")
    square = square_over(matrix_set, z)
    look = read_look(raster, {"render": "terrarium"})
    body = draw(path, raster, look, square, "png")
    assert body is not None
    heights = heights_of(decoded(body))
    easting, northing = ground_of(square, 256)
    expected = easting - EASTING if direction == "east" else NORTHING - northing
    pixel_m = abs(easting[0, 1] - easting[0, 0])
    inside = (easting > EASTING + 30 + pixel_m) & (easting < EASTING + 2970 - pixel_m)
    inside &= (northing < NORTHING - 30 - pixel_m) & (northing > NORTHING - 2970 + pixel_m)
    assert inside.any()
    off_m = (heights - expected)[inside]
    assert np.abs(off_m).max() < pixel_m / 10 + 0.02
    assert abs(off_m.mean()) < pixel_m / 20 + 0.02


def drawn(
    tmp_path: Path, tif: Path, square: Square | None = None, meaning: str | None = None, **said: str
) -> NDArray[np.uint8]:
    """The picture of a file as PNG, decoded; by default of the square of zoom 14 in its middle."""
    path, raster = served(tmp_path, tif, meaning)
    body = draw(path, raster, read_look(raster, said), square or square_over(ALL_SETS[0], 14), "png")
    assert body is not None
    return decoded(body)


@pytest.mark.parametrize("encoding", ["terrarium", "mapbox"])
def test_heights_written_as_colours_are_read_back(tmp_path: Path, encoding: str) -> None:
    plateau = np.full((1, 300, 300), 87.35, dtype=np.float32)
    picture = drawn(
        tmp_path, write_tif(tmp_path / "dem.tif", plateau), square_over(ALL_SETS[0], 16), render=encoding
    )
    red, green, blue = picture[:3].astype(np.float64)
    if encoding == "terrarium":
        assert np.abs(heights_of(picture) - 87.35).max() < 0.004
    else:
        assert np.abs((red * 65536 + green * 256 + blue) * 0.1 - 10000 - 87.35).max() < 0.051


def test_terrain_outside_the_raster_has_its_least_height_and_no_cliff_to_the_deep(tmp_path: Path) -> None:
    dem = write_tif(tmp_path / "dem.tif", np.full((1, 300, 300), 62.0, dtype=np.float32))
    path, raster = served(tmp_path, dem)
    elsewhere = square_over(ALL_SETS[0], 14, 117.5, 32.5)
    body = draw(path, raster, read_look(raster, {"render": "terrarium"}), elsewhere, "png")
    assert body is not None
    assert np.abs(heights_of(decoded(body)) - 62.0).max() < 0.004


@pytest.mark.parametrize(
    ("azimuth", "altitude", "z_factor"), [(315, 45, 1.0), (90, 45, 1.0), (270, 30, 1.0), (90, 60, 2.0)]
)
def test_the_shade_of_a_plain_that_rises_east_is_that_of_geometry(
    tmp_path: Path, azimuth: int, altitude: int, z_factor: float
) -> None:
    slope = 0.2
    dem = write_tif(tmp_path / "dem.tif", eastings() * np.float32(slope))
    square = square_over(ALL_SETS[0], 15)
    picture = drawn(
        tmp_path, dem, square, render="hillshade", azimuth=str(azimuth), altitude=str(altitude),
        z_factor=str(z_factor),
    )  # fmt: skip
    easting, northing = ground_of(square, 256)
    # grid east is not quite true east: the meridians of the zone lean by half a degree here
    turn = np.arctan2(northing[0, 1] - northing[0, 0], easting[0, 1] - easting[0, 0])
    normal = np.array([-slope * z_factor * np.cos(turn), slope * z_factor * np.sin(turn), 1.0])
    normal /= np.linalg.norm(normal)
    sun = np.radians([azimuth, altitude])
    towards = np.array([np.sin(sun[0]) * np.cos(sun[1]), np.cos(sun[0]) * np.cos(sun[1]), np.sin(sun[1])])
    expected = 1 + 254 * max(float(normal @ towards), 0)
    inner = picture[0][64:192, 64:192].astype(float)
    assert abs(np.median(inner) - expected) < 1.5
    assert (picture[:3] == picture[:1]).all()


def test_level_ground_is_shaded_alike_in_degrees_and_in_metres(tmp_path: Path) -> None:
    dem = write_tif(tmp_path / "dem.tif", northings() * np.float32(0.3))
    shades = []
    for matrix_set in ALL_SETS:
        square = square_over(matrix_set, 16 - matrix_set.zooms_ahead)
        picture = drawn(tmp_path, dem, square, render="hillshade")
        shades.append(float(np.median(picture[0][picture[3] == 255])))
    assert max(shades) - min(shades) < 2


def test_an_image_keeps_its_colours_and_is_transparent_where_it_says_nothing(tmp_path: Path) -> None:
    image = np.zeros((3, 300, 300), dtype=np.uint8)
    image[:, :, :150] = np.array([200, 30, 40], dtype=np.uint8)[:, None, None]
    tif = write_tif(tmp_path / "image.tif", image, nodata=0)
    square = square_over(ALL_SETS[0], 14)
    picture = drawn(tmp_path, tif, square, resampling="nearest")
    easting, northing = ground_of(square, 256)
    inside = (easting > EASTING + 20) & (northing < NORTHING - 20) & (northing > NORTHING - 2980)
    west, east = inside & (easting < EASTING + 1480), inside & (easting > EASTING + 1520)
    assert west.sum() > 1000
    assert (picture[:, west] == np.array([200, 30, 40, 255])[:, None]).all()
    assert (picture[3, east] == 0).all()


def test_an_alpha_band_is_the_pictures_alpha(tmp_path: Path) -> None:
    bands = np.full((4, 300, 300), 120, dtype=np.uint8)
    bands[3] = 255
    bands[3, :150] = 0
    tif = write_tif(tmp_path / "image.tif", bands, photometric="RGB", alpha="yes")
    square = square_over(ALL_SETS[0], 14)
    picture = drawn(tmp_path, tif, square, resampling="nearest")
    _, northing = ground_of(square, 256)
    assert (picture[3][northing > NORTHING - 1480] == 0).all()
    south = (northing < NORTHING - 1520) & (northing > NORTHING - 2960)
    easting, _ = ground_of(square, 256)
    south &= (easting > EASTING + 40) & (easting < EASTING + 2960)
    assert (picture[3][south] == 255).all()


def test_codes_are_painted_in_the_files_own_palette_and_never_mixed(tmp_path: Path) -> None:
    codes = np.zeros((1, 300, 300), dtype=np.uint8)
    codes[0, ::2], codes[0, 1::2] = 1, 9
    palette = {1: (10, 20, 30, 255), 9: (200, 210, 220, 255)}
    picture = drawn(tmp_path, write_tif(tmp_path / "land.tif", codes, palette=palette))
    seen = {tuple(colour) for colour in picture[:, picture[3] > 0].T.tolist()}
    assert seen == {(10, 20, 30, 255), (200, 210, 220, 255)}


def test_sixteen_bits_are_stretched_over_the_range_asked_for(tmp_path: Path) -> None:
    bands = np.stack([np.full((300, 300), value, dtype=np.uint16) for value in (1000, 2000, 3000)])
    picture = drawn(
        tmp_path, write_tif(tmp_path / "image.tif", bands), square_over(ALL_SETS[0], 16), rescale="1000,3000"
    )
    assert picture[:, 128, 128].tolist() == [0, 128, 255, 255]


def test_values_go_through_the_colour_map_by_their_place_in_the_range(tmp_path: Path) -> None:
    values = write_tif(tmp_path / "noise.tif", np.full((1, 300, 300), 0.5, dtype=np.float32))
    picture = drawn(tmp_path, values, square_over(ALL_SETS[0], 16), rescale="0,1", colormap="gray")
    assert picture[:, 100, 100].tolist() == [128, 128, 128, 255]


def test_band_arithmetic_is_what_its_name_says(tmp_path: Path) -> None:
    red, nir = 40, 120
    bands = np.stack([np.full((300, 300), value, dtype=np.uint8) for value in (red, 60, 50, nir)])
    tif = write_tif(tmp_path / "image.tif", bands)
    picture = drawn(
        tmp_path, tif, square_over(ALL_SETS[0], 16), render="ndvi", colormap="gray", rescale="-1,1"
    )
    ndvi = (nir - red) / (nir + red)
    assert picture[0, 10, 10] == round((ndvi + 1) / 2 * 255)
    named = write_tif(tmp_path / "named.tif", bands[[3, 0, 1]], titles=("NIR", "Red", "Green"))
    same = drawn(
        tmp_path, named, square_over(ALL_SETS[0], 16), render="ndvi", colormap="gray", rescale="-1,1"
    )
    assert same[0, 10, 10] == picture[0, 10, 10]


def test_where_a_ratio_divides_by_nothing_there_is_nothing(tmp_path: Path) -> None:
    tif = write_tif(tmp_path / "image.tif", np.zeros((2, 300, 300), dtype=np.uint8), titles=("nir", "red"))
    path, raster = served(tmp_path, tif)
    look = read_look(raster, {"render": "ndvi"})
    assert draw(path, raster, look, square_over(ALL_SETS[0], 16), "png") is None


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"render": "__import__('os')"}, "render"),
        ({"render": "(b1-b2)/(b1+b2)"}, "render"),
        ({"render": "ndvi"}, "render"),
        ({"render": "hillshade", "azimuth": "361"}, "azimuth"),
        ({"render": "hillshade", "altitude": "nan"}, "altitude"),
        ({"render": "terrarium", "z_factor": "2"}, "z_factor"),
        ({"azimuth": "10"}, "azimuth"),
        ({"bands": "2"}, "bands"),
        ({"bands": "1,1"}, "bands"),
        ({"bands": "0"}, "bands"),
        ({"bands": "१"}, "bands"),
        ({"rescale": "3,1"}, "rescale"),
        ({"rescale": "0,inf"}, "rescale"),
        ({"rescale": "0,1,2,3"}, "rescale"),
        ({"rescale": "a"}, "rescale"),
        ({"colormap": "../../etc"}, "colormap"),
        ({"resampling": "lanczos"}, "resampling"),
        ({"size": "4096"}, "size"),
    ],
    ids=str,
)
def test_what_is_not_on_the_list_is_refused_by_name(said: dict[str, str], field: str) -> None:
    dem = RasterFile(
        1, "dem.tif", "2024", "elevation", 10, 10, 10.0, "", (RasterBand("1", "float32", 0, 0, 9, 9),),
        BoundingBox(116, 31, 117, 32), 0,
    )  # fmt: skip
    with pytest.raises(BadRequest) as refused:
        read_look(dem, said)
    assert refused.value.facts["field"] == field


def test_relief_of_an_image_is_refused() -> None:
    band = RasterBand("1", "uint8", 0, 0, 255, 255)
    image = RasterFile(
        1, "a.tif", "2024", "image", 9, 9, 1.0, "", (band,) * 3, BoundingBox(116, 31, 117, 32), 0
    )
    with pytest.raises(BadRequest, match="no heights"):
        read_look(image, {"render": "hillshade"})


def test_every_colour_map_and_expression_of_the_lists_draws(tmp_path: Path) -> None:
    from tiles.raster_look import COLORMAPS

    path, raster = served(tmp_path, write_tif(tmp_path / "ramp.tif", eastings()), "values")
    square = square_over(ALL_SETS[0], 14)
    assert all(draw(path, raster, read_look(raster, {"colormap": n}), square, "png") for n in COLORMAPS)
    four = np.random.default_rng(1).integers(1, 255, (4, 300, 300), dtype=np.uint8)
    path, raster = served(tmp_path, write_tif(tmp_path / "four.tif", four))
    assert all(draw(path, raster, read_look(raster, {"render": n}), square, "webp") for n in EXPRESSIONS)


@pytest.mark.parametrize("matrix_set", ALL_SETS, ids=lambda s: s.id)
def test_a_raster_far_away_becomes_small_and_then_nothing(tmp_path: Path, matrix_set: MatrixSet) -> None:
    path, raster = served(tmp_path, write_tif(tmp_path / "ramp.tif", eastings()), "elevation")
    sizes = []
    for z in range(9):
        body = draw(path, raster, read_look(raster, {}), square_over(matrix_set, z), "png")
        sizes.append(0 if body is None else int((decoded(body)[3] > 0).sum()))
    assert sizes == sorted(sizes)
    assert sizes[0] == 0
    assert 20 <= sizes[8] <= 200


def test_neighbouring_pictures_meet_without_a_seam(tmp_path: Path) -> None:
    path, raster = served(tmp_path, write_tif(tmp_path / "ramp.tif", eastings()), "elevation")
    here = square_over(ALL_SETS[0], 15)
    look = read_look(raster, {"render": "terrarium"})
    east = square_in(ALL_SETS[0], here.z, here.x + 1, here.y)
    left, right = (heights_of(decoded(draw(path, raster, look, s, "png") or b"")) for s in (here, east))
    step_m = np.diff(left, axis=1).mean()
    assert np.abs(right[64:192, 0] - left[64:192, -1] - step_m).max() < 0.1


def test_the_value_at_a_place_is_that_of_the_pixel_it_is_in(tmp_path: Path) -> None:
    heights = np.arange(90_000, dtype=np.int32).reshape(1, 300, 300)
    heights[0, 7, 7] = -9999
    path, raster = served(tmp_path, write_tif(tmp_path / "dem.tif", heights, nodata=-9999))
    to_degrees = Transformer.from_crs(4548, 4490, always_xy=True)
    for row, column in ((0, 0), (17, 251), (299, 299)):
        lon, lat = to_degrees.transform(EASTING + column * 10 + 9, NORTHING - row * 10 - 1)
        assert values_at(path, raster, lon, lat)[0].value == heights[0, row, column]
    nothing = to_degrees.transform(EASTING + 75, NORTHING - 75)
    assert values_at(path, raster, *nothing)[0].value is None
    assert values_at(path, raster, 100.0, 20.0)[0].value is None


def test_equal_looks_have_one_key() -> None:
    dem = RasterFile(
        1, "dem.tif", "2024", "elevation", 10, 10, 10.0, "", (RasterBand("1", "float32", 0, 0, 9, 9),),
        BoundingBox(116, 31, 117, 32), 0,
    )  # fmt: skip
    assert read_look(dem, {}) == read_look(dem, {"bands": "1", "size": "256", "rescale": "0,9"})
    assert read_look(dem, {}) != read_look(dem, {"size": "512"})
    assert read_look(dem, {}) != read_look(replace(dem, meaning="values"), {})
