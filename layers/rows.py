"""The only door to a layer's rows: a scope becomes a relation that holds nothing it may not.

Whatever reads rows (tiles, features, identify, search, counts) selects from `rows(scope)`; the grid index
and the importers do so with the scope of `access.SYSTEM`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from layers.function_arguments import Given
from layers.function_rows import function_rows
from layers.model import Layer, SquareArgument
from layers.relation import (
    KEY_COLUMN,
    RAW_COLUMN,
    field_value,
    key_value,
    nearness,
    overlaps,
    relation_of,
    relation_rows,
)
from layers.tables import SRID, beginning, far_table, past_table, rows_table

OWN_COLUMNS = ("_fid", "_key", "_geom", "_geom_3857")


def rows(scope: Scope, *, fields: Sequence[str] | None = None) -> Select[Any]:
    """The scoped rows: `_fid`, `_key`, `_geom` (EPSG:4490), `_geom_3857`, then `fields`.

    `fields` None: every field the scope lets out. Raises `BadRequest` for a field it does not, and for a
    raster layer. At the current version only the current rows are read; at an older one current and past rows
    together. Of a registered layer they are those of the user's own table; `meets_box_of`, `has_key` and
    `order_of` ask in such a way that the table's own indexes serve.
    """
    if not scope.layer.has_rows:
        raise no_rows(scope.layer)
    chosen = scope.fields if fields is None else tuple(dict.fromkeys(fields))
    for name in chosen:
        require_field(scope, name)
    if scope.layer.relation is not None:
        return _registered(scope, chosen)
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


def rows_apart(earlier: Scope, later: Scope) -> tuple[Select[Any], Select[Any]]:
    """The scoped rows that stand in one of two versions of a layer and not in the other, of each: columns as
    of `rows`, with the fields of `earlier`.

    A row that nobody touched in between is one and the same in both, so all that differs is here; some may
    be equal, where a later version took a change back. Only what was touched is read.
    """
    if earlier.layer.kind != "rows":
        return rows(earlier), rows(later, fields=earlier.fields)
    return _only_in(earlier, later.version, earlier.fields), _only_in(later, earlier.version, earlier.fields)


def _only_in(scope: Scope, other: int, fields: Sequence[str]) -> Select[Any]:
    """Rows that stand in the scope's version and not in version `other`."""
    for name in fields:
        require_field(scope, name)
    columns = [*OWN_COLUMNS, *fields]
    table, past = rows_table(scope.layer), past_table(scope.layer)
    gone = _limited(scope, past, columns).where(past.c._from <= scope.version, past.c._to > scope.version)
    if scope.version <= other:
        return gone.where(past.c._to <= other)
    stands = _limited(scope, table, columns).where(table.c._from > other)
    if scope.is_current:
        return stands
    both = union_all(stands.where(table.c._from <= scope.version), gone.where(past.c._from > other))
    return select(both.subquery("then"))


def called_rows(
    scope: Scope,
    given: Given,
    square: Mapping[SquareArgument, ColumnElement[Any]],
    *,
    fields: Sequence[str] | None = None,
) -> Select[Any]:
    """The scoped rows that the function of a function layer returns: as `rows`, for arguments and a square.

    `given` and `square` as for `layers.function_rows`.
    """
    chosen = scope.fields if fields is None else tuple(dict.fromkeys(fields))
    for name in chosen:
        require_field(scope, name)
    statement = function_rows(scope.layer, chosen, given, square)
    if scope.districts is None:
        return statement
    function, district = scope.layer.function, scope.layer.field(scope.layer.district_field or "")
    assert function is not None
    assert district is not None
    return statement.where(_in_districts(field_value(function.relation, district), scope.districts))


def generalised_rows(scope: Scope, zoom: int, *, fields: Sequence[str] | None = None) -> Select[Any]:
    """The scoped rows that stand for all of them at `zoom`, with lighter shapes; otherwise as `rows`.

    After `_geom_3857` come `_count` (rows it stands for, itself included), `_left_out` (rows nearby that
    nothing stands for) and `_classes` (of which classes those of a cluster are, null for others; only for who
    may see their field: `layers.classes.counted_class`). Only for the current version and the zooms in
    `Layer.generalised`.
    """
    own, far = rows(scope, fields=fields).subquery("own"), far_table(scope.layer)
    chosen = [column for column in own.c if column.name not in OWN_COLUMNS]
    # The zoom stands in the text: a partial index for each zoom is chosen by it.
    at_zoom = far.c._z == literal_column(str(int(zoom)))
    shape = [func.ST_Transform(far.c._shape, SRID).label("_geom"), far.c._shape.label("_geom_3857")]
    joined = own.join(far, and_(far.c._fid == own.c._fid, at_zoom))
    told = (far.c._count, far.c._left_out, far.c._classes)
    return select(own.c._fid, own.c._key, *shape, *told, *chosen).select_from(joined)


