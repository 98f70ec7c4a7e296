"""Are numbers and dates believable, by themselves, among each other, against the drawing? (RNG, TIM)"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from importers.check.ledger import Said, Say
from importers.check.model import Floats, Mask, Rule
from importers.check.portion import Portion
from importers.check.work import Work
from layers.model import Field, Layer, Text


class Range(NamedTuple):
    """Closed limits of a field: outside `possible` a value is wrong, outside `usual` worth a look."""

    possible: tuple[float, float]
    usual: tuple[float, float]


_ELEVATION = Range((-155, 8_850), (-155, 8_850))
"""From the shore of Lake Ayding to the top of Qomolangma (1985 heights)."""
_DEPTH = Range((-50, 100), (0, 20))
"""Overhead lines lie above ground; deeper than 20 m is a tunnel."""
_COUNT = Range((0, 10_000), (0, 200))
_AREA = Range((0, 1e12), (0, 1e12))

RANGES: dict[tuple[str, str], Range] = {
    ("building", "floors_total"): Range((0, 200), (1, 100)),
    ("building", "floors_above"): Range((0, 200), (0, 100)),
    ("building", "floors_below"): Range((0, 30), (0, 6)),
    ("building", "height_m"): Range((0, 1_000), (1.8, 350)),
    ("building", "floor_area_m2"): Range((0, 1e7), (1, 1e6)),
    ("building", "footprint_area_m2"): Range((0, 1e7), (1, 2e5)),
    ("pipe_node", "ground_elevation_m"): _ELEVATION,
    ("pipe_node", "depth_m"): Range((0, 100), (0, 20)),
    ("pipe_line", "diameter_mm"): Range((0, 20_000), (10, 4_000)),
    ("pipe_line", "start_depth_m"): _DEPTH,
    ("pipe_line", "end_depth_m"): _DEPTH,
    ("pipe_line", "start_elevation_m"): _ELEVATION,
    ("pipe_line", "end_elevation_m"): _ELEVATION,
    ("pipe_line", "cable_count"): _COUNT,
    ("pipe_line", "hole_total"): _COUNT,
    ("pipe_line", "hole_used"): _COUNT,
    ("pipe_line", "length_m"): Range((0, 1e6), (0, 5_000)),
    ("road", "width_m"): Range((0, 500), (1, 150)),
    ("road", "lanes"): Range((0, 40), (1, 20)),
    ("community", "population"): Range((0, 1e6), (0, 60_000)),
    ("street", "population"): Range((0, 5e6), (0, 500_000)),
    ("district", "population"): Range((0, 1e8), (0, 5e6)),
    ("unit_grid", "area_m2"): _AREA,
    ("water_area", "area_m2"): _AREA,
    ("green_area", "area_m2"): _AREA,
}
"""One Map's own: wide enough that what lies outside is a slip of the pen or a wrong unit."""

_AREA_FIELDS = ("area_m2", "footprint_area_m2")
_DATES = ("date", "datetime")
_OLDEST = date(1900, 1, 1)
"""Before it lie the zero days of spreadsheets and databases."""
_FLOOR_M = (2.0, 7.0)
_FLOORS_COUNTED = 3
"""A storey of a house of so many floors is between these heights; halls have one or two high floors."""
_ROUND_SECTION = re.compile(r"^\s*(?:DN|D|Φ|φ|Ø|ø)?\s*(\d+(?:\.\d+)?)\s*(?:mm)?\s*$")


def _has_ranges(layer: Layer) -> bool:
    return any((layer.id, f.name) in RANGES for f in layer.fields) or layer.field("built_year") is not None


def _has_numbers(layer: Layer) -> bool:
    return _has_ranges(layer) or any(f.type == "number" for f in layer.fields)


def _with(*names: str) -> Callable[[Layer], bool]:
    return lambda layer: all(layer.field(name) is not None for name in names)


def _has_area(layer: Layer) -> bool:
    return layer.geometry_type == "MultiPolygon" and any(layer.field(n) is not None for n in _AREA_FIELDS)


def _has_dates(layer: Layer) -> bool:
    return any(f.type in _DATES for f in layer.fields)


