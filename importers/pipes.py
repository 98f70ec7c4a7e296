"""Pipe surveys: a table of points (管点表) and a table of lines (管线表) whose ends are those points.

CJJ 61-2017: a line names the survey numbers of its two points; its geometry is the straight line between.
Points come from the same delivery, or else from the published layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from gis.crs import CGCS2000, describe
from importers.coerce import coerce
from importers.errors import MissingPart
from importers.match import Matching
from importers.source import Chunk, Found, Geometries, Source, Trouble
from layers.access import SYSTEM, scope_for
from layers.db import Database
from layers.model import Layer
from layers.points import key_points
from layers.publish import Batch

NODE, LINE = "pipe_node", "pipe_line"


class Nodes:
    """Points by their survey number, in EPSG:4490; of two with one number the first counts."""

    def __init__(self) -> None:
        self._at: dict[str, int] = {}
        self._places: list[NDArray[np.float64]] = []
        self._count = 0
        self._all: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, codes: Sequence[str | None], places: NDArray[np.float64]) -> None:
        """Adds points: `places` (n, 2) longitude and latitude."""
        for position, code in enumerate(codes, start=self._count):
            if code is not None:
                self._at.setdefault(code, position)
        self._places.append(places)
        self._count += len(codes)
        self._all = None

    def add_batch(self, batch: Batch) -> None:
        """Adds the points of a batch that goes to be staged as `pipe_node`."""
        codes = batch.columns["code"]
        places = shapely.get_coordinates(shapely.from_wkb(batch.wkb))
        self.add(codes if isinstance(codes, list) else codes.to_pylist(), places)

    def positions(self, codes: Sequence[str | None]) -> NDArray[np.int64]:
        """Where each point stands, -1 for one that is not there."""
        return np.fromiter(
            (self._at.get(c, -1) if c is not None else -1 for c in codes), np.int64, len(codes)
        )

    def lines(self, start: NDArray[np.int64], end: NDArray[np.int64]) -> Geometries:
        """Straight lines between points by their positions."""
        if self._all is None:
            self._all = np.concatenate(self._places) if self._places else np.empty((0, 2))
        ends = np.stack([self._all[start], self._all[end]], axis=1)
        return np.asarray(shapely.linestrings(ends), dtype=object)


async def published_nodes(db: Database, layer: Layer) -> Nodes:
    """The points of the published layer `pipe_node`."""
    nodes = Nodes()
    if layer.version == 0:
        return nodes
    codes, places = await key_points(db, scope_for(SYSTEM, layer))
    nodes.add(codes, np.array(places, dtype=np.float64).reshape(-1, 2))
    return nodes


def lines_between(source: Source, matching: Matching, nodes: Nodes, origin: Found) -> Source:
    """The line table with its geometries. Lines of a missing point, or of one point twice, are troubles.

    Raises `MissingPart` if there are no points at all.
    """
    if not len(nodes):
        raise MissingPart(
            source.title,
            "管线表没有坐标，须与管点表一起导入（或先导入管点表）",
            "the line table has no coordinates; import it together with its point table, or that one first",
            found="a table of pipe lines",
            expected="a table of pipe points with their survey numbers",
        )
    start_column, end_column = matching.by_field["start_node"], matching.by_field["end_node"]

    def read(count: int) -> Iterator[Chunk]:
        for chunk in source.read(count):
            yield _with_lines(chunk, start_column, end_column, nodes) if len(chunk) else chunk

    return replace(
        source,
        read=read,
        geometry_type="LineString",
        crs=CGCS2000,
        crs_found=Found(describe(CGCS2000), origin.zh, origin.en),
    )


def _with_lines(chunk: Chunk, start_column: str, end_column: str, nodes: Nodes) -> Chunk:
    starts, ends = _codes(chunk.columns[start_column]), _codes(chunk.columns[end_column])
    start, end = nodes.positions(starts), nodes.positions(ends)
    known = (start >= 0) & (end >= 0)
    same = known & (start == end)
    troubles = [
        _no_node(int(chunk.rows[i]), *_named(starts[i], int(start[i]), ends[i], int(end[i])))
        for i in np.flatnonzero(~known)
    ]
    troubles += [
        Trouble(
            int(chunk.rows[i]),
            "pipe.same_ends",
            f"起点与终点都是“{starts[i]}”",
            f"both ends are the point {starts[i]!r}",
        )
        for i in np.flatnonzero(same)
    ]
    keep = known & ~same
    mask = pa.array(keep)
    columns = {name: array.filter(mask) for name, array in chunk.columns.items()}
    shapes = nodes.lines(start[keep], end[keep])
    return Chunk(chunk.rows[keep], columns, shapes, (*chunk.troubles, *troubles), chunk.mended)


def _codes(array: pa.Array) -> list[str | None]:
    """Survey numbers as the points' own are read."""
    found: list[str | None] = coerce(array, "text", is_code=True).values.to_pylist()
    return found


def _named(start: str | None, at_start: int, end: str | None, at_end: int) -> tuple[str, str]:
    """The missing ends, in both languages."""
    zh, en = [], []
    for title_zh, title_en, code, at in (("起点", "start", start, at_start), ("终点", "end", end, at_end)):
        if at < 0:
            zh.append(f"{title_zh}“{code}”" if code else f"{title_zh}（空）")
            en.append(f"{title_en} {code!r}" if code else f"{title_en} (empty)")
    return "、".join(zh), " and ".join(en)


def _no_node(row: int, zh: str, en: str) -> Trouble:
    return Trouble(row, "pipe.no_node", f"{zh}不在管点表中", f"{en} is not in the point table")
