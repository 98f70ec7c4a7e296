"""What an event is: the report that comes in, the case it becomes, the steps of its life. Frozen values."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from grid.photos import Photo
from grid.states import WAITING, Action, State
from layers.errors import BadRequest


@dataclass(frozen=True)
class Report:
    """What somebody reports. `lon`, `lat`: degrees, EPSG:4490. `key`: theirs, one for each report."""

    key: str
    class_code: str
    lon: float
    lat: float
    description: str = ""
    address: str = ""
    photos: tuple[Photo, ...] = ()

    @property
    def content_hash(self) -> bytes:
        """SHA-256 of everything but the key: two reports with one key are the same if this is."""
        digest = hashlib.sha256()
        for part in (
            self.class_code,
            repr(self.lon),
            repr(self.lat),
            self.description,
            self.address,
        ):
            encoded = part.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        for photo in self.photos:
            digest.update(photo.sha256)
        return digest.digest()


class PhotoNote(NamedTuple):
    """A photo's number (from 1) and type; the picture itself is asked for apart."""

    number: int
    media_type: str


class Step(NamedTuple):
    """One step of an event's life, as recorded."""

    action: str
    from_state: State | None
    to_state: State
    by: str
    department_code: str | None
    department_name: str | None
    note: str
    at: datetime


@dataclass(frozen=True)
class Event:
    """A case as it stands. Coordinates EPSG:4490; `grid_distance_m` is 0 in the grid, else to the nearest."""

    id: int
    case_number: str
    class_code: str
    state: State
    description: str
    address: str
    lon: float
    lat: float
    grid_code: str | None
    grid_distance_m: float
    district_code: str | None
    street_code: str | None
    community_code: str | None
    component_code: str | None
    component_name: str | None
    component_distance_m: float | None
    department_code: str | None
    department_name: str | None
    department_name_en: str | None
    due_at: datetime | None
    reporter: str
    reported_at: datetime
    updated_at: datetime
    revision: int
    photos: tuple[PhotoNote, ...] = ()

    def is_overdue(self, now: datetime) -> bool:
        """True if its time ran out before it was handled."""
        return self.due_at is not None and self.state in WAITING and self.due_at < now


@dataclass(frozen=True)
class Act:
    """What somebody wants done with an event that they saw at `revision`."""

    action: Action
    revision: int
    note: str = ""
    department: str | None = None


def check_text(field: str, value: str, limit: int) -> None:
    """Raises `BadRequest` for text above `limit` characters or that the database cannot keep."""
    if len(value) > limit:
        raise wrong(field, value, f"不能超过 {limit} 个字", f"no more than {limit} characters")
    # PostgreSQL keeps neither NUL nor half of a surrogate pair.
    if re.search("[\x00\ud800-\udfff]", value):
        raise wrong(field, "…", "含有不能保存的字符", "text without NUL and lone surrogates")


def wrong(field: str, value: object, zh: str, expected: str) -> BadRequest:
    """The refusal of one member of a report or action."""
    return BadRequest(
        f"“{field}”有误：{zh}",
        f"{field} is not right: expected {expected}",
        field=field,
        value=value,
        expected=expected,
    )
