"""The built page in headless Chromium, over a small city served by the product itself."""

from __future__ import annotations

import asyncio
import csv
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from grid.dispatch import load_rules
from layers.access import Role
from layers.accounts import Department, create_account, load_departments
from layers.db import Database
from sample_data.make import make_city
from tests.acceptance.conftest import onemap, own_database, serving

ROOT = Path(__file__).parents[2]
SCALE = 0.004
PASSWORD = "Sunny-Lake-42"
PEOPLE: dict[str, Role] = {
    "desk": "dispatcher",
    "walker": "inspector",
    "office": "publisher",
    "checker": "publisher",
}
DESKTOP, PHONE = (1440, 900), (390, 844)
LOCAL_SYSTEM = """["皋城独立"]
title = "皋城独立坐标系"
to = "EPSG:4548"
x_is = "east"
dx_m = 400000.0
dy_m = 3500000.0
rotation_s = 0.0
scale = 1.0
"""
"""A system that the operator keeps; what it is made of stays there."""
STILL_WITHIN_MS = 60_000
"""Without a graphics card a map takes its time."""


class Town(NamedTuple):
    """A served city, and one of its buildings."""

    url: str
    building: str
    lon: float
    lat: float
    database_url: str
    sync_folder: Path = Path("no-syncs")


@pytest.fixture(scope="module")
def chromium(town: Town) -> Iterator[Browser]:
    """Headless Chromium that draws WebGL in software and calls nobody by itself.

    Playwright keeps an event loop running in this thread: it starts after the town, whose making runs one
    too, and ends with the module.
    """
    path = os.environ.get("ONEMAP_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed (ONEMAP_CHROMIUM may name it)")
    flags = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *flags, *quiet])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def town(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The sample city at a small scale, imported by the command line and served with the built page."""
    if not (ROOT / "web" / "dist" / "index.html").is_file():
        pytest.skip("the page is not built: npm ci && npm run build in web/")
    files = tmp_path_factory.mktemp("town")
    make_city(files, scale=SCALE)
    with own_database(server_url, template_database) as database_url:
        done = onemap("import", str(files), database_url=database_url)
        assert done.returncode == 0, done.stdout + done.stderr
        asyncio.run(_people_and_rules(database_url))
        home = tmp_path_factory.mktemp("home")
        (home / "local_systems.toml").write_text(LOCAL_SYSTEM, encoding="utf-8")
        synced = tmp_path_factory.mktemp("synced")
        with serving(database_url, ONEMAP_HOME=str(home), ONEMAP_SYNC_FOLDER=str(synced)) as (url, _):
            yield _with_a_building(url, database_url, synced)


class Visit:
    """One visitor: a browser window of their own, and everything that went wrong in it."""

    def __init__(self, context: BrowserContext, town: Town) -> None:
        self.context, self.town = context, town
        self.page: Page = context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", lambda said: said.type == "error" and self.faults.append(said.text))
        self.page.on("request", lambda asked: self._note_request(asked.url))
        self.page.on(
            "response", lambda got: got.status >= 400 and self.faults.append(f"{got.status} {got.url}")
        )

    def open(self, place: str = "", *, wait: bool = True) -> Page:
        """The page at a place such as `#17/31.74/116.5`, once the map stands still."""
        self.page.goto(f"{self.town.url}/{place}")
        if wait:
            self.wait_until_still()
        return self.page

    def open_at_building(self, zoom: float = 18.0) -> Page:
        """The page with the town's one known building in the middle of the map."""
        return self.open(f"#{zoom}/{self.town.lat}/{self.town.lon}")

    def wait_until_still(self) -> None:
        self.page.locator('.map[aria-busy="false"]').wait_for(timeout=STILL_WITHIN_MS)

    def log_in(self, name: str) -> None:
        """By the API, in this visitor's window."""
        answer = self.context.request.post(
            f"{self.town.url}/api/v1/login", data={"name": name, "password": PASSWORD}
        )
        assert answer.ok, answer.text()

    def click_the_middle(self) -> None:
        box = self.page.locator(".map").bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def _note_request(self, url: str) -> None:
        if not url.startswith((self.town.url, "data:", "blob:")):
            self.faults.append(f"a request left the machine: {url}")


@pytest.fixture
def visit(chromium: Browser, town: Town) -> Iterator[Callable[..., Visit]]:
    """Makes visitors. At the end none of them may have seen an error or called anybody else."""
    visitors: list[Visit] = []

    def make(*, size: tuple[int, int] = DESKTOP, **options: Any) -> Visit:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, locale="zh-CN", **options
        )
        visitors.append(Visit(context, town))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.context.close()
    assert [fault for visitor in visitors for fault in visitor.faults] == []


def place_in(url: str) -> tuple[float, float, float]:
    """Zoom, latitude and longitude that the address bar says."""
    found = re.search(r"#([\d.]+)/([-\d.]+)/([-\d.]+)", url)
    assert found is not None, url
    zoom, lat, lon = map(float, found.groups())
    return zoom, lat, lon


async def _people_and_rules(database_url: str) -> None:
    async with Database(database_url) as database:
        await load_departments(database, [Department(**row) for row in _table("departments")])
        await load_rules(database, _table("dispatch_rules"))
        for name, role in PEOPLE.items():
            await create_account(database, name, password=PASSWORD, title=name.title(), roles=(role,))


def _table(name: str) -> list[dict[str, str]]:
    with (ROOT / "sample_data" / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _with_a_building(url: str, database_url: str, synced: Path) -> Town:
    """A building with a name; its first corner, moved a little to the middle."""
    buildings = httpx2.get(f"{url}/ogc/collections/building/items?limit=500", timeout=30).json()["features"]
    named = next(found for found in buildings if found["properties"].get("name"))
    ring = named["geometry"]["coordinates"][0][0]
    lon, lat = (sum(corner[axis] for corner in ring[:-1]) / (len(ring) - 1) for axis in (0, 1))
    return Town(url, str(named["id"]), lon, lat, database_url, synced)
