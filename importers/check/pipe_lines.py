"""Is each pipe segment right by itself and at its two nodes? (PIP-01 … PIP-04, PIP-07 … PIP-10, PIP-12)

Segments against each other are looked at in `importers.check.pipe_network`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely

from importers.check.ledger import Said
from importers.check.model import Floats, Mask, Positions, Rule
from importers.check.plane import near_m
from importers.check.portion import Portion, there
from importers.check.surroundings import Places
from importers.check.work import Work
from layers.model import Layer, Text

_SURVEY = "CJJ 61-2017"
_GRAVITY = "PS"
"""Drainage flows by gravity unless a pressure is stated (CJJ 61-2017 App. B)."""


def is_line(layer: Layer) -> bool:
    """True for the layer of pipe segments."""
    return layer.id == "pipe_line"


NO_NODE = Rule(
    "PIP-01",
    "error",
    "consistency",
    Text("端点管点不存在", "node of an end does not exist"),
    _SURVEY,
    is_line,
    ("pipe_node",),
    topology="ends",
)
OFF_NODE = Rule(
    "PIP-02",
    "error",
    "consistency",
    Text("端点不在管点上", "end not on its node"),
    _SURVEY,
    is_line,
    ("pipe_node",),
    mend="snap",
    topology="ends",
)
BACKWARDS = Rule(
    "PIP-03",
    "warning",
    "consistency",
    Text("图形方向与起终点相反", "drawn from end to start"),
    _SURVEY,
    is_line,
    ("pipe_node",),
    mend="direction",
    topology="ends",
)
NOWHERE = Rule(
    "PIP-04", "error", "accuracy", Text("起终点相同", "starts and ends at one node"), _SURVEY, is_line
)
LEVELS = Rule(
    "PIP-07",
    "warning",
    "consistency",
    Text("地面高程、埋深、管线高程不符", "ground, depth and elevation do not agree"),
    _SURVEY,
    is_line,
    ("pipe_node",),
)
LONG = Rule("PIP-08", "warning", "accuracy", Text("管段过长", "segment too long"), _SURVEY, is_line)
ADVERSE = Rule("PIP-09", "warning", "accuracy", Text("重力管逆坡", "gravity pipe rises"), _SURVEY, is_line)
STEEP = Rule("PIP-10", "warning", "accuracy", Text("坡度过大", "very steep pipe"), _SURVEY, is_line)
OTHER_CLASS = Rule(
    "PIP-12",
    "error",
    "consistency",
    Text("管线与管点大类不一致", "pipe and node of different classes"),
    _SURVEY,
    is_line,
    ("pipe_node",),
)
RULES = (NO_NODE, OFF_NODE, BACKWARDS, NOWHERE, LEVELS, LONG, ADVERSE, STEEP, OTHER_CLASS)


class Ends(NamedTuple):
    """First and last vertex of each row, (n, 2) each; NaN where there is none."""

    first: Floats
    last: Floats


def ends_of(portion: Portion) -> Ends:
    """Where the drawn lines begin and end."""
    vertices = portion.vertices
    last = np.full((len(portion), 2), np.nan)
    rows, back = np.unique(vertices.row[::-1], return_index=True)
    last[rows] = vertices.xy[len(vertices.xy) - 1 - back]
    return Ends(portion.anchors, last)


class AtNode(NamedTuple):
    """One end of each row: the field that names its node, the node's position (-1 unknown), how far off."""

    field: str
    title: Text
    node: Positions
    apart_m: Floats
    other_apart_m: Floats
    """From the node to the row's other end."""


def at_nodes(portion: Portion, nodes: Places) -> tuple[AtNode, AtNode]:
    """Both ends of each row against the nodes they name."""
    ends = ends_of(portion)
    return (
        _at_node(portion, nodes, "start_node", Text("起点", "start"), ends.first, ends.last),
        _at_node(portion, nodes, "end_node", Text("终点", "end"), ends.last, ends.first),
    )


def _at_node(portion: Portion, nodes: Places, field: str, title: Text, own: Floats, other: Floats) -> AtNode:
    node = nodes.positions(portion.texts(field).all)
    place = np.vstack([nodes.xy, [[np.nan, np.nan]]])[node]
    return AtNode(
        field,
        title,
        node,
        near_m(own[:, 0], own[:, 1], place[:, 0], place[:, 1]),
        near_m(other[:, 0], other[:, 1], place[:, 0], place[:, 1]),
    )


