"""Drawings (DXF, DWG) and GeoParquet that are cut, locked, or something else."""

from __future__ import annotations

import struct

from tests.specimens.bricks import Specimen


def _pairs(*values: object) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()


_LINE = (0, "LINE", 8, "路", 10, 116.5, 20, 31.74, 11, 116.6, 21, 31.74)
_HOLDS_ITSELF = (
    *(0, "SECTION", 2, "BLOCKS", 0, "BLOCK", 8, "0", 2, "B", 70, 0, 10, 0, 20, 0, 3, "B"),
    *(0, "INSERT", 8, "0", 2, "B", 10, 0, 20, 0, 0, "ENDBLK", 8, "0", 0, "ENDSEC"),
)
_ENTITIES = (0, "SECTION", 2, "ENTITIES")
_INSERT = (0, "INSERT", 8, "0", 2, "B", 10, 116.5, 20, 31.74)
_END = (0, "ENDSEC", 0, "EOF")
_DRAWING = _pairs(*_ENTITIES, *_LINE, *_END)
_FOOTER = b"\xa5" * 200

_DWG = b"AC1032" + bytes(100)
_LOCKED = b"PARE" + bytes(100) + b"PARE"

SPECIMENS = (
    Specimen("drawing.dwg", "an AutoCAD drawing", "refusal", "UnknownKind", _DWG, (".dwg",)),
    Specimen("dwg-named.dxf", "a DWG called .dxf", "refusal", "NotWhatItSays", _DWG, ("DWG",)),
    Specimen(
        "dxf-truncated.dxf", "a drawing that ends half way", "refusal", "Truncated", _DRAWING[:80], ("EOF",)
    ),
    Specimen(
        "dxf-block-holds-itself.dxf",
        "a block that is drawn of itself",
        "note",
        "drawing.block",
        _pairs(*_HOLDS_ITSELF, *_ENTITIES, *_LINE, *_INSERT, *_END),
        ("B",),
    ),
    Specimen("dxf-blank.dxf", "a drawing of nothing", "refusal", "EmptyFile", _pairs(*_ENTITIES, *_END)),
    Specimen(
        "text-named.parquet",
        "a text called .parquet",
        "refusal",
        "NotWhatItSays",
        b"id,lon,lat\n1,116.5,31.74\n",
        ("PAR1",),
    ),
    Specimen(
        "parquet-truncated.parquet",
        "a GeoParquet that ends before its footer",
        "refusal",
        "Truncated",
        b"PAR1" + bytes(400),
    ),
    Specimen(
        "parquet-encrypted.parquet",
        "an encrypted Parquet",
        "refusal",
        "Locked",
        b"PARE" + bytes(100) + b"PARE",
    ),
    Specimen(
        "parquet-footer-damaged.parquet",
        "a GeoParquet whose footer is overwritten",
        "refusal",
        "Unreadable",
        b"PAR1" + bytes(100) + _FOOTER + struct.pack("<I", len(_FOOTER)) + b"PAR1",
    ),
)
