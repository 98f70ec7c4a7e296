"""What reading already found out: rows and values that cannot be read, values it had to rewrite.

ACC-01, ATT-10, ATT-11; what was merely tidied counts as untidy text (ATT-07).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from importers.check.attributes import UNTIDY
from importers.check.ledger import Said, Say
from importers.check.model import Finding, Remark, Rule
from importers.check.portion import Portion
from importers.check.work import Work
from layers.model import Text

LOST = Rule("ACC-01", "error", "accessibility", Text("行无法读取", "row cannot be read"))
UNREAD = Rule("ATT-10", "error", "normativity", Text("值的类型不符", "value of the wrong type"))
REWRITTEN = Rule("ATT-11", "info", "normativity", Text("读取时改写的值", "value rewritten on reading"))
RULES = (LOST, UNREAD, REWRITTEN)


class _Rewritten(NamedTuple):
    """One way in which values of a field were rewritten: how often, and where first."""

    times: int
    first: Finding


class Remarks:
    """What reading remarked: unread and untidy values row by row, rewritten ones in one line per field."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._rewritten: dict[tuple[str, str], _Rewritten] = {}

    def feed(self, portion: Portion) -> None:
        values = len(portion) * len(portion.rows.columns)
        self._work.ledger.checked(UNREAD, values)
        self._work.ledger.checked(REWRITTEN, values)
        for remark in portion.rows.remarks:
            if remark.kind == "rewritten":
                self._count(portion, remark)
            else:
                rule = UNREAD if remark.kind == "unread" else UNTIDY
                self._work.ledger.found(rule, portion, remark.rows, _saying(portion, remark))

    def _count(self, portion: Portion, remark: Remark) -> None:
        times = int(remark.rows.sum())
        if not times:
            return
        known = self._rewritten.get((remark.field, remark.en))
        if known is not None:
            self._rewritten[remark.field, remark.en] = known._replace(times=known.times + times)
            return
        row = int(np.argmax(remark.rows))
        said = _saying(portion, remark)(row)
        first = Finding(
            *(REWRITTEN.id, portion.number(row), portion.key(row), said.zh, said.en),
            *(remark.field, str(said.value), None, portion.file(row)),
        )
        self._rewritten[remark.field, remark.en] = _Rewritten(times, first)

    def finish(self) -> None:
        for times, first in self._rewritten.values():
            more = first._replace(
                zh=f"{first.zh}（共 {times:,} 处，此为首处）",
                en=f"{first.en} ({times:,} times, first here)",
            )
            self._work.ledger.found_times(REWRITTEN, times, more)


def _saying(portion: Portion, remark: Remark) -> Say:
    field = portion.layer.field(remark.field)
    title = field.title.zh if field is not None else remark.field

    def said(position: int) -> Said:
        before = remark.before[position].as_py()
        shown = repr(before)[1:-1] if isinstance(before, str) else str(before)
        return Said(
            f"字段“{title}”的值“{shown}”：{remark.zh}",
            f"{remark.field!r} is {shown!r}: {remark.en}",
            shown,
            remark.field,
        )

    return said
