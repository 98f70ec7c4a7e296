"""A small city, made once: its files agree with the standards, with the ground and with each other."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import numpy as np
import openpyxl
import pyogrio
import pytest
import shapely

from gis.codes import component_class, parse_component_code, parse_grid_code, pipe_classes, pipe_subclasses
from gis.crs import read_crs, reproject
from gis.tables.indicators import INDICATORS
from layers.description import known_layers
from layers.model import Layer
from sample_data.make import Manifest, make_city

SCALE = 0.004
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    out = tmp_path_factory.mktemp("city")
    return out, make_city(out, SCALE)


@pytest.fixture(scope="module")
def city(made: tuple[Path, Manifest]) -> Path:
    return made[0]


def shapes(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Geometries in EPSG:4548 metres, rounded to a tenth of a millimetre, and the columns."""
    meta, _, wkb, columns = pyogrio.raw.read(str(path), encoding="GBK" if path.suffix == ".shp" else None)
    ground = reproject(shapely.from_wkb(wkb), read_crs(meta["crs"]), read_crs(4548))
    return ground, dict(zip(meta["fields"].tolist(), columns, strict=True))


def table(path: Path) -> Rows:
    with path.open(encoding="gbk" if path.name.startswith("门牌") else "utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@lru_cache
def sheet(path: Path) -> Rows:
    with closing(openpyxl.load_workbook(path, read_only=True)) as book:
        rows = book.worksheets[0].iter_rows(values_only=True)
        titles = [str(title) for title in next(rows)]
        return [dict(zip(titles, row, strict=True)) for row in rows]  # type: ignore[arg-type]


def ground(rows: Rows) -> np.ndarray:
    degrees = np.array([(float(r["经度"]), float(r["纬度"])) for r in rows])
    return reproject(shapely.points(degrees), read_crs(4490), read_crs(4548))


def layer(layer_id: str) -> Layer:
    return next(each for each in known_layers() if each.id == layer_id)


# ---------------------------------------------------------------- the whole


def test_counts_are_what_the_scale_asks_for(made: tuple[Path, Manifest]) -> None:
    counts = made[1].counts
    assert counts["unit_grid"] == pytest.approx(48, abs=4)
    assert counts["component"] == pytest.approx(4_000, rel=0.02)
    assert counts["building"] == pytest.approx(1_200, rel=0.02)
    assert counts["pipe_line"] == pytest.approx(1_200, rel=0.02)


def test_the_same_seed_makes_the_same_bytes(city: Path, tmp_path: Path) -> None:
    make_city(tmp_path, SCALE)
    for path in sorted(city.iterdir()):
        again = (tmp_path / path.name).read_bytes()
        assert hashlib.sha256(again).digest() == hashlib.sha256(path.read_bytes()).digest(), path.name


def test_another_seed_makes_another_city(city: Path, tmp_path: Path) -> None:
    make_city(tmp_path, SCALE, seed=7)
    assert (tmp_path / "道路.geojson").read_bytes() != (city / "道路.geojson").read_bytes()


def test_a_count_may_be_asked_for_by_layer(tmp_path: Path) -> None:
    counts = make_city(tmp_path, 0.002, counts={"building": 1_000, "pipe_line": 400}).counts
    assert counts["building"] == pytest.approx(1_000, rel=0.05)
    assert counts["pipe_line"] == pytest.approx(400, rel=0.05)


@pytest.mark.parametrize(
    "wrong", [{"scale": 0.0}, {"scale": 3.0}, {"counts": {"building": 0}}, {"counts": {"x": 1}}]
)
def test_a_senseless_size_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"scale|count"):
        make_city(tmp_path, **wrong)  # type: ignore[arg-type]


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    make_city(tmp_path, 0.002, progress=lambda stage, done, total: told.append((stage, done, total)))
    assert len({stage for stage, *_ in told}) == 6
    assert told[-1][1] == told[-1][2]


def test_the_manifest_tells_every_file(city: Path) -> None:
    manifest = json.loads((city / "MANIFEST.json").read_text(encoding="utf-8"))
    sidecars = {".shx", ".dbf", ".prj", ".json"}
    assert {p.name for p in city.iterdir() if p.suffix not in sidecars} == set(manifest["files"])
    assert manifest["seed"] == 20260601


