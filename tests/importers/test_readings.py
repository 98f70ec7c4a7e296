"""Readings of monitoring stations: wide and long tables, units, and stations that are not there."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from importers.options import ImportOptions
from importers.readings import reading_columns
from importers.report import ImportReport
from importers.run import import_files
from layers.db import Database
from layers.readings import latest
from tests.importers.published import runs_of
from tests.importers.specimens import source, text

STATIONS = "站点编码,站点名称,站点类型,经度,纬度\nS1,一号站,空气,116.5,31.74\nS2,二号站,空气,116.51,31.74\n"


async def stored(db: Database, folder: Path, content: str, **options: Any) -> ImportReport:
    """The report on a table of readings, after the stations it is about."""
    await import_files(db, [text(folder, "监测站点.csv", STATIONS)])
    (report,) = await import_files(db, [text(folder, "监测数据.csv", content)], ImportOptions(**options))
    return report


async def newest(db: Database) -> dict[tuple[str, str], float]:
    return {(r.station_code, r.indicator): r.value for r in await latest(db)}


def test_tables_of_readings_are_told_from_tables_of_places(tmp_path: Path) -> None:
    wide = source(
        text(tmp_path, "a.csv", "站点编码,监测时间,PM2.5(μg/m³),CO,风速（m/s）,备注\nS1,2024-01-01,1,2,3,x\n")
    )
    found = reading_columns(wide)
    assert found is not None
    assert [(m.indicator.code, m.factor) for m in found.measured] == [
        ("pm2_5", 1.0),
        ("co", 1.0),
        ("wind_speed", 1.0),
    ]
    long = reading_columns(source(text(tmp_path, "b.csv", "station_code,observed_at,indicator,value,unit\n")))
    assert long is not None
    assert (long.kind, long.value, long.unit) == ("indicator", "value", "unit")
    assert reading_columns(source(text(tmp_path, "c.csv", STATIONS))) is None


async def test_a_wide_table_stores_each_value_in_its_indicator_s_unit(
    database: Database, tmp_path: Path
) -> None:
    content = (
        "站点编码,监测时间,PM2.5(μg/m³),CO(μg/m³)\n"
        "S1,2024-01-01 08:00,35,800\n"
        "S2,2024-01-01 08:00,,900\n"
        "S1,2024-01-01 09:00,40,-\n"
    )
    report = await stored(database, tmp_path, content)
    assert (report.state, report.read, report.kept, report.refused) == ("stored", 4, 4, 0)
    assert await newest(database) == {("S1", "pm2_5"): 40.0, ("S1", "co"): 0.8, ("S2", "co"): 0.9}
    first = next(r for r in await latest(database, ["S1"]) if r.indicator == "pm2_5")
    assert first.observed_at == dt.datetime(2024, 1, 1, 1, tzinfo=dt.UTC)
    assert (await runs_of(database))[-1] == ("监测数据.csv", "reading", "published")


async def test_a_long_table_names_its_indicators_and_units(database: Database, tmp_path: Path) -> None:
    content = (
        "站点编码,监测时间,监测指标,监测值,单位\n"
        "S1,2024-01-01 08:00,PM2.5,0.035,mg/m3\n"
        "S1,2024-01-01 08:00,一氧化碳,0.8,mg/m³\n"
    )
    report = await stored(database, tmp_path, content)
    assert (report.state, report.kept) == ("stored", 2)
    values = await newest(database)
    assert round(values["S1", "pm2_5"], 6) == 35.0
    assert values["S1", "co"] == 0.8


async def test_every_refused_row_is_named_and_nothing_is_stored(database: Database, tmp_path: Path) -> None:
    content = (
        "站点编码,监测时间,监测指标,监测值,单位\n"
        "S1,2024-01-01 08:00,PM2.5,35,μg/m³\n"
        "S9,2024-01-01 08:00,PM2.5,35,μg/m³\n"
        "S1,昨天,PM2.5,35,μg/m³\n"
        "S1,2024-01-01 08:00,磷火,35,μg/m³\n"
        "S1,2024-01-01 08:00,PM2.5,35,m\n"
        "S1,2024-01-01 08:00,PM2.5,高,μg/m³\n"
        "S1,2024-01-01 08:00,PM2.5,,μg/m³\n"
    )
    report = await stored(database, tmp_path, content)
    assert report.is_refused
    assert (report.read, report.kept, report.refused) == (7, 1, 6)
    assert {(f.rule, f.row) for f in report.findings} == {
        ("reading.no_station", 3),
        ("value.not_a_date", 4),
        ("reading.indicator", 5),
        ("value.unit", 6),
        ("value.not_a_number", 7),
        ("value.required", 8),
    }
    assert not await newest(database)
    (kept,) = await import_files(database, [tmp_path / "监测数据.csv"], ImportOptions(allow_refused=True))
    assert (kept.state, kept.kept) == ("stored", 1)
    assert await newest(database) == {("S1", "pm2_5"): 35.0}


async def test_a_column_in_a_foreign_unit_is_refused_and_not_stored_as_if(
    database: Database, tmp_path: Path
) -> None:
    report = await stored(database, tmp_path, "站点编码,监测时间,气温(℉)\nS1,2024-01-01 08:00,70\n")
    assert [(f.rule, f.row) for f in report.findings] == [("value.unit", 2)]
    assert not await newest(database)


async def test_a_dry_run_and_a_repetition_are_said(database: Database, tmp_path: Path) -> None:
    content = "站点编码,监测时间,PM2.5\nS1,2024-01-01 08:00,35\nS1,2024-01-01 08:00,36\n"
    assert (await stored(database, tmp_path, content, dry_run=True)).state == "dry_run"
    assert not await newest(database)
    report = await stored(database, tmp_path, content)
    assert [(c.rule, c.rows) for c in report.counts] == [("reading.repeated", 1)]
    assert await newest(database) == {("S1", "pm2_5"): 36.0}
