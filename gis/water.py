"""The class of surface water from its concentrations (GB 3838-2002, single factor by 环办[2011]22号)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gis.tables import surface_water
from gis.tables.surface_water import Limits, WaterLevel

Body = Literal["river", "lake"]
_WORSE_THAN_V = 6
_SAFE = 3
"""Class III: worse than it counts as exceeding (超标)."""


@dataclass(frozen=True)
class WaterClass:
    """The class of the worst item, and what it rests on.

    `each`: the class (1–6) of every item counted. `exceeding`: items worse than class III with their 超标倍数
    C/S − 1 (None for pH and oxygen), the worst class first, then the largest multiple; at most three.
    """

    level: WaterLevel
    each: Mapping[str, int]
    exceeding: tuple[tuple[str, float | None], ...]


def water_class(readings: Mapping[str, float | None], *, body: Body = "river") -> WaterClass | None:
    """The class of one water sample in mg/L; None if no item that counts is there.

    Items not in Table 1, total nitrogen, faecal coliform and temperature are passed over; None, NaN and
    negative values are missing. Where two classes have the same limit the better one is given.

    >>> found = water_class({"nh3_n": 0.3, "codmn": 5.0, "dissolved_oxygen": 8.1})
    >>> found.level.zh
    'Ⅲ类'
    """
    each: dict[str, int] = {}
    multiples: dict[str, float | None] = {}
    for limits in _table(body):
        value = _real(readings.get(limits.code))
        if value is not None:
            each[limits.code] = class_of_item(limits, value)
            safe = limits.classes[_SAFE - 1]
            multiples[limits.code] = None if limits.falling else value / safe - 1
    acidity = _real(readings.get("ph"))
    if acidity is not None:
        low, high = surface_water.PH_RANGE
        each["ph"] = 1 if low <= acidity <= high else _WORSE_THAN_V
        multiples["ph"] = None
    if not each:
        return None
    over = sorted(
        (code for code, number in each.items() if number > _SAFE),
        key=lambda code: (-each[code], -(multiples[code] or 0.0)),
    )
    level = surface_water.LEVELS[max(each.values()) - 1]
    return WaterClass(level, each, tuple((code, multiples[code]) for code in over[:3]))


def class_of_item(limits: Limits, value: float) -> int:
    """The class 1–6 of one item: the best whose limit (closed) it keeps; 6 is worse than V."""
    for number, limit in enumerate(limits.classes, start=1):
        if value >= limit if limits.falling else value <= limit:
            return number
    return _WORSE_THAN_V


def _table(body: Body) -> tuple[Limits, ...]:
    if body == "river":
        return surface_water.RIVER
    lake = surface_water.LAKE_PHOSPHORUS
    return tuple(lake if each.code == lake.code else each for each in surface_water.RIVER)


def _real(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value >= 0 else None
