"""A delivery's rows on their way in: completed, keyed and hashed by arrays, and copied into a table.

Nothing here is visible to readers. A stage belongs to the process that made it; what a dead process
left behind goes when the next delivery comes. A stage that is kept belongs to an import run, which
outlives the process (`layers.staged_runs`).

The rows of a layer that has none yet are staged in the very shape in which they will stand, so that the
first publication hangs the stage into the layer's place instead of copying every row once more.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray
from psycopg import sql as driver_sql
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, Uuid, cast, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from layers.arrival import Batch, arrived, unstorable
from layers.become import index_stage
from layers.catalogue import find_layer, refuse_registered
from layers.db import Database, driver, identifier
from layers.description import check
from layers.errors import BadData
from layers.fill import Filling, filling
from layers.laps import lap
from layers.model import Layer
from layers.schema import STAGE_SCHEMA
from layers.tables import column_type, common_columns, geometry_column
from layers.wire import COPY_END, COPY_HEAD, copied, digests, sent

MAX_NAMED = 10
"""How many offending keys an error names."""
MAX_KEY_LENGTH = 400
"""Characters of a business key: it is unique by an index, whose entries hold 2.7 kB at most."""
MOST_BYTES = 1 << 28
"""Geometry that is handled at once; a batch of heavier rows is cut up."""

KEPT = "kept_"
"""How the names of stages begin that belong to a run; all others begin with `s`."""

_STAGE_LOCKS = 0x6F6D73  # "oms": the first half of the advisory locks that say a stager lives


@dataclass(frozen=True)
class Staged:
    """Rows that stand ready to be compared and published; `table` is their name in the stage schema.

    `removes`: keys of rows that the delivery says are gone.
    `as_rows`: the table has the shape of the layer's current rows, because there are none yet.
    `bounds`: west, south, east and north of its rows, EPSG:4490; None if none has a place.
    """

    layer: Layer
    table: str
    count: int
    removes: tuple[str, ...] = ()
    as_rows: bool = False
    bounds: tuple[float, float, float, float] | None = None


def stage_table(layer: Layer, name: str, *, as_rows: bool = False, temporary: bool = False) -> Table:
    """The shape of a stage: `_row` (order of arrival), `_fid` (only when restoring), `_key`, `_hash`, …

    `as_rows`: the shape of current rows; what is called `_row` here is their `_fid` to be. A `temporary`
    one goes with its transaction.
    """
    if as_rows:
        return Table(
            name,
            MetaData(schema=STAGE_SCHEMA),
            Column("_fid", BigInteger, key="_row", nullable=False, autoincrement=False),
            Column("_key", Text, nullable=False),
            *common_columns(layer),
        )
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
    """Copies `batches` into a stage of their own; fills codes from place, makes keys and hashes before.

    `on_progress` hears the rows copied so far. All or nothing: on any error no stage is left. Raises
    `BadData` for values that do not fit their field, empty or repeated keys, or impossible coordinates.
    """
    check(layer)
    refuse_registered(layer)
    await sweep_stages(db)
    name = f"s{await announce_life(db):08x}_{secrets.token_hex(6)}"
    async with db.begin(timeout_ms=0) as connection:
        standing = await find_layer(connection, layer.id)
        as_rows = standing is None or standing.version == 0
        table = stage_table(layer, name, as_rows=as_rows)
        await connection.execute(CreateTable(table))
        arriving = _Arriving(layer, await filling(connection, layer), as_rows)
        with lap("read and copy"):
            await _copy(connection, arriving, table, batches, on_progress)
        _check_keys(arriving)
        if layer.key is None:
            await _number_repeated(connection, table)
        if not as_rows:
            with lap("keys"):
                await _make_unique(connection, layer, table)
            # What the comparison's plan depends on, and nothing else.
            await connection.execute(text(f'ANALYZE {STAGE_SCHEMA}."{name}" (_row, _key, _hash)'))
    staged = Staged(layer, name, arriving.count, as_rows=as_rows, bounds=arriving.bounds)
    if as_rows:
        await _index(db, layer, table, staged)
    return staged


async def _index(db: Database, layer: Layer, table: Table, staged: Staged) -> None:
    """The indexes of a stage that has the shape of rows; without them there is no stage."""

    async def make_unique() -> None:
        async with db.begin(timeout_ms=0) as connection:
            await _make_unique(connection, layer, table)

    try:
        await index_stage(db, staged.table, make_unique)
    except BaseException:
        await discard(db, staged)
        raise


async def discard(db: Database, staged: Staged) -> None:
    """Drops the stage; harmless if it has gone already."""
    async with db.begin() as connection:
        await drop_stage(connection, staged.table)


async def drop_stage(connection: AsyncConnection, name: str) -> None:
    """Drops the stage called `name` in the transaction of `connection`."""
    statement = driver_sql.SQL("DROP TABLE IF EXISTS {}").format(identifier(STAGE_SCHEMA, name))
    await (await driver(connection)).execute(statement)


async def keep_stage(connection: AsyncConnection, name: str) -> str:
    """The name, which no process owns, that the stage `name` gets: it stays until somebody drops it."""
    kept = f"{KEPT}{secrets.token_hex(10)}"
    rename = driver_sql.SQL("ALTER TABLE {} RENAME TO {}").format(
        identifier(STAGE_SCHEMA, name), identifier(kept)
    )
    await (await driver(connection)).execute(rename)
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


class _Portion(NamedTuple):
    """Rows ready to be copied."""

    data: memoryview
    rows: int


class _Arriving:
    """Batches made ready for COPY, one after the other, and what is known of their keys."""

    def __init__(self, layer: Layer, codes: Filling, as_rows: bool) -> None:
        self.layer = layer
        self.count = 0
        self.keyless = 0
        self.longest_key = 0
        self._bounds: NDArray[np.float64] = np.full(4, np.nan)
        self._codes = codes
        self._as_rows = as_rows

    @property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """West, south, east and north of all rows so far; None if none has a place."""
        if np.isnan(self._bounds).any():
            return None
        west, south, east, north = self._bounds.tolist()
        return west, south, east, north

    @property
    def names(self) -> list[str]:
        """The columns in the order in which a row holds them."""
        own = ["_fid", "_key", "_hash", "_from"] if self._as_rows else ["_row", "_key", "_hash"]
        return [*own, "_geom", *self.layer.field_names]

    def portion(self, batch: Batch) -> _Portion:
        """The rows of `batch`; raises `BadData` for what cannot be stored."""
        with lap("complete, hash and encode (CPU)", cpu=True):
            return self._portion(batch)

    def _portion(self, batch: Batch) -> _Portion:
        whole = arrived(self.layer, batch, self.count)
        try:
            columns = self._codes.fill(whole)
        except shapely.GEOSException as error:  # a geometry so broken that it has no point inside
            raise unstorable(self.layer) from error
        values = {name: sent(array) for name, array in columns.items()}
        hashes = digests({**values, "_geom": whole.wkb})
        row_columns = [
            sent(pa.array(np.arange(self.count + 1, self.count + 1 + len(whole), dtype=np.int64))),
            self._keys(columns, hashes),
            hashes,
        ]
        if self._as_rows:
            row_columns.append(sent(pa.array(np.ones(len(whole), dtype=np.int32))))
        row_columns += [whole.wkb, *(values[n] for n in self.layer.field_names)]
        self.count += len(whole)
        self._reach(whole.boxes)
        return _Portion(copied(row_columns, _by_place(whole.boxes)), len(whole))

    def _reach(self, boxes: NDArray[np.float64]) -> None:
        corners = np.vstack([self._bounds, boxes])
        self._bounds = np.concatenate([np.fmin.reduce(corners[:, :2]), np.fmax.reduce(corners[:, 2:])])

    def _keys(self, columns: dict[str, pa.Array], hashes: pa.Array) -> pa.Array:
        if self.layer.key is None:
            texts = [f"{UUID(bytes=digest)}-1" for digest in hashes.to_pylist()]
            return sent(pa.array(texts, pa.string()))
        keys = pc.fill_null(_as_text(columns[self.layer.key]), "")
        lengths = pc.utf8_length(keys)
        self.keyless += pc.sum(pc.equal(lengths, 0)).as_py() or 0
        self.longest_key = max(self.longest_key, pc.max(lengths).as_py() or 0)
        return sent(keys)


def _by_place(boxes: NDArray[np.float64]) -> NDArray[np.int64]:
    """The order of the rows along a curve over the map (Z-order), within their batch.

    `boxes`: (n, 4) west, south, east and north of each, not a number without a place.

    Neighbours on the map become neighbours on disk: a tile of 9,000 points is read 1.8 times as fast as with
    rows in the order of arrival.
    """
    west, south, east, north = boxes.T
    places = []
    for middle, half_circle in (((west + east) / 2, 180), ((south + north) / 2, 90)):
        cells = np.nan_to_num((middle / half_circle + 1) * (1 << 30)).astype(np.uint64)
        for shift, mask in _SPREADING:
            cells = (cells | (cells << shift)) & mask
        places.append(cells)
    return np.argsort(places[0] | (places[1] << np.uint64(1)), kind="stable")


_SPREADING = tuple(
    (np.uint64(shift), np.uint64(mask))
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    )
)
"""Shifts and masks that put a zero before each bit of a number of 32 bits."""


def _as_text(array: pa.Array) -> pa.Array:
    """Values as PostgreSQL writes them: what a key of another type than text is called."""
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return array.cast(pa.string())
    return pa.array([None if v is None else _written(v) for v in array.to_pylist()], pa.string())


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(' ')}+00"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _portions(batch: Batch) -> Iterator[Batch]:
    """`batch`, or parts of it where its geometry is too heavy to be handled at once."""
    ends = np.cumsum([0 if wkb is None else len(wkb) for wkb in batch.wkb])
    if not len(ends) or ends[-1] <= MOST_BYTES:
        yield batch
        return
    cuts = np.flatnonzero(np.diff(ends // MOST_BYTES, prepend=0)).tolist()
    for start, end in pairwise(dict.fromkeys([0, *cuts, len(ends)])):
        columns = {name: values[start:end] for name, values in batch.columns.items()}
        shapes = None if batch.shapes is None else batch.shapes[start:end]
        yield Batch(batch.wkb[start:end], columns, shapes)


async def _ready(
    arriving: _Arriving, batches: Iterable[Batch] | AsyncIterable[Batch]
) -> AsyncGenerator[_Portion]:
    """The rows of `batches` ready to be copied, each being made in a thread while the one before is sent."""
    coming: asyncio.Task[_Portion] | None = None
    try:
        async for batch in _each(batches):
            for part in _portions(batch):
                before = await asyncio.shield(coming) if coming is not None else None
                coming = asyncio.create_task(asyncio.to_thread(arriving.portion, part))
                if before is not None:
                    yield before
        if coming is not None:
            yield await asyncio.shield(coming)
    finally:
        if coming is not None:
            await asyncio.gather(coming, return_exceptions=True)


async def _each(batches: Iterable[Batch] | AsyncIterable[Batch]) -> AsyncIterator[Batch]:
    if isinstance(batches, AsyncIterable):
        async for batch in batches:
            yield batch
    else:
        for batch in batches:
            yield batch


async def _copy(
    connection: AsyncConnection,
    arriving: _Arriving,
    table: Table,
    batches: Iterable[Batch] | AsyncIterable[Batch],
    on_progress: Callable[[int], None] | None,
) -> None:
    statement = driver_sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)").format(
        identifier(STAGE_SCHEMA, table.name), driver_sql.SQL(", ").join(map(identifier, arriving.names))
    )
    count = 0
    cursor = (await driver(connection)).cursor()
    try:
        async with cursor.copy(statement) as copy, aclosing(_ready(arriving, batches)) as portions:
            await copy.write(COPY_HEAD)
            async for portion in portions:
                await copy.write(portion.data)
                count += portion.rows
                if on_progress is not None:
                    on_progress(count)
            await copy.write(COPY_END)
    except (psycopg.DataError, psycopg.errors.InternalError_) as error:  # the second: WKB of no sense
        raise unstorable(arriving.layer) from error


def _check_keys(arriving: _Arriving) -> None:
    layer, empty, longest = arriving.layer, arriving.keyless, arriving.longest_key
    if empty:
        raise BadData(
            f"图层 {layer.id} 有 {empty} 行缺少标识字段 {layer.key} 的值",
            f"layer {layer.id!r}: {empty} rows have no value in the key field {layer.key!r}",
            layer=layer.id,
            field=layer.key,
            count=empty,
        )
    if longest > MAX_KEY_LENGTH:
        raise BadData(
            f"图层 {layer.id} 的标识字段 {layer.key} 有长达 {longest} 个字符的值，最多 {MAX_KEY_LENGTH} 个",
            f"layer {layer.id!r}: a value of the key field {layer.key!r} has {longest} characters, "
            f"{MAX_KEY_LENGTH} at most",
            layer=layer.id,
            field=layer.key,
            expected=f"at most {MAX_KEY_LENGTH} characters",
        )


async def _number_repeated(connection: AsyncConnection, table: Table) -> None:
    """Without a key field the key is the hash and the row's ordinal among equal rows."""
    ordinal = func.row_number().over(partition_by=table.c._hash, order_by=table.c._row)
    numbered = select(table.c._row, ordinal.label("ordinal")).subquery("numbered")
    await connection.execute(
        update(table)
        .values(_key=func.concat(cast(table.c._hash, Text), "-", numbered.c.ordinal))
        .where(table.c._row == numbered.c._row, numbered.c.ordinal > 1)
    )


async def _make_unique(connection: AsyncConnection, layer: Layer, table: Table) -> None:
    """The index on keys, which is needed in any case; raises `BadData` naming keys that are repeated."""
    index = driver_sql.SQL("CREATE UNIQUE INDEX ON {} (_key)").format(identifier(STAGE_SCHEMA, table.name))
    try:
        async with connection.begin_nested():
            await connection.exec_driver_sql(index.as_string())
    except IntegrityError as error:
        repeated = await connection.scalars(
            select(table.c._key)
            .group_by(table.c._key)
            .having(func.count() > 1)
            .order_by(table.c._key)
            .limit(MAX_NAMED)
        )
        keys = repeated.all()
        raise BadData(
            f"图层 {layer.id} 的标识字段 {layer.key} 有重复值：{'、'.join(keys)}",
            f"layer {layer.id!r}: values of the key field {layer.key!r} occur more than once: "
            f"{', '.join(keys)}",
            layer=layer.id,
            field=layer.key,
            keys=list(keys),
        ) from error
