"""Packed files: what is in them, and what must never come out of them."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import ezdxf
import pytest

from importers.archive import unpacked
from importers.errors import BadFile, EmptyFile, MissingPart, Truncated, UnknownKind, UnsafeArchive
from importers.opening import opened
from importers.options import ImportOptions
from tests.importers.specimens import GRIDS, column, features, packed, parts_of, points, shapefile


def test_a_zipped_shapefile_with_chinese_names_is_read_and_cleaned_away(tmp_path: Path) -> None:
    path = packed(tmp_path / "网格.zip", parts_of(shapefile(tmp_path)))
    with opened([path], ImportOptions()) as (found,):
        assert column(found, "网格名称") == GRIDS["网格名称"]
        assert found.file == "网格.zip/单元网格.shp"
        unpacked_to = found.path
        assert unpacked_to.exists()
    assert not unpacked_to.exists()


def test_member_names_that_windows_wrote_in_gbk_are_read_so(tmp_path: Path) -> None:
    path = tmp_path / "网格.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in parts_of(shapefile(tmp_path)).values():
            assert isinstance(part, Path)
            archive.writestr(part.name.encode("gbk").decode("cp437"), part.read_bytes())
    # zipfile marks names that are not ASCII as UTF-8; Windows' own packer does not
    raw = path.read_bytes()
    for part in ("单元网格.shp", "单元网格.shx", "单元网格.dbf", "单元网格.prj"):
        name = part.encode("gbk").decode("cp437").encode()
        assert name in raw
    with opened([path], ImportOptions()) as (found,):
        assert found.schema.names == ["网格编码", "网格名称"]


@pytest.mark.parametrize(
    "name", ["../../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "C:\\evil.csv", "..\\evil.csv"]
)
def test_a_path_that_leads_outside_refuses_the_whole_archive(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "x.zip", {"good.csv": b"a,b\n1,2\n", name: b"x"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UnsafeArchive) as refused, unpacked(path):
        pass
    assert "evil.csv" in str(refused.value.facts["found"])
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_that_would_burst_is_refused_by_its_own_directory(tmp_path: Path) -> None:
    path = packed(tmp_path / "bomb.zip", {"a.csv": b"0" * 100_000_000})
    assert path.stat().st_size < 200_000
    with pytest.raises(UnsafeArchive, match="bomb"), unpacked(path):
        pass


def test_a_gzip_that_bursts_is_stopped_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"0" * 100_000_000))
    with pytest.raises(UnsafeArchive), unpacked(path):
        pass


def test_an_archive_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", parts_of(shapefile(tmp_path)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Truncated), unpacked(path):
        pass


def test_an_archive_with_damaged_content_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", {"a.csv": b"code,name\n" + b"1,some text\n" * 200})
    raw = bytearray(path.read_bytes())
    raw[60:75] = b"\xff" * 15
    path.write_bytes(raw)
    with pytest.raises(Truncated), unpacked(path):
        pass


def test_a_locked_archive_says_to_take_the_password_away(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", {"a.csv": b"a,b\n"})
    raw = path.read_bytes().replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
    )
    path.write_bytes(raw)
    with pytest.raises(BadFile, match="password"), unpacked(path):
        pass


def test_an_empty_archive_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile), unpacked(packed(tmp_path / "x.zip", {})):
        pass


def test_an_archive_with_a_lone_dbf_names_the_missing_shp(tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    members = {name: part for name, part in parts_of(path).items() if name.endswith(".dbf")}
    with (
        pytest.raises(MissingPart) as refused,
        opened([packed(tmp_path / "x.zip", members)], ImportOptions()),
    ):
        pass
    assert refused.value.facts["expected"] == "单元网格.shp"


def test_several_layers_in_one_archive_are_several_sources(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "x.zip",
        {
            "a.geojson": features(({"n": 1}, points()[0])).encode(),
            "sub/b.csv": b"lon,lat\n116.5,31.7\n",
            "readme.txt": b"notes",
            "__MACOSX/._a.geojson": b"\0",
        },
    )
    seen: list[str] = []
    with opened([path], ImportOptions(), lambda p: seen.append(p.name)) as found:
        assert [s.file for s in found] == ["x.zip/a.geojson", "x.zip/sub/b.csv"]
    assert seen == ["readme.txt"]


@pytest.mark.parametrize("name", ["plan.dwg", "photo.ecw", "scan.gdb", "a.xls", "b.rar", "c.xyz", "d"])
def test_a_kind_nobody_reads_is_refused_with_what_can_be_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"something")
    with pytest.raises(UnknownKind, match="GeoPackage") as refused, opened([path], ImportOptions()):
        pass
    assert "Shapefile" in refused.value.zh


def converter(folder: Path, script: str) -> str:
    """A `dwg2dxf` of our own, and the PATH by which it is found. It is called `dwg2dxf -y -o MADE GIVEN`."""
    program = folder / "bin" / "dwg2dxf"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"


def drawing(folder: Path) -> Path:
    path = folder / "地形图.dwg"
    path.write_bytes(b"AC1027\0\0\0\0\0" + b"\0" * 100)
    return path


def test_a_dwg_is_refused_by_its_version_with_the_ways_to_a_dxf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refusal = pytest.raises(UnknownKind, match="AutoCAD 2013")
    with refusal as refused, opened([drawing(tmp_path)], ImportOptions()):
        pass
    assert all(way in refused.value.zh for way in ("AutoCAD 2013", "另存为", "dwg2dxf"))


def test_a_dwg_is_read_where_a_converter_is_installed_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dxf = tmp_path / "made.dxf"
    document = ezdxf.new("R2018")
    document.modelspace().add_lwpolyline(
        [(500000, 3500000), (500100, 3500000), (500100, 3500100)], close=True
    )
    document.saveas(dxf)
    monkeypatch.setenv("PATH", converter(tmp_path, f'[ "$1 $2" = "-y -o" ] && cp "{dxf}" "$3"; exit 1'))
    path = drawing(tmp_path)
    with opened([path], ImportOptions()) as found:
        (source,) = found
        assert (source.path, source.file, source.count) == (path, "地形图.dwg", 1)
        assert "drawing.converted" in {note.rule for note in source.notes}
    seen: list[str] = []
    (tmp_path / "bin" / "dwg2dxf").unlink()
    with pytest.raises(UnknownKind), opened([path], ImportOptions(), lambda p: seen.append(p.name)):
        pass


@pytest.mark.parametrize(
    ("script", "cause"), [("exit 3", "code 3"), ("sleep 60", "within 1 s"), ('echo no > "$3"', "DXF")]
)
def test_a_dwg_that_cannot_be_converted_is_refused_with_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, cause: str
) -> None:
    monkeypatch.setenv("PATH", converter(tmp_path, script))
    monkeypatch.setattr("importers.dwg.MOST_S", 1)
    with pytest.raises(BadFile, match=cause), opened([drawing(tmp_path)], ImportOptions()):
        pass


def test_a_folder_gives_its_layers_and_passes_over_the_rest(tmp_path: Path) -> None:
    shapefile(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "点.geojson").write_text(features(({"n": 1}, points()[0])))
    for name, content in (("MANIFEST.json", '{"seed": 1}'), ("README.md", "x"), (".hidden.csv", "a,b\n")):
        (tmp_path / name).write_text(content)
    seen: list[str] = []
    with opened([tmp_path], ImportOptions(), lambda p: seen.append(p.name)) as found:
        assert [s.file for s in found] == ["点.geojson", "单元网格.shp"]
    assert sorted(seen) == ["MANIFEST.json", "README.md"]


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such file"), opened([tmp_path / "x.csv"], ImportOptions()):
        pass
