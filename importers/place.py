"""Where the rows of a table are: the columns that hold coordinates or WKT, and what the numbers are in.

Also whether the coordinates of any source fit the reference system they are said to be in. A guess is
made only where the numbers allow one answer; it is always written down with its evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from gis.crs import CGCS2000, CRS, Frame, Guess, describe, guess_gauss, read_crs, reproject
from gis.errors import UnknownCrs
from importers.coerce import numbers
from importers.errors import NoGeometry, UnknownPlace
from importers.masks import mask_of
from importers.names import folded
from importers.options import ImportOptions
from importers.shapes_read import from_wkt
from importers.source import Chunk, Found, Geometries, Note, Source, Trouble
from layers.model import BoundingBox

X, Y, WKT = "@x", "@y", "@wkt"
"""Names by which `ImportOptions.columns` may say which column holds what."""

DEGREES = (
    ("经度", "纬度"),
    ("中心点经度", "中心点纬度"),
    ("lon", "lat"),
    ("lng", "lat"),
    ("longitude", "latitude"),
    ("long", "lat"),
    ("longitudemeasure", "latitudemeasure"),  # WQX, the exchange format of water monitoring
)
"""Pairs of names of longitude and latitude, as `names.folded` leaves them; earlier ones win."""
PLANE = (
    ("东坐标", "北坐标"),
    ("easting", "northing"),
    ("横坐标", "纵坐标"),
    ("x", "y"),
    ("x坐标", "y坐标"),
    ("坐标x", "坐标y"),
    ("xcoord", "ycoord"),
    ("pointx", "pointy"),
    ("coordx", "coordy"),
)
"""Pairs that may hold degrees or metres, and of which `x` is the northing in Chinese survey tables."""
WKTS = ("wkt", "geometry", "geom", "thegeom", "wktgeom", "shape", "几何", "图形")

_WKT_START = re.compile(r"\s*(SRID=\d+;)?\s*(MULTI)?(POINT|LINESTRING|POLYGON|GEOMETRYCOLLECTION)\b", re.I)
_CHINA_LON, _CHINA_LAT = (73.0, 136.0), (3.0, 54.0)
"""Degrees that China spans, islands included."""
_MOST = 0.95
_BESIDE = 0.05
"""Degrees beside the city's box that still speak for the city (some 5 km)."""
_SAMPLE = 20_000


_Sampled = tuple[Source, NDArray[np.float64], NDArray[np.float64]]
"""A source, and coordinates of its first shapes as it gives them."""


class Columns(NamedTuple):
    """The columns that hold the place: `x` and `y`, or `wkt`."""

    x: str | None = None
    y: str | None = None
    wkt: str | None = None
    degrees: bool = False

    @property
    def used(self) -> tuple[str, ...]:
        return tuple(c for c in (self.x, self.y, self.wkt) if c is not None)


def placed(source: Source, options: ImportOptions, city: BoundingBox | None = None) -> Source:
    """`source` with geometry and a reference system, its evidence and its axes in order.

    A table gets points from its coordinate columns, or shapes from its WKT. `city` (EPSG:4490) decides the
    zone of plane coordinates that do not say theirs. Raises `NoGeometry` if there is nothing to place rows
    by, `UnknownPlace` if the numbers cannot be placed.
    """
    source, assume_degrees = shaped(source, options)
    return _with_crs(source, options, assume_degrees, city)


def shaped(source: Source, options: ImportOptions) -> tuple[Source, bool]:
    """`source` with geometry, in whatever its coordinates are in; True if their names say degrees.

    Raises `NoGeometry` for a table without columns to place its rows by.
    """
    if source.geometry_type is not None:
        return source, False
    columns = place_columns(source, options)
    if columns is None:
        raise _no_geometry(source)
    return _with_geometry(source, columns), columns.degrees


