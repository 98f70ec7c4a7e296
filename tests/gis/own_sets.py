"""Tile matrix sets as an operator writes them: a Gauss zone, and degrees at scales of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gis.matrix_sets import METRES_PER_DEGREE, PIXEL_M

GAUSS_CORNER = 3_600_000.0, 600_000.0
"""North and east of a corner north-west of the town of the tests, in EPSG:4547."""


def matrix(n: int, cell: float, metres: float, corner: tuple[float, float], columns: int, rows: int) -> Any:
    return {
        "id": str(n),
        "scaleDenominator": cell * metres / PIXEL_M,
        "cellSize": cell,
        "cornerOfOrigin": "topLeft",
        "pointOfOrigin": list(corner),
        "tileWidth": 512,
        "tileHeight": 512,
        "matrixWidth": columns,
        "matrixHeight": rows,
    }


def gauss_set(**changes: object) -> dict[str, Any]:
    """Squares of 512 pixels in EPSG:4547 from 1:500,000 to 1:500, in steps that are no powers of two."""
    scales = [500_000, 200_000, 100_000, 50_000, 25_000, 10_000, 5_000, 2_000, 1_000, 500]
    matrices = []
    for n, scale in enumerate(scales):
        cell = scale * PIXEL_M
        count = int(400_000 / (cell * 512)) + 1
        matrices.append(matrix(n, cell, 1.0, GAUSS_CORNER, count, count))
    told = {
        "id": "CityGauss",
        "title": "城市高斯三度带",
        "crs": "http://www.opengis.net/def/crs/EPSG/0/4547",
        "tileMatrices": matrices,
    }
    return {**told, **changes}


def degrees_set(**changes: object) -> dict[str, Any]:
    """Squares of 512 pixels in EPSG:4490 over one city, each level a third of the one before."""
    cells = [0.01 / 3**n for n in range(8)]
    matrices = [
        matrix(n + 1, cell, METRES_PER_DEGREE, (32.0, 116.0), 3**n, 3**n) for n, cell in enumerate(cells)
    ]
    told = {
        "id": "CityDegrees",
        "title": "城市经纬度",
        "crs": {"uri": "http://www.opengis.net/def/crs/EPSG/0/4490"},
        "orderedAxes": ["Lat", "Lon"],
        "tileMatrices": matrices,
    }
    return {**told, **changes}


def written(folder: Path, *sets: dict[str, Any]) -> Path:
    """The folder with a file for each set."""
    folder.mkdir(exist_ok=True)
    for one in sets:
        (folder / f"{one['id']}.json").write_text(json.dumps(one), "utf-8")
    return folder
