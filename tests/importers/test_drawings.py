"""Drawings (.dxf): what each kind of entity becomes, and what is said of the rest."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ezdxf.filemanagement
import pytest
import shapely
from ezdxf.document import Drawing

from gis.crs import read_crs
from importers import drawing_entities, read_drawing
from importers.errors import BadFile, BadTable, EmptyFile, NotWhatItSays, Truncated, UnknownPlace, Unreadable
from importers.options import ImportOptions
from importers.place import placed
from importers.run import import_files
from importers.source import CHUNK_ROWS, Source
from layers.db import Database
from tests.importers.published import layer_of, rows_of
from tests.importers.specimens import sources

E0, N0 = 39_455_000.0, 3_512_000.0
"""A place in Lu'an, EPSG:4527."""


def drawing(
    path: Path, draw: Callable[[Any, Drawing], object], version: str = "R2010", units: int = 6
) -> Path:
    """A drawing in which `draw` put something into the model space."""
    document = ezdxf.filemanagement.new(version, units=units)
    draw(document.modelspace(), document)
    document.saveas(path)
    return path


def table(found: list[Source], family: str) -> list[dict[str, Any]]:
    """The rows of one table, geometry under `shape`."""
    (source,) = [s for s in found if s.name == family]
    rows = []
    for chunk in source.read(CHUNK_ROWS):
        columns = {name: array.to_pylist() for name, array in chunk.columns.items()}
        assert chunk.geometry is not None
        rows += [
            {name: values[i] for name, values in columns.items()} | {"shape": chunk.geometry[i]}
            for i in range(len(chunk))
        ]
    return rows


def notes(found: list[Source]) -> dict[str, tuple[int, str]]:
    return {note.rule: (note.times, note.zh) for note in found[0].notes}


