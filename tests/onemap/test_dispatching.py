"""Departments and rules as an operator puts them in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from grid.dispatch import list_rules
from layers.accounts import list_departments
from layers.db import Database
from layers.errors import BadData
from onemap.dispatching import load, print_rules, read_table
from onemap.settings import Settings, read_settings

DEPARTMENTS = "code,name,name_en\nCG01,市城市管理局,City Management\nSW01,市水务公司,\n"
RULES = """priority,class_prefix,owner_code,grid_prefix,department_code,limit_hours
50,01001,SW01,,SW01,4
,,,,CG01,
"""


@pytest.fixture
def settings(database_url: str) -> Settings:
    return read_settings({"ONEMAP_DATABASE_URL": database_url})


def written(folder: Path, name: str, content: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return path


async def _standing(url: str) -> tuple[list[str], list[str]]:
    async with Database(url) as db:
        rules = [rule.department_code for rule in await list_rules(db)]
        return rules, [each.name for each in await list_departments(db)]


def test_tables_in_either_encoding_are_put_in_and_listed(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    departments = written(tmp_path, "部门.csv", DEPARTMENTS, "gb18030")
    load(settings, written(tmp_path, "规则.csv", RULES, "utf-8-sig"), departments)
    assert settings.database_url is not None
    assert asyncio.run(_standing(settings.database_url)) == (["SW01", "CG01"], ["市城市管理局", "市水务公司"])
    print_rules(settings)
    assert "市水务公司" in capsys.readouterr().out


def test_a_bad_table_changes_nothing_and_says_where(settings: Settings, tmp_path: Path) -> None:
    departments = written(tmp_path, "部门.csv", DEPARTMENTS)
    with pytest.raises(BadData, match="row 2"):
        load(settings, written(tmp_path, "规则.csv", RULES.replace("50", "x")), departments)
    with pytest.raises(BadData, match="row 3"):
        load(settings, None, written(tmp_path, "坏.csv", "code,name\nA,甲\n,乙\n"))
    assert settings.database_url is not None
    assert asyncio.run(_standing(settings.database_url)) == ([], [])


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xff\xff\x80")
    for name in ("x.csv", "没有.csv"):
        with pytest.raises(BadData, match=name):
            read_table(tmp_path / name)
