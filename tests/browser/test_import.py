"""The import panel as a survey office uses it: from a dirty GBK Shapefile to the next version on the map."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import shapely
from playwright.sync_api import Page, Route, expect

from gis.crs import CGCS2000, read_crs, reproject
from tests.browser.conftest import PHONE, Town, Visit
from tests.importers.specimens import packed, parts_of, text, vector
from tests.pictures import decoded, write_tif

pytestmark = pytest.mark.browser

Visitors = Callable[..., Visit]

WORKED_WITHIN_MS = 90_000
expect.set_options(timeout=20_000)  # answers, drawn without a graphics card on a busy machine
SMALLEST_TARGET_PX = 44
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0))
  const transfer = new DataTransfer()
  transfer.items.add(new File([bytes], name))
  for (const kind of ['dragover', 'drop'])
    document.querySelector('.map').dispatchEvent(
      new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }))
}"""


class Building(NamedTuple):
    """A building as it stands: its key, and its shape in EPSG:4490."""

    code: str
    shape: shapely.Geometry


def buildings(visitor: Visit, count: int) -> list[Building]:
    """Buildings of the town that no other test looks at."""
    answer = visitor.context.request.get(f"{visitor.town.url}/ogc/collections/building/items?limit=50")
    found = [feature for feature in answer.json()["features"] if feature["id"] != visitor.town.building]
    return [Building(str(f["id"]), shapely.geometry.shape(f["geometry"])) for f in found[:count]]


def survey(
    folder: Path, rows: Sequence[tuple[str | None, str, shapely.Geometry]], name: str = "房屋普查"
) -> Path:
    """Rows of code, name and shape as a zipped Shapefile in GBK and EPSG:4527, without .cpg."""
    plane = reproject(np.array([row[2] for row in rows], dtype=object), CGCS2000, read_crs("EPSG:4527"))
    fields = {
        "房屋编号": [row[0] for row in rows],
        "房屋名称": [row[1] for row in rows],
        "用途": ["住宅"] * len(rows),
        "结构": ["砖混"] * len(rows),
        "总层数": [6] * len(rows),
    }
    shp = vector(folder / f"{name}.shp", list(plane), fields, crs="EPSG:4527", encoding="GBK")
    shp.with_suffix(".cpg").unlink(missing_ok=True)
    return packed(folder / f"{name}.zip", parts_of(shp))


def beside(shape: shapely.Geometry, degrees: float) -> shapely.Geometry:
    return shapely.transform(shape, lambda corners: np.add(corners, (degrees, 0.0)))


def crossed(shape: shapely.Geometry) -> shapely.Geometry:
    """A ring that crosses itself, where the shape is."""
    west, south, east, north = shape.bounds
    return shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])


def open_panel(visitor: Visit) -> Page:
    visitor.log_in("office")
    page = visitor.open()
    page.get_by_role("button", name="导入数据").click()
    expect(page.locator(".step-files .drop")).to_be_visible()
    return page


def send(page: Page, *files: Path) -> None:
    page.locator(".step-files input[type=file]").set_input_files([str(file) for file in files])
    expect(page.locator(".step-look")).to_be_visible(timeout=WORKED_WITHIN_MS)


def staged(page: Page) -> None:
    expect(page.locator(".which .tag")).to_have_text("待发布", timeout=WORKED_WITHIN_MS)


def version_of(visitor: Visit, layer: str) -> int:
    layers = visitor.context.request.get(f"{visitor.town.url}/api/v1/layers").json()["layers"]
    return int(next(found["version"] for found in layers if found["id"] == layer))


