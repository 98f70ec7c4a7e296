"""What is here, what is nearest, what lies in this area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.answers import Json, as_geojson, text
from api.as_of import AsOfDep
from api.context import ContextDep
from api.documents import IdentifyDocument, NearFeaturesDocument, WithinDocument
from api.layers import LayerId, scope_of, scopes_of
from api.output_systems import AnswerIn, said_of, texts_in
from api.parameters import FILTERS, FiltersDep
from api.places import PlaceDep, geometry_of
from api.session import ViewerDep
from gis.crs import Frame
from gis.outgoing import Outgoing
from layers import query
from layers.features import Feature
from layers.model import Text
from layers.relation_state import answered_by_those_who_can

router = APIRouter(tags=["queries"], prefix="/api/v1")

LayerIds = Annotated[
    str | None,
    Query(description="图层，逗号分隔；缺省为全部可见图层 Layers, separated by commas; all without it"),
]


@router.get("/identify", response_model=IdentifyDocument)
async def identify(
    context: ContextDep,
    viewer: ViewerDep,
    place: PlaceDep,
    as_of: AsOfDep,
    out: AnswerIn,
    radius_m: Annotated[float, Query(ge=0, le=1000, description="搜索半径（米） Radius in metres")] = 10.0,
    layers: LayerIds = None,
    limit: Annotated[int, Query(ge=1, le=100, description="每层最多 At most, for each layer")] = 10,
) -> Json:
    """What is at a place, layer by layer, nearest first; an area that holds the place is at distance 0.

    `place` is in CGCS2000, geometries in `out_crs`.
    """
    scopes = await scopes_of(context, viewer, layers, as_of)
    found, unavailable = await answered_by_those_who_can(
        scopes,
        lambda able: query.identify(context.database, able, place.lon, place.lat, radius_m, limit),
    )
    stood = {scope.layer.id: scope.version for scope in scopes}
    return Json(
        {
            "place": {"lon": place.lon, "lat": place.lat},
            "layers": [
                {
                    "layer": here.layer.id,
                    "title": text(here.layer.title),
                    "version": stood[here.layer.id],
                    "features": _told(here.features, out),
                }
                for here in found
            ],
            "unavailable": unavailable,
        },
        headers=said_of(*out),
    )


@router.get("/layers/{layer_id}/nearest", response_model=NearFeaturesDocument, openapi_extra=dict(FILTERS))
async def nearest(
    layer_id: LayerId,
    context: ContextDep,
    viewer: ViewerDep,
    place: PlaceDep,
    filters: FiltersDep,
    as_of: AsOfDep,
    out: AnswerIn,
    limit: Annotated[int, Query(ge=1, le=1000)] = 5,
    max_distance_m: Annotated[
        float | None, Query(ge=0, le=20_000_000, description="最远距离（米） Farthest, in metres")
    ] = None,
) -> Json:
    """The features of a layer nearest to a place, by distance on the ellipsoid, of those that match."""
    scope = await scope_of(context, viewer, layer_id, as_of)
    found = await query.nearest(context.database, scope, place.lon, place.lat, limit, max_distance_m, filters)
    return Json(
        {
            "type": "FeatureCollection",
            "version": scope.version,
            "features": _told(found, out),
        },
        headers=said_of(*out),
    )


class Area(BaseModel):
    """An area to look in, and what to count there."""

    model_config = ConfigDict(extra="forbid", title="Area")

    geometry: Annotated[
        dict[str, Any], Field(description="GeoJSON Polygon / MultiPolygon，至多一万个顶点 of 10,000 vertices")
    ]
    count_by: Annotated[str | None, Field(max_length=200, description="按此字段计数 Count by this field")] = (
        None
    )
    limit: Annotated[int, Field(ge=0, le=1000, description="返回要素数 Features to return")] = 100
    crs: Frame = "cgcs2000"


@router.post("/layers/{layer_id}/within", response_model=WithinDocument)
async def within(
    layer_id: LayerId, area: Area, context: ContextDep, viewer: ViewerDep, as_of: AsOfDep, out: AnswerIn
) -> Json:
    """What of a layer lies in an area (its edge included): how many, how many of each value, the first."""
    geometry = geometry_of(area.geometry, frame=area.crs, allowed=("Polygon", "MultiPolygon"))
    scope = await scope_of(context, viewer, layer_id, as_of)
    found = await query.within(context.database, scope, geometry, area.count_by, area.limit)
    return Json(
        {
            "version": scope.version,
            "count": found.count,
            "counts": [
                {
                    "value": counted.value,
                    "title": text(counted.title or _plain_title(counted.value)),
                    "count": counted.count,
                }
                for counted in found.counts
            ],
            "features": _told(found.features, out),
        },
        headers=said_of(*out),
    )


def _told(features: Sequence[Feature], out: tuple[str, Outgoing]) -> list[dict[str, object]]:
    """The features with their geometry in the system asked for, easting or longitude first."""
    geometries = texts_in([feature.geometry for feature in features], out[1], own_order=False)
    return [as_geojson(replace(f, geometry=g)) for f, g in zip(features, geometries, strict=True)]


def _plain_title(value: object) -> Text:
    """What to call a value without a title in a code list: itself."""
    return Text("（空）", "(none)") if value is None or value == "" else Text(str(value), str(value))
