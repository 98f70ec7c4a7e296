"""CAD drawings (.dxf) by ezdxf: points, lines, areas and texts as four tables, CAD layers as a column.

Text before AutoCAD 2007 is in a code page (`$DWGCODEPAGE`, mostly ANSI_936 in China), later in UTF-8; what
the bytes say counts more than what the head says. `$INSUNITS` says the unit of the coordinates, and often
lies: numbers that are metres of a Gauss zone are metres. A drawing is held in memory whole, so its size is
bounded.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import shapely
from ezdxf import recover
from ezdxf.document import Drawing
from ezdxf.filemanagement import readfile
from numpy.typing import NDArray

from gis.crs import guess_gauss, read_crs
from gis.errors import UnknownCrs
from importers.drawing_entities import MAX_PIECES, Family, Piece, Seen, TooMuch, Walk
from importers.drawing_shapes import FAULTS
from importers.encoding import find_encoding, known_encoding, said_encoding
from importers.errors import BadFile, BadTable, EmptyFile, NotWhatItSays, Truncated, Unreadable
from importers.options import ImportOptions
from importers.place import are_chinese_degrees
from importers.shaped import SAMPLE
from importers.source import Chunk, Found, Geometries, Note, Source

logging.getLogger("ezdxf").addHandler(logging.NullHandler())
logging.getLogger("ezdxf").propagate = False
# what it says of each damaged tag is for its authors; a person is told by the report

MAX_BYTES = 100 * 1024**2
"""Of one drawing: in memory it takes some twelve times as much (measured), and 1.5 GB is what there is."""
TOLERANCE_M = 0.01
"""How far the chords of an arc may lie from it on the ground."""
FAMILIES: tuple[Family, ...] = ("points", "lines", "areas", "texts")
BINARY = b"AutoCAD Binary DXF\r\n\x1a\x00"
MAX_ATTRIBUTES = 60
"""Attribute tags that become columns, the commonest first."""
SHOWN = 12
_UNITS: dict[int, tuple[float, str, str]] = {
    1: (0.0254, "英寸", "inches"), 2: (0.3048, "英尺", "feet"), 3: (1609.344, "英里", "miles"),
    4: (0.001, "毫米", "millimetres"), 5: (0.01, "厘米", "centimetres"), 6: (1.0, "米", "metres"),
    7: (1000.0, "千米", "kilometres"), 10: (0.9144, "码", "yards"), 14: (0.1, "分米", "decimetres"),
    15: (10.0, "十米", "decametres"), 16: (100.0, "百米", "hectometres"),
    21: (1200 / 3937, "美制测量英尺", "US survey feet"),
}  # fmt: skip
"""`$INSUNITS` of the DXF reference: metres, and the name in both languages."""
_DEGREE_M = 111_320.0
_VERSION = re.compile(rb"\$ACADVER\s+1\s+(AC\d{4})")
_CODEPAGE = re.compile(rb"\$DWGCODEPAGE\s+3\s+([\w .-]+)")
_UTF8_SINCE = b"AC1021"
_COUNTED = {
    "drawing.degenerate": ("长度为零或坐标无效的图元已略过", "entities that draw nothing were passed over"),
    "drawing.hidden": (
        "位于关闭或冻结的图层上，仍已采用",
        "on layers that are off or frozen, taken all the same",
    ),
    "drawing.paper": ("图纸空间的图元未采用", "entities of paper space were not taken"),
}
_GEOMETRY: dict[Family, str] = {
    "points": "Point", "lines": "LineString", "areas": "Unknown", "texts": "Point",
}  # fmt: skip


class _Scale(NamedTuple):
    """What coordinates are multiplied by, and why; `metre`: metres in the unit they come out in.

    `high`: metres in the drawing's unit of heights.
    """

    factor: float
    metre: float
    high: float
    note: Note


class _Table(NamedTuple):
    columns: dict[str, pa.Array]
    shapes: Geometries


def drawing_sources(
    path: Path, file: str, options: ImportOptions, converted_by: str | None = None
) -> list[Source]:
    """The tables of a drawing that have rows; raises a `BadFile` that names what is wrong with it.

    `converted_by`: the program that made the DXF from the person's file.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise Unreadable(
            file,
            f"图形文件有 {size // 1024**2} MB，超过 {MAX_BYTES // 1024**2} MB 的上限；"
            "请分幅导出，或转为 GeoPackage",
            f"the drawing has {size // 1024**2} MB, more than the {MAX_BYTES // 1024**2} MB that are read;"
            " export it in parts, or as GeoPackage",
            found=f"{size} bytes",
            expected=f"at most {MAX_BYTES} bytes",
        )
    encoding = _encoding(path, file, options)
    document, notes = _document(path, file, encoding)
    if converted_by is not None:
        zh, en = f"由 {converted_by} 转换为 DXF 后读取", f"read from a DXF that {converted_by} made of it"
        notes.append(Note("drawing.converted", zh, en))
    try:
        scale = _scale(document, options)
        walk = Walk(document, TOLERANCE_M / scale.metre / scale.factor)
        pieces = list(walk.pieces())
        notes += [scale.note, *_noticed(walk.seen, document)]
    except FAULTS as error:
        raise _unreadable(file, error) from error
    except TooMuch:
        raise Unreadable(
            file,
            f"图元（含展开的图块）超过 {MAX_PIECES} 个；请清理嵌套图块或分幅导出",
            f"it draws more than {MAX_PIECES} entities, blocks taken apart; purge nested blocks, or export it"
            " in parts",
            found=f"more than {MAX_PIECES} entities",
            expected=f"at most {MAX_PIECES}",
        ) from None
    return _sources(path, file, options, pieces, scale, encoding, tuple(notes))