def place_columns(source: Source, options: ImportOptions) -> Columns | None:
    """The columns of a table that hold the place; None if no names say so."""
    said = {meaning: column for column, meaning in options.columns.items()}
    if WKT in said:
        return Columns(wkt=said[WKT])
    if X in said and Y in said:
        return Columns(said[X], said[Y])
    by_name = {folded(name): name for name in reversed(source.schema.names)}
    for pairs, degrees in ((DEGREES, True), (PLANE, False)):
        for x, y in pairs:
            if x in by_name and y in by_name:
                return Columns(by_name[x], by_name[y], degrees=degrees)
    for name in WKTS:
        if name in by_name and _holds_wkt(source, by_name[name]):
            return Columns(wkt=by_name[name])
    return None


def _holds_wkt(source: Source, column: str) -> bool:
    for chunk in source.read(_SAMPLE):
        values = [v for v in chunk.columns.get(column, pa.nulls(0)).to_pylist() if v]
        if values:
            return bool(_WKT_START.match(str(values[0])))
    return False


def _with_geometry(source: Source, columns: Columns) -> Source:
    def read(rows: int) -> Iterator[Chunk]:
        for chunk in source.read(rows):
            yield _wkt_chunk(chunk, columns.wkt) if columns.wkt else _point_chunk(chunk, columns)

    left = [f for f in source.schema if f.name not in columns.used]
    return replace(
        source,
        schema=pa.schema(left),
        read=read,
        geometry_type="Unknown" if columns.wkt else "Point",
        notes=(
            *source.notes,
            Note(
                "place.columns",
                f"位置取自列：{'、'.join(columns.used)}",
                f"the place is taken from: {', '.join(columns.used)}",
            ),
        ),
    )


def _point_chunk(chunk: Chunk, columns: Columns) -> Chunk:
    """The rows with points; rows whose coordinates are no numbers become troubles."""
    if not len(chunk):
        return replace(chunk, geometry=np.empty(0, dtype=object))
    assert columns.x is not None
    assert columns.y is not None
    x, x_wrong = numbers(chunk.columns[columns.x])
    y, y_wrong = numbers(chunk.columns[columns.y])
    wrong = x_wrong | y_wrong
    there = np.isfinite(x) & np.isfinite(y)
    wrong |= ~there & _is_written(chunk.columns[columns.x]) & _is_written(chunk.columns[columns.y])
    points = np.full(len(chunk), None, dtype=object)
    points[there] = shapely.points(x[there], y[there])
    troubles = []
    for position in np.flatnonzero(wrong):
        values = [str(chunk.columns[c][int(position)].as_py()) for c in (columns.x, columns.y)]
        troubles.append(
            Trouble(
                int(chunk.rows[position]),
                "geometry.not_a_number",
                f"坐标不是数字：{'，'.join(values)}；应为十进制数，如 116.5012",
                f"the coordinates are not numbers: {', '.join(values)}; expected are decimals like 116.5012",
            )
        )
    return _kept(chunk, columns, points, ~wrong, troubles)


def _is_written(array: pa.Array) -> NDArray[np.bool_]:
    """The cells of text in which something stands; a column of numbers has none."""
    if not pa.types.is_string(array.type):
        return np.zeros(len(array), dtype=bool)
    return mask_of(pc.not_equal(pc.utf8_trim_whitespace(array), ""))


def _wkt_chunk(chunk: Chunk, column: str) -> Chunk:
    """The rows with the shapes of their WKT; text that is no WKT becomes a trouble."""
    if not len(chunk):
        return replace(chunk, geometry=np.empty(0, dtype=object))
    texts = [
        None if t is None else re.sub(r"^\s*SRID=\d+;", "", str(t)) for t in chunk.columns[column].to_pylist()
    ]
    shapes, unread, curved = from_wkt(np.array(texts, dtype=object))
    wrong = unread | curved
    troubles = [
        Trouble(
            int(chunk.rows[position]),
            "geometry.unreadable",
            f"WKT {'带圆弧，请转为折线' if curved[position] else '无法解析'}：{str(texts[position])[:40]}",
            f"the WKT {'has arcs' if curved[position] else 'cannot be read'}: {str(texts[position])[:40]}",
        )
        for position in np.flatnonzero(wrong)
    ]
    return _kept(chunk, Columns(wkt=column), shapes, ~wrong, troubles)


