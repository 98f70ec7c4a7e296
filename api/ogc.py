"""The root of the OGC API: landing page, conformance, API definition, collections and their schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from api.answers import VARY, Json
from api.context import Context, ContextDep, Language, LanguageDep, base_url
from api.documents import (
    CollectionDocument,
    CollectionsDocument,
    ConformanceDocument,
    LandingPageDocument,
)
from api.filter_parameter import CONFORMS_TO as FILTERS_CONFORM_TO
from api.layers import LayerId, origin_documents, scope_of
from api.links import GEOJSON, SCHEMA_JSON, link, own_url
from api.ogc_parameters import CRS84, CRS_LIST, STORAGE_CRS, json_only
from api.ogc_tiles import CONFORMS_TO as TILES_CONFORM_TO
from api.ogc_tiles import REL
from api.output_systems import CrsDocument, address_of, offered, own_systems
from api.session import ViewerDep
from layers.access import Scope, Viewer, scopes_for
from layers.errors import NotFound
from layers.model import Field, Layer, Text

OPENAPI_JSON = "application/vnd.oai.openapi+json;version=3.1"

CONFORMS_TO = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables-query-parameters",
    "http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/schemas",
)
"""Only what is kept. Not oas30: our definition is OpenAPI 3.1."""

SCHEMA_TYPES: Mapping[str, Mapping[str, str]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}
GEOMETRY_FORMATS: Mapping[str, str] = {
    "Point": "geometry-point",
    "MultiLineString": "geometry-multilinestring",
    "MultiPolygon": "geometry-multipolygon",
    "Geometry": "geometry-any",
}


router = APIRouter(tags=["ogc"], prefix="/ogc", dependencies=[Depends(json_only)])


@router.get("", include_in_schema=False)
@router.get("/", response_model=LandingPageDocument)
async def get_landing_page(request: Request, language: LanguageDep) -> Json:
    """Where everything is."""
    root = base_url(request)
    return _told(
        {
            "title": "一张图" if language == "zh" else "One Map",
            "description": (
                "城市一张图的要素与瓦片服务" if language == "zh" else "Features and tiles of a whole city"
            ),
            "links": [
                link(own_url(request), "self"),
                link(f"{root}/ogc/api", "service-desc", OPENAPI_JSON),
                link(f"{root}/ogc/conformance", "conformance"),
                link(f"{root}/ogc/conformance", "http://www.opengis.net/def/rel/ogc/1.0/conformance"),
                link(f"{root}/ogc/collections", "data"),
                link(f"{root}/ogc/collections", "http://www.opengis.net/def/rel/ogc/1.0/data"),
                link(f"{root}/ogc/tiles", f"{REL}/tilesets-vector"),
                link(f"{root}/ogc/tileMatrixSets", f"{REL}/tiling-schemes"),
            ],
        }
    )


@router.get("/conformance", response_model=ConformanceDocument)
async def get_conformance() -> Json:
    """The conformance classes this service keeps."""
    return Json({"conformsTo": [*CONFORMS_TO, *FILTERS_CONFORM_TO, *TILES_CONFORM_TO]})


@router.get("/api")
async def get_definition(request: Request) -> Response:
    """The machine-readable description of every call (OpenAPI 3.1)."""
    return Json(request.app.openapi(), media_type=OPENAPI_JSON)


@router.get("/collections", response_model=CollectionsDocument)
async def get_collections(
    request: Request, context: ContextDep, viewer: ViewerDep, language: LanguageDep
) -> Json:
    """The layers the caller may see."""
    root = base_url(request)
    scopes = scopes_for(viewer, context.catalogue.layers())
    return _told(
        {
            "links": [link(own_url(request), "self")],
            "crs": list(CRS_LIST),
            "collections": [
                _collection(root, scope, language, _systems(root, context, viewer, scope)) for scope in scopes
            ],
        }
    )


@router.get("/collections/{layer_id}", response_model=CollectionDocument)
async def get_collection(
    request: Request, layer_id: LayerId, context: ContextDep, viewer: ViewerDep, language: LanguageDep
) -> Json:
    """One layer as a collection."""
    root, scope = base_url(request), await scope_of(context, viewer, layer_id)
    return _told(_collection(root, scope, language, _systems(root, context, viewer, scope)))


@router.get("/crs/{system:path}", response_model=CrsDocument)
async def get_crs(
    request: Request,
    system: Annotated[str, Path(max_length=300, description="gcj02、bd09 或 local/名称")],
    context: ContextDep,
    viewer: ViewerDep,
) -> Json:
    """What a coordinate system of this service's own is; its parameters are nobody's business."""
    found = own_systems(context, viewer).get(system)
    if found is None:
        raise NotFound(f"没有坐标系“{system[:80]}”", f"there is no system {system[:80]!r}", name=system[:200])
    return _told(
        {
            "id": address_of(base_url(request), found),
            "name": found.name,
            "title": found.title,
            "axes": ["longitude", "latitude"] if found.digits > 4 else ["easting", "northing"],
            "error_m": found.error_m,
        }
    )


@router.get("/collections/{layer_id}/queryables")
async def get_queryables(
    request: Request, layer_id: LayerId, context: ContextDep, viewer: ViewerDep, language: LanguageDep
) -> Json:
    """The fields items may be chosen by."""
    scope = await scope_of(context, viewer, layer_id)
    return _told({**_schema(request, scope, language), "additionalProperties": False}, SCHEMA_JSON)


@router.get("/collections/{layer_id}/schema")
async def get_schema(
    request: Request, layer_id: LayerId, context: ContextDep, viewer: ViewerDep, language: LanguageDep
) -> Json:
    """What a feature of the layer looks like."""
    scope = await scope_of(context, viewer, layer_id)
    return _told(_schema(request, scope, language), SCHEMA_JSON)


def _told(content: object, media_type: str | None = None) -> Json:
    return Json(content, media_type=media_type, headers={"Vary": VARY})


def _systems(root: str, context: Context, viewer: Viewer, scope: Scope) -> list[str]:
    """Addresses of the systems in which the viewer gets the items of a layer."""
    return list(offered(root, context, viewer, scope.layer.bounds))


def _collection(root: str, scope: Scope, language: Language, systems: Sequence[str]) -> Mapping[str, Any]:
    """A layer as a collection; one of pixels has no items, but tiles of maps (20-057 §10)."""
    layer = scope.layer
    own = f"{root}/ogc/collections/{layer.id}"
    of_rows = [
        link(f"{own}/items", "items", GEOJSON),
        link(f"{own}/queryables", "http://www.opengis.net/def/rel/ogc/1.0/queryables", SCHEMA_JSON),
        link(f"{own}/schema", "http://www.opengis.net/def/rel/ogc/1.0/schema", SCHEMA_JSON),
        link(f"{own}/tiles", f"{REL}/tilesets-vector"),
    ]
    told: dict[str, Any] = {
        "id": layer.id,
        "title": _in(layer.title, language),
        "description": _in(layer.description, language),
        **({"itemType": "feature"} if layer.has_rows else {}),
        "crs": list(systems),
        "storageCrs": STORAGE_CRS,
        "links": [
            link(own, "self"),
            *_contents(layer, own, of_rows),
            link(f"{root}/tiles/{layer.id}.json", "alternate", title="TileJSON"),
        ],
        "version": layer.version,
        "origins": origin_documents(layer.origins),
    }
    if layer.bounds is not None:
        told["extent"] = {"spatial": {"bbox": [list(layer.bounds)], "crs": CRS84}}
    return told


def _contents(layer: Layer, own: str, of_rows: list[Any]) -> list[Any]:
    """Links to what a collection has: items and tiles, tiles alone, or tiles of maps."""
    if layer.kind == "raster":
        return [link(f"{own}/map/tiles", f"{REL}/tilesets-map")]
    if layer.kind == "service":
        return []
    return of_rows if layer.has_rows else of_rows[-1:]


def _schema(request: Request, scope: Scope, language: Language) -> Mapping[str, Any]:
    """JSON Schema of a feature's properties and geometry (draft 2020-12; roles as in Part 5, 23-058r1)."""
    layer = scope.layer
    properties: dict[str, Any] = {
        field.name: _property(field, language) for field in layer.fields if field.name in scope.fields
    }
    if layer.key in properties:
        properties[layer.key]["x-ogc-role"] = "id"
    properties["geometry"] = {
        "format": GEOMETRY_FORMATS[layer.geometry_type],
        "x-ogc-role": "primary-geometry",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": str(own_url(request).replace(query="")),
        "type": "object",
        "title": _in(layer.title, language),
        "properties": properties,
    }


def _property(field: Field, language: Language) -> dict[str, Any]:
    told: dict[str, Any] = {"title": _in(field.title, language), **SCHEMA_TYPES[field.type]}
    if field.unit is not None:
        told["x-ogc-unit"] = field.unit
    if field.max_length is not None and field.type == "text":
        told["maxLength"] = field.max_length
    if field.codes is not None:
        told["x-codes"] = {code: _in(title, language) for code, title in field.codes.items()}
    if field.source is not None:
        told["description"] = field.source
    return told


def _in(title: Text, language: Language) -> str:
    return title.zh if language == "zh" else title.en
