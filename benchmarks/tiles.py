"""Tiles: against the bare SQL that draws them, a constant answer, files, and the servers that others use.

The same list of real squares for everyone (`benchmarks.tile_list`), from the same rows in the same PostGIS.

- Cold: a server that has just started and has been asked for squares elsewhere, so that its connections
  stand; every square once. One pass before, not counted, warms PostgreSQL for each contender in the same way.
  That One Map drew every tile is proved by the header of each answer.
- Warm: everything asked for once before; that One Map kept every tile is proved in the same way.
- The bare SQL is `ST_AsMVT` over a prepared statement on one connection: in the form of thin servers
  (transform and clip the stored EPSG:4490 shape, every attribute), and in the lean one (stored Web Mercator
  shape, the attributes a style needs). It compresses nothing; One Map is measured from socket to socket, with
  compression.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import psycopg

from benchmarks import peers
from benchmarks.load import Load, ask, fetch
from benchmarks.peers import Peer
from benchmarks.report import Ratio
from benchmarks.service import Service, serving
from benchmarks.tile_list import FAR_TO, NEAR_FROM, Square, beside, tile_list, told
from layers.access import ANONYMOUS, Scope, scope_for
from layers.catalogue import list_layers
from layers.db import Database
from layers.model import Layer
from layers.tile_fields import tile_fields

LAYERS = ("building", "component", "pipe_line")
"""The heavy ones; those of them that everybody may see."""
RUNS = 3
LONG_S = 20.0
"""A contender whose first pass takes longer is passed once more and not three times."""
CONNECTIONS = (1, 8, 32)
WARM_REQUESTS = 20_000
CLOSE_FROM = 16
"""From here on no layer is drawn from a lighter copy in a city of this density."""

_Start = Callable[[], AbstractContextManager[Peer]]


class Parts(NamedTuple):
    """The squares in the parts that are told apart; near ones are close or dense."""

    close: list[Square]
    dense: list[Square]
    middle: list[Square]
    far: list[Square]

    @property
    def near(self) -> list[Square]:
        return [*self.close, *self.dense]


class Pass(NamedTuple):
    """One pass over the list: seconds of each part, bytes of the near ones, slowest answers of the close."""

    close_s: float
    dense_s: float
    middle_s: float
    far_s: float
    near_bytes: int = 0
    close_p95_ms: float = 0.0

    @property
    def near_s(self) -> float:
        return self.close_s + self.dense_s

    @property
    def all_s(self) -> float:
        return self.near_s + self.middle_s + self.far_s


def run(url: str, squares: Sequence[Square]) -> list[Ratio]:
    """Over the list made for the city in the database at `url`; empty for an empty list."""
    if not squares:
        return []
    scopes = asyncio.run(public_scopes(url))
    print(told(squares))
    there, absent = peers.found()
    for one in absent:
        print(f"{one.name}: not measured ({one.sought} not found)")
    with peers.views(url, scopes):
        starts = {name: partial(peers.running, name, start, url, scopes) for name, start in there.items()}
        taken = cold(url, scopes, squares, starts)
        return [
            *against_sql(squares, taken),
            *against_peers(squares, taken, list(starts)),
            *kept(url, squares, starts, taken),
        ]


def squares_of(url: str) -> list[Square]:
    """The list for the city in the database at `url`."""
    return tile_list(url, [scope.layer.id for scope in asyncio.run(public_scopes(url))])


async def public_scopes(url: str) -> list[Scope]:
    """The layers of `LAYERS` that hold rows and are for everybody."""
    async with Database(url) as database:
        layers = {layer.id: layer for layer in await list_layers(database) if layer.feature_count}
    found = [layers[name] for name in LAYERS if name in layers]
    return [scope_for(ANONYMOUS, layer) for layer in found if layer.access == "public"]


def _parts(squares: Sequence[Square]) -> Parts:
    return Parts(
        [s for s in squares if s.tile.z >= CLOSE_FROM],
        [s for s in squares if s.is_near and s.tile.z < CLOSE_FROM],
        [s for s in squares if not s.is_near and not s.is_far],
        [s for s in squares if s.is_far],
    )


# ---------------------------------------------------------------- cold


def cold(
    url: str, scopes: Sequence[Scope], squares: Sequence[Square], starts: Mapping[str, _Start]
) -> dict[str, list[Pass]]:
    """The passes of each contender, taken in turn after one that is not counted."""
    parts, away = _parts(squares), beside(squares)
    thin, lean = ({s.layer.id: form(s) for s in scopes} for form in (_thin, _lean))
    ours = partial(_ours, url)
    contenders: dict[str, Callable[[], Pass]] = {
        "thin": partial(_bare, url, parts, thin),
        "lean": partial(_bare, url, parts, lean),
        "single": partial(_cold, ours, parts, away, 1),
        "eight": partial(_cold, ours, parts, away, 8),
        **{name: partial(_cold, start, parts, away, 8) for name, start in starts.items()},
    }
    first = {name: act() for name, act in contenders.items()}
    taken: dict[str, list[Pass]] = {name: [] for name in contenders}
    for turn in range(RUNS):
        for name, act in contenders.items():
            if turn == 0 or first[name].all_s <= LONG_S:
                taken[name].append(act())
    return taken


def against_sql(squares: Sequence[Square], taken: Mapping[str, list[Pass]]) -> list[Ratio]:
    """One tile after the other, against the bare SQL."""
    parts, ours = _parts(squares), taken["single"]

    def ratio(what: str, part: str, form: str, note: str = "") -> Ratio:
        count = len(getattr(parts, part))
        mine, theirs = (
            median(getattr(one, f"{part}_s") for one in taken[name]) / max(count, 1) * 1000
            for name in ("single", form)
        )
        runs = min(len(ours), len(taken[form]))
        return Ratio(what, f"bare SQL, {form} form", mine, theirs, "ms", False, runs, f"{count} tiles{note}")

    kilobytes = ours[0].near_bytes / max(len(parts.near), 1) / 1024
    return [
        ratio(f"a tile, cold, z ≥ {NEAR_FROM}", "near", "thin", f", {kilobytes:.0f} kB on average"),
        ratio(f"a tile, cold, z ≥ {NEAR_FROM}", "near", "lean"),
        ratio(f"… of these z ≥ {CLOSE_FROM}", "close", "thin", "; no lighter copy"),
        ratio("a tile, cold, z 13", "middle", "thin"),
        ratio(f"a tile, cold, z ≤ {FAR_TO}", "far", "thin", "; every row there against the lighter copy"),
    ]


def against_peers(
    squares: Sequence[Square], taken: Mapping[str, list[Pass]], names: Sequence[str]
) -> list[Ratio]:
    """Tiles a second over 8 connections, against each peer and one connection of bare SQL."""
    near = len(_parts(squares).near)

    def ratio(what: str, against: str, count: int, part: str, other: list[Pass], note: str = "") -> Ratio:
        mine, theirs = (
            count / median(getattr(one, part) for one in each) for each in (taken["eight"], other)
        )
        return Ratio(what, against, mine, theirs, "tiles/s", True, min(len(taken["eight"]), len(other)), note)

    p95 = median(one.close_p95_ms for one in taken["eight"])
    what = f"cold, 8 connections, z ≥ {NEAR_FROM}"
    found = [
        ratio(
            what,
            "bare SQL, thin form, 1",
            near,
            "near_s",
            taken["thin"],
            f"p95 at z ≥ {CLOSE_FROM} {p95:.0f} ms",
        )
    ]
    for name in names:
        theirs = median(one.close_p95_ms for one in taken[name])
        found += [
            ratio(what, name, near, "near_s", taken[name], f"p95 at z ≥ {CLOSE_FROM} {theirs:.0f} ms there"),
            ratio("cold, 8 connections, whole list", name, len(squares), "all_s", taken[name]),
        ]
    return found


@contextmanager
def _ours(url: str) -> Iterator[Peer]:
    with serving("app", url) as service:
        yield Peer("One Map", service, lambda square: square.path)


def _cold(start: _Start, parts: Parts, away: Sequence[Square], connections: int) -> Pass:
    """Every square once from a server that has just started."""
    with start() as peer:
        port = peer.service.port
        ask(port, [peer.path(square) for square in away], connections=8)
        close, dense, middle, far = (
            ask(port, [peer.path(square) for square in part], connections=connections) for part in parts
        )
    for load in (close, dense, middle, far):
        assert set(load.statuses) <= {200, 204}, (peer.name, load.statuses)
        assert peer.name != "One Map" or set(load.cache) <= {"miss"}, load.cache
    return Pass(
        close.elapsed_s,
        dense.elapsed_s,
        middle.elapsed_s,
        far.elapsed_s,
        close.body_bytes + dense.body_bytes,
        close.percentile_ms(95),
    )


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


def _bare(url: str, parts: Parts, statements: Mapping[str, str]) -> Pass:
    """The squares one after the other on one connection."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET jit = off")

        def draw(squares: Sequence[Square]) -> float:
            started = perf_counter()
            for square in squares:
                connection.execute(
                    statements[square.layer], square.tile._asdict(), prepare=True, binary=True
                ).fetchone()
            return perf_counter() - started

        draw(parts.close[:10])
        close, dense, middle, far = map(draw, parts)
    return Pass(close, dense, middle, far)


