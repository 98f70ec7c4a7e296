"""`/tiles/{layers}.json`: what a map client must know to ask for tiles, as TileJSON 3.0.0."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.answers import Json, is_known, kept_by, unchanged
from api.as_of import DATETIME_DESCRIPTION, as_of
from api.context import Context, ContextDep, LanguageDep, base_url
from api.filter_parameter import AskedFilterDep, filter_of, filter_query
from api.layers import argument_documents
from api.parameters import ARGUMENTS, FiltersDep
from api.picture_path import raster_token
from api.raster_parameters import LookDep
from api.session import ViewerDep
from api.tile_selection import narrowed
from gis.squares import MAX_LATITUDE
from layers.access import Scope, Viewer, scope_for
from layers.classes import COUNT_OF, COUNT_OF_OTHERS, titles_of_classes
from layers.errors import BadRequest
from layers.function_arguments import read_given, refuse_said
from layers.model import BoundingBox, Field, Layer, RasterFile, ServiceSource, Text
from layers.moments import AsOf
from layers.rasters import raster_scope
from layers.tile_fields import tile_fields
from tiles.raster_look import Format, read_look

router = APIRouter(tags=["tiles"])

DRAWN_TO_ZOOM = 18
"""A unit of its tiles is 4 cm: clients enlarge them further in, and ask for no more."""
ATTRIBUTION = Text("一张图", "One Map")
OTHERS = Text("其他类别的数量", "Rows of other classes")
COUNT = Text("代表的数量（远级别）", "Rows it stands for, where several are drawn as one")


@router.get("/tiles/{layers}.json", response_model=dict[str, object], openapi_extra=dict(ARGUMENTS))
async def get_tilejson(
    request: Request,
    layers: Annotated[str, Path(description="图层标识，逗号分隔 Layer ids, comma separated")],
    context: ContextDep,
    viewer: ViewerDep,
    language: LanguageDep,
    look: LookDep,
    where: AskedFilterDep,
    said: FiltersDep,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="版本 As of this version")] = None,
    moment: Annotated[
        str | None, Query(alias="datetime", max_length=100, description=DATETIME_DESCRIPTION)
    ] = None,
    form: Annotated[
        Format | None, Query(alias="format", description="栅格图片格式 Pictures of a raster: png, webp")
    ] = None,
) -> Response:
    """TileJSON of one or several layers drawn together, as they stand or as they stood, of one raster, or of
    one function layer: its `parameters` say what may be said to it, and in `tiles` `{name}` stands for what
    must be and was not."""
    then = as_of(version, moment) if form is None and not look else None
    known = context.catalogue.known(layers)
    if known is not None and known.service is not None:
        refuse_said((*said, *given(request, "version", "datetime", "filter", "format"), *look.items()))
        scope_for(viewer, known)
        told = service_tilejson(known, known.service, f"{base_url(request)}/services", language)
    elif known is not None and known.function is not None and then is not None:
        told = await _of_function(request, context, viewer, known, said, where, then, language)
    else:
        refuse_said(said)
        told = await _told(request, context, viewer, layers, look, where, version, moment, form, language)
    answer = Json(told)
    etag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    if is_known(request, etag):
        return unchanged(etag)
    answer.headers.update(kept_by(etag))
    return answer


async def _told(
    request: Request,
    context: Context,
    viewer: Viewer,
    layers: str,
    look: Mapping[str, str],
    where: tuple[str | None, str | None, str | None],
    version: int | None,
    moment: str | None,
    form: Format | None,
    language: str,
) -> dict[str, Any]:
    known = context.catalogue.known(layers)
    wanted = filter_of(*where)
    if known is not None and known.kind == "raster":
        if wanted is not None:
            raise BadRequest(
                "栅格图层没有要素，不能用 filter",
                "a raster layer has no rows to filter",
                field="filter",
                value=where[0],
                expected="a layer with rows",
            )
        _, raster = raster_scope(viewer, known, version=version, moment=moment)
        read_look(raster, look)
        said = {"v": raster_token(raster), "version": raster.version, **look}
        url = f"{base_url(request)}/tiles/{layers}/{{z}}/{{x}}/{{y}}.{form or 'png'}?{urlencode(said)}"
        return raster_tilejson(known, raster, url, language)
    for name, value in (*look.items(), ("format", form)):
        if value is not None:
            raise BadRequest(
                f"“{name}”只用于单个栅格图层",
                f"{name!r} is for one raster layer by itself",
                field=name,
                value=value,
                expected="one raster layer",
            )
    then = as_of(version, moment)
    chosen = narrowed(await context.selections.choose(viewer, layers, then), wanted)
    scopes = chosen.selection.scopes
    url = f"{base_url(request)}/tiles/{layers}/{{z}}/{{x}}/{{y}}.mvt?v={chosen.token}{_then(then)}"
    url += filter_query(*where)
    bounds = [await context.moments.bounds_at(scope.layer, scope.version) for scope in scopes]
    return tilejson(scopes, url, language, bounds)


async def _of_function(
    request: Request,
    context: Context,
    viewer: Viewer,
    layer: Layer,
    said: Sequence[tuple[str, str]],
    where: tuple[str | None, str | None, str | None],
    then: AsOf,
    language: str,
) -> dict[str, Any]:
    chosen = narrowed(await context.selections.choose(viewer, layer.id, then), filter_of(*where))
    function = layer.function
    assert function is not None
    given = {name for name, _ in read_given(function, said)}
    missing = [name for name in function.requires if name not in given]
    parts = [f"v={chosen.token}", *([urlencode(said)] if said else [])]
    parts += [f"{quote(name)}={{{name}}}" for name in missing]
    url = f"{base_url(request)}/tiles/{layer.id}/{{z}}/{{x}}/{{y}}.mvt?{'&'.join(parts)}"
    scopes = chosen.selection.scopes
    told = tilejson(scopes, url, language, [layer.reach])
    return {**told, "parameters": argument_documents(layer)}


def given(request: Request, *names: str) -> list[tuple[str, str]]:
    """Those of the query parameters `names` that were given."""
    return [(name, request.query_params[name]) for name in names if name in request.query_params]


def service_tilejson(layer: Layer, source: ServiceSource, root: str, language: str) -> dict[str, Any]:
    """TileJSON 3.0.0 of the layer of a service, whose squares are below `root`."""
    told: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": getattr(layer.title, language),
        "version": f"{layer.version}.0.0",
        "scheme": "xyz",
        "tiles": [f"{root}/{layer.id}/{{z}}/{{x}}/{{y}}?v={layer.version}"],
        "minzoom": layer.min_zoom,
        "maxzoom": layer.max_zoom,
        "attribution": source.attribution or getattr(ATTRIBUTION, language),
    }
    if source.form != "pictures":
        told["vector_layers"] = [{"id": part, "fields": {}} for part in source.parts or (layer.id,)]
    if layer.bounds is not None:
        told["bounds"] = list(layer.bounds)
    return told


def raster_tilejson(layer: Layer, raster: RasterFile, url: str, language: str) -> dict[str, Any]:
    """TileJSON 3.0.0 of one state of a raster layer, whose pictures are at `url`."""
    west, south, east, north = _together([raster.bounds]) or raster.bounds
    return {
        "tilejson": "3.0.0",
        "name": f"{getattr(layer.title, language)} {raster.taken}",
        "version": f"{raster.version}.0.0",
        "scheme": "xyz",
        "tiles": [url],
        "minzoom": layer.min_zoom,
        "maxzoom": layer.max_zoom,
        "attribution": getattr(ATTRIBUTION, language),
        "bounds": [west, south, east, north],
        "center": [(west + east) / 2, (south + north) / 2, min(max(layer.min_zoom, 13), layer.max_zoom)],
    }


def tilejson(
    scopes: Sequence[Scope], url: str, language: str, boxes: Sequence[BoundingBox | None]
) -> dict[str, Any]:
    """TileJSON 3.0.0 of `scopes` drawn together at `url`; titles in `language`; `boxes` hold their rows."""
    layers = [scope.layer for scope in scopes]
    least = min(layer.min_zoom for layer in layers)
    greatest = max(least, min(DRAWN_TO_ZOOM, max(layer.max_zoom for layer in layers)))
    told: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": " + ".join(getattr(layer.title, language) for layer in layers),
        "version": f"{sum(scope.version for scope in scopes)}.0.0",
        "scheme": "xyz",
        "tiles": [url],
        "minzoom": least,
        "maxzoom": greatest,
        "attribution": getattr(ATTRIBUTION, language),
        "vector_layers": [_vector_layer(scope, greatest, language) for scope in scopes],
    }
    bounds = _together([box for box in boxes if box is not None])
    if bounds is not None:
        told["bounds"] = list(bounds)
        if any(layer.is_read_where_it_is for layer in layers):
            # One may be drawn wherever its coordinate system serves; the middle is where rows are.
            bounds = _together([layer.bounds for layer in layers if layer.bounds is not None]) or bounds
        west, south, east, north = bounds
        told["center"] = [(west + east) / 2, (south + north) / 2, min(max(least, 13), greatest)]
    return told


def _then(as_of: AsOf) -> str:
    """What a tile's address adds to be drawn as of a version or a moment."""
    if as_of.version is not None:
        return f"&version={as_of.version}"
    return "" if as_of.moment is None else f"&datetime={quote(as_of.moment.isoformat())}"


