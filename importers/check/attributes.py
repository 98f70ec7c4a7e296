"""Are the values there, within their length, in their list, and clean? (ATT-01 … ATT-09)

Batch by batch; uniqueness of the key (ATT-03) needs the whole layer and is in `importers.check.repeats`.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importers.check.ledger import Said, Say
from importers.check.model import Mask, Rule
from importers.check.portion import Portion
from importers.check.work import Work
from layers.model import Field, Layer, Text


def _has_key(layer: Layer) -> bool:
    return layer.key is not None


def _has_required(layer: Layer) -> bool:
    return any(f.required and f.name != layer.key for f in layer.fields)


def _has_limits(layer: Layer) -> bool:
    return any(f.max_length is not None for f in layer.fields)


def _has_lists(layer: Layer) -> bool:
    return any(f.codes for f in layer.fields)


def _has_text(layer: Layer) -> bool:
    return any(f.type == "text" for f in layer.fields)


REQUIRED = Rule(
    "ATT-01", "error", "completeness", Text("必填字段为空", "required value missing"), applies=_has_required
)
FILLED = Rule("ATT-02", "info", "completeness", Text("字段填写率低", "field seldom filled"))
NO_KEY = Rule("ATT-04", "error", "completeness", Text("标识为空", "key missing"), applies=_has_key)
TOO_LONG = Rule("ATT-05", "error", "normativity", Text("文本超长", "text too long"), applies=_has_limits)
NOT_IN_LIST = Rule(
    "ATT-06",
    "warning",
    "normativity",
    Text("值不在代码表内", "value not in the code list"),
    applies=_has_lists,
    mend="codes",
)
UNTIDY = Rule(
    "ATT-07",
    "warning",
    "normativity",
    Text("文本不整洁", "untidy text"),
    applies=_has_text,
    mend="text",
)
GARBLED = Rule("ATT-08", "warning", "accuracy", Text("疑似乱码", "garbled text"), applies=_has_text)
PLACEHOLDER = Rule(
    "ATT-09",
    "warning",
    "completeness",
    Text("以占位文字代替空值", "placeholder instead of no value"),
    applies=_has_text,
    mend="placeholders",
)
RULES = (REQUIRED, FILLED, NO_KEY, TOO_LONG, NOT_IN_LIST, UNTIDY, GARBLED, PLACEHOLDER)

PLACEHOLDERS = frozenset(
    {
        *("null", "none", "nan", "n/a", "na", "#n/a", "<null>", "nil", "undefined", "-", "--", "——", "/"),
        *("#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!", "空", "空值", "无数据", "待补", "待填"),
    }
)
"""Words that stand for nothing, as databases and sheets leave them; 无 and 未知 are answers, not gaps."""

_UNSEEN = r"[\x01-\x1f\x7f\x{200B}\x{202A}-\x{202E}\x{2066}-\x{2069}\x{FEFF}]"
"""Control characters, and those that turn the text after them round (Unicode UAX #9)."""
_EDGES = r"^\s|\s$|^\x{3000}|\x{3000}$|^\x{00A0}|\x{00A0}$|" + _UNSEEN
_WIDE = r"[\x{FF01}-\x{FF5E}\x{3000}]"
_GARBLED = r"\x{FFFD}|锟斤拷|锟斤|烫烫烫|屯屯屯|\x00"
_AS_LATIN = (
    r"|(?:[\x{B2}-\x{B6}\x{B8}-\x{D6}\x{D8}-\x{F7}][\x{A1}-\x{FE}]){2}"
    r"|(?:[\x{E4}-\x{E9}][\x{80}-\x{BF}]{2}){2}"
)
"""U+FFFD, what GBK makes of it, what debug builds leave in memory, NUL (which the store refuses); and two
Chinese characters of GBK, or of UTF-8, read as Latin-1: no language has such a row of accents and signs. What
people do write in a row (· × ° ±) begins none."""
_CODE_NAME = re.compile(r"(^|_)(code|node|class|subclass)$")


def holds_code(layer: Layer, field: Field) -> bool:
    """True for fields whose values are codes: full-width digits and inner blanks are never meant there."""
    return field.name == layer.key or bool(_CODE_NAME.search(field.name))


def blank(portion: Portion, name: str) -> Mask:
    """Rows in which the column is null or nothing but blanks."""
    column = portion.rows.columns.get(name)
    if column is None:
        return np.ones(len(portion), dtype=bool)
    if column.type != pa.string():
        return np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=bool)
    texts = portion.texts(name)
    return ~texts.given | texts.rows(pc.equal(pc.utf8_trim_whitespace(texts.values), ""))


def check_values(portion: Portion, work: Work) -> None:
    """The key and the required fields are filled."""
    layer, ledger = work.layer, work.ledger
    if layer.key is not None:
        ledger.checked(NO_KEY, len(portion))
        title = _title(layer, layer.key)
        ledger.found(
            NO_KEY,
            portion,
            blank(portion, layer.key),
            lambda _: Said(
                f"标识字段“{title.zh}”为空", f"the key field {layer.key!r} is empty", field=layer.key
            ),
        )
    for field in layer.fields:
        if field.required and field.name != layer.key:
            ledger.checked(REQUIRED, len(portion))
            ledger.found(REQUIRED, portion, blank(portion, field.name), _missing(field))