def test_a_dirty_shapefile_becomes_the_next_version(visit: Visitors, tmp_path: Path) -> None:
    visitor = visit()
    page = open_panel(visitor)
    standing = buildings(visitor, 4)
    before = version_of(visitor, "building")
    rows: list[tuple[str | None, str, Any]] = [
        (standing[0].code, "改名一号楼", standing[0].shape),
        (standing[1].code, "改名二号楼", crossed(standing[1].shape)),
        (standing[0].code, "重复的楼", standing[2].shape),
        (None, "没有编号的楼", standing[3].shape),
        ("341502001001F99001", "新楼一", beside(standing[0].shape, 0.0100)),
        ("341502001001F99002", "新楼二", beside(standing[1].shape, 0.0100)),
    ]
    file = survey(tmp_path, rows)
    page.evaluate(DROP, [file.name, base64.b64encode(file.read_bytes()).decode()])

    looked = page.locator(".step-look")
    expect(looked).to_be_visible(timeout=WORKED_WITHIN_MS)
    expect(looked.get_by_label("图层", exact=True)).to_have_value("building")
    expect(looked).to_contain_text("EPSG:4527")
    expect(looked).to_contain_text("GB2312")
    expect(looked).to_contain_text("抽样的 6 行")
    looked.get_by_role("button", name="下一步").click()

    fields = page.locator(".step-fields")
    expect(fields.get_by_label("“房屋编号”对应的字段")).to_have_value("code")
    expect(fields).to_contain_text("改名一号楼")
    fields.get_by_label("“房屋编号”对应的字段").select_option("")
    expect(fields.get_by_role("alert")).to_contain_text("缺少必需的字段")
    expect(fields.get_by_role("button", name="读取并质检")).to_be_disabled()
    fields.get_by_label("“房屋编号”对应的字段").select_option("code")
    fields.get_by_label("增量更新").check()
    fields.get_by_role("button", name="读取并质检").click()

    checked = page.locator(".step-check")
    expect(page.locator(".which .tag")).to_have_text("未通过", timeout=WORKED_WITHIN_MS)
    expect(checked.locator(".rules > li").first).to_contain_text("错误")
    expect(checked.locator(".rules")).to_contain_text("重复")
    checked.locator(".rules > li > button").filter(has_text="重复").first.click()
    expect(checked.locator(".found li").first).to_contain_text("3")
    checked.get_by_label(re.compile("舍弃")).check()
    checked.get_by_role("button", name="按新选择重新读取").click()
    staged(page)
    checked.get_by_role("button", name="下一步：差异").click()

    difference = page.locator(".step-difference")
    kinds = difference.get_by_role("radio")
    expect(kinds.filter(has_text="新增")).to_contain_text("2")
    expect(kinds.filter(has_text="删除")).to_be_disabled()
    kinds.filter(has_text="变更").click()
    changed = difference.locator(".rows li").filter(has_text="改名一号楼")
    expect(changed.locator("ins").filter(has_text="改名一号楼")).to_be_visible()
    changed.get_by_role("button").click()
    visitor.wait_until_still()
    difference.get_by_role("button", name="下一步：发布").click()

    page.locator(".step-publish").get_by_label("说明").fill("普查更新")
    page.get_by_role("button", name="发布", exact=True).click()
    expect(page.locator(".step-publish .done")).to_contain_text(
        f"版本 {before + 1}", timeout=WORKED_WITHIN_MS
    )
    assert version_of(visitor, "building") == before + 1
    item = visitor.context.request.get(
        f"{visitor.town.url}/ogc/collections/building/items/341502001001F99001"
    ).json()
    assert item["properties"]["name"] == "新楼一"
    versions = visitor.context.request.get(f"{visitor.town.url}/api/v1/layers/building/versions").json()
    assert "普查更新" in str(versions)
    visitor.wait_until_still()


def test_a_doubt_is_decided_on_the_map_and_a_reload_loses_nothing(visit: Visitors, tmp_path: Path) -> None:
    visitor = visit()
    page = open_panel(visitor)
    send(page, text(tmp_path, "井盖普查.csv", "编号,lon,lat\n1,31.74,116.5\n2,31.75,116.51\n"))
    looked = page.locator(".step-look")
    expect(looked.locator(".trouble.stops")).to_contain_text("颠倒")
    expect(looked).to_contain_text("未能确定")
    expect(page).to_have_url(re.compile("import="))
    page.reload()
    expect(looked.locator(".trouble.stops")).to_contain_text("颠倒", timeout=WORKED_WITHIN_MS)
    option = looked.locator("#import-crs option").filter(has_text="坐标轴互换").first
    looked.locator("#import-crs").select_option(option.get_attribute("value"))
    expect(looked.locator(".trouble.stops")).to_have_count(0, timeout=WORKED_WITHIN_MS)
    looked.get_by_role("button", name="下一步：字段").click()
    page.locator(".step-fields").get_by_role("button", name="读取并质检").click()
    staged(page)
    page.get_by_role("button", name="返回列表").click()
    row = page.locator(".recent li").filter(has_text="井盖普查.csv").first
    expect(row).to_contain_text("待发布")
    row.get_by_role("button").click()
    staged(page)
    page.get_by_role("button", name=re.compile("发布$")).last.click()
    page.get_by_role("button", name="放弃").click()
    page.get_by_role("button", name="确认放弃").click()
    expect(page.locator(".which .tag")).to_have_text("已放弃")


