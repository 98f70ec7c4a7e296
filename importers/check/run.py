"""Files in, reports out: the quality check of what an import would bring, with nothing written anywhere.

Uses the importer's own readers, recognition and matching, so a finding's row is the row an import would
name. `Inspection` is the same look from within an import: hand it each chunk on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely

from gis.crs import CGCS2000, CRS, Frame, reproject, to_cgcs2000
from importers.check.checker import Checker
from importers.check.mend import Mender, MendOptions, tiles
from importers.check.model import DEFAULT, CheckOptions, Geometries, Mask, Remark, Rows, Rule
from importers.check.pipe_lines import NO_NODE, NOWHERE
from importers.check.published import surroundings_of
from importers.check.remarks import LOST
from importers.check.report import CheckReport
from importers.check.surroundings import Surroundings
from importers.derive import derive, padded_grid_codes
from importers.errors import EmptyFile
from importers.geometry import SHIFTED
from importers.match import Matching, values
from importers.opening import opened
from importers.options import ImportOptions, Progress, Step, silent
from importers.pipes import LINE, NODE, Nodes, lines_between, published_nodes
from importers.planning import Delivery, Part, plan
from importers.rules import rule as import_rule
from importers.source import CHUNK_ROWS, Chunk, Found, Trouble
from layers.catalogue import known_layers, list_layers
from layers.db import Database
from layers.model import Layer

_TIDIED = frozenset(("text.trimmed", "text.width", "text.nul"))
_KEPT_THOUGH_WRONG = frozenset(("value.too_long",))
"""What reading calls wrong without taking the value away; the check has its own rule for it (ATT-05)."""
_TROUBLES: dict[str, Rule] = {"pipe.no_node": NO_NODE, "pipe.same_ends": NOWHERE}
_ASKED_ABOUT = frozenset(("district", "street", "community", "unit_grid", NODE))
"""Layers that others are looked at among: what a delivery brings of them stands for what is published."""
_OUTSIDE = "GEO-07"


@dataclass
class Inspection:
    """The look at one layer's rows on their way through an import: `look` at each chunk, then `finish`.

    Rows come matched and coerced, their geometry in EPSG:4490 but not yet made valid. With `mending`
    chosen, `look` hands back what is to be stored instead.
    """

    layer: Layer
    surroundings: Surroundings
    options: CheckOptions = DEFAULT
    mending: MendOptions = field(default_factory=MendOptions)
    tiled: Rows | None = None
    """After `finish`, where areas were tiled: all rows as they are to be stored."""

    def __post_init__(self) -> None:
        self._checker = Checker(self.layer, self.surroundings, self.options)
        self._mender = Mender(self.layer, self.mending, self.surroundings)
        self._waiting: list[Rows] | None = [] if "tile" in self.mending.chosen and tiles(self.layer) else None

    def look(self, rows: Rows) -> tuple[Rows, Mask]:
        """The rows, mended as chosen, and which of them have errors that show already.

        Where areas are to be tiled the whole layer is waited for: errors then show only in the report.
        """
        rows = self._mender.mend(rows)
        if self._waiting is not None:
            self._waiting.append(rows)
            return rows, np.zeros(len(rows), dtype=bool)
        return rows, self._checker.feed(rows)

    def lose(self, trouble: Trouble, file: str = "") -> None:
        """A row that the reader could not give."""
        rule = _TROUBLES.get(trouble.rule, LOST)
        self._checker.lost(trouble.row, trouble.zh, trouble.en, rule=rule, file=file)

    def finish(self, file: str = "") -> CheckReport:
        """The report over all rows."""
        if self._waiting:
            self.tiled = self._mender.tile(joined(self._waiting))
            self._checker.feed(self.tiled)
        report = self._checker.finish(file=file)
        return replace(report, mended=self._mender.report) if self.mending.chosen else report


def joined(parts: Sequence[Rows]) -> Rows:
    """Batches of one layer as one; a column that some lack is null there."""
    names = dict.fromkeys(name for part in parts for name in part.columns)
    kinds = {name: next(p.columns[name].type for p in parts if name in p.columns) for name in names}
    columns = {
        name: pa.chunked_array(
            [p.columns.get(name, pa.nulls(len(p), kind)) for p in parts], kind
        ).combine_chunks()
        for name, kind in kinds.items()
    }
    total = sum(map(len, parts))
    remarks: list[Remark] = []
    before = 0
    for part in parts:
        remarks += [_widened(remark, before, total) for remark in part.remarks]
        before += len(part)
    files = {part.file for part in parts}
    return Rows(
        np.concatenate([p.numbers for p in parts]),
        np.concatenate([p.geometry for p in parts]),
        columns,
        tuple(remarks),
        files.pop() if len(files) == 1 else "",
    )


def _widened(remark: Remark, before: int, total: int) -> Remark:
    """A remark on a batch as one on `total` rows, of which `before` come before the batch."""
    rows = np.zeros(total, dtype=bool)
    rows[before : before + len(remark.rows)] = remark.rows
    kind = remark.before.type
    after = total - before - len(remark.rows)
    values = pa.concat_arrays([pa.nulls(before, kind), remark.before, pa.nulls(after, kind)])
    return remark._replace(rows=rows, before=values)


async def check_files(
    db: Database,
    paths: Sequence[Path],
    options: ImportOptions | None = None,
    check_options: CheckOptions = DEFAULT,
    mending: MendOptions | None = None,
    progress: Progress | None = None,
) -> list[CheckReport]:
    """Looks at files and folders as an import would read them; one report per table, nothing written.

    Layers delivered together are looked at together: lines among the points of the same delivery, grids in
    the communities that come with them; otherwise among what is published. Raises a `BadFile` for a file
    that is wrong as a whole. Tables of readings are left out: they are no layer (`progress` hears
    `passed_over` for them).
    """
    options, progress = options or ImportOptions(), progress or silent
    loop = asyncio.get_running_loop()

    def tell(step: Step) -> None:
        loop.call_soon_threadsafe(progress, step)

    layers = {layer.id: layer for layer in await list_layers(db)} or {la.id: la for la in known_layers()}
    opening = opened([Path(p) for p in paths], options)
    sources = await asyncio.to_thread(opening.__enter__)
    try:
        deliveries = await asyncio.to_thread(plan, sources, layers, options)
        for delivery in deliveries:
            for source, _ in delivery.readings:
                tell(Step(source.title, "passed_over", 0, None))
        chosen = _chosen(options, check_options)
        look = _Look(layers, options, chosen, mending or MendOptions(), tell)
        return await look.at(db, deliveries)
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)


def _chosen(options: ImportOptions, check_options: CheckOptions) -> CheckOptions:
    """What the import options say about checking, added to the options of the check."""
    skip = check_options.skip | ({_OUTSIDE} if options.anywhere else set())
    return replace(check_options, skip=frozenset(skip), partial=check_options.partial or options.partial)


@dataclass
class _Look:
    """One call of `check_files`: what is delivered early is what later layers are looked at among."""

    layers: dict[str, Layer]
    options: ImportOptions
    check: CheckOptions
    mending: MendOptions
    progress: Progress
    delivered: dict[str, Rows] = field(default_factory=dict)

    async def at(self, db: Database, deliveries: Sequence[Delivery]) -> list[CheckReport]:
        groups = [own for delivery in deliveries for own in delivery.by_layer().values()]
        lines = [part for own in groups for part in own if part.layer.id == LINE]
        nodes = Nodes()
        if any(part.needs_nodes for part in lines) and not any(own[0].layer.id == NODE for own in groups):
            nodes = await published_nodes(db, self.layers[NODE]) if NODE in self.layers else nodes
        reports = []
        for own in groups:
            layer = max((part.layer for part in own), key=lambda la: len(la.fields))
            around = await surroundings_of(db, layer, partial=self.check.partial)
            for layer_id, rows in self.delivered.items():
                around = around.with_rows(self.layers[layer_id], rows, partial=self.check.partial)
            if layer.id == NODE:
                around = await asyncio.to_thread(self._with_lines, around, lines)
            reports.append(await asyncio.to_thread(self._layer, layer, own, around, nodes))
        return reports

    def _with_lines(self, around: Surroundings, lines: Sequence[Part]) -> Surroundings:
        """The surroundings of points with the lines of the same delivery: their ends, without shapes."""
        tables = [
            _table(part.layer, part.matching, chunk)
            for part in lines
            for chunk in part.source.read(CHUNK_ROWS)
            if len(chunk)
        ]
        if not tables:
            return around
        layer = lines[0].layer
        return around.with_rows(layer, _somewhere(layer, joined(tables)), partial=self.check.partial)

    def _layer(self, layer: Layer, parts: Sequence[Part], around: Surroundings, nodes: Nodes) -> CheckReport:
        inspection = Inspection(layer, around, self.check, self.mending)
        kept: list[Rows] = []
        for part in parts:
            file = part.source.title if len(parts) > 1 else ""
            for rows in self._read(part, layer, nodes, inspection, file):
                if layer.id == NODE:
                    nodes.add(_codes(rows, layer), _places(rows.geometry))
                if layer.id in _ASKED_ABOUT:
                    kept.append(rows)
        report = inspection.finish("、".join(part.source.title for part in parts))
        if kept:
            whole = inspection.tiled if inspection.tiled is not None else joined(kept)
            self.delivered[layer.id] = _valid(whole)
        return report

    def _read(
        self, part: Part, layer: Layer, nodes: Nodes, inspection: Inspection, file: str
    ) -> Iterator[Rows]:
        """The rows of one table as they were looked at; raises `EmptyFile` if there are none."""
        source = part.source
        if part.needs_nodes:
            origin = Found("", "端点取自管点", "ends taken from the pipe points")
            source = lines_between(source, part.matching, nodes, origin)
        assert source.crs is not None
        frame = None if part.needs_nodes else self.options.frame
        read = 0
        for chunk in source.read(CHUNK_ROWS):
            for trouble in chunk.troubles:
                inspection.lose(trouble, file)
            read += len(chunk) + len(chunk.troubles)
            if len(chunk):
                rows = rows_of(layer, part.matching, chunk, source.crs, frame)
                yield inspection.look(replace(rows, file=file))[0]
            self.progress(Step(source.title, "reading", read, source.count))
        if read == 0:
            raise EmptyFile(source.title, "没有数据行", "it holds no rows", found="0 rows", expected="rows")


def rows_of(layer: Layer, matching: Matching, chunk: Chunk, crs: CRS, frame: Frame | None = None) -> Rows:
    """A chunk of a file as rows of the layer: matched, coerced, in EPSG:4490, not mended."""
    rows = _table(layer, matching, chunk)
    assert chunk.geometry is not None
    shapes = _moved(chunk.geometry, crs, frame)
    columns = dict(rows.columns)
    finite = shapes.copy()
    coordinates, owner = shapely.get_coordinates(shapes, return_index=True)
    finite[owner[~np.isfinite(coordinates).all(axis=1)]] = None
    derive(layer, columns, finite)
    return replace(Rows.of(layer, shapes, columns, rows.numbers), remarks=rows.remarks)


def _table(layer: Layer, matching: Matching, chunk: Chunk) -> Rows:
    """The values of a chunk, without its geometry."""
    columns: dict[str, pa.Array] = {}
    remarks: list[Remark] = []
    for pair in matching.pairs:
        array, name = chunk.columns[pair.column], pair.field.name
        found = values(pair, array, is_key=name == layer.key)
        columns[name] = found.values
        for part in found.wrong:
            if part.rule not in _KEPT_THOUGH_WRONG:
                remarks.append(_remark("unread", name, part.rows, array, part.rule))
        for part in found.mended:
            kind = "tidied" if part.rule in _TIDIED else "rewritten"
            remarks.append(_remark(kind, name, part.rows, array, part.rule))
    if layer.id == "unit_grid" and layer.key in columns:
        codes, padded = padded_grid_codes(columns[layer.key])
        if padded.any():
            remarks.append(_remark("rewritten", layer.key, padded, columns[layer.key], "code.padded"))
        columns[layer.key] = codes
    nowhere = np.full(len(chunk), None, dtype=object)
    return replace(Rows.of(layer, nowhere, columns, chunk.rows), remarks=tuple(remarks))


def _remark(kind: str, name: str, rows: Mask, before: pa.Array, rule_id: str) -> Remark:
    known = import_rule(rule_id)
    assert kind in ("unread", "tidied", "rewritten")
    return Remark(kind, name, rows, before, known.zh, known.en)  # type: ignore[arg-type]


def _moved(shapes: Geometries, crs: CRS, frame: Frame | None) -> Geometries:
    """In EPSG:4490, longitude first; what cannot get there becomes None."""
    moved = shapes if crs == CGCS2000 else reproject(shapes, crs)
    if frame is None or frame not in SHIFTED:
        return moved
    return np.asarray(
        shapely.transform(moved, lambda c: np.column_stack(to_cgcs2000(c[:, 0], c[:, 1], frame))),
        dtype=object,
    )


def _somewhere(layer: Layer, rows: Rows) -> Rows:
    """Segments with a code and a place each, so that they count as places; only their ends are asked for."""
    columns = dict(rows.columns)
    derive(layer, columns, rows.geometry)
    return replace(rows, columns=columns, geometry=np.full(len(rows), shapely.Point(0, 0), dtype=object))


def _valid(rows: Rows) -> Rows:
    """The rows others may be looked at among: those with a valid shape."""
    kept = np.asarray(shapely.is_valid(rows.geometry))
    mask = pa.array(kept)
    columns = {name: array.filter(mask) for name, array in rows.columns.items()}
    return Rows(rows.numbers[kept], rows.geometry[kept], columns)


def _codes(rows: Rows, layer: Layer) -> list[str | None]:
    column = rows.columns.get(layer.key or "")
    found: list[str | None] = [None] * len(rows) if column is None else column.to_pylist()
    return found


def _places(geometry: Geometries) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(n, 2) longitude and latitude of points; NaN for what is none."""
    return np.column_stack([shapely.get_x(geometry), shapely.get_y(geometry)])
