"""The same file again: told by its bytes, so that it need not be read to say that nothing changed.

Only what is exactly the same counts: the bytes of the file and of those beside it, the options, the layer's
description, every other layer's version (codes are taken from them and rows checked among them), and the
programs that read. Then the delivery brings the rows that made the version that stands.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from importers import geodatabase
from importers.opening import SIDECARS
from importers.options import ImportOptions
from importers.planning import Delivery
from importers.report import Count, Finding, ImportReport
from importers.rules import rule
from importers.source import Found
from layers.catalogue import standing_version
from layers.db import Database
from layers.description import to_json
from layers.model import Difference, Layer

_ROOMS = ("gis", "layers", "importers")
_LIBRARIES = ("numpy", "pyarrow", "pyogrio", "pyproj", "shapely")
_NOT_OF_THE_ROWS = frozenset(("by", "note", "dry_run", "systems"))
"""Options that change nothing about the rows that come."""


def fingerprint(delivery: Delivery, layers: Mapping[str, Layer], options: ImportOptions) -> str | None:
    """What the delivery is, as one number; None where that cannot be told: parts of a layer, several tables,
    coordinates from elsewhere, a database file that is being written.
    """
    if len(delivery.parts) != 1 or options.partial or options.within or options.removes or options.local:
        return None
    [part] = delivery.parts
    if part.needs_nodes:
        return None
    said = {name: value for name, value in asdict(options).items() if name not in _NOT_OF_THE_ROWS}
    others = {la.id: [la.version, to_json(la)] for la in layers.values() if la.id != part.layer.id}
    told = [_programs(), said, others, to_json(part.layer), part.source.title, part.source.name]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    for file in _files(part.source.path):
        if file.name.endswith(("-wal", "-journal")):
            return None
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


class Fingerprint:
    """The fingerprint of a delivery, told in a thread once somebody wants it; made before rows are read."""

    def __init__(self, delivery: Delivery, layers: Mapping[str, Layer], options: ImportOptions) -> None:
        self._of = (delivery, layers, options)
        self._stamps = _stamps(delivery)
        self._telling: asyncio.Task[str | None] | None = None

    def begin(self) -> None:
        """Begins to tell it, if nobody did: what it needs is processor time that may be free just now."""
        if self._telling is None:
            self._telling = asyncio.create_task(asyncio.to_thread(fingerprint, *self._of))

    async def told(self) -> str | None:
        """As `fingerprint`; None too where a file was written to meanwhile, as its rows may be older."""
        self.begin()
        assert self._telling is not None
        found = await asyncio.shield(self._telling)
        return found if _stamps(self._of[0]) == self._stamps else None

    async def ended(self) -> None:
        """Waits until nothing of the files is read any more: a thread cannot be interrupted."""
        if self._telling is not None:
            await asyncio.gather(self._telling, return_exceptions=True)


async def unchanged(db: Database, delivery: Delivery, made_of: str | None) -> ImportReport | None:
    """The report of a delivery that is, by its fingerprint, what made the version that stands; else None."""
    if made_of is None:
        return None
    begun = time.monotonic()
    [part] = delivery.parts
    standing = await standing_version(db, part.layer.id)
    if standing is None or standing.report.get("fingerprint") != made_of:
        return None
    told = standing.report
    counts = [Count(one["rule"], one["severity"], one["rows"], one["zh"], one["en"]) for one in told["rules"]]
    same = rule("file.same")
    counts.append(Count(same.id, same.severity, told["read"], same.zh, same.en))
    return ImportReport(
        file=part.source.title,
        layer_id=part.layer.id,
        layer_title=part.layer.title,
        state="unchanged",
        read=told["read"],
        kept=told["kept"],
        refused=told["refused"],
        counts=tuple(counts),
        findings=tuple(Finding(**one) for one in told["findings"]),
        details={one["rule"]: one["details"] for one in told["rules"]},
        recognised=part.recognised,
        matched=part.matching.by_field,
        unmapped=part.matching.unmapped,
        encoding=part.source.encoding,
        crs=_found(told["provenance"]["crs"]),
        route=None,
        difference=Difference(0, 0, 0, told["kept"]),
        version=standing.number,
        seconds=time.monotonic() - begun,
        row_word=part.source.row_word,
    )


def _found(told: Mapping[str, Any] | None) -> Found | None:
    return None if told is None else Found(**told)


def _files(path: Path) -> Iterator[Path]:
    """The file and what may belong to it; of a geodatabase, all its files."""
    if path.is_dir():
        yield from geodatabase.parts(path)
        return
    own = [f"{path.stem}{suffix}" for suffix in SIDECARS]
    own += [f"{path.name}{end}" for end in ("", "-wal", "-journal")]
    wanted = {name.casefold() for name in own}
    yield from sorted(f for f in path.parent.iterdir() if f.name.casefold() in wanted and f.is_file())


def _stamps(delivery: Delivery) -> list[tuple[str, int, int]]:
    """Name, size and moment of the last change of every file of the delivery."""
    stats = [(f.name, f.stat()) for part in delivery.parts for f in _files(part.source.path)]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


@cache
def _programs() -> str:
    """The programs that read, by their own text and their libraries' versions."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256("".join(f"{name} {version(name)} " for name in _LIBRARIES).encode())
    for room in _ROOMS:
        for file in sorted((root / room).rglob("*")):
            if file.suffix in (".py", ".toml"):
                digest.update(file.read_bytes())
    return digest.hexdigest()
