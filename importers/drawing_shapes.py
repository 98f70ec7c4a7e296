"""The shape of one entity of a drawing, flattened: arcs and curves become chords within a tolerance.

Coordinates are the drawing's own (world, x before y, its own unit); heights are handed on beside the shape.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import shapely
from ezdxf.entities.boundary_paths import ArcEdge, EdgePath, EllipseEdge, LineEdge, PolylinePath, SplineEdge
from ezdxf.entities.dxfgfx import DXFGraphic
from ezdxf.entities.lwpolyline import LWPolyline
from ezdxf.entities.polygon import DXFPolygon
from ezdxf.entities.polyline import Polyline
from ezdxf.lldxf.const import DXFError
from ezdxf.math import OCS, Vec2, Vec3, bulge_to_arc

CURVES = frozenset(("ARC", "CIRCLE", "ELLIPSE", "SPLINE", "HELIX"))
QUADS = frozenset(("SOLID", "TRACE", "3DFACE"))
FLAT = frozenset(("POINT", "LINE", "LWPOLYLINE", "POLYLINE", "HATCH", "MPOLYGON", *CURVES, *QUADS))
"""Entity types that have a shape on a map."""
MAX_VERTICES = 2_000_000
"""Vertices of one entity; a circle of 40,000 km kept to a centimetre has a million."""
FAULTS = (
    DXFError, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    RecursionError, struct.error,
)  # fmt: skip
"""What ezdxf raises for a drawing that is damaged: it trusts much of what a file says."""
_FINEST = 1e-9
"""Of its reach, how near a curve is followed at best: a centimetre in 10,000 km."""
_SAME = 1e-9
"""Ends of a curve nearer than this share of its size are one."""


class Shape(NamedTuple):
    """`elevation`: the height of all its vertices in the drawing's unit; None where they differ."""

    geometry: shapely.Geometry
    elevation: float | None


class Degenerate(Exception):
    """An entity that draws nothing: a line of no length, a polyline of one vertex, a coordinate of NaN."""


def shape_of(entity: DXFGraphic, tolerance: float) -> Shape:
    """The shape of an entity whose type is in `FLAT`; closed ones are polygons.

    `tolerance`: how far a chord may lie from its curve, in the drawing's unit. Raises `Degenerate`.
    """
    kind = entity.dxftype()
    if kind == "POINT":
        place = Vec3(entity.dxf.location)
        _check_finite([place])
        return Shape(shapely.Point(place.x, place.y), place.z)
    if kind == "LINE":
        return _path([Vec3(entity.dxf.start), Vec3(entity.dxf.end)], closed=False)
    if isinstance(entity, LWPolyline):
        return _lwpolyline(entity, tolerance)
    if isinstance(entity, Polyline):
        return _polyline(entity, tolerance)
    if isinstance(entity, DXFPolygon):
        return _hatch(entity, tolerance)
    if kind in QUADS:
        return _path(list(entity.wcs_vertices()), closed=True)  # type: ignore[attr-defined]
    return _curve(entity, tolerance)


def _path(places: Sequence[Vec3], *, closed: bool) -> Shape:
    """A line or polygon through `places`, repeated ones left out."""
    _check_finite(places)
    kept = [p for i, p in enumerate(places) if i == 0 or (p.x, p.y) != (places[i - 1].x, places[i - 1].y)]
    if closed and len(kept) > 1 and (kept[0].x, kept[0].y) == (kept[-1].x, kept[-1].y):
        kept.pop()
    if len(kept) < 2:
        raise Degenerate
    if len(kept) > MAX_VERTICES:
        raise Degenerate
    flat = [(p.x, p.y) for p in kept]
    high = {p.z for p in kept}
    elevation = kept[0].z if len(high) == 1 else None
    if closed and len(flat) > 2:
        ring = shapely.Polygon(flat)
        if ring.area > 0:
            return Shape(ring, elevation)
    return Shape(shapely.LineString([*flat, flat[0]] if closed and len(flat) > 2 else flat), elevation)


def _check_finite(places: Iterable[Vec3]) -> None:
    if not all(math.isfinite(p.x) and math.isfinite(p.y) and math.isfinite(p.z) for p in places):
        raise Degenerate


