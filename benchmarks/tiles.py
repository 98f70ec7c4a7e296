"""Tiles: against the bare SQL that draws them, against the same server with a constant answer.

The same list of real squares for everyone, where the city is; whether a tile was kept or drawn is proved
by the header of each answer. The bare SQL is `ST_AsMVT` over a prepared statement on one connection, in
the form of thin servers (transform and clip the stored EPSG:4490 shape, every attribute) and in the lean
one (stored Web Mercator shape, the attributes a style needs). Ours is measured from socket to socket, with
compression.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import NamedTuple

import psycopg

from benchmarks.load import Load, ask
from benchmarks.report import Ratio
from benchmarks.service import Service, serving
from gis.squares import Tile, tile_at
from layers.access import ANONYMOUS, Scope, scope_for
from layers.catalogue import list_layers
from layers.db import Database
from layers.model import Layer
from tiles.statement import tile_fields

LAYERS = ("building", "component")
"""The heavy ones that everybody may see."""
ZOOMS = (14, 15, 16, 17, 18)
SQUARES = 300
RUNS = 3
CONNECTIONS = (1, 8, 32)
WARM_REQUESTS = 20_000

Place = tuple[float, float]


class Square(NamedTuple):
    """One layer in one tile."""

    layer: str
    tile: Tile

    @property
    def path(self) -> str:
        return f"/tiles/{self.layer}/{self.tile.z}/{self.tile.x}/{self.tile.y}.mvt"


def run(url: str) -> list[Ratio]:
    """Over the city in the database at `url`; empty where it holds neither buildings nor components."""
    scopes = {scope.layer.id: scope for scope in asyncio.run(_scopes(url))}
    squares = [square for layer_id in scopes for square in _squares(url, layer_id)]
    if not squares:
        return []
    thin, lean = (
        _bare(url, squares, {i: form(scope) for i, scope in scopes.items()}) for form in (_thin, _lean)
    )
    cold = [_cold(url, squares, 1) for _ in range(RUNS)]
    busy = [_cold(url, squares, 8) for _ in range(RUNS)]
    ours_ms = median(load.elapsed_s for load in cold) / len(squares) * 1000
    kilobytes = cold[0].body_bytes / len(squares) / 1024
    note = f"{len(squares)} squares, z{ZOOMS[0]}–z{ZOOMS[-1]}, {kilobytes:.0f} kB on average, nothing kept"
    return [
        Ratio("a tile, cold", "bare SQL, thin form", ours_ms, thin, "ms", False, RUNS, note),
        Ratio("a tile, cold", "bare SQL, lean form", ours_ms, lean, "ms", False, RUNS, note),
        Ratio(
            "tiles, cold, 8 connections",
            "bare SQL, thin form, 1",
            median(load.per_second for load in busy),
            1000 / thin,
            "tiles/s",
            True,
            RUNS,
            f"p95 {median(load.percentile_ms(95) for load in busy):.0f} ms",
        ),
        *_warm(url, squares),
    ]


async def _scopes(url: str) -> list[Scope]:
    async with Database(url) as database:
        found = [layer for layer in await list_layers(database) if layer.id in LAYERS and layer.feature_count]
        return [scope_for(ANONYMOUS, layer) for layer in found]


def _squares(url: str, layer_id: str) -> list[Square]:
    """Squares round rows taken evenly from the whole layer, so that they lie where the city is."""
    with psycopg.connect(url) as connection:
        places: list[Place] = connection.execute(
            "SELECT ST_X(p), ST_Y(p) FROM (SELECT ST_PointOnSurface(_geom) AS p FROM"
            f' (SELECT _geom FROM onemap_rows."{layer_id}" ORDER BY md5(_key) LIMIT %s) AS chosen) AS points',
            (SQUARES,),
        ).fetchall()  # fmt: skip
    tiles = [tile_at(lon, lat, ZOOMS[n % len(ZOOMS)]) for n, (lon, lat) in enumerate(places)]
    return [Square(layer_id, tile) for tile in dict.fromkeys(tiles)]


def _thin(scope: Scope) -> str:
    """What a thin server draws from the table as it finds it."""
    return _statement(
        scope.layer,
        "ST_Transform(_geom, 3857)",
        "_geom && ST_Transform(ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 0.015625), 4490)",
        [field.name for field in scope.layer.fields],
    )


def _lean(scope: Scope) -> str:
    """The same from the Web Mercator copy, with what a style needs."""
    return _statement(
        scope.layer,
        "_geom_3857",
        "_geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 0.015625)",
        [field.name for field in tile_fields(scope)],
    )


def _statement(layer: Layer, shape: str, where: str, fields: Sequence[str]) -> str:
    names = ", ".join(f'"{name}"' for name in fields)
    return (
        f"SELECT ST_AsMVT(feature, '{layer.id}', 4096, 'shape', '_fid') FROM (SELECT"
        f" ST_AsMVTGeom({shape}, ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true) AS shape,"
        f' _fid, {names} FROM onemap_rows."{layer.id}" WHERE {where}) AS feature'
    )


def _bare(url: str, squares: Sequence[Square], statements: dict[str, str]) -> float:
    """Milliseconds a square on one connection: the median of `RUNS` passes after one that is not counted."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET jit = off")

        def draw() -> None:
            for square in squares:
                connection.execute(
                    statements[square.layer], square.tile._asdict(), prepare=True, binary=True
                ).fetchone()

        draw()
        return median(_seconds(draw) for _ in range(RUNS)) / len(squares) * 1000


