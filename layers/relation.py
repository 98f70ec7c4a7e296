"""Rows of a registered layer, read where they are: the user's table or view as our columns. Pure, only SQL.

Nothing is copied, so coordinates are transformed as rows leave, and what chooses rows must be said in the
table's own terms for the table's own indexes to serve: a box in its coordinate system, a key of its type.
Who may see which rows and fields is `layers.rows`' business, which is the only caller but for tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zlib import crc32

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    FromClause,
    Numeric,
    Select,
    Text,
    Uuid,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    null,
    select,
    table,
)
from sqlalchemy.types import NullType, TypeEngine, UserDefinedType

from layers.model import BoundingBox, Field, GeometryType, KeyType, Layer, Reading, Relation
from layers.tables import SRID, column_type

KEY_COLUMN = "_rid"
"""The key as it stands in the table: rows are ordered and found by it."""
RAW_COLUMN = "_raw"
"""The geometry as it stands in the table: boxes are compared with it."""
MERCATOR = 3857

_GREATEST_ID = 2**53 - 1
"""What a feature id may be at most, as browsers read it (RFC 8259 §6)."""
_STEPS = 32
"""Pieces each side of a box is cut into before it is transformed: a straight edge bends on the way."""
_SLACK = 0.005
"""Share of its size by which a transformed box grows. Between two of 32 points an edge of 60° bends by
0.02 % of its length at most."""
_HAIR = 1e-7
"""Degrees a box grows before it is transformed (1 cm), so that a point is a box too."""
_BEND = 1e-4
"""The same where the table counts in metres (11 m): an edge straight there is not straight in degrees.
Between two vertices 25 km apart they differ by that much, at 5 km by half a metre."""


class _PaddedText(UserDefinedType[str]):
    """`char(n)` without its length: what is compared with it as such finds its index."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "BPCHAR"


_KEY_TYPES: dict[KeyType, TypeEngine[Any]] = {
    "integer": BigInteger(),
    "number": Numeric(),
    "uuid": Uuid(as_uuid=False),
    "text": Text(),
    "char": _PaddedText(),
}


def relation_of(layer: Layer) -> Relation:
    """The relation of a registered layer."""
    assert layer.relation is not None, layer.id
    return layer.relation


def relation_rows(layer: Layer, fields: Sequence[str]) -> Select[Any]:
    """Every row: `_fid`, `_key`, `_geom`, `_geom_3857`, then `fields`, then the key and geometry as they are.

    `_geom` is null where a row has no place that could be drawn (see `_placed`). `_fid` is the key itself
    where that is a whole number that a tile and a browser can hold, else a digest of it, equal for two rows
    in 1 of 10¹⁰ pairs.
    """
    relation = relation_of(layer)
    return rows_from(_source(relation), relation, layer, fields)


def rows_from(source: FromClause, relation: Relation, layer: Layer, fields: Sequence[str]) -> Select[Any]:
    """What `relation_rows` says, of `source`: a table, or whatever has its columns. Without a key in it
    the rows have neither key nor id."""
    key: ColumnElement[Any] = null() if not relation.key else column(relation.key, key_type_of(relation))
    number = key if not relation.key else _digest(key)
    if relation.key_type == "integer" and relation.key:
        # Ids in a tile have no sign: ST_AsMVT leaves out one below zero.
        is_id = key.between(literal_column("0"), literal_column(str(_GREATEST_ID)))
        number = case((is_id, key), else_=number)
    chosen = [f for name in fields if (f := layer.field(name)) is not None]
    return select(
        cast(number, BigInteger).label("_fid") if not relation.key else number.label("_fid"),
        cast(key, Text).label("_key"),
        _placed(relation, layer.geometry_type, SRID).label("_geom"),
        _placed(relation, layer.geometry_type, MERCATOR).label("_geom_3857"),
        *(field_value(relation, f).label(f.name) for f in chosen),
        key.label(KEY_COLUMN),
        column(relation.geometry, NullType()).label(RAW_COLUMN),
    ).select_from(source)


def key_type_of(relation: Relation) -> TypeEngine[Any]:
    """The type of the key's column."""
    return _KEY_TYPES[relation.key_type]


def field_value(relation: Relation, field: Field) -> ColumnElement[Any]:
    """A field as the type we give it, from its column."""
    own: ColumnElement[Any] = column(field.name, column_type(field.type))
    return _read(own, relation.reads[field.name], relation.zone)


def overlaps(relation: Relation, raw: ColumnElement[Any], shape: ColumnElement[Any]) -> ColumnElement[bool]:
    """Rows whose box meets the box of `shape` (EPSG:4490), or nearly: to choose candidates by the index."""
    return raw.op("&&", is_comparison=True)(in_own_system(relation, shape))


def nearness(relation: Relation, raw: ColumnElement[Any], place: ColumnElement[Any]) -> ColumnElement[Any]:
    """Distance to `place` (EPSG:4490) in the table's units: an order that its index gives."""
    # A place beyond the system's domain has no coordinates in it; the nearest one that does serves as well.
    inside = func.ST_ClosestPoint(_envelope(relation.domain, SRID), place)
    moved = func.ST_Transform(inside, literal_column(str(relation.srid)), type_=NullType())
    return raw.op("<->")(select(moved).scalar_subquery())


def key_value(relation: Relation, text: str) -> ColumnElement[Any] | None:
    """A key, as answers name it, of the column's own type; None if no row can have it."""
    kind = relation.key_type
    value: object
    try:
        if kind == "integer":
            value = int(text)
            if str(value) != text or not -(2**63) <= value < 2**63:
                return None
        elif kind == "number":
            value = Decimal(text)
            if not value.is_finite():
                return None
        elif kind == "uuid":
            value = str(UUID(text))
        else:
            value = text
    except (ValueError, InvalidOperation):
        return None
    if "\x00" in text:
        return None
    if kind == "char":
        return cast(literal(value, Text()), _KEY_TYPES[kind])
    return literal(value, _KEY_TYPES[kind])


