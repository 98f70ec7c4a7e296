"""The bytes that specimens are made of: the same on every machine, whatever libraries it has.

Nothing is compressed by a library (zlib and zlib-ng differ), nothing asks the clock.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

Kind = Literal["refusal", "rows", "note", "check"]


class Specimen(NamedTuple):
    """A file with one trouble.

    `kind`: how One Map answers: the whole file is refused by the class `answer` of `importers.errors`; rows
    are refused by the rule `answer`; the file can be imported and the report names the rule `answer`; or the
    quality check finds the rule `answer`. `content`: a function where it is large. `words`: what both
    sentences must name besides the file (a part, a row, a value). `layer`: said by the importer, where the
    file alone would become a layer of its own. `kept`: False for a file too large to be committed.
    """

    name: str
    trouble: str
    kind: Kind
    answer: str
    content: bytes | Callable[[], bytes]
    words: tuple[str, ...] = ()
    layer: str | None = None
    kept: bool = True

    @property
    def bytes(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content()


# ---------------------------------------------------------------- packed

_DAY = (1980, 1, 1, 0, 0, 0)


def packed(
    members: Iterable[tuple[str, bytes]], *, mode: int = 0o100644, method: int = zipfile.ZIP_STORED
) -> bytes:
    """A .zip of `members` as they are, in their order; names may be given twice."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name, _DAY)
            info.create_system = 3
            info.external_attr = mode << 16
            info.compress_type = method
            archive.writestr(info, content)
    return out.getvalue()


def run(byte: int, pieces: int) -> tuple[bytes, int]:
    """A deflate stream (RFC 1951) of `byte`, 258 × `pieces` + 1 times, and that number: two bits a piece.

    One dynamic block: 285 (repeat 258) has the code 0, `byte` 10, the end 11, the only distance 0.
    """
    bits: list[int] = []

    def number(value: int, width: int) -> None:
        bits.extend((value >> i) & 1 for i in range(width))

    def zeros(count: int) -> None:
        while count:
            some = min(count, 138)
            bits.extend((1, 1))
            number(some - 11, 7)
            count -= some

    number(1, 1), number(2, 2)  # the last block; dynamic codes
    number(29, 5), number(0, 5), number(14, 4)
    for symbol in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1):
        number(2 if symbol in (0, 1, 2, 18) else 0, 3)
    zeros(byte)
    bits.extend((1, 0))  # `byte`: two bits
    rest = 255 - byte
    zeros(min(rest, 138))
    zeros(rest - min(rest, 138))
    bits.extend((1, 0))  # the end: two bits
    zeros(28)
    bits.extend((0, 1))  # 285: one bit
    bits.extend((0, 1))  # the distance: one bit
    bits.extend((1, 0))
    head, pieces_bits = bits, 2 * pieces
    total = len(head) + pieces_bits + 2
    value = sum(bit << i for i, bit in enumerate(head)) | 0b11 << (len(head) + pieces_bits)
    return value.to_bytes((total + 7) // 8, "little"), 258 * pieces + 1


def crc_of_run(byte: int, count: int) -> int:
    block, crc = bytes([byte]) * 1_000_000, 0
    for _ in range(count // len(block)):
        crc = zlib.crc32(block, crc)
    return zlib.crc32(block[: count % len(block)], crc)


class Entry(NamedTuple):
    """A member of a hand-made .zip: what is stored of it, and what the directory says of it."""

    name: str
    stored: bytes
    method: int
    crc: int
    size: int


def hand_packed(entries: Sequence[Entry], *, overlapping: bool = False) -> bytes:
    """A .zip whose directory says what `entries` say, true or not; `overlapping`: all are the first one."""
    out, directory = bytearray(), bytearray()
    for entry in entries:
        name = entry.name.encode()
        at = 0 if overlapping else len(out)
        big = entry.size >= 2**32
        size = 0xFFFFFFFF if big else entry.size
        extra = struct.pack("<HHQ", 1, 8, entry.size) if big else b""
        common = struct.pack("<HHHHHIIIHH", 45, 0x800, entry.method, 0, 0x21, entry.crc,
                             len(entry.stored), size, len(name), len(extra))  # fmt: skip
        if not (overlapping and out):
            out += b"PK\3\4" + common + name + extra + entry.stored
        directory += b"PK\1\2" + struct.pack("<H", 0x032D) + common
        directory += struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, at) + name + extra
    count = len(entries)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(out), 0)
    return bytes(out + directory + end)


