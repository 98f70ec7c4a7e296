"""Tile archives over HTTP: whole, in ranges, tile by tile, and nothing from outside their folder."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from api.app import create_app
from api.settings import ApiSettings
from gis.squares import Tile
from layers.model import BoundingBox
from tests.api.conftest import client_of
from tiles.archive import ArchiveWriter, Contents

BODY = gzip.compress(b"a tile", mtime=0)


@pytest.fixture
async def archives(database_url: str, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    folder = tmp_path / "archives"
    folder.mkdir()
    (tmp_path / "secret.pmtiles").write_bytes(b"not for you")
    (folder / "notes.txt").write_text("not an archive")
    for name in ("town.pmtiles", "town.mbtiles"):
        with ArchiveWriter(folder / name) as writer:
            writer.add(Tile(3, 6, 3), BODY)
            writer.finish(Contents("town", BoundingBox(116.0, 31.0, 117.0, 32.0), 3, 3, [{"id": "shop"}]))
    (folder / "broken.pmtiles").write_bytes(b"PMTiles" + b"\x00" * 20)
    app = create_app(ApiSettings(archives=folder), database_url)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client


async def test_archives_are_listed_with_what_they_hold(archives: httpx2.AsyncClient) -> None:
    broken, mbtiles, pmtiles = (await archives.get("/archives")).json()["archives"]
    assert "fault" in broken
    assert (mbtiles["name"], pmtiles["name"]) == ("town.mbtiles", "town.pmtiles")
    assert pmtiles["bounds"] == [116, 31, 117, 32]
    assert pmtiles["tilejson"] == "http://city.test/archives/town.pmtiles/tiles.json"


@pytest.mark.parametrize("name", ["town.pmtiles", "town.mbtiles"])
async def test_tiles_are_served_from_an_archive(archives: httpx2.AsyncClient, name: str) -> None:
    told = (await archives.get(f"/archives/{name}/tiles.json")).json()
    address = told["tiles"][0].format(z=3, x=6, y=3)
    answer = await archives.get(address)
    assert (answer.status_code, answer.content) == (200, b"a tile")
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    plain = await archives.get(address, headers={"Accept-Encoding": "identity"})
    assert plain.content == b"a tile"
    assert "content-encoding" not in plain.headers
    again = await archives.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert (await archives.get(f"/archives/{name}/3/0/0.mvt")).status_code == 204
    assert (await archives.get(f"/archives/{name}/3/9/0.mvt")).status_code == 404


async def test_a_client_reads_an_archive_by_ranges(archives: httpx2.AsyncClient) -> None:
    answer = await archives.get("/archives/town.pmtiles", headers={"Range": "bytes=0-6"})
    assert (answer.status_code, answer.content) == (206, b"PMTiles")
    whole = await archives.get("/archives/town.pmtiles")
    assert whole.status_code == 200
    assert whole.headers["accept-ranges"] == "bytes"
    assert len(whole.content) == int(answer.headers["content-range"].partition("/")[2])


@pytest.mark.parametrize(
    "name", ["secret.pmtiles", "..%2Fsecret.pmtiles", "notes.txt", "%2Fetc%2Fpasswd", "%00", "x" * 199]
)
async def test_only_archives_of_the_folder_are_served(archives: httpx2.AsyncClient, name: str) -> None:
    answer = await archives.get(f"/archives/{name}")
    assert answer.status_code == 404
    assert "not for you" not in answer.text


async def test_a_broken_archive_says_so(archives: httpx2.AsyncClient) -> None:
    answer = await archives.get("/archives/broken.pmtiles/3/6/3.mvt")
    assert answer.status_code == 422
    assert "broken.pmtiles" in answer.json()["detail"]
