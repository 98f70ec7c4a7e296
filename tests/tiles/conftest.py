"""The sample city, small, and everything awkward, in a database that tests share and only read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from importers.options import ImportOptions
from importers.run import import_files
from layers.db import Database
from sample_data.make import make_city
from tests.conftest import cloned
from tests.layers.registered_tables import registered, run_sql
from tests.tiles.awkward import knot_layer, knots, mixed_layer, mixture
from tests.tiles.town import pipe_layer, pipes, plot_layer, plots, put, shop_layer, shops

CITY_SCALE = 0.002
TABLES = {4490: "4490", 4326: "4326", 3857: "3857", 4527: "4527", 0: "4527"}
"""SRID of a registered table's column, and the system its coordinates are in."""


@pytest.fixture(scope="session")
def city_url(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a database with all layers of a city of 2,000 components, of the tests' town, and tables."""
    files = tmp_path_factory.mktemp("city")
    make_city(files, scale=CITY_SCALE)
    for readings in files.glob("监测数据*"):
        readings.unlink()
    with cloned(server_url, template_database) as url:
        asyncio.run(_fill(url, files))
        yield url


async def _fill(url: str, files: Path) -> None:
    async with Database(url) as database:
        reports = await import_files(database, [files], ImportOptions(check=False))
        assert {report.state for report in reports} == {"published"}
        await put(database, shop_layer(), shops(300))
        await put(database, pipe_layer(), pipes(300))
        await put(database, plot_layer(), plots(300))
        await put(database, knot_layer(), knots())
        await put(database, mixed_layer(), mixture())
        run_sql(url, "CREATE SCHEMA gis", *map(_table, TABLES))
        for srid in TABLES:
            said = {"srid": int(TABLES[srid])} if srid == 0 else {}
            await registered(database, f"in_{srid}", geometry_type="Geometry", **said)


def _table(srid: int) -> str:
    """A table of the town's points, lines and areas."""
    column = f"geometry(Geometry, {srid})" if srid else "geometry"
    moved = f"ST_Transform(_geom, {TABLES[srid]})"
    return f"""
        CREATE TABLE gis.in_{srid} (id bigint PRIMARY KEY, name text, size numeric(12, 3), made date,
                                    is_old boolean, seen timestamptz, geom {column});
        INSERT INTO gis.in_{srid}
        SELECT row_number() OVER (ORDER BY name, _geom), name, length(name) / 3.0,
               date '2024-02-28' + length(name),
               length(name) % 2 = 0, timestamptz '2026-01-01 08:00+08' + length(name) * interval '1 s',
               {f"ST_SetSRID({moved}, 0)" if srid == 0 else moved}
        FROM (SELECT name, _geom FROM onemap_rows.shop UNION ALL SELECT code, _geom FROM onemap_rows.pipe
              UNION ALL SELECT '地块' || _fid, _geom FROM onemap_rows.plot) AS town;
        CREATE INDEX ON gis.in_{srid} USING gist (geom);
    """
