"""Readings that wait for a person to publish them: staged, compared with what stands, looked at, written.

Readings have no versions: publishing them cannot be taken back. So what is written is what was compared, to
the number; where other readings came meanwhile, publishing refuses and the person compares again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql as driver_sql
from sqlalchemy import Double, Select, Text, and_, column, distinct, func, literal_column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from gis.tables.indicators import INDICATORS
from layers import schema
from layers.access import Scope, Viewer, require_change, scope_for
from layers.catalogue import find_layer
from layers.db import Database, driver, identifier
from layers.errors import Conflict, NotAllowed, OneMapError
from layers.features import COORDINATE_DIGITS
from layers.filters import check_number
from layers.readings import ARRIVED, STATION_LAYER, Merged, Reading, copy_arrived, drop_repeated, merge
from layers.rows import rows
from layers.schema import STAGE_SCHEMA
from layers.stage import announce_life, drop_stage, sweep_stages
from layers.staged_rows import MAX_LIMIT, ChangedRow, ChangeKind, Side

READINGS = "reading"
"""What stands in the place of a layer's id where readings are imported."""
MOST_NAMED = 10
"""Stations that an error names."""


@dataclass(frozen=True)
class StagedReadings:
    """Readings in a stage of their own; `repeated`: those that a later one replaced, by part that came."""

    table: str
    count: int
    repeated: tuple[int, ...]


@dataclass(frozen=True)
class MeasuredSpan:
    """What there is of one indicator: readings, and their least and greatest value in its unit."""

    indicator: str
    count: int
    low: float
    high: float


@dataclass(frozen=True)
class ComparedReadings:
    """Staged readings and what writing them would do: `changed` ones take the place of another value.

    `first` and `last`: times of the earliest and the latest reading.
    """

    table: str
    count: int
    added: int
    changed: int
    unchanged: int
    stations: int
    first: datetime | None
    last: datetime | None
    measured: tuple[MeasuredSpan, ...]

    @property
    def is_empty(self) -> bool:
        """True if every reading stands already."""
        return not self.added and not self.changed

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values, for the run's row."""
        return {
            "kind": "readings",
            "layer": READINGS,
            "title": {"zh": "监测数据", "en": "Readings"},
            "table": self.table,
            "count": self.count,
            "base_version": 0,
            "difference": [self.added, self.changed, 0, self.unchanged, []],
            "readings": {
                "stations": self.stations,
                "first": None if self.first is None else self.first.isoformat(),
                "last": None if self.last is None else self.last.isoformat(),
                "indicators": [_span_json(one) for one in self.measured],
            },
        }

    def stored_json(self) -> dict[str, Any]:
        """What was written, as JSON values, once it is."""
        told = self.to_json()
        numbers = {"added": self.added, "changed": self.changed, "unchanged": self.unchanged}
        return {**numbers, **told["readings"]}


def compared_from_json(told: Mapping[str, Any]) -> ComparedReadings:
    """What `ComparedReadings.to_json` wrote."""
    added, changed, _, unchanged, _ = told["difference"]
    more = told["readings"]
    return ComparedReadings(
        told["table"],
        told["count"],
        added,
        changed,
        unchanged,
        more["stations"],
        None if more["first"] is None else datetime.fromisoformat(more["first"]),
        None if more["last"] is None else datetime.fromisoformat(more["last"]),
        tuple(
            MeasuredSpan(one["indicator"], one["count"], one["low"], one["high"])
            for one in more["indicators"]
        ),
    )


async def stage_readings(
    db: Database, readings: Iterable[Reading], ends: Sequence[int] = ()
) -> StagedReadings:
    """Copies `readings` into a stage of this process; all or nothing, nobody sees them.

    `ends` is looked at after `readings` was read, which may fill it: the number of the last reading of each
    part. Raises `BadData` as `layers.readings.add`.
    """
    await sweep_stages(db)
    name = f"s{await announce_life(db):08x}_{secrets.token_hex(6)}"
    stage = identifier(STAGE_SCHEMA, name)
    async with db.begin(timeout_ms=0) as connection:
        made = driver_sql.SQL("CREATE UNLOGGED TABLE {} ({})").format(stage, driver_sql.SQL(ARRIVED))
        await (await driver(connection)).execute(made)
        read = await copy_arrived(connection, stage, readings)
        repeated = await drop_repeated(connection, stage, ends)
    return StagedReadings(name, read - sum(repeated), tuple(repeated))


async def compare_readings(db: Database, name: str) -> ComparedReadings:
    """What writing the readings of a stage would do to those that stand."""
    stage, standing = _stage(name), schema.reading
    both = stage.outerjoin(standing, _same(stage, standing))
    numbers = select(
        func.count().filter(standing.c.value.is_(None)),
        func.count().filter(standing.c.value != stage.c.value),
        func.count().filter(standing.c.value == stage.c.value),
        func.count(distinct(stage.c.station_code)),
        func.min(stage.c.observed_at),
        func.max(stage.c.observed_at),
        func.count(),
    ).select_from(both)
    spans = select(
        stage.c.indicator, func.count(), func.min(stage.c.value), func.max(stage.c.value)
    ).group_by(stage.c.indicator)
    async with db.begin(timeout_ms=0) as connection:
        row = (await connection.execute(numbers)).one()
        measured = [MeasuredSpan(*found) for found in await connection.execute(spans)]
    order = {one.code: position for position, one in enumerate(INDICATORS)}
    measured.sort(key=lambda one: (order.get(one.indicator, len(order)), one.indicator))
    added, changed, unchanged, stations, first, last, count = row
    return ComparedReadings(name, count, added, changed, unchanged, stations, first, last, tuple(measured))


