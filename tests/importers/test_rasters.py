"""GeoTIFFs as people have them become versions of raster layers, or are refused with the reason."""

from __future__ import annotations

import base64
import warnings
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from gis.crs import read_crs
from importers.errors import BadFile, NoMatch, NotWhatItSays, Truncated, UnknownPlace, Unreadable
from importers.options import ImportOptions
from importers.raster_picture import SIDE, drawn_apart
from importers.run import import_files, stage_files
from importers.taken import date_in, when_taken, without_date
from layers.access import ANONYMOUS, SYSTEM
from layers.catalogue import get_layer, list_layers, set_access, versions
from layers.db import Database
from layers.errors import BadRequest, Conflict, LoginNeeded, NotFound
from layers.model import Layer, Text
from layers.publish import roll_back, withdraw
from layers.rasters import by_date, last_day, raster_scope
from tests.importers.specimens import sources
from tests.pictures import CENTRE, EASTING, NORTHING, decoded, eastings, write_tif
from tests.tiles.town import put, shop_layer, shops

GREEN = np.tile(np.array([60, 140, 70], dtype=np.uint8)[:, None, None], (1, 64, 64))


@pytest.fixture
def rasters(tmp_path: Path) -> Path:
    return tmp_path / "rasters"


async def brought(db: Database, rasters: Path, *paths: Path, **said: Any) -> list[Any]:
    return await import_files(db, paths, ImportOptions(**said), rasters=rasters)


async def test_an_image_becomes_a_layer_of_its_own(database: Database, tmp_path: Path, rasters: Path) -> None:
    tif = write_tif(tmp_path / "正射影像_2024年5月.tif", GREEN)
    (report,) = await brought(database, rasters, tif)
    assert report.state == "published"
    layer = await get_layer(database, report.layer_id)
    assert (layer.kind, layer.title.zh, layer.access, layer.version) == ("raster", "正射影像", "login", 1)
    (raster,) = layer.rasters
    assert (raster.taken, raster.meaning, raster.width, raster.height) == ("2024-05", "image", 64, 64)
    assert raster.crs.startswith("EPSG:4548")
    assert raster.pixel_m == pytest.approx(10, rel=0.01)
    assert layer.bounds == raster.bounds
    assert raster.bounds.west == pytest.approx(116.493, abs=0.002)
    with rasterio.open(rasters / raster.name) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.read() == GREEN).all()
    assert "文件名" in report.text("zh")
    assert "from the file's name" in report.text("en")


async def test_overviews_and_tiles_are_made(database: Database, tmp_path: Path, rasters: Path) -> None:
    big = np.random.default_rng(0).integers(0, 255, (3, 1500, 1500), dtype=np.uint8)
    (report,) = await brought(database, rasters, write_tif(tmp_path / "big.tif", big))
    layer = await get_layer(database, report.layer_id)
    with rasterio.open(rasters / layer.rasters[0].name) as file:
        assert file.overviews(1)[:2] == [2, 4]
        assert file.block_shapes[0] == (256, 256)


async def test_two_dates_of_one_name_are_two_versions_of_one_layer(
    database: Database, tmp_path: Path, rasters: Path
) -> None:
    paths = [write_tif(tmp_path / f"image_{year}.tif", GREEN + year % 100) for year in (2026, 2024)]
    reports = await brought(database, rasters, *paths, layer_id="image", title="影像")
    assert [report.state for report in reports] == ["published", "published"]
    layer = await get_layer(database, "image")
    assert [(one.version, one.taken) for one in layer.rasters] == [(1, "2024"), (2, "2026")]
    assert len(await versions(database, "image")) == 2
    later = write_tif(tmp_path / "image_2022.tif", GREEN)
    await brought(database, rasters, later, layer_id="image")
    layer = await get_layer(database, "image")
    assert [one.taken for one in by_date(layer)] == ["2026", "2024", "2022"]
    assert raster_scope(SYSTEM, layer)[1].taken == "2026"
    assert raster_scope(SYSTEM, layer, moment="2025-06-01")[1].taken == "2024"
    assert raster_scope(SYSTEM, layer, moment="2024")[1].taken == "2024"
    assert raster_scope(SYSTEM, layer, version=3)[1].taken == "2022"
    with pytest.raises(NotFound, match="2022"):
        raster_scope(SYSTEM, layer, moment="2021-12-31T23:00:00+08:00")
    with pytest.raises(BadRequest):
        raster_scope(SYSTEM, layer, moment="yesterday")
    with pytest.raises(BadRequest):
        raster_scope(SYSTEM, layer, version=1, moment="2024")


