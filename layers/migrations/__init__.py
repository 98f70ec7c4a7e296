"""The one history of the fixed tables' schema, and the way to bring a database to its newest state."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.db import Database
from layers.errors import Unfit
from layers.schema import ROWS_SCHEMA, SCHEMA, STAGE_SCHEMA

MIN_POSTGRESQL = 15
"""NULLS NOT DISTINCT (dispatch rules) came with 15."""
MIN_POSTGIS = (3, 3)
EXTENSIONS = ("postgis", "pg_trgm")
_LOCK = 0x6F6E656D6170  # "onemap"


async def upgrade(url: str) -> None:
    """Brings the database at `url` to the newest schema; harmless when it is there already.

    One transaction under a lock, so two processes may start at once. Raises `Unfit` when the server
    is too old, is not UTF-8, or has no PostGIS.
    """
    async with Database(url) as db, db.begin(timeout_ms=0) as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await _check_server(connection)
        for extension in EXTENSIONS:
            await _ensure_extension(connection, extension)
        await _check_postgis(connection)
        for schema in (SCHEMA, ROWS_SCHEMA, STAGE_SCHEMA):
            await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        await connection.run_sync(_run)


def _run(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _check_server(connection: AsyncConnection) -> None:
    number = int(await connection.scalar(text("SHOW server_version_num")) or 0)
    if number < MIN_POSTGRESQL * 10_000:
        raise Unfit(
            f"PostgreSQL 版本过低：需要 {MIN_POSTGRESQL} 或更高",
            f"PostgreSQL {MIN_POSTGRESQL} or newer is needed",
            server_version=number // 10_000,
        )
    encoding = await connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise Unfit(
            f"数据库编码为 {encoding}，需要 UTF8",
            f"the database is encoded in {encoding}, UTF8 is needed",
            encoding=encoding,
        )


async def _ensure_extension(connection: AsyncConnection, name: str) -> None:
    known = {"name": name}
    if await connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = :name"), known):
        return
    if not await connection.scalar(text("SELECT 1 FROM pg_available_extensions WHERE name = :name"), known):
        raise Unfit(
            f"该 PostgreSQL 没有安装扩展 {name}（Debian/Ubuntu：apt install postgresql-NN-postgis-3，"
            "NN 为服务器主版本号）",
            f"this PostgreSQL has no extension {name} (Debian/Ubuntu: apt install postgresql-NN-postgis-3, "
            "NN being the server's major version)",
            extension=name,
        )
    try:
        async with connection.begin_nested():
            await connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {name}"))
    except DBAPIError as error:
        raise Unfit(
            f"没有权限安装扩展 {name}：请由数据库管理员执行 CREATE EXTENSION {name}",
            f"no right to make the extension {name}: let the database administrator run "
            f"CREATE EXTENSION {name}",
            extension=name,
        ) from error


async def _check_postgis(connection: AsyncConnection) -> None:
    found = str(await connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname='postgis'")))
    if tuple(int(part) for part in found.split(".")[:2]) < MIN_POSTGIS:
        wanted = ".".join(map(str, MIN_POSTGIS))
        raise Unfit(
            f"PostGIS {found} 版本过低：需要 {wanted} 或更高"
            "（升级后执行 SELECT postgis_extensions_upgrade()）",
            f"PostGIS {found} is too old: {wanted} or newer is needed "
            "(after upgrading run SELECT postgis_extensions_upgrade())",
            found=found,
        )
