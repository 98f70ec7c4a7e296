"""The urban components: what stands along the roads, at crossings, in parks, and over the pipes.

Classes are those of GB/T 30428.2-2013 (4 digits). How often each stands is invented, but in the order a
city's census finds: trees first, then lamps, signs and covers. Covers, inlets and hydrants stand exactly
on the points of the pipe survey.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import shapely

from gis.codes import component_class
from sample_data.admin import Admin
from sample_data.frame import Floats, Frame, Ints
from sample_data.land_use import Sites, use_number
from sample_data.outlines import Geometries, Outlines
from sample_data.plan import CM, Plan
from sample_data.points import PipeNodes
from sample_data.roads import RANK, Stretches, junctions, stretches
from sample_data.utilities import Texts


@dataclass(frozen=True)
class Row:
    """A class that stands in rows along roads: spacing in metres by road rank (0: not there), place
    across the road as a part of half its width, sides (2 both, 1 one of them), and whether it also stands
    on bridges.
    """

    code: str
    spacing_m: tuple[float, float, float, float]
    place: float
    sides: int = 2
    on_bridges: bool = False


ROWS = (
    Row("0402", (6.0, 6.0, 6.5, 7.0), 0.80),
    Row("0137", (34, 32, 30, 28), 0.70, on_bridges=True),
    Row("0305", (110, 90, 90, 110), 0.90),
    Row("0307", (60, 34, 20, 17), 0.985),
    Row("0210", (90, 110, 150, 230), 0.72, on_bridges=True),
    Row("0221", (40, 34, 40, 0), 0.66),
    Row("0130", (0, 0, 110, 48), 0.95, sides=1),
    Row("0131", (0, 0, 140, 75), -0.95, sides=1),
    Row("0404", (60, 48, 60, 90), 0.81),
    Row("0217", (24, 22, 0, 0), 0.03, sides=1, on_bridges=True),
    Row("0408", (60, 40, 60, 0), 0.60),
    Row("0407", (180, 130, 150, 0), 0.92),
    Row("0106", (70, 64, 64, 70), 0.69),
    Row("0114", (120, 110, 140, 0), 0.84),
    Row("0139", (90, 80, 0, 0), 0.57, on_bridges=True),
    Row("0225", (0, 210, 150, 200), 0.89),
    Row("0127", (260, 190, 170, 190), 0.94),
    Row("0148", (0, 300, 260, 240), 0.96, sides=1),
    Row("0129", (300, 260, 300, 320), 0.93),
    Row("0108", (300, 260, 240, 260), 0.87),
    Row("0109", (320, 280, 260, 280), -0.87, sides=1),
    Row("0123", (900, 800, 700, 700), 0.45, sides=1),
    Row("0134", (0, 900, 800, 700), 0.97, sides=1),
    Row("0204", (900, 420, 450, 0), 0.75),
    Row("0205", (0, 1100, 0, 0), 0.71),
    Row("0226", (0, 520, 480, 0), 0.91, sides=1),
    Row("0306", (450, 320, 420, 0), 0.97),
    Row("0308", (0, 620, 480, 420), 0.96, sides=1),
    Row("0302", (0, 700, 800, 0), 0.90, sides=1),
    Row("0301", (0, 1500, 1100, 1400), 0.99, sides=1),
    Row("0304", (0, 0, 2200, 1500), 0.99, sides=1),
    Row("0154", (0, 700, 480, 600), 0.95, sides=1),
    Row("0145", (0, 800, 700, 0), 0.94, sides=1),
    Row("0140", (0, 1600, 1800, 0), 0.93, sides=1),
    Row("0142", (0, 1500, 1700, 0), 0.92, sides=1),
    Row("0125", (0, 1500, 900, 800), -0.93, sides=1),
    Row("0201", (0, 900, 900, 1500), 0.98, sides=1),
    Row("0405", (200, 150, 240, 0), 0.88),
    Row("0223", (1400, 1300, 0, 0), 0.73, sides=1),
)
_CROSSINGS: tuple[tuple[str, int, tuple[tuple[float, float], ...]], ...] = (
    ("0212", 3, ((1, 1), (-1, -1))),
    ("0214", 2, ((1, -1), (-1, 1), (1, 1), (-1, -1))),
    ("0215", 2, ((1.15, 1),)),
    ("0150", 2, ((-1, 1.12), (1, -1.12))),
    ("0115", 2, ((1.1, 1.1),)),
    ("0112", 2, ((-1.1, -1.1),)),
)
"""Class, the highest rank of the lesser road, and the corners where it stands (parts of half widths)."""
_PARK = (
    ("0403", 26), ("0407", 7), ("0139", 9), ("0146", 4), ("0305", 4), ("0405", 3), ("0409", 3), ("0406", 1),
    ("0410", 0.4), ("0308", 1), ("0401", 0.5), ("0301", 0.35),
)  # fmt: skip
"""Class and usual number in the part of a park that lies in one cell."""
_OVER_PIPES = {
    ("JS", "阀门井"): "0101", ("JS", "水表井"): "0101", ("JS", "消防栓"): "0113", ("YS", "雨水井"): "0103",
    ("YS", "检修井"): "0103", ("YS", "雨水箅"): "0104", ("WS", "污水井"): "0102", ("WS", "检修井"): "0102",
    ("TR", "阀门井"): "0111", ("TR", "调压站"): "0149", ("GD", "人孔"): "0105", ("GD", "手孔"): "0105",
    ("GD", "变压箱"): "0148", ("XX", "人孔"): "0107", ("XX", "手孔"): "0107", ("XX", "接线箱"): "0127",
    ("RS", "检修井"): "0110",
}  # fmt: skip
"""Pipe subclass (JP is keyed by its class) and appendage → component class."""


FIXED_MOST = 0.75
"""The most that things with places of their own (covers, signals, park trees) may be of all components."""


@dataclass(frozen=True)
class Components:
    """Columns of the component file, sorted by code; x, y in EPSG:4548; `cell` is the unit grid."""

    code: list[str]
    class_number: Ints
    classes: list[str]
    x: Floats
    y: Floats
    cell: Ints
    state: Texts
    material: Texts
    initial: Texts
    changed: Texts


@dataclass(frozen=True)
class _Spots:
    """Places of components: class (position in a list of codes), ground x and y."""

    kind: Ints
    x: Floats
    y: Floats


def make_components(
    plan: Plan,
    outlines: Outlines,
    admin: Admin,
    sites: Sites,
    obstacles: Geometries,
    nodes: PipeNodes,
    target: int,
    rng: np.random.Generator,
) -> Components:
    """`target` components (as near as the city allows), each in the cell it stands in.

    `obstacles` (EPSG:4548) are what nothing in a park stands in: water, buildings.
    """
    classes = sorted({r.code for r in ROWS} | {c for c, *_ in _CROSSINGS} | {c for c, _ in _PARK} | {"0209"}
                     | set(_OVER_PIPES.values()))  # fmt: skip
    number = {code: k for k, code in enumerate(classes)}
    road = stretches(plan)
    parts = [
        _over_pipes(nodes, number),
        _at_crossings(plan, number),
        _in_parks(plan.frame, sites, obstacles, number, rng),
        _bridges(plan, road, number),
    ]
    fixed = _some(_within(outlines, _join(parts)), int(target * FIXED_MOST), rng)
    missing = target - len(fixed.kind)
    rows = _within(outlines, _in_rows(plan, road, number, missing + missing // 500 + 20, rng))
    spots = _join([fixed, _some(rows, missing, rng)])
    return _described(spots, locate(outlines, spots.x, spots.y), admin, classes, rng)


def _within(outlines: Outlines, spots: _Spots) -> _Spots:
    """The spots that lie in some cell: a sign at the last crossing may stand beyond the city limit."""
    return _take(spots, locate(outlines, spots.x, spots.y) >= 0)


def locate(outlines: Outlines, x: Floats, y: Floats) -> Ints:
    """The cell each ground point lies in, the lowest one on a shared edge; -1 outside all."""
    tree = shapely.STRtree(outlines.cells)
    points, cells = tree.query(shapely.points(x, y), predicate="intersects")
    found = np.full(len(x), len(outlines.cells), dtype=np.int64)
    np.minimum.at(found, points, cells)
    return np.where(found == len(outlines.cells), -1, found)


# ---------------------------------------------------------------- places


def _over_pipes(nodes: PipeNodes, number: dict[str, int]) -> _Spots:
    kind = np.full(len(nodes.x), -1, dtype=np.int64)
    for (pipe, appendage), code in _OVER_PIPES.items():
        of_pipe = (nodes.pipe_subclass == pipe) | (nodes.pipe_class == pipe)
        kind[of_pipe & (nodes.appendage == appendage)] = number[code]
    there = kind >= 0
    return _Spots(kind[there], nodes.x[there], nodes.y[there])


def _at_crossings(plan: Plan, number: dict[str, int]) -> _Spots:
    """Signs, signals and cameras on the corners of crossings."""
    parts = []
    met = junctions(plan)
    u = np.array([v.at / CM for v, _ in met])
    v = np.array([h.at / CM for _, h in met])
    half_u = np.array([v.half_width_m for v, _ in met]) * 0.82
    half_v = np.array([h.half_width_m for _, h in met]) * 0.82
    lesser = np.array([max(RANK[v.kind], RANK[h.kind]) for v, h in met])
    for code, worst, corners in _CROSSINGS:
        here = lesser <= worst
        for side_u, side_v in corners:
            x, y = plan.frame.to_ground((u + side_u * half_u)[here], (v + side_v * half_v)[here])
            parts.append(_Spots(np.full(len(x), number[code], dtype=np.int64), x, y))
    return _join(parts)


def _in_parks(
    frame: Frame, sites: Sites, obstacles: Geometries, number: dict[str, int], rng: np.random.Generator
) -> _Spots:
    """Trees, benches and the like, anywhere in the middle of the parks clear of the obstacles."""
    parts = [_Spots(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))]
    for box in sites.inner[sites.use == use_number("park")]:
        for code, usual in _PARK:
            count = int(rng.poisson(usual))
            u, v = rng.uniform([box[0] + 6, box[2] + 6], [box[1] - 6, box[3] - 6], (count, 2)).T
            parts.append(_Spots(np.full(count, number[code], dtype=np.int64), *frame.to_ground(u, v)))
    spots = _join(parts)
    taken = shapely.STRtree(obstacles).query(shapely.points(spots.x, spots.y), predicate="intersects")[0]
    return _take(spots, np.setdiff1d(np.arange(len(spots.kind)), taken))


def _bridges(plan: Plan, road: Stretches, number: dict[str, int]) -> _Spots:
    """One 跨河桥 where a road crosses the river."""
    at = road.at[road.is_bridge]
    x, y = plan.frame.to_ground(np.full(len(at), 1.0), at)
    return _Spots(np.full(len(at), number["0209"], dtype=np.int64), x, y)


def _in_rows(
    plan: Plan, road: Stretches, number: dict[str, int], wanted: int, rng: np.random.Generator
) -> _Spots:
    """`wanted` things along the roads: all spacings are stretched alike until about so many find room."""
    low, high = 0.02, 400.0
    for _ in range(40):
        factor = float(np.sqrt(low * high))
        total = sum(int(_counts(row, road, factor).sum()) * row.sides for row in ROWS)
        low, high = (factor, high) if total > wanted else (low, factor)
    placed = _join([_row(plan, road, row, number[row.code], low, rng) for row in ROWS])
    return _some(placed, max(wanted, 0), rng)


def _counts(row: Row, road: Stretches, factor: float) -> Ints:
    """How many of a row stand on one side of each stretch."""
    spacing = np.array(row.spacing_m)[road.rank] * factor
    fits = (spacing > 0) & (row.on_bridges | ~road.is_bridge)
    rough = np.where(fits, road.length / np.where(spacing > 0, spacing, 1.0), 0.0)
    phase = (road.road * 0.618 + ROWS.index(row) * 0.377) % 1.0
    return np.asarray(np.floor(rough + phase * (rough < 3) * (rough > 0)).astype(np.int64))


def _row(plan: Plan, road: Stretches, row: Row, kind: int, factor: float, rng: np.random.Generator) -> _Spots:
    counts = _counts(row, road, factor)
    parts = []
    for side in (-1, 1) if row.sides == 2 else (1,):
        owner = np.repeat(np.arange(len(counts)), counts)
        k = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        pitch = road.length[owner] / counts[owner]
        shift = rng.uniform(0.2, 0.8, len(counts))[owner]
        along = road.low[owner] + (k + shift) * pitch + rng.uniform(-0.12, 0.12, len(owner)) * pitch
        across = road.at[owner] + side * row.place * road.half_width[owner] + rng.normal(0, 0.06, len(owner))
        vertical = road.is_vertical[owner]
        x, y = plan.frame.to_ground(np.where(vertical, across, along), np.where(vertical, along, across))
        parts.append(_Spots(np.full(len(owner), kind, dtype=np.int64), x, y))
    return _join(parts)


def _join(parts: list[_Spots]) -> _Spots:
    return _Spots(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(_Spots)})


def _take(spots: _Spots, keep: Ints | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> _Spots:
    return _Spots(**{f.name: getattr(spots, f.name)[keep] for f in fields(_Spots)})


def _some(spots: _Spots, most: int, rng: np.random.Generator) -> _Spots:
    """At most `most` of the spots, drawn evenly, in their order."""
    if len(spots.kind) <= most:
        return spots
    return _take(spots, np.sort(rng.permutation(len(spots.kind))[:most]))


# ---------------------------------------------------------------- attributes


def _described(
    spots: _Spots, cell: Ints, admin: Admin, classes: list[str], rng: np.random.Generator
) -> Components:
    """Codes by district and class, numbered grid by grid; states and dates."""
    district = np.array([int(d) for d in admin.district_of_cell()])[cell]
    grid = np.array([int(code) for code in admin.grid_codes])[cell]
    order = np.lexsort((spots.x, -spots.y, grid, spots.kind, district))
    spots, cell, district = _take(spots, order), cell[order], district[order]
    group = district * 1000 + spots.kind
    serial = np.arange(len(group)) - np.searchsorted(group, group) + 1
    count = len(group)
    state = rng.choice(
        np.array(["完好", "破损", "丢失", "废弃", "移除"]), count, p=[0.958, 0.028, 0.004, 0.008, 0.002]
    )
    year, month, day = rng.integers(2014, 2026, count), rng.integers(1, 13, count), rng.integers(1, 29, count)
    changed = (state != "完好") | (rng.random(count) < 0.04)
    codes = [
        f"{d}{classes[k]}{n:06d}"
        for d, k, n in zip(district.tolist(), spots.kind.tolist(), serial.tolist(), strict=True)
    ]
    return Components(
        code=codes,
        class_number=spots.kind,
        classes=classes,
        x=spots.x,
        y=spots.y,
        cell=cell,
        state=state,
        material=_materials(spots.kind, classes, rng),
        initial=_dates(year, month, day),
        changed=np.where(changed, _dates(np.full(count, 2026), np.minimum(month, 5), day), ""),
    )


def _dates(year: Ints, month: Ints, day: Ints) -> Texts:
    """YYYYMMDD, as GB/T 47678.5 writes dates."""
    return (year * 10_000 + month * 100 + day).astype("U8")


def _materials(kind: Ints, classes: list[str], rng: np.random.Generator) -> Texts:
    """Covers are of iron, composite or concrete, poles of steel; nothing is said of the rest."""
    covers = np.array([component_class(c, "2013").title.endswith("井盖") for c in classes])[kind]
    steel = np.array([c in ("0137", "0139", "0131", "0217", "0210") for c in classes])[kind]
    cover = rng.choice(np.array(["球墨铸铁", "复合材料", "混凝土"]), len(kind), p=[0.7, 0.2, 0.1])
    return np.where(covers, cover, np.where(steel, "钢", ""))
