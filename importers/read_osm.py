"""OpenStreetMap extracts (.osm.pbf, .osm): buildings, roads, addresses and street furniture for known layers.

Only what a known layer holds is taken; everything else in an extract stays there. Keys are OpenStreetMap's
own: n, w or r (node, way, relation) and its number. Values that are no number are left out, as tags are free
text; https://wiki.openstreetmap.org/wiki/Map_features says what the tags mean.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from gis.codes import component_classes
from gis.crs import describe, read_crs
from importers.errors import BadTable, EmptyFile, NotWhatItSays, Truncated
from importers.options import ImportOptions
from importers.read_vector import selected
from importers.source import Chunk, Found, Note, Source

CONFIGURATION = Path(__file__).with_name("osmconf.ini")
Columns = dict[str, pa.Array]

ROADS = {
    "motorway": "express", "trunk": "express", "primary": "trunk", "secondary": "secondary",
    "tertiary": "branch", "unclassified": "branch", "residential": "branch", "living_street": "branch",
    "service": "branch",
}  # fmt: skip
"""OpenStreetMap's highway → the road layer's class; a link road has the class of what it leads to."""
FURNITURE = {
    ("highway", "street_lamp"): "路灯",
    ("highway", "traffic_signals"): "交通信号灯",
    ("highway", "bus_stop"): "公交站设施",
    ("natural", "tree"): "行道树",
    ("amenity", "waste_basket"): "垃圾箱",
    ("amenity", "bench"): "街头座椅",
    ("amenity", "toilets"): "公共厕所",
    ("amenity", "post_box"): "邮筒",
    ("amenity", "telephone"): "电话亭",
    ("amenity", "charging_station"): "充电桩",
    ("amenity", "fountain"): "喷泉",
    ("emergency", "fire_hydrant"): "消防设施",
    ("man_made", "manhole"): "不明井盖",
    ("man_made", "surveillance"): "监控电子眼设施",
    ("barrier", "bollard"): "便道桩",
    ("power", "pole"): "电力立杆",
    ("power", "tower"): "高压线铁塔",
}
"""Tag → the title of a component class of GB/T 47678.5-2026, of which the code is taken."""
_NUMBER = r"^\s*(?P<n>\d+(?:\.\d+)?)"
_HEAD = b"OSMHeader"
_MOST_HEADER = 64 * 1024
"""Bytes of a block's header at most (https://wiki.openstreetmap.org/wiki/PBF_Format)."""


class _Table(NamedTuple):
    """One known layer's share of an extract: which rows of which of GDAL's layers, and their columns."""

    name: str
    geometry_type: str
    layer: str
    condition: str
    make: Callable[[Columns], Columns]


def osm_sources(path: Path, file: str, options: ImportOptions) -> list[Source]:
    """The tables of an extract that have rows; raises `EmptyFile` if none has any, `Truncated` for half."""
    with path.open("rb") as content:
        head = content.read(512)
    if _HEAD not in head[:64] and b"<osm" not in head:
        raise NotWhatItSays(
            file,
            "不是 OpenStreetMap 提取（.osm.pbf 或 .osm）",
            "this is no OpenStreetMap extract (.osm.pbf or .osm)",
            found="another kind of content",
            expected="OSMHeader or <osm>",
        )
    if _HEAD in head[:64]:
        _check_blocks(path, file)
    tables = {table.name: table for table in _TABLES}
    if options.table is not None and options.table not in tables:
        raise BadTable(
            file,
            f"没有“{options.table}”，可取：{'、'.join(tables)}",
            f"there is no {options.table!r}; there are {', '.join(tables)}",
            found=options.table,
            expected=", ".join(tables),
        )
    wanted = _TABLES if options.table is None else [tables[options.table]]
    found = [s for table in wanted if (s := _source(path, file, table)) is not None]
    if not found:
        raise EmptyFile(
            file,
            "里面没有房屋、道路、门牌或街道设施",
            "it holds no buildings, roads, addresses or street furniture",
            found="nothing of these",
            expected="buildings, roads, addresses or street furniture",
        )
    return found


def _check_blocks(path: Path, file: str) -> None:
    """Raises `Truncated` if a block is longer than what is left: GDAL would take the rest for nothing."""
    size, at, number = path.stat().st_size, 0, 0
    with path.open("rb") as content:
        while at < size:
            number += 1
            content.seek(at)
            head = content.read(4)
            length = struct.unpack(">I", head)[0] if len(head) == 4 else _MOST_HEADER + 1
            body = _data_size(content.read(length)) if length <= _MOST_HEADER else None
            end = size + 1 if body is None else at + 4 + length + body
            if end > size:
                raise Truncated(
                    file,
                    f"第 {number} 个数据块（从第 {at} 字节起）不完整，文件只有 {size} 字节；请重新下载",
                    f"block {number} (from byte {at}) is cut short, at {size} bytes; download the file again",
                    found=f"{size} bytes",
                    expected="a whole block" if body is None else f"at least {end} bytes",
                )
            at = end


