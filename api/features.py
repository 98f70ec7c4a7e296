"""Items of collections: OGC API – Features Part 1 (17-069r4), and Part 2 (18-058r1) for `crs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from api.answers import GeoJson, as_geojson, is_known, kept_by, unchanged, version_etag
from api.as_of import AsOfDep
from api.context import ContextDep, base_url
from api.documents import FeatureDocument, FeaturesDocument
from api.filter_parameter import AskedFilterDep, filter_of
from api.layers import LayerId, scope_of
from api.links import GEOJSON, link, own_url
from api.ogc_parameters import CRS84, json_only, parse_bbox
from api.output_systems import PLAIN, chosen, offered, said_of, texts_in
from api.parameters import FILTERS, FiltersDep
from api.session import ViewerDep
from gis.outgoing import Outgoing
from layers import query
from layers.query import Feature, FeatureQuery

router = APIRouter(tags=["features"], prefix="/ogc/collections/{layer_id}", dependencies=[Depends(json_only)])

DEFAULT_LIMIT = 10
MAX_LIMIT = 10_000
"""More is cut to this, as Part 1 §7.15.2 allows."""


async def systems_of(
    request: Request, layer_id: LayerId, context: ContextDep, viewer: ViewerDep
) -> dict[str, Outgoing]:
    """The systems in which the caller may name and get places of the layer; raises as `scope_of` does."""
    scope = await scope_of(context, viewer, layer_id)
    return offered(base_url(request), context, viewer, scope.layer.bounds)


SystemsDep = Annotated[dict[str, Outgoing], Depends(systems_of)]


async def selection(
    filters: FiltersDep,
    asked: AskedFilterDep,
    systems: SystemsDep,
    bbox: Annotated[
        str | None, Query(description="西,南,东,北 west,south,east,north", examples=["116.4,31.7,116.6,31.8"])
    ] = None,
    bbox_crs: Annotated[str, Query(alias="bbox-crs")] = CRS84,
    limit: Annotated[int, Query(ge=1, description=f"至多 {MAX_LIMIT} at most")] = DEFAULT_LIMIT,
    after: Annotated[str | None, Query(max_length=100, description="下一页游标 From a `next` link")] = None,
    count: Annotated[bool, Query(description="总是计算 numberMatched  Always count what matches")] = False,
) -> FeatureQuery:
    """The parameters that choose items. Raises `BadRequest` for a box, a system or a filter that is none."""
    address, system = chosen(bbox_crs, "bbox-crs", systems)
    return FeatureQuery(
        bbox=None if bbox is None else parse_bbox(bbox, address, system),
        filters=filters,
        limit=min(limit, MAX_LIMIT),
        after=after,
        with_count=count,
        where=filter_of(*asked),
    )


CrsParameter = Annotated[str, Query(description="坐标系 Coordinate reference system of the answer")]


@router.get("/items", response_class=GeoJson, response_model=FeaturesDocument, openapi_extra=dict(FILTERS))
async def get_items(
    request: Request,
    layer_id: LayerId,
    context: ContextDep,
    viewer: ViewerDep,
    as_of: AsOfDep,
    wanted: Annotated[FeatureQuery, Depends(selection)],
    systems: SystemsDep,
    crs: CrsParameter = CRS84,
) -> Response:
    """Features of a layer: in a box, as of a moment, by values or CQL2; page by page through `next` links.

    `numberMatched` is given where it costs nothing (nothing chosen) or `count=true` asks for it.
    """
    scope = await scope_of(context, viewer, layer_id, as_of)
    address, system = chosen(crs, "crs", systems)
    etag = version_etag(request, scope)
    if is_known(request, etag):
        return unchanged(etag)
    page = await query.features(context.database, scope, wanted)
    collection = f"{base_url(request)}/ogc/collections/{scope.layer.id}"
    links = [link(own_url(request), "self", GEOJSON), link(collection, "collection")]
    if page.next is not None:
        links.append(link(own_url(request).include_query_params(after=page.next), "next", GEOJSON))
    answer: dict[str, Any] = {
        "type": "FeatureCollection",
        "timeStamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "numberReturned": len(page.features),
        "version": scope.version,
        "links": links,
        "features": [as_geojson(feature) for feature in _moved(page.features, system)],
    }
    if page.matched is not None:
        answer["numberMatched"] = page.matched
    return GeoJson(answer, headers={**kept_by(etag), **said_of(address, system)})


@router.get("/items/{key:path}", response_class=GeoJson, response_model=FeatureDocument)
async def get_item(
    request: Request,
    layer_id: LayerId,
    key: Annotated[str, Path(description="要素的业务主键 The feature's business key")],
    context: ContextDep,
    viewer: ViewerDep,
    as_of: AsOfDep,
    systems: SystemsDep,
    crs: CrsParameter = CRS84,
) -> Response:
    """One feature by its business key; its `ETag` changes with the version of the layer."""
    scope = await scope_of(context, viewer, layer_id, as_of)
    address, system = chosen(crs, "crs", systems)
    etag = version_etag(request, scope)
    found = await query.feature(context.database, scope, key)
    if is_known(request, etag):
        return unchanged(etag)
    collection = f"{base_url(request)}/ogc/collections/{scope.layer.id}"
    answer = as_geojson(_moved([found], system)[0])
    answer["links"] = [
        link(own_url(request), "self", GEOJSON),
        link(collection, "collection"),
    ]
    answer["version"] = scope.version
    return GeoJson(answer, headers={**kept_by(etag), **said_of(address, system)})


def _moved(features: Sequence[Feature], system: Outgoing) -> Sequence[Feature]:
    """The features with their geometry in `system` and its own order of axes."""
    if system is PLAIN:
        return features
    geometries = texts_in([feature.geometry for feature in features], system, own_order=True)
    return [replace(f, geometry=g) for f, g in zip(features, geometries, strict=True)]
