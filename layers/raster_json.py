"""A raster layer's files as the catalogue keeps them: JSON ↔ `RasterFile`. Pure: no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from layers.model import BoundingBox, RasterBand, RasterFile


def raster_to_json(raster: RasterFile) -> dict[str, Any]:
    """What `raster_from_json` reads back as an equal value."""
    told = {field.name: getattr(raster, field.name) for field in fields(RasterFile)}
    told["bands"] = [band._asdict() for band in raster.bands]
    told["bounds"] = list(raster.bounds)
    return told


def raster_from_json(told: Mapping[str, Any]) -> RasterFile:
    """The file that `told` describes."""
    values = dict(told)
    values["bands"] = tuple(RasterBand(**band) for band in told["bands"])
    values["bounds"] = BoundingBox(*told["bounds"])
    return RasterFile(**values)
