"""How the plan is cut: trunk lines first, then blocks, then cells of about a hectare.

The rectangle is cut by lines parallel to its axes: a lattice of trunk roads with the river in it,
inside each mesh ever smaller roads, at last walls between neighbours. A piece that must hold `n` unit
grids is cut so that its halves hold `n1 + n2 = n`, so the number of cells is met exactly. All
coordinates of the plan are whole centimetres: what touches, touches exactly.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from sample_data.frame import Frame, Ints, frame_for

LineClass = Literal["express", "trunk", "secondary", "branch", "wall", "limit", "river"]
ROADS: tuple[LineClass, ...] = ("express", "trunk", "secondary", "branch")
ROAD_WIDTH_M: dict[str, float] = {"express": 44.0, "trunk": 34.0, "secondary": 22.0, "branch": 13.0}
"""Between the red lines, pavements included."""
CM = 100
ROAD_STEP = 20 * CM
"""Roads lie on multiples of 20 m of the plan, so that side roads meet or stay well apart."""
WALL_STEP = 2 * CM
SIDE_MIN = 40 * CM
SNAP = 34 * CM
"""A road this near to the end of one on the other side of a street continues it."""


@dataclass
class Line:
    """A straight line of the plan from `low` to `high` (cm) at `at` (cm) on the other axis."""

    number: int
    is_vertical: bool
    at: int
    low: int
    high: int
    kind: LineClass
    name: str = ""
    stops: set[int] = field(default_factory=set)
    """Where other lines end on it or cross it, cm along it; its own ends included."""
    road_stops: set[int] = field(default_factory=set)
    """Those stops at which a road cut later begins."""

    @property
    def is_road(self) -> bool:
        return self.kind in ROADS

    @property
    def half_width_m(self) -> float:
        return ROAD_WIDTH_M.get(self.kind, 0.0) / 2


class Sides(NamedTuple):
    """Numbers of the lines that bound a rectangle."""

    left: int
    right: int
    bottom: int
    top: int


class Rectangle(NamedTuple):
    """A piece of the plan in cm: u0 < u1, v0 < v1."""

    u0: int
    u1: int
    v0: int
    v1: int

    @property
    def area(self) -> int:
        return (self.u1 - self.u0) * (self.v1 - self.v0)


@dataclass(frozen=True)
class Cell:
    """One unit grid: a rectangle of the plan. `block` is bounded by roads, `community` numbers from 0."""

    rectangle: Rectangle
    sides: Sides
    community: int
    block: int
    mesh: int
    is_river: bool


@dataclass
class Plan:
    """The lines and cells of a city. `mesh_of_community` gives the trunk mesh each community lies in."""

    frame: Frame
    lines: list[Line]
    cells: list[Cell]
    mesh_of_community: list[int]
    meshes: list[Rectangle]

    def roads(self) -> list[Line]:
        """The lines that are roads, in the order they were cut."""
        return [line for line in self.lines if line.is_road]

    def cell_array(self) -> Ints:
        """u0, u1, v0, v1 (cm), left, right, bottom, top, community, block, is_river: one row per cell."""
        rows = [(*c.rectangle, *c.sides, c.community, c.block, int(c.is_river)) for c in self.cells]
        return np.array(rows, dtype=np.int64).reshape(-1, 11)


def make_plan(scale: float, grids: int, rng: np.random.Generator) -> Plan:
    """Cut a city of `scale` into `grids` cells (a few more where the river needs them)."""
    return _Cutter(scale, grids, rng).cut()


class _Cutter:
    """The cutting, as one pass from lattice to cells."""

    def __init__(self, scale: float, grids: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.spacing_m = min(max(480.0 * (scale / 0.02) ** 0.16, 300.0), 900.0)
        self.has_ring = scale >= 0.2
        self.corner = 2 if scale >= 0.5 else 1 if self.has_ring else 0
        self.frame = self._fitting_frame(scale)
        self.grids = grids
        self.community_most = int(min(max(22 * (scale / 0.02) ** 0.28, 6), 62))
        self.secondary_least = max(14, int(0.55 * self.community_most))
        self.lines: list[Line] = []
        self.cells: list[Cell] = []
        self.mesh_of_community: list[int] = []
        self.blocks = 0

    def cut(self) -> Plan:
        columns, rows = self._lattice(self.frame)
        meshes, strips = self._meshes(columns, rows)
        sides = self._lattice_lines(columns, rows, [*meshes, *strips])
        land = [self._rectangle(columns, rows, mesh) for mesh in meshes]
        water = [self._rectangle(columns, rows, strip) for strip in strips]
        areas = np.array([r.area for r in [*land, *water]], dtype=np.float64)
        counts = apportion(areas, self.grids, least=1)
        for number, (mesh, rectangle) in enumerate(zip(meshes, land, strict=True)):
            self._cut_mesh(rectangle, sides[mesh], int(counts[number]), number)
        for strip, rectangle, count in zip(strips, water, counts[len(land) :], strict=True):
            self._cut_strip(rectangle, sides[strip], int(count))
        return Plan(self.frame, self.lines, self.cells, self.mesh_of_community, land)

    # ------------------------------------------------------------ lattice

    def _lattice(self, frame: Frame) -> tuple[list[int], list[int]]:
        """Positions of the lattice lines in cm: columns (river bank, middle, bank among them) and rows."""
        bank = round(frame.bank_m * CM)
        west = self._spread(round(frame.west * CM), -bank)
        east = self._spread(bank, round(frame.east * CM))
        rows = self._spread(0, round(frame.north * CM))
        return [*west, 0, *east], rows

    def _spread(self, low: int, high: int) -> list[int]:
        """`low`, uneven cuts about `spacing_m` apart on whole 20 m, `high`."""
        parts = max(1, round((high - low) / CM / self.spacing_m))
        steps = 1 + self.rng.uniform(-0.16, 0.16, parts)
        cuts = low + np.cumsum(steps)[:-1] / steps.sum() * (high - low)
        return [low, *(round(float(c) / ROAD_STEP) * ROAD_STEP for c in cuts), high]

    def _fitting_frame(self, scale: float) -> Frame:
        """The frame in which the city has its area, though large ones leave out the rectangle's corners.

        How much the corners are depends on the lattice, and that on the frame: a few rounds, the best taken.
        """
        share = 1.0
        tried: list[tuple[float, int, Frame]] = []
        for _ in range(6):
            frame = frame_for(scale, share)
            kept = self._kept_share(frame)
            tried.append((abs(kept / share - 1.0), len(tried), frame))
            share = kept
        return min(tried)[2]

    def _kept_share(self, frame: Frame) -> float:
        """The part of the rectangle that stays, by the lattice that the cutting will draw next."""
        later, self.rng = self.rng, deepcopy(self.rng)
        columns, rows = self._lattice(frame)
        self.rng = later
        kept = sum(
            self._rectangle(columns, rows, m).area for part in self._meshes(columns, rows) for m in part
        )
        return kept / ((columns[-1] - columns[0]) * (rows[-1] - rows[0]))

    def _meshes(
        self, columns: list[int], rows: list[int]
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Column and row numbers of the land meshes and of the river's half strips."""
        middle = columns.index(0)
        meshes, strips = [], []
        for i in range(len(columns) - 1):
            for j in range(len(rows) - 1):
                if i in (middle - 1, middle):
                    strips.append((i, j))
                elif not self._is_corner(i, j, len(columns) - 1, len(rows) - 1):
                    meshes.append((i, j))
        return meshes, strips

    def _is_corner(self, i: int, j: int, columns: int, rows: int) -> bool:
        return min(i, columns - 1 - i) + min(j, rows - 1 - j) < self.corner

    def _rectangle(self, columns: list[int], rows: list[int], mesh: tuple[int, int]) -> Rectangle:
        i, j = mesh
        return Rectangle(columns[i], columns[i + 1], rows[j], rows[j + 1])

    def _lattice_lines(
        self, columns: list[int], rows: list[int], meshes: list[tuple[int, int]]
    ) -> dict[tuple[int, int], Sides]:
        """Make the lattice lines in unbroken runs; the sides of each mesh."""
        kept = set(meshes)
        verticals: dict[tuple[int, int], int] = {}
        for i, at in enumerate(columns):
            states = [self._state((i - 1, j) in kept, (i, j) in kept) for j in range(len(rows) - 1)]
            for j, number in self._runs(True, at, rows, states, self._column_kind(columns, i)):
                verticals[i, j] = number
        horizontals: dict[tuple[int, int], int] = {}
        for j, at in enumerate(rows):
            states = [self._state((i, j - 1) in kept, (i, j) in kept) for i in range(len(columns) - 1)]
            for i, number in self._runs(False, at, columns, states, self._row_kind(rows, j)):
                horizontals[i, j] = number
        return {
            (i, j): Sides(verticals[i, j], verticals[i + 1, j], horizontals[i, j], horizontals[i, j + 1])
            for i, j in meshes
        }

    @staticmethod
    def _state(before: bool, after: bool) -> str:
        return "inside" if before and after else "limit" if before or after else ""

    def _runs(
        self, is_vertical: bool, at: int, stops: list[int], states: list[str], kind: LineClass
    ) -> list[tuple[int, int]]:
        """One line per run of equal states; (lattice edge, line number) for each edge."""
        edges: list[tuple[int, int]] = []
        line: Line | None = None
        for k, state in enumerate(states):
            if not state:
                line = None
                continue
            wanted: LineClass = kind if state == "inside" else "limit"
            if line is None or line.kind != wanted:
                line = self._line(is_vertical, at, stops[k], stops[k + 1], wanted)
            line.high = stops[k + 1]
            line.stops.add(stops[k + 1])
            edges.append((k, line.number))
        return edges

    def _column_kind(self, columns: list[int], i: int) -> LineClass:
        middle = columns.index(0)
        if i == middle:
            return "river"
        if abs(i - middle) == 1:
            return "secondary"
        ring = self.has_ring and (i == 2 or i == len(columns) - 3)
        return "express" if ring else "trunk"

    def _row_kind(self, rows: list[int], j: int) -> LineClass:
        ring = self.has_ring and (j == 2 or j == len(rows) - 3)
        return "express" if ring else "trunk"

    def _line(self, is_vertical: bool, at: int, low: int, high: int, kind: LineClass) -> Line:
        line = Line(len(self.lines), is_vertical, at, low, high, kind, stops={low, high})
        self.lines.append(line)
        return line

    # ------------------------------------------------------------ meshes

    def _cut_mesh(self, rectangle: Rectangle, sides: Sides, count: int, mesh: int) -> None:
        """Cut a land mesh into communities, blocks and cells."""
        pieces: list[tuple[Rectangle, Sides, int, int | None, int | None]] = [
            (rectangle, sides, count, None, None)
        ]
        while pieces:
            rectangle, sides, count, community, block = pieces.pop()
            if community is None and count <= self.community_most:
                community = len(self.mesh_of_community)
                self.mesh_of_community.append(mesh)
            if block is None and count <= 4:
                block, self.blocks = self.blocks, self.blocks + 1
            if count == 1:
                assert community is not None
                assert block is not None
                self.cells.append(Cell(rectangle, sides, community, block, mesh, False))
                continue
            for half in self._halve(rectangle, sides, count):
                pieces.append((*half, community, block))

    def _halve(self, r: Rectangle, sides: Sides, count: int) -> list[tuple[Rectangle, Sides, int]]:
        """Cut one piece in two across its longer side."""
        kind = self._cut_kind(count)
        width, height = r.u1 - r.u0, r.v1 - r.v0
        is_vertical = width > height * self.rng.uniform(0.85, 1.18)
        low, high = (r.u0, r.u1) if is_vertical else (r.v0, r.v1)
        share = self._share(count)
        step = WALL_STEP if kind == "wall" else ROAD_STEP
        at = round((low + (high - low) * share) / step) * step
        across = [
            self.lines[n] for n in ((sides.bottom, sides.top) if is_vertical else (sides.left, sides.right))
        ]
        if kind != "wall":
            at = _snap(at, across)
        at = min(max(at, low + SIDE_MIN), high - SIDE_MIN)
        first = min(max(round(count * (at - low) / (high - low)), 1), count - 1)
        ends = (r.v0, r.v1) if is_vertical else (r.u0, r.u1)
        line = self._line(is_vertical, at, *ends, kind)
        for side in across:
            side.stops.add(at)
            if kind != "wall":
                side.road_stops.add(at)
        if is_vertical:
            return [
                (r._replace(u1=at), sides._replace(right=line.number), first),
                (r._replace(u0=at), sides._replace(left=line.number), count - first),
            ]
        return [
            (r._replace(v1=at), sides._replace(top=line.number), first),
            (r._replace(v0=at), sides._replace(bottom=line.number), count - first),
        ]

    def _cut_kind(self, count: int) -> LineClass:
        if count <= 4:
            return "wall"
        return "secondary" if count >= self.secondary_least else "branch"

    def _share(self, count: int) -> float:
        """Where to cut, as a part of the length: near the middle, and fair to whole cells."""
        first = min(max(round(count * float(self.rng.uniform(0.42, 0.58))), 1), count - 1)
        return first / count * float(self.rng.uniform(0.95, 1.05))

    # ------------------------------------------------------------ river

    def _cut_strip(self, r: Rectangle, sides: Sides, count: int) -> None:
        """Cut half the river with its bank: at every community border of the bank, then into cells."""
        bank = self.lines[sides.left if r.u0 != 0 else sides.right]
        borders = self._community_borders(bank, r)
        lengths = np.diff([b for b, _ in borders])
        counts = apportion(lengths.astype(np.float64), count, least=1)
        cuts: list[tuple[int, int]] = []
        for (low, community), (high, _), parts in zip(borders, borders[1:], counts, strict=False):
            for k in range(int(parts)):
                cuts.append((low + (high - low) * k // int(parts) // WALL_STEP * WALL_STEP, community))
        cuts.append((r.v1, -1))
        bottom = sides.bottom
        mesh_block, self.blocks = self.blocks, self.blocks + 1
        for (low, community), (high, _) in pairwise(cuts):
            top = sides.top
            if high != r.v1:
                top = self._line(False, high, r.u0, r.u1, "wall").number
                for side in (sides.left, sides.right):
                    self.lines[side].stops.add(high)
            rectangle = Rectangle(r.u0, r.u1, low, high)
            mesh = self.mesh_of_community[community]
            cell = Cell(
                rectangle, Sides(sides.left, sides.right, bottom, top), community, mesh_block, mesh, True
            )
            self.cells.append(cell)
            bottom = top

    def _community_borders(self, bank: Line, r: Rectangle) -> list[tuple[int, int]]:
        """(v, community above it) for the land along the bank line within `r`, and (r.v1, -1)."""
        west = r.u0 != 0
        borders: list[tuple[int, int]] = []
        land = [c for c in self.cells if not c.is_river and c.sides[1 if west else 0] == bank.number]
        for cell in sorted(land, key=lambda c: c.rectangle.v0):
            low = cell.rectangle.v0
            if r.v0 <= low < r.v1 and (not borders or borders[-1][1] != cell.community):
                borders.append((low, cell.community))
        if not borders or borders[0][0] != r.v0:
            raise AssertionError(f"river strip {r} has no land beside it")
        return [*borders, (r.v1, -1)]


def _snap(at: int, across: list[Line]) -> int:
    """`at`, or the nearest crossing within reach on the lines a road will end on: streets go on."""
    near = [stop for line in across for stop in line.road_stops if abs(stop - at) <= SNAP]
    return min(near, key=lambda stop: (abs(stop - at), stop), default=at)


def apportion(weights: np.ndarray[tuple[int], np.dtype[np.float64]], total: int, least: int = 0) -> Ints:
    """Whole numbers in proportion to `weights` that add up to `total` (more where `least` demands it)."""
    counts = np.full(len(weights), least, dtype=np.int64)
    rest = total - int(counts.sum())
    if rest <= 0 or weights.sum() <= 0:
        return counts
    wanted = np.maximum(weights / weights.sum() * total - least, 0.0)
    wanted *= rest / wanted.sum()
    extra = np.floor(wanted).astype(np.int64)
    missing = rest - int(extra.sum())
    order = np.argsort(-(wanted - extra), kind="stable")
    extra[order[:missing]] += 1
    return np.asarray(counts + extra)
