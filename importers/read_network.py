"""Networks of EPANET and SWMM (.inp): their nodes as pipe points, their links as pipelines, in metric units.

EPANET 2.2 User Manual, Appendix C; SWMM 5.2 User's Manual, Appendix D: sections in brackets, words by white
space, comments after a semicolon. The files state no reference system; `importers.place` asks for it.
What only a simulation needs (patterns, curves, controls) is not taken, and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import shapely

from importers.encoding import find_encoding, with_byte_order_mark
from importers.errors import BadTable, EmptyFile, NotWhatItSays
from importers.options import ImportOptions
from importers.source import Chunk, Found, Geometries, Note, Source, Trouble

FOOT_M, INCH_MM = 0.3048, 25.4
US_FLOWS = frozenset(("CFS", "GPM", "MGD", "IMGD", "AFD"))
"""Flow units that go with feet and inches; all others go with metres and millimetres."""
NODES = ("JUNCTIONS", "RESERVOIRS", "TANKS", "OUTFALLS", "STORAGE", "DIVIDERS")
LINKS = ("PIPES", "CONDUITS", "PUMPS", "VALVES", "ORIFICES", "WEIRS", "OUTLETS")
APPENDAGES = {
    "RESERVOIRS": "水源", "TANKS": "水塔", "OUTFALLS": "排放口", "STORAGE": "调蓄池", "DIVIDERS": "分流井",
}  # fmt: skip
DEVICES = {"PUMPS": "水泵", "VALVES": "阀门", "ORIFICES": "孔口", "WEIRS": "堰", "OUTLETS": "出流口"}
_USED = frozenset((*NODES, *LINKS, "COORDINATES", "VERTICES", "POLYGONS", "SUBCATCHMENTS", "XSECTIONS"))
_SILENT = frozenset(("TITLE", "OPTIONS", "END", "REPORT", "MAP", "BACKDROP", "LABELS", "TAGS", "SYMBOLS"))
_SECTION = re.compile(r"\[\s*([A-Za-z_]+)")


class _Line(NamedTuple):
    number: int
    words: list[str]


Sections = dict[str, list[_Line]]


class _Network(NamedTuple):
    """A file taken apart: its sections, and what its numbers are in."""

    sections: Sections
    is_epanet: bool
    metre: float
    """Metres in the file's unit of length."""

    def lines(self, *names: str) -> Iterator[tuple[str, _Line]]:
        for name in names:
            for line in self.sections.get(name, []):
                yield name, line

    @property
    def pipe_class(self) -> str:
        return "JS" if self.is_epanet else "PS"


class _Rows(NamedTuple):
    """Rows made ready: line numbers, columns, shapes, and lines that are no rows."""

    numbers: list[int]
    columns: dict[str, pa.Array]
    shapes: Geometries
    troubles: tuple[Trouble, ...] = ()


def network_sources(path: Path, file: str, options: ImportOptions) -> list[Source]:
    """The nodes, links and subcatchments of a network; raises a `BadFile` for anything else."""
    found = _encoding(path, file)
    network = _taken_apart(path, file, found.value)
    places = {line.words[0]: xy for line, xy in _placed(network.sections.get("COORDINATES", []))}
    tables = {
        "pipe_node": ("Point", _nodes(network, places)),
        "pipe_line": ("LineString", _links(network, places)),
    }
    areas = _areas(network)
    if areas.numbers:
        tables["subcatchment"] = ("Polygon", areas)
    if options.table is not None and options.table not in tables:
        raise BadTable(
            file,
            f"没有“{options.table}”，有：{'、'.join(tables)}",
            f"there is no {options.table!r}; there are {', '.join(tables)}",
            found=", ".join(tables),
            expected=options.table,
        )
    notes = _notes(network)
    return [
        _source(path, file, name, geometry_type, rows, found, notes)
        for name, (geometry_type, rows) in tables.items()
        if rows.numbers and options.table in (None, name)
    ]


def _source(
    path: Path,
    file: str,
    name: str,
    geometry_type: str,
    rows: _Rows,
    encoding: Found,
    notes: tuple[Note, ...],
) -> Source:
    return Source(
        path=path,
        file=file,
        name=name,
        format="INP",
        schema=pa.schema([(n, array.type) for n, array in rows.columns.items()]),
        read=partial(_read, rows),
        geometry_type=geometry_type,
        count=len(rows.numbers),
        encoding=encoding,
        row_word="line",
        notes=notes if name != "subcatchment" else (),
    )


