"""OGC API Tiles (20-057) of raster layers: which sets of map tiles there are and how far they reach.

The pictures themselves are `api.picture_path`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request

from api.answers import Json
from api.context import ContextDep, Language, LanguageDep, base_url
from api.layers import LayerId, layer_called
from api.links import link, own_url
from api.ogc_tiles import REL, MatrixSetId, box_document, json_only, limits_documents, scheme_url, told
from api.picture_address import MEDIA_TYPES
from api.picture_path import raster_token
from api.session import ViewerDep
from api.tile_address import matrix_set_called
from gis.own_matrix_sets import AnyMatrixSet
from layers.model import Layer, RasterFile
from layers.rasters import raster_scope

router = APIRouter(tags=["tiles"], prefix="/ogc/collections", dependencies=[Depends(json_only)])


@router.get("/{layer_id}/map/tiles")
async def get_map_tile_sets(
    request: Request, layer_id: LayerId, context: ContextDep, viewer: ViewerDep, language: LanguageDep
) -> Json:
    """The sets of map tiles of a raster layer, one for each matrix set."""
    layer = await layer_called(context, layer_id)
    raster_scope(viewer, layer)
    own = f"{base_url(request)}/ogc/collections/{layer_id}/map/tiles"
    sets = [
        {
            "title": f"{getattr(layer.title, language)} · {one.id}",
            "dataType": "map",
            "crs": one.crs,
            "tileMatrixSetURI": one.uri or scheme_url(request, one),
            "links": [
                link(f"{own}/{one.id}", "self"),
                link(scheme_url(request, one), f"{REL}/tiling-scheme"),
            ],
        }
        for one in context.settings.matrix_sets.by_id.values()
    ]
    return told({"links": [link(own_url(request), "self")], "tilesets": sets})


@router.get("/{layer_id}/map/tiles/{tileMatrixSetId}")
async def get_map_tile_set(
    request: Request,
    layer_id: LayerId,
    name: MatrixSetId,
    context: ContextDep,
    viewer: ViewerDep,
    language: LanguageDep,
) -> Json:
    """The set of map tiles of a raster layer in one matrix set: its newest state."""
    layer = await layer_called(context, layer_id)
    _, raster = raster_scope(viewer, layer)
    return told(
        _tile_set(request, layer, raster, matrix_set_called(name, context.settings.matrix_sets), language)
    )


def _tile_set(
    request: Request, layer: Layer, raster: RasterFile, matrix_set: AnyMatrixSet, language: Language
) -> Mapping[str, Any]:
    own = f"{base_url(request)}/ogc/collections/{layer.id}/map/tiles/{matrix_set.id}"
    query = f"v={raster_token(raster)}&version={raster.version}"
    levels = matrix_set.levels_from(layer.min_zoom, layer.max_zoom)
    pictures = [
        {
            **link(f"{own}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f={form}&{query}", "item", media_type),
            "templated": True,
        }
        for form, media_type in MEDIA_TYPES.items()
    ]
    scheme = scheme_url(request, matrix_set)
    return {
        "title": f"{getattr(layer.title, language)} {raster.taken} · {matrix_set.id}",
        "dataType": "map",
        "crs": matrix_set.crs,
        "tileMatrixSetURI": matrix_set.uri or scheme,
        "links": [link(own_url(request), "self"), link(scheme, f"{REL}/tiling-scheme"), *pictures],
        "boundingBox": box_document(raster.bounds),
        "tileMatrixSetLimits": limits_documents(matrix_set, raster.bounds, levels),
    }
