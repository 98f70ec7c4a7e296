"""GeoParquet (.parquet) by pyarrow, streamed batch by batch; also Parquet tables with a place in columns.

GeoParquet 1.0 and 1.1 (OGC 24-013): the footer's `geo` names the geometry column, its encoding (WKB, or the
native encodings of GeoArrow) and its reference system; none stated is OGC:CRS84, `null` is not known. Axes
are always easting or longitude first, whatever the reference system says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from gis.crs import CRS, describe, read_crs
from gis.errors import UnknownCrs
from importers.archive import MAX_UNPACKED
from importers.arrow import plain
from importers.errors import BadTable, EmptyFile, Locked, NotWhatItSays, Truncated, UnknownPlace, Unreadable
from importers.options import ImportOptions
from importers.shapes_read import CURVED, UNREAD, from_wkb
from importers.source import Chunk, Found, Geometries, Note, Source, Trouble

MAGIC, LOCKED = b"PAR1", b"PARE"
WKB_NAMES = ("geometry", "geom", "wkb_geometry", "wkb", "the_geom", "shape")
"""Columns that hold WKB in tables whose footer says nothing of it, lower case."""
_NATIVE: dict[str, tuple[int, int]] = {
    "point": (int(shapely.GeometryType.POINT), 0),
    "linestring": (int(shapely.GeometryType.LINESTRING), 1),
    "multipoint": (int(shapely.GeometryType.MULTIPOINT), 1),
    "polygon": (int(shapely.GeometryType.POLYGON), 2),
    "multilinestring": (int(shapely.GeometryType.MULTILINESTRING), 2),
    "multipolygon": (int(shapely.GeometryType.MULTIPOLYGON), 3),
}
"""GeoArrow's encodings: shapely's type, and how many lists lie round a coordinate."""
_DECLARED = {
    "point": "Point", "linestring": "LineString", "multipoint": "MultiPoint", "polygon": "Polygon",
    "multilinestring": "MultiLineString", "multipolygon": "MultiPolygon",
}  # fmt: skip
_FAULTS = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)


class _Geo(NamedTuple):
    """The geometry column: `encoding` is `WKB` or a native one; `left` are columns that only repeat it."""

    column: str
    encoding: str
    geometry_type: str
    crs: CRS | None
    crs_found: Found | None
    left: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = ()


def parquet_sources(path: Path, file: str, options: ImportOptions) -> list[Source]:
    """The one table of a Parquet file; raises a `BadFile` that names what is wrong with it."""
    _check_whole(path, file)
    with _spoken(file), pq.ParquetFile(path) as opened:
        meta, schema = opened.metadata, opened.schema_arrow
        footer = dict(meta.metadata or {})
        size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        rows = int(meta.num_rows)
        geo = _stated(footer.get(b"geo"), schema, file) or _unstated(path, schema)
    if rows == 0:
        raise EmptyFile(file, "没有数据行", "it holds no rows", found="0 rows", expected="rows")
    if size > MAX_UNPACKED:
        raise Unreadable(
            file,
            f"展开后有 {size} 字节，超过 {MAX_UNPACKED} 的上限",
            f"it unpacks to {size} bytes, more than the {MAX_UNPACKED} that are read",
            found=f"{size} bytes",
            expected=f"at most {MAX_UNPACKED} bytes",
        )
    name = path.name.split(".")[0]
    if options.table not in (None, name):
        raise BadTable(
            file,
            f"没有“{options.table}”，有：{name}",
            f"there is no {options.table!r}; there is {name}",
            found=name,
            expected=str(options.table),
        )
    left = geo.left | {geo.column} if geo is not None else frozenset()
    kept = [f for f in schema if f.name not in left]
    return [
        Source(
            path=path,
            file=file,
            name=name,
            format="Parquet",
            schema=pa.schema([pa.field(f.name, plain(pa.array([], f.type)).type) for f in kept]),
            read=_reader(path, file, [f.name for f in kept], geo),
            geometry_type=None if geo is None else geo.geometry_type,
            count=rows,
            encoding=Found("utf-8", "Parquet 规定为 UTF-8", "Parquet is always UTF-8"),
            crs=None if geo is None else geo.crs,
            crs_found=None if geo is None else geo.crs_found,
            row_word="row",
            notes=() if geo is None else geo.notes,
        )
    ]


def _check_whole(path: Path, file: str) -> None:
    with path.open("rb") as content:
        head = content.read(4)
        content.seek(max(0, path.stat().st_size - 4))
        tail = content.read()
    if LOCKED in (head, tail):
        raise Locked(
            file,
            "文件加密了，请导出不加密的 Parquet",
            "the file is encrypted; export it without",
            found="PARE",
            expected="PAR1",
        )
    if head != MAGIC:
        raise NotWhatItSays(
            file,
            "内容不是 Parquet（开头没有 PAR1）",
            "the content is not Parquet (it does not begin with PAR1)",
            found=repr(head),
            expected="PAR1",
        )
    if tail != MAGIC:
        raise Truncated(
            file,
            "文件不完整：结尾没有 PAR1，请重新传输",
            "the file is cut short: it does not end with PAR1; send it again",
            found=repr(tail),
            expected="PAR1",
        )


@contextmanager
def _spoken(file: str) -> Iterator[None]:
    """What pyarrow raises as `Unreadable`."""
    try:
        yield
    except _FAULTS as error:
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise Unreadable(
            file,
            f"内容无法读取，文件可能已损坏（{cause}）",
            f"its content cannot be read; the file may be damaged ({cause})",
            found=cause,
            expected="a readable Parquet file",
        ) from error


# ---------------------------------------------------------------- what the footer says


def _stated(raw: bytes | None, schema: pa.Schema, file: str) -> _Geo | None:
    """The geometry column as `geo` in the footer describes it; None if there is no `geo`."""
    if raw is None:
        return None
    try:
        geo = json.loads(raw)
        name = str(geo["primary_column"])
        column: Mapping[str, Any] = geo["columns"][name]
        encoding = str(column["encoding"])
    except (ValueError, KeyError, TypeError) as error:
        raise _bad_geo(file, "primary_column, columns, encoding") from error
    if name not in schema.names:
        raise _bad_geo(file, f"the column {name!r}")
    if encoding != "WKB" and encoding not in _NATIVE:
        raise _bad_geo(file, f"the encoding {encoding!r}")
    crs, found = _crs(column, file)
    types = [str(t).removesuffix(" Z") for t in column.get("geometry_types") or []]
    kind = _DECLARED.get(encoding) or (types[0] if len(types) == 1 else "Unknown")
    others = frozenset(str(c) for c in geo["columns"] if c != name)
    return _Geo(name, encoding, kind, crs, found, others | _covering(column), tuple(_notes(column, others)))


def _crs(column: Mapping[str, Any], file: str) -> tuple[CRS | None, Found | None]:
    if "crs" not in column:
        crs = read_crs(4326)
        words = "没有声明坐标系，GeoParquet 规定为 OGC:CRS84", "none stated, which is OGC:CRS84 in GeoParquet"
        return crs, Found(describe(crs), *words)
    stated = column["crs"]
    if stated is None:
        return None, None
    name = stated.get("id", {}) if isinstance(stated, dict) else {}
    try:
        if name.get("authority") == "OGC" and str(name.get("code")) == "CRS84":
            crs = read_crs(4326)
        else:
            crs = read_crs(json.dumps(stated) if isinstance(stated, dict) else str(stated))
    except UnknownCrs as error:
        raise UnknownPlace(
            file, error.zh, error.en, found=str(stated)[:200], expected="PROJJSON; or say it by crs"
        ) from error
    return crs, Found(describe(crs), "文件内声明（PROJJSON）", "stated in the file (PROJJSON)")


def _covering(column: Mapping[str, Any]) -> frozenset[str]:
    """Columns that only hold the boxes of the geometries."""
    bbox = (column.get("covering") or {}).get("bbox") or {}
    paths = [side for side in bbox.values() if isinstance(side, list) and side]
    return frozenset(str(path[0]) for path in paths)


def _notes(column: Mapping[str, Any], others: frozenset[str]) -> Iterator[Note]:
    if column.get("edges") == "spherical":
        yield Note(
            "parquet.edges",
            "边为球面大圆，按直线处理",
            "edges run along great circles and were taken as straight",
        )
    if others:
        listed = ", ".join(sorted(others))
        yield Note(
            "parquet.geometries", f"只取主图形列，未取：{listed}", f"geometry columns not taken: {listed}"
        )


def _bad_geo(file: str, what: str) -> Unreadable:
    return Unreadable(
        file,
        f"GeoParquet 的 geo 元数据有误（{what}）",
        f"its GeoParquet metadata is wrong ({what})",
        found=what,
        expected="geo metadata of GeoParquet 1.0 or 1.1",
    )


def _unstated(path: Path, schema: pa.Schema) -> _Geo | None:
    """A column of WKB in a table whose footer says nothing; its reference system is not known."""
    for field in schema:
        kind = field.type.storage_type if isinstance(field.type, pa.ExtensionType) else field.type
        is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        if not is_bytes or (field.name.lower() not in WKB_NAMES and kind is field.type):
            continue
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(batch_size=100, columns=[field.name]):
                values = [v for v in _storage(batch.column(0)).to_pylist() if v is not None]
                if values:
                    break
            else:
                continue
        if not from_wkb(np.array(values[:1], dtype=object)).unread.any():
            note = Note(
                "parquet.wkb",
                f"没有 geo 元数据；“{field.name}”列是 WKB",
                f"no geo metadata; the column {field.name!r} holds WKB",
            )
            return _Geo(field.name, "WKB", "Unknown", None, None, notes=(note,))
    return None


# ---------------------------------------------------------------- rows


def _reader(path: Path, file: str, names: list[str], geo: _Geo | None) -> Callable[[int], Iterator[Chunk]]:
    def read(rows: int) -> Iterator[Chunk]:
        first = 1
        with _spoken(file):
            opened = pq.ParquetFile(path, pre_buffer=False)
        with opened:
            batches = opened.iter_batches(batch_size=rows, use_threads=False)
            while True:
                with _spoken(file):
                    batch = next(batches, None)
                    if batch is None:
                        return
                    chunk = _chunk(batch, names, geo, first)
                yield chunk
                first += batch.num_rows

    return read


def _chunk(batch: pa.RecordBatch, names: list[str], geo: _Geo | None, first: int) -> Chunk:
    numbers = np.arange(first, first + batch.num_rows, dtype=np.int64)
    columns = {name: plain(batch.column(name)) for name in names}
    if geo is None:
        return Chunk(numbers, columns)
    array = _storage(batch.column(geo.column))
    if geo.encoding != "WKB":
        return Chunk(numbers, columns, native_shapes(array, geo.encoding))
    wkb = array.to_numpy(zero_copy_only=False)
    shapes, unread, curved = from_wkb(wkb)
    broken = unread | curved
    if not broken.any():
        return Chunk(numbers, columns, shapes)
    troubles = tuple(
        Trouble(int(numbers[i]), "geometry.unreadable", *(CURVED if curved[i] else UNREAD))
        for i in np.flatnonzero(broken)
    )
    keep = pa.array(~broken)
    left = {name: column.filter(keep) for name, column in columns.items()}
    return Chunk(numbers[~broken], left, shapes[~broken], troubles)


def _storage(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def native_shapes(array: pa.Array, encoding: str) -> Geometries:
    """The shapes of a GeoArrow array of separated coordinates, None where it is null.

    `encoding`: one of `point`, `linestring`, `polygon`, `multipoint`, `multilinestring`, `multipolygon`.
    Raises `ValueError` if the array is nested in another way.
    """
    shapes = np.full(len(array), None, dtype=object)
    there = ~array.is_null().to_numpy(zero_copy_only=False)
    if not there.any():
        return shapes
    kind, depth = _NATIVE[encoding]
    inner = array.filter(pa.array(there))
    offsets: list[NDArray[np.int64]] = []
    for _ in range(depth):
        if not (pa.types.is_list(inner.type) or pa.types.is_large_list(inner.type)):
            raise ValueError(f"{encoding} is not nested in {depth} lists")
        steps = inner.offsets.to_numpy().astype(np.int64)
        offsets.append(steps - steps[0])
        inner = inner.flatten()
    if not pa.types.is_struct(inner.type):
        raise ValueError(f"{encoding} has no coordinates of x and y")
    axes = [n for n in ("x", "y", "z") if inner.type.get_field_index(n) >= 0]
    coordinates = np.column_stack([inner.field(n).to_numpy(zero_copy_only=False) for n in axes])
    found = shapely.from_ragged_array(
        shapely.GeometryType(kind), coordinates.astype(np.float64), tuple(reversed(offsets)) or None
    )
    shapes[there] = found
    return shapes