def _read(rows: _Rows, count: int) -> Iterator[Chunk]:
    numbers = np.array(rows.numbers, dtype=np.int64)
    for start in range(0, len(numbers), count):
        part = slice(start, start + count)
        columns = {name: array[part] for name, array in rows.columns.items()}
        yield Chunk(numbers[part], columns, rows.shapes[part], rows.troubles if start == 0 else ())


# ---------------------------------------------------------------- the file taken apart


def _encoding(path: Path, file: str) -> Found:
    raw = path.read_bytes()
    return with_byte_order_mark(raw[:4]) or find_encoding(
        file, lambda: iter([raw]), lambda: enumerate(raw.splitlines(), start=1)
    )


def _taken_apart(path: Path, file: str, encoding: str) -> _Network:
    sections: Sections = {}
    current: list[_Line] | None = None
    for number, text in enumerate(path.read_text(encoding, errors="replace").splitlines(), start=1):
        line = text.split(";", 1)[0].strip()
        heading = _SECTION.match(line)
        if heading:
            current = sections.setdefault(heading.group(1).upper(), [])
        elif line and current is not None:
            current.append(_Line(number, [w.strip('"') for w in line.split()]))
    if not any(sections.get(name) for name in ("JUNCTIONS", *LINKS)):
        raise NotWhatItSays(
            file,
            "不是 EPANET 或 SWMM 管网：没有节点也没有管段",
            "this is no EPANET or SWMM network: there are neither nodes nor links",
            found=", ".join(sections)[:200] or "no section",
            expected="[JUNCTIONS], [PIPES] or [CONDUITS]",
        )
    if not sections.get("COORDINATES"):
        raise EmptyFile(
            file,
            "管网没有节点坐标（[COORDINATES] 为空），无法上图",
            "the network has no coordinates ([COORDINATES] is empty) and cannot be placed",
            found="no coordinates",
            expected="[COORDINATES]",
        )
    options = {line.words[0].upper(): line.words[-1].upper() for line in sections.get("OPTIONS", [])}
    flow = options.get("UNITS") or options.get("FLOW_UNITS") or ("GPM" if "PIPES" in sections else "CFS")
    return _Network(sections, "PIPES" in sections, FOOT_M if flow in US_FLOWS else 1.0)


def _notes(network: _Network) -> tuple[Note, ...]:
    units = "英制（英尺、英寸）已换算为公制" if network.metre != 1.0 else "公制"
    in_english = "feet and inches, converted" if network.metre != 1.0 else "metric"
    kind = "EPANET" if network.is_epanet else "SWMM"
    notes = [Note("network.units", f"{kind} 管网，{units}", f"a network of {kind}, {in_english}")]
    left = sorted(n for n, lines in network.sections.items() if lines and n not in _USED | _SILENT)
    if left:
        listed = ", ".join(left)
        notes.append(
            Note("network.left", f"仅供模拟的部分未采用：{listed}", f"left out: {listed}", len(left))
        )
    return tuple(notes)


def _placed(lines: Sequence[_Line]) -> Iterator[tuple[_Line, tuple[float, float]]]:
    """Lines of an id and two coordinates; those without two numbers are passed over and miss later."""
    for line in lines:
        if len(line.words) >= 3:
            x, y = _number(line.words[1]), _number(line.words[2])
            if x is not None and y is not None:
                yield line, (x, y)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _word(line: _Line, position: int) -> str | None:
    return line.words[position] if len(line.words) > position else None


def _metres(network: _Network, text: str | None) -> float | None:
    value = _number(text)
    return None if value is None else round(value * network.metre, 4)


# ---------------------------------------------------------------- tables


def _nodes(network: _Network, places: Mapping[str, tuple[float, float]]) -> _Rows:
    numbers, codes, kinds, elevations, depths = [], [], [], [], []
    shapes: list[shapely.Point | None] = []
    for section, line in network.lines(*NODES):
        numbers.append(line.number)
        codes.append(line.words[0])
        kinds.append(APPENDAGES.get(section))
        bottom = None if section == "RESERVOIRS" else _metres(network, _word(line, 1))
        has_depth = not network.is_epanet and section in ("JUNCTIONS", "STORAGE", "DIVIDERS")
        depth = _metres(network, _word(line, 2)) if has_depth else None
        elevations.append(bottom if depth is None or bottom is None else round(bottom + depth, 4))
        depths.append(depth)
        place = places.get(line.words[0])
        shapes.append(None if place is None else shapely.Point(place))
    columns = {
        "code": pa.array(codes, pa.string()),
        "pipe_class": pa.array([network.pipe_class] * len(codes), pa.string()),
        "appendage": pa.array(kinds, pa.string()),
        "ground_elevation_m": pa.array(elevations, pa.float64()),
        "depth_m": pa.array(depths, pa.float64()),
    }
    return _Rows(numbers, columns, _array(shapes))


