"""The parameters of OGC API – Features as values: boxes, times, coordinate reference systems.

Clauses are those of Part 1 (OGC 17-069r4) and Part 2 (OGC 18-058r1).
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import shapely

from gis.crs import read_crs, reproject
from layers.errors import BadRequest
from layers.model import BoundingBox, Layer

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
CRS84H = "http://www.opengis.net/def/crs/OGC/0/CRS84h"
STORAGE_CRS = "http://www.opengis.net/def/crs/EPSG/0/4490"
"""CGCS2000, latitude first by its definition. Its difference from CRS84 is below 0.3 m and time-dependent;
PROJ and every peer treat the two as one, and so do we."""
CRS_LIST = (
    CRS84,
    STORAGE_CRS,
    "http://www.opengis.net/def/crs/EPSG/0/4326",
    "http://www.opengis.net/def/crs/EPSG/0/3857",
)


class Interval(NamedTuple):
    """From `start` to `end`, both included; None is open."""

    start: datetime | None
    end: datetime | None


def parse_crs(text: str, field: str) -> str:
    """One of `CRS_LIST`; raises `BadRequest` (Part 2 §6.2.2, requirement fc-crs-valid-value)."""
    cleaned = text.strip("[]<>")
    if cleaned in CRS_LIST:
        return cleaned
    raise BadRequest(
        f"不支持的坐标系“{text[:100]}”",
        f"coordinate reference system {text[:100]!r} is not offered",
        field=field,
        value=text,
        expected=", ".join(CRS_LIST),
    )


def epsg_of(crs: str) -> int | None:
    """The EPSG code in a CRS address; None for CRS84."""
    return None if crs in (CRS84, CRS84H) else int(crs.rpartition("/")[2])


def latitude_first(crs: str) -> bool:
    """Whether coordinates in `crs` are given latitude first (EPSG's geographic systems)."""
    return epsg_of(crs) in (4490, 4326)


def parse_bbox(text: str, crs: str, layer: Layer) -> BoundingBox | None:
    """The box `text` (four numbers, or six with heights, which are left out) in degrees, longitude first.

    None: the box and the layer's bounds have nothing in common. A box across 180° (west > east, §7.15.3)
    is cut to the side the layer is on. Raises `BadRequest`.
    """
    numbers = [_number(part, text) for part in text.split(",")]
    if len(numbers) == 6:
        numbers = [*numbers[0:2], *numbers[3:5]]
    if len(numbers) != 4:
        raise _bad_box(text, "four or six numbers")
    first, second, third, fourth = numbers
    if latitude_first(crs):
        first, second, third, fourth = second, first, fourth, third
    if epsg_of(crs) == 3857:
        corners = np.array([shapely.box(first, second, third, fourth)], dtype=object)
        moved = reproject(corners, read_crs(3857))
        first, second, third, fourth = shapely.total_bounds(moved)
        if not all(map(math.isfinite, (first, second, third, fourth))):
            raise _bad_box(text, "a box within EPSG:3857")
    if not (abs(first) <= 180 and abs(third) <= 180 and abs(second) <= 90 and abs(fourth) <= 90):
        raise _bad_box(text, "longitudes within -180..180 and latitudes within -90..90, longitude first")
    if second > fourth:
        raise _bad_box(text, "the south before the north")
    return _cut(BoundingBox(first, second, third, fourth), layer)


def _cut(box: BoundingBox, layer: Layer) -> BoundingBox | None:
    if box.west <= box.east:
        return box
    if layer.bounds is None:
        return None
    east_side = box._replace(east=180.0) if layer.bounds.east >= box.west else None
    west_side = box._replace(west=-180.0) if layer.bounds.west <= box.east else None
    if east_side is not None and west_side is not None:
        raise _bad_box(str(tuple(box)), "a box that does not cross 180° for a layer on both of its sides")
    return east_side or west_side


def _number(part: str, whole: str) -> float:
    try:
        number = float(part)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _bad_box(whole, "numbers separated by commas")
    return number


def _bad_box(text: str, expected: str) -> BadRequest:
    return BadRequest(
        f"bbox“{text[:100]}”不对，应为 西,南,东,北",
        f"bbox {text[:100]!r} is not right: expected {expected}",
        field="bbox",
        value=text,
        expected=expected,
    )


_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def parse_datetime(text: str) -> Interval:
    """An instant or an interval of RFC 3339 times or dates, `..` or nothing for an open end (§7.15.4).

    A date stands for its whole day in UTC. Raises `BadRequest`.
    """
    start_text, slash, end_text = text.partition("/")
    if not slash:
        return Interval(_instant(text, text, ends=False), _instant(text, text, ends=True))
    start = None if start_text in ("", "..") else _instant(start_text, text, ends=False)
    end = None if end_text in ("", "..") else _instant(end_text, text, ends=True)
    if start is not None and end is not None and start > end:
        raise _bad_time(text)
    return Interval(start, end)


def _instant(part: str, whole: str, *, ends: bool) -> datetime:
    try:
        if _DATE.fullmatch(part):
            day = datetime.fromisoformat(part).replace(tzinfo=UTC)
            return day + timedelta(days=1, microseconds=-1) if ends else day
        if _TIME.fullmatch(part):
            return datetime.fromisoformat(part.upper().replace(" ", "T")).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _bad_time(whole)


def _bad_time(text: str) -> BadRequest:
    return BadRequest(
        f"时间“{text[:100]}”不对，应为 RFC 3339 时间、日期或区间",
        f"datetime {text[:100]!r} is not right",
        field="datetime",
        value=text,
        expected="an RFC 3339 date or time, or start/end with .. for an open end",
    )
