"""Rows as they arrive, a batch at a time: each value held against its field before anything is stored.

Columns come as Arrow arrays, which cost nothing to check, or as plain lists. What leaves here has one
Arrow type for each type of field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from layers.errors import BadData
from layers.model import FieldType, Layer

Shapes = NDArray[np.object_]

MAX_LATITUDE = 89.99
"""The poles have no place in Web Mercator."""

ARROW_TYPES: dict[FieldType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
}
_PYTHON_TYPES: dict[FieldType, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (float, int),
    "boolean": (bool,),
    "date": (date,),
    "datetime": (datetime,),
}


class Batch(NamedTuple):
    """Some rows, column by column.

    `wkb`: geometry in EPSG:4490, longitude first, already of the layer's geometry type, as shapely writes
    it (little-endian, without SRID); None for a row without a place. `columns`: field name → values of the
    field's type (datetimes with a zone) or None, a list or an Arrow array, all as long as `wkb`; a field
    that is left out is None throughout.
    """

    wkb: Sequence[bytes | None] | NDArray[Any]
    columns: Mapping[str, list[Any] | pa.Array]
    shapes: Shapes | None = None
    """The same as `wkb` as shapely geometries, from whoever has them at hand."""


class Arrived(NamedTuple):
    """A batch that fits its layer. `shapes`: shapely geometries or None; `wkb`: the same as Arrow binary.

    `columns` holds every field of the layer, as `ARROW_TYPES`; `boxes`: (n, 4) west, south, east and north,
    not a number without a place.
    """

    shapes: Shapes
    wkb: pa.Array
    columns: dict[str, pa.Array]
    boxes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.shapes)


def arrived(layer: Layer, batch: Batch, before: int) -> Arrived:
    """`batch` as the layer stores it; `before`: rows that came earlier, for the numbers in errors.

    Raises `BadData` for a value that does not fit its field, for coordinates no place has and empty
    shapes, and for what cannot be read as a geometry or as text.
    """
    size = len(batch.wkb)
    columns = {name: pa.nulls(size, ARROW_TYPES[layer_field.type]) for name, layer_field in _fields(layer)}
    for name, values in batch.columns.items():
        found = layer.field(name)
        if found is None:
            raise BadData(
                f"图层 {layer.id} 没有字段 {name}",
                f"layer {layer.id!r} has no field {name!r}",
                layer=layer.id,
                field=name,
            )
        if len(values) != size:
            raise ValueError(f"column {name!r} has {len(values)} values for {size} rows")
        columns[name] = _column(layer, name, found.type, values, before)
    try:
        shapes = batch.shapes
        if shapes is None:
            shapes = np.asarray(shapely.from_wkb(np.asarray(batch.wkb, dtype=object)), dtype=object)
    except (shapely.GEOSException, TypeError) as error:
        raise unstorable(layer) from error
    boxes = shapely.bounds(shapes)
    _check_places(shapes, boxes, before)
    return Arrived(shapes, pa.array(batch.wkb, pa.binary()), columns, boxes)


def unstorable(layer: Layer) -> BadData:
    """The refusal of something that the store does not take."""
    return BadData(
        f"图层 {layer.id} 中有无法存储的值或几何（类型应为 {layer.geometry_type}，文本应为完整的 Unicode）",
        f"layer {layer.id!r}: a value or geometry cannot be stored (geometry must be a sound "
        f"{layer.geometry_type}, text whole Unicode characters)",
        layer=layer.id,
    )


def _fields(layer: Layer) -> list[tuple[str, Any]]:
    return [(f.name, f) for f in layer.fields]


def _column(layer: Layer, name: str, kind: FieldType, values: list[Any] | pa.Array, before: int) -> pa.Array:
    if isinstance(values, pa.Array):
        if _fits(values, kind):
            return values.cast(ARROW_TYPES[kind])
        values = values.to_pylist()
    expected = _unfit(kind, values)
    if expected is not None:
        number, value = next((n, v) for n, v in enumerate(values) if _unfit(kind, [v]))
        raise BadData(
            f"图层 {layer.id} 第 {before + number + 1} 行字段 {name} 的值 {value!r} 有误",
            f"layer {layer.id!r}, row {before + number + 1}: {name!r} is {value!r}, expected {expected}",
            layer=layer.id,
            field=name,
            row=before + number + 1,
            value=str(value)[:200],
            expected=expected,
        )
    try:
        return pa.array(values, ARROW_TYPES[kind])
    except UnicodeEncodeError as error:  # half a character
        raise unstorable(layer) from error


def _fits(array: pa.Array, kind: FieldType) -> bool:
    """Whether all of `array` can be stored as `kind`, told without looking at its values one by one."""
    given = array.type
    match kind:
        case "text":
            return pa.types.is_string(given) and not _any(pc.match_substring(array, "\0"))
        case "integer":
            return bool(pa.types.is_signed_integer(given))
        case "number":
            floats = pa.types.is_floating(given)
            return pa.types.is_signed_integer(given) or (floats and not _any(pc.invert(pc.is_finite(array))))
        case "boolean":
            return bool(pa.types.is_boolean(given))
        case "date":
            return bool(pa.types.is_date32(given))
        case "datetime":
            return pa.types.is_timestamp(given) and given.unit == "us" and given.tz is not None


def _any(mask: pa.Array) -> bool:
    return bool(pc.any(mask).as_py())


def _unfit(kind: FieldType, values: Sequence[Any]) -> str | None:
    """What was expected if some of `values` cannot be stored as `kind`; None if all can."""
    if not set(map(type, values)) <= {*_PYTHON_TYPES[kind], type(None)}:
        return kind
    present = [v for v in values if v is not None]
    if kind == "integer" and present and not -(2**63) <= min(present) <= max(present) < 2**63:
        return "an integer of 64 bits"
    if kind == "number" and not all(map(math.isfinite, present)):
        return "a finite number"
    if kind == "datetime" and any(v.tzinfo is None for v in present):
        return "a time with its zone"
    if kind == "text" and any("\x00" in v for v in present):
        return "text without NUL"
    return None


def _check_places(shapes: Shapes, boxes: NDArray[np.float64], before: int) -> None:
    """Refuses coordinates no place has and empty shapes."""
    west, south, east, north = boxes.T
    with np.errstate(invalid="ignore"):
        inside = (west >= -180) & (east <= 180) & (south >= -MAX_LATITUDE) & (north <= MAX_LATITUDE)
    outside = np.flatnonzero(~inside & ~shapely.is_missing(shapes))
    if not len(outside):
        return
    first = int(outside[0])
    corners = [float(side[first]) for side in (west, south, east, north)]
    place = "EMPTY" if shapely.is_empty(shapes[first]) else f"{corners[0]:.9g},{corners[1]:.9g}"
    if place != "EMPTY" and corners[:2] != corners[2:]:
        place += f" … {corners[2]:.9g},{corners[3]:.9g}"
    row = before + first + 1
    raise BadData(
        f"第 {row} 行的坐标超出经纬度范围：{place}",
        f"row {row}: its coordinates are no longitude and latitude: {place}",
        row=row,
        value=place,
        expected=f"longitude -180…180, latitude -{MAX_LATITUDE}…{MAX_LATITUDE}",
    )
