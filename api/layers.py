"""The layers and themes a viewer may see, their versions, and what a publisher may do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from api.answers import Json, text
from api.as_of import require_one
from api.context import Context, ContextDep
from api.documents import LayerDocument, LayersDocument, ThemesDocument, VersionDocument, VersionsDocument
from api.raster_documents import raster_document
from api.session import PublisherDep, ViewerDep
from layers import publish
from layers.access import Scope, Viewer, require_change, require_whole, scopes_for
from layers.catalogue import versions
from layers.classes import counted_class, titles_of_classes
from layers.errors import NotFound
from layers.function_arguments import expected
from layers.model import LAYER_ID, Layer, Origin, Version
from layers.moments import NOW, AsOf
from layers.rasters import by_date
from themes.catalogue import themes_of

router = APIRouter(tags=["layers"], prefix="/api/v1")

LayerId = Annotated[str, Path(description="图层标识 Layer id", examples=["building"])]


@router.get("/layers", response_model=LayersDocument)
async def list_layers(context: ContextDep, viewer: ViewerDep) -> Json:
    """The layers the caller may see, with their fields."""
    scopes = scopes_for(viewer, context.catalogue.layers())
    return Json({"layers": [layer_document(scope) for scope in scopes]})


@router.get("/layers/{layer_id}", response_model=LayerDocument)
async def get_layer(layer_id: LayerId, context: ContextDep, viewer: ViewerDep) -> Json:
    """One layer."""
    return Json(layer_document(await scope_of(context, viewer, layer_id)))


@router.get("/layers/{layer_id}/versions", response_model=VersionsDocument)
async def list_versions(layer_id: LayerId, context: ContextDep, viewer: ViewerDep) -> Json:
    """The published versions of a layer, newest first."""
    scope = await scope_of(context, viewer, layer_id)
    found = await versions(context.database, scope.layer.id)
    return Json({"versions": [_version_document(version, viewer) for version in found]})


@router.get("/themes", response_model=ThemesDocument)
async def list_themes(context: ContextDep, viewer: ViewerDep) -> Json:
    """The themes with those of their layers the caller may see, in order."""
    visible = [scope.layer for scope in scopes_for(viewer, context.catalogue.layers())]
    return Json(
        {
            "themes": [
                {"id": theme.id, "title": text(theme.title), "icon": theme.icon, "layers": theme.layers}
                for theme in themes_of(visible)
            ]
        }
    )


class RollBack(BaseModel):
    """To which version."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=2**31 - 1, description="回退到的版本号 The version to go back to")]


@router.post("/layers/{layer_id}/rollback", response_model=VersionDocument)
async def roll_back(layer_id: LayerId, wanted: RollBack, context: ContextDep, viewer: PublisherDep) -> Json:
    """Publishes an earlier version's state as a new version (publishers of the layer).

    A publisher who is limited to districts may, where every row that would change lies in them.
    """
    layer = (await scope_of(context, viewer, layer_id)).layer
    districts = require_change(viewer, layer)
    version = await publish.roll_back(
        context.database, layer.id, wanted.version, by=viewer.name, districts=districts
    )
    return Json(_version_document(version, viewer))


@router.post("/layers/{layer_id}/withdraw", response_model=LayerDocument)
async def withdraw(layer_id: LayerId, context: ContextDep, viewer: PublisherDep) -> Json:
    """Hides a layer from everyone but publishers; its rows stay (publishers of the whole layer)."""
    layer = (await scope_of(context, viewer, layer_id)).layer
    require_whole(viewer, layer)
    await publish.withdraw(context.database, layer.id, by=viewer.name)
    return await _fresh(context, viewer, layer.id)


@router.post("/layers/{layer_id}/restore", response_model=LayerDocument)
async def restore(layer_id: LayerId, context: ContextDep, viewer: PublisherDep) -> Json:
    """Shows a withdrawn layer again (publishers of the whole layer)."""
    layer = (await scope_of(context, viewer, layer_id)).layer
    require_whole(viewer, layer)
    await publish.restore(context.database, layer.id, by=viewer.name)
    return await _fresh(context, viewer, layer.id)


async def layer_called(context: Context, layer_id: str) -> Layer:
    """The layer, or `NotFound`; what cannot be an id is not asked of the database."""
    if not LAYER_ID.fullmatch(layer_id):
        shown = layer_id[:60]
        raise NotFound(f"没有图层“{shown}”", f"there is no layer {shown!r}", layer=shown)
    return await context.catalogue.layer(layer_id)


