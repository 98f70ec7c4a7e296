"""Rasters that wait for a person to publish them: their file is made, nobody sees it yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from layers.access import Viewer, require_change
from layers.catalogue import find_layer
from layers.db import Database
from layers.description import from_json, to_json
from layers.errors import Conflict
from layers.model import Layer, RasterFile, Version
from layers.publish import moved_on
from layers.raster_files import take_in
from layers.raster_json import raster_from_json, raster_to_json
from layers.rasters import publish_raster_in


@dataclass(frozen=True)
class StagedRaster:
    """A raster and what publishing it would do to version `base_version` of its layer.

    `file`: where it waits, relative to the folder of rasters; None where the layer has this very picture.
    `replaces`: the version whose picture of the same date it takes the place of.
    """

    layer: Layer
    raster: RasterFile
    file: str | None
    base_version: int
    replaces: int | None
    report: Mapping[str, Any]

    @property
    def is_empty(self) -> bool:
        """True if the layer has this very picture already."""
        return self.file is None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values, for the run's row."""
        box = list(self.raster.bounds)
        numbers = [0, 0, 0, 1] if self.is_empty else [int(not self.replaces), int(bool(self.replaces)), 0, 0]
        return {
            "kind": "raster",
            "layer": self.layer.id,
            "title": self.layer.title._asdict(),
            "file": self.file,
            "count": 1,
            "base_version": self.base_version,
            "difference": [*numbers, [] if self.is_empty else [box]],
            "description": to_json(self.layer),
            "raster": raster_to_json(self.raster),
            "replaces": self.replaces,
            "report": dict(self.report),
        }


def raster_from_run(told: Mapping[str, Any]) -> StagedRaster:
    """What `StagedRaster.to_json` wrote."""
    return StagedRaster(
        from_json(told["description"], where="onemap.import_run"),
        raster_from_json(told["raster"]),
        told["file"],
        told["base_version"],
        told["replaces"],
        told["report"],
    )


async def compare_raster(db: Database, staged: StagedRaster) -> StagedRaster:
    """The raster compared with its layer as it stands now."""
    async with db.connect() as connection:
        layer = await find_layer(connection, staged.layer.id)
    if layer is None:
        return replace(staged, base_version=0, replaces=None)
    same_date = [one for one in layer.rasters if one.taken == staged.raster.taken]
    if same_date and same_date[-1].name == staged.raster.name:
        return replace(staged, base_version=layer.version, replaces=None, file=None)
    return replace(staged, base_version=layer.version, replaces=same_date[-1].version if same_date else None)


async def publish_rasters_in(
    connection: AsyncConnection,
    rasters: list[StagedRaster],
    folder: Path | None,
    viewer: Viewer,
    *,
    seen: Mapping[str, int],
    note: str,
) -> list[Version]:
    """Publishes staged rasters in the transaction of `connection`: each the next version of its layer.

    Their layers have to be registered. Raises `Conflict` where a layer moved on from the version in `seen`
    or a file is gone, `NotAllowed` as `layers.access.require_change`.
    """
    made: list[Version] = []
    for layer_id in sorted({one.layer.id for one in rasters}):
        standing = await find_layer(connection, layer_id, for_update=True)
        assert standing is not None
        require_change(viewer, standing)
        if seen.get(layer_id) != standing.version:
            raise moved_on(standing, seen.get(layer_id))
        for one in rasters:
            if one.layer.id != layer_id or one.file is None:
                continue
            if folder is None:
                raise _gone(one)
            try:
                take_in(folder, one.file, one.raster.name)
            except FileNotFoundError as error:
                raise _gone(one) from error
            made.append(
                await publish_raster_in(
                    connection, layer_id, one.raster, by=viewer.name, note=note, report=one.report
                )
            )
    return made


def _gone(one: StagedRaster) -> Conflict:
    return Conflict(
        f"“{one.layer.title.zh}”{one.raster.taken} 的影像文件已不在服务器上，请重新读取",
        f"the file of {one.layer.id!r}, {one.raster.taken}, is gone from the server; read the import again",
        layer=one.layer.id,
    )
