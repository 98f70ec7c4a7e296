"""What was put right: counts, and what stood there before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from layers.mendings import MENDINGS, Mending


class Original(NamedTuple):
    """What a value or shape was before it was mended. `value` is text; a shape is `wkb`."""

    mending: Mending
    row: int
    key: str | None
    field: str | None
    value: str | None
    wkb: bytes | None
    file: str = ""


@dataclass
class MendReport:
    """How often each mending was done; the first originals of each."""

    counts: dict[Mending, int] = field(default_factory=dict)
    originals: dict[Mending, list[Original]] = field(default_factory=dict)

    def to_json(self, *, originals: bool = True) -> dict[str, Any]:
        """The counts and, unless not wanted, what stood there before."""
        counts = [
            {"mending": name, "title": MENDINGS[name]._asdict(), "rows": count}
            for name, count in self.counts.items()
        ]
        if not originals:
            return {"counts": counts}
        kept = [
            {**o._asdict(), "wkb": None if o.wkb is None else o.wkb.hex()}
            for some in self.originals.values()
            for o in some
        ]
        return {"counts": counts, "originals": kept}
