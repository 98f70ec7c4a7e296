"""What the database says of a function: its arguments, what comes out of it, whether it may change anything.

Nothing is decided here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.errors import BadRequest, NotAllowed, NotFound
from layers.table_facts import BELOW_COLUMN, TYPE_OF_COLUMN, TableFacts, column_facts, is_reserved, quoted

_FIND = text("""
    SELECT p.oid, p.prokind::text AS kind, p.provolatile::text AS volatility, p.proretset AS returns_set,
           p.prosecdef AS is_definer, p.provariadic <> 0 AS is_variadic,
           pg_get_function_identity_arguments(p.oid) AS signature,
           coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) AS body,
           obj_description(p.oid, 'pg_proc') AS comment,
           has_schema_privilege(n.oid, 'USAGE') AS may_enter,
           has_function_privilege(p.oid, 'EXECUTE') AS may_call, current_user AS "user"
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = :schema AND p.proname = :name
    ORDER BY p.oid
""")
_INPUTS = text("""
    SELECT coalesce(a.name, '') AS name, t.typname AS base, format_type(a.type, NULL) AS type,
           row_number() OVER (ORDER BY a.place) > p.pronargs - p.pronargdefaults AS has_default
    FROM pg_proc p
    CROSS JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes)
         WITH ORDINALITY AS a (type, name, mode, place)
    JOIN pg_type t ON t.oid = a.type
    WHERE p.oid = :oid AND coalesce(a.mode, 'i') IN ('i', 'b', 'v')
    ORDER BY a.place
""")
_OUTPUTS = text(f"""
    WITH a AS (
        SELECT o.name AS attname, o.type AS atttypid, -1 AS atttypmod, o.place AS attnum,
               false AS attnotnull, NULL::text AS said
        FROM pg_proc p CROSS JOIN LATERAL unnest(p.proallargtypes, p.proargnames, p.proargmodes)
             WITH ORDINALITY AS o (type, name, mode, place)
        WHERE p.oid = :oid AND o.mode IN ('o', 'b', 't')
        UNION ALL
        SELECT c.attname, c.atttypid, c.atttypmod, c.attnum, c.attnotnull,
               col_description(c.attrelid, c.attnum)
        FROM pg_proc p JOIN pg_type r ON r.oid = p.prorettype
        JOIN pg_attribute c ON c.attrelid = r.typrelid AND c.attnum > 0 AND NOT c.attisdropped
        WHERE p.oid = :oid AND r.typtype = 'c'
    )
    SELECT {TYPE_OF_COLUMN}, a.attnotnull AS is_required, true AS may_read, a.said AS comment
    FROM a {BELOW_COLUMN}
    ORDER BY a.attnum
""")  # noqa: S608 - of our own text
_OURS = re.compile(r'\bonemap(_rows|_stage)?"?\s*\.', re.IGNORECASE)


@dataclass(frozen=True)
class InputFacts:
    """An argument of a function; `base` is its type's name in the catalogue, `type` for people."""

    name: str
    base: str
    type: str
    has_default: bool


@dataclass(frozen=True)
class FunctionFacts:
    """A function that returns rows and changes nothing. `columns` are told as those of a view."""

    signature: str
    is_definer: bool
    inputs: tuple[InputFacts, ...]
    columns: TableFacts

    @property
    def title(self) -> str:
        return self.columns.title


async def function_facts(connection: AsyncConnection, schema: str, name: str) -> FunctionFacts:
    """The facts of the one function of a name that returns a set of rows and is STABLE or IMMUTABLE.

    Raises `NotFound` if there is none, `NotAllowed` without the right to call it, `BadRequest` for several of
    one name, for one that may change something, returns no set of rows, has arguments without a name or any
    number of them, and for one of ours or PostgreSQL's or whose body names our tables.
    """
    title = f"{schema}.{name}"
    if is_reserved(schema) or "\x00" in title:
        raise _refused(title, "它属于 onemap 或系统", "it belongs to onemap or to the system")
    found = (await connection.execute(_FIND, {"schema": schema, "name": name})).mappings().all()
    if not found:
        raise NotFound(
            f"没有函数 {title}（区分大小写）",
            f"there is no function {title} (names are taken in their case)",
            function=title,
        )
    if len(found) > 1:
        several = "; ".join(f"{name}({row['signature']})" for row in found)
        raise _refused(title, f"同名函数有多个：{several}", f"several have that name: {several}")
    (row,) = found
    whole = f"{quoted(schema, name)}({row['signature']})"
    if not (row["may_enter"] and row["may_call"]):
        grant = f"GRANT EXECUTE ON FUNCTION {whole} TO {quoted(row['user'])};"
        if not row["may_enter"]:
            grant = f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(row['user'])};"
        raise NotAllowed(
            f"数据库用户 {row['user']} 无权调用 {title}，请由其所有者执行：{grant}",
            f"the database user {row['user']} may not call {title}; let its owner run: {grant}",
            function=title,
            sql=grant,
        )
    if row["kind"] != "f" or not row["returns_set"]:
        raise _refused(title, "它不返回行的集合", "it does not return a set of rows (RETURNS TABLE or SETOF)")
    if row["volatility"] == "v":
        raise _refused(
            title,
            f"它是 VOLATILE，可能改动数据；若确实只读，请执行 ALTER FUNCTION {whole} STABLE;",
            f"it is VOLATILE and may change something; if it only reads, run ALTER FUNCTION {whole} STABLE;",
        )
    if _OURS.search(row["body"] or ""):
        raise _refused(
            title,
            "它读取 onemap 自己的表，权限在那里不起作用",
            "it reads tables of onemap's own, where rights would not reach",
        )
    inputs = [InputFacts(**r) for r in (await connection.execute(_INPUTS, {"oid": row["oid"]})).mappings()]
    if row["is_variadic"] or not all(one.name for one in inputs):
        raise _refused(
            title,
            "每个参数都要有名称，且个数固定",
            "every argument needs a name, and their number must be fixed",
        )
    columns = (await connection.execute(_OUTPUTS, {"oid": row["oid"]})).mappings()
    told = TableFacts(
        schema=schema,
        name=name,
        kind="view",
        comment=row["comment"],
        has_children=False,
        has_row_security=False,
        user=row["user"],
        columns=tuple(map(column_facts, columns)),
        primary_key=(),
        unique=(),
    )
    return FunctionFacts(row["signature"], row["is_definer"], tuple(inputs), told)


def _refused(title: str, zh: str, en: str) -> BadRequest:
    return BadRequest(
        f"不能登记函数 {title}：{zh}",
        f"function {title} cannot be registered: {en}",
        field="function",
        value=title,
        expected="a STABLE or IMMUTABLE function of your own that returns rows",
    )
