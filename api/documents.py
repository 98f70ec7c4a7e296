"""What answers look like: the models of the OpenAPI document, from which the page's types are made.

Handlers write their answers as plain values for speed; a test holds them equal to these models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from api.raster_documents import RasterFileDocument, StagedRasterDocument
from layers.import_runs import RunState
from layers.model import AccessLevel, FieldType, GeometryType, LayerKind, LayerStatus, Sensitivity
from layers.reviews import Action as ReviewAction
from layers.staged_rows import ChangeKind


class Document(BaseModel):
    """A JSON object with these members and no others."""

    model_config = ConfigDict(extra="forbid")


class TextDocument(Document):
    zh: str
    en: str


class FieldDocument(Document):
    name: str
    title: TextDocument
    type: FieldType
    unit: str | None
    codes: dict[str, TextDocument] | None
    sensitivity: Sensitivity
    in_tiles: bool


class OriginDocument(Document):
    """How coordinates came to be what they are."""

    system: str
    """Reference system of the source: code and name, or the name of a local system."""
    evidence: TextDocument
    is_assumed: bool
    """True if it was worked out from the numbers and nobody states it."""
    transform: TextDocument
    error_m: float | None
    """The transform's stated error; None where nobody states one."""
    file: str


class ArgumentDocument(Document):
    name: str
    type: FieldType
    required: bool
    least: str | None
    most: str | None
    choices: list[str]
    expected: str
    """In words."""


class LayerDocument(Document):
    id: str
    title: TextDocument
    theme: str
    geometry_type: GeometryType
    kind: LayerKind
    """`registered`: a table of the operator's own, read where it is; it has no versions to go back to.
    `function`: what a function of the operator's returns, tiles only. `raster`: pixels in files, by date."""
    version: int
    feature_count: int | None
    """None where the viewer sees only some of the rows, and of a function layer; of a registered layer,
    when it was last looked at."""
    bounds: tuple[float, float, float, float] | None
    min_zoom: int
    max_zoom: int
    access: AccessLevel
    status: LayerStatus
    known: bool
    owner: str
    key: str | None
    name_field: str | None
    class_field: str | None
    """Whose values the clusters of far zooms tell, in `_count_…` and `_other` of a tile's features."""
    classes: dict[str, TextDocument]
    """These values and what they are called, the most frequent first."""
    time_field: str | None
    district_field: str | None
    published_at: datetime | None
    description: TextDocument
    source: str | None
    origins: list[OriginDocument]
    """How the coordinates of the current version came to be."""
    fields: list[FieldDocument]
    rasters: list[RasterFileDocument]
    """Of a raster layer, newest first: what `datetime` can choose. Empty for all others."""
    parameters: list[ArgumentDocument]
    """Of a function layer: what may be said to it in a tile's address. Empty for all others."""


class LayersDocument(Document):
    layers: list[LayerDocument]


class VersionReviewDocument(Document):
    action: ReviewAction
    by: str | None
    """None for a caller who has not logged in, as the note is empty then."""
    at: datetime
    note: str


class VersionDocument(Document):
    number: int
    published_at: datetime
    published_by: str | None
    """None for a caller who has not logged in."""
    imported_by: str | None
    """Who brought what was published; None too where that is the same person, or not known."""
    sync: str | None
    reviews: list[VersionReviewDocument]
    rolled_back_to: int | None
    added: int
    changed: int
    removed: int
    note: str
    boxes: list[tuple[float, float, float, float]]
    origins: list[OriginDocument]


class VersionsDocument(Document):
    versions: list[VersionDocument]


class SquaresDocument(Document):
    layer: str
    since: int
    version: int
    everywhere: list[int]
    squares: list[tuple[int, int, int]]


class ThemeDocument(Document):
    id: str
    title: TextDocument
    icon: str
    layers: list[str]


class ThemesDocument(Document):
    themes: list[ThemeDocument]


class AccountDocument(Document):
    name: str
    title: str
    roles: list[str]
    department: str | None
    districts: list[str]
    is_logged_in: bool


class LoginDocument(Document):
    token: str
    account: AccountDocument


class FeatureDocument(BaseModel):
    """A GeoJSON Feature (RFC 7946)."""

    type: Literal["Feature"]
    id: str
    geometry: dict[str, Any] | None
    properties: dict[str, Any]


class NearFeatureDocument(FeatureDocument):
    distance_m: float


class NearFeaturesDocument(Document):
    type: Literal["FeatureCollection"]
    version: int
    features: list[NearFeatureDocument]


class PlaceDocument(Document):
    lon: float
    lat: float


class IdentifiedDocument(Document):
    layer: str
    title: TextDocument
    version: int
    features: list[NearFeatureDocument]


class IdentifyDocument(Document):
    place: PlaceDocument
    layers: list[IdentifiedDocument]
    unavailable: list[str]
    """Layers that could not be asked, because their registered table is gone or was changed."""


class CountDocument(Document):
    value: Any
    title: TextDocument
    count: int


class WithinDocument(Document):
    version: int
    count: int
    counts: list[CountDocument]
    features: list[FeatureDocument]


