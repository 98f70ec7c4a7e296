"""What answers about syncs look like: models of the OpenAPI document beside `api.documents`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from api.documents import Document, TextDocument
from layers.sync_runs import SyncState
from layers.sync_source import SyncKind
from layers.syncs import Policy


class MadeDocument(Document):
    layer: str
    version: int
    added: int | None
    changed: int | None
    removed: int | None
    """None of a registered layer, whose rows are not compared."""


class SyncRunDocument(Document):
    id: int
    state: SyncState
    started_at: datetime
    ended_at: datetime | None
    asked_by: str | None
    """None: the timetable."""
    import_id: str | None
    """The import it became, whose report says everything else."""
    sentence: TextDocument | None
    made: list[MadeDocument]


class SyncDocument(Document):
    name: str
    title: str
    kind: SyncKind
    source: dict[str, Any]
    options: dict[str, Any]
    timetable: str
    sentence: TextDocument
    """The timetable in words."""
    next: list[datetime]
    """The next three moments; empty while it is paused."""
    next_is_retry: bool
    """The first of them is not on the timetable: what failed is tried again, or what is written to later."""
    policy: Policy
    most_removed: float | None
    most_changed: float | None
    owner: str
    is_paused: bool
    is_asked_for: bool
    """A run was asked for and begins within seconds."""
    failures: int
    failing_since: datetime | None
    is_late: bool
    """It should have begun, and no worker carries it out."""
    waiting: str | None
    """The import that waits for a person."""
    last: SyncRunDocument | None
    may_change: bool


class SyncsDocument(Document):
    syncs: list[SyncDocument]


class SyncRunsDocument(Document):
    runs: list[SyncRunDocument]
