"""Mending: what the quality check found, put right where a person chose so. Counted, originals kept.

Each mending touches only rows that need it and is named by the rules it answers (`Rule.mend`). Batches may
be mended one by one; `tile` alone needs the whole layer and is left to `mend`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from gis.shapes import mend as made_valid
from gis.shapes import to_multi
from importers.check.attributes import PLACEHOLDERS, holds_code
from importers.check.mend_lines import snapped, turned
from importers.check.mend_report import MendReport, Original
from importers.check.mend_text import code_for, padded_grid, tidy
from importers.check.model import Geometries, Mask, Remark, Rows
from importers.check.plane import scale
from importers.check.portion import Portion, Texts
from importers.check.surroundings import NOTHING, Surroundings
from importers.check.tilings import PARENT
from layers.mendings import MENDINGS, Mending, MendOptions
from layers.model import Field, Layer


class Mender:
    """Mends batches of one layer; `report` grows on the way."""

    def __init__(self, layer: Layer, options: MendOptions, surroundings: Surroundings = NOTHING) -> None:
        self._layer = layer
        self._options = options
        self._surroundings = surroundings
        self.report = MendReport()

    def mend(self, rows: Rows) -> Rows:
        """The rows with every chosen mending but `tile` done."""
        for name in MENDINGS:
            step = _STEPS.get(name)
            if step is not None and name in self._options.chosen:
                rows = step(self, rows)
        return rows

    # ------------------------------------------------------------ values

    def _over_text(self, name: Mending, rows: Rows, change: Callable[[Field, str], str | None]) -> Rows:
        """Text columns with each distinct value replaced by what `change` makes of it."""
        columns = dict(rows.columns)
        portion = Portion(self._layer, rows)
        for found in self._layer.fields:
            if found.type != "text" or found.name not in columns:
                continue
            texts = portion.texts(found.name)
            old = texts.values.to_pylist()
            new = [change(found, value) for value in old]
            differ = np.array([a != b for a, b in zip(old, new, strict=True)], dtype=bool)
            if not differ.any():
                continue
            changed = texts.rows(differ)
            self._keep_values(name, portion, found.name, texts, changed)
            columns[found.name] = pa.array(texts.mapped(new), pa.string())
        return replace(rows, columns=columns)

    def text(self, rows: Rows) -> Rows:
        return self._over_text("text", rows, lambda f, v: tidy(v, is_code=holds_code(self._layer, f)))

    def placeholders(self, rows: Rows) -> Rows:
        return self._over_text(
            "placeholders", rows, lambda f, v: None if v.strip().lower() in PLACEHOLDERS else v
        )

    def codes(self, rows: Rows) -> Rows:
        return self._over_text("codes", rows, lambda f, v: code_for(f, v) if f.codes else v)

    def grid(self, rows: Rows) -> Rows:
        def padded(found: Field, value: str) -> str:
            is_grid = found.name == "grid_code" or (
                self._layer.id == "unit_grid" and found.name == self._layer.key
            )
            return padded_grid(value) if is_grid else value

        return self._over_text("grid", rows, padded)

    # ------------------------------------------------------------ shapes

    def valid(self, rows: Rows) -> Rows:
        """Shapes that cannot be mended stay as they are: they remain findings."""
        portion = Portion(self._layer, rows)
        broken = np.flatnonzero(portion.placed & ~portion.valid)
        mended, _ = made_valid(rows.geometry[broken])
        fitted = to_multi(mended, self._layer.geometry_type)
        done = ~shapely.is_missing(fitted)
        return self._with_shapes("valid", portion, broken[done], fitted[done])

    def vertices(self, rows: Rows) -> Rows:
        """Vertices drawn twice in a row become one."""
        portion = Portion(self._layer, rows)
        shapes = np.flatnonzero(portion.placed & (shapely.get_dimensions(rows.geometry) > 0))
        # GEOS keeps both ends of a line, however short the last step is
        fewer = np.asarray(shapely.remove_repeated_points(rows.geometry[shapes], 1e-9), dtype=object)
        done = shapely.get_num_coordinates(fewer) < shapely.get_num_coordinates(rows.geometry[shapes])
        return self._with_shapes("vertices", portion, shapes[done], fewer[done])

    def direction(self, rows: Rows) -> Rows:
        """Pipe segments drawn from end to start are turned round."""
        nodes = self._surroundings.get("pipe_node")
        if self._layer.id != "pipe_line" or nodes is None:
            return rows
        portion = Portion(self._layer, rows)
        wrong = turned(portion, nodes, self._options.snap_m)
        return self._with_shapes(
            "direction", portion, wrong, np.asarray(shapely.reverse(rows.geometry[wrong]), dtype=object)
        )

    def snap(self, rows: Rows) -> Rows:
        """Ends of pipe segments near the node they name are moved onto it."""
        nodes = self._surroundings.get("pipe_node")
        if self._layer.id != "pipe_line" or nodes is None:
            return rows
        portion = Portion(self._layer, rows)
        moved, shapes = snapped(portion, nodes, self._options.snap_m)
        return self._with_shapes("snap", portion, moved, shapes)

    def tile(self, rows: Rows) -> Rows:
        """Areas of the whole layer snapped to each other; overlaps and narrow gaps go to a neighbour."""
        if not tiles(self._layer):
            return rows
        portion = Portion(self._layer, rows)
        flat = np.flatnonzero(portion.areal)
        if not len(flat):
            return rows
        degree_m = float(scale(np.nanmean(portion.anchors[flat, 1])).north_m)
        cleaned: Geometries = shapely.coverage_clean(  # type: ignore[attr-defined]  # not in the stubs yet
            rows.geometry[flat],
            gap_width=self._options.gap_m / degree_m,
            snapping_distance=self._options.snap_m / degree_m,
        )
        kept = ~shapely.is_empty(cleaned) & ~shapely.equals_exact(
            shapely.normalize(cleaned), shapely.normalize(rows.geometry[flat]), 0.0
        )
        return self._with_shapes("tile", portion, flat[kept], to_multi(cleaned[kept], "MultiPolygon"))

    # ------------------------------------------------------------ counting

    def _with_shapes(
        self, name: Mending, portion: Portion, positions: np.ndarray[Any, Any], shapes: Geometries
    ) -> Rows:
        if not len(positions):
            return portion.rows
        self.note(name, portion, positions)
        geometry = portion.geometry.copy()
        geometry[positions] = shapes
        return replace(portion.rows, geometry=geometry, valid=None)

    def note(self, name: Mending, portion: Portion, positions: np.ndarray[Any, Any]) -> None:
        """Shapes of `portion` are mended: they are counted and the first of them kept."""
        for position in positions[: self._room(name)].tolist():
            wkb: bytes = shapely.to_wkb(portion.geometry[position])
            self._original(name, portion, position, None, None, wkb)
        if len(positions):
            self._count(name, len(positions))

    def note_values(self, name: Mending, portion: Portion, remark: Remark) -> None:
        """Values that were put right on reading are counted and the first of them kept."""
        positions = np.flatnonzero(remark.rows)
        for position in positions[: self._room(name)].tolist():
            before = remark.before[position].as_py()
            self._original(
                name, portion, position, remark.field, None if before is None else str(before), None
            )
        self._count(name, len(positions))

    def _keep_values(self, name: Mending, portion: Portion, column: str, texts: Texts, changed: Mask) -> None:
        positions = np.flatnonzero(changed)
        for position in positions[: self._room(name)].tolist():
            self._original(name, portion, position, column, texts.at(position), None)
        self._count(name, len(positions))

    def _room(self, name: Mending) -> int:
        return max(0, self._options.originals - len(self.report.originals.get(name, ())))

    def _count(self, name: Mending, times: int) -> None:
        self.report.counts[name] = self.report.counts.get(name, 0) + times

    def _original(
        self,
        name: Mending,
        portion: Portion,
        position: int,
        column: str | None,
        value: str | None,
        wkb: bytes | None,
    ) -> None:
        kept = self.report.originals.setdefault(name, [])
        row, key = portion.number(position), portion.key(position)
        kept.append(Original(name, row, key, column, value, wkb, portion.file(position)))


_STEPS: dict[str, Callable[[Mender, Rows], Rows]] = {
    "text": Mender.text,
    "placeholders": Mender.placeholders,
    "codes": Mender.codes,
    "grid": Mender.grid,
    "valid": Mender.valid,
    "vertices": Mender.vertices,
    "direction": Mender.direction,
    "snap": Mender.snap,
}


def tiles(layer: Layer) -> bool:
    """True for layers whose areas tile: those `tile` may mend."""
    return layer.id in (*PARENT, *PARENT.values())


def mend(
    layer: Layer, rows: Rows, options: MendOptions, surroundings: Surroundings = NOTHING
) -> tuple[Rows, MendReport]:
    """All rows of a layer mended, and what was done."""
    mender = Mender(layer, options, surroundings)
    rows = mender.mend(rows)
    if "tile" in options.chosen:
        rows = mender.tile(rows)
    return rows, mender.report
