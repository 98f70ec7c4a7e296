"""Readings of monitoring stations as other systems send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.answers import Json
from api.context import ContextDep
from api.grid_documents import StoredReadingsDocument
from api.layers import scope_of
from api.session import PublisherDep
from layers import readings
from layers.access import require_change
from layers.points import keys
from layers.readings import STATION_LAYER
from layers.sent_readings import SentReading, read_sent

router = APIRouter(tags=["stations"], prefix="/api/v1/readings")

MAX_READINGS = 10_000
"""Of one call: a minute of ten thousand stations; some 1 MB of JSON."""


class OneReading(BaseModel):
    """One measured value."""

    model_config = ConfigDict(extra="forbid", title="SentReading")

    station: Annotated[str, Field(max_length=100, description="站点编码 Station code", examples=["A1"])]
    indicator: Annotated[
        str,
        Field(max_length=60, description="指标代码或名称 Code or title of the indicator", examples=["pm2_5"]),
    ]
    value: Annotated[float, Field(strict=True, allow_inf_nan=False, description="监测值 Measured value")]
    observed_at: Annotated[
        str,
        Field(
            max_length=60,
            description="RFC 3339，带时区 with its zone",
            examples=["2026-03-01T08:00:00+08:00"],
        ),
    ]
    unit: Annotated[
        str | None, Field(max_length=40, description="缺省为指标的单位 The indicator's own without it")
    ] = None


class Readings(BaseModel):
    """Readings that are stored together."""

    model_config = ConfigDict(extra="forbid", title="SentReadings")

    readings: Annotated[list[OneReading], Field(min_length=1, max_length=MAX_READINGS)]


@router.post("", response_model=StoredReadingsDocument)
async def store_readings(sent: Readings, context: ContextDep, viewer: PublisherDep) -> Json:
    """Stores up to 10,000 readings, all or none (publishers of the station layer, within their districts).

    One for the same station, indicator and time takes the place of what stands; of two in one call the last
    counts, and `repeated` says how many did not. The first row that is wrong is named.
    """
    scope = await scope_of(context, viewer, STATION_LAYER)
    require_change(viewer, scope.layer)
    named = [SentReading(r.station, r.indicator, r.value, r.observed_at, r.unit) for r in sent.readings]
    found = read_sent(named, await keys(context.database, scope), datetime.now(UTC))
    added = await readings.add(context.database, found)
    return Json({"read": added.read, "written": added.written, "repeated": added.repeated})
