"""What a person says to register a table as a layer, and what was found out beside it. Values only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from layers.errors import BadRequest
from layers.model import NO_TEXT, AccessLevel, Layer, Sensitivity, Text

MOST_ROWS = 20_000
"""Rows of a function drawn in one tile unless the operator says otherwise."""

FindingKind = Literal["found", "left out", "warning", "fault"]


class Finding(NamedTuple):
    """One thing found out about a table; `sql` is what its owner may run about it.

    `found`: taken so; `left out`: not given; `warning`: served, but badly; `fault`: cannot be served.
    """

    kind: FindingKind
    sentence: Text
    sql: str | None = None


@dataclass(frozen=True)
class Registration:
    """Which table becomes which layer, and what of it leaves. None: found out.

    `geometry_type`: Point, LineString, Polygon, their Multi forms or Geometry, for a column that does not
    say. `srid`: EPSG code of rows that say none. `zone`: the time zone of times without one (IANA name).
    `fields` None: every column that can be given. `sensitive`: fields that are not for everybody.
    """

    schema: str
    table: str
    id: str
    title: Text
    key: str | None = None
    geometry: str | None = None
    srid: int | None = None
    geometry_type: str | None = None
    fields: tuple[str, ...] | None = None
    sensitive: Mapping[str, Sensitivity] = field(default_factory=dict)
    name_field: str | None = None
    search_fields: tuple[str, ...] = ()
    district_field: str | None = None
    time_field: str | None = None
    zone: str | None = None
    access: AccessLevel = "login"
    theme: str = "other"
    owner: str = ""
    description: Text = NO_TEXT
    min_zoom: int | None = None
    follow: bool = False


@dataclass(frozen=True)
class FunctionRegistration:
    """Which function becomes which layer: `rows` as of a table of that name, whose key may be None.

    `allowed`: what may be said for an argument, as `layers.function_arguments.with_limits` reads it.
    """

    rows: Registration
    allowed: Mapping[str, str] = field(default_factory=dict)
    most_rows: int = MOST_ROWS


class Registered(NamedTuple):
    """The layer as it was, or would be, registered, and what was found out."""

    layer: Layer
    findings: tuple[Finding, ...]


def named_table(text: str) -> tuple[str, str]:
    """Schema and name in `schema.table`; a name with a dot in it goes in double quotes. `BadRequest`.

    >>> named_table("gis.parcel"), named_table('gis."地块.2026"')
    (('gis', 'parcel'), ('gis', '地块.2026'))
    """
    found = _TABLE.fullmatch(text.strip())
    if found is None:
        raise BadRequest(
            f"“{text[:80]}”不是 模式.表名",
            f"{text[:80]!r} is not schema.table",
            field="table",
            value=text,
            expected="schema.table, such as public.parcel",
        )
    schema, table = (part[1:-1].replace('""', '"') if part[0] == '"' else part for part in found.groups())
    return schema, table


_TABLE = re.compile(r'("(?:[^"]|"")+"|[^."]+)\.("(?:[^"]|"")+"|[^."]+)')
