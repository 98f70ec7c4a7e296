"""Vector tiles read back to the letter: every command of a geometry, as Mapbox Vector Tile 2.1 §4.3 has it.

`mapbox_vector_tile.decode` mends and joins rings; here they stay as they were sent, so that a tile that says
something the specification forbids is found out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from mapbox_vector_tile.Mapbox import vector_tile_pb2
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

POINT, LINE, AREA = 1, 2, 3
MOVE_TO, LINE_TO, CLOSE_PATH = 1, 2, 7

Places = NDArray[np.int64]
"""(n, 2) whole units, x eastwards, y downwards, from the north-west corner."""


@dataclass(frozen=True)
class Drawn:
    """One feature as it was sent; `paths` are its points, lines, or rings, which are not closed here."""

    id: int | None
    kind: int
    paths: tuple[Places, ...]
    attributes: dict[str, Any]

    @property
    def shape(self) -> BaseGeometry:
        """The whole feature; of areas, each exterior ring with the interior rings after it."""
        if self.kind == POINT:
            return shapely.MultiPoint(np.concatenate(self.paths))
        if self.kind == LINE:
            return shapely.MultiLineString(list(self.paths))
        return shapely.MultiPolygon([shapely.Polygon(rings[0], rings[1:]) for rings in self.areas()])

    @property
    def places(self) -> Places:
        return np.concatenate(self.paths)

    def areas(self) -> list[list[Places]]:
        """The rings of each part. By §4.3.4.4 the area of an exterior ring is positive, y downwards."""
        parts: list[list[Places]] = []
        for ring in self.paths:
            if twice_the_area(ring) > 0:
                parts.append([ring])
            else:
                assert parts, "an interior ring without an exterior one"
                parts[-1].append(ring)
        return parts


def read_back(content: bytes) -> dict[str, list[Drawn]]:
    """The features of each layer of a tile, in order. Fails for a tile that 2.1 §4 does not allow."""
    tile = vector_tile_pb2.tile()
    tile.ParseFromString(content)
    layers: dict[str, list[Drawn]] = {}
    for layer in tile.layers:
        assert layer.name not in layers, f"layer {layer.name} twice (§4.1)"
        assert (layer.version, layer.extent) == (2, 4096)
        layers[layer.name] = [_feature(layer, feature) for feature in layer.features]
        assert layers[layer.name], f"layer {layer.name} is empty (§4.1)"
    return layers


def twice_the_area(ring: Places) -> int:
    """By the surveyor's formula, positive for an exterior ring."""
    x, y = ring[:, 0], ring[:, 1]
    return int(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def faults(drawn: Drawn) -> Iterator[str]:
    """What the specification forbids, or a renderer stumbles over, in one feature."""
    for path in drawn.paths:
        steps = np.diff(path, axis=0)
        if drawn.kind != POINT and not np.any(steps, axis=1).all():
            yield "a point repeated at once"
        if drawn.kind == LINE and len(path) < 2:
            yield "a line of one point"
        if drawn.kind == AREA:
            if len(path) < 3:
                yield "a ring of less than three points"
            elif twice_the_area(path) == 0:
                yield "a ring without an area"
            elif np.array_equal(path[0], path[-1]):
                yield "a ring that says its first point twice"
    if drawn.kind == AREA:
        if twice_the_area(drawn.paths[0]) < 0:
            yield "an interior ring first"
        elif not drawn.shape.is_valid:
            yield f"not valid: {shapely.is_valid_reason(drawn.shape)}"


def _feature(layer: Any, feature: Any) -> Drawn:
    assert len(feature.tags) % 2 == 0
    pairs = zip(feature.tags[0::2], feature.tags[1::2], strict=True)
    attributes = {layer.keys[key]: _value(layer.values[value]) for key, value in pairs}
    assert len(attributes) == len(feature.tags) // 2, "an attribute twice (§4.4)"
    has_id = feature.HasField("id")
    return Drawn(
        feature.id if has_id else None,
        feature.type,
        tuple(_paths(feature.type, feature.geometry)),
        attributes,
    )


def _value(value: Any) -> str | float | int | bool:
    """The one value that is there, with its type."""
    ((_, found),) = value.ListFields()
    assert isinstance(found, str | float | int | bool)
    return found


def _paths(kind: int, numbers: Any) -> Iterator[Places]:
    """The paths of a geometry; fails where commands do not follow §4.3.4."""
    x = y = at = 0
    path: list[tuple[int, int]] = []
    while at < len(numbers):
        command, count = numbers[at] & 7, numbers[at] >> 3
        at += 1
        assert count > 0
        if command == CLOSE_PATH:
            assert (kind, count) == (AREA, 1)
            assert path, "nothing to close"
            yield np.array(path, dtype=np.int64)
            path = []
            continue
        assert command in (MOVE_TO, LINE_TO)
        assert command == MOVE_TO or path, "a line from nowhere"
        if command == MOVE_TO:
            assert count == 1 or kind == POINT
            assert kind != AREA or not path, "a ring left open"
            if path and kind == LINE:
                yield np.array(path, dtype=np.int64)
                path = []
        for _ in range(count):
            x, y = x + _signed(numbers[at]), y + _signed(numbers[at + 1])
            at += 2
            path.append((x, y))
    assert kind != AREA or not path, "a ring left open"
    if path:
        yield np.array(path, dtype=np.int64)


def _signed(number: int) -> int:
    return (number >> 1) ^ -(number & 1)
