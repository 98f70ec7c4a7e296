"""Styles as other systems' maps need them: valid, of what tiles hold, with symbols and letters of our own."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.app import create_app
from api.settings import ApiSettings
from layers.access import SYSTEM, scope_for
from layers.catalogue import list_layers
from layers.db import Database
from layers.tile_fields import tile_fields
from tests.api.conftest import City, client_of
from tests.themes.test_glyphs import make_font, read

WEB = Path(__file__).parents[2] / "web"
THEMES = ("all", "base", "grid", "pipe", "building", "ecology", "other")
VALIDATE = """
import { validateStyleMin } from '@maplibre/maplibre-gl-style-spec'
let text = ''
for await (const chunk of process.stdin) text += chunk
const faults = JSON.parse(text).flatMap((style) => validateStyleMin(style))
console.log(JSON.stringify(faults.map((fault) => fault.message)))
"""


async def styles_of(client: httpx2.AsyncClient, city: City) -> list[dict[str, Any]]:
    """Every theme in light and dark, as somebody sees them who may see all."""
    asked = [f"/styles/{theme}.json?scheme={scheme}" for theme in THEMES for scheme in ("light", "dark")]
    return [(await client.get(path, headers=city.headers("admin"))).json() for path in asked]


async def test_every_style_is_valid_for_maplibre(city_client: httpx2.AsyncClient, city: City) -> None:
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules/@maplibre/maplibre-gl-style-spec").is_dir():
        pytest.skip("the page's packages are not installed: npm ci in web/")
    done = subprocess.run(
        [node, "--input-type=module", "-e", VALIDATE],
        input=json.dumps(await styles_of(city_client, city)),
        capture_output=True,
        text=True,
        cwd=WEB,
        check=True,
    )
    assert json.loads(done.stdout) == []


async def test_a_style_reads_only_layers_and_fields_that_its_tiles_hold(
    city_client: httpx2.AsyncClient, city: City
) -> None:
    async with Database(city.url) as database:
        scopes = [scope_for(SYSTEM, layer) for layer in await list_layers(database) if layer.has_rows]
    held = {
        scope.layer.id: {field.name for field in tile_fields(scope)} | {"_label", "_count"}
        for scope in scopes
    }
    for style in await styles_of(city_client, city):
        for layer in style["layers"][1:]:
            tiles = style["sources"][layer["source"]]["url"].rpartition("/tiles/")[2].partition(".json")[0]
            assert layer["source-layer"] in tiles.split(",")
            assert fields_in(layer) <= held[layer["source-layer"]], layer["id"]


def fields_in(value: Any) -> set[str]:
    if (
        isinstance(value, list)
        and len(value) > 1
        and value[0] in ("get", "has")
        and isinstance(value[1], str)
    ):
        return {value[1]}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(fields_in, inner))


async def test_symbols_are_found_from_the_style(city_client: httpx2.AsyncClient) -> None:
    for scheme in ("light", "dark"):
        sprite = (await city_client.get(f"/styles/grid.json?scheme={scheme}")).json()["sprite"]
        assert sprite == f"http://city.test/sprites/{scheme}"
        for density in ("", "@2x"):
            index = await city_client.get(f"{sprite}{density}.json")
            assert index.json()["component-lamp"]["width"] == 26 * (2 if density else 1)
            picture = await city_client.get(f"{sprite}{density}.png")
            assert picture.headers["content-type"] == "image/png"
            assert picture.content.startswith(b"\x89PNG")
            again = await city_client.get(
                f"{sprite}{density}.png", headers={"If-None-Match": picture.headers["etag"]}
            )
            assert (again.status_code, again.content) == (304, b"")
    assert (await city_client.get("/sprites/pink.png")).status_code == 404


async def test_letters_are_made_from_the_fonts_there_are(database_url: str, tmp_path: Path) -> None:
    make_font(tmp_path / "NotoSans-Regular.ttf")
    app = create_app(ApiSettings(font_folders=(tmp_path,)), database_url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        glyphs = (await client.get("/styles/all.json")).json()["glyphs"]
        asked = glyphs.format(fontstack="Noto Sans Bold,Noto Sans Regular", range="0-255")
        for encoding in ("gzip", "identity"):
            answer = await client.get(asked, headers={"Accept-Encoding": encoding})
            assert answer.headers["content-type"] == "application/x-protobuf"
            assert answer.headers.get("content-encoding", "identity") == encoding
            assert {ord("A"), ord("O")} <= set(read(answer.content))
        known = await client.get(asked, headers={"If-None-Match": answer.headers["etag"]})
        assert known.status_code == 304
        assert (await client.get("/about")).json()["settings"]["fonts"] == ["NotoSans-Regular.ttf"]
        for wrong in ("0-254", "1-256", "a-b", "9999936-9999999", "٠-٢٥٥"):
            refused = await client.get(glyphs.format(fontstack="x", range=wrong))
            assert (refused.status_code, refused.json()["field"]) == (400, "letters"), wrong


async def test_without_a_font_a_style_names_no_glyphs_and_the_service_says_so(
    database_url: str, tmp_path: Path
) -> None:
    app = create_app(ApiSettings(font_folders=(tmp_path,)), database_url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        style = (await client.get("/styles/all.json")).json()
        assert "glyphs" not in style
        assert style["sprite"]
        assert (await client.get("/about")).json()["settings"]["fonts"] == []
        assert (await client.get("/fonts/x/0-255.pbf")).status_code == 404
