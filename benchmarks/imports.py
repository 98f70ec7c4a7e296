"""Importing buildings: our whole path against `ogr2ogr` loading the same file into the same server.

`ogr2ogr` (PG_USE_COPY, reprojecting, one spatial index) does no checks, keeps no versions, computes no
difference. Ours reads, reprojects, mends, completes codes from the place, keys, hashes, versions, and makes
two spatial indexes. Every import is a process of its own into a database of its own, timed from its start.

"published": readers see the version, found by place and by key. "finished": the process has ended, and the
indexes for search and filters and the lighter copy for far zooms stand too, which ogr2ogr has no like of.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, sleep, time
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.report import Ratio, show_parts
from onemap.settings import PROJECT_ROOT

BASE = ("区县.geojson", "街道.geojson", "社区.geojson", "单元网格.shp")
"""What buildings take codes from."""
MANY_ROWS = 200_000
"""From so many rows on every import is run once; below, three times in turn with the others."""
CRS = "EPSG:4527"
"""Gauss-Kruger zone 39 with the zone in the easting, as departments deliver."""


@dataclass(frozen=True)
class Run:
    """One import: seconds of the process, of which `published_s` until readers see the version."""

    seconds: float
    published_s: float
    cpu_s: float
    server_cpu_s: float
    said: dict[str, Any]


class Server:
    """The server measured on: databases made from a template, and its processor time."""

    def __init__(self, url: str, data: Path) -> None:
        self._url = url
        self._data = data

    def url(self, name: str) -> str:
        """Address of the database `name` of this server."""
        head, tail = self._url.split("?", 1)
        return f"{head.rsplit('/', 1)[0]}/{name}?{tail}"

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """A database made from `template`, by default an empty one with PostGIS; dropped afterwards."""
        name = "onemap_bench_run"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template or "template1")
                )
            )
            connection.execute("CHECKPOINT")
        try:
            if template is None:
                with psycopg.connect(self.url(name), autocommit=True) as connection:
                    connection.execute("CREATE EXTENSION postgis")
            yield self.url(name)
        finally:
            with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def cpu_s(self) -> float:
        """Processor seconds of all its processes that have ended, and of the first one."""
        sleep(0.2)  # a backend outlives its client by a moment
        process = (self._data / "postmaster.pid").read_text().split()[0]
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def run(url: str, data: Path, city: Path) -> list[Ratio]:
    """GeoPackage and GBK Shapefile, by each program; empty where ogr2ogr is not installed.

    `data`: the folder of the server's cluster. Prints where our seconds go.
    """
    if shutil.which("ogr2ogr") is None:
        return []
    server = Server(url, data)
    name = url.split("?", 1)[0].rsplit("/", 1)[1]
    for base in BASE:
        subprocess.run(
            [sys.executable, "-m", "onemap", "import", str(city / base)],
            check=True, capture_output=True, cwd=PROJECT_ROOT, env={**os.environ, "ONEMAP_DATABASE_URL": url},
        )  # fmt: skip
    ratios = []
    for file in _files(city):
        ratios += _compared(server, name, file)
    return ratios


def _files(city: Path) -> list[Path]:
    """The city's buildings in `CRS`: as a GeoPackage, and as a Shapefile in GBK that does not say so."""
    made = []
    for suffix, driver, options in (
        (".gpkg", "GPKG", ["-nln", "房屋", "-lco", "SPATIAL_INDEX=NO"]),
        (".shp", "ESRI Shapefile", ["-lco", "ENCODING=GBK"]),
    ):
        file = city / f"房屋4527{suffix}"
        subprocess.run(
            ["ogr2ogr", "-f", driver, str(file), str(city / "房屋.gpkg"), "-t_srs", CRS, *options],
            check=True, capture_output=True,
        )  # fmt: skip
        file.with_suffix(".cpg").unlink(missing_ok=True)
        made.append(file)
    return made


class _Runs:
    """What was measured of one file, round by round."""

    def __init__(self) -> None:
        self.theirs: list[Run] = []
        self.bare: list[Run] = []
        self.ours: list[Run] = []
        self.again: list[Run] = []
        self.changed: list[Run] = []

    def round(self, server: Server, template: str, file: Path) -> None:
        """Every contender once, in turn."""
        with server.database() as url:
            self.theirs.append(_by_ogr2ogr(server, url, file))
        with server.database(template) as url:
            self.bare.append(_by_us(server, url, file, "--no-check"))
        with server.database(template) as url:
            self.ours.append(_by_us(server, url, file))
            self.again.append(_by_us(server, url, file))
            if file.suffix == ".gpkg":
                with _one_in_a_hundred_changed(file) as other:
                    self.changed.append(_by_us(server, url, other))


