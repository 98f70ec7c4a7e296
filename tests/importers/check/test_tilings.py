"""Grids in their communities, components in their grids, buildings on borders."""

from __future__ import annotations

from itertools import pairwise

import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from importers.check import Checker, CheckOptions, CheckReport, Places, Surroundings, check
from tests.importers.check.specimens import (
    KNOWN,
    TODAY,
    box,
    broken,
    offenders,
    places,
    point,
    report,
    rows,
)

HOME = "341502001001"
COMMUNITIES = {"community": places([HOME, "341502001002"], [box(0, 0, 200, 100), box(200, 0, 400, 100)])}
LEFT, RIGHT = box(0, 0, 100, 100), box(100, 0, 200, 100)


def grids(
    *shapes: BaseGeometry,
    codes: list[str] | None = None,
    around: dict[str, Places] | None = None,
    **columns: object,
) -> CheckReport:
    named = codes or [f"{HOME}{n:03d}" for n in range(1, len(shapes) + 1)]
    around = COMMUNITIES if around is None else around
    return report(KNOWN["unit_grid"], list(shapes), around=around, code=named, **columns)


def test_grids_that_tile_their_community_are_right() -> None:
    assert broken(grids(LEFT, RIGHT)) == set()


def test_a_sliver_of_rounding_is_no_fault() -> None:
    assert broken(grids(LEFT, box(100.0005, 0, 200, 100))) == set()
    assert broken(grids(LEFT, box(99.9995, 0, 200, 100))) == set()


def test_overlapping_grids_show_what_they_share() -> None:
    found = grids(LEFT, box(99, 0, 200, 100))
    assert broken(found) == {"TOP-01"}
    (finding,) = (f for f in found.findings if f.rule == "TOP-01")
    assert (finding.row, finding.value) == (2, "100.000")
    assert "第 1 行" in finding.zh
    assert finding.geometry is not None
    assert shapely.from_wkb(finding.geometry).equals_exact(box(99, 0, 100, 100), 1e-9, normalize=True)


def test_a_gap_is_shown_and_belongs_to_no_row() -> None:
    found = grids(LEFT, box(101, 0, 200, 100))
    assert broken(found) == {"TOP-02"}
    (finding,) = (f for f in found.findings if f.rule == "TOP-02")
    assert (finding.row, finding.key) == (None, None)
    assert HOME in finding.zh
    assert finding.geometry is not None
    assert shapely.from_wkb(finding.geometry).equals_exact(box(100, 0, 101, 100), 1e-9, normalize=True)


def test_a_community_without_any_delivered_grid_has_no_gap() -> None:
    assert grids(LEFT, RIGHT).tally("TOP-02").checked == 1


def test_without_communities_only_holes_are_gaps() -> None:
    ring = box(0, 0, 200, 100).difference(box(60, 40, 140, 60))
    found = grids(ring, around={})
    assert found.found("TOP-02") == 1
    assert {t.rule.id for t in found.tallies if t.skipped} >= {"TOP-03", "TOP-04"}
    assert grids(LEFT, box(101, 0, 200, 100), around={}).found("TOP-02") == 0


def test_a_grid_across_the_border_of_its_community_is_beyond_it() -> None:
    found = grids(LEFT, box(100, 0, 205, 100))
    assert broken(found) == {"TOP-03"}
    assert offenders(found, "TOP-03") == [2]


def test_a_grid_in_no_community_is_beyond() -> None:
    assert offenders(grids(LEFT, RIGHT, box(0, 500, 100, 600)), "TOP-03") == [3]


def test_a_grid_is_named_after_the_community_it_lies_in() -> None:
    found = grids(LEFT, RIGHT, box(200, 0, 400, 100))
    assert broken(found) == {"TOP-04"}
    assert offenders(found, "TOP-04") == [3]


def test_a_sequence_is_unique_where_the_grid_lies() -> None:
    found = grids(LEFT, RIGHT, codes=[f"{HOME}001", "341502001002001"])
    assert offenders(found, "TOP-05") == [1, 2]
    assert found.found("ATT-03") == 0
    assert grids(LEFT, RIGHT, codes=[f"{HOME}001", f"{HOME}001"]).found("TOP-05") == 0, "that is ATT-03"


def test_grids_very_small_or_large_are_named() -> None:
    found = grids(box(0, 0, 30, 30), box(30, 0, 200, 30), box(0, 30, 200, 100))
    assert broken(found) == {"TOP-06"}
    assert offenders(found, "TOP-06") == [1]


def test_communities_tile_their_street() -> None:
    streets = {"street": places(["341502001"], [box(0, 0, 400, 100)])}
    shapes = [box(0, 0, 200, 100), box(201, 0, 400, 100)]
    found = report(
        KNOWN["community"], shapes, around=streets, code=[HOME, "341502001002"], name=["迎宾", "前进"]
    )
    assert broken(found) == {"TOP-02"}


