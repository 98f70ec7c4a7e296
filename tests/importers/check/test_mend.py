"""Mending: only what was chosen, counted, with the originals; what was mended breaks the rule no more."""

from __future__ import annotations

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from importers.check import CheckOptions, CheckReport, Rows, Surroundings, check
from importers.check.mend import mend
from importers.check.mend_report import MendReport
from importers.check.mend_text import padded_grid, tidy
from layers.errors import BadRequest
from layers.mendings import MENDINGS, MendOptions, parse_mendings
from layers.model import Field, Layer, Text
from tests.importers.check.specimens import KNOWN, TODAY, area, box, broken, line, places, plain, point, rows

NAME = Field("name", Text("名称", "Name"))
KIND = Field(
    "kind", Text("类别", "Kind"), codes={"JS": Text("给水", "Water supply"), "PS": Text("排水", "Drainage")}
)
BOW_TIE = area((0, 0), (10, 10), (10, 0), (0, 10))
NODES = Surroundings({"pipe_node": places(["a", "b"], [point(0, 0), point(30, 0)])})
HOME = "341502001001"
COMMUNITY = Surroundings({"community": places([HOME], [box(0, 0, 200, 100)])})


def looked(layer: Layer, found: Rows, around: Surroundings | None = None) -> CheckReport:
    return check(layer, found, around or Surroundings(), CheckOptions(today=TODAY))


def mended(
    layer: Layer, given_rows: Rows, words: str, around: Surroundings | None = None
) -> tuple[Rows, MendReport]:
    return mend(layer, given_rows, parse_mendings([words]), around or Surroundings())


@pytest.mark.parametrize(
    ("mending", "rule", "layer", "shape", "values"),
    [
        ("text", "ATT-07", plain("Point", NAME), point(0, 0), {"name": " 人民路\n"}),
        ("placeholders", "ATT-09", plain("Point", NAME), point(0, 0), {"name": "NULL"}),
        ("codes", "ATT-06", plain("Point", KIND), point(0, 0), {"kind": "给水"}),
        ("codes", "ATT-06", plain("Point", KIND), point(0, 0), {"kind": "ps"}),
        ("grid", "COD-01", KNOWN["unit_grid"], box(0, 0, 100, 100), {"code": "34150200100101"}),
        ("valid", "GEO-05", plain(), BOW_TIE, {}),
        ("vertices", "GEO-09", plain(), area((0, 0), (9, 0), (9, 0), (9, 9)), {}),
        ("snap", "PIP-02", KNOWN["pipe_line"], line((0, 0), (30, 0.2)), {"start_node": "a", "end_node": "b"}),
        (
            "direction",
            "PIP-03",
            KNOWN["pipe_line"],
            line((30, 0), (0, 0)),
            {"start_node": "a", "end_node": "b"},
        ),
    ],
)
def test_each_mending_answers_its_rule(
    mending: str, rule: str, layer: Layer, shape: BaseGeometry, values: dict[str, str]
) -> None:
    before = rows(layer, [shape], **{n: [v] for n, v in values.items()})
    assert rule in broken(looked(layer, before, NODES))
    words = f"{mending}=0.5m" if mending == "snap" else mending
    after, report = mended(layer, before, words, NODES)
    assert rule not in broken(looked(layer, after, NODES))
    assert report.counts == {mending: 1}
    (original,) = report.originals[mending]
    assert original.row == 1
    if original.wkb is not None:
        assert shapely.from_wkb(original.wkb).equals_exact(shape, 0.0)
    else:
        assert original.field is not None
        assert original.value == values[original.field]


def test_nothing_is_mended_unless_chosen() -> None:
    layer = plain("MultiPolygon", NAME)
    before = rows(layer, [BOW_TIE], name=[" x "])
    after, report = mend(layer, before, MendOptions())
    assert after is before
    assert report.counts == {}


