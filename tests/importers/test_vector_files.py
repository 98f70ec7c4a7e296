"""GeoJSON, TopoJSON, GeoPackage, FlatGeobuf, KML: what is read, and what only looks like one of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest

from gis.crs import read_crs
from importers.errors import (
    BadCoordinates,
    BadEncoding,
    BadTable,
    EmptyFile,
    NotWhatItSays,
    UnknownPlace,
    Unreadable,
)
from importers.options import ImportOptions
from importers.place import placed
from tests.importers.specimens import column, features, points, source, sources, squares, text, vector, whole

NAMES = {"名称": ["甲", "乙", "丙"]}


def test_geojson_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    found = source(text(tmp_path, "点.geojson", features(({"名称": "甲"}, points()[0])), "utf-8-sig"))
    assert column(found, "名称") == ["甲"]
    assert found.crs is not None
    assert found.crs.to_epsg() == 4326


@pytest.mark.parametrize("kind", ["gpkg", "fgb", "geojson", "shp"])
def test_each_kind_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    encoding = "UTF-8" if kind == "shp" else None
    found = source(vector(tmp_path / f"点.{kind}", points(), NAMES, encoding=encoding))
    chunk = whole(found)
    assert chunk.rows.tolist() == [1, 2, 3]
    assert chunk.geometry is not None
    # FlatGeobuf keeps its rows in the order of its index
    longitudes = [shape.x for shape in chunk.geometry]
    rows = dict(zip(chunk.columns["名称"].to_pylist(), longitudes, strict=True))
    assert rows == pytest.approx({"甲": 116.5, "乙": 116.501, "丙": 116.502})
    assert found.geometry_type == "Point"


def test_geojson_of_the_old_kind_may_state_its_reference_system(tmp_path: Path) -> None:
    told = json.loads(features(({"n": 1}, squares(1)[0])))
    told["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4527"}}
    assert source(text(tmp_path, "a.geojson", json.dumps(told))).crs == read_crs(4527)


def test_a_geopackage_gives_each_of_its_layers(tmp_path: Path) -> None:
    path = vector(tmp_path / "库.gpkg", points(), NAMES, layer="井盖")
    vector(path, squares(), NAMES, crs="EPSG:4527", layer="网格", append=True)
    assert [(s.name, s.geometry_type, s.count) for s in sources(path)] == [
        ("井盖", "Point", 3),
        ("网格", "Polygon", 3),
    ]
    assert source(path, table="网格").title == "库.gpkg [网格]"
    with pytest.raises(BadTable, match="井盖"):
        sources(path, table="没有")


def test_the_row_numbers_of_a_geopackage_are_no_attribute(tmp_path: Path) -> None:
    found = source(vector(tmp_path / "a.gpkg", points(), NAMES))
    assert found.row_id == "fid"
    assert column(found, "fid") == [1, 2, 3]


def test_topojson_is_read_layer_by_layer(tmp_path: Path) -> None:
    square = {"type": "Polygon", "arcs": [[0]], "properties": {"name": "甲"}}
    topology = {
        "type": "Topology",
        "objects": {"grids": {"type": "GeometryCollection", "geometries": [square]}},
        "arcs": [[[116.0, 31.0], [116.1, 31.0], [116.1, 31.1], [116.0, 31.0]]],
    }
    found = source(text(tmp_path, "网格.topojson", json.dumps(topology)))
    assert found.format == "TopoJSON"
    assert column(found, "name") == ["甲"]


def test_kml_is_read(tmp_path: Path) -> None:
    place = "<Placemark><name>一号井</name><Point><coordinates>116.5,31.7,0</coordinates></Point></Placemark>"
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder>'
        f"<name>井盖</name>{place}</Folder></Document></kml>"
    )
    found = source(text(tmp_path, "井盖.kml", content))
    assert column(found, "Name") == ["一号井"]


def test_coordinates_written_as_text_are_refused_with_the_first_of_them(tmp_path: Path) -> None:
    good = {"type": "Point", "coordinates": [116.5, 31.7]}
    bad = {
        "type": "Polygon",
        "coordinates": [[[116.5, 31.7], ["116.6", "31.7"], [116.6, 31.8], [116.5, 31.7]]],
    }
    path = text(tmp_path, "a.geojson", features(({"n": 1}, good), ({"n": 2}, bad)))
    with pytest.raises(BadCoordinates) as refused:
        sources(path)
    assert refused.value.facts["feature"] == 2
    assert "116.6" in str(refused.value.facts["found"])


def test_geojson_in_gbk_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadEncoding, match="UTF-8"):
        sources(text(tmp_path, "a.geojson", features(({"名称": "甲"}, points()[0])), "gbk"))


def test_bytes_that_are_no_text_in_a_geopackage_are_replaced_and_noted(tmp_path: Path) -> None:
    path = vector(tmp_path / "a.gpkg", points(), {"名称": ["甲甲甲", "乙", "丙"]})
    path.write_bytes(path.read_bytes().replace("甲甲甲".encode(), "六安".encode("gbk") + "甲乙".encode()[:5]))
    assert "\ufffd" in column(source(path), "名称")[0]


def test_a_damaged_prj_is_named_as_what_is_damaged(tmp_path: Path) -> None:
    path = vector(tmp_path / "a.shp", points(), {"n": [1, 2, 3]})
    path.with_suffix(".prj").write_text(
        'GEOGCS["x",DATUM["D",SPHEROID["S",0,0]],PRIMEM["G",0],UNIT["D",1e300]]'
    )
    with pytest.raises((Unreadable, UnknownPlace)):
        placed(source(path), ImportOptions())


def test_text_after_the_coordinates_is_not_taken_for_coordinates(tmp_path: Path) -> None:
    geometry = {"type": "Point", "coordinates": [116.5, 31.7], "encodeOffsets": ["x"]}
    assert sources(text(tmp_path, "a.geojson", features(({"n": 1}, geometry))))


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.geojson", "<!DOCTYPE html>\n<html>502 Bad Gateway</html>", NotWhatItSays),
        ("a.geojson", "  <html lang=zh>", NotWhatItSays),
        ("a.geojson", "[1, 2, 3]", NotWhatItSays),
        ("a.json", '{"error": "no token"}', NotWhatItSays),
        ("a.geojson", " \n ", EmptyFile),
        ("a.geojson", '{"type": "FeatureCollection", "features": [{"type": "Feat', Unreadable),
        ("a.gpkg", "SQLite format 3\0 but not really" * 30, Unreadable),
        ("a.fgb", "not a FlatGeobuf" * 30, NotWhatItSays),
        ("a.kml", "not xml at all" * 30, Unreadable),
        ("a.gpkg", features(({"n": 1}, {"type": "Point", "coordinates": [1, 2]})), NotWhatItSays),
    ],
)
def test_what_is_not_what_its_name_says_is_refused(
    tmp_path: Path, name: str, content: str, fault: type[Exception]
) -> None:
    with pytest.raises(fault):
        sources(text(tmp_path, name, content))


def test_a_geopackage_cut_short_is_refused(tmp_path: Path) -> None:
    path = vector(tmp_path / "a.gpkg", points(3000), {"名称": ["甲乙丙丁" * 20] * 3000})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(Unreadable):
        list(source(path).read(100))


def test_a_geometry_nobody_can_read_is_one_row_s_trouble(tmp_path: Path) -> None:
    two_points = {"type": "Polygon", "coordinates": [[[116.5, 31.7], [116.6, 31.7]]]}
    path = text(tmp_path, "a.geojson", features(({"n": 1}, points()[0]), ({"n": 2}, two_points)))
    chunk = whole(source(path))
    assert chunk.rows.tolist() == [1]
    assert [(t.rule, t.row) for t in chunk.troubles] == [("geometry.unreadable", 2)]


def test_nested_values_become_text(tmp_path: Path) -> None:
    rows = ({"list": [1.5, 2], "object": {"a": "甲"}, "day": "2024-01-02"}, points()[0])
    chunk = whole(source(text(tmp_path, "a.geojson", features(rows))))
    assert json.loads(chunk.columns["list"][0].as_py()) == [1.5, 2]
    assert json.loads(chunk.columns["object"][0].as_py()) == {"a": "甲"}
    assert str(chunk.columns["day"].type) == "date32[day]"


def test_a_table_without_geometry_in_a_geopackage_is_no_layer(tmp_path: Path) -> None:
    path = vector(tmp_path / "a.gpkg", points(), NAMES, layer="点")
    pyogrio.raw.write(
        path, None, [np.array(["x"], dtype=object)], ["a"], layer="代码表", append=True, driver="GPKG"
    )
    assert [s.name for s in sources(path)] == ["点"]
