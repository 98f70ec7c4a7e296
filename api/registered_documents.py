"""What answers about registered tables look like: models of the OpenAPI document beside `api.documents`."""

from __future__ import annotations

from api.documents import Document, LayerDocument, TextDocument
from layers.registration import FindingKind


class FindingDocument(Document):
    kind: FindingKind
    sentence: TextDocument
    sql: str | None
    """What the owner of the table may run about it."""


class RegisteredDocument(Document):
    layer: LayerDocument
    table: str
    srid: int
    follows: bool
    """A trigger tells of changes; else tiles are kept for half a minute."""
    findings: list[FindingDocument]


class CheckDocument(Document):
    is_ok: bool
    """Nothing keeps the table from being served."""
    findings: list[FindingDocument]