def test_each_entity_lands_in_the_table_of_its_shape_with_its_layer_and_colour(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        document.layers.add("道路中线", color=1)
        space.add_point((E0, N0, 37.5), dxfattribs={"layer": "高程点"})
        space.add_line((E0, N0), (E0 + 10, N0), dxfattribs={"layer": "道路中线"})
        space.add_lwpolyline([(E0, N0), (E0 + 10, N0), (E0 + 10, N0 + 10)], dxfattribs={"elevation": 35.0})
        space.add_lwpolyline([(E0, N0), (E0 + 10, N0), (E0 + 10, N0 + 10)], close=True)
        space.add_polyline3d([(E0, N0, 1), (E0 + 1, N0, 2)], dxfattribs={"color": 3})
        space.add_text("皖西大道", dxfattribs={"height": 2.5, "rotation": 30}).set_placement((E0 + 3, N0 + 4))
        space.add_mtext("六安市\\P{\\fSimSun;裕安区}", dxfattribs={"insert": (E0, N0)})
        space.add_solid([(E0, N0), (E0 + 2, N0), (E0, N0 + 2), (E0 + 2, N0 + 2)])

    found = sources(drawing(tmp_path / "地形.dxf", draw))
    assert [source.name for source in found] == ["points", "lines", "areas", "texts"]
    (point,) = table(found, "points")
    assert (point["cad_layer"], point["elevation_m"], point["shape"]) == (
        "高程点",
        37.5,
        shapely.Point(E0, N0),
    )
    line, contour, rising = table(found, "lines")
    assert (line["cad_layer"], line["colour_number"], line["colour"]) == ("道路中线", 1, "#FF0000")
    assert (contour["elevation_m"], rising["elevation_m"], rising["colour_number"]) == (35.0, None, 3)
    triangle, solid = table(found, "areas")
    assert (triangle["shape"].area, solid["shape"].area) == (50.0, 4.0)
    name, two_lines = table(found, "texts")
    assert (name["text"], name["rotation_deg"], name["text_height_m"]) == ("皖西大道", 30.0, 2.5)
    assert name["shape"].equals(shapely.Point(E0 + 3, N0 + 4))
    assert two_lines["text"] == "六安市\n裕安区"
    assert all(row["handle"] for row in (point, line, triangle, name))


def test_arcs_keep_to_a_centimetre_on_the_ground(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        space.add_circle((E0, N0), 1000.0)
        space.add_arc((E0, N0), 500.0, 0, 90)
        space.add_ellipse((E0, N0), (300, 0), 0.5)
        space.add_lwpolyline([(E0, N0, 1.0), (E0 + 200, N0, 0.0)], format="xyb", close=True)
        space.add_spline([(E0, N0), (E0 + 100, N0 + 50), (E0 + 200, N0)])

    found = sources(drawing(tmp_path / "曲线.dxf", draw))
    circle, ellipse, half = (row["shape"] for row in table(found, "areas"))
    centre = shapely.Point(E0, N0)
    chords = shapely.get_parts(circle.exterior).tolist()[0]
    middles = [shapely.line_interpolate_point(chords, s, normalized=True) for s in (0.1234, 0.5678)]
    assert all(abs(m.distance(centre) - 1000.0) <= 0.01 for m in middles)
    assert 100 < len(chords.coords) < 2000
    assert circle.area == pytest.approx(math.pi * 1000**2, rel=2e-5)
    assert ellipse.area == pytest.approx(math.pi * 300 * 150, rel=2e-4)
    assert half.area == pytest.approx(math.pi * 100**2 / 2, rel=2e-4)
    assert half.bounds[1] == pytest.approx(N0 - 100, abs=0.011), "a positive bulge turns left"
    arc, spline = (row["shape"] for row in table(found, "lines"))
    assert arc.length == pytest.approx(500 * math.pi / 2, rel=1e-4)
    assert spline.distance(shapely.Point(E0 + 100, N0 + 50)) < 0.011


def test_a_hatch_with_an_island_and_arcs_is_an_area_with_a_hole(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        hatch = space.add_hatch()
        hatch.paths.add_polyline_path([(E0, N0), (E0 + 10, N0), (E0 + 10, N0 + 10), (E0, N0 + 10)])
        hatch.paths.add_polyline_path(
            [(E0 + 4, N0 + 4), (E0 + 6, N0 + 4), (E0 + 6, N0 + 6), (E0 + 4, N0 + 6)]
        )
        round_ = space.add_hatch()
        edges = round_.paths.add_edge_path()
        edges.add_line((E0 - 5, N0), (E0 + 5, N0))
        edges.add_arc((E0, N0), 5, 0, 180, ccw=True)

    square, half = (row["shape"] for row in table(sources(drawing(tmp_path / "a.dxf", draw)), "areas"))
    assert (square.area, len(square.interiors)) == (96.0, 1)
    assert half.area == pytest.approx(math.pi * 25 / 2, rel=5e-3)


def test_a_block_is_a_point_with_its_attributes_and_what_it_draws_scaled_turned_and_nested(
    tmp_path: Path,
) -> None:
    def draw(space: Any, document: Drawing) -> None:
        document.layers.add("雨水", color=5)
        inner = document.blocks.new("方框")
        inner.add_lwpolyline([(0, 0), (1, 0), (1, 1), (0, 1)], close=True, dxfattribs={"color": 0})
        outer = document.blocks.new("雨水井")
        outer.add_blockref("方框", (10, 0), dxfattribs={"xscale": 2, "yscale": 2})
        outer.add_attdef("井号", (0, 0))
        space.add_blockref(
            "雨水井",
            (E0, N0, 21.5),
            dxfattribs={"xscale": 3, "yscale": 3, "rotation": 90, "layer": "雨水", "color": 2},
        ).add_attrib("井号", "YS-12")
        space.add_blockref("方框", (E0, N0), dxfattribs={"xscale": 4, "yscale": 1})

    found = sources(drawing(tmp_path / "井.dxf", draw))
    first, nested, second = table(found, "points")
    assert (first["block"], first["井号"], first["elevation_m"]) == ("雨水井", "YS-12", 21.5)
    assert (first["rotation_deg"], first["scale"]) == (90.0, 3.0)
    assert nested["shape"].distance(shapely.Point(E0, N0 + 30)) < 1e-6, "turned by 90°, scaled by 3"
    assert second["block"] == "方框"
    box, stretched = table(found, "areas")
    assert box["shape"].bounds == pytest.approx((E0 - 6, N0 + 30, E0, N0 + 36))
    assert (box["cad_layer"], box["block"], box["colour_number"]) == ("雨水", "方框", 5), "layer 0, by block"
    assert stretched["shape"].bounds == pytest.approx((E0, N0, E0 + 4, N0 + 1))
    assert box["handle"] == first["handle"]
    assert box["id"] != first["id"]


def test_a_circle_in_a_block_of_unequal_scales_becomes_an_ellipse(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        document.blocks.new("圆").add_circle((0, 0), 1)
        space.add_blockref("圆", (E0, N0), dxfattribs={"xscale": 20, "yscale": 10})

    (area,) = table(sources(drawing(tmp_path / "a.dxf", draw)), "areas")
    assert area["shape"].area == pytest.approx(math.pi * 200, rel=1e-3)


def test_an_array_of_blocks_is_as_many_points(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        document.blocks.new("树")
        space.add_blockref(
            "树", (E0, N0),
            dxfattribs={"row_count": 2, "column_count": 3, "row_spacing": 5, "column_spacing": 4},
        )  # fmt: skip

    rows = table(sources(drawing(tmp_path / "a.dxf", draw)), "points")
    assert sorted((r["shape"].x - E0, r["shape"].y - N0) for r in rows) == [
        (0, 0), (0, 5), (4, 0), (4, 5), (8, 0), (8, 5),
    ]  # fmt: skip


def test_what_has_no_shape_is_counted_by_type_and_zero_lengths_passed_over(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        space.add_point((E0, N0))
        space.add_line((E0, N0), (E0, N0))
        space.add_xline((E0, N0), (1, 0))
        space.add_linear_dim(base=(E0, N0 + 2), p1=(E0, N0), p2=(E0 + 3, N0)).render()
        document.layers.add("废弃").off()
        space.add_point((E0, N0), dxfattribs={"layer": "废弃"})
        document.layout("Layout1").add_line((0, 0), (1, 1))

    said = notes(sources(drawing(tmp_path / "a.dxf", draw)))
    assert said["drawing.dropped"][0] == 2
    assert "DIMENSION 1" in said["drawing.dropped"][1]
    assert "XLINE 1" in said["drawing.dropped"][1]
    assert (said["drawing.degenerate"][0], said["drawing.hidden"][0], said["drawing.paper"][0]) == (1, 1, 1)


def test_drawings_referred_to_from_outside_are_named(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        space.add_point((E0, N0))
        document.add_xref_def(r"D:\项目\底图.dwg", "底图")
        space.add_blockref("底图", (0, 0))

    said = notes(sources(drawing(tmp_path / "a.dxf", draw)))
    assert said["drawing.xref"] == (1, "外部参照的图形未读取：底图.dwg")


def test_a_block_that_holds_itself_is_left_and_named(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        space.add_point((E0, N0))
        one, two = document.blocks.new("甲"), document.blocks.new("乙")
        one.add_blockref("乙", (0, 0))
        two.add_blockref("甲", (1, 1))
        space.add_blockref("甲", (E0, N0))
        space.add_blockref("没有", (E0, N0))

    said = notes(sources(drawing(tmp_path / "a.dxf", draw)))
    assert said["drawing.block"][0] == 2
    assert "甲 1" in said["drawing.block"][1]


def test_blocks_that_multiply_without_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing_entities, "MAX_PIECES", 2000)

    def draw(space: Any, document: Drawing) -> None:
        document.blocks.new("b0").add_point((0, 0))
        for level in range(1, 9):
            block = document.blocks.new(f"b{level}")
            for _ in range(10):
                block.add_blockref(f"b{level - 1}", (0, 0))
        space.add_blockref("b8", (E0, N0))

    with pytest.raises(Unreadable, match="blocks"):
        sources(drawing(tmp_path / "bomb.dxf", draw))


@pytest.mark.parametrize(
    ("version", "page"), [("R2000", "ANSI_936"), ("R2000", "ANSI_1252"), ("R2010", "ANSI_1252")]
)
def test_chinese_is_read_whatever_the_code_page_claims(tmp_path: Path, version: str, page: str) -> None:
    def draw(space: Any, document: Drawing) -> None:
        document.encoding = "gbk" if version == "R2000" else "utf8"
        document.layers.add("给水管线")
        space.add_point((E0, N0), dxfattribs={"layer": "给水管线"})
        space.add_text("给水阀门井").set_placement((E0, N0))

    path = drawing(tmp_path / "a.dxf", draw, version)
    raw = path.read_bytes()
    assert "给水管线".encode("gbk" if version == "R2000" else "utf-8") in raw
    path.write_bytes(raw.replace(b"ANSI_936", page.encode()))
    found = sources(path)
    assert table(found, "points")[0]["cad_layer"] == "给水管线"
    assert table(found, "texts")[0]["text"] == "给水阀门井"
    assert found[0].encoding is not None
    assert f"$DWGCODEPAGE={page}" in found[0].encoding.zh


def test_characters_written_by_number_are_read(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        space.add_text("DN300 \\U+7ED9\\U+6C34\\M+5BEAE %%c50").set_placement((E0, N0))

    (text,) = table(sources(drawing(tmp_path / "a.dxf", draw, "R2000")), "texts")
    assert text["text"] == "DN300 给水井 Ø50"


@pytest.mark.parametrize(("units", "factor"), [(4, 1000.0), (5, 100.0), (6, 1.0), (0, 1.0)])
def test_the_unit_of_the_drawing_is_turned_into_metres_and_said(
    tmp_path: Path, units: int, factor: float
) -> None:
    def draw(space: Any, document: Drawing) -> None:
        space.add_circle((E0 * factor, N0 * factor, 30 * factor), 5 * factor)

    found = sources(drawing(tmp_path / "a.dxf", draw, units=units))
    (area,) = table(found, "areas")
    assert area["shape"].area == pytest.approx(math.pi * 25, rel=3e-3)
    assert area["elevation_m"] == pytest.approx(30.0)
    assert f"$INSUNITS={units}" in notes(found)["drawing.units"][1]


def test_millimetres_stated_for_metres_are_taken_as_metres_with_the_reason(
    tmp_path: Path,
) -> None:
    found = sources(drawing(tmp_path / "a.dxf", lambda space, _: space.add_point((E0, N0)), units=4))
    assert table(found, "points")[0]["shape"] == shapely.Point(E0, N0)
    assert "毫米" in notes(found)["drawing.units"][1]
    assert "高斯" in notes(found)["drawing.units"][1] or "带" in notes(found)["drawing.units"][1]


def test_a_drawing_in_a_plane_of_its_own_is_not_taken_for_degrees(tmp_path: Path) -> None:
    (source,) = sources(drawing(tmp_path / "a.dxf", lambda space, _: space.add_point((12.5, 8.0))))
    with pytest.raises(UnknownPlace, match="crs"):
        placed(source, ImportOptions())


def test_the_tables_of_a_drawing_are_placed_together_though_one_holds_a_stray(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        for i in range(99):
            space.add_point((E0 + i, N0))
        space.add_text("图例").set_placement((0, 0))

    found = sources(drawing(tmp_path / "a.dxf", draw))
    assert [placed(source, ImportOptions()).crs for source in found] == [read_crs(4527), read_crs(4527)]


def test_a_control_point_that_is_out_by_a_power_of_ten_is_not_followed_for_ever(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        space.add_open_spline([(E0, N0), (1e15, -1e15), (E0 + 5, N0 + 9), (E0 + 9, N0)])

    (line,) = table(sources(drawing(tmp_path / "a.dxf", draw)), "lines")
    assert len(line["shape"].coords) < 200_000


@pytest.mark.parametrize("version", ["R12", "R2000", "R2018"])
def test_damage_anywhere_is_refused_or_read_and_never_crashes(tmp_path: Path, version: str) -> None:
    def draw(space: Any, document: Drawing) -> None:
        document.blocks.new("井").add_circle((0, 0), 1)
        space.add_blockref("井", (E0, N0), dxfattribs={"xscale": 2, "yscale": 3})
        space.add_text("道路").set_placement((E0, N0))
        space.add_polyline2d([(E0, N0), (E0 + 9, N0)])

    path = drawing(tmp_path / "a.dxf", draw, version)
    lines = path.read_bytes().split(b"\n")
    entities = next(i for i, line in enumerate(lines) if line.strip() == b"ENTITIES")
    for position in range(entities, min(entities + 120, len(lines) - 3), 7):
        for wrong in (b"nan", b"-1e400", b"", b"99999999999999999999", b"\xff"):
            path.write_bytes(b"\n".join([*lines[:position], wrong, *lines[position + 1 :]]))
            with contextlib.suppress(BadFile):
                sources(path)


def test_a_mirrored_polyline_lies_where_it_is_drawn(tmp_path: Path) -> None:
    def draw(space: Any, document: Drawing) -> None:
        space.add_lwpolyline(
            [(-E0, N0, 0, 0, 1.0), (-E0 - 10, N0, 0, 0, 0)], dxfattribs={"extrusion": (0, 0, -1)}
        )

    (line,) = table(sources(drawing(tmp_path / "a.dxf", draw)), "lines")
    assert line["shape"].bounds[0] == pytest.approx(E0)
    assert line["shape"].bounds[2] == pytest.approx(E0 + 10)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda raw: raw[: len(raw) // 2], Truncated),
        (lambda raw: b"AC1015\x00\x00" + raw, NotWhatItSays),
        (lambda raw: b"{}" + raw, NotWhatItSays),
        (
            lambda raw: b"  0\r\nSECTION\r\n  2\r\nENTITIES\r\n 10\r\nabc\r\n" * 3 + b"  0\r\nEOF\r\n",
            EmptyFile,
        ),
    ],
)
def test_a_damaged_drawing_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], fault: type[Exception]
) -> None:
    path = drawing(tmp_path / "a.dxf", lambda space, _: space.add_point((E0, N0)))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises((fault, Unreadable)):
        sources(path)


def test_a_drawing_larger_than_is_read_is_refused_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_drawing, "MAX_BYTES", 1000)
    with pytest.raises(Unreadable, match="more than"):
        sources(drawing(tmp_path / "a.dxf", lambda space, _: space.add_point((E0, N0))))


def test_a_drawing_without_anything_for_a_map_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile, match="XLINE 1"):
        sources(drawing(tmp_path / "a.dxf", lambda space, _: space.add_xline((E0, N0), (1, 0))))


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="points"):
        sources(drawing(tmp_path / "a.dxf", lambda space, _: space.add_point((E0, N0))), table="areas")


async def test_a_drawing_becomes_layers_of_its_own_and_again_changes_nothing(
    database: Database, tmp_path: Path
) -> None:
    def draw(space: Any, document: Drawing) -> None:
        space.add_point((E0, N0), dxfattribs={"layer": "井"})
        space.add_lwpolyline([(E0, N0), (E0 + 9, N0), (E0 + 9, N0 + 9)], close=True)
        space.add_text("说明").set_placement((E0, N0))

    path = drawing(tmp_path / "plan.dxf", draw)
    reports = await import_files(database, [path])
    assert [(r.layer_id, r.state, r.kept) for r in reports] == [
        ("plan_areas", "published", 1), ("plan_points", "published", 1), ("plan_texts", "published", 1),
    ]  # fmt: skip
    assert reports[0].crs is not None
    assert reports[0].crs.value.startswith("EPSG:4527")
    assert "39" in reports[0].crs.zh, "the evidence of the zone"
    assert (await layer_of(database, "plan_areas")).geometry_type == "MultiPolygon"
    (row,) = (await rows_of(database, "plan_points")).values()
    assert row.values["cad_layer"] == "井"
    again = await import_files(database, [path])
    assert {r.state for r in again} == {"unchanged"}
