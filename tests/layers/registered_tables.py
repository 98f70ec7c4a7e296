"""The user's own tables for the tests of registered layers: one of each trouble, in a schema `gis`."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import make_url

from layers.catalogue import get_layer
from layers.db import Database
from layers.model import Layer, Text
from layers.registered import register_table
from layers.registration import Registered, Registration

WEST, SOUTH = 116.48, 31.72
"""South-west corner of the tables' rows; they lie 0.001° apart, 10 to a line."""

TABLES = f"""
    CREATE SCHEMA gis;
    CREATE TABLE gis.shop (
        id integer PRIMARY KEY, name varchar(40), "select" text, "中文列名" text, floors smallint,
        rent numeric(10, 2), is_open boolean, opened date, checked timestamptz, district text, phone text,
        geom geometry(Point, 4490)
    );
    COMMENT ON COLUMN gis.shop.name IS '名称';
    INSERT INTO gis.shop
    SELECT n, '第' || n || '家', 's' || n, '值' || n, n % 5, n / 3.0, n % 2 = 0, date '2020-01-01' + n,
           timestamptz '2026-01-01 08:00+08' + n * interval '1 hour',
           CASE WHEN n % 10 < 5 THEN '341502' ELSE '341503' END, '139' || n,
           ST_SetSRID(ST_MakePoint({WEST} + n % 10 * 0.001, {SOUTH} + n / 10 * 0.001), 4490)
    FROM generate_series(0, 99) n;
    CREATE INDEX ON gis.shop USING gist (geom);
"""


def run_sql(url: str, *statements: str) -> None:
    """Runs statements as the owner of the database would, outside the service."""
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def ask_sql(url: str, statement: str) -> Any:
    """The first value of a statement's first row."""
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return None if row is None else row[0]


def in_system(name: str, srid: int, column: str = "geometry(Point, {srid})") -> str:
    """A copy of `gis.shop` with its points in another system, in a column of its own type."""
    return f"""
        CREATE TABLE gis.{name} (id integer PRIMARY KEY, name text, district text,
                                 geom {column.format(srid=srid)});
        INSERT INTO gis.{name} SELECT id, name, district, ST_Transform(geom, {srid}) FROM gis.shop;
        CREATE INDEX ON gis.{name} USING gist (geom);
    """


def wanted(table: str, **said: Any) -> Registration:
    """A registration of `gis.<table>` as the layer of the same name."""
    settings: dict[str, Any] = {
        "id": table,
        "title": Text(f"表 {table}", f"Table {table}"),
        "access": "public",
    }
    return Registration(schema="gis", table=table, **{**settings, **said})


async def registered(db: Database, table: str, **said: Any) -> Layer:
    """`gis.<table>` registered; the layer."""
    return (await found(db, table, **said)).layer


async def found(db: Database, table: str, **said: Any) -> Registered:
    """`gis.<table>` registered; the layer and what was found out."""
    made = await register_table(db, wanted(table, **said), by="test")
    assert made.layer == await get_layer(db, made.layer.id)
    return made
