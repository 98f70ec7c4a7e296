"""What an import did, as a value: numbers per rule, the refused rows by number and key, the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from gis.crs import Route
from importers.check.report import CheckReport, summary_lines
from importers.rules import RULES, TOLD_BY, Severity, rule
from importers.source import ROW_WORDS, Found, RowWord
from layers.errors import OneMapError
from layers.mendings import ALWAYS
from layers.model import Difference, Origin, Text

State = Literal["published", "unchanged", "refused", "dry_run", "stored", "staged"]

LISTED_PER_RULE = 200
"""Findings named row by row for each rule; the rest is in the count."""
SHOWN = 12
"""Findings a person is shown per rule in the plain text."""


class Finding(NamedTuple):
    """One row and one rule. `row` counts as `ImportReport.row_word` says; `key` is the row's, if any."""

    rule: str
    row: int
    key: str | None
    field: str | None
    value: str | None
    zh: str
    en: str


class Count(NamedTuple):
    """How many rows a rule concerned, all in all."""

    rule: str
    severity: Severity
    rows: int
    zh: str
    en: str


@dataclass
class Tally:
    """Counts rules while rows stream by; keeps the first findings of each rule to name them."""

    counts: dict[str, int] = field(default_factory=dict)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    details: dict[str, dict[str, int]] = field(default_factory=dict)
    """Per rule, what exactly (reason, field, words of a reader) and how often."""
    sentences: dict[str, Text] = field(default_factory=dict)

    def count(self, rule_id: str, rows: int, detail: str | None = None) -> None:
        """Adds `rows` to a rule."""
        if rows <= 0:
            return
        self.counts[rule_id] = self.counts.get(rule_id, 0) + rows
        if detail is not None:
            inner = self.details.setdefault(rule_id, {})
            inner[detail] = inner.get(detail, 0) + rows

    def say(self, rule_id: str, zh: str, en: str) -> None:
        """The sentence for a rule that has no entry in `importers.rules`."""
        self.sentences.setdefault(rule_id, Text(zh, en))

    def wants(self, rule_id: str) -> int:
        """How many more findings of a rule are kept."""
        return LISTED_PER_RULE - len(self.findings.get(rule_id, ()))

    def find(self, finding: Finding) -> None:
        """Keeps a finding to be listed, up to the limit; does not count it."""
        listed = self.findings.setdefault(finding.rule, [])
        if len(listed) < LISTED_PER_RULE:
            listed.append(finding)

    def rows_by(self, severity: Severity) -> int:
        return sum(n for rule_id, n in self.counts.items() if rule(rule_id).severity == severity)

    def listed(self) -> list[Count]:
        """The counts in the order of the rules."""
        order = {rule_id: position for position, rule_id in enumerate(RULES)}
        found = []
        for rule_id in sorted(self.counts, key=lambda r: (order.get(r, len(order)), r)):
            known = rule(rule_id)
            said = self.sentences.get(rule_id, Text(known.zh, known.en))
            found.append(Count(rule_id, known.severity, self.counts[rule_id], said.zh, said.en))
        return found


