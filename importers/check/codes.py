"""Are codes well formed and in the standards' tables of both editions? (COD-01 … COD-04, COD-09 … COD-12)

Whether they fit the place of their row is asked in `importers.check.place_codes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from gis.codes import (
    EDITIONS,
    component_classes,
    crosswalk_2013_to_2026,
    pipe_subclasses,
)
from gis.errors import InvalidCode
from gis.tables.indicators import INDICATORS
from importers.check.ledger import Said
from importers.check.model import Mask, Rule
from importers.check.portion import Portion, Texts, there
from importers.check.work import Work
from layers.model import Layer, Text

PLACE_FIELDS = {
    "district_code": ("district", 6),
    "street_code": ("street", 9),
    "community_code": ("community", 12),
}
"""Field → the base layer whose code it holds, and the digits of that code (GB/T 2260, GB/T 10114)."""
GRID = r"[1-9]\d{11}[0-9A-Z]{3}"
COMPONENT = r"[1-9]\d{15,16}"
REAL_ESTATE = r"[1-9]\d{11}[A-Z]{2}\d{5}[FLQW]\d{8}"

_SHAPES: dict[tuple[str, str], tuple[str, str, str]] = {
    ("unit_grid", "code"): (GRID, "15 位：县6+街道3+社区3+顺序3", "15 characters: county 6 + 3 + 3 + 3"),
    ("component", "code"): (COMPONENT, "16 位（2013）或 17 位（2026）", "16 (2013) or 17 digits (2026)"),
    ("component", "class_code"): (r"\d{4,5}", "4 位（2013）或 5 位（2026）", "4 (2013) or 5 digits (2026)"),
    ("*", "grid_code"): (GRID, "15 位单元网格标识码", "15 characters of a unit grid"),
    ("building", "real_estate_unit_code"): (
        REAL_ESTATE,
        "28 位：宗地 19 + 定着物 9",
        "28 characters: parcel 19 + fixture 9",
    ),
    **{
        ("*", field): (rf"[1-9]\d{{{digits - 1}}}", f"{digits} 位数字", f"{digits} digits")
        for field, (_, digits) in PLACE_FIELDS.items()
    },
    **{
        (layer, "code"): (rf"[1-9]\d{{{digits - 1}}}", f"{digits} 位数字", f"{digits} digits")
        for layer, digits in PLACE_FIELDS.values()
    },
}
"""(layer or any, field) → pattern, what is expected in words."""
_SOURCES = "GB/T 2260; GB/T 10114; GB/T 30428.1-2013; GB/T 30428.2-2013; GB/T 47678.5-2026; GB/T 37346-2019"
_CLASSES = "GB/T 30428.2-2013; GB/T 47678.5-2026 附录A"
_CREDIT_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = tuple(3**n % 31 for n in range(17))
"""GB 32100-2015: alphabet and weights of the unified social credit code."""
_CREDIT_FIELDS = ("authority_code", "owner_code", "maintainer_code")
_SPLIT = re.compile(r"[,，;；、|/]+")


def _shape(layer: Layer, name: str) -> tuple[str, str, str] | None:
    return _SHAPES.get((layer.id, name)) or _SHAPES.get(("*", name))


def _has_codes(layer: Layer) -> bool:
    return any(_shape(layer, f.name) is not None for f in layer.fields)


def _is(*ids: str) -> Callable[[Layer], bool]:
    return lambda layer: layer.id in ids


MALFORMED = Rule(
    "COD-01",
    "error",
    "normativity",
    Text("编码格式错误", "malformed code"),
    _SOURCES,
    _has_codes,
    mend="grid",
    # a component from another register (OpenStreetMap, a company) keeps the id it has there
    warns_in=("component", "building"),
)
UNKNOWN_CLASS = Rule(
    "COD-02",
    "error",
    "normativity",
    Text("部件类别不在标准表内", "class not in the standard's table"),
    _CLASSES,
    _is("component"),
)
EXTENSION = Rule(
    "COD-03",
    "info",
    "normativity",
    Text("部件类别为扩展类或旧版", "class of an extension or old edition"),
    _CLASSES + "; CJ/T 214-2007",
    _is("component"),
)
OTHER_CLASS = Rule(
    "COD-04",
    "error",
    "consistency",
    Text("分类代码与标识码不符", "class is not the one in the id"),
    _CLASSES,
    _is("component"),
)
OTHER_SUBCLASS = Rule(
    "COD-09",
    "error",
    "normativity",
    Text("管线小类不属于大类", "subclass of another pipe class"),
    "CJJ 61-2017 附录B",
    _is("pipe_node", "pipe_line"),
)
CREDIT_CODE = Rule(
    "COD-10",
    "warning",
    "accuracy",
    Text("统一社会信用代码校验不通过", "credit code fails its check character"),
    "GB 32100-2015",
    _is("component"),
)
MIXED = Rule(
    "COD-11",
    "info",
    "consistency",
    Text("标识码新旧版本混用", "ids of both editions"),
    _CLASSES,
    _is("component"),
)
INDICATOR = Rule(
    "COD-12",
    "warning",
    "normativity",
    Text("监测指标未知", "unknown indicator"),
    "GB 3095; GB 3838-2002; GB 3096-2008",
    _is("station"),
)
RULES = (
    *(MALFORMED, UNKNOWN_CLASS, EXTENSION, OTHER_CLASS),
    *(OTHER_SUBCLASS, CREDIT_CODE, MIXED, INDICATOR),
)


# ---------------------------------------------------------------- form


def check_form(portion: Portion, work: Work) -> None:
    """Codes have the length and characters their standard gives them."""
    for field in work.layer.fields:
        shape = _shape(work.layer, field.name)
        if shape is None or not portion.has(field.name):
            continue
        pattern, zh, en = shape
        texts = portion.texts(field.name)
        filled = texts.given & ~texts.rows(pc.equal(texts.values, ""))
        work.ledger.checked(MALFORMED, int(filled.sum()))

        def said(
            position: int, texts: Texts = texts, name: str = field.name, zh: str = zh, en: str = en
        ) -> Said:
            value = texts.at(position)
            return Said(
                f"编码“{value}”格式错误，应为 {zh}", f"{name!r} is {value!r}: expected {en}", value, name
            )

        wrong = filled & ~texts.rows(pc.match_substring_regex(texts.values, f"^(?:{pattern})$"))
        work.ledger.found(MALFORMED, portion, wrong, said)


def check_credit_codes(portion: Portion, work: Work) -> None:
    """Department codes of 18 characters end in the right check character."""
    for name in _CREDIT_FIELDS:
        if not work.ledger.asks(CREDIT_CODE) or not portion.has(name):
            continue
        texts = portion.texts(name)
        long = texts.where(lambda value: len(value) == 18)
        work.ledger.checked(CREDIT_CODE, int(long.sum()))

        def said(position: int, texts: Texts = texts, name: str = name) -> Said:
            value = texts.at(position)
            return Said(
                f"统一社会信用代码“{value}”校验位不符",
                f"{name!r} is {value!r}: its check character does not fit",
                value,
                name,
            )

        work.ledger.found(CREDIT_CODE, portion, long & ~texts.where(fits_credit_code), said)


def fits_credit_code(code: str) -> bool:
    """True if the last of 18 characters is the check character of the others (GB 32100-2015).

    >>> fits_credit_code("91350100M000100Y43"), fits_credit_code("91350100M000100Y44")
    (True, False)
    """
    values = [_CREDIT_LETTERS.find(letter) for letter in code]
    if len(values) != 18 or min(values) < 0:
        return False
    total = sum(value * weight for value, weight in zip(values, _CREDIT_WEIGHTS, strict=False))
    return bool(values[17] == (31 - total % 31) % 31)


# ---------------------------------------------------------------- component classes


@lru_cache
def _classes() -> tuple[frozenset[str], frozenset[str]]:
    """Codes of the two editions in force or everywhere in use, and those only CJ/T 214-2007 had."""
    by_edition = {edition: {c.code for c in component_classes(edition)} for edition in EDITIONS}
    current = by_edition["2013"] | by_edition["2026"]
    return frozenset(current), frozenset(by_edition["2007"] - current)


def is_extension(class_code: str) -> bool:
    """True for class codes the standards leave to cities: minor 80–99 (080–999), and major 21 of 2007.

    >>> is_extension("0199"), is_extension("01080"), is_extension("2101"), is_extension("0160")
    (True, True, True, False)
    """
    major, minor = class_code[:2], class_code[2:]
    return (major in ("01", "02", "03", "04", "05") and int(minor) >= 80) or (
        major == "21" and len(minor) == 2
    )


def check_classes(portion: Portion, work: Work) -> None:
    """The class within each id, and the class stated beside it, are in the tables and the same."""
    if not work.ledger.asks(UNKNOWN_CLASS, EXTENSION, OTHER_CLASS):
        return
    inside, stated = portion.texts("code").part(COMPONENT, 6, -6), portion.texts("class_code")
    for name, classes in (("code", inside), ("class_code", stated.part(r"\d{4,5}", 0, None))):
        if portion.has(name):
            _check_class(portion, work, name, classes)
    both = there(inside) & stated.given
    work.ledger.checked(OTHER_CLASS, int(both.sum()))
    differ = both & (inside != stated.all)
    differ[differ] = [not _same_class(a, b) for a, b in zip(inside[differ], stated.all[differ], strict=True)]
    work.ledger.found(
        OTHER_CLASS,
        portion,
        differ,
        lambda p: Said(
            f"分类代码“{stated.at(p)}”与标识码中的“{inside[p]}”不符",
            f"the class is {stated.at(p)!r}, the id says {inside[p]!r}",
            stated.at(p),
            "class_code",
        ),
    )


def _check_class(portion: Portion, work: Work, name: str, classes: NDArray[np.object_]) -> None:
    current, old = _classes()
    distinct = {c for c in set(classes.tolist()) if c is not None}
    unknown = {c for c in distinct if c not in current and c not in old and not is_extension(c)}
    odd = {c for c in distinct if c not in current and c not in unknown}
    work.ledger.checked(UNKNOWN_CLASS, int(there(classes).sum()))
    work.ledger.checked(EXTENSION, int(there(classes).sum()))
    work.ledger.found(
        UNKNOWN_CLASS,
        portion,
        _one_of(classes, unknown),
        lambda p: Said(
            f"部件类别“{classes[p]}”不在 2013 版和 2026 版分类表内",
            f"the component class {classes[p]!r} is in neither edition's table",
            classes[p],
            name,
        ),
    )
    work.ledger.found(
        EXTENSION,
        portion,
        _one_of(classes, odd),
        lambda p: Said(
            f"部件类别“{classes[p]}”是" + ("2007 版类别" if classes[p] in old else "地方扩展类"),
            f"the component class {classes[p]!r} is "
            + ("of 2007" if classes[p] in old else "a local extension"),
            classes[p],
            name,
        ),
    )


def _one_of(values: NDArray[np.object_], chosen: set[str]) -> Mask:
    return np.array([v in chosen for v in values.tolist()], dtype=bool) if chosen else _none(values)


def _none(values: NDArray[np.object_]) -> Mask:
    return np.zeros(len(values), dtype=bool)


@lru_cache(maxsize=4096)
def _same_class(one: str, other: str) -> bool:
    if one == other:
        return True
    old, new = sorted((one, other), key=len)
    try:
        return len(old) == 4 and len(new) == 5 and crosswalk_2013_to_2026(old) == new
    except InvalidCode:
        return False


class Editions:
    """Whether a layer's ids follow one edition."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._counts = {16: 0, 17: 0}

    def feed(self, portion: Portion) -> None:
        if self._work.ledger.asks(MIXED):
            texts = portion.texts("code")
            for digits in self._counts:
                self._counts[digits] += int(texts.rows(pc.equal(pc.utf8_length(texts.values), digits)).sum())

    def finish(self) -> None:
        old, new = self._counts[16], self._counts[17]
        self._work.ledger.checked(MIXED, 1)
        said = Said(
            f"标识码新旧混用：16 位（2013 版）{old:,} 个，17 位（2026 版）{new:,} 个",
            f"ids of both editions: {old:,} of 16 digits (2013), {new:,} of 17 (2026)",
            field="code",
        )
        self._work.ledger.found_loose(MIXED, 1 if old and new else 0, lambda _: said)