def _sources(
    path: Path,
    file: str,
    options: ImportOptions,
    pieces: Sequence[Piece],
    scale: _Scale,
    encoding: Found,
    notes: tuple[Note, ...],
) -> list[Source]:
    groups: dict[Family, list[Piece]] = {family: [] for family in FAMILIES}
    for piece in pieces:
        groups[piece.family].append(piece)
    there = [family for family in FAMILIES if groups[family]]
    if not there:
        raise EmptyFile(
            file,
            "模型空间里没有可上图的图元" + "".join(f"；{n.zh}" for n in notes if n.rule == "drawing.dropped"),
            "the model space holds nothing that can be put on a map"
            + "".join(f"; {n.en}" for n in notes if n.rule == "drawing.dropped"),
            found="0 entities",
            expected="points, lines, areas or texts",
        )
    if options.table is not None and options.table not in there:
        raise BadTable(
            file,
            f"没有“{options.table}”，有：{'、'.join(there)}",
            f"there is no {options.table!r}; there are {', '.join(there)}",
            found=", ".join(there),
            expected=options.table,
        )
    wanted = there if options.table is None else [f for f in there if f == options.table]
    sample = _first_places(pieces, scale)
    return [
        replace(_source(path, file, f, _table(f, groups[f], scale), encoding, notes), sample=sample)
        for f in wanted
    ]


