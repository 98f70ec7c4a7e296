"""How the tables of this room are written: lines `code title | English title`."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One row of a table. `en` is empty where the table is Chinese only."""

    code: str
    zh: str
    en: str


def read_lines(text: str, prefix: str = "") -> tuple[Line, ...]:
    """The rows of `text`, one a line, `prefix` put before each code.

    >>> read_lines("001 供水井盖 | Water supply manhole cover", "01")
    (Line(code='01001', zh='供水井盖', en='Water supply manhole cover'),)
    """
    rows = []
    for line in text.strip().splitlines():
        titles, _, english = line.partition("|")
        code, _, title = titles.strip().partition(" ")
        rows.append(Line(prefix + code, title.strip(), english.strip()))
    return tuple(rows)
