"""GeoTIFFs over HTTP: looked at, converted by the worker, published with a date; nothing left half-done."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from api.app import create_app
from api.look_documents import LookDocument
from api.settings import ApiSettings
from importers.options import ImportOptions
from importers.read_raster import raster_sources
from importers.worker import read_run
from layers.accounts import create_account, make_key
from layers.db import Database
from layers.import_runs import ask_to_cancel, get_run
from layers.raster_files import STAGED, sweep_raster_files
from tests.api.city import JINAN
from tests.api.conftest import City, client_of
from tests.api.test_imports import Desk
from tests.pictures import write_tif

GREEN, BLUE = (60, 140, 70), (20, 90, 160)


def picture(path: Path, colour: tuple[int, int, int] = GREEN, size: int = 64, **more: Any) -> bytes:
    pixels = np.tile(np.array(colour, dtype=np.uint8)[:, None, None], (1, size, size))
    return write_tif(path, pixels, **more).read_bytes()


class Studio(Desk):
    """A desk at which rasters are imported."""

    def __init__(self, client: httpx2.AsyncClient, database: Database, folder: Path, city: City) -> None:
        super().__init__(client, database, folder, city)
        self.rasters = folder / "rasters"

    async def sent(self, content: bytes, name: str) -> str:
        begun = await self.post("/api/v1/uploads", {"name": name, "size": len(content)})
        address = f"/api/v1/uploads/{begun.json()['id']}"
        half = len(content) // 2
        for piece in ((0, content[:half]), (half, content[half:])):
            headers = {**self.headers, "Upload-Offset": str(piece[0])}
            await self.client.patch(address, content=piece[1], headers=headers)
        return str(begun.json()["id"])

    async def queued(self, content: bytes, name: str, *, look_first: bool = False, **options: Any) -> str:
        upload = await self.sent(content, name)
        begun = await self.post(
            "/api/v1/imports", {"uploads": [upload], "options": options, "look_first": look_first}
        )
        assert begun.status_code == 202, begun.text
        return str(begun.json()["id"])

    async def read(self, run: str) -> dict[str, Any]:
        await read_run(self.database, self.folder, uuid.UUID(run), None, self.rasters)
        return await self.get(run)

    def files(self) -> set[str]:
        return {str(p.relative_to(self.rasters)) for p in self.rasters.rglob("*") if p.is_file()}

    def waiting(self) -> set[str]:
        return {name for name in self.files() if name.startswith(STAGED)}


@pytest.fixture
async def desk(own_city: City, tmp_path: Path) -> AsyncIterator[Studio]:
    folder = tmp_path / "uploads"
    folder.mkdir()
    app = create_app(ApiSettings(uploads=folder, rasters=folder / "rasters"), own_city.url)
    async with (
        app.router.lifespan_context(app),
        client_of(app) as client,
        Database(own_city.url) as database,
    ):
        yield Studio(client, database, folder, own_city)


async def test_an_image_is_looked_at_converted_and_published_with_its_date(
    desk: Studio, tmp_path: Path
) -> None:
    run = await desk.queued(picture(tmp_path / "a.tif"), "航拍_2025.tif", look_first=True)
    assert (await desk.read(run))["state"] == "looked"
    answer = await desk.client.get(f"/api/v1/imports/{run}/look", headers=desk.headers)
    LookDocument.model_validate(answer.json())
    [seen] = answer.json()["tables"]
    assert (seen["kind"], seen["troubles"], seen["crs"]["value"]) == ("raster", [], "EPSG:4548")
    assert (seen["raster"]["taken"]["value"], seen["raster"]["meaning"]["value"]) == ("2025", "image")
    assert [band["type"] for band in seen["raster"]["bands"]] == ["uint8"] * 3
    assert seen["preview"]["features"][0]["geometry"]["type"] == "Polygon"
    assert desk.files() == set()
    options = {"tables": {seen["table"]: {"layer_id": "aerial", "title": "航拍", "date": "2025-06"}}}
    await desk.post(f"/api/v1/imports/{run}/read", {"options": options})
    staged = await desk.read(run)
    [told] = staged["layers"]
    assert (told["kind"], told["layer"], told["added"], told["raster"]["taken"]) == (
        "raster",
        "aerial",
        1,
        "2025-06",
    )
    assert len(desk.waiting()) == 1
    layers = (await desk.client.get("/api/v1/layers", headers=desk.headers)).json()["layers"]
    assert "aerial" not in {layer["id"] for layer in layers}, "nobody sees it before it is published"
    done = (await desk.publish(staged)).json()
    assert (done["state"], done["versions"]) == ("published", {"aerial": 1})
    assert [name.startswith("aerial/2025-06-") for name in desk.files() - desk.waiting()] == [True]
    await sweep_raster_files(desk.database, desk.rasters)
    assert desk.waiting() == set()
    layer = (await desk.client.get("/api/v1/layers/aerial", headers=desk.headers)).json()
    assert [one["taken"] for one in layer["rasters"]] == ["2025-06"]
    assert layer["title"]["zh"] == "航拍"


async def test_another_picture_of_one_date_takes_its_place_and_the_same_changes_nothing(
    desk: Studio, tmp_path: Path
) -> None:
    green, blue = picture(tmp_path / "a.tif"), picture(tmp_path / "b.tif", BLUE)
    first = await desk.read(await desk.queued(green, "aerial_2025.tif"))
    other = await desk.read(await desk.queued(blue, "aerial_2025.tif"))
    await desk.publish(first)
    late = await desk.publish(other)
    assert late.status_code == 409, "the layer moved on since it was compared"
    again = (await desk.post(f"/api/v1/imports/{other['id']}/compare")).json()
    assert (again["layers"][0]["changed"], again["layers"][0]["raster"]["replaces"]) == (1, 1)
    assert (await desk.publish(again)).json()["versions"] == {"aerial": 2}
    assert (await desk.read(await desk.queued(blue, "aerial_2025.tif")))["state"] == "unchanged"
    dated = ((green, "aerial_2023.tif"), (blue, "aerial_2024.tif"))
    two_dates = [await desk.sent(content, name) for content, name in dated]
    begun = await desk.post("/api/v1/imports", {"uploads": two_dates})
    both = await desk.read(begun.json()["id"])
    assert (await desk.publish(both)).json()["versions"] == {"aerial": 4}


async def test_what_is_let_go_refused_or_cancelled_leaves_no_file(desk: Studio, tmp_path: Path) -> None:
    content = picture(tmp_path / "a.tif")
    staged = await desk.read(await desk.queued(content, "aerial.tif"))
    assert len(desk.waiting()) == 1
    assert (await desk.post(f"/api/v1/imports/{staged['id']}/cancel")).json()["state"] == "discarded"
    assert await sweep_raster_files(desk.database, desk.rasters) == 1
    placeless = await desk.read(await desk.queued(b"II*\0" + bytes(60), "broken.tif"))
    assert placeless["state"] == "refused"
    cut = await desk.read(await desk.queued(content[: len(content) - 4000], "cut.tif"))
    assert (cut["state"], cut["fault"] is not None) == ("refused", True)
    assert desk.files() == set()


async def test_a_conversion_is_stopped_when_a_person_cancels_it(
    desk: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importers.worker.BEAT_S", 0.05)
    run = uuid.UUID(await desk.queued(picture(tmp_path / "a.tif", size=6000), "aerial.tif"))
    reading = asyncio.create_task(desk.read(str(run)))
    async with asyncio.timeout(60):
        while (await get_run(desk.database, run)).step != "converting":
            await asyncio.sleep(0.01)
        await ask_to_cancel(desk.database, run)
        assert (await reading)["state"] == "cancelled"
    await sweep_raster_files(desk.database, desk.rasters)
    assert desk.files() == set()


async def test_what_a_killed_conversion_leaves_is_swept_and_the_import_says_so(
    desk: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    start = asyncio.create_subprocess_exec

    async def noting(*command: Any, **more: Any) -> asyncio.subprocess.Process:
        process = await start(*command, **more)
        begun.append(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noting)
    run = await desk.read(await desk.queued(picture(tmp_path / "a.tif"), "aerial.tif"))
    assert (run["state"], "意外终止" in run["fault"]["zh"]) == ("refused", True)
    assert (len(begun), desk.files()) == (1, set())


async def test_a_conversion_ends_with_the_worker_that_ordered_it(tmp_path: Path) -> None:
    picture(tmp_path / "a.tif", size=6000)
    [source] = raster_sources(tmp_path / "a.tif", "a.tif", ImportOptions())
    assert source.pixels is not None
    assert source.crs is not None
    order = {
        "path": str(source.path),
        "file": "a.tif",
        "target": str(tmp_path / "out" / "a.tif"),
        "pixels": asdict(source.pixels),
        "crs": source.crs.to_wkt(),
        "meaning": "image",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "importers.raster_apart", stdin=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(order).encode() + b"\n")
    process.stdin.close()
    async with asyncio.timeout(60):
        assert await process.wait() == 1
    assert not (tmp_path / "out" / "a.tif").exists()


async def test_files_of_other_imports_are_left_alone(desk: Studio, tmp_path: Path) -> None:
    staged = await desk.read(await desk.queued(picture(tmp_path / "a.tif"), "aerial.tif"))
    folder = desk.rasters / STAGED
    (folder / f"{uuid.uuid4()}-0123.tif").write_bytes(b"of nobody")
    (folder / f".{staged['id']}-0123-4567.part").write_bytes(b"begun and not finished")
    assert await sweep_raster_files(desk.database, desk.rasters) == 2
    assert len(desk.waiting()) == 1
    assert (await desk.publish(staged)).status_code == 200


async def test_who_may_not_change_a_layer_publishes_no_raster_to_it(desk: Studio, tmp_path: Path) -> None:
    await create_account(desk.database, "local", roles=("publisher",), districts=(JINAN,))
    desk.headers = {"Authorization": f"Bearer {await make_key(desk.database, 'local')}"}
    staged = await desk.read(await desk.queued(picture(tmp_path / "a.tif"), "aerial.tif"))
    assert (await desk.publish(staged)).status_code == 403
    assert {name for name in desk.files() if not name.startswith(STAGED)} == set()
    desk.headers = desk.city.headers("viewer")
    assert (await desk.post("/api/v1/uploads", {"name": "a.tif", "size": 9})).status_code == 403


async def test_doubts_about_a_raster_are_told_before_it_is_converted(desk: Studio, tmp_path: Path) -> None:
    far = picture(tmp_path / "far.tif", crs="EPSG:4547")
    run = await desk.queued(far, "aerial.tif", look_first=True)
    await desk.read(run)
    [seen] = (await desk.client.get(f"/api/v1/imports/{run}/look", headers=desk.headers)).json()["tables"]
    assert [(one["rule"], one["stops"]) for one in seen["troubles"]] == [("place", True)]
    assert seen["preview"] is not None
    wrong = await desk.post("/api/v1/imports", {"uploads": [str(uuid.uuid4())], "options": {"date": "昨天"}})
    assert wrong.status_code in (400, 422)
