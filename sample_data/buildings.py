"""The buildings of the city: footprints on the ground, and attributes that agree with each other.

Owners and telephone numbers are invented and look it: persons are "…某某", numbers begin with 100,
which no Chinese mobile number does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from sample_data.admin import Admin
from sample_data.frame import Floats, Frame, Ints
from sample_data.land_use import Blocks, Sites
from sample_data.lots import ROLES, Lots, Role
from sample_data.names import SURNAMES
from sample_data.outlines import Geometries
from sample_data.plan import CM, Plan
from sample_data.utilities import Texts

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
NAMELESS: tuple[Role, ...] = ("old", "village", "shop")
REGISTERED_SHARE = 0.35
"""Part of the private houses and shops that the real-estate register knows."""
STEP_M = 6.0
"""Doors nearer than this along a street share a number."""


@dataclass(frozen=True)
class Kind:
    """What is usual for a role: storeys (least, most), storey height, years, structure from a year on."""

    use: str
    floors: tuple[int, int]
    storey_m: float
    years: tuple[int, int]
    below: tuple[int, int]
    unit: str


KINDS: dict[Role, Kind] = {
    "old": Kind("住宅", (1, 3), 3.1, (1962, 2004), (0, 0), ""),
    "village": Kind("住宅", (2, 4), 3.2, (1986, 2015), (0, 0), ""),
    "slab": Kind("住宅", (5, 7), 2.95, (1988, 2014), (0, 1), "示例物业服务公司"),
    "tower": Kind("住宅", (16, 33), 2.9, (2007, 2024), (1, 2), "示例置业有限公司"),
    "shop": Kind("商业", (1, 3), 3.6, (1990, 2020), (0, 0), ""),
    "mall": Kind("商业", (3, 6), 4.8, (1998, 2023), (0, 2), "示例商贸有限公司"),
    "office": Kind("办公", (4, 15), 3.7, (1992, 2022), (0, 1), "示例机关事务中心"),
    "school": Kind("教育", (3, 5), 3.6, (1985, 2021), (0, 0), "示例学校"),
    "hospital": Kind("医疗", (4, 14), 3.8, (1990, 2022), (0, 1), "示例医院"),
    "plant": Kind("工业", (1, 2), 6.8, (1995, 2022), (0, 0), "示例制造有限公司"),
    "pavilion": Kind("文化体育", (1, 1), 4.0, (1999, 2022), (0, 0), "市园林绿化中心"),
}


@dataclass(frozen=True)
class Buildings:
    """Columns of the building file; `polygons` in EPSG:4548, lists in the same order."""

    polygons: Geometries
    code: list[str]
    real_estate_unit: list[str]
    name: list[str]
    address: list[str]
    use: Texts
    structure: Texts
    floors_above: Ints
    floors_below: Ints
    footprint_m2: Floats
    floor_area_m2: Floats
    height_m: Floats
    year: Ints
    state: Texts
    owner: list[str]
    phone: list[str]
    cell: Ints
    has_own_door: Flags
    """It has a number of its own in the street."""


def raise_buildings(
    plan: Plan, admin: Admin, blocks: Blocks, sites: Sites, lots: Lots, rng: np.random.Generator
) -> Buildings:
    """One building on every lot."""
    polygons = footprints(plan.frame, lots, rng)
    area = np.round(shapely.area(polygons), 2)
    above, below, year = _storeys(sites, lots, rng)
    storey = np.array([KINDS[r].storey_m for r in ROLES])[lots.role]
    block = sites.block[lots.cell]
    named = ~np.isin(lots.role, [ROLES.index(r) for r in NAMELESS])
    number = _within(block * 2 + named)
    own, door = _doors(sites, lots)
    owner, phone = _owners(lots, rng)
    community = [admin.communities.codes[c] for c in admin.community_of_cell[lots.cell]]
    serial = _within(admin.community_of_cell[lots.cell])
    floors_area = area * (above + below * 0.9)
    registered = named | (rng.random(len(area)) < REGISTERED_SHARE)
    return Buildings(
        polygons=polygons,
        code=[f"{c}F{n:05d}" for c, n in zip(community, serial, strict=True)],
        real_estate_unit=_real_estate_units(community, block, registered),
        name=_names(blocks, block, number, named),
        address=_addresses(plan, blocks, block, number, named, own, door),
        use=_uses(lots),
        structure=_structures(lots, above, year, rng),
        floors_above=above,
        floors_below=below,
        footprint_m2=area,
        floor_area_m2=np.round(floors_area * rng.uniform(0.97, 1.0, len(area)), 1),
        height_m=np.round(above * storey + rng.uniform(0.3, 1.1, len(area)), 1),
        year=year,
        state=rng.choice(np.array(["自用", "出租", "空置"]), len(area), p=[0.74, 0.21, 0.05]),
        owner=owner,
        phone=phone,
        cell=lots.cell,
        has_own_door=own[:, 0] >= 0,
    )


# ---------------------------------------------------------------- shape

_RECTANGLE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float64)
_ELL = np.array([[-1, -1], [1, -1], [1, 0.05], [0.1, 0.05], [0.1, 1], [-1, 1]], dtype=np.float64)
_HORSESHOE = np.array(
    [[-1, -1], [1, -1], [1, 1], [0.45, 1], [0.45, -0.1], [-0.45, -0.1], [-0.45, 1], [-1, 1]], dtype=np.float64
)


def footprints(frame: Frame, lots: Lots, rng: np.random.Generator) -> Geometries:
    """Polygons (EPSG:4548) standing square to their street; no corner leaves the lot."""
    local = frame.local(lots.u, lots.v)
    wide = lots.wide * local.along - lots.deep * np.abs(local.lean)
    deep = lots.deep * local.across
    wide = np.maximum(wide, 3.0)
    chance = rng.random(len(wide))
    shaped = np.isin(lots.role, [ROLES.index(r) for r in ("mall", "school", "hospital", "office")]) & (
        deep > 13
    )
    polygons = np.empty(len(wide), dtype=object)
    turn = rng.integers(0, 4, len(wide))
    for template, chosen in (
        (_RECTANGLE, ~shaped | (chance >= 0.55)),
        (_ELL, shaped & (chance < 0.3)),
        (_HORSESHOE, shaped & (chance >= 0.3) & (chance < 0.55)),
    ):
        members = np.flatnonzero(chosen)
        polygons[members] = _place(frame, lots, members, template, wide, deep, local.heading, turn)
    return polygons


def _place(
    frame: Frame,
    lots: Lots,
    members: Ints,
    template: Floats,
    wide: Floats,
    deep: Floats,
    heading: Floats,
    turn: Ints,
) -> Geometries:
    """`template` (unit square corners) at each member's place, size and heading, mirrored by `turn`."""
    x, y = frame.to_ground(lots.u[members], lots.v[members])
    mirror = np.stack([1 - 2 * (turn[members] & 1), 1 - (turn[members] & 2)], axis=1).astype(np.float64)
    half = np.stack([wide[members], deep[members]], axis=1) / 2
    corners = template[None, :, :] * (mirror * half)[:, None, :]
    c, s = np.cos(heading[members])[:, None], np.sin(heading[members])[:, None]
    east = x[:, None] + corners[:, :, 0] * c - corners[:, :, 1] * s
    north = y[:, None] + corners[:, :, 0] * s + corners[:, :, 1] * c
    rings = np.round(np.stack([east, north], axis=2), 2)
    rings = np.concatenate([rings, rings[:, :1]], axis=1)
    size = rings.shape[1]
    flat = shapely.linearrings(rings.reshape(-1, 2), indices=np.repeat(np.arange(len(members)), size))
    return (
        np.asarray(shapely.normalize(shapely.polygons(flat))) if len(members) else np.array([], dtype=object)
    )


