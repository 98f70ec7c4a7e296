"""Pictures of another system's own squares put together for one square of ours.

Plain and blocking: for threads. Only systems whose axes run along ours (Web Mercator, degrees): each row of
the picture is then one row of the source, each column one column, and no projection is asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile
from rio_tiler.utils import render

from gis.squares import HALF_WORLD_M
from layers.errors import BadData

MOST_SIDE_PX = 4096
"""Of one picture: nobody's square is larger, and a small file may claim to be huge."""
SIGNATURES: dict[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
_DRIVERS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}


class Piece(NamedTuple):
    """A picture, and the box it shows: west, south, east, north in the source's units."""

    body: bytes
    bounds: tuple[float, float, float, float]


def picture_type(body: bytes) -> str | None:
    """The media type of a picture by its first bytes; None for what is none."""
    found = next((kind for signature, kind in SIGNATURES.items() if body.startswith(signature)), None)
    return None if found == "image/webp" and body[8:12] != b"WEBP" else found


def put_together(
    pieces: Sequence[Piece], bounds_3857: tuple[float, float, float, float], size: int, *, is_geographic: bool
) -> bytes:
    """A PNG of `bounds_3857` (west, south, east, north in metres), `size` pixels a side.

    `pieces` are in metres of EPSG:3857, or in degrees where `is_geographic`, all of about one resolution.
    Transparent where there is none. Raises `BadData` for what cannot be decoded.
    """
    picture: NDArray[np.float32] = np.zeros((4, size, size), np.float32)
    west, south, east, north = bounds_3857
    middles = (np.arange(size) + 0.5) / size
    across = west + middles * (east - west)
    down = north - middles * (north - south)
    if is_geographic:
        across = across / HALF_WORLD_M * 180.0
        down = np.degrees(np.arctan(np.sinh(down / HALF_WORLD_M * np.pi)))
    for piece in pieces:
        left, low, right, top = piece.bounds
        columns = np.flatnonzero((across >= left) & (across < right))
        rows = np.flatnonzero((down <= top) & (down > low))
        if not len(columns) or not len(rows):
            continue
        pixels = decoded(piece.body)
        _, height, width = pixels.shape
        x = (across[columns] - left) / (right - left) * width - 0.5
        y = (top - down[rows]) / (top - low) * height - 0.5
        picture[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = _sampled(pixels, x, y)
    return _encoded(picture)


def decoded(body: bytes) -> NDArray[np.float32]:
    """Red, green, blue and alpha (4, rows, columns), 0–255. Raises `BadData`."""
    kind = picture_type(body)
    try:
        if kind is None:
            raise _unreadable()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with MemoryFile(body) as memory, rasterio.open(memory.name, driver=_DRIVERS[kind]) as file:
                if max(file.width, file.height) > MOST_SIDE_PX:
                    raise _unreadable()
                return _as_rgba(file)
    except RasterioError as error:
        raise _unreadable() from error


def _as_rgba(file: rasterio.io.DatasetReader) -> NDArray[np.float32]:
    bands = file.read()
    if bands.dtype != np.uint8:
        bands = (bands // 257).astype(np.uint8)
    alpha = np.full(bands.shape[1:], 255, np.uint8)
    try:
        ramp = file.colormap(1) if len(bands) == 1 else None
    except ValueError:
        ramp = None
    if ramp is not None:
        table = np.zeros((256, 4), np.float32)
        for value, colour in ramp.items():
            table[value] = colour
        coloured: NDArray[np.float32] = np.moveaxis(table[bands[0]], -1, 0)
        return coloured
    if len(bands) in (2, 4):
        bands, alpha = bands[:-1], bands[-1]
    colours = np.repeat(bands[:1], 3, axis=0) if len(bands) < 3 else bands[:3]
    whole: NDArray[np.float32] = np.concatenate([colours, alpha[None]]).astype(np.float32)
    return whole


def _sampled(
    pixels: NDArray[np.float32], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Bilinear values at columns `x` and rows `y`; colours weigh as much as they are opaque."""
    weighted = pixels.copy()
    weighted[:3] *= pixels[3] / 255.0
    _, height, width = pixels.shape
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, low = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)[:, None]
    upper = weighted[:, top][:, :, left] * (1 - fx) + weighted[:, top][:, :, right] * fx
    lower = weighted[:, low][:, :, left] * (1 - fx) + weighted[:, low][:, :, right] * fx
    mixed: NDArray[np.float32] = (upper * (1 - fy) + lower * fy).astype(np.float32)
    share = mixed[3] / 255.0
    mixed[:3] = np.divide(mixed[:3], share, out=np.zeros_like(mixed[:3]), where=share > 0)
    return mixed


def _encoded(picture: NDArray[np.float32]) -> bytes:
    whole = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return bytes(render(whole[:3], whole[3], "PNG", ZLEVEL=6))


def _unreadable() -> BadData:
    return BadData("图片无法解码", "the picture cannot be decoded")
