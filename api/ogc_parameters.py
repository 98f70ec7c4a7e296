"""The parameters of OGC API – Features as values: boxes and coordinate reference systems.

Clauses are those of Part 1 (OGC 17-069r4) and Part 2 (OGC 18-058r1).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
import shapely
from fastapi import Query

from gis.crs import read_crs, reproject
from gis.outgoing import Outgoing
from layers.errors import BadRequest
from layers.model import BoundingBox

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
STORAGE_CRS = "http://www.opengis.net/def/crs/EPSG/0/4490"
"""CGCS2000, latitude first by its definition. Its difference from CRS84 is below 0.3 m and time-dependent;
PROJ and every peer treat the two as one, and so do we."""
CRS_LIST = (
    CRS84,
    STORAGE_CRS,
    "http://www.opengis.net/def/crs/EPSG/0/4326",
    "http://www.opengis.net/def/crs/EPSG/0/3857",
)


async def json_only(
    f: Annotated[Literal["json", "geojson"] | None, Query(description="只有 JSON  JSON only")] = None,
) -> None:
    """Clients of other servers send `f=json`; here it changes nothing."""


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
    return None if crs == CRS84 else int(crs.rpartition("/")[2])


def latitude_first(crs: str) -> bool:
    """Whether coordinates in `crs` are given latitude first (EPSG's geographic systems)."""
    return epsg_of(crs) in (4490, 4326)


def parse_bbox(text: str, crs: str = CRS84, system: Outgoing | None = None) -> BoundingBox:
    """The box `text` (four numbers, or six with heights, which are left out) in degrees, longitude first.

    West above east: the box crosses 180° (Part 1 §7.15.3). `system`: what `crs` is where that is none of
    `CRS_LIST`; the box of degrees round it is taken. Raises `BadRequest`.
    """
    numbers = [_number(part, text) for part in text.split(",")]
    if len(numbers) == 6:
        numbers = [*numbers[0:2], *numbers[3:5]]
    if len(numbers) != 4:
        raise _bad_box(text, "four or six numbers")
    first, second, third, fourth = numbers
    if crs not in CRS_LIST and system is not None:
        if system.north_first:
            first, second, third, fourth = second, first, fourth, third
        if first > third or second > fourth:
            raise _bad_box(text, "the lower corner before the upper one")
        first, second, third, fourth = system.box(first, second, third, fourth)
        if not all(map(math.isfinite, (first, second, third, fourth))):
            raise _bad_box(text, f"a box within {system.title}")
    elif latitude_first(crs):
        first, second, third, fourth = second, first, fourth, third
    elif epsg_of(crs) == 3857:
        corners = np.array([shapely.box(first, second, third, fourth)], dtype=object)
        moved = reproject(corners, read_crs(3857))
        first, second, third, fourth = shapely.total_bounds(moved)
        if not all(map(math.isfinite, (first, second, third, fourth))):
            raise _bad_box(text, "a box within EPSG:3857")
    if not (abs(first) <= 180 and abs(third) <= 180 and abs(second) <= 90 and abs(fourth) <= 90):
        raise _bad_box(text, "longitudes within -180..180 and latitudes within -90..90, longitude first")
    if second > fourth:
        raise _bad_box(text, "the south before the north")
    return BoundingBox(first, second, third, fourth)


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
