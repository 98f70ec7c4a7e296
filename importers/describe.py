"""A layer made from a stranger's file: its fields, types, key and geometry type, read off the data.

Chinese names are kept as they are, and so are the types of formats that have types. In a table of texts
numbers and dates are recognised, but what looks like a number stays text where a number would lose
something: leading zeros, more than 15 digits, or a name that says it is a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from importers.keys import SeenKeys
from importers.masks import mask_of
from importers.match import KEY_NAMES
from importers.names import folded
from importers.source import CHUNK_ROWS, Chunk, Source
from layers.description import field_name
from layers.model import Field, FieldType, GeometryType, Layer, Text

THEME = "other"
"""The theme of layers that come from strangers' files."""
NAME_COLUMNS = ("名称", "name", "标题", "title", "简称", "zone", "地名", "label")
"""Columns that say what a person calls a row, folded; earlier ones win."""

_CODE_LIKE = re.compile(
    r"(code|编码|代码|编号|电话|phone|zip|邮编|身份证|tel|fax|no\.?$|_id$|^id$|geoid)", re.I
)
_INTEGER = r"^[+-]?(?:0|[1-9]\d{0,14})$"
_NUMBER = r"^[+-]?(?:0|[1-9]\d{0,14})?(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$"
_DATE = r"^\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?$"
_MOMENT = r"^\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?[T\s]+\d{1,2}[:时].*$"
_MULTI: dict[str, GeometryType] = {
    "Point": "Point", "LineString": "MultiLineString", "MultiLineString": "MultiLineString",
    "Polygon": "MultiPolygon", "MultiPolygon": "MultiPolygon",
}  # fmt: skip
_BY_ID: dict[int, str] = {
    0: "Point", 1: "LineString", 2: "LineString", 3: "Polygon",
    4: "MultiPoint", 5: "MultiLineString", 6: "MultiPolygon", 7: "GeometryCollection",
}  # fmt: skip


@dataclass
class _Column:
    """What the values of a text column have in common so far."""

    values: int = 0
    shapes: dict[str, bool] = field(
        default_factory=lambda: dict.fromkeys(("integer", "number", "date", "datetime"), True)
    )

    def see(self, array: pa.Array) -> None:
        text = pc.utf8_trim_whitespace(array.drop_null())
        text = text.filter(pc.not_equal(text, ""))
        if not len(text):
            return
        self.values += len(text)
        for kind, pattern in (
            ("integer", _INTEGER),
            ("number", _NUMBER),
            ("date", _DATE),
            ("datetime", _MOMENT),
        ):
            if self.shapes[kind]:
                self.shapes[kind] = bool(mask_of(pc.match_substring_regex(text, pattern)).all())

    def type(self, name: str) -> FieldType:
        if not self.values:
            return "text"
        if (self.shapes["integer"] or self.shapes["number"]) and not _CODE_LIKE.search(name):
            return "integer" if self.shapes["integer"] else "number"
        if self.shapes["date"]:
            return "date"
        return "datetime" if self.shapes["datetime"] else "text"


def describe(source: Source, layer_id: str, title: str | None = None) -> Layer:
    """A layer for the rows of `source`, after one look at all of them.

    The key is a column called id, code, 编码, … if its values are there, and each once; otherwise there is
    none and rows are told apart by their content.
    """
    columns = {name: _Column() for name in source.schema.names}
    types = {name: _declared(source.schema.field(name).type) for name in source.schema.names}
    candidates = {name: SeenKeys() for name in _key_candidates(source)}
    kinds: set[str] = set()
    for chunk in source.read(CHUNK_ROWS):
        if not len(chunk):
            continue
        for name, array in chunk.columns.items():
            if source.is_untyped and pa.types.is_string(array.type):
                columns[name].see(array)
            if types.get(name) != _declared(array.type):
                types[name] = "text"
        _drop_repeating(candidates, chunk)
        kinds |= set(_kinds(chunk))
    fields = tuple(_fields(source, columns, types))
    by_column = dict(zip(source.schema.names, fields, strict=True))
    key = next((by_column[name].name for name in candidates), None)
    called = {column: _called(source, column) for column in by_column}
    named = next((by_column[c].name for n in NAME_COLUMNS for c in by_column if n in called[c]), None)
    said = title or source.alias or _title(source)
    return Layer(
        id=layer_id,
        title=Text(said, said),
        theme=THEME,
        geometry_type=_geometry_type(source, kinds),
        fields=tuple(f for f in fields if f.name != source.row_id or f.name == key),
        key=key,
        name_field=named or key,
        search_fields=tuple(dict.fromkeys(n for n in (named, key) if n is not None)),
        source=source.file,
    )


def _fields(source: Source, columns: dict[str, _Column], types: dict[str, FieldType]) -> Iterator[Field]:
    taken: list[str] = []
    for name in source.schema.names:
        clean = field_name(name, taken)
        taken.append(clean)
        kind = types[name]
        if kind == "text" and source.is_untyped and pa.types.is_string(source.schema.field(name).type):
            kind = columns[name].type(name)
        title = source.titles.get(name, name)
        codes = {code: Text(said, said) for code, said in source.codes.get(name, {}).items()}
        yield Field(
            clean,
            Text(title, title),
            kind,
            codes=codes if codes and kind in ("text", "integer") else None,
            aliases=() if clean == name else (name,),
        )


def _called(source: Source, column: str) -> tuple[str, str]:
    """What a column is called, by its name and by its title, folded."""
    return folded(column), folded(source.titles.get(column, column))


def _declared(kind: pa.DataType) -> FieldType:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind):
        return "number"
    if pa.types.is_date(kind):
        return "date"
    return "datetime" if pa.types.is_timestamp(kind) else "text"


def _key_candidates(source: Source) -> list[str]:
    """Columns that may be the key, likeliest first; a file's own row numbers last."""
    found = [name for key in KEY_NAMES for name in source.schema.names if key in _called(source, name)]
    found = [name for name in found if name != source.row_id]
    return list(dict.fromkeys([*found, *([source.row_id] if source.row_id else [])]))


def _drop_repeating(candidates: dict[str, SeenKeys], chunk: Chunk) -> None:
    for name in list(candidates):
        array = chunk.columns[name]
        floating = pa.types.is_floating(array.type)
        keys = [] if floating or array.null_count else pc.cast(array, pa.string()).to_pylist()
        if not keys or "" in keys or candidates[name].repeated(keys, chunk.rows).any():
            del candidates[name]


def _kinds(chunk: Chunk) -> list[str]:
    if chunk.geometry is None:
        return []
    return [_BY_ID[int(i)] for i in np.unique(shapely.get_type_id(chunk.geometry)) if i >= 0]


def _geometry_type(source: Source, kinds: set[str]) -> GeometryType:
    """The type all shapes can be stored as; `Geometry` for a mixture."""
    stored = {_MULTI.get(kind) for kind in kinds}
    if not kinds:
        return _MULTI.get(source.geometry_type or "", "Geometry")
    only = stored.pop() if len(stored) == 1 else None
    return only if only is not None else "Geometry"


def _title(source: Source) -> str:
    """What a person would call the layer: the file's name without suffixes, and the table's."""
    stem = source.file.rsplit("/", 1)[-1].split(".")[0]
    return stem if folded(source.name) in (folded(stem), "") else f"{stem} {source.name}"
