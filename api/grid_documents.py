"""What answers about grids, events and stations look like: models of the OpenAPI document.

Handlers write their answers as plain values for speed; a test holds them equal to these models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from api.documents import Document, TextDocument
from gis.codes import Kind
from grid.states import Action, State


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a body that a handler reads by itself, whole in one piece."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def whole(told: Any) -> Any:
        if isinstance(told, dict):
            if "$ref" in told:
                return whole(parts[told["$ref"].rpartition("/")[2]])
            return {name: whole(inner) for name, inner in told.items()}
        return [whole(inner) for inner in told] if isinstance(told, list) else told

    return dict(whole(schema))


class NamedDocument(Document):
    code: str
    name: str


class NearDocument(NamedDocument):
    distance_m: float


class LocatedDocument(Document):
    found: bool
    lon: float
    lat: float
    grid: NamedDocument | None
    community: NamedDocument | None
    street: NamedDocument | None
    district: NamedDocument | None
    nearest: NearDocument | None
    """Outside every grid: the nearest one, if there is any."""
    version: int


class LocatedManyDocument(Document):
    version: int
    count: int
    outside: int
    codes: list[str | None]


class MajorDocument(Document):
    code: str
    title: TextDocument


class EventClassDocument(Document):
    code: str
    title: TextDocument
    kind: Kind
    major: MajorDocument


class DepartmentDocument(Document):
    code: str
    name: str
    name_en: str


class DepartmentsDocument(Document):
    departments: list[DepartmentDocument]


class EventPhotoDocument(Document):
    number: int
    media_type: str
    url: str


class EventDocument(Document):
    id: int
    case_number: str
    class_: Annotated[EventClassDocument, Field(alias="class")]
    state: State
    description: str
    address: str
    lon: float
    lat: float
    grid: NamedDocument | None
    grid_distance_m: float
    """0 within the grid; otherwise how far the nearest one is."""
    community: NamedDocument | None
    street: NamedDocument | None
    district: NamedDocument | None
    component: NearDocument | None
    department: DepartmentDocument | None
    due_at: datetime | None
    overdue: bool
    reporter: str
    reported_at: datetime
    updated_at: datetime
    revision: int
    photos: list[EventPhotoDocument]
    actions: list[Action]
    """What the caller may do with it now."""


class EventStepDocument(Document):
    action: str
    from_state: State | None
    to_state: State
    by: str
    department: NamedDocument | None
    note: str
    at: datetime


class WholeEventDocument(EventDocument):
    steps: list[EventStepDocument]


class EventsDocument(Document):
    events: list[EventDocument]
    next: str | None


class ReadingDocument(Document):
    indicator: str
    title: TextDocument
    value: float
    unit: str
    observed_at: datetime


class StationIndexDocument(Document):
    kind: str
    """`aqi` or `water_class`."""
    value: int | str
    level: TextDocument
    color: str
    primary: list[str]
    """The indicators that make it so."""


class StationDocument(Document):
    code: str
    name: str
    kind: str
    lon: float
    lat: float
    values: list[ReadingDocument]
    index: StationIndexDocument | None


class StationsDocument(Document):
    stations: list[StationDocument]


class StoredReadingsDocument(Document):
    read: int
    written: int
    """Those that were new, or whose value changed."""
    repeated: int


class SeriesDocument(Document):
    station: str
    indicator: str
    title: TextDocument
    unit: str
    step: str
    points: list[tuple[datetime, float]]
