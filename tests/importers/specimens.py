"""Small files as they really come, written for a test: each with the one trouble its test is about."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyogrio.raw
import shapely

from importers.opening import opened
from importers.options import ImportOptions
from importers.source import Chunk, Source

GRIDS = {
    "网格编码": ["341502001001001", "341502001001002", "341502001001003"],
    "网格名称": ["中市街道一网格", "中市街道二网格", "中市街道三网格"],
}
"""Attributes of three unit grids under names a Shapefile can hold."""


def squares(
    count: int = 3, *, west: float = 39_455_000.0, south: float = 3_512_000.0, size: float = 100.0
) -> list[shapely.Polygon]:
    """Squares in a row, in metres of EPSG:4527 unless told otherwise."""
    return [shapely.box(west + i * size, south, west + (i + 1) * size, south + size) for i in range(count)]


def points(count: int = 3, *, lon: float = 116.5, lat: float = 31.74) -> list[shapely.Point]:
    """Points in a row, degrees."""
    return [shapely.Point(lon + 0.001 * i, lat) for i in range(count)]


def vector(
    path: Path,
    shapes: Sequence[shapely.Geometry | None],
    fields: Mapping[str, Sequence[Any]],
    *,
    crs: str | None = "EPSG:4490",
    driver: str | None = None,
    geometry_type: str | None = None,
    encoding: str | None = None,
    layer: str | None = None,
    append: bool = False,
) -> Path:
    """A vector file of any kind GDAL writes."""
    drivers = {".shp": "ESRI Shapefile", ".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".geojson": "GeoJSON"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # long names are laundered: that is what some tests are about
        pyogrio.raw.write(
            path,
            np.array([None if s is None else shapely.to_wkb(s) for s in shapes], dtype=object),
            [np.array(list(values), dtype=_dtype(values)) for values in fields.values()],
            list(fields),
            geometry_type=geometry_type or next(s.geom_type for s in shapes if s is not None),
            crs=crs,
            driver=driver or drivers[path.suffix],
            layer=layer,
            append=append,
            **({} if encoding is None else {"encoding": encoding}),
        )
    return path


def shapefile(
    folder: Path,
    name: str = "单元网格",
    shapes: Sequence[shapely.Geometry] | None = None,
    fields: Mapping[str, Sequence[Any]] | None = None,
    *,
    encoding: str = "GBK",
    cpg: bool = False,
    prj: bool = True,
    crs: str = "EPSG:4527",
) -> Path:
    """A Shapefile of three unit grids, as a survey office sends it: GBK, no .cpg."""
    path = vector(folder / f"{name}.shp", shapes or squares(), fields or GRIDS, crs=crs, encoding=encoding)
    if not cpg:
        path.with_suffix(".cpg").unlink(missing_ok=True)
    if not prj:
        path.with_suffix(".prj").unlink(missing_ok=True)
    return path


def text(folder: Path, name: str, content: str, encoding: str = "utf-8") -> Path:
    """A text file in any encoding, its line ends as they are."""
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return path


def features(*rows: tuple[Mapping[str, Any], object]) -> str:
    """GeoJSON text of (properties, geometry), the geometry shapely's or JSON."""
    return json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": dict(properties),
                    "geometry": shapely.geometry.mapping(shape)
                    if isinstance(shape, shapely.Geometry)
                    else shape,
                }
                for properties, shape in rows
            ],
        },
        ensure_ascii=False,
    )


def workbook(path: Path, sheets: Mapping[str, Iterable[Sequence[Any]]], merged: Sequence[str] = ()) -> Path:
    """An Excel workbook; `merged` are ranges of its first sheet."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    for block in merged:
        book.worksheets[0].merge_cells(block)
    book.save(path)
    return path


def packed(path: Path, members: Mapping[str, bytes | Path]) -> Path:
    """A .zip; names with Chinese are written as UTF-8."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content.read_bytes() if isinstance(content, Path) else content)
    return path


def parts_of(shp: Path) -> dict[str, bytes | Path]:
    """The files of a Shapefile by name."""
    return {p.name: p for p in sorted(shp.parent.iterdir()) if p.stem == shp.stem}


def sources(path: Path, **options: Any) -> list[Source]:
    """The sources in a file that needs no unpacking."""
    with opened([path], ImportOptions(**options)) as found:
        return found


def source(path: Path, **options: Any) -> Source:
    """The only source in a file."""
    (only,) = sources(path, **options)
    return only


def whole(found: Source, rows: int = 20_000) -> Chunk:
    """All rows of a source as one chunk."""
    chunks = list(found.read(rows))
    assert len(chunks) == 1
    return chunks[0]


def column(found: Source, name: str) -> list[Any]:
    """All values of a column."""
    return [value for chunk in found.read(20_000) for value in chunk.columns[name].to_pylist()]


def _dtype(values: Sequence[Any]) -> Any:
    return object if any(isinstance(v, str) or v is None for v in values) else None
