"""File geodatabases: each feature class a table with its aliases and codes, whole or refused, never a crash.

`files/geodatabase.zip` was made with GDAL's own library (`普查库.gdb`: aliases, coded domains, arcs, a table,
attachments; subtypes and an annotation class as ArcGIS describes them), which is no part of the tests: the
writer that is can make neither domains nor subtypes.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pytest
import shapely

from importers import errors
from importers.errors import BadFile
from importers.geodatabase import Item, codes_of, passed_over, read_items
from importers.look import look_at_files
from importers.opening import opened
from importers.options import ImportOptions, silent
from importers.run import import_files
from importers.shapes_read import BODY, from_wkb, why_unread
from importers.source import Source
from layers.db import Database
from tests.importers.published import layer_of, rows_of, state_of
from tests.importers.specimens import column, features, packed, points, squares, text, vector

HERE = Path(__file__).parent / "files" / "geodatabase.zip"
NAMES = {"名称": ["甲", "乙", "丙"]}


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """The specimen's folder."""
    with zipfile.ZipFile(HERE) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "普查库.gdb"


def written(folder: Path, name: str = "井盖") -> Path:
    """A small geodatabase of one feature class of three points."""
    return vector(folder / f"{name}.gdb", points(), NAMES, driver="OpenFileGDB", layer=name)


def zipped(target: Path, folder: Path, inside: str = "") -> Path:
    return packed(target, {f"{inside}{file.name}": file for file in sorted(folder.iterdir())})


def read(path: Path, **options: Any) -> list[Source]:
    """The sources in `path`, every row read while what was unpacked is there."""
    with opened([path], ImportOptions(**options)) as found:
        for source in found:
            list(source.read(100))
        return found


def table(found: list[Source], name: str) -> Source:
    return next(source for source in found if source.name == name)


# ---------------------------------------------------------------- what is in one


def test_each_feature_class_is_a_table_with_what_people_call_it(survey: Path) -> None:
    found = read(survey)
    assert [(s.name, s.alias, s.geometry_type, s.count, s.crs and s.crs.to_epsg()) for s in found] == [
        ("JG_2", "井盖（二期）", "Point", 3, 4490),
        ("道路", None, "MultiLineString", 2, 4548),
        ("地块", "用地地块", "MultiPolygon", 2, 4548),
        ("井盖注记", None, "MultiPolygon", 1, 4548),
    ]
    covers = table(found, "JG_2")
    assert covers.titles["BSM"] == "标识码"
    assert column(covers, "MC") == ["𠮷安路１号", "㐂园", None]


def test_values_of_a_coded_domain_stay_codes_and_the_layer_lists_their_titles(survey: Path) -> None:
    covers = table(read(survey), "JG_2")
    assert column(covers, "LB") == [1, 2, 7]  # 7 is in no list
    assert covers.codes == {"LB": {"1": "雨水", "2": "污水"}, "ZT": {"A": "完好", "B": "破损"}}


def test_subtypes_are_codes_too(survey: Path) -> None:
    plots = table(read(survey), "地块")
    assert plots.codes["DKLX"] == {"1": "居住", "2": "工业"}
    assert plots.codes["DM"] == {"A": "完好", "B": "破损"}


def test_what_is_no_layer_is_said(survey: Path) -> None:
    first, *others = read(survey)
    said = " ".join(note.zh for note in first.notes)
    assert all(name in said for name in ("空图层", "体块", "巡查记录", "JG_2__ATTACH"))
    assert not any(note.rule.startswith("passed_over") for source in others for note in source.notes)
    assert [note.rule for note in table([first, *others], "井盖注记").notes] == ["table.drawn"]


def test_a_curve_is_one_row_s_trouble(survey: Path) -> None:
    [chunk] = table(read(survey), "道路").read(100)
    assert chunk.columns["路名"].to_pylist() == ["直路"]
    assert [(t.row, t.rule) for t in chunk.troubles] == [(2, "geometry.unreadable")]


def test_a_body_in_space_is_refused_as_such() -> None:
    for kind in (16, 1016, 0x80000010):  # TIN, as ISO and as older writers mark its heights
        body = b"\1" + kind.to_bytes(4, "little") + b"\0\0\0\0"
        assert why_unread(body, is_curve=False) is BODY
        [unread] = from_wkb(np.array([body], dtype=object)).unread
        assert unread


def test_one_of_several_feature_classes_may_be_named(survey: Path) -> None:
    assert [source.name for source in read(survey, table="地块")] == ["地块"]
    with pytest.raises(errors.BadTable, match="JG_2"):
        read(survey, table="没有")


