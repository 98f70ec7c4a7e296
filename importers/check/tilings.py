"""Do grids tile their community, communities their street, streets their district? (TOP-01 … TOP-06)"""

from __future__ import annotations

import numpy as np
import shapely

from importers.check.buildings import CUT, cut_by
from importers.check.ledger import Said
from importers.check.model import Geometries, Positions, Rule
from importers.check.overlaps import Shapes, is_no_sliver, overlaps, say_overlaps
from importers.check.plane import roughly_m2
from importers.check.portion import Portion
from importers.check.repeats import Register
from importers.check.surroundings import Places
from importers.check.work import Work
from layers.model import Layer, Text

PARENT = {"unit_grid": "community", "community": "street", "street": "district"}
"""The layer whose areas are made of those of the layer."""
_TITLES = {
    "community": Text("社区", "community"),
    "street": Text("街道", "street"),
    "district": Text("区县", "district"),
}
_SOURCE = "GB/T 30428.1-2013"


def _tiles(layer: Layer) -> bool:
    """Areas that tile something; those of a layer of one's own where somebody says so (`topology`)."""
    return layer.id in (*PARENT, "district") or (not layer.known and layer.geometry_type == "MultiPolygon")


def _has_parent(layer: Layer) -> bool:
    return layer.id in PARENT


def _is_grid(layer: Layer) -> bool:
    return layer.id == "unit_grid"


OVERLAP = Rule(
    "TOP-01",
    "error",
    "consistency",
    Text("相邻面重叠", "areas overlap"),
    _SOURCE,
    _tiles,
    mend="tile",
    topology="overlaps",
)
GAP = Rule(
    "TOP-02",
    "error",
    "consistency",
    Text("存在缝隙", "gap between areas"),
    _SOURCE,
    _tiles,
    mend="tile",
    topology="gaps",
)
BEYOND = Rule(
    "TOP-03",
    "error",
    "consistency",
    Text("超出上级区域", "beyond the area it belongs to"),
    _SOURCE,
    _has_parent,
    topology="nesting",
)
PREFIX = Rule(
    "TOP-04",
    "error",
    "consistency",
    Text("编码前缀与所在区域不符", "code begins with another area's"),
    _SOURCE,
    _has_parent,
    topology="nesting",
)
SEQUENCE = Rule(
    "TOP-05",
    "error",
    "accuracy",
    Text("社区内顺序码重复", "sequence repeated in a community"),
    _SOURCE,
    _is_grid,
    topology="nesting",
)
SIZE = Rule(
    "TOP-06", "warning", "normativity", Text("网格面积异常", "unusual area of a grid"), _SOURCE, _is_grid
)
RULES = (OVERLAP, GAP, BEYOND, PREFIX, SEQUENCE, SIZE)


def check_size(portion: Portion, work: Work) -> None:
    """Unit grids are about 10,000 m²."""
    if not work.ledger.asks(SIZE):
        return
    low, high = work.options.grid_area_m2
    areas = portion.areas_m2
    work.ledger.checked(SIZE, int(portion.valid.sum()))
    work.ledger.found(
        SIZE,
        portion,
        portion.valid & ((areas < low) | (areas > high)),
        lambda p: Said(
            f"面积 {areas[p]:,.0f} m²，宜在 {low:,.0f} 至 {high:,.0f} m² 之间",
            f"the area is {areas[p]:,.0f} m², usual is {low:,.0f} to {high:,.0f} m²",
            f"{areas[p]:.0f}",
        ),
    )


