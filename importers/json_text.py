"""What GeoJSON and TopoJSON look like before a reader opens them, so that a fault is named plainly."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

from importers.encoding import is_valid
from importers.errors import BadCoordinates, BadEncoding, EmptyFile, NotWhatItSays

_STRING_COORDINATE = re.compile(rb'"coordinates"\s*:\s*\[[\[\]\s\d.,eE+\-]*("[^"]*")\s*[,\]]')
_TYPE = re.compile(rb'"type"\s*:\s*"(\w+)"')
_GEOJSON = {
    b"FeatureCollection", b"Feature", b"Point", b"LineString", b"Polygon", b"MultiPoint",
    b"MultiLineString", b"MultiPolygon", b"GeometryCollection",
}  # fmt: skip
_HEAD = 65_536
_BLOCK = 4 * 1024 * 1024


def json_kind(path: Path, file: str) -> str:
    """`GeoJSON` or `TopoJSON`; raises `EmptyFile`, `NotWhatItSays`, `BadEncoding` or `BadCoordinates`."""
    with path.open("rb") as content:
        head = content.read(_HEAD)
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
    return "GeoJSON"


def _refuse_other_encodings(path: Path, file: str) -> None:
    with path.open("rb") as content:
        if is_valid("utf-8", iter(lambda: content.read(_BLOCK), b"")):
            return
    raise BadEncoding(
        file,
        "文字不是 UTF-8（JSON 必须是 UTF-8，RFC 8259 §8.1），可能是 GBK；请另存为 UTF-8 后再导入",
        "its text is not UTF-8, as JSON has to be (RFC 8259 §8.1); it may be GBK: save it as UTF-8",
        found="bytes that are no UTF-8",
        expected="UTF-8",
    )


def _refuse_string_coordinates(path: Path, file: str) -> None:
    """Readers take such geometries as empty or drop their points; the file is refused instead."""
    with path.open("rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        hit = _STRING_COORDINATE.search(whole)
        if hit is None:
            return
        number = len(re.findall(rb'"coordinates"', whole[: hit.start() + 1])) + 1
        shown = whole[max(hit.end() - 1, 0) : hit.end() + 20].decode("utf-8", errors="replace")
    raise BadCoordinates(
        file,
        f"坐标写成了文本（第 {number} 个图形，{shown}…），应为数字；请去掉引号后再导入",
        f"coordinates are written as text (geometry {number}, {shown}…) where numbers are expected;"
        " take the quotes away and import again",
        found=shown,
        expected="numbers",
        feature=number,
    )