def test_a_geopackage_with_code_lists_keeps_its_codes(tmp_path: Path) -> None:
    path = vector(tmp_path / "a.gpkg", points(), {"lb": [1, 2, 7]}, layer="井盖")
    with sqlite3.connect(path) as database:
        database.executescript(_SCHEMA_EXTENSION)
    database.close()
    [found] = read(path)
    assert column(found, "lb") == [1, 2, 7]
    assert (found.titles, found.codes) == ({"lb": "类别"}, {"lb": {"1": "雨水", "2": "污水"}})


def test_what_is_described_elsewhere_than_in_rows_is_told_by_kind() -> None:
    contents = read_items(
        [
            Item("井盖_记录", "<D><DatasetType>esriDTRelationshipClass</DatasetType></D>"),
            Item("拓扑1", "<D><DatasetType>esriDTTopology</DatasetType></D>"),
            Item("broken", "<D>"),
            Item("laughs", "<!DOCTYPE a [<!ENTITY b 'c'>]><D><DatasetType>esriDTTopology</DatasetType></D>"),
        ]
    )
    said = {note.zh for note in passed_over(contents, ["表", "JG__ATTACH"], [])}
    assert said == {
        "未导入的无图形的属性表：表",
        "未导入的附件表：JG__ATTACH",
        "未导入的关系类：井盖_记录",
        "未导入的拓扑：拓扑1",
    }


def test_codes_that_mean_two_things_by_subtype_are_left_out_and_said() -> None:
    def domain(name: str, title: str) -> Item:
        values = f"<CodedValues><CodedValue><Name>{title}</Name><Code>1</Code></CodedValue></CodedValues>"
        return Item(name, f"<D><DomainName>{name}</DomainName>{values}</D>")

    def subtype(code: int, of: str) -> str:
        info = f"<SubtypeFieldInfo><FieldName>MAT</FieldName><DomainName>{of}</DomainName></SubtypeFieldInfo>"
        return (
            f"<Subtype><SubtypeName>类{code}</SubtypeName><SubtypeCode>{code}</SubtypeCode>"
            f"<FieldInfos>{info}</FieldInfos></Subtype>"
        )

    subtypes = f"<Subtypes>{subtype(1, 'a')}{subtype(2, 'b')}</Subtypes>"
    told = Item("管线", f"<D><SubtypeFieldName>LX</SubtypeFieldName>{subtypes}</D>")
    contents = read_items([domain("a", "铸铁"), domain("b", "混凝土"), told])
    codes, notes = codes_of(contents, "管线", {"MAT": None, "LX": None}, ["MAT", "LX"])
    assert codes == {"LX": {"1": "类1", "2": "类2"}}
    assert [note.rule for note in notes] == ["codes.left_out"]


# ---------------------------------------------------------------- as it comes


def test_a_zip_of_the_folder_or_of_what_is_in_it_is_read_alike(tmp_path: Path, survey: Path) -> None:
    names = ["JG_2", "道路", "地块", "井盖注记"]
    folder = zipped(tmp_path / "滁州市井盖普查（二期）.zip", survey, "普查库.gdb/")
    assert [(s.file, s.name) for s in read(folder)] == [
        ("滁州市井盖普查（二期）.zip/普查库.gdb", name) for name in names
    ]
    content = zipped(tmp_path / "普查库内容.zip", survey)
    assert [(s.file, s.name) for s in read(content)] == [("普查库内容.zip", name) for name in names]
    renamed = zipped(tmp_path / "改名.zip", survey, "成果/数据库/")
    assert [s.name for s in read(renamed)] == names


def test_names_packed_by_windows_in_gbk_are_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", written(tmp_path), "XX.gdb/")
    path.write_bytes(path.read_bytes().replace(b"XX.gdb/", "井".encode("gbk") + b".gdb/"))
    assert [s.file for s in read(path)] == ["a.zip/井.gdb"]


def test_geodatabases_beside_each_other_and_beside_other_files_are_all_read(tmp_path: Path) -> None:
    one, two = written(tmp_path, "甲"), written(tmp_path, "乙")
    members: dict[str, bytes | Path] = {f"库/甲.gdb/{f.name}": f for f in one.iterdir()}
    members |= {f"库/甲.gdb/乙.gdb/{f.name}": f for f in two.iterdir()}  # one in the other's folder
    members |= {"点.geojson": features(({"n": 1}, points()[0])).encode(), "说明.docx": b"x"}
    seen: list[str] = []
    path = packed(tmp_path / "a.zip", members)
    with opened([path], ImportOptions(), lambda p: seen.append(p.name)) as found:
        assert sorted(s.file for s in found) == [
            "a.zip/库/甲.gdb",
            "a.zip/库/甲.gdb/乙.gdb",
            "a.zip/点.geojson",
        ]
    assert seen == ["说明.docx"]