class Tiling:
    """Overlaps, gaps, nesting and sequence of areas that tile their parents."""

    def __init__(self, work: Work, register: Register) -> None:
        self._work = work
        self._register = register
        self._shapes = Shapes()
        self._parents = self._known_parents()
        self._within: list[Positions] = []

    @staticmethod
    def asked(work: Work) -> bool:
        return work.ledger.asks(*RULES, CUT) and _tiles(work.layer)

    def _known_parents(self) -> Places | None:
        parent = PARENT.get(self._work.layer.id, "")
        found = self._work.surroundings.get(parent)
        if found is None and parent:
            why = Text(f"未检查：缺少图层 {parent}", f"not asked: there is no layer {parent}")
            for rule in (BEYOND, PREFIX):
                self._work.ledger.skip(rule, why)
        return found

    def feed(self, portion: Portion) -> None:
        self._shapes.feed(portion)
        if self._parents is None:
            self._within.append(np.full(len(portion), -1, dtype=np.intp))
            return
        within = self._parents.locate(portion.insides)
        self._within.append(within)
        self._check_nesting(portion, within, self._parents)
        self._check_prefix(portion, within, self._parents)

    def _check_nesting(self, portion: Portion, within: Positions, parents: Places) -> None:
        ledger, title = self._work.ledger, _TITLES[PARENT[self._work.layer.id]]
        if not ledger.asks(BEYOND):
            return
        ledger.checked(BEYOND, int(portion.valid.sum()))
        outside = np.full(len(portion), None, dtype=object)
        inside = np.flatnonzero(within >= 0)
        shapely.prepare(parents.geometry)
        loose = inside[~shapely.covers(parents.geometry[within[inside]], portion.geometry[inside])]
        rest = shapely.difference(portion.geometry[loose], parents.geometry[within[loose]])
        outside[loose] = rest
        wrong = is_no_sliver(outside, self._work.options)
        wrong[portion.valid & (within < 0)] = True

        def said(position: int) -> Said:
            if within[position] < 0:
                return Said(f"不在任何{title.zh}内", f"it lies in no {title.en}")
            code = parents.codes[within[position]]
            area = float(roughly_m2(outside[position : position + 1])[0])
            return Said(
                f"超出所在{title.zh} {code} 共 {area:.2f} m²",
                f"{area:.2f} m² of it lie outside its {title.en} {code}",
                f"{area:.3f}",
                geometry=outside[position],
            )

        ledger.found(BEYOND, portion, wrong, said)

    def _check_prefix(self, portion: Portion, within: Positions, parents: Places) -> None:
        ledger, title = self._work.ledger, _TITLES[PARENT[self._work.layer.id]]
        key = self._work.layer.key
        if key is None or not ledger.asks(PREFIX):
            return
        codes = portion.texts(key).all
        asked = np.flatnonzero((within >= 0) & portion.texts(key).given)
        ledger.checked(PREFIX, len(asked))
        wrong = [p for p in asked.tolist() if not codes[p].startswith(parents.codes[within[p]])]
        ledger.found(
            PREFIX,
            portion,
            np.array(wrong, dtype=np.intp),
            lambda p: Said(
                f"编码 {codes[p]} 不以所在{title.zh} {parents.codes[within[p]]} 开头",
                f"its code {codes[p]} does not begin with that of its {title.en}, {parents.codes[within[p]]}",
                codes[p],
                key,
            ),
        )

    def finish(self) -> None:
        work, shapes = self._work, self._shapes
        work.ledger.checked(OVERLAP, len(shapes))
        standing = work.surroundings.get(work.layer.id)
        self._say_sequence()
        if work.options.partial and standing is not None:
            shapes.add_standing(standing, self._register.keys)
        found = overlaps(shapes, work.options)
        say_overlaps(
            work.ledger, OVERLAP, self._register, shapes, found, np.ones(len(found.first), dtype=bool)
        )
        if len(shapes) and work.ledger.asks(GAP, CUT):
            tiles = shapes.take(np.arange(len(shapes)))
            self._say_gaps(tiles)
            self._say_cuts(tiles)

    # ------------------------------------------------------------ gaps

    def _say_gaps(self, tiles: Geometries) -> None:
        ledger = self._work.ledger
        if not ledger.asks(GAP):
            return
        if self._parents is not None:
            gaps, owners = self._gaps_in_parents(tiles, self._parents)
        else:
            gaps = _holes(tiles)
            owners = [""] * len(gaps)
            ledger.checked(GAP, len(tiles))
        real = np.flatnonzero(is_no_sliver(gaps, self._work.options))
        areas = roughly_m2(gaps)

        def said(number: int) -> Said:
            position = int(real[number])
            owner, area = owners[position], areas[position]
            zh, en = (f"{owner} 内", f" in {owner}") if owner else ("", "")
            return Said(
                f"{zh}存在缝隙 {area:.2f} m²",
                f"a gap of {area:.2f} m²{en}",
                f"{area:.3f}",
                geometry=gaps[position],
            )

        ledger.found_loose(GAP, len(real), said)

    def _gaps_in_parents(self, tiles: Geometries, parents: Places) -> tuple[Geometries, list[str]]:
        """What parents have that no tile covers; only of parents that got a tile in this delivery."""
        within = np.concatenate([np.empty(0, np.intp), *self._within])
        asked = np.unique(within[within >= 0])
        self._work.ledger.checked(GAP, len(asked))
        tree = shapely.STRtree(tiles)
        gaps: list[shapely.Geometry] = []
        owners: list[str] = []
        for parent in asked.tolist():
            shape = parents.geometry[parent]
            near = np.sort(tree.query(shape, predicate="intersects"))
            rest = shapely.difference(shape, shapely.union_all(tiles[near]))
            parts = shapely.get_parts(rest)
            gaps += parts.tolist()
            owners += [str(parents.codes[parent])] * len(parts)
        found = np.empty(len(gaps), dtype=object)
        found[:] = gaps
        return found, owners

    # ------------------------------------------------------------ sequence, buildings

    def _say_sequence(self) -> None:
        """The same last three characters twice in one community, under different codes."""
        ledger, register = self._work.ledger, self._register
        if not ledger.asks(SEQUENCE):
            return
        within = np.concatenate([np.empty(0, np.intp), *self._within])
        codes = register.keys.to_pylist()
        homes = [None if self._parents is None or w < 0 else str(self._parents.codes[w]) for w in within]
        seen: dict[tuple[str, str], list[int]] = {}
        for position, (code, home) in enumerate(zip(codes, homes, strict=True)):
            if code is not None and len(code) == 15:
                seen.setdefault((home or code[:12], code[12:]), []).append(position)
        ledger.checked(SEQUENCE, sum(map(len, seen.values())))
        twice = {
            position: (home, sequence, [p for p in group if codes[p] != codes[position]])
            for (home, sequence), group in seen.items()
            if len({codes[p] for p in group}) > 1
            for position in group
        }

        def said(position: int) -> Said:
            home, sequence, others = twice[position]
            named = ", ".join(f"{codes[p]}" for p in others[:5])
            return Said(
                f"社区 {home} 内顺序码 {sequence} 重复：另见 {named}",
                f"sequence {sequence} occurs again in community {home}: {named}",
                sequence,
                self._work.layer.key,
            )

        ledger.found(SEQUENCE, register, np.array(sorted(twice), dtype=np.intp), said)

    def _say_cuts(self, tiles: Geometries) -> None:
        """Published buildings that these grids cut; said of the grid with the smaller piece."""
        ledger, buildings = self._work.ledger, self._work.surroundings.get("building")
        if not ledger.asks(CUT):
            return
        if buildings is None:
            ledger.skip(CUT, Text("未检查：缺少图层 building", "not asked: there is no layer building"))
            return
        ledger.checked(CUT, len(tiles))
        tree = shapely.STRtree(tiles)
        building, tile, area = cut_by(buildings.geometry, tiles, tree, self._work.options.cut_m2)
        by_size = np.lexsort((area, building))
        smallest = by_size[np.flatnonzero(np.diff(building[by_size], prepend=-1))]
        owners = self._shapes.owners[tile[smallest]]
        smallest = smallest[np.argsort(owners, kind="stable")]
        smallest = smallest[self._shapes.owners[tile[smallest]] >= 0]

        def said(ordinal: int) -> Said:
            piece = smallest[ordinal]
            code = buildings.codes[building[piece]]
            return Said(
                f"界线切割房屋 {code}，本网格内 {area[piece]:.1f} m²",
                f"its border cuts the building {code}, {area[piece]:.1f} m² lie in this grid",
                code,
                geometry=buildings.geometry[building[piece]],
            )

        ledger.found_each(CUT, self._register, self._shapes.owners[tile[smallest]], said)


def _holes(tiles: Geometries) -> Geometries:
    """The holes in the union of all tiles: gaps that are gaps whatever the parent's shape."""
    parts = shapely.get_parts(shapely.union_all(tiles))
    polygons = parts[shapely.get_dimensions(parts) == 2]
    inner = [hole for polygon in polygons for hole in shapely.get_rings(polygon)[1:]]
    return np.asarray(shapely.polygons(inner), dtype=object) if inner else np.empty(0, dtype=object)
