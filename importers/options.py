"""What a person may say about an import, and how it tells where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gis.crs import Frame
from layers.model import FindingSeverity, RasterMeaning, TopologyRule

Stage = Literal[
    "passed_over",
    "opening",
    "looking",
    "reading",
    "converting",
    "checking",
    "comparing",
    "publishing",
    "done",
]


@dataclass(frozen=True)
class ImportOptions:
    """What is said rather than found out. The defaults find out, and refuse what cannot be told.

    `layer_id`: the layer the rows are for (else recognised, else a layer of its own).
    `crs`: reference system of the file's coordinates, `EPSG:n`, WKT or PROJ; overrules the file.
    A city-local system is `local:` and the name the operator keeps it under in the file `systems`.
    `local`: such a name, or the parameters themselves (`to=EPSG:4548 x_is=north dx_m=… dy_m=… rotation_s=…
    scale=…`); see `importers.local_systems`.
    `frame`: coordinates are shifted as web maps show them (`gcj02`, `bd09`).
    `encoding`: of the text (dBASE, CSV); overrules .cpg and evidence.
    `table`: the layer or sheet to read from a file of several (else all of them).
    `columns`: file column → field, where names do not tell; `""` leaves the column out.
    `swapped`: first and second coordinate are exchanged (northing or latitude first); None: refuse if they
    look so. `anywhere`: rows of a known layer may lie far outside the published districts.
    `allow_refused`: publish the rows that are right and leave out the refused ones (see `importers.run`).
    `partial`: rows that the file does not name stay as they are instead of being removed.
    `within`: codes of the districts, streets, communities or grids that the file replaces; all else stays.
    `removes`: `column=value,…`: rows of the file that say so are gone; only their key is read.
    `dry_run`: read, check and compare; publish nothing.
    `check`: look at every row with the rules of the quality check (`importers.check`); errors refuse.
    `mend`: what may be put right besides `layers.mendings.ALWAYS`, as `parse_mendings` there takes it; what
    has to be mended and may not be is refused.
    `title`: of a layer of its own, instead of the file's name.
    `topology`: what the quality check asks of the shapes of a layer of its own among each other, and how
    grave it is if it does not hold; kept with the layer.
    `tables`: table (`Source.title`) → any of `OF_ONE_TABLE`, said for that table instead of for all.
    `date`: when a raster was taken, `2024`, `2024-05` or `2024-05-01`. `meaning`: what its pixels are.
    """

    layer_id: str | None = None
    crs: str | None = None
    local: str | None = field(default=None, repr=False)
    systems: Path | None = None
    frame: Frame | None = None
    encoding: str | None = None
    table: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    swapped: bool | None = None
    anywhere: bool = False
    allow_refused: bool = False
    partial: bool = False
    within: Sequence[str] = ()
    removes: str | None = None
    dry_run: bool = False
    check: bool = True
    mend: Sequence[str] = ()
    by: str = "system"
    title: str | None = None
    topology: Mapping[TopologyRule, FindingSeverity] = field(default_factory=dict)
    date: str | None = None
    meaning: RasterMeaning | None = None
    note: str = ""
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, table: str) -> ImportOptions:
        """What holds for one table: what was said for it, before what was said for all."""
        said = {name: self.tables[table][name] for name in OF_ONE_TABLE if name in self.tables.get(table, {})}
        return replace(self, **said) if said else self

    def of_file(self, file: str) -> ImportOptions:
        """What holds for reading one file: the encoding that was said for a table in it, if one was."""
        for table, said in self.tables.items():
            if said.get("encoding") and (table == file or table.startswith(f"{file} [")):
                return replace(self, encoding=said["encoding"])
        return self

    def leaves_out(self, table: str) -> bool:
        """True for a table that is not to be imported (`skip`)."""
        return bool(self.tables.get(table, {}).get("skip"))


OF_ONE_TABLE = (
    "layer_id",
    "crs",
    "local",
    "frame",
    "encoding",
    "columns",
    "swapped",
    "title",
    "topology",
    "date",
    "meaning",
)
"""The options that may be said for one table of several; with `skip` it is left out. The encoding is its
file's: it holds for every table of the file."""


class Step(NamedTuple):
    """Where an import is. `total` None: not known yet."""

    file: str
    stage: Stage
    done: int
    total: int | None


Progress = Callable[[Step], None]
"""Called in the event loop's thread, a few times per second of work; must return quickly."""


def silent(step: Step) -> None:
    """The progress nobody looks at."""
