"""The moments at which layers changed, as a time bar asks for them: only of what one may see, bounded, newest
first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx2
import pytest
import shapely

from api.timeline_documents import ComparedLayersDocument
from importers.options import ImportOptions
from importers.run import import_files
from layers.catalogue import get_layer, set_access, versions
from layers.db import Database
from layers.publish import publish, stage
from tests.api.city import EAST, JINAN, LAT, WEST
from tests.api.conftest import City, serving
from tests.api.test_rasters import NEW, OLD, picture_of
from tests.layers.specimens import batch
from tests.pictures import write_tif


class Past(NamedTuple):
    """A city whose stations were published a second time, with A1 renamed and A2 gone; and an image of two
    dates."""

    client: httpx2.AsyncClient
    city: City
    since: list[datetime]

    async def told(self, query: str = "", person: str | None = None) -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1/moments?{query}", headers=self.city.headers(person))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
async def past(own_city: City, tmp_path: Path) -> AsyncIterator[Past]:
    files = [
        write_tif(tmp_path / f"image_{taken}.tif", picture_of(colour))
        for taken, colour in (("2024", OLD), ("202605", NEW))
    ]
    async with Database(own_city.url) as db:
        layer = await get_layer(db, "station")
        again = batch({"code": "A1", "name": "西站改名", "kind": "air", "district_code": JINAN},
                      places=[shapely.Point(WEST, LAT)])  # fmt: skip
        await publish(db, await stage(db, layer, [again]), by="li")
        since = [version.published_at for version in reversed(await versions(db, "station"))]
        await import_files(db, files, ImportOptions(), rasters=tmp_path / "rasters")
        await set_access(db, "image", "public")
    async with serving(own_city.url) as client:
        yield Past(client, own_city, since)


async def test_each_version_is_a_moment_with_what_it_changed(past: Past) -> None:
    told = await past.told("layers=station")
    assert told["layers"] == [
        {"layer": "station", "history": "versions", "since": past.since[0].isoformat(), "states": 2}
    ]
    assert [(m["at"], m["version"], m["added"], m["changed"], m["removed"]) for m in told["moments"]] == [
        (past.since[1].isoformat(), 2, 0, 1, 1),
        (past.since[0].isoformat(), 1, 2, 0, 0),
    ]
    assert told["left_out"] == 0


async def test_what_is_told_can_be_asked_for_and_a_moment_before_cannot(past: Past) -> None:
    told = await past.told()
    since = {one["layer"]: one["since"] for one in told["layers"] if one["history"] == "versions"}
    for layer, moment in since.items():
        tiles = f"/tiles/{layer}.json?datetime="
        if moment is None:
            continue
        assert (await past.client.get(tiles + quote(moment))).status_code == 200, layer
        before = datetime.fromisoformat(moment) - timedelta(microseconds=1)
        assert (await past.client.get(tiles + quote(before.isoformat()))).status_code == 404, layer


async def test_pictures_count_from_the_first_day_of_their_date(past: Past) -> None:
    told = await past.told("layers=image")
    assert told["layers"][0] | {"since": None} == {
        "layer": "image",
        "history": "pictures",
        "since": None,
        "states": 2,
    }
    assert [(m["at"], m["taken"], m["added"]) for m in told["moments"]] == [
        ("2026-05-01T00:00:00+08:00", "2026-05", None),
        ("2024-01-01T00:00:00+08:00", "2024", None),
    ]
    for moment in told["moments"]:
        picture = (await past.client.get(f"/tiles/image.json?datetime={quote(moment['at'])}")).json()
        assert f"version={moment['version']}" in picture["tiles"][0]


async def test_the_newest_moments_come_first_and_the_others_are_counted(past: Past) -> None:
    whole = await past.told("layers=station,building,image")
    times = [datetime.fromisoformat(m["at"]) for m in whole["moments"]]
    assert times == sorted(times, reverse=True)
    part = await past.told("layers=station,building,image&limit=2")
    assert part["moments"] == whole["moments"][:2]
    assert part["left_out"] == len(whole["moments"]) - 2
    assert part["layers"] == whole["layers"]


async def test_a_span_holds_its_ends_and_a_date_is_a_day_in_china(past: Past) -> None:
    first, second = (quote(moment.isoformat()) for moment in past.since)
    for span, numbers in (
        (f"start={first}&end={second}", [2, 1]),
        (f"end={first}", [1]),
        (f"start={second}", [2]),
        ("end=2000-01-01", []),
    ):
        told = await past.told(f"layers=station&{span}")
        assert [m["version"] for m in told["moments"]] == numbers, span
        assert told["layers"][0]["states"] == 2, span
    assert [m["taken"] for m in (await past.told("layers=image&end=2024-01-01"))["moments"]] == ["2024"]


async def test_what_is_read_where_it_is_has_no_history(past: Past) -> None:
    told = await past.told("layers=plaza", "admin")
    assert told["layers"] == [{"layer": "plaza", "history": "none", "since": None, "states": 0}]
    assert told["moments"] == []


async def test_only_what_one_may_see_is_told(past: Past) -> None:
    seen = {one["layer"] for one in (await past.told())["layers"]}
    listed = (await past.client.get("/api/v1/layers")).json()["layers"]
    assert seen == {layer["id"] for layer in listed}
    assert {m["layer"] for m in (await past.told())["moments"]} <= seen
    hidden = await past.client.get("/api/v1/moments?layers=old_site")
    assert hidden.status_code == 404
    closed = await past.client.get("/api/v1/moments?layers=pipe_line")
    assert closed.status_code == 401


async def test_what_cannot_be_asked_is_refused_with_its_name(past: Past) -> None:
    for query, field in (
        ("start=yesterday", "start"),
        ("end=2026-13-01", "end"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("version=1", "version"),
    ):
        answer = await past.client.get(f"/api/v1/moments?{query}")
        assert (answer.status_code, answer.json()["field"]) == (400, field), query


async def compared(past: Past, query: str, person: str | None = None) -> dict[str, Any]:
    answer = await past.client.get(f"/api/v1/compare?{query}", headers=past.city.headers(person))
    assert answer.status_code == 200, answer.text
    ComparedLayersDocument.model_validate(answer.json())
    found: dict[str, Any] = {one["layer"]: one for one in answer.json()["layers"]}
    return found


def numbers(told: dict[str, Any]) -> list[int]:
    return [told[name] for name in ("earlier", "later")] + [
        told[kind]["count"] for kind in ("added", "changed", "removed")
    ]


async def test_layers_are_compared_between_two_dates(past: Past) -> None:
    first, second = (quote(moment.isoformat()) for moment in past.since)
    for span, station, building in (
        (f"from={first}", [1, 2, 0, 1, 1], [1, 1, 0, 0, 0]),
        (f"from={first}&to={second}", [1, 2, 0, 1, 1], [1, 1, 0, 0, 0]),
        (f"from={second}&to={first}", [2, 1, 1, 1, 0], [1, 1, 0, 0, 0]),
        ("from=2001-01-01", [0, 2, 1, 0, 0], [0, 1, 2, 0, 0]),
        (f"from={second}&to=2001-01-01", [2, 0, 0, 0, 1], [1, 0, 0, 0, 2]),
        ("from=2001-01-01&to=2002-01-01", [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]),
    ):
        told = await compared(past, f"layers=station,building&{span}")
        assert (numbers(told["station"]), numbers(told["building"])) == (station, building), span
    gone = (await compared(past, f"layers=station&from={first}"))["station"]["removed"]["box"]
    assert gone == [EAST, LAT, EAST, LAT]


async def test_the_rows_of_a_layer_that_is_new_are_all_added(past: Past) -> None:
    answer = await past.client.get("/api/v1/layers/station/compare?from=0&to=1&kind=added")
    told = answer.json()
    assert numbers(told) == [0, 1, 2, 0, 0]
    assert [(row["key"], row["before"]) for row in told["rows"]] == [("A1", None), ("A2", None)]


async def test_each_is_told_only_of_rows_that_are_theirs(past: Past) -> None:
    first = quote(past.since[0].isoformat())
    theirs = (await compared(past, f"layers=station&from={first}", "jinan"))["station"]
    assert numbers(theirs) == [1, 2, 0, 1, 0], "A2 stood in the other district"
    listed = "/api/v1/layers/station/compare?from=0&to=1&kind=added"
    rows = (await past.client.get(listed, headers=past.city.headers("jinan"))).json()["rows"]
    assert [row["key"] for row in rows] == ["A1"]
    for layer, status in (("old_site", 404), ("pipe_line", 401), ("image", 400), ("nowhere", 404)):
        answer = await past.client.get(f"/api/v1/compare?layers={layer}&from={first}")
        assert answer.status_code == status, (layer, answer.text)
    plaza = await past.client.get("/api/v1/compare?layers=plaza&from=2001-01-01")
    assert plaza.status_code == 404
    assert "不保留历史版本" in plaza.json()["detail"]


async def test_what_cannot_be_compared_is_refused_with_its_name(past: Past) -> None:
    for query, status, field in (
        ("layers=station", 400, "from"),
        ("from=2026-01-01", 400, "layers"),
        ("layers=station&from=yesterday", 400, "from"),
        ("layers=station&from=2026-01-01&to=tomorrow", 400, "to"),
        ("layers=" + ",".join(f"a{n}" for n in range(33)) + "&from=2026-01-01", 413, None),
    ):
        answer = await past.client.get(f"/api/v1/compare?{query}")
        assert (answer.status_code, answer.json().get("field")) == (status, field), (query, answer.text)