async def test_the_same_file_again_makes_no_version_and_a_better_one_takes_its_place(
    database: Database, tmp_path: Path, rasters: Path
) -> None:
    tif = write_tif(tmp_path / "image_2024.tif", GREEN)
    await brought(database, rasters, tif)
    (again,) = await brought(database, rasters, tif)
    assert again.state == "unchanged"
    (report,) = await brought(database, rasters, write_tif(tif, GREEN + 1))
    assert (report.state, report.version) == ("published", 2)
    layer = await get_layer(database, report.layer_id)
    assert [one.version for one in by_date(layer)] == [2]
    assert raster_scope(SYSTEM, layer, version=1)[1].version == 1
    with pytest.raises(Conflict, match="roll back"):
        await roll_back(database, layer.id, 1, by="test")


async def test_a_dry_run_publishes_nothing_and_writes_no_file(
    database: Database, tmp_path: Path, rasters: Path
) -> None:
    (report,) = await brought(database, rasters, write_tif(tmp_path / "a.tif", GREEN), dry_run=True)
    assert report.state == "dry_run"
    assert not rasters.exists()
    assert all(layer.kind != "raster" for layer in await list_layers(database))


async def test_rights_are_those_of_any_layer(database: Database, tmp_path: Path, rasters: Path) -> None:
    await brought(database, rasters, write_tif(tmp_path / "image.tif", GREEN))
    layer = await get_layer(database, "image")
    with pytest.raises(LoginNeeded):
        raster_scope(ANONYMOUS, layer)
    await set_access(database, "image", "public")
    assert raster_scope(ANONYMOUS, await get_layer(database, "image"))[1].version == 1
    await withdraw(database, "image", by="test")
    with pytest.raises(NotFound):
        raster_scope(ANONYMOUS, await get_layer(database, "image"))


@pytest.mark.parametrize("epsg", [4548, 4527, 4490, 4326, 32650, 3857])
async def test_any_reference_system_lands_in_the_same_place(
    database: Database, tmp_path: Path, rasters: Path, epsg: int
) -> None:
    from pyproj import Transformer

    to = Transformer.from_crs(4490, epsg, always_xy=True)
    west, north = to.transform(116.5, 31.74)
    east, south = to.transform(116.51, 31.73)
    step = ((east - west) / 64, (south - north) / 64)
    tif = write_tif(tmp_path / "image.tif", GREEN, crs=epsg, corner=(west, north), step=step)
    await brought(database, rasters, tif)
    layer = await get_layer(database, "image")
    assert layer.bounds is not None
    assert layer.bounds == pytest.approx((116.5, 31.73, 116.51, 31.74), abs=4e-4)


async def test_a_tfw_and_a_prj_beside_it_say_where_it_is(
    database: Database, tmp_path: Path, rasters: Path
) -> None:
    _unplaced(tmp_path / "航片.tif")
    (tmp_path / "航片.tfw").write_text(f"10\n0\n0\n-10\n{EASTING + 5}\n{NORTHING - 5}\n")
    (tmp_path / "航片.PRJ").write_text(read_crs(4548).to_wkt("WKT1_ESRI"))
    packed = tmp_path / "航片.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("航片.tif", "航片.tfw", "航片.PRJ"):
            archive.write(tmp_path / name, name)
    for given in (tmp_path / "航片.tif", packed):
        (report,) = await brought(database, rasters, given, anywhere=True)
        layer = await get_layer(database, report.layer_id)
        assert layer.rasters[0].crs.startswith("EPSG:4548")
        assert layer.rasters[0].bounds.west == pytest.approx(116.493, abs=0.002)
        assert ".PRJ" in report.text("zh")


