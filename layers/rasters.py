"""Raster layers: published file by file, each with the date the ground looked so, and chosen by date.

The files stand side by side: publishing one hides none. The pixels are files in a folder of the service;
the catalogue holds what is said of them.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import func, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.access import Scope, Viewer, scope_for
from layers.catalogue import find_layer, register, version_of
from layers.db import Database
from layers.errors import BadRequest, Conflict, NotFound
from layers.model import BoundingBox, Layer, RasterFile, Version
from layers.notices import LAYER_CHANNEL, notify
from layers.origins import following, origin_json
from layers.raster_json import raster_to_json

TAKEN = re.compile(r"([12]\d{3})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?")
"""A year, a month or a day."""
CHINA_OFFSET_HOURS = 8


async def publish_raster(
    db: Database, layer: Layer, raster: RasterFile, *, by: str, note: str = "", report: dict[str, Any]
) -> Version:
    """Makes `raster` the next version of `layer`, which is registered where it is new.

    `report` is what was done, as JSON; its member `origins` says how the coordinates came to be. The number
    in `raster.version` is not looked at: the version's own is written. Raises `Conflict` where the id belongs
    to a layer of another kind.
    """
    await register(db, layer)
    async with db.begin(timeout_ms=0) as connection:
        return await publish_raster_in(connection, layer.id, raster, by=by, note=note, report=report)


async def publish_raster_in(
    connection: AsyncConnection,
    layer_id: str,
    raster: RasterFile,
    *,
    by: str,
    note: str,
    report: Mapping[str, Any],
) -> Version:
    """As `publish_raster`, of a registered layer, in the transaction of `connection`."""
    standing = await find_layer(connection, layer_id, for_update=True)
    assert standing is not None
    number = standing.version + 1
    numbered = replace(raster, version=number)
    rasters = (*standing.rasters, numbered)
    origins = [origin_json(one) for one in following(standing.origins, report, layer_id, joins=True)]
    made = await connection.execute(
        insert(schema.layer_version)
        .values(
            layer_id=layer_id,
            number=number,
            # Not the transaction's beginning: this one may have waited for another that began later.
            published_at=func.clock_timestamp(),
            published_by=by,
            added=1,
            changed=0,
            removed=0,
            note=note,
            boxes=[list(raster.bounds)],
            report=dict(report),
            origins=origins,
        )
        .returning(schema.layer_version)
    )
    version = version_of(made.mappings().one())
    state: dict[str, Any] = {
        "status": "published" if standing.status == "empty" else standing.status,
        "version": number,
        "published_at": version.published_at,
        "feature_count": 0,
        "bounds": list(_together([one.bounds for one in rasters])),
        "rasters": [raster_to_json(one) for one in rasters],
        "origins": origins,
    }
    await connection.execute(update(schema.layer).where(schema.layer.c.id == layer_id).values(state))
    await notify(connection, LAYER_CHANNEL, layer_id, number)
    return version


def raster_scope(
    viewer: Viewer, layer: Layer, *, version: int | None = None, moment: str | None = None
) -> tuple[Scope, RasterFile]:
    """What `viewer` may see of a raster layer: its scope at one version, and that version's file.

    `version` names one; `moment` (a year, month, day or RFC 3339 time) the newest not taken after it;
    neither: the newest. Raises as `layers.access.scope_for` does, `BadRequest` for a layer without pixels
    or a moment that is none, `NotFound` where nothing was taken by then.
    """
    scope_for(viewer, layer)  # first of all whether there is anything to say
    if layer.kind != "raster":
        raise BadRequest(
            f"图层“{layer.title.zh}”不是栅格图层；其矢量瓦片在 /tiles/{layer.id}/{{z}}/{{x}}/{{y}}.mvt",
            f"layer {layer.id!r} is no raster and has no pictures;"
            f" its vector tiles are at /tiles/{layer.id}/{{z}}/{{x}}/{{y}}.mvt",
            field="layer",
            value=layer.id,
            expected="a raster layer",
        )
    if version is not None and moment is not None:
        raise BadRequest(
            "version 与 datetime 只能给一个",
            "give either `version` or `datetime`",
            field="datetime",
            value=moment,
            expected="no datetime beside version",
        )
    if version is not None:
        scope = scope_for(viewer, layer, version=version)
        chosen = next(one for one in layer.rasters if one.version == version)
    else:
        chosen = _newest(layer, None if moment is None else last_day(moment))
        scope = scope_for(viewer, layer, version=chosen.version)
    return scope, chosen


def by_date(layer: Layer) -> tuple[RasterFile, ...]:
    """What can be chosen by date, newest first: of several of one date, the one published last."""
    latest = {one.taken: one for one in sorted(layer.rasters, key=lambda one: one.version)}
    return tuple(sorted(latest.values(), key=_age, reverse=True))


def last_day(moment: str) -> date:
    """The last day of a year, a month or a day, or the day in China of an RFC 3339 time.

    >>> last_day("2024-02"), last_day("2024-02-28T20:00:00Z")
    (datetime.date(2024, 2, 29), datetime.date(2024, 2, 29))
    """
    found = TAKEN.fullmatch(moment)
    try:
        if found is not None:
            year, month = int(found[1]), int(found[2] or 12)
            return date(year, month, int(found[3] or monthrange(year, month)[1]))
        instant = datetime.fromisoformat(moment)
        if instant.tzinfo is not None:
            seconds = instant.astimezone(UTC).timestamp() + CHINA_OFFSET_HOURS * 3600
            return datetime.fromtimestamp(seconds, UTC).date()
    except (ValueError, OverflowError):
        pass
    raise BadRequest(
        f"时间“{moment[:60]}”有误",
        f"{moment[:60]!r} is no date",
        field="datetime",
        value=moment,
        expected="2024, 2024-05, 2024-05-01 or 2024-05-01T08:00:00Z",
    )


def _newest(layer: Layer, day: date | None) -> RasterFile:
    for one in by_date(layer):
        if day is None or first_day(one.taken) <= day:
            return one
    dates = [one.taken for one in by_date(layer)]
    raise NotFound(
        f"图层“{layer.title.zh}”在该日期之前没有数据，现有：{'、'.join(dates) or '无'}",
        f"layer {layer.id!r} has nothing from that date or before; there is {', '.join(dates) or 'nothing'}",
        layer=layer.id,
        expected=", ".join(dates),
    )


def first_day(taken: str) -> date:
    """The first day of a year, a month or a day."""
    found = TAKEN.fullmatch(taken)
    if found is None:
        raise Conflict(f"日期“{taken}”有误", f"{taken!r} is no date", value=taken)
    return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))


def _age(raster: RasterFile) -> tuple[date, int]:
    return first_day(raster.taken), raster.version


def _together(boxes: list[BoundingBox]) -> BoundingBox:
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return BoundingBox(min(wests), min(souths), max(easts), max(norths))