def gzipped(stored: bytes, crc: int, size: int) -> bytes:
    """A .gz of a deflate stream."""
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + stored + struct.pack("<II", crc, size % 2**32)


def stored_gzip(content: bytes) -> bytes:
    """A .gz that packs nothing."""
    blocks = [content[i : i + 65_535] for i in range(0, len(content), 65_535)] or [b""]
    stream = b"".join(
        struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) + block for block in blocks
    )
    return gzipped(stream, zlib.crc32(content), len(content))


# ---------------------------------------------------------------- Shapefile

EPSG_4527 = (
    'PROJCS["CGCS2000 / 3-degree Gauss-Kruger zone 39",GEOGCS["China Geodetic Coordinate System 2000",'
    'DATUM["China_2000",SPHEROID["CGCS2000",6378137,298.257222101,AUTHORITY["EPSG","1024"]],'
    'AUTHORITY["EPSG","1043"]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],'
    'AUTHORITY["EPSG","4490"]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],'
    'PARAMETER["central_meridian",117],PARAMETER["scale_factor",1],PARAMETER["false_easting",39500000],'
    'PARAMETER["false_northing",0],UNIT["metre",1],AUTHORITY["EPSG","4527"]]'
)
EPSG_4326 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)
Ring = Sequence[tuple[float, float]]


def square(west: float = 39_452_600.0, south: float = 3_512_800.0, size: float = 100.0) -> Ring:
    """Clockwise, as the Shapefile's outer rings are."""
    return [
        (west, south),
        (west, south + size),
        (west + size, south + size),
        (west + size, south),
        (west, south),
    ]


SQUARES: tuple[Ring, ...] = tuple(square(39_452_600.0 + 100 * i) for i in range(3))
GRID_ROWS = tuple((f"34150200100100{i}", f"第{i}网格") for i in (1, 2, 3))


