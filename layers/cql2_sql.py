"""A CQL2 filter as a condition on scoped rows: every value bound, nothing called that is not listed here.

Types are those of the layer's fields; where two sides cannot be compared the request is refused, never
guessed at. A property that is not let out is refused like one that does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    FromClause,
    LargeBinary,
    Text,
    and_,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
)

from gis.crs import read_crs, reproject
from layers.access import Scope
from layers.cql2 import FilterExpression, is_geometry, wrong
from layers.errors import BadRequest
from layers.filters import check_place, read_interval
from layers.rows import candidates, require_field
from layers.tables import SRID

GEOMETRY = "geometry"
"""What the geometry of every layer is called among its queryables."""

Clause = ColumnElement[bool]


class _Scalar(NamedTuple):
    """A side of a comparison. `kind`: text, number, boolean, date or datetime; `day`: the first and
    the last moment, in China, of a literal date."""

    sql: ColumnElement[Any]
    kind: str
    day: tuple[ColumnElement[Any], ColumnElement[Any]] | None = None


class _Span(NamedTuple):
    """A time and its end, which is the same for an instant; bounds of one kind."""

    first: ColumnElement[Any]
    last: ColumnElement[Any]


def filter_fields(scope: Scope, expression: FilterExpression) -> tuple[str, ...]:
    """The fields that `condition` needs. Raises `BadRequest` for one the scope does not let out."""
    names = tuple(n for n in expression.properties if n != GEOMETRY or n in scope.fields)
    for name in names:
        require_field(scope, name)
    return names


def condition(scope: Scope, table: FromClause, expression: FilterExpression) -> Clause:
    """What rows of `table` (made by `rows` with at least `filter_fields`) must meet.

    Null where a value is missing, as in SQL: such rows are not chosen, nor by the opposite.
    Raises `BadRequest` naming what is wrong and what was expected.
    """
    filter_fields(scope, expression)
    return _Translation(scope, table, expression).clause(expression.tree, chooses=True)


class _Translation:
    """One filter on its way to SQL."""

    def __init__(self, scope: Scope, table: FromClause, expression: FilterExpression) -> None:
        self._scope = scope
        self._table = table
        self._expression = expression

    def clause(self, node: Any, *, chooses: bool) -> Clause:
        """A condition. `chooses`: rows are taken where it holds, so that an index may help; not below NOT,
        where what the index alone rules out would be taken for a no."""
        if isinstance(node, bool):
            return literal(node, Boolean())
        op = node.get("op") if isinstance(node, dict) else None
        if op is None:
            side = self._scalar(node)
            if side.kind != "boolean":
                raise wrong(_shown(node), _shown(node), "a condition")
            return side.sql
        name, args = str(op).lower(), node.get("args")
        if not isinstance(args, list):
            raise wrong(name, name, "args")
        if name in ("and", "or"):
            if len(args) < 2:
                raise wrong(name, name, "two conditions at least")
            join = and_ if name == "and" else or_
            return join(*(self.clause(each, chooses=chooses) for each in args))
        if name in _SPATIAL:
            return self._spatial(name, *_arguments(name, args, 2), chooses=chooses)
        if name not in _OTHERS:
            raise wrong(f"没有“{str(op)[:40]}”", f"no operator {str(op)[:40]!r}", _KNOWN)
        count, translate = _OTHERS[name]
        return translate(self, name, *_arguments(name, args, count))

    def negation(self, _: str, inner: Any) -> Clause:
        return not_(self.clause(inner, chooses=False))

    def comparison(self, name: str, left: Any, right: Any) -> Clause:
        return _compared(name, self._scalar(left), self._scalar(right), right)

    def between(self, name: str, value: Any, low: Any, high: Any) -> Clause:
        side = self._scalar(value)
        if side.kind not in ("number", "date", "datetime"):
            raise wrong(_shown(value), _shown(value), "a number or a time, for BETWEEN")
        bounds = self._scalar(low), self._scalar(high)
        return and_(_compared(">=", side, bounds[0], low), _compared("<=", side, bounds[1], high))

    def among(self, name: str, value: Any, choices: Any) -> Clause:
        if not isinstance(choices, list) or not choices:
            raise wrong(_shown(choices), _shown(choices), "a list of values, for IN")
        side = self._scalar(value)
        return or_(false(), *(_compared("=", side, self._scalar(each), each) for each in choices))

    def like(self, name: str, value: Any, pattern: Any) -> Clause:
        side, wanted = self._scalar(value), self._scalar(pattern)
        inner = pattern["args"][0] if isinstance(pattern, dict) and _op(pattern) == "casei" else pattern
        if side.kind != "text":
            raise wrong(_shown(value), _shown(value), "text, for LIKE")
        if not isinstance(inner, str):
            raise wrong(_shown(pattern), _shown(pattern), "a pattern in quotation marks, for LIKE")
        if (len(inner) - len(inner.rstrip("\\"))) % 2:
            raise wrong(
                _shown(pattern), _shown(pattern), "a pattern that does not end with its escape character"
            )
        return side.sql.like(wanted.sql, escape="\\")

    def is_null(self, _: str, value: Any) -> Clause:
        if self._is_place(value):
            return self._table.c._geom.is_(None)
        return self._scalar(value).sql.is_(None)

    def temporal(self, name: str, left: Any, right: Any) -> Clause:
        kinds = {k for k in (self._kind(e) for s in (left, right) for e in _ends(s)) if k is not None}
        if len(kinds) > 1:
            raise wrong(name, name, "dates or times, not both")
        kind = kinds.pop() if kinds else "datetime"
        return _TEMPORAL[name](self._span(left, kind), self._span(right, kind))

    def _kind(self, node: Any) -> str | None:
        """Of a property that holds times; None for a literal."""
        if not (isinstance(node, dict) and "property" in node):
            return None
        kind = self._scalar(node).kind
        if kind not in ("date", "datetime"):
            raise wrong(_shown(node), _shown(node), "a field of dates or times")
        return kind

    def _span(self, node: Any, kind: str) -> _Span:
        ends = _ends(node)
        if len(ends) == 2:
            return _Span(self._end(ends[0], kind, last=False), self._end(ends[1], kind, last=True))
        return _Span(self._end(node, kind, last=False), self._end(node, kind, last=True))

    def _end(self, node: Any, kind: str, *, last: bool) -> ColumnElement[Any]:
        if node == "..":
            sign = "" if last else "-"
            return literal_column(f"'{sign}infinity'::{'date' if kind == 'date' else 'timestamptz'}")
        if isinstance(node, str):
            node = {"date" if len(node) == 10 else "timestamp": node}
        side = self._scalar(node)
        if side.kind == kind:
            return side.sql
        if (side.kind, kind) == ("date", "datetime") and side.day is not None:
            return side.day[1] if last else side.day[0]
        raise wrong(_shown(node), _shown(node), "DATE('2026-01-31')" if kind == "date" else _TIME)

    def _scalar(self, node: Any) -> _Scalar:
        if isinstance(node, bool):
            return _Scalar(literal(node, Boolean()), "boolean")
        if isinstance(node, int | float):
            return _Scalar(_number(node), "number")
        if isinstance(node, str):
            if "\x00" in node:
                raise wrong("NUL", "NUL", "text without NUL")
            return _Scalar(literal(node, Text()), "text")
        if isinstance(node, dict):
            if isinstance(node.get("property"), str):
                return self._property(node["property"])
            if isinstance(node.get("date"), str):
                return _day(node["date"])
            if isinstance(node.get("timestamp"), str):
                return _Scalar(literal(_moment(node["timestamp"]), DateTime(timezone=True)), "datetime")
            if _op(node) == "casei":
                (inner,) = _arguments("casei", node.get("args"), 1)
                side = self._scalar(inner)
                if side.kind != "text":
                    raise wrong(_shown(inner), _shown(inner), "text, for CASEI")
                return _Scalar(func.lower(side.sql, type_=Text()), "text")
            if "op" in node:
                raise wrong(f"没有“{_op(node)[:40]}”", f"no function {_op(node)[:40]!r}", "CASEI")
        raise wrong(
            _shown(node), _shown(node), "a property, text, a number, true, false, DATE('…'), TIMESTAMP('…')"
        )

    def _property(self, name: str) -> _Scalar:
        require_field(self._scope, name)
        field = self._scope.layer.field(name)
        assert field is not None
        kind = "number" if field.type == "integer" else field.type
        return _Scalar(self._table.c[name], kind)

    def _is_place(self, node: Any) -> bool:
        return isinstance(node, dict) and node.get("property") == GEOMETRY

    def _spatial(self, name: str, left: Any, right: Any, *, chooses: bool) -> Clause:
        shapes = [each for each in (left, right) if is_geometry(each)]
        for each in (left, right):
            if not is_geometry(each) and not self._is_place(each):
                raise wrong(_shown(each), _shown(each), f"{GEOMETRY} or a geometry, for {name.upper()}")
        collected = [each for each in shapes if each.get("type") == "GeometryCollection"]
        if collected:
            return self._spatial_of_parts(name, left, right, chooses=chooses)
        sides = [self._shape(each) for each in (left, right)]
        relation = _SPATIAL[name](*sides)
        if not chooses or len(shapes) != 1 or name == "s_disjoint":
            return relation
        place = sides[0] if is_geometry(left) else sides[1]
        return and_(*candidates(self._scope, self._table, place), relation)

    def _spatial_of_parts(self, name: str, left: Any, right: Any, *, chooses: bool) -> Clause:
        """A collection meets what one of its members meets; other relations have no meaning member by
        member."""
        if name not in ("s_intersects", "s_disjoint"):
            raise wrong("GEOMETRYCOLLECTION", "GEOMETRYCOLLECTION", f"one geometry, for {name.upper()}")
        pairs = [(a, b) for a in _members(left) for b in _members(right)]
        if not pairs or len(pairs) > _MAX_MEMBERS:
            raise wrong("GEOMETRYCOLLECTION", "GEOMETRYCOLLECTION", f"1 to {_MAX_MEMBERS} members")
        join = or_ if name == "s_intersects" else and_
        return join(*(self._spatial(name, a, b, chooses=chooses) for a, b in pairs))

    def _shape(self, node: Any) -> ColumnElement[Any]:
        if not is_geometry(node):
            return self._table.c._geom
        shape = _in_degrees(_read_shape(node, self._expression), node, self._expression)
        return func.ST_GeomFromWKB(literal(shapely.to_wkb(shape), LargeBinary()), SRID)


_MAX_MEMBERS = 20
_TIME = "TIMESTAMP('2026-01-31T08:00:00Z')"

_SPATIAL: Mapping[str, Callable[[Any, Any], Clause]] = {
    "s_intersects": lambda a, b: func.ST_Intersects(a, b, type_=Boolean()),
    "s_disjoint": lambda a, b: not_(func.ST_Intersects(a, b, type_=Boolean())),
    "s_within": lambda a, b: func.ST_Within(a, b, type_=Boolean()),
    "s_contains": lambda a, b: func.ST_Contains(a, b, type_=Boolean()),
    "s_equals": lambda a, b: func.ST_Equals(a, b, type_=Boolean()),
    "s_touches": lambda a, b: func.ST_Touches(a, b, type_=Boolean()),
    "s_crosses": lambda a, b: func.ST_Crosses(a, b, type_=Boolean()),
    "s_overlaps": lambda a, b: func.ST_Overlaps(a, b, type_=Boolean()),
}
_TEMPORAL: Mapping[str, Callable[[_Span, _Span], Clause]] = {
    "t_after": lambda a, b: a.first > b.last,
    "t_before": lambda a, b: a.last < b.first,
    "t_contains": lambda a, b: and_(a.first < b.first, a.last > b.last),
    "t_disjoint": lambda a, b: or_(a.last < b.first, a.first > b.last),
    "t_during": lambda a, b: and_(a.first > b.first, a.last < b.last),
    "t_equals": lambda a, b: and_(a.first == b.first, a.last == b.last),
    "t_finishedby": lambda a, b: and_(a.first < b.first, a.last == b.last),
    "t_finishes": lambda a, b: and_(a.first > b.first, a.last == b.last),
    "t_intersects": lambda a, b: and_(a.first <= b.last, a.last >= b.first),
    "t_meets": lambda a, b: a.last == b.first,
    "t_metby": lambda a, b: a.first == b.last,
    "t_overlappedby": lambda a, b: and_(a.first > b.first, a.first < b.last, a.last > b.last),
    "t_overlaps": lambda a, b: and_(a.first < b.first, a.last > b.first, a.last < b.last),
    "t_startedby": lambda a, b: and_(a.first == b.first, a.last > b.last),
    "t_starts": lambda a, b: and_(a.first == b.first, a.last < b.last),
}
"""Clause 7.5 and annex D of 21-065r2; an instant is an interval whose ends are the same."""

_OTHERS: Mapping[str, tuple[int, Callable[..., Clause]]] = {
    "not": (1, _Translation.negation),
    "isnull": (1, _Translation.is_null),
    "like": (2, _Translation.like),
    "between": (3, _Translation.between),
    "in": (2, _Translation.among),
    **dict.fromkeys(("=", "<>", "<", ">", "<=", ">="), (2, _Translation.comparison)),
    **dict.fromkeys(_TEMPORAL, (2, _Translation.temporal)),
}
_KNOWN = ", ".join(["and", "or", *_OTHERS, *_SPATIAL])

_COMPARE: Mapping[str, Callable[[Any, Any], Clause]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}
_TURNED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def _compared(op: str, left: _Scalar, right: _Scalar, shown: Any) -> Clause:
    if (left.kind, right.kind) == ("date", "datetime"):
        left, right, op = right, left, _TURNED[op]
    if (left.kind, right.kind) == ("datetime", "date") and right.day is not None:
        return _compared_with_day(op, left.sql, *right.day)
    if left.kind != right.kind:
        raise wrong(_shown(shown), _shown(shown), f"a {left.kind}")
    if left.kind == "boolean" and op not in ("=", "<>"):
        raise wrong(op, op, "= or <> between true and false")
    if left.kind == "text" and op not in ("=", "<>"):
        # The order of the characters' numbers, the same on every server.
        return _COMPARE[op](left.sql.collate("C"), right.sql.collate("C"))
    return _COMPARE[op](left.sql, right.sql)


def _compared_with_day(op: str, time: Any, first: Any, last: Any) -> Clause:
    """A time against a whole day: in it, before it, after it."""
    if op in ("=", "<>"):
        within = and_(time >= first, time <= last)
        return within if op == "=" else not_(within)
    return _COMPARE[op](time, last if op in (">", "<=") else first)


def _arguments(name: str, args: Any, count: int) -> Sequence[Any]:
    if not isinstance(args, list) or len(args) != count:
        raise wrong(name, name, f"{count} argument(s) of {name}")
    return args


def _op(node: Mapping[str, Any]) -> str:
    return str(node.get("op", "")).lower()


def _ends(node: Any) -> list[Any]:
    """The two ends of an interval, or the node itself."""
    if not (isinstance(node, dict) and "interval" in node):
        return [node]
    ends = node["interval"]
    if not isinstance(ends, list) or len(ends) != 2:
        raise wrong(_shown(ends), _shown(ends), "INTERVAL('2026-01-01', '2026-03-31')")
    return ends


def _number(value: int | float) -> ColumnElement[Any]:
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong(str(value), value, "a finite number")
    if value == int(value):
        # Text is read with numbers as floats, which hold whole numbers exactly up to here.
        if abs(value) > (2**53 if isinstance(value, float) else 2**63 - 1):
            raise wrong(str(value), value, "a whole number below 2^53 (in JSON: of 64 bits)")
        return literal(int(value), BigInteger())
    return literal(float(value), Double())


def _day(text: str) -> _Scalar:
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        day = None
    if day is None:
        raise wrong(text, text, "DATE('2026-01-31')")
    first, last = read_interval(text, "filter")
    zoned = DateTime(timezone=True)
    return _Scalar(literal(day, Date()), "date", (literal(first, zoned), literal(last, zoned)))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text) if len(text) > 10 else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise wrong(text, text, _TIME)
    return moment


def _members(node: Any) -> list[Any]:
    if not (is_geometry(node) and node.get("type") == "GeometryCollection"):
        return [node]
    members = node.get("geometries")
    if not isinstance(members, list) or not all(
        is_geometry(m) and m.get("type") != "GeometryCollection" for m in members
    ):
        raise wrong("GEOMETRYCOLLECTION", "GEOMETRYCOLLECTION", "geometries, none of them a collection")
    return members


def _read_shape(node: Mapping[str, Any], expression: FilterExpression) -> BaseGeometry:
    """The literal as given, easting first."""
    try:
        if "bbox" in node:
            return _box([float(side) for side in node["bbox"]], expression)
        shape = shapely.force_2d(shapely.geometry.shape(dict(node)))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.errors.ShapelyError) as e:
        raise wrong(_shown(node), _shown(node), "a GeoJSON geometry or bbox") from e
    return shapely.transform(shape, lambda xy: xy[:, ::-1]) if expression.latitude_first else shape


def _box(sides: Sequence[float], expression: FilterExpression) -> BaseGeometry:
    if len(sides) == 6:
        sides = [*sides[0:2], *sides[3:5]]
    if len(sides) != 4 or not all(map(math.isfinite, sides)):
        raise ValueError(sides)
    west, south, east, north = sides
    if expression.latitude_first:
        west, south, east, north = south, west, north, east
    if south > north:
        raise ValueError(sides)
    if west <= east or expression.epsg == 3857:
        return _filled(west, south, east, north)
    parts = (_filled(west, south, 180.0, north), _filled(-180.0, south, east, north))
    return shapely.union_all(parts)


def _filled(west: float, south: float, east: float, north: float) -> BaseGeometry:
    """The box; a line or a point where it has no width, as a flat polygon is not valid."""
    if west < east and south < north:
        return shapely.box(west, south, east, north)
    return shapely.MultiPoint([(west, south), (east, north)]).envelope


def _in_degrees(shape: BaseGeometry, node: Any, expression: FilterExpression) -> BaseGeometry:
    """The shape in EPSG:4490; refused if it is not valid, or not on the earth."""
    if shape.is_empty or not shapely.is_valid(shape):
        reason = "empty" if shape.is_empty else shapely.is_valid_reason(shape)
        raise wrong(reason, reason, "a valid geometry that is not empty")
    if expression.epsg == 3857:
        moved = reproject(np.array([shape], dtype=object), read_crs(expression.epsg))[0]
        if moved is None:
            raise wrong(_shown(node), _shown(node), f"coordinates of EPSG:{expression.epsg}")
        shape = moved
    west, south, east, north = shape.bounds
    try:
        check_place(west, south)
        check_place(east, north)
    except BadRequest as error:
        raise wrong(_shown(node), _shown(node), "longitudes within ±180, latitudes within ±90") from error
    return shape


def _shown(node: Any) -> str:
    """A node in words short enough for an error."""
    if isinstance(node, dict) and isinstance(node.get("property"), str):
        return str(node["property"])[:80]
    return str(node)[:80]
