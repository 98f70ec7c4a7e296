"""Is there a shape, of the right kind, valid, with sane corners, in the city? (GEO-01 … GEO-17)

Batch by batch; duplicates (GEO-08) need the whole layer and are in `importers.check.repeats`.
"""

from __future__ import annotations

import re

import numpy as np
import shapely

from gis.shapes import FAULTS, to_multi
from importers.check.ledger import Said
from importers.check.model import Floats, Mask, Positions, Rule
from importers.check.plane import only, scale
from importers.check.portion import Portion
from importers.check.work import Work
from layers.model import BoundingBox, Layer, Text

_SFA = "GB/T 33187.1-2016 (ISO 19125-1)"


def _lines_or_areas(layer: Layer) -> bool:
    return layer.geometry_type != "Point"


def _areas(layer: Layer) -> bool:
    return layer.geometry_type == "MultiPolygon"


def _lines(layer: Layer) -> bool:
    return layer.geometry_type == "MultiLineString"


def _of_the_city(layer: Layer) -> bool:
    """A stranger's layer may be of anywhere, and districts say where the city is."""
    return layer.known and layer.id != "district"


MISSING = Rule("GEO-01", "error", "completeness", Text("没有几何", "no geometry"))
EMPTY = Rule("GEO-02", "error", "completeness", Text("几何为空", "empty geometry"), _SFA)
NOT_FINITE = Rule("GEO-03", "error", "accuracy", Text("坐标不是有限数", "coordinates not finite"), _SFA)
WRONG_TYPE = Rule("GEO-04", "error", "normativity", Text("几何类型不符", "wrong geometry type"))
INVALID = Rule("GEO-05", "error", "accuracy", Text("几何无效", "invalid geometry"), _SFA, mend="valid")
OFF_EARTH = Rule("GEO-06", "error", "accuracy", Text("超出经纬度范围", "no longitude and latitude"))
OUTSIDE = Rule("GEO-07", "warning", "accuracy", Text("超出城市范围", "outside the city"))
REPEATED = Rule(
    "GEO-09",
    "warning",
    "accuracy",
    Text("节点重复", "repeated vertices"),
    applies=_lines_or_areas,
    mend="vertices",
)
SPIKE = Rule("GEO-10", "warning", "accuracy", Text("尖刺", "spike"), applies=_lines_or_areas)
TINY = Rule("GEO-11", "warning", "accuracy", Text("碎面", "tiny area"), applies=_areas)
SHORT = Rule("GEO-12", "warning", "accuracy", Text("短线", "tiny length"), "CJJ 61-2017", applies=_lines)
HEAVY = Rule(
    "GEO-13", "warning", "normativity", Text("节点过多", "too many vertices"), applies=_lines_or_areas
)
REPAIRED = Rule("GEO-14", "info", "accuracy", Text("无效几何已修复", "invalid geometry made valid"), _SFA)
BEYOND = Rule(
    "GEO-15", "error", "accuracy", Text("超出坐标系的范围", "beyond what the reference system covers")
)
ZERO = Rule("GEO-16", "error", "completeness", Text("坐标为 (0, 0)", "the coordinates are (0, 0)"))
FAR = Rule("GEO-17", "error", "accuracy", Text("远在本市以外", "far outside the city"), applies=_of_the_city)
RULES = (
    *(MISSING, EMPTY, NOT_FINITE, WRONG_TYPE, INVALID, OFF_EARTH, OUTSIDE),
    *(REPEATED, SPIKE, TINY, SHORT, HEAVY, REPAIRED, BEYOND, ZERO, FAR),
)

_BEYOND_SAID = Said(
    "坐标超出文件坐标系的适用范围", "the coordinates are beyond what the file's reference system covers"
)
_MEMBERS = {
    "Point": (shapely.GeometryType.POINT,),
    "MultiLineString": (shapely.GeometryType.LINESTRING, shapely.GeometryType.MULTILINESTRING),
    "MultiPolygon": (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON),
    "Geometry": tuple(shapely.GeometryType),
}
_KINDS = {"Point": "点", "MultiLineString": "线", "MultiPolygon": "面", "Geometry": "几何"}
_REASON = re.compile(r"^(?P<fault>[^\[]*?)\s*(\[(?P<x>\S+) (?P<y>[^\s\]]+).*\])?$")


