"""Values as people write them, read as the field's: numbers, dates, flags, codes, texts."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gis.units import factor
from importers.coerce import coerce
from importers.keys import SeenKeys
from importers.masks import Coerced
from importers.match import Pair, values
from importers.names import folded, is_cut, unit_in
from layers.model import Field, FieldType, Text

DAY = dt.date(2024, 1, 2)


def rules(parts: tuple[Any, ...]) -> dict[str, list[int]]:
    return {part.rule: np.flatnonzero(part.rows).tolist() for part in parts}


def one(value: object, kind: FieldType, unit: str | None = None) -> object:
    """What a single value becomes; the rule's name if it cannot be read."""
    found = coerce(pa.array([value]), kind, unit)
    return found.values[0].as_py() if not found.wrong else found.wrong[0].rule


@pytest.mark.parametrize(
    "written",
    ["2024-01-02", "2024/1/2", "2024.01.02", "20240102", "2024年1月2日", "２０２４年１月２日", " 2024-1-2 ",
     "2024-01-02 08:30:00", "2024-01-02T08:30:00.000Z", "2024年1月2日 8时30分", 20240102, 45293, 45293.4,
     dt.datetime(2024, 1, 2, 8)],
)  # fmt: skip
def test_a_day_is_read_in_every_spelling(written: object) -> None:
    assert one(written, "date") == DAY


@pytest.mark.parametrize(
    "written", ["2024-02-30", "2024-13-01", "4/5/2024", "昨天", "20241340", 7, 3.5, True, "2024-1-2-3"]
)
def test_what_is_no_day_or_could_be_two_is_wrong(written: object) -> None:
    assert one(written, "date") == "value.not_a_date"


def test_a_year_or_month_alone_is_its_first_day() -> None:
    assert one("1998", "date") == dt.date(1998, 1, 1)
    assert one("2001年5月", "date") == dt.date(2001, 5, 1)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2024-01-02 08:30", dt.datetime(2024, 1, 2, 0, 30)),
        ("2024-01-02T08:30:15+00:00", dt.datetime(2024, 1, 2, 8, 30, 15)),
        ("2024-01-02T08:30:15Z", dt.datetime(2024, 1, 2, 8, 30, 15)),
        ("2024-01-02", dt.datetime(2024, 1, 1, 16)),
        ("202401020830", dt.datetime(2024, 1, 2, 0, 30)),
        (45293.5, dt.datetime(2024, 1, 2, 4)),
    ],
)
def test_a_time_without_a_zone_is_beijing_time(written: object, utc: dt.datetime) -> None:
    assert one(written, "datetime") == utc.replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("written", "number"),
    [("12", 12.0), ("1,234.5", 1234.5), ("１２．５", 12.5), (".5", 0.5), ("1e3", 1000.0), ("+3", 3.0),
     ("-0.5", -0.5), (7, 7.0), (True, 1.0), ("300mm", 0.3), ("1.2 米", 1.2), ("2km", 2000.0)],
)  # fmt: skip
def test_a_number_is_read_with_thousands_width_and_unit(written: object, number: float) -> None:
    assert one(written, "number", "m") == pytest.approx(number)


@pytest.mark.parametrize(
    ("written", "rule"),
    [("abc", "value.not_a_number"), ("12-14", "value.not_a_number"), ("3kg", "value.unit"),
     ("5㎡", "value.unit"),
     (float("inf"), "value.not_a_number"), (dt.date(2024, 1, 1), "value.not_a_number")],
)  # fmt: skip
def test_what_is_no_number_or_has_another_unit_is_wrong(written: object, rule: str) -> None:
    assert one(written, "number", "m") == rule


@pytest.mark.parametrize("written", ["", " ", "-", "不详", "N/A", "无", "null", None])
def test_not_knowing_is_empty_and_not_wrong(written: str | None) -> None:
    for kind in ("number", "integer", "date", "datetime"):
        assert coerce(pa.array([written], pa.string()), kind).values[0].as_py() is None  # type: ignore[arg-type]
        assert not coerce(pa.array([written], pa.string()), kind).wrong  # type: ignore[arg-type]


def test_an_integer_may_end_in_point_zero_and_in_nothing_else() -> None:
    found = coerce(pa.array(["3", "3.0", "3.5", "12,000"]), "integer")
    assert found.values.to_pylist() == [3, 3, None, 12000]
    assert rules(found.wrong) == {"value.not_whole": [2]}


def test_a_flag_is_yes_or_no_in_both_languages() -> None:
    found = coerce(pa.array(["是", "否", "Y", "n", "1", "0", "", "也许"]), "boolean")
    assert found.values.to_pylist() == [True, False, True, False, True, False, None, None]
    assert rules(found.wrong) == {"value.not_a_flag": [7]}


