"""What answers about the past look like: when layers changed, and what differs between two dates."""

from __future__ import annotations

from datetime import datetime

from api.documents import DifferingDocument, Document
from layers.timeline import HistoryKind


class HistoryDocument(Document):
    layer: str
    history: HistoryKind
    """`versions`: of its rows; `pictures`: by their date; `none`: it can be shown as it is now only."""
    since: datetime | None
    """The first moment it can be shown at; None where there is none."""
    states: int


class MomentDocument(Document):
    at: datetime
    layer: str
    version: int
    taken: str | None
    """Of a picture: its date as it was said, a year, a month or a day."""
    added: int | None
    changed: int | None
    removed: int | None


class TimelineDocument(Document):
    layers: list[HistoryDocument]
    moments: list[MomentDocument]
    left_out: int
    """Older moments that `limit` kept back: ask again with the oldest one's time as `end`."""


class ComparedLayerDocument(Document):
    layer: str
    earlier: int
    """The version that stood at the earlier date; 0: none did yet."""
    later: int
    added: DifferingDocument
    changed: DifferingDocument
    removed: DifferingDocument


class ComparedLayersDocument(Document):
    layers: list[ComparedLayerDocument]