def check_presence(portion: Portion, work: Work) -> None:
    """A shape, with coordinates that are numbers, of the layer's type."""
    ledger = work.ledger
    for rule in (MISSING, EMPTY, NOT_FINITE, WRONG_TYPE):
        ledger.checked(rule, len(portion))
    beyond = portion.rows.beyond
    missing = portion.missing if beyond is None else portion.missing & ~beyond
    ledger.found(MISSING, portion, missing, lambda _: Said("没有几何", "there is no geometry"))
    ledger.checked(BEYOND, len(portion))
    if beyond is not None:
        ledger.found(BEYOND, portion, beyond, lambda _: _BEYOND_SAID)
    ledger.found(EMPTY, portion, portion.empty, lambda _: Said("几何为空", "the geometry is empty"))
    wrong = ~(portion.placed | portion.missing | portion.empty)
    ledger.found(
        NOT_FINITE,
        portion,
        wrong,
        lambda _: Said(
            "坐标含非数字（NaN）或无穷大", "a coordinate is not a number (NaN) or infinite", "NaN/Infinity"
        ),
    )
    wanted = work.layer.geometry_type

    def of_another(position: int) -> Said:
        found = portion.geometry[position].geom_type
        return Said(
            f"几何类型为 {found}，图层要求{_KINDS[wanted]}（{wanted}）",
            f"the geometry is a {found}, the layer holds {wanted}",
            found,
        )

    ledger.found(WRONG_TYPE, portion, _of_wrong_type(portion), of_another)


def _of_wrong_type(portion: Portion) -> Mask:
    wanted = portion.layer.geometry_type
    members = [int(kind) for kind in _MEMBERS[wanted]]
    odd = ~np.isin(shapely.get_type_id(portion.geometry), members) & ~portion.missing & ~portion.empty
    positions = np.flatnonzero(odd)
    # a collection of one point, or of polygons only, is stored without loss
    odd[positions] = shapely.is_missing(to_multi(portion.geometry[positions], wanted))
    return odd


def check_validity(portion: Portion, work: Work) -> None:
    """Valid in the sense of simple features, with the reason and the place."""
    work.ledger.checked(INVALID, int(portion.placed.sum()))
    work.ledger.found(
        INVALID,
        portion,
        portion.placed & ~portion.valid,
        lambda position: _fault(portion.geometry[position], "几何无效：", "invalid geometry: "),
    )


def tell_repaired(portion: Portion, work: Work) -> None:
    """All rows of `portion`, as they were, are told to have been made valid."""
    work.ledger.checked(REPAIRED, len(portion))
    work.ledger.found(
        REPAIRED,
        portion,
        np.ones(len(portion), dtype=bool),
        lambda position: _fault(portion.geometry[position], "已修复：", "made valid: "),
    )


def _fault(shape: shapely.Geometry, zh: str, en: str) -> Said:
    """Why `shape` is not valid, and where."""
    said = str(shapely.is_valid_reason(shape))
    match = _REASON.match(said)
    fault = match["fault"] if match else said
    place = shapely.Point(float(match["x"]), float(match["y"])) if match and match["x"] else None
    at = f" ({place.x:.7f}, {place.y:.7f})" if place is not None else ""
    return Said(f"{zh}{FAULTS.get(fault, fault)}{at}", f"{en}{fault.lower()}{at}", fault, geometry=place)