@dataclass(frozen=True)
class ImportReport:
    """What one import of one layer did, whether or not it published.

    `read` = `kept` + `refused`; a row that breaks several rules is refused once. `counts` are rows per rule,
    `findings` the first `LISTED_PER_RULE` of each rule row by row, `details` what exactly and how often.
    `matched`: field → file column; `unmapped`: file columns that no field took.
    """

    file: str
    layer_id: str
    layer_title: Text
    state: State
    read: int
    kept: int
    refused: int
    counts: tuple[Count, ...]
    findings: tuple[Finding, ...]
    details: Mapping[str, Mapping[str, int]]
    recognised: Found
    matched: Mapping[str, str]
    unmapped: tuple[str, ...]
    encoding: Found | None
    crs: Found | None
    route: Route | None
    difference: Difference | None
    version: int | None
    seconds: float
    row_word: RowWord = "row"
    run_id: str | None = None
    is_new_layer: bool = False
    crs_assumed: bool = False
    check: CheckReport | None = None
    """The quality check of the layer, with the first of its parts; None for the others and without one."""
    stopped_by: tuple[str, ...] = ()
    """Rules of the check with errors that no single row is refused for: overlaps, gaps."""

    @property
    def origin(self) -> Origin | None:
        """How the coordinates came to be, as kept with the layer's version; None for what has no place."""
        if self.crs is None or self.route is None:
            return None
        return Origin(
            system=self.crs.value,
            evidence=Text(self.crs.zh, self.crs.en),
            is_assumed=self.crs_assumed,
            transform=Text(self.route.zh, self.route.en),
            error_m=self.route.error_m,
            file=self.file,
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """How the rows' coordinates and texts came to be, as JSON values."""
        return {
            "file": self.file,
            "crs": self.crs._asdict() if self.crs else None,
            "crs_assumed": self.crs_assumed,
            "transform": {"zh": self.route.zh, "en": self.route.en} if self.route else None,
            "error_m": self.route.error_m if self.route else None,
            "encoding": self.encoding._asdict() if self.encoding else None,
        }

    @property
    def is_refused(self) -> bool:
        return self.state == "refused"

    def total(self, severity: Severity) -> int:
        """Rows × rules of a severity."""
        return sum(c.rows for c in self.counts if c.severity == severity)

    def to_json(self, *, whole: bool = False) -> dict[str, Any]:
        """The report as JSON values; `whole`: with the check's findings and what stood before mending."""
        difference = self.difference
        return {
            "file": self.file,
            "layer": self.layer_id,
            "title": self.layer_title._asdict(),
            "new_layer": self.is_new_layer,
            "state": self.state,
            "run": self.run_id,
            "read": self.read,
            "kept": self.kept,
            "refused": self.refused,
            "mended": self.total("mended"),
            "noted": self.total("noted"),
            "rules": [
                {
                    **c._asdict(),
                    "source": rule(c.rule).source,
                    "details": dict(self.details.get(c.rule, {})),
                    "check": TOLD_BY.get(c.rule),
                }
                for c in self.counts
            ],
            "findings": [f._asdict() for f in self.findings],
            "row_word": self.row_word,
            "recognised": self.recognised._asdict(),
            "matched": dict(self.matched),
            "unmapped": list(self.unmapped),
            "difference": None
            if difference is None
            else {
                "added": difference.added,
                "changed": difference.changed,
                "removed": difference.removed,
                "unchanged": difference.unchanged,
            },
            "version": self.version,
            "seconds": round(self.seconds, 3),
            "provenance": self.provenance,
            "check": None if self.check is None else self.check.to_json() if whole else self.check.summary(),
            "stopped_by": list(self.stopped_by),
        }

    def text(self, language: str = "zh") -> str:
        """The report as plain lines, in `zh` or `en`."""
        return "\n".join(_lines(self, zh=language == "zh"))


def refusal(error: OneMapError, language: str = "zh") -> str:
    """A refused file as plain lines: the sentence, what was found, what was expected."""
    zh = language == "zh"
    lines = [error.sentence(language)]
    for name, title in (("found", "读到" if zh else "found"), ("expected", "应为" if zh else "expected")):
        if name in error.facts:
            lines.append(f"  {title}：{error.facts[name]}" if zh else f"  {title}: {error.facts[name]}")
    return "\n".join(lines)


_STATES: dict[State, Text] = {
    "published": Text("已发布", "published"),
    "stored": Text("已入库", "stored"),
    "unchanged": Text("与现有版本一致，未产生新版本", "the same as the current version; no new version"),
    "refused": Text("未发布：有被拒绝的行", "not published: rows were refused"),
    "dry_run": Text("试运行，未发布", "dry run, nothing published"),
    "staged": Text("已暂存并比较，等待发布", "staged and compared, waits to be published"),
}
_SEVERITIES: dict[Severity, Text] = {
    "refused": Text("拒绝", "refused"),
    "mended": Text("修整", "mended"),
    "noted": Text("提示", "noted"),
}


def _lines(report: ImportReport, *, zh: bool) -> list[str]:
    def say(text: Text) -> str:
        return text.zh if zh else text.en

    version = ""
    if report.version is not None:
        version = f"，版本 {report.version}" if zh else f", version {report.version}"
    arrow = f"{report.file} → {say(report.layer_title)} ({report.layer_id})"
    lines = [
        f"{arrow}：{say(_STATES[report.state])}{version}"
        if zh
        else f"{arrow}: {say(_STATES[report.state])}{version}"
    ]
    lines.append(
        f"  读取 {report.read}，保留 {report.kept}，拒绝 {report.refused}，用时 {report.seconds:.1f} 秒"
        if zh
        else f"  read {report.read}, kept {report.kept}, refused {report.refused}, {report.seconds:.1f} s"
    )
    if report.difference is not None:
        d = report.difference
        lines.append(
            f"  新增 {d.added}，变更 {d.changed}，删除 {d.removed}，未变 {d.unchanged}"
            if zh
            else f"  added {d.added}, changed {d.changed}, removed {d.removed}, unchanged {d.unchanged}"
        )
    lines += _evidence(report, zh=zh)
    told = {tally.rule.id for tally in report.check.tallies} if report.check is not None else set()
    for count in report.counts:
        # what the check tells row by row is told once; of what was put right, what was done is said here
        told_there = TOLD_BY.get(count.rule) in told and count.severity != "mended"
        if not told_there and (count.rule != "check.error" or report.check is None):
            lines += _rule_lines(report, count, zh=zh)
    if report.stopped_by:
        rules = ", ".join(report.stopped_by)
        lines.append(
            f"  质检错误不属于单独一行，全部停止：{rules}"
            if zh
            else f"  stopped by errors between rows: {rules}"
        )
    if report.check is not None:
        lines += summary_lines(report.check, "zh" if zh else "en", ALWAYS)
    if report.unmapped:
        names = "、".join(report.unmapped) if zh else ", ".join(report.unmapped)
        count_ = len(report.unmapped)
        lines.append(f"  未采用的列 {count_} 个：{names}" if zh else f"  {count_} columns not taken: {names}")
    return lines


def _evidence(report: ImportReport, *, zh: bool) -> list[str]:
    lines = []
    shown: Sequence[tuple[str, Found | None]] = (
        ("识别" if zh else "recognised", report.recognised),
        ("坐标系" if zh else "reference system", report.crs),
        ("编码" if zh else "encoding", report.encoding),
    )
    for title, found in shown:
        if found is not None:
            sentence = found.zh if zh else found.en
            lines.append(
                f"  {title}：{found.value}（{sentence}）" if zh else f"  {title}: {found.value} ({sentence})"
            )
    route = report.route
    if route is not None and (route.error_m is None or route.error_m >= 0.01):
        said = route.zh if zh else route.en
        error = "" if route.error_m is None else f"{route.error_m:g} m"
        if zh:
            lines.append(f"  坐标转换：{said}，误差{'约 ' + error if error else '不详'}")
        else:
            lines.append(f"  transform: {said}, error {'about ' + error if error else 'unknown'}")
    return lines


def _rule_lines(report: ImportReport, count: Count, *, zh: bool) -> list[str]:
    title = _SEVERITIES[count.severity]
    mark, sentence = (title.zh, count.zh) if zh else (title.en, count.en)
    lines = [f"  [{mark}] {count.rows} × {sentence} ({count.rule})"]
    for detail, times in sorted(report.details.get(count.rule, {}).items(), key=lambda d: -d[1])[:6]:
        lines.append(f"      {detail}: {times}")
    found = [f for f in report.findings if f.rule == count.rule]
    for finding in found[:SHOWN]:
        words = ROW_WORDS[report.row_word]
        where = (words.zh if zh else words.en).format(finding.row)
        key = f" {finding.key}" if finding.key else ""
        said = finding.zh if zh else finding.en
        lines.append(f"      {where}{key}：{said}" if zh else f"      {where}{key}: {said}")
    if len(found) and count.rows > min(len(found), SHOWN):
        rest = count.rows - min(len(found), SHOWN)
        lines.append(f"      …还有 {rest} 处" if zh else f"      … and {rest} more")
    return lines
