"""A table registered, checked, refreshed and forgotten at the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from importers.options import ImportOptions
from importers.run import import_files
from layers.catalogue import get_layer
from layers.db import Database
from layers.errors import BadRequest, Conflict, NotFound
from layers.model import Layer
from onemap.__main__ import app
from onemap.settings import Settings, read_settings
from tests.layers.functions import FUNCTIONS
from tests.layers.registered_tables import TABLES, ask_sql, run_sql


@pytest.fixture
def settings(database_url: str) -> Settings:
    run_sql(database_url, TABLES)
    return read_settings({"ONEMAP_DATABASE_URL": database_url})


def said(settings: Settings, *words: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["layers", *words], obj=settings)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.output


def layer_in(settings: Settings, layer_id: str) -> Layer:
    async def ask() -> Layer:
        async with Database(settings.database_url or "") as db:
            return await get_layer(db, layer_id)

    return asyncio.run(ask())


REGISTER = ("register", "gis.shop", "--id", "shop", "--title", "商铺")


def test_a_table_is_looked_at_registered_and_forgotten(settings: Settings) -> None:
    looked = said(settings, *REGISTER, "--dry-run")
    assert "gis.shop → shop: Point, EPSG:4490" in looked
    with pytest.raises(NotFound):
        layer_in(settings, "shop")
    said(
        settings, *REGISTER, "--title-en", "Shops", "--fields", "name, phone,district", "--search", "name",
        "--sensitive", "phone=personal", "--district-field", "district", "--access", "restricted",
        "--owner", "CG01", "--min-zoom", "11", "--follow",
    )  # fmt: skip
    layer = layer_in(settings, "shop")
    assert (layer.title, layer.access, layer.owner, layer.min_zoom) == (
        ("商铺", "Shops"), "restricted", "CG01", 11,
    )  # fmt: skip
    assert layer.field_names == ("id", "name", "district", "phone")
    assert layer.field("phone").sensitivity == "personal"  # type: ignore[union-attr]
    assert layer.relation is not None
    assert layer.relation.follows
    said(settings, "check", "shop")
    said(settings, "refresh", "shop")
    assert layer_in(settings, "shop").version == 2
    said(settings, "list")
    run_sql(settings.database_url or "", "ALTER TABLE gis.shop DROP phone")
    assert "phone" in said(settings, "check", "shop", exit_code=1)
    said(settings, "unregister", "shop")
    assert ask_sql(settings.database_url or "", "SELECT count(*) FROM gis.shop") == 100


@pytest.mark.parametrize(
    "words",
    [
        ("register", "shop", "--id", "shop", "--title", "x"),
        (*REGISTER, "--access", "everybody"),
        (*REGISTER, "--sensitive", "phone"),
        (*REGISTER, "--sensitive", "phone=secret"),
        (*REGISTER, "--srid", "3857"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(settings: Settings, words: tuple[str, ...]) -> None:
    with pytest.raises(BadRequest):
        said(settings, *words)


def test_a_file_is_not_imported_into_a_registered_table(settings: Settings, tmp_path: Path) -> None:
    said(settings, *REGISTER)
    file = tmp_path / "shop.csv"
    file.write_text("id,name,经度,纬度\n1,甲,116.5,31.7\n", encoding="utf-8")

    async def bring(options: ImportOptions) -> str | None:
        async with Database(settings.database_url or "") as db:
            return (await import_files(db, [file], options))[0].layer_id

    with pytest.raises(Conflict, match="is a registered table"):
        asyncio.run(bring(ImportOptions(layer_id="shop")))
    assert asyncio.run(bring(ImportOptions())) == "shop_file"
    assert ask_sql(settings.database_url or "", "SELECT count(*) FROM gis.shop") == 100


def test_a_function_is_looked_at_registered_and_forgotten(settings: Settings) -> None:
    run_sql(settings.database_url or "", FUNCTIONS)
    words = (
        "register", "--function", "gis.open_shops", "--id", "open_shops", "--title", "开业",
        "--srid", "4490", "--allow", "least_floors=0..9", "--most-rows", "500",
    )  # fmt: skip
    looked = said(settings, *words, "--dry-run")
    assert "gis.open_shops(bounds geometry, least_floors integer, kind text) → open_shops" in looked
    assert "?least_floors=" in looked
    said(settings, *words)
    layer = layer_in(settings, "open_shops")
    assert layer.function is not None
    assert (layer.access, layer.function.most_rows) == ("login", 500)
    said(settings, "check", "open_shops")
    said(settings, "refresh", "open_shops")
    assert layer_in(settings, "open_shops").version == 2
    run_sql(settings.database_url or "", "DROP FUNCTION gis.open_shops")
    said(settings, "check", "open_shops", exit_code=1)
    said(settings, "unregister", "open_shops")
    with pytest.raises(NotFound):
        layer_in(settings, "open_shops")
    said(settings, *words[:1], *words[3:], exit_code=2)
    said(settings, *REGISTER, "--allow", "a=1..2", exit_code=2)
