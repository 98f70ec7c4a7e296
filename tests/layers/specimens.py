"""Small layers and batches for the tests of this room."""

from __future__ import annotations

import shapely
from shapely.geometry.base import BaseGeometry

from layers.model import Field, Layer, Text
from layers.publish import Batch

HERE = (116.50, 31.74)
KINDS = {"1": Text("餐饮", "Food"), "2": Text("书店", "Books")}


def shop_layer(**changes: object) -> Layer:
    """Points with a key, a district, an internal and a personal field."""
    settings: dict[str, object] = {
        "id": "shop",
        "title": Text("商铺", "Shops"),
        "theme": "other",
        "geometry_type": "Point",
        "fields": (
            Field("code", Text("编码", "Code"), required=True),
            Field("name", Text("名称", "Name"), in_tiles=True),
            Field("kind", Text("类别", "Kind"), codes=KINDS),
            Field("floors", Text("层数", "Floors"), type="integer"),
            Field("opened", Text("开业日期", "Opened"), type="date"),
            Field("district_code", Text("区划代码", "District")),
            Field("manager", Text("负责人", "Manager"), sensitivity="internal"),
            Field("owner_phone", Text("业主电话", "Owner's phone"), sensitivity="personal"),
        ),
        "key": "code",
        "name_field": "name",
        "search_fields": ("code", "name"),
        "district_field": "district_code",
        "time_field": "opened",
        "owner": "CG01",
        "access": "public",
    }
    return Layer(**{**settings, **changes})  # type: ignore[arg-type]


def batch(*rows: dict[str, object], places: list[BaseGeometry | None] | None = None) -> Batch:
    """Rows as a batch; without `places`, points 0.001° apart, eastward from `HERE`."""
    if places is None:
        places = [shapely.Point(HERE[0] + n * 0.001, HERE[1]) for n in range(len(rows))]
    names = dict.fromkeys(name for row in rows for name in row)
    return Batch(
        [None if place is None else place.wkb for place in places],
        {name: [row.get(name) for row in rows] for name in names},
    )
