"""GeoParquet: what the footer says of the geometry is followed, and rows come batch by batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from gis.crs import read_crs
from importers.errors import EmptyFile, NoGeometry, NotWhatItSays, Truncated, UnknownPlace, Unreadable
from importers.options import ImportOptions
from importers.place import placed
from importers.run import import_files
from importers.source import CHUNK_ROWS
from layers.db import Database
from tests.importers.published import layer_of, rows_of
from tests.importers.specimens import points, sources, squares


def geoparquet(
    path: Path,
    shapes: pa.Array | Sequence[shapely.Geometry | None],
    *,
    geo: dict[str, Any] | None = None,
    columns: dict[str, Any] | None = None,
    row_group: int = 1000,
) -> Path:
    """A Parquet file with names and a geometry column, which `geo` describes in the footer."""
    array = (
        shapes
        if isinstance(shapes, pa.Array)
        else pa.array([None if s is None else shapely.to_wkb(s) for s in shapes], pa.binary())
    )
    table = pa.table({"名称": [f"点{i}" for i in range(len(array))], **(columns or {}), "geometry": array})
    if geo is not None:
        footer = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geo}}
        table = table.replace_schema_metadata({"geo": json.dumps(footer)})
    pq.write_table(table, path, row_group_size=row_group)
    return path


def shapes_of(path: Path, **options: Any) -> list[Any]:
    (source,) = sources(path, **options)
    return [shape for chunk in source.read(CHUNK_ROWS) for shape in chunk.geometry]  # type: ignore[union-attr]


WKB = {"encoding": "WKB", "geometry_types": []}


def test_without_a_crs_it_is_longitude_and_latitude_by_the_standard(tmp_path: Path) -> None:
    (source,) = sources(geoparquet(tmp_path / "a.parquet", points(), geo=WKB | {"geometry_types": ["Point"]}))
    assert (source.geometry_type, source.count, source.schema.names) == ("Point", 3, ["名称"])
    assert source.crs == read_crs(4326)
    assert source.crs_found is not None
    assert "CRS84" in source.crs_found.zh


def test_a_crs_in_projjson_is_read(tmp_path: Path) -> None:
    crs = json.loads(read_crs(4527).to_json())
    path = geoparquet(tmp_path / "a.geoparquet", squares(), geo=WKB | {"crs": crs})
    (source,) = sources(path)
    assert source.crs == read_crs(4527)
    assert [s.area for s in shapes_of(path)] == [10_000.0] * 3


def test_crs84_in_projjson_is_known(tmp_path: Path) -> None:
    crs = {"type": "GeographicCRS", "name": "WGS 84 (CRS84)", "id": {"authority": "OGC", "code": "CRS84"}}
    (source,) = sources(geoparquet(tmp_path / "a.parquet", points(), geo=WKB | {"crs": crs}))
    assert source.crs == read_crs(4326)


def test_a_crs_that_is_stated_as_not_known_is_worked_out_from_the_numbers(tmp_path: Path) -> None:
    (source,) = sources(geoparquet(tmp_path / "a.parquet", squares(), geo=WKB | {"crs": None}))
    assert source.crs is None
    assert placed(source, ImportOptions()).crs == read_crs(4527)


def test_a_crs_nobody_understands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownPlace):
        sources(geoparquet(tmp_path / "a.parquet", points(), geo=WKB | {"crs": {"type": "Nonsense"}}))


NATIVE = {
    "point": [shapely.Point(116.5, 31.7), None, shapely.Point(116.6, 31.8)],
    "linestring": [shapely.LineString([(0, 0), (1, 1)]), None, shapely.LineString([(2, 2), (3, 3), (4, 5)])],
    "multipoint": [shapely.MultiPoint([(0, 0), (1, 1)]), None],
    "polygon": [shapely.box(0, 0, 9, 9) - shapely.box(2, 2, 3, 3), None, shapely.box(0, 0, 1, 1)],
    "multilinestring": [shapely.MultiLineString([[(0, 0), (1, 1)], [(5, 5), (6, 6)]]), None],
    "multipolygon": [shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)]), None],
}  # fmt: skip


def native(shapes: Sequence[shapely.Geometry | None]) -> pa.Array:
    """The shapes as nested lists of x and y."""

    def places(sequence: Any) -> list[dict[str, float]]:
        return [{"x": x, "y": y} for x, y in sequence]

    def nested(shape: Any) -> Any:
        match shape.geom_type:
            case "Point":
                return places(shape.coords)[0]
            case "LineString":
                return places(shape.coords)
            case "Polygon":
                return [places(ring.coords) for ring in (shape.exterior, *shape.interiors)]
            case "MultiPoint":
                return [nested(part) for part in shape.geoms]
            case _:
                return [nested(part) for part in shape.geoms]

    return pa.array([None if s is None else nested(s) for s in shapes])


@pytest.mark.parametrize("encoding", list(NATIVE))
def test_native_encodings_give_the_shapes_they_hold(tmp_path: Path, encoding: str) -> None:
    path = geoparquet(
        tmp_path / "a.parquet", native(NATIVE[encoding]), geo={"encoding": encoding}, row_group=2
    )
    found = shapes_of(path)
    assert len(found) == len(NATIVE[encoding])
    for mine, theirs in zip(found, NATIVE[encoding], strict=True):
        assert mine is None if theirs is None else shapely.equals_exact(mine, theirs)


def test_the_column_of_boxes_and_other_geometries_are_no_attributes(tmp_path: Path) -> None:
    sides = ("xmin", "ymin", "xmax", "ymax")
    path = geoparquet(
        tmp_path / "a.parquet",
        points(),
        geo=WKB | {"covering": {"bbox": {side: ["bbox", side] for side in sides}}},
        columns={"bbox": [dict.fromkeys(sides, 1.0)] * 3, "标签": [["甲"], [], None]},
    )
    (source,) = sources(path)
    assert source.schema.names == ["名称", "标签"]


def test_rows_come_in_chunks_over_many_row_groups_with_their_numbers(tmp_path: Path) -> None:
    path = geoparquet(tmp_path / "a.parquet", points(95), geo=WKB, row_group=10)
    (source,) = sources(path)
    chunks = list(source.read(25))
    assert [int(n) for chunk in chunks for n in chunk.rows] == list(range(1, 96))
    assert max(len(chunk) for chunk in chunks) <= 25


def test_wkb_that_is_none_is_one_row_s_trouble(tmp_path: Path) -> None:
    array = pa.array([shapely.to_wkb(points()[0]), b"\x01\x02", None], pa.binary())
    (source,) = sources(geoparquet(tmp_path / "a.parquet", array, geo=WKB))
    (chunk,) = source.read(CHUNK_ROWS)
    assert [(t.row, t.rule) for t in chunk.troubles] == [(2, "geometry.unreadable")]
    assert list(chunk.rows) == [1, 3]


def test_wkb_without_metadata_is_found_by_its_name_and_said(tmp_path: Path) -> None:
    (source,) = sources(geoparquet(tmp_path / "a.parquet", squares()))
    assert (source.geometry_type, source.crs) == ("Unknown", None)
    assert source.notes[0].rule == "parquet.wkb"


def test_a_plain_table_is_placed_by_its_columns_as_a_csv_is(tmp_path: Path) -> None:
    path = tmp_path / "监测点.parquet"
    pq.write_table(pa.table({"编码": ["a", "b"], "经度": [116.5, 116.6], "纬度": [31.7, 31.8]}), path)
    (source,) = sources(path)
    assert source.geometry_type is None
    chunk = next(placed(source, ImportOptions()).read(CHUNK_ROWS))
    assert chunk.geometry is not None
    assert (chunk.geometry[0].x, chunk.geometry[0].y) == (116.5, 31.7)


def test_a_plain_table_without_a_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"编码": ["a", "b"], "值": [1, 2]}), path)
    with pytest.raises(NoGeometry, match="编码"):
        placed(sources(path)[0], ImportOptions())


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (lambda raw: raw[:-20], Truncated),
        (lambda raw: b"{}" + raw, NotWhatItSays),
        (lambda raw: raw[:4] + b"\x00" * (len(raw) - 8) + raw[-4:], Unreadable),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: Any, fault: type[Exception]) -> None:
    path = geoparquet(tmp_path / "a.parquet", points(), geo=WKB)
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(fault):
        sources(path)


def test_damage_inside_is_found_while_reading(tmp_path: Path) -> None:
    path = geoparquet(tmp_path / "a.parquet", points(5000), geo=WKB)
    raw = bytearray(path.read_bytes())
    raw[40:4000] = b"\xff" * 3960
    path.write_bytes(bytes(raw))
    with pytest.raises(Unreadable):
        shapes_of(path)


@pytest.mark.parametrize("geo", [{"encoding": "WKT"}, {}, {"encoding": "polygon"}])
def test_wrong_metadata_is_named(tmp_path: Path, geo: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        shapes_of(geoparquet(tmp_path / "a.parquet", native(NATIVE["point"]), geo=geo))


def test_an_empty_table_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile):
        sources(geoparquet(tmp_path / "a.parquet", [], geo=WKB))


async def test_a_geoparquet_becomes_a_layer_with_typed_fields(database: Database, tmp_path: Path) -> None:
    columns = {"层数": pa.array([1, 2, 3], pa.int16()), "code": ["a", "b", "c"]}
    crs = json.loads(read_crs(4548).to_json())
    path = geoparquet(
        tmp_path / "houses.parquet", squares(west=455_000.0), geo=WKB | {"crs": crs}, columns=columns
    )
    (report,) = await import_files(database, [path])
    assert (report.state, report.kept) == ("published", 3)
    layer = await layer_of(database, "houses")
    assert (layer.geometry_type, layer.key) == ("MultiPolygon", "code")
    assert (await rows_of(database, "houses"))["b"].values["层数"] == 2
