"""The report of a quality check as an Excel workbook: summary, score with its formula, rules, findings.

Written row by row (openpyxl's write-only mode), so that a report of many findings needs little memory. No
text becomes a formula, whatever a cell of somebody's file began with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import shapely
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from importers.check.ledger import Tally
from importers.check.mend_report import Original
from importers.check.model import DIMENSIONS, SEVERITIES, Finding
from importers.check.report import CheckReport, Language
from importers.check.score import FORMULA_EN, FORMULA_ZH, pass_rate
from layers.mendings import MENDINGS

_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NOT_IN_A_TITLE = re.compile(r"[\[\]:*?/\\]")
_MOST_CHARACTERS = 32_767
_HEAD = PatternFill("solid", fgColor="DDE6F0")
_FILLS = {
    "error": PatternFill("solid", fgColor="F8D7DA"),
    "warning": PatternFill("solid", fgColor="FFF3CD"),
    "info": PatternFill("solid", fgColor="E2EFDA"),
}
_WIDTHS = {
    "summary": (22, 60, 14, 14, 14, 14),
    "score": (16, 10, 90),
    "rules": (10, 8, 10, 30, 12, 12, 12, 40, 30),
    "findings": (10, 8, 10, 24, 60, 20, 30, 14, 14),
    "mended": (14, 10, 24, 20, 50),
}

Cell = str | int | float | None


def write_workbook(
    target: Path | IO[bytes], reports: Sequence[CheckReport], language: Language = "zh"
) -> None:
    """Writes one workbook over all `reports`: a summary, then for each layer score, rules and findings.

    Findings stand on one sheet per rule, named by its id; two layers get sheets of their own.
    """
    book = Workbook(write_only=True)
    zh = language == "zh"
    _summary(_sheet(book, "概要" if zh else "Summary", "summary"), reports, language)
    several = len(reports) > 1
    for number, report in enumerate(reports, start=1):
        prefix = f"{number}-" if several else ""
        _score(_sheet(book, f"{prefix}{'评分' if zh else 'Score'}", "score"), report, language)
        _rules(_sheet(book, f"{prefix}{'规则' if zh else 'Rules'}", "rules"), report, language)
        for tally in report.tallies:
            found = [f for f in report.findings if f.rule == tally.rule.id]
            if found:
                title = f"{prefix}{tally.rule.id} {getattr(tally.rule.title, language)}"
                _findings(_sheet(book, title, "findings"), tally, found, language)
        if report.mended is not None and report.mended.originals:
            originals = [o for kept in report.mended.originals.values() for o in kept]
            _mended(
                _sheet(book, f"{prefix}{'修整前' if zh else 'Before mending'}", "mended"), originals, language
            )
    book.save(target)


def _summary(sheet: WriteOnlyWorksheet, reports: Sequence[CheckReport], language: Language) -> None:
    zh = language == "zh"
    _row(sheet, ["质检报告" if zh else "Quality check"], bold=True)
    head = (
        ["图层", "文件", "行数", *(s.zh for s in SEVERITIES.values()), "得分", "可发布", "用时（秒）"]
        if zh
        else [
            "Layer",
            "File",
            "Rows",
            *(s.en for s in SEVERITIES.values()),
            "Score",
            "Publishable",
            "Seconds",
        ]
    )
    _row(sheet, head, head=True)
    for report in reports:
        yes, no = ("是", "否") if zh else ("yes", "no")
        total = report.score.total
        _row(
            sheet,
            [
                f"{getattr(report.title, language)} ({report.layer_id})",
                report.file,
                report.rows,
                *(report.total(severity) for severity in SEVERITIES),
                None if total is None else round(total, 2),
                yes if report.is_clean else no,
                round(report.seconds, 2),
            ],
        )
    for report in reports:
        _row(sheet, [])
        _row(sheet, [f"{getattr(report.title, language)} ({report.layer_id})"], bold=True)
        if report.mended is not None:
            for mending, count in report.mended.counts.items():
                title = getattr(MENDINGS[mending], language)
                _row(sheet, [("修整：" if zh else "mended: ") + title, count])
        _row(sheet, ["字段", "填写数", "填写率"] if zh else ["Field", "Filled", "Share"], head=True)
        for name, filled in report.filled.items():
            share = filled / report.rows if report.rows else None
            shown = f"{getattr(report.field_titles[name], language)} ({name})"
            _row(sheet, [shown, filled, None if share is None else round(share, 4)])


def _score(sheet: WriteOnlyWorksheet, report: CheckReport, language: Language) -> None:
    zh = language == "zh"
    _row(sheet, [FORMULA_ZH if zh else FORMULA_EN])
    _row(sheet, ["维度", "得分", "计算"] if zh else ["Dimension", "Score", "Worked out"], head=True)
    for part in report.score.dimensions:
        title = getattr(DIMENSIONS[part.dimension], language)
        value = None if part.value is None else round(part.value, 2)
        _row(sheet, [title, value, part.formula or ("未评" if zh else "not asked")])
    total = report.score.total
    _row(
        sheet,
        ["总分" if zh else "Total", None if total is None else round(total, 2), report.score.formula],
        bold=True,
    )


def _rules(sheet: WriteOnlyWorksheet, report: CheckReport, language: Language) -> None:
    head = (
        ["规则", "级别", "维度", "名称", "检查数", "不合格数", "合格率", "依据", "说明"]
        if language == "zh"
        else ["Rule", "Severity", "Dimension", "Title", "Checked", "Broken", "Pass rate", "Source", "Remark"]
    )
    _row(sheet, head, head=True)
    for tally in report.tallies:
        rule, rate = tally.rule, pass_rate(tally)
        remarks = [getattr(t, language) for t in (tally.skipped, tally.limited) if t is not None]
        _row(
            sheet,
            [
                rule.id,
                getattr(SEVERITIES[rule.severity], language),
                getattr(DIMENSIONS[rule.dimension], language),
                getattr(rule.title, language),
                tally.checked,
                tally.found,
                None if rate is None else round(rate, 4),
                rule.source,
                "; ".join(remarks),
            ],
            fill=rule.severity if tally.found else None,
        )


def _findings(
    sheet: WriteOnlyWorksheet, tally: Tally, findings: Iterable[Finding], language: Language
) -> None:
    zh = language == "zh"
    listed = list(findings)
    left = tally.found - len(listed)
    _row(
        sheet,
        [f"{tally.rule.id} {getattr(tally.rule.title, language)}", None, None, tally.rule.source],
        bold=True,
    )
    if left:
        _row(
            sheet,
            [f"共 {tally.found} 处，列出 {len(listed)} 处" if zh else f"{len(listed)} of {tally.found}"],
        )
    head = (
        ["规则", "级别", "行", "标识", "说明", "字段", "值", "经度", "纬度"]
        if zh
        else ["Rule", "Severity", "Row", "Key", "Finding", "Field", "Value", "Longitude", "Latitude"]
    )
    _row(sheet, head, head=True)
    severity = getattr(SEVERITIES[tally.rule.severity], language)
    for finding in listed:
        lon, lat = _place(finding)
        said = getattr(finding, language)
        _row(
            sheet,
            [finding.rule, severity, finding.row, finding.key, said, finding.field, finding.value, lon, lat],
        )


def _place(finding: Finding) -> tuple[float | None, float | None]:
    """A point of the finding's geometry, to nine decimals (0.1 mm)."""
    if finding.geometry is None:
        return None, None
    point = shapely.point_on_surface(shapely.from_wkb(finding.geometry))
    return round(float(shapely.get_x(point)), 9), round(float(shapely.get_y(point)), 9)


