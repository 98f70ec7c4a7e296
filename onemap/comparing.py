"""`onemap layers compare` and `moments`: two versions of a layer side by side, on the screen or as a report,
and when there were any."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from rich.table import Table
from rich.text import Text

from importers.table_book import TableBook
from layers.access import SYSTEM, Scope, scope_for
from layers.catalogue import get_layer, list_layers
from layers.compare import Differing, differing, differing_rows, each_differing_row
from layers.db import Database
from layers.errors import BadRequest
from layers.filters import DAY_ZONE, read_interval
from layers.moments import NOW, AsOf, Moments, read_moment
from layers.staged_rows import ChangedRow, ChangeKind
from layers.timeline import Timeline, timeline
from onemap.administration import heads, with_database
from onemap.settings import Settings
from onemap.terminal import out, say

KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
SHOWN = 20
"""Rows of each kind on the screen; a report holds all."""

_TITLES: Mapping[ChangeKind, tuple[str, str]] = {
    "added": ("新增", "added"),
    "changed": ("变更", "changed"),
    "removed": ("删除", "removed"),
}
_Line = tuple[str, str, object, object]
"""Key, field (empty: the place), the value before and after."""


def compare(
    settings: Settings, layer_id: str, earlier: str, later: str, *, rows: bool, report: Path | None
) -> None:
    """Prints how many rows differ and where; `rows`: the first of each kind; `report`: all, in a file.

    `earlier` and `later` are versions, dates as of which one is meant, or `now`. Raises `NotFound` for a
    layer or a version that is not there, `BadRequest` for what is neither and for another kind of report.
    """
    if report is not None and report.suffix.lower() not in (".xlsx", ".geojson"):
        raise BadRequest(
            f"报告应为 .xlsx 或 .geojson 文件：{report.name}",
            f"a report is an .xlsx or a .geojson file: {report.name}",
            field="report",
            value=report.name,
            expected=".xlsx or .geojson",
        )

    async def work(db: Database) -> Mapping[ChangeKind, Differing]:
        layer = await get_layer(db, layer_id)
        moments = Moments(db)
        old = await moments.scope(SYSTEM, layer, _meant(earlier))
        new = await moments.scope(SYSTEM, layer, _meant(later))
        told = await differing(db, old, new)
        _print_numbers(old, new, told)
        if rows:
            for kind in KINDS:
                _print_rows(old, kind, await differing_rows(db, old, new, kind, limit=SHOWN), told[kind])
        if report is not None:
            await (_write_workbook if report.suffix.lower() == ".xlsx" else _write_geojson)(
                db, old, new, report
            )
        return told

    with_database(settings, work)
    if report is not None:
        out.print(say(f"报告：{report}", f"report: {report}"), markup=False)


def print_moments(
    settings: Settings, layer_ids: Sequence[str], since: str | None, until: str | None, limit: int
) -> None:
    """A table of the moments at which layers changed, newest first; of all layers where none is named.

    Raises `NotFound` for a layer that is not there, `BadRequest` for a time or a limit that is none.
    """
    start = None if since is None else read_interval(since, "since")[0]
    end = None if until is None else read_interval(until, "until")[1]

    async def work(db: Database) -> Timeline:
        layers = [await get_layer(db, one) for one in layer_ids] if layer_ids else await list_layers(db)
        scopes = [scope_for(SYSTEM, layer) for layer in layers]
        return await timeline(db, scopes, start=start, end=end, limit=limit)

    told = with_database(settings, work)
    table = Table(*heads(("时刻", "moment"), ("图层", "layer"), ("版本", "version"), ("新增", "added"),
                         ("修改", "changed"), ("删除", "removed"), ("拍摄", "taken")))  # fmt: skip
    for one in told.moments:
        counts = ("" if n is None else f"{n:,}" for n in (one.added, one.changed, one.removed))
        at = one.at.astimezone(DAY_ZONE).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(at, one.layer.id, str(one.version), *counts, one.taken or "")
    out.print(table)
    if told.left_out:
        out.print(say(f"另有更早的 {told.left_out:,} 次", f"{told.left_out:,} older ones"))


def _meant(said: str) -> AsOf:
    if said == "now":
        return NOW
    return (
        AsOf(int(said))
        if said.isascii() and said.isdigit() and len(said) < 10
        else AsOf(None, read_moment(said))
    )


def _print_numbers(old: Scope, new: Scope, told: Mapping[ChangeKind, Differing]) -> None:
    table = Table(
        *heads(("变化", "change"), ("行数", "rows"), ("范围（经纬度）", "box (degrees)")),
        title=f"{old.layer.id}: {old.version} → {new.version}",
    )
    for kind in KINDS:
        box = told[kind].box
        place = "" if box is None else ", ".join(f"{value:.6f}" for value in box)
        table.add_row(say(*_TITLES[kind]), f"{told[kind].number:,}", place)
    out.print(table)


def _print_rows(scope: Scope, kind: ChangeKind, found: list[ChangedRow], told: Differing) -> None:
    if not found:
        return
    table = Table(*_heads(), title=say(*_TITLES[kind]))
    for row in found:
        for line in _lines(scope, row):
            table.add_row(*(Text("" if cell is None else str(cell)) for cell in line))
    out.print(table)
    if told.number > len(found):
        rest = told.number - len(found)
        out.print(say(f"另有 {rest:,} 行，见 --report", f"{rest:,} more; --report has them all"))


def _heads() -> list[str]:
    return heads(("标识", "key"), ("字段", "field"), ("之前", "before"), ("之后", "after"))


def _lines(scope: Scope, row: ChangedRow) -> Iterator[_Line]:
    """What differs of a row, field by field; of a row that comes or goes, the fields it has."""
    before = {} if row.before is None else row.before.properties
    after = {} if row.after is None else row.after.properties
    for name in scope.fields:
        if before.get(name) != after.get(name):
            yield row.key, name, before.get(name), after.get(name)
    shapes = [None if side is None else side.geometry for side in (row.before, row.after)]
    if row.before is not None and row.after is not None and shapes[0] != shapes[1]:
        yield row.key, say("图形", "geometry"), _place(shapes[0]), _place(shapes[1])


def _place(geometry: str | None) -> str:
    """A shape in a few words: a point's coordinates, of all else the type and the beginning."""
    if geometry is None:
        return say("无图形", "no geometry")
    shape = json.loads(geometry)
    return f"{shape['type']} {json.dumps(shape['coordinates'])[:60]}"


