"""What monitoring stations measure: code, titles, unit. Codes are this project's own.

Units as in GB 3095 (air, µg/m³ and mg/m³ for CO), GB 3838 (water, mg/L), GB 3096 (noise, dB(A)).
"""

from __future__ import annotations

from typing import NamedTuple

from gis.tables.air_quality import POLLUTANTS
from gis.tables.surface_water import NOT_COUNTED, RIVER


class Indicator(NamedTuple):
    """A measured quantity. `unit` is empty for a pure number (pH)."""

    code: str
    zh: str
    en: str
    unit: str


INDICATORS = (
    *(Indicator(p.code, p.zh, p.en, "mg/m³" if p.code == "co" else "µg/m³") for p in POLLUTANTS),
    *(Indicator(w.code, w.zh, w.en, "mg/L") for w in (*RIVER, NOT_COUNTED[0])),
    Indicator("ph", "pH", "pH", ""),
    Indicator("coliform", "粪大肠菌群", "Faecal coliform", "个/L"),
    Indicator("water_temperature", "水温", "Water temperature", "°C"),
    Indicator("turbidity", "浊度", "Turbidity", "NTU"),
    Indicator("conductivity", "电导率", "Conductivity", "µS/cm"),
    Indicator("water_level", "水位", "Water level", "m"),
    Indicator("flow", "流量", "Flow", "m³/s"),
    Indicator("leq", "等效声级", "Equivalent sound level", "dB(A)"),
    Indicator("rainfall", "降雨量", "Rainfall", "mm"),
    Indicator("temperature", "气温", "Air temperature", "°C"),
    Indicator("humidity", "相对湿度", "Relative humidity", "%"),
    Indicator("wind_speed", "风速", "Wind speed", "m/s"),
    Indicator("wind_direction", "风向", "Wind direction", "°"),
    Indicator("pressure", "气压", "Air pressure", "hPa"),
)
