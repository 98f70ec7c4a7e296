"""Chinese names survive the whole way: file, layer, fields and values, in and on the map and out again.

With what trips others: full-width brackets and digits, spaces inside names, characters outside GBK (𠮷,
U+20BB7; 㐂, U+3402), a unit in brackets.
"""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import mapbox_vector_tile
import pytest

from api.app import create_app
from api.settings import ApiSettings
from gis.squares import tile_at
from importers.opening import opened
from importers.options import ImportOptions
from importers.report import ImportReport
from importers.run import import_files
from layers.catalogue import set_access
from layers.db import Database
from layers.errors import BadRequest, Conflict
from onemap.exporting import export
from onemap.settings import Settings, read_settings
from tests.importers.specimens import packed, points, vector

ARCHIVE = "滁州市井盖普查（二期）.zip"
FILE = "井盖 普查（二期）.gpkg"
LAYER = "𠮷安 路井盖（二期）"
FIELDS: dict[str, list[Any]] = {
    "编号": ["JG００１", "JG 002", "JG003"],
    "名 称（㐂）": ["𠮷野家门口", "㐂园 北门", "中市街道１号"],
    "𠮷类 别": ["雨水", "污水", None],
    "埋深（m）": [1.5, 2.25, 0.8],
    "普查说明": ["“完好”，无破损", "盖板,缺角\n已报修", "=SUM(A1)"],
}


def sent(folder: Path) -> Path:
    """The archive as a district hands it in."""
    file = vector(folder / FILE, points(lon=116.5), FIELDS, layer=LAYER)
    return packed(folder / ARCHIVE, {f"成果 数据/{FILE}": file})


def bring(url: str, *paths: Path, **options: Any) -> list[ImportReport]:
    async def work() -> list[ImportReport]:
        async with Database(url) as database:
            reports = await import_files(database, paths, ImportOptions(**options))
            for report in reports:
                await set_access(database, report.layer_id, "public")
            return reports

    return asyncio.run(work())


def ask(url: str, *addresses: str) -> list[httpx2.Response]:
    async def work() -> list[httpx2.Response]:
        app = create_app(ApiSettings(), url)
        transport = httpx2.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://city.test") as client,
        ):
            return [await client.get(address) for address in addresses]

    answers = asyncio.run(work())
    assert [answer.status_code for answer in answers] == [200] * len(addresses), answers[-1].text[:500]
    return answers


@pytest.fixture
def layer_id(database_url: str, tmp_path: Path) -> str:
    [report] = bring(database_url, sent(tmp_path))
    assert (report.state, report.kept) == ("published", 3)
    assert report.file == f"{ARCHIVE}/成果 数据/{FILE} [{LAYER}]"
    return report.layer_id


@pytest.fixture
def settings(database_url: str) -> Settings:
    return read_settings({"ONEMAP_DATABASE_URL": database_url})


def test_the_layer_is_described_and_drawn_in_its_own_words(database_url: str, layer_id: str) -> None:
    tile = tile_at(116.5, 31.74, 14)
    described, queryables, schema, items, style, drawn = ask(
        database_url,
        f"/api/v1/layers/{layer_id}",
        f"/ogc/collections/{layer_id}/queryables",
        f"/ogc/collections/{layer_id}/schema",
        f"/ogc/collections/{layer_id}/items?limit=10",
        "/styles/all.json",
        f"/tiles/{layer_id}/{tile.z}/{tile.x}/{tile.y}.mvt",
    )
    told = described.json()
    assert told["title"]["zh"] == f"井盖 普查（二期） {LAYER}"
    assert [field["title"]["zh"] for field in told["fields"]] == list(FIELDS)
    names = {field["title"]["zh"]: field["name"] for field in told["fields"]}
    for document in (queryables, schema):
        assert set(names.values()) <= set(document.json()["properties"])
    shown = [feature["properties"] for feature in items.json()["features"]]
    assert [{title: row[names[title]] for title in list(FIELDS)[1:]} for row in shown] == [
        {title: values[position] for title, values in list(FIELDS.items())[1:]} for position in range(3)
    ]
    assert f"{layer_id}-" in style.text or f'"{layer_id}"' in style.text
    in_tile = [f["properties"] for f in mapbox_vector_tile.decode(drawn.content)[layer_id]["features"]]
    assert {row[names["名 称（㐂）"]] for row in in_tile} == set(FIELDS["名 称（㐂）"])
    assert {row.get(names["𠮷类 别"]) for row in in_tile} == {"雨水", "污水", None}


