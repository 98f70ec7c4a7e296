"""Pipe segments and nodes: ends, levels, doubles, loose ends, degrees."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from importers.check import CheckReport, Places
from importers.check.pipe_network import connected
from tests.importers.check.specimens import KNOWN, broken, line, offenders, places, point, report

SPOTS = {"a": (0, 0), "b": (30, 0), "c": (60, 0), "d": (30, 40)}


def nodes(**features: str) -> dict[str, Places]:
    """Water nodes a – d; features other than a plug at the ends and a T in the middle as given."""
    said = {"a": "盖堵", "b": "三通", "c": "盖堵", "d": "盖堵"} | features
    return {
        "pipe_node": places(
            list(SPOTS),
            [point(*SPOTS[n]) for n in SPOTS],
            pipe_class=["JS"] * 4,
            feature=[said[n].partition("/")[0] for n in SPOTS],
            appendage=[said[n].partition("/")[2] for n in SPOTS],
            ground_elevation_m=[40.0] * 4,
        )
    }


NET = ("ab", "bc", "bd")


def pipes(*pairs: str, around: dict[str, Places] | None = None, **columns: list[object]) -> CheckReport:
    shapes = [line(*(SPOTS.get(n, (99, 99)) for n in pair)) for pair in pairs]
    columns.setdefault("pipe_class", ["JS"] * len(pairs))
    return report(
        KNOWN["pipe_line"],
        shapes,
        around=nodes() if around is None else around,
        start_node=[pair[0] for pair in pairs],
        end_node=[pair[1] for pair in pairs],
        **columns,
    )


def drawn(shape: shapely.LineString) -> CheckReport:
    """The segment a – b drawn like this, in its network."""
    shapes = [shape, line(SPOTS["b"], SPOTS["c"]), line(SPOTS["b"], SPOTS["d"])]
    ends = {"start_node": list("abb"), "end_node": list("bcd"), "pipe_class": ["JS"] * 3}
    return report(KNOWN["pipe_line"], shapes, around=nodes(), **ends)


def test_a_network_on_its_nodes_is_right() -> None:
    assert broken(pipes(*NET)) == set()


def test_an_end_names_a_node_that_exists() -> None:
    found = pipes("ab", "bx")
    assert offenders(found, "PIP-01") == [2]
    assert next(f for f in found.findings if f.rule == "PIP-01").zh == "终点管点不存在：x"


def test_an_end_stands_on_its_node() -> None:
    found = drawn(line((0, 0.2), (30, 0)))
    assert broken(found) == {"PIP-02"}
    (finding,) = (f for f in found.findings if f.rule == "PIP-02")
    assert (finding.row, finding.field, finding.value) == (1, "start_node", "0.200")
    assert finding.geometry is not None
    assert shapely.from_wkb(finding.geometry).equals_exact(point(0, 0.2), 1e-9)


def test_an_end_within_the_tolerance_stands_on_its_node() -> None:
    assert broken(drawn(line((0, 0.04), (30, 0)))) == set()


def test_a_segment_drawn_backwards_is_told_apart_from_ends_off_their_nodes() -> None:
    assert broken(drawn(line((30, 0), (15, 1), (0, 0)))) == {"PIP-03"}


def test_a_segment_has_two_ends() -> None:
    shapes = [line((0, 0), (5, 5), (5, 9), (0, 0)), line((30, 0), (0, 0))]
    found = report(
        KNOWN["pipe_line"], shapes, around=nodes(b="弯头/阀门"), start_node=["a", "b"], end_node=["a", "a"]
    )
    assert offenders(found, "PIP-04") == [1]


def test_a_segment_is_recorded_once() -> None:
    found = pipes(*NET, "ab", "db")
    assert offenders(found, "PIP-05") == [4]
    assert offenders(found, "PIP-06") == [5]


def test_pipes_of_two_classes_may_run_side_by_side() -> None:
    found = pipes(*NET, "ab", pipe_class=["JS", "JS", "JS", "RQ"], around={})
    assert (found.found("PIP-05"), found.found("PIP-06")) == (0, 0)


@pytest.mark.parametrize(
    ("level", "expected"), [(38.5, set()), (38.55, set()), (38.44, {"PIP-07"}), (None, set())]
)
def test_ground_less_depth_is_the_elevation(level: float | None, expected: set[str]) -> None:
    found = pipes(*NET, start_depth_m=[1.5] * 3, start_elevation_m=[level, 38.5, 38.5])
    assert broken(found) == expected


def test_a_long_segment_is_named() -> None:
    shapes = [line((0, 0), (80, 0))]
    assert broken(report(KNOWN["pipe_line"], shapes, start_node=["a"], end_node=["b"])) == {"PIP-08"}


def sewer(start_m: float, end_m: float, flow: str | None, pressure: str | None = None) -> set[str]:
    return broken(
        pipes(
            "ab",
            around={},
            pipe_class=["PS"],
            start_elevation_m=[start_m],
            end_elevation_m=[end_m],
            flow_direction=[flow],
            pressure=[pressure],
        )
    )


def test_a_sewer_falls_along_its_flow() -> None:
    assert sewer(30.0, 29.9, "0") == set()
    assert sewer(29.9, 30.0, "1") == set()
    assert sewer(30.0, 30.02, "0") == set(), "levelling error"
    assert sewer(29.9, 30.0, "0") == {"PIP-09"}
    assert sewer(30.0, 29.9, "1") == {"PIP-09"}


def test_a_sewer_under_pressure_or_of_unknown_flow_may_rise() -> None:
    assert sewer(29.9, 30.0, "0", "0.3") == set()
    assert sewer(29.9, 30.0, None) == set()


def test_a_very_steep_sewer_is_named() -> None:
    assert sewer(40.0, 30.0, "0") == {"PIP-10"}


def test_a_pipe_ends_where_something_says_it_may() -> None:
    assert offenders(pipes("ab", "bc", around=nodes(b="直线点")), "PIP-11") == []
    found = pipes("ab", "bc", around=nodes(a="直线点", b="直线点"))
    assert offenders(found, "PIP-11") == [1]
    assert broken(pipes("ab", "bc", around=nodes(a="/消防栓", b="直线点"))) == set()


def test_pipe_and_nodes_are_of_one_class() -> None:
    assert offenders(pipes(*NET, pipe_class=["JS", "RQ", "JS"]), "PIP-12") == [2]


def test_size_changes_where_a_reducer_stands() -> None:
    sizes: list[object] = [300.0, 200.0]
    assert offenders(pipes("ab", "bc", around=nodes(b="直线点"), diameter_mm=sizes), "PIP-14") == [2]
    assert broken(pipes("ab", "bc", around=nodes(b="变径"), diameter_mm=sizes)) == set()
    assert broken(pipes("ab", "bc", around=nodes(b="/窨井"), diameter_mm=sizes)) == set()
    assert offenders(pipes("ab", "bc", around=nodes(b="直线点"), material=["钢", "PE"]), "PIP-14") == [2]
    assert broken(pipes(*NET, diameter_mm=[300.0, 300.0, 100.0])) == set(), "a branch may be smaller"


def test_networks_that_do_not_meet_are_a_hint() -> None:
    spots = {**SPOTS, "e": (200, 0), "f": (230, 0)}
    shapes = [line(spots["a"], spots["b"]), line(spots["b"], spots["c"]), line(spots["e"], spots["f"])]
    found = report(
        KNOWN["pipe_line"], shapes, start_node=list("abe"), end_node=list("bcf"), pipe_class=["JS"] * 3
    )
    (finding,) = (f for f in found.findings if f.rule == "PIP-13")
    assert "2 个互不连通" in finding.zh
    assert "1, 2" in finding.zh


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_connected_nodes_are_those_a_walk_reaches(edges: list[tuple[int, int]]) -> None:
    start, end = (np.array([e[n] for e in edges], dtype=np.int64) for n in (0, 1))
    reached = {n: {n} for n in range(12)}
    for _ in range(12):
        for a, b in edges:
            joined = reached[a] | reached[b]
            for n in joined:
                reached[n] = joined
    assert connected(start, end, 12).tolist() == [min(reached[n]) for n in range(12)]


# ---------------------------------------------------------------- nodes

LINES = {
    "pipe_line": places(
        ["1", "2", "3"],
        [line(SPOTS[a], SPOTS[b]) for a, b in NET],
        start_node=["a", "b", "b"],
        end_node=["b", "c", "d"],
    )
}


def node(code: str, feature: str | None, appendage: str | None = None) -> set[str]:
    return broken(
        report(
            KNOWN["pipe_node"],
            [point(*SPOTS.get(code, (99, 99)))],
            around=LINES,
            code=[code],
            feature=[feature],
            appendage=[appendage],
        )
    )


@pytest.mark.parametrize(
    ("expected", "code", "feature", "appendage"),
    [
        (set(), "b", "三通", None),
        (set(), "a", "盖堵", None),
        (set(), "a", None, "消防栓"),
        (set(), "b", "进水口", None),
        ({"PIP-21"}, "x", "弯头", None),
        ({"PIP-22"}, "b", "四通", None),
        ({"PIP-22"}, "a", "弯头", None),
        ({"PIP-23"}, "b", None, None),
        ({"PIP-23"}, "b", "四通", "阀门井"),
    ],
)
def test_a_node_fits_the_segments_that_meet(
    expected: set[str], code: str, feature: str | None, appendage: str | None
) -> None:
    assert node(code, feature, appendage) == expected


def test_rules_without_their_other_layer_are_not_asked() -> None:
    lines = report(KNOWN["pipe_line"], [line((0, 0), (9, 0))], start_node=["a"], end_node=["b"])
    skipped = {t.rule.id for t in lines.tallies if t.skipped is not None}
    assert skipped == {"PIP-01", "PIP-02", "PIP-03", "PIP-07", "PIP-11", "PIP-12", "PIP-14"}
    assert "pipe_node" in lines.text("zh")