# ---------------------------------------------------------------- kept


def kept(
    url: str, squares: Sequence[Square], starts: Mapping[str, _Start], taken: Mapping[str, list[Pass]]
) -> list[Ratio]:
    """Kept tiles: against constants of the same sizes, files, and the peers, by the same client."""
    paths = [square.path for square in squares]
    ratios = []
    with ExitStack() as stack:
        ours = stack.enter_context(serving("app", url))
        first = ask(ours.port, paths, connections=8)
        size = first.body_bytes // len(paths)
        bodies = fetch(ours.port, paths)
        sizes = Path(stack.enter_context(TemporaryDirectory())) / "sizes.json"
        sizes.write_text(json.dumps({path: len(bodies.get(path, b"")) for path in paths}))
        floor = stack.enter_context(serving("constant", str(sizes)))
        others: dict[str, tuple[Service, list[str]]] = {"a constant, same server": (floor, paths)}
        if shutil.which("nginx"):
            others["nginx, the same as files"] = stack.enter_context(peers.files(bodies)), list(bodies)
        if "Martin" in starts:
            martin = stack.enter_context(starts["Martin"]())
            others["Martin, kept in memory"] = martin.service, [martin.path(square) for square in squares]
        for service, asked in others.values():
            ask(service.port, asked, connections=8)
        for connections in CONNECTIONS:
            ratios += _by_connections((ours, paths), others, connections, size)
    if "tipg" in taken:
        near = len(_parts(squares).near)
        rate = near / median(one.near_s for one in taken["tipg"])
        mine = next(r for r in ratios if r.what.startswith("kept, 8 "))
        note = f"it keeps none; its rate at z ≥ {NEAR_FROM}"
        ratios.append(Ratio(mine.what, "tipg", mine.ours, rate, "tiles/s", True, RUNS, note))
    return ratios


