"""What coercing a column gives: its values, and masks over its rows of what was wrong or mended."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

UNKNOWN = frozenset(
    "- -- — —— / \\ . * n/a na null <null> nan none nil 无 不详 未知 不明 待查 暂无 未填".split()  # noqa: SIM905
)
"""What people write into a cell of numbers or dates when they do not know; compared in lower case."""


class Mended(NamedTuple):
    """A rule and the rows it was applied to."""

    rule: str
    rows: Mask


class Coerced(NamedTuple):
    """`values`: Arrow array of the field's type. `wrong`: rows that could not be read (their value is null),
    by rule. `mended`: rows whose value was reformatted, by rule.
    """

    values: pa.Array
    wrong: tuple[Mended, ...] = ()
    mended: tuple[Mended, ...] = ()


def nulls(array: pa.Array) -> Mask:
    """Which values are missing."""
    mask: Mask = pc.is_null(array).to_numpy(zero_copy_only=False)
    return mask


def all_wrong(array: pa.Array, rule: str, kind: pa.DataType) -> Coerced:
    wrong = ~nulls(array)
    return Coerced(pa.nulls(len(array), kind), (Mended(rule, wrong),) if wrong.any() else ())


def mask_of(array: pa.Array) -> Mask:
    """A boolean array with null as False."""
    mask: Mask = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return mask


def any_of(array: pa.Array) -> bool:
    return bool(pc.any(pc.fill_null(array, False)).as_py())


def is_ascii(text: pa.Array) -> bool:
    return bool(pc.all(pc.fill_null(pc.string_is_ascii(text), True)).as_py())


def note_changed(mended: list[Mended], rule: str, before: pa.Array, after: pa.Array) -> None:
    add(mended, rule, mask_of(pc.not_equal(before, after)))


def add(parts: list[Mended], rule: str, rows: Mask) -> None:
    if rows.any():
        parts.append(Mended(rule, rows))


def spread(rest: Mask, some: Mask) -> Mask:
    """A mask over the rows of `rest` as a mask over all rows."""
    whole = np.zeros(len(rest), dtype=bool)
    whole[np.flatnonzero(rest)] = some
    return whole
