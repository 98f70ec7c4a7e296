"""Vector files by GDAL: Shapefile, GeoPackage, GeoJSON, TopoJSON, FlatGeobuf, KML, file geodatabases.

The only door to pyogrio. Rows come as Arrow batches with WKB, decoded by shapely in bulk; what GDAL warned of
is kept as notes.
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from gis.crs import CRS, describe, read_crs
from gis.errors import UnknownCrs
from gis.plain_wkb import plain_shapes
from importers import geodatabase
from importers.arrow import decoded, decoded_array, plain
from importers.encoding import is_valid, said_encoding
from importers.errors import (
    BadFile,
    BadTable,
    EmptyFile,
    NotWhatItSays,
    Unreadable,
    UnsafeFile,
)
from importers.geodatabase import Contents, codes_of, passed_over
from importers.geopackage import code_lists
from importers.header import MAX_NAME, check_names, unseen_characters, visible
from importers.json_text import json_kind
from importers.options import ImportOptions
from importers.shapefile import Parts, check_whole, dbf_encoding, deleted_rows, parts, text_blocks
from importers.shapes_read import Read, from_wkb, why_unread
from importers.source import Chunk, Found, Note, Plain, Source, Trouble

DRIVERS: dict[str, tuple[str, ...]] = {
    ".shp": ("ESRI Shapefile",),
    ".gpkg": ("GPKG",),
    ".geojson": ("GeoJSON", "TopoJSON"),
    ".json": ("GeoJSON", "TopoJSON"),
    ".topojson": ("TopoJSON", "GeoJSON"),
    ".fgb": ("FlatGeobuf",),
    ".kml": ("LIBKML", "KML"),
    geodatabase.SUFFIX: ("OpenFileGDB",),
}
"""Suffixes read here, and the GDAL drivers that may answer for them."""

_LIKE_RFC_7946 = (4326, 4490)
"""Reference systems in which degrees of GeoJSON are the same degrees."""
_MAGIC = {".gpkg": b"SQLite format 3\0", ".fgb": b"fgb"}
"""How files of a kind begin (SQLite §1.3, FlatGeobuf)."""
_HEAD = 64 * 1024
_JSON = (".geojson", ".json", ".topojson")
_FOLDERS = re.compile(r"(?:/[^/\s:'\"]+)+/")
_RAW = "ISO-8859-1"
"""Read so, each byte is one character: decoded here, a column at a time, twice as fast as by GDAL."""
_GDAL_ERRORS = (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError)
_STREAM_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What the Arrow stream raises for a file that breaks off or holds nonsense."""
_lock = threading.Lock()
"""`warnings.catch_warnings` is per process: only one thread at a time may listen to GDAL."""


class _Text(NamedTuple):
    """How the text of a layer is decoded: by GDAL as `encoding`, or here from raw bytes as `by_hand`."""

    found: Found
    encoding: str | None = None
    by_hand: str | None = None


def vector_sources(path: Path, file: str, options: ImportOptions) -> list[Source]:
    """The layers of a vector file; raises a `BadFile` that names what is wrong with it."""
    suffix = path.suffix.lower()
    _check_kind(path, file, suffix)
    if suffix == ".shp":
        return [_shapefile(path, file, options)]
    if suffix in _JSON and json_kind(path, file) == "GeoJSON" and options.table is None:
        return [_layer(path, file, None, suffix)]  # always one layer; each opening parses the whole file
    with _heard(file):
        listed = [(str(name), kind is not None) for name, kind in pyogrio.list_layers(path)]
    layers = [name for name, has_shapes in listed if has_shapes]
    if not layers:
        raise EmptyFile(
            file, "里面没有空间图层", "there is no spatial layer in it", found="0 layers", expected="a layer"
        )
    contents = _contents(path, file, suffix)
    if options.table is not None:
        if options.table not in layers:
            raise BadTable(
                file,
                f"没有图层“{options.table}”，有：{'、'.join(layers)}",
                f"there is no layer {options.table!r}; there are {', '.join(layers)}",
                found=", ".join(layers),
                expected=options.table,
            )
        return [_layer(path, file, options.table, suffix, contents)]
    sources = [_layer(path, file, name, suffix, contents) for name in layers]
    return _with_rows(sources, contents, [name for name, has_shapes in listed if not has_shapes])


