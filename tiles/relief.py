"""What is drawn from heights: shaded relief, and heights written into colours for 3D maps. Pure arithmetic.

Arrays are rows from the north, columns from the west, heights in metres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Heights = NDArray[np.float64]
Picture = NDArray[np.uint8]
"""(bands, rows, columns)."""

TERRARIUM_OFFSET_M = 32768.0
MAPBOX_OFFSET_M, MAPBOX_STEP_M = 10000.0, 0.1
"""Both encodings as MapLibre's style specification gives them (sources, raster-dem, encoding)."""


def hillshade(
    heights: Heights,
    cell_m: tuple[float, float],
    *,
    azimuth: float = 315.0,
    altitude: float = 45.0,
    z_factor: float = 1.0,
) -> NDArray[np.uint8]:
    """Shaded relief of the inner cells: 1 in full shade, 255 facing the sun; level ground has sin(altitude).

    `heights`: (rows + 2, columns + 2), no NaN. `cell_m`: width and height of a cell on the ground. The sun
    stands at `azimuth` degrees from the north by the east and `altitude` degrees high. Slopes by Horn's
    third-order difference (Horn 1981, as `gdaldem hillshade` does).
    """
    h = heights * z_factor
    nw, n, ne = h[:-2, :-2], h[:-2, 1:-1], h[:-2, 2:]
    w, e = h[1:-1, :-2], h[1:-1, 2:]
    sw, s, se = h[2:, :-2], h[2:, 1:-1], h[2:, 2:]
    eastward = ((ne + 2 * e + se) - (nw + 2 * w + sw)) / (8 * cell_m[0])
    northward = ((nw + 2 * n + ne) - (sw + 2 * s + se)) / (8 * cell_m[1])
    from_north, high = np.radians(azimuth), np.radians(altitude)
    # The cosine between the ground's normal (-eastward, -northward, 1) and the direction of the sun.
    towards = np.sin(high) - np.cos(high) * (np.sin(from_north) * eastward + np.cos(from_north) * northward)
    lit = towards / np.sqrt(1 + eastward**2 + northward**2)
    return np.asarray(np.rint(1 + 254 * np.clip(lit, 0, 1)), dtype=np.uint8)


def terrarium(heights: Heights) -> Picture:
    """Heights as red × 256 + green + blue / 256 − 32768, steps of 4 mm; clipped to what that can hold."""
    steps = np.rint((np.clip(heights, -32768.0, 32767.99) + TERRARIUM_OFFSET_M) * 256).astype(np.uint32)
    return _bytes_of(steps)


def mapbox(heights: Heights) -> Picture:
    """Heights as −10000 + (red × 65536 + green × 256 + blue) × 0.1; clipped to what that can hold."""
    steps = np.clip(np.rint((heights + MAPBOX_OFFSET_M) / MAPBOX_STEP_M), 0, 2**24 - 1).astype(np.uint32)
    return _bytes_of(steps)


def _bytes_of(steps: NDArray[np.uint32]) -> Picture:
    return np.stack([(steps >> shift & 255).astype(np.uint8) for shift in (16, 8, 0)])