# ---------------------------------------------------------------- areas


def test_grids_tile_communities_without_gap_or_overlap(city: Path) -> None:
    grids, columns = shapes(city / "单元网格.shp")
    grids = shapely.set_precision(grids, 0.0)
    exact = np.round(shapely.get_coordinates(grids), 2)
    grids = shapely.set_coordinates(grids, exact)
    assert shapely.coverage_is_valid(grids)
    communities, names = shapes(city / "社区.geojson")
    communities = shapely.set_coordinates(communities, np.round(shapely.get_coordinates(communities), 2))
    assert shapely.coverage_is_valid(communities)
    for code, community in zip(names["社区代码"], communities, strict=True):
        mine = grids[[c.startswith(code) for c in columns["BGCode"]]]
        assert shapely.coverage_union_all(mine).equals(community), code
        assert shapely.area(mine).sum() == pytest.approx(community.area, abs=1e-4)


def test_streets_tile_districts_and_communities_tile_streets(city: Path) -> None:
    ranks = [shapes(city / f"{word}.geojson") for word in ("社区", "街道", "区县")]
    totals = [float(shapely.area(polygons).sum()) for polygons, _ in ranks]
    assert totals[0] == pytest.approx(totals[1], abs=0.01)
    assert totals[1] == pytest.approx(totals[2], abs=0.01)
    districts = set(ranks[2][1]["区县代码"])
    assert districts == {"341502", "341503"}
    assert {code[:6] for code in ranks[1][1]["街道代码"]} == districts


def test_grids_are_about_a_hectare_and_follow_bent_roads(city: Path) -> None:
    grids, _ = shapes(city / "单元网格.shp")
    area = shapely.area(grids)
    assert area.min() > 3_000
    assert area.max() < 30_000
    assert 8_000 < area.mean() < 12_000
    roads, _ = shapes(city / "道路.geojson")
    edges = shapely.union_all(shapely.boundary(grids)).buffer(0.5)
    assert (
        float(shapely.length(shapely.intersection(roads, edges)).sum()) > 0.98 * shapely.length(roads).sum()
    )


def test_grid_codes_are_valid_and_run_from_west_to_east(city: Path) -> None:
    grids, columns = shapes(city / "单元网格.shp")
    codes = columns["BGCode"].tolist()
    assert len(set(codes)) == len(codes)
    by_community: dict[str, list[int]] = {}
    for code in codes:
        by_community.setdefault(parse_grid_code(code).community, []).append(int(code[12:]))
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in by_community.values())
    first = {
        code[:12]: shapely.get_y(shapely.centroid(g))
        for code, g in zip(codes, grids, strict=True)
        if code[12:] == "001"
    }
    for code, grid in zip(codes, grids, strict=True):
        assert shapely.get_y(shapely.centroid(grid)) < first[code[:12]] + 95


def test_the_grid_file_is_gbk_without_cpg(city: Path) -> None:
    assert not (city / "单元网格.cpg").exists()
    assert "网格员".encode("gbk") in (city / "单元网格.dbf").read_bytes()
    bounds = pyogrio.read_info(str(city / "单元网格.shp"), encoding="GBK")["total_bounds"]
    assert 39_400_000 < bounds[0] < 39_500_000


# ---------------------------------------------------------------- things


def test_components_have_codes_of_their_class_and_stand_in_the_grid_they_name(city: Path) -> None:
    rows = table(city / "城市部件.csv")
    grids, columns = shapes(city / "单元网格.shp")
    polygon = dict(zip(columns["BGCode"].tolist(), grids, strict=True))
    assert len({r["ObjID"] for r in rows}) == len(rows)
    for row in rows:
        parsed = parse_component_code(row["ObjID"])
        assert component_class(parsed.class_code, "2013").title == row["ObjName"]
        assert parsed.district == row["BGID"][:6]
    inside = shapely.distance(ground(rows), np.array([polygon[r["BGID"]] for r in rows], dtype=object))
    assert inside.max() < 0.02


def test_components_stand_outside_buildings_and_near_roads_or_in_parks(city: Path) -> None:
    points = ground(table(city / "城市部件.csv"))
    buildings, _ = shapes(city / "房屋.gpkg")
    hits = shapely.STRtree(buildings).query(points, predicate="within")
    assert hits.shape[1] == 0
    roads, _ = shapes(city / "道路.geojson")
    _, distance = shapely.STRtree(roads).query_nearest(points, return_distance=True, all_matches=False)
    assert (distance < 25).mean() > 0.9


