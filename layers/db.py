"""The one door to the database: the driver's connections, its pools, and its errors made ours.

`Database.begin` and `Database.connect` give SQLAlchemy connections for composed statements;
`Database.draw` runs the hot path (tiles) on the driver itself, prepared, in a read-only pool of its own;
`driver` hands out the driver's connection under a SQLAlchemy one, for COPY.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
import sqlalchemy
from psycopg import sql as driver_sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import URL, ClauseElement, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from layers.errors import BadRequest, Conflict, OneMapError, TimedOut, Unavailable

POOL_WAIT_S = 5.0
"""How long a request waits for a connection before it is told to come back."""
DRAW_TIMEOUT_MS = 10_000
"""Statement limit of the tile pool: a square that takes longer is refused, not awaited."""
QUERY_TIMEOUT_MS = 30_000
"""Statement limit of ordinary queries; imports and publishing lift it for their own transaction."""

_DIALECT = make_url("postgresql+psycopg://").get_dialect()()


@dataclass(frozen=True)
class PoolSizes:
    """Connections kept for ordinary queries and for drawing tiles."""

    query: int = 8
    draw: int = 6


class Database:
    """Pools to one PostGIS database. Open it with `async with`; one per process.

    `url` is a `postgresql://` address; it is never shown whole (`repr` hides the password).
    """

    def __init__(self, url: str, sizes: PoolSizes | None = None) -> None:
        self.url: URL = make_url(url).set(drivername="postgresql+psycopg")
        self._sizes = sizes or PoolSizes()
        self._engine: AsyncEngine | None = None
        self._draw_pool: AsyncConnectionPool[Any] | None = None
        self._sign_of_life: psycopg.AsyncConnection[Any] | None = None
        self._announcing = asyncio.Lock()
        self.process = secrets.randbits(31)
        """A number by which other processes know what this one left behind (see `announce`)."""

    def __repr__(self) -> str:
        return f"Database({self.url.render_as_string(hide_password=True)})"

    @property
    def conninfo(self) -> str:
        """The address as the driver takes it. Holds the password: never log it."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def __aenter__(self) -> Database:
        self._engine = create_async_engine(
            self.url,
            pool_size=self._sizes.query,
            max_overflow=2,
            pool_timeout=POOL_WAIT_S,
            pool_pre_ping=True,
            connect_args={
                "application_name": "onemap",
                "options": f"-c statement_timeout={QUERY_TIMEOUT_MS} -c timezone=UTC -c jit=off",
            },
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._draw_pool is not None:
            await self._draw_pool.close()
            self._draw_pool = None
        if self._sign_of_life is not None:
            await self._sign_of_life.close()
            self._sign_of_life = None
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    @asynccontextmanager
    async def begin(self, *, timeout_ms: int | None = None) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end, rolled back on any error. `timeout_ms` 0 lifts the limit."""
        async with translated(), self._opened().begin() as connection:
            if timeout_ms is not None:
                await connection.execute(sqlalchemy.text(f"SET LOCAL statement_timeout = {int(timeout_ms)}"))
            yield connection

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading: one read-only snapshot, so several statements agree."""
        async with translated(), self._opened().connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                yield connection

    async def software(self) -> dict[str, str]:
        """Versions of what the database is made of: `postgresql`, `postgis`, `geos`, `proj`."""
        asked = {
            "postgresql": "current_setting('server_version')",
            "postgis": "postgis_lib_version()",
            "geos": "postgis_geos_version()",
            "proj": "split_part(postgis_proj_version(), ' ', 1)",
        }
        # The expressions are the literals just above.
        statement = sqlalchemy.text(f"SELECT {', '.join(asked.values())}")
        async with self.connect() as connection:
            row = (await connection.execute(statement)).one()
        return {name: str(value) for name, value in zip(asked, row, strict=True)}

    async def draw(
        self, statement: str, parameters: Mapping[str, object], *, prepare: bool = True
    ) -> Sequence[tuple[Any, ...]]:
        """Rows of `statement` (driver text with `%(name)s` places), prepared once per connection."""
        async with translated():
            pool = await self._drawing()
            async with pool.connection() as connection:
                cursor = await connection.execute(
                    statement.encode(), dict(parameters), prepare=prepare, binary=True
                )
                rows: list[tuple[Any, ...]] = await cursor.fetchall()
                return rows

    async def draw_by_others(
        self, statement: str, parameters: Mapping[str, object], closed: str
    ) -> tuple[Sequence[tuple[Any, ...]], Sequence[str]]:
        """As `draw`, for what calls code that is not ours; and the tables that were read of the
        schemas whose names begin with `closed`.

        Whatever a transaction reads it holds a lock on until it ends, so that names put together at run
        time are seen too. What is read in a block that then fails, and is caught there, is not.
        """
        async with translated():
            pool = await self._drawing()
            async with pool.connection() as connection, connection.transaction():
                # The locks of parallel workers end with them.
                await connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
                cursor = await connection.execute(
                    statement.encode(), dict(parameters), prepare=False, binary=True
                )
                rows: list[tuple[Any, ...]] = await cursor.fetchall()
                held = await connection.execute(_TABLES_HELD, (closed,))
                return rows, [name for (name,) in await held.fetchall()]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A driver connection of its own, outside the pools, in autocommit: for LISTEN."""
        async with translated():
            connection = await psycopg.AsyncConnection.connect(
                self.conninfo, autocommit=True, application_name="onemap-listen"
            )
        try:
            yield connection
        finally:
            await connection.close()

    async def announce(self, lock: int) -> int:
        """Holds the advisory lock (`lock`, `self.process`) while this process lives; returns `self.process`.

        The lock hangs on a connection of its own: it falls when the process dies, however it dies. It falls
        too when the database does; then this process comes back under another number, and what it left under
        the old one is anybody's to clear away.
        """
        async with self._announcing, translated():
            if self._sign_of_life is not None and not await _answers(self._sign_of_life):
                await self._sign_of_life.close()
                self._sign_of_life = None
                self.process = secrets.randbits(31)
            if self._sign_of_life is None:
                connection = await psycopg.AsyncConnection.connect(
                    self.conninfo, autocommit=True, application_name="onemap-life"
                )
                await connection.execute("SELECT pg_advisory_lock(%s, %s)", (lock, self.process))
                self._sign_of_life = connection
        return self.process

    async def vacuum(self, schema: str, tables: Sequence[str]) -> None:
        """Frees what changed rows left behind in `tables`, so that readers need not step over it."""
        async with translated(), self.listening() as connection:
            for table in tables:
                await connection.execute(
                    driver_sql.SQL("VACUUM (ANALYZE) {}").format(identifier(schema, table))
                )

    def _opened(self) -> AsyncEngine:
        if self._engine is None:
            raise RuntimeError("the database is not open: use `async with Database(url)`")
        return self._engine

    async def _drawing(self) -> AsyncConnectionPool[Any]:
        if self._draw_pool is None:
            pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
                self.conninfo,
                min_size=1,
                max_size=self._sizes.draw,
                timeout=POOL_WAIT_S,
                open=False,
                kwargs={
                    "autocommit": True,
                    "application_name": "onemap-draw",
                    "options": f"-c statement_timeout={DRAW_TIMEOUT_MS} -c jit=off"
                    " -c default_transaction_read_only=on",
                },
            )
            self._draw_pool = pool
            await pool.open()
        return self._draw_pool


_TABLES_HELD = """
    SELECT DISTINCT n.nspname || '.' || c.relname
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND starts_with(n.nspname, %s)
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY 1
"""


async def _answers(connection: psycopg.AsyncConnection[Any]) -> bool:
    try:
        await connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


async def driver(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """The driver's connection under `connection`, inside the same transaction: for COPY."""
    raw = await connection.get_raw_connection()
    found = raw.driver_connection
    assert isinstance(found, psycopg.AsyncConnection)
    return found


class DriverStatement(NamedTuple):
    """A statement as `Database.draw` takes it: text with `%(name)s` places, and the values bound so far."""

    text: str
    values: Mapping[str, Any]


def for_driver(statement: ClauseElement) -> DriverStatement:
    """`statement` as the driver's text. A `bindparam` without a value keeps its name and comes with None."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return DriverStatement(str(compiled), compiled.params or {})


def identifier(*parts: str) -> driver_sql.Identifier:
    """A quoted, dotted identifier for driver statements. The only quoting function of the project."""
    return driver_sql.Identifier(*parts)


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turns the driver's and SQLAlchemy's errors into `layers.errors`; nothing of their text is kept.

    A broken promise of ours (a syntax error, a missing table) stays what it is and becomes a 500.
    """
    try:
        yield
    except OneMapError:
        raise
    except (PoolTimeout, sqlalchemy.exc.TimeoutError) as error:
        raise Unavailable("数据库正忙，请稍后重试", "the database is busy; please try again") from error
    except UnicodeEncodeError as error:
        raise BadRequest(
            "文本含有无法存储的字符（孤立的代理码）",
            "a text holds half a character (a lone surrogate)",
            field="",
            value=ascii(error.object)[:80],
            expected="Unicode text",
        ) from error
    except sqlalchemy.exc.DBAPIError as error:
        ours = _ours(error.orig)
        if ours is None:
            raise
        raise ours from error
    except psycopg.Error as error:
        ours = _ours(error)
        if ours is None:
            raise
        raise ours from error


def _ours(error: BaseException | None) -> OneMapError | None:
    """The class of ours for a driver error; None if the fault is in our own statement."""
    match error:
        case psycopg.errors.QueryCanceled():
            return TimedOut("查询超时，请缩小范围", "the query took too long; ask for less")
        case psycopg.errors.UniqueViolation() | psycopg.errors.SerializationFailure():
            return Conflict(
                "数据刚被他人修改，请重试", "somebody else changed this just now; please try again"
            )
        case psycopg.errors.DeadlockDetected() | psycopg.errors.LockNotAvailable():
            return Conflict("数据正被占用，请重试", "the data is locked by another change; please try again")
        case psycopg.errors.ForeignKeyViolation():
            return Conflict(
                "引用的对象不存在或仍被引用", "an object this refers to is missing or still in use"
            )
        case psycopg.errors.DataError():
            return BadRequest(
                "参数值超出范围", "a value is out of range", field="", value="", expected="a value in range"
            )
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return Unavailable(
                "数据库暂时不可用，请稍后重试", "the database is not available; please try again"
            )
        case _:
            return None


async def wait_until_ready(url: str, timeout_s: float = 30.0) -> None:
    """Returns when the database accepts connections; raises `Unavailable` after `timeout_s`."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    conninfo = Database(url).conninfo
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(conninfo, connect_timeout=5):
                return
        except psycopg.OperationalError as error:
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable("数据库未能启动", "the database did not become ready") from error
            await asyncio.sleep(0.2)
