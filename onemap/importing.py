"""`onemap import` and `onemap check`: files in, reports out, on the screen and as a file."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from importers.check import CheckReport
from importers.check.excel import write_workbook
from importers.check.on_the_map import findings_geojson
from importers.check.run import check_files
from importers.options import ImportOptions
from importers.report import ImportReport
from importers.run import import_files
from layers.db import Database
from layers.errors import BadRequest
from layers.mendings import ALWAYS, MendOptions, parse_mendings
from layers.model import FindingSeverity, TopologyRule
from onemap import serve
from onemap.settings import Settings
from onemap.terminal import Bars, language, out, say

FORMS = (".json", ".xlsx", ".geojson")


def asked_topology(words: Sequence[str]) -> dict[str, str]:
    """`overlaps=warning` as rule and severity, an error where none is said. Raises `BadRequest`."""
    rules, severities = get_args(TopologyRule), get_args(FindingSeverity)
    asked = {}
    for word in words:
        rule, _, severity = word.partition("=")
        if rule not in rules or (severity or "error") not in severities:
            raise BadRequest(
                f"拓扑要求有误：{word}",
                f"{word!r} is no topology that can be asked",
                field="topology",
                value=word,
                expected="overlaps, gaps or ends, with =error, =warning or =info",
            )
        asked[rule] = severity or "error"
    return asked


def run(settings: Settings, paths: Sequence[Path], options: Mapping[str, Any], report: Path | None) -> bool:
    """Imports `paths`; False if anything was refused. Prints and writes the reports."""
    said = ImportOptions(**options, systems=settings.local_systems_file)
    parse_mendings(said.mend)
    if report is not None:
        _check_target(report)
    with serve.database(settings) as url:
        reports = asyncio.run(_import(url, paths, said, settings.rasters))
    for one in reports:
        out.print(one.text(language()), markup=False)
    if report is not None:
        checks = [one.check for one in reports if one.check is not None]
        _write(report, [one.to_json(whole=True) for one in reports], checks)
    return not any(one.is_refused for one in reports)


async def _import(
    url: str, paths: Sequence[Path], options: ImportOptions, rasters: Path
) -> list[ImportReport]:
    async with Database(url) as database:
        with Bars() as bars:
            return await import_files(database, paths, options, bars.importing, rasters)


def check(settings: Settings, paths: Sequence[Path], options: Mapping[str, Any], report: Path | None) -> bool:
    """Checks `paths`, storing nothing; False if errors were found. Prints and writes the reports."""
    said = ImportOptions(**options, systems=settings.local_systems_file)
    mending = parse_mendings([*ALWAYS, *said.mend])
    if report is not None:
        _check_target(report)
    with serve.database(settings) as url:
        checks = asyncio.run(_check(url, paths, said, mending))
    for one in checks:
        out.print(one.text("zh" if language() == "zh" else "en"), markup=False)
    if not checks:
        out.print(say("没有可质检的图层（监测数据不在此列）", "no layer to check (readings are none)"))
    if report is not None:
        _write(report, [one.to_json() for one in checks], checks)
    return all(one.is_clean for one in checks)


async def _check(
    url: str, paths: Sequence[Path], options: ImportOptions, mending: MendOptions
) -> list[CheckReport]:
    async with Database(url) as database:
        with Bars() as bars:
            return await check_files(database, paths, options, mending=mending, progress=bars.importing)


def _check_target(report: Path) -> None:
    """Raises `BadRequest` for a report that could not be written, before hours of work."""
    if report.suffix.lower() not in FORMS or not report.parent.is_dir() or report.is_dir():
        raise BadRequest(
            f"报告“{report}”无法写入：应为 {'、'.join(FORMS)} 文件，且文件夹存在",
            f"the report {str(report)!r} cannot be written: a {', '.join(FORMS)} in a folder there is",
            field="report",
            value=str(report),
            expected=", ".join(f"*{form}" for form in FORMS),
        )


def _write(report: Path, told: list[dict[str, Any]], checks: Sequence[CheckReport]) -> None:
    """Writes the report in the form that its name asks for, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix=".report-", dir=report.parent) as folder:
        draft = Path(folder) / report.name
        form = report.suffix.lower()
        if form == ".xlsx":
            write_workbook(draft, checks, language="zh" if language() == "zh" else "en")
        else:
            content = findings_geojson(checks) if form == ".geojson" else told
            draft.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        os.replace(draft, report)
    out.print(say(f"报告：{report}", f"report: {report}"), markup=False)