def _first_places(pieces: Sequence[Piece], scale: _Scale) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A place of each piece: the tables of a drawing lie in one reference system, strays and all."""
    step = max(1, len(pieces) // SAMPLE)
    places = np.array([shapely.get_coordinates(p.geometry)[0] for p in pieces[::step]], dtype=np.float64)
    return places[:, 0] * scale.factor, places[:, 1] * scale.factor


def _source(
    path: Path, file: str, family: Family, table: _Table, encoding: Found, notes: tuple[Note, ...]
) -> Source:
    return Source(
        path=path,
        file=file,
        name=family,
        format="DXF",
        schema=pa.schema([(name, array.type) for name, array in table.columns.items()]),
        read=partial(_read, table),
        geometry_type=_GEOMETRY[family],
        count=len(table.shapes),
        encoding=encoding,
        row_word="feature",
        notes=notes,
    )


def _read(table: _Table, count: int) -> Iterator[Chunk]:
    numbers = np.arange(1, len(table.shapes) + 1, dtype=np.int64)
    for start in range(0, len(numbers), count):
        part = slice(start, start + count)
        yield Chunk(numbers[part], {n: a[part] for n, a in table.columns.items()}, table.shapes[part])


def _table(family: Family, pieces: Sequence[Piece], scale: _Scale) -> _Table:
    """The columns of one family; those without any value are left out."""

    def metres(values: Sequence[float | None]) -> pa.Array:
        return pa.array([None if v is None else round(v * scale.high, 4) for v in values], pa.float64())

    columns: dict[str, pa.Array] = {
        "id": pa.array([p.id for p in pieces], pa.string()),
        "cad_layer": pa.array([p.layer for p in pieces], pa.string()),
        "cad_type": pa.array([p.kind for p in pieces], pa.string()),
        "block": pa.array([p.block for p in pieces], pa.string()),
        "text": pa.array([p.text for p in pieces], pa.string()),
        "feature_code": pa.array([p.feature_code for p in pieces], pa.string()),
        "colour": pa.array([p.rgb for p in pieces], pa.string()),
        "colour_number": pa.array([p.aci for p in pieces], pa.int64()),
        "elevation_m": metres([p.elevation for p in pieces]),
        "text_height_m": metres([p.height for p in pieces]),
        "rotation_deg": pa.array([p.turn_deg for p in pieces], pa.float64()),
        "scale": pa.array([p.scale for p in pieces], pa.float64()),
        "handle": pa.array([p.handle for p in pieces], pa.string()),
    }
    for tag in _tags(pieces):
        name = tag if tag.lower() not in columns else f"{tag}_attribute"
        columns[name] = pa.array([p.attributes.get(tag) for p in pieces], pa.string())
    shapes = np.empty(len(pieces), dtype=object)
    shapes[:] = [p.geometry for p in pieces]
    if scale.factor != 1.0:
        shapes = np.asarray(shapely.transform(shapes, lambda c: c * scale.factor), dtype=object)
    kept = {n: a for n, a in columns.items() if a.null_count < len(a) or n in ("id", "cad_layer", "cad_type")}
    return _Table(kept, shapes)


def _tags(pieces: Sequence[Piece]) -> list[str]:
    """The tags of attributes, the commonest `MAX_ATTRIBUTES` of them."""
    counted = Counter(tag for piece in pieces for tag in piece.attributes)
    return [tag for tag, _ in counted.most_common(MAX_ATTRIBUTES)]


# ---------------------------------------------------------------- opening


def _encoding(path: Path, file: str, options: ImportOptions) -> Found:
    """The encoding of a drawing's text: said, proved by its bytes, or stated in its head."""
    with path.open("rb") as content:
        head = content.read(64 * 1024)
        content.seek(max(0, path.stat().st_size - 1024))
        tail = content.read()
    version, page = _VERSION.search(head), _CODEPAGE.search(head)
    stated = known_encoding(page.group(1).decode("ascii", "replace").strip()) if page else None
    if version is not None and version.group(1) >= _UTF8_SINCE:
        stated = "utf-8"
    stated = stated or "cp1252"
    words = page.group(1).decode("ascii", "replace") if page else "–"
    if head.startswith(BINARY):
        return Found(stated, f"二进制 DXF，$DWGCODEPAGE={words}", f"a binary DXF, $DWGCODEPAGE={words}")
    _check_whole(file, head, tail)
    if options.encoding is not None:
        return said_encoding(options.encoding, file)
    found = find_encoding(file, lambda: _blocks(path), lambda: _lines(path))
    if found.value == "utf-8" and found.en.startswith("all of it is ASCII"):
        return Found(stated, f"全部为 ASCII；$DWGCODEPAGE={words}", f"all ASCII; $DWGCODEPAGE={words}")
    return Found(
        found.value,
        f"{found.zh}；文件头 $DWGCODEPAGE={words}",
        f"{found.en}; the head says $DWGCODEPAGE={words}",
    )


