"""A raster's pixels for one square, drawn: files are opened here and nowhere else while serving.

Plain and blocking: for threads (`tiles.raster`). A file is opened for each picture, as GDAL's handles belong
to one thread.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from math import ceil, cos, cosh, floor, pi, radians
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rio_tiler.colormap import cmap
from rio_tiler.errors import PointOutsideBounds, RioTilerError
from rio_tiler.reader import part, point
from rio_tiler.utils import render

from gis.matrix_sets import METRES_PER_DEGREE
from gis.squares import HALF_WORLD_M
from layers.errors import Unavailable
from layers.model import RasterFile
from tiles.raster_look import EXPRESSIONS, OWN_RAMPS, Format, Look
from tiles.relief import hillshade, mapbox, terrarium
from tiles.square import Frame, Square

CACHE_MB = 128
"""Decoded blocks that GDAL keeps for all files of a process."""
WARP_MB = 64
SPECK_PIXELS = 4
"""A raster that is smaller in the picture is not drawn: it would be read at a fraction of a pixel."""
_ENVIRONMENT = {"GDAL_CACHEMAX": CACHE_MB, "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
_LOSSLESS: dict[Format, dict[str, Any]] = {"png": {"ZLEVEL": 6}, "webp": {"LOSSLESS": True}}
_LOSSY_WEBP = {"QUALITY": 82}

_FRAMES: Mapping[Frame, CRS] = {3857: CRS.from_epsg(3857), 4490: CRS.from_epsg(4326)}
"""Degrees are asked for as WGS 84, which stands for CGCS2000 alike: PROJ knows the way there from foreign
datums, and leaves the shift out on the way to EPSG:4490 (see `gis.crs`).
Other frames are asked for as such."""

Alpha = NDArray[np.uint8]


class Pixels(NamedTuple):
    """`values`: (bands, rows, columns) in the file's type; `alpha`: (rows, columns), 0 where nothing is."""

    values: NDArray[Any]
    alpha: Alpha


class BandValue(NamedTuple):
    """What a band says of a place; None where nothing is."""

    title: str
    value: float | None


def draw(path: Path, raster: RasterFile, look: Look, square: Square, form: Format) -> bytes | None:
    """The picture of `square`, encoded; None where the raster has nothing in it.

    Heights for 3D maps have no "nothing": where it is, they have the raster's least height. Raises
    `Unavailable` if the file is gone or broken.
    """
    margin = 1 if look.render == "hillshade" else 0
    with _opened(path) as file:
        pixels = _read(file, look, square, margin) if _may_meet(raster, square) else None
        palette = file.colormap(look.bands[0]) if pixels is not None and look.render == "palette" else {}
    if pixels is None and look.render not in ("terrarium", "mapbox"):
        return None
    picture, alpha = _picture(pixels, raster, look, square, palette)
    if not alpha.any():
        return None
    return _encoded(picture, None if alpha.all() and alpha.min() == 255 else alpha, look, form)


def values_at(path: Path, raster: RasterFile, lon: float, lat: float) -> list[BandValue]:
    """What each band says of a place (EPSG:4490): the pixel it is in. Raises `Unavailable`."""
    titles = [band.title for band in raster.bands]
    with _opened(path) as file:
        try:
            found = point(file, (lon, lat), coord_crs=_FRAMES[4490], indexes=tuple(range(1, len(titles) + 1)))
        except PointOutsideBounds:
            return [BandValue(title, None) for title in titles]
    masked = np.ma.getmaskarray(found.array)
    numbers = np.asarray(found.array.data, dtype=np.float64)
    told = [None if m or not np.isfinite(n) else float(n) for n, m in zip(numbers, masked, strict=True)]
    return [BandValue(title, value) for title, value in zip(titles, told, strict=True)]


@lru_cache(maxsize=8)
def nothing(size: int, form: Format) -> bytes:
    """A picture in which all is transparent."""
    clear = np.zeros((size, size), dtype=np.uint8)
    return bytes(render(np.zeros((3, size, size), dtype=np.uint8), clear, form.upper(), **_LOSSLESS[form]))


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    """The file, for reading, with GDAL set up for serving; GDAL's faults become ours."""
    try:
        with rasterio.Env(**_ENVIRONMENT), rasterio.open(path) as file:
            yield file
    except (RasterioError, RioTilerError) as error:
        raise Unavailable(
            "栅格文件缺失或损坏，请管理员重新导入",
            "the raster's file is missing or broken; an operator has to import it again",
            file=path.name,
        ) from error


