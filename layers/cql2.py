"""A CQL2 filter (OGC 21-065r2) from its text or JSON to a bounded tree, before it meets any layer.

The parser of the text is a library's; what could exhaust it is refused before it is asked. Its tree, and
that of the JSON form, become SQL in `layers.cql2_sql` only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, NoReturn

import cql2

from layers.errors import BadRequest

FilterLanguage = Literal["cql2-text", "cql2-json"]

MAX_BYTES = 8 * 1024
"""Of a filter as sent, which bounds its geometries too."""
MAX_NODES = 200
"""Operators, properties and values together; a geometry is one."""
MAX_DEPTH = 20
MAX_GROUPS = 5
"""Brackets within brackets, those of functions apart: for each more, the parser takes twice as long to see
that something is wrong (0.2 s at five, with 8 kB)."""
MAX_SIGNS = 500
"""Operators in a text: the parser goes one level deeper for some, and has no bound of its own."""

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_TIMES = re.compile(r"\b(?:timestamp|interval)\s*\([^)]*", re.IGNORECASE)
_NO_ZONE = re.compile(r"'(\d{4}-\d\d-\d\d[T ][\d:.,]*)'", re.IGNORECASE)
_SIGN = re.compile(r"[-+*/%^=<>]|\b(?:and|or|not|div|like|in|between|is)\b", re.IGNORECASE)
_BRACKET = re.compile(r"([^\W\d]\w*)?\s*\(|\)")
_NO_FUNCTIONS = frozenset({"and", "or", "not", "in", "like", "between", "div"})
_KINDS = frozenset({"op", "property", "date", "timestamp", "interval", "bbox", "type"})
_GEOMETRIES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)


@dataclass(frozen=True)
class FilterExpression:
    """What rows must meet. `tree` is CQL2 JSON; `properties` are named in it, in order, each once.

    `epsg` and `latitude_first`: the system of the coordinates in it, and the order they are given in.
    `key` tells filters apart.
    """

    tree: Any
    properties: tuple[str, ...]
    epsg: int
    latitude_first: bool
    key: str


def read_filter(
    text: str,
    language: FilterLanguage = "cql2-text",
    *,
    epsg: int = 4490,
    latitude_first: bool = False,
) -> FilterExpression:
    """The filter in `text`. Raises `BadRequest` for what is none, or is larger than the limits above."""
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        raise wrong(f"{size} 字节", f"{size} bytes", f"at most {MAX_BYTES} bytes")
    tree = _tree_of_text(text) if language == "cql2-text" else _tree_of_json(text)
    names: dict[str, None] = {}
    for number, (node, depth) in enumerate(_walk(tree)):
        if number >= MAX_NODES:
            raise wrong("项数过多", "too many terms", f"at most {MAX_NODES} operators, properties and values")
        if depth > MAX_DEPTH:
            raise wrong("嵌套过深", "nested too deeply", f"at most {MAX_DEPTH} levels")
        if not isinstance(node, dict):
            continue
        if len(_KINDS & node.keys()) != 1:
            # One that could be read as two things would be bounded as one and translated as the other.
            raise wrong(str(node), str(node), f"one of {', '.join(sorted(_KINDS))}")
        if isinstance(node.get("property"), str):
            names[node["property"]] = None
    said = json.dumps([tree, epsg, latitude_first], sort_keys=True)
    key = blake2b(said.encode(), digest_size=16).hexdigest()
    return FilterExpression(tree, tuple(names), epsg, latitude_first, key)


def is_geometry(node: object) -> bool:
    """Whether a node is a geometry literal."""
    return isinstance(node, dict) and ("bbox" in node or str(node.get("type")) in _GEOMETRIES)


def wrong(zh: str, value: object, expected: str) -> BadRequest:
    """What to raise for a filter that is wrong in `value`."""
    shown = str(value)[:80]
    return BadRequest(
        f"filter 有误：{zh[:80]}，应为 {expected}",
        f"filter is not right: {shown}, expected {expected}",
        field="filter",
        value=value,
        expected=expected,
    )


def _tree_of_text(text: str) -> Any:
    _check_shape(text)
    try:
        return cql2.parse_text(text).to_json()
    except Exception as error:  # the library raises bare Exceptions of its own for some texts
        found = re.search(r"-->\s*\d+:(\d+)", str(error))
        rest = text[int(found[1]) - 1 :] if found is not None else text
        place = rest[:40] or "…" + text[-40:]
        raise wrong(f"“{place}”处无法解析", f"cannot be read at {place!r}", "CQL2 text") from error


def _check_shape(text: str) -> None:
    """Refuses what the parser would be slow with, or would go too deep for."""
    for found in _TIMES.finditer(text):
        for moment in _NO_ZONE.findall(found[0]):
            # The parser would take it as UTC, and its writer meant China.
            raise wrong(moment, moment, "a time with its zone: '2026-01-31T08:00:00Z'")
    plain = _QUOTED.sub("_", text)
    if "'" in plain or '"' in plain:
        raise wrong("引号不成对", "a quotation mark without its pair", "quotation marks in pairs")
    if len(_SIGN.findall(plain)) > MAX_SIGNS:
        raise wrong("运算符过多", "too many operators", f"at most {MAX_SIGNS}")
    open_brackets: list[bool] = []
    for found in _BRACKET.finditer(plain):
        if found[0] == ")":
            if not open_brackets:
                raise wrong("括号不成对", "a bracket without its pair", "brackets in pairs")
            open_brackets.pop()
            continue
        word = (found[1] or "").lower()
        open_brackets.append(not word or word in _NO_FUNCTIONS)
        if len(open_brackets) > MAX_DEPTH or sum(open_brackets) > MAX_GROUPS:
            raise wrong(
                "括号嵌套过深", "brackets nested too deeply", f"at most {MAX_GROUPS} within one another"
            )
    if open_brackets:
        raise wrong("括号不成对", "a bracket without its pair", "brackets in pairs")


def _tree_of_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise wrong("不是 JSON", "not JSON", "CQL2 JSON (OGC 21-065r2)") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _walk(tree: Any) -> Iterator[tuple[Any, int]]:
    """Every node with its depth. Coordinates are no nodes; nothing recurses."""
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        if isinstance(node, list):
            waiting += [(each, depth + 1) for each in node]
        elif isinstance(node, dict) and not is_geometry(node):
            for member in ("args", "interval"):
                inner = node.get(member)
                if isinstance(inner, list):
                    waiting += [(each, depth + 1) for each in inner]
