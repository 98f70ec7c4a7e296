"""From the chunks of a file to the batches of a layer: every rule applied, every row accounted for.

Plain and streaming: nothing here waits on the database, and only hashes of keys are kept between chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import is_
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from importers.check.inspection import Inspection, joined
from importers.check.model import Remark, RemarkKind, Rows
from importers.derive import derive, padded_grid_codes
from importers.geometry import Arriving, Target, arrive_chunk, fit
from importers.keys import SeenKeys
from importers.masks import Mask
from importers.match import Matching, missing, values
from importers.report import Finding, Tally
from importers.rules import rule
from importers.source import CHUNK_ROWS, Chunk, Geometries, Source
from layers.laps import lap
from layers.model import Layer, Text
from layers.publish import Batch


@dataclass
class Counted:
    """Rows of one source so far. `kept` + `refused` = `read`."""

    read: int = 0
    kept: int = 0
    refused: int = 0
    tally: Tally = field(default_factory=Tally)


class Plan(NamedTuple):
    """What is to be done to a source: decided before its rows are read."""

    source: Source
    layer: Layer
    matching: Matching
    target: Target
    inspection: Inspection | None = None
    """The quality check the rows go through on their way; None for none."""
    file: str = ""
    """The table's name in findings, where its layer comes in several."""


_REMARKS: dict[str, RemarkKind] = {"text.trimmed": "tidied", "text.width": "tidied", "text.nul": "tidied"}
_TOLD_BY_VALUE = frozenset(("value.too_long", "value.not_in_codes", "text.replaced"))
"""What reading notices and leaves in the value, where the check has rules of its own for it."""


def batches(plan: Plan, counted: Counted, seen: SeenKeys, rows: int = CHUNK_ROWS) -> Iterator[Batch]:
    """The kept rows of the source as batches for `layers.publish.stage`; `counted` grows on the way.

    `seen` holds the keys of the parts of the same layer that came before.
    """
    for arrived in prepared(plan, counted, seen, rows):
        kept = ~arrived.gone
        count = int(kept.sum())
        if not count:
            continue
        mask = pa.array(kept)
        columns = {
            name: array if count == len(kept) else array.filter(mask)
            for name, array in arrived.columns.items()
        }
        yield Batch(arrived.wkb()[kept], columns, arrived.shapes[kept])


def prepared(plan: Plan, counted: Counted, seen: SeenKeys, rows: int = CHUNK_ROWS) -> Iterator[Arrived]:
    """The rows of the source, chunk by chunk, as they are to be stored, and which of them are refused.

    With an inspection every row is looked at on the way, also those that are refused: mended as chosen,
    then made of the layer's type, completed, and checked as it is to be stored.
    """
    seen.begin(plan.source.title)
    for note in plan.source.notes:
        _note(counted.tally, note.rule, note.zh, note.en, note.times)
    arriving = (
        a for chunk in _chunks(plan.source, rows) if (a := _arrived(plan, chunk, counted)) is not None
    )
    inspection = plan.inspection
    for arrived in _tiled(arriving, inspection) if inspection is not None and inspection.waits else arriving:
        _complete(plan, arrived, counted, seen)
        size, kept = len(arrived.gone), int((~arrived.gone).sum())
        counted.kept += kept
        counted.refused += size - kept
        yield arrived


def _chunks(source: Source, rows: int) -> Iterator[Chunk]:
    chunks = source.read(rows)
    while True:
        with lap("read (CPU)", cpu=True):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def _arrived(plan: Plan, chunk: Chunk, counted: Counted) -> Arrived | None:
    """A chunk matched, coerced, put in its place, mended; None if no row of it could be read."""
    tally, inspection = counted.tally, plan.inspection
    for note in chunk.mended:
        _note(tally, note.rule, note.zh, note.en, note.times)
    for trouble in chunk.troubles:
        tally.count(trouble.rule, 1)
        tally.find(Finding(trouble.rule, trouble.row, None, None, None, trouble.zh, trouble.en))
        if inspection is not None:
            inspection.lose(trouble, plan.file)
    counted.read += len(chunk) + len(chunk.troubles)
    counted.refused += len(chunk.troubles)
    if not len(chunk):
        return None
    arrived = Arrived(plan.layer, chunk.rows, tally, plan.file)
    with lap("reproject, mend and coerce (CPU)", cpu=True):
        arrived.match(chunk, plan.matching)
        state = arrive_chunk(chunk, plan.target)
        if inspection is not None:
            state.shapes = arrived.mend(inspection, state.shapes)
        fit(state, plan.target, makes_valid=inspection is None or inspection.makes_valid)
        arrived.settle(state, is_valid=inspection is not None and inspection.makes_valid)
    if inspection is not None and state.broken:
        inspection.repaired(arrived.rows(), state.broken)
    return arrived


