"""The time bar: the whole map as of a date, by keys, pointer, touch, link and play."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import shapely
from playwright.sync_api import Locator, Page, expect

from layers.catalogue import get_layer
from layers.db import Database
from layers.model import Text
from layers.publish import publish, stage
from layers.registered import register_table
from layers.registration import Registration
from tests.acceptance.conftest import onemap, own_database, serving
from tests.browser.conftest import PHONE, ROOT, Town, Visit
from tests.layers.registered_tables import run_sql
from tests.layers.specimens import HERE, batch
from tests.pictures import decoded

pytestmark = pytest.mark.browser

LON, LAT = HERE
ZOOM = 15
MIDDLE_PX = (720, 461)
"""Where `HERE` is in a window of 1440 × 900."""
BESIDE_PX, BESIDE = 200, 0.004291
"""As many pixels at that zoom are as many degrees of longitude."""
SIDES = {"west": -1, "middle": 0, "east": 1}
SMALLEST_TARGET_PX = 44
LINK = f"#{ZOOM}/{LAT}/{LON}&on=green_area,water_area,plaza"


@pytest.fixture(scope="module")
def town(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Three parks in three versions: west and middle, then middle and east, then all; between the last two a
    lake came. And a table of somebody's own, which has no history."""
    if not (ROOT / "web" / "dist" / "index.html").is_file():
        pytest.skip("the page is not built: npm ci && npm run build in web/")
    with own_database(server_url, template_database) as url:
        asyncio.run(_parks(url, "west", "middle"))
        # What other programs do meanwhile lies between the changes, as on a real map.
        assert onemap("layers", "list", database_url=url).returncode == 0
        asyncio.run(_parks(url, "middle", "east"))
        assert onemap("layers", "list", database_url=url).returncode == 0
        asyncio.run(_lake_and_plaza(url))
        with serving(url, ONEMAP_HOME=str(tmp_path_factory.mktemp("home"))) as (address, _):
            asyncio.run(_parks(url, "west", "middle", "east"))
            yield Town(address, "", LON, LAT, url)


def _square(side: str) -> Any:
    lon = LON + SIDES[side] * BESIDE
    return shapely.MultiPolygon([shapely.box(lon - 0.001, LAT - 0.001, lon + 0.001, LAT + 0.001)])


async def _parks(url: str, *sides: str) -> None:
    async with Database(url) as db:
        rows = batch(*({"code": side, "name": side} for side in sides), places=[_square(s) for s in sides])
        await publish(db, await stage(db, await get_layer(db, "green_area"), [rows]), by="li")


async def _lake_and_plaza(url: str) -> None:
    async with Database(url) as db:
        lake = shapely.MultiPolygon([shapely.box(LON - 0.001, LAT + 0.003, LON + 0.001, LAT + 0.004)])
        rows = batch({"code": "lake", "name": "湖"}, places=[lake])
        await publish(db, await stage(db, await get_layer(db, "water_area"), [rows]), by="li")
        run_sql(
            url,
            "CREATE SCHEMA gis",
            "CREATE TABLE gis.plaza (code text PRIMARY KEY, geom geometry(Point, 4490))",
            f"INSERT INTO gis.plaza VALUES ('P', 'SRID=4490;POINT({LON} {LAT - 0.003})')",
            "CREATE INDEX ON gis.plaza USING gist (geom)",
        )
        await register_table(
            db, Registration("gis", "plaza", "plaza", Text("广场", "Plazas"), access="public"), by="li"
        )


def parks(page: Page) -> set[str]:
    """Which of the three are green on the map, and not the colour of the ground."""
    picture = decoded(page.screenshot())
    found = set()
    for side, by in SIDES.items():
        _, green, blue = (
            int(band[MIDDLE_PX[1] - 15, MIDDLE_PX[0] + by * BESIDE_PX + 15]) for band in picture[:3]
        )
        if green - blue > 15:
            found.add(side)
    return found


def opened(visitor: Visit) -> tuple[Page, Locator]:
    """The page with the time bar open, and its handle."""
    page = visitor.open(LINK)
    page.get_by_role("toolbar").get_by_role("button", name="时间轴").click()
    handle = page.get_by_role("slider", name="地图的时间")
    expect(page.locator(".time-bar .tick")).to_have_count(4)
    return page, handle


def arrived(visitor: Visit, handle: Locator) -> None:
    """The map stands still at the moment that was chosen."""
    expect(handle).to_have_attribute("aria-busy", "false")
    visitor.wait_until_still()


