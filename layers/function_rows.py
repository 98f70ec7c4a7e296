"""Rows of a function layer: what the user's own function returns for some arguments, as our columns. Pure.

Who may see which of them is `layers.rows`' business, which is the only caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    FromClause,
    Integer,
    Numeric,
    Select,
    SmallInteger,
    Text,
    cast,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import REAL, TypeEngine

from layers.function_arguments import Given, require_given
from layers.model import FunctionSource, Layer, SquareArgument
from layers.relation import in_own_system, rows_from

_TYPES: Mapping[str, TypeEngine[Any]] = {
    "int2": SmallInteger(),
    "int4": Integer(),
    "int8": BigInteger(),
    "float4": REAL(),
    "float8": Double(),
    "numeric": Numeric(),
    **dict.fromkeys(("text", "varchar", "bpchar"), Text()),
    "bool": Boolean(),
    "date": Date(),
    "timestamp": DateTime(),
    "timestamptz": DateTime(timezone=True),
}


class _Call(FunctionElement[Any]):
    """A call whose names are quoted, all of them, and whose arguments go by name."""

    inherit_cache = False

    def __init__(self, function: FunctionSource, given: Mapping[str, ColumnElement[Any]]) -> None:
        super().__init__()
        self.path = (function.relation.schema, function.relation.name)
        self.given = given


@compiles(_Call)
def _written(call: _Call, compiler: SQLCompiler, **how: Any) -> str:
    quote = compiler.preparer.quote_identifier
    given = ", ".join(f"{quote(n)} => {compiler.process(value, **how)}" for n, value in call.given.items())
    return f"{'.'.join(map(quote, call.path))}({given})"


def function_rows(
    layer: Layer,
    fields: Sequence[str],
    given: Given,
    square: Mapping[SquareArgument, ColumnElement[Any]],
) -> Select[Any]:
    """Every row the function returns, as `layers.relation.relation_rows` gives those of a table.

    `given` as `read_arguments` made it. `square`: what `z`, `x`, `y` and `bounds` are, the latter in
    EPSG:4490; the function gets its bounds as a geometry of its own system, a little larger. Raises
    `BadRequest` for a required argument that is missing.
    """
    function = layer.function
    assert function is not None, layer.id
    require_given(layer, given)
    types = {argument.name: _TYPES[argument.own_type] for argument in function.arguments}
    values: dict[str, ColumnElement[Any]] = {
        name: cast(literal(value, types[name]), types[name]) for name, value in given
    }
    for name in function.square:
        where = square[name]
        values[name] = in_own_system(function.relation, where) if name == "bounds" else cast(where, Integer())
    called: FromClause = _Call(function, values).alias("called")
    return rows_from(called, function.relation, layer, fields)
