"""The words of the quality check (质检): rule, finding, the rows it looks at, what a person may choose.

Values only. Coordinates are EPSG:4490 (CGCS2000), longitude first, everywhere in this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from layers.model import BoundingBox, FieldType, Layer, Text, TopologyRule

Severity = Literal["error", "warning", "info"]
"""error: must not be published; warning: a person should look; info: good to know, outside the score."""
Dimension = Literal["normativity", "completeness", "accuracy", "consistency", "timeliness", "accessibility"]

SEVERITIES: dict[Severity, Text] = {
    "error": Text("错误", "error"),
    "warning": Text("警告", "warning"),
    "info": Text("提示", "info"),
}
DIMENSIONS: dict[Dimension, Text] = {
    "normativity": Text("规范性", "normativity"),
    "completeness": Text("完整性", "completeness"),
    "accuracy": Text("准确性", "accuracy"),
    "consistency": Text("一致性", "consistency"),
    "timeliness": Text("时效性", "timeliness"),
    "accessibility": Text("可访问性", "accessibility"),
}
"""GB/T 36344-2018: the six dimensions, in the standard's order."""

Geometries = NDArray[np.object_]
"""shapely geometries or None."""
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

CITY_MARGIN = 0.2
"""Degrees (some 20 km) round the published districts up to which a row is taken to be of the city."""

_ARROW: dict[FieldType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", tz="UTC"),
}


def every(layer: Layer) -> bool:
    """The rule concerns every layer."""
    return True


@dataclass(frozen=True)
class Rule:
    """One thing that is looked at.

    `source`: standard and clause, or "One Map". `applies` says for which layers. `needs` are the ids of
    layers without which it cannot be answered: if the surroundings lack one, the report says so.
    `mend` names the mending of `importers.check.mend` that can put it right.
    """

    id: str
    severity: Severity
    dimension: Dimension
    title: Text
    source: str = "One Map"
    applies: Callable[[Layer], bool] = every
    needs: tuple[str, ...] = ()
    mend: str | None = None
    warns_in: tuple[str, ...] = ()
    """Layers in which an error is a warning only: others bring good rows that break it."""
    topology: TopologyRule | None = None
    """What a layer's description has to ask for; the severity of what would be an error is its choice."""


class Finding(NamedTuple):
    """A rule broken at one place.

    `row` as a person counts it in the file, None where no row is to blame (a gap between grids).
    `geometry`: WKB of the place to show, EPSG:4490; None if the row has none. `file`: the table the row is
    of, empty where there is only one.
    """

    rule: str
    row: int | None
    key: str | None
    zh: str
    en: str
    field: str | None = None
    value: str | None = None
    geometry: bytes | None = None
    file: str = ""


RemarkKind = Literal["unread", "tidied", "rewritten"]


class Remark(NamedTuple):
    """What reading did to a column: `unread`, values that are not of the field's type (now null); `tidied`,
    blanks, control characters or width; `rewritten`, any other form, unit or title.

    `rows` (n,) which; `before` Arrow array of n, what stood there.
    """

    kind: RemarkKind
    field: str
    rows: Mask
    before: pa.Array
    zh: str
    en: str


