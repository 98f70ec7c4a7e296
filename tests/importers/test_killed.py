"""Kill -9 in the middle of an import: the version that stood still stands, and nothing is left in the way."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from importers.run import import_files
from layers.db import Database
from tests.importers.published import left_behind, rows_of, runs_of, state_of
from tests.importers.specimens import text

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from importers.run import import_files
from layers.db import Database

async def main() -> None:
    async with Database(sys.argv[1]) as db:
        seen = 0
        def tell(step):
            nonlocal seen
            if step.stage == sys.argv[3]:
                seen += 1
                if seen == int(sys.argv[4]):
                    os.kill(os.getpid(), signal.SIGKILL)
        await import_files(db, [Path(sys.argv[2])], progress=tell)

asyncio.run(main())
"""


@pytest.mark.parametrize(("stage", "times"), [("reading", 1), ("reading", 3), ("publishing", 1)])
async def test_a_killed_import_shows_nothing_and_the_next_one_cleans_up(
    database: Database, database_url: str, tmp_path: Path, stage: str, times: int
) -> None:
    await import_files(database, [text(tmp_path, "t.csv", "id,lon,lat\n0,116.5,31.7\n")])
    before = await state_of(database)
    path = text(tmp_path, "t.csv", "id,lon,lat\n" + "".join(f"{i},116.5,31.7\n" for i in range(1, 400_000)))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, database_url, str(path), stage, str(times)
    )
    assert await process.wait() == -signal.SIGKILL
    assert await state_of(database) == before
    assert set(await rows_of(database, "t")) == {"0"}
    assert (await runs_of(database))[-1][2] == "reading"
    await import_files(database, [text(tmp_path, "t.csv", "id,lon,lat\n0,116.5,31.8\n")])
    assert set(await rows_of(database, "t")) == {"0"}
    assert not await left_behind(database)
