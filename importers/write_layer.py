"""A layer as a file of GDAL's: GeoPackage or Shapefile. Written here, as pyogrio is.

What a format cannot hold is counted and said, never cut in silence: names beyond ten bytes, characters that
GBK does not have, texts beyond 254 bytes, moments.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely

from gis.outgoing import Outgoing
from importers.source import Note
from layers.errors import BadRequest
from layers.export import column_titles
from layers.features import Feature
from layers.model import Field, FieldType, Layer

DRIVERS = {".gpkg": "GPKG", ".shp": "ESRI Shapefile"}
"""Not OpenFileGDB: it writes characters beyond U+FFFF in names as others (GDAL 3.12)."""
DBF_NAME_BYTES = 10
DBF_TEXT_BYTES = 254
_TYPES: dict[FieldType, pa.DataType] = {
    "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
    "date": pa.date32(), "datetime": pa.timestamp("ms"),
}  # fmt: skip
_GEOMETRIES = {
    "Point": "Point", "MultiLineString": "MultiLineString", "MultiPolygon": "MultiPolygon",
    "Geometry": "Unknown",
}  # fmt: skip
_SHAPE = "geom"
_SCHEMA_EXTENSION = """
CREATE TABLE IF NOT EXISTS gpkg_data_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT,
  title TEXT, description TEXT, mime_type TEXT, constraint_name TEXT, PRIMARY KEY (table_name, column_name));
CREATE TABLE IF NOT EXISTS gpkg_data_column_constraints (constraint_name TEXT NOT NULL,
  constraint_type TEXT NOT NULL, value TEXT, min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC,
  max_is_inclusive BOOLEAN, description TEXT, UNIQUE (constraint_name, constraint_type, value));
CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,
  definition TEXT NOT NULL, scope TEXT NOT NULL, UNIQUE (table_name, column_name, extension_name));
INSERT OR IGNORE INTO gpkg_extensions VALUES
  ('gpkg_data_columns', NULL, 'gpkg_schema', 'http://www.geopackage.org/spec121/#extension_schema',
   'read-write'),
  ('gpkg_data_column_constraints', NULL, 'gpkg_schema',
   'http://www.geopackage.org/spec121/#extension_schema', 'read-write');
