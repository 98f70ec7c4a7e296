"""What may be put right in rows on their way in: the words of an import's `mend` option.

The importers do it, HTTP and the command line only say it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from layers.errors import BadRequest
from layers.model import Text

Mending = Literal[
    "trim", "reformat", "text", "placeholders", "codes", "grid", "valid", "vertices", "direction", "snap",
    "tile",
]  # fmt: skip

MENDINGS: dict[Mending, Text] = {
    "trim": Text("去除首尾空白、编码转半角", "blanks at the ends go, codes become half-width"),
    "reformat": Text(
        "数字、日期、单位、代码名称改写为标准形式",
        "numbers, dates, units and titles of codes rewritten in the standard form",
    ),
    "text": Text(
        "去除首尾空白和控制字符，编码转半角", "ends and control characters trimmed, codes half-width"
    ),
    "placeholders": Text("占位文字改为空值", "placeholders become no value"),
    "codes": Text("代码的名称改为代码", "titles of codes become codes"),
    "grid": Text("14 位网格码补为 15 位", "14-digit grid codes become 15-digit"),
    "valid": Text("修复无效几何", "invalid geometry made valid"),
    "vertices": Text("删除重复节点", "repeated vertices removed"),
    "direction": Text("反向管段改为起点到终点", "segments drawn backwards turned round"),
    "snap": Text("管段端点吸附到管点", "ends of pipes moved to their nodes"),
    "tile": Text("相邻面吸附并消除重叠和缝隙", "areas snapped to their neighbours, overlaps and gaps closed"),
}
"""Every mending, in the order in which they are done."""

ALWAYS: tuple[Mending, ...] = ("trim", "reformat", "valid")
"""What an import puts right unless somebody says `none`."""
LARGEST_M = 10.0
"""The largest tolerance: beyond it, things are not where they were surveyed."""

_LENGTH = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*(m|cm|mm)?", re.ASCII)
_METRES = {None: 1.0, "m": 1.0, "cm": 0.01, "mm": 0.001}
_EXPECTED = f"none, all, {', '.join(MENDINGS)}; snap and tile with a tolerance up to 10 m (snap=0.05m)"


@dataclass(frozen=True)
class MendOptions:
    """The mendings chosen, with their tolerances in metres. Nothing is mended unless it was chosen."""

    chosen: frozenset[Mending] = frozenset()
    snap_m: float = 0.05
    """Ends are moved to nodes, borders to each other, over this distance at most."""
    gap_m: float = 0.05
    """Gaps narrower than this are given to a neighbour by `tile`."""
    originals: int = 1_000
    """Originals kept in the report, for each mending."""


def parse_mendings(texts: Sequence[str]) -> MendOptions:
    """Options from words as a command line has them: `valid`, `text,codes`, `snap=5cm`, `tile=0.02m`.

    `all` chooses every mending, `none` takes back what was chosen before it. Raises `BadRequest` for an
    unknown mending or a tolerance that is no length above 0 and up to `LARGEST_M`.
    """
    options = MendOptions()
    for word in (w.strip() for text in texts for w in text.split(",")):
        name, equals, given = word.partition("=")
        if not equals and name in ("all", "none"):
            options = replace(options, chosen=frozenset(MENDINGS if name == "all" else ()))
            continue
        length_m = _length_m(given) if equals and name in ("snap", "tile") else None
        if name not in MENDINGS or (equals and length_m is None):
            raise BadRequest(
                f"不认识的修整“{word}”，可选：none、all、{'、'.join(MENDINGS)}"
                "（snap、tile 可带容差，不超过 10 m，如 snap=0.05m）",
                f"unknown mending {word!r}; choose from {_EXPECTED}",
                field="mend",
                value=word,
                expected=_EXPECTED,
            )
        options = replace(options, chosen=options.chosen | {_mending(name)})
        if length_m is not None:
            options = (
                replace(options, snap_m=length_m) if name == "snap" else replace(options, gap_m=length_m)
            )
    return options


def _length_m(given: str) -> float | None:
    match = _LENGTH.fullmatch(given)
    if match is None:
        return None
    length_m = float(match[1]) * _METRES[match[2]]
    return length_m if 0 < length_m <= LARGEST_M else None


def _mending(name: str) -> Mending:
    return next(m for m in get_args(Mending) if m == name)