def _mended(sheet: WriteOnlyWorksheet, originals: Iterable[Original], language: Language) -> None:
    head = (
        ["修整", "行", "标识", "字段", "原值（几何为 WKT）"]
        if language == "zh"
        else ["Mending", "Row", "Key", "Field", "Before (shapes as WKT)"]
    )
    _row(sheet, head, head=True)
    for original in originals:
        value = original.value
        if original.wkb is not None:
            value = shapely.to_wkt(shapely.from_wkb(original.wkb), rounding_precision=9)
        _row(sheet, [original.mending, original.row, original.key, original.field, value])


# ---------------------------------------------------------------- cells


def _sheet(book: Workbook, title: str, kind: str) -> WriteOnlyWorksheet:
    sheet = book.create_sheet(_NOT_IN_A_TITLE.sub("", title)[:31])
    assert isinstance(sheet, WriteOnlyWorksheet)
    columns = sheet.column_dimensions  # type: ignore[attr-defined]  # not in the stubs
    for number, width in enumerate(_WIDTHS[kind]):
        columns["ABCDEFGHI"[number]].width = width
    return sheet


def _row(
    sheet: WriteOnlyWorksheet,
    values: Sequence[Cell],
    *,
    head: bool = False,
    bold: bool = False,
    fill: str | None = None,
) -> None:
    cells = []
    for value in values:
        text = isinstance(value, str)
        cell = WriteOnlyCell(sheet, _legal(value) if isinstance(value, str) else value)
        if text:
            cell.data_type = "s"  # never a formula
        if head or bold:
            cell.font = Font(bold=True)
        if head:
            cell.fill = _HEAD
        elif fill is not None:
            cell.fill = _FILLS[fill]
        cells.append(cell)
    sheet.append(cells)


def _legal(text: str) -> str:
    """What XML can hold, as long as a cell may be."""
    return _ILLEGAL.sub("�", text)[:_MOST_CHARACTERS]
