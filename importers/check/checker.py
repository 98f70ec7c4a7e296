"""A layer's rows looked at with every rule that concerns it, batch by batch or at once. Pure."""

from __future__ import annotations

import time

import numpy as np

from importers.check import (
    attributes,
    buildings,
    codes,
    components,
    geometry,
    own_lines,
    pipe_lines,
    pipe_network,
    pipe_nodes,
    place_codes,
    plausible,
    remarks,
    repeats,
    tilings,
)
from importers.check.ledger import Ledger, Said, concerns
from importers.check.model import DEFAULT, CheckOptions, Mask, Rows, Rule
from importers.check.portion import Portion
from importers.check.report import CheckReport
from importers.check.score import score_of
from importers.check.surroundings import NOTHING, Surroundings
from importers.check.work import PortionCheck, WholeCheck, Work
from layers.model import Layer

BATCH_ROWS = 50_000
"""Rows looked at together by `check`."""

_ROOMS = (
    *(geometry, repeats, attributes, plausible, codes, place_codes),
    remarks,
    *(tilings, components, buildings),
    *(pipe_lines, pipe_network, pipe_nodes),
    own_lines,
)
RULES: tuple[Rule, ...] = tuple(sorted((r for room in _ROOMS for r in room.RULES), key=lambda r: r.id))
"""Every rule there is, by id."""

_PORTION_CHECKS: tuple[PortionCheck, ...] = (
    geometry.check_presence,
    geometry.check_validity,
    geometry.check_whereabouts,
    geometry.check_vertices,
    geometry.check_sizes,
    attributes.check_values,
    attributes.check_texts,
    plausible.check_ranges,
    plausible.check_numbers_together,
    plausible.check_measures,
    plausible.check_dates,
    codes.check_form,
    codes.check_credit_codes,
    codes.check_classes,
    place_codes.check_places,
    place_codes.check_district,
    codes.check_subclasses,
    codes.check_indicators,
    tilings.check_size,
    components.check_components,
    buildings.check_cut,
    pipe_lines.check_ends,
    pipe_lines.check_levels,
    pipe_lines.check_run,
    pipe_lines.check_node_classes,
    pipe_nodes.check_either,
    pipe_nodes.check_degrees,
)


_WHOLE_CHECKS = (tilings.Tiling, buildings.Buildings, pipe_network.Network, own_lines.OwnLines)
"""Checks that keep more than the register does; made only where they are asked."""


def rules_for(layer: Layer) -> tuple[Rule, ...]:
    """The rules that concern `layer`."""
    return tuple(rule for rule in RULES if concerns(rule, layer))


class Checker:
    """Looks at a layer as it streams by: `feed` each batch in order, then `finish` once.

    Holds of the rows only what the rules over the whole layer need: keys, a signature and a place per row,
    shapes where overlaps are looked for.
    """

    def __init__(
        self, layer: Layer, surroundings: Surroundings = NOTHING, options: CheckOptions = DEFAULT
    ) -> None:
        self._started = time.perf_counter()
        ledger = Ledger(layer, RULES, options, surroundings)
        self._work = Work(layer, surroundings, options, ledger)
        self._register = repeats.Register()
        self._fill = attributes.Fill(self._work)
        self._whole: tuple[WholeCheck, ...] = (
            self._fill,
            repeats.Repeats(self._work, self._register),
            codes.Editions(self._work),
            remarks.Remarks(self._work),
            *(make(self._work, self._register) for make in _WHOLE_CHECKS if make.asked(self._work)),
        )
        self._rows = 0

    def feed(self, rows: Rows) -> Mask:
        """Looks at some rows; returns (n,) True for those with an error that shows already.

        Errors that show only over the whole layer (a key given twice, an overlap) come with `finish`.
        """
        portion = Portion(self._work.layer, rows)
        self._rows += len(rows)
        self._register.feed(portion)
        # a stranger's numbers may be anything: what overflows is no finding of its own
        with np.errstate(invalid="ignore", over="ignore"):
            for check_portion in _PORTION_CHECKS:
                check_portion(portion, self._work)
            for whole in self._whole:
                whole.feed(portion)
        self._work.ledger.settle()
        return portion.errors

    def lost(self, row: int, zh: str, en: str, *, rule: Rule = remarks.LOST, file: str = "") -> None:
        """A row that could not be read at all; it counts as a row. `rule`: what it breaks by that."""
        self._rows += 1
        self._work.ledger.found_in(rule, row, file, Said(zh, en))

    def repaired(self, rows: Rows) -> None:
        """Rows whose shapes were made valid, as they were before; they are fed as well, as they are."""
        geometry.tell_repaired(Portion(self._work.layer, rows), self._work)

    @property
    def errors(self) -> dict[str, int]:
        """How often each rule whose findings are errors was broken so far."""
        tallies = self._work.ledger.tallies
        return {t.rule.id: t.found for t in tallies if t.rule.severity == "error"}

    def finish(self, *, file: str = "") -> CheckReport:
        """The report; call it once, after the last batch. `file` is the name it stands under."""
        with np.errstate(invalid="ignore", over="ignore"):
            for whole in self._whole:
                whole.finish()
        self._work.ledger.checked(remarks.LOST, self._rows)
        self._work.ledger.settle()
        layer, ledger = self._work.layer, self._work.ledger
        return CheckReport(
            layer_id=layer.id,
            title=layer.title,
            rows=self._rows,
            tallies=ledger.tallies,
            findings=ledger.findings,
            filled=self._fill.filled,
            field_titles={f.name: f.title for f in layer.fields},
            score=score_of(ledger.tallies),
            seconds=time.perf_counter() - self._started,
            file=file,
        )

    @property
    def late_errors(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """After `finish`: numbers of the rows with an error that showed only over the whole layer."""
        positions = np.unique(np.asarray(self._register.errors, dtype=np.intp))
        return self._register.numbers[positions]


def check(
    layer: Layer, rows: Rows, surroundings: Surroundings = NOTHING, options: CheckOptions = DEFAULT
) -> CheckReport:
    """Looks at all rows of a layer; see `Checker` for rows that come in batches."""
    checker = Checker(layer, surroundings, options)
    for start in range(0, len(rows), BATCH_ROWS):
        checker.feed(rows.part(start, min(start + BATCH_ROWS, len(rows))))
    return checker.finish()
