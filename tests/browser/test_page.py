"""The one-map page as people use it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, PHONE, Town, Visit, place_in

pytestmark = pytest.mark.browser

Visitors = Callable[..., Visit]

SMALLEST_TARGET_PX = 44
"""Apple's Human Interface Guidelines; WCAG 2.2 asks for 24."""

COUNT_COLOURS = """async (picture) => {
  const image = new Image()
  image.src = `data:image/png;base64,${picture}`
  await image.decode()
  const canvas = new OffscreenCanvas(image.width, image.height)
  const paint = canvas.getContext('2d')
  paint.drawImage(image, 0, 0)
  return new Set(new Uint32Array(paint.getImageData(0, 0, image.width, image.height).data.buffer)).size
}"""


def colours_on(page: Page) -> int:
    """How many colours the map shows; an empty one has a handful."""
    picture = page.locator(".map").screenshot()
    return int(page.evaluate(COUNT_COLOURS, base64.b64encode(picture).decode()))


def test_every_layer_is_drawn_with_no_error_and_no_request_to_anybody_else(
    visit: Visitors, town: Town
) -> None:
    visitor = visit()
    visitor.log_in("desk")
    layers = visitor.context.request.get(f"{town.url}/api/v1/layers").json()["layers"]
    ids = [layer["id"] for layer in layers if layer["status"] == "published"]
    assert {"unit_grid", "component", "building", "pipe_line", "pipe_node", "station"} <= set(ids)
    asked: list[str] = []
    visitor.page.on("response", lambda got: ".mvt" in got.url and asked.append(got.url))
    page = visitor.open(f"#18.2/{town.lat}/{town.lon}&on={','.join(ids)}")
    assert page.locator(".layer-row.on").count() == len(ids)
    drawn = {name for url in asked for name in url.split("/tiles/")[1].split("/")[0].split(",")}
    assert drawn == set(ids) - {"station"}  # drawn as badges, from the readings
    assert colours_on(page) > 500


def test_a_click_tells_what_is_here_across_layers(visit: Visitors, town: Town) -> None:
    visitor = visit()
    page = visitor.open_at_building()
    visitor.click_the_middle()
    here = page.locator(".here-pane")
    expect(here).to_contain_text(town.building)
    located = httpx2.get(f"{town.url}/api/v1/grid/locate?lon={town.lon}&lat={town.lat}").json()
    expect(here.locator(".place")).to_contain_text(located["grid"]["code"])
    expect(here.locator("h3").filter(has_text="单元网格")).to_be_visible()
    page.keyboard.press("Escape")
    expect(here).to_be_hidden()


def test_a_search_flies_to_what_was_found(visit: Visitors, town: Town) -> None:
    visitor = visit()
    page = visitor.open()
    page.get_by_role("combobox").fill(town.building)
    expect(page.get_by_role("option").first).to_be_visible()
    page.get_by_role("combobox").press("Enter")
    expect(page.locator(".here-pane")).to_contain_text(town.building)
    visitor.wait_until_still()
    page.wait_for_url(re.compile(r"#1[6-9]"))
    zoom, lat, lon = place_in(page.url)
    assert zoom > 16
    assert (lon, lat) == pytest.approx((town.lon, town.lat), abs=2e-3)


def test_coordinates_are_found_too(visit: Visitors, town: Town) -> None:
    page = visit().open()
    page.get_by_role("combobox").fill(f"{town.lon:.6f}, {town.lat:.6f}")
    page.get_by_role("combobox").press("Enter")
    expect(page.locator(".here-pane code")).to_have_text(f"{town.lon:.6f}, {town.lat:.6f}")


def test_the_language_changes_and_is_remembered(visit: Visitors) -> None:
    visitor = visit()
    page = visitor.open(wait=False)
    expect(page.get_by_role("heading", name="图层")).to_be_visible()
    page.get_by_role("button", name="EN", exact=True).click()
    expect(page.get_by_role("heading", name="Layers")).to_be_visible()
    expect(page).to_have_title("One Map")
    page.reload()
    expect(page.get_by_role("heading", name="Layers")).to_be_visible()
    expect(page.get_by_text("Unit grids")).to_be_visible()


def test_a_login_opens_more_layers_and_a_wrong_password_is_told(visit: Visitors) -> None:
    visitor = visit()
    page = visitor.open(wait=False)
    expect(page.get_by_text("城市部件")).to_be_visible()
    expect(page.get_by_text("管线", exact=True)).to_be_hidden()
    page.get_by_role("button", name="登录", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("账号").fill("desk")
    dialog.get_by_label("密码").fill("not this")
    dialog.get_by_role("button", name="登录").click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    visitor.faults.clear()  # the refusal, as Chromium logs it
    dialog.get_by_label("密码").fill(PASSWORD)
    dialog.get_by_role("button", name="登录").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="账号")).to_contain_text("Desk")
    expect(page.get_by_text("管线", exact=True)).to_be_visible()
    visitor.wait_until_still()


