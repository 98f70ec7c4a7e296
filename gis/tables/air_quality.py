"""Air quality index: break points and levels of HJ 633-2026 (from 2026-03-01) and HJ 633-2012 (before).

Confidence: standard (HJ 633-2026 Table 1, Table 3, App. A; HJ 633-2012 where said). Concentrations in µg/m³,
CO in mg/m³. Hourly particles use the 24-hour row.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from gis.tables.lines import read_lines

EDITION_2026_FROM = date(2026, 3, 1)

IAQI = (0, 50, 100, 150, 200, 300, 400, 500)

_SHARED = {
    ("so2", "day"): (0, 50, 150, 475, 800, 1600, 2100, 2620),
    ("so2", "hour"): (0, 150, 500, 650, 800),
    ("no2", "day"): (0, 40, 80, 180, 280, 565, 750, 940),
    ("no2", "hour"): (0, 100, 200, 700, 1200, 2340, 3090, 3840),
    ("co", "day"): (0, 2, 4, 14, 24, 36, 48, 60),
    ("co", "hour"): (0, 5, 10, 35, 60, 90, 120, 150),
    ("o3", "day"): (0, 100, 160, 215, 265, 800),
    ("o3", "hour"): (0, 160, 200, 300, 400, 800, 1000, 1200),
}
"""("o3", "day") is the daily maximum of the 8-hour means."""

POINTS_2026 = _SHARED | {
    ("pm10", "day"): (0, 50, 120, 250, 350, 420, 500, 600),
    ("pm2_5", "day"): (0, 35, 60, 115, 150, 250, 350, 500),
}
POINTS_2012 = _SHARED | {
    ("pm10", "day"): (0, 50, 150, 250, 350, 420, 500, 600),
    ("pm2_5", "day"): (0, 35, 75, 115, 150, 250, 350, 500),
}
"""Short rows end where the standard gives no further points: above SO2 1 h 800 the index is 200, above O3
8 h 800 it is 300 (2026, notes b and c). The 2012 edition turns to the 24-hour or 1-hour value there; without
it the same caps stand."""

POLLUTANTS = read_lines("""
pm2_5 细颗粒物 PM2.5 | PM2.5
pm10 可吸入颗粒物 PM10 | PM10
so2 二氧化硫 SO2 | SO2
no2 二氧化氮 NO2 | NO2
co 一氧化碳 CO | CO
o3 臭氧 O3 | O3
""")


class AirLevel(NamedTuple):
    """A level of the index: highest index (None: open), number, titles, colour (App. A)."""

    top: int | None
    number: int
    zh: str
    en: str
    rgb: tuple[int, int, int]


LEVELS = (
    AirLevel(50, 1, "优", "Excellent", (0, 228, 0)),
    AirLevel(100, 2, "良", "Good", (255, 255, 0)),
    AirLevel(150, 3, "轻度污染", "Lightly polluted", (255, 126, 0)),
    AirLevel(200, 4, "中度污染", "Moderately polluted", (255, 0, 0)),
    AirLevel(300, 5, "重度污染", "Heavily polluted", (153, 0, 76)),
    AirLevel(None, 6, "严重污染", "Severely polluted", (126, 0, 35)),
)
