"""What answers say of the files of raster layers; models of the OpenAPI document, as `api.documents`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from layers.model import RasterMeaning


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
