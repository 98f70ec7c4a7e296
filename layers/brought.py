"""What an import brought and left staged for a person: rows of layers, readings, rasters; in the run's row.

Staged rows and readings are tables of the stage schema until they are published or dropped; staged rasters
are files, which are removed when no open import names them (`layers.raster_files`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from layers.db import Database
from layers.description import from_json, to_json
from layers.import_runs import Run
from layers.model import BoundingBox, Difference
from layers.stage import Staged, drop_stage
from layers.staged_rasters import StagedRaster, raster_from_run
from layers.staged_readings import ComparedReadings, compared_from_json


@dataclass(frozen=True)
class Compared:
    """A stage and what publishing it would do to version `base_version` of its layer.

    `report`: what the importer has to say of it, kept with the version it becomes.
    """

    staged: Staged
    base_version: int
    difference: Difference
    report: Mapping[str, Any]

    @property
    def is_new(self) -> bool:
        """Whether the layer has not been published yet."""
        return self.base_version == 0

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values, for the run's row."""
        return {
            "layer": self.staged.layer.id,
            "title": self.staged.layer.title._asdict(),
            "table": self.staged.table,
            "count": self.staged.count,
            "removes": list(self.staged.removes),
            "as_rows": self.staged.as_rows,
            "bounds": self.staged.bounds,
            "base_version": self.base_version,
            "difference": [*self.difference[:4], [list(box) for box in self.difference.boxes]],
            "description": to_json(self.staged.layer),
            "report": dict(self.report),
        }


class RasterPlace(NamedTuple):
    """The folder of rasters, and the import that makes files in it."""

    folder: Path
    run_id: uuid.UUID


@dataclass
class Brought:
    """Everything that one import has staged so far."""

    rows: list[Compared] = field(default_factory=list)
    readings: ComparedReadings | None = None
    rasters: list[StagedRaster] = field(default_factory=list)
    files: RasterPlace | None = None
    """Where files of rasters may be made; None: nowhere."""

    def __bool__(self) -> bool:
        return bool(self.rows or self.rasters) or self.readings is not None

    @property
    def is_unchanged(self) -> bool:
        """True if publishing it would change nothing."""
        return (
            all(one.difference.is_empty for one in self.rows)
            and all(one.is_empty for one in self.rasters)
            and (self.readings is None or self.readings.is_empty)
        )

    async def drop(self, db: Database) -> None:
        """Drops all of it; harmless for what has gone already."""
        async with db.begin() as connection:
            for one in self.rows:
                await drop_stage(connection, one.staged.table)
            if self.readings is not None:
                await drop_stage(connection, self.readings.table)
        for raster in self.rasters:
            if self.files is not None and raster.file is not None:
                (self.files.folder / raster.file).unlink(missing_ok=True)
        self.rows, self.readings, self.rasters = [], None, []

    def stage_of(self, layer_id: str) -> Staged | None:
        """The stage of a layer, if it has one."""
        return next((one.staged for one in self.rows if one.staged.layer.id == layer_id), None)


def brought_by(run: Run) -> Brought:
    """What the run has staged."""
    readings = [compared_from_json(told) for told in run.stages if told.get("kind") == "readings"]
    rasters = [raster_from_run(told) for told in run.stages if told.get("kind") == "raster"]
    return Brought(stages_of(run), readings[0] if readings else None, rasters)


def stages_of(run: Run) -> list[Compared]:
    """The rows of layers that the run has staged."""
    return [_compared(told) for told in run.stages if told.get("kind", "rows") == "rows"]


def _compared(told: Mapping[str, Any]) -> Compared:
    layer = from_json(told["description"], where="onemap.import_run")
    added, changed, removed, unchanged, boxes = told["difference"]
    return Compared(
        Staged(
            layer,
            told["table"],
            told["count"],
            tuple(told.get("removes", ())),
            bool(told.get("as_rows")),
            None if told.get("bounds") is None else tuple(told["bounds"]),
        ),
        told["base_version"],
        Difference(added, changed, removed, unchanged, tuple(BoundingBox(*box) for box in boxes)),
        told["report"],
    )