def _with_rows(sources: list[Source], contents: Contents, tables: list[str]) -> list[Source]:
    """The layers that hold rows, the first with notes of what is passed over; all if none does."""
    kept = [source for source in sources if source.count != 0] or sources
    empty = [source.name for source in sources if all(source is not one for one in kept)]
    notes = passed_over(contents, tables, empty)
    return [replace(kept[0], notes=(*kept[0].notes, *notes)), *kept[1:]]


def _contents(path: Path, file: str, suffix: str) -> Contents:
    """What a database of layers says of itself beside its rows; nothing where it does not."""
    if suffix == ".gpkg":
        return Contents(code_lists(path), {}, {}, {})
    if suffix != geodatabase.SUFFIX:
        return geodatabase.NOTHING
    try:
        with _heard(file):
            _, rows = pyogrio.read_arrow(path, layer="GDB_Items", columns=["Name", "Definition"])
    except Unreadable:  # before ArcGIS 10 it was called otherwise
        return geodatabase.NOTHING
    told = zip(rows["Name"].to_pylist(), rows["Definition"].to_pylist(), strict=True)
    return geodatabase.read_items([geodatabase.Item(name or "", words or "") for name, words in told])


def _check_kind(path: Path, file: str, suffix: str) -> None:
    """Raises `NotWhatItSays` for what only is called so, `UnsafeFile` for XML that declares entities."""
    if suffix == geodatabase.SUFFIX:
        geodatabase.check_whole(path, file)
        return
    with path.open("rb") as content:
        head = content.read(_HEAD)
    magic = _MAGIC.get(suffix, b"")
    if not head.startswith(magic[: len(head)]):
        raise NotWhatItSays(
            file,
            f"内容不是 {DRIVERS[suffix][0]}（文件头不符）",
            f"the content is no {DRIVERS[suffix][0]} (wrong file code)",
            found=head[:16].hex(),
            expected=magic.hex(),
        )
    if suffix == ".kml" and b"<!DOCTYPE" in head.upper().replace(b"\0", b""):
        raise UnsafeFile(
            file,
            "声明了文档类型（DOCTYPE），会让读取者展开实体或读取别的文件，拒绝读取",
            "it declares a document type (DOCTYPE): reading it would unfold entities or fetch other files",
            found="DOCTYPE",
            expected="KML without one",
        )


def _layer(
    path: Path, file: str, name: str | None, suffix: str, contents: Contents = geodatabase.NOTHING
) -> Source:
    info, schema, meta = _opened(path, file, name, None)
    name = str(info["layer_name"])
    if info["driver"] not in DRIVERS[suffix]:
        raise NotWhatItSays(
            file,
            f"内容是 {info['driver']}，与后缀 {suffix} 不符",
            f"the content is {info['driver']}, which the suffix {suffix} does not say",
            found=str(info["driver"]),
            expected=DRIVERS[suffix][0],
        )
    crs, crs_found = _declared_crs(meta["crs"], str(info["driver"]))
    text = _Text(Found("utf-8", f"{info['driver']} 规定为 UTF-8", f"{info['driver']} is always UTF-8"))
    notes: tuple[Note, ...] = ()
    if info["driver"] == "GeoJSON" and crs is not None and crs.to_epsg() not in _LIKE_RFC_7946:
        zh = f"文件用 crs 成员声明 {describe(crs)}（RFC 7946 已取消该成员），按声明读取"
        en = f"a crs member, which RFC 7946 took away, says {describe(crs)}; read so"
        notes = (Note("crs.member", zh, en),)
    if name in contents.drawn:
        notes = (*notes, geodatabase.drawn_note(contents, name))
    source = _source(path, file, name, info, schema, text, crs, crs_found, notes)
    domains = {column.name: _said(column, "domain_name") for column in schema}
    whole = [column.name for column in schema if pa.types.is_integer(column.type)]
    codes, left_out = codes_of(contents, name, domains, whole)
    alias = (info["layer_metadata"] or {}).get("ALIAS_NAME")
    return replace(source, alias=alias or None, codes=codes, notes=(*source.notes, *left_out))