def _may_meet(raster: RasterFile, square: Square) -> bool:
    """False where the raster is nowhere near: its edges may have no coordinates in the square's system."""
    if square.degrees is None:
        return True
    west, south, east, north = square.degrees
    low_lon, low_lat, high_lon, high_lat = raster.bounds
    return west <= high_lon and east >= low_lon and south <= high_lat and north >= low_lat


def _read(file: DatasetReader, look: Look, square: Square, margin: int) -> Pixels | None:
    """The pixels of the square and `margin` more on each side; None where it does not reach or is a speck.

    Only the part that the file reaches is asked of it: a whole tile far out would be billions of its pixels.
    """
    frame = _crs_of(square.frame)
    west, south, east, north = square.bounds
    step_x, step_y = (east - west) / look.size, (north - south) / look.size
    west, north = west - margin * step_x, north + margin * step_y
    side = look.size + 2 * margin
    reach = transform_bounds(file.crs, frame, *file.bounds, densify_pts=21)
    if max((reach[2] - reach[0]) / step_x, (reach[3] - reach[1]) / step_y) < SPECK_PIXELS:
        return None
    first_column = max(floor((reach[0] - west) / step_x), 0)
    last_column = min(ceil((reach[2] - west) / step_x), side)
    first_row = max(floor((north - reach[3]) / step_y), 0)
    last_row = min(ceil((north - reach[1]) / step_y), side)
    if first_column >= last_column or first_row >= last_row:
        return None
    box = (
        west + first_column * step_x,
        north - last_row * step_y,
        west + last_column * step_x,
        north - first_row * step_y,
    )
    found = part(
        file,
        box,
        height=last_row - first_row,
        width=last_column - first_column,
        dst_crs=frame,
        indexes=look.bands,
        vrt_options=_warping(file, look),
        resampling_method=look.resampling,
        reproject_method=look.resampling,
    )
    values = np.zeros((len(look.bands), side, side), dtype=found.array.dtype)
    alpha = np.zeros((side, side), dtype=np.uint8)
    rows, columns = slice(first_row, last_row), slice(first_column, last_column)
    values[:, rows, columns] = found.array.data
    there = ~np.ma.getmaskarray(found.array).all(axis=0)
    alpha[rows, columns] = np.where(there, 255, 0) if found.alpha_mask is None else found.alpha_mask
    return Pixels(values, alpha)


@lru_cache(maxsize=32)
def _crs_of(frame: Frame) -> CRS:
    return _FRAMES[frame] if frame in _FRAMES else CRS.from_epsg(frame)


def _warping(file: DatasetReader, look: Look) -> dict[str, Any]:
    """Options of the warp. Heights and values between two pixels get fractions, also of whole numbers."""
    options: dict[str, Any] = {"warp_mem_limit": WARP_MB}
    if look.render in ("colour", "palette") or look.resampling == "nearest":
        return options
    return {**options, "dtype": "float64" if file.dtypes[0] in ("float64", "int32", "uint32") else "float32"}


def _picture(
    pixels: Pixels | None, raster: RasterFile, look: Look, square: Square, palette: dict[int, Any]
) -> tuple[NDArray[np.uint8], Alpha]:
    if look.render in ("terrarium", "mapbox"):
        return _terrain(pixels, raster, look)
    assert pixels is not None
    match look.render:
        case "hillshade":
            heights = _filled(pixels, raster, look)
            shade = hillshade(
                heights, _cell_m(square, look.size), azimuth=look.azimuth, altitude=look.altitude,
                z_factor=look.z_factor,
            )  # fmt: skip
            return np.repeat(shade[None], 3, axis=0), pixels.alpha[1:-1, 1:-1]
        case "palette":
            return _painted(pixels, palette)
        case "colour":
            spans = zip(pixels.values, look.rescale, strict=True)
            bands = np.stack([_stretched(values, low, high) for values, (low, high) in spans])
            return (bands if len(bands) == 3 else np.repeat(bands, 3, axis=0)), pixels.alpha
        case "mapped":
            return _mapped(pixels.values[0].astype(np.float64), pixels.alpha, look)
        case _:
            with np.errstate(divide="ignore", invalid="ignore"):
                computed = EXPRESSIONS[look.render].compute(*pixels.values.astype(np.float64))
            return _mapped(computed, pixels.alpha, look)