def _kept(
    chunk: Chunk, columns: Columns, shapes: Geometries, keep: NDArray[np.bool_], troubles: list[Trouble]
) -> Chunk:
    left = {name: array for name, array in chunk.columns.items() if name not in columns.used}
    if not keep.all():
        mask = pa.array(keep)
        left = {name: array.filter(mask) for name, array in left.items()}
    return Chunk(chunk.rows[keep], left, shapes[keep], chunk.troubles + tuple(troubles), chunk.mended)


# ---------------------------------------------------------------- reference system


def _with_crs(
    source: Source, options: ImportOptions, assume_degrees: bool, city: BoundingBox | None
) -> Source:
    x, y = first_places(source)
    if options.crs is not None:
        source = _said_crs(source, options.crs)
    elif source.crs is None and options.frame is not None:
        source = replace(
            source, crs=CGCS2000, crs_found=Found("EPSG:4490", "经纬度", "longitude and latitude")
        )
    elif source.crs is None:
        source, x, y = _guessed(source, x, y, options, assume_degrees, city)
    source, x, y = _axes(source, x, y, options)
    if x.size:
        _check_fit(source, x, y)
        _check_not_degrees(source, x, y, options)
    return _in_frame(source, options.frame)


def _in_frame(source: Source, frame: Frame | None) -> Source:
    """Says in the evidence that the coordinates are shifted as web maps show them."""
    if frame in (None, "cgcs2000", "wgs84") or source.crs_found is None:
        return source
    found = source.crs_found
    zh, en = f"{found.zh}；由导入者指定为 {frame} 偏移坐标", f"{found.en}; said to be shifted as {frame}"
    return replace(source, frame=frame, crs_found=Found(f"{found.value} ({frame})", zh, en))


