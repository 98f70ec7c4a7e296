"""What a caller says to a function layer: text of an address as values of the function's types. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from layers.errors import BadRequest, unknown_parameter
from layers.model import Argument, FieldType, FunctionSource, Layer

MAX_TEXT = 200
"""Characters of a text that is given."""

Value = str | int | float | Decimal | bool | date | datetime
Given = tuple[tuple[str, Value], ...]
"""Name and value of each argument that is given, in the function's order."""


class _Kind(NamedTuple):
    type: FieldType
    least: int = 0
    most: int = 0


OWN_TYPES: Mapping[str, _Kind] = {
    **{f"int{n}": _Kind("integer", -(2 ** (8 * n - 1)), 2 ** (8 * n - 1) - 1) for n in (2, 4, 8)},
    **dict.fromkeys(("float4", "float8", "numeric"), _Kind("number")),
    **dict.fromkeys(("text", "varchar", "bpchar"), _Kind("text")),
    "bool": _Kind("boolean"),
    "date": _Kind("date"),
    **dict.fromkeys(("timestamp", "timestamptz"), _Kind("datetime")),
}
"""Types of the database that an argument may have: what is said for one, and its range."""

_EXPECTED: Mapping[FieldType, str] = {
    "integer": "a whole number",
    "number": "a number",
    "text": f"a text of at most {MAX_TEXT} characters",
    "boolean": "true or false",
    "date": "a date, such as 2026-03-01",
    "datetime": "a time with its zone, such as 2026-03-01T08:00:00+08:00",
}


def read_arguments(layer: Layer, said: Sequence[tuple[str, str]]) -> Given:
    """What `said` (names and texts of an address) means to the function of `layer`.

    Raises `BadRequest` for a name it does not know or that comes twice, a value that is not of its type or
    not allowed, and a required argument that is missing.
    """
    function = layer.function
    assert function is not None, layer.id
    given = read_given(function, said)
    require_given(layer, given)
    return given


def refuse_said(said: Sequence[tuple[str, str]]) -> None:
    """Raises `BadRequest` for the first of `said`, where there is no function to say anything to."""
    for name, value in said:
        raise unknown_parameter(
            name, value, "a parameter of this address, or a function layer and its arguments"
        )


def require_given(layer: Layer, given: Given) -> None:
    """Raises `BadRequest` for a required argument of the function of `layer` that is not among `given`."""
    names = {name for name, _ in given}
    for argument in () if layer.function is None else layer.function.arguments:
        if argument.is_required and argument.name not in names:
            raise BadRequest(
                f"请给出参数“{argument.name}”",
                f"say {argument.name!r}, which layer {layer.id!r} asks for",
                field=argument.name,
                value="",
                expected=expected(argument),
            )


def read_given(function: FunctionSource, said: Sequence[tuple[str, str]]) -> Given:
    """As `read_arguments`, whatever is missing."""
    known = {argument.name: argument for argument in function.arguments}
    texts: dict[str, str] = {}
    for name, value in said:
        if name not in known or name in texts:
            raise BadRequest(
                f"未知或重复的查询参数“{name[:100]}”",
                f"unknown query parameter {name[:100]!r}, or given twice",
                field=name[:100],
                value=value,
                expected=", ".join(known) or "no parameters",
            )
        texts[name] = value
    return tuple((name, _allowed(known[name], texts[name])) for name in known if name in texts)


def expected(argument: Argument) -> str:
    """What may be said for an argument, in words."""
    if argument.choices:
        return f"one of {', '.join(argument.choices)}"
    told = _EXPECTED[argument.type]
    if argument.least is not None and argument.most is not None:
        return f"{told}, {argument.least} to {argument.most}"
    return told


def with_limits(argument: Argument, said: str) -> Argument:
    """The argument with what the operator allows: `1990..2030`, or values with commas between.

    Raises `BadRequest` for limits that are not of its type, or the wrong way round.
    """
    least, dots, most = said.partition("..")
    if dots:
        limited = Argument(argument.name, argument.type, argument.own_type, argument.is_required, least, most)
        low, high = _value(argument, least), _value(argument, most)
        if argument.type in ("text", "boolean") or not _is_between(low, low, high):
            raise _not_allowed(argument, said, "least..most of a number or a time, or values a,b,c")
        return limited
    choices = tuple(one.strip() for one in said.split(",") if one.strip())
    for one in choices:
        _value(argument, one)
    if not choices:
        raise _not_allowed(argument, said, "least..most, or values a,b,c")
    return Argument(argument.name, argument.type, argument.own_type, argument.is_required, choices=choices)


def _allowed(argument: Argument, text: str) -> Value:
    value = _value(argument, text)
    if argument.choices and value not in [_value(argument, one) for one in argument.choices]:
        raise _not_allowed(argument, text, expected(argument))
    if argument.least is not None and argument.most is not None:
        low, high = _value(argument, argument.least), _value(argument, argument.most)
        if not _is_between(value, low, high):
            raise _not_allowed(argument, text, expected(argument))
    return value


def _is_between(value: Value, low: Value, high: Value) -> bool:
    return low <= value <= high  # type: ignore[operator]


def _value(argument: Argument, text: str) -> Value:
    """The text as a value of the argument's type; raises `BadRequest`."""
    kind = OWN_TYPES[argument.own_type]
    wrong = _not_allowed(argument, text, _EXPECTED[kind.type])
    if len(text) > MAX_TEXT or "\x00" in text or not _is_unicode(text):
        raise wrong
    try:
        match kind.type:
            case "integer":
                number = int(text) if _WHOLE.fullmatch(text) else None
                if number is None or not kind.least <= number <= kind.most:
                    raise wrong
                return number
            case "number":
                if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
                    raise wrong
                return Decimal(text) if argument.own_type == "numeric" else float(text)
            case "boolean":
                return {"true": True, "false": False}[text]
            case "date":
                return date.fromisoformat(text)
            case "datetime":
                # A plus sign that came unescaped is a space in a query.
                moment = datetime.fromisoformat(re.sub(r" (\d\d:\d\d)$", r"+\1", text))
                if moment.tzinfo is None:
                    raise wrong
                return moment
            case _:
                return text
    except (ValueError, KeyError, InvalidOperation) as error:
        raise wrong from error


_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_allowed(argument: Argument, text: str, wanted: str) -> BadRequest:
    return BadRequest(
        f"参数“{argument.name}”的值不对，应为：{wanted}",
        f"{argument.name!r} is not right; expected {wanted}",
        field=argument.name,
        value=text,
        expected=wanted,
    )
