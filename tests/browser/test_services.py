"""Layers of other systems' services in the page: drawn with legend and credit, and down without harm."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.conftest import environment, own_database, serving
from tests.api.services.origin_server import Asked, Origin, Said, origin, wms
from tests.browser.conftest import DESKTOP, PHONE, ROOT, Town, Visit
from tests.pictures import decoded

pytestmark = pytest.mark.browser

LON, LAT = 116.5, 31.74
LINK = f"#15/{LAT}/{LON}&on=theirs"


@pytest.fixture(scope="module")
def theirs() -> Iterator[Origin]:
    with origin(wms()) as server:
        yield server


@pytest.fixture(scope="module")
def town(
    theirs: Origin, server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    """An empty city with one layer of a WMS."""
    if not (ROOT / "web" / "dist" / "index.html").is_file():
        pytest.skip("the page is not built: npm ci && npm run build in web/")
    with own_database(server_url, template_database) as url:
        home = str(tmp_path_factory.mktemp("home"))
        allowed = {"ONEMAP_SERVICE_HOSTS": f"127.0.0.1:{theirs.port}"}
        said = (f"{theirs.url}/wms", "--layer", "pipes", "--id", "theirs", "--title", "别家管线")
        services(url, allowed, "register", *said, "--access", "public")
        with serving(url, ONEMAP_HOME=home, **allowed) as (address, _):
            yield Town(address, "", LON, LAT, url)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_service_is_drawn_with_its_legend_and_credit_and_says_when_it_is_down(
    chromium: Browser, town: Town, theirs: Origin, size: tuple[int, int]
) -> None:
    theirs.tell = wms()
    services(town.database_url, {"ONEMAP_SERVICE_HOSTS": "127.0.0.1"}, "check", "theirs")
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, locale="zh-CN")
    visit = Visit(context, town)
    page = visit.open(LINK)
    middle = decoded(page.screenshot())[:3, size[1] // 2, size[0] // 2]
    assert middle[0] > 200
    assert max(middle[1], middle[2]) < 60
    expect(page.get_by_text("市规划局").first).to_be_visible()
    if size == PHONE:
        page.get_by_role("button", name="图层").click()
    row = page.locator(".layer-row", has_text="别家管线")
    expect(row).to_contain_text("WMS 地图")
    row.get_by_role("button", expanded=False).last.click()
    picture = row.locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 20
    assert not visit.faults
    if size == PHONE:  # the server keeps what it was told of the service on the desk's visit
        context.close()
        return
    theirs.tell = broken
    page.goto(f"{town.url}/#15/{LAT + 0.1}/{LON}&on=theirs")
    page.reload()
    expect(row.get_by_text("服务不可用").first).to_be_visible(timeout=60_000)
    assert not [fault for fault in visit.faults if "502" not in fault]
    theirs.tell = wms()
    request = Request(f"{town.url}/api/v1/services")
    with urlopen(request) as answer:
        assert json.load(answer)["services"][0]["is_up"] is False
    context.close()


def services(database_url: str, allowed: dict[str, str], *said: str) -> None:
    """`onemap layers services …`, which must succeed."""
    command = [sys.executable, "-m", "onemap", "layers", "services", *said]
    there = {**environment(database_url), **allowed}
    done = subprocess.run(command, cwd=ROOT, env=there, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def broken(asked: Asked) -> Said:
    return Said(b"inner trouble", "text/plain", 500)
