"""Who answers for what: the rule table (class × owner of the component × grid → department, time limit).

The written rule: of the rules that match, the one with the lowest priority number decides; among equals the
longest class prefix, then a named owner before any owner, then the longest grid prefix, then the smallest id.
A rule with nothing filled in is the default department.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from layers import schema
from layers.db import Database
from layers.errors import BadData

DEFAULT_PRIORITY = 100
MAX_LIMIT_HOURS = 24 * 366.0
COLUMNS = ("priority", "class_prefix", "owner_code", "grid_prefix", "department_code", "limit_hours")


@dataclass(frozen=True)
class Rule:
    """One line of the table. Empty prefixes and owner None match anything; `limit_hours` None: no limit."""

    class_prefix: str
    owner_code: str | None
    grid_prefix: str
    department_code: str
    limit_hours: float | None = None
    priority: int = DEFAULT_PRIORITY
    id: int = 0

    def matches(self, class_code: str, owner_code: str | None, grid_code: str | None) -> bool:
        """True if the rule speaks for an event of the class, at a component of the owner, in the grid."""
        return (
            class_code.startswith(self.class_prefix)
            and self.owner_code in (None, owner_code)
            and (grid_code or "").startswith(self.grid_prefix)
        )


def choose(
    rules: Iterable[Rule], class_code: str, owner_code: str | None, grid_code: str | None
) -> Rule | None:
    """The rule that decides, None if none matches.

    >>> choose([Rule("", None, "", "CG01"), Rule("01001", "SW01", "", "SW01")], "01001", "SW01", None)
    Rule(class_prefix='01001', owner_code='SW01', grid_prefix='', department_code='SW01', \
limit_hours=None, priority=100, id=0)
    """
    matching = [rule for rule in rules if rule.matches(class_code, owner_code, grid_code)]
    return min(matching, key=_order, default=None)


def read_rules(text: str) -> list[Rule]:
    """The rules in CSV text with a header line of `COLUMNS` (in any order; a byte-order mark is fine).

    Raises `BadData` naming row and column for what cannot be a rule, and for two rules alike.
    """
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    missing = [name for name in ("department_code",) if name not in (reader.fieldnames or ())]
    if missing:
        raise _bad(1, "department_code", "", "a column of that name")
    return checked(reader)


def checked(rows: Iterable[Mapping[str, str | None]]) -> list[Rule]:
    """Rows of text as rules. Raises `BadData` naming row (the first is 2, after a header) and column."""
    rules: list[Rule] = []
    seen: dict[tuple[str, str | None, str], int] = {}
    for number, row in enumerate(rows, start=2):
        values = {name: (row.get(name) or "").strip() for name in COLUMNS}
        for name in ("class_prefix", "grid_prefix"):
            if not (values[name].isascii() and (values[name].isalnum() or not values[name])):
                raise _bad(number, name, values[name], "digits, or nothing")
        if not values["department_code"]:
            raise _bad(number, "department_code", "", "the code of a department")
        rule = Rule(
            values["class_prefix"],
            values["owner_code"] or None,
            values["grid_prefix"],
            values["department_code"],
            _hours(number, values["limit_hours"]),
            _priority(number, values["priority"]),
        )
        key = (rule.class_prefix, rule.owner_code, rule.grid_prefix)
        if key in seen:
            raise _bad(
                number, "class_prefix", values["class_prefix"], f"a rule unlike that in row {seen[key]}"
            )
        seen[key] = number
        rules.append(rule)
    return rules


def due_at(rule: Rule | None, now: datetime) -> datetime | None:
    """When the rule's time limit ends, counted in clock hours; None without a rule or a limit."""
    if rule is None or rule.limit_hours is None:
        return None
    return now + timedelta(hours=rule.limit_hours)


async def load_rules(db: Database, rows: Sequence[Mapping[str, str | None]] | Sequence[Rule]) -> int:
    """Puts these rules in the place of all that stand, in one transaction; returns how many.

    `rows`: rules, or rows of text as a CSV reader gives them. Raises `BadData` for a bad row or a
    department that does not exist, and then nothing changes.
    """
    rules = [rule for rule in rows if isinstance(rule, Rule)]
    if not rules:
        rules = checked([row for row in rows if not isinstance(row, Rule)])
    table = schema.dispatch_rule
    async with db.begin() as connection:
        known = set(await connection.scalars(select(schema.department.c.code)))
        for number, rule in enumerate(rules, start=2):
            if rule.department_code not in known:
                raise _bad(number, "department_code", rule.department_code, "the code of a department")
        await connection.execute(delete(table))
        if rules:
            await connection.execute(
                insert(table), [{name: getattr(rule, name) for name in COLUMNS} for rule in rules]
            )
    return len(rules)


async def list_rules(db: Database) -> list[Rule]:
    """The rules that stand, in the order in which they decide."""
    table = schema.dispatch_rule
    async with db.connect() as connection:
        found = await connection.execute(select(table))
        return sorted((Rule(**row) for row in found.mappings()), key=_order)


async def find_rule(
    connection: AsyncConnection,
    class_code: str,
    owner_code: str | None,
    grid_code: str | None,
    *,
    department_code: str | None = None,
) -> Rule | None:
    """The rule that decides, within a transaction; `department_code`: only among that department's rules."""
    table = schema.dispatch_rule
    statement = select(table).where(
        func.starts_with(literal(class_code), table.c.class_prefix),
        or_(table.c.owner_code.is_(None), table.c.owner_code == owner_code),
        func.starts_with(literal(grid_code or ""), table.c.grid_prefix),
    )
    if department_code is not None:
        statement = statement.where(table.c.department_code == department_code)
    found = await connection.execute(statement)
    return choose((Rule(**row) for row in found.mappings()), class_code, owner_code, grid_code)


def _order(rule: Rule) -> tuple[int, int, bool, int, int]:
    return rule.priority, -len(rule.class_prefix), rule.owner_code is None, -len(rule.grid_prefix), rule.id


def _hours(number: int, text: str) -> float | None:
    if not text:
        return None
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours <= MAX_LIMIT_HOURS:
        raise _bad(number, "limit_hours", text, f"hours above 0, up to {MAX_LIMIT_HOURS:.0f}, or nothing")
    return hours


def _priority(number: int, text: str) -> int:
    if not text:
        return DEFAULT_PRIORITY
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise _bad(number, "priority", text, "a whole number from 0 to 999999")
    return int(text)


def _bad(row: int, column: str, value: str, expected: str) -> BadData:
    return BadData(
        f"派遣规则第 {row} 行的 {column} 有误：“{value[:60]}”",
        f"dispatch rules, row {row}: {column} is {value[:60]!r}, expected {expected}",
        row=row,
        field=column,
        value=value[:200],
        expected=expected,
    )
