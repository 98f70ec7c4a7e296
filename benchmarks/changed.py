"""How much stays kept when one row in a hundred changes, counted over the list of tiles.

Twice, as deliveries come: rows anywhere in the city (a survey that corrects as it finds), and rows that lie
together (one street was surveyed again). Each is published as the next version; then every tile is asked for
again, and what is not in memory any more is counted by the header of the answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from http.client import HTTPConnection

import psycopg
from psycopg import sql

from benchmarks.load import ask
from benchmarks.report import Ratio
from benchmarks.service import serving
from benchmarks.tile_list import SEED, Square
from layers.catalogue import get_layer
from layers.db import Database
from layers.model import Layer, Version
from layers.publish import Batch, publish, stage

LAYER = "building"
SHARE = 0.01
NOTICED_S = 10.0


def run(url: str, squares: Sequence[Square]) -> list[Ratio]:
    """Publishes twice into the database at `url`; empty where it holds no buildings."""
    if not any(square.layer == LAYER for square in squares):
        return []
    return [
        *_after(url, squares, "1 % of the buildings, anywhere", _ANYWHERE),
        *_after(url, squares, "1 % of the buildings, together", _TOGETHER),
    ]


def _after(url: str, squares: Sequence[Square], what: str, order: sql.Composed) -> list[Ratio]:
    with serving("app", url) as service:
        paths = [square.path for square in squares]
        ask(service.port, paths, connections=8)
        before = ask(service.port, paths, connections=8)
        assert set(before.cache) == {"hit"}, before.cache
        version = asyncio.run(_changed(url, order))
        _until_noticed(service.port, version)
        own = [square.path for square in squares if square.layer == LAYER]
        left = ask(service.port, own, connections=8).cache["hit"]
        others = [square.path for square in squares if square.layer != LAYER]
        left_of_others = ask(service.port, others, connections=8).cache["hit"]
    note = f"{version.changed:,} rows changed"
    return [
        Ratio(f"{what}: still kept", "tiles before", left + left_of_others, len(paths), "tiles", True, 1),
        Ratio("… of the layer's own", "tiles before", left, len(own), "tiles", True, 1, note),
    ]  # fmt: skip


_ANYWHERE = sql.SQL("md5(_key || {})").format(sql.Literal(f" {SEED}"))
_TOGETHER = sql.SQL("_geom <-> (SELECT _geom FROM {} ORDER BY {} LIMIT 1)").format(
    sql.Identifier("onemap_rows", LAYER), _ANYWHERE
)


async def _changed(url: str, order: sql.Composed) -> Version:
    """The next version, in which a hundredth of the rows, the first by `order`, say something else."""
    async with Database(url) as database:
        layer = await get_layer(database, LAYER)
        staged = await stage(database, layer, [_some(url, layer, order)])
        [version] = await publish(database, staged, by="bench", partial=True)
        return version


def _some(url: str, layer: Layer, order: sql.Composed) -> Batch:
    names = [field.name for field in layer.fields]
    statement = sql.SQL("SELECT ST_AsBinary(_geom), {} FROM {} ORDER BY {} LIMIT {}").format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.Identifier("onemap_rows", layer.id),
        order,
        sql.Literal(max(int(layer.feature_count * SHARE), 1)),
    )
    with psycopg.connect(url) as connection:
        found = connection.execute(statement).fetchall()
    wkb, *columns = map(list, zip(*found, strict=True))
    told = dict(zip(names, columns, strict=True))
    assert layer.name_field is not None
    told[layer.name_field] = [f"{name or ''}*" for name in told[layer.name_field]]
    return Batch(wkb, told)


def _until_noticed(port: int, version: Version) -> None:
    """Returns when the server tells of the version: from then on no tile of an earlier one is given out."""
    until = time.monotonic() + NOTICED_S
    told = ""
    while f"v={version.number}-" not in told:
        assert time.monotonic() < until, told
        connection = HTTPConnection("127.0.0.1", port)
        connection.request("GET", f"/tiles/{LAYER}.json")
        told = connection.getresponse().read().decode()
        connection.close()
