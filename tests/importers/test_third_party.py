"""Real public data of many makers: each file imports with the counts its publisher states, or says why not.

The files are not part of the project. They are looked for in `ONEMAP_SHARED_DATA`, else in `shared/data`
beside the checkout; without them these tests are skipped.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import shapely

from gis.measures import area_m2
from importers.errors import BadCoordinates, NoGeometry, UnknownPlace
from importers.options import ImportOptions
from importers.report import ImportReport
from importers.run import import_files
from layers.access import SYSTEM, scope_for
from layers.catalogue import get_layer
from layers.db import Database
from layers.query import FeatureQuery, features
from tests.importers.published import layer_of, rows_of, state_of


def _data() -> Path:
    """Where the files are, or would be."""
    said = os.environ.get("ONEMAP_SHARED_DATA")
    if said:
        return Path(said)
    root = Path(__file__).parents[2]
    beside = [folder / "shared" / "data" for folder in (root.parent, root.parent.parent)]
    return next((folder for folder in beside if folder.is_dir()), beside[0])


DATA = _data()
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no third-party data in {DATA}")


async def run(db: Database, name: str, **options: Any) -> list[ImportReport]:
    return await import_files(db, [DATA / name], ImportOptions(**options))


@pytest.mark.parametrize(
    ("name", "kept", "geometry_type", "crs"),
    [
        ("3_components/dc_cctv-street-cameras.geojson", 596, "Point", 4326),
        ("3_components/dc_fire-stations.geojson", 34, "Point", 4326),
        ("3_components/dc_litter-cans.geojson", 5265, "Point", 4326),
        ("3_components/dc_police-stations.geojson", 15, "Point", 4326),
        ("3_components/dc_sewers-inlets.geojson", 2772, "MultiPolygon", 4326),
        ("3_components/dc_traffic-camera.geojson", 339, "Point", 4326),
        ("3_components/dc_downtown_streetlights.csv", 3963, "Point", 4490),
        ("4_pipes/ky4_water/ky4_pipes.geojson", 1156, "MultiLineString", 3547),
        ("4_pipes/ky4_water/ky4_junctions.geojson", 959, "Point", 3547),
        ("4_pipes/ky4_water/ky4_reservoirs.geojson", 1, "Point", 3547),
        ("7_polygons/dc_ward-2012.geojson", 8, "MultiPolygon", 4326),
        ("7_polygons/dc_census-tracts-2010.geojson", 179, "MultiPolygon", 4326),
        ("7_polygons/dc_storm-sewer-system.geojson", 363, "MultiPolygon", 4326),
        ("7_polygons/taxi_zones/taxi_zones.shp", 263, "MultiPolygon", 2263),
        ("7_polygons/nyct2010_15b/nyct2010.shp", 2166, "MultiPolygon", 2263),
    ],
)
async def test_a_file_becomes_a_layer_of_its_own_with_every_row(
    database: Database, name: str, kept: int, geometry_type: str, crs: int
) -> None:
    (report,) = await run(database, name)
    assert (report.state, report.read, report.kept, report.refused) == ("published", kept, kept, 0)
    layer = await layer_of(database, report.layer_id)
    assert (layer.geometry_type, layer.feature_count, layer.theme) == (geometry_type, kept, "other")
    assert report.crs is not None
    assert report.crs.value.startswith(f"EPSG:{crs} ")


async def test_the_counties_of_luan_have_the_area_they_should_and_bad_rings_are_mended(
    database: Database,
) -> None:
    (report,) = await run(database, "1_admin/echarts_counties_luan.geojson", layer_id="district")
    assert (report.layer_id, report.kept) == ("district", 7)
    assert {c.rule: c.rows for c in report.counts}["geometry.mended"] == 4
    rows = await rows_of(database, "district")
    assert set(rows) >= {"341502", "341503", "341504"}
    shapes = [shapely.geometry.shape(row.geometry) for row in rows.values()]
    assert all(shape.is_valid for shape in shapes)
    assert area_m2(shapes).sum() / 1e6 == pytest.approx(15_428, abs=30)


async def test_the_wards_of_washington_keep_their_places(database: Database) -> None:
    await run(database, "7_polygons/dc_ward-2012.geojson")
    layer = await layer_of(database, "dc_ward_2012")
    assert layer.bounds is not None
    assert tuple(layer.bounds) == pytest.approx((-77.12, 38.792, -76.909, 38.996), abs=0.001)


async def test_sewers_of_rotterdam_come_flat_and_both_ends_of_each_exist(database: Database) -> None:
    (manholes,) = await run(database, "4_pipes/rotterdam_sewer/manholes.shp")
    (lines,) = await run(database, "4_pipes/rotterdam_sewer/sewer_lines.shp")
    assert (manholes.kept, lines.kept) == (231, 246)
    assert {c.rule: c.rows for c in lines.counts}["geometry.height"] == 246
    codes = {row.values["CODE"] for row in (await rows_of(database, "manholes")).values()}
    ends = [row.values for row in (await rows_of(database, "sewer_lines")).values()]
    assert all(end["BEGINPUT"] in codes and end["EINDPUT"] in codes for end in ends)


async def test_a_file_of_mixed_geometry_is_one_layer_that_keeps_them(database: Database) -> None:
    (report,) = await run(database, "2_osm/shanghai_centre_mixed.geojson")
    assert (report.kept, report.refused) == (4804, 0)
    assert (await layer_of(database, report.layer_id)).geometry_type == "Geometry"
    values = [row.values for row in (await rows_of(database, report.layer_id)).values()]
    assert any(value["name"] == "苏州河" for value in values)


async def test_topojson_gives_counties_but_for_the_empty_one(database: Database) -> None:
    name = "7_polygons/us_counties_10m.topojson"
    (refused,) = await run(database, name, table="counties")
    assert refused.is_refused
    assert [(f.rule, f.key) for f in refused.findings] == [("geometry.empty", "51610")]
    reports = await run(database, name, allow_refused=True)
    assert {r.layer_id.removeprefix("us_counties_10m_"): (r.kept, r.refused) for r in reports} == {
        "counties": (3230, 1),
        "states": (56, 0),
        "nation": (1, 0),
    }
    assert {c.rule: c.rows for c in reports[0].counts}["geometry.mended"] == 22


async def test_service_requests_carry_one_row_without_a_place(database: Database) -> None:
    name = "6_events/dc_service_requests_2016-08.csv.gz"
    (refused,) = await run(database, name)
    assert (refused.read, refused.kept) == (22_577, 22_576)
    assert [(f.rule, f.row) for f in refused.findings] == [("geometry.missing", 20_757)]


async def test_water_quality_keeps_every_result(database: Database) -> None:
    (report,) = await run(database, "5_env/water_quality_shepherdstown.csv.gz")
    assert (report.kept, report.refused) == (58_505, 0)


async def test_monaco_from_openstreetmap_fills_the_known_layers(database: Database) -> None:
    reports = await run(database, "2_osm/monaco_2021-04.osm.pbf")
    kept = {r.layer_id: (r.kept, r.refused) for r in reports}
    # 1,208 buildings are tagged; the ring of one is not closed
    assert kept["building"] == (1207, 0)
    assert set(kept) == {"building", "road", "address", "component"}
    classes = Counter(r.values["name"] for r in (await rows_of(database, "component")).values())
    assert (classes["行道树"], classes["路灯"], classes["垃圾箱"]) == (415, 17, 41)


async def test_a_water_network_and_its_gis_files_agree(database: Database) -> None:
    name = "4_pipes/ky4_water/ky4.inp"
    with pytest.raises(UnknownPlace):
        await run(database, name)
    nodes, lines = await run(database, name, crs="EPSG:3547", allow_refused=True)
    assert (nodes.kept, nodes.refused) == (959 + 4 + 1, 0)
    # both pumps stand where their two nodes stand
    assert (lines.kept, [f.rule for f in lines.findings]) == (1156, ["pipe.same_ends"] * 2)
    await run(database, "4_pipes/ky4_water/ky4_pipes.geojson")
    drawn = {row.values["name"]: row for row in (await rows_of(database, "ky4_pipes")).values()}
    for code, row in list((await rows_of(database, "pipe_line")).items())[:100]:
        assert row.values["start_node"] == drawn[code].values["start_node_name"]
        assert row.values["diameter_mm"] == pytest.approx(drawn[code].values["diameter"] * 1000, abs=0.1)
        mine, theirs = (shapely.geometry.shape(r.geometry) for r in (row, drawn[code]))
        assert mine.hausdorff_distance(theirs) < 1e-6


async def test_a_storm_sewer_model_gives_points_lines_and_subcatchments(database: Database) -> None:
    reports = await run(database, "4_pipes/cos_storm_drainage_swmm.inp", crs="EPSG:32633")
    kept = {r.layer_id: (r.kept, r.refused) for r in reports}
    assert kept["pipe_line"] == (121, 0)
    assert kept["pipe_node"][0] >= 120
    assert kept["cos_storm_drainage_swmm_subcatchment"] == (163, 0)


@pytest.mark.slow
async def test_addresses_and_buildings_of_new_york_come_whole(database: Database) -> None:
    (addresses,) = await run(database, "2_osm/nyc_osm_addresses.fgb.zip")
    (buildings,) = await run(database, "2_osm/nyc_osm_buildings.fgb.zip")
    assert (addresses.kept, buildings.kept) == (117_674, 102_034)
    assert buildings.layer_id == "nyc_osm_buildings"


@pytest.mark.slow
async def test_daily_means_of_chinese_cities_come_whole(database: Database) -> None:
    (report,) = await run(database, "5_env/china_city_pm25_daily.csv.gz")
    assert (report.kept, report.refused) == (200_385, 0)


async def test_a_table_of_codes_has_no_place_and_says_so(database: Database) -> None:
    before = await state_of(database)
    with pytest.raises(NoGeometry, match="areaCode"):
        await run(database, "1_admin/cn_codes/streets.csv")
    assert await state_of(database) == before


async def test_coordinates_that_are_strings_are_refused_and_short_rings_named(database: Database) -> None:
    before = await state_of(database)
    with pytest.raises(BadCoordinates):
        await run(database, "1_admin/malformed/china_outline_gcj02_string_coords.geojson")
    for frame in ("wgs84", "bd09"):
        (report,) = await run(database, f"1_admin/malformed/china_outline_{frame}_string_coords.geojson")
        assert [(f.rule, f.row) for f in report.findings] == [("geometry.unreadable", 1)]
    assert await state_of(database) == before


@pytest.mark.parametrize(
    "name", ["cog_uint16.tif", "ky4_dem.tif", "porto_alegre_dem.tif", "sentinel2_tci_cog.tif"]
)
async def test_rasters_of_other_places_are_read_where_that_is_allowed(
    database: Database, tmp_path: Path, name: str
) -> None:
    path = DATA / "8_raster" / name
    options = ImportOptions(anywhere=True)
    (report,) = await import_files(database, [path], options, rasters=tmp_path)
    assert report.state == "published"
    (raster,) = (await get_layer(database, report.layer_id)).rasters
    assert (raster.meaning == "elevation") == ("dem" in name)
    assert all(band.least is not None for band in raster.bands)
    assert (tmp_path / raster.name).stat().st_size == raster.size_bytes


async def test_requests_lie_in_the_ward_they_name_as_their_publisher_states(database: Database) -> None:
    """22,391 of the 22,427 that name a ward; the rest lie on its edge."""
    await run(database, "7_polygons/dc_ward-2012.geojson", layer_id="wards")
    await run(
        database, "6_events/dc_service_requests_2016-08.csv.gz", layer_id="requests", allow_refused=True
    )
    wards = await rows_of(database, "wards")
    agreed = named = 0
    shapes = {str(row.values["WARD"]): shapely.geometry.shape(row.geometry) for row in wards.values()}
    for shape in shapes.values():
        shapely.prepare(shape)
    layer = await layer_of(database, "requests")
    after: str | None = None
    while True:
        page = await features(database, scope_for(SYSTEM, layer), FeatureQuery(limit=10_000, after=after))
        for feature in page.features:
            ward = str(feature.properties["WARD"] or "")
            if ward not in shapes:
                continue
            named += 1
            assert feature.geometry is not None
            point = shapely.from_geojson(feature.geometry)
            agreed += bool(shapely.intersects(shapes[ward], point))
        after = page.next
        if after is None:
            break
    assert named == 22_427
    assert abs(agreed - 22_391) <= 1, "but for one that lies on an edge"
