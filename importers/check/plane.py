"""Metres from degrees for the small things that are checked: sides, slivers, distances to a node.

Plain arithmetic on the CGCS2000 ellipsoid with the radii of the place: exact to a few parts in a million
for things below some kilometres, and a hundred times faster than geodesics. Figures that are published
come from `gis.measures`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import ArrayLike

from gis.measures import ELLIPSOID
from importers.check.model import Floats, Geometries, Mask, Positions

_E2 = ELLIPSOID.f * (2 - ELLIPSOID.f)
_FIRST_COLLECTED = int(shapely.GeometryType.MULTIPOINT)


class Scale(NamedTuple):
    """Metres of one degree eastward and one degree northward, at some latitude."""

    east_m: Floats
    north_m: Floats


def scale(latitude: ArrayLike) -> Scale:
    """Metres per degree at a latitude in degrees; NaN where that is NaN.

    >>> tuple(round(float(m)) for m in scale(31.7))
    (94800, 110882)
    """
    phi = np.radians(np.asarray(latitude, np.float64))
    w = 1 - _E2 * np.sin(phi) ** 2
    a = ELLIPSOID.a * np.pi / 180
    return Scale(a / np.sqrt(w) * np.cos(phi), a * (1 - _E2) / w**1.5)


def near_m(lon1: ArrayLike, lat1: ArrayLike, lon2: ArrayLike, lat2: ArrayLike) -> Floats:
    """Distances in metres between places some kilometres apart at most; NaN where a coordinate is NaN.

    >>> round(float(near_m(116.5, 31.7, 116.501, 31.7)), 1)
    94.8
    """
    x1, y1, x2, y2 = (np.asarray(v, np.float64) for v in (lon1, lat1, lon2, lat2))
    with np.errstate(invalid="ignore", over="ignore"):
        east, north = scale((y1 + y2) / 2)
        return np.asarray(np.hypot((x2 - x1) * east, (y2 - y1) * north), np.float64)


def roughly_m2(geometries: Geometries) -> Floats:
    """Areas in m², 0 for what has none; within 0.01 % below 5 km across, 1 % for a county."""
    _, south, _, north = shapely.bounds(geometries).T
    east_m, north_m = scale((south + north) / 2)
    return np.nan_to_num(shapely.area(geometries) * east_m * north_m)


def only(geometries: Geometries, kept: Mask) -> Geometries:
    """The geometries, None where not `kept`."""
    left = np.full(len(geometries), None, dtype=object)
    left[kept] = geometries[kept]
    return left


class Vertices(NamedTuple):
    """All vertices of some geometries, line by line and ring by ring, in the order of their rows.

    `xy` (n, 2); `line` (n,) the line, ring or point each belongs to; `owner` the row of each line;
    `closed` True for rings.
    """

    xy: Floats
    line: Positions
    owner: Positions
    closed: Mask

    @property
    def row(self) -> Positions:
        """The row of each vertex."""
        return self.owner[self.line]


def vertices_of(geometries: Geometries) -> Vertices:
    """The vertices of every part of the geometries; none for None and empty."""
    owner = np.flatnonzero(~shapely.is_missing(geometries))
    parts = geometries[owner]
    while (shapely.get_type_id(parts) >= _FIRST_COLLECTED).any():
        parts, collection = shapely.get_parts(parts, return_index=True)
        owner = owner[collection]
    flat = np.asarray(shapely.get_dimensions(parts) == 2)
    holes = shapely.get_num_interior_rings(parts)
    xy = shapely.get_coordinates(parts)
    # Only areas with holes are taken apart: making a ring of its own for each building costs most of it all.
    rings = 1 + holes
    sizes = np.zeros(int(rings.sum()), dtype=np.intp)
    of_whole = np.repeat(holes == 0, rings)
    sizes[of_whole] = shapely.get_num_coordinates(parts[holes == 0])
    sizes[~of_whole] = shapely.get_num_coordinates(shapely.get_rings(parts[holes > 0]))
    line = np.repeat(np.arange(len(sizes), dtype=np.intp), sizes)
    return Vertices(xy, line, np.repeat(owner, rings), np.repeat(flat, rings))


def steps_m(vertices: Vertices) -> tuple[Floats, Positions]:
    """Lengths in metres of all sides, and the position of the vertex each starts from."""
    starts = np.flatnonzero(vertices.line[1:] == vertices.line[:-1])
    a, b = vertices.xy[starts], vertices.xy[starts + 1]
    return near_m(a[:, 0], a[:, 1], b[:, 0], b[:, 1]), starts


def lengths_m(vertices: Vertices, rows: int) -> Floats:
    """Length in metres of all lines and rings of each row; 0 where there is none."""
    lengths, starts = steps_m(vertices)
    return np.bincount(vertices.row[starts], weights=lengths, minlength=rows).astype(np.float64)
