"""Which areas of a layer overlap, how much, and where: bounded in memory, whatever the layer's size.

Shapes are kept as WKB (a fifth of what GEOS needs) and unpacked strip by strip, west to east. A pair is
found once: in the strip of the one that begins farther east.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from importers.check.ledger import Ledger, Said
from importers.check.model import CheckOptions, Floats, Geometries, Mask, Positions, Rule
from importers.check.plane import lengths_m, roughly_m2, scale, vertices_of
from importers.check.portion import Portion
from importers.check.repeats import Register
from importers.check.surroundings import Places
from layers.model import Text

STRIP_ROWS = 40_000
_ASKED_AT_ONCE = 1_000
"""Shapes whose neighbours are looked up together: bounds the list of pairs where shapes lie in a heap."""


class Shapes:
    """The valid areas of a layer, by position of their row; standing rows of the layer have -1, -2, …"""

    def __init__(self) -> None:
        self._wkb: list[pa.Array] = []
        self._bounds: list[Floats] = []
        self._signatures: list[NDArray[np.uint64]] = []
        self._owners: list[Positions] = []
        self._seen = 0
        self._standing: NDArray[np.object_] = np.empty(0, dtype=object)
        self._joined: tuple[pa.Array, Floats, NDArray[np.uint64], Positions] | None = None

    def feed(self, portion: Portion) -> None:
        """Keeps the valid areas of a batch."""
        flat = np.flatnonzero(portion.areal)
        self._keep(portion.geometry[flat], portion.signatures[flat], self._seen + flat)
        self._seen += len(portion)

    def add_standing(self, places: Places, delivered: pa.ChunkedArray) -> None:
        """Keeps the rows that stand now and are not delivered again."""
        again = set(delivered.to_pylist())
        stay = np.flatnonzero(
            shapely.is_valid(places.geometry) & np.array([c not in again for c in places.codes], dtype=bool)
        )
        self._standing = places.codes[stay]
        self._keep(places.geometry[stay], np.zeros(len(stay), np.uint64), -1 - np.arange(len(stay)))

    def _keep(self, geometry: Geometries, signatures: NDArray[np.uint64], owners: Positions) -> None:
        if len(geometry):
            self._wkb.append(pa.array(shapely.to_wkb(geometry, output_dimension=2), pa.large_binary()))
            self._bounds.append(shapely.bounds(geometry))
            self._signatures.append(signatures)
            self._owners.append(owners.astype(np.intp))

    def __len__(self) -> int:
        return sum(map(len, self._owners))

    @property
    def owners(self) -> Positions:
        """(m,) the row of each shape."""
        return self._all()[3]

    @property
    def bounds(self) -> Floats:
        """(m, 4) west, south, east, north."""
        return self._all()[1]

    @property
    def signatures(self) -> NDArray[np.uint64]:
        return self._all()[2]

    def take(self, shapes: Positions) -> Geometries:
        """Some of the shapes, unpacked."""
        packed = self._all()[0].take(pa.array(shapes)).to_numpy(zero_copy_only=False)
        return np.asarray(shapely.from_wkb(packed), dtype=object)

    def standing_code(self, owner: int) -> str:
        """The code of a standing row."""
        return str(self._standing[-1 - owner])

    def _all(self) -> tuple[pa.Array, Floats, NDArray[np.uint64], Positions]:
        if self._joined is None or len(self._joined[3]) != len(self):
            self._joined = (
                # in one piece: taking two of a million from many chunks costs milliseconds each time
                pa.chunked_array(self._wkb, pa.large_binary()).combine_chunks(),
                np.concatenate([np.empty((0, 4)), *self._bounds]),
                np.concatenate([np.empty(0, np.uint64), *self._signatures]),
                np.concatenate([np.empty(0, np.intp), *self._owners]),
            )
        return self._joined


class Overlaps(NamedTuple):
    """Pairs of shapes (positions in `Shapes`) that overlap, the row of `second` later than that of `first`.

    `area_m2` of what they share, `share` of the smaller one. `complete` False: there were more pairs to
    compare than allowed.
    """

    first: Positions
    second: Positions
    area_m2: Floats
    share: Floats
    complete: bool


def overlaps(shapes: Shapes, options: CheckOptions) -> Overlaps:
    """The pairs that share more than rounding, in the order of their rows."""
    found: list[tuple[Positions, Positions, Floats, Floats]] = [_twins(shapes)]
    budget = options.most_pairs
    for first, second, geometry_1, geometry_2 in _neighbours(shapes, options):
        if budget <= 0:
            break
        budget -= len(first)
        area, share, matters = _shared(geometry_1, geometry_2, options)
        found.append((first[matters], second[matters], area[matters], share[matters]))
    first, second, area, share = (np.concatenate(each) for each in zip(*found, strict=True))
    swap = shapes.owners[first] > shapes.owners[second]
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    order = np.lexsort((shapes.owners[first], shapes.owners[second]))
    order = order[shapes.owners[second[order]] >= 0]
    return Overlaps(first[order], second[order], area[order], share[order], budget > 0)


def _twins(shapes: Shapes) -> tuple[Positions, Positions, Floats, Floats]:
    """Shapes drawn twice overlap with the first of their kind, and are not compared further."""
    firsts = _first_of_kind(shapes)
    second = np.flatnonzero(firsts != np.arange(len(firsts)))
    area = roughly_m2(shapes.take(second)) if len(second) else np.empty(0)
    return firsts[second], second, area, np.ones(len(second))


def _first_of_kind(shapes: Shapes) -> Positions:
    """(m,) for each shape the first with the same vertices, mostly itself."""
    itself = np.arange(len(shapes))
    known = np.flatnonzero(shapes.signatures != 0)
    _, first, kind = np.unique(shapes.signatures[known], return_index=True, return_inverse=True)
    itself[known] = known[first[kind]]
    return itself


def _neighbours(
    shapes: Shapes, options: CheckOptions
) -> Iterator[tuple[Positions, Positions, Geometries, Geometries]]:
    """Pairs whose boxes share enough, each once, with their geometries."""
    bounds = shapes.bounds
    unlike = np.flatnonzero(_first_of_kind(shapes) == np.arange(len(shapes)))
    by_west = unlike[np.argsort(bounds[unlike, 0], kind="stable")]
    for start in range(0, len(by_west), STRIP_ROWS):
        own = by_west[start : start + STRIP_ROWS]
        before = by_west[:start]
        reaching = before[bounds[before, 2] >= bounds[own[0], 0]]
        strip = np.concatenate([reaching, own])
        geometry = shapes.take(strip)
        tree = shapely.STRtree(geometry)
        for low in range(len(reaching), len(strip), _ASKED_AT_ONCE):
            asked, other = tree.query(geometry[low : low + _ASKED_AT_ONCE])
            asked = asked + low
            kept = other < asked
            asked, other = asked[kept], other[kept]
            kept = _boxes_share(bounds[strip[asked]], bounds[strip[other]], options)
            asked, other = asked[kept], other[kept]
            if len(asked):
                yield strip[other], strip[asked], geometry[other], geometry[asked]


def _boxes_share(one: Floats, other: Floats, options: CheckOptions) -> Mask:
    east_m, north_m = scale(one[:, 1])
    across = (np.minimum(one[:, 2], other[:, 2]) - np.maximum(one[:, 0], other[:, 0])) * east_m
    up = (np.minimum(one[:, 3], other[:, 3]) - np.maximum(one[:, 1], other[:, 1])) * north_m
    return (across > options.sliver_m) & (up > options.sliver_m) & (across * up > options.overlap_m2)


def _shared(one: Geometries, other: Geometries, options: CheckOptions) -> tuple[Floats, Floats, Mask]:
    """Area of what each pair shares, its share of the smaller, and whether it matters."""
    area, share = np.zeros(len(one)), np.zeros(len(one))
    meet = np.flatnonzero(shapely.intersects(one, other))
    common = np.asarray(shapely.intersection(one[meet], other[meet]), dtype=object)
    area[meet] = roughly_m2(common)
    matters = np.zeros(len(one), dtype=bool)
    matters[meet] = is_no_sliver(common, options)
    smaller = np.minimum(roughly_m2(one[matters]), roughly_m2(other[matters]))
    share[matters] = area[matters] / smaller
    return area, share, matters


def is_no_sliver(shapes: Geometries, options: CheckOptions) -> Mask:
    """True for areas large and wide enough to be more than rounding of coordinates.

    The width of a long strip is twice its area by its perimeter.
    """
    area = roughly_m2(shapes)
    large = area > options.overlap_m2
    round_m = lengths_m(vertices_of(shapes[large]), int(large.sum()))
    large[large] = 2 * area[large] > options.sliver_m * round_m
    return np.asarray(large)


def say_overlaps(
    ledger: Ledger,
    rule: Rule,
    register: Register,
    shapes: Shapes,
    found: Overlaps,
    chosen: Mask,
) -> None:
    """Writes down the `chosen` overlaps as findings of `rule`, at the later row, showing what is shared."""
    if not found.complete:
        ledger.limit(
            rule,
            Text("重叠过多，未全部比较", "too many shapes lie on each other; not all pairs were compared"),
        )
    first, second, area, share = (
        found.first[chosen],
        found.second[chosen],
        found.area_m2[chosen],
        found.share[chosen],
    )

    def said(ordinal: int) -> Said:
        pair = shapes.take(np.array([first[ordinal], second[ordinal]]))
        zh, en = _named(register, shapes, int(shapes.owners[first[ordinal]]))
        return Said(
            f"与{zh}重叠 {area[ordinal]:.2f} m²（占较小者 {share[ordinal]:.1%}）",
            f"overlaps {en} by {area[ordinal]:.2f} m² ({share[ordinal]:.1%} of the smaller)",
            f"{area[ordinal]:.3f}",
            geometry=shapely.intersection(pair[0], pair[1]),
        )

    ledger.found_each(rule, register, shapes.owners[second], said)


def _named(register: Register, shapes: Shapes, owner: int) -> tuple[str, str]:
    if owner < 0:
        code = shapes.standing_code(owner)
        return f"现有数据 {code} ", f"the standing {code}"
    key = register.key(owner)
    shown = f"（{key}）" if key else ""
    return (
        f"第 {register.number(owner)} 行{shown}",
        f"row {register.number(owner)}{f' ({key})' if key else ''}",
    )
