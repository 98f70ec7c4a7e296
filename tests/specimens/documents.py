"""GeoJSON, TopoJSON, KML, GeoPackage, FlatGeobuf, OpenStreetMap: what breaks off, lies, or harms."""

from __future__ import annotations

import json

from tests.specimens.bricks import (
    FLATGEOBUF,
    OSM_CUT,
    OSM_HEADER,
    POINT,
    Specimen,
    arc_wkb,
    collection,
    geometry,
    geopackage,
    point_wkb,
    polygon,
)

_OK = ({"id": 1}, POINT)
_WEST, _SOUTH, _SIDE = 116.5, 31.74, 0.001
_RING = [
    (_WEST, _SOUTH),
    (_WEST + _SIDE, _SOUTH),
    (_WEST + _SIDE, _SOUTH + _SIDE),
    (_WEST, _SOUTH + _SIDE),
    (_WEST, _SOUTH),
]


def _building(code: int = 1) -> dict[str, object]:
    return {"房屋编号": f"F{code}", "总层数": 6}


def _area(*rings: list[tuple[float, float]]) -> bytes:
    """A house of one wrong shape, and a good one."""
    good = [(x + 0.01, y) for x, y in _RING]
    return collection((_building(1), polygon(*rings)), (_building(2), polygon(good)))


def _at(x: object, y: object) -> str:
    return f'{{"type": "Point", "coordinates": [{x}, {y}]}}'


def _station(code: str | None, shape: str = POINT) -> tuple[dict[str, object], str]:
    return {"站点编码": code, "站点名称": "一号站", "站点类型": "空气"}, shape


def _stations(*shapes: str) -> bytes:
    """A good station, then one of each shape."""
    return collection(_station("S0"), *(_station(f"S{i}", shape) for i, shape in enumerate(shapes, start=1)))


def _shifted(ring: list[tuple[float, float]], east: float) -> list[tuple[float, float]]:
    return [(x + east, y) for x, y in ring]


_SPIKE = [*_RING[:2], (_WEST + 5 * _SIDE, _SOUTH + _SIDE / 2), (_WEST + _SIDE, _SOUTH + 1e-7), *_RING[2:]]
_CROSSING = [_RING[0], _RING[2], _RING[1], (_WEST + 2 * _SIDE, _SOUTH + _SIDE), _RING[3], _RING[0]]
_HOLE = [
    (_WEST + 0.2 * _SIDE, _SOUTH + 0.2 * _SIDE),
    (_WEST + 0.2 * _SIDE, _SOUTH + 0.4 * _SIDE),
    (_WEST + 0.4 * _SIDE, _SOUTH + 0.4 * _SIDE),
    (_WEST + 0.2 * _SIDE, _SOUTH + 0.2 * _SIDE),
]
_TOPOLOGY = {
    "type": "Topology",
    "arcs": [[[116.5, 31.7], [116.6, 31.7]]],
    "objects": {
        "t": {
            "type": "GeometryCollection",
            "geometries": [{"type": "LineString", "arcs": [7], "properties": {"id": 1}}],
        }
    },
}
_KML = '<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>'
_GX = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n{_KML}<Placemark><name>a</name><gx:Track>'
    "<when>2024-01-01T00:00:00Z</when><gx:coord>116.5 31.74 0</gx:coord></gx:Track></Placemark>"
    "</Document></kml>"
)
_PLACEMARK = "<Placemark><name>&a;</name><Point><coordinates>116.5,31.74</coordinates></Point></Placemark>"
_ENTITY = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE kml [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n'
    f"{_KML}{_PLACEMARK}</Document></kml>"
)
LAUGHS = "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">'
    for before, name in zip("lkjihgfedcb", "kjihgfedcba", strict=True)
)
_LAUGHS_KML = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE kml [<!ENTITY l "ha">{LAUGHS}]>\n'
    f"{_KML}{_PLACEMARK}</Document></kml>"
)
_POINTS_WKB = [point_wkb(116.5 + 0.001 * i, 31.74) for i in range(40)]
_GEOPACKAGE = geopackage(_POINTS_WKB, note="x" * 60)


