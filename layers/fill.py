"""What an arriving row still lacks: administrative and grid codes, from its finer codes or from its place.

By arrays, a batch at a time, so that it is done while the database stores the batch before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from layers.arrival import Arrived, Shapes
from layers.catalogue import find_layer
from layers.model import Layer
from layers.tables import rows_table


class Place(NamedTuple):
    """A field that says where a row is, the base layer whose code it holds, and the code's length."""

    field: str
    layer_id: str
    digits: int


PLACES = (
    Place("grid_code", "unit_grid", 15),
    Place("community_code", "community", 12),
    Place("street_code", "street", 9),
    Place("district_code", "district", 6),
)
"""Finest first. A code begins with the codes it lies in (GB/T 30428.1 unit grid: 6 + 3 + 3 + 3 digits)."""

MOST_PREPARED = 20_000
"""So many polygons are prepared for many points: several times as fast, for some kilobytes each."""

_BASE_LAYERS = frozenset(place.layer_id for place in PLACES)


class Areas:
    """The polygons of a base layer by their codes; of several that cover a point the smallest code counts."""

    def __init__(self, codes: Sequence[str], polygons: Shapes) -> None:
        order = np.argsort(np.asarray(codes, dtype=object), kind="stable")
        self._codes = pa.array([codes[i] for i in order], pa.string())
        self._polygons = polygons[order]
        if len(polygons) <= MOST_PREPARED:
            shapely.prepare(self._polygons)
        self._tree = shapely.STRtree(self._polygons)

    def codes_at(self, points: Shapes) -> pa.Array:
        """The code of the polygon that covers each point, borders included; null where none does."""
        # Asked from the points' side the tree would prepare each point. Here the polygons are prepared.
        point, polygon = self._tree.query(points)
        covered = shapely.covers(self._polygons[polygon], points[point])
        first = np.full(len(points), len(self._polygons), dtype=np.int64)
        np.minimum.at(first, point[covered], polygon[covered])
        return self._codes.take(pa.array(first, mask=first == len(self._polygons)))


@dataclass(frozen=True)
class Filling:
    """What the rows of one layer may be given: `areas` by field, for the base layers that are published."""

    layer: Layer
    areas: Mapping[str, Areas]

    def fill(self, batch: Arrived) -> dict[str, pa.Array]:
        """The columns of `batch` with null place codes filled.

        A code comes from a finer code of the same row where there is one, otherwise from the base layer's
        polygon that covers the row's point on surface. Raises `shapely.GEOSException` for a geometry so
        broken that it has no point inside.
        """
        layer, columns = self.layer, dict(batch.columns)
        finer: list[pa.Array] = []
        if layer.id in _BASE_LAYERS and layer.key is not None and pa.types.is_string(columns[layer.key].type):
            finer.append(columns[layer.key])
        points: Shapes | None = None
        for place in PLACES:
            given = batch.columns.get(place.field)
            if given is None or not pa.types.is_string(given.type):
                continue
            known = given
            for code in finer:
                if known.null_count:
                    known = pc.coalesce(known, _beginning(code, place.digits))
            areas = self.areas.get(place.field)
            if areas is not None and known.null_count:
                if points is None:
                    points = np.full(len(batch), None, dtype=object)
                missing = _mask(known.is_null()) & ~shapely.is_missing(batch.shapes)
                lacking = missing & shapely.is_missing(points)
                points[lacking] = shapely.point_on_surface(batch.shapes[lacking])
                found = areas.codes_at(points[missing])
                spread = pc.replace_with_mask(pa.nulls(len(batch), pa.string()), pa.array(missing), found)
                known, given = pc.coalesce(known, spread), pc.coalesce(given, spread)
            columns[place.field] = known
            finer.append(given)
        return columns


async def filling(connection: AsyncConnection, layer: Layer) -> Filling:
    """Reads the base layers that rows of `layer` may take codes from, as they are published now."""
    areas: dict[str, Areas] = {}
    for place in PLACES:
        wanted = layer.field(place.field)
        if wanted is None or wanted.type != "text":
            continue
        base = await find_layer(connection, place.layer_id)
        if base is None or base.id == layer.id or base.version == 0 or base.key is None:
            continue
        rows = rows_table(base)
        key, shape = rows.c[base.key], rows.c._geom
        found = await connection.execute(
            select(key, func.ST_AsBinary(shape)).where(shape.is_not(None), key.is_not(None))
        )
        codes, wkb = [], []
        for code, geometry in found:
            codes.append(str(code))
            wkb.append(bytes(geometry))
        areas[place.field] = Areas(codes, np.asarray(shapely.from_wkb(np.array(wkb, dtype=object))))
    return Filling(layer, areas)


def _beginning(code: pa.Array, digits: int) -> pa.Array:
    """The first `digits` of a well-formed code that is as long or longer; null for anything else."""
    lengths = pa.array([place.digits for place in PLACES if place.digits >= digits], pa.int32())
    well_formed = pc.and_(pc.is_in(pc.utf8_length(code), lengths), pc.string_is_ascii(code))
    well_formed = pc.and_(well_formed, pc.ascii_is_decimal(code))
    return pc.if_else(pc.fill_null(well_formed, False), pc.utf8_slice_codeunits(code, 0, digits), None)


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = array.to_numpy(zero_copy_only=False)
    return mask