def test_a_folder_with_a_geodatabase_in_it_is_not_taken_apart(tmp_path: Path) -> None:
    written(tmp_path)
    text(tmp_path, "点.geojson", features(({"n": 1}, points()[0])))
    seen: list[Path] = []
    with opened([tmp_path], ImportOptions(), seen.append) as found:
        assert [(s.file, s.name) for s in found] == [("井盖.gdb", "井盖"), ("点.geojson", "点")]
    assert seen == []


# ---------------------------------------------------------------- broken


def _cut(name: str, share: float) -> Callable[[Path], None]:
    def break_it(folder: Path) -> None:
        part = folder / name
        part.write_bytes(part.read_bytes()[: int(part.stat().st_size * share)])

    return break_it


def _gone(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _says(name: str, at: int, number: int) -> Callable[[Path], None]:
    def break_it(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[at : at + 8] = number.to_bytes(8, "little")
        (folder / name).write_bytes(content)

    return break_it


def _compressed(folder: Path) -> None:
    (folder / "a00000009.gdbtable").rename(folder / "a00000009.cdf")


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    ("break_it", "fault", "named"),
    [
        (_cut("a00000009.gdbtable", 0.5), errors.Truncated, "a00000009.gdbtable"),
        (_cut("a00000009.gdbtablx", 0.3), errors.Truncated, "a00000009.gdbtablx"),
        (_cut("a00000001.gdbtable", 0.01), errors.Truncated, "a00000001.gdbtable"),
        (_gone("a00000001.gdbtable"), errors.MissingPart, "a00000001.gdbtable"),
        (_gone("a00000009.gdbtablx"), errors.MissingPart, "a00000009.gdbtablx"),
        (_gone("a00000009.gdbtable"), errors.Unreadable, "井盖"),
        (_says("a00000009.gdbtable", 24, 5 * 1024**4), errors.Truncated, "a00000009.gdbtable"),
        (_says("a00000009.gdbtablx", 4, 0x7FFFFFFF), errors.Truncated, "a00000009.gdbtablx"),
        (_compressed, errors.UnknownKind, "cdf"),
        (_emptied, errors.EmptyFile, ""),
    ],
)
def test_a_geodatabase_that_is_not_whole_is_refused_by_what_is_wrong_with_it(
    tmp_path: Path, break_it: Callable[[Path], None], fault: type[BadFile], named: str
) -> None:
    folder = written(tmp_path)
    break_it(folder)
    with pytest.raises(fault) as refused:
        read(folder)
    assert named in f"{refused.value.zh} {refused.value.en}"
    assert str(tmp_path) not in f"{refused.value.zh} {refused.value.en} {refused.value.facts}"


def test_a_geodatabase_without_layers_or_rows_is_empty(tmp_path: Path) -> None:
    bare = tmp_path / "bare.gdb"
    pyogrio.raw.write(bare, None, [pa.array(["x"]).to_numpy(False)], ["a"], layer="t", driver="OpenFileGDB")
    with pytest.raises(errors.EmptyFile, match="spatial"):
        read(bare)


def test_a_member_that_leads_outside_refuses_the_whole_archive(tmp_path: Path) -> None:
    folder = written(tmp_path)
    members: dict[str, bytes | Path] = {f"井盖.gdb/{f.name}": f for f in folder.iterdir()}
    path = packed(tmp_path / "a.zip", members | {"井盖.gdb/../../evil.gdbtable": b"x"})
    with pytest.raises(errors.UnsafeArchive):
        read(path)
    assert not (tmp_path.parent / "evil.gdbtable").exists()


@pytest.mark.parametrize("seed", range(12))
def test_damage_anywhere_is_refused_or_read_over_and_ends_no_process(survey: Path, seed: int) -> None:
    chance = random.Random(seed)
    part = chance.choice(sorted(survey.glob("a*.gdbtabl*")))
    content = bytearray(part.read_bytes())
    for _ in range(chance.choice((1, 4, 30))):
        content[chance.randrange(len(content))] = chance.choice((0, 127, 128, 255))
    part.write_bytes(content)
    try:
        read(survey)
    except BadFile as error:
        refused = error.zh
    else:
        refused = None
    assert refused != ""


# ---------------------------------------------------------------- to the map


async def test_a_geodatabase_is_published_with_aliases_and_code_lists(
    database: Database, survey: Path
) -> None:
    reports = await import_files(database, [survey], ImportOptions(allow_refused=True))
    assert {r.layer_title.zh: (r.state, r.kept, r.refused) for r in reports} == {
        "井盖（二期）": ("published", 3, 0),
        "普查库 道路": ("published", 1, 1),
        "用地地块": ("published", 2, 0),
        "普查库 井盖注记": ("published", 1, 0),
    }
    said = {count.rule: count for count in reports[0].counts}
    assert said["geometry.height"].rows == 3
    assert said["value.not_in_codes"].rows == 1
    assert "巡查记录" in said["passed_over.tables_without_geometry"].zh
    layer = await layer_of(database, reports[0].layer_id)
    fields = {field.name: field for field in layer.fields}
    assert fields["LB"].title.zh == "类别"
    assert {code: title.zh for code, title in (fields["LB"].codes or {}).items()} == {
        "1": "雨水",
        "2": "污水",
    }
    rows = await rows_of(database, layer.id)
    assert rows["JG001"].values["MC"] == "𠮷安路１号"
    assert [rows[key].values["LB"] for key in ("JG001", "JG002", "JG003")] == [1, 2, 7]
    before = await state_of(database)
    again = await import_files(database, [survey], ImportOptions(allow_refused=True))
    assert {report.state for report in again} == {"unchanged"}
    assert await state_of(database) == before


@pytest.mark.parametrize("driver", ["OpenFileGDB", "GPKG"])
async def test_rows_without_a_key_of_their_own_go_by_the_file_s_numbers(
    database: Database, tmp_path: Path, driver: str
) -> None:
    path = vector(
        tmp_path / ("a.gdb" if driver == "OpenFileGDB" else "a.gpkg"), points(), NAMES, driver=driver
    )
    [report] = await import_files(database, [path], ImportOptions())
    assert (report.state, report.kept) == ("published", 3)
    rows = await rows_of(database, report.layer_id)
    assert {key: row.values["名称"] for key, row in rows.items()} == {"1": "甲", "2": "乙", "3": "丙"}


async def test_columns_with_cryptic_names_are_known_by_their_aliases(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "a.gdb"
    aliases = {"C1": "单元网格标识码", "C2": "网格名称", "C3": "面积（公顷）"}
    shape = pa.field("s", pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    named = [pa.field(n, pa.string(), metadata={"GDAL:OGR:alternative_name": a}) for n, a in aliases.items()]
    row = [["341502001001001"], ["一号"], ["1"], [shapely.to_wkb(squares(1)[0])]]
    rows = pa.table([pa.array(v) for v in row], schema=pa.schema([*named, shape]))
    pyogrio.write_arrow(
        rows,
        path,
        layer="DYWG",
        driver="OpenFileGDB",
        geometry_name="s",
        geometry_type="Polygon",
        crs="EPSG:4527",
        layer_options={"LAYER_ALIAS": "单元网格"},
    )
    told = await look_at_files(database, [path], ImportOptions(), silent)
    [seen] = told["tables"]
    columns = {one["name"]: one for one in seen["columns"]}
    assert seen["layer"]["id"] == "unit_grid"
    assert (columns["C1"]["field"], columns["C2"]["field"]) == ("code", "name")
    assert "别名" in columns["C2"]["evidence"]["zh"]


_SCHEMA_EXTENSION = """
CREATE TABLE gpkg_data_columns (table_name TEXT, column_name TEXT, name TEXT, title TEXT, description TEXT,
  mime_type TEXT, constraint_name TEXT, PRIMARY KEY (table_name, column_name));
CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT, constraint_type TEXT, value TEXT,
  min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT);
INSERT INTO gpkg_data_columns VALUES ('井盖', 'lb', '类别', '类别', NULL, NULL, '类别域');
INSERT INTO gpkg_data_column_constraints VALUES
  ('类别域', 'enum', '1', NULL, NULL, NULL, NULL, '雨水'),
  ('类别域', 'enum', '2', NULL, NULL, NULL, NULL, '污水');
CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT,
  definition TEXT, scope TEXT);
INSERT INTO gpkg_extensions VALUES ('gpkg_data_columns', NULL, 'gpkg_schema', 'OGC 12-128r19', 'read-write'),
  ('gpkg_data_column_constraints', NULL, 'gpkg_schema', 'OGC 12-128r19', 'read-write');
"""
