"""Importing buildings: our whole path against `ogr2ogr` loading the same file into the same server.

`ogr2ogr` (PG_USE_COPY, reprojecting, spatial index) does no checks, keeps no versions, computes no
difference. Ours is timed with all of that, in a process of its own, as a technician would run it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import psycopg

from benchmarks.report import Ratio
from onemap.settings import PROJECT_ROOT


def run(url: str, city: Path) -> list[Ratio]:
    """Each file once by each program, into empty tables; empty where ogr2ogr is not installed."""
    if shutil.which("ogr2ogr") is None:
        return []
    ratios = []
    for name, layer in (("房屋.gpkg", "building"), ("单元网格.shp", "unit_grid")):
        file = city / name
        theirs = _by_ogr2ogr(url, file)
        ours, rows = _by_us(url, file, layer)
        ratios.append(
            Ratio(f"import {rows:,} rows of {name}", "ogr2ogr", ours, theirs, "s", False, 1,
                  "whole processes; ours checks, keys, compares and versions")
        )  # fmt: skip
        again, _ = _by_us(url, file, layer)
        ratios.append(Ratio(f"{name} again, unchanged", "the first import", again, ours, "s", False, 1))
    return ratios


def _by_ogr2ogr(url: str, file: Path) -> float:
    started = perf_counter()
    subprocess.run(
        ["ogr2ogr", "-f", "PostgreSQL", f"PG:{url}", str(file), "-nln", "ogr2ogr_target", "-overwrite",
         "-t_srs", "EPSG:4490", "-lco", "SPATIAL_INDEX=GIST", "-nlt", "PROMOTE_TO_MULTI",
         "--config", "PG_USE_COPY", "YES", "--config", "SHAPE_ENCODING", "GBK"],
        check=True, capture_output=True,
    )  # fmt: skip
    seconds = perf_counter() - started
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE ogr2ogr_target")
    return seconds


def _by_us(url: str, file: Path, layer: str) -> tuple[float, int]:
    started = perf_counter()
    subprocess.run(
        [sys.executable, "-m", "onemap", "import", str(file), "--as", layer],
        check=True, capture_output=True, cwd=PROJECT_ROOT, env={**os.environ, "ONEMAP_DATABASE_URL": url},
    )  # fmt: skip
    seconds = perf_counter() - started
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT feature_count FROM onemap.layer WHERE id = %s", [layer]).fetchone()
    return seconds, int(found[0]) if found else 0