async def test_without_a_reference_system_the_numbers_tell_the_zone_and_it_is_said(
    database: Database, tmp_path: Path, rasters: Path
) -> None:
    prefixed = write_tif(tmp_path / "a.tif", GREEN, crs=None, corner=(39_452_000.0, NORTHING))
    (report,) = await brought(database, rasters, prefixed)
    assert report.crs is not None
    assert report.crs.value.startswith("EPSG:4527")
    assert "39" in report.crs.zh
    bare = write_tif(tmp_path / "b.tif", GREEN, crs=None)
    with pytest.raises(UnknownPlace, match="EPSG:4548") as refused:
        await brought(database, rasters, bare)
    assert "EPSG" in refused.value.zh
    (report,) = await brought(database, rasters, bare, crs="EPSG:4548")
    assert report.state == "published"


@pytest.mark.parametrize(
    ("bands", "name", "meaning"),
    [
        (eastings(8, 8), "dem.tif", "elevation"),
        (eastings(8, 8).astype(np.int16), "高程_2024.tif", "elevation"),
        (eastings(8, 8), "noise.tif", "values"),
        (eastings(8, 8).astype(np.uint8), "grey.tif", "image"),
        (np.ones((4, 8, 8), dtype=np.uint16), "satellite.tif", "image"),
        (np.ones((3, 8, 8), dtype=np.float32), "three.tif", "values"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
async def test_what_the_pixels_are_is_told_from_them(
    database: Database, tmp_path: Path, rasters: Path, bands: np.ndarray, name: str, meaning: str
) -> None:
    (report,) = await brought(database, rasters, write_tif(tmp_path / name, bands), layer_id="one")
    assert (await get_layer(database, "one")).rasters[0].meaning == meaning
    assert meaning in report.text("en")


async def test_what_is_nothing_is_left_out_of_the_range(
    database: Database, tmp_path: Path, rasters: Path
) -> None:
    heights = eastings(64, 64)
    heights[0, :5] = -9999
    declared = write_tif(tmp_path / "declared_dem.tif", heights, nodata=-9999)
    silent = write_tif(tmp_path / "silent_dem.tif", heights)
    for tif in (declared, silent):
        (report,) = await brought(database, rasters, tif)
        (band,) = (await get_layer(database, report.layer_id)).rasters[0].bands
        assert (band.least, band.most) == (5.0, 635.0)
        assert ("-9999" in report.text("en")) == (tif == silent)


async def test_near_infrared_that_is_called_alpha_is_a_band(
    database: Database, tmp_path: Path, rasters: Path
) -> None:
    bands = np.random.default_rng(0).integers(1, 250, (4, 64, 64), dtype=np.uint8)
    (report,) = await brought(database, rasters, write_tif(tmp_path / "image.tif", bands))
    assert len((await get_layer(database, "image")).rasters[0].bands) == 4
    assert "alpha" in report.text("en")
    bands[3] = 255
    bands[3, :9] = 0
    await brought(database, rasters, write_tif(tmp_path / "hidden.tif", bands))
    assert len((await get_layer(database, "hidden")).rasters[0].bands) == 3


def _unplaced(path: Path, **profile: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        size: Any = {"count": 3, "width": 64, "height": 64, "dtype": "uint8"}
        with rasterio.open(path, "w", driver="GTiff", **size, **profile) as file:
            file.write(GREEN)


def _no_place(path: Path) -> None:
    _unplaced(path)


def _control_points(path: Path) -> None:
    points = [GroundControlPoint(r, c, 116.5 + c / 9000, 31.7 - r / 9000) for r in (0, 64) for c in (0, 64)]
    _unplaced(path, gcps=points, crs="EPSG:4490")


def _rotated(path: Path) -> None:
    write_tif(path, GREEN, transform=Affine.translation(EASTING, NORTHING) @ Affine.rotation(20))


def _flipped(path: Path) -> None:
    write_tif(path, GREEN, step=(10.0, 10.0))


def _cut_short(path: Path) -> None:
    write_tif(path, np.random.default_rng(0).integers(0, 255, (3, 300, 300), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:150_000])


def _cut_in_the_header(path: Path) -> None:
    write_tif(path, GREEN)
    path.write_bytes(path.read_bytes()[:60])


def _text(path: Path) -> None:
    path.write_text("这不是图片 " * 20)


def _web_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html><body>请登录</body></html>")


def _complex(path: Path) -> None:
    write_tif(path, np.ones((1, 8, 8), dtype=np.complex64))


def _too_large(path: Path) -> None:
    profile = {"SPARSE_OK": "TRUE", "tiled": True, "BIGTIFF": "YES"}
    with rasterio.open(
        path, "w", driver="GTiff", count=1, width=400_000, height=400_000, dtype="uint8", crs="EPSG:4548",
        transform=Affine(0.01, 0, EASTING, 0, -0.01, NORTHING), **profile,
    ):  # fmt: skip
        pass


def _wrong_zone(path: Path) -> None:
    write_tif(path, GREEN, crs=4547)


def _no_crs_at_sea(path: Path) -> None:
    write_tif(path, GREEN, crs=None, corner=(10.0, 20_000_000.0))


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (_no_place, UnknownPlace, "tfw"),
        (_control_points, UnknownPlace, "4 control points"),
        (_rotated, UnknownPlace, "rotated"),
        (_flipped, UnknownPlace, "flipped"),
        (_cut_short, Truncated, "cut short"),
        (_cut_in_the_header, Unreadable, "GeoTIFF"),
        (_text, Unreadable, "GeoTIFF"),
        (_web_page, NotWhatItSays, "web page"),
        (_complex, BadFile, "complex64"),
        (_too_large, BadFile, "too many"),
        (_wrong_zone, UnknownPlace, "far outside the city"),
        (_no_crs_at_sea, UnknownPlace, "reference system"),
    ],
    ids=lambda v: v.__name__.strip("_") if callable(v) and not isinstance(v, type) else "",
)
async def test_what_cannot_be_served_is_refused_with_the_reason_and_leaves_nothing(
    database: Database, tmp_path: Path, rasters: Path, make: Any, error: type[BadFile], said: str
) -> None:
    await _put_a_district(database)
    make(tmp_path / "影像.tif")
    with pytest.raises(error, match=said) as refused:
        await brought(database, rasters, tmp_path / "影像.tif")
    assert "影像.tif" in refused.value.zh
    assert refused.value.facts["expected"]
    assert all(layer.kind != "raster" for layer in await list_layers(database))
    assert not [path for path in rasters.rglob("*") if path.is_file()]


async def _put_a_district(database: Database) -> None:
    """Makes the city's box known: a district of 20 km round the specimens."""
    from sqlalchemy import update

    from layers import schema

    async with database.begin() as connection:
        box = [116.4, 31.6, 116.6, 31.8]
        await connection.execute(
            update(schema.layer).where(schema.layer.c.id == "district").values(bounds=box, version=1)
        )


async def test_rasters_and_rows_do_not_share_a_layer(
    database: Database, tmp_path: Path, rasters: Path
) -> None:
    await put(database, shop_layer(), shops(3))
    tif = write_tif(tmp_path / "image.tif", GREEN)
    with pytest.raises(NoMatch, match="no raster layer"):
        await brought(database, rasters, tif, layer_id="shop")
    await brought(database, rasters, tif)
    table = tmp_path / "image.csv"
    table.write_text("name,lon,lat\na,116.5,31.7\n")
    with pytest.raises(NoMatch, match="takes no rows"):
        await brought(database, rasters, table)
    dem = write_tif(tmp_path / "dem.tif", eastings(8, 8))
    with pytest.raises(NoMatch, match="image"):
        await brought(database, rasters, dem, layer_id="image")


async def test_over_http_a_raster_is_sent_to_the_command_line(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="onemap import"):
        await stage_files(
            database, [write_tif(tmp_path / "image.tif", GREEN)], ImportOptions(), lambda step: None
        )


async def test_a_folder_is_searched_for_rasters_and_what_belongs_to_them_is_passed_over(
    database: Database, tmp_path: Path, rasters: Path
) -> None:
    folder = tmp_path / "成果"
    write_tif(folder / "image_2024.tif", GREEN)
    write_tif(folder / "sub" / "dem.TIF", eastings(8, 8))
    for name in ("image_2024.tif.aux.xml", "image_2024.tif.ovr", "image_2024.tfw", "readme.pdf"):
        (folder / name).write_text("x")
    reports = await brought(database, rasters, folder)
    assert sorted(report.layer_id for report in reports) == ["dem", "image"]


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("正射影像_2024年5月3日.tif", "2024-05-03"),
        ("image-2024-05.tif", "2024-05"),
        ("S2_20240501_B4.tif", "2024-05-01"),
        ("影像2026.tif", "2026"),
        ("CGCS2000_dem.tif", None),
        ("国家2000坐标_2023.tif", "2023"),
        ("dem_4548.tif", None),
        ("tile_20241350.tif", None),
        ("120240501.tif", None),
    ],
)
def test_a_date_is_found_in_a_name_only_where_it_is_one(name: str, taken: str | None) -> None:
    assert date_in(name) == taken


