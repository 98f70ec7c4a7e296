"""What answers say of the files of raster layers; models of the OpenAPI document, as `api.documents`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from layers.model import RasterFile, RasterMeaning


class RasterBandDocument(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str
    type: str
    least: float | None
    most: float | None


class RasterFileDocument(BaseModel):
    """One state of a raster layer."""

    model_config = ConfigDict(extra="forbid")

    version: int
    taken: str
    """A year, a month or a day: `2024`, `2024-05`, `2024-05-01`."""
    meaning: RasterMeaning
    width: int
    height: int
    pixel_m: float
    crs: str
    bands: list[RasterBandDocument]
    bounds: tuple[float, float, float, float]


class StagedRasterDocument(RasterFileDocument):
    """A raster that waits to be published; its `version` is 0."""

    replaces: int | None
    """The version whose picture of the same date it takes the place of."""
    size_bytes: int


def raster_document(raster: RasterFile) -> Mapping[str, Any]:
    """One state of a raster layer as it travels."""
    return {
        "version": raster.version,
        "taken": raster.taken,
        "meaning": raster.meaning,
        "width": raster.width,
        "height": raster.height,
        "pixel_m": raster.pixel_m,
        "crs": raster.crs,
        "bands": [
            {"title": band.title, "type": band.type, "least": band.least, "most": band.most}
            for band in raster.bands
        ],
        "bounds": list(raster.bounds),
    }
