"""What GeoJSON and TopoJSON look like before a reader opens them, so that a fault is named plainly."""

from __future__ import annotations

import codecs
import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from importers.encoding import is_valid
from importers.errors import BadCoordinates, BadEncoding, BadTable, EmptyFile, NotWhatItSays, Unreadable

_STRING_COORDINATE = re.compile(rb'"coordinates"\s*:\s*\[[\[\]\s\d.,eE+\-]*("[^"]*")\s*[,\]]')
_FEATURES = re.compile(r'"features"\s*:\s*\[\s*')
_COMMA = re.compile(r"\s*,\s*")
_TYPE = re.compile(rb'"type"\s*:\s*"(\w+)"')
_GEOJSON = {
    b"FeatureCollection", b"Feature", b"Point", b"LineString", b"Polygon", b"MultiPoint",
    b"MultiLineString", b"MultiPolygon", b"GeometryCollection",
}  # fmt: skip
_HEAD = 65_536
_LOOKED_AT = 1024 * 1024
"""Bytes of a file whose features are looked at one by one."""
_MOST_TOPOLOGY = 32 * 1024**2
"""Bytes up to which a TopoJSON's arcs are counted: parsed, it takes ten times that in memory."""
_BLOCK = 4 * 1024 * 1024


def json_kind(path: Path, file: str) -> str:
    """`GeoJSON` or `TopoJSON`.

    Raises `EmptyFile`, `NotWhatItSays`, `BadEncoding`, `BadCoordinates`, `BadTable` for a property given
    twice, `Unreadable` for an arc that is not there.
    """
    with path.open("rb") as content:
        head = content.read(_HEAD)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or head[:2] in (b"{\0", b"\0{"):
        raise _not_utf8(file, "UTF-16")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise EmptyFile(file, "文件里什么都没有", "the file is blank", found="nothing", expected="GeoJSON")
    if not start.startswith(b"{"):
        raise NotWhatItSays(
            file,
            "不是 GeoJSON：应以“{”开头",
            "this is no GeoJSON: it should begin with {",
            found=start[:40].decode("utf-8", errors="replace"),
            expected='{"type": "FeatureCollection", …',
        )
    _refuse_other_encodings(path, file)
    types = set(_TYPE.findall(head))
    if b"Topology" in types:
        _refuse_missing_arcs(path, file)
        return "TopoJSON"
    if not types & _GEOJSON and len(head) < _HEAD:
        raise NotWhatItSays(
            file,
            "是 JSON，但不是 GeoJSON：没有要素集合",
            "this is JSON, but no GeoJSON: there is no feature collection",
            found=f"types: {b', '.join(sorted(types)).decode() or 'none'}",
            expected="FeatureCollection",
        )
    _refuse_string_coordinates(path, file)
    _refuse_repeated_members(path, file)
    return "GeoJSON"


def _refuse_other_encodings(path: Path, file: str) -> None:
    with path.open("rb") as content:
        if is_valid("utf-8", iter(lambda: content.read(_BLOCK), b"")):
            return
    raise _not_utf8(file, "GBK")


def _not_utf8(file: str, likely: str) -> BadEncoding:
    return BadEncoding(
        file,
        f"文字不是 UTF-8（JSON 必须是 UTF-8，RFC 8259 §8.1），可能是 {likely}；请另存为 UTF-8 后再导入",
        f"its text is not UTF-8, as JSON has to be (RFC 8259 §8.1); it may be {likely}: save it as UTF-8",
        found="bytes that are no UTF-8",
        expected="UTF-8",
    )


class _Twice(Exception):
    """A member stands twice in one object."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return found


def _refuse_repeated_members(path: Path, file: str) -> None:
    """Refuses a property given twice in one of the first features: which one counts differs (RFC 8259 §4)."""
    with path.open("rb") as content:
        text = content.read(_LOOKED_AT).decode("utf-8", errors="replace")
    begun = _FEATURES.search(text)
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    at, number = (begun.end() if begun else len(text)), 0
    try:
        while at < len(text) and text[at] == "{":
            number += 1
            _, at = decoder.raw_decode(text, at)
            comma = _COMMA.match(text, at)
            if comma is None:
                return
            at = comma.end()
    except _Twice as twice:
        raise BadTable(
            file,
            f"第 {number} 个要素里“{twice}”写了两次，无法判断哪个算数",
            f"feature {number} gives {str(twice)!r} twice, and nobody can tell which counts",
            found=f"{twice} twice",
            expected="each name once",
            feature=number,
        ) from None
    except (ValueError, RecursionError):
        return  # cut off by the limit, or broken: the reader tells


def _refuse_missing_arcs(path: Path, file: str) -> None:
    """A reader takes a geometry of arcs that are not there as empty; the file is refused instead."""
    if path.stat().st_size > _MOST_TOPOLOGY:
        return
    try:
        topology = json.loads(path.read_bytes())
        there = len(topology["arcs"])
        wanted = set(_arcs(list(topology["objects"].values())))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return  # the reader tells
    missing = sorted(arc for arc in wanted if not -there <= arc < there)
    if missing:
        raise Unreadable(
            file,
            f"图形引用了第 {missing[0]} 条弧，而文件只有 {there} 条（编号从 0 起）",
            f"a geometry is made of arc {missing[0]}, and the file has {there} (counted from 0)",
            found=f"arc {missing[0]}",
            expected=f"arcs 0 to {there - 1}",
        )


def _arcs(objects: list[Any]) -> Iterator[int]:
    """The numbers of all arcs that the objects name, in collections and rings too."""
    waiting = list(objects)
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [one[name] for name in ("geometries", "arcs") if name in one]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, int):
            yield one


def _refuse_string_coordinates(path: Path, file: str) -> None:
    """Readers take such geometries as empty or drop their points; the file is refused instead."""
    with path.open("rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        hit = _STRING_COORDINATE.search(whole)
        if hit is None:
            return
        number = len(re.findall(rb'"coordinates"', whole[: hit.start() + 1])) + 1
        shown = whole[hit.start(1) : hit.end() + 20].decode("utf-8", errors="replace")
    raise BadCoordinates(
        file,
        f"坐标写成了文本（第 {number} 个图形，{shown}…），应为数字；请去掉引号后再导入",
        f"coordinates are written as text (geometry {number}, {shown}…) where numbers are expected;"
        " take the quotes away and import again",
        found=shown,
        expected="numbers",
        feature=number,
    )
