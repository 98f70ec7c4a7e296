"""Which addresses of another system make one square of ours, and what goes where in it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from api.services import arcgis, supermap, templates, wms, wmts
from api.services.offers import is_geographic
from gis.squares import Tile, bounds_3857, degrees_of
from layers.model import ServiceLevel, ServiceSource

SIZE_PX = 256
MOST_PIECES = 16
Box = tuple[float, float, float, float]


class Part(NamedTuple):
    """One question: `url`, and the box the answer shows in the source's units."""

    url: str
    bounds: Box


class Plan(NamedTuple):
    """Questions whose answers make a square. `is_whole`: the one answer is the square as it is."""

    parts: tuple[Part, ...]
    is_whole: bool
    is_geographic: bool = False


def plan(source: ServiceSource, tile: Tile) -> Plan:
    """How the square is made; no parts where the source has nothing there."""
    bounds = bounds_3857(tile)
    match source.kind:
        case "xyz" | "mvt":
            return Plan((Part(templates.square_url(source, *tile), bounds),), True)
        case "supermap":
            return Plan((Part(supermap.square_url(source, *tile), bounds),), True)
        case "wms":
            return _boxed(source, bounds)
        case "arcgis_map" | "arcgis_image":
            return Plan((Part(arcgis.export_url(source, bounds, SIZE_PX), bounds),), True)
        case "wmts" | "arcgis_tiles":
            return _from_levels(source, bounds)
        case _:
            raise ValueError(f"a service of kind {source.kind} gives features and no squares")


def _boxed(source: ServiceSource, bounds: Box) -> Plan:
    """A picture of any box; one in degrees has its rows moved to where they belong."""
    if not is_geographic(source.crs):
        return Plan((Part(wms.map_url(source, bounds, SIZE_PX, SIZE_PX), bounds),), True)
    degrees = degrees_of(bounds)
    shape = (degrees[3] - degrees[1]) / (degrees[2] - degrees[0])
    height = min(max(round(SIZE_PX * shape), 16), 2 * SIZE_PX)
    return Plan((Part(wms.map_url(source, degrees, SIZE_PX, height), degrees),), False, True)


def _from_levels(source: ServiceSource, bounds: Box) -> Plan:
    geographic = is_geographic(source.crs)
    asked = degrees_of(bounds) if geographic else bounds
    level = _nearest(source.levels, (asked[2] - asked[0]) / SIZE_PX)
    wide, high = level.resolution * level.width_px, level.resolution * level.height_px
    first_column, last_column = _span((asked[0] - level.left) / wide, (asked[2] - level.left) / wide)
    first_row, last_row = _span((level.top - asked[3]) / high, (level.top - asked[1]) / high)
    columns = range(max(first_column, 0), min(last_column, level.columns - 1) + 1)
    rows = range(max(first_row, 0), min(last_row, level.rows - 1) + 1)
    if len(columns) * len(rows) > MOST_PIECES:
        return Plan((), False, geographic)
    parts = tuple(_parts(source, level, columns, rows))
    is_whole = len(parts) == 1 and not geographic and _same(parts[0].bounds, asked)
    return Plan(parts, is_whole, geographic)


def _parts(source: ServiceSource, level: ServiceLevel, columns: range, rows: range) -> Iterator[Part]:
    wide, high = level.resolution * level.width_px, level.resolution * level.height_px
    address = wmts.square_url if source.kind == "wmts" else arcgis.square_url
    for row in rows:
        for column in columns:
            west, north = level.left + column * wide, level.top - row * high
            yield Part(address(source, level.id, column, row), (west, north - high, west + wide, north))


def _nearest(levels: tuple[ServiceLevel, ...], resolution: float) -> ServiceLevel:
    """The level whose pixels are nearest in size to those wanted."""
    return min(levels, key=lambda level: abs(math.log2(level.resolution / resolution)))


def _span(low: float, high: float) -> tuple[int, int]:
    """First and last whole number touched; a hair's breadth over an edge does not touch."""
    hair = 1e-6
    return math.floor(low + hair), math.ceil(high - hair) - 1


def _same(one: Box, other: Box) -> bool:
    tolerance = (other[2] - other[0]) * 1e-4
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))
