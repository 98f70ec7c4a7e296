"""A city of two districts, small enough to read: two of everything, and somebody of every kind.

Rows of the second district, and everything personal, carry words that are easy to find in any answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import shapely

from layers import readings
from layers.access import Role
from layers.accounts import Department, create_account, load_departments, make_key
from layers.catalogue import get_layer, register
from layers.db import Database
from layers.model import Field, Layer, Origin, Text
from layers.origins import origin_json
from layers.publish import Batch, publish, stage, withdraw
from layers.readings import Reading
from layers.registered import register_table
from layers.registration import Registration
from tests.layers.registered_tables import run_sql

JINAN, YUAN = "341502", "341503"
"""金安区 (west of 116.50°) and 裕安区 (east)."""
WEST, EAST, LAT = 116.49, 116.51, 31.74
OTHER_DISTRICT = "Eastern"
"""Stands in the name of every row of the second district, and nowhere else."""
INTERNAL, PERSONAL = "Internal-note", "Personal-13800000000"
"""Stand in every internal and every personal field."""
HIDDEN = "Withdrawn-row"
RESTRICTED = "Restricted-row"
UNLIMITABLE = "Unlimitable-row"
"""In a layer that needs a login and has no district field."""
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
"""When each of the two stations measured."""
SURVEYED = Origin(
    system="EPSG:4527 CGCS2000 / 3-degree Gauss-Kruger zone 39",
    evidence=Text("房屋.prj 声明", "stated by 房屋.prj"),
    is_assumed=False,
    transform=Text("同一基准，仅换算投影", "same datum, projection arithmetic only"),
    error_m=0.001,
    file="房屋.shp",
)
"""Where the buildings came from."""
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Person:
    """An account of the city, and its key."""

    name: str
    roles: tuple[Role, ...]
    department: str | None = None
    districts: tuple[str, ...] = ()


PEOPLE = (
    Person("viewer", ("viewer",)),
    Person("jinan", ("viewer",), districts=(JINAN,)),
    Person("inspector", ("inspector",), districts=(JINAN,)),
    Person("warden", ("viewer",), department="ZJ01"),
    Person("dispatcher", ("dispatcher",), department="CG01"),
    Person("publisher", ("publisher",)),
    Person("admin", ("admin",)),
)


def box(west: float, east: float, south: float = LAT - 0.005, north: float = LAT + 0.005) -> Any:
    return shapely.MultiPolygon([shapely.box(west, south, east, north)])


def line(west: float, east: float) -> Any:
    return shapely.MultiLineString([[(west, LAT), (east, LAT)]])


Row = tuple[Any, Mapping[str, object]]


def _two(west: Any, east: Any, **fields: tuple[object, object]) -> list[Row]:
    """A row in each district; `fields` hold the value of each."""
    return [(west, {k: v[0] for k, v in fields.items()}), (east, {k: v[1] for k, v in fields.items()})]


PUBLISHED: Mapping[str, list[Row]] = {
    "district": _two(
        box(116.48, 116.50),
        box(116.50, 116.52),
        code=(JINAN, YUAN),
        name=("金安区", f"裕安区 {OTHER_DISTRICT}"),
        district_code=(JINAN, YUAN),
    ),
    "street": _two(
        box(116.48, 116.50),
        box(116.50, 116.52),
        code=(f"{JINAN}001", f"{YUAN}001"),
        name=("三里桥街道", f"小华山街道 {OTHER_DISTRICT}"),
        district_code=(JINAN, YUAN),
    ),
    "community": _two(
        box(116.48, 116.50),
        box(116.50, 116.52),
        code=(f"{JINAN}001001", f"{YUAN}001001"),
        name=("三里桥社区", f"小华山社区 {OTHER_DISTRICT}"),
        district_code=(JINAN, YUAN),
    ),
    "unit_grid": _two(
        box(116.48, 116.50),
        box(116.50, 116.52),
        code=(f"{JINAN}001001001", f"{YUAN}001001001"),
        name=("网格1", f"网格2 {OTHER_DISTRICT}"),
        manager=(INTERNAL, INTERNAL),
        manager_phone=(PERSONAL, PERSONAL),
        district_code=(JINAN, YUAN),
    ),
    "component": _two(
        shapely.Point(WEST, LAT),
        shapely.Point(EAST, LAT),
        code=(f"{JINAN}0101000001", f"{YUAN}0101000001"),
        name=("上水井盖", f"上水井盖 {OTHER_DISTRICT}"),
        class_code=("0101", "0101"),
        district_code=(JINAN, YUAN),
    ),
    "building": _two(
        box(WEST - 0.0005, WEST + 0.0005, LAT - 0.0005, LAT + 0.0005),
        box(EAST - 0.0005, EAST + 0.0005, LAT - 0.0005, LAT + 0.0005),
        code=("B1", "B2"),
        name=("甲楼", f"乙楼 {OTHER_DISTRICT}"),
        floors_total=(6, 18),
        owner_name=(PERSONAL, PERSONAL),
        owner_phone=(PERSONAL, PERSONAL),
        district_code=(JINAN, YUAN),
    ),
    "pipe_line": _two(
        line(116.485, 116.495),
        line(116.505, 116.515),
        code=("P1", f"P2 {OTHER_DISTRICT}"),
        start_node=("N1", "N3"),
        end_node=("N2", "N4"),
        pipe_class=("JS", "WS"),
        district_code=(JINAN, YUAN),
    ),
    "station": _two(
        shapely.Point(WEST, LAT),
        shapely.Point(EAST, LAT),
        code=("A1", "A2"),
        name=("西站", f"东站 {OTHER_DISTRICT}"),
        kind=("air", "air"),
        district_code=(JINAN, YUAN),
    ),
    "secret_site": [(shapely.Point(WEST, LAT), {"code": "S1", "name": RESTRICTED})],
    "depot": [(shapely.Point(WEST, LAT), {"code": "D1", "name": UNLIMITABLE})],
    "old_site": [(shapely.Point(WEST, LAT), {"code": "O1", "name": HIDDEN})],
}
"""Rows by layer: (geometry, fields)."""
REGISTERED: Mapping[str, list[Row]] = {
    "plaza": _two(
        shapely.Point(WEST, LAT),
        shapely.Point(EAST, LAT),
        code=("R1", "R2"),
        name=("西广场", f"东广场 {OTHER_DISTRICT}"),
        manager=(INTERNAL, INTERNAL),
        owner_phone=(PERSONAL, PERSONAL),
        district_code=(JINAN, YUAN),
    ),
}
"""Rows of tables that are not ours, in the schema `gis` and in EPSG:4527."""
CITY: Mapping[str, list[Row]] = {**PUBLISHED, **REGISTERED}
"""Rows by layer, wherever they are kept."""


def _site(layer_id: str, **changes: Any) -> Layer:
    fields = (Field("code", Text("编码", "Code")), Field("name", Text("名称", "Name"), in_tiles=True))
    return Layer(
        layer_id,
        Text("场所", "Site"),
        "other",
        "Point",
        fields,
        key="code",
        name_field="name",
        search_fields=("code", "name"),
        **changes,
    )


STRANGERS = (
    _site("secret_site", access="restricted", owner="CG01"),
    _site("depot", access="login"),
    _site("old_site", access="public"),
)


async def build_city(url: str) -> dict[str, str]:
    """Publishes the city into the database at `url`; the key of each person by name."""
    async with Database(url) as db:
        for stranger in STRANGERS:
            await register(db, stranger)
        await publish(
            db,
            [await stage(db, await get_layer(db, i), [_batch(rows)]) for i, rows in PUBLISHED.items()],
            by="test",
            report={"origins": {"building": [origin_json(SURVEYED)]}},
        )
        for name, rows in REGISTERED.items():
            await _register(db, url, name, rows)
        await withdraw(db, "old_site", by="test")
        await readings.add(db, [Reading(code, "pm2_5", MOMENT, 35.0) for code in ("A1", "A2")])
        await load_departments(
            db, [Department("CG01", "城管局"), Department("ZJ01", "住建局"), Department("GH01", "规划局")]
        )
        keys = {}
        for person in PEOPLE:
            await create_account(
                db,
                person.name,
                password=PASSWORD if person.name == "viewer" else None,
                title=person.name.title(),
                roles=person.roles,
                department=person.department,
                districts=person.districts,
            )
            keys[person.name] = await make_key(db, person.name)
        return keys


async def _register(db: Database, url: str, name: str, rows: list[Row]) -> None:
    """A table of somebody's own with these rows and another column, registered as a layer."""
    columns = [*rows[0][1], "geom"]
    make = [f'"{column}" text' for column in columns[:-1]]
    values = ", ".join(
        "({}, ST_Transform('SRID=4490;{}'::geometry, 4527), 'not for the map')".format(
            ", ".join(f"'{value}'" for value in fields.values()), geometry.wkt
        )
        for geometry, fields in rows
    )
    run_sql(
        url,
        "CREATE SCHEMA IF NOT EXISTS gis",
        f"CREATE TABLE gis.{name} ({', '.join(make)}, geom geometry, secret text, PRIMARY KEY (code))",
        f"INSERT INTO gis.{name} VALUES {values}",
        f"CREATE INDEX ON gis.{name} USING gist (geom)",
    )
    await register_table(
        db,
        Registration(
            "gis",
            name,
            name,
            Text("广场", "Plazas"),
            fields=tuple(columns[:-1]),
            sensitive={"manager": "internal", "owner_phone": "personal"},
            name_field="name",
            search_fields=("code", "name", "owner_phone"),
            district_field="district_code",
            access="public",
        ),
        by="test",
    )


def _batch(rows: list[Row]) -> Batch:
    names = dict.fromkeys(name for _, fields in rows for name in fields)
    return Batch(
        [shapely.to_wkb(geometry) for geometry, _ in rows],
        {name: [fields.get(name) for _, fields in rows] for name in names},
    )