IMPOSSIBLE = Rule(
    "RNG-01", "error", "accuracy", Text("数值不可能", "impossible number"), applies=_has_numbers
)
UNUSUAL = Rule("RNG-02", "warning", "accuracy", Text("数值异常", "unusual number"), applies=_has_ranges)
FLOORS = Rule(
    "RNG-03",
    "warning",
    "consistency",
    Text("总层数不等于地上加地下层数", "floors do not add up"),
    applies=_with("floors_total", "floors_above", "floors_below"),
)
STOREY = Rule(
    "RNG-04",
    "warning",
    "consistency",
    Text("高度与层数不符", "height does not fit the floors"),
    applies=_with("height_m", "floors_above"),
)
AREA = Rule(
    "RNG-05",
    "warning",
    "consistency",
    Text("面积与图形不符", "stated area is not the drawn one"),
    applies=_has_area,
)
LENGTH = Rule(
    "RNG-06",
    "warning",
    "consistency",
    Text("长度与图形不符", "stated length is not the drawn one"),
    applies=_with("length_m"),
)
HOLES = Rule(
    "RNG-07",
    "error",
    "consistency",
    Text("已用孔数大于总孔数", "more ducts used than there are"),
    "CJJ 61-2017",
    applies=_with("hole_total", "hole_used"),
)
SECTION = Rule(
    "RNG-08",
    "warning",
    "consistency",
    Text("直径与断面不符", "diameter is not that of the section"),
    "CJJ 61-2017",
    applies=_with("diameter_mm", "section"),
)
FUTURE = Rule("TIM-01", "warning", "timeliness", Text("日期在将来", "date in the future"), applies=_has_dates)
ORDER = Rule(
    "TIM-02",
    "error",
    "timeliness",
    Text("变更日期早于初始日期", "changed before it began"),
    "GB/T 47678.5-2026 表2",
    applies=_with("initial_date", "change_date"),
)
ANCIENT = Rule("TIM-03", "warning", "timeliness", Text("日期过早", "date too early"), applies=_has_dates)
RULES = (
    *(IMPOSSIBLE, UNUSUAL, FLOORS, STOREY, AREA, LENGTH, HOLES, SECTION),
    *(FUTURE, ORDER, ANCIENT),
)


def check_ranges(portion: Portion, work: Work) -> None:
    """Each number within its possible and its usual limits."""
    for field in work.layer.fields:
        _check_infinite(portion, work, field)
        limits = _limits(work, field)
        if limits is None or not portion.has(field.name):
            continue
        values = portion.numbers(field.name)
        there = np.isfinite(values)
        impossible = there & ~_within(values, limits.possible)
        _say_range(portion, work, IMPOSSIBLE, field, values, impossible, limits.possible)
        unusual = there & ~impossible & ~_within(values, limits.usual)
        _say_range(portion, work, UNUSUAL, field, values, unusual, limits.usual)


def _check_infinite(portion: Portion, work: Work, field: Field) -> None:
    if field.type != "number" or not portion.has(field.name):
        return
    infinite = portion.infinite(field.name)
    work.ledger.checked(IMPOSSIBLE, int(infinite.sum()))
    work.ledger.found(
        IMPOSSIBLE,
        portion,
        infinite,
        lambda _: Said(
            f"字段“{field.title.zh}”的值无穷大", f"{field.name!r} is infinite", "Infinity", field.name
        ),
    )


def _limits(work: Work, field: Field) -> Range | None:
    if field.name == "built_year":
        year = work.options.today.year
        return Range((1000, year + 1), (1900, year))
    return RANGES.get((work.layer.id, field.name))


def _say_range(
    portion: Portion,
    work: Work,
    rule: Rule,
    field: Field,
    values: Floats,
    wrong: Mask,
    limits: tuple[float, float],
) -> None:
    low, high = limits
    unit = f" {field.unit}" if field.unit else ""
    zh, en = ("不可能", "cannot be") if rule is IMPOSSIBLE else ("异常", "is unusual")
    work.ledger.checked(rule, int(np.isfinite(values).sum()))
    work.ledger.found(
        rule,
        portion,
        wrong,
        lambda p: Said(
            f"字段“{field.title.zh}”的值 {values[p]:g}{unit} {zh}（应在 {low:g} 至 {high:g} 之间）",
            f"{field.name!r} {en}: {values[p]:g}{unit} (expected {low:g} to {high:g})",
            f"{values[p]:g}",
            field.name,
        ),
    )


def check_numbers_together(portion: Portion, work: Work) -> None:
    """Numbers of one row agree with each other."""
    if work.ledger.asks(FLOORS):
        total, above, below = (portion.numbers(f"floors_{n}") for n in ("total", "above", "below"))
        _say_pair(
            *(portion, work, FLOORS, np.isfinite(total + above + below), total != above + below),
            lambda p: Said(
                f"总层数 {total[p]:g} ≠ 地上 {above[p]:g} + 地下 {below[p]:g}",
                f"{total[p]:g} floors in all, but {above[p]:g} above and {below[p]:g} below ground",
                f"{total[p]:g}",
                "floors_total",
            ),
        )
    if work.ledger.asks(STOREY):
        height, above = portion.numbers("height_m"), portion.numbers("floors_above")
        with np.errstate(divide="ignore", invalid="ignore"):
            storey = height / above
        _say_pair(
            *(portion, work, STOREY, np.isfinite(storey) & (above >= _FLOORS_COUNTED)),
            ~_within(storey, _FLOOR_M),
            lambda p: Said(
                f"高度 {height[p]:g} m、地上 {above[p]:g} 层，每层 {storey[p]:.2f} m",
                f"{height[p]:g} m high with {above[p]:g} floors: {storey[p]:.2f} m a floor",
                f"{storey[p]:.2f}",
                "height_m",
            ),
        )
    if work.ledger.asks(HOLES):
        holes, used = portion.numbers("hole_total"), portion.numbers("hole_used")
        _say_pair(
            *(portion, work, HOLES, np.isfinite(holes + used), used > holes),
            lambda p: Said(
                f"已用孔数 {used[p]:g} 大于总孔数 {holes[p]:g}",
                f"{used[p]:g} ducts used of {holes[p]:g}",
                f"{used[p]:g}",
                "hole_used",
            ),
        )
    if work.ledger.asks(SECTION):
        _check_section(portion, work)


