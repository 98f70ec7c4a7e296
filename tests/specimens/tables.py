"""Text tables: what people, spreadsheets and exports do to rows."""

from __future__ import annotations

from tests.specimens.bricks import Specimen, ole, packed, stored_gzip, table

HEAD = ("id", "name", "lon", "lat")
PART = ("部件标识码", "部件名称", "类别编码", "初始日期", "lon", "lat")
GOOD = ("3415020101000001", "上水井盖", "0101", "2024-03-01", 116.5, 31.74)


def _points(*rows: tuple[object, ...]) -> bytes:
    return table(HEAD, (1, "甲", 116.5, 31.74), *rows)


def _parts(*rows: tuple[object, ...]) -> bytes:
    return table(PART, GOOD, *rows)


def part(number: int, **changed: object) -> tuple[object, ...]:
    """A good component but for `changed`, by position: code, name, kind, date, lon, lat."""
    values: dict[str, object] = {
        "code": f"34150201010000{number:02d}",
        "name": "上水井盖",
        "kind": "0101",
        "date": "2024-03-01",
        "lon": 116.5 + number / 1000,
        "lat": 31.74,
    }
    return tuple((values | changed).values())


def _pipes(points: bytes, lines: bytes) -> bytes:
    return packed([("pipe_node.csv", points), ("pipe_line.csv", lines)])


_WELLS = table(
    ("物探点号", "X", "Y", "地面高程", "井底深"),
    ("P1", 3512800.0, 39452600.0, 40.1, 1.2),
    ("P2", 3512800.0, 39452700.0, 40.0, 1.2),
)
_LINE_HEAD = ("管段编码", "起点点号", "终点点号", "管径", "材质")
_WIDE = [f"c{i}" for i in range(5000)]
_RTL = "\u202e"

