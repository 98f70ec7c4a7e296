"""Dates and times as people write them, read a whole column at a time."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from importers.masks import UNKNOWN, Coerced, Mask, Mended, add, all_wrong, is_ascii, mask_of, nulls

LOCAL = "Asia/Shanghai"
"""Times written without a zone are Beijing time (GB/T 7408.1: the zone may be left out where agreed)."""
EXCEL_EPOCH = dt.date(1899, 12, 30)
"""Day 0 of Excel's serial numbers as they are for dates after February 1900 (ECMA-376 §18.17.4.1)."""
_LIKELY_DAYS = (10_959.0, 73_415.0)
"""1930-01-01 to 2100-12-31 as Excel serials."""

_DAY = (
    r"^(?P<y>\d{4})\s*[-/.年]\s*(?P<m>\d{1,2})\s*[-/.月]\s*(?P<d>\d{1,2})\s*日?"
    r"(?:[T\s]*(?P<H>\d{1,2})(?:[:：时](?P<M>\d{1,2})?(?:[:：分](?P<S>\d{1,2})?(?:[.,]\d+)?秒?)?分?)?"
    r"\s*(?P<z>Z|[+-]\d{2}:?\d{2})?)?$"
)
_COMPACT = r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:[T\s]?(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})?)?(?P<z>Z)?$"
_MONTH = r"^(?P<y>\d{4})\s*[-/.年]\s*(?P<m>\d{1,2})\s*月?$"
_YEAR = r"^(?P<y>(?:18|19|20)\d{2})\s*年?$"
_ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"


def times(array: pa.Array, *, with_time: bool) -> Coerced:
    """A plain column as dates, or as moments (UTC) where `with_time`.

    Read are ISO 8601, `2024年1月2日`, `2024/1/2 8:30`, `20240102`, Excel's day numbers, and for dates
    also a month or a year alone (its first day). What is ambiguous (`4/5/2024`) is wrong.
    """
    target = pa.timestamp("us", "UTC") if with_time else pa.date32()
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return Coerced(_moments(array, with_time))
    if pa.types.is_boolean(array.type):
        return all_wrong(array, "value.not_a_date", target)
    if not pa.types.is_string(array.type):
        return _serials(array, with_time)
    mended: list[Mended] = []
    wrong: list[Mended] = []
    text = pc.utf8_trim_whitespace(array)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    iso = mask_of(pc.match_substring_regex(text, _ISO_DAY))
    values, understood = _calendar(text, with_time)
    rest = ~understood & ~nulls(text)
    if rest.any():
        values, serial = _with_serials(values, text, rest, with_time)
        understood, rest = understood | serial, rest & ~serial
    if rest.any():
        lowered = pc.utf8_lower(text)
        unknown = rest & mask_of(pc.is_in(lowered, pa.array(sorted(UNKNOWN))))
        add(mended, "value.unknown", unknown)
        add(wrong, "value.not_a_date", rest & ~unknown)
    if not with_time:
        add(mended, "value.reformatted", understood & ~iso)
    return Coerced(values, tuple(wrong), tuple(mended))


def _with_serials(values: pa.Array, text: pa.Array, rest: Mask, with_time: bool) -> tuple[pa.Array, Mask]:
    """`values` with Excel's day numbers among the texts of `rest`, and where they are.

    Five digits, and perhaps a fraction, are no other date.
    """
    written = mask_of(pc.match_substring_regex(text, r"^\d{5}(?:\.\d+)?$")) & rest
    if not written.any():
        return values, written
    numbers = pc.cast(pc.if_else(pa.array(written), text, pa.scalar(None, pa.string())), pa.float64())
    found = _serials(numbers, with_time).values
    serial = written & ~nulls(found)
    return pc.if_else(pa.array(serial), found, values), serial


def _calendar(text: pa.Array, with_time: bool) -> tuple[pa.Array, Mask]:
    """The dates in all spellings that name year, month and day (or, for dates, year and month or a year)."""
    if not is_ascii(text):
        text = pc.utf8_normalize(text, form="NFKC")
    size = len(text)
    moments = np.full(size, np.datetime64("NaT", "s"))
    understood = np.zeros(size, dtype=bool)
    patterns = [_DAY, _COMPACT] if with_time else [_DAY, _COMPACT, _MONTH, _YEAR]
    for pattern in patterns:
        hit = mask_of(pc.match_substring_regex(text, pattern.replace("(?P<", "(?P<"))) & ~understood
        if not hit.any():
            continue
        positions = np.flatnonzero(hit)
        pieces = pc.extract_regex(text.take(pa.array(positions)), pattern)
        found = _assembled(pieces, with_time)
        moments[positions] = found
        understood[positions] = ~np.isnat(found)
    if with_time:
        stamps = pa.array(moments.astype("datetime64[us]"), pa.timestamp("us"), mask=~understood)
        return pc.cast(stamps, pa.timestamp("us", "UTC")) if size else pa.array(
            [], pa.timestamp("us", "UTC")
        ), understood
    return pa.array(moments.astype("datetime64[D]"), pa.date32(), mask=~understood), understood