async def station_keys_staged(db: Database, name: str) -> set[str]:
    """The keys of stations that wait in the stage `name` to be published."""
    stage = table(name, column("_key", Text), schema=STAGE_SCHEMA)
    async with db.connect() as connection:
        return set((await connection.scalars(select(stage.c._key))).all())


async def staged_reading_changes(
    db: Database,
    name: str,
    stations: Scope | None,
    kind: ChangeKind,
    *,
    limit: int = 100,
    after: str | None = None,
) -> list[ChangedRow]:
    """Readings of one kind in the order of station, indicator and time; at most `limit`, after `after`.

    `stations`: what the viewer may see of the station layer; readings of other stations have no place and
    what stands of them is kept back. Nothing is ever `removed`.
    """
    check_number("limit", limit, 1, MAX_LIMIT)
    if kind == "removed":
        return []
    stage, standing = _stage(name), schema.reading
    key = func.concat_ws(
        "/",
        stage.c.station_code,
        stage.c.indicator,
        func.to_char(func.timezone("UTC", stage.c.observed_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    ).collate("C")
    statement = (
        _with_places(stage, standing, stations, key)
        .where(standing.c.value.is_(None) if kind == "added" else standing.c.value != stage.c.value)
        .order_by(key)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(key > after.replace("\x00", ""))
    async with db.connect() as connection:
        found = (await connection.execute(statement)).all()
    return [_changed(row) for row in found]


async def publish_readings_in(
    connection: AsyncConnection, compared: ComparedReadings, viewer: Viewer
) -> Merged:
    """Writes staged readings in the transaction of `connection`, and drops their stage.

    Raises `NotAllowed` where the viewer may not write readings of one of the stations, `Conflict` where what
    stands is not what they were compared with, or a station is gone.
    """
    layer = await find_layer(connection, STATION_LAYER)
    if layer is None:
        raise _gone([STATION_LAYER])
    limited = require_change(viewer, layer)
    stage = _stage(compared.table)
    theirs = rows(scope_for(viewer, layer), fields=[]).subquery("theirs")
    beyond = (
        select(stage.c.station_code)
        .distinct()
        .where(stage.c.station_code.not_in(select(theirs.c._key)))
        .order_by(stage.c.station_code)
        .limit(MOST_NAMED)
    )
    strange = list(await connection.scalars(beyond))
    if strange:
        raise _not_theirs(strange) if limited else _gone(strange)
    merged = await merge(connection, identifier(STAGE_SCHEMA, compared.table))
    if merged != (compared.added, compared.changed):
        raise Conflict(
            f"比较之后又有监测数据写入：现为新增 {merged.added}、替换 {merged.changed}，"
            f"比较时为新增 {compared.added}、替换 {compared.changed}；请重新比较后再发布",
            f"readings came since this was compared: {merged.added} would be added and {merged.changed}"
            f" replaced, where {compared.added} and {compared.changed} were shown; compare again",
            layer=READINGS,
        )
    await drop_stage(connection, compared.table)
    return merged


def _not_theirs(stations: Sequence[str]) -> OneMapError:
    return NotAllowed(
        f"这些监测站不在您可写的范围内：{'、'.join(stations)}",
        f"you may not write readings of these stations: {', '.join(stations)}",
        layer=READINGS,
        stations=list(stations),
    )


def _gone(stations: Sequence[str]) -> OneMapError:
    return Conflict(
        f"这些监测站已不在监测站图层中：{'、'.join(stations)}",
        f"these stations are in the station layer no longer: {', '.join(stations)}",
        layer=READINGS,
        stations=list(stations),
    )


def _stage(name: str) -> Any:
    """The stage as an alias, with its columns."""
    columns = [column("station_code", Text), column("indicator", Text), column("observed_at")]
    return table(name, *columns, column("value", Double), schema=STAGE_SCHEMA).alias("stage")


def _same(stage: Any, standing: Any) -> Any:
    return and_(*(stage.c[n] == standing.c[n] for n in ("station_code", "indicator", "observed_at")))


def _with_places(stage: Any, standing: Any, stations: Scope | None, key: Any) -> Select[Any]:
    """Key, the staged reading, the value that stands where it may be seen, and the station's place."""
    told = (key, stage.c.station_code, stage.c.indicator, stage.c.observed_at, stage.c.value)
    both = stage.outerjoin(standing, _same(stage, standing))
    if stations is None:
        return select(*told, literal_column("NULL"), literal_column("NULL")).select_from(both)
    seen = rows(stations, fields=[]).subquery("seen")
    place = func.ST_AsGeoJSON(seen.c._geom, COORDINATE_DIGITS, 0)
    return select(*told, standing.c.value, place, seen.c._key).select_from(
        both.outerjoin(seen, seen.c._key == stage.c.station_code)
    )


def _changed(row: Sequence[Any]) -> ChangedRow:
    key, station, indicator, observed_at, value, before, place, *seen = row
    told = {"station_code": station, "indicator": indicator, "observed_at": observed_at.isoformat()}
    unit = _UNITS.get(indicator)
    after = Side({**told, "value": value, "unit": unit}, place)
    if before is None or not seen or seen[0] is None:
        return ChangedRow(key, None, after)
    return ChangedRow(key, Side({**told, "value": before, "unit": unit}, place), after)


def _span_json(one: MeasuredSpan) -> dict[str, Any]:
    known = _TITLES.get(one.indicator, {"zh": one.indicator, "en": one.indicator})
    return {
        "indicator": one.indicator,
        "title": known,
        "unit": _UNITS.get(one.indicator, ""),
        "count": one.count,
        "low": one.low,
        "high": one.high,
    }


_UNITS = {one.code: one.unit for one in INDICATORS}
_TITLES = {one.code: {"zh": one.zh, "en": one.en} for one in INDICATORS}
