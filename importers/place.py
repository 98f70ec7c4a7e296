"""Which reference system coordinates are in, and whether they fit the one they are said to be in.

A guess is made only where the numbers allow one answer; it is always written down with its evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from gis.crs import CGCS2000, CRS, Frame, Guess, describe, guess_gauss, read_crs, reproject
from gis.errors import UnknownCrs
from gis.local_systems import LocalSystem
from importers.errors import UnknownPlace
from importers.local_systems import PREFIX, local_system
from importers.options import ImportOptions
from importers.shaped import SAMPLE, shaped
from importers.source import Chunk, Found, Geometries, Note, Source
from layers.model import BoundingBox

_CHINA_LON, _CHINA_LAT = (73.0, 136.0), (3.0, 54.0)
"""Degrees that China spans, islands included."""
_MOST = 0.95
_BESIDE = 0.05
"""Degrees beside the city's box that still speak for the city (some 5 km)."""
_Sampled = tuple[Source, NDArray[np.float64], NDArray[np.float64]]
"""A source, and coordinates of its first shapes as it gives them."""


def placed(source: Source, options: ImportOptions, city: BoundingBox | None = None) -> Source:
    """`source` with geometry and a reference system, its evidence and its axes in order.

    A table gets points from its coordinate columns, or shapes from its WKT. `city` (EPSG:4490) decides the
    zone of plane coordinates that do not say theirs. Raises `NoGeometry` if there is nothing to place rows
    by, `UnknownPlace` if the numbers cannot be placed.
    """
    source, assume_degrees = shaped(source, options)
    return _with_crs(source, options, assume_degrees, city)


def _with_crs(
    source: Source, options: ImportOptions, assume_degrees: bool, city: BoundingBox | None
) -> Source:
    x, y = first_places(source)
    system = local_system(options)
    if system is not None:
        return _from_local(source, system, x, y, options)
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


def _from_local(
    source: Source,
    system: LocalSystem,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    options: ImportOptions,
) -> Source:
    """`source` brought out of a city-local system; axes are exchanged where only so it lands in the zone."""
    exchange = bool(options.swapped)
    if x.size and options.swapped is None:
        lands = [_lands(system.target, *system.forward(*pair)) for pair in ((x, y), (y, x))]
        exchange = lands == [False, True]
    if exchange:
        source, x, y = _flipped(source), y, x

    def read(rows: int, inner: Callable[[int], Iterator[Chunk]] = source.read) -> Iterator[Chunk]:
        for chunk in inner(rows):
            yield chunk if chunk.geometry is None else chunk.with_geometry(system.placed(chunk.geometry))

    title = system.title or system.name
    found = Found(
        f"{PREFIX}{system.name}",
        f"地方坐标系“{title}”，换算至 {describe(system.target)}",
        f"the local system {title!r}, brought to {describe(system.target)}",
    )
    placed = replace(source, read=read, crs=system.target, crs_found=found, route=system.route())
    if x.size:
        _check_fit(placed, *system.forward(x, y))
    return placed


def _in_frame(source: Source, frame: Frame | None) -> Source:
    """Says in the evidence that the coordinates are shifted as web maps show them."""
    if frame in (None, "cgcs2000", "wgs84") or source.crs_found is None:
        return source
    found = source.crs_found
    zh, en = f"{found.zh}；由导入者指定为 {frame} 偏移坐标", f"{found.en}; said to be shifted as {frame}"
    return replace(source, frame=frame, crs_found=Found(f"{found.value} ({frame})", zh, en))


def first_places(source: Source) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One coordinate pair, as it stands in the file, of each of the first shapes, or those it brings."""
    if source.sample is not None:
        return source.sample
    for chunk in source.read(SAMPLE):
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
            yield chunk.with_geometry(_exchanged(chunk.geometry))

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
