"""A city of a few cells in the database: grids, the places above them, components, departments, rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely

from grid.dispatch import Rule, load_rules
from layers.accounts import Department, load_departments
from layers.catalogue import get_layer
from layers.db import Database
from layers.publish import Batch, publish, stage

WEST, SOUTH, SIZE = 116.48, 31.72, 0.001
COMMUNITY, OTHER_COMMUNITY = "341502001001", "341503001001"
"""The western half of the grids is in 金安区, the eastern half in 裕安区."""


RULES = [
    Rule("01001", "SW01", "", "SW01", 4, 50),
    Rule("06", None, "", "HW01", 24),
    Rule("06", None, OTHER_COMMUNITY[:6], "CG01", 2),
    Rule("01", None, "", "CG01", None),
]


def cell(column: int, row: int) -> shapely.Polygon:
    west, south = WEST + column * SIZE, SOUTH + row * SIZE
    return shapely.box(west, south, west + SIZE, south + SIZE)


def middle(column: int, row: int) -> tuple[float, float]:
    return WEST + (column + 0.5) * SIZE, SOUTH + (row + 0.5) * SIZE


def grid_rows(columns: int = 4, rows: int = 2) -> tuple[list[dict[str, object]], list[shapely.Polygon]]:
    """Square cells: columns 0 and 1 in one district, 2 and 3 in the other, numbered within each."""
    found, shapes = [], []
    for column in range(columns):
        community = COMMUNITY if column < 2 else OTHER_COMMUNITY
        for row in range(rows):
            code = f"{community}{column * rows + row + 1:03d}"
            found.append({"code": code, "name": f"网格{code[-3:]}", "community_code": community})
            shapes.append(cell(column, row))
    return found, shapes


async def put(
    db: Database,
    layer_id: str,
    rows: Sequence[Mapping[str, object]],
    shapes: Sequence[shapely.Geometry],
    *,
    partial: bool = False,
) -> int:
    """Publishes rows as the next version of a known layer; returns its number."""
    layer = await get_layer(db, layer_id)
    multi = [shapely.MultiPolygon([s]) if s.geom_type == "Polygon" else s for s in shapes]
    names = dict.fromkeys(name for row in rows for name in row)
    batch = Batch(
        shapely.to_wkb(np.array(multi, dtype=object)).tolist(),
        {name: [row.get(name) for row in rows] for name in names},
    )
    staged = await stage(db, layer, [batch])
    (version,) = await publish(db, staged, by="test", report={}, partial=partial)
    return version.number


async def put_places(db: Database) -> None:
    """Districts, streets and communities over the grids."""
    halves = [shapely.box(WEST, SOUTH, WEST + 2 * SIZE, SOUTH + 2 * SIZE)]
    halves.append(shapely.box(WEST + 2 * SIZE, SOUTH, WEST + 4 * SIZE, SOUTH + 2 * SIZE))
    for layer_id, digits, names in (
        ("district", 6, ("金安区", "裕安区")),
        ("street", 9, ("中市街道", "鼓楼街道")),
        ("community", 12, ("迎宾社区", "前进社区")),
    ):
        places = [
            {"code": code[:digits], "name": name}
            for code, name in zip((COMMUNITY, OTHER_COMMUNITY), names, strict=True)
        ]
        await put(db, layer_id, places, halves)


async def put_departments(db: Database) -> None:
    await load_departments(
        db,
        [
            Department("CG01", "市城市管理局", "City Management Bureau"),
            Department("SW01", "市水务公司", "Water Company"),
            Department("HW01", "环境卫生管理处", "Sanitation Office"),
        ],
    )


async def put_components(db: Database) -> None:
    """Two water covers east of the middle of the first grid, one of each edition, and a lamp 66 m north."""
    lon, lat = middle(0, 0)
    near = 0.0001  # some 9 m of longitude
    components = [
        {"code": "3415020101000001", "name": "上水井盖", "class_code": "0101", "owner_code": "SW01"},
        {"code": "34150201001000002", "name": "供水井盖", "class_code": "01001", "owner_code": "CG01"},
        {"code": "34150201037000001", "name": "路灯", "class_code": "01037", "authority_code": "CG01"},
    ]
    places = [
        shapely.Point(lon + near, lat),
        shapely.Point(lon + 3 * near, lat),
        shapely.Point(lon, lat + 0.0006),
    ]
    await put(db, "component", components, places)


async def put_city(db: Database) -> None:
    """Eight grids, the places above them, three components, departments and rules."""
    await put_departments(db)
    await load_rules(db, RULES)
    await put_places(db)
    await put(db, "unit_grid", *grid_rows())
    await put_components(db)
