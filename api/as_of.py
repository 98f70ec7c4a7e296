"""Which version of a layer a request asks for: `version`, or `datetime` for the one that stood at a moment.

OGC API – Features Part 1 (17-069r4 §7.15.4) leaves the temporal property to the server: here it is the
time during which a row stood on the map, of every layer alike. Fields that hold dates are chosen by their
own names.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from layers.errors import BadRequest
from layers.moments import AsOf, read_moment

DATETIME_DESCRIPTION = (
    "该时刻的状态；日期指当日结束（北京时间），区间指其终点 "
    "As the map stood then: an instant, a date (its end, in China) or an interval (its end)"
)


def as_of(version: int | None, moment: str | None) -> AsOf:
    """What the two parameters mean together; raises `BadRequest` for both at once, or no time."""
    if version is not None and moment is not None:
        raise BadRequest(
            "version 与 datetime 只能给出一个",
            "give version or datetime, not both",
            field="datetime",
            value=moment,
            expected="version or datetime",
        )
    return AsOf(version, None if moment is None else read_moment(moment))


async def _of_layer(
    version: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="按此版本 As of this version of the layer")
    ] = None,
    datetime: Annotated[
        str | None, Query(max_length=100, description=DATETIME_DESCRIPTION, examples=["2026-03-01"])
    ] = None,
) -> AsOf:
    return as_of(version, datetime)


AsOfDep = Annotated[AsOf, Depends(_of_layer)]


def require_one(as_of: AsOf, layers: int) -> None:
    """Raises `BadRequest` for a version of several layers, each of which counts its own."""
    if as_of.version is not None and layers != 1:
        raise BadRequest(
            "只有单个图层可以指定版本；多个图层请用 datetime",
            "a version can be asked of one layer at a time; use datetime for several",
            field="version",
            value=as_of.version,
            expected="one layer, or datetime",
        )