# ---------------------------------------------------------------- polylines


def _lwpolyline(entity: LWPolyline, tolerance: float) -> Shape:
    points = [(float(x), float(y), float(b)) for x, y, b in entity.get_points("xyb")]
    flat = _bulged(points, bool(entity.closed), tolerance)
    return _path(_in_world(flat, float(entity.dxf.elevation), entity.ocs()), closed=_is_closed(entity, flat))


def _polyline(entity: Polyline, tolerance: float) -> Shape:
    """2D and 3D polylines; meshes have no outline on a map."""
    if entity.is_2d_polyline:
        points = [
            (v.dxf.location.x, v.dxf.location.y, float(v.dxf.get("bulge", 0.0)))
            for v in entity.vertices
            if not v.dxf.flags & 16  # a spline's frame is not drawn
        ]
        flat = _bulged(points, entity.is_closed, tolerance)
        height = Vec3(entity.dxf.get("elevation", (0, 0, 0))).z
        return _path(_in_world(flat, height, entity.ocs()), closed=_is_closed(entity, flat))
    if entity.is_3d_polyline:
        places = [Vec3(v.dxf.location) for v in entity.vertices if not v.dxf.flags & 16]
        return _path(places, closed=entity.is_closed or _meets(places))
    raise Degenerate


def _is_closed(entity: LWPolyline | Polyline, flat: Sequence[Vec2]) -> bool:
    said = entity.closed if isinstance(entity, LWPolyline) else entity.is_closed
    return bool(said) or _meets(flat)


def _meets(places: Sequence[Vec2] | Sequence[Vec3]) -> bool:
    """True if a path of at least three places ends where it began."""
    return len(places) > 3 and (places[0].x, places[0].y) == (places[-1].x, places[-1].y)


def _bulged(points: Sequence[tuple[float, float, float]], closed: bool, tolerance: float) -> list[Vec2]:
    """The vertices with the chords of their arcs between; the first vertex comes again at a closed end."""
    if not any(bulge for _, _, bulge in points):
        return [Vec2(x, y) for x, y, _ in points]
    found: list[Vec2] = []
    ends = [*points, points[0]] if closed else points
    for (x, y, bulge), (end_x, end_y, _) in pairwise(ends):
        found.append(Vec2(x, y))
        if bulge and (x, y) != (end_x, end_y):
            found += _arc_between(Vec2(x, y), Vec2(end_x, end_y), bulge, tolerance)
    found.append(Vec2(ends[-1][0], ends[-1][1]))
    return found


def _arc_between(start: Vec2, end: Vec2, bulge: float, tolerance: float) -> list[Vec2]:
    """The inner vertices of an arc; a bulge is the tangent of a quarter of its angle, negative clockwise."""
    centre, _, _, radius = bulge_to_arc(start, end, bulge)
    if not math.isfinite(radius):
        return []
    angle = 4.0 * math.atan(bulge)
    steps = _chords(radius, abs(angle), tolerance)
    first = math.atan2(start.y - centre.y, start.x - centre.x)
    turned = (first + angle * step / steps for step in range(1, steps))
    return [Vec2(centre.x + radius * math.cos(a), centre.y + radius * math.sin(a)) for a in turned]


def _chords(radius: float, angle: float, tolerance: float) -> int:
    """Into how many chords an arc is cut so that none lies farther from it than `tolerance`."""
    half = math.acos(max(0.5, 1.0 - tolerance / radius)) if radius > 0 else 1.0
    return max(1, min(MAX_VERTICES, math.ceil(angle / (2.0 * half))))


def _in_world(flat: Iterable[Vec2], height: float, ocs: OCS) -> list[Vec3]:
    """Places in the world of a plane drawn in its own coordinate system (mirrored ones look down)."""
    places = [Vec3(p.x, p.y, height) for p in flat]
    return list(ocs.points_to_wcs(places)) if ocs.transform else places


# ---------------------------------------------------------------- curves and fills