class FoundDocument(Document):
    layer: str
    layer_title: TextDocument
    id: str
    title: str
    subtitle: str
    lon: float | None
    lat: float | None
    bounds: tuple[float, float, float, float] | None


class SearchDocument(Document):
    results: list[FoundDocument]
    unavailable: list[str]
    """Layers that could not be asked, because their registered table is gone or was changed."""


class LinkDocument(Document):
    href: str
    rel: str
    type: str
    title: str | None = None


class FeaturesDocument(Document):
    """A GeoJSON FeatureCollection (RFC 7946) with the members of OGC API – Features."""

    type: Literal["FeatureCollection"]
    timeStamp: datetime
    numberReturned: int
    version: int
    """Of the layer: the state that the answer shows."""
    numberMatched: int | None = None
    links: list[LinkDocument]
    features: list[FeatureDocument]


class LandingPageDocument(Document):
    title: str
    description: str
    links: list[LinkDocument]


class ConformanceDocument(Document):
    conformsTo: list[str]


class SpatialExtentDocument(Document):
    bbox: list[tuple[float, float, float, float]]
    crs: str


class ExtentDocument(Document):
    spatial: SpatialExtentDocument


class CollectionDocument(Document):
    id: str
    title: str
    description: str
    itemType: Literal["feature"] | None = None
    """None for a layer of pixels."""
    crs: list[str]
    storageCrs: str
    extent: ExtentDocument | None = None
    links: list[LinkDocument]
    version: int
    origins: list[OriginDocument]
    """How the coordinates came to be, with their stated error (not part of the standard)."""


class CollectionsDocument(Document):
    links: list[LinkDocument]
    crs: list[str]
    collections: list[CollectionDocument]


class UploadDocument(Document):
    id: str
    name: str
    size: int
    offset: int
    """Bytes that have arrived; the next piece begins here."""
    is_complete: bool
    started_at: datetime


class MeasuredDocument(Document):
    indicator: str
    title: TextDocument
    unit: str
    count: int
    low: float
    high: float


class ReadingsSpanDocument(Document):
    """What staged readings are about: how many stations, from when to when, and what was measured."""

    stations: int
    first: datetime | None
    last: datetime | None
    indicators: list[MeasuredDocument]


class StoredReadingsSpanDocument(ReadingsSpanDocument):
    added: int
    changed: int
    """Readings that took the place of another value."""
    unchanged: int


class StagedLayerDocument(Document):
    layer: str
    """`reading` for readings, which are no layer."""
    kind: Literal["rows", "readings", "raster"]
    title: TextDocument
    rows: int
    version: int
    """The version it was compared with; 0 for a layer that is not published yet."""
    added: int
    changed: int
    removed: int
    unchanged: int
    boxes: list[tuple[float, float, float, float]]
    readings: ReadingsSpanDocument | None
    raster: StagedRasterDocument | None


class FaultDocument(BaseModel):
    """Why nothing came of an import; further members name the file, what was found and expected."""

    model_config = ConfigDict(extra="allow")

    zh: str
    en: str


class ReviewStepDocument(Document):
    action: ReviewAction
    by: str
    at: datetime
    note: str


class ReviewDocument(Document):
    is_demanded: bool
    """Another person than who imported has to publish it."""
    is_submitted: bool
    """It waits for that person."""
    may_approve: bool
    """The caller took no part in it."""
    steps: list[ReviewStepDocument]


class ImportDocument(Document):
    id: str
    state: RunState
    files: str
    options: dict[str, Any]
    look_first: bool
    """The files are only looked at; they are read when a person has said how."""
    step: str
    rows_done: int
    rows_total: int | None
    cancel_asked: bool
    started_by: str
    sync: str | None
    """The sync that began it; None: a person did."""
    review: ReviewDocument
    started_at: datetime
    ended_at: datetime | None
    revision: int
    layers: list[StagedLayerDocument]
    """What is staged; empty before and after."""
    versions: dict[str, int]
    """The versions that were made, by layer."""
    stored: StoredReadingsSpanDocument | None
    """The readings that were written; they have no versions."""
    fault: FaultDocument | None
    reports: list[dict[str, Any]]


class ImportsDocument(Document):
    imports: list[ImportDocument]
    next: str | None


class SideDocument(Document):
    geometry: dict[str, Any] | None
    properties: dict[str, Any]


class ChangedRowDocument(Document):
    key: str
    before: SideDocument | None
    after: SideDocument | None


class DifferingDocument(Document):
    count: int
    box: tuple[float, float, float, float] | None


class ComparedDocument(Document):
    layer: str
    earlier: int
    later: int
    added: DifferingDocument
    changed: DifferingDocument
    removed: DifferingDocument
    rows: list[ChangedRowDocument]
    """Of the kind that was asked for; without one, none."""
    next: str | None


class ChangedRowsDocument(Document):
    layer: str
    kind: ChangeKind
    rows: list[ChangedRowDocument]
    next: str | None


class ProblemDocument(BaseModel):
    """A problem (RFC 9457); further members are the facts of the case."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None = None
