"""Shapefiles, each packed with its parts: what is missing, cut, contradictory or elsewhere."""

from __future__ import annotations

import struct
from math import cos, inf, nan, pi, sin

from tests.specimens.bricks import (
    EPSG_4326,
    GRID_COLUMNS,
    SQUARES,
    Ring,
    Specimen,
    dbf,
    grids,
    packed,
    shp,
    square,
)

_ROWS = [(f"3415020010010{i:02d}", f"第{i}网格") for i in (1, 2, 3)]
_SHP, _SHX = shp(SQUARES)
_DBF = dbf(GRID_COLUMNS, _ROWS)
_TIFF = b"II*\0" + struct.pack("<IH", 8, 0) + bytes(120)


def _resized(part: bytes, more: bytes) -> bytes:
    """A .shx with more records, its header with it."""
    whole = part + more
    return whole[:24] + struct.pack(">i", len(whole) // 2) + whole[28:]


def _moved(east: float, north: float = 0.0) -> list[Ring]:
    return [[(x + east, y + north) for x, y in ring] for ring in SQUARES]


def _swapped() -> list[Ring]:
    return [[(y, x) for x, y in ring] for ring in SQUARES]


def _with(value: float) -> list[Ring]:
    """The second square with a corner that is no number."""
    broken = [*SQUARES[1]]
    broken[2] = (value, broken[2][1])
    return [SQUARES[0], broken, SQUARES[2]]


def _circle(corners: int) -> Ring:
    turn = [-2 * pi * i / corners for i in range(corners)]
    points = [(39_452_700 + 900 * cos(a), 3_512_800 + 900 * sin(a)) for a in turn]
    return [*points, points[0]]


_BOW_TIE = [
    (39_452_600.0, 3_512_800.0),
    (39_452_700.0, 3_512_900.0),
    (39_452_700.0, 3_512_800.0),
    (39_452_600.0, 3_512_900.0),
    (39_452_600.0, 3_512_800.0),
]


def _zip(members: list[tuple[str, bytes]]) -> bytes:
    return packed(members)


SPECIMENS = (
    Specimen(
        "dbf-without-shp.zip",
        "the .dbf alone",
        "refusal",
        "MissingPart",
        _zip(grids(without=("shp", "shx", "prj"))),
        ("unit_grid.dbf", ".shp"),
    ),
    Specimen(
        "shp-without-dbf.zip",
        "no .dbf",
        "refusal",
        "MissingPart",
        _zip(grids(without=("dbf",))),
        ("unit_grid.shp", ".dbf"),
    ),
    Specimen(
        "shp-without-shx.zip",
        "no .shx",
        "refusal",
        "MissingPart",
        _zip(grids(without=("shx",))),
        ("unit_grid.shp", ".shx"),
    ),
    Specimen(
        "shp-truncated.zip",
        "a .shp that ends half way",
        "refusal",
        "Truncated",
        _zip(grids(shp=_SHP[: len(_SHP) // 2])),
        ("unit_grid.shp",),
    ),
    Specimen(
        "shx-longer-than-shp.zip",
        "a .shx with an entry that points behind the end of the .shp",
        "refusal",
        "Truncated",
        _zip(
            grids(
                shx=_resized(_SHX, struct.pack(">ii", 50_000, 68)),
                dbf=dbf(GRID_COLUMNS, [*_ROWS, ("341502001001004", "第4网格")]),
            )
        ),
        ("unit_grid.shx",),
    ),
    Specimen(
        "dbf-record-count-wrong.zip",
        "a .dbf that says 300 records and has 3",
        "refusal",
        "Truncated",
        _zip(grids(dbf=dbf(GRID_COLUMNS, _ROWS, count=300))),
        ("unit_grid.dbf",),
    ),
    Specimen(
        "dbf-of-other-shapes.zip",
        "a .dbf of two rows beside three shapes",
        "refusal",
        "Truncated",
        _zip(grids(dbf=dbf(GRID_COLUMNS, _ROWS[:2]))),
        ("3", "2"),
    ),
    Specimen(
        "dbf-claims-5-gb.zip",
        "a .dbf that says 5 GB of records",
        "refusal",
        "Truncated",
        _zip(grids(dbf=dbf(GRID_COLUMNS, _ROWS, count=150_000_000))),
        ("unit_grid.dbf",),
    ),
    Specimen(
        "dbf-deleted-rows.zip",
        "a row that is marked as deleted and still there",
        "note",
        "row.deleted",
        _zip(grids(dbf=_DBF.replace(b" 341502001001002", b"*341502001001002"))),
    ),
    Specimen(
        "dbf-mixed-encodings.zip",
        "names in UTF-8 and in GBK",
        "refusal",
        "BadEncoding",
        _zip(
            grids(
                dbf=dbf(
                    GRID_COLUMNS,
                    [
                        (_ROWS[0][0], "中市街道".encode()),  # type: ignore[list-item]
                        (_ROWS[1][0], "中市街道办事处".encode("gbk")),
                        _ROWS[2],
                    ],
                )
            )
        ),
        ("1", "2"),
    ),
    Specimen(
        "cpg-wrong.zip",
        "GBK names beside a .cpg that says UTF-8",
        "note",
        "encoding_not_as_declared",
        _zip(grids(cpg=b"UTF-8")),
        ("utf-8", "gb18030"),
    ),
    Specimen(
        "cpg-unknown.zip",
        "a .cpg that names no encoding",
        "note",
        "encoding_not_as_declared",
        _zip(grids(cpg=b"KLINGON")),
        ("KLINGON",),
    ),
    Specimen(
        "prj-says-degrees.zip",
        "a .prj of EPSG:4326 beside Gauss-Krüger metres",
        "refusal",
        "UnknownPlace",
        _zip(grids(prj=EPSG_4326.encode())),
        ("4326", "39452600"),
    ),
    Specimen(
        "prj-damaged.zip",
        "a .prj that nobody understands",
        "refusal",
        "Unreadable",
        _zip(grids(_moved(-39_000_000), prj=b'PROJCS["\xff\xfe')),
        ("unit_grid.prj",),
    ),
    Specimen(
        "zone-prefix-wrong.zip",
        "eastings of zone 38 under a .prj of zone 39",
        "refusal",
        "UnknownPlace",
        _zip(grids(_moved(-1_000_000))),
        ("38452600",),
    ),
    Specimen(
        "zone-prefix-missing.zip",
        "eastings without the zone that the .prj says they begin with",
        "refusal",
        "UnknownPlace",
        _zip(grids(_moved(-39_000_000))),
        ("452600",),
    ),
    Specimen(
        "axes-exchanged.zip",
        "northing first under a .prj that says easting first",
        "note",
        "place.swapped",
        _zip(grids(_swapped())),
    ),
    Specimen("tif-named.shp", "a TIFF called .shp", "refusal", "NotWhatItSays", _TIFF, ("TIFF",)),
    Specimen(
        "shp-coordinates-nan.zip",
        "a corner that is NaN",
        "rows",
        "geometry.not_finite",
        _zip(grids(_with(nan))),
        ("341502001001002",),
    ),
    Specimen(
        "shp-coordinates-infinite.zip",
        "a corner that is infinite",
        "rows",
        "geometry.not_finite",
        _zip(grids(_with(inf))),
        ("341502001001002",),
    ),
    Specimen(
        "shp-bow-tie.zip",
        "a ring in the shape of a bow-tie",
        "note",
        "geometry.mended",
        _zip(grids([SQUARES[1], _BOW_TIE])),
    ),
    Specimen(
        "shp-grids-overlap.zip",
        "two unit grids over the same ground",
        "check",
        "TOP-01",
        _zip(grids([square(), square(39_452_630.0)])),
    ),
    Specimen(
        "shp-million-vertices.zip",
        "an area of 1,000,000 vertices",
        "check",
        "GEO-13",
        lambda: _zip(grids([_circle(1_000_000)])),
        kept=False,
    ),
    Specimen(
        "shp-without-rows.zip",
        "no feature in it",
        "refusal",
        "EmptyFile",
        _zip(
            [
                (n, c)
                for n, c in grids(
                    shp=_SHP[:24] + struct.pack(">i", 50) + _SHP[28:100],
                    shx=_SHX[:24] + struct.pack(">i", 50) + _SHX[28:100],
                    dbf=dbf(GRID_COLUMNS, []),
                )
            ]
        ),
        ("unit_grid.shp",),
    ),
)