def _data_size(header: bytes) -> int | None:
    """Bytes of the blob behind a block's header (its field 3); None if there is no saying."""
    at = 0
    while at < len(header):
        key, at = _varint(header, at)
        value, at = _varint(header, at)
        if key == 3 << 3:
            return value
        if key & 7 == 2:
            at += value
    return None


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """A number of protocol buffers and the place behind it."""
    value, shift = 0, 0
    while at < len(raw):
        value |= (raw[at] & 0x7F) << shift
        shift += 7
        at += 1
        if raw[at - 1] < 0x80:
            break
    return value, at


def _source(path: Path, file: str, table: _Table) -> Source | None:
    first = next((c for c in _read(path, file, table, 1000) if len(c)), None)
    if first is None:
        return None
    crs = read_crs(4326)
    return Source(
        path=path,
        file=file,
        name=table.name,
        format="OSM",
        schema=pa.schema([(name, array.type) for name, array in first.columns.items()]),
        read=partial(_read, path, file, table),
        geometry_type=table.geometry_type,
        encoding=Found("utf-8", "OpenStreetMap 规定为 UTF-8", "OpenStreetMap is always UTF-8"),
        crs=crs,
        crs_found=Found(describe(crs), "OpenStreetMap 为 WGS 84 经纬度", "OpenStreetMap is in WGS 84"),
        notes=(Note("osm.selection", "只取与已知图层对应的要素", "only what a known layer holds is taken"),),
    )


def _read(path: Path, file: str, table: _Table, rows: int) -> Iterator[Chunk]:
    for chunk in selected(path, file, table.layer, table.condition, rows, CONFIG_FILE=str(CONFIGURATION)):
        yield Chunk(chunk.rows, table.make(chunk.columns), chunk.geometry, chunk.troubles, chunk.mended)


def _buildings(columns: Columns) -> Columns:
    way, relation = columns["osm_way_id"], columns["osm_id"]
    kind = columns["building"]
    return {
        "code": pc.coalesce(_key("w", way), _key("r", relation)),
        "name": columns["name"],
        "address": _address(columns),
        "use": pc.if_else(pc.equal(kind, "yes"), pa.scalar(None, pa.string()), kind),
        "floors_above": pc.cast(_leading(columns["building_levels"]), pa.int64(), safe=False),
        "height_m": _leading(columns["height"]),
        "built_year": pc.cast(_leading(columns["start_date"]), pa.int64(), safe=False),
    }


def _roads(columns: Columns) -> Columns:
    kinds = pc.replace_substring_regex(columns["highway"], r"_link$", "")
    at = pc.index_in(kinds, value_set=pa.array(list(ROADS)))
    return {
        "code": _key("w", columns["osm_id"]),
        "name": columns["name"],
        "class": pa.array(list(ROADS.values())).take(at),
        "width_m": _leading(columns["width"]),
        "lanes": pc.cast(_leading(columns["lanes"]), pa.int64(), safe=False),
        "surface": columns["surface"],
    }


def _addresses(columns: Columns) -> Columns:
    return {
        "code": _key("n", columns["osm_id"]),
        "name": _address(columns),
        "road": pc.coalesce(columns["addr_street"], columns["addr_place"]),
        "number": columns["addr_housenumber"],
    }


def _furniture(columns: Columns) -> Columns:
    codes = {c.title: c.code for c in component_classes("2026")}
    title = pa.nulls(len(columns["osm_id"]), pa.string())
    for (tag, value), name in FURNITURE.items():
        title = pc.if_else(pc.fill_null(pc.equal(columns[tag], value), False), name, title)
    at = pc.index_in(title, value_set=pa.array(list(codes)))
    return {
        "code": _key("n", columns["osm_id"]),
        "name": title,
        "class_code": pa.array(list(codes.values())).take(at),
        "data_source": pa.array(["OpenStreetMap"] * len(title), pa.string()),
    }


def _key(prefix: str, number: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, number, "")


def _address(columns: Columns) -> pa.Array:
    """Street (or place) and number, as far as they are there; none if there is neither."""
    street = pc.coalesce(columns["addr_street"], columns["addr_place"])
    number = columns["addr_housenumber"]
    joined = pc.utf8_trim_whitespace(
        pc.binary_join_element_wise(pc.fill_null(street, ""), pc.fill_null(number, ""), " ")
    )
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)


def _leading(text: pa.Array) -> pa.Array:
    """The number a tag begins with (`12`, `3.5 m`); none for anything else (`about 10`)."""
    return pc.cast(pc.struct_field(pc.extract_regex(text, _NUMBER), "n"), pa.float64())


def _tagged() -> str:
    """The condition for a point to be street furniture."""
    return " OR ".join(f"{tag} = '{value}'" for tag, value in FURNITURE)


def _listed(names: dict[str, str]) -> str:
    return ", ".join(f"'{name}{link}'" for name in names for link in ("", "_link"))


_DRIVABLE = f"highway IN ({_listed(ROADS)})"
_TABLES = (
    _Table("building", "MultiPolygon", "multipolygons", "building IS NOT NULL", _buildings),
    _Table("road", "LineString", "lines", _DRIVABLE, _roads),
    _Table("address", "Point", "points", "addr_housenumber IS NOT NULL", _addresses),
    _Table("component", "Point", "points", _tagged(), _furniture),
)