def _said(column: pa.Field, what: str) -> str | None:
    """What GDAL says of a column beside its name and type."""
    return (column.metadata or {}).get(f"GDAL:OGR:{what}".encode(), b"").decode("utf-8", "replace") or None


def _shapefile(path: Path, file: str, options: ImportOptions) -> Source:
    files = parts(path, file)
    header = check_whole(files, file)
    if header.records == 0:
        raise EmptyFile(file, "没有任何要素", "it holds no feature", found="0 features", expected="features")
    notes: tuple[Note, ...] = ()
    if options.encoding is not None:
        found = said_encoding(options.encoding, file)
    else:
        found, notes = dbf_encoding(files, header, file)
    if (gone := deleted_rows(files.dbf, header)) > 0:
        zh, en = "标记为已删除的行已略过", "rows that are marked as deleted were passed over"
        notes = (*notes, Note("row.deleted", zh, en, gone))
    if found.value == "utf-8" and is_valid(found.value, text_blocks(files.dbf, header)):
        text = _Text(found, encoding="UTF-8")
    else:
        text = _Text(found, _RAW, by_hand=found.value)
    crs, crs_found = _prj(files)
    try:
        info, schema, _ = _opened(path, file, path.stem, text)
    except Unreadable as error:
        if files.prj is None or crs is not None:
            raise
        raise _broken_crs(file, files.prj.name) from error
    return _source(path, file, path.stem, info, schema, text, crs, crs_found, notes, cut_names=True)


def _source(
    path: Path,
    file: str,
    name: str,
    info: dict[str, Any],
    schema: pa.Schema,
    text: _Text,
    crs: CRS | None,
    crs_found: Found | None,
    notes: tuple[Note, ...] = (),
    *,
    cut_names: bool = False,
) -> Source:
    row_id = str(info["fid_column"]) if _has_row_id(info) else None
    if unseen := [shown for name in info["fields"] if (shown := visible(name)) != name]:
        notes = (*notes, unseen_characters(unseen))

    def read(rows: int) -> Iterator[Chunk]:
        return _read(path, file, name, text, rows, with_row_id=row_id is not None)

    count = int(info["features"])
    return Source(
        path=path,
        file=file,
        name=name,
        format=str(info["driver"]),
        schema=schema,
        read=read,
        geometry_type=_declared_type(info["geometry_type"]),
        count=count if count >= 0 else None,
        encoding=text.found,
        crs=crs,
        crs_found=crs_found,
        row_word="feature",
        cut_names=cut_names,
        row_id=row_id,
        notes=notes,
        titles={
            column.name: visible(title)[:MAX_NAME]
            for column in schema
            if (title := _said(column, "alternative_name")) and title != column.name
        },
    )


def _opened(
    path: Path, file: str, name: str | None, text: _Text | None
) -> tuple[dict[str, Any], pa.Schema, dict[str, Any]]:
    """What GDAL says of a layer, the schema of its columns (no geometry), and what the stream says."""
    encoding = text.encoding if text else None
    with _heard(file):
        info = dict(pyogrio.read_info(path, layer=name, encoding=encoding))
        with _stream(path, name, encoding, 1, _has_row_id(info)) as (meta, reader):
            by_hand = text.by_hand if text else None
            columns = [f for f in reader.schema if f.name != _geometry_name(meta)]
            check_names([f.name for f in columns], file)
            names = _names([f.name for f in columns], by_hand)
            kept = [
                pa.field(name, plain(_bare(pa.array([], f.type))).type, metadata=f.metadata)
                for name, f in zip(names, columns, strict=True)
            ]
    if info["geometry_type"] is None:
        raise EmptyFile(
            file,
            f"图层“{name}”没有图形",
            f"layer {name!r} has no geometry",
            found="a table without geometry",
            expected="a spatial layer",
        )
    return info, pa.schema(kept), dict(meta)


