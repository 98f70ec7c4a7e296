"""A file that is broken in one way each: its own clear fault, and the database as it was before."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from importers import errors
from importers.options import ImportOptions
from importers.run import import_files
from layers.db import Database
from tests.importers.published import left_behind, state_of
from tests.importers.specimens import (
    features,
    packed,
    parts_of,
    points,
    shapefile,
    squares,
    text,
    vector,
    workbook,
)

Maker = Callable[[Path], Path]


def cut(path: Path, share: float = 0.6) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def without(suffix: str) -> Maker:
    def make(folder: Path) -> Path:
        path = shapefile(folder)
        path.with_suffix(suffix).unlink()
        return path

    return make


def raw(name: str, content: bytes) -> Maker:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def mixed_encodings(folder: Path) -> Path:
    path = folder / "部件.csv"
    path.write_bytes("code,name\n1,六安市金安区\n".encode() + "2,中市街道办事处\n".encode("gbk"))
    return path


def string_coordinates(folder: Path) -> Path:
    geometry = {"type": "Point", "coordinates": ["116.5", "31.7"]}
    return text(folder, "a.geojson", features(({"n": 1}, geometry)))


def no_zone(folder: Path) -> Path:
    return shapefile(folder, shapes=squares(west=452_500.0), crs="EPSG:4548", prj=False)


def named_dbf_alone(folder: Path) -> Path:
    path = shapefile(folder).with_suffix(".dbf")
    for part in parts_of(path).values():
        if part != path:
            assert isinstance(part, Path)
            part.unlink()
    return path


def picture_among_the_parts(folder: Path) -> Path:
    path = shapefile(folder)
    path.write_bytes(b"\x89PNG" * 100)
    return path


def cut_geopackage(folder: Path) -> Path:
    return cut(vector(folder / "a.gpkg", points(2000), {"n": ["x" * 50] * 2000}), 0.3)


def table(content: str) -> Maker:
    return lambda folder: text(folder, "a.csv", content)


def archive(members: dict[str, bytes]) -> Maker:
    return lambda folder: packed(folder / "a.zip", members)


BROKEN: dict[str, tuple[Maker, type[errors.BadFile]]] = {
    "a zip cut short": (lambda f: cut(packed(f / "a.zip", parts_of(shapefile(f)))), errors.Truncated),
    "a zip bomb": (archive({"a.csv": b"0" * 90_000_000}), errors.UnsafeArchive),
    "a path out of the zip": (archive({"../a.csv": b"a,b\n"}), errors.UnsafeArchive),
    "an empty zip": (archive({}), errors.EmptyFile),
    "a gzip cut short": (raw("a.csv.gz", gzip.compress(os.urandom(5000))[:3000]), errors.Truncated),
    "no .dbf": (without(".dbf"), errors.MissingPart),
    "no .shx": (without(".shx"), errors.MissingPart),
    "a .dbf alone": (named_dbf_alone, errors.MissingPart),
    "a .shp cut short": (lambda f: cut(shapefile(f)), errors.Truncated),
    "a picture named .shp": (picture_among_the_parts, errors.NotWhatItSays),
    "a GeoPackage cut short": (cut_geopackage, errors.Unreadable),
    "a GeoJSON cut short": (raw("a.geojson", b'{"type": "FeatureCollection", "feat'), errors.Unreadable),
    "a workbook cut short": (lambda f: cut(workbook(f / "a.xlsx", {"a": [("a", "b")]})), errors.Truncated),
    "0 bytes": (raw("a.gpkg", b""), errors.EmptyFile),
    "a web page": (raw("a.geojson", b"<!DOCTYPE html><html>"), errors.NotWhatItSays),
    "an old workbook": (raw("a.xls", b"\xd0\xcf\x11\xe0"), errors.UnknownKind),
    "a drawing": (raw("a.dwg", b"AC1032"), errors.UnknownKind),
    "mixed encodings": (mixed_encodings, errors.BadEncoding),
    "coordinates as strings": (string_coordinates, errors.BadCoordinates),
    "latitude first": (table("id,lon,lat\n1,31.74,116.5\n"), errors.UnknownPlace),
    "a zone that is not the file's": (lambda f: shapefile(f, crs="EPSG:4548"), errors.UnknownPlace),
    "a zone nobody wrote": (no_zone, errors.UnknownPlace),
    "no coordinates at all": (table("code,name\n1,a\n"), errors.NoGeometry),
    "a column named twice": (table("a,a\n1,2\n"), errors.BadTable),
    "no header": (table("1,116.5,31.7\n2,116.5,31.7\n"), errors.BadTable),
    "a quote left open": (table('id,lon,lat\n1,116.5,"31.7\n2,116.5,31.7\n'), errors.BadFile),
    "only a header": (table("id,lon,lat\n"), errors.EmptyFile),
}


async def test_each_broken_file_has_its_own_fault_and_nothing_is_written(
    database: Database, tmp_path: Path
) -> None:
    before = await state_of(database)
    sentences: dict[str, str] = {}
    for number, (trouble, (make, fault)) in enumerate(BROKEN.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = make(folder)
        with pytest.raises(fault) as refused:
            await import_files(database, [path])
        assert refused.value.facts["file"], trouble
        assert refused.value.facts["found"] is not None, trouble
        assert refused.value.facts["expected"], trouble
        assert any("\u4e00" <= c <= "\u9fff" for c in refused.value.zh), trouble
        sentences[trouble] = refused.value.en
    assert len(set(sentences.values())) == len(BROKEN)
    assert await state_of(database) == before
    assert not await left_behind(database)


STATION = {"站点编码": "S1", "站点名称": "一号站", "站点类型": "空气"}
ROWS = {
    "an empty geometry": ("geometry.empty", '{"type": "Polygon", "coordinates": []}'),
    "no geometry": ("geometry.missing", "null"),
    "a point of NaN": ("geometry.empty", '{"type": "Point", "coordinates": [NaN, 31.7]}'),
    "a line to infinity": (
        "geometry.not_finite", '{"type": "LineString", "coordinates": [[1, 2], [Infinity, 3]]}',
    ),
    "off the earth": ("geometry.off_earth", '{"type": "Point", "coordinates": [500, 31.7]}'),
    "at the origin": ("geometry.zero", '{"type": "Point", "coordinates": [0, 0]}'),
    "a line among points": ("geometry.type", '{"type": "LineString", "coordinates": [[116, 31], [117, 31]]}'),
    "two points": ("geometry.type", '{"type": "MultiPoint", "coordinates": [[116, 31], [117, 31]]}'),
}  # fmt: skip


async def test_each_broken_row_is_refused_by_its_own_rule(database: Database, tmp_path: Path) -> None:
    shapes = ['{"type": "Point", "coordinates": [116.5, 31.7]}', *(shape for _, shape in ROWS.values())]
    rows = []
    for number, shape in enumerate(shapes):
        properties = json.dumps(STATION | {"站点编码": f"S{number}"})
        rows.append(f'{{"type": "Feature", "properties": {properties}, "geometry": {shape}}}')
    content = f'{{"type": "FeatureCollection", "features": [{", ".join(rows)}]}}'
    path = text(tmp_path, "监测站点.geojson", content)
    (report,) = await import_files(database, [path], ImportOptions(layer_id="station"))
    assert {f.row: f.rule for f in report.findings} == {
        row: rule for row, (rule, _) in enumerate(ROWS.values(), start=2)
    }
    assert (report.kept, report.refused, report.state) == (1, len(ROWS), "refused")
