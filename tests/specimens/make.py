"""Writes the corpus of broken files and the table that says what each must answer.

    python -m tests.specimens.make [FOLDER]

writes `files/` and `README.md` beside this module, the same bytes on every machine; with a FOLDER every
specimen, also those too large to be committed, there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.specimens import archives, documents, drawings, rasters, shapefiles, tables, workbooks
from tests.specimens.bricks import Kind, Specimen

HERE = Path(__file__).parent
FILES = HERE / "files"
SPECIMENS: tuple[Specimen, ...] = tuple(
    sorted(
        (
            *archives.SPECIMENS,
            *shapefiles.SPECIMENS,
            *documents.SPECIMENS,
            *drawings.SPECIMENS,
            *rasters.SPECIMENS,
            *tables.SPECIMENS,
            *workbooks.SPECIMENS,
        ),
        key=lambda specimen: specimen.name,
    )
)

_ANSWERS: dict[Kind, str] = {
    "refusal": "the file is refused: `{}`",
    "rows": "rows are refused: `{}`",
    "note": "it can be imported; the report names `{}`",
    "check": "the quality check finds `{}`",
}


def readme() -> str:
    """The table, as Markdown."""
    rows = [
        f"| `{s.name}` | {s.trouble}{'' if s.kept else ' (made, not committed)'} |"
        f" {_ANSWERS[s.kind].format(s.answer)} |"
        for s in SPECIMENS
    ]
    return "\n".join(
        (
            "# Broken files",
            "",
            f"{len(SPECIMENS)} files with one trouble each, and what One Map must answer. `tests/importers/"
            "test_specimens.py` holds it to them.",
            "Made by `python -m tests.specimens.make`; change a specimen there, never here. Nothing here is"
            " anybody's data.",
            "",
            "| file | trouble | answer |",
            "|---|---|---|",
            *rows,
            "",
        )
    )


def write(folder: Path, *, all_of_them: bool = False) -> None:
    """Writes the committed specimens, or all, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for specimen in SPECIMENS:
        if specimen.kept or all_of_them:
            (folder / specimen.name).write_bytes(specimen.bytes)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write(Path(sys.argv[1]), all_of_them=True)
    else:
        write(FILES)
        (HERE / "README.md").write_text(readme(), encoding="utf-8")