def _missing(field: Field) -> Say:
    said = Said(
        f"必填字段“{field.title.zh}”为空", f"the required field {field.name!r} is empty", field=field.name
    )
    return lambda _: said


def check_texts(portion: Portion, work: Work) -> None:
    """Length, code list, tidiness, garbling, placeholders, each asked once per distinct value."""
    layer, ledger = work.layer, work.ledger
    if not ledger.asks(TOO_LONG, NOT_IN_LIST, UNTIDY, GARBLED, PLACEHOLDER):
        return
    for field in layer.fields:
        if not portion.has(field.name):
            continue
        if field.codes:
            _check_list(portion, work, field)
        if field.type == "text":
            _check_text(portion, work, field)


def _check_list(portion: Portion, work: Work, field: Field) -> None:
    texts = portion.texts(field.name)
    work.ledger.checked(NOT_IN_LIST, int(texts.given.sum()))
    allowed = pa.array([*(field.codes or {}), ""], pa.string())
    shown = "、".join(list(field.codes or {})[:12])

    def said(position: int) -> Said:
        value = texts.at(position)
        return Said(
            f"字段“{field.title.zh}”的值“{value}”不在代码表内（{shown}）",
            f"{field.name!r} is {value!r}, not one of: {shown}",
            value,
            field.name,
        )

    work.ledger.found(
        NOT_IN_LIST, portion, texts.given & ~texts.rows(pc.is_in(texts.values, value_set=allowed)), said
    )


def _check_text(portion: Portion, work: Work, field: Field) -> None:
    ledger, texts = work.ledger, portion.texts(field.name)
    for rule in (UNTIDY, GARBLED, PLACEHOLDER):
        ledger.checked(rule, int(texts.given.sum()))
    if field.max_length is not None:
        ledger.checked(TOO_LONG, int(texts.given.sum()))
        _check_length(portion, work, field, field.max_length)
    wide = holds_code(work.layer, field)
    pattern = f"{_EDGES}|{_WIDE}" if wide else _EDGES
    ledger.found(
        UNTIDY,
        portion,
        texts.rows(pc.match_substring_regex(texts.values, pattern)),
        _of(
            portion,
            field,
            "首尾有空白、含控制字符或全角数字" if wide else "首尾有空白或含控制字符",
            "has blanks at its ends, control characters" + (" or full-width digits" if wide else ""),
        ),
    )
    ledger.found(
        GARBLED,
        portion,
        texts.rows(pc.match_substring_regex(texts.values, _GARBLED + _AS_LATIN)),
        _of(
            portion, field, "疑似乱码（编码错误）或含 NUL 字符", "looks garbled (wrong encoding) or holds NUL"
        ),
    )
    stands_for_nothing = pc.is_in(
        pc.utf8_lower(pc.utf8_trim_whitespace(texts.values)), value_set=pa.array(sorted(PLACEHOLDERS))
    )
    ledger.found(
        PLACEHOLDER,
        portion,
        texts.rows(stands_for_nothing),
        _of(portion, field, "是占位文字，应为空值", "is a placeholder where there should be no value"),
    )


def _check_length(portion: Portion, work: Work, field: Field, limit: int) -> None:
    texts = portion.texts(field.name)

    def said(position: int) -> Said:
        value = texts.at(position) or ""
        return Said(
            f"字段“{field.title.zh}”有 {len(value)} 个字符，最多 {limit} 个",
            f"{field.name!r} has {len(value)} characters, at most {limit} are allowed",
            value,
            field.name,
        )

    work.ledger.found(TOO_LONG, portion, texts.rows(pc.greater(pc.utf8_length(texts.values), limit)), said)


def _of(portion: Portion, field: Field, zh: str, en: str) -> Say:
    texts = portion.texts(field.name)

    def said(position: int) -> Said:
        value = texts.at(position)
        shown = repr(value)[1:-1]
        return Said(
            f"字段“{field.title.zh}”的值“{shown}”{zh}", f"{field.name!r} {en}: {value!r}", shown, field.name
        )

    return said


def _title(layer: Layer, name: str) -> Text:
    field = layer.field(name)
    return field.title if field is not None else Text(name, name)


class Fill:
    """How many rows fill each field, over the whole layer."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._rows = 0
        self.filled = {f.name: 0 for f in work.layer.fields}

    def feed(self, portion: Portion) -> None:
        self._rows += len(portion)
        for name in self.filled:
            self.filled[name] += int((~blank(portion, name)).sum()) if portion.has(name) else 0

    def finish(self) -> None:
        ledger, layer, least = self._work.ledger, self._work.layer, self._work.options.least_filled
        ledger.checked(FILLED, len(layer.fields))
        few = [f for f in layer.fields if self._rows and self.filled[f.name] < least * self._rows]

        def said(number: int) -> Said:
            field = few[number]
            share = self.filled[field.name] / self._rows
            return Said(
                f"字段“{field.title.zh}”填写率 {share:.1%}（{self.filled[field.name]:,} / {self._rows:,}）",
                f"{field.name!r} is filled in {share:.1%} of {self._rows:,} rows",
                f"{share:.4f}",
                field.name,
            )

        ledger.found_loose(FILLED, len(few), said)
