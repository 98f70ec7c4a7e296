"""Features that another system tells, drawn as a vector tile: they have no SQL to draw them.

Plain and blocking: for threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mapbox_vector_tile
import numpy as np
import shapely
from numpy.typing import NDArray

from gis.squares import HALF_WORLD_M, MAX_LATITUDE, Tile, bounds_3857

EXTENT = 4096
MARGIN = 64
"""Units beyond the tile's sides that are drawn too, so that lines and symbols are not cut at edges."""
LONGEST_TEXT = 200


def encode_features(features: Sequence[Mapping[str, Any]], tile: Tile, name: str) -> bytes:
    """A vector tile with one layer `name` of GeoJSON features (degrees, longitude first); empty if none.

    Shapes are cut at the tile's margin. Of the properties texts, numbers and truths are kept.
    """
    west, south, east, _ = bounds_3857(tile)
    unit = (east - west) / EXTENT

    def in_units(places: NDArray[np.float64]) -> NDArray[np.float64]:
        return (_to_3857(places) - (west, south)) / unit

    shapes = np.array([_shape(feature) for feature in features], dtype=object)
    reach = EXTENT + MARGIN
    cut = shapely.clip_by_rect(shapely.transform(shapes, in_units), -MARGIN, -MARGIN, reach, reach)
    # Whole units, and what that makes of a shape still a shape.
    cut = shapely.set_precision(cut, 1.0)
    drawn = [
        {"geometry": shape, "properties": _plain(feature.get("properties") or {})}
        for shape, feature in zip(cut, features, strict=True)
        if shape is not None and not shape.is_empty
    ]
    if not drawn:
        return b""
    told = {"name": name, "features": drawn}
    return bytes(mapbox_vector_tile.encode(told, default_options={"extents": EXTENT}))


def _shape(feature: Mapping[str, Any]) -> shapely.Geometry | None:
    geometry = feature.get("geometry")
    if geometry is None:
        return None
    try:
        shape = shapely.geometry.shape(geometry)
        return shape if shape.is_valid else shapely.make_valid(shape)
    except (ValueError, TypeError, IndexError, shapely.errors.ShapelyError):
        return None


def _to_3857(places: NDArray[np.float64]) -> NDArray[np.float64]:
    latitude = np.radians(np.clip(places[:, 1], -MAX_LATITUDE, MAX_LATITUDE))
    return np.column_stack(
        [places[:, 0] / 180.0 * HALF_WORLD_M, np.arcsinh(np.tan(latitude)) / np.pi * HALF_WORLD_M]
    )


def _plain(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value[:LONGEST_TEXT] if isinstance(value, str) else value
        for name, value in properties.items()
        if isinstance(value, str | float | bool) or (isinstance(value, int) and abs(value) < 2**63)
    }