def _read(path: Path, file: str, name: str, text: _Text, rows: int, *, with_row_id: bool) -> Iterator[Chunk]:
    """The rows in chunks; raises `Unreadable` where GDAL gives up, and notes what it warned of."""
    with _heard(file):
        opened = _stream(path, name, text.encoding, rows, with_row_id)
        meta, reader = opened.__enter__()
    return _chunks(file, opened, meta, reader, text.by_hand)


def _chunks(
    file: str, opened: Any, meta: dict[str, Any], reader: Any, by_hand: str | None
) -> Iterator[Chunk]:
    first = 1
    try:
        while True:
            said: list[str] = []
            with _heard(file, said):
                batch = next(reader, None)
            if batch is None:
                return
            with _spoken(file):
                chunk = _chunk(batch, _geometry_name(meta), first, by_hand, said)
            yield chunk
            first += batch.num_rows
    finally:
        opened.__exit__(None, None, None)


def selected(
    path: Path, file: str, layer: str, condition: str, rows: int, **open_options: str
) -> Iterator[Chunk]:
    """The rows of `layer` for which `condition` (of GDAL's SQL, constants only) holds, in chunks.

    By a statement, not a filter: the OpenStreetMap driver then looks at that layer alone.
    """
    statement = f'SELECT * FROM "{layer}" WHERE {condition}'  # noqa: S608 - GDAL's, on a file; constants
    with _heard(file):
        opened = pyogrio.open_arrow(path, sql=statement, batch_size=rows, use_pyarrow=True, **open_options)
        meta, reader = opened.__enter__()
    return _chunks(file, opened, meta, reader, None)


def _chunk(batch: pa.RecordBatch, geometry: str, first: int, by_hand: str | None, said: list[str]) -> Chunk:
    numbers = np.arange(first, first + batch.num_rows, dtype=np.int64)
    in_arrays, (shapes, unread, curved) = _shapes(batch.column(geometry))
    broken = unread | curved
    troubles = tuple(
        Trouble(
            int(numbers[at]),
            "geometry.unreadable",
            *why_unread(batch.column(geometry)[int(at)].as_py(), is_curve=bool(curved[at])),
        )
        for at in np.flatnonzero(broken)
    )
    columns: dict[str, pa.Array] = {}
    cut = 0
    arrays = [array for n, array in zip(batch.schema.names, batch.columns, strict=True) if n != geometry]
    names = _names([n for n in batch.schema.names if n != geometry], by_hand)
    for name, array in zip(names, arrays, strict=True):
        values = plain(_bare(array))
        if by_hand is not None:
            values, broken_texts = decoded_array(values, by_hand)
            cut += broken_texts
        columns[name] = values
    notes = [Note("gdal", f"读取时的提示：{words}", f"while reading: {words}") for words in said]
    if cut:
        notes.append(Note("text.cut", "字段末尾被截断的字符已去掉", "characters cut at a field's end", cut))
    keep = ~broken
    if not keep.all():
        columns = {name: array.filter(pa.array(keep)) for name, array in columns.items()}
        in_arrays = in_arrays and in_arrays._replace(rows=in_arrays.rows[keep])
    return Chunk(numbers[keep], columns, shapes[keep], troubles, tuple(notes), in_arrays)


def _bare(array: pa.Array) -> pa.Array:
    """The codes of a column with a coded domain, which GDAL gives as places in a list of their titles.

    Values that the domain does not list are places beyond that list, at which nobody may look.
    """
    return array.indices if pa.types.is_dictionary(array.type) else array


def _shapes(wkb: pa.Array) -> tuple[Plain | None, Read]:
    """Plain shapes as arrays where there are any, and all others one by one."""
    found = plain_shapes(wkb)
    if found is None:
        return None, from_wkb(wkb.to_numpy(zero_copy_only=False))
    others = ~found[0]
    given = np.full(len(wkb), None, dtype=object)
    given[others] = wkb.filter(pa.array(others)).to_numpy(zero_copy_only=False)
    return Plain(*found), from_wkb(given)


def _names(given: list[str], by_hand: str | None) -> list[str]:
    """The columns' names, each once: two that dBASE cut to the same ten bytes are told apart by a number."""
    names: list[str] = []
    for name in given:
        whole = visible(decoded(name, by_hand)) or "column"
        number = 1
        while (found := whole if number == 1 else f"{whole}_{number}") in names:
            number += 1
        names.append(found)
    return names


