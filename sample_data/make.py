"""Make the city: plan, things on it, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import shapely

from sample_data import write
from sample_data.addresses import put_up_plates
from sample_data.admin import administer
from sample_data.buildings import raise_buildings
from sample_data.check import verify
from sample_data.components import make_components
from sample_data.greens import surfaces
from sample_data.land_use import assign
from sample_data.lots import lay_out
from sample_data.outlines import Outlines
from sample_data.pipes import make_pipes
from sample_data.plan import make_plan
from sample_data.readings import read_stations
from sample_data.roads import name_roads, stretches
from sample_data.stations import NETWORKS, place_stations

SEED = 20260601
SCALE = 0.02
FULL_COUNTS = {"unit_grid": 12_000, "component": 1_000_000, "building": 300_000, "pipe_line": 300_000}
"""What scale 1.0 holds; other scales hold their part."""
LEAST_SCALE, MOST_SCALE = 0.002, 1.0

Progress = Callable[[str, int, int], None]
"""Called with the stage's name, and how much of it is done, of how much."""

STAGES = ("街区 streets", "房屋 buildings", "管线 pipes", "部件 components", "监测 stations", "写文件 files")


@dataclass(frozen=True)
class Manifest:
    """What a generated city is and holds; written as MANIFEST.json beside its files."""

    title: str
    invented: str
    seed: int
    scale: float
    area_km2: float
    centre: tuple[float, float]
    counts: dict[str, int]
    files: dict[str, dict[str, str]]
    readings_time: str


def make_city(
    out: Path,
    scale: float = SCALE,
    seed: int = SEED,
    progress: Progress | None = None,
    counts: Mapping[str, int] | None = None,
) -> Manifest:
    """Write a city of `scale` × 120 km² into the folder `out` (made if missing, files replaced).

    `counts` overrides what FULL_COUNTS × scale would give, by layer id. Equal arguments give equal files.
    Raises `ValueError` for a scale outside 0.002 … 1.0 or a count that is unknown or not positive.
    """
    wanted = _wanted(scale, counts or {})
    tell = progress or (lambda stage, done, total: None)
    out.mkdir(parents=True, exist_ok=True)
    rng = [np.random.default_rng([seed, part]) for part in range(12)]

    tell(STAGES[0], 0, 1)
    plan = make_plan(scale, wanted["unit_grid"], rng[0])
    name_roads(plan, rng[1])
    outlines = Outlines(plan)
    admin = administer(plan, outlines, rng[2])
    verify(outlines, admin)
    blocks, sites = assign(plan, rng[3])
    tell(STAGES[0], 1, 1)

    tell(STAGES[1], 0, 1)
    lots = lay_out(sites, wanted["building"], rng[4])
    buildings = raise_buildings(plan, admin, blocks, sites, lots, rng[5])
    addresses = put_up_plates(admin, buildings)
    water, green = surfaces(plan, blocks, sites, lots, rng[6])
    tell(STAGES[1], 1, 1)

    tell(STAGES[2], 0, 1)
    pipes = make_pipes(plan, wanted["pipe_line"], rng[7])
    tell(STAGES[2], 1, 1)

    tell(STAGES[3], 0, 1)
    obstacles = np.concatenate([water.polygons, buildings.polygons])
    components = make_components(
        plan, outlines, admin, sites, obstacles, pipes.nodes, wanted["component"], rng[8]
    )
    tell(STAGES[3], 1, 1)

    tell(STAGES[4], 0, 1)
    names = [line.name for line in plan.lines]
    stations = place_stations(plan.frame, stretches(plan), names, scale, rng[9])
    tell(STAGES[4], 1, 1)

    steps: list[Callable[[], object]] = [
        lambda: write.write_areas(out, admin),
        lambda: write.write_roads(out, plan, outlines),
        lambda: write.write_surfaces(out, water, green),
        lambda: write.write_grids(out, outlines, admin, rng[10]),
        lambda: write.write_buildings(out, buildings),
        lambda: write.write_addresses(out, addresses),
        lambda: write.write_components(out, components, admin),
        lambda: write.write_pipes(out, pipes.nodes, pipes.lines),
        lambda: write.write_stations(out, stations),
    ]
    for done, step in enumerate(steps):
        tell(STAGES[5], done, len(steps) + 1)
        step()
    tell(STAGES[5], len(steps), len(steps) + 1)
    readings = write.write_readings(out, read_stations(stations, rng[11]))
    made = {
        "district": len(admin.districts.codes),
        "street": len(admin.streets.codes),
        "community": len(admin.communities.codes),
        "unit_grid": len(admin.grid_codes),
        "road": len(plan.roads()),
        "water_area": len(water.codes),
        "green_area": len(green.codes),
        "building": len(buildings.code),
        "address": len(addresses.code),
        "component": len(components.code),
        "pipe_node": len(pipes.nodes.code),
        "pipe_line": len(pipes.lines.start),
        "station": len(stations),
        "reading_row": readings,
    }
    manifest = Manifest(
        title=_TITLE,
        invented=_INVENTED,
        seed=seed,
        scale=scale,
        area_km2=round(float(shapely.area(outlines.cells).sum()) / 1e6, 3),
        centre=(116.50, 31.74),
        counts=made,
        files={
            **_FILES,
            **{
                write.readings_file(n): {"holds": "readings", "columns": "、".join(n.indicators)}
                for n in NETWORKS
            },
        },
        readings_time="北京时间 China Standard Time (+08:00), 2025-06-01 00:00 – 2026-05-31 23:00",
    )
    text = json.dumps(asdict(manifest), ensure_ascii=False, indent=1)
    (out / "MANIFEST.json").write_text(text + "\n", encoding="utf-8")
    tell(STAGES[5], len(steps) + 1, len(steps) + 1)
    return manifest


