"""Which column of a file is which field of a layer, and its values as that field's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gis.units import factor
from importers.coerce import coerce
from importers.errors import BadTable
from importers.masks import Coerced, Mended, add, mask_of, nulls
from importers.names import folded, is_cut, unit_in
from importers.source import Source
from layers.model import Field, Layer

KEY_NAMES = ("id", "fid", "objectid", "code", "编码", "编号", "代码", "标识码", "adcode", "gid")
"""Columns that may serve as a layer's key when somebody says which layer a file is for, folded."""


class Pair(NamedTuple):
    """A field and the file's column for it; `factor`: what the column's numbers are multiplied by."""

    field: Field
    column: str
    factor: float = 1.0


@dataclass(frozen=True)
class Matching:
    """`pairs` in the layer's order; `unmapped` the file's columns that no field took."""

    pairs: tuple[Pair, ...]
    unmapped: tuple[str, ...]

    @property
    def by_field(self) -> dict[str, str]:
        return {pair.field.name: pair.column for pair in self.pairs}

    def has(self, field: str) -> bool:
        return any(pair.field.name == field for pair in self.pairs)


def match(source: Source, layer: Layer, said: Mapping[str, str] | None = None) -> Matching:
    """The columns of `source` that are fields of `layer`, by what a person `said`, then by name.

    A column is a field if it has the field's name, a title or an alias, case, width, separators and a unit
    in brackets aside; names cut by dBASE match what they were cut from, and a column is also what its file
    calls it for people (`Source.titles`). Each column and field is taken once.
    Raises `BadTable` if `said` names a column or a field that is not there.
    """
    columns = [name for name in source.schema.names if name != source.row_id or _is_key(name, layer)]
    taken = _said(source, layer, said or {})
    dropped = {column for column, name in (said or {}).items() if name == ""}
    left = [c for c in columns if c not in taken.values() and c not in dropped]
    exactly = {column: column for column in left}
    loosely = {folded(column): column for column in reversed(left)}
    titled = {folded(source.titles[column]): column for column in reversed(left) if column in source.titles}
    for find in (
        exactly.get,
        lambda name: loosely.get(folded(name)),
        lambda name: titled.get(folded(name)),
        lambda name: _uncut(source, name, left),
    ):
        _take(layer, find, taken)
    pairs = tuple(
        Pair(field, taken[field.name], _header_factor(source, taken[field.name], field))
        for field in layer.fields
        if field.name in taken
    )
    used = set(taken.values())
    return Matching(pairs, tuple(c for c in columns if c not in used))


def _is_key(row_id: str, layer: Layer) -> bool:
    """True where a file's own row numbers are what a layer made from such a file tells its rows by."""
    key = None if layer.known else layer.field(layer.key or "")
    return key is not None and row_id in (key.name, *key.aliases)


def with_key(matching: Matching, layer: Layer) -> Matching:
    """`matching` with the layer's key taken from a column called id, code, … if nothing else is the key.

    Only for a layer that somebody named: a file that merely has an `id` says nothing.
    """
    field = layer.field(layer.key or "")
    if field is None or matching.has(field.name):
        return matching
    by_name = {folded(column): column for column in reversed(matching.unmapped)}
    column = next((by_name[name] for name in KEY_NAMES if name in by_name), None)
    if column is None:
        return matching
    pairs = {pair.field.name: pair for pair in (*matching.pairs, Pair(field, column))}
    return Matching(
        tuple(pairs[f.name] for f in layer.fields if f.name in pairs),
        tuple(c for c in matching.unmapped if c != column),
    )


