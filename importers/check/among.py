"""What layers are looked at among: those that are published, and what the same call brings of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import shapely

from importers.check.inspection import Inspection, joined
from importers.check.model import DEFAULT, CheckOptions, Rows
from importers.check.published import surroundings_of
from importers.check.surroundings import Places, Surroundings
from importers.derive import derive
from importers.options import ImportOptions
from importers.pipes import NODE
from importers.planning import Part
from importers.prepare import Arrived
from importers.report import Tally
from importers.source import CHUNK_ROWS
from layers.db import Database
from layers.mendings import MendOptions
from layers.model import Layer

_ASKED_ABOUT = frozenset(("district", "street", "community", "unit_grid", NODE))
"""Layers that others are looked at among: what a call brings of them stands for what is published."""
_WHERE = frozenset(("GEO-07", "GEO-17"))
"""Rules about the place of the city, not asked of rows that may be anywhere."""


def asked(options: ImportOptions, check_options: CheckOptions = DEFAULT) -> CheckOptions:
    """What the options of an import say about checking, added to the options of the check."""
    skip = check_options.skip | (_WHERE if options.anywhere else frozenset())
    partial = check_options.partial or options.partial or bool(options.within)
    return replace(check_options, skip=skip, partial=partial)


@dataclass
class Among:
    """One call's inspections, and the rows that came of them so far.

    `lasting`: nothing is published between the deliveries, so what they brought is kept until the end.
    """

    layers: dict[str, Layer]
    options: CheckOptions
    mending: MendOptions
    lasting: bool
    within: Sequence[str] = ()
    """Codes of the part of the city that the delivery replaces."""
    delivered: dict[str, Rows] = field(default_factory=dict)

    async def inspection(self, db: Database, layer: Layer, lines: Sequence[Part]) -> Inspection:
        """The inspection of a layer's rows; `lines`: the pipe lines that are delivered with it."""
        around = await surroundings_of(db, layer, partial=self.options.partial)
        for layer_id, rows in self.delivered.items():
            around = around.with_rows(self.layers[layer_id], rows, partial=self.options.partial)
        if self.within and layer.id in around:
            around = Surroundings({**around, layer.id: _beside(around[layer.id], self.within)})
        if layer.id == NODE and lines:
            around = await asyncio.to_thread(self._with_lines, around, lines)
        keeps = layer.id in _ASKED_ABOUT and (self.lasting or bool(lines))
        return Inspection(layer, around, self.options, self.mending, keeps=keeps)

    def add(self, inspection: Inspection) -> None:
        """Keeps what an inspection that is over has seen, where others are looked at among it."""
        rows = inspection.kept
        if rows is not None:
            self.delivered[inspection.layer.id] = rows

    def forget(self) -> None:
        """What was delivered so far is published now."""
        self.delivered.clear()

    def _with_lines(self, around: Surroundings, lines: Sequence[Part]) -> Surroundings:
        """The surroundings of points with the lines of the same delivery: their ends, without shapes."""
        tables = []
        for part in lines:
            for chunk in part.source.read(CHUNK_ROWS):
                if len(chunk):
                    arrived = Arrived(part.layer, chunk.rows, Tally())
                    arrived.match(chunk, part.matching)
                    tables.append(replace(arrived.rows(), remarks=()))
        if not tables:
            return around
        layer = lines[0].layer
        return around.with_rows(layer, _somewhere(layer, joined(tables)), partial=self.options.partial)


def _beside(places: Places, within: Sequence[str]) -> Places:
    """The places but for those whose codes say that they are replaced."""
    stay = np.array([not str(code).startswith(tuple(within)) for code in places.codes], dtype=bool)
    columns = {name: column.filter(pa.array(stay)) for name, column in places.columns.items()}
    return Places(places.codes[stay], places.geometry[stay], columns)


def _somewhere(layer: Layer, rows: Rows) -> Rows:
    """Segments with a code and a place each, so that they count as places; only their ends are asked for."""
    columns = dict(rows.columns)
    derive(layer, columns, rows.geometry)
    return replace(rows, columns=columns, geometry=np.full(len(rows), shapely.Point(0, 0), dtype=object))
