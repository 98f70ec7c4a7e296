"""What the OpenAPI document says of the addresses that `api.tile_path` answers before the routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.as_of import DATETIME_DESCRIPTION
from api.filter_parameter import COORDINATES, FILTER, LANGUAGE
from api.picture_address import MAP_ROUTE as MAP_PICTURE
from api.picture_address import MEDIA_TYPES
from api.picture_address import XYZ_ROUTE as XYZ_PICTURE
from api.raster_parameters import DESCRIPTIONS
from api.tile_address import ALL_ROUTE, LAYER_ROUTE, MEDIA_TYPE, XYZ_ROUTE
from gis.matrix_sets import MATRIX_SETS


def _parameter(name: str, where: str, kind: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": description,
        "schema": {"type": kind},
    }


_V = _parameter(
    "v", "query", "string", "TileJSON 给出的状态标记 State mark from TileJSON: answers may be kept"
)
_VERSION = _parameter("version", "query", "integer", "截至该版本 As of this version")
_DATETIME = _parameter("datetime", "query", "string", DATETIME_DESCRIPTION)
_FILTER = [
    _parameter("filter", "query", "string", FILTER),
    _parameter("filter-lang", "query", "string", LANGUAGE),
    _parameter("filter-crs", "query", "string", COORDINATES),
]
_ARGUMENTS = {
    **_parameter(
        "arguments", "query", "object", "函数图层的参数 What is said to a function layer: name=value"
    ),
    "style": "form",
    "explode": True,
}
_F = _parameter("f", "query", "string", "mvt")
_OGC_PLACE = [
    _parameter("tileMatrixSetId", "path", "string", " / ".join(MATRIX_SETS)),
    _parameter("tileMatrix", "path", "integer", "级别 Zoom"),
    _parameter("tileRow", "path", "integer", "行（自北向南） Row from the north"),
    _parameter("tileCol", "path", "integer", "列（自西向东） Column from the west"),
]


_MOMENT = _parameter(
    "datetime", "query", "string", "不晚于该日期的最新一期 The newest not taken after: 2024, 2024-05, …"
)
_LOOK = [_parameter(name, "query", "string", told) for name, told in DESCRIPTIONS.items()]
_VECTOR: Mapping[str, Any] = {
    "200": {
        "description": "Mapbox Vector Tile",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
    "204": {"description": "空瓦片 Nothing in this square"},
}
_PICTURE: Mapping[str, Any] = {
    "200": {
        "description": "图片，无数据处透明 A picture, transparent where nothing is",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in MEDIA_TYPES.values()
        },
    },
    "503": {"description": "绘图繁忙，见 Retry-After  Too many are being drawn, see Retry-After"},
}


def _operation(
    operation_id: str,
    summary: str,
    parameters: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Any] = _VECTOR,
) -> dict[str, Any]:
    problem: dict[str, Any] = {"content": {"application/problem+json": {}}}
    return {
        "get": {
            "tags": ["tiles"],
            "operationId": operation_id,
            "summary": summary,
            "description": summary,
            "parameters": list(parameters),
            "responses": {
                **answers,
                "304": {"description": "未改变 As the caller has it"},
                "4XX": {"description": "Problem (RFC 9457)", **problem},
            },
        }
    }


TILE_OPERATIONS: Mapping[str, Any] = {
    XYZ_ROUTE: _operation(
        "get_tile",
        "一个或多个图层的矢量瓦片 A vector tile of one or several layers",
        [
            _parameter("layers", "path", "string", "图层标识，逗号分隔 Layer ids, comma separated"),
            *(_parameter(name, "path", "integer", name) for name in "zxy"),
            _V,
            _VERSION,
            _DATETIME,
            *_FILTER,
            _ARGUMENTS,
        ],
    ),
    LAYER_ROUTE: _operation(
        "get_layer_tile",
        "一个图层的矢量瓦片 A vector tile of one layer",
        [
            _parameter("layer", "path", "string", "图层标识 Layer id"),
            *_OGC_PLACE,
            _F,
            _V,
            _VERSION,
            _DATETIME,
            *_FILTER,
            _ARGUMENTS,
        ],
    ),
    ALL_ROUTE: _operation(
        "get_tile_of_all",
        "全部可见图层的矢量瓦片 A vector tile of everything the caller may see",
        [
            *_OGC_PLACE,
            _F,
            _V,
            _DATETIME,
            _parameter("collections", "query", "string", "图层标识 Layer ids"),
            *_FILTER,
            _ARGUMENTS,
        ],
    ),
    XYZ_PICTURE: _operation(
        "get_picture",
        "一个栅格图层的图片瓦片 A picture of a raster layer",
        [
            _parameter("layer", "path", "string", "图层标识 Layer id"),
            *(_parameter(name, "path", "integer", name) for name in "zxy"),
            _parameter("format", "path", "string", "png / webp"),
            *(_V, _VERSION, _MOMENT, *_LOOK),
        ],
        _PICTURE,
    ),
    MAP_PICTURE: _operation(
        "get_map_tile",
        "一个栅格图层的图片瓦片，按矩阵集 A picture of a raster layer in a matrix set",
        [
            _parameter("layer", "path", "string", "图层标识 Layer id"),
            *(*_OGC_PLACE, _parameter("f", "query", "string", "png / webp"), _V, _VERSION, _MOMENT, *_LOOK),
        ],
        _PICTURE,
    ),
}