def test_rows_are_chosen_by_chinese_fields_and_values(database_url: str, layer_id: str) -> None:
    [described] = ask(database_url, f"/api/v1/layers/{layer_id}")
    names = {field["title"]["zh"]: field["name"] for field in described.json()["fields"]}
    items = httpx2.URL(f"http://city.test/ogc/collections/{layer_id}/items")
    by_value = items.copy_merge_params({names["名 称（㐂）"]: "𠮷野家门口"})
    by_filter = items.copy_merge_params({"filter": f"\"{names['名 称（㐂）']}\" LIKE '%㐂%'"})
    one, other = ask(database_url, str(by_value), str(by_filter))
    assert [f["properties"][names["埋深（m）"]] for f in one.json()["features"]] == [1.5]
    assert [f["properties"][names["埋深（m）"]] for f in other.json()["features"]] == [2.25]


def test_it_leaves_over_http_as_it_came(database_url: str, layer_id: str) -> None:
    whole, sheet = ask(
        database_url,
        f"/api/v1/layers/{layer_id}/export",
        f"/api/v1/layers/{layer_id}/export?format=csv",
    )
    title = f"井盖 普查（二期） {LAYER}"
    assert unquote(whole.headers["content-disposition"]).endswith(f"{title}_v1.geojson")
    assert whole.json()["name"] == title
    assert len(whole.json()["features"]) == 3
    assert sheet.content.startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(sheet.content.decode("utf-8-sig")))
    assert header == [*FIELDS, "经度", "纬度"]
    assert [row[1] for row in rows] == FIELDS["名 称（㐂）"]
    assert [row[4] for row in rows] == FIELDS["普查说明"]
    assert [float(row[5]) for row in rows] == pytest.approx([116.5, 116.501, 116.502])


@pytest.mark.parametrize("name", ["井盖（二期）.gpkg", "井盖（二期）.geojson", "井盖（二期）.csv"])
def test_it_leaves_in_every_form_and_comes_back_the_same(
    database_url: str, settings: Settings, layer_id: str, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    export(settings, layer_id, path, version=None, crs="cgcs2000", encoding="utf-8", overwrite=False)
    [report] = bring(database_url, path, layer_id=layer_id)
    assert (report.state, report.kept) == ("unchanged", 3), report.to_json()


def test_a_shapefile_keeps_what_ten_bytes_hold_and_says_the_rest(
    database_url: str, settings: Settings, layer_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "井盖（二期）.zip"
    export(settings, layer_id, path, version=None, crs="EPSG:4548", encoding="utf-8", overwrite=False)
    said = "".join(capsys.readouterr().out.split())
    assert "名称（㐂）→名称" in said
    with opened([path], ImportOptions()) as (found,):
        assert found.name == "井盖（二期）"
        assert found.crs is not None
        assert found.crs.to_epsg() == 4548
        [chunk] = found.read(10)
    columns = list(chunk.columns.values())
    assert columns[1].to_pylist() == FIELDS["名 称（㐂）"]
    assert all(len(column.encode()) <= 10 for column in chunk.columns)
    path = tmp_path / "井盖_gbk.shp"
    export(settings, layer_id, path, version=None, crs="EPSG:4548", encoding="gbk", overwrite=False)
    assert "GBKdoesnothave" in "".join(capsys.readouterr().out.split())
    with opened([path], ImportOptions()) as (found,):
        [chunk] = found.read(10)
    assert list(chunk.columns.values())[1].to_pylist() == ["?野家门口", "?园 北门", "中市街道１号"]


def test_nothing_is_written_over_unless_somebody_says_so(
    settings: Settings, layer_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.gpkg"
    path.write_text("mine")
    plain = {"version": None, "crs": "cgcs2000", "encoding": "utf-8"}
    with pytest.raises(Conflict, match="overwrite"):
        export(settings, layer_id, path, overwrite=False, **plain)
    assert path.read_text() == "mine"
    export(settings, layer_id, path, overwrite=True, **plain)
    assert path.read_bytes().startswith(b"SQLite")
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []
    with pytest.raises(BadRequest):
        export(settings, layer_id, tmp_path / "a.xyz", overwrite=False, **plain)