def test_a_report_is_recorded_and_arrives_live_at_the_desk(visit: Visitors, town: Town) -> None:
    desk, walker = visit(), visit(size=PHONE, has_touch=True, is_mobile=True)
    desk.log_in("desk")
    walker.log_in("walker")
    watching = desk.open()
    watching.get_by_role("button", name="事件").click()
    expect(watching.get_by_text("实时事件已连接").first).to_be_attached()

    page = walker.open_at_building()
    walker.click_the_middle()
    expect(page.locator(".here-pane")).to_contain_text(town.building)
    page.get_by_role("button", name="在此上报").click()
    located = httpx2.get(f"{town.url}/api/v1/grid/locate?lon={town.lon}&lat={town.lat}").json()
    expect(page.locator(".report-pane .located")).to_contain_text(located["grid"]["code"][:9])
    page.get_by_label("按名称或代码查找类别").fill("暴露垃圾")
    page.locator(".class-picker li button").first.click()
    page.get_by_placeholder("看到了什么").fill("楼下堆着旧家具")
    page.get_by_role("button", name="提交上报").click()
    expect(page.locator(".event-pane")).to_contain_text("楼下堆着旧家具")
    expect(page.locator(".event-pane .history li").first).to_contain_text("上报")

    arrived = watching.locator(".events-pane li").filter(has_text="楼下堆着旧家具")
    expect(arrived).to_be_visible()
    expect(arrived).to_contain_text("暴露垃圾")


def test_an_area_is_counted_by_a_field(visit: Visitors, town: Town) -> None:
    visitor = visit()
    page = visitor.open(f"#16.5/{town.lat}/{town.lon}")
    page.get_by_role("button", name="框选统计").click()
    expect(page.get_by_text("单击画出范围")).to_be_visible()
    page.wait_for_load_state("networkidle")
    for x, y in ((500, 300), (900, 300), (900, 650), (500, 650)):
        page.mouse.move(x, y)
        page.mouse.click(x, y)
        page.wait_for_timeout(350)  # two quick clicks in one place would end the drawing
    page.keyboard.press("Enter")
    expect(page.locator(".within-pane .total b")).not_to_have_text("0")
    expect(page.locator(".within-pane .bars li").first).to_be_visible()


def test_a_station_shows_its_readings(visit: Visitors, town: Town) -> None:
    stations = httpx2.get(f"{town.url}/api/v1/stations/latest").json()["stations"]
    station = next(found for found in stations if found["index"])
    visitor = visit()
    page = visitor.open(f"#17/{station['lat']}/{station['lon']}")
    visitor.click_the_middle()
    pane = page.locator(".station-pane")
    expect(pane).to_contain_text(station["name"])
    expect(pane.locator("canvas")).to_be_visible()
    pane.get_by_text("一年").click()
    expect(pane.locator("canvas")).to_be_visible()


def test_a_phone_has_the_map_first_and_targets_for_fingers(visit: Visitors) -> None:
    visitor = visit(size=PHONE, has_touch=True, is_mobile=True)
    page = visitor.open()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    tabs = page.locator(".phone-tabs")
    expect(tabs.get_by_role("button", name="上报")).to_be_visible()
    tabs.get_by_role("button", name="图层").click()
    sheet = page.locator(".bottom-sheet")
    expect(sheet.get_by_text("城市部件")).to_be_visible()
    buttons = page.locator("button:visible, .layer-row label:visible")
    small = [
        (button.inner_text() or button.get_attribute("aria-label"), box)
        for button in buttons.all()
        if (box := button.bounding_box()) and min(box["width"], box["height"]) < SMALLEST_TARGET_PX
    ]
    assert small == []
    sheet.get_by_role("button", name="关闭").click()
    expect(sheet).to_be_hidden()


def test_losing_the_service_is_said_quietly_and_finding_it_again_too(visit: Visitors) -> None:
    visitor = visit()
    page = visitor.open()
    visitor.context.set_offline(True)
    page.get_by_role("combobox").fill("梅山")
    expect(page.get_by_text("与服务的连接中断")).to_be_visible()
    visitor.context.set_offline(False)
    page.get_by_role("button", name="立即重试").click()
    expect(page.get_by_text("与服务的连接中断")).to_be_hidden()
    visitor.wait_until_still()
    visitor.faults.clear()  # what Chromium logs about a network that is gone