def shp(rings: Sequence[Ring]) -> tuple[bytes, bytes]:
    """The .shp and .shx of polygons of one ring each."""
    shapes, index, at = bytearray(), bytearray(), 50
    for number, ring in enumerate(rings, start=1):
        xs, ys = [x for x, _ in ring], [y for _, y in ring]
        points = struct.pack(f"<{2 * len(ring)}d", *(v for point in ring for v in point))
        shape = struct.pack("<i4diii", 5, min(xs), min(ys), max(xs), max(ys), 1, len(ring), 0) + points
        words = len(shape) // 2
        shapes += struct.pack(">ii", number, words) + shape
        index += struct.pack(">ii", at, words)
        at += 4 + words
    every = [point for ring in rings for point in ring]
    box = [f(p[i] for p in every) for f in (min, max) for i in (0, 1)]
    tail = struct.pack("<ii4d4d", 1000, 5, *box, 0, 0, 0, 0)
    return tuple(  # type: ignore[return-value]
        struct.pack(">i5ii", 9994, 0, 0, 0, 0, 0, 50 + len(body) // 2) + tail + bytes(body)
        for body in (shapes, index)
    )


def dbf(
    columns: Sequence[tuple[str, int]],
    rows: Sequence[Sequence[str]],
    encoding: str = "gbk",
    count: int | None = None,
) -> bytes:
    """A dBASE III table of texts; `count`: the number of records it says it has."""
    width = 1 + sum(size for _, size in columns)
    names = b"".join(
        name.encode(encoding)[:10].ljust(11, b"\0") + b"C" + bytes(4) + bytes([size, 0]) + bytes(14)
        for name, size in columns
    )
    head = struct.pack("<BBBBIHH", 3, 80, 1, 1, len(rows) if count is None else count, 33 + len(names), width)
    body = b"".join(
        b" "
        + b"".join(raw(v, encoding)[:size].ljust(size) for v, (_, size) in zip(row, columns, strict=True))
        for row in rows
    )
    return head + bytes(20) + names + b"\r" + body + b"\x1a"


def raw(value: str | bytes, encoding: str) -> bytes:
    return value if isinstance(value, bytes) else value.encode(encoding)


GRID_COLUMNS = (("BGCode", 15), ("BGName", 20))


def grids(
    rings: Sequence[Ring] = SQUARES, *, name: str = "unit_grid", without: Sequence[str] = (), **changed: bytes
) -> list[tuple[str, bytes]]:
    """The members of a Shapefile of unit grids; `changed`: parts by suffix instead of the good ones."""
    shapes, index = shp(rings)
    rows = [(f"3415020010010{i + 1:02d}", f"第{i + 1}网格") for i in range(len(rings))]
    parts = {"shp": shapes, "shx": index, "dbf": dbf(GRID_COLUMNS, rows), "prj": EPSG_4527.encode()} | changed
    return [(f"{name}.{suffix}", content) for suffix, content in parts.items() if suffix not in without]


# ---------------------------------------------------------------- text


def collection(*features: tuple[Mapping[str, Any], str], **members: Any) -> bytes:
    """GeoJSON of (properties, geometry), the geometry as JSON text so that it may be anything."""
    rows = ",\n".join(
        f'{{"type": "Feature", "properties": {json.dumps(dict(p), ensure_ascii=False)}, "geometry": {g}}}'
        for p, g in features
    )
    more = "".join(f'"{name}": {json.dumps(value)}, ' for name, value in members.items())
    return f'{{"type": "FeatureCollection", {more}"features": [\n{rows}\n]}}\n'.encode()


def geometry(kind: str, coordinates: object) -> str:
    return json.dumps({"type": kind, "coordinates": coordinates})


def polygon(*rings: Ring) -> str:
    return geometry("Polygon", [[list(point) for point in ring] for ring in rings])


POINT = geometry("Point", [116.5, 31.74])


def table(*rows: Sequence[object], delimiter: str = ",") -> bytes:
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows).encode()


# ---------------------------------------------------------------- workbooks

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def _letters(column: int) -> str:
    return chr(64 + column)


def cells(rows: Sequence[Sequence[Any]]) -> str:
    """Rows of a sheet: texts, numbers, None, or a cell's XML as bytes."""
    out = []
    for number, row in enumerate(rows, start=1):
        shown = []
        for column, value in enumerate(row, start=1):
            at = f'r="{_letters(column)}{number}"'
            if isinstance(value, bytes):
                shown.append(value.decode().replace("<c", f"<c {at}", 1))
            elif isinstance(value, str):
                shown.append(f'<c {at} t="inlineStr"><is><t>{value}</t></is></c>')
            elif value is not None:
                shown.append(f"<c {at}><v>{value}</v></c>")
        out.append(f'<row r="{number}">{"".join(shown)}</row>')
    return "".join(out)


def workbook(
    sheets: Mapping[str, Sequence[Sequence[Any]]],
    *,
    merged: Sequence[str] = (),
    hidden: Sequence[str] = (),
    before: str = "",
    more: Sequence[tuple[str, bytes]] = (),
) -> list[tuple[str, bytes]]:
    """The members of a workbook. `before` stands before the root of its first sheet."""
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{name}" sheetId="{i}" r:id="rId{i}"'
        f' state="{"hidden" if name in hidden else "visible"}"/>'
        for i, name in enumerate(names, start=1)
    )
    related = "".join(
        f'<Relationship Id="rId{i}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(names) + 1)
    )
    blocks = "".join(f'<mergeCell ref="{block}"/>' for block in merged)
    tail = f'<mergeCells count="{len(merged)}">{blocks}</mergeCells>' if merged else ""
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{i}.xml"'
        ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        for i in range(1, len(names) + 1)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override'
        ' PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        f'spreadsheetml.sheet.main+xml"/>{overrides}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{related}'
        "</Relationships>",
    }
    for i, name in enumerate(names, start=1):
        parts[f"xl/worksheets/sheet{i}.xml"] = (
            f'{before if i == 1 else ""}<worksheet xmlns="{_MAIN}"><sheetData>{cells(sheets[name])}'
            f"</sheetData>{tail if i == 1 else ''}</worksheet>"
        )
    return [*((name, content.encode()) for name, content in parts.items()), *more]


