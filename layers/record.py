"""What a publication writes down: the version, and how the layer stands from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.catalogue import version_of
from layers.model import Difference, Layer, Origin, Version
from layers.notices import LAYER_CHANNEL, notify
from layers.origins import origin_json
from layers.tables import rows_table


async def record(
    connection: AsyncConnection,
    layer: Layer,
    difference: Difference,
    number: int,
    state: Mapping[str, Any],
    *,
    origins: Sequence[Origin],
    by: str,
    note: str,
    report: Mapping[str, Any],
) -> Version:
    """Writes the version and the layer's new state, and tells the other processes.

    `state`: the columns `bounds`, `generalised`, `classes` and `unfinished` of the layer.
    """
    told = [origin_json(one) for one in origins]
    made = await connection.execute(
        insert(schema.layer_version)
        .values(
            layer_id=layer.id,
            number=number,
            # Not the transaction's beginning: this one may have waited for another that began later.
            published_at=func.clock_timestamp(),
            published_by=by,
            added=difference.added,
            changed=difference.changed,
            removed=difference.removed,
            note=note,
            boxes=[list(box) for box in difference.boxes],
            report=dict(report),
            origins=told,
        )
        .returning(schema.layer_version)
    )
    version = version_of(made.mappings().one())
    values: dict[str, Any] = {
        "status": "published" if layer.status == "empty" else layer.status,
        "version": number,
        "published_at": version.published_at,
        "feature_count": layer.feature_count + difference.added - difference.removed,
        "origins": told,
        **state,
    }
    await connection.execute(update(schema.layer).where(schema.layer.c.id == layer.id).values(values))
    await notify(connection, LAYER_CHANNEL, layer.id, number)
    return version


async def bounds_of(connection: AsyncConnection, layer: Layer) -> list[float] | None:
    """West, south, east and north of the rows that stand, EPSG:4490; None where none has a place."""
    geometry = rows_table(layer).c._geom
    west, south, east, north = func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax
    corners = select(
        func.min(west(geometry)),
        func.min(south(geometry)),
        func.max(east(geometry)),
        func.max(north(geometry)),
    )
    row = (await connection.execute(corners)).one()
    return None if row[0] is None else [float(v) for v in row]
