"""Shapes that come to grief when they are rounded: slivers, spikes, combs, necks, holes that touch."""

from __future__ import annotations

from math import cos, pi, sin
from random import Random
from typing import Any

import shapely
from shapely.affinity import rotate, scale, translate
from shapely.geometry.base import BaseGeometry

from layers.model import Field, Layer, Text
from layers.publish import Batch
from tests.tiles.town import EAST, NORTH, SOUTH, WEST


def knot_layer() -> Layer:
    """Awkward areas."""
    fields = (Field("code", Text("编码", "Code"), required=True, in_tiles=True),)
    return Layer(
        "knot", Text("难画的面", "Knots"), "other", "MultiPolygon", fields, key="code", access="public"
    )


def mixed_layer() -> Layer:
    """Points, lines and areas in one layer, of one part or several."""
    fields = (Field("code", Text("编码", "Code"), required=True, in_tiles=True),)
    return Layer("mixed", Text("混合", "Mixed"), "other", "Geometry", fields, key="code", access="public")


def knots(count: int = 240, seed: int = 11) -> Batch:
    """Each kind from a metre to five kilometres wide, turned by some angle."""
    chance = Random(seed)
    kinds = [_star, _comb, _sliver, _ring, _touching, _hourglass, _staircase, _crumbs]
    areas = [_placed(kinds[n % len(kinds)](chance), chance) for n in range(count)]
    multi = [area if area.geom_type == "MultiPolygon" else shapely.MultiPolygon([area]) for area in areas]
    return Batch([area.wkb for area in multi], {"code": [f"K{n:04d}" for n in range(count)]})


def mixture(count: int = 160, seed: int = 12) -> Batch:
    chance = Random(seed)
    made: list[Any] = [
        lambda: shapely.Point(0, 0),
        lambda: shapely.MultiPoint([(cos(n), sin(n)) for n in range(5)]),
        lambda: shapely.LineString([(-1, 0), (-1, 0.001), (1, 0), (-1, 0.0001)]),
        lambda: shapely.MultiLineString([[(-1, 0), (1, 1)], [(0, 0), (0.01, 0.01)]]),
        lambda: shapely.LinearRing([(0, 0), (1, 0), (1, 1)]),
        lambda: shapely.Polygon([(-1, -1), (1, -1), (0, 1)]),
        lambda: _crumbs(chance),
        lambda: _touching(chance),
    ]
    shapes = [_placed(made[n % len(made)](), chance) for n in range(count)]
    return Batch([shape.wkb for shape in shapes], {"code": [f"M{n:04d}" for n in range(count)]})


def _placed(shape: BaseGeometry, chance: Random) -> BaseGeometry:
    """A shape about two units wide, put somewhere in the town at some size and angle; valid."""
    size = 10 ** chance.uniform(-5.3, -1.7)
    turned = rotate(shape, chance.choice((0.0, chance.uniform(0, 360))), origin=(0, 0))
    there = translate(
        scale(turned, size, size, origin=(0, 0)), chance.uniform(WEST, EAST), chance.uniform(SOUTH, NORTH)
    )
    return there if there.is_valid else shapely.make_valid(there, method="structure", keep_collapsed=False)


def _star(chance: Random) -> BaseGeometry:
    """Spikes that cross once they are rounded."""
    count = 2 * chance.randint(5, 60)
    return shapely.Polygon(
        [
            (r * cos(2 * pi * n / count), r * sin(2 * pi * n / count))
            for n in range(count)
            for r in [1.0 if n % 2 else chance.uniform(0.02, 0.3)]
        ]
    )


def _comb(chance: Random) -> BaseGeometry:
    """Teeth with gaps of less than a unit at most zooms."""
    teeth = chance.randint(4, 80)
    top = [p for n in range(teeth) for p in ((n / teeth, 0.1), (n / teeth, 1), ((n + 0.6) / teeth, 1),
                                             ((n + 0.6) / teeth, 0.1))]  # fmt: skip
    return shapely.Polygon([(0, 0), *top, (1, 0)])


def _sliver(chance: Random) -> BaseGeometry:
    return shapely.box(-1, 0, 1, 10 ** chance.uniform(-5, -1))


def _ring(chance: Random) -> BaseGeometry:
    """A hole that leaves next to nothing."""
    outer = shapely.Point(0, 0).buffer(1, quad_segs=chance.randint(2, 40))
    return outer.difference(scale(outer, *[1 - 10 ** chance.uniform(-4, -0.5)] * 2))


def _touching(chance: Random) -> BaseGeometry:
    """Holes that touch the outline, and each other, in one point."""
    whole = shapely.Polygon([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    holes = [shapely.Polygon([(-1, 0), (-0.5, -0.4), (-0.5, 0.4)]), shapely.box(-0.5, 0.4, 0.3, 0.7)]
    return whole.difference(shapely.union_all(holes))


def _hourglass(chance: Random) -> BaseGeometry:
    """Two halves joined by a neck, or by nothing."""
    neck = chance.choice((0.0, 10 ** chance.uniform(-5, -1)))
    if not neck:
        return shapely.MultiPolygon(
            [shapely.Polygon([(0, 0), (-1, 1), (-1, -1)]), shapely.Polygon([(0, 0), (1, -1), (1, 1)])]
        )
    return shapely.Polygon([(-1, -1), (0, -neck), (1, -1), (1, 1), (0, neck), (-1, 1)])


def _staircase(chance: Random) -> BaseGeometry:
    """Two outlines side by side, with a gap that closes."""
    steps = chance.randint(3, 50)
    edge = [(n // 2 / steps, (n + 1) // 2 / steps) for n in range(2 * steps)]
    gap = 10 ** chance.uniform(-4, -1.5)
    return shapely.MultiPolygon(
        [shapely.Polygon([*edge, (1, 0)]), shapely.Polygon([*((x - gap, y + gap) for x, y in edge), (0, 2)])]
    )


def _crumbs(chance: Random) -> BaseGeometry:
    """Many parts, most too small to be seen."""
    discs = [
        shapely.Point(chance.uniform(-1, 1), chance.uniform(-1, 1)).buffer(10 ** chance.uniform(-4, -1), 2)
        for _ in range(40)
    ]
    whole = shapely.union_all(discs)
    return whole if whole.geom_type == "MultiPolygon" else shapely.MultiPolygon([whole])
