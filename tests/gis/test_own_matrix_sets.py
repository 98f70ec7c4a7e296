"""Tile matrix sets from files: squares lie where the file says, axes in its order, faults are named."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import morecantile
import pytest
from pyproj import CRS, Transformer

from gis.errors import BadMatrixSet, NoSuchSquare
from gis.matrix_set_files import read_matrix_set, read_matrix_sets
from gis.matrix_sets import MATRIX_SETS
from gis.own_matrix_sets import OwnMatrixSet, degrees_round
from tests.gis.own_sets import GAUSS_CORNER, degrees_set, gauss_set, written


def read(folder: Path, told: dict[str, Any]) -> OwnMatrixSet:
    return read_matrix_set(written(folder, told) / f"{told['id']}.json")


def test_a_folder_adds_its_sets_to_those_built_in(tmp_path: Path) -> None:
    found = read_matrix_sets(written(tmp_path, gauss_set(), degrees_set()))
    assert list(found.by_id) == [*MATRIX_SETS, "CityDegrees", "CityGauss"]
    assert list(read_matrix_sets(tmp_path / "none").by_id) == list(MATRIX_SETS)


def test_a_gauss_zone_names_its_origin_northing_first(tmp_path: Path) -> None:
    found = read(tmp_path, gauss_set())
    north, west = GAUSS_CORNER
    side = 500 * 0.00028 * 512
    assert found.bounds(9, 2, 3) == pytest.approx(
        (west + 2 * side, north - 4 * side, west + 3 * side, north - 3 * side)
    )
    assert (found.frame, found.axes) == (4547, ("X", "Y"))
    document = found.document(found.title)
    assert document["tileMatrices"][9]["pointOfOrigin"] == [north, west]
    assert document["tileMatrices"][9]["scaleDenominator"] == pytest.approx(500)


def test_axes_that_are_named_decide_the_order(tmp_path: Path) -> None:
    told = gauss_set(orderedAxes=["E", "N"])
    for one in told["tileMatrices"]:
        one["pointOfOrigin"] = one["pointOfOrigin"][::-1]
    assert read(tmp_path, told).levels == read(tmp_path, gauss_set(id="Other")).levels


def test_the_example_of_the_docs_is_read(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs/how-to/own-tile-matrix-sets.md"
    example = page.read_text("utf-8").split("```json")[1].split("```")[0]
    (tmp_path / "one.json").write_text(example, "utf-8")
    found = read_matrix_set(tmp_path / "one.json")
    assert (found.frame, list(found.levels), found.levels[1].side) == (4547, [0, 1], 2.8 * 512)


def test_exchanged_axes_are_refused_and_said_to_be(tmp_path: Path) -> None:
    told = gauss_set(orderedAxes=["E", "N"])
    with pytest.raises(BadMatrixSet, match=r"pointOfOrigin.*exchanged"):
        read(tmp_path, told)


@pytest.mark.parametrize("name", ["WorldMercatorWGS84Quad", "UTM31WGS84Quad", "EuropeanETRS89_LAEAQuad"])
def test_sets_of_morecantile_are_read_and_lie_where_it_puts_them(tmp_path: Path, name: str) -> None:
    theirs = morecantile.tms.get(name)
    path = tmp_path / "one.json"
    path.write_text(theirs.model_dump_json(exclude_none=True), "utf-8")
    ours = read_matrix_set(path)
    for z in (3, 9, 12):
        assert ours.bounds(z, 2, 3) == pytest.approx(tuple(theirs.xy_bounds(2, 3, z)), abs=1e-6)


def test_the_document_is_one_morecantile_reads(tmp_path: Path) -> None:
    ours = read(tmp_path, degrees_set())
    theirs = morecantile.TileMatrixSet.model_validate_json(json.dumps(ours.document("标题")))
    assert ours.bounds(5, 7, 8) == pytest.approx(tuple(theirs.xy_bounds(7, 8, 5)), rel=1e-9)


def test_a_box_in_degrees_holds_every_place_of_its_square(tmp_path: Path) -> None:
    found = read(tmp_path, gauss_set())
    back = Transformer.from_crs(CRS.from_epsg(4547), CRS.from_epsg(4490), always_xy=True)
    chance = random.Random(4)
    for _ in range(60):
        z = chance.randrange(10)
        level = found.levels[z]
        bounds = found.bounds(z, chance.randrange(level.columns), chance.randrange(level.rows))
        west, south, east, north = degrees_round(4547, bounds)
        for share in [n / 50 for n in range(51)]:
            x, y = bounds[0] + share * level.side, bounds[1] + share * level.side
            for place in ((x, bounds[1]), (x, bounds[3]), (bounds[0], y), (bounds[2], y)):
                lon, lat = back.transform(*place)
                assert west < lon < east
                assert south < lat < north


def test_limits_are_the_squares_that_touch_a_box(tmp_path: Path) -> None:
    found = read(tmp_path, gauss_set())
    box = found.box((116.48, 31.72, 116.52, 31.76))
    limits = found.limits(box, 6)
    assert limits is not None
    first_column, last_column, first_row, last_row = limits
    touching = {
        (column, row)
        for column in range(first_column - 2, last_column + 3)
        for row in range(first_row - 2, last_row + 3)
        if (b := found.bounds(6, column, row))[0] <= box[2]
        and b[2] > box[0] and b[1] < box[3] and b[3] >= box[1]
    }  # fmt: skip
    assert len(touching) == (last_column - first_column + 1) * (last_row - first_row + 1)
    assert found.limits(found.box((110.0, 20.0, 110.1, 20.1)), 6) is None


def test_squares_outside_and_levels_unknown_are_not_there(tmp_path: Path) -> None:
    found = read(tmp_path, degrees_set())
    for place in ((0, 0, 0), (9, 0, 0), (1, 1, 0), (2, 0, 3), (2, -1, 0)):
        with pytest.raises(NoSuchSquare):
            found.bounds(*place)


def test_zooms_are_those_of_squares_of_the_same_size(tmp_path: Path) -> None:
    found = read(tmp_path, gauss_set())
    for z in found.levels:
        mercator_side_m = 40_075_016.7 / 2 ** found.zoom(z)
        assert 0.7 < found.levels[z].side / mercator_side_m < 1.42
    assert found.levels_from(14, 18)[0] == next(z for z in found.levels if found.zoom(z) >= 14)


def level(**changes: object) -> dict[str, Any]:
    told = gauss_set()
    told["tileMatrices"][3].update(changes)
    return told


@pytest.mark.parametrize(
    ("told", "member"),
    [
        (gauss_set(crs="EPSG:99999"), "crs"),
        (gauss_set(crs=None), "crs"),
        (gauss_set(crs="+proj=tmerc +lon_0=115.2 +x_0=0 +ellps=GRS80"), "crs"),
        (gauss_set(tileMatrices=[]), "tileMatrices"),
        (gauss_set(orderedAxes=["N"]), "orderedAxes"),
        (level(tileHeight=256), "tileMatrices[3].tileHeight"),
        (level(tileWidth=0), "tileMatrices[3].tileWidth"),
        (level(matrixWidth=1.5), "tileMatrices[3].matrixWidth"),
        (level(cellSize="14"), "tileMatrices[3].cellSize"),
        (level(cellSize=-1), "tileMatrices[3].cellSize"),
        (level(scaleDenominator=500), "tileMatrices[3].scaleDenominator"),
        (level(pointOfOrigin=[1]), "tileMatrices[3].pointOfOrigin"),
        (level(cornerOfOrigin="bottomLeft"), "tileMatrices[3].cornerOfOrigin"),
        (level(id="five"), "tileMatrices[3].id"),
        (level(id="1"), "tileMatrices[3].id"),
        (
            level(variableMatrixWidths=[{"coalesce": 2, "minTileRow": 0, "maxTileRow": 1}]),
            "tileMatrices[3].variableMatrixWidths",
        ),
    ],
)
def test_a_wrong_file_is_refused_by_its_member(tmp_path: Path, told: dict[str, Any], member: str) -> None:
    with pytest.raises(BadMatrixSet) as refused:
        read(tmp_path, told)
    assert (refused.value.facts["file"], refused.value.facts["field"]) == ("CityGauss.json", member)
    assert refused.value.facts["expected"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"id": "a b"}', '{"id": 3}'])
def test_what_is_no_matrix_set_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(text, "utf-8")
    with pytest.raises(BadMatrixSet, match=r"some\.json"):
        read_matrix_set(path)


def test_an_id_that_is_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadMatrixSet, match="WebMercatorQuad"):
        read_matrix_sets(written(tmp_path, gauss_set(id="WebMercatorQuad")))
    (tmp_path / "WebMercatorQuad.json").unlink()
    (written(tmp_path, gauss_set()) / "again.json").write_text(json.dumps(gauss_set()), "utf-8")
    with pytest.raises(BadMatrixSet, match=r"again\.json"):
        read_matrix_sets(tmp_path)
