"""The words of the map: layer, field, version. Frozen values, no behaviour that needs a database.

A known layer (unit grids, components, …) and a layer made from a stranger's file are the same
`Layer`. Coordinates are EPSG:4490 (CGCS2000), longitude first, wherever no other frame is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

FieldType = Literal["text", "integer", "number", "boolean", "date", "datetime"]
GeometryType = Literal["Point", "MultiLineString", "MultiPolygon", "Geometry"]
AccessLevel = Literal["public", "login", "restricted"]
Sensitivity = Literal["open", "internal", "personal"]
LayerStatus = Literal["empty", "published", "withdrawn"]
Unfinished = Literal["indexes", "copy"]
LayerKind = Literal["rows", "registered", "function", "raster", "service"]
"""`rows`: kept by us, version by version; `registered`: a table or view of the user's, read where it is;
`function`: what a function of the user's returns for some arguments; `raster`: pictures or values on a grid
of pixels, in files; `service`: what the service of another system draws or tells, asked for through ours."""
RasterMeaning = Literal["image", "elevation", "classes", "values"]
"""A picture of the ground, heights in metres, codes with colours, or any other measured value."""
TitleTable = Literal["component_classes"]
"""Tables of a standard that say what a field's values are called; others are allowed all the same."""
KeyType = Literal["integer", "number", "uuid", "text", "char"]
Reading = Literal["as is", "as text", "as list", "as integer", "as number", "as time", "in zone"]

TopologyRule = Literal["overlaps", "gaps", "nesting", "cuts", "grid", "ends", "duplicates", "network"]
FindingSeverity = Literal["error", "warning", "info"]

LAYER_ID = re.compile(r"[a-z][a-z0-9_]{0,47}")
"""A layer's id is ASCII and fits a PostgreSQL identifier with room for a prefix."""


class Text(NamedTuple):
    """One thing said in both languages of the product."""

    zh: str
    en: str


NO_TEXT = Text("", "")


