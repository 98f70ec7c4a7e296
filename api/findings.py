"""What the quality check found in an import: page by page, on the map, and as a workbook. For publishers.

The worker wrote it down while it read the files; nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response

from api.answers import GeoJson, Json
from api.context import ContextDep
from api.documents import Document, TextDocument
from api.imports import ImportId
from api.session import PublisherDep
from layers import import_findings, import_runs
from layers.errors import NotFound
from layers.import_findings import MAX_LIMIT, MOST_PLACES, FindingsPage, KeptFinding, Severity
from layers.import_runs import Run

router = APIRouter(tags=["imports"], prefix="/api/v1")

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Rule = Annotated[str | None, Query(max_length=20, description="规则编号，如 GEO-05 Rule id")]
Layer = Annotated[str | None, Query(max_length=48, description="导入含多个图层时 Where it has several")]


class RuleDocument(Document):
    id: str
    title: TextDocument
    source: str
    """Standard and clause, or "One Map"."""


class FindingDocument(Document):
    number: int
    """Counts from 1 within the import; `next` is the last one of a page."""
    layer: str
    severity: Severity
    rule: RuleDocument
    file: str
    row: int | None
    """As a person counts it in `file`; null where no row is to blame."""
    key: str | None
    field: str | None
    value: str | None
    zh: str
    en: str
    geometry: dict[str, Any] | None


class FindingsDocument(Document):
    findings: list[FindingDocument]
    found: int
    """How many there are of what was asked for, kept or not."""
    left_out: int
    """How many of them were counted only."""
    next: str | None


class PlacedFindingDocument(Document):
    type: Literal["Feature"]
    id: int
    geometry: dict[str, Any]
    properties: dict[str, Any]


class PlacedFindingsDocument(Document):
    type: Literal["FeatureCollection"]
    features: list[PlacedFindingDocument]
    found: int
    left_out: int
    """How many are not among `features`: without a place, beyond `limit`, or counted only."""


@router.get("/imports/{import_id}/findings", response_model=FindingsDocument)
async def get_findings(
    import_id: ImportId,
    context: ContextDep,
    viewer: PublisherDep,
    rule: Rule = None,
    severity: Severity | None = None,
    layer: Layer = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="上一页的 next From the page before")] = 0,
) -> Json:
    """Findings of the quality check by layer, rule and row, the first of each rule (publishers)."""
    run = await import_runs.get_run(context.database, import_id, viewer)
    page = await import_findings.findings_of(
        context.database, import_id, layer=layer, rule=rule, severity=severity, limit=limit, after=after
    )
    rules = _rules(run)
    found = _found(run, layer, rule, severity)
    return Json(
        {
            "findings": [_document(number, finding, rules) for number, finding in page.findings],
            "found": found,
            "left_out": max(0, found - page.kept),
            "next": str(page.findings[-1][0]) if len(page.findings) == limit else None,
        }
    )


@router.get(
    "/imports/{import_id}/findings.geojson",
    response_model=PlacedFindingsDocument,
    responses={200: {"content": {"application/geo+json": {}}}},
)
async def get_findings_on_the_map(
    import_id: ImportId,
    context: ContextDep,
    viewer: PublisherDep,
    rule: Rule = None,
    severity: Severity | None = None,
    layer: Layer = None,
    limit: Annotated[int, Query(ge=1, le=MOST_PLACES)] = 5_000,
) -> GeoJson:
    """The first findings that have a place, as GeoJSON; `left_out`: how many more there are (publishers)."""
    run = await import_runs.get_run(context.database, import_id, viewer)
    page = await import_findings.placed_findings(
        context.database, import_id, layer=layer, rule=rule, severity=severity, limit=limit
    )
    return GeoJson(_collection(page, _found(run, layer, rule, severity), _rules(run)))


@router.get(
    "/imports/{import_id}/report.xlsx",
    response_class=Response,
    responses={200: {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def get_workbook(import_id: ImportId, context: ContextDep, viewer: PublisherDep) -> Response:
    """The whole report of the quality check as an Excel workbook (publishers)."""
    run = await import_runs.get_run(context.database, import_id, viewer)
    content = await import_findings.workbook_of(context.database, import_id)
    if content is None:
        raise NotFound(
            "该导入没有质检报告：尚未读完，或读取时未质检",
            "this import has no report of a quality check: it is not read yet, or was read without one",
            run=str(import_id),
            state=run.state,
        )
    name = quote(f"质检报告-{run.started_at:%Y%m%d-%H%M%S}.xlsx")
    return Response(
        content,
        media_type=XLSX,
        headers={
            "Content-Disposition": f"attachment; filename=\"report.xlsx\"; filename*=UTF-8''{name}",
            "Cache-Control": "private, no-cache",
        },
    )


def _checks(run: Run) -> list[Mapping[str, Any]]:
    return [report["check"] for report in run.report.get("reports", []) if report.get("check")]


def _rules(run: Run) -> dict[str, Mapping[str, Any]]:
    """What the run's reports say of each rule, by id."""
    return {rule["id"]: rule for check in _checks(run) for rule in check["rules"]}


def _found(run: Run, layer: str | None, rule: str | None, severity: Severity | None) -> int:
    return sum(
        told["found"]
        for check in _checks(run)
        if layer in (None, check["layer"])
        for told in check["rules"]
        if rule in (None, told["id"]) and severity in (None, told["severity"])
    )


def _rule(rule_id: str, rules: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    told = rules.get(rule_id, {})
    return {
        "id": rule_id,
        "title": told.get("title", {"zh": rule_id, "en": rule_id}),
        "source": told.get("source", ""),
    }


def _document(number: int, finding: KeptFinding, rules: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    geometry = None if finding.geometry is None else orjson.Fragment(finding.geometry)
    told = finding._asdict()
    return {**told, "number": number, "rule": _rule(finding.rule, rules), "geometry": geometry}


def _collection(page: FindingsPage, found: int, rules: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    features = []
    for number, finding in page.findings:
        told = finding._asdict()
        geometry = orjson.Fragment(told.pop("geometry"))
        properties = {**told, "rule": _rule(finding.rule, rules)}
        features.append({"type": "Feature", "id": number, "geometry": geometry, "properties": properties})
    return {
        "type": "FeatureCollection",
        "features": features,
        "found": found,
        "left_out": max(0, found - len(features)),
    }
