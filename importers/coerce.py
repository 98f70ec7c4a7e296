"""Values of a stranger's column as values of a layer's field, a whole column at a time.

Each function gives the values, which of them could not be read, and what had to be mended to read them:
masks over the rows, so that nothing is done row by row and everything is counted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gis.units import factor
from importers.dates import times
from importers.masks import (
    UNKNOWN,
    Coerced,
    Mask,
    Mended,
    add,
    all_wrong,
    any_of,
    is_ascii,
    mask_of,
    note_changed,
    nulls,
    spread,
)
from layers.model import FieldType

_EMPTY_TEXT = frozenset(("<null>", "null"))
"""What exporting tools write for an empty text."""
EXCEL_DIGITS = 10**15
"""Excel keeps 15 significant digits: a longer code stored as a number has lost its end."""

_NUMBER = r"^[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d+)?"
_WITH_UNIT = r"(?P<number>" + _NUMBER[1:] + r")\s*(?P<unit>[^\d\s.,+\-][^\d]*[23²³]?)?$"
_EXPONENT = r"^\d(?:\.\d+)?E\+\d+$"
"""How a spreadsheet writes a long code that it took for a number when it saves as CSV."""
_TRUE = frozenset(["true", "t", "yes", "y", "1", "是", "有", "真", "对", "√"])
_FALSE = frozenset(["false", "f", "no", "n", "0", "否", "无", "假", "错", "×"])


def coerce(array: pa.Array, kind: FieldType, unit: str | None = None, *, is_code: bool = False) -> Coerced:
    """`array` (a plain type, see `importers.arrow`) as values of `kind`.

    `unit`: the field's, to convert lengths and areas that carry their own. `is_code`: a text in which
    width and inner spaces carry no meaning, such as a key.
    """
    if kind == "text":
        return _by_value(array, lambda values: _texts(values, is_code=is_code))
    if kind in ("number", "integer"):
        return _numbers(array, unit, whole=kind == "integer")
    if kind == "boolean":
        return _booleans(array)
    return times(array, with_time=kind == "datetime")


def numbers(array: pa.Array) -> tuple[NDArray[np.float64], Mask]:
    """A column as float64 (NaN where empty) and the rows that are no numbers: for coordinates."""
    found = _numbers(array, None, whole=False)
    values = found.values.to_numpy(zero_copy_only=False).astype(np.float64)
    if isinstance(array, pa.Array) and pa.types.is_floating(array.type):
        values = array.to_numpy(zero_copy_only=False).astype(np.float64)
        return values, np.zeros(len(array), dtype=bool)
    wrong = np.zeros(len(array), dtype=bool)
    for part in found.wrong:
        wrong |= part.rows
    return values, wrong


# ---------------------------------------------------------------- text

_FEW = 8
"""A column with so many rows for each different value is looked at value by value."""


def _by_value(array: pa.Array, look: Callable[[pa.Array], Coerced]) -> Coerced:
    """`look` at the different values of a text column where they are few: a use, a structure, a code."""
    if not pa.types.is_string(array.type) or len(array) < _FEW:
        return look(array)
    encoded = array.dictionary_encode()
    if len(encoded.dictionary) * _FEW > len(array):
        return look(array)
    found = look(encoded.dictionary)
    given = ~nulls(array)
    place = pc.fill_null(encoded.indices, 0).to_numpy()

    def spread_out(parts: tuple[Mended, ...]) -> tuple[Mended, ...]:
        return tuple(Mended(part.rule, part.rows[place] & given) for part in parts)

    values = found.values.take(encoded.indices)
    return Coerced(values, spread_out(found.wrong), spread_out(found.mended))


def _texts(array: pa.Array, *, is_code: bool) -> Coerced:
    if not pa.types.is_string(array.type):
        return _as_texts(array)
    mended: list[Mended] = []
    text = array
    if any_of(pc.match_substring(text, "\0")):
        mended.append(Mended("text.nul", mask_of(pc.match_substring(text, "\0"))))
        text = pc.replace_substring(text, "\0", "")
    trimmed = pc.utf8_trim_whitespace(text)
    note_changed(mended, "text.trimmed", text, trimmed)
    text = trimmed
    if is_code and not is_ascii(text):
        narrow = pc.utf8_normalize(text, form="NFKC")
        note_changed(mended, "text.width", text, narrow)
        text = narrow
    if is_code and any_of(pc.match_substring_regex(text, r"^\d+\.0$")):
        whole = pc.replace_substring_regex(text, r"^(\d+)\.0$", r"\1")
        note_changed(mended, "code.point_zero", text, whole)
        text = whole
    wrong: list[Mended] = []
    empty = pc.is_in(pc.utf8_lower(text), pa.array([*_EMPTY_TEXT, ""]))
    if is_code:
        lost = pc.match_substring_regex(text, _EXPONENT)
        add(wrong, "code.digits_lost", mask_of(lost))
        empty = pc.or_(empty, lost)
    return Coerced(pc.if_else(empty, pa.scalar(None, pa.string()), text), tuple(wrong), tuple(mended))


def _as_texts(array: pa.Array) -> Coerced:
    """Numbers, dates and flags as a person would write them; a number too long for Excel is wrong."""
    if pa.types.is_floating(array.type):
        values = array.to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):
            lost = np.abs(values) >= EXCEL_DIGITS
        if len(values) and np.all(np.isnan(values) | (values == np.trunc(values))):
            text = pc.cast(pc.cast(array, pa.int64(), safe=False), pa.string())
        else:
            text = pa.array([None if np.isnan(v) else _shortest(v) for v in values], pa.string())
        text = pc.if_else(pa.array(np.isnan(values) | lost), pa.scalar(None, pa.string()), text)
        return Coerced(text, (Mended("code.digits_lost", lost),) if lost.any() else ())
    if pa.types.is_timestamp(array.type):
        text = pa.array(
            [
                None if v is None else (v.date() if v.time() == dt.time() else v).isoformat()
                for v in array.to_pylist()
            ],
            pa.string(),
        )
        return Coerced(text)
    return Coerced(pc.cast(array, pa.string()))


def _shortest(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(float(value))


# ---------------------------------------------------------------- numbers


def _numbers(array: pa.Array, unit: str | None, *, whole: bool) -> Coerced:
    mended: list[Mended] = []
    wrong: list[Mended] = []
    if pa.types.is_string(array.type):
        array = _parsed(array, unit, wrong, mended)
    elif pa.types.is_boolean(array.type):
        array = pc.cast(array, pa.int64())
    elif pa.types.is_temporal(array.type):
        return all_wrong(array, "value.not_a_number", pa.int64() if whole else pa.float64())
    if pa.types.is_floating(array.type):
        values = array.to_numpy(zero_copy_only=False)
        infinite = np.isinf(values)
        if infinite.any():
            wrong.append(Mended("value.not_a_number", infinite))
        array = pc.if_else(pa.array(~np.isfinite(values)), pa.scalar(None, pa.float64()), array)
    if whole and pa.types.is_floating(array.type):
        values = array.to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):
            broken = np.isfinite(values) & ((values != np.trunc(values)) | (np.abs(values) >= 2.0**53))
        if broken.any():
            wrong.append(Mended("value.not_whole", broken))
            array = pc.if_else(pa.array(broken), pa.scalar(None, pa.float64()), array)
        array = pc.cast(array, pa.int64())
    elif not whole:
        array = pc.cast(array, pa.float64(), safe=False)
    return Coerced(array, tuple(wrong), tuple(mended))


def _parsed(array: pa.Array, unit: str | None, wrong: list[Mended], mended: list[Mended]) -> pa.Array:
    """A text column as float64: plain numbers at once, then thousands, units and markers of not knowing."""
    text = pc.utf8_trim_whitespace(array)
    empty = pc.equal(text, "")
    text = pc.if_else(empty, pa.scalar(None, pa.string()), text)
    if not is_ascii(text):
        text = pc.utf8_normalize(text, form="NFKC")
    plain = pc.match_substring_regex(text, r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")
    quick = pc.cast(pc.if_else(plain, text, pa.scalar(None, pa.string())), pa.float64())
    rest = ~mask_of(plain) & ~nulls(text)
    if not rest.any():
        return quick
    positions = np.flatnonzero(rest)
    slow = text.take(pa.array(positions))
    unknown = mask_of(pc.is_in(pc.utf8_lower(slow), pa.array(sorted(UNKNOWN))))
    pieces = pc.extract_regex(slow, r"^" + _WITH_UNIT)
    number = pc.replace_substring(pc.struct_field(pieces, "number"), ",", "")
    has_digit = mask_of(pc.match_substring_regex(pc.fill_null(number, ""), r"\d"))
    factors, unit_known = _factors(pc.struct_field(pieces, "unit").to_pylist(), unit)
    good = has_digit & unit_known & ~unknown
    values = quick.to_numpy(zero_copy_only=False).copy()
    read = np.array([float(n) if g else np.nan for n, g in zip(number.to_pylist(), good, strict=True)])
    values[positions] = read * factors
    add(wrong, "value.unit", spread(rest, has_digit & ~unit_known & ~unknown))
    add(wrong, "value.not_a_number", spread(rest, ~has_digit & ~unknown))
    add(mended, "value.unknown", spread(rest, unknown))
    add(mended, "value.reformatted", spread(rest, good))
    return pa.array(values, pa.float64(), from_pandas=True)


def _factors(written: list[str | None], unit: str | None) -> tuple[NDArray[np.float64], Mask]:
    found = {w: factor(w, unit) for w in set(written)}
    known = np.array([found[w] is not None for w in written], dtype=bool)
    return np.array([found[w] or 1.0 for w in written]), known


# ---------------------------------------------------------------- flags


def _booleans(array: pa.Array) -> Coerced:
    if pa.types.is_boolean(array.type):
        return Coerced(array)
    text = pc.utf8_lower(
        pc.utf8_trim_whitespace(_as_texts(array).values if not pa.types.is_string(array.type) else array)
    )
    true = mask_of(pc.is_in(text, pa.array(sorted(_TRUE))))
    false = mask_of(pc.is_in(text, pa.array(sorted(_FALSE))))
    blank = nulls(text) | mask_of(pc.equal(text, ""))
    values = pa.array(true, pa.bool_(), mask=~(true | false))
    wrong = ~(true | false | blank)
    return Coerced(values, (Mended("value.not_a_flag", wrong),) if wrong.any() else ())
