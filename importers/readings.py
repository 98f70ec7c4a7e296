"""Readings of monitoring stations from a table: one value per row (long), or one column per indicator (wide).

A reading names its station and its time; its unit is the header's, a unit column's, or the indicator's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gis.tables.indicators import INDICATORS, Indicator
from gis.units import factor
from importers.coerce import coerce
from importers.errors import NoMatch
from importers.masks import Mask, nulls
from importers.names import folded, unit_in
from importers.prepare import Counted
from importers.report import Finding
from importers.rules import rule
from importers.source import CHUNK_ROWS, Chunk, Source
from layers.readings import Reading
from layers.sent_readings import AHEAD

MOST_NAMED = 100
"""Stations that are not there which a report counts by name."""

STATION, TIME, KIND, VALUE, UNIT = "station_code", "observed_at", "indicator", "value", "unit"
"""What a column may hold, besides an indicator."""
ROLES: Mapping[str, tuple[str, ...]] = {
    STATION: (
        "stationcode",
        "站点编码",
        "站点编号",
        "测站编码",
        "站码",
        "监测点编码",
        "station",
        "stationid",
    ),
    TIME: (
        "observedat",
        "监测时间",
        "观测时间",
        "时间",
        "数据时间",
        "time",
        "datetime",
        "timestamp",
        "采样时间",
    ),
    KIND: ("indicator", "监测指标", "指标", "监测项目", "项目", "parameter", "因子", "监测因子"),
    VALUE: ("value", "监测值", "数值", "值", "浓度", "观测值"),
    UNIT: ("unit", "单位", "计量单位"),
}
"""Names of the columns, as `names.folded` leaves them."""


BY_CODE: Mapping[str, Indicator] = {indicator.code: indicator for indicator in INDICATORS}


class Measured(NamedTuple):
    """A column of values of one indicator, and what its numbers are multiplied by; None: a foreign unit."""

    column: str
    indicator: Indicator
    factor: float | None


class ReadingColumns(NamedTuple):
    """The columns of a table of readings: long (`kind`, `value`, perhaps `unit`) or wide (`measured`)."""

    station: str
    time: str
    kind: str | None = None
    value: str | None = None
    unit: str | None = None
    measured: tuple[Measured, ...] = ()

    @property
    def matched(self) -> dict[str, str]:
        """What it holds of readings → the column."""
        roles = {STATION: self.station, TIME: self.time, KIND: self.kind, VALUE: self.value, UNIT: self.unit}
        named = {role: column for role, column in roles.items() if column is not None}
        return named | {one.indicator.code: one.column for one in self.measured}

    @property
    def used(self) -> set[str]:
        return set(self.matched.values()) | {one.column for one in self.measured}


def reading_columns(source: Source, said: Mapping[str, str] = MappingProxyType({})) -> ReadingColumns | None:
    """The columns if `source` is a table of readings; None for anything else.

    `said`: column → one of `ROLES` or an indicator's code, over what its name tells; `""`: left out.
    """
    if source.geometry_type is not None:
        return None
    fields = reading_fields(source, said)
    by_role = {field: column for column, field in reversed(fields.items())}
    station, time = by_role.get(STATION), by_role.get(TIME)
    if station is None or time is None:
        return None
    kind, value = by_role.get(KIND), by_role.get(VALUE)
    if kind is not None and value is not None:
        return ReadingColumns(station, time, kind, value, by_role.get(UNIT))
    measured = tuple(
        Measured(column, found, factor(unit_in(column), found.unit or None))
        for column, field in fields.items()
        if (found := BY_CODE.get(field)) is not None
    )
    return ReadingColumns(station, time, measured=measured) if measured else None


def reading_fields(source: Source, said: Mapping[str, str]) -> dict[str, str]:
    """What each column of a table would hold of readings, a role or an indicator; others are left out."""
    taken = set(said.values())
    fields = {column: field for column, field in said.items() if column in source.schema.names and field}
    for role, names in ROLES.items():
        if role in taken:
            continue
        by_name = {folded(n): n for n in reversed(source.schema.names) if n not in said}
        column = next((by_name[n] for n in names if n in by_name), None)
        if column is not None:
            fields[column] = role
    for column in source.schema.names:
        found = None if column in said or column in fields else indicator_named(column)
        if found is not None:
            fields[column] = found.code
    return {column: fields[column] for column in source.schema.names if column in fields}


def no_readings(source: Source) -> NoMatch:
    """The refusal of a table that is said to hold readings and lacks a column for it."""
    return NoMatch(
        source.title,
        "缺少监测数据所需的列：站点编码、监测时间，以及监测指标与监测值（或每个指标一列）；"
        f"文件的列有：{'、'.join(source.schema.names[:20])}",
        "columns that readings need are missing: station, time, and indicator with value, or one column for"
        f" each indicator; the columns are {', '.join(source.schema.names[:20])}",
        found=", ".join(source.schema.names[:30]),
        expected=f"{STATION}, {TIME}, {KIND} + {VALUE}",
    )


def indicator_named(name: str) -> Indicator | None:
    """The indicator a column or cell names by code or title, unit in brackets aside."""
    return _BY_NAME.get(folded(name))


def read_readings(
    source: Source, columns: ReadingColumns, stations: set[str], counted: Counted
) -> Iterator[Reading]:
    """The readings of the table; rows that are none are refused in `counted`, whose numbers count values."""
    for note in source.notes:
        counted.tally.count(note.rule, note.times)
        counted.tally.say(note.rule, note.zh, note.en)
    for chunk in source.read(CHUNK_ROWS):
        for trouble in chunk.troubles:
            counted.read += 1
            counted.refused += 1
            counted.tally.count(trouble.rule, 1)
            counted.tally.find(Finding(trouble.rule, trouble.row, None, None, None, trouble.zh, trouble.en))
        if len(chunk):
            yield from _of_chunk(chunk, columns, stations, counted)


def _of_chunk(
    chunk: Chunk, columns: ReadingColumns, stations: set[str], counted: Counted
) -> Iterator[Reading]:
    state = _State(chunk, columns, counted)
    codes = coerce(chunk.columns[columns.station], "text", is_code=True).values
    times = coerce(chunk.columns[columns.time], "datetime")
    known = np.fromiter((c in stations for c in codes.to_pylist()), bool, len(chunk))
    state.refuse("value.required", nulls(codes), columns.station)
    state.refuse("reading.no_station", ~known, columns.station, codes)
    state.refuse("value.required", nulls(times.values) & nulls(chunk.columns[columns.time]), columns.time)
    state.refuse("value.not_a_date", nulls(times.values), columns.time)
    moments = times.values
    state.note_ahead(moments)
    if columns.kind is not None:
        yield from _long(chunk, columns, state, codes, moments)
        return
    for measured in columns.measured:
        values, present = state.numbers(chunk.columns[measured.column], measured)
        keep = present & ~state.gone
        counted.read += int((present | state.wrong).sum())
        counted.kept += int(keep.sum())
        counted.refused += int(((present & state.gone) | state.wrong).sum())
        mask = pa.array(keep)
        for code, at, value in zip(
            codes.filter(mask).to_pylist(),
            moments.filter(mask).to_pylist(),
            values[keep].tolist(),
            strict=True,
        ):
            yield Reading(code, measured.indicator.code, at, value)


def _long(
    chunk: Chunk, columns: ReadingColumns, state: _State, codes: pa.Array, moments: pa.Array
) -> Iterator[Reading]:
    assert columns.kind is not None
    assert columns.value is not None
    names = coerce(chunk.columns[columns.kind], "text").values.to_pylist()
    found = {name: indicator_named(name) if name else None for name in set(names)}
    state.refuse("reading.indicator", np.array([found[n] is None for n in names], dtype=bool), columns.kind)
    units = chunk.columns[columns.unit].to_pylist() if columns.unit else [None] * len(chunk)
    pairs = {
        (n, u): factor(u, (i.unit or None)) if (i := found[n]) is not None else 1.0
        for n, u in set(zip(names, units, strict=True))
    }
    factors = [pairs[pair] for pair in zip(names, units, strict=True)]
    state.refuse("value.unit", np.array([f is None for f in factors], dtype=bool), columns.unit)
    values, present = state.numbers(chunk.columns[columns.value], None)
    state.refuse("value.required", ~present & ~state.wrong, columns.value)
    gone = state.gone | state.wrong
    state.counted.read += len(chunk)
    state.counted.kept += int((~gone).sum())
    state.counted.refused += int(gone.sum())
    for position in np.flatnonzero(~gone):
        indicator = found[names[position]]
        if indicator is not None:
            scaled = float(values[position]) * (factors[position] or 1.0)
            yield Reading(
                codes[int(position)].as_py(), indicator.code, moments[int(position)].as_py(), scaled
            )


class _State:
    """Which rows of a chunk are refused, and the findings about them."""

    def __init__(self, chunk: Chunk, columns: ReadingColumns, counted: Counted) -> None:
        self.chunk = chunk
        self.columns = columns
        self.counted = counted
        self.gone: Mask = np.zeros(len(chunk), dtype=bool)
        self.wrong: Mask = np.zeros(len(chunk), dtype=bool)

    def refuse(self, rule_id: str, mask: Mask, column: str | None, named: pa.Array | None = None) -> None:
        """Refuses whole rows, each by the first rule it breaks; with `named` each value is counted."""
        new = mask & ~self.gone
        self._list(rule_id, new, column, named=named)
        self.gone |= new

    def note_ahead(self, moments: pa.Array) -> None:
        """Counts readings of a time that is still to come, which would be the newest for long."""
        now = datetime.now(UTC) + AHEAD
        ahead = pc.greater(moments, pa.scalar(now, moments.type)) if len(moments) else moments
        count = pc.sum(ahead).as_py() or 0
        self.counted.tally.count("reading.ahead", count, self.columns.time)

    def numbers(self, array: pa.Array, measured: Measured | None) -> tuple[Any, Mask]:
        """The values of a column and which are there; `wrong` becomes those that are no numbers."""
        scale = 1.0 if measured is None else measured.factor
        found = coerce(array, "number")
        self.wrong = np.zeros(len(array), dtype=bool)
        for part in found.wrong:
            self._list(part.rule, part.rows, None if measured is None else measured.column, array)
            self.wrong |= part.rows
        values = pc.fill_null(found.values, float("nan")).to_numpy(zero_copy_only=False)
        present = np.isfinite(values)
        if scale is None and measured is not None:
            self._list("value.unit", present, measured.column)
            self.wrong |= present
            present = np.zeros(len(array), dtype=bool)
        return values * (scale or 1.0), present

    def _list(
        self,
        rule_id: str,
        rows: Mask,
        column: str | None,
        array: pa.Array | None = None,
        named: pa.Array | None = None,
    ) -> None:
        tally = self.counted.tally
        if named is None:
            tally.count(rule_id, int(rows.sum()), column)
        else:
            for value, count in Counter(named.filter(pa.array(rows)).to_pylist()).items():
                room = len(tally.details.get(rule_id, {})) < MOST_NAMED
                tally.count(rule_id, count, str(value)[:100] if room else "…")
        known = rule(rule_id)
        for position in np.flatnonzero(rows)[: max(tally.wants(rule_id), 0)]:
            source = array if array is not None else self.chunk.columns.get(column or "")
            value = None if source is None else source[int(position)].as_py()
            shown = "" if value is None else f" {value!r}"
            tally.find(
                Finding(
                    rule_id,
                    int(self.chunk.rows[position]),
                    None,
                    column,
                    None if value is None else str(value)[:100],
                    f"{column or ''}{shown}：{known.zh}",
                    f"{column or ''}{shown}: {known.en}",
                )
            )


_ALSO = {
    "do": "dissolved_oxygen",
    "CODcr": "cod",
    "leqa": "leq",
    "水位高程": "water_level",
    "雨量": "rainfall",
    "降水量": "rainfall",
}
"""What tables of readings call indicators besides their titles (GB 3838-2002, GB 3096-2008 symbols)."""

_BY_NAME = {
    folded(name): indicator
    for indicator in reversed(INDICATORS)
    for name in (indicator.en, *indicator.zh.split(), indicator.zh, indicator.code)
} | {folded(name): BY_CODE[code] for name, code in _ALSO.items() if code in BY_CODE}
