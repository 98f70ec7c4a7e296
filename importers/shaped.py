"""Shapes of a table's rows: the columns that hold coordinates, or WKT, by their names."""

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

from importers.coerce import numbers
from importers.errors import NoGeometry
from importers.masks import mask_of
from importers.names import folded
from importers.options import ImportOptions
from importers.shapes_read import from_wkt
from importers.source import Chunk, Geometries, Note, Source, Trouble

X, Y, WKT, CODE = "@x", "@y", "@wkt", "@code"
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
SAMPLE = 20_000
"""Rows that are looked at to see what is in a table."""


class Columns(NamedTuple):
    """The columns that hold the place: `x` and `y`, or `wkt`."""

    x: str | None = None
    y: str | None = None
    wkt: str | None = None
    degrees: bool = False

    @property
    def used(self) -> tuple[str, ...]:
        return tuple(c for c in (self.x, self.y, self.wkt) if c is not None)


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
    for chunk in source.read(SAMPLE):
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
        return chunk.with_geometry(np.empty(0, dtype=object))
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
        return chunk.with_geometry(np.empty(0, dtype=object))
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


def _no_geometry(source: Source) -> NoGeometry:
    names = source.schema.names
    return NoGeometry(
        source.title,
        f"表格没有坐标：找不到经纬度、X/Y 坐标或 WKT 列（有：{'、'.join(names[:12])}）；"
        "可用 columns 指定哪两列是坐标，或用 --by-code 指定哪一列是已发布图层的编码",
        f"the table has no coordinates: no longitude/latitude, x/y or WKT column (there are"
        f" {', '.join(names[:12])}); say which columns hold them by `columns`, or which holds the codes of a"
        " published layer by --by-code",
        found=", ".join(names[:30]),
        expected="lon/lat, x/y or WKT columns",
    )
