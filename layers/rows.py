"""The only door to a layer's rows: a scope becomes a relation that holds nothing it may not.

Whatever reads rows (tiles, features, identify, search, counts) selects from `rows(scope)`; the grid index
and the importers do so with the scope of `access.SYSTEM`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    false,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from layers.access import Scope
from layers.errors import BadRequest
from layers.model import Layer
from layers.tables import SRID, beginning, far_table, past_table, rows_table

OWN_COLUMNS = ("_fid", "_key", "_geom", "_geom_3857")


def rows(scope: Scope, *, fields: Sequence[str] | None = None) -> Select[Any]:
    """The scoped rows: `_fid`, `_key`, `_geom` (EPSG:4490), `_geom_3857`, then `fields`.

    `fields` None: every field the scope lets out. Raises `BadRequest` for a field it does not. At the
    current version only the current rows are read; at an older one current and past rows together.
    """
    chosen = scope.fields if fields is None else tuple(dict.fromkeys(fields))
    for name in chosen:
        require_field(scope, name)
    columns = [*OWN_COLUMNS, *chosen]
    table = rows_table(scope.layer)
    if scope.is_current:
        return _limited(scope, table, columns)
    past = past_table(scope.layer)
    then = union_all(
        _limited(scope, table, columns).where(table.c._from <= scope.version),
        _limited(scope, past, columns).where(past.c._from <= scope.version, past.c._to > scope.version),
    ).subquery("then")
    return select(then)


def generalised_rows(scope: Scope, zoom: int, *, fields: Sequence[str] | None = None) -> Select[Any]:
    """The scoped rows that stand for all of them at `zoom`, with lighter shapes; otherwise as `rows`.

    After `_geom_3857` come `_count` (rows it stands for, itself included) and `_left_out` (rows nearby that
    nothing stands for). Only for the current version and the zooms in `Layer.generalised`.
    """
    own, far = rows(scope, fields=fields).subquery("own"), far_table(scope.layer)
    chosen = [column for column in own.c if column.name not in OWN_COLUMNS]
    # The zoom stands in the text: a partial index for each zoom is chosen by it.
    at_zoom = far.c._z == literal_column(str(int(zoom)))
    shape = [func.ST_Transform(far.c._shape, SRID).label("_geom"), far.c._shape.label("_geom_3857")]
    joined = own.join(far, and_(far.c._fid == own.c._fid, at_zoom))
    return select(own.c._fid, own.c._key, *shape, far.c._count, far.c._left_out, *chosen).select_from(joined)


def require_field(scope: Scope, name: str) -> None:
    """Raises `BadRequest` unless the scope lets the field `name` out; hidden and unknown look alike."""
    if name not in scope.fields:
        raise BadRequest(
            f"图层“{scope.layer.title.zh}”没有可查询的字段“{name}”",
            f"layer {scope.layer.id!r} has no field {name!r} to ask for",
            field=name,
            value=name,
            expected=", ".join(scope.fields),
        )


def standing_at(layer: Layer, number: int, names: Sequence[str]) -> Select[Any]:
    """Columns `names` of the rows as they stood in version `number`, unscoped: for rolling back."""
    table, past = rows_table(layer), past_table(layer)
    return select(
        union_all(
            select(*(table.c[n] for n in names)).where(table.c._from <= number),
            select(*(past.c[n] for n in names)).where(past.c._from <= number, past.c._to > number),
        ).subquery("then")
    )


def _limited(scope: Scope, table: FromClause, columns: Sequence[str]) -> Select[Any]:
    statement = select(*(table.c[name] for name in columns))
    if scope.districts is None:
        return statement
    return statement.where(_in_districts(table.c[scope.layer.district_field or ""], scope.districts))


def _in_districts(column: ColumnElement[Any], districts: Sequence[str]) -> ColumnElement[bool]:
    # LIKE with a bound prefix uses the text_pattern_ops index on the same expression.
    return or_(false(), *(beginning(column).startswith(code, autoescape=True) for code in districts))
