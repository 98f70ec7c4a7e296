"""The ground of the sample city as rasters: heights of the land round it, and how it looked in two years.

Drawn from the city's own files, so that roofs stand where buildings are. The ground of 2024 lacks what was
built since. Nothing is kept in the project: a demo makes them when it first starts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyogrio
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine, from_origin

from gis.crs import CGCS2000, read_crs, reproject
from sample_data.frame import CENTRE_EN, TURN, Floats, Frame, frame_for

EPSG = 4548
YEARS = (2024, 2026)
IMAGE_STEP_M, IMAGE_MARGIN_M = 1.0, 200.0
DEM_STEP_M, DEM_SIDE_M = 10.0, 9_000.0
NEW_SHARE = 0.12
"""Part of the buildings that stand in the last image only: those built last."""
HILLS_FROM_M, HILLS_M = 1_100.0, 130.0
"""How far from the river the land begins to rise, and how high its hills are at most. Invented."""
SUN_SHADOW_M = 0.55
"""Length of a shadow for each metre of height; the sun stands in the south-east."""

Image = NDArray[np.float32]
COLOURS: dict[str, tuple[int, int, int]] = {
    "soil": (168, 152, 122),
    "field": (122, 138, 84),
    "paving": (158, 156, 150),
    "green": (84, 116, 66),
    "water": (62, 88, 92),
    "road": (112, 114, 118),
    "site": (196, 176, 140),
    "shadow": (44, 48, 56),
}
ROOFS = ((186, 104, 86), (150, 160, 172), (206, 200, 190), (120, 128, 140), (172, 84, 72), (214, 212, 208))


class Ground(NamedTuple):
    """The files made: heights, and an image for each of `YEARS`."""

    heights: Path
    images: tuple[Path, ...]


def make_ground(city: Path, out: Path, seed: int = 20260601) -> Ground:
    """Writes the rasters of the city whose files are in the folder `city` into `out`; EPSG:4548.

    Equal files and seed give equal pixels. Raises `FileNotFoundError` where `city` is no sample city.
    """
    scale = json.loads((city / "MANIFEST.json").read_text(encoding="utf-8"))["scale"]
    out.mkdir(parents=True, exist_ok=True)
    heights = out / f"DEM_{YEARS[0]}.tif"
    origin = from_origin(CENTRE_EN[0] - DEM_SIDE_M / 2, CENTRE_EN[1] + DEM_SIDE_M / 2, DEM_STEP_M, DEM_STEP_M)
    side = int(DEM_SIDE_M / DEM_STEP_M)
    _write(heights, _heights(frame_for(scale), origin, side, seed)[None], origin)
    images = []
    for year in YEARS:
        images.append(out / f"影像_{year}.tif")
        picture, grid = _picture(city, year, seed)
        _write(images[-1], picture, grid, photometric="RGB")
    return Ground(heights, tuple(images))


# ---------------------------------------------------------------- heights


def _heights(frame: Frame, grid: Affine, side: int, seed: int) -> NDArray[np.float32]:
    """Heights in metres: the city's own ground, the river's bed cut into it, hills beyond."""
    steps = np.arange(side) + 0.5
    east, north = np.meshgrid(grid.c + steps * grid.a, grid.f + steps * grid.e)
    u, v = _plan_of(frame, east, north)
    ground = frame.ground_elevation(u, np.clip(v, -3_000.0, frame.north + 3_000.0))
    away = np.clip((np.abs(u) - HILLS_FROM_M) / 2_200.0, 0.0, 1.0)
    rising = away * away * (3 - 2 * away)
    hills = HILLS_M * rising * (0.35 + 0.65 * _waves(east, north, seed))
    bed = 4.5 * np.exp(-((u / (1.15 * frame.half_water(v))) ** 6))
    return np.asarray(np.round(ground + hills - bed, 2), dtype=np.float32)


def _plan_of(frame: Frame, east: Floats, north: Floats) -> tuple[Floats, Floats]:
    """Where on the plan a place of the ground lies: `Frame.to_ground` the other way, within centimetres."""
    u = np.zeros_like(east)
    v = np.full_like(east, frame.north / 2)
    for _ in range(40):
        x, y = frame.to_ground(u, v)
        off_east, off_north = east - x, north - y
        turn_cos, turn_sin = np.cos(TURN), np.sin(TURN)
        u = u + 0.8 * (off_east * turn_cos + off_north * turn_sin)
        v = v + 0.8 * (-off_east * turn_sin + off_north * turn_cos)
    return u, v


def _waves(east: Floats, north: Floats, seed: int) -> Floats:
    """Smooth hills between 0 and 1: waves of several lengths in directions that the seed chooses."""
    rng = np.random.default_rng([seed, 70])
    total = np.zeros_like(east)
    for length_m, height in ((3_100.0, 1.0), (1_700.0, 0.6), (900.0, 0.3), (420.0, 0.12)):
        for _ in range(3):
            angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
            along = east * np.cos(angle) + north * np.sin(angle)
            total += height / 3 * np.sin(2 * np.pi * along / length_m + phase)
    return np.asarray(1 / (1 + np.exp(-2.4 * total)))


# ---------------------------------------------------------------- images


def _picture(city: Path, year: int, seed: int) -> tuple[NDArray[np.uint8], Affine]:
    """The city from above in `year`: (3, rows, columns), and how its pixels lie."""
    area = shapes_of(city / "区县.geojson").shapes
    west, south, east, north = (float(v) for v in shapely.total_bounds(area))
    west, north = np.floor(west - IMAGE_MARGIN_M), np.ceil(north + IMAGE_MARGIN_M)
    grid = from_origin(west, north, IMAGE_STEP_M, IMAGE_STEP_M)
    size = (int(north - south + IMAGE_MARGIN_M), int(east - west + IMAGE_MARGIN_M))
    rng = np.random.default_rng([seed, 71])
    picture = _fields(size, rng)

    def paint(shapes: NDArray[np.object_], colour: tuple[int, int, int]) -> None:
        mask = _mask(shapes, size, grid)
        picture[:, mask] = np.array(colour, dtype=np.float32)[:, None]

    paint(area, COLOURS["paving"])
    paint(shapes_of(city / "绿地.geojson").shapes, COLOURS["green"])
    paint(shapes_of(city / "水系.geojson").shapes, COLOURS["water"])
    roads = shapes_of(city / "道路.geojson", ["路宽"])
    paint(shapely.buffer(roads.shapes, roads.values["路宽"].astype(float) / 2), COLOURS["road"])
    _build(picture, city, year, grid, rng)
    grain = rng.normal(0.0, 5.0, (1, *size)).astype(np.float32)
    return np.asarray(np.clip(np.rint(picture + grain), 1, 255), dtype=np.uint8), grid


def _build(picture: Image, city: Path, year: int, grid: Affine, rng: np.random.Generator) -> None:
    """Buildings with their shadows; where one is built only later, the bare ground of its site."""
    size = (picture.shape[1], picture.shape[2])
    buildings = shapes_of(city / "房屋.gpkg", ["建成年份", "高度"])
    height_m = buildings.values["高度"].astype(float)
    order = np.argsort(buildings.values["建成年份"].astype(float), kind="stable")
    is_new = np.zeros(len(order), dtype=bool)
    is_new[order[int(len(order) * (1 - NEW_SHARE)) :]] = True
    standing = ~is_new if year < YEARS[-1] else np.ones(len(order), dtype=bool)
    site = _mask(shapely.buffer(buildings.shapes[~standing], 3.0), size, grid)
    picture[:, site] = np.array(COLOURS["site"], dtype=np.float32)[:, None]
    shapes, height_m = buildings.shapes[standing], height_m[standing]
    reach = height_m * SUN_SHADOW_M
    shadows = [
        shapely.affinity.translate(shape, -dx, dx) for shape, dx in zip(shapes, reach / 2, strict=True)
    ]
    dark = _mask(np.array(shadows, dtype=object), size, grid)
    picture[:, dark] = picture[:, dark] * 0.45
    roof = rng.integers(0, len(ROOFS), len(order))[standing]
    number = rasterize(
        zip(shapes, range(1, len(shapes) + 1), strict=True), out_shape=size, transform=grid, dtype="int32"
    )
    colours = np.array([(0, 0, 0), *(ROOFS[n] for n in roof)], dtype=np.float32)
    covered = number > 0
    picture[:, covered] = colours[number[covered]].T


def _fields(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Fields round the city: a patchwork of greens and soils, ploughed."""
    side = 90
    patches = rng.uniform(0.0, 1.0, (size[0] // side + 2, size[1] // side + 2))
    share = np.kron(patches, np.ones((side, side)))[: size[0], : size[1]]
    furrows = 0.05 * np.sin(np.arange(size[1]) / 2.0)[None, :]
    share = np.clip(share * 0.8 + furrows, 0, 1).astype(np.float32)
    soil, field = (np.array(COLOURS[name], dtype=np.float32)[:, None, None] for name in ("soil", "field"))
    return np.asarray(soil * share + field * (1 - share), dtype=np.float32)


class Shapes(NamedTuple):
    """Shapes in EPSG:4548, and columns of their file by name."""

    shapes: NDArray[np.object_]
    values: dict[str, NDArray[Any]]


def shapes_of(file: Path, columns: list[str] | None = None) -> Shapes:
    """The shapes of a file in EPSG:4548, and columns of it."""
    wanted = columns or []
    _, _, geometry, values = pyogrio.raw.read(file, columns=wanted)
    shapes = reproject(shapely.from_wkb(geometry), CGCS2000, read_crs(EPSG))
    # the file's own order of columns
    names = [name for name in pyogrio.read_info(file)["fields"] if name in wanted]
    return Shapes(shapes, dict(zip(names, values, strict=True)))


def _mask(shapes: NDArray[np.object_], size: tuple[int, int], grid: Affine) -> NDArray[np.bool_]:
    if len(shapes) == 0:
        return np.zeros(size, dtype=bool)
    burned = rasterize(((shape, 1) for shape in shapes), out_shape=size, transform=grid, dtype="uint8")
    return np.asarray(burned, dtype=bool)


def _write(file: Path, bands: NDArray[Any], grid: Affine, **profile: Any) -> None:
    count, height, width = bands.shape
    with rasterio.open(
        file, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype,
        crs=f"EPSG:{EPSG}", transform=grid, compress="deflate", **profile,
    ) as opened:  # fmt: skip
        opened.write(bands)