# ---------------------------------------------------------------- pipes, stations


@lru_cache
def _subclass_pairs() -> frozenset[tuple[str, str]]:
    pairs = {(s.pipe_class, s.code) for s in pipe_subclasses()}
    # circulating water is JH in CJJ 61-2017 App. B, XH in some transcriptions
    return frozenset(pairs | {("JS", "JH"), ("JS", "XH")})


def check_subclasses(portion: Portion, work: Work) -> None:
    """A pipe's subclass is one of its class."""
    if not work.ledger.asks(OTHER_SUBCLASS):
        return
    classes, subclasses = portion.texts("pipe_class"), portion.texts("pipe_subclass")
    both = classes.given & subclasses.given
    work.ledger.checked(OTHER_SUBCLASS, int(both.sum()))
    pairs = zip(classes.all[both], subclasses.all[both], strict=True)
    wrong = both.copy()
    wrong[both] = np.array([pair not in _subclass_pairs() for pair in pairs], dtype=bool)
    work.ledger.found(
        OTHER_SUBCLASS,
        portion,
        wrong,
        lambda p: Said(
            f"小类 {subclasses.at(p)} 不属于大类 {classes.at(p)}",
            f"{subclasses.at(p)} is no subclass of {classes.at(p)}",
            subclasses.at(p),
            "pipe_subclass",
        ),
    )


