"""From the chunks of a file to the batches of a layer: every rule applied, every row accounted for.

Plain and streaming: nothing here waits on the database, and only hashes of keys are kept between chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from importers.derive import derive, padded_grid_codes
from importers.geometry import Target, prepare
from importers.keys import SeenKeys
from importers.masks import Mask
from importers.match import Matching, missing, values
from importers.report import Finding, Tally
from importers.rules import rule
from importers.source import CHUNK_ROWS, Chunk, Source
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


def batches(plan: Plan, counted: Counted, seen: SeenKeys, rows: int = CHUNK_ROWS) -> Iterator[Batch]:
    """The kept rows of the source as batches for `layers.publish.stage`; `counted` grows on the way.

    `seen` holds the keys of the parts of the same layer that came before.
    """
    seen.begin(plan.source.title)
    for note in plan.source.notes:
        _note(counted.tally, note.rule, note.zh, note.en, note.times)
    for chunk in plan.source.read(rows):
        batch = _batch(plan, chunk, counted, seen)
        if batch is not None:
            yield batch


def _batch(plan: Plan, chunk: Chunk, counted: Counted, seen: SeenKeys) -> Batch | None:
    tally = counted.tally
    for note in chunk.mended:
        _note(tally, note.rule, note.zh, note.en, note.times)
    for trouble in chunk.troubles:
        tally.count(trouble.rule, 1)
        tally.find(Finding(trouble.rule, trouble.row, None, None, None, trouble.zh, trouble.en))
    size = len(chunk)
    counted.read += size + len(chunk.troubles)
    counted.refused += len(chunk.troubles)
    if not size:
        return None
    rows = _Rows(plan.layer, chunk, tally)
    rows.match(plan.matching)
    assert chunk.geometry is not None
    prepared = prepare(chunk.geometry, plan.target)
    for rule_id, mask in prepared.refused.items():
        rows.refuse(rule_id, mask)
    for rule_id, reason, mask in prepared.mended:
        tally.count(rule_id, int(mask.sum()), reason)
    for name, filled in derive(plan.layer, rows.columns, prepared.shapes).items():
        tally.count("value.derived", filled, name)
    rows.check_required()
    rows.check_keys(seen)
    kept = ~rows.gone
    count = int(kept.sum())
    counted.kept += count
    counted.refused += size - count
    if not count:
        return None
    mask = pa.array(kept)
    columns = {
        name: (array if count == size else array.filter(mask)).to_pylist()
        for name, array in rows.columns.items()
    }
    return Batch(shapely.to_wkb(prepared.shapes[kept], output_dimension=2).tolist(), columns)


class _Rows:
    """The rows of one chunk on their way into the layer; `gone` are refused."""

    def __init__(self, layer: Layer, chunk: Chunk, tally: Tally) -> None:
        self.layer = layer
        self.chunk = chunk
        self.tally = tally
        self.columns: dict[str, pa.Array] = {}
        self.gone: Mask = np.zeros(len(chunk), dtype=bool)
        self._keys: list[str | None] | None = None

    def match(self, matching: Matching) -> None:
        """Coerces the matched columns; rows with a value that cannot be read are refused."""
        for pair in matching.pairs:
            array = self.chunk.columns[pair.column]
            name = pair.field.name
            found = values(pair, array, is_key=name == self.layer.key)
            self.columns[name] = found.values
            for part in found.mended:
                self.tally.count(part.rule, int(part.rows.sum()), name)
            for part in found.wrong:
                self.refuse(part.rule, part.rows, name, array)
        if self.layer.id == "unit_grid" and self.layer.key in self.columns:
            codes, padded = padded_grid_codes(self.columns[self.layer.key])
            self.columns[self.layer.key] = codes
            self._keys = None
            self.tally.count("code.padded", int(padded.sum()))

    def check_required(self) -> None:
        for part in missing(self.layer, self.columns, len(self.chunk)):
            self.refuse("value.required", part.rows & ~self.gone, part.rule)

    def check_keys(self, seen: SeenKeys) -> None:
        """Refuses rows whose key came before; a refused row does not take its key from a later one."""
        if self.layer.key is None:
            return
        keys: list[str | None] = [
            None if is_gone else key for key, is_gone in zip(self.keys(), self.gone, strict=True)
        ]
        first = seen.repeated(keys, self.chunk.rows)
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
                self._keys = [None] * len(self.chunk)
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
        row = int(self.chunk.rows[position])
        key = self.keys()[position] if self.layer.key in self.columns else None
        self.tally.find(Finding(rule_id, row, key, name, value, zh, en))


def _note(tally: Tally, rule_id: str, zh: str, en: str, times: int) -> None:
    tally.count(rule_id, times)
    tally.say(rule_id, zh, en)
