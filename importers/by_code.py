"""Rows placed by a code: a table without coordinates whose column names districts, grids, components, ….

Only where somebody says which column it is: a table that lacks its coordinates by mistake must not end up on
whatever its district code names. The layer is the published one that has the most of the column's values as
keys; each row gets the geometry of its row there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import shapely

from gis.crs import CGCS2000, Route, describe
from importers.coerce import coerce
from importers.errors import BadTable, NoGeometry
from importers.options import ImportOptions
from importers.shaped import CODE
from importers.source import CHUNK_ROWS, Chunk, Found, Source, Trouble
from layers.access import SYSTEM, scope_for
from layers.db import Database
from layers.model import Layer
from layers.points import shapes_of_keys

SAMPLE = 2000
"""Values, spread over the table, by which the layer is found."""


async def located(
    db: Database, source: Source, layers: Mapping[str, Layer], options: ImportOptions
) -> Source:
    """`source` with the geometries its codes name, if a column is said to hold codes; else as it is.

    Raises `BadTable` if there is no such column, `NoGeometry` if its values are the keys of no layer.
    """
    column = next((c for c, meaning in options.of(source.title).columns.items() if meaning == CODE), None)
    if column is None:
        return source
    if column not in source.schema.names:
        raise BadTable(
            source.title,
            f"没有名为“{column}”的列",
            f"there is no column {column!r}",
            found=", ".join(source.schema.names[:30]),
            expected=column,
        )
    codes = _distinct(source, column)
    layer = await _layer_of(db, codes[:: max(1, len(codes) // SAMPLE)], layers)
    if layer is None:
        raise NoGeometry(
            source.title,
            f"“{column}”列的值（如 {'、'.join(codes[:3]) or '空'}）不是任何已发布图层的编码",
            f"the values of {column!r} ({', '.join(codes[:3]) or 'none'}, …) are keys of no published layer",
            found=", ".join(codes[:10]),
            expected="keys of a published layer",
        )
    shapes = await shapes_of_keys(db, scope_for(SYSTEM, layer), codes)
    return _placed(source, column, layer, shapes, options)


async def _layer_of(db: Database, sample: list[str], layers: Mapping[str, Layer]) -> Layer | None:
    """The published layer that has the most of the sample as keys; None if none has any."""
    best: tuple[int, Layer] | None = None
    for layer in layers.values():
        if layer.version == 0 or layer.key is None or layer.status != "published" or not sample:
            continue
        found = len(await shapes_of_keys(db, scope_for(SYSTEM, layer), sample))
        if found > (0 if best is None else best[0]):
            best = (found, layer)
    return None if best is None else best[1]


def _distinct(source: Source, column: str) -> list[str]:
    """The codes of the column, each once, in the order they come."""
    seen: dict[str, None] = {}
    for chunk in source.read(CHUNK_ROWS):
        if len(chunk):
            seen.update(dict.fromkeys(c for c in _codes(chunk.columns[column]) if c))
    return list(seen)


def _codes(array: pa.Array) -> list[str | None]:
    found: list[str | None] = coerce(array, "text", is_code=True).values.to_pylist()
    return found


def _placed(
    source: Source, column: str, layer: Layer, shapes: Mapping[str, bytes], options: ImportOptions
) -> Source:
    as_points = _wants_points(source, layer, options)

    def read(rows: int) -> Iterator[Chunk]:
        for chunk in source.read(rows):
            yield _with_shapes(chunk, column, layer, shapes, as_points=as_points) if len(chunk) else chunk

    errors = [origin.error_m for origin in layer.origins]
    known = [error for error in errors if error is not None]
    zh = f"按“{column}”列的编码取自图层“{layer.title.zh}”（版本 {layer.version}）"
    en = f"by the codes in {column!r} from the layer {layer.id!r}, version {layer.version}"
    return replace(
        source,
        read=read,
        geometry_type="Point" if as_points else layer.geometry_type,
        crs=CGCS2000,
        crs_found=Found(describe(CGCS2000), zh, en),
        route=Route(zh, en, max(known) if known and len(known) == len(errors) else None),
    )


def _wants_points(source: Source, layer: Layer, options: ImportOptions) -> bool:
    """True for rows of a point layer that are placed by areas: they get a point inside."""
    wanted = options.of(source.title).layer_id
    return layer.geometry_type != "Point" and wanted in ("component", "station", "address", "pipe_node")


def _with_shapes(
    chunk: Chunk, column: str, layer: Layer, shapes: Mapping[str, bytes], *, as_points: bool
) -> Chunk:
    codes = _codes(chunk.columns[column])
    known = np.array([code in shapes for code in codes], dtype=bool)
    troubles = tuple(
        Trouble(
            int(chunk.rows[i]),
            "place.no_code",
            f"编码“{codes[i] or '（空）'}”不在图层“{layer.title.zh}”中",
            f"the layer {layer.id!r} has no {codes[i]!r}",
        )
        for i in np.flatnonzero(~known)
    )
    wkb = [shapes[code] for code in codes if code is not None and code in shapes]
    found = np.empty(len(wkb), dtype=object)
    found[:] = [shapely.from_wkb(one) for one in wkb]
    if as_points:
        found = np.asarray(shapely.point_on_surface(found), dtype=object)
    mask = pa.array(known)
    left = {name: array.filter(mask) for name, array in chunk.columns.items()}
    return Chunk(chunk.rows[known], left, found, (*chunk.troubles, *troubles), chunk.mended)
