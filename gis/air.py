"""The air quality index of China from concentrations (HJ 633-2026, and HJ 633-2012 for older data).

Concentrations in µg/m³, CO in mg/m³, keyed pm2_5, pm10, so2, no2, co, o3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from gis.tables import air_quality
from gis.tables.air_quality import AirLevel

Averaging = Literal["hour", "day"]
_PUBLISHED_WHEN_INCOMPLETE = 100
_PRIMARY_ABOVE = 50
"""HJ 633-2026 4.3: a primary pollutant is named only above 50."""


@dataclass(frozen=True)
class AirIndex:
    """An index and what it rests on.

    `value` is None (NA) when a pollutant is missing and the rest do not pass 100, or all are missing.
    `primary`: the pollutants that made it, empty up to 50. `each`: the index of every pollutant there.
    """

    value: int | None
    level: AirLevel | None
    primary: tuple[str, ...]
    each: Mapping[str, int]
    missing: tuple[str, ...]


def aqi(
    readings: Mapping[str, float | None], *, averaging: Averaging = "hour", on: date | None = None
) -> AirIndex:
    """The index of one place at one time.

    `readings`: hourly means ("hour"), or daily means with the 8-hour maximum as o3 ("day"); None, NaN,
    negative and absent are missing. `on`: the day measured, which chooses the edition (None: the newest).

    >>> aqi({"pm2_5": 60, "pm10": 85, "so2": 10, "no2": 30, "co": 0.8, "o3": 100}).value
    100
    """
    each: dict[str, int] = {}
    for pollutant in air_quality.POLLUTANTS:
        found = iaqi(pollutant.code, readings.get(pollutant.code), averaging=averaging, on=on)
        if found is not None:
            each[pollutant.code] = found
    missing = tuple(line.code for line in air_quality.POLLUTANTS if line.code not in each)
    highest = max(each.values(), default=None)
    if highest is None or (missing and highest <= _PUBLISHED_WHEN_INCOMPLETE):
        return AirIndex(None, None, (), each, missing)
    primary = tuple(code for code, value in each.items() if value == highest > _PRIMARY_ABOVE)
    return AirIndex(highest, air_level(highest), primary, each, missing)


def iaqi(
    pollutant: str, concentration: float | None, *, averaging: Averaging = "hour", on: date | None = None
) -> int | None:
    """The index of one pollutant, rounded up; None if missing, not a number or negative.

    Above the last break point the index is that point's (500; 200 for hourly SO2, 300 for 8-hour O3).
    Raises KeyError for a pollutant that has no index.
    """
    points = _points(pollutant, averaging, on)
    if concentration is None or not math.isfinite(concentration) or concentration < 0:
        return None
    rounded = _rounded(concentration, 1 if pollutant == "co" else 0)
    for step, top in enumerate(points[1:], start=1):
        if rounded <= top:
            low, high = Decimal(points[step - 1]), Decimal(top)
            base, rise = air_quality.IAQI[step - 1], air_quality.IAQI[step] - air_quality.IAQI[step - 1]
            return math.ceil(base + rise * (rounded - low) / (high - low))
    return air_quality.IAQI[len(points) - 1]


def air_level(index: int) -> AirLevel:
    """The level of an index: 0–50 优 … above 300 严重污染."""
    return next(level for level in air_quality.LEVELS if level.top is None or index <= level.top)


def _points(pollutant: str, averaging: Averaging, on: date | None) -> tuple[int, ...]:
    old = on is not None and on < air_quality.EDITION_2026_FROM
    table = air_quality.POINTS_2012 if old else air_quality.POINTS_2026
    row = table.get((pollutant, averaging))
    return row if row is not None else table[(pollutant, "day")]


def _rounded(value: float, digits: int) -> Decimal:
    """Rounded as GB/T 8170 does: halves to the even digit."""
    return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