def test_a_layer_that_moved_on_is_compared_again_before_it_is_published(
    visit: Visitors, tmp_path: Path, town: Town
) -> None:
    visitor, other = visit(), visit()
    rows = "编号,名称,lon,lat\n1,甲,116.5,31.74\n"
    for n, one in enumerate((visitor, other)):
        page = open_panel(one)
        send(page, text(tmp_path, "pilot.csv", rows + f"{n + 2},乙,116.51,31.75\n"))
        page.get_by_role("button", name="下一步：字段").click()
        page.get_by_role("button", name="读取并质检").click()
        staged(page)
        page.get_by_role("button", name="下一步：差异").click()
        page.get_by_role("button", name="下一步：发布").click()
    publish = "发布"
    other.page.get_by_role("button", name=publish, exact=True).click()
    expect(other.page.locator(".step-publish .done")).to_be_visible(timeout=WORKED_WITHIN_MS)
    visitor.page.get_by_role("button", name=publish, exact=True).click()
    expect(visitor.page.locator(".step-publish").get_by_role("alert")).not_to_be_empty()
    visitor.faults.clear()  # the refusal, as Chromium logs it
    visitor.page.get_by_role("button", name="重新比较").click()
    expect(visitor.page.locator(".step-difference")).to_contain_text("与第 1 版比较")
    visitor.page.get_by_role("button", name="下一步：发布").click()
    visitor.page.get_by_role("button", name=publish, exact=True).click()
    expect(visitor.page.locator(".step-publish .done")).to_contain_text("版本 2", timeout=WORKED_WITHIN_MS)
    for one in (visitor, other):
        one.wait_until_still()


def test_sending_goes_on_where_the_connection_broke(visit: Visitors, tmp_path: Path) -> None:
    visitor = visit()
    page = open_panel(visitor)
    lines = "".join(f"{n},116.5,31.74,{'很长的说明' * 12}\n" for n in range(50_000))
    file = text(tmp_path, "long.csv", "id,lon,lat,note\n" + lines)
    assert file.stat().st_size > 8 * 1024 * 1024
    asked: list[str | None] = []

    def broken_once(route: Route) -> None:
        if route.request.method == "PATCH":
            asked.append(route.request.headers.get("upload-offset"))
            if len(asked) == 2:
                return route.abort("connectionreset")
        return route.continue_()

    page.route("**/api/v1/uploads/*", broken_once)
    send(page, file)
    assert len(asked) >= 3
    assert asked[1] == asked[2] != "0", "the piece that was lost is sent again, and no other"
    visitor.faults.clear()  # the broken connection, as Chromium logs it


def test_a_page_of_a_refused_file_says_why(visit: Visitors, tmp_path: Path) -> None:
    page = open_panel(visit())
    page.locator(".step-files input[type=file]").set_input_files(
        str(text(tmp_path, "data.geojson", "<html><body>登录</body></html>"))
    )
    expect(page.get_by_role("alert")).to_contain_text("网页", timeout=WORKED_WITHIN_MS)
    expect(page.locator(".which .tag")).to_have_text("未通过")


def test_only_publishers_are_offered_to_import(visit: Visitors) -> None:
    visitor = visit()
    visitor.log_in("walker")
    page = visitor.open(wait=False)
    expect(page.get_by_role("button", name="账号")).to_contain_text("Walker")
    expect(page.get_by_role("button", name="导入数据")).to_have_count(0)


