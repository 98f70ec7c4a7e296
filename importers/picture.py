"""A small picture of a table's sampled rows, as they would lie on the map: GeoJSON in EPSG:4490."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from importers.geometry import Prepared, Target, prepare
from importers.options import ImportOptions
from importers.rules import rule
from importers.source import CHUNK_ROWS, Geometries, Source
from importers.whereabouts import Looked
from layers.model import BoundingBox, Layer

MOST_FEATURES = 500
MOST_BYTES = 300_000
"""Of the features' JSON; more are thinned out."""
_POINTS_PER_SHAPE = 60
"""What is finer than this part of a shape's own size is smoothed away where it has more points."""
_DECIMALS = 7
"""A centimetre."""
_BESIDE = 0.2
"""Degrees beside the city's box where reading refuses rows of known layers."""


class Picture(NamedTuple):
    """`features`: a FeatureCollection whose features have their `row`; `bounds`: west, south, east, north."""

    features: dict[str, Any] | None
    bounds: list[float] | None
    troubles: list[dict[str, Any]]


def picture(
    source: Source, looked: Looked, layer: Layer, options: ImportOptions, city: BoundingBox | None
) -> Picture:
    """The rows of a placed, sampled table; nothing for one that could not be placed."""
    if looked.source is None or looked.source.crs is None:
        return Picture(None, None, [])
    frame = options.frame if looked.taken is None else looked.taken.frame
    target = Target(looked.source.crs, layer.geometry_type, frame)
    rows: list[NDArray[np.int64]] = []
    shapes: list[Geometries] = []
    refused: dict[str, int] = {}
    for chunk in source.read(CHUNK_ROWS):
        if chunk.geometry is None or not len(chunk):
            continue
        prepared = prepare(chunk.geometry, target)
        _count(refused, prepared)
        there = ~shapely.is_missing(prepared.shapes)
        rows.append(chunk.rows[there])
        shapes.append(prepared.shapes[there])
    troubles = [
        {"rule": name, "stops": False, "zh": f"{n} 行：{rule(name).zh}", "en": f"{n} rows: {rule(name).en}"}
        for name, n in refused.items()
    ]
    if not shapes or not sum(len(part) for part in shapes):
        return Picture(None, None, troubles)
    numbers, found = np.concatenate(rows), np.concatenate(shapes)
    west, south, east, north = (float(v) for v in shapely.total_bounds(found))
    if city is not None and layer.id != "district":
        troubles += _elsewhere(found, city)
    return Picture(_collection(numbers, found), [west, south, east, north], troubles)


def _count(refused: dict[str, int], prepared: Prepared) -> None:
    for name, mask in prepared.refused.items():
        refused[name] = refused.get(name, 0) + int(mask.sum())


def _elsewhere(shapes: Geometries, city: BoundingBox) -> list[dict[str, Any]]:
    west, south, east, north = shapely.bounds(shapes).T
    outside = (west > city.east + _BESIDE) | (east < city.west - _BESIDE)
    outside |= (south > city.north + _BESIDE) | (north < city.south - _BESIDE)
    count = int(outside.sum())
    if not count:
        return []
    share = "全部" if count == len(shapes) else f"{count} 行"
    return [
        {
            "rule": "geometry.elsewhere",
            "stops": False,
            "zh": f"抽样的 {len(shapes)} 行中{share}远在本市之外",
            "en": f"{count} of the {len(shapes)} sampled rows lie far outside the city",
        }
    ]


def _collection(rows: NDArray[np.int64], shapes: Geometries) -> dict[str, Any]:
    step = max(1, -(-len(shapes) // MOST_FEATURES))
    rows, shapes = rows[::step], _lighter(shapes[::step])
    texts = np.asarray(shapely.to_geojson(shapes), dtype=object)
    while len(texts) > 1 and sum(len(text) for text in texts) > MOST_BYTES:
        rows, texts = rows[::2], texts[::2]
    if len(texts) == 1 and len(texts[0]) > MOST_BYTES:
        texts = np.asarray(shapely.to_geojson(shapely.envelope(shapes[:1])), dtype=object)
    features = [
        {"type": "Feature", "geometry": json.loads(text), "properties": {"row": int(row)}}
        for row, text in zip(rows, texts, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def _lighter(shapes: Geometries) -> Geometries:
    """The shapes with no more points than a small picture shows."""
    heavy = shapely.get_num_coordinates(shapes) > _POINTS_PER_SHAPE
    light = shapes.copy()
    if heavy.any():
        west, south, east, north = shapely.bounds(shapes[heavy]).T
        tolerance = np.hypot(east - west, north - south) / (2 * _POINTS_PER_SHAPE)
        light[heavy] = shapely.simplify(shapes[heavy], tolerance)
    return np.asarray(shapely.transform(light, lambda c: np.round(c, _DECIMALS)), dtype=object)
