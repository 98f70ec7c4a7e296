"""AutoCAD's own drawings (.dwg): not read here, but told by their version, with the two ways to a DXF."""

from __future__ import annotations

from pathlib import Path

from layers.model import Text

SUFFIX = ".dwg"
VERSIONS = {
    b"AC1009": "R12", b"AC1012": "R13", b"AC1014": "R14", b"AC1015": "2000", b"AC1018": "2004",
    b"AC1021": "2007", b"AC1024": "2010", b"AC1027": "2013", b"AC1032": "2018",
}  # fmt: skip
"""How a drawing begins, and the AutoCAD whose format that is (each holds until the next)."""


def told(path: Path) -> Text:
    """What the drawing is, and what to do with it."""
    with path.open("rb") as content:
        version = VERSIONS.get(content.read(6))
    of_zh = f"，AutoCAD {version} 格式" if version else "，文件头不是 AutoCAD 的"
    of_en = f", in the format of AutoCAD {version}" if version else ", which does not begin as AutoCAD's do"
    return Text(
        f"AutoCAD 图形（.dwg{of_zh}）；请在 CAD 中“另存为”DXF（2018 或更早版本均可），"
        "或用 LibreDWG 的 dwg2dxf、ODA File Converter 批量转换",
        f"an AutoCAD drawing (.dwg{of_en}); save it as DXF in the CAD program (of any version), or convert"
        " many at once with dwg2dxf of LibreDWG or the ODA File Converter",
    )