def test_a_phone_imports_too(visit: Visitors, tmp_path: Path) -> None:
    visitor = visit(size=PHONE, has_touch=True, is_mobile=True)
    visitor.log_in("office")
    page = visitor.open()
    page.get_by_role("button", name="账号").click()
    page.get_by_role("button", name="导入数据").click()
    send(page, text(tmp_path, "phone.csv", "编号,名称,lon,lat\n1,甲,116.5,31.74\n2,乙,116.51,31.75\n"))
    page.get_by_role("button", name="展开").click()
    page.get_by_role("button", name="下一步：字段").click()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    small = [
        (button.inner_text() or button.get_attribute("aria-label"), box)
        for button in page.locator(".import-pane button:visible, .import-pane select:visible").all()
        if (box := button.bounding_box()) and min(box["width"], box["height"]) < SMALLEST_TARGET_PX
    ]
    assert small == []
    page.get_by_role("button", name="读取并质检").click()
    staged(page)
    visitor.wait_until_still()


def stations_of(visitor: Visit, count: int) -> list[str]:
    found = visitor.context.request.get(f"{visitor.town.url}/ogc/collections/station/items?limit={count}")
    return [str(feature["id"]) for feature in found.json()["features"]]


def newest(visitor: Visit, station: str) -> dict[str, float]:
    told = visitor.context.request.get(f"{visitor.town.url}/api/v1/stations/latest").json()["stations"]
    [found] = [one for one in told if one["code"] == station]
    return {value["indicator"]: value["value"] for value in found["values"]}


def test_readings_are_written_after_a_look_at_what_they_replace(visit: Visitors, tmp_path: Path) -> None:
    visitor = visit()
    page = open_panel(visitor)
    one, two = stations_of(visitor, 2)
    head = "站点编码,监测时间,氨氮(mg/L),备注\n"
    send(
        page,
        text(tmp_path, "监测.csv", head + f"{one},2026-08-01 08:00,0.35,\n没有此站,2026-08-01 08:00,1,\n"),
    )
    looked = page.locator(".step-look")
    expect(looked.get_by_label("图层", exact=True)).to_have_value("reading")
    expect(looked.locator(".readings")).to_contain_text("氨氮")
    expect(looked).to_contain_text("没有此站")
    looked.get_by_role("button", name="下一步：字段").click()
    fields = page.locator(".step-fields")
    expect(fields.get_by_label("“氨氮(mg/L)”对应的字段")).to_have_value("nh3_n")
    fields.get_by_role("button", name="读取并质检").click()
    expect(page.locator(".which .tag")).to_have_text("未通过", timeout=WORKED_WITHIN_MS)
    checked = page.locator(".step-check")
    expect(checked.locator(".rules")).to_contain_text("站点不在监测站图层中")
    checked.get_by_label(re.compile("舍弃")).check()
    checked.get_by_role("button", name="按新选择重新读取").click()
    staged(page)
    assert "nh3_n" not in newest(visitor, one), "nothing is written before it is published"
    checked.get_by_role("button", name="下一步：差异").click()
    difference = page.locator(".step-difference")
    expect(difference.get_by_role("radio").filter(has_text="新增")).to_contain_text("1")
    expect(difference.locator(".rows li").first).to_contain_text("0.35")
    difference.get_by_role("button", name="下一步：发布").click()
    expect(page.locator(".step-publish")).to_contain_text("不能回滚")
    page.get_by_role("button", name="发布", exact=True).click()
    expect(page.locator(".step-publish .done")).to_contain_text("新增 1 条", timeout=WORKED_WITHIN_MS)
    assert newest(visitor, one)["nh3_n"] == 0.35
    page.get_by_role("button", name="导入其他文件").last.click()
    rows = f"{one},2026-08-01 08:00,0.5,\n{two},2026-08-01 08:00,0.2,\n"
    send(page, text(tmp_path, "监测二.csv", head + rows))
    page.get_by_role("button", name="下一步：字段").click()
    page.get_by_role("button", name="读取并质检").click()
    staged(page)
    checked.get_by_role("button", name="下一步：差异").click()
    expect(difference).to_contain_text("1 个已有的值将被替换")
    difference.get_by_role("radio").filter(has_text="替换").click()
    expect(difference.locator(".rows ins")).to_have_text("0.5")
    visitor.wait_until_still()


