"""What a picture's address asks for: a raster layer drawn for one square, as map clients and OGC name it.

/tiles/{layer}/{z}/{x}/{y}.png (or .webp)
/ogc/collections/{layer}/map/tiles/{matrix set}/{z}/{row}/{column}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, cast
from urllib.parse import parse_qsl

from api.tile_address import matrix_set_called, square_at
from gis.matrix_sets import WEB_MERCATOR_QUAD
from gis.own_matrix_sets import BUILT_IN, MatrixSets
from layers.errors import BadRequest, NotFound, unknown_parameter
from layers.model import LAYER_ID
from tiles.raster_look import PARAMETERS, Format
from tiles.square import Square

XYZ_ROUTE = "/tiles/{layer}/{z}/{x}/{y}.{format}"
MAP_ROUTE = "/ogc/collections/{layer}/map/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"
MEDIA_TYPES: Mapping[Format, str] = {"png": "image/png", "webp": "image/webp"}

_NUMBERS = "/".join(["(0|[1-9][0-9]{0,8})"] * 3)
_XYZ = re.compile(rf"/tiles/([^/]+)/{_NUMBERS}\.(png|webp)")
_MAP = re.compile(rf"/ogc/collections/([^/]+)/map/tiles/([^/]+)/{_NUMBERS}")
_MAP_FORM = re.compile(r"/ogc/collections/[^/]+/map/tiles/[^/]+/[^/]+/[^/]+/[^/]+")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


class PictureRequest(NamedTuple):
    """`version` and `moment` choose the state; `token`: what the caller takes the current one to be."""

    route: str
    layer: str
    square: Square
    form: Format
    version: int | None
    moment: str | None
    token: str | None
    look: Mapping[str, str]


def is_picture_address(path: str) -> bool:
    """Whether the path has the form of a picture's address, however wrong its parts."""
    if path.startswith("/tiles/"):
        return path.endswith((".png", ".webp"))
    return path.startswith("/ogc/") and _MAP_FORM.fullmatch(path) is not None


@lru_cache(maxsize=4096)
def read_picture_address(path: str, query: bytes, sets: MatrixSets = BUILT_IN) -> PictureRequest:
    """What `path` and `query` ask for; `sets` are the matrix sets there are.

    Raises `NotFound` for an unknown matrix set and outside the matrix, `BadRequest` for the query.
    """
    found = _XYZ.fullmatch(path)
    if found is not None:
        layer, z, x, y, form = found.groups()
        square = square_at(WEB_MERCATOR_QUAD, int(z), int(x), int(y))
        return _asked(XYZ_ROUTE, layer, square, cast(Format, form), _read_query(query))
    found = _MAP.fullmatch(path)
    if found is None:
        raise NotFound(
            "图片瓦片地址有误：级别、行、列应为整数",
            "this is no picture's address: zoom, row and column are whole numbers",
            expected=[XYZ_ROUTE, MAP_ROUTE],
        )
    layer, name, z, row, column = found.groups()
    square = square_at(matrix_set_called(name, sets), int(z), int(column), int(row))
    given = _read_query(query, "f")
    named: Mapping[str, Format] = {**{form: form for form in MEDIA_TYPES}, **_BY_MEDIA_TYPE}
    wanted = given.get("f", "png")
    if wanted not in named:
        raise _wrong("f", wanted, "png, webp", "没有这种格式", "there is no such format")
    return _asked(MAP_ROUTE, layer, square, named[wanted], given)


def _asked(route: str, layer: str, square: Square, form: Format, given: Mapping[str, str]) -> PictureRequest:
    if not LAYER_ID.fullmatch(layer):
        shown = layer[:60]
        raise NotFound(f"没有图层“{shown}”", f"there is no layer {shown!r}", layer=shown)
    version = given.get("version")
    if version is not None and not _VERSION.fullmatch(version):
        raise _wrong("version", version, "a positive whole number", "应为正整数", "not a version")
    look = {name: value for name, value in given.items() if name in PARAMETERS}
    number = None if version is None else int(version)
    return PictureRequest(route, layer, square, form, number, given.get("datetime"), given.get("v"), look)


def _read_query(query: bytes, *more: str) -> dict[str, str]:
    known = ("v", "version", "datetime", *PARAMETERS, *more)
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else []
    for name, value in pairs:
        if name not in known:
            raise unknown_parameter(name, value, ", ".join(known))
    return dict(pairs)


def _wrong(field: str, value: str, expected: str, zh: str, en: str) -> BadRequest:
    return BadRequest(f"{zh}：{field}", f"{en}: {field!r}", field=field, value=value, expected=expected)


_BY_MEDIA_TYPE: Mapping[str, Format] = {media_type: form for form, media_type in MEDIA_TYPES.items()}
