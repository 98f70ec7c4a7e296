"""Which unit grid a point is in: one point with its names, or a hundred thousand with their codes."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from api.answers import Json
from api.context import ContextDep
from api.grid_documents import LocatedDocument, LocatedManyDocument, schema_of
from api.places import PlaceDep
from api.session import ViewerDep
from gis.crs import FRAMES, Frame, to_cgcs2000
from grid.index import NOWHERE
from grid.locate import Gridded, Located, Named
from layers.errors import BadRequest, TooMuch

router = APIRouter(tags=["grid"], prefix="/api/v1/grid")

MAX_POINTS = 100_000
"""Of one call; some 5 MB of JSON, located in about 0.2 s."""


class Points(BaseModel):
    """Points to locate."""

    model_config = ConfigDict(extra="forbid", title="Points")

    crs: Frame = "cgcs2000"
    points: Annotated[
        list[tuple[float, float]],
        Field(max_length=MAX_POINTS, description="[[经度, 纬度], …] [[longitude, latitude], …]"),
    ]


@router.get("/locate", response_model=LocatedDocument)
async def locate(context: ContextDep, viewer: ViewerDep, place: PlaceDep) -> Json:
    """The unit grid, community, street and district of a point; outside every grid, the nearest one."""
    gridded = await context.locator.for_viewer(viewer)
    return Json(_document(gridded.locate(place.lon, place.lat)))


@router.post(
    "/locate",
    response_model=LocatedManyDocument,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema_of(Points)}},
        }
    },
)
async def locate_many(request: Request, context: ContextDep, viewer: ViewerDep) -> Json:
    """The codes of the unit grids of up to 100,000 points, in their order; null for a point in none."""
    gridded = await context.locator.for_viewer(viewer)
    body = await request.body()
    return Json(await asyncio.to_thread(_answer, body, gridded))


def named(place: Named | None) -> dict[str, object] | None:
    """A code and its name as they travel."""
    return None if place is None else {"code": place.code, "name": place.name}


def _document(found: Located) -> dict[str, object]:
    near = found.nearest
    return {
        "found": found.grid is not None,
        "lon": found.lon,
        "lat": found.lat,
        "grid": named(found.grid),
        "community": named(found.community),
        "street": named(found.street),
        "district": named(found.district),
        "nearest": None
        if near is None
        else {"code": near.grid.code, "name": near.grid.name, "distance_m": near.distance_m},
        "version": found.version,
    }


def _answer(body: bytes, gridded: Gridded) -> dict[str, object]:
    """Everything about many points that takes time: reading, checking, locating."""
    frame, points = _read(body)
    lon, lat = to_cgcs2000(points[:, 0], points[:, 1], frame)
    codes = gridded.index.codes
    found = gridded.locate_many(lon, lat)
    return {
        "version": gridded.version,
        "count": len(found),
        "outside": int((found == NOWHERE).sum()),
        "codes": [codes[position] if position >= 0 else None for position in found.tolist()],
    }


def _read(body: bytes) -> tuple[Frame, NDArray[np.float64]]:
    """The frame and the points, shape (n, 2). By hand, as a model takes five times as long over so many."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _wrong("body", "", "合法的 JSON", "valid JSON (NaN is none)") from error
    if not isinstance(given, dict):
        raise _wrong("body", given, "JSON 对象", "a JSON object")
    for name in given.keys() - {"crs", "points"}:
        raise _wrong(name, given[name], "没有这个成员", "no such member")
    frame = given.get("crs", "cgcs2000")
    if frame not in FRAMES:
        raise _wrong("crs", frame, "、".join(FRAMES), "one of " + ", ".join(FRAMES))
    points = given.get("points")
    if not isinstance(points, list):
        raise _wrong("points", points, "[[经度, 纬度], …]", "[[longitude, latitude], …]")
    if len(points) > MAX_POINTS:
        raise TooMuch(
            f"一次最多定位 {MAX_POINTS} 个点，收到 {len(points)} 个",
            f"no more than {MAX_POINTS} points at once; {len(points)} came",
            limit=MAX_POINTS,
            count=len(points),
        )
    for number, point in enumerate(points):
        _check_point(number, point)
    return frame, np.array(points, dtype=np.float64).reshape(-1, 2)


def _check_point(number: int, point: Any) -> None:
    # Exact types: bool is a kind of int, and a text of digits is no number.
    if type(point) is not list or len(point) != 2:
        raise _wrong(f"points[{number}]", point, "[经度, 纬度]", "[longitude, latitude]")
    for axis, (value, most) in enumerate(zip(point, (180, 90), strict=True)):
        if type(value) is not float and type(value) is not int:
            raise _wrong(f"points[{number}][{axis}]", value, "数字", "a number")
        if not abs(value) <= most or not math.isfinite(value):
            raise _wrong(f"points[{number}][{axis}]", value, f"-{most}..{most}", f"-{most}..{most} degrees")


def _wrong(field: str, value: object, zh: str, en: str) -> BadRequest:
    shown = "…" if isinstance(value, (dict, list)) and len(value) > 4 else value
    return BadRequest(
        f"“{field}”的值不对，应为：{zh}",
        f"{field!r} is not right; expected {en}",
        field=field,
        value=shown,
        expected=en,
    )
