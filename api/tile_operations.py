"""What the OpenAPI document says of the addresses that `api.tile_path` answers before the routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.as_of import DATETIME_DESCRIPTION
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
_F = _parameter("f", "query", "string", "mvt")
_OGC_PLACE = [
    _parameter("tileMatrixSetId", "path", "string", " / ".join(MATRIX_SETS)),
    _parameter("tileMatrix", "path", "integer", "级别 Zoom"),
    _parameter("tileRow", "path", "integer", "行（自北向南） Row from the north"),
    _parameter("tileCol", "path", "integer", "列（自西向东） Column from the west"),
]


def _operation(operation_id: str, summary: str, parameters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    problem: dict[str, Any] = {"content": {"application/problem+json": {}}}
    return {
        "get": {
            "tags": ["tiles"],
            "operationId": operation_id,
            "summary": summary,
            "description": summary,
            "parameters": list(parameters),
            "responses": {
                "200": {
                    "description": "Mapbox Vector Tile",
                    "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
                },
                "204": {"description": "空瓦片 Nothing in this square"},
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
        ],
    ),
}