@contextmanager
def _heard(file: str, said: list[str] | None = None) -> Iterator[None]:
    """GDAL's warnings collected in `said`, its errors as `Unreadable`. Held for one call at a time."""
    _keep_off_the_terminal()
    with _lock, warnings.catch_warnings(record=True) as heard, _spoken(file):
        warnings.simplefilter("always")
        yield
    if said is not None:
        said.extend(dict.fromkeys(str(w.message)[:300] for w in heard))


@cache
def _keep_off_the_terminal() -> None:
    """What GDAL says outside pyogrio's hearing goes nowhere instead of among a person's progress bars."""
    pyogrio.set_gdal_config_options({"CPL_LOG": os.devnull})


@contextmanager
def _spoken(file: str) -> Iterator[None]:
    """What GDAL and Arrow raise as `Unreadable`."""
    try:
        yield
    except (*_GDAL_ERRORS, *_STREAM_ERRORS) as error:
        raise _unreadable(file, error) from error
    except UnboundLocalError as error:  # pyogrio 0.13 on a reference system that GDAL cannot write down
        raise _broken_crs(file, ".prj") from error


def _unreadable(file: str, error: BaseException) -> BadFile:
    # where the file lies on this machine is nobody's business
    cause = _FOLDERS.sub("", " ".join(str(error).split()))[:200]
    return Unreadable(
        file,
        f"内容无法读取，文件可能不完整或已损坏（{cause}）",
        f"its content cannot be read; the file may be cut short or damaged ({cause})",
        found=cause,
        expected="a readable vector file",
    )


def _broken_crs(file: str, part: str) -> BadFile:
    return Unreadable(
        file,
        f"坐标系声明（{part}）已损坏；请删去它，并用 crs 指定坐标系",
        f"its statement of the reference system ({part}) is damaged; take it away and say it by `crs`",
        found=f"a {part} that cannot be understood",
        expected="WKT",
    )


def _stream(path: Path, name: str | None, encoding: str | None, rows: int, fids: bool) -> Any:
    return pyogrio.open_arrow(
        path, layer=name, encoding=encoding, batch_size=rows, use_pyarrow=True, return_fids=fids
    )


def _geometry_name(meta: dict[str, Any]) -> str:
    return str(meta["geometry_name"] or "wkb_geometry")


def _has_row_id(info: dict[str, Any]) -> bool:
    """True if the format numbers its rows in a column of its own that no attribute is called by."""
    return bool(info["fid_column"]) and info["fid_column"] not in list(info["fields"])


def _declared_type(kind: object) -> str:
    words = str(kind).replace("2.5D ", "").split()
    return words[0] if words else "Unknown"


def _declared_crs(text: str | None, driver: str) -> tuple[CRS | None, Found | None]:
    if text is None and driver in ("GeoJSON", "TopoJSON"):
        text = "EPSG:4326"
    if text is None:
        return None, None
    try:
        crs = read_crs(text)
    except UnknownCrs:
        return None, None
    if driver in ("GeoJSON", "TopoJSON") and crs.to_epsg() == 4326:
        return crs, Found(
            describe(crs), "GeoJSON 默认为 WGS 84 经纬度（RFC 7946 §4）", "WGS 84 by RFC 7946 §4"
        )
    return crs, Found(describe(crs), "文件内声明", "stated in the file")


def _prj(files: Parts) -> tuple[CRS | None, Found | None]:
    """What the .prj says; nothing if it is missing or cannot be understood."""
    if files.prj is None:
        return None, None
    raw = files.prj.read_bytes()[:20_000]
    for encoding in ("utf-8-sig", "gb18030", "latin-1"):
        try:
            crs = read_crs(raw.decode(encoding))
        except (UnicodeDecodeError, UnknownCrs):
            continue
        return crs, Found(describe(crs), f"{files.prj.name} 声明", f"stated by {files.prj.name}")
    return None, Found("", f"{files.prj.name} 的内容无法识别", f"{files.prj.name} cannot be understood")
