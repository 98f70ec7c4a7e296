"""The layers round the one that is checked: districts, communities, grids, nodes. Values, no database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from importers.check.model import Geometries, Mask, Positions, Rows
from importers.check.plane import scale
from layers.model import BoundingBox, Layer

_MANY = 20
"""Points per polygon above which it pays to prepare the polygons and look for their points."""


@dataclass(frozen=True)
class Places:
    """Rows of a layer, by code. Make them with `Places.of`, which sorts them by code.

    `geometry`: shapely, EPSG:4490. `columns`: what else is wanted of them, Arrow arrays as long.
    """

    codes: NDArray[np.object_]
    geometry: Geometries
    columns: Mapping[str, pa.Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(
        cls,
        codes: NDArray[np.object_],
        geometry: Geometries,
        columns: Mapping[str, pa.Array] | None = None,
    ) -> Places:
        """The places that have a code and a shape."""
        kept = np.flatnonzero(
            np.array([c is not None for c in codes], dtype=bool) & ~shapely.is_missing(geometry)
        )
        order = kept[np.argsort(codes[kept].astype(str), kind="stable")]
        taken = {name: values.take(pa.array(order)) for name, values in (columns or {}).items()}
        return cls(codes[order], geometry[order], taken)

    @cached_property
    def bounds(self) -> BoundingBox | None:
        """The box of all; None if there is nothing."""
        if not len(self):
            return None
        box = shapely.total_bounds(self.geometry)
        return BoundingBox(*map(float, box)) if np.isfinite(box).all() else None

    @cached_property
    def tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.geometry)

    @cached_property
    def _position(self) -> dict[str, int]:
        return {code: position for position, code in enumerate(self.codes.tolist())}

    def __contains__(self, code: str) -> bool:
        return code in self._position

    def positions(self, codes: NDArray[np.object_]) -> Positions:
        """Where each code is among these places; -1 for an unknown code and None."""
        find = self._position.get
        return np.array([find(code, -1) for code in codes.tolist()], dtype=np.intp)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as numbers, NaN for null and where it was not loaded."""
        column = self.columns.get(name)
        if column is None:
            return np.full(len(self), np.nan)
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray(values, dtype=np.float64)

    def texts(self, name: str) -> NDArray[np.object_]:
        """A column as text, None for null and where it was not loaded."""
        column = self.columns.get(name, pa.nulls(len(self), pa.string()))
        return np.asarray(column.cast(pa.string()).to_numpy(zero_copy_only=False), dtype=object)

    @cached_property
    def xy(self) -> NDArray[np.float64]:
        """(n, 2) coordinates of places that are points."""
        return np.column_stack([shapely.get_x(self.geometry), shapely.get_y(self.geometry)])

    @cached_property
    def ends_at(self) -> Mapping[str, int]:
        """How many ends of these segments name each node."""
        named = np.concatenate([self.texts("start_node"), self.texts("end_node")])
        return Counter(code for code in named.tolist() if code is not None)

    def replaced_by(self, others: Places) -> Places:
        """These places, those of `others` instead of their namesakes and beside the rest."""
        stay = np.array([code not in others for code in self.codes], dtype=bool)
        columns = {
            name: pa.concat_arrays(
                [
                    part.columns.get(name, pa.nulls(len(part), values.type)).cast(values.type)
                    for part in (self, others)
                ]
            ).filter(pa.array(np.append(stay, np.ones(len(others), dtype=bool))))
            for name, values in others.columns.items()
        }
        return Places.of(
            np.concatenate([self.codes[stay], others.codes]),
            np.concatenate([self.geometry[stay], others.geometry]),
            columns,
        )

    def locate(self, points: Geometries) -> Positions:
        """The place that each point is in or on the edge of, -1 for none (and for None).

        On a shared edge, and where places overlap, the one with the smallest code, as when codes are
        filled in from the place.
        """
        found = np.full(len(points), len(self), dtype=np.intp)
        if len(self) and len(points):
            if len(points) > _MANY * len(self):
                place, point = shapely.STRtree(points).query(self.geometry, predicate="intersects")
            else:
                point, place = self.tree.query(points, predicate="intersects")
            np.minimum.at(found, point, place)
        found[found == len(self)] = -1
        return found

    def reach(self, places: Positions, shapes: Geometries, within_m: float) -> Mask:
        """(n,) True where a shape touches its place (by position), or is no farther from it than `within_m`.

        Prepared places answer in the logarithm of their vertices: a district's border has ten thousand.
        """
        if not len(shapes):
            return np.zeros(0, dtype=bool)
        shapely.prepare(self.geometry)
        degrees = within_m / float(scale(self._middle).north_m)
        return np.asarray(shapely.dwithin(self.geometry[places], shapes, degrees), dtype=np.bool_)

    @property
    def _middle(self) -> float:
        """The latitude in the middle of all."""
        return 0.0 if self.bounds is None else (self.bounds.south + self.bounds.north) / 2


@dataclass(frozen=True)
class Surroundings(Mapping[str, Places]):
    """Places by layer id. Layers that are not there are not asked about, and the report says so."""

    places: Mapping[str, Places] = field(default_factory=dict)

    def __getitem__(self, layer_id: str) -> Places:
        return self.places[layer_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def with_rows(self, layer: Layer, rows: Rows, *, partial: bool = False) -> Surroundings:
        """The same with `rows` standing for `layer`: nodes and lines that come in one delivery.

        `partial`: beside the places of the layer that are known already, not instead of them.
        """
        if layer.key is None or layer.key not in rows.columns:
            return self
        codes = rows.columns[layer.key].cast(pa.string()).to_numpy(zero_copy_only=False)
        places = Places.of(np.asarray(codes, dtype=object), rows.geometry, rows.columns)
        if partial and layer.id in self.places:
            places = self.places[layer.id].replaced_by(places)
        return Surroundings({**self.places, layer.id: places})


NOTHING = Surroundings()
