"""Who the cells belong to: communities, streets and districts with their names and codes.

Communities come from the plan; streets are neighbouring trunk meshes on one bank of the river;
districts are the banks. Codes: district 6 digits (GB/T 2260), street 9 (GB/T 10114), community 12,
unit grid 15, the last three numbered from west to east, then north to south (GB/T 30428.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from sample_data.frame import Floats, Ints
from sample_data.names import EAST, STREETS_BY_NEARNESS, WEST, community_names, district_name, street_name
from sample_data.outlines import Geometries, Outlines, union_by
from sample_data.plan import CM, Plan, Rectangle, apportion

ROW_M = 90.0
"""Cells whose middles differ less than this from north to south count as one row when numbered."""


@dataclass(frozen=True)
class Areas:
    """Areas of one rank: parallel lists. `within` is the position of each in the rank above."""

    codes: list[str]
    names: list[str]
    polygons: Geometries
    within: Ints
    population: Ints


@dataclass(frozen=True)
class Admin:
    """All ranks, and for each cell its community's position and its own 15-digit code and name."""

    districts: Areas
    streets: Areas
    communities: Areas
    community_of_cell: Ints
    grid_codes: list[str]
    grid_names: list[str]

    def district_of_cell(self) -> list[str]:
        """The 6-digit district code of each cell."""
        return [code[:6] for code in self.grid_codes]


def administer(plan: Plan, outlines: Outlines, rng: np.random.Generator) -> Admin:
    """Name and number the plan's communities, streets and districts, and its cells."""
    cells = plan.cell_array()
    community = cells[:, 8]
    mesh_of_community = np.array(plan.mesh_of_community, dtype=np.int64)
    street_codes, street_of_mesh = _streets(plan.meshes)
    street_of_community = street_of_mesh[mesh_of_community]
    middles = _middles(plan, outlines)
    community_codes = _community_codes(community, street_of_community, street_codes, middles)
    names = community_names(rng, len(community_codes))
    population = _population(cells, rng)
    district_codes = sorted({code[:6] for code in street_codes})
    district_of_street = np.array([district_codes.index(code[:6]) for code in street_codes], dtype=np.int64)
    communities = Areas(
        community_codes, names, union_by(outlines.cells, community), street_of_community, population
    )
    streets = _gather(street_codes, [street_name(c) for c in street_codes], district_of_street, communities)
    districts = _gather(
        district_codes,
        [district_name(c) for c in district_codes],
        np.zeros(len(district_codes), dtype=np.int64),
        streets,
    )
    numbers = _numbers(community, middles)
    return Admin(
        districts,
        streets,
        communities,
        community,
        [f"{community_codes[c]}{n:03d}" for c, n in zip(community, numbers, strict=True)],
        [f"{names[c]}第{n:03d}网格" for c, n in zip(community, numbers, strict=True)],
    )


def _streets(meshes: list[Rectangle]) -> tuple[list[str], Ints]:
    """9-digit codes of the streets in use, and each mesh's position among them."""
    corner = np.array([[r.u0, r.u1, r.v0, r.v1] for r in meshes], dtype=np.float64) / CM
    middle = np.stack([(corner[:, 0] + corner[:, 1]) / 2, (corner[:, 2] + corner[:, 3]) / 2], axis=1)
    area = (corner[:, 1] - corner[:, 0]) * (corner[:, 3] - corner[:, 2])
    codes: list[str] = []
    street = np.zeros(len(meshes), dtype=np.int64)
    wanted = min(max(round(area.sum() / 1e6 * 1.05 + 2.4), 2), 14)
    for district, side in ((EAST, middle[:, 0] > 0), (WEST, middle[:, 0] < 0)):
        share = apportion(np.array([area[side].sum(), area[~side].sum()]), wanted, least=1)[0]
        known = STREETS_BY_NEARNESS[district]
        groups = _bisect(np.flatnonzero(side), middle, area, min(int(share), len(known)))
        heart = np.array([0.0, middle[:, 1].mean()])
        groups.sort(key=lambda g: float(np.hypot(*(np.average(middle[g], axis=0, weights=area[g]) - heart))))
        for members, code in zip(groups, known, strict=False):
            street[members] = len(codes)
            codes.append(f"{district}{code}")
    return codes, street


def _bisect(members: Ints, middle: Floats, area: Floats, parts: int) -> list[Ints]:
    """`members` in `parts` neighbouring groups of like area (fewer when there are fewer members)."""
    if parts <= 1 or len(members) <= 1:
        return [members]
    extent = np.ptp(middle[members], axis=0)
    axis = int(extent[1] >= extent[0])
    order = members[np.lexsort((middle[members, 1 - axis], middle[members, axis]))]
    first = parts // 2
    cumulative = np.cumsum(area[order]) / area[order].sum()
    cut = int(np.clip(np.searchsorted(cumulative, first / parts - 1e-9) + 1, 1, len(order) - 1))
    return [*_bisect(order[:cut], middle, area, first), *_bisect(order[cut:], middle, area, parts - first)]


def _middles(plan: Plan, outlines: Outlines) -> Floats:
    """A point within each cell: easting, northing."""
    points = shapely.centroid(outlines.cells)
    return np.stack([shapely.get_x(points), shapely.get_y(points)], axis=1)


def _community_codes(
    community: Ints, street_of_community: Ints, street_codes: list[str], middles: Floats
) -> list[str]:
    """12-digit codes: residents' committees 001–199 within their street, north-west first."""
    count = len(street_of_community)
    sizes = np.bincount(community, minlength=count)
    east = np.bincount(community, middles[:, 0], count) / sizes
    north = np.bincount(community, middles[:, 1], count) / sizes
    order = np.lexsort((east, -np.floor(north / 300), street_of_community))
    codes = [""] * count
    number, street = 0, -1
    for position in order:
        number = number + 1 if street_of_community[position] == street else 1
        street = int(street_of_community[position])
        codes[position] = f"{street_codes[street]}{number:03d}"
    return codes


def _numbers(community: Ints, middles: Floats) -> Ints:
    """Each cell's number within its community: rows from north to south, in a row from west to east."""
    row = np.floor(-middles[:, 1] / ROW_M)
    order = np.lexsort((middles[:, 0], row, community))
    starts = np.searchsorted(community[order], community[order])
    numbers = np.empty(len(community), dtype=np.int64)
    numbers[order] = np.arange(len(community)) - starts + 1
    return numbers


def _population(cells: Ints, rng: np.random.Generator) -> Ints:
    """Invented residents of each community: about 180 on each land cell."""
    land = np.bincount(cells[:, 8], weights=1 - cells[:, 10])
    return np.asarray(np.round(land * rng.uniform(130, 230, len(land))).astype(np.int64))


def _gather(codes: list[str], names: list[str], within: Ints, below: Areas) -> Areas:
    """The rank above `below`: unions of its areas."""
    population = np.bincount(below.within, weights=below.population, minlength=len(codes)).astype(np.int64)
    return Areas(codes, names, union_by(below.polygons, below.within), within, population)
