"""The look at one layer's rows on their way through an import, and how rows are put together for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import shapely

from importers.check.checker import Checker
from importers.check.mend import Mender, tiles
from importers.check.model import DEFAULT, CheckOptions, Geometries, Mask, Remark, Rows, Rule
from importers.check.pipe_lines import NO_NODE, NOWHERE
from importers.check.portion import Portion
from importers.check.remarks import LOST
from importers.check.repeats import SAME_KEY
from importers.check.report import CheckReport
from importers.check.surroundings import Surroundings
from importers.source import Trouble
from layers.mendings import MendOptions
from layers.model import Layer

_TROUBLES: dict[str, Rule] = {"pipe.no_node": NO_NODE, "pipe.same_ends": NOWHERE}


@dataclass
class Inspection:
    """What is asked of a layer's rows while they stream by: `mend` each batch, `feed` it, then `finish`.

    Rows come matched and coerced, their geometry in EPSG:4490. Making valid is left to who prepares the
    geometry, and told by `repaired`; everything else that was chosen is done by `mend`, but for `tile`,
    which needs a whole table at once (`waits`).
    """

    layer: Layer
    surroundings: Surroundings
    options: CheckOptions = DEFAULT
    mending: MendOptions = field(default_factory=MendOptions)
    keeps: bool = False
    """Keep the rows, for layers that are looked at among them."""

    def __post_init__(self) -> None:
        self._checker = Checker(self.layer, self.surroundings, self.options)
        chosen = self.mending.chosen
        self.makes_valid = "valid" in chosen
        self.waits = "tile" in chosen and tiles(self.layer)
        self._mender = Mender(self.layer, replace(self.mending, chosen=chosen - {"valid"}), self.surroundings)
        self._kept: list[Rows] = []
        self.late: Mapping[str, int] = {}
        """After `finish`: errors that showed only over the whole layer, by rule; repeated keys aside, whose
        rows an import refuses by itself."""

    def mend(self, rows: Rows) -> Rows:
        """The rows with what was chosen put right, batch by batch; what reading put right is counted."""
        portion = Portion(self.layer, rows)
        for remark in rows.remarks:
            if remark.kind != "unread":
                self._mender.note_values("trim" if remark.kind == "tidied" else "reformat", portion, remark)
        return self._mender.mend(rows)

    def tile(self, rows: Rows) -> Rows:
        """All rows of a table, their areas fitted to each other."""
        return self._mender.tile(rows)

    def repaired(self, rows: Rows, broken: Mapping[int, shapely.Geometry]) -> None:
        """The shapes `broken`, by position in `rows`, were made valid; they are told as they were."""
        positions = np.array(sorted(broken), dtype=np.intp)
        shapes = rows.geometry.copy()
        shapes[positions] = [broken[position] for position in positions.tolist()]
        before = Portion(self.layer, replace(rows, geometry=shapes, valid=None))
        self._mender.note("valid", before, positions)
        self._checker.repaired(_some(before.rows, positions))

    def feed(self, rows: Rows) -> Mask:
        """Looks at rows as they are to be stored; (n,) True for those with an error that shows already."""
        if self.keeps:
            self._kept.append(replace(rows, remarks=()))
        return self._checker.feed(rows)

    def lose(self, trouble: Trouble, file: str = "") -> None:
        """A row that the reader could not give."""
        rule = _TROUBLES.get(trouble.rule, LOST)
        self._checker.lost(trouble.row, trouble.zh, trouble.en, rule=rule, file=file)

    def finish(self, file: str = "") -> CheckReport:
        """The report over all rows; call it once."""
        before = self._checker.errors
        report = self._checker.finish(file=file)
        after = self._checker.errors
        self.late = {
            rule: count - before[rule]
            for rule, count in after.items()
            if count > before[rule] and rule != SAME_KEY.id
        }
        return replace(report, mended=self._mender.report) if self.mending.chosen else report

    @property
    def kept(self) -> Rows | None:
        """With `keeps`: the rows that others may be looked at among, those with a valid shape."""
        if not self._kept:
            return None
        rows = joined(self._kept)
        valid = np.asarray(shapely.is_valid(rows.geometry))
        return _some(rows, np.flatnonzero(valid))


def joined(parts: Sequence[Rows]) -> Rows:
    """Batches of one layer as one; a column that some lack is null there."""
    names = dict.fromkeys(name for part in parts for name in part.columns)
    kinds = {name: next(p.columns[name].type for p in parts if name in p.columns) for name in names}
    columns = {
        name: pa.chunked_array(
            [p.columns.get(name, pa.nulls(len(p), kind)) for p in parts], kind
        ).combine_chunks()
        for name, kind in kinds.items()
    }
    total = sum(map(len, parts))
    remarks: list[Remark] = []
    before = 0
    for part in parts:
        remarks += [_widened(remark, before, total) for remark in part.remarks]
        before += len(part)
    files = {part.file for part in parts}
    return Rows(
        np.concatenate([p.numbers for p in parts]),
        np.concatenate([p.geometry for p in parts]),
        columns,
        tuple(remarks),
        files.pop() if len(files) == 1 else "",
        np.concatenate([np.zeros(len(p), bool) if p.beyond is None else p.beyond for p in parts]),
    )


def _widened(remark: Remark, before: int, total: int) -> Remark:
    """A remark on a batch as one on `total` rows, of which `before` come before the batch."""
    rows = np.zeros(total, dtype=bool)
    rows[before : before + len(remark.rows)] = remark.rows
    kind = remark.before.type
    after = total - before - len(remark.rows)
    values = pa.concat_arrays([pa.nulls(before, kind), remark.before, pa.nulls(after, kind)])
    return remark._replace(rows=rows, before=values)


def _some(rows: Rows, positions: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> Rows:
    """Some of the rows, without remarks."""
    taken = pa.array(positions)
    columns = {name: array.take(taken) for name, array in rows.columns.items()}
    shapes: Geometries = rows.geometry[positions]
    return Rows(rows.numbers[positions], shapes, columns, file=rows.file)
