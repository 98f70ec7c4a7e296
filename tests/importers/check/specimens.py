"""Small layers, shapes in metres round one place, and reports of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import shapely
from shapely.geometry.base import BaseGeometry

from importers.check import CheckOptions, CheckReport, Places, Rows, Surroundings, check
from importers.check.plane import scale
from layers.description import known_layers
from layers.model import Field, Layer, Text

LON, LAT = 116.50, 31.74
EAST_M, NORTH_M = (float(m) for m in scale(LAT))
TODAY = date(2026, 7, 1)
KNOWN = {layer.id: layer for layer in known_layers()}


def at(x_m: float, y_m: float) -> tuple[float, float]:
    """The place so many metres east and north of here."""
    return LON + x_m / EAST_M, LAT + y_m / NORTH_M


def point(x_m: float, y_m: float) -> shapely.Point:
    return shapely.Point(at(x_m, y_m))


def line(*places: tuple[float, float]) -> shapely.LineString:
    return shapely.LineString([at(*p) for p in places])


def area(*places: tuple[float, float]) -> shapely.Polygon:
    return shapely.Polygon([at(*p) for p in places])


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """A rectangle in metres east and north of here."""
    return area((west, south), (east, south), (east, north), (west, north))


def plain(geometry_type: str = "MultiPolygon", *fields: Field, key: str | None = "code") -> Layer:
    """A layer of a stranger's: a code, and the fields given."""
    own = (Field("code", Text("编号", "Code"), required=True), *fields)
    return Layer("things", Text("事物", "Things"), "other", geometry_type, own, key=key)  # type: ignore[arg-type]


def rows(
    layer: Layer,
    shapes: Sequence[BaseGeometry | None],
    numbers: Sequence[int] | None = None,
    **columns: object,
) -> Rows:
    """Rows with codes c1 … cn unless said."""
    if layer.key is not None:
        columns.setdefault(layer.key, [f"c{n}" for n in range(1, len(shapes) + 1)])
    return Rows.of(layer, list(shapes), columns, numbers)  # type: ignore[arg-type]


def places(codes: Sequence[str], shapes: Sequence[BaseGeometry], **columns: Sequence[object]) -> Places:
    geometry = np.empty(len(shapes), dtype=object)
    geometry[:] = list(shapes)
    return Places.of(np.array(codes, dtype=object), geometry, {n: pa.array(v) for n, v in columns.items()})


def report(
    layer: Layer,
    shapes: Sequence[BaseGeometry | None],
    *,
    around: dict[str, Places] | None = None,
    options: CheckOptions | None = None,
    **columns: object,
) -> CheckReport:
    """What the check says of these rows."""
    return check(
        layer,
        rows(layer, shapes, **columns),
        Surroundings(around or {}),
        options or CheckOptions(today=TODAY),
    )


def broken(found: CheckReport) -> set[str]:
    """Ids of the rules broken, without mere hints."""
    return {t.rule.id for t in found.tallies if t.found and t.rule.severity != "info"}


def offenders(found: CheckReport, rule: str) -> list[int | None]:
    """Rows that break `rule`, as the findings name them."""
    return [f.row for f in found.findings if f.rule == rule]
