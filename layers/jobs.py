"""The queue of work that outlasts a request: PostgreSQL is the queue, procrastinate its keeper.

A job says only which run; the run's row says everything else (`layers.import_runs`), so a job that comes
twice or is lost does no harm. The keeper's tables stand in a schema of their own.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

from procrastinate import App, PsycopgConnector, exceptions
from procrastinate.jobs import Status
from procrastinate.schema import SchemaManager
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.db import Database, driver
from layers.errors import Unavailable
from layers.schema import JOBS_SCHEMA

QUEUE = "imports"
TASK = "read_import"
POLL_S = 5.0
"""A job whose notice was missed is found after so long."""
STALLED_S = 30.0
"""A worker silent for so long is forgotten by the keeper."""

_PATH = f"{JOBS_SCHEMA}, public"

QUEUE_SQL = f"""
DROP SCHEMA IF EXISTS {JOBS_SCHEMA} CASCADE;
CREATE SCHEMA {JOBS_SCHEMA};
SET LOCAL search_path = {_PATH};
{SchemaManager.get_schema()}
SET LOCAL search_path TO DEFAULT;
"""
"""Makes the keeper's tables, for a migration; jobs that were in them are put again from the runs."""


async def put(connection: AsyncConnection, run_id: uuid.UUID) -> None:
    """Queues the run, when the transaction of `connection` commits; harmless if it is queued already."""
    app = App(connector=PsycopgConnector())
    try:
        async with connection.begin_nested():
            # SET LOCAL ends with the transaction, and with a savepoint that is rolled back.
            await connection.execute(text(f"SET LOCAL search_path = {_PATH}"))
            await app.configure_task(
                TASK, queue=QUEUE, queueing_lock=str(run_id), connection=await driver(connection)
            ).defer_async(run_id=str(run_id))
            await connection.execute(text("SET LOCAL search_path TO DEFAULT"))
    except exceptions.AlreadyEnqueued:
        return


async def work(db: Database, read: Callable[[uuid.UUID], Awaitable[None]]) -> None:
    """Calls `read` for each queued run, one after another, until cancelled.

    Raises `Unavailable` when the database goes away.
    """
    connector = PsycopgConnector(
        conninfo=db.conninfo,
        min_size=1,
        max_size=4,
        kwargs={"application_name": "onemap-jobs", "options": f"-c search_path={JOBS_SCHEMA},public"},
    )
    app = App(connector=connector)

    @app.task(name=TASK, queue=QUEUE)
    async def read_import(run_id: str) -> None:
        await read(uuid.UUID(run_id))

    try:
        await _work(app)
    except exceptions.ConnectorException as error:
        raise Unavailable(
            "数据库暂时不可用，请稍后重试", "the database is not available; please try again"
        ) from error


async def _work(app: App) -> None:
    async with app.open_async():
        for job in await app.job_manager.get_stalled_jobs(queue=QUEUE):
            assert job.id is not None
            await app.job_manager.finish_job_by_id_async(job.id, status=Status.ABORTED, delete_job=True)
        await app.run_worker_async(
            queues=[QUEUE],
            concurrency=1,
            fetch_job_polling_interval=POLL_S,
            shutdown_graceful_timeout=0.1,
            delete_jobs="always",
            install_signal_handlers=False,
            stalled_worker_timeout=STALLED_S,
        )