def _check_whole(file: str, head: bytes, tail: bytes) -> None:
    """Raises `NotWhatItSays` for what is no drawing, `Truncated` for one without its end."""
    words = head.split(None, 2)
    if len(words) < 2 or words[0] not in (b"0", b"999"):
        is_dwg = re.match(rb"AC10\d\d", head)
        raise NotWhatItSays(
            file,
            "内容是 DWG 图形，不是 DXF；请在 CAD 中另存为 DXF"
            if is_dwg
            else "内容不是 DXF：开头没有组码 0 SECTION",
            "the content is a DWG drawing, not DXF; save it as DXF" if is_dwg else "this is no DXF drawing",
            found="DWG" if is_dwg else repr(head[:20]),
            expected="0 SECTION",
        )
    if not tail.rstrip(b"\x00\x1a \r\n\t").endswith(b"EOF"):
        raise Truncated(
            file,
            "图形文件不完整：结尾没有 EOF，请重新导出",
            "the drawing is cut short: it has no EOF at its end; export it again",
            found=repr(tail[-20:]),
            expected="EOF",
        )


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as content:
        while block := content.read(4 * 1024 * 1024):
            yield block


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as content:
        yield from enumerate(content, start=1)


def _document(path: Path, file: str, encoding: Found) -> tuple[Drawing, list[Note]]:
    """The drawing, mended where its structure is broken; raises `Unreadable` beyond that."""
    try:
        return readfile(path, encoding=encoding.value), []
    except FAULTS:
        pass  # a second, more patient reader follows
    try:
        document, auditor = recover.readfile(path)
    except FAULTS as error:
        raise _unreadable(file, error) from error
    count = len(auditor.fixes) + len(auditor.errors)
    note = Note(
        "drawing.recovered",
        f"图形结构有损坏，修复后读取（{count} 处）",
        f"the drawing's structure was damaged and mended to be read ({count} places)",
        max(count, 1),
    )
    return document, [note]


def _unreadable(file: str, error: BaseException) -> BadFile:
    cause = " ".join(str(error).split())[:200] or type(error).__name__
    return Unreadable(
        file,
        f"图形文件已损坏，无法读取（{cause}）；请在 CAD 中用 AUDIT/RECOVER 修复后另存",
        f"the drawing is damaged and cannot be read ({cause}); mend it in CAD by AUDIT or RECOVER",
        found=cause,
        expected="a DXF drawing",
    )


# ---------------------------------------------------------------- unit and place


def _scale(document: Drawing, options: ImportOptions) -> _Scale:
    """What brings the drawing's numbers to metres, or to the unit of the reference system that was said."""
    stated = int(document.header.get("$INSUNITS", 0) or 0)
    unit, zh, en = _UNITS.get(stated, (1.0, "未说明", "not stated"))
    head = (f"$INSUNITS={stated}（{zh}）", f"$INSUNITS={stated} ({en})")
    x, y = _sample(document)
    wanted = _unit_said(options)
    is_open = options.crs is None and options.local is None
    if wanted is None or (is_open and are_chinese_degrees(x, y)):
        return _Scale(1.0, _DEGREE_M, 1.0, _units(head, "，坐标为度", "; the numbers are degrees"))
    factor = unit / wanted
    if stated not in _UNITS:
        return _Scale(1.0, wanted, wanted, _units(head, "，按米处理", "; taken as metres"))
    if abs(factor - 1.0) < 1e-9:
        return _Scale(1.0, wanted, wanted, _units(head, "", ""))
    guess = guess_gauss(x, y)
    if guess is not None and guess_gauss(x * factor, y * factor) is None:
        zh = f"，但数值按米才落在高斯分带内（{guess.evidence_zh}），按米处理"
        en = f", but only as metres do the numbers lie in a Gauss zone ({guess.evidence_en}); taken as metres"
        return _Scale(1.0, wanted, wanted, _units(head, zh, en))
    note = _units(head, f"，坐标乘以 {factor:g}", f": coordinates multiplied by {factor:g}")
    return _Scale(factor, wanted, unit, note)