def _check_section(portion: Portion, work: Work) -> None:
    """A round section says the same as the diameter; 400X300 has no diameter to compare."""
    texts, diameter = portion.texts("section"), portion.numbers("diameter_mm")
    stated = np.array([*map(_round_section, texts.values.to_pylist()), np.nan])[texts.index]
    _say_pair(
        *(portion, work, SECTION, np.isfinite(stated + diameter), np.abs(stated - diameter) > 0.5),
        lambda p: Said(
            f"断面“{texts.at(p)}”与直径 {diameter[p]:g} mm 不符",
            f"the section is {texts.at(p)!r}, the diameter {diameter[p]:g} mm",
            f"{diameter[p]:g}",
            "diameter_mm",
        ),
    )


def _round_section(text: str) -> float:
    match = _ROUND_SECTION.match(text)
    return float(match[1]) if match else np.nan


def check_measures(portion: Portion, work: Work) -> None:
    """Stated areas and lengths are those of the drawing."""
    share = work.options.area_differs
    if work.ledger.asks(AREA):
        for name in _AREA_FIELDS:
            if portion.has(name) and work.layer.field(name) is not None:
                flat = portion.areal
                _compare(
                    portion, work, AREA, name, np.where(flat, portion.areas_m2, np.nan), share, 1.0, "m²"
                )
    if work.ledger.asks(LENGTH) and portion.has("length_m"):
        thin = portion.placed & (shapely.get_dimensions(portion.geometry) == 1)
        drawn = np.where(thin, portion.lengths_m, np.nan)
        _compare(portion, work, LENGTH, "length_m", drawn, share, 0.5, "m")


def _compare(
    portion: Portion,
    work: Work,
    rule: Rule,
    name: str,
    drawn: Floats,
    share: float,
    least: float,
    unit: str,
) -> None:
    stated = portion.numbers(name)
    apart = np.abs(stated - drawn)
    field = work.layer.field(name)
    title = field.title if field is not None else Text(name, name)
    _say_pair(
        *(portion, work, rule, np.isfinite(apart), apart > np.maximum(share * drawn, least)),
        lambda p: Said(
            f"“{title.zh}”为 {stated[p]:,.2f} {unit}，图形为 {drawn[p]:,.2f} {unit}",
            f"{name!r} is {stated[p]:,.2f} {unit}, the drawing has {drawn[p]:,.2f} {unit}",
            f"{stated[p]:.2f}",
            name,
        ),
    )


def _say_pair(portion: Portion, work: Work, rule: Rule, there: Mask, wrong: Mask, say: Say) -> None:
    work.ledger.checked(rule, int(there.sum()))
    work.ledger.found(rule, portion, there & wrong, say)


def _within(values: Floats, limits: tuple[float, float]) -> Mask:
    return np.asarray((values >= limits[0]) & (values <= limits[1]))


def check_dates(portion: Portion, work: Work) -> None:
    """Dates are not in the future, not absurdly early, and in order."""
    ledger, today = work.ledger, work.options.today
    if not ledger.asks(FUTURE, ORDER, ANCIENT):
        return
    for field in work.layer.fields:
        if field.type in _DATES and portion.has(field.name):
            column = _days(portion, field.name)
            _check_date(portion, work, field, column, FUTURE, pc.greater(column, pa.scalar(today)))
            _check_date(portion, work, field, column, ANCIENT, pc.less(column, pa.scalar(_OLDEST)))
    if ledger.asks(ORDER) and portion.has("initial_date", "change_date"):
        began, changed = _days(portion, "initial_date"), _days(portion, "change_date")
        wrong = pc.less(changed, began)
        ledger.checked(ORDER, len(portion) - wrong.null_count)
        ledger.found(
            ORDER,
            portion,
            _mask(wrong),
            lambda p: Said(
                f"变更日期 {changed[p]} 早于初始日期 {began[p]}",
                f"changed on {changed[p]}, before it began on {began[p]}",
                changed[p],
                "change_date",
            ),
        )


def _check_date(
    portion: Portion, work: Work, field: Field, days: pa.Array, rule: Rule, wrong: pa.Array
) -> None:
    zh, en = ("在将来", "lies in the future") if rule is FUTURE else ("过早", "is too early")
    work.ledger.checked(rule, len(portion) - days.null_count)
    work.ledger.found(
        rule,
        portion,
        _mask(wrong),
        lambda p: Said(
            f"“{field.title.zh}” {days[p]} {zh}", f"{field.name!r} {en}: {days[p]}", days[p], field.name
        ),
    )


def _days(portion: Portion, name: str) -> pa.Array:
    return portion.rows.columns[name].cast(pa.date32(), safe=False)


def _mask(answers: pa.Array) -> Mask:
    return np.asarray(answers.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
