"""Door plates: one for every street door, one for every gate, one for every named building behind a gate."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import shapely

from sample_data.admin import Admin
from sample_data.buildings import Buildings
from sample_data.frame import Floats

_PARTS = re.compile(r"(?P<road>\D+?)(?P<number>\d+号)(?P<rest>.*)")


@dataclass(frozen=True)
class Addresses:
    """Columns of the address file; x, y in EPSG:4548. No two rows have the same full address."""

    code: list[str]
    full: list[str]
    road: list[str]
    number: list[str]
    building: list[str]
    x: Floats
    y: Floats


def put_up_plates(admin: Admin, buildings: Buildings) -> Addresses:
    """A plate on each building that has a door of its own or a name; the first of equal addresses stays."""
    points = shapely.point_on_surface(buildings.polygons)
    x, y = shapely.get_x(points), shapely.get_y(points)
    rows: dict[str, tuple[int, str, str]] = {}
    for n, address in enumerate(buildings.address):
        if not (buildings.has_own_door[n] or buildings.name[n]):
            continue
        street = int(admin.communities.within[admin.community_of_cell[buildings.cell[n]]])
        district = int(admin.streets.within[street])
        parts = _PARTS.fullmatch(address)
        if parts is None:
            continue
        full = f"六安市{admin.districts.names[district]}{admin.streets.names[street]}{address}"
        rows.setdefault(full, (n, parts["road"], parts["number"] + parts["rest"]))
    chosen = np.array([n for n, *_ in rows.values()], dtype=np.int64)
    return Addresses(
        code=[f"MP{n:07d}" for n in range(1, len(rows) + 1)],
        full=list(rows),
        road=[road for _, road, _ in rows.values()],
        number=[number for *_, number in rows.values()],
        building=[buildings.code[n] for n in chosen.tolist()],
        x=x[chosen],
        y=y[chosen],
    )
