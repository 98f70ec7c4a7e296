"""Files of rasters that wait to be published: in a folder of their own, named by the import they belong to.

They become files of a layer by a second name; what no open import names any more is removed by the worker.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import uuid
from pathlib import Path

from sqlalchemy import select

from layers import schema
from layers.db import Database

STAGED = ".staged"
"""The folder, in that of the rasters."""
_UUID_CHARACTERS = 36


def staged_name(run_id: uuid.UUID) -> str:
    """A new name, relative to the folder of rasters, for a file of this import."""
    return f"{STAGED}/{run_id}-{secrets.token_hex(6)}.tif"


def take_in(folder: Path, staged: str, name: str) -> bool:
    """Gives a staged file the `name` that its layer knows it by; False if that stands already.

    Raises `FileNotFoundError` where the staged file is gone.
    """
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(folder / staged, target)
    except FileExistsError:
        return False
    return True


async def sweep_raster_files(db: Database, folder: Path) -> int:
    """Removes staged files, whole or begun, that no open import names or writes; how many went."""
    # The files first, then the imports: one that is begun meanwhile is not among the files.
    files = await asyncio.to_thread(_files, folder / STAGED)
    owners = {path: _owner(path) for path in files}
    table = schema.import_run
    asked = [run_id for run_id in set(owners.values()) if run_id is not None]
    if not files:
        return 0
    async with db.connect() as connection:
        found = await connection.execute(
            select(table.c.id, table.c.state, table.c.stages).where(table.c.id.in_(asked))
        )
        runs = {row.id: row for row in found}
    gone = 0
    for path, run_id in owners.items():
        run = None if run_id is None else runs.get(run_id)
        named = [] if run is None else [told.get("file") for told in run.stages]
        if run is not None and (run.state == "reading" or f"{STAGED}/{path.name}" in named):
            continue
        path.unlink(missing_ok=True)
        gone += 1
    return gone


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _owner(path: Path) -> uuid.UUID | None:
    try:
        return uuid.UUID(path.name.lstrip(".")[:_UUID_CHARACTERS])
    except ValueError:
        return None
