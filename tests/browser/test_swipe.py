"""Two dates of an image side by side: dragged, moved by keys, chosen, ended; on a phone too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from importers.options import ImportOptions
from importers.run import import_files
from layers.catalogue import set_access
from layers.db import Database
from tests.acceptance.conftest import own_database, serving
from tests.browser.conftest import PHONE, ROOT, STILL_WITHIN_MS, Town, Visit
from tests.pictures import CENTRE, decoded, write_tif

pytestmark = pytest.mark.browser

OLD, NEW = (60, 140, 60), (170, 90, 60)
LON, LAT = CENTRE
SMALLEST_TARGET_PX = 44


@pytest.fixture(scope="module")
def town(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A service with an image of two dates and nothing else; green before, brown now."""
    if not (ROOT / "web" / "dist" / "index.html").is_file():
        pytest.skip("the page is not built: npm ci && npm run build in web/")
    home = tmp_path_factory.mktemp("home")
    with own_database(server_url, template_database) as database_url:
        asyncio.run(_images(database_url, home))
        with serving(database_url, ONEMAP_HOME=str(home)) as (url, _):
            yield Town(url, "", LON, LAT, database_url)


async def _images(database_url: str, home: Path) -> None:
    colours = {"2024": OLD, "2026": NEW}
    files = [
        write_tif(
            home / "files" / f"image_{year}.tif", np.tile(np.uint8(colour)[:, None, None], (1, 300, 300))
        )
        for year, colour in colours.items()
    ]
    async with Database(database_url) as database:
        await import_files(database, files, ImportOptions(), rasters=home / "rasters")
        await set_access(database, "image", "public")


def settled(page: Page) -> None:
    for name in (".map", ".swipe .second"):
        page.locator(f'{name}[aria-busy="false"]').wait_for(timeout=STILL_WITHIN_MS)


def is_brown(page: Page, x: float, y: float = 300) -> bool:
    """Whether the map shows the newer picture at a place of the window; nothing but the two is there."""
    ratio = page.evaluate("devicePixelRatio")
    red, green, *_ = (int(band[int(y * ratio), int(x * ratio)]) for band in decoded(page.screenshot()))
    assert abs(red - green) > 30, (red, green)
    return red > green


def test_the_divider_is_dragged_moved_by_keys_and_ended(visit: Callable[..., Visit]) -> None:
    page = visit().open(f"#14/{LAT}/{LON}&on=image")
    assert is_brown(page, 500)
    page.locator(".layer-row.on").get_by_role("button", name="卷帘").click()
    handle = page.get_by_role("slider", name="卷帘分隔线")
    expect(handle).to_have_attribute("aria-valuetext", "2024 50% · 2026 50%")
    settled(page)
    box = handle.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2
    assert (is_brown(page, middle - 60), is_brown(page, middle + 60)) == (False, True)

    page.mouse.move(middle, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(middle + 200, box["y"] + 20, steps=4)
    page.mouse.up()
    settled(page)
    assert (is_brown(page, middle + 140), is_brown(page, middle + 260)) == (False, True)

    before = int(handle.get_attribute("aria-valuenow") or 0)
    handle.press("ArrowLeft")
    expect(handle).to_have_attribute("aria-valuenow", str(before - 2))
    for key, share in (("Home", "4"), ("End", "96")):
        handle.press(key)
        expect(handle).to_have_attribute("aria-valuenow", share)

    page.get_by_label("左侧日期").select_option("2026")
    settled(page)
    assert is_brown(page, middle)
    handle.press("Escape")
    expect(handle).to_have_count(0)
    assert is_brown(page, middle)


def test_the_second_map_follows_the_first_and_goes_with_the_layer(visit: Callable[..., Visit]) -> None:
    page = visit().open(f"#14/{LAT}/{LON}&on=image")
    row = page.locator(".layer-row.on")
    row.get_by_role("button", name="卷帘").click()
    settled(page)
    page.get_by_role("toolbar").get_by_role("button", name="放大").click()
    page.wait_for_url(re.compile("#15"))
    settled(page)
    assert (is_brown(page, 600), is_brown(page, 840)) == (False, True)
    row.get_by_role("checkbox").uncheck()
    expect(page.get_by_role("slider", name="卷帘分隔线")).to_have_count(0)


def test_on_a_phone_the_handle_is_large_enough_for_a_finger(visit: Callable[..., Visit]) -> None:
    page = visit(size=PHONE, has_touch=True, is_mobile=True).open(f"#13/{LAT}/{LON}&on=image")
    page.get_by_role("button", name="图层").tap()
    page.locator(".layer-row.on").get_by_role("button", name="卷帘").tap()
    handle = page.get_by_role("slider", name="卷帘分隔线")
    box = handle.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= SMALLEST_TARGET_PX
    expect(page.locator(".bottom-sheet")).to_have_count(0)
    settled(page)
    middle = box["x"] + box["width"] / 2
    assert (is_brown(page, middle - 60), is_brown(page, middle + 60)) == (False, True)
    handle.focus()
    handle.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", "52")