def test_a_partial_delivery_is_looked_at_among_the_standing_grids() -> None:
    standing = {**COMMUNITIES, "unit_grid": places([f"{HOME}001", f"{HOME}002"], [LEFT, RIGHT])}
    layer = KNOWN["unit_grid"]
    options = CheckOptions(partial=True, today=TODAY)

    def partial(shape: BaseGeometry) -> CheckReport:
        return check(layer, rows(layer, [shape], code=[f"{HOME}002"]), Surroundings(standing), options)

    assert broken(partial(RIGHT)) == set()
    assert broken(partial(box(101, 0, 200, 100))) == {"TOP-02"}
    over = partial(box(99, 0, 200, 100))
    assert broken(over) == {"TOP-01"}
    assert f"{HOME}001" in next(f for f in over.findings if f.rule == "TOP-01").zh


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 199), max_size=8, unique=True), st.integers(1, 4))
def test_cutting_a_community_never_leaves_a_gap_or_overlap(cuts: list[int], size: int) -> None:
    edges = [0, *sorted(cuts), 200]
    shapes = [box(a, 0, b, 100) for a, b in pairwise(edges)]
    layer = KNOWN["unit_grid"]
    whole = rows(layer, shapes, code=[f"{HOME}{n:03d}" for n in range(1, len(shapes) + 1)])
    checker = Checker(layer, Surroundings(COMMUNITIES))
    for start in range(0, len(whole), size):
        checker.feed(whole.part(start, min(start + size, len(whole))))
    assert broken(checker.finish()) - {"TOP-06"} == set()


# ---------------------------------------------------------------- components

CELLS = {"unit_grid": places([f"{HOME}001", f"{HOME}002"], [LEFT, RIGHT])}


def lamp(x_m: float, y_m: float, grid: str | None = None) -> CheckReport:
    layer = KNOWN["component"]
    return report(
        layer, [point(x_m, y_m)], around=CELLS, code=["34150201037000001"], name=["路灯"], grid_code=[grid]
    )


def test_a_component_stands_in_one_grid() -> None:
    assert broken(lamp(50, 50)) == set()
    assert broken(lamp(50, 50, f"{HOME}001")) == set()


def test_a_component_outside_every_grid_is_wrong() -> None:
    assert broken(lamp(-5, 50)) == {"TOP-07"}


def test_a_component_on_a_shared_border_goes_to_the_smaller_code() -> None:
    found = lamp(100, 50)
    assert broken(found) == {"TOP-08"}
    assert next(f for f in found.findings if f.rule == "TOP-08").value == f"{HOME}001"


def test_a_component_names_the_grid_it_stands_in() -> None:
    assert broken(lamp(50, 50, f"{HOME}002")) == {"TOP-09"}
    assert broken(lamp(50, 50, f"{HOME}999")) == {"TOP-09"}
    assert broken(lamp(99.5, 50, f"{HOME}002")) == set(), "within the accuracy of its place"


def test_without_grids_components_are_not_asked() -> None:
    found = report(KNOWN["component"], [point(0, 0)], code=["34150201037000001"], name=["路灯"])
    assert found.tally("TOP-07").skipped is not None


# ---------------------------------------------------------------- buildings


def houses(*shapes: BaseGeometry, around: dict[str, Places] | None = None) -> CheckReport:
    codes = [f"b{n}" for n in range(1, len(shapes) + 1)]
    return report(KNOWN["building"], list(shapes), around=around, code=codes)


def test_buildings_wall_to_wall_do_not_overlap() -> None:
    assert broken(houses(box(0, 0, 10, 10), box(10, 0, 20, 10), box(3, 10, 9, 20))) == set()


def test_buildings_on_each_other_are_wrong_and_slight_overlaps_a_warning() -> None:
    found = houses(box(0, 0, 10, 10), box(5, 0, 15, 10), box(14.5, 0, 25, 10))
    assert offenders(found, "BLD-01") == [2]
    assert offenders(found, "BLD-02") == [3]


def test_a_courtyard_may_hold_another_building() -> None:
    ring = box(0, 0, 50, 50).difference(box(10, 10, 40, 40))
    assert broken(houses(ring, box(15, 15, 35, 35))) == set()


def test_a_building_drawn_twice_overlaps_itself_once() -> None:
    found = houses(box(0, 0, 10, 10), box(0, 0, 10, 10), box(0, 0, 10, 10))
    assert offenders(found, "BLD-01") == [2, 3]
    assert offenders(found, "GEO-08") == [1, 2, 3]


def test_all_overlaps_are_found_whatever_the_strips(monkeypatch: object) -> None:
    from importers.check import overlaps

    monkeypatch.setattr(overlaps, "STRIP_ROWS", 3)  # type: ignore[attr-defined]
    monkeypatch.setattr(overlaps, "_ASKED_AT_ONCE", 2)  # type: ignore[attr-defined]
    shapes = [box(3 * n, 0, 3 * n + 10, 10) for n in range(12)] + [box(-5, 4, 60, 5)]
    expected = sum(
        shapes[a].intersection(shapes[b]).area > 1e-12 for a in range(len(shapes)) for b in range(a)
    )
    found = houses(*shapes)
    assert found.found("BLD-01") + found.found("BLD-02") == expected


def test_a_heap_of_shapes_is_not_compared_to_the_end_and_says_so() -> None:
    shapes = [box(0, 0, 10 + n / 10, 10) for n in range(40)]
    layer = KNOWN["building"]
    found = check(layer, rows(layer, shapes), options=CheckOptions(most_pairs=10, today=TODAY))
    assert found.tally("BLD-01").limited is not None
    assert "not all pairs" in found.text("en")


def test_a_building_across_a_border_of_grids_is_cut() -> None:
    found = houses(box(90, 40, 120, 60), box(99.99, 0, 110, 10), box(10, 10, 20, 20), around=CELLS)
    assert offenders(found, "TOP-10") == [1]
    assert f"{HOME}001 200.0 m²" in next(f for f in found.findings if f.rule == "TOP-10").zh


def test_grids_that_cut_a_published_building_are_named() -> None:
    around = {**COMMUNITIES, "building": places(["b1"], [box(90, 40, 120, 60)])}
    found = grids(LEFT, RIGHT, around=around)
    assert broken(found) == {"TOP-10"}
    assert offenders(found, "TOP-10") == [1], "the grid with the smaller piece"
