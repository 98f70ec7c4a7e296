"""Where findings are written down: exact totals per rule, the first ones of each as sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import shapely

from importers.check.model import CheckOptions, Finding, Mask, Positions, Rule, Severity
from layers.model import Layer, Text

SHOWN_VERTICES = 200
"""A finding's geometry with more vertices is shown by its box: a report is no second copy of the data."""
SHOWN_CHARACTERS = 200


class Said(NamedTuple):
    """What is said of one offender. `geometry` None: the row's own."""

    zh: str
    en: str
    value: object = None
    field: str | None = None
    geometry: shapely.Geometry | None = None


Say = Callable[[int], Said]
"""From a position in the roster, or a running number, to what is said of it."""


class Roster(Protocol):
    """The rows that positions mean: of one portion, or of the whole layer."""

    def number(self, position: int) -> int:
        """The row as a person counts it."""

    def key(self, position: int) -> str | None:
        """The row's business key."""

    def file(self, position: int) -> str:
        """The table the row is of; empty where there is only one."""

    def place(self, position: int) -> shapely.Geometry | None:
        """Where the row is."""

    def mark(self, positions: Positions) -> None:
        """These rows have errors."""


@dataclass
class Tally:
    """How often a rule was asked and broken.

    `skipped`: why it was not asked, else None. `limited`: why the total is a lower bound, else None.
    """

    rule: Rule
    checked: int = 0
    found: int = 0
    skipped: Text | None = None
    limited: Text | None = None


