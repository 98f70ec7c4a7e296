"""Where the rows of a table are: which columns, which reference system, which axis first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from gis.crs import from_cgcs2000, read_crs, reproject
from importers.errors import NoGeometry, UnknownPlace
from importers.geometry import Target, prepare
from importers.options import ImportOptions
from importers.place import placed
from importers.source import Source
from tests.importers.specimens import features, points, source, text, whole


def table(tmp_path: Path, header: str, *rows: str) -> Source:
    return source(text(tmp_path, "t.csv", "\n".join((header, *rows)) + "\n"))


def where(found: Source) -> list[tuple[float, float]]:
    """Longitude and latitude of the rows as the layer would store them."""
    assert found.crs is not None
    shapes = whole(found).geometry
    assert shapes is not None
    stored = prepare(shapes, Target(found.crs, "Geometry")).shapes
    return [(round(s.centroid.x, 6), round(s.centroid.y, 6)) for s in stored]


def on_plane(epsg: int) -> shapely.Point:
    """The test's place, easting first."""
    place = np.array([shapely.Point(116.5, 31.74)], dtype=object)
    moved = reproject(place, read_crs(4490), read_crs(epsg))[0]
    assert isinstance(moved, shapely.Point)
    return moved


@pytest.mark.parametrize(
    "header",
    ["编号,经度,纬度", "id,lon,lat", "ID,LNG,LAT", "id,Longitude,Latitude", "id, 经度 ,纬度(度)",
     "a,Long,Lat", "a,X,Y", "a,X坐标,Y坐标", "a,XCOORD,YCOORD"],
)  # fmt: skip
def test_coordinate_columns_are_known_by_many_names(tmp_path: Path, header: str) -> None:
    found = placed(table(tmp_path, header, "1,116.5,31.74"), ImportOptions())
    assert where(found) == [(116.5, 31.74)]
    assert found.schema.names == [header.split(",")[0]]
    assert found.crs_found is not None
    assert "CGCS2000" in found.crs_found.zh


def test_plain_longitude_and_latitude_win_over_other_pairs(tmp_path: Path) -> None:
    found = placed(
        table(tmp_path, "id,XCOORD,YCOORD,centrLat,lon,lat", "1,394693.9,139495.9,1,116.5,31.74"),
        ImportOptions(),
    )
    assert where(found) == [(116.5, 31.74)]
    assert found.schema.names == ["id", "XCOORD", "YCOORD", "centrLat"]


def test_somebody_may_say_which_columns_hold_the_place(tmp_path: Path) -> None:
    options = ImportOptions(columns={"东": "@x", "北": "@y"})
    assert where(placed(table(tmp_path, "id,东,北", "1,116.5,31.74"), options)) == [(116.5, 31.74)]


@pytest.mark.parametrize("name", ["WKT", "geometry", "几何"])
def test_a_column_of_wkt_is_the_place(tmp_path: Path, name: str) -> None:
    found = placed(
        table(
            tmp_path,
            f"id;{name}",
            "1;POINT (116.5 31.74)",
            "2;SRID=4326;POINT (1 2)".replace("SRID=4326;", ""),
        ),
        ImportOptions(),
    )
    assert where(found) == [(116.5, 31.74), (1.0, 2.0)]


def test_text_that_is_no_wkt_is_its_row_s_trouble(tmp_path: Path) -> None:
    found = placed(table(tmp_path, "id;wkt", "1;POINT (116.5 31.74)", "2;POINT (116.5"), ImportOptions())
    chunk = whole(found)
    assert chunk.rows.tolist() == [2]
    assert [(t.rule, t.row) for t in chunk.troubles] == [("geometry.unreadable", 3)]


def test_a_table_without_any_place_is_refused_with_its_columns(tmp_path: Path) -> None:
    with pytest.raises(NoGeometry, match="cityCode"):
        placed(table(tmp_path, "code,name,cityCode", "1,a,2"), ImportOptions())


def test_coordinates_that_are_no_numbers_are_their_rows_trouble(tmp_path: Path) -> None:
    found = placed(
        table(tmp_path, "id,lon,lat", "1,116.5,31.74", "2,东经116,31.7", "3,,", "4,116.5,"), ImportOptions()
    )
    chunk = whole(found)
    assert chunk.rows.tolist() == [2, 4, 5]
    assert [(t.rule, t.row) for t in chunk.troubles] == [("geometry.not_a_number", 3)]
    assert chunk.geometry is not None
    assert [shape is None for shape in chunk.geometry] == [False, True, True]


def test_a_survey_table_with_northing_first_is_turned_and_said(tmp_path: Path) -> None:
    """Chinese survey tables call the northing X."""
    truth = reproject(np.array([shapely.Point(116.5, 31.74)], dtype=object), read_crs(4490), read_crs(4527))[
        0
    ]
    found = placed(table(tmp_path, "点号,X,Y", f"a,{truth.y:.3f},{truth.x:.3f}"), ImportOptions())
    assert where(found) == [(116.5, 31.74)]
    assert "place.swapped" in [note.rule for note in found.notes]
    assert found.crs is not None
    assert found.crs.to_epsg() == 4527


def test_a_survey_table_is_turned_also_when_its_zone_is_said(tmp_path: Path) -> None:
    truth = reproject(np.array([shapely.Point(116.5, 31.74)], dtype=object), read_crs(4490), read_crs(4548))[
        0
    ]
    options = ImportOptions(crs="EPSG:4548")
    found = placed(table(tmp_path, "点号,X,Y", f"a,{truth.y:.3f},{truth.x:.3f}"), options)
    assert where(found) == [(116.5, 31.74)]


@pytest.mark.parametrize("kind", ["csv", "geojson"])
def test_latitude_first_is_recognised_and_refused_until_somebody_says_so(tmp_path: Path, kind: str) -> None:
    if kind == "csv":
        found = table(tmp_path, "id,lon,lat", "1,31.74,116.5", "2,31.75,116.6")
    else:
        turned = [shapely.Point(p.y, p.x) for p in points(2)]
        found = source(text(tmp_path, "a.geojson", features(*(({"n": 1}, p) for p in turned))))
    with pytest.raises(UnknownPlace, match="exchanged"):
        placed(found, ImportOptions())
    right = where(placed(found, ImportOptions(swapped=True)))
    assert right[0] == (116.5, 31.74)


def test_numbers_that_fit_no_zone_are_refused_with_what_to_say(tmp_path: Path) -> None:
    with pytest.raises(UnknownPlace, match="EPSG:4548"):
        placed(table(tmp_path, "id,x,y", "1,1200.5,-3400.2"), ImportOptions())


@pytest.mark.parametrize("frame", ["gcj02", "bd09"])
def test_shifted_coordinates_are_put_right(tmp_path: Path, frame: str) -> None:
    lon, lat = from_cgcs2000(116.5, 31.74, frame)  # type: ignore[arg-type]
    found = placed(
        table(tmp_path, "id,lon,lat", f"1,{float(lon):.9f},{float(lat):.9f}"),
        ImportOptions(frame=frame),  # type: ignore[arg-type]
    )
    assert found.crs is not None
    shapes = whole(found).geometry
    assert shapes is not None
    stored = prepare(shapes, Target(found.crs, "Point", frame)).shapes[0]  # type: ignore[arg-type]
    assert (stored.x, stored.y) == pytest.approx((116.5, 31.74), abs=1e-7)
    assert found.crs_found is not None
    assert frame in found.crs_found.value
