"""The rows of one batch with what several checks want to know of them, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from importers.check.model import Floats, Geometries, Mask, Positions, Rows
from importers.check.plane import Vertices, lengths_m, only, roughly_m2, vertices_of
from importers.check.signature import signatures
from layers.model import Layer

_AREAL = (int(shapely.GeometryType.POLYGON), int(shapely.GeometryType.MULTIPOLYGON))
_NONE = np.array(None, dtype=object)


def there(values: NDArray[np.object_]) -> Mask:
    """(n,) True where a value is not None."""
    return np.asarray(np.not_equal(values, _NONE), dtype=np.bool_)


class Texts:
    """One text column: its distinct values, and which of them each row has.

    Questions are asked of the distinct values and answered for all rows, so that a column with twelve
    values in a million rows costs twelve questions.
    """

    def __init__(self, column: pa.Array) -> None:
        encoded = column.dictionary_encode()
        self.values: pa.Array = encoded.dictionary
        """Distinct values, without null."""
        self.index: NDArray[np.int64] = (
            encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(int)
        )
        """(n,) position in `values`, -1 for null."""

    def __len__(self) -> int:
        return len(self.index)

    @property
    def given(self) -> Mask:
        """Rows that have a value."""
        return self.index >= 0

    def rows(self, holds: Mask | pa.Array) -> Mask:
        """Rows whose value is one of those for which `holds` (one answer per distinct value)."""
        if isinstance(holds, pa.Array | pa.ChunkedArray):
            holds = np.asarray(holds.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
        return np.asarray(np.append(holds, False)[self.index])

    def where(self, question: Callable[[str], bool]) -> Mask:
        """Rows whose value answers `question` with yes; asked once per distinct value."""
        return self.rows(np.fromiter((question(v) for v in self.values.to_pylist()), bool, len(self.values)))

    def each(self, make: Callable[[str], str | None]) -> NDArray[np.object_]:
        """(n,) what `make` says of each row's value; None for null."""
        return self.mapped([make(v) for v in self.values.to_pylist()])

    def mapped(self, made: list[str | None]) -> NDArray[np.object_]:
        """(n,) for each row the one of `made` that stands for its value; None for null."""
        return np.asarray(np.array([*made, None], dtype=object)[self.index])

    def part(self, pattern: str, start: int, stop: int | None) -> NDArray[np.object_]:
        """(n,) characters `start` to `stop` of values that match `pattern` whole; None for the others."""
        fits = pc.match_substring_regex(self.values, f"^(?:{pattern})$")
        return self.mapped(
            pc.if_else(fits, pc.utf8_slice_codeunits(self.values, start, stop), None).to_pylist()
        )

    def at(self, position: int) -> str | None:
        """The value of the row at `position`."""
        found = int(self.index[position])
        return None if found < 0 else str(self.values[found].as_py())

    @cached_property
    def all(self) -> NDArray[np.object_]:
        """(n,) str or None."""
        return self.mapped(self.values.to_pylist())