def ole(*streams: str) -> bytes:
    """A compound document (MS-CFB) as far as its header and a directory with the names of `streams`."""
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0) + struct.pack("<I", 0)
    head = head.ljust(512, b"\xff")
    fat = struct.pack("<2I", 0xFFFFFFFD, 0xFFFFFFFE).ljust(512, b"\xff")
    directory = b""
    for name in ("Root Entry", *streams):
        text = name.encode("utf-16-le")
        directory += text.ljust(64, b"\0") + struct.pack("<HBB", len(text) + 2, 2, 1) + bytes(60)
    return head + fat + directory.ljust(512, b"\0")


# ---------------------------------------------------------------- databases


def geopackage(
    shapes: Sequence[bytes], kind: str = "POINT", *, registered: bool = True, note: str = ""
) -> bytes:
    """A GeoPackage (OGC 12-128r15) of one table `t` with `shapes` as WKB; the same bytes by any SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.gpkg"
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA page_size = 1024")
            database.execute("PRAGMA application_id = 0x47504B47")
            database.execute("PRAGMA user_version = 10300")
            database.executescript(_GEOPACKAGE_SQL)
            if registered:
                database.execute(
                    "INSERT INTO gpkg_contents VALUES ('t', 'features', 't', '', ?, 115, 30, 118, 33, 4490)",
                    ["1980-01-01T00:00:00Z"],
                )
                database.execute(
                    "INSERT INTO gpkg_geometry_columns VALUES ('t', 'geom', ?, 4490, 2, 2)", [kind]
                )
            database.executemany(
                "INSERT INTO t (geom, name) VALUES (?, ?)",
                [(b"GP\0\x01" + struct.pack("<i", 4490) + wkb, f"{note}{i}") for i, wkb in enumerate(shapes)],
            )
        database.close()
        content = bytearray(path.read_bytes())
    content[96:100] = bytes(4)  # the version of the SQLite that wrote it
    return bytes(content)


_GEOPACKAGE_SQL = """
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY,
  organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL,
  description TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES ('CGCS2000', 4490, 'EPSG', 4490,
 'GEOGCS["China Geodetic Coordinate System 2000",DATUM["China_2000",
 SPHEROID["CGCS2000",6378137,298.257222101]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],
 AUTHORITY["EPSG","4490"]]', NULL);
