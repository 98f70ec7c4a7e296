"""What mendings there are, and what was done: counts, and what stood there before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from layers.model import Text

Mending = Literal["text", "placeholders", "codes", "grid", "valid", "vertices", "direction", "snap", "tile"]

MENDINGS: dict[Mending, Text] = {
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


class Original(NamedTuple):
    """What a value or shape was before it was mended. `value` is text; a shape is `wkb`."""

    mending: str
    row: int
    key: str | None
    field: str | None
    value: str | None
    wkb: bytes | None


@dataclass
class MendReport:
    """How often each mending was done; the first originals of each."""

    counts: dict[str, int] = field(default_factory=dict)
    originals: dict[str, list[Original]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "counts": [
                {"mending": name, "title": _title(name)._asdict(), "rows": count}
                for name, count in self.counts.items()
            ],
            "originals": [
                {**o._asdict(), "wkb": None if o.wkb is None else o.wkb.hex()}
                for kept in self.originals.values()
                for o in kept
            ],
        }


def _title(name: str) -> Text:
    return next(title for mending, title in MENDINGS.items() if mending == name)
