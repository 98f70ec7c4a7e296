"""Readings as another system sends them, made into readings as they are kept: all of them, or none.

The indicator is named by its code or title, the unit is the indicator's own where none is given, and a
value in another unit of the same quantity is converted, as in files (`importers.readings`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gis.tables.indicators import INDICATORS, Indicator
from gis.units import factor
from layers.errors import BadRequest
from layers.readings import Reading

AHEAD = timedelta(hours=1)
"""How far a station's clock may be ahead; what is later would be the newest reading for long."""

EARLIEST = 1900
"""The first year of readings that anybody will send."""


class SentReading(NamedTuple):
    """One reading as it was sent; `observed_at` is RFC 3339 text with a zone."""

    station: str
    indicator: str
    value: float
    observed_at: str
    unit: str | None = None


def read_sent(sent: Sequence[SentReading], stations: Collection[str], now: datetime) -> list[Reading]:
    """The readings, in their order, in the units of their indicators.

    `stations`: codes the sender may write to. Raises `BadRequest` naming the first row that is wrong, the
    value and what was expected (`readings.3.unit`).
    """
    return [_read(one, number, stations, now) for number, one in enumerate(sent)]


def _read(one: SentReading, number: int, stations: Collection[str], now: datetime) -> Reading:
    where = f"readings.{number}"
    if one.station not in stations:
        raise _wrong(f"{where}.station", one.station, "本账户可写的监测站编码", "a station you may write to")
    known = _BY_NAME.get(one.indicator.strip().casefold())
    if known is None:
        expected = ", ".join(indicator.code for indicator in INDICATORS)
        raise _wrong(f"{where}.indicator", one.indicator, expected, expected)
    scale = factor(one.unit, known.unit or None)
    if scale is None:
        unit = known.unit or "(none)"
        raise _wrong(f"{where}.unit", one.unit, f"{unit} 或同类单位", f"{unit} or the same quantity")
    value = one.value * scale
    if not math.isfinite(value):
        raise _wrong(f"{where}.value", one.value, "有限的数字", "a finite number")
    moment = _moment(f"{where}.observed_at", one.observed_at, now)
    return Reading(one.station, known.code, moment, value)


def _moment(field: str, text: str, now: datetime) -> datetime:
    zh, en = "带时区的时间，如 2026-03-01T08:00:00+08:00", "a time with its zone: 2026-03-01T08:00:00+08:00"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _wrong(field, text, zh, en) from error
    if moment.tzinfo is None:
        raise _wrong(field, text, zh, en)
    if not (moment.year >= EARLIEST and moment <= now + AHEAD):
        raise _wrong(
            field, text, f"{EARLIEST} 年以来、不晚于现在的时间", f"a time since {EARLIEST}, not in the future"
        )
    return moment


def _wrong(field: str, value: object, zh: str, en: str) -> BadRequest:
    return BadRequest(
        f"“{field}”的值“{str(value)[:80]}”不对，应为：{zh}",
        f"{field} is {str(value)[:80]!r}, expected {en}",
        field=field,
        value=value,
        expected=en,
    )


_BY_NAME: Mapping[str, Indicator] = {
    name.casefold(): indicator
    for indicator in reversed(INDICATORS)
    for name in (indicator.en, *indicator.zh.split(), indicator.zh, indicator.code)
}