"""


class FileWriter:
    """Writes batches of features to one file; `notes` say what the format made of them.

    Raises `BadRequest` for a layer that the format cannot hold.
    """

    def __init__(
        self, path: Path, layer: Layer, fields: Sequence[Field], system: Outgoing, encoding: str = "utf-8"
    ) -> None:
        self._path, self._layer, self._fields, self._system = path, layer, tuple(fields), system
        self._driver = DRIVERS[path.suffix.lower()]
        self._is_dbf = self._driver == "ESRI Shapefile"
        self._encoding = encoding
        self._written = 0
        self._unheld: dict[str, int] = {}
        self._names = (
            dbf_names(column_titles(self._fields), encoding)
            if self._is_dbf
            else [field.name for field in self._fields]
        )
        if self._is_dbf and layer.geometry_type == "Geometry":
            raise BadRequest(
                f"图层“{layer.title.zh}”含多种图形，Shapefile 每个文件只能存一种；请导出为 .gpkg",
                f"layer {layer.id!r} holds shapes of several kinds, a Shapefile one; write a .gpkg",
                field="path",
                value=path.name,
                expected=".gpkg",
            )

    def write(self, features: Sequence[Feature]) -> None:
        """Adds features to the file."""
        shapes = shapely.from_geojson(np.array([f.geometry for f in features], dtype=object))
        wkb = shapely.to_wkb(self._system.moved(shapes, own_order=False))
        arrays = [
            self._array(field, [feature.properties[field.name] for feature in features])
            for field in self._fields
        ]
        schema = pa.schema(
            [
                *(self._column(f, n, a) for f, n, a in zip(self._fields, self._names, arrays, strict=True)),
                pa.field(_SHAPE, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"}),
            ]
        )
        table = pa.table([*arrays, pa.array(wkb, pa.binary())], schema=schema)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is counted and said here
            pyogrio.write_arrow(
                table,
                self._path,
                layer=None if self._is_dbf else self._layer.title.zh,
                driver=self._driver,
                geometry_name=_SHAPE,
                geometry_type=_GEOMETRIES[self._layer.geometry_type],
                crs=None if self._system.epsg is None else f"EPSG:{self._system.epsg}",
                append=self._written > 0,
                **({"encoding": self._encoding.upper()} if self._is_dbf else {}),
            )
        self._written += len(features)

    def finish(self) -> tuple[Note, ...]:
        """Completes the file; what the format could not hold."""
        if self._driver == "GPKG" and self._written:
            self._describe()
        notes = []
        if self._is_dbf:
            cut = [
                f"{title} → {name}"
                for title, name in zip(column_titles(self._fields), self._names, strict=True)
                if title != name
            ]
            if cut:
                notes.append(
                    Note(
                        "dbf.names",
                        f"Shapefile 字段名至多 10 字节，已缩短：{'、'.join(cut)}",
                        f"names are 10 bytes at most in a Shapefile, shortened: {', '.join(cut)}",
                        len(cut),
                    )
                )
        for rule, count in self._unheld.items():
            notes.append(Note(rule, *_UNHELD[rule], count))
        if self._system.epsg is None:
            notes.append(
                Note(
                    "crs.unstated",
                    f"坐标为 {self._system.title}，该坐标系没有 EPSG 编码，文件中未声明",
                    f"coordinates are in {self._system.title}, which has no EPSG code to be said by",
                )
            )
        return tuple(notes)

    def _array(self, field: Field, values: list[object]) -> pa.Array:
        kind = field.type
        if self._is_dbf and kind == "datetime":
            values = [None if value is None else str(value) for value in values]
            kind = "text"
        if kind == "text":
            texts = [None if value is None else str(value) for value in values]
            return pa.array([self._held(text) for text in texts] if self._is_dbf else texts, pa.string())
        if kind == "datetime":
            values = [_instant(value) for value in values]
        return pa.array(values, _TYPES[kind])

    def _held(self, text: str | None) -> str | None:
        """What of a text a dBASE table holds, the rest counted."""
        if text is None:
            return None
        raw = text.encode(self._encoding, errors="replace")
        if self._encoding != "utf-8" and raw.decode(self._encoding) != text:
            self._unheld["dbf.characters"] = self._unheld.get("dbf.characters", 0) + 1
        if len(raw) > DBF_TEXT_BYTES:
            self._unheld["dbf.texts"] = self._unheld.get("dbf.texts", 0) + 1
        return raw[:DBF_TEXT_BYTES].decode(self._encoding, errors="ignore")

    def _column(self, field: Field, name: str, array: pa.Array) -> pa.Field:
        said = {} if self._is_dbf or field.title.zh == name else {_ALTERNATIVE: field.title.zh}
        return pa.field(name, array.type, metadata=said or None)

    def _describe(self) -> None:
        """Titles and code lists, by the schema extension of GeoPackage (OGC 12-128r19, F.9)."""
        table = self._layer.title.zh
        with closing(sqlite3.connect(self._path)) as database:
            database.executescript(_SCHEMA_EXTENSION)
            for field in self._fields:
                rule = f"{self._layer.id}_{field.name}".lower() if field.codes else None
                # GDAL takes `name` for the column's other name; it must be unique within the table
                database.execute(
                    "INSERT OR REPLACE INTO gpkg_data_columns VALUES (?, ?, ?, ?, NULL, NULL, ?)",
                    (table, field.name, _other_name(field, self._fields), field.title.zh, rule),
                )
                database.executemany(
                    "INSERT OR IGNORE INTO gpkg_data_column_constraints"
                    " VALUES (?, 'enum', ?, NULL, NULL, NULL, NULL, ?)",
                    [(rule, code, title.zh) for code, title in (field.codes or {}).items()],
                )
            database.commit()


_ALTERNATIVE = "GDAL:OGR:alternative_name"
_UNHELD: Mapping[str, tuple[str, str]] = {
    "dbf.characters": (
        "值中有 GBK 没有的字，已写成“?”；请改用 UTF-8",
        "values hold characters that GBK does not have, written as '?'; use UTF-8",
    ),
    "dbf.texts": ("文字超过 254 字节，已截断", "texts beyond 254 bytes were cut"),
}


def dbf_names(titles: Iterable[str], encoding: str) -> list[str]:
    """The titles as names of a dBASE table: ten bytes in `encoding` at most, each once, no character cut.

    >>> dbf_names(["单元网格标识码", "单元网格标识名", "code"], "gbk")
    ['单元网格标', '单元网格1', 'code']
    """
    found: list[str] = []
    for title in titles:
        name, number = _cut(title, DBF_NAME_BYTES, encoding), 0
        while name.casefold() in [other.casefold() for other in found] or not name:
            number += 1
            name = _cut(title, DBF_NAME_BYTES - len(str(number)), encoding) + str(number)
        found.append(name)
    return found


def _cut(text: str, size: int, encoding: str) -> str:
    return text.encode(encoding, errors="ignore")[:size].decode(encoding, errors="ignore")


def _instant(value: Any) -> Any:
    """A moment without its zone: UTC, as it is kept."""
    if value is None or isinstance(value, str):
        return value if value is None else np.datetime64(value.removesuffix("Z"), "ms").item()
    return value.replace(tzinfo=None)


def _other_name(field: Field, fields: Sequence[Field]) -> str:
    titles = [other.title.zh for other in fields]
    return field.title.zh if titles.count(field.title.zh) == 1 else field.name
