"""What the database says of a table or view: its columns, their types, its keys. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.errors import BadRequest, NotAllowed, NotFound
from layers.schema import OWN_PREFIX

TableKind = Literal["table", "partitioned table", "view", "materialized view", "foreign table"]

_KINDS: dict[str, TableKind] = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
_NEARBY = 5

_FIND = text("""
    SELECT c.oid, c.relkind::text AS relkind, obj_description(c.oid, 'pg_class') AS comment,
           c.relhassubclass AS has_children, c.relrowsecurity AS has_row_security,
           has_schema_privilege(n.oid, 'USAGE') AS may_enter,
           has_any_column_privilege(c.oid, 'SELECT') AS may_read, current_user AS "user"
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relname = :name
""")
_NEAR = text("""
    SELECT n.nspname || '.' || c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND lower(c.relname) = lower(:name) AND n.nspname !~ '^(pg_|onemap|information_schema)'
    ORDER BY 1 LIMIT :limit
""")
_READS = text("""
    WITH RECURSIVE behind (oid) AS (
        SELECT CAST(:oid AS oid)
        UNION
        SELECT d.refobjid FROM behind
        JOIN pg_rewrite r ON r.ev_class = behind.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
             AND d.refclassid = 'pg_class'::regclass
    )
    SELECT n.nspname || '.' || c.relname FROM behind
    JOIN pg_class c ON c.oid = behind.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname ~ '^onemap' LIMIT 1
""")
TYPE_OF_COLUMN = """
           a.attname AS name, format_type(a.atttypid, NULL) AS type,
           format_type(a.atttypid, a.atttypmod) AS whole_type,
           b.typname AS base, b.typtype::text AS typtype, b.typcategory::text AS category, base.typmod,
           CASE WHEN b.typname = 'geometry' THEN postgis_typmod_type(base.typmod) END AS shape,
           CASE WHEN b.typname = 'geometry' THEN postgis_typmod_srid(base.typmod) END AS srid,
           ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid
                 ORDER BY e.enumsortorder) AS labels
"""
"""What a statement selects of a column `a` (as in `pg_attribute`) and what `BELOW_COLUMN` finds of it."""
BELOW_COLUMN = """
    CROSS JOIN LATERAL (
        WITH RECURSIVE below (oid, typmod) AS (
            SELECT a.atttypid, a.atttypmod
            UNION ALL
            SELECT t.typbasetype, CASE WHEN below.typmod = -1 THEN t.typtypmod ELSE below.typmod END
            FROM below JOIN pg_type t ON t.oid = below.oid WHERE t.typtype = 'd'
        )
        SELECT below.* FROM below JOIN pg_type t ON t.oid = below.oid WHERE t.typtype <> 'd'
    ) base
    JOIN pg_type b ON b.oid = base.oid
"""
"""The type below any domains: joined to a column `a`."""
_COLUMNS = text(f"""
    SELECT {TYPE_OF_COLUMN}, a.attnotnull AS is_required,
           has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS may_read,
           col_description(a.attrelid, a.attnum) AS comment
    FROM pg_attribute a {BELOW_COLUMN}
    WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
""")  # noqa: S608 - of our own text
_KEYS = text("""
    SELECT i.indisprimary AS is_primary,
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                 WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
    FROM pg_index i
    WHERE i.indrelid = :oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
      AND i.indexprs IS NULL
    ORDER BY i.indisprimary DESC, i.indexrelid
""")


@dataclass(frozen=True)
class ColumnFacts:
    """A column. `type` is its own (a domain's name), `base` what lies below, without length or precision.

    `whole_type` has those; `shape` and `srid` are a geometry's, as its type says them.
    """

    name: str
    type: str
    whole_type: str
    base: str
    typtype: str
    category: str
    is_required: bool
    may_read: bool
    comment: str | None
    typmod: int
    shape: str | None
    srid: int | None
    labels: tuple[str, ...]


@dataclass(frozen=True)
class TableFacts:
    """A table or view. `unique`: the columns of each unique index, the primary key's first."""

    schema: str
    name: str
    kind: TableKind
    comment: str | None
    has_children: bool
    has_row_security: bool
    user: str
    columns: tuple[ColumnFacts, ...]
    primary_key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]

    @property
    def title(self) -> str:
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> ColumnFacts | None:
        return next((c for c in self.columns if c.name == name), None)


