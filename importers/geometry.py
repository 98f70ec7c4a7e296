"""Geometries of a chunk made what the layer stores: EPSG:4490, flat, valid, of its type, on the earth.

Decided for the whole chunk at once; each row that cannot be stored is refused by the first rule it breaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.crs import CGCS2000, CRS, Frame, reproject, reproject_points, to_cgcs2000
from gis.plain_wkb import PlainShapes
from gis.shapes import drop_z, mend, to_multi
from importers.masks import Mask
from importers.source import Chunk, Geometries, Plain
from layers.model import BoundingBox, GeometryType

SHIFTED: tuple[Frame, ...] = ("gcj02", "bd09")
MAX_LATITUDE = 89.99
"""The poles have no place in Web Mercator, in which tiles are drawn."""
_TYPE_IDS: dict[GeometryType, tuple[int, int]] = {
    "Point": (int(shapely.GeometryType.POINT), int(shapely.GeometryType.POINT)),
    "MultiLineString": (int(shapely.GeometryType.LINESTRING), int(shapely.GeometryType.MULTILINESTRING)),
    "MultiPolygon": (int(shapely.GeometryType.POLYGON), int(shapely.GeometryType.MULTIPOLYGON)),
}
"""The single type and the type stored, of each layer type that is not mixed."""


@dataclass(frozen=True)
class Target:
    """What geometries are to become, and from what.

    `frame`: coordinates shifted as on web maps, put right after reprojection. `city`: rows wholly outside
    this box are refused as lying elsewhere; None for no such check.
    """

    crs: CRS
    geometry_type: GeometryType
    frame: Frame | None = None
    city: BoundingBox | None = None


class Prepared(NamedTuple):
    """`shapes`: geometries as the layer stores them, None where refused. `refused`: masks by rule, none of
    which overlap. `mended`: rows by rule, with the reason.
    """

    shapes: Geometries
    refused: dict[str, Mask]
    mended: list[tuple[str, str | None, Mask]]


def prepare(shapes: Geometries, target: Target) -> Prepared:
    """`shapes` in `target.crs` (easting first) as `target` wants them; n in, n out."""
    state = arrive(shapes, target)
    fit(state, target)
    return Prepared(state.shapes, state.refused, state.mended)


def arrive(shapes: Geometries, target: Target, plain: Plain | None = None) -> Arriving:
    """`shapes` at their place on earth, flat; not yet of the layer's type, nor valid.

    Where `plain` has a row's shape, that is taken, and made of the layer's type on the way.
    """
    state = Arriving(shapes)
    state.refuse("geometry.missing", shapely.is_missing(shapes) & ~_of(plain, shapes))
    state.refuse("geometry.not_finite", ~_is_finite(shapes))
    state.refuse("geometry.empty", shapely.is_empty(shapes))
    high = shapely.has_z(shapes) | shapely.has_m(shapes)
    if high.any():
        state.shapes = drop_z(state.shapes)
        state.mend("geometry.height", None, high)
    _move(state, target, plain)
    return state


def arrive_chunk(chunk: Chunk, target: Target) -> Arriving:
    """As `arrive`, of all rows of a chunk with shapes."""
    if chunk.plain is None or chunk.shapes is None or target.frame in SHIFTED:
        assert chunk.geometry is not None
        return arrive(chunk.geometry, target)
    return arrive(chunk.shapes, target, chunk.plain)


def fit(state: Arriving, target: Target, *, makes_valid: bool = True) -> None:
    """What arrived, of the layer's type and valid; without `makes_valid` invalid shapes stay as they are."""
    _fit_type(state, target.geometry_type)
    if makes_valid:
        _make_valid(state, target.geometry_type)
    if target.city is not None:
        state.refuse("geometry.elsewhere", _is_outside(state.shapes, target.city))


class Arriving:
    """Geometries on their way, with what was refused and mended so far.

    `shapes`: None where refused; `told`: the same, but a refused one as it was when it was refused (none
    where the reference system does not reach).
    """

    def __init__(self, shapes: Geometries) -> None:
        self.shapes = shapes.copy()
        self.refused: dict[str, Mask] = {}
        self.mended: list[tuple[str, str | None, Mask]] = []
        self.broken: dict[int, shapely.Geometry] = {}
        """Shapes made valid, as they were, by position."""
        self.made: tuple[Geometries, Geometries] | None = None
        """Shapes as they were made of arrays, and their bytes; None where a row's was not."""
        self.gone = np.zeros(len(shapes), dtype=bool)
        self._left = np.full(len(shapes), None, dtype=object)

    @property
    def told(self) -> Geometries:
        return np.where(self.gone, self._left, self.shapes) if self.gone.any() else self.shapes

    def refuse(self, rule: str, rows: Mask) -> None:
        """Refuses those of `rows` that still stand."""
        new = rows & ~self.gone
        if new.any():
            self.refused[rule] = self.refused.get(rule, np.zeros(len(new), dtype=bool)) | new
            self.gone |= new
            self._left[new] = self.shapes[new]
            self.shapes[new] = None

    def mend(self, rule: str, reason: str | None, rows: Mask) -> None:
        kept = rows & ~self.gone
        if kept.any():
            self.mended.append((rule, reason, kept))