def test_a_date_that_is_said_goes_before_all_others() -> None:
    options = ImportOptions(date="2019-04")
    assert when_taken("image_2024.tif", None, options, date(2026, 1, 1)).value == "2019-04"
    with pytest.raises(BadRequest):
        when_taken("a.tif", None, ImportOptions(date="2019-13"), date(2026, 1, 1))
    assert when_taken("image_2050.tif", None, ImportOptions(), date(2026, 1, 1)).value == "2026-01-01"
    assert without_date("image_2024-05-01_v2") == "image_v2"


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2024", date(2024, 12, 31)),
        ("2024-02", date(2024, 2, 29)),
        ("2024-02-03", date(2024, 2, 3)),
        ("2024-02-03T20:00:00Z", date(2024, 2, 4)),
        ("2024-02-03T20:00:00+08:00", date(2024, 2, 3)),
    ],
)
def test_a_moment_counts_to_the_end_of_its_day_in_china(moment: str, day: date) -> None:
    assert last_day(moment) == day


@pytest.mark.parametrize("moment", ["", "24", "2024-13", "2024-02-31", "2024-02-03T25:00:00Z", "now"])
def test_what_is_no_moment_is_refused(moment: str) -> None:
    with pytest.raises(BadRequest):
        last_day(moment)