async def scope_of(context: Context, viewer: Viewer, layer_id: str, as_of: AsOf = NOW) -> Scope:
    """What `viewer` may see of the layer as it stood; raises as `layers.moments.Moments.scope` does."""
    return await context.moments.scope(viewer, await layer_called(context, layer_id), as_of)


async def scopes_of(context: Context, viewer: Viewer, ids: str | None, as_of: AsOf = NOW) -> list[Scope]:
    """The scopes of the layers named in `ids`, separated by commas; where it is None, of all with rows that
    the viewer may see.

    A layer that is named and may not be seen, or did not stand then, is an error; one that is not named is
    left out in silence. Raises `BadRequest` for a version of several layers.
    """
    names = {} if ids is None else dict.fromkeys(name.strip() for name in ids.split(","))
    require_one(as_of, len(names))
    if ids is None:
        with_rows = [layer for layer in context.catalogue.layers() if layer.has_rows]
        return await context.moments.scopes(viewer, with_rows, as_of)
    return [await scope_of(context, viewer, name, as_of) for name in names]


def layer_document(scope: Scope) -> Mapping[str, Any]:
    """A layer as it travels, with the fields the viewer may see."""
    layer, counted = scope.layer, counted_class(scope)
    return {
        "id": layer.id,
        "title": text(layer.title),
        "theme": layer.theme,
        "geometry_type": layer.geometry_type,
        "kind": layer.kind,
        "version": layer.version,
        "feature_count": layer.feature_count if scope.districts is None and layer.function is None else None,
        "bounds": None if layer.bounds is None else list(layer.bounds),
        "min_zoom": layer.min_zoom,
        "max_zoom": layer.max_zoom,
        "access": layer.access,
        "status": layer.status,
        "known": layer.known,
        "owner": layer.owner,
        "key": layer.key,
        "name_field": layer.name_field,
        "class_field": None if counted is None else counted.name,
        "classes": {value: text(title) for value, title in titles_of_classes(scope).items()},
        "time_field": layer.time_field,
        "district_field": layer.district_field,
        "published_at": layer.published_at,
        "description": text(layer.description),
        "source": layer.source,
        "origins": origin_documents(layer.origins),
        "fields": [
            {
                "name": field.name,
                "title": text(field.title),
                "type": field.type,
                "unit": field.unit,
                "codes": None if field.codes is None else {c: text(t) for c, t in field.codes.items()},
                "sensitivity": field.sensitivity,
                "in_tiles": field.in_tiles,
            }
            for field in layer.fields
            if field.name in scope.fields
        ],
        "rasters": [raster_document(raster) for raster in by_date(layer)],
        "parameters": argument_documents(layer),
    }


def argument_documents(layer: Layer) -> list[Mapping[str, Any]]:
    """What may be said to a function layer; empty for all others."""
    if layer.function is None:
        return []
    return [
        {
            "name": argument.name,
            "type": argument.type,
            "required": argument.is_required,
            "least": argument.least,
            "most": argument.most,
            "choices": list(argument.choices),
            "expected": expected(argument),
        }
        for argument in layer.function.arguments
    ]


async def _fresh(context: Context, viewer: Viewer, layer_id: str) -> Json:
    """The layer after a change; this process need not wait for its own notice."""
    await context.catalogue.refresh()
    return Json(layer_document(await scope_of(context, viewer, layer_id)))


def _version_document(version: Version, viewer: Viewer) -> Mapping[str, Any]:
    """A version as it travels; who published it is told to people who say who they are."""
    return {
        "number": version.number,
        "published_at": version.published_at,
        "published_by": version.published_by if viewer.is_logged_in else None,
        "imported_by": version.report.get("imported_by") if viewer.is_logged_in else None,
        "sync": version.report.get("sync") if viewer.is_logged_in else None,
        "reviews": [
            step if viewer.is_logged_in else {**step, "by": None, "note": ""}
            for step in version.report.get("reviews", [])
        ],
        "rolled_back_to": version.report.get("rolled_back_to"),
        "added": version.added,
        "changed": version.changed,
        "removed": version.removed,
        "note": version.note,
        "boxes": [list(box) for box in version.boxes],
        "origins": origin_documents(version.origins),
    }


def origin_documents(origins: Sequence[Origin]) -> list[Mapping[str, Any]]:
    """How coordinates came to be, as it travels."""
    return [
        {
            "system": origin.system,
            "evidence": text(origin.evidence),
            "is_assumed": origin.is_assumed,
            "transform": text(origin.transform),
            "error_m": origin.error_m,
            "file": origin.file,
        }
        for origin in origins
    ]
