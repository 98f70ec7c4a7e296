"""The quality score: GB/T 36344-2018's six dimensions, each from the pass rates of its rules.

The standard measures an indicator as X = A / B × 100 %, A the elements that satisfy it, B those that were
evaluated. A rule is such an indicator here: B what was looked at, A what passed. Rules weigh by severity
within their dimension; dimensions that were asked at all weigh alike. Weights are One Map's own: the
standard leaves them to its user.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from importers.check.ledger import Tally
from importers.check.model import DIMENSIONS, Dimension, Severity

WEIGHTS: dict[Severity, int] = {"error": 3, "warning": 1, "info": 0}

FORMULA_ZH = (
    "规则合格率 p = 1 − min(不合格数, 检查数) / 检查数；维度得分 D = 100 × Σ(w·p) / Σw"
    "（权重 w：错误 3，警告 1，提示 0）；总分 = 各已评维度得分的算术平均（GB/T 36344-2018）"
)
FORMULA_EN = (
    "pass rate of a rule p = 1 − min(broken, checked) / checked; a dimension D = 100 × Σ(w·p) / Σw"
    " (weight w: error 3, warning 1, info 0); total = mean of the dimensions asked (GB/T 36344-2018)"
)


@dataclass(frozen=True)
class DimensionScore:
    """One dimension; `value` 0–100, None if none of its rules had anything to look at."""

    dimension: Dimension
    value: float | None
    formula: str
    """With the numbers put in: `100 × (3 × 0.9900 + 1 × 1.0000) / 4`."""


@dataclass(frozen=True)
class Score:
    """The score of a layer; `total` 0–100, None for a layer without rows."""

    total: float | None
    dimensions: tuple[DimensionScore, ...]
    formula: str

    def to_json(self) -> dict[str, Any]:
        return {
            "total": None if self.total is None else round(self.total, 2),
            "formula": self.formula,
            "method": {"zh": FORMULA_ZH, "en": FORMULA_EN},
            "dimensions": [
                {
                    "dimension": d.dimension,
                    "title": DIMENSIONS[d.dimension]._asdict(),
                    "value": None if d.value is None else round(d.value, 2),
                    "formula": d.formula,
                }
                for d in self.dimensions
            ],
        }


def pass_rate(tally: Tally) -> float | None:
    """The share that passed; None if nothing was looked at or the rule has no weight."""
    if tally.skipped is not None or tally.checked == 0 or WEIGHTS[tally.rule.severity] == 0:
        return None
    return 1 - min(tally.found, tally.checked) / tally.checked


def score_of(tallies: Iterable[Tally]) -> Score:
    """The score of a layer from the tallies of its rules."""
    weighed = [
        (t.rule.dimension, WEIGHTS[t.rule.severity], rate)
        for t in tallies
        if (rate := pass_rate(t)) is not None
    ]
    dimensions = tuple(
        _dimension(dimension, [(w, p) for d, w, p in weighed if d == dimension]) for dimension in DIMENSIONS
    )
    values = [d.value for d in dimensions if d.value is not None]
    if not values:
        return Score(None, dimensions, "")
    total = sum(values) / len(values)
    shown = " + ".join(f"{v:.2f}" for v in values)
    return Score(total, dimensions, f"({shown}) / {len(values)} = {total:.2f}")


def _dimension(dimension: Dimension, rates: list[tuple[int, float]]) -> DimensionScore:
    if not rates:
        return DimensionScore(dimension, None, "")
    weights = sum(w for w, _ in rates)
    value = 100 * sum(w * p for w, p in rates) / weights
    shown = " + ".join(f"{w} × {p:.4f}" for w, p in rates)
    return DimensionScore(dimension, value, f"100 × ({shown}) / {weights} = {value:.2f}")
