"""The city's files, in the formats, encodings and coordinate systems such data really comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyogrio
import shapely

from gis.codes import component_class
from gis.crs import read_crs, reproject
from sample_data.addresses import Addresses
from sample_data.admin import Admin, Areas
from sample_data.buildings import Buildings
from sample_data.components import Components
from sample_data.departments import authority_of, department_names, maintainer_of, owner_of
from sample_data.frame import Floats, Ints
from sample_data.greens import Surfaces
from sample_data.names import SURNAMES
from sample_data.outlines import Geometries, Outlines
from sample_data.plan import Plan
from sample_data.points import PipeNodes
from sample_data.readings import Series, time_texts
from sample_data.roads import LANES, WORDS
from sample_data.segments import PipeLines
from sample_data.sheet import Column, write_sheet
from sample_data.stations import Network, Station, authority_name

PLANE = read_crs(4548)
ZONE_PREFIX_M = 39_000_000.0
"""What EPSG:4527 eastings have more than EPSG:4548 ones: the zone number in front."""
FILE_DATE = "2026-06-01"
"""Written wherever a format wants the date of the file, so that equal cities give equal files."""

Values = Sequence[object] | np.ndarray[tuple[int], np.dtype[np.generic]]


def to_degrees(geometries: Geometries, places: int) -> Geometries:
    """Geometries of EPSG:4548 in EPSG:4490, longitude first, rounded to `places` decimals of a degree."""
    moved = reproject(geometries, PLANE)
    return np.asarray(shapely.set_coordinates(moved, np.round(shapely.get_coordinates(moved), places)))


def points_to_degrees(x: Floats, y: Floats, places: int = 7) -> tuple[Floats, Floats]:
    """Longitudes and latitudes (EPSG:4490) of EPSG:4548 points."""
    degrees = shapely.get_coordinates(reproject(np.asarray(shapely.points(x, y), dtype=object), PLANE))
    return np.round(degrees[:, 0], places), np.round(degrees[:, 1], places)


# ---------------------------------------------------------------- base


def write_areas(out: Path, admin: Admin) -> None:
    """区县.geojson, 街道.geojson, 社区.geojson: nine decimals, so that they meet the grids to 0.1 mm."""
    streets = admin.streets.codes
    _write_areas(out / "区县.geojson", admin.districts, "区县", {"所属区县代码": admin.districts.codes})
    _write_areas(out / "街道.geojson", admin.streets, "街道", {"所属区县代码": [c[:6] for c in streets]})
    codes = admin.communities.codes
    above = {"所属区县代码": [c[:6] for c in codes], "所属街道代码": [c[:9] for c in codes]}
    _write_areas(out / "社区.geojson", admin.communities, "社区", above)


def _write_areas(path: Path, areas: Areas, word: str, above: Mapping[str, Values]) -> None:
    columns: dict[str, Values] = {
        f"{word}代码": areas.codes,
        f"{word}名称": areas.names,
        **above,
        "面积": np.round(shapely.area(areas.polygons), 1),
        "人口": areas.population,
    }
    _write_vector(
        path, "GeoJSON", to_degrees(areas.polygons, 9), "Polygon", columns, COORDINATE_PRECISION="9"
    )


def write_roads(out: Path, plan: Plan, outlines: Outlines) -> None:
    """道路.geojson: middle lines."""
    roads = plan.roads()
    columns: dict[str, Values] = {
        "道路编码": [f"DL{n:05d}" for n in range(1, len(roads) + 1)],
        "道路名称": [r.name for r in roads],
        "道路等级": [WORDS[r.kind] for r in roads],
        "路宽": np.array([r.half_width_m * 2 for r in roads]),
        "车道数": np.array([LANES[r.kind] for r in roads], dtype=np.int64),
        "路面": ["沥青" if LANES[r.kind] > 2 or n % 3 else "水泥" for n, r in enumerate(roads)],
    }
    lines = np.array([outlines.line(r.number) for r in roads], dtype=object)
    _write_vector(
        out / "道路.geojson", "GeoJSON", to_degrees(lines, 7), "LineString", columns, COORDINATE_PRECISION="7"
    )


def write_surfaces(out: Path, water: Surfaces, green: Surfaces) -> None:
    """水系.geojson and 绿地.geojson."""
    for word, areas in (("水系", water), ("绿地", green)):
        columns: dict[str, Values] = {
            f"{word}编码": areas.codes,
            f"{word}名称": areas.names,
            "类型": areas.kinds,
            "面积": np.round(shapely.area(areas.polygons), 1),
        }
        polygons = to_degrees(areas.polygons, 7)
        many = np.array([shapely.MultiPolygon(shapely.get_parts(p).tolist()) for p in polygons], dtype=object)
        _write_vector(
            out / f"{word}.geojson", "GeoJSON", many, "MultiPolygon", columns, COORDINATE_PRECISION="7"
        )


def write_grids(out: Path, outlines: Outlines, admin: Admin, rng: np.random.Generator) -> None:
    """单元网格.shp: GBK without .cpg, EPSG:4527 (eastings with the zone number)."""
    count = len(outlines.cells)
    moved = shapely.transform(outlines.cells, lambda xy: xy + np.array([ZONE_PREFIX_M, 0.0]))
    keeper = rng.integers(0, len(SURNAMES), len(admin.communities.codes))[admin.community_of_cell]
    digits = rng.integers(0, 100_000_000, len(admin.communities.codes))[admin.community_of_cell]
    days = np.datetime64("2021-03-01") + rng.integers(0, 900, count).astype("timedelta64[D]")
    columns: dict[str, Values] = {
        "BGCode": admin.grid_codes,
        "BGName": admin.grid_names,
        "BGArea": np.round(shapely.area(outlines.cells), 2),
        "ORDate": days.astype("datetime64[D]"),
        "网格员": [f"{SURNAMES[k]}某某" for k in keeper.tolist()],
        "联系电话": [f"100{d:08d}" for d in digits.tolist()],
        "Note": ["" for _ in range(count)],
    }
    path = out / "单元网格.shp"
    _write_vector(path, "ESRI Shapefile", moved, "Polygon", columns, crs="EPSG:4527", encoding="GBK",
                  RESIZE="YES", DBF_DATE_LAST_UPDATE=FILE_DATE)  # fmt: skip
    path.with_suffix(".cpg").unlink(missing_ok=True)


# ---------------------------------------------------------------- things


def write_buildings(out: Path, buildings: Buildings) -> None:
    """房屋.gpkg, EPSG:4490."""
    columns: dict[str, Values] = {
        "房屋编号": buildings.code,
        "不动产单元号": [code or None for code in buildings.real_estate_unit],
        "房屋名称": [name or None for name in buildings.name],
        "坐落": buildings.address,
        "用途": buildings.use,
        "结构": buildings.structure,
        "总层数": buildings.floors_above + buildings.floors_below,
        "地上层数": buildings.floors_above,
        "地下层数": buildings.floors_below,
        "建筑面积": buildings.floor_area_m2,
        "占地面积": buildings.footprint_m2,
        "高度": buildings.height_m,
        "建成年份": buildings.year,
        "状态": buildings.state,
        "权利人": buildings.owner,
        "联系电话": buildings.phone,
    }
    path = out / "房屋.gpkg"
    _write_vector(
        path, "GPKG", to_degrees(buildings.polygons, 8), "Polygon", columns, layer="房屋", SPATIAL_INDEX="NO"
    )


def write_components(out: Path, components: Components, admin: Admin) -> None:
    """城市部件.csv: UTF-8 with a byte-order mark, legacy column names, longitude and latitude.

    The maintainer is left empty where the owner maintains what it owns.
    """
    longitude, latitude = points_to_degrees(components.x, components.y)
    kinds, classes = components.class_number, components.classes
    names = department_names()
    others = [c if maintainer_of(c) != owner_of(c) else "" for c in classes]
    columns: dict[str, pa.Array] = {
        "ObjID": pa.array(components.code),
        "ObjName": _picked([component_class(c, "2013").title for c in classes], kinds),
        "DeptCode1": _picked([authority_of(c) for c in classes], kinds),
        "DeptName1": _picked([names[authority_of(c)] for c in classes], kinds),
        "DeptCode2": _picked([owner_of(c) for c in classes], kinds),
        "DeptName2": _picked([names[owner_of(c)] for c in classes], kinds),
        "DeptCode3": _picked([c and maintainer_of(c) for c in others], kinds),
        "DeptName3": _picked([c and names[maintainer_of(c)] for c in others], kinds),
        "BGID": _picked(admin.grid_codes, components.cell),
        "ObjState": _texts(components.state),
        "Material": _texts(components.material),
        "ORDate": _texts(components.initial),
        "CHDate": _texts(components.changed),
        "经度": pa.array(longitude),
        "纬度": pa.array(latitude),
    }
    with (out / "城市部件.csv").open("wb") as file:
        file.write("\ufeff".encode() + ",".join(columns).encode() + b"\n")
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
        pyarrow.csv.write_csv(pa.table(columns), file, options)


def _picked(words: Sequence[str], positions: Ints) -> pa.Array:
    """`words[position]` for each position."""
    return pa.array(words).take(pa.array(positions))


def _texts(values: np.ndarray[tuple[int], np.dtype[np.str_]]) -> pa.Array:
    words, positions = np.unique(values, return_inverse=True)
    return _picked(words.tolist(), positions)


def write_pipes(out: Path, nodes: PipeNodes, lines: PipeLines) -> None:
    """管点表.xlsx (X is northing, Y easting, EPSG:4548) and 管线表.xlsx."""
    points: dict[str, Column] = {
        "物探点号": nodes.code,
        "管线大类": nodes.pipe_class,
        "管线小类": nodes.pipe_subclass,
        "X": nodes.y,
        "Y": nodes.x,
        "地面高程": nodes.ground_m,
        "特征": nodes.feature,
        "附属物": nodes.appendage,
        "井底深": nodes.well_m,
        "权属单位": nodes.owner,
        "建设日期": nodes.built,
        "所在道路": nodes.road,
        "状态": nodes.state,
    }
    segments: dict[str, Column] = {
        "起点点号": nodes.code[lines.start],
        "终点点号": nodes.code[lines.end],
        "管线大类": lines.pipe_class,
        "管线小类": lines.pipe_subclass,
        "材质": lines.material,
        "管径断面": lines.section,
        "起点埋深": lines.start_depth_m,
        "终点埋深": lines.end_depth_m,
        "起点高程": lines.start_elevation_m,
        "终点高程": lines.end_elevation_m,
        "流向": lines.flow,
        "压力": lines.pressure,
        "电压": lines.voltage,
        "埋设方式": lines.burial,
        "电缆条数": lines.cable_count,
        "总孔数": lines.hole_total,
        "已用孔数": lines.hole_used,
        "权属单位": lines.owner,
        "建设日期": lines.built,
        "所在道路": lines.road,
        "状态": lines.state,
    }
    for name, columns in (("管点表", points), ("管线表", segments)):
        write_sheet(out / f"{name}.xlsx", name, list(columns), list(columns.values()))


def write_addresses(out: Path, addresses: Addresses) -> None:
    """门牌地址.csv: GBK, EPSG:4490."""
    longitude, latitude = points_to_degrees(addresses.x, addresses.y)
    rows = zip(addresses.code, addresses.full, addresses.road, addresses.number, addresses.building,
               longitude.tolist(), latitude.tolist(), strict=True)  # fmt: skip
    with (out / "门牌地址.csv").open("w", encoding="gbk", newline="\n") as file:
        file.write("地址编码,标准地址,街路巷,门牌号,房屋编号,经度,纬度\n")
        file.writelines(f"{a},{b},{c},{d},{e},{x:.7f},{y:.7f}\n" for a, b, c, d, e, x, y in rows)


def write_stations(out: Path, stations: Sequence[Station]) -> None:
    """监测站点.geojson, EPSG:4490."""
    points = np.array([shapely.Point(s.x, s.y) for s in stations], dtype=object)
    columns: dict[str, Values] = {
        "站点编码": [s.code for s in stations],
        "站点名称": [s.name for s in stations],
        "站点类型": [s.network.title for s in stations],
        "主管部门": [authority_name(s) for s in stations],
        "地址": [s.address for s in stations],
        "建站日期": [s.established for s in stations],
        "状态": ["在用" for _ in stations],
        "监测指标": ["、".join(s.network.indicators) for s in stations],
    }
    _write_vector(
        out / "监测站点.geojson", "GeoJSON", to_degrees(points, 7), "Point", columns, COORDINATE_PRECISION="7"
    )


def write_readings(out: Path, series: Iterator[Series]) -> int:
    """监测数据_….csv, one file per network: a row per station and time, a column per indicator; all rows."""
    times, count = time_texts(), 0
    for network, group in groupby(series, key=lambda one: one.station.network):
        with (out / readings_file(network)).open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"站点编码,监测时间,{','.join(network.indicators)}\n")
            for one in group:
                for hour, *values in zip(one.hour.tolist(), *one.values, strict=True):
                    file.write(f"{one.station.code},{times[hour]},{','.join(values)}\n")
                count += len(one.hour)
    return count


def readings_file(network: Network) -> str:
    """The name of the file that holds a network's readings."""
    return f"监测数据_{network.word}.csv"


# ---------------------------------------------------------------- vector files


@contextmanager
def _fixed_date() -> Iterator[None]:
    """GDAL writes FILE_DATE instead of the clock."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{FILE_DATE}T00:00:00.000Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _write_vector(
    path: Path,
    driver: str,
    geometries: Geometries,
    geometry_type: str,
    columns: Mapping[str, Values],
    *,
    crs: str = "EPSG:4490",
    layer: str | None = None,
    encoding: str = "UTF-8",
    **options: str,
) -> None:
    """One layer to a new file."""
    path.unlink(missing_ok=True)
    data = [_field(values) for values in columns.values()]
    with _fixed_date():
        pyogrio.raw.write(
            str(path),
            shapely.to_wkb(geometries),
            data,
            list(columns),
            driver=driver,
            layer=layer or path.stem,
            geometry_type=geometry_type,
            crs=crs,
            encoding=encoding,
            **options,
        )


def _field(values: Values) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
    """Numbers and dates as they are, texts as objects (None stays None)."""
    array = np.asarray(values)
    return array if array.dtype.kind in "ifM" else np.asarray(values, dtype=object)
