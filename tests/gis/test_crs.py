"""Reading what files say about their CRS, and bringing geometries to CGCS2000."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gis.crs import CGCS2000, describe, read_crs, reproject, route, route_in_frame
from gis.errors import UnknownCrs
from gis.measures import distance_m

DATUM = (
    'GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",DATUM["D_China_2000",'
    'SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
OTHER_DATUM = (
    'GEOGCS["GCS_CGCS_2000",DATUM["D_CGCS_2000",SPHEROID["S_CGCS_2000",6378137.0,298.257222101]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
BEIJING = (
    'GEOGCS["GCS_Beijing_1954",DATUM["D_Beijing_1954",SPHEROID["Krasovsky_1940",6378245.0,298.3]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
XIAN = (
    'GEOGCS["GCS_Xian_1980",DATUM["D_Xian_1980",SPHEROID["Xian_1980",6378140.0,298.257]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)


def zone(
    name: str, datum: str, easting: float, meridian: float = 117.0, projection: str = "Gauss_Kruger"
) -> str:
    return (
        f'PROJCS["{name}",{datum},PROJECTION["{projection}"],PARAMETER["False_Easting",{easting}],'
        f'PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",{meridian}],'
        'PARAMETER["Scale_Factor",1.0],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
    )


@pytest.mark.parametrize(
    ("text", "epsg"),
    [
        (4548, 4548),
        ("4527", 4527),
        (" EPSG:4490\n", 4490),
        ("urn:ogc:def:crs:EPSG::4548", 4548),
        ("CGCS2000", 4490),
        ("WGS84", 4326),
        ("+proj=longlat +datum=WGS84 +no_defs", 4326),
        ("\ufeff" + DATUM + "\x00", 4490),
        (OTHER_DATUM, 4490),
        (BEIJING, 4214),
        (XIAN, 4610),
        (zone("CGCS2000_3_Degree_GK_CM_117E", DATUM, 500000.0), 4548),
        (zone("CGCS2000_3_Degree_GK_Zone_39", DATUM, 39500000.0), 4527),
        (zone("CGCS2000_GK_CM_117E", DATUM, 500000.0), 4509),
        (zone("CGCS2000_GK_Zone_20", DATUM, 20500000.0), 4498),
        (zone("Transverse_Mercator", OTHER_DATUM, 500000.0, projection="Transverse_Mercator"), 4548),
        (zone("国家2000_3度带_39", OTHER_DATUM, 39500000.0, projection="Transverse_Mercator"), 4527),
        (zone("Unnamed", OTHER_DATUM, 20500000.0, projection="Transverse_Mercator"), 4498),
        (zone("Xian_1980_3_Degree_GK_CM_117E", XIAN, 500000.0), 2384),
        (zone("Beijing_1954_3_Degree_GK_Zone_39", BEIJING, 39500000.0), 2415),
    ],
)
def test_a_crs_is_read_in_the_spellings_files_have(text: str | int, epsg: int) -> None:
    assert read_crs(text).to_epsg() == epsg


@pytest.mark.parametrize(
    "text", ["", "not a crs", "EPSG:0", 999999, "PROJCS[", "EPSG:5737", 'LOCAL_CS["矿区"]']
)
def test_what_names_no_crs_is_refused_with_its_text(text: str | int) -> None:
    with pytest.raises(UnknownCrs) as refused:
        read_crs(text)
    assert refused.value.zh
    assert refused.value.facts["value"] == str(text).strip()


def test_a_local_zone_is_read_but_not_mistaken_for_a_national_one() -> None:
    crs = read_crs(zone("六安城市独立坐标", OTHER_DATUM, 500000.0, meridian=116.5))
    assert crs.to_epsg() is None
    assert describe(crs) == "六安城市独立坐标"


def test_describe_names_code_and_title() -> None:
    assert describe(read_crs(4548)) == "EPSG:4548 CGCS2000 / 3-degree Gauss-Kruger CM 117E"


@pytest.mark.parametrize(("epsg", "easting"), [(4548, 453365.918), (4527, 39453365.918)])
def test_the_golden_point_of_luan_comes_from_both_its_zones(epsg: int, easting: float) -> None:
    (point,) = reproject(np.array([shapely.Point(easting, 3514558.251)]), read_crs(epsg))
    assert (point.x, point.y) == pytest.approx((116.5078, 31.7529), abs=5e-9)


@given(st.floats(115.5, 118.5), st.floats(20, 50))
def test_there_and_back_through_the_zone_is_the_same_place(lon: float, lat: float) -> None:
    place = np.array([shapely.Point(lon, lat)], dtype=object)
    (back,) = reproject(reproject(place, CGCS2000, read_crs(4548)), read_crs(4548))
    assert (back.x, back.y) == pytest.approx((lon, lat), abs=1e-10)


def test_wgs84_is_taken_as_cgcs2000_and_says_so() -> None:
    place = np.array([shapely.Point(116.5, 31.7)], dtype=object)
    assert shapely.equals_exact(reproject(place, read_crs(4326)), place, 1e-12).all()
    assert route(read_crs(4326)).error_m == 1.0


def test_a_legacy_datum_says_how_far_off_it_may_be() -> None:
    assert (route(read_crs(2384)).error_m or 0) > 100
    assert route(read_crs(4548)).error_m == 0.001


def test_what_was_shifted_as_on_a_web_map_says_so_with_the_error_of_undoing_it() -> None:
    by = route_in_frame(read_crs(4490), "gcj02")
    assert "GCJ-02" in by.zh
    assert by.error_m == pytest.approx(0.001 + 0.0002)
    assert route_in_frame(read_crs(4490), "wgs84") == route(read_crs(4490))


def test_a_foreign_datum_comes_by_way_of_wgs84_and_not_a_hundred_metres_off() -> None:
    """The origin of the Dutch grid in Amersfoort, on ETRS89: 52°09′18.62″ N, 5°23′13.93″ E (RDNAPTRANS)."""
    tower = np.array([shapely.Point(155000.0, 463000.0)], dtype=object)
    (moved,) = reproject(tower, read_crs(28992))
    assert distance_m(moved.x, moved.y, 5 + 23 / 60 + 13.93 / 3600, 52 + 9 / 60 + 18.62 / 3600) < 2.0
    assert route(read_crs(28992)).error_m == pytest.approx(2.0)
    assert "WGS 84" in route(read_crs(2263)).en


def test_reproject_keeps_none_empty_height_and_the_input() -> None:
    flat, high = (
        shapely.Point(500000.0, 3500000.0),
        shapely.LineString([(5e5, 3.5e6, 7), (5e5 + 9, 3.5e6, 8)]),
    )
    given_shapes = np.array([None, shapely.Polygon(), flat, high], dtype=object)
    moved = reproject(given_shapes, read_crs(4548))
    assert moved[0] is None
    assert moved[1].is_empty
    assert not moved[2].has_z
    assert [z for _, _, z in moved[3].coords] == [7, 8]
    assert given_shapes[2].x == 500000.0
    assert reproject(np.array([], dtype=object), read_crs(4548)).size == 0


def test_a_geometry_that_cannot_be_transformed_becomes_none_alone() -> None:
    good = shapely.Point(500000.0, 3500000.0)
    with np.errstate(invalid="ignore"):
        bad = shapely.LineString([(5e5, 3.5e6), (np.nan, 3.5e6), (5e5, 3.6e6)])
    moved = reproject(np.array([good, bad, shapely.Point(1e30, 1e30), good], dtype=object), read_crs(4548))
    assert [each is None for each in moved] == [False, True, True, False]
