"""How many rows a table has and where, and what its owner should know before it is served."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Text as SqlText
from sqlalchemy import and_, column, func, literal_column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.errors import BadRequest
from layers.model import BoundingBox, Layer, Text
from layers.registration import Finding
from layers.relation import KEY_COLUMN, RAW_COLUMN, relation_of, relation_rows
from layers.table_facts import TableFacts
from layers.table_geometry import estimated_rows

COUNT_AT_MOST = 2_000_000
"""Rows the planner expects up to which they are counted and measured; of more, their number is estimated."""
MEASURE_AT_MOST = 100_000
"""Rows of a larger table that are measured, for its bounds."""
IN_ONE_TILE = 20_000
"""Rows a tile may hold on average at the least zoom a layer is drawn at, as no lighter copy is made of it."""
FARTHEST_DEFAULT_ZOOM = 16


async def require_zone(connection: AsyncConnection, zone: str | None) -> None:
    if zone is None:
        return
    known = select(func.count()).select_from(table("pg_timezone_names", schema="pg_catalog"))
    if not await connection.scalar(known.where(column("name", SqlText) == zone)):
        raise BadRequest(
            f"没有时区“{zone}”",
            f"there is no time zone {zone!r}",
            field="zone",
            value=zone,
            expected="a name such as Asia/Shanghai",
        )


async def require_unique(connection: AsyncConnection, facts: TableFacts, layer: Layer) -> None:
    """Raises `BadRequest` if two rows share a key or one has none, with some of them named."""
    key = relation_rows(layer, ()).subquery("scoped").c[KEY_COLUMN]
    nulls, twice = (
        (await connection.execute(select(func.count()).where(key.is_(None)))).scalar_one(),
        (
            await connection.execute(
                select(key, func.count())
                .where(key.is_not(None))
                .group_by(key)
                .having(func.count() > 1)
                .order_by(key)
                .limit(5)
            )
        ).all(),
    )
    if not nulls and not twice:
        return
    some = "、".join(f"{row[0]} × {row[1]}" for row in twice)
    name = relation_of(layer).key
    raise BadRequest(
        f"{facts.title} 的列 {name} 不能作键：{nulls} 行为空，重复的有 {some or '无'}",
        f"column {name} of {facts.title} cannot be the key: {nulls} rows without it,"
        f" repeated: {some or 'none'}",
        field="key",
        value=name,
        expected="a column without nulls whose values are unique",
    )


class Measured(NamedTuple):
    """`placeless`: rows whose geometry cannot be given, None where they were not counted."""

    rows: int
    is_estimate: bool
    bounds: BoundingBox | None
    placeless: int | None


async def measure(connection: AsyncConnection, facts: TableFacts, layer: Layer) -> Measured:
    """How many rows there are and where; of a large table as far as a sample tells."""
    expected = await estimated_rows(connection, facts)
    is_estimate = expected > COUNT_AT_MOST
    read = relation_rows(layer, ()).subquery("read")
    placed = select(read.c._geom, read.c[RAW_COLUMN].is_not(None).label("is_given"))
    # A fence: without it each place would be transformed once for every column that looks at it.
    placed = placed.limit(MEASURE_AT_MOST) if is_estimate else placed.offset(literal_column("0"))
    some = placed.subquery("some")
    box = func.ST_Extent(some.c._geom)
    corners = [f(box) for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)]
    lost = func.count().filter(and_(some.c.is_given, some.c._geom.is_(None)))
    row = (await connection.execute(select(func.count(), lost, *corners).select_from(some))).one()
    bounds = None if row[2] is None else BoundingBox(*(float(v) for v in row[2:]))
    return Measured(expected if is_estimate else row[0], is_estimate, bounds, row[1])


def least_zoom(measured: Measured) -> int:
    """The farthest zoom at which the tiles over the layer's bounds hold `IN_ONE_TILE` rows on average."""
    if measured.bounds is None:
        return 0
    west, south, east, north = measured.bounds
    for zoom in range(FARTHEST_DEFAULT_ZOOM):
        side = 360.0 / 2**zoom
        tiles = max(1.0, (east - west) / side) * max(1.0, (north - south) / side)
        if measured.rows / tiles <= IN_ONE_TILE:
            return zoom
    return FARTHEST_DEFAULT_ZOOM


def remarks(facts: TableFacts, layer: Layer, measured: Measured) -> list[Finding]:
    relation = relation_of(layer)
    found = []
    if not relation.is_unique:
        found.append(
            Finding(
                "warning",
                Text(
                    f"键 {relation.key} 现在唯一，但没有唯一索引保证",
                    f"the key {relation.key} is unique now, but no unique index keeps it so",
                ),
            )
        )
    if measured.is_estimate:
        found.append(
            Finding(
                "found",
                Text(
                    f"行数约 {measured.rows:,}（估计），范围来自部分行",
                    f"about {measured.rows:,} rows (an estimate); the bounds are those of some of them",
                ),
            )
        )
    if measured.placeless:
        found.append(
            Finding(
                "warning",
                Text(
                    f"{measured.placeless:,} 行的几何无法使用（超出 EPSG:{relation.srid} 的范围，"
                    "或坐标系不同），只有属性可查",
                    f"{measured.placeless:,} rows have a geometry that cannot be used (outside"
                    f" EPSG:{relation.srid}, or in another system); only their attributes are given",
                ),
            )
        )
    if facts.has_row_security:
        found.append(
            Finding(
                "warning",
                Text(
                    f"{facts.title} 启用了行级安全，只能看到用户 {facts.user} 可见的行",
                    f"{facts.title} has row security: only what {facts.user} may see is served",
                ),
            )
        )
    return found
