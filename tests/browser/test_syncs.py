"""Syncs, review before release and the change log, as people meet them in the page."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.acceptance.conftest import onemap
from tests.browser.conftest import PHONE, Visit

pytestmark = pytest.mark.browser

Visitors = Callable[..., Visit]

WORKED_WITHIN_MS = 60_000
expect.set_options(timeout=20_000)
FIRST = "id,name,lon,lat\na,甲,116.5,31.7\nb,乙,116.6,31.7\n"
SMALLEST_TARGET_PX = 44


def put(visitor: Visit, content: str, name: str = "bins.csv") -> Path:
    """A file in the folder that is synced from, as it was delivered some time ago."""
    path = visitor.town.sync_folder / name
    path.write_text(content, encoding="utf-8")
    ago = time.time() - 3600
    os.utime(path, (ago, ago))
    return path


def make(visitor: Visit, name: str, path: str, **said: object) -> None:
    """By the API, in this visitor's window."""
    wanted = {"name": name, "source": {"path": path}, "timetable": "daily 02:30", **said}
    answer = visitor.context.request.post(f"{visitor.town.url}/api/v1/syncs", data=wanted)
    assert answer.ok, answer.text()


def open_panel(visitor: Visit) -> Page:
    page = visitor.open()
    page.get_by_role("button", name="导入数据").click()
    return page


def listed(page: Page, title: str) -> Locator:
    return page.locator(".sync").filter(has_text=title)


def test_a_sync_is_run_fails_aloud_and_is_paused(visit: Visitors) -> None:
    visitor = visit()
    visitor.log_in("office")
    file = put(visitor, FIRST)
    make(visitor, "bins", "bins.csv", title="垃圾桶", options={"layer_id": "bins", "title": "垃圾桶"})
    page = open_panel(visitor)
    row = listed(page, "垃圾桶")
    expect(row).to_contain_text("每天 02:30 · 下次")
    expect(row.locator(".tag")).to_have_text("尚未执行")
    row.get_by_role("button", name="立即同步").click()
    expect(row.locator(".tag")).to_have_text("已发布", timeout=WORKED_WITHIN_MS)
    expect(row).to_contain_text("版本 1 · 新增 2，变更 0，删除 0")

    file.unlink()
    row.get_by_role("button", name="立即同步").click()
    expect(row.locator(".tag")).to_have_text("失败", timeout=WORKED_WITHIN_MS)
    expect(page.get_by_role("alert")).to_contain_text("1 个定时同步没有成功")
    expect(row).to_contain_text("没有“bins.csv”")
    expect(page.get_by_role("button", name="导入数据").locator(".n")).to_have_text("1")
    row.get_by_role("button", name="暂停").click()
    expect(row.locator(".tag")).to_have_text("已暂停")
    row.get_by_role("button", name="继续").click()
    expect(row).to_contain_text("下次")

    page.keyboard.press("Escape")
    page.locator(".layer-row").filter(has_text="垃圾桶").locator(".more").click()
    about = page.locator(".layer-row").filter(has_text="垃圾桶").locator(".about")
    about.get_by_role("button", name="变更记录").click()
    log = about.locator(".versions > ol > li")
    expect(log).to_have_count(1)
    expect(log).to_contain_text("office")
    expect(log).to_contain_text("定时同步 垃圾桶")
    expect(log).to_contain_text("新增 2，变更 0，删除 0")
    expect(log).to_contain_text("bins.csv")