async def _write_workbook(db: Database, old: Scope, new: Scope, target: Path) -> None:
    """One sheet for each kind, one line for each field that differs."""
    book = TableBook()
    for kind in KINDS:
        book.begin(say(*_TITLES[kind]), _heads())
        async for row in each_differing_row(db, old, new, kind):
            for line in _lines(old, row):
                book.add(line)
    book.save(target)


async def _write_geojson(db: Database, old: Scope, new: Scope, target: Path) -> None:
    """Features with `change`, `key`, `before` and `after`; drawn where they are, or were. Streamed."""
    with target.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        separator = "\n"
        for kind in KINDS:
            async for feature in _features(db, old, new, kind):
                file.write(separator + json.dumps(feature, ensure_ascii=False, default=str))
                separator = ",\n"
        file.write("\n]}\n")


async def _features(db: Database, old: Scope, new: Scope, kind: ChangeKind) -> AsyncIterator[dict[str, Any]]:
    async for row in each_differing_row(db, old, new, kind):
        sides = {"before": row.before, "after": row.after}
        shown = row.after or row.before
        geometry = None if shown is None or shown.geometry is None else json.loads(shown.geometry)
        told: dict[str, Any] = {"change": kind, "key": row.key}
        for name, side in sides.items():
            told[name] = None if side is None else side.properties
        if row.before is not None and row.after is not None and row.before.geometry != row.after.geometry:
            told["geometry_before"] = None if row.before.geometry is None else json.loads(row.before.geometry)
        yield {"type": "Feature", "id": row.key, "geometry": geometry, "properties": told}
