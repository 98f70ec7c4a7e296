"""Departments and dispatch rules from the command line: put in from tables, listed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from rich.table import Table

from grid.dispatch import list_rules, load_rules, read_rules
from layers.accounts import Department, list_departments, load_departments
from layers.db import Database
from layers.errors import BadData
from onemap.administration import heads, with_database
from onemap.settings import Settings
from onemap.terminal import out, say


def load(settings: Settings, rules: Path | None, departments: Path | None) -> None:
    """Puts in departments (added or renamed) and rules (in the place of all that stand), where given.

    Raises `BadData` naming file or row; departments go in first, so the rules may name them.
    """
    units = read_departments(departments) if departments is not None else []
    table = read_rules(read_table(rules)) if rules is not None else None

    async def put_in(db: Database) -> tuple[int, int]:
        known = await load_departments(db, units)
        return known, await load_rules(db, table) if table is not None else 0

    known, count = with_database(settings, put_in)
    out.print(say(f"部门 {known} 个，派遣规则 {count} 条", f"{known} departments, {count} dispatch rules"))


def print_rules(settings: Settings) -> None:
    """A table of the rules in the order in which they decide."""

    async def read(db: Database) -> tuple[list[tuple[str, ...]], dict[str, str]]:
        names = {each.code: each.name for each in await list_departments(db)}
        rules: list[tuple[str, ...]] = [
            (
                str(rule.priority),
                rule.class_prefix,
                rule.owner_code or "",
                rule.grid_prefix,
                rule.department_code,
                "" if rule.limit_hours is None else f"{rule.limit_hours:g}",
            )
            for rule in await list_rules(db)
        ]
        return rules, names

    rules, names = with_database(settings, read)
    table = Table(*heads(("优先级", "priority"), ("类别", "class"), ("权属", "owner"), ("网格", "grid"),
                         ("部门", "department"), ("时限（小时）", "hours")))  # fmt: skip
    for priority, class_prefix, owner, grid, department, hours in rules:
        unit = f"{department} {names.get(department, '')}".strip()
        table.add_row(priority, class_prefix, owner, grid, unit, hours)
    out.print(table)


def read_departments(path: Path) -> list[Department]:
    """The departments of a CSV file with the columns code, name and, if it likes, name_en. `BadData`."""
    reader = csv.DictReader(io.StringIO(read_table(path)))
    found = []
    for number, row in enumerate(reader, start=2):
        code, name = (row.get("code") or "").strip(), (row.get("name") or "").strip()
        if not code or not name:
            raise BadData(
                f"{path.name} 第 {number} 行缺少 code 或 name",
                f"{path.name}, row {number}: code or name is missing",
                file=path.name,
                row=number,
            )
        found.append(Department(code, name, (row.get("name_en") or "").strip()))
    return found


def read_table(path: Path) -> str:
    """The text of a table, UTF-8 or as a Chinese Excel saves it (GB18030). `BadData`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadData(
            f"无法读取 {path.name}：{error.strerror}",
            f"cannot read {path.name}: {error.strerror}",
            file=path.name,
        ) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadData(
        f"{path.name} 既不是 UTF-8 也不是 GB18030 文本",
        f"{path.name} is neither UTF-8 nor GB18030 text",
        file=path.name,
    )
