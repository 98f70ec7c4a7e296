"""The demo: a sample city, five people to be, and the map at one address."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from grid.dispatch import list_rules, load_rules, read_rules
from importers.options import ImportOptions
from importers.run import import_files
from layers.access import Role
from layers.accounts import create_account, load_departments
from layers.catalogue import get_layer, list_layers, register, set_access
from layers.db import Database
from layers.errors import BadData, Conflict
from layers.model import Text
from onemap import serve
from onemap.dispatching import read_departments, read_table
from onemap.settings import PROJECT_ROOT, Settings
from onemap.terminal import Bars, out, say, step
from sample_data.ground import make_ground
from sample_data.make import make_city

SAMPLE = PROJECT_ROOT / "sample_data"
CITY = SAMPLE / "luan"


GROUND_TITLES = {"image": Text("航空影像", "Aerial image"), "dem": Text("地面高程", "Ground elevation")}


class Person(NamedTuple):
    """Somebody to be in the demo."""

    name: str
    title: str
    role: Role
    department: str | None = None
    districts: tuple[str, ...] = ()


PEOPLE = (
    Person("admin", "系统管理员", "admin"),
    Person("publisher", "数据管理员", "publisher"),
    Person("dispatcher", "派遣员", "dispatcher", "CG01"),
    Person("inspector", "监督员", "inspector", "CG01"),
    Person("jinan", "金安区查看员", "viewer", districts=("341502",)),
)


def run(settings: Settings) -> None:
    """Brings up the database, loads the city where there is none yet, and serves until Ctrl-C."""
    serve.require_free_port(settings)
    with serve.database(settings) as url:
        asyncio.run(_load(url, settings.rasters))
        passwords = _people(url, settings.home / "demo_accounts.json")
        _welcome(settings, passwords)
        serve.run(settings, url)


async def load_city(database: Database, folder: Path) -> None:
    """Imports every file of a sample city. Raises `BadData` if anything in it is refused."""
    with Bars() as bars:
        reports = await import_files(database, [folder], ImportOptions(by="demo"), bars.importing)
    refused = [report for report in reports if report.refused]
    if refused:
        raise BadData(
            "样例城市有数据被拒绝：\n" + "\n".join(report.text("zh") for report in refused),
            "the sample city was refused in part:\n" + "\n".join(report.text("en") for report in refused),
        )


async def _load(url: str, rasters: Path) -> None:
    async with Database(url) as database:
        await _load_rules(database)
        if any(layer.version for layer in await list_layers(database)):
            return
        folder = CITY
        if not folder.is_dir():
            with step("生成样例城市", "making the sample city"), Bars() as bars:
                make_city(folder, progress=bars)
        # real pipes are for people who log in; these are invented, and a demo should show them
        for layer in ("pipe_node", "pipe_line"):
            await set_access(database, layer, "public")
        out.print(say("→ 导入样例城市 …", "→ importing the sample city …"), markup=False)
        await load_city(database, folder)
        await load_ground(database, folder, rasters)


async def load_ground(database: Database, city: Path, rasters: Path) -> None:
    """Makes the ground of a sample city and imports it: two images and the heights, open to everybody."""
    with TemporaryDirectory(prefix="onemap-ground-") as folder:
        with step("绘制影像与地形", "drawing the images and the terrain"):
            ground = await asyncio.to_thread(make_ground, city, Path(folder))
        files = {"image": ground.images, "dem": (ground.heights,)}
        for layer_id, paths in files.items():
            options = ImportOptions(by="demo", layer_id=layer_id)
            await import_files(database, paths, options, rasters=rasters)
            made = await get_layer(database, layer_id)
            await register(database, replace(made, title=GROUND_TITLES[layer_id]))
            await set_access(database, layer_id, "public")


async def _load_rules(database: Database) -> None:
    if await list_rules(database):
        return  # the user's by now
    await load_departments(database, read_departments(SAMPLE / "departments.csv"))
    await load_rules(database, read_rules(read_table(SAMPLE / "dispatch_rules.csv")))


def _people(url: str, file: Path) -> dict[str, str]:
    """Demo accounts and their passwords, made once and kept in a file only its owner can read."""
    if file.exists():
        known: dict[str, str] = json.loads(file.read_text())
        return known
    passwords = asyncio.run(_make_accounts(url))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(passwords))
    return passwords


async def _make_accounts(url: str) -> dict[str, str]:
    passwords: dict[str, str] = {}
    async with Database(url) as database:
        for person in PEOPLE:
            password = secrets.token_urlsafe(9)
            # where the database is the user's own and has such an account, its password is not ours
            with suppress(Conflict):
                await create_account(
                    database, person.name, password=password, title=person.title, roles=(person.role,),
                    department=person.department, districts=person.districts,
                )  # fmt: skip
                passwords[person.name] = password
    return passwords


def _welcome(settings: Settings, passwords: dict[str, str]) -> None:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  # only compared
    out.print()
    out.print(say("一张图已就绪：", "One Map is ready:"), f"[bold]http://{host}:{settings.port}[/]")
    if passwords:
        out.print(say("演示账户：", "demo accounts:"))
    for person in PEOPLE:
        if person.name in passwords:
            out.print(f"  {person.name:<12}{passwords[person.name]:<16}{person.title}", markup=False)
    out.print(say("按 Ctrl-C 停止。", "Press Ctrl-C to stop."))
    out.print()
