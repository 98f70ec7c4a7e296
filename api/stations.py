"""Monitoring stations: what they measured last and what it means, and what they measured before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query

from api.answers import VARY, Json, text
from api.context import ContextDep
from api.grid_documents import SeriesDocument, StationsDocument
from api.layers import scope_of
from api.session import ViewerDep
from gis import codes
from gis.air import aqi
from gis.water import water_class
from grid.numbers import day_in_china
from layers import query, readings
from layers.access import Scope
from layers.errors import NotFound
from layers.query import Feature, FeatureQuery
from layers.readings import STATION_LAYER, Reading

router = APIRouter(tags=["stations"], prefix="/api/v1/stations")

MAX_STATIONS = 10_000
SAME_TIME = timedelta(hours=1)
"""Readings no older than this against the newest are taken for one moment of an index."""
USUAL_SPAN = {"hour": timedelta(days=1), "day": timedelta(days=30)}
"""How much of a series is told where nobody says from when."""
KEPT = {"Cache-Control": "private, no-cache", "Vary": VARY}

ROMAN = ("Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ", "Ⅴ", "劣Ⅴ")


@router.get("/latest", response_model=StationsDocument)
async def latest(context: ContextDep, viewer: ViewerDep) -> Json:
    """The newest reading of every indicator of every station the caller may see.

    Air stations have the hourly index of HJ 633, surface water stations the class of GB 3838.
    """
    try:
        scope = await scope_of(context, viewer, STATION_LAYER)
    except NotFound:
        return Json({"stations": []}, headers=KEPT)
    page = await query.features(
        context.database, scope, FeatureQuery(limit=MAX_STATIONS, fields=_fields(scope))
    )
    newest: dict[str, list[Reading]] = defaultdict(list)
    for reading in await readings.latest(context.database, [feature.key for feature in page.features]):
        newest[reading.station_code].append(reading)
    placed = [feature for feature in page.features if feature.geometry is not None]
    return Json({"stations": [_station(feature, newest[feature.key]) for feature in placed]}, headers=KEPT)


@router.get("/{code}/readings", response_model=SeriesDocument)
async def series(
    code: Annotated[str, Path(description="站点编码 Station code", max_length=100)],
    context: ContextDep,
    viewer: ViewerDep,
    indicator: Annotated[str, Query(max_length=60, description="指标 Indicator", examples=["pm2_5"])],
    start: Annotated[
        datetime | None,
        Query(description="起（含），缺省为 end 前一天或三十天 From; a day or thirty before end"),
    ] = None,
    end: Annotated[
        datetime | None, Query(description="止（不含），缺省为最新读数之后 To; just after the newest reading")
    ] = None,
    step: Annotated[Literal["hour", "day"], Query(description="平均时段 Averaged over")] = "hour",
) -> Json:
    """Averages of one indicator over time, oldest first; hours without a reading are left out."""
    scope = await scope_of(context, viewer, STATION_LAYER)
    station = await query.feature(context.database, scope, code)
    if end is None:
        end = await _after_newest(context, station.key, indicator)
    if start is None and end is not None:
        start = end - USUAL_SPAN[step]
    points: Sequence[readings.Point] = ()
    if start is not None and end is not None:
        points = await readings.series(context.database, station.key, indicator, start, end, step)
    known = codes.indicator(indicator)
    return Json(
        {
            "station": station.key,
            "indicator": indicator,
            "title": text((known.zh, known.en)),
            "unit": known.unit,
            "step": step,
            "points": [(point.at, round(point.value, 6)) for point in points],
        },
        headers=KEPT,
    )


async def _after_newest(context: ContextDep, code: str, indicator: str) -> datetime | None:
    """Just after the newest reading of an indicator; None if there is none."""
    found = await readings.latest(context.database, [code])
    moments = [reading.observed_at for reading in found if reading.indicator == indicator]
    return max(moments) + timedelta(seconds=1) if moments else None


def _fields(scope: Scope) -> tuple[str, ...]:
    return tuple(name for name in ("name", "kind") if name in scope.fields)


def _station(feature: Feature, newest: Sequence[Reading]) -> dict[str, object]:
    lon, lat = orjson.loads(feature.geometry or "{}")["coordinates"][:2]
    kind = str(feature.properties.get("kind") or "")
    return {
        "code": feature.key,
        "name": feature.properties.get("name") or feature.key,
        "kind": kind,
        "lon": lon,
        "lat": lat,
        "values": [_reading(reading) for reading in newest],
        "index": index_of(kind, newest),
    }


def _reading(reading: Reading) -> dict[str, object]:
    known = codes.indicator(reading.indicator)
    return {
        "indicator": reading.indicator,
        "title": text((known.zh, known.en)),
        "value": reading.value,
        "unit": known.unit,
        "observed_at": reading.observed_at,
    }


def index_of(kind: str, newest: Sequence[Reading]) -> Mapping[str, Any] | None:
    """What the newest readings of a station mean; None where no index is defined or too little is known."""
    if not newest:
        return None
    moment = max(reading.observed_at for reading in newest)
    values = {r.indicator: r.value for r in newest if moment - r.observed_at <= SAME_TIME}
    if kind == "air":
        found = aqi(values, averaging="hour", on=day_in_china(moment))
        if found.value is None or found.level is None:
            return None
        level = found.level
        return _index("aqi", found.value, (level.zh, level.en), level.rgb, found.primary)
    if kind == "surface_water":
        judged = water_class(values)
        if judged is None:
            return None
        water = judged.level
        title = (f"{water.zh} {water.quality_zh}", f"{water.en}, {water.quality_en.lower()}")
        worst = [code for code, _ in judged.exceeding]
        return _index("water_class", ROMAN[water.number - 1], title, water.rgb, worst)
    return None


def _index(
    kind: str, value: int | str, level: tuple[str, str], rgb: tuple[int, int, int], primary: Sequence[str]
) -> Mapping[str, Any]:
    colour = "#{:02x}{:02x}{:02x}".format(*rgb)
    return {"kind": kind, "value": value, "level": text(level), "color": colour, "primary": list(primary)}