def _of(plain: Plain | None, shapes: Geometries) -> Mask:
    """The rows whose shapes are in `plain`."""
    return np.zeros(len(shapes), dtype=bool) if plain is None else plain.rows


def _move(state: Arriving, target: Target, plain: Plain | None) -> None:
    """To CGCS2000 longitude and latitude; what cannot get there is refused."""
    if plain is not None:
        _move_plain(state, target, plain)
    if target.crs != CGCS2000:
        others = ~_of(plain, state.shapes)
        if others.any():
            state.shapes[others] = reproject(state.shapes[others], target.crs)
        state.refuse("geometry.beyond_crs", shapely.is_missing(state.shapes))
    frame = target.frame
    if frame is not None and frame in SHIFTED:
        state.shapes = np.asarray(
            shapely.transform(state.shapes, lambda c: np.column_stack(to_cgcs2000(c[:, 0], c[:, 1], frame))),
            dtype=object,
        )
    west, south, east, north = shapely.bounds(state.shapes).T
    with np.errstate(invalid="ignore"):
        inside = (west >= -180) & (east <= 180) & (south >= -MAX_LATITUDE) & (north <= MAX_LATITUDE)
        zero = (west == 0) & (east == 0) & (south == 0) & (north == 0)
    state.refuse("geometry.off_earth", ~inside)
    state.refuse("geometry.zero", zero)


def _move_plain(state: Arriving, target: Target, plain: Plain) -> None:
    """Makes the shapes of `plain`, reprojected; none where a point cannot be."""
    kind, coordinates, counts = plain.shapes
    moved = PlainShapes(kind, reproject_points(coordinates, target.crs), counts)
    reached = ~moved.any_of(np.isfinite(moved.coordinates).sum(axis=1) < 2)
    multi = target.geometry_type == f"Multi{kind}"
    wkb = moved.only(reached).wkb(multi=multi).to_numpy(zero_copy_only=False)
    there = np.flatnonzero(plain.rows)[reached]
    state.shapes[there] = shapely.from_wkb(wkb)
    shapes, told = (np.full(len(state.shapes), None, dtype=object) for _ in range(2))
    shapes[there], told[there] = state.shapes[there], wkb
    state.made = shapes, told


def _fit_type(state: Arriving, geometry_type: GeometryType) -> None:
    if geometry_type == "Geometry":
        return
    single, stored = _TYPE_IDS[geometry_type]
    ids = shapely.get_type_id(state.shapes)
    alone = np.flatnonzero(ids == single) if single != stored else np.empty(0, dtype=np.intp)
    if len(alone):
        collect = shapely.multipolygons if geometry_type == "MultiPolygon" else shapely.multilinestrings
        state.shapes[alone] = collect(state.shapes[alone], indices=np.arange(len(alone)))
    odd = (ids != single) & (ids != stored) & ~state.gone
    if odd.any():
        fitted = to_multi(state.shapes[odd], geometry_type)
        state.refuse("geometry.type", _spread(odd, shapely.is_missing(fitted)))
        state.shapes[odd] = fitted


def _make_valid(state: Arriving, geometry_type: GeometryType) -> None:
    broken = ~shapely.is_valid(state.shapes) & ~state.gone
    if not broken.any():
        return
    mended, reasons = mend(state.shapes[broken])
    fitted = mended if geometry_type == "Geometry" else to_multi(mended, geometry_type)
    state.refuse("geometry.unmendable", _spread(broken, shapely.is_missing(fitted)))
    state.broken = {int(p): state.shapes[p] for p in np.flatnonzero(broken & ~state.gone)}
    state.shapes[broken] = fitted
    codes = np.array(["" if reason is None else reason.code for reason in reasons], dtype=object)
    for code in sorted(set(codes.tolist()) - {""}):
        state.mend("geometry.mended", code, _spread(broken, codes == code))


def _is_finite(shapes: Geometries) -> Mask:
    """True where every coordinate is a finite number; also for empty and missing geometries.

    A point of NaN counts as empty in GEOS; here it is a coordinate that is not a number.
    """
    finite = np.ones(len(shapes), dtype=bool)
    coordinates, owner = shapely.get_coordinates(shapes, return_index=True)
    wrong = ~np.isfinite(coordinates).all(axis=1)
    finite[owner[wrong]] = False
    return finite


def _is_outside(shapes: Geometries, box: BoundingBox) -> Mask:
    west, south, east, north = shapely.bounds(shapes).T
    with np.errstate(invalid="ignore"):
        outside = (west > box.east) | (east < box.west) | (south > box.north) | (north < box.south)
    return np.asarray(outside)


def _spread(rows: Mask, some: NDArray[np.bool_]) -> Mask:
    whole = np.zeros(len(rows), dtype=bool)
    whole[np.flatnonzero(rows)] = some
    return whole