def _terrain(pixels: Pixels | None, raster: RasterFile, look: Look) -> tuple[NDArray[np.uint8], Alpha]:
    if pixels is None:
        heights = np.full((look.size, look.size), _least(raster, look))
    else:
        heights = _filled(pixels, raster, look)
    written = terrarium(heights) if look.render == "terrarium" else mapbox(heights)
    return written, np.full(heights.shape, 255, dtype=np.uint8)


def _filled(pixels: Pixels, raster: RasterFile, look: Look) -> NDArray[np.float64]:
    heights = pixels.values[0].astype(np.float64)
    return np.where((pixels.alpha > 0) & np.isfinite(heights), heights, _least(raster, look))


def _least(raster: RasterFile, look: Look) -> float:
    return raster.bands[look.bands[0] - 1].least or 0.0


def _stretched(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """`low` becomes 0, `high` 255, what is beyond is held."""
    if values.dtype == np.uint8 and (low, high) == (0.0, 255.0):
        return values
    share = np.nan_to_num((values.astype(np.float64) - low) / (high - low))
    return np.asarray(np.rint(np.clip(share, 0, 1) * 255), dtype=np.uint8)


def _mapped(values: NDArray[np.float64], alpha: Alpha, look: Look) -> tuple[NDArray[np.uint8], Alpha]:
    assert look.colormap is not None
    ramp = _ramp(look.colormap)
    picture = ramp[_stretched(values, *look.rescale[0])].transpose(2, 0, 1)
    return picture, np.where(np.isfinite(values), alpha, 0).astype(np.uint8)


@lru_cache(maxsize=32)
def _ramp(name: str) -> NDArray[np.uint8]:
    """(256, 3): the colours of a map by name."""
    if name in OWN_RAMPS:
        stops = np.array(OWN_RAMPS[name], dtype=np.float64)
        shares = np.linspace(0, 1, 256)
        channels = [np.interp(shares, stops[:, 0], stops[:, n]) for n in (1, 2, 3)]
        return np.asarray(np.rint(np.stack(channels, axis=1)), dtype=np.uint8)
    colours: Any = cmap.get(name)
    return np.array([colours[n][:3] for n in range(256)], dtype=np.uint8)


def _painted(pixels: Pixels, palette: dict[int, Any]) -> tuple[NDArray[np.uint8], Alpha]:
    """Codes in the file's own colours; a code without a colour is transparent."""
    size = max(max(palette, default=0), 255) + 1
    colours = np.zeros((size, 4), dtype=np.uint8)
    for code, colour in palette.items():
        colours[code] = colour
    painted = colours[np.clip(pixels.values[0], 0, size - 1)].transpose(2, 0, 1)
    return painted[:3], np.minimum(painted[3], pixels.alpha)


def _cell_m(square: Square, size: int) -> tuple[float, float]:
    """Width and height of a pixel on the ground, in the middle of the square."""
    west, south, east, north = square.bounds
    width, height = (east - west) / size, (north - south) / size
    if square.frame == 3857:
        # Mercator enlarges both ways by 1 / cos(latitude), which is cosh(northing / radius).
        shrunk = 1 / cosh((south + north) / 2 / HALF_WORLD_M * pi)
        return width * shrunk, height * shrunk
    if square.frame != 4490 and not _crs_of(square.frame).is_geographic:
        metres = _crs_of(square.frame).linear_units_factor[1]
        return width * metres, height * metres
    degree = METRES_PER_DEGREE
    return width * degree * cos(radians((south + north) / 2)), height * degree


def _encoded(picture: NDArray[np.uint8], alpha: Alpha | None, look: Look, form: Format) -> bytes:
    """Heights in colours and maps of values keep every bit; only photographs may lose some, as WebP."""
    is_photograph = look.render == "colour" and form == "webp"
    options = _LOSSY_WEBP if is_photograph else _LOSSLESS[form]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return bytes(render(picture, alpha, form.upper(), **options))
