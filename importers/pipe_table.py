"""One combined pipe survey table (物探成果表) taken apart into its points and its lines.

Each row holds a point and its connection to another: the point's number, the number it connects to, x, y, and
the depth, section and material of the pipe there. A point has as many rows as connections, often with its
number only in the first; a line stands in the rows of both its ends, with the depth at each. Points and lines
then go on as the two tables of `importers.pipes` do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from importers.coerce import coerce
from importers.errors import Unreadable
from importers.match import match
from importers.names import folded
from importers.options import ImportOptions
from importers.pipes import LINE, NODE
from importers.shaped import place_columns
from importers.source import CHUNK_ROWS, Chunk, Note, Source, Trouble
from layers.model import Layer

POINT_NAMES = (
    "物探点号", "管线点号", "管点编号", "管点号", "探测点号", "点号", "本点号", "起点物探点号", "起点点号",
    "起点号", "expno", "spoint",
)  # fmt: skip
OTHER_NAMES = (
    "连接点号", "连接点", "连接方向", "连接物探点号", "连接点物探点号", "相连点号", "连向点号", "连接管点号",
    "终点物探点号", "终点点号", "终点号", "上点号", "下点号", "epoint", "conpoint", "connpoint",
)  # fmt: skip
DEPTH_NAMES = ("埋深", "管线埋深", "管顶埋深", "管底埋深", "管顶底埋深", "管顶(底)埋深", "起点埋深", "sdeep")
HEIGHT_NAMES = (
    "管线高程", "管顶高程", "管底高程", "管内底高程", "管顶管底高程", "管顶内底高程", "管顶(内底)高程",
    "管顶(底)高程", "管线点高程", "起点管线高程", "起点高程", "shigh",
)  # fmt: skip
"""Names of columns as `names.folded` leaves them; earlier ones win."""
MAX_ROWS = 2_000_000
"""Rows of one table, which is held in memory: several times the pipe points of a city of ten million."""
OTHER_END = "对端"
"""Put before the name of a column whose value is that of the row at the other end."""
_SAID = {
    "pipe.carried": ("续行没有点号，接上一行的点", "rows without a number continue the point above"),
    "pipe.both_ways": ("同一管段在两端各记一行或重复，只计一次", "lines listed twice were counted once"),
    "pipe.ends_differ": (
        "两端所记不一致，以前者为准",
        "values differ between both ends; the first counts",
    ),
}
_SEVERAL = re.compile(r"[,，、;；\s]+")
_DIGITS = re.compile(r"(\d+)")


class Combined(NamedTuple):
    """The columns that make a table a combined one; `depth` and `height` are the pipe's at the point."""

    point: str
    other: str
    x: str
    y: str
    depth: str | None
    height: str | None


class _Row(NamedTuple):
    """A connection: the position of its row, and the rows of the same line from the other end."""

    position: int
    start: str
    end: str
    back: int | None


def combined_columns(source: Source, options: ImportOptions) -> Combined | None:
    """The columns of a combined table; None if `source` is none."""
    if source.geometry_type is not None:
        return None
    place = place_columns(source, options)
    if place is None or place.x is None or place.y is None:
        return None
    said = {name: column for column, name in options.columns.items()}
    by_name = {folded(name): name for name in reversed(source.schema.names)}

    def first(names: Iterable[str], *fields: str) -> str | None:
        told = next((said[field] for field in fields if field in said), None)
        return told or next((by_name[name] for name in names if name in by_name), None)

    point, other = first(POINT_NAMES, "start_node", "code"), first(OTHER_NAMES, "end_node")
    if point is None or other is None:
        return None
    depth, height = first(DEPTH_NAMES, "start_depth_m"), first(HEIGHT_NAMES, "start_elevation_m")
    return Combined(point, other, place.x, place.y, depth, height)


def halves(
    sources: Iterable[Source], layers: Mapping[str, Layer], options: ImportOptions
) -> Iterator[Source]:
    """The sources, combined pipe tables as their points and their lines, anything else as it is."""
    for source in sources:
        said = options.of(source.title)
        columns = combined_columns(source, said)
        if columns is None or said.layer_id not in (None, NODE, LINE) or not {NODE, LINE} <= layers.keys():
            yield source
            continue
        if said.layer_id in (None, NODE):
            yield _points(source, columns, layers)
        if said.layer_id in (None, LINE):
            yield _lines(source, columns, layers)


def _points(source: Source, columns: Combined, layers: Mapping[str, Layer]) -> Source:
    """The points: every number once, with what the first row says, and later ones where that is silent."""
    theirs = {columns.other, columns.depth, columns.height}
    said = {columns.point: "code"}
    line_only = _only(source, layers[LINE], layers[NODE], said)
    names = [n for n in source.schema.names if n not in theirs and n not in line_only]
    note = Note(
        "pipe.combined",
        f"点线合一的成果表：点号“{columns.point}”，连接点号“{columns.other}”",
        f"points and lines in one table: {columns.point!r} connects to {columns.other!r}",
    )
    return replace(
        source,
        name=f"{source.name} 管点",
        schema=pa.schema([source.schema.field(n) for n in names]),
        read=partial(_read_points, source, columns, names),
        count=None,
        for_layer=NODE,
        said=said,
        notes=(*source.notes, note),
    )