def _compared(server: Server, template: str, file: Path) -> list[Ratio]:
    runs = _Runs()
    runs.round(server, template, file)
    rows = runs.ours[0].said["rows"]
    while rows < MANY_ROWS and len(runs.ours) < 3:
        runs.round(server, template, file)
    show_parts(f"{file.name}, {rows:,} rows, with all checks", runs.ours[-1].said["laps"])
    return _ratios(runs, rows, file.name)


def _ratios(runs: _Runs, rows: int, name: str) -> list[Ratio]:
    def middle(each: list[Run], part: str) -> float:
        return float(median(getattr(one, part) for one in each))

    def cpu_s(each: list[Run]) -> float:
        return float(median(one.cpu_s + one.server_cpu_s for one in each))

    def ratio(what: str, mine: float, against: str, other: float, unit: str = "s", note: str = "") -> Ratio:
        return Ratio(what, against, mine, other, unit, False, len(runs.ours), note)

    peer, load = middle(runs.theirs, "seconds"), f"load {os.getloadavg()[0]:.1f}"
    title, first = f"{rows:,} rows of {name}", middle(runs.ours, "published_s")
    peak = max(one.said["peak_mb"] for one in [*runs.bare, *runs.ours, *runs.again, *runs.changed])
    found = [
        ratio(f"{title}: no check, published", middle(runs.bare, "published_s"), "ogr2ogr", peer, note=load),
        ratio("… all checks, published", first, "ogr2ogr", peer, note=f"peak {peak:,.0f} MB"),
        ratio("… all checks, finished", middle(runs.ours, "seconds"), "ogr2ogr", peer),
        ratio("… no check, finished: CPU", cpu_s(runs.bare), "ogr2ogr", cpu_s(runs.theirs),
              note="client and server"),
        ratio("… all checks, finished: CPU", cpu_s(runs.ours), "ogr2ogr", cpu_s(runs.theirs),
              note="client and server"),
        ratio("… again, the same file", middle(runs.again, "seconds"), "first, published", first,
              note=str(runs.again[0].said["state"])),
    ]  # fmt: skip
    if runs.changed:
        touched = runs.changed[0].said["touched"]
        found += [
            ratio("… 1 % changed: rows touched", touched, "rows", rows, "rows"),
            ratio("… 1 % changed", middle(runs.changed, "seconds"), "first, published", first),
        ]
    return found


def _by_ogr2ogr(server: Server, url: str, file: Path) -> Run:
    command = [
        "ogr2ogr", "-f", "PostgreSQL", f"PG:{url}", str(file), "-nln", "ogr2ogr_target",
        "-t_srs", "EPSG:4490", "-lco", "SPATIAL_INDEX=GIST", "-nlt", "PROMOTE_TO_MULTI",
        "--config", "PG_USE_COPY", "YES", "--config", "SHAPE_ENCODING", "GBK",
    ]  # fmt: skip
    seconds, cpu_s, server_cpu_s, _ = _timed(server, command, {})
    return Run(seconds, seconds, cpu_s, server_cpu_s, {})


def _by_us(server: Server, url: str, file: Path, *options: str) -> Run:
    command = [sys.executable, "-m", "benchmarks.import_once", url, str(file), "building", *options]
    begun = time()
    seconds, cpu_s, server_cpu_s, output = _timed(server, command, {"cwd": PROJECT_ROOT})
    said = json.loads(output)
    published_s = said["ended"] - said["laps"].get("after publication", 0.0) - begun
    return Run(seconds, published_s, cpu_s, server_cpu_s, said)


def _timed(server: Server, command: list[str], where: dict[str, Any]) -> tuple[float, float, float, str]:
    """Seconds, processor seconds of the process and of the server, and what it printed."""
    before, children = server.cpu_s(), os.times()
    started = perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, **where)
    seconds = perf_counter() - started
    after = os.times()
    cpu_s = after.children_user + after.children_system - children.children_user - children.children_system
    return seconds, cpu_s, server.cpu_s() - before, done.stdout


@contextmanager
def _one_in_a_hundred_changed(file: Path) -> Iterator[Path]:
    """The GeoPackage `file` with another year in one row of a hundred."""
    other = file.with_name(f"{file.stem}_1.gpkg")
    shutil.copyfile(file, other)
    with sqlite3.connect(other) as connection:
        connection.execute('UPDATE "房屋" SET "建成年份" = "建成年份" + 1 WHERE fid % 100 = 0')
    connection.close()
    try:
        yield other
    finally:
        other.unlink()
