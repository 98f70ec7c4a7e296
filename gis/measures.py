"""Lengths, areas and distances on the CGCS2000 ellipsoid, in metres, from degrees (longitude first)."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from pyproj import Geod

ELLIPSOID = Geod(a=6378137.0, rf=298.257222101)
"""CGCS2000 (EPSG ellipsoid 1024)."""


def distance_m(lon1: ArrayLike, lat1: ArrayLike, lon2: ArrayLike, lat2: ArrayLike) -> NDArray[np.float64]:
    """Geodesic distances in metres between places; shapes broadcast. NaN where a coordinate is NaN.

    >>> round(float(distance_m(116.5, 31.7, 116.51, 31.7)), 2)
    948.0
    """
    a, b, c, d = np.broadcast_arrays(
        np.asarray(lon1, np.float64),
        np.asarray(lat1, np.float64),
        np.asarray(lon2, np.float64),
        np.asarray(lat2, np.float64),
    )
    real = np.isfinite(a) & np.isfinite(b) & np.isfinite(c) & np.isfinite(d)
    found = np.full(a.shape, np.nan)
    if real.any():
        found[real] = ELLIPSOID.inv(a[real], b[real], c[real], d[real])[2]
    return found


def length_m(geometries: ArrayLike) -> NDArray[np.float64]:
    """Geodesic lengths in metres, one per geometry: of lines, or of the rings of polygons.

    0 for points, empty geometries and None.
    """
    given = np.atleast_1d(np.asarray(geometries, dtype=object))
    lines, owner = _lines(given)
    total = np.zeros(given.shape)
    coordinates, line = shapely.get_coordinates(lines, return_index=True)
    if len(coordinates) < 2:
        return total
    joined = line[1:] == line[:-1]
    start, end = coordinates[:-1][joined], coordinates[1:][joined]
    steps = ELLIPSOID.inv(start[:, 0], start[:, 1], end[:, 0], end[:, 1])[2]
    total += np.bincount(owner[line[1:][joined]], weights=steps, minlength=len(given))
    return total


def area_m2(geometries: ArrayLike) -> NDArray[np.float64]:
    """Areas in m² on the ellipsoid, one per geometry, whatever way the rings turn; holes are taken off.

    0 for points, lines, empty geometries and None. Edges are geodesics.
    """
    given = np.atleast_1d(np.asarray(geometries, dtype=object))
    parts, owner = shapely.get_parts(given, return_index=True)
    flat = shapely.get_dimensions(parts) == 2
    parts, owner = parts[flat], owner[flat]
    total = np.zeros(given.shape)
    for part, position in zip(parts, owner, strict=True):
        shell = _ring_area_m2(shapely.get_exterior_ring(part))
        holes = sum(_ring_area_m2(hole) for hole in shapely.get_rings(part)[1:])
        total[position] += shell - holes
    return total


def _ring_area_m2(ring: shapely.Geometry) -> float:
    coordinates = shapely.get_coordinates(ring)
    area, _ = ELLIPSOID.polygon_area_perimeter(coordinates[:, 0], coordinates[:, 1])
    return abs(float(area))


def _lines(geometries: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """The line strings and rings of the geometries, each with the position of its owner."""
    parts, owner = shapely.get_parts(geometries, return_index=True)
    flat = shapely.get_dimensions(parts) == 2
    rings, ring_owner = shapely.get_rings(parts[flat], return_index=True)
    straight = shapely.get_dimensions(parts) == 1
    return (
        np.concatenate([parts[straight], rings]),
        np.concatenate([owner[straight], owner[flat][ring_owner]]).astype(np.intp),
    )