def check_whereabouts(portion: Portion, work: Work) -> None:
    """On the earth, and in the city (its box, widened by a margin)."""
    ledger = work.ledger
    bounds = shapely.bounds(only(portion.geometry, portion.placed))
    ledger.checked(OFF_EARTH, int(portion.placed.sum()))
    with np.errstate(invalid="ignore"):
        beyond = _any_beyond(bounds[:, [0, 2]], 180) | _any_beyond(bounds[:, [1, 3]], 89.99)

    def shown(position: int) -> str:
        west, south, east, north = bounds[position]
        return f"{west:.6f}, {south:.6f}, {east:.6f}, {north:.6f}"

    ledger.found(
        OFF_EARTH,
        portion,
        beyond,
        lambda p: Said(
            f"坐标超出经纬度范围：{shown(p)}",
            f"the coordinates are no longitude and latitude: {shown(p)}",
            shown(p),
        ),
    )
    ledger.checked(ZERO, int(portion.placed.sum()))
    zero: Mask = np.asarray((bounds == 0).all(axis=1), dtype=bool)
    ledger.found(
        ZERO,
        portion,
        zero,
        lambda _: Said("坐标为 (0, 0)，多为未填", "the coordinates are (0, 0): not filled in", "0, 0"),
    )
    if work.city is not None:
        _tell_outside(portion, work, work.city, bounds, beyond | zero)


def _tell_outside(portion: Portion, work: Work, city: BoundingBox, bounds: Floats, told: Mask) -> None:
    """Rows that reach out of the city, and those that lie far from it; but for those `told` of already."""
    ledger, margin = work.ledger, work.options.far
    west, south, east, north = _widened(city, work.options.bounds_margin_m)
    with np.errstate(invalid="ignore"):
        out: Mask = (
            (bounds[:, 0] < west) | (bounds[:, 1] < south) | (bounds[:, 2] > east) | (bounds[:, 3] > north)
        )
        far: Mask = (
            (bounds[:, 0] > city.east + margin)
            | (bounds[:, 2] < city.west - margin)
            | (bounds[:, 1] > city.north + margin)
            | (bounds[:, 3] < city.south - margin)
        )
    within = f"{city.west:.4f}, {city.south:.4f}, {city.east:.4f}, {city.north:.4f}"

    def said(position: int) -> Said:
        shown = ", ".join(f"{value:.6f}" for value in bounds[position])
        return Said(
            f"不在城市范围内：{shown}（城市 {within}）",
            f"outside the city: {shown} (the city is {within})",
            shown,
        )

    far &= ~told if ledger.asks(FAR) else np.zeros(len(portion), dtype=bool)
    for rule, rows in ((OUTSIDE, out & ~told & ~far), (FAR, far)):
        ledger.checked(rule, int(portion.placed.sum()))
        ledger.found(rule, portion, rows, said)


def _any_beyond(values: Floats, limit: float) -> Mask:
    return np.asarray((np.abs(values) > limit).any(axis=1), dtype=bool)


def _widened(box: BoundingBox, margin_m: float) -> BoundingBox:
    east_m, north_m = scale((box.south + box.north) / 2)
    across, up = margin_m / float(east_m), margin_m / float(north_m)
    return BoundingBox(box.west - across, box.south - up, box.east + across, box.north + up)


def check_vertices(portion: Portion, work: Work) -> None:
    """No vertex twice, no spikes, not too many."""
    if not work.ledger.asks(REPEATED, SPIKE, HEAVY):
        return
    ledger, options, vertices = work.ledger, work.options, portion.vertices
    for rule in (REPEATED, SPIKE, HEAVY):
        ledger.checked(rule, int(portion.placed.sum()))
    counts = np.bincount(vertices.row, minlength=len(portion))
    ledger.found(
        HEAVY,
        portion,
        counts > options.most_vertices,
        lambda p: Said(f"有 {counts[p]:,} 个节点", f"it has {counts[p]:,} vertices", int(counts[p])),
    )
    starts = np.flatnonzero(vertices.line[1:] == vertices.line[:-1])
    with np.errstate(invalid="ignore"):
        apart = np.abs(vertices.xy[starts] - vertices.xy[starts + 1]).max(axis=1, initial=0)
    _tell_places(
        portion,
        work,
        REPEATED,
        starts[apart <= options.repeated_degrees],
        "相邻节点重复",
        "vertices drawn twice",
    )
    if ledger.asks(SPIKE):
        sharp = _spikes(portion, options.spike_degrees, options.spike_m, options.repeated_degrees)
        _tell_places(portion, work, SPIKE, sharp, "尖刺", "spikes")


