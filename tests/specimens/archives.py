"""Packed files that are cut, lie, burst, or reach outside."""

from __future__ import annotations

import zlib

from tests.specimens.bricks import (
    POINT,
    Entry,
    Specimen,
    collection,
    crc_of_run,
    grids,
    gzipped,
    hand_packed,
    packed,
    run,
    stored_gzip,
    table,
)

POINTS = table(("id", "lon", "lat"), (1, 116.5, 31.74), (2, 116.51, 31.74))
_ZERO = ord("0")
_BURST = 272_000
"""Pieces of 258 bytes: 70 MB, above what may be dense without suspicion."""


def _encrypted() -> bytes:
    """The directory says the member is encrypted; so it is, by its flag."""
    whole = bytearray(packed([("points.csv", POINTS)]))
    whole[6] |= 1
    whole[whole.index(b"PK\1\2") + 8] |= 1
    return bytes(whole)


def _wrong_checksum() -> bytes:
    return hand_packed([Entry("points.csv", POINTS, 0, zlib.crc32(POINTS) ^ 1, len(POINTS))])


def _bomb() -> bytes:
    stream, size = run(_ZERO, _BURST)
    return hand_packed([Entry("points.csv", stream, 8, crc_of_run(_ZERO, size), size)])


def _overlapping() -> bytes:
    stream, size = run(_ZERO, 4000)
    entry = Entry("points.csv", stream, 8, crc_of_run(_ZERO, size), size)
    return hand_packed([entry._replace(name=f"p{i:03}.csv") for i in range(100)], overlapping=True)


def _lying() -> bytes:
    """Says 40 bytes and unpacks to a hundred thousand."""
    stream, size = run(_ZERO, 400)
    return hand_packed([Entry("points.csv", stream, 8, crc_of_run(_ZERO, size), 40)])


def _gzip_bomb() -> bytes:
    stream, size = run(_ZERO, _BURST)
    return gzipped(stream, crc_of_run(_ZERO, size), size)


_WHOLE = packed(grids())
_CSV = [("points.csv", POINTS)]

SPECIMENS = (
    Specimen(
        "zip-truncated.zip",
        "a Shapefile's .zip that ends half way",
        "refusal",
        "Truncated",
        _WHOLE[: len(_WHOLE) * 6 // 10],
    ),
    Specimen(
        "zip-checksum-wrong.zip",
        "a member that is not what its checksum says",
        "refusal",
        "Truncated",
        _wrong_checksum(),
    ),
    Specimen("zip-empty.zip", "nothing in it", "refusal", "EmptyFile", packed([])),
    Specimen(
        "zip-of-empty-file.zip",
        "a table of 0 bytes in it",
        "refusal",
        "EmptyFile",
        packed([("points.csv", b"")]),
        ("points.csv",),
    ),
    Specimen(
        "zip-bomb.zip",
        "68 kB that unpack to 70 MB",
        "refusal",
        "UnsafeArchive",
        _bomb,
        ("70176001",),
        kept=False,
    ),
    Specimen(
        "zip-bomb-overlapping.zip",
        "100 members that share the same packed bytes",
        "refusal",
        "UnsafeArchive",
        _overlapping(),
    ),
    Specimen(
        "zip-size-understated.zip",
        "a member larger than the directory says",
        "refusal",
        "Truncated",
        _lying(),
    ),
    Specimen(
        "zip-claims-5-gb.zip",
        "a member of 5 GB, says the directory; there are 60 bytes",
        "refusal",
        "UnsafeArchive",
        hand_packed([Entry("points.csv", POINTS, 0, 0, 5 * 1024**3)]),
        ("5368709120",),
    ),
    Specimen(
        "zip-nested.zip",
        "a .zip in a .zip",
        "refusal",
        "UnknownKind",
        packed([("inner.zip", packed(_CSV))]),
        ("inner.zip",),
    ),
    Specimen(
        "zip-path-traversal.zip",
        "a member called ../points.csv",
        "refusal",
        "UnsafeArchive",
        packed([("../points.csv", POINTS)]),
        ("../points.csv",),
    ),
    Specimen(
        "zip-absolute-path.zip",
        "a member called /etc/onemap.csv",
        "refusal",
        "UnsafeArchive",
        packed([("/etc/onemap.csv", POINTS)]),
        ("/etc/onemap.csv",),
    ),
    Specimen(
        "zip-name-right-to-left.zip",
        "a member that is shown as an .exe named .csv (U+202E)",
        "refusal",
        "UnsafeArchive",
        packed([("points\u202evsc.exe", POINTS)]),
        ("points�vsc.exe",),
    ),
    Specimen(
        "zip-drive-letter.zip",
        "a member called C:\\points.csv",
        "refusal",
        "UnsafeArchive",
        packed([("C:\\points.csv", POINTS)]),
        ("C:",),
    ),
    Specimen(
        "zip-symlink.zip",
        "a member that is a symbolic link to /etc/passwd",
        "refusal",
        "UnsafeArchive",
        packed([("points.csv", b"/etc/passwd")], mode=0o120777),
        ("points.csv",),
    ),
    Specimen(
        "zip-name-twice.zip",
        "two members of one name",
        "refusal",
        "UnsafeArchive",
        hand_packed([Entry("points.csv", POINTS, 0, zlib.crc32(POINTS), len(POINTS))] * 2),
        ("points.csv",),
    ),
    Specimen(
        "zip-encrypted.zip", "locked with a password", "refusal", "Locked", _encrypted(), ("points.csv",)
    ),
    Specimen(
        "zip-of-programs.zip",
        "nothing in it that is data",
        "refusal",
        "UnknownKind",
        packed([("setup.exe", b"MZ" + bytes(60))]),
        ("setup.exe",),
    ),
    Specimen(
        "gzip-truncated.csv.gz", "a .gz that ends half way", "refusal", "Truncated", stored_gzip(POINTS)[:40]
    ),
    Specimen(
        "gzip-bomb.csv.gz", "68 kB that unpack to 70 MB", "refusal", "UnsafeArchive", _gzip_bomb, kept=False
    ),
    Specimen("gzip-is-plain.csv.gz", "plain text called .gz", "refusal", "NotWhatItSays", POINTS),
    Specimen(
        "zip-is-geojson.zip", "GeoJSON called .zip", "refusal", "NotWhatItSays", collection(({}, POINT))
    ),
)
