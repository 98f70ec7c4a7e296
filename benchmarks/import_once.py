"""One import in a process of its own, as `onemap import` does it; prints what it took as JSON.

`python -m benchmarks.import_once URL FILE LAYER [--no-check]`
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from time import time
from typing import Any

from onemap.collecting import loading

with loading():
    from importers.options import ImportOptions
    from importers.run import import_files
    from layers.db import Database
    from layers.laps import timed


def main() -> None:
    """Imports one file as one layer."""
    url, file, layer, *rest = sys.argv[1:]
    options = ImportOptions(layer_id=layer, allow_refused=True, check="--no-check" not in rest)
    print(json.dumps(asyncio.run(_measured(url, Path(file), options))))


async def _measured(url: str, file: Path, options: ImportOptions) -> dict[str, Any]:
    with timed() as laps:
        async with Database(url) as database:
            [report] = await import_files(database, [file], options)
    changed = report.difference
    return {
        "state": report.state,
        "rows": report.kept,
        "touched": 0 if changed is None else changed.added + changed.changed + changed.removed,
        "laps": laps,
        "ended": time(),
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """The most memory this process ever held, by the kernel's count."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    main()