def _curve(entity: DXFGraphic, tolerance: float) -> Shape:
    if entity.dxftype() in ("ARC", "CIRCLE"):
        radius = abs(float(entity.dxf.radius))
        if not radius > 0 or not math.isfinite(radius):
            raise Degenerate
        tolerance = max(min(tolerance, radius / 4), radius * 1e-10)
    elif entity.dxftype() == "ELLIPSE":
        tolerance = _within_reason(tolerance, [Vec3(), Vec3(entity.dxf.major_axis)])
    else:
        tolerance = _within_reason(tolerance, entity.construction_tool().control_points)  # type: ignore[attr-defined]
    places = [Vec3(p) for p in entity.flattening(tolerance)]  # type: ignore[attr-defined]
    _check_finite(places)
    if len(places) < 2:
        raise Degenerate
    size = max(abs(places[0].x), abs(places[0].y), 1.0)
    closed = len(places) > 3 and places[0].distance(places[-1]) <= _SAME * size
    if closed:
        places[-1] = places[0]
    return _path(places, closed=closed)


def _within_reason(tolerance: float, places: Sequence[Vec3]) -> float:
    """The tolerance, or what a curve that reaches around the earth and farther can keep to.

    A control point that is wrong by a power of ten would be flattened for ever. Raises `Degenerate` where one
    is no number.
    """
    _check_finite(places)
    reach = max((p.distance(places[0]) for p in places), default=0.0)
    return max(tolerance, reach * _FINEST)


def _hatch(entity: DXFPolygon, tolerance: float) -> Shape:
    """The area of a hatch: its outlines, those inside others cut out, as hatching alternates."""
    ocs = entity.ocs()
    height = Vec3(entity.dxf.elevation).z
    rings = []
    for boundary in entity.paths:
        flat = _outline(boundary, tolerance)
        places = _in_world(flat, height, ocs)
        _check_finite(places)
        distinct = {(p.x, p.y) for p in places}
        if len(distinct) >= 3:
            rings.append(shapely.LinearRing([(p.x, p.y) for p in places]))
    area = shapely.build_area(shapely.GeometryCollection(rings)) if rings else None
    if area is None or area.is_empty:
        raise Degenerate
    return Shape(area, height)


def _outline(boundary: object, tolerance: float) -> list[Vec2]:
    if isinstance(boundary, PolylinePath):
        points = [(float(x), float(y), float(bulge)) for x, y, bulge in boundary.vertices]
        return _bulged(points, True, tolerance) if points else []
    if not isinstance(boundary, EdgePath):
        return []
    found: list[Vec2] = []
    for places in _edges(boundary, tolerance):
        if found and found[-1].distance(places[-1]) < found[-1].distance(places[0]):
            places.reverse()  # arcs are kept counter-clockwise, whichever way the outline goes
        elif not found and len(boundary.edges) > 1 and not _leads_on(boundary, places):
            places.reverse()
        found += places if not found else places[1:]
    return found


def _leads_on(boundary: EdgePath, places: Sequence[Vec2]) -> bool:
    """True if the first edge, as it is kept, ends where the second one has one of its ends."""
    second = boundary.edges[1]
    ends = [Vec2(second.start_point), Vec2(second.end_point)]
    return bool(min(places[-1].distance(e) for e in ends) <= min(places[0].distance(e) for e in ends))


def _edges(boundary: EdgePath, tolerance: float) -> Iterator[list[Vec2]]:
    for edge in boundary.edges:
        if isinstance(edge, LineEdge):
            yield [Vec2(edge.start), Vec2(edge.end)]
        elif isinstance(edge, ArcEdge):
            sagitta = max(min(tolerance, edge.radius / 4), edge.radius * 1e-10)
            yield [Vec2(p) for p in edge.construction_tool().flattening(sagitta)]
        elif isinstance(edge, EllipseEdge):
            reach = _within_reason(tolerance, [Vec3(), Vec3(edge.major_axis)])
            yield [Vec2(p) for p in edge.construction_tool().flattening(reach)]
        elif isinstance(edge, SplineEdge):
            curve = edge.construction_tool()
            reach = _within_reason(tolerance, curve.control_points)
            yield [Vec2(p) for p in curve.flattening(reach)]
