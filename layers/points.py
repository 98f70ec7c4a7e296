"""Where all rows of a point layer are, in one go: for joining a delivery to points that are published."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from layers.access import Scope
from layers.db import Database
from layers.relation_state import reading
from layers.rows import rows

_AT_ONCE = 5000
"""Keys asked for in one statement."""


async def key_points(db: Database, scope: Scope) -> tuple[list[str], list[tuple[float, float]]]:
    """The keys of the scoped rows and their longitudes and latitudes (EPSG:4490), in the same order."""
    relation = rows(scope, fields=[]).subquery("node")
    statement = select(relation.c._key, func.ST_X(relation.c._geom), func.ST_Y(relation.c._geom)).where(
        relation.c._geom.is_not(None)
    )
    async with reading(db, scope) as connection:
        found = (await connection.execute(statement)).all()
    return [row[0] for row in found], [(row[1], row[2]) for row in found]


async def shapes_of_keys(db: Database, scope: Scope, wanted: Sequence[str]) -> dict[str, bytes]:
    """The geometries (WKB, EPSG:4490) of those of the `wanted` keys that the scope holds."""
    relation = rows(scope, fields=[]).subquery("row")
    found: dict[str, bytes] = {}
    async with db.connect() as connection:
        for start in range(0, len(wanted), _AT_ONCE):
            some = list(wanted[start : start + _AT_ONCE])
            statement = select(relation.c._key, func.ST_AsBinary(relation.c._geom)).where(
                relation.c._key == func.any(some), relation.c._geom.is_not(None)
            )
            found |= {key: bytes(wkb) for key, wkb in await connection.execute(statement)}
    return found


async def keys(db: Database, scope: Scope) -> set[str]:
    """The keys of the scoped rows."""
    relation = rows(scope, fields=[]).subquery("row")
    async with reading(db, scope) as connection:
        return set((await connection.scalars(select(relation.c._key))).all())
