"""A table of the user's database as a GeoParquet file, so that an import can read it like any other.

The file is the table as it stood at one moment; the same rows make the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gis.crs import read_crs
from layers.db import Database
from layers.model import FieldType, Layer
from layers.relation import relation_of
from layers.table_copy import table_rows

GEOMETRY = "geometry"
_TYPES: dict[FieldType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
}


async def write_table(db: Database, layer: Layer, target: Path) -> tuple[int, str]:
    """Writes the rows of the looked at `layer` (`layers.table_copy`); how many, and SHA-256 of the file."""
    schema, first = _schema(layer)
    count = 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        async for rows in table_rows(db, layer):
            writer.write_batch(_batch(rows, schema, first))
            count += len(rows)
    with target.open("rb") as written:
        return count, hashlib.file_digest(written, "sha256").hexdigest()


def _schema(layer: Layer) -> tuple[pa.Schema, int]:
    """The columns, and from which of a row's values on they come: the key may be a field or not."""
    relation = relation_of(layer)
    fields = [pa.field(field.name, _TYPES[field.type]) for field in layer.fields]
    if relation.key in layer.field_names:
        first = 1
    else:
        first = 0
        key = {"integer": pa.int64(), "number": pa.float64()}.get(relation.key_type, pa.string())
        fields.insert(0, pa.field(relation.key, key))
    geometry = _free_name({field.name for field in fields})
    crs = read_crs(relation.srid).to_json_dict()
    told = {
        "version": "1.1.0",
        "primary_column": geometry,
        "columns": {geometry: {"encoding": "WKB", "geometry_types": [], "crs": crs}},
    }
    schema = pa.schema([*fields, pa.field(geometry, pa.binary())])
    return schema.with_metadata({"geo": json.dumps(told)}), first


def _free_name(taken: set[str]) -> str:
    name = GEOMETRY
    while name in taken:
        name += "_"
    return name


def _batch(rows: Sequence[Sequence[Any]], schema: pa.Schema, first: int) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True))[first:]
    arrays = [
        pa.array([_plain(value, field.type) for value in values], field.type)
        for values, field in zip(columns, schema, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


def _plain(value: Any, kind: pa.DataType) -> Any:
    """A value of the driver's as Arrow takes it."""
    if value is None or not pa.types.is_string(kind):
        return value
    return value if isinstance(value, str) else str(value)
