"""Services of other systems in the page: looked at, chosen, registered, drawn, checked, removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from layers.accounts import create_account
from layers.db import Database
from tests.acceptance.conftest import own_database, serving
from tests.api.services.origin_server import Origin, Said, origin, wms
from tests.browser.conftest import PASSWORD, PHONE, ROOT, Town, Visit
from tests.pictures import decoded

pytestmark = pytest.mark.browser

LON, LAT = 116.5, 31.74
SMALLEST_TARGET_PX = 44


class Place(NamedTuple):
    """A service without layers, and a WMS whose pictures are red."""

    town: Town
    theirs: Origin


@pytest.fixture(scope="module")
def place(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    if not (ROOT / "web" / "dist" / "index.html").is_file():
        pytest.skip("the page is not built: npm ci && npm run build in web/")
    home = str(tmp_path_factory.mktemp("home"))
    with own_database(server_url, template_database) as url, origin(wms()) as theirs:
        asyncio.run(_people(url))
        with serving(url, ONEMAP_HOME=home, ONEMAP_SERVICE_HOSTS="127.0.0.1") as (address, _):
            yield Place(Town(address, "", LON, LAT, url), theirs)


@pytest.fixture(scope="module")
def town(place: Place) -> Town:
    return place.town


async def _people(url: str) -> None:
    async with Database(url) as db:
        for name, role in (("chief", "admin"), ("office", "publisher")):
            await create_account(db, name, password=PASSWORD, roles=(role,))  # type: ignore[arg-type]


def is_red(page: Page, x: int = 720, y: int = 300) -> bool:
    ratio = page.evaluate("devicePixelRatio")
    red, green, *_ = (int(band[int(y * ratio), int(x * ratio)]) for band in decoded(page.screenshot()))
    return red > 200 and green < 60


def services_of(visitor: Visit, name: str, at: str = "#13/31.74/116.5") -> Page:
    visitor.log_in(name)
    page = visitor.open(at)
    page.get_by_role("button", name="账号").click()
    return page


def test_a_layer_is_chosen_registered_and_drawn_then_checked_and_removed(
    visit: Callable[..., Visit], place: Place
) -> None:
    visitor = visit()
    page = services_of(visitor, "chief")
    page.get_by_role("button", name="服务注册").click()
    pane = page.locator(".services-pane")
    expect(pane).to_contain_text("还没有登记其他系统的服务")
    pane.get_by_label("服务地址").fill(f"{place.theirs.url}/wms?token=s3cret")
    pane.get_by_role("button", name="查看服务").click()
    expect(pane).to_contain_text("地下管线服务")
    expect(pane.get_by_role("button", name="登记 0 个图层")).to_be_disabled()
    pane.get_by_role("checkbox", name="管线").check()
    expect(pane.get_by_label("图层标识")).to_have_value("pipes")
    pane.get_by_label("名称").fill("对方的管线")
    pane.get_by_label("谁可以看").select_option("public")
    pane.get_by_role("button", name="登记 1 个图层").click()
    expect(page.locator(".notice-line")).to_contain_text("已登记“对方的管线”")
    expect(page.locator(".layer-row.on", has_text="对方的管线")).to_be_visible()
    visitor.wait_until_still()
    assert is_red(page)
    assert all(asked.query["token"] == "s3cret" for asked in place.theirs.asked)
    assert "s3cret" not in page.content()
    row = pane.locator(".registered li")
    row.get_by_role("button", name="检查").click()
    expect(page.locator(".notice-line")).to_contain_text("服务正常")
    expect(row).to_contain_text("正常")
    expect(row).to_contain_text("近 30 天调用")
    row.get_by_role("button", name="移除").click()
    row.get_by_role("button", name="确认移除“对方的管线”").click()
    expect(pane).to_contain_text("还没有登记其他系统的服务")
    expect(page.locator(".layer-row", has_text="对方的管线")).to_have_count(0)


def test_what_fails_is_said_in_the_services_words(visit: Callable[..., Visit], place: Place) -> None:
    visitor = visit()
    page = services_of(visitor, "chief")
    page.get_by_role("button", name="服务注册").click()
    pane = page.locator(".services-pane")
    before, place.theirs.tell = place.theirs.tell, lambda _: Said(b"<html>no</html>", "text/html", 500)
    try:
        for url in (f"{place.theirs.url}/wms", "http://10.0.0.1/wms"):
            pane.get_by_label("服务地址").fill(url)
            pane.get_by_role("button", name="查看服务").click()
            expect(pane.locator(".problem")).to_be_visible()
            expect(pane.get_by_role("button", name="查看服务")).to_be_enabled()
    finally:
        place.theirs.tell = before
    expect(pane.locator(".problem")).to_contain_text("ONEMAP_SERVICE_HOSTS")
    refusals = [fault for fault in visitor.faults if "/services/look" in fault or "Failed to load" in fault]
    assert len(refusals) == len(visitor.faults) == 4, visitor.faults
    visitor.faults.clear()  # a browser notes each refusal twice, and both were meant


def test_it_is_for_admins(visit: Callable[..., Visit]) -> None:
    page = services_of(visit(), "office")
    expect(page.get_by_role("button", name="退出登录")).to_be_visible()
    expect(page.get_by_role("button", name="服务注册")).to_have_count(0)


def test_on_a_phone_its_controls_are_large_enough_for_a_finger(visit: Callable[..., Visit]) -> None:
    page = services_of(visit(size=PHONE, has_touch=True, is_mobile=True), "chief")
    page.get_by_role("button", name="服务注册").tap()
    for control in page.locator(".services-pane button, .services-pane input, .services-pane summary").all():
        box = control.bounding_box()
        if box is not None:
            assert box["height"] >= SMALLEST_TARGET_PX, control.inner_html()
