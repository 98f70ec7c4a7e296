"""A small town for the tests of tiles: points, lines and areas at every size, in two districts."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from layers.catalogue import get_layer, register
from layers.db import Database
from layers.model import Field, Layer, Text
from layers.publish import Batch, publish, stage

WEST, SOUTH, EAST, NORTH = 116.48, 31.72, 116.52, 31.76
DISTRICTS = ("341502", "341503")
"""West and east of the middle of the town."""
MIDDLE = (WEST + EAST) / 2


def shop_layer(**changes: object) -> Layer:
    """Points with every type of field, one internal and one personal, and fields that are not for tiles."""
    settings: dict[str, Any] = {
        "id": "shop",
        "title": Text("商铺", "Shops"),
        "theme": "other",
        "geometry_type": "Point",
        "fields": (
            Field("code", Text("编码", "Code"), required=True),
            Field("name", Text("名称", "Name"), in_tiles=True),
            Field("floors", Text("层数", "Floors"), type="integer", in_tiles=True),
            Field("rent", Text("租金", "Rent"), type="number", in_tiles=True),
            Field("is_open", Text("营业", "Open"), type="boolean", in_tiles=True),
            Field("opened", Text("开业日期", "Opened"), type="date", in_tiles=True),
            Field("checked", Text("检查时间", "Checked"), type="datetime", in_tiles=True),
            Field("note", Text("备注", "Note")),
            Field("district_code", Text("区划代码", "District")),
            Field("manager", Text("负责人", "Manager"), sensitivity="internal", in_tiles=True),
            Field("phone", Text("业主电话", "Owner's phone"), sensitivity="personal", in_tiles=True),
        ),
        "key": "code",
        "name_field": "name",
        "district_field": "district_code",
        "owner": "CG01",
        "access": "public",
    }
    return Layer(**{**settings, **changes})


def pipe_layer(**changes: object) -> Layer:
    """Lines that only people logged in may see."""
    settings: dict[str, Any] = {
        "id": "pipe",
        "title": Text("管线", "Pipes"),
        "theme": "other",
        "geometry_type": "MultiLineString",
        "fields": (
            Field("code", Text("编码", "Code"), required=True),
            Field("diameter_mm", Text("管径", "Diameter"), type="integer", unit="mm", in_tiles=True),
            Field("district_code", Text("区划代码", "District")),
        ),
        "key": "code",
        "district_field": "district_code",
        "access": "login",
    }
    return Layer(**{**settings, **changes})


def plot_layer(**changes: object) -> Layer:
    """Areas from a stranger's file: no key, no field marked for tiles, Chinese names."""
    settings: dict[str, Any] = {
        "id": "plot",
        "title": Text("地块", "Plots"),
        "theme": "other",
        "geometry_type": "MultiPolygon",
        "fields": (
            Field("说明", Text("说明", "说明"), max_length=500),
            Field("地块%名称", Text("地块名称", "地块名称")),
            Field('面"积', Text("面积", "面积"), type="number", unit="m2"),
        ),
        "name_field": "地块%名称",
        "access": "public",
    }
    return Layer(**{**settings, **changes})


def shops(count: int, seed: int = 1) -> Batch:
    """`count` shops in clusters."""
    chance = random.Random(seed)
    places = [_place(chance) for _ in range(count)]
    start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Batch(
        [shapely.Point(p).wkb for p in places],
        {
            "code": [f"S{n:05d}" for n in range(count)],
            "name": [None if n % 7 == 0 else f"第{n}家 & <店>" for n in range(count)],
            "floors": [None if n % 5 == 0 else n - 3 for n in range(count)],
            "rent": [n / 3 for n in range(count)],
            "is_open": [n % 2 == 0 for n in range(count)],
            "opened": [date(2020, 1, 1) + timedelta(days=n) for n in range(count)],
            "checked": [start + timedelta(minutes=n) for n in range(count)],
            "note": ["不进瓦片"] * count,
            "district_code": [_district(p) for p in places],
            "manager": [f"经理{n}" for n in range(count)],
            "phone": [f"139{n:08d}" for n in range(count)],
        },
    )


def pipes(count: int, seed: int = 2) -> Batch:
    """Lines from 20 cm to a kilometre long, some of several parts."""
    chance = random.Random(seed)
    lines: list[BaseGeometry] = []
    for n in range(count):
        parts = [_line(chance) for _ in range(1 + n % 3 // 2)]
        lines.append(shapely.MultiLineString(parts))
    return Batch(
        [line.wkb for line in lines],
        {
            "code": [f"P{n:05d}" for n in range(count)],
            "diameter_mm": [100 * (1 + n % 12) for n in range(count)],
            "district_code": [_district(shapely.get_coordinates(line)[0]) for line in lines],
        },
    )


def plots(count: int, seed: int = 3) -> Batch:
    """Areas from 20 cm to half a kilometre wide, some with holes, some of several parts."""
    chance = random.Random(seed)
    areas: list[BaseGeometry] = []
    for n in range(count):
        area = _area(chance)
        if n % 4 == 0:
            area = area.difference(shapely.affinity.scale(area, 0.4, 0.4))
        if n % 9 == 0:
            area = area.union(shapely.affinity.translate(_area(chance), 0.003, 0.0))
        areas.append(area if area.geom_type == "MultiPolygon" else shapely.MultiPolygon([area]))
    return Batch(
        [area.wkb for area in areas],
        {
            "说明": ["很长的说明" * 20] * count,
            "地块%名称": [f"地块{n}" for n in range(count)],
            '面"积': [float(n) for n in range(count)],
        },
    )


async def put(database: Database, layer: Layer, *batches: Batch, partial: bool = False) -> Layer:
    """Registers and publishes; the layer as it stands then."""
    registered = await register(database, layer)
    staged = await stage(database, registered, batches)
    await publish(database, staged, by="test", report={}, partial=partial)
    return await get_layer(database, layer.id)


def _place(chance: random.Random) -> tuple[float, float]:
    if chance.random() < 0.3:
        return chance.uniform(WEST, EAST), chance.uniform(SOUTH, NORTH)
    lon = min(max(chance.gauss(MIDDLE, 0.002), WEST), EAST)
    return lon, min(max(chance.gauss(31.74, 0.002), SOUTH), NORTH)


def _district(place: tuple[float, ...]) -> str:
    return DISTRICTS[0] if place[0] < MIDDLE else DISTRICTS[1]


def _line(chance: random.Random) -> BaseGeometry:
    lon, lat = _place(chance)
    length = 10 ** chance.uniform(-6, -2)
    return shapely.LineString(list(_walk(chance, lon, lat, length)))


def _walk(chance: random.Random, lon: float, lat: float, length: float) -> Iterator[tuple[float, float]]:
    yield lon, lat
    for _ in range(chance.randint(1, 5)):
        lon += chance.uniform(-length, length)
        lat += chance.uniform(-length, length)
        yield lon, lat


def _area(chance: random.Random) -> BaseGeometry:
    lon, lat = _place(chance)
    radius = 10 ** chance.uniform(-6, -2.6)
    corners = sorted(chance.uniform(0, 2 * math.pi) for _ in range(chance.randint(3, 9)))
    ring = [(lon + radius * math.cos(a), lat + radius * math.sin(a)) for a in corners]
    return shapely.Polygon(ring)
