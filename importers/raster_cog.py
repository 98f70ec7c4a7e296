"""A raster written once as Cloud Optimized GeoTIFF, the form it is served from: tiled, with overviews.

Lossless, so that the value at a place is the value that was delivered. The pixels stay on the grid they came
on; nothing is resampled but the overviews.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError  # what copying raises, and nowhere else named
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from gis.crs import CRS
from importers.errors import BadFile, Truncated
from importers.source import Pixels
from layers.model import RasterBand, RasterMeaning

GDAL_CACHE_MB = 256
"""Blocks that GDAL keeps while converting; the process stays below twice that whatever the file's size."""
SAMPLE_PIXELS = 1024
"""Side of the reduced picture from which a band's range is told."""
_BLOCK = 1024 * 1024
_OVERVIEWS = {"image": "AVERAGE", "classes": "MODE", "elevation": "BILINEAR", "values": "AVERAGE"}


def fingerprint(path: Path, *said: object) -> str:
    """16 hexadecimal digits that name a file's content together with what was `said` of it."""
    digest = hashlib.sha256(repr(said).encode())
    with path.open("rb") as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()[:16]


def write_cog(path: Path, file: str, target: Path, pixels: Pixels, crs: CRS, meaning: RasterMeaning) -> None:
    """Writes `path` as COG to `target`, which appears whole or not at all, its folder made where missing.

    Raises `Truncated` where pixels cannot be read, `BadFile` where the disk has no room.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    raw_bytes = pixels.width * pixels.height * (len(pixels.types) + pixels.has_alpha)
    raw_bytes = raw_bytes * np.dtype(pixels.types[0]).itemsize * 4 // 3
    free_bytes = shutil.disk_usage(target.parent).free
    if raw_bytes > free_bytes:
        raise BadFile(
            file,
            f"转换可能需要 {raw_bytes / 1e9:.1f} GB，磁盘只剩 {free_bytes / 1e9:.1f} GB",
            f"converting may need {raw_bytes / 1e9:.1f} GB and the disk has {free_bytes / 1e9:.1f} GB left",
            found=f"{raw_bytes} bytes",
            expected=f"at most {free_bytes} bytes",
        )
    unfinished = target.with_name(f".{target.stem}-{uuid.uuid4().hex[:8]}.part")
    options = {
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "YES",
        "BLOCKSIZE": "256",
        "BIGTIFF": "IF_SAFER",
        "OVERVIEWS": "IGNORE_EXISTING",
        "RESAMPLING": _OVERVIEWS[meaning],
        "NUM_THREADS": "2",
    }
    try:
        with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB), _described(path, pixels, crs) as source:
            rasterio.shutil.copy(source, str(unfinished), driver="COG", **options)
        unfinished.replace(target)
    except (RasterioError, CPLE_BaseError) as error:
        raise Truncated(
            file,
            "像素读不全，文件可能不完整或已损坏",
            "its pixels cannot all be read; the file may be cut short or damaged",
            found=str(error)[:200],
            expected="a whole GeoTIFF",
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def ranges(target: Path, pixels: Pixels) -> tuple[RasterBand, ...]:
    """The bands of a COG with their ranges, from a reduced picture of at most `SAMPLE_PIXELS` a side."""
    reduce = max(1.0, max(pixels.width, pixels.height) / SAMPLE_PIXELS)
    size = (max(1, int(pixels.height / reduce)), max(1, int(pixels.width / reduce)))
    bands = []
    with rasterio.open(target) as opened:
        for number, (title, kind) in enumerate(zip(pixels.titles, pixels.types, strict=True), start=1):
            values = opened.read(number, out_shape=size, masked=True).compressed().astype(np.float64)
            values = values[np.isfinite(values)]
            if values.size == 0:
                bands.append(RasterBand(title, kind, None, None, None, None))
                continue
            low, high = (float(v) for v in np.percentile(values, (2, 98)))
            bands.append(RasterBand(title, kind, float(values.min()), low, high, float(values.max())))
    return tuple(bands)


@contextlib.contextmanager
def _described(path: Path, pixels: Pixels, crs: CRS) -> Iterator[str]:
    """Name of a virtual file with the pixels of `path` and what was found out of them."""
    with MemoryFile(ext=".vrt") as virtual:
        rasterio.shutil.copy(str(path), virtual.name, driver="VRT")
        with rasterio.open(virtual.name, "r+") as opened:
            opened.crs = rasterio.CRS.from_wkt(crs.to_wkt())
            if pixels.nodata is not None:
                opened.nodata = pixels.nodata
            if not pixels.has_alpha and opened.colorinterp[-1] == ColorInterp.alpha:
                opened.colorinterp = (*opened.colorinterp[:-1], ColorInterp.undefined)
        yield virtual.name
