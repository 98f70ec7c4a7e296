"""The systems in which places leave: CGCS2000 and its Gauss zones, web maps' offsets, city-local systems.

Everything inside is CGCS2000 longitude and latitude; this turns it into what somebody asks for, and back. A
system says what order its own axes have (EPSG: Gauss zones of China are northing first) and what error the
way to it leaves; the parameters of a local system stay inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.crs import CGCS2000, describe, from_cgcs2000, read_crs, reproject_points, route, to_cgcs2000
from gis.gauss import gauss_epsg
from gis.local_systems import LocalSystem
from gis.offsets import INVERSE_ERROR_M, Frame

Floats = NDArray[np.float64]
_Way = Callable[[Floats], Floats]
_EDGE_POINTS = 17
_SAME_DEGREES = (4326, 4490)
"""Taken as one (see `gis.offsets`)."""
_NAMES = {"wgs84": "WGS 84", "cgcs2000": "CGCS2000", "gcj02": "GCJ-02", "bd09": "BD-09"}


@dataclass(frozen=True)
class Outgoing:
    """A system in which places leave.

    `name`: `gcj02`, `epsg:4548`, `local:…`. `forward` and `back` take (n, 2) float64, easting (longitude)
    first on both sides, from and to CGCS2000 degrees; what has no place becomes NaN or infinite.
    `north_first`: its own order of axes. `digits`: decimals that lose nothing a tenth of a millimetre wide.
    `error_m`: what the way to it is stated to be off by; None where nobody states it.
    """

    name: str
    title: str
    forward: _Way = field(repr=False, compare=False)
    back: _Way = field(repr=False, compare=False)
    north_first: bool
    digits: int
    error_m: float | None
    epsg: int | None = None

    def moved(self, shapes: NDArray[np.object_], *, own_order: bool) -> NDArray[np.object_]:
        """Shapes in CGCS2000 degrees in this system, flat and rounded; None where there is none, and where a
        place is beyond what the system can hold.

        `own_order`: axes as the system has them, not easting first.
        """
        order = [1, 0] if own_order and self.north_first else [0, 1]
        flat = shapely.force_2d(np.asarray(shapes, dtype=object))
        coordinates, owner = shapely.get_coordinates(flat, return_index=True)
        if not len(coordinates):
            return flat
        there = np.round(np.asarray(self.forward(coordinates), np.float64)[:, order], self.digits)
        lost = np.unique(owner[~np.isfinite(there).all(axis=1)])
        moved = shapely.set_coordinates(flat, there)
        moved[lost] = None
        return np.asarray(moved, dtype=object)

    def box(self, first: float, second: float, third: float, fourth: float) -> tuple[float, ...]:
        """The box of degrees (west, south, east, north) round a box in this system, easting first.

        Its edges are followed point by point, as they are no straight lines there; NaN beyond the system.
        """
        steps = np.linspace(0.0, 1.0, _EDGE_POINTS)
        x, y = first + (third - first) * steps, second + (fourth - second) * steps
        ring = np.concatenate(
            [np.column_stack([x, np.full_like(x, v)]) for v in (second, fourth)]
            + [np.column_stack([np.full_like(y, v), y]) for v in (first, third)]
        )
        degrees = np.asarray(self.back(ring), np.float64)
        return (*degrees.min(axis=0).tolist(), *degrees.max(axis=0).tolist())


def _same(degrees: Floats) -> Floats:
    return degrees


@lru_cache(maxsize=256)
def epsg_system(code: int) -> Outgoing:
    """The system of an EPSG code; raises `UnknownCrs`."""
    crs = read_crs(code)

    def out(degrees: Floats) -> Floats:
        return reproject_points(degrees, CGCS2000, crs)

    def back(coordinates: Floats) -> Floats:
        return reproject_points(coordinates, crs)

    first = crs.axis_info[0].direction if crs.axis_info else "east"
    return Outgoing(
        name=f"epsg:{code}",
        title=describe(crs),
        forward=_same if crs.is_geographic and code in _SAME_DEGREES else out,
        back=_same if crs.is_geographic and code in _SAME_DEGREES else back,
        north_first=first == "north",
        digits=9 if crs.is_geographic else 4,
        error_m=route(crs).error_m,
        epsg=code,
    )


@lru_cache(maxsize=8)
def frame_system(frame: Frame) -> Outgoing:
    """The degrees of a web map, longitude first. Going out the published formula is exact."""
    return Outgoing(
        name=frame,
        title=_NAMES[frame],
        forward=lambda c: np.column_stack(from_cgcs2000(c[:, 0], c[:, 1], frame)),
        back=lambda c: np.column_stack(to_cgcs2000(c[:, 0], c[:, 1], frame)),
        north_first=False,
        digits=9,
        error_m=INVERSE_ERROR_M if frame in ("gcj02", "bd09") else None,
    )


def local_outgoing(system: LocalSystem) -> Outgoing:
    """A city's own system, easting first. The error is what its makers state."""

    def forward(degrees: Floats) -> Floats:
        there = reproject_points(degrees, CGCS2000, system.target)
        return np.column_stack(system.inverse(there[:, 0], there[:, 1]))

    def back(local: Floats) -> Floats:
        there = np.column_stack(system.forward(local[:, 0], local[:, 1]))
        return reproject_points(there, system.target)

    return Outgoing(
        name=f"local:{system.name}",
        title=system.title or system.name,
        forward=forward,
        back=back,
        north_first=False,
        digits=9 if system.crs.is_geographic else 4,
        error_m=system.route().error_m,
    )


def gauss_zones(west: float, east: float) -> tuple[int, ...]:
    """EPSG codes of the CGCS2000 zones that reach into these degrees: 3° ones first, each by its meridian
    and with the zone's number in the easting.

    >>> gauss_zones(116.4, 116.6)
    (4548, 4527, 4509, 4498)
    """
    found = []
    for degrees, offset in ((3, 1.5), (6, 6.0)):
        first, last = int((west + offset) // degrees), int((east + offset) // degrees)
        for zone in range(first, last + 1):
            codes = [gauss_epsg(zone, degrees=degrees, prefixed=prefixed) for prefixed in (False, True)]
            found += [code for code in codes if code is not None]
    return tuple(found)
