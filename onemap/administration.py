"""What an operator does to layers and accounts from the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast, get_args

from rich.table import Table

from layers import accounts, catalogue, publish
from layers.access import Role
from layers.db import Database
from layers.errors import BadRequest
from layers.model import AccessLevel
from onemap import serve
from onemap.settings import Settings
from onemap.terminal import language, out, say

Answer = TypeVar("Answer")
OPERATOR = "command line"


def make_key(settings: Settings, name: str, label: str, days: int) -> str:
    """A new API key for the account `name`. Raises `NotFound`."""
    return with_database(settings, lambda db: accounts.make_key(db, name, label=label, days=days))


def add_account(
    settings: Settings,
    name: str,
    *,
    password: str,
    title: str,
    roles: Sequence[str],
    department: str | None,
    districts: Sequence[str],
) -> None:
    """Adds an account. Raises `Conflict` if the name is taken, `BadRequest` on a role that is none."""
    known = cast(Sequence[Role], roles)  # create_account refuses what is not a role
    with_database(
        settings,
        lambda db: accounts.create_account(
            db, name, password=password, title=title, roles=known, department=department, districts=districts
        ),
    )


def set_reach(settings: Settings, name: str, department: str | None, districts: Sequence[str] | None) -> None:
    """Changes the department and the districts of an account. Raises `NotFound`, `BadRequest`."""
    one = with_database(
        settings, lambda db: accounts.set_reach(db, name, department=department, districts=districts)
    )
    where = one.department or say("无", "none")
    limits = ", ".join(one.districts) or say("不限", "everywhere")
    out.print(
        say(
            f"{one.name}：部门 {where}，辖区 {limits}", f"{one.name}: department {where}, districts {limits}"
        ),
        markup=False,
    )


def print_accounts(settings: Settings) -> None:
    """A table of the accounts, without secrets."""
    table = Table(*heads(("账户", "account"), ("姓名", "title"), ("角色", "roles"), ("部门", "department"),
                          ("辖区", "districts")))  # fmt: skip
    for one in with_database(settings, accounts.list_accounts):
        table.add_row(
            one.name, one.title, ", ".join(sorted(one.roles)), one.department or "", ", ".join(one.districts)
        )
    out.print(table)


def print_layers(settings: Settings) -> None:
    """A table of the layers and the state of each."""
    table = Table(*heads(("标识", "id"), ("名称", "title"), ("版本", "version"), ("数量", "rows"),
                          ("权限", "access"), ("状态", "status"), ("发布时间", "published")))  # fmt: skip
    for layer in with_database(settings, catalogue.list_layers):
        published = layer.published_at.strftime("%Y-%m-%d %H:%M") if layer.published_at else ""
        title = layer.title.zh if language() == "zh" else layer.title.en
        table.add_row(
            layer.id,
            title,
            str(layer.version),
            f"{layer.feature_count:,}",
            layer.access,
            layer.status if not layer.unfinished else f"{layer.status} ({', '.join(layer.unfinished)} …)",
            published,
        )
    out.print(table)


def print_versions(settings: Settings, layer_id: str) -> None:
    """A table of a layer's versions. Raises `NotFound`."""
    table = Table(*heads(("版本", "version"), ("发布时间", "published"), ("发布人", "by"), ("新增", "added"),
                          ("修改", "changed"), ("删除", "removed"), ("说明", "note")))  # fmt: skip
    for one in with_database(settings, lambda db: catalogue.versions(db, layer_id)):
        counts = (f"{n:,}" for n in (one.added, one.changed, one.removed))
        table.add_row(
            str(one.number), one.published_at.strftime("%Y-%m-%d %H:%M"), one.published_by, *counts, one.note
        )
    out.print(table)


def roll_back(settings: Settings, layer_id: str, number: int) -> None:
    """Publishes the content of version `number` as the next version. Raises `NotFound`."""
    version = with_database(settings, lambda db: publish.roll_back(db, layer_id, number, by=OPERATOR))
    out.print(
        say(
            f"{layer_id} 现为版本 {version.number}，内容同版本 {number}",
            f"{layer_id} is now at version {version.number}, with the content of version {number}",
        )
    )


def set_access(settings: Settings, layer_id: str, access: str) -> None:
    """Decides who may see a layer. Raises `NotFound`, `BadRequest` for a level that is none."""
    level = access_level(access)
    with_database(settings, lambda db: catalogue.set_access(db, layer_id, level))
    out.print(say(f"{layer_id} 的权限现为 {access}", f"{layer_id} is now {access}"))


def access_level(said: str) -> AccessLevel:
    """The access level called `said`. Raises `BadRequest`."""
    levels = get_args(AccessLevel)
    if said not in levels:
        raise BadRequest(
            f"没有权限级别“{said}”",
            f"there is no access level {said!r}",
            field="access",
            value=said,
            expected=", ".join(levels),
        )
    return cast(AccessLevel, said)


def withdraw(settings: Settings, layer_id: str) -> None:
    """Takes a layer off the map; its rows are kept. Raises `NotFound`."""
    with_database(settings, lambda db: publish.withdraw(db, layer_id, by=OPERATOR))
    out.print(say(f"{layer_id} 已下架", f"{layer_id} is withdrawn"))


def restore(settings: Settings, layer_id: str) -> None:
    """Puts a withdrawn layer back. Raises `NotFound`."""
    with_database(settings, lambda db: publish.restore(db, layer_id, by=OPERATOR))
    out.print(say(f"{layer_id} 已恢复", f"{layer_id} is back on the map"))


def with_database(settings: Settings, work: Callable[[Database], Awaitable[Answer]]) -> Answer:
    async def run(url: str) -> Answer:
        async with Database(url) as database:
            return await work(database)

    with serve.database(settings) as url:
        return asyncio.run(run(url))


def heads(*titles: tuple[str, str]) -> list[str]:
    return [say(zh, en) for zh, en in titles]
