"""Surface water classes, GB 3838-2002 Table 1, and their evaluation (环办[2011]22号).

Confidence: limits transcribed; the colours and the rule for equal limits known. mg/L; pH has no unit, faecal
coliform is counted per litre.
"""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """The limits of one item for classes I to V. `falling`: more is better (dissolved oxygen)."""

    code: str
    zh: str
    en: str
    classes: tuple[float, float, float, float, float]
    falling: bool = False


RIVER = (
    Limits("dissolved_oxygen", "溶解氧", "Dissolved oxygen", (7.5, 6, 5, 3, 2), falling=True),
    Limits("codmn", "高锰酸盐指数", "Permanganate index", (2, 4, 6, 10, 15)),
    Limits("cod", "化学需氧量", "Chemical oxygen demand", (15, 15, 20, 30, 40)),
    Limits("bod5", "五日生化需氧量", "BOD5", (3, 3, 4, 6, 10)),
    Limits("nh3_n", "氨氮", "Ammonia nitrogen", (0.15, 0.5, 1.0, 1.5, 2.0)),
    Limits("tp", "总磷", "Total phosphorus", (0.02, 0.1, 0.2, 0.3, 0.4)),
    Limits("copper", "铜", "Copper", (0.01, 1, 1, 1, 1)),
    Limits("zinc", "锌", "Zinc", (0.05, 1, 1, 2, 2)),
    Limits("fluoride", "氟化物", "Fluoride", (1, 1, 1, 1.5, 1.5)),
    Limits("selenium", "硒", "Selenium", (0.01, 0.01, 0.01, 0.02, 0.02)),
    Limits("arsenic", "砷", "Arsenic", (0.05, 0.05, 0.05, 0.1, 0.1)),
    Limits("mercury", "汞", "Mercury", (0.00005, 0.00005, 0.0001, 0.001, 0.001)),
    Limits("cadmium", "镉", "Cadmium", (0.001, 0.005, 0.005, 0.005, 0.01)),
    Limits("chromium_6", "铬（六价）", "Chromium (VI)", (0.01, 0.05, 0.05, 0.05, 0.1)),
    Limits("lead", "铅", "Lead", (0.01, 0.01, 0.05, 0.05, 0.1)),
    Limits("cyanide", "氰化物", "Cyanide", (0.005, 0.05, 0.2, 0.2, 0.2)),
    Limits("phenol", "挥发酚", "Volatile phenol", (0.002, 0.002, 0.005, 0.01, 0.1)),
    Limits("petroleum", "石油类", "Petroleum", (0.05, 0.05, 0.05, 0.5, 1.0)),
    Limits("surfactant", "阴离子表面活性剂", "Anionic surfactant", (0.2, 0.2, 0.2, 0.3, 0.3)),
    Limits("sulfide", "硫化物", "Sulfide", (0.05, 0.1, 0.2, 0.5, 1.0)),
)
"""With pH the 21 items that count; water temperature, total nitrogen and faecal coliform do not."""

LAKE_PHOSPHORUS = Limits("tp", "总磷", "Total phosphorus", (0.01, 0.025, 0.05, 0.1, 0.2))
"""Total phosphorus of lakes and reservoirs stands in for the river's."""

PH_RANGE = (6.0, 9.0)
"""All classes; outside it the water is worse than V."""

NOT_COUNTED = (
    Limits("tn", "总氮", "Total nitrogen", (0.2, 0.5, 1.0, 1.5, 2.0)),
    Limits("coliform", "粪大肠菌群", "Faecal coliform", (200, 2000, 10000, 20000, 40000)),
)

NOT_MULTIPLIED = ("ph", "dissolved_oxygen")
"""No 超标倍数 is given for these."""


class WaterLevel(NamedTuple):
    """A class of water: number 1–6 (6: worse than V), titles, colour (confidence: known)."""

    number: int
    zh: str
    en: str
    quality_zh: str
    quality_en: str
    rgb: tuple[int, int, int]


LEVELS = (
    WaterLevel(1, "Ⅰ类", "Class I", "优", "Excellent", (0, 112, 255)),
    WaterLevel(2, "Ⅱ类", "Class II", "优", "Excellent", (0, 112, 255)),
    WaterLevel(3, "Ⅲ类", "Class III", "良好", "Good", (0, 176, 80)),
    WaterLevel(4, "Ⅳ类", "Class IV", "轻度污染", "Lightly polluted", (255, 255, 0)),
    WaterLevel(5, "Ⅴ类", "Class V", "中度污染", "Moderately polluted", (255, 126, 0)),
    WaterLevel(6, "劣Ⅴ类", "Worse than class V", "重度污染", "Heavily polluted", (255, 0, 0)),
)
"""The evaluation method names the colours blue, green, yellow, orange, red; the numbers are ours."""
