"""Which layer a file is, which of its columns are which fields, and what an unknown file becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from importers.describe import describe
from importers.errors import BadTable, NoMatch
from importers.match import match
from importers.options import ImportOptions
from importers.place import placed
from importers.planning import plan
from importers.recognise import own_layer_id, recognise
from importers.source import Source
from layers.catalogue import known_layers
from layers.errors import BadRequest
from tests.importers.specimens import features, points, shapefile, source, squares, text, vector

LAYERS = {layer.id: layer for layer in known_layers()}

COMPONENTS = "ObjID,ObjName,DeptName1,ObjState,X,Y\n3415020101000001,上水井盖,水务局,完好,116.5,31.74\n"


def layer_of(found: Source) -> str | None:
    best = recognise(found, LAYERS.values())
    return None if best is None else best.layer.id


@pytest.mark.parametrize(
    ("name", "content", "layer"),
    [
        ("2024年部件普查.csv", COMPONENTS, "component"),
        ("export.csv", COMPONENTS, "component"),
        ("export.csv", "物探点号,X,Y,地面高程,特征,附属物\nJS1,1,2,3,弯头,\n", "pipe_node"),
        ("管线.csv", "S_Point,E_Point,Material,D_S\na,b,PE,300\n", "pipe_line"),
        ("监测站点.csv", "站点编码,站点名称,站点类型,经度,纬度\na,b,空气,116,31\n", "station"),
        ("门牌.csv", "门牌编码,地址全称,道路,经度,纬度\n1,a,b,116,31\n", "address"),
        ("cameras.csv", "id,name,lon,lat\n1,a,116,31\n", None),
        ("streetlights.csv", "OID,FACILITYID,WARD,lon,lat\n1,2,3,116,31\n", None),
        ("unit_grid.csv", "name,lon,lat\nx,116,31\n", None),
    ],
)
def test_a_file_is_recognised_by_its_columns_and_name_or_not_at_all(
    tmp_path: Path, name: str, content: str, layer: str | None
) -> None:
    assert layer_of(source(text(tmp_path, name, content))) == layer


def test_a_shapefile_of_grids_is_recognised_by_its_chinese_columns(tmp_path: Path) -> None:
    assert layer_of(source(shapefile(tmp_path))) == "unit_grid"


def test_polygons_are_never_taken_for_a_layer_of_points(tmp_path: Path) -> None:
    fields = {"ObjID": ["3415020101000001"] * 3, "ObjName": ["a"] * 3, "ObjState": ["完好"] * 3}
    assert layer_of(source(vector(tmp_path / "部件.gpkg", squares(), fields))) is None
    assert layer_of(source(vector(tmp_path / "部件点.gpkg", points(), fields))) == "component"


def test_what_no_field_takes_is_named(tmp_path: Path) -> None:
    found = source(text(tmp_path, "t.csv", COMPONENTS.replace("ObjState", "颜色")))
    matching = match(found, LAYERS["component"])
    assert matching.by_field == {"code": "ObjID", "name": "ObjName", "authority_name": "DeptName1"}
    assert matching.unmapped == ("颜色", "X", "Y")


def test_what_somebody_says_about_a_column_wins_and_must_exist(tmp_path: Path) -> None:
    found = source(text(tmp_path, "t.csv", COMPONENTS))
    said = match(found, LAYERS["component"], {"ObjName": "note", "DeptName1": ""})
    assert said.by_field == {"code": "ObjID", "note": "ObjName", "state": "ObjState"}
    with pytest.raises(BadTable, match="no column"):
        match(found, LAYERS["component"], {"没有": "note"})
    with pytest.raises(BadTable, match="no field"):
        match(found, LAYERS["component"], {"ObjName": "没有"})


def test_a_layer_that_lacks_what_it_needs_is_refused_with_the_names_it_would_take(tmp_path: Path) -> None:
    found = source(text(tmp_path, "t.csv", "名字,lon,lat\na,116,31\n"))
    with pytest.raises(NoMatch, match="Component id") as refused:
        plan([found], LAYERS, ImportOptions(layer_id="component"))
    assert "ObjID" in refused.value.facts["aliases"]["code"]


def test_a_named_layer_takes_a_plain_id_for_its_key(tmp_path: Path) -> None:
    county = squares(1, west=116, south=31, size=0.1)[0]
    found = source(text(tmp_path, "t.geojson", features(({"id": "341502", "name": "金安区"}, county))))
    (delivery,) = plan([found], LAYERS, ImportOptions(layer_id="district"))
    assert delivery.parts[0].matching.by_field == {"code": "id", "name": "name"}


def test_polygons_for_a_layer_of_points_are_refused_as_a_whole(tmp_path: Path) -> None:
    found = source(vector(tmp_path / "a.gpkg", squares(), {"code": ["a", "b", "c"]}, crs="EPSG:4527"))
    with pytest.raises(NoMatch, match="Polygon"):
        plan([found], LAYERS, ImportOptions(layer_id="station"))


@pytest.mark.parametrize(
    ("name", "layer_id"),
    [
        ("DC litter-cans.geojson", "dc_litter_cans"),
        ("2024_lamps.geojson", "layer_2024_lamps"),
        ("building.geojson", "building_file"),
        ("---.geojson", None),
        ("路灯.geojson", None),
        ("x" * 90 + ".geojson", "x" * 43),
    ],
)
def test_an_unknown_file_gets_an_ascii_id_from_its_name(
    tmp_path: Path, name: str, layer_id: str | None
) -> None:
    made = own_layer_id(source(text(tmp_path, name, features(({"n": 1}, points()[0])))), list(LAYERS))
    assert made == layer_id or (layer_id is None and made.startswith("layer_") and len(made) == 14)


@pytest.mark.parametrize("layer_id", ["大写", "Roads", "1st", "a b", "x" * 49, "a__past", ""])
def test_an_id_that_cannot_be_is_the_caller_s_mistake(tmp_path: Path, layer_id: str) -> None:
    found = source(text(tmp_path, "a.geojson", features(({"n": 1}, points()[0]))))
    with pytest.raises(BadRequest):
        plan([found], LAYERS, ImportOptions(layer_id=layer_id))


def test_the_fields_of_an_unknown_table_are_read_off_its_values(tmp_path: Path) -> None:
    found = source(
        text(
            tmp_path,
            "t.csv",
            "编号,名称,数量,面积,邮编,时间,日期,代码,混合,空,lon,lat\n"
            "1,甲,3,1.5,237000,2024-01-02 08:30,2024-01-02,007,1,,116.5,31.7\n"
            "2,乙,-4,2,237001,2024-01-03 08:30,2024年1月3日,12,x,,116.6,31.7\n",
        )
    )
    layer = describe(placed(found, ImportOptions()), "t")
    assert {f.name: f.type for f in layer.fields} == {
        "编号": "text", "名称": "text", "数量": "integer", "面积": "number", "邮编": "text",
        "时间": "datetime", "日期": "date", "代码": "text", "混合": "text", "空": "text",
    }  # fmt: skip
    assert (layer.key, layer.name_field, layer.geometry_type, layer.theme) == (
        "编号",
        "名称",
        "Point",
        "other",
    )
    assert not layer.known


def test_an_id_that_repeats_is_no_key(tmp_path: Path) -> None:
    found = source(text(tmp_path, "t.csv", "id,objectid,lon,lat\n1,1,116.5,31\n1,2,116.5,31\n"))
    assert describe(placed(found, ImportOptions()), "t").key == "objectid"
    found = source(text(tmp_path, "u.csv", "id,lon,lat\n1,116.5,31\n1,116.5,31\n"))
    assert describe(placed(found, ImportOptions()), "u").key is None


def test_names_that_cannot_be_columns_are_changed_and_found_again(tmp_path: Path) -> None:
    rows = ({"_fid": "a", "名 称": "b", "NAME": "c", "name": "d", "长" * 40: "e"}, points()[0])
    found = placed(source(text(tmp_path, "t.geojson", features(rows))), ImportOptions())
    layer = describe(found, "t")
    assert layer.field_names[0] == "_fid_"
    assert len({name.casefold() for name in layer.field_names}) == 5
    assert len(match(found, layer).pairs) == 5


@pytest.mark.parametrize(
    ("shapes", "geometry_type"),
    [
        (points(2), "Point"),
        (squares(2, west=116, south=31, size=0.1), "MultiPolygon"),
        ([points()[0], squares(1, west=116, south=31, size=0.1)[0]], "Geometry"),
    ],
)
def test_a_layer_of_its_own_holds_what_its_shapes_are(
    tmp_path: Path, shapes: list[object], geometry_type: str
) -> None:
    path = text(tmp_path, "t.geojson", features(*(({"n": i}, s) for i, s in enumerate(shapes))))
    assert describe(placed(source(path), ImportOptions()), "t").geometry_type == geometry_type
