"""Where a layer's rows stand: one table of current rows and one of past rows, made from its description.

Only the shape of tables and their indexes; who may read rows is `layers.rows`' business.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from geoalchemy2 import Geometry
from psycopg import sql as driver_sql
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Computed,
    Connection,
    Date,
    DateTime,
    Double,
    FromClause,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    inspect,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine

from layers.db import driver, identifier
from layers.model import FieldType, GeometryType, Layer
from layers.schema import ROWS_SCHEMA

SRID = 4490
"""China Geodetic Coordinate System 2000, degrees; longitude first in PostGIS."""

_TYPES: dict[FieldType, TypeEngine[Any]] = {
    "text": Text(),
    "integer": BigInteger(),
    "number": Double(),
    "boolean": Boolean(),
    "date": Date(),
    "datetime": DateTime(timezone=True),
}
_Shape = tuple[str, GeometryType, tuple[tuple[str, FieldType], ...]]


def rows_table(layer: Layer) -> Table:
    """The table of current rows.

    Columns `_fid` (stable feature id), `_key`, `_hash`, `_from` (version since which the row is so),
    `_geom` (EPSG:4490), `_geom_3857` (generated), then the fields in the layer's order.
    """
    return _kept_rows_table(_shape(layer))


def past_table(layer: Layer) -> Table:
    """The table of past rows: as `rows_table`, plus `_to`, the first version in which the row was not so."""
    return _kept_past_table(_shape(layer))


def far_table(layer: Layer) -> Table:
    """The lighter copy for far zooms: a shape (EPSG:3857) for each zoom `_z` it is drawn at.

    `_fid`: the current row whose attributes it carries; `_count`: how many rows it stands for, that one
    included; `_left_out`: how many rows nearby nothing stands for; `_classes`: of a cluster of points, what
    it tells of its rows' classes (`layers.class_counts`).
    """
    return _kept_far_table(layer.id)


def column_type(kind: FieldType) -> TypeEngine[Any]:
    """The database type of a field; `datetime` keeps its zone."""
    return _TYPES[kind]


def geometry_column(kind: GeometryType) -> Column[Any]:
    """The column `_geom` of a layer, EPSG:4490; null for a row without a place."""
    return Column("_geom", Geometry(kind.upper(), srid=SRID, spatial_index=False))


def search_expression(search_fields: tuple[str, ...], table: FromClause) -> ColumnElement[str]:
    """What search looks into, as one lower-case text: each non-ASCII character a word of its own.

    `pg_trgm` cuts words, padded with spaces, into trigrams; so a Chinese character that stands alone has
    trigrams of its own, and a query of one or two characters finds its rows by the index too.
    """
    joined: ColumnElement[str] = func.coalesce(table.c[search_fields[0]], literal_column("''"))
    for name in search_fields[1:]:
        joined = joined.concat(literal_column("' '")).concat(
            func.coalesce(table.c[name], literal_column("''"))
        )
    return func.regexp_replace(
        func.lower(joined),
        literal_column("'([^ -~])'"),
        literal_column(r"' \1 '"),
        literal_column("'g'"),
        type_=Text(),
    )


PREFIX_LENGTH = 100
"""Characters of a text that are indexed for "begins with"; a B-tree entry holds 2.7 kB at most."""


def beginning(column: ColumnElement[Any]) -> ColumnElement[str]:
    """The indexed beginning of a text column; what begins with at most `PREFIX_LENGTH` characters shows."""
    return func.left(column, literal_column(str(PREFIX_LENGTH)), type_=Text())


def text_search_fields(layer: Layer) -> tuple[str, ...]:
    """The search fields that hold text."""
    return tuple(n for n in layer.search_fields if (f := layer.field(n)) is not None and f.type == "text")


async def ensure_tables(connection: AsyncConnection, layer: Layer) -> None:
    """Makes both tables if they are missing, and columns for fields that were added to the description.

    A field that left the description keeps its column (past versions hold it). Indexes other than the
    keys come with the first publication, after the rows, which is several times faster.
    """
    for table in (rows_table(layer), past_table(layer)):
        await connection.execute(CreateTable(table, if_not_exists=True))
        present = await connection.run_sync(_column_names, table.name)
        for column in table.columns:
            if column.name not in present:
                kind = column.type.compile(connection.dialect)
                statement = driver_sql.SQL("ALTER TABLE {} ADD COLUMN {} " + kind)
                await (await driver(connection)).execute(
                    statement.format(identifier(ROWS_SCHEMA, table.name), identifier(column.name))
                )


async def ensure_indexes(connection: AsyncConnection, layer: Layer, *, only_places: bool = False) -> None:
    """Makes the indexes that are missing on both tables; `only_places`: those that places are found by."""
    for index in indexes(layer):
        if not only_places or index.dialect_options["postgresql"]["using"] == "gist":
            await connection.execute(CreateIndex(index, if_not_exists=True))


def indexes(layer: Layer) -> list[Index]:
    """The indexes of both tables. Their names hold a digest, as field names may be long or Chinese."""
    rows, past = _rows_table(_shape(layer)), _past_table(_shape(layer))
    found = [
        Index(f"{layer.id}__geom", rows.c._geom, postgresql_using="gist"),
        Index(f"{layer.id}__3857", rows.c._geom_3857, postgresql_using="gist"),
        Index(f"{layer.id}__past_geom", past.c._geom, postgresql_using="gist"),
        Index(f"{layer.id}__past_3857", past.c._geom_3857, postgresql_using="gist"),
        Index(f"{layer.id}__past_fid", past.c._fid),
    ]
    searched = text_search_fields(layer)
    for name in dict.fromkeys((*([layer.district_field] if layer.district_field else ()), *searched)):
        found.append(
            Index(
                f"{layer.id}__b{_digest(name)}",
                beginning(rows.c[name]).label("beginning"),
                postgresql_ops={"beginning": "text_pattern_ops"},
                _table=rows,  # not found through a label
            )
        )
    if searched:
        found.append(
            Index(
                f"{layer.id}__s{_digest(*searched)}",
                search_expression(searched, rows).label("search"),
                postgresql_using="gin",
                postgresql_ops={"search": "gin_trgm_ops"},
                _table=rows,
            )
        )
    if layer.time_field is not None:
        found.append(Index(f"{layer.id}__t{_digest(layer.time_field)}", rows.c[layer.time_field]))
    return found


def common_columns(layer: Layer) -> list[Column[Any]]:
    """The columns that current and past rows share, `_hash` to the last field."""
    _, kind, fields = _shape(layer)
    return _common_columns(kind, fields)


def _column_names(connection: Connection, table_name: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table_name, schema=ROWS_SCHEMA)}


def _digest(*names: str) -> str:
    return hashlib.blake2b("\0".join(names).encode(), digest_size=4).hexdigest()


def _shape(layer: Layer) -> _Shape:
    return layer.id, layer.geometry_type, tuple((f.name, f.type) for f in layer.fields)


def _rows_table(shape: _Shape) -> Table:
    layer_id, kind, fields = shape
    return Table(
        layer_id,
        MetaData(schema=ROWS_SCHEMA),
        Column("_fid", BigInteger, Identity(), primary_key=True),
        Column("_key", Text, nullable=False),
        *_common_columns(kind, fields),
        UniqueConstraint("_key"),
    )


def _past_table(shape: _Shape) -> Table:
    layer_id, kind, fields = shape
    return Table(
        f"{layer_id}__past",
        MetaData(schema=ROWS_SCHEMA),
        Column("_fid", BigInteger, nullable=False, autoincrement=False),
        Column("_key", Text, nullable=False),
        *_common_columns(kind, fields),
        Column("_to", Integer, nullable=False),
        PrimaryKeyConstraint("_key", "_from"),
    )


def _far_table(layer_id: str) -> Table:
    return Table(
        f"{layer_id}__far",
        MetaData(schema=ROWS_SCHEMA),
        Column("_z", SmallInteger, nullable=False),
        Column("_fid", BigInteger, nullable=False, autoincrement=False),
        Column("_count", BigInteger, nullable=False),
        Column("_left_out", BigInteger, nullable=False),
        Column("_district", Text),
        Column("_weight", Double),
        Column("_classes", JSONB),
        Column("_shape", Geometry("GEOMETRY", srid=3857, spatial_index=False), nullable=False),
    )


def _common_columns(kind: GeometryType, fields: tuple[tuple[str, FieldType], ...]) -> list[Column[Any]]:
    projected = Geometry(kind.upper(), srid=3857, spatial_index=False)
    return [
        Column("_hash", Uuid, nullable=False),
        Column("_from", Integer, nullable=False),
        geometry_column(kind),
        Column("_geom_3857", projected, Computed("ST_Transform(_geom, 3857)", persisted=True)),
        *(Column(name, column_type(type_)) for name, type_ in fields),
    ]


# Kept, because SQLAlchemy keeps compiled statements by table object.
_kept_rows_table = lru_cache(maxsize=1024)(_rows_table)
_kept_past_table = lru_cache(maxsize=1024)(_past_table)
_kept_far_table = lru_cache(maxsize=1024)(_far_table)
