"""Conditions on scoped rows: typed values of fields, boxes, circles, times. Pure: only builds clauses.

Every condition names a field the scope lets out; a hidden field is refused like one that does not exist,
because filtering by it would tell its values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, func, or_

from layers.access import Scope
from layers.errors import BadRequest
from layers.model import BoundingBox, Field
from layers.rows import candidates, require_field
from layers.tables import SRID

METRES_PER_DEGREE_LATITUDE = 110_574.0
"""The shortest degree of latitude on the CGCS2000 ellipsoid, at the equator."""
METRES_PER_DEGREE_LONGITUDE = 111_319.0
"""A degree of longitude at the equator (a = 6,378,137 m), rounded down."""

DAY_ZONE = timezone(timedelta(hours=8))
"""A day without a time is a day in China."""

Filter = tuple[str, object]


def field_conditions(scope: Scope, table: FromClause, filters: Sequence[Filter]) -> list[ColumnElement[bool]]:
    """`field = value` for each filter; text is read as the field's type. Raises `BadRequest`.

    A date or a time may be an interval too: `2026-01-01/2026-03-31`, ends included, `..` for an open one.
    """
    conditions = []
    for name, value in filters:
        require_field(scope, name)
        field = scope.layer.field(name)
        assert field is not None
        if field.type in ("date", "datetime") and isinstance(value, str) and "/" in value:
            conditions.append(_between(table.c[name], field, value))
        else:
            conditions.append(table.c[name] == read_value(field, value))
    return conditions


def read_value(field: Field, value: object) -> object:
    """`value` (text of a query, or of the type already) as the field's type; raises `BadRequest`."""
    try:
        return _READERS[field.type](value)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadRequest(
            f"字段“{field.name}”的值有误：{str(value)[:80]!r}，应为 {_EXPECTED[field.type]}",
            f"{field.name!r} is {str(value)[:80]!r}, expected {_EXPECTED[field.type]}",
            field=field.name,
            value=value,
            expected=_EXPECTED[field.type],
        ) from error


def box_condition(scope: Scope, table: FromClause, box: BoundingBox) -> ColumnElement[bool]:
    """Geometry that meets `box` (EPSG:4490, edges included). West above east: across 180°."""
    _check_box(box)
    west, south, east, north = box
    parts = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    # The envelope is made from bound numbers, so the index serves.
    envelopes = [func.ST_MakeEnvelope(w, south, e, north, SRID) for w, e in parts]
    return or_(*(and_(*candidates(scope, table, e), func.ST_Intersects(table.c._geom, e)) for e in envelopes))


def read_interval(text: str, field: str = "datetime") -> tuple[datetime | None, datetime | None]:
    """The ends of an RFC 3339 instant or interval; a day without a time means the whole day, in China."""
    parts = text.strip().split("/")
    try:
        if len(parts) == 1:
            return _instant(parts[0], last=False), _instant(parts[0], last=True)
        start, end = parts
        low = None if start in ("", "..") else _instant(start, last=False)
        high = None if end in ("", "..") else _instant(end, last=True)
        if (low is None and high is None) or (low is not None and high is not None and low > high):
            raise ValueError(text)
    except (ValueError, OverflowError) as error:
        expected = "2026-01-31T08:00:00Z, 2026-01-31, a/b, a/.. or ../b"
        raise BadRequest(
            f"{field} 有误：{text[:80]!r}，应为 {expected}",
            f"{field} is {text[:80]!r}, expected {expected}",
            field=field,
            value=text,
            expected=expected,
        ) from error
    return low, high


def around(lon: float, lat: float, radius_m: float) -> tuple[float, float, float, float]:
    """West, south, east, north of a box in degrees that holds every place within `radius_m` metres."""
    high = radius_m / METRES_PER_DEGREE_LATITUDE
    nearest_pole = abs(lat) + high
    if nearest_pole >= 89.9:
        return -180.0, max(lat - high, -90.0), 180.0, min(lat + high, 90.0)
    wide = radius_m / (METRES_PER_DEGREE_LONGITUDE * math.cos(math.radians(nearest_pole)))
    return lon - wide, lat - high, lon + wide, lat + high


def check_place(lon: float, lat: float) -> None:
    """Raises `BadRequest` unless `lon`, `lat` are degrees on the earth."""
    for name, value, limit in (("lon", lon, 180), ("lat", lat, 90)):
        if not (math.isfinite(value) and abs(value) <= limit):
            raise _out_of_range(name, value, f"-{limit}…{limit}")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Raises `BadRequest` unless `low` ≤ `value` ≤ `high`."""
    if not (math.isfinite(value) and low <= value <= high):
        raise _out_of_range(name, value, f"{low:g}…{high:g}")


def _check_box(box: BoundingBox) -> None:
    check_place(box.west, box.south)
    check_place(box.east, box.north)
    if box.south > box.north:
        raise _out_of_range("bbox", ",".join(f"{v:g}" for v in box), "west,south,east,north, south ≤ north")


def _out_of_range(name: str, value: object, expected: str) -> BadRequest:
    return BadRequest(
        f"{name} 的值有误：{value}，应为 {expected}",
        f"{name} is {value}, expected {expected}",
        field=name,
        value=value,
        expected=expected,
    )


def _between(column: ColumnElement[Any], field: Field, text: str) -> ColumnElement[bool]:
    start, end = read_interval(text, field.name)
    conditions: ColumnElement[bool] = column.is_not(None)
    if start is not None:
        conditions &= column >= (start.date() if field.type == "date" else start)
    if end is not None:
        conditions &= column <= (end.date() if field.type == "date" else end)
    return conditions


def _instant(text: str, *, last: bool) -> datetime:
    if len(text) == 10:
        day = date.fromisoformat(text)
        start = datetime(day.year, day.month, day.day, tzinfo=DAY_ZONE)
        return start + timedelta(days=1, microseconds=-1) if last else start
    # A plus sign in an address is read as a space by everybody, and meant as a plus by most.
    moment = datetime.fromisoformat(re.sub(r" (\d\d:\d\d)$", r"+\1", text))
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment


def _text(value: object) -> str:
    text = str(value)
    if "\x00" in text:
        raise ValueError("NUL")
    return text


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(value)
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise OverflowError(value)
    return number


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _boolean(value: object) -> bool:
    text = str(value).lower()
    if text not in ("true", "1", "false", "0"):
        raise ValueError(value)
    return text in ("true", "1")


def _date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return date.fromisoformat(str(value))


def _moment(value: object) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment


_READERS: dict[str, Any] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _moment,
}
_EXPECTED = {
    "text": "text without NUL",
    "integer": "a whole number of 64 bits",
    "number": "a finite number",
    "boolean": "true or false",
    "date": "a date such as 2026-01-31",
    "datetime": "a time with its zone such as 2026-01-31T08:00:00+08:00",
}
