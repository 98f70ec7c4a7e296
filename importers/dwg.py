"""AutoCAD's own drawings (.dwg): made into DXF by LibreDWG's `dwg2dxf` where that is installed.

There is no reader of them that could come with us (LibreDWG is under the GPL, and no distribution's package);
without it they are refused, told by their version, with the ways to a DXF. The program reads a stranger's
file: it runs as a child of its own, in an empty folder, with bounded time, memory and output.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importers.errors import Unreadable
from layers.model import Text

SUFFIX = ".dwg"
PROGRAM = "dwg2dxf"
VERSIONS = {
    b"AC1009": "R12", b"AC1012": "R13", b"AC1014": "R14", b"AC1015": "2000", b"AC1018": "2004",
    b"AC1021": "2007", b"AC1024": "2010", b"AC1027": "2013", b"AC1032": "2018",
}  # fmt: skip
"""How a drawing begins, and the AutoCAD whose format that is (each holds until the next)."""

MOST_S = 120
MOST_BYTES = 1024**3
"""Of the DXF; what is larger than the reader takes is refused there, with its size."""
MOST_MEMORY_BYTES = 4 * 1024**3
_BOUNDED = (
    "prlimit", f"--cpu={MOST_S}", f"--fsize={MOST_BYTES}", f"--as={MOST_MEMORY_BYTES}", "--core=0",
)  # fmt: skip
"""Of util-linux, which every Debian has."""


def converter() -> str | None:
    """Where `dwg2dxf` is on the PATH; None without it."""
    return shutil.which(PROGRAM)


@contextmanager
def as_dxf(path: Path, file: str) -> Iterator[Path]:
    """The drawing as a DXF, removed at the end. Raises `Unreadable` where it cannot be made into one.

    LibreDWG ends with a fault also where it only doubted something; what counts is what it wrote, which is
    checked as any other DXF.
    """
    program = converter()
    assert program is not None, "ask `converter` first"
    with tempfile.TemporaryDirectory(prefix="onemap-import-") as folder:
        made = Path(folder) / "drawing.dxf"
        command = [*_BOUNDED, program, "-y", "-o", str(made), str(path.resolve())]
        try:
            ended = subprocess.run(
                command, cwd=folder, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                timeout=MOST_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise _failed(path, file, f"{MOST_S} 秒内未完成", f"not done within {MOST_S} s") from error
        if not made.is_file() or not made.stat().st_size:
            raise _failed(path, file, f"退出码 {ended.returncode}", f"it ended with code {ended.returncode}")
        yield made


def told(path: Path) -> Text:
    """What the drawing is, and what to do with it."""
    version = _version(path)
    of_zh = f"，AutoCAD {version} 格式" if version else "，文件头不是 AutoCAD 的"
    of_en = f", in the format of AutoCAD {version}" if version else ", which does not begin as AutoCAD's do"
    return Text(
        f"AutoCAD 图形（.dwg{of_zh}）；请在 CAD 中“另存为”DXF（2018 或更早版本均可），"
        f"或由管理员安装 LibreDWG 的 {PROGRAM} 后直接导入",
        f"an AutoCAD drawing (.dwg{of_en}); save it as DXF in the CAD program (of any version), or have the"
        f" operator install {PROGRAM} of LibreDWG, by which it is read directly",
    )


def _version(path: Path) -> str | None:
    with path.open("rb") as content:
        return VERSIONS.get(content.read(6))


def _failed(path: Path, file: str, because_zh: str, because_en: str) -> Unreadable:
    version = _version(path)
    return Unreadable(
        file,
        f"{PROGRAM} 无法转换该图形（{because_zh}）；请在 CAD 中另存为 DXF",
        f"{PROGRAM} cannot convert this drawing ({because_en}); save it as DXF in the CAD program",
        found=f"AutoCAD {version}" if version else "no AutoCAD drawing",
        expected="an AutoCAD drawing",
    )
