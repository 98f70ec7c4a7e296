"""Rows on arrival: arrays and lists are the same, and their digests are what the database makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from importlib import import_module

import numpy as np
import pyarrow as pa
import pytest
import shapely
from sqlalchemy import text

from layers import finish
from layers import stage as staging
from layers.access import SYSTEM, scope_for
from layers.catalogue import get_layer, register
from layers.db import Database
from layers.errors import BadData, Unavailable
from layers.finish import finish_what_waits
from layers.model import Field, FieldType, Layer, Text
from layers.publish import Batch, publish, stage
from layers.rows import rows
from layers.search import search
from tests.layers.specimens import HERE, batch, shop_layer

VALUES: dict[FieldType, list[object]] = {
    "text": ["a", "井盖 \\x \t\"'", "", None],
    "integer": [-(2**63), 0, 2**63 - 1, None],
    "number": [0.1 + 0.2, -0.0, 1e300, None],
    "boolean": [True, False, True, None],
    "date": [date(1, 1, 1), date(2026, 2, 28), date(9999, 12, 31), None],
    "datetime": [
        datetime(1960, 1, 1, 8, 30, tzinfo=UTC),
        datetime(2026, 1, 1, 8, 30, 0, 123456, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        None,
    ],
}
PLACES = [shapely.Point(*HERE), shapely.Point(116.25, 31.5), None, shapely.Point(116.75, 31.5)]


def every_type(**changes: object) -> Layer:
    named = [Field("编号", Text("编号", "number"))]
    named += [Field(f'一个 "{kind}"', Text(kind, kind), type=kind) for kind in VALUES]
    settings: dict[str, object] = {
        "fields": tuple(named), "key": "编号", "name_field": None, "search_fields": (),
        "district_field": None, "time_field": None,
    }  # fmt: skip
    return shop_layer(**(settings | changes))


def given(layer: Layer, *, arrays: bool) -> Batch:
    columns: dict[str, object] = {"编号": list("甲乙丙丁")}
    for field in layer.fields[1:]:
        columns[field.name] = VALUES[field.type]
    if arrays:
        columns = {name: pa.array(values) for name, values in columns.items()}  # type: ignore[arg-type]
    wkb = [None if p is None else p.wkb for p in PLACES]
    return Batch(np.array(wkb, dtype=object) if arrays else wkb, columns)  # type: ignore[arg-type]


@pytest.mark.parametrize("keyless", [False, True])
async def test_the_database_makes_the_same_digests_of_the_rows_that_stand(
    database: Database, keyless: bool
) -> None:
    layer = await register(database, every_type(**({"key": None} if keyless else {})))
    await publish(database, await stage(database, layer, [given(layer, arrays=False)]), by="li")
    renewed = import_module("layers.migrations.versions.0009_digests_of_bytes")
    digest = renewed.row_digest({field.name: field.type for field in layer.fields})
    async with database.begin() as connection:
        wrong = await connection.exec_driver_sql(
            f'SELECT count(*) FROM onemap_rows."{layer.id}" WHERE _hash <> {digest}'.replace("%", "%%")
        )
        assert wrong.scalar() == 0


async def test_arrays_say_the_same_as_lists(database: Database) -> None:
    layer = await register(database, every_type())
    await publish(database, await stage(database, layer, [given(layer, arrays=True)]), by="li")
    layer = await get_layer(database, layer.id)
    names = [field.name for field in layer.fields[1:]]
    scoped = rows(scope_for(SYSTEM, layer)).subquery()
    async with database.connect() as connection:
        found = (await connection.execute(scoped.select().order_by(scoped.c._fid))).mappings().all()
    assert [[row[name] for name in names] for row in found] == [
        list(values) for values in zip(*(VALUES[f.type] for f in layer.fields[1:]), strict=True)
    ]
    again = await stage(database, layer, [given(layer, arrays=False)])
    assert await publish(database, again, by="li") == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", pa.array(["a\x00b"])),
        ("text", pa.array([1])),
        ("integer", pa.array([1.5])),
        ("number", pa.array([float("nan")])),
        ("number", pa.array([float("-inf")])),
        ("date", pa.array([datetime(2026, 1, 1, tzinfo=UTC)])),
        ("datetime", pa.array([datetime(2026, 1, 1)])),  # no zone
        ("boolean", pa.array([1])),
    ],
)
async def test_an_array_that_does_not_fit_its_field_is_refused_with_its_row(
    database: Database, kind: FieldType, values: pa.Array
) -> None:
    layer = await register(database, every_type())
    name = next(f.name for f in layer.fields[1:] if f.type == kind)
    with pytest.raises(BadData, match="row 1"):
        await stage(database, layer, [Batch([None], {"编号": ["a"], name: values})])


async def test_rows_of_heavy_geometry_are_handled_a_few_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = await register(database, shop_layer())
    monkeypatch.setattr(staging, "MOST_BYTES", 50)  # two points
    rows_ = [{"code": str(n)} for n in range(7)]
    staged = await stage(database, layer, [batch(*rows_), batch({"code": "last"})])
    assert staged.count == 8
    [version] = await publish(database, staged, by="li")
    assert version.added == 8


async def test_a_first_version_takes_the_stage_in_its_place_and_goes_on_numbering(
    database: Database,
) -> None:
    layer = await register(database, shop_layer())
    await publish(database, await stage(database, layer, [batch({"code": "a"}, {"code": "b"})]), by="li")
    await publish(database, await stage(database, layer, [batch({"code": "b"}, {"code": "c"})]), by="li")
    async with database.begin() as connection:
        found = await connection.execute(
            text(f'SELECT _key, _fid FROM onemap_rows."{layer.id}" ORDER BY _fid')
        )
        assert [tuple(row) for row in found] == [("b", 2), ("c", 3)]
        kept = await connection.execute(
            text(
                "SELECT conname, relpersistence FROM pg_constraint JOIN pg_class t ON t.oid = conrelid "
                "WHERE conrelid = to_regclass(:name) ORDER BY conname"
            ),
            {"name": f'onemap_rows."{layer.id}"'},
        )
        # "p": permanent, logged, as a table made empty
        expected = [(f"{layer.id}__key_key", "p"), (f"{layer.id}_pkey", "p")]
        assert [(name, kind) for name, kind in kept] == expected


async def test_of_two_first_deliveries_the_second_is_compared_with_the_first(database: Database) -> None:
    layer = await register(database, shop_layer())
    one = await stage(database, layer, [batch({"code": "a", "name": "旧"}, {"code": "b"})])
    other = await stage(database, layer, [batch({"code": "a", "name": "新"}, {"code": "c"})])
    await publish(database, one, by="li")
    [version] = await publish(database, other, by="wang")
    assert (version.number, version.added, version.changed, version.removed) == (2, 1, 1, 1)


async def test_a_stage_kept_by_an_earlier_release_without_these_indexes_becomes_the_first_version(
    database: Database,
) -> None:
    layer = await register(database, shop_layer())
    kept = await stage(database, layer, [batch({"code": "a"}, {"code": "b"})])
    async with database.begin() as connection:
        found = await connection.scalars(
            text("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = to_regclass(:name)"),
            {"name": f'onemap_stage."{kept.table}"'},
        )
        for name in found.all():
            await connection.execute(text(f"DROP INDEX {name}"))
    [version] = await publish(database, replace(kept, bounds=None), by="li")
    standing = await get_layer(database, layer.id)
    assert (version.number, version.added, standing.bounds is None) == (1, 2, False)


async def test_a_large_first_version_stands_at_once_and_is_finished_afterwards(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "LATER_FROM", 2)
    layer = await register(database, shop_layer())
    with monkeypatch.context() as dying:
        dying.setattr(finish, "_indexes", refused)
        dying.setattr(finish, "_copy", refused)
        staged = await stage(database, layer, [batch({"code": "a", "name": "甲"}, {"code": "b"})])
        [version] = await publish(database, staged, by="li")
    standing = await get_layer(database, layer.id)
    assert (version.number, standing.status, standing.unfinished) == (1, "published", ("indexes", "copy"))
    made = await indexes_of(database, layer)
    assert f"{layer.id}__geom" in made
    assert not any("__s" in name for name in made)
    [hit] = await search(database, [scope_for(SYSTEM, standing)], "甲")
    assert hit.key == "a"
    assert await finish_what_waits(database) == 1
    assert (await get_layer(database, layer.id)).unfinished == ()
    assert any("__s" in name for name in await indexes_of(database, layer))
    assert await finish_what_waits(database) == 0


async def test_the_next_version_finishes_what_the_first_left(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = await register(database, shop_layer())
    with monkeypatch.context() as dying:
        dying.setattr(finish, "LATER_FROM", 1)
        dying.setattr(finish, "_indexes", refused)
        dying.setattr(finish, "_copy", refused)
        await publish(database, await stage(database, layer, [batch({"code": "a"})]), by="li")
    await publish(database, await stage(database, layer, [batch({"code": "b"})]), by="li")
    assert (await get_layer(database, layer.id)).unfinished == ()
    assert any("__s" in name for name in await indexes_of(database, layer))


async def refused(*_: object) -> None:
    raise Unavailable("断开", "gone")


async def indexes_of(database: Database, layer: Layer) -> set[str]:
    async with database.connect() as connection:
        found = await connection.scalars(
            text("SELECT indexname FROM pg_indexes WHERE schemaname = 'onemap_rows' AND tablename = :t"),
            {"t": layer.id},
        )
        return set(found)
