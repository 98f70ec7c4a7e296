"""Whether the areas of a city tile: no gap, no overlap, every rank the exact union of the one below."""

from __future__ import annotations

import numpy as np
import shapely

from sample_data.admin import Admin
from sample_data.outlines import Geometries, Outlines

AREA_TOLERANCE_M2 = 1e-3
"""Sums of a hundred million square metres in double precision."""


class Untidy(AssertionError):
    """The generator made areas that do not tile; the message says which."""


def verify(outlines: Outlines, admin: Admin) -> None:
    """Raises `Untidy` unless cells, communities, streets and districts each tile the same ground exactly."""
    ranks = {
        "unit grids": outlines.cells,
        "communities": admin.communities.polygons,
        "streets": admin.streets.polygons,
        "districts": admin.districts.polygons,
    }
    total = float(shapely.area(outlines.cells).sum())
    for name, polygons in ranks.items():
        verify_coverage(name, polygons)
        area = float(shapely.area(polygons).sum())
        if abs(area - total) > AREA_TOLERANCE_M2:
            raise Untidy(f"{name} cover {area:.4f} m², unit grids {total:.4f} m²")
    if len(set(admin.grid_codes)) != len(admin.grid_codes):
        raise Untidy("two unit grids have the same code")


def verify_coverage(name: str, polygons: Geometries) -> None:
    """Raises `Untidy` unless `polygons` are valid, meet edge for edge and leave no hole between them."""
    if not shapely.is_valid(polygons).all():
        raise Untidy(f"{name}: {int((~shapely.is_valid(polygons)).sum())} polygons are not valid")
    if not shapely.coverage_is_valid(polygons):
        raise Untidy(f"{name} overlap or do not meet edge for edge")
    whole = shapely.coverage_union_all(polygons)
    parts = np.atleast_1d(shapely.get_parts(whole))
    if len(parts) != 1 or shapely.get_num_interior_rings(parts[0]):
        raise Untidy(f"{name} leave a gap")