class _Kept:
    """The findings of one rule: those of batches that are over, and those of the batch at hand."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._fresh: list[tuple[int, Finding]] = []
        self.settled: list[Finding] = []

    @property
    def room(self) -> int:
        """How many findings of one more question may still be among the first."""
        return max(0, self._cap - len(self.settled))

    def add(self, position: int, finding: Finding) -> None:
        self._fresh.append((position, finding))

    def settle(self) -> None:
        if self._fresh:
            self._fresh.sort(key=lambda one: one[0])
            self.settled += [finding for _, finding in self._fresh[: self.room]]
            self._fresh.clear()


def concerns(rule: Rule, layer: Layer) -> bool:
    """True if `rule` is asked of `layer`: it applies, and a rule of topology is in the description."""
    return rule.applies(layer) and (rule.topology is None or rule.topology in layer.topology)


def severity_for(rule: Rule, layer: Layer) -> Severity:
    """How grave it is to break `rule` in `layer`."""
    if rule.topology is not None and rule.severity == "error":
        return layer.topology.get(rule.topology, rule.severity)
    return "warning" if rule.severity == "error" and layer.id in rule.warns_in else rule.severity


class Ledger:
    """The rules asked of one layer, with what was found."""

    def __init__(
        self, layer: Layer, rules: Sequence[Rule], options: CheckOptions, present: Mapping[str, object]
    ) -> None:
        """`present`: the layers that are known around this one, by id."""
        self._tallies: dict[str, Tally] = {}
        self._kept: dict[str, _Kept] = {}
        for rule in rules:
            if not concerns(rule, layer):
                continue
            own = replace(rule, severity=options.severities.get(rule.id, severity_for(rule, layer)))
            self._tallies[rule.id] = Tally(own, skipped=_why_not(own, options, present))
            self._kept[rule.id] = _Kept(options.cap)

    @property
    def tallies(self) -> tuple[Tally, ...]:
        return tuple(self._tallies.values())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings kept, by rule, in the order of their rows."""
        return tuple(f for kept in self._kept.values() for f in kept.settled)

    def asks(self, *rules: Rule) -> bool:
        """True if at least one of `rules` is to be asked."""
        return any((t := self._tallies.get(r.id)) is not None and t.skipped is None for r in rules)

    def checked(self, rule: Rule, count: int) -> None:
        """`count` more rows (or values) were looked at under `rule`."""
        if self.asks(rule):
            self._tallies[rule.id].checked += int(count)

    def found(self, rule: Rule, roster: Roster, offenders: Mask | Positions, say: Say) -> None:
        """The rows at `offenders` (a mask or positions, ascending) break `rule`; `say` takes the position."""
        positions = np.flatnonzero(offenders) if offenders.dtype == bool else offenders.astype(np.intp)
        self.found_each(rule, roster, positions, lambda ordinal: say(int(positions[ordinal])))

    def found_each(self, rule: Rule, roster: Roster, positions: Positions, say: Say) -> None:
        """As `found` where a row may break `rule` several times: `say` takes 0 … len(positions) − 1."""
        if not self.asks(rule):
            return
        tally = self._tallies[rule.id]
        tally.found += len(positions)
        if tally.rule.severity == "error":
            roster.mark(positions)
        kept = self._kept[rule.id]
        for ordinal, position in enumerate(positions[: kept.room].tolist()):
            said = say(ordinal)
            place = said.geometry if said.geometry is not None else roster.place(position)
            found = _finding(rule, said, roster.number(position), roster.key(position), place)
            kept.add(position, found._replace(file=roster.file(position)))

    def found_loose(self, rule: Rule, count: int, say: Say) -> None:
        """`rule` is broken `count` times where no row is to blame; `say` takes 0 … count − 1."""
        if not self.asks(rule):
            return
        self._tallies[rule.id].found += count
        kept = self._kept[rule.id]
        for number in range(min(count, kept.room)):
            said = say(number)
            kept.add(number, _finding(rule, said, None, None, said.geometry))

    def found_times(self, rule: Rule, times: int, first: Finding) -> None:
        """`rule` is broken `times` times in one way: told once, at the first row."""
        if self.asks(rule):
            self._tallies[rule.id].found += times
            self._kept[rule.id].add(0, first._replace(rule=rule.id))

    def found_in(self, rule: Rule, row: int, file: str, said: Said) -> None:
        """`rule` is broken in a row that could not be read: there are only its number and table."""
        if self.asks(rule):
            self._tallies[rule.id].found += 1
            found = _finding(rule, said, row, None, said.geometry)
            self._kept[rule.id].add(0, found._replace(file=file))

    def settle(self) -> None:
        """The end of a batch: its findings are put in the order of its rows, and those over the cap go.

        So the findings kept are the first ones by row, whatever the batches were.
        """
        for kept in self._kept.values():
            kept.settle()

    def skip(self, rule: Rule, why: Text) -> None:
        """`rule` cannot be asked after all."""
        if self.asks(rule):
            self._tallies[rule.id].skipped = why

    def limit(self, rule: Rule, how: Text) -> None:
        """`rule` was asked, but not to the end: its total is a lower bound."""
        if self.asks(rule):
            self._tallies[rule.id].limited = how


def _finding(
    rule: Rule, said: Said, row: int | None, key: str | None, place: shapely.Geometry | None
) -> Finding:
    return Finding(rule.id, row, key, said.zh, said.en, said.field, _text(said.value), _shown(place))


def _why_not(rule: Rule, options: CheckOptions, present: Mapping[str, object]) -> Text | None:
    if rule.id in options.skip:
        return Text("未检查：已关闭", "not asked: switched off")
    lacking = [layer for layer in rule.needs if layer not in present]
    if lacking:
        names = ", ".join(lacking)
        return Text(f"未检查：缺少图层 {names}", f"not asked: there is no layer {names}")
    return None


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _shown(geometry: shapely.Geometry | None) -> bytes | None:
    if (
        geometry is None
        or shapely.is_empty(geometry)
        or not np.isfinite(shapely.get_coordinates(geometry)).all()
    ):
        return None
    if shapely.get_num_coordinates(geometry) > SHOWN_VERTICES:
        geometry = shapely.box(*shapely.bounds(geometry))
    shown: bytes = shapely.to_wkb(shapely.force_2d(geometry))
    return shown
