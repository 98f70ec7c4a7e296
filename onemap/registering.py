"""Registered tables and functions at the command line: what is the operator's becomes a layer, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast, get_args

from layers import registered, registered_functions
from layers.catalogue import get_layer
from layers.db import Database
from layers.errors import BadRequest
from layers.function_arguments import expected
from layers.model import FunctionSource, Layer, Sensitivity
from layers.registration import Finding, FunctionRegistration, Registered, Registration
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


def register_function(settings: Settings, wanted: FunctionRegistration, *, dry_run: bool) -> None:
    """Registers a function, or only says what would be found; raises as `register_function` of `layers`."""
    if dry_run:
        found = with_database(settings, lambda db: registered_functions.look_at_function(db, wanted))
        _print_layer(found)
        out.print(say("仅查看，未登记", "looked at only; nothing was registered"))
        return
    found = with_database(
        settings, lambda db: registered_functions.register_function(db, wanted, by=OPERATOR)
    )
    _print_layer(found)
    out.print(
        say(
            f"已登记为图层 {found.layer.id}，权限 {found.layer.access}",
            f"registered as layer {found.layer.id}, access {found.layer.access}",
        )
    )


def refresh(settings: Settings, layer_id: str) -> None:
    """Looks at the table again; everybody's map is drawn anew."""

    async def again(db: Database) -> Registered:
        layer = await get_layer(db, layer_id)
        if layer.function is not None:
            return await registered_functions.refresh_function(db, layer_id)
        return await registered.refresh(db, layer_id)

    found = with_database(settings, again)
    _print_layer(found)
    out.print(say(f"现为版本 {found.layer.version}", f"at version {found.layer.version} now"))


def check(settings: Settings, layer_id: str) -> bool:
    """Prints what is wrong with the table; True if it can be served."""

    async def look(db: Database) -> list[Finding]:
        layer = await get_layer(db, layer_id)
        if layer.function is not None:
            return await registered_functions.check_function(db, layer)
        return await registered.check_registered(db, layer_id)

    findings = with_database(settings, look)
    _print_findings(findings)
    is_fine = all(finding.kind != "fault" for finding in findings)
    if is_fine:
        out.print(say(f"{layer_id} 可以提供服务", f"{layer_id} can be served"))
    return is_fine


def unregister(settings: Settings, layer_id: str) -> None:
    """Forgets the layer, never the table."""

    async def forget(db: Database) -> None:
        layer = await get_layer(db, layer_id)
        if layer.function is not None:
            await registered_functions.forget_function(db, layer_id, by=OPERATOR)
        else:
            await registered.unregister(db, layer_id, by=OPERATOR)

    with_database(settings, forget)
    out.print(
        say(
            f"{layer_id} 已不再是图层；数据表或函数没有改动",
            f"{layer_id} is no layer any more; its table or function is untouched",
        )
    )


def limits(said: Sequence[str]) -> dict[str, str]:
    """`argument=1..9` and the like as a mapping. Raises `BadRequest`."""
    told: dict[str, str] = {}
    for text in said:
        name, sign, allowed = text.partition("=")
        if not name or not sign:
            raise BadRequest(
                f"“{text}”应为 参数=取值",
                f"{text!r} should be argument=values",
                field="allow",
                value=text,
                expected="argument=least..most or argument=a,b,c",
            )
        told[name] = allowed
    return told


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
    layer = found.layer
    if layer.function is not None:
        _print_function(layer, layer.function)
        _print_findings(found.findings)
        return
    relation = relation_of(layer)
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


def _print_function(layer: Layer, function: FunctionSource) -> None:
    out.print(
        f"{function.relation.title}({function.signature}) → {layer.id}: {layer.geometry_type},"
        f" EPSG:{function.relation.srid}, {say('自级别', 'from zoom')} {layer.min_zoom},"
        f" {say('每个瓦片至多', 'at most')} {function.most_rows:,} {say('行', 'rows in a tile')}",
        markup=False,
    )
    for argument in function.arguments:
        is_needed = say("必填", "required") if argument.is_required else say("可选", "optional")
        out.print(f"  ?{argument.name}= {expected(argument)} ({is_needed})", markup=False)
    for field in layer.fields:
        out.print(f"  {field.name}: {field.type}", markup=False)


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        sentence = finding.sentence.zh if language() == "zh" else finding.sentence.en
        out.print(f"{_MARKS[finding.kind]} {sentence}", markup=False)
