"""A small picture of a raster before it is converted: by a process of its own, in seconds or not at all.

`python -m importers.raster_picture PATH` writes the picture to its output. A file that is damaged, or so
large and without overviews that it takes too long, has none; its edge is drawn all the same.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gis.crs import CGCS2000, CRS, reproject_points
from importers.source import Pixels

SIDE = 384
"""Pixels of the longer side."""
MOST_SECONDS = 15.0
MOST_BYTES = 400_000
CUT_PERCENT = 2.0
"""What lies beyond is black or white, as in the pictures that are served."""
_ROOT = Path(__file__).resolve().parent.parent


def drawn_apart(path: Path, pixels: Pixels, crs: CRS) -> dict[str, Any] | None:
    """`image`, a data address of a WebP with what is nothing left transparent, and `corners`, longitude and
    latitude of its north-west, north-east, south-east and south-west in CGCS2000; None where none was made.
    """
    command = [sys.executable, "-m", "importers.raster_picture", str(path)]
    try:
        made = subprocess.run(command, capture_output=True, timeout=MOST_SECONDS, cwd=_ROOT, check=False)
    except subprocess.TimeoutExpired:
        return None
    corners = corners_of(pixels, crs)
    if made.returncode or not made.stdout or len(made.stdout) > MOST_BYTES or corners is None:
        return None
    return {
        "image": f"data:image/webp;base64,{base64.b64encode(made.stdout).decode()}",
        "corners": corners,
    }


def corners_of(pixels: Pixels, crs: CRS) -> list[list[float]] | None:
    """The corners of the grid on the earth; None where one has no place there."""
    (x, y), (dx, dy) = pixels.corner, pixels.step
    east, south = x + dx * pixels.width, y + dy * pixels.height
    there = reproject_points(np.array([[x, y], [east, y], [east, south], [x, south]]), crs, CGCS2000)
    return np.round(there, 7).tolist() if np.isfinite(there).all() else None


def picture(path: Path) -> bytes:
    """A WebP of at most `SIDE` pixels a side. Raises what rasterio does."""
    import rasterio
    from rasterio.io import MemoryFile

    warnings.simplefilter("ignore")
    with rasterio.open(path, driver="GTiff") as opened:
        scale = min(1.0, SIDE / max(opened.width, opened.height))
        size = (max(1, round(opened.height * scale)), max(1, round(opened.width * scale)))
        is_map = opened.count == 1 and opened.colorinterp[0].name == "palette"
        bands = [1, 2, 3] if opened.count >= 3 else [1]
        values = opened.read(bands, out_shape=(len(bands), *size))
        seen = opened.dataset_mask(out_shape=size) if opened.count else np.full(size, 255, np.uint8)
        if is_map:
            table = np.zeros((256, 3), np.uint8)
            for number, colour in opened.colormap(1).items():
                if 0 <= number < len(table):
                    table[number] = colour[:3]
            shown = np.moveaxis(table[np.clip(values[0], 0, 255).astype(np.uint8)], -1, 0)
        else:
            shown = np.stack([_stretched(band, seen) for band in values])
    if len(shown) == 1:
        shown = np.repeat(shown, 3, axis=0)
    whole = np.concatenate([shown, seen[None]]).astype(np.uint8)
    with MemoryFile() as memory:
        with memory.open(
            driver="WEBP", count=4, dtype="uint8", width=size[1], height=size[0], QUALITY=78
        ) as made:
            made.write(whole)
        return bytes(memory.read())


def _stretched(band: NDArray[Any], seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A band from black to white between its outer percents; bytes stay as they are."""
    if band.dtype == np.uint8:
        return np.asarray(band, np.uint8)
    numbers = band.astype(np.float64)
    there = numbers[(seen > 0) & np.isfinite(numbers)]
    if not there.size:
        return np.zeros(band.shape, np.uint8)
    low, high = np.percentile(there, (CUT_PERCENT, 100.0 - CUT_PERCENT))
    share = (numbers - low) / max(high - low, np.finfo(np.float64).tiny)
    return np.asarray(np.clip(np.nan_to_num(share), 0.0, 1.0) * 255, dtype=np.uint8)


if __name__ == "__main__":
    sys.stdout.buffer.write(picture(Path(sys.argv[1])))
