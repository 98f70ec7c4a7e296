"""Pictures called GeoTIFF that are cut, placeless, or larger than anything."""

from __future__ import annotations

import struct

from tests.specimens.bricks import Specimen


def tiff(width: int, height: int, pixels: bytes) -> bytes:
    """A grey TIFF 6.0 of one strip, without a word of where it lies."""
    entries = (
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(pixels)),
    )
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries
    )
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory + bytes(4)


_WHOLE = tiff(8, 8, bytes(range(64)))

SPECIMENS = (
    Specimen("text-named.tif", "a text called .tif", "refusal", "Unreadable", b"text\n" * 9, ("GeoTIFF",)),
    Specimen(
        "tif-truncated.tif",
        "a GeoTIFF that ends before its directory",
        "refusal",
        "Unreadable",
        _WHOLE[:60],
        ("GeoTIFF",),
    ),
    Specimen("tif-without-place.tif", "a picture that says nowhere", "refusal", "UnknownPlace", _WHOLE),
    Specimen(
        "tif-claims-40-gigapixels.tif",
        "64 pixels that say they are 200,000 × 200,000",
        "refusal",
        "BadFile",
        tiff(200_000, 200_000, bytes(64)),
        ("200000",),
    ),
)
