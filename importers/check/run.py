"""Files in, reports out: the quality check of what an import would bring, with nothing written anywhere.

The same rows on the same way as in an import, up to where they would be stored: what it says of a row is
what an import would say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import shapely

from importers.by_code import located
from importers.check.among import Among, asked
from importers.check.inspection import Inspection
from importers.check.model import DEFAULT, CheckOptions
from importers.check.report import CheckReport
from importers.deliver import plan_of
from importers.errors import EmptyFile
from importers.keys import SeenKeys
from importers.opening import opened
from importers.options import ImportOptions, Progress, Step, silent
from importers.pipes import LINE, NODE, Nodes, published_nodes
from importers.planning import Delivery, Part, plan
from importers.prepare import Arrived, Counted, prepared
from layers.catalogue import known_layers, list_layers
from layers.db import Database
from layers.mendings import MendOptions
from layers.model import Layer


async def check_files(
    db: Database,
    paths: Sequence[Path],
    options: ImportOptions | None = None,
    check_options: CheckOptions = DEFAULT,
    mending: MendOptions | None = None,
    progress: Progress | None = None,
) -> list[CheckReport]:
    """Looks at files and folders; one report per layer, in the order in which they would be delivered.

    Layers delivered together are looked at together: lines among the points of the same delivery, grids in
    the communities that come with them; otherwise among what is published. Raises a `BadFile` for a file
    that is wrong as a whole. Tables of readings and rasters are left out: they have no rows
    of a layer (`progress` hears `passed_over` for them).
    """
    options, progress = options or ImportOptions(), progress or silent
    loop = asyncio.get_running_loop()

    def tell(step: Step) -> None:
        loop.call_soon_threadsafe(progress, step)

    layers = {layer.id: layer for layer in await list_layers(db)} or {la.id: la for la in known_layers()}
    for path in paths:
        progress(Step(path.name, "opening", 0, None))
    opening = opened(
        [Path(p) for p in paths], options, lambda path: tell(Step(str(path), "passed_over", 0, None))
    )
    sources = await asyncio.to_thread(opening.__enter__)
    try:
        sources = [await located(db, source, layers, options) for source in sources]
        deliveries = await asyncio.to_thread(plan, sources, layers, options)
        for delivery in deliveries:
            for source, _ in delivery.readings:
                tell(Step(source.title, "passed_over", 0, None))
            if delivery.raster is not None:
                tell(Step(delivery.raster.source.title, "passed_over", 0, None))
        among = Among(
            layers,
            asked(options, check_options),
            mending or MendOptions(),
            lasting=True,
            within=options.within,
        )
        return await _Look(layers, options, among, tell).at(db, deliveries)
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)


@dataclass
class _Look:
    """One call of `check_files`."""

    layers: dict[str, Layer]
    options: ImportOptions
    among: Among
    progress: Progress
    nodes: Nodes = field(default_factory=Nodes)
    is_stopped: bool = False

    async def at(self, db: Database, deliveries: Sequence[Delivery]) -> list[CheckReport]:
        groups = [own for delivery in deliveries for own in delivery.by_layer().values()]
        lines = [part for own in groups for part in own if part.layer.id == LINE]
        bring_nodes = any(own[0].layer.id == NODE for own in groups)
        if any(part.needs_nodes for part in lines) and not bring_nodes and NODE in self.layers:
            self.nodes = await published_nodes(db, self.layers[NODE])
        reports = []
        for own in groups:
            layer = max((part.layer for part in own), key=lambda la: len(la.fields))
            inspection = await self.among.inspection(db, layer, lines)
            try:
                reports.append(await asyncio.to_thread(self._layer, layer, own, inspection))
            except asyncio.CancelledError:
                self.is_stopped = True  # a thread cannot be interrupted: it looks after every batch
                raise
            self.among.add(inspection)
        return reports

    def _layer(self, layer: Layer, parts: Sequence[Part], inspection: Inspection) -> CheckReport:
        seen = SeenKeys()
        for part in parts:
            self._read(part, layer, inspection, seen, part.source.title if len(parts) > 1 else "")
        return inspection.finish("、".join(part.source.title for part in parts))

    def _read(self, part: Part, layer: Layer, inspection: Inspection, seen: SeenKeys, file: str) -> None:
        """Looks at the rows of one table; raises `EmptyFile` if there are none."""
        counted = Counted()
        way = plan_of(part, layer, self.nodes, self.layers, self.options, inspection, [])._replace(file=file)
        for arrived in prepared(way, counted, seen):
            if layer.id == NODE:
                _add(self.nodes, arrived)
            self.progress(Step(part.source.title, "checking", counted.read, part.source.count))
            if self.is_stopped:
                raise asyncio.CancelledError
        title = part.source.title
        if counted.read == 0:
            raise EmptyFile(title, "没有数据行", "it holds no rows", found="0 rows", expected="rows")
        self.progress(Step(title, "checking", counted.read, counted.read))


def _add(nodes: Nodes, arrived: Arrived) -> None:
    """The points of a batch that would be stored."""
    kept = ~arrived.gone
    codes = [code for code, stays in zip(arrived.keys(), kept, strict=True) if stays]
    nodes.add(codes, shapely.get_coordinates(arrived.shapes[kept]))
