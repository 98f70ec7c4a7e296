"""A table of readings as a person sees it before it is read: its columns, what it measures, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gis.tables.indicators import INDICATORS
from importers.prepare import Counted
from importers.readings import (
    KIND,
    STATION,
    TIME,
    UNIT,
    VALUE,
    ReadingColumns,
    read_readings,
    reading_columns,
    reading_fields,
)
from importers.rules import rule
from importers.sampling import Sample
from layers.model import Text
from layers.staged_readings import READINGS

MOST_NAMED = 20
"""Stations that are not there which are named."""
_TITLES = {
    STATION: Text("站点编码", "Station code"),
    TIME: Text("监测时间", "Time"),
    KIND: Text("监测指标", "Indicator"),
    VALUE: Text("监测值", "Value"),
    UNIT: Text("单位", "Unit"),
}
_TYPES = {STATION: "text", TIME: "datetime", KIND: "text", VALUE: "number", UNIT: "text"}

Places = Mapping[str, tuple[float, float]]
"""Longitude and latitude (EPSG:4490) of each published station, by its code."""


class LookedReadings(NamedTuple):
    """`document`: members of the table's JSON object; `fields`: column → what it holds of readings."""

    document: dict[str, Any]
    fields: dict[str, str]
    troubles: list[dict[str, Any]]


def look_at_readings(
    sample: Sample, said: Mapping[str, str], places: Places, *, chosen: bool
) -> LookedReadings:
    """What a sampled table of readings holds; `chosen`: a person said that these are readings.

    With columns missing, what is there is told and what lacks is a trouble that stops.
    """
    source = sample.source
    columns = reading_columns(source, said)
    fields = reading_fields(source, said)
    if columns is not None:
        fields = {column: field for field, column in reversed(columns.matched.items())}
    lacking = [] if columns is not None else _lacking(fields)
    zh, en = ("由导入者指定", "said by the importer") if chosen else ("列名相符", "by the columns' names")
    document: dict[str, Any] = {
        "kind": "readings",
        "layer": {
            "id": READINGS,
            "title": {"zh": "监测数据", "en": "Readings"},
            "geometry_type": None,
            "is_new": False,
            "version": 0,
            "evidence": {"zh": zh, "en": en},
            "certainty": None,
        },
        "fields": _fields(lacking),
        "lacking": lacking,
    }
    troubles: list[dict[str, Any]] = []
    if columns is None:
        names_zh = "、".join(_TITLES[name].zh for name in lacking)
        names_en = ", ".join(_TITLES[name].en for name in lacking)
        troubles.append(
            {
                "rule": "fields",
                "stops": True,
                "zh": f"缺少必需的列：{names_zh}（监测指标与监测值，也可每个指标一列）",
                "en": f"columns are missing: {names_en} (or a column for each indicator)",
            }
        )
        return LookedReadings(document, fields, troubles)
    seen = _measured(sample, columns, places)
    troubles += seen.troubles
    return LookedReadings(document | seen.document, fields, troubles)


def _measured(sample: Sample, columns: ReadingColumns, places: Places) -> LookedReadings:
    """What the sampled rows measure, by published stations, and these on the map."""
    counted = Counted()
    readings = list(read_readings(sample.source, columns, set(places), counted))
    stations = sorted({one.station_code for one in readings})
    times = [one.observed_at for one in readings]
    strange = list(counted.tally.details.get("reading.no_station", {}))
    document = {
        "readings": {
            "form": "long" if columns.kind is not None else "wide",
            "stations": len(stations),
            "strange": strange[:MOST_NAMED],
            "indicators": [
                {"indicator": one.code, "title": {"zh": one.zh, "en": one.en}, "unit": one.unit}
                for one in INDICATORS
                if any(reading.indicator == one.code for reading in readings)
            ],
            "first": min(times).isoformat() if times else None,
            "last": max(times).isoformat() if times else None,
        },
        "preview": None if not stations else _picture(stations, places),
        "bounds": None if not stations else _bounds([places[code] for code in stations]),
    }
    troubles = []
    for count in counted.tally.listed():
        if count.rule == "reading.no_station":
            named = "、".join(strange[:MOST_NAMED]), ", ".join(strange[:MOST_NAMED])
            zh = f"抽样中 {count.rows} 处的站点不在监测站图层中：{named[0]}"
            en = f"{count.rows} times in the sample the station is not in the station layer: {named[1]}"
        else:
            zh = f"抽样中 {count.rows} 处：{rule(count.rule).zh}"
            en = f"{count.rows} times in the sample: {rule(count.rule).en}"
        troubles.append({"rule": count.rule, "stops": False, "zh": zh, "en": en})
    return LookedReadings(document, {}, troubles)


def _lacking(fields: Mapping[str, str]) -> list[str]:
    there = set(fields.values())
    lacking = [name for name in (STATION, TIME) if name not in there]
    has_indicator = any(one.code in there for one in INDICATORS)
    return lacking if has_indicator else lacking + [name for name in (KIND, VALUE) if name not in there]


def _fields(lacking: list[str]) -> list[dict[str, Any]]:
    """What a column may hold, for a person to choose."""
    roles = [
        {
            "name": name,
            "title": title._asdict(),
            "type": _TYPES[name],
            "unit": None,
            "required": name in (STATION, TIME),
            "is_key": False,
            "lacking": name in lacking,
        }
        for name, title in _TITLES.items()
    ]
    return roles + [
        {
            "name": one.code,
            "title": {"zh": one.zh, "en": one.en},
            "type": "number",
            "unit": one.unit or None,
            "required": False,
            "is_key": False,
            "lacking": False,
        }
        for one in INDICATORS
    ]


def _picture(stations: list[str], places: Places) -> dict[str, Any]:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": list(places[code])},
            "properties": {"row": code},
        }
        for code in stations
    ]
    return {"type": "FeatureCollection", "features": features}


def _bounds(points: list[tuple[float, float]]) -> list[float]:
    longitudes, latitudes = zip(*points, strict=True)
    return [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
