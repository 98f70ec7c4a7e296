"""What the quality check has to say of a layer: totals, findings, the score with its formula."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import shapely

from importers.check.ledger import Tally
from importers.check.mend_report import MendReport
from importers.check.model import DIMENSIONS, SEVERITIES, Finding, Severity
from importers.check.score import Score
from layers.mendings import MENDINGS, Mending
from layers.model import Text

Language = Literal["zh", "en"]
SHOWN = 3
"""Findings of each rule that a person is shown on a terminal."""


@dataclass(frozen=True)
class CheckReport:
    """The outcome for one layer.

    `tallies`: every rule that applies, with exact totals, asked or not. `findings`: the first ones of each
    rule. `filled`: field → rows that have a value. `mended`: what was put right before it was looked at.
    """

    layer_id: str
    title: Text
    rows: int
    tallies: tuple[Tally, ...]
    findings: tuple[Finding, ...]
    filled: Mapping[str, int]
    field_titles: Mapping[str, Text]
    score: Score
    seconds: float = 0.0
    file: str = ""
    mended: MendReport | None = None

    def total(self, severity: Severity) -> int:
        """How many findings of this severity there are, kept or not."""
        return sum(t.found for t in self.tallies if t.rule.severity == severity)

    @property
    def is_clean(self) -> bool:
        """True if nothing forbids publishing."""
        return self.total("error") == 0

    def tally(self, rule_id: str) -> Tally:
        """The tally of a rule; KeyError if it does not concern the layer."""
        return {t.rule.id: t for t in self.tallies}[rule_id]

    def found(self, rule_id: str) -> int:
        """How often a rule was broken; 0 if it was not asked."""
        return sum(t.found for t in self.tallies if t.rule.id == rule_id)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; geometries as GeoJSON, longitude first."""
        return {
            **self.summary(),
            "mended": None if self.mended is None else self.mended.to_json(),
            "findings": [_finding_json(f, self.severity(f)) for f in self.findings],
        }

    def summary(self) -> dict[str, Any]:
        """The report without its single findings and originals: score, dimensions, every rule's counts."""
        return {
            "layer": self.layer_id,
            "title": self.title._asdict(),
            "file": self.file,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "publishable": self.is_clean,
            "totals": {severity: self.total(severity) for severity in SEVERITIES},
            "score": self.score.to_json(),
            "rules": [_tally_json(t) for t in self.tallies],
            "filled": [
                {"field": n, "title": self.field_titles[n]._asdict(), "filled": c, "of": self.rows}
                for n, c in self.filled.items()
            ],
            "mended": None if self.mended is None else self.mended.to_json(originals=False),
            "findings_left_out": sum(t.found for t in self.tallies) - len(self.findings),
        }

    def severity(self, finding: Finding) -> Severity:
        """The severity under which `finding` was made."""
        return self.tally(finding.rule).rule.severity

    def text(self, language: Language = "zh") -> str:
        """The report as a person reads it on a terminal."""
        return "\n".join(_lines(self, language))


def to_geojson(finding: Finding) -> Any:
    """The finding's place as a GeoJSON geometry, None if it has none."""
    if finding.geometry is None:
        return None
    return json.loads(shapely.to_geojson(shapely.from_wkb(finding.geometry)))


def _finding_json(finding: Finding, severity: Severity) -> dict[str, Any]:
    return {**finding._asdict(), "severity": severity, "geometry": to_geojson(finding)}


def _tally_json(tally: Tally) -> dict[str, Any]:
    rule = tally.rule
    return {
        "id": rule.id,
        "severity": rule.severity,
        "dimension": rule.dimension,
        "title": rule.title._asdict(),
        "source": rule.source,
        "mend": rule.mend,
        "checked": tally.checked,
        "found": tally.found,
        "skipped": None if tally.skipped is None else tally.skipped._asdict(),
        "limited": None if tally.limited is None else tally.limited._asdict(),
    }


def _lines(report: CheckReport, language: Language) -> list[str]:
    zh = language == "zh"
    title = getattr(report.title, language)
    rows = f"{report.rows:,} 行" if zh else f"{report.rows:,} rows"
    lines = [f"{report.file + ' → ' if report.file else ''}{title} ({report.layer_id}): {rows}"]
    return lines + summary_lines(report, language)


def summary_lines(report: CheckReport, language: Language, told: Sequence[Mending] = ()) -> list[str]:
    """Score, what was mended but for `told`, and the rules that were broken, the gravest first."""
    zh = language == "zh"
    counts = ", ".join(f"{getattr(SEVERITIES[s], language)} {report.total(s):,}" for s in SEVERITIES)
    score = "未评分" if zh else "no score"
    if report.score.total is not None:
        score = f"{'得分' if zh else 'score'} {report.score.total:.1f}"
    parts = [
        f"{getattr(DIMENSIONS[d.dimension], language)} {d.value:.1f}"
        for d in report.score.dimensions
        if d.value is not None
    ]
    lines = [
        f"  {'质检' if zh else 'quality'}: {counts}; {score}" + (f" ({', '.join(parts)})" if parts else "")
    ]
    if report.mended is not None:
        for mending, count in report.mended.counts.items():
            if mending in told:
                continue
            what = getattr(MENDINGS[mending], language)
            lines.append(f"  [{'修整' if zh else 'mended'}] {count:,} × {what} ({mending})")
    for severity in SEVERITIES:
        for tally in report.tallies:
            if tally.found and tally.rule.severity == severity:
                lines += _tally_lines(report, tally, language)
    for tally in report.tallies:
        for remark in (tally.skipped, tally.limited):
            if remark is not None:
                name = f"{tally.rule.id} {getattr(tally.rule.title, language)}"
                lines.append(f"  {name}: {getattr(remark, language)}")
    return lines


def _tally_lines(report: CheckReport, tally: Tally, language: Language) -> list[str]:
    zh = language == "zh"
    severity = getattr(SEVERITIES[tally.rule.severity], language)
    name = f"{tally.rule.id} {getattr(tally.rule.title, language)}"
    lines = [f"  [{severity}] {name}: {tally.found:,} / {tally.checked:,}"]
    for finding in [f for f in report.findings if f.rule == tally.rule.id][:SHOWN]:
        where = finding.file + " " if finding.file else ""
        if finding.row is not None:
            where += f"第 {finding.row} 行" if zh else f"row {finding.row}"
        key = f" {finding.key}" if finding.key else ""
        lines.append(f"      {where}{key}{': ' if where or key else ''}{getattr(finding, language)}")
    if tally.found > SHOWN:
        rest = tally.found - SHOWN
        lines.append(f"      …还有 {rest:,} 处" if zh else f"      … and {rest:,} more")
    return lines
