"""Tiny GeoTIFFs with known numbers in them, and pictures read back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.transform import Affine

CENTRE = (116.50936, 31.72533)
"""The middle of a specimen of 3 km, EPSG:4490."""
EASTING, NORTHING = 452_000.0, 3_513_000.0
"""Its north-west corner in EPSG:4548."""


def write_tif(
    path: Path,
    bands: NDArray[Any],
    *,
    crs: int | str | None = 4548,
    corner: tuple[float, float] = (EASTING, NORTHING),
    step: tuple[float, float] = (10.0, -10.0),
    palette: dict[int, tuple[int, int, int, int]] | None = None,
    titles: Sequence[str] = (),
    **profile: Any,
) -> Path:
    """A GeoTIFF of `bands` (bands, rows, columns), its north-west corner at `corner`."""
    count, height, width = bands.shape
    given = {"transform": Affine(step[0], 0, corner[0], 0, step[1], corner[1]), **profile}
    if crs is not None:
        given["crs"] = crs if isinstance(crs, str) else f"EPSG:{crs}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, **given
    ) as file:
        file.write(bands)
        for number, title in enumerate(titles, start=1):
            file.set_band_description(number, title)
        if palette is not None:
            file.write_colormap(1, palette)
    return path


def eastings(rows: int = 300, columns: int = 300, step: float = 10.0) -> NDArray[np.float32]:
    """Each pixel holds how far its middle is east of the raster's edge, in metres: a rising plain."""
    return np.tile((np.arange(columns) + 0.5) * step, (rows, 1)).astype(np.float32)[None]


def northings(rows: int = 300, columns: int = 300, step: float = 10.0) -> NDArray[np.float32]:
    """Each pixel holds how far its middle is south of the raster's edge, in metres."""
    return np.tile((np.arange(rows) + 0.5)[:, None] * step, (1, columns)).astype(np.float32)[None]


def decoded(body: bytes) -> NDArray[np.uint8]:
    """The picture as (4, rows, columns): red, green, blue, alpha."""
    with warnings.catch_warnings(), MemoryFile(body) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open() as file:
            bands = file.read()
    if len(bands) == 3:
        bands = np.concatenate([bands, np.full_like(bands[:1], 255)])
    assert bands.shape[0] == 4
    return np.asarray(bands)


def heights_of(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What a terrarium picture says, metres."""
    red, green, blue = picture[:3].astype(np.float64)
    return np.asarray(red * 256 + green + blue / 256 - 32768)
