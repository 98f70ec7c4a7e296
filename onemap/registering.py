"""Registered tables on the command line: a table or view of the operator's own becomes a layer, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast, get_args

from layers import registered
from layers.errors import BadRequest
from layers.model import Sensitivity
from layers.registration import Finding, Registered, Registration
from layers.relation import relation_of
from onemap.administration import OPERATOR, with_database
from onemap.settings import Settings
from onemap.terminal import language, out, say

_MARKS: Mapping[str, str] = {"found": "·", "left out": "−", "warning": "!", "fault": "✗"}


def register(settings: Settings, wanted: Registration, *, dry_run: bool) -> None:
    """Registers a table, or only says what would be found. Raises as `layers.registered.register_table`."""
    if dry_run:
        found = with_database(settings, lambda db: registered.look(db, wanted))
        _print_layer(found)
        out.print(say("仅查看，未登记", "looked at only; nothing was registered"))
        return
    found = with_database(settings, lambda db: registered.register_table(db, wanted, by=OPERATOR))
    _print_layer(found)
    out.print(
        say(
            f"已登记为图层 {found.layer.id}，权限 {found.layer.access}",
            f"registered as layer {found.layer.id}, access {found.layer.access}",
        )
    )


def refresh(settings: Settings, layer_id: str) -> None:
    """Looks at the table again; everybody's map is drawn anew."""
    found = with_database(settings, lambda db: registered.refresh(db, layer_id))
    _print_layer(found)
    out.print(say(f"现为版本 {found.layer.version}", f"at version {found.layer.version} now"))


def check(settings: Settings, layer_id: str) -> bool:
    """Prints what is wrong with the table; True if it can be served."""
    findings = with_database(settings, lambda db: registered.check_registered(db, layer_id))
    _print_findings(findings)
    is_fine = all(finding.kind != "fault" for finding in findings)
    if is_fine:
        out.print(say(f"{layer_id} 可以提供服务", f"{layer_id} can be served"))
    return is_fine


def unregister(settings: Settings, layer_id: str) -> None:
    """Forgets the layer, never the table."""
    with_database(settings, lambda db: registered.unregister(db, layer_id, by=OPERATOR))
    out.print(
        say(
            f"{layer_id} 已不再是图层；数据表没有改动",
            f"{layer_id} is no layer any more; its table is untouched",
        )
    )


def sensitivities(said: Sequence[str]) -> dict[str, Sensitivity]:
    """`field=internal` and the like as a mapping. Raises `BadRequest`."""
    levels = get_args(Sensitivity)
    told: dict[str, Sensitivity] = {}
    for text in said:
        name, _, level = text.rpartition("=")
        if not name or level not in levels:
            raise BadRequest(
                f"“{text}”应为 字段=级别",
                f"{text!r} should be field=level",
                field="sensitive",
                value=text,
                expected=f"field=level with a level of {', '.join(levels)}",
            )
        told[name] = cast(Sensitivity, level)
    return told


def _print_layer(found: Registered) -> None:
    layer, relation = found.layer, relation_of(found.layer)
    about = say("约 ", "about ") if relation.is_estimate else ""
    out.print(
        f"{relation.title} → {layer.id}: {layer.geometry_type}, EPSG:{relation.srid},"
        f" {about}{layer.feature_count:,} {say('行', 'rows')}, {say('键', 'key')} {relation.key},"
        f" {say('自级别', 'from zoom')} {layer.min_zoom}",
        markup=False,
    )
    for field in layer.fields:
        level = "" if field.sensitivity == "open" else f" ({field.sensitivity})"
        out.print(f"  {field.name}: {field.type}{level}", markup=False)
    _print_findings(found.findings)


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        sentence = finding.sentence.zh if language() == "zh" else finding.sentence.en
        out.print(f"{_MARKS[finding.kind]} {sentence}", markup=False)
