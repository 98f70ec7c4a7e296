"""Networks of EPANET and SWMM: nodes and links as pipe points and lines, in metres and millimetres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import shapely

from importers.errors import BadTable, EmptyFile, NotWhatItSays
from importers.options import ImportOptions
from importers.planning import plan
from importers.source import Source
from layers.catalogue import known_layers
from tests.importers.specimens import sources, text, whole

LAYERS = {layer.id: layer for layer in known_layers()}
EPANET = """[TITLE]
给水
[JUNCTIONS]
;ID Elev Demand
J1  100  2.5  ;
J2  110
[RESERVOIRS]
R1  200
[PIPES]
P1  J1  J2  1000  6  150  0  Open ;
P2  J2  J9  10  6  150
[PUMPS]
U1  R1  J1  POWER 50
[PATTERNS]
1 1 1 1
[OPTIONS]
Units {units}
[COORDINATES]
J1 500100 3512000
J2 500200 3512000
R1 500100 3512050
[VERTICES]
P1 500150 3512010
[END]
"""
SWMM = """[OPTIONS]
FLOW_UNITS CMS
[JUNCTIONS]
;;Name Elevation MaxDepth
A 474.0 2.5
B 473.5 2.0
[OUTFALLS]
O 470 FREE NO
[CONDUITS]
C1 A B 80 0.013 0 0
C2 B O 40 0.013 0 0
[XSECTIONS]
C1 CIRCULAR 0.6 0 0 0 1
C2 RECT_CLOSED 1.2 2.0 0 0 1
[SUBCATCHMENTS]
S1 G A 0.1 35 10 2 0
[COORDINATES]
A 500100 3512000
B 500180 3512000
O 500220 3512000
[Polygons]
S1 500100 3512000
S1 500110 3512000
S1 500110 3512010
"""


def tables(folder: Path, content: str, **options: Any) -> dict[str, Source]:
    return {found.name: found for found in sources(text(folder, "管网.inp", content), **options)}


def test_epanet_in_feet_and_inches_comes_out_metric(tmp_path: Path) -> None:
    found = tables(tmp_path, EPANET.replace("{units}", "GPM"))
    nodes, lines = whole(found["pipe_node"]), whole(found["pipe_line"])
    assert nodes.columns["code"].to_pylist() == ["J1", "J2", "R1"]
    assert nodes.columns["ground_elevation_m"].to_pylist() == pytest.approx([30.48, 33.528, None])
    assert nodes.columns["appendage"].to_pylist() == [None, None, "水源"]
    assert lines.columns["diameter_mm"].to_pylist() == pytest.approx([152.4, None])
    assert lines.columns["length_m"].to_pylist() == pytest.approx([304.8, None])
    assert lines.columns["note"].to_pylist() == [None, "水泵"]
    assert lines.geometry is not None
    assert shapely.get_num_coordinates(lines.geometry[0]) == 3
    assert [(t.rule, t.row) for t in lines.troubles] == [("pipe.no_node", 11)]


def test_epanet_in_metres_and_millimetres_stays_as_it_is(tmp_path: Path) -> None:
    lines = whole(tables(tmp_path, EPANET.replace("{units}", "LPS"))["pipe_line"])
    assert lines.columns["diameter_mm"].to_pylist()[0] == 6.0
    assert lines.columns["length_m"].to_pylist()[0] == 1000.0


def test_what_only_a_simulation_needs_is_left_and_named(tmp_path: Path) -> None:
    notes = {
        note.rule: note.en for note in tables(tmp_path, EPANET.replace("{units}", "GPM"))["pipe_node"].notes
    }
    assert "PATTERNS" in notes["network.left"]
    assert "feet" in notes["network.units"]


def test_swmm_gives_sections_depths_and_subcatchments(tmp_path: Path) -> None:
    found = tables(tmp_path, SWMM)
    nodes, lines, areas = (whole(found[name]) for name in ("pipe_node", "pipe_line", "subcatchment"))
    assert nodes.columns["ground_elevation_m"].to_pylist() == pytest.approx([476.5, 475.5, 470.0])
    assert nodes.columns["depth_m"].to_pylist() == [2.5, 2.0, None]
    assert lines.columns["section"].to_pylist() == ["600", "2000X1200"]
    assert lines.columns["diameter_mm"].to_pylist() == [600.0, None]
    assert set(lines.columns["pipe_class"].to_pylist()) == {"PS"}
    assert areas.columns["sealed_percent"].to_pylist() == [35.0]


def test_points_and_lines_of_a_network_are_one_delivery(tmp_path: Path) -> None:
    found = sources(text(tmp_path, "管网.inp", SWMM))
    deliveries = plan(found, LAYERS, ImportOptions(crs="EPSG:4548"))
    assert [sorted(p.layer.id for p in d.parts) for d in deliveries] == [
        ["pipe_line", "pipe_node"],
        [deliveries[1].parts[0].layer.id],
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("just some text\n", NotWhatItSays),
        ("[TITLE]\nx\n[OPTIONS]\nUnits GPM\n", NotWhatItSays),
        (EPANET.split("[COORDINATES]")[0].replace("{units}", "GPM"), EmptyFile),
    ],
)
def test_a_file_that_is_no_network_or_has_no_places_is_refused(
    tmp_path: Path, content: str, fault: type[Exception]
) -> None:
    with pytest.raises(fault):
        tables(tmp_path, content)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert list(tables(tmp_path, SWMM, table="pipe_node")) == ["pipe_node"]
    with pytest.raises(BadTable, match="subcatchment"):
        tables(tmp_path, SWMM, table="pumps")
