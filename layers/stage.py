"""A delivery's rows on their way in: copied into an unlogged table, completed, keyed and hashed.

Nothing here is visible to readers. A stage belongs to the process that made it; what a dead process
left behind goes when the next delivery comes. A stage that is kept belongs to an import run, which
outlives the process (`layers.staged_runs`).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import repeat
from typing import Any, NamedTuple

import psycopg
from psycopg import sql as driver_sql
from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import InternalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable, DropTable

from layers.catalogue import refuse_registered
from layers.db import Database, driver, identifier
from layers.description import check
from layers.errors import BadData
from layers.fill import filled, key_and_hash
from layers.model import FieldType, Layer
from layers.schema import STAGE_SCHEMA
from layers.tables import SRID, column_type, geometry_column

MAX_NAMED = 10
"""How many offending keys an error names."""
MAX_KEY_LENGTH = 400
"""Characters of a business key: it is unique by an index, whose entries hold 2.7 kB at most."""

KEPT = "kept_"
"""How the names of stages begin that belong to a run; all others begin with `s`."""

_STAGE_LOCKS = 0x6F6D73  # "oms": the first half of the advisory locks that say a stager lives
_PYTHON_TYPES: dict[FieldType, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (float, int),
    "boolean": (bool,),
    "date": (date,),
    "datetime": (datetime,),
}


class Batch(NamedTuple):
    """Some rows, column by column.

    `wkb`: geometry in EPSG:4490, longitude first, already of the layer's geometry type; None for a row
    without a place. `columns`: field name → values of the field's type (datetimes with a zone) or None,
    all as long as `wkb`; a field that is left out is None throughout.
    """

    wkb: list[bytes | None]
    columns: dict[str, list[Any]]


@dataclass(frozen=True)
class Staged:
    """Rows that stand ready to be compared and published; `table` is their name in the stage schema.

    `removes`: keys of rows that the delivery says are gone.
    """

    layer: Layer
    table: str
    count: int
    removes: tuple[str, ...] = ()


def stage_table(layer: Layer, name: str, *, temporary: bool = False) -> Table:
    """The shape of a stage: `_row` (order of arrival), `_fid` (only when restoring), `_key`, `_hash`, …

    A `temporary` one goes with its transaction.
    """
    return Table(
        name,
        MetaData(schema=None if temporary else STAGE_SCHEMA),
        Column("_row", BigInteger, primary_key=True, autoincrement=False),
        Column("_fid", BigInteger),
        Column("_key", Text),
        Column("_hash", Uuid),
        geometry_column(layer.geometry_type),
        *(Column(f.name, column_type(f.type)) for f in layer.fields),
        prefixes=["TEMPORARY" if temporary else "UNLOGGED"],
        postgresql_on_commit="DROP" if temporary else None,
    )


async def stage(
    db: Database,
    layer: Layer,
    batches: Iterable[Batch] | AsyncIterable[Batch],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Staged:
    """Copies `batches` into a stage of their own, fills codes from place, makes keys and hashes.

    `on_progress` hears the rows copied so far. All or nothing: on any error no stage is left. Raises
    `BadData` for values that do not fit their field, empty or repeated keys, or impossible coordinates.
    """
    check(layer)
    refuse_registered(layer)
    await sweep_stages(db)
    name = f"s{await announce_life(db):08x}_{secrets.token_hex(6)}"
    raw, final = _arrival_table(layer, f"{name}_in"), stage_table(layer, name)
    async with db.begin(timeout_ms=0) as connection:
        await connection.execute(CreateTable(raw))
        await connection.execute(CreateTable(final))
        count = await _copy(connection, layer, raw, batches, on_progress)
        await _check_places(connection, raw)
        await connection.execute(text(f'ANALYZE {STAGE_SCHEMA}."{raw.name}"'))
        try:
            await _complete(connection, layer, raw, final)
        except InternalError as error:  # GEOS gave up: a geometry so broken that it has no point inside
            raise _unstorable(layer) from error
        await connection.execute(DropTable(raw))
        await _check_keys(connection, layer, final)
        await connection.execute(text(f'ANALYZE {STAGE_SCHEMA}."{final.name}"'))
    return Staged(layer, name, count)


async def discard(db: Database, staged: Staged) -> None:
    """Drops the stage; harmless if it has gone already."""
    async with db.begin() as connection:
        await drop_stage(connection, staged.table)


async def drop_stage(connection: AsyncConnection, name: str) -> None:
    """Drops the stage called `name` in the transaction of `connection`."""
    statement = driver_sql.SQL("DROP TABLE IF EXISTS {}").format(identifier(STAGE_SCHEMA, name))
    await (await driver(connection)).execute(statement)


async def keep_stage(connection: AsyncConnection, staged: Staged) -> Staged:
    """The stage under a name that no process owns: it stays until somebody drops it."""
    kept = replace(staged, table=f"{KEPT}{secrets.token_hex(10)}")
    rename = driver_sql.SQL("ALTER TABLE {} RENAME TO {}").format(
        identifier(STAGE_SCHEMA, staged.table), identifier(kept.table)
    )
    # Its rows are going to be looked at page by page, in the order of their keys.
    index = driver_sql.SQL("CREATE INDEX ON {} (_key)").format(identifier(STAGE_SCHEMA, kept.table))
    for statement in (rename, index):
        await (await driver(connection)).execute(statement)
    return kept


async def announce_life(db: Database) -> int:
    """Tells other processes that this one lives; its number."""
    return await db.announce(_STAGE_LOCKS)


async def is_alive(connection: AsyncConnection, process: int) -> bool:
    """Whether the process that announced itself under this number lives."""
    return not await connection.scalar(select(func.pg_try_advisory_xact_lock(_STAGE_LOCKS, process)))


async def sweep_stages(db: Database) -> int:
    """Drops the stages whose process is gone; returns how many. Stages of living processes stay."""
    swept = 0
    async with db.begin() as connection:
        names = await connection.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = :schema AND tablename LIKE 's%'"),
            {"schema": STAGE_SCHEMA},
        )
        for name in names.all():
            owner = int(name[1:9], 16)
            if owner != db.process and not await is_alive(connection, owner):
                await drop_stage(connection, name)
                swept += 1
    return swept


def _arrival_table(layer: Layer, name: str) -> Table:
    return Table(
        name,
        MetaData(schema=STAGE_SCHEMA),
        Column("_row", BigInteger, Identity(), primary_key=True),
        geometry_column(layer.geometry_type),
        *(Column(f.name, column_type(f.type)) for f in layer.fields),
        prefixes=["UNLOGGED"],
    )


async def _copy(
    connection: AsyncConnection,
    layer: Layer,
    raw: Table,
    batches: Iterable[Batch] | AsyncIterable[Batch],
    on_progress: Callable[[int], None] | None,
) -> int:
    names = ["_geom", *layer.field_names]
    statement = driver_sql.SQL("COPY {} ({}) FROM STDIN").format(
        identifier(STAGE_SCHEMA, raw.name), driver_sql.SQL(", ").join(identifier(n) for n in names)
    )
    count = 0
    cursor = (await driver(connection)).cursor()
    try:
        async with cursor.copy(statement) as copy:
            async for batch in _each(batches):
                _check_batch(layer, batch, count)
                columns = (batch.columns.get(n) or repeat(None) for n in layer.field_names)
                shapes = (None if wkb is None else wkb.hex() for wkb in batch.wkb)
                for row in zip(shapes, *columns, strict=False):
                    await copy.write_row(row)
                count += len(batch.wkb)
                if on_progress is not None:
                    on_progress(count)
    except (psycopg.DataError, psycopg.errors.InternalError_, UnicodeEncodeError) as error:
        # The second: WKB that cannot be read. The third: half a character.
        raise _unstorable(layer) from error
    return count


async def _each(batches: Iterable[Batch] | AsyncIterable[Batch]) -> AsyncIterator[Batch]:
    if isinstance(batches, AsyncIterable):
        async for batch in batches:
            yield batch
    else:
        for batch in batches:
            yield batch


def _check_batch(layer: Layer, batch: Batch, before: int) -> None:
    for name, values in batch.columns.items():
        found = layer.field(name)
        if found is None:
            raise BadData(
                f"图层 {layer.id} 没有字段 {name}",
                f"layer {layer.id!r} has no field {name!r}",
                layer=layer.id,
                field=name,
            )
        if len(values) != len(batch.wkb):
            raise ValueError(f"column {name!r} has {len(values)} values for {len(batch.wkb)} rows")
        expected = _unfit(found.type, values)
        if expected is not None:
            number, value = next((n, v) for n, v in enumerate(values) if _unfit(found.type, [v]))
            raise BadData(
                f"图层 {layer.id} 第 {before + number + 1} 行字段 {name} 的值 {value!r} 有误",
                f"layer {layer.id!r}, row {before + number + 1}: {name!r} is {value!r}, expected {expected}",
                layer=layer.id,
                field=name,
                row=before + number + 1,
                value=str(value)[:200],
                expected=expected,
            )


def _unfit(kind: FieldType, values: Sequence[Any]) -> str | None:
    """What was expected if some of `values` cannot be stored as `kind`; None if all can."""
    if not set(map(type, values)) <= {*_PYTHON_TYPES[kind], type(None)}:
        return kind
    present = [v for v in values if v is not None]
    if kind == "integer" and present and not -(2**63) <= min(present) <= max(present) < 2**63:
        return "an integer of 64 bits"
    if kind == "number" and not all(map(math.isfinite, present)):
        return "a finite number"
    if kind == "datetime" and any(v.tzinfo is None for v in present):
        return "a time with its zone"
    if kind == "text" and any("\x00" in v for v in present):
        return "text without NUL"
    return None


def _unstorable(layer: Layer) -> BadData:
    return BadData(
        f"图层 {layer.id} 中有无法存储的值或几何（类型应为 {layer.geometry_type}，文本应为完整的 Unicode）",
        f"layer {layer.id!r}: a value or geometry cannot be stored (geometry must be a sound "
        f"{layer.geometry_type}, text whole Unicode characters)",
        layer=layer.id,
    )


async def _check_places(connection: AsyncConnection, raw: Table) -> None:
    """Refuses coordinates no place has and empty shapes; the poles have no place in Web Mercator."""
    geometry = raw.c._geom
    inside = geometry.op("@", is_comparison=True)(func.ST_MakeEnvelope(-180, -89.99, 180, 89.99, SRID))
    corners = [f(geometry) for f in (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax)]
    offender = (
        select(raw.c._row, *corners).where(geometry.is_not(None), ~inside).order_by(raw.c._row).limit(1)
    )
    found = (await connection.execute(offender)).one_or_none()
    if found is None:
        return
    row, west, south, east, north = found
    place = "EMPTY" if west is None else f"{west:.9g},{south:.9g}"
    if west is not None and (west, south) != (east, north):
        place += f" … {east:.9g},{north:.9g}"
    raise BadData(
        f"第 {row} 行的坐标超出经纬度范围：{place}",
        f"row {row}: its coordinates are no longitude and latitude: {place}",
        row=row,
        value=place,
        expected="longitude -180…180, latitude -89.99…89.99",
    )


async def _complete(connection: AsyncConnection, layer: Layer, raw: Table, final: Table) -> None:
    whole = (await filled(connection, layer, raw)).subquery("whole")
    key, digest = key_and_hash(layer, whole)
    columns = [whole.c._row, key, digest, whole.c._geom, *(whole.c[n] for n in layer.field_names)]
    names = ["_row", "_key", "_hash", "_geom", *layer.field_names]
    await connection.execute(insert(final).from_select(names, select(*columns)))


async def _check_keys(connection: AsyncConnection, layer: Layer, final: Table) -> None:
    empty = await connection.scalar(
        select(func.count()).where((final.c._key.is_(None)) | (final.c._key == ""))
    )
    if empty:
        raise BadData(
            f"图层 {layer.id} 有 {empty} 行缺少标识字段 {layer.key} 的值",
            f"layer {layer.id!r}: {empty} rows have no value in the key field {layer.key!r}",
            layer=layer.id,
            field=layer.key,
            count=empty,
        )
    longest = int(await connection.scalar(select(func.max(func.length(final.c._key)))) or 0)
    if longest > MAX_KEY_LENGTH:
        raise BadData(
            f"图层 {layer.id} 的标识字段 {layer.key} 有长达 {longest} 个字符的值，最多 {MAX_KEY_LENGTH} 个",
            f"layer {layer.id!r}: a value of the key field {layer.key!r} has {longest} characters, "
            f"{MAX_KEY_LENGTH} at most",
            layer=layer.id,
            field=layer.key,
            expected=f"at most {MAX_KEY_LENGTH} characters",
        )
    repeated = await connection.scalars(
        select(final.c._key)
        .group_by(final.c._key)
        .having(func.count() > 1)
        .order_by(final.c._key)
        .limit(MAX_NAMED)
    )
    keys = repeated.all()
    if keys:
        raise BadData(
            f"图层 {layer.id} 的标识字段 {layer.key} 有重复值：{'、'.join(keys)}",
            f"layer {layer.id!r}: values of the key field {layer.key!r} occur more than once: "
            f"{', '.join(keys)}",
            layer=layer.id,
            field=layer.key,
            keys=list(keys),
        )
