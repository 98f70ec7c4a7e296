"""Codes of the national standards: what they say, whether they are well formed, what they mean in words.

Grid codes, component ids, event classes, administrative codes, pipe classes. Digits may come full-width or
with blanks around; anything else wrong raises `InvalidCode`, naming the value and what was expected.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from gis.errors import InvalidCode
from gis.tables import (
    classes_2007,
    classes_2013,
    components_2026,
    events_2026,
    indicators,
    luan,
    pipes,
)
from gis.tables.indicators import Indicator
from gis.tables.lines import Line
from gis.tables.pipes import PipeClass, PipeSubclass

Edition = Literal["2007", "2013", "2026"]
"""CJ/T 214-2007, GB/T 30428.2-2013, GB/T 47678.5-2026."""
EDITIONS: tuple[Edition, ...] = ("2007", "2013", "2026")
Kind = Literal["component", "event"]


@dataclass(frozen=True)
class ComponentClass:
    """A 小类 of components: `code` (4 digits, 5 in edition 2026), titles, its 大类 (2 digits), edition."""

    code: str
    title: str
    major: str
    edition: Edition
    title_en: str = ""
    major_title: str = ""
    major_title_en: str = ""


@dataclass(frozen=True)
class EventClass:
    """A class that can be reported. `kind` "component": something is wrong with a component of that class."""

    code: str
    title: str
    major: str
    edition: Edition
    kind: Kind
    title_en: str = ""
    major_title: str = ""
    major_title_en: str = ""


@dataclass(frozen=True)
class GridCode:
    """单元网格标识码: 15 characters = county 6 + street 3 + community 3 + sequence 3."""

    code: str

    @property
    def district(self) -> str:
        return self.code[:6]

    @property
    def street(self) -> str:
        return self.code[:9]

    @property
    def community(self) -> str:
        return self.code[:12]

    @property
    def sequence(self) -> str:
        return self.code[12:]

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True)
class ComponentCode:
    """管理部件标识码: county 6 + class 4 (2013) or 5 (2026) + serial 6."""

    code: str
    district: str
    class_code: str
    serial: str
    edition: Edition

    def __str__(self) -> str:
        return self.code


@dataclass(frozen=True)
class EventCode:
    """事件/事项代码: county 6 + class 4 (2013) or 5 (2026)."""

    code: str
    district: str
    class_code: str
    edition: Edition

    def __str__(self) -> str:
        return self.code


# ---------------------------------------------------------------- codes taken apart


def parse_grid_code(text: str) -> GridCode:
    """A unit grid code; the 14 digits of CJ/T 213-2005 gain a 0 before their 2-digit sequence.

    >>> parse_grid_code("341502001001001").community, str(parse_grid_code("34150200100101"))
    ('341502001001', '341502001001001')
    """
    code = _clean(text)
    if re.fullmatch(r"[1-9]\d{13}", code):
        code = f"{code[:12]}0{code[12:]}"
    if not re.fullmatch(r"[1-9]\d{11}[0-9A-Z]{3}", code):
        raise _invalid(
            text, "单元网格标识码", "unit grid code", "15 characters: county 6 + street 3 + community 3 + 3"
        )
    return GridCode(code)


def parse_component_code(text: str) -> ComponentCode:
    """A component id; 16 digits are read as edition 2013, 17 as 2026.

    >>> parse_component_code("34150201001000001").class_code
    '01001'
    """
    code = _clean(text)
    if re.fullmatch(r"[1-9]\d{15,16}", code):
        return ComponentCode(code, code[:6], code[6:-6], code[-6:], _edition(len(code) == 17))
    raise _invalid(text, "部件标识码", "component id", "16 digits (2013) or 17 digits (2026)")


def parse_event_code(text: str) -> EventCode:
    """An event code; 10 digits are read as edition 2013, 11 as 2026.

    >>> parse_event_code("34150206010").class_code
    '06010'
    """
    code = _clean(text)
    if re.fullmatch(r"[1-9]\d{9,10}", code):
        return EventCode(code, code[:6], code[6:], _edition(len(code) == 11))
    raise _invalid(text, "事件代码", "event code", "10 digits (2013) or 11 digits (2026)")


def class_of_component(code: str) -> str:
    """The class code within a component id: 4 digits for 16, 5 for 17.

    >>> class_of_component("3415020101000001")
    '0101'
    """
    return parse_component_code(code).class_code


def parse_place_code(text: str) -> str:
    """An administrative code of a county (6), street (9) or community (12 digits), cleaned.

    >>> parse_place_code(" 341502001 ")
    '341502001'
    """
    code = _clean(text)
    if re.fullmatch(r"[1-9]\d{5}(\d{3}){0,2}", code):
        return code
    raise _invalid(text, "行政区划代码", "administrative code", "6, 9 or 12 digits")


def grid_code(community: str, sequence: int) -> GridCode:
    """The code of the `sequence`-th (1–999) grid of a community (12 digits).

    >>> str(grid_code("341502001001", 7))
    '341502001001007'
    """
    if not 1 <= sequence <= 999:
        raise _invalid(str(sequence), "网格顺序号", "grid sequence", "1 to 999")
    return parse_grid_code(f"{parse_place_code(community)}{sequence:03d}")


def component_code(district: str, class_code: str, serial: int) -> ComponentCode:
    """The id of the `serial`-th (1–999999) component of a class in a county.

    >>> str(component_code("341502", "01001", 1)), str(component_code("341502", "0101", 1))
    ('34150201001000001', '3415020101000001')
    """
    if not 1 <= serial <= 999_999:
        raise _invalid(str(serial), "部件流水号", "component serial", "1 to 999999")
    return parse_component_code(f"{parse_place_code(district)[:6]}{class_code}{serial:06d}")


# ---------------------------------------------------------------- classes


@lru_cache
def component_classes(edition: Edition = "2026") -> tuple[ComponentClass, ...]:
    """All component classes of an edition, in code order: 153 (2026), 121 (2013, reconstructed), 2007."""
    if edition == "2026":
        return _components(components_2026.CLASSES, components_2026.MAJORS, "2026")
    if edition == "2007":
        return _components(classes_2007.COMPONENT_CLASSES, classes_2007.COMPONENT_MAJORS, "2007")
    return _components(_components_2013(), classes_2013.COMPONENT_MAJORS, "2013")


@lru_cache
def event_classes(edition: Edition = "2026") -> tuple[EventClass, ...]:
    """All classes that can be reported, in code order.

    Edition 2026 has 250: the 153 components out of order (kind "component") and 97 matters. Editions 2013 and
    2007 list events only, because there an event and a component may carry the same four digits.
    """
    if edition == "2026":
        zh, en = events_2026.COMPONENT_SUFFIX
        faults = [Line(line.code, line.zh + zh, line.en + en) for line in components_2026.CLASSES]
        return (
            *_events(faults, components_2026.MAJORS, "2026", "component"),
            *_events(events_2026.CLASSES, events_2026.MAJORS, "2026", "event"),
        )
    if edition == "2007":
        return _events(classes_2007.EVENT_CLASSES, classes_2007.EVENT_MAJORS, "2007", "event")
    return _events(_events_2013(), classes_2013.EVENT_MAJORS, "2013", "event")


def component_class(code: str, edition: Edition | None = None) -> ComponentClass:
    """The class with this code; without `edition` 5 digits mean 2026 and 4 digits 2013.

    Raises `InvalidCode` for a code the table does not have (a city's own extension, for instance).
    """
    wanted = edition or _edition(len(code) == 5)
    found = _component_table(wanted).get(code)
    if found is None:
        raise _invalid(code, "部件类别代码", "component class", f"a class of edition {wanted}")
    return found


def event_class(code: str, edition: Edition | None = None) -> EventClass:
    """The reportable class with this code; without `edition` 5 digits mean 2026 and 4 digits 2013."""
    wanted = edition or _edition(len(code) == 5)
    found = _event_table(wanted).get(code)
    if found is None:
        raise _invalid(code, "事件类别代码", "event class", f"a class of edition {wanted}")
    return found


def crosswalk_2013_to_2026(class_code: str, kind: Kind = "component") -> str | None:
    """The 2026 class of a 2013 class; None where the new standard has none.

    >>> crosswalk_2013_to_2026("0507"), crosswalk_2013_to_2026("0507", "event")
    ('01070', '10001')
    """
    if kind == "component":
        component_class(class_code, "2013")
        if class_code in classes_2013.COMPONENTS_MOVED:
            return classes_2013.COMPONENTS_MOVED[class_code]
        candidate = f"{class_code[:2]}0{class_code[2:]}"
        return candidate if candidate in _component_table("2026") else None
    event_class(class_code, "2013")
    if class_code in classes_2013.EVENTS_MOVED:
        return classes_2013.EVENTS_MOVED[class_code]
    major, _ = classes_2013.EVENT_RANGES[class_code[:2]]
    candidate = f"{major}0{class_code[2:]}"
    return candidate if candidate in _event_table("2026") else None


@lru_cache
def crosswalk_2026_to_2013(class_code: str) -> str | None:
    """The 2013 component class that became this 2026 class; None where there was none.

    >>> crosswalk_2026_to_2013("01070"), crosswalk_2026_to_2013("01075")
    ('0507', None)
    """
    for old in component_classes("2013"):
        if crosswalk_2013_to_2026(old.code) == class_code:
            return old.code
    return None


def _components(
    lines: tuple[Line, ...], majors: tuple[Line, ...], edition: Edition
) -> tuple[ComponentClass, ...]:
    titles = {major.code: major for major in majors}
    return tuple(
        ComponentClass(
            line.code,
            line.zh,
            line.code[:2],
            edition,
            line.en,
            titles[line.code[:2]].zh,
            titles[line.code[:2]].en,
        )
        for line in lines
    )


def _events(
    lines: tuple[Line, ...] | list[Line], majors: tuple[Line, ...], edition: Edition, kind: Kind
) -> tuple[EventClass, ...]:
    titles = {major.code: major for major in majors}
    return tuple(
        EventClass(
            line.code,
            line.zh,
            line.code[:2],
            edition,
            kind,
            line.en,
            titles[line.code[:2]].zh,
            titles[line.code[:2]].en,
        )
        for line in lines
    )


def _components_2013() -> tuple[Line, ...]:
    own = {line.code: line for line in classes_2013.COMPONENT_NAMES_OF_ITS_OWN}
    new = {line.code: line for line in components_2026.CLASSES}
    lines = []
    for major, last in classes_2013.COMPONENT_RANGES.items():
        for minor in range(1, last + 1):
            code = f"{major}{minor:02d}"
            source = own.get(code) or new[f"{major}{minor:03d}"]
            lines.append(Line(code, source.zh, source.en))
    return tuple(lines)


def _events_2013() -> tuple[Line, ...]:
    own = {line.code: line for line in classes_2013.EVENT_NAMES_OF_ITS_OWN}
    new = {line.code: line for line in events_2026.CLASSES}
    lines = []
    for major, (new_major, last) in classes_2013.EVENT_RANGES.items():
        for minor in range(1, last + 1):
            code = f"{major}{minor:02d}"
            source = own.pop(code, None) or new[f"{new_major}{minor:03d}"]
            lines.append(Line(code, source.zh, source.en))
    return (*lines, *own.values())


@lru_cache
def _component_table(edition: Edition) -> dict[str, ComponentClass]:
    return {each.code: each for each in component_classes(edition)}


@lru_cache
def _event_table(edition: Edition) -> dict[str, EventClass]:
    return {each.code: each for each in event_classes(edition)}


# ---------------------------------------------------------------- pipes, places


def pipe_classes() -> tuple[PipeClass, ...]:
    """The eight pipe classes with the standard's colours (CJJ 61-2017 App. B)."""
    return pipes.CLASSES


def pipe_subclasses(pipe_class: str | None = None) -> tuple[PipeSubclass, ...]:
    """The subclasses of one class (JS, PS, …), or all."""
    return tuple(each for each in pipes.SUBCLASSES if pipe_class in (None, each.pipe_class))


def gas_pressure_class(pressure_mpa: float) -> Line | None:
    """The GB 50028 class of a gas pressure in MPa; None below 0 or above 4.0. `code` is its upper limit.

    >>> gas_pressure_class(0.3).zh
    '中压A'
    """
    if not pressure_mpa >= 0:
        return None
    return next(
        (Line(f"{top:g}", zh, en) for top, zh, en in pipes.GAS_PRESSURES if pressure_mpa <= top), None
    )


@lru_cache
def indicator(code: str) -> Indicator:
    """What a station's indicator is called and measured in; an unknown code is its own title.

    >>> indicator("co").unit
    'mg/m³'
    """
    found = next((each for each in indicators.INDICATORS if each.code == code), None)
    return found or Indicator(code, code, code, "")


def districts() -> tuple[Line, ...]:
    """The counties and districts of Lu'an, 6-digit codes."""
    return luan.DISTRICTS


def streets(district: str | None = None) -> tuple[Line, ...]:
    """The streets and townships of Lu'an (of one district), 9-digit codes."""
    return tuple(each for each in luan.STREETS if district is None or each.code.startswith(district))


# ---------------------------------------------------------------- small steps


def _clean(text: str) -> str:
    """Full-width digits made plain, blanks at the ends gone."""
    return unicodedata.normalize("NFKC", str(text)).strip().upper()


def _edition(new: bool) -> Edition:
    return "2026" if new else "2013"


def _invalid(value: str, zh: str, en: str, expected: str) -> InvalidCode:
    shown = value if len(value) <= 60 else value[:57] + "…"
    return InvalidCode(
        f"{zh}“{shown}”不正确", f"{shown!r} is no {en}: expected {expected}", value=shown, expected=expected
    )
