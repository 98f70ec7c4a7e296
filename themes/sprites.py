"""The symbols of the styles as MapLibre takes them: one picture with all of them, and an index.

The drawings are our own (`layers/known/symbols.json`). Components are white drawings on discs in the
colours of the scheme; pipe appendages and the arrow of a flow are distance fields, which the style colours.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from themes.outlines import depth_of_fill, depth_of_stroke, lines_of_path, pixel_centres
from themes.raster_style import Scheme
from themes.style import KNOWN

FIELD = 24
"""Units along the side of a drawing."""
BADGE_PX = 26
SYMBOL_PX = 22
"""Sides of the two kinds of symbols in CSS pixels."""
DISTANCE_PX = 8.0
EDGE = 0.75
"""MapLibre reads alpha as a distance: 0.75 on the edge, eight CSS pixels from 0 to 1."""
IN_A_ROW = 8
RATIOS = (1, 2)
"""Pixels for each CSS pixel, at which sprites are drawn: plain, and `@2x`."""

Picture = NDArray[np.float64]
"""Red, green, blue (not multiplied by alpha) and alpha from 0 to 1, (height, width, 4)."""


@dataclass(frozen=True)
class Sheet:
    """`index` by symbol name, as the MapLibre style specification has it ("Sprite"), and the PNG."""

    index: Mapping[str, Mapping[str, Any]]
    png: bytes


@cache
def sheet(scheme: Scheme, ratio: int) -> Sheet:
    """All symbols in the colours of `scheme`, `ratio` pixels for each CSS pixel."""
    cell = (BADGE_PX + 1) * ratio
    pictures = _pictures(scheme, ratio)
    canvas = np.zeros((-(-len(pictures) // IN_A_ROW) * cell, IN_A_ROW * cell, 4))
    index: dict[str, dict[str, Any]] = {}
    for number, (name, (picture, is_field)) in enumerate(sorted(pictures.items())):
        y, x = (place * cell for place in divmod(number, IN_A_ROW))
        height, width = picture.shape[:2]
        canvas[y : y + height, x : x + width] = picture
        index[name] = {"x": x, "y": y, "width": width, "height": height, "pixelRatio": ratio}
        if is_field:
            index[name]["sdf"] = True
    return Sheet(index, png(np.rint(canvas * 255).astype(np.uint8)))


def _pictures(scheme: Scheme, ratio: int) -> dict[str, tuple[Picture, bool]]:
    """By name: the picture, and whether it is a distance field."""
    symbols = json.loads((KNOWN / "symbols.json").read_text(encoding="utf-8"))
    palette = json.loads((KNOWN / "component.style.json").read_text(encoding="utf-8"))["palette"][scheme]
    pictures: dict[str, tuple[Picture, bool]] = {}
    for family, drawing in symbols["component"].items():
        disc, ring = (_rgb(palette[name]) for name in (drawing["colour"], "ring"))
        pictures[f"component-{family}"] = _badge(drawing, disc, ring, ratio), False
    for appendage, drawing in symbols["node"].items():
        pictures[f"node-{appendage}"] = _field(drawing, ratio), True
    pictures["flow-arrow"] = _field(symbols["flow"]["arrow"], ratio), True
    return pictures


def _badge(
    drawing: Mapping[str, str], disc: NDArray[np.float64], ring: NDArray[np.float64], ratio: int
) -> Picture:
    """The drawing in the colour of the ring on a disc with a ring round it."""
    side = BADGE_PX * ratio
    away = np.hypot(*(pixel_centres(side, side) - side / 2).T)
    radius, half_ring = side / 2 - 0.75 * ratio, 0.625 * ratio
    picture = np.zeros((side * side, 4))
    _lay(picture, disc, radius - away)
    _lay(picture, ring, half_ring - np.abs(away - radius))
    _lay(picture, ring, _depth_px(drawing, side, side * 0.66, stroke=2.0))
    return picture.reshape(side, side, 4)


def _field(drawing: Mapping[str, str], ratio: int) -> Picture:
    side = SYMBOL_PX * ratio
    depth = _depth_px(drawing, side, side * 0.86, stroke=2.6)
    picture = np.zeros((side, side, 4))
    picture[..., 3] = np.clip(EDGE + depth / (DISTANCE_PX * ratio), 0, 1).reshape(side, side)
    return picture


def _depth_px(drawing: Mapping[str, str], side: int, size: float, stroke: float) -> NDArray[np.float64]:
    """How deep in ink each pixel of a square picture lies, the drawing `size` pixels wide."""
    scale = size / FIELD
    at = (pixel_centres(side, side) - (side - size) / 2) / scale
    filled = depth_of_fill(lines_of_path(drawing.get("fill", "")), at)
    drawn = depth_of_stroke(lines_of_path(drawing.get("stroke", "")), stroke, at)
    return np.maximum(filled, drawn) * scale


def _lay(picture: NDArray[np.float64], colour: NDArray[np.float64], depth: NDArray[np.float64]) -> None:
    """Lays ink over the picture, half covered where its edge runs through the middle of a pixel."""
    cover = np.clip(depth + 0.5, 0, 1)[:, None]
    below = picture[:, 3:] * (1 - cover)
    alpha = cover + below
    mixed = (colour * cover + picture[:, :3] * below) / np.maximum(alpha, 1e-9)
    picture[:] = np.concatenate([mixed, alpha], axis=1)


def _rgb(colour: str) -> NDArray[np.float64]:
    """#rrggbb as three numbers from 0 to 1."""
    return np.frombuffer(bytes.fromhex(colour[1:7]), dtype=np.uint8) / 255.0


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels (height, width, 4) of eight bits as a PNG (ISO/IEC 15948), red, green, blue, alpha."""
    height, width = pixels.shape[:2]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