def check_ends(portion: Portion, work: Work) -> None:
    """Both nodes exist and the drawing begins and ends on them."""
    ledger = work.ledger
    starts, stops = portion.texts("start_node"), portion.texts("end_node")
    if ledger.asks(NOWHERE):
        same = starts.given & (starts.all == stops.all)
        ledger.checked(NOWHERE, int((starts.given & stops.given).sum()))
        ledger.found(
            NOWHERE,
            portion,
            same,
            lambda p: Said(
                f"起点和终点都是 {starts.at(p)}",
                f"it starts and ends at {starts.at(p)}",
                starts.at(p),
                "end_node",
            ),
        )
    if not ledger.asks(NO_NODE, OFF_NODE, BACKWARDS):
        return
    both = at_nodes(portion, work.surroundings["pipe_node"])
    given = starts.given & stops.given
    missing = [portion.texts(e.field).given & (e.node < 0) for e in both]
    ledger.checked(NO_NODE, int(given.sum()))

    def lacking(position: int) -> Said:
        ends = [e for e, lacks in zip(both, missing, strict=True) if lacks[position]]
        codes = "、".join(str(portion.texts(e.field).at(position)) for e in ends)
        return Said(
            f"{'、'.join(e.title.zh for e in ends)}管点不存在：{codes}",
            f"the {' and '.join(e.title.en for e in ends)} node does not exist: {codes}",
            codes,
            ends[0].field,
        )

    ledger.found(NO_NODE, portion, missing[0] | missing[1], lacking)
    _check_distance(portion, work, both)


def _check_distance(portion: Portion, work: Work, both: tuple[AtNode, AtNode]) -> None:
    ledger, limit = work.ledger, work.options.end_m
    off = [e.apart_m > limit for e in both]  # NaN (no node, no line) is not off
    turned = off[0] & off[1] & (both[0].other_apart_m <= limit) & (both[1].other_apart_m <= limit)
    known = np.isfinite(both[0].apart_m) | np.isfinite(both[1].apart_m)
    for rule in (OFF_NODE, BACKWARDS):
        ledger.checked(rule, int(known.sum()))

    def away(position: int) -> Said:
        ends = [e for e, is_off in zip(both, off, strict=True) if is_off[position]]
        zh = "，".join(f"{e.title.zh}距管点 {e.apart_m[position]:.3f} m" for e in ends)
        en = ", ".join(f"the {e.title.en} is {e.apart_m[position]:.3f} m from its node" for e in ends)
        shown = ends_of_row(portion, position)[0 if ends[0] is both[0] else 1]
        return Said(zh, en, f"{max(e.apart_m[position] for e in ends):.3f}", ends[0].field, shown)

    ledger.found(OFF_NODE, portion, (off[0] | off[1]) & ~turned, away)
    ledger.found(
        BACKWARDS,
        portion,
        turned,
        lambda _: Said("图形从终点画到起点", "it is drawn from its end to its start"),
    )


def ends_of_row(portion: Portion, position: int) -> tuple[shapely.Point, shapely.Point]:
    """Where one row's drawing begins and ends."""
    xy = shapely.get_coordinates(portion.geometry[position])
    return shapely.Point(xy[0]), shapely.Point(xy[-1])


def check_levels(portion: Portion, work: Work) -> None:
    """At each end, ground less depth is the elevation of the pipe."""
    ledger = work.ledger
    if not ledger.asks(LEVELS):
        return
    nodes = work.surroundings["pipe_node"]
    grounds = np.append(nodes.numbers("ground_elevation_m"), np.nan)
    apart = []
    for end in ("start", "end"):
        node = nodes.positions(portion.texts(f"{end}_node").all)
        depth, level = portion.numbers(f"{end}_depth_m"), portion.numbers(f"{end}_elevation_m")
        apart.append(grounds[node] - depth - level)
    off = np.column_stack(apart)
    ledger.checked(LEVELS, int(np.isfinite(off).any(axis=1).sum()))
    # levels have millimetres: what differs by the limit exactly is not over it
    wrong = np.round(np.abs(off), 6) > work.options.elevation_m

    def said(position: int) -> Said:
        shown = [
            (zh, en, off[position, n])
            for n, (zh, en) in enumerate((("起点", "start"), ("终点", "end")))
            if wrong[position, n]
        ]
        return Said(
            "，".join(f"{zh}相差 {d:+.3f} m" for zh, _, d in shown) + "（地面高程−埋深−管线高程）",
            "ground − depth − elevation is " + ", ".join(f"{d:+.3f} m at its {en}" for _, en, d in shown),
            f"{shown[0][2]:+.3f}",
            "start_elevation_m" if wrong[position, 0] else "end_elevation_m",
        )

    ledger.found(LEVELS, portion, wrong[:, 0] | wrong[:, 1], said)