def test_trees_and_lamps_are_many_and_toilets_few(city: Path) -> None:
    names = Counter(r["ObjName"] for r in table(city / "城市部件.csv"))
    assert names["行道树"] > names["路灯"] > names["公共厕所"]
    assert {"上水井盖", "污水井盖", "雨水井盖", "雨水箅子", "消防设施", "垃圾箱", "路名牌"} <= set(names)


def test_buildings_do_not_touch_each_other_or_roads_and_agree_with_themselves(city: Path) -> None:
    polygons, columns = shapes(city / "房屋.gpkg")
    assert shapely.is_valid(polygons).all()
    left, right = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    assert (left == right).all()
    roads, of_roads = shapes(city / "道路.geojson")
    bands = shapely.buffer(roads, of_roads["路宽"] / 2 - 0.2)
    assert shapely.STRtree(polygons).query(bands, predicate="intersects").shape[1] == 0
    assert (columns["总层数"] == columns["地上层数"] + columns["地下层数"]).all()
    assert np.allclose(columns["占地面积"], shapely.area(polygons), atol=0.5)
    assert (columns["高度"] > columns["地上层数"] * 2.5).all()
    assert (columns["建筑面积"] > columns["占地面积"] * columns["地上层数"] * 0.9).all()
    assert len(set(columns["房屋编号"])) == len(polygons)
    units = [code for code in columns["不动产单元号"] if code is not None]
    assert {len(code) for code in units} == {28}
    assert len(set(units)) == len(units)


def test_people_and_telephones_are_recognisably_invented(city: Path) -> None:
    _, columns = shapes(city / "房屋.gpkg")
    assert all(phone.startswith("100") and len(phone) == 11 for phone in columns["联系电话"])
    assert all("某某" in owner or "示例" in owner or owner.startswith("市") for owner in columns["权利人"])


def test_addresses_are_unique_and_name_a_building(city: Path) -> None:
    rows = table(city / "门牌地址.csv")
    _, columns = shapes(city / "房屋.gpkg")
    assert len({r["标准地址"] for r in rows}) == len(rows)
    assert {r["房屋编号"] for r in rows} <= set(columns["房屋编号"])
    assert all(r["标准地址"].endswith(r["街路巷"] + r["门牌号"]) for r in rows)


# ---------------------------------------------------------------- pipes


def test_every_pipe_end_is_a_point_and_every_point_an_end(city: Path) -> None:
    points, lines = sheet(city / "管点表.xlsx"), sheet(city / "管线表.xlsx")
    numbers = [p["物探点号"] for p in points]
    assert len(set(numbers)) == len(numbers)
    ends = {line["起点点号"] for line in lines} | {line["终点点号"] for line in lines}
    assert ends == set(numbers)
    assert all(line["起点点号"] != line["终点点号"] for line in lines)


def test_points_are_a_feature_or_an_appendage_and_x_is_northing(city: Path) -> None:
    for point in sheet(city / "管点表.xlsx"):
        assert (point["特征"] is None) != (point["附属物"] is None), point
        assert 3_510_000 < float(point["X"]) < 3_516_000
        assert 450_000 < float(point["Y"]) < 456_000


def test_ground_less_depth_is_the_elevation_of_the_pipe(city: Path) -> None:
    high = {p["物探点号"]: float(p["地面高程"]) for p in sheet(city / "管点表.xlsx")}
    for line in sheet(city / "管线表.xlsx"):
        for end in ("起点", "终点"):
            elevation = high[line[f"{end}点号"]] - float(line[f"{end}埋深"])
            assert elevation == pytest.approx(float(line[f"{end}高程"]), abs=0.002)
            assert 0.2 < float(line[f"{end}埋深"]) < 12


