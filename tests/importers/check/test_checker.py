"""Rules as a whole: totals, caps, choices, streaming, the score."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.check import Checker, CheckOptions, Rows, Surroundings, check
from importers.check.checker import RULES
from importers.check.ledger import Tally
from importers.check.model import Rule
from importers.check.score import pass_rate, score_of
from layers.model import Field, Text
from tests.importers.check.specimens import TODAY, area, box, offenders, plain, point, report, rows

NAME = Field("name", Text("名称", "Name"), required=True)
LAYER = plain("MultiPolygon", NAME)
SHAPES = [
    None,
    box(0, 0, 10, 10),
    box(0, 0, 10, 10),
    area((0, 0), (10, 10), (10, 0), (0, 10)),
    box(20, 0, 20.5, 0.5),
    point(3, 3),
    box(50, 0, 60, 10),
]


def test_rule_ids_are_unique_and_rules_speak_both_languages() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.title.zh and rule.title.en and rule.source for rule in RULES)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(range(len(SHAPES))), st.sampled_from(["a", "b", None]), st.sampled_from("xyz")
        ),
        max_size=30,
    ),
    st.integers(1, 7),
    st.integers(0, 4),
)
def test_streaming_in_any_batches_says_what_bulk_says(
    specimens: list[tuple[int, str | None, str]], size: int, cap: int
) -> None:
    whole = rows(
        LAYER,
        [SHAPES[s] for s, _, _ in specimens],
        name=[n for _, n, _ in specimens],
        code=[c for _, _, c in specimens],
    )
    options = CheckOptions(cap=cap, today=TODAY)
    bulk = check(LAYER, whole, options=options)
    checker = Checker(LAYER, options=options)
    for start in range(0, len(whole), size):
        checker.feed(whole.part(start, min(start + size, len(whole))))
    streamed = checker.finish()
    assert streamed.tallies == bulk.tallies
    assert streamed.findings == bulk.findings
    assert streamed.score == bulk.score


def test_rows_of_nothing_are_looked_at_without_complaint() -> None:
    found = check(LAYER, Rows.of(LAYER, [], {}))
    assert (found.rows, found.score.total, found.is_clean) == (0, None, True)
    assert Checker(LAYER).finish().rows == 0


def test_findings_are_capped_and_totals_are_exact() -> None:
    found = report(plain("Point"), [None] * 50, options=CheckOptions(cap=3))
    assert offenders(found, "GEO-01") == [1, 2, 3]
    assert found.found("GEO-01") == 50
    assert found.to_json()["findings_left_out"] >= 47


def test_rows_are_named_by_their_own_numbers() -> None:
    layer = plain("Point")
    found = check(layer, rows(layer, [None, point(0, 0), None], [7, 9, 12]))
    assert offenders(found, "GEO-01") == [7, 12]


def test_feed_tells_the_rows_with_errors_and_finish_those_that_show_late() -> None:
    layer = plain("Point")
    checker = Checker(layer)
    first = rows(layer, [None, point(0, 0), point(1, 0)], [1, 2, 3], code=["a", "b", "c"])
    assert checker.feed(first).tolist() == [True, False, False]
    assert checker.feed(rows(layer, [point(2, 0)], [4], code=["b"])).tolist() == [False]
    checker.finish()
    assert checker.late_errors.tolist() == [2, 4]


def test_a_rule_may_be_switched_off_or_weighed_otherwise() -> None:
    options = CheckOptions(skip=frozenset({"GEO-01"}), severities={"GEO-02": "info"})
    found = report(plain("Point"), [None], options=options)
    tally = found.tally("GEO-01")
    assert (tally.found, tally.checked) == (0, 0)
    assert tally.skipped is not None
    assert found.tally("GEO-02").rule.severity == "info"


def test_a_rule_that_lacks_its_neighbour_layer_says_so() -> None:
    rule = Rule("X-01", "error", "consistency", Text("试", "try"), needs=("community",))
    from importers.check.ledger import Ledger

    ledger = Ledger(LAYER, [rule], CheckOptions(), Surroundings())
    assert not ledger.asks(rule)
    (tally,) = ledger.tallies
    assert tally.skipped is not None
    assert "community" in tally.skipped.zh


def test_the_score_follows_its_formula() -> None:
    def tally(severity: str, dimension: str, checked: int, found: int) -> Tally:
        return Tally(Rule("X", severity, dimension, Text("试", "try")), checked, found)  # type: ignore[arg-type]

    score = score_of(
        [
            tally("error", "accuracy", 100, 10),
            tally("warning", "accuracy", 50, 25),
            tally("info", "accuracy", 10, 10),
            tally("error", "completeness", 10, 30),
            tally("error", "consistency", 0, 0),
        ]
    )
    values = {d.dimension: d.value for d in score.dimensions}
    assert values["accuracy"] == pytest.approx(100 * (3 * 0.9 + 1 * 0.5) / 4)
    assert values["completeness"] == 0
    assert values["consistency"] is None
    assert score.total == pytest.approx((80 + 0) / 2)
    assert score.formula == "(0.00 + 80.00) / 2 = 40.00"
    assert "3 × 0.9000 + 1 × 0.5000" in next(d.formula for d in score.dimensions if d.dimension == "accuracy")


def test_a_rule_not_asked_has_no_pass_rate() -> None:
    rule = Rule("X", "error", "accuracy", Text("试", "try"))
    assert pass_rate(Tally(rule, 10, 1, Text("关", "off"))) is None
    assert pass_rate(Tally(rule, 10, 1)) == pytest.approx(0.9)


def test_the_report_goes_to_json_and_text_in_both_languages() -> None:
    found = report(LAYER, [None, box(0, 0, 10, 10), *SHAPES[3:4]], name=["a", None, "c"])
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["totals"]["error"] == 3
    assert data["publishable"] is False
    assert {f["rule"] for f in data["findings"] if f["severity"] == "error"} == {"GEO-01", "GEO-05", "ATT-01"}
    assert next(f for f in data["findings"] if f["rule"] == "GEO-05")["geometry"]["type"] == "Point"
    assert "几何无效" in found.text("zh")
    assert "invalid geometry" in found.text("en")


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="other lengths"):
        Rows.of(LAYER, [None, None], {"name": ["a"]}, np.array([1, 2]))