def _units(head: tuple[str, str], zh: str, en: str) -> Note:
    return Note("drawing.units", head[0] + zh, head[1] + en)


def _unit_said(options: ImportOptions) -> float | None:
    """Metres in the unit of the reference system that was said; None for degrees; 1 if none was said."""
    if options.crs is None or options.local is not None:
        return 1.0
    try:
        crs = read_crs(options.crs)
    except UnknownCrs:
        return 1.0  # `importers.place` refuses it with its words
    return None if crs.is_geographic else float(crs.axis_info[0].unit_conversion_factor)


def _sample(document: Drawing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places of the first entities, in the drawing's own numbers."""
    places = []
    for entity in document.modelspace():
        for name in ("insert", "start", "location", "center"):
            if entity.dxf.is_supported(name) and entity.dxf.hasattr(name):
                places.append(entity.dxf.get(name))
                break
        else:
            if entity.dxftype() == "LWPOLYLINE" and len(entity):  # type: ignore[arg-type]
                places.append(entity[0])  # type: ignore[index]
        if len(places) >= 5000:
            break
    return (
        np.array([float(p[0]) for p in places], dtype=np.float64),
        np.array([float(p[1]) for p in places], dtype=np.float64),
    )


def _noticed(seen: Seen, document: Drawing) -> Iterator[Note]:
    """What a person should know of what was and was not taken."""
    if seen.dropped:
        listed = ", ".join(f"{kind} {count}" for kind, count in seen.dropped.most_common(SHOWN))
        hint = any(kind.startswith("TCH_") for kind in seen.dropped)
        yield Note(
            "drawing.dropped",
            f"不能上图的图元未采用：{listed}" + ("（天正对象：请用 T3 格式导出后再导入）" if hint else ""),
            f"entities without a shape on a map were left out: {listed}"
            + (" (objects of TArch: export the drawing as T3 first)" if hint else ""),
            sum(seen.dropped.values()),
        )
    if seen.exploded:
        yield Note(
            "drawing.blocks",
            "图块参照：插入点入点表，块内图形展开",
            "block references: their places are points, what they draw was taken apart",
            seen.exploded,
        )
    if seen.xrefs:
        listed = ", ".join(sorted({f or name for name, f in seen.xrefs.items()})[:SHOWN])
        yield Note(
            "drawing.xref",
            f"外部参照的图形未读取：{listed}",
            f"drawings referred to from outside were not read: {listed}",
            len(seen.xrefs),
        )
    for rule, count in (
        ("drawing.degenerate", seen.degenerate),
        ("drawing.hidden", seen.hidden),
        ("drawing.paper", _on_paper(document)),
    ):
        if count:
            yield Note(rule, *_COUNTED[rule], count)
    if seen.lost_blocks:
        listed = ", ".join(f"{n} {c}" for n, c in seen.lost_blocks.most_common(SHOWN))
        yield Note(
            "drawing.block",
            f"图块缺失、自身循环或嵌套过深：{listed}",
            f"blocks that are missing, hold themselves, or lie too deep: {listed}",
            sum(seen.lost_blocks.values()),
        )


def _on_paper(document: Drawing) -> int:
    """Entities of the layouts on paper, but for the frames through which they show the model."""
    return sum(
        1
        for layout in document.layouts
        if layout.name != "Model"
        for entity in layout
        if entity.dxftype() != "VIEWPORT"
    )
