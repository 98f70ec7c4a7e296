"""Converting a raster in a process of its own: it can be stopped at any moment, and takes nobody with it.

`python -m importers.raster_apart` reads one order (a line of JSON) from its input and answers on its output.
It ends when its input does: when whoever ordered it is gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gis.crs import CRS, read_crs
from importers.errors import BadFile, Unreadable
from importers.source import Pixels
from layers.errors import OneMapError
from layers.model import RasterBand, RasterMeaning

_ROOT = Path(__file__).resolve().parent.parent


async def converted_apart(
    path: Path, file: str, target: Path, pixels: Pixels, crs: CRS, meaning: RasterMeaning
) -> tuple[RasterBand, ...]:
    """Writes `path` as COG to `target`, and returns its bands with their ranges.

    Raises as `raster_cog.write_cog`, `Unreadable` where the process dies. Cancelled, it leaves nothing.
    """
    order = {
        "path": str(path),
        "file": file,
        "target": str(target),
        "pixels": asdict(pixels),
        "crs": crs.to_wkt(),
        "meaning": meaning,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "importers.raster_apart",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        answer = await process.stdout.read()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        for begun in target.parent.glob(f".{target.stem}*"):
            begun.unlink(missing_ok=True)
    if not answer:
        raise Unreadable(
            file,
            "转换时进程意外终止，可能是内存不足或文件损坏",
            "the process that converted it died: perhaps for want of memory, or the file is damaged",
            found=f"exit code {process.returncode}",
            expected="a whole GeoTIFF",
        )
    told = json.loads(answer)
    if "bands" not in told:
        raise _error(told)
    return tuple(RasterBand(**band) for band in told["bands"])


def _error(told: Mapping[str, Any]) -> BadFile:
    """The error that the other process met."""
    error = BadFile.__new__(BadFile)
    OneMapError.__init__(error, told["zh"], told["en"], **told["facts"])
    return error


def _answer(order: Mapping[str, Any]) -> dict[str, Any]:
    from importers.raster_cog import ranges, write_cog  # loaded here, where pixels are, and nowhere else

    said: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in order["pixels"].items()}
    pixels = Pixels(**said)
    target = Path(order["target"])
    try:
        write_cog(
            Path(order["path"]), order["file"], target, pixels, read_crs(order["crs"]), order["meaning"]
        )
        return {"bands": [band._asdict() for band in ranges(target, pixels)]}
    except OneMapError as error:
        return {"zh": error.zh, "en": error.en, "facts": error.facts}


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    answer = json.dumps(_answer(order))
    sys.stdout.write(answer)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