def _seconds(act: Callable[[], object]) -> float:
    started = perf_counter()
    act()
    return perf_counter() - started


def _cold(url: str, squares: Sequence[Square], connections: int) -> Load:
    """Every square once from a server that has just started."""
    with serving("app", url) as service:
        # Opens the pool and prepares the statements, over squares far from the city.
        far = [f"/tiles/{i}/{ZOOMS[0]}/{x}/0.mvt" for x in range(24) for i in LAYERS]
        ask(service.port, far, connections=8)
        load = ask(service.port, [square.path for square in squares], connections=connections)
    assert set(load.statuses) <= {200, 204}, load.statuses
    assert set(load.cache) == {"miss"}, load.cache
    return load


def _warm(url: str, squares: Sequence[Square]) -> list[Ratio]:
    """Kept tiles against a constant of the same size, by the same client, and what each costs the server."""
    paths = [square.path for square in squares]
    with serving("app", url) as ours:
        first = ask(ours.port, paths, connections=8)
        size = first.body_bytes // len(paths)
        rounds = max(1, WARM_REQUESTS // len(paths))
        with serving("constant", str(size)) as floor:
            ratios = []
            for connections in CONNECTIONS:
                pairs = [
                    (_paced(ours, paths, connections, rounds), _paced(floor, paths, connections, rounds))
                    for _ in range(RUNS)
                ]
                for (load, _), _ in pairs:
                    assert set(load.cache) == {"hit"}, load.cache
                (load, _), _ = pairs[0]
                waits = f"p50 {load.percentile_ms(50):.2f}, p99 {load.percentile_ms(99):.2f} ms"
                note = f"{size / 1024:.0f} kB; {waits}"
                ratios.append(
                    Ratio(
                        f"tiles, kept, {connections} connections",
                        "a constant, same server",
                        median(pair[0][0].per_second for pair in pairs),
                        median(pair[1][0].per_second for pair in pairs),
                        "tiles/s",
                        True,
                        RUNS,
                        note,
                    )
                )
            ratios.append(
                Ratio(
                    "the server's time for a kept tile",
                    "a constant, same server",
                    median(pair[0][1] for pair in pairs),
                    median(pair[1][1] for pair in pairs),
                    "µs",
                    False,
                    RUNS,
                    "computing time of the process",
                )
            )
            return ratios


def _paced(service: Service, paths: Sequence[str], connections: int, rounds: int) -> tuple[Load, float]:
    """The load, and the server's computing time for one request in microseconds."""
    before = service.cpu_s()
    load = ask(service.port, paths, connections=connections, rounds=rounds)
    return load, (service.cpu_s() - before) / len(load.waits_s) * 1e6
