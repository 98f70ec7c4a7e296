"""What a tile's address asks for: the XYZ form of map clients and the two forms of OGC API Tiles (20-057).

/tiles/{layer[,layer]}/{z}/{x}/{y}.mvt
/ogc/collections/{layer}/tiles/{matrix set}/{z}/{row}/{column}
/ogc/tiles/{matrix set}/{z}/{row}/{column}
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

from api.as_of import as_of
from api.filter_parameter import NAMES as FILTER
from api.filter_parameter import filter_of
from gis.errors import NoSuchSquare
from gis.matrix_sets import WEB_MERCATOR_QUAD
from gis.own_matrix_sets import BUILT_IN, AnyMatrixSet, MatrixSets
from layers.cql2 import FilterExpression
from layers.errors import BadRequest, NotFound
from layers.moments import NOW, AsOf
from tiles.square import Square, square_in

XYZ_ROUTE = "/tiles/{layers}/{z}/{x}/{y}.mvt"
LAYER_ROUTE = "/ogc/collections/{layer}/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"
ALL_ROUTE = "/ogc/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"
MEDIA_TYPE = "application/vnd.mapbox-vector-tile"

_NUMBERS = "/".join(["(0|[1-9][0-9]{0,8})"] * 3)
_XYZ = re.compile(rf"/tiles/([^/]+)/{_NUMBERS}\.mvt")
_OGC = re.compile(rf"/ogc/(?:collections/([^/]+)/)?tiles/([^/]+)/{_NUMBERS}")
_OGC_FORM = re.compile(r"/ogc/(?:collections/[^/]+/)?tiles/[^/]+/[^/]+/[^/]+/[^/]+")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


class TileRequest(NamedTuple):
    """`layers`: ids with commas between; None for every layer the viewer may see.

    `as_of`: the version of the layer, or the moment. `token`: what the caller takes the state drawn to be.
    `route`: the form of the address. `where`: the filter, of one layer. `said`: whatever else the query says,
    which may be meant for the function of one.
    """

    route: str
    layers: str | None
    square: Square
    as_of: AsOf
    token: str | None
    where: FilterExpression | None = None
    said: tuple[tuple[str, str], ...] = ()


def is_tile_address(path: str) -> bool:
    """Whether the path has the form of a tile's address, however wrong its parts."""
    if path.startswith("/tiles/"):
        return path.endswith(".mvt")
    return path.startswith("/ogc/") and _OGC_FORM.fullmatch(path) is not None


def read_address(path: str, query: bytes, sets: MatrixSets = BUILT_IN) -> TileRequest:
    """What `path` and `query` ask for; `sets` are the matrix sets there are.

    Raises `NotFound` for an unknown matrix set and outside the matrix, `BadRequest` for the query.
    """
    # Filters are long, and of as many kinds as requests: they would push out what is asked all day.
    return _read(path, query, sets) if b"filter" in query else _read_kept(path, query, sets)


def _read(path: str, query: bytes, sets: MatrixSets) -> TileRequest:
    found = _XYZ.fullmatch(path)
    if found is not None:
        layers, z, x, y = found.groups()
        given, said = _read_query(query, ("v", "version", "datetime", *FILTER)) if query else ({}, ())
        square = square_at(WEB_MERCATOR_QUAD, int(z), int(x), int(y))
        return TileRequest(XYZ_ROUTE, layers, square, _as_of(given), given.get("v"), _filter(given), said)
    found = _OGC.fullmatch(path)
    if found is None:
        raise NotFound(
            "瓦片地址有误：级别、行、列应为整数",
            "this is no tile's address: zoom, row and column are whole numbers",
            expected=[XYZ_ROUTE, LAYER_ROUTE, ALL_ROUTE],
        )
    layer, name, z, row, column = found.groups()
    square = square_at(matrix_set_called(name, sets), int(z), int(column), int(row))
    if layer is None:
        given, said = _read_query(query, ("f", "v", "collections", "datetime", *FILTER))
        layers = given.get("collections")
        return TileRequest(ALL_ROUTE, layers, square, _as_of(given), given.get("v"), _filter(given), said)
    given, said = _read_query(query, ("f", "v", "version", "datetime", *FILTER))
    return TileRequest(LAYER_ROUTE, layer, square, _as_of(given), given.get("v"), _filter(given), said)


_read_kept = lru_cache(maxsize=16_384)(_read)


def matrix_set_called(name: str, sets: MatrixSets) -> AnyMatrixSet:
    """The tile matrix set; raises `NotFound`."""
    found = sets.by_id.get(name)
    if found is None:
        shown = name[:60]
        raise NotFound(
            f"没有瓦片矩阵集“{shown}”",
            f"there is no tile matrix set {shown!r}",
            field="tileMatrixSetId",
            value=shown,
            expected=", ".join(sets.by_id),
        )
    return found


def square_at(matrix_set: AnyMatrixSet, z: int, column: int, row: int) -> Square:
    """The square of a matrix set; raises `NotFound` outside the matrix."""
    try:
        return square_in(matrix_set, z, column, row)
    except NoSuchSquare as error:
        raise NotFound(error.zh, error.en, **error.facts) from error


def _read_query(query: bytes, known: tuple[str, ...]) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """The parameters that are `known`, by name, and all others in their order."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    given = {name: value for name, value in pairs if name in known}
    said = tuple((name, value) for name, value in pairs if name not in known)
    if given.get("f", "mvt") not in ("mvt", MEDIA_TYPE):
        raise _wrong("f", given["f"], "mvt", "没有这种格式", "there is no such format")
    return given, said


def _as_of(given: dict[str, str]) -> AsOf:
    version = given.get("version")
    if version is not None and not _VERSION.fullmatch(version):
        raise _wrong("version", version, "a positive whole number", "应为正整数", "not a version")
    moment = given.get("datetime")
    if version is None and moment is None:
        return NOW
    return as_of(None if version is None else int(version), moment)


def _filter(given: dict[str, str]) -> FilterExpression | None:
    return filter_of(*(given.get(name) for name in FILTER))


def _wrong(field: str, value: str, expected: str, zh: str, en: str) -> BadRequest:
    return BadRequest(f"{zh}：{field}", f"{en}: {field!r}", field=field, value=value, expected=expected)