@dataclass(frozen=True)
class Rows:
    """Some rows of a layer on their way in, before they are stored.

    `numbers`: (n,) as a person counts them. `geometry`: (n,) shapely or None, not yet mended or cast.
    `columns`: field name → Arrow array of n values; a field left out is null throughout. `remarks`: what
    reading them found out, which the values no longer show. `file`: the table they are of, where a layer
    comes in several tables.
    """

    numbers: NDArray[np.int64]
    geometry: Geometries
    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    file: str = ""
    beyond: Mask | None = None
    """Rows whose coordinates the file's reference system does not cover: they have no geometry here."""
    valid: Mask | None = None
    """Rows whose shape is known to be valid, so that it need not be asked again; None: nothing is known."""

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def of(
        cls,
        layer: Layer,
        geometry: Geometries | Sequence[object],
        columns: Mapping[str, Sequence[object] | pa.Array] | None = None,
        numbers: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> Rows:
        """Rows from whatever holds them; values become Arrow arrays of their field's type.

        Without `numbers` the rows are 1 … n. Raises `ValueError` if lengths differ, `pyarrow.ArrowInvalid`
        for a value that is not of its field's type (rows come here already coerced).
        """
        shapes = np.empty(len(geometry), dtype=object)
        shapes[:] = geometry
        given = np.arange(1, len(shapes) + 1) if numbers is None else np.asarray(numbers)
        rows = cls(
            given.astype(np.int64),
            shapes,
            {
                name: _arrow(values, found.type)
                for name, values in (columns or {}).items()
                if (found := layer.field(name)) is not None
            },
        )
        if any(len(values) != len(shapes) for values in (rows.numbers, *rows.columns.values())):
            raise ValueError(f"{len(shapes)} geometries, and columns of other lengths")
        return rows

    def part(self, start: int, stop: int) -> Rows:
        """The rows from position `start` up to `stop`."""
        return Rows(
            self.numbers[start:stop],
            self.geometry[start:stop],
            {name: values.slice(start, stop - start) for name, values in self.columns.items()},
            tuple(
                r._replace(rows=r.rows[start:stop], before=r.before.slice(start, stop - start))
                for r in self.remarks
            ),
            self.file,
            None if self.beyond is None else self.beyond[start:stop],
            None if self.valid is None else self.valid[start:stop],
        )


def _arrow(values: Sequence[object] | pa.Array, kind: FieldType) -> pa.Array:
    wanted = _ARROW[kind]
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values if values.type == wanted else values.cast(wanted)
    return pa.array(values, wanted, from_pandas=True)


@dataclass(frozen=True)
class CheckOptions:
    """What a person may choose. Lengths in metres, areas in m², on the ground.

    `skip`: rule ids not asked. `severities`: rule id → severity of this city's own choosing.
    `cap`: findings kept per rule; totals stay exact. `bounds`: where the city is (else the published
    districts). `today`: dates after it lie in the future.
    """

    skip: frozenset[str] = frozenset()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    cap: int = 1000
    bounds: BoundingBox | None = None
    bounds_margin_m: float = 2_000.0
    far: float = CITY_MARGIN
    """Degrees beyond the city from which on a row is not of it at all."""
    today: date = field(default_factory=date.today)
    partial: bool = False
    """The rows are only some of the layer: gaps and overlaps are looked for among the standing rows too."""
    spike_degrees: float = 3.0
    """A corner sharper than this, with both sides longer than `spike_m`, is a spike."""
    spike_m: float = 0.1
    repeated_degrees: float = 1e-9
    """Neighbouring vertices nearer than this (0.1 mm) are one vertex drawn twice."""
    min_area_m2: float = 1.0
    min_length_m: float = 0.05
    most_vertices: int = 100_000
    overlap_m2: float = 0.1
    """Overlaps and gaps below this area …"""
    sliver_m: float = 0.01
    """… or narrower than this are rounding of coordinates, not faults."""
    most_pairs: int = 3_000_000
    """Pairs of shapes compared at most; a layer that has more of them lies in a heap."""
    cut_m2: float = 1.0
    """A building is cut by a grid's border if more than this lies in a second grid."""
    grid_area_m2: tuple[float, float] = (1_000.0, 50_000.0)
    area_differs: float = 0.05
    """Stated and drawn areas and lengths may differ by this share."""
    position_m: float = 1.0
    """Accuracy of a component's place (class B of GB/T 47678.5: ±1.0 m): nearer to the border is no fault."""
    end_m: float = 0.05
    """A pipe's end within this distance of its node stands on it."""
    elevation_m: float = 0.05
    """Ground − depth − elevation of a pipe's end may differ by this."""
    adverse_m: float = 0.02
    """A gravity pipe may rise by this along its flow (levelling error)."""
    steepest: float = 0.3
    longest_segment_m: float = 75.0
    least_filled: float = 0.9
    """A field filled in fewer rows than this share is named."""


DEFAULT = CheckOptions()