def test_a_text_loses_white_space_and_nul_and_says_so() -> None:
    found = coerce(pa.array([" 六安　", "a\0b", "<Null>", "甲", None]), "text")
    assert found.values.to_pylist() == ["六安", "ab", None, "甲", None]
    assert rules(found.mended) == {"text.nul": [1], "text.trimmed": [0]}


def test_a_code_is_made_narrow_and_loses_point_zero() -> None:
    found = coerce(pa.array(["３４１５０２", "341502.0", "A-1"]), "text", is_code=True)
    assert found.values.to_pylist() == ["341502", "341502", "A-1"]
    assert rules(found.mended) == {"text.width": [0], "code.point_zero": [1]}


@pytest.mark.parametrize("column", [pa.array([3.4150201000000001e15]), pa.array(["3.41502E+15"])])
def test_a_code_that_a_spreadsheet_took_for_a_number_is_refused(column: pa.Array) -> None:
    found = coerce(column, "text", is_code=True)
    assert rules(found.wrong) == {"code.digits_lost": [0]}


def test_numbers_become_texts_as_a_person_would_write_them() -> None:
    assert coerce(pa.array([12.0, None, 341502001001001.0]), "text").values.to_pylist() == [
        "12", None, "341502001001001",
    ]  # fmt: skip
    assert coerce(pa.array([1.5, 2.0]), "text").values.to_pylist() == ["1.5", "2"]
    assert coerce(pa.array([DAY]), "text").values.to_pylist() == ["2024-01-02"]


@pytest.mark.parametrize("kind", ["text", "number", "integer", "boolean", "date", "datetime"])
@pytest.mark.parametrize("column", [pa.array([], pa.string()), pa.array([], pa.float64())])
def test_no_rows_give_no_values(kind: FieldType, column: pa.Array) -> None:
    assert coerce(column, kind).values.to_pylist() == []


def field(**given: Any) -> Field:
    return Field("f", Text("字段", "Field"), **given)


def taken(f: Field, column: str, *given: object) -> Coerced:
    return values(
        Pair(f, column, factor(unit_in(column), f.unit) or 1.0), pa.array(list(given)), is_key=False
    )


def test_titles_become_codes_and_what_is_neither_is_noted() -> None:
    state = field(codes={"0": Text("在用", "in use"), "1": Text("废弃", "disused")})
    found = taken(state, "状态", "在用", "1", "Disused", "弃置", None)
    assert found.values.to_pylist() == ["0", "1", "1", "弃置", None]
    assert rules(found.mended) == {"value.title_to_code": [0, 2], "value.not_in_codes": [3]}


def test_a_text_too_long_is_refused_and_never_cut() -> None:
    found = taken(field(max_length=3), "f", "六安市", "六安市区")
    assert rules(found.wrong) == {"value.too_long": [1]}


def test_a_unit_in_the_header_converts_the_column() -> None:
    found = taken(field(type="number", unit="m"), "埋深（cm）", 120, 85)
    assert found.values.to_pylist() == pytest.approx([1.2, 0.85])
    assert rules(found.mended) == {"value.converted": [0, 1]}


@pytest.mark.parametrize(
    ("one_name", "other"),
    [("Ｓ_Point", "s point"), ("埋深(m)", "埋深"), ("PM2.5（μg/m³）", "pm2_5"),
     ("等效声级(dB(A))", "等效声级"), (" 名 称 ", "名称")],
)  # fmt: skip
def test_names_are_the_same_but_for_case_width_separators_and_unit(one_name: str, other: str) -> None:
    assert folded(one_name) == folded(other)


def test_a_name_cut_at_ten_bytes_is_known_in_gbk_and_utf8() -> None:
    assert is_cut("单元网格标", "单元网格标识码")
    assert is_cut("单元网", "单元网格标识码")
    assert not is_cut("单元", "单元网格标识码")
    assert not is_cut("名称", "名称")


def test_units_of_one_quantity_convert_and_others_do_not() -> None:
    assert factor("毫克/立方米", "µg/m³") == 1000.0
    assert factor("℃", "°C") == 1.0
    assert factor("MPa", "m") is None


def test_a_repeated_key_is_found_within_and_across_chunks() -> None:
    seen = SeenKeys()
    assert seen.repeated(["a", "b", "a", None], np.array([2, 3, 4, 5])).tolist() == [0, 0, 2, 0]
    assert seen.repeated(["c", "b", None, "c"], np.array([6, 7, 8, 9])).tolist() == [0, 3, 0, 6]
    for start in range(10, 1000, 10):
        keys: list[str | None] = [f"k{n}" for n in range(start, start + 10)]
        assert not seen.repeated(keys, np.arange(start, start + 10)).any()
    assert seen.repeated(["k500", "a"], np.array([2000, 2001])).tolist() == [500, 2]
