"""Files of tile matrix sets (JSON of OGC 17-083r4 §7.1, as morecantile writes them too), read and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from math import isfinite, pi
from pathlib import Path
from typing import Any

from pyproj import CRS

from gis.crs import read_crs
from gis.errors import BadMatrixSet, UnknownCrs
from gis.matrix_sets import MATRIX_SETS, METRES_PER_DEGREE, PIXEL_M
from gis.own_matrix_sets import (
    BUILT_IN,
    AnyMatrixSet,
    Level,
    MatrixSets,
    OwnMatrixSet,
    has_domain,
    is_in_domain,
)

MAX_LEVELS = 40
MAX_SIDE_PIXELS = 4096
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_NUMBER = re.compile(r"0|[1-9][0-9]?")
_SCALE_TOLERANCE = 0.01
_NORTH = frozenset(("n", "lat", "northing", "north", "latitude"))
_EAST = frozenset(("e", "lon", "long", "easting", "east", "longitude"))
_DEGREES_AS_4490 = frozenset(("EPSG:4490", "EPSG:4326", "OGC:CRS84"))
_HANDED_ON = ("description", "keywords", "wellKnownScaleSet", "boundingBox")


def read_matrix_sets(folder: Path) -> MatrixSets:
    """The built-in sets and those of the `*.json` files of a folder, by name; a missing folder has none.

    Raises `BadMatrixSet` naming the file, the member, its value and what was expected.
    """
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not files:
        return BUILT_IN
    found: dict[str, AnyMatrixSet] = dict(MATRIX_SETS)
    for path in files:
        one = read_matrix_set(path)
        if one.id in found:
            raise _wrong(path, "id", one.id, "an id that no other set has: " + ", ".join(found))
        found[one.id] = one
    return MatrixSets(found)


def read_matrix_set(path: Path) -> OwnMatrixSet:
    """The tile matrix set of a file. Raises `BadMatrixSet`."""
    try:
        text = path.read_bytes()
        told = json.loads(text)
    except (OSError, ValueError) as error:
        raise _wrong(path, "(file)", type(error).__name__, "readable JSON in UTF-8") from error
    if not isinstance(told, dict):
        raise _wrong(path, "(file)", type(told).__name__, "an object with id, crs and tileMatrices")
    name = told.get("id")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise _wrong(path, "id", name, "1 to 60 letters, digits, - _ .")
    crs, crs_text = _crs(path, told.get("crs"))
    frame = _frame(path, crs, crs_text)
    axes, is_north_first = _axes(path, crs, told.get("orderedAxes"))
    metres = _metres_per_unit(crs)
    matrices = told.get("tileMatrices")
    if not isinstance(matrices, list) or not 1 <= len(matrices) <= MAX_LEVELS:
        shown = len(matrices) if isinstance(matrices, list) else matrices
        raise _wrong(path, "tileMatrices", shown, f"1 to {MAX_LEVELS} tile matrices")
    levels: dict[int, Level] = {}
    for n, matrix in enumerate(matrices):
        number, level = _level(path, f"tileMatrices[{n}]", matrix, is_north_first, metres)
        if levels and (number <= max(levels) or level.side >= levels[max(levels)].side):
            expected = "numbers that rise while the squares shrink, coarsest first"
            raise _wrong(path, f"tileMatrices[{n}].id", matrix.get("id"), expected)
        _in_place(path, f"tileMatrices[{n}].pointOfOrigin", matrix, level, frame)
        levels[number] = level
    title = told.get("title")
    uri = told.get("uri")
    return OwnMatrixSet(
        id=name,
        title=title if isinstance(title, str) and title.strip() else name,
        crs=crs_text,
        frame=frame,
        axes=axes,
        is_north_first=is_north_first,
        levels=levels,
        metres_per_unit=metres,
        mark=blake2b(text, digest_size=6).hexdigest(),
        uri=uri if isinstance(uri, str) else None,
        written={member: told[member] for member in _HANDED_ON if told.get(member) is not None},
    )


def _crs(path: Path, given: object) -> tuple[CRS, str]:
    """The CRS and how it is written where only a URI may stand."""
    named = given
    if isinstance(named, Mapping):
        named = named.get("uri", named.get("wkt"))
    if isinstance(named, Mapping):  # PROJJSON stands under the name of wkt
        named = json.dumps(named)
    if not isinstance(named, str):
        raise _wrong(
            path, "crs", given, "http://www.opengis.net/def/crs/EPSG/0/…, EPSG:…, or an object with uri"
        )
    if named.rstrip("/").upper().endswith("CRS84"):
        return CRS.from_user_input("OGC:CRS84"), "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    try:
        crs = read_crs(named)
    except UnknownCrs as error:
        raise _wrong(path, "crs", named, "a CRS that PROJ knows, such as EPSG:4547") from error
    return crs, named if named.startswith(
        "http"
    ) else f"http://www.opengis.net/def/crs/EPSG/0/{crs.to_epsg()}"


def _frame(path: Path, crs: CRS, crs_text: str) -> int:
    if crs_text.endswith("CRS84"):
        return 4490
    code = crs.to_epsg()
    if code is None:
        raise _wrong(path, "crs", crs_text, "a CRS with an EPSG code: the database transforms by it")
    if f"EPSG:{code}" in _DEGREES_AS_4490:
        return 4490
    if not has_domain(code):
        raise _wrong(path, "crs", crs_text, "a CRS whose area of use is known and does not cross 180°")
    return code


def _axes(path: Path, crs: CRS, given: object) -> tuple[tuple[str, str], bool]:
    """The names of the axes, and whether the first goes north.

    `X` and `Y` mean what the CRS means by them: in the Gauss zones of China X goes north.
    """
    is_north_first = crs.axis_info[0].direction.lower() in ("north", "south")
    if given is None:
        first, second = (axis.abbrev for axis in crs.axis_info[:2])
        return (first, second), is_north_first
    if not isinstance(given, list) or len(given) != 2 or not all(isinstance(one, str) for one in given):
        raise _wrong(path, "orderedAxes", given, 'two names, such as ["N", "E"]')
    first, second = given
    if first.lower() in _NORTH and second.lower() in _EAST:
        return (first, second), True
    if first.lower() in _EAST and second.lower() in _NORTH:
        return (first, second), False
    own = [axis.abbrev.lower() for axis in crs.axis_info[:2]]
    if [first.lower(), second.lower()] == own[::-1] and own[0] != own[1]:
        return (first, second), not is_north_first
    return (first, second), is_north_first


def _metres_per_unit(crs: CRS) -> float:
    """As OGC 17-083r4 §6.1.1 takes it for scales."""
    factor = float(crs.axis_info[0].unit_conversion_factor)
    return factor * METRES_PER_DEGREE * 180.0 / pi if crs.is_geographic else factor


def _level(
    path: Path, where: str, matrix: object, is_north_first: bool, metres_per_unit: float
) -> tuple[int, Level]:
    if not isinstance(matrix, dict):
        raise _wrong(path, where, matrix, "an object")
    number = matrix.get("id")
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        raise _wrong(path, f"{where}.id", number, "a whole number from 0 to 99, as text")
    if matrix.get("variableMatrixWidths"):
        expected = "none: rows of unequal numbers of squares are not drawn"
        raise _wrong(path, f"{where}.variableMatrixWidths", matrix["variableMatrixWidths"], expected)
    if matrix.get("cornerOfOrigin", "topLeft") != "topLeft":
        raise _wrong(path, f"{where}.cornerOfOrigin", matrix["cornerOfOrigin"], "topLeft")
    pixels = _whole(path, where, matrix, "tileWidth", MAX_SIDE_PIXELS)
    if _whole(path, where, matrix, "tileHeight", MAX_SIDE_PIXELS) != pixels:
        raise _wrong(
            path, f"{where}.tileHeight", matrix["tileHeight"], f"{pixels}, as tileWidth: square tiles"
        )
    cell: Any = matrix.get("cellSize")
    if not _is_number(cell) or not cell > 0:
        raise _wrong(path, f"{where}.cellSize", cell, "a number above 0, in the units of the CRS")
    scale: Any = matrix.get("scaleDenominator")
    by_cell = cell * metres_per_unit / PIXEL_M
    if not _is_number(scale) or abs(scale / by_cell - 1.0) > _SCALE_TOLERANCE:
        expected = f"{by_cell:.10g}, as follows from cellSize and pixels of 0.28 mm"
        raise _wrong(path, f"{where}.scaleDenominator", scale, expected)
    origin = matrix.get("pointOfOrigin")
    if not isinstance(origin, list) or len(origin) != 2 or not all(map(_is_number, origin)):
        raise _wrong(path, f"{where}.pointOfOrigin", origin, "two numbers, in the order of the axes")
    north, west = origin if is_north_first else origin[::-1]
    return int(number), Level(
        side=float(cell) * pixels,
        tile_pixels=pixels,
        corner=(float(west), float(north)),
        columns=_whole(path, where, matrix, "matrixWidth", 999_999_999),
        rows=_whole(path, where, matrix, "matrixHeight", 999_999_999),
    )


def _in_place(path: Path, where: str, matrix: Mapping[str, Any], level: Level, frame: int) -> None:
    """Refuses squares that lie where the CRS has nothing: mostly an origin with its axes exchanged."""

    def extent(west: float, north: float) -> tuple[float, float, float, float]:
        return west, north - level.rows * level.side, west + level.columns * level.side, north

    west, north = level.corner
    if is_in_domain(frame, extent(west, north)):
        return
    expected = "a corner from which the squares reach the area of use of the CRS"
    if is_in_domain(frame, extent(north, west)):
        expected += ': here the two numbers seem exchanged; "orderedAxes" says their order'
    raise _wrong(path, where, matrix["pointOfOrigin"], expected)


def _whole(path: Path, where: str, matrix: Mapping[str, Any], member: str, most: int) -> int:
    value = matrix.get(member)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _wrong(path, f"{where}.{member}", value, f"a whole number from 1 to {most}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _wrong(path: Path, member: str, value: object, expected: str) -> BadMatrixSet:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= 80 else shown[:79] + "…"
    return BadMatrixSet(
        f"瓦片矩阵集文件 {path.name} 的 {member} 为 {shown}，应为 {expected}",
        f"{member} of the tile matrix set in {path.name} is {shown}; expected {expected}",
        file=path.name,
        field=member,
        value=shown,
        expected=expected,
    )