def aerial(path: Path, colour: tuple[int, int, int]) -> Path:
    """An image of 1.2 km in the town, 2 m a pixel, in EPSG:4548."""
    pixels = np.tile(np.array(colour, dtype=np.uint8)[:, None, None], (1, 600, 600))
    pixels[:, ::40, :] = 250
    return write_tif(path, pixels, corner=(452_000.0, 3_513_200.0), step=(2.0, -2.0))


def share_of_map(page: Page, colour: tuple[int, int, int]) -> float:
    """How much of the map is nearly of a colour."""
    seen = decoded(page.locator(".map").screenshot())[:3].astype(int)
    near = np.abs(seen - np.array(colour)[:, None, None]).max(axis=0) < 45
    return float(near.mean())


def test_an_image_is_published_with_the_date_that_a_person_says(visit: Visitors, tmp_path: Path) -> None:
    visitor = visit()
    page = open_panel(visitor)
    send(page, aerial(tmp_path / "无人机航拍_2026.tif", (200, 30, 160)))
    looked = page.locator(".step-look")
    expect(looked).to_contain_text("600 × 600")
    expect(looked.get_by_label("影像日期")).to_have_value("2026")
    expect(looked.get_by_alt_text("影像缩略图")).to_be_visible()
    visitor.wait_until_still()
    assert share_of_map(page, (200, 30, 160)) > 0.02, "the image lies on the map before it is published"
    looked.get_by_label("图层标识").fill("drone")
    looked.get_by_label("图层名称").fill("无人机航拍")
    looked.get_by_role("button", name="应用").click()
    expect(looked.get_by_label("图层", exact=True)).to_be_enabled(timeout=WORKED_WITHIN_MS)
    looked.get_by_label("影像日期").fill("2026-05-01")
    looked.get_by_label("影像日期").press("Enter")
    expect(looked).to_contain_text("由导入者指定", timeout=WORKED_WITHIN_MS)
    looked.get_by_role("button", name="下一步：字段").click()
    page.locator(".step-fields").get_by_role("button", name="读取", exact=True).click()
    staged(page)
    page.locator(".step-check").get_by_role("button", name="下一步：差异").click()
    difference = page.locator(".step-difference")
    expect(difference).to_contain_text("2026-05-01")
    expect(difference).to_contain_text("EPSG:4548")
    difference.get_by_role("button", name="下一步：发布").click()
    page.get_by_role("button", name="发布", exact=True).click()
    expect(page.locator(".step-publish .done")).to_contain_text("版本 1", timeout=WORKED_WITHIN_MS)
    layer = visitor.context.request.get(f"{visitor.town.url}/api/v1/layers/drone").json()
    assert [one["taken"] for one in layer["rasters"]] == ["2026-05-01"]
    visitor.wait_until_still()


def components(visitor: Visit) -> tuple[str, list[dict[str, Any]]]:
    """The code of a grid with several components, and these."""
    found = visitor.context.request.get(f"{visitor.town.url}/ogc/collections/component/items?limit=1000")
    by_grid: dict[str, list[dict[str, Any]]] = {}
    for feature in found.json()["features"]:
        by_grid.setdefault(feature["properties"]["grid_code"], []).append(feature)
    return next((code, rows) for code, rows in by_grid.items() if code and len(rows) > 3)


