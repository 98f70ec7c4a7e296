"""Two versions compared at the command line: on the screen, in a workbook, on a map."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import shapely
from openpyxl import load_workbook

from layers.catalogue import register, versions
from layers.db import Database
from layers.errors import BadRequest, NotFound
from layers.publish import publish, stage
from onemap.comparing import compare, print_moments
from onemap.settings import Settings, read_settings
from tests.layers.specimens import batch, shop_layer

FIRST = [{"code": "a", "name": "甲"}, {"code": "b", "name": "乙"}, {"code": "c", "name": "丙"}]
SECOND = [{"code": "a", "name": "=1+1"}, {"code": "b", "name": "乙"}, {"code": "d", "name": "丁\x07"}]


async def _moments(url: str) -> list[str]:
    async with Database(url) as db:
        return [version.published_at.isoformat() for version in reversed(await versions(db, "shop"))]


async def _two_versions(url: str) -> None:
    async with Database(url) as db:
        layer = await register(db, shop_layer())
        for rows, east in ((FIRST, 0.0), (SECOND, 0.5)):
            places = [shapely.Point(116 + n + (east if n == 1 else 0), 31) for n in range(3)]
            await publish(db, await stage(db, layer, [batch(*rows, places=list(places))]), by="li")


@pytest.fixture
def settings(database_url: str) -> Settings:
    asyncio.run(_two_versions(database_url))
    return read_settings({"ONEMAP_DATABASE_URL": database_url})


def test_numbers_and_rows_are_shown_in_both_directions(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(settings, "shop", "1", "2", rows=True, report=None)
    forth = capsys.readouterr().out
    compare(settings, "shop", "2", "1", rows=True, report=None)
    back = capsys.readouterr().out
    assert "shop: 1 → 2" in forth
    assert "shop: 2 → 1" in back
    for told in (forth, back):
        assert {word for word in ("甲", "=1+1", "丙", "丁", "[117,") if word not in told} == set(), told
    compare(settings, "shop", "2", "2", rows=True, report=None)
    assert "甲" not in capsys.readouterr().out


def test_a_workbook_holds_every_field_that_differs_and_no_formula(settings: Settings, tmp_path: Path) -> None:
    compare(settings, "shop", "1", "2", rows=False, report=tmp_path / "r.xlsx")
    book = load_workbook(tmp_path / "r.xlsx")
    added, changed, removed = (list(sheet.iter_rows(min_row=2, values_only=True)) for sheet in book)
    assert added == [("d", "code", None, "d"), ("d", "name", None, "丁�")]
    assert changed[0] == ("a", "name", "甲", "=1+1")
    assert changed[1][0] == "b"
    assert changed[1][2:] == ("Point [117, 31]", "Point [117.5, 31]")
    assert [line[0] for line in removed] == ["c", "c"]
    cell = book.worksheets[1]["D2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_a_map_of_what_differs_shows_each_row_where_it_is_or_was(settings: Settings, tmp_path: Path) -> None:
    compare(settings, "shop", "1", "2", rows=False, report=tmp_path / "r.geojson")
    told = json.loads((tmp_path / "r.geojson").read_text())
    found = {f["id"]: (f["properties"]["change"], f["geometry"]["coordinates"][0]) for f in told["features"]}
    assert found == {
        "a": ("changed", 116),
        "b": ("changed", 117.5),
        "c": ("removed", 118),
        "d": ("added", 118),
    }
    [b] = [f["properties"] for f in told["features"] if f["id"] == "b"]
    assert b["geometry_before"]["coordinates"] == [117, 31]
    assert (b["before"]["name"], b["after"]["name"]) == ("乙", "乙")


def test_what_is_not_there_is_said_before_a_report_is_begun(settings: Settings, tmp_path: Path) -> None:
    for layer, version in (("nothing", "1"), ("shop", "3"), ("shop", "2001-01-01")):
        with pytest.raises(NotFound):
            compare(settings, layer, "1", version, rows=False, report=tmp_path / "r.xlsx")
    with pytest.raises(BadRequest):
        compare(settings, "shop", "1", "2", rows=False, report=tmp_path / "r.pdf")
    with pytest.raises(BadRequest):
        compare(settings, "shop", "yesterday", "2", rows=False, report=None)
    assert list(tmp_path.iterdir()) == []


def test_dates_stand_for_the_versions_of_their_time(
    settings: Settings, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = asyncio.run(_moments(database_url))
    for earlier, later, told in (
        (first, "now", "1 → 2"),
        (second, first, "2 → 1"),
        ("1", "2999-12-31", "1 → 2"),
    ):
        compare(settings, "shop", earlier, later, rows=False, report=None)
        assert f"shop: {told}" in capsys.readouterr().out


def test_the_moments_of_layers_are_listed_newest_first(
    settings: Settings, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = asyncio.run(_moments(database_url))
    print_moments(settings, ["shop"], None, None, 100)
    lines = [line for line in capsys.readouterr().out.splitlines() if "shop" in line]
    assert ["2" in lines[0].split(), "1" in lines[1].split()] == [True, True]
    print_moments(settings, [], None, None, 1)
    assert "1" in capsys.readouterr().out.splitlines()[-1], "one older is counted"
    print_moments(settings, ["shop"], None, first, 100)
    assert sum("shop" in line for line in capsys.readouterr().out.splitlines()) == 1
    with pytest.raises(NotFound):
        print_moments(settings, ["nothing"], None, None, 100)
