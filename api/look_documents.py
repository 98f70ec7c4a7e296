"""The answer of a first look at sent files: what each table seems to be, for a person to say otherwise."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from api.documents import Document, TextDocument
from gis.crs import Frame


class LookedLayerDocument(Document):
    id: str
    title: TextDocument
    geometry_type: str | None
    """Null for readings, which are no layer, and rasters."""
    is_new: bool
    version: int
    evidence: TextDocument
    certainty: float | None
    """Between 0 and 1; null for a layer of its own and for one that a person named."""


class CandidateLayerDocument(Document):
    id: str
    title: TextDocument
    certainty: float
    evidence: TextDocument


class EncodingDocument(Document):
    name: str
    evidence: TextDocument
    certain: bool
    candidates: list[str]


class WhereaboutsDocument(Document):
    crs: str
    name: str
    frame: Frame | None
    swapped: bool
    away_km: float | None
    """From the city to the middle row; 0 in the city, null where no city is known."""
    evidence: TextDocument


class LookedCrsDocument(Document):
    value: str | None
    """As the option `crs` takes it; null where nothing could place the rows."""
    name: str | None
    epsg: int | None
    evidence: TextDocument
    certain: bool
    swapped: bool
    frame: Frame | None
    carried: TextDocument | None
    """How coordinates come from it to EPSG:4490."""
    error_m: float | None
    candidates: list[WhereaboutsDocument]


class LookedColumnDocument(Document):
    name: str
    samples: list[str]
    field: str | None
    """The field it becomes, or `@x`, `@y`, `@wkt`, `@code`; null: left out."""
    evidence: TextDocument | None


class LookedFieldDocument(Document):
    name: str
    title: TextDocument
    type: str
    unit: str | None
    required: bool
    is_key: bool
    lacking: bool


class LookedIndicatorDocument(Document):
    indicator: str
    title: TextDocument
    unit: str


class LookedReadingsDocument(Document):
    """What the sampled rows measure, of published stations."""

    form: Literal["long", "wide"]
    stations: int
    strange: list[str]
    """Stations of the sample that are not published, 20 at most."""
    indicators: list[LookedIndicatorDocument]
    first: datetime | None
    last: datetime | None


class LookedBandDocument(Document):
    title: str
    type: str


class FoundDocument(Document):
    value: str
    zh: str
    en: str


class LookedPictureDocument(Document):
    image: str
    """A data address: WebP, transparent where there is nothing."""
    corners: list[tuple[float, float]]
    """North-west, north-east, south-east, south-west; longitude and latitude, EPSG:4490."""


class LookedRasterDocument(Document):
    width: int
    height: int
    bands: list[LookedBandDocument]
    has_alpha: bool
    nodata: str | None
    taken: FoundDocument
    """A year, month or day, and how it is known."""
    meaning: FoundDocument
    size_bytes: int
    dates: list[str]
    """Those that the layer has already, the newest first."""
    replaces: int | None
    """The version of the same date whose place it would take."""
    picture: LookedPictureDocument | None = None
    """A small one of the whole; null where none could be made in some seconds."""


class LookTroubleDocument(Document):
    rule: str
    stops: bool
    """Reading would stop at it."""
    zh: str
    en: str


class LookNoteDocument(Document):
    rule: str
    zh: str
    en: str


class LookedTableDocument(Document):
    table: str
    """As the option `tables` names it."""
    file: str
    name: str
    format: str
    kind: Literal["rows", "readings", "raster"]
    left_out: bool
    rows: int | None
    sampled: int
    geometry: str | None
    """As the file declares it; null for a table."""
    layer: LookedLayerDocument | None
    candidates: list[CandidateLayerDocument]
    encoding: EncodingDocument | None
    crs: LookedCrsDocument | None
    columns: list[LookedColumnDocument]
    fields: list[LookedFieldDocument]
    lacking: list[str]
    readings: LookedReadingsDocument | None
    raster: LookedRasterDocument | None
    preview: dict[str, Any] | None
    """A GeoJSON FeatureCollection of some rows, EPSG:4490."""
    bounds: tuple[float, float, float, float] | None
    troubles: list[LookTroubleDocument]
    notes: list[LookNoteDocument]


class LocalSystemDocument(Document):
    """A city-local system of the operator, which the option `crs` takes as `local:NAME`."""

    name: str
    title: str


class LookDocument(Document):
    tables: list[LookedTableDocument]
    passed_over: list[str]
    more: int
    """Tables that were not looked at, because there are too many."""
    local_systems: list[LocalSystemDocument]
    city: tuple[float, float, float, float] | None