def test_sewers_fall_along_their_flow_to_an_outfall(city: Path) -> None:
    feature = {p["物探点号"]: p["特征"] for p in sheet(city / "管点表.xlsx")}
    downstream: dict[str, str] = {}
    for line in sheet(city / "管线表.xlsx"):
        if line["管线大类"] != "PS":
            continue
        ahead = line["流向"] == "0"
        upper, lower = ("起点", "终点") if ahead else ("终点", "起点")
        assert float(line[f"{upper}高程"]) > float(line[f"{lower}高程"]), line
        assert line[f"{upper}点号"] not in downstream, "a sewer that splits"
        downstream[line[f"{upper}点号"]] = line[f"{lower}点号"]
    for start in downstream:
        at = start
        while at in downstream:
            at = downstream[at]
        assert feature[at] == "出水口", start


def test_pressure_networks_hang_together(city: Path) -> None:
    lines = sheet(city / "管线表.xlsx")
    for prefix in ("JS", "RQ", "DL", "TX"):
        near: dict[str, list[str]] = {}
        for line in lines:
            if line["管线大类"] == prefix:
                near.setdefault(line["起点点号"], []).append(line["终点点号"])
                near.setdefault(line["终点点号"], []).append(line["起点点号"])
        start = next(iter(near))
        seen, waiting = {start}, [start]
        while waiting:
            for other in near[waiting.pop()]:
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        assert seen == set(near), prefix


def test_water_pipes_do_not_widen_away_from_the_source(city: Path) -> None:
    widest: dict[str, int] = {}
    lines = [line for line in sheet(city / "管线表.xlsx") if line["管线大类"] == "JS"]
    for line in lines:
        into = line["终点点号"] if line["流向"] == "0" else line["起点点号"]
        widest[into] = max(widest.get(into, 0), int(line["管径断面"]))
    for line in lines:
        out_of = line["起点点号"] if line["流向"] == "0" else line["终点点号"]
        if out_of in widest:
            assert int(line["管径断面"]) <= widest[out_of], line


def test_pipe_classes_and_words_are_those_of_the_standard(city: Path) -> None:
    subclasses = {(s.pipe_class, s.code) for s in pipe_subclasses()}
    codes = {c.code for c in pipe_classes()}
    titles = {f.name: {t.zh for t in f.codes.values()} for f in layer("pipe_line").fields if f.codes}
    for line in sheet(city / "管线表.xlsx"):
        assert line["管线大类"] in codes
        assert (line["管线大类"], line["管线小类"]) in subclasses
        assert line["埋设方式"] in titles["burial"]
        assert line["状态"] in titles["state"]


# ---------------------------------------------------------------- stations


def test_a_year_of_plausible_readings_at_every_station(city: Path) -> None:
    _, columns = shapes(city / "监测站点.geojson")
    stations = set(columns["站点编码"])
    titles = {i.zh for i in INDICATORS} | {i.en for i in INDICATORS}
    seen: set[str] = set()
    for path in sorted(city.glob("监测数据_*.csv")):
        rows = table(path)
        seen |= {r["站点编码"] for r in rows}
        assert set(rows[0]) - {"站点编码", "监测时间"} <= titles
        times = [r["监测时间"] for r in rows]
        assert min(times) >= "2025-06-01 00:00"
        assert max(times) <= "2026-05-31 23:00"
        assert len({(r["站点编码"], r["监测时间"]) for r in rows}) == len(rows)
    assert seen == stations
    air = table(city / "监测数据_空气.csv")
    dust = {season: [float(r["PM2.5"]) for r in air if r["PM2.5"] and r["监测时间"][5:7] in months]
            for season, months in {"winter": ("12", "01"), "summer": ("07", "08")}.items()}  # fmt: skip
    assert np.mean(dust["winter"]) > 1.5 * np.mean(dust["summer"])
    assert len(air) > 8_500


def test_every_column_of_every_file_is_known_to_its_layer(city: Path) -> None:
    manifest = json.loads((city / "MANIFEST.json").read_text(encoding="utf-8"))
    places = {"经度", "纬度", "X", "Y"}
    for name, told in manifest["files"].items():
        if "layer" not in told:
            continue
        fields = layer(told["layer"]).fields
        known = {alias for f in fields for alias in (f.name, f.title.zh, *f.aliases)}
        path = city / name
        if path.suffix == ".csv":
            columns = set(table(path)[0])
        elif path.suffix == ".xlsx":
            columns = set(sheet(path)[0])
        else:
            columns = set(shapes(path)[1])
        assert columns - places <= known, (name, columns - places - known)
