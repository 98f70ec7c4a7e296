"""What a large first version still lacks when it is published: indexes for search and filters, lighter copy.

It is whole and right before: searches read every row, far zooms draw every row. The work is named in the
layer's `unfinished` until it is done, so that another process can do it should this one die.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.catalogue import lock_layer, read_layer
from layers.db import Database
from layers.errors import OneMapError
from layers.generalise import copy_state, generalise, tidy
from layers.laps import lap
from layers.model import Unfinished, Version
from layers.notices import LAYER_CHANNEL, notify
from layers.schema import ROWS_SCHEMA
from layers.tables import ensure_indexes

LATER_FROM = 50_000
"""With fewer rows everything is made in the publication itself, in less than a second."""
ALL: tuple[Unfinished, ...] = ("indexes", "copy")

_LOCK = 0x6F6D66  # "omf": the first half of the advisory lock of one who makes a layer's indexes
_log = logging.getLogger(__name__)


async def after_publication(db: Database, made: Sequence[Version]) -> None:
    """What follows a publication's transaction. The versions stand whether this succeeds or not."""
    await finish(db, [version.layer_id for version in made])
    await tidy(db, made)


async def finish_what_waits(db: Database) -> int:
    """Finishes the layers that a process left unfinished; returns how many there were."""
    async with db.connect() as connection:
        table = schema.layer
        waiting = (await connection.scalars(select(table.c.id).where(table.c.unfinished != []))).all()
    await finish(db, waiting)
    return len(waiting)


async def finish(db: Database, layer_ids: Iterable[str]) -> None:
    """Makes what the layers still lack, indexes and copy at once; harmless where nothing is lacking."""
    for layer_id in layer_ids:
        async with db.connect() as connection:
            unfinished = (await read_layer(connection, layer_id)).unfinished
        works = {"indexes": _indexes, "copy": _copy}
        done = await asyncio.gather(
            *(works[part](db, layer_id) for part in unfinished), return_exceptions=True
        )
        for error in done:
            if isinstance(error, OneMapError):
                _log.warning("layer %s could not be finished and waits: %s", layer_id, error.en)
            elif error is not None:
                raise error


async def _indexes(db: Database, layer_id: str) -> None:
    # A transaction of its own, which holds the rows and never waits for the layer: a publisher holds the
    # layer and waits for the rows.
    async with db.begin(timeout_ms=0) as connection:
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(layer_id))))
        layer = await read_layer(connection, layer_id)
        with lap("other indexes"):
            await ensure_indexes(connection, layer)
        with lap("statistics"):
            await connection.execute(text(f'ANALYZE {ROWS_SCHEMA}."{layer_id}"'))
    async with db.begin() as connection:
        await lock_layer(connection, layer_id)
        await _done(connection, layer_id, "indexes")


async def _copy(db: Database, layer_id: str) -> None:
    async with db.begin(timeout_ms=0) as connection:
        layer = await lock_layer(connection, layer_id)
        if "copy" not in layer.unfinished:
            return
        with lap("lighter copy"):
            copy = await generalise(connection, layer)
        table = schema.layer
        await connection.execute(update(table).where(table.c.id == layer_id).values(copy_state(copy)))
        await _done(connection, layer_id, "copy")
        await notify(connection, LAYER_CHANNEL, layer_id, layer.version)


async def _done(connection: AsyncConnection, layer_id: str, part: Unfinished) -> None:
    table = schema.layer
    remaining = func.array_remove(table.c.unfinished, part)
    await connection.execute(update(table).where(table.c.id == layer_id).values(unfinished=remaining))
