"""OGC API Tiles (20-057): which tile sets there are and how their squares lie.

The tiles themselves are `api.tile_path`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request

from api.answers import VARY, Json
from api.context import ContextDep, Language, LanguageDep, base_url
from api.layers import LayerId
from api.links import link, own_url
from api.session import ViewerDep
from api.tile_address import MEDIA_TYPE, matrix_set_called
from api.tile_selection import Chosen
from api.tilejson import DRAWN_TO_ZOOM
from gis.matrix_sets import MATRIX_SETS
from gis.own_matrix_sets import AnyMatrixSet, MatrixSets
from layers.access import Scope
from layers.model import BoundingBox, Layer
from layers.tile_fields import tile_fields

CONFORMS_TO = (
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tileset",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tilesets-list",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/dataset-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/geodata-selection",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/mvt",
    "http://www.opengis.net/spec/tms/2.0/conf/tilematrixset",
    "http://www.opengis.net/spec/tms/2.0/conf/json-tilematrixset",
)
REL = "http://www.opengis.net/def/rel/ogc/1.0"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
DIMENSIONS: Mapping[str, int] = {"Point": 0, "MultiLineString": 1, "MultiPolygon": 2}
SCHEMA_TYPES: Mapping[str, str] = {"integer": "integer", "number": "number", "boolean": "boolean"}
"""Of fields as they travel in tiles; all others are text."""

MatrixSetId = Annotated[
    str, Path(alias="tileMatrixSetId", description="瓦片矩阵集 Tile matrix set", examples=list(MATRIX_SETS))
]


async def json_only(
    f: Annotated[Literal["json"] | None, Query(description="只有 JSON  JSON only")] = None,
) -> None:
    """Clients of other servers send `f=json`; here it changes nothing."""


router = APIRouter(tags=["tiles"], prefix="/ogc", dependencies=[Depends(json_only)])


@router.get("/tileMatrixSets")
async def get_matrix_sets(request: Request, context: ContextDep, language: LanguageDep) -> Json:
    """The tile matrix sets in which tiles are drawn."""
    root = base_url(request)
    sets = [
        {
            "id": one.id,
            "title": _title(one, language),
            "crs": one.crs,
            **({} if one.uri is None else {"uri": one.uri}),
            "links": [link(f"{root}/ogc/tileMatrixSets/{one.id}", f"{REL}/tiling-scheme")],
        }
        for one in context.settings.matrix_sets.by_id.values()
    ]
    return told({"tileMatrixSets": sets, "links": [link(own_url(request), "self")]})


@router.get("/tileMatrixSets/{tileMatrixSetId}")
async def get_matrix_set(name: MatrixSetId, context: ContextDep, language: LanguageDep) -> Json:
    """One tile matrix set (OGC 17-083r4)."""
    found = matrix_set_called(name, context.settings.matrix_sets)
    return told(found.document(_title(found, language)))


@router.get("/tiles")
async def get_tile_sets(
    request: Request, context: ContextDep, viewer: ViewerDep, language: LanguageDep
) -> Json:
    """The tile sets of everything the caller may see, one for each matrix set."""
    chosen = await context.selections.choose_all(viewer)
    return told(
        _tile_sets(request, context.settings.matrix_sets, f"{base_url(request)}/ogc", chosen, language)
    )


@router.get("/tiles/{tileMatrixSetId}")
async def get_tile_set(
    request: Request,
    name: MatrixSetId,
    context: ContextDep,
    viewer: ViewerDep,
    language: LanguageDep,
    collections: Annotated[str | None, Query(description="图层标识，逗号分隔 Layer ids")] = None,
) -> Json:
    """The tile set of everything the caller may see, or of `collections`, in one matrix set."""
    if collections is None:
        chosen = await context.selections.choose_all(viewer)
    else:
        chosen = await context.selections.choose(viewer, collections)
    query = "" if collections is None else f"&collections={collections}"
    found = matrix_set_called(name, context.settings.matrix_sets)
    return told(_tile_set(request, f"{base_url(request)}/ogc", found, chosen, language, query))


@router.get("/collections/{layer_id}/tiles")
async def get_layer_tile_sets(
    request: Request, layer_id: LayerId, context: ContextDep, viewer: ViewerDep, language: LanguageDep
) -> Json:
    """The tile sets of one layer, one for each matrix set."""
    chosen = await context.selections.choose(viewer, layer_id)
    own = f"{base_url(request)}/ogc/collections/{layer_id}"
    return told(_tile_sets(request, context.settings.matrix_sets, own, chosen, language))


@router.get("/collections/{layer_id}/tiles/{tileMatrixSetId}")
async def get_layer_tile_set(
    request: Request,
    layer_id: LayerId,
    name: MatrixSetId,
    context: ContextDep,
    viewer: ViewerDep,
    language: LanguageDep,
) -> Json:
    """The tile set of one layer in one matrix set."""
    chosen = await context.selections.choose(viewer, layer_id)
    own = f"{base_url(request)}/ogc/collections/{layer_id}"
    return told(
        _tile_set(request, own, matrix_set_called(name, context.settings.matrix_sets), chosen, language)
    )


def _tile_sets(
    request: Request, sets: MatrixSets, own: str, chosen: Chosen, language: Language
) -> Mapping[str, Any]:
    title = _titles(chosen, language)
    return {
        "links": [link(own_url(request), "self")],
        "tilesets": [
            {
                "title": f"{title} · {one.id}",
                "dataType": "vector",
                "crs": one.crs,
                "tileMatrixSetURI": one.uri or scheme_url(request, one),
                "links": [
                    link(f"{own}/tiles/{one.id}", "self"),
                    link(scheme_url(request, one), f"{REL}/tiling-scheme"),
                ],
            }
            for one in sets.by_id.values()
        ],
    }


def _tile_set(
    request: Request, own: str, matrix_set: AnyMatrixSet, chosen: Chosen, language: Language, query: str = ""
) -> Mapping[str, Any]:
    """Metadata of a tile set (17-083r4 §8): where its tiles are, how far they reach, what they hold."""
    tiles = (
        f"{own}/tiles/{matrix_set.id}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f=mvt&v={chosen.token}{query}"
    )
    scheme = scheme_url(request, matrix_set)
    layers = [scope.layer for scope in chosen.selection.scopes]
    described: dict[str, Any] = {
        "title": f"{_titles(chosen, language)} · {matrix_set.id}",
        "dataType": "vector",
        "crs": matrix_set.crs,
        "tileMatrixSetURI": matrix_set.uri or scheme,
        "links": [
            link(own_url(request), "self"),
            link(scheme, f"{REL}/tiling-scheme"),
            {**link(tiles, "item", MEDIA_TYPE), "templated": True},
        ],
        "layers": [_layer(scope, matrix_set, language) for scope in chosen.selection.scopes],
    }
    bounds = _together([layer.reach for layer in layers if layer.reach is not None])
    if bounds is not None:
        described["boundingBox"] = box_document(bounds)
        described["tileMatrixSetLimits"] = limits_documents(matrix_set, bounds, _levels(layers, matrix_set))
    return described


def _layer(scope: Scope, matrix_set: AnyMatrixSet, language: Language) -> Mapping[str, Any]:
    layer = scope.layer
    levels = _levels([layer], matrix_set)
    described: dict[str, Any] = {
        "id": layer.id,
        "title": getattr(layer.title, language),
        "dataType": "vector",
        "minTileMatrix": str(levels[0]),
        "maxTileMatrix": str(levels[-1]),
        "propertiesSchema": {
            "type": "object",
            "properties": {
                field.name: {
                    "title": getattr(field.title, language),
                    "type": SCHEMA_TYPES.get(field.type, "string"),
                }
                for field in tile_fields(scope)
            },
        },
    }
    if layer.geometry_type in DIMENSIONS:
        described["geometryDimension"] = DIMENSIONS[layer.geometry_type]
    if layer.bounds is not None:
        described["boundingBox"] = box_document(layer.bounds)
    return described


def _levels(layers: Sequence[Layer], matrix_set: AnyMatrixSet) -> list[int]:
    """The zooms of the set at which something is drawn."""
    return matrix_set.levels_from(min(layer.min_zoom for layer in layers), DRAWN_TO_ZOOM)


def limits_documents(
    matrix_set: AnyMatrixSet, bounds: BoundingBox, levels: Sequence[int]
) -> list[Mapping[str, Any]]:
    """The tiles of each level that touch `bounds` (17-083r4 §8.2); a level without any is left out."""
    box = matrix_set.box(bounds)
    found = [(z, matrix_set.limits(box, z)) for z in levels]
    return [
        {
            "tileMatrix": str(z),
            "minTileRow": limits[2],
            "maxTileRow": limits[3],
            "minTileCol": limits[0],
            "maxTileCol": limits[1],
        }
        for z, limits in found
        if limits is not None
    ]


def box_document(bounds: BoundingBox) -> Mapping[str, Any]:
    """`bounds` as OGC writes a box, longitude first."""
    west, south, east, north = bounds
    return {"lowerLeft": [west, south], "upperRight": [east, north], "crs": CRS84}


def _together(boxes: Sequence[BoundingBox]) -> BoundingBox | None:
    if not boxes:
        return None
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return BoundingBox(min(wests), min(souths), max(easts), max(norths))


def scheme_url(request: Request, matrix_set: AnyMatrixSet) -> str:
    """Where the matrix set is described."""
    return f"{base_url(request)}/ogc/tileMatrixSets/{matrix_set.id}"


def _titles(chosen: Chosen, language: Language) -> str:
    return " + ".join(getattr(scope.layer.title, language) for scope in chosen.selection.scopes)


def _title(matrix_set: AnyMatrixSet, language: Language) -> str:
    return matrix_set.title_zh if language == "zh" else matrix_set.title_en


def told(content: object) -> Json:
    """A description as an answer, which depends on who asks and in which language."""
    return Json(content, headers={"Vary": VARY})
