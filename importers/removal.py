"""Rows of a delivery that say they are gone: kept out of what is staged, only their keys are read.

A delivery of changes marks such rows in a column of its own (变更类型=删除). Which column and which values
that are is said by the person who imports, as any word in a file could mean anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importers.coerce import coerce
from importers.derive import padded_grid_codes
from importers.masks import Mask
from importers.match import Matching, values
from importers.source import Chunk, Note, Source, Trouble
from layers.errors import BadRequest
from layers.model import Layer

RULE = "row.removed"


class Marked(NamedTuple):
    """Rows whose `column` holds one of `values` are gone."""

    column: str
    values: frozenset[str]


def read_marked(told: str) -> Marked:
    """What `column=value,value` says; raises `BadRequest`.

    >>> read_marked("变更类型=删除,注销").column
    '变更类型'
    """
    column, _, listed = told.partition("=")
    found = frozenset(value.strip() for value in listed.split(",") if value.strip())
    if not column.strip() or not found:
        raise BadRequest(
            f"removes 应为“列=值”，而不是“{told[:80]}”",
            f"removes is {told[:80]!r}, expected column=value",
            field="removes",
            value=told,
            expected="column=value, e.g. 变更类型=删除",
        )
    return Marked(column.strip(), found)


def without_removed(
    source: Source, layer: Layer, matching: Matching, marked: Marked, gone: list[str]
) -> Source:
    """`source` without its marked rows, whose keys come into `gone` while it is read.

    A marked row without a key is refused. Raises `BadRequest` if the table has no such column, or the layer
    no key by which a row could be named.
    """
    pair = next((p for p in matching.pairs if p.field.name == layer.key), None)
    if marked.column not in source.schema.names or pair is None:
        raise BadRequest(
            f"“{source.title}”没有列“{marked.column}”，或没有标识列，无法说明哪些行已注销",
            f"{source.title} has no column {marked.column!r}, or no key, to say which rows are gone",
            field="removes",
            value=marked.column,
            expected=", ".join(source.schema.names[:50]),
        )

    def read(rows: int) -> Iterator[Chunk]:
        gone.clear()
        for chunk in source.read(rows):
            is_gone = _marked(chunk, marked)
            if not is_gone.any():
                yield chunk
                continue
            keys = values(pair, chunk.columns[pair.column].filter(pa.array(is_gone)), is_key=True).values
            if layer.id == "unit_grid":
                keys, _ = padded_grid_codes(keys)
            named = pc.cast(keys, pa.string()).to_pylist()
            gone.extend(key for key in named if key)
            troubles = tuple(
                Trouble(int(row), "value.required", "已注销的行没有标识", "a row that is gone has no key")
                for row, key in zip(chunk.rows[is_gone], named, strict=True)
                if not key
            )
            yield _without(chunk, is_gone, troubles, sum(1 for key in named if key))

    return replace(source, read=read, count=None)


def _marked(chunk: Chunk, marked: Marked) -> Mask:
    texts = coerce(chunk.columns[marked.column], "text").values if len(chunk) else pa.array([], pa.string())
    return np.fromiter((text in marked.values for text in texts.to_pylist()), bool, len(chunk))


def _without(chunk: Chunk, is_gone: Mask, troubles: tuple[Trouble, ...], number: int) -> Chunk:
    kept = pa.array(~is_gone)
    note = Note(RULE, "标明已注销的行", "rows that say they are gone", number)
    return Chunk(
        chunk.rows[~is_gone],
        {name: column.filter(kept) for name, column in chunk.columns.items()},
        None if chunk.geometry is None else chunk.geometry[~is_gone],
        (*chunk.troubles, *troubles),
        (*chunk.mended, *((note,) if number else ())),
    )