INSERT INTO gpkg_spatial_ref_sys VALUES ('undefined', -1, 'NONE', -1, 'undefined', NULL);
INSERT INTO gpkg_spatial_ref_sys VALUES ('undefined', 0, 'NONE', 0, 'undefined', NULL);
CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE,
  max_y DOUBLE, srs_id INTEGER);
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL);
CREATE TABLE t (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom BLOB, name TEXT);
"""


def point_wkb(x: float, y: float) -> bytes:
    return struct.pack("<BIdd", 1, 1, x, y)


def arc_wkb(*points: tuple[float, float]) -> bytes:
    """A CIRCULARSTRING (ISO 13249-3, type 8)."""
    return struct.pack("<BII", 1, 8, len(points)) + b"".join(struct.pack("<dd", *p) for p in points)


# ---------------------------------------------------------------- OpenStreetMap, FlatGeobuf


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def _block(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    blob = _field(1, content)
    said = len(blob) if size is None else size
    varint = bytes([said]) if said < 128 else bytes([said & 127 | 128, said >> 7])
    header = _field(1, kind) + b"\x18" + varint
    return struct.pack(">I", len(header)) + header + blob


OSM_HEADER = _block(b"OSMHeader", _field(4, b"OsmSchema-V0.6") + _field(4, b"DenseNodes"))
OSM_CUT = OSM_HEADER + _block(b"OSMData", _field(1, b"\0building"), size=4000)
"""An extract whose data block says it has 4,000 bytes and ends after few."""

FLATGEOBUF = base64.b64decode(
    "ZmdiA2ZnYgFMAwAAJAAAAAAAAAAAABoAJAAIAAwABwAAAAAAAAAAABAAGAAAABQAGgAAAAAAAAFIAAAAIAAAABQAAABQAAAAAwAA"
    "AAAAAAAAAAAAAQAAAOQCAAAEAAAAAAAAAAAgXUA9CtejcL0/QOOlm8QgIF1APQrXo3C9P0ABAAAAdAAOABQABAAIAAwAAAAQAA4A"
    "AACMAgAAihEAAFgCAAAEAAAASQIAAEdFT0dDUlNbIkNoaW5hIEdlb2RldGljIENvb3JkaW5hdGUgU3lzdGVtIDIwMDAiLERBVFVN"
    "WyJDaGluYSAyMDAwIixFTExJUFNPSURbIkNHQ1MyMDAwIiw2Mzc4MTM3LDI5OC4yNTcyMjIxMDEsTEVOR1RIVU5JVFsibWV0cmUi"
    "LDFdXV0sUFJJTUVNWyJHcmVlbndpY2giLDAsQU5HTEVVTklUWyJkZWdyZWUiLDAuMDE3NDUzMjkyNTE5OTQzM11dLENTW2VsbGlw"
    "c29pZGFsLDJdLEFYSVNbImdlb2RldGljIGxhdGl0dWRlIChMYXQpIixub3J0aCxPUkRFUlsxXSxBTkdMRVVOSVRbImRlZ3JlZSIs"
    "MC4wMTc0NTMyOTI1MTk5NDMzXV0sQVhJU1siZ2VvZGV0aWMgbG9uZ2l0dWRlIChMb24pIixlYXN0LE9SREVSWzJdLEFOR0xFVU5J"
    "VFsiZGVncmVlIiwwLjAxNzQ1MzI5MjUxOTk0MzNdXSxVU0FHRVtTQ09QRVsiSG9yaXpvbnRhbCBjb21wb25lbnQgb2YgM0Qgc3lz"
    "dGVtLiJdLEFSRUFbIkNoaW5hIC0gb25zaG9yZSBhbmQgb2Zmc2hvcmUuIl0sQkJPWFsxNi43LDczLjYyLDUzLjU2LDEzNC43N11d"
    "LElEWyJFUFNHIiw0NDkwXSxSRU1BUktbIkFkb3B0ZWQgSnVseSAyMDA4LiBSZXBsYWNlcyBYaWFuIDE5ODAgKENSUyBjb2RlIDQ2"
    "MTApLiJdXQAAACUAAABDaGluYSBHZW9kZXRpYyBDb29yZGluYXRlIFN5c3RlbSAyMDAwAAAABAAAAEVQU0cAAA4AEAAIAAcAAAAA"
    "AAwADgAAAAAAAAsIAAAAAAAAAAQAAABuYW1lAAAAAAAAAAAAIF1APQrXo3C9P0DjpZvEICBdQD0K16NwvT9AAQAAAAAAAADjpZvE"
    "ICBdQD0K16NwvT9A46WbxCAgXUA9CtejcL0/QAAAAAAAAAAA8tJNYhAgXUA9CtejcL0/QPLSTWIQIF1APQrXo3C9P0BQAAAAAAAA"
    "AAAAAAAAIF1APQrXo3C9P0AAAAAAACBdQD0K16NwvT9AoAAAAAAAAABMAAAAEAAAAAAAAAAIAAwABAAIAAgAAAAcAAAABAAAAAcA"
    "AAAAAAEAAABjAAgACAAAAAQACAAAAAQAAAACAAAA46WbxCAgXUA9CtejcL0/QEwAAAAQAAAAAAAAAAgADAAEAAgACAAAABwAAAAE"
    "AAAABwAAAAAAAQAAAGIACAAIAAAABAAIAAAABAAAAAIAAADy0k1iECBdQD0K16NwvT9ATAAAABAAAAAAAAAACAAMAAQACAAIAAAA"
    "HAAAAAQAAAAHAAAAAAABAAAAYQAIAAgAAAAEAAgAAAAEAAAAAgAAAAAAAAAAIF1APQrXo3C9P0A="
)
"""Three points with names, as GDAL 3.12 wrote them."""