def _source(relation: Relation) -> FromClause:
    """The table, under a name that is another one when its columns' types are.

    A connection keeps the plan of a statement it has seen, and refuses to give other types than it had then.
    """
    names = dict.fromkeys((relation.key, relation.geometry))
    columns = [column(n, _KEY_TYPES[relation.key_type] if n == relation.key else NullType()) for n in names]
    types = crc32(repr(sorted(relation.types.items())).encode())
    return table(relation.name, *columns, schema=relation.schema).alias(f"t_{types:08x}")


def _placed(relation: Relation, kind: GeometryType, target: int) -> ColumnElement[Any]:
    """The geometry in EPSG code `target`, two-dimensional; null where it has none that can be given.

    That is: outside the extent of the coordinate system (where the transformation would fail, and one such
    row the whole answer), in another system than the layer's, or a surface in space. A later row may be
    anything in a column that says nothing of its content.
    """
    raw: ColumnElement[Any] = column(relation.geometry, NullType())
    stated = [relation.srid, *([0] if relation.is_unstated else [])]
    box = func.Box2D(raw, type_=NullType())
    fits = and_(
        raw.op("@", is_comparison=True)(_envelope(relation.extent, relation.srid)),
        # Coordinates that are no numbers are in every box by `@`, and above every number by `<=`.
        func.ST_XMax(box) <= literal_column(repr(relation.extent[2])),
        func.ST_YMax(box) <= literal_column(repr(relation.extent[3])),
        func.ST_SRID(raw).in_([literal_column(str(srid)) for srid in stated]),
    )
    shape: ColumnElement[Any] = func.ST_Force2D(raw, type_=NullType())
    if relation.is_unstated:
        shape = func.ST_SetSRID(shape, literal_column(str(relation.srid)), type_=NullType())
    if _may_bend(relation):
        fits &= func.GeometryType(raw).not_in([literal_column(f"'{name}'") for name in _IN_SPACE])
        shape = func.ST_CurveToLine(shape, type_=NullType())
    if kind in ("MultiLineString", "MultiPolygon"):
        shape = func.ST_Multi(shape, type_=NullType())
    if relation.srid != target:
        shape = func.ST_Transform(shape, literal_column(str(target)), type_=NullType())
    return case((fits, shape))


_IN_SPACE = ("TIN", "TRIANGLE", "POLYHEDRALSURFACE")
"""What neither GeoJSON nor a vector tile can hold."""


def _may_bend(relation: Relation) -> bool:
    """Whether the column may hold arcs: by its type, or because its type does not say."""
    kind = relation.types[relation.geometry].casefold()
    return "(" not in kind or any(word in kind for word in ("curve", "circular", "surface", "(geometry"))


def in_own_system(relation: Relation, shape: ColumnElement[Any]) -> ColumnElement[Any]:
    """The box round `shape` in the table's system, a little larger; null where the system does not serve."""
    if relation.srid == SRID:
        return shape
    hair = _BEND if max(map(abs, relation.extent)) > 360.0 else _HAIR
    grown = func.ST_Expand(func.ST_Envelope(shape), literal_column(repr(hair)))
    clipped = func.ST_Intersection(grown, _envelope(relation.domain, SRID), type_=NullType())
    here = select(clipped.label("box")).subquery("here")
    step = func.greatest(_size(here.c.box) / literal_column(str(_STEPS)), literal_column(repr(_HAIR)))
    moved = func.ST_Transform(
        func.ST_Segmentize(here.c.box, step), literal_column(str(relation.srid)), type_=NullType()
    )
    there = select(moved.label("box")).select_from(here).subquery("there")
    slack = _size(there.c.box) * literal_column(repr(_SLACK))
    return select(func.ST_Expand(there.c.box, slack, type_=NullType())).scalar_subquery()


def _datable(own: ColumnElement[Any]) -> ColumnElement[Any]:
    """A time within the years that a calendar date can be written in; null for `infinity` and the like."""
    first: ColumnElement[Any] = literal_column("'0001-01-02'")
    last: ColumnElement[Any] = literal_column("'9999-12-30'")
    return case((own.between(first, last), own))


def _size(box: ColumnElement[Any]) -> ColumnElement[float]:
    return func.greatest(
        func.ST_XMax(box) - func.ST_XMin(box), func.ST_YMax(box) - func.ST_YMin(box), type_=Double()
    )


def _envelope(box: BoundingBox | tuple[float, float, float, float], srid: int) -> ColumnElement[Any]:
    # Numbers of our own in the text, not bound: then it is made once for a statement, not for each row.
    corners: list[ColumnElement[float]] = [literal_column(repr(float(side))) for side in box]
    return func.ST_MakeEnvelope(*corners, literal_column(str(srid)), type_=NullType())


def _digest(key: ColumnElement[Any]) -> ColumnElement[int]:
    number = func.hashtextextended(cast(key, Text), literal_column("0"), type_=BigInteger())
    return number.op("&", return_type=BigInteger())(literal_column(str(_GREATEST_ID)))


def _read(own: ColumnElement[Any], reading: Reading, zone: str | None) -> ColumnElement[Any]:
    match reading:
        case "as text":
            return cast(own, Text)
        case "as list":
            return func.array_to_string(own, literal_column("', '"), type_=Text())
        case "as integer":
            return cast(own, BigInteger)
        case "as number":
            return cast(own, Double)
        case "as time":
            return _datable(own)
        case "in zone":
            return func.timezone(literal(zone, Text()), _datable(own), type_=DateTime(timezone=True))
        case _:
            return own
