"""What a raster layer says of one place: a height, a measured value, a colour."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import Json
from api.context import ContextDep
from api.documents import Document, PlaceDocument
from api.layers import LayerId, layer_called
from api.places import PlaceDep
from api.session import ViewerDep
from layers.model import RasterMeaning
from layers.rasters import raster_scope


class BandValueDocument(Document):
    band: str
    value: float | None


class RasterValueDocument(Document):
    layer: str
    version: int
    taken: str
    meaning: RasterMeaning
    place: PlaceDocument
    values: list[BandValueDocument]


router = APIRouter(tags=["queries"], prefix="/api/v1")

Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="版本 Of this version")]
Moment = Annotated[
    str | None,
    Query(
        alias="datetime", description="不晚于该日期的最新一期 The newest not taken after: 2024, 2024-05, …"
    ),
]


@router.get("/layers/{layer_id}/value", response_model=RasterValueDocument)
async def get_value(
    layer_id: LayerId,
    context: ContextDep,
    viewer: ViewerDep,
    place: PlaceDep,
    version: Version = None,
    moment: Moment = None,
) -> Json:
    """The value of each band of a raster layer at a place; null where the raster has nothing."""
    layer = await layer_called(context, layer_id)
    scope, raster = raster_scope(viewer, layer, version=version, moment=moment)
    found = await context.rasters.values(scope, raster, place.lon, place.lat)
    return Json(
        {
            "layer": layer.id,
            "version": raster.version,
            "taken": raster.taken,
            "meaning": raster.meaning,
            "place": {"lon": place.lon, "lat": place.lat},
            "values": [{"band": each.title, "value": each.value} for each in found],
        }
    )
