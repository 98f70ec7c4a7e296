"""Where a table's rows are: its geometry column, coordinate system and kind of shapes, with the evidence.

What a column's type does not say is read from a sample of its rows, and said; what they do not say either
(SRID 0) is asked for, never guessed in silence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import ColumnElement, TableClause, column, func, literal_column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import NullType

from gis.crs import describe, domain, read_crs, route
from gis.errors import UnknownCrs
from gis.gauss import guess_gauss
from layers.db import driver, for_driver
from layers.errors import BadRequest
from layers.model import BoundingBox, GeometryType, Origin, Text
from layers.registration import Finding, Registration
from layers.table_facts import ColumnFacts, TableFacts
from layers.tables import SRID

SAMPLE_ROWS = 10_000
"""Rows looked at where a column's type does not say what it holds."""
_CHINA = BoundingBox(73.0, 3.0, 136.0, 54.0)
"""Where a coordinate system of the operator's own is tried, as no registry says where it serves."""

_FAMILIES: dict[str, GeometryType] = {
    "POINT": "Point",
    **dict.fromkeys(
        ("LINESTRING", "MULTILINESTRING", "CIRCULARSTRING", "COMPOUNDCURVE", "MULTICURVE"), "MultiLineString"
    ),
    **dict.fromkeys(("POLYGON", "MULTIPOLYGON", "CURVEPOLYGON", "MULTISURFACE"), "MultiPolygon"),
    **dict.fromkeys(("MULTIPOINT", "GEOMETRYCOLLECTION", "GEOMETRY"), "Geometry"),
}
SHAPES = ("Point", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "Geometry")
"""What may be said of a column's shapes."""


class Place(NamedTuple):
    """The geometry of a table as `layers.model.Relation` and `Layer` hold it."""

    column: str
    type: GeometryType
    srid: int
    is_unstated: bool
    domain: BoundingBox
    extent: tuple[float, float, float, float]
    origin: Origin
    findings: tuple[Finding, ...]


class _Seen(NamedTuple):
    """Rows of a sample with one SRID and one kind of shape, and the box round them in their own units."""

    srid: int
    shape: str
    rows: int
    box: tuple[float, float, float, float] | None


async def find_place(connection: AsyncConnection, facts: TableFacts, wanted: Registration) -> Place:
    """The geometry column, and what system and shapes its rows are in.

    Raises `BadRequest`, with the evidence, where that cannot be told or contradicts what was said.
    """
    found = geometry_column(facts, wanted.geometry)
    stated_type = stated_type_of(found)
    stated_srid = found.srid or None
    seen: list[_Seen] = []
    if stated_srid is None or stated_type is None:
        seen = await _sample(connection, facts, found.name)
    findings: list[Finding] = []
    if stated_srid is not None and wanted.srid not in (None, stated_srid):
        raise _contradicts(facts, found, "srid", wanted.srid, f"SRID {stated_srid}")
    srid = stated_srid or _srid_of(facts, found, seen, wanted.srid)
    if stated_srid is None:
        findings.append(_evidence(found, seen, f"EPSG:{srid}"))
    kind = _type_of(facts, found, stated_type, seen, wanted.geometry_type)
    if stated_type is None:
        findings.append(_evidence(found, seen, kind))
    served, extent = await extent_of(connection, srid)
    is_unstated = stated_srid is None and (wanted.srid is not None or any(s.srid == 0 for s in seen))
    stated = Text("列的类型说明", "the column's type says so")
    said = Text("登记时指定", "said when it was registered")
    evidence = stated if stated_srid is not None else said if wanted.srid is not None else _told(seen)
    origin = origin_in(srid, evidence, is_assumed=stated_srid is None and wanted.srid is None)
    return Place(found.name, kind, srid, is_unstated, served, extent, origin, tuple(findings))


async def estimated_rows(connection: AsyncConnection, facts: TableFacts) -> int:
    """How many rows the planner expects."""
    source = table(facts.name, schema=facts.schema)
    plan = await explained(connection, select(literal_column("1")).select_from(source))
    return int(plan["Plan Rows"])