def first_places(source: Source) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One coordinate pair, as it stands in the file, of each of the first shapes."""
    for chunk in source.read(_SAMPLE):
        if chunk.geometry is None or not len(chunk):
            continue
        coordinates, owner = shapely.get_coordinates(chunk.geometry, return_index=True)
        _, first = np.unique(owner, return_index=True)
        pairs = coordinates[first]
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        if len(pairs):
            return pairs[:, 0], pairs[:, 1]
    return np.empty(0), np.empty(0)


def _said_crs(source: Source, text: str) -> Source:
    try:
        crs = read_crs(text)
    except UnknownCrs as error:
        raise UnknownPlace(
            source.title, error.zh, error.en, found=text, expected="EPSG:n, WKT, PROJ"
        ) from error
    return replace(source, crs=crs, crs_found=Found(describe(crs), "由导入者指定", "said by the importer"))


def _guessed(
    source: Source,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    options: ImportOptions,
    assume_degrees: bool,
    city: BoundingBox | None,
) -> _Sampled:
    """`source` with the one reference system that its numbers allow; raises `UnknownPlace`."""
    if assume_degrees or not x.size or _are_degrees(source, x, y):
        return replace(source, crs=CGCS2000, crs_found=_degrees_found(x, y), crs_assumed=True), x, y
    guess = guess_gauss(x, y) if city is None else guess_gauss(x, y, home=_middle(city))
    if guess is None:
        raise _cannot_place(source, x, y)
    crs = read_crs(guess.epsg)
    east, north = (y, x) if guess.swapped else (x, y)
    zh, en = guess.evidence_zh, guess.evidence_en
    if not guess.certain:
        if city is None or not _lies_in(city, crs, east, north):
            raise _uncertain(source, guess)
        zh += "；按此带换算后落在本市区县范围内，而邻带相差约 280 km，不会混淆"
        en += (
            "; with it they lie inside the city's districts, and the next zone would be some 280 km off,"
            " so it can be no other"
        )
    source = replace(source, crs=crs, crs_found=Found(describe(crs), zh, en), crs_assumed=True)
    return (_flipped(source), y, x) if guess.swapped and options.swapped is None else (source, x, y)


def _are_degrees(source: Source, x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """True if the numbers can only be degrees. Small ones in a drawing may be metres of its own plane."""
    if source.format == "DXF":
        return are_chinese_degrees(x, y)
    return _share((np.abs(x) <= 180) & (np.abs(y) <= 180)) >= _MOST


def are_chinese_degrees(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """True if the numbers are longitudes and latitudes of China."""
    return _share(_within(x, _CHINA_LON) & _within(y, _CHINA_LAT)) >= _MOST


def _degrees_found(x: NDArray[np.float64], y: NDArray[np.float64]) -> Found:
    shown = f"{x.min():.4f}–{x.max():.4f}, {y.min():.4f}–{y.max():.4f}" if x.size else "–"
    return Found(
        describe(CGCS2000),
        f"没有声明坐标系；数值（{shown}）为度，按 CGCS2000 经纬度处理",
        f"no reference system is stated; the numbers ({shown}) are degrees, taken as CGCS2000",
    )


def _uncertain(source: Source, guess: Guess) -> UnknownPlace:
    return UnknownPlace(
        source.title,
        f"没有声明坐标系，且{guess.evidence_zh}。若属实，请用 crs=EPSG:{guess.epsg} 指定",
        f"no reference system is stated, and {guess.evidence_en}. If that is right,"
        f" say crs=EPSG:{guess.epsg}",
        found=guess.evidence_en,
        expected=f"crs=EPSG:{guess.epsg}, or another",
        suggestion=f"EPSG:{guess.epsg}",
    )


def _middle(box: BoundingBox) -> tuple[float, float]:
    return (box.west + box.east) / 2, (box.south + box.north) / 2


def _lies_in(box: BoundingBox, crs: CRS, x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """True if most of the coordinates (of `crs`, easting first) lie in `box`, or up to a cell beside it."""
    points = reproject(np.asarray(shapely.points(x, y), dtype=object), crs)
    lon, lat = shapely.get_x(points), shapely.get_y(points)
    inside = (lon >= box.west - _BESIDE) & (lon <= box.east + _BESIDE)
    return _share(inside & (lat >= box.south - _BESIDE) & (lat <= box.north + _BESIDE)) >= _MOST


def _axes(source: Source, x: NDArray[np.float64], y: NDArray[np.float64], options: ImportOptions) -> _Sampled:
    """Exchanges the axes if told to; raises `UnknownPlace` if degrees look exchanged and nobody spoke."""
    if options.swapped:
        return _flipped(source), y, x
    if options.swapped is False or source.crs is None or not x.size:
        return source, x, y
    if source.crs.is_geographic:
        beyond = _share((np.abs(y) > 90) & (np.abs(x) <= 90))
        china = _share(_within(x, _CHINA_LAT) & _within(y, _CHINA_LON))
        if max(beyond, china) >= _MOST:
            raise UnknownPlace(
                source.title,
                f"经纬度看来颠倒了（前一列 {x.min():.4f}–{x.max():.4f} 像纬度，"
                f"后一列 {y.min():.4f}–{y.max():.4f} 像经度）；若是，请用 swapped=true 导入",
                f"longitude and latitude look exchanged (the first is {x.min():.4f}–{x.max():.4f}, the second"
                f" {y.min():.4f}–{y.max():.4f}); if so, import with swapped=true",
                found="latitude first",
                expected="longitude first, or swapped=true",
            )
    elif source.crs.is_projected:
        guess = guess_gauss(x, y)
        if guess is not None and guess.swapped and not _lands(source.crs, x, y) and _lands(source.crs, y, x):
            return _flipped(source), y, x
    return source, x, y


def _check_fit(source: Source, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Raises `UnknownPlace` if the coordinates lie nowhere near where the reference system is used."""
    assert source.crs is not None
    if source.crs.is_geographic:
        if _share((np.abs(x) <= 180) & (np.abs(y) <= 90)) >= 1 - _MOST:
            return
    elif _lands(source.crs, x, y):
        return
    guess = guess_gauss(x, y)
    hint_zh = f"；{guess.evidence_zh}" if guess else ""
    hint_en = f"; {guess.evidence_en}" if guess else ""
    raise UnknownPlace(
        source.title,
        f"坐标与所声明的坐标系（{describe(source.crs)}）不符：{_ranges(x, y)}{hint_zh}。请用 crs 指定",
        f"the coordinates ({_ranges(x, y)}) do not fit the reference system {describe(source.crs)}{hint_en}."
        " Say the right one by `crs`",
        found=_ranges(x, y),
        expected=f"coordinates in {describe(source.crs)}",
    )


