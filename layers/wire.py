"""Rows as PostgreSQL's binary COPY takes them, and the digest of what a row says: whole columns at a time.

Every value becomes the bytes that PostgreSQL itself sends for it (`int8send`, `float8send`, UTF-8, …), so
that what is made here of arrays can be made by the database of its own rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""The signature, no flags, no extension (PostgreSQL manual, COPY, "Binary Format")."""
COPY_END = b"\xff\xff"

_NOTHING = pa.scalar(b"", pa.binary())
_EPOCH_DAYS = 10_957
"""Days from 1970-01-01 to 2000-01-01, from where PostgreSQL counts."""
_EPOCH_US = _EPOCH_DAYS * 86_400_000_000


def sent(array: pa.Array) -> pa.Array:
    """The values as PostgreSQL sends them, as Arrow binary; null stays null.

    `array`: string, binary, int32, int64, float64, bool, date32, or timestamp in microseconds.
    """
    kind = array.type
    if pa.types.is_binary(kind):
        return array
    if pa.types.is_string(kind):
        return array.cast(pa.binary())
    if pa.types.is_boolean(kind):
        values, width = pc.fill_null(array, False).to_numpy(zero_copy_only=False), "u1"
    elif pa.types.is_date32(kind):
        values, width = _numbers(array.cast(pa.int32())) - _EPOCH_DAYS, ">i4"
    elif pa.types.is_timestamp(kind):
        values, width = _numbers(array.cast(pa.int64())) - _EPOCH_US, ">i8"
    elif pa.types.is_int32(kind):
        values, width = _numbers(array), ">i4"
    elif pa.types.is_floating(kind):
        values, width = _numbers(array), ">f8"
    else:
        values, width = _numbers(array), ">i8"
    return _with_nulls_of(fixed(values.astype(width)), array)


def fixed(values: NDArray[np.generic]) -> pa.Array:
    """An array of n values, or of (n, width) bytes, as n binary values of their bytes."""
    if not len(values):
        return pa.array([], pa.binary())
    data = np.ascontiguousarray(values)
    width = data.nbytes // len(data)
    ends = np.arange(0, (len(data) + 1) * width, width, dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(data), buffers)


def copied(columns: Sequence[pa.Array], order: NDArray[np.int64]) -> memoryview:
    """Rows of `columns` (as `sent`, at least one) in `order`, as binary COPY takes them.

    What stands before the first and after the last row of all is not in it.
    """
    parts: list[pa.Array | pa.Scalar] = [pa.scalar(len(columns).to_bytes(2, "big"), pa.binary())]
    for column in columns:
        parts += [fixed(_lengths(column, -1).astype(">i4")), _filled(column)]
    return _bytes(pc.binary_join_element_wise(*parts, _NOTHING).take(pa.array(order)))


def digests(columns: Mapping[str, pa.Array]) -> pa.Array:
    """The first 16 bytes of SHA-256 over each row's named values (as `sent`), in the order of their names.

    Nulls are left out, so a column that is null throughout changes no digest. Each value stands with its
    length and its name, so that no other values can imitate it.
    """
    parts: list[pa.Array] = []
    for name in sorted(columns):
        column = columns[name]
        said = name.encode()
        head = np.frombuffer(len(said).to_bytes(4, "big") + said, np.uint8)
        lengths = _lengths(column, 0).astype(">i4").view(np.uint8).reshape(-1, 4)
        heads = fixed(np.hstack([np.broadcast_to(head, (len(column), len(head))), lengths]))
        if column.null_count:
            heads = pc.if_else(column.is_null(), _NOTHING, heads)
        parts += [heads, _filled(column)]
    rows = pc.binary_join_element_wise(*parts, _NOTHING)
    said_bytes, ends = _bytes(rows), _ends(rows).tolist()
    found = [sha256(said_bytes[start:end]).digest() for start, end in pairwise(ends)]
    return fixed(np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32)[:, :16])


def _numbers(array: pa.Array) -> NDArray[np.generic]:
    values: NDArray[np.generic] = pc.fill_null(array, 0).to_numpy(zero_copy_only=False)
    return values


def _with_nulls_of(made: pa.Array, given: pa.Array) -> pa.Array:
    return pc.if_else(given.is_null(), pa.scalar(None, pa.binary()), made) if given.null_count else made


def _filled(column: pa.Array) -> pa.Array:
    return pc.fill_null(column, b"") if column.null_count else column


def _lengths(column: pa.Array, of_null: int) -> NDArray[np.int32]:
    found: NDArray[np.int32] = pc.fill_null(pc.binary_length(column), of_null).to_numpy(zero_copy_only=False)
    return found


def _ends(rows: pa.Array) -> NDArray[np.int32]:
    return np.frombuffer(rows.buffers()[1], np.int32)[rows.offset : rows.offset + len(rows) + 1]


def _bytes(rows: pa.Array) -> memoryview:
    """The bytes of all values, one after the other; `rows` starts at its buffer's start."""
    data = rows.buffers()[2]
    return memoryview(b"" if data is None else data)[: int(_ends(rows)[-1])]