def test_the_whole_map_goes_from_change_to_change_and_says_so(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    page, handle = opened(visitor)
    row = page.locator(".layer-row", has_text="绿地")
    notice = page.locator(".past-notice")
    assert parks(page) == {"west", "middle", "east"}
    expect(notice).to_have_count(0)
    handle.press("ArrowLeft")  # before the newest change: the lake came
    for shown, count in (({"middle", "east"}, "2"), ({"middle", "east"}, "2"), ({"west", "middle"}, "2")):
        arrived(visitor, handle)
        assert parks(page) == shown
        expect(row.locator(".count")).to_have_text(count)
        expect(notice).to_contain_text("正在看")
        handle.press("ArrowLeft")
    arrived(visitor, handle)
    assert parks(page) == {"west", "middle"}, "there is nothing before the first"
    expect(page.locator(".layer-row", has_text="水系").locator(".count")).to_have_text("当时尚无")
    expect(page.locator(".layer-row", has_text="广场").locator(".count")).to_have_text("无历史")
    expect(page.locator(".remarks")).to_contain_text("不保留历史，已隐藏：广场")
    notice.get_by_role("button", name="回到现在").click()
    arrived(visitor, handle)
    assert parks(page) == {"west", "middle", "east"}
    expect(notice).to_have_count(0)
    assert "at=" not in page.url


def test_what_is_here_is_what_was_there(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    page, handle = opened(visitor)
    west = (MIDDLE_PX[0] - BESIDE_PX + 15, MIDDLE_PX[1] - 15)
    page.mouse.click(*west)
    pane = page.locator(".here-pane")
    expect(pane.get_by_role("button", name="west")).to_be_visible()
    handle.press("ArrowLeft")
    arrived(visitor, handle)
    expect(pane.get_by_role("button", name="west")).to_have_count(0)
    handle.press("Home")
    arrived(visitor, handle)
    expect(pane.get_by_role("button", name="west")).to_be_visible()
    page.get_by_role("combobox").first.fill("east")
    expect(page.locator("#search-results")).to_contain_text("搜索的是现在的数据")


def test_a_link_opens_the_same_date_and_a_report_is_of_now(visit: Callable[..., Visit]) -> None:
    first = visit()
    page, handle = opened(first)
    handle.press("Home")
    arrived(first, handle)
    page.wait_for_url(re.compile("at=2"))
    second = visit()
    other = second.open(page.url.removeprefix(f"{first.town.url}/"))
    assert parks(other) == {"west", "middle"}
    expect(other.locator(".past-notice")).to_be_visible()
    other.mouse.click(*MIDDLE_PX)
    other.get_by_role("button", name="在此上报").click()
    expect(other.locator(".notice-line")).to_contain_text("已回到现在")
    expect(other.locator(".past-notice")).to_have_count(0)
    second.wait_until_still()
    assert parks(other) == {"west", "middle", "east"}


KEEP_PICTURE = """{
  const make = HTMLCanvasElement.prototype.getContext
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    return make.call(this, kind, { ...options, preserveDrawingBuffer: true })
  }
}"""
"""What was drawn can be read afterwards."""
WATCH = """() => {
  const canvas = document.querySelector('.maplibregl-canvas'), small = document.createElement('canvas')
  const pen = small.getContext('2d', { willReadFrequently: true })
  const seen = window.seen = { drawn: 0, bare: 0, moments: [] }
  const handle = document.querySelector('.time-bar .handle')
  new MutationObserver(() => {
    const moment = handle.getAttribute('aria-valuetext')
    if (moment !== seen.moments.at(-1)) seen.moments.push(moment)
  }).observe(handle, { attributes: true })
  const look = () => {
    pen.clearRect(0, 0, 1, 1)
    pen.drawImage(canvas, canvas.width / 2 + 15, canvas.height / 2 - 15, 1, 1, 0, 0, 1, 1)
    const [, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data
    if (alpha) seen[green - blue > 15 ? 'drawn' : 'bare'] += 1
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}"""
"""Looks in every frame that is drawn whether the park in the middle, which always was, is there; and keeps
the moments that are gone through."""


def test_changes_are_played_up_to_now_and_nothing_flickers(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    visitor.page.add_init_script(KEEP_PICTURE)
    page, handle = opened(visitor)
    page.evaluate(WATCH)
    page.get_by_role("button", name="播放速度").click()
    page.get_by_role("button", name="播放速度").click()
    page.get_by_role("button", name="播放变化").click()
    expect(handle).to_have_attribute("aria-valuetext", "现在", timeout=60_000)
    expect(page.get_by_role("button", name="播放变化")).to_be_visible()
    arrived(visitor, handle)
    seen = page.evaluate("seen")
    assert len(seen["moments"]) == 4, "the last change made the map what it is now"
    assert seen["moments"] == sorted(seen["moments"])
    assert seen["drawn"] > 10
    assert seen["bare"] == 0
    assert parks(page) == {"west", "middle", "east"}


def test_the_line_is_taken_by_pointer_and_the_date_by_its_field(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    page, handle = opened(visitor)
    box = page.locator(".time-bar .track").bounding_box()
    tick = page.locator(".time-bar .tick").first.bounding_box()
    assert box is not None
    assert tick is not None
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 18)
    page.mouse.down()
    page.mouse.move(tick["x"] + 4, box["y"] + 18, steps=5)
    page.mouse.up()
    arrived(visitor, handle)
    assert parks(page) == {"west", "middle"}
    page.mouse.click(box["x"] + 1, box["y"] + 18)
    arrived(visitor, handle)
    assert parks(page) == set(), "before the first version"
    page.get_by_label("跳到日期").fill("2001-02-03")
    page.get_by_label("跳到日期").blur()
    expect(page.locator(".past-notice")).to_contain_text("2001-02-03")
    handle.press("End")
    arrived(visitor, handle)
    assert parks(page) == {"west", "middle", "east"}


def test_on_a_phone_every_control_is_large_enough_for_a_finger(visit: Callable[..., Visit]) -> None:
    visitor = visit(size=PHONE, has_touch=True, is_mobile=True)
    page = visitor.open(LINK)
    page.get_by_role("toolbar").get_by_role("button", name="地图工具").tap()
    page.get_by_role("toolbar").get_by_role("button", name="时间轴").tap()
    handle = page.get_by_role("slider", name="地图的时间")
    tick = page.locator(".time-bar .tick").first.bounding_box()
    assert tick is not None
    page.touchscreen.tap(tick["x"] + 1, tick["y"] + 9)
    arrived(visitor, handle)
    expect(page.locator(".past-notice")).to_be_visible()
    controls = page.locator(".time-bar button, .time-bar input, .time-bar .handle, .past-notice button").all()
    assert len(controls) >= 8
    for control in controls:
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= SMALLEST_TARGET_PX, control.inner_html()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE[0]
    page.locator(".past-notice").get_by_role("button").tap()
    expect(page.locator(".past-notice")).to_have_count(0)


def test_two_dates_are_swiped_and_what_changed_is_listed_and_drawn(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    page, handle = opened(visitor)
    handle.press("ArrowLeft")
    handle.press("ArrowLeft")  # middle and east
    arrived(visitor, handle)
    page.get_by_role("button", name="卷帘").click()
    second = page.locator('.swipe .second[aria-busy="false"]')
    second.wait_for()
    assert parks(page) == {"middle", "east"}, "the west is left of the divider, and not there at that time"
    expect(page.locator(".past-notice")).to_contain_text("右 现在")
    pane = page.locator(".changes-pane")
    park = pane.get_by_role("button", name="绿地")
    expect(park).to_contain_text("+1")
    expect(pane.get_by_role("button", name="水系")).to_contain_text("新发布的图层")
    expect(pane).to_contain_text("无法对比：广场")

    other = page.get_by_role("slider", name="右侧的时间")
    other.press("Home")  # west and middle
    expect(park).to_contain_text("−1")
    second.wait_for()
    assert parks(page) == {"middle"}, "the east is right of the divider, and not there at that time"
    page.mouse.click(MIDDLE_PX[0] + BESIDE_PX + 15, MIDDLE_PX[1] - 15)
    then = other.get_attribute("aria-valuetext")
    expect(page.locator(".here-pane .of-then")).to_have_text(f"正在看 {then} 的地图")
    expect(page.locator(".here-pane")).to_contain_text("此处没有")
    page.get_by_role("button", name="有哪些变化").click()

    park.click()
    pane.get_by_role("radio", name="删除").click()
    pane.locator(".rows").get_by_role("button", name="west").click()
    page.wait_for_url(re.compile("with=2"))
    link = page.url.removeprefix(f"{visitor.town.url}/")
    page.get_by_role("button", name="结束对比").click()
    expect(pane).to_have_count(0)
    expect(page.locator(".swipe")).to_have_count(0)
    again = visit().open(link)
    expect(again.get_by_role("slider", name="右侧的时间")).to_have_attribute("aria-valuetext", then or "")
    expect(again.locator(".past-notice")).to_contain_text("左 20")


def test_what_is_published_meanwhile_does_not_drag_the_past_to_the_present(
    visit: Callable[..., Visit], town: Town
) -> None:
    visitor = visit()
    page, handle = opened(visitor)
    handle.press("Home")
    arrived(visitor, handle)
    with ThreadPoolExecutor(1) as aside:  # in this thread the browser's loop runs
        aside.submit(asyncio.run, _parks(town.database_url, "middle")).result()
    expect(page.locator(".time-bar .tick")).to_have_count(5)
    arrived(visitor, handle)
    assert parks(page) == {"west", "middle"}
    handle.press("End")
    arrived(visitor, handle)
    assert parks(page) == {"middle"}