def _tell_places(portion: Portion, work: Work, rule: Rule, found: Positions, zh: str, en: str) -> None:
    """One finding per row for the vertices `found`, at the first of them."""
    rows, first, times = np.unique(portion.vertices.row[found], return_index=True, return_counts=True)
    row_is_placed = portion.placed[rows]
    rows, first, times = rows[row_is_placed], first[row_is_placed], times[row_is_placed]
    at = dict(zip(rows.tolist(), zip(found[first].tolist(), times.tolist(), strict=True), strict=True))

    def said(position: int) -> Said:
        vertex, count = at[position]
        x, y = portion.vertices.xy[vertex]
        return Said(
            f"{zh} {count} 处，首处在 ({x:.7f}, {y:.7f})",
            f"{count} {en}, the first at ({x:.7f}, {y:.7f})",
            count,
            geometry=shapely.Point(x, y),
        )

    work.ledger.found(rule, portion, rows, said)


def _spikes(portion: Portion, degrees: float, least_m: float, same_degrees: float) -> Positions:
    """Positions of vertices at which a line or ring turns back, sharper than `degrees`."""
    vertices = portion.vertices
    keep = np.ones(len(vertices.xy), dtype=bool)
    joined = vertices.line[1:] == vertices.line[:-1]
    with np.errstate(invalid="ignore"):
        keep[1:] = ~(joined & (np.abs(np.diff(vertices.xy, axis=0)).max(axis=1, initial=0) <= same_degrees))
    original = np.flatnonzero(keep)
    xy, line = vertices.xy[original], vertices.line[original]
    if len(xy) < 3:
        return np.empty(0, dtype=np.intp)
    middle = np.flatnonzero((line[2:] == line[1:-1]) & (line[1:-1] == line[:-2])) + 1
    before, after = middle - 1, middle + 1
    # a ring's first vertex stands between the last but one and the second
    first = np.flatnonzero(np.diff(line, prepend=-1) != 0)
    last = np.append(first[1:], len(line)) - 1
    turning = vertices.closed[line[first]] & (last - first >= 3)
    middle = np.concatenate([middle, first[turning]])
    before = np.concatenate([before, last[turning] - 1])
    after = np.concatenate([after, first[turning] + 1])
    sharp = _sharp(xy[before], xy[middle], xy[after], degrees, least_m)
    return np.sort(original[middle[sharp]])


def _sharp(before: Floats, at: Floats, after: Floats, degrees: float, least_m: float) -> Mask:
    with np.errstate(invalid="ignore", over="ignore"):
        east_m, north_m = scale(at[:, 1])
        ax, ay = (before[:, 0] - at[:, 0]) * east_m, (before[:, 1] - at[:, 1]) * north_m
        bx, by = (after[:, 0] - at[:, 0]) * east_m, (after[:, 1] - at[:, 1]) * north_m
        la, lb = np.hypot(ax, ay), np.hypot(bx, by)
        return np.asarray(
            (ax * bx + ay * by > np.cos(np.radians(degrees)) * la * lb) & (la > least_m) & (lb > least_m)
        )


def check_sizes(portion: Portion, work: Work) -> None:
    """Areas and lengths that are too small to be anything."""
    ledger, options = work.ledger, work.options
    if ledger.asks(TINY):
        flat = portion.areal
        ledger.checked(TINY, int(flat.sum()))
        areas = portion.areas_m2
        ledger.found(
            TINY,
            portion,
            flat & (areas < options.min_area_m2),
            lambda p: Said(
                f"面积仅 {areas[p]:.3f} m²，小于 {options.min_area_m2:g} m²",
                f"the area is {areas[p]:.3f} m², below {options.min_area_m2:g} m²",
                f"{areas[p]:.3f}",
            ),
        )
    if ledger.asks(SHORT):
        thin = portion.placed & (shapely.get_dimensions(portion.geometry) == 1)
        ledger.checked(SHORT, int(thin.sum()))
        lengths = portion.lengths_m
        ledger.found(
            SHORT,
            portion,
            thin & (lengths < options.min_length_m),
            lambda p: Said(
                f"长度仅 {lengths[p]:.3f} m，小于 {options.min_length_m:g} m",
                f"the length is {lengths[p]:.3f} m, below {options.min_length_m:g} m",
                f"{lengths[p]:.3f}",
            ),
        )