class BoundingBox(NamedTuple):
    """West, south, east, north in degrees, EPSG:4490, longitude first; never crosses 180°."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True)
class Field:
    """A column of a layer.

    `name` is the column (ASCII for known layers; a stranger's layer keeps its own, Chinese or not).
    `codes` lists the allowed values with their titles; `unit` is a UCUM-like symbol (`m`, `mm`, `m2`).
    `sensitivity`: `open` leaves with the row, `internal` only to people logged in, `personal`
    (an owner's name or phone) only to those `layers.access` allows.
    `aliases` are the names under which the column comes in files: legacy abbreviations, Chinese titles.
    `in_tiles`: drawn or shown by the style, so it travels in vector tiles.
    `titled_by`: a standard's table that names the values, where there are too many to list as `codes`.
    """

    name: str
    title: Text
    type: FieldType = "text"
    unit: str | None = None
    codes: Mapping[str, Text] | None = None
    required: bool = False
    sensitivity: Sensitivity = "open"
    max_length: int | None = None
    aliases: tuple[str, ...] = ()
    in_tiles: bool = False
    titled_by: TitleTable | None = None
    source: str | None = None
    """The standard and clause the field comes from."""


class RasterBand(NamedTuple):
    """One band of a raster. `least` and `most` are its range; `low` and `high` leave out the outer 2 %.

    The four are None for a band without a single value. `type` as numpy calls it: `uint8`, `float32`, ….
    """

    title: str
    type: str
    least: float | None
    low: float | None
    high: float | None
    most: float | None


@dataclass(frozen=True)
class RasterFile:
    """One published state of a raster layer: a file, and the date on which the ground looked so.

    `name` is relative to the folder of rasters. `taken` is a year, a month or a day (`2024`, `2024-05`,
    `2024-05-01`). `pixel_m` is the side of a pixel on the ground. `crs` is what the file's grid is in.
    """

    version: int
    name: str
    taken: str
    meaning: RasterMeaning
    width: int
    height: int
    pixel_m: float
    crs: str
    bands: tuple[RasterBand, ...]
    bounds: BoundingBox
    size_bytes: int


@dataclass(frozen=True)
class Origin:
    """How coordinates came to be what they are: where they came from, and by what way to CGCS2000.

    `system`: the source's reference system by code and name. `evidence`: how that is known; `is_assumed`:
    worked out from the numbers, not stated by the file or a person. `error_m`: the stated error of the
    transform in metres, None where nobody states one. `file`: as the person's file is called.
    """

    system: str
    evidence: Text
    is_assumed: bool
    transform: Text
    error_m: float | None
    file: str


@dataclass(frozen=True)
class Relation:
    """The user's own table or view behind a registered layer, as it was found.

    `key`, `geometry` are columns; `is_unique`: an index of the table's own holds the key unique. Rows are
    taken to be in EPSG code `srid`; `is_unstated`: where a row says SRID 0, too. `domain` is where that
    system serves, EPSG:4490, and `extent` the same in its own units: what lies outside has no place.
    `reads`: how each field comes from its column, of the same name; `types`: the database's own name for
    the type of each column that is read, by which a later change is seen. `zone`: in which time zone times
    without one are taken. `follows`: a trigger of ours tells of changes. `is_estimate`: of the layer's
    `feature_count`.
    """

    schema: str
    name: str
    key: str
    key_type: KeyType
    is_unique: bool
    geometry: str
    srid: int
    is_unstated: bool
    domain: BoundingBox
    extent: tuple[float, float, float, float]
    reads: Mapping[str, Reading]
    types: Mapping[str, str]
    zone: str | None = None
    follows: bool = False
    is_estimate: bool = False

    @property
    def title(self) -> str:
        """`schema.name`, for people."""
        return f"{self.schema}.{self.name}"


SquareArgument = Literal["z", "x", "y", "bounds"]
"""What a function may take to know which square is drawn."""


@dataclass(frozen=True)
class Argument:
    """What a caller may say to a function layer, under `name`.

    `own_type`: the database's name of its type (`int4`). `least`, `most` and `choices` are what the operator
    allows, as text; None and empty: whatever the type holds.
    """

    name: str
    type: FieldType
    own_type: str
    is_required: bool
    least: str | None = None
    most: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class FunctionSource:
    """The user's own SQL function behind a function layer, as it was found.

    `relation` says what comes out of it as if it were a table, under the function's name; its `key` is empty
    where no column names the rows. `signature`: its arguments as the database writes them, by which a later
    change is seen. `square`: which arguments tell it the square that is drawn. Of a tile at most `most_rows`
    rows are drawn.
    """

    relation: Relation
    signature: str
    arguments: tuple[Argument, ...]
    square: tuple[SquareArgument, ...]
    most_rows: int

    @property
    def requires(self) -> tuple[str, ...]:
        """Names of the arguments that must be given."""
        return tuple(argument.name for argument in self.arguments if argument.is_required)


ServiceKind = Literal[
    "wms",
    "wmts",
    "wfs",
    "ogc_features",
    "arcgis_map",
    "arcgis_tiles",
    "arcgis_image",
    "arcgis_features",
    "supermap",
    "xyz",
    "mvt",
]
ServiceForm = Literal["pictures", "tiles", "features"]
"""What comes from a service: pictures of squares, vector tiles, or features of a box."""


class ServiceLevel(NamedTuple):
    """One level of a service's own squares. `resolution`: units of its system a pixel; `left`, `top`: where
    column 0 and row 0 begin, in those units; `width_px`, `height_px` of one picture."""

    id: str
    resolution: float
    left: float
    top: float
    width_px: int
    height_px: int
    columns: int
    rows: int


@dataclass(frozen=True)
class ServiceSource:
    """Where the layer of another system's service is, and how it is asked for. No secret is in here.

    `url` is the address requests begin with, or a template with `{z}`, `{x}`, `{y}`; it is for admins only.
    `name` is what the other system calls the layer; `protocol` its version of the standard. `crs` is that of
    the pictures, as the other system writes it; `systems` are others that it may be asked in. `levels` are
    squares of its own, empty where it draws any box or keeps to Web Mercator's quad. `is_latitude_first`:
    boxes are asked for with the south first. `parts` are the layers within its vector tiles. `legend` is the
    address of a picture that explains the colours. `attribution` is shown on the map.
    """

    kind: ServiceKind
    url: str
    name: str = ""
    protocol: str = ""
    style: str = ""
    format: str = ""
    crs: str = "EPSG:3857"
    matrix_set: str = ""
    levels: tuple[ServiceLevel, ...] = ()
    parts: tuple[str, ...] = ()
    is_from_south: bool = False
    is_latitude_first: bool = False
    legend: str = ""
    attribution: str = ""
    systems: tuple[str, ...] = ()

    @property
    def form(self) -> ServiceForm:
        if self.kind in ("wfs", "ogc_features", "arcgis_features"):
            return "features"
        return "tiles" if self.kind == "mvt" else "pictures"


@dataclass(frozen=True)
class Layer:
    """What the map holds under one id, with the state of its current version.

    `key` names the business key field (None: the key is made from the row's content).
    `district_field` holds an administrative code (6, 9 or 12 digits); rows are limited by it.
    `name_field` is what a person calls a row; `search_fields` are looked into by search.
    `importance_field` holds a number: where there is no room for every line, the greatest are drawn.
    `class_field` says of what class a row is: clusters far out tell how many of each they stand for. None: a
    field that is called so, or has a list of codes (`layers.classes`).
    `tile_kb`: a zoom whose tiles would be heavier is drawn from the lighter copy.
    `drawn_reach_m`: how far beyond its shapes it is drawn, in metres of EPSG:3857; half the width of the
    widest road. Tiles hold what is so near to them, so that it is not cut at their edges.
    `version` is 0 before anything was published. `bounds` is None while empty. A registered layer has a
    `relation` and no versions to go back to: its `version` counts up when its rows may have changed. A raster
    layer has no fields and no rows.
    """

    id: str
    title: Text
    theme: str
    geometry_type: GeometryType
    fields: tuple[Field, ...]
    key: str | None = None
    name_field: str | None = None
    search_fields: tuple[str, ...] = ()
    district_field: str | None = None
    time_field: str | None = None
    importance_field: str | None = None
    class_field: str | None = None
    tile_kb: int = 300
    drawn_reach_m: float = 0.0
    min_zoom: int = 0
    max_zoom: int = 22
    owner: str = ""
    access: AccessLevel = "login"
    description: Text = NO_TEXT
    source: str | None = None
    known: bool = False
    kind: LayerKind = "rows"
    relation: Relation | None = None
    """Of a registered layer, and of no other."""
    function: FunctionSource | None = None
    """Of a function layer, and of no other."""
    service: ServiceSource | None = None
    """Of a layer of another system's service, and of no other."""
    recognise_by: tuple[str, ...] = ()
    """Words in a file's or sheet's name that suggest this layer."""
    status: LayerStatus = "empty"
    version: int = 0
    published_at: datetime | None = None
    feature_count: int = 0
    bounds: BoundingBox | None = None
    generalised: tuple[int, int] | None = None
    """First and last zoom for which a lighter copy stands (`layers.generalise`); None: every row is drawn."""
    classes: tuple[str, ...] = ()
    """Values of the class field that the clusters of the lighter copy tell, the most frequent first."""
    origins: tuple[Origin, ...] = ()
    """How the coordinates of the current version came to be; empty where nobody said."""
    unfinished: tuple[Unfinished, ...] = ()
    """What is still being made of a version that stands (`layers.finish`)."""
    topology: Mapping[TopologyRule, FindingSeverity] = field(default_factory=dict)
    """What the quality check asks of the shapes among each other, and how grave it is if it does not hold."""
    rasters: tuple[RasterFile, ...] = ()
    """Of a raster layer: what was published, by version."""

    def field(self, name: str) -> Field | None:
        """The field called `name`, or None."""
        return next((f for f in self.fields if f.name == name), None)

    @property
    def reach(self) -> BoundingBox | None:
        """A box that no row is drawn outside of: `bounds`, or of a registered layer, whose rows change
        without a word, all that its coordinate system serves."""
        relation = self.relation if self.function is None else self.function.relation
        return self.bounds if relation is None else relation.domain

    @property
    def has_rows(self) -> bool:
        """False for layers of pixels, of functions and of services: they are left out wherever rows are asked
        for without naming layers."""
        return self.kind in ("rows", "registered")

    @property
    def is_read_where_it_is(self) -> bool:
        """True for a table or function of the user's own, and for another system's service: it keeps no
        versions and takes no imports."""
        return self.kind in ("registered", "function", "service")

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields)


@dataclass(frozen=True)
class Version:
    """One published state of a layer. `boxes` cover what changed against the version before.

    `origins`: how the coordinates of all its rows came to be, not only of those that changed.
    """

    layer_id: str
    number: int
    published_at: datetime
    published_by: str
    added: int
    changed: int
    removed: int
    note: str = ""
    boxes: tuple[BoundingBox, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)
    origins: tuple[Origin, ...] = ()


class Difference(NamedTuple):
    """What publishing would do: row counts, and boxes round the old and new geometry concerned."""

    added: int
    changed: int
    removed: int
    unchanged: int
    boxes: tuple[BoundingBox, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.changed or self.removed)
