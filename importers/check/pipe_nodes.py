"""Does each pipe node fit the segments that meet at it? (PIP-21 … PIP-23)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from importers.check.ledger import Said
from importers.check.model import Rule
from importers.check.portion import Portion
from importers.check.surroundings import Places
from importers.check.work import Work
from layers.model import Layer, Text

_SURVEY = "CJJ 61-2017"


def _is_node(layer: Layer) -> bool:
    return layer.id == "pipe_node"


ISOLATED = Rule(
    "PIP-21",
    "warning",
    "consistency",
    Text("孤立管点", "isolated node"),
    _SURVEY,
    _is_node,
    ("pipe_line",),
    topology="network",
)
DEGREE = Rule(
    "PIP-22",
    "warning",
    "consistency",
    Text("特征与连接管段数不符", "feature does not fit the number of segments"),
    _SURVEY,
    _is_node,
    ("pipe_line",),
    topology="network",
)
EITHER = Rule(
    "PIP-23",
    "warning",
    "normativity",
    Text("特征与附属物应填其一", "either feature or appendage"),
    _SURVEY,
    _is_node,
)
RULES = (ISOLATED, DEGREE, EITHER)

DEGREES = {
    **dict.fromkeys(("预留口", "盖堵", "堵头", "管堵", "停止塞"), (1, 1)),
    **dict.fromkeys(("弯头", "变径", "变材", "直线点", "直通", "转折点", "拐点", "变坡点"), (2, 2)),
    **{"三通": (3, 3), "四通": (4, 4), "五通": (5, 5), "六通": (6, 6), "多通": (5, 99)},
}
"""特征 → least and most segments that meet there (CJJ 61-2017 App. F)."""


def check_either(portion: Portion, work: Work) -> None:
    """A survey point is a feature of the pipe or stands for something built on it."""
    if not work.ledger.asks(EITHER):
        return
    feature = portion.texts("feature").where(lambda value: bool(value.strip()))
    appendage = portion.texts("appendage").where(lambda value: bool(value.strip()))
    work.ledger.checked(EITHER, len(portion))

    def said(position: int) -> Said:
        if not feature[position]:
            return Said("特征和附属物都未填写", "neither feature nor appendage is filled", field="feature")
        both = f"{portion.texts('feature').at(position)} / {portion.texts('appendage').at(position)}"
        return Said(
            f"特征和附属物都已填写：{both}", f"feature and appendage are both filled: {both}", both, "feature"
        )

    work.ledger.found(EITHER, portion, feature == appendage, said)


def check_degrees(portion: Portion, work: Work) -> None:
    """As many segments meet at a node as its feature says, and at least one."""
    ledger = work.ledger
    if not ledger.asks(ISOLATED, DEGREE):
        return
    degree = _degrees(portion, work.surroundings["pipe_line"])
    codes = portion.texts("code")
    ledger.checked(ISOLATED, int(codes.given.sum()))
    ledger.found(
        ISOLATED,
        portion,
        codes.given & (degree == 0),
        lambda p: Said(
            f"管点 {codes.at(p)} 没有连接任何管段", f"no segment meets at {codes.at(p)}", codes.at(p)
        ),
    )
    feature = portion.texts("feature")
    stripped = feature.each(lambda value: value.strip() if value.strip() in DEGREES else None)
    plain = ~portion.texts("appendage").where(lambda value: bool(value.strip()))
    limits = np.array([DEGREES.get(f, (0, 99)) if f else (0, 99) for f in stripped.tolist()]).reshape(-1, 2)
    asked = plain & (degree > 0) & feature.where(lambda value: value.strip() in DEGREES)
    ledger.checked(DEGREE, int(asked.sum()))
    ledger.found(
        DEGREE,
        portion,
        asked & ((degree < limits[:, 0]) | (degree > limits[:, 1])),
        lambda p: Said(
            f"特征为“{feature.at(p)}”，但连接 {degree[p]} 条管段",
            f"its feature is {feature.at(p)!r}, but {degree[p]} segments meet",
            feature.at(p),
            "feature",
        ),
    )


def _degrees(portion: Portion, lines: Places) -> NDArray[np.int64]:
    """(n,) how many ends of segments name each node."""
    counts, codes = lines.ends_at, portion.texts("code").all
    return np.fromiter((counts.get(code, 0) for code in codes.tolist()), np.int64, len(codes))
