"""The rule table: which rule decides, and which tables are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gis import codes
from grid.dispatch import Rule, choose, list_rules, load_rules, read_rules
from layers.accounts import Department, load_departments
from layers.db import Database
from layers.errors import BadData
from tests.grid.city import put_departments

SAMPLE = Path(__file__).parents[2] / "sample_data"
HEADER = "priority,class_prefix,owner_code,grid_prefix,department_code,limit_hours\n"


@pytest.mark.parametrize(
    ("rules", "winner"),
    [
        ([Rule("", None, "", "A"), Rule("01", None, "", "B"), Rule("01001", None, "", "C")], "C"),
        ([Rule("01001", None, "", "A"), Rule("01001", "SW01", "", "B")], "B"),
        ([Rule("01001", None, "", "A"), Rule("01001", None, "341502", "B")], "B"),
        ([Rule("01001", None, "341502001", "A"), Rule("01001", "SW01", "", "B")], "B"),
        ([Rule("01001", "SW01", "341502", "A"), Rule("", None, "", "B", priority=1)], "B"),
        ([Rule("01001", "PS01", "", "A"), Rule("0100", None, "", "B"), Rule("02", None, "", "C")], "B"),
        ([Rule("01", None, "", "A", id=2), Rule("01", None, "", "B", id=1)], "B"),
        ([Rule("06", None, "", "A")], None),
        ([], None),
    ],
)
def test_one_rule_decides(rules: list[Rule], winner: str | None) -> None:
    for order in (rules, rules[::-1]):
        chosen = choose(order, "01001", "SW01", "341502001001001")
        assert (chosen.department_code if chosen else None) == winner


def test_a_rule_for_a_grid_does_not_speak_for_a_place_without_one() -> None:
    assert choose([Rule("", None, "341502", "A")], "01001", None, None) is None


def test_rules_are_read_from_a_table_as_people_save_them() -> None:
    text = "\ufeff" + HEADER + "10,01001,SW01,341502, SW01 ,4.5\r\n,,,,CG01,\r\n"
    assert read_rules(text) == [
        Rule("01001", "SW01", "341502", "SW01", 4.5, 10),
        Rule("", None, "", "CG01", None, 100),
    ]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("x,01,,,CG01,4", "priority"),
        ("-1,01,,,CG01,4", "priority"),
        ("10,01%,,,CG01,4", "class_prefix"),
        ("10,01,,网格,CG01,4", "grid_prefix"),
        ("10,01,,,,4", "department_code"),
        ("10,01,,,CG01,nan", "limit_hours"),
        ("10,01,,,CG01,0", "limit_hours"),
        ("10,01,,,CG01,1e9", "limit_hours"),
    ],
)
def test_a_bad_line_is_refused_by_row_and_column(line: str, field: str) -> None:
    with pytest.raises(BadData) as refused:
        read_rules(HEADER + "1,02,,,CG01,4\n" + line)
    assert (refused.value.facts["row"], refused.value.facts["field"]) == (3, field)


def test_two_rules_alike_and_a_table_without_departments_are_refused() -> None:
    with pytest.raises(BadData, match="row 2"):
        read_rules(HEADER + "1,02,,,CG01,4\n5,02,,,SW01,4")
    with pytest.raises(BadData):
        read_rules("a,b\n1,2")


async def test_loading_replaces_the_table_and_a_bad_one_changes_nothing(database: Database) -> None:
    await put_departments(database)
    assert await load_rules(database, [Rule("01", None, "", "SW01"), Rule("", None, "", "CG01")]) == 2
    assert await load_rules(database, [{"class_prefix": "06", "department_code": "HW01"}]) == 1
    with pytest.raises(BadData, match="NO99"):
        await load_rules(database, [Rule("", None, "", "CG01"), Rule("01", None, "", "NO99")])
    (standing,) = await list_rules(database)
    assert (standing.class_prefix, standing.department_code) == ("06", "HW01")


async def test_the_sample_rules_load_and_have_somebody_for_every_class(database: Database) -> None:
    rows = [line.split(",") for line in (SAMPLE / "departments.csv").read_text("utf-8").splitlines()[1:]]
    await load_departments(database, [Department(*row) for row in rows])
    rules = read_rules((SAMPLE / "dispatch_rules.csv").read_text("utf-8"))
    assert await load_rules(database, rules) == len(rules)
    for each in codes.event_classes("2026"):
        chosen = choose(rules, each.code, None, None)
        assert chosen is not None
        assert chosen.limit_hours is not None
    water = choose(rules, "01001", "SW01", "341503001001001")
    assert water is not None
    assert (water.department_code, water.limit_hours) == ("SW01", 4)