def _by_connections(
    ours: tuple[Service, list[str]],
    others: Mapping[str, tuple[Service, list[str]]],
    connections: int,
    size: int,
) -> list[Ratio]:
    """Tiles a second and computing time of the server, of each in turn."""
    taken: dict[str, list[tuple[Load, float]]] = {name: [] for name in ("", *others)}
    for _ in range(RUNS):
        for name, (service, paths) in (("", ours), *others.items()):
            taken[name].append(_paced(service, paths, connections))
    for load, _ in taken[""]:
        assert set(load.cache) == {"hit"}, load.cache
    rates = {name: median(load.per_second for load, _ in each) for name, each in taken.items()}
    costs = {name: median(cost for _, cost in each) for name, each in taken.items()}
    note = f"{size / 1024:.0f} kB; {taken[''][0][0].told()}"
    what = f"kept, {connections} connection{'s' * (connections > 1)}"
    found = []
    for name in others:
        theirs = taken[name][0][0].told() + " there"
        found += [
            Ratio(what, name, rates[""], rates[name], "tiles/s", True, RUNS, note),
            Ratio("… the server's time for one", name, costs[""], costs[name], "µs", False, RUNS, theirs),
        ]
    return found


def _paced(service: Service, paths: Sequence[str], connections: int) -> tuple[Load, float]:
    """The load, and the server's computing time for one request in microseconds."""
    rounds = max(1, WARM_REQUESTS // len(paths))
    before = service.cpu_s()
    load = ask(service.port, paths, connections=connections, rounds=rounds)
    return load, (service.cpu_s() - before) / len(load.waits_s) * 1e6
