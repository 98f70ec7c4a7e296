"""Point in unit grid: our index against shapely's STRtree and against PostGIS asked one by one."""

from __future__ import annotations

from functools import partial

import numpy as np
import psycopg
import shapely
from numpy.typing import NDArray

from benchmarks.report import Ratio, medians
from grid.index import GridIndex

CELLS = (110, 110)
POINTS = 1_000_000
ONE_BY_ONE = 2_000
RUNS = 5


def run(url: str) -> list[Ratio]:
    """12,100 bent cells of about 100 m and 1,000,000 points, 5 % outside. `url`: any PostGIS."""
    generator = np.random.default_rng(20260601)
    codes, cells = bent_cells(*CELLS, generator)
    lon, lat = points_over(cells, POINTS, generator)
    index = GridIndex(codes, cells)
    tree = shapely.STRtree(cells)

    def by_tree() -> NDArray[np.int64]:
        found = np.full(len(lon), -1, dtype=np.int64)
        points, hits = tree.query(shapely.points(lon, lat), predicate="intersects")
        found[points] = hits
        return found

    agreement = (index.locate(lon, lat) == by_tree()).mean()
    assert agreement > 0.9999, f"the contenders disagree: {agreement}"
    ours, theirs = medians(RUNS, partial(index.locate, lon, lat), by_tree)
    bulk = Ratio(
        "locate 1,000,000 points", "shapely STRtree", POINTS / ours, POINTS / theirs, "points/s", True, RUNS
    )
    return [bulk, *_one_by_one(index, tree, cells, lon, lat, POINTS / ours, url)]


def _one_by_one(
    index: GridIndex,
    tree: shapely.STRtree,
    cells: NDArray[np.object_],
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    bulk_per_s: float,
    url: str,
) -> list[Ratio]:
    pairs = list(zip(lon[:ONE_BY_ONE].tolist(), lat[:ONE_BY_ONE].tolist(), strict=True))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE cell (id int, geom geometry(Polygon, 4490))")
        with connection.cursor() as cursor, cursor.copy("COPY cell FROM STDIN") as copy:
            for number, wkb in enumerate(
                shapely.to_wkb(shapely.set_srid(cells, 4490), hex=True, include_srid=True)
            ):
                copy.write_row((number, wkb))
        connection.execute("CREATE INDEX ON cell USING gist (geom)")
        connection.execute("ANALYZE cell")
        statement = (
            "SELECT id FROM cell WHERE ST_Intersects(geom, ST_SetSRID(ST_MakePoint(%s, %s), 4490))"
            " ORDER BY id LIMIT 1"
        )

        def by_postgis() -> None:
            for pair in pairs:
                connection.execute(statement, pair, prepare=True).fetchone()

        def by_index() -> None:
            for one_lon, one_lat in pairs:
                index.locate_one(one_lon, one_lat)

        def by_tree() -> None:
            for one_lon, one_lat in pairs:
                tree.query(shapely.Point(one_lon, one_lat), predicate="intersects")

        ours, theirs, databases = (each / ONE_BY_ONE for each in medians(RUNS, by_index, by_tree, by_postgis))
    return [
        Ratio("locate in bulk", "PostGIS one by one", bulk_per_s, 1 / databases, "points/s", True, RUNS,
              "prepared, unix socket"),
        Ratio("locate one point", "shapely STRtree", ours * 1e6, theirs * 1e6, "µs", False, RUNS),
        Ratio("locate one point", "PostGIS", ours * 1e6, databases * 1e6, "µs", False, RUNS,
              "prepared, unix socket"),
    ]  # fmt: skip


def bent_cells(
    columns: int, rows: int, generator: np.random.Generator
) -> tuple[list[str], NDArray[np.object_]]:
    """Codes and polygons (EPSG:4490, longitude first) of a grid whose inner vertices were moved at random."""
    size = 0.001
    lon, lat = np.meshgrid(np.arange(columns + 1) * size + 116.45, np.arange(rows + 1) * size + 31.69)
    bend = generator.uniform(-0.3 * size, 0.3 * size, (2, *lon.shape))
    bend[:, [0, -1], :] = 0
    bend[:, :, [0, -1]] = 0
    corners = np.stack([lon, lat], axis=-1) + np.moveaxis(bend, 0, -1)
    rings = np.stack(
        [corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1], corners[:-1, :-1]], axis=2
    ).reshape(-1, 5, 2)
    return [f"{number:015d}" for number in range(len(rings))], np.asarray(shapely.polygons(rings))


def points_over(
    cells: NDArray[np.object_], count: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Random longitudes and latitudes, about 5 % of them outside every cell."""
    west, south, east, north = shapely.total_bounds(cells)
    margin = 0.013 * np.array([east - west, north - south])
    lon = generator.uniform(west - margin[0], east + margin[0], count)
    lat = generator.uniform(south - margin[1], north + margin[1], count)
    return lon, lat
