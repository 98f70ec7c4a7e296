"""Where the invented city lies: a straight plan in metres, gently bent onto the ground.

The city is laid out on a *plan*: `u` runs east across the river, `v` north along it, every street is a
straight line of the plan. `Frame.to_ground` bends the plan (river meanders, a slight turn of the whole)
onto EPSG:4548 metres. A bent plan keeps what is exact in the straight one: cells that tile the plan
tile the ground, because both neighbours of an edge take its vertices from the same plan points.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FULL_AREA_M2 = 120_000_000.0
"""The built-up area that scale 1.0 stands for."""
CENTRE_EN = (452_620.0, 3_513_131.0)
"""116.50°E 31.74°N, the urban core of Lu'an, in EPSG:4548: easting, northing."""
TURN = radians(-5.0)
"""The street net is turned a little against north, as the city's is along its river."""
WEST_SHARE = 0.40
"""Part of the width that lies west of the river."""


class Local(NamedTuple):
    """The plan round a point: direction of `u` (radians from east), metres of ground per metre of plan
    along `u` and across it, and how far a metre of `v` leans along `u`.
    """

    heading: Floats
    along: Floats
    across: Floats
    lean: Floats


@dataclass(frozen=True)
class Frame:
    """The plan's size and its bending.

    `west` < 0 < `east` and 0 < `north` bound the plan in metres; the river runs along u = 0 from
    v = 0 to v = `north` and flows north. `water_m` is half the river's width, `bank_m` the distance
    from its middle to the riverside roads.
    """

    west: float
    east: float
    north: float
    water_m: float
    bank_m: float

    @property
    def width(self) -> float:
        return self.east - self.west

    def to_ground(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Plan metres to EPSG:4548 easting and northing, metres, rounded to 0.01."""
        x, y = self._bend(np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64))
        return np.round(x, 2), np.round(y, 2)

    def local(self, u: Floats, v: Floats) -> Local:
        """How the plan lies on the ground round each point."""
        x0, y0 = self._bend(u - 0.5, v)
        x1, y1 = self._bend(u + 0.5, v)
        x2, y2 = self._bend(u, v - 0.5)
        x3, y3 = self._bend(u, v + 0.5)
        xu, yu, xv, yv = x1 - x0, y1 - y0, x3 - x2, y3 - y2
        stretch_u = np.hypot(xu, yu)
        return Local(
            np.arctan2(yu, xu), stretch_u, (xu * yv - yu * xv) / stretch_u, (xu * xv + yu * yv) / stretch_u
        )

    def half_water(self, v: Floats) -> Floats:
        """Half the width of the water at `v`, metres: wider in some reaches than in others."""
        wave = np.sin(2 * pi * v / max(self.north * 0.55, 300.0) + 0.6) * 0.14
        ripple = np.sin(2 * pi * v / 190.0 + 1.9) * 0.05
        return np.asarray(self.water_m * (1 + wave + ripple))

    def ground_elevation(self, u: Floats, v: Floats) -> Floats:
        """Height of the ground in metres (1985 datum): it falls to the river, and north along it."""
        rise = np.abs(u) * 0.0018 - v * 0.0007
        swell = 0.5 * np.sin(u / 210.0 + 0.3) * np.cos(v / 260.0) + 0.7 * np.sin(u / 900.0 + v / 1100.0)
        return np.asarray(41.0 + self.north * 0.0007 + rise + swell)

    def _bend(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        wave_m = min(max(self.north * 0.95, 600.0), 5_200.0)
        swing = wave_m * 0.030
        near = 0.30 + 0.70 * np.exp(-((u / (0.30 * self.width)) ** 2))
        x = u + near * swing * (
            np.sin(2 * pi * v / wave_m + 0.5) + 0.22 * np.sin(4.4 * pi * v / wave_m + 2.0)
        )
        y = v + wave_m * 0.017 * np.sin(2 * pi * u / (1.25 * wave_m) + 0.9)
        x = x + 9.0 * np.sin(2 * pi * (v / 830.0 + u / 2_900.0))
        y = y + 7.0 * np.sin(2 * pi * (u / 910.0 - v / 3_100.0))
        x = x - (self.west + self.east) / 2
        y = y - self.north / 2
        east = CENTRE_EN[0] + x * cos(TURN) - y * sin(TURN)
        north = CENTRE_EN[1] + x * sin(TURN) + y * cos(TURN)
        return east, north


def frame_for(scale: float, kept_share: float = 1.0) -> Frame:
    """The frame of a city of `scale` × 120 km²; `kept_share` is the part of the rectangle that is city."""
    area = scale * FULL_AREA_M2 / kept_share
    width = sqrt(area * 1.2)
    north = _even(area / width)
    water = min(max(0.034 * width, 14.0), 120.0)
    bank = _even(water * 1.16 + 22.0)
    return Frame(
        west=-_even(width * WEST_SHARE),
        east=_even(width * (1 - WEST_SHARE)),
        north=north,
        water_m=water,
        bank_m=bank,
    )


def _even(value: float) -> float:
    """`value` to whole even metres, so that cuts on even metres meet it exactly."""
    return round(value / 2) * 2.0
