"""The monitoring stations and where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sample_data.departments import department_names
from sample_data.frame import Floats, Frame
from sample_data.roads import Stretches

Kind = Literal["air", "surface_water", "noise", "rain_gauge"]


@dataclass(frozen=True)
class Network:
    """Stations of one kind: its word and title in files, code prefix, name, number at the small and at the
    full size, who runs them, what they measure.
    """

    kind: Kind
    word: str
    title: str
    prefix: str
    name: str
    few: int
    many: int
    authority: str
    indicators: tuple[str, ...]


NETWORKS = (
    Network(
        "air",
        "空气",
        "环境空气",
        "AQ",
        "空气自动监测站",
        3,
        12,
        "ST01",
        ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3"),
    ),
    Network(
        "surface_water",
        "地表水",
        "地表水",
        "SW",
        "水质自动监测站",
        3,
        8,
        "ST01",
        ("pH", "溶解氧", "高锰酸盐指数", "氨氮", "总磷"),
    ),
    Network("noise", "噪声", "噪声", "NS", "噪声自动监测点", 2, 12, "ST01", ("等效声级",)),
    Network("rain_gauge", "雨量", "雨量", "RG", "雨量站", 4, 14, "ZJ01", ("降雨量",)),
)
"""Indicators are named as gis.tables.indicators titles them."""


@dataclass(frozen=True)
class Station:
    """One station; x, y in EPSG:4548."""

    code: str
    name: str
    network: Network
    address: str
    established: str
    x: float
    y: float


def place_stations(
    frame: Frame, roads: Stretches, road_names: list[str], scale: float, rng: np.random.Generator
) -> list[Station]:
    """Stations of all networks: water ones on the river bank, the others spread along the roads."""
    stations = []
    for network in NETWORKS:
        count = max(
            1,
            round(
                network.few * min(1.0, scale / 0.02) + (network.many - network.few) * max(0.0, scale - 0.02)
            ),
        )
        for n in range(count):
            if network.kind == "surface_water":
                x, y, where = _on_bank(frame, (n + 0.5) / count, n % 2 == 0)
            else:
                x, y, where = _by_road(frame, roads, road_names, rng)
            stations.append(
                Station(
                    f"{network.prefix}{n + 1:02d}",
                    f"{where}{network.name}",
                    network,
                    f"六安市{where}",
                    f"{rng.integers(2008, 2023)}-{rng.integers(1, 13):02d}-01",
                    x,
                    y,
                )
            )
    return stations


def authority_name(station: Station) -> str:
    """主管部门 of a station."""
    return department_names()[station.network.authority]


def _on_bank(frame: Frame, share: float, is_east: bool) -> tuple[float, float, str]:
    """A spot on the river's bank at `share` of its length, and words for it."""
    v = np.array([frame.north * share])
    u = (frame.half_water(v) + 2.0) * (1 if is_east else -1)
    x, y = frame.to_ground(u, v)
    reach = ("上游", "中游", "下游")[min(int(share * 3), 2)]
    return float(x[0]), float(y[0]), f"淠河{reach}{'东' if is_east else '西'}岸{round(float(v[0]))}米断面"


def _by_road(
    frame: Frame, roads: Stretches, names: list[str], rng: np.random.Generator
) -> tuple[float, float, str]:
    """A spot on the pavement of a road drawn by length, and words for it."""
    k = int(
        rng.choice(
            len(roads.at), p=np.where(roads.is_bridge, 0, roads.length) / roads.length[~roads.is_bridge].sum()
        )
    )
    along = np.array([rng.uniform(roads.low[k], roads.high[k])])
    across: Floats = np.array([roads.at[k] + 0.98 * roads.half_width[k]])
    u, v = (across, along) if roads.is_vertical[k] else (along, across)
    x, y = frame.to_ground(u, v)
    return float(x[0]), float(y[0]), f"{names[int(roads.road[k])]}{round(float(along[0] - roads.low[k]))}米处"