def test_what_is_right_is_left_alone() -> None:
    layer = plain("MultiPolygon", NAME, KIND)
    before = rows(layer, [box(0, 0, 9, 9), None], name=["人民路", None], kind=["JS", None])
    after, report = mended(layer, before, "all")
    assert report.counts == {}
    assert after.geometry.tolist() == before.geometry.tolist()


def test_a_shape_that_cannot_be_mended_stays_a_finding() -> None:
    flat = shapely.Polygon([(116.5, 31.7), (116.6, 31.7), (116.5, 31.7)])
    after, report = mended(plain(), rows(plain(), [flat]), "valid")
    assert report.counts == {}
    assert broken(looked(plain(), after)) >= {"GEO-05"}


def test_originals_are_capped_and_counts_are_not() -> None:
    layer = plain("Point", NAME)
    before = rows(layer, [point(n, 0) for n in range(5)], name=[" x"] * 5)
    _, report = mend(layer, before, MendOptions(frozenset({"text"}), originals=2))
    assert report.counts == {"text": 5}
    assert len(report.originals["text"]) == 2
    assert report.to_json()["counts"] == [{"mending": "text", "title": MENDINGS["text"]._asdict(), "rows": 5}]


def test_an_end_too_far_from_its_node_is_not_moved() -> None:
    layer = KNOWN["pipe_line"]
    before = rows(layer, [line((0, 0), (30, 0.2))], start_node=["a"], end_node=["b"])
    assert mended(layer, before, "snap=10cm", NODES)[1].counts == {}


def test_a_snapped_end_lies_exactly_on_its_node_and_the_rest_stays() -> None:
    layer = KNOWN["pipe_line"]
    before = rows(layer, [line((0, 0.03), (15, 5), (30, 0.2))], start_node=["a"], end_node=["b"])
    after, _ = mended(layer, before, "snap=0.05m", NODES)
    was, now = (shapely.get_coordinates(r.geometry).tolist() for r in (before, after))
    assert now == [list(point(0, 0).coords[0]), *was[1:]]


def test_tiles_are_snapped_to_each_other() -> None:
    layer = KNOWN["unit_grid"]
    shapes = [box(0, 0, 100, 100), box(100.03, 0, 200, 100)]
    before = rows(layer, shapes, code=[f"{HOME}001", f"{HOME}002"])
    assert broken(looked(layer, before, COMMUNITY)) == {"TOP-02"}
    after, report = mended(layer, before, "tile=5cm", COMMUNITY)
    assert broken(looked(layer, after, COMMUNITY)) == set()
    assert sum(report.counts.values()) >= 1


def test_overlapping_tiles_are_parted() -> None:
    layer = KNOWN["unit_grid"]
    shapes = [box(0, 0, 101, 100), box(100, 0, 200, 100)]
    before = rows(layer, shapes, code=[f"{HOME}001", f"{HOME}002"])
    after, _ = mended(layer, before, "tile", COMMUNITY)
    assert broken(looked(layer, after, COMMUNITY)) == set()


@pytest.mark.parametrize("words", ["magic", "valid=3m", "snap=far", "", "all=1m"])
def test_an_unknown_mending_is_refused(words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_mendings([words])
    assert refused.value.facts["field"] == "mend"


def test_mendings_are_said_as_on_a_command_line() -> None:
    options = parse_mendings(["valid,snap=50mm", "tile=0.02m"])
    assert options.chosen == {"valid", "snap", "tile"}
    assert (options.snap_m, options.gap_m) == (pytest.approx(0.05), pytest.approx(0.02))
    assert parse_mendings(["all"]).chosen == set(MENDINGS)


@given(st.text(max_size=20), st.booleans())
def test_tidying_twice_is_tidying_once(text: str, is_code: bool) -> None:
    once = tidy(text, is_code=is_code)
    assert tidy(once, is_code=is_code) == once


@given(st.text("0123456789", max_size=16))
def test_padding_twice_is_padding_once(text: str) -> None:
    assert padded_grid(padded_grid(text)) == padded_grid(text)