async def explained(connection: AsyncConnection, statement: sqlalchemy.Select[Any]) -> dict[str, Any]:
    """The top node of the planner's plan for `statement`."""
    compiled = for_driver(statement)
    raw = await driver(connection)
    cursor = await raw.execute(f"EXPLAIN (FORMAT JSON) {compiled.text}".encode(), dict(compiled.values))
    row = await cursor.fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def geometry_column(facts: TableFacts, wanted: str | None) -> ColumnFacts:
    """The column wanted, or the only one; raises `BadRequest`."""
    columns = [c for c in facts.columns if c.base == "geometry" and c.may_read]
    names = ", ".join(c.name for c in columns)
    if wanted is None and len(columns) == 1:
        return columns[0]
    for one in columns:
        if one.name == wanted:
            return one
    if not columns:
        is_geography = any(c.base == "geography" for c in facts.columns)
        hint = ("；geography 列请用视图转换为 geometry", "; cast a geography column to geometry in a view")
        more = hint if is_geography else ("", "")
        zh, en = (f"{facts.title} 没有几何列{more[0]}", f"{facts.title} has no geometry column{more[1]}")
    elif wanted is None:
        zh = f"{facts.title} 有多个几何列（{names}），请用 --geometry 指定"
        en = f"{facts.title} has several geometry columns ({names}); name one with --geometry"
    else:
        zh = f"{facts.title} 没有几何列 {wanted}，只有 {names}"
        en = f"{facts.title} has no geometry column {wanted!r}, only {names}"
    raise BadRequest(zh, en, field="geometry", value=wanted or "", expected=names or "a geometry column")


def stated_type_of(found: ColumnFacts) -> GeometryType | None:
    """What the column's type says of its shapes; None for plain `geometry`."""
    shape = re.sub("(ZM|Z|M)$", "", found.shape or "").upper()
    if shape == "GEOMETRY" or not shape:
        return None
    kind = _FAMILIES.get(shape)
    if kind is None:
        raise BadRequest(
            f"几何列 {found.name} 的类型 {found.whole_type} 无法在地图上绘制",
            f"shapes of column {found.name}, {found.whole_type}, cannot be drawn on a map",
            field="geometry",
            value=found.whole_type,
            expected="points, lines or areas",
        )
    return kind


async def _sample(connection: AsyncConnection, facts: TableFacts, name: str) -> list[_Seen]:
    source, raw = _column(facts, name)
    rows: Any = source
    expected = await estimated_rows(connection, facts)
    if facts.kind in ("table", "partitioned table", "materialized view") and expected > 2 * SAMPLE_ROWS:
        # Twice what is needed, from all over the table: its first rows may be of one delivery.
        share: ColumnElement[float] = literal_column(repr(200.0 * SAMPLE_ROWS / expected))
        rows = source.tablesample(func.system(share), name="some")
        raw = rows.c[name]
    few = select(raw.label("g")).select_from(rows).where(raw.is_not(None)).limit(SAMPLE_ROWS).subquery("few")
    srid, shape = func.ST_SRID(few.c.g), func.GeometryType(few.c.g)
    corners = [func.min(func.ST_XMin(few.c.g)), func.min(func.ST_YMin(few.c.g)),
               func.max(func.ST_XMax(few.c.g)), func.max(func.ST_YMax(few.c.g))]  # fmt: skip
    statement = select(srid, shape, func.count(), *corners).group_by(srid, shape)
    found = await connection.execute(statement.order_by(func.count().desc()))
    return [
        _Seen(row[0], row[1], row[2], None if row[3] is None else (row[3], row[4], row[5], row[6]))
        for row in found
    ]


def _srid_of(facts: TableFacts, found: ColumnFacts, seen: Sequence[_Seen], wanted: int | None) -> int:
    """The system of rows whose column does not state one."""
    given = {s.srid for s in seen}
    if wanted is not None:
        if given - {0, wanted}:
            raise _contradicts(facts, found, "srid", wanted, _told(seen).en)
        return wanted
    if len(given) == 1 and given != {0}:
        return given.pop()
    told = _told(seen)
    guess = _guess(seen) if given == {0} else None
    hint = Text("", "") if guess is None else guess
    raise BadRequest(
        f"{facts.title} 的 {found.name} 没有说明坐标系：{told.zh}。请用 --srid 指定{hint.zh}",
        f"{found.name} of {facts.title} does not say its coordinate system: {told.en}."
        f" Say it with --srid{hint.en}",
        field="srid",
        value=", ".join(str(srid) for srid in sorted(given)),
        expected="the EPSG code of the coordinates",
    )


def _type_of(
    facts: TableFacts,
    found: ColumnFacts,
    stated: GeometryType | None,
    seen: Sequence[_Seen],
    wanted: str | None,
) -> GeometryType:
    """The kind of shapes: as stated, else as said, else as all of the sample are."""
    said = said_type_of(wanted)
    if stated is not None:
        if said not in (None, stated):
            raise _contradicts(facts, found, "type", wanted, found.whole_type)
        return stated
    families = {_FAMILIES.get(s.shape, "Geometry") for s in seen}
    if said is not None:
        if said != "Geometry" and families - {said}:
            raise _contradicts(facts, found, "type", wanted, _told(seen).en)
        return said
    if not families:
        raise BadRequest(
            f"{facts.title} 的 {found.name} 还没有数据，请用 --type 指定几何类型",
            f"{found.name} of {facts.title} holds nothing yet; say its shapes with --type",
            field="type",
            value="",
            expected=", ".join(SHAPES),
        )
    return families.pop() if len(families) == 1 else "Geometry"


