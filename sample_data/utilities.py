"""What each kind of pipe is like: where it lies in the street, how deep, of what, how wide.

Classes and subclasses follow CJJ 61-2017 appendix B, burial and material its appendix C; the order in
the ground from top to bottom is telecom, power, gas, heat, water, rain, sewage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sample_data.frame import Floats, Ints

Texts = NDArray[np.str_]


@dataclass(frozen=True)
class Utility:
    """One network. `lane` is its place across the road as a part of half the road's width (east or
    north positive); `cover_m` the usual depth (top of a pressure pipe, least invert depth of a sewer).
    """

    prefix: str
    pipe_class: str
    subclass: str
    lane: float
    cover_m: float
    spacing_m: float
    owner: str
    is_gravity: bool = False

    @property
    def has_diameter(self) -> bool:
        return self.pipe_class not in ("DL", "TX")


WATER = Utility("JS", "JS", "JP", 0.50, 0.95, 40.0, "六安市水务公司")
RAIN = Utility("YS", "PS", "YS", 0.16, 1.30, 32.0, "市排水管理处", is_gravity=True)
SEWAGE = Utility("WS", "PS", "WS", -0.16, 1.70, 34.0, "市排水管理处", is_gravity=True)
GAS = Utility("RQ", "RQ", "TR", -0.50, 1.05, 44.0, "燃气公司")
POWER = Utility("DL", "DL", "GD", 0.80, 0.80, 46.0, "市供电公司")
TELECOM = Utility("TX", "TX", "XX", -0.80, 0.70, 46.0, "通信运营商")
HEAT = Utility("RL", "RL", "RS", -0.33, 1.20, 50.0, "六安热电公司（示例）")
UTILITIES = (WATER, RAIN, SEWAGE, GAS, POWER, TELECOM, HEAT)

_STEPS_M = np.array([1_200, 3_500, 9_000, 25_000, 70_000, 200_000], dtype=np.float64)
"""Network length behind a pipe at which the next wider size begins."""
_SIZES_MM: dict[str, tuple[int, ...]] = {
    "JS": (150, 200, 300, 400, 600, 800, 1200),
    "YS": (400, 600, 800, 1000, 1350, 1800, 2200),
    "WS": (300, 400, 500, 600, 800, 1200, 1500),
    "RQ": (110, 160, 200, 250, 315, 400, 500),
    "RL": (200, 250, 300, 400, 500, 600, 800),
}
_LEAST_BY_RANK: dict[str, tuple[int, int, int, int]] = {
    "JS": (400, 300, 200, 100),
    "YS": (800, 600, 500, 300),
    "WS": (500, 400, 400, 300),
    "RQ": (200, 200, 160, 63),
    "RL": (300, 300, 200, 200),
}
"""By rank of the road: express, trunk, secondary, branch."""


def diameters(utility: Utility, load_m: Floats, rank: Ints) -> Ints:
    """Nominal diameters in mm for pipes with `load_m` of network behind them in roads of `rank`."""
    sizes = np.array(_SIZES_MM[utility.prefix])[np.searchsorted(_STEPS_M, load_m)]
    small = (load_m < 350) & (rank == 3)
    least = np.array(_LEAST_BY_RANK[utility.prefix])[rank]
    return np.where(small, least, np.maximum(sizes, least)).astype(np.int64)


def least_slope(diameter_mm: Ints) -> Floats:
    """The slope a sewer is laid at, m per m: the wider, the flatter (near the least slopes of GB 50014)."""
    return np.select(
        [diameter_mm <= 300, diameter_mm <= 500, diameter_mm <= 800], [0.003, 0.0016, 0.0010], 0.0007
    )


def materials(utility: Utility, diameter_mm: Ints, year: Ints, chance: Floats) -> Texts:
    """Material of each pipe, from its class, diameter and year; `chance` in [0, 1) breaks ties."""
    cast, ductile, steel, pe, pvc, concrete = "铸铁", "球墨铸铁", "钢", "聚乙烯", "聚氯乙烯", "混凝土"
    if utility.pipe_class == "JS":
        late = np.where(diameter_mm < 200, pe, np.where(diameter_mm >= 800, steel, ductile))
        return np.where(year < 1998, cast, np.where(chance < 0.15, pe, late))
    if utility.pipe_class == "PS":
        small = np.where(year < 2005, concrete, np.where(chance < 0.35, pvc, pe))
        return np.where(diameter_mm >= 600, concrete, small)
    if utility.pipe_class == "RQ":
        return np.where((year < 2004) | (diameter_mm > 315), steel, pe)
    if utility.pipe_class == "RL":
        return np.full(len(year), steel)
    return np.full(len(year), "铜" if utility.pipe_class == "DL" else "光纤")