def values(pair: Pair, array: pa.Array, *, is_key: bool) -> Coerced:
    """The values of a column as those of its field: of its type, unit and code list, within its length."""
    field = pair.field
    found = coerce(array, field.type, field.unit, is_code=is_key or field.name.endswith("_code"))
    wrong, mended = list(found.wrong), list(found.mended)
    array = found.values
    if pair.factor != 1.0:
        array = pc.multiply(pc.cast(array, pa.float64()), pair.factor)
        if field.type == "integer":
            array = pc.cast(pc.round(array), pa.int64())
        add(mended, "value.converted", ~nulls(array))
    if field.codes:
        array = _coded(array, field, mended)
    if field.max_length is not None and field.type == "text":
        long = mask_of(pc.greater(pc.utf8_length(array), field.max_length))
        add(wrong, "value.too_long", long)
    if field.type == "text":
        add(mended, "text.replaced", mask_of(pc.match_substring(array, "\ufffd")))
    return Coerced(array, tuple(wrong), tuple(mended))


def missing(layer: Layer, columns: Mapping[str, pa.Array], size: int) -> list[Mended]:
    """The rows in which a required field is empty, one mask per field (its name stands for the rule)."""
    found = []
    for field in layer.fields:
        if not (field.required or field.name == layer.key):
            continue
        array = columns.get(field.name)
        rows = np.ones(size, dtype=bool) if array is None else nulls(array)
        if rows.any():
            found.append(Mended(field.name, rows))
    return found


def _take(layer: Layer, find: Callable[[str], str | None], taken: dict[str, str]) -> None:
    """Gives each field that has no column yet the first that `find` knows by one of its names."""
    for field in layer.fields:
        if field.name in taken:
            continue
        for name in _names(field):
            column = find(name)
            if column is not None and column not in taken.values():
                taken[field.name] = column
                break


def _said(source: Source, layer: Layer, said: Mapping[str, str]) -> dict[str, str]:
    taken: dict[str, str] = {}
    for column, name in said.items():
        if name == "" or name.startswith("@"):
            continue
        if layer.field(name) is None:
            raise BadTable(
                source.title,
                f"图层“{layer.title.zh}”没有字段“{name}”",
                f"the layer {layer.id!r} has no field {name!r}",
                found=name,
                expected=", ".join(layer.field_names),
            )
        if column not in source.schema.names:
            raise BadTable(
                source.title,
                f"没有名为“{column}”的列",
                f"there is no column {column!r}",
                found=", ".join(source.schema.names[:30]),
                expected=column,
            )
        taken[name] = column
    return taken


def _names(field: Field) -> list[str]:
    """Every name of a field, its own first."""
    return list(dict.fromkeys((field.name, *field.aliases, field.title.zh, field.title.en)))


def _uncut(source: Source, name: str, columns: Sequence[str]) -> str | None:
    if not source.cut_names:
        return None
    return next((column for column in columns if is_cut(column, name)), None)


def _header_factor(source: Source, column: str, field: Field) -> float:
    """What a unit in the column's title asks for; 1 if there is none or it is no unit of the field's kind."""
    unit = unit_in(column) or unit_in(source.titles.get(column, ""))
    return factor(unit, field.unit) or 1.0


def _coded(array: pa.Array, field: Field, mended: list[Mended]) -> pa.Array:
    """Titles replaced by their codes; what is neither is kept and noted."""
    assert field.codes is not None
    text = array if pa.types.is_string(array.type) else pc.cast(array, pa.string())
    codes = pa.array(list(field.codes))
    unlisted = ~mask_of(pc.is_in(text, codes)) & ~nulls(text)
    if not unlisted.any():
        return array
    titles: dict[str, str] = {}
    for code, title in field.codes.items():
        for name in (title.zh, title.en, code):
            titles.setdefault(folded(name), code)
    distinct = pc.unique(text.filter(pa.array(unlisted))).to_pylist()
    replaced = {value: titles[folded(value)] for value in distinct if folded(value) in titles}
    if replaced:
        old, new = pa.array(list(replaced)), pa.array(list(replaced.values()))
        at = pc.index_in(text, value_set=old)
        text = pc.if_else(pc.is_valid(at), new.take(at), text)
        add(mended, "value.title_to_code", mask_of(pc.is_valid(at)) & unlisted)
        unlisted &= ~mask_of(pc.is_valid(at))
    add(mended, "value.not_in_codes", unlisted)
    return text if pa.types.is_string(array.type) else array
