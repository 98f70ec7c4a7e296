"""Make the city: build it, write its files, say what it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sample_data import write
from sample_data.city import STAGES, City, Progress, build_city, wanted_counts
from sample_data.readings import read_stations
from sample_data.stations import NETWORKS

SEED = 20260601
SCALE = 0.02
WRITING = "写文件 files"
ALL_STAGES = (*STAGES, WRITING)


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

    `counts` overrides what the scale gives, by layer id (city.FULL_COUNTS). `progress` hears the stages of
    ALL_STAGES in their order. Equal arguments give equal files.
    Raises `ValueError` for a scale outside 0.001 … 2.0 or a count that is unknown or not positive.
    """
    wanted = wanted_counts(scale, counts or {})
    tell = progress or _silent
    out.mkdir(parents=True, exist_ok=True)
    city = build_city(scale, seed, wanted, tell)
    reading_rows = _write_files(out, city, seed, tell)
    manifest = Manifest(
        title=_TITLE,
        invented=_INVENTED,
        seed=seed,
        scale=scale,
        area_km2=round(city.area_m2 / 1e6, 3),
        centre=(116.50, 31.74),
        counts={**city.counts(), "reading_row": reading_rows},
        files={**_FILES, **_readings_files()},
        readings_time="北京时间 China Standard Time (+08:00), 2025-06-01 00:00 – 2026-05-31 23:00",
    )
    text = json.dumps(asdict(manifest), ensure_ascii=False, indent=1)
    (out / "MANIFEST.json").write_text(text + "\n", encoding="utf-8")
    return manifest


def _write_files(out: Path, city: City, seed: int, tell: Progress) -> int:
    """Write everything; the number of rows of readings."""
    rng = [np.random.default_rng([seed, part]) for part in (10, 11)]
    rows = 0

    def readings() -> None:
        nonlocal rows
        rows = write.write_readings(out, read_stations(city.stations, rng[1]))

    steps: list[Callable[[], None]] = [
        lambda: write.write_areas(out, city.admin),
        lambda: write.write_roads(out, city.plan, city.outlines),
        lambda: write.write_surfaces(out, city.water, city.green),
        lambda: write.write_grids(out, city.outlines, city.admin, rng[0]),
        lambda: write.write_buildings(out, city.buildings),
        lambda: write.write_addresses(out, city.addresses),
        lambda: write.write_components(out, city.components, city.admin),
        lambda: write.write_pipes(out, city.pipes.nodes, city.pipes.lines),
        lambda: write.write_stations(out, city.stations),
        readings,
    ]
    for done, step in enumerate(steps):
        tell(WRITING, done, len(steps))
        step()
    tell(WRITING, len(steps), len(steps))
    return rows


def _readings_files() -> dict[str, dict[str, str]]:
    return {
        write.readings_file(n): {"holds": "readings", "columns": "、".join(n.indicators)} for n in NETWORKS
    }


def _silent(stage: str, done: int, total: int) -> None:
    """Progress nobody listens to."""


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
