"""The whole city as values: plan, areas, and everything that stands on them. Nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import shapely

from sample_data.addresses import Addresses, put_up_plates
from sample_data.admin import Admin, administer
from sample_data.buildings import Buildings, raise_buildings
from sample_data.check import verify
from sample_data.components import Components, make_components
from sample_data.greens import Surfaces, surfaces
from sample_data.land_use import assign
from sample_data.lots import lay_out
from sample_data.outlines import Outlines
from sample_data.pipes import Pipes, make_pipes
from sample_data.plan import Plan, make_plan
from sample_data.roads import name_roads, stretches
from sample_data.stations import Station, place_stations

FULL_COUNTS = {"unit_grid": 12_000, "component": 1_000_000, "building": 300_000, "pipe_line": 300_000}
"""What scale 1.0 holds; other scales hold their part."""
LEAST_SCALE, MOST_SCALE = 0.001, 2.0

Progress = Callable[[str, int, int], None]
"""Called with the stage's name, and how much of it is done, of how much."""

STAGES = ("街区 streets", "房屋 buildings", "管线 pipes", "部件 components", "监测 stations")


@dataclass(frozen=True)
class City:
    """Everything in a city; geometry in EPSG:4548 metres."""

    plan: Plan
    outlines: Outlines
    admin: Admin
    buildings: Buildings
    addresses: Addresses
    water: Surfaces
    green: Surfaces
    pipes: Pipes
    components: Components
    stations: list[Station]

    @property
    def area_m2(self) -> float:
        return float(shapely.area(self.outlines.cells).sum())

    def counts(self) -> dict[str, int]:
        """Rows by layer id."""
        return {
            "district": len(self.admin.districts.codes),
            "street": len(self.admin.streets.codes),
            "community": len(self.admin.communities.codes),
            "unit_grid": len(self.admin.grid_codes),
            "road": len(self.plan.roads()),
            "water_area": len(self.water.codes),
            "green_area": len(self.green.codes),
            "building": len(self.buildings.code),
            "address": len(self.addresses.code),
            "component": len(self.components.code),
            "pipe_node": len(self.pipes.nodes.code),
            "pipe_line": len(self.pipes.lines.start),
            "station": len(self.stations),
        }


def wanted_counts(scale: float, counts: Mapping[str, int]) -> dict[str, int]:
    """How many rows a city of `scale` is to have, `counts` overriding; raises `ValueError` for nonsense."""
    if not LEAST_SCALE <= scale <= MOST_SCALE:
        raise ValueError(f"scale {scale} is not between {LEAST_SCALE} and {MOST_SCALE}")
    for layer, count in counts.items():
        if layer not in FULL_COUNTS or count < 1:
            raise ValueError(
                f"count {layer}={count}: expected a positive number of one of {', '.join(FULL_COUNTS)}"
            )
    return {layer: int(counts.get(layer, round(full * scale))) for layer, full in FULL_COUNTS.items()}


def build_city(scale: float, seed: int, wanted: Mapping[str, int], tell: Progress) -> City:
    """A city of `scale` with the `wanted` counts; each part draws from its own stream of `seed`."""
    rng = [np.random.default_rng([seed, part]) for part in range(10)]
    tell(STAGES[0], 0, 1)
    plan = make_plan(scale, wanted["unit_grid"], rng[0])
    name_roads(plan, rng[1])
    outlines = Outlines(plan)
    admin = administer(plan, outlines, rng[2])
    verify(outlines, admin)
    tell(STAGES[0], 1, 1)

    tell(STAGES[1], 0, 1)
    blocks, sites = assign(plan, rng[3])
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
    return City(plan, outlines, admin, buildings, addresses, water, green, pipes, components, stations)
