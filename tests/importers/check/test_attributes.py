"""Values: required, unique, in their list, within their length, tidy."""

from __future__ import annotations

import pytest

from layers.model import Field, Text
from tests.importers.check.specimens import broken, offenders, plain, point, report

NAME = Field("name", Text("名称", "Name"), required=True, max_length=5)
KIND = Field("kind", Text("类别", "Kind"), codes={"1": Text("餐饮", "Food"), "2": Text("书店", "Books")})
NODE = Field("start_node", Text("起点", "Start"))


def one(value: str | None, field: Field) -> set[str]:
    return broken(report(plain("Point", field), [point(0, 0)], **{field.name: [value]}))


@pytest.mark.parametrize(
    ("rule", "field", "value"),
    [
        ("ATT-01", NAME, None),
        ("ATT-01", NAME, ""),
        ("ATT-05", NAME, "一二三四五六"),
        ("ATT-06", KIND, "3"),
        ("ATT-06", KIND, "餐饮"),
        ("ATT-07", NAME, "书店 "),
        ("ATT-07", NAME, "\u3000书店"),
        ("ATT-07", NAME, "书\n店"),
        ("ATT-07", NODE, "ＪＳ１"),
        ("ATT-08", NAME, "锟斤拷"),
        ("ATT-08", NAME, "书\ufffd店"),
        ("ATT-08", NAME, "书\x00店"),
        ("ATT-08", NAME, "ÊéµêÊ"),
        ("ATT-07", NAME, "书\u202e店"),
        ("ATT-09", NAME, "NULL"),
        ("ATT-09", NAME, "#N/A"),
    ],
)
def test_a_value_with_one_fault_breaks_one_rule(rule: str, field: Field, value: str | None) -> None:
    assert one(value, field) == {rule}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (NAME, "新华 书店"),
        (NAME, "Ｋ书店"),
        (NAME, "·····"),
        (NAME, "éàü"),
        (NAME, "无"),
        (KIND, "1"),
        (KIND, None),
        (NODE, "JS1"),
    ],
)
def test_a_right_value_breaks_none(field: Field, value: str | None) -> None:
    assert one(value, field) == set()


def test_a_required_column_that_is_not_there_is_missing_in_every_row() -> None:
    found = report(plain("Point", NAME), [point(0, 0), point(1, 0)])
    assert offenders(found, "ATT-01") == [1, 2]


def test_a_key_given_twice_names_the_other_rows() -> None:
    found = report(plain("Point"), [point(n, 0) for n in range(4)], code=["a", "b", "a", " "])
    assert offenders(found, "ATT-03") == [1, 3]
    assert next(f for f in found.findings if f.rule == "ATT-03").en.endswith("also in rows 3")


def test_a_missing_key_is_missing_not_repeated() -> None:
    found = report(plain("Point"), [point(n, 0) for n in range(3)], code=[None, "", None])
    assert broken(found) == {"ATT-04"}
    assert offenders(found, "ATT-04") == [1, 2, 3]


def test_a_layer_without_key_has_no_rules_about_it() -> None:
    found = report(plain("Point", key=None), [point(0, 0), point(1, 0)], code=["a", "a"])
    assert broken(found) == set()
    assert {"ATT-03", "ATT-04"}.isdisjoint(t.rule.id for t in found.tallies)


def test_a_field_seldom_filled_is_a_hint_with_its_share() -> None:
    found = report(plain("Point", KIND), [point(n, 0) for n in range(4)], kind=["1", None, None, "2"])
    (finding,) = (f for f in found.findings if f.rule == "ATT-02")
    assert (finding.field, finding.row) == ("kind", None)
    assert "50.0%" in finding.zh
    assert found.filled == {"code": 4, "kind": 2}
    assert broken(found) == set()
