"""Changes of registered tables: a trigger tells of them, and the layer's version counts up.

The trigger only sends a notice. It takes no lock of ours, so that writers of the table never wait for the
map; whichever server process hears it first counts. At most once a second for each layer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import psycopg
from psycopg import sql as driver_sql
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.catalogue import list_layers
from layers.db import Database, driver, identifier
from layers.errors import BadRequest, NotAllowed, OneMapError
from layers.model import Relation
from layers.notices import LAYER_CHANNEL, REGISTERED_CHANNEL, Notice, Notices, Subscription, notify
from layers.table_facts import TableFacts, quoted

PAUSE_S = 1.0
"""Shortest time between two versions of one layer: a table written to all the time is drawn anew once a
second, not once a row."""
LOCK_TIMEOUT = "5s"
"""How long making a trigger waits for whoever holds the table."""

_FUNCTION = f"""
    CREATE OR REPLACE FUNCTION {schema.SCHEMA}.tell_registered() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_catalog.pg_notify('{REGISTERED_CHANNEL}', TG_ARGV[0] || ':0');
        RETURN NULL;
    END $$
"""
_PARTS = text("""
    SELECT n.nspname, c.relname,
           EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = :trigger) AS follows
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p')
      AND (c.oid = CAST(:table AS regclass)
           OR c.oid IN (SELECT relid FROM pg_partition_tree(CAST(:table AS regclass))))
""")
"""The table and, if it has any, its partitions: a statement that names a partition fires that one's trigger
only."""

_log = logging.getLogger(__name__)


async def install(connection: AsyncConnection, facts: TableFacts, layer_id: str) -> None:
    """Makes the trigger on the table and its partitions, where it is not there yet.

    Raises `BadRequest` for what can have none (a view, another database's table), `NotAllowed` with the
    sentence to run where the right is missing, `Conflict` while somebody holds the table.
    """
    if facts.kind not in ("table", "partitioned table"):
        raise BadRequest(
            f"{facts.title}（{facts.kind}）不能建触发器；更新后请运行 onemap layers refresh {layer_id}",
            f"{facts.title} is a {facts.kind}: no trigger can tell of its changes; run"
            f" `onemap layers refresh {layer_id}` after each",
            field="follow",
            value=facts.kind,
            expected="a table",
        )
    name = _trigger(layer_id)
    try:
        async with connection.begin_nested():
            raw = await driver(connection)
            await raw.execute(_FUNCTION.encode())
            await raw.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
            for schema_name, table_name in await _parts(connection, facts.schema, facts.name, name):
                statement = driver_sql.SQL(
                    "CREATE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {}"
                    " FOR EACH STATEMENT EXECUTE FUNCTION {}({})"
                )
                await raw.execute(
                    statement.format(
                        identifier(name),
                        identifier(schema_name, table_name),
                        identifier(schema.SCHEMA, "tell_registered"),
                        driver_sql.Literal(layer_id),
                    )
                )
    except psycopg.errors.InsufficientPrivilege as error:
        grant = f"GRANT TRIGGER ON {quoted(facts.schema, facts.name)} TO {quoted(facts.user)};"
        raise NotAllowed(
            f"数据库用户 {facts.user} 不能在 {facts.title} 上建触发器，请由其所有者执行：{grant}",
            f"the database user {facts.user} may not make a trigger on {facts.title};"
            f" let its owner run: {grant}",
            table=facts.title,
            sql=grant,
        ) from error


async def remove(connection: AsyncConnection, relation: Relation, layer_id: str) -> None:
    """Takes the triggers away again, as far as the table is still there and ours to change."""
    name = _trigger(layer_id)
    try:
        async with connection.begin_nested():
            raw = await driver(connection)
            await raw.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
            for part in await _parts(connection, relation.schema, relation.name, name, present=True):
                drop = driver_sql.SQL("DROP TRIGGER IF EXISTS {} ON {}")
                await raw.execute(drop.format(identifier(name), identifier(*part)))
    except psycopg.errors.InsufficientPrivilege:
        # A trigger whose layer is gone sends notices nobody minds.
        _log.warning("the trigger %s on %s could not be taken away", name, relation.title)


async def unfollowed_parts(connection: AsyncConnection, relation: Relation, layer_id: str) -> list[str]:
    """The parts of the table without the trigger: partitions made since."""
    return [
        f"{s}.{t}" for s, t in await _parts(connection, relation.schema, relation.name, _trigger(layer_id))
    ]


def _trigger(layer_id: str) -> str:
    return f"onemap_tell_{layer_id}"


async def _parts(
    connection: AsyncConnection, schema_name: str, table_name: str, trigger: str, *, present: bool = False
) -> list[tuple[str, str]]:
    """Schema and name of the table and its partitions that lack the trigger, or have it (`present`)."""
    quoted_name = quoted(schema_name, table_name)
    if await connection.scalar(select(func.to_regclass(quoted_name))) is None:
        return []
    found = (await connection.execute(_PARTS, {"table": quoted_name, "trigger": trigger})).all()
    return [(row[0], row[1]) for row in found if row[2] is present]


class Follower:
    """Counts up the version of followed layers when their tables change. One for each serving process.

    Open it with `async with`. What changed while nobody listened is taken for changed.
    """

    def __init__(self, db: Database, notices: Notices) -> None:
        self._db = db
        self._notices = notices
        self._versions: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        """The version at which each layer stood when the latest notice of a change came."""
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Follower:
        # Both channels in one queue: whether a version was counted before or after a change is told by the
        # order of the two notices, which is that of the commits.
        news = self._notices.subscribe(REGISTERED_CHANNEL, LAYER_CHANNEL)
        await self._suspect_all()
        await self._count()
        self._task = asyncio.create_task(self._follow(news), name="follower")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _follow(self, news: Subscription) -> None:
        counted_at = 0.0
        while True:
            due_s = max(0.0, counted_at + PAUSE_S - time.monotonic()) if self._changed else None
            try:
                async with asyncio.timeout(due_s):
                    await self._hear(await anext(news))
            except TimeoutError:
                counted_at = time.monotonic()
                try:
                    await self._count()
                except OneMapError as error:
                    _log.warning("changes of registered tables wait for the database: %s", error.en)

    async def _hear(self, item: object) -> None:
        if not isinstance(item, Notice):
            try:
                await self._suspect_all()
            except OneMapError as error:
                _log.warning("registered tables could not be compared: %s", error.en)
        elif item.channel == LAYER_CHANNEL:
            self._versions[item.subject] = item.number
        elif item.subject in self._versions:
            self._changed[item.subject] = self._versions[item.subject]

    async def _suspect_all(self) -> None:
        layers = await list_layers(self._db)
        self._versions = {layer.id: layer.version for layer in layers}
        self._changed = {
            la.id: la.version for la in layers if la.relation is not None and la.relation.follows
        }

    async def _count(self) -> None:
        """The next version of each layer that changed, unless another process counted it already."""
        table = schema.layer
        while self._changed:
            layer_id, seen = next(iter(self._changed.items()))
            async with self._db.begin() as connection:
                counted = await connection.scalar(
                    update(table)
                    .where(table.c.id == layer_id, table.c.version == seen)
                    .values(version=seen + 1, published_at=func.now())
                    .returning(table.c.version)
                )
                if counted is not None:
                    await notify(connection, LAYER_CHANNEL, layer_id, counted)
            del self._changed[layer_id]
