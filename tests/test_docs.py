"""The docs name everything that exists, and nothing that does not."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from api.app import create_app
from api.settings import ApiSettings
from importers import geodatabase
from importers.check.rules_page import rules_page
from importers.opening import READERS
from onemap.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    documented = set(re.findall(r"^\| `(ONEMAP_\w+)`", page, re.MULTILINE))
    assert documented == {f"ONEMAP_{f.name.upper()}" for f in fields(Settings)}


def test_every_kind_of_file_that_is_read_is_documented_and_no_other() -> None:
    table = (ROOT / "docs/reference/formats.md").read_text().split("\n\n")[2]
    cells = [row.split("|")[2] for row in table.splitlines()[2:]]
    documented = {"." + suffix for cell in cells for suffix in re.findall(r"`[\w.]*\.(\w+)`", cell)}
    assert documented == {*READERS, geodatabase.SUFFIX}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_a_page_names_exists(page: Path) -> None:
    rooms = "gis|layers|importers|tiles|grid|themes|api|onemap|sample_data|benchmarks|docs|deploy|web|tests"
    named = set(re.findall(rf"`((?:{rooms})/[\w./-]*\w\.(?:py|toml|json|md|csv|sh))`", page.read_text()))
    links = {
        target.split("#")[0]
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())
        if not re.match(r"[a-z]+:|#", target)
    }
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [link for link in links if link and not (page.parent / link).exists()]
    assert not missing


def test_every_call_is_documented_and_every_documented_call_exists() -> None:
    app = create_app(ApiSettings(), "postgresql:///never-opened")
    served = {
        f"{method.upper()} {path}" for path, calls in app.openapi()["paths"].items() for method in calls
    } | {"GET /tiles/{layers}/{z}/{x}/{y}.mvt"}  # a plain ASGI path beside the router
    page = (ROOT / "docs/reference/http.md").read_text()
    assert set(re.findall(r"^\| `([A-Z]+ /[^`]*)`", page, re.MULTILINE)) == served


def test_the_page_of_rules_is_what_the_code_says() -> None:
    page = (ROOT / "docs/reference/quality-rules.md").read_text()
    assert page == rules_page(), "python -m importers.check.rules_page > docs/reference/quality-rules.md"