def _links(network: _Network, places: Mapping[str, tuple[float, float]]) -> _Rows:
    bends: dict[str, list[tuple[float, float]]] = {}
    for line, place in _placed(network.sections.get("VERTICES", [])):
        bends.setdefault(line.words[0], []).append(place)
    sections = {line.words[0]: line for _, line in network.lines("XSECTIONS")}
    numbers: list[int] = []
    rows: list[tuple[str, str, str, float | None, str | None, float | None, str | None]] = []
    shapes: list[shapely.LineString] = []
    troubles: list[Trouble] = []
    for section, line in network.lines(*LINKS):
        code, start, end = line.words[0], _word(line, 1), _word(line, 2)
        if start not in places or end not in places or start is None or end is None:
            lost = next(node for node in (start, end) if node not in places)
            troubles.append(
                Trouble(
                    line.number,
                    "pipe.no_node",
                    f"端点“{lost}”没有坐标",
                    f"its end {lost!r} has no coordinates",
                )
            )
            continue
        path = [places[start], *bends.get(code, []), places[end]]
        if len(set(path)) == 1:
            zh, en = f"“{code}”两端在同一位置，没有线可画", f"both ends of {code!r} lie at one place"
            troubles.append(Trouble(line.number, "pipe.same_ends", zh, en))
            continue
        is_pipe = section in ("PIPES", "CONDUITS")
        size, diameter = _size(network, section, line, sections.get(code))
        length = _metres(network, _word(line, 3)) if is_pipe else None
        numbers.append(line.number)
        rows.append((code, start, end, length, size, diameter, DEVICES.get(section)))
        shapes.append(shapely.LineString(path))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    names = ("code", "start_node", "end_node", "length_m", "section", "diameter_mm", "note")
    typed = {
        name: pa.array(list(values), pa.float64() if name in ("length_m", "diameter_mm") else pa.string())
        for name, values in zip(names, columns, strict=True)
    }
    typed["pipe_class"] = pa.array([network.pipe_class] * len(rows), pa.string())
    return _Rows(numbers, typed, _array(shapes), tuple(troubles))


def _size(
    network: _Network, section: str, line: _Line, shape: _Line | None
) -> tuple[str | None, float | None]:
    """The section as written in pipe tables (`300`, `400X300`) and the diameter in millimetres."""
    if section in ("PIPES", "VALVES"):
        given = _number(_word(line, 4 if section == "PIPES" else 3))
        scale = INCH_MM if network.metre != 1.0 else 1.0
        diameter = None if given is None else round(given * scale, 1)
        return (None, None) if diameter is None else (f"{diameter:g}", diameter)
    if shape is None:
        return None, None
    high, wide = (_metres(network, _word(shape, position)) for position in (2, 3))
    if high is None:
        return None, None
    if (_word(shape, 1) or "").upper() in ("CIRCULAR", "FORCE_MAIN", "FILLED_CIRCULAR"):
        return f"{high * 1000:g}", round(high * 1000, 1)
    return (f"{(wide or 0) * 1000:g}X{high * 1000:g}", None) if wide else (None, None)


def _areas(network: _Network) -> _Rows:
    """The subcatchments that have an outline: their outlet, and the share of sealed ground in percent."""
    rings: dict[str, list[tuple[float, float]]] = {}
    for line, place in _placed(network.sections.get("POLYGONS", [])):
        rings.setdefault(line.words[0], []).append(place)
    lines = [line for _, line in network.lines("SUBCATCHMENTS") if len(rings.get(line.words[0], ())) >= 3]
    columns = {
        "code": pa.array([line.words[0] for line in lines], pa.string()),
        "outlet": pa.array([_word(line, 2) for line in lines], pa.string()),
        "sealed_percent": pa.array([_number(_word(line, 4)) for line in lines], pa.float64()),
    }
    shapes = [shapely.Polygon(rings[line.words[0]]) for line in lines]
    return _Rows([line.number for line in lines], columns, _array(shapes))


def _array(shapes: Sequence[shapely.Geometry | None]) -> Geometries:
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found
