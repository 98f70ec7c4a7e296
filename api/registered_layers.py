"""Layers that are a table or view of the operator's own: registered, looked at again, checked, forgotten.

Everything here is for admins: whoever registers a table decides what of the database is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.answers import Json, text
from api.context import ContextDep
from api.layers import LayerId, layer_called, layer_document
from api.registered_documents import CheckDocument, RegisteredDocument
from api.session import AdminDep
from layers import registered
from layers.access import Viewer, scope_for
from layers.model import AccessLevel, Sensitivity, Text
from layers.registration import Finding, Registered, Registration, named_table
from layers.relation import relation_of

router = APIRouter(tags=["layers"], prefix="/api/v1/registered-layers")

_Name = Annotated[str, Field(min_length=1, max_length=63)]
_Names = Annotated[list[_Name], Field(max_length=1000)]


class NewRegistration(BaseModel):
    """A table or view of this database, and the layer it becomes. What is left out is found out."""

    model_config = ConfigDict(extra="forbid", title="Registration")

    table: Annotated[
        str, Field(max_length=130, description="模式.表名，区分大小写 Schema.table, in their case")
    ]
    id: Annotated[str, Field(max_length=48, description="图层标识 Layer id")]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    title_en: Annotated[str | None, Field(max_length=200)] = None
    key: _Name | None = None
    geometry: _Name | None = None
    srid: Annotated[int | None, Field(ge=1, le=999_999)] = None
    type: Annotated[str | None, Field(max_length=20)] = None
    fields: _Names | None = None
    sensitive: dict[_Name, Sensitivity] = {}
    name_field: _Name | None = None
    search_fields: _Names = []
    district_field: _Name | None = None
    time_field: _Name | None = None
    zone: Annotated[str | None, Field(max_length=60)] = None
    access: AccessLevel = "login"
    theme: Annotated[str, Field(max_length=48)] = "other"
    owner: Annotated[str, Field(max_length=48)] = ""
    min_zoom: Annotated[int | None, Field(ge=0, le=22)] = None
    follow: Annotated[bool, Field(description="在表上建触发器 Make a trigger on the table")] = False
    dry_run: Annotated[bool, Field(description="只查看 Only look, register nothing")] = False


@router.post("", response_model=RegisteredDocument, status_code=201)
async def register_table(wanted: NewRegistration, context: ContextDep, viewer: AdminDep) -> Json:
    """Makes a table or view a layer, read where it is (admins). `dry_run`: only says so, with 200."""
    registration = _registration(wanted)
    if wanted.dry_run:
        found = await registered.look(context.database, registration)
        return Json(_document(found, viewer))
    found = await registered.register_table(context.database, registration, by=viewer.name)
    await context.catalogue.refresh()
    return Json(_document(found, viewer), status_code=201)


@router.get("/{layer_id}", response_model=CheckDocument)
async def check_table(layer_id: LayerId, context: ContextDep, viewer: AdminDep) -> Json:
    """What is wrong with the table of a registered layer, if anything is (admins)."""
    layer = await layer_called(context, layer_id)
    findings = await registered.check_registered(context.database, layer.id)
    return Json(
        {
            "is_ok": all(finding.kind != "fault" for finding in findings),
            "findings": [_finding(finding) for finding in findings],
        }
    )


@router.post("/{layer_id}/refresh", response_model=RegisteredDocument)
async def refresh_table(layer_id: LayerId, context: ContextDep, viewer: AdminDep) -> Json:
    """Looks at the table again and counts the version up, so that everybody's map is drawn anew (admins)."""
    layer = await layer_called(context, layer_id)
    found = await registered.refresh(context.database, layer.id)
    await context.catalogue.refresh()
    return Json(_document(found, viewer))


@router.delete("/{layer_id}", status_code=204, response_class=Response)
async def unregister_table(layer_id: LayerId, context: ContextDep, viewer: AdminDep) -> Response:
    """Forgets the layer; the table stays as it is (admins)."""
    layer = await layer_called(context, layer_id)
    await registered.unregister(context.database, layer.id, by=viewer.name)
    await context.catalogue.refresh()
    return Response(status_code=204)


def _registration(wanted: NewRegistration) -> Registration:
    schema, table = named_table(wanted.table)
    return Registration(
        schema=schema,
        table=table,
        id=wanted.id,
        title=Text(wanted.title, wanted.title_en or wanted.title),
        key=wanted.key,
        geometry=wanted.geometry,
        srid=wanted.srid,
        geometry_type=wanted.type,
        fields=None if wanted.fields is None else tuple(wanted.fields),
        sensitive=wanted.sensitive,
        name_field=wanted.name_field,
        search_fields=tuple(wanted.search_fields),
        district_field=wanted.district_field,
        time_field=wanted.time_field,
        zone=wanted.zone,
        access=wanted.access,
        theme=wanted.theme,
        owner=wanted.owner,
        min_zoom=wanted.min_zoom,
        follow=wanted.follow,
    )


def _document(found: Registered, viewer: Viewer) -> Mapping[str, Any]:
    relation = relation_of(found.layer)
    return {
        "layer": layer_document(scope_for(viewer, found.layer)),
        "table": relation.title,
        "srid": relation.srid,
        "follows": relation.follows,
        "findings": [_finding(finding) for finding in found.findings],
    }


def _finding(finding: Finding) -> Mapping[str, Any]:
    return {"kind": finding.kind, "sentence": text(finding.sentence), "sql": finding.sql}