def _lines(source: Source, columns: Combined, layers: Mapping[str, Layer]) -> Source:
    """The lines: every pair of numbers once, with depth and height at both ends."""
    said = {columns.point: "start_node", columns.other: "end_node"}
    point_only = _only(source, layers[NODE], layers[LINE], said)
    names = [n for n in source.schema.names if n not in (columns.x, columns.y) and n not in point_only]
    fields = [source.schema.field(n) for n in names]
    there = match(source, layers[LINE]).by_field
    mirrored: dict[str, str] = {}
    for column, start, end in (
        (columns.depth, "start_depth_m", "end_depth_m"),
        (columns.height, "start_elevation_m", "end_elevation_m"),
    ):
        if column is None:
            continue
        said[column] = start
        if end not in there:
            mirrored[column] = OTHER_END + column
            said[mirrored[column]] = end
            fields.append(pa.field(mirrored[column], source.schema.field(column).type))
    return replace(
        source,
        name=f"{source.name} 管线",
        schema=pa.schema(fields),
        read=partial(_read_lines, source, columns, names, mirrored),
        count=None,
        for_layer=LINE,
        said=said,
        notes=(),
    )


def _only(source: Source, layer: Layer, other: Layer, said: Mapping[str, str]) -> set[str]:
    """Columns that are fields of `layer` and not of `other`."""
    mine = set(match(source, layer).by_field.values())
    theirs = set(match(source, other).by_field.values())
    return mine - theirs - set(said)


# ---------------------------------------------------------------- rows


class _Table(NamedTuple):
    """The whole table: `points` and `others` are survey numbers, blank ones filled from the row above."""

    numbers: np.ndarray
    columns: dict[str, pa.Array]
    points: list[str | None]
    others: list[str | None]
    is_own: list[bool]
    """True where the row itself says the point's number."""
    troubles: tuple[Trouble, ...]
    mended: tuple[Note, ...]


def _table(source: Source, columns: Combined, names: Iterable[str]) -> _Table:
    wanted = list(dict.fromkeys([*names, columns.point, columns.other]))
    chunks = []
    rows = 0
    for chunk in source.read(CHUNK_ROWS):
        rows += len(chunk)
        if rows > MAX_ROWS:
            raise Unreadable(
                source.title,
                f"点线合一的成果表超过 {MAX_ROWS} 行；请分图幅或分管类导入",
                f"the combined table has more than {MAX_ROWS} rows; import it in parts",
                found=f"more than {MAX_ROWS} rows",
                expected=f"at most {MAX_ROWS}",
            )
        chunks.append(chunk)
    kept = [chunk for chunk in chunks if len(chunk)]
    whole = {n: _joined([chunk.columns[n] for chunk in kept]) for n in wanted} if kept else {}
    given = _numbers(whole.get(columns.point))
    filled: list[str | None] = []
    for number in given:
        filled.append(number if number is not None or not filled else filled[-1])
    return _Table(
        np.concatenate([chunk.rows for chunk in kept]) if kept else np.empty(0, np.int64),
        whole,
        filled,
        _numbers(whole.get(columns.other)),
        [number is not None for number in given],
        tuple(t for chunk in chunks for t in chunk.troubles),
        tuple(n for chunk in chunks for n in chunk.mended),
    )


def _joined(arrays: list[pa.Array]) -> pa.Array:
    """The chunks of a column as one array; text if a sheet gave them several types."""
    types = {array.type for array in arrays}
    if len(types) > 1:
        arrays = [array.cast(pa.string()) for array in arrays]
    return pa.concat_arrays(arrays)


def _numbers(array: pa.Array | None) -> list[str | None]:
    """Survey numbers as `importers.pipes` reads them."""
    if array is None:
        return []
    found: list[str | None] = coerce(array, "text", is_code=True).values.to_pylist()
    return [number or None for number in found]


def _read_points(source: Source, columns: Combined, names: list[str], count: int) -> Iterator[Chunk]:
    table = _table(source, columns, names)
    first: dict[str, int] = {}
    of_row = np.full(len(table.points), -1, dtype=np.int64)
    for position, (point, is_own) in enumerate(zip(table.points, table.is_own, strict=True)):
        if point is None:
            continue
        if point not in first and is_own:
            first[point] = position
        of_row[position] = first.get(point, -1)
    again = [i for i in range(len(of_row)) if of_row[i] >= 0 and of_row[i] != i]
    moved = _moved(table, columns, of_row, again)
    kept = sorted([*first.values(), *moved])
    filled = {n: _filled(table.columns[n], of_row, again, moved) for n in names} if kept else {}
    carried = sum(1 for own, point in zip(table.is_own, table.points, strict=True) if not own and point)
    notes = (Note("pipe.carried", *_SAID["pipe.carried"], carried),) if carried else ()
    yield from _chunks(table, kept, filled, count, notes)


