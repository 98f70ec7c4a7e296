"""What a report is about: class codes as reporters send them, brought to one edition.

Events speak the classes of GB/T 47678.5-2026 (5 digits), in which components and matters share one list. Four
digits are read as a component class of GB/T 30428.2-2013 and carried over; an event class of 2013 cannot be
told from a component class by its digits, so it is not taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gis import codes
from gis.errors import InvalidCode
from layers.errors import BadRequest


@dataclass(frozen=True)
class ReportedClass:
    """A class that was reported.

    `known` False: well formed but in no table (a city's own extension), so nobody can be dispatched by
    rule unless a rule names it. `component_codes`: the class codes under which such components may stand in
    the map; empty for a matter.
    """

    code: str
    title: str
    title_en: str
    major: str
    major_title: str
    major_title_en: str
    kind: codes.Kind
    known: bool
    component_codes: tuple[str, ...]


def read_class(code: str) -> ReportedClass:
    """The class with this code; raises `BadRequest` unless it is 4 or 5 digits.

    >>> read_class("0137").code, read_class("01037").component_codes, read_class("06010").kind
    ('01037', ('01037', '0137'), 'event')
    """
    if not re.fullmatch(r"\d{4,5}", code, re.ASCII):
        raise BadRequest(
            "事件类别代码应为 5 位数字（2026 版）或 4 位部件类别代码（2013 版）",
            f"the class code {code[:40]!r} is not 5 digits (2026) or a component class of 4 digits (2013)",
            field="class_code",
            value=code,
            expected="5 digits (GB/T 47678.5-2026) or 4 digits (component class of GB/T 30428.2-2013)",
        )
    if len(code) == 4:
        return _of_2013(code)
    try:
        found = codes.event_class(code, "2026")
    except InvalidCode:
        return _unknown(code)
    return _known(found)


def _of_2013(code: str) -> ReportedClass:
    try:
        new = codes.crosswalk_2013_to_2026(code)
        if new is not None:
            return _known(codes.event_class(new, "2026"))
        old = codes.component_class(code, "2013")
    except InvalidCode:
        return _unknown(code)
    return ReportedClass(
        old.code,
        old.title,
        old.title_en,
        old.major,
        old.major_title,
        old.major_title_en,
        "component",
        True,
        (old.code,),
    )


def _known(found: codes.EventClass) -> ReportedClass:
    components: tuple[str, ...] = ()
    if found.kind == "component":
        old = codes.crosswalk_2026_to_2013(found.code)
        components = (found.code, old) if old else (found.code,)
    return ReportedClass(
        found.code,
        found.title,
        found.title_en,
        found.major,
        found.major_title,
        found.major_title_en,
        found.kind,
        True,
        components,
    )


def _unknown(code: str) -> ReportedClass:
    """A class of nobody's table: a component class if its major is one of components."""
    majors = {each.major: each for each in codes.event_classes("2026")}
    major = majors.get(code[:2])
    kind: codes.Kind = "component" if len(code) == 4 or (major and major.kind == "component") else "event"
    return ReportedClass(
        code,
        f"未知类别 {code}",
        f"Unknown class {code}",
        code[:2],
        major.major_title if major else "",
        major.major_title_en if major else "",
        kind,
        False,
        (code,) if kind == "component" else (),
    )