@lru_cache
def _indicators() -> frozenset[str]:
    names = (n for each in INDICATORS for n in (each.code, each.zh, each.en, *each.zh.split()))
    return frozenset(_folded(name) for name in names)


def _folded(name: str) -> str:
    """Letters, digits and characters only, small: `PM2.5`, `pm2_5` and `pm25` are one indicator."""
    return re.sub(r"[\W_]", "", name).lower()


def unknown_indicators(text: str) -> list[str]:
    """The indicators in a list as stations carry it that are in no table.

    >>> unknown_indicators("so2, PM2.5；臭氧、radon、细颗粒物 PM2.5")
    ['radon']
    """
    unknown = []
    for piece in _SPLIT.split(text):
        if _folded(piece) not in _indicators():
            unknown += [word for word in piece.split() if _folded(word) not in _indicators()]
    return unknown


def check_indicators(portion: Portion, work: Work) -> None:
    """What a station says it measures is known."""
    if not work.ledger.asks(INDICATOR):
        return
    texts = portion.texts("indicators")
    work.ledger.checked(INDICATOR, int(texts.given.sum()))

    def said(position: int) -> Said:
        unknown = unknown_indicators(texts.at(position) or "")
        named = "、".join(unknown)
        return Said(
            f"未知的监测指标：{named}", f"unknown indicators: {', '.join(unknown)}", named, "indicators"
        )

    work.ledger.found(INDICATOR, portion, texts.where(lambda value: bool(unknown_indicators(value))), said)