def test_who_imported_submits_and_another_person_publishes(visit: Visitors) -> None:
    maker, checker = visit(), visit()
    maker.log_in("office")
    put(maker, FIRST, "lamps.csv")
    page = open_panel(maker)
    page.locator(".syncs").get_by_role("button", name="新建").click()
    form = page.locator(".new-sync")
    form.get_by_label("名称").fill("路灯")
    form.get_by_label("标识").fill("lamps")
    form.get_by_label("文件夹或通配").fill("../lamps.csv")
    form.get_by_label("图层").fill("lamps")
    form.get_by_role("button", name="建立同步").click()
    expect(form.get_by_role("alert")).to_contain_text("同步来源有误")
    maker.faults.clear()
    form.get_by_label("文件夹或通配").fill("lamps.csv")
    form.get_by_label("时间表").select_option("weekly mon 02:30")
    form.get_by_role("button", name="建立同步").click()
    row = listed(page, "路灯")
    expect(row).to_contain_text("每周一 02:30")
    row.get_by_role("button", name="立即同步").click()
    expect(row.locator(".tag")).to_have_text("已发布", timeout=WORKED_WITHIN_MS)
    done = onemap("review", "demand", "lamps", database_url=maker.town.database_url)
    assert done.returncode == 0, done.stdout + done.stderr

    page.locator(".step-files input[type=file]").set_input_files(
        files=[
            {"name": "lamps.csv", "mimeType": "text/csv", "buffer": (FIRST + "c,丙,116.7,31.7\n").encode()}
        ]
    )
    looked = page.locator(".step-look")
    expect(looked).to_be_visible(timeout=WORKED_WITHIN_MS)
    looked.get_by_role("button", name="下一步").click()
    page.locator(".step-fields").get_by_role("button", name="读取并质检").click()
    expect(page.locator(".which .tag")).to_have_text("待发布", timeout=WORKED_WITHIN_MS)
    page.locator(".steps button").filter(has_text="发布").click()
    publishing = page.locator(".step-publish")
    expect(publishing).to_contain_text("须由导入人以外的人审核")
    publishing.locator("textarea").fill("补充丙")
    publishing.get_by_role("button", name="提交审核").click()
    expect(publishing).to_contain_text("须由没有参与导入的人发布")
    expect(publishing.get_by_role("button", name="发布", exact=True)).to_have_count(0)

    checker.log_in("checker")
    theirs = open_panel(checker)
    waiting = theirs.locator(".reviews li").filter(has_text="lamps.csv")
    expect(waiting).to_contain_text("请您审核")
    waiting.get_by_role("button").click()
    theirs.locator(".steps button").filter(has_text="发布").click()
    step = theirs.locator(".step-publish")
    expect(step.locator(".review-steps")).to_contain_text("补充丙")
    expect(step.get_by_role("button", name="退回")).to_be_disabled()
    step.locator("textarea").fill("丙的位置请再核对")
    step.get_by_role("button", name="退回").click()
    expect(step.locator(".review-steps")).to_contain_text("丙的位置请再核对")

    expect(publishing.locator(".review-steps")).to_contain_text("丙的位置请再核对")
    publishing.locator("textarea").fill("已核对")
    publishing.get_by_role("button", name="提交审核").click()
    step.locator("textarea").fill("同意")
    step.get_by_role("button", name="审核通过并发布").click()
    expect(step.locator(".done")).to_contain_text("版本 2")

    theirs.keyboard.press("Escape")
    row = theirs.locator(".layer-row").filter(has_text="lamps")
    row.locator(".more").click()
    row.get_by_role("button", name="变更记录").click()
    row.locator(".versions > ol > li").last.get_by_role("button", name="回退到此版本").click()
    row.get_by_role("button", name="确认回退").click()
    expect(row.locator(".versions > ol > li")).to_have_count(3)
    newest = row.locator(".versions > ol > li").nth(1)
    for words in ("checker", "由 office 导入", "已核对", "审核通过"):
        expect(newest).to_contain_text(words)


def test_on_a_phone_the_buttons_of_a_sync_can_be_hit(visit: Visitors) -> None:
    visitor = visit(size=PHONE, has_touch=True, is_mobile=True)
    visitor.log_in("office")
    make(visitor, "bikes", "bikes.csv", title="共享单车" * 6)
    page = visitor.open()
    page.get_by_role("button", name="账号").click()
    page.get_by_role("button", name="导入数据").click()
    row = listed(page, "共享单车")
    expect(row).to_be_visible()
    for button in row.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= SMALLEST_TARGET_PX
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