def _check_not_degrees(
    source: Source, x: NDArray[np.float64], y: NDArray[np.float64], options: ImportOptions
) -> None:
    """Raises `UnknownPlace` for degrees of China under a projected system that a file states, not a person.

    Where such a system holds the whole world (Web Mercator) they would lie off the coast of Africa, and fit.
    """
    assert source.crs is not None
    in_china = _share(_within(x, _CHINA_LON) & _within(y, _CHINA_LAT))
    if options.crs is not None or not source.crs.is_projected or in_china < _MOST:
        return
    raise UnknownPlace(
        source.title,
        f"所声明的坐标系（{describe(source.crs)}）以米为单位，而数值是经纬度：{_ranges(x, y)}。"
        "请用 crs 指定，如 crs=EPSG:4490",
        f"the reference system stated, {describe(source.crs)}, is in metres, and the numbers are longitude"
        f" and latitude: {_ranges(x, y)}. Say the right one by `crs`, for example crs=EPSG:4490",
        found=_ranges(x, y),
        expected=f"coordinates in {describe(source.crs)}",
        suggestion="EPSG:4490",
    )


def _lands(crs: CRS, x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """True if the median of the coordinates lies in the area of use of `crs`, or a few degrees beside it."""
    middle = np.array([shapely.Point(float(np.median(x)), float(np.median(y)))], dtype=object)
    moved = reproject(middle, crs)[0]
    if moved is None:
        return False
    area = crs.area_of_use
    if area is None:
        return bool(abs(moved.x) <= 180 and abs(moved.y) <= 90)
    in_width = area.west - 6 <= moved.x <= area.east + 6
    return bool(in_width and area.south - 6 <= moved.y <= area.north + 6)


def _flipped(source: Source) -> Source:
    def read(rows: int) -> Iterator[Chunk]:
        for chunk in source.read(rows):
            if chunk.geometry is None:
                yield chunk
                continue
            yield replace(chunk, geometry=_exchanged(chunk.geometry))

    note = Note(
        "place.swapped",
        "两列坐标已对调（前者为北/纬度，后者为东/经度）",
        "the two coordinates were exchanged: the first was northing or latitude",
    )
    return replace(source, read=read, notes=(*source.notes, note))


def _exchanged(shapes: Geometries) -> Geometries:
    """The shapes with x and y exchanged, heights dropped."""
    flat = shapely.force_2d(shapes)
    return np.asarray(shapely.transform(flat, lambda c: c[:, ::-1]), dtype=object)


def _within(values: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.bool_]:
    return (values >= span[0]) & (values <= span[1])


def _share(holds: NDArray[np.bool_]) -> float:
    return float(np.mean(holds)) if holds.size else 0.0


def _ranges(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    return f"x {x.min():.1f}…{x.max():.1f}, y {y.min():.1f}…{y.max():.1f}"


def _cannot_place(source: Source, x: NDArray[np.float64], y: NDArray[np.float64]) -> UnknownPlace:
    told_zh = f"（{source.crs_found.zh}）" if source.crs_found else ""
    told_en = f" ({source.crs_found.en})" if source.crs_found else ""
    return UnknownPlace(
        source.title,
        f"没有可用的坐标系声明{told_zh}，数值（{_ranges(x, y)}）也不像任何高斯分带；"
        "请用 crs 指定，如 crs=EPSG:4548",
        f"no usable reference system is stated{told_en} and the numbers ({_ranges(x, y)}) fit no Gauss-Krüger"
        " zone; say it by `crs`, for example crs=EPSG:4548",
        found=_ranges(x, y),
        expected="crs=EPSG:n",
    )


def _no_geometry(source: Source) -> NoGeometry:
    names = source.schema.names
    return NoGeometry(
        source.title,
        f"表格没有坐标：找不到经纬度、X/Y 坐标或 WKT 列（有：{'、'.join(names[:12])}）；"
        "可用 columns 指定哪两列是坐标",
        f"the table has no coordinates: no longitude/latitude, x/y or WKT column (there are"
        f" {', '.join(names[:12])}); say which columns hold them by `columns`",
        found=", ".join(names[:30]),
        expected="lon/lat, x/y or WKT columns",
    )
