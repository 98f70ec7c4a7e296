"""What a row leaves out and its other values or its geometry say: codes by their structure, areas, lengths.

Only empty values are filled, and filling is counted. Codes from the *place* (which district a point is in)
are the database's business when rows are staged.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gis.measures import area_m2, length_m
from importers.masks import Mask, mask_of, nulls
from importers.source import Geometries
from layers.model import Layer

Columns = dict[str, pa.Array]
_Rule = Callable[[Columns, Geometries, Mask], pa.Array]
"""Values for the rows of the mask, as many as the mask has True."""

GRID_DIGITS, OLD_GRID_DIGITS = 15, 14
"""Digits of a unit grid's code by GB/T 30428.1, and by CJ/T 213-2005, whose number had two digits."""
_DIAMETER = r"^(?:DN|d|D|Φ|φ)?\s*(?P<d>\d+(?:\.\d+)?)\s*(?:mm)?$"


def padded_grid_codes(codes: pa.Array) -> tuple[pa.Array, Mask]:
    """14-digit grid codes with the last number padded to three digits, and which those were."""
    old = mask_of(pc.match_substring_regex(codes, rf"^\d{{{OLD_GRID_DIGITS}}}$"))
    if not old.any():
        return codes, old
    padded = pc.binary_join_element_wise(
        pc.utf8_slice_codeunits(codes, 0, 12), pc.utf8_slice_codeunits(codes, 12), "0"
    )
    return pc.if_else(pa.array(old), padded, codes), old


def derive(layer: Layer, columns: Columns, shapes: Geometries) -> dict[str, int]:
    """Fills empty values of `columns` in place by the rules of known layers; rows filled, by field."""
    filled: dict[str, int] = {}
    if not layer.known:
        return filled
    for name, rule in _RULES.get(layer.id, {}).items():
        if layer.field(name) is None:
            continue
        array = columns.get(name)
        empty = np.ones(len(shapes), dtype=bool) if array is None else nulls(array)
        if not empty.any():
            continue
        values = rule(columns, shapes, empty)
        count = len(values) - values.null_count
        if not count:
            continue
        if array is None:
            columns[name] = values
        else:
            columns[name] = pc.replace_with_mask(array, pa.array(empty), pc.cast(values, array.type))
        filled[name] = count
    return filled


def _area(columns: Columns, shapes: Geometries, empty: Mask) -> pa.Array:
    return _rounded(area_m2(shapes[empty]), 2)


def _length(columns: Columns, shapes: Geometries, empty: Mask) -> pa.Array:
    return _rounded(length_m(shapes[empty]), 3)


def _rounded(values: NDArray[np.float64], digits: int) -> pa.Array:
    """Measures to the centimetre or millimetre; none where there is nothing to measure."""
    return pa.array(np.round(values, digits), pa.float64(), mask=values <= 0)


def _beginning(of: str, digits: int) -> _Rule:
    """The first digits of another code, if that is a code of digits."""

    def rule(columns: Columns, shapes: Geometries, empty: Mask) -> pa.Array:
        codes = columns.get(of)
        if codes is None:
            return pa.nulls(int(empty.sum()), pa.string())
        some = codes.filter(pa.array(empty))
        fits = pc.match_substring_regex(some, rf"^\d{{{digits}}}")
        return pc.if_else(fits, pc.utf8_slice_codeunits(some, 0, digits), pa.scalar(None, pa.string()))

    return rule


def _component_class(columns: Columns, shapes: Geometries, empty: Mask) -> pa.Array:
    """Major and minor class inside a component's code: digits 7–10 of 16, or 7–11 of 17."""
    codes = columns.get("code")
    if codes is None:
        return pa.nulls(int(empty.sum()), pa.string())
    some = codes.filter(pa.array(empty))
    old = pc.match_substring_regex(some, r"^\d{16}$")
    new = pc.match_substring_regex(some, r"^\d{17}$")
    inner = pc.if_else(new, pc.utf8_slice_codeunits(some, 6, 11), pc.utf8_slice_codeunits(some, 6, 10))
    return pc.if_else(pc.or_(old, new), inner, pa.scalar(None, pa.string()))


def _diameter(columns: Columns, shapes: Geometries, empty: Mask) -> pa.Array:
    """The diameter in a round pipe's section (`300`, `DN300`); none for `400X300`."""
    sections = columns.get("section")
    if sections is None:
        return pa.nulls(int(empty.sum()), pa.float64())
    some = pc.utf8_trim_whitespace(sections.filter(pa.array(empty)))
    return pc.cast(pc.struct_field(pc.extract_regex(some, _DIAMETER), "d"), pa.float64())


def _segment_code(columns: Columns, shapes: Geometries, empty: Mask) -> pa.Array:
    """`start-end`, as survey tables name a segment that has no code of its own."""
    start, end = columns.get("start_node"), columns.get("end_node")
    if start is None or end is None:
        return pa.nulls(int(empty.sum()), pa.string())
    some = pa.array(empty)
    return pc.binary_join_element_wise(start.filter(some), end.filter(some), "-")


_RULES: dict[str, dict[str, _Rule]] = {
    "district": {"district_code": _beginning("code", 6), "area_m2": _area},
    "street": {"district_code": _beginning("code", 6), "area_m2": _area},
    "community": {
        "district_code": _beginning("code", 6),
        "street_code": _beginning("code", 9),
        "area_m2": _area,
    },
    "unit_grid": {
        "community_code": _beginning("code", 12),
        "street_code": _beginning("code", 9),
        "district_code": _beginning("code", 6),
        "area_m2": _area,
    },
    "component": {"class_code": _component_class, "district_code": _beginning("code", 6)},
    "building": {"footprint_area_m2": _area},
    "pipe_line": {"code": _segment_code, "length_m": _length, "diameter_mm": _diameter},
    "water_area": {"area_m2": _area},
    "green_area": {"area_m2": _area},
}
"""Field → rule, in order: a later rule may use what an earlier one filled."""


def derivable(layer_id: str, have: set[str]) -> set[str]:
    """Fields that can be filled for certain if a file has the fields `have`."""
    return {"code"} if layer_id == "pipe_line" and {"start_node", "end_node"} <= have else set()
