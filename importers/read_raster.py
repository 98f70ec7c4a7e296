"""GeoTIFF: what a file says of its grid, its bands and where it lies; refused where that cannot be right.

The pixels are not read here, but for the four in the corners.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import rasterio
import shapely
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from gis.crs import CRS, describe, read_crs
from gis.errors import UnknownCrs
from importers.errors import BadFile, UnknownPlace, Unreadable
from importers.options import ImportOptions
from importers.source import Chunk, Found, Note, Pixels, Source

MOST_PIXELS = 10_000_000_000
"""100,000 × 100,000: 600 km² at 8 cm, a whole city's district in one file."""
MOST_BANDS = 32
TYPES = frozenset(("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"))
STANDS_FOR_NOTHING = (-9999.0, -99999.0, -32768.0, -32767.0, float(np.finfo(np.float32).min))
"""Numbers that programs write where they know nothing, and often do not say so."""
_ALONG = 8
"""Points along each side of the outline, as sides of a zone's grid are curves in degrees."""
_STAMP = re.compile(r"((?:19|20)\d{2})[:-](0[1-9]|1[0-2])[:-](0[1-9]|[12]\d|3[01])")


def raster_sources(path: Path, file: str, options: ImportOptions) -> list[Source]:
    """The one source of a GeoTIFF; its row is the outline of its grid.

    Raises `Unreadable` for what is no GeoTIFF, `UnknownPlace` for a grid without a place or askew, `BadFile`
    for one too large or of numbers that no picture is made of.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            opening = rasterio.open(path, driver="GTiff")
        with opening as opened:
            pixels = _pixels(opened, file)
            crs, found = _crs(opened, path)
            nodata, notes = _nodata(opened, pixels)
            notes += _other_alpha(opened, pixels)
    except (RasterioError, OSError) as error:
        raise Unreadable(
            file,
            "不是可读的 GeoTIFF，或文件不完整",
            "this is no GeoTIFF that can be read, or it was cut short",
            found=str(error)[:200],
            expected="a whole GeoTIFF",
        ) from error
    pixels = Pixels(**{**pixels.__dict__, "nodata": nodata})

    def read(_: int) -> Iterator[Chunk]:
        yield Chunk(np.array([1]), {}, np.array([_outline(pixels)], dtype=object))

    return [
        Source(
            path=path,
            file=file,
            name=path.stem,
            format="GeoTIFF",
            schema=pa.schema([]),
            read=read,
            geometry_type="Polygon",
            count=1,
            crs=crs,
            crs_found=found,
            notes=notes,
            pixels=pixels,
        )
    ]


def _pixels(opened: DatasetReader, file: str) -> Pixels:
    _check_size(opened, file)
    _check_grid(opened, file)
    is_alpha = [each == ColorInterp.alpha for each in opened.colorinterp]
    if is_alpha[-1] and opened.count > 1 and not _hides(opened):
        is_alpha[-1] = False
    if any(is_alpha[:-1]) or all(is_alpha):
        raise BadFile(
            file,
            "透明（alpha）波段应为最后一个，且不能是唯一的波段",
            "the alpha band has to be the last one, and not the only one",
            found=", ".join(each.name for each in opened.colorinterp),
            expected="alpha last",
        )
    number = opened.count - sum(is_alpha)
    titles = tuple(
        (opened.descriptions[n] or _colour_name(opened.colorinterp[n]) or f"{n + 1}") for n in range(number)
    )
    stamped = _STAMP.match(opened.tags().get("TIFFTAG_DATETIME", ""))
    step = opened.transform
    return Pixels(
        width=opened.width,
        height=opened.height,
        corner=(step.c, step.f),
        step=(step.a, step.e),
        types=tuple(opened.dtypes[:number]),
        titles=titles,
        has_alpha=any(is_alpha),
        has_palette=opened.colorinterp[0] == ColorInterp.palette,
        nodata=opened.nodata,
        stamp="-".join(stamped.groups()) if stamped else None,
    )


def _hides(opened: DatasetReader) -> bool:
    """Whether the last band, which is called alpha, is one: it hides or shows, and seldom anything between.

    Programs call the fourth band of an aerial image alpha when it is near infrared.
    """
    between = 0
    total = 0
    for part in (0.1, 0.3, 0.5, 0.7, 0.9):
        column, row = int(opened.width * part), int(opened.height * part)
        window: Any = ((row, min(row + 64, opened.height)), (column, min(column + 64, opened.width)))
        values = opened.read(opened.count, window=window)
        between += int(((values != values.dtype.type(0)) & (values != _opaque(values.dtype))).sum())
        total += values.size
    return between * 2 <= total


def _opaque(kind: np.dtype[Any]) -> float:
    return 1.0 if kind.kind == "f" else float(np.iinfo(kind).max)


def _colour_name(colour: ColorInterp) -> str | None:
    return str(colour.name) if colour in (ColorInterp.red, ColorInterp.green, ColorInterp.blue) else None


def _check_size(opened: DatasetReader, file: str) -> None:
    if opened.width * opened.height > MOST_PIXELS or opened.count > MOST_BANDS:
        raise BadFile(
            file,
            f"栅格过大：{opened.width} × {opened.height} 像素、{opened.count} 个波段；请分幅后分别导入",
            f"{opened.width} × {opened.height} pixels in {opened.count} bands are too many; cut it in sheets",
            found=f"{opened.width} × {opened.height} × {opened.count}",
            expected=f"at most {MOST_PIXELS} pixels, {MOST_BANDS} bands",
        )
    odd = [each for each in opened.dtypes if each not in TYPES]
    if odd or len(set(opened.dtypes)) > 1:
        raise BadFile(
            file,
            f"像素类型 {'、'.join(sorted(set(opened.dtypes)))} 不支持；各波段应为同一种整数或浮点数",
            f"pixels of type {', '.join(sorted(set(opened.dtypes)))} are not read; all bands have to be of"
            " one type of whole or floating numbers",
            found=", ".join(opened.dtypes),
            expected=", ".join(sorted(TYPES)),
        )


def _check_grid(opened: DatasetReader, file: str) -> None:
    grid = opened.transform
    if grid.is_identity or not all(np.isfinite(tuple(grid)[:6])):
        points = len(opened.gcps[0])
        zh = f"只有 {points} 个控制点，没有配准" if points else "没有地理配准（也没有同名 .tfw）"
        en = f"it has {points} control points only" if points else "there is none, nor a .tfw beside it"
        raise UnknownPlace(
            file,
            f"栅格{zh}；请先配准（如 gdalwarp）再导入",
            f"the raster has no place on the ground: {en}. Georeference it first, for example by gdalwarp",
            found=en,
            expected="a georeferenced GeoTIFF, or a .tfw of the same name",
        )
    if abs(grid.b) > 1e-9 * abs(grid.a) or abs(grid.d) > 1e-9 * abs(grid.e) or grid.a <= 0 or grid.e >= 0:
        raise UnknownPlace(
            file,
            "栅格是旋转或翻转的（行列与坐标轴不平行，或不是自西向东、自北向南）；请先用 gdalwarp 转正",
            "the raster's grid is rotated or flipped: rows have to run from west to east, and from north to"
            " south. Turn it with gdalwarp first",
            found=f"{tuple(round(v, 9) for v in tuple(grid)[:6])}",
            expected="a grid along the axes",
        )


def _crs(opened: DatasetReader, path: Path) -> tuple[CRS | None, Found | None]:
    """The reference system that the file says, or a .prj beside it; None if nobody says one."""
    if opened.crs is not None:
        text, where = opened.crs.to_wkt(), Found("", "文件内声明", "stated in the file")
    else:
        beside = next((p for p in path.parent.glob("*") if _is_prj_of(p, path)), None)
        if beside is None:
            return None, None
        text = beside.read_bytes()[:100_000].decode("utf-8", "replace")
        where = Found("", f"取自 {beside.suffix} 文件", f"from the {beside.suffix} beside it")
    try:
        crs = read_crs(text)
    except UnknownCrs:
        short = re.sub(r"\s+", " ", text)[:120]
        found = Found(
            short, f"{where.zh}的坐标系无法识别：{short}", f"the one {where.en} is not known: {short}"
        )
        return None, found
    return crs, Found(describe(crs), where.zh, where.en)


def _is_prj_of(beside: Path, path: Path) -> bool:
    return beside.suffix.lower() == ".prj" and beside.stem.lower() == path.stem.lower()


def _nodata(opened: DatasetReader, pixels: Pixels) -> tuple[float | None, tuple[Note, ...]]:
    """The number that stands for nothing: declared, NaN in floats, or one that all corners tell."""
    if pixels.nodata is not None or pixels.has_alpha or pixels.types[0] in ("uint8", "int8", "uint16"):
        return pixels.nodata, ()
    columns, rows = (0, opened.width - 1), (0, opened.height - 1)
    corners: list[float] = []
    for column in columns:
        for row in rows:
            window: Any = ((row, row + 1), (column, column + 1))
            corners.append(float(opened.read(1, window=window)[0, 0]))
    for number in STANDS_FOR_NOTHING:
        if number in corners:
            note = Note(
                "raster.nodata",
                f"未声明无数据值；角上像素为 {number:g}，按无数据处理",
                f"no value is declared to mean nothing; a corner holds {number:g}, which is taken for it",
            )
            return number, (note,)
    return (float("nan") if pixels.types[0].startswith("float") else None), ()


def _other_alpha(opened: DatasetReader, pixels: Pixels) -> tuple[Note, ...]:
    if pixels.has_alpha or opened.colorinterp[-1] != ColorInterp.alpha:
        return ()
    return (
        Note(
            "raster.alpha",
            "末波段标为透明（alpha），但其值不只是全透明与不透明，按普通波段处理",
            "the last band is called alpha but hides nothing; it is taken for a band like the others",
        ),
    )


def _outline(pixels: Pixels) -> shapely.Polygon:
    """The edge of the grid in the file's coordinates, with points along its sides."""
    west, north = pixels.corner
    east, south = west + pixels.width * pixels.step[0], north + pixels.height * pixels.step[1]
    ring = shapely.LinearRing([(west, north), (west, south), (east, south), (east, north)])
    return shapely.Polygon(shapely.segmentize(ring, ring.length / 4 / _ALONG))