class Portion:
    """A batch under examination. `errors` (n,) collects the rows in which an error was found."""

    def __init__(self, layer: Layer, rows: Rows) -> None:
        self.layer = layer
        self.rows = rows
        self.errors: Mask = np.zeros(len(rows), dtype=bool)
        self._texts: dict[str, Texts] = {}

    def __len__(self) -> int:
        return len(self.rows)

    # ------------------------------------------------------------ as a roster

    def number(self, position: int) -> int:
        return int(self.rows.numbers[position])

    def key(self, position: int) -> str | None:
        if self.layer.key is None or self.layer.key not in self.rows.columns:
            return None
        value = self.rows.columns[self.layer.key][position].as_py()
        return None if value is None else str(value)

    def file(self, position: int) -> str:
        return self.rows.file

    def place(self, position: int) -> shapely.Geometry | None:
        found: shapely.Geometry | None = self.rows.geometry[position]
        return found

    def mark(self, positions: Positions) -> None:
        self.errors[positions] = True

    # ------------------------------------------------------------ columns

    def has(self, *names: str) -> bool:
        """True if the rows bring all these columns."""
        return all(name in self.rows.columns for name in names)

    def texts(self, name: str) -> Texts:
        """The column as text; null throughout if the rows do not bring it."""
        if name not in self._texts:
            column = self.rows.columns.get(name, pa.nulls(len(self), pa.string()))
            self._texts[name] = Texts(column if column.type == pa.string() else column.cast(pa.string()))
        return self._texts[name]

    def numbers(self, name: str) -> Floats:
        """The column as finite numbers; NaN for null and infinity, and if the rows do not bring it."""
        values = self._floats(name)
        return np.where(np.isfinite(values), values, np.nan)

    def infinite(self, name: str) -> Mask:
        """Rows whose number is infinite."""
        return np.isinf(self._floats(name))

    def _floats(self, name: str) -> Floats:
        column = self.rows.columns.get(name)
        if column is None:
            return np.full(len(self), np.nan)
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray(values, dtype=np.float64)

    # ------------------------------------------------------------ geometry

    @property
    def geometry(self) -> Geometries:
        return self.rows.geometry

    @cached_property
    def missing(self) -> Mask:
        """Rows without geometry."""
        return np.asarray(shapely.is_missing(self.geometry))

    @cached_property
    def empty(self) -> Mask:
        """Rows whose geometry is there but has no coordinates."""
        return np.asarray(shapely.is_empty(self.geometry)) & ~self.missing

    @cached_property
    def vertices(self) -> Vertices:
        return vertices_of(self.geometry)

    @cached_property
    def placed(self) -> Mask:
        """Rows whose coordinates are all there and finite: those that can be measured."""
        wrong = ~np.isfinite(self.vertices.xy).all(axis=1)
        placed = ~(self.missing | self.empty)
        placed[self.vertices.row[wrong]] = False
        return placed

    @cached_property
    def signatures(self) -> NDArray[np.uint64]:
        """(n,) equal for rows with the same vertices, 0 for rows that are nowhere."""
        return np.where(self.placed, signatures(self.vertices, len(self)), np.uint64(0))

    @cached_property
    def valid(self) -> Mask:
        """Rows whose geometry is placed and valid: those whose area means something."""
        known = self.rows.valid
        if known is None:
            return np.asarray(shapely.is_valid(self.geometry)) & self.placed
        valid = known.copy()
        valid[~known] = shapely.is_valid(self.geometry[~known])
        return valid & self.placed

    @cached_property
    def areal(self) -> Mask:
        """Rows that are valid areas and nothing else: those that can be laid over each other."""
        return np.asarray(np.isin(shapely.get_type_id(self.geometry), _AREAL) & self.valid)

    @cached_property
    def sound(self) -> Geometries:
        """The geometries, None where they are not valid."""
        return only(self.geometry, self.valid)

    @cached_property
    def areas_m2(self) -> Floats:
        """Area of each row in m², 0 where it has none."""
        return roughly_m2(self.sound)

    @cached_property
    def lengths_m(self) -> Floats:
        """Length of each row's lines or rings in metres, 0 where it has none."""
        return lengths_m(self.vertices, len(self))

    @cached_property
    def anchors(self) -> Floats:
        """(n, 2) the first vertex of each row: where it is, roughly; NaN where it is nowhere."""
        found = np.full((len(self), 2), np.nan)
        rows, first = np.unique(self.vertices.row, return_index=True)
        found[rows] = self.vertices.xy[first]
        return found

    @cached_property
    def insides(self) -> Geometries:
        """A point inside each valid row, None for the others."""
        if self.layer.geometry_type == "Point":
            return self.sound
        inside: Geometries = np.asarray(shapely.point_on_surface(self.sound), dtype=object)
        return inside