# ---------------------------------------------------------------- attributes


def _storeys(sites: Sites, lots: Lots, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Storeys above and below ground, and year built; an estate is of one year and mostly of one height."""
    kinds = [KINDS[r] for r in ROLES]
    block = sites.block[lots.cell]
    estate = np.isin(lots.role, [ROLES.index("slab"), ROLES.index("tower")])
    common, own = (
        rng.random((2, int(block.max()) + 1 if len(block) else 1))[:, block],
        rng.random((2, len(block))),
    )
    share = np.where(estate, np.clip(common + (own - 0.5) * 0.25, 0, 0.999), own**1.2)
    low, high = (np.array([k.floors[i] for k in kinds])[lots.role] for i in (0, 1))
    above = (low + np.floor(share[0] * (high - low + 1))).astype(np.int64)
    first, last = (np.array([k.years[i] for k in kinds])[lots.role] for i in (0, 1))
    age = np.where(estate, np.clip(common[1] + (own[1] - 0.5) * 0.06, 0, 0.999), own[1])
    year = (first + np.floor(age * (last - first + 1))).astype(np.int64)
    least, most = (np.array([k.below[i] for k in kinds])[lots.role] for i in (0, 1))
    below = np.where(year >= 2005, most, least).astype(np.int64)
    return above, below, year


def _structures(lots: Lots, above: Ints, year: Ints, rng: np.random.Generator) -> Texts:
    """砖木, 混合, 钢筋混凝土 or 钢结构, as storeys and year allow."""
    chance = rng.random(len(year))
    plant = lots.role == ROLES.index("plant")
    low = np.where((year < 1982) & (above <= 2), "砖木", "混合")
    frame = (above >= 7) | ((year >= 2003) & (chance < 0.7)) | ((above >= 4) & (year >= 1998))
    usual = np.where(frame, "钢筋混凝土", low)
    return np.where(plant, np.where(year >= 2003, "钢结构", "钢筋混凝土"), usual)


def _uses(lots: Lots) -> Texts:
    """Use by role; houses on a street have a shop below."""
    use = np.array([KINDS[r].use for r in ROLES])[lots.role]
    house = np.isin(lots.role, [ROLES.index("old"), ROLES.index("village")])
    return np.where(house & (lots.front >= 0), "商住", use)


def _real_estate_units(community: list[str], block: Ints, registered: Flags) -> list[str]:
    """28 characters (GB/T 37346-2019): parcel 19 + F + building 4 + 0000; '' for unregistered houses."""
    rows = zip(
        community, (block % 100_000).tolist(), _within(block).tolist(), registered.tolist(), strict=True
    )
    return [f"{c}GB{b:05d}F{n:04d}0000" if known else "" for c, b, n, known in rows]


def _within(group: Ints) -> Ints:
    """1, 2, 3 … within each group, in order."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], group[order])
    number = np.empty(len(group), dtype=np.int64)
    number[order] = np.arange(len(group)) - starts + 1
    return number


def _names(blocks: Blocks, block: Ints, number: Ints, named: Flags) -> list[str]:
    """Estate or institution and 幢; houses and shops have no name."""
    return [
        f"{blocks.name[b]}{n}幢" if has_name else ""
        for b, n, has_name in zip(block.tolist(), number.tolist(), named.tolist(), strict=True)
    ]


def _doors(sites: Sites, lots: Lots) -> tuple[Ints, Floats]:
    """(road, side of it) and plan position along it of each lot's own door; road -1 where it has none."""
    fronted = lots.front >= 0
    front = np.maximum(lots.front, 0)
    road = np.where(fronted, sites.side_road[lots.cell, front], -1)
    at = np.where(front < 2, lots.v, lots.u)
    return np.stack([road, 1 - front % 2], axis=1), at


def house_number(line_low_m: float, at_m: float, side: int) -> int:
    """The number at plan position `at_m` of a road that begins at `line_low_m`: odd on one side only."""
    return 2 * int((at_m - line_low_m) / STEP_M) + 1 + side


def _addresses(
    plan: Plan, blocks: Blocks, block: Ints, number: Ints, named: Flags, own: Ints, door: Floats
) -> list[str]:
    """Street and number where there is a door, else the block's gate with 附 or 幢 number."""
    gates = [gate_address(plan, blocks, b) for b in range(len(blocks.name))]
    texts = []
    for b, n, has_name, (road, side), at in zip(
        block.tolist(), number.tolist(), named.tolist(), own.tolist(), door.tolist(), strict=True
    ):
        if road >= 0:
            line = plan.lines[road]
            texts.append(f"{line.name}{house_number(line.low / CM, at, side)}号")
        elif has_name:
            texts.append(f"{gates[b]}{blocks.name[b]}{n}幢")
        else:
            texts.append(f"{gates[b]}附{n}号")
    return texts


def gate_address(plan: Plan, blocks: Blocks, block: int) -> str:
    """Street and number of a block's gate; '' when no road passes it."""
    road = int(blocks.gate_road[block])
    if road < 0:
        return ""
    line = plan.lines[road]
    number = house_number(line.low / CM, float(blocks.gate_at[block]), int(blocks.gate_side[block]))
    return f"{line.name}{number}号"


def _owners(lots: Lots, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Owner and telephone of each building, recognisably invented."""
    units = [KINDS[r].unit for r in ROLES]
    surname = rng.integers(0, len(SURNAMES), len(lots.role))
    digits = rng.integers(0, 100_000_000, len(lots.role))
    owners = [
        units[r] or f"{SURNAMES[s]}某某" for r, s in zip(lots.role.tolist(), surname.tolist(), strict=True)
    ]
    return owners, [f"100{d:08d}" for d in digits.tolist()]