def meets_box_of(scope: Scope, table: FromClause, shape: ColumnElement[Any]) -> ColumnElement[bool]:
    """Rows of `table` (made by `rows`) whose box meets that of `shape` (EPSG:4490) or nearly, by an index."""
    if scope.layer.relation is not None:
        return overlaps(scope.layer.relation, table.c[RAW_COLUMN], shape)
    return table.c._geom.op("&&", is_comparison=True)(shape)


def candidates(scope: Scope, table: FromClause, shape: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """What to ask beside an exact relation to `shape` (EPSG:4490) so that an index chooses the rows.

    Nothing of our own rows: PostGIS finds their index from the relation itself.
    """
    return [] if scope.layer.relation is None else [meets_box_of(scope, table, shape)]


def nearest_first(scope: Scope, table: FromClause, place: ColumnElement[Any]) -> ColumnElement[Any]:
    """What rows of `table` are ordered by to have the nearest to `place` (EPSG:4490) first, by an index."""
    if scope.layer.relation is not None:
        return nearness(scope.layer.relation, table.c[RAW_COLUMN], place)
    return table.c._geom.op("<->")(place)


def order_of(scope: Scope, table: FromClause) -> ColumnElement[Any]:
    """The column rows of `table` are put in order by, and told apart by, with an index behind it."""
    return table.c._fid if scope.layer.relation is None else table.c[KEY_COLUMN]


def has_key(scope: Scope, table: FromClause, key: str) -> ColumnElement[bool]:
    """The row of `table` with the key `key`, by an index."""
    relation = scope.layer.relation
    if relation is None:
        return table.c._key == key.replace("\x00", "�")  # which no stored key holds; the driver refuses NUL
    value = key_value(relation, key)
    return false() if value is None else table.c[KEY_COLUMN] == value


def comes_after_key(scope: Scope, table: FromClause, key: str) -> ColumnElement[bool] | None:
    """Rows of a registered layer after the one with the key `key`, in the order of `order_of`.

    None if no row can have such a key.
    """
    value = key_value(relation_of(scope.layer), key)
    return None if value is None else table.c[KEY_COLUMN] > value


def no_rows(layer: Layer) -> BadRequest:
    """What is said to who asks for rows, or tiles of them, of a layer that has none."""
    if layer.function is not None:
        return BadRequest(
            f"图层“{layer.title.zh}”由函数产生，只提供瓦片：/tiles/{layer.id}/{{z}}/{{x}}/{{y}}.mvt",
            f"layer {layer.id!r} is made by a function and gives tiles only:"
            f" /tiles/{layer.id}/{{z}}/{{x}}/{{y}}.mvt",
            field="layer",
            value=layer.id,
            expected="a layer with rows",
        )
    if layer.service is not None:
        return BadRequest(
            f"图层“{layer.title.zh}”来自登记的服务，请用 /services/{layer.id}/ 下的地址",
            f"layer {layer.id!r} comes from a registered service: ask at /services/{layer.id}/",
            field="layer",
            value=layer.id,
            expected="a layer with rows",
        )
    return BadRequest(
        f"图层“{layer.title.zh}”是栅格图层，没有要素；请用 /tiles/{layer.id}/{{z}}/{{x}}/{{y}}.png 取图，"
        f"或 /api/v1/layers/{layer.id}/value 取某点的值",
        f"layer {layer.id!r} is a raster and has no features: ask for"
        f" /tiles/{layer.id}/{{z}}/{{x}}/{{y}}.png, or for the value of a place at"
        f" /api/v1/layers/{layer.id}/value",
        field="layer",
        value=layer.id,
        expected="a layer with rows",
    )


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


def _registered(scope: Scope, names: Sequence[str]) -> Select[Any]:
    statement = relation_rows(scope.layer, names)
    if scope.districts is None:
        return statement
    district = scope.layer.field(scope.layer.district_field or "")
    assert district is not None
    value = field_value(relation_of(scope.layer), district)
    return statement.where(_in_districts(value, scope.districts))


def _limited(scope: Scope, table: FromClause, columns: Sequence[str]) -> Select[Any]:
    statement = select(*(table.c[name] for name in columns))
    if scope.districts is None:
        return statement
    return statement.where(_in_districts(table.c[scope.layer.district_field or ""], scope.districts))


def _in_districts(column: ColumnElement[Any], districts: Sequence[str]) -> ColumnElement[bool]:
    # LIKE with a bound prefix uses the text_pattern_ops index on the same expression.
    return or_(false(), *(beginning(column).startswith(code, autoescape=True) for code in districts))