async def table_facts(connection: AsyncConnection, schema: str, name: str) -> TableFacts:
    """The facts of a table, partitioned table, view, materialized view or foreign table.

    Raises `BadRequest` for a table of ours or of PostgreSQL's, `NotFound` if there is none of that name
    (names are taken as they are, in their case), `NotAllowed` without the right to read it.
    """
    title = f"{schema}.{name}"
    if is_reserved(schema) or "\x00" in title:
        raise _not_to_be_registered(title)
    row = (await connection.execute(_FIND, {"schema": schema, "name": name})).mappings().one_or_none()
    if row is None or row["relkind"] not in _KINDS:
        raise await _no_such_table(connection, schema, name)
    if not (row["may_enter"] and row["may_read"]):
        raise _no_right(schema, name, row["user"], may_enter=row["may_enter"])
    below = await connection.scalar(_READS, {"oid": row["oid"]})
    if below is not None:
        raise _not_to_be_registered(title, below)
    columns = (await connection.execute(_COLUMNS, {"oid": row["oid"]})).mappings()
    keys = (await connection.execute(_KEYS, {"oid": row["oid"]})).mappings().all()
    return TableFacts(
        schema=schema,
        name=name,
        kind=_KINDS[row["relkind"]],
        comment=row["comment"],
        has_children=row["relkind"] == "r" and row["has_children"],
        has_row_security=row["has_row_security"],
        user=row["user"],
        columns=tuple(map(column_facts, columns)),
        primary_key=next((tuple(key["columns"]) for key in keys if key["is_primary"]), ()),
        unique=tuple(tuple(key["columns"]) for key in keys),
    )


def column_facts(row: Mapping[Any, Any]) -> ColumnFacts:
    """The facts in a row of a statement that selects `TYPE_OF_COLUMN` and what is said of the column."""
    return ColumnFacts(**{**row, "labels": tuple(row["labels"])})


def quoted(*names: str) -> str:
    """Names as a person types them into psql: for sentences, never for statements we run."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def is_reserved(schema: str) -> bool:
    """Whether a schema is ours or PostgreSQL's: nothing in it is shown."""
    return schema.startswith((OWN_PREFIX, "pg_")) or schema == "information_schema"


def _not_to_be_registered(title: str, below: str | None = None) -> BadRequest:
    because = ("", "") if below is None else (f"（它读取 {below}）", f": it reads {below}")
    return BadRequest(
        f"不能登记 {title}{because[0]}：onemap 与系统模式中的表不对外提供",
        f"{title} cannot be registered{because[1]}; tables of onemap and of the system stay inside",
        field="table",
        value=title,
        expected="a table or view of your own",
    )


async def _no_such_table(connection: AsyncConnection, schema: str, name: str) -> NotFound:
    near: Sequence[str] = (await connection.scalars(_NEAR, {"name": name, "limit": _NEARBY})).all()
    hint = (f"；是否为 {'、'.join(near)}？", f"; is it {' or '.join(near)}?") if near else ("", "")
    return NotFound(
        f"没有表或视图 {schema}.{name}（区分大小写）{hint[0]}",
        f"there is no table or view {schema}.{name} (names are taken in their case){hint[1]}",
        table=f"{schema}.{name}",
        near=list(near),
    )


def _no_right(schema: str, name: str, user: str, *, may_enter: bool) -> NotAllowed:
    grant = (
        f"GRANT SELECT ON {quoted(schema, name)} TO {quoted(user)};"
        if may_enter
        else f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(user)};"
    )
    return NotAllowed(
        f"数据库用户 {user} 无权读取 {schema}.{name}，请由其所有者执行：{grant}",
        f"the database user {user} may not read {schema}.{name}; let its owner run: {grant}",
        table=f"{schema}.{name}",
        sql=grant,
    )