def test_a_part_is_replaced_and_rows_are_marked_as_gone(visit: Visitors, tmp_path: Path) -> None:
    visitor = visit()
    page = open_panel(visitor)
    grid, there = components(visitor)
    url = f"{visitor.town.url}/ogc/collections/component/items?grid_code={grid}&limit=1000&count=true"
    count = int(visitor.context.request.get(url).json()["numberMatched"])

    def row(feature: dict[str, Any], change: str) -> str:
        told, (lon, lat) = feature["properties"], feature["geometry"]["coordinates"]
        return f"{feature['id']},改名的{told['name']},{told['class_code']},{lon},{lat},{change}\n"

    head = "标识码,部件名称,类别编码,lon,lat,变更类型\n"
    send(page, text(tmp_path, "部件.csv", head + row(there[0], "变更") + row(there[1], "注销")))
    page.get_by_role("button", name="下一步：字段").click()
    fields = page.locator(".step-fields")
    fields.get_by_label("部分区域").check()
    read = fields.get_by_role("button", name="读取并质检")
    expect(read).to_be_disabled()  # without a code, a part would be everything
    fields.get_by_label("区划或网格编码").fill("3415")
    expect(fields.get_by_role("alert")).to_contain_text("3415")
    expect(read).to_be_disabled()
    fields.get_by_label("区划或网格编码").fill(grid)
    fields.get_by_label("标明已注销的列").select_option("变更类型")
    fields.get_by_label("表示已注销的值").fill("注销，删除")
    read.click()
    staged(page)
    page.get_by_role("button", name="下一步：差异").click()
    kinds = page.locator(".step-difference").get_by_role("radio")
    expect(kinds.filter(has_text="变更")).to_contain_text("1")
    expect(kinds.filter(has_text="删除")).to_contain_text(str(count - 1))
    page.get_by_role("button", name="下一步：发布").click()
    page.get_by_role("button", name="放弃").click()
    page.get_by_role("button", name="确认放弃").click()
    expect(page.locator(".which .tag")).to_have_text("已放弃")


def test_rows_are_placed_by_code_or_in_a_city_local_system(visit: Visitors, tmp_path: Path) -> None:
    visitor = visit()
    page = open_panel(visitor)
    communities = visitor.context.request.get(f"{visitor.town.url}/ogc/collections/community/items").json()
    rows = "".join(f"{feature['id']},{n}\n" for n, feature in enumerate(communities["features"]))
    send(page, text(tmp_path, "人口统计.csv", f"社区代码,户数\n{rows}"))
    looked, fields = page.locator(".step-look"), page.locator(".step-fields")
    expect(looked.locator(".trouble.stops")).not_to_have_count(0)
    looked.get_by_role("button", name="下一步：补全字段").click()
    fields.get_by_label("“社区代码”对应的字段").select_option("@code")
    expect(fields.get_by_role("button", name="读取并质检")).to_be_enabled(timeout=WORKED_WITHIN_MS)
    page.get_by_role("button", name="识别").click()
    expect(looked).to_contain_text("编码取自图层")
    page.get_by_role("button", name="导入其他文件").click()
    points = "编号,名称,x,y\n1,甲,52000,12600\n2,乙,52100,12700\n"
    send(page, text(tmp_path, "独立坐标.csv", points))
    choice = looked.locator("#import-crs")
    choice.select_option(choice.locator("option").filter(has_text="皋城独立").get_attribute("value"))
    expect(looked.locator(".trouble.stops")).to_have_count(0, timeout=WORKED_WITHIN_MS)
    expect(looked).to_contain_text("四参数")
    assert "400000" not in page.content(), "what the system is made of stays with the operator"


def test_a_geodatabase_in_a_zip_is_looked_at_table_by_table(visit: Visitors, tmp_path: Path) -> None:
    sent = tmp_path / "滁州市井盖普查（二期）.zip"
    sent.write_bytes((Path(__file__).parents[1] / "importers/files/geodatabase.zip").read_bytes())
    visitor = visit()
    page = open_panel(visitor)
    send(page, sent)
    looked = page.locator(".step-look")
    expect(looked.get_by_role("radio")).to_have_text(
        ["JG_2", "道路", "地块", "井盖注记"], timeout=WORKED_WITHIN_MS
    )
    expect(looked.get_by_label("图层名称")).to_have_value("井盖（二期）")
    expect(looked).to_contain_text("未导入的附件表：JG_2__ATTACH")
    looked.get_by_role("radio", name="地块").click()
    expect(looked.get_by_label("图层名称")).to_have_value("用地地块")
    page.get_by_role("button", name="下一步：字段").click()
    expect(page.locator(".step-fields")).to_contain_text("地块类型")
    visitor.wait_until_still()
