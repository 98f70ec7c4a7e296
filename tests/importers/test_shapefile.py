"""Shapefiles as survey offices send them: encodings, cut names, missing parts, missing .prj."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely

from importers.errors import BadEncoding, EmptyFile, MissingPart, NotWhatItSays, Truncated, UnknownPlace
from importers.match import match
from importers.options import ImportOptions
from importers.place import placed
from layers.catalogue import known_layers
from layers.model import BoundingBox
from tests.importers.specimens import GRIDS, column, parts_of, shapefile, source, squares

LAYERS = {layer.id: layer for layer in known_layers()}


def test_gbk_without_a_cpg_is_read_as_gbk(tmp_path: Path) -> None:
    found = source(shapefile(tmp_path))
    assert found.encoding is not None
    assert found.encoding.value == "gb18030"
    assert column(found, "网格名称") == GRIDS["网格名称"]


def test_rare_characters_of_gb18030_are_read(tmp_path: Path) -> None:
    names = ["㐂乐巷一网格", "𠮷安里二网格", "镕铧路三网格"]
    fields = {"网格编码": GRIDS["网格编码"], "网格名称": names}
    found = source(shapefile(tmp_path, fields=fields, encoding="GB18030"))
    assert column(found, "网格名称") == names


def test_utf8_without_a_cpg_is_read_as_utf8(tmp_path: Path) -> None:
    found = source(shapefile(tmp_path, encoding="UTF-8", fields={"name": GRIDS["网格名称"]}))
    assert found.encoding is not None
    assert found.encoding.value == "utf-8"
    assert column(found, "name") == GRIDS["网格名称"]


def test_a_cpg_that_lies_is_overruled_by_the_bytes_and_noted(tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    path.with_suffix(".cpg").write_text("UTF-8")
    found = source(path)
    assert column(found, "网格名称") == GRIDS["网格名称"]
    assert [note.rule for note in found.notes] == ["encoding_not_as_declared"]


@pytest.mark.parametrize("said", ["936", "GBK", "ANSI 936", "GB2312"])
def test_a_cpg_may_name_gbk_in_many_ways(tmp_path: Path, said: str) -> None:
    path = shapefile(tmp_path)
    path.with_suffix(".cpg").write_text(said)
    assert column(source(path), "网格名称") == GRIDS["网格名称"]


def test_western_accents_are_not_taken_for_chinese(tmp_path: Path) -> None:
    names = ["Coolhaven", "Brückenstraße", "Koningin Julianaplein é"]
    found = source(shapefile(tmp_path, "streets", fields={"naam": names}, encoding="CP1252"))
    assert found.encoding is not None
    assert found.encoding.value == "cp1252"
    assert column(found, "naam") == names


def test_rows_in_two_encodings_are_refused_with_their_numbers(tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    dbf = path.with_suffix(".dbf")
    wrong = GRIDS["网格名称"][1].encode("gbk")
    right = "中市街道二".encode()
    raw = dbf.read_bytes()
    assert wrong in raw
    dbf.write_bytes(raw.replace(wrong, (right + b"                ")[: len(wrong)]))
    with pytest.raises(BadEncoding) as refused:
        source(path)
    assert refused.value.facts["rows"] == {"utf-8": [2], "other": [0, 1, 3]}


def test_an_encoding_that_somebody_says_is_taken(tmp_path: Path) -> None:
    assert column(source(shapefile(tmp_path), encoding="gbk"), "网格名称") == GRIDS["网格名称"]
    with pytest.raises(BadEncoding):
        source(tmp_path / "单元网格.shp", encoding="klingon")


def test_a_name_cut_in_the_middle_of_a_character_is_matched_and_its_text_kept(tmp_path: Path) -> None:
    """dBASE cuts names at 10 bytes: three characters and a third of one in UTF-8."""
    path = shapefile(
        tmp_path,
        encoding="UTF-8",
        fields={"单元网格标识码": GRIDS["网格编码"], "网格名称": GRIDS["网格名称"]},
    )
    found = source(path)
    assert found.schema.names == ["单元网", "网格名"]
    assert match(found, LAYERS["unit_grid"]).by_field["code"] == "单元网"
    assert column(found, "网格名") == GRIDS["网格名称"]


def test_two_names_cut_to_the_same_ten_bytes_are_both_kept(tmp_path: Path) -> None:
    path = shapefile(tmp_path, fields={"aaaaaaaaa1": ["a", "b", "c"], "aaaaaaaaa2": ["d", "e", "f"]})
    dbf = path.with_suffix(".dbf")
    dbf.write_bytes(dbf.read_bytes().replace(b"aaaaaaaaa2", b"aaaaaaaaa1"))
    found = source(path)
    assert found.schema.names == ["aaaaaaaaa1", "aaaaaaaaa1_2"]
    assert column(found, "aaaaaaaaa1_2") == ["d", "e", "f"]


def test_a_text_cut_in_the_middle_of_a_character_loses_that_character_and_is_counted(tmp_path: Path) -> None:
    path = shapefile(tmp_path, encoding="UTF-8", fields={"name": ["六安市金安区中市街道", "b", "c"]})
    dbf = path.with_suffix(".dbf")
    raw = dbf.read_bytes()
    cut = "六安市金安区中市街道".encode()
    dbf.write_bytes(raw.replace(cut, cut[:-2] + b"  "))
    (chunk,) = source(path).read(100)
    assert chunk.columns["name"].to_pylist() == ["六安市金安区中市街", "b", "c"]
    assert [(note.rule, note.times) for note in chunk.mended] == [("text.cut", 1)]


@pytest.mark.parametrize("suffix", [".dbf", ".shx"])
def test_a_missing_part_is_named(tmp_path: Path, suffix: str) -> None:
    path = shapefile(tmp_path)
    path.with_suffix(suffix).unlink()
    with pytest.raises(MissingPart) as refused:
        source(path)
    assert refused.value.facts["expected"] == f"单元网格{suffix}"


def test_parts_may_differ_in_the_case_of_their_suffix(tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    for part in parts_of(path).values():
        assert isinstance(part, Path)
        part.rename(part.with_suffix(part.suffix.upper()))
    assert column(source(path.with_suffix(".SHP")), "网格名称") == GRIDS["网格名称"]


@pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf"])
def test_a_part_that_is_cut_short_is_told_by_its_own_header(tmp_path: Path, suffix: str) -> None:
    part = shapefile(tmp_path).with_suffix(suffix)
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(Truncated, match=suffix.replace(".", r"\.")):
        source(tmp_path / "单元网格.shp")


@pytest.mark.parametrize(
    ("content", "fault"), [(b"", EmptyFile), (b"x" * 200, NotWhatItSays), (b"\0" * 50, Truncated)]
)
def test_a_part_that_is_no_part_is_named(tmp_path: Path, content: bytes, fault: type[Exception]) -> None:
    path = shapefile(tmp_path)
    path.with_suffix(".shx").write_bytes(content)
    with pytest.raises(fault):
        source(path)


def test_attributes_of_another_shapefile_are_refused(tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    other = shapefile(tmp_path, "other", squares(2), {"name": ["a", "b"]})
    path.with_suffix(".dbf").write_bytes(other.with_suffix(".dbf").read_bytes())
    with pytest.raises(Truncated, match="3 shapes but 2 rows"):
        source(path)


def test_without_a_prj_a_zone_number_in_the_eastings_decides_and_is_said(tmp_path: Path) -> None:
    found = placed(source(shapefile(tmp_path, prj=False)), ImportOptions())
    assert found.crs is not None
    assert found.crs.to_epsg() == 4527
    assert found.crs_found is not None
    assert "39" in found.crs_found.zh


def test_without_a_prj_or_a_zone_number_nothing_is_guessed(tmp_path: Path) -> None:
    path = shapefile(tmp_path, shapes=squares(west=452_500.0), crs="EPSG:4548", prj=False)
    with pytest.raises(UnknownPlace) as refused:
        placed(source(path), ImportOptions())
    assert refused.value.facts["suggestion"] == "EPSG:4548"


def test_the_city_s_own_place_settles_a_zone_that_is_not_written(tmp_path: Path) -> None:
    path = shapefile(tmp_path, shapes=squares(west=452_500.0), crs="EPSG:4548", prj=False)
    city = BoundingBox(116.3, 31.5, 116.7, 31.9)
    found = placed(source(path), ImportOptions(), city)
    assert found.crs is not None
    assert found.crs.to_epsg() == 4548
    with pytest.raises(UnknownPlace):
        placed(source(path), ImportOptions(), BoundingBox(121.0, 31.0, 122.0, 31.5))


def test_a_prj_nobody_understands_is_said_with_the_numbers(tmp_path: Path) -> None:
    path = shapefile(tmp_path, shapes=squares(west=1.0, south=2.0, size=1000.0), crs="EPSG:4548")
    path.with_suffix(".prj").write_text("LOCAL_CS[合肥城建坐标系]")
    with pytest.raises(UnknownPlace, match=r"cannot be understood"):
        placed(source(path), ImportOptions())


def test_a_prj_that_does_not_fit_the_numbers_is_refused(tmp_path: Path) -> None:
    path = shapefile(tmp_path, shapes=squares(), crs="EPSG:4548")
    with pytest.raises(UnknownPlace, match="do not fit") as refused:
        placed(source(path), ImportOptions())
    assert "39" in refused.value.zh


def test_what_somebody_says_about_the_place_overrules_the_file(tmp_path: Path) -> None:
    path = shapefile(tmp_path, shapes=squares(), crs="EPSG:4548")
    found = placed(source(path, crs="EPSG:4527"), ImportOptions(crs="EPSG:4527"))
    assert found.crs is not None
    assert found.crs.to_epsg() == 4527
    with pytest.raises(UnknownPlace):
        placed(source(path), ImportOptions(crs="EPSG:99999999"))


def test_a_shapefile_without_rows_is_refused(tmp_path: Path) -> None:
    path = shapefile(tmp_path, "empty", [shapely.Point(0, 0)], {"a": ["x"]})
    dbf, shx = path.with_suffix(".dbf"), path.with_suffix(".shx")
    dbf.write_bytes(dbf.read_bytes()[:4] + b"\0\0\0\0" + dbf.read_bytes()[8:])
    shx.write_bytes(shx.read_bytes()[:24] + (50).to_bytes(4, "big") + shx.read_bytes()[28:])
    with pytest.raises(EmptyFile):
        source(path)
