"""Where all rows of a point layer are, in one go: for joining a delivery to points that are published."""

from __future__ import annotations

from sqlalchemy import func, select

from layers.access import Scope
from layers.db import Database
from layers.rows import rows


async def key_points(db: Database, scope: Scope) -> tuple[list[str], list[tuple[float, float]]]:
    """The keys of the scoped rows and their longitudes and latitudes (EPSG:4490), in the same order."""
    relation = rows(scope, fields=[]).subquery("node")
    statement = select(relation.c._key, func.ST_X(relation.c._geom), func.ST_Y(relation.c._geom)).where(
        relation.c._geom.is_not(None)
    )
    async with db.connect() as connection:
        found = (await connection.execute(statement)).all()
    return [row[0] for row in found], [(row[1], row[2]) for row in found]


async def keys(db: Database, scope: Scope) -> set[str]:
    """The keys of the scoped rows."""
    relation = rows(scope, fields=[]).subquery("row")
    async with db.connect() as connection:
        return set((await connection.scalars(select(relation.c._key))).all())