def _vector_layer(scope: Scope, greatest: int, language: str) -> dict[str, Any]:
    layer = scope.layer
    fields = {field.name: _field(field, language) for field in tile_fields(scope)}
    if layer.generalised is not None:
        fields["_count"] = getattr(COUNT, language)
        fields |= {name: str(getattr(title, language)) for name, title in _class_counts(scope).items()}
    return {
        "id": layer.id,
        "description": getattr(layer.title, language),
        "minzoom": layer.min_zoom,
        "maxzoom": greatest,
        "geometry_type": layer.geometry_type,
        "fields": fields,
    }


def archive_layers(scopes: Sequence[Scope], zooms: range, language: str) -> list[dict[str, Any]]:
    """The layers as a file of tiles describes them: of each attribute its type (MBTiles 1.3, "Vector tileset
    metadata"; PMTiles 3, §5.1), by which other programs read it."""
    return [
        {
            "id": scope.layer.id,
            "description": getattr(scope.layer.title, language),
            "minzoom": max(scope.layer.min_zoom, zooms[0]),
            "maxzoom": zooms[-1],
            "fields": _attribute_types(scope),
        }
        for scope in scopes
    ]


def _attribute_types(scope: Scope) -> dict[str, str]:
    layer = scope.layer
    kinds = {"integer": "Number", "number": "Number", "boolean": "Boolean"}
    types = {} if layer.key is not None else {"_key": "String"}
    types |= {field.name: kinds.get(field.type, "String") for field in tile_fields(scope)}
    if layer.geometry_type in ("MultiPolygon", "Geometry"):
        types["_label"] = "Boolean"
    return (
        types
        if layer.generalised is None
        else types | dict.fromkeys(("_count", *_class_counts(scope)), "Number")
    )


def _class_counts(scope: Scope) -> dict[str, Text]:
    """The attributes in which a cluster of points tells the classes of its rows, and what they are called."""
    titles = titles_of_classes(scope)
    if not titles:
        return {}
    return {COUNT_OF + value: title for value, title in titles.items()} | {COUNT_OF_OTHERS: OTHERS}


def _field(field: Field, language: str) -> str:
    title = str(getattr(field.title, language)) or field.name
    return title if field.unit is None else f"{title} ({field.unit})"


def _together(boxes: Sequence[BoundingBox]) -> BoundingBox | None:
    """The box round `boxes`, within Web Mercator's latitudes; None if there are none."""
    if not boxes:
        return None
    wests, souths, easts, norths = zip(*boxes, strict=True)
    south, north = max(min(souths), -MAX_LATITUDE), min(max(norths), MAX_LATITUDE)
    return BoundingBox(min(wests), south, max(easts), north)
