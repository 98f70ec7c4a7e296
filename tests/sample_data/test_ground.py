"""The sample city's ground: heights that agree with its water, images that agree with its buildings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize

from sample_data.ground import Ground, make_ground, shapes_of

CITY = Path(__file__).parents[2] / "sample_data" / "luan"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return make_ground(CITY, tmp_path_factory.mktemp("ground"))


def test_the_river_lies_lower_than_its_banks_all_along(ground: Ground) -> None:
    (river, *_) = shapes_of(CITY / "水系.geojson").shapes
    with rasterio.open(ground.heights) as file:
        heights = file.read(1)
        size, grid = heights.shape, file.transform
    in_water = rasterize([(river.buffer(-10), 1)], out_shape=size, transform=grid) > 0
    beside = rasterize([(river.buffer(90), 1)], out_shape=size, transform=grid) > 0
    beside &= rasterize([(river.buffer(40), 1)], out_shape=size, transform=grid) == 0
    rows = np.flatnonzero(in_water.any(axis=1) & beside.any(axis=1))
    assert len(rows) > 50
    drop = [heights[row, beside[row]].min() - heights[row, in_water[row]].mean() for row in rows]
    assert min(drop) > 1.0
    assert 30 < heights.min() < heights.max() < 200


def test_only_the_later_image_has_the_new_buildings(ground: Ground) -> None:
    pictures = []
    for path in ground.images:
        with rasterio.open(path) as file:
            pictures.append(file.read().astype(int))
            size, grid = file.shape, file.transform
    changed = np.abs(pictures[1] - pictures[0]).max(axis=0) > 30
    assert 0.01 < changed.mean() < 0.2
    water = rasterize(
        [(shape.buffer(-3), 1) for shape in shapes_of(CITY / "水系.geojson").shapes],
        out_shape=size, transform=grid,
    )  # fmt: skip
    assert changed[water > 0].mean() < 0.001
    buildings = shapes_of(CITY / "房屋.gpkg", ["建成年份"])
    newest = np.argsort(buildings.values["建成年份"], kind="stable")[-500:]
    new = rasterize([(buildings.shapes[n], 1) for n in newest], out_shape=size, transform=grid)
    assert changed[new > 0].mean() > 0.5


def test_the_same_seed_gives_the_same_pixels(ground: Ground, tmp_path: Path) -> None:
    again = make_ground(CITY, tmp_path)
    for first, second in zip((ground.heights, *ground.images), (again.heights, *again.images), strict=True):
        with rasterio.open(first) as one, rasterio.open(second) as two:
            assert (one.read() == two.read()).all()