def _tiled(arriving: Iterator[Arrived], inspection: Inspection) -> Iterator[Arrived]:
    """The rows of the whole table, their areas fitted to each other, in the batches in which they came."""
    waiting = list(arriving)
    if not waiting:
        return
    shapes = inspection.tile(joined([arrived.rows() for arrived in waiting])).geometry
    start = 0
    for arrived in waiting:
        stop = start + len(arrived.gone)
        arrived.told = shapes[start:stop]
        arrived.forget_validity()
        arrived.shapes = arrived.told.copy()
        arrived.shapes[arrived.gone] = None
        start = stop
        yield arrived


def _complete(plan: Plan, arrived: Arrived, counted: Counted, seen: SeenKeys) -> None:
    """Fills what can be derived, looks at the rows, and refuses those that cannot be stored."""
    for name, filled in derive(plan.layer, arrived.columns, arrived.shapes).items():
        counted.tally.count("value.derived", filled, name)
    with lap("check (CPU)", cpu=True):
        errors = plan.inspection.feed(arrived.rows()) if plan.inspection is not None else None
    arrived.check_required()
    if errors is not None:
        arrived.refuse("check.error", errors & ~arrived.gone)
    arrived.check_keys(seen)


class Arrived:
    """The rows of one chunk on their way into the layer; `gone` are refused.

    `shapes`: as they are to be stored, None where refused. `told`: the same, but refused ones as they were.
    """

    def __init__(self, layer: Layer, numbers: NDArray[np.int64], tally: Tally, file: str = "") -> None:
        self.layer = layer
        self.numbers = numbers
        self.tally = tally
        self.columns: dict[str, pa.Array] = {}
        self.gone: Mask = np.zeros(len(numbers), dtype=bool)
        self.shapes: Geometries = np.full(len(numbers), None, dtype=object)
        self.told: Geometries = self.shapes
        self._file = file
        self._beyond: Mask | None = None
        self._valid: Mask | None = None
        self._remarks: list[Remark] = []
        self._keys: list[str | None] | None = None
        self._made: tuple[Geometries, Geometries] | None = None

    def match(self, chunk: Chunk, matching: Matching) -> None:
        """Coerces the matched columns; rows with a value that cannot be read are refused."""
        for pair in matching.pairs:
            array = chunk.columns[pair.column]
            name = pair.field.name
            found = values(pair, array, is_key=name == self.layer.key)
            self.columns[name] = found.values
            for part in found.mended:
                self.tally.count(part.rule, int(part.rows.sum()), name)
                self._remark(_REMARKS.get(part.rule, "rewritten"), name, part.rows, array, part.rule)
            for part in found.wrong:
                self._remark("unread", name, part.rows, array, part.rule)
                self.refuse(part.rule, part.rows, name, array)
        if self.layer.id == "unit_grid" and self.layer.key in self.columns:
            before = self.columns[self.layer.key]
            codes, padded = padded_grid_codes(before)
            self.columns[self.layer.key] = codes
            self._keys = None
            self.tally.count("code.padded", int(padded.sum()))
            if padded.any():
                self._remark("rewritten", self.layer.key, padded, before, "code.padded")

    def mend(self, inspection: Inspection, shapes: Geometries) -> Geometries:
        """Has values and `shapes` mended as chosen; the shapes then.

        What had to be put right to be read, and nobody chose to have put right, is refused.
        """
        allowed = {"tidied": "trim", "rewritten": "reformat"}
        for remark in self._remarks:
            needed = allowed.get(remark.kind)
            if needed is not None and needed not in inspection.mending.chosen:
                self.refuse("mend.not_chosen", remark.rows & ~self.gone, remark.field, remark.before)
        rows = self._rows(shapes)
        mended = inspection.mend(rows)
        for name, array in mended.columns.items():
            if array is not rows.columns[name]:
                self.columns[name] = array
                self._keys = None
        return mended.geometry

    def settle(self, state: Arriving, *, is_valid: bool) -> None:
        """Takes over what became of the geometries; `is_valid`: those that stand were made valid."""
        for rule_id, mask in state.refused.items():
            self.refuse(rule_id, mask)
        for rule_id, reason, mask in state.mended:
            self.tally.count(rule_id, int(mask.sum()), reason)
        self.shapes, self.told = state.shapes, state.told
        self._made = state.made
        self._beyond = state.refused.get("geometry.beyond_crs")
        self._valid = ~state.gone if is_valid else None

    def wkb(self) -> Geometries:
        """(n,) the shapes as bytes, as shapely writes them; None where refused."""
        if self._made is None:
            return np.asarray(shapely.to_wkb(self.shapes, output_dimension=2), dtype=object)
        shapes, wkb = self._made
        other = ~np.fromiter(map(is_, self.shapes, shapes), dtype=bool, count=len(shapes))
        wkb[other] = shapely.to_wkb(self.shapes[other], output_dimension=2)
        return wkb

    def forget_validity(self) -> None:
        """The shapes were changed after they were made valid."""
        self._valid = None

    def rows(self) -> Rows:
        """The rows as the quality check looks at them."""
        return self._rows(self.told)

    def _rows(self, shapes: Geometries) -> Rows:
        made = Rows.of(self.layer, shapes, self.columns, self.numbers)
        return replace(
            made,
            remarks=tuple(self._remarks),
            file=self._file,
            beyond=self._beyond,
            valid=self._valid,
        )

    def _remark(self, kind: RemarkKind | None, name: str, rows: Mask, before: pa.Array, rule_id: str) -> None:
        if kind is not None and rule_id not in _TOLD_BY_VALUE:
            known = rule(rule_id)
            self._remarks.append(Remark(kind, name, rows, before, known.zh, known.en))

    def check_required(self) -> None:
        for part in missing(self.layer, self.columns, len(self.numbers)):
            self.refuse("value.required", part.rows & ~self.gone, part.rule)

    def check_keys(self, seen: SeenKeys) -> None:
        """Refuses rows whose key came before; a refused row does not take its key from a later one."""
        if self.layer.key is None:
            return
        keys: list[str | None] = [
            None if is_gone else key for key, is_gone in zip(self.keys(), self.gone, strict=True)
        ]
        first = seen.repeated(keys, self.numbers)
        repeated = first > 0
        if not repeated.any():
            return
        for position in np.flatnonzero(repeated)[: max(self.tally.wants("key.repeated"), 0)]:
            row, file = seen.where(int(first[position]))
            zh = f"标识与“{file}”第 {row} 行重复" if file else f"标识与第 {row} 行重复"
            en = f"the key repeats that of row {row}" + (f" in {file}" if file else "")
            self._find("key.repeated", int(position), self.layer.key, None, Text(zh, en))
        self.tally.count("key.repeated", int(repeated.sum()))
        self.gone |= repeated

    def refuse(
        self, rule_id: str, mask: NDArray[np.bool_], name: str | None = None, array: pa.Array | None = None
    ) -> None:
        """Refuses rows and lists the first of them with their values."""
        self.tally.count(rule_id, int(mask.sum()), name)
        for position in np.flatnonzero(mask)[: max(self.tally.wants(rule_id), 0)]:
            value = None if array is None else array[int(position)].as_py()
            self._find(rule_id, int(position), name, None if value is None else str(value)[:100])
        self.gone |= mask

    def keys(self) -> list[str | None]:
        """The rows' keys as text; None where there is none."""
        if self._keys is None:
            array = self.columns.get(self.layer.key or "")
            if array is None:
                self._keys = [None] * len(self.numbers)
            else:
                self._keys = pc.cast(array, pa.string()).to_pylist()
        return self._keys

    def _find(
        self, rule_id: str, position: int, name: str | None, value: str | None, said: Text | None = None
    ) -> None:
        known = rule(rule_id)
        zh, en = said or (known.zh, known.en)
        if name is not None and said is None:
            title = f.title if (f := self.layer.field(name)) is not None else Text(name, name)
            shown = "" if value is None else f" {value!r}"
            zh, en = f"{title.zh}{shown}：{zh}", f"{title.en}{shown}: {en}"
        row = int(self.numbers[position])
        key = self.keys()[position] if self.layer.key in self.columns else None
        self.tally.find(Finding(rule_id, row, key, name, value, zh, en))


def _note(tally: Tally, rule_id: str, zh: str, en: str, times: int) -> None:
    tally.count(rule_id, times)
    tally.say(rule_id, zh, en)
