"""Services of other systems at the command line: looked at, registered, checked, changed, counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast, get_args

from rich.table import Table

from api.service_layers import check_document
from api.services.gateway import Gateway
from api.services.hosts import HostRules
from api.services.look import kind_title
from api.services.look import look as look_at
from api.services.offers import Look
from api.services.registering import ServiceRegistration, address_of, find_layer
from layers import service_calls, services
from layers.catalogue import get_layer, list_layers
from layers.db import Database
from layers.errors import BadRequest
from layers.model import Layer, Text
from layers.service_calls import CallCount
from layers.services import Secret, SecretPlace, ServiceChange, service_of
from onemap.administration import OPERATOR, heads, with_database
from onemap.settings import Settings
from onemap.terminal import language, out, say

_Answer = TypeVar("_Answer")


def look(settings: Settings, url: str, kind: str | None, secret: Sequence[str]) -> None:
    """Prints what a service offers. Raises as `api.services.look.look`."""
    asked = address_of(url, read_secrets(secret))

    async def work(gateway: Gateway, _: Database) -> Look:
        return await look_at(gateway.client, asked, kind)

    found = _through(settings, work)
    out.print(f"{_said(kind_title(found.kind))} · {found.title} · {_said(found.evidence)}", markup=False)
    if asked.secrets:
        names = ", ".join(one.name for one in asked.secrets)
        out.print(say(f"单独保存的密钥：{names}", f"kept apart as secrets: {names}"), markup=False)
    table = Table(*heads(("图层", "layer"), ("名称", "title"), ("提供", "gives"), ("范围", "bounds")))
    for offer in found.offers:
        gives = _said(offer.problem) if offer.problem else offer.source.form if offer.source else ""
        sides = "" if offer.bounds is None else ", ".join(f"{side:.4f}" for side in offer.bounds)
        table.add_row(offer.name, offer.title, gives, sides)
    out.print(table)
    if found.left_out:
        out.print(say(f"另有 {found.left_out} 个图层未列出", f"{found.left_out} more layers are not listed"))


def register(settings: Settings, wanted: ServiceRegistration) -> None:
    """Registers a service's layer. Raises as `find_layer` and `layers.services.register_service`."""

    async def work(gateway: Gateway, db: Database) -> Layer:
        layer, asked, _ = await find_layer(gateway.client, wanted)
        return await services.register_service(db, layer, asked.secrets, by=OPERATOR)

    layer = _through(settings, work)
    kind = _said(kind_title(service_of(layer).kind))
    out.print(
        say(
            f"已登记为图层 {layer.id}（{kind}），权限 {layer.access}",
            f"registered as layer {layer.id} ({kind}), access {layer.access}",
        ),
        markup=False,
    )


def print_services(settings: Settings) -> None:
    """A table of all services, with where they are: for the operator."""

    async def work(db: Database) -> list[tuple[Layer, services.ServiceState | None]]:
        states = await services.states(db)
        return [(la, states.get(la.id)) for la in await list_layers(db) if la.service is not None]

    table = Table(*heads(("图层", "layer"), ("名称", "title"), ("类型", "kind"), ("权限", "access"),
                         ("状态", "state"), ("地址", "address")))  # fmt: skip
    for layer, state in with_database(settings, work):
        source = service_of(layer)
        is_up = None if state is None else state.is_up
        word = say("未知", "not asked yet") if is_up is None else say("正常", "up")
        if is_up is False:
            word = say("不可用", "down")
        kind = _said(kind_title(source.kind))
        table.add_row(layer.id, _said(layer.title), kind, layer.access, word, source.url)
    out.print(table)


def check(settings: Settings, layer_id: str) -> bool:
    """Asks a service now and prints how it went; True if it answered. Raises `NotFound`, `Conflict`."""

    async def work(gateway: Gateway, db: Database) -> tuple[bool, Text | None, int]:
        layer = await get_layer(db, layer_id)
        service_of(layer)
        told = await check_document(gateway, db, layer)
        problem = told["problem"]
        return told["is_ok"], problem and Text(problem["zh"], problem["en"]), told["elapsed_ms"]

    is_ok, problem, elapsed_ms = _through(settings, work)
    words = say("正常", "it answers") if problem is None else _said(problem)
    out.print(f"{layer_id}: {words} ({elapsed_ms} ms)", markup=False)
    return is_ok


def change(settings: Settings, layer_id: str, wanted: ServiceChange) -> None:
    """Says a service's layer anew. Raises as `layers.services.change_service`."""
    if wanted.secrets is not None:
        address_of("", wanted.secrets)
    with_database(settings, lambda db: services.change_service(db, layer_id, wanted, by=OPERATOR))
    out.print(say(f"{layer_id} 已修改", f"{layer_id} was changed"), markup=False)


def remove(settings: Settings, layer_id: str) -> None:
    """Forgets a service's layer. Raises `NotFound`, `Conflict`."""
    with_database(settings, lambda db: services.forget_service(db, layer_id, by=OPERATOR))
    out.print(say(f"{layer_id} 已不再是图层", f"{layer_id} is no layer any more"), markup=False)


def print_calls(settings: Settings, layer_id: str, days: int) -> None:
    """A table of a service's calls of the last `days`. Raises `NotFound`, `Conflict`."""
    last = service_calls.day_in_china(datetime.now(UTC))

    async def work(db: Database) -> list[tuple[str, str, CallCount]]:
        service_of(await get_layer(db, layer_id))
        rows = await service_calls.calls_of(db, layer_id, last - timedelta(days=days - 1), last)
        return [(day.isoformat(), caller, told) for day, caller, told in rows]

    table = Table(*heads(("日期", "day"), ("账户", "account"), ("调用", "calls"), ("缓存应答", "kept"),
                         ("失败", "errors"), ("字节", "bytes")))  # fmt: skip
    total = CallCount()
    for day, caller, told in with_database(settings, work):
        table.add_row(day, caller or say("未登录", "not logged in"), *(f"{n:,}" for n in told))
        total = total.plus(told)
    table.add_row(say("合计", "total"), "", *(f"{n:,}" for n in total))
    out.print(table)


def read_secrets(said: Sequence[str]) -> tuple[Secret, ...]:
    """`query:NAME=VALUE` and the like. Raises `BadRequest`, which does not say the value back."""
    found = []
    for text in said:
        place, _, rest = text.partition(":")
        name, sign, value = rest.partition("=")
        if place not in get_args(SecretPlace) or not name or not sign:
            raise BadRequest(
                "--secret 的写法不对",
                "--secret is not written right",
                field="secret",
                value=place if place in get_args(SecretPlace) else "",
                expected="query:NAME=VALUE, header:NAME=VALUE or basic:USER=PASSWORD",
            )
        found.append(Secret(cast(SecretPlace, place), name, value))
    return tuple(found)


def _through(settings: Settings, work: Callable[[Gateway, Database], Awaitable[_Answer]]) -> _Answer:
    """What `work` makes with a way to services."""

    async def run(db: Database) -> _Answer:
        async with Gateway(db, HostRules.read(settings.service_hosts)).opened() as gateway:
            return await work(gateway, db)

    return with_database(settings, run)


def _said(words: Text) -> str:
    return words.zh if language() == "zh" else words.en