def check_run(portion: Portion, work: Work) -> None:
    """Length and fall of each segment."""
    ledger, options = work.ledger, work.options
    if not ledger.asks(LONG, ADVERSE, STEEP):
        return
    lengths = np.where(portion.placed, portion.lengths_m, np.nan)
    ledger.checked(LONG, int(portion.placed.sum()))
    ledger.found(
        LONG,
        portion,
        _over(lengths, options.longest_segment_m),
        lambda p: Said(
            f"管段长 {lengths[p]:.1f} m，超过 {options.longest_segment_m:g} m",
            f"the segment is {lengths[p]:.1f} m long, more than {options.longest_segment_m:g} m",
            f"{lengths[p]:.2f}",
        ),
    )
    if not portion.has("pipe_class"):
        return
    gravity = portion.texts("pipe_class").where(lambda value: value == _GRAVITY)
    gravity &= ~portion.texts("pressure").where(lambda value: bool(value.strip()))
    rise = portion.numbers("end_elevation_m") - portion.numbers("start_elevation_m")
    _check_fall(portion, work, gravity, rise, lengths)


def _check_fall(portion: Portion, work: Work, gravity: Mask, rise: Floats, lengths: Floats) -> None:
    ledger, options = work.ledger, work.options
    direction = portion.texts("flow_direction")
    along = np.where(
        direction.where(lambda value: value == "0"),
        rise,
        np.where(direction.where(lambda value: value == "1"), -rise, np.nan),
    )
    ledger.checked(ADVERSE, int((gravity & np.isfinite(along)).sum()))
    ledger.found(
        ADVERSE,
        portion,
        gravity & _over(along, options.adverse_m),
        lambda p: Said(
            f"沿流向升高 {along[p]:.3f} m（逆坡）",
            f"it rises {along[p]:.3f} m along its flow",
            f"{along[p]:.3f}",
            "flow_direction",
        ),
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.abs(rise) / lengths
    asked = gravity & np.isfinite(slope) & (lengths > options.min_length_m)
    ledger.checked(STEEP, int(asked.sum()))
    ledger.found(
        STEEP,
        portion,
        asked & _over(slope, options.steepest),
        lambda p: Said(
            f"坡度 {slope[p]:.0%}，超过 {options.steepest:.0%}",
            f"its slope is {slope[p]:.0%}, more than {options.steepest:.0%}",
            f"{slope[p]:.3f}",
        ),
    )


def check_node_classes(portion: Portion, work: Work) -> None:
    """A segment and both its nodes are of one class."""
    ledger = work.ledger
    if not ledger.asks(OTHER_CLASS):
        return
    nodes = work.surroundings["pipe_node"]
    classes = np.array([*nodes.texts("pipe_class"), None], dtype=object)
    own = portion.texts("pipe_class").all
    wrong, asked = np.zeros(len(portion), dtype=bool), np.zeros(len(portion), dtype=bool)
    theirs = {}
    for field in ("start_node", "end_node"):
        theirs[field] = classes[nodes.positions(portion.texts(field).all)]
        known = there(own) & there(theirs[field])
        asked |= known
        wrong |= known & (own != theirs[field])
    ledger.checked(OTHER_CLASS, int(asked.sum()))

    def said(position: int) -> Said:
        start, end = (theirs[f][position] for f in ("start_node", "end_node"))
        return Said(
            f"管线为 {own[position]}，起终点管点为 {start}、{end}",
            f"the pipe is {own[position]}, its nodes are {start} and {end}",
            own[position],
            "pipe_class",
        )

    ledger.found(OTHER_CLASS, portion, wrong, said)


def _over(values: Floats, limit: float) -> Mask:
    return np.asarray(values > limit, dtype=np.bool_)
