"""What a reader hands on: a table in a file, described, and its rows in chunks.

A `Source` may be read more than once (to describe it, then to load it). Its rows come as Arrow arrays
with the row numbers a person would count, and shapely geometries still in the file's own coordinates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from gis.crs import CRS, Frame, Route
from gis.plain_wkb import PlainShapes
from importers.masks import Mask
from layers.model import Text

CHUNK_ROWS = 20_000
"""Rows per chunk: large enough that per-chunk work vanishes, small enough to hold a few at once."""

Geometries = NDArray[np.object_]
"""shapely geometries or None, one per row."""

RowWord = Literal["row", "line", "feature"]
"""What the row numbers of a source count: rows of a sheet, records of a text file, features."""


class Found(NamedTuple):
    """Something found out about a file, and how; `value` is a name a program can use."""

    value: str
    zh: str
    en: str


class Note(NamedTuple):
    """Something a reader noticed or did to make the file readable; never an error."""

    rule: str
    zh: str
    en: str
    times: int = 1


class Plain(NamedTuple):
    """Shapes of some rows of a chunk: `rows`, (n,) bool, says of which."""

    rows: Mask
    shapes: PlainShapes


class Trouble(NamedTuple):
    """Rows that a reader cannot give: `row` as a person counts, and why."""

    row: int
    rule: str
    zh: str
    en: str


@dataclass(frozen=True)
class Chunk:
    """Some rows, in the order of the file.

    `rows`: (n,) int64, numbers as a person counts them. `columns`: Arrow arrays of n values each.
    `shapes`: (n,) shapely or None in the source's CRS, x before y; None if the table has no geometry.
    `troubles`: rows between these that could not be read at all. `mended`: counts by rule id.
    `plain`: rows whose shapes are not in `shapes` but in arrays, for who can use them so.
    """

    rows: NDArray[np.int64]
    columns: dict[str, pa.Array]
    shapes: Geometries | None = None
    troubles: tuple[Trouble, ...] = ()
    mended: tuple[Note, ...] = ()
    plain: Plain | None = None

    @cached_property
    def geometry(self) -> Geometries | None:
        """(n,) every row's shape or None, as `shapes`."""
        if self.plain is None or self.shapes is None:
            return self.shapes
        whole = self.shapes.copy()
        wkb = self.plain.shapes.wkb(multi=False)
        whole[self.plain.rows] = shapely.from_wkb(wkb.to_numpy(zero_copy_only=False))
        return whole

    def with_geometry(self, shapes: Geometries) -> Chunk:
        """The same rows with other shapes."""
        return replace(self, shapes=shapes, plain=None)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Pixels:
    """What a raster file says of its grid: bands without the alpha one, types as numpy calls them.

    `corner` (west, north) and `step` (to the east, to the south) are in the file's coordinates.
    """

    width: int
    height: int
    corner: tuple[float, float]
    step: tuple[float, float]
    types: tuple[str, ...]
    titles: tuple[str, ...]
    has_alpha: bool
    has_palette: bool
    nodata: float | None
    stamp: str | None
    """The date in the file's own tags, `YYYY-MM-DD`."""


@dataclass(frozen=True)
class Source:
    """One table of one file.

    `file` is the name a person knows (the archive's member is `path.zip/member`), `name` the layer's or
    sheet's. `geometry_type` is what the file declares (`Point`, `MultiPolygon`, …, `Unknown`), None for
    a table. `crs` None: not known. `read(n)` gives the rows again from the start, `n` per chunk.
    `cut_names`: column names may have been cut at 10 bytes (dBASE).
    """

    path: Path
    file: str
    name: str
    format: str
    schema: pa.Schema
    read: Callable[[int], Iterator[Chunk]]
    geometry_type: str | None = None
    count: int | None = None
    encoding: Found | None = None
    crs: CRS | None = None
    crs_found: Found | None = None
    sample: tuple[NDArray[np.float64], NDArray[np.float64]] | None = field(
        default=None, repr=False, compare=False
    )
    """Coordinates by which all tables of a file are placed together; None: each by its own."""
    route: Route | None = None
    """How its coordinates come to CGCS2000, where that is more than its `crs` says (a local system)."""
    frame: Frame | None = None
    """The offset of a web map that its coordinates are said to have."""
    crs_assumed: bool = False
    """True if the reference system was worked out from the numbers and nobody states it."""
    row_word: RowWord = "feature"
    cut_names: bool = False
    row_id: str | None = None
    """A column that only numbers the rows of the file (GeoPackage `fid`)."""
    notes: tuple[Note, ...] = ()
    for_layer: str | None = None
    """The known layer its rows are for, where the reader knows (a combined pipe table taken apart)."""
    said: Mapping[str, str] = field(default_factory=dict)
    """Column → field, where the reader knows it."""
    alias: str | None = None
    """What people call the table, where the file says more than its name (a geodatabase's alias)."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Column → what people call it, where the file says so."""
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column → code → its title, where the file lists them (coded domains, subtypes)."""
    pixels: Pixels | None = None
    """Of a raster, whose one row is its outline."""

    @property
    def is_untyped(self) -> bool:
        """True for formats whose cells have no declared type (text, sheets)."""
        return self.format in ("CSV", "XLSX")

    @property
    def title(self) -> str:
        """The file and, where it says more, the table in it."""
        stem = Path(self.file).name.split(".")[0]
        return self.file if self.name in ("", stem) else f"{self.file} [{self.name}]"


ROW_WORDS: dict[RowWord, Text] = {
    "row": Text("第{}行", "row {}"),
    "line": Text("第{}行", "line {}"),
    "feature": Text("第{}个要素", "feature {}"),
}