def _corrupt() -> bytes:
    """The last pages of the table overwritten."""
    return _GEOPACKAGE[:-3072] + b"\xa5" * 3072


SPECIMENS = (
    Specimen(
        "html-named.geojson",
        "a login page called .geojson",
        "refusal",
        "NotWhatItSays",
        b"<!DOCTYPE html><html><body>Please log in</body></html>",
        ("HTML",),
    ),
    Specimen(
        "json-truncated.geojson",
        "GeoJSON that ends half way",
        "refusal",
        "Unreadable",
        collection(*[_OK] * 3)[:200],
    ),
    Specimen(
        "json-without-features.geojson",
        "JSON that is no GeoJSON",
        "refusal",
        "NotWhatItSays",
        b'{"status": "error", "code": 40301}',
    ),
    Specimen(
        "json-array.geojson",
        "a list where an object is expected",
        "refusal",
        "NotWhatItSays",
        b'[{"id": 1, "lon": 116.5, "lat": 31.74}]',
    ),
    Specimen(
        "json-deeply-nested.geojson",
        "20,000 brackets inside each other",
        "refusal",
        "Unreadable",
        collection(({}, geometry("Polygon", "@"))).replace(b'"@"', b"[" * 20_000 + b"]" * 20_000),
    ),
    Specimen(
        "json-members-twice.geojson",
        "a property given twice in one feature",
        "refusal",
        "BadTable",
        collection(({"id": 1, "name": "a"}, POINT)).replace(b'"name": "a"', b'"name": "a", "name": "b"'),
        ("name", "1"),
    ),
    Specimen(
        "json-name-right-to-left.geojson",
        "a property whose name turns the text round (U+202E)",
        "note",
        "header.control",
        collection(({"id": 1, "name\u202egnp.exe": "a"}, POINT)),
        ("namegnp.exe",),
    ),
    Specimen(
        "json-name-5000-long.geojson",
        "a property whose name has 5,000 characters",
        "refusal",
        "BadTable",
        collection(({"n" * 5000: 1}, POINT)),
        ("5000",),
    ),
    Specimen(
        "json-gbk.geojson",
        "GeoJSON in GBK",
        "refusal",
        "BadEncoding",
        collection(({"id": 1, "名称": "中市街道"}, POINT)).decode().encode("gbk"),
    ),
    Specimen(
        "json-utf16.geojson",
        "GeoJSON in UTF-16",
        "refusal",
        "BadEncoding",
        collection(_OK).decode().encode("utf-16"),
    ),
    Specimen(
        "json-half-character.geojson",
        "half of a surrogate pair in a name",
        "note",
        "text.replaced",
        collection(({"id": 1, "name": "@"}, POINT)).replace(b"@", b"\\ud800"),
    ),
    Specimen(
        "json-without-rows.geojson", "a collection of no features", "refusal", "EmptyFile", collection()
    ),
    Specimen(
        "crs-member-3857.geojson",
        "a crs member (RFC 7946 knows none): Web Mercator metres",
        "note",
        "crs.member",
        collection(
            ({"id": 1}, geometry("Point", [12968721.8, 3727903.9])),
            crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}},
        ),
        ("3857",),
    ),
    Specimen(
        "crs-member-of-metres.geojson",
        "a crs member that says metres over degrees",
        "refusal",
        "UnknownPlace",
        collection(_OK, crs={"type": "name", "properties": {"name": "EPSG:3857"}}),
        ("3857", "116.5"),
    ),
    Specimen(
        "coordinates-as-strings.geojson",
        "coordinates in quotes",
        "refusal",
        "BadCoordinates",
        collection(_OK, ({"id": 2}, _at('"116.5"', '"31.74"'))),
        ("2", "116.5"),
    ),
    Specimen(
        "coordinates-nan.geojson",
        "a point of NaN",
        "rows",
        "geometry.empty",
        _stations(_at("NaN", 31.74)),
        ("2",),
        "station",
    ),
    Specimen(
        "coordinates-infinite.geojson",
        "a point at infinity",
        "rows",
        "geometry.not_finite",
        _stations(_at("Infinity", 31.74)),
        ("2",),
        "station",
    ),
    Specimen(
        "coordinates-too-large.geojson",
        "a number that no computer holds (1e999)",
        "refusal",
        "Unreadable",
        _stations(_at("1e999", 31.74)),
        ("1e999",),
        "station",
    ),
    Specimen(
        "coordinates-off-earth.geojson",
        "longitude 500",
        "rows",
        "geometry.off_earth",
        _stations(_at(500, 31.74)),
        ("2",),
        "station",
    ),
    Specimen(
        "coordinates-zero.geojson",
        "a point at (0, 0)",
        "rows",
        "geometry.zero",
        _stations(_at(0, 0)),
        ("2",),
        "station",
    ),
    Specimen(
        "coordinates-far-away.geojson",
        "a station in another province",
        "rows",
        "geometry.elsewhere",
        _stations(_at(104.06, 30.67)),
        ("2",),
        "station",
    ),
    Specimen(
        "coordinates-swapped.geojson",
        "latitude first",
        "refusal",
        "UnknownPlace",
        collection(*(({"id": i}, _at(31.74, 116.5 + i / 1000)) for i in range(3))),
        ("31.74", "116.5"),
    ),
    Specimen(
        "geometry-null.geojson",
        "a feature without geometry",
        "rows",
        "geometry.missing",
        _stations("null"),
        ("2",),
        "station",
    ),
    Specimen(
        "geometry-empty.geojson",
        "a geometry of no points",
        "rows",
        "geometry.empty",
        _stations(geometry("MultiPoint", [])),
        ("2",),
        "station",
    ),
    Specimen(
        "geometry-types-mixed.geojson",
        "a line among points",
        "rows",
        "geometry.type",
        _stations(geometry("LineString", [[116.5, 31.7], [116.6, 31.7]])),
        ("2",),
        "station",
    ),
    Specimen(
        "geometry-collection.geojson",
        "a GeometryCollection of a point and a line",
        "rows",
        "geometry.type",
        _stations(
            f'{{"type": "GeometryCollection", "geometries": [{POINT}, '
            f"{geometry('LineString', [[116.5, 31.7], [116.6, 31.7]])}]}}"
        ),
        ("2",),
        "station",
    ),
    Specimen(
        "geometry-heights.geojson",
        "heights that a flat layer has no place for",
        "note",
        "geometry.height",
        _stations(geometry("Point", [116.5, 31.74, 42.0])),
        (),
        "station",
    ),
    Specimen(
        "ring-self-crossing.geojson",
        "an outline that crosses itself",
        "note",
        "geometry.mended",
        _area(_CROSSING),
        (),
        "building",
    ),
    Specimen(
        "ring-bow-tie.geojson",
        "an outline in the shape of a bow-tie",
        "note",
        "geometry.mended",
        _area([_RING[0], _RING[2], _RING[1], _RING[3], _RING[0]]),
        (),
        "building",
    ),
    Specimen(
        "ring-unclosed.geojson",
        "a ring whose end is not its beginning",
        "rows",
        "geometry.unreadable",
        _area(_RING[:-1]),
        ("1",),
        "building",
    ),
    Specimen(
        "ring-zero-area.geojson",
        "an outline that goes and comes back",
        "rows",
        "geometry.unmendable",
        _area([_RING[0], _RING[1], _RING[0], _RING[0]]),
        ("1",),
        "building",
    ),
    Specimen(
        "ring-spike.geojson",
        "a spike of 400 m on an outline",
        "check",
        "GEO-10",
        _area(_SPIKE),
        ("1",),
        "building",
    ),
    Specimen(
        "ring-hole-outside.geojson",
        "a hole beside its outline",
        "note",
        "geometry.mended",
        _area(_RING, _shifted(_HOLE, 3 * _SIDE)),
        (),
        "building",
    ),
    Specimen(
        "ring-vertices-repeated.geojson",
        "each vertex three times",
        "check",
        "GEO-09",
        _area([p for p in _RING for _ in range(3)]),
        ("1",),
        "building",
    ),
    Specimen(
        "shapes-repeated.geojson",
        "two houses of the same shape",
        "check",
        "GEO-08",
        collection((_building(1), polygon(_RING)), (_building(2), polygon(_RING))),
        ("2",),
        "building",
    ),
    Specimen(
        "keys-repeated.geojson",
        "two stations of one code",
        "rows",
        "key.repeated",
        collection(_station("S1"), _station("S1", _at(116.6, 31.7))),
        ("1", "2"),
        "station",
    ),
    Specimen(
        "keys-null.geojson",
        "a station without a code",
        "rows",
        "value.required",
        collection(_station("S1"), _station(None, _at(116.6, 31.7))),
        ("2",),
        "station",
    ),
    Specimen(
        "arcs-missing.topojson",
        "an arc that is not there",
        "refusal",
        "Unreadable",
        json.dumps(_TOPOLOGY).encode(),
        ("7",),
    ),
    Specimen(
        "gx-track-only.kml",
        "a KML of Google's tracks only",
        "rows",
        "geometry.unreadable",
        _GX.encode(),
        ("1",),
    ),
    Specimen(
        "external-entity.kml",
        "a KML that asks for /etc/passwd (XXE)",
        "refusal",
        "UnsafeFile",
        _ENTITY.encode(),
        ("DOCTYPE",),
    ),
    Specimen(
        "billion-laughs.kml",
        "a KML whose entities unfold to 10¹¹ words",
        "refusal",
        "UnsafeFile",
        _LAUGHS_KML.encode(),
        ("DOCTYPE",),
    ),
    Specimen(
        "text-named.gpkg",
        "a text called .gpkg",
        "refusal",
        "NotWhatItSays",
        b"this is no database, whatever its name says\n" * 4,
    ),
    Specimen(
        "gpkg-truncated.gpkg",
        "a GeoPackage that ends half way",
        "refusal",
        "Unreadable",
        _GEOPACKAGE[: len(_GEOPACKAGE) // 2],
    ),
    Specimen(
        "gpkg-page-corrupt.gpkg", "a GeoPackage with overwritten pages", "refusal", "Unreadable", _corrupt()
    ),
    Specimen(
        "gpkg-without-geometry.gpkg",
        "a GeoPackage that registers no layer",
        "refusal",
        "EmptyFile",
        geopackage(_POINTS_WKB[:1], registered=False),
    ),
    Specimen(
        "gpkg-curves.gpkg",
        "arcs (CIRCULARSTRING)",
        "rows",
        "geometry.unreadable",
        geopackage([arc_wkb((116.5, 31.7), (116.6, 31.8), (116.7, 31.7))], "CIRCULARSTRING"),
        ("1",),
    ),
    Specimen(
        "fgb-truncated.fgb",
        "a FlatGeobuf that ends half way",
        "refusal",
        "Unreadable",
        FLATGEOBUF[: len(FLATGEOBUF) - 60],
    ),
    Specimen(
        "pbf-truncated.osm.pbf",
        "an OpenStreetMap extract that ends in a block",
        "refusal",
        "Truncated",
        OSM_CUT,
        ("2",),
    ),
    Specimen(
        "pbf-without-data.osm.pbf",
        "an OpenStreetMap extract of a header only",
        "refusal",
        "EmptyFile",
        OSM_HEADER,
    ),
    Specimen("empty.gpkg", "0 bytes", "refusal", "EmptyFile", b""),
)