def test_a_raster_layer_with_fields_is_no_description() -> None:
    from layers.description import check, from_json, to_json
    from layers.errors import BadData
    from layers.model import Field

    layer = Layer("a", Text("甲", "a"), "imagery", "Geometry", (), kind="raster")
    assert from_json(to_json(layer), where="test") == layer
    with pytest.raises(BadData):
        check(
            Layer("a", Text("甲", "a"), "imagery", "Geometry", (Field("n", Text("n", "n")),), kind="raster")
        )


def test_a_small_picture_is_made_of_any_raster_that_can_be_read(tmp_path: Path) -> None:
    photo = np.stack([np.full((900, 600), n, np.uint8) for n in (200, 100, 50)])
    palette = {0: (0, 0, 0, 255), 1: (0, 200, 0, 255)}
    for name, bands, more in (
        ("照片", photo, {}),
        ("高程", eastings(), {"nodata": -9999.0}),
        ("分类", np.ones((1, 40, 40), np.uint8), {"palette": palette}),
    ):
        [source] = sources(write_tif(tmp_path / f"{name}.tif", bands, **more))
        assert source.pixels is not None
        assert source.crs is not None
        drawn = drawn_apart(source.path, source.pixels, source.crs)
        assert drawn is not None, name
        corners = np.array(drawn["corners"])
        assert corners.mean(axis=0) == pytest.approx(CENTRE, abs=0.04)
        assert corners[0][0] < corners[1][0]
        assert corners[0][1] > corners[3][1]
        made = decoded(base64.b64decode(drawn["image"].partition(",")[2]))
        assert max(made.shape) <= SIDE
        middle = made[:, made.shape[1] // 2, made.shape[2] // 2]
        if name == "照片":
            assert middle[:3].tolist() == pytest.approx([200, 100, 50], abs=12)
        if name == "分类":
            assert middle[1] > 150


def test_a_damaged_raster_has_no_picture_and_ends_nobody(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "a.tif", eastings(), compress="deflate")
    [source] = sources(path)
    path.write_bytes(path.read_bytes()[:600])
    assert source.pixels is not None
    assert source.crs is not None
    assert drawn_apart(path, source.pixels, source.crs) is None