def _moved(table: _Table, columns: Combined, of_row: np.ndarray, again: list[int]) -> list[int]:
    """Rows that repeat a point's number at another place, by more than a millimetre (or a micro-degree)."""
    if not again:
        return []
    x, y = (
        coerce(table.columns[name], "number").values.to_numpy(zero_copy_only=False)
        for name in (columns.x, columns.y)
    )
    here = np.array(again)
    least = 1e-6 if np.nanmax(np.abs(x), initial=0.0) <= 180 else 1e-3
    far = (np.abs(x[here] - x[of_row[here]]) > least) | (np.abs(y[here] - y[of_row[here]]) > least)
    return [int(i) for i in here[far]]


def _filled(array: pa.Array, of_row: np.ndarray, again: list[int], moved: list[int]) -> pa.Array:
    """A column in which the first row of a point has the first value any of its rows has."""
    values = array.to_pylist()
    elsewhere = set(moved)
    for position in again:
        at = of_row[position]
        if position not in elsewhere and values[at] in (None, "") and values[position] not in (None, ""):
            values[at] = values[position]
    return pa.array(values, array.type)


def _read_lines(
    source: Source, columns: Combined, names: list[str], mirrored: Mapping[str, str], count: int
) -> Iterator[Chunk]:
    table = _table(source, columns, names)
    kept, twice = _connections(table)
    positions = [row.position for row in kept]
    back = pa.array([row.back for row in kept], pa.int64())
    made: dict[str, pa.Array] = {}
    differing = 0
    for name in names if kept else ():
        array = table.columns[name]
        there, opposite = array.take(pa.array(positions, pa.int64())), array.take(back)
        if name in (columns.point, columns.other):
            made[name] = pa.array([row.start if name == columns.point else row.end for row in kept])
        elif name in mirrored:
            made[name], made[mirrored[name]] = there, opposite
        else:
            made[name], differ = _agreed(there, opposite)
            differing += differ
    notes = []
    if twice:
        words = (
            "同一管段在两端各记一行（或重复），只计一次",
            "lines listed from both ends or repeated, counted once",
        )
        notes.append(Note("pipe.both_ways", *words, twice))
    if differing:
        words = (
            "两端所记管段属性不一致，以前者为准",
            "attributes differ between the two ends; the first counts",
        )
        notes.append(Note("pipe.ends_differ", *words, differing))
    rows = table.numbers[np.array(positions, dtype=np.int64)] if kept else table.numbers[:0]
    for start in range(0, len(kept), count):
        part = slice(start, start + count)
        yield Chunk(
            rows[part], {n: a[part] for n, a in made.items()}, None, (), tuple(notes) if start == 0 else ()
        )


def _agreed(one: pa.Array, other: pa.Array) -> tuple[pa.Array, int]:
    """The values of one end, those of the other where it has none, and in how many rows they contradict."""
    empty = (None, "")
    mine, theirs = one.to_pylist(), other.to_pylist()
    differ = sum(1 for a, b in zip(mine, theirs, strict=True) if a not in empty and b not in (*empty, a))
    agreed = [b if a in empty else a for a, b in zip(mine, theirs, strict=True)]
    return pa.array(agreed, one.type), differ


def _connections(table: _Table) -> tuple[list[_Row], int]:
    """Each pair of points once, in the order of their numbers, and how many rows repeat one.

    A line that only one of its ends lists keeps the direction of that row.
    """
    known = {point for point in table.points if point is not None}
    rows: dict[tuple[str, str], _Row] = {}
    repeated = 0
    for position, (point, cell) in enumerate(zip(table.points, table.others, strict=True)):
        if point is None or cell is None:
            continue
        for other in [cell] if cell in known else [n for n in _SEVERAL.split(cell) if n]:
            pair = (point, other) if _in_order(point, other) else (other, point)
            standing = rows.get(pair)
            if standing is None:
                rows[pair] = _Row(position, point, other, None)
                continue
            repeated += 1
            if standing.back is None and (standing.start, standing.end) == (other, point):
                at = (standing.position, position)
                ahead, back = at if (other, point) == pair else reversed(at)
                rows[pair] = _Row(ahead, pair[0], pair[1], back)
    return list(rows.values()), repeated


def _in_order(one: str, other: str) -> bool:
    """True if `one` comes before `other` as people count: JS9 before JS10."""
    return _counted(one) <= _counted(other)


def _counted(number: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(number)]


def _chunks(
    table: _Table, kept: list[int], columns: Mapping[str, pa.Array], count: int, notes: tuple[Note, ...]
) -> Iterator[Chunk]:
    for start in range(0, max(len(kept), 1), count):
        at = kept[start : start + count]
        rows = table.numbers[np.array(at, dtype=np.int64)]
        is_first = start == 0
        yield Chunk(
            rows,
            {name: array.take(pa.array(at, pa.int64())) for name, array in columns.items()},
            None,
            table.troubles if is_first else (),
            (*table.mended, *notes) if is_first else (),
        )
