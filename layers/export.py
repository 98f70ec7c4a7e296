"""A layer as a file's content: every row of a scope, in the order of their ids, as GeoJSON or CSV.

Rows are streamed from one snapshot and never held whole. Files that need a library of their own (GeoPackage,
Shapefile) are written by who has it; here are the two that are text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import orjson
import shapely
from sqlalchemy import select

from gis.outgoing import Outgoing
from layers.access import Scope
from layers.db import Database
from layers.features import Feature, feature_columns, make_feature
from layers.model import Field
from layers.query import FeatureQuery, conditions_of
from layers.relation_state import reading
from layers.rows import order_of, rows

BATCH_ROWS = 2_000
BOM = b"\xef\xbb\xbf"
"""By which Excel knows that a CSV is UTF-8."""
Headers = Literal["titles", "names"]
_LON_LAT = ("经度", "纬度")
_EAST_NORTH = ("东坐标", "北坐标")
_WKT = "WKT"
"""How columns of places are called; an import finds them by these names."""


async def each_batch(
    db: Database, scope: Scope, query: FeatureQuery, size: int = BATCH_ROWS
) -> AsyncGenerator[list[Feature]]:
    """The features that `query` chooses (its limit and cursor aside), `size` at a time, as of one moment.

    Raises as `layers.query.features` does.
    """
    table = rows(scope).subquery("scoped")
    fields = query.fields if query.fields is not None else scope.fields
    statement = select(*feature_columns(scope, table, fields)).where(*conditions_of(scope, table, query))
    statement = statement.order_by(order_of(scope, table))
    statement = statement.execution_options(yield_per=size)
    async with reading(db, scope) as connection, connection.stream(statement) as found:
        async for some in found.partitions(size):
            yield [make_feature(row, fields) for row in some]


def moved(features: Sequence[Feature], system: Outgoing) -> list[Feature]:
    """The features with their geometry in `system`, easting or longitude first."""
    shapes = shapely.from_geojson(np.array([f.geometry for f in features], dtype=object))
    texts = shapely.to_geojson(system.moved(shapes, own_order=False))
    return [replace(f, geometry=None if t is None else str(t)) for f, t in zip(features, texts, strict=True)]


async def geojson(
    batches: AsyncGenerator[list[Feature]], name: str, system: Outgoing | None
) -> AsyncGenerator[bytes]:
    """A FeatureCollection (RFC 7946), a feature on each line. `system` None: CGCS2000 degrees, as kept.

    Features have no `id` beside their properties: who reads the file into a table would have the key twice.
    Another system is named by the `crs` member of old GeoJSON where it has an EPSG code, and in words.
    """
    head: dict[str, Any] = {"type": "FeatureCollection", "name": name}
    if system is not None:
        head["coordinates"] = {"system": system.name, "title": system.title, "error_m": system.error_m}
        if system.epsg is not None:
            urn = f"urn:ogc:def:crs:EPSG::{system.epsg}"
            head["crs"] = {"type": "name", "properties": {"name": urn}}
    yield orjson.dumps(head)[:-1] + b',"features":[\n'
    before = b""
    async with aclosing(batches):
        async for features in batches:
            told = features if system is None else moved(features, system)
            yield before + b",\n".join(_geojson(feature) for feature in told)
            before = b",\n"
    yield b"\n]}\n"


async def csv_text(
    batches: AsyncGenerator[list[Feature]], scope: Scope, system: Outgoing, headers: Headers
) -> AsyncGenerator[bytes]:
    """A CSV in UTF-8 with a byte order mark (RFC 4180): the fields, then the place.

    Points have two columns, all other shapes WKT. With `titles` a column is called as people call the field,
    where no other field is called so.
    """
    fields = [field for field in scope.layer.fields if field.name in scope.fields]
    called = column_titles(fields) if headers == "titles" else [field.name for field in fields]
    is_point = scope.layer.geometry_type == "Point"
    degrees = system.digits > 4
    places = list(_LON_LAT if degrees else _EAST_NORTH) if is_point else [_WKT]
    places = [name if name not in called else f"{name}_" for name in places]
    yield BOM + _lines([[*called, *places]])
    async with aclosing(batches):
        async for features in batches:
            shapes = shapely.from_geojson(np.array([f.geometry for f in features], dtype=object))
            shapes = system.moved(shapes, own_order=False)
            if is_point:
                x, y = shapely.get_x(shapes), shapely.get_y(shapes)
                ends = [
                    ["", ""] if np.isnan(a) else [f"{a:.{system.digits}f}", f"{b:.{system.digits}f}"]
                    for a, b in zip(x, y, strict=True)
                ]
            else:
                texts = shapely.to_wkt(shapes, rounding_precision=system.digits)
                ends = [["" if text is None else str(text)] for text in texts]
            yield _lines(
                [*(_plain(feature.properties[field.name]) for field in fields), *end]
                for feature, end in zip(features, ends, strict=True)
            )


def column_titles(fields: Sequence[Field]) -> list[str]:
    """What the columns are called in Chinese; by its name where two fields are called the same."""
    titles = [field.title.zh for field in fields]
    names = {field.name for field in fields}
    return [
        field.name if titles.count(title) > 1 or (title in names and title != field.name) else title
        for field, title in zip(fields, titles, strict=True)
    ]


def _geojson(feature: Feature) -> bytes:
    return orjson.dumps(
        {
            "type": "Feature",
            "geometry": None if feature.geometry is None else orjson.Fragment(feature.geometry),
            "properties": feature.properties,
        }
    )


def _lines(lines: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(lines)
    return text.getvalue().encode()


def _plain(value: object) -> object:
    """A value as a sheet takes it: dates as ISO, flags as 1 and 0."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else value