SPECIMENS = (
    # text
    Specimen("csv-without-rows.csv", "a header and no rows", "refusal", "EmptyFile", table(HEAD)),
    Specimen(
        "csv-without-header.csv",
        "data in the first row",
        "refusal",
        "BadTable",
        table((1, 116.5, 31.74), (2, 116.51, 31.74)),
        ("116.5",),
    ),
    Specimen(
        "csv-without-coordinates.csv",
        "no column says where",
        "refusal",
        "NoGeometry",
        table(("code", "name"), (1, "甲")),
        ("code",),
    ),
    Specimen("csv-one-column.csv", "no delimiter", "refusal", "BadTable", b"names\nalpha\nbeta\n"),
    Specimen(
        "csv-column-twice.csv",
        "two columns of one name",
        "refusal",
        "BadTable",
        table(("id", "name", "name", "lon", "lat"), (1, "a", "b", 116.5, 31.74)),
        ("name",),
    ),
    Specimen(
        "csv-header-repeated.csv",
        "the header again half way",
        "note",
        "row.header",
        _points(HEAD, (2, "乙", 116.51, 31.74)),
        ("3",),
    ),
    Specimen(
        "csv-columns-vary.csv",
        "a row with a column more",
        "rows",
        "row.columns",
        _points((2, "乙,丙", 116.51, 31.74)),
        ("3", "5", "4"),
    ),
    Specimen(
        "csv-delimiters-mixed.csv",
        "a header with commas over rows with semicolons",
        "rows",
        "row.columns",
        table(HEAD) + table((1, "a", 116.5, 31.74), delimiter=";"),
        ("2", "1", "4"),
    ),
    Specimen(
        "csv-decimal-comma.csv",
        "semicolons, and commas in the numbers",
        "rows",
        "geometry.not_a_number",
        table(HEAD, (1, "a", "116,5", "31,74"), delimiter=";"),
        ("116,5",),
    ),
    Specimen(
        "csv-quote-open.csv",
        "a quote that nobody closes",
        "refusal",
        "Unreadable",
        _points((2, '"乙', 116.51, 31.74), (3, "丙", 116.52, 31.74)),
        ("3",),
    ),
    Specimen(
        "csv-nul-bytes.csv", "NUL bytes in a name", "note", "text.nul", _points((2, "乙\0", 116.51, 31.74))
    ),
    Specimen(
        "csv-utf16-unmarked.csv",
        "UTF-16 without a byte order mark",
        "refusal",
        "BadEncoding",
        _points().decode().encode("utf-16-le"),
        ("UTF-16",),
    ),
    Specimen(
        "csv-mark-twice.csv",
        "a byte order mark in front of another",
        "note",
        "header.mark",
        b"\xef\xbb\xbf\xef\xbb\xbf" + _points(),
    ),
    Specimen(
        "csv-mixed-encodings.csv",
        "a row in UTF-8, a row in GBK",
        "refusal",
        "BadEncoding",
        "id,name,lon,lat\n1,六安市金安区,116.5,31.74\n".encode()
        + "2,中市街道办事处,116.51,31.74\n".encode("gbk"),
        ("2", "3"),
    ),
    Specimen(
        "csv-wrong-encoding.csv",
        "GBK text saved as if it were Latin",
        "check",
        "ATT-08",
        _parts(part(2, name="上水井盖".encode("gbk").decode("latin-1"))),
        ("3",),
        "component",
    ),
    Specimen(
        "coordinates-nan.csv",
        "a longitude of nan",
        "rows",
        "geometry.not_a_number",
        _points((2, "乙", "nan", 31.74)),
        ("nan",),
    ),
    Specimen(
        "coordinates-infinite.csv",
        "a longitude of inf",
        "rows",
        "geometry.not_a_number",
        _points((2, "乙", "inf", 31.74)),
        ("inf",),
    ),
    Specimen(
        "coordinates-in-degrees-minutes-seconds.csv",
        "116°30'00\"E",
        "rows",
        "geometry.not_a_number",
        _points((2, "乙", "116°30'00″E", "31°44'24″N")),
        ("116°30'00″E",),
    ),
    Specimen(
        "coordinates-missing.csv",
        "a row without coordinates",
        "rows",
        "geometry.missing",
        _points((2, "乙", "", "")),
        ("3",),
    ),
    Specimen(
        "coordinates-swapped.csv",
        "latitudes in the column of longitudes",
        "refusal",
        "UnknownPlace",
        table(("id", "lon", "lat"), (1, 31.74, 116.5), (2, 31.75, 116.5)),
        ("31.74",),
    ),
    Specimen(
        "coordinates-without-zone.csv",
        "Gauss-Krüger metres of no said zone",
        "refusal",
        "UnknownPlace",
        table(("id", "X", "Y"), (1, 2512800.5, 652600.5), (2, 2512900.5, 652600.5)),
        ("652600",),
    ),
    Specimen(
        "wkt-damaged.csv",
        "WKT without its last bracket",
        "rows",
        "geometry.unreadable",
        table(("id", "wkt"), (1, "POINT (116.5 31.74)"), (2, "POINT (116.5 31.74")),
        ("POINT (116.5 31.74",),
    ),
    Specimen(
        "wkt-curve.csv",
        "WKT of an arc",
        "rows",
        "geometry.unreadable",
        table(("id", "wkt"), (1, "POINT (116.5 31.74)"), (2, '"CIRCULARSTRING (116 31, 117 32, 118 31)"')),
        ("CIRCULARSTRING",),
    ),
    Specimen(
        "wkt-measures.csv",
        "WKT with heights and measures",
        "note",
        "geometry.height",
        table(("id", "wkt"), (1, "POINT ZM (116.5 31.74 40 7)")),
    ),
    Specimen(
        "keys-repeated.csv",
        "two components of one code",
        "rows",
        "key.repeated",
        _parts(part(1, lon=116.51)),
        ("2", "3"),
        "component",
    ),
    Specimen(
        "keys-full-width.csv",
        "a code in full-width digits",
        "note",
        "text.width",
        _parts(part(2, code="３４１５０２０１０１００００９９")),
        (),
        "component",
    ),
    Specimen(
        "keys-spaced.csv",
        "spaces inside a code",
        "check",
        "COD-01",
        _parts(part(2, code="34150 20101 000099")),
        ("34150 20101 000099",),
        "component",
    ),
    Specimen(
        "keys-lost-digits.csv",
        "a code that a spreadsheet made 3.41502E+15",
        "rows",
        "code.digits_lost",
        _parts(part(2, code="3.41502E+15")),
        ("3.41502E+15",),
        "component",
    ),
    Specimen(
        "codes-malformed.csv",
        "a code of nine digits",
        "check",
        "COD-01",
        _parts(part(2, code="341502010")),
        ("341502010",),
        "component",
    ),
    Specimen(
        "codes-of-another-place.csv",
        "codes that begin with 110101 among those of 341502",
        "check",
        "COD-05",
        _parts(part(2, code="1101010101000002")),
        ("110101",),
        "component",
    ),
    Specimen(
        "class-unknown.csv",
        "a class that no table knows",
        "check",
        "COD-02",
        _parts(part(2, code="3415029999000002", kind="9999")),
        ("9999",),
        "component",
    ),
    Specimen(
        "dates-as-text.csv",
        "a date written as last spring",
        "rows",
        "value.not_a_date",
        _parts(part(2, date="去年三月")),
        ("去年三月",),
        "component",
    ),
    Specimen(
        "dates-ambiguous.csv",
        "4/5/2024: April or May?",
        "rows",
        "value.not_a_date",
        _parts(part(2, date="4/5/2024")),
        ("4/5/2024",),
        "component",
    ),
    Specimen(
        "dates-serial.csv",
        "a date as a spreadsheet's day number",
        "note",
        "value.reformatted",
        _parts(part(2, date="45352")),
        (),
        "component",
    ),
    Specimen(
        "dates-impossible.csv",
        "the 30th of February",
        "rows",
        "value.not_a_date",
        _parts(part(2, date="2024-02-30")),
        ("2024-02-30",),
        "component",
    ),
    Specimen(
        "columns-5000.csv",
        "5,000 columns",
        "refusal",
        "BadTable",
        table([*_WIDE, "lon", "lat"], [*range(5000), 116.5, 31.74]),
        ("5002",),
    ),
    Specimen(
        "column-name-10000-long.csv",
        "a column name of 10,000 characters",
        "refusal",
        "BadTable",
        table(("id", "长" * 10_000, "lon", "lat"), (1, "a", 116.5, 31.74)),
        ("10000",),
    ),
    Specimen(
        "column-name-control-characters.csv",
        "control characters in a column name",
        "note",
        "header.control",
        table(("id", "na\x07me\x1b[31m", "lon", "lat"), (1, "a", 116.5, 31.74)),
    ),
    Specimen(
        "column-name-right-to-left.csv",
        "a column name that turns the text round (U+202E)",
        "note",
        "header.control",
        table(("id", f"name{_RTL}gnp.exe", "lon", "lat"), (1, "a", 116.5, 31.74)),
    ),
    Specimen(
        "text-control-characters.csv",
        "control characters in a name",
        "check",
        "ATT-07",
        _parts(part(2, name="井\x07盖\x1b[31m")),
        ("3",),
        "component",
    ),
    Specimen(
        "text-right-to-left.csv",
        "a name that turns the text round (U+202E)",
        "check",
        "ATT-07",
        _parts(part(2, name=f"井盖{_RTL}gpj.exe")),
        ("3",),
        "component",
    ),
    Specimen(
        "text-rare-characters.csv",
        "emoji and characters of four bytes: kept as they are",
        "note",
        "place.columns",
        _points((2, "𠮷𩸽🚒", 116.51, 31.74)),
    ),
    Specimen(
        "rows-1000000-of-one-key.csv.gz",
        "1,000,000 rows of one key",
        "rows",
        "key.repeated",
        lambda: stored_gzip(table(PART) + table(GOOD) * 1_000_000),
        ("2", "3"),
        "component",
        kept=False,
    ),
    # pipes
    Specimen(
        "pipe-end-without-node.zip",
        "a line that ends at a point nobody surveyed",
        "rows",
        "pipe.no_node",
        _pipes(_WELLS, table(_LINE_HEAD, ("L1", "P1", "P2", 300, "PE"), ("L2", "P2", "P9", 300, "PE"))),
        ("P9",),
    ),
    Specimen(
        "pipe-loop.zip",
        "a line from a point to itself",
        "rows",
        "pipe.same_ends",
        _pipes(_WELLS, table(_LINE_HEAD, ("L1", "P1", "P2", 300, "PE"), ("L2", "P2", "P2", 300, "PE"))),
        ("P2",),
    ),
    Specimen(
        "pipe-lines-alone.csv",
        "pipe lines without their points",
        "refusal",
        "MissingPart",
        table(_LINE_HEAD, ("L1", "P1", "P2", 300, "PE")),
        (),
        "pipe_line",
    ),
    Specimen(
        "network-without-coordinates.inp",
        "an EPANET network without coordinates",
        "refusal",
        "EmptyFile",
        b"[TITLE]\nt\n[JUNCTIONS]\nJ1 10\nJ2 11\n[PIPES]\nP1 J1 J2 100 300 100\n[END]\n",
    ),
    Specimen("old.xls", "an old workbook", "refusal", "UnknownKind", ole("Workbook"), (".xls",)),
    Specimen("without-suffix", "a file without a suffix", "refusal", "UnknownKind", _points()),
)