def _assembled(pieces: pa.StructArray, with_time: bool) -> NDArray[np.datetime64]:
    """Moments (UTC, seconds) from the named pieces; NaT where there is no such day or hour."""

    def part(name: str, default: int) -> NDArray[np.int64]:
        if name not in [pieces.type.field(i).name for i in range(pieces.type.num_fields)]:
            return np.full(len(pieces), default, dtype=np.int64)
        texts = pc.struct_field(pieces, name)
        filled = pc.if_else(pc.equal(texts, ""), pa.scalar(str(default)), texts)
        values: NDArray[np.int64] = pc.cast(pc.fill_null(filled, str(default)), pa.int64()).to_numpy()
        return values

    year, month, day = part("y", 1), part("m", 1), part("d", 1)
    hour, minute, second = part("H", 0), part("M", 0), part("S", 0)
    fits = (
        (month >= 1) & (month <= 12) & (day >= 1) & (hour <= 24) & (minute < 60) & (second < 60) & (year > 0)
    )
    start = (np.clip(year, 1, 9999) - 1970).astype("datetime64[Y]").astype("datetime64[M]") + np.clip(
        month - 1, 0, 11
    )
    dates = start.astype("datetime64[D]") + (day - 1)
    fits &= dates.astype("datetime64[M]") == start
    moments = dates.astype("datetime64[s]")
    if with_time:
        moments = moments + hour * 3600 + minute * 60 + second - _offsets(pieces)
    return np.where(fits, moments, np.datetime64("NaT", "s"))


def _offsets(pieces: pa.StructArray) -> NDArray[np.int64]:
    """Seconds east of Greenwich; Beijing's where none is written."""
    found = {None: 8 * 3600, "": 8 * 3600, "Z": 0}
    zones = pc.struct_field(pieces, "z").to_pylist()
    for zone in set(zones) - set(found):
        digits = str(zone)[1:].replace(":", "")
        seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        found[zone] = -seconds if str(zone).startswith("-") else seconds
    return np.array([found[z] for z in zones], dtype=np.int64)


def _moments(array: pa.Array, with_time: bool) -> pa.Array:
    """Dates and timestamps as the field's type; a timestamp without a zone is Beijing time."""
    if not with_time:
        if pa.types.is_timestamp(array.type) and array.type.tz is not None:
            array = pc.local_timestamp(pc.cast(array, pa.timestamp("us", LOCAL)))
        return pc.cast(array, pa.date32(), safe=False)
    if pa.types.is_date(array.type):
        array = pc.cast(array, pa.timestamp("us"))
    if array.type.tz is None:
        array = pc.assume_timezone(pc.cast(array, pa.timestamp("us"), safe=False), LOCAL)
    return pc.cast(array, pa.timestamp("us", "UTC"), safe=False)


def _serials(array: pa.Array, with_time: bool) -> Coerced:
    """Numbers that are dates: 20240102, a year, or Excel's days since 1899-12-30."""
    values = pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        present = np.isfinite(values)
        serial = present & (values >= _LIKELY_DAYS[0]) & (values <= _LIKELY_DAYS[1])
        compact = present & (values >= 18_000_101) & (values <= 99_991_231) & (values == np.trunc(values))
        year = (
            present
            & ~serial
            & (values >= 1800)
            & (values <= 2100)
            & (values == np.trunc(values))
            & (not with_time)
        )
    text = np.full(len(values), None, dtype=object)
    text[compact | year] = [str(int(v)) for v in values[compact | year]]
    found, understood = _calendar(pa.array(text.tolist(), pa.string()), with_time)
    moments = np.where(serial, values, 0.0)
    days = np.datetime64(EXCEL_EPOCH, "s") + np.round(moments * 86_400).astype("timedelta64[s]")
    if with_time:
        stamps = pc.assume_timezone(pa.array(days.astype("datetime64[us]"), pa.timestamp("us")), LOCAL)
        excel = pc.cast(stamps, pa.timestamp("us", "UTC"))
    else:
        excel = pa.array(days.astype("datetime64[D]"), pa.date32())
    joined = pc.if_else(pa.array(serial), excel, found)
    wrong = present & ~serial & ~understood
    parts: list[Mended] = []
    add(parts, "value.not_a_date", wrong)
    mended: list[Mended] = []
    add(mended, "value.reformatted", serial | understood)
    return Coerced(joined, tuple(parts), tuple(mended))