def said_type_of(wanted: str | None) -> GeometryType | None:
    """What a person said of the shapes; raises `BadRequest` for what is none of `SHAPES`."""
    if wanted is None:
        return None
    if wanted not in SHAPES:
        raise BadRequest(
            f"没有几何类型“{wanted}”",
            f"there is no geometry type {wanted!r}",
            field="type",
            value=wanted,
            expected=", ".join(SHAPES),
        )
    return _FAMILIES[wanted.upper()]


async def extent_of(
    connection: AsyncConnection, srid: int
) -> tuple[BoundingBox, tuple[float, float, float, float]]:
    """Where the system serves, in degrees and in its own units; `BadRequest` if PostGIS knows it not."""
    known = domain(srid)
    served = _CHINA if known is None else BoundingBox(*known)
    box = func.ST_MakeEnvelope(*served, SRID, type_=NullType())
    moved = func.ST_Transform(func.ST_Segmentize(box, 0.5), srid, type_=NullType())
    corners = [f(moved) for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)]
    try:
        async with connection.begin_nested():
            found = [float(v) for v in (await connection.execute(select(*corners))).one()]
    except sqlalchemy.exc.DBAPIError:
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        raise BadRequest(
            f"PostGIS 无法在 EPSG:{srid} 与 EPSG:4490 之间转换",
            f"PostGIS cannot transform between SRID {srid} and EPSG:4490",
            field="srid",
            value=srid,
            expected="a code that stands in spatial_ref_sys",
        )
    west, south, east, north = found
    return served, (west, south, east, north)


def origin_in(srid: int, evidence: Text, *, is_assumed: bool) -> Origin:
    """How the rows' coordinates come to CGCS2000, each time they are read."""
    try:
        system = read_crs(srid)
    except UnknownCrs:
        way = Text("由 PostGIS 按 spatial_ref_sys 转换", "by PostGIS, as spatial_ref_sys says")
        return Origin(f"SRID {srid}", evidence, is_assumed, way, None, "")
    taken = route(system)
    return Origin(describe(system), evidence, is_assumed, Text(taken.zh, taken.en), taken.error_m, "")


def _column(facts: TableFacts, name: str) -> tuple[TableClause, ColumnElement[Any]]:
    source = table(facts.name, column(name, NullType()), schema=facts.schema)
    return source, source.c[name]


def _told(seen: Sequence[_Seen]) -> Text:
    """The sample in words."""
    if not seen:
        return Text("没有一行有几何", "no row has a geometry")
    total = sum(s.rows for s in seen)
    parts = [f"{s.rows:,} × {s.shape} SRID {s.srid}" for s in seen[:5]]
    return Text(f"抽样 {total:,} 行：{'，'.join(parts)}", f"of {total:,} rows looked at: {', '.join(parts)}")


def _guess(seen: Sequence[_Seen]) -> Text | None:
    """Which system the numbers look like, as a proposal to a person."""
    boxes = [s.box for s in seen if s.box is not None]
    if not boxes:
        return None
    x = [v for box in boxes for v in (box[0], box[2])]
    y = [v for box in boxes for v in (box[1], box[3])]
    if all(70 <= v <= 140 for v in x) and all(0 <= v <= 60 for v in y):
        return Text("（数值像经纬度，如 4490）", " (the numbers look like degrees: 4490?)")
    found = guess_gauss(x, y)
    if found is None or found.swapped:
        return None
    return Text(
        f"（数值像 {found.epsg}：{found.evidence_zh}）",
        f" (the numbers look like {found.epsg}: {found.evidence_en})",
    )


def _evidence(found: ColumnFacts, seen: Sequence[_Seen], taken: str) -> Finding:
    told = _told(seen)
    return Finding(
        "found",
        Text(
            f"列 {found.name}（{found.whole_type}）按 {taken} 处理；{told.zh}",
            f"column {found.name} ({found.whole_type}) is taken as {taken}; {told.en}",
        ),
    )


def _contradicts(
    facts: TableFacts, found: ColumnFacts, field: str, said: object, evidence: str
) -> BadRequest:
    return BadRequest(
        f"{facts.title} 的 {found.name} 与指定的 {said} 不符：{evidence}",
        f"{found.name} of {facts.title} is not {said}: {evidence}",
        field=field,
        value=said,
        expected=evidence,
    )
