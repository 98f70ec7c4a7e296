"""First view: what a browser that was never here fetches until the whole city stands, and how long it takes.

Headless Chromium at the size of a desk and of a phone, nothing kept in it. The first visit also finds nothing
kept in the server; the others find the tiles that it drew. Bytes are those on the wire, headers included.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.report import Ratio
from benchmarks.service import PAGE, serving
from layers.errors import BadRequest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

BUDGET_KB = 1000.0
SIZES = {"desk, 1440×900": (1440, 900, 1), "phone, 390×844": (390, 844, 3)}
"""Width and height in CSS pixels, and screen pixels in each."""
VISITS = 3
COMPLETE_WITHIN_MS = 120_000
"""Without a graphics card a map takes its time."""
_FLAGS = ("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")


@dataclass
class Visit:
    """One first view. `bytes_by_kind` and `requests_by_kind`: tiles, scripts, letters, ….

    `complete_s`: from asking for the page to a map that stands still with all it shows.
    """

    complete_s: float = 0.0
    bytes_by_kind: Counter[str] = field(default_factory=Counter)
    requests_by_kind: Counter[str] = field(default_factory=Counter)

    def told(self) -> str:
        """The kinds in words, the heaviest first."""
        return ", ".join(
            f"{kind} {size / 1000:.0f} kB ({self.requests_by_kind[kind]})"
            for kind, size in self.bytes_by_kind.most_common()
        )


def run(url: str) -> tuple[list[Ratio], list[tuple[str, float, float, int]]]:
    """Of the city in the database at `url`, as somebody sees it who has not logged in: bytes of each size
    against the budget, and milliseconds to a complete map (median and worst; of the first visit by itself).

    Raises `BadRequest` where Chromium, its driver or the built page is missing.
    """
    ratios: list[Ratio] = []
    times: list[tuple[str, float, float, int]] = []
    with chromium() as browser:
        for name, size in SIZES.items():
            visits = visits_of(browser, url, size)
            first, later = visits[0], [visit.complete_s * 1000 for visit in visits[1:]]
            kilobytes = first.bytes_by_kind.total() / 1000
            note = f"{first.requests_by_kind.total()} requests: {first.told()}"
            ratios.append(Ratio(f"first view, {name}", "budget", kilobytes, BUDGET_KB, "kB", False, 1, note))
            times.append((f"{name}, nothing kept", first.complete_s * 1000, first.complete_s * 1000, 1))
            times.append((f"{name}, tiles kept", median(later), max(later), len(later)))
    return ratios, times


def visits_of(browser: Browser, url: str, size: tuple[int, int, int]) -> Sequence[Visit]:
    """Visits to a server that has just started, each by a browser without memory."""
    if not (PAGE / "index.html").is_file():
        raise _missing("web", "网页（web/dist）", "the built page (npm ci && npm run build in web/)")
    with serving("page", url) as service:
        return [_visit(browser, f"http://127.0.0.1:{service.port}/", size) for _ in range(VISITS)]


def _visit(browser: Browser, address: str, size: tuple[int, int, int]) -> Visit:
    width, height, density = size
    is_phone = width < 720
    context = browser.new_context(
        viewport={"width": width, "height": height}, device_scale_factor=density, is_mobile=is_phone,
        has_touch=is_phone, locale="zh-CN",
    )  # fmt: skip
    visit, finished = Visit(), list[Any]()
    try:
        page = context.new_page()
        page.on("requestfinished", lambda request: finished.append(request))
        started = perf_counter()
        page.goto(address)
        page.locator('.map[aria-busy="false"]').wait_for(timeout=COMPLETE_WITHIN_MS)
        visit.complete_s = perf_counter() - started
        for request in finished:
            _count(visit, request)
    finally:
        context.close()
    return visit


def _count(visit: Visit, request: Request) -> None:
    if not request.url.startswith("http"):
        return  # blob: and data: addresses are made in the page
    sizes, answer = request.sizes(), request.response()
    # Of the script of a worker the browser tells the headers only.
    length = 0 if answer is None else int(answer.headers.get("content-length", 0))
    kind = kind_of(request.url)
    visit.requests_by_kind[kind] += 1
    visit.bytes_by_kind[kind] += (sizes["responseBodySize"] or length) + sizes["responseHeadersSize"]


def kind_of(address: str) -> str:
    """What an address of the service is for."""
    path = urlsplit(address).path
    if path.endswith((".mvt", ".webp", ".png")) and not path.startswith("/sprites"):
        return "tiles"
    if path.endswith(".js"):
        return "MapLibre's worker" if "worker" in path else "scripts"
    if path.endswith(".css"):
        return "style sheets"
    if path.startswith(("/styles", "/sprites", "/fonts")) or path.endswith(".json"):
        return "map styles"
    if path.startswith("/api/"):
        return "data"
    return "page"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium that draws in software and calls nobody by itself."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise _missing("playwright", "playwright", "playwright, which is in requirements-dev.txt") from error
    found = [shutil.which(name) for name in ("chromium", "chromium-browser")]
    path = os.environ.get("ONEMAP_CHROMIUM") or next((each for each in found if each), None)
    if path is None or not Path(path).exists():
        raise _missing("chromium", "Chromium", "Chromium on PATH, or its path in ONEMAP_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS, *_QUIET])
        yield browser
        browser.close()


def _missing(what: str, zh: str, en: str) -> BadRequest:
    return BadRequest(
        f"首屏基准需要{zh}", f"the first view is measured with {en}", field="only", value=what, expected=en
    )