def _wanted(scale: float, counts: Mapping[str, int]) -> dict[str, int]:
    """How many of each are wanted."""
    if not LEAST_SCALE <= scale <= MOST_SCALE:
        raise ValueError(f"scale {scale} is not between {LEAST_SCALE} and {MOST_SCALE}")
    for layer, count in counts.items():
        if layer not in FULL_COUNTS or count < 1:
            raise ValueError(
                f"count {layer}={count}: expected a positive number of one of {', '.join(FULL_COUNTS)}"
            )
    return {layer: int(counts.get(layer, round(full * scale))) for layer, full in FULL_COUNTS.items()}


_TITLE = "虚构的样例城市（六安城区位置） / An invented sample city at the place of Lu'an"
_INVENTED = (
    "位置、区县与街道名称和部分路名是真实的；边界、社区、网格、房屋、管线、部件、站点、读数、人员与电话"
    "均为程序生成，与现实无关。 / The place, the names of districts and streets and some road names are real;"
    " borders, communities, grids, buildings, pipes, components, stations, readings, people and telephone"
    " numbers are generated and describe nothing real."
)
_FILES: dict[str, dict[str, str]] = {
    "区县.geojson": {"layer": "district", "crs": "EPSG:4490"},
    "街道.geojson": {"layer": "street", "crs": "EPSG:4490"},
    "社区.geojson": {"layer": "community", "crs": "EPSG:4490"},
    "道路.geojson": {"layer": "road", "crs": "EPSG:4490"},
    "水系.geojson": {"layer": "water_area", "crs": "EPSG:4490"},
    "绿地.geojson": {"layer": "green_area", "crs": "EPSG:4490"},
    "单元网格.shp": {"layer": "unit_grid", "crs": "EPSG:4527", "encoding": "GBK, no .cpg"},
    "房屋.gpkg": {"layer": "building", "crs": "EPSG:4490"},
    "门牌地址.csv": {"layer": "address", "crs": "EPSG:4490", "encoding": "GBK"},
    "城市部件.csv": {"layer": "component", "crs": "EPSG:4490", "encoding": "UTF-8 with BOM"},
    "管点表.xlsx": {"layer": "pipe_node", "crs": "EPSG:4548, X northing, Y easting"},
    "管线表.xlsx": {"layer": "pipe_line", "crs": "by its nodes"},
    "监测站点.geojson": {"layer": "station", "crs": "EPSG:4490"},
}
